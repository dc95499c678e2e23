//! info, config, version and get-attribute: one thing in all its lines.

use super::super::call::{Outcome, has, value_of};
use super::run::Run;

pub(super) fn info(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help = "pot info [-hvqrEs] [-p pname|-B bname]\n  -p pot, -B bridge, -r only whether it runs, -E as environment, -s snapshots, -q quiet";
    let (flags, _) = run.options(args, "hvqp:rB:Es", help)?;
    let (pot, bridge) = (value_of(&flags, 'p').map(str::to_owned), value_of(&flags, 'B').map(str::to_owned));
    let quiet = has(&flags, 'q');
    let refuse = |run: &mut Run<'_>, text: &str| {
        run.error(text);
        run.call.say(help);
        Ok(1)
    };
    match (pot, bridge) {
        (None, None) => refuse(run, "Option -p or -b are mandatory"),
        (Some(_), Some(_)) => refuse(run, "Option -p and -b are mutually exclusive"),
        (None, Some(bridge)) => {
            if !run.path(&format!("{}/bridges/{bridge}", run.settings.fs_root())).exists() {
                if !quiet {
                    run.error(format_args!("NO {bridge} is not a bridge"));
                }
                return Ok(1);
            }
            Ok(if quiet { 0 } else { run.call.run("potnet", &["show", "-b", &bridge]) })
        }
        (Some(pot), None) => {
            if !run.is_pot(&pot) {
                if !quiet {
                    run.error(format_args!("NO {pot} is not a pot"));
                }
                run.call.say(help);
                return Ok(1);
            }
            let runs = run.runs(&pot);
            if has(&flags, 'r') {
                return Ok(u8::from(!runs));
            }
            if quiet {
                return Ok(0);
            }
            if has(&flags, 'E') {
                let address = run.pots.address(&pot);
                run.call.say(format_args!("export _POT_NAME={pot}\nexport _POT_IP={address}"));
                return Ok(0);
            }
            if has(&flags, 's') {
                say_snapshots(run, &pot);
                return Ok(0);
            }
            info_of(run, &pot, runs);
            Ok(0)
        }
    }
}

fn info_of(run: &mut Run<'_>, pot: &str, runs: bool) {
    let value = |run: &Run<'_>, key: &str| run.pots.value(pot, key);
    let (kind, base, level) = (value(run, "pot.type"), value(run, "pot.base"), value(run, "pot.level"));
    let network = value(run, "network_type");
    run.call.say(format_args!(
        "pot name : {pot}\n\ttype : {kind}\n\tbase : {base}\n\tlevel : {level}\n\tnetwork_type : {network}"
    ));
    if network != "inherit" {
        let address = run.pots.address(pot);
        run.call.say(format_args!("\tip : {address}"));
        if network == "private-bridge" {
            let bridge = value(run, "bridge");
            run.call.say(format_args!("\tbridge : {bridge}"));
        }
        if run.verbose {
            let ports = value(run, "pot.export.ports");
            if ports.is_empty() {
                run.call.say("\t\tno ports exported");
            } else {
                run.call.say(format_args!("\t\texported ports: {ports}"));
            }
        }
    }
    run.call.say(format_args!("\tactive : {runs}"));
    if run.verbose {
        run.call.say("\tdatasets:");
        if kind == "single" {
            run.call.say(format_args!("\t\t{pot}/m"));
        }
        say_datasets(run, pot);
        run.call.say("\tsnapshots:");
        say_snapshots(run, pot);
    }
    run.call.say("\tattributes:");
    for name in [
        "start-at-boot",
        "early-start-at-boot",
        "persistent",
        "no-rc-script",
        "prunable",
        "localhost-tunnel",
        "to-be-pruned",
    ] {
        let value = value(run, &format!("pot.attr.{name}"));
        let value = if value.is_empty() { "NO" } else { &value };
        run.call.say(format_args!("\t\t{name}: {value}"));
    }
    run.call.say("");
}

pub(super) fn say_datasets(run: &mut Run<'_>, pot: &str) {
    let text = run.call.machine.text(&format!("{}/jails/{pot}/conf/fscomp.conf", run.settings.fs_root()));
    let zfs_root = format!("{}/", run.settings.zfs_root());
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(dataset), Some(mountpoint)) = (words.next(), words.next()) {
            let dataset = dataset.strip_prefix(&zfs_root).unwrap_or(dataset);
            run.call.say(format_args!("\t\t{mountpoint} => {dataset}"));
        }
    }
}

pub(super) fn say_snapshots(run: &mut Run<'_>, pot: &str) {
    let dataset = format!("{}/jails/{pot}", run.settings.zfs_root());
    let (_, text) = run.call.output_of("zfs", &["list", "-t", "snapshot", "-o", "name", "-Hr", &dataset], true);
    if text.is_empty() {
        run.call.say("\t\tno snapshots");
    }
    for line in text.lines() {
        run.call.say(format_args!("\t\t{line}"));
    }
}

pub(super) fn config(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help = "pot config [-hvq] [-g name]\n  -g one of fs_root zfs_root gateway syslogd pot_prefix fscomp_prefix network_stack\n  -q the value alone";
    let (flags, _) = run.options(args, "hvqg:", help)?;
    let quiet = has(&flags, 'q');
    let settings = &run.settings;
    let Some(name) = value_of(&flags, 'g') else {
        if !quiet {
            run.error("NO option -g is mandatory");
            run.call.say(help);
        }
        return Ok(1);
    };
    let (word, value) = match name {
        "fs_root" => ("fs_root", settings.fs_root().to_owned()),
        "zfs_root" => ("zfs_root", settings.zfs_root().to_owned()),
        "gateway" => ("gateway", settings.value("POT_GATEWAY").to_owned()),
        "syslogd" => ("syslogd flags", settings.syslogd_flags()),
        "pot_prefix" => ("pot prefix", format!("{}/jails", settings.fs_root())),
        "fscomp_prefix" => ("fscomp prefix", format!("{}/fscomp", settings.fs_root())),
        "network_stack" => ("network stack", settings.stack().to_owned()),
        other => {
            if !quiet {
                run.error(format_args!("NO {other} is not a valid name"));
                run.call.say(help);
            }
            return Ok(1);
        }
    };
    run.call.say(if quiet { value } else { format!("{word} = {value}") });
    Ok(0)
}

pub(super) fn version(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let (flags, _) = run.options(args, "hvq", "pot version [-hvq]\n  -q the number alone")?;
    // 0.16.1 still calls itself so.
    run.call.say(if has(&flags, 'q') { "0.16.0" } else { "pot version: 0.16.0" });
    Ok(0)
}

pub(super) fn get_attribute(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let (flags, _) = run.options(args, "hvp:A:", "pot get-attribute [-hv] -p pot -A attribute")?;
    let name = run.named(&flags, &[])?;
    let attribute = value_of(&flags, 'A').unwrap_or_default().to_owned();
    if !run.is_pot(&name) {
        run.error(format_args!("{name} is not a valid pot"));
        return Ok(1);
    }
    let value = run.pots.value(&name, &format!("pot.attr.{attribute}"));
    run.call.say(format_args!("{attribute}: {}", if value.is_empty() { "NO" } else { &value }));
    Ok(0)
}
