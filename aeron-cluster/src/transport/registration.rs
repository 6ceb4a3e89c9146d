//! Waiting for the driver's answers.

use std::time::Duration;

use super::{Publication, Subscription, Transport, TransportError};

/// How long a driver may take to confirm a publication or subscription.
pub(super) const REGISTRATION_LIMIT: Duration = Duration::from_secs(10);

/// Idles until `ask` has an answer.
///
/// # Errors
///
/// What `ask` fails with; [`TransportError::Timeout`] after `limit`; what [`Transport::idle`] fails with.
pub fn wait_for<T, E: From<TransportError>>(
    transport: &mut dyn Transport,
    what: &str,
    limit: Duration,
    mut ask: impl FnMut(&mut dyn Transport) -> Result<Option<T>, E>,
) -> Result<T, E> {
    let deadline = transport.now() + limit;
    loop {
        if let Some(answer) = ask(transport)? {
            return Ok(answer);
        }
        if transport.now() >= deadline {
            return Err(TransportError::Timeout { what: what.to_owned(), limit }.into());
        }
        transport.idle(0)?;
    }
}

/// Adds a publication and waits until the driver has made it. It need not be connected yet.
///
/// # Errors
///
/// [`TransportError::Refused`], [`TransportError::Timeout`], or as [`Transport::idle`].
pub fn await_publication(
    transport: &mut dyn Transport,
    channel: &str,
    stream_id: i32,
) -> Result<Box<dyn Publication>, TransportError> {
    let id = transport.add_publication(channel, stream_id)?;
    let what = format!("publication {channel} stream {stream_id}");
    wait_for(transport, &what, REGISTRATION_LIMIT, |transport| transport.publication(id))
}

/// Adds a subscription and waits until the driver has made it. It need not have an image yet.
///
/// # Errors
///
/// [`TransportError::Refused`], [`TransportError::Timeout`], or as [`Transport::idle`].
pub fn await_subscription(
    transport: &mut dyn Transport,
    channel: &str,
    stream_id: i32,
) -> Result<Box<dyn Subscription>, TransportError> {
    let id = transport.add_subscription(channel, stream_id)?;
    let what = format!("subscription {channel} stream {stream_id}");
    wait_for(transport, &what, REGISTRATION_LIMIT, |transport| transport.subscription(id))
}
