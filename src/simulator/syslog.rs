//! The simulated syslogd(8), logger(1) and newsyslog(8): rules of syslog.conf(5) as of the last HUP, flags as of the last start.

use std::fs;
use std::io::Write as _;

use super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::machine::{Machine, now};
use super::state::{State, SyslogRule};

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

fn level_number(name: &str) -> Option<usize> {
    let name = match name.to_ascii_lowercase().as_str() {
        "panic" => "emerg".to_owned(),
        "error" => "err".to_owned(),
        "warn" => "warning".to_owned(),
        other => other.to_owned(),
    };
    LEVELS.iter().position(|known| *known == name)
}

fn facility_number(name: &str) -> Option<usize> {
    crate::facility::number(name).map(usize::from)
}

/// Reads syslog.conf with its includes into rules for files. Other actions (users, hosts, pipes) go nowhere here.
fn read_rules(machine: &Machine, flags: &str) -> Vec<SyslogRule> {
    let mut rules = Vec::new();
    let words: Vec<&str> = flags.split_whitespace().collect();
    let named = words.windows(2).rev().find_map(|pair| (pair.first() == Some(&"-f")).then(|| pair.get(1)).flatten());
    read_file(machine, named.copied().unwrap_or("/etc/syslog.conf"), &mut rules, 0);
    rules
}

fn read_file(machine: &Machine, path: &str, rules: &mut Vec<SyslogRule>, depth: usize) {
    let mut program = String::new();
    let mut host = String::new();
    for line in machine.text(path).lines() {
        let line = line.trim();
        // `#!prog` and `#+host` count as blocks, too; any other comment does not.
        let line = match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(['!', '+', '-']) => rest,
            Some(_) => continue,
            None => line,
        };
        if line.is_empty() {
            continue;
        }
        if let Some(block) = line.strip_prefix('!') {
            program = if block.trim() == "*" { String::new() } else { block.trim().to_owned() };
            continue;
        }
        if let Some(block) = line.strip_prefix(['+', '-']) {
            host = if block.trim() == "*" { String::new() } else { line.to_owned() };
            continue;
        }
        if let Some(folder) = line.strip_prefix("include").map(str::trim).filter(|folder| folder.starts_with('/')) {
            if depth > 4 {
                continue;
            }
            let mut files: Vec<String> = fs::read_dir(machine.path(folder))
                .map(|entries| {
                    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
                })
                .unwrap_or_default();
            files.sort();
            for file in files.iter().filter(|file| !file.starts_with('.')) {
                // As syslogd(8) has it: only names that end so, in just these letters.
                if std::path::Path::new(file).extension().is_none_or(|ending| ending != "conf") {
                    continue;
                }
                read_file(machine, &format!("{folder}/{file}"), rules, depth + 1);
            }
            continue;
        }
        let Some((selector, action)) = line.split_once([' ', '\t']) else { continue };
        let action = action.trim().trim_start_matches('-');
        if action.starts_with('/') {
            rules.push(SyslogRule {
                program: program.clone(),
                host: host.clone(),
                selector: selector.to_owned(),
                file: action.to_owned(),
            });
        }
    }
}

/// Starts syslogd: its flags, its rules. What it complains about is returned.
pub(crate) fn start(state: &mut State, machine: &Machine, flags: &str) -> Vec<String> {
    flags.clone_into(&mut state.running.syslogd.flags);
    let mut complaints = Vec::new();
    let words: Vec<&str> = flags.split_whitespace().collect();
    for pair in words.windows(2) {
        if let ["-b", address] = pair {
            let own = state
                .running
                .interfaces
                .iter()
                .any(|interface| interface.inet.iter().any(|inet| inet.address.to_string() == *address));
            if !own && address.parse::<std::net::Ipv4Addr>().is_ok() {
                complaints.push(format!("syslogd: bind: Can't assign requested address ({address}:514)"));
            }
        }
    }
    hang_up(state, machine);
    for complaint in &complaints {
        let text = complaint.trim_start_matches("syslogd: ");
        deliver(state, machine, "syslog", "err", "syslogd", None, text);
    }
    complaints
}

/// SIGHUP: the rules are read anew. A log file that does not exist is not made, its rule is idle until the next time.
pub(crate) fn hang_up(state: &mut State, machine: &Machine) {
    let creates = state.running.syslogd.flags.split_whitespace().any(|flag| flag == "-C");
    let mut rules = read_rules(machine, &state.running.syslogd.flags);
    rules.retain(|rule| {
        let path = machine.path(&rule.file);
        if creates && !path.exists() {
            let _ = fs::write(&path, "");
        }
        path.is_file() || rule.file == "/dev/console"
    });
    state.running.syslogd.rules = rules;
}

fn selects(selector: &str, facility: &str, level: usize) -> bool {
    let mut selected = false;
    for part in selector.split(';') {
        let Some((facilities, levels)) = part.rsplit_once('.') else { continue };
        if !facilities.split(',').any(|name| name == "*" || name.eq_ignore_ascii_case(facility)) {
            continue;
        }
        let comparison: String = levels.chars().take_while(|c| matches!(c, '!' | '<' | '=' | '>')).collect();
        let name = levels.get(comparison.len()..).unwrap_or_default();
        if name == "none" {
            selected = false;
            continue;
        }
        let matched = if name == "*" {
            true
        } else {
            let Some(limit) = level_number(name) else { continue };
            let operators = comparison.trim_start_matches('!');
            let operators = if operators.is_empty() { ">=" } else { operators };
            // A smaller number is a graver level.
            let hit = operators.contains('=') && level == limit
                || operators.contains('>') && level < limit
                || operators.contains('<') && level > limit;
            hit != comparison.starts_with('!')
        };
        selected = matched;
    }
    selected
}

/// Writes a message to the logs that the rules of the running syslogd choose.
pub(crate) fn deliver(
    state: &State,
    machine: &Machine,
    facility: &str,
    level: &str,
    tag: &str,
    pid: Option<u32>,
    text: &str,
) {
    let syslogd = &state.running.syslogd;
    let Some(level_at) = level_number(level) else { return };
    let hostname = state.running.sysctls.get("kern.hostname").map_or("localhost", String::as_str);
    let short = hostname.split('.').next().unwrap_or_default();
    let flags: Vec<&str> = syslogd.flags.split_whitespace().collect();
    let rfc5424 = flags.windows(2).any(|pair| matches!(pair, ["-O", "rfc5424" | "syslog"]));
    let when = super::clock::now();
    let line = if rfc5424 {
        let number = facility_number(facility).unwrap_or(1) * 8 + level_at;
        let pid = pid.map_or("-".to_owned(), |pid| pid.to_string());
        format!("<{number}>1 {} {hostname} {tag} {pid} - - {text}\n", when.strftime("%Y-%m-%dT%H:%M:%S.%6f%:z"))
    } else {
        let shown = if flags.contains(&"-vv") || flags.iter().filter(|flag| **flag == "-v").count() > 1 {
            format!(" <{facility}.{level}>")
        } else if flags.contains(&"-v") {
            format!(" <{}.{level_at}>", facility_number(facility).unwrap_or(1))
        } else {
            String::new()
        };
        let pid = pid.map_or(String::new(), |pid| format!("[{pid}]"));
        format!("{}{shown} {short} {tag}{pid}: {text}\n", when.strftime("%b %e %H:%M:%S"))
    };
    for rule in &syslogd.rules {
        let program_fits = rule.program.is_empty()
            || rule.program.strip_prefix('-').map_or_else(
                || rule.program.trim_start_matches('+').split(',').any(|known| known == tag),
                |excluded| excluded.split(',').all(|known| known != tag),
            );
        let host_fits = match (rule.host.strip_prefix('+'), rule.host.strip_prefix('-')) {
            (Some(names), _) => names.split(',').any(|name| name == "@" || name == short || name == hostname),
            (_, Some(names)) => names.split(',').all(|name| name != "@" && name != short && name != hostname),
            _ => true,
        };
        if program_fits && host_fits && selects(&rule.selector, facility, level_at) {
            let file = fs::OpenOptions::new().append(true).open(machine.path(&rule.file));
            if let Ok(mut file) = file {
                let _ = file.write_all(line.as_bytes());
            }
        }
    }
}

pub(crate) fn logger(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let usage = "usage: logger [-46Ais] [-f file] [-h host] [-P port] [-p pri] [-t tag]\n              [-S addr:port] [message ...]";
    let (flags, words) = match getopt(&args, "46Af:h:H:iP:p:S:st:") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("logger");
            call.warn(text);
            call.warn(usage);
            return Ok(1);
        }
    };
    let priority = value_of(&flags, 'p').unwrap_or("user.notice");
    let (facility, level) = priority.split_once('.').unwrap_or(("user", priority));
    if facility_number(facility).is_none() {
        return Err(Failure::new(1, format!("logger: unknown facility name: {facility}")));
    }
    if level_number(level).is_none() {
        return Err(Failure::new(1, format!("logger: unknown priority name: {level}")));
    }
    let tag = value_of(&flags, 't').unwrap_or("root").to_owned();
    let lines: Vec<String> = if words.is_empty() {
        match value_of(&flags, 'f') {
            Some(file) => call.machine.text(file).lines().map(str::to_owned).collect(),
            None => Call::stdin().lines().map(str::to_owned).collect(),
        }
    } else {
        vec![words.join(" ")]
    };
    let state = call.machine.state()?;
    for line in lines {
        if has(&flags, 's') {
            call.warn(format_args!("{tag}: {line}"));
        }
        // Nobody reads /var/run/log while syslogd is down; logger does not complain.
        if state.running.services.contains_key("syslogd") {
            deliver(&state, &call.machine, facility, level, &tag, Some(std::process::id()), &line);
        }
    }
    Ok(0)
}

/// Rotates what newsyslog.conf(5) names and what has grown over its size; a HUP for syslogd after it.
pub(crate) fn newsyslog(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, only) = match getopt(&args, "a:Cd:f:FnNPR:rsS:t:v") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("newsyslog");
            call.warn(text);
            call.warn("usage: newsyslog [-CFNPnrsv] [-a directory] [-d directory] [-f config_file]\n                 [-S pidfile] [-t timefmt] [[-R tagname] file ...]");
            return Ok(1);
        }
    };
    let machine = call.machine.clone();
    let mut texts = vec![machine.text(value_of(&flags, 'f').unwrap_or("/etc/newsyslog.conf"))];
    for folder in ["/etc/newsyslog.conf.d", "/usr/local/etc/newsyslog.conf.d"] {
        let mut files: Vec<_> = fs::read_dir(machine.path(folder))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.sort();
        texts.extend(
            files
                .iter()
                .filter(|file| file.extension().is_some_and(|end| end == "conf"))
                .filter_map(|file| fs::read_to_string(file).ok()),
        );
    }
    let mut rotated = false;
    for line in texts.iter().flat_map(|text| text.lines()) {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let [file, rest @ ..] = words.as_slice() else { continue };
        if !file.starts_with('/') || !only.is_empty() && !only.iter().any(|wanted| wanted == file) {
            continue;
        }
        // owner:group is optional and stands before the mode.
        let rest =
            if rest.first().is_some_and(|word| word.contains(':')) { rest.get(1..).unwrap_or_default() } else { rest };
        let [_mode, count, size, when, marks @ ..] = rest else { continue };
        let keep: u32 = count.parse().unwrap_or(5);
        let marks = marks.first().copied().unwrap_or_default();
        let path = machine.path(file);
        let length = fs::metadata(&path).map(|meta| meta.len() / 1024).ok();
        if length.is_none() && has(&flags, 'C') && marks.contains('C') {
            fs::write(&path, "")?;
            rotated = true;
        }
        let Some(length) = length else { continue };
        let over = size.parse::<u64>().is_ok_and(|size| length >= size);
        if !(has(&flags, 'F') || over && *when == "*" || over && size != &"*") || has(&flags, 'n') {
            continue;
        }
        let ending = if marks.contains('J') {
            ".bz2"
        } else if marks.contains('Z') {
            ".gz"
        } else {
            ""
        };
        for number in (0..keep).rev() {
            let old = machine.path(format!("{file}.{number}{ending}"));
            if old.exists() {
                if number + 1 >= keep {
                    fs::remove_file(&old)?;
                } else {
                    fs::rename(&old, machine.path(format!("{file}.{}{ending}", number + 1)))?;
                }
            }
        }
        let bytes = fs::read(&path)?;
        fs::write(machine.path(format!("{file}.0{ending}")), compressed(&bytes, ending)?)?;
        let short = machine.state()?.running.sysctls.get("kern.hostname").cloned().unwrap_or_default();
        let short = short.split('.').next().unwrap_or_default().to_owned();
        let stamp = super::clock::at(now()).strftime("%b %e %H:%M:%S").to_string();
        let reason = if has(&flags, 'F') { String::new() } else { format!(" due to size>{size}K") };
        fs::write(&path, format!("{stamp} {short} newsyslog[{}]: logfile turned over{reason}\n", std::process::id()))?;
        rotated = true;
    }
    if rotated {
        machine.change(|state| {
            if state.running.services.contains_key("syslogd") {
                hang_up(state, &machine);
            }
        })?;
    }
    Ok(0)
}

/// Packs bytes as the file name's ending says.
pub(crate) fn compressed(bytes: &[u8], ending: &str) -> std::io::Result<Vec<u8>> {
    match ending {
        ".bz2" => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        _ => Ok(bytes.to_vec()),
    }
}
