//! What browsers ask for: where to connect, a token for a guest, the page that plays.
//!
//! Same origin only: no answer allows another page to read it. What gives something away ([`token`]) also looks at who
//! asks, because a page of anyone can send a request that it may not read the answer of.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use net_edge::{Certificates, Claims, TokenSigner, Unanswered};
use protocol::MatchId;
use protocol::account::account_of;
use protocol::limits::ACCOUNT_BYTES_MAX;
use protocol::version::{ALPN, MAJOR, MINOR, WEBTRANSPORT_PATH};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Deserialize;
use serde_json::json;

use super::refused;
use crate::cli::to_hex;

/// What answers are made from.
pub(crate) struct Browsers<M> {
    pub(crate) quic: SocketAddr,
    pub(crate) certificates: Certificates,
    pub(crate) game: &'static str,
    pub(crate) manifest_hash: u64,
    /// Signs tokens for guests; `None` where nobody is let in unasked.
    pub(crate) guests: Option<TokenSigner>,
    /// Whether guests may come by any name of this address. Where it was not asked for, a name could be one that a page of
    /// somebody else has led here.
    pub(crate) any_name: bool,
    pub(crate) matches: M,
}

/// The matches that guests may join.
pub(crate) trait OpenMatches: Send + Sync + 'static {
    /// The match to join when none is asked for.
    fn first(&self) -> impl Future<Output = Option<u64>> + Send;
    /// Whether it is open; `None` when that is not known now.
    fn is_open(&self, match_id: u64) -> impl Future<Output = Option<bool>> + Send;
    /// What it was opened with; `None` when it is not open.
    fn content(&self, match_id: u64) -> impl Future<Output = Result<Option<Arc<[u8]>>, Unanswered>> + Send;
    /// Whether who joins may be this player of it; `None` where players cannot be chosen.
    fn has_player(&self, match_id: u64, player: u32) -> impl Future<Output = Result<Option<bool>, Unanswered>> + Send;
}

impl<M: OpenMatches> Browsers<M> {
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/edge.json", get(edge::<M>))
            .route("/token", post(token::<M>))
            .route("/content", get(content::<M>))
            .route(
                "/play",
                get(|headers: HeaderMap| async move { embedded("index.html", Page::get("index.html"), &headers) }),
            )
            .route(
                "/play/",
                get(|headers: HeaderMap| async move { embedded("index.html", Page::get("index.html"), &headers) }),
            )
            .route(
                "/play/{*path}",
                get(|UrlPath(path): UrlPath<String>, headers: HeaderMap| async move {
                    embedded(&path, Page::get(&path), &headers)
                }),
            )
            .with_state(Arc::new(self))
    }

    /// The match that is asked for, or the one that is open.
    async fn match_of(&self, wanted: Option<u64>) -> Result<u64, Response> {
        let first = match wanted {
            Some(match_id) => Some(match_id),
            None => self.matches.first().await,
        };
        let missing =
            || refused(StatusCode::NOT_FOUND, "no match is open here; open one, or ask for one with ?match=ID");
        let match_id = first.ok_or_else(missing)?;
        match self.matches.is_open(match_id).await {
            // Where that is not known, whoever joins is told.
            Some(false) => Err(refused(StatusCode::NOT_FOUND, &format!("match {match_id} is not open"))),
            _ => Ok(match_id),
        }
    }
}

async fn edge<M: OpenMatches>(State(browsers): State<Arc<Browsers<M>>>, headers: HeaderMap) -> Response {
    let Browsers { certificates, quic, .. } = &*browsers;
    let quic = reached_at(*quic, text(&headers, &header::HOST));
    let hashes: Vec<_> = certificates.sha256().iter().map(|hash| to_hex(hash)).collect();
    let alpn = [String::from_utf8_lossy(ALPN), "h3".into()];
    no_store(json!({
        "quic": quic,
        "webtransport": format!("https://{quic}{WEBTRANSPORT_PATH}"),
        "certificate_sha256": hashes,
        "certificate_pinned": certificates.is_self_signed(),
        "alpn": alpn,
        "protocol": { "major": MAJOR, "minor": MINOR },
        "game": browsers.game,
        "manifest_hash": format!("{:016x}", browsers.manifest_hash),
        "match": browsers.matches.first().await,
        "tokens": browsers.guests.is_some(),
    }))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "match")]
    match_id: Option<u64>,
    account: Option<String>,
    /// As whom, where players can be chosen.
    player: Option<u32>,
}

async fn token<M: OpenMatches>(
    State(browsers): State<Arc<Browsers<M>>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Response> {
    let Some(signer) = &browsers.guests else {
        let why = "this process gives no tokens to guests: it is reached by more than this machine, or is told not to";
        return Err(refused(StatusCode::FORBIDDEN, why));
    };
    if !is_own_page(&headers, browsers.any_name) {
        return Err(refused(StatusCode::FORBIDDEN, "only pages of this address may ask for tokens"));
    }
    let match_id = browsers.match_of(wanted.match_id).await?;
    let mut account = wanted.account.unwrap_or_else(guest);
    if let Some(player) = wanted.player {
        account = match browsers.matches.has_player(match_id, player).await.map_err(unanswered)? {
            Some(true) => account_of(player, &account),
            Some(false) => {
                return Err(refused(StatusCode::NOT_FOUND, &format!("match {match_id} has no player {player}")));
            }
            None => {
                let why = "who joins this match is a new player; leave `player` out";
                return Err(refused(StatusCode::BAD_REQUEST, why));
            }
        };
    }
    if account.is_empty() || account.len() > ACCOUNT_BYTES_MAX {
        return Err(refused(StatusCode::BAD_REQUEST, &format!("an account takes 1 to {ACCOUNT_BYTES_MAX} bytes")));
    }
    let issued = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let claims = Claims::new(MatchId(match_id), account.as_str(), issued);
    let token = signer.sign(&claims);
    Ok(no_store(json!({ "token": token, "match": match_id, "account": account, "expires": claims.expires })))
}

async fn content<M: OpenMatches>(
    State(browsers): State<Arc<Browsers<M>>>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Response> {
    let match_id = browsers.match_of(wanted.match_id).await?;
    let content = browsers.matches.content(match_id).await.map_err(unanswered)?;
    let content = content.ok_or_else(|| refused(StatusCode::NOT_FOUND, &format!("match {match_id} is not open")))?;
    let kind = std::str::from_utf8(&content).map_or("application/octet-stream", |_| "text/plain; charset=utf-8");
    let tag = tag_of(digest::digest(&digest::SHA256, &content).as_ref());
    let common = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "no-cache"), (header::CONTENT_TYPE, kind)];
    Ok(match is_known(&tag, &headers) {
        true => (StatusCode::NOT_MODIFIED, common).into_response(),
        false => (common, content.to_vec()).into_response(),
    })
}

fn unanswered(error: Unanswered) -> Response {
    refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn no_store(value: serde_json::Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(value)).into_response()
}

fn guest() -> String {
    let mut bytes = [0; 6];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    format!("guest-{}", to_hex(&bytes))
}

/// Whether no page asks, or one of this address. A name that somebody else's name server gives this address is another
/// page's.
pub(crate) fn is_own_page(headers: &HeaderMap, any_name: bool) -> bool {
    let host = text(headers, &header::HOST).unwrap_or_default();
    let is_ours = match text(headers, &header::ORIGIN) {
        // Behind a proxy the page is of HTTPS.
        Some(origin) => ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(host)),
        None => !headers.contains_key(header::ORIGIN),
    };
    let is_near = matches!(text(headers, &SITE), None | Some("same-origin" | "none"));
    is_ours && is_near && (any_name || is_numeric_or_local(host))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_numeric_or_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// Where players connect: who listens on all addresses is reached by the name that was good for this request.
fn reached_at(quic: SocketAddr, host: Option<&str>) -> String {
    let named = host.filter(|_| quic.ip().is_unspecified()).and_then(|host| host.parse::<Authority>().ok());
    match named {
        Some(name) if !name.host().eq_ignore_ascii_case("localhost") => format!("{}:{}", name.host(), quic.port()),
        _ => crate::cli::loopback(quic).to_string(),
    }
}

// ---- the page -----------------------------------------------------------------------------------------

/// The page and what it loads, as they were when this program was built.
#[derive(RustEmbed)]
#[folder = "../assets/play"]
struct Page;

/// A file that was built in, unless the browser has it.
pub(crate) fn embedded(path: &str, file: Option<EmbeddedFile>, headers: &HeaderMap) -> Response {
    let Some(file) = file else {
        return refused(StatusCode::NOT_FOUND, "no such file");
    };
    let tag = tag_of(&file.metadata.sha256_hash());
    let common = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_TYPE, kind_of(path)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match is_known(&tag, headers) {
        true => (StatusCode::NOT_MODIFIED, common).into_response(),
        false => (common, file.data.into_owned()).into_response(),
    }
}

/// What a browser knows bytes by, of their hash.
fn tag_of(sha256: &[u8]) -> String {
    format!("\"{}\"", to_hex(sha256))
}

/// Whether the browser has what is tagged so.
fn is_known(tag: &str, headers: &HeaderMap) -> bool {
    let known = text(headers, &header::IF_NONE_MATCH);
    known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

const POLICY: &str = "default-src 'self'; connect-src 'self' https:; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; frame-ancestors 'none'";
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn tokens_are_for_pages_of_this_address_and_for_programs() {
        let asks = |pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_own_page(&pairs.collect(), false)
        };
        assert!(asks(&[("host", "127.0.0.1:7777")]), "a program");
        assert!(asks(&[("host", "[::1]:7777")]) && asks(&[("host", "localhost")]));
        assert!(asks(&[
            ("host", "127.0.0.1:7777"),
            ("origin", "http://127.0.0.1:7777"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!asks(&[("host", "127.0.0.1:7777"), ("origin", "https://evil.example")]));
        assert!(!asks(&[("host", "127.0.0.1:7777"), ("origin", "http://127.0.0.1:8888")]), "another port");
        assert!(!asks(&[("host", "127.0.0.1:7777"), ("origin", "null")]));
        assert!(!asks(&[("host", "127.0.0.1:7777"), ("sec-fetch-site", "cross-site")]));
        assert!(!asks(&[("host", "evil.example:7777"), ("origin", "http://evil.example:7777")]), "rebound names");
        let named = [("host", "game.example"), ("origin", "https://game.example")];
        let named = named.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        assert!(is_own_page(&named.into_iter().collect(), true), "who is told to let guests in has a name");
    }

    #[test]
    fn who_listens_everywhere_is_reached_by_the_name_that_was_asked_for() {
        let everywhere = SocketAddr::from(([0; 4], 4433));
        let at = |host| reached_at(everywhere, host);
        assert_eq!(at(Some("192.0.2.7:7777")), "192.0.2.7:4433");
        assert_eq!(at(Some("game.example")), "game.example:4433");
        assert_eq!(at(Some("[2001:db8::1]:80")), "[2001:db8::1]:4433");
        for unusable in [None, Some("localhost:7777"), Some("a b"), Some("")] {
            assert_eq!(at(unusable), "127.0.0.1:4433");
        }
        assert_eq!(reached_at(([127, 0, 0, 1], 9).into(), Some("game.example")), "127.0.0.1:9");
    }
}
