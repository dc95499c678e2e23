//! The manual pages' sections of commands are made from the commands themselves, so that `--help` and the pages cannot
//! disagree. Everything else in `packaging/freebsd/man` is written by hand, around two marks.
//!
//! `POT_CONSOLE_WRITE_MANUAL=1 cargo nextest run --lib -E 'test(manual)'` writes them anew; without it a page that
//! differs, a command without a page and a page without a command are failures.

use super::Arguments;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which page tells of which commands.
const PAGES: [(&str, &[&str]); 10] = [
    ("pot-console.8", &["facts", "addresses", "feedback", "licences", "completions"]),
    ("pot-console-activity.8", &["activity"]),
    ("pot-console-audit.8", &["audit"]),
    ("pot-console-backup.8", &["backup", "restore"]),
    ("pot-console-conf.8", &["check", "explain", "conf"]),
    ("pot-console-run.8", &["plan", "run", "approve"]),
    ("pot-console-selftest.8", &["selftest"]),
    ("pot-console-serve.8", &["serve"]),
    ("pot-console-setup.8", &["setup"]),
    ("pot-console-user.8", &["user"]),
];
/// Only in builds with the simulated host, which packages ship none of.
const NOT_PACKAGED: [&str; 2] = ["demo", "simulate"];

const BEGIN: &str = ".\\\" Made from the commands by the test `manual`, up to the next mark.\n";
const END: &str = ".\\\" Up to here.\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/freebsd/man")
}

fn program() -> Command {
    let mut program = Arguments::command();
    program.build();
    program
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help")
}

#[test]
fn the_manual_says_what_help_says() {
    let program = program();
    let mut differ = Vec::new();
    for (page, commands) in PAGES {
        let path = folder().join(page);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (head, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{page}: no mark where the commands begin"));
        let (_, foot) = rest.split_once(END).unwrap_or_else(|| panic!("{page}: no mark where the commands end"));
        let mut made = String::new();
        if page == "pot-console.8" {
            made.push_str(&overview(&program));
        }
        let mut shown = BTreeMap::new();
        for name in commands {
            let Some(command) = program.find_subcommand(name) else {
                differ.push(format!("{page} is about a command that does not exist: {name}"));
                continue;
            };
            section(command, name, &[&program], &mut shown, &mut made);
        }
        let wanted = format!("{head}{BEGIN}{made}{END}{foot}");
        if wanted != text {
            if std::env::var_os("POT_CONSOLE_WRITE_MANUAL").is_some() {
                std::fs::write(&path, wanted).unwrap();
            } else {
                differ.push(format!("{page} says something else than --help"));
            }
        }
    }
    for command in visible(&program).map(Command::get_name).filter(|name| !NOT_PACKAGED.contains(name)) {
        if !PAGES.iter().any(|(_, commands)| commands.contains(&command)) {
            differ.push(format!("no page is about the command {command}"));
        }
    }
    assert!(differ.is_empty(), "{differ:#?}\nPOT_CONSOLE_WRITE_MANUAL=1 writes the sections anew");
}

#[test]
fn the_manual_has_no_page_that_nothing_is_held_against() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let held = PAGES.iter().any(|(page, _)| *page == name) || name == "pot-console.toml.5";
        assert!(held, "{name} is no page that a test knows");
    }
}

#[test]
fn pot_console_toml_5_names_every_setting_and_its_default() {
    let page = std::fs::read_to_string(folder().join("pot-console.toml.5")).unwrap();
    let mut told: BTreeMap<&str, &str> = BTreeMap::new();
    for line in page.lines() {
        if let Some(item) = line.strip_prefix(".It Va ") {
            let (name, default) = item.split_once(" Pq ").unwrap_or_else(|| panic!("{line} names no default"));
            told.insert(name, default);
        }
    }
    let built_in = crate::settings::Settings::default().values();
    let known: BTreeMap<&str, &str> = built_in.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(told, known);
}

/// The options of every command and the list of commands, each with its page.
fn overview(program: &Command) -> String {
    let mut text = String::from(".Sh OPTIONS\nThese are understood by every command.\n.Bl -tag -width Ds\n");
    for option in program.get_arguments().filter(|option| !option.is_hide_set()) {
        item(option, &mut text);
    }
    text.push_str(".El\n.Sh COMMANDS\n.Bl -tag -width Ds\n");
    for command in visible(program).filter(|command| !NOT_PACKAGED.contains(&command.get_name())) {
        let name = command.get_name();
        text.push_str(&format!(".It Cm {name}\n{}", sentences(&about(command))));
        let page = PAGES.iter().find(|(_, commands)| commands.contains(&name)).map(|(page, _)| *page);
        if let Some(page) = page.and_then(|page| page.strip_suffix(".8")).filter(|page| *page != "pot-console") {
            text.push_str(&format!("See\n.Xr {page} 8 .\n"));
        }
    }
    text.push_str(".El\n");
    text
}

/// A command's part: what it does, its arguments, then its own commands.
fn section(command: &Command, path: &str, above: &[&Command], shown: &mut BTreeMap<String, String>, text: &mut String) {
    text.push_str(&format!(".Ss pot-console {path}\n{}", usage(command, path, above)));
    text.push_str(&sentences(&about(command)));
    let mut items = String::new();
    for argument in own(command, above) {
        item(argument, &mut items);
    }
    if !items.is_empty() {
        // The operations are the same to be planned and to be run.
        if let Some(before) = shown.get(&items) {
            text.push_str(&format!("The options are those of\n.Ic pot-console {before} .\n"));
        } else {
            text.push_str(&format!(".Bl -tag -width Ds\n{items}.El\n"));
            shown.insert(items, path.to_owned());
        }
    }
    if let Some(more) = command.get_after_help() {
        text.push_str(&format!(".Pp\n{}", sentences(&more.to_string())));
    }
    for inner in visible(command) {
        let mut above = above.to_vec();
        above.push(command);
        section(inner, &format!("{path} {}", inner.get_name()), &above, shown, text);
    }
}

fn own<'a>(command: &'a Command, above: &[&Command]) -> impl Iterator<Item = &'a Arg> {
    let above: Vec<String> = above
        .iter()
        .flat_map(|command| command.get_arguments().filter(|argument| argument.is_global_set()))
        .map(|argument| argument.get_id().to_string())
        .collect();
    command.get_arguments().filter(move |argument| {
        let id = argument.get_id().as_str();
        !argument.is_hide_set() && id != "help" && id != "version" && !above.iter().any(|one| one == id)
    })
}

fn usage(command: &Command, path: &str, above: &[&Command]) -> String {
    let mut line = format!(".Bd -ragged -offset indent\n.Nm pot-console\n.Cm {path}\n");
    for argument in own(command, above) {
        let form = form(argument);
        let dots = if repeats(argument) { " ..." } else { "" };
        if argument.is_required_set() {
            line.push_str(&format!(".{form}{dots}\n"));
        } else {
            line.push_str(&format!(".Op {form}{dots}\n"));
        }
    }
    if visible(command).next().is_some() {
        line.push_str(".Ar command\n");
    }
    line.push_str(".Ed\n.Pp\n");
    line
}

fn repeats(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append)
}

/// `Fl m | -minimal`, `Fl -reason Ar TEXT`, `Ar NAME`.
fn form(argument: &Arg) -> String {
    let names = |argument: &Arg| -> String {
        let names = argument.get_value_names().unwrap_or_default();
        names.iter().map(|name| format!(" {name}")).collect::<String>().replace('|', "\\*(Ba")
    };
    if argument.is_positional() {
        return format!("Ar{}", names(argument));
    }
    let mut form = String::from("Fl");
    if let Some(short) = argument.get_short() {
        form.push_str(&format!(" {short}"));
        if argument.get_long().is_some() {
            form.push_str(" , Fl");
        }
    }
    if let Some(long) = argument.get_long() {
        form.push_str(&format!(" -{long}"));
    }
    if argument.get_action().takes_values() {
        form.push_str(&format!(" Ar{}", names(argument)));
    }
    form
}

fn item(argument: &Arg, text: &mut String) {
    text.push_str(&format!(".It {}\n", form(argument)));
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = if argument.get_action().takes_values() && !argument.is_hide_possible_values_set() {
        let values = argument.get_possible_values();
        values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_owned()).collect()
    } else {
        Vec::new()
    };
    if !help.ends_with('.') {
        help.push('.');
    }
    if !values.is_empty() {
        help.push_str(&format!(" One of {}.", values.join(", ")));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        help.push_str(&format!(" Default: {}.", defaults.join(", ")));
    }
    text.push_str(&sentences(&help));
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// Text for mdoc: a sentence begins a line, no line is longer than 78 characters, nothing is taken for a macro.
fn sentences(text: &str) -> String {
    const WIDEST: usize = 78;
    let text = text.replace('\\', "\\e").replace('…', "\\[u2026]").replace('→', "\\(->");
    let mut out = String::new();
    let mut line = String::new();
    let mut flush = |line: &mut String| {
        if line.starts_with(['.', '\'']) {
            out.push_str("\\&");
        }
        if !line.is_empty() {
            out.push_str(line);
            out.push('\n');
            line.clear();
        }
    };
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDEST {
            flush(&mut line);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if word.ends_with(['.', '?', '!']) {
            flush(&mut line);
        }
    }
    if !line.is_empty() {
        line.push('.');
    }
    flush(&mut line);
    out
}

#[test]
fn what_docs_and_files_tell_people_to_type_exists() {
    let program = program();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    let mut seen = 0;
    for folder in ["", "docs", "packaging/freebsd/files", "packaging/freebsd/man"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            if !path.is_file() || !["md", "in", "install", "upgrade", "8", "5"].contains(&kind) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines() {
                // Typed is what stands in a code block, between back quotes, or as an example of a manual.
                let typed = line.split('`').enumerate().filter(|(place, _)| place % 2 == 1).map(|(_, part)| part);
                let block = line.strip_prefix("    ").or_else(|| line.strip_prefix(".Dl # "));
                for part in typed.chain(block).filter_map(|part| part.trim().strip_prefix("pot-console ")) {
                    seen += 1;
                    if let Some(wrong) = unknown(&program, part) {
                        missing.push(format!("{}: pot-console {part}: {wrong}", path.display()));
                    }
                }
            }
        }
    }
    assert!(seen > 40, "{seen}");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The first word of what is typed that is no command, or the first option that no command on the way has.
fn unknown(program: &Command, typed: &str) -> Option<String> {
    let mut commands = vec![program];
    for word in typed.split_whitespace() {
        // Alternatives (`a|b|c`), and what is behind two blanks in the README's list, are words for people.
        let last = commands.last()?;
        if let Some(option) = word.strip_prefix("--") {
            let name = option.split(['=', ']', '|', ',', '.', ')']).next()?;
            let known = |command: &&Command| command.get_arguments().any(|one| one.get_long() == Some(name));
            if !name.is_empty() && name != "help" && !commands.iter().any(known) {
                return Some(format!("--{name}"));
            }
        } else if visible(last).next().is_some() {
            let first = word.split('|').next()?.trim_end_matches([',', '.', ';']);
            if first.starts_with(|letter: char| !letter.is_ascii_lowercase()) {
                return None;
            }
            let Some(inner) = last.find_subcommand(first) else { return Some(first.to_owned()) };
            if word.contains('|') {
                return None;
            }
            commands.push(inner);
        }
    }
    None
}
