//! Mark files: how Aeron's processes know that another one works on the same directory.
//!
//! Each process writes its process id and, once a second, the time into a file. A process that finds a file whose time
//! is younger than [`LIVENESS`] refuses to start. An orderly end leaves no time; a killed process leaves its last one,
//! so that its successor has to wait.
//!
//! ```text
//! 0   blockLength:u16  templateId:u16 = 200  schemaId:u16 = 100 (archive) or 110 (cluster)  version:u16
//! 8   version:i32  componentType:i32 or padding
//! 16  activityTimestamp:i64, epoch ms
//! 24  startTimestamp:i64    32  pid:i64
//! ```
//! Files of older versions have no header, and everything is 8 bytes earlier.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::settings::Directories;

/// How long the time in a mark file counts; fixed in Aeron's archive, consensus module and service container.
pub(super) const LIVENESS: Duration = Duration::from_secs(10);
/// Beyond the moment from which a start is allowed: clocks of two processes are read at different times.
const MARGIN: Duration = Duration::from_millis(100);

/// What a mark file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    activity_ms: i64,
    /// Where in the file that stands.
    activity_at: u64,
    pid: i64,
}

/// Who keeps a member from being started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nobody.
    Free,
    /// A process that is gone, for so long yet.
    Wait(Duration),
    /// A process that lives.
    Alive { pid: i64, file: PathBuf },
}

/// Looks at all mark files of a member.
pub(super) fn guard(directories: &Directories) -> Guard {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut wait = Duration::ZERO;
    for file in mark_files(directories) {
        let Some(mark) = read(&file) else { continue };
        let left = left(mark, now);
        if left.is_zero() {
            continue;
        }
        if is_aeron(mark.pid, &file) {
            return Guard::Alive { pid: mark.pid, file };
        }
        wait = wait.max(left);
    }
    if wait.is_zero() { Guard::Free } else { Guard::Wait(wait) }
}

/// Takes the time out of the marks of processes that are known to be dead, as an orderly end would have.
///
/// For a supervisor's own children, which it has reaped: nobody else can know as much. A mark of another process stays.
pub(super) fn retire(directories: &Directories, dead: &[u32]) -> io::Result<()> {
    for path in mark_files(directories) {
        let Some(mark) = read(&path).filter(|mark| dead.iter().any(|pid| i64::from(*pid) == mark.pid)) else {
            continue;
        };
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        file.write_all_at(&(-1_i64).to_le_bytes(), mark.activity_at)?;
    }
    Ok(())
}

fn mark_files(directories: &Directories) -> Vec<PathBuf> {
    let mut files = vec![directories.archive.join("archive-mark.dat")];
    let entries = fs::read_dir(&directories.cluster).into_iter().flatten().flatten();
    files.extend(entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("cluster-mark") && name.ends_with(".dat")
    }));
    files
}

/// How long the mark keeps others out yet.
fn left(mark: Mark, now: Duration) -> Duration {
    let Ok(activity) = u64::try_from(mark.activity_ms) else { return Duration::ZERO };
    if activity == 0 {
        return Duration::ZERO;
    }
    // Of a clock that was set back since, no more than a whole wait is believed: Aeron would wait for longer, and the
    // start is tried again then.
    (Duration::from_millis(activity) + LIVENESS + MARGIN).saturating_sub(now).min(LIVENESS + MARGIN)
}

fn read(path: &Path) -> Option<Mark> {
    let mut bytes = [0; 40];
    fs::File::open(path).ok()?.read_exact(&mut bytes).ok()?;
    Some(decode(&bytes))
}

fn decode(bytes: &[u8; 40]) -> Mark {
    let half = |offset: usize| u16::from_le_bytes([bytes[offset], bytes[offset + 1]]);
    let has_header = half(2) == 200 && matches!(half(4), 100 | 110);
    let base = if has_header { 8 } else { 0 };
    let long =
        |offset: usize| i64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes within the forty"));
    Mark { activity_ms: long(base + 8), activity_at: base as u64 + 8, pid: long(base + 24) }
}

/// Whether the process that wrote a mark runs: process ids are given out anew, so its words must fit too.
fn is_aeron(pid: i64, file: &Path) -> bool {
    let Ok(pid) = u32::try_from(pid) else { return false };
    if !is_alive(pid) {
        return false;
    }
    let Ok(words) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words = String::from_utf8_lossy(&words);
    let is_service = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cluster-mark-service"));
    words.contains("io.aeron.") || (is_service && !words.is_empty())
}

/// Whether a process runs; one that ended and was not reaped does not.
pub(super) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn file(schema: u16, activity_ms: i64, pid: i64) -> Vec<u8> {
        let mut bytes = vec![0; 8192];
        for (offset, half) in [(0, 128u16), (2, 200), (4, schema), (6, 2)] {
            bytes[offset..offset + 2].copy_from_slice(&half.to_le_bytes());
        }
        bytes[16..24].copy_from_slice(&activity_ms.to_le_bytes());
        bytes[32..40].copy_from_slice(&pid.to_le_bytes());
        bytes
    }

    fn now_ms() -> i64 {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
    }

    #[test]
    fn a_start_waits_until_ten_seconds_after_the_last_sign_of_life() {
        let left_of = |activity_ms| left(Mark { activity_ms, activity_at: 16, pid: 1 }, NOW);
        let now_ms = i64::try_from(NOW.as_millis()).unwrap();
        assert_eq!(left_of(now_ms), LIVENESS + MARGIN);
        assert_eq!(left_of(now_ms - 4_000), Duration::from_secs(6) + MARGIN);
        assert_eq!(left_of(now_ms - 10_000), MARGIN);
        assert_eq!(left_of(now_ms - 10_100), Duration::ZERO);
        assert_eq!(left_of(-1), Duration::ZERO, "an orderly end");
        assert_eq!(left_of(0), Duration::ZERO, "a start that did not get far");
        assert_eq!(left_of(now_ms + 3_600_000), LIVENESS + MARGIN, "a clock that was set back");
        assert_eq!(left_of(i64::MIN), Duration::ZERO);
        assert_eq!(left_of(i64::MAX), LIVENESS + MARGIN);
    }

    #[test]
    fn old_and_new_layouts_are_read() {
        for schema in [100, 110] {
            let bytes = file(schema, 77, 99);
            let mark = |activity_at| Mark { activity_ms: 77, activity_at, pid: 99 };
            assert_eq!(decode(bytes[..40].try_into().unwrap()), mark(16));
            assert_eq!(decode(bytes[8..48].try_into().unwrap()), mark(8));
        }
    }

    #[test]
    fn the_longest_of_all_mark_files_counts() {
        let data = tempfile::tempdir().unwrap();
        let directories = Directories::below(data.path(), 0);
        assert_eq!(guard(&directories), Guard::Free, "an empty member");
        fs::create_dir_all(&directories.archive).unwrap();
        fs::create_dir_all(&directories.cluster).unwrap();
        // No process has this number.
        let dead = i64::from(u32::MAX);
        fs::write(directories.archive.join("archive-mark.dat"), file(100, now_ms() - 60_000, dead)).unwrap();
        assert_eq!(guard(&directories), Guard::Free);
        fs::write(directories.cluster.join("cluster-mark-service-0.dat"), file(110, now_ms(), dead)).unwrap();
        let Guard::Wait(left) = guard(&directories) else { panic!("it must wait") };
        assert!(left <= LIVENESS + MARGIN);
        fs::write(directories.cluster.join("cluster-mark-service-0.dat"), "short").unwrap();
        assert_eq!(guard(&directories), Guard::Free, "a file that says nothing keeps nobody out");
    }

    #[test]
    fn a_mark_is_retired_only_for_a_process_that_is_known_to_be_dead() {
        let data = tempfile::tempdir().unwrap();
        let directories = Directories::below(data.path(), 0);
        fs::create_dir_all(&directories.archive).unwrap();
        let path = directories.archive.join("archive-mark.dat");
        let dead = u32::MAX - 1;
        fs::write(&path, file(100, now_ms(), dead.into())).unwrap();
        retire(&directories, &[dead - 1]).unwrap();
        assert!(matches!(guard(&directories), Guard::Wait(_)), "of somebody else");
        retire(&directories, &[dead]).unwrap();
        assert_eq!(guard(&directories), Guard::Free);
        assert_eq!(read(&path).map(|mark| mark.pid), Some(dead.into()), "nothing else is changed");
    }

    #[test]
    fn a_process_that_lives_is_named() {
        let data = tempfile::tempdir().unwrap();
        let directories = Directories::below(data.path(), 0);
        fs::create_dir_all(&directories.cluster).unwrap();
        let path = directories.cluster.join("cluster-mark-service-0.dat");
        let pid = i64::from(std::process::id());
        fs::write(&path, file(110, now_ms(), pid)).unwrap();
        assert_eq!(guard(&directories), Guard::Alive { pid, file: path });
    }
}
