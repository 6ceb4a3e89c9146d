//! The session table: who may speak for a player, and what became of each command.
//!
//! Invariants:
//! - `last_seq` grows by one with each command taken; each taken command gets exactly one outcome.
//! - The ring holds the last [`OUTCOME_RING`] outcomes, ascending. A client has no more commands
//!   than that without an outcome, so whatever it may still ask is answered.
//! - Epochs only grow; nothing said in an older epoch has an effect.

use std::collections::{BTreeMap, VecDeque};

use protocol::limits::{
    COMMANDS_PER_TICK_MAX, OUTCOME_RING, SECRET_HASH_BYTES, SECRETS_OFFERED_MAX, SESSION_EXPIRY_MS,
};
use protocol::{ClusterSessionId, OutcomeCode};
use serde::{Deserialize, Serialize};

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) seq: u32,
    pub(crate) code: u16,
    /// The tick that ran it.
    pub(crate) tick: u64,
    /// The entry that carried it.
    pub(crate) position: u64,
}

/// Where a session's player is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Seat {
    /// Connected through this cluster session.
    Attached(u64),
    /// Without a connection since this log time, in milliseconds.
    Detached(i64),
}

pub(crate) type SecretHash = [u8; SECRET_HASH_BYTES];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlayerSession {
    pub(crate) match_id: u64,
    pub(crate) player: u32,
    pub(crate) account: String,
    pub(crate) epoch: u32,
    pub(crate) last_seq: u32,
    pub(crate) ring: VecDeque<Outcome>,
    pub(crate) seat: Seat,
    /// The secret that was used last, then those given out for it. All are good: the answer that
    /// carries a new one may get lost, or a resume from before a cut may run after a later one.
    secrets: Vec<SecretHash>,
}

/// What is to be done with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next: run it with the next tick.
    Run,
    /// It is the next, but one too many for the next tick: rejected there, in the order of the others.
    Reject,
    /// It was taken before and its outcome is known.
    Answer(Outcome),
    /// It was taken before and waits for its tick.
    Pending,
    /// It is not taken; the code says why. `seq` is the last one held.
    Refuse(OutcomeCode, u32),
}

/// What became of a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// The session is the asking edge's now. Until now this edge spoke for the player, if any, in this epoch.
    Taken { before: Option<ClusterSessionId>, epoch: u32 },
    /// It ran before; the session is as it was then.
    Again,
    /// There is no such session.
    NoSession,
    /// The secret is not the session's.
    WrongSecret,
    /// The session speaks through another edge by now.
    Superseded,
}

impl PlayerSession {
    pub(crate) fn attached(&self) -> Option<ClusterSessionId> {
        match self.seat {
            Seat::Attached(session) => Some(ClusterSessionId(session)),
            Seat::Detached(_) => None,
        }
    }

    pub(crate) fn note_outcome(&mut self, outcome: Outcome) {
        if self.ring.len() == OUTCOME_RING {
            self.ring.pop_front();
        }
        self.ring.push_back(outcome);
    }

    /// When the session ends if nobody comes back.
    fn expires_ms(&self) -> Option<i64> {
        match self.seat {
            Seat::Attached(_) => None,
            Seat::Detached(since_ms) => Some(since_ms + SESSION_EXPIRY_MS),
        }
    }
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sessions {
    table: BTreeMap<u32, PlayerSession>,
    last_id: u32,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&PlayerSession> {
        self.table.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut PlayerSession> {
        self.table.get_mut(&id)
    }

    pub(crate) fn open(
        &mut self,
        match_id: u64,
        player: u32,
        account: &str,
        secret: SecretHash,
        edge: ClusterSessionId,
    ) -> u32 {
        self.last_id += 1;
        let session = PlayerSession {
            match_id,
            player,
            account: account.to_owned(),
            epoch: 1,
            last_seq: 0,
            ring: VecDeque::new(),
            seat: Seat::Attached(edge.0),
            secrets: vec![secret],
        };
        self.table.insert(self.last_id, session);
        self.last_id
    }

    pub(crate) fn close(&mut self, id: u32) -> Option<PlayerSession> {
        self.table.remove(&id)
    }

    /// Takes a session back for a player who shows `secret`. `expected` is the epoch to take it over from, 0 for
    /// whichever it is: an edge that comes back names the one it knows, so that it takes no player from another edge.
    ///
    /// `next` is made for this request alone. That it was given out says that this request ran before, so that whoever
    /// lost the answer can ask again; that another was given out since says that it was superseded.
    pub(crate) fn resume(
        &mut self,
        id: u32,
        secret: &SecretHash,
        next: SecretHash,
        expected: u32,
        edge: ClusterSessionId,
    ) -> Resumed {
        let Some(session) = self.table.get_mut(&id) else { return Resumed::NoSession };
        // Hashes of secrets of 256 random bits: comparing them takes no care about time.
        if !session.secrets.contains(secret) {
            return Resumed::WrongSecret;
        }
        let is_newest = session.secrets.last() == Some(&next);
        // What an edge takes over it names by its epoch, and gives out no secret for it.
        let ran_before = match expected {
            0 => session.secrets.contains(&next),
            _ => session.epoch != expected,
        };
        if ran_before {
            if !is_newest {
                return Resumed::Superseded;
            }
            session.seat = Seat::Attached(edge.0);
            return Resumed::Again;
        }
        let (before, epoch) = (session.attached(), session.epoch);
        if session.secrets[0] != *secret {
            session.secrets = vec![*secret];
        } else if session.secrets.len() > SECRETS_OFFERED_MAX {
            session.secrets.remove(1);
        }
        if !session.secrets.contains(&next) {
            session.secrets.push(next);
        }
        session.epoch += 1;
        session.seat = Seat::Attached(edge.0);
        Resumed::Taken { before, epoch }
    }

    /// The session that this very join opened, when nobody has come back to it since: the secret is made for one
    /// join alone. It is the edge's that asks again.
    pub(crate) fn joined_by(
        &mut self,
        match_id: u64,
        account: &str,
        secret: &[u8],
        edge: ClusterSessionId,
    ) -> Option<u32> {
        let id = self.of_account(match_id, account)?;
        let session = self.table.get_mut(&id)?;
        let is_same = session.secrets.len() == 1 && session.secrets[0] == *secret && session.epoch == 1;
        is_same.then(|| session.seat = Seat::Attached(edge.0))?;
        Some(id)
    }

    /// The player's connection is gone, if it is still this one.
    pub(crate) fn detach(&mut self, id: u32, epoch: u32, edge: ClusterSessionId, now_ms: i64) {
        if let Some(session) = self.table.get_mut(&id)
            && session.epoch == epoch
            && session.seat == Seat::Attached(edge.0)
        {
            session.seat = Seat::Detached(now_ms);
        }
    }

    /// An edge is gone, and with it the connections of its players.
    pub(crate) fn detach_edge(&mut self, edge: ClusterSessionId, now_ms: i64) {
        for session in self.table.values_mut().filter(|session| session.seat == Seat::Attached(edge.0)) {
            session.seat = Seat::Detached(now_ms);
        }
    }

    /// Judges a command; one that is to run is taken: its number counts as used from here on.
    pub(crate) fn judge(&mut self, id: u32, epoch: u32, seq: u32) -> Verdict {
        let Some(session) = self.table.get_mut(&id) else {
            return Verdict::Refuse(OutcomeCode::NO_SESSION, seq);
        };
        if epoch != session.epoch {
            return Verdict::Refuse(OutcomeCode::STALE_EPOCH, seq);
        }
        if session.last_seq.checked_add(1) == Some(seq) {
            // Those without an outcome yet are those that wait for the next tick.
            let answered = session.ring.back().map_or(0, |newest| newest.seq);
            let is_one_too_many = session.last_seq - answered >= COMMANDS_PER_TICK_MAX as u32;
            session.last_seq = seq;
            return if is_one_too_many { Verdict::Reject } else { Verdict::Run };
        }
        // Numbers begin with 1: 0 is none of them, and says as little as one from the future.
        if seq > session.last_seq || seq == 0 {
            return Verdict::Refuse(OutcomeCode::GAP, session.last_seq);
        }
        match session.ring.iter().find(|outcome| outcome.seq == seq) {
            Some(outcome) => Verdict::Answer(*outcome),
            // Outcomes come in the order of the numbers: a later one than any in the ring is still to come.
            None if session.ring.back().is_none_or(|newest| seq > newest.seq) => Verdict::Pending,
            None => Verdict::Refuse(OutcomeCode::FORGOTTEN, seq),
        }
    }

    /// The account's session in a match, if it has one.
    pub(crate) fn of_account(&self, match_id: u64, account: &str) -> Option<u32> {
        self.of_match(match_id).into_iter().find(|id| self.table[id].account == account)
    }

    /// Whether another account plays this player.
    pub(crate) fn is_played(&self, match_id: u64, player: u32, account: &str) -> bool {
        let of_player = |session: &&PlayerSession| session.match_id == match_id && session.player == player;
        self.table.values().filter(of_player).any(|session| session.account != account)
    }

    /// The sessions of a match, ascending.
    pub(crate) fn of_match(&self, match_id: u64) -> Vec<u32> {
        self.table.iter().filter(|(_, session)| session.match_id == match_id).map(|(id, _)| *id).collect()
    }

    pub(crate) fn next_expiry_ms(&self) -> Option<i64> {
        self.table.values().filter_map(PlayerSession::expires_ms).min()
    }

    pub(crate) fn expired(&self, now_ms: i64) -> Vec<u32> {
        let is_over = |session: &PlayerSession| session.expires_ms().is_some_and(|at_ms| at_ms <= now_ms);
        self.table.iter().filter(|(_, session)| is_over(session)).map(|(id, _)| *id).collect()
    }
}
