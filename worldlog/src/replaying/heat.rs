//! Where things happened, counted in cells.

use ecs_state::Game;
use serde::{Deserialize, Serialize};

use super::library::Recording;
use super::limits::HEAT_CELLS_MAX;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HeatKind {
    /// Where players were, twice a second or so.
    Position,
    /// Where somebody died.
    Death,
    /// Where somebody was hit.
    Hit,
}

/// Counts, row by row from the lowest corner.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Heat {
    cell: f64,
    min: [f64; 2],
    columns: usize,
    rows: usize,
    counts: Vec<u32>,
    /// Whether every match was looked at to its end.
    complete: bool,
}

/// Places of one match.
pub(super) fn places<G: Game>(recording: &Recording<G>, kind: HeatKind, places: &mut Vec<[f64; 2]>) -> bool {
    let findings = recording.survey.findings();
    let word = match kind {
        HeatKind::Position => {
            places.extend(findings.spots.iter().map(|spot| spot.map(f64::from)));
            None
        }
        HeatKind::Death => Some("death"),
        HeatKind::Hit => Some("hit"),
    };
    if let Some(word) = word {
        let moments = findings.moments.iter().filter(|stamped| stamped.moment.kind == word);
        places.extend(moments.filter_map(|stamped| stamped.moment.at));
    }
    findings.verified_to >= recording.source().last_tick()
}

/// Counts places in square cells of this width.
///
/// # Errors
/// When that makes too many cells, as text for people.
pub(super) fn count(places: &[[f64; 2]], cell: f64, complete: bool) -> Result<Heat, String> {
    if !(cell.is_finite() && cell > 0.0) {
        return Err(format!("cells of {cell}: say a width above 0"));
    }
    let cells: Vec<[i64; 2]> = places.iter().map(|place| place.map(|length| (length / cell).floor() as i64)).collect();
    let bound = |axis: usize| {
        let along = || cells.iter().map(move |cell| cell[axis]);
        along().min().zip(along().max()).unwrap_or((0, -1))
    };
    let bounds = [bound(0), bound(1)];
    let [columns, rows] = bounds.map(|(least, most)| most.saturating_sub(least).saturating_add(1) as usize);
    if columns.saturating_mul(rows) > HEAT_CELLS_MAX {
        return Err(format!("{columns} x {rows} cells, more than {HEAT_CELLS_MAX}; say a larger width than {cell}"));
    }
    let mut counts = vec![0u32; columns * rows];
    for [x, y] in cells {
        counts[(y - bounds[1].0) as usize * columns + (x - bounds[0].0) as usize] += 1;
    }
    Ok(Heat { cell, min: bounds.map(|(least, _)| least as f64 * cell), columns, rows, counts, complete })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_their_cells() {
        let heat = count(&[[0.5, 0.5], [1.5, 0.1], [0.2, 0.9], [-0.1, 2.0]], 1.0, true).unwrap();
        assert_eq!((heat.min, heat.columns, heat.rows), ([-1.0, 0.0], 3, 3));
        assert_eq!(heat.counts, [0, 2, 1, 0, 0, 0, 1, 0, 0]);
        let none = count(&[], 2.0, false).unwrap();
        assert_eq!((none.columns, none.rows, none.counts.len()), (0, 0, 0));
    }

    #[test]
    fn widths_that_make_too_many_cells_are_refused() {
        assert!(count(&[[0.0, 0.0], [1e6, 1e6]], 0.001, true).is_err());
        assert!(count(&[[0.0, 0.0], [f64::INFINITY, 1.0]], 1.0, true).is_err());
        assert!(count(&[], 0.0, true).is_err() && count(&[], f64::NAN, true).is_err());
    }
}
