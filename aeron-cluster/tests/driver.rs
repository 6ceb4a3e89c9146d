//! The transport over a stock media driver.

mod java;

use std::time::Duration;

use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};
use aeron_cluster::transport::{
    Action, Assembler, Image, OfferError, Publication, Transport, TransportError, await_publication,
    await_subscription, wait_for,
};
use java::Dirs;

const LIMIT: Duration = Duration::from_secs(20);

fn connect(dirs: &Dirs, name: &str) -> AeronTransport {
    AeronTransport::connect(&AeronConfig { connect_limit: LIMIT, ..AeronConfig::new(dirs.aeron(name)) })
        .expect("a client of the driver")
}

/// A stream from ourselves to ourselves.
fn stream(transport: &mut AeronTransport, channel: &str, id: i32) -> (Box<dyn Publication>, Box<dyn Image>) {
    let subscription = await_subscription(transport, channel, id).expect("subscription");
    let publication = await_publication(transport, channel, id).expect("publication");
    let session = publication.session_id();
    let image =
        wait_for(transport, "image", LIMIT, |_| Ok::<_, TransportError>(subscription.image(session))).expect("image");
    // The image lives as long as its subscription.
    std::mem::forget(subscription);
    (publication, image)
}

/// Sends a message and reads it back.
fn round_trip(
    transport: &mut AeronTransport,
    publication: &mut dyn Publication,
    image: &mut dyn Image,
    message: &[u8],
) -> Vec<u8> {
    let (mut assembler, mut received, mut is_sent) = (Assembler::default(), None, false);
    wait_for(transport, "message", LIMIT, |_| {
        if !is_sent {
            // In two parts, as a header and a payload are.
            let (head, tail) = message.split_at(message.len() / 3);
            match publication.offer(&[head, tail]) {
                Ok(_) => is_sent = true,
                Err(error) if error.is_retryable() || error == OfferError::NotConnected => {}
                Err(error) => panic!("{error}"),
            }
        }
        image.poll(i64::MAX, 50, &mut |fragment| {
            assembler.take(fragment, &mut |bytes, _| {
                received = Some(bytes.to_vec());
                Action::Continue
            })
        });
        Ok::<_, TransportError>(received.take())
    })
    .expect("a message")
}

#[test]
fn messages_of_any_length_come_back_whole_over_ipc_and_udp() {
    let dirs = Dirs::new("driver");
    let mut driver = java::media_driver(&dirs, "driver");
    let mut transport = connect(&dirs, "driver");
    let port = java::free_ports(1)[0];
    for channel in ["aeron:ipc".to_owned(), format!("aeron:udp?endpoint=127.0.0.1:{port}")] {
        let (mut publication, mut image) = stream(&mut transport, &channel, 1001);
        let max = publication.max_message_length();
        assert_eq!(max, 2 << 20, "an eighth of 16 MiB");
        for length in [1, 31, 1_376, 1_377, 70_000, 1 << 20, max] {
            let message: Vec<u8> = (0..length).map(|at| (at * 31 + length) as u8).collect();
            let back = round_trip(&mut transport, &mut *publication, &mut *image, &message);
            assert!(back == message, "{length} bytes over {channel}");
        }
        // Past the end of the first term, more than once.
        let message = vec![7; 1 << 20];
        for _ in 0..40 {
            assert!(round_trip(&mut transport, &mut *publication, &mut *image, &message) == message);
        }
        assert_eq!(image.position(), publication.position());
        let too_long = vec![0; max + 1];
        assert_eq!(publication.offer(&[&too_long]), Err(OfferError::TooLong { length: max + 1, max }));
        drop(publication);
        wait_for(&mut transport, "end of stream", LIMIT, |_| {
            Ok::<_, TransportError>(image.is_end_of_stream().then_some(()))
        })
        .expect("the end of the stream");
    }
    assert!(driver.is_running());
}

#[test]
fn a_channel_that_the_driver_refuses_is_an_error_and_the_client_lives_on() {
    let dirs = Dirs::new("refused");
    let _driver = java::media_driver(&dirs, "driver");
    let mut transport = connect(&dirs, "driver");
    let refused = await_publication(&mut transport, "aeron:udp?endpoint=nowhere", 1);
    assert!(matches!(refused, Err(TransportError::Refused { .. })), "{:?}", refused.err());
    let long = format!("aeron:udp?endpoint=127.0.0.1:9|alias={}", "x".repeat(600));
    assert!(matches!(transport.add_publication(&long, 1), Err(TransportError::Refused { .. })));
    let (mut publication, mut image) = stream(&mut transport, "aeron:ipc", 5);
    assert_eq!(round_trip(&mut transport, &mut *publication, &mut *image, b"still here"), b"still here");
}

#[test]
fn a_driver_that_dies_is_noticed_and_a_dead_ones_directory_is_not_taken_for_alive() {
    let dirs = Dirs::new("dies");
    let mut driver = java::media_driver(&dirs, "driver");
    let config = AeronConfig {
        connect_limit: LIMIT,
        // Its silence alone would not tell.
        driver_limit: 10 * LIMIT,
        ..AeronConfig::new(dirs.aeron("driver"))
    };
    let mut transport = AeronTransport::connect(&config).expect("a client");
    driver.kill();
    let gone = wait_for(&mut transport, "the end", LIMIT, |_| Ok::<Option<()>, TransportError>(None));
    assert!(matches!(gone, Err(TransportError::DriverGone { .. })), "{gone:?}");
    let config = AeronConfig { connect_limit: Duration::from_millis(100), ..config };
    let Err(error) = AeronTransport::connect(&config) else { panic!("connected to a dead driver") };
    assert!(error.to_string().contains("is gone"), "{error}");
}

#[test]
fn a_driver_that_ends_in_order_is_noticed() {
    let dirs = Dirs::new("driver-ends");
    let driver = java::media_driver(&dirs, "driver");
    let mut transport = connect(&dirs, "driver");
    let pid = rustix::process::Pid::from_raw(driver.pid() as i32).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    // By what it wrote at its end, well before the time after which silence means death.
    let begun = transport.now();
    let gone = loop {
        match transport.idle(0) {
            Ok(()) => assert!(transport.now() - begun < LIMIT, "not noticed"),
            Err(gone) => break gone,
        }
    };
    assert!(matches!(&gone, TransportError::DriverGone { reason, .. } if reason.contains("ended")), "{gone}");
}

#[test]
fn counters_are_ours_to_make_and_everyones_to_read() {
    let dirs = Dirs::new("counters");
    let _driver = java::media_driver(&dirs, "driver");
    let mut transport = connect(&dirs, "driver");
    let id = transport.allocate_counter(4_242, &7i32.to_le_bytes(), "ours").expect("a counter");
    let other = connect(&dirs, "driver");
    let found = other.counters().find(4_242, &|record| record.label == "ours").expect("the counter");
    assert_eq!((found.id, found.owner_id), (id, transport.client_id()));
    assert_eq!(aeron_cluster::counters::key_i32(&found.key, 0), Some(7));
    transport.counters().set(id, 5);
    assert!(!other.counters().compare_and_set(id, 4, 6));
    assert!(other.counters().compare_and_set(id, 5, 6));
    assert_eq!(transport.counters().value(id), 6);
    assert!(other.counters().is_allocated(id, found.registration_id));
}
