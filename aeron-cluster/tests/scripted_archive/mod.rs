//! An archive that does as a test says.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use aeron_cluster::codec::archive::{ArchiveMessage, ClientMessage, Request, ResponseCode, Signal};
use aeron_cluster::transport::memory::{Driver, MemoryTransport};
use aeron_cluster::transport::{Action, Publication, Subscription, Transport, await_publication, await_subscription};

/// What every scripted archive calls itself.
pub(crate) const ARCHIVE_ID: i64 = 4_242;

/// What to do with a request that is neither a connect nor an archive id's.
pub(crate) trait Script: FnMut(&mut Archive, i64, &Request<'_>) {}
impl<F: FnMut(&mut Archive, i64, &Request<'_>)> Script for F {}

type Later = (Duration, Box<dyn FnOnce(&mut Archive)>);

/// The archive, as its script sees it: while a request is handled, of the client that asked.
pub(crate) struct Archive {
    driver: Driver,
    transport: MemoryTransport,
    requests: Box<dyn Subscription>,
    sessions: HashMap<i64, Box<dyn Publication>>,
    /// Of whoever asks.
    pub(crate) control_session_id: i64,
    challenge: Option<Vec<u8>>,
    refusal: Option<(i64, &'static str)>,
    later: Vec<(i64, Later)>,
    connects: Rc<RefCell<Vec<(String, String)>>>,
    closed: Rc<RefCell<Vec<i64>>>,
    is_gone: bool,
}

impl Archive {
    /// An archive on the driver, which opens every session that is asked for.
    pub(crate) fn start(driver: &Driver, script: impl Script + 'static) {
        Self::new(driver).run(script);
    }

    pub(crate) fn new(driver: &Driver) -> Self {
        let mut transport = driver.client();
        let requests = await_subscription(&mut transport, "aeron:ipc", 10).unwrap();
        Self {
            driver: driver.clone(),
            transport,
            requests,
            sessions: HashMap::new(),
            control_session_id: 900,
            challenge: None,
            refusal: None,
            later: Vec::new(),
            connects: Rc::default(),
            closed: Rc::default(),
            is_gone: false,
        }
    }

    /// Asks every client for a proof.
    pub(crate) fn challenging(mut self, challenge: &[u8]) -> Self {
        self.challenge = Some(challenge.to_vec());
        self
    }

    /// Refuses every client.
    pub(crate) fn refusing(mut self, code: i64, why: &'static str) -> Self {
        self.refusal = Some((code, why));
        self
    }

    /// Response channels and client infos of all who connected.
    pub(crate) fn connects(&self) -> Rc<RefCell<Vec<(String, String)>>> {
        Rc::clone(&self.connects)
    }

    /// Sessions that were closed by their clients.
    pub(crate) fn closed(&self) -> Rc<RefCell<Vec<i64>>> {
        Rc::clone(&self.closed)
    }

    /// Lets it work whenever somebody waits.
    pub(crate) fn run(mut self, mut script: impl Script + 'static) {
        let driver = self.driver.clone();
        driver.add_peer(move || self.work(&mut script));
    }

    fn work(&mut self, script: &mut dyn FnMut(&mut Self, i64, &Request<'_>)) {
        if self.is_gone {
            return;
        }
        for mut image in self.requests.images() {
            let mut messages = Vec::new();
            image.poll(i64::MAX, 100, &mut |fragment| {
                messages.push(fragment.payload.to_vec());
                Action::Continue
            });
            for message in messages {
                self.handle(&message, script);
            }
        }
        let now = self.transport.now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(_, (at, _))| *at <= now);
        self.later = later;
        let due: Vec<(i64, Later)> = due;
        for (session, (_, act)) in due {
            self.control_session_id = session;
            act(self);
        }
    }

    fn handle(&mut self, message: &[u8], script: &mut dyn FnMut(&mut Self, i64, &Request<'_>)) {
        match ClientMessage::decode(message).unwrap().expect("this crate's own messages") {
            ClientMessage::Connect { correlation_id, response_stream_id, response_channel, client_info, .. } => {
                self.connects.borrow_mut().push((response_channel.to_owned(), client_info.to_owned()));
                let responses = await_publication(&mut self.transport, response_channel, response_stream_id).unwrap();
                self.control_session_id = 1_000 + self.sessions.len() as i64;
                self.sessions.insert(self.control_session_id, responses);
                let control_session_id = self.control_session_id;
                if let Some((code, why)) = self.refusal {
                    self.respond(control_session_id, correlation_id, code, ResponseCode::Error, why);
                } else if let Some(challenge) = self.challenge.clone() {
                    let encoded_challenge = challenge.as_slice();
                    self.say(&ArchiveMessage::Challenge { control_session_id, correlation_id, encoded_challenge });
                } else {
                    // As archives do until they have heard more of the client.
                    self.ok(correlation_id, control_session_id);
                    self.ok(correlation_id, control_session_id);
                }
            }
            ClientMessage::Close { control_session_id } => self.closed.borrow_mut().push(control_session_id),
            ClientMessage::Request { control_session_id, correlation_id, request } => {
                self.control_session_id = control_session_id;
                match request {
                    Request::ArchiveId {} => self.ok(correlation_id, ARCHIVE_ID),
                    request => script(self, correlation_id, &request),
                }
            }
        }
    }

    /// Says anything to whoever asks.
    pub(crate) fn say(&mut self, message: &ArchiveMessage<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let responses = self.sessions.get_mut(&self.control_session_id).expect("it connected");
        responses.offer(&[&bytes]).unwrap();
    }

    /// Answers, whoever's session is named.
    pub(crate) fn respond(
        &mut self,
        session: i64,
        correlation_id: i64,
        relevant_id: i64,
        code: ResponseCode,
        message: &str,
    ) {
        self.say(&ArchiveMessage::Response {
            control_session_id: session,
            correlation_id,
            relevant_id,
            code,
            error_message: message,
        });
    }

    pub(crate) fn ok(&mut self, correlation_id: i64, relevant_id: i64) {
        self.respond(self.control_session_id, correlation_id, relevant_id, ResponseCode::Ok, "");
    }

    pub(crate) fn signal(&mut self, correlation_id: i64, recording_id: i64, signal: Signal) {
        let control_session_id = self.control_session_id;
        let (subscription_id, position) = (1, 0);
        self.say(&ArchiveMessage::Signal {
            control_session_id,
            correlation_id,
            recording_id,
            subscription_id,
            position,
            signal,
        });
    }

    /// Does something for whoever asks, after a while.
    pub(crate) fn later(&mut self, after: Duration, act: impl FnOnce(&mut Self) + 'static) {
        let at = self.transport.now() + after;
        self.later.push((self.control_session_id, (at, Box::new(act))));
    }

    /// Ends all sessions and answers no more.
    pub(crate) fn go(&mut self) {
        self.sessions.clear();
        self.is_gone = true;
    }
}
