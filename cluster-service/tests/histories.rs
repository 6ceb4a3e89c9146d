//! Random histories: clients with windows of commands, edges that lose, repeat and delay, resumes and
//! crashes at random. Whatever happens, each command counts once, in its order, with one outcome.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(clippy::print_stdout, reason = "counts, for who runs it with --nocapture")]

mod edge;
mod games;
mod history;

use ecs_state::Game;
use games::{AtRate, OnCommand, Slow};
use history::{Client, History, Violation};

const SEEDS: u64 = 200;

fn check<G: Game>(seed: u64, model: Client) -> Result<history::Counts, Violation> {
    let mut history = History::<G>::new(seed, model);
    while !history.is_over() {
        history.turn()?;
    }
    history.judge()
}

fn check_all<G: Game>() -> history::Counts {
    let mut all = history::Counts::default();
    for seed in 0..SEEDS {
        match check::<G>(seed, Client::Honest) {
            Ok(counts) => all.add(&counts),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
    println!("{SEEDS} histories: {all:?}");
    assert!(all.commands > SEEDS * 100 && all.applied > all.commands / 2, "{all:?}");
    assert!(all.resumes > SEEDS && all.crashes > SEEDS && all.repeats > SEEDS * 10 && all.lost > SEEDS, "{all:?}");
    all
}

#[test]
fn on_command_each_command_counts_once_in_its_order_with_one_outcome() {
    check_all::<OnCommand>();
}

#[test]
fn at_30_hz_each_command_counts_once_in_its_order_with_one_outcome() {
    check_all::<AtRate>();
}

#[test]
fn at_a_slow_rate_commands_wait_for_ticks_through_resumes_and_crashes() {
    let all = check_all::<Slow>();
    assert!(all.barriers > SEEDS, "{all:?}");
}

#[test]
fn a_client_that_sends_again_under_a_new_number_is_caught_as_a_duplicate() {
    let caught = (0..20).filter(|seed| match check::<AtRate>(*seed, Client::Renumbers) {
        Err(Violation::Duplicate { .. }) => true,
        Err(other) => panic!("seed {seed}: {other}"),
        Ok(_) => false,
    });
    assert_eq!(caught.count(), 20);
}

#[test]
fn a_command_that_was_acknowledged_and_dropped_is_caught_as_lost() {
    let caught = (0..20).filter(|seed| match check::<OnCommand>(*seed, Client::MistakesSentForApplied) {
        Err(Violation::Lost { .. }) => true,
        Err(other) => panic!("seed {seed}: {other}"),
        Ok(_) => false,
    });
    assert_eq!(caught.count(), 20);
}
