//! A match as tables (Parquet), for those who ask with SQL or data frames.
//!
//! ```text
//! DIR/match.parquet               one row: what was played, with which rules, how long
//! DIR/players.parquet             one row for each player: when it joined, when it left
//! DIR/commands.parquet            one row for each command, with what became of it
//! DIR/moments.parquet             what the game calls an event: deaths, hits, points
//! DIR/components/NAME.parquet     one row for each change of a component of an entity
//! ```
//!
//! Columns of a component: `tick`, `entity`, `owner` (a player, 0 for nobody), `gone` (the entity lost the component in
//! this tick; its fields have no value then), and the component's fields, by their names. Fixed-point numbers are in
//! units. A field of a list has a number at its end (`teams_0`); one whose name is taken is called `Component_field`.

mod rows;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ecs_state::Game;
use parquet::errors::ParquetError;
use serde::Serialize;
use thiserror::Error;

use crate::moments::walk;
use crate::{Reel, ReplayError, Source};
use rows::{CommandTable, ComponentTable, MomentTable, PlayerTable, write_match};

/// What to write.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableOptions {
    /// Components at each tick that is a multiple of this, changed or not; else at each tick in which they changed.
    pub every: Option<u64>,
}

/// One table that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableWritten {
    /// The file.
    pub file: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
}

/// All tables of a match.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TablesReport {
    /// The folder.
    pub folder: PathBuf,
    /// Ticks that were played.
    pub ticks: u64,
    /// The tables.
    pub tables: Vec<TableWritten>,
    /// Rows of all of them.
    pub rows: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Why a match was not written as tables. Tables that were begun are removed.
#[derive(Debug, Error)]
pub enum TablesError {
    /// The file cannot be played.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The system refused.
    #[error("{}: {operation}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// A table could not be written.
    #[error("{}: writing the table: {source}; is the disk full?", .path.display())]
    Parquet {
        /// The table.
        path: PathBuf,
        /// The writer's word.
        #[source]
        source: ParquetError,
    },
}

/// Plays a match and writes it as tables into a folder, which is made when it is not there. Tables of the same names
/// are replaced. `progress` is told (ticks done, ticks in all) now and then. Holds a group of rows of each table in
/// memory, whatever the length of the match.
///
/// # Errors
/// When the file cannot be played or the tables cannot be written.
///
/// # Panics
/// When `every` is 0.
pub fn export_tables<G: Game>(
    source: &Arc<Source>,
    folder: &Path,
    options: TableOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<TablesReport, TablesError> {
    assert!(options.every != Some(0), "every tick is every 1");
    let begun = Instant::now();
    let of_components = folder.join("components");
    std::fs::create_dir_all(&of_components).map_err(|source| TablesError::Io {
        path: of_components.clone(),
        operation: "making the folder",
        source,
    })?;
    let layouts = source.manifest().layouts();
    let mut components = (0..layouts.len())
        .map(|index| ComponentTable::create(&of_components, &layouts[index], index))
        .collect::<Result<Vec<_>, _>>()?;
    let mut commands = CommandTable::create(folder)?;
    let mut moments = MomentTable::create(folder)?;
    let mut players = PlayerTable::default();

    let (first, last) = (source.first_tick(), source.last_tick());
    let mut failure = None;
    let mut reel = Reel::<G>::new(Arc::clone(source))?;
    reel.seek(first)?;
    components.iter_mut().try_for_each(|table| table.all(first, reel.columns()))?;
    drop(reel);
    walk::<G>(source, first, last, |before, reel, output| {
        if failure.is_some() {
            return;
        }
        let tick = output.tick;
        let step = source.step_of(tick).expect("it was just played");
        players.see(tick, step);
        let mut write = || {
            commands.see::<G>(tick, step, &output.outcomes, source.manifest())?;
            moments.see(tick, G::moments(before, reel.columns()))?;
            match options.every {
                None => components.iter_mut().try_for_each(|table| table.changes(tick, before, reel.columns())),
                Some(every) if tick.is_multiple_of(every) => {
                    components.iter_mut().try_for_each(|table| table.all(tick, reel.columns()))
                }
                Some(_) => Ok(()),
            }
        };
        failure = write().err();
        if tick.is_multiple_of(TOLD_EVERY_TICKS) || tick == last {
            progress(tick - first, last - first);
        }
    })?;
    if let Some(failure) = failure {
        return Err(failure);
    }

    let mut tables = vec![
        write_match(folder, source, players.count())?,
        players.finish(folder)?,
        commands.finish()?,
        moments.finish()?,
    ];
    for component in components {
        tables.push(component.finish()?);
    }
    Ok(TablesReport {
        folder: folder.to_owned(),
        ticks: last - first,
        rows: tables.iter().map(|table| table.rows).sum(),
        bytes: tables.iter().map(|table| table.bytes).sum(),
        tables,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

const TOLD_EVERY_TICKS: u64 = 1_000;
