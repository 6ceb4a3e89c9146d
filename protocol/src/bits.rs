//! Strings of bits, lowest bit of the lowest byte first.
//!
//! Responsible for packing and for never reading past an end. What the bits mean is [`crate::update`]'s business.

use crate::bytes::ReadError;

/// Collects bits. Keeps its memory when cleared.
#[derive(Debug, Clone, Default)]
pub struct BitWriter {
    words: Vec<u64>,
    len: usize,
}

/// Bits of a `u64`.
const WORD: usize = 64;

/// The low `count` bits, at most 64.
#[inline]
const fn low(value: u64, count: u32) -> u64 {
    if count >= 64 { value } else { value & ((1 << count) - 1) }
}

impl BitWriter {
    /// An empty string.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new(), len: 0 }
    }

    /// Length in bits.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all bits.
    pub fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// Forgets the bits from `len` on; there are at least so many.
    pub fn truncate(&mut self, len: usize) {
        assert!(len <= self.len, "a string is cut, not grown");
        self.words.truncate(len.div_ceil(WORD));
        if let Some(last) = self.words.last_mut().filter(|_| !len.is_multiple_of(WORD)) {
            *last = low(*last, (len % WORD) as u32);
        }
        self.len = len;
    }

    /// Appends the low `count` bits of `value`, at most 64.
    #[inline]
    pub fn put(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64);
        if count == 0 {
            return;
        }
        let value = low(value, count);
        let shift = self.len % WORD;
        if shift == 0 {
            self.words.push(value);
        } else {
            *self.words.last_mut().expect("bits that end inside a word have one") |= value << shift;
            if shift + count as usize > WORD {
                self.words.push(value >> (WORD - shift));
            }
        }
        self.len += count as usize;
    }

    /// Appends one bit.
    #[inline]
    pub fn put_bit(&mut self, bit: bool) {
        self.put(u64::from(bit), 1);
    }

    /// Appends `value` in `code(k)`, `k` at most 63; see [`crate::update`].
    #[inline]
    pub fn put_code(&mut self, value: u64, k: u32) {
        let excess = bit_length(value).saturating_sub(k);
        if excess == 0 {
            // A zero, then the bits: for k = 63 they are 64.
            self.put(value << 1, k + 1);
            return;
        }
        // `excess` ones and a zero.
        if excess < 64 {
            self.put((1 << excess) - 1, excess + 1);
        } else {
            self.put(u64::MAX, 64);
            self.put(0, 1);
        }
        self.put(value, k + excess - 1);
    }

    /// Appends `len` bits that begin with the lowest of `words`.
    #[inline]
    pub fn append(&mut self, words: &[u64], len: usize) {
        let (whole, rest) = (len / WORD, (len % WORD) as u32);
        for word in &words[..whole] {
            self.put(*word, 64);
        }
        if rest > 0 {
            self.put(words[whole], rest);
        }
    }

    /// Appends another string.
    pub fn append_bits(&mut self, other: &Self) {
        self.append(&other.words, other.len);
    }

    /// Fills up with zeros to a whole number of words; gives how many words there are.
    pub fn align(&mut self) -> usize {
        self.len = self.words.len() * WORD;
        self.words.len()
    }

    /// The words that hold the bits; bits beyond the length are zero.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Appends the string to `out` as bytes, filled up with zeros.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for word in &self.words {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.truncate(start + self.len.div_ceil(8));
    }
}

/// Bits of a number: 0 has none.
#[inline]
#[must_use]
pub const fn bit_length(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Bits that [`BitWriter::put_code`] appends for a number of `length` bits.
#[inline]
#[must_use]
pub const fn code_bits(length: u32, k: u32) -> u32 {
    if length <= k { k + 1 } else { 2 * (length - k) + k }
}

/// Reads bits from front to back.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits that are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// An error at this place.
    #[must_use]
    pub const fn error(&self, reason: &'static str) -> ReadError {
        ReadError { offset: self.at / 8, reason }
    }

    /// Up to 57 bits from here on, zeros beyond the end.
    #[inline]
    fn peek(&self) -> u64 {
        let from = self.at / 8;
        let mut word = [0u8; 8];
        match self.bytes.get(from..from + 8) {
            Some(bytes) => word.copy_from_slice(bytes),
            None => {
                let rest = &self.bytes[from.min(self.bytes.len())..];
                word[..rest.len()].copy_from_slice(rest);
            }
        }
        u64::from_le_bytes(word) >> (self.at % 8)
    }

    /// Takes `count` bits, at most 64.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn take(&mut self, count: u32) -> Result<u64, ReadError> {
        if self.remaining() < count as usize {
            return Err(self.error("the bits end too early"));
        }
        let first = count.min(56);
        let mut value = low(self.peek(), first);
        self.at += first as usize;
        if count > first {
            value |= low(self.peek(), count - first) << first;
            self.at += (count - first) as usize;
        }
        Ok(value)
    }

    /// Takes one bit.
    ///
    /// # Errors
    /// At the end.
    #[inline]
    pub fn bit(&mut self) -> Result<bool, ReadError> {
        Ok(self.take(1)? == 1)
    }

    /// Takes a number in `code(k)`, `k` at most 63.
    ///
    /// # Errors
    /// At the end, or when the number has more than 64 bits.
    #[inline]
    pub fn code(&mut self, k: u32) -> Result<u64, ReadError> {
        let mut excess = 0;
        loop {
            let ones = self.peek().trailing_ones().min(56).min(self.remaining() as u32);
            excess += ones;
            self.at += ones as usize;
            if ones < 56 {
                break;
            }
        }
        if self.bit()? {
            return Err(self.error("the bits end too early"));
        }
        if excess + k > 64 && excess > 0 {
            return Err(self.error("a number has more than 64 bits"));
        }
        if excess == 0 {
            return self.take(k);
        }
        let rest = k + excess - 1;
        Ok(self.take(rest)? | 1 << rest)
    }

    /// Checks that nothing but the zeros that fill the last byte is left.
    ///
    /// # Errors
    /// When more is left.
    pub fn finish(&mut self) -> Result<(), ReadError> {
        let left = self.remaining();
        if left >= 8 || self.take(left as u32)? != 0 {
            return Err(self.error("bits are left over"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(parts: Vec<(u64, u32, bool)>) {
            let mut writer = BitWriter::new();
            let mut bits = 0;
            for (value, size, as_code) in &parts {
                if *as_code {
                    writer.put_code(*value, size % 64);
                    bits += code_bits(bit_length(*value), size % 64) as usize;
                } else {
                    writer.put(*value, size % 65);
                    bits += (size % 65) as usize;
                }
            }
            prop_assert_eq!(writer.len(), bits);
            let mut doubled = BitWriter::new();
            doubled.put(5, 3);
            doubled.append_bits(&writer);
            let mut bytes = Vec::new();
            doubled.write_to(&mut bytes);
            let mut reader = BitReader::new(&bytes);
            prop_assert_eq!(reader.take(3), Ok(5));
            for (value, size, as_code) in &parts {
                if *as_code {
                    prop_assert_eq!(reader.code(size % 64), Ok(*value));
                } else {
                    prop_assert_eq!(reader.take(size % 65), Ok(low(*value, size % 65)));
                }
            }
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, sizes: Vec<u32>) {
            let mut reader = BitReader::new(&bytes);
            for size in sizes {
                let _ = if size % 2 == 0 { reader.code(size / 2 % 64) } else { reader.take(size / 2 % 65) };
            }
        }

        #[test]
        fn a_cut_string_goes_on_as_if_it_had_ended_there(head: Vec<u8>, tail: Vec<u8>, more: u64) {
            let (mut cut, mut plain) = (BitWriter::new(), BitWriter::new());
            for byte in &head {
                cut.put(u64::from(*byte), 7);
                plain.put(u64::from(*byte), 7);
            }
            let len = cut.len();
            for byte in &tail {
                cut.put(u64::from(*byte), 8);
            }
            cut.truncate(len);
            cut.put(more, 61);
            plain.put(more, 61);
            prop_assert_eq!(cut.words(), plain.words());
        }
    }
}
