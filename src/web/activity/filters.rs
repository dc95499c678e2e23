//! The filters as they stand in the address, and what they ask of the log.

use crate::activity::{self, Query, line, meaning};
use crate::web::error::Fault;
use crate::web::layout;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The filters as they stand in the address. Empty ones are as good as absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filters {
    pub(super) since: String,
    pub(super) until: String,
    pub(super) command: String,
    pub(super) pot: String,
    pub(super) level: String,
    pub(super) changes: String,
    pub(super) text: String,
    /// Where a page begins.
    pub(super) before: String,
    /// `1`: follow what is appended.
    pub(super) follow: String,
    /// `1`: show the counts in the page itself, for browsers without JavaScript.
    pub(super) counts: String,
    /// Of what is followed: how far the page was read.
    pub(super) from: String,
    /// Of an export: `text`, `csv` or `json`.
    pub(super) format: String,
}

impl Filters {
    pub(super) fn query(&self, zone: &TimeZone, hostname: &str) -> Result<Query, Fault> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let time = |text: &str| {
            let now = Timestamp::now();
            (!text.trim().is_empty())
                .then(|| activity::parse_time(text, zone, now).map_err(|error| Fault::Invalid(error.to_string())))
                .transpose()
        };
        for (field, text) in [("text", &self.text), ("pot", &self.pot), ("command", &self.command)] {
            if text.len() > 200 {
                return Err(Fault::Invalid(format!("The filter {field} is longer than 200 characters.")));
            }
        }
        if !self.command.is_empty() && !meaning::commands().any(|command| command == self.command) {
            return Err(Fault::Invalid(format!("{} is no command of pot.", self.command)));
        }
        let level = given(&self.level)
            .map(|name| {
                line::level_number(&name).ok_or_else(|| Fault::Invalid(format!("{name} is no level of syslog.")))
            })
            .transpose()?;
        let (since, until) = (time(&self.since)?, time(&self.until)?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(Fault::Invalid("The time ends before it begins: From must be earlier than Until.".to_owned()));
        }
        Ok(Query {
            since,
            until,
            command: given(&self.command),
            pot: given(self.pot.trim()),
            level,
            changes_only: self.changes == "1",
            text: given(&self.text),
            zone: zone.clone(),
            hostname: hostname.to_owned(),
        })
    }

    /// The address of a page with these filters, one of them changed.
    pub(super) fn address(&self, path: &str, change: &[(&str, &str)]) -> String {
        let all = [
            ("since", &self.since),
            ("until", &self.until),
            ("command", &self.command),
            ("pot", &self.pot),
            ("level", &self.level),
            ("changes", &self.changes),
            ("text", &self.text),
        ];
        layout::address(path, &all, change)
    }

    pub(super) fn is_command(&self, name: &str) -> bool {
        self.command == name
    }

    pub(super) fn is_level(&self, name: &str) -> bool {
        self.level == name
    }

    pub(super) fn any(&self) -> bool {
        self.address("", &[]).contains('?')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_filters_and_escapes_them() {
        let filters = Filters { pot: "web1".into(), text: "a&b=c".into(), ..Filters::default() };
        assert_eq!(filters.address("/activity", &[("since", "7d")]), "/activity?pot=web1&text=a%26b%3Dc&since=7d");
        assert_eq!(Filters::default().address("/activity", &[]), "/activity");
    }
}
