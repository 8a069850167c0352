//! The figures, one row an impairment.

use std::fmt::{self, Display, Formatter};

use crate::rows::{Path, Row};
use crate::score::Opinion;
use crate::speech::Speech;

pub struct Table {
    heading: String,
    lines: Vec<Line>,
}

struct Line {
    path: Path,
    row: String,
    opinions: Vec<(String, Opinion)>,
}

impl Table {
    pub fn new(speech: &Speech, has_pesq: bool) -> Self {
        let scale = match has_pesq {
            true => {
                "PESQ MOS-LQO (1.0 to 4.5) / intelligibility (0 to 1) / delay from mouth to ear"
            }
            false => {
                "intelligibility (0 to 1) / delay from mouth to ear; tests/lab/pesq.sh brings PESQ"
            }
        };
        Self {
            heading: format!(
                "{} pieces of {}. {scale}",
                speech.pieces.len(),
                speech.source
            ),
            lines: Vec::new(),
        }
    }

    /// Adds a row and says it, for those who watch.
    pub fn add(&mut self, path: Path, row: &Row, opinions: Vec<(String, Opinion)>) -> String {
        let line = Line {
            path,
            row: row.name.clone(),
            opinions,
        };
        let said = format!("{}: {line}", path.directory());
        self.lines.push(line);
        said
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        let mut path = None;
        for line in &self.lines {
            if path.replace(line.path) != Some(line.path) {
                write!(f, "\n{}\n{:30}", line.path.title(), "")?;
                for (column, _) in &line.opinions {
                    write!(f, "  {column:>20}")?;
                }
                writeln!(f)?;
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:30}", self.row)?;
        for (_, opinion) in &self.opinions {
            write!(f, "  {:>20}", opinion.to_string())?;
        }
        Ok(())
    }
}

impl Display for Opinion {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(pesq) = self.pesq {
            write!(f, "{pesq:.2} / ")?;
        }
        write!(f, "{:.2} / {:.0} ms", self.intelligibility, self.delay)
    }
}
