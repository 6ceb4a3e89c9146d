//! Worldlog's words and their bytes: ids, limits, frames, manifest, deltas.
