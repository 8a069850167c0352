//! The routes, and what every request passes on its way to them.

mod calls;
mod consent;
mod metrics;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use tokio::sync::Semaphore;
use tracing::warn;

use super::door::Door;
use super::guard::{Caller, Guard};
use super::refusal::Refusal;
use crate::call::operator::OperatorAnswer;
use crate::store::LedgerDoor;

/// Worked on at once, from everywhere.
const REQUESTS: usize = 32;
const MAX_BODY: usize = 256 * 1024;

/// Whom requests are led to.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) calls: Door,
    pub(super) ledger: LedgerDoor,
}

impl FromRef<Doors> for Door {
    fn from_ref(doors: &Doors) -> Self {
        doors.calls.clone()
    }
}

impl FromRef<Doors> for LedgerDoor {
    fn from_ref(doors: &Doors) -> Self {
        doors.ledger.clone()
    }
}

pub(super) fn service(doors: Doors, guard: Arc<Guard>) -> Router {
    Router::new()
        .route("/v1/status", get(status::show))
        .route("/v1/calls", get(calls::list).post(calls::place))
        .route("/v1/calls/{call}", delete(calls::hang_up))
        .route("/v1/consent", get(consent::list).post(consent::import))
        .route(
            "/v1/consent/{number}/{user}",
            get(consent::show)
                .post(consent::learn)
                .delete(consent::forget),
        )
        .route("/metrics", get(metrics::show))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(places(), crowd))
        .layer(middleware::from_fn_with_state(guard, admit))
        .with_state(doors)
}

/// For whoever gets there: how the bridge does, and nothing else.
pub(super) fn metrics_service(calls: Door) -> Router {
    Router::new()
        .route("/metrics", get(metrics::show))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(0))
        .layer(middleware::from_fn_with_state(places(), crowd))
        .with_state(calls)
}

async fn nothing() -> Refusal {
    Refusal::not_found("there is nothing at this path")
}

/// Nothing of a request is looked at before it is known who asks.
async fn admit(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().copied() else {
        return Refusal::unauthorized().into_response();
    };
    if !guard.lets_in(caller, request.headers()) {
        warn!(%caller, "admin request without the token");
        return Refusal::unauthorized().into_response();
    }
    next.run(request).await
}

fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(REQUESTS))
}

async fn crowd(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        return Refusal::too_many().into_response();
    };
    in_json(next.run(request).await)
}

/// The router's own answers are no JSON.
fn in_json(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let json = "application/json";
    let kind = response.headers().get(header::CONTENT_TYPE);
    if is_error && kind.is_none_or(|kind| kind != json) {
        return Refusal::of(status).into_response();
    }
    response
}

/// An answer to another question than was asked.
fn unexpected(answer: OperatorAnswer) -> Refusal {
    match answer {
        OperatorAnswer::Refused(why) => Refusal::conflict(why),
        OperatorAnswer::UnknownCall => Refusal::not_found("there is no such call"),
        OperatorAnswer::Calls(_)
        | OperatorAnswer::Status(_)
        | OperatorAnswer::Done
        | OperatorAnswer::Begun(_) => Refusal::unavailable("the answer was another one's"),
    }
}
