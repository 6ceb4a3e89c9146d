//! `worldlog status`

use clap::Args;

use super::office::Where;
use super::{Answer, Done, live, table};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    at: Where,
}

pub(super) fn run(arguments: &Arguments, answer: Answer) -> Done {
    let status = arguments.at.require()?.get("/status")?;
    answer.give(&status, || {
        let host = &status["host"];
        let edge = &status["edge"];
        let word = |key: &str| host[key].as_str().map_or_else(|| host[key].to_string(), str::to_owned);
        let ack = |key: &str| format!("{:.1} ms", edge[key].as_f64().unwrap_or_default());
        let mut text = table(&[
            ("process", format!("{} plays {}", status["pid"], status["game"].as_str().unwrap_or_default())),
            ("data", status["data"].as_str().unwrap_or_default().to_owned()),
            ("players at", status["quic"].as_str().unwrap_or_default().to_owned()),
            ("connections", edge["connections"].to_string()),
            ("ack p50, p99", format!("{}, {}", ack("ack_ms_p50"), ack("ack_ms_p99"))),
            ("position", word("position")),
            ("log", live::bytes(host["log_bytes"].as_f64().unwrap_or_default())),
            ("sync p50, p99", format!("{} ms, {} ms", word("sync_ms_p50"), word("sync_ms_p99"))),
            ("snapshot at", word("last_snapshot_position")),
            ("sessions", word("sessions")),
            ("failure", word("failure").replace("null", "none")),
        ]);
        for open in host["matches"].as_array().into_iter().flatten() {
            text += &format!(
                "match {} tick {} players {} entities {} hash {}\n",
                open["id"],
                open["tick"],
                open["players"],
                open["entities"],
                open["hash"].as_str().unwrap_or_default()
            );
        }
        text
    });
    Ok(())
}
