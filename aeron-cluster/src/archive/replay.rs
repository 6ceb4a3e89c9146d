//! A recording, played into a stream.

use super::ArchiveError;
use super::client::ArchiveClient;
use crate::codec::archive::Request;
use crate::transport::{
    Action, Assembler, Image, Subscription, Transport, TransportError, await_subscription, uri, wait_for,
};

/// How much of a recording to play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplayExtent {
    /// Everything; of an active recording also what is still to come.
    #[default]
    All,
    /// What there is now. An archive refuses when that is nothing.
    Now,
    /// So many bytes, or fewer when the recording ends before.
    Bytes(i64),
}

impl ReplayExtent {
    fn length(self) -> i64 {
        match self {
            Self::All => -1,
            Self::Now => -2,
            Self::Bytes(length) => length,
        }
    }
}

/// A replay that an archive has begun. It waits 5 s for its reader, then it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Its number at the archive.
    pub replay_session_id: i64,
    /// Of the request; a failure that comes later carries it.
    pub correlation_id: i64,
    /// Where it is played: the channel that was asked for, bound to this replay's session.
    pub channel: String,
    /// Where it is played.
    pub stream_id: i32,
}

impl Replay {
    /// Session id of its stream.
    pub fn session_id(&self) -> i32 {
        self.replay_session_id as i32
    }
}

impl ArchiveClient {
    /// Plays a recording into a stream: from `position`, or from its start. Subscribe to [`Replay::channel`].
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NoRecording`]; [`ArchiveError::Answered`] when the position is not one of the recording, or too
    /// many replays run.
    pub fn replay(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
        position: Option<i64>,
        extent: ReplayExtent,
        channel: &str,
        stream_id: i32,
    ) -> Result<Replay, ArchiveError> {
        let request = Request::Replay {
            recording_id,
            position: position.unwrap_or(-1),
            length: extent.length(),
            replay_stream_id: stream_id,
            replay_channel: channel,
        };
        self.start_replay(transport, &request, channel, stream_id)
    }

    /// As [`replay`](Self::replay), never beyond the value of a counter, such as a cluster's commit position. Only for
    /// active recordings.
    ///
    /// # Errors
    ///
    /// As [`replay`](Self::replay).
    #[expect(clippy::too_many_arguments, reason = "each is a field of the request, and none has a natural default")]
    pub fn bounded_replay(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: i64,
        position: Option<i64>,
        extent: ReplayExtent,
        limit_counter_id: i32,
        channel: &str,
        stream_id: i32,
    ) -> Result<Replay, ArchiveError> {
        let request = Request::BoundedReplay {
            recording_id,
            position: position.unwrap_or(-1),
            length: extent.length(),
            limit_counter_id,
            replay_stream_id: stream_id,
            replay_channel: channel,
        };
        self.start_replay(transport, &request, channel, stream_id)
    }

    fn start_replay(
        &mut self,
        transport: &mut dyn Transport,
        request: &Request<'_>,
        channel: &str,
        stream_id: i32,
    ) -> Result<Replay, ArchiveError> {
        let (replay_session_id, correlation_id) = self.call_correlated(transport, request)?;
        let session = (replay_session_id as i32).to_string();
        let channel = uri::with_param(channel, "session-id", &session);
        Ok(Replay { replay_session_id, correlation_id, channel, stream_id })
    }

    /// Stops a replay; also well when it has ended already.
    ///
    /// # Errors
    ///
    /// As any request.
    pub fn stop_replay(&mut self, transport: &mut dyn Transport, replay_session_id: i64) -> Result<(), ArchiveError> {
        self.call(transport, &Request::StopReplay { replay_session_id }).map(drop)
    }

    /// Stops all replays of a recording, or every replay of the archive, those of other clients included.
    ///
    /// # Errors
    ///
    /// As any request.
    pub fn stop_all_replays(
        &mut self,
        transport: &mut dyn Transport,
        recording_id: Option<i64>,
    ) -> Result<(), ArchiveError> {
        self.call(transport, &Request::StopAllReplays { recording_id: recording_id.unwrap_or(-1) }).map(drop)
    }
}

/// What a replay has to give now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A message, and the position after it.
    Message(i64),
    /// Nothing yet.
    Nothing,
    /// The replay has come to its end, and everything was read.
    End,
}

/// The messages of a replay, in order, whole.
pub struct ReplayStream {
    replay: Replay,
    /// Kept for the image's sake.
    _subscription: Box<dyn Subscription>,
    image: Box<dyn Image>,
    assembler: Assembler,
}

impl ReplayStream {
    /// Subscribes to a replay and waits until it is there.
    ///
    /// # Errors
    ///
    /// When it does not come in time, or the archive reports that it failed.
    pub fn open(
        transport: &mut dyn Transport,
        archive: &mut ArchiveClient,
        replay: Replay,
    ) -> Result<Self, ArchiveError> {
        let subscription = await_subscription(transport, &replay.channel, replay.stream_id)?;
        let what = format!("stream of replay {}", replay.replay_session_id);
        let image = wait_for(transport, &what, archive.timeout, |_| {
            archive.take_failure(replay.correlation_id)?;
            Ok::<_, ArchiveError>(subscription.image(replay.session_id()))
        })?;
        Ok(Self { replay, _subscription: subscription, image, assembler: Assembler::default() })
    }

    /// The replay.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Up to where it was read.
    pub fn position(&self) -> i64 {
        self.image.position()
    }

    /// The next message in `into`, if there is one. Never waits. Also takes what the archive says meanwhile; the caller
    /// calls [`Transport::idle`] when there is [`Nothing`](Next::Nothing).
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Answered`] when the replay failed, as on a damaged file;
    /// [`ArchiveError::Disconnected`] when the control session ended before the replay did.
    pub fn poll(&mut self, archive: &mut ArchiveClient, into: &mut Vec<u8>) -> Result<Next, ArchiveError> {
        let mut found = None;
        let Self { image, assembler, .. } = self;
        let fragments = image.poll(i64::MAX, REPLAY_FRAGMENTS_MAX, &mut |fragment| {
            assembler.take(fragment, &mut |bytes, position| {
                into.clear();
                into.extend_from_slice(bytes);
                found = Some(position);
                Action::Break
            })
        });
        if let Some(position) = found {
            return Ok(Next::Message(position));
        }
        if fragments > 0 {
            return Ok(Next::Nothing);
        }
        // In this order: a replay that fails ends its stream, too, and only the archive tells why.
        let is_end = image.is_end_of_stream() || image.is_closed();
        archive.take_failure(self.replay.correlation_id)?;
        Ok(if is_end { Next::End } else { Next::Nothing })
    }

    /// The next message in `into`, with the position after it; waits for it. `None` at the end of the replay.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll), and when nothing comes for the archive client's timeout.
    pub fn next(
        &mut self,
        transport: &mut dyn Transport,
        archive: &mut ArchiveClient,
        into: &mut Vec<u8>,
    ) -> Result<Option<i64>, ArchiveError> {
        let mut deadline = transport.now() + archive.timeout;
        loop {
            let before = self.position();
            match self.poll(archive, into)? {
                Next::Message(position) => return Ok(Some(position)),
                Next::End => return Ok(None),
                Next::Nothing => {}
            }
            if self.position() > before {
                deadline = transport.now() + archive.timeout;
            } else if transport.now() >= deadline {
                let what = format!("more of replay {} at {before}", self.replay.replay_session_id);
                return Err(TransportError::Timeout { what, limit: archive.timeout }.into());
            }
            transport.idle(usize::from(self.position() > before))?;
        }
    }
}

/// Frames of one poll: a whole message of some 14 KiB, before the archive is looked at again.
const REPLAY_FRAGMENTS_MAX: usize = 10;
