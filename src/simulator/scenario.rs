//! Builds simulated roots: tools, files, pools, logs, and what the scenarios differ in.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::clock;
use super::kernel;
use super::machine::{MARKER, Machine};
use super::modules;
use super::state::{Card, Kept, Package, Packages, Pool, State};
use super::{PROGRAM, Scenario, TOOLS, contents, crowd, history, inhabitants};

/// Up to this size `pot` and `potnet` are programs of their own: whoever puts upstream's in their place with cp(1) then
/// writes over one file, not through a link over all tools. Unstripped development builds are too large for that.
const OWN_COPY_LIMIT: u64 = 48 * 1024 * 1024;

const FOLDERS: [&str; 33] = [
    "bin",
    "sbin",
    "boot",
    "dev",
    "etc/defaults",
    "etc/rc.d",
    "etc/syslog.d",
    "etc/newsyslog.conf.d",
    "etc/mail",
    "home/anna",
    "lib",
    "libexec",
    "mnt",
    "opt",
    "proc",
    "root",
    "tmp",
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/libexec",
    "usr/local/bin",
    "usr/local/sbin",
    "usr/local/etc/rc.d",
    "usr/local/share",
    "usr/share",
    "var/cache",
    "var/db/pkg",
    "var/log",
    "var/run",
    "var/spool",
    "var/tmp",
    "var/db/simulated-host",
];

/// What is to be built.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) scenario: Scenario,
    /// How many pots [`Scenario::Huge`] has.
    pub(crate) pots: u32,
    /// Whether it lasts: nobody puts other tools into one that is gone with the demo it was built for.
    pub(crate) lasts: bool,
}

pub(crate) fn build(machine: &Machine, wanted: Wanted, program: &Path) -> io::Result<()> {
    let Wanted { scenario, pots, lasts } = wanted;
    for folder in FOLDERS {
        fs::create_dir_all(machine.root().join(folder))?;
    }
    for folder in ["tmp", "var/tmp"] {
        fs::set_permissions(machine.root().join(folder), fs::Permissions::from_mode(0o1777))?;
    }
    modules::make_null_device(machine, "/dev/null", 0o666);
    clock::set_up(machine)?;
    clock::of(machine);
    machine.store(&State { kept: kept(scenario), ..State::default() })?;
    files(machine, scenario, pots)?;
    fs::write(
        machine.root().join(MARKER),
        "This folder is a simulated FreeBSD host of pot-console. Nothing in it is real.\n",
    )?;
    install_tools(machine, program, lasts)?;
    let installed = machine.state()?.kept.packages.installed.contains_key("pot");
    if installed {
        install_pot_files(machine)?;
    }
    if scenario == Scenario::Busy {
        machine.write("/usr/local/etc/pot/pot.conf", contents::POT_CONF_BUSY)?;
    }
    machine.change(|state| -> io::Result<()> {
        kernel::boot(state, machine)?;
        // It has been up for some time.
        state.running.boot_time -= match scenario {
            Scenario::Fresh => 2 * 3600,
            Scenario::Default | Scenario::Huge => 9 * 86400,
            Scenario::Busy => 41 * 86400,
        };
        state.faults.clear();
        if scenario == Scenario::Busy {
            inhabitants::move_in(state, machine)?;
        }
        if scenario == Scenario::Huge {
            crowd::move_in(state, machine, pots)?;
        }
        Ok(())
    })??;
    history::write(machine, scenario)
}

fn package(version: &str, comment: &str, megabytes: u64, depends: &[&str]) -> Package {
    Package {
        version: version.into(),
        comment: comment.into(),
        size: megabytes * 1024 * 1024,
        depends: depends.iter().map(|name| (*name).to_owned()).collect(),
        automatic: false,
    }
}

fn kept(scenario: Scenario) -> Kept {
    let mut available = BTreeMap::from([
        (
            "pot".to_owned(),
            package("0.16.1", "Jails based container framework", 1, &["potnet", "rsync", "freebsd-release-manifests"]),
        ),
        ("potnet".to_owned(), package("0.5.0", "Utilities for the pot framework", 3, &[])),
        (
            "rsync".to_owned(),
            package("3.4.1_2", "Network file distribution and synchronization utility", 1, &["xxhash"]),
        ),
        ("xxhash".to_owned(), package("0.8.3", "Extremely fast non-cryptographic hash algorithm", 1, &[])),
        ("freebsd-release-manifests".to_owned(), package("20250610", "FreeBSD release manifests", 1, &[])),
        ("pkg".to_owned(), package("2.2.1", "Package manager", 42, &[])),
        ("sudo".to_owned(), package("1.9.16p2", "Allow others to run commands as root", 5, &[])),
    ]);
    let names: &[&str] = match scenario {
        Scenario::Fresh => &["pkg", "sudo"],
        _ => &["pkg", "sudo", "pot", "potnet", "rsync", "xxhash", "freebsd-release-manifests"],
    };
    let installed = names
        .iter()
        .filter_map(|name| {
            let mut package = available.get(*name).cloned()?;
            package.automatic = !matches!(*name, "pkg" | "sudo" | "pot");
            Some(((*name).to_owned(), package))
        })
        .collect();
    available.retain(|name, _| name != "nothing");
    let card = |name: &str, mac: &str| Card { name: name.into(), mac: mac.into() };
    let cards = match scenario {
        Scenario::Fresh => vec![card("vtnet0", "58:9c:fc:0a:4c:11")],
        Scenario::Default | Scenario::Huge => vec![card("em0", "a8:a1:59:3e:7b:20")],
        Scenario::Busy => vec![card("em0", "a8:a1:59:3e:7b:20"), card("tun0", "")],
    };
    let size = match scenario {
        Scenario::Fresh => 24,
        Scenario::Default => 464,
        Scenario::Busy => 928,
        Scenario::Huge => 64 << 10,
    };
    Kept {
        userland: "14.3-RELEASE-p2".into(),
        kernel: "14.3-RELEASE".into(),
        major: 14,
        vimage: true,
        cards,
        pools: vec![Pool { name: "zroot".into(), size: size << 30, health: "ONLINE".into() }],
        packages: Packages { bootstrapped: true, installed, available },
        ..Kept::default()
    }
}

/// The datasets that FreeBSD's installer makes.
fn install_datasets(state: &mut State, machine: &Machine) -> io::Result<()> {
    let gigabyte = 1u64 << 30;
    for (name, local, own) in [
        (
            "zroot",
            &[("mountpoint", "/zroot"), ("compression", "lz4"), ("atime", "off"), ("canmount", "off")][..],
            96 * 1024,
        ),
        ("zroot/ROOT", &[("mountpoint", "none")], 96 * 1024),
        ("zroot/home", &[("mountpoint", "/home"), ("canmount", "noauto")], gigabyte / 2),
        ("zroot/tmp", &[("mountpoint", "/tmp"), ("setuid", "off"), ("canmount", "noauto")], gigabyte / 100),
        ("zroot/usr", &[("mountpoint", "/usr"), ("canmount", "off")], 96 * 1024),
        ("zroot/var", &[("mountpoint", "/var"), ("canmount", "off")], 96 * 1024),
        ("zroot/var/log", &[("exec", "off"), ("setuid", "off"), ("canmount", "noauto")], gigabyte / 20),
        ("zroot/var/tmp", &[("setuid", "off"), ("canmount", "noauto")], gigabyte / 200),
    ] {
        state.add_dataset(machine, name, local, own)?;
    }
    state.add_dataset(machine, "zroot/ROOT/default", &[("mountpoint", "/"), ("canmount", "noauto")], 5 * gigabyte)?;
    // These are the root's own folders, mounted since before the simulation began; nothing moves for them.
    for (name, at) in [
        ("zroot/ROOT/default", "/"),
        ("zroot/home", "/home"),
        ("zroot/tmp", "/tmp"),
        ("zroot/var/log", "/var/log"),
        ("zroot/var/tmp", "/var/tmp"),
    ] {
        if let Some(dataset) = state.dataset_mut(name) {
            dataset.mounted = true;
            dataset.mounted_at = Some(at.to_owned());
        }
    }
    Ok(())
}

fn files(machine: &Machine, scenario: Scenario, pots: u32) -> io::Result<()> {
    machine.change(|state| install_datasets(state, machine))??;
    let huge = crowd::rc_conf();
    let rc_conf = match scenario {
        Scenario::Fresh => contents::RC_CONF_FRESH,
        Scenario::Default => contents::RC_CONF_DEFAULT,
        Scenario::Busy => contents::RC_CONF_BUSY,
        Scenario::Huge => &huge,
    };
    let loader = match scenario {
        Scenario::Fresh => {
            "kern.geom.label.disk_ident.enable=\"0\"\nkern.geom.label.gptid.enable=\"0\"\ncryptodev_load=\"YES\"\nzfs_load=\"YES\"\n"
        }
        _ => {
            "kern.geom.label.disk_ident.enable=\"0\"\nkern.geom.label.gptid.enable=\"0\"\ncryptodev_load=\"YES\"\nzfs_load=\"YES\"\nkern.racct.enable=1\n"
        }
    };
    let pot_group = if scenario == Scenario::Fresh { "" } else { "pot:*:478:\n" };
    for (path, text) in [
        ("/etc/defaults/rc.conf", contents::DEFAULTS_RC_CONF),
        ("/etc/rc.conf", rc_conf),
        ("/boot/loader.conf", loader),
        ("/etc/sysctl.conf", contents::SYSCTL_CONF),
        ("/etc/syslog.conf", contents::SYSLOG_CONF),
        ("/etc/newsyslog.conf", contents::NEWSYSLOG_CONF),
        ("/etc/passwd", contents::PASSWD),
        ("/etc/hosts", "::1\t\t\tlocalhost localhost.my.domain\n127.0.0.1\t\tlocalhost localhost.my.domain\n"),
        ("/etc/pf.os", "# Fingerprints of operating systems; none are simulated.\n"),
        ("/etc/shells", "/bin/sh\n/bin/csh\n/bin/tcsh\n"),
    ] {
        machine.write(path, text)?;
    }
    machine.write("/etc/group", &format!("{}{pot_group}", contents::GROUP))?;
    let resolver =
        if scenario == Scenario::Fresh { "nameserver 10.0.2.3\n" } else { "search lan\nnameserver 192.168.178.1\n" };
    machine.write("/etc/resolv.conf", resolver)?;
    for log in ["messages", "security", "auth.log", "maillog", "cron", "debug.log", "devd.log"] {
        machine.write(&format!("/var/log/{log}"), "")?;
    }
    if scenario != Scenario::Fresh {
        let pf = match scenario {
            // init has put pot's anchors in; a careful admin has moved them where they belong.
            Scenario::Busy => contents::PF_CONF
                .replace("# --- translation\n", "# --- translation\nnat-anchor pot-nat\nrdr-anchor \"pot-rdr/*\"\n"),
            Scenario::Huge => crowd::pf_conf(pots),
            _ => contents::PF_CONF.to_owned(),
        };
        machine.write("/etc/pf.conf", &pf)?;
        machine.write("/var/log/pot.log", "")?;
        machine.write("/usr/local/etc/syslog.d/pot.conf", contents::SYSLOG_POT_CONF)?;
        machine.write("/usr/local/etc/newsyslog.conf.d/pot.conf", contents::NEWSYSLOG_POT_CONF)?;
    }
    Ok(())
}

/// What the package pot brings along: configuration files, start script, group, tools.
pub(crate) fn install_pot_files(machine: &Machine) -> io::Result<()> {
    machine.write("/usr/local/etc/pot/pot.default.conf", contents::POT_DEFAULT_CONF)?;
    machine.write("/usr/local/etc/pot/pot.conf.sample", contents::POT_CONF)?;
    if !machine.path("/usr/local/etc/pot/pot.conf").exists() {
        machine.write("/usr/local/etc/pot/pot.conf", contents::POT_CONF)?;
    }
    for flavour in ["default", "slim.sh"] {
        machine.write(&format!("/usr/local/etc/pot/flavours/{flavour}"), "# flavour of the simulated pot\n")?;
    }
    machine.write("/usr/local/etc/rc.d/pot", contents::RC_D_POT)?;
    fs::set_permissions(machine.path("/usr/local/etc/rc.d/pot"), fs::Permissions::from_mode(0o755))?;
    let group = machine.text("/etc/group");
    if !group.lines().any(|line| line.starts_with("pot:")) {
        machine.write("/etc/group", &format!("{group}pot:*:478:\n"))?;
    }
    if !machine.path_itself("/usr/local/bin/pot").exists() {
        bring_back_tool(machine, "pot")?;
    }
    Ok(())
}

pub(crate) fn install_potnet(machine: &Machine) -> io::Result<()> {
    bring_back_tool(machine, "potnet")
}

/// What `pkg delete pot` takes away; pot.conf stays when it was changed.
pub(crate) fn remove_pot_files(machine: &Machine) {
    for path in [
        "/usr/local/etc/pot/pot.default.conf",
        "/usr/local/etc/pot/pot.conf.sample",
        "/usr/local/etc/rc.d/pot",
        "/usr/local/bin/pot",
    ] {
        let _ = fs::remove_file(machine.path_itself(path));
    }
    if machine.text("/usr/local/etc/pot/pot.conf") == contents::POT_CONF {
        let _ = fs::remove_file(machine.path("/usr/local/etc/pot/pot.conf"));
    }
}

/// Puts the program and a link for each tool into the root; `copies`: as [`bring_back_tool`].
pub(crate) fn install_tools(machine: &Machine, own: &Path, copies: bool) -> io::Result<()> {
    let program = machine.root().join(PROGRAM);
    if own.canonicalize().ok() != program.canonicalize().ok() {
        // Beside and then over: tools that run now keep their program.
        let fresh = program.with_extension("new");
        let _ = fs::remove_file(&fresh);
        if fs::hard_link(own, &fresh).is_err() {
            fs::copy(own, &fresh)?;
            fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
        }
        fs::rename(&fresh, &program)?;
    }
    let pot_is_there = machine.state()?.kept.packages.installed.contains_key("pot");
    for (_, name, _) in TOOLS {
        if pot_is_there || !matches!(*name, "pot" | "potnet") {
            put_tool(machine, name, copies)?;
        }
    }
    Ok(())
}

fn place(tool: &str) -> Option<(&'static str, &'static str)> {
    TOOLS.iter().find(|(_, name, _)| *name == tool).map(|(folder, name, _)| (*folder, *name))
}

/// Takes a tool away, as if it were not installed.
pub(crate) fn remove_tool(machine: &Machine, tool: &str) -> io::Result<()> {
    let Some((folder, name)) = place(tool) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{tool} is no simulated tool")));
    };
    match fs::remove_file(machine.root().join(folder).join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts a tool (back) into its place, as a copy of the program where others may be put over it.
pub(crate) fn bring_back_tool(machine: &Machine, tool: &str) -> io::Result<()> {
    put_tool(machine, tool, true)
}

fn put_tool(machine: &Machine, tool: &str, copies: bool) -> io::Result<()> {
    let Some((folder, name)) = place(tool) else { return Ok(()) };
    let link = machine.root().join(folder).join(name);
    remove_tool(machine, tool)?;
    let program = machine.root().join(PROGRAM);
    let small = fs::metadata(&program)?.len() <= OWN_COPY_LIMIT;
    if copies && small && matches!(name, "pot" | "potnet") {
        fs::copy(&program, &link)?;
        return fs::set_permissions(&link, fs::Permissions::from_mode(0o755));
    }
    let up = "../".repeat(Path::new(folder).components().count());
    symlink(format!("{up}{PROGRAM}"), link)
}
