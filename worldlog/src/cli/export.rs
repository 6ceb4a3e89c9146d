//! `worldlog export FILE --parquet DIR`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ecs_state::Game;
use replay::{Source, TableOptions, TablesReport};

use super::progress::Progress;
use super::{Answer, Done, Failure, live};

#[derive(Debug, Args)]
#[command(
    long_about = "Write a recorded match as tables.\n\n\
        The folder gets match, players, commands and moments (.parquet) and one table for each component in components/. \
        A component has a row for each tick in which an entity's row changed, with the columns tick, entity, owner, gone \
        and its fields; --every writes all rows at each N-th tick instead. DuckDB, pandas and Polars read them; \
        docs/tables.md has an example of each.",
    after_help = "Exit codes: 0 written, 1 failed, 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The match file (.wlm)
    file: PathBuf,
    /// The folder to write Parquet files into; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    parquet: PathBuf,
    /// Components at each N-th tick, changed or not, instead of at each change
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
    /// Play the file though it was recorded with other rules; the tables then hold what these rules make of it
    #[arg(long)]
    drift: bool,
    /// Replace tables that are there
    #[arg(long)]
    force: bool,
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    let taken = arguments.parquet.join("match.parquet");
    if taken.exists() && !arguments.force {
        return Err(Failure::Failed(format!("{} exists; --force replaces the tables", taken.display())));
    }
    let opened = match arguments.drift {
        true => Source::open_drifting::<G>(&arguments.file),
        false => Source::open::<G>(&arguments.file),
    };
    let source = Arc::new(opened.map_err(|error| Failure::Failed(error.to_string()))?);
    let progress = Progress::ticks();
    let options = TableOptions { every: arguments.every };
    let report = replay::export_tables::<G>(&source, &arguments.parquet, options, |done, all| progress.tell(done, all));
    progress.clear();
    let report = report.map_err(|error| Failure::Failed(error.to_string()))?;
    answer.give(&report, || text(&report));
    Ok(())
}

fn text(report: &TablesReport) -> String {
    let names = report.tables.iter().map(|table| table.file.display().to_string());
    let width = names.clone().map(|name| name.len()).max().unwrap_or_default();
    let lines = report.tables.iter().zip(names).map(|(table, name)| {
        format!("{name:<width$}  {:>10} rows  {:>10}\n", table.rows, live::bytes(table.bytes as f64))
    });
    let lines: String = lines.collect();
    format!(
        "{lines}{} ticks, {} rows, {} in {:.1} s",
        report.ticks,
        report.rows,
        live::bytes(report.bytes as f64),
        report.seconds
    )
}
