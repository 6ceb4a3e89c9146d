//! What players asked for, and what became of it.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::Response;
use ecs_state::{Game, Input};
use protocol::{Columns, OutcomeCode};
use serde::Serialize;
use serde_json::json;
use snapshots::Origin;

use super::http::{At, Span};
use super::limits::COMMANDS_MAX;

#[derive(Serialize)]
struct PlayerCommand {
    tick: u64,
    player: u32,
    session: u64,
    seq: u64,
    position: i64,
    text: String,
    outcome: String,
}

pub(super) async fn commands<G: Game>(State(desk): At<G>, Query(asked): Query<Span>) -> Response {
    desk.work(move |desk| {
        asked.check()?;
        let recording = desk.recording(asked.file.as_deref())?;
        if asked.to > recording.source().last_tick() {
            desk.refresh(&recording);
        }
        let source = recording.source();
        let (from, to) = (asked.from.max(source.first_tick() + 1), asked.to.min(source.last_tick()));
        let mut commands = Vec::new();
        if from > to {
            return Ok(Json(json!({ "commands": commands, "more": false })));
        }
        let mut reel = desk.reel(&recording, from - 1)?;
        while reel.tick() < to && commands.len() < COMMANDS_MAX {
            let Some(output) = reel.step() else { break };
            let Some(step) = source.step_of(reel.tick()) else { break };
            let mut place = 0;
            for input in &step.inputs {
                let Input::Command { player, payload } = input else { continue };
                let origin = step.origins.get(place).copied().unwrap_or(Origin::NOWHERE);
                let outcome = output.outcomes.get(place);
                place += 1;
                if asked.player.is_some_and(|asked| asked != *player) {
                    continue;
                }
                commands.push(PlayerCommand {
                    tick: reel.tick(),
                    player: *player,
                    session: origin.session,
                    seq: origin.seq,
                    position: origin.position,
                    text: words_of::<G>(payload),
                    outcome: outcome.map_or_else(String::new, |code| outcome_words(reel.columns(), *code)),
                });
            }
        }
        let more = reel.tick() < to;
        recording.reels.rest(reel);
        Ok(Json(json!({ "commands": commands, "more": more })))
    })
    .await
}

fn words_of<G: Game>(payload: &[u8]) -> String {
    match G::decode_command(payload) {
        Ok(command) => G::command_to_text(&command),
        Err(error) => error.to_string(),
    }
}

fn outcome_words(columns: &Columns, code: OutcomeCode) -> String {
    if let Some(name) = code.name() {
        return name.to_owned();
    }
    let rejections = columns.manifest().rejections();
    let named = rejections.iter().find(|rejection| rejection.code == code.0);
    named.map_or_else(|| code.0.to_string(), |rejection| rejection.name.clone())
}
