//! Calls and orders for calls.

use serde::{Deserialize, Serialize};

use super::time;
use crate::call::cdr::CallDirection;
use crate::call::operator::{self, CallSummary, ClickToCall};
use crate::config::is_extension;
use crate::party::{Party, PhoneNumber, UserId};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct Calls {
    pub(in crate::web) calls: Vec<Call>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct Call {
    /// As in logs and CDRs.
    pub(in crate::web) call: String,
    pub(in crate::web) direction: Direction,
    pub(in crate::web) state: String,
    pub(in crate::web) user: String,
    pub(in crate::web) number: String,
    pub(in crate::web) trunk: Option<String>,
    pub(in crate::web) extension: Option<String>,
    pub(in crate::web) started: String,
    pub(in crate::web) answered: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum Direction {
    UserInitiated,
    BusinessInitiated,
}

/// What `POST /v1/calls` takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct CallOrder {
    /// `200`, or `office/200` with the trunk.
    pub(in crate::web) from: String,
    /// A number with `+`, or a business-scoped user id.
    pub(in crate::web) to: String,
    /// The business number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::web) number: Option<String>,
    #[serde(default)]
    pub(in crate::web) first: First,
}

/// Who is rung first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum First {
    #[default]
    Agent,
    User,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct Begun {
    pub(in crate::web) call: String,
}

/// What is wrong with an order.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(in crate::web) enum OrderError {
    #[error("from is no extension: write what the PBX dials, as in 200 or office/200")]
    From,
    #[error("to is no user: write a number with +, as in +491701234567, or a user id")]
    To,
    #[error("number is no business number: {0}")]
    Number(crate::party::PhoneNumberError),
}

impl From<&CallSummary> for Call {
    fn from(call: &CallSummary) -> Self {
        Self {
            call: call.call.0.clone(),
            direction: match call.direction {
                CallDirection::UserInitiated => Direction::UserInitiated,
                CallDirection::BusinessInitiated => Direction::BusinessInitiated,
            },
            state: call.state.to_owned(),
            user: call.user.expose().to_owned(),
            number: call.number.expose().to_owned(),
            trunk: call.trunk.clone(),
            extension: call.extension.clone(),
            started: time(call.started),
            answered: call.answered.map(time),
        }
    }
}

impl TryFrom<&CallOrder> for ClickToCall {
    type Error = OrderError;

    fn try_from(order: &CallOrder) -> Result<Self, OrderError> {
        let (trunk, extension) = match order.from.split_once('/') {
            Some((trunk, extension)) => (Some(trunk), extension),
            None => (None, order.from.as_str()),
        };
        if !is_extension(extension) || trunk.is_some_and(str::is_empty) {
            return Err(OrderError::From);
        }
        let number = order.number.as_deref().map(PhoneNumber::parse);
        Ok(Self {
            number: number.transpose().map_err(OrderError::Number)?,
            user: user(&order.to).ok_or(OrderError::To)?,
            trunk: trunk.map(str::to_owned),
            extension: extension.to_owned(),
            first: match order.first {
                First::Agent => operator::First::Agent,
                First::User => operator::First::User,
            },
        })
    }
}

fn user(text: &str) -> Option<Party> {
    match PhoneNumber::parse(text) {
        Ok(number) => Some(Party::Number(number)),
        Err(_) => UserId::parse(text).map(Party::User),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ClickToCall, String> {
        let order: CallOrder = serde_json::from_str(json).map_err(|error| error.to_string())?;
        ClickToCall::try_from(&order).map_err(|error| error.to_string())
    }

    #[test]
    fn orders_are_read() {
        let order = read(r#"{"from": "200", "to": "+49 170 1234567"}"#).unwrap();
        assert_eq!((order.trunk, order.extension.as_str()), (None, "200"));
        assert_eq!(order.user.expose(), "+491701234567");
        assert_eq!((order.number, order.first), (None, operator::First::Agent));
        let order = read(
            r#"{"from": "office/*7/1", "to": "US.1349", "number": "+17015550100", "first": "user"}"#,
        )
        .unwrap();
        assert_eq!(order.trunk.as_deref(), Some("office"));
        assert_eq!(order.extension, "*7/1");
        assert!(matches!(order.user, Party::User(_)));
        assert_eq!(order.number.unwrap().expose(), "+17015550100");
        assert_eq!(order.first, operator::First::User);
    }

    #[test]
    fn what_is_no_order_says_why() {
        for (json, why) in [
            (r#"{"from": "200"}"#, "missing field `to`"),
            (
                r#"{"from": "200", "to": "+491", "too": 1}"#,
                "unknown field",
            ),
            (r#"{"from": "", "to": "+491"}"#, "from is no extension"),
            (
                r#"{"from": "office/", "to": "+491"}"#,
                "from is no extension",
            ),
            (r#"{"from": "/200", "to": "+491"}"#, "from is no extension"),
            (r#"{"from": "2 0", "to": "+491"}"#, "from is no extension"),
            (r#"{"from": "a@b", "to": "+491"}"#, "from is no extension"),
            (
                r#"{"from": "2\r\n0", "to": "+491"}"#,
                "from is no extension",
            ),
            (r#"{"from": "200", "to": "491"}"#, "to is no user"),
            (r#"{"from": "200", "to": "+49\r\nX"}"#, "to is no user"),
            (
                r#"{"from": "200", "to": "+491", "number": "1"}"#,
                "number is no business number: it does not begin with +",
            ),
            (
                r#"{"from": "200", "to": "+491", "first": "both"}"#,
                "unknown variant",
            ),
        ] {
            let told = read(json).unwrap_err();
            assert!(told.contains(why), "{json}: {told}");
        }
    }
}
