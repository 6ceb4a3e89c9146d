//! The Rust client: connect, join, command, mirror, resume.
