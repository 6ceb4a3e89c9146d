//! A full match with random players: the same in every run, also from each keyframe on.

mod play;

use std::collections::BTreeMap;
use std::sync::Arc;

use arena::components::{Score, Seat, Shot, Tally};
use arena::{Arena, Command, Rejection};
use ecs_state::{Input, Keyframe, MatchRng, OutcomeCode, Simulation, StepOutput};
use play::{Match, setup};

const PLAYERS: u32 = 64;
const DRONES: u32 = 1_000;
const TICKS: u64 = 1_000;

/// What players 1 to 64 do in a tick: a function of seed and tick alone.
fn inputs(seed: u64, tick: u64) -> Vec<Input> {
    let mut rng = MatchRng::new(seed, tick, "players");
    let mut inputs = Vec::new();
    if tick == 1 {
        inputs.extend((1..=PLAYERS).map(|player| Input::Join { player }));
    }
    for player in 1..=PLAYERS {
        for _ in 0..rng.below(3) {
            inputs.push(Input::Command { player, payload: payload(player, &mut rng) });
        }
    }
    inputs
}

fn payload(player: u32, rng: &mut MatchRng) -> Vec<u8> {
    let command = match rng.below(40) {
        0 => return rng.bits().to_le_bytes().to_vec(),
        1 => Command::Reload,
        2..=4 => Command::Use,
        5..=14 => Command::Fire { held: rng.below(4) > 0 },
        // Roughly at the others: even players come in on the right.
        15..=24 => Command::Aim { angle: (rng.between(-6_000, 6_000) + 32_768 * (1 - player as i32 % 2)) as u16 },
        _ => Command::Move { x: rng.bits() as i8, y: rng.bits() as i8 },
    };
    command.encode()
}

fn step(simulation: &mut Simulation<Arena>, seed: u64) -> StepOutput {
    let tick = simulation.tick() + 1;
    simulation.step(tick as i64 * 33, &inputs(seed, tick))
}

/// Where most of what can happen does: little room, short rounds.
const PIT: &[&str] = &[
    "################",
    "#1.1.h...a.2.2.#",
    "#..1..#..#..2..#",
    "#1.1..s..B.2.2.#",
    "#1.1..#..#.2.2.#",
    "#..1..C..h..2..#",
    "#1.1..a....2.2.#",
    "################",
];

fn pit() -> Vec<u8> {
    let balance = play::BALANCE
        .replace("seconds = 180", "seconds = 12")
        .replace("pause_seconds = 8", "pause_seconds = 2")
        .replace("reserve = 96", "reserve = 8");
    arena::content(&format!("population = 20\n{}", play::map(2, PIT)), &balance)
}

fn open(seed: u64, content: Vec<u8>) -> Simulation<Arena> {
    Simulation::open(setup(seed, content), 0).expect("the content is whole")
}

#[test]
fn two_runs_are_equal_and_so_is_what_is_restored_from_each_keyframe() {
    for (seed, content) in [(1, arena::content_with_population(DRONES)), (2, pit())] {
        let mut lived = open(seed, content.clone());
        let mut keyframes = vec![lived.keyframe().encode()];
        let mut outputs = Vec::new();
        for _ in 0..TICKS {
            let output = step(&mut lived, seed);
            if output.is_barrier {
                keyframes.push(lived.keyframe().encode());
            }
            outputs.push(output);
        }
        assert!(keyframes.len() >= 4, "{} keyframes in {TICKS} ticks", keyframes.len());
        check_equal(&mut open(seed, content.clone()), seed, &outputs);
        for keyframe in &keyframes {
            let keyframe = Arc::new(Keyframe::decode(keyframe).unwrap());
            let mut restored = Simulation::restore(lived.setup().clone(), keyframe).unwrap();
            check_equal(&mut restored, seed, &outputs);
        }
    }
}

fn check_equal(simulation: &mut Simulation<Arena>, seed: u64, outputs: &[StepOutput]) {
    let start = simulation.tick();
    for tick in start + 1..=TICKS {
        let output = step(simulation, seed);
        assert!(output == outputs[tick as usize - 1], "seed {seed}: from tick {start} on, tick {tick} differs");
    }
}

#[test]
fn each_tally_is_the_number_of_the_players_applied_outcomes() {
    let seed = 3;
    let mut game = Match::of(open(seed, pit()));
    let mut applied = BTreeMap::<u32, u32>::new();
    let mut seen = BTreeMap::<OutcomeCode, u32>::new();
    let (mut shots, mut deaths) = (0, 0);
    for tick in 1..=TICKS {
        let inputs = inputs(seed, tick);
        let players = inputs.iter().filter_map(|input| match input {
            Input::Command { player, .. } => Some(*player),
            _ => None,
        });
        let output = game.simulation.step(tick as i64 * 33, &inputs);
        for (player, outcome) in players.zip(&output.outcomes) {
            *applied.entry(player).or_default() += u32::from(outcome.is_applied());
            *seen.entry(*outcome).or_default() += 1;
        }
        shots = shots.max(game.all::<Shot>().len());
        deaths = deaths.max(game.all::<Seat>().into_values().map(|seat| seat.deaths).sum());
    }
    let (seats, tallies) = (game.all::<Seat>(), game.all::<Tally>());
    assert_eq!(seats.len(), PLAYERS as usize);
    for (id, seat) in &seats {
        assert_eq!(tallies[id].applied, applied[&seat.player.0], "player {}", seat.player.0);
    }
    // The match was one: things of every kind happened.
    assert!(shots > 20 && deaths > 5, "{shots} shots at once, {deaths} deaths in a round");
    let missing: Vec<_> = expected_outcomes().into_iter().filter(|outcome| !seen.contains_key(outcome)).collect();
    assert!(missing.is_empty(), "{missing:?} did not happen, but {seen:?}");
    assert!(game.all::<Score>()[&1].round > 1);
}

/// Everything but what needs a player to leave.
fn expected_outcomes() -> Vec<OutcomeCode> {
    let named = Rejection::NAMES.into_iter().map(|(number, _)| OutcomeCode::game(number));
    let of_game = named.filter(|code| *code != Rejection::NotSeated.code());
    [OutcomeCode::APPLIED, OutcomeCode::MALFORMED].into_iter().chain(of_game).collect()
}
