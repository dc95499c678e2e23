//! `pot de-init`: everything of pot's is destroyed.
//!
//! pot does not notice running pots, ignores the status of `zfs destroy -r`, says "removed" all the same, and leaves
//! things behind. So: pots are stopped first or the run is refused, the dataset must be pot's own, what is gone is
//! looked at afterwards, and the rest is offered for cleaning up.

use super::{CHILDREN, clean_up, is_without_pot, needs, needs_file, pot, where_it_leads};
use crate::digest::Digest;
use crate::facts::{Dataset, Fact, Pot, Snapshots, size};
use crate::operations::checks::{Expect, counted, is_at_or_below};
use crate::operations::draft::{Action, Command, PlanDraft, PlannedStep};
use crate::operations::inputs::{Inputs, PfTest, first_trouble};
use crate::operations::pf_conf;
use crate::plan::{ManagedFile, Operation, ProofNeeded, StepState};
use crate::process::Tool;
use crate::rules::next_boot_with;
use std::collections::HashSet;

const PARAMETERS: [&str; 3] = ["POT_ZFS_ROOT", "POT_FS_ROOT", "POT_LOG_FACILITY"];
/// What the datasets of a plan may take in its run's record, in bytes: of a file of 16 MiB at most a run is read again,
/// also after a crash. 16,384 pots of the largest kind take 10 MiB.
const MOST_LISTED: usize = 12 << 20;

/// Plans `pot de-init`. Anything but [`Operation::DeInit`] gives a plan that is blocked.
pub fn de_init(operation: &Operation, inputs: &Inputs<'_>) -> PlanDraft {
    let mut draft = PlanDraft::new(operation);
    let Operation::DeInit { stop_pots, minimal, pf_file } = *operation else {
        draft.block("This is no plan for pot de-init.", "", None);
        return draft;
    };
    draft.proof = ProofNeeded::OneTime;
    let root = inputs.value("POT_ZFS_ROOT");
    if is_without_pot(&mut draft, inputs) {
        return draft;
    }
    needs(&mut draft, &inputs.facts.datasets, "The list of datasets");
    needs(&mut draft, &inputs.facts.pots, "The list of pots");

    let all = inputs.facts.datasets.get().map(Vec::as_slice).unwrap_or_default();
    let mut destroyed: Vec<Dataset> =
        all.iter().filter(|dataset| is_at_or_below(&dataset.name, &root)).cloned().collect();
    destroyed.sort_by(|one, other| one.name.cmp(&other.name));
    if listed_size(&destroyed) > MOST_LISTED {
        draft.block(
            format!("{} below {root} are more than the record of a run can hold.", counted(destroyed.len(), "dataset")),
            "Destroy pots first until there are less, or run pot de-init at the machine.",
            None,
        );
    }
    let own = all.iter().find(|dataset| dataset.name == root);
    let total = own.map_or(0, |dataset| dataset.used);

    stop(&mut draft, inputs.facts.pots.get().map(Vec::as_slice).unwrap_or_default(), stop_pots);
    // Only a dataset that is to go is worth the time that counting takes.
    let snapshots = own.map(|own| (inputs.snapshots)(&own.name));
    if let (Some(own), Some(snapshots)) = (own, &snapshots) {
        ownership(&mut draft, inputs, own, all, &destroyed);
        held(&mut draft, snapshots);
    }
    let snapshots = snapshots.and_then(|fact| fact.value);

    let mut flags = Vec::new();
    if stop_pots {
        flags.push("-f");
    }
    let pf_path = inputs.files.path(ManagedFile::PfConf).to_owned();
    // pot's sed refuses a link: the console takes the lines out itself.
    let is_link = inputs.files.leads_to(ManagedFile::PfConf).is_some();
    if minimal {
        flags.push("-m");
    } else if is_link {
        flags.extend(["-p", ""]);
    } else if pf_file.is_some() {
        flags.extend(["-p", pf_path.as_str()]);
    }
    let command = pot("de-init", &flags).any_status().not_abortable().long();
    draft.command = Some(command.argv());
    let counted_snapshots = snapshots.as_ref().map_or_else(
        || "snapshots that could not be counted".to_owned(),
        |all| counted(usize::try_from(all.count).unwrap_or(usize::MAX), "snapshot"),
    );
    let (state, detail) = if own.is_some() {
        (
            StepState::WillBeDestroyed,
            format!(
                "{}, {counted_snapshots}, {}: destroyed for good, there is no undo",
                counted(destroyed.len(), "dataset"),
                size(total)
            ),
        )
    } else {
        (StepState::Done, "does not exist".to_owned())
    };
    let mut step = PlannedStep::new(format!("dataset {root} and all below it"), state, detail)
        .mark(&["will destroy", &root])
        .mark(&["Deinstall pot"])
        .act(Action::NoPotRuns);

    if !minimal {
        needs_file(&mut draft, inputs, ManagedFile::PfConf);
    }
    let old = inputs.files.bytes(ManagedFile::PfConf);
    let new = pf_conf::remove_anchors(old);
    let pf_changes = !minimal && new != old;
    if let Some(reason) = pf_conf::entangled(old).filter(|_| !minimal) {
        draft.block(
            format!("pot would take a line out of {pf_path} that calls no anchor: {reason}. The lines behind it would mean something else."),
            "Take that line out yourself, with what it belongs to, or choose to leave pf.conf alone.",
            None,
        );
    }
    if pf_changes {
        step = step.act(Action::Backup(ManagedFile::PfConf));
    }
    draft.step(step.act(Action::Run(command)).expect(Expect::NoDataset(root.clone())));
    if minimal {
        draft.step(PlannedStep::new(format!("anchors in {pf_path}"), StepState::Done, "left alone, as asked"));
    } else if pf_changes {
        let tested = match (inputs.pf_test)(&new) {
            PfTest::Valid => "valid afterwards, tested with pfctl -nf".to_owned(),
            PfTest::Invalid(words) => {
                draft.warnings.push(format!(
                    "{pf_path} is not valid after pot's lines are taken out: {}. {}.",
                    first_trouble(&words),
                    next_boot_with(inputs.facts, true, &PfTest::Invalid(Vec::new())).in_words()
                ));
                "not valid afterwards".to_owned()
            }
            PfTest::Untested(why) => format!("not tested ({why})"),
        };
        let lines = pf_conf::anchor_lines(old);
        let mut anchors = PlannedStep::new(
            format!("anchors in {pf_path}"),
            StepState::WillBeChanged,
            format!(
                "{} go{}, {} stay, {tested}",
                counted(lines.0 + lines.1, "anchor line"),
                where_it_leads(inputs, ManagedFile::PfConf),
                counted(pf_conf::rules_in(&new), "rule")
            ),
        )
        .mark(&["pf configuration file should be clean"])
        .expect(Expect::AnchorLines(false));
        if is_link {
            let before = Some(Digest::of(old));
            anchors = anchors.act(Action::Write { file: ManagedFile::PfConf, before, content: new.clone() });
        }
        draft.step(anchors);
        draft.diff(&pf_path, old, &new);
    } else {
        draft.step(
            PlannedStep::new(
                format!("anchors in {pf_path}"),
                StepState::Done,
                if pf_conf::anchors_held(old) == (0, 0) {
                    "none are in it"
                } else {
                    "pot takes out none: they are spelled otherwise"
                },
            )
            .expect(Expect::AnchorLines(false)),
        );
    }
    draft.uses(inputs, &PARAMETERS);
    draft.left_behind = clean_up::left_behind(inputs);
    draft.basis.push(format!("pf.conf {}", Digest::of(old)));
    draft.button = format!("Destroy {root}, {}", size(total));
    draft.nothing_to_do = own.is_none() && !pf_changes;
    if draft.nothing_to_do {
        draft.block(format!("There is nothing to remove: the dataset {root} does not exist."), "", None);
    }
    draft.summary = format!("Destroys {root} with everything in it, {}. It cannot be undone.", size(total));
    draft.confirm_text = Some(root);
    if let Some(all) = &snapshots {
        draft.basis.push(format!("snapshots {} {}", all.count, all.digest));
        destroyed.extend(all.first.iter().map(|name| listed_snapshot(name)));
    }
    // Its dataset says nothing of that: an empty one has a size, too.
    draft.cache_is_empty = destroyed
        .iter()
        .find(|dataset| dataset.name == format!("{}/cache", draft.confirm_text.as_deref().unwrap_or_default()))
        .filter(|dataset| !dataset.is_hidden())
        .and_then(|dataset| (inputs.path_state)(&dataset.mountpoint))
        .map(|state| state.empty);
    draft.destroys = destroyed;
    draft.snapshots = snapshots;
    draft
}

/// What these datasets take in a record, in bytes, about: each has its names and, in JSON, 200 bytes around them.
fn listed_size(datasets: &[Dataset]) -> usize {
    let size = |dataset: &Dataset| {
        dataset.name.len() + dataset.mountpoint.len() + dataset.origin.as_ref().map_or(0, String::len) + 200
    };
    datasets.iter().map(size).sum()
}

/// A snapshot as the list of what is destroyed shows it; what it uses is in its dataset's size.
fn listed_snapshot(name: &str) -> Dataset {
    Dataset {
        name: name.to_owned(),
        kind: "snapshot".to_owned(),
        mountpoint: "-".to_owned(),
        canmount: "-".to_owned(),
        mounted: false,
        used: 0,
        available: 0,
        origin: None,
        locked: false,
    }
}

/// A held snapshot stops `zfs destroy -r` half way.
fn held(draft: &mut PlanDraft, snapshots: &Fact<Snapshots>) {
    needs(draft, snapshots, "The snapshots that would be destroyed");
    if snapshots.is_slow() {
        draft.warnings.push(format!("Counting the snapshots took {} s on this host.", snapshots.took_ms / 1000));
    }
    let Some(all) = snapshots.get() else { return };
    if let Some(first) = &all.first_held {
        let more = if all.held > 1 { format!(" (and {} more)", all.held - 1) } else { String::new() };
        draft.block(
            format!("The snapshot {first}{more} is held, by a backup or a transfer: zfs destroy would stop half way."),
            format!(
                "See who holds it with zfs holds {first}; wait for its end, or release it: zfs release TAG {first}"
            ),
            None,
        );
    }
}

/// Running pots: stopped by the console when that was chosen, else they block.
fn stop(draft: &mut PlanDraft, pots: &[Pot], stop_pots: bool) {
    for pot in pots {
        draft.basis.push(format!("pot {} {:?}", pot.name, pot.running));
    }
    let unseen: Vec<&str> = pots.iter().filter(|pot| pot.running.is_none()).map(|pot| pot.name.as_str()).collect();
    if !unseen.is_empty() {
        draft.block(
            format!("Whether these pots run could not be seen: {}.", unseen.join(", ")),
            "Try jls at the machine.",
            None,
        );
    }
    let mut running: Vec<&str> =
        pots.iter().filter(|pot| pot.running == Some(true)).map(|pot| pot.name.as_str()).collect();
    running.sort_unstable();
    if running.is_empty() {
        return;
    }
    if !stop_pots {
        let is = if running.len() == 1 { "pot is" } else { "pots are" };
        let they = if running.len() == 1 { "it runs" } else { "they run" };
        draft.block(
            format!(
                "{} {is} running: {}. pot de-init does not notice running pots, so this console will not start it while {they}.",
                running.len(),
                running.join(", ")
            ),
            "Choose to stop them first, or stop them yourself.",
            None,
        );
    }
    for name in running {
        let step = PlannedStep::new(
            format!("pot {name}"),
            if stop_pots { StepState::WillBeChanged } else { StepState::Blocks },
            if stop_pots { "runs, is stopped first" } else { "runs" },
        );
        let command = Command::new(Tool::Pot, &["stop", name]).any_status().long();
        draft.step(if stop_pots {
            step.act(Action::Run(command)).expect(Expect::PotStopped(name.to_owned()))
        } else {
            step
        });
    }
}

/// The dataset must be pot's own before it is destroyed.
fn ownership(draft: &mut PlanDraft, inputs: &Inputs<'_>, own: &Dataset, all: &[Dataset], destroyed: &[Dataset]) {
    let root = &own.name;
    let fs_root = inputs.value("POT_FS_ROOT");
    let not_pots = "Look at it first: zfs list -r. This console destroys only what pot made.";
    if !root.contains('/') || inputs.facts.pools.get().is_some_and(|pools| pools.iter().any(|pool| pool.name == *root))
    {
        draft.block(format!("{root} is a pool: it is not destroyed."), not_pots, Some("POT_ZFS_ROOT"));
    }
    let root_file_system = all.iter().find(|dataset| dataset.mountpoint == "/" && dataset.mounted);
    if let Some(system) = root_file_system
        && is_at_or_below(&system.name, root)
    {
        draft.block(
            format!("{root} holds the root file system ({}): it is not destroyed.", system.name),
            not_pots,
            Some("POT_ZFS_ROOT"),
        );
    }
    if own.mountpoint != fs_root {
        draft.block(
            format!("{root} has mountpoint {}, not POT_FS_ROOT {fs_root}: pot did not make it so.", own.mountpoint),
            not_pots,
            Some("POT_ZFS_ROOT"),
        );
    }
    if own.canmount != "off" {
        draft.block(
            format!("{root} has canmount={}; pot makes its root with canmount=off.", own.canmount),
            not_pots,
            Some("POT_ZFS_ROOT"),
        );
    }
    // Whether their conf/pot.conf cannot be seen, because the dataset is not mounted.
    let hidden: HashSet<&str> =
        destroyed.iter().filter(|dataset| dataset.is_hidden()).map(|dataset| dataset.name.as_str()).collect();
    let pots = inputs.facts.pots.get();
    let pots = pots.map(|pots| pots.iter().map(|pot| pot.name.as_str()).collect::<HashSet<_>>());
    for dataset in destroyed {
        let Some(child) = dataset.name.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let first = child.split(['/', '@']).next().unwrap_or_default();
        let below = child.get(first.len()..).unwrap_or_default();
        // Whether a dataset is a pot tells a file in it: nobody knows while it is not mounted.
        let holds_pots = first == "jails" && !below.get(1..).unwrap_or_default().contains('/');
        if holds_pots && dataset.is_hidden() {
            draft.block(
                format!(
                    "{} is not mounted{}: what is in it cannot be looked at.",
                    dataset.name,
                    if dataset.locked { ", its key is not loaded" } else { "" }
                ),
                format!("Mount it first: {}", dataset.how_to_mount()),
                None,
            );
            continue;
        }
        // A pot is a dataset below jails with its conf/pot.conf; what else stands there may be anything.
        let pot = below.strip_prefix('/').map(|rest| rest.split(['/', '@']).next().unwrap_or_default());
        if let Some(name) = pot.filter(|_| first == "jails")
            && !hidden.contains(format!("{root}/jails/{name}").as_str())
            && pots.as_ref().is_some_and(|pots| !pots.contains(name))
        {
            draft.block(
                format!("{root}/jails/{name} is no pot: it has no conf/pot.conf."),
                format!(
                    "Move it elsewhere first (zfs rename), or, when it is the rest of a pot, destroy it: zfs destroy -r {root}/jails/{name}"
                ),
                Some("POT_ZFS_ROOT"),
            );
        }
        if !CHILDREN.contains(&first) && first != "cache" {
            draft.block(
                format!("{root}/{first} is not one of pot's datasets (bases, cache, fscomp, jails)."),
                "Move it elsewhere first: zfs rename.",
                Some("POT_ZFS_ROOT"),
            );
        }
    }
    for dataset in all {
        let foreign = dataset.origin.as_deref().is_some_and(|origin| is_at_or_below(origin, root));
        if foreign && !is_at_or_below(&dataset.name, root) {
            draft.block(
                format!("{} is a clone of a snapshot below {root}: zfs destroy would stop half way.", dataset.name),
                format!("Promote or destroy it first: zfs promote {}", dataset.name),
                Some("POT_ZFS_ROOT"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_for_ten_thousand_pots_fits_into_the_record_of_its_run_and_a_guess_of_its_size_is_none_too_small() {
        let mut datasets: Vec<Dataset> = (0..10_000)
            .flat_map(|number| {
                ["", "/custom", "/usr.local"].map(|part| format!("zroot/pot/jails/web-{number:05}{part}"))
            })
            .map(|name| Dataset {
                mountpoint: name.replace("zroot", "/opt"),
                kind: "filesystem".to_owned(),
                canmount: "on".to_owned(),
                mounted: true,
                used: u64::MAX,
                available: u64::MAX,
                ..listed_snapshot(&name)
            })
            .collect();
        let record = |datasets: &[Dataset]| serde_json::to_vec(datasets).unwrap().len();
        assert!(listed_size(&datasets) <= MOST_LISTED, "{}", listed_size(&datasets));
        assert!(record(&datasets) <= listed_size(&datasets), "{} of {}", record(&datasets), listed_size(&datasets));
        datasets.extend_from_within(..);
        assert!(listed_size(&datasets) > MOST_LISTED);
    }
}
