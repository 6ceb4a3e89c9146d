//! The QUIC front end: admission, mirrors, fan-out.
