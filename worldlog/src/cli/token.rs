//! `worldlog token issue`

use std::path::PathBuf;

use clap::Subcommand;
use net_edge::{Claims, TokenSigner};
use protocol::MatchId;
use protocol::limits::{ACCOUNT_BYTES_MAX, TOKEN_SECONDS_MAX};
use serde_json::json;

use super::swarm::unix_seconds;
use super::{Answer, Done, Failure};
use crate::dev::token_key_of;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a token with which an account joins a match, once
    Issue {
        /// The data folder that holds the key
        #[arg(long, env = "WORLDLOG_DATA", default_value = "worldlog-data")]
        data: PathBuf,
        /// The key (Ed25519, PKCS#8), instead of that of the data folder
        #[arg(long)]
        key: Option<PathBuf>,
        /// The match
        #[arg(long = "match")]
        match_id: u64,
        /// Who joins: 1 to 64 bytes
        #[arg(long)]
        account: String,
        /// How long it can be redeemed
        #[arg(long, default_value_t = TOKEN_SECONDS_MAX)]
        seconds: u64,
    },
}

pub(super) fn run(verb: Verb, answer: Answer) -> Done {
    let Verb::Issue { data, key, match_id, account, seconds } = verb;
    if account.is_empty() || account.len() > ACCOUNT_BYTES_MAX {
        return Err(Failure::Usage(format!("--account takes 1 to {ACCOUNT_BYTES_MAX} bytes")));
    }
    if seconds == 0 || seconds > TOKEN_SECONDS_MAX {
        return Err(Failure::Usage(format!("--seconds takes 1 to {TOKEN_SECONDS_MAX}")));
    }
    let path = key.unwrap_or_else(|| token_key_of(&data));
    if !path.exists() {
        let text = format!("{}: no such key; the first `worldlog dev` on a data folder makes one", path.display());
        return Err(Failure::Failed(text));
    }
    let signer = TokenSigner::load(&path).map_err(|error| Failure::Failed(error.to_string()))?;
    let issued = unix_seconds();
    let claims = Claims { expires: issued + seconds, ..Claims::new(MatchId(match_id), account.as_str(), issued) };
    let token = signer.sign(&claims);
    let object = json!({ "token": token, "match": match_id, "account": account, "expires": claims.expires });
    answer.give(&object, || token.clone());
    Ok(())
}
