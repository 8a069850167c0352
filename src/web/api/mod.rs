//! The routes, and what every request passes on its way to them.

mod calls;
mod consent;
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

#[derive(Clone)]
struct Gate {
    guard: Arc<Guard>,
    places: Arc<Semaphore>,
}

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
    let gate = Gate {
        guard,
        places: Arc::new(Semaphore::new(REQUESTS)),
    };
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
        .fallback(|| async { Refusal::not_found("there is nothing at this path") })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(gate, admit))
        .with_state(doors)
}

/// Nothing of a request is looked at before it is known who asks.
async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().copied() else {
        return Refusal::unauthorized().into_response();
    };
    if !gate.guard.lets_in(caller, request.headers()) {
        warn!(%caller, "admin request without the token");
        return Refusal::unauthorized().into_response();
    }
    let Ok(_place) = gate.places.try_acquire() else {
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
