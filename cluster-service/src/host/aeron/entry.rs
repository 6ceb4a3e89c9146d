//! Entries of an Aeron log, as the service takes them.

use aeron_cluster::codec::cluster::{LogMessage, TimeUnit};
use protocol::{ClusterSessionId, LogPosition};

use crate::{Event, LogEntry, TimerId};

/// A message of the log that ends at `position`; `None` for what is not the service's: terms, actions, and messages that
/// no client sent. `unit` is the one of the term.
#[must_use]
pub fn log_entry<'a>(message: &LogMessage<'a>, position: i64, unit: TimeUnit) -> Option<LogEntry<'a>> {
    let (timestamp, event) = match *message {
        LogMessage::Session { header, payload } => {
            (header.timestamp, Event::Message { session: client(header.cluster_session_id)?, bytes: payload })
        }
        LogMessage::Timer { correlation_id, timestamp, .. } => (timestamp, timer(correlation_id)),
        LogMessage::SessionOpen { cluster_session_id, timestamp, .. } => {
            (timestamp, Event::SessionOpen { session: client(cluster_session_id)? })
        }
        LogMessage::SessionClose { cluster_session_id, timestamp, .. } => {
            (timestamp, Event::SessionClose { session: client(cluster_session_id)? })
        }
        _ => return None,
    };
    Some(entry(position, timestamp, unit, event))
}

pub(super) fn entry(position: i64, timestamp: i64, unit: TimeUnit, event: Event<'_>) -> LogEntry<'_> {
    LogEntry { position: LogPosition(position as u64), time_ms: to_ms(timestamp, unit), event }
}

/// The session of a client; `None` for a number that is a service's own.
pub(super) fn client(cluster_session_id: i64) -> Option<ClusterSessionId> {
    u64::try_from(cluster_session_id).ok().filter(|id| *id > 0).map(ClusterSessionId)
}

/// Timers keep their numbers: they are small.
pub(super) const fn timer(correlation_id: i64) -> Event<'static> {
    Event::Timer { id: TimerId(correlation_id as u64) }
}

const fn units_per_ms(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Millis => 1,
        TimeUnit::Micros => 1_000,
        TimeUnit::Nanos => 1_000_000,
    }
}

/// Rounded down, as the clock of a host that counts milliseconds would show it.
pub(super) const fn to_ms(timestamp: i64, unit: TimeUnit) -> i64 {
    timestamp.div_euclid(units_per_ms(unit))
}

/// A deadline in milliseconds as the cluster takes it.
pub(super) const fn from_ms(time_ms: i64, unit: TimeUnit) -> i64 {
    time_ms.saturating_mul(units_per_ms(unit))
}

#[cfg(test)]
mod tests {
    use aeron_cluster::codec::cluster::{LogMessage, SessionHeader, TimeUnit};

    use super::{from_ms, log_entry, to_ms};
    use crate::{Event, TimerId};

    #[test]
    fn a_timer_that_fires_at_its_deadline_is_due_in_every_unit() {
        for unit in [TimeUnit::Millis, TimeUnit::Micros, TimeUnit::Nanos] {
            assert_eq!(to_ms(from_ms(1_800_000_000_123, unit), unit), 1_800_000_000_123);
            assert_eq!(to_ms(from_ms(7, unit) - 1, unit), 6);
        }
    }

    #[test]
    fn messages_of_services_are_no_clients() {
        let said_by = |cluster_session_id| {
            let header = SessionHeader { leadership_term_id: 1, cluster_session_id, timestamp: 5 };
            log_entry(&LogMessage::Session { header, payload: b"x" }, 64, TimeUnit::Millis).map(|entry| entry.event)
        };
        assert!(matches!(said_by(3), Some(Event::Message { .. })));
        assert_eq!((said_by(0), said_by(i64::MIN)), (None, None));
    }

    #[test]
    fn a_timer_comes_back_with_the_number_that_it_was_set_with() {
        let id = TimerId::wake(77);
        let fired = LogMessage::Timer { leadership_term_id: 1, correlation_id: id.0 as i64, timestamp: 9 };
        assert_eq!(log_entry(&fired, 96, TimeUnit::Millis).map(|entry| entry.event), Some(Event::Timer { id }));
    }
}
