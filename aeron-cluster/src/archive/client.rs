//! A control session with an archive: connecting, asking, hearing.

use std::collections::VecDeque;
use std::time::Duration;

use super::{ArchiveError, ErrorCode};
use crate::codec::archive::{
    ArchiveMessage, RecordingDescriptor, Request, ResponseCode, Signal, encode_close, encode_connect,
};
use crate::transport::{
    Action, Assembler, Image, OfferError, Publication, Subscription, Transport, TransportError, await_publication,
    await_subscription, uri, wait_for,
};

/// How to reach an archive.
#[derive(Clone, Debug)]
pub struct ArchiveConfig {
    /// Where the archive takes requests: IPC for the one on the same driver, else its control endpoint.
    pub request_channel: String,
    /// Stream of requests.
    pub request_stream_id: i32,
    /// Where the archive answers. A session id is added, so that each client has a stream of its own.
    pub response_channel: String,
    /// Stream of answers; by custom each component of a member has one of its own.
    pub response_stream_id: i32,
    /// For the archive's authenticator, at the beginning and when it challenges; empty without one.
    pub credentials: Vec<u8>,
    /// For operators, in the archive's label of the session.
    pub client_info: String,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Default for ArchiveConfig {
    /// The archive on the same driver, with the channels that stock members have.
    fn default() -> Self {
        Self {
            request_channel: "aeron:ipc?term-length=64k".into(),
            request_stream_id: 10,
            response_channel: "aeron:ipc?term-length=64k".into(),
            response_stream_id: 20,
            credentials: Vec::new(),
            client_info: String::new(),
            // As Aeron's own client: twice what the archive gives itself.
            timeout: Duration::from_secs(10),
        }
    }
}

/// How many failures of earlier requests are kept until they are asked for; the oldest are dropped. An archive runs at
/// most 20 replays and 20 recordings at once by default, and each can fail once.
const FAILURES_MAX: usize = 64;

/// A control session with an archive.
///
/// Every method that asks waits, through [`Transport::idle`], for the answer; it fails after
/// [`ArchiveConfig::timeout`]. Between requests, call [`poll`](Self::poll) at least every second: an archive that cannot
/// get rid of its signs of life for 5 s ends the session, and with it every replay of it.
pub struct ArchiveClient {
    pub(super) publication: Box<dyn Publication>,
    subscription: Box<dyn Subscription>,
    responses: Option<Box<dyn Image>>,
    assembler: Assembler,
    /// None until the archive has named it.
    control_session_id: Option<i64>,
    archive_id: i64,
    pub(super) timeout: Duration,
    request: Vec<u8>,
    message: Vec<u8>,
    failures: VecDeque<ArchiveError>,
}

/// What a waiting request may hear.
pub(super) enum Heard {
    /// The answer to it.
    Answer { relevant_id: i64, code: ResponseCode, message: String },
    /// A recording of its listing.
    Descriptor(RecordingDescriptor),
    /// What it caused.
    Signal { recording_id: i64, signal: Signal },
    /// Prove who you are.
    Challenge { control_session_id: i64 },
}

impl ArchiveClient {
    /// Opens a control session.
    ///
    /// # Errors
    ///
    /// When the driver refuses a channel, no archive answers in time, or it refuses the client.
    pub fn connect(transport: &mut dyn Transport, config: &ArchiveConfig) -> Result<Self, ArchiveError> {
        let deadline = transport.now() + config.timeout;
        let session = fresh_session_id(transport);
        let response_channel = uri::with_param(&config.response_channel, "session-id", &session.to_string());
        let subscription = await_subscription(transport, &response_channel, config.response_stream_id)?;
        let publication = await_publication(transport, &config.request_channel, config.request_stream_id)?;
        let what = format!("archive at {} stream {}", config.request_channel, config.request_stream_id);
        wait_for(transport, &what, config.timeout, |_| {
            Ok::<_, TransportError>(publication.is_connected().then_some(()))
        })?;
        let mut client = Self {
            publication,
            subscription,
            responses: None,
            assembler: Assembler::default(),
            control_session_id: None,
            archive_id: 0,
            timeout: config.timeout,
            request: Vec::new(),
            message: Vec::new(),
            failures: VecDeque::new(),
        };
        client.open(transport, config, &response_channel, deadline)?;
        // The first request also tells the archive that its answer arrived.
        client.archive_id = client.call(transport, &Request::ArchiveId {})?;
        Ok(client)
    }

    fn open(
        &mut self,
        transport: &mut dyn Transport,
        config: &ArchiveConfig,
        response_channel: &str,
        deadline: Duration,
    ) -> Result<(), ArchiveError> {
        let mut correlation_id = transport.next_correlation_id();
        self.request.clear();
        encode_connect(
            &mut self.request,
            correlation_id,
            config.response_stream_id,
            response_channel,
            &config.credentials,
            &config.client_info,
        );
        self.send(transport, deadline)?;
        loop {
            match self.hear(transport, correlation_id, deadline)? {
                Heard::Answer { code: ResponseCode::Ok, relevant_id, .. } => {
                    self.control_session_id = Some(relevant_id);
                    return Ok(());
                }
                Heard::Answer { relevant_id, message, .. } => {
                    return Err(ArchiveError::Answered { code: relevant_id.into(), message, correlation_id });
                }
                Heard::Challenge { control_session_id } => {
                    correlation_id = transport.next_correlation_id();
                    self.request.clear();
                    Request::ChallengeResponse { encoded_credentials: &config.credentials }.encode(
                        control_session_id,
                        correlation_id,
                        &mut self.request,
                    );
                    self.send(transport, deadline)?;
                }
                Heard::Descriptor(_) | Heard::Signal { .. } => {}
            }
        }
    }

    /// The archive's number, by which its counters are told from those of others on the same driver.
    pub fn archive_id(&self) -> i64 {
        self.archive_id
    }

    /// Number of the control session at the archive.
    pub fn control_session_id(&self) -> i64 {
        self.control_session_id.expect("`connect` gives out no client without one")
    }

    /// Takes what the archive has said since: signs of life, and failures of what was begun earlier.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`], with the correlation id of its request, for each such failure, one in each call;
    /// [`ArchiveError::Disconnected`] when the session is over.
    pub fn poll(&mut self, transport: &mut dyn Transport) -> Result<(), ArchiveError> {
        transport.work()?;
        self.poll_error()
    }

    /// As [`poll`](Self::poll), for whoever calls [`Transport::work`] itself.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    pub fn poll_error(&mut self) -> Result<(), ArchiveError> {
        while self.hear_next(None)?.is_some() {}
        match self.failures.pop_front() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// The failure of an earlier request, if it has come. Others stay for [`poll`](Self::poll).
    pub(super) fn take_failure(&mut self, of: i64) -> Result<(), ArchiveError> {
        while self.hear_next(None)?.is_some() {}
        let is_it = |failure: &ArchiveError| matches!(failure, ArchiveError::Answered { correlation_id, .. } if *correlation_id == of);
        match self.failures.iter().position(is_it).and_then(|at| self.failures.remove(at)) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Ends the session; the archive stops what it replays for it, and keeps recording.
    pub fn close(mut self, transport: &mut dyn Transport) {
        self.request.clear();
        let control_session_id = self.control_session_id();
        encode_close(&mut self.request, control_session_id);
        let deadline = transport.now() + CLOSE_LIMIT;
        // Without it the archive notices by itself once the streams are gone.
        if let Err(error) = self.send(transport, deadline) {
            tracing::debug!(%error, "the archive was not told that its session ends");
        }
    }

    /// Sends a request and waits for its answer; gives the relevant id.
    pub(super) fn call(&mut self, transport: &mut dyn Transport, request: &Request<'_>) -> Result<i64, ArchiveError> {
        self.call_correlated(transport, request).map(|(relevant_id, _)| relevant_id)
    }

    /// As [`call`](Self::call); gives the correlation id, too, for what may fail later.
    pub(super) fn call_correlated(
        &mut self,
        transport: &mut dyn Transport,
        request: &Request<'_>,
    ) -> Result<(i64, i64), ArchiveError> {
        let (correlation_id, deadline) = self.ask(transport, request)?;
        loop {
            if let Heard::Answer { relevant_id, code, message } = self.hear(transport, correlation_id, deadline)? {
                let relevant_id = verdict(request, correlation_id, code, relevant_id, message)?;
                return Ok((relevant_id, correlation_id));
            }
        }
    }

    /// Sends a request; gives its correlation id and until when an answer may come.
    pub(super) fn ask(
        &mut self,
        transport: &mut dyn Transport,
        request: &Request<'_>,
    ) -> Result<(i64, Duration), ArchiveError> {
        let correlation_id = transport.next_correlation_id();
        let deadline = transport.now() + self.timeout;
        self.request.clear();
        let control_session_id = self.control_session_id();
        request.encode(control_session_id, correlation_id, &mut self.request);
        self.send(transport, deadline)?;
        Ok((correlation_id, deadline))
    }

    fn send(&mut self, transport: &mut dyn Transport, deadline: Duration) -> Result<(), ArchiveError> {
        loop {
            match self.publication.offer(&[&self.request]) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_retryable() => self.wait(transport, deadline)?,
                Err(OfferError::NotConnected) => {
                    return Err(ArchiveError::Disconnected { reason: "it does not take requests any more" });
                }
                Err(OfferError::Closed | OfferError::MaxPosition) => {
                    return Err(ArchiveError::Disconnected { reason: "the request stream ended" });
                }
                Err(error) => return Err(ArchiveError::Request(error)),
            }
        }
    }

    /// Waits for what belongs to a request.
    pub(super) fn hear(
        &mut self,
        transport: &mut dyn Transport,
        correlation_id: i64,
        deadline: Duration,
    ) -> Result<Heard, ArchiveError> {
        loop {
            match self.hear_next(Some(correlation_id))? {
                Some(Some(heard)) => return Ok(heard),
                Some(None) => {}
                None => self.wait(transport, deadline)?,
            }
        }
    }

    fn wait(&self, transport: &mut dyn Transport, deadline: Duration) -> Result<(), ArchiveError> {
        if transport.now() >= deadline {
            let what = "answer of the archive".to_owned();
            return Err(TransportError::Timeout { what, limit: self.timeout }.into());
        }
        Ok(transport.idle(0)?)
    }

    /// Takes one message: `None` when there is none, `Some(None)` for one that is nobody's, or for later.
    fn hear_next(&mut self, awaited: Option<i64>) -> Result<Option<Option<Heard>>, ArchiveError> {
        if !self.next_message()? {
            return Ok(None);
        }
        // Before the session is open its number is unknown; the response stream is this client's alone.
        let is_ours = |session: i64| self.control_session_id.is_none_or(|ours| session == ours);
        let heard = match ArchiveMessage::decode(&self.message)? {
            Some(ArchiveMessage::Response { control_session_id, correlation_id, relevant_id, code, error_message })
                if is_ours(control_session_id) =>
            {
                if Some(correlation_id) == awaited {
                    Some(Heard::Answer { relevant_id, code, message: error_message.to_owned() })
                } else {
                    if code == ResponseCode::Error {
                        let message = error_message.to_owned();
                        self.keep(ArchiveError::Answered { code: relevant_id.into(), message, correlation_id });
                    }
                    None
                }
            }
            Some(ArchiveMessage::Challenge { control_session_id, correlation_id, .. })
                if Some(correlation_id) == awaited =>
            {
                Some(Heard::Challenge { control_session_id })
            }
            Some(ArchiveMessage::Descriptor { control_session_id, correlation_id, descriptor })
                if is_ours(control_session_id) && Some(correlation_id) == awaited =>
            {
                Some(Heard::Descriptor(descriptor))
            }
            Some(ArchiveMessage::Signal { control_session_id, correlation_id, recording_id, signal, .. })
                if is_ours(control_session_id) && Some(correlation_id) == awaited =>
            {
                Some(Heard::Signal { recording_id, signal })
            }
            _ => None,
        };
        Ok(Some(heard))
    }

    fn keep(&mut self, failure: ArchiveError) {
        if self.failures.len() == FAILURES_MAX {
            self.failures.pop_front();
        }
        self.failures.push_back(failure);
    }

    /// The next message of the archive in `self.message`.
    fn next_message(&mut self) -> Result<bool, ArchiveError> {
        if self.responses.is_none() {
            self.responses = self.subscription.images().into_iter().next();
        }
        let Some(image) = &mut self.responses else { return Ok(false) };
        let Self { assembler, message, .. } = self;
        let mut is_whole = false;
        let fragments = image.poll(i64::MAX, RESPONSE_FRAGMENTS_MAX, &mut |fragment| {
            assembler.take(fragment, &mut |bytes, _| {
                message.clear();
                message.extend_from_slice(bytes);
                is_whole = true;
                Action::Break
            })
        });
        if fragments == 0 && image.is_closed() {
            return Err(ArchiveError::Disconnected { reason: "it does not answer any more" });
        }
        Ok(is_whole)
    }
}

/// Frames of one poll; an answer has seldom more than one, a message of an error at most a few.
const RESPONSE_FRAGMENTS_MAX: usize = 16;
/// How long a goodbye may take: it is a courtesy.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The answer to a request as a result.
pub(super) fn verdict(
    request: &Request<'_>,
    correlation_id: i64,
    code: ResponseCode,
    relevant_id: i64,
    message: String,
) -> Result<i64, ArchiveError> {
    match code {
        ResponseCode::Ok => Ok(relevant_id),
        ResponseCode::RecordingUnknown => {
            Err(ArchiveError::NoRecording { recording_id: recording_of(request).unwrap_or(relevant_id) })
        }
        ResponseCode::SubscriptionUnknown => {
            Err(ArchiveError::Answered { code: ErrorCode::UnknownSubscription, message, correlation_id })
        }
        ResponseCode::Error => match (ErrorCode::from(relevant_id), recording_of(request)) {
            (ErrorCode::UnknownRecording, Some(recording_id)) => Err(ArchiveError::NoRecording { recording_id }),
            (code, _) => Err(ArchiveError::Answered { code, message, correlation_id }),
        },
        ResponseCode::Unknown => {
            Err(ArchiveError::Answered { code: ErrorCode::Unknown(relevant_id), message, correlation_id })
        }
    }
}

/// The recording that a request is about.
fn recording_of(request: &Request<'_>) -> Option<i64> {
    match *request {
        Request::ExtendRecording { recording_id, .. }
        | Request::StopRecordingByIdentity { recording_id }
        | Request::Replay { recording_id, .. }
        | Request::BoundedReplay { recording_id, .. }
        | Request::ListRecording { recording_id }
        | Request::RecordingPosition { recording_id }
        | Request::StartPosition { recording_id }
        | Request::StopPosition { recording_id }
        | Request::MaxRecordedPosition { recording_id }
        | Request::TruncateRecording { recording_id, .. }
        | Request::DetachSegments { recording_id, .. }
        | Request::DeleteDetachedSegments { recording_id }
        | Request::PurgeSegments { recording_id, .. }
        | Request::PurgeRecording { recording_id } => Some(recording_id),
        _ => None,
    }
}

/// A session id that no other client of the archive has: the driver's next number, spread by the time, since clients of
/// other drivers count from the same beginning.
fn fresh_session_id(transport: &mut dyn Transport) -> i32 {
    let number = transport.next_correlation_id().cast_unsigned();
    let time = transport.epoch_ms().cast_unsigned();
    let client = transport.client_id().cast_unsigned();
    let mut mixed = number ^ time.rotate_left(24) ^ client.rotate_left(48);
    // The finalizer of SplitMix64.
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) as u32).cast_signed()
}
