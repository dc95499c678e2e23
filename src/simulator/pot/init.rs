//! init and de-init: datasets, folders, the anchors in pf.conf.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::call::{Failure, Outcome, has};
use super::run::Run;

const NAT_ANCHOR: &str = "nat-anchor pot-nat";
const RDR_ANCHOR: &str = "rdr-anchor \"pot-rdr/*\"";

pub(super) fn init(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help = "pot init [-hmsv] [-p pf_file]\n  -h help, -v more words\n  -m change as little as possible (-s and -p '')\n  -p file that gets the pf anchors, empty for none (-f: the same)\n  -s leave syslogd's configuration alone";
    let mut pf_file = run.pf_file();
    let (flags, _) = run.options(args, "hmsvf:p:", help)?;
    let mut skip_syslog = false;
    for flag in &flags {
        match flag.letter {
            'f' | 'p' => pf_file.clone_from(&flag.value),
            'm' => {
                pf_file.clear();
                skip_syslog = true;
            }
            's' => skip_syslog = true,
            _ => {}
        }
    }
    let (zfs_root, fs_root) = (run.settings.zfs_root().to_owned(), run.settings.fs_root().to_owned());
    let group = run.settings.group().to_owned();
    for (name, value) in [("POT_ZFS_ROOT", &zfs_root), ("POT_FS_ROOT", &fs_root)] {
        if value.is_empty() {
            run.error(format_args!("init {name} is mandatory"));
            run.error("init Configuration not valid, please verify it");
            return Ok(1);
        }
    }
    if run.call.run_quietly("getent", &["group", &group]) != 0 {
        run.error(format_args!("init Group '{group}' is missing, create it or change POT_GROUP"));
        run.error("init Configuration not valid, please verify it");
        return Ok(1);
    }
    if run.dataset_is_at(&zfs_root, &fs_root) {
        run.info_line(format_args!("{zfs_root} already present"));
    } else {
        if run.dataset_exists(&zfs_root) {
            run.error(format_args!("{zfs_root} is an invalid POT root"));
            return Ok(1);
        }
        run.debug(format_args!("creating {zfs_root}, to be mounted at {fs_root}"));
        let mountpoint = format!("mountpoint={fs_root}");
        run.call.run(
            "zfs",
            &["create", "-o", &mountpoint, "-o", "canmount=off", "-o", "compression=lz4", "-o", "atime=off", &zfs_root],
        );
    }
    run.make_folder(&fs_root);
    if !run.path(&fs_root).is_dir() {
        run.error(format_args!("Not able to create the dir {fs_root}"));
        return Ok(1);
    }
    let folder = run.path(&fs_root);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750))?;
    let number = line_of_group(&run.call.machine.text("/etc/group"), &group);
    // An ordinary user's simulated root belongs to that user as a whole.
    let _ = std::os::unix::fs::chown(&folder, Some(0), number);
    for name in ["bases", "jails", "fscomp"] {
        let dataset = format!("{zfs_root}/{name}");
        if !run.dataset_exists(&dataset) {
            run.debug(format_args!("creating {dataset}"));
            if run.call.run("zfs", &["create", &dataset]) != 0 {
                return Ok(1);
            }
        }
        if run.call.output_of("zfs", &["get", "-Ho", "value", "mounted", &dataset], true).1 != "yes" {
            run.debug(format_args!("mounting {dataset}"));
            if run.call.run("zfs", &["mount", &dataset]) != 0 {
                return Ok(1);
            }
        }
    }
    let cache = run.settings.value("POT_CACHE").to_owned();
    let cache_dataset = format!("{zfs_root}/cache");
    if !run.dataset_is_at(&cache_dataset, &cache) {
        run.debug(format_args!("creating {cache_dataset}, to be mounted at {cache}"));
        if !run.dataset_exists(&cache_dataset) {
            let mountpoint = format!("mountpoint={cache}");
            run.call.run("zfs", &["create", "-o", &mountpoint, "-o", "compression=off", &cache_dataset]);
        }
    }
    run.make_folder(&format!("{fs_root}/bridges"));
    if !skip_syslog {
        for folder in ["/usr/local/etc/syslog.d", "/usr/local/etc/newsyslog.conf.d", "/var/log/pot"] {
            run.make_folder(folder);
        }
    }
    if !run.is_tmp_there() {
        run.error("POT_TMP could not be created");
        return Ok(1);
    }
    if run.call.run("potnet", &["config-check"]) != 0 {
        run.error("The network configuration in the pot configuration file is not valid");
        return Ok(1);
    }
    if let Some(status) = check_interfaces(run)? {
        return Ok(status);
    }
    if !skip_syslog {
        if is_writable(&run.path("/etc/rc.conf")) {
            run.call.say("Keeping a copy of /etc/rc.conf");
            run.copy("/etc/rc.conf");
        }
        let assignment = format!("syslogd_flags={}", run.settings.syslogd_flags());
        run.call.run("sysrc", &["-q", &assignment]);
    }
    add_anchors(run, &pf_file)
}

pub(super) fn de_init(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help = "pot de-init [-hmvf] [-p pf_file]\n  -h help, -v more words\n  -f stop running pots\n  -m leave pf.conf alone\n  -p file to take the anchors from, empty for none";
    let mut pf_file = run.pf_file();
    let (flags, _) = run.options(args, "fhmvp:", help)?;
    for flag in &flags {
        match flag.letter {
            'm' => pf_file.clear(),
            'p' => pf_file.clone_from(&flag.value),
            _ => {}
        }
    }
    // The slip of 0.16.1: it asks for a pot by the name of the function that would list them.
    if run.call.run_quietly("jls", &["-j", "_get_pot_list"]) == 0 {
        if !has(&flags, 'f') {
            run.error("At least one pot is still running. Use -f to stop them");
            return Ok(1);
        }
        // The end of stop, run in the same shell, is the end of all.
        return Ok(run.call.run("pot", &["stop", "_get_pot_list"]));
    }
    let zfs_root = run.settings.zfs_root().to_owned();
    if run.dataset_exists(&zfs_root) {
        run.info_line(format_args!("Deinstall pot ({zfs_root})"));
        let mut words = vec!["destroy", "-r"];
        if run.verbose {
            words.push("-v");
        }
        words.push(&zfs_root);
        run.call.run("zfs", &words);
    } else {
        run.info_line(format_args!("no root dataset found ({zfs_root})"));
    }
    run.call.say("zfs datasets have been removed");
    if !pf_file.is_empty() {
        remove_anchors(run, &pf_file);
        run.call.say("pot's anchors should be gone from the pf configuration");
        run.call.say(format_args!("  - please check {pf_file} and reload it"));
    }
    run.call.say("rc.conf may still hold:\n  syslogd_flags\n  pot_enable");
    run.call.say("A mail to pizzamig at FreeBSD dot org about your experience with pot is welcome");
    Ok(0)
}

fn check_interfaces(run: &mut Run<'_>) -> Result<Option<u8>, Failure> {
    let extif = run.settings.value("POT_EXTIF").to_owned();
    if !run.interface_exists(&extif) {
        run.error(format_args!("The network interface {extif} seems not valid [POT_EXTIF]"));
        return Ok(Some(1));
    }
    let address = run.settings.value("POT_EXTIF_ADDR").to_owned();
    if !address.is_empty() {
        if run.call.run("potnet", &["ip4check", "--host", &address]) != 0 {
            run.error(format_args!("{address} is no valid IPv4 address [POT_EXTIF_ADDR]"));
            return Ok(Some(1));
        }
        if !run.address_on(&extif, &address) {
            run.error(format_args!("{address} [POT_EXTIF_ADDR] is not an address of {extif} [POT_EXTIF]"));
            return Ok(Some(1));
        }
    }
    for extra in run.settings.value("POT_EXTRA_EXTIF").to_owned().split_whitespace() {
        if !run.interface_exists(extra) {
            run.error(format_args!("The network interface {extra} seems not valid [POT_EXTRA_EXTIF]"));
            return Ok(Some(1));
        }
    }
    Ok(None)
}

fn add_anchors(run: &mut Run<'_>, pf_file: &str) -> Outcome {
    if pf_file.is_empty() {
        run.debug("pf.conf is left alone");
        return Ok(0);
    }
    let path = run.path(pf_file);
    let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).ok();
    let count =
        |wanted: &str| text.as_deref().map_or(0, |text| text.split('\n').filter(|line| *line == wanted).count());
    if count(NAT_ANCHOR) == 1 && count(RDR_ANCHOR) == 1 {
        run.debug("pf already properly configured");
        return Ok(0);
    }
    if is_writable(&path) {
        run.call.say(format_args!("Keeping a copy of {pf_file}"));
        run.copy(pf_file);
        remove_anchors(run, pf_file);
    } else if fs::OpenOptions::new().create(true).append(true).open(&path).is_err() {
        run.call.warn(format_args!("touch: {pf_file}: No such file or directory"));
    }
    run.call.say(format_args!("Adding pot's anchors to {pf_file}"));
    let script = format!("0a\n{NAT_ANCHOR}\n{RDR_ANCHOR}\n.\nx\n");
    run.call.run_with_input("ex", &[pf_file], &script);
    run.call.say(format_args!("Please, check that {pf_file} is still valid, and reload it!"));
    Ok(0)
}

fn remove_anchors(run: &mut Run<'_>, pf_file: &str) {
    run.call.run("sed", &["-i", "", "/^nat-anchor pot-nat$/d", pf_file]);
    run.call.run("sed", &["-i", "", "/^rdr-anchor \"pot-rdr\\/\\*\"$/d", pf_file]);
}

fn is_writable(path: &Path) -> bool {
    fs::OpenOptions::new().append(true).open(path).is_ok()
}

fn line_of_group(text: &str, group: &str) -> Option<u32> {
    text.lines().find(|line| line.split(':').next() == Some(group))?.split(':').nth(2)?.parse().ok()
}
