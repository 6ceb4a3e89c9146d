//! The matches of a process over HTTP: which are open, for whoever asks; opening and closing, for who has the key.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use cluster_service::MatchStatus;
use net_edge::Unanswered;
use serde::Deserialize;
use serde_json::json;

use super::browser::OpenMatches;
use super::{AdminKey, refused};
use crate::operator::Operator;

/// Which matches are open.
pub(crate) trait Listing: Send + Sync + 'static {
    /// The match to join when none is asked for, if it is open; all that is known of it where the list is not.
    fn preferred(&self) -> Option<u64>;
    /// All of them, ascending.
    fn list(&self) -> impl Future<Output = Result<Arc<[MatchStatus]>, Unanswered>> + Send;
    /// What one was opened with; `None` when it is not open.
    fn content(&self, match_id: u64) -> impl Future<Output = Result<Option<Arc<[u8]>>, Unanswered>> + Send;
    /// Waits until the list shows that a match was opened or closed.
    fn until_shown(&self, match_id: u64, is_open: bool) -> impl Future<Output = ()> + Send;
}

/// Matches as browsers ask for them, out of a list.
pub(crate) struct Listed<L>(pub(crate) Arc<L>);

impl<L: Listing> Listed<L> {
    /// The list, unless it takes too long: who comes back to a match must not wait for a cluster that changes its leader.
    async fn list_soon(&self) -> Option<Arc<[MatchStatus]>> {
        tokio::time::timeout(LIST_WAIT_MAX, self.0.list()).await.ok()?.ok()
    }
}

const LIST_WAIT_MAX: Duration = Duration::from_secs(1);

impl<L: Listing> OpenMatches for Listed<L> {
    async fn first(&self) -> Option<u64> {
        let Some(open) = self.list_soon().await else { return self.0.preferred() };
        let preferred = self.0.preferred();
        let mut ids = open.iter().map(|open| open.id);
        preferred.filter(|id| ids.clone().any(|open| open == *id)).or_else(|| ids.next())
    }

    async fn is_open(&self, match_id: u64) -> Option<bool> {
        let open = self.list_soon().await?;
        Some(open.iter().any(|open| open.id == match_id))
    }

    async fn content(&self, match_id: u64) -> Result<Option<Arc<[u8]>>, Unanswered> {
        self.0.content(match_id).await
    }

    async fn has_player(&self, match_id: u64, player: u32) -> Result<Option<bool>, Unanswered> {
        let open = self.0.list().await?;
        // Matches that began empty have no players before somebody joins.
        let kept = open.iter().find(|open| open.id == match_id).map(|open| &open.kept);
        Ok(kept.filter(|kept| !kept.is_empty()).map(|kept| kept.contains(&player)))
    }
}

/// What answers are made from.
pub(crate) struct Matches<L> {
    pub(crate) listing: Arc<L>,
    pub(crate) operator: Operator,
    pub(crate) admin_key: AdminKey,
    /// Content of matches that are opened without any.
    pub(crate) content: Vec<u8>,
}

type Desk<L> = State<Arc<Matches<L>>>;

impl<L: Listing> Matches<L> {
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/matches", get(list::<L>).post(open::<L>))
            .route("/matches/{id}", delete(close::<L>))
            .with_state(Arc::new(self))
    }
}

/// A match that is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OpenRequest {
    seed: u64,
    label: String,
    content: Option<String>,
}

async fn list<L: Listing>(State(matches): Desk<L>) -> Response {
    match matches.listing.list().await {
        Ok(open) => Json(json!({ "matches": *open })).into_response(),
        Err(unanswered) => refused(StatusCode::SERVICE_UNAVAILABLE, &unanswered.to_string()),
    }
}

async fn open<L: Listing>(
    State(matches): Desk<L>,
    headers: HeaderMap,
    Json(request): Json<OpenRequest>,
) -> Result<Response, Response> {
    matches.admin_key.allow(&headers)?;
    let content = request.content.map_or_else(|| matches.content.clone(), String::into_bytes);
    let opened = matches.operator.open_match(request.seed, &request.label, content).await;
    let match_id = opened.map_err(|error| refused(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()))?;
    matches.listing.until_shown(match_id, true).await;
    Ok(Json(json!({ "match": match_id })).into_response())
}

async fn close<L: Listing>(
    State(matches): Desk<L>,
    headers: HeaderMap,
    UrlPath(match_id): UrlPath<u64>,
) -> Result<Response, Response> {
    matches.admin_key.allow(&headers)?;
    let closed = matches.operator.close_match(match_id).await;
    closed.map_err(|error| refused(StatusCode::NOT_FOUND, &error.to_string()))?;
    matches.listing.until_shown(match_id, false).await;
    Ok(Json(json!({ "match": match_id, "closed": true })).into_response())
}
