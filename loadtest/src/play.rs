//! One bot's life: joins, plays, waits for what it is owed, reads the final state, leaves.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arena::Command;
use client::{Client, Outcome, Player, Receipt, SendError, SessionEnd};
use protocol::limits::COMMANDS_UNACKED_MAX;
use protocol::outcome::CloseCode;
use tokio::sync::watch;

use crate::account::Account;
use crate::audit::Audit;
use crate::bot::Bot;
use crate::freshness::{Freshness, TickClock};
use crate::report::{BotRecord, Played};
use crate::swarm::SwarmOptions;
use crate::witness::{RowAges, Witness};

/// How far the swarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Bots join and play.
    Play,
    /// Nothing is sent any more; what was sent gets its outcome.
    Settle,
    /// Nobody waits any longer.
    Abandon,
}

/// What a bot shows while it plays.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    account: Mutex<Account>,
    pub(crate) player: OnceLock<Player>,
}

impl Slot {
    /// Its numbers are whole even if another thread panicked.
    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One bot and what it needs to play.
pub(crate) struct Life {
    pub(crate) number: usize,
    pub(crate) client: Client,
    pub(crate) slot: Arc<Slot>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) options: Arc<SwarmOptions>,
    /// When the swarm started; times of the account count from here.
    pub(crate) start: Instant,
    pub(crate) clock: Arc<TickClock>,
    pub(crate) witness: Arc<Witness>,
}

impl Life {
    pub(crate) async fn run(mut self) -> BotRecord {
        let mut phase = self.phase.clone();
        let joined = tokio::select! {
            joined = self.join() => joined,
            () = reaches(&mut phase, Phase::Settle) => return BotRecord::NotJoined { error: None },
        };
        match joined {
            Ok(player) => self.play(player).await,
            Err(error) => BotRecord::NotJoined { error: Some(error) },
        }
    }

    async fn join(&self) -> Result<Player, String> {
        tokio::time::sleep(JOIN_SPACING * u32::try_from(self.number).unwrap_or(u32::MAX)).await;
        for _ in 1..JOIN_ATTEMPTS {
            match self.client.join(self.token().await?).await {
                Err(end) if is_cured_by_a_new_token(&end) => tracing::debug!(bot = self.number, %end, "another token"),
                joined => return joined.map_err(|end| end.to_string()),
            }
        }
        self.client.join(self.token().await?).await.map_err(|end| end.to_string())
    }

    /// A source may read files or ask a server.
    async fn token(&self) -> Result<String, String> {
        let (tokens, number) = (Arc::clone(&self.options.tokens), self.number);
        let issued = tokio::task::spawn_blocking(move || tokens.token(number)).await;
        issued.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn play(&mut self, player: Player) -> BotRecord {
        let joined_at = self.start.elapsed();
        let player = self.slot.player.get_or_init(|| player);
        let seed = self.options.seed.wrapping_add(self.number as u64);
        let rate = self.options.commands_per_second;
        let mut bot = match Bot::new(&player.manifest(), player.player_id(), rate, seed) {
            Ok(bot) => bot,
            Err(error) => return BotRecord::NotJoined { error: Some(error.to_string()) },
        };
        // Who plays on as a player that was there has commands that others gave.
        let before = player.with_mirror(|mirror| bot.tally(mirror.columns())).ok().flatten().unwrap_or_default();
        let manifest = player.manifest();
        let mut table = Table {
            player,
            bot,
            slot: &self.slot,
            waiting: VecDeque::new(),
            start: self.start,
            clock: &self.clock,
            freshness: Freshness::new(manifest.tick_millihertz()),
            audit: Audit::new(&manifest, player.player_id()),
            witness: &self.witness,
            ages: RowAges::new(&manifest, self.options.bots),
        };
        let early = table.play(&mut self.phase).await;
        let (tally, late) = tokio::select! {
            settled = table.settle() => settled,
            () = reaches(&mut self.phase, Phase::Abandon) => (Err("nobody waited for the final state".to_owned()), None),
            () = tokio::time::sleep(SETTLE_MAX) => (Err("the final state did not come in time".to_owned()), None),
        };
        table.give_up_waiting();
        let (fresh_us, leaks) = (table.freshness.late_us().clone(), table.audit.leaks());
        let row_age_us = table.ages.age_us().clone();
        let now = self.start.elapsed();
        let account = self.slot.account().clone();
        let played = Played {
            longest_gap: account.longest_gap(now),
            account,
            stats: player.stats(),
            lasted: now - joined_at,
            tally: tally.map(|tally| tally.saturating_sub(before)),
            ended: early.or(late),
            fresh_us,
            row_age_us,
            leaks,
        };
        if self.options.leave && player.ended().is_none() {
            let left = tokio::time::timeout(LEAVE_MAX, player.leave()).await;
            tracing::debug!(bot = self.number, ?left, "left");
        }
        BotRecord::Played(Box::new(played))
    }
}

/// A bot at play.
struct Table<'a> {
    player: &'a Player,
    bot: Bot,
    slot: &'a Slot,
    /// In the order in which they were sent, which is that of their outcomes.
    waiting: VecDeque<Sent>,
    start: Instant,
    clock: &'a TickClock,
    freshness: Freshness,
    audit: Audit,
    witness: &'a Witness,
    ages: RowAges,
}

struct Sent {
    command: Command,
    at: Duration,
    receipt: Receipt,
}

impl Table<'_> {
    /// Plays until the time is up, which gives `None`, or the session ends, which says why.
    async fn play(&mut self, phase: &mut watch::Receiver<Phase>) -> Option<String> {
        let mut ticks = self.player.ticks();
        let mut closed = pin!(self.player.closed());
        let mut over = pin!(reaches(phase, Phase::Settle));
        loop {
            tokio::select! {
                biased;
                () = &mut over => return None,
                end = &mut closed => return Some(end.to_string()),
                outcome = next_outcome(&mut self.waiting), if !self.waiting.is_empty() => self.note(&outcome.0, outcome.1),
                // Cannot fail while the player lives.
                _ = ticks.changed() => if let Err(error) = self.think() { return Some(error) },
            }
        }
    }

    fn think(&mut self) -> Result<(), String> {
        let room = COMMANDS_UNACKED_MAX - self.waiting.len();
        let Self { bot, freshness, audit, clock, witness, ages, start, .. } = self;
        let thought = self.player.with_mirror(|mirror| {
            if !mirror.is_in_sync() {
                return Ok(Vec::new());
            }
            let now_us = start.elapsed().as_micros() as i64;
            freshness.note(mirror.tick(), now_us, clock);
            ages.look(mirror, now_us, witness);
            audit.look(mirror.columns(), mirror.tick());
            bot.think(mirror.columns(), mirror.tick(), room)
        });
        for command in thought.map_err(|error| error.to_string())? {
            self.send(command);
        }
        Ok(())
    }

    fn send(&mut self, command: Command) {
        let at = self.start.elapsed();
        match self.player.try_send(command.encode()) {
            Ok(receipt) => {
                self.slot.account().note_sent(at);
                self.waiting.push_back(Sent { command, at, receipt });
            }
            // Not taken: the window opens a moment after its outcomes are told, or the session has just ended.
            Err(error) => {
                tracing::trace!(%error, "not sent");
                self.bot.handle_rejection(command);
            }
        }
    }

    fn note(&mut self, sent: &Sent, outcome: Result<Outcome, SendError>) {
        let now = self.start.elapsed();
        let mut account = self.slot.account();
        match outcome {
            Ok(Outcome::Applied { .. }) => account.note_applied(sent.at, now),
            Ok(Outcome::Rejected { name, .. }) => {
                account.note_rejected(&name, sent.at, now);
                self.bot.handle_rejection(sent.command);
            }
            Err(error) => {
                tracing::debug!(%error, "an outcome is unknown");
                account.note_unknown(now);
            }
        }
    }

    /// Waits for all outcomes, then for a state of the server that is newer than they are, and reads the tally in it.
    /// The second part says why the session ended, if it did.
    async fn settle(&mut self) -> (Result<u64, String>, Option<String>) {
        while !self.waiting.is_empty() {
            let (sent, outcome) = next_outcome(&mut self.waiting).await;
            self.note(&sent, outcome);
        }
        loop {
            // What the mirror holds may be from before a crash; a new tick is the word of a living server.
            if let Err(end) = self.player.next_tick().await {
                return (Err(end.to_string()), Some(end.to_string()));
            }
            let bot = &mut self.bot;
            let read = self.player.with_mirror(|mirror| mirror.is_in_sync().then(|| bot.tally(mirror.columns())));
            match read {
                Some(Ok(Some(tally))) => return (Ok(tally), None),
                Some(Ok(None)) => return (Err("the player has no seat in the final state".to_owned()), None),
                Some(Err(error)) => return (Err(error.to_string()), None),
                None => {}
            }
        }
    }

    fn give_up_waiting(&mut self) {
        let now = self.start.elapsed();
        self.waiting.drain(..).for_each(|_| self.slot.account().note_unknown(now));
    }
}

/// The outcome of the command that waits longest. Dropped before it returns, nothing is lost.
async fn next_outcome(waiting: &mut VecDeque<Sent>) -> (Sent, Result<Outcome, SendError>) {
    let Some(first) = waiting.front_mut() else { return std::future::pending().await };
    let outcome = (&mut first.receipt).await;
    let sent = waiting.pop_front().expect("its first was looked at just now");
    (sent, outcome)
}

/// Waits until the swarm is as far.
async fn reaches(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // Without a sender nobody conducts the swarm, and its bots are about to be dropped.
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The token was redeemed in a connection that was lost at once, or waited too long for its turn.
const fn is_cured_by_a_new_token(end: &SessionEnd) -> bool {
    matches!(end, SessionEnd::Closed { code: Some(CloseCode::TokenUsed | CloseCode::TokenExpired), .. })
}

/// Between two joins: half of what an edge takes from one place in the long run.
const JOIN_SPACING: Duration = Duration::from_millis(20);
const JOIN_ATTEMPTS: u32 = 3;
/// More than a player tries to come back, so that its own word is heard first.
const SETTLE_MAX: Duration = Duration::from_secs(75);
const LEAVE_MAX: Duration = Duration::from_secs(10);
