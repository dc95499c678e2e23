//! What a message of pot means: the command, the pot it is about, whether it changes anything, and of what kind a line is.

use serde::Serialize;

/// A call of pot as it was logged (`pot-start web1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The command as the user knows it: `start`, `create`, `vnet-start` …
    pub command: String,
    /// Its arguments as typed, joined by blanks (the log keeps no more).
    pub arguments: String,
    /// The pot that it is about, when it names one.
    pub pot: Option<String>,
    /// Whether such a command changes something.
    pub changes: bool,
}

/// Which word names the pot, and which options take a value (so that the value is not taken for a name). `import` and
/// `prepare` make the name of several of them.
struct Command {
    name: &'static str,
    /// Options that take a value, the letters of getopts.
    valued: &'static str,
    /// The option whose value names the pot; a blank: the first word that is no option.
    pot: char,
    changes: bool,
}

const fn command(name: &'static str, valued: &'static str, pot: char, changes: bool) -> Command {
    Command { name, valued, pot, changes }
}

/// pot 0.16's commands. Those that read only and never log stand here too: other versions may log them.
const COMMANDS: &[Command] = &[
    command("add-dep", "pP", 'p', true),
    command("clone", "piPNBSfsd", 'p', true),
    command("clone-fscomp", "fF", '\0', true),
    command("config", "g", '\0', false),
    command("copy-in", "sdp", 'p', true),
    command("copy-out", "sdp", 'p', false),
    command("create", "ptNilbfPdBS", 'p', true),
    command("create-base", "rb", '\0', true),
    command("create-fscomp", "f", '\0', true),
    command("create-private-bridge", "BS", '\0', true),
    command("de-init", "p", '\0', true),
    command("destroy", "fpbB", 'p', true),
    command("exec", "peuU", 'p', true),
    command("export", "ptDlS", 'p', false),
    command("export-ports", "pe", 'p', true),
    command("get-attribute", "pAV", 'p', false),
    command("get-rss", "p", 'p', false),
    command("help", "", '\0', false),
    command("import", "ptUC", 'p', true),
    command("info", "pB", 'p', false),
    command("init", "fp", '\0', true),
    command("last-run-stats", "p", 'p', false),
    command("list", "", '\0', false),
    command("mount-in", "fdzpm", 'p', true),
    command("mount-out", "pm", 'p', true),
    command("prepare", "pUtceanNiBSdC", 'p', true),
    command("prune", "", '\0', true),
    command("ps", "", '\0', false),
    command("purge-snapshots", "pf", 'p', true),
    command("rename", "pn", 'p', true),
    command("revert", "pf", 'p', true),
    command("run", "", ' ', true),
    command("set-attribute", "pAV", 'p', true),
    command("set-cmd", "pc", 'p', true),
    command("set-env", "pE", 'p', true),
    command("set-hook", "psStT", 'p', true),
    command("set-hosts", "pH", 'p', true),
    command("set-rss", "pCM", 'p', true),
    command("set-status", "pis", 'p', true),
    command("show", "p", 'p', false),
    command("signal", "sPmp", 'p', true),
    command("snapshot", "pf", 'p', true),
    command("start", "p", ' ', true),
    command("stop", "pi", ' ', true),
    command("term", "p", ' ', true),
    command("top", "p", 'p', false),
    command("update-config", "p", 'p', true),
    command("version", "", '\0', false),
    command("vnet-start", "B", '\0', true),
];

/// Other names that pot takes for a command.
const ALIASES: &[(&str, &str)] = &[
    ("ls", "list"),
    ("rollback", "revert"),
    ("snap", "snapshot"),
    ("set-attr", "set-attribute"),
    ("get-attr", "get-attribute"),
];

/// Every command's name, for the filter.
pub fn commands() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// What a line of pot's tells of, as counts and pictures tell lines apart: each is of exactly one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `pot start`, by hand or by another command of pot (`term -f`, `prepare -S`).
    Start,
    /// `pot stop`, by hand or by another command of pot (`destroy -F`, `prune`, `de-init`, a start that failed).
    Stop,
    /// Another command that changes something.
    Change,
    /// A line of the level err or of a more urgent one, whatever it says. pot 0.16 itself logs its calls alone, at info;
    /// and syslogd writes levels only with `-v` or in RFC 5424: of a line without one it is not known.
    Error,
    /// A command that only reads, and what is no call.
    Other,
}

/// The least urgent level of an error: err of syslog(3).
const ERROR: u8 = 3;

impl Kind {
    /// Every kind, in the order in which pages show them.
    pub const ALL: [Self; 5] = [Self::Start, Self::Stop, Self::Change, Self::Error, Self::Other];

    /// The kind of a line under the tag `pot`, by the level that it says (0 emerg to 7 debug) and its message.
    pub fn of(level: Option<u8>, message: &[u8]) -> Self {
        if level.is_some_and(|level| level <= ERROR) {
            return Self::Error;
        }
        match std::str::from_utf8(message).ok().and_then(named) {
            Some(("start", ..)) => Self::Start,
            Some(("stop", ..)) => Self::Stop,
            Some((_, known, _)) if may_change(known) => Self::Change,
            Some(_) | None => Self::Other,
        }
    }
}

/// Reads a message that was logged under the tag `pot`. `None`: it is no call of pot.
pub fn call(message: &str) -> Option<Call> {
    let (name, known, arguments) = named(message)?;
    Some(Call {
        command: name.to_owned(),
        arguments: arguments.trim().to_owned(),
        pot: known.and_then(|command| named_pot(command, arguments)),
        changes: may_change(known),
    })
}

/// An unknown command of a newer pot may change something: say so rather than hide it.
fn may_change(known: Option<&Command>) -> bool {
    known.is_none_or(|command| command.changes)
}

/// The command that a message calls, by its full name; what is known of it; its arguments.
fn named(message: &str) -> Option<(&str, Option<&'static Command>, &str)> {
    let rest = message.strip_prefix("pot-")?;
    let (name, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
    let well_formed = name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !well_formed {
        return None;
    }
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, full)| full);
    Some((name, COMMANDS.iter().find(|command| command.name == name), arguments))
}

/// Walks the arguments as getopts does.
fn named_pot(command: &Command, arguments: &str) -> Option<String> {
    if command.pot == '\0' {
        return None;
    }
    let mut words = arguments.split_whitespace();
    let mut by_option = None;
    let mut by_position = None;
    let (mut tag, mut allocation, mut template) = (None, None, None);
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            by_position = Some(word);
            break;
        };
        if letters == "-" {
            by_position = words.next();
            break;
        }
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            if !command.valued.contains(letter) {
                continue;
            }
            let attached = letters.as_str();
            let value = if attached.is_empty() { words.next() } else { Some(attached) };
            match letter {
                'p' => by_option = value,
                't' => tag = value,
                'a' => allocation = value,
                'n' => template = value,
                _ => {}
            }
            break;
        }
    }
    // What is imported or prepared is named after the image, the tag and what Nomad allocated, without dots.
    let named = match command.name {
        "import" => format!("{}_{}", by_option?, tag?).replace('.', "_"),
        "prepare" => {
            let image =
                template.map_or_else(|| Some(format!("{}_{}", by_option?, tag?)), |name| Some(name.to_owned()))?;
            format!("{image}_{}", allocation?).replace('.', "_")
        }
        _ if command.pot == ' ' => by_option.or(by_position)?.to_owned(),
        _ => by_option?.to_owned(),
    };
    Some(named).filter(|name| is_pot_name(name))
}

/// What may be a pot's name, so that a link to it is safe to make.
pub fn is_pot_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_pot_of_each_way_to_name_it() {
        let pot = |message: &str| call(message).unwrap().pot;
        assert_eq!(pot("pot-start web1").as_deref(), Some("web1"));
        assert_eq!(pot("pot-start -v -p web1").as_deref(), Some("web1"));
        assert_eq!(pot("pot-create -b 14.3 -t single -p web1 -N public-bridge").as_deref(), Some("web1"));
        assert_eq!(pot("pot-create -vpweb1").as_deref(), Some("web1"));
        assert_eq!(pot("pot-clone -P old -p new").as_deref(), Some("new"));
        assert_eq!(pot("pot-vnet-start -B bridge1"), None);
        assert_eq!(pot("pot-de-init -f -v"), None);
        assert_eq!(pot("pot-init -p /etc/pf.conf"), None);
        assert_eq!(pot("pot-import -p web -t 1.0 -U https://example.org").as_deref(), Some("web_1_0"));
        assert_eq!(pot("pot-import -p web"), None);
        assert_eq!(pot("pot-prepare -U u -p web -t 1.0 -a x.1 -c /bin/sh").as_deref(), Some("web_1_0_x_1"));
        assert_eq!(pot("pot-prepare -p web -t 1.0 -n job -a 7").as_deref(), Some("job_7"));
        assert_eq!(pot("pot-start ../../etc"), None);
        assert_eq!(pot("pot-start <script>"), None);
        assert_eq!(call("pot-get-attr -p a -A b").unwrap().command, "get-attribute");
    }

    #[test]
    fn every_line_is_of_one_kind() {
        let kind = |level, message: &str| Kind::of(level, message.as_bytes());
        for (message, wanted) in [
            ("pot-start web1", Kind::Start),
            ("pot-stop -p web1 -s", Kind::Stop),
            ("pot-destroy -F -p web1", Kind::Change),
            ("pot-term -f web1", Kind::Change),
            ("pot-restart-everything", Kind::Change),
            ("pot-version ", Kind::Other),
            ("the pool is full", Kind::Other),
        ] {
            assert_eq!(kind(None, message), wanted, "{message}");
            assert_eq!(kind(Some(6), message), wanted, "{message} at info");
            assert_eq!(kind(Some(4), message), wanted, "{message} at warning");
            assert_eq!(kind(Some(3), message), Kind::Error, "{message} at err");
        }
        assert_eq!(Kind::of(None, b"pot-start \xff"), Kind::Other, "no text, as in a list");
        // The kinds say nothing else of a call than a list does.
        for command in COMMANDS {
            let changes = kind(None, &format!("pot-{} x", command.name)) != Kind::Other;
            assert_eq!(changes, command.changes, "{}", command.name);
        }
    }

    #[test]
    fn tells_changes_from_reading() {
        assert!(call("pot-start web1").unwrap().changes);
        assert!(!call("pot-version").unwrap().changes);
        assert!(call("pot-brand-new-thing x").unwrap().changes);
        assert_eq!(call("pot-init ").unwrap().arguments, "");
        assert_eq!(call("something else"), None);
        assert_eq!(call("pot-"), None);
    }
}
