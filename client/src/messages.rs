//! What a client says, as messages to encode.

use protocol::session::{ClientMessageT, CommandBytesT, CommandsT, HelloT, JoinT, LeaveT, PingT, ResumeT, ResyncT};
use protocol::version::{MAJOR, MINOR};

use crate::outstanding::Batch;
use crate::shared::Joined;

pub(crate) fn hello(client: &str, manifest_hash: u64, datagrams: bool) -> ClientMessageT {
    let mut hello = HelloT::default();
    (hello.major, hello.minor) = (MAJOR, MINOR);
    hello.client = Some(client.to_owned());
    hello.manifest_hash = manifest_hash;
    hello.datagrams = datagrams;
    ClientMessageT::Hello(Box::new(hello))
}

pub(crate) fn join(token: &str) -> ClientMessageT {
    let mut join = JoinT::default();
    token.clone_into(&mut join.token);
    ClientMessageT::Join(Box::new(join))
}

pub(crate) fn resume(joined: &Joined, last_tick: u64, last_position: u64, held: Vec<u8>) -> ClientMessageT {
    let mut resume = ResumeT::default();
    resume.session = joined.session.0;
    resume.secret = joined.secret.to_vec();
    (resume.last_tick, resume.last_position) = (last_tick, last_position);
    resume.held = (!held.is_empty()).then_some(held);
    ClientMessageT::Resume(Box::new(resume))
}

pub(crate) fn commands(batch: Batch) -> ClientMessageT {
    let item = |payload| {
        let mut item = CommandBytesT::default();
        item.payload = payload;
        item
    };
    let mut commands = CommandsT::default();
    commands.first_seq = batch.first_seq;
    commands.items = batch.payloads.into_iter().map(item).collect();
    ClientMessageT::Commands(Box::new(commands))
}

pub(crate) fn resync(tick: u64, expected: u64, found: u64) -> ResyncT {
    let mut resync = ResyncT::default();
    (resync.tick, resync.expected, resync.found) = (tick, expected, found);
    resync
}

pub(crate) fn ping(nonce: u64) -> ClientMessageT {
    let mut ping = PingT::default();
    ping.nonce = nonce;
    ClientMessageT::Ping(Box::new(ping))
}

pub(crate) fn leave() -> ClientMessageT {
    ClientMessageT::Leave(Box::<LeaveT>::default())
}
