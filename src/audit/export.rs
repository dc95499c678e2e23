//! Acts of the history as text for other programs: comma-separated values and JSON.

use super::query::Act;
use super::row::word;
use crate::journal::record::Record;

/// The first line of an export as comma-separated values.
pub(crate) const CSV_HEAD: &str = "sequence,id,time,actor,role,method,address,session,action,object,changes,outcome,reason,message,run,before,after\r\n";

/// An act as JSON: its record, and its outcome's record beside it.
#[derive(serde::Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<&'a Record>,
}

/// An act as one JSON object: its record, and its outcome's record under `ended`.
pub(crate) fn json_line(act: &Act) -> String {
    // Strings, numbers and lists: this cannot fail.
    serde_json::to_string(&Written { record: &act.record, ended: act.ended.as_ref() }).unwrap_or_default()
}

/// An act as one line of comma-separated values, RFC 4180.
pub(crate) fn csv_line(act: &Act) -> String {
    let entry = &act.record.entry;
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    let changes: Vec<String> = entry
        .changes
        .iter()
        .map(|change| {
            let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".to_owned());
            format!("{}: {} -> {}", change.name, side(&change.from), side(&change.to))
        })
        .collect();
    let fields = [
        act.record.sequence.to_string(),
        act.record.id.to_string(),
        act.record.time.to_string(),
        entry.actor.name.clone(),
        entry.actor.role.map_or(String::new(), |role| role.to_string()),
        word(&entry.actor.method),
        optional(&entry.reported.address),
        optional(&entry.actor.session),
        word(&entry.action),
        entry.object.clone(),
        changes.join("; "),
        act.outcome().as_ref().map_or(String::new(), word),
        optional(&entry.reason),
        act.message().into_owned(),
        entry.run.map_or(String::new(), |run| run.to_string()),
        entry.before.map_or(String::new(), |digest| digest.to_string()),
        entry.after.map_or(String::new(), |digest| digest.to_string()),
    ];
    fields.iter().map(|field| csv_field(field)).collect::<Vec<_>>().join(",") + "\r\n"
}

/// One field. What a spreadsheet would take for a formula gets an apostrophe in front.
pub(crate) fn csv_field(text: &str) -> String {
    // Spreadsheets skip what cannot be seen before it.
    let seen = text.trim_start_matches(|letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    });
    let formula = seen.starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r']);
    let guarded = if formula { format!("'{text}") } else { text.to_owned() };
    if guarded.contains(['"', ',', '\n', '\r', '\'']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_like_a_formula_for_a_spreadsheet() {
        for text in ["=1+1", "\n=1+1", " \u{a0}@sum(a1)", "\u{feff}\r\n+1", "\t-1", "\u{200b}=1"] {
            let cell = csv_field(text);
            assert!(cell.trim_start_matches('"').starts_with('\''), "{text:?} is {cell:?}");
        }
        assert_eq!(csv_field(" plain"), " plain");
        assert_eq!(csv_field("a=1, \"b\""), "\"a=1, \"\"b\"\"\"");
    }
}
