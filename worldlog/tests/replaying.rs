//! `worldlog replay serve`: what it answers over HTTP, and what those see who connect as players do. And matches that go on
//! from a recording.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

mod program;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena::Arena;
use client::{Client, ClientOptions, Outcome, Player, Trust};
use net_edge::interest::Lens;
use program::{Bench, Dev, http, text};
use protocol::manifest::Visibility;
use protocol::{Columns, EntityId};
use replay::{Expression, FieldPath, Reel, Search, Source};
use serde_json::{Value, json};

const NEAR: [&str; 4] = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];

fn recorded() -> PathBuf {
    PathBuf::from("../assets/matches/skirmish.wlm").canonicalize().unwrap()
}

fn source() -> Arc<Source> {
    Arc::new(Source::open::<Arena>(&recorded()).unwrap())
}

fn state_at(source: &Arc<Source>, tick: u64) -> Columns {
    let mut reel = Reel::<Arena>::new(Arc::clone(source)).unwrap();
    reel.seek(tick).unwrap();
    reel.columns().clone()
}

fn served(bench: &Bench) -> Dev {
    bench.ready(&["replay", "serve"], &[&[text(&recorded())], &NEAR[..]].concat())
}

#[track_caller]
fn get(server: &Dev, path: &str) -> Value {
    let (code, body) = http(&server.word("http"), "GET", path, &[]);
    assert_eq!(code, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[track_caller]
fn refusal(server: &Dev, path: &str) -> (u16, String) {
    let (code, body) = http(&server.word("http"), "GET", path, &[]);
    let error = serde_json::from_str::<Value>(&body).map_or(body.clone(), |value| value["error"].to_string());
    (code, error)
}

fn post(server: &Dev, path: &str, body: &Value, headers: &[(&str, &str)]) -> (u16, Value) {
    let (address, body) = (server.word("http"), body.to_string());
    let mut socket = TcpStream::connect(&address).unwrap();
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    request += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    socket.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (code, serde_json::from_str(body).unwrap_or_else(|_| body.into()))
}

#[track_caller]
fn control(server: &Dev, wish: &Value) -> Value {
    let (code, standing) = post(server, "/replay/control", wish, &[]);
    assert_eq!(code, 200, "{wish}: {standing}");
    standing
}

/// Asks until it is so: a claim about what comes, not about when.
async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn join(server: &Dev, query: &str) -> Player {
    let (code, token) = post(server, &format!("/token{query}"), &Value::Null, &[]);
    assert_eq!(code, 200, "{token}");
    let quic: SocketAddr = server.word("quic").parse().unwrap();
    let client = Client::connect(quic, Trust::DevInsecureLoopback, ClientOptions::default()).await.unwrap();
    client.join(token["token"].as_str().unwrap().to_owned()).await.unwrap()
}

/// Where a viewer's rows are not those of the file; numbers are told in steps.
fn wrong_rows(seen: &Columns, file: &Columns, player: Option<u32>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, layout) in file.manifest().layouts().iter().enumerate() {
        let may_see = |id: EntityId| match layout.visibility {
            Visibility::Everyone => seen.column(0).row(id).is_some(),
            Visibility::Owner => player.is_some() && file.owner(id) == player,
            Visibility::Server => false,
        };
        let due: Vec<_> = file.column(index).iter().filter(|(id, _)| may_see(*id)).collect();
        let shown: Vec<_> = seen.column(index).iter().collect();
        if due.len() != shown.len() {
            wrong.push(format!("{}: {} rows, {} are due", layout.name, shown.len(), due.len()));
        }
        for ((id, row), (other, told)) in due.iter().zip(&shown) {
            let is_close = |field: &protocol::manifest::Field| {
                let apart = field.read(row).abs_diff(field.read(told));
                apart < u64::from(field.step.max(1))
            };
            if id != other || !layout.fields.iter().all(is_close) {
                wrong.push(format!("{} of {id} and {other}", layout.name));
            }
        }
    }
    wrong
}

/// Waits until the viewer shows this tick, and compares.
async fn shows(viewer: &Player, source: &Arc<Source>, tick: u64) {
    let file = state_at(source, tick);
    let expected = file.entity_count();
    until(&format!("tick {tick}"), || {
        viewer.with_mirror(|mirror| (mirror.is_in_sync() && mirror.tick().0 == tick).then_some(()))
    })
    .await;
    viewer.with_mirror(|mirror| {
        assert_eq!(wrong_rows(mirror.columns(), &file, None), Vec::<String>::new(), "at tick {tick}");
        assert_eq!(mirror.columns().entity_count(), expected, "a free camera sees all of tick {tick}");
    });
}

// ---- over HTTP ----------------------------------------------------------------------------------------

#[test]
fn states_frames_commands_and_differences_are_those_of_the_file() {
    let (bench, source) = (Bench::new(), source());
    let server = served(&bench);
    let files = get(&server, "/replay/files");
    assert_eq!((&files["live"], &files["files"][0]["name"]), (&json!(false), &json!("skirmish")));
    let last = source.last_tick();
    assert_eq!((&files["files"][0]["ticks"], &files["files"][0]["players"]), (&json!(last), &json!(8)));
    for tick in [0, 1, 777, 299, last] {
        let state = get(&server, &format!("/replay/state?file=skirmish&tick={tick}"));
        let columns = state_at(&source, tick);
        assert_eq!(state["hash"], format!("{:016x}", columns.total_hash()));
        assert_eq!(state["entities"], serde_json::to_value(replay::show(&columns, None)).unwrap(), "tick {tick}");
    }
    let frames = get(&server, "/replay/frames?from=290&to=310&every=4&components=Position,Health");
    let ticks: Vec<u64> =
        frames["frames"].as_array().unwrap().iter().map(|frame| frame["tick"].as_u64().unwrap()).collect();
    assert_eq!(ticks, [292, 296, 300, 304, 308], "multiples of `every`, so that pieces fit each other");
    let columns = state_at(&source, 300);
    let entities = frames["frames"][2]["entities"].as_array().unwrap();
    for (entity, known) in entities.iter().zip(replay::show(&columns, None)) {
        let kept = known.components.into_iter().filter(|(name, _)| ["Position", "Health"].contains(&name.as_str()));
        let kept: serde_json::Map<_, _> = kept.map(|(name, fields)| (name, json!(fields))).collect();
        assert_eq!((&entity["id"], &entity["components"]), (&json!(known.id), &Value::Object(kept)));
    }
    let differences = get(&server, "/replay/diff?a=skirmish@300&b=skirmish@301");
    let ours = replay::diff(&columns, &state_at(&source, 301));
    assert_eq!(differences["differences"], serde_json::to_value(ours).unwrap());
    assert_eq!(get(&server, "/replay/diff?a=skirmish@9&b=skirmish@9")["differences"], json!([]));

    let commands = get(&server, "/replay/commands?from=1&to=400&player=2");
    let commands = commands["commands"].as_array().unwrap();
    let recorded = (1..=400).filter_map(|tick| source.step_of(tick)).flat_map(|step| step.inputs.clone());
    let recorded = recorded.filter(|input| matches!(input, ecs_state::Input::Command { player: 2, .. })).count();
    assert_eq!(commands.len(), recorded);
    assert!(recorded > 10 && commands.iter().all(|command| command["player"] == 2));
    assert!(commands.iter().any(|command| command["outcome"] == "applied"));
}

#[test]
fn a_timeline_tells_who_came_what_happened_and_that_every_hash_is_right() {
    let (bench, source) = (Bench::new(), source());
    let server = served(&bench);
    let begun = Instant::now();
    let timeline = loop {
        let timeline = get(&server, "/replay/timeline");
        if timeline["verified_to"] == source.last_tick() {
            break timeline;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", timeline["verified_to"]);
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&timeline["first_tick"], &timeline["last_tick"]), (&json!(0), &json!(source.last_tick())));
    assert_eq!((&timeline["mismatches"], &timeline["tick_millihertz"]), (&json!([]), &json!(30_000)));
    assert_eq!(timeline["keyframes"], json!(source.keyframes()));
    assert_eq!(timeline["players"].as_array().unwrap().len(), 8);
    let moments = timeline["moments"].as_array().unwrap();
    let hits = moments.iter().filter(|moment| moment["kind"] == "hit").count();
    assert!(hits > 0 && moments.iter().all(|moment| moment["tick"].is_u64()), "{moments:?}");
    let heat = get(&server, "/replay/heat?files=skirmish&kind=hit&cell=8");
    let counted: u64 = heat["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((counted, &heat["complete"]), (hits as u64, &json!(true)));
    let cells = heat["columns"].as_u64().unwrap() * heat["rows"].as_u64().unwrap();
    assert_eq!(heat["counts"].as_array().unwrap().len() as u64, cells);
}

#[test]
fn a_timeline_since_a_tick_is_the_rest_of_the_whole() {
    let (bench, source) = (Bench::new(), source());
    let server = served(&bench);
    let begun = Instant::now();
    let whole = loop {
        let timeline = get(&server, "/replay/timeline");
        if timeline["verified_to"] == source.last_tick() {
            break timeline;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", timeline["verified_to"]);
        std::thread::sleep(Duration::from_millis(20));
    };
    let list = |name: &str| whole[name].as_array().unwrap().clone();
    let moments = list("moments");
    let at_a_moment = moments[moments.len() / 2]["tick"].as_u64().unwrap();
    for since in [source.first_tick(), at_a_moment - 1, at_a_moment, source.last_tick() - 1, source.last_tick()] {
        let is_new = |tick: &Value| tick.as_u64().is_some_and(|tick| tick > since);
        let mut rest = whole.clone();
        let keyframes = list("keyframes").into_iter();
        rest["keyframes"] = keyframes.filter(|tick| tick.as_u64().is_some_and(|tick| tick >= since)).collect();
        rest["moments"] = list("moments").into_iter().filter(|moment| is_new(&moment["tick"])).collect();
        let has_news = |stay: &Value| is_new(&stay["joined"]) || is_new(&stay["left"]);
        rest["players"] = list("players").into_iter().filter(has_news).collect();
        assert_eq!(get(&server, &format!("/replay/timeline?since={since}")), rest, "since {since}");
    }
    assert!(server.terminate().0.success());
}

#[test]
fn questions_are_answered_as_by_the_library_and_forks_are_looked_at_like_other_matches() {
    let (bench, source) = (Bench::new(), source());
    let server = served(&bench);
    let found = get(&server, "/replay/find?expr=any(Health.points%20%3C%2050)&to=1500");
    let ticks: Vec<u64> = serde_json::from_value(found["ticks"].clone()).unwrap();
    let expression = Expression::parse("any(Health.points < 50)", source.manifest(), None).unwrap();
    let search = Search { to: Some(1_500), all: true, ..Search::default() };
    assert_eq!(ticks, replay::find::<Arena>(&source, &expression, search, |_, _| {}).unwrap());
    let hurt = *ticks.first().expect("it is a fight");
    assert_eq!(get(&server, "/replay/find?expr=any(Health.points%20%3C%2050)&first=true")["ticks"], json!([hurt]));
    assert_eq!(refusal(&server, "/replay/find?expr=any(Health.luck%20%3C%2050)").0, 400);

    let state = replay::show(&state_at(&source, hurt), None);
    let health = |entity: &replay::EntityState| entity.components.get("Health").map(|fields| fields["points"]);
    let is_hurt =
        |entity: &&replay::EntityState| matches!(health(entity), Some(replay::Value::Int(points)) if points < 50);
    let path = format!("{}.Health.points", state.iter().find(is_hurt).unwrap().id);
    let field = FieldPath::parse(&path, source.manifest()).unwrap();
    let options = replay::WhyOptions::default();
    let why = replay::why::<Arena>(&source, hurt, &field, options, |_| {}).unwrap();
    assert!(why.writers[0].command.is_some(), "somebody shot: {why:?}");
    assert_eq!(get(&server, &format!("/replay/why?tick={hurt}&field={path}")), serde_json::to_value(&why).unwrap());
    assert_eq!(refusal(&server, "/replay/why?tick=10&field=12.Health").0, 400);

    let same = post(&server, "/replay/fork", &json!({ "tick": hurt - 1, "to": hurt + 60 }), &[]);
    assert_eq!((same.0, &same.1["first_difference_tick"], &same.1["differences"]), (200, &Value::Null, &json!([])));
    let wish = json!({ "file": "skirmish", "tick": hurt - 1, "set": [format!("{path}=100")], "to": hurt + 60 });
    let (code, fork) = post(&server, "/replay/fork", &wish, &[]);
    assert_eq!((code, &fork["first_difference_tick"]), (200, &json!(hurt - 1)), "{fork}");
    let name = fork["file"].as_str().unwrap();
    let names = get(&server, "/replay/files");
    assert!(names["files"].as_array().unwrap().iter().any(|file| file["name"] == name && file["fork"] == true));
    let end = hurt + 60;
    let apart = get(&server, &format!("/replay/diff?a=skirmish@{end}&b={name}@{end}"));
    assert_eq!(apart["differences"], fork["differences"]);
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(post(&server, "/replay/fork", &wish, &foreign).0, 403);
}

#[test]
fn what_cannot_be_answered_says_why_and_what_is_too_much_is_refused() {
    let bench = Bench::new();
    let server = served(&bench);
    let refused = |path: &str, code: u16, word: &str| {
        let (found, error) = refusal(&server, path);
        assert!(found == code && error.contains(word), "{path}: {found} {error}");
    };
    refused("/replay/state?file=other&tick=1", 404, "there is no match");
    let last = source().last_tick();
    refused(&format!("/replay/state?tick={}", last + 1), 404, &format!("ticks 0 to {last}"));
    refused("/replay/state?tick=x", 400, "");
    refused("/replay/frames?from=0&to=200", 400, "at most 64");
    refused("/replay/frames?from=9&to=3", 400, "the lower first");
    refused("/replay/commands?from=0&to=18446744073709551615", 400, "at most");
    refused("/replay/diff?a=skirmish&b=skirmish@1", 400, "NAME@TICK");
    refused("/replay/heat?kind=position&cell=0", 400, "above 0");
    refused("/replay/heat?kind=luck&cell=1", 400, "");
    let wish = json!({ "tick": 5 });
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(post(&server, "/replay/control", &wish, &foreign).0, 403, "pages of others move nothing");
    for wrong in
        [json!({ "speed": 33 }), json!({ "speed": 0.01 }), json!({ "tick": last + 1 }), json!({ "tick": 1, "step": 1 })]
    {
        assert_eq!(post(&server, "/replay/control", &wrong, &[]).0, 400, "{wrong}");
    }
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    let empty = bench.run(&["replay", "serve", text(&bench.path("")), "--http", "127.0.0.1:0"]);
    assert!(empty.failure().contains("no match file"), "{}", empty.stderr);
}

// ---- over the client protocol -------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_the_file_wherever_it_is_moved_stepped_and_however_fast_it_plays() {
    let (bench, source) = (Bench::new(), source());
    let server = served(&bench);
    control(&server, &json!({ "playing": false }));
    let viewer = join(&server, "").await;
    for tick in [900, 300, 1_500, 1_499, 0] {
        let standing = control(&server, &json!({ "tick": tick }));
        assert_eq!((&standing["tick"], &standing["playing"]), (&json!(tick), &json!(false)));
        shows(&viewer, &source, tick).await;
    }
    control(&server, &json!({ "tick": 640 }));
    for (step, tick) in [(1, 641), (1, 642), (-1, 641), (30, 671), (-600, 71), (-600, 0)] {
        assert_eq!(control(&server, &json!({ "step": step }))["tick"], tick);
        shows(&viewer, &source, tick).await;
    }
    let before = viewer.with_mirror(|mirror| mirror.counts().deltas);
    control(&server, &json!({ "speed": 32, "playing": true }));
    until("500 ticks", || (viewer.with_mirror(|mirror| mirror.tick().0) > 500).then_some(())).await;
    let paused = control(&server, &json!({ "playing": false }))["tick"].as_u64().unwrap();
    shows(&viewer, &source, paused).await;
    control(&server, &json!({ "playing": true }));
    let last = source.last_tick();
    until("the end", || (get(&server, "/replay/control")["tick"] == last).then_some(())).await;
    shows(&viewer, &source, last).await;
    assert_eq!(get(&server, "/replay/control")["playing"], false, "it rests at the end");
    let counts = viewer.with_mirror(client::Mirror::counts);
    assert!(counts.deltas > before + 500, "ticks came one by one: {counts:?}");
    assert!(counts.hash_checks > 10 && counts.hash_mismatches == 0, "{counts:?}");
    assert!(viewer.ended().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_player_sees_what_that_one_saw_and_nothing_else() {
    let (bench, source) = (Bench::new(), source());
    let server = served(&bench);
    control(&server, &json!({ "playing": false, "tick": 600 }));
    assert_eq!(post(&server, "/token?player=77", &Value::Null, &[]).0, 404, "there is no such player");
    let viewer = join(&server, "?player=3").await;
    assert_eq!(viewer.player_id().0, 3);
    let mut hidden = 0;
    for tick in [600, 1_200, 800] {
        control(&server, &json!({ "tick": tick }));
        let file = state_at(&source, tick);
        until("the tick", || {
            (viewer.with_mirror(|mirror| mirror.is_in_sync() && mirror.tick().0 == tick)).then_some(())
        })
        .await;
        let mut lens = Lens::new(file.manifest());
        lens.reset(&file);
        let mut due = Vec::new();
        lens.look(3, &[], &mut due);
        viewer.with_mirror(|mirror| {
            let seen: Vec<u32> = mirror.columns().column(0).iter().map(|(id, _)| id.0).collect();
            assert_eq!(seen, due, "at tick {tick}");
            assert_eq!(wrong_rows(mirror.columns(), &file, Some(3)), Vec::<String>::new(), "at tick {tick}");
        });
        hidden += file.entity_count() - due.len();
    }
    assert!(hidden > 0, "a match in which everybody sees everything shows nothing");
    // While it plays, too: nothing beyond the margin.
    control(&server, &json!({ "speed": 8, "playing": true }));
    until("more ticks", || (viewer.with_mirror(|mirror| mirror.tick().0) > 1_000).then_some(())).await;
    let own = viewer.with_mirror(|mirror| {
        let rows = mirror.columns().manifest().layouts().iter().enumerate();
        let owned = rows.filter(|(_, layout)| layout.visibility == Visibility::Owner);
        let ids = owned.flat_map(|(index, _)| mirror.columns().column(index).iter().map(|(id, _)| id));
        ids.map(|id| mirror.columns().owner(id)).collect::<Vec<_>>()
    });
    assert!(!own.is_empty() && own.iter().all(|owner| *owner == Some(3)), "{own:?}");
    assert_eq!(viewer.stats().hash_mismatches, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_a_viewer_are_refused_by_name_and_change_nothing() {
    let (bench, source) = (Bench::new(), source());
    let server = served(&bench);
    control(&server, &json!({ "playing": false, "tick": 600 }));
    let viewer = join(&server, "?player=3").await;
    for _ in 0..40 {
        let refused = viewer.send(walk()).await.unwrap();
        assert!(matches!(&refused, Outcome::Rejected { name, .. } if name == "recorded"), "{refused:?}");
    }
    control(&server, &json!({ "step": 1 }));
    until("tick 601", || (viewer.with_mirror(|mirror| mirror.tick().0) == 601).then_some(())).await;
    let hash = get(&server, "/replay/state?tick=601")["hash"].clone();
    assert_eq!(hash, format!("{:016x}", source.step_of(601).unwrap().hash));
    // Who lost the connection comes back, wherever the playhead is by then.
    viewer.cut();
    control(&server, &json!({ "tick": 100 }));
    until("tick 100", || viewer.with_mirror(|m| m.is_in_sync() && m.tick().0 == 100).then_some(())).await;
    assert!(viewer.ended().is_none());
}

/// Move, as in the protocol's worked example.
fn walk() -> Vec<u8> {
    vec![
        0x0c, 0, 0, 0, 0x08, 0, 0x0c, 0, 0x07, 0, 0x08, 0, 0x08, 0, 0, 0, 0, 0, 0, 1, 0x0c, 0, 0, 0, 0x08, 0, 0x08, 0,
        0x06, 0, 0x07, 0, 0x08, 0, 0, 0, 0, 0, 0x7f, 0xc0,
    ]
}

// ---- live matches, and those that go on from a recording -----------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_match_can_be_looked_at_up_to_now_and_is_read_on_as_it_grows() {
    let bench = Bench::new();
    let dev = bench.dev(&[&NEAR[..], &["--bots", "2"]].concat());
    let files = get(&dev, "/replay/files");
    assert_eq!((&files["live"], &files["files"][0]["live"]), (&json!(true), &json!(true)), "{files}");
    let first = get(&dev, "/replay/timeline")["last_tick"].as_u64().unwrap();
    let later = until("a later end", || {
        let timeline = get(&dev, "/replay/timeline");
        (timeline["last_tick"].as_u64().unwrap() > first + 60).then_some(timeline)
    })
    .await;
    let last = later["last_tick"].as_u64().unwrap();
    assert_eq!(get(&dev, &format!("/replay/state?tick={last}"))["tick"], last);
    let done = until("every tick compared", || {
        let timeline = get(&dev, "/replay/timeline");
        (timeline["verified_to"].as_u64().unwrap() >= last).then_some(timeline)
    })
    .await;
    assert_eq!(done["mismatches"], json!([]));
    assert_eq!(refusal(&dev, "/replay/control").0, 404, "nobody moves a match that is being played");
}

#[test]
fn who_reaches_dev_from_elsewhere_is_not_shown_what_players_must_not_see() {
    let bench = Bench::new();
    let dev = bench.dev(&["--listen", "127.0.0.1:0", "--http", "0.0.0.0:0"]);
    for path in ["/", "/replay/files", "/replay/state?tick=0"] {
        let (code, error) = refusal(&dev, path);
        assert!(code == 403 && error.contains("must not"), "{path}: {code} {error}");
    }
}

#[test]
fn a_fork_that_breaks_the_rules_does_not_end_the_match_that_is_being_played() {
    let bench = Bench::new();
    let dev = bench.dev(&[&NEAR[..], &["--data", "d", "--from", text(&recorded())]].concat());
    let tick = get(&dev, "/replay/timeline")["first_tick"].as_u64().unwrap();
    let state = get(&dev, &format!("/replay/state?tick={tick}"));
    let armed = state["entities"].as_array().unwrap().iter().find(|entity| entity["components"]["Loadout"].is_object());
    let path = format!("{}.Loadout.weapon=200", armed.unwrap()["id"]);
    let begun = Instant::now();
    while get(&dev, "/replay/timeline")["last_tick"].as_u64().unwrap() < tick + 10 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the match stands still");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, answer) = post(&dev, "/replay/fork", &json!({ "tick": tick + 1, "set": [path] }), &[]);
    assert_eq!(code, 500, "the arena has no weapon 200: {answer}");
    assert!(answer["error"].as_str().unwrap().contains("the rules of the game failed"), "{answer}");
    let later = get(&dev, "/replay/timeline")["last_tick"].as_u64().unwrap();
    assert!(later > tick, "the match goes on");
    assert!(dev.terminate().0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_goes_on_from_a_tick_of_a_recording_with_its_players_played_by_others() {
    let (bench, source) = (Bench::new(), source());
    let tick = 1_000;
    let from = format!("{}@{tick}", text(&recorded()));
    let dev = bench.dev(&[&NEAR[..], &["--data", "d", "--from", &from]].concat());
    let before = state_at(&source, tick);
    let player = join(&dev, "?player=5").await;
    assert_eq!(player.player_id().0, 5);
    assert_eq!(post(&dev, "/token?player=77", &Value::Null, &[]).0, 404);
    let tally = |columns: &Columns| {
        let (index, layout) = columns.manifest().layout_of("Tally").unwrap();
        let mut rows = columns.column(index).iter();
        rows.find(|(id, _)| columns.owner(*id) == Some(5)).map(|(_, row)| layout.fields[0].read(row))
    };
    let had = tally(&before).unwrap();
    assert!(player.with_mirror(|mirror| mirror.tick().0) >= tick);
    let applied = player.send(walk()).await.unwrap();
    assert!(matches!(applied, Outcome::Applied { .. }), "{applied:?}");
    until("a tally that counts on where player 5 was", || {
        player.with_mirror(|mirror| (tally(mirror.columns()) == Some(had + 1)).then_some(()))
    })
    .await;
    let newcomer = join(&dev, "").await;
    assert!(newcomer.player_id().0 > 8, "all others are new: {:?}", newcomer.player_id());
    let bots = bench.run(&["swarm", "--connect", &dev.word("quic"), "--bots", "3", "--as", "1,2", "--duration", "5s"]);
    assert_eq!(bots.code, 0, "{}{}", bots.stdout, bots.stderr);
    // The page shows it from where it began.
    let timeline = get(&dev, "/replay/timeline");
    assert_eq!(timeline["first_tick"], tick);
    let state = get(&dev, &format!("/replay/state?tick={tick}"));
    assert_eq!(state["hash"], format!("{:016x}", before.total_hash()));
    player.leave().await.unwrap();
    let match_id = dev.word("match");
    dev.terminate();
    // What it wrote is a recording like any other.
    let out = bench.path("goes-on.wlm");
    let exported = bench.run(&["match", "export", &match_id, "--data", "d", "--out", text(&out), "--json"]);
    assert!(exported.object()["ticks"].as_u64().unwrap() > 30);
    let verified = bench.run(&["replay", text(&out), "--verify", "--json"]).object();
    assert_eq!(verified["mismatches"], 0, "{verified}");
    let file = Source::open::<Arena>(&out).unwrap();
    assert_eq!(file.first_tick(), tick);
}
