//! An archive that keeps what is recorded, in memory, and can be told to fail.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::codec::archive::{Request, ResponseCode};
use aeron_cluster::counters::RECORDING_POSITION;
use aeron_cluster::transport::memory::{Driver, MemoryTransport};
use aeron_cluster::transport::{
    Assembler, Image, Publication, Subscription, Transport, await_publication, await_subscription, uri,
};

use crate::scripted_archive::{ARCHIVE_ID, Archive};
use crate::wire::drain;

/// How the archive behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Good,
    /// Refuses to record, with this code.
    Refuses(i64),
    /// Stops a recording after so many messages.
    StopsAfter(usize),
    /// Writes only after a while, while it takes what comes at once.
    WritesAfter(Duration),
    /// Reads nothing.
    Stalls,
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) mood: Mood,
    pub(crate) recordings: Vec<Recording>,
    /// Fails replays of its recordings in the middle with this.
    pub(crate) replay_failure: Option<&'static str>,
    active: Vec<Active>,
    replays: Vec<(Box<dyn Publication>, Recording)>,
}

/// The messages of one.
type Recording = Vec<Vec<u8>>;

struct Active {
    recording_id: usize,
    subscription: Box<dyn Subscription>,
    image: Option<Box<dyn Image>>,
    assembler: Assembler,
    counter: Option<i32>,
    began: Duration,
}

/// Lets an archive work on the driver.
pub(crate) fn start(driver: &Driver) -> Rc<RefCell<Store>> {
    let store: Rc<RefCell<Store>> = Rc::default();
    let (handling, working) = (Rc::clone(&store), Rc::clone(&store));
    let mut client = driver.client();
    Archive::start(driver, move |archive: &mut Archive, correlation_id: i64, request: &Request<'_>| {
        handling.borrow_mut().handle(&mut client, archive, correlation_id, request);
    });
    let (driver, client) = (driver.clone(), driver.client());
    driver.clone().add_peer(move || working.borrow_mut().work(&driver, &client));
    store
}

impl Store {
    fn handle(
        &mut self,
        client: &mut MemoryTransport,
        archive: &mut Archive,
        correlation_id: i64,
        request: &Request<'_>,
    ) {
        match *request {
            Request::StartRecording { stream_id, channel, .. } => {
                if let Mood::Refuses(code) = self.mood {
                    let session = archive.control_session_id;
                    return archive.respond(session, correlation_id, code, ResponseCode::Error, "as the test says");
                }
                self.active.push(Active {
                    recording_id: self.recordings.len(),
                    subscription: await_subscription(client, channel, stream_id).unwrap(),
                    image: None,
                    assembler: Assembler::default(),
                    counter: None,
                    began: client.now(),
                });
                self.recordings.push(Vec::new());
                archive.ok(correlation_id, 55);
            }
            Request::Replay { recording_id, position, length, replay_stream_id, replay_channel } => {
                assert_eq!((position, length), (0, -1));
                let replay_session_id = (7 << 32) + correlation_id;
                let session = (replay_session_id as i32).to_string();
                let channel = uri::with_param(replay_channel, "session-id", &session);
                let publication = await_publication(client, &channel, replay_stream_id).unwrap();
                self.replays.push((publication, self.recordings[recording_id as usize].clone()));
                archive.ok(correlation_id, replay_session_id);
                if let Some(reason) = self.replay_failure {
                    let session = archive.control_session_id;
                    archive.respond(session, correlation_id, 0, ResponseCode::Error, reason);
                }
            }
            ref other => panic!("{other:?} is nothing that a container asks"),
        }
    }

    fn work(&mut self, driver: &Driver, client: &MemoryTransport) {
        let (mood, recordings) = (self.mood, &mut self.recordings);
        self.active.retain_mut(|active| active.work(driver, client, mood, &mut recordings[active.recording_id]));
        // Played once somebody reads, and then ended.
        self.replays.retain_mut(|(publication, messages)| {
            if !publication.is_connected() {
                return true;
            }
            for message in messages {
                publication.offer(&[message]).unwrap();
            }
            false
        });
    }
}

impl Active {
    /// False once the recording has stopped.
    fn work(&mut self, driver: &Driver, client: &MemoryTransport, mood: Mood, recording: &mut Vec<Vec<u8>>) -> bool {
        if self.image.is_none() {
            self.image = self.subscription.images().into_iter().next();
        }
        let Some(image) = &mut self.image else { return true };
        let counter = *self.counter.get_or_insert_with(|| {
            let mut key = (self.recording_id as i64).to_le_bytes().to_vec();
            key.extend(image.session_id().to_le_bytes());
            key.extend(0_i32.to_le_bytes());
            key.extend(ARCHIVE_ID.to_le_bytes());
            driver.allocate_counter(RECORDING_POSITION, &key, "rec-pos", 0)
        });
        if mood == Mood::Stalls {
            return true;
        }
        recording.extend(drain(image.as_mut(), &mut self.assembler));
        let is_over = image.is_closed() || matches!(mood, Mood::StopsAfter(count) if recording.len() >= count);
        if is_over {
            driver.free_counter(counter);
            return false;
        }
        match mood {
            Mood::WritesAfter(after) if client.now() < self.began + after => {}
            _ => client.counters().set(counter, image.position()),
        }
        true
    }
}
