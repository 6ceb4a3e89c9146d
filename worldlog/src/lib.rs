//! The worldlog program and facade.
