//! Columns as wide as what is in them.

/// Rows of equal length, the head first.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line += &format!("{cell:width$}  ", width = width(column));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// What is not there is a dash, so that columns stay columns.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty())
        .unwrap_or("-")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(
            table(&[row("CALL", "USER"), row("0123456", "ü"), row("-", "")]),
            "CALL     USER\n0123456  ü\n-\n"
        );
    }
}
