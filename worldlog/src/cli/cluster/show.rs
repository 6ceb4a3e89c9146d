//! What `cluster` shows while it runs: a line for each member, drawn anew each second on a terminal, else now and then.

use std::io::{IsTerminal, Write};

use super::super::live::bytes;
use super::edges::Edge;
use super::watch::Status;

pub(super) struct Show {
    is_terminal: bool,
    is_quiet: bool,
    /// Lines on the screen that are to be drawn over.
    drawn: usize,
    shown: u64,
}

/// Seconds between lines when nobody watches a terminal.
const PLAIN_EVERY: u64 = 10;

impl Show {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self { is_terminal: std::io::stdout().is_terminal(), is_quiet, drawn: 0, shown: 0 }
    }

    /// To be called once a second.
    pub(super) fn draw(&mut self, members: &[Option<Status>], edges: &[Edge]) {
        if self.is_quiet {
            return;
        }
        let lines = lines(members, edges);
        self.shown += 1;
        if self.is_terminal {
            self.clear();
            self.drawn = lines.len();
            write(&(lines.join("\n") + "\n"));
        } else if self.shown % PLAIN_EVERY == 1 {
            write(&(lines.join(" | ") + "\n"));
        }
    }

    /// Makes room for a line that is to stay.
    pub(super) fn clear(&mut self) {
        if self.drawn > 0 {
            write(&format!("\x1b[{}A\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }
}

fn lines(members: &[Option<Status>], edges: &[Edge]) -> Vec<String> {
    let of_member = |(id, status): (usize, &Option<Status>)| match status {
        Some(status) => format!(
            "member {id} {:<9} term {} at {} ticks {} snapshot at {}",
            status.role,
            status.term,
            bytes(status.position.max(0) as f64),
            status.ticks,
            bytes(status.snapshot_position.max(0) as f64)
        ),
        None => format!("member {id} is not there"),
    };
    let mut lines: Vec<_> = members.iter().enumerate().map(of_member).collect();
    let up = edges.iter().filter(|edge| edge.addresses().is_some()).count();
    lines.push(format!("{up} of {} edges up", edges.len()));
    lines
}

/// A terminal or pipe that went away is no reason to stop a cluster.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
