//! A snapshot as messages of a recording.
//!
//! ```text
//! 0x01 | a piece of the snapshot's file        as many as it takes
//! 0x02 | length: u64 | xxh3-64: u64            of the file; the last message
//! ```
//!
//! A recording that was cut short ends like one that is whole, so that only the last message tells that nothing is
//! missing.

use std::path::Path;

use aeron_cluster::service::{ServiceError, SnapshotError, SnapshotReader, SnapshotWriter};
use ecs_state::Game;
use snapshots::ChunkFile;
use xxhash_rust::xxh3::xxh3_64;

use crate::snapshot::{Header, KIND};
use crate::{Outbox, Service};

const PIECE: u8 = 1;
const END: u8 = 2;
const END_BYTES: usize = 17;

/// Longest piece. Longer ones would hold the archive's stream for longer at a time and gain nothing.
const PIECE_BYTES_MAX: usize = 256 * 1024;
/// Longest file: what does not fit memory several times over is no snapshot of ours.
const FILE_BYTES_MAX: u64 = 16 << 30;

pub(super) fn write(file: &[u8], to: &mut dyn SnapshotWriter) -> Result<(), SnapshotError> {
    let piece_bytes = PIECE_BYTES_MAX.min(to.message_bytes_max()).saturating_sub(1);
    if to.message_bytes_max() < END_BYTES {
        return Err(SnapshotError(format!("the snapshot channel takes {} bytes a message", to.message_bytes_max())));
    }
    let mut message = Vec::with_capacity(piece_bytes + 1);
    for piece in file.chunks(piece_bytes) {
        message.clear();
        message.push(PIECE);
        message.extend_from_slice(piece);
        to.write(&message)?;
    }
    message.clear();
    message.push(END);
    message.extend_from_slice(&(file.len() as u64).to_le_bytes());
    message.extend_from_slice(&xxh3_64(file).to_le_bytes());
    to.write(&message)
}

/// The file that [`write`] wrote.
pub(super) fn read(from: &mut dyn SnapshotReader) -> Result<Vec<u8>, ServiceError> {
    let (mut file, mut message) = (Vec::new(), Vec::new());
    while from.read(&mut message)? {
        match message.split_first() {
            Some((&PIECE, piece)) if (file.len() + piece.len()) as u64 <= FILE_BYTES_MAX => {
                file.extend_from_slice(piece)
            }
            Some((&END, end)) if end.len() == END_BYTES - 1 => {
                let number = |at: usize| u64::from_le_bytes(end[at..at + 8].try_into().expect("eight bytes"));
                return check(file, number(0), number(8));
            }
            _ => return Err(damaged(&format!("a message of {} bytes is none of a snapshot", message.len()))),
        }
    }
    Err(damaged(&format!("it ends after {} bytes, without saying that it is whole", file.len())))
}

fn check(file: Vec<u8>, length: u64, checksum: u64) -> Result<Vec<u8>, ServiceError> {
    if file.len() as u64 != length {
        return Err(damaged(&format!("{} of {length} bytes are there", file.len())));
    }
    if xxh3_64(&file) != checksum {
        return Err(damaged("its bytes are not those that were written"));
    }
    Ok(file)
}

/// A service from the file of a snapshot. Its timers are in the consensus module's own snapshot, which goes with this
/// one, so that none is set again: the module has every request up to the position that both are of.
///
/// `between` is called often meanwhile.
pub(super) fn restore<G: Game>(file: &[u8], between: &mut dyn FnMut()) -> Result<(Service<G>, Header), ServiceError> {
    let mut file = ChunkFile::decode(Path::new("the snapshot in the archive"), file, KIND)
        .map_err(|error| ServiceError(error.to_string()))?;
    Service::restore_in_steps(&mut file, &mut Outbox::default(), between)
        .map_err(|error| ServiceError(error.to_string()))
}

fn damaged(what: &str) -> ServiceError {
    ServiceError(format!(
        "the snapshot in the archive is damaged: {what}; invalidate it on this member (ClusterTool invalidate-latest-snapshot), \
         or restore the member from another"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use aeron_cluster::service::{ServiceError, SnapshotError, SnapshotReader, SnapshotWriter};

    use super::{read, write};

    #[derive(Default)]
    struct Tape(VecDeque<Vec<u8>>);

    impl SnapshotWriter for Tape {
        fn write(&mut self, message: &[u8]) -> Result<(), SnapshotError> {
            assert!(message.len() <= self.message_bytes_max());
            self.0.push_back(message.to_vec());
            Ok(())
        }

        fn message_bytes_max(&self) -> usize {
            1_000
        }
    }

    impl SnapshotReader for Tape {
        fn read(&mut self, into: &mut Vec<u8>) -> Result<bool, ServiceError> {
            let Some(message) = self.0.pop_front() else { return Ok(false) };
            *into = message;
            Ok(true)
        }
    }

    fn tape(file: &[u8]) -> Tape {
        let mut tape = Tape::default();
        write(file, &mut tape).unwrap();
        tape
    }

    #[test]
    fn a_snapshot_comes_back_as_it_was_written() {
        for length in [0, 1, 999, 1_000, 123_456] {
            let file: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert_eq!(read(&mut tape(&file)).unwrap(), file);
        }
    }

    #[test]
    fn a_recording_that_was_cut_short_anywhere_is_noticed() {
        let whole = tape(&[7; 10_000]);
        for kept in 0..whole.0.len() {
            let error = read(&mut Tape(whole.0.iter().take(kept).cloned().collect())).unwrap_err();
            assert!(error.0.contains("without saying that it is whole"), "{error}");
        }
    }

    #[test]
    fn a_piece_that_is_missing_twisted_or_foreign_is_noticed() {
        let whole = tape(&(0..10_000u32).map(|at| at as u8).collect::<Vec<_>>());
        for place in 0..whole.0.len() - 1 {
            let mut missing = Tape(whole.0.clone());
            missing.0.remove(place);
            assert!(read(&mut missing).unwrap_err().0.contains("bytes are there"));
            for byte in [0, 1, 500] {
                let mut twisted = Tape(whole.0.clone());
                let piece = &mut twisted.0[place];
                let last = piece.len() - 1;
                piece[byte.min(last)] ^= 0x40;
                read(&mut twisted).unwrap_err();
            }
        }
        assert!(read(&mut Tape([Vec::new()].into())).is_err());
    }
}
