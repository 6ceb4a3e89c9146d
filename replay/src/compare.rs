//! Two matches side by side: where they begin to differ, how they differ in the end, and what each came to.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use ecs_state::Game;
use protocol::{Columns, EntityId};
use serde::Serialize;

use crate::value::row_values;
use crate::{Difference, Reel, ReplayError, Source, Value, diff};

/// What a match came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The tick.
    pub tick: u64,
    /// Hash of the state, in hexadecimal.
    pub hash: String,
    /// Entities that exist.
    pub entities: usize,
    /// By component: how many entities have it, and a hash of its rows in hexadecimal.
    pub components: BTreeMap<String, ColumnOutcome>,
    /// What belongs to the match itself, such as a score: components of entity 1, by name and field.
    pub of_match: BTreeMap<String, BTreeMap<String, Value>>,
    /// How many moments of each kind there were from the first different tick on; none when there is no such tick.
    pub moments: BTreeMap<&'static str, u64>,
}

/// One component in an [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnOutcome {
    /// Entities that have it.
    pub rows: usize,
    /// Hash of its rows, in hexadecimal.
    pub hash: String,
}

impl Outcome {
    /// What a state says of its match.
    #[must_use]
    pub fn of(tick: u64, columns: &Columns) -> Self {
        let layouts = || columns.manifest().layouts().iter().enumerate();
        let components = layouts().map(|(index, layout)| {
            let column = columns.column(index);
            (layout.name.clone(), ColumnOutcome { rows: column.len(), hash: format!("{:016x}", column.hash()) })
        });
        let of_match = layouts().skip(1).filter_map(|(index, layout)| {
            let values = row_values(layout, columns.column(index).row(MATCH)?);
            Some((layout.name.clone(), values.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()))
        });
        Self {
            tick,
            hash: format!("{:016x}", columns.total_hash()),
            entities: columns.entity_count(),
            components: components.collect(),
            of_match: of_match.collect(),
            moments: BTreeMap::new(),
        }
    }
}

/// A field that differs, over all entities.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldSummary {
    /// The component.
    pub component: String,
    /// The field.
    pub field: String,
    /// On how many entities it differs; those that one match alone has count.
    pub entities: usize,
    /// Where it differs most. A number that differs from another comes before a row that is not there at all.
    pub largest: Difference,
}

/// Two matches side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The first tick whose states are not equal, of those that both matches have.
    pub first_difference_tick: Option<u64>,
    /// The fields that differ at that tick, in entity order, as many as were asked for.
    pub first: Vec<Difference>,
    /// The last tick that both matches have.
    pub tick: u64,
    /// The fields that differ at that tick, in entity order, as many as were asked for.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub differences_in_all: usize,
    /// The same by field, the one that differs on most entities first.
    pub fields: Vec<FieldSummary>,
    /// What the first match came to, at the last tick that both have.
    pub outcome_a: Outcome,
    /// What the second came to.
    pub outcome_b: Outcome,
}

/// Compares two matches of one game over the ticks that both have, as this build plays them. `limit` bounds the lists
/// of differing fields. Where their states first differ is read from their recorded hashes, so that matches which do
/// not differ cost next to nothing; from there to the end both are played, side by side.
///
/// # Errors
/// When one of them cannot be played.
pub fn compare<G: Game>(a: &Arc<Source>, b: &Arc<Source>, limit: usize) -> Result<Comparison, ReplayError> {
    let last = a.last_tick().min(b.last_tick());
    let first = first_difference::<G>(a, b, last)?;
    let watch_from = first.unwrap_or(last);
    let (of_a, of_b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| Side::watch::<G>(b, watch_from, last));
        let one = Side::watch::<G>(a, watch_from, last);
        (one, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (of_a, of_b) = (of_a?, of_b?);
    let mut differences = diff(&of_a.last, &of_b.last);
    let fields = by_field(&differences);
    let differences_in_all = differences.len();
    differences.truncate(limit);
    let mut first_fields = first.map_or_else(Vec::new, |_| diff(&of_a.first, &of_b.first));
    first_fields.truncate(limit);
    let outcome = |side: Side| Outcome {
        moments: if first.is_some() { side.moments } else { BTreeMap::new() },
        ..Outcome::of(last, &side.last)
    };
    Ok(Comparison {
        first_difference_tick: first,
        first: first_fields,
        tick: last,
        differences,
        differences_in_all,
        fields,
        outcome_a: outcome(of_a),
        outcome_b: outcome(of_b),
    })
}

/// The first tick up to `last` with unequal states. Matches that begin at different ticks are compared from the later
/// beginning on.
fn first_difference<G: Game>(a: &Arc<Source>, b: &Arc<Source>, last: u64) -> Result<Option<u64>, ReplayError> {
    let begin = a.first_tick().max(b.first_tick());
    if begin > last {
        return Ok(None);
    }
    // The first state of a file has no step that would say its hash.
    let hash_at_begin = |source: &Arc<Source>| {
        let mut reel = Reel::<G>::new(Arc::clone(source))?;
        reel.seek(begin)?;
        Ok::<_, ReplayError>(reel.columns().total_hash())
    };
    if hash_at_begin(a)? != hash_at_begin(b)? {
        return Ok(Some(begin));
    }
    let hash = |source: &Source, tick| source.step_of(tick).map(|step| step.hash);
    Ok((begin + 1..=last).find(|tick| hash(a, *tick) != hash(b, *tick)))
}

/// One of the two, from the first different tick on.
struct Side {
    first: Columns,
    last: Columns,
    moments: BTreeMap<&'static str, u64>,
}

impl Side {
    fn watch<G: Game>(source: &Arc<Source>, from: u64, to: u64) -> Result<Self, ReplayError> {
        let mut reel = Reel::<G>::new(Arc::clone(source))?;
        let mut moments = BTreeMap::new();
        reel.seek(from.saturating_sub(1).max(source.first_tick()))?;
        let mut before = reel.columns().clone();
        let mut first = (reel.tick() == from).then(|| before.clone());
        while reel.tick() < to && reel.step().is_some() {
            for moment in G::moments(&before, reel.columns()) {
                *moments.entry(moment.kind).or_default() += 1;
            }
            before = reel.columns().clone();
            if first.is_none() {
                first = Some(before.clone());
            }
        }
        Ok(Self { first: first.unwrap_or_else(|| before.clone()), last: before, moments })
    }
}

fn by_field(differences: &[Difference]) -> Vec<FieldSummary> {
    let mut fields: BTreeMap<(&str, &str), (usize, &Difference)> = BTreeMap::new();
    for difference in differences {
        let summary = fields.entry((&difference.component, &difference.field)).or_insert((0, difference));
        summary.0 += 1;
        if magnitude(difference).total_cmp(&magnitude(summary.1)) == Ordering::Greater {
            summary.1 = difference;
        }
    }
    let mut summaries: Vec<_> = fields
        .into_iter()
        .map(|((component, field), (entities, largest))| FieldSummary {
            component: component.to_owned(),
            field: field.to_owned(),
            entities,
            largest: largest.clone(),
        })
        .collect();
    summaries.sort_by_key(|summary| std::cmp::Reverse(summary.entities));
    summaries
}

/// How far two values are apart; below 0 when they are no two numbers.
fn magnitude(difference: &Difference) -> f64 {
    let number = |value: &Option<Value>| match value {
        Some(Value::Int(number)) => Some(*number as f64),
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    match (number(&difference.a), number(&difference.b)) {
        (Some(a), Some(b)) => (a - b).abs(),
        _ => -1.0,
    }
}

/// Carries the resources of every match.
const MATCH: EntityId = EntityId(1);
