//! From nothing to the first acknowledgement.

use std::time::Duration;

use aeron_cluster::counters::{COMMIT_POSITION, SERVICE_ERRORS};
use aeron_cluster::service::{Container, ContainerConfig, ContainerError, Ended, MarkFileError};
use aeron_cluster::transport::Transport;
use aeron_cluster::transport::memory::Driver;

use crate::recorder::Recorder;
use crate::rig::{FOLLOWER, NOTHING, Recovery, Rig, ack};

#[test]
fn the_first_acknowledgement_names_the_client_and_later_ones_count() {
    let mut rig = Rig::recovering(NOTHING);
    rig.container.start().unwrap();
    let client_id = rig.client_id;
    assert_eq!(rig.heard(), [ack(0, 0, 0, client_id)]);
    assert_eq!(rig.calls(), ["start sessions [] time 0 @0"]);
    rig.join(FOLLOWER);
    assert_eq!(rig.heard(), [ack(1, 0, 0, -1)]);
    rig.end_log();
    rig.step();
    rig.join(FOLLOWER);
    assert_eq!(rig.heard(), [ack(2, 0, 0, -1)]);
}

#[test]
fn a_service_that_does_not_start_is_acknowledged_with_minus_one() {
    let mut rig = Rig::recovering(NOTHING);
    rig.notes.borrow_mut().fails_to_start = true;
    assert!(matches!(rig.container.start(), Err(ContainerError::Service(_))));
    assert_eq!(rig.heard(), [ack(0, 0, 0, -1)]);
    let errors = rig.driver.client().counters().find(SERVICE_ERRORS, &|_| true).unwrap();
    assert!(
        errors.label.starts_with("Cluster Container Errors - clusterId=0 serviceId=0 version="),
        "{}",
        errors.label
    );
    assert_eq!(rig.driver.client().counters().value(errors.id), 1);
}

#[test]
fn a_snapshot_of_fewer_services_is_not_started_from() {
    let from = Recovery { term: 3, position: 64, time: 9, recordings: &[] };
    let mut rig = Rig::recovering(from);
    let error = rig.container.start().unwrap_err();
    assert!(matches!(error, ContainerError::NotInSnapshot { service_id: 0, service_count: 0 }), "{error}");
    assert_eq!(rig.heard(), [ack(0, 64, 9, -1)]);
}

#[test]
fn a_container_waits_for_its_module_and_not_for_another_clusters() {
    let driver = Driver::new();
    let later = driver.client();
    let dir = tempfile::tempdir().unwrap();
    let config = ContainerConfig { cluster_dir: dir.path().to_owned(), ..ContainerConfig::default() };
    let mut container = Container::new(config, Box::new(driver.client()), Recorder::default());
    let other = driver.allocate_counter(COMMIT_POSITION, &1_i32.to_le_bytes(), "another cluster's", 0);
    let dies_at = later.now() + Duration::from_secs(60);
    let dying = driver.clone();
    driver.add_peer(move || {
        if later.now() >= dies_at {
            dying.die();
        }
    });
    // Nothing came for a minute, and then the driver was gone: that alone ended the wait.
    assert!(matches!(container.start(), Err(ContainerError::Transport(_))));
    assert!(driver.client().now() >= dies_at);
    assert_eq!(driver.client().counters().value(other), 0);
}

#[test]
fn a_second_container_of_a_service_is_refused_until_the_first_has_ended() {
    let mut rig = Rig::started();
    let second = |rig: &Rig| {
        let config = ContainerConfig { cluster_dir: rig.dir.path().to_owned(), ..ContainerConfig::default() };
        Container::new(config, Box::new(rig.driver.client()), Recorder::default()).start()
    };
    let refused = second(&rig);
    assert!(matches!(refused, Err(ContainerError::MarkFile(MarkFileError::Active { .. }))), "{refused:?}");
    // Alive for a minute, it still holds its mark.
    for _ in 0..60 {
        rig.driver.advance(Duration::from_secs(1));
        rig.step();
    }
    assert!(second(&rig).is_err());
    rig.notes.borrow_mut().should_stop = true;
    rig.step();
    assert_eq!(rig.ended(), Some(Ended::Stopped));
    second(&rig).unwrap();
}
