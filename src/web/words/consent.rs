//! Pages of the consent ledger and what was changed in it; one pair is the ledger's own form.

use serde::{Deserialize, Serialize};

use crate::consent::Record;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct Records {
    pub(in crate::web) records: Vec<Record>,
    /// Others follow the last one.
    pub(in crate::web) more: bool,
}

/// What `POST /v1/consent` takes: each replaces what was known of its pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Import {
    pub(in crate::web) records: Vec<Record>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct Changed {
    pub(in crate::web) pairs: usize,
}
