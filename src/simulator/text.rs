//! Simulated sed(1) and ex(1), as far as pot edits files with them, and which(1).

use std::fs;

use super::call::{Call, Failure, Outcome};
use super::rc::refuse_immutable;

/// One command of a sed script.
enum Command {
    Delete,
    Print,
    Quit,
    Replace { pattern: Pattern, with: String, global: bool, print: bool },
}

/// Where a command applies.
enum Address {
    Always,
    Line(usize),
    Last,
    Matching(Pattern),
    Range(usize, Option<usize>),
}

/// A basic regular expression: literals, `.`, `[…]`, `*`, `\(…\)`, `^`, `$`.
#[derive(Clone)]
struct Pattern {
    at_start: bool,
    at_end: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone)]
struct Piece {
    what: What,
    many: bool,
}

#[derive(Clone)]
enum What {
    Char(char),
    Any,
    Set(Vec<(char, char)>, bool),
    Open(usize),
    Close(usize),
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let (at_start, text) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let (at_end, text) = match text.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') => (true, rest),
            _ => (false, text),
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut groups = 0;
        let mut open = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let what = match c {
                '\\' => match chars.next()? {
                    '(' => {
                        groups += 1;
                        open.push(groups);
                        What::Open(groups)
                    }
                    ')' => What::Close(open.pop()?),
                    'n' => What::Char('\n'),
                    't' => What::Char('\t'),
                    other => What::Char(other),
                },
                '.' => What::Any,
                '[' => {
                    let negated = chars.peek() == Some(&'^');
                    if negated {
                        chars.next();
                    }
                    let mut ranges = Vec::new();
                    let mut first = true;
                    loop {
                        let low = chars.next()?;
                        if low == ']' && !first {
                            break;
                        }
                        first = false;
                        if low == '[' && chars.peek() == Some(&':') {
                            let mut name = String::new();
                            for next in chars.by_ref() {
                                name.push(next);
                                if name.ends_with(":]") {
                                    break;
                                }
                            }
                            match name.as_str() {
                                ":space:]" => ranges.extend([(' ', ' '), ('\t', '\r')]),
                                ":blank:]" => ranges.extend([(' ', ' '), ('\t', '\t')]),
                                ":digit:]" => ranges.push(('0', '9')),
                                ":alpha:]" => ranges.extend([('a', 'z'), ('A', 'Z')]),
                                ":alnum:]" => ranges.extend([('a', 'z'), ('A', 'Z'), ('0', '9')]),
                                _ => return None,
                            }
                            continue;
                        }
                        let mut ahead = chars.clone();
                        if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
                            chars.next();
                            ranges.push((low, chars.next()?));
                        } else {
                            ranges.push((low, low));
                        }
                    }
                    What::Set(ranges, negated)
                }
                '*' if !pieces.is_empty() => {
                    pieces.last_mut()?.many = true;
                    continue;
                }
                other => What::Char(other),
            };
            pieces.push(Piece { what, many: false });
        }
        open.is_empty().then_some(Self { at_start, at_end, pieces })
    }

    /// The leftmost, longest-by-greed match from `from` on: start, end and groups, in characters.
    fn find(&self, text: &[char], from: usize) -> Option<Found> {
        let last = if self.at_start { 0 } else { text.len() };
        if self.at_start && from > 0 {
            return None;
        }
        (from..=last.max(from)).find_map(|start| {
            let mut groups = vec![(0, 0); 10];
            let mut steps = 0;
            self.step(text, start, 0, &mut groups, &mut steps).map(|end| (start, end, groups))
        })
    }

    fn step(
        &self,
        text: &[char],
        at: usize,
        piece: usize,
        groups: &mut Vec<(usize, usize)>,
        steps: &mut usize,
    ) -> Option<usize> {
        *steps += 1;
        if *steps > 200_000 {
            return None;
        }
        let Some(Piece { what, many }) = self.pieces.get(piece) else {
            return (!self.at_end || at == text.len()).then_some(at);
        };
        let fits = |c: char| match what {
            What::Char(wanted) => *wanted == c,
            What::Any => true,
            What::Set(ranges, negated) => ranges.iter().any(|(low, high)| *low <= c && c <= *high) != *negated,
            _ => false,
        };
        match what {
            What::Open(group) => {
                if let Some(slot) = groups.get_mut(*group) {
                    slot.0 = at;
                }
                self.step(text, at, piece + 1, groups, steps)
            }
            What::Close(group) => {
                if let Some(slot) = groups.get_mut(*group) {
                    slot.1 = at;
                }
                self.step(text, at, piece + 1, groups, steps)
            }
            _ if *many => {
                let longest = text.get(at..)?.iter().take_while(|c| fits(**c)).count();
                (0..=longest).rev().find_map(|count| self.step(text, at + count, piece + 1, groups, steps))
            }
            _ => {
                if !text.get(at).is_some_and(|c| fits(*c)) {
                    return None;
                }
                self.step(text, at + 1, piece + 1, groups, steps)
            }
        }
    }

    fn matches(&self, line: &str) -> bool {
        self.find(&line.chars().collect::<Vec<_>>(), 0).is_some()
    }
}

/// Start and end of a match and of its groups.
type Found = (usize, usize, Vec<(usize, usize)>);

/// Text up to an unescaped delimiter; an escaped delimiter loses its backslash.
fn until(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, delimiter: char) -> Option<String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == delimiter {
            return Some(text);
        }
        if c == '\\' {
            match chars.next()? {
                next if next == delimiter => text.push(next),
                next => text.extend(['\\', next]),
            }
        } else {
            text.push(c);
        }
    }
    None
}

fn parse_script(script: &str) -> Option<Vec<(Address, Command)>> {
    let mut commands = Vec::new();
    let mut chars = script.chars().peekable();
    loop {
        while chars.peek().is_some_and(|c| c.is_whitespace() || *c == ';') {
            chars.next();
        }
        let Some(&first) = chars.peek() else { return Some(commands) };
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<usize>().ok()
        };
        let address = match first {
            '/' => {
                chars.next();
                Address::Matching(Pattern::parse(&until(&mut chars, '/')?)?)
            }
            '$' => {
                chars.next();
                Address::Last
            }
            c if c.is_ascii_digit() => {
                let from = number(&mut chars)?;
                if chars.next_if_eq(&',').is_some() {
                    if chars.next_if_eq(&'$').is_some() {
                        Address::Range(from, None)
                    } else {
                        Address::Range(from, Some(number(&mut chars)?))
                    }
                } else {
                    Address::Line(from)
                }
            }
            _ => Address::Always,
        };
        let command = match chars.next()? {
            'd' => Command::Delete,
            'p' => Command::Print,
            'q' => Command::Quit,
            's' => {
                let delimiter = chars.next()?;
                let pattern = Pattern::parse(&until(&mut chars, delimiter)?)?;
                let with = until(&mut chars, delimiter)?;
                let (mut global, mut print) = (false, false);
                while let Some(mark) = chars.next_if(|c| matches!(c, 'g' | 'p')) {
                    global |= mark == 'g';
                    print |= mark == 'p';
                }
                Command::Replace { pattern, with, global, print }
            }
            _ => return None,
        };
        commands.push((address, command));
    }
}

fn replace(line: &str, pattern: &Pattern, with: &str, global: bool) -> Option<String> {
    let text: Vec<char> = line.chars().collect();
    let mut result = String::new();
    let mut from = 0;
    let mut changed = false;
    while let Some((start, end, groups)) = pattern.find(&text, from) {
        changed = true;
        result.extend(text.get(from..start).unwrap_or_default());
        let mut marks = with.chars();
        while let Some(mark) = marks.next() {
            match mark {
                '&' => result.extend(text.get(start..end).unwrap_or_default()),
                '\\' => match marks.next() {
                    Some(digit) if digit.is_ascii_digit() => {
                        let (open, close) = groups.get(digit as usize - '0' as usize).copied().unwrap_or_default();
                        result.extend(text.get(open..close).unwrap_or_default());
                    }
                    Some('n') => result.push('\n'),
                    Some(other) => result.push(other),
                    None => {}
                },
                other => result.push(other),
            }
        }
        if end == start {
            result.extend(text.get(start));
            from = start + 1;
        } else {
            from = end;
        }
        if !global || from > text.len() {
            break;
        }
    }
    result.extend(text.get(from..).unwrap_or_default());
    changed.then_some(result)
}

fn edit(text: &str, script: &[(Address, Command)], silent: bool) -> String {
    let mut result = String::new();
    // A carriage return before the line feed is a sign of the line.
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    let ends_with_newline = text.ends_with('\n');
    'lines: for (at, original) in lines.iter().enumerate() {
        let mut line = (*original).to_owned();
        let newline = if at + 1 < lines.len() || ends_with_newline { "\n" } else { "" };
        let mut quit = false;
        for (address, command) in script {
            let here = match address {
                Address::Always => true,
                Address::Line(number) => *number == at + 1,
                Address::Last => at + 1 == lines.len(),
                Address::Matching(pattern) => pattern.matches(&line),
                Address::Range(from, to) => at + 1 >= *from && to.is_none_or(|to| at < to),
            };
            if !here {
                continue;
            }
            match command {
                Command::Delete => continue 'lines,
                Command::Print => {
                    result.push_str(&line);
                    result.push('\n');
                }
                Command::Quit => {
                    quit = true;
                    break;
                }
                Command::Replace { pattern, with, global, print } => {
                    if let Some(new) = replace(&line, pattern, with, *global) {
                        line = new;
                        if *print {
                            result.push_str(&line);
                            result.push('\n');
                        }
                    }
                }
            }
        }
        if !silent {
            result.push_str(&line);
            result.push_str(newline);
        }
        if quit {
            break;
        }
    }
    result
}

pub(crate) fn sed(call: &mut Call) -> Outcome {
    let mut args = std::mem::take(&mut call.args).into_iter().peekable();
    let mut in_place: Option<String> = None;
    let mut scripts: Vec<String> = Vec::new();
    let mut silent = false;
    let usage = "usage: sed script [-EHalnru] [-i extension] [file ...]\n       sed [-EHalnu] [-i extension] [-e script] ... [-f script_file] ... [file ...]";
    while let Some(arg) = args.next_if(|arg| arg.starts_with('-') && arg.len() > 1) {
        match arg.as_str() {
            // BSD: -i always takes the extension of the backup, which may be empty.
            "-i" | "-I" => in_place = Some(args.next().ok_or_else(|| Failure::new(1, usage))?),
            "-e" => scripts.push(args.next().ok_or_else(|| Failure::new(1, usage))?),
            "-n" => silent = true,
            "-a" | "-l" | "-u" => {}
            "--" => break,
            "-E" | "-r" => {}
            other => {
                call.warn(format_args!("sed: illegal option -- {}", other.trim_start_matches('-')));
                return Err(Failure::new(1, usage));
            }
        }
    }
    if scripts.is_empty() {
        scripts.push(args.next().ok_or_else(|| Failure::new(1, usage))?);
    }
    let mut script = Vec::new();
    for text in &scripts {
        let parsed =
            parse_script(text).ok_or_else(|| Failure::new(1, format!("sed: 1: \"{text}\": invalid command code")))?;
        script.extend(parsed);
    }
    let files: Vec<String> = args.collect();
    if files.is_empty() {
        let text = Call::stdin();
        let result = edit(&text, &script, silent);
        call.print(&result);
        return Ok(0);
    }
    let mut status = 0;
    for file in files {
        if in_place.is_some() && call.machine.path_itself(&file).is_symlink() {
            return Err(Failure::new(1, format!("sed: {file}: in-place editing only works for regular files")));
        }
        let Ok(bytes) = fs::read(call.machine.path(&file)) else {
            call.warn(format_args!("sed: {file}: No such file or directory"));
            status = 1;
            continue;
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let result = edit(&text, &script, silent);
        match &in_place {
            None => call.print(&result),
            Some(extension) => {
                refuse_immutable(call, &file)?;
                if !extension.is_empty() {
                    fs::write(call.machine.path(format!("{file}{extension}")), &bytes)?;
                }
                call.machine.replace(&file, result.as_bytes())?;
            }
        }
    }
    Ok(status)
}

/// ex in the way pot uses it: line commands on standard input, `x` writes and leaves.
pub(crate) fn ex(call: &mut Call) -> Outcome {
    let Some(file) = call.args.iter().find(|arg| !arg.starts_with('-')).cloned() else {
        return Err(Failure::new(1, "ex: no file given"));
    };
    let path = call.machine.path(&file);
    let old = fs::read(&path).unwrap_or_default();
    let mut lines: Vec<String> = String::from_utf8_lossy(&old).split_terminator('\n').map(str::to_owned).collect();
    let mut current = lines.len();
    let script = Call::stdin();
    let mut commands = script.lines();
    let mut write = false;
    while let Some(command) = commands.next() {
        let command = command.trim();
        let digits: String = command.chars().take_while(|c| c.is_ascii_digit() || *c == '$' || *c == '.').collect();
        let verb = command.get(digits.len()..).unwrap_or_default();
        let target = match digits.as_str() {
            "" | "." => current,
            "$" => lines.len(),
            number => number.parse().unwrap_or(usize::MAX),
        };
        if target > lines.len() {
            call.warn("Illegal address: only that many lines in the file");
            return Ok(1);
        }
        match verb {
            "a" | "append" | "i" | "insert" => {
                let mut at = if verb.starts_with('i') { target.saturating_sub(1) } else { target };
                for line in commands.by_ref() {
                    if line == "." {
                        break;
                    }
                    lines.insert(at.min(lines.len()), line.to_owned());
                    at += 1;
                }
                current = at;
            }
            "d" | "delete" if target > 0 => {
                lines.remove(target - 1);
                current = target.min(lines.len());
            }
            "" => current = target,
            "x" | "wq" | "xit" => {
                write = true;
                break;
            }
            "w" | "write" => write = true,
            "q" | "q!" | "quit" => break,
            other => {
                call.warn(format_args!("The {other} command is unknown"));
                return Ok(1);
            }
        }
    }
    if write {
        refuse_immutable(call, &file)?;
        let mut text = lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        call.machine.replace(&file, text.as_bytes())?;
        call.say(format_args!("{file}: {} lines, {} characters", lines.len(), text.len()));
    }
    Ok(0)
}

pub(crate) fn which(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let mut status = 0;
    for name in args.iter().filter(|arg| !arg.starts_with('-')) {
        match call.which(name) {
            Some(path) => {
                let shown = path.strip_prefix(call.machine.root()).unwrap_or(&path).to_string_lossy().into_owned();
                if !args.iter().any(|arg| arg == "-s") {
                    call.say(format_args!("/{}", shown.trim_start_matches('/')));
                }
            }
            None => status = 1,
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sed_result(script: &str, text: &str) -> String {
        edit(text, &parse_script(script).expect("script"), false)
    }

    #[test]
    fn the_anchor_lines_are_deleted_and_nothing_else() {
        let file = "set skip on lo0\nnat-anchor pot-nat\n# nat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\nrdr-anchor \"pot-rdr/x\"\npass\n";
        let once = sed_result("/^nat-anchor pot-nat$/d", file);
        let twice = sed_result(r#"/^rdr-anchor "pot-rdr\/\*"$/d"#, &once);
        assert_eq!(twice, "set skip on lo0\n# nat-anchor pot-nat\nrdr-anchor \"pot-rdr/x\"\npass\n");
    }

    #[test]
    fn the_substitutions_of_pot_work() {
        assert_eq!(sed_result(r"s/\.sh//", "a.sh\nbsh\n"), "a\nbsh\n");
        assert_eq!(sed_result("1d", "a\nb\n"), "b\n");
        assert_eq!(sed_result(r"s/.*[^u]sec = \([0-9]*\).*$/\1/", "{ sec = 12, usec = 34 } Mon\n"), "12\n");
        assert_eq!(sed_result("s/[0-9][0-9]*//", "8080\n"), "\n");
        assert_eq!(sed_result("s%/a/b-%%", "/a/b-c\n"), "c\n");
    }
}
