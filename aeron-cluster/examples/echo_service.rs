//! A clustered service that sends every message back, and counts them: `echo_service <aeron.dir> <cluster dir>` beside a
//! stock `io.aeron.cluster.ClusteredMediaDriver`. Its whole state is one number.
use std::error::Error;

use aeron_cluster::codec::cluster::CloseReason;
use aeron_cluster::service::{
    ClientSession, Cluster, ClusteredService, Container, ContainerConfig, ServiceError, SnapshotError, SnapshotReader,
    SnapshotWriter,
};
use aeron_cluster::transport::aeron::{AeronConfig, AeronTransport};

#[derive(Default)]
struct Echo {
    count: u64,
}

impl ClusteredService for Echo {
    fn on_start(&mut self, _: &mut dyn Cluster, from: Option<&mut dyn SnapshotReader>) -> Result<(), ServiceError> {
        let Some(snapshot) = from else { return Ok(()) };
        let mut message = Vec::new();
        snapshot.read(&mut message)?;
        let bytes = message.try_into().map_err(|_| ServiceError("the snapshot is not of this service".into()))?;
        self.count = u64::from_le_bytes(bytes);
        eprintln!("goes on at {}", self.count);
        Ok(())
    }

    fn on_take_snapshot(&mut self, _: &mut dyn Cluster, to: &mut dyn SnapshotWriter) -> Result<(), SnapshotError> {
        to.write(&self.count.to_le_bytes())
    }

    fn on_message(&mut self, cluster: &mut dyn Cluster, session_id: i64, _: i64, payload: &[u8]) {
        self.count += 1;
        // A client that does not take its answer asks again; no member may wait for it.
        let _ = cluster.send(session_id, &[&self.count.to_le_bytes(), payload]);
    }

    fn on_session_open(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64) {}
    fn on_session_close(&mut self, _: &mut dyn Cluster, _: &ClientSession, _: i64, _: CloseReason) {}
    fn on_timer(&mut self, _: &mut dyn Cluster, _: i64, _: i64) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let [_, aeron_dir, cluster_dir] = std::env::args().collect::<Vec<_>>().try_into().map_err(|_| "two directories")?;
    let transport = AeronTransport::connect(&AeronConfig::new(&aeron_dir))?;
    let config = ContainerConfig {
        service_name: "echo".into(),
        aeron_dir: aeron_dir.into(),
        cluster_dir: cluster_dir.into(),
        ..ContainerConfig::default()
    };
    let ended = Container::new(config, Box::new(transport), Echo::default()).run()?;
    eprintln!("ended: {ended:?}");
    Ok(())
}
