//! Keeps one player connected: joins once, resumes as often as needed, gives up in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::session::encode_client;

use crate::client::Dialer;
use crate::connection::{Link, Parting, converse};
use crate::error::SessionEnd;
use crate::messages;
use crate::pace::Backoff;
use crate::shared::Shared;

/// Runs until the session is over. `link` is a connection that exists already.
pub(crate) async fn run(shared: Arc<Shared>, mut dialer: Dialer, link: Option<Link>, token: String) {
    let mut link = link;
    let mut backoff = Backoff::default();
    let mut alone_since = Instant::now();
    let give_up = dialer.options.give_up;
    let end = loop {
        let last = match attempt(&shared, &mut dialer, link.take(), &token).await {
            Parting::Ended(end) => break end,
            Parting::Lost { reason, joined } => {
                if joined {
                    alone_since = Instant::now();
                    backoff.reset();
                    shared.session().counters.losses += 1;
                }
                reason
            }
        };
        tracing::debug!(reason = %last, "connection lost");
        let delay = backoff.next_delay(crate::random());
        if alone_since.elapsed() + delay > give_up {
            break SessionEnd::GaveUp { after: give_up, last };
        }
        if is_dropped_within(&shared, delay).await {
            break SessionEnd::Dropped;
        }
    };
    tracing::debug!(%end, "session over");
    shared.finish(end);
}

/// One connection, from the handshake to its end.
async fn attempt(shared: &Shared, dialer: &mut Dialer, link: Option<Link>, token: &str) -> Parting {
    let link = match link {
        Some(link) => link,
        None => {
            let dialled = tokio::select! {
                dialled = dialer.dial_next() => dialled,
                () = dropped(shared) => return Parting::Ended(SessionEnd::Dropped),
            };
            match dialled {
                Ok(link) => link,
                Err(error) => return Parting::Lost { reason: error.to_string(), joined: false },
            }
        }
    };
    // A cut that was asked for while there was no connection has come true already.
    shared.session().wishes.cut = false;
    shared.session().connection = Some(link.connection().clone());
    let parting = converse(shared, dialer, &link, greeting(shared, dialer, token)).await;
    shared.note_lost();
    link.close();
    parting
}

/// Hello, and at once the word by which the player comes (back): half a round trip saved.
fn greeting(shared: &Shared, dialer: &Dialer, token: &str) -> Vec<u8> {
    let known = dialer.known().map_or(0, |manifest| manifest.hash());
    let mut bytes = encode_client(messages::hello(&dialer.options.name, known, dialer.options.datagrams));
    let joined = shared.session().joined.clone();
    let word = match joined {
        None => messages::join(token),
        Some(joined) => {
            let (tick, position, held) = shared.seen();
            messages::resume(&joined, tick, position, held)
        }
    };
    bytes.extend_from_slice(&encode_client(word));
    bytes
}

/// Waits, but not for a player whom nobody holds any more.
async fn is_dropped_within(shared: &Shared, delay: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(delay) => false,
        () = dropped(shared) => true,
    }
}

async fn dropped(shared: &Shared) {
    while !shared.session().wishes.dropped {
        shared.wake.notified().await;
    }
}
