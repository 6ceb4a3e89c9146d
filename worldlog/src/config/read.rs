//! From text and variables to a checked [`Config`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aeron_cluster::member::MemberEndpoints;
use net_edge::EdgeLimits;
use toml::{Table, Value};

use super::settings::{CLUSTER, EDGE, Kind, LIMITS, MEMBER_KEYS, MEMBERS_VARIABLE, NODE, SECTIONS, SETTINGS, Setting};
use super::{ClusterSection, Config, ConfigError, EdgeSection, NodeSection};

/// Most members of a cluster. More would make each commit wait for more machines, and are not tested.
const MEMBERS_MAX: usize = 5;

impl Config {
    /// Reads and checks text. Relative paths are relative to `folder`; `variables` are those that are meant for us.
    ///
    /// # Errors
    /// Names the key and what it should be.
    pub fn parse(text: &str, folder: &Path, variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let file: Table = toml::from_str(text).map_err(ConfigError::Syntax)?;
        refuse_unknown(&file, variables)?;
        let given = Given { file: &file, variables, folder };
        let cluster = cluster(&given)?;
        let node = given.has(NODE).then(|| node(&given, &cluster)).transpose()?;
        let edge = given.has(EDGE).then(|| edge(&given)).transpose()?;
        Ok(Self { cluster, node, edge })
    }
}

fn cluster(given: &Given<'_>) -> Result<ClusterSection, ConfigError> {
    let section = ClusterSection {
        id: given.whole(CLUSTER, "id")?,
        members: members(given)?,
        secret_file: given.path(CLUSTER, "secret_file")?,
        sessions_max: given.whole(CLUSTER, "sessions_max")?,
        log_term_mib: given.whole(CLUSTER, "log_term_mib")?,
        mtu_bytes: given.whole(CLUSTER, "mtu_bytes")?,
    };
    if !section.log_term_mib.is_power_of_two() {
        return Err(invalid("cluster.log_term_mib", section.log_term_mib, "a power of two"));
    }
    if !section.mtu_bytes.is_multiple_of(32) {
        return Err(invalid("cluster.mtu_bytes", section.mtu_bytes, "a multiple of 32"));
    }
    Ok(section)
}

fn node(given: &Given<'_>, cluster: &ClusterSection) -> Result<NodeSection, ConfigError> {
    let section = NodeSection {
        id: given.whole(NODE, "id")?,
        dir: given.path(NODE, "dir")?,
        durability: given.word(NODE, "durability")?,
        timeouts: given.word(NODE, "timeouts")?,
        idle: given.word(NODE, "idle")?,
        heap_mib: given.whole(NODE, "heap_mib")?,
        snapshot_every_minutes: given.whole(NODE, "snapshot_every_minutes")?,
        snapshot_every_log_mib: given.whole(NODE, "snapshot_every_log_mib")?,
    };
    if cluster.members.iter().all(|member| member.id != section.id) {
        let ids: Vec<_> = cluster.members.iter().map(|member| member.id.to_string()).collect();
        let wanted = format!("the id of one of [[cluster.members]] ({})", ids.join(", "));
        return Err(invalid("node.id", section.id, &wanted));
    }
    Ok(section)
}

fn edge(given: &Given<'_>) -> Result<EdgeSection, ConfigError> {
    let section = EdgeSection {
        name: given.word(EDGE, "name")?,
        dir: given.path(EDGE, "dir")?,
        listen: given.word::<SocketAddr>(EDGE, "listen")?,
        http: given.word::<SocketAddr>(EDGE, "http")?,
        egress_host: given.word(EDGE, "egress_host")?,
        egress_ports: (given.whole(EDGE, "egress_port_min")?, given.whole(EDGE, "egress_port_max")?),
        token_key_file: given.path(EDGE, "token_key_file")?,
        admin_key_file: given.path(EDGE, "admin_key_file")?,
        certificate_files: certificate_files(given)?,
        web_origins: web_origins(given)?,
        threads: given.whole(EDGE, "threads")?,
        guests: given.flag(EDGE, "guests")?,
        limits: limits(given)?,
        idle: given.word(EDGE, "idle")?,
        open_match: given.flag(EDGE, "open_match")?,
        population: given.whole(EDGE, "population")?,
        seed: given.whole(EDGE, "seed")?,
    };
    refuse_host("edge.egress_host", &section.egress_host)?;
    let (first, last) = section.egress_ports;
    if first > last {
        return Err(invalid("edge.egress_port_max", last, &format!("at least edge.egress_port_min, which is {first}")));
    }
    Ok(section)
}

fn certificate_files(given: &Given<'_>) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    let keys = ["certificate_file", "certificate_key_file"];
    let [chain, key] = keys.map(|key| given.word::<String>(EDGE, key));
    match (chain?.as_str(), key?.as_str()) {
        ("", "") => Ok(None),
        ("", _) | (_, "") => {
            let text = "edge.certificate_file and edge.certificate_key_file belong together; give both or none";
            Err(ConfigError::Conflict(text.to_owned()))
        }
        _ => Ok(Some((given.path(EDGE, keys[0])?, given.path(EDGE, keys[1])?))),
    }
}

fn web_origins(given: &Given<'_>) -> Result<Vec<String>, ConfigError> {
    let text = given.word::<String>(EDGE, "web_origins")?;
    let origins: Vec<_> = text.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
    // As browsers write them: no path, no slash behind.
    let is_origin = |text: &String| {
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        authority.is_some_and(|authority| !authority.is_empty() && !authority.contains(['/', ' ']))
    };
    match origins.iter().find(|text| !is_origin(text)) {
        Some(wrong) => Err(invalid("edge.web_origins", format!("{wrong:?}"), "origins like \"https://game.example\"")),
        None => Ok(origins),
    }
}

fn limits(given: &Given<'_>) -> Result<EdgeLimits, ConfigError> {
    Ok(EdgeLimits {
        connections: given.whole(LIMITS, "connections")?,
        connections_per_prefix: given.whole(LIMITS, "connections_per_network")?,
        connects_per_prefix_per_second: given.whole(LIMITS, "connects_per_network_per_second")?,
        connects_per_prefix_burst: given.whole(LIMITS, "connects_per_network_at_once")?,
        handshakes_before_retry: given.whole(LIMITS, "handshakes_before_retry")?,
        frames_per_second: given.whole(LIMITS, "frames_per_second")?,
        datagrams_per_second: given.whole(LIMITS, "datagrams_per_second")?,
    })
}

fn members(given: &Given<'_>) -> Result<Vec<MemberEndpoints>, ConfigError> {
    let members = match given.variables.get(MEMBERS_VARIABLE) {
        Some(text) => text.split('|').map(member_of_words).collect::<Result<Vec<_>, _>>()?,
        None => members_of_file(given.file)?,
    };
    if !matches!(members.len(), 1 | 3 | MEMBERS_MAX) {
        let wanted = "1, 3 or 5 members: an even number survives no more failures than one less";
        return Err(invalid("cluster.members", format!("{} members", members.len()), wanted));
    }
    let (mut ids, mut ports) = (BTreeSet::new(), BTreeMap::new());
    for member in &members {
        refuse_host("cluster.members.host", &member.host)?;
        if !ids.insert(member.id) {
            return Err(ConfigError::Conflict(format!(
                "cluster.members: two members have the id {}; give each its own",
                member.id
            )));
        }
        for port in member.ports() {
            if let Some(other) = ports.insert((member.host.clone(), port), member.id) {
                let (host, id) = (&member.host, member.id);
                return Err(ConfigError::Conflict(format!(
                    "cluster.members: {host}:{port} is used twice, by members {other} and {id}; give each its own port"
                )));
            }
        }
    }
    Ok(members)
}

fn members_of_file(file: &Table) -> Result<Vec<MemberEndpoints>, ConfigError> {
    let missing = || ConfigError::Missing {
        name: "[[cluster.members]]".to_owned(),
        variable: format!(", or set {MEMBERS_VARIABLE}"),
    };
    let members = file.get(CLUSTER).and_then(|cluster| cluster.get("members")).ok_or_else(missing)?;
    let wanted = "a list of tables: write [[cluster.members]] above each member";
    let list = members.as_array().ok_or_else(|| invalid("cluster.members", shown(members), wanted))?;
    list.iter().map(|member| member_of_table(member, wanted)).collect()
}

fn member_of_table(member: &Value, wanted: &str) -> Result<MemberEndpoints, ConfigError> {
    let table = member.as_table().ok_or_else(|| invalid("cluster.members", shown(member), wanted))?;
    let known = || MEMBER_KEYS.iter().map(|(key, _)| *key);
    if let Some(key) = table.keys().find(|key| known().all(|known| known != key.as_str())) {
        let known = known().collect::<Vec<_>>().join(", ");
        return Err(ConfigError::Unknown { name: format!("cluster.members.{key}"), known });
    }
    let words: Result<Vec<String>, ConfigError> = known()
        .map(|key| match table.get(key) {
            Some(Value::String(text)) if key == "host" => Ok(text.clone()),
            Some(Value::Integer(number)) if key != "host" => Ok(number.to_string()),
            Some(other) => {
                let wanted = if key == "host" { "a name or address in quotes" } else { "a number" };
                Err(invalid(&format!("cluster.members.{key}"), shown(other), wanted))
            }
            None => Err(ConfigError::Missing { name: format!("cluster.members.{key}"), variable: String::new() }),
        })
        .collect();
    member_of_values(&words?)
}

fn member_of_words(text: &str) -> Result<MemberEndpoints, ConfigError> {
    let words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
    if words.len() != MEMBER_KEYS.len() {
        let keys: Vec<_> = MEMBER_KEYS.iter().map(|(key, _)| *key).collect();
        let wanted = format!("{} for each member, joined by commas, members joined by |", keys.join(","));
        return Err(invalid(MEMBERS_VARIABLE, format!("{text:?}"), &wanted));
    }
    member_of_values(&words)
}

fn member_of_values(values: &[String]) -> Result<MemberEndpoints, ConfigError> {
    let port = |index: usize| {
        let port = values[index].parse::<u16>().ok().filter(|port| *port > 0);
        let name = format!("cluster.members.{}", MEMBER_KEYS[index].0);
        port.ok_or_else(|| invalid(&name, &values[index], "a port, 1 to 65535"))
    };
    let id = values[0].parse::<i32>().ok().filter(|id| *id >= 0);
    Ok(MemberEndpoints {
        id: id.ok_or_else(|| invalid("cluster.members.id", &values[0], "a number from 0 on"))?,
        host: values[1].clone(),
        ingress_port: port(2)?,
        consensus_port: port(3)?,
        log_port: port(4)?,
        catchup_port: port(5)?,
        archive_port: port(6)?,
    })
}

/// The host becomes part of channels, members strings and properties: what could end one of these is none.
fn refuse_host(name: &str, host: &str) -> Result<(), ConfigError> {
    let is_allowed =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':' | '[' | ']');
    if host.is_empty() || !host.chars().all(is_allowed) {
        return Err(invalid(name, format!("{host:?}"), "a host name or address, IPv6 in brackets"));
    }
    if matches!(host, "0.0.0.0" | "[::]") {
        return Err(invalid(name, host, "an address at which others reach this machine, not that of all interfaces"));
    }
    Ok(())
}

fn refuse_unknown(file: &Table, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let is_section = |name: &str| SECTIONS.iter().any(|(known, _)| *known == name);
    for (section, content) in file {
        if !is_section(section) || section.contains('.') {
            let known: Vec<_> = SECTIONS.iter().map(|(known, _)| format!("[{known}]")).collect();
            return Err(ConfigError::Unknown { name: format!("[{section}]"), known: known.join(", ") });
        }
        let table = content.as_table().ok_or_else(|| invalid(section, shown(content), "a section"))?;
        refuse_unknown_keys(section, table)?;
        for (name, content) in table {
            let inner = format!("{section}.{name}");
            if is_section(&inner) {
                let table = content.as_table().ok_or_else(|| invalid(&inner, shown(content), "a section"))?;
                refuse_unknown_keys(&inner, table)?;
            }
        }
    }
    let is_known = |name: &str| name == MEMBERS_VARIABLE || SETTINGS.iter().any(|setting| setting.variable() == name);
    match variables.keys().find(|name| !is_known(name)) {
        Some(name) => {
            let mut innermost_first = SECTIONS.iter().rev();
            let section = innermost_first.find(|(section, _)| super::is_of(name, section)).map_or("", |(name, _)| name);
            let known = SETTINGS.iter().filter(|setting| setting.section == section).map(Setting::variable);
            let known: Vec<_> = known.collect();
            Err(ConfigError::Unknown { name: format!("the variable {name}"), known: known.join(", ") })
        }
        None => Ok(()),
    }
}

fn refuse_unknown_keys(section: &str, table: &Table) -> Result<(), ConfigError> {
    let is_known = |key: &str| {
        let inner = format!("{section}.{key}");
        SETTINGS.iter().any(|setting| setting.section == section && setting.key == key)
            || SECTIONS.iter().any(|(known, _)| *known == inner)
            || section == CLUSTER && key == "members"
    };
    match table.keys().find(|key| !is_known(key)) {
        Some(key) => Err(ConfigError::Unknown { name: format!("{section}.{key}"), known: keys_of(section) }),
        None => Ok(()),
    }
}

fn keys_of(section: &str) -> String {
    let mut keys: Vec<_> = SETTINGS.iter().filter(|known| known.section == section).map(|known| known.key).collect();
    if section == CLUSTER {
        keys.push("members");
    }
    keys.join(", ")
}

/// A section; one with a point in its name is inside another.
fn table_of<'a>(file: &'a Table, section: &str) -> Option<&'a Table> {
    section.split('.').try_fold(file, |table, name| table.get(name)?.as_table())
}

/// What the file and the environment say.
struct Given<'a> {
    file: &'a Table,
    variables: &'a BTreeMap<String, String>,
    folder: &'a Path,
}

impl Given<'_> {
    /// Whether anything is said of a section.
    fn has(&self, section: &str) -> bool {
        self.file.contains_key(section) || self.variables.keys().any(|name| super::is_of(name, section))
    }

    /// A value that is of its kind, and what to call it in an error.
    fn value(&self, section: &str, key: &str) -> Result<(String, Value), ConfigError> {
        let setting = SETTINGS.iter().find(|known| known.section == section && known.key == key);
        let setting = setting.expect("each key that is asked for is in the list");
        let variable = setting.variable();
        let (name, value) = match self.variables.get(&variable) {
            Some(text) => (variable, of_text(setting.kind, text)),
            None => {
                let name = format!("{section}.{key}");
                let written = table_of(self.file, section).and_then(|table| table.get(key)).cloned();
                let value = written.or_else(|| setting.default.map(of_default));
                let missing = || ConfigError::Missing { name: name.clone(), variable: format!(", or set {variable}") };
                (name.clone(), value.ok_or_else(missing)?)
            }
        };
        check(&name, setting.kind, &value)?;
        Ok((name, value))
    }

    fn whole<T: TryFrom<i64>>(&self, section: &str, key: &str) -> Result<T, ConfigError> {
        let (name, value) = self.value(section, key)?;
        let number = value.as_integer().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| invalid(&name, shown(&value), "a smaller number"))
    }

    fn flag(&self, section: &str, key: &str) -> Result<bool, ConfigError> {
        let (name, value) = self.value(section, key)?;
        value.as_bool().ok_or_else(|| invalid(&name, shown(&value), "true or false"))
    }

    fn word<T: FromStr>(&self, section: &str, key: &str) -> Result<T, ConfigError> {
        let (name, value) = self.value(section, key)?;
        let word = value.as_str().and_then(|text| text.parse().ok());
        word.ok_or_else(|| invalid(&name, shown(&value), "one of the words that this version knows"))
    }

    fn path(&self, section: &str, key: &str) -> Result<PathBuf, ConfigError> {
        let path = PathBuf::from(self.word::<String>(section, key)?);
        // Components drops the dots that would make `member-0/.`.
        Ok(self.folder.join(path).components().collect())
    }
}

fn check(name: &str, kind: Kind, value: &Value) -> Result<(), ConfigError> {
    let text = value.as_str();
    let is_right = match kind {
        Kind::Text | Kind::Path => text.is_some_and(|text| !text.is_empty()),
        Kind::Optional => text.is_some(),
        Kind::Flag => value.is_bool(),
        Kind::Whole(least, most) => value
            .as_integer()
            .and_then(|number| u64::try_from(number).ok())
            .is_some_and(|number| (least..=most).contains(&number)),
        Kind::OneOf(words) => text.is_some_and(|text| words.contains(&text)),
        Kind::Address => text.is_some_and(|text| text.parse::<SocketAddr>().is_ok()),
    };
    if is_right { Ok(()) } else { Err(invalid(name, shown(value), &wanted(kind))) }
}

fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Text => "text in quotes, not empty".to_owned(),
        Kind::Optional => "text in quotes".to_owned(),
        Kind::Path => "a path in quotes, not empty".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Whole(least, most) => format!("a whole number from {least} to {most}"),
        Kind::OneOf(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
            format!("one of {}", words.join(", "))
        }
        Kind::Address => "an address and port in quotes, like \"127.0.0.1:4433\"".to_owned(),
    }
}

/// What a variable says; what cannot be read stays text, and is refused as such.
fn of_text(kind: Kind, text: &str) -> Value {
    let text = text.trim();
    match kind {
        Kind::Flag => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Boolean),
        Kind::Whole(..) => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer),
        _ => Value::String(text.to_owned()),
    }
}

fn of_default(text: &str) -> Value {
    let mut table: Table = toml::from_str(&format!("value = {text}")).expect("defaults are TOML");
    table.remove("value").expect("the key that was just written")
}

/// As it stands in the file, shortened.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        other => format!("of type {}", other.type_str()),
    }
}

fn invalid(name: &str, found: impl std::fmt::Display, wanted: &str) -> ConfigError {
    ConfigError::Invalid { name: name.to_owned(), found: found.to_string(), wanted: wanted.to_owned() }
}
