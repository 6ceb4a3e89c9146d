//! Frames come back as they were sent, and bytes that are no frame are refused with a reason.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use protocol::frame::{FrameError, Framer, PREFIX_BYTES, RawFrame};
use protocol::limits::*;
use protocol::outcome::CloseCode;
use protocol::session::*;

fn hello() -> ClientMessageT {
    let mut hello = HelloT::default();
    (hello.major, hello.minor) = (1, 0);
    hello.client = Some("frames/1.0".to_owned());
    hello.manifest_hash = 0x0123_4567_89ab_cdef;
    ClientMessageT::Hello(Box::new(hello))
}

fn join(token_bytes: usize) -> ClientMessageT {
    let mut join = JoinT::default();
    join.token = "t".repeat(token_bytes);
    ClientMessageT::Join(Box::new(join))
}

fn resume(secret_bytes: usize) -> ClientMessageT {
    let mut resume = ResumeT::default();
    (resume.session, resume.last_tick, resume.last_position) = (7, 900, 123_456_789_012);
    resume.secret = (0..secret_bytes as u8).collect();
    ClientMessageT::Resume(Box::new(resume))
}

fn commands(first_seq: u32, payloads: &[&[u8]]) -> ClientMessageT {
    let mut commands = CommandsT::default();
    commands.first_seq = first_seq;
    for payload in payloads {
        let mut item = CommandBytesT::default();
        item.payload = payload.to_vec();
        commands.items.push(item);
    }
    ClientMessageT::Commands(Box::new(commands))
}

fn resync() -> ClientMessageT {
    let mut resync = ResyncT::default();
    (resync.tick, resync.expected, resync.found) = (41, u64::MAX, 1);
    ClientMessageT::Resync(Box::new(resync))
}

fn ping() -> ClientMessageT {
    let mut ping = PingT::default();
    ping.nonce = 0xfeed_beef_0000_0001;
    ClientMessageT::Ping(Box::new(ping))
}

/// One of each kind.
fn client_messages() -> Vec<ClientMessageT> {
    vec![
        hello(),
        join(300),
        resume(SECRET_BYTES),
        commands(5, &[b"first", b"", b"third command"]),
        resync(),
        ping(),
        ClientMessageT::Leave(Box::default()),
    ]
}

fn outcomes() -> Vec<OutcomeT> {
    let outcome = |seq: u32| {
        let mut outcome = OutcomeT::default();
        (outcome.seq, outcome.tick, outcome.position, outcome.code) = (seq, 41, 4_096, 256 * (seq as u16 % 2));
        outcome
    };
    (1..=32).map(outcome).collect()
}

/// One of each kind.
fn server_messages() -> Vec<ServerMessageT> {
    let mut welcome = WelcomeT::default();
    (welcome.major, welcome.manifest_hash, welcome.command_bytes_max) = (1, 99, 512);
    welcome.server = Some("edge".to_owned());
    welcome.manifest = Some(vec![3; 77]);
    let mut joined = JoinedT::default();
    (joined.match_id, joined.session, joined.player, joined.resumed) = (1 << 40, 7, 3, true);
    joined.secret = vec![9; SECRET_BYTES];
    let mut pong = PongT::default();
    (pong.nonce, pong.tick) = (5, 6);
    let mut closing = ClosingT::default();
    closing.code = CloseCode::Behind as u32;
    let mut baseline = BaselineT::default();
    (baseline.tick, baseline.columns, baseline.own) = (41, vec![1; 50], vec![0]);
    baseline.outcomes = Some(outcomes());
    let mut delta = DeltaT::default();
    (delta.tick, delta.position, delta.hash, delta.columns) = (42, 4_200, u64::MAX, vec![0]);
    let mut own = OwnDeltaT::default();
    (own.tick, own.columns) = (42, vec![2; 9]);
    let mut told = OutcomesT::default();
    told.outcomes = outcomes();
    vec![
        ServerMessageT::Welcome(Box::new(welcome)),
        ServerMessageT::Joined(Box::new(joined)),
        ServerMessageT::Pong(Box::new(pong)),
        ServerMessageT::Closing(Box::new(closing)),
        ServerMessageT::Baseline(Box::new(baseline)),
        ServerMessageT::Delta(Box::new(delta)),
        ServerMessageT::OwnDelta(Box::new(own)),
        ServerMessageT::Outcomes(Box::new(told)),
    ]
}

/// A frame that was accepted keeps every bound; anything else was refused with a reason.
fn check_client(bytes: &[u8]) {
    match decode_client(RawFrame(bytes)) {
        Ok(frame) => match frame.unpack().message {
            ClientMessageT::Hello(hello) => {
                assert!(hello.client.is_none_or(|name| name.len() <= CLIENT_NAME_BYTES_MAX));
            }
            ClientMessageT::Join(join) => assert!(join.token.len() <= TOKEN_BYTES_MAX),
            ClientMessageT::Resume(resume) => assert_eq!(resume.secret.len(), SECRET_BYTES),
            ClientMessageT::Commands(commands) => {
                assert!((1..=COMMANDS_PER_FRAME_MAX).contains(&commands.items.len()));
                assert!(commands.first_seq >= 1);
                assert!(commands.first_seq.checked_add(commands.items.len() as u32).is_some());
                assert!(commands.items.iter().all(|item| item.payload.len() <= COMMAND_BYTES_MAX));
            }
            ClientMessageT::Resync(_) | ClientMessageT::Ping(_) | ClientMessageT::Leave(_) => {}
            other => panic!("{other:?} was accepted"),
        },
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn check_server(bytes: &[u8]) {
    match decode_server(RawFrame(bytes)) {
        // Reading every field is what would panic.
        Ok(frame) => drop(frame.unpack()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Every shorter form and every form with one other bit.
fn check_damaged(bytes: &[u8], check: fn(&[u8])) {
    for len in 0..bytes.len() {
        check(&bytes[..len]);
    }
    let mut damaged = bytes.to_vec();
    for bit in 0..8 * bytes.len() {
        damaged[bit / 8] ^= 1 << (bit % 8);
        check(&damaged);
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_client_frame_comes_back() {
    for message in client_messages() {
        let bytes = encode_client(message.clone());
        let frame = decode_client(RawFrame(&bytes[PREFIX_BYTES..])).unwrap();
        assert_eq!(frame.unpack().message, message);
    }
}

#[test]
fn every_server_frame_comes_back() {
    for message in server_messages() {
        let bytes = encode_server(message.clone());
        let frame = decode_server(RawFrame(&bytes[PREFIX_BYTES..])).unwrap();
        assert_eq!(frame.unpack().message, message);
    }
}

#[test]
fn a_delta_is_the_same_frame_however_it_is_encoded() {
    for len in 0..20 {
        let columns = vec![5; len];
        let mut delta = DeltaT::default();
        (delta.tick, delta.position, delta.hash, delta.columns) = (42, 4_200, 77, columns.clone());
        let bytes = encode_delta(42, 4_200, 77, &columns);
        let frame = decode_server(RawFrame(&bytes[PREFIX_BYTES..])).unwrap();
        assert_eq!(frame.unpack().message, ServerMessageT::Delta(Box::new(delta)));
    }
}

#[test]
fn damaged_client_frames_are_refused_or_keep_every_bound() {
    for message in client_messages() {
        check_damaged(&encode_client(message)[PREFIX_BYTES..], check_client);
    }
}

#[test]
fn damaged_server_frames_are_refused_or_can_be_read() {
    for message in server_messages() {
        check_damaged(&encode_server(message)[PREFIX_BYTES..], check_server);
    }
}

#[test]
fn bounds_hold_at_the_bound_and_not_beyond() {
    let decodes = |message| {
        let bytes = encode_client(message);
        decode_client(RawFrame(&bytes[PREFIX_BYTES..])).map(|_| ())
    };
    let refused = |message, field| {
        assert!(matches!(decodes(message), Err(FrameError::Value { field: found, .. }) if found == field));
    };
    let long = [0; COMMAND_BYTES_MAX + 1];
    let many: [&[u8]; COMMANDS_PER_FRAME_MAX + 1] = [&[1]; _];
    assert_eq!(decodes(join(TOKEN_BYTES_MAX)), Ok(()));
    refused(join(TOKEN_BYTES_MAX + 1), "token");
    refused(resume(SECRET_BYTES - 1), "secret");
    refused(resume(SECRET_BYTES + 1), "secret");
    assert_eq!(decodes(commands(1, &[&long[1..]])), Ok(()));
    refused(commands(1, &[&long]), "payload");
    assert_eq!(decodes(commands(1, &many[1..])), Ok(()));
    refused(commands(1, &many), "items");
    refused(commands(1, &[]), "items");
    refused(commands(0, &[&[1]]), "first_seq");
    refused(commands(u32::MAX, &[&[1]]), "first_seq");
    let oversized = decodes(commands(1, &[&long[1..]; 9]));
    assert!(matches!(oversized, Err(FrameError::Oversized { max: CLIENT_FRAME_BYTES_MAX, .. })));
}

#[test]
fn a_frame_of_the_other_direction_is_refused_by_its_identifier() {
    let bytes = encode_client(hello());
    let refused = decode_server(RawFrame(&bytes[PREFIX_BYTES..])).unwrap_err();
    assert_eq!(refused, FrameError::Identifier { expected: SERVER_IDENTIFIER, found: CLIENT_IDENTIFIER.to_owned() });
}

#[test]
fn a_client_message_of_no_known_kind_is_refused_by_its_number() {
    let mut bytes = encode_client(ClientMessageT::Leave(Box::default()))[PREFIX_BYTES..].to_vec();
    // The union's type is the one byte that says 7.
    let place = bytes.iter().rposition(|byte| *byte == ClientMessage::Leave.0).unwrap();
    bytes[place] = 200;
    assert_eq!(decode_client(RawFrame(&bytes)).unwrap_err(), FrameError::Unknown { kind: 200 });
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
    let mut framer = Framer::new(CLIENT_FRAME_BYTES_MAX);
    framer.push(&(CLIENT_FRAME_BYTES_MAX as u32 + 1).to_le_bytes());
    let refused = framer.next_frame().unwrap_err();
    assert_eq!(refused, FrameError::Oversized { bytes: CLIENT_FRAME_BYTES_MAX + 1, max: CLIENT_FRAME_BYTES_MAX });
}

proptest! {
    #[test]
    fn frames_come_out_whole_however_the_stream_is_cut(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        cuts in prop::collection::vec(1usize..50, 1..40),
        missing in 0usize..4,
    ) {
        let mut stream = Vec::new();
        for frame in &frames {
            stream.extend_from_slice(&(frame.len() as u32).to_le_bytes());
            stream.extend_from_slice(frame);
        }
        // The beginning of one more frame, which never comes.
        stream.extend_from_slice(&[1, 0, 0][..missing]);
        let mut framer = Framer::new(200);
        let mut found = Vec::new();
        let (mut rest, mut sizes) = (&stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            framer.push(chunk);
            rest = later;
            while let Some(RawFrame(frame)) = framer.next_frame().unwrap() {
                found.push(frame.to_vec());
            }
        }
        prop_assert_eq!(found, frames);
        prop_assert_eq!(framer.is_empty(), missing == 0);
    }

    #[test]
    fn arbitrary_bytes_are_no_frame(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_client(&bytes);
        check_server(&bytes);
        // With the right identifier, so that the verifier is reached.
        for (identifier, check) in [(CLIENT_IDENTIFIER, check_client as fn(&[u8])), (SERVER_IDENTIFIER, check_server)] {
            let mut named = bytes.clone();
            if named.len() >= 8 {
                named[4..8].copy_from_slice(identifier.as_bytes());
            }
            check(&named);
        }
    }
}
