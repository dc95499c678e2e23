//! Small simulated tools: getent(1), pw(8), chflags(1), lockf(1), sendmail(8) and the like.

use std::fs;

use super::call::{Call, Failure, Outcome, getopt, has, value_of};

pub(crate) fn getent(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let [database, keys @ ..] = args.as_slice() else {
        call.warn("usage: getent database [key ...]\nAvailable databases: ethers group hosts networks netgroup passwd protocols rpc services shells utmpx");
        return Ok(1);
    };
    let file = match database.as_str() {
        "group" => "/etc/group",
        "passwd" => "/etc/passwd",
        "hosts" => "/etc/hosts",
        "shells" => "/etc/shells",
        "services" => "/etc/services",
        other => {
            call.warn(format_args!("getent: Unknown database `{other}'"));
            return Ok(1);
        }
    };
    let text = call.machine.text(file);
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty()).collect();
    if keys.is_empty() {
        for line in lines {
            call.say(if file == "/etc/group" { line.strip_suffix(':').unwrap_or(line) } else { line });
        }
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let found = lines.iter().find(|line| match file {
            "/etc/hosts" => line.split_whitespace().any(|word| word == key),
            _ => {
                let mut fields = line.split(':');
                fields.next() == Some(key) || fields.nth(1) == Some(key)
            }
        });
        match found {
            // A group without members is printed without the colon before them.
            Some(line) if file == "/etc/group" => call.say(line.strip_suffix(':').unwrap_or(line)),
            Some(line) => call.say(line),
            None => status = 2,
        }
    }
    Ok(status)
}

pub(crate) fn pw(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let usage = "usage:\n  pw [user|group|lock|unlock] [add|del|mod|show|next] [help|switches/values]";
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (what, rest) = match words.as_slice() {
        ["group" | "user", verb, rest @ ..] => (format!("{}{verb}", words.first().copied().unwrap_or_default()), rest),
        [joined, rest @ ..] => ((*joined).to_owned(), rest),
        [] => return Err(Failure::new(64, usage)),
    };
    let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
    let mut operands = rest.clone();
    let name = match operands.first() {
        Some(first) if !first.starts_with('-') => operands.remove(0),
        _ => String::new(),
    };
    let (flags, more) =
        getopt(&operands, "qNn:g:M:m:d:oC:u:c:s:h:G:b:L:w:k:").map_err(|error| Failure::new(64, error.text("pw")))?;
    let name = value_of(&flags, 'n')
        .map(str::to_owned)
        .or_else(|| (!name.is_empty()).then_some(name))
        .or_else(|| more.first().cloned());
    let machine = call.machine.clone();
    let group = |name: &str| line_of(&machine.text("/etc/group"), name);
    let user = |name: &str| line_of(&machine.text("/etc/passwd"), name);
    match what.as_str() {
        "groupadd" => {
            let Some(name) = name else { return Err(Failure::new(65, "pw: group name required")) };
            valid_name(&name)?;
            if group(&name).is_some() {
                return Err(Failure::new(65, format!("pw: group name `{name}' already exists")));
            }
            let number = match value_of(&flags, 'g') {
                Some(text) => text.parse().map_err(|_| Failure::new(65, format!("pw: Bad id '{text}': invalid")))?,
                None => free_number(&machine.text("/etc/group")),
            };
            add_group(call, &name, number, value_of(&flags, 'M').unwrap_or_default())
        }
        "groupshow" => shown(call, name.as_deref().and_then(group), 65, "unknown group", name.as_deref()),
        "groupdel" => {
            let Some(name) = name.clone().filter(|name| group(name).is_some()) else {
                return shown(call, None, 65, "unknown group", name.as_deref());
            };
            without_line(call, "/etc/group", &name)
        }
        "useradd" => {
            let Some(name) = name else { return Err(Failure::new(65, "pw: user name or id required")) };
            valid_name(&name)?;
            if user(&name).is_some() {
                return Err(Failure::new(65, format!("pw: login name `{name}' already exists")));
            }
            let users = machine.text("/etc/passwd");
            let uid = match value_of(&flags, 'u') {
                Some(text) => text.parse().map_err(|_| Failure::new(65, format!("pw: Bad id '{text}': invalid")))?,
                None => free_number(&users),
            };
            let number_of = |line: String| line.split(':').nth(2).and_then(|number| number.parse::<u32>().ok());
            let gid = match value_of(&flags, 'g') {
                Some(wanted) => match group(wanted).and_then(number_of) {
                    Some(gid) => gid,
                    None => return Err(Failure::new(65, format!("pw: Bad id '{wanted}': invalid"))),
                },
                // A group of the user's name is used, or made with the user's number where that is free.
                None => match group(&name).and_then(number_of) {
                    Some(gid) => gid,
                    None => {
                        let groups = machine.text("/etc/group");
                        let taken = numbers(&groups).any(|number| number == uid);
                        let gid = if taken { free_number(&groups) } else { uid };
                        add_group(call, &name, gid, "")?;
                        gid
                    }
                },
            };
            let home = value_of(&flags, 'd').map_or_else(|| format!("/home/{name}"), str::to_owned);
            let shell = value_of(&flags, 's').unwrap_or("/bin/sh");
            let gecos = value_of(&flags, 'c').unwrap_or("User &");
            super::rc::refuse_immutable(call, "/etc/passwd")?;
            let line = format!("{name}:*:{uid}:{gid}:{gecos}:{home}:{shell}\n");
            machine.replace("/etc/passwd", format!("{users}{line}").as_bytes())?;
            Ok(0)
        }
        "usershow" => shown(call, name.as_deref().and_then(user), 67, "no such user", name.as_deref()),
        "userdel" => {
            let Some((name, line)) = name.clone().and_then(|name| Some((name.clone(), user(&name)?))) else {
                return shown(call, None, 67, "no such user", name.as_deref());
            };
            if name == "root" {
                return Err(Failure::new(65, "pw: cannot remove user 'root'"));
            }
            without_line(call, "/etc/passwd", &name)?;
            // The group of the user's name goes with it when it is the user's own and has no members.
            let own = group(&name).is_some_and(|group| {
                let fields: Vec<&str> = group.split(':').collect();
                fields.get(2) == line.split(':').collect::<Vec<_>>().get(3)
                    && fields.get(3).is_none_or(|members| members.is_empty())
            });
            if own { without_line(call, "/etc/group", &name) } else { Ok(0) }
        }
        _ => Err(Failure::new(64, usage)),
    }
}

/// The line of `/etc/passwd` or `/etc/group` for a name.
fn line_of(text: &str, name: &str) -> Option<String> {
    text.lines().find(|line| line.split(':').next() == Some(name)).map(str::to_owned)
}

/// The numbers that are taken.
fn numbers(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok())
}

fn free_number(text: &str) -> u32 {
    (1001..32_000).find(|number| !numbers(text).any(|taken| taken == *number)).unwrap_or(32_000)
}

/// What pw(8) takes for a name of a user or group (`pw_checkname`).
fn valid_name(name: &str) -> Result<(), Failure> {
    let bad = |c: char| " ,\t:+&#%$^()!@~*?<>=|\\/\";".contains(c) || c.is_control() || !c.is_ascii();
    let at = if name.starts_with('-') { Some((0, '-')) } else { name.char_indices().find(|(_, c)| bad(*c)) };
    match at {
        Some((at, c)) => {
            Err(Failure::new(65, format!("pw: invalid character `{c}' at position {at} in userid/group name")))
        }
        None if name.len() > 32 => Err(Failure::new(64, format!("pw: name too long `{name}' (max is 32)"))),
        None => Ok(()),
    }
}

fn add_group(call: &Call, name: &str, number: u32, members: &str) -> Outcome {
    super::rc::refuse_immutable(call, "/etc/group")?;
    let text = call.machine.text("/etc/group");
    call.machine.replace("/etc/group", format!("{text}{name}:*:{number}:{members}\n").as_bytes())?;
    Ok(0)
}

fn without_line(call: &Call, file: &str, name: &str) -> Outcome {
    super::rc::refuse_immutable(call, file)?;
    let text = call.machine.text(file);
    let left: String = text.split_inclusive('\n').filter(|line| line.split(':').next() != Some(name)).collect();
    call.machine.replace(file, left.as_bytes())?;
    Ok(0)
}

/// A line that was found, or pw's words for one that is not there.
fn shown(call: &mut Call, line: Option<String>, status: u8, words: &str, name: Option<&str>) -> Outcome {
    match line {
        Some(line) => {
            call.say(line);
            Ok(0)
        }
        None => Err(Failure::new(status, format!("pw: {words} `{}'", name.unwrap_or_default()))),
    }
}

pub(crate) fn chflags(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (_, rest) = getopt(&args, "fhHLPRvx").map_err(|error| Failure::new(1, error.text("chflags")))?;
    let [words, files @ ..] = rest else {
        return Err(Failure::new(1, "usage: chflags [-fhvx] [-R [-H | -L | -P]] flags file ..."));
    };
    for file in files {
        if !call.machine.path(file).exists() {
            return Err(Failure::new(1, format!("chflags: {file}: No such file or directory")));
        }
        let result = call.machine.change(|state| -> Outcome {
            let level: i32 =
                state.running.sysctls.get("kern.securelevel").and_then(|text| text.parse().ok()).unwrap_or(-1);
            let flags = state.kept.file_flags.entry(file.clone()).or_default();
            for word in words.split(',') {
                match word.strip_prefix("no") {
                    Some(flag) => {
                        if level > 0 && matches!(flag, "schg" | "sappnd") && flags.contains(flag) {
                            return Err(Failure::new(1, format!("chflags: {file}: Operation not permitted")));
                        }
                        flags.remove(flag);
                    }
                    None if word == "0" => flags.clear(),
                    None => {
                        flags.insert(word.to_owned());
                    }
                }
            }
            Ok(0)
        })?;
        result?;
    }
    Ok(0)
}

/// Runs a command while holding a lock on a file.
pub(crate) fn lockf(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, rest) = getopt(&args, "knpst:Tw").map_err(|error| Failure::new(64, error.text("lockf")))?;
    let [file, command, arguments @ ..] = rest else {
        return Err(Failure::new(64, "usage: lockf [-knsw] [-t seconds] file command [arguments]"));
    };
    let path = call.machine.path(file);
    let lock = fs::OpenOptions::new().create(!has(&flags, 'n')).truncate(false).write(true).open(&path);
    let lock = lock.map_err(|error| Failure::new(69, format!("lockf: cannot open {file}: {error}")))?;
    let kind = if value_of(&flags, 't') == Some("0") {
        nix::fcntl::FlockArg::LockExclusiveNonblock
    } else {
        nix::fcntl::FlockArg::LockExclusive
    };
    let Ok(lock) = nix::fcntl::Flock::lock(lock, kind) else {
        return Err(Failure::new(
            75,
            if has(&flags, 's') { String::new() } else { format!("lockf: {file}: already locked") },
        ));
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let status = if call.which(command).is_some() {
        call.run(command, &arguments)
    } else {
        call.warn(format_args!("lockf: {command}: No such file or directory"));
        1
    };
    drop(lock);
    if !has(&flags, 'k') {
        let _ = fs::remove_file(path);
    }
    Ok(status)
}

/// Takes a mail and keeps it in the root's spool: nothing leaves the machine.
pub(crate) fn sendmail(call: &mut Call) -> Outcome {
    let text = Call::stdin();
    let stamp = format!("{}-{}", super::machine::now(), std::process::id());
    let recipients: Vec<&str> = call.args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    let header = format!("X-Envelope-To: {}\n", recipients.join(", "));
    call.machine.write(&format!("/var/spool/simulated-mail/{stamp}.eml"), &format!("{header}{text}"))?;
    Ok(0)
}

pub(crate) fn yes_man(_: &mut Call) -> Outcome {
    Ok(0)
}

/// mount(8) without arguments: what is mounted. Anything else is taken as done.
pub(crate) fn mount(call: &mut Call) -> Outcome {
    if !call.args.is_empty() {
        return Ok(0);
    }
    for dataset in call.machine.state()?.kept.datasets {
        if let Some(at) = dataset.mounted_at {
            call.say(format_args!("{} on {at} (zfs, local, nfsv4acls)", dataset.name));
        }
    }
    Ok(0)
}

/// What RACCT counts, in rctl's order.
const RESOURCES: [&str; 25] = [
    "cputime",
    "datasize",
    "stacksize",
    "coredumpsize",
    "memoryuse",
    "memorylocked",
    "maxproc",
    "openfiles",
    "vmemoryuse",
    "pseudoterminals",
    "swapuse",
    "nthr",
    "msgqqueued",
    "msgqsize",
    "nmsgq",
    "nsem",
    "nsemop",
    "nshm",
    "shmsize",
    "wallclock",
    "pcpu",
    "readbps",
    "writebps",
    "readiops",
    "writeiops",
];

/// rctl(8) for `-hu jail:NAME`; limits are taken as set.
pub(crate) fn rctl(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, rest) = getopt(&args, "a:dhl:nr:u:").map_err(|error| Failure::new(1, error.text("rctl")))?;
    let state = call.machine.state()?;
    if state.running.sysctls.get("kern.racct.enable").is_none_or(|value| value != "1") {
        return Err(Failure::new(
            1,
            "rctl: RACCT/RCTL present, but disabled; enable using kern.racct.enable=1 tunable",
        ));
    }
    let subject = value_of(&flags, 'u').or(rest.first().map(String::as_str)).unwrap_or_default();
    let Some(name) = subject.strip_prefix("jail:") else { return Ok(0) };
    if value_of(&flags, 'u').is_none() {
        // Rules of a subject: there are none.
        return Ok(0);
    }
    let Some(jail) = state.running.jails.iter().find(|jail| jail.name == name) else {
        // RACCT answers for a jail that it does not know, too: with nothing used.
        for resource in RESOURCES {
            call.say(format_args!("{resource}=0"));
        }
        return Ok(0);
    };
    let megabytes = 24 + u64::from(jail.jid) * 37 % 400;
    for (resource, value) in [("memoryuse", megabytes), ("vmemoryuse", megabytes * 3)] {
        let bytes = value * 1024 * 1024;
        let shown = if has(&flags, 'h') { super::datasets::human(bytes) } else { bytes.to_string() };
        call.say(format_args!("{resource}={shown}"));
    }
    Ok(0)
}
