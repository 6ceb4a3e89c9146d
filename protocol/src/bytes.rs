//! Variable-length integers, and a reader that never reads past its end.

use thiserror::Error;

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("byte {offset}: {reason}")]
pub struct ReadError {
    /// Offset from the start of the buffer.
    pub offset: usize,
    /// What was wrong there.
    pub reason: &'static str,
}

/// Appends `value` as unsigned LEB128: seven bits a byte, low bits first, 1 to 10 bytes.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Maps signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 become 0, 1, 2, 3.
#[inline]
#[must_use]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Inverse of [`zigzag`].
#[inline]
#[must_use]
pub const fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Reads a buffer from front to back.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    buffer: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(buffer: &'a [u8]) -> Self {
        Self { buffer, offset: 0 }
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.buffer.len() - self.offset
    }

    /// Where the next byte stands.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// An error at this place.
    #[must_use]
    pub const fn error(&self, reason: &'static str) -> ReadError {
        ReadError { offset: self.offset, reason }
    }

    /// Takes `count` bytes.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let end = self.offset.checked_add(count).filter(|end| *end <= self.buffer.len());
        let end = end.ok_or(self.error("the buffer ends too early"))?;
        let bytes = &self.buffer[self.offset..end];
        self.offset = end;
        Ok(bytes)
    }

    /// Reads one varint.
    ///
    /// # Errors
    /// At the end of the buffer, beyond 64 bits, or when a shorter encoding exists: each number
    /// has one form.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, ReadError> {
        let mut value = 0u64;
        for shift in 0..10 {
            let Some(&byte) = self.buffer.get(self.offset) else {
                return Err(self.error("the buffer ends inside a varint"));
            };
            if shift == 9 && byte > 1 {
                return Err(self.error("a varint exceeds 64 bits"));
            }
            if byte == 0 && shift > 0 {
                return Err(self.error("a varint is longer than it need be"));
            }
            self.offset += 1;
            value |= u64::from(byte & 0x7f) << (7 * shift);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error("a varint exceeds 64 bits"))
    }

    /// Reads one varint that must not exceed `max`.
    ///
    /// # Errors
    /// As [`Reader::varint`], and above `max`.
    #[inline]
    pub fn varint_max(&mut self, max: u64, reason: &'static str) -> Result<u64, ReadError> {
        let at = self.offset;
        let value = self.varint()?;
        if value > max {
            return Err(ReadError { offset: at, reason });
        }
        Ok(value)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When bytes are left.
    pub const fn finish(&self) -> Result<(), ReadError> {
        if self.remaining() == 0 { Ok(()) } else { Err(self.error("bytes are left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_come_back(value: u64, signed: i64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            put_varint(&mut out, zigzag(signed));
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.varint().map(unzigzag), Ok(signed));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn overlong_and_overflowing_varints_are_refused() {
        assert!(Reader::new(&[0x80, 0x00]).varint().is_err());
        assert!(Reader::new(&[0xff; 10]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
    }
}
