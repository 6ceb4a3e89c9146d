//! What a container counts where Aeron's tools look: errors, cycle times, snapshot times.

use std::time::Duration;

use super::ContainerConfig;
use super::attended::Attended;
use crate::counters::{
    SERVICE_ERRORS, SERVICE_MAX_CYCLE, SERVICE_MAX_SNAPSHOT, SERVICE_SLOW_CYCLES, SERVICE_SLOW_SNAPSHOTS,
};
use crate::transport::{Transport, TransportError};

/// A duty cycle that takes longer is counted, as in stock containers.
const SLOW_CYCLE: Duration = Duration::from_secs(1);
/// A snapshot that takes longer is counted, as in stock containers.
const SLOW_SNAPSHOT: Duration = Duration::from_secs(1);

/// Longest and too long ones of a kind. Kept here; counters only show it.
#[derive(Default)]
struct Times {
    max: Duration,
    slow_count: i64,
    /// Counters of both, once there are.
    shown: Option<(i32, i32)>,
}

impl Times {
    fn took(&mut self, transport: &Attended, time: Duration, limit: Duration) {
        let Some((max_id, slow_id)) = self.shown else { return };
        if time > self.max {
            self.max = time;
            transport.counters().set(max_id, i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        }
        if time > limit {
            self.slow_count += 1;
            transport.counters().set(slow_id, self.slow_count);
        }
    }
}

#[derive(Default)]
pub(super) struct Counting {
    cycles: Times,
    snapshots: Times,
}

impl Counting {
    pub(super) fn allocate(transport: &mut Attended, config: &ContainerConfig) -> Result<Self, TransportError> {
        let ContainerConfig { cluster_id, service_id, .. } = config;
        let mut key = cluster_id.to_le_bytes().to_vec();
        key.extend_from_slice(&service_id.to_le_bytes());
        let of = format!("clusterId={cluster_id} serviceId={service_id}");
        let version = env!("CARGO_PKG_VERSION");
        let errors = format!("Cluster Container Errors - {of} version={version} commit=rust");
        let errors = transport.allocate_counter(SERVICE_ERRORS, &key, &errors)?;
        transport.attend_errors(errors);
        let mut pair = |max_type, max_label: &str, slow_type, slow_label: &str| {
            let max = transport.allocate_counter(max_type, &key, &format!("{max_label} - {of}"))?;
            let slow = transport.allocate_counter(slow_type, &key, &format!("{slow_label} - {of}"))?;
            Ok::<_, TransportError>(Times { shown: Some((max, slow)), ..Times::default() })
        };
        let cycles = pair(
            SERVICE_MAX_CYCLE,
            "Cluster container max cycle time in ns",
            SERVICE_SLOW_CYCLES,
            &format!("Cluster container work cycle time exceeded count: threshold={}ns", SLOW_CYCLE.as_nanos()),
        )?;
        let snapshots = pair(
            SERVICE_MAX_SNAPSHOT,
            "Clustered service max snapshot duration in ns",
            SERVICE_SLOW_SNAPSHOTS,
            &format!(
                "Clustered service max snapshot duration exceeded count: threshold={}ns",
                SLOW_SNAPSHOT.as_nanos()
            ),
        )?;
        Ok(Self { cycles, snapshots })
    }

    pub(super) fn cycle_took(&mut self, transport: &Attended, time: Duration) {
        self.cycles.took(transport, time, SLOW_CYCLE);
    }

    pub(super) fn snapshot_took(&mut self, transport: &Attended, time: Duration) {
        self.snapshots.took(transport, time, SLOW_SNAPSHOT);
    }
}
