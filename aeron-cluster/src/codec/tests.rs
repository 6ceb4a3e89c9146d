use super::cluster::{ControlMessage, JoinLog, LogMessage, SessionHeader};
use super::*;

#[test]
fn every_cut_of_a_message_is_an_error_or_reads_without_its_last_fields() {
    let join = JoinLog {
        log_position: 64,
        log_position_max: i64::MAX,
        member_id: 2,
        log_session_id: -7,
        log_stream_id: 100,
        is_startup: true,
        role: 2,
        is_standby: false,
        log_channel: "aeron:ipc?session-id=-7",
    };
    let mut bytes = Vec::new();
    ControlMessage::JoinLog(join).encode(&mut bytes);
    assert_eq!(ControlMessage::decode(&bytes), Ok(Some(ControlMessage::JoinLog(join))));
    let without_channel = HEADER_BYTES + 40;
    for cut in (0..bytes.len()).filter(|cut| *cut != without_channel) {
        assert!(matches!(ControlMessage::decode(&bytes[..cut]), Err(CodecError::Short { .. })), "cut at {cut}");
    }
}

#[test]
fn an_older_writers_shorter_block_gives_nulls_not_neighbours() {
    // JoinLog of schema version 15 has no `isStandby`: its block is 36 bytes.
    let join = JoinLog {
        log_position: 1,
        log_position_max: 2,
        member_id: 3,
        log_session_id: 4,
        log_stream_id: 5,
        is_startup: false,
        role: 0,
        is_standby: true,
        log_channel: "aeron:ipc",
    };
    let mut new = Vec::new();
    ControlMessage::JoinLog(join).encode(&mut new);
    let mut old = new[..HEADER_BYTES + 36].to_vec();
    old[0] = 36;
    old[6] = 15;
    old.extend_from_slice(&new[HEADER_BYTES + 40..]);
    let expected = JoinLog { is_standby: false, ..join };
    assert_eq!(ControlMessage::decode(&old), Ok(Some(ControlMessage::JoinLog(expected))));
}

#[test]
fn another_schema_is_refused_and_an_unknown_template_ignored() {
    let header = SessionHeader { leadership_term_id: 1, cluster_session_id: 2, timestamp: 3 };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(b"payload");
    assert_eq!(LogMessage::decode(&bytes), Ok(Some(LogMessage::Session { header, payload: b"payload" })));
    bytes[2] = 250;
    assert_eq!(LogMessage::decode(&bytes), Ok(None));
    bytes[4] = 101;
    assert_eq!(LogMessage::decode(&bytes), Err(CodecError::Schema { expected: 111, found: 101 }));
}
