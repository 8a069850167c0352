//! `/v1/calls`.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use tracing::info;

use super::unexpected;
use crate::call::cdr::CallRef;
use crate::call::operator::{ClickToCall, OperatorAnswer, OperatorCommand};
use crate::web::door::Door;
use crate::web::guard::Caller;
use crate::web::refusal::Refusal;
use crate::web::words::{Begun, Call, CallOrder, Calls};

pub(super) async fn list(State(door): State<Door>) -> Result<Json<Calls>, Refusal> {
    match door.ask(OperatorCommand::Calls).await? {
        OperatorAnswer::Calls(calls) => Ok(Json(Calls {
            calls: calls.iter().map(Call::from).collect(),
        })),
        other => Err(unexpected(other)),
    }
}

pub(super) async fn hang_up(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    call: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path(call) = call?;
    if !is_call_ref(&call) {
        return Err(Refusal::not_found("there is no such call"));
    }
    info!(%caller, call, "ordered: hang up");
    match door.ask(OperatorCommand::HangUp(CallRef(call))).await? {
        OperatorAnswer::Done => Ok(StatusCode::NO_CONTENT),
        other => Err(unexpected(other)),
    }
}

pub(super) async fn place(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    order: Result<Json<CallOrder>, JsonRejection>,
) -> Result<(StatusCode, Json<Begun>), Refusal> {
    let Json(order) = order?;
    let order =
        ClickToCall::try_from(&order).map_err(|error| Refusal::bad_request(error.to_string()))?;
    let (user, extension) = (&order.user, &order.extension);
    info!(%caller, %user, extension, trunk = order.trunk, first = ?order.first, "ordered: call");
    match door.ask(OperatorCommand::Connect(order)).await? {
        OperatorAnswer::Begun(call) => Ok((StatusCode::ACCEPTED, Json(Begun { call: call.0 }))),
        other => Err(unexpected(other)),
    }
}

/// Of their form; what else is asked for need not be looked for, or logged.
fn is_call_ref(text: &str) -> bool {
    text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
