//! The replicated service: sessions, matches, ticks; and the hosts that run it.
