//! A place in a match file: `FILE@TICK`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// A match file, and a tick of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileAt {
    pub(super) path: PathBuf,
    /// `None` where only the file was named.
    pub(super) tick: Option<u64>,
}

impl FromStr for FileAt {
    type Err = Infallible;

    /// What follows the last `@` is a tick when it is a number; else it belongs to the file's name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let parts = text.rsplit_once('@').and_then(|(path, tick)| Some((path, tick.parse().ok()?)));
        Ok(match parts {
            Some((path, tick)) => Self { path: path.into(), tick: Some(tick) },
            None => Self { path: text.into(), tick: None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_follows_the_last_at() {
        let at = |text: &str| text.parse::<FileAt>().unwrap();
        assert_eq!(at("a.wlm@12"), FileAt { path: "a.wlm".into(), tick: Some(12) });
        assert_eq!(at("a@b.wlm"), FileAt { path: "a@b.wlm".into(), tick: None });
        assert_eq!(at("a@7@b@0"), FileAt { path: "a@7@b".into(), tick: Some(0) });
    }
}
