//! Accounts that say as whom they come.
//!
//! A match that is shown from a recording, or was taken over from one, has players before anybody joins. Who comes as one
//! of them has an account of the form `player:7:name`; all other accounts are new players, or look on.

/// The account of somebody who comes as this player.
#[must_use]
pub fn account_of(player: u32, name: &str) -> String {
    format!("player:{player}:{name}")
}

/// The player as whom an account comes; `None` for other accounts. `player:7` will do.
#[must_use]
pub fn player_of(account: &str) -> Option<u32> {
    account.strip_prefix("player:")?.split(':').next()?.parse().ok().filter(|player| *player != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_say_as_whom() {
        assert_eq!(player_of(&account_of(7, "guest-1")), Some(7));
        assert_eq!(player_of("player:12"), Some(12));
        for other in ["", "player:", "player:0", "player:x:y", "guest-player:3", "player:4294967296"] {
            assert_eq!(player_of(other), None, "{other}");
        }
    }
}
