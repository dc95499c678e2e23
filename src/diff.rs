//! Line differences of text files: one type for pages, the command line, plans and records.

use imara_diff::{Algorithm, InternedInput, Token};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
pub(crate) struct Hunk {
    /// In file order.
    pub lines: Vec<Line>,
}

/// The difference between two versions of a file. Displays as a unified diff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The file's name as shown.
    pub file: String,
    /// Empty when both versions are the same.
    pub(crate) hunks: Vec<Hunk>,
}

/// Unchanged lines shown on either side of a change.
const CONTEXT: usize = 2;

impl Diff {
    /// Compares two versions of `file`, line by line. Takes time about linear in their sizes, whatever they hold. A last
    /// line that lacks only its end counts as changed when nothing else is: beside other changes it would look like one
    /// that has none.
    pub fn between(file: &str, old: &[u8], new: &[u8]) -> Self {
        let (mut old, mut new) = (Cow::Borrowed(old), Cow::Borrowed(new));
        if without_line_ends(&old) != without_line_ends(&new) {
            for text in [&mut old, &mut new] {
                if text.last().is_some_and(|&byte| byte != b'\n') {
                    text.to_mut().push(b'\n');
                }
            }
        }
        let lines = InternedInput::new(old.as_ref(), new.as_ref());
        let mut compared = imara_diff::Diff::compute(Algorithm::Histogram, &lines);
        compared.postprocess_lines(&lines);
        let text = |token: Token| {
            let line = lines.interner[token];
            String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned()
        };
        let (before, after) = (&lines.before, &lines.after);
        let shared = |old: usize, new: usize| Line {
            side: Side::Context,
            old: Some(old + 1),
            new: Some(new + 1),
            text: text(before[old]),
        };

        let mut hunks: Vec<Hunk> = Vec::new();
        // Where the last change ended, in the old file and in the new one.
        let mut ended = (0, 0);
        for change in compared.hunks() {
            let removed = change.before.start as usize..change.before.end as usize;
            let added = change.after.start as usize..change.after.end as usize;
            let gap = removed.start - ended.0;
            let joined = match hunks.last_mut() {
                // Their contexts meet: one hunk shows both.
                Some(last) if gap <= 2 * CONTEXT => {
                    last.lines.extend((0..gap).map(|i| shared(ended.0 + i, ended.1 + i)));
                    last
                }
                last => {
                    if let Some(last) = last {
                        last.lines.extend((0..CONTEXT).map(|i| shared(ended.0 + i, ended.1 + i)));
                    }
                    let shown = gap.min(CONTEXT);
                    let lines = (1..=shown).rev().map(|i| shared(removed.start - i, added.start - i)).collect();
                    hunks.push(Hunk { lines });
                    let at = hunks.len() - 1;
                    &mut hunks[at]
                }
            };
            ended = (removed.end, added.end);
            joined.lines.extend(removed.map(|i| Line {
                side: Side::Removed,
                old: Some(i + 1),
                new: None,
                text: text(before[i]),
            }));
            joined.lines.extend(added.map(|i| Line {
                side: Side::Added,
                old: None,
                new: Some(i + 1),
                text: text(after[i]),
            }));
        }
        if let Some(last) = hunks.last_mut() {
            let rest = (before.len() - ended.0).min(CONTEXT);
            last.lines.extend((0..rest).map(|i| shared(ended.0 + i, ended.1 + i)));
        }
        Self { file: file.to_owned(), hunks }
    }

    /// Whether both versions are the same.
    pub fn is_empty(&self) -> bool {
        self.hunks.is_empty()
    }
}

fn without_line_ends(mut text: &[u8]) -> &[u8] {
    while let Some(shorter) = text.strip_suffix(b"\n") {
        text = shorter;
    }
    text
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

    use proptest::prelude::*;

    #[test]
    fn shows_an_insertion_with_its_line_numbers() {
        let diff = Diff::between("f", b"a\nb\nc\nd\n", b"a\nb\nx\nc\nd\n");
        assert_eq!(diff.to_string(), "--- f\n+++ f\n@@ -1,4 +1,5 @@\n a\n b\n+x\n c\n d\n");
        assert!(Diff::between("f", b"a", b"a").is_empty());
    }

    /// Two files without a line in common are the worst case of a naive comparison: minutes at this size.
    #[test]
    fn two_large_files_without_a_common_line_are_compared() {
        let file = |mark: char| (0..100_000).map(|i| format!("{mark}{i}\n")).collect::<String>();
        let diff = Diff::between("f", file('a').as_bytes(), file('b').as_bytes());
        assert_eq!(diff.hunks.len(), 1);
        assert_eq!(diff.hunks[0].lines.len(), 200_000);
    }

    fn file() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![Just("a\n"), Just("b\n"), Just("c\r\n"), Just("\n"), Just("\u{e9}\n"), Just("d")];
        proptest::collection::vec(line, 0..40).prop_map(|lines| lines.concat().into_bytes())
    }

    proptest! {
        /// What patch(1) would do with it: the new file comes out, every number is right, context is as short as said.
        #[test]
        fn applying_a_difference_to_the_old_file_gives_the_new_one(old in file(), new in file()) {
            let diff = Diff::between("f", &old, &new);
            let lines = |bytes: &[u8]| -> Vec<String> {
                bytes
                    .split_inclusive(|&byte| byte == b'\n')
                    .map(|line| String::from_utf8(line.strip_suffix(b"\n").unwrap_or(line).to_vec()).unwrap())
                    .collect()
            };
            let (before, after) = (lines(&old), lines(&new));
            let (mut made, mut at) = (Vec::new(), 0);
            for hunk in &diff.hunks {
                let first = hunk.lines.iter().find_map(|line| line.old).map_or(at, |number| number - 1);
                if let Some(upto) = hunk.lines.iter().find_map(|line| line.old) {
                    made.extend_from_slice(&before[at..upto - 1]);
                }
                at = first;
                for line in &hunk.lines {
                    if let Some(number) = line.old {
                        prop_assert_eq!((number, &line.text), (at + 1, &before[at]));
                        at += 1;
                    }
                    if let Some(number) = line.new {
                        made.push(line.text.clone());
                        prop_assert_eq!((number, &line.text), (made.len(), &after[number - 1]));
                    }
                }
                let context = |mut lines: Vec<&Line>| {
                    let at = lines.iter().position(|line| line.side != Side::Context);
                    lines.truncate(at.unwrap_or(lines.len()));
                    lines.len()
                };
                prop_assert!(context(hunk.lines.iter().collect()) <= CONTEXT);
                prop_assert!(context(hunk.lines.iter().rev().collect()) <= CONTEXT);
            }
            made.extend_from_slice(&before[at..]);
            prop_assert_eq!(made, after);
            prop_assert_eq!(diff.is_empty(), old == new);
        }
    }

    #[test]
    fn a_line_added_behind_one_without_its_end_is_the_only_change() {
        assert_eq!(Diff::between("f", b"a", b"a\nb\n").to_string(), "--- f\n+++ f\n@@ -1,1 +1,2 @@\n a\n+b\n");
        assert_eq!(Diff::between("f", b"a\nb", b"b").to_string(), "--- f\n+++ f\n@@ -1,2 +1,1 @@\n-a\n b\n");
        assert!(!Diff::between("f", b"a", b"a\n").is_empty());
    }
}
