//! The ticks of a segment as bytes, by what they are: times, inputs, hashes, where commands stood. What hardly changes
//! from tick to tick then stands side by side and packs to almost nothing.
//!
//! ```text
//! STEP := postcard of
//!   times_ms: [i64]       one a tick: the first as it is, each other less the one before
//!   inputs: [[Input]]     one list a tick
//!   hashes: bytes         8 a tick, little-endian
//!   widths: [u16]         how many column hashes a tick has
//!   columns: bytes        2 for each column hash, little-endian: the first of every tick that has one, then the second …
//!   origin_counts: [u32]  how many origins a tick has
//!   sessions: [u64]       one an origin
//!   seqs: [i64]           one an origin: less the number that follows the last one of its session here
//!   positions: [i64]      one an origin: less the one before
//! ```

use std::collections::BTreeMap;
use std::fmt;

use ecs_state::Input;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Origin, Step};

/// The ticks of a segment. `Bytes` are owned or stay where they were read; `Inputs` are those of one tick.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct PackedSteps<Bytes, Inputs> {
    times_ms: Vec<i64>,
    inputs: Vec<Inputs>,
    hashes: Bytes,
    widths: Vec<u16>,
    columns: Bytes,
    origin_counts: Vec<u32>,
    sessions: Vec<u64>,
    seqs: Vec<i64>,
    positions: Vec<i64>,
}

/// As they are written.
pub(crate) type WrittenSteps = PackedSteps<Vec<u8>, Vec<Input>>;
/// As they are read.
pub(crate) type ReadSteps<'a> = PackedSteps<&'a [u8], Vec<ReadInput<'a>>>;
/// Read to see that they are whole, without making anything of their inputs.
pub(crate) type CheckedSteps<'a> = PackedSteps<&'a [u8], Looked>;

/// An [`Input`] whose bytes stay where they were read: a match has hundreds of thousands.
#[derive(Debug, Deserialize)]
pub(crate) enum ReadInput<'a> {
    Join { player: u32 },
    Leave { player: u32 },
    Command { player: u32, payload: &'a [u8] },
    Edit { entity: u32, component: u16, row: &'a [u8] },
    Content { content: &'a [u8] },
}

impl From<ReadInput<'_>> for Input {
    fn from(input: ReadInput<'_>) -> Self {
        match input {
            ReadInput::Join { player } => Self::Join { player },
            ReadInput::Leave { player } => Self::Leave { player },
            ReadInput::Command { player, payload } => Self::Command { player, payload: payload.to_vec() },
            ReadInput::Edit { entity, component, row } => Self::Edit { entity, component, row: row.to_vec() },
            ReadInput::Content { content } => Self::Content { content: content.to_vec() },
        }
    }
}

/// The inputs of a tick, of which nothing is kept.
#[derive(Debug)]
pub(crate) struct Looked;

impl<'de> Deserialize<'de> for Looked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Looked;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the inputs of a tick")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut inputs: A) -> Result<Looked, A::Error> {
                while inputs.next_element::<ReadInput<'_>>()?.is_some() {}
                Ok(Looked)
            }
        }
        deserializer.deserialize_seq(Look)
    }
}

impl WrittenSteps {
    /// Takes ticks apart.
    pub(crate) fn of(steps: Vec<Step>) -> Self {
        let mut packed =
            Self { widths: steps.iter().map(|step| step.columns.len() as u16).collect(), ..Self::default() };
        for (column, tick) in by_column(&packed.widths) {
            packed.columns.extend_from_slice(&steps[tick].columns[column].to_le_bytes());
        }
        let mut last = Last::default();
        for step in steps {
            packed.times_ms.push(step.time_ms.wrapping_sub(std::mem::replace(&mut last.time_ms, step.time_ms)));
            packed.hashes.extend_from_slice(&step.hash.to_le_bytes());
            packed.inputs.push(step.inputs);
            packed.origin_counts.push(step.origins.len() as u32);
            for Origin { session, seq, position } in step.origins {
                packed.sessions.push(session);
                packed.seqs.push(seq.wrapping_sub(last.next_seq(session)) as i64);
                last.seqs.insert(session, seq);
                packed.positions.push(position.wrapping_sub(std::mem::replace(&mut last.position, position)));
            }
        }
        packed
    }
}

impl<Bytes: AsRef<[u8]>, Inputs> PackedSteps<Bytes, Inputs> {
    /// How many ticks there are.
    ///
    /// # Errors
    /// With the reason, when the parts are not those of the same ticks.
    pub(crate) fn count(&self) -> Result<usize, String> {
        let ticks = self.times_ms.len();
        let column_count: usize = self.widths.iter().map(|width| usize::from(*width)).sum();
        let origin_count = self.origin_counts.iter().map(|count| *count as usize).fold(0, usize::saturating_add);
        let lengths = [
            ("inputs", self.inputs.len(), ticks),
            ("hashes", self.hashes.as_ref().len(), 8 * ticks),
            ("widths", self.widths.len(), ticks),
            ("columns", self.columns.as_ref().len(), 2 * column_count),
            ("counts of origins", self.origin_counts.len(), ticks),
            ("sessions", self.sessions.len(), origin_count),
            ("numbers", self.seqs.len(), origin_count),
            ("positions", self.positions.len(), origin_count),
        ];
        if let Some((what, found, expected)) = lengths.into_iter().find(|(_, found, expected)| found != expected) {
            return Err(format!("the {what} of {ticks} ticks have length {found}, expected {expected}"));
        }
        Ok(ticks)
    }
}

impl<Bytes: AsRef<[u8]>, In: Into<Input>> PackedSteps<Bytes, Vec<In>> {
    /// Puts ticks together again.
    ///
    /// # Errors
    /// As [`PackedSteps::count`].
    pub(crate) fn unpack(self) -> Result<Vec<Step>, String> {
        let ticks = self.count()?;
        let mut columns: Vec<Vec<u16>> =
            self.widths.iter().map(|width| Vec::with_capacity(usize::from(*width))).collect();
        let (words, _) = self.columns.as_ref().as_chunks::<2>();
        for ((_, tick), word) in by_column(&self.widths).zip(words) {
            columns[tick].push(u16::from_le_bytes(*word));
        }
        let mut origins = self.sessions.into_iter().zip(self.seqs).zip(self.positions);
        let mut last = Last::default();
        let mut steps = Vec::with_capacity(ticks);
        let (hashes, _) = self.hashes.as_ref().as_chunks::<8>();
        let parts = self.times_ms.into_iter().zip(self.inputs).zip(hashes).zip(self.origin_counts).zip(columns);
        for ((((passed, inputs), hash), count), columns) in parts {
            last.time_ms = last.time_ms.wrapping_add(passed);
            let of_tick = origins.by_ref().take(count as usize).map(|((session, seq), position)| {
                let seq = last.next_seq(session).wrapping_add(seq as u64);
                last.seqs.insert(session, seq);
                last.position = last.position.wrapping_add(position);
                Origin { session, seq, position: last.position }
            });
            let origins = of_tick.collect();
            let inputs = inputs.into_iter().map(Into::into).collect();
            steps.push(Step { time_ms: last.time_ms, inputs, origins, hash: u64::from_le_bytes(*hash), columns });
        }
        Ok(steps)
    }
}

/// What the next one is told as a difference to.
#[derive(Default)]
struct Last {
    time_ms: i64,
    position: i64,
    seqs: BTreeMap<u64, u64>,
}

impl Last {
    fn next_seq(&self, session: u64) -> u64 {
        self.seqs.get(&session).map_or(1, |seq| seq.wrapping_add(1))
    }
}

/// Column and tick of each column hash, in the order in which they are written. Takes as many turns as there are hashes,
/// whatever the widths.
fn by_column(widths: &[u16]) -> impl Iterator<Item = (usize, usize)> {
    let mut ticks: Vec<usize> = (0..widths.len()).filter(|tick| widths[*tick] > 0).collect();
    let widths: Vec<usize> = widths.iter().map(|width| usize::from(*width)).collect();
    let mut column = 0;
    std::iter::from_fn(move || {
        let of_column: Vec<_> = ticks.iter().map(|tick| (column, *tick)).collect();
        column += 1;
        ticks.retain(|tick| widths[*tick] > column);
        (!of_column.is_empty()).then_some(of_column)
    })
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        let origin = |session, seq, position| Origin { session, seq, position };
        let command = |player| Input::Command { player, payload: vec![player as u8; 3] };
        let step = |time_ms, origins: Vec<Origin>, columns: Vec<u16>| Step {
            time_ms,
            inputs: origins.iter().map(|origin| command(origin.session as u32)).collect(),
            origins,
            hash: (time_ms as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            columns,
        };
        vec![
            step(1_000, vec![origin(7, 41, 96), origin(8, 1, 96)], vec![1, 2, 3]),
            step(1_033, vec![], vec![]),
            step(1_033, vec![origin(7, 42, 160), Origin::NOWHERE, origin(7, u64::MAX, i64::MAX)], vec![1]),
            step(i64::MIN, vec![origin(7, 0, i64::MIN)], vec![u16::MAX, 2, 3, 4]),
        ]
    }

    #[test]
    fn ticks_come_back_from_their_parts() {
        assert_eq!(PackedSteps::of(steps()).unpack(), Ok(steps()));
        assert_eq!(PackedSteps::of(Vec::new()).unpack(), Ok(Vec::new()));
    }

    #[test]
    fn what_is_written_is_read_and_looked_at_to_the_last_byte() {
        let mut written = steps();
        written[1].inputs = vec![
            Input::Join { player: 300 },
            Input::Leave { player: u32::MAX },
            Input::Command { player: 1, payload: vec![0; 200] },
            Input::Edit { entity: 70_000, component: 9, row: vec![1, 2] },
            Input::Content { content: b"{}".to_vec() },
        ];
        let bytes = postcard::to_stdvec(&PackedSteps::of(written.clone())).unwrap();
        let (looked, rest) = postcard::take_from_bytes::<CheckedSteps<'_>>(&bytes).unwrap();
        assert_eq!((looked.count(), rest), (Ok(written.len()), &[][..]));
        let (read, rest) = postcard::take_from_bytes::<ReadSteps<'_>>(&bytes).unwrap();
        assert_eq!((read.unpack(), rest), (Ok(written), &[][..]));
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            assert!(postcard::take_from_bytes::<CheckedSteps<'_>>(cut).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn parts_of_other_lengths_are_refused() {
        type Change = (&'static str, fn(&mut WrittenSteps));
        let changes: [Change; 8] = [
            ("inputs", |packed| packed.inputs.clear()),
            ("hashes", |packed| packed.hashes.truncate(9)),
            ("widths", |packed| packed.widths.push(0)),
            ("columns", |packed| packed.columns.push(0)),
            ("counts of origins", |packed| packed.origin_counts.clear()),
            ("sessions", |packed| packed.sessions.push(1)),
            ("numbers", |packed| packed.seqs.clear()),
            ("positions", |packed| packed.positions.push(1)),
        ];
        for (what, change) in changes {
            let mut packed = PackedSteps::of(steps());
            change(&mut packed);
            let error = packed.unpack().unwrap_err();
            assert!(error.contains(what), "{what}: {error}");
        }
    }
}
