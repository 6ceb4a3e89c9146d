//! `worldlog status`

use clap::Args;
use serde_json::{Value, json};

use super::members::{Member, Members, Standing};
use super::office::{Office, Where, edges_below};
use super::{Answer, Done, Failure, live, table};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(arguments: &Arguments, answer: Answer) -> Done {
    match arguments.at.source.members()? {
        Some(members) => of_members(&members, answer),
        None => of_process(&arguments.at.require()?, answer),
    }
}

fn of_process(office: &Office, answer: Answer) -> Done {
    let status = office.get("/status")?;
    answer.give(&status, || {
        let (host, edge) = (&status["host"], &status["edge"]);
        let mut rows = vec![
            ("process", format!("{} plays {}", status["pid"], status["game"].as_str().unwrap_or_default())),
            ("data", status["data"].as_str().unwrap_or_default().to_owned()),
            ("players at", status["quic"].as_str().unwrap_or_default().to_owned()),
            ("connections", edge["connections"].to_string()),
            ("ack p50, p99", acks(edge)),
        ];
        if host.is_null() {
            // An edge of a cluster: its members know the rest.
            let cluster = &status["cluster"];
            rows.push(("leader", format!("member {}, term {}", word(&cluster["leader"]), word(&cluster["term"]))));
            return table(&rows);
        }
        rows.extend([
            ("position", word(&host["position"])),
            ("log", live::bytes(host["log_bytes"].as_f64().unwrap_or_default())),
            ("sync p50, p99", format!("{} ms, {} ms", word(&host["sync_ms_p50"]), word(&host["sync_ms_p99"]))),
            ("snapshot at", word(&host["last_snapshot_position"])),
            ("sessions", word(&host["sessions"])),
            ("failure", word(&host["failure"]).replace("null", "none")),
        ]);
        table(&rows) + &matches(host)
    });
    Ok(())
}

/// Exit code 1 when nobody leads, as no command is taken then, or when the one member that was named does not run.
fn of_members(members: &Members, answer: Answer) -> Done {
    let described: Vec<Value> = members.all().iter().map(describe).collect();
    let leader = members.leader().map(|member| member.config.member_id);
    let edges = match members.cluster_folder() {
        Some(folder) => edges_below(folder)?.into_iter().map(describe_edge).collect(),
        None => Vec::new(),
    };
    // One member that was named need not be the one that leads.
    let is_up = members.all().iter().any(|member| member.standing() == Standing::Running);
    let is_well = leader.is_some() || (members.cluster_folder().is_none() && is_up);
    let object = json!({ "leader": leader, "members": described, "edges": edges });
    answer.give(&object, || {
        let mut text = format!(
            "{:>6} {:<10} {:<9} {:>5} {:>12} {:>12} {:>9} {:>9} {:>7} {:>7}  failure\n",
            "member", "is", "role", "term", "position", "snapshot", "ticks", "apply p99", "reports", "differ"
        );
        described.iter().for_each(|member| text += &line(member));
        let newest = described.iter().map(|member| &member["status"]);
        let newest = newest.max_by_key(|status| status["position"].as_u64());
        text += &newest.map(matches).unwrap_or_default();
        edges.iter().for_each(|edge| text += &edge_line(edge));
        text
    });
    if is_well { Ok(()) } else { Err(Failure::Found) }
}

/// A member that is at rest is described by what it said last.
fn describe(member: &Member) -> Value {
    let standing = member.standing();
    let mut said = member.said().unwrap_or_default();
    if standing != Standing::Running && said.is_object() {
        said["role"] = Value::Null;
    }
    json!({
        "id": member.config.member_id,
        "dir": member.folder(),
        "is": standing.word(),
        "status": said,
    })
}

fn line(member: &Value) -> String {
    let status = &member["status"];
    let of = |key: &str| word(&status[key]).replace("null", "-");
    format!(
        "{:>6} {:<10} {:<9} {:>5} {:>12} {:>12} {:>9} {:>9} {:>7} {:>7}  {}\n",
        word(&member["id"]),
        word(&member["is"]),
        of("role"),
        of("term"),
        of("position"),
        of("snapshot_position"),
        of("ticks"),
        status["apply_ms_p99"].as_f64().map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms")),
        of("hash_reports"),
        of("hash_mismatches"),
        word(&status["failure"]).replace("null", "none"),
    )
}

/// An edge that answers, or does not.
fn describe_edge((name, office): (String, Option<Office>)) -> Value {
    let status = office.ok_or_else(|| Failure::Failed("it does not run".to_owned())).and_then(|it| it.get("/status"));
    match status {
        Ok(status) => json!({ "name": name, "status": status }),
        Err(Failure::Failed(error) | Failure::Usage(error)) => json!({ "name": name, "error": error }),
        Err(Failure::Found) => json!({ "name": name }),
    }
}

fn edge_line(described: &Value) -> String {
    let (name, status) = (word(&described["name"]), &described["status"]);
    if let Some(error) = described["error"].as_str() {
        return format!("{name}: {error}\n");
    }
    let (edge, cluster) = (&status["edge"], &status["cluster"]);
    format!(
        "{name} at {} players {} acks {} leader {} mismatches {}\n",
        word(&status["quic"]),
        edge["players"],
        acks(edge),
        word(&cluster["leader"]),
        edge["hash_mismatches"],
    )
}

/// A line for each match that a host or member has open.
fn matches(host: &Value) -> String {
    let line = |open: &Value| {
        format!(
            "match {} tick {} players {} entities {} hash {}\n",
            open["id"],
            open["tick"],
            open["players"],
            open["entities"],
            open["hash"].as_str().unwrap_or_default()
        )
    };
    host["matches"].as_array().into_iter().flatten().map(line).collect()
}

fn acks(edge: &Value) -> String {
    let of = |key: &str| edge[key].as_f64().unwrap_or_default();
    format!("{:.1} ms, {:.1} ms", of("ack_ms_p50"), of("ack_ms_p99"))
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
