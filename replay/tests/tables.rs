//! What stands in the tables of a match is what the match was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arena::Arena;
use ecs_state::{Game, Input, MatchRng};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field as Cell, Row};
use protocol::EntityId;
use protocol::manifest::Field;
use replay::{Reel, Source, TableOptions, TablesError, TablesReport, export_tables, moments};
use tempfile::{TempDir, tempdir};

fn source() -> Arc<Source> {
    let path = PathBuf::from("../assets/matches/skirmish.wlm");
    Arc::new(Source::open::<Arena>(&path).unwrap())
}

struct Exported {
    folder: TempDir,
    source: Arc<Source>,
    report: TablesReport,
}

fn export(every: Option<u64>) -> Exported {
    let (folder, source) = (tempdir().unwrap(), source());
    let report = export_tables::<Arena>(&source, folder.path(), TableOptions { every }, |_, _| {}).unwrap();
    Exported { folder, source, report }
}

impl Exported {
    fn rows(&self, table: &str) -> Vec<Row> {
        let path = self.folder.path().join(format!("{table}.parquet"));
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
    }

    fn reel(&self) -> Reel<Arena> {
        Reel::new(Arc::clone(&self.source)).unwrap()
    }
}

/// A cell by the name of its column.
fn cell<'a>(row: &'a Row, name: &str) -> &'a Cell {
    let found = row.get_column_iter().find(|(column, _)| *column == name);
    found.unwrap_or_else(|| panic!("no column {name} in {row}")).1
}

/// The integer in a cell, whatever its width.
fn int(row: &Row, name: &str) -> i64 {
    match cell(row, name) {
        Cell::Bool(value) => i64::from(*value),
        Cell::Byte(value) => i64::from(*value),
        Cell::UByte(value) => i64::from(*value),
        Cell::Short(value) => i64::from(*value),
        Cell::UShort(value) => i64::from(*value),
        Cell::Int(value) => i64::from(*value),
        Cell::UInt(value) => i64::from(*value),
        Cell::Long(value) => *value,
        Cell::ULong(value) => *value as i64,
        other => panic!("{name} is {other}"),
    }
}

fn text(row: &Row, name: &str) -> String {
    match cell(row, name) {
        Cell::Str(value) => value.clone(),
        other => panic!("{name} is {other}"),
    }
}

/// The name of a field's column.
fn column_of(component: &str, field: &Field) -> String {
    let name = field.name.replace('.', "_");
    let is_taken = ["tick", "entity", "owner", "gone"].contains(&name.as_str());
    if is_taken { format!("{component}_{name}") } else { name }
}

/// Holds a row of a table against the row of the state.
fn assert_fields(component: &str, fields: &[Field], of_table: &Row, of_state: &[u8]) {
    for field in fields {
        let name = column_of(component, field);
        match cell(of_table, &name) {
            Cell::Double(value) => assert_eq!(*value, field.value(of_state), "{component}.{name}"),
            Cell::Float(value) => assert_eq!(f64::from(*value), field.value(of_state), "{component}.{name}"),
            _ => assert_eq!(int(of_table, &name), field.read(of_state), "{component}.{name}"),
        }
        assert_eq!(matches!(cell(of_table, &name), Cell::Double(_)), field.scale > 1, "{component}.{name}");
    }
}

#[test]
fn changes_up_to_a_tick_are_the_state_of_that_tick() {
    let exported = export(None);
    let manifest = Arc::clone(exported.source.manifest());
    let mut reel = exported.reel();
    let mut rng = MatchRng::new(1, 0, "ticks");
    for (index, layout) in manifest.layouts().iter().enumerate() {
        let rows = exported.rows(&format!("components/{}", layout.name));
        assert!(rows.is_sorted_by_key(|row| (int(row, "tick"), int(row, "entity"))), "{}", layout.name);
        let ticks = (0..4).map(|_| u64::from(rng.below(2_700))).chain([0, 2_700]);
        for tick in ticks {
            reel.seek(tick).unwrap();
            let mut state = BTreeMap::new();
            for row in rows.iter().take_while(|row| int(row, "tick") as u64 <= tick) {
                match cell(row, "gone") {
                    Cell::Bool(true) => assert!(state.remove(&int(row, "entity")).is_some(), "{row}"),
                    _ => drop(state.insert(int(row, "entity"), row)),
                }
            }
            let column = reel.columns().column(index);
            let entities: Vec<_> = column.iter().map(|(entity, _)| i64::from(entity.0)).collect();
            assert_eq!(state.keys().copied().collect::<Vec<_>>(), entities, "{} at {tick}", layout.name);
            let fields = if index == 0 { &[][..] } else { &layout.fields[..] };
            for (entity, row) in state {
                let entity = EntityId(entity as u32);
                assert_fields(&layout.name, fields, row, column.row(entity).unwrap());
                assert_eq!(int(row, "owner"), i64::from(reel.columns().owner(entity).unwrap()));
            }
        }
    }
}

#[test]
fn every_hundredth_tick_holds_all_rows_of_that_tick() {
    let exported = export(Some(100));
    let mut reel = exported.reel();
    let rows = exported.rows("components/Position");
    let (index, _) = exported.source.manifest().layout_of("Position").unwrap();
    let mut expected = Vec::new();
    for tick in (0..=2_700).step_by(100) {
        reel.seek(tick).unwrap();
        expected.extend(reel.columns().column(index).iter().map(|(entity, _)| (tick as i64, i64::from(entity.0))));
    }
    let found: Vec<_> = rows.iter().map(|row| (int(row, "tick"), int(row, "entity"))).collect();
    assert_eq!(found, expected);
    assert!(rows.iter().all(|row| *cell(row, "gone") == Cell::Bool(false)));
}

#[test]
fn each_command_is_a_row_with_what_became_of_it() {
    let exported = export(None);
    let rows = exported.rows("commands");
    let mut reel = exported.reel();
    let mut at = 0;
    let mut refused = 0;
    while let Some(output) = reel.step() {
        let step = exported.source.step_of(output.tick).unwrap();
        let commands = step.inputs.iter().filter_map(|input| match input {
            Input::Command { player, payload } => Some((*player, payload)),
            _ => None,
        });
        for ((player, payload), outcome) in commands.zip(&output.outcomes) {
            let row = &rows[at];
            assert_eq!((int(row, "tick"), int(row, "player")), (output.tick as i64, player.into()));
            assert_eq!(int(row, "time_ms"), step.time_ms);
            let command = Arena::decode_command(payload).unwrap();
            assert_eq!(text(row, "text"), Arena::command_to_text(&command));
            assert_eq!(text(row, "outcome") == "applied", outcome.is_applied(), "{row}");
            refused += u32::from(!outcome.is_applied());
            at += 1;
        }
    }
    assert_eq!(rows.len(), at);
    assert!(at > 5_000 && refused > 0, "{at} commands, {refused} refused");
    let numbered: Vec<_> = rows.iter().filter(|row| int(row, "player") == 1).map(|row| int(row, "seq")).collect();
    assert_eq!(numbered, (1..=numbered.len() as i64).collect::<Vec<_>>(), "the first player's commands by number");
    assert!(rows.is_sorted_by_key(|row| int(row, "position")));
}

#[test]
fn moments_are_those_of_the_game_and_deaths_those_of_the_seats() {
    let exported = export(None);
    let rows = exported.rows("moments");
    let told = moments::<Arena>(&exported.source, |_, _| {}).unwrap();
    assert_eq!(rows.len(), told.len());
    for (row, told) in rows.iter().zip(&told) {
        let moment = &told.moment;
        assert_eq!((int(row, "tick"), text(row, "kind")), (told.tick as i64, moment.kind.to_owned()));
        assert_eq!((int(row, "player"), int(row, "by")), (moment.player.into(), moment.by.into()));
        assert_eq!((int(row, "entity"), int(row, "value")), (moment.entity.into(), moment.value));
        let place = [cell(row, "x"), cell(row, "y")].map(|cell| match cell {
            Cell::Double(value) => Some(*value),
            _ => None,
        });
        assert_eq!(place, moment.at.map_or([None, None], |at| at.map(Some)));
    }
    // The match is shorter than a round: the seats have counted everything.
    let mut reel = exported.reel();
    reel.seek(2_700).unwrap();
    let seats = exported.source.manifest().layout_of("Seat").unwrap().0;
    let mut kills = 0;
    for (seat, _) in reel.columns().column(seats).iter() {
        let field = |name| reel.columns().field(seat, "Seat", name).unwrap();
        let of = |player: fn(&replay::MomentAt) -> u32| {
            let deaths = told.iter().filter(|told| told.moment.kind == "death");
            deaths.filter(|told| i64::from(player(told)) == field("player")).count() as i64
        };
        assert_eq!(of(|told| told.moment.player), field("deaths"));
        assert_eq!(of(|told| told.moment.by), field("kills"));
        kills += field("kills");
    }
    assert!(kills >= 10, "{kills} kills are too few to prove anything");
}

#[test]
fn the_match_and_its_players_have_a_row_each() {
    let exported = export(Some(900));
    let rows = exported.rows("match");
    assert_eq!(rows.len(), 1);
    assert_eq!(text(&rows[0], "game"), "arena");
    assert_eq!((int(&rows[0], "last_tick"), int(&rows[0], "players")), (2_700, 8));
    assert_eq!(int(&rows[0], "seed"), exported.source.file().header.seed as i64);
    let players = exported.rows("players");
    assert_eq!(players.iter().map(|row| int(row, "player")).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    assert!(players.iter().all(|row| int(row, "joined") > 0 && *cell(row, "left") == Cell::Null));
}

#[test]
fn the_report_counts_what_was_written_and_nothing_unfinished_is_left() {
    let exported = export(None);
    let mut files: Vec<PathBuf> = exported.report.tables.iter().map(|table| table.file.clone()).collect();
    for table in &exported.report.tables {
        assert_eq!(std::fs::metadata(&table.file).unwrap().len(), table.bytes, "{}", table.file.display());
        let reader = SerializedFileReader::new(File::open(&table.file).unwrap()).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows() as u64, table.rows, "{}", table.file.display());
    }
    let listed = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let folder = exported.folder.path();
    let mut found: Vec<_> = listed(folder.to_owned()).chain(listed(folder.join("components"))).collect();
    found.retain(|path| path.is_file());
    found.sort();
    files.sort();
    assert_eq!(found, files);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let error = export_tables::<Arena>(&source(), &taken, TableOptions::default(), |_, _| {}).unwrap_err();
    assert!(matches!(error, TablesError::Io { .. }) && error.to_string().contains("taken"), "{error}");
}
