//! What a swarm measured, for programs (serde) and for people (`Display`).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use client::Stats;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::account::{Account, count, new_histogram};

/// What all bots of a swarm measured together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Bots that were to join.
    pub bots: u64,
    /// Bots that joined.
    pub joined: u64,
    /// Commands that the bots submitted.
    pub commands_sent: u64,
    /// Commands with an outcome: applied or rejected.
    pub commands_acked: u64,
    /// Of these, the rejected ones.
    pub commands_rejected: u64,
    /// Commands acknowledged as applied that the final state does not hold.
    pub commands_lost: u64,
    /// Commands that the final state holds beyond the applied and the unknown ones.
    pub duplicates: u64,
    /// Commands whose outcome will never be known: the session ended, or the server forgot.
    pub commands_unknown: u64,
    /// Commands acknowledged as applied to bots that could not read the final state.
    pub commands_unverified: u64,
    /// Deltas applied.
    pub deltas: u64,
    /// Baselines applied; one for each join and resume, more when a bot fell behind.
    pub baselines: u64,
    /// Hashes compared with the server's.
    pub hash_checks: u64,
    /// Comparisons that failed.
    pub hash_mismatches: u64,
    /// Sessions taken back after a lost connection.
    pub resumes: u64,
    /// Connections lost, the ones that were cut on purpose included.
    pub connections_lost: u64,
    /// Connections that the swarm cut on purpose.
    pub cuts: u64,
    /// Sessions that ended before the bot was done.
    pub sessions_ended: u64,
    /// Longest time that any bot was without an outcome while one was awaited.
    pub longest_gap_ms: f64,
    /// From submission to outcome.
    pub ack_ms: AckMs,
    /// How much later than on the fastest delivery a tick was shown, over all bots and ticks; a tick that never came
    /// counts when a later one did.
    pub freshness_ms: AckMs,
    /// Since any bot first saw the row that replaced the one that is shown, over all bots, ticks and entities that move.
    pub row_age_ms: AckMs,
    /// Entities that bots saw for a second although interest forbids it, each counted once for each bot.
    pub leaks: u64,
    /// Mean UDP payload bytes a second that a bot received while it was joined.
    pub bytes_down_per_bot_s: f64,
    /// Mean UDP payload bytes a second that a bot sent while it was joined.
    pub bytes_up_per_bot_s: f64,
    /// Mean commands a second that a bot submitted while it was joined.
    pub commands_per_bot_s: f64,
    /// Length of the whole run.
    pub seconds: f64,
    /// Rejections by name.
    pub rejections: BTreeMap<String, u64>,
    /// Failed joins and ended sessions by reason.
    pub errors: BTreeMap<String, u64>,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct AckMs {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// 999 of 1,000 are faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// What became of one bot.
#[derive(Debug)]
pub(crate) enum BotRecord {
    /// It never played.
    NotJoined {
        /// Why, unless the run was over before.
        error: Option<String>,
    },
    /// It played.
    Played(Box<Played>),
}

/// What a bot that played leaves behind.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) account: Account,
    pub(crate) stats: Stats,
    /// From the join to the end.
    pub(crate) lasted: Duration,
    pub(crate) longest_gap: Duration,
    /// Applied commands of this bot that the final state holds, or why it could not be read.
    pub(crate) tally: Result<u64, String>,
    /// Why the session ended before the bot was done.
    pub(crate) ended: Option<String>,
    /// How late each tick was shown.
    pub(crate) fresh_us: Histogram<u64>,
    /// How old each row was that is about a place.
    pub(crate) row_age_us: Histogram<u64>,
    pub(crate) leaks: u64,
}

impl Report {
    pub(crate) fn of(records: &[BotRecord], lasted: Duration, cuts: u64) -> Self {
        let mut report = Self { bots: records.len() as u64, cuts, seconds: lasted.as_secs_f64(), ..Self::default() };
        let [mut latency_us, mut fresh_us, mut row_age_us] = [(); 3].map(|()| new_histogram());
        let (mut bot_seconds, mut bytes_up, mut bytes_down) = (0.0, 0, 0);
        for record in records {
            match record {
                BotRecord::NotJoined { error: Some(error) } => count(&mut report.errors, error, 1),
                BotRecord::NotJoined { error: None } => {}
                BotRecord::Played(played) => {
                    report.add(played);
                    latency_us.add(played.account.latency_us()).expect("the sum resizes itself");
                    fresh_us.add(&played.fresh_us).expect("the sum resizes itself");
                    row_age_us.add(&played.row_age_us).expect("the sum resizes itself");
                    bot_seconds += played.lasted.as_secs_f64();
                    bytes_up += played.stats.bytes_up;
                    bytes_down += played.stats.bytes_down;
                }
            }
        }
        let per_bot_second = |total: u64| if bot_seconds > 0.0 { round(total as f64 / bot_seconds) } else { 0.0 };
        report.ack_ms = AckMs::of(&latency_us);
        report.freshness_ms = AckMs::of(&fresh_us);
        report.row_age_ms = AckMs::of(&row_age_us);
        report.bytes_up_per_bot_s = per_bot_second(bytes_up);
        report.bytes_down_per_bot_s = per_bot_second(bytes_down);
        report.commands_per_bot_s = per_bot_second(report.commands_sent);
        report.seconds = round(report.seconds);
        report
    }

    fn add(&mut self, played: &Played) {
        let Played { account, stats, .. } = played;
        self.joined += 1;
        self.commands_sent += account.sent();
        self.commands_acked += account.acked();
        self.commands_rejected += account.rejected();
        self.commands_unknown += account.unknown();
        self.deltas += stats.deltas;
        self.baselines += stats.baselines;
        self.hash_checks += stats.hash_checks;
        self.hash_mismatches += stats.hash_mismatches;
        self.resumes += stats.resumes;
        self.connections_lost += stats.losses;
        self.leaks += played.leaks;
        self.longest_gap_ms = self.longest_gap_ms.max(milliseconds(played.longest_gap));
        account.rejections().iter().for_each(|(name, more)| count(&mut self.rejections, name, *more));
        match &played.tally {
            Ok(tally) => {
                let verdict = account.verdict(*tally);
                self.commands_lost += verdict.lost;
                self.duplicates += verdict.duplicates;
            }
            Err(reason) => {
                self.commands_unverified += account.applied();
                if played.ended.is_none() {
                    count(&mut self.errors, reason, 1);
                }
            }
        }
        if let Some(reason) = &played.ended {
            self.sessions_ended += 1;
            count(&mut self.errors, reason, 1);
        }
    }

    /// Whether every bot played to the end and the match holds each of their commands exactly once.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems().is_empty()
    }

    /// Why the run is not clean, one sentence each; empty when it is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let malformed = protocol::OutcomeCode::MALFORMED.name().and_then(|name| self.rejections.get(name));
        let counted = [
            (self.bots - self.joined, "bots did not join"),
            (self.sessions_ended, "sessions ended before their bot was done"),
            (self.commands_lost, "acknowledged commands are not in the final state"),
            (self.duplicates, "commands are in the final state more often than they were sent"),
            (self.commands_unknown, "commands have no outcome, and never will"),
            (self.commands_unverified, "acknowledged commands could not be compared with the final state"),
            (self.hash_mismatches, "hashes differ from the server's"),
            (self.leaks, "entities were seen that interest forbids"),
            (malformed.copied().unwrap_or(0), "commands are malformed; swarm and server may be of different builds"),
        ];
        let mut problems: Vec<String> = counted
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, text)| format!("{} {text}", grouped(number)))
            .collect();
        if self.commands_acked == self.commands_rejected {
            problems.push("no command was applied, so nothing was shown".to_owned());
        }
        problems
    }

    /// The rows of the table: name, number, and what belongs to it.
    fn rows(&self) -> Vec<(&'static str, String, String)> {
        let ms = |value: f64| format!("{value:.1} ms");
        let plain = String::new;
        let by_name = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(name, number)| format!("{name} {}", grouped(*number))).collect::<Vec<_>>().join(", ")
        };
        vec![
            ("bots joined", grouped(self.joined), format!("of {}, {:.1} s", grouped(self.bots), self.seconds)),
            ("commands sent", grouped(self.commands_sent), format!("{:.1} a second and bot", self.commands_per_bot_s)),
            ("acked", grouped(self.commands_acked), plain()),
            ("rejected", grouped(self.commands_rejected), by_name(&self.rejections)),
            ("lost", grouped(self.commands_lost), plain()),
            ("duplicates", grouped(self.duplicates), plain()),
            ("unknown", grouped(self.commands_unknown), plain()),
            ("ack p50", ms(self.ack_ms.p50), plain()),
            ("ack p99", ms(self.ack_ms.p99), plain()),
            ("ack p99.9", ms(self.ack_ms.p999), plain()),
            ("ack max", ms(self.ack_ms.max), plain()),
            ("longest gap", ms(self.longest_gap_ms), "without an outcome while one was awaited".to_owned()),
            ("deltas", grouped(self.deltas), format!("and {} baselines", grouped(self.baselines))),
            ("hashes checked", grouped(self.hash_checks), format!("{} differ", grouped(self.hash_mismatches))),
            (
                "resumes",
                grouped(self.resumes),
                format!("{} connections lost, {} cut on purpose", grouped(self.connections_lost), grouped(self.cuts)),
            ),
            ("fresh p50", ms(self.freshness_ms.p50), "later than the fastest delivery of a tick".to_owned()),
            ("fresh p99", ms(self.freshness_ms.p99), plain()),
            ("row age p99", ms(self.row_age_ms.p99), "since another bot saw a newer one".to_owned()),
            ("leaks", grouped(self.leaks), "entities seen that interest forbids".to_owned()),
            ("down", format!("{:.1} kB/s", self.bytes_down_per_bot_s / 1_000.0), "a bot".to_owned()),
            ("up", format!("{:.1} kB/s", self.bytes_up_per_bot_s / 1_000.0), "a bot".to_owned()),
        ]
    }
}

impl AckMs {
    fn of(latency_us: &Histogram<u64>) -> Self {
        let at = |quantile| milliseconds(Duration::from_micros(latency_us.value_at_quantile(quantile)));
        let max = milliseconds(Duration::from_micros(latency_us.max()));
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let widest = |width: usize, row: &(_, String, _)| width.max(row.1.chars().count());
        let width = rows.iter().fold(0, widest);
        for (name, number, note) in rows {
            writeln!(f, "{}", format!("{name:<15}{number:>width$}  {note}").trim_end())?;
        }
        for (error, number) in &self.errors {
            writeln!(f, "error           {error} ({} times)", grouped(*number))?;
        }
        let problems = self.problems();
        if problems.is_empty() {
            return writeln!(f, "clean: each acknowledged command is in the final state once");
        }
        problems.iter().try_for_each(|problem| writeln!(f, "not clean: {problem}"))
    }
}

fn milliseconds(span: Duration) -> f64 {
    round(span.as_secs_f64() * 1_000.0)
}

/// Three digits after the point; more would be noise.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
