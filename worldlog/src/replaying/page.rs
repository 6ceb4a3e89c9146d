//! The page that designers look at matches with, as it was when this program was built.

use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::HeaderMap;
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::http::browser::embedded;

#[derive(RustEmbed)]
#[folder = "../assets/replay"]
struct Page;

/// `/` is the page; `/page/NAME` what it loads.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { embedded("index.html", Page::get("index.html"), &headers) }))
        .route(
            "/page/{*path}",
            get(|UrlPath(path): UrlPath<String>, headers: HeaderMap| async move {
                embedded(&path, Page::get(&path), &headers)
            }),
        )
}
