//! What the simulated kernel loads: kldload(8), kldunload(8), kldstat(8), and the devices and sysctls that come along.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::stat::{Mode, SFlag, mknod};

use super::call::{Call, Failure, Outcome, getopt, has, value_of};
use super::machine::{Machine, now};
use super::state::{Pf, State};

/// A device that swallows what is written to it; false when it could not be made. Only root can make devices.
pub(crate) fn make_null_device(machine: &Machine, path: &str, mode: u32) -> bool {
    let path = machine.path(path);
    // The numbers are those of the null device on Linux.
    mknod(&path, SFlag::S_IFCHR, Mode::empty(), 0x103).is_ok()
        && fs::set_permissions(&path, fs::Permissions::from_mode(mode)).is_ok()
}

/// The device that pf's users look for; who cannot make devices gets a plain file in its place.
pub(crate) fn make_device(machine: &Machine) {
    let path = machine.path("/dev/pf");
    if !path.exists() && !make_null_device(machine, "/dev/pf", 0o600) {
        let _ = fs::write(&path, "");
    }
}

/// What if_bridge brings along: 15 alone asks whether a member may have an address, and says yes unless told otherwise.
pub(crate) fn bridge_sysctls(state: &mut State) {
    if state.kept.major == 15 {
        state.running.sysctls.entry("net.link.bridge.member_ifaddrs".into()).or_insert_with(|| "1".into());
    }
}

pub(crate) fn load_module(state: &mut State, machine: &Machine, module: &str) {
    let name = module.trim_end_matches(".ko");
    if !state.has_module(name) {
        state.running.modules.push(name.to_owned());
        if name == "pf" && state.kept.major >= 14 {
            state.running.pf.since = now();
        }
    }
    if name == "if_bridge" {
        load_module(state, machine, "bridgestp");
        bridge_sysctls(state);
    }
    if name == "pf" {
        make_device(machine);
    }
}

const MODULES: [&str; 16] = [
    "pf",
    "pflog",
    "ipfw",
    "if_bridge",
    "if_epair",
    "if_vlan",
    "if_tun",
    "nullfs",
    "tmpfs",
    "fdescfs",
    "linprocfs",
    "zfs",
    "bridgestp",
    "coretemp",
    "cryptodev",
    "nmdm",
];

pub(crate) fn kldload(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, names) = match getopt(&args, "nqv") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("kldload");
            call.warn(text);
            call.warn("usage: kldload [-nqv] file ...");
            return Ok(1);
        }
    };
    if names.is_empty() {
        call.warn("usage: kldload [-nqv] file ...");
        return Ok(1);
    }
    let machine = call.machine.clone();
    let mut status = 0;
    for name in names {
        let module = name.trim_end_matches(".ko");
        let state = call.machine.state()?;
        if state.has_module(module) {
            if !has(&flags, 'n') {
                call.warn(format_args!("kldload: can't load {name}: module already loaded or in kernel"));
                status = 1;
            }
            continue;
        }
        if !MODULES.contains(&module) {
            call.warn(format_args!("kldload: can't load {name}: No such file or directory"));
            status = 1;
            continue;
        }
        if state
            .running
            .sysctls
            .get("kern.securelevel")
            .is_some_and(|level| level.parse::<i32>().is_ok_and(|level| level > 0))
        {
            call.warn(format_args!("kldload: can't load {name}: Operation not permitted"));
            status = 1;
            continue;
        }
        call.machine.change(|state| load_module(state, &machine, module))?;
    }
    Ok(status)
}

pub(crate) fn kldunload(call: &mut Call) -> Outcome {
    let Some(name) = call.args.iter().find(|arg| !arg.starts_with('-')).cloned() else {
        call.warn("usage: kldunload [-fv] [-n] name ...");
        return Ok(1);
    };
    let machine = call.machine.clone();
    let module = name.trim_end_matches(".ko").to_owned();
    if !call.machine.state()?.has_module(&module) {
        return Err(Failure::new(1, format!("kldunload: can't find file {name}")));
    }
    call.machine.change(|state| {
        state.running.modules.retain(|known| *known != module);
        if module == "pf" {
            state.running.pf = Pf::default();
            let _ = fs::remove_file(machine.path("/dev/pf"));
        }
    })?;
    Ok(0)
}

pub(crate) fn kldstat(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let (flags, _) = match getopt(&args, "dhi:m:n:qv") {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.text("kldstat");
            call.warn(text);
            call.warn(
                "usage: kldstat [-d] [-h] [-q] [-v] [-i id] [-n filename]\n       kldstat [-d] [-q] [-m modname]",
            );
            return Ok(1);
        }
    };
    let state = call.machine.state()?;
    if let Some(name) = value_of(&flags, 'm').or(value_of(&flags, 'n')) {
        let found = state.has_module(name.trim_end_matches(".ko"));
        if !found && !has(&flags, 'q') {
            call.warn(format_args!("kldstat: can't find module {name}: No such file or directory"));
        }
        if found && !has(&flags, 'q') {
            let at = state.running.modules.iter().position(|module| module == name.trim_end_matches(".ko"));
            call.say(if has(&flags, 'm') { "Id  Refs Name" } else { "Id Refs Address                Size Name" });
            call.say(kldstat_line(at.unwrap_or_default(), name.trim_end_matches(".ko"), has(&flags, 'm')));
        }
        return Ok(u8::from(!found));
    }
    call.say("Id Refs Address                Size Name");
    for (at, module) in state.running.modules.iter().enumerate() {
        call.say(kldstat_line(at, module, false));
    }
    Ok(0)
}

/// A module's line: by its file, or by its name.
fn kldstat_line(at: usize, module: &str, by_name: bool) -> String {
    if by_name {
        return format!("{:>3}    1 {module}", at + 1);
    }
    let file = if module == "kernel" { module.to_owned() } else { format!("{module}.ko") };
    format!("{:>2}    1 0xffffffff8{:07x} {:>8x} {file}", at + 1, 0x20_0000 + at * 0x5_0000, 0x1_d2a8 + at * 0x1000)
}
