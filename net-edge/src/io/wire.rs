//! One connection of a player: QUIC as it is, or WebTransport on the same port.
//!
//! Which of both it is was settled by the ALPN; above [`Wire`] nothing differs.

use bytes::Bytes;
use protocol::outcome::CloseCode;
use protocol::version::{ALPN, WEBTRANSPORT_PATH};
use quinn::Connection;
use quinn::crypto::rustls::HandshakeData;
use web_transport_quinn::http::StatusCode;
use web_transport_quinn::http::header::ORIGIN;
use web_transport_quinn::{RecvStream, Request, SendStream, ServerError, Session, SessionError, WebTransportError};

use crate::edge::Path;

/// The ALPN of browsers.
pub(super) const WEB_ALPN: &[u8] = web_transport_quinn::ALPN.as_bytes();

/// A connection whose handshakes are done. Clones are the same connection.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    session: Session,
}

/// Why a connection did not become one of ours. QUIC has closed it, or will when it is dropped.
#[derive(Debug)]
pub(super) enum NotOurs {
    /// It asked for another path, or for a page that may not.
    Refused,
    /// It is gone, or what it said is no WebTransport.
    Lost,
}

/// What comes by datagram.
#[derive(Debug)]
pub(super) enum Datagram {
    Ours(Bytes),
    /// Of another session than the one that is open here.
    Foreign,
}

impl Wire {
    /// Does the rest of the handshake: none for QUIC, settings and the request for WebTransport.
    ///
    /// # Cancellation
    /// The connection is dropped.
    pub(super) async fn accept(connection: Connection, origins: &[String]) -> Result<Self, NotOurs> {
        if alpn(&connection).is_some_and(|alpn| alpn == ALPN) {
            return Ok(Self { session: Session::raw(connection) });
        }
        let request = Request::accept(connection.clone()).await.map_err(|error| lost(&error))?;
        if let Some(status) = refusal(&request, origins) {
            let _ = request.reject(status).await;
            // The client closes once it has the answer; who does not is dropped with this.
            connection.closed().await;
            return Err(NotOurs::Refused);
        }
        let session = request.ok().await.map_err(|error| lost(&error))?;
        Ok(Self { session })
    }

    /// Waits for the next stream of both directions. Loses nothing when dropped, as all that waits here.
    pub(super) async fn accept_bi(&self) -> Result<(SendStream, RecvStream), SessionError> {
        self.session.accept_bi().await
    }

    /// Waits for the next stream of one direction.
    pub(super) async fn accept_uni(&self) -> Result<RecvStream, SessionError> {
        self.session.accept_uni().await
    }

    /// Opens a stream of one direction, once the client takes another.
    pub(super) async fn open_uni(&self) -> Result<SendStream, SessionError> {
        self.session.open_uni().await
    }

    /// Waits for the next datagram.
    pub(super) async fn read_datagram(&self) -> Result<Datagram, SessionError> {
        match self.session.read_datagram().await {
            Ok(bytes) => Ok(Datagram::Ours(bytes)),
            Err(SessionError::WebTransportError(WebTransportError::UnknownSession)) => Ok(Datagram::Foreign),
            Err(error) => Err(error),
        }
    }

    /// Sends a datagram now or drops it: when it is longer than [`Path::datagram_bytes_max`], the client takes none, or
    /// the connection is gone. Where the network is slower than the datagrams, the oldest that wait are dropped.
    pub(super) fn send_datagram(&self, bytes: Bytes) {
        if let Err(error) = self.session.send_datagram(bytes) {
            tracing::trace!(%error, "a datagram was not sent");
        }
    }

    /// How fast the way is.
    pub(super) fn path(&self) -> Path {
        let path = quinn::Connection::stats(&self.session).path;
        Path {
            rtt: path.rtt,
            congestion_window: path.cwnd,
            datagram_bytes_max: self.session.max_datagram_size(),
            datagram_bytes_free: self.session.datagram_send_buffer_space(),
        }
    }

    /// Says why and ends it. What is unsent is lost.
    pub(super) fn close(&self, code: CloseCode, reason: &str) {
        self.session.close(code as u32, reason.as_bytes());
    }

    /// Waits until it is over, whoever ended it.
    pub(super) async fn closed(&self) {
        self.session.closed().await;
    }
}

/// The status of HTTP for what is not to be a session.
fn refusal(request: &Request, origins: &[String]) -> Option<StatusCode> {
    // Programs that are no browsers have none, and nothing to gain from one that is made up.
    let origin = request.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let is_foreign = origin.is_some_and(|origin| !origins.is_empty() && origins.iter().all(|known| known != origin));
    match request.url.path() {
        WEBTRANSPORT_PATH if is_foreign => Some(StatusCode::FORBIDDEN),
        WEBTRANSPORT_PATH => None,
        _ => Some(StatusCode::NOT_FOUND),
    }
}

fn alpn(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}

fn lost(error: &ServerError) -> NotOurs {
    tracing::debug!(%error, "no WebTransport");
    NotOurs::Lost
}
