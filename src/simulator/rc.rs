//! rc.conf as rc(8) reads it, simulated sysrc(8) and service(8).

use super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::machine::Machine;
use super::state::State;
use super::{console, pfctl, syslog};

/// The files that rc(8) reads, the last word wins.
pub(crate) const FILES: [&str; 3] = ["/etc/defaults/rc.conf", "/etc/rc.conf", "/etc/rc.conf.local"];

/// The assignment in a line of an rc.conf-like file: name and value without its quotes.
fn assignment(line: &str) -> Option<(&str, String)> {
    let line = line.trim();
    let (name, rest) = line.split_once('=')?;
    let valid = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !valid {
        return None;
    }
    let mut value = String::new();
    let mut quote = None;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => value.push(c),
            (_, '\\') => value.extend(chars.next()),
            (None, ' ' | '\t' | '#' | ';') => break,
            (_, c) => value.push(c),
        }
    }
    Some((name, value))
}

/// The value of a variable in one file's text.
pub(crate) fn value_in(text: &str, name: &str) -> Option<String> {
    text.lines().filter_map(assignment).filter(|(known, _)| *known == name).map(|(_, value)| value).next_back()
}

/// The value that rc(8) would use.
pub(crate) fn value(machine: &Machine, name: &str) -> Option<String> {
    FILES.iter().rev().find_map(|file| value_in(&machine.text(file), name))
}

/// The value for a service's script: rc.conf.d/NAME has the last word there.
fn service_value(machine: &Machine, service: &str, name: &str) -> Option<String> {
    ["/etc/rc.conf.d/", "/usr/local/etc/rc.conf.d/"]
        .iter()
        .find_map(|folder| value_in(&machine.text(&format!("{folder}{service}")), name))
        .or_else(|| value(machine, name))
}

/// What rc(8) takes for yes.
pub(crate) fn is_yes(value: Option<&str>) -> bool {
    value.is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1"))
}

/// A line that assigns, with another value: the blanks before it, its kind of quotes and what stands behind stay.
fn with_value(line: &str, value: &str) -> String {
    let (name, old) = line.split_once('=').unwrap_or((line, ""));
    let quote = old.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => {
            let mut escaped = false;
            old.char_indices()
                .skip(1)
                .find(|(_, c)| {
                    let ends = *c == quote && !escaped;
                    escaped = quote == '"' && *c == '\\' && !escaped;
                    ends
                })
                .map_or(old.len(), |(at, _)| at + 1)
        }
        None => old.find(char::is_whitespace).unwrap_or(old.len()),
    };
    let quote = quote.unwrap_or('"');
    format!("{name}={quote}{value}{quote}{}", old.get(end..).unwrap_or_default())
}

/// The mode of a link that root made, with the usual umask.
const LINK_MODE: u32 = 0o755;

/// Sets or removes a variable in one file, in place when it stands there. A line that is added goes to where a link
/// leads; a value that is changed or removed comes as a new file by mv(1), which takes a link's own place, and its mode.
pub(crate) fn write_variable(machine: &Machine, file: &str, name: &str, value: Option<&str>) -> std::io::Result<()> {
    let text = machine.text(file);
    let last = text
        .split_terminator('\n')
        .enumerate()
        .filter(|(_, line)| assignment(line).is_some_and(|(known, _)| known == name))
        .last();
    let last = last.map(|(at, _)| at);
    if value.is_none() && last.is_none() {
        return Ok(());
    }
    let mut lines: Vec<String> = Vec::new();
    for (at, line) in text.split_terminator('\n').enumerate() {
        let same = assignment(line).is_some_and(|(known, _)| known == name);
        match value {
            None if same => {}
            Some(value) if Some(at) == last => lines.push(with_value(line, value)),
            _ => lines.push(line.to_owned()),
        }
    }
    if let (Some(value), None) = (value, last) {
        lines.push(format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    if last.is_some() && machine.path_itself(file).is_symlink() {
        return machine.put_in_place(file, text.as_bytes(), LINK_MODE);
    }
    machine.replace(file, text.as_bytes())
}

/// Refuses to write a file that carries a flag against it.
pub(crate) fn refuse_immutable(call: &Call, file: &str) -> Result<(), Failure> {
    let state = call.machine.state()?;
    let flags = state.kept.file_flags.get(file);
    if flags.is_some_and(|flags| {
        flags
            .iter()
            .any(|flag| matches!(flag.as_str(), "schg" | "uchg" | "sappnd" | "uappnd" | "schange" | "simmutable"))
    }) {
        return Err(Failure::new(1, format!("{}: {file}: Operation not permitted", call.name)));
    }
    Ok(())
}

pub(crate) fn sysrc(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let usage = |call: &mut Call| -> Outcome {
        call.warn("Usage: sysrc [OPTIONS] [-s name] name[[+|-]=value] ...\nTry `sysrc --help' for more information.");
        Ok(1)
    };
    if args.first().is_some_and(|arg| arg == "--version") {
        call.say("9.2");
        return Ok(0);
    }
    let (flags, names) = match getopt(&args, "aAcdDeEf:Fhij:knNqR:s:vxlL") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("sysrc");
            call.warn(text);
            return usage(call);
        }
    };
    let files: Vec<String> = flags.iter().filter(|flag| flag.letter == 'f').map(|flag| flag.value.clone()).collect();
    let all_files: Vec<String> =
        if files.is_empty() { FILES.iter().map(|file| (*file).to_owned()).collect() } else { files.clone() };
    let machine = call.machine.clone();
    let lookup = |name: &str| all_files.iter().rev().find_map(|file| value_in(&machine.text(file), name));
    let defining = |name: &str| {
        all_files.iter().rev().find(|file| *file != FILES[0] && value_in(&machine.text(file), name).is_some()).cloned()
    };
    let first_file = files.first().cloned().unwrap_or_else(|| "/etc/rc.conf".to_owned());
    let quoted = has(&flags, 'e');
    let separator = if quoted { "=" } else { ": " };
    let show = |call: &mut Call, name: &str, value: &str| {
        let value = if quoted { format!("\"{}\"", value.replace('"', "\\\"")) } else { value.to_owned() };
        if has(&flags, 'N') {
            call.say(name);
        } else if has(&flags, 'n') {
            call.say(value);
        } else {
            call.say(format_args!("{name}{separator}{value}"));
        }
    };
    if has(&flags, 'l') {
        for file in &all_files {
            call.say(file);
        }
        return Ok(0);
    }
    if has(&flags, 'a') || has(&flags, 'A') {
        let with_defaults = has(&flags, 'A');
        let mut seen: Vec<String> = Vec::new();
        for file in all_files.iter().filter(|file| with_defaults || *file != FILES[0]) {
            for (name, _) in machine.text(file).lines().filter_map(assignment) {
                if !seen.iter().any(|known| known == name) {
                    seen.push(name.to_owned());
                }
            }
        }
        seen.sort();
        for name in seen {
            let value = lookup(&name).unwrap_or_default();
            show(call, &name, &value);
        }
        return Ok(0);
    }
    if names.is_empty() {
        return usage(call);
    }
    let mut status = 0;
    for word in names {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        let (name, operator) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
            (Some(name), _) if value.is_some() => (name, '+'),
            (_, Some(name)) if value.is_some() => (name, '-'),
            _ => (name, '='),
        };
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            call.warn(format_args!("sysrc: {name}: name contains characters not allowed in shell"));
            status = 1;
            continue;
        }
        let old = lookup(name);
        if has(&flags, 'x') {
            match defining(name) {
                // From every file that sets it.
                Some(_) => {
                    for file in all_files.iter().filter(|file| *file != FILES[0]) {
                        refuse_immutable(call, file)?;
                        write_variable(&machine, file, name, None)?;
                    }
                }
                None => {
                    if !has(&flags, 'q') && !has(&flags, 'i') {
                        call.warn(format_args!("sysrc: unknown variable '{name}'"));
                    }
                    if !has(&flags, 'i') {
                        status = 1;
                    }
                }
            }
            continue;
        }
        let Some(value) = value else {
            match old {
                Some(_) if has(&flags, 'c') => {}
                Some(old) if has(&flags, 'F') => {
                    let file = defining(name).unwrap_or_else(|| FILES[0].to_owned());
                    show(call, name, &file);
                    drop(old);
                }
                Some(old) => show(call, name, &old),
                None => {
                    if !has(&flags, 'i') {
                        if !has(&flags, 'q') {
                            call.warn(format_args!("sysrc: unknown variable '{name}'"));
                        }
                        status = 1;
                    }
                }
            }
            continue;
        };
        let new = match operator {
            '+' | '-' => {
                let separator = value
                    .chars()
                    .next()
                    .filter(|c| !c.is_ascii_alphanumeric() && *c != '-' && *c != '/')
                    .unwrap_or(' ');
                let items: Vec<&str> = value.split(separator).filter(|item| !item.is_empty()).collect();
                let mut list: Vec<String> = old
                    .clone()
                    .unwrap_or_default()
                    .split(separator)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect();
                for item in items {
                    list.retain(|known| operator == '+' || known != item);
                    if operator == '+' && !list.iter().any(|known| known == item) {
                        list.push(item.to_owned());
                    }
                }
                list.join(&separator.to_string())
            }
            _ => value.to_owned(),
        };
        if has(&flags, 'c') {
            if old.as_deref() != Some(new.as_str()) {
                status = 1;
            }
            continue;
        }
        let file = defining(name).unwrap_or_else(|| first_file.clone());
        refuse_immutable(call, &file)?;
        if let Err(error) = write_variable(&machine, &file, name, Some(&new)) {
            return Err(Failure::new(1, format!("sysrc: cannot create {file}: {error}")));
        }
        let before = old.unwrap_or_default();
        if has(&flags, 'v') {
            call.print(&format!("{file}: "));
        }
        if has(&flags, 'n') {
            call.say(format_args!("{before} -> {new}"));
        } else {
            call.say(format_args!("{name}{separator}{before} -> {new}"));
        }
    }
    let _ = value_of(&flags, 's');
    Ok(status)
}

/// What a service needs besides its X_enable.
struct Service {
    name: &'static str,
    enable: &'static str,
    /// Path whose absence means that the script is not there.
    needs: &'static str,
    reload: bool,
}

const SERVICES: [Service; 15] = [
    Service { name: "syslogd", enable: "syslogd_enable", needs: "", reload: true },
    Service { name: "sshd", enable: "sshd_enable", needs: "", reload: true },
    Service { name: "cron", enable: "cron_enable", needs: "", reload: false },
    Service { name: "devd", enable: "devd_enable", needs: "", reload: false },
    Service { name: "ntpd", enable: "ntpd_enable", needs: "", reload: false },
    Service { name: "sendmail", enable: "sendmail_enable", needs: "", reload: false },
    Service { name: "pf", enable: "pf_enable", needs: "", reload: true },
    Service { name: "pflog", enable: "pflog_enable", needs: "", reload: false },
    Service { name: "ipfw", enable: "firewall_enable", needs: "", reload: false },
    Service { name: "newsyslog", enable: "newsyslog_enable", needs: "", reload: false },
    Service { name: "zfs", enable: "zfs_enable", needs: "", reload: false },
    Service { name: "routing", enable: "", needs: "", reload: false },
    Service { name: "netif", enable: "", needs: "", reload: false },
    Service { name: "pot", enable: "pot_enable", needs: "/usr/local/etc/rc.d/pot", reload: false },
    // The console itself, once its package's script is there.
    Service {
        name: console::NAME,
        enable: "pot_console_enable",
        needs: "/usr/local/etc/rc.d/pot_console",
        reload: true,
    },
];

pub(crate) fn service(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let usage = |call: &mut Call| -> Outcome {
        call.say("\nservice -e\nservice -R\nservice [-v] [-E var=value] [-j <jail name or id>] -l | -r\nservice [-v] [-E var=value] [-j <jail name or id>] <rc.d script> start|stop|etc.\nservice -h\n");
        Ok(1)
    };
    let Ok((flags, rest)) = getopt(&args, "dE:ej:hlRrvq") else { return usage(call) };
    let machine = call.machine.clone();
    let known = |service: &&Service| service.needs.is_empty() || machine.path(service.needs).exists();
    if has(&flags, 'l') {
        for service in SERVICES.iter().filter(known) {
            call.say(service.name);
        }
        return Ok(0);
    }
    if has(&flags, 'e') {
        for service in SERVICES.iter().filter(known) {
            if is_yes(service_value(&machine, service.name, service.enable).as_deref()) {
                let folder = if service.needs.is_empty() { "/etc/rc.d" } else { "/usr/local/etc/rc.d" };
                call.say(format_args!("{folder}/{}", service.name));
            }
        }
        return Ok(0);
    }
    let [name, verb, ..] = rest else { return usage(call) };
    let Some(service) = SERVICES.iter().filter(known).find(|service| service.name == name) else {
        call.say(format_args!(
            "{name} does not exist in /etc/rc.d or the local startup\ndirectories (/usr/local/etc/rc.d), or is not executable"
        ));
        return Ok(1);
    };
    let once = ["one", "force", "quiet", "fast"].iter().find(|prefix| {
        verb.strip_prefix(**prefix)
            .is_some_and(|rest| matches!(rest, "start" | "stop" | "restart" | "reload" | "status"))
    });
    let action = once.map_or(verb.as_str(), |prefix| verb.get(prefix.len()..).unwrap_or_default()).to_owned();
    let enabled = service.enable.is_empty()
        || is_yes(service_value(&machine, service.name, service.enable).as_deref())
        || matches!(once, Some(&("one" | "force")));
    if matches!(action.as_str(), "enabled" | "rcvar" | "enable" | "disable" | "describe") {
        return describe(call, service, &action);
    }
    // rc.subr(8): without X_enable nothing is done, and that is no failure. What runs is stopped all the same.
    let stops = action == "stop" && name == console::NAME && console::pid(call).is_some();
    if !enabled && !stops && matches!(action.as_str(), "start" | "stop" | "restart" | "reload") {
        let shown = service.enable;
        call.say(format_args!(
            "Cannot '{action}' {name}. Set {shown} to YES in /etc/rc.conf or use 'one{action}' instead of '{action}'."
        ));
        return Ok(0);
    }
    // 15 asks for no X_enable to tell a status.
    if !enabled && action == "status" && service.name == "pf" && call.machine.state()?.kept.major < 15 {
        call.say(format_args!(
            "Cannot 'status' pf. Set pf_enable to YES in /etc/rc.conf or use 'onestatus' instead of 'status'."
        ));
        return Ok(0);
    }
    match (service.name, action.as_str()) {
        ("pf", action) => return pf_service(call, action),
        ("pot", "status") => {
            call.run("pot", &["ps"]);
            return Ok(0);
        }
        ("pot", action @ ("start" | "stop")) => return pot_service(call, action),
        (console::NAME, action) => return console::service(call, action),
        ("newsyslog", "start") => return Ok(call.run("newsyslog", &[])),
        ("netif" | "routing" | "zfs" | "ipfw", _) => {
            return Err(Failure::new(1, format!("{name}: {action} is not simulated")));
        }
        _ => {}
    }
    match action.as_str() {
        "status" => {
            let state = call.machine.state()?;
            match state.running.services.get(service.name) {
                Some(pid) => {
                    call.say(format_args!("{name} is running as pid {pid}."));
                    Ok(0)
                }
                None => {
                    call.say(format_args!("{name} is not running."));
                    Ok(1)
                }
            }
        }
        "start" | "stop" | "restart" | "reload" => daemon(call, service, &action),
        other => {
            call.warn(format_args!("/etc/rc.d/{name}: unknown directive '{other}'."));
            call.warn(format_args!(
                "Usage: /etc/rc.d/{name} [fast|force|one|quiet](start|stop|restart|rcvar|enable|disable|delete|enabled|describe|extracommands|status|poll)"
            ));
            Ok(1)
        }
    }
}

fn describe(call: &mut Call, service: &Service, action: &str) -> Outcome {
    let machine = call.machine.clone();
    let enabled = is_yes(service_value(&machine, service.name, service.enable).as_deref());
    match action {
        "enabled" => return Ok(u8::from(!enabled)),
        "rcvar" => {
            call.say(format_args!(
                "# {}\n#\n{}=\"{}\"",
                service.name,
                service.enable,
                if enabled { "YES" } else { "NO" }
            ));
        }
        "enable" | "disable" => {
            let value = if action == "enable" { "YES" } else { "NO" };
            write_variable(&machine, "/etc/rc.conf", service.enable, Some(value))?;
            call.say(format_args!("{} {action}d in /etc/rc.conf", service.name));
        }
        _ => call.say(format_args!("{}: simulated service", service.name)),
    }
    Ok(0)
}

fn daemon(call: &mut Call, service: &Service, action: &str) -> Outcome {
    let machine = call.machine.clone();
    let name = service.name;
    let running = call.machine.state()?.running.services.get(name).copied();
    match (action, running) {
        ("start", Some(pid)) => {
            call.warn(format_args!("{name} already running? (pid={pid})."));
            return Ok(1);
        }
        ("stop" | "reload", None) => {
            call.warn(format_args!("{name} not running? (check /var/run/{name}.pid)."));
            return Ok(1);
        }
        ("reload", Some(_)) if !service.reload => {
            call.warn(format_args!("/etc/rc.d/{name}: unknown directive 'reload'."));
            return Ok(1);
        }
        _ => {}
    }
    if matches!(action, "stop" | "restart") {
        match running {
            Some(pid) => {
                call.say(format_args!("Stopping {name}."));
                call.say(format_args!("Waiting for PIDS: {pid}."));
            }
            None => call.say(format_args!("{name} not running? (check /var/run/{name}.pid).")),
        }
        call.machine.change(|state| state.running.services.remove(name))?;
    }
    if matches!(action, "start" | "restart") {
        call.say(format_args!("Starting {name}."));
        let flags = service_value(&machine, name, &format!("{name}_flags")).unwrap_or_default();
        let complaints = call.machine.change(|state| {
            let complaints = if name == "syslogd" { syslog::start(state, &machine, &flags) } else { Vec::new() };
            let pid = state.next_pid();
            state.running.services.insert(name.to_owned(), pid);
            complaints
        })?;
        for complaint in complaints {
            call.warn(complaint);
        }
    }
    if action == "reload" && name == "syslogd" {
        call.machine.change(|state| syslog::hang_up(state, &machine))?;
    }
    Ok(0)
}

/// rc.d/pf: start loads the module and the rules, and turns pf on even when the rules could not be loaded.
fn pf_service(call: &mut Call, action: &str) -> Outcome {
    let machine = call.machine.clone();
    let rules = service_value(&machine, "pf", "pf_rules").unwrap_or_else(|| "/etc/pf.conf".to_owned());
    match action {
        "start" => {
            call.run("kldload", &["-n", "pf"]);
            call.say("Enabling pf.");
            call.run_quietly("pfctl", &["-F", "all"]);
            call.run("pfctl", &["-f", &rules]);
            let on = call.machine.state()?.running.pf.enabled;
            if !on {
                call.run("pfctl", &["-eq"]);
            }
            Ok(0)
        }
        "stop" => {
            if call.machine.state()?.running.pf.enabled {
                call.say("Disabling pf.");
                call.run("pfctl", &["-dq"]);
            }
            Ok(0)
        }
        "restart" => {
            pf_service(call, "stop")?;
            pf_service(call, "start")
        }
        "reload" => {
            call.say("Reloading pf rules.");
            if call.run("pfctl", &["-n", "-f", &rules]) != 0 {
                return Ok(1);
            }
            Ok(call.run("pfctl", &["-f", &rules]))
        }
        "resync" => Ok(call.run("pfctl", &["-f", &rules])),
        "check" => {
            call.say("Checking pf rules.");
            Ok(call.run("pfctl", &["-n", "-f", &rules]))
        }
        "status" => {
            if !call.machine.state()?.has_module("pf") {
                return Err(Failure::new(1, "pf.ko is not loaded"));
            }
            call.run("pfctl", &["-s", "info"]);
            Ok(u8::from(!call.machine.state()?.running.pf.enabled))
        }
        _ => Err(Failure::new(1, format!("/etc/rc.d/pf: unknown directive '{action}'."))),
    }
}

fn pot_service(call: &mut Call, action: &str) -> Outcome {
    let machine = call.machine.clone();
    if action == "start" {
        let listed = value(&machine, "pot_list").unwrap_or_default();
        for pot in listed.split_whitespace() {
            call.run("pot", &["start", pot]);
        }
        return Ok(0);
    }
    let jails: Vec<String> = call.machine.state()?.running.jails.iter().map(|jail| jail.name.clone()).collect();
    for pot in jails {
        call.run("pot", &["stop", &pot]);
    }
    Ok(0)
}

/// What rc(8) does with the packet filter at boot: rules that cannot be loaded leave pf on with none at all.
pub(crate) fn boot_pf(state: &mut State, machine: &Machine) {
    if !is_yes(value(machine, "pf_enable").as_deref()) {
        return;
    }
    super::modules::load_module(state, machine, "pf");
    let rules = value(machine, "pf_rules").unwrap_or_else(|| "/etc/pf.conf".to_owned());
    if let Some(parsed) = pfctl::read_rules(machine, state, &rules, &[])
        && !parsed.failed
    {
        let loads = pfctl::load_anchors(machine, state, "", &parsed.loads, false);
        if !loads.failed {
            pfctl::apply(&mut state.running.pf, "", parsed, (true, true));
            state.running.pf.anchors.extend(loads.anchors);
        }
    }
    state.running.pf.enabled = true;
    state.running.pf.since = super::machine::now();
}
