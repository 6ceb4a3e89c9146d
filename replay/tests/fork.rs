//! A fork is the match up to its tick, and from there what was changed makes of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod played;

use std::sync::Arc;

use arena::{Arena, Command};
use ecs_state::{Input, MatchRng};
use replay::{Change, FieldEdit, ForkError, ForkPlan, Forked, Reel, Source, capture, compare, fork, verify};

const TICKS: u64 = 700;

fn arena(seed: u64) -> Arc<Source> {
    played::source_of::<Arena>(&played::arena(seed, 6, TICKS))
}

fn try_fork(source: &Arc<Source>, plan: &ForkPlan) -> Result<Forked, ForkError> {
    fork::<Arena>(source, plan, |_, _| {})
}

/// Forks, and checks that the file of the fork plays as the fork did.
fn check(source: &Arc<Source>, plan: &ForkPlan) -> Forked {
    let forked = try_fork(source, plan).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fork.wlm");
    std::fs::write(&path, &forked.file).unwrap();
    let report = verify::<Arena>(&path, |_, _| {}).unwrap();
    assert_eq!(report.mismatches, 0, "{:?}", report.first_difference);
    forked
}

fn first_difference(forked: &Forked) -> Option<u64> {
    let comparison = forked.compare::<Arena>(20).unwrap();
    let is_equal = comparison.first_difference_tick.is_none();
    assert_eq!(is_equal, comparison.outcome_a == comparison.outcome_b, "{comparison:?}");
    assert_eq!(is_equal, comparison.differences_in_all == 0 && comparison.first.is_empty(), "{comparison:?}");
    assert!(comparison.differences.len() <= 20 && comparison.first.len() <= 20);
    comparison.first_difference_tick
}

/// Commands with their ticks: tick, player, seq.
fn commands(source: &Source) -> Vec<(u64, u32, u64)> {
    let mut commands = Vec::new();
    for tick in 1..=source.last_tick() {
        let step = source.step_of(tick).unwrap();
        let players = step.inputs.iter().filter_map(|input| match input {
            Input::Command { player, .. } => Some(*player),
            _ => None,
        });
        commands.extend(players.zip(&step.origins).map(|(player, origin)| (tick, player, origin.seq)));
    }
    commands
}

/// A field that some avatar has.
fn health_at(source: &Arc<Source>, tick: u64) -> (u32, i64) {
    let mut reel = Reel::<Arena>::new(Arc::clone(source)).unwrap();
    reel.seek(tick).unwrap();
    let columns = reel.columns();
    let (seat, _) = columns.manifest().layout_of("Seat").unwrap();
    let avatars = columns.column(seat).iter().filter_map(|(id, _)| columns.field(id, "Seat", "avatar"));
    let avatar = avatars.into_iter().find(|avatar| *avatar != 0).unwrap() as u32;
    (avatar, columns.field(ecs_state::EntityId(avatar), "Health", "points").unwrap())
}

#[test]
fn a_fork_without_a_change_is_the_match() {
    for seed in 0..4 {
        let source = arena(seed);
        let mut rng = MatchRng::new(seed, 0, "ticks");
        let ticks = [0, 1, 299, 300, 301, TICKS].into_iter().chain((0..4).map(|_| u64::from(rng.below(TICKS as u32))));
        for tick in ticks {
            let forked = check(&source, &ForkPlan { tick, ..ForkPlan::default() });
            assert_eq!(first_difference(&forked), None, "seed {seed}, tick {tick}");
            for tick in 1..=TICKS {
                assert_eq!(forked.source.step_of(tick), source.step_of(tick), "seed {seed}");
            }
        }
    }
}

#[test]
fn without_a_command_nothing_differs_before_its_tick() {
    let (mut tried, mut differed) = (0, 0);
    for seed in 0..6 {
        let source = arena(seed);
        let commands = commands(&source);
        let mut rng = MatchRng::new(seed, 1, "drops");
        for _ in 0..6 {
            let (tick, player, seq) = commands[rng.below(commands.len() as u32) as usize];
            let from = u64::from(rng.below(tick as u32));
            let changes = vec![Change::Drop { player, seq }];
            let forked = check(&source, &ForkPlan { tick: from, changes, ..ForkPlan::default() });
            // What a command does at all is seen at once: an applied one is counted.
            let first = first_difference(&forked);
            assert!(first.is_none_or(|first| first == tick), "seed {seed}, {player}:{seq} of tick {tick}: {first:?}");
            tried += 1;
            differed += u32::from(first.is_some());
        }
    }
    assert!(differed * 2 > tried, "most commands do something: {differed} of {tried}");
}

#[test]
fn a_field_is_set_at_the_tick_and_counts_from_there() {
    let source = arena(11);
    for tick in [0, 150, 300, 455] {
        if tick == 0 {
            let plan = ForkPlan {
                tick,
                sets: vec![FieldEdit::parse("1.Score.teams.0=7", source.manifest()).unwrap()],
                ..ForkPlan::default()
            };
            assert_eq!(first_difference(&check(&source, &plan)), Some(0));
            continue;
        }
        let (avatar, points) = health_at(&source, tick);
        let set = |points: i64| ForkPlan {
            tick,
            sets: vec![FieldEdit::parse(&format!("{avatar}.Health.points={points}"), source.manifest()).unwrap()],
            ..ForkPlan::default()
        };
        assert_eq!(first_difference(&check(&source, &set(points))), None, "what it was changes nothing");
        let forked = check(&source, &set(points - 1));
        let comparison = forked.compare::<Arena>(100).unwrap();
        assert_eq!(comparison.first_difference_tick, Some(tick));
        let [only] = &comparison.first[..] else { panic!("{:?}", comparison.first) };
        assert_eq!((only.entity, only.component.as_str(), only.field.as_str()), (avatar, "Health", "points"));
        assert_eq!(health_at(&forked.source, tick), (avatar, points - 1));
    }
}

#[test]
fn a_command_can_be_added_changed_and_left_out_for_a_while() {
    let source = arena(12);
    let payload = Command::Move { x: 127, y: -1 }.encode();
    let added = ForkPlan {
        tick: 400,
        changes: vec![Change::Add { tick: 410, player: 3, payload: payload.clone() }],
        ..ForkPlan::default()
    };
    let forked = check(&source, &added);
    assert_eq!(first_difference(&forked), Some(410));
    assert!(matches!(&forked.commands[..], [command] if (command.tick, command.player) == (410, 3)));

    let (tick, player, seq) = *commands(&source).iter().find(|(tick, ..)| *tick > 500).unwrap();
    let replaced =
        ForkPlan { tick: 450, changes: vec![Change::Replace { player, seq, payload }], ..ForkPlan::default() };
    let forked = check(&source, &replaced);
    assert!(first_difference(&forked).is_none_or(|first| first >= tick));
    assert_eq!(
        forked.source.step_of(tick).unwrap().origins,
        source.step_of(tick).unwrap().origins,
        "it keeps its number"
    );

    let quiet = ForkPlan { tick: 450, changes: vec!["2@500..550".parse().unwrap()], ..ForkPlan::default() };
    let forked = check(&source, &quiet);
    let of_player =
        |source: &Source| commands(source).into_iter().filter(|(_, player, _)| *player == 2).collect::<Vec<_>>();
    let left: Vec<_> = of_player(&source).into_iter().filter(|(tick, ..)| !(500..=550).contains(tick)).collect();
    assert_eq!(of_player(&forked.source), left);

    let gone =
        ForkPlan { tick: 300, changes: vec![Change::DropPlayer { player: 2 }], to: Some(600), ..ForkPlan::default() };
    let forked = check(&source, &gone);
    assert!(of_player(&forked.source).iter().all(|(tick, ..)| *tick <= 300));
    assert_eq!(forked.source.last_tick(), 600);
    assert!(first_difference(&forked).unwrap() > 300);
}

#[test]
fn other_content_counts_from_the_next_tick_on_and_the_same_content_changes_nothing() {
    let source = arena(13);
    let same = arena::content_with_population(30);
    let more = arena::content_with_population(60);
    for tick in [0, 1, 299, 300, 420] {
        let with = |content: &[u8]| ForkPlan { tick, content: Some(content.to_vec()), ..ForkPlan::default() };
        let equal = check(&source, &with(&same));
        assert_eq!(first_difference(&equal), None, "tick {tick}");
        let other = check(&source, &with(&more));
        let first = first_difference(&other).unwrap();
        assert!((tick + 1..=tick + 30).contains(&first), "more drones come soon after tick {tick}: {first}");
        // A fork of the fork knows the content in force at each tick.
        for later in [tick + 1, 650] {
            let again = check(&other.source, &ForkPlan { tick: later, ..ForkPlan::default() });
            assert_eq!(first_difference(&again), None, "tick {tick}, again at {later}");
        }
        let mut reel = Reel::<Arena>::new(Arc::clone(&other.source)).unwrap();
        for tick in [690, tick + 5, tick + 1] {
            reel.seek(tick).unwrap();
            assert_eq!(reel.columns().total_hash(), other.source.step_of(tick).unwrap().hash);
        }
    }
    let bad = ForkPlan { content: Some(b"no content".to_vec()), ..ForkPlan::default() };
    assert!(matches!(try_fork(&source, &bad), Err(ForkError::Content(_))));
}

#[test]
fn a_part_of_a_match_is_a_match_that_begins_with_the_keyframe_before() {
    let source = arena(15);
    let keyframes = source.keyframes();
    assert!(keyframes.len() > 2, "{keyframes:?}");
    for (from, to) in [(0, 0), (1, 1), (350, 360), (keyframes[1], keyframes[1]), (keyframes[1] + 1, 9_999), (700, 700)]
    {
        let captured = capture(&source, from..=to).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.wlm");
        std::fs::write(&path, &captured.file).unwrap();
        let report = verify::<Arena>(&path, |_, _| {}).unwrap();
        assert_eq!((report.mismatches, report.ticks), (0, captured.last_tick - captured.first_tick), "{from}..{to}");
        // The outcome of a tick is shown by playing it, not by a keyframe of it.
        let before = keyframes.iter().rev().find(|tick| **tick < from).copied().unwrap_or_default();
        assert_eq!((captured.first_tick, captured.last_tick), (before, to.min(TICKS)));
        let part = played::source_of::<Arena>(&captured.file);
        (before + 1..=to.min(TICKS)).for_each(|tick| assert_eq!(part.step_of(tick), source.step_of(tick)));
        if captured.last_tick > captured.first_tick {
            let tick = (captured.first_tick + captured.last_tick).div_ceil(2);
            assert_eq!(first_difference(&check(&part, &ForkPlan { tick, ..ForkPlan::default() })), None);
            assert_eq!(
                compare::<Arena>(&source, &part, 5).unwrap().first_difference_tick,
                None,
                "side by side with the whole"
            );
        }
    }
}

#[test]
fn what_cannot_be_changed_is_named() {
    let source = arena(14);
    let (tick, player, seq) = commands(&source)[40];
    let refused = |tick: u64, change: &str| {
        let changes = vec![change.parse().unwrap()];
        try_fork(&source, &ForkPlan { tick, changes, ..ForkPlan::default() }).unwrap_err().to_string()
    };
    let text = refused(tick, &format!("{player}:{seq}"));
    assert!(text.contains(&format!("it came in tick {tick}; fork at a tick before")), "{text}");
    let text = refused(0, &format!("{player}:999999"));
    assert!(text.contains("no such command"), "{text}");
    let text = refused(900, "1:1");
    assert!(text.contains("tick 900 is not in the match, which has ticks 0 to 700"), "{text}");
    let set = |text: &str| FieldEdit::parse(text, source.manifest());
    assert!(set("1.Score.nothing=1").is_err() && set("1.Score.round").is_err() && set("1.Score.round=many").is_err());
    let plan = ForkPlan { tick: 5, sets: vec![set("99999.Health.points=1").unwrap()], ..ForkPlan::default() };
    let text = try_fork(&source, &plan).unwrap_err().to_string();
    assert!(text.contains("entity 99999 does not exist at this tick"), "{text}");
    for text in ["", "1", "1:", "x:1", "1@5", "1@5..", "-1:3", "1:2:3", "99999999999:1"] {
        assert!(text.parse::<Change>().is_err(), "{text}");
    }
}
