//! Where pot's two anchors may stand in pf.conf, and taking them out again.
//!
//! pf.conf(5) wants its sections in order: options, ethernet, normalization, queueing, translation, filtering. Macros,
//! tables, `load anchor` and some `set` lines may stand anywhere. `pot init` writes its anchors to the top of the file,
//! where they make any file with an option or a scrub rule invalid. So the console writes them first, where the order
//! allows it, and pot finds them present: it counts lines that are exactly these two.

pub use crate::host::parse::pf::anchor_lines;
pub(crate) use crate::host::parse::pf::{NAT_ANCHOR, RDR_ANCHOR};
pub(crate) use crate::host::parse::pf_conf::anchors_held;
use crate::host::parse::pf_conf::{Statement, Word, is_anchor_line, statements};

/// An own translation rule that pf will look at only after pot's (translation is first-match).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Its line in the file as it stands, counted from 1.
    pub line: usize,
    /// Its first line, as it stands.
    pub text: String,
}

/// What placing the anchors comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Both stand exactly once, as statements of their own: nothing to do.
    Present {
        /// Why it cannot be told whether they stand where the order allows; none when they do.
        unsure: Option<String>,
    },
    /// The new text.
    Placed {
        /// The whole file with the anchors.
        text: Vec<u8>,
        /// The line that the first of them gets, counted from 1 in the new text.
        line: usize,
        /// Own translation rules that stand behind them.
        behind: Vec<Behind>,
    },
    /// The right place cannot be told without guessing.
    Ask {
        /// Why, naming the line.
        reason: String,
    },
}

/// The sections whose order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Options,
    Ethernet,
    Normalization,
    Queueing,
    Translation,
    Filtering,
}

/// What the first words of a statement make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Counts for the order.
    In(Section),
    /// May stand anywhere.
    Anywhere,
    /// Nobody can tell what stands behind this line.
    Opaque(String),
}

/// Places pot's anchors.
pub fn place_anchors(text: &[u8]) -> Placement {
    let statements = match statements(text) {
        Ok(statements) => statements,
        Err(reason) => return Placement::Ask { reason },
    };
    let lines = physical_lines(text);
    if let Some(reason) = entangled_in(&lines, &statements) {
        return Placement::Ask { reason };
    }
    let kinds = classify(&statements);
    let opaque = kinds.iter().find_map(|kind| match kind {
        Kind::Opaque(reason) => Some(reason.clone()),
        _ => None,
    });
    if anchor_lines(text) == (1, 1) && (opaque.is_some() || stand_well(&lines, &statements, &kinds)) {
        return Placement::Present { unsure: opaque };
    }
    if let Some(reason) = opaque {
        return Placement::Ask { reason };
    }

    // Old lines of pot's, misplaced or alone, go: pot would take them out, too.
    let gone: Vec<usize> = statements
        .iter()
        .filter(|statement| statement.is_pots() && statement.end == statement.line + 1)
        .map(|statement| statement.line)
        .collect();
    let own = || statements.iter().zip(&kinds).filter(|(statement, _)| !statement.is_pots());
    let first = |section| own().find(|(_, kind)| **kind == Kind::In(section)).map(|(statement, _)| statement.line);
    let at = first(Section::Translation).or_else(|| first(Section::Filtering)).unwrap_or(lines.len());
    // Where the last line goes on behind its end, an empty line ends it.
    let placed = ["", "\n"].into_iter().find_map(|end| {
        let new = with_anchors(&lines, at, &gone, end);
        only_anchors_differ(&statements, &new).then_some(new)
    });
    let Some(new) = placed else {
        return Placement::Ask { reason: "with them, other lines of the file would mean something else".to_owned() };
    };
    let line = 1 + lines.iter().take(at).enumerate().filter(|(index, _)| !gone.contains(index)).count();
    let behind = own()
        .filter(|(statement, kind)| **kind == Kind::In(Section::Translation) && statement.line >= at)
        .map(|(statement, _)| Behind { line: statement.line + 1, text: shown(lines.get(statement.line)) })
        .collect();
    Placement::Placed { text: new, line, behind }
}

/// The lines without those that go, and with pot's before the one at `at`; `end` goes between them and what ends the file.
fn with_anchors(lines: &[&[u8]], at: usize, gone: &[usize], end: &str) -> Vec<u8> {
    let kept = |range: std::ops::Range<usize>| {
        range
            .filter(|index| !gone.contains(index))
            .filter_map(|index| lines.get(index))
            .flat_map(|line| line.iter().copied())
    };
    let mut new: Vec<u8> = kept(0..at).collect();
    if new.last().is_some_and(|byte| *byte != b'\n') {
        new.push(b'\n');
    }
    if at == lines.len() {
        new.extend_from_slice(end.as_bytes());
    }
    new.extend_from_slice(format!("{NAT_ANCHOR}\n{RDR_ANCHOR}\n").as_bytes());
    new.extend(kept(at..lines.len()));
    new
}

/// Whether a new text has the same statements beside pot's, in the same order, and pot's two where they count. In a file
/// that is out of order itself there is no such place: it is for pf to say so.
fn only_anchors_differ(old: &[Statement], new: &[u8]) -> bool {
    let Ok(found) = statements(new) else { return false };
    let own = |all: &[Statement]| -> Vec<Vec<Word>> {
        all.iter().filter(|statement| !statement.is_pots()).map(|statement| statement.words.clone()).collect()
    };
    let section = |kind| if let Kind::In(section) = kind { Some(section) } else { None };
    let in_order = classify(old).into_iter().filter_map(section).is_sorted();
    let well = || stand_well(&physical_lines(new), &found, &classify(&found));
    own(old) == own(&found) && anchors_held(new) != (0, 0) && (!in_order || well())
}

/// Why pot must not edit the file, if it must not: a line is exactly one of pot's two, and pf reads it as a part of what
/// stands around it (a comment that goes on, a text in quotes). pot counts it and takes it out all the same, and then
/// the lines behind it mean something else. None for a file that nobody can read: pf does not take that one either.
pub(crate) fn entangled(text: &[u8]) -> Option<String> {
    entangled_in(&physical_lines(text), &statements(text).ok()?)
}

fn entangled_in(lines: &[&[u8]], statements: &[Statement]) -> Option<String> {
    let alone = |index: usize| {
        statements.iter().any(|statement| statement.line == index && statement.end == index + 1 && statement.is_pots())
    };
    let (index, _) = lines.iter().enumerate().find(|(index, line)| is_exact(line) && !alone(*index))?;
    Some(format!("line {} reads like one of pot's, but to pf it is a part of the lines around it", index + 1))
}

/// The file without pot's two lines: exactly the lines that pot's own removal takes out.
pub fn remove_anchors(text: &[u8]) -> Vec<u8> {
    physical_lines(text).into_iter().filter(|line| !is_exact(line)).flatten().copied().collect()
}

/// The file as `pot init` by itself would write it: both lines at the top.
pub(crate) fn as_pot_would(text: &[u8]) -> Vec<u8> {
    if anchor_lines(text) == (1, 1) {
        return text.to_vec();
    }
    let mut new = format!("{NAT_ANCHOR}\n{RDR_ANCHOR}\n").into_bytes();
    new.extend(remove_anchors(text));
    new
}

/// Files that the file pulls in: those of `include` and of `table … file`, absolute paths only, in order, once each.
pub(crate) fn files_named(text: &[u8]) -> Vec<String> {
    let Ok(statements) = statements(text) else { return Vec::new() };
    let mut named = Vec::new();
    for statement in &statements {
        let mut words = statement.texts().into_iter();
        match words.next() {
            Some("include") => named.extend(words.next()),
            Some("table") => {
                while let Some(word) = words.next() {
                    if word == "file" {
                        named.extend(words.next());
                    }
                }
            }
            Some("load") => named.extend(words.last()),
            _ => {}
        }
    }
    let mut once: Vec<String> = Vec::new();
    for path in named.into_iter().filter(|path| path.starts_with('/')) {
        if !once.iter().any(|known| known == path) {
            once.push(path.to_owned());
        }
    }
    once
}

/// Counts filter and translation statements, for "9 rules stay".
pub(crate) fn rules_in(text: &[u8]) -> usize {
    let Ok(statements) = statements(text) else { return 0 };
    classify(&statements)
        .iter()
        .zip(&statements)
        .filter(|(kind, statement)| {
            matches!(kind, Kind::In(Section::Translation | Section::Filtering)) && !statement.is_pots()
        })
        .count()
}

fn physical_lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn without_end<'a>(line: &&'a [u8]) -> &'a [u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn is_exact(line: &&[u8]) -> bool {
    is_anchor_line(without_end(line))
}

fn shown(line: Option<&&[u8]>) -> String {
    line.map(|line| String::from_utf8_lossy(without_end(line)).trim().to_owned()).unwrap_or_default()
}

/// Whether both of pot's lines are statements of their own at top level, after every section that must come before
/// translation and before the first filter rule.
fn stand_well(lines: &[&[u8]], statements: &[Statement], kinds: &[Kind]) -> bool {
    let own: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| is_exact(line)).map(|(index, _)| index).collect();
    own.iter().all(|index| {
        statements.iter().any(|statement| statement.line == *index && statement.is_pots())
            && statements.iter().zip(kinds).all(|(statement, kind)| match kind {
                Kind::In(section) if *section < Section::Translation => statement.line < *index,
                Kind::In(Section::Filtering) => statement.line > *index,
                _ => true,
            })
    })
}

fn classify(statements: &[Statement]) -> Vec<Kind> {
    statements.iter().map(kind_of).collect()
}

fn kind_of(statement: &Statement) -> Kind {
    let line = statement.line + 1;
    let words = statement.texts();
    if words.contains(&"\r") {
        return Kind::Opaque(format!(
            "line {line} holds a carriage return (CR), which pf refuses: save the file with plain line ends"
        ));
    }
    if statement.words.get(1).is_some_and(|word| word.text == "=" && !word.quoted) {
        return Kind::Anywhere;
    }
    let first = words.first().copied().unwrap_or_default();
    if first.starts_with('$') {
        return Kind::Opaque(format!(
            "line {line} begins with the macro {}, which is not set before it",
            printable(first)
        ));
    }
    if statement.words.first().is_some_and(|word| word.quoted) {
        return Kind::Opaque(format!("line {line} begins with a quoted text, which pf.conf(5) does not know"));
    }
    let second = words.get(1).copied().unwrap_or_default();
    match first {
        "set" => match second {
            "require-order" if words.get(2) == Some(&"no") => {
                Kind::Opaque(format!("line {line} says \"set require-order no\": the order of the file is its own"))
            }
            "skip"
            | "state-policy"
            | "require-order"
            | "ruleset-optimization"
            | "hostid"
            | "syncookies"
            | "state-defaults"
            | "keepcounters" => Kind::Anywhere,
            _ => Kind::In(Section::Options),
        },
        "table" | "load" => Kind::Anywhere,
        "include" => Kind::Opaque(format!(
            "line {line} includes {}: what stands there counts for the order, too",
            printable(second)
        )),
        "ether" => Kind::In(Section::Ethernet),
        "scrub" => Kind::In(Section::Normalization),
        "altq" | "queue" => Kind::In(Section::Queueing),
        "nat" | "rdr" | "binat" | "nat-anchor" | "rdr-anchor" | "binat-anchor" => Kind::In(Section::Translation),
        "no" if second == "scrub" => Kind::In(Section::Normalization),
        "no" => Kind::In(Section::Translation),
        "pass" | "block" | "match" | "anchor" | "antispoof" => Kind::In(Section::Filtering),
        other => {
            Kind::Opaque(format!("line {line} begins with \"{}\", which pf.conf(5) does not know", printable(other)))
        }
    }
}

fn printable(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn placed(text: &str) -> (String, usize, Vec<Behind>) {
        match place_anchors(text.as_bytes()) {
            Placement::Placed { text, line, behind } => (String::from_utf8(text).unwrap(), line, behind),
            other => panic!("{other:?}"),
        }
    }

    const BOTH: &str = "nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n";

    #[test]
    fn an_empty_file_holds_just_the_anchors() {
        assert_eq!(placed("").0, BOTH);
    }

    #[test]
    fn they_stand_before_the_first_translation_rule_and_the_rules_behind_them_are_named() {
        let (text, line, behind) = placed(
            "ext = \"em0\"\nset skip on lo0\nset block-policy drop\nscrub in all\nnat on $ext inet -> ($ext)\nrdr on $ext proto tcp to port 80 -> 10.0.0.2\npass all\n",
        );
        assert_eq!(
            text,
            format!(
                "ext = \"em0\"\nset skip on lo0\nset block-policy drop\nscrub in all\n{BOTH}nat on $ext inet -> ($ext)\nrdr on $ext proto tcp to port 80 -> 10.0.0.2\npass all\n"
            )
        );
        assert_eq!(line, 5);
        assert_eq!(behind.iter().map(|rule| rule.line).collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn without_translation_they_stand_before_the_first_filter_rule() {
        for filter in ["pass all", "block in all", "match in all", "anchor \"x\"", "antispoof for em0"] {
            let (text, _, behind) = placed(&format!("set limit states 1000\n\n# rules\n{filter}\npass out\n"));
            assert_eq!(text, format!("set limit states 1000\n\n# rules\n{BOTH}{filter}\npass out\n"));
            assert!(behind.is_empty());
        }
    }

    #[test]
    fn a_rule_in_a_block_a_list_or_a_continued_line_is_no_place() {
        let (text, _, _) = placed("anchor \"a\" {\n  pass in\n  block out\n}\n");
        assert_eq!(text, format!("{BOTH}anchor \"a\" {{\n  pass in\n  block out\n}}\n"));
        let (text, _, _) =
            placed("table <a> {\n 10.0.0.1\n 10.0.0.2 }\nset skip \\\n on lo0\nscrub in \\\n all\npass all\n");
        assert!(text.contains(&format!("all\n{BOTH}pass all\n")), "{text}");
        let (text, _, _) = placed("# note \\\npass all\nblock all\n");
        assert_eq!(text, format!("# note \\\npass all\n{BOTH}block all\n"), "a comment goes on after a backslash");
        let (text, _, _) = placed("x = \"a \\\nb\"\npass all");
        assert_eq!(text, format!("x = \"a \\\nb\"\n{BOTH}pass all"));
    }

    #[test]
    fn a_missing_last_line_end_is_added() {
        assert_eq!(placed("set skip on lo0").0, format!("set skip on lo0\n{BOTH}"));
        assert_eq!(placed("# goes on \\").0, format!("# goes on \\\n\n{BOTH}"), "nor are they swallowed");
        assert_eq!(placed("# goes on \\\n").0, format!("# goes on \\\n\n{BOTH}"));
        assert_eq!(placed("# ends \\\\\n").0, format!("# ends \\\\\n{BOTH}"), "one backslash takes the other");
    }

    #[test]
    fn what_cannot_be_told_is_asked() {
        for text in [
            "include \"/etc/pf.more\"\npass all\n",
            "set require-order no\npass all\n",
            "frobnicate all\n",
            "$rule in all\n",
            "table <a> { 10.0.0.1\npass all\n",
            "x = \"open\npass all\n",
            "set skip on lo0\r\npass all\r\n",
            "pass all\n\r\n",
        ] {
            assert!(matches!(place_anchors(text.as_bytes()), Placement::Ask { .. }), "{text:?}");
        }
        assert!(matches!(place_anchors(b"set require-order yes\npass all\n"), Placement::Placed { .. }));
        let quoted = "both = '\nnat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n'\npass all\n";
        for (text, line) in [(quoted, 2), ("# a note \\\nnat-anchor pot-nat\npass quick all\nblock all\n", 2)] {
            let Placement::Ask { reason } = place_anchors(text.as_bytes()) else { panic!("{text}") };
            assert!(reason.starts_with(&format!("line {line} reads like one of pot's")), "{reason}");
            assert!(entangled(text.as_bytes()).is_some());
        }
    }

    #[test]
    fn a_statement_may_begin_with_a_macro() {
        assert_eq!(
            placed("rule = \"pass in\"\nset skip on lo\n$rule all\n").0,
            format!("rule = \"pass in\"\nset skip on lo\n{BOTH}$rule all\n")
        );
    }

    #[test]
    fn anchors_that_stand_well_are_left_alone() {
        for text in [
            BOTH.to_owned(),
            format!("set skip on lo\n{BOTH}pass all\n"),
            format!("nat on em0 -> (em0)\n{BOTH}"),
            format!("include \"/etc/x\"\n{BOTH}"),
            format!("{BOTH}set skip on lo0\nx = \"y\"\npass all\n"),
        ] {
            let Placement::Present { unsure } = place_anchors(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(unsure.is_some(), text.contains("include"), "{text}");
        }
    }

    #[test]
    fn anchors_at_the_top_alone_or_twice_are_fixed() {
        let good = format!("set limit states 5\n{BOTH}pass all\n");
        assert_eq!(placed(&format!("{BOTH}set limit states 5\npass all\n")).0, good);
        assert_eq!(placed("nat-anchor pot-nat\nset limit states 5\npass all\n").0, good);
        assert_eq!(placed(&format!("set limit states 5\n{BOTH}{BOTH}pass all\n")).0, good);
        assert_eq!(
            placed("set limit states 5\nnat-anchor \"pot-nat\"\n  rdr-anchor \"pot-rdr/*\" # pot\npass all\n").0,
            good
        );
    }

    #[test]
    fn removal_takes_exactly_pots_lines() {
        assert_eq!(
            remove_anchors(format!("a\n{BOTH}# nat-anchor pot-nat\nb").as_bytes()),
            b"a\n# nat-anchor pot-nat\nb"
        );
        assert_eq!(as_pot_would(b"pass all\n"), format!("{BOTH}pass all\n").into_bytes());
    }

    #[test]
    fn files_that_pf_conf_names_are_found() {
        let text = b"table <bad> persist file \"/etc/bad\" file '/etc/worse'\ninclude \"/etc/pf.more\"\ntable <t> { 1.2.3.4 }\n";
        assert_eq!(files_named(text), ["/etc/bad", "/etc/worse", "/etc/pf.more"]);
    }

    proptest! {
        #[test]
        fn placing_is_stable_and_loses_no_line(lines in proptest::collection::vec(prop_oneof![
            Just("set skip on lo0"), Just("set limit states 10"), Just("scrub in all"), Just("x = \"y\""), Just("nat on em0 -> 1.2.3.4"),
            Just("pass in all"), Just("block all"), Just("# comment"), Just(""), Just("table <t> { 1.2.3.4 }"), Just("pass in \\\n all"),
            Just("anchor a {\n pass all\n}"), Just("nat-anchor pot-nat"), Just("rdr-anchor \"pot-rdr/*\""),
        ], 0..14)) {
            let text = lines.join("\n") + "\n";
            match place_anchors(text.as_bytes()) {
                Placement::Present { unsure } => prop_assert_eq!(unsure, None),
                Placement::Placed { text: new, line, .. } => {
                    prop_assert_eq!(anchor_lines(&new), (1, 1));
                    let as_text = String::from_utf8(new.clone()).unwrap();
                    prop_assert_eq!(as_text.lines().nth(line - 1), Some(NAT_ANCHOR));
                    prop_assert_eq!(remove_anchors(&new), remove_anchors(text.as_bytes()));
                    // Where the file itself is in order, so is the new one, and nothing more is to be done.
                    let sections = |bytes: &[u8]| {
                        classify(&statements(bytes).unwrap()).into_iter().filter_map(|kind| match kind { Kind::In(section) => Some(section), _ => None }).collect::<Vec<_>>()
                    };
                    if sections(&remove_anchors(text.as_bytes())).is_sorted() {
                        prop_assert!(sections(&new).is_sorted());
                        prop_assert_eq!(place_anchors(&new), Placement::Present { unsure: None });
                    }
                }
                Placement::Ask { reason } => prop_assert!(false, "{}", reason),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = place_anchors(&bytes);
            let _ = files_named(&bytes);
        }
    }
}
