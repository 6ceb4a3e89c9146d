//! Addresses that may be forged: none is sent more than three times of what came from it (RFC 9000, section 8.1).
//!
//! quinn keeps such an account for each connection, and then sends one packet more whenever some of it is left. Here it
//! is kept to the byte, below quinn and for all connections of an address. A packet that is too much is dropped as the
//! network would: who is there gets it later, when more has come from it.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use protocol::limits::{AMPLIFICATION_MAX, FIRST_PACKET_BYTES_MIN, IDLE_MS_MAX};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::inbox::Inbox;

#[derive(Debug, Default)]
struct Account {
    handshakes: usize,
    received: u64,
    sent: u64,
}

/// The accounts of all addresses that have shown nothing yet.
#[derive(Debug, Default)]
pub(super) struct Unproven {
    accounts: Mutex<HashMap<SocketAddr, Account>>,
    /// How many there are, for those who need not look.
    count: AtomicUsize,
}

impl Unproven {
    /// A first packet came from an address, and a handshake begins.
    pub(super) fn open(self: &Arc<Self>, address: SocketAddr) -> Handshake {
        let mut accounts = self.lock();
        // The packet itself came before there was an account; it was at least so long, or QUIC had dropped it.
        let fresh = || Account { received: FIRST_PACKET_BYTES_MIN, ..Account::default() };
        accounts.entry(address).or_insert_with(fresh).handshakes += 1;
        self.count.store(accounts.len(), Ordering::Relaxed);
        Handshake { unproven: Arc::clone(self), address }
    }

    fn close(&self, address: SocketAddr) {
        let mut accounts = self.lock();
        if let Some(account) = accounts.get_mut(&address) {
            account.handshakes -= 1;
            if account.handshakes == 0 {
                accounts.remove(&address);
            }
        }
        self.count.store(accounts.len(), Ordering::Relaxed);
    }

    /// The address has shown that it is there, for whatever handshakes of it are under way.
    fn remove(&self, address: SocketAddr) {
        let mut accounts = self.lock();
        accounts.remove(&address);
        self.count.store(accounts.len(), Ordering::Relaxed);
    }

    fn note_received(&self, from: SocketAddr, bytes: usize) {
        if let Some(account) = self.lock().get_mut(&from) {
            account.received += bytes as u64;
        }
    }

    /// How many bytes of so many may be sent, in whole segments. They count as sent.
    fn take(&self, to: SocketAddr, bytes: usize, segment: usize) -> usize {
        let mut accounts = self.lock();
        let Some(account) = accounts.get_mut(&to) else { return bytes };
        let left = (AMPLIFICATION_MAX * account.received).saturating_sub(account.sent);
        let taken = if bytes as u64 <= left { bytes } else { left as usize / segment * segment };
        account.sent += taken as u64;
        taken
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handshake with an address that may be forged. Dropped, it is over, and QUIC may still say so.
#[derive(Debug)]
pub(super) struct Handshake {
    unproven: Arc<Unproven>,
    address: SocketAddr,
}

impl Handshake {
    /// It is done.
    pub(super) fn proven(&self) {
        self.unproven.remove(self.address);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let (unproven, address) = (Arc::clone(&self.unproven), self.address);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(Duration::from_millis(IDLE_MS_MAX)).await;
                unproven.close(address);
            });
        }
    }
}

/// A socket that keeps to the accounts, and knows whether all that came was taken.
#[derive(Debug)]
pub(super) struct Accounted {
    pub(super) socket: Arc<dyn AsyncUdpSocket>,
    pub(super) unproven: Arc<Unproven>,
    pub(super) inbox: Arc<Inbox>,
}

impl AsyncUdpSocket for Accounted {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.unproven.is_empty() {
            return self.socket.try_send(transmit);
        }
        let length = transmit.contents.len();
        let segment = transmit.segment_size.unwrap_or(length).max(1);
        match self.unproven.take(transmit.destination, length, segment) {
            0 => Ok(()),
            taken => self.socket.try_send(&Transmit {
                destination: transmit.destination,
                ecn: transmit.ecn,
                contents: &transmit.contents[..taken],
                segment_size: transmit.segment_size.filter(|segment| *segment < taken),
                src_ip: transmit.src_ip,
            }),
        }
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let polled = self.socket.poll_recv(context, buffers, meta);
        self.inbox.note(polled.is_ready());
        if let Poll::Ready(Ok(count)) = &polled
            && !self.unproven.is_empty()
        {
            meta[..*count].iter().for_each(|meta| self.unproven.note_received(meta.addr, meta.len));
        }
        polled
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn account_holds_three_times_of_what_came_in_whole_segments() {
        let unproven = Arc::new(Unproven::default());
        let (known, forged) = (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 1)));
        assert!(unproven.is_empty());
        let handshake = unproven.open(forged);
        assert_eq!(unproven.take(known, 64_000, 1_200), 64_000, "no account, no limit");
        assert_eq!((unproven.take(forged, 1_338, 1_200), unproven.take(forged, 2_400, 1_200)), (1_338, 1_200));
        assert_eq!(unproven.take(forged, 1_200, 1_200), 0, "1,062 bytes are left");
        assert_eq!(unproven.take(forged, 1_062, 1_200), 1_062, "to the byte");
        unproven.note_received(forged, 1_200);
        assert_eq!(unproven.take(forged, 6_000, 1_200), 3_600);

        let again = unproven.open(forged);
        handshake.proven();
        assert_eq!(unproven.take(forged, 64_000, 1_200), 64_000, "it has shown itself");
        assert!(unproven.is_empty());
        drop((handshake, again));
    }

    #[tokio::test]
    async fn account_is_of_the_address_until_its_last_handshake_is_forgotten() {
        let unproven = Arc::new(Unproven::default());
        let forged = SocketAddr::from(([192, 0, 2, 2], 1));
        let handshakes = [unproven.open(forged), unproven.open(forged)];
        assert_eq!(unproven.take(forged, 4_800, 1_200), 3_600, "two handshakes have one account");
        unproven.close(forged);
        assert_eq!(unproven.take(forged, 1_200, 1_200), 0);
        unproven.close(forged);
        assert!(unproven.is_empty());
        drop(handshakes);
    }
}
