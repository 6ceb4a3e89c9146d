//! Aeron channel URIs, as far as this crate changes any: `aeron:udp?key=value|key=value`.
//!
//! Channels that the consensus module names (`JoinLog`) are passed on to the driver as they are, but for the alias;
//! their tags say which stream is meant.

/// The channel with `key=value`, in place of an older value of the same key.
pub fn with_param(channel: &str, key: &str, value: &str) -> String {
    let (head, params) = channel.split_once('?').unwrap_or((channel, ""));
    let mut kept: Vec<String> = params
        .split('|')
        .filter(|param| !param.is_empty() && param.split_once('=').map_or(*param, |(name, _)| name) != key)
        .map(str::to_owned)
        .collect();
    kept.push(format!("{key}={value}"));
    format!("{head}?{}", kept.join("|"))
}

/// The value of a key, if the channel has it.
pub fn param<'a>(channel: &'a str, key: &str) -> Option<&'a str> {
    let (_, params) = channel.split_once('?')?;
    params.split('|').find_map(|param| param.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_replaces_its_older_value_and_no_other() {
        assert_eq!(with_param("aeron:ipc", "session-id", "-7"), "aeron:ipc?session-id=-7");
        let spy = "aeron-spy:aeron:udp?tags=4|session-id=9|alias=log";
        assert_eq!(with_param(spy, "alias", "ours"), "aeron-spy:aeron:udp?tags=4|session-id=9|alias=ours");
        assert_eq!(param(spy, "session-id"), Some("9"));
        assert_eq!(param(spy, "session"), None);
    }
}
