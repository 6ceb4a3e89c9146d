//! What the consensus module says to its service.

use super::ContainerError;
use super::attended::Attended;
use super::log::PendingJoin;
use crate::codec::cluster::ControlMessage;
use crate::transport::{Action, Assembler, Image, Subscription, TransportError, await_subscription};

/// A message of the module, to be acted on in the order of the duty cycle.
#[derive(Debug)]
pub(super) enum Order {
    Join(PendingJoin),
    TerminateAt(i64),
    AckAt(i64),
}

pub(super) struct Control {
    subscription: Box<dyn Subscription>,
    image: Option<Box<dyn Image>>,
    assembler: Assembler,
}

impl Control {
    pub(super) fn connect(transport: &mut Attended, channel: &str, stream_id: i32) -> Result<Self, TransportError> {
        let subscription = await_subscription(transport, channel, stream_id)?;
        Ok(Self { subscription, image: None, assembler: Assembler::default() })
    }

    /// Takes at most one fragment; a message that is none of a service's is passed over.
    pub(super) fn poll(&mut self) -> Result<Option<Order>, ContainerError> {
        if self.image.as_ref().is_none_or(|image| image.is_closed()) {
            self.image = self.subscription.images().into_iter().next();
            self.assembler.reset();
        }
        let Some(image) = &mut self.image else { return Ok(None) };
        let mut order = Ok(None);
        let assembler = &mut self.assembler;
        image.poll(i64::MAX, 1, &mut |fragment| {
            assembler.take(fragment, &mut |message, position| {
                order = decode(message, position);
                Action::Break
            })
        });
        order
    }
}

fn decode(message: &[u8], position: i64) -> Result<Option<Order>, ContainerError> {
    let message = ControlMessage::decode(message).map_err(|source| ContainerError::Message {
        stream: "the consensus module's stream",
        position,
        source,
    })?;
    Ok(message.map(|message| match message {
        ControlMessage::JoinLog(join) => Order::Join(join.into()),
        ControlMessage::TerminationPosition { log_position } => Order::TerminateAt(log_position),
        ControlMessage::RequestAck { log_position } => Order::AckAt(log_position),
    }))
}
