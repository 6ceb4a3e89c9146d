//! The mirror follows, or says why it cannot.
#![allow(clippy::unwrap_used, reason = "tests")]

use protocol::delta::{Writer, encode_full};
use protocol::frame::{PREFIX_BYTES, RawFrame};
use protocol::manifest::{FieldKind, Layout, Sync};
use protocol::session::{BaselineT, OwnDeltaT, ServerMessageT, decode_server, encode_delta, encode_server};

use super::*;

fn manifest() -> Arc<Manifest> {
    let field = |name: &str, kind| [(name.to_owned(), kind, 1)];
    let layouts = vec![
        Layout::entity(),
        Layout::new(1, "Health", Visibility::Everyone, Sync::Plain, field("points", FieldKind::U16)),
        Layout::new(2, "Purse", Visibility::Owner, Sync::Plain, field("gold", FieldKind::U32)),
    ];
    Arc::new(Manifest::new("test", 1, 30_000, layouts, vec![], &[]).unwrap())
}

/// The server's side: entity 1 of player 1, whose health and gold are set each tick.
struct Server {
    columns: Columns,
    writer: Writer,
    tick: u64,
}

impl Server {
    fn new() -> Self {
        let mut server = Self { columns: Columns::new(manifest()), writer: Writer::new(), tick: 0 };
        server.set(100, 5);
        server
    }

    fn set(&mut self, points: u16, gold: u32) -> [Vec<u8>; 2] {
        self.writer.begin(&mut self.columns, &[]);
        self.writer.component(&mut self.columns, 0, &[(1, 0)], &1u32.to_le_bytes(), &[]);
        self.writer.component(&mut self.columns, 1, &[(1, 0)], &points.to_le_bytes(), &[]);
        self.writer.component(&mut self.columns, 2, &[(1, 0)], &gold.to_le_bytes(), &[]);
        [Visibility::Everyone, Visibility::Owner].map(|class| self.writer.finish(class))
    }

    /// The frames of the next tick.
    fn step(&mut self, points: u16, gold: u32) -> [Vec<u8>; 2] {
        self.tick += 1;
        let [everyone, owner] = self.set(points, gold);
        let mut own = OwnDeltaT::default();
        (own.tick, own.columns) = (self.tick, owner);
        let delta = encode_delta(self.tick, 10 * self.tick, self.columns.hash(Visibility::Everyone), &everyone);
        [delta, encode_server(ServerMessageT::OwnDelta(Box::new(own)))]
    }

    fn baseline(&self) -> Vec<u8> {
        self.baseline_of(10 * self.tick, false)
    }

    fn baseline_of(&self, position: u64, rewound: bool) -> Vec<u8> {
        let mut baseline = BaselineT::default();
        (baseline.tick, baseline.position, baseline.rewound) = (self.tick, position, rewound);
        baseline.hash = self.columns.hash(Visibility::Everyone);
        baseline.columns = encode_full(&self.columns, Visibility::Everyone, |_| true);
        baseline.own = encode_full(&self.columns, Visibility::Owner, |_| true);
        encode_server(ServerMessageT::Baseline(Box::new(baseline)))
    }
}

fn check(mirror: &mut Mirror, bytes: &[u8]) -> Result<bool, Fault> {
    let frame = decode_server(RawFrame(&bytes[PREFIX_BYTES..])).unwrap();
    if let Some(baseline) = frame.message_as_baseline() {
        mirror.handle_baseline(&baseline).map(|()| true)
    } else if let Some(delta) = frame.message_as_delta() {
        mirror.handle_delta(&delta)
    } else {
        mirror.handle_own_delta(&frame.message_as_own_delta().unwrap()).map(|()| false)
    }
}

fn synced() -> (Server, Mirror) {
    let server = Server::new();
    let mut mirror = Mirror::new(manifest());
    mirror.begin_stream();
    assert_eq!(check(&mut mirror, &server.baseline()), Ok(true));
    (server, mirror)
}

#[test]
fn the_mirror_follows_tick_by_tick() {
    let (mut server, mut mirror) = synced();
    for points in 1..50 {
        for frame in server.step(points, 7 * u32::from(points)) {
            check(&mut mirror, &frame).unwrap();
        }
        assert_eq!(mirror.columns(), &server.columns);
    }
    assert_eq!((mirror.tick(), mirror.position()), (Tick(49), LogPosition(490)));
    assert_eq!(mirror.field(EntityId(1), "Purse", "gold"), Some(343));
    assert_eq!(
        mirror.counts(),
        MirrorCounts { deltas: 49, updates: 0, baselines: 1, hash_checks: 50, hash_mismatches: 0 }
    );
}

#[test]
fn a_wrong_hash_loses_the_mirror_until_the_next_baseline() {
    let (mut server, mut mirror) = synced();
    let [good, _] = server.step(1, 1);
    let frame = decode_server(RawFrame(&good[PREFIX_BYTES..])).unwrap();
    let delta = frame.message_as_delta().unwrap();
    let lie = encode_delta(1, 10, delta.hash() ^ 1, delta.columns().bytes());
    let fault = check(&mut mirror, &lie).unwrap_err();
    assert_eq!(fault, Fault::Mismatch { tick: 1, expected: delta.hash() ^ 1, found: delta.hash() });
    let resync = fault.resync();
    assert_eq!((resync.tick, resync.expected, resync.found), (1, delta.hash() ^ 1, delta.hash()));
    // What is left of the old stream is of no use.
    assert!(!mirror.is_in_sync());
    assert_eq!(check(&mut mirror, &server.step(2, 2)[0]), Ok(false));
    mirror.begin_stream();
    assert_eq!(check(&mut mirror, &server.baseline()), Ok(true));
    assert!(mirror.is_in_sync());
    assert_eq!(mirror.columns(), &server.columns);
    assert_eq!(mirror.counts().hash_mismatches, 1);
}

#[test]
fn a_missing_tick_is_a_gap() {
    let (mut server, mut mirror) = synced();
    server.step(1, 1);
    assert_eq!(check(&mut mirror, &server.step(2, 2)[0]), Err(Fault::Gap { expected: 1, found: 2 }));
}

#[test]
fn own_rows_of_another_tick_are_a_gap() {
    let (mut server, mut mirror) = synced();
    assert_eq!(check(&mut mirror, &server.step(1, 1)[1]), Err(Fault::Gap { expected: 0, found: 1 }));
}

#[test]
fn a_stream_that_begins_without_a_baseline_is_a_gap() {
    let (mut server, mut mirror) = synced();
    mirror.begin_stream();
    assert!(matches!(check(&mut mirror, &server.step(1, 1)[0]), Err(Fault::Gap { .. })));
}

#[test]
fn bytes_that_are_no_delta_lose_the_mirror() {
    let (_, mut mirror) = synced();
    let fault = check(&mut mirror, &encode_delta(1, 10, 0, &[9, 9, 9])).unwrap_err();
    assert!(matches!(fault, Fault::Decode { tick: 1, .. }));
    assert!(!mirror.is_in_sync());
}

#[test]
fn a_recording_that_was_moved_back_is_followed_from_there() {
    let (mut server, mut mirror) = synced();
    let old = server.baseline_of(50, true);
    check(&mut mirror, &server.step(1, 1)[0]).unwrap();
    mirror.begin_stream();
    assert_eq!(check(&mut mirror, &old), Ok(true));
    assert_eq!((mirror.tick(), mirror.position(), mirror.is_in_sync()), (Tick(0), LogPosition(50), true));
    assert_eq!(mirror.field(EntityId(1), "Health", "points"), Some(100));
}

#[test]
fn the_mirror_never_goes_back() {
    let (mut server, mut mirror) = synced();
    let old = server.baseline();
    check(&mut mirror, &server.step(1, 1)[0]).unwrap();
    mirror.begin_stream();
    assert_eq!(check(&mut mirror, &old), Err(Fault::Backwards { seen: 1, found: 0 }));
    assert_eq!(mirror.tick(), Tick(1));
    assert_eq!(check(&mut mirror, &server.baseline()), Ok(true));
}

/// The answer to a summary: a baseline that keeps entity 1 as it is held, or tells it.
fn answer(server: &Server, keeps: bool, hash: u64) -> Vec<u8> {
    let mut baseline = BaselineT::default();
    (baseline.era, baseline.tick, baseline.hash) = (1, server.tick, hash);
    baseline.columns = encode_full(&server.columns, Visibility::Everyone, |_| !keeps);
    baseline.own = encode_full(&server.columns, Visibility::Owner, |_| !keeps);
    baseline.kept = Some(vec![u8::from(keeps)]);
    encode_server(ServerMessageT::Baseline(Box::new(baseline)))
}

#[test]
fn an_entity_that_was_kept_by_chance_is_asked_for_and_is_no_mismatch() {
    let (mut server, mut mirror) = synced();
    let sum = |server: &Server| server.columns.entity_hash(protocol::EntityId(1)) as u16;
    let held = sum(&server);
    let summary = mirror.summarise();
    (6..).find(|gold| {
        server.set(100, *gold);
        sum(&server) == held
    });
    let hash = server.columns.total_hash();
    mirror.begin_stream();
    assert!(check(&mut mirror, &answer(&server, true, hash)).is_err(), "{summary:?} does not tell them apart");
    assert_eq!(mirror.counts().hash_mismatches, 0);
    mirror.begin_stream();
    assert!(check(&mut mirror, &answer(&server, false, hash + 1)).is_err());
    assert_eq!(mirror.counts().hash_mismatches, 1, "all was told, and is another");
    mirror.begin_stream();
    assert_eq!(check(&mut mirror, &answer(&server, false, hash)), Ok(true));
    assert_eq!(mirror.field(protocol::EntityId(1), "Health", "points"), Some(100));
}
