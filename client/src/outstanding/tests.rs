//! Commands have one outcome each.
