//! Which content is refused, and with which words.

mod play;

use arena::Content;

fn error(bytes: &[u8]) -> String {
    Content::decode(bytes).expect_err("the content is accepted").to_string()
}

fn check(map: &str, balance: &str, expected: &str) {
    let said = error(&arena::content(map, balance));
    assert!(said.contains(expected), "{said:?} does not say {expected:?}");
}

#[test]
fn shipped_content_loads() {
    let content = Content::decode(&arena::default_content()).unwrap();
    assert_eq!((content.map.teams(), content.population), (2, 0));
    assert_eq!(content.balance.weapons[0].cooldown_ticks, 5);
    assert_eq!(Content::decode(&arena::content_with_population(1_000)).unwrap().population, 1_000);
    let crossroads = include_str!("../../assets/arena/maps/crossroads.toml");
    let content = Content::decode(&arena::content(crossroads, play::BALANCE)).unwrap();
    assert_eq!(content.map.teams(), 4);
    assert!(content.map.spawns.iter().all(|spawns| spawns.len() == content.map.spawns[0].len()));
}

#[test]
fn a_map_that_cannot_be_played_is_refused_with_the_place() {
    for (teams, rows, expected) in [
        (3, &["#12#"][..], "map.teams is 3; it must be 2 or 4"),
        (2, &[], "the number of map.rows is 0"),
        (2, &["#12#", "#.#"], "map.rows[1] has 3 characters, not 4"),
        (2, &["#1?2#"], "map.rows[0], column 2: '?' is nothing"),
        (2, &["#1.3#"], "column 3: a spawn of team 3, but map.teams is 2"),
        (2, &["#1.Z#"], "column 3: 'Z' is nothing"),
        (2, &["#12D#"], "column 3: weapon D, but the balance has 3 weapons"),
        (2, &["#1..#"], "no spawn of team 2"),
        (2, &["#1#2#"], "map.rows[0], column 3: cannot be reached"),
        (2, &["#12#", "####", "#h.#"], "map.rows[2], column 1: cannot be reached"),
    ] {
        check(&play::map(teams, rows), play::BALANCE, expected);
    }
    let long = "1".repeat(300);
    check(&play::map(2, &[&long]), play::BALANCE, "the length of map.rows[0] is 300; it must be from 1 to 256");
    check(&play::map(2, &["#1é2#"]), play::BALANCE, "map.rows[0], column 2");
    check(&play::map(2, &["12"]).replace("200", "10"), play::BALANCE, "map.tile_cm is 10");
    let wide = play::BALANCE.replace("radius_cm = 40", "radius_cm = 100");
    check(&play::map(2, &["12"]), &wide, "does not fit");
}

#[test]
fn a_number_out_of_bounds_is_refused_with_its_key() {
    for (from, to, expected) in [
        ("speed_cm_s = 700", "speed_cm_s = 3000", "balance.avatar.speed_cm_s is 3000; it must be from 10 to 2900"),
        ("health = 100", "health = 0", "balance.avatar.health is 0"),
        ("spawn_shield = 25", "spawn_shield = 101", "balance.avatar.spawn_shield is 101; it must be from 0 to 100"),
        ("think_ms_min = 1000", "think_ms_min = 5000", "think_ms_min is more than think_ms_max"),
        ("pellets = 7", "pellets = 33", "balance.weapon[1].pellets is 33"),
        ("restock_ms = 12000", "restock_ms = -1", "balance.pickup.restock_ms is -1"),
        ("score_limit = 400", "score_limit = 9223372036854775807", "balance.round.score_limit is 9223372036854775807"),
        ("score_limit = 400", "score_limit = 4.5", "does not parse"),
        ("score_limit = 400", "", "score_limit"),
        ("score_limit = 400", "score_limit = 400\nscore_limt = 1", "score_limt"),
    ] {
        let balance = play::BALANCE.replacen(from, to, 1);
        assert_ne!(balance, play::BALANCE, "{from} is not in the file");
        check(&play::map(2, &["12"]), &balance, expected);
    }
}

#[test]
fn a_blob_that_is_no_document_is_refused() {
    assert!(error(&[b'#', 0xFF]).contains("not UTF-8 after byte 1"));
    assert!(error(b"").contains("map"));
    assert!(error(&vec![b'#'; 1 << 20]).contains("1048576 bytes, more than"));
    check("population = -1\n[map]", "", "does not parse");
    check(&format!("population = 200001\n{}", play::map(2, &["12"])), play::BALANCE, "population is 200001");
    assert!(error(&arena::content(&play::map(2, &["12"]), "")).contains("balance"));
    let twice = format!("{}{}", play::map(2, &["12"]), play::map(2, &["12"]));
    check(&twice, play::BALANCE, "duplicate key");
}
