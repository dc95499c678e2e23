//! Line differences of text files: one type for pages, the command line, plans and records.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a line of a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Stands in both files.
    Context,
    /// Stands only in the old file.
    Removed,
    /// Stands only in the new file.
    Added,
}

/// One line with its numbers, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which file it stands in.
    pub side: Side,
    /// Its number in the old file.
    pub old: Option<usize>,
    /// Its number in the new file.
    pub new: Option<usize>,
    /// Its text without the line end, invalid UTF-8 replaced.
    pub text: String,
}

/// A run of lines around changes, with up to `CONTEXT` unchanged lines on either side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    /// In file order.
    pub lines: Vec<Line>,
}

/// The difference between two versions of a file. Displays as a unified diff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The file's name as shown.
    pub file: String,
    /// Empty when both versions are the same.
    pub hunks: Vec<Hunk>,
}

/// Unchanged lines shown on either side of a change.
const CONTEXT: usize = 2;

impl Diff {
    /// Compares two versions of `file`, line by line. A last line that lacks only its end counts as changed when nothing
    /// else is: beside other changes it would look like one that has none.
    pub fn between(file: &str, old: &[u8], new: &[u8]) -> Self {
        let mut old = String::from_utf8_lossy(old);
        let mut new = String::from_utf8_lossy(new);
        let has_its_end = |text: &str| text.is_empty() || text.ends_with('\n');
        if old.trim_end_matches('\n') != new.trim_end_matches('\n') {
            for text in [&mut old, &mut new].into_iter().filter(|text| !has_its_end(text)) {
                text.to_mut().push('\n');
            }
        }
        let compared = similar::TextDiff::from_lines(old.as_ref(), new.as_ref());
        let hunks = compared
            .grouped_ops(CONTEXT)
            .iter()
            .map(|group| Hunk {
                lines: group
                    .iter()
                    .flat_map(|op| compared.iter_changes(op))
                    .map(|change| Line {
                        side: match change.tag() {
                            similar::ChangeTag::Equal => Side::Context,
                            similar::ChangeTag::Delete => Side::Removed,
                            similar::ChangeTag::Insert => Side::Added,
                        },
                        old: change.old_index().map(|index| index + 1),
                        new: change.new_index().map(|index| index + 1),
                        text: change.value().trim_end_matches('\n').to_owned(),
                    })
                    .collect(),
            })
            .collect();
        Self { file: file.to_owned(), hunks }
    }

    /// Whether both versions are the same.
    pub fn is_empty(&self) -> bool {
        self.hunks.is_empty()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        writeln!(f, "--- {}\n+++ {}", self.file, self.file)?;
        for hunk in &self.hunks {
            let first = |pick: fn(&Line) -> Option<usize>| hunk.lines.iter().find_map(pick).unwrap_or(0);
            let count = |pick: fn(&Line) -> Option<usize>| hunk.lines.iter().filter_map(pick).count();
            writeln!(
                f,
                "@@ -{},{} +{},{} @@",
                first(|line| line.old),
                count(|line| line.old),
                first(|line| line.new),
                count(|line| line.new)
            )?;
            for line in &hunk.lines {
                let sign = match line.side {
                    Side::Context => ' ',
                    Side::Removed => '-',
                    Side::Added => '+',
                };
                writeln!(f, "{sign}{}", line.text)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_an_insertion_with_its_line_numbers() {
        let diff = Diff::between("f", b"a\nb\nc\nd\n", b"a\nb\nx\nc\nd\n");
        assert_eq!(diff.to_string(), "--- f\n+++ f\n@@ -1,4 +1,5 @@\n a\n b\n+x\n c\n d\n");
        assert!(Diff::between("f", b"a", b"a").is_empty());
    }

    #[test]
    fn a_line_added_behind_one_without_its_end_is_the_only_change() {
        assert_eq!(Diff::between("f", b"a", b"a\nb\n").to_string(), "--- f\n+++ f\n@@ -1,1 +1,2 @@\n a\n+b\n");
        assert_eq!(Diff::between("f", b"a\nb", b"b").to_string(), "--- f\n+++ f\n@@ -1,2 +1,1 @@\n-a\n b\n");
        assert!(!Diff::between("f", b"a", b"a\n").is_empty());
    }
}
