//! Simulated pkg(8): query, info, install, delete; not bootstrapped, locked, offline, or wanting more than asked.

use std::collections::BTreeSet;

use super::call::{Call, Failure, Outcome, getopt, has};
use super::faults::Fault;
use super::scenario;
use super::state::{Package, State};

pub(crate) fn pkg(call: &mut Call) -> Outcome {
    let mut args = std::mem::take(&mut call.args);
    let mut assume_yes = std::env::var("ASSUME_ALWAYS_YES").is_ok_and(|value| value.eq_ignore_ascii_case("yes"));
    let mut only_if_there = false;
    while let Some(arg) = args.first().filter(|arg| arg.starts_with('-')).cloned() {
        args.remove(0);
        match arg.as_str() {
            "-v" | "--version" => {
                call.say("2.2.1");
                return Ok(0);
            }
            "-N" => only_if_there = true,
            "-y" => assume_yes = true,
            "-o" | "-R" | "-C" | "-j" | "-r" | "-c" if !args.is_empty() => {
                args.remove(0);
            }
            _ => {}
        }
    }
    let state = call.machine.state()?;
    let bootstrapped = state.kept.packages.bootstrapped && !state.faults.contains(&Fault::PkgNotBootstrapped);
    if only_if_there {
        if bootstrapped {
            call.warn(format_args!("pkg: {} packages installed", state.kept.packages.installed.len()));
            return Ok(0);
        }
        return Err(Failure::new(1, "pkg: pkg is not installed"));
    }
    let Some((subcommand, rest)) = args.split_first() else {
        call.warn("usage: pkg [-v] [-d] [-l] [-N] [-j <jail name or id>|-c <chroot path>|-r <rootdir>] [-C <configuration file>] [-R <repo config dir>] [-o var=value] [-4|-6] <command> [<args>]");
        return Ok(64);
    };
    if !bootstrapped {
        let yes = assume_yes || rest.iter().any(|arg| arg == "-y" || arg == "-fy");
        if subcommand != "bootstrap" && !yes {
            call.say("The package management tool is not yet installed on your system.");
            call.say("Do you want to fetch and install it now? [y/N]: ");
            return Ok(1);
        }
        if state.faults.contains(&Fault::PkgOffline) {
            call.say("Bootstrapping pkg from pkg+https://pkg.FreeBSD.org/FreeBSD:14:amd64/quarterly, please wait...");
            return Err(Failure::new(
                1,
                "pkg: Error fetching https://pkg.FreeBSD.org/FreeBSD:14:amd64/quarterly/Latest/pkg.pkg: Transient resolver failure\nA pre-built version of pkg could not be found for your system.",
            ));
        }
        call.say("Bootstrapping pkg from pkg+https://pkg.FreeBSD.org/FreeBSD:14:amd64/quarterly, please wait...");
        call.machine.change(|state| {
            state.kept.packages.bootstrapped = true;
            state.faults.retain(|fault| *fault != Fault::PkgNotBootstrapped);
        })?;
        if subcommand == "bootstrap" {
            return Ok(0);
        }
    }
    let rest = rest.to_vec();
    let state = call.machine.state()?;
    match subcommand.as_str() {
        "query" => query(call, &state.kept.packages.installed, &rest),
        "rquery" => query(call, &state.kept.packages.available, &rest),
        "info" => info(call, &state, &rest),
        "version" => {
            for (name, package) in &state.kept.packages.installed {
                call.say(format_args!("{:<34} =", format!("{name}-{}", package.version)));
            }
            Ok(0)
        }
        "update" | "install" | "upgrade" => change(call, &state, subcommand, &rest, assume_yes),
        "delete" | "remove" => delete(call, &state, &rest, assume_yes),
        "bootstrap" => {
            call.say("pkg already bootstrapped at /usr/local/sbin/pkg");
            Ok(0)
        }
        "-v" => Ok(0),
        "lock" | "unlock" | "audit" | "clean" | "autoremove" | "check" | "search" | "which" | "stats" | "repos" => {
            Err(Failure::new(1, format!("pkg: {subcommand} is not simulated")))
        }
        other => {
            call.warn(format_args!("pkg: unknown command: {other}"));
            call.warn("usage: pkg [-v] [-d] [-l] [-N] <command> [<args>]");
            Ok(64)
        }
    }
}

fn query(call: &mut Call, from: &std::collections::BTreeMap<String, Package>, args: &[String]) -> Outcome {
    let (_, rest) = getopt(args, "aegixF:r:U").map_err(|error| Failure::new(64, error.text("pkg")))?;
    let [format, names @ ..] = rest else {
        return Err(Failure::new(
            64,
            "Usage: pkg query <query-format> <pkg-name>\n       pkg query [-a] <query-format>",
        ));
    };
    let mut found = false;
    for (name, package) in from {
        let wanted = names.is_empty()
            || names.iter().any(|known| known == name || *known == format!("{name}-{}", package.version));
        if !wanted {
            continue;
        }
        found = true;
        let origin = format!("{}/{name}", category(name));
        let line = format
            .replace("%n", name)
            .replace("%v", &package.version)
            .replace("%c", &package.comment)
            .replace("%o", &origin)
            .replace("%a", if package.automatic { "1" } else { "0" })
            .replace("%sb", &package.size.to_string())
            .replace("%sh", &super::datasets::human(package.size))
            .replace("%k", "0")
            .replace("\\t", "\t")
            .replace("\\n", "\n");
        call.say(line);
    }
    Ok(u8::from(!found))
}

fn category(name: &str) -> &'static str {
    match name {
        "pot" | "potnet" => "sysutils",
        "pkg" => "ports-mgmt",
        "sudo" => "security",
        _ => "sysutils",
    }
}

fn info(call: &mut Call, state: &State, args: &[String]) -> Outcome {
    let (flags, names) =
        getopt(args, "AaeDdEfgiIklopqRrsxOF:B").map_err(|error| Failure::new(64, error.text("pkg")))?;
    let installed = &state.kept.packages.installed;
    if names.is_empty() {
        for (name, package) in installed {
            call.say(format_args!("{:<30} {}", format!("{name}-{}", package.version), package.comment));
        }
        return Ok(0);
    }
    let mut status = 0;
    for wanted in names {
        let found = installed
            .iter()
            .find(|(name, package)| *name == wanted || format!("{name}-{}", package.version) == *wanted);
        match found {
            Some(_) if has(&flags, 'e') => {}
            Some((name, package)) if has(&flags, 'q') => call.say(format_args!("{name}-{}", package.version)),
            Some((name, package)) => {
                call.say(format_args!("{name}-{}", package.version));
                call.say(format_args!("{:<15}: {name}\n{:<15}: {}", "Name", "Version", package.version));
                call.say(format_args!(
                    "{:<15}: {}/{name}\n{:<15}: {}",
                    "Origin",
                    category(name),
                    "Comment",
                    package.comment
                ));
                call.say(format_args!("{:<15}: {}", "Flat size", super::datasets::human(package.size)));
            }
            None => {
                if !has(&flags, 'e') {
                    call.warn(format_args!("pkg: No package(s) matching {wanted}"));
                }
                status = 1;
            }
        }
    }
    Ok(status)
}

fn lock_or_network(call: &mut Call, state: &State) -> Result<(), Failure> {
    if state.faults.contains(&Fault::PkgLocked) {
        return Err(Failure::new(
            75,
            "pkg: Cannot get an exclusive lock on a database, it is locked by another process",
        ));
    }
    call.say("Updating FreeBSD repository catalogue...");
    if state.faults.contains(&Fault::PkgOffline) {
        call.warn("pkg: https://pkg.FreeBSD.org/FreeBSD:14:amd64/quarterly/meta.txz: Transient resolver failure");
        call.say("repository FreeBSD has no meta file, using default settings");
        call.warn(
            "pkg: https://pkg.FreeBSD.org/FreeBSD:14:amd64/quarterly/packagesite.txz: Transient resolver failure",
        );
        call.warn("Unable to update repository FreeBSD");
        return Err(Failure::new(1, "Error updating repositories!"));
    }
    call.say("FreeBSD repository is up to date.");
    call.say("All repositories are up to date.");
    Ok(())
}

/// What is missing of a package and all that it needs.
fn closure(state: &State, wanted: &[String]) -> Result<BTreeSet<String>, Failure> {
    let packages = &state.kept.packages;
    let mut missing = BTreeSet::new();
    let mut waiting: Vec<String> = wanted.to_vec();
    while let Some(name) = waiting.pop() {
        if packages.installed.contains_key(&name) || missing.contains(&name) {
            continue;
        }
        let Some(package) = packages.available.get(&name) else {
            return Err(Failure::new(
                70,
                format!("pkg: No packages available to install matching '{name}' have been found in the repositories"),
            ));
        };
        waiting.extend(package.depends.iter().cloned());
        missing.insert(name);
    }
    Ok(missing)
}

fn change(call: &mut Call, state: &State, subcommand: &str, args: &[String], assume_yes: bool) -> Outcome {
    let (flags, names) = getopt(args, "AfgIiMnqr:RUyFCx").map_err(|error| Failure::new(64, error.text("pkg")))?;
    if subcommand == "install" && names.is_empty() {
        return Err(Failure::new(64, "Usage: pkg install [-AfInFMqRUy] [-r reponame] <[name|origin]...>"));
    }
    lock_or_network(call, state)?;
    if subcommand != "install" {
        call.say("Checking for upgrades: 100%\nYour packages are up to date.");
        return Ok(0);
    }
    let missing = closure(state, names)?;
    let more = state.faults.contains(&Fault::PkgWantsMore) && !missing.is_empty();
    if missing.is_empty() {
        call.say("Checking integrity... done (0 conflicting)");
        call.say("The most recent versions of packages are already installed");
        return Ok(0);
    }
    let count = missing.len() + if more { 2 } else { 0 };
    call.say(format_args!("The following {count} package(s) will be affected (of 0 checked):\n"));
    if more {
        call.say("Installed packages to be REMOVED:\n\tsudo: 1.9.16p2\n");
    }
    call.say("New packages to be INSTALLED:");
    for name in &missing {
        if let Some(package) = state.kept.packages.available.get(name) {
            call.say(format_args!("\t{name}: {} [FreeBSD]", package.version));
        }
    }
    if more {
        call.say("\nInstalled packages to be UPGRADED:\n\tpkg: 2.2.1 -> 2.2.2 [FreeBSD]");
        call.say("\nNumber of packages to be removed: 1");
    }
    call.say(format_args!("\nNumber of packages to be installed: {}", missing.len()));
    if more {
        call.say("Number of packages to be upgraded: 1");
    }
    let size: u64 =
        missing.iter().filter_map(|name| state.kept.packages.available.get(name)).map(|package| package.size).sum();
    let mebibytes = |bytes: u64| bytes.div_ceil(1024 * 1024);
    call.say(format_args!("\nThe process will require {} MiB more space.", mebibytes(size)));
    call.say(format_args!("{} MiB to be downloaded.", mebibytes(size / 4)));
    if has(&flags, 'n') {
        // As with the real pkg: with -n there is something to do, so the status is not 0.
        return Ok(1);
    }
    if !has(&flags, 'y') && !assume_yes {
        call.say("\nProceed with this action? [y/N]: ");
        return Ok(1);
    }
    let names = names.to_vec();
    let machine = call.machine.clone();
    for (at, name) in missing.iter().enumerate() {
        let Some(package) = state.kept.packages.available.get(name) else { continue };
        call.say(format_args!(
            "[{}/{}] Fetching {name}-{}.pkg: .......... done",
            at + 1,
            missing.len(),
            package.version
        ));
        call.flush();
    }
    call.say("Checking integrity... done (0 conflicting)");
    for (at, name) in missing.iter().enumerate() {
        let Some(package) = state.kept.packages.available.get(name) else { continue };
        call.say(format_args!("[{}/{}] Installing {name}-{}...", at + 1, missing.len(), package.version));
        call.flush();
        if name == "pot" {
            // The port's users: the package brings its group along.
            scenario::install_pot_files(&machine)?;
            call.say("===> Creating groups\nCreating group 'pot' with gid '478'");
        }
        if name == "potnet" {
            scenario::install_potnet(&machine)?;
        }
        call.say(format_args!("[{}/{}] Extracting {name}-{}: .......... done", at + 1, missing.len(), package.version));
    }
    call.machine.change(|state| {
        for name in &missing {
            if let Some(mut package) = state.kept.packages.available.get(name).cloned() {
                package.automatic = !names.contains(name);
                state.kept.packages.installed.insert(name.clone(), package);
            }
        }
        if more {
            state.kept.packages.installed.remove("sudo");
        }
    })?;
    Ok(0)
}

fn delete(call: &mut Call, state: &State, args: &[String], assume_yes: bool) -> Outcome {
    let (flags, names) = getopt(args, "aDfginqRxy").map_err(|error| Failure::new(64, error.text("pkg")))?;
    if state.faults.contains(&Fault::PkgLocked) {
        return Err(Failure::new(
            75,
            "pkg: Cannot get an exclusive lock on a database, it is locked by another process",
        ));
    }
    let known: Vec<String> =
        names.iter().filter(|name| state.kept.packages.installed.contains_key(*name)).cloned().collect();
    if known.is_empty() {
        return Err(Failure::new(1, "pkg: No packages matched for pattern"));
    }
    call.say("Installed packages to be REMOVED:");
    for name in &known {
        call.say(format_args!("\t{name}"));
    }
    if has(&flags, 'n') || !(has(&flags, 'y') || assume_yes) {
        return Ok(1);
    }
    let machine = call.machine.clone();
    for name in &known {
        if name == "pot" {
            scenario::remove_pot_files(&machine);
        }
    }
    call.machine.change(|state| state.kept.packages.installed.retain(|name, _| !known.contains(name)))?;
    Ok(0)
}
