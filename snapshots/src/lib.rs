//! Snapshots and match files: checksummed chunk files on disk.
