//! Messages out of fragments.

use super::{Action, BEGIN_FLAG, END_FLAG, Fragment};

const WHOLE: u8 = BEGIN_FLAG | END_FLAG;

/// Longest message of any Aeron stream; a chain of fragments that goes on beyond it is nobody's message.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Puts the messages of one image together; a message of one frame is passed on as it lies, without a copy.
///
/// Keeps what is incomplete from one poll to the next. One assembler serves one image: after a change of image,
/// [`reset`](Self::reset) it.
#[derive(Debug, Default)]
pub struct Assembler {
    parts: Vec<u8>,
    is_open: bool,
    /// Where the next part has to begin.
    next: i64,
}

impl Assembler {
    /// Forgets what is incomplete.
    pub fn reset(&mut self) {
        self.parts.clear();
        self.is_open = false;
    }

    /// Takes the next fragment; when it completes a message, passes that to `handler` with the position after it.
    ///
    /// A part without its beginning (the image was joined in the middle of a message, or parts were lost) is dropped:
    /// messages come whole or not at all. When the handler aborts, the fragment will come again and the message is
    /// completed again.
    pub fn take(&mut self, fragment: &Fragment<'_>, handler: &mut dyn FnMut(&[u8], i64) -> Action) -> Action {
        let frame_begins = fragment.position - aligned_frame_length(fragment.payload.len());
        if fragment.flags & WHOLE == WHOLE {
            self.reset();
            return handler(fragment.payload, fragment.position);
        }
        if fragment.flags & BEGIN_FLAG != 0 {
            self.parts.clear();
            self.is_open = true;
        } else if !self.is_open
            || frame_begins != self.next
            || self.parts.len() + fragment.payload.len() > MESSAGE_BYTES_MAX
        {
            self.reset();
            return Action::Continue;
        }
        let kept = self.parts.len();
        self.parts.extend_from_slice(fragment.payload);
        let expected = std::mem::replace(&mut self.next, fragment.position);
        if fragment.flags & END_FLAG == 0 {
            return Action::Continue;
        }
        let action = handler(&self.parts, fragment.position);
        if action == Action::Abort {
            self.parts.truncate(kept);
            self.next = expected;
        } else {
            self.reset();
        }
        action
    }
}

/// What a frame with this payload takes in its stream: a 32-byte header, in steps of 32 bytes.
fn aligned_frame_length(payload_length: usize) -> i64 {
    ((payload_length + 32).div_ceil(32) * 32) as i64
}
