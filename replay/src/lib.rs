//! Exact replay of match files.
