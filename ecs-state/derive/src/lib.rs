//! The derive macro of Replicated.
