//! The mirror follows, or says why it cannot.
