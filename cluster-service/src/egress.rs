//! What edges are told, as messages.

use ecs_state::{Game, StepOutput};
use protocol::cluster::{
    EdgeAcceptedT, EdgeRefusedT, EgressMessageT, MatchBaselineT, MatchClosedT, MatchDeltaT, MatchOpenedT, MatchStateT,
    OpenMatchesT, SessionEndedT, SessionJoinedT, SessionOutcomeT, SessionOutcomesT, SessionRefusedT,
};
use protocol::delta::encode_full;
use protocol::manifest::Visibility;
use protocol::outcome::CloseCode;

use crate::Match;
use crate::sessions::{Outcome, PlayerSession};

/// Builds a message; generated tables may gain fields, so they are made from their default.
macro_rules! message {
    ($kind:ident, $table:ident { $($field:ident $(: $value:expr)?),* $(,)? }) => {{
        let mut table = $table::default();
        $(table.$field = message!(@value $field $($value)?);)*
        EgressMessageT::$kind(Box::new(table))
    }};
    (@value $field:ident) => { $field };
    (@value $field:ident $value:expr) => { $value };
}

pub(crate) fn accepted(manifest: &[u8]) -> EgressMessageT {
    message!(EdgeAccepted, EdgeAcceptedT { manifest: manifest.to_vec() })
}

pub(crate) fn refused_edge(reason: &str) -> EgressMessageT {
    message!(EdgeRefused, EdgeRefusedT { reason: Some(reason.to_owned()) })
}

pub(crate) fn opened(request: u64, match_id: u64, code: CloseCode, reason: &str) -> EgressMessageT {
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    message!(MatchOpened, MatchOpenedT { request, match_id, code: code as u16, reason })
}

pub(crate) fn closed(request: u64, match_id: u64, code: CloseCode) -> EgressMessageT {
    message!(MatchClosed, MatchClosedT { request, match_id, code: code as u16 })
}

/// `with_content`: what it was opened with, too.
pub(crate) fn match_state<G: Game>(match_id: u64, of: &Match<G>, with_content: bool) -> MatchStateT {
    let columns = of.simulation().columns();
    let mut state = MatchStateT::default();
    (state.match_id, state.opened_ms, state.label) = (match_id, of.opened_ms(), Some(of.label().to_owned()));
    (state.tick_millihertz, state.tick) = (G::TICKING.millihertz(), of.simulation().tick());
    (state.players, state.entities) = (of.player_count(), columns.entity_count() as u32);
    state.hash = columns.total_hash();
    state.kept = Some(of.kept().iter().copied().collect());
    state.content = with_content.then(|| of.simulation().setup().content.to_vec());
    state
}

pub(crate) fn open_matches(request: u64, matches: Vec<MatchStateT>) -> EgressMessageT {
    message!(OpenMatches, OpenMatchesT { request, matches })
}

pub(crate) fn refused(request: u64, code: CloseCode) -> EgressMessageT {
    message!(SessionRefused, SessionRefusedT { request, code: code as u16 })
}

pub(crate) fn ended(session: u32, epoch: u32, code: CloseCode) -> EgressMessageT {
    message!(SessionEnded, SessionEndedT { session, epoch, code: code as u16 })
}

pub(crate) fn joined(request: u64, id: u32, session: &PlayerSession, resumed: bool) -> EgressMessageT {
    let outcomes = session.ring.iter().map(|outcome| outcome_of(id, outcome)).collect();
    message!(
        SessionJoined,
        SessionJoinedT {
            request,
            match_id: session.match_id,
            session: id,
            epoch: session.epoch,
            player: session.player,
            last_seq: session.last_seq,
            resumed,
            outcomes: Some(outcomes),
        }
    )
}

pub(crate) fn outcome_of(session: u32, outcome: &Outcome) -> SessionOutcomeT {
    let Outcome { seq, code, tick, position } = *outcome;
    SessionOutcomeT { position, tick, session, seq, code, reserved: 0 }
}

pub(crate) fn outcomes(outcomes: Vec<SessionOutcomeT>) -> EgressMessageT {
    message!(SessionOutcomes, SessionOutcomesT { outcomes })
}

pub(crate) fn baseline<G: Game>(of: &Match<G>) -> EgressMessageT {
    let simulation = of.simulation();
    let columns = simulation.columns();
    message!(
        MatchBaseline,
        MatchBaselineT {
            match_id: simulation.match_id().0,
            tick: simulation.tick(),
            position: of.position(),
            hash_everyone: columns.hash(Visibility::Everyone),
            hash_owner: columns.hash(Visibility::Owner),
            everyone: encode_full(columns, Visibility::Everyone, |_| true),
            owner: encode_full(columns, Visibility::Owner, |_| true),
        }
    )
}

pub(crate) fn delta(
    match_id: u64,
    position: u64,
    output: StepOutput,
    outcomes: Vec<SessionOutcomeT>,
) -> EgressMessageT {
    message!(
        MatchDelta,
        MatchDeltaT {
            match_id,
            tick: output.tick,
            position,
            hash_everyone: output.sums[Visibility::Everyone as usize],
            hash_owner: output.sums[Visibility::Owner as usize],
            everyone: output.everyone,
            owner: output.owner,
            outcomes: Some(outcomes),
        }
    )
}
