//! What a simulator found: a list of checks, each held or not, in words.

use std::fmt;

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    pub what: String,
    /// What was found. Shown either way.
    pub found: String,
    pub held: bool,
}

/// All that one party has to say about one call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    pub checks: Vec<Check>,
}

impl Verdict {
    pub fn check(&mut self, what: impl Into<String>, held: bool, found: impl Into<String>) {
        self.checks.push(Check {
            what: what.into(),
            found: found.into(),
            held,
        });
    }

    /// Something happened that must not happen.
    pub fn violation(&mut self, what: impl Into<String>, found: impl Into<String>) {
        self.check(what, false, found);
    }

    pub fn held(&self) -> bool {
        self.checks.iter().all(|check| check.held)
    }

    pub fn append(&mut self, mut other: Self) {
        self.checks.append(&mut other.checks);
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.held { "ok  " } else { "FAIL" };
        write!(f, "{mark}  {:<34} {}", self.what, self.found)
    }
}

impl fmt::Display for Verdict {
    /// A line a check.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checks
            .iter()
            .try_for_each(|check| writeln!(f, "  {}", check))
    }
}
