//! The container's state machine. (Being written.)

use std::path::PathBuf;

use thiserror::Error;

use super::ClusteredService;
use crate::transport::{Transport, TransportError};

/// How a container finds its consensus module and archive; defaults are those of a stock member.
#[derive(Clone, Debug)]
pub struct ContainerConfig {
    /// Cluster id.
    pub cluster_id: i32,
    /// Service id, 0 to 9.
    pub service_id: i32,
    /// The member's cluster directory (mark files).
    pub cluster_dir: PathBuf,
    /// The member's media driver, for the mark file.
    pub aeron_dir: PathBuf,
    /// Channel between module and service, both ways.
    pub control_channel: String,
    /// Channel of the archive's local control requests.
    pub archive_channel: String,
}

/// Why a container ended.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// The driver is gone or refused something.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A service beside its consensus module.
pub struct Container<S: ClusteredService> {
    _service: S,
    _transport: Box<dyn Transport>,
}
