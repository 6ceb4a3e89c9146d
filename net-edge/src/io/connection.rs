//! One connection, in one task: what comes is an [`Event`], what goes is an [`Order`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::limits::{LINGER_MS_MAX, STREAM_WINDOW_BYTES};
use protocol::outcome::CloseCode;
use protocol::session::encode_closing;
use tokio::sync::mpsc;
use web_transport_quinn::{ReadError, RecvStream, SendStream, WriteError};

use super::wire::{Datagram, Wire};
use super::{Event, Live, Outlet as Way};
use crate::edge::{Backlog, ConnectionId, Frames};

/// What a connection is to do.
pub(super) enum Order {
    Control(Bytes),
    Begin { baseline: Bytes, backlog: Arc<Backlog> },
    State(Frames),
    Close { code: CloseCode, reason: String },
}

pub(super) struct Talk {
    pub(super) id: ConnectionId,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) live: Live,
}

/// A stream and what waits for it.
#[derive(Default)]
struct Outlet {
    stream: Option<SendStream>,
    chunks: VecDeque<Bytes>,
    backlog: Arc<Backlog>,
    /// The client stopped the stream: what comes for it is dropped.
    is_stopped: bool,
}

impl Outlet {
    fn has_work(&self) -> bool {
        self.stream.is_some() && !self.chunks.is_empty()
    }

    fn push(&mut self, bytes: Bytes) {
        if self.is_stopped {
            self.backlog.written(bytes.len());
        } else if !bytes.is_empty() {
            self.chunks.push_back(bytes);
        }
    }

    fn stop(&mut self) {
        self.stream = None;
        self.is_stopped = true;
        self.backlog.written(self.chunks.drain(..).map(|chunk| chunk.len()).sum());
    }

    /// Writes what QUIC takes now; pends while it takes nothing or nothing waits. Loses nothing when dropped.
    async fn write(&mut self) -> Result<(), WriteError> {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.chunks.is_empty()) else {
            return std::future::pending().await;
        };
        let written = stream.write_chunks(self.chunks.make_contiguous()).await?;
        self.chunks.drain(..written.chunks);
        self.backlog.written(written.bytes);
        Ok(())
    }
}

/// Talks until the connection is over, and tells the loop of it.
pub(super) async fn converse(wire: &Wire, talk: Talk) {
    let Talk { id, events, live } = talk;
    let (outlet, mut orders) = mpsc::unbounded_channel();
    live.insert(id, Way { orders: outlet, wire: wire.clone() });
    let mut control = Outlet::default();
    let connected = Event::Connected { id, control: Arc::clone(&control.backlog), path: wire.path() };
    if events.send(connected).await.is_ok() {
        let mut state = Outlet::default();
        let goodbye = run(wire, id, &events, &mut orders, &mut control, &mut state).await;
        if let Some((code, reason)) = goodbye {
            part(wire, code, &reason, control, state).await;
        }
    }
    live.remove(&id);
    let _ = events.send(Event::Lost { id }).await;
}

/// Gives what to say at the end; `None` when the connection is gone.
async fn run(
    wire: &Wire,
    id: ConnectionId,
    events: &mpsc::Sender<Event>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    control: &mut Outlet,
    state: &mut Outlet,
) -> Option<(CloseCode, String)> {
    let mut control_in: Option<RecvStream> = None;
    let mut is_control_open = false;
    // The core ends a connection that opens another stream; until it has, no further one is taken.
    let mut has_foreign = false;
    loop {
        // None of these loses anything when another one is taken.
        let event = tokio::select! {
            biased;
            order = orders.recv() => {
                let mut next = Some(order?);
                // All of what one tick brought goes out together.
                while let Some(order) = next {
                    match order {
                        Order::Control(frame) => control.push(frame),
                        Order::State(frames) => push_frames(state, frames),
                        Order::Begin { baseline, backlog } => begin(state, baseline, backlog),
                        Order::Close { code, reason } => return Some((code, reason)),
                    }
                    next = orders.try_recv().ok();
                }
                continue;
            }
            written = control.write() => match written {
                Ok(()) => continue,
                Err(WriteError::Stopped(_) | WriteError::InvalidStopped(_)) => {
                    control.stop();
                    Event::ControlEnd { id }
                }
                Err(_) => return None,
            },
            written = state.write() => match written {
                Ok(()) => continue,
                // The client wants no more of this stream; it asks for another when it wants one.
                Err(WriteError::Stopped(_) | WriteError::InvalidStopped(_)) => {
                    state.stop();
                    continue;
                }
                Err(_) => return None,
            },
            opened = wire.open_uni(), if state.stream.is_none() && !state.chunks.is_empty() => {
                state.stream = Some(opened.ok()?);
                continue;
            }
            read = read(&mut control_in) => match read {
                Ok(Some(bytes)) => Event::ControlBytes { id, bytes },
                Ok(None) | Err(ReadError::Reset(_) | ReadError::InvalidReset(_)) => {
                    control_in = None;
                    Event::ControlEnd { id }
                }
                Err(_) => return None,
            },
            opened = wire.accept_bi(), if !has_foreign => {
                let (send, receive) = opened.ok()?;
                if is_control_open {
                    has_foreign = true;
                    Event::ForeignStream { id }
                } else {
                    is_control_open = true;
                    let _ = send.set_priority(1);
                    control.stream = Some(send);
                    control_in = Some(receive);
                    continue;
                }
            }
            opened = wire.accept_uni(), if !has_foreign => {
                drop(opened.ok()?);
                has_foreign = true;
                Event::ForeignStream { id }
            }
            datagram = wire.read_datagram() => {
                let bytes = match datagram.ok()? {
                    Datagram::Ours(bytes) => bytes,
                    // There is no other session in this connection; it counts as one that says nothing.
                    Datagram::Foreign => Bytes::new(),
                };
                Event::Datagram { id, bytes, path: wire.path() }
            }
        };
        events.send(event).await.ok()?;
    }
}

fn push_frames(state: &mut Outlet, frames: Frames) {
    state.push(frames.delta);
    frames.updates.into_iter().for_each(|update| state.push(update));
    state.push(frames.own);
    state.push(frames.outcomes);
}

fn begin(state: &mut Outlet, baseline: Bytes, backlog: Arc<Backlog>) {
    if let Some(mut stream) = state.stream.take() {
        let _ = stream.reset(0);
    }
    *state = Outlet { chunks: VecDeque::from([baseline]), backlog, ..Outlet::default() };
}

async fn read(control: &mut Option<RecvStream>) -> Result<Option<Bytes>, ReadError> {
    match control {
        Some(stream) => Ok(stream.read_chunk(STREAM_WINDOW_BYTES as usize, true).await?.map(|chunk| chunk.bytes)),
        None => std::future::pending().await,
    }
}

/// Says goodbye and gives both streams a moment to arrive: what a close finds unsent is lost.
async fn part(wire: &Wire, code: CloseCode, reason: &str, control: Outlet, state: Outlet) {
    let mut control = control;
    control.push(encode_closing(code, reason).into());
    let farewell = async { tokio::join!(finish(control), finish(state)) };
    tokio::select! {
        _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), farewell) => {}
        () = wire.closed() => {}
    }
    wire.close(code, reason);
}

/// Writes what waits and returns once it has arrived.
async fn finish(mut outlet: Outlet) {
    while outlet.has_work() {
        if outlet.write().await.is_err() {
            return;
        }
    }
    if let Some(mut stream) = outlet.stream
        && stream.finish().is_ok()
    {
        let _ = stream.stopped().await;
    }
}
