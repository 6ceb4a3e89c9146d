//! The edge, from ten clients to as many as it carries, beside a peer on the same world when asked to.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Program;
use crate::failure::{Failure, Outcome};
use crate::workspace::{self, Workspace};

/// Each of these is played, whatever came before.
const CLIENTS: [u32; 5] = [10, 50, 100, 200, 400];
/// These only while the step before was fast enough. A world of 1,000 entities has no more bodies to give.
const MORE: [u32; 3] = [600, 800, 1_000];
const RADII: [u32; 2] = [0, 150];
const LATENCY_MS_MAX: f64 = 100.0;
/// Of a step that misses it: the machine may have been busy.
const TRIES: u32 = 2;

struct Options {
    has_peer: bool,
    peers: Option<PathBuf>,
    program: Option<PathBuf>,
    is_json: bool,
    seconds: String,
    clients: Vec<u32>,
    more: Vec<u32>,
    radii: Vec<u32>,
}

impl Options {
    fn read(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self {
            has_peer: false,
            peers: None,
            program: None,
            is_json: false,
            seconds: "6".to_owned(),
            clients: CLIENTS.to_vec(),
            more: MORE.to_vec(),
            radii: RADII.to_vec(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().cloned().ok_or_else(|| Failure::Usage(format!("{word} takes a value; {USAGE}")));
            match word.as_str() {
                "--json" => options.is_json = true,
                "--peer" => match value()?.as_str() {
                    "colyseus" => options.has_peer = true,
                    other => return Err(Failure::Usage(format!("no peer `{other}`; known: colyseus"))),
                },
                "--peers" => options.peers = Some(value()?.into()),
                "--program" => options.program = Some(value()?.into()),
                "--seconds" => options.seconds = value()?,
                "--clients" => {
                    options.clients = numbers(&value()?)?;
                    options.more.clear();
                }
                "--radius" => options.radii = numbers(&value()?)?,
                _ => return Err(Failure::Usage(format!("unexpected argument `{word}`; {USAGE}"))),
            }
        }
        Ok(options)
    }
}

const USAGE: &str = "known: --peer colyseus, --peers DIR, --program FILE, --json, --seconds S, --clients 10,50, \
                     --radius 0,150";

fn numbers(text: &str) -> Outcome<Vec<u32>> {
    let wrong = || Failure::Usage(format!("`{text}` is no list of numbers like 10,50"));
    text.split(',').map(|word| word.parse().map_err(|_| wrong())).collect()
}

/// One of those who play the world.
enum Side {
    Ours(Program),
    Colyseus(PathBuf),
}

impl Side {
    /// How many cores each of its two processes can use: node runs a program on one thread.
    const fn threads(&self) -> f64 {
        match self {
            Self::Ours(_) => 2.0,
            Self::Colyseus(_) => 1.0,
        }
    }

    /// Plays one step and gives its row.
    fn step(&self, workspace: &Workspace, clients: u32, radius: u32, seconds: &str) -> Value {
        let mut command = match self {
            Self::Ours(program) => program
                .command(workspace, &["step", &clients.to_string(), &radius.to_string(), "1000", "1000", seconds]),
            Self::Colyseus(folder) => {
                let mut command = Command::new("node");
                command.arg("client.mjs").current_dir(folder);
                command.env("CLIENTS", clients.to_string()).env("VIEW_RADIUS", radius.to_string());
                command.env("MEASURE_S", seconds).env("PORT", free_port().to_string());
                command
            }
        };
        let answer = workspace::output(&mut command);
        let row = answer.and_then(|text| {
            let last = text.lines().last().unwrap_or_default().to_owned();
            serde_json::from_str(&last).map_err(|error| Failure::failed(format!("{error}: {last}")))
        });
        match row {
            Ok(row) => in_common_words(row, clients, radius, self.threads()),
            Err(failure) => json!({ "clients": clients, "interest": interest(radius), "error": failure.to_string() }),
        }
    }
}

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    let options = Options::read(arguments)?;
    let program = match &options.program {
        // Built before: to compare with what was.
        Some(program) => Program(program.clone()),
        None => Program::build(workspace)?,
    };
    let mut sides = vec![("ours", Side::Ours(program))];
    if options.has_peer {
        sides.push(("colyseus", Side::Colyseus(install(workspace, options.peers.as_deref())?)));
    }
    let mut rows = vec![Vec::new(); sides.len()];
    for &radius in &options.radii {
        let mut is_climbing = vec![true; sides.len()];
        for (clients, is_more) in
            options.clients.iter().map(|clients| (clients, false)).chain(options.more.iter().map(|more| (more, true)))
        {
            // One after the other on each step, so that both find the machine in the same mood.
            for (place, (name, side)) in sides.iter().enumerate() {
                if is_more && !is_climbing[place] {
                    continue;
                }
                for _ in 0..TRIES {
                    let row = side.step(workspace, *clients, radius, &options.seconds);
                    eprintln!("{name:<9} {}", line(&row));
                    is_climbing[place] = is_fast(&row);
                    rows[place].push(row);
                    if is_climbing[place] {
                        break;
                    }
                }
            }
        }
    }
    let answer: Vec<_> = sides.iter().map(|(name, _)| *name).zip(rows).collect();
    if options.is_json {
        let sides = answer.iter().map(|(name, rows)| format!("\"{name}\":{}", json!(rows)));
        println!("{{{}}}", sides.collect::<Vec<_>>().join(","));
    } else {
        print!("{}", summary(&answer));
    }
    Ok(())
}

/// Puts the peer's program where it may install what it needs.
fn install(workspace: &Workspace, peers: Option<&Path>) -> Outcome<PathBuf> {
    if !workspace::is_installed("node") || !workspace::is_installed("npm") {
        return Err(Failure::failed("the peer needs node 20 or newer and npm on the PATH"));
    }
    let own = workspace.root().join("xtask/peers");
    let from = peers.unwrap_or(&own).join("colyseus");
    let to = workspace.target().join("peers/colyseus");
    std::fs::create_dir_all(&to).map_err(Failure::io("make", &to))?;
    for entry in std::fs::read_dir(&from).map_err(Failure::io("read", &from))?.flatten() {
        let name = entry.file_name();
        let is_program = Path::new(&name).extension().is_some_and(|end| end == "mjs" || end == "json");
        if is_program {
            // The bytes alone: where they come from may be read-only.
            let bytes = std::fs::read(entry.path()).map_err(Failure::io("read", &entry.path()))?;
            std::fs::write(to.join(&name), bytes).map_err(Failure::io("write", &to))?;
        }
    }
    // What the lock names that is there already is left alone.
    let npm = ["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    workspace::output(Command::new("npm").args(npm).current_dir(&to))?;
    Ok(to)
}

/// Another peer program may use words of its own.
fn in_common_words(mut row: Value, clients: u32, radius: u32, threads: f64) -> Value {
    let number = |row: &Value, name: &str| row[name].as_f64();
    if row["cpu_ms_per_client_s"].is_null() {
        row["cpu_ms_per_client_s"] = number(&row, "server_cpu_ms_per_client_s").into();
        row["latency_ms"] = json!({ "p50": row["lat_p50_ms"], "p99": row["lat_p99_ms"], "max": row["lat_max_ms"] });
        row["client_process_cpu_cores"] = row["client_proc_cpu_cores"].clone();
    }
    if row["bytes_per_moving_entity"].is_null() && radius == 0 {
        // A fifth of 1,000, 20 times a second, is seen by all.
        row["bytes_per_moving_entity"] = number(&row, "bytes_per_client_s").map(|bytes| bytes / 4_000.0).into();
    }
    row["clients"] = clients.into();
    row["interest"] = interest(radius).into();
    let cores_used = |name| number(&row, name).unwrap_or(0.0);
    row["saturated"] = saturated(cores_used("server_cpu_cores"), cores_used("client_process_cpu_cores"), threads);
    row
}

/// What was at its end, if anything: the clients' process, the server's, or all of the machine. A process of one thread
/// can use one core.
fn saturated(server: f64, clients: f64, threads: f64) -> Value {
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    let most = 0.9 * threads.min(cores);
    if clients >= most {
        "clients".into()
    } else if server >= most {
        "server".into()
    } else if server + clients >= 0.95 * cores {
        "machine".into()
    } else {
        Value::Null
    }
}

fn is_fast(row: &Value) -> bool {
    row["latency_ms"]["p99"].as_f64().is_some_and(|p99| p99 <= LATENCY_MS_MAX)
}

fn interest(radius: u32) -> String {
    if radius == 0 { "none".to_owned() } else { format!("radius {radius}") }
}

/// One row for people.
fn line(row: &Value) -> String {
    let clients = &row["clients"];
    let interest = row["interest"].as_str().unwrap_or_default();
    if let Some(error) = row["error"].as_str() {
        return format!("{clients:>5} clients, {interest:<10} {error}");
    }
    let number = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"));
    let latency = &row["latency_ms"];
    let crypto =
        row["crypto_share"].as_f64().map_or_else(String::new, |share| format!(", crypto {:.1} %", share * 100.0));
    let end = row["saturated"].as_str().map_or_else(String::new, |who| format!(", {who} saturated"));
    format!(
        "{clients:>5} clients, {interest:<10} {:>9} B/s a client, {:>6} B a moving entity, {:>6} CPU ms/s a client, \
         p50 {:>6} p99 {:>6} ms{crypto}{end}",
        row["bytes_per_client_s"].as_f64().map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.0}")),
        number(&row["bytes_per_moving_entity"]),
        number(&row["cpu_ms_per_client_s"]),
        number(&latency["p50"]),
        number(&latency["p99"]),
    )
}

/// All rows, then how many clients each side carried.
fn summary(answer: &[(&str, Vec<Value>)]) -> String {
    let mut text = String::new();
    for (name, rows) in answer {
        for row in rows {
            text += &format!("{name:<9} {}\n", line(row));
        }
        for radius in RADII.map(interest) {
            let of_radius = rows.iter().filter(|row| row["interest"] == radius.as_str() && is_fast(row));
            if let Some(most) = of_radius.filter_map(|row| row["clients"].as_u64()).max() {
                text += &format!("{name:<9} {most:>5} clients with interest {radius} see within {LATENCY_MS_MAX} ms\n");
            }
        }
    }
    text
}

fn free_port() -> u16 {
    let probe = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    probe.map_or(19_567, |address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_named() {
        let read = |words: &[&str]| Options::read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let options = read(&["--peer", "colyseus", "--json", "--clients", "5,7"]).ok();
        assert!(options.is_some_and(|it| it.has_peer && it.is_json && it.clients == [5, 7] && it.more.is_empty()));
        for wrong in [&["--peer"][..], &["--peer", "nobody"], &["--clients", "ten"], &["--fast"]] {
            assert!(matches!(read(wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
    }

    #[test]
    fn words_of_another_program_become_ours() {
        let row = json!({ "bytes_per_client_s": 56_000, "server_cpu_ms_per_client_s": 2.0, "lat_p50_ms": 20.0,
            "lat_p99_ms": 50.0, "server_cpu_cores": 0.2, "client_proc_cpu_cores": 0.95 });
        let row = in_common_words(row, 100, 0, 1.0);
        assert_eq!(row["bytes_per_moving_entity"], 14.0);
        assert_eq!(row["latency_ms"]["p99"], 50.0);
        assert_eq!(row["saturated"], "clients");
        assert!(is_fast(&row));
    }
}
