//! What is seen held against what an installation is: the one judge of `setup`, `setup --check` and `selftest`.

use super::host::Host;
use super::line::{Line, Verdict};
use super::look::{Asked, CertificateSeen, Folder, RCVAR, SCRIPT, Seen, SettingsSeen, User, starts};
use super::steps::Step;
use crate::settings::Settings;
use std::path::Path;

/// A row with what setup would do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// As it is shown.
    pub line: Line,
    /// What ends the difference.
    pub step: Option<Step>,
    /// Setup cannot go on while it is so.
    pub blocks: bool,
}

impl Row {
    fn sound(id: &str, found: impl Into<String>) -> Self {
        Self { line: Line::new(id, Verdict::Sound, found), step: None, blocks: false }
    }

    fn note(id: &str, found: impl Into<String>) -> Self {
        Self { line: Line::new(id, Verdict::Note, found), step: None, blocks: false }
    }

    fn to_do(id: &str, found: impl Into<String>, step: Step) -> Self {
        let line = Line::new(id, Verdict::Differs, found).with("pot-console setup");
        Self { line, step: Some(step), blocks: false }
    }

    fn wrong(id: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line: Line::new(id, Verdict::Differs, found).with(remedy), step: None, blocks: true }
    }

    fn not_known(id: &str, why: &str) -> Self {
        Self { line: Line::new(id, Verdict::NotKnown, why), step: None, blocks: true }
    }
}

/// Every row, in the order in which setup does them.
pub(crate) fn judge(host: &Host, asked: &Asked, seen: &Seen) -> Vec<Row> {
    let layout = &host.layout;
    let mut rows = vec![
        roots_folder(host, "folder", &layout.state(), 0o755, &seen.state),
        roots_folder(host, "folder.root", &layout.private(), 0o700, &seen.private),
        group(seen),
        user(seen),
        settings(host, asked, seen),
        web_folder(host, seen),
        certificate(seen),
        account(asked, seen),
        script(seen),
        enabled(seen),
    ];
    let service = service(&rows, seen);
    rows.push(service);
    rows
}

/// The steps that the rows ask for.
pub(crate) fn steps(rows: &[Row]) -> Vec<Step> {
    rows.iter().filter_map(|row| row.step.clone()).collect()
}

fn roots_folder(host: &Host, id: &str, path: &Path, mode: u32, seen: &Result<Option<Folder>, String>) -> Row {
    let shown = host.layout.shown(path);
    let step = || Step::Folder { path: path.to_owned(), mode, user: None };
    let is_private = mode == 0o700;
    match seen {
        Err(why) => Row::not_known(id, why),
        Ok(None) => Row::to_do(id, format!("{shown} is not there"), step()),
        Ok(Some(found)) if !found.is_one => {
            Row::wrong(id, format!("{shown} is no folder"), format!("move {shown} away, and run pot-console setup"))
        }
        // What others could put into it is not root's any more: nobody but an admin can tell whose it is.
        Ok(Some(found)) if found.uid != host.root_uid() || found.mode & 0o022 != 0 => Row::wrong(
            id,
            format!("{shown} can be changed by others than root (owner {}, mode {:04o})", found.uid, found.mode),
            format!("look at what is in it, then: chown root {shown} && chmod {mode:04o} {shown}"),
        ),
        Ok(Some(found)) if is_private && found.mode != mode => {
            Row::to_do(id, format!("{shown} has mode {:04o}, it must be {mode:04o}", found.mode), step())
        }
        Ok(Some(found)) => Row::sound(id, format!("{shown}, root's, mode {:04o}", found.mode)),
    }
}

fn group(seen: &Seen) -> Row {
    let name = &seen.user_name;
    match (&seen.user, &seen.group) {
        (Ok(Some(user)), _) => Row::sound("group", format!("{}, the group of {name}", user.gid)),
        (_, Err(why)) => Row::not_known("group", why),
        (_, Ok(None)) => Row::to_do("group", format!("there is no group {name}"), Step::Group(name.clone())),
        (_, Ok(Some(0))) => {
            Row::wrong("group", format!("{name} is root's group"), "name another user: pot-console setup --user NAME")
        }
        (_, Ok(Some(gid))) => Row::sound("group", format!("{name} ({gid}) is there")),
    }
}

fn user(seen: &Seen) -> Row {
    let name = &seen.user_name;
    match &seen.user {
        Err(why) => Row::not_known("user", why),
        Ok(None) => Row::to_do("user", format!("there is no user {name}"), Step::User(name.clone())),
        Ok(Some(user)) if !user.is_unprivileged() => Row::wrong(
            "user",
            format!("{name} is root or in root's group, which the web process must not be"),
            "name another one as user in the settings, or with pot-console setup --user NAME",
        ),
        Ok(Some(user)) => match beyond(user) {
            Some(more) => Row::note("user", format!("{name} ({}) is there and kept as it is, with {more}", user.uid)),
            None => Row::sound("user", format!("{name} ({}), without shell and home", user.uid)),
        },
    }
}

/// What the user has that the web process does not need.
fn beyond(user: &User) -> Option<String> {
    let has_shell = !["nologin", "false"].contains(&user.shell.rsplit('/').next().unwrap_or_default());
    let has_home = !["/nonexistent", "/var/empty", "/"].contains(&user.home.as_str());
    match (has_shell, has_home) {
        (false, false) => None,
        (true, false) => Some(format!("the shell {}", if user.shell.is_empty() { "/bin/sh" } else { &user.shell })),
        (false, true) => Some(format!("the home {}", user.home)),
        (true, true) => Some(format!("the shell {} and the home {}", user.shell, user.home)),
    }
}

fn settings(host: &Host, asked: &Asked, seen: &Seen) -> Row {
    let path = host.layout.settings();
    let shown = host.layout.shown(&path);
    match &seen.settings {
        SettingsSeen::Absent => {
            let Settings { listen, user, .. } = asked.settings();
            let text = Settings::sample(&listen, &user);
            Row::to_do("settings", format!("{shown} is not there"), Step::Settings { path, text })
        }
        SettingsSeen::Unusable(error) => {
            Row::wrong("settings", error.to_string(), format!("mend {shown}: setup changes no settings that are there"))
        }
        SettingsSeen::Read(settings) => {
            let Settings { listen, user, .. } = &**settings;
            let listens: Vec<String> = listen.iter().map(ToString::to_string).collect();
            let listens = listens.join(", ");
            let conflict = |name: &str, has: &str, flag: &str, wanted: &str| {
                Row::wrong(
                    "settings",
                    format!("{shown} has {name} = {has}, and {flag} says {wanted}"),
                    format!(
                        "setup changes no settings that are there: change {name} in {shown}, run pot-console setup \
                         without {flag}, then service pot_console restart"
                    ),
                )
            };
            match (&asked.listen, &asked.user) {
                (Some(wanted), _) if **listen != [*wanted] => {
                    conflict("listen", &listens, "--listen", &wanted.to_string())
                }
                (_, Some(wanted)) if user != wanted => conflict("user", user, "--user", wanted),
                _ => Row::sound("settings", format!("{shown} is understood: listens on {listens}, as {user}")),
            }
        }
    }
}

fn web_folder(host: &Host, seen: &Seen) -> Row {
    let path = host.layout.web();
    let shown = host.layout.shown(&path);
    let name = seen.user_name.clone();
    let step = || Step::Folder { path: path.clone(), mode: 0o700, user: Some(name.clone()) };
    let owner = match &seen.user {
        Ok(_) if !host.gives_files_away() => seen.web.as_ref().ok().and_then(|web| web.map(|web| (web.uid, web.gid))),
        Ok(Some(user)) => Some((user.uid, user.gid)),
        Ok(None) => None,
        // Whose it should be is not known; the row of the user says why.
        Err(why) => return Row::not_known("folder.web", why),
    };
    match &seen.web {
        Err(why) => Row::not_known("folder.web", why),
        Ok(None) => Row::to_do("folder.web", format!("{shown} is not there"), step()),
        Ok(Some(found)) if !found.is_one => Row::wrong(
            "folder.web",
            format!("{shown} is no folder"),
            format!("remove {shown}, and run pot-console setup"),
        ),
        Ok(Some(found)) if owner != Some((found.uid, found.gid)) => {
            let words = format!("{shown} is not {name}'s (owner {}, group {})", found.uid, found.gid);
            Row::to_do("folder.web", words, step())
        }
        Ok(Some(found)) if found.mode != 0o700 => {
            Row::to_do("folder.web", format!("{shown} has mode {:04o}, it must be 0700", found.mode), step())
        }
        Ok(Some(_)) => Row::sound("folder.web", format!("{shown}, {name}'s, mode 0700")),
    }
}

fn certificate(seen: &Seen) -> Row {
    match &seen.certificate {
        None => Row {
            blocks: false,
            ..Row::not_known("certificate", "which one is meant stands in settings that are not understood")
        },
        Some(Err(why)) => Row::wrong("certificate", why, "mend or replace that file, or take tls out of the settings"),
        Some(Ok(CertificateSeen::Due(why, key))) => {
            let step = Step::Certificate { why, key: *key };
            Row::to_do("certificate", format!("a self-signed one is to be made: {why}"), step)
        }
        Some(Ok(CertificateSeen::Serves { fingerprint, self_signed, .. })) => {
            let whose = if *self_signed { "self-signed" } else { "the one that the settings name" };
            Row::sound("certificate", format!("{whose}, SHA-256 {fingerprint}"))
        }
    }
}

fn account(asked: &Asked, seen: &Seen) -> Row {
    match (&seen.accounts, &asked.admin, &seen.admin) {
        (Err(why), ..) | (_, _, Some(Err(why))) => {
            Row::wrong("account", why, "mend that file: nobody can sign in with it")
        }
        (_, Some(name), Some(Ok(false))) => {
            Row::to_do("account", format!("there is no account {name}"), Step::Admin(name.clone()))
        }
        (_, Some(name), _) => Row::sound("account", format!("{name} is there and kept, password and role too")),
        (Ok(0), None, _) => {
            Row::note("account", "there is none yet: the first is made in the browser with the one-time code")
        }
        (Ok(1), None, _) => Row::sound("account", "there is one"),
        (Ok(count), None, _) => Row::sound("account", format!("there are {count}")),
    }
}

fn script(seen: &Seen) -> Row {
    match &seen.script {
        Err(why) => Row::not_known("rc.script", why),
        Ok(Some(true)) => Row::sound("rc.script", SCRIPT),
        Ok(Some(false)) => {
            Row::wrong("rc.script", format!("{SCRIPT} cannot be executed"), format!("chmod 0555 {SCRIPT}"))
        }
        Ok(None) => Row::wrong(
            "rc.script",
            format!("{SCRIPT} is not there"),
            "it comes with the package: pkg add pot-console-VERSION.pkg. Without it, pot-console serve serves from a \
             terminal",
        ),
    }
}

fn enabled(seen: &Seen) -> Row {
    match &seen.enabled {
        Err(why) => Row::not_known("rc.conf", why),
        Ok(value) if starts(value.as_deref()) => Row::sound("rc.conf", format!("{RCVAR} is set")),
        Ok(value) => {
            let has = value.as_deref().filter(|value| !value.is_empty());
            let words = has.map_or_else(|| format!("{RCVAR} is not set"), |has| format!("{RCVAR} is {has}"));
            Row::to_do("rc.conf", words, Step::Enable)
        }
    }
}

/// A service that runs takes new settings and another user, certificate or folder only at a restart.
fn service(before: &[Row], seen: &Seen) -> Row {
    let is_new = |row: &Row| {
        matches!(
            row.step,
            Some(Step::Settings { .. } | Step::Certificate { .. } | Step::User(_) | Step::Folder { user: Some(_), .. })
        )
    };
    match &seen.runs {
        Err(why) => Row::not_known("service", why),
        Ok(false) => Row::to_do("service", "pot_console does not run", Step::Start),
        // A restart puts back what waits: nobody may lose a network by a set-up.
        Ok(true) if before.iter().any(is_new) => match &seen.waits {
            Err(why) => Row::not_known("service", why),
            Ok(Some(run)) => Row::wrong(
                "service",
                format!("pot_console must be restarted, which would put back what run {run} changed"),
                format!("answer first: pot-console run keep {run}, or pot-console run put-back {run}"),
            ),
            Ok(None) => Row::to_do("service", "pot_console runs without what is to be made", Step::Restart),
        },
        Ok(true) => Row::sound("service", "pot_console runs"),
    }
}
