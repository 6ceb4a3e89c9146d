//! `worldlog fork FILE@T --with BUILD`: the other build plays on with its rules, and says itself what it came to.
//!
//! Rules are code, so that only the other build can play them: it is asked to fork the file and to show the states that
//! matter. Where they first differ is known from the hashes of both files. It plays from the last keyframe at or before
//! T on, because from anywhere else its world would iterate in another order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ecs_state::Game;
use replay::{ForkPlan, Outcome, Reel, Source, fork, show};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Answer, Arguments, Done, Failure, SHOWN};

/// A state as `show --json` tells it: entities, their components, their fields.
type Entities = BTreeMap<u64, Map<String, Value>>;

#[derive(Serialize)]
struct Compared<'a> {
    first_difference_tick: Option<u64>,
    first: Vec<Value>,
    tick: u64,
    differences: Vec<Value>,
    differences_in_all: usize,
    outcome_a: Outcome,
    outcome_b: Value,
    /// The other build.
    with: &'a Path,
    /// The tick from which on it plays.
    from: u64,
    file: Option<&'a Path>,
}

pub(super) fn run<G: Game>(
    build: &Path,
    arguments: &Arguments,
    source: &Arc<Source>,
    plan: &ForkPlan,
    answer: Answer,
) -> Done {
    let failed = |error: replay::ReplayError| Failure::Failed(error.to_string());
    let folder = Folder::make()?;
    let out = arguments.out.clone().unwrap_or_else(|| folder.0.join("fork.wlm"));
    let mut asked = vec!["fork".to_owned(), format!("{}@{}", arguments.at.path.display(), plan.tick)];
    asked.extend(["--drift".to_owned(), "--out".to_owned(), out.display().to_string()]);
    asked.extend(passed_on(arguments));
    ask(build, &asked)?;
    let theirs = Source::open_drifting::<G>(&out).map_err(failed)?;
    // What is changed beside the rules is changed on both sides: the rules are what is compared.
    let ours = fork::<G>(source, plan, |_, _| {}).map_err(|error| Failure::Failed(error.to_string()))?.source;
    let last = ours.last_tick().min(theirs.last_tick());
    let from = ours.first_tick().max(theirs.first_tick());
    let hash = |source: &Source, tick| source.step_of(tick).map(|step| step.hash);
    let first = (from + 1..=last).find(|tick| hash(&ours, *tick) != hash(&theirs, *tick));
    let mut reel = Reel::<G>::new(Arc::clone(&ours)).map_err(failed)?;
    let mut states_at = |tick: u64| -> Result<(Entities, Entities), Failure> {
        reel.seek(tick).map_err(failed)?;
        let mine = serde_json::to_value(json!({ "entities": show(reel.columns(), None) })).unwrap_or_default();
        let shown = ask(build, &["show".to_owned(), format!("{}@{tick}", out.display())])?;
        Ok((entities(&mine), entities(&shown)))
    };
    let mut differing = match first {
        Some(tick) => states_at(tick).map(|(a, b)| differences(&a, &b))?,
        None => Vec::new(),
    };
    differing.truncate(arguments.limit);
    let (a, b) = states_at(last)?;
    let mut at_end = differences(&a, &b);
    let differences_in_all = at_end.len();
    at_end.truncate(arguments.limit);
    let compared = Compared {
        first_difference_tick: first,
        first: differing,
        tick: last,
        differences: at_end,
        differences_in_all,
        outcome_a: Outcome::of(last, reel.columns()),
        outcome_b: outcome(&b, last, hash(&theirs, last)),
        with: build,
        from: source.keyframes().into_iter().rev().find(|tick| *tick <= plan.tick).unwrap_or(from),
        file: arguments.out.as_deref(),
    };
    answer.give(&compared, || text(&compared));
    Ok(())
}

/// What the other build is told of the plan, in the words of the command line.
fn passed_on(arguments: &Arguments) -> Vec<String> {
    let mut asked = Vec::new();
    let lists = [("--set", &arguments.set), ("--command", &arguments.command), ("--edit", &arguments.edit)];
    for (flag, values) in lists {
        values.iter().for_each(|value| asked.extend([flag.to_owned(), value.clone()]));
    }
    for change in &arguments.drop {
        let text = match change {
            replay::Change::DropSpan { player, ticks } => format!("{player}@{}..{}", ticks.start(), ticks.end()),
            replay::Change::Drop { player, seq } => format!("{player}:{seq}"),
            _ => continue,
        };
        asked.extend(["--drop".to_owned(), text]);
    }
    arguments.drop_player.iter().for_each(|player| asked.extend(["--drop-player".to_owned(), player.to_string()]));
    let content = arguments.content.as_ref().map(|file| ("--content", file.display().to_string()));
    let to = arguments.to.map(|tick| ("--to", tick.to_string()));
    content.into_iter().chain(to).for_each(|(flag, value)| asked.extend([flag.to_owned(), value]));
    asked
}

/// Asks the other build something; gives its answer.
fn ask(build: &Path, asked: &[String]) -> Result<Value, Failure> {
    let failed = |reason: String| Failure::Failed(format!("{} {}: {reason}", build.display(), asked.join(" ")));
    // A bare name is a file here, not a program that is installed.
    let program = build.canonicalize().unwrap_or_else(|_| build.to_owned());
    let output = Command::new(program)
        .args(asked)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("{error}; --with takes the path of a worldlog program")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}; it said: {}", output.status, said.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        failed(format!("the answer is no JSON ({error}); --with takes the path of a worldlog program"))
    })
}

fn entities(shown: &Value) -> Entities {
    let list = shown["entities"].as_array().cloned().unwrap_or_default();
    let of_entity = |entity: Value| {
        let id = entity["id"].as_u64()?;
        let mut components = entity["components"].as_object().cloned().unwrap_or_default();
        components.insert("Entity".to_owned(), json!({ "owner": entity["owner"] }));
        Some((id, components))
    };
    list.into_iter().filter_map(of_entity).collect()
}

/// Fields that differ, by entity, component and field.
fn differences(a: &Entities, b: &Entities) -> Vec<Value> {
    let mut found = Vec::new();
    for entity in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let sides = [a, b].map(|side| side.get(entity));
        let components: BTreeSet<_> = sides.iter().flatten().flat_map(|side| side.keys()).collect();
        for component in components {
            let rows = sides.map(|side| side.and_then(|components| components.get(component)?.as_object()));
            let fields: BTreeSet<_> = rows.iter().flatten().flat_map(|row| row.keys()).collect();
            for field in fields {
                let [a, b] = rows.map(|row| row.and_then(|row| row.get(field)));
                if a != b {
                    found.push(json!({ "entity": entity, "component": component, "field": field, "a": a, "b": b }));
                }
            }
        }
    }
    found
}

/// What the other build's match came to, as far as its own words tell: hashes of components are not among them.
fn outcome(entities: &Entities, tick: u64, hash: Option<u64>) -> Value {
    let mut rows = BTreeMap::<&str, usize>::new();
    entities.values().flat_map(Map::keys).for_each(|name| *rows.entry(name).or_default() += 1);
    let components: Map<_, _> =
        rows.into_iter().map(|(name, rows)| (name.to_owned(), json!({ "rows": rows }))).collect();
    let mut of_match = entities.get(&1).cloned().unwrap_or_default();
    of_match.remove("Entity");
    json!({
        "tick": tick,
        "hash": hash.map(|hash| format!("{hash:016x}")),
        "entities": entities.len(),
        "components": components,
        "of_match": of_match,
    })
}

fn text(compared: &Compared<'_>) -> String {
    let Compared { first_difference_tick, first, tick, differences_in_all, differences, with, from, .. } = compared;
    let mut lines = vec![format!("from tick {from} on with the rules of {}", with.display())];
    let line = |difference: &Value| {
        let word = |name: &str| difference[name].as_str().unwrap_or_default().to_owned();
        let (component, field) = (word("component"), word("field"));
        format!("  {}.{component}.{field}  {} | {}", difference["entity"], difference["a"], difference["b"])
    };
    match first_difference_tick {
        None => lines.push(format!("no difference up to tick {tick}")),
        Some(first_tick) => {
            lines.push(format!("first difference at tick {first_tick}"));
            lines.extend(first.iter().take(SHOWN).map(line));
            lines.push(format!("{differences_in_all} fields differ at tick {tick}"));
            lines.extend(differences.iter().take(SHOWN).map(line));
        }
    }
    lines.extend(compared.file.map(|file| format!("written to {}", file.display())));
    lines.join("\n")
}

/// A folder that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("worldlog-fork-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left there is in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
