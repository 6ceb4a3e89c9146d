//! `worldlog find FILE EXPR`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ecs_state::{EntityId, Game};
use replay::{Expression, Search, find};
use serde::Serialize;

use super::progress::Progress;
use super::{Answer, Done, Failure};
use crate::replaying::Opening;

#[derive(Debug, Args)]
#[command(
    long_about = "When something was so: the first tick of a match, or all, after which an expression over components \
        holds.\n\n\
        Fields are written ENTITY.Component.field, as `worldlog show` lists them, and have the same numbers as there. \
        any(…), all(…), count(…) and sum(…) go over each entity that has one of the components named inside: fields \
        have no entity there, and `id` is its number. before(FIELD) is the value a tick earlier, changed(FIELD) says \
        whether it is another one now, exists(12) or exists(12.Shot) whether there is such an entity or component; \
        `tick` is the tick. Operators, from the loosest: or, and, not, one of == != < <= > >=, + -, * /. \
        A comparison with what does not exist is false: who dies is gone at the end of the tick.\n\n\
        Segments between keyframes are searched side by side, one thread a core. With --monotone you say that the \
        expression stays true once it is; it is then bisected over keyframes, which looks at few of them and at one \
        segment.",
    after_help = "Examples:\n  \
        worldlog find match.wlm '12.Health.points <= 20'\n  \
        worldlog find match.wlm --all 'any(before(Seat.avatar) != 0 and Seat.avatar == 0)'   # each death\n  \
        worldlog find match.wlm 'any(Seat.player == 7 and Seat.kills >= 3)' --monotone\n  \
        worldlog find match.wlm 'count(Shot.by == 7) > 2 and tick > 900'\n  \
        worldlog find match.wlm --entity 12 'Position.x > 40 and not changed(Position.x)'\n\n\
        Exit codes: 0 done, also when it holds nowhere; 1 failed; 2 wrong usage, with the column of what is wrong."
)]
pub(super) struct Arguments {
    /// The match file (.wlm)
    file: PathBuf,
    /// The expression
    #[arg(value_name = "EXPR")]
    expression: String,
    /// All ticks, not the first alone
    #[arg(long)]
    all: bool,
    /// Fields without an entity are those of this one
    #[arg(long, value_name = "E")]
    entity: Option<u32>,
    /// The first tick to look at
    #[arg(long, value_name = "T")]
    from: Option<u64>,
    /// The last tick to look at
    #[arg(long, value_name = "T")]
    to: Option<u64>,
    /// The expression stays true once it is: bisect
    #[arg(long, conflicts_with = "all")]
    monotone: bool,
    #[command(flatten)]
    opening: Opening,
}

#[derive(Serialize)]
struct Found {
    ticks: Vec<u64>,
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    let failed = |error: &dyn std::error::Error| Failure::Failed(error.to_string());
    let source = Arc::new(arguments.opening.open::<G>(&arguments.file).map_err(|error| failed(&error))?);
    let text = &arguments.expression;
    let expression = Expression::parse(text, source.manifest(), arguments.entity.map(EntityId))
        .map_err(|error| Failure::Usage(if answer.json { error.to_string() } else { error.pointed(text) }))?;
    let search = Search { from: arguments.from, to: arguments.to, all: arguments.all, is_monotone: arguments.monotone };
    let progress = Progress::ticks();
    let found = find::<G>(&source, &expression, search, |done, all| progress.tell(done, all));
    progress.clear();
    let ticks = found.map_err(|error| failed(&error))?;
    answer.give(&Found { ticks: ticks.clone() }, || told(&ticks));
    Ok(())
}

/// Ticks that follow each other as one line.
fn told(ticks: &[u64]) -> String {
    let runs = ticks.chunk_by(|tick, next| tick + 1 == *next);
    let lines = runs.filter_map(|run| match run {
        [tick] => Some(format!("{tick}\n")),
        [first, .., last] => Some(format!("{first} to {last}\n")),
        [] => None,
    });
    if ticks.is_empty() { "it holds at no tick".to_owned() } else { lines.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_in_a_row_are_one_line() {
        assert_eq!(told(&[3, 4, 5, 9, 11, 12]), "3 to 5\n9\n11 to 12\n");
        assert_eq!(told(&[]), "it holds at no tick");
    }
}
