//! However many threads write a match's views, players hold what they see.

use std::time::Duration;

use bytes::Bytes;
use protocol::limits::{HELD_BACK_TICKS_MAX, VIEWS_A_THREAD};
use protocol::view::{Beginning, View};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{Carrier, Views};
use crate::edge::{ConnectionId, Path};
use crate::view::tests::world::{World, chance};

const THREADS: usize = 3;
/// Enough for all threads, and one more.
const PLAYERS: u32 = (VIEWS_A_THREAD * (THREADS - 1)) as u32 + 1;
/// Updates are shared among players some time after they came.
const TICKS: u64 = 150;
/// At the end nothing is lost.
const CLEAN_TICKS: u64 = 40;
const PATH: Path = Path {
    rtt: Duration::from_millis(20),
    congestion_window: 1 << 20,
    datagram_bytes_max: 1_200,
    datagram_bytes_free: 1 << 20,
};

#[test]
fn however_many_threads_write_each_player_holds_what_it_sees() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap();
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    let mut world = World::new(&mut dice, 12, 3, true);
    let mut views = Views::new(&world.columns, 1);
    let mut mirrors: Vec<View> = (1..=PLAYERS).map(|player| begin(&mut views, &world, player)).collect();
    for tick in 2..=TICKS {
        world.step(&mut dice);
        views.note_tick(&world.everyone, &world.owner, tick);
        pool.install(|| views.write(&world.columns)).unwrap();
        assert_eq!(views.encoders.len(), THREADS, "so many write");
        for (player, mirror) in (1..=PLAYERS).zip(&mut mirrors) {
            let id = ConnectionId(player.into());
            // Every third is on a bad link.
            let is_lossy = player % 3 == 0 && tick + CLEAN_TICKS < TICKS;
            let packets: Vec<Bytes> = views.take(id).unwrap().1.collect();
            for packet in packets.iter().filter(|_| !(is_lossy && chance(&mut dice, 10))) {
                mirror.apply(packet).unwrap();
            }
            if let Some(ack) = mirror.ack() {
                views.handle_ack(id, &ack, PATH);
            }
        }
    }
    let everything = |_, _| true;
    for (player, mirror) in (1..=PLAYERS).zip(&mirrors) {
        let viewer = &views.viewers[views.place(ConnectionId(player.into())).unwrap()];
        assert_eq!((mirror.tick(), mirror.hash()), (TICKS, viewer.view.hash(&views.replica, &everything)), "{player}");
        assert!(viewer.view.packets_lost() > 0 || player % 3 != 0, "{player} lost some");
    }
}

fn begin(views: &mut Views, world: &World, player: u32) -> View {
    let id = ConnectionId(player.into());
    let parts = views.begin(id, (player, Carrier::Datagrams), (1, PATH), None);
    let beginning = Beginning {
        era: 1,
        tick: parts.tick,
        hash: parts.hash,
        columns: &parts.columns,
        own: &parts.own,
        kept: &parts.kept,
    };
    View::begin(world.columns.manifest(), &beginning, None).unwrap()
}

/// How much waits is known from acknowledgements alone: the last one said that nothing more fits, and then nothing comes
/// through for a while.
#[test]
fn who_takes_nothing_for_a_while_is_written_next_to_nothing_and_then_what_is_newest() {
    for lost in [3, 20, 70] {
        let mut dice = ChaCha8Rng::seed_from_u64(lost);
        let mut world = World::new(&mut dice, 40, 1, false);
        let mut views = Views::new(&world.columns, 1);
        let mut mirror = begin(&mut views, &world, 1);
        let is_full = 10;
        let (mut count, mut bytes) = (0, 0);
        for tick in 2..140 {
            world.step(&mut dice);
            views.note_tick(&world.everyone, &world.owner, tick);
            views.write(&world.columns).unwrap();
            let packets: Vec<Bytes> = views.take(ConnectionId(1)).unwrap().1.collect();
            if tick > is_full && tick <= is_full + lost {
                count += packets.len() as u64;
                bytes += packets.iter().map(Bytes::len).sum::<usize>();
                continue;
            }
            for packet in packets {
                mirror.apply(&packet).unwrap();
            }
            if mirror.unacknowledged() > 0 {
                let free = if tick == is_full { 0 } else { PATH.datagram_bytes_free };
                let ack = mirror.ack().unwrap();
                views.handle_ack(ConnectionId(1), &ack, Path { datagram_bytes_free: free, ..PATH });
            }
        }
        assert!(count <= lost / u64::from(HELD_BACK_TICKS_MAX), "{count} packets in {lost} ticks");
        assert!(bytes <= count as usize * PATH.datagram_bytes_max, "{bytes} bytes");
        assert_eq!(mirror.hash(), views.viewers[0].view.hash(&views.replica, &|_, _| true), "{lost} ticks");
    }
}
