//! show: what pots take of disk and memory, and the ports that they export.

use super::super::call::{Outcome, has, value_of};
use super::run::Run;

pub(super) fn show(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help = "pot show [-hvq] [-a|-r|-p potname]\n  -a all pots, -r running ones (as without), -p one by name, -q names only";
    let (flags, _) = run.options(args, "hvp:arq", help)?;
    let chosen = ['a', 'r', 'p'].into_iter().filter(|letter| has(&flags, *letter)).count();
    if chosen > 1 {
        run.error("-p -r -a are mutually exclusive");
        run.call.say(help);
        return Ok(1);
    }
    let names = match value_of(&flags, 'p') {
        Some(name) => {
            if !run.is_pot(name) {
                run.error(format_args!("Pot {name} not found"));
                run.error(format_args!("{name} is not a valid pot"));
                return Ok(1);
            }
            vec![name.to_owned()]
        }
        None => run.pots.names(),
    };
    for name in names {
        let runs = run.runs(&name);
        if !runs && !has(&flags, 'a') && !has(&flags, 'p') {
            continue;
        }
        if has(&flags, 'q') && !has(&flags, 'p') {
            run.call.say(name);
            continue;
        }
        let dataset = format!("{}/jails/{name}", run.settings.zfs_root());
        let used = run.used(&dataset);
        run.call.say(format_args!("pot {name}\n\tdisk usage      : {used}"));
        if run.verbose {
            show_external(run, &name);
        }
        if run.verbose && run.pots.value(&name, "pot.type") != "single" {
            let base = format!("{}/bases/{}", run.settings.zfs_root(), run.pots.value(&name, "pot.base"));
            let used = run.used(&base);
            run.call.say(format_args!("\tbase usage      : {used}"));
        }
        if runs {
            let racct = run.call.output_of("sysctl", &["-qn", "kern.racct.enable"], false).1;
            if racct == "1" {
                let subject = format!("jail:{name}");
                let (_, usage) = run.call.output_of("rctl", &["-hu", &subject], true);
                let value = |key: &str| {
                    usage.split_whitespace().find_map(|word| word.strip_prefix(key)).unwrap_or_default().to_owned()
                };
                let (all, resident) = (value("vmemoryuse="), value("memoryuse="));
                run.call.say(format_args!("\tvirtual memory  : {all}\n\tphysical memory : {resident}"));
            } else {
                run.info_line("runtime memory usage require rctl enabled");
            }
            show_ports(run, &name);
        }
    }
    Ok(0)
}

fn show_ports(run: &mut Run<'_>, name: &str) {
    let anchor = format!("pot-rdr/{name}");
    let (_, anchors) = run.call.output_of("pfctl", &["-a", "pot-rdr", "-s", "Anchors"], false);
    if run.pots.value(name, "network_type") != "public-bridge" || !anchors.lines().any(|line| line.trim() == anchor) {
        return;
    }
    run.call.say("\n\tExported ports");
    let (_, rules) = run.call.output_of("pfctl", &["-a", &anchor, "-s", "nat", "-P"], true);
    let address = format!(" {} ", run.pots.address(name));
    for rule in rules.lines().filter(|rule| rule.contains(&address)) {
        // Only of TCP is the beginning left out.
        let short = match rule.split_once("rdr pass on ") {
            Some(("", rest)) => rest.rsplit_once(" inet proto tcp from any to ").map_or(rule, |(_, rest)| rest),
            _ => rule,
        };
        run.call.say(format_args!("\t\t{}", short.replace(" =", "")));
    }
}

/// Datasets that a pot mounts and that are neither its own nor its base's.
fn show_external(run: &mut Run<'_>, name: &str) {
    let zfs_root = run.settings.zfs_root().to_owned();
    let own = [format!("{zfs_root}/jails/{name}"), format!("{zfs_root}/bases/{}", run.pots.value(name, "pot.base"))];
    let text = run.call.machine.text(&format!("{}/jails/{name}/conf/fscomp.conf", run.settings.fs_root()));
    for dataset in text.lines().filter_map(|line| line.split_whitespace().next()) {
        if !dataset.starts_with('/') && !own.iter().any(|own| dataset.starts_with(own)) {
            let used = run.used(dataset);
            let short = dataset.strip_prefix(&format!("{zfs_root}/")).unwrap_or(dataset);
            run.call.say(format_args!("\tdataset {short} usage  : {used}"));
        }
    }
}
