//! Bots that play the arena, and what they measured.
