//! `worldlog show FILE@T` and `worldlog diff A@T B@T`

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use ecs_state::Game;
use protocol::EntityId;
use replay::{Difference, EntityState, Reel, Value};
use serde_json::json;

use super::at::FileAt;
use super::{Answer, Done, Failure};
use crate::replaying::Opening;

#[derive(Debug, Args)]
#[command(
    long_about = "A state of a recorded match: each entity, its components and their fields. The match is run again from \
        the keyframe before that tick, so that what is shown is what was, to the last bit.",
    after_help = "Examples:\n  \
        worldlog show match.wlm@1500               # all of it\n  \
        worldlog show match.wlm@1500 --entity 12   # one entity\n  \
        worldlog show match.wlm                    # the last tick\n\n\
        Exit codes: 0 done; 1 failed; 2 wrong usage."
)]
pub(super) struct ShowArguments {
    /// The match file (.wlm) and the tick; without @T the last
    #[arg(value_name = "FILE@T")]
    at: FileAt,
    /// This entity alone
    #[arg(long, value_name = "E")]
    entity: Option<u32>,
    #[command(flatten)]
    opening: Opening,
}

#[derive(Debug, Args)]
#[command(
    long_about = "What differs between two states, of one recorded match or of two: field by field, in the order of \
        entities.",
    after_help = "Examples:\n  \
        worldlog diff match.wlm@1500 match.wlm@1501   # what a tick changed\n  \
        worldlog diff match.wlm spared.wlm            # a match and its fork, at their ends\n\n\
        Exit codes: 0 nothing differs; 1 something does, or failed; 2 wrong usage."
)]
pub(super) struct DiffArguments {
    /// A match file and a tick; without @T the last
    #[arg(value_name = "A@T")]
    a: FileAt,
    /// Another, or the same at another tick
    #[arg(value_name = "B@T")]
    b: FileAt,
    #[command(flatten)]
    opening: Opening,
}

pub(super) fn show<G: Game>(arguments: &ShowArguments, answer: Answer) -> Done {
    let (reel, took) = seek::<G>(&arguments.at, arguments.opening)?;
    let only = arguments.entity.map(EntityId);
    let entities = replay::show(reel.columns(), only);
    if let (Some(EntityId(id)), true) = (only, entities.is_empty()) {
        let there = replay::show(reel.columns(), None).len();
        return Err(Failure::Failed(format!(
            "{}: there is no entity {id} at tick {}, of {there} that are; `worldlog find FILE 'exists({id})'` says when it was",
            arguments.at.path.display(),
            reel.tick()
        )));
    }
    let seek_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
    let shown = json!({ "tick": reel.tick(), "entities": entities, "seek_ms": seek_ms });
    answer.give(&shown, || {
        format!(
            "tick {}, {} entities, hash {:016x}\n{}",
            reel.tick(),
            entities.len(),
            reel.columns().total_hash(),
            entities.iter().map(lines).collect::<String>()
        )
    });
    Ok(())
}

pub(super) fn diff<G: Game>(arguments: &DiffArguments, answer: Answer) -> Done {
    let (a, _) = seek::<G>(&arguments.a, arguments.opening)?;
    let (b, _) = seek::<G>(&arguments.b, arguments.opening)?;
    // Both are of this build's game: a file of another manifest is refused when it is opened.
    let differences = replay::diff(a.columns(), b.columns());
    answer.give(&json!({ "differences": differences }), || {
        let ends = format!("tick {} and tick {}", a.tick(), b.tick());
        if differences.is_empty() {
            return format!("{ends}: the same");
        }
        let rows: String = differences.iter().map(line).collect();
        format!("{ends}: {} fields differ\n{rows}", differences.len())
    });
    if differences.is_empty() { Ok(()) } else { Err(Failure::Found) }
}

/// The match at that tick, and how long it took to get there.
fn seek<G: Game>(at: &FileAt, opening: Opening) -> Result<(Reel<G>, Duration), Failure> {
    let failed = |error: replay::ReplayError| Failure::Failed(error.to_string());
    let source = Arc::new(opening.open::<G>(&at.path).map_err(failed)?);
    let tick = at.tick.unwrap_or_else(|| source.last_tick());
    let mut reel = Reel::new(source).map_err(failed)?;
    let begun = Instant::now();
    reel.seek(tick).map_err(failed)?;
    Ok((reel, begun.elapsed()))
}

fn lines(entity: &EntityState) -> String {
    let owner = if entity.owner == 0 { String::new() } else { format!(" of player {}", entity.owner) };
    let mut text = format!("\n{}{owner}\n", entity.id);
    for (component, fields) in &entity.components {
        let fields: Vec<_> = fields.iter().map(|(field, value)| format!("{field} {value}")).collect();
        text += &format!("  {component:<12} {}\n", fields.join("  "));
    }
    text
}

fn line(difference: &Difference) -> String {
    let word = |value: Option<Value>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    let Difference { entity, component, field, a, b } = difference;
    format!("  {:<32} {:>14} {:>14}\n", format!("{entity}.{component}.{field}"), word(*a), word(*b))
}
