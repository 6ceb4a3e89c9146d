//! Delta debugging after Zeller and Hildebrandt, over places in a list.

/// Makes `items` smaller as long as `test` says that a smaller list will do. `test` is given candidates in the order
/// of preference and gives the first that does, without what it found to be of no use by the way; `None` when none
/// does. Gives a list of which no single item can be left out, unless `test` gave up.
pub(super) fn ddmin(mut items: Vec<usize>, mut test: impl FnMut(Vec<Vec<usize>>) -> Option<Vec<usize>>) -> Vec<usize> {
    if items.is_empty() {
        return items;
    }
    if test(vec![Vec::new()]).is_some() {
        return Vec::new();
    }
    let mut parts = 2;
    while items.len() >= 2 {
        let size = items.len().div_ceil(parts);
        let chunks: Vec<Vec<usize>> = items.chunks(size).map(<[usize]>::to_vec).collect();
        if let Some(smaller) = test(chunks.clone()) {
            items = smaller;
            parts = 2;
            continue;
        }
        // With two parts, each is the complement of the other. What is late goes first: what comes before it can be
        // taken from where the last try stood.
        let complements = (0..chunks.len()).rev().map(|left_out| without(&chunks, left_out)).collect();
        let smaller = if chunks.len() > 2 { test(complements) } else { None };
        match smaller {
            Some(smaller) => {
                items = smaller;
                parts = (parts - 1).max(2);
            }
            None if parts >= items.len() => break,
            None => parts = (2 * parts).min(items.len()),
        }
    }
    items
}

fn without(chunks: &[Vec<usize>], left_out: usize) -> Vec<usize> {
    let rest = chunks.iter().enumerate().filter(|(at, _)| *at != left_out);
    rest.flat_map(|(_, chunk)| chunk.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: usize, needed: &[usize]) -> usize {
        let mut tests = 0;
        let found = ddmin((0..items).collect(), |candidates| {
            candidates.into_iter().find(|candidate| {
                tests += 1;
                needed.iter().all(|item| candidate.contains(item))
            })
        });
        assert_eq!(found, needed, "of {items}");
        tests
    }

    #[test]
    fn exactly_what_is_needed_stays() {
        for items in 1..40 {
            check(items, &[]);
            for first in 0..items {
                check(items, &[first]);
                (first + 1..items).for_each(|second| _ = check(items, &[first, second]));
            }
        }
        check(100, &[0, 3, 17, 50, 51, 52, 98, 99]);
        check(30, &(0..30).collect::<Vec<_>>());
    }

    #[test]
    fn few_among_many_are_found_with_few_tries() {
        assert!(check(100_000, &[70_000]) < 60);
        assert!(check(100_000, &[7, 70_000]) < 250);
    }

    #[test]
    fn a_test_that_gives_up_ends_it() {
        let mut left = 5;
        let found = ddmin((0..64).collect(), |candidates| {
            left = usize::checked_sub(left, candidates.len())?;
            candidates.into_iter().find(|candidate| candidate.contains(&9))
        });
        assert!(found.contains(&9) && found.len() > 1, "{found:?}");
    }
}
