//! Columns of text for a terminal.

use std::io::{self, Write};

/// A column: its heading and least width. What is wider pushes the rest aside.
pub(super) struct Column {
    pub heading: String,
    pub width: usize,
    pub align: Align,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Align {
    Left,
    Right,
}

impl Column {
    pub(super) fn new(heading: &str, width: usize, align: Align) -> Self {
        Self {
            heading: heading.to_owned(),
            width: width.max(heading.chars().count()),
            align,
        }
    }
}

pub(super) fn headings(columns: &[Column], output: &mut dyn Write) -> io::Result<()> {
    let headings: Vec<String> = columns.iter().map(|c| c.heading.clone()).collect();
    row(columns, &headings, output)
}

pub(super) fn row(columns: &[Column], cells: &[String], output: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    for (column, cell) in columns.iter().zip(cells) {
        let width = column.width;
        line += &match column.align {
            Align::Left => format!("{cell:<width$}  "),
            Align::Right => format!("{cell:>width$}  "),
        };
    }
    writeln!(output, "{}", line.trim_end())
}

/// As wide as the widest cell.
pub(super) fn fit(columns: &mut [Column], rows: &[Vec<String>]) {
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            column.width = column.width.max(cell.chars().count());
        }
    }
}
