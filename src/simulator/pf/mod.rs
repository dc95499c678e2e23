//! pf.conf(5) as the simulated pfctl reads it: complete in syntax, order and what pfctl itself refuses, by release
//! (13, 14, 15).
//!
//! `lexer` makes tokens of bytes, `tokens` is what all read them with (and how reading goes on after an error), `grammar`
//! makes statements of them, in the order of sections; `set`, `table`, `filter`, `scrub`, `translate`, `queues` and
//! `ethernet` are the statements, `peers`, `options`, `states` and `redirect` what rules have in common; `expand` makes
//! single rules of lists, for one of the `sheets`; `rules` checks and prints them; `addresses` and `names` know hosts and
//! words.
//!
//! Taken, but not modelled: the optimizer, which puts rules in another order and gathers addresses into tables of its
//! own (rules are printed as written); ALTQ and Ethernet rules beyond their grammar; keys of `source-hash`; names in DNS
//! (only /etc/hosts is asked); routing tables beside number 0; `set` in a file that is loaded into an anchor is judged as
//! in the main file. Limits that pfctl does not have, each said as such: 16 MiB of macros' values, 50,000 rules.

mod addresses;
mod ethernet;
mod expand;
mod filter;
mod grammar;
mod lexer;
mod names;
mod options;
mod peers;
mod queues;
mod redirect;
mod rules;
mod scrub;
mod set;
mod sheets;
mod states;
mod table;
mod tokens;
mod translate;

use std::collections::BTreeMap;

use super::state::{RuleSet, State};

/// What a rule file would load.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub main: RuleSet,
    /// The filter rules as `-v` prints them while it loads: with those of anchors in braces.
    pub opened: Vec<String>,
    /// Rules in `anchor "x" { … }` blocks, by the anchor's path.
    pub inline: BTreeMap<String, RuleSet>,
    pub tables: BTreeMap<String, Vec<String>>,
    pub skip: Vec<String>,
    /// `load anchor NAME from FILE`.
    pub loads: Vec<(String, String)>,
    /// What `-v` prints while it reads: macros, options, tables.
    pub said: Vec<String>,
    /// What goes to standard error: errors and, seldom, warnings.
    pub errors: Vec<String>,
    /// The file is not valid.
    pub failed: bool,
}

/// Reads a file of the host; the simulated pfctl gives those of its root.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// Parses a rule file. `file` is the name in error messages, `given` are macros of -D.
pub(crate) fn parse(state: &State, read: ReadFile<'_>, file: &str, text: &[u8], given: &[(String, String)]) -> Parsed {
    grammar::Parser::new(state, read, file, text, given).run()
}

/// A rule with numbers in place of services' names, as `pfctl -P` prints it.
pub(crate) fn with_numbers(rule: &str) -> String {
    let mut words: Vec<String> = rule.split(' ').map(str::to_owned).collect();
    for at in 2..words.len() {
        // A name stands behind `port =` or `port !=`.
        if words[at - 2] == "port"
            && matches!(words[at - 1].as_str(), "=" | "!=")
            && let Some(number) = names::service_port(&words[at])
        {
            words[at] = number.to_string();
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests;
