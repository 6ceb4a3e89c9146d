//! What is read, what is refused, and that the error names the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aeron_cluster::member::{Durability, MemberEndpoints, TimeoutPreset};

use net_edge::EdgeLimits;

use super::settings::SETTINGS;
use super::{Config, ConfigError};

const LEAST: &str = r#"
[[cluster.members]]
id = 0
host = "127.0.0.1"
ingress_port = 9000
consensus_port = 9001
log_port = 9002
catchup_port = 9003
archive_port = 9004

[node]
id = 0
"#;

fn check(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, Path::new("/srv/member-0"), &variables)
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    check(text, variables).expect_err("this must be refused").to_string()
}

#[test]
fn a_file_with_the_least_gets_the_defaults() {
    let config = check(LEAST, &[]).unwrap();
    assert_eq!(config.cluster.members, [MemberEndpoints::in_a_row(0, "127.0.0.1", 9000)]);
    assert_eq!(config.cluster.ingress_endpoints(), "0=127.0.0.1:9000");
    assert_eq!(config.cluster.secret_file, PathBuf::from("/srv/member-0/keys/cluster.secret"));
    let node = config.require_node().unwrap();
    assert_eq!((node.durability, node.timeouts), (Durability::QuorumDisk, TimeoutPreset::Fast));
    assert_eq!(node.dir, PathBuf::from("/srv/member-0"));
    assert_eq!(config.member().unwrap().directories.archive, PathBuf::from("/srv/member-0/archive"));
    assert!(config.edge.is_none() && config.require_edge().is_err());
}

#[test]
fn a_slip_of_the_pen_is_named() {
    let text = LEAST.replace("[node]", "[node]\ndurabilty = \"quorum-disk\"");
    let said = refusal(&text, &[]);
    assert!(said.starts_with("node.durabilty is not known; known are id, dir, durability"), "{said}");
    assert!(refusal(&format!("{LEAST}[nodes]\nid = 1"), &[]).starts_with("[nodes] is not known"));
    let said = refusal(&LEAST.replace("log_port", "logport"), &[]);
    assert!(said.starts_with("cluster.members.logport is not known"), "{said}");
    let said = refusal(LEAST, &[("WORLDLOG_NODE_DIRECTORY", "/x")]);
    assert!(
        said.starts_with("the variable WORLDLOG_NODE_DIRECTORY is not known; known are WORLDLOG_NODE_ID"),
        "{said}"
    );
}

#[test]
fn a_value_that_cannot_be_is_named_with_what_it_must_be() {
    let node = |line: &str| refusal(&LEAST.replace("[node]", &format!("[node]\n{line}")), &[]);
    assert_eq!(
        node("durability = \"disk\""),
        "node.durability is \"disk\", but must be one of \"quorum-disk\", \"quorum-memory\""
    );
    assert_eq!(node("heap_mib = 16"), "node.heap_mib is 16, but must be a whole number from 64 to 65536");
    assert_eq!(node("heap_mib = -1"), "node.heap_mib is -1, but must be a whole number from 64 to 65536");
    assert_eq!(node("heap_mib = \"1g\""), "node.heap_mib is \"1g\", but must be a whole number from 64 to 65536");
    assert_eq!(node("dir = \"\""), "node.dir is \"\", but must be a path in quotes, not empty");
    let text = format!("[cluster]\nlog_term_mib = 24\n{LEAST}");
    assert_eq!(refusal(&text, &[]), "cluster.log_term_mib is 24, but must be a power of two");
    let text = LEAST.replace("[node]\nid = 0", "[edge]\nlisten = \"localhost:1\"");
    assert!(refusal(&text, &[]).starts_with("edge.listen is \"localhost:1\", but must be an address and port"));
    let text = LEAST.replace("[node]\nid = 0", "[edge]\negress_port_min = 30000");
    assert!(refusal(&text, &[]).starts_with("edge.egress_port_max is 20499, but must be at least"));
}

#[test]
fn members_that_cannot_be_a_cluster_are_refused() {
    let members = |text: &str| refusal(LEAST, &[("WORLDLOG_CLUSTER_MEMBERS", text)]);
    assert!(members("0,a,1,2,3,4,5|1,b,1,2,3,4,5").starts_with("cluster.members is 2 members, but must be 1, 3 or 5"));
    assert!(members("0,a,1,2,3,4,5|1,a,5,6,7,8,9|2,c,1,2,3,4,5").contains("a:5 is used twice, by members 0 and 1"));
    assert!(members("0,a,1,2,3,4,5|0,b,1,2,3,4,5|2,c,1,2,3,4,5").contains("two members have the id 0"));
    assert!(members("0,0.0.0.0,1,2,3,4,5").contains("not that of all interfaces"));
    assert!(members("0,a|b,1,2,3,4,5").starts_with("WORLDLOG_CLUSTER_MEMBERS is \"0,a\""));
    assert!(members("0,a?x=1,1,2,3,4,5").contains("a host name or address"));
    assert!(members("0,a,0,2,3,4,5").starts_with("cluster.members.ingress_port is 0, but must be a port"));
    let said = refusal(&LEAST.replace("id = 0\n", "id = 7\n").replacen("id = 7", "id = 0", 1), &[]);
    assert_eq!(said, "node.id is 7, but must be the id of one of [[cluster.members]] (0)");
    assert!(refusal("[node]\nid = 0", &[]).starts_with("[[cluster.members]] is missing"));
}

#[test]
fn variables_take_the_place_of_the_file() {
    let config = check(
        LEAST,
        &[
            ("WORLDLOG_CLUSTER_MEMBERS", "0,a,1,2,3,4,5|1,b,1,2,3,4,5|2,c,1,2,3,4,5"),
            ("WORLDLOG_NODE_ID", "2"),
            ("WORLDLOG_NODE_DURABILITY", "quorum-memory"),
            ("WORLDLOG_EDGE_OPEN_MATCH", "true"),
        ],
    )
    .unwrap();
    assert_eq!(config.cluster.members.len(), 3);
    let node = config.require_node().unwrap();
    assert_eq!((node.id, node.durability), (2, Durability::QuorumMemory));
    assert!(config.require_edge().unwrap().open_match, "a variable alone makes a section");
    let said = refusal(LEAST, &[("WORLDLOG_NODE_HEAP_MIB", "much")]);
    assert_eq!(said, "WORLDLOG_NODE_HEAP_MIB is \"much\", but must be a whole number from 64 to 65536");
    let without_id = LEAST.replace("[node]\nid = 0", "[node]");
    assert_eq!(refusal(&without_id, &[]), "node.id is missing; write it into the file, or set WORLDLOG_NODE_ID");
}

#[test]
fn limits_of_an_edge_are_those_of_the_protocol_until_they_are_set() {
    let edge =
        |text: &str, variables: &[(&str, &str)]| check(&format!("{LEAST}{text}"), variables).unwrap().edge.unwrap();
    assert_eq!(edge("[edge]\nopen_match = true", &[]).limits, EdgeLimits::default());
    let text = "[edge.limits]\nconnections = 100\nhandshakes_before_retry = 0";
    let limits = edge(text, &[("WORLDLOG_EDGE_LIMITS_FRAMES_PER_SECOND", "500")]).limits;
    let expected =
        EdgeLimits { connections: 100, handshakes_before_retry: 0, frames_per_second: 500, ..EdgeLimits::default() };
    assert_eq!(limits, expected);

    let said = refusal(&format!("{LEAST}[edge.limits]\nconections = 1"), &[]);
    assert!(said.starts_with("edge.limits.conections is not known; known are connections, "), "{said}");
    let said = refusal(&format!("{LEAST}[edge.limits]\nconnections = 1000000"), &[]);
    assert_eq!(said, "edge.limits.connections is 1000000, but must be a whole number from 1 to 65536");
    let said = refusal(&format!("{LEAST}[edge]\nlimits = 3"), &[]);
    assert_eq!(said, "edge.limits is 3, but must be a section");
    let said = refusal(LEAST, &[("WORLDLOG_EDGE_LIMITS_FRAMES", "1")]);
    assert!(said.contains("known are WORLDLOG_EDGE_LIMITS_CONNECTIONS, "), "{said}");
    assert!(
        refusal(&format!("{LEAST}[\"edge.limits\"]\nconnections = 1"), &[]).starts_with("[edge.limits] is not known")
    );
}

#[test]
fn certificates_and_pages_of_an_edge_are_checked() {
    let edge = |text: &str| check(&format!("{LEAST}[edge]\n{text}"), &[]).map(|config| config.edge.unwrap());
    let pair = edge("certificate_file = \"a.pem\"\ncertificate_key_file = \"/k/b.pem\"").unwrap().certificate_files;
    assert_eq!(pair, Some((PathBuf::from("/srv/member-0/a.pem"), PathBuf::from("/k/b.pem"))));
    let said = edge("certificate_file = \"a.pem\"").unwrap_err().to_string();
    assert!(said.contains("give both or none"), "{said}");
    let origins = edge("web_origins = \"https://a.example, http://b.example:81\"").unwrap().web_origins;
    assert_eq!(origins, ["https://a.example", "http://b.example:81"]);
    for wrong in ["a.example", "https://a.example/", "https://", "wss://a.example"] {
        let said = edge(&format!("web_origins = {wrong:?}")).unwrap_err().to_string();
        assert!(said.starts_with("edge.web_origins is ") && said.contains("https://game.example"), "{said}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let text = LEAST.replace("[node]", "[edge]\nname = \"quo\\\"te\\\\\"\n[node]\ndir = \"/a b\"");
    let config = check(&text, &[]).unwrap();
    let written = config.to_toml();
    assert_eq!(check(&written, &[]).unwrap(), config, "{written}");
    for setting in SETTINGS {
        assert!(written.contains(&format!("\n{} = ", setting.key)), "{} in\n{written}", setting.key);
    }
}

#[test]
fn the_example_shows_each_key_and_is_whole() {
    let example = include_str!("../../../assets/worldlog.toml");
    let folder = Path::new("/srv/worldlog");
    let config = Config::parse(example, folder, &BTreeMap::new()).unwrap();
    // Paths in the example are relative, so that it can be copied.
    let expected = config.to_toml().replace("/srv/worldlog/", "").replace("\"/srv/worldlog\"", "\".\"");
    if let Some(path) = std::env::var_os("WORLDLOG_WRITE_EXAMPLE") {
        std::fs::write(path, &expected).unwrap();
    }
    assert_eq!(example, expected, "write the example anew with what is expected");
}
