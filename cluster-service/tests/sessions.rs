//! Who may speak for a player, and that each command runs once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod edge;
mod games;

use std::path::Path;

use cluster_service::{EdgeKey, SimHost};
use edge::{Edge, Token, codes, commands, detach, ended, leave, outcomes};
use games::{AtRate, Command, OnCommand, SHORT, purse};
use protocol::cluster::{EgressMessageT, IngressMessageT, SessionJoinedT, SessionOutcomeT, encode_ingress};
use protocol::limits::{
    PLAYERS_PER_MATCH_MAX, SECRETS_OFFERED_MAX, SESSION_EXPIRY_MS, TOKEN_CLOCK_SLACK_MS, TOKEN_SECONDS_MAX,
};
use protocol::outcome::CloseCode;
use protocol::{ClusterSessionId, OutcomeCode};
use snapshots::{ChunkFile, FileKind};

const START_MS: i64 = 1_800_000_000_000;

fn token(nonce: u64) -> Token {
    Token { match_id: 1, account: format!("account {nonce}"), nonce, expires_ms: START_MS + 30_000 }
}

/// An on-command match with one player in it.
fn table() -> (SimHost<OnCommand>, Edge, SessionJoinedT) {
    let mut host = SimHost::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    let joined = edge.join(&mut host, &token(1)).unwrap();
    assert_eq!((joined.epoch, joined.last_seq, joined.resumed), (1, 0, false));
    edge.hear(&mut host);
    (host, edge, joined)
}

fn deposit(session: u32, epoch: u32, seq: u32) -> Vec<u8> {
    commands(&[(session, epoch, seq, Command::Deposit(seq).encode())])
}

fn coins(host: &SimHost<OnCommand>, player: u32) -> u64 {
    purse(host.service().get_match(1).unwrap().simulation().columns(), player).unwrap().coins
}

fn only(outcomes: &[SessionOutcomeT]) -> &SessionOutcomeT {
    let [outcome] = outcomes else { panic!("{outcomes:?}") };
    outcome
}

/// The state without where and when it was taken.
fn state(host: &SimHost<OnCommand>) -> Vec<Vec<u8>> {
    let kind = FileKind { magic: *b"WLSN", version: 4, oldest: 4, name: "snapshot" };
    let mut file = ChunkFile::decode(Path::new("memory"), &host.snapshot(), kind).unwrap();
    std::iter::from_fn(|| file.next_chunk().unwrap()).skip(1).map(|chunk| chunk.bytes).collect()
}

#[test]
fn a_command_runs_once_however_often_it_is_sent_and_is_answered_alike_each_time() {
    let (mut host, edge, joined) = table();
    let first = outcomes(&edge.say(&mut host, deposit(1, 1, 1)));
    assert_eq!(only(&first).code, OutcomeCode::APPLIED.0);
    edge.say(&mut host, deposit(1, 1, 2));
    for _ in 0..5 {
        let again = edge.say(&mut host, deposit(1, 1, 1));
        assert!(matches!(again[..], [EgressMessageT::SessionOutcomes(_)]), "no tick ran: {again:?}");
        assert_eq!(outcomes(&again), first);
    }
    assert_eq!(coins(&host, joined.player), 3);
}

#[test]
fn a_rejection_is_answered_alike_each_time_too() {
    let (mut host, edge, joined) = table();
    let withdraw = commands(&[(1, 1, 1, Command::Withdraw(10).encode())]);
    let first = outcomes(&edge.say(&mut host, withdraw.clone()));
    assert_eq!(only(&first).code, OutcomeCode::game(SHORT).0);
    edge.say(&mut host, commands(&[(1, 1, 2, Command::Deposit(50).encode())]));
    assert_eq!(outcomes(&edge.say(&mut host, withdraw)), first, "that there are coins now changes nothing");
    assert_eq!(coins(&host, joined.player), 50);
    let malformed = commands(&[(1, 1, 3, b"?".to_vec())]);
    assert_eq!(only(&outcomes(&edge.say(&mut host, malformed))).code, OutcomeCode::MALFORMED.0);
}

#[test]
fn a_command_that_waits_for_its_tick_is_not_answered_twice() {
    let mut host = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    edge.join(&mut host, &token(1)).unwrap();
    host.advance(34);
    edge.hear(&mut host);
    for _ in 0..3 {
        assert_eq!(edge.say(&mut host, deposit(1, 1, 1)), []);
        assert_eq!(edge.say(&mut host, deposit(1, 1, 2)), []);
    }
    host.advance(40);
    let told = outcomes(&edge.hear(&mut host));
    assert_eq!(codes(&told), [(1, 1, 0), (1, 2, 0)]);
    assert_eq!(outcomes(&edge.say(&mut host, deposit(1, 1, 1))), told[..1]);
}

#[test]
fn a_gap_is_refused_with_the_last_number_held() {
    let (mut host, edge, joined) = table();
    edge.say(&mut host, deposit(1, 1, 1));
    for gap in [3, 4, u32::MAX, 0] {
        let refused = outcomes(&edge.say(&mut host, deposit(1, 1, gap)));
        assert_eq!((only(&refused).seq, only(&refused).code), (1, OutcomeCode::GAP.0), "number {gap}");
    }
    let batch = commands(&[(1, 1, 3, Command::Deposit(1).encode()), (1, 1, 2, Command::Deposit(1).encode())]);
    assert_eq!(codes(&outcomes(&edge.say(&mut host, batch))), [(1, 1, OutcomeCode::GAP.0), (1, 2, 0)]);
    assert_eq!(coins(&host, joined.player), 2);
}

#[test]
fn an_epoch_that_is_not_the_sessions_is_refused() {
    let (mut host, edge, joined) = table();
    edge.resume(&mut host, 1, 1, 2).unwrap();
    for epoch in [0, 1, 3] {
        let refused = outcomes(&edge.say(&mut host, deposit(1, epoch, 1)));
        assert_eq!((only(&refused).seq, only(&refused).code), (1, OutcomeCode::STALE_EPOCH.0), "epoch {epoch}");
    }
    assert_eq!(coins(&host, joined.player), 0);
    assert_eq!(only(&outcomes(&edge.say(&mut host, deposit(1, 2, 1)))).code, 0);
}

#[test]
fn a_snapshot_holds_whatever_commands_came_since_the_keyframe() {
    let mut host = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    edge.join(&mut host, &token(1)).unwrap();
    let mut seq = 0;
    for _ in 0..280 {
        let mut next = || {
            seq += 1;
            // No command of the game, and an input of the tick all the same.
            (1, 1, seq, (0..512).map(|at| (seq + at) as u8).collect())
        };
        edge.say(&mut host, commands(&std::array::from_fn::<_, 32, _>(|_| next())));
        host.advance(34);
    }
    let snapshot = host.snapshot();
    let kind = FileKind { magic: *b"WLSN", version: 4, oldest: 4, name: "snapshot" };
    let mut file = ChunkFile::decode(Path::new("memory"), &snapshot, kind).unwrap();
    let lengths: Vec<usize> =
        std::iter::from_fn(|| file.next_chunk().unwrap()).map(|chunk| chunk.bytes.len()).collect();
    assert!(lengths.iter().sum::<usize>() > 4 << 20, "{lengths:?}");
    assert!(lengths.iter().all(|length| *length < 2 << 20), "no part grows with what players send: {lengths:?}");
    let hash = |host: &SimHost<AtRate>| host.service().get_match(1).unwrap().simulation().columns().total_hash();
    let before = hash(&host);
    host.crash_and_recover(Some(&snapshot)).unwrap();
    assert_eq!(hash(&host), before);
}

#[test]
fn a_session_that_never_was_is_refused() {
    let (mut host, edge, _) = table();
    for session in [0, 2, u32::MAX] {
        let refused = outcomes(&edge.say(&mut host, deposit(session, 1, 1)));
        assert_eq!(only(&refused).code, OutcomeCode::NO_SESSION.0);
        assert_eq!(edge.resume(&mut host, session, 1, 2), Err(CloseCode::NoSession));
    }
}

#[test]
fn the_last_32_outcomes_are_kept_and_older_ones_are_forgotten() {
    let (mut host, edge, joined) = table();
    let all: Vec<_> = (1..=40).flat_map(|seq| outcomes(&edge.say(&mut host, deposit(1, 1, seq)))).collect();
    for (seq, expected) in (1..).zip(&all) {
        let again = outcomes(&edge.say(&mut host, deposit(1, 1, seq)));
        if seq <= 8 {
            assert_eq!((only(&again).seq, only(&again).code), (seq, OutcomeCode::FORGOTTEN.0));
        } else {
            assert_eq!(only(&again), expected);
        }
    }
    assert_eq!(coins(&host, joined.player), (1..=40).sum::<u64>());
}

#[test]
fn commands_beyond_32_of_one_session_in_one_tick_are_rejected_in_their_order() {
    let (mut host, edge, first) = table();
    let second = edge.join(&mut host, &token(2)).unwrap();
    edge.hear(&mut host);
    let mut batch: Vec<_> = (1..=40).map(|seq| (1, 1, seq, Command::Deposit(1).encode())).collect();
    batch.extend((1..=5).map(|seq| (2, 1, seq, Command::Deposit(1).encode())));
    let told = codes(&outcomes(&edge.say(&mut host, commands(&batch))));
    let expected: Vec<_> = (1..=40)
        .map(|seq| (1, seq, if seq <= 32 { 0 } else { OutcomeCode::TOO_MANY.0 }))
        .chain((1..=5).map(|seq| (2, seq, 0)))
        .collect();
    assert_eq!(told, expected);
    assert_eq!((coins(&host, first.player), coins(&host, second.player)), (32, 5));
    let next = codes(&outcomes(&edge.say(&mut host, deposit(1, 1, 41))));
    assert_eq!(next, [(1, 41, 0)], "the next tick takes commands again");
}

#[test]
fn a_join_that_is_asked_again_is_answered_again_by_the_edge_that_made_its_secret_alone() {
    let (mut host, edge, first) = table();
    assert_eq!(edge.join(&mut host, &token(1)), Ok(first.clone()), "the answer was lost with a leader");
    let anew = Edge::connect(&mut host);
    host.close_session(edge.0);
    anew.say(&mut host, edge::watch(1));
    assert_eq!(anew.join(&mut host, &token(1)), Ok(first.clone()), "and then the cluster session too");
    assert_eq!((host.service().session_count(), host.service().get_match(1).unwrap().player_count()), (1, 1));
    assert_eq!(anew.join(&mut host, &Token { account: "thief".to_owned(), ..token(1) }), Err(CloseCode::TokenUsed));
    assert_eq!(codes(&outcomes(&anew.say(&mut host, deposit(1, 1, 1)))), [(1, 1, 0)], "the new edge speaks for it");
    anew.resume(&mut host, 1, 1, 2).unwrap();
    assert_eq!(anew.join(&mut host, &token(1)), Err(CloseCode::TokenUsed), "somebody came back since");
}

#[test]
fn a_join_that_is_asked_again_is_answered_again_although_its_token_expired_meanwhile() {
    let (mut host, edge, first) = table();
    host.outage(40_000);
    assert_eq!(edge.join(&mut host, &token(1)), Ok(first));
    assert_eq!(edge.join_with(&mut host, &token(1), 9), Err(CloseCode::TokenExpired), "of another who has the token");
}

#[test]
fn a_resume_that_is_asked_again_raises_the_epoch_once() {
    let (mut host, edge, _) = table();
    let back = edge.resume(&mut host, 1, 1, 2).unwrap();
    assert_eq!(back.epoch, 2);
    assert_eq!(ended(&edge.hear(&mut host)), []);
    let told = edge.say(&mut host, edge::resume(3, 1, 1, 2));
    assert!(matches!(&told[..], [EgressMessageT::SessionJoined(joined)] if **joined == back), "{told:?}");
    assert_eq!(edge.resume(&mut host, 1, 1, 3).unwrap().epoch, 3, "another one is not the same");
    assert_eq!(edge.resume(&mut host, 1, 1, 2), Err(CloseCode::Superseded), "which follows the first");
}

#[test]
fn an_edge_takes_its_players_over_but_none_who_went_elsewhere() {
    let (mut host, edge, _) = table();
    host.close_session(edge.0);
    let anew = Edge::connect(&mut host);
    anew.say(&mut host, edge::watch(1));
    let told = anew.take_over(&mut host, 1, 1, 1, 1);
    assert!(matches!(&told[..], [EgressMessageT::SessionJoined(joined)] if joined.epoch == 2), "{told:?}");
    let again = anew.take_over(&mut host, 1, 1, 1, 1);
    assert_eq!(again, told, "the answer was lost");
    assert_eq!(only(&outcomes(&anew.say(&mut host, deposit(1, 2, 1)))).code, 0);

    let elsewhere = Edge::connect(&mut host);
    elsewhere.say(&mut host, edge::watch(1));
    assert_eq!(elsewhere.resume(&mut host, 1, 1, 5).unwrap().epoch, 3, "the client's secret is still good");
    let told = anew.take_over(&mut host, 1, 1, 1, 2);
    let EgressMessageT::SessionRefused(refused) = told.last().unwrap() else { panic!("{told:?}") };
    assert_eq!(refused.code, CloseCode::Superseded as u16);
    assert_eq!(only(&outcomes(&elsewhere.say(&mut host, deposit(1, 3, 2)))).code, 0, "and it plays on");
}

#[test]
fn what_is_refused_says_what_it_was() {
    let (mut host, edge, _) = table();
    edge.resume(&mut host, 1, 1, 2).unwrap();
    let stale = only(&outcomes(&edge.say(&mut host, deposit(1, 1, 1)))).clone();
    assert_eq!((stale.code, stale.tick), (OutcomeCode::STALE_EPOCH.0, 1));
    let gap = only(&outcomes(&edge.say(&mut host, deposit(1, 2, 7)))).clone();
    assert_eq!((gap.code, gap.seq, gap.tick), (OutcomeCode::GAP.0, 0, 7));
    let probe = only(&outcomes(&edge.say(&mut host, deposit(1, 2, 0)))).clone();
    assert_eq!(
        (probe.code, probe.seq, probe.tick),
        (OutcomeCode::GAP.0, 0, 0),
        "number 0 asks whether the session is there"
    );
}

#[test]
fn a_token_is_redeemed_once_also_by_another_edge_and_after_a_restart() {
    let (mut host, edge, _) = table();
    let snapshot = host.snapshot();
    assert_eq!(edge.join_with(&mut host, &token(1), 9), Err(CloseCode::TokenUsed));
    let other = Edge::connect(&mut host);
    assert_eq!(other.join_with(&mut host, &token(1), 9), Err(CloseCode::TokenUsed));
    assert_eq!(
        other.join_with(&mut host, &Token { account: "thief".to_owned(), ..token(1) }, 9),
        Err(CloseCode::TokenUsed)
    );
    for snapshot in [None, Some(&snapshot[..])] {
        host.crash_and_recover(snapshot).unwrap();
        let again = Edge::connect(&mut host);
        assert_eq!(again.join_with(&mut host, &token(1), 9), Err(CloseCode::TokenUsed));
    }
    host.outage(29_999);
    let late = Edge::connect(&mut host);
    assert_eq!(late.join_with(&mut host, &token(1), 9), Err(CloseCode::TokenUsed), "as long as it lives");
    host.outage(1);
    assert_eq!(late.join_with(&mut host, &token(1), 9), Err(CloseCode::TokenExpired));
    assert_eq!(host.service().session_count(), 1);
}

#[test]
fn a_refused_join_does_not_use_up_its_token() {
    let (mut host, edge, _) = table();
    assert_eq!(edge.join(&mut host, &Token { match_id: 9, ..token(5) }), Err(CloseCode::NoMatch));
    assert!(edge.join(&mut host, &token(5)).is_ok());
}

#[test]
fn tokens_that_expired_or_live_too_long_are_refused() {
    let (mut host, edge, _) = table();
    let longest_ms = TOKEN_SECONDS_MAX as i64 * 1_000 + TOKEN_CLOCK_SLACK_MS;
    let cases = [
        (i64::MIN, Err(CloseCode::TokenExpired)),
        (0, Err(CloseCode::TokenExpired)),
        (START_MS, Err(CloseCode::TokenExpired)),
        (START_MS + 1, Ok(())),
        (START_MS + longest_ms, Ok(())),
        (START_MS + longest_ms + 1, Err(CloseCode::TokenInvalid)),
        (i64::MAX, Err(CloseCode::TokenInvalid)),
    ];
    for (nonce, (expires_ms, expected)) in (10..).zip(cases) {
        let joined = edge.join(&mut host, &Token { expires_ms, ..token(nonce) });
        assert_eq!(joined.map(|_| ()), expected, "expires {expires_ms}");
    }
}

#[test]
fn the_secret_used_and_those_given_out_for_it_are_good_until_one_of_the_latter_is_used() {
    let (mut host, edge, _) = table();
    let mut use_secret = |used, next| edge.resume(&mut host, 1, used, next).map(|joined| joined.epoch);
    assert_eq!(use_secret(9, 2), Err(CloseCode::WrongSecret));
    assert_eq!(use_secret(1, 2), Ok(2));
    assert_eq!(use_secret(1, 3), Ok(3), "the answer that carried 2 got lost, or is late");
    assert_eq!(use_secret(2, 4), Ok(4), "it was late");
    assert_eq!(use_secret(1, 5), Err(CloseCode::WrongSecret), "2 took the place of 1");
    assert_eq!(use_secret(3, 5), Err(CloseCode::WrongSecret), "and of what was given out for it");
    assert_eq!(use_secret(4, 5), Ok(5));
    assert_eq!(use_secret(2, 6), Err(CloseCode::WrongSecret));
    for next in 100..100 + SECRETS_OFFERED_MAX as u64 {
        use_secret(4, next).unwrap();
    }
    assert_eq!(use_secret(5, 6), Err(CloseCode::WrongSecret), "the oldest of too many is forgotten");
    assert!(use_secret(100, 200).is_ok());
}

#[test]
fn a_refused_resume_changes_nothing() {
    let (mut host, edge, _) = table();
    let thief = Edge::connect(&mut host);
    let before = state(&host);
    assert_eq!(thief.resume(&mut host, 1, 9, 10), Err(CloseCode::WrongSecret));
    assert_eq!(state(&host), before);
    assert_eq!(edge.hear(&mut host), []);
}

#[test]
fn a_resume_tells_the_edge_before_and_gives_back_what_the_session_holds() {
    let (mut host, old, joined) = table();
    let told: Vec<_> = (1..=3).flat_map(|seq| outcomes(&old.say(&mut host, deposit(1, 1, seq)))).collect();
    let new = Edge::connect(&mut host);
    new.watch(&mut host, 1);
    let resumed = new.resume(&mut host, 1, 1, 2).unwrap();
    assert_eq!((resumed.session, resumed.epoch, resumed.last_seq, resumed.resumed), (1, 2, 3, true));
    assert_eq!((resumed.player, resumed.match_id), (joined.player, 1));
    assert_eq!(resumed.outcomes.unwrap(), told);
    assert_eq!(ended(&old.hear(&mut host)), [(1, CloseCode::Superseded)]);
}

#[test]
fn what_the_edge_before_says_of_a_session_has_no_effect() {
    let (mut host, old, joined) = table();
    let new = Edge::connect(&mut host);
    new.watch(&mut host, 1);
    new.resume(&mut host, 1, 1, 2).unwrap();
    old.hear(&mut host);
    let before = state(&host);
    for message in [detach(1, 1), leave(1, 1), deposit(1, 1, 1), detach(1, 2)] {
        old.say(&mut host, message);
        assert_eq!(state(&host), before);
    }
    host.close_session(old.0);
    host.advance(2 * SESSION_EXPIRY_MS);
    assert_eq!(only(&outcomes(&new.say(&mut host, deposit(1, 2, 1)))).code, 0);
    assert_eq!(coins(&host, joined.player), 1);
}

#[test]
fn a_session_expires_by_a_log_entry_60_seconds_after_it_was_detached() {
    let (mut host, edge, joined) = table();
    edge.say(&mut host, detach(1, 1));
    host.advance(SESSION_EXPIRY_MS - 1);
    assert_eq!(host.service().session_count(), 1);
    host.advance(1);
    assert_eq!(host.service().session_count(), 0);
    let match_one = host.service().get_match(1).unwrap();
    assert_eq!(match_one.player_count(), 0);
    assert_eq!(purse(match_one.simulation().columns(), joined.player), None, "the player left the world");
    assert_eq!(edge.resume(&mut host, 1, 1, 2), Err(CloseCode::NoSession));
}

#[test]
fn only_time_without_a_connection_counts() {
    let (mut host, edge, _) = table();
    host.advance(10 * SESSION_EXPIRY_MS);
    edge.say(&mut host, detach(1, 1));
    host.advance(SESSION_EXPIRY_MS - 1);
    edge.resume(&mut host, 1, 1, 2).unwrap();
    host.advance(10 * SESSION_EXPIRY_MS);
    let other = Edge::connect(&mut host);
    let late = Token { expires_ms: host.now_ms() + 1_000, ..token(2) };
    other.join(&mut host, &late).unwrap();
    edge.say(&mut host, detach(1, 2));
    host.advance(1_000);
    host.close_session(other.0);
    host.advance(SESSION_EXPIRY_MS - 1_000);
    assert_eq!(host.service().session_count(), 1, "the one that was detached first");
    host.advance(999);
    assert_eq!(host.service().session_count(), 1);
    host.advance(1);
    assert_eq!(host.service().session_count(), 0);
}

#[test]
fn expiry_goes_on_after_a_restart() {
    let (mut host, edge, _) = table();
    edge.say(&mut host, detach(1, 1));
    host.advance(20_000);
    let snapshot = host.snapshot();
    for snapshot in [None, Some(&snapshot[..])] {
        host.crash_and_recover(snapshot).unwrap();
    }
    host.advance(SESSION_EXPIRY_MS - 20_001);
    assert_eq!(host.service().session_count(), 1);
    host.advance(1);
    assert_eq!(host.service().session_count(), 0);
}

#[test]
fn an_account_that_joins_anew_takes_the_place_of_its_session() {
    let (mut host, old, first) = table();
    let new = Edge::connect(&mut host);
    let again = new.join(&mut host, &Token { account: "account 1".to_owned(), ..token(2) }).unwrap();
    assert_eq!(ended(&old.hear(&mut host)), [(1, CloseCode::Superseded)]);
    assert!(again.session != first.session && again.player != first.player);
    assert_eq!(host.service().session_count(), 1);
    assert_eq!(host.service().get_match(1).unwrap().player_count(), 1);
    assert_eq!(only(&outcomes(&old.say(&mut host, deposit(1, 1, 1)))).code, OutcomeCode::NO_SESSION.0);
}

#[test]
fn who_leaves_is_gone_at_once_and_told_so() {
    let (mut host, edge, joined) = table();
    let told = edge.say(&mut host, leave(1, 1));
    assert_eq!(ended(&told), [(1, CloseCode::Left)]);
    assert_eq!(purse(host.service().get_match(1).unwrap().simulation().columns(), joined.player), None);
    assert_eq!(edge.resume(&mut host, 1, 1, 2), Err(CloseCode::NoSession));
}

#[test]
fn a_full_match_takes_nobody_but_who_has_a_place_in_it() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.say(&mut host, edge::open_match(1, b""));
    for nonce in 0..PLAYERS_PER_MATCH_MAX as u64 {
        edge.join(&mut host, &token(nonce)).unwrap();
    }
    assert_eq!(edge.join(&mut host, &token(5_000)), Err(CloseCode::Full));
    edge.join(&mut host, &Token { account: "account 3".to_owned(), ..token(5_001) }).unwrap();
    edge.say(&mut host, leave(1, 1));
    edge.join(&mut host, &token(5_000)).unwrap();
    assert_eq!(edge.join(&mut host, &token(5_002)), Err(CloseCode::Full));
}

#[test]
fn nothing_counts_before_hello() {
    let (mut host, _, _) = table();
    let stranger = host.open_session();
    let before = state(&host);
    let messages = [
        edge::open_match(1, b""),
        edge::close_match(1, 1),
        edge::watch(1),
        edge::join(1, &token(7), 1),
        edge::resume(1, 1, 1, 2),
        detach(1, 1),
        leave(1, 1),
        deposit(1, 1, 1),
    ];
    for message in messages {
        host.offer(stranger, message);
        let told = edge::heard(host.take_messages(stranger));
        assert!(matches!(told[..], [EgressMessageT::EdgeRefused(_)]), "{told:?}");
        assert_eq!(state(&host), before);
    }
}

#[test]
fn foreign_bytes_change_nothing() {
    let (mut host, edge, _) = table();
    let before = state(&host);
    let good = commands(&[(1, 1, 1, Command::Deposit(1).encode()), (1, 1, 2, Command::Deposit(1).encode())]);
    let mut refused = 0;
    let mut say = |bytes: Vec<u8>| {
        let told = edge.say(&mut host, bytes);
        assert!(matches!(told[..], [EgressMessageT::EdgeRefused(_)]), "{told:?}");
        assert_eq!(state(&host), before);
        refused += 1;
    };
    say(Vec::new());
    say(vec![0; 100_000]);
    say(vec![0xFF; 2 * protocol::limits::INGRESS_BYTES_MAX]);
    for length in 0..good.len() {
        say(good[..length].to_vec());
    }
    let mut rng = ecs_state::MatchRng::new(1, 1, "foreign");
    for _ in 0..500 {
        say((0..rng.below(300)).map(|_| rng.bits() as u8).collect());
    }
    assert_eq!(refused, 3 + good.len() + 500);
    for bit in 0..good.len() * 8 {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A flip may give another message that is as good, such as one of a session that is not there.
        let (mut host, edge, _) = table();
        let before = state(&host);
        let told = edge.say(&mut host, flipped);
        assert!(!matches!(told[..], [EgressMessageT::EdgeRefused(_)]) || state(&host) == before, "bit {bit}");
    }
}

#[test]
fn a_match_that_closes_ends_its_sessions_and_answers_what_waited() {
    let mut host = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    edge.open(&mut host);
    edge.join(&mut host, &token(1)).unwrap();
    edge.join(&mut host, &token(2)).unwrap();
    let elsewhere = edge.join(&mut host, &Token { match_id: 2, ..token(3) }).unwrap();
    edge.say(&mut host, deposit(1, 1, 1));
    edge.say(&mut host, deposit(2, 1, 1));
    edge.say(&mut host, deposit(1, 1, 2));
    let told = edge.say(&mut host, edge::close_match(5, 1));
    let closed = OutcomeCode::MATCH_CLOSED.0;
    assert_eq!(codes(&outcomes(&told)), [(1, 1, closed), (2, 1, closed), (1, 2, closed)]);
    assert_eq!(ended(&told), [(1, CloseCode::NoMatch), (2, CloseCode::NoMatch)]);
    let Some(EgressMessageT::MatchClosed(answer)) = told.last() else { panic!("{told:?}") };
    assert_eq!((answer.request, answer.match_id, answer.code), (5, 1, CloseCode::Done as u16));
    assert_eq!(only(&outcomes(&edge.say(&mut host, deposit(1, 1, 3)))).code, OutcomeCode::NO_SESSION.0);
    host.advance(100);
    let rest = edge.hear(&mut host);
    assert!(!rest.is_empty() && edge::deltas(&rest).iter().all(|delta| delta.match_id == 2));
    assert_eq!(host.service().session_count(), 1);
    assert_eq!(codes(&outcomes(&edge.say(&mut host, deposit(elsewhere.session, 1, 1)))), []);
    let again = edge.say(&mut host, edge::close_match(6, 1));
    let [EgressMessageT::MatchClosed(answer)] = &again[..] else { panic!("{again:?}") };
    assert_eq!(answer.code, CloseCode::NoMatch as u16);
}

// ---- who is an edge ---------------------------------------------------------------------------------

/// Says a hello of one session in another (or the same) one; gives whether it was accepted.
fn says_hello(
    host: &mut SimHost<OnCommand>,
    key: &EdgeKey,
    signed_for: ClusterSessionId,
    said_in: ClusterSessionId,
) -> bool {
    let hello = encode_ingress(IngressMessageT::EdgeHello(Box::new(key.hello(signed_for, "edge"))));
    host.offer(said_in, hello);
    let told = edge::heard(host.take_messages(said_in));
    match told[..] {
        [EgressMessageT::EdgeAccepted(_)] => true,
        [EgressMessageT::EdgeRefused(_)] => false,
        _ => panic!("{told:?}"),
    }
}

#[test]
fn the_first_good_proof_founds_the_log_and_another_key_is_refused_and_closed() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let (ours, other) = (EdgeKey::of_secret(b"ours"), EdgeKey::of_secret(b"other"));
    assert_eq!(host.service().edge_key(), None);
    let first = host.open_session();
    assert!(says_hello(&mut host, &ours, first, first));
    let second = host.open_session();
    assert!(!says_hello(&mut host, &other, second, second));
    assert_eq!(host.service().edge_key(), Some(ours.public()));
    assert_eq!(host.service().cluster_sessions(), [first], "who cannot prove it is closed");
}

#[test]
fn a_hello_that_was_overheard_opens_no_other_session() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let ours = EdgeKey::of_secret(b"ours");
    let edge = host.open_session();
    assert!(says_hello(&mut host, &ours, edge, edge));
    let thief = host.open_session();
    assert!(!says_hello(&mut host, &ours, edge, thief));
    assert_eq!(host.service().cluster_sessions(), [edge]);
}

#[test]
fn a_bad_proof_founds_nothing() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let thief = host.open_session();
    assert!(!says_hello(&mut host, &EdgeKey::of_secret(b"ours"), ClusterSessionId(99), thief));
    assert_eq!(host.service().edge_key(), None);
    let edge = host.open_session();
    assert!(says_hello(&mut host, &EdgeKey::of_secret(b"ours"), edge, edge));
}

#[test]
fn the_key_of_the_log_outlives_a_restart_with_and_without_a_snapshot() {
    let ours = EdgeKey::of_secret(b"ours");
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let edge = host.open_session();
    assert!(says_hello(&mut host, &ours, edge, edge));
    for snapshot in [None, Some(host.snapshot())] {
        host.crash_and_recover(snapshot.as_deref()).unwrap();
        assert_eq!(host.service().edge_key(), Some(ours.public()));
        let stranger = host.open_session();
        assert!(!says_hello(&mut host, &EdgeKey::of_secret(b"other"), stranger, stranger));
    }
}

#[test]
fn hash_reports_are_kept_for_ticks_that_ran_and_go_with_their_match() {
    let (mut host, edge, _) = table();
    let report = |tick: u64, member: u32| edge::hash_report(member, 1, tick, 7);
    edge.say(&mut host, deposit(1, 1, 1));
    let tick = host.service().get_match(1).unwrap().simulation().tick();
    assert!(edge.say(&mut host, report(tick, 2)).is_empty());
    edge.say(&mut host, report(tick + 1, 2));
    let said: Vec<_> = host.service().reports().of(1, tick).iter().map(|said| (said.member, said.hash)).collect();
    assert_eq!(said, [(2, 7)]);
    assert!(host.service().reports().of(1, tick + 1).is_empty(), "nobody knows of a tick that is still to come");
    host.crash_and_recover(Some(&host.snapshot())).unwrap();
    assert_eq!(host.service().reports().of(1, tick).len(), 1);
    let edge = Edge::connect(&mut host);
    edge.say(&mut host, edge::close_match(1, 1));
    assert!(host.service().reports().of(1, tick).is_empty());
}
