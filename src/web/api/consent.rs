//! `/v1/consent`: what the ledger knows, and what the operator knows better. What is carried is the ledger's own JSON.

use std::time::SystemTime;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::Deserialize;
use tracing::info;

use crate::consent::Pair;
use crate::consent::operator::{
    Account, BusinessNumber, ConsentAnswer, ConsentCommand, MOST_RECORDS, OperatorFact,
};
use crate::party::PhoneNumber;
use crate::store::LedgerDoor;
use crate::web::guard::Caller;
use crate::web::refusal::Refusal;
use crate::web::words::{Changed, Import, Records};

/// Which page: the records that follow the pair `after_number`, `after_user`, of one business number or of all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    number: Option<String>,
    after_number: Option<String>,
    after_user: Option<String>,
    most: Option<usize>,
}

type PairPath = Result<Path<(String, String)>, PathRejection>;

pub(super) async fn list(
    State(ledger): State<LedgerDoor>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Records>, Refusal> {
    let Query(page) = page?;
    let command = page.command().map_err(Refusal::bad_request)?;
    match ask(&ledger, command).await? {
        ConsentAnswer::Records { records, more } => Ok(Json(Records { records, more })),
        other => Err(unexpected(other)),
    }
}

pub(super) async fn show(
    State(ledger): State<LedgerDoor>,
    path: PairPath,
) -> Result<Json<Account>, Refusal> {
    let pair = pair(path)?;
    match ask(&ledger, ConsentCommand::Show { pair }).await? {
        ConsentAnswer::Account(account) => Ok(Json(*account)),
        other => Err(unexpected(other)),
    }
}

pub(super) async fn learn(
    State(ledger): State<LedgerDoor>,
    Extension(caller): Extension<Caller>,
    path: PairPath,
    fact: Result<Json<OperatorFact>, JsonRejection>,
) -> Result<Json<Changed>, Refusal> {
    let pair = pair(path)?;
    let Json(fact) = fact?;
    info!(%caller, number = %pair.number(), user = %pair.user(), ?fact, "ordered: consent");
    changed(ask(&ledger, ConsentCommand::Learn { pair, fact }).await?)
}

pub(super) async fn forget(
    State(ledger): State<LedgerDoor>,
    Extension(caller): Extension<Caller>,
    path: PairPath,
) -> Result<Json<Changed>, Refusal> {
    let pair = pair(path)?;
    info!(%caller, number = %pair.number(), user = %pair.user(), "ordered: forget consent");
    changed(ask(&ledger, ConsentCommand::Forget { pair }).await?)
}

pub(super) async fn import(
    State(ledger): State<LedgerDoor>,
    Extension(caller): Extension<Caller>,
    import: Result<Json<Import>, JsonRejection>,
) -> Result<Json<Changed>, Refusal> {
    let Json(Import { records }) = import?;
    if records.len() > MOST_RECORDS {
        let most = format!("at most {MOST_RECORDS} records at once");
        return Err(Refusal::bad_request(most));
    }
    info!(%caller, records = records.len(), "ordered: import of consent");
    changed(ask(&ledger, ConsentCommand::Import { records }).await?)
}

impl Page {
    fn command(self) -> Result<ConsentCommand, String> {
        let number = self.number.as_deref().map(PhoneNumber::parse);
        let number = number
            .transpose()
            .map_err(|error| format!("number is no business number: {error}"))?;
        let after = match (self.after_number, self.after_user) {
            (None, None) => None,
            (Some(number), Some(user)) => Some(Pair::parse(&number, &user)?),
            (Some(_), None) | (None, Some(_)) => {
                return Err("after_number and after_user go together".to_owned());
            }
        };
        Ok(ConsentCommand::List {
            number: number.map(BusinessNumber),
            after,
            most: self.most.unwrap_or(MOST_RECORDS),
        })
    }
}

fn pair(path: PairPath) -> Result<Pair, Refusal> {
    let Path((number, user)) = path?;
    Pair::parse(&number, &user).map_err(Refusal::bad_request)
}

async fn ask(ledger: &LedgerDoor, command: ConsentCommand) -> Result<ConsentAnswer, Refusal> {
    let asked = ledger.ask(command, SystemTime::now());
    let answer = tokio::time::timeout(crate::web::door::PATIENCE, asked).await;
    answer.map_err(|_| Refusal::unavailable("the consent ledger did not answer in time"))
}

fn changed(answer: ConsentAnswer) -> Result<Json<Changed>, Refusal> {
    match answer {
        ConsentAnswer::Done { pairs } => Ok(Json(Changed { pairs })),
        other => Err(unexpected(other)),
    }
}

fn unexpected(answer: ConsentAnswer) -> Refusal {
    match answer {
        ConsentAnswer::Ignored { why } => Refusal::conflict(why),
        ConsentAnswer::Failed { why } => Refusal::unavailable(why),
        ConsentAnswer::Account(_) | ConsentAnswer::Records { .. } | ConsentAnswer::Done { .. } => {
            Refusal::unavailable("the answer was another one's")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ConsentCommand, String> {
        let uri = format!("/?{query}").parse().unwrap();
        let page = Query::<Page>::try_from_uri(&uri).map_err(|error| error.body_text())?;
        page.0.command()
    }

    #[test]
    fn pages_are_read() {
        let all = ConsentCommand::List {
            number: None,
            after: None,
            most: MOST_RECORDS,
        };
        assert_eq!(read(""), Ok(all));
        let page = read("number=%2B17015550100&after_number=%2B17015550100&after_user=US.1&most=5");
        let Ok(ConsentCommand::List {
            number: Some(number),
            after: Some(after),
            most: 5,
        }) = page
        else {
            panic!("{page:?}");
        };
        assert_eq!(number.0.expose(), "+17015550100");
        assert_eq!(after.user().expose(), "US.1");
    }

    #[test]
    fn what_is_no_page_says_why() {
        for (query, why) in [
            ("number=1", "no business number"),
            ("after_user=US.1", "go together"),
            ("after_number=%2B17015550100&after_user=x", "neither"),
            ("most=-1", "most"),
            ("mots=1", "unknown field"),
        ] {
            let told = read(query).unwrap_err();
            assert!(told.contains(why), "{query}: {told}");
        }
    }
}
