//! Where pot's two anchors may stand in pf.conf, and taking them out again.
//!
//! pf.conf(5) wants its sections in order: options, ethernet, normalization, queueing, translation, filtering. Macros,
//! tables, `load anchor` and some `set` lines may stand anywhere. `pot init` writes its anchors to the top of the file,
//! where they make any file with an option or a scrub rule invalid. So the console writes them first, where the order
//! allows it, and pot finds them present: it counts lines that are exactly these two.

pub use crate::host::parse::pf::{NAT_ANCHOR, RDR_ANCHOR, anchor_lines};
use std::collections::BTreeMap;

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
    /// Both stand exactly once, where the order allows: nothing to do.
    Present,
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

/// A statement at top level: all its physical lines (continuations, lists and blocks included).
#[derive(Debug)]
struct Statement {
    /// First physical line, counted from 0.
    line: usize,
    /// One past its last physical line.
    end: usize,
    /// Its words; quotes are taken off, braces and `=` are words of their own.
    words: Vec<String>,
}

impl Statement {
    /// Whether it is one of pot's two lines and nothing else, however it is spelled.
    fn is_pots(&self) -> bool {
        self.end == self.line + 1
            && matches!(
                self.words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
                ["nat-anchor", "pot-nat"] | ["rdr-anchor", "pot-rdr/*"]
            )
    }
}

/// Why a file cannot be read as statements.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unfinished(String);

/// Places pot's anchors.
pub fn place_anchors(text: &[u8]) -> Placement {
    let lines = physical_lines(text);
    let exact = anchor_lines(text);
    let statements = match statements(&lines) {
        Ok(statements) => statements,
        Err(Unfinished(reason)) => return Placement::Ask { reason },
    };
    let kinds = classify(&statements);
    let ask = kinds.iter().find_map(|kind| match kind {
        Kind::Opaque(reason) => Some(reason.clone()),
        _ => None,
    });
    if exact == (1, 1) && (ask.is_some() || stand_well(&lines, &statements, &kinds)) {
        return Placement::Present;
    }
    if let Some(reason) = ask {
        return Placement::Ask { reason };
    }

    // Old lines of pot's, misplaced or alone, go: pot would take them out, too.
    let gone: Vec<usize> = statements
        .iter()
        .filter(|statement| statement.is_pots())
        .map(|statement| statement.line)
        .chain(lines.iter().enumerate().filter(|(_, line)| is_exact(line)).map(|(index, _)| index))
        .collect();
    let first = |section: Section| {
        statements
            .iter()
            .zip(&kinds)
            .find(|(statement, kind)| **kind == Kind::In(section) && !statement.is_pots())
            .map(|(statement, _)| statement.line)
    };
    let at = first(Section::Translation).or_else(|| first(Section::Filtering)).unwrap_or(lines.len());

    let mut new = Vec::with_capacity(text.len() + 64);
    let mut line = 1;
    let mut placed_line = 1;
    let mut place = |new: &mut Vec<u8>, line: &mut usize| {
        if new.last().is_some_and(|byte| *byte != b'\n') {
            new.push(b'\n');
        }
        placed_line = *line;
        new.extend_from_slice(format!("{NAT_ANCHOR}\n{RDR_ANCHOR}\n").as_bytes());
        *line += 2;
    };
    for (index, physical) in lines.iter().enumerate() {
        if index == at {
            place(&mut new, &mut line);
        }
        if !gone.contains(&index) {
            new.extend_from_slice(physical);
            line += 1;
        }
    }
    if at >= lines.len() {
        place(&mut new, &mut line);
    }

    let behind = statements
        .iter()
        .zip(&kinds)
        .filter(|(statement, kind)| {
            **kind == Kind::In(Section::Translation) && statement.line >= at && !statement.is_pots()
        })
        .map(|(statement, _)| Behind { line: statement.line + 1, text: shown(lines.get(statement.line)) })
        .collect();
    Placement::Placed { text: new, line: placed_line, behind }
}

/// The file without pot's two lines: exactly the lines that pot's own removal takes out.
pub fn remove_anchors(text: &[u8]) -> Vec<u8> {
    physical_lines(text).into_iter().filter(|line| !is_exact(line)).flatten().copied().collect()
}

/// The file as `pot init` by itself would write it: both lines at the top.
pub fn as_pot_would(text: &[u8]) -> Vec<u8> {
    if anchor_lines(text) == (1, 1) {
        return text.to_vec();
    }
    let mut new = format!("{NAT_ANCHOR}\n{RDR_ANCHOR}\n").into_bytes();
    new.extend(remove_anchors(text));
    new
}

/// Files that the file pulls in: those of `include` and of `table … file`, absolute paths only, in order, once each.
pub fn files_named(text: &[u8]) -> Vec<String> {
    let lines = physical_lines(text);
    let Ok(statements) = statements(&lines) else { return Vec::new() };
    let mut named = Vec::new();
    for statement in &statements {
        let mut words = statement.words.iter();
        match words.next().map(String::as_str) {
            Some("include") => named.extend(words.next().cloned()),
            Some("table") => {
                while let Some(word) = words.next() {
                    if word == "file" {
                        named.extend(words.next().cloned());
                    }
                }
            }
            Some("load") => named.extend(statement.words.last().cloned()),
            _ => {}
        }
    }
    named.retain(|path| path.starts_with('/'));
    let mut once = Vec::new();
    for path in named {
        if !once.contains(&path) {
            once.push(path);
        }
    }
    once
}

/// Counts filter and translation statements, for "9 rules stay".
pub fn rules_in(text: &[u8]) -> usize {
    let lines = physical_lines(text);
    let Ok(statements) = statements(&lines) else { return 0 };
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
    let line = without_end(line);
    line == NAT_ANCHOR.as_bytes() || line == RDR_ANCHOR.as_bytes()
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

/// Cuts the file into statements as pfctl's reader does: a backslash before the line end joins lines, also in a
/// comment; quotes and braces reach over line ends.
fn statements(lines: &[&[u8]]) -> Result<Vec<Statement>, Unfinished> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut start = 0;
    let mut depth = 0_usize;
    let mut quote: Option<(u8, usize)> = None;
    let mut comment = false;
    let mut last_continues = false;

    for (index, line) in lines.iter().enumerate() {
        let body = without_end(line);
        let ended = line.len() > body.len();
        let continues = quote.is_none() && body.last() == Some(&b'\\');
        last_continues = continues;
        let body = if continues { body.get(..body.len() - 1).unwrap_or(body) } else { body };
        if words.is_empty() && word.is_none() && depth == 0 && quote.is_none() && !comment {
            start = index;
        }
        let mut bytes = body.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            if comment {
                break;
            }
            if let Some((mark, _)) = quote {
                if byte == mark {
                    quote = None;
                    words.push(word.take().unwrap_or_default());
                } else if byte == b'\\' && bytes.peek() == Some(&mark) {
                    word.get_or_insert_default().push(char::from(bytes.next().unwrap_or(mark)));
                } else {
                    word.get_or_insert_default().push(char::from(byte));
                }
                continue;
            }
            match byte {
                b'#' => comment = true,
                b'"' | b'\'' => {
                    words.extend(word.take());
                    word = Some(String::new());
                    quote = Some((byte, index));
                }
                b' ' | b'\t' => words.extend(word.take()),
                // No blank to pfctl's reader, but a sign of its own that its grammar knows nowhere.
                b'\r' => {
                    words.extend(word.take());
                    words.push("\r".to_owned());
                }
                b'{' | b'}' | b'=' | b'(' | b')' | b',' | b'!' | b'<' | b'>' => {
                    words.extend(word.take());
                    words.push(char::from(byte).to_string());
                    if byte == b'{' {
                        depth += 1;
                    } else if byte == b'}' {
                        depth = depth.saturating_sub(1);
                    }
                }
                _ => word.get_or_insert_default().push(char::from(byte)),
            }
        }
        if continues {
            if !comment {
                words.extend(word.take());
            }
            continue;
        }
        if quote.is_some() {
            continue;
        }
        words.extend(word.take());
        comment = false;
        if depth == 0 && !words.is_empty() {
            found.push(Statement { line: start, end: index + 1, words: std::mem::take(&mut words) });
        }
        if !ended {
            break;
        }
    }
    if let Some((_, line)) = quote {
        return Err(Unfinished(format!("a quote that begins in line {} is never closed", line + 1)));
    }
    if depth > 0 {
        return Err(Unfinished(format!("a brace of the statement in line {} is never closed", start + 1)));
    }
    if last_continues {
        return Err(Unfinished("the last line ends in a backslash and would swallow what follows".to_owned()));
    }
    Ok(found)
}

fn classify(statements: &[Statement]) -> Vec<Kind> {
    let mut macros: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    statements
        .iter()
        .map(|statement| {
            let line = statement.line + 1;
            let mut words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
            if words.contains(&"\r") {
                return Kind::Opaque(format!(
                    "line {line} holds a carriage return (CR), which pf refuses: save the file with plain line ends"
                ));
            }
            if words.get(1) == Some(&"=") {
                if let Some(name) = words.first() {
                    macros.insert(name, words.get(2..).unwrap_or_default().iter().flat_map(|w| w.split(' ')).collect());
                }
                return Kind::Anywhere;
            }
            // A statement may begin with a macro; a macro may hold one, too, but not itself.
            for _ in 0..8 {
                let Some(name) = words.first().and_then(|word| word.strip_prefix('$')) else { break };
                let Some(value) = macros.get(name) else {
                    return Kind::Opaque(format!(
                        "line {line} begins with the macro ${name}, which is not set before it"
                    ));
                };
                words.splice(0..1, value.iter().copied());
            }
            kind_of(&words, line)
        })
        .collect()
}

fn kind_of(words: &[&str], line: usize) -> Kind {
    let second = words.get(1).copied().unwrap_or_default();
    match words.first().copied().unwrap_or_default() {
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
        "include" => {
            Kind::Opaque(format!("line {line} includes {second}: what stands there counts for the order, too"))
        }
        "ether" | "ether-anchor" => Kind::In(Section::Ethernet),
        "scrub" | "scrub-anchor" => Kind::In(Section::Normalization),
        "altq" | "queue" => Kind::In(Section::Queueing),
        "nat" | "rdr" | "binat" | "nat-anchor" | "rdr-anchor" | "binat-anchor" => Kind::In(Section::Translation),
        "no" if second == "scrub" => Kind::In(Section::Normalization),
        "no" => Kind::In(Section::Translation),
        "pass" | "block" | "match" | "anchor" | "antispoof" | "dummynet-anchor" => Kind::In(Section::Filtering),
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
    }

    #[test]
    fn what_cannot_be_told_is_asked() {
        for text in [
            "include \"/etc/pf.more\"\npass all\n",
            "set require-order no\npass all\n",
            "frobnicate all\n",
            "$rule in all\n",
            "pass all \\",
            "table <a> { 10.0.0.1\npass all\n",
            "x = \"open\npass all\n",
            "set skip on lo0\r\npass all\r\n",
            "pass all\n\r\n",
        ] {
            assert!(matches!(place_anchors(text.as_bytes()), Placement::Ask { .. }), "{text:?}");
        }
        assert!(matches!(place_anchors(b"set require-order yes\npass all\n"), Placement::Placed { .. }));
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
            assert_eq!(place_anchors(text.as_bytes()), Placement::Present, "{text}");
        }
    }

    #[test]
    fn anchors_at_the_top_alone_or_twice_are_mended() {
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
                Placement::Present => {}
                Placement::Placed { text: new, line, .. } => {
                    prop_assert_eq!(anchor_lines(&new), (1, 1));
                    let as_text = String::from_utf8(new.clone()).unwrap();
                    prop_assert_eq!(as_text.lines().nth(line - 1), Some(NAT_ANCHOR));
                    prop_assert_eq!(remove_anchors(&new), remove_anchors(text.as_bytes()));
                    // Where the file itself is in order, so is the new one, and nothing more is to be done.
                    let sections = |bytes: &[u8]| {
                        let lines = physical_lines(bytes);
                        classify(&statements(&lines).unwrap()).into_iter().filter_map(|kind| match kind { Kind::In(section) => Some(section), _ => None }).collect::<Vec<_>>()
                    };
                    if sections(&remove_anchors(text.as_bytes())).is_sorted() {
                        prop_assert!(sections(&new).is_sorted());
                        prop_assert_eq!(place_anchors(&new), Placement::Present);
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
