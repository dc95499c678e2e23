//! syslog.conf(5): which files take what a program of this host logs.

/// FreeBSD's levels from least to most urgent; `*` takes all, `none` nothing.
const LEVELS: &[&[&str]] = &[
    &["debug"],
    &["info"],
    &["notice"],
    &["warning", "warn"],
    &["err", "error"],
    &["crit"],
    &["alert"],
    &["emerg", "panic"],
];

/// Gives the texts of the files of a folder.
type Included<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// The rules, in the order in which syslogd reads them.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    selectors: String,
    /// A file, or `@loghost`, `|program`, users.
    action: String,
    programs: Option<String>,
    /// Whether the host block that it stands in takes this host's own lines.
    own_lines: bool,
    /// A property filter (`:msg, contains, …`) may let pot's lines through or not: it is not counted on.
    filtered: bool,
}

impl Rules {
    /// Reads syslog.conf. `included` gives the texts of the `*.conf` files of a folder in alphabetical order; as in
    /// syslogd, they include no further ones, and blocks begin and end with their file.
    pub fn read(text: &str, hostname: &str, included: impl Fn(&str) -> Vec<String>) -> Self {
        let mut rules = Self::default();
        rules.add(text, hostname, Some(&included));
        rules
    }

    fn add(&mut self, text: &str, hostname: &str, included: Option<Included<'_>>) {
        let mut programs: Option<String> = None;
        let mut own_lines = true;
        let mut filtered = false;
        for line in text.lines() {
            let line = line.trim();
            if let (Some(included), Some(folder)) = (included, line.strip_prefix("include"))
                && folder.starts_with([' ', '\t'])
            {
                for text in included(folder.split_ascii_whitespace().next().unwrap_or_default()) {
                    self.add(&text, hostname, None);
                }
                continue;
            }
            // `#!prog` and its like are blocks, not comments.
            let line = match line.strip_prefix('#') {
                Some(rest) if rest.starts_with(['!', '+', '-', ':']) => rest,
                Some(_) => continue,
                None => line,
            };
            if let Some(rest) = line.strip_prefix('!') {
                let name = rest.trim_start().split_ascii_whitespace().next().unwrap_or("*");
                programs = (!name.starts_with('*')).then(|| name.to_owned());
            } else if let Some(rest) = line.strip_prefix(['+', '-']) {
                own_lines = host_block(line.starts_with('-'), rest.trim_start(), hostname);
            } else if let Some(rest) = line.strip_prefix(':') {
                let rest = rest.trim_start();
                filtered = !(rest.is_empty() || rest.starts_with('*'));
            } else if let Some((selectors, action)) = before_comment(line).split_once([' ', '\t']) {
                let action = action.trim();
                // `-/path`: without fsync after each line.
                let action = action.strip_prefix('-').unwrap_or(action);
                if !action.is_empty() {
                    self.rules.push(Rule {
                        selectors: selectors.to_owned(),
                        action: action.to_owned(),
                        programs: programs.clone(),
                        own_lines,
                        filtered,
                    });
                }
            }
        }
    }

    /// The files that take what `program` logs on this host at `facility`.info: those whose rule names the facility
    /// or the program before those that take everything, else in the order of the file.
    pub(crate) fn files_for(&self, facility: &str, program: &str) -> Vec<String> {
        let mut found: Vec<(bool, &str)> = Vec::new();
        for rule in self.taking(facility, program) {
            // Devices (`/dev/console`) keep nothing that could be read again.
            let keeps = rule.is_for_a_file() && !rule.action.starts_with("/dev/");
            if keeps && !found.iter().any(|(_, file)| *file == rule.action) {
                let general = rule.programs.is_none() && !names_facility(&rule.selectors, facility);
                found.push((general, &rule.action));
            }
        }
        found.sort_by_key(|(general, _)| *general);
        found.into_iter().map(|(_, file)| file.to_owned()).collect()
    }

    /// Where else than to files what `program` logs at `facility`.info goes: `@loghost`, `|program`, users.
    pub(crate) fn elsewhere_for(&self, facility: &str, program: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for rule in self.taking(facility, program).filter(|rule| !rule.is_for_a_file()) {
            if !found.contains(&rule.action) {
                found.push(rule.action.clone());
            }
        }
        found
    }

    /// The rules that take what `program` logs on this host at `facility`.info.
    fn taking(&self, facility: &str, program: &str) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| {
            rule.own_lines
                && !rule.filtered
                && rule.programs.as_deref().is_none_or(|list| names(list, program))
                && takes_info(&rule.selectors, facility)
        })
    }

    /// Every file that a rule names.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| rule.is_for_a_file()).map(|rule| rule.action.as_str())
    }
}

impl Rule {
    fn is_for_a_file(&self) -> bool {
        self.action.starts_with('/')
    }
}

/// The folders that a main file includes, in order.
pub fn folders(text: &str) -> Vec<String> {
    let folder = |line: &str| {
        let rest = line.trim_start().strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t']))?;
        rest.split_ascii_whitespace().next().map(|folder| folder.trim_end_matches('/').to_owned())
    };
    text.lines().filter_map(folder).collect()
}

/// The file that syslogd's flags name in place of /etc/syslog.conf (`-f FILE`), read as getopt(3) does.
pub(crate) fn main_file(flags: &str) -> Option<String> {
    /// Options of syslogd(8) that take an argument.
    const WITH_ARGUMENT: &str = "abflMmOPpS";
    let mut file = None;
    let mut words = flags.split_ascii_whitespace();
    while let Some(letters) = words.next().and_then(|word| word.strip_prefix('-')) {
        let Some((at, letter)) = letters.char_indices().find(|(_, letter)| WITH_ARGUMENT.contains(*letter)) else {
            continue;
        };
        let rest = letters.get(at + 1..).filter(|rest| !rest.is_empty());
        let argument = rest.or_else(|| words.next());
        if letter == 'f' {
            file = argument.map(str::to_owned);
        }
    }
    file
}

/// A `#` ends the line unless a backslash stands before it.
fn before_comment(line: &str) -> &str {
    let mut before = None;
    for (at, character) in line.char_indices() {
        if character == '#' && before != Some('\\') {
            return line.get(..at).unwrap_or(line);
        }
        before = Some(character);
    }
    line
}

/// Whether a block for (or, `except`, not for) a list of hosts takes this host's lines. syslogd drops its own domain.
fn host_block(except: bool, list: &str, hostname: &str) -> bool {
    if list.is_empty() || list.starts_with('*') {
        return true;
    }
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let own = list.starts_with('@')
        || list
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default()
            .split(',')
            .any(|name| short(name) == short(hostname));
    own != except
}

/// `!pot,sshd`, or `!-pot` for all but those.
fn names(list: &str, program: &str) -> bool {
    let (except, list) = match list.strip_prefix(['-', '+']) {
        Some(rest) => (list.starts_with('-'), rest),
        None => (false, list),
    };
    list.split(',').any(|name| name == program) != except
}

/// `kern.debug;lpr.info;local2,local3.>=notice`: the last part that names the facility decides.
fn takes_info(selectors: &str, facility: &str) -> bool {
    let mut takes = false;
    for part in selectors.split(';') {
        let Some((facilities, level)) = part.split_once('.') else { continue };
        if !facilities.split(',').any(|name| name.trim() == "*" || name.trim().eq_ignore_ascii_case(facility)) {
            continue;
        }
        if let Some(answer) = level_takes_info(level) {
            takes = answer;
        }
    }
    takes
}

fn level_takes_info(level: &str) -> Option<bool> {
    let (invert, level) = match level.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, level),
    };
    let name = level.trim_start_matches(['<', '=', '>']);
    let comparison = level.strip_suffix(name).unwrap_or_default();
    if name == "*" {
        return Some(!invert);
    }
    if name.eq_ignore_ascii_case("none") {
        return Some(false);
    }
    let wanted = LEVELS.iter().position(|names| names.iter().any(|known| known.eq_ignore_ascii_case(name)))?;
    let comparison = if comparison.is_empty() { ">=" } else { comparison };
    let takes = match 1.cmp(&wanted) {
        std::cmp::Ordering::Less => comparison.contains('<'),
        std::cmp::Ordering::Equal => comparison.contains('='),
        std::cmp::Ordering::Greater => comparison.contains('>'),
    };
    Some(takes != invert)
}

fn names_facility(selectors: &str, facility: &str) -> bool {
    selectors
        .split(';')
        .filter_map(|part| part.split_once('.'))
        .any(|(facilities, _)| facilities.split(',').any(|name| name.eq_ignore_ascii_case(facility)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stock FreeBSD 14 has, in the rules that matter.
    const STOCK: &str = "\
# Spaces ARE valid field separators in this file.
*.err;kern.warning;auth.notice;mail.crit\t\t/dev/console
*.notice;authpriv.none;kern.debug;lpr.info;mail.crit;news.err\t/var/log/messages
security.*\t\t\t\t\t/var/log/security
cron.*\t\t\t\t\t\t/var/log/cron
!-devd
*.=debug\t\t\t\t\t/var/log/debug.log
*.emerg\t\t\t\t\t\t*
# uncomment this to log all writes to /dev/console to /var/log/console.log
#console.info\t\t\t\t\t/var/log/console.log
!devd
*.>=notice\t\t\t\t\t/var/log/devd.log
!*
include\t\t\t\t\t\t/etc/syslog.d
include\t\t\t\t\t\t/usr/local/etc/syslog.d
";

    fn files(text: &str, included: &str) -> Vec<String> {
        let rules = Rules::read(text, "jail1.lan", |folder| {
            if folder == "/usr/local/etc/syslog.d" { vec![included.to_owned()] } else { Vec::new() }
        });
        rules.files_for("local2", "pot")
    }

    #[test]
    fn a_stock_host_writes_pots_lines_nowhere() {
        assert_eq!(files(STOCK, ""), Vec::<String>::new());
    }

    #[test]
    fn one_line_in_an_included_file_routes_them() {
        assert_eq!(files(STOCK, "local2.*\t/var/log/pot.log\n"), ["/var/log/pot.log"]);
        assert_eq!(files(STOCK, "local1,local2.info -/var/log/pot.log # pot\n"), ["/var/log/pot.log"]);
    }

    #[test]
    fn the_special_file_comes_before_the_one_that_takes_everything() {
        assert_eq!(
            files("*.*\t/var/log/all.log\nlocal2.*\t/var/log/pot.log\n", ""),
            ["/var/log/pot.log", "/var/log/all.log"]
        );
        assert_eq!(
            files("*.*\t/var/log/all.log\n!pot\n*.*\t/var/log/pot.log\n", ""),
            ["/var/log/pot.log", "/var/log/all.log"]
        );
    }

    #[test]
    fn what_goes_to_a_log_host_a_program_or_users_is_told_apart_from_files() {
        let elsewhere = |text: &str| Rules::read(text, "jail1.lan", |_| Vec::new()).elsewhere_for("local2", "pot");
        assert_eq!(elsewhere("*.*\t@loghost.example.org:514\n"), ["@loghost.example.org:514"]);
        assert_eq!(
            elsewhere("local2.*\t|/usr/local/bin/tell\nlocal2.info root,ben\n"),
            ["|/usr/local/bin/tell", "root,ben"]
        );
        assert_eq!(elsewhere("*.emerg\t*\nlocal2.notice @loghost\nlocal2.* /var/log/pot.log\n"), Vec::<String>::new());
        assert_eq!(elsewhere("!ppp\n*.* @loghost\n"), Vec::<String>::new());
        assert_eq!(files("*.*\t@loghost\n", ""), Vec::<String>::new());
    }

    #[test]
    fn the_main_file_is_the_one_that_the_flags_name() {
        for (flags, file) in [
            ("-s", None),
            ("-s -f /etc/my.conf -v", Some("/etc/my.conf")),
            ("-ssf/etc/my.conf", Some("/etc/my.conf")),
            ("-l /a -f", None),
            ("-a -f -s", None),
            ("-f /a -f /b", Some("/b")),
        ] {
            assert_eq!(main_file(flags).as_deref(), file, "{flags}");
        }
    }

    #[test]
    fn an_open_block_hides_the_lines_after_it_but_not_included_files() {
        assert_eq!(files("!ppp\nlocal2.*\t/var/log/pot.log\n", ""), Vec::<String>::new());
        assert_eq!(files("#!ppp\nlocal2.*\t/var/log/pot.log\n", ""), Vec::<String>::new());
        assert_eq!(files("+otherhost\nlocal2.*\t/var/log/pot.log\n", ""), Vec::<String>::new());
        assert_eq!(files(":msg, contains, \"x\"\nlocal2.*\t/var/log/pot.log\n", ""), Vec::<String>::new());
        assert_eq!(
            files("!ppp\ninclude /usr/local/etc/syslog.d\n", "local2.* /var/log/pot.log\n"),
            ["/var/log/pot.log"]
        );
        assert_eq!(files("!ppp\nlocal2.* /var/log/a\n!*\nlocal2.* /var/log/b\n", ""), ["/var/log/b"]);
    }

    #[test]
    fn blocks_for_pot_and_for_this_host_count() {
        for block in ["!pot", "!sshd,pot", "!-ppp", "+@", "+jail1", "+JAIL1.lan,other", "-otherhost", "!"] {
            assert_eq!(files(&format!("{block}\nlocal2.*\t/var/log/pot.log\n"), ""), ["/var/log/pot.log"], "{block}");
        }
        for block in ["!-pot", "!potnet", "-@", "-jail1"] {
            assert_eq!(files(&format!("{block}\nlocal2.*\t/var/log/pot.log\n"), ""), Vec::<String>::new(), "{block}");
        }
    }

    #[test]
    fn levels_and_comparisons() {
        let takes = |selectors: &str| takes_info(selectors, "local2");
        assert!(
            takes("local2.info")
                && takes("local2.debug")
                && takes("*.*")
                && takes("local2.>debug")
                && takes("local2.=info")
        );
        assert!(
            takes("local2.!err") && takes("*.notice;local2.info") && takes("LOCAL2.INFO") && takes("local2.<notice")
        );
        assert!(
            !takes("local2.notice") && !takes("local2.none") && !takes("*.*;local2.none") && !takes("local2.=debug")
        );
        assert!(!takes("local2.!=info") && !takes("local2.!*") && !takes("local2.nonsense") && !takes("local2"));
    }

    #[test]
    fn a_selector_of_the_facility_alone_after_an_include_like_word() {
        assert_eq!(files("includes.* /x\nlocal2.* /var/log/pot.log", ""), ["/var/log/pot.log"]);
        assert_eq!(Rules::read("*.* /a\\#b\n", "h", |_| Vec::new()).all_files().collect::<Vec<_>>(), ["/a\\#b"]);
    }
}
