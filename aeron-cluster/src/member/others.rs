//! Whether the other members run, as far as their machines say.
//!
//! A machine that is sent a datagram for a port which nobody has says so, and the sender's system hands that to the socket. A
//! driver drops a datagram without a byte, and counts it as an invalid packet. So a member whose process is gone is told from
//! one that is only silent. Machines that are gone, and firewalls that drop, say nothing: whoever is behind them counts
//! as running, which costs a wait and nothing else.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// Where the other members take what members say to each other.
pub(super) struct Others {
    /// None for a name that nobody knows.
    addresses: Vec<Option<SocketAddr>>,
}

/// Whom a question is on its way to. An answer takes as long as there and back.
pub(super) struct Asked(Vec<Option<UdpSocket>>);

impl Others {
    /// Looks up `host:port` of each; may wait for a name server.
    pub(super) fn of(endpoints: &[String]) -> Self {
        let first = |endpoint: &String| endpoint.to_socket_addrs().ok()?.next();
        Self { addresses: endpoints.iter().map(first).collect() }
    }

    /// Asks all of them.
    pub(super) fn ask(&self) -> Asked {
        Asked(self.addresses.iter().map(|address| ask((*address)?)).collect())
    }
}

fn ask(address: SocketAddr) -> Option<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.set_nonblocking(true).ok()?;
    // Only a connected socket is told of errors.
    socket.connect(address).ok()?;
    socket.send(&[]).ok()?;
    Some(socket)
}

impl Asked {
    /// Whether there are others, and each one's machine has said that it does not run.
    pub(super) fn are_all_down(&self) -> bool {
        let is_down =
            |socket: &UdpSocket| socket.recv(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
        !self.0.is_empty() && self.0.iter().all(|socket| socket.as_ref().is_some_and(is_down))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> (UdpSocket, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = socket.local_addr().unwrap().to_string();
        (socket, endpoint)
    }

    #[test]
    fn others_are_down_once_none_of_them_has_its_port() {
        let ((one, first), (other, second)) = (bound(), bound());
        let others = Others::of(&[first, second]);
        assert!(!others.ask().are_all_down());
        drop(one);
        assert!(!others.ask().are_all_down(), "one of two runs");
        drop(other);
        while !others.ask().are_all_down() {}
    }

    #[test]
    fn whoever_cannot_be_asked_counts_as_running() {
        assert!(!Others::of(&[]).ask().are_all_down(), "nobody is there to be down");
        let nowhere = Others::of(&["no port".to_owned()]);
        assert!(!nowhere.ask().are_all_down());
    }
}
