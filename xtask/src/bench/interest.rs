//! What interest costs an edge: against how much its players see, and against how much there is.

use serde_json::Value;

use super::Program;
use crate::failure::{Failure, Outcome, only_options};
use crate::workspace::{self, Workspace};

/// One point of the curve: players, entities, width of the square, radius.
struct Point {
    players: u32,
    entities: u32,
    width: u32,
    radius: u32,
}

/// 5,000 entities on 2,000 x 2,000 are 50 within a radius of 113.
const PLAYERS: u32 = 500;
const ENTITIES: u32 = 5_000;
const WIDTH: u32 = 2_000;
const RADIUS: u32 = 113;

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    only_options(arguments, &["--json"])?;
    let is_json = !arguments.is_empty();
    let program = Program::build(workspace)?;
    let point = |players, entities, width, radius| Point { players, entities, width, radius };
    let curves: [(&str, Vec<Point>); 3] = [
        (
            "what a player sees grows; players and entities stay",
            [40, 56, 80, 113, 160, 226].map(|radius| point(PLAYERS, ENTITIES, WIDTH, radius)).into(),
        ),
        (
            "entities grow, and the square with them; what a player sees stays",
            [(1_250, 1_000), (2_500, 1_414), (5_000, 2_000), (10_000, 2_828), (20_000, 4_000)]
                .map(|(entities, width)| point(PLAYERS, entities, width, RADIUS))
                .into(),
        ),
        (
            "players grow; entities and what a player sees stay",
            [125, 250, 500, 1_000].map(|players| point(players, ENTITIES, WIDTH, RADIUS)).into(),
        ),
    ];
    for (title, points) in curves {
        if !is_json {
            println!("{title}");
            println!(
                "  {:>7} {:>8} {:>6} {:>6} {:>15} {:>15} {:>12} {:>9} {:>8}",
                "players", "entities", "radius", "seen", "edge ms/s", "host ms/s", "edge us", "bytes/s", "p99 ms"
            );
            println!(
                "  {:>7} {:>8} {:>6} {:>6} {:>15} {:>15} {:>12}",
                "", "", "", "", "a player", "in all", "a seen/s"
            );
        }
        for point in points {
            let row = play(workspace, &program, &point)?;
            if is_json {
                println!("{row}");
            } else {
                println!("{}", line(&point, &row));
            }
        }
    }
    Ok(())
}

fn play(workspace: &Workspace, program: &Program, point: &Point) -> Outcome<Value> {
    let numbers = [point.players, point.radius, point.entities, point.width].map(|number| number.to_string());
    let [players, radius, entities, width] = &numbers;
    let text = workspace::output(&mut program.command(workspace, &["step", players, radius, entities, width, "6"]))?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| Failure::failed(format!("{error}: {last}")))
}

/// The host's thread steps the match for whoever plays; all other threads are the edge's.
fn line(point: &Point, row: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let threads = row["server_cpu_cores_by_thread"].as_object();
    let host: f64 =
        threads.into_iter().flatten().filter(|(name, _)| name.contains("host")).map(|(_, it)| number(it)).sum();
    let edge = number(&row["server_cpu_cores"]) - host;
    let per_player = edge * 1_000.0 / f64::from(point.players);
    let seen = number(&row["entities_seen"]);
    format!(
        "  {:>7} {:>8} {:>6} {seen:>6.1} {per_player:>15.3} {:>15.1} {:>12.2} {:>9.0} {:>8.1}",
        point.players,
        point.entities,
        point.radius,
        host * 1_000.0,
        per_player * 1_000.0 / seen.max(1.0),
        number(&row["bytes_per_client_s"]),
        number(&row["latency_ms"]["p99"]),
    )
}
