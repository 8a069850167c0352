//! `/metrics`.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::web::door::Door;
use crate::web::metrics::CONTENT_TYPE;
use crate::web::refusal::Refusal;

pub(super) async fn show(State(door): State<Door>) -> Result<impl IntoResponse, Refusal> {
    let scrape = door.scrape().await?;
    // It reads files of the system's, some thousand entries with many calls.
    let text = tokio::task::spawn_blocking(|| scrape.text()).await;
    match text {
        Ok(Ok(text)) => Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text)),
        Ok(Err(_)) | Err(_) => Err(Refusal::unavailable("the figures cannot be written down")),
    }
}
