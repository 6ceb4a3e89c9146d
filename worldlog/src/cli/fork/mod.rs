//! `worldlog fork FILE@T`

mod other_build;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ecs_state::Game;
use replay::{Change, Comparison, Difference, FieldEdit, ForkCommand, ForkPlan, PlanError, Source, fork};
use serde::Serialize;

use super::at::FileAt;
use super::progress::Progress;
use super::{Answer, Done, Failure};

#[derive(Debug, Args)]
#[command(
    long_about = "What would have been if: play a recorded match again from tick T on, with something changed, and hold it \
        against what was played.\n\n\
        Up to T the fork is the match itself. Fields are set at the end of T; commands change from T + 1 on, and so does \
        the content. Both matches are played to the last tick, or to --to. The answer names the first tick at which they \
        differ, the fields that differ at the end (those that differ first and most, too), and what each came to: \
        components with their counts and hashes, the score and whatever else belongs to the match itself, and how many \
        moments (deaths, hits, …) each had from the first different tick on. `a` is the match, `b` the fork.",
    after_help = "Examples:\n  \
        worldlog fork match.wlm@1500 --set 12.Health.points=100\n  \
        worldlog fork match.wlm@1499 --drop 3:217             # without command 217 of player 3\n  \
        worldlog fork match.wlm@900 --drop 3@901..1200        # player 3 asks for nothing for ten seconds\n  \
        worldlog fork match.wlm@900 --command '950:3:{\"fire\":{\"held\":true}}' --out fired.wlm\n  \
        worldlog fork match.wlm@900 --edit '3:217={\"move\":{\"x\":127,\"y\":0}}'\n  \
        worldlog fork match.wlm@0 --content balance.toml      # another balance, from the beginning\n  \
        worldlog fork match.wlm@0 --with ../old/worldlog      # another build's rules\n\n\
        A fork with no change is identical to the match. Exit codes: 0 done, whether it differs or not; 1 failed; 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The match file (.wlm) and the last tick that stays as it was; without @T the first
    #[arg(value_name = "FILE@T")]
    at: FileAt,
    /// Set a field at the end of tick T
    #[arg(long, value_name = "ENTITY.Component.field=VALUE")]
    set: Vec<String>,
    /// Leave out a command by its number, or the commands of a player in some ticks
    #[arg(long, value_name = "PLAYER:SEQ|PLAYER@FROM..TO")]
    drop: Vec<Change>,
    /// Leave out all that a player does from T on
    #[arg(long, value_name = "PLAYER")]
    drop_player: Vec<u32>,
    /// Add a command: in the game's words, or in hexadecimal
    #[arg(long, value_name = "TICK:PLAYER:COMMAND")]
    command: Vec<String>,
    /// Let a player ask for something else
    #[arg(long, value_name = "PLAYER:SEQ=COMMAND")]
    edit: Vec<String>,
    /// Play on with another map or balance: a whole content, or one part of it, as the game reads it (the arena: a file
    /// of assets/arena)
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// Let another build of the program play on with its rules, from the last keyframe at or before T
    #[arg(long, value_name = "BUILD")]
    with: Option<PathBuf>,
    /// The last tick to play
    #[arg(long, value_name = "T")]
    to: Option<u64>,
    /// Write the fork as a match file, which can be shown, verified and forked like any other
    #[arg(long, value_name = "FILE.wlm")]
    out: Option<PathBuf>,
    /// Most differing fields to list
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Play a match of other rules or content too, with this build's; it is then compared with the same match as this
    /// build plays it
    #[arg(long)]
    drift: bool,
}

#[derive(Serialize)]
struct Forking<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    /// Commands that were added or changed, and what became of them.
    commands: &'a [ForkCommand],
    /// What was changed.
    changes: Vec<String>,
    file: Option<&'a Path>,
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    let path = &arguments.at.path;
    let opened = match arguments.drift {
        true => Source::open_drifting::<G>(path),
        false => Source::open::<G>(path),
    };
    let source = Arc::new(opened.map_err(|error| Failure::Failed(error.to_string()))?);
    let plan = plan::<G>(arguments, &source)?;
    if let Some(build) = &arguments.with {
        return other_build::run::<G>(build, arguments, &source, &plan, answer);
    }
    let progress = Progress::ticks();
    let forked = fork::<G>(&source, &plan, |done, all| progress.tell(done, all));
    progress.clear();
    let forked = forked.map_err(|error| Failure::Failed(error.to_string()))?;
    let comparison = forked.compare::<G>(arguments.limit).map_err(|error| Failure::Failed(error.to_string()))?;
    if let Some(out) = &arguments.out {
        snapshots::write_file(out, &forked.file).map_err(|error| Failure::Failed(error.to_string()))?;
    }
    let forking = Forking {
        comparison: &comparison,
        commands: &forked.commands,
        changes: plan.describe::<G>(source.manifest()),
        file: arguments.out.as_deref(),
    };
    answer.give(&forking, || text(&forking));
    Ok(())
}

fn plan<G: Game>(arguments: &Arguments, source: &Source) -> Result<ForkPlan, Failure> {
    let usage = |error: PlanError| Failure::Usage(error.to_string());
    let sets = arguments.set.iter().map(|text| FieldEdit::parse(text, source.manifest()));
    let mut changes = arguments.drop.clone();
    changes.extend(arguments.drop_player.iter().map(|player| Change::DropPlayer { player: *player }));
    for text in &arguments.edit {
        changes.push(Change::parse_replaced::<G>(text).map_err(usage)?);
    }
    for text in &arguments.command {
        changes.push(Change::parse_added::<G>(text).map_err(usage)?);
    }
    let tick = arguments.at.tick.unwrap_or_else(|| source.first_tick());
    let content = arguments.content.as_deref().map(|file| {
        let part = snapshots::read_file(file).map_err(|error| Failure::Failed(error.to_string()))?;
        G::revise_content(&source.content_at(tick), &part)
            .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
    });
    Ok(ForkPlan {
        tick,
        sets: sets.collect::<Result<_, _>>().map_err(usage)?,
        changes,
        content: content.transpose()?,
        to: arguments.to,
    })
}

fn text(forking: &Forking<'_>) -> String {
    let Comparison { first_difference_tick, first, tick, differences_in_all, fields, outcome_a, outcome_b, .. } =
        forking.comparison;
    let mut lines = forking.changes.clone();
    for ForkCommand { tick, player, text, outcome } in forking.commands {
        lines.push(format!("command of player {player} at tick {tick}: {text}: {outcome}"));
    }
    let Some(first_tick) = first_difference_tick else {
        lines.push(format!("no difference up to tick {tick}"));
        return lines.join("\n");
    };
    lines.push(format!("first difference at tick {first_tick}"));
    lines.extend(first.iter().take(SHOWN).map(line));
    if first.len() > SHOWN {
        lines.push(format!("  and {} more", first.len() - SHOWN));
    }
    lines.push(match differences_in_all {
        0 => format!("at tick {tick} nothing differs any more"),
        _ => format!("{differences_in_all} fields differ at tick {tick}; most of all"),
    });
    for field in fields.iter().take(SHOWN) {
        let name = format!("{}.{}", field.component, field.field);
        lines.push(format!("  {name} on {} entities, farthest apart:{}", field.entities, line(&field.largest)));
    }
    lines.push(format!("what it came to at tick {tick} (match | fork)"));
    lines.push(format!("  entities  {} | {}", outcome_a.entities, outcome_b.entities));
    for kind in outcome_a.moments.keys().chain(outcome_b.moments.keys()).collect::<std::collections::BTreeSet<_>>() {
        let count = |moments: &std::collections::BTreeMap<&str, u64>| moments.get(kind).copied().unwrap_or_default();
        lines.push(format!("  {kind}s  {} | {}", count(&outcome_a.moments), count(&outcome_b.moments)));
    }
    for (component, values) in &outcome_a.of_match {
        for (field, a) in values {
            let b = outcome_b.of_match.get(component).and_then(|values| values.get(field));
            if b != Some(a) {
                lines.push(format!("  {component}.{field}  {a} | {}", shown(b)));
            }
        }
    }
    lines.extend(forking.file.map(|file| format!("written to {}", file.display())));
    lines.join("\n")
}

fn line(difference: &Difference) -> String {
    let Difference { entity, component, field, a, b } = difference;
    format!("  {entity}.{component}.{field}  {} | {}", shown(a.as_ref()), shown(b.as_ref()))
}

fn shown(value: Option<&replay::Value>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Most lines of a list for people.
const SHOWN: usize = 10;
