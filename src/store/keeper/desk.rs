//! What the operator asks of the ledger, and changes in it.

use std::time::SystemTime;

use crate::config::Config;
use crate::consent::operator::{Account, ConsentAnswer, ConsentCommand, MOST_RECORDS};
use crate::consent::{Fact, Pair, Record};
use crate::party::PhoneNumber;
use crate::store::{Ledger, LedgerError, News};

pub(super) fn answer(
    ledger: &mut Ledger,
    config: &Config,
    command: &ConsentCommand,
    at: SystemTime,
) -> ConsentAnswer {
    let answer = match command {
        ConsentCommand::Show { pair } => show(ledger, config, pair, at),
        ConsentCommand::List {
            number,
            after,
            most,
        } => {
            let number = number.as_ref().map(|number| &number.0);
            list(ledger, number, after.as_ref(), *most)
        }
        ConsentCommand::Learn { pair, fact } => learn(ledger, config, pair, fact.fact(), at),
        ConsentCommand::Forget { pair } => forget(ledger, pair),
        ConsentCommand::Import { records } => import(ledger, config, records),
    };
    answer.unwrap_or_else(|error| ConsentAnswer::Failed {
        why: error.to_string(),
    })
}

fn show(
    ledger: &Ledger,
    config: &Config,
    pair: &Pair,
    at: SystemTime,
) -> Result<ConsentAnswer, LedgerError> {
    let standing = ledger.standing(pair)?;
    let rules = config.consent_rules(pair.number());
    let account = Account::new(pair.clone(), standing, &rules, at);
    Ok(ConsentAnswer::Account(Box::new(account)))
}

fn list(
    ledger: &Ledger,
    number: Option<&PhoneNumber>,
    after: Option<&Pair>,
    most: usize,
) -> Result<ConsentAnswer, LedgerError> {
    let most = most.clamp(1, MOST_RECORDS);
    let mut records = ledger.records(number, after, most + 1)?;
    let more = records.len() > most;
    records.truncate(most);
    Ok(ConsentAnswer::Records { records, more })
}

fn learn(
    ledger: &mut Ledger,
    config: &Config,
    pair: &Pair,
    fact: Fact,
    at: SystemTime,
) -> Result<ConsentAnswer, LedgerError> {
    let rules = config.consent_rules(pair.number());
    let pair = pair.clone();
    let kept = ledger.keep(&News { pair, fact, at }, &rules)?;
    Ok(match kept {
        Ok(()) => ConsentAnswer::Done { pairs: 1 },
        Err(ignored) => ConsentAnswer::Ignored {
            why: ignored.to_string(),
        },
    })
}

/// Also mends what somebody else has spoilt.
fn forget(ledger: &mut Ledger, pair: &Pair) -> Result<ConsentAnswer, LedgerError> {
    let entry = ledger.begin()?;
    let mut standing = match entry.standing(pair) {
        Err(LedgerError::Unreadable { .. }) => Default::default(),
        standing => standing?,
    };
    standing.forget();
    entry.write(pair, &standing)?;
    entry.commit()?;
    Ok(ConsentAnswer::Done { pairs: 1 })
}

fn import(
    ledger: &mut Ledger,
    config: &Config,
    records: &[Record],
) -> Result<ConsentAnswer, LedgerError> {
    if records.len() > MOST_RECORDS {
        let why = format!("more than {MOST_RECORDS} records at once");
        return Ok(ConsentAnswer::Failed { why });
    }
    let entry = ledger.begin()?;
    for record in records {
        let rules = config.consent_rules(record.pair.number());
        let mut standing = entry.standing(&record.pair)?;
        standing.take_over(record, &rules);
        entry.write(&record.pair, &standing)?;
    }
    entry.commit()?;
    Ok(ConsentAnswer::Done {
        pairs: records.len(),
    })
}
