//! Matches that begin with a state of another: as whom one may join, and that every host computes the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod edge;
mod games;

use cluster_service::SimHost;
use ecs_state::Keyframe;
use edge::{Edge, Token, ask_matches, codes, commands, detach, leave, outcomes};
use games::{AtRate, Command, OnCommand, purse};
use protocol::cluster::{EgressMessageT, IngressMessageT, OpenMatchT, encode_ingress};
use protocol::limits::{MATCHES_MAX, SESSION_EXPIRY_MS};
use protocol::outcome::CloseCode;

const START_MS: i64 = 1_800_000_000_000;

fn token(match_id: u64, account: &str, nonce: u64) -> Token {
    Token { match_id, account: account.to_owned(), nonce, expires_ms: START_MS + 30_000 }
}

fn open_from(host: &mut SimHost<AtRate>, edge: Edge, keyframe: Vec<u8>, players: Vec<u32>) -> (u64, CloseCode) {
    let mut open = OpenMatchT::default();
    (open.request, open.seed, open.label) = (1, 7, Some("taken over".to_owned()));
    (open.content, open.keyframe, open.players) = (Vec::new(), Some(keyframe), Some(players));
    let told = edge.say(host, encode_ingress(IngressMessageT::OpenMatch(Box::new(open))));
    let Some(EgressMessageT::MatchOpened(opened)) = told.last() else { panic!("{told:?}") };
    (opened.match_id, CloseCode::from_number(u64::from(opened.code)).unwrap())
}

fn coins(host: &SimHost<AtRate>, match_id: u64, player: u32) -> Option<u64> {
    purse(host.service().get_match(match_id).unwrap().simulation().columns(), player).map(|purse| purse.coins)
}

/// A match in which two players have coins, and a second one that begins with its state.
fn taken_over() -> (SimHost<AtRate>, Edge, u64) {
    let mut host = SimHost::<AtRate>::new(START_MS);
    let edge = Edge::connect(&mut host);
    edge.open(&mut host);
    let one = edge.join(&mut host, &token(1, "one", 1)).unwrap();
    let two = edge.join(&mut host, &token(1, "two", 2)).unwrap();
    host.advance(100);
    edge.say(&mut host, commands(&[(one.session, 1, 1, Command::Deposit(10).encode())]));
    edge.say(&mut host, commands(&[(two.session, 1, 1, Command::Deposit(20).encode())]));
    host.advance(100);
    let keyframe = host.service().get_match(1).unwrap().simulation().keyframe_now();
    let (match_id, code) = open_from(&mut host, edge, keyframe.encode(), vec![1, 2]);
    assert_eq!((match_id, code), (2, CloseCode::Done));
    (host, edge, match_id)
}

#[test]
fn a_match_begins_with_the_state_and_goes_on_by_itself() {
    let (mut host, _, match_id) = taken_over();
    let tick_of = |host: &SimHost<AtRate>, id| host.service().get_match(id).unwrap().simulation().tick();
    assert_eq!(tick_of(&host, 2), tick_of(&host, 1));
    assert_eq!((coins(&host, match_id, 1), coins(&host, match_id, 2)), (Some(10), Some(20)));
    let before = tick_of(&host, match_id);
    host.advance(1_000);
    assert!(tick_of(&host, match_id) > before + 20);
}

#[test]
fn whoever_asks_is_told_what_is_open_and_nothing_changes() {
    let (mut host, edge, taken) = taken_over();
    edge.hear(&mut host);
    let mut ask = |match_id| match edge.say(&mut host, ask_matches(9, match_id)).pop() {
        Some(EgressMessageT::OpenMatches(told)) => (told.request, told.matches),
        told => panic!("{told:?}"),
    };
    let (request, all) = ask(0);
    assert_eq!((request, all.iter().map(|open| open.match_id).collect::<Vec<_>>()), (9, vec![1, taken]));
    assert_eq!(all[1].kept, Some(vec![1, 2]), "whom others may play on");
    assert!(all.iter().all(|open| open.content.is_none()), "a list is short");
    assert_eq!((&all[0].label, all[0].players, all[0].tick_millihertz), (&Some("arena".to_owned()), 2, 30_000));
    let (_, one) = ask(1);
    assert_eq!((one.len(), &one[0].content), (1, &Some(Vec::new())), "what it was opened with");
    assert_eq!((one[0].tick, one[0].hash), (all[0].tick, all[0].hash));
    assert_eq!(ask(77).1, []);
    let open = host.service().get_match(1).unwrap();
    assert_eq!(open.simulation().columns().total_hash(), one[0].hash);
    assert_eq!(open.simulation().tick(), one[0].tick);
}

#[test]
fn the_longest_list_can_be_read() {
    let mut host = SimHost::<OnCommand>::new(START_MS);
    let edge = Edge::connect(&mut host);
    for _ in 0..MATCHES_MAX {
        edge.open(&mut host);
    }
    let told = edge.say(&mut host, ask_matches(1, 0)).pop();
    assert!(matches!(told, Some(EgressMessageT::OpenMatches(told)) if told.matches.len() == MATCHES_MAX));
}

#[test]
fn who_joins_as_a_player_plays_that_one_and_others_are_new() {
    let (mut host, edge, match_id) = taken_over();
    let second = edge.join(&mut host, &token(match_id, "player:2:ann", 10)).unwrap();
    let other = edge.join(&mut host, &token(match_id, "bob", 11)).unwrap();
    assert_eq!((second.player, other.player), (2, 3));
    assert_eq!(edge.join(&mut host, &token(match_id, "player:2:eve", 12)), Err(CloseCode::Full), "she is played");
    let unknown = edge.join(&mut host, &token(match_id, "player:9:eve", 13)).unwrap();
    assert_eq!(unknown.player, 4, "there is no player 9: the account is a name like others");
    edge.watch(&mut host, match_id);
    edge.say(&mut host, commands(&[(second.session, 1, 1, Command::Deposit(5).encode())]));
    host.advance(100);
    assert_eq!(codes(&outcomes(&edge.hear(&mut host))), [(second.session, 1, 0)]);
    assert_eq!((coins(&host, match_id, 2), coins(&host, 1, 2)), (Some(25), Some(20)), "the first match is another");
}

#[test]
fn players_of_the_state_stay_when_those_who_played_them_go() {
    let (mut host, edge, match_id) = taken_over();
    let first = edge.join(&mut host, &token(match_id, "player:1:ann", 10)).unwrap();
    let other = edge.join(&mut host, &token(match_id, "bob", 11)).unwrap();
    host.advance(100);
    edge.say(&mut host, leave(first.session, 1));
    edge.say(&mut host, leave(other.session, 1));
    host.advance(100);
    assert_eq!((coins(&host, match_id, 1), coins(&host, match_id, other.player)), (Some(10), None));
    let again = edge.join(&mut host, &token(match_id, "player:1:eve", 12)).unwrap();
    assert_eq!(again.player, 1);
    edge.say(&mut host, detach(again.session, 1));
    host.advance(SESSION_EXPIRY_MS + 1_000);
    assert_eq!(coins(&host, match_id, 1), Some(10));
}

#[test]
fn a_snapshot_and_the_log_bring_it_back_alike() {
    let (mut host, edge, match_id) = taken_over();
    edge.join(&mut host, &token(match_id, "player:1:ann", 10)).unwrap();
    host.advance(500);
    let snapshot = host.snapshot();
    host.advance(500);
    let hash = |host: &SimHost<AtRate>| host.service().get_match(2).unwrap().simulation().columns().total_hash();
    let lived = hash(&host);
    for from in [Some(&snapshot[..]), None] {
        host.crash_and_recover(from).unwrap();
        assert_eq!(hash(&host), lived);
        let edge = Edge::connect(&mut host);
        let refused = edge.join(&mut host, &token(match_id, "player:1:eve", 20));
        assert_eq!(refused, Err(CloseCode::Full), "who plays whom came back too");
    }
}

#[test]
fn what_is_no_state_of_the_game_opens_no_match() {
    let (mut host, edge, _) = taken_over();
    let keyframe = host.service().get_match(1).unwrap().simulation().keyframe_now();
    let good = keyframe.encode();
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        assert_eq!(open_from(&mut host, edge, good[..cut].to_vec(), vec![1]).1, CloseCode::BadContent, "{cut} bytes");
    }
    let mut last: Keyframe = keyframe;
    last.tick = u64::MAX;
    assert_eq!(open_from(&mut host, edge, last.encode(), vec![1]).1, CloseCode::BadContent);
}
