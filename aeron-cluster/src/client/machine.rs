//! The client's state machine. (Being written.)

/// A client's session with a cluster.
pub struct ClusterClient {}
