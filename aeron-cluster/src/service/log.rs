//! Reading the log: up to what is agreed, in whole messages, each handed to the service in its turn.

use std::time::Duration;

use super::attended::Attended;
use super::context::{Context, Standing};
use super::module::Module;
use super::{ClientSession, ClusteredService, ContainerError, LeadershipTerm, Role};
use crate::codec::cluster::{ACTION_SNAPSHOT, JoinLog, LogMessage, major};
use crate::transport::{
    Action, Assembler, Image, Subscription, Transport, TransportError, await_subscription, uri, wait_for,
};

/// Fragments of one poll, as in stock containers (`aeron.cluster.log.fragment.limit`): housekeeping comes between.
const FRAGMENTS_MAX: usize = 50;
/// After so long a poll ends, however few fragments it took: each may be a whole tick of an application, and the client
/// must not be silent for as long as the driver's liveness timeout.
const POLL_TIME_MAX: Duration = Duration::from_millis(50);
/// How long the stream that the module names may take to be there. It exists already, on this machine.
const IMAGE_LIMIT: Duration = Duration::from_secs(30);
/// `ClusterActionRequest`'s flag: the action is for standby members only.
pub(super) const FLAG_STANDBY_SNAPSHOT: i32 = 1;

/// A `JoinLog` that is kept until the log before it is done.
#[derive(Clone, Debug)]
pub(super) struct PendingJoin {
    pub(super) log_position: i64,
    pub(super) log_position_max: i64,
    pub(super) member_id: i32,
    pub(super) log_session_id: i32,
    pub(super) log_stream_id: i32,
    pub(super) is_startup: bool,
    pub(super) role: Role,
    pub(super) is_standby: bool,
    pub(super) log_channel: String,
}

impl From<JoinLog<'_>> for PendingJoin {
    fn from(join: JoinLog<'_>) -> Self {
        Self {
            log_position: join.log_position,
            log_position_max: join.log_position_max,
            member_id: join.member_id,
            log_session_id: join.log_session_id,
            log_stream_id: join.log_stream_id,
            is_startup: join.is_startup,
            role: match join.role {
                2 => Role::Leader,
                1 => Role::Candidate,
                _ => Role::Follower,
            },
            is_standby: join.is_standby,
            log_channel: join.log_channel.to_owned(),
        }
    }
}

/// The stream that is the log now.
pub(super) struct Log {
    image: Box<dyn Image>,
    /// Keeps the image alive.
    _subscription: Box<dyn Subscription>,
    position_max: i64,
}

impl Log {
    /// Opens the stream that the module names.
    ///
    /// # Errors
    ///
    /// [`ContainerError::NotContiguous`] when it does not begin at `expected`, where the state is.
    pub(super) fn open(
        transport: &mut Attended,
        join: &PendingJoin,
        service_id: i32,
        expected: i64,
    ) -> Result<Self, ContainerError> {
        let contiguous = |found| match found == expected {
            true => Ok(()),
            false => Err(ContainerError::NotContiguous { expected, found }),
        };
        contiguous(join.log_position)?;
        let channel = uri::with_param(&join.log_channel, "alias", &format!("log-service-{service_id}"));
        let subscription = await_subscription(transport, &channel, join.log_stream_id)?;
        let what = format!("image {} of {channel} stream {}", join.log_session_id, join.log_stream_id);
        let image = wait_for::<_, TransportError>(transport, &what, IMAGE_LIMIT, |_| {
            Ok(subscription.image(join.log_session_id))
        })?;
        contiguous(image.join_position())?;
        Ok(Self { image, _subscription: subscription, position_max: join.log_position_max })
    }

    /// The module names another log that goes on from here: this one is read up to there and no further.
    pub(super) fn end_at(&mut self, position: i64) {
        self.position_max = position;
    }

    /// Whether nothing more will come. What was there must have been read.
    pub(super) fn is_done(&self) -> bool {
        self.image.position() >= self.position_max || self.image.is_end_of_stream() || self.image.is_closed()
    }

    /// Up to where it was read; may be behind what was applied, once the image is closed.
    pub(super) fn position(&self) -> i64 {
        self.image.position()
    }

    /// Reads what is agreed, and hands whole messages to `entry`. Returns how many fragments were read.
    pub(super) fn poll(
        &mut self,
        assembler: &mut Assembler,
        commit_position: i64,
        entry: &mut dyn FnMut(&[u8], i64) -> Action,
    ) -> usize {
        let limit = commit_position.min(self.position_max);
        // Asked at or past its limit, an image may compute a wrong bound: positions are 64 bits, its offsets 32.
        if self.image.position() >= limit {
            return 0;
        }
        self.image.poll(limit, FRAGMENTS_MAX, &mut |fragment| assembler.take(fragment, entry))
    }
}

/// Hands entries to the service.
pub(super) struct Dispatch<'a, S> {
    pub(super) service: &'a mut S,
    pub(super) standing: &'a mut Standing,
    pub(super) transport: &'a mut Attended,
    pub(super) module: &'a mut Module,
    pub(super) is_responder: bool,
    pub(super) app_version: i32,
    /// What `ClusterActionRequest`s this member acts on, beside those for all.
    pub(super) standby_flags: i32,
    /// Set when the entry asks for a snapshot, which is then taken outside the poll.
    pub(super) is_snapshot_due: bool,
    /// When the poll began.
    pub(super) began: Duration,
}

impl<S: ClusteredService> Dispatch<'_, S> {
    /// Applies the entry that ends at `position`.
    pub(super) fn on_entry(&mut self, message: &[u8], position: i64) -> Action {
        let applied = LogMessage::decode(message)
            .map_err(|source| ContainerError::Message { stream: "the log", position, source })
            .and_then(|decoded| decoded.map_or(Ok(()), |decoded| self.apply(decoded, position)));
        if let Err(error) = applied {
            self.standing.failure.get_or_insert(error);
        }
        let has_taken_long = self.transport.now() - self.began >= POLL_TIME_MAX;
        let must_stop = self.standing.failure.is_some() || self.is_snapshot_due || has_taken_long;
        if must_stop { Action::Break } else { Action::Continue }
    }

    fn apply(&mut self, message: LogMessage<'_>, position: i64) -> Result<(), ContainerError> {
        match message {
            LogMessage::Session { header, payload } => {
                self.advance(position, header.timestamp);
                self.call(|service, cluster| {
                    service.on_message(cluster, header.cluster_session_id, header.timestamp, payload);
                });
            }
            LogMessage::Timer { correlation_id, timestamp, .. } => {
                self.advance(position, timestamp);
                self.call(|service, cluster| service.on_timer(cluster, correlation_id, timestamp));
            }
            LogMessage::SessionOpen {
                cluster_session_id,
                timestamp,
                response_stream_id,
                response_channel,
                encoded_principal,
                ..
            } => {
                self.advance(position, timestamp);
                let session = ClientSession {
                    id: cluster_session_id,
                    response_stream_id,
                    response_channel: response_channel.to_owned(),
                    encoded_principal: encoded_principal.to_owned(),
                };
                self.open_session(&session, timestamp)?;
            }
            LogMessage::SessionClose { cluster_session_id, timestamp, reason, .. } => {
                self.advance(position, timestamp);
                match self.standing.sessions.remove(cluster_session_id) {
                    Some(session) => {
                        self.call(|service, cluster| service.on_session_close(cluster, &session, timestamp, reason));
                    }
                    None => self.transport.note_error(&format!(
                        "session {cluster_session_id} closed at {position} without having been open"
                    )),
                }
            }
            LogMessage::Action { timestamp, action, flags, .. } => {
                self.advance(position, timestamp);
                let is_ours = flags == 0 || flags & self.standby_flags != 0;
                self.is_snapshot_due = action == ACTION_SNAPSHOT && is_ours;
            }
            LogMessage::NewTerm {
                leadership_term_id,
                timestamp,
                term_base_log_position,
                leader_member_id,
                time_unit,
                app_version,
                ..
            } => {
                let ours = self.app_version;
                if major(app_version) != major(ours) {
                    return Err(ContainerError::AppVersion { ours, found: app_version, place: "the log" });
                }
                self.advance(position, timestamp);
                self.standing.leadership_term_id = leadership_term_id;
                self.standing.time_unit = time_unit;
                let base_log_position = term_base_log_position;
                let term = LeadershipTerm { id: leadership_term_id, base_log_position, leader_member_id, time_unit };
                self.call(|service, cluster| service.on_new_term(cluster, &term));
            }
        }
        Ok(())
    }

    fn open_session(&mut self, session: &ClientSession, timestamp: i64) -> Result<(), ContainerError> {
        let (session_id, position) = (session.id, self.standing.log_position);
        if !self.standing.sessions.insert(session.clone()) {
            return Err(ContainerError::SessionTwice { session_id, position });
        }
        if self.standing.role == Role::Leader && self.is_responder {
            connect_session(self.standing, self.transport, session_id)?;
            adopt_sessions(self.standing, self.transport)?;
        }
        self.call(|service, cluster| service.on_session_open(cluster, session, timestamp));
        Ok(())
    }

    fn advance(&mut self, position: i64, timestamp: i64) {
        self.standing.log_position = position;
        self.standing.cluster_time = timestamp;
    }

    fn call(&mut self, call: impl FnOnce(&mut S, &mut Context<'_>)) {
        call(self.service, &mut Context::of_entry(self.standing, self.transport, self.module));
    }
}

/// Asks for the stream to a client. A channel that cannot be costs the client its answers, and nothing else.
pub(super) fn connect_session(
    standing: &mut Standing,
    transport: &mut Attended,
    session_id: i64,
) -> Result<(), TransportError> {
    match standing.sessions.connect(transport, session_id) {
        Err(error @ TransportError::Refused { .. }) => {
            transport.note_error(&unreachable(session_id, &error));
            Ok(())
        }
        other => other,
    }
}

/// Takes the streams to clients that the driver has made since.
pub(super) fn adopt_sessions(standing: &mut Standing, transport: &mut Attended) -> Result<usize, TransportError> {
    let mut refusals = Vec::new();
    let adopted = standing.sessions.adopt(transport, &mut |session_id, error| {
        refusals.push(unreachable(session_id, error));
    })?;
    refusals.iter().for_each(|refusal| transport.note_error(refusal));
    Ok(adopted)
}

fn unreachable(session_id: i64, error: &TransportError) -> String {
    format!("session {session_id} hears no answers: {error}")
}
