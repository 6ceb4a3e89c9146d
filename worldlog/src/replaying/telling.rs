//! What the edge of a process that shows recordings is told, as messages of the service.

use ecs_state::StepOutput;
use protocol::cluster::{
    EdgeAcceptedT, EgressMessageT, MatchBaselineT, MatchClosedT, MatchDeltaT, SessionEndedT, SessionJoinedT,
    SessionOutcomeT, SessionOutcomesT, SessionRefusedT,
};
use protocol::delta::encode_full;
use protocol::manifest::Visibility;
use protocol::outcome::CloseCode;
use protocol::{Columns, OutcomeCode};

use super::stage::Viewer;

pub(super) fn accepted(manifest: &[u8]) -> EgressMessageT {
    let mut accepted = EdgeAcceptedT::default();
    accepted.manifest = manifest.to_vec();
    EgressMessageT::EdgeAccepted(Box::new(accepted))
}

pub(super) fn closed(match_id: u64) -> EgressMessageT {
    let mut closed = MatchClosedT::default();
    (closed.match_id, closed.code) = (match_id, CloseCode::NoMatch as u16);
    EgressMessageT::MatchClosed(Box::new(closed))
}

pub(super) fn refused(request: u64, code: CloseCode) -> EgressMessageT {
    let mut refused = SessionRefusedT::default();
    (refused.request, refused.code) = (request, code as u16);
    EgressMessageT::SessionRefused(Box::new(refused))
}

pub(super) fn ended(session: u32, epoch: u32, code: CloseCode) -> EgressMessageT {
    let mut ended = SessionEndedT::default();
    (ended.session, ended.epoch, ended.code) = (session, epoch, code as u16);
    EgressMessageT::SessionEnded(Box::new(ended))
}

pub(super) fn joined(request: u64, session: u32, viewer: &Viewer, resumed: bool) -> EgressMessageT {
    let mut joined = SessionJoinedT::default();
    (joined.request, joined.match_id, joined.session) = (request, viewer.match_id, session);
    (joined.epoch, joined.player) = (viewer.epoch, viewer.player);
    (joined.last_seq, joined.resumed) = (viewer.last_seq, resumed);
    joined.outcomes = Some(Vec::new());
    EgressMessageT::SessionJoined(Box::new(joined))
}

/// Nothing ran: the match is a recording.
pub(super) fn recorded(session: u32, seqs: &[u32], tick: u64, position: u64) -> EgressMessageT {
    let code = OutcomeCode::RECORDED.0;
    let outcome = |seq: &u32| SessionOutcomeT { position, tick, session, seq: *seq, code, reserved: 0 };
    let mut outcomes = SessionOutcomesT::default();
    outcomes.outcomes = seqs.iter().map(outcome).collect();
    EgressMessageT::SessionOutcomes(Box::new(outcomes))
}

/// The whole state. `rewound`: it may be of an earlier tick than the edge knows.
pub(super) fn baseline(match_id: u64, tick: u64, position: u64, columns: &Columns, rewound: bool) -> EgressMessageT {
    let mut baseline = MatchBaselineT::default();
    (baseline.match_id, baseline.tick, baseline.position) = (match_id, tick, position);
    baseline.hash_everyone = columns.hash(Visibility::Everyone);
    baseline.hash_owner = columns.hash(Visibility::Owner);
    baseline.everyone = encode_full(columns, Visibility::Everyone, |_| true);
    baseline.owner = encode_full(columns, Visibility::Owner, |_| true);
    baseline.rewound = rewound;
    EgressMessageT::MatchBaseline(Box::new(baseline))
}

pub(super) fn delta(match_id: u64, position: u64, output: StepOutput) -> EgressMessageT {
    let mut delta = MatchDeltaT::default();
    (delta.match_id, delta.tick, delta.position) = (match_id, output.tick, position);
    delta.hash_everyone = output.sums[Visibility::Everyone as usize];
    delta.hash_owner = output.sums[Visibility::Owner as usize];
    (delta.everyone, delta.owner) = (output.everyone, output.owner);
    delta.outcomes = Some(Vec::new());
    EgressMessageT::MatchDelta(Box::new(delta))
}
