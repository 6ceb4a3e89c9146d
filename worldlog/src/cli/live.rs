//! What `dev` shows while it runs: a few lines drawn anew each second on a terminal, else one line now and then.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use cluster_service::HostStatus;
use net_edge::EdgeStats;

pub(super) struct Live {
    is_terminal: bool,
    is_quiet: bool,
    /// Lines on the screen that are to be drawn over.
    drawn: usize,
    shown: u64,
    last: Option<(Instant, u64, u64, u64)>,
}

/// Seconds between lines when nobody watches a terminal.
const PLAIN_EVERY: u64 = 10;

impl Live {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self { is_terminal: std::io::stdout().is_terminal(), is_quiet, drawn: 0, shown: 0, last: None }
    }

    pub(super) fn show(&mut self, host: &HostStatus, edge: &EdgeStats) {
        if self.is_quiet {
            return;
        }
        let now = Instant::now();
        let is_first = self.last.is_none();
        let (tick_rate, up, down) = self.rates(now, host, edge);
        self.last = Some((now, host.ticks, edge.received_bytes_total, edge.sent_bytes_total));
        if is_first {
            // There is no rate yet.
            return;
        }
        self.shown += 1;
        if self.is_terminal {
            self.draw(&lines(host, edge, tick_rate, up, down));
        } else if self.shown % PLAIN_EVERY == 1 {
            write(&format!("{}\n", lines(host, edge, tick_rate, up, down).join(" | ")));
        }
    }

    fn rates(&self, now: Instant, host: &HostStatus, edge: &EdgeStats) -> (f64, f64, f64) {
        let Some((then, ticks, received, sent)) = self.last else { return (0.0, 0.0, 0.0) };
        let seconds = (now - then).as_secs_f64().max(1e-3);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        (rate(host.ticks, ticks), rate(edge.received_bytes_total, received), rate(edge.sent_bytes_total, sent))
    }

    fn draw(&mut self, lines: &[String]) {
        let mut screen = String::new();
        if self.drawn > 0 {
            screen += &format!("\x1b[{}A", self.drawn);
        }
        for line in lines {
            screen += &format!("\x1b[2K{line}\n");
        }
        self.drawn = lines.len();
        write(&screen);
    }
}

/// A terminal or pipe that went away is no reason to stop a server.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn lines(host: &HostStatus, edge: &EdgeStats, tick_rate: f64, up: f64, down: f64) -> Vec<String> {
    let mut lines: Vec<String> = host
        .matches
        .iter()
        .take(MATCHES_SHOWN)
        .map(|open| {
            format!(
                "match {} tick {} players {} entities {} hash {}",
                open.id, open.tick, open.players, open.entities, open.hash
            )
        })
        .collect();
    if host.matches.len() > MATCHES_SHOWN {
        lines.push(format!("and {} more matches", host.matches.len() - MATCHES_SHOWN));
    }
    lines.push(format!(
        "{tick_rate:.0} ticks/s, connections {}, in {}/s, out {}/s, ack p50 {:.1} ms p99 {:.1} ms",
        edge.connections,
        bytes(up),
        bytes(down),
        edge.ack.p50.as_secs_f64() * 1e3,
        edge.ack.p99.as_secs_f64() * 1e3
    ));
    lines.push(format!(
        "log {} at {}, sync p50 {:.1} ms p99 {:.1} ms, snapshot at {}",
        bytes(host.log_bytes as f64),
        host.position,
        host.sync_ms_p50,
        host.sync_ms_p99,
        host.last_snapshot_position
    ));
    lines
}

const MATCHES_SHOWN: usize = 8;

/// Bytes for people.
pub(super) fn bytes(count: f64) -> String {
    let (value, unit) = match count {
        small if small < 1_024.0 => (small, "B"),
        kibi if kibi < 1_048_576.0 => (kibi / 1_024.0, "KiB"),
        mebi if mebi < 1_073_741_824.0 => (mebi / 1_048_576.0, "MiB"),
        gibi => (gibi / 1_073_741_824.0, "GiB"),
    };
    format!("{value:.1} {unit}")
}
