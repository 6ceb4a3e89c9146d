//! The service's mark file: who runs, since when, and its last errors, where Aeron's tools look.
//!
//! ```text
//! cluster-mark-service-<id>.dat, little-endian
//!    0  header of the message: block 128, template 200, schema 110, version 2
//!    8  version i32         768, 0 until it is ready                       12  componentType i32   2: container
//!   16  activity i64        epoch ms, each second; -1 after the end        24  start i64           epoch ms
//!   32  pid i64             40  candidateTerm i64 -1      48  archiveStream i32      52  serviceStream i32
//!   56  moduleStream i32    60  ingressStream i32 -1      64  memberId i32           68  serviceId i32
//!   72  headerLength i32    76  errorBufferLength i32     80  clusterId i32
//!  136  aeronDirectory, controlChannel, ingressChannel, serviceName, authenticator, servicesClusterDir: u32 length, bytes
//! 8192  error log: records of length i32, count i32, last i64, first i64 (epoch ms), text; each at a multiple of 8
//! ```
//!
//! Written with positioned writes, not mapped: a full disk is an error here and not a signal. The consensus module does
//! not read it; `ClusterTool` does, and a second container of the same service, which then refuses to start.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::ContainerConfig;

const MESSAGE_HEADER: [u16; 4] = [128, 200, 110, 2];
const READY: i32 = 768;
const ENDED_ACTIVITY: i64 = -1;
const CONTAINER: i32 = 2;
const HEADER_BYTES: u64 = 8_192;
const VARIABLE_AT: usize = 136;
/// As stock containers have it.
const ERROR_LOG_BYTES: u64 = 1 << 20;
const ERROR_RECORD_HEADER_BYTES: usize = 24;
/// Of one error's text; the log holds at least a hundred different ones.
const ERROR_TEXT_BYTES_MAX: usize = 8_192;

const VERSION_AT: u64 = 8;
const ACTIVITY_AT: u64 = 16;
const MEMBER_ID_AT: u64 = 64;

/// Older than this, a mark file's owner is dead: `MarkFile` liveness in stock members.
const LIVENESS_MS: i64 = 10_000;
/// How often the owner says that it is alive; as stock members do.
const ACTIVITY_INTERVAL_MS: i64 = 1_000;

/// Longest name of a service, so that it fits the mark file's header beside the longest paths.
pub const SERVICE_NAME_BYTES_MAX: usize = 256;

/// Why there is no mark file.
#[derive(Debug, Error)]
pub enum MarkFileError {
    /// Another container of this service is alive, or was killed less than 10 s ago.
    #[error(
        "active mark file {path}, written {age_ms} ms ago: a container of this service runs, or ended without order \
             less than {LIVENESS_MS} ms ago; wait that long"
    )]
    Active {
        /// The file.
        path: PathBuf,
        /// Since its last sign of life.
        age_ms: i64,
    },
    /// The names in it do not fit.
    #[error("mark file {path}: directories, channels and name have {found} bytes, at most {max} fit")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// What they have.
        found: usize,
        /// What fits.
        max: usize,
    },
    /// The file system refused.
    #[error("mark file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was refused.
        #[source]
        source: io::Error,
    },
}

/// The mark file of a container that runs. Dropping it without [`end`](Self::end) leaves it as after a kill.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    path: PathBuf,
    touched_ms: i64,
    errors: Vec<ErrorRecord>,
    errors_end: u64,
}

#[derive(Debug)]
struct ErrorRecord {
    text: String,
    at: u64,
    count: i32,
}

impl MarkFile {
    /// Takes the mark of this service, not ready yet.
    ///
    /// # Errors
    ///
    /// [`MarkFileError::Active`] when it is somebody's; otherwise when it cannot be written.
    pub(super) fn create(config: &ContainerConfig, now_ms: i64) -> Result<Self, MarkFileError> {
        let path = config.cluster_dir.join(format!("cluster-mark-service-{}.dat", config.service_id));
        let io = |source| MarkFileError::Io { path: path.clone(), source };
        std::fs::create_dir_all(&config.cluster_dir).map_err(io)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        check_inactive(&file, &path, now_ms)?;
        let header = header(config, &path, now_ms)?;
        // Everything before is forgotten, and what follows the header is zero.
        file.set_len(0).map_err(io)?;
        file.set_len((HEADER_BYTES + ERROR_LOG_BYTES).next_multiple_of(4_096)).map_err(io)?;
        file.write_all_at(&header, 0).map_err(io)?;
        Ok(Self { file, path, touched_ms: now_ms, errors: Vec::new(), errors_end: HEADER_BYTES })
    }

    /// From now on, tools take the container for running.
    pub(super) fn set_ready(&mut self, now_ms: i64) -> Result<(), MarkFileError> {
        self.write(ACTIVITY_AT, &now_ms.to_le_bytes())?;
        self.write(VERSION_AT, &READY.to_le_bytes())
    }

    /// Which member this is.
    pub(super) fn set_member_id(&mut self, member_id: i32) -> Result<(), MarkFileError> {
        self.write(MEMBER_ID_AT, &member_id.to_le_bytes())
    }

    /// Says that the container is alive, once a second.
    pub(super) fn touch(&mut self, now_ms: i64) -> Result<(), MarkFileError> {
        // A clock that was set back counts as a second, too.
        if (now_ms - self.touched_ms).abs() < ACTIVITY_INTERVAL_MS {
            return Ok(());
        }
        self.touched_ms = now_ms;
        self.write(ACTIVITY_AT, &now_ms.to_le_bytes())
    }

    /// Puts an error among those that tools print; once it is full, only repetitions are counted.
    pub(super) fn note_error(&mut self, now_ms: i64, text: &str) -> Result<(), MarkFileError> {
        let text = &text[..text.floor_char_boundary(ERROR_TEXT_BYTES_MAX)];
        if let Some(known) = self.errors.iter_mut().find(|record| record.text == text) {
            known.count = known.count.saturating_add(1);
            let (at, count) = (known.at, known.count);
            self.write(at + 8, &now_ms.to_le_bytes())?;
            return self.write(at + 4, &count.to_le_bytes());
        }
        let length = ERROR_RECORD_HEADER_BYTES + text.len();
        let at = self.errors_end;
        if at + length as u64 > HEADER_BYTES + ERROR_LOG_BYTES {
            return Ok(());
        }
        let mut body = 1_i32.to_le_bytes().to_vec();
        body.extend_from_slice(&now_ms.to_le_bytes());
        body.extend_from_slice(&now_ms.to_le_bytes());
        body.extend_from_slice(text.as_bytes());
        self.write(at + 4, &body)?;
        // The length comes last: a reader stops at 0.
        self.write(at, &(length as i32).to_le_bytes())?;
        self.errors.push(ErrorRecord { text: text.to_owned(), at, count: 1 });
        self.errors_end = (at + length as u64).next_multiple_of(8);
        Ok(())
    }

    /// Gives the mark up: the next container may start at once. Tools can read it from now on even if the container
    /// never became ready, for then its errors are what they are asked for.
    pub(super) fn end(&mut self) -> Result<(), MarkFileError> {
        self.write(ACTIVITY_AT, &ENDED_ACTIVITY.to_le_bytes())?;
        self.write(VERSION_AT, &READY.to_le_bytes())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), MarkFileError> {
        let io = |source| MarkFileError::Io { path: self.path.clone(), source };
        self.file.write_all_at(bytes, at).map_err(io)
    }
}

fn check_inactive(file: &File, path: &Path, now_ms: i64) -> Result<(), MarkFileError> {
    let mut begin = [0; 24];
    // A file too short to have a sign of life has none.
    if file.read_exact_at(&mut begin, 0).is_err() {
        return Ok(());
    }
    let age_ms = now_ms.saturating_sub(i64::from_le_bytes(begin[16..24].try_into().expect("8 bytes")));
    if age_ms < LIVENESS_MS {
        return Err(MarkFileError::Active { path: path.to_owned(), age_ms });
    }
    Ok(())
}

/// Everything before the error log.
fn header(config: &ContainerConfig, path: &Path, now_ms: i64) -> Result<Vec<u8>, MarkFileError> {
    let mut out = Vec::with_capacity(HEADER_BYTES as usize);
    out.extend(MESSAGE_HEADER.iter().flat_map(|field| field.to_le_bytes()));
    for field in [0, CONTAINER] {
        out.extend(field.to_le_bytes());
    }
    for field in [now_ms, now_ms, i64::from(std::process::id()), -1] {
        out.extend(field.to_le_bytes());
    }
    let streams = [config.archive_stream_id, config.service_stream_id, config.module_stream_id, -1];
    let rest = [-1, config.service_id, HEADER_BYTES as i32, ERROR_LOG_BYTES as i32, config.cluster_id];
    for field in streams.into_iter().chain(rest) {
        out.extend(field.to_le_bytes());
    }
    out.resize(VARIABLE_AT, 0);
    let aeron_dir = config.aeron_dir.to_string_lossy();
    let name = &config.service_name[..config.service_name.floor_char_boundary(SERVICE_NAME_BYTES_MAX)];
    for text in [&*aeron_dir, &config.control_channel, "", name, "", ""] {
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    }
    if out.len() as u64 > HEADER_BYTES {
        let max = HEADER_BYTES as usize;
        return Err(MarkFileError::TooLong { path: path.to_owned(), found: out.len(), max });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn config(dir: &Path) -> ContainerConfig {
        ContainerConfig { cluster_dir: dir.to_owned(), service_name: "échó".into(), ..ContainerConfig::default() }
    }

    fn bytes(dir: &Path) -> Vec<u8> {
        std::fs::read(dir.join("cluster-mark-service-0.dat")).unwrap()
    }

    fn number(bytes: &[u8], at: usize) -> i64 {
        i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn a_mark_is_refused_while_its_owner_lives_and_given_after_its_end_or_death() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = MarkFile::create(&config(dir.path()), NOW).unwrap();
        first.set_ready(NOW).unwrap();
        let again = |at: i64| MarkFile::create(&config(dir.path()), at).map(drop);
        assert!(matches!(again(NOW + 9_999), Err(MarkFileError::Active { age_ms: 9_999, .. })));
        first.touch(NOW + 1_000).unwrap();
        assert!(matches!(again(NOW + 10_500), Err(MarkFileError::Active { .. })));
        assert!(again(NOW + 11_000).is_ok());
        // Who took it and did not become ready holds it, too.
        assert!(matches!(again(NOW + 12_000), Err(MarkFileError::Active { .. })));
        first.end().unwrap();
        assert!(again(NOW + 12_000).is_ok());
    }

    #[test]
    fn activity_is_written_once_a_second_also_after_the_clock_went_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut mark = MarkFile::create(&config(dir.path()), NOW).unwrap();
        for (at, written) in [(NOW + 999, NOW), (NOW + 1_000, NOW + 1_000), (NOW - 5_000, NOW - 5_000)] {
            mark.touch(at).unwrap();
            assert_eq!(number(&bytes(dir.path()), 16), written);
        }
    }

    #[test]
    fn the_layout_is_the_one_that_tools_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut mark = MarkFile::create(&config(dir.path()), NOW).unwrap();
        mark.set_member_id(2).unwrap();
        mark.set_ready(NOW).unwrap();
        let bytes = bytes(dir.path());
        assert_eq!(bytes.len(), 8_192 + (1 << 20));
        assert_eq!(bytes[..16], [128, 0, 200, 0, 110, 0, 2, 0, 0, 3, 0, 0, 2, 0, 0, 0]);
        assert_eq!(number(&bytes, 32), i64::from(std::process::id()));
        let words: Vec<i32> =
            bytes[48..84].chunks(4).map(|word| i32::from_le_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words, [10, 104, 105, -1, 2, 0, 8_192, 1 << 20, 0]);
        let name = "échó".as_bytes();
        assert!(bytes[136..8_192].windows(name.len()).any(|window| window == name));
    }

    #[test]
    fn the_same_error_is_one_record_with_a_count_and_a_full_log_takes_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut mark = MarkFile::create(&config(dir.path()), NOW).unwrap();
        mark.note_error(NOW, "first").unwrap();
        mark.note_error(NOW + 1, "second").unwrap();
        mark.note_error(NOW + 2, "first").unwrap();
        let begin = bytes(dir.path());
        assert_eq!(begin[8_192..8_200], [29, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!((number(&begin, 8_200), number(&begin, 8_208)), (NOW + 2, NOW));
        assert_eq!(&begin[8_216..8_221], b"first");
        assert_eq!(begin[8_224..8_232], [30, 0, 0, 0, 1, 0, 0, 0]);
        for round in 0..200 {
            mark.note_error(NOW, &format!("{round:08}").repeat(2_000)).unwrap();
        }
        let full = bytes(dir.path());
        assert_eq!(full.len(), begin.len());
        assert_eq!(full[..8_192], begin[..8_192]);
    }
}
