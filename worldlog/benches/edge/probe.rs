//! Clients that look: through the client library, as a program would.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use client::Player;
use hdrhistogram::Histogram;
use protocol::{Columns, EntityId};

use crate::step::{Plan, wish};

/// What all probes find together.
pub(crate) struct Findings {
    pub(crate) is_measuring: AtomicBool,
    /// Microseconds from a command to its number in the mirror of the one who sent it.
    pub(crate) latency_us: Mutex<Histogram<u64>>,
    /// Entities seen to be elsewhere than at the tick seen before.
    pub(crate) moved: AtomicU64,
    /// Entities in the mirror, summed over the ticks seen.
    pub(crate) seen: AtomicU64,
    /// Ticks seen.
    pub(crate) ticks: AtomicU64,
    /// Commands that were sent and not seen a second later.
    pub(crate) unseen: AtomicU64,
}

impl Findings {
    pub(crate) fn new() -> Self {
        Self {
            is_measuring: AtomicBool::new(false),
            latency_us: Mutex::new(Histogram::new_with_bounds(1, 60_000_000, 3).unwrap()),
            moved: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            unseen: AtomicU64::new(0),
        }
    }
}

/// Plays until it is aborted.
pub(crate) async fn play(player: Arc<Player>, plan: Plan, findings: Arc<Findings>) {
    let mut sight = Sight::default();
    let mut sent: BTreeMap<u32, Instant> = BTreeMap::new();
    let mut number = 0;
    let mut ticks = player.ticks();
    let mut beat = plan.beat().await;
    loop {
        tokio::select! {
            biased;
            changed = ticks.changed() => {
                if changed.is_err() {
                    return;
                }
                let is_measuring = findings.is_measuring.load(Ordering::Relaxed);
                let newest = player.with_mirror(|mirror| sight.look(mirror.columns(), player.player_id().0));
                let now = Instant::now();
                let later = sent.split_off(&(newest.unwrap_or(0) + 1));
                for (_, at) in std::mem::replace(&mut sent, later) {
                    if is_measuring {
                        let micros = now.duration_since(at).as_micros() as u64;
                        findings.latency_us.lock().unwrap().saturating_record(micros.max(1));
                    }
                }
                if is_measuring {
                    findings.ticks.fetch_add(1, Ordering::Relaxed);
                    findings.moved.fetch_add(sight.moved, Ordering::Relaxed);
                    findings.seen.fetch_add(sight.places.len() as u64, Ordering::Relaxed);
                }
            }
            _ = beat.tick() => {
                number += 1;
                sent.insert(number, Instant::now());
                // Whether it ran shows in the mirror.
                drop(player.try_send(wish(number, plan.seed).encode()));
                let late = sent.values().filter(|at| at.elapsed().as_secs() >= 1).count();
                findings.unseen.fetch_max(late as u64, Ordering::Relaxed);
            }
        }
    }
}

/// What one probe saw last.
#[derive(Default)]
struct Sight {
    own: Option<EntityId>,
    places: HashMap<u32, [u8; 8]>,
    moved: u64,
}

impl Sight {
    /// Takes in a tick; gives the number of the newest command of the player that shows.
    fn look(&mut self, columns: &Columns, player: u32) -> Option<u32> {
        let (place, _) = columns.manifest().layout_of("Place").unwrap();
        let mut places = HashMap::with_capacity(self.places.len());
        self.moved = 0;
        for (id, row) in columns.column(place).iter() {
            let row: [u8; 8] = row.try_into().unwrap();
            self.moved += u64::from(self.places.get(&id.0).is_some_and(|before| *before != row));
            places.insert(id.0, row);
        }
        self.places = places;
        if self.own.is_none() {
            self.own = columns.column(0).iter().map(|(id, _)| id).find(|id| columns.owner(*id) == Some(player));
        }
        self.own.and_then(|own| columns.field(own, "Newest", "number")).map(|number| number as u32)
    }
}
