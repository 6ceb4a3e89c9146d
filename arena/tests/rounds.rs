//! Seats, rounds, and what a quiet tick costs.

mod play;

use arena::components::{Intent, Kind, Tally};
use arena::{Command, Rejection};
use ecs_state::{Input, OutcomeCode};
use play::Match;

const HALL: &[&str] = &["############", "#1........2#", "############"];
const FIRE: Command = Command::Fire { held: true };

fn short_rounds() -> Match {
    let balance =
        play::exact_balance().replace("seconds = 180", "seconds = 4").replace("pause_seconds = 8", "pause_seconds = 1");
    Match::with(&play::map(2, HALL), &balance).joined(2)
}

fn tally(game: &Match, player: u32) -> u32 {
    let seats = game.all::<arena::components::Seat>();
    let (id, _) = seats.iter().find(|(_, seat)| seat.player.0 == player).expect("the player has a seat");
    game.all::<Tally>()[id].applied
}

#[test]
fn players_join_the_smallest_team_and_have_a_body_at_once() {
    let mut game = Match::with(include_str!("../../assets/arena/maps/crossroads.toml"), play::BALANCE).joined(9);
    let mut sizes = [0; 4];
    (1..=9).for_each(|player| sizes[usize::from(game.seat(player).team)] += 1);
    assert_eq!(sizes, [3, 2, 2, 2]);
    assert!((1..=9).all(|player| game.is_alive(player)));
    game.input(Input::Leave { player: 1 });
    game.input(Input::Join { player: 10 });
    game.input(Input::Join { player: 11 });
    game.step();
    assert_eq!([game.seat(10).team, game.seat(11).team], [0, 1]);
}

#[test]
fn a_player_who_leaves_takes_its_body_along() {
    let mut game = Match::on(HALL).joined(2);
    game.input(Input::Leave { player: 1 });
    game.input(Input::Command { player: 1, payload: Command::Reload.encode() });
    assert_eq!(game.step().outcomes, [Rejection::NotSeated.code()]);
    assert_eq!((game.count(Kind::AVATAR), game.all::<Tally>().len()), (1, 1));
}

#[test]
fn a_round_ends_when_its_time_is_up_and_the_next_begins_from_nothing() {
    let mut game = short_rounds();
    game.attack(1, 2);
    game.until("the round is over", |game| game.score().over);
    assert_eq!(game.simulation.tick(), 120);
    assert!(game.score().teams[0] > 0, "somebody died");
    assert_eq!(game.score().wins, [1, 0, 0, 0]);
    assert_eq!((game.count(Kind::PROJECTILE), game.trigger(1)), (0, Intent::RELEASED));
    game.refuse(1, FIRE, Rejection::RoundOver);
    game.apply(1, Command::Move { x: 5, y: 0 });
    let applied = tally(&game, 1);
    game.until("the next round", |game| !game.score().over);
    assert_eq!((game.score().round, game.score().teams, game.score().wins), (2, [0; 4], [1, 0, 0, 0]));
    assert_eq!((game.seat(1).kills, game.seat(1).score, game.seat(2).deaths), (0, 0, 0));
    assert!(game.is_alive(1) && game.is_alive(2));
    assert_eq!(game.count(Kind::AVATAR), 2, "the old bodies are gone");
    assert_eq!(tally(&game, 1), applied, "commands are counted over all rounds");
}

#[test]
fn a_round_ends_when_a_team_has_enough_points() {
    let balance = play::exact_balance().replace("score_limit = 400", "score_limit = 5");
    let mut game = Match::with(&play::map(2, HALL), &balance).joined(2);
    game.attack(2, 1);
    game.until("the round is over", |game| game.score().over);
    assert_eq!((game.score().teams, game.score().wins), ([0, 5, 0, 0], [0, 1, 0, 0]));
}

#[test]
fn a_tally_counts_what_is_applied_and_nothing_else() {
    let mut game = Match::on(HALL).joined(2);
    let orders = [
        (1, Command::Move { x: 1, y: 1 }.encode(), OutcomeCode::APPLIED),
        (2, Command::Aim { angle: 9 }.encode(), OutcomeCode::APPLIED),
        (1, Command::Move { x: -128, y: 1 }.encode(), Rejection::BadDirection.code()),
        (1, vec![1, 2, 3], OutcomeCode::MALFORMED),
        (1, Command::Use.encode(), Rejection::NothingInReach.code()),
        (1, Command::Move { x: 1, y: 1 }.encode(), OutcomeCode::APPLIED),
    ];
    for (player, payload, _) in &orders {
        game.input(Input::Command { player: *player, payload: payload.clone() });
    }
    let expected: Vec<_> = orders.iter().map(|(_, _, outcome)| *outcome).collect();
    assert_eq!(game.step().outcomes, expected);
    assert_eq!([tally(&game, 1), tally(&game, 2)], [2, 1]);
}

#[test]
fn a_quiet_tick_changes_nothing() {
    let mut game = Match::on(HALL).joined(2);
    game.steps(5);
    let hash = game.step().hash();
    let output = game.step();
    assert_eq!(output.hash(), hash);
    let (everyone, owner) = (output.everyone.len(), output.owner.len());
    game.apply(1, Command::Aim { angle: 77 });
    let aimed = game.step();
    assert_eq!((aimed.everyone.len(), aimed.owner.len()), (everyone, owner), "and one after a change neither");
    assert!(everyone < 16 && owner < 16, "{everyone} and {owner} bytes");
}
