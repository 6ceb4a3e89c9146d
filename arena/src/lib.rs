//! The arena: a top-down team shooter, and the game that Worldlog is measured with.
