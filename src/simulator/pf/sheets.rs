//! The rule sets that a file fills: the main one, and one for each anchor in braces.

use super::super::state::RuleSet;

/// What one rule set holds so far.
#[derive(Default)]
pub(super) struct Sheet {
    /// The anchor's full path; empty: the main rules.
    pub path: String,
    pub scrub: Vec<String>,
    pub nat: Vec<String>,
    pub rdr: Vec<String>,
    pub binat: Vec<String>,
    pub filter: Vec<String>,
    /// As `filter`, with the rules of anchors in braces where they stand.
    pub opened: Vec<String>,
    pub(crate) queues: Vec<String>,
    pub calls: Vec<String>,
    /// Rules so far, for `$nr` in labels.
    pub(crate) numbered: usize,
}

impl Sheet {
    pub fn rules(self) -> RuleSet {
        RuleSet {
            scrub: self.scrub,
            translation: [self.nat, self.rdr, self.binat].concat(),
            filter: self.filter,
            queues: self.queues,
            calls: self.calls,
        }
    }
}

/// Anchors in braces in anchors in braces.
pub(super) const DEEPEST_ANCHOR: usize = 64;

/// The rule sets that are open: the main one, then one for each brace.
pub(super) struct Sheets {
    pub open: Vec<Sheet>,
    /// Braces opened so far: anchors without a name are numbered.
    pub(crate) braces: usize,
    /// The rules of the anchor in braces that was closed last, until its own rule takes them.
    pub closed: Option<Vec<String>>,
    /// Rules so far, over all sets.
    pub count: usize,
}

impl Sheets {
    pub fn new() -> Self {
        Self { open: vec![Sheet::default()], braces: 0, closed: None, count: 0 }
    }

    /// The one that is written to.
    pub(crate) fn sheet(&mut self) -> &mut Sheet {
        if self.open.is_empty() {
            self.open.push(Sheet::default());
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }
}
