//! `worldlog swarm`

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use client::Trust;
use loadtest::{LinkFaults, Progress, SwarmOptions, TokenSource};
use net_edge::{Claims, TokenSigner};
use protocol::MatchId;
use protocol::account::account_of;

use super::{Answer, Done, Failure, duration, from_hex, runtime};
use crate::registry::find_by_quic;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where players connect: address or name, and port
    #[arg(long, value_parser = address)]
    connect: SocketAddr,
    /// How many bots
    #[arg(long, default_value_t = 32)]
    bots: usize,
    /// How long they play
    #[arg(long, value_parser = duration, default_value = "30s")]
    duration: Duration,
    /// Most commands a second of one bot
    #[arg(long, default_value_t = 15.0)]
    rate: f64,
    /// Equal seeds make equal bots and equal links
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Percent of the packets that are lost, each way: 0 to 100, as in 0.5
    #[arg(long, value_parser = percent, default_value = "0", value_name = "PERCENT")]
    loss: u32,
    /// Milliseconds that each packet is under way, each way
    #[arg(long, value_parser = milliseconds, default_value = "0", value_name = "MS")]
    delay: Duration,
    /// And up to so much more, by chance; packets overtake each other by it
    #[arg(long, value_parser = milliseconds, default_value = "0", value_name = "MS")]
    jitter: Duration,
    /// Percent of the packets that come 30 ms late, so that others overtake them
    #[arg(long, value_parser = percent, default_value = "0", value_name = "PERCENT")]
    reorder: u32,
    /// Percent of the packets that come twice
    #[arg(long, value_parser = percent, default_value = "0", value_name = "PERCENT")]
    duplicate: u32,
    /// Cut the connection of a bot chosen by chance so often
    #[arg(long, value_parser = duration)]
    cut_every: Option<Duration>,
    /// The match to join; that of the process on this machine when not given
    #[arg(long = "match")]
    match_id: Option<u64>,
    /// Players that bots play on, in a match that was taken over from a recording: 1,2,5. Bots beyond these are new
    #[arg(long = "as", value_delimiter = ',', value_name = "PLAYER")]
    players: Vec<u32>,
    /// Key that signs join tokens; that of the process on this machine when not given
    #[arg(long)]
    token_key: Option<PathBuf>,
    /// SHA-256 of the edge's certificate; needed unless it is on this machine
    #[arg(long)]
    trust_sha256: Option<String>,
    /// Stay in the match at the end: sessions wait to be resumed until they expire
    #[arg(long)]
    stay: bool,
}

pub(super) fn run(arguments: Arguments, answer: Answer) -> Done {
    let trust = match arguments.trust_sha256.as_deref().map(from_hex) {
        Some(Some(hash)) => Trust::Pinned(hash),
        Some(None) => return Err(Failure::Usage("--trust-sha256 takes 64 hexadecimal digits".to_owned())),
        None if arguments.connect.ip().is_loopback() => Trust::DevInsecureLoopback,
        None => {
            return Err(Failure::Usage(
                "an edge on another machine must be known by its certificate: give --trust-sha256".to_owned(),
            ));
        }
    };
    let running = find_by_quic(arguments.connect);
    let missing = |option: &str| {
        Failure::Failed(format!(
            "no process of yours listens on {} here; start `worldlog dev`, or give {option}",
            arguments.connect
        ))
    };
    let key = arguments.token_key.or_else(|| running.as_ref().map(|running| running.token_key.clone()));
    let key = key.ok_or_else(|| missing("--token-key"))?;
    let match_id = arguments.match_id.or_else(|| running.and_then(|running| running.match_id));
    let match_id = match_id.ok_or_else(|| missing("--match"))?;
    let account = format!("swarm-{}", std::process::id());
    let options = SwarmOptions {
        edges: vec![arguments.connect],
        trust,
        bots: arguments.bots,
        duration: arguments.duration,
        commands_per_second: arguments.rate,
        seed: arguments.seed,
        leave: !arguments.stay,
        cut_every: arguments.cut_every,
        faults: LinkFaults {
            seed: 0,
            loss_ppm: arguments.loss,
            duplicate_ppm: arguments.duplicate,
            reorder_ppm: arguments.reorder,
            delay: arguments.delay,
            jitter: arguments.jitter,
        },
        tokens: Arc::new(SignedTokens::load(&key, match_id, &account)?.playing(arguments.players)),
    };
    let json = answer.json;
    let report = runtime()?.block_on(loadtest::run(options, |progress| show(progress, json)));
    answer.give(&report, || report.to_string());
    if report.is_clean() { Ok(()) } else { Err(Failure::Found) }
}

/// Reads an address, or asks for that of a name. IPv4 comes first, as that is what `dev` listens on by itself.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found: Vec<SocketAddr> =
        text.to_socket_addrs().map_err(|error| format!("{error}; write 127.0.0.1:4433 or name:4433"))?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    first.copied().ok_or_else(|| format!("{text} has no address"))
}

/// Reads percent, with or without the sign, as parts of a million.
fn percent(text: &str) -> Result<u32, String> {
    let number: f64 = text.trim_end_matches('%').parse().map_err(|_| format!("{text} is no number of percent"))?;
    if !(0.0..=100.0).contains(&number) {
        return Err(format!("{text} percent; 0 to 100 make sense"));
    }
    Ok((number * 10_000.0).round() as u32)
}

/// Reads milliseconds; other units when they are named.
fn milliseconds(text: &str) -> Result<Duration, String> {
    let wait = text.parse().map(|number: f64| number / 1_000.0).map(Duration::try_from_secs_f64);
    let wait = wait.map_or_else(|_| duration(text), |wait| wait.map_err(|error| error.to_string()))?;
    if wait > Duration::from_secs(10) { Err(format!("{text} is more than 10 s")) } else { Ok(wait) }
}

fn show(progress: &Progress, json: bool) {
    use std::io::IsTerminal;
    if json && !std::io::stderr().is_terminal() {
        return;
    }
    eprintln!(
        "{:>4.0} s: {} of {} joined, {} commands, {} acked ({} rejected), {} waiting, p99 {:.1} ms, {} resumes",
        progress.elapsed.as_secs_f64(),
        progress.joined,
        progress.bots,
        progress.commands_sent,
        progress.commands_acked,
        progress.commands_rejected,
        progress.commands_waiting,
        progress.ack_p99_ms,
        progress.resumes
    );
}

/// Tokens made with a key that is at hand.
pub(super) struct SignedTokens {
    signer: TokenSigner,
    match_id: u64,
    account: String,
    /// As whom the first bots come.
    players: Vec<u32>,
}

impl SignedTokens {
    pub(super) fn load(key: &Path, match_id: u64, account: &str) -> Result<Self, Failure> {
        let signer = TokenSigner::load(key).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Self { signer, match_id, account: account.to_owned(), players: Vec::new() })
    }

    /// The first bots come as these players.
    fn playing(self, players: Vec<u32>) -> Self {
        Self { players, ..self }
    }
}

impl TokenSource for SignedTokens {
    fn token(&self, bot: usize) -> Result<String, String> {
        let name = format!("{}-{bot}", self.account);
        let account = self.players.get(bot).map_or_else(|| name.clone(), |player| account_of(*player, &name));
        Ok(sign(&self.signer, self.match_id, &account))
    }
}

/// A token that is good from now on.
pub(super) fn sign(signer: &TokenSigner, match_id: u64, account: &str) -> String {
    signer.sign(&Claims::new(MatchId(match_id), account, unix_seconds()))
}

pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percent() {
        assert_eq!(percent("20"), Ok(200_000));
        assert_eq!(percent("0.5%"), Ok(5_000));
        assert!(percent("101").is_err() && percent("-1").is_err() && percent("many").is_err());
    }

    #[test]
    fn waits_are_milliseconds_unless_a_unit_is_named() {
        assert_eq!(milliseconds("50"), Ok(Duration::from_millis(50)));
        assert_eq!(milliseconds("1s"), Ok(Duration::from_secs(1)));
        assert!(milliseconds("11s").is_err() && milliseconds("-5").is_err() && milliseconds("soon").is_err());
    }
}
