//! Over a media driver, with aeron-rs. (Being written.)
