//! What a lens keeps of a match that is as large at its end as at its beginning.

use std::sync::Arc;

use protocol::Columns;
use protocol::delta::Writer;
use protocol::limits::PLAYERS_PER_MATCH_MAX;
use protocol::manifest::{
    ComponentRule, FieldKind, Interest, Layout, Manifest, Nearness, Reach, Rule, SideField, Sync, Visibility,
};

use super::Lens;

const PLAYERS: u32 = 20;
/// Entities that come and go, and how many do in a tick.
const SHOTS: u32 = 200;
const SHOTS_PER_TICK: u32 = 7;

fn manifest() -> Arc<Manifest> {
    let field = |name: &str, kind| (name.to_owned(), kind, 1);
    let layout = |number, name, fields: Vec<_>| Layout::new(number, name, Visibility::Everyone, Sync::Plain, fields);
    let layouts = vec![
        Layout::entity(),
        layout(1, "Place", vec![field("x", FieldKind::I32), field("y", FieldKind::I32)]),
        layout(2, "Side", vec![field("team", FieldKind::U8)]),
        layout(3, "Mark", Vec::new()),
    ];
    let interest = Interest {
        nearness: Some(Nearness { component: 1, axes: vec![0, 1], reach: Reach::Radius(60), margin: 10 }),
        side: Some(SideField { component: 2, field: 0 }),
        rules: vec![ComponentRule { component: 3, rule: Rule::Team }],
    };
    let plain = Manifest::new("hall", 1, 20_000, layouts, Vec::new(), &[]).expect("it is sound");
    Arc::new(plain.with_interest(&interest).expect("it is sound"))
}

/// A match in which players walk and change sides, and as many shots and marks come as go.
struct Hall {
    columns: Columns,
    writer: Writer,
    lens: Lens,
    held: Vec<Vec<u32>>,
    out: Vec<u32>,
}

impl Hall {
    fn new() -> Self {
        let manifest = manifest();
        let (columns, lens) = (Columns::new(Arc::clone(&manifest)), Lens::new(&manifest));
        let held = (0..PLAYERS).map(|_| Vec::with_capacity(1_000)).collect();
        Self { columns, writer: Writer::new(), lens, held, out: Vec::with_capacity(1_000) }
    }

    fn tick(&mut self, tick: u32) {
        let newest = PLAYERS + SHOTS + tick * SHOTS_PER_TICK;
        let oldest = newest - SHOTS;
        let gone: Vec<u32> = (oldest - SHOTS_PER_TICK + 1..=oldest).filter(|id| *id > PLAYERS).collect();
        let ids: Vec<u32> = (1..=PLAYERS).chain(oldest + 1..=newest).collect();
        let rows = |row: &dyn Fn(u32) -> Option<Vec<u8>>| {
            let mut present = Vec::new();
            let mut bytes = Vec::new();
            for id in &ids {
                if let Some(row) = row(*id) {
                    present.push((*id, present.len() as u32));
                    bytes.extend(row);
                }
            }
            (present, bytes)
        };
        let walk = |id: u32| (id * 37 + tick * (id % 5)) % 500;
        let place = |id: u32| [walk(id).to_le_bytes(), walk(id * 3).to_le_bytes()].concat();
        let owner = |id: u32| if id <= PLAYERS { id } else { 0 };
        self.writer.begin(&mut self.columns, &gone);
        let columns = [
            rows(&|id| Some(owner(id).to_le_bytes().to_vec())),
            rows(&|id| (id <= PLAYERS || !id.is_multiple_of(3)).then(|| place(id))),
            rows(&|id| Some(vec![(id + u32::from(id <= PLAYERS) * tick / 16) as u8 % 4])),
            rows(&|id| (id > PLAYERS && id.is_multiple_of(3)).then(Vec::new)),
        ];
        for (index, (present, bytes)) in columns.iter().enumerate() {
            self.writer.component(&mut self.columns, index, present, bytes, &[]);
        }
        let mut touched = [&gone[..], &ids].concat();
        touched.sort_unstable();
        self.lens.note(&self.columns, &touched);
        for (player, held) in self.held.iter_mut().enumerate() {
            self.lens.look(player as u32 + 1, held, &mut self.out);
            std::mem::swap(held, &mut self.out);
        }
    }
}

#[test]
fn following_and_looking_need_no_more_room_with_time() {
    let mut hall = Hall::new();
    let mut most = Vec::new();
    for tick in 0..400 {
        hall.tick(tick);
        let room = hall.lens.room();
        most.resize(room.len(), 0);
        most.iter_mut().zip(room).for_each(|(most, room)| *most = room.max(*most));
    }
    assert!(hall.held.iter().all(|held| held.len() > 5), "players see something");
    for tick in 400..3_000 {
        hall.tick(tick);
        let room = hall.lens.room();
        assert!(room.iter().zip(&most).all(|(room, most)| room <= most), "tick {tick}: {room:?}, before {most:?}");
    }
    assert!(hall.held.iter().chain([&hall.out]).all(|list| list.capacity() == 1_000));
}

#[test]
fn players_who_left_long_ago_are_forgotten_and_those_who_died_are_not() {
    let manifest = manifest();
    let (mut columns, mut writer, mut lens) =
        (Columns::new(Arc::clone(&manifest)), Writer::new(), Lens::new(&manifest));
    let mut step = |lens: &mut Lens, player: u32, gone: &[u32]| {
        writer.begin(&mut columns, gone);
        let present = if player == 0 { vec![] } else { vec![(player, 0)] };
        writer.component(&mut columns, 0, &present, &player.to_le_bytes(), &[]);
        writer.component(&mut columns, 1, &present, &[0; 8], &[]);
        let mut touched = gone.to_vec();
        touched.extend(present.iter().map(|(id, _)| *id));
        lens.note(&columns, &touched);
    };
    // Entities go by their player's number: each player comes when the one before goes.
    let many = 6 * PLAYERS_PER_MATCH_MAX as u32;
    for player in 1..=many {
        step(&mut lens, player, &[player - 1]);
        if player == many / 2 {
            // Dies a second time, and is then one of the latest.
            step(&mut lens, 2, &[]);
            step(&mut lens, 0, &[2]);
        }
    }
    step(&mut lens, 0, &[many]);
    assert!(lens.focuses(1).is_empty());
    assert!(lens.focuses(PLAYERS_PER_MATCH_MAX as u32).is_empty());
    let remembered = [2, many, many - PLAYERS_PER_MATCH_MAX as u32];
    assert!(remembered.iter().all(|player| lens.focuses(*player) == [[0; 3]]));
}
