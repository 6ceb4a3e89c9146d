//! A bad link on purpose: packets are lost, late, doubled and out of order, as told and by a seed.
//!
//! For load tests and for trying a game on the links that players have. The faults are below QUIC, in the client's
//! own socket, on both ways. A packet is one UDP datagram: while faults are on, none are sent or taken in batches.
//!
//! ```text
//!  quinn ──try_send──► Wire out ──when due──► socket          all of it happens where quinn polls the
//!        ◄─poll_recv── Wire in  ◄──at once─── socket          socket: no task and no thread of its own
//! ```

mod wire;

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::Sleep;

use wire::Wire;

/// What happens to packets. Each way of the link does the same, with chances of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkFaults {
    /// Equal seeds give the nth packet of a way equal fates. What is in it may differ from run to run.
    pub seed: u64,
    /// Of a million packets, so many are lost; 0 to 1,000,000.
    pub loss_ppm: u32,
    /// So many come twice.
    pub duplicate_ppm: u32,
    /// So many come 30 ms late, so that others overtake them.
    pub reorder_ppm: u32,
    /// How long every packet is under way, one way.
    pub delay: Duration,
    /// And up to so much more, by chance; packets overtake each other by that too.
    pub jitter: Duration,
}

impl LinkFaults {
    /// Whether packets pass as they are.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self { seed: self.seed, ..Self::default() }
    }

    /// The same faults with the chances of another link.
    #[must_use]
    pub const fn of_link(self, number: u64) -> Self {
        // Odd, so that no two numbers meet.
        Self { seed: self.seed.wrapping_add(number.wrapping_mul(0xd134_2543_de82_ef95)), ..self }
    }
}

/// A socket at the end of a bad link.
pub(crate) struct FaultySocket {
    inner: Arc<dyn AsyncUdpSocket>,
    state: Mutex<State>,
}

struct State {
    out: Wire<Parcel>,
    inn: Wire<(RecvMeta, Box<[u8]>)>,
    /// Where the system puts what it received: as much as one call can bring.
    buffer: Box<[u8]>,
    alarm: Pin<Box<Sleep>>,
    /// Who polls the socket.
    poller: Option<Waker>,
}

/// What is to be sent.
#[derive(Clone)]
struct Parcel {
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    bytes: Box<[u8]>,
}

impl FaultySocket {
    /// Must be called in a tokio runtime.
    pub(crate) fn new(inner: Arc<dyn AsyncUdpSocket>, faults: LinkFaults) -> Self {
        let state = State {
            out: Wire::new(faults, 1),
            inn: Wire::new(faults, 2),
            buffer: vec![0; RECEIVE_BYTES].into(),
            alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
            poller: None,
        };
        Self { inner, state: Mutex::new(state) }
    }

    /// A panic of another thread leaves nothing half done under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is due. What the system does not take is lost; such links exist too.
    fn flush(&self, state: &mut State, now: Instant) {
        while let Some(parcel) = state.out.pop(now) {
            let Parcel { destination, ecn, bytes } = &parcel;
            let transmit =
                Transmit { destination: *destination, ecn: *ecn, contents: bytes, segment_size: None, src_ip: None };
            if let Err(error) = self.inner.try_send(&transmit) {
                tracing::debug!(%error, "the system did not take a packet");
            }
        }
    }

    /// Lets in what the system has.
    fn receive(&self, state: &mut State, cx: &mut Context<'_>, now: Instant) -> io::Result<()> {
        let mut meta = [RecvMeta::default()];
        loop {
            let State { buffer, inn, .. } = state;
            match self.inner.poll_recv(cx, &mut [IoSliceMut::new(buffer)], &mut meta) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(_)) => {
                    let [whole] = meta;
                    for packet in buffer[..whole.len].chunks(whole.stride.max(1)) {
                        let (len, stride) = (packet.len(), packet.len());
                        let mut meta = whole;
                        (meta.len, meta.stride) = (len, stride);
                        inn.push(now, (meta, packet.into()));
                    }
                }
            }
        }
    }
}

impl AsyncUdpSocket for FaultySocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let now = Instant::now();
        let mut state = self.state();
        for packet in transmit.contents.chunks(transmit.segment_size.unwrap_or(usize::MAX).max(1)) {
            let Transmit { destination, ecn, .. } = *transmit;
            state.out.push(now, Parcel { destination, ecn, bytes: packet.into() });
        }
        self.flush(&mut state, now);
        // The alarm may have to ring sooner.
        if state.out.next_at().is_some()
            && let Some(poller) = &state.poller
        {
            poller.wake_by_ref();
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.state();
        state.poller = Some(cx.waker().clone());
        let mut count = 0;
        loop {
            let now = Instant::now();
            self.flush(state, now);
            self.receive(state, cx, now)?;
            for (buffer, meta) in bufs[count..].iter_mut().zip(&mut meta[count..]) {
                let Some((mut packet, bytes)) = state.inn.pop(now) else { break };
                let len = bytes.len().min(buffer.len());
                buffer[..len].copy_from_slice(&bytes[..len]);
                (packet.len, packet.stride) = (len, len);
                *meta = packet;
                count += 1;
            }
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            let next = [state.out.next_at(), state.inn.next_at()].into_iter().flatten().min();
            let Some(next) = next else { return Poll::Pending };
            state.alarm.as_mut().reset(next.into());
            if state.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// One packet at a time, so that each has a fate of its own.
    fn max_transmit_segments(&self) -> usize {
        1
    }

    fn max_receive_segments(&self) -> usize {
        1
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl fmt::Debug for FaultySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultySocket").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// What one call can bring when the system hands over several packets as one.
const RECEIVE_BYTES: usize = 64 * 1024;
