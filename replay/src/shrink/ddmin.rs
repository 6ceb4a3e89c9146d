//! Delta debugging, after Zeller and Hildebrandt, over places in a list.
//!
//! Chunks of the list are left out, first halves, then quarters, and so on down to single items. A chunk that can go is
//! gone at once, and the chunks before it are tried next, so that a list of which little can go costs a test for each
//! item, not for each pair. Single items are tried until none can go.

/// Makes `items` smaller as long as `test` says that a smaller list will do, and gives a list of which no single item
/// can be left out, unless `test` gave up.
///
/// `test` is given how many candidates there are and how to make each. It gives the first that will do, with what that
/// leaves: the candidate, but for items at its end that turned out to be of no use. `None` when none will do.
pub(super) fn ddmin(
    mut items: Vec<usize>,
    mut test: impl FnMut(usize, &dyn Fn(usize) -> Vec<usize>) -> Option<(usize, Vec<usize>)>,
) -> Vec<usize> {
    if items.is_empty() || test(1, &|_| Vec::new()).is_some() {
        return Vec::new();
    }
    let mut size = items.len().div_ceil(2);
    while items.len() > 1 {
        let mut has_changed = false;
        // From the end to the beginning: what comes before a late chunk can be taken from where the last try stood.
        let mut end = items.len();
        while end > 0 {
            let begin_of = |chunk: usize| end.saturating_sub((chunk + 1) * size);
            let candidate = |chunk: usize| [&items[..begin_of(chunk)], &items[end - chunk * size..]].concat();
            let Some((chunk, smaller)) = test(end.div_ceil(size), &candidate) else { break };
            end = begin_of(chunk).min(smaller.len());
            items = smaller;
            has_changed = true;
        }
        match size {
            1 if !has_changed => break,
            _ => size = size.div_ceil(2).min(items.len()).max(1),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: usize, needed: &[usize]) -> usize {
        let mut tests = 0;
        let found = ddmin((0..items).collect(), |count, candidate| {
            (0..count).find_map(|chunk| {
                tests += 1;
                let candidate = candidate(chunk);
                needed.iter().all(|item| candidate.contains(item)).then_some((chunk, candidate))
            })
        });
        assert_eq!(found, needed, "of {items}");
        tests
    }

    #[test]
    fn exactly_what_is_needed_stays() {
        for items in 0..40 {
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
    fn few_among_many_are_found_with_few_tests_and_all_with_no_more_than_a_few_for_each() {
        assert!(check(100_000, &[70_000]) < 60);
        assert!(check(100_000, &[7, 70_000]) < 100);
        let all: Vec<_> = (0..1_000).collect();
        assert!(check(1_000, &all) < 3_000);
        let every_third: Vec<_> = (0..999).step_by(3).collect();
        assert!(check(999, &every_third) < 5_000);
    }

    #[test]
    fn a_test_that_gives_up_ends_it() {
        let mut left = 3;
        let found = ddmin((0..64).collect(), |count, candidate| {
            left = usize::checked_sub(left, 1)?;
            (0..count).map(|chunk| (chunk, candidate(chunk))).find(|(_, candidate)| candidate.contains(&9))
        });
        assert!(found.contains(&9) && found.len() > 1, "{found:?}");
    }
}
