//! What stands in each table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ecs_state::{Game, Input, Moment, OutcomeCode};
use protocol::manifest::{Layout, Manifest};
use protocol::{Columns, EntityId};
use snapshots::Step;

use super::table::{Cells, ColumnKind, ColumnSpec, Table};
use super::{TableWritten, TablesError};
use crate::Source;

/// A table and where it is.
struct Placed {
    table: Table,
    file: PathBuf,
}

impl Placed {
    fn create(folder: &Path, name: &str, columns: &[ColumnSpec]) -> Result<Self, TablesError> {
        let file = folder.join(format!("{name}.parquet"));
        Ok(Self { table: Table::create(&file, columns)?, file })
    }

    fn finish(self) -> Result<TableWritten, TablesError> {
        let (rows, bytes) = self.table.finish()?;
        Ok(TableWritten { file: self.file, rows, bytes })
    }
}

/// Rows of one component over time.
pub(super) struct ComponentTable {
    placed: Placed,
    layout: Layout,
    index: usize,
}

impl ComponentTable {
    const LEADING: [(&'static str, ColumnKind); 4] = [
        ("tick", ColumnKind::U64),
        ("entity", ColumnKind::U32),
        ("owner", ColumnKind::U32),
        ("gone", ColumnKind::Bool),
    ];

    pub(super) fn create(folder: &Path, layout: &Layout, index: usize) -> Result<Self, TablesError> {
        let mut layout = layout.clone();
        if index == 0 {
            // The owner leads every table.
            layout.fields.clear();
        }
        let mut columns: Vec<_> = Self::LEADING.iter().map(|(name, kind)| ColumnSpec::new(name, *kind)).collect();
        for field in &layout.fields {
            let mut name = field.name.replace('.', "_");
            if columns.iter().any(|column| column.name.eq_ignore_ascii_case(&name)) {
                name = format!("{}_{name}", layout.name);
            }
            columns.push(ColumnSpec::nullable(&name, ColumnKind::of(field)));
        }
        Ok(Self { placed: Placed::create(folder, &layout.name, &columns)?, layout, index })
    }

    /// Every row there is.
    pub(super) fn all(&mut self, tick: u64, columns: &Columns) -> Result<(), TablesError> {
        columns.column(self.index).iter().try_for_each(|(entity, row)| self.row(tick, entity, columns, Some(row)))
    }

    /// The rows that came, changed or went in a tick.
    pub(super) fn changes(&mut self, tick: u64, before: &Columns, after: &Columns) -> Result<(), TablesError> {
        let (old, new) = (before.column(self.index), after.column(self.index));
        if old.hash() == new.hash() && old.len() == new.len() {
            return Ok(());
        }
        let mut olds = old.iter().peekable();
        for (entity, row) in new.iter() {
            while let Some((gone, _)) = olds.next_if(|(other, _)| *other < entity) {
                self.row(tick, gone, before, None)?;
            }
            let was = olds.next_if(|(other, _)| *other == entity);
            if was.is_none_or(|(_, old)| old != row) {
                self.row(tick, entity, after, Some(row))?;
            }
        }
        olds.try_for_each(|(gone, _)| self.row(tick, gone, before, None))
    }

    fn row(&mut self, tick: u64, entity: EntityId, of: &Columns, row: Option<&[u8]>) -> Result<(), TablesError> {
        let fields = &self.layout.fields;
        self.placed.table.row(|cells| {
            let (leading, of_fields) = cells.split_at_mut(Self::LEADING.len());
            let owner = of.owner(entity).unwrap_or_default();
            put_ints(leading, [tick as i64, entity.0.into(), owner.into(), row.is_none().into()]);
            for (cells, field) in of_fields.iter_mut().zip(fields) {
                match row {
                    Some(row) => cells.field(field, row),
                    None => cells.null(),
                }
            }
        })
    }

    pub(super) fn finish(self) -> Result<TableWritten, TablesError> {
        self.placed.finish()
    }
}

/// Each command, and what became of it.
pub(super) struct CommandTable(Placed);

impl CommandTable {
    pub(super) fn create(folder: &Path) -> Result<Self, TablesError> {
        let columns = [
            ColumnSpec::new("tick", ColumnKind::U64),
            ColumnSpec::new("time_ms", ColumnKind::I64),
            ColumnSpec::new("player", ColumnKind::U32),
            ColumnSpec::nullable("session", ColumnKind::U64),
            ColumnSpec::nullable("seq", ColumnKind::U64),
            ColumnSpec::nullable("position", ColumnKind::I64),
            ColumnSpec::new("outcome", ColumnKind::Text),
            ColumnSpec::new("text", ColumnKind::Text),
        ];
        Ok(Self(Placed::create(folder, "commands", &columns)?))
    }

    pub(super) fn see<G: Game>(
        &mut self,
        tick: u64,
        step: &Step,
        outcomes: &[OutcomeCode],
        manifest: &Manifest,
    ) -> Result<(), TablesError> {
        let commands = step.inputs.iter().filter_map(|input| match input {
            Input::Command { player, payload } => Some((*player, payload)),
            _ => None,
        });
        for (place, ((player, payload), outcome)) in commands.zip(outcomes).enumerate() {
            self.0.table.row(|cells| {
                put_ints(&mut cells[..3], [tick as i64, step.time_ms, player.into()]);
                // Files of version 1 do not say where commands came from.
                match step.origins.get(place) {
                    Some(origin) => {
                        put_ints(&mut cells[3..6], [origin.session as i64, origin.seq as i64, origin.position]);
                    }
                    None => cells[3..6].iter_mut().for_each(Cells::null),
                }
                cells[6].text(&outcome_name(*outcome, manifest));
                cells[7].text(&text_of::<G>(payload));
            })?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<TableWritten, TablesError> {
        self.0.finish()
    }
}

/// A command as people read it; bytes that are none in hexadecimal.
fn text_of<G: Game>(payload: &[u8]) -> String {
    match G::decode_command(payload) {
        Ok(command) => G::command_to_text(&command),
        Err(_) => payload.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// The word for an outcome: the protocol's, or the game's.
fn outcome_name(outcome: OutcomeCode, manifest: &Manifest) -> String {
    let of_game = || manifest.rejections().iter().find(|rejection| rejection.code == outcome.0);
    match outcome.name() {
        Some(name) => name.to_owned(),
        None => of_game().map_or_else(|| outcome.0.to_string(), |rejection| rejection.name.clone()),
    }
}

/// What the game calls an event.
pub(super) struct MomentTable(Placed);

impl MomentTable {
    pub(super) fn create(folder: &Path) -> Result<Self, TablesError> {
        let columns = [
            ColumnSpec::new("tick", ColumnKind::U64),
            ColumnSpec::new("kind", ColumnKind::Text),
            ColumnSpec::new("entity", ColumnKind::U32),
            ColumnSpec::new("player", ColumnKind::U32),
            ColumnSpec::new("by", ColumnKind::U32),
            ColumnSpec::nullable("x", ColumnKind::Double),
            ColumnSpec::nullable("y", ColumnKind::Double),
            ColumnSpec::new("value", ColumnKind::I64),
        ];
        Ok(Self(Placed::create(folder, "moments", &columns)?))
    }

    pub(super) fn see(&mut self, tick: u64, moments: Vec<Moment>) -> Result<(), TablesError> {
        for moment in moments {
            self.0.table.row(|cells| {
                cells[0].int(tick as i64);
                cells[1].text(moment.kind);
                put_ints(&mut cells[2..5], [moment.entity.into(), moment.player.into(), moment.by.into()]);
                for (cells, axis) in cells[5..7].iter_mut().zip(0..2) {
                    match moment.at {
                        Some(at) => cells.number(at[axis]),
                        None => cells.null(),
                    }
                }
                cells[7].int(moment.value);
            })?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<TableWritten, TablesError> {
        self.0.finish()
    }
}

/// When players came and went.
#[derive(Default)]
pub(super) struct PlayerTable {
    /// By number: ticks of joining (none when that was before the file begins) and leaving.
    stays: BTreeMap<u32, (Option<u64>, Option<u64>)>,
}

impl PlayerTable {
    pub(super) fn see(&mut self, tick: u64, step: &Step) {
        for input in &step.inputs {
            match input {
                Input::Join { player } => self.stays.entry(*player).or_default().0 = Some(tick),
                Input::Leave { player } => self.stays.entry(*player).or_default().1 = Some(tick),
                Input::Command { player, .. } => {
                    self.stays.entry(*player).or_default();
                }
                Input::Edit { .. } | Input::Content { .. } => {}
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.stays.len()
    }

    pub(super) fn finish(self, folder: &Path) -> Result<TableWritten, TablesError> {
        let columns = [
            ColumnSpec::new("player", ColumnKind::U32),
            ColumnSpec::nullable("joined", ColumnKind::U64),
            ColumnSpec::nullable("left", ColumnKind::U64),
        ];
        let mut placed = Placed::create(folder, "players", &columns)?;
        for (player, (joined, left)) in self.stays {
            placed.table.row(|cells| {
                cells[0].int(player.into());
                for (cells, tick) in cells[1..].iter_mut().zip([joined, left]) {
                    match tick {
                        Some(tick) => cells.int(tick as i64),
                        None => cells.null(),
                    }
                }
            })?;
        }
        placed.finish()
    }
}

/// The header, as a table of one row.
pub(super) fn write_match(folder: &Path, source: &Source, players: usize) -> Result<TableWritten, TablesError> {
    let header = &source.file().header;
    let texts = [
        ("file", source.path().display().to_string()),
        ("game", header.game.clone()),
        ("label", header.label.clone()),
        ("content_hash", format!("{:016x}", header.content_hash)),
        ("content", String::from_utf8_lossy(&source.file().content).into_owned()),
    ];
    let numbers = [
        ("rules_version", ColumnKind::U32, i64::from(header.rules_version)),
        ("match_id", ColumnKind::U64, header.match_id as i64),
        ("seed", ColumnKind::U64, header.seed as i64),
        ("opened_ms", ColumnKind::I64, header.opened_ms),
        ("tick_millihertz", ColumnKind::U32, source.manifest().tick_millihertz().into()),
        ("first_tick", ColumnKind::U64, source.first_tick() as i64),
        ("last_tick", ColumnKind::U64, source.last_tick() as i64),
        ("players", ColumnKind::U32, players as i64),
    ];
    let mut columns: Vec<_> = texts.iter().map(|(name, _)| ColumnSpec::new(name, ColumnKind::Text)).collect();
    columns.extend(numbers.iter().map(|(name, kind, _)| ColumnSpec::new(name, *kind)));
    let mut placed = Placed::create(folder, "match", &columns)?;
    placed.table.row(|cells| {
        let (of_text, of_numbers) = cells.split_at_mut(texts.len());
        of_text.iter_mut().zip(&texts).for_each(|(cells, (_, text))| cells.text(text));
        of_numbers.iter_mut().zip(&numbers).for_each(|(cells, (.., number))| cells.int(*number));
    })?;
    placed.finish()
}

fn put_ints<const N: usize>(cells: &mut [Cells], numbers: [i64; N]) {
    cells.iter_mut().zip(numbers).for_each(|(cells, number)| cells.int(number));
}
