//! Nothing: cargo wants a target in a package, and this one exists for its manifest.
