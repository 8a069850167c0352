//! `/v1/status`.

use axum::Json;
use axum::extract::State;

use super::unexpected;
use crate::call::operator::{OperatorAnswer, OperatorCommand};
use crate::web::door::Door;
use crate::web::refusal::Refusal;
use crate::web::words::Status;

pub(super) async fn show(State(door): State<Door>) -> Result<Json<Status>, Refusal> {
    match door.ask(OperatorCommand::Status).await? {
        OperatorAnswer::Status(status) => Ok(Json(status.into())),
        other => Err(unexpected(other)),
    }
}
