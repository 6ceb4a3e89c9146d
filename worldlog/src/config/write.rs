//! A [`Config`] as a file that explains itself.

use std::fmt::Write as _;
use std::path::Path;

use aeron_cluster::member::MemberEndpoints;

use super::Config;
use super::settings::{CLUSTER, EDGE, LIMITS, MEMBER_KEYS, NODE, SECTIONS, SETTINGS, Setting};

impl Config {
    /// The file that says the same, each key with what it is and costs.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (section, about) in SECTIONS {
            if !self.has(section) {
                continue;
            }
            let _ = writeln!(text, "# {about}\n[{section}]");
            for setting in SETTINGS.iter().filter(|setting| setting.section == *section) {
                let value = self.value(setting);
                let _ = writeln!(text, "# {}\n# {}\n{} = {value}", setting.about, setting.cost, setting.key);
            }
            text.push('\n');
            if *section == CLUSTER {
                self.cluster.members.iter().for_each(|member| write_member(&mut text, member));
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    fn has(&self, section: &str) -> bool {
        match section {
            NODE => self.node.is_some(),
            EDGE | LIMITS => self.edge.is_some(),
            _ => true,
        }
    }

    /// As it stands behind the key.
    fn value(&self, setting: &Setting) -> String {
        let value = match setting.section {
            CLUSTER => self.value_of_cluster(setting.key),
            NODE => self.value_of_node(setting.key),
            LIMITS => self.value_of_limits(setting.key),
            _ => self.value_of_edge(setting.key),
        };
        value.expect("each key of a section that is there has a value")
    }

    fn value_of_cluster(&self, key: &str) -> Option<String> {
        let cluster = &self.cluster;
        Some(match key {
            "id" => cluster.id.to_string(),
            "secret_file" => path(&cluster.secret_file),
            "sessions_max" => cluster.sessions_max.to_string(),
            "log_term_mib" => cluster.log_term_mib.to_string(),
            "mtu_bytes" => cluster.mtu_bytes.to_string(),
            _ => return None,
        })
    }

    fn value_of_node(&self, key: &str) -> Option<String> {
        let node = self.node.as_ref()?;
        Some(match key {
            "id" => node.id.to_string(),
            "dir" => path(&node.dir),
            "durability" => quoted(&node.durability.to_string()),
            "timeouts" => quoted(&node.timeouts.to_string()),
            "idle" => quoted(&node.idle.to_string()),
            "heap_mib" => node.heap_mib.to_string(),
            "snapshot_every_minutes" => node.snapshot_every_minutes.to_string(),
            "snapshot_every_log_mib" => node.snapshot_every_log_mib.to_string(),
            _ => return None,
        })
    }

    fn value_of_limits(&self, key: &str) -> Option<String> {
        let limits = &self.edge.as_ref()?.limits;
        Some(match key {
            "connections" => limits.connections.to_string(),
            "connections_per_network" => limits.connections_per_prefix.to_string(),
            "connects_per_network_per_second" => limits.connects_per_prefix_per_second.to_string(),
            "connects_per_network_at_once" => limits.connects_per_prefix_burst.to_string(),
            "handshakes_before_retry" => limits.handshakes_before_retry.to_string(),
            "frames_per_second" => limits.frames_per_second.to_string(),
            "datagrams_per_second" => limits.datagrams_per_second.to_string(),
            _ => return None,
        })
    }

    fn value_of_edge(&self, key: &str) -> Option<String> {
        let edge = self.edge.as_ref()?;
        Some(match key {
            "name" => quoted(&edge.name),
            "dir" => path(&edge.dir),
            "listen" => quoted(&edge.listen.to_string()),
            "http" => quoted(&edge.http.to_string()),
            "egress_host" => quoted(&edge.egress_host),
            "egress_port_min" => edge.egress_ports.0.to_string(),
            "egress_port_max" => edge.egress_ports.1.to_string(),
            "token_key_file" => path(&edge.token_key_file),
            "admin_key_file" => path(&edge.admin_key_file),
            "certificate_file" => optional(edge.certificate_files.as_ref().map(|(chain, _)| chain)),
            "certificate_key_file" => optional(edge.certificate_files.as_ref().map(|(_, key)| key)),
            "threads" => edge.threads.to_string(),
            "web_origins" => quoted(&edge.web_origins.join(", ")),
            "guests" => edge.guests.to_string(),
            "idle" => quoted(&edge.idle.to_string()),
            "open_match" => edge.open_match.to_string(),
            "population" => edge.population.to_string(),
            "seed" => edge.seed.to_string(),
            _ => return None,
        })
    }
}

fn optional(path: Option<&std::path::PathBuf>) -> String {
    path.map_or_else(|| quoted(""), |path| self::path(path))
}

fn write_member(text: &mut String, member: &MemberEndpoints) {
    let [ingress, consensus, log, catchup, archive] = member.ports().map(|port| port.to_string());
    let values = [member.id.to_string(), quoted(&member.host), ingress, consensus, log, catchup, archive];
    text.push_str("[[cluster.members]]\n");
    for ((key, about), value) in MEMBER_KEYS.iter().zip(values) {
        let line = format!("{key} = {value}");
        let _ = writeln!(text, "{line:<24} # {about}");
    }
    text.push('\n');
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted += "\\\"",
            '\\' => quoted += "\\\\",
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
