//! Where the matches of a corpus are played: workers take segments, of open files first, so that no more files are
//! open than there are workers.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ecs_state::Game;
use protocol::manifest::Manifest;

use super::suspects::{Suspects, differing_columns};
use super::{RegressProgress, Regression, Unplayable};
use crate::shrink::said;
use crate::source::OtherComponent;
use crate::{ReplayError, Source};

/// What became of a file.
pub(super) enum Finding {
    Identical,
    Different(Regression),
    Unplayable(Unplayable),
}

pub(super) struct Yard<'a, G: Game> {
    files: Vec<PathBuf>,
    sizes: Vec<u64>,
    manifest: Arc<Manifest>,
    next_file: AtomicUsize,
    open: Mutex<VecDeque<Arc<Match>>>,
    findings: Mutex<Findings<'a>>,
    ticks: AtomicU64,
    game: std::marker::PhantomData<fn() -> G>,
}

struct Findings<'a> {
    of_files: Vec<Option<Finding>>,
    /// Of each file.
    bytes_done: Vec<u64>,
    progress: Box<dyn FnMut(RegressProgress) + Send + 'a>,
}

/// A file that is being played.
struct Match {
    place: usize,
    source: Arc<Source>,
    keyframe_ticks: Vec<u64>,
    next_segment: AtomicUsize,
    segments_done: AtomicUsize,
    /// The first tick that is known to differ; `u64::MAX` while none is.
    first_difference: AtomicU64,
    failed: Mutex<Option<String>>,
    /// What rules said when they panicked, by tick.
    panics: Mutex<BTreeMap<u64, String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a, G: Game> Yard<'a, G> {
    pub(super) fn new(
        files: Vec<PathBuf>,
        manifest: Arc<Manifest>,
        progress: impl FnMut(RegressProgress) + Send + 'a,
    ) -> Self {
        let sizes = files.iter().map(|file| std::fs::metadata(file).map_or(0, |file| file.len())).collect();
        let of_files = files.iter().map(|_| None).collect();
        let bytes_done = vec![0; files.len()];
        Self {
            files,
            sizes,
            manifest,
            next_file: AtomicUsize::new(0),
            open: Mutex::default(),
            findings: Mutex::new(Findings { of_files, bytes_done, progress: Box::new(progress) }),
            ticks: AtomicU64::new(0),
            game: std::marker::PhantomData,
        }
    }

    /// The findings in the order of the files, and how many ticks were played.
    pub(super) fn finish(self) -> (Vec<Finding>, u64) {
        let findings = self.findings.into_inner().unwrap_or_else(PoisonError::into_inner).of_files;
        (findings.into_iter().map(|finding| finding.expect("every file was played")).collect(), self.ticks.into_inner())
    }

    /// Plays until nothing is left to begin.
    pub(super) fn work(&self) {
        while let Some((played, segment)) = self.take() {
            if let Err(error) = self.play(&played, segment) {
                lock(&played.failed).get_or_insert(error.to_string());
            }
            let (done, all) = (played.segments_done.fetch_add(1, Ordering::AcqRel) + 1, played.keyframe_ticks.len());
            if done == all {
                self.conclude(&played);
            } else {
                self.tell(&mut lock(&self.findings), played.place, done as u64, all as u64);
            }
        }
    }

    fn take(&self) -> Option<(Arc<Match>, usize)> {
        loop {
            {
                let mut open = lock(&self.open);
                while let Some(played) = open.front() {
                    let segment = played.next_segment.fetch_add(1, Ordering::Relaxed);
                    if segment < played.keyframe_ticks.len() {
                        return Some((Arc::clone(played), segment));
                    }
                    open.pop_front();
                }
            }
            let place = self.next_file.fetch_add(1, Ordering::Relaxed);
            let file = self.files.get(place)?;
            match self.open(place, file) {
                Ok(played) => lock(&self.open).push_back(Arc::new(played)),
                Err(finding) => self.found(place, *finding),
            }
        }
    }

    fn open(&self, place: usize, file: &Path) -> Result<Match, Box<Finding>> {
        let unplayable = |error: ReplayError| {
            Box::new(Finding::Unplayable(Unplayable { file: file.to_owned(), error: error.to_string() }))
        };
        let source = Source::open_drifting::<G>(file).map_err(unplayable)?;
        if let Some(OtherComponent { name, reason }) = source.other_component().cloned() {
            return Err(Box::new(Finding::Different(Regression {
                file: file.to_owned(),
                tick: source.first_tick(),
                system: None,
                component: Some(name.clone()),
                components: vec![name],
                suspects: Vec::new(),
                values: Vec::new(),
                recorded_rules: source.file().header.rules_version,
                reason: Some(format!("the manifest differs, so that it cannot be played: {reason}")),
            })));
        }
        Ok(Match {
            place,
            keyframe_ticks: source.keyframes(),
            source: Arc::new(source),
            next_segment: AtomicUsize::new(0),
            segments_done: AtomicUsize::new(0),
            first_difference: AtomicU64::new(u64::MAX),
            failed: Mutex::default(),
            panics: Mutex::default(),
        })
    }

    /// Plays a segment as far as it matters.
    fn play(&self, played: &Match, segment: usize) -> Result<(), ReplayError> {
        let begin = played.keyframe_ticks[segment];
        let end = played.keyframe_ticks.get(segment + 1).copied();
        let differs = |tick| _ = played.first_difference.fetch_min(tick, Ordering::Relaxed);
        if begin >= played.first_difference.load(Ordering::Relaxed) {
            return Ok(());
        }
        let keyframe = played.source.keyframe_at(begin)?;
        let mut simulation = played.source.restore::<G>(&keyframe)?;
        for tick in begin + 1..=end.unwrap_or_else(|| played.source.last_tick()) {
            let step = played.source.step_of(tick).expect("the tick is in the match");
            self.ticks.fetch_add(1, Ordering::Relaxed);
            // A world in which a rule panicked is not looked at again.
            match catch_unwind(AssertUnwindSafe(|| simulation.step(step.time_ms, &step.inputs).hash())) {
                Ok(hash) if hash == step.hash => {}
                Ok(_) => {
                    differs(tick);
                    return Ok(());
                }
                Err(panic) => {
                    lock(&played.panics).insert(tick, said(&*panic));
                    differs(tick);
                    return Ok(());
                }
            }
        }
        // What no hash shows: the number that the next entity gets.
        if let Some(end) = end
            && **simulation.keyframe() != *played.source.keyframe_at(end)?
        {
            differs(end);
        }
        Ok(())
    }

    fn conclude(&self, played: &Match) {
        let file = self.files[played.place].clone();
        let tick = played.first_difference.load(Ordering::Acquire);
        let failed = lock(&played.failed).take();
        let finding = match failed {
            Some(error) => Finding::Unplayable(Unplayable { file, error }),
            None if tick == u64::MAX => Finding::Identical,
            None => match lock(&played.panics).remove(&tick) {
                Some(said) => Finding::Different(Regression {
                    file,
                    tick,
                    system: None,
                    component: None,
                    components: Vec::new(),
                    suspects: Vec::new(),
                    values: Vec::new(),
                    recorded_rules: played.source.file().header.rules_version,
                    reason: Some(format!("a rule panics: {said}")),
                }),
                None => self.explain(&played.source, file, tick),
            },
        };
        self.found(played.place, finding);
    }

    fn explain(&self, source: &Source, file: PathBuf, tick: u64) -> Finding {
        let suspects = match Suspects::of::<G>(source, tick) {
            Ok(suspects) => suspects,
            Err(error) => return Finding::Unplayable(Unplayable { file, error: error.to_string() }),
        };
        let layouts = self.manifest.layouts();
        let components: Vec<_> =
            differing_columns(&suspects.columns, &suspects.recorded).map(|index| layouts[index].name.clone()).collect();
        let Suspects { ranked: suspects, values, .. } = suspects;
        let reason = components.is_empty().then(|| {
            "no component differs: the recorded hash is not that of its own columns, or an entity came and went"
                .to_owned()
        });
        Finding::Different(Regression {
            file,
            tick,
            system: suspects.first().map(|suspect| suspect.system.clone()),
            component: components.first().cloned(),
            components,
            suspects,
            values,
            recorded_rules: source.file().header.rules_version,
            reason,
        })
    }

    fn found(&self, place: usize, finding: Finding) {
        let findings = &mut *lock(&self.findings);
        findings.of_files[place] = Some(finding);
        self.tell(findings, place, 1, 1);
    }

    /// A part of a file is done.
    fn tell(&self, findings: &mut Findings<'_>, place: usize, part: u64, of: u64) {
        // Who counted earlier may come later.
        let bytes_done = (self.sizes[place] * part / of).max(findings.bytes_done[place]);
        findings.bytes_done[place] = bytes_done;
        (findings.progress)(RegressProgress {
            matches_done: findings.of_files.iter().flatten().count(),
            matches: self.files.len(),
            bytes_done: findings.bytes_done.iter().sum(),
            bytes: self.sizes.iter().sum(),
        });
    }
}
