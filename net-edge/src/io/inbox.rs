//! Whether what players said is taken from the socket.

use std::sync::atomic::{AtomicBool, Ordering};

/// What waits in a socket, as far as was looked.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    has_more: AtomicBool,
}

impl Inbox {
    /// Something was taken, or nothing was there.
    pub(super) fn note(&self, has_more: bool) {
        self.has_more.store(has_more, Ordering::Relaxed);
    }

    /// Waits until nothing is there, as far as is known. In a runtime of one thread the socket is looked at first, and tasks
    /// that were woken before have run.
    pub(super) async fn emptied(&self) {
        loop {
            tokio::task::yield_now().await;
            if !self.has_more.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn is_emptied_once_nothing_is_there() {
        let inbox = Arc::new(Inbox::default());
        inbox.emptied().await;
        inbox.note(true);
        let waiting = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.emptied().await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished(), "there is more");
        inbox.note(false);
        waiting.await.unwrap();
    }
}
