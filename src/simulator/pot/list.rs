//! list and ps: what there is by name.

use super::super::call::{Outcome, has};
use super::info::{say_datasets, say_snapshots};
use super::network::{anchors_are_up, bridge_with};
use super::pots::{files, folders};
use super::run::Run;

pub(super) fn list(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help = "pot list [-hpbfFBa] [-qv]\n  -p pots (as without), -b bases, -f fs components, -F flavours, -B bridges, -a everything, -q names only";
    let (flags, _) = run.options(args, "hvbfFapqB", help)?;
    let quiet = has(&flags, 'q');
    let chosen: Vec<char> = flags.iter().map(|flag| flag.letter).filter(|letter| "pbfFBa".contains(*letter)).collect();
    if chosen.len() > 1 {
        run.error("Options -b -p -f -F -B -a are mutually exclusive");
        run.call.say(help);
        return Ok(1);
    }
    let what = chosen.first().copied().unwrap_or('p');
    if what == 'a' && quiet {
        run.error("Options -a and -q are incompatible");
        run.call.say(help);
        return Ok(1);
    }
    let kinds: Vec<char> = if what == 'a' { "bpfFB".chars().collect() } else { vec![what] };
    let fs_root = run.settings.fs_root().to_owned();
    for kind in kinds {
        let (word, names) = match kind {
            'b' => ("bases", folders(&run.path(&format!("{fs_root}/bases")))),
            'f' => {
                let dataset = format!("{}/fscomp", run.settings.zfs_root());
                let (_, text) = run.call.output_of("zfs", &["list", "-d", "1", "-Ho", "name", &dataset], true);
                let names =
                    text.lines().skip(1).filter_map(|line| line.rsplit('/').next()).map(str::to_owned).collect();
                ("fscomp", names)
            }
            'F' => ("flavour", flavours(run)),
            'B' => ("bridge", files(&run.path(&format!("{fs_root}/bridges")))),
            _ => {
                list_pots(run, quiet);
                continue;
            }
        };
        for name in names {
            if quiet {
                run.call.say(name);
            } else {
                run.call.say(format_args!("{word}: {name}"));
            }
        }
    }
    Ok(0)
}

fn flavours(run: &Run<'_>) -> Vec<String> {
    let folder = run.path("/usr/local/etc/pot/flavours");
    let mut names: Vec<String> = files(&folder).iter().map(|name| name.trim_end_matches(".sh").to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn list_pots(run: &mut Run<'_>, quiet: bool) {
    let pots = run.pots.names();
    if pots.is_empty() && !quiet {
        run.call.say("No pot created yet...");
    }
    for pot in pots {
        if quiet {
            run.call.say(pot);
            continue;
        }
        let network = run.pots.value(&pot, "network_type");
        let active = run.runs(&pot);
        run.call.say(format_args!("pot name : {pot}\n\tnetwork : {network}"));
        if network != "inherit" {
            let address = run.pots.address(&pot);
            run.call.say(format_args!("\tip : {address}"));
        }
        run.call.say(format_args!("\tactive : {active}"));
        if run.verbose {
            let (base, level) = (run.pots.value(&pot, "pot.base"), run.pots.value(&pot, "pot.level"));
            run.call.say(format_args!("\tbase : {base}\n\tlevel : {level}\n\tdatasets:"));
            say_datasets(run, &pot);
            run.call.say("\tsnapshot:");
            say_snapshots(run, &pot);
        }
        run.call.say("");
    }
}

pub(super) fn ps(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let (flags, _) = run.options(args, "hvq", "pot ps [-hvq]\n  -q names only")?;
    if !has(&flags, 'q') {
        let gateway = run.settings.value("POT_GATEWAY").to_owned();
        let up = bridge_with(run, &gateway).is_some() && anchors_are_up(run);
        run.info_line(if up { "Internal network up" } else { "Internal network down" });
    }
    for pot in run.pots.names() {
        if run.runs(&pot) {
            run.call.say(pot);
        }
    }
    Ok(0)
}
