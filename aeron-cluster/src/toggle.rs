//! An operator's requests to a cluster, through the control toggle: a counter of the leader's consensus module, reached
//! by any client of that member's driver. No session, no credentials: who can open the driver's files may ask.
//!
//! The toggle holds one request at a time. It is neutral when the module is ready for one, and again when the module has
//! done what was asked; a suspended cluster stays so until it is resumed.

use std::time::Duration;

use thiserror::Error;

use crate::counters::{CONTROL_TOGGLE, MODULE_STATE, ModuleState, SNAPSHOT_COUNT, Toggle, of_cluster};
use crate::transport::{CounterRecord, Counters, Transport, TransportError};

/// What an operator may ask of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRequest {
    /// Stop taking ingress; the cluster stays as it is until [`Resume`](Self::Resume).
    Suspend,
    /// Take ingress again.
    Resume,
    /// Take a snapshot on every member. Ingress waits meanwhile.
    Snapshot,
    /// Take a snapshot, then end every member in order.
    Shutdown,
    /// End every member in order, without a snapshot: they start from an older one, and the log after it.
    Abort,
}

impl ControlRequest {
    /// The toggle's value before, and with the request.
    fn values(self) -> (Toggle, Toggle) {
        match self {
            Self::Suspend => (Toggle::Neutral, Toggle::Suspend),
            Self::Resume => (Toggle::Suspend, Toggle::Resume),
            Self::Snapshot => (Toggle::Neutral, Toggle::Snapshot),
            Self::Shutdown => (Toggle::Neutral, Toggle::Shutdown),
            Self::Abort => (Toggle::Neutral, Toggle::Abort),
        }
    }
}

/// Why a request was not taken, or not done.
#[derive(Debug, Error)]
pub enum ToggleError {
    /// The driver, or nothing came of the request in time; it may still be done later.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No member runs on this driver.
    #[error(
        "no consensus module of cluster {cluster_id} runs on this driver; name the Aeron directory of a member that runs"
    )]
    NoModule {
        /// The cluster.
        cluster_id: i32,
    },
    /// Only the leader takes requests, and not while it is being elected.
    #[error("this member does not lead, or an election is running; ask the leader's member")]
    NotLeader,
    /// One request at a time.
    #[error("the cluster is busy with an earlier request ({running:?}); ask again when it is done")]
    Busy {
        /// What it is doing.
        running: Toggle,
    },
    /// Ingress is stopped; only resuming is possible.
    #[error("the cluster is suspended; resume it first")]
    Suspended,
    /// There is nothing to resume.
    #[error("the cluster is not suspended")]
    NotSuspended,
    /// The consensus module ended meanwhile.
    #[error("the member ended before the request was done; see its log, and ask the new leader")]
    Ended,
    /// A member's service or archive failed at it; the cluster goes on, without a new snapshot.
    #[error("the snapshot failed; the members' logs say why. The older snapshot and the log are as they were")]
    SnapshotFailed,
}

/// The control toggle of one cluster's module on this driver.
#[derive(Clone, Debug)]
pub struct ControlToggle {
    cluster_id: i32,
    toggle: CounterRecord,
}

impl ControlToggle {
    /// Finds the module.
    ///
    /// # Errors
    ///
    /// [`ToggleError::NoModule`].
    pub fn find(counters: &dyn Counters, cluster_id: i32) -> Result<Self, ToggleError> {
        let toggle = of_cluster(counters, CONTROL_TOGGLE, cluster_id).ok_or(ToggleError::NoModule { cluster_id })?;
        Ok(Self { cluster_id, toggle })
    }

    /// What the toggle says now.
    ///
    /// # Errors
    ///
    /// [`ToggleError::Ended`] when the module is gone.
    pub fn value(&self, counters: &dyn Counters) -> Result<Toggle, ToggleError> {
        let value = counters.value(self.toggle.id);
        if !counters.is_allocated(self.toggle.id, self.toggle.registration_id) {
            return Err(ToggleError::Ended);
        }
        Ok(match value {
            1 => Toggle::Neutral,
            2 => Toggle::Suspend,
            3 => Toggle::Resume,
            4 => Toggle::Snapshot,
            5 => Toggle::Shutdown,
            6 => Toggle::Abort,
            // What a newer module may have besides is no state in which it takes requests.
            _ => Toggle::Inactive,
        })
    }

    /// Asks, without waiting.
    ///
    /// # Errors
    ///
    /// When the cluster does not take the request now; see [`ToggleError`].
    pub fn request(&self, counters: &dyn Counters, request: ControlRequest) -> Result<(), ToggleError> {
        let (before, with) = request.values();
        let now = self.value(counters)?;
        if now == before && counters.compare_and_set(self.toggle.id, before as i64, with as i64) {
            return Ok(());
        }
        // Somebody else may have been faster: what is now says why.
        Err(match self.value(counters)? {
            Toggle::Inactive => ToggleError::NotLeader,
            Toggle::Neutral if request == ControlRequest::Resume => ToggleError::NotSuspended,
            Toggle::Suspend => ToggleError::Suspended,
            running => ToggleError::Busy { running },
        })
    }

    /// Waits until the module is ready for another request.
    ///
    /// # Errors
    ///
    /// [`ToggleError::Ended`]; a timeout after `limit`; [`ToggleError::NotLeader`] when the member lost its leadership.
    pub fn await_neutral(&self, transport: &mut dyn Transport, limit: Duration) -> Result<(), ToggleError> {
        self.await_value(transport, Toggle::Neutral, limit)
    }

    fn await_value(&self, transport: &mut dyn Transport, wanted: Toggle, limit: Duration) -> Result<(), ToggleError> {
        let deadline = transport.now() + limit;
        loop {
            match self.value(transport.counters())? {
                now if now == wanted => return Ok(()),
                Toggle::Inactive => return Err(ToggleError::NotLeader),
                _ => {}
            }
            if transport.now() >= deadline {
                let what = format!("end of the cluster's work, toggle {wanted:?}");
                return Err(TransportError::Timeout { what, limit }.into());
            }
            transport.idle(0)?;
        }
    }

    /// Lets every member take a snapshot and waits until the leader has its own; gives how many it has taken since it
    /// started. Other members may take a moment longer.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request) and [`await_neutral`](Self::await_neutral), and [`ToggleError::SnapshotFailed`].
    pub fn snapshot(&self, transport: &mut dyn Transport, limit: Duration) -> Result<i64, ToggleError> {
        let before = self.snapshot_count(transport.counters())?;
        self.request(transport.counters(), ControlRequest::Snapshot)?;
        self.await_neutral(transport, limit)?;
        // The module counts before it becomes neutral.
        let count = self.snapshot_count(transport.counters())?;
        if count > before { Ok(count) } else { Err(ToggleError::SnapshotFailed) }
    }

    /// Stops ingress and waits until it is stopped.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request), and a timeout.
    pub fn suspend(&self, transport: &mut dyn Transport, limit: Duration) -> Result<(), ToggleError> {
        self.request(transport.counters(), ControlRequest::Suspend)?;
        self.await_state(transport, ModuleState::Suspended, limit)
    }

    /// Takes ingress again and waits until it is taken.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request), and a timeout.
    pub fn resume(&self, transport: &mut dyn Transport, limit: Duration) -> Result<(), ToggleError> {
        self.request(transport.counters(), ControlRequest::Resume)?;
        self.await_neutral(transport, limit)
    }

    /// Waits until the module has ended, after [`Shutdown`](ControlRequest::Shutdown) or
    /// [`Abort`](ControlRequest::Abort). Its driver may end with it.
    ///
    /// # Errors
    ///
    /// A timeout, or [`TransportError::Stopped`].
    pub fn await_end(&self, transport: &mut dyn Transport, limit: Duration) -> Result<(), ToggleError> {
        let deadline = transport.now() + limit;
        while self.value(transport.counters()).is_ok() {
            if transport.now() >= deadline {
                return Err(TransportError::Timeout { what: "end of the member".into(), limit }.into());
            }
            match transport.idle(0) {
                Err(TransportError::DriverGone { .. }) => break,
                other => other?,
            }
        }
        Ok(())
    }

    fn await_state(
        &self,
        transport: &mut dyn Transport,
        wanted: ModuleState,
        limit: Duration,
    ) -> Result<(), ToggleError> {
        let deadline = transport.now() + limit;
        loop {
            self.value(transport.counters())?;
            let state = of_cluster(transport.counters(), MODULE_STATE, self.cluster_id).ok_or(ToggleError::Ended)?;
            if transport.counters().value(state.id) == wanted as i64 {
                return Ok(());
            }
            if transport.now() >= deadline {
                let what = format!("consensus module in state {wanted:?}");
                return Err(TransportError::Timeout { what, limit }.into());
            }
            transport.idle(0)?;
        }
    }

    fn snapshot_count(&self, counters: &dyn Counters) -> Result<i64, ToggleError> {
        let count = of_cluster(counters, SNAPSHOT_COUNT, self.cluster_id).ok_or(ToggleError::Ended)?;
        Ok(counters.value(count.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory::Driver;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A module of cluster 4, beside one of cluster 0; its toggle, state and snapshot count.
    fn module(driver: &Driver, toggle: Toggle) -> (i32, i32, i32) {
        let allocate =
            |type_id, cluster: i32, value| driver.allocate_counter(type_id, &cluster.to_le_bytes(), "", value);
        allocate(CONTROL_TOGGLE, 0, Toggle::Neutral as i64);
        (
            allocate(CONTROL_TOGGLE, 4, toggle as i64),
            allocate(MODULE_STATE, 4, ModuleState::Active as i64),
            allocate(SNAPSHOT_COUNT, 4, 7),
        )
    }

    /// A module that does what the toggle says after some rounds; `act` gives the counters after.
    fn acting(driver: &Driver, toggle: i32, act: impl Fn(i64, &dyn Counters) + 'static) {
        let (client, mut rounds) = (driver.client(), 0);
        driver.add_peer(move || {
            let asked = client.counters().value(toggle);
            rounds = if asked > Toggle::Neutral as i64 { rounds + 1 } else { 0 };
            if rounds == 50 {
                act(asked, client.counters());
            }
        });
    }

    #[test]
    fn a_snapshot_is_done_when_it_is_counted() {
        let driver = Driver::new();
        let (toggle, _, count) = module(&driver, Toggle::Neutral);
        acting(&driver, toggle, move |asked, counters| {
            assert_eq!(asked, 4);
            counters.set(count, 8);
            counters.set(toggle, 1);
        });
        let mut transport = driver.client();
        let control = ControlToggle::find(transport.counters(), 4).unwrap();
        assert_eq!(control.snapshot(&mut transport, LIMIT).unwrap(), 8);
    }

    #[test]
    fn a_snapshot_that_is_not_counted_failed() {
        let driver = Driver::new();
        let (toggle, ..) = module(&driver, Toggle::Neutral);
        acting(&driver, toggle, move |_, counters| counters.set(toggle, 1));
        let mut transport = driver.client();
        let control = ControlToggle::find(transport.counters(), 4).unwrap();
        assert!(matches!(control.snapshot(&mut transport, LIMIT), Err(ToggleError::SnapshotFailed)));
    }

    #[test]
    fn what_cannot_be_asked_now_is_refused_with_the_reason_and_leaves_the_toggle() {
        use ControlRequest::{Abort, Resume, Shutdown, Snapshot, Suspend};
        let cases = [
            (Toggle::Inactive, Snapshot, "does not lead"),
            (Toggle::Inactive, Resume, "does not lead"),
            (Toggle::Snapshot, Snapshot, "busy"),
            (Toggle::Shutdown, Suspend, "busy"),
            (Toggle::Suspend, Shutdown, "resume it first"),
            (Toggle::Suspend, Suspend, "resume it first"),
            (Toggle::Neutral, Resume, "not suspended"),
            (Toggle::Resume, Abort, "busy"),
        ];
        for (now, request, why) in cases {
            let driver = Driver::new();
            let (toggle, ..) = module(&driver, now);
            let transport = driver.client();
            let control = ControlToggle::find(transport.counters(), 4).unwrap();
            let refused = control.request(transport.counters(), request).unwrap_err().to_string();
            assert!(refused.contains(why), "{now:?} {request:?}: {refused}");
            assert_eq!(transport.counters().value(toggle), now as i64);
        }
    }

    #[test]
    fn a_suspended_cluster_is_resumed() {
        let driver = Driver::new();
        let (toggle, state, _) = module(&driver, Toggle::Neutral);
        acting(&driver, toggle, move |asked, counters| {
            let is_suspended = asked == Toggle::Suspend as i64;
            counters.set(state, if is_suspended { 2 } else { 1 });
            counters.set(toggle, if is_suspended { 2 } else { 1 });
        });
        let mut transport = driver.client();
        let control = ControlToggle::find(transport.counters(), 4).unwrap();
        control.suspend(&mut transport, LIMIT).unwrap();
        assert_eq!(control.value(transport.counters()).unwrap(), Toggle::Suspend);
        // The module counts rounds of a request; resuming is another one.
        transport.counters().set(toggle, 1);
        transport.idle(0).unwrap();
        transport.counters().set(toggle, 2);
        control.resume(&mut transport, LIMIT).unwrap();
        assert_eq!(control.value(transport.counters()).unwrap(), Toggle::Neutral);
    }

    #[test]
    fn waiting_ends_when_the_member_does_and_when_the_time_is_over() {
        let driver = Driver::new();
        let (toggle, ..) = module(&driver, Toggle::Neutral);
        let mut transport = driver.client();
        let control = ControlToggle::find(transport.counters(), 4).unwrap();
        let late = control.snapshot(&mut transport, LIMIT).unwrap_err();
        assert!(matches!(late, ToggleError::Transport(TransportError::Timeout { .. })), "{late}");
        let peer = driver.clone();
        acting(&driver, toggle, move |_, _| peer.free_counter(toggle));
        assert!(matches!(control.await_neutral(&mut transport, LIMIT), Err(ToggleError::Ended)));
        control.await_end(&mut transport, LIMIT).unwrap();
        assert!(matches!(ControlToggle::find(transport.counters(), 4), Err(ToggleError::NoModule { cluster_id: 4 })));
    }
}
