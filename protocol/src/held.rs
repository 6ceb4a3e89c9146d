//! What a mirror holds, in few bytes: so that who resumes is sent only what is missing.
//!
//! ```text
//! held := count:varint (gap:varint sum:u16)*      entities ascending, the first gap counted from 0
//! ```
//!
//! `sum` is the low 16 bits of the wrapping sum of the hashes of an entity's rows. Two different states of an entity may
//! have the same: then the hash that comes with the baseline is not that of the mirror, and the client asks for one
//! without such a summary. The answer, `kept`, is a bit for each entity of the summary, lowest first: whether it stays.

use crate::bytes::{ReadError, Reader, put_varint};
use crate::columns::Columns;
use crate::limits::HELD_BYTES_MAX;

/// An entity of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldEntity {
    /// Its number.
    pub entity: u32,
    /// Low bits of the hash of its rows.
    pub sum: u16,
}

/// Summarises a mirror in at most [`HELD_BYTES_MAX`] bytes: as many of its entities, ascending, as fit.
#[must_use]
pub fn summarise(columns: &Columns) -> Vec<u8> {
    let (mut body, mut count, mut last) = (Vec::new(), 0u64, 0);
    for (id, _) in columns.column(0).iter() {
        let start = body.len();
        put_varint(&mut body, u64::from(id.0 - last));
        body.extend_from_slice(&(columns.entity_hash(id) as u16).to_le_bytes());
        if body.len() > HELD_BYTES_MAX - COUNT_BYTES_MAX {
            body.truncate(start);
            break;
        }
        last = id.0;
        count += 1;
    }
    let mut out = Vec::with_capacity(body.len() + COUNT_BYTES_MAX);
    put_varint(&mut out, count);
    out.extend_from_slice(&body);
    out
}

/// Bytes of the longest count that a summary needs.
const COUNT_BYTES_MAX: usize = 2;

/// Reads a summary.
///
/// # Errors
/// When the bytes are none, or longer than [`HELD_BYTES_MAX`].
pub fn decode(bytes: &[u8]) -> Result<Vec<HeldEntity>, ReadError> {
    let mut reader = Reader::new(bytes);
    if bytes.len() > HELD_BYTES_MAX {
        return Err(reader.error("a summary is longer than allowed"));
    }
    let count = reader.varint_max((HELD_BYTES_MAX / 3) as u64, "a summary has more entities than fit")?;
    let mut held = Vec::with_capacity(count as usize);
    let mut entity = 0u32;
    for _ in 0..count {
        let gap = reader.varint_max(u64::from(u32::MAX), "a gap exceeds 32 bits")? as u32;
        if gap == 0 {
            return Err(reader.error("an entity is named twice, or is 0"));
        }
        entity = entity.checked_add(gap).ok_or(reader.error("an entity id exceeds 32 bits"))?;
        let sum = reader.take(2)?;
        held.push(HeldEntity { entity, sum: u16::from_le_bytes([sum[0], sum[1]]) });
    }
    reader.finish()?;
    Ok(held)
}

/// The answer to a summary: which of its entities stay.
#[must_use]
pub fn encode_kept(held: &[HeldEntity], stays: impl Fn(&HeldEntity) -> bool) -> Vec<u8> {
    let mut kept = vec![0u8; held.len().div_ceil(8)];
    for (place, entity) in held.iter().enumerate().filter(|(_, entity)| stays(entity)) {
        debug_assert!(entity.entity != 0);
        kept[place / 8] |= 1 << (place % 8);
    }
    kept
}

/// Entities of a summary that an answer keeps, ascending.
pub fn kept<'a>(held: &'a [HeldEntity], answer: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
    let stays = |place: usize| answer.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
    held.iter().enumerate().filter(move |(place, _)| stays(*place)).map(|(_, entity)| entity.entity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn answers_name_what_they_keep(gaps in proptest::collection::vec((1u32..400, any::<u16>(), any::<bool>()), 0..900)) {
            let (mut entity, mut bytes, mut expected) = (0, Vec::new(), Vec::new());
            put_varint(&mut bytes, gaps.len() as u64);
            for (gap, sum, stays) in &gaps {
                entity += gap;
                put_varint(&mut bytes, u64::from(*gap));
                bytes.extend_from_slice(&sum.to_le_bytes());
                if *stays {
                    expected.push(entity);
                }
            }
            prop_assume!(bytes.len() <= HELD_BYTES_MAX);
            let held = decode(&bytes).unwrap();
            let answer = encode_kept(&held, |entity| expected.binary_search(&entity.entity).is_ok());
            prop_assert_eq!(kept(&held, &answer).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn any_bytes_are_a_summary_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
