//! What is wrong or doubtful in a configuration: all of it, each with its place and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

/// Findings in the order of files and lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub severity: Severity,
    pub file: PathBuf,
    /// From 1; `None`: the file as a whole.
    pub line: Option<usize>,
    /// `listeners.pbx.bind`; empty: the file as a whole.
    pub key: String,
    pub problem: String,
    /// What to write or do instead.
    pub remedy: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but probably not as meant.
    Warning,
}

impl Report {
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// For a process: 0 when it can be used, warnings or not, else 2.
    pub fn exit_code(&self) -> u8 {
        if self.has_errors() { 2 } else { 0 }
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// By file, then line: the order in which an operator mends them.
    pub(super) fn sorted(mut self, first: &Path) -> Self {
        self.findings.sort_by(|a, b| {
            let rank =
                |finding: &Finding| (finding.file != first, finding.file.clone(), finding.line);
            rank(a).cmp(&rank(b))
        });
        self
    }
}

impl fmt::Display for Report {
    /// A line for each finding, then the count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        write!(f, "{errors} errors, {warnings} warnings")
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Finding {
    /// `error: wabridge.toml:12: listeners.pbx.bind: ...; ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}
