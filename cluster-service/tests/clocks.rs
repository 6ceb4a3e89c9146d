//! What a clock that is set, back or ahead, does to matches, sessions and tokens: as little as can be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod aeron;
mod edge;
mod games;

use aeron::Member;
use aeron_cluster::codec::cluster::TimeUnit;
use cluster_service::{SimHost, TickHash};
use ecs_state::{Game, MatchSetup, Simulation};
use edge::{Edge, Token, codes, commands, outcomes};
use games::{AtRate, Command, OnCommand, bell, purse};
use protocol::ClusterSessionId;
use protocol::limits::{CLOCK_BACK_MS_MAX, SESSION_EXPIRY_MS};
use protocol::outcome::CloseCode;
use tempfile::tempdir;

const START_MS: i64 = 1_800_000_000_000;
const HOUR_MS: i64 = 3_600_000;
/// Of a match.
const OPENED_MS: i64 = START_MS;

fn token<G: Game>(host: &SimHost<G>, nonce: u64) -> Token {
    Token { match_id: 1, account: format!("account {nonce}"), nonce, expires_ms: host.now_ms() + 30_000 }
}

fn table<G: Game>() -> (SimHost<G>, Edge) {
    let mut host = SimHost::<G>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    let token = token(&host, 1);
    edge.join(&mut host, &token).unwrap();
    (host, edge)
}

fn ticks<G: Game>(host: &SimHost<G>) -> u64 {
    host.service().get_match(1).unwrap().simulation().tick()
}

/// A player who deposits a coin every 50 ms, and says each second command twice.
struct Player {
    edge: Edge,
    seq: u32,
    told: Vec<(u32, u32, u16)>,
}

impl Player {
    /// Plays for so long; log time must never go back.
    fn play(&mut self, host: &mut SimHost<AtRate>, for_ms: i64) {
        for _ in 0..for_ms / 50 {
            let before_ms = host.service().now_ms();
            self.seq += 1;
            let deposit = commands(&[(1, 1, self.seq, Command::Deposit(1).encode())]);
            for _ in 0..=self.seq % 2 {
                self.told.extend(codes(&outcomes(&self.edge.say(host, deposit.clone()))));
            }
            host.advance(50);
            self.told.extend(codes(&outcomes(&self.edge.hear(host))));
            assert!(host.service().now_ms() >= before_ms);
        }
    }
}

/// A match in whose middle the clock is set, and a snapshot from some moments after.
fn played(step_ms: i64) -> (SimHost<AtRate>, Vec<u8>) {
    let (mut host, edge) = table::<AtRate>();
    let mut player = Player { edge, seq: 0, told: Vec::new() };
    player.play(&mut host, 10_000);
    assert_eq!(ticks(&host), 300);
    host.step_clock(step_ms);
    player.play(&mut host, 5_000);
    let snapshot = host.snapshot();
    player.play(&mut host, 5_000);
    // Of a step ahead one tick runs for all that it skips; one back costs no more than the time since the entry before.
    let ran = ticks(&host) - 300;
    assert!((299..=301).contains(&ran), "{ran} ticks in ten seconds after a step of {step_ms} ms");
    let applied: Vec<_> = (1..=player.seq).map(|seq| (1, seq, 0)).collect();
    // What was said twice while it waited is told once, and what had run is told again: each alike.
    let mut told = player.told;
    host.advance(100);
    told.extend(codes(&outcomes(&edge.hear(&mut host))));
    told.dedup();
    assert_eq!(told, applied, "each command has its outcome, in order");
    let columns = host.service().get_match(1).unwrap().simulation().columns();
    let purse = purse(columns, 1).unwrap();
    assert_eq!((purse.coins, purse.applied), (u64::from(player.seq), player.seq), "none was lost or ran twice");
    (host, snapshot)
}

const STEPS_MS: [i64; 4] = [-HOUR_MS, -30_000, 30_000, HOUR_MS];

#[test]
fn a_match_goes_on_at_its_rate_when_the_clock_is_set_and_no_command_is_lost_or_doubled() {
    for step_ms in STEPS_MS {
        let (host, _) = played(step_ms);
        let went_ms = host.service().now_ms() - OPENED_MS;
        assert!((0..=100).contains(&(20_100 + step_ms.max(0) - went_ms)), "{went_ms} ms for a step of {step_ms} ms");
    }
}

#[test]
fn a_log_in_which_the_clock_was_set_gives_the_same_again_from_its_beginning_and_from_a_snapshot_of_that_time() {
    for step_ms in STEPS_MS {
        for from_snapshot in [false, true] {
            let (mut host, snapshot) = played(step_ms);
            host.crash_and_recover(from_snapshot.then_some(&snapshot[..])).unwrap();
            let before = ticks(&host);
            host.advance(10_000);
            assert!((299..=301).contains(&(ticks(&host) - before)), "timers came back too: {step_ms} ms");
        }
    }
}

#[test]
fn the_world_alone_comes_to_the_same_from_the_times_and_inputs_of_such_a_match() {
    for step_ms in STEPS_MS {
        let (mut host, edge) = table::<AtRate>();
        let setup = host.service().get_match(1).unwrap().simulation().setup();
        let setup = MatchSetup { match_id: setup.match_id, seed: setup.seed, content: setup.content.clone() };
        let mut alone = Simulation::<AtRate>::open(setup, OPENED_MS).unwrap();
        let (mut seq, mut last_ms) = (0, 0);
        for turn in 0..200 {
            if turn == 100 {
                host.step_clock(step_ms);
            }
            seq += 1;
            edge.say(&mut host, commands(&[(1, 1, seq, Command::Ring(200).encode())]));
            // At most one tick.
            host.advance(30);
            let of = host.service().get_match(1).unwrap();
            if of.simulation().tick() > alone.tick() {
                let step = of.last_step().unwrap();
                assert!(step.time_ms > last_ms);
                last_ms = step.time_ms;
                assert_eq!(alone.step(step.time_ms, &step.inputs).hash(), of.simulation().columns().total_hash());
            }
        }
        assert!(alone.tick() > 170);
    }
}

/// The hashes of a member that takes these entries, replaced in the middle by one that starts from its snapshot.
fn in_a_member(host: &SimHost<AtRate>, unit: TimeUnit) -> Vec<TickHash> {
    let folder = tempdir().unwrap();
    let mut member = Member::<AtRate>::new(0, 1, folder.path()).with_unit(unit).lead();
    let middle = host.entries().count() * 3 / 4;
    for (place, entry) in host.entries().enumerate() {
        // Which checks that each timer was set for no later than it fired.
        member.apply(&entry);
        if place == middle {
            let mut fresh = Member::<AtRate>::new(0, 1, folder.path()).with_unit(unit).lead();
            fresh.start(Some(member.snapshot().unwrap())).unwrap();
            (fresh.cluster.sessions, fresh.cluster.timers) = (member.cluster.sessions, member.cluster.timers);
            fresh.hashes = member.hashes;
            member = fresh;
        }
    }
    assert_eq!(member.host.failure(), None);
    member.hashes
}

#[test]
fn a_member_sets_the_same_timers_and_comes_to_the_same_hashes_when_the_clock_is_set() {
    for (step_ms, unit) in
        STEPS_MS.into_iter().zip([TimeUnit::Millis, TimeUnit::Micros, TimeUnit::Nanos].iter().cycle())
    {
        let (host, _) = played(step_ms);
        assert_eq!(in_a_member(&host, *unit), host.hashes(), "{step_ms} ms");
    }
}

#[test]
fn a_clock_that_is_set_again_and_again_changes_nothing_either() {
    let (mut host, edge) = table::<AtRate>();
    let mut player = Player { edge, seq: 0, told: Vec::new() };
    let mut steps = 0;
    for step_ms in [-5, -2_000, 300, -HOUR_MS, -1, -HOUR_MS, -40].into_iter().cycle().take(70) {
        host.step_clock(step_ms);
        player.play(&mut host, 1_000);
        steps += 1;
    }
    let ran = ticks(&host);
    // Each step back loses at most the time since the entry before it; each ahead skips what it skips.
    assert!((30 * steps - 2 * steps..=30 * steps + steps).contains(&ran), "{ran}");
    host.crash_and_recover(None).unwrap();
}

#[test]
fn timers_of_before_the_step_that_fire_once_the_clock_has_caught_up_bring_about_nothing() {
    let (mut host, edge) = table::<AtRate>();
    host.advance(10_000);
    host.step_clock(-30_000);
    edge.hear(&mut host);
    edge.watch(&mut host, 1);
    let before = ticks(&host);
    host.advance(60_000);
    assert!((1_799..=1_801).contains(&(ticks(&host) - before)), "{}", ticks(&host) - before);
}

/// What remains: in a cluster a timer fires by the clock, and nothing but an entry tells the service of a step. So a
/// member that leads asks for an entry when a timer is overdue (`host/aeron/overdue.rs`).
#[test]
fn a_match_of_which_nobody_speaks_stands_still_after_a_step_back_until_the_first_entry() {
    let (mut host, edge) = table::<AtRate>();
    host.advance(10_000);
    host.step_clock(-HOUR_MS);
    host.advance(5_000);
    assert_eq!(ticks(&host), 300);
    // Of no match: an entry, and nothing else.
    host.offer(edge.0, edge::hash_report(0, 0, 0, 0));
    host.advance(5_000);
    assert!((449..=451).contains(&ticks(&host)), "{}", ticks(&host));
}

#[test]
fn a_rule_is_woken_and_a_session_expires_in_log_time_although_the_clock_was_set_back() {
    let (mut host, edge) = table::<OnCommand>();
    let rung = |host: &SimHost<OnCommand>| bell(host.service().get_match(1).unwrap().simulation().columns()).rung;
    edge.say(&mut host, commands(&[(1, 1, 1, Command::Ring(5_000).encode())]));
    host.advance(2_000);
    edge.watch(&mut host, 1);
    host.step_clock(-HOUR_MS);
    edge.say(&mut host, edge::detach(1, 1));
    host.advance(2_999);
    assert_eq!(rung(&host), 0);
    host.advance(1);
    assert_eq!(rung(&host), 1);
    host.advance(SESSION_EXPIRY_MS - 3_001);
    assert_eq!(host.service().session_count(), 1);
    host.advance(1);
    assert_eq!(host.service().session_count(), 0);
}

#[test]
fn a_wake_that_is_asked_for_sooner_than_the_one_that_is_set_comes_sooner_and_once() {
    let (mut host, edge) = table::<OnCommand>();
    edge.say(&mut host, commands(&[(1, 1, 1, Command::Ring(60_000).encode())]));
    edge.say(&mut host, commands(&[(1, 1, 2, Command::Ring(5_000).encode())]));
    let before = ticks(&host);
    host.advance(5_000);
    assert_eq!(ticks(&host), before + 1);
    host.advance(120_000);
    assert_eq!(ticks(&host), before + 1);
}

// ---- tokens ----------------------------------------------------------------------------------------

#[test]
fn tokens_are_judged_by_the_clock_and_not_by_log_time() {
    let (mut host, edge) = table::<AtRate>();
    host.advance(10_000);
    host.step_clock(-HOUR_MS);
    let of_this_clock = token(&host, 2);
    assert!(of_this_clock.expires_ms < host.service().now_ms());
    edge.join(&mut host, &of_this_clock).unwrap();
    host.step_clock(2 * HOUR_MS);
    assert_eq!(
        edge.join(&mut host, &Token { nonce: 3, account: "account 3".to_owned(), ..of_this_clock }),
        Err(CloseCode::TokenExpired)
    );
    let of_this_clock = token(&host, 4);
    edge.join(&mut host, &of_this_clock).unwrap();
}

#[test]
fn a_token_that_was_redeemed_is_never_good_again_while_the_clock_goes_back_by_up_to_ten_minutes() {
    let (mut host, edge) = table::<AtRate>();
    let other = Edge::connect(&mut host);
    let redeemed = token(&host, 2);
    edge.join_with(&mut host, &redeemed, 7).unwrap();
    let again = |host: &mut SimHost<AtRate>, is_good_clock| {
        let answer = other.join_with(host, &redeemed, 8).map(|_| ());
        let expected = if is_good_clock { CloseCode::TokenUsed } else { CloseCode::TokenExpired };
        assert_eq!(answer, Err(expected), "clock {}", host.now_ms() - START_MS);
    };
    again(&mut host, true);
    // Just expired, or for as long as a step back could make good: whoever joins meanwhile lets nonces be forgotten.
    for late_ms in [0, CLOCK_BACK_MS_MAX - 60_000, CLOCK_BACK_MS_MAX - 1] {
        host.step_clock(redeemed.expires_ms + late_ms - host.now_ms());
        let nonce = 100 + late_ms as u64;
        let newcomer = token(&host, nonce);
        edge.join_with(&mut host, &newcomer, nonce).unwrap();
        again(&mut host, false);
        host.step_clock(-late_ms - 1);
        again(&mut host, true);
    }
}

#[test]
fn edges_are_heard_of_once_whatever_the_clock_says_when_they_come_and_go() {
    let (mut host, edge) = table::<AtRate>();
    host.step_clock(-HOUR_MS);
    host.close_session(edge.0);
    assert_eq!(host.service().cluster_sessions(), Vec::<ClusterSessionId>::new());
    host.advance(SESSION_EXPIRY_MS);
    assert_eq!(host.service().session_count(), 0);
}
