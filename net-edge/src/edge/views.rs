//! Players who are told what is new to each of them: who takes datagrams, and everybody in a match of which the manifest
//! says that players see a part.
//!
//! One [`Replica`] a match is what can be told; one [`PlayerView`] a player is what that player is known to hold. A view
//! reads the replica and writes only itself, so views are written side by side.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::bytes::ReadError;
use protocol::limits::{
    DATAGRAM_SEND_BYTES, DATAGRAMS_WAIT_MAX, HELD_BACK_TICKS_MAX, UPDATE_PACKET_BYTES_MAX, UPDATE_TICK_BYTES_MAX,
    VIEWS_A_THREAD,
};
use protocol::manifest::{Interest, Manifest};
use protocol::session::{ServerMessageT, UpdateT, encode_server};
use protocol::update::Ack;
use protocol::{Columns, PlayerId};
use rayon::prelude::*;

use super::{ConnectionId, Path};
use crate::interest::Lens;
use crate::view::{BaselineParts, Budget, Encoder, PlayerView, Replica};

/// How updates travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// What is lost is told again, as it is by then.
    Datagrams,
    /// In frames on the state stream, which loses nothing.
    Stream,
}

impl Carrier {
    /// How players of such matches are told; `None`: tick by tick, all alike.
    pub(super) fn of(manifest: &Manifest, takes_datagrams: bool) -> Option<Self> {
        let has_rate = manifest.tick_millihertz() != 0;
        match manifest.interest().is_none_or(Interest::is_everything) {
            // What is lost is told again with the next tick, and there may be none for long.
            _ if takes_datagrams && has_rate => Some(Self::Datagrams),
            true => None,
            false => Some(Self::Stream),
        }
    }
}

/// The views of one match.
pub(super) struct Views {
    replica: Replica,
    /// Newest tick that came, and the deltas since that of the replica.
    tick: u64,
    ticks: Ticks,
    lens: Lens,
    /// Ascending by connection.
    viewers: Vec<Viewer>,
    /// One for each thread that writes.
    encoders: Vec<Encoder>,
    /// When somebody sees everything: the entities that there are, and whether they are others than before.
    everything: Vec<u32>,
    has_other_entities: bool,
    tick_interval: Duration,
}

/// Deltas of some ticks, one behind the other.
#[derive(Default)]
struct Ticks {
    bytes: Vec<u8>,
    /// Where the two deltas of each end.
    ends: Vec<(usize, usize)>,
}

impl Ticks {
    fn push(&mut self, everyone: &[u8], owner: &[u8]) {
        self.bytes.extend_from_slice(everyone);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(owner);
        self.ends.push((middle, self.bytes.len()));
    }

    fn deltas(&self) -> Vec<(&[u8], &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        starts
            .zip(&self.ends)
            .map(|(start, (middle, end))| (&self.bytes[start..*middle], &self.bytes[*middle..*end]))
            .collect()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

struct Viewer {
    id: ConnectionId,
    player: u32,
    /// Whether interest hides nothing from it: it looks on and does not play.
    sees_everything: bool,
    carrier: Carrier,
    view: PlayerView,
    path: Path,
    /// Ticks in a row of which it was told nothing, as datagrams waited.
    held_back: u32,
    /// Bytes that it was told with the last tick.
    told: usize,
    /// What the player sees, ascending; and room for what it will.
    entities: Vec<u32>,
    next: Vec<u32>,
    rows_epoch: u64,
    /// A tick of which the player awaits that it is settled: its outcomes wait for that.
    awaited: u64,
    /// The first such tick since it was written, and whether one was told together with a later tick: then the player
    /// knows that it holds it when it is told so, and not before.
    called: Option<u64>,
    is_late: bool,
    /// Written this tick.
    packets: Vec<Bytes>,
    buffer: BytesMut,
}

impl Views {
    pub(super) fn new(columns: &Columns, tick: u64) -> Self {
        let tick_interval = match columns.manifest().tick_millihertz() {
            0 => Duration::ZERO,
            millihertz => Duration::from_secs(1_000) / millihertz,
        };
        let mut lens = Lens::new(columns.manifest());
        if !lens.is_everything() {
            lens.reset(columns);
        }
        let replica = Replica::new(columns, tick);
        Self {
            everything: replica.entities().to_vec(),
            has_other_entities: false,
            replica,
            tick,
            ticks: Ticks::default(),
            lens,
            viewers: Vec::new(),
            encoders: Vec::new(),
            tick_interval,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.viewers.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.viewers.len()
    }

    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.place(id).is_ok()
    }

    /// Begins a view anew. `held` is what the player's mirror holds, if it said so.
    pub(super) fn begin(
        &mut self,
        id: ConnectionId,
        (player, carrier): (u32, Carrier),
        (era, path): (u32, Path),
        held: Option<&[u8]>,
    ) -> BaselineParts {
        let mut entities = Vec::new();
        let sees_everything = self.lens.is_everything() || player == PlayerId::SPECTATOR.0;
        if sees_everything {
            entities.extend_from_slice(self.replica.entities());
        } else {
            self.lens.look(player, &[], &mut entities);
        }
        let lens = &self.lens;
        let admits = |entity, component| sees_everything || lens.admits_row(player, entity, component);
        let (view, parts) = PlayerView::begin(era, &self.replica, player, &entities, held, &admits);
        let viewer = Viewer {
            id,
            player,
            sees_everything,
            carrier,
            view,
            path,
            held_back: 0,
            told: 0,
            entities,
            next: Vec::new(),
            rows_epoch: self.lens.rows_epoch(),
            awaited: 0,
            called: None,
            is_late: false,
            packets: Vec::new(),
            buffer: BytesMut::new(),
        };
        match self.place(id) {
            Ok(place) => self.viewers[place] = viewer,
            Err(place) => self.viewers.insert(place, viewer),
        }
        parts
    }

    /// The player is told nothing more.
    pub(super) fn end(&mut self, id: ConnectionId) {
        if let Ok(place) = self.place(id) {
            self.viewers.remove(place);
        }
    }

    pub(super) fn handle_ack(&mut self, id: ConnectionId, ack: &Ack, path: Path) {
        if let Ok(place) = self.place(id) {
            let viewer = &mut self.viewers[place];
            viewer.path = path;
            viewer.view.handle_ack(ack);
        }
    }

    /// Takes the next tick, which is told when views are written.
    pub(super) fn note_tick(&mut self, everyone: &[u8], owner: &[u8], tick: u64) {
        self.ticks.push(everyone, owner);
        self.tick = tick;
    }

    /// Whether a tick came since views were written. Nobody's view can begin then.
    pub(super) const fn is_behind(&self) -> bool {
        self.tick > self.replica.tick()
    }

    /// Takes in the ticks that came: `columns` is the state after them.
    fn advance(&mut self, columns: &Columns) -> Result<(), ReadError> {
        self.replica.advance(columns, &self.ticks.deltas(), self.tick)?;
        self.ticks.clear();
        if self.viewers.iter().any(|viewer| viewer.sees_everything) {
            self.has_other_entities = self.everything != self.replica.entities();
            if self.has_other_entities {
                self.everything.clear();
                self.everything.extend_from_slice(self.replica.entities());
            }
        }
        if !self.lens.is_everything() {
            self.lens.note(columns, self.replica.changed(self.tick).expect("it is the newest"));
        }
        Ok(())
    }

    /// The player is told of this tick even if it brings nothing, and of those after it until it is known to hold this
    /// one: an outcome waits for that.
    pub(super) fn call_for_update(&mut self, id: ConnectionId) {
        if let Ok(place) = self.place(id) {
            let viewer = &mut self.viewers[place];
            viewer.awaited = self.tick;
            viewer.called.get_or_insert(self.tick);
        }
    }

    /// Whether a view has lasted so long that it must begin anew.
    pub(super) fn is_spent(&self, id: ConnectionId) -> bool {
        self.place(id).is_ok_and(|place| self.viewers[place].view.is_spent(&self.replica))
    }

    /// Writes for each player what the ticks brought that came since the last time; several at once as one. `columns`
    /// is the state after them.
    pub(super) fn write(&mut self, columns: &Columns) -> Result<(), ReadError> {
        if self.is_behind() {
            self.advance(columns)?;
            self.write_all();
        }
        Ok(())
    }

    fn write_all(&mut self) {
        let threads = rayon::current_num_threads().min(self.viewers.len().div_ceil(VIEWS_A_THREAD)).max(1);
        self.encoders.resize_with(threads.max(self.encoders.len()), Encoder::new);
        let share = self.viewers.len().div_ceil(threads).max(1);
        let tick = Tick {
            replica: &self.replica,
            lens: &self.lens,
            everything: &self.everything,
            has_other_entities: self.has_other_entities,
            interval: self.tick_interval,
        };
        if threads == 1 {
            let encoder = &mut self.encoders[0];
            return self.viewers.iter_mut().for_each(|viewer| tick.write(viewer, encoder));
        }
        self.viewers.par_chunks_mut(share).zip(self.encoders.par_iter_mut()).for_each(|(viewers, encoder)| {
            viewers.iter_mut().for_each(|viewer| tick.write(viewer, encoder));
        });
    }

    /// What was written for a player: datagrams, or frames for the state stream. `None` for who has no view.
    pub(super) fn take(&mut self, id: ConnectionId) -> Option<(Carrier, std::vec::Drain<'_, Bytes>)> {
        let place = self.place(id).ok()?;
        let viewer = &mut self.viewers[place];
        Some((viewer.carrier, viewer.packets.drain(..)))
    }

    fn place(&self, id: ConnectionId) -> Result<usize, usize> {
        self.viewers.binary_search_by_key(&id, |viewer| viewer.id)
    }
}

/// What all views of a match have in common at a tick.
struct Tick<'a> {
    replica: &'a Replica,
    lens: &'a Lens,
    everything: &'a [u32],
    has_other_entities: bool,
    interval: Duration,
}

impl Tick<'_> {
    fn write(&self, viewer: &mut Viewer, encoder: &mut Encoder) {
        let Viewer {
            player,
            carrier,
            view,
            path,
            held_back,
            told,
            entities,
            next,
            rows_epoch,
            awaited,
            called,
            is_late,
            packets,
            buffer,
            ..
        } = viewer;
        let (lens, sees_everything) = (self.lens, viewer.sees_everything);
        let admits = |entity, component| sees_everything || lens.admits_row(*player, entity, component);
        if !sees_everything {
            lens.look(*player, entities, next);
            let has_other_rows = std::mem::replace(rows_epoch, lens.rows_epoch()) != lens.rows_epoch();
            if next != entities || has_other_rows {
                std::mem::swap(entities, next);
                view.see(self.replica, entities, &admits);
            }
        } else if self.has_other_entities {
            view.see(self.replica, self.everything, &admits);
        }
        if view.settled() < *awaited {
            view.call_for_update();
        } else if std::mem::take(is_late) {
            // This one says so, if it comes.
            *awaited = self.replica.tick();
            view.call_for_update();
        }
        packets.clear();
        let Some(budget) = self.budget(*carrier, path, *held_back, *told) else {
            *held_back += 1;
            return;
        };
        *held_back = 0;
        *is_late |= called.take().is_some_and(|tick| tick < self.replica.tick());
        let distance = |entity| lens.distance(*player, entity);
        match carrier {
            Carrier::Datagrams => {
                view.handle_rtt(ticks_of(path.rtt, self.interval));
                view.write(self.replica, encoder, &budget, &admits, &distance, &mut |packet: &[u8]| {
                    buffer.extend_from_slice(packet);
                    packets.push(buffer.split().freeze());
                });
            }
            Carrier::Stream => {
                view.write(self.replica, encoder, &budget, &admits, &distance, &mut |packet: &[u8]| {
                    let mut update = UpdateT::default();
                    update.bytes = packet.to_vec();
                    packets.push(encode_server(ServerMessageT::Update(Box::new(update))).into());
                });
                view.assume_delivered();
            }
        }
        *told = packets.iter().map(Bytes::len).sum();
    }

    /// What may be written for a player this tick; `None`: what was written before still waits, and newer values will
    /// be there once it is gone. What the last tick told may have been about to leave when that was looked at.
    fn budget(&self, carrier: Carrier, path: &Path, held_back: u32, told: usize) -> Option<Budget> {
        if carrier == Carrier::Stream {
            return Some(Budget { bytes: UPDATE_TICK_BYTES_MAX, packet_bytes: UPDATE_PACKET_BYTES_MAX });
        }
        let packet_bytes = path.datagram_bytes_max.min(UPDATE_PACKET_BYTES_MAX);
        let waits = DATAGRAM_SEND_BYTES.saturating_sub(path.datagram_bytes_free);
        if packet_bytes == 0 {
            return None;
        }
        if waits > told + DATAGRAMS_WAIT_MAX * packet_bytes {
            return (held_back >= HELD_BACK_TICKS_MAX).then_some(Budget { bytes: packet_bytes, packet_bytes });
        }
        // As many windows as there are round trips in a tick, and one at least.
        let round_trips = self.interval.as_nanos() / path.rtt.as_nanos().max(1);
        let window = usize::try_from(path.congestion_window).unwrap_or(usize::MAX);
        let window = window.saturating_mul(usize::try_from(round_trips).unwrap_or(usize::MAX).max(1));
        Some(Budget { bytes: UPDATE_TICK_BYTES_MAX.min(window), packet_bytes })
    }
}

/// Whole ticks in a time, rounded up.
fn ticks_of(time: Duration, interval: Duration) -> u32 {
    let ticks = time.as_nanos().div_ceil(interval.as_nanos().max(1));
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
