//! A match as a deterministic bevy_ecs world: step, capture, hash, keyframe barrier.
