//! Makes Rust codecs from the SBE schemas inside the pinned Aeron jar.
//!
//! Schemas and compiler come from Maven, at the versions named here; what is made is checked in, so that a build needs
//! neither Java nor Maven. Only the messages that `aeron-cluster` speaks are kept, lest thousands of lines be compiled
//! that nobody calls.

use crate::failure::{Failure, Outcome, only_options};
use crate::workspace::{self, Workspace};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const DOES: &str = "make the Aeron codecs from the schemas in the pinned jar (needs Java 17 and Maven)";

/// As `aeron-cluster/pom.xml`.
const AERON: &str = "io.aeron:aeron-all:1.51.0";
/// The release that Aeron 1.51.0 itself is built with; newer ones may lay out the code anew.
const SBE_TOOL: &str = "uk.co.real-logic:sbe-tool:1.38.1";
/// What sbe-tool needs to run.
const AGRONA: &str = "org.agrona:agrona:2.4.1";

const TO: &str = "aeron-cluster/src/codec/generated";

/// A schema inside the jar, the module made from it and the messages that are kept.
struct Schema {
    file: &'static str,
    module: &'static str,
    made_as: &'static str,
    kept: &'static [&'static str],
}

const SCHEMAS: &[Schema] = &[
    Schema {
        file: "cluster/aeron-cluster-codecs.xml",
        module: "cluster",
        made_as: "io_aeron_cluster_codecs",
        kept: &[
            "admin_request",
            "admin_response",
            "cancel_timer",
            "challenge",
            "challenge_response",
            "client_session",
            "close_session",
            "cluster_action_request",
            "join_log",
            "message_header",
            "new_leader_event",
            "new_leadership_term_event",
            "request_service_ack",
            "schedule_timer",
            "service_ack",
            "service_termination_position",
            "session_close_event",
            "session_close_request",
            "session_connect_request",
            "session_event",
            "session_keep_alive",
            "session_message_header",
            "session_open_event",
            "snapshot_marker",
            "timer_event",
        ],
    },
    Schema {
        file: "archive/aeron-archive-codecs.xml",
        module: "archive",
        made_as: "io_aeron_archive_codecs",
        kept: &[
            "archive_id_request",
            "auth_connect_request",
            "bounded_replay_request",
            "challenge",
            "challenge_response",
            "close_session_request",
            "control_response",
            "delete_detached_segments_request",
            "detach_segments_request",
            "extend_recording_request_2",
            "find_last_matching_recording_request",
            "keep_alive_request",
            "list_recording_request",
            "list_recordings_for_uri_request",
            "list_recordings_request",
            "max_recorded_position_request",
            "message_header",
            "ping",
            "purge_recording_request",
            "purge_segments_request",
            "recording_descriptor",
            "recording_position_request",
            "recording_signal_event",
            "replay_request",
            "start_position_request",
            "start_recording_request_2",
            "stop_all_replays_request",
            "stop_position_request",
            "stop_recording_by_identity_request",
            "stop_recording_request",
            "stop_recording_subscription_request",
            "stop_replay_request",
            "truncate_recording_request",
        ],
    },
    Schema {
        file: "cluster/aeron-cluster-mark-codecs.xml",
        module: "mark",
        made_as: "io_aeron_cluster_codecs_mark",
        kept: &["mark_file_header", "message_header"],
    },
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    only_options(arguments, &[])?;
    let folder = workspace.target().join("sbe");
    fs::create_dir_all(&folder).map_err(Failure::io("create", &folder))?;
    for artifact in [AERON, SBE_TOOL, AGRONA] {
        fetch(workspace, artifact, &folder)?;
    }
    let [aeron, tool, agrona] = [AERON, SBE_TOOL, AGRONA].map(|artifact| folder.join(jar_name(artifact)));
    let class_path = format!("{}:{}", tool.display(), agrona.display());
    for schema in SCHEMAS {
        let xml = workspace::output(workspace.command("unzip").arg("-p").arg(&aeron).arg(schema.file))?;
        let source = folder.join(format!("{}.xml", schema.module));
        fs::write(&source, xml).map_err(Failure::io("write", &source))?;
        let out = folder.join("made");
        workspace::output(
            workspace
                .command("java")
                .args(["--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED"])
                .args(["-Dsbe.target.language=RUST", "-Dsbe.rust.crate.version=0.1.0", "-Dsbe.xinclude.aware=true"])
                .arg(format!("-Dsbe.output.dir={}", out.display()))
                .args(["-cp", &class_path, "uk.co.real_logic.sbe.SbeTool"])
                .arg(&source),
        )?;
        let target = workspace.root().join(TO).join(schema.module);
        adopt(workspace, schema, &out.join(schema.made_as).join("src"), &target)?;
        println!("{} codecs in {TO}/{}", schema.kept.len(), schema.module);
    }
    Ok(())
}

fn jar_name(artifact: &str) -> String {
    let mut parts = artifact.rsplit(':');
    let (version, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{name}-{version}.jar")
}

fn fetch(workspace: &Workspace, artifact: &str, folder: &Path) -> Outcome {
    if folder.join(jar_name(artifact)).is_file() {
        return Ok(());
    }
    if !workspace::is_installed("mvn") {
        return Err(Failure::failed("Maven is missing; install it: `apt-get install maven` or `brew install maven`"));
    }
    let mut maven = workspace.command("mvn");
    maven.args(["-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"]);
    maven.arg(format!("-Dartifact={artifact}")).arg(format!("-DoutputDirectory={}", folder.display()));
    workspace::output(&mut maven).map(drop)
}

/// Takes the messages that are kept, and the enums that they name, as modules of our crate.
fn adopt(workspace: &Workspace, schema: &Schema, from: &Path, to: &Path) -> Outcome {
    if to.is_dir() {
        fs::remove_dir_all(to).map_err(Failure::io("remove", to))?;
    }
    fs::create_dir_all(to).map_err(Failure::io("create", to))?;
    let read = |name: &str| -> Outcome<String> {
        let path = from.join(name);
        fs::read_to_string(&path).map_err(Failure::io("read", &path))
    };
    let mut modules: Vec<String> = schema.kept.iter().map(|name| format!("{name}_codec")).collect();
    let library = read("lib.rs")?;
    let kept_text: String = modules.iter().map(|name| read(&format!("{name}.rs"))).collect::<Outcome<_>>()?;
    let enums = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.extend(
        enums.filter(|name| !name.ends_with("_codec") && kept_text.contains(&format!("{name}::"))).map(str::to_owned),
    );
    let is_dropped = |line: &&str| {
        let module = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'));
        module.is_none_or(|name| modules.iter().any(|kept| kept == name))
    };
    let library: Vec<&str> = library.lines().filter(is_dropped).collect();
    let mut files = vec![("mod.rs".to_owned(), library.join("\n") + "\n")];
    for name in &modules {
        files.push((format!("{name}.rs"), read(&format!("{name}.rs"))?));
    }
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| to.join(name)).collect();
    for ((_, code), path) in files.iter().zip(&paths) {
        let code = code.replace("crate::", &format!("crate::codec::generated::{}::", schema.module));
        let code = code.replace("#![forbid(unsafe_code)]\n", "");
        let signed = format!("// Made by `cargo xtask sbe` from {} of {AERON}; do not edit.\n{code}", schema.file);
        fs::write(path, signed).map_err(Failure::io("write", path))?;
    }
    let config = workspace.root().join("rustfmt.toml");
    for _ in 0..2 {
        workspace::output(
            workspace.command("rustfmt").arg("--edition=2024").arg("--config-path").arg(&config).args(&paths),
        )?;
    }
    Ok(())
}
