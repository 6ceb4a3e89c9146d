//! What a lens admits is what the manifest's rules admit, and it allocates nothing to say so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod sight;

use std::sync::Arc;

use net_edge::interest::Lens;
use protocol::manifest::{Manifest, Nearness, Reach};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sight::{Letter, PLACE, PLAN, State, Thing, World, manifest};

const PLAYERS: u32 = 6;

/// A match, its lens, and what each player hears of.
struct Match {
    manifest: Arc<Manifest>,
    world: World,
    state: State,
    lens: Lens,
    letter: Letter,
    held: Vec<Vec<u32>>,
}

impl Match {
    fn new(manifest: Arc<Manifest>) -> Self {
        let held = vec![Vec::new(); PLAYERS as usize + 1];
        let (state, lens) = (State::new(&manifest), Lens::new(&manifest));
        Self { manifest, world: World::new(), state, lens, letter: Letter::default(), held }
    }

    fn of(reach: Reach, margin: u32) -> Self {
        Self::new(manifest(2, reach, margin))
    }

    fn near(&self) -> &Nearness {
        self.manifest.interest().unwrap().nearness.as_ref().unwrap()
    }

    fn put(&mut self, id: u32, thing: Thing) -> &mut Self {
        self.world.insert(id, thing);
        self
    }

    /// Takes the world's changes into the lens, and what it gives into each player's hands.
    fn tick(&mut self) {
        let touched = self.state.follow(&self.world);
        self.lens.note(&self.state.columns, &touched);
        self.letter.follow(&self.world);
        for player in 1..=PLAYERS {
            let mut seen = Vec::new();
            self.lens.look(player, &self.held[player as usize], &mut seen);
            self.held[player as usize] = seen;
        }
    }

    fn sees(&mut self, player: u32) -> Vec<u32> {
        self.tick();
        self.held[player as usize].clone()
    }
}

fn at(x: i64, y: i64) -> Thing {
    Thing { at: Some([x, y, 0]), ..Thing::default() }
}

fn owned(owner: u32, thing: Thing) -> Thing {
    Thing { owner, ..thing }
}

// ---- against the letter -------------------------------------------------------------------------

fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    rng.next_u32() % bound
}

fn random_place(rng: &mut ChaCha8Rng, scale: u32) -> [i64; 3] {
    // Now and then at an end of what the fields hold: 32 bits signed, 32 bits unsigned, 16 bits signed.
    let ends = [
        [i64::from(i32::MIN), 0, i64::from(i16::MIN)],
        [i64::from(i32::MAX), i64::from(u32::MAX), i64::from(i16::MAX)],
    ];
    let mut axis = |low: i64, shrink: u32| {
        let by = i64::from(below(rng, (scale / shrink).max(1)));
        (low + by, by)
    };
    let inner = [axis(-i64::from(scale / 2), 1).0, axis(1 << 31, 1).0, axis(-50, 8).0.clamp(-1_000, 1_000)];
    match below(rng, 40) {
        0 => ends[0],
        1 => ends[1],
        _ => inner,
    }
}

fn random_thing(rng: &mut ChaCha8Rng, scale: u32) -> Thing {
    let sides = [0, 1, 2, 3, 63, 64, 200];
    Thing {
        owner: below(rng, 3) / 2 * below(rng, PLAYERS + 1),
        at: (below(rng, 8) > 0).then(|| random_place(rng, scale)),
        side: (below(rng, 2) == 0).then(|| sides[below(rng, 7) as usize]),
        beacon: below(rng, 10) == 0,
        stash: below(rng, 12) == 0,
        mark: below(rng, 8) == 0,
        signal: (below(rng, 8) == 0).then(|| rng.next_u64() & rng.next_u64()),
        cloak: below(rng, 8) == 0,
        plan: below(rng, 2) == 0,
        pebble: (below(rng, 2) == 0).then(|| rng.next_u32() as u8),
    }
}

/// Entities come, go, move, change hands and sides.
fn random_tick(world: &mut World, rng: &mut ChaCha8Rng, scale: u32, next_id: &mut u32) {
    for _ in 0..below(rng, 4) {
        *next_id += 1 + below(rng, 3);
        world.insert(*next_id, random_thing(rng, scale));
    }
    let ids: Vec<u32> = world.keys().copied().collect();
    for id in ids {
        let thing = world.get_mut(&id).unwrap();
        match below(rng, 40) {
            0 => _ = world.remove(&id),
            1 => *thing = random_thing(rng, scale),
            2 => thing.owner = below(rng, PLAYERS + 1),
            3 => thing.side = thing.side.map_or(Some(1), |side| (side != 1).then_some(2)),
            4 => thing.at = thing.at.map_or_else(|| Some(random_place(rng, scale)), |_| None),
            5 => thing.signal = Some(rng.next_u64()),
            6..=20 => {
                if let Some([x, ..]) = &mut thing.at {
                    *x = (*x + i64::from(below(rng, 21)) - 10).clamp(i32::MIN.into(), i32::MAX.into());
                }
            }
            _ => {}
        }
    }
}

/// One look of every player, compared with the rules entity by entity.
fn check(played: &Match, before: &[Vec<u32>], context: &str) {
    for player in 1..=PLAYERS {
        let held = &before[player as usize];
        let admitted: Vec<u32> = played
            .world
            .iter()
            .filter(|(id, thing)| played.letter.admits(played.near(), player, thing, held.contains(id)))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(played.held[player as usize], admitted, "player {player}, {context}");
        for (id, thing) in &played.world {
            let is_ours = thing.owner == player || played.letter.is_team_mate(player, thing);
            assert_eq!(played.lens.admits_row(player, *id, PLAN), is_ours, "plan of {id}, player {player}, {context}");
            assert!(played.lens.admits_row(player, *id, PLACE));
        }
    }
}

fn random_match(seed: u64) -> (Match, ChaCha8Rng, u32) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let axes = 2 + below(&mut rng, 2) as usize;
    let scale = [40, 400, 4_000][below(&mut rng, 3) as usize];
    let reach = |rng: &mut ChaCha8Rng| 1 + below(rng, scale / 3);
    let reach = match below(&mut rng, 2) {
        0 => Reach::Radius(reach(&mut rng)),
        _ => Reach::Rectangle((0..axes).map(|_| reach(&mut rng)).collect()),
    };
    let margin = below(&mut rng, 2) * below(&mut rng, scale / 4);
    (Match::new(manifest(axes, reach, margin)), rng, scale)
}

#[test]
fn a_lens_admits_what_the_rules_admit() {
    for seed in 0..120 {
        let (mut played, mut rng, scale) = random_match(seed);
        let mut next_id = 0;
        for tick in 0..60 {
            let before = played.held.clone();
            random_tick(&mut played.world, &mut rng, scale, &mut next_id);
            played.tick();
            check(&played, &before, &format!("seed {seed}, tick {tick}"));
        }
    }
}

#[test]
fn a_lens_that_begins_anew_admits_the_same() {
    for seed in 1_000..1_040 {
        let (mut played, mut rng, scale) = random_match(seed);
        let mut next_id = 0;
        for tick in 0..40 {
            let before = played.held.clone();
            random_tick(&mut played.world, &mut rng, scale, &mut next_id);
            if tick % 7 == 3 {
                // Where players were is not in the columns, and is kept.
                _ = played.state.follow(&played.world);
                played.lens.reset(&played.state.columns);
            }
            played.tick();
            check(&played, &before, &format!("seed {seed}, tick {tick}"));
        }
    }
}

#[test]
fn an_entity_may_be_named_that_did_not_change_or_never_was() {
    for seed in 2_000..2_020 {
        let (mut played, mut rng, scale) = random_match(seed);
        let mut next_id = 0;
        for tick in 0..40 {
            let before = played.held.clone();
            random_tick(&mut played.world, &mut rng, scale, &mut next_id);
            _ = played.state.follow(&played.world);
            let all: Vec<u32> = (1..next_id + 5).collect();
            played.lens.note(&played.state.columns, &all);
            played.tick();
            check(&played, &before, &format!("seed {seed}, tick {tick}"));
        }
    }
}

// ---- rule by rule -------------------------------------------------------------------------------

/// Player 1 of team 0 at the origin, player 2 of team 1 far away.
fn two_players() -> Match {
    let mut played = Match::of(Reach::Radius(100), 20);
    played.put(1, Thing { side: Some(0), ..owned(1, at(0, 0)) });
    played.put(2, Thing { side: Some(1), ..owned(2, at(5_000, 0)) });
    played
}

#[test]
fn what_is_near_is_seen_and_what_is_far_is_not() {
    let mut played = two_players();
    played.put(3, at(100, 0)).put(4, at(101, 0)).put(5, at(71, 71)).put(6, at(5_000, 99));
    assert_eq!(played.sees(1), [1, 3]);
    assert_eq!(played.sees(2), [2, 6]);
}

#[test]
fn a_rectangle_reaches_as_far_as_it_says_on_each_axis() {
    let mut played = Match::of(Reach::Rectangle(vec![100, 30]), 0);
    played.put(1, owned(1, at(0, 0)));
    played.put(2, at(100, 30)).put(3, at(-100, 30)).put(4, at(101, 0)).put(5, at(0, 31));
    assert_eq!(played.sees(1), [1, 2, 3]);
}

#[test]
fn coordinates_without_a_sign_are_compared_as_they_are() {
    let mut played = two_players();
    let (middle, end) = (1 << 31, i64::from(u32::MAX));
    played.put(1, owned(1, at(0, middle))).put(2, owned(2, at(0, end)));
    played.put(3, at(0, middle - 100)).put(4, at(0, middle + 100)).put(5, at(0, 0)).put(6, at(0, end - 100));
    assert_eq!(played.sees(1), [1, 3, 4]);
    assert_eq!(played.sees(2), [2, 6]);
}

#[test]
fn what_is_seen_stays_so_within_the_margin_and_comes_back_at_the_reach() {
    let mut played = two_players();
    let mut seen_at = |x| {
        played.put(3, at(x, 0));
        played.sees(1).contains(&3)
    };
    let way = [110, 100, 110, 120, 121, 110, 101, 100];
    assert_eq!(way.map(&mut seen_at), [false, true, true, true, false, false, false, true]);
}

#[test]
fn what_is_nowhere_and_has_no_rule_is_seen_by_all() {
    let mut played = two_players();
    played.put(3, Thing { pebble: Some(1), ..Thing::default() });
    assert_eq!(played.sees(1), [1, 3]);
    assert_eq!(played.sees(2), [2, 3]);
    assert_eq!(played.sees(6), [3], "also by who has nothing");
}

#[test]
fn own_entities_are_seen_whatever_their_rules_say() {
    let mut played = two_players();
    let hidden = Thing { stash: true, mark: true, signal: Some(0), cloak: true, ..at(90_000, 0) };
    played.put(3, owned(1, hidden.clone())).put(4, owned(2, Thing { at: None, ..hidden }));
    assert_eq!(played.sees(1), [1, 3]);
    assert_eq!(played.sees(2), [2, 4]);
}

#[test]
fn a_beacon_is_seen_from_everywhere_and_a_stash_by_its_owner_alone() {
    let mut played = two_players();
    played.put(3, Thing { beacon: true, ..at(90_000, 0) });
    played.put(4, owned(2, Thing { stash: true, ..Thing::default() }));
    assert_eq!(played.sees(1), [1, 3]);
    assert_eq!(played.sees(2), [2, 3, 4]);
}

#[test]
fn a_mark_is_seen_by_its_team_wherever_it_is() {
    let mut played = two_players();
    played.put(3, Thing { mark: true, side: Some(0), ..at(90_000, 0) });
    // On its owner's side, without a side of its own.
    played.put(4, owned(2, Thing { mark: true, ..Thing::default() }));
    // On none.
    played.put(5, Thing { mark: true, ..at(1, 0) });
    assert_eq!(played.sees(1), [1, 3]);
    assert_eq!(played.sees(2), [2, 4]);
}

#[test]
fn marks_follow_a_player_who_changes_sides() {
    let mut played = two_players();
    played.put(3, Thing { mark: true, side: Some(0), ..Thing::default() });
    played.put(4, owned(1, Thing { mark: true, ..Thing::default() }));
    assert_eq!(played.sees(1), [1, 3, 4]);
    assert_eq!(played.sees(2), [2]);
    let epoch = played.lens.rows_epoch();
    played.put(1, Thing { side: Some(1), ..owned(1, at(0, 0)) });
    assert_eq!(played.sees(1), [1, 4]);
    assert_eq!(played.sees(2), [2, 4], "an entity without a side is on its owner's");
    assert_ne!(played.lens.rows_epoch(), epoch);
}

#[test]
fn a_signal_is_heard_by_the_teams_whose_bits_the_game_has_set() {
    let mut played = two_players();
    let mut heard_by = |teams| {
        played.put(3, Thing { signal: Some(teams), ..at(90_000, 0) });
        played.tick();
        [1, 2].map(|player: usize| played.held[player].contains(&3))
    };
    assert_eq!(heard_by(0), [false, false]);
    assert_eq!(heard_by(0b01), [true, false]);
    assert_eq!(heard_by(0b11), [true, true]);
    assert_eq!(heard_by(0b10), [false, true]);
    assert_eq!(heard_by(1 << 63), [false, false]);
}

#[test]
fn of_several_rules_every_one_must_admit() {
    let mut played = two_players();
    played.put(3, Thing { beacon: true, cloak: true, ..at(90_000, 0) });
    played.put(4, Thing { mark: true, signal: Some(0b10), side: Some(0), ..at(1, 0) });
    played.put(5, Thing { mark: true, cloak: true, side: Some(0), ..at(90_000, 0) });
    played.put(6, Thing { mark: true, cloak: true, side: Some(0), ..at(1, 0) });
    played.put(7, Thing { beacon: true, stash: true, ..at(1, 0) });
    assert_eq!(played.sees(1), [1, 6]);
    assert_eq!(played.sees(2), [2]);
}

#[test]
fn who_hides_without_a_place_is_seen_by_nobody_else() {
    let mut played = two_players();
    played.put(3, Thing { cloak: true, ..at(1, 0) });
    assert_eq!(played.sees(1), [1, 3]);
    played.put(3, Thing { cloak: true, ..Thing::default() });
    assert_eq!(played.sees(1), [1]);
}

#[test]
fn a_player_with_several_entities_sees_what_is_near_any_of_them() {
    let mut played = two_players();
    played.put(3, at(50, 0)).put(4, at(1_000, 50)).put(5, at(2_000, 0));
    played.put(6, owned(1, at(1_000, 0))).put(7, owned(1, at(60, 0)));
    assert_eq!(played.sees(1), [1, 3, 4, 6, 7]);
    assert_eq!(played.lens.focuses(1).len(), 3);
}

#[test]
fn the_dead_see_what_is_near_where_they_were() {
    let mut played = two_players();
    played.put(3, at(50, 0)).put(4, Thing { mark: true, side: Some(0), ..Thing::default() });
    assert_eq!(played.sees(1), [1, 3, 4]);
    played.world.remove(&1);
    assert_eq!(played.sees(1), [3, 4]);
    played.put(5, at(0, 60));
    assert_eq!(played.sees(1), [3, 4, 5]);
    played.put(6, owned(1, at(5_000, 0)));
    assert_eq!(played.sees(1), [2, 4, 6]);
}

#[test]
fn rows_of_plans_go_to_the_team_alone() {
    let mut played = two_players();
    played.put(3, Thing { plan: true, side: Some(0), ..Thing::default() });
    played.tick();
    assert!(played.lens.admits_row(1, 3, PLAN) && !played.lens.admits_row(2, 3, PLAN));
    assert!(!played.lens.admits_row(6, 3, PLAN), "who has no side is on none");
    assert!(!played.lens.admits_row(1, 99, PLAN), "what is not there has no rows");
    let epoch = played.lens.rows_epoch();
    played.put(3, Thing { plan: true, side: Some(1), ..Thing::default() });
    played.tick();
    assert!(!played.lens.admits_row(1, 3, PLAN) && played.lens.admits_row(2, 3, PLAN));
    assert_ne!(played.lens.rows_epoch(), epoch);
}

#[test]
fn moving_and_coming_and_going_leave_rows_as_they_are() {
    let mut played = two_players();
    played.tick();
    let epoch = played.lens.rows_epoch();
    for x in 1..10 {
        played.put(1, Thing { side: Some(0), ..owned(1, at(x, 0)) });
        played.put(10 + x as u32, Thing { plan: true, side: Some(1), ..at(x, 0) });
        played.world.remove(&(9 + x as u32));
        played.tick();
    }
    assert_eq!(played.lens.rows_epoch(), epoch);
}

#[test]
fn distance_is_from_the_nearest_of_the_players_places() {
    let mut played = two_players();
    played.put(3, at(30, 40)).put(4, owned(1, at(33, 44))).put(5, Thing::default());
    played.tick();
    assert_eq!([3, 4, 5, 99].map(|entity| played.lens.distance(1, entity)), [5, 0, 0, 0]);
    assert_eq!(played.lens.distance(2, 3), 4_970);
    assert_eq!(played.lens.distance(6, 3), u32::MAX);
}

#[test]
fn a_manifest_without_hints_admits_everything() {
    let layouts = vec![protocol::manifest::Layout::entity()];
    let plain = Arc::new(Manifest::new("plain", 1, 0, layouts, Vec::new(), &[]).unwrap());
    assert!(Lens::new(&plain).is_everything());
    assert!(!Lens::new(&manifest(2, Reach::Radius(1), 0)).is_everything());
}

#[test]
fn a_lens_may_be_asked_by_many_threads() {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Lens>();
}
