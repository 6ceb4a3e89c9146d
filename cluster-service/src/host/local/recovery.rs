//! From a data folder to a service: the newest snapshot, then the log after it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ecs_state::{Game, RegistryError, Simulation};
use serde::Serialize;
use snapshots::FileError;
use thiserror::Error;
use wal_db::WalStore;

use super::config::{LocalConfig, lock_file, log_file};
use super::log::{CommandLog, LogError, LogHeader};
use super::snapshots::{list_snapshots, remove_unfinished};
use crate::host::record::Record;
use crate::host::timers::Timers;
use crate::{Outbox, Service, TickHash};

/// Why a host did not start. Nothing in the data folder was changed, but for a torn tail of the log.
#[derive(Debug, Error)]
pub enum StartError {
    /// Another process has the folder.
    #[error("{}: another process runs on this data folder; stop it, or choose another folder with --data", .data.display())]
    Locked {
        /// The folder.
        data: PathBuf,
    },
    /// The folder cannot be used.
    #[error("{}: {source}; the data folder must be writable", .path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The newest snapshot cannot be used.
    #[error("{reason}. It was not changed; move it away to start from the snapshot before it, or from the log alone")]
    Snapshot {
        /// File, offset and reason.
        reason: String,
    },
    /// The snapshots cannot be listed.
    #[error(transparent)]
    Files(#[from] FileError),
    /// The log does not begin where the snapshot ends.
    #[error("{}: the log goes on with entry {found} after entry {expected}; entries are missing. Restore log and snapshots from one copy", .path.display())]
    Gap {
        /// The log.
        path: PathBuf,
        /// The entry before.
        expected: u64,
        /// The entry found.
        found: u64,
    },
    /// Running the log again does not give what it gave when it was written.
    #[error(
        "match {match_id}: tick {tick} gives hash {found:#018x} when run again, {expected:#018x} when it was played. \
         These are other rules, or a rule is not deterministic; start with the build that wrote the log"
    )]
    Diverged {
        /// The match.
        match_id: u64,
        /// The first tick that differs.
        tick: u64,
        /// As logged.
        expected: u64,
        /// As computed.
        found: u64,
    },
    /// The game cannot be run at all.
    #[error(transparent)]
    Game(#[from] RegistryError),
    /// The system gives no thread.
    #[error("starting the host's thread: {0}")]
    Thread(#[source] io::Error),
}

/// How a host came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The snapshot that it started from.
    pub snapshot: Option<PathBuf>,
    /// Its position; 0 without one.
    pub snapshot_position: u64,
    /// Entries of the log that were run again.
    pub entries_replayed: u64,
    /// Ticks that were run again.
    pub ticks_replayed: u64,
    /// Ticks whose hash was compared with the one logged when they were played; all were equal.
    pub hashes_checked: u64,
    /// Bytes of an unfinished entry that were cut from the end of the log. Nobody was told of it.
    pub torn_tail_bytes: u64,
    /// The log.
    pub log_file: PathBuf,
    /// How long it took.
    pub took: Duration,
}

/// A host that is ready to go on.
pub(crate) struct Recovered<G: Game, S: WalStore = wal_db::FileStore> {
    pub(crate) service: Service<G>,
    pub(crate) log: CommandLog<S>,
    pub(crate) timers: Timers,
    /// Position of the last entry.
    pub(crate) position: u64,
    /// Hashes that no record holds yet.
    pub(crate) unlogged: Vec<TickHash>,
    pub(crate) report: Recovery,
    /// Held as long as the host runs.
    pub(crate) lock: File,
}

pub(crate) fn log_header<G: Game>() -> Result<LogHeader, RegistryError> {
    let manifest_hash = Simulation::<G>::manifest()?.hash();
    Ok(LogHeader { game: G::NAME.to_owned(), rules_version: G::RULES_VERSION, manifest_hash })
}

pub(crate) fn recover<G: Game>(config: &LocalConfig) -> Result<Recovered<G>, StartError> {
    let begun = Instant::now();
    let data = &config.data;
    let lock = lock(data)?;
    remove_unfinished(data)?;
    let path = log_file(data);
    let log = CommandLog::open(&path, &log_header::<G>()?)?;
    let mut outbox = Outbox::default();
    let mut report = Recovery { torn_tail_bytes: log.torn_tail_bytes(), log_file: path.clone(), ..Recovery::default() };
    let mut from = log.begin();
    let mut service = match list_snapshots(data)?.pop() {
        None => Service::new()?,
        Some(newest) => {
            let (service, header) = Service::read_snapshot(&newest.path, &mut outbox)
                .map_err(|error| StartError::Snapshot { reason: error.to_string() })?;
            if header.log_offset > log.bytes() {
                let reason = format!(
                    "{}: the snapshot is of log offset {}, but {} ends at {}: the log lost its end or is another one",
                    newest.path.display(),
                    header.log_offset,
                    path.display(),
                    log.bytes()
                );
                return Err(StartError::Snapshot { reason });
            }
            from = header.log_offset;
            report.snapshot = Some(newest.path);
            report.snapshot_position = header.position;
            service
        }
    };
    let mut rerun = Rerun::new(report.snapshot_position);
    rerun.timers.apply(&outbox.timers);
    rerun.run(&mut service, &log, from, &path, |_, _| {})?;
    report.entries_replayed = rerun.entries;
    report.ticks_replayed = rerun.ticks;
    report.hashes_checked = rerun.checked;
    report.took = begun.elapsed();
    let Rerun { timers, position, computed, .. } = rerun;
    let unlogged = computed.into_iter().map(|((match_id, tick), hash)| TickHash { match_id, tick, hash }).collect();
    Ok(Recovered { service, log, timers, position, unlogged, report, lock })
}

fn lock(data: &Path) -> Result<File, StartError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StartError::Folder { path, source }
    };
    std::fs::create_dir_all(data).map_err(failed(data))?;
    let path = lock_file(data);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that was killed holds its lock until the system has cleared it away.
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_RETRY),
            Err(TryLockError::WouldBlock) => return Err(StartError::Locked { data: data.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(StartError::Folder { path, source }),
        }
    }
}

const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Runs a log again, and holds it against what was logged.
pub(crate) struct Rerun {
    pub(crate) timers: Timers,
    pub(crate) position: u64,
    pub(crate) entries: u64,
    pub(crate) ticks: u64,
    pub(crate) checked: u64,
    /// Hashes that no record has named yet.
    computed: BTreeMap<(u64, u64), u64>,
}

impl Rerun {
    pub(crate) fn new(position: u64) -> Self {
        Self { timers: Timers::default(), position, entries: 0, ticks: 0, checked: 0, computed: BTreeMap::new() }
    }

    /// `seen` is called after each entry.
    pub(crate) fn run<G: Game, S: WalStore>(
        &mut self,
        service: &mut Service<G>,
        log: &CommandLog<S>,
        from: u64,
        path: &Path,
        mut seen: impl FnMut(&Service<G>, &Outbox),
    ) -> Result<(), StartError> {
        let mut outbox = Outbox::default();
        for record in log.records_from(from)? {
            let record = record?;
            self.check(&record)?;
            if record.first_position != self.position + 1 {
                let (path, expected) = (path.to_owned(), self.position);
                return Err(StartError::Gap { path, expected, found: record.first_position });
            }
            for entry in record.entries() {
                if let crate::Event::Timer { id } = entry.event {
                    self.timers.fired(id);
                }
                service.on_entry(&entry, &mut outbox);
                self.timers.apply(&outbox.timers);
                self.ticks += outbox.ticks.len() as u64;
                self.computed.extend(outbox.ticks.iter().map(|tick| ((tick.match_id, tick.tick), tick.hash)));
                seen(service, &outbox);
                outbox.clear();
            }
            self.entries += record.entries.len() as u64;
            self.position = record.first_position + record.entries.len() as u64 - 1;
        }
        Ok(())
    }

    fn check(&mut self, record: &Record) -> Result<(), StartError> {
        for TickHash { match_id, tick, hash: expected } in record.hashes.iter().copied() {
            match self.computed.remove(&(match_id, tick)) {
                Some(found) if found != expected => {
                    return Err(StartError::Diverged { match_id, tick, expected, found });
                }
                Some(_) => self.checked += 1,
                // A tick that the snapshot holds already.
                None => {}
            }
        }
        Ok(())
    }
}
