//! Values and tables as both tools print them.

use super::super::call::Call;
use super::super::clock;
use super::super::datasets::{Value, human};

/// Prints a value as `list` and `get` do.
pub(super) fn shown(value: &Value, exact: bool) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) if exact => bytes.to_string(),
        Value::Bytes(bytes) => human(*bytes),
        Value::Time(time) if exact => time.to_string(),
        Value::Time(time) => clock::at(*time).strftime("%a %b %e %H:%M %Y").to_string(),
    }
}

pub(super) fn heading(column: &str) -> String {
    match column {
        "available" => "AVAIL".into(),
        "referenced" => "REFER".into(),
        other => other.to_uppercase(),
    }
}

fn is_number_column(column: &str) -> bool {
    matches!(
        column,
        "used"
            | "available"
            | "avail"
            | "referenced"
            | "refer"
            | "compressratio"
            | "usedbysnapshots"
            | "usedbydataset"
            | "usedbychildren"
            | "quota"
            | "reservation"
            | "refquota"
            | "recordsize"
            | "size"
            | "allocated"
            | "free"
    )
}

/// Aligns rows: two blanks between, numbers to the right, the last column unpadded.
pub(super) fn table(call: &mut Call, rows: &[Vec<String>], columns: &[String]) {
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or(0);
            if at > 0 {
                line.push_str("  ");
            }
            if columns.get(at).is_some_and(|column| is_number_column(column)) {
                line.push_str(&format!("{cell:>width$}"));
            } else if at + 1 == row.len() {
                line.push_str(cell);
            } else {
                line.push_str(&format!("{cell:<width$}"));
            }
        }
        call.say(line);
    }
}
