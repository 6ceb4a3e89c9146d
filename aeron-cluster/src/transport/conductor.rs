//! The conductor. (Being written.)
