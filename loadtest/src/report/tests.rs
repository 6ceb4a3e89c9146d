//! The sums are right, and whatever is wrong shows.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// A bot whose commands were all applied, each after 10 ms, and which the match counts as `tally`.
fn played(applied: u64, tally: Result<u64, &str>) -> Played {
    let mut account = Account::default();
    for place in 0..applied {
        let sent = Duration::from_millis(100 * place);
        account.note_sent(sent);
        account.note_applied(sent, sent + Duration::from_millis(10));
    }
    let stats =
        Stats { deltas: 300, baselines: 1, hash_checks: 301, bytes_up: 1_000, bytes_down: 20_000, ..Stats::default() };
    let longest_gap = account.longest_gap(Duration::from_secs(10));
    let tally = tally.map_err(str::to_owned);
    let mut fresh_us = new_histogram();
    (0..300).for_each(|_| fresh_us.record(2_000).unwrap());
    let lasted = Duration::from_secs(10);
    Played { account, stats, lasted, longest_gap, tally, ended: None, fresh_us, row_age_us: new_histogram(), leaks: 0 }
}

fn report(bots: Vec<Played>) -> Report {
    let records: Vec<_> = bots.into_iter().map(|bot| BotRecord::Played(Box::new(bot))).collect();
    Report::of(&records, Duration::from_secs(10), 0)
}

/// What of `problems` names, for a swarm of this bot and one that is in order.
fn problems_of(bot: Played) -> String {
    report(vec![bot, played(100, Ok(100))]).problems().join("; ")
}

#[test]
fn a_swarm_that_finds_all_its_commands_is_clean() {
    let report = report(vec![played(100, Ok(100)), played(50, Ok(50))]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.bots, report.joined, report.commands_sent, report.commands_acked), (2, 2, 150, 150));
    assert_eq!((report.deltas, report.hash_checks), (600, 602));
    assert_eq!((report.bytes_up_per_bot_s, report.bytes_down_per_bot_s, report.commands_per_bot_s), (100.0, 2e3, 7.5));
    assert!((report.ack_ms.p50 - 10.0).abs() < 0.02 && (report.ack_ms.max - 10.0).abs() < 0.02);
    assert!((report.longest_gap_ms - 10.0).abs() < 0.001);
}

#[test]
fn a_swallowed_command_counts_as_lost_and_a_doubled_one_as_duplicate() {
    let swallowed = report(vec![played(100, Ok(99)), played(50, Ok(50))]);
    assert_eq!((swallowed.commands_lost, swallowed.duplicates, swallowed.is_clean()), (1, 0, false));
    let doubled = report(vec![played(100, Ok(101)), played(50, Ok(50))]);
    assert_eq!((doubled.commands_lost, doubled.duplicates, doubled.is_clean()), (0, 1, false));
    // One bot's loss is not made good by another's surplus.
    let both = report(vec![played(100, Ok(99)), played(50, Ok(51))]);
    assert_eq!((both.commands_lost, both.duplicates, both.is_clean()), (1, 1, false));
}

#[test]
fn whatever_is_wrong_makes_the_run_unclean_and_is_named() {
    let mut unknown = played(10, Ok(11));
    unknown.account.note_sent(Duration::from_secs(2));
    unknown.account.note_unknown(Duration::from_secs(3));
    assert_eq!(problems_of(unknown), "1 commands have no outcome, and never will");

    let mut mismatch = played(10, Ok(10));
    mismatch.stats.hash_mismatches = 2;
    assert_eq!(problems_of(mismatch), "2 hashes differ from the server's");

    let mut told_too_much = played(10, Ok(10));
    told_too_much.leaks = 3;
    assert_eq!(problems_of(told_too_much), "3 entities were seen that interest forbids");

    let blind = problems_of(played(10, Err("no state came")));
    assert_eq!(blind, "10 acknowledged commands could not be compared with the final state");

    let mut malformed = played(10, Ok(10));
    malformed.account.note_sent(Duration::ZERO);
    malformed.account.note_rejected("malformed", Duration::ZERO, Duration::ZERO);
    assert!(problems_of(malformed).starts_with("1 commands are malformed"));

    let mut ended = played(10, Ok(10));
    ended.ended = Some("closed by the server".to_owned());
    assert_eq!(problems_of(ended), "1 sessions ended before their bot was done");
}

#[test]
fn a_swarm_that_did_nothing_shows_nothing() {
    assert!(!report(vec![played(0, Ok(0))]).is_clean());
    assert!(!report(vec![]).is_clean());
    let refused = || BotRecord::NotJoined { error: Some("the match is full".to_owned()) };
    let report = Report::of(&[refused(), refused()], Duration::from_secs(1), 0);
    assert_eq!(report.errors["the match is full"], 2);
    assert!(report.problems()[0].starts_with("2 bots did not join"));
}

#[test]
fn the_json_has_the_keys_that_scripts_rely_on() {
    let json = serde_json::to_value(report(vec![played(5, Ok(5))])).unwrap();
    let keys = "bots joined commands_sent commands_acked commands_rejected commands_lost duplicates deltas hash_checks \
                hash_mismatches resumes longest_gap_ms ack_ms freshness_ms row_age_ms leaks \
                bytes_down_per_bot_s bytes_up_per_bot_s";
    for key in keys.split_whitespace() {
        assert!(json.get(key).is_some(), "{key}");
    }
    for key in ["p50", "p99", "p999", "max"] {
        assert!(json["ack_ms"][key].is_number() && json["freshness_ms"][key].is_number(), "{key}");
    }
}

#[test]
fn the_table_is_aligned() {
    let text = report(vec![played(12_345, Ok(12_345)), played(1, Ok(1))]).to_string();
    assert!(text.contains("\ncommands sent    12,346  "), "{text}");
    assert!(text.contains("\nack p50         10.0 ms\n"), "{text}");
    assert!(text.ends_with("clean: each acknowledged command is in the final state once\n"), "{text}");
}
