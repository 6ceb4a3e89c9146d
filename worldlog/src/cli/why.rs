//! `worldlog why FILE@T ENTITY.Component.field`

use std::sync::Arc;

use clap::Args;
use ecs_state::Game;
use replay::{
    CAUSE_TICKS_MAX, FieldPath, Value, WHY_WRITERS, WHY_WRITERS_MAX, Why, WhyOptions, WhyProgress, Writer, WriterKind,
    why,
};

use super::at::FileAt;
use super::progress::Progress;
use super::{Answer, Done, Failure};
use crate::replaying::Opening;

#[derive(Debug, Args)]
#[command(
    long_about = "Why a value is what it is: the last systems that changed a field up to tick T, newest first, and the \
        command and player behind each.\n\n\
        Causes are not guessed. The match is played again without commands; a command is a cause when, without it \
        alone, the write does not happen or comes out otherwise. Of several the newest is told, and players whom the \
        write names come first: of a hit, the one who shot, then the one who was hit. There is no command behind what \
        the rules do by themselves, like clocks and machines, nor behind what follows in its own time from something \
        another player did (who was shot comes back): the answer then says from which earlier tick it follows, to ask \
        about that.",
    after_help = "Examples:\n  \
        worldlog why match.wlm@1500 12.Health.points          # who hurt 12\n  \
        worldlog why match.wlm@1500 3.Seat.deaths --depth 1   # the last death on seat 3\n  \
        worldlog why match.wlm 1.Score.teams.0 --depth 20     # the last twenty points of team 0\n\n\
        Exit codes: 0 done, also when nothing ever wrote the field; 1 failed; 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The match file (.wlm) and the tick; without @T the last
    #[arg(value_name = "FILE@T")]
    at: FileAt,
    /// The field, as `worldlog show` lists it
    #[arg(value_name = "E.Component.field")]
    field: String,
    /// How many writers to tell
    #[arg(long, value_name = "N", default_value_t = WHY_WRITERS as u64, value_parser = depths())]
    depth: u64,
    /// Take the command of any player for a cause, not only of those who have to do with the write
    #[arg(long)]
    anyone: bool,
    #[command(flatten)]
    opening: Opening,
}

fn depths() -> impl clap::builder::TypedValueParser<Value = u64> {
    clap::value_parser!(u64).range(1..=WHY_WRITERS_MAX as u64)
}

pub(super) fn run<G: Game>(arguments: &Arguments, answer: Answer) -> Done {
    let failed = |error: &dyn std::error::Error| Failure::Failed(error.to_string());
    let source = Arc::new(arguments.opening.open::<G>(&arguments.at.path).map_err(|error| failed(&error))?);
    let path =
        FieldPath::parse(&arguments.field, source.manifest()).map_err(|error| Failure::Usage(error.to_string()))?;
    let tick = arguments.at.tick.unwrap_or_else(|| source.last_tick());
    let options = WhyOptions { depth: arguments.depth as usize, anyone: arguments.anyone };
    let progress = Progress::words();
    let answered = why::<G>(&source, tick, &path, options, |progressed| {
        progress.say(match progressed {
            WhyProgress::Searched { tick } => format!("writers: searched back to tick {tick}"),
            WhyProgress::Causes { found, of } => format!("causes: {found} of {of} writers"),
        });
    });
    progress.clear();
    let answered = answered.map_err(|error| failed(&error))?;
    answer.give(&answered, || told(&answered));
    Ok(())
}

fn told(why: &Why) -> String {
    let mut text = format!("{} is {} at tick {}\n", why.field, word(why.value), why.tick);
    if why.writers.is_empty() {
        return text + &format!("nothing wrote it after tick {}\n", why.looked_back_to);
    }
    let rows: Vec<_> = why
        .writers
        .iter()
        .map(|writer| {
            let change = format!("{} -> {}", word(writer.old), word(writer.new));
            [format!("tick {}", writer.tick), change, writer.system.clone(), because(writer)]
        })
        .collect();
    let width = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2].map(width);
    for [tick, change, system, cause] in &rows {
        let [first, second, third] = widths;
        text += &format!("  {tick:<first$}  {change:<second$}  {system:<third$}  {cause}\n");
    }
    text
}

fn because(writer: &Writer) -> String {
    if let Some(command) = &writer.command {
        let seq = command.seq.map_or_else(String::new, |seq| format!(" #{seq}"));
        let when = if command.tick == writer.tick { String::new() } else { format!(" at tick {}", command.tick) };
        let together = if command.alone { "" } else { ", together with what came after it" };
        return format!("player {}: {}{seq}{when}{together}", command.player, command.text);
    }
    match (writer.kind, writer.follows) {
        (WriterKind::Join, _) => format!("player {} joined", writer.player),
        (WriterKind::Leave, _) => format!("player {} left", writer.player),
        (WriterKind::Edit, _) => "set by a fork".to_owned(),
        (_, Some(tick)) => format!("no command: follows from what happened at tick {tick}"),
        _ => format!("no command of the {CAUSE_TICKS_MAX} ticks before: the rules alone"),
    }
}

fn word(value: Option<Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}
