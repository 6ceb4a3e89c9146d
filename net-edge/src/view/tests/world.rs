//! A match in which anything happens, told in the plainest form there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Columns;
use protocol::delta::Writer;
use protocol::manifest::{FieldKind, FieldSpec, Layout, Manifest, Sync, Visibility};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

pub(crate) fn below(dice: &mut ChaCha8Rng, bound: u32) -> u32 {
    dice.next_u32() % bound
}

/// Whether something happens that does so many times in a hundred.
pub(crate) fn chance(dice: &mut ChaCha8Rng, percent: u32) -> bool {
    below(dice, 100) < percent
}

/// Place of the component whose rows not everybody hears of.
pub(crate) const TEAM: usize = 4;

/// With `is_calm` there is nothing that only owners may know.
pub(crate) fn manifest(is_calm: bool) -> Arc<Manifest> {
    use FieldKind::{Bool, Entity, F32, I8, I16, I32, I64, U8, U16, U32, U64};
    let layout = |number, name: &str, visibility, fields: &[(FieldKind, u32)]| {
        let specs = fields.iter().enumerate().map(|(place, (kind, step))| FieldSpec {
            name: format!("f{place}"),
            kind: *kind,
            scale: 1,
            step: *step,
        });
        Layout::of(number, name, visibility, Sync::Plain, specs)
    };
    let mut layouts = vec![
        Layout::entity(),
        layout(2, "Place", Visibility::Everyone, &[(I32, 4), (I32, 1), (U16, 128)]),
        layout(3, "Hidden", Visibility::Server, &[(U8, 1)]),
        layout(
            5,
            "All",
            Visibility::Everyone,
            &[(Bool, 1), (U8, 1), (U16, 1), (U32, 10), (U64, 1), (I8, 1), (I16, 3), (I64, 1), (F32, 1), (Entity, 1)],
        ),
        layout(6, "Team", Visibility::Everyone, &[(U8, 1)]),
        layout(7, "Mark", Visibility::Everyone, &[]),
        layout(9, "Purse", Visibility::Owner, &[(U32, 1), (I64, 7)]),
    ];
    if is_calm {
        layouts.pop();
    }
    Arc::new(Manifest::new("fuzz", 1, 20_000, layouts, Vec::new(), &[]).unwrap())
}

/// Rows by entity and place of the component.
pub(crate) type Rows = BTreeMap<(u32, usize), Vec<u8>>;

pub(crate) struct World {
    pub(crate) columns: Columns,
    pub(crate) rows: Rows,
    pub(crate) everyone: Vec<u8>,
    pub(crate) owner: Vec<u8>,
    writer: Writer,
    velocities: BTreeMap<u32, [i32; 2]>,
    next: u32,
    players: u32,
    size: u32,
    /// Hardly anything but moves.
    is_calm: bool,
}

impl World {
    pub(crate) fn new(dice: &mut ChaCha8Rng, size: u32, players: u32, is_calm: bool) -> Self {
        let mut world = Self {
            columns: Columns::new(manifest(is_calm)),
            rows: Rows::new(),
            everyone: Vec::new(),
            owner: Vec::new(),
            writer: Writer::new(),
            velocities: BTreeMap::new(),
            next: 1,
            players,
            size,
            is_calm,
        };
        for _ in 0..size {
            world.spawn(dice);
        }
        world.commit(&Rows::new());
        world
    }

    pub(crate) fn ids(&self) -> Vec<u32> {
        self.rows.keys().filter(|(_, place)| *place == 0).map(|(id, _)| *id).collect()
    }

    pub(crate) fn owner_of(&self, entity: u32) -> u32 {
        self.rows.get(&(entity, 0)).map_or(0, |row| u32::from_le_bytes(row[..4].try_into().unwrap()))
    }

    /// One tick of whatever comes to mind.
    pub(crate) fn step(&mut self, dice: &mut ChaCha8Rng) {
        let before = self.rows.clone();
        for id in self.ids() {
            self.roam(dice, id);
            if self.is_calm && below(dice, 3_000) > 0 {
                continue;
            }
            if chance(dice, 3) && before.len() > 8 {
                self.rows.retain(|(entity, _), _| *entity != id);
                continue;
            }
            let place = below(dice, self.columns.manifest().layouts().len() as u32) as usize;
            match below(dice, 40) {
                0..=2 => self.put(dice, id, place),
                3 if place != 0 => drop(self.rows.remove(&(id, place))),
                4 => self.nudge(dice, id, place),
                _ => {}
            }
        }
        if (self.ids().len() as u32) < self.size || (!self.is_calm && chance(dice, 5)) {
            self.spawn(dice);
        }
        self.commit(&before);
    }

    fn spawn(&mut self, dice: &mut ChaCha8Rng) {
        let id = self.next;
        self.next += 1 + below(dice, 3);
        for place in 0..self.columns.manifest().layouts().len() {
            if place == 0 || chance(dice, 60) {
                self.put(dice, id, place);
            }
        }
    }

    /// Moves as things in games do: straight on, mostly.
    fn roam(&mut self, dice: &mut ChaCha8Rng, id: u32) {
        let manifest = Arc::clone(self.columns.manifest());
        let velocity = self.velocities.entry(id).or_default();
        if chance(dice, 8) {
            *velocity = [below(dice, 101) as i32 - 50, below(dice, 101) as i32 - 50];
        }
        if chance(dice, 8) {
            *velocity = [0, 0];
        }
        let Some(row) = self.rows.get_mut(&(id, 1)) else { return };
        for (field, speed) in manifest.layouts()[1].fields.iter().zip(velocity) {
            let number = field.read(row) as i32;
            let number = number.wrapping_add(*speed);
            field.write(row, i64::from(number));
        }
    }

    fn put(&mut self, dice: &mut ChaCha8Rng, id: u32, place: usize) {
        let manifest = Arc::clone(self.columns.manifest());
        let layout = &manifest.layouts()[place];
        let mut row = vec![0u8; layout.width];
        for field in &layout.fields {
            let any = dice.next_u64() as i64 >> below(dice, 64);
            let number = match field.kind {
                FieldKind::Bool => any & 1,
                FieldKind::F32 => i64::from((any as i32 as f32).to_bits()),
                FieldKind::Player => i64::from(below(dice, self.players + 1)),
                _ => any,
            };
            // Minus nothing is no value.
            let number = if field.kind == FieldKind::F32 && number == 1 << 31 { 0 } else { number };
            field.write(&mut row, number);
        }
        self.rows.insert((id, place), row);
    }

    /// Changes one number by little.
    fn nudge(&mut self, dice: &mut ChaCha8Rng, id: u32, place: usize) {
        let manifest = Arc::clone(self.columns.manifest());
        let layout = &manifest.layouts()[place];
        let (Some(row), false) = (self.rows.get_mut(&(id, place)), layout.fields.is_empty()) else { return };
        let field = &layout.fields[below(dice, layout.fields.len() as u32) as usize];
        if !matches!(field.kind, FieldKind::Bool | FieldKind::F32 | FieldKind::Player) {
            let number = field.read(row).wrapping_add(i64::from(below(dice, 9)) - 4);
            field.write(row, number);
        }
    }

    fn commit(&mut self, before: &Rows) {
        // What an entity without itself has is gone too.
        let ids = self.ids();
        self.rows.retain(|(id, _), _| ids.binary_search(id).is_ok());
        self.velocities.retain(|id, _| ids.binary_search(id).is_ok());
        let gone: Vec<u32> =
            before.keys().filter(|key| key.1 == 0 && !self.rows.contains_key(key)).map(|key| key.0).collect();
        self.writer.begin(&mut self.columns, &gone);
        for place in 0..self.columns.manifest().layouts().len() {
            let (mut present, mut rows) = (Vec::new(), Vec::new());
            for ((id, _), row) in self.rows.iter().filter(|(key, row)| key.1 == place && before.get(*key) != Some(*row))
            {
                present.push((*id, present.len() as u32));
                rows.extend_from_slice(row);
            }
            let is_removed = |key: &&(u32, usize)| {
                key.1 == place && !self.rows.contains_key(*key) && gone.binary_search(&key.0).is_err()
            };
            let removed: Vec<u32> = before.keys().filter(is_removed).map(|key| key.0).collect();
            self.writer.component(&mut self.columns, place, &present, &rows, &removed);
        }
        self.everyone = self.writer.finish(Visibility::Everyone);
        self.owner = self.writer.finish(Visibility::Owner);
    }

    /// The rows as players are told them.
    pub(crate) fn told(&self) -> Rows {
        let manifest = self.columns.manifest();
        let told = |(key, row): (&(u32, usize), &Vec<u8>)| {
            let mut told = row.clone();
            for field in &manifest.layouts()[key.1].fields {
                field.write(&mut told, field.quantise(field.read(row)));
            }
            (*key, told)
        };
        self.rows
            .iter()
            .filter(|(key, _)| manifest.layouts()[key.1].visibility != Visibility::Server)
            .map(told)
            .collect()
    }
}
