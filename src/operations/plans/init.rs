//! `pot init`: datasets, pf.conf's anchors, syslogd_flags.
//!
//! pot checks the network only after it has made the datasets, writes its anchors to the top of pf.conf and replaces
//! syslogd_flags. Here the network is judged first, the anchors are placed before pot runs (it finds them present),
//! and flags are merged: when the host has own ones pot runs with `-s` and the console writes the merged value.

use super::{
    CHILDREN, is_without_pot, judged_later, judging_step, module_step, needs, needs_file, needs_interfaces,
    needs_plain_flags, needs_plain_rc, next_boot, pot, temporary_folder, where_it_leads,
};
use crate::digest::Digest;
use crate::facts::{Dataset, PathKind};
use crate::operations::checks::Expect;
use crate::operations::draft::{Action, Command, PlanDraft, PlannedStep};
use crate::operations::inputs::{Inputs, PfTest, first_trouble};
use crate::operations::pf_conf::{self, Placement};
use crate::operations::rc_conf::Stands;
use crate::operations::{before_init, rc_conf};
use crate::plan::{LOG_FOLDERS, ManagedFile, Operation, StepState};
use crate::potconf::commands;
use crate::process::Tool;
use crate::rules::syslogd_flags;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Init's options, as the page asks them.
#[derive(Debug, Clone, Copy)]
struct Options {
    place_anchors: bool,
    merge: bool,
    minimal: bool,
    leave_syslogd: bool,
    leave_pf: bool,
    other_pf_file: bool,
}

/// Plans `pot init`. Anything but [`Operation::Init`] gives a plan that is blocked.
pub fn init(operation: &Operation, inputs: &Inputs<'_>) -> PlanDraft {
    let mut draft = PlanDraft::new(operation);
    let Operation::Init { place_anchors, merge_syslogd_flags, minimal, leave_syslogd, leave_pf, pf_file } = *operation
    else {
        draft.block("This is no plan for pot init.", "", None);
        return draft;
    };
    let options = Options {
        place_anchors,
        merge: merge_syslogd_flags,
        minimal,
        leave_syslogd: leave_syslogd || minimal,
        leave_pf: leave_pf || minimal,
        other_pf_file: pf_file.is_some(),
    };
    "Initialise pot".clone_into(&mut draft.button);

    if is_without_pot(&mut draft, inputs) {
        return draft;
    }
    group(&mut draft, inputs);
    network(&mut draft, inputs);
    let pf_lines = pf(&mut draft, inputs, options);
    let (syslogd, flags_step) = syslogd(&mut draft, inputs, options);

    let flags = flags(inputs, options, &syslogd);
    let command = pot("init", &flags.iter().map(String::as_str).collect::<Vec<_>>());
    draft.command = Some(command.argv());
    let mut run =
        PlannedStep::new("pot init", StepState::WillRun, "pot's own initialisation, which skips what is there");
    if syslogd.changed && inputs.files.exists(ManagedFile::RcConf) {
        run = run.act(Action::Backup(ManagedFile::RcConf));
    }
    // The note is on disk before anything changes the flags: pot's command, or the console's own step behind it.
    run.actions.extend(syslogd.note);
    temporary_folder(&mut draft, inputs);
    draft.step(run.act(Action::Run(command)));
    let (created, mounted) = datasets(&mut draft, inputs);
    folders(&mut draft, inputs, options);
    draft.step(flags_step);
    draft.uses(inputs, &commands::INIT);

    draft.nothing_to_do = created == 0 && draft.diffs.is_empty() && all_done(&draft);
    let pool = inputs.value("POT_ZFS_ROOT").split('/').next().unwrap_or_default().to_owned();
    draft.summary = summary(created, mounted, &pool, pf_lines, inputs.files.path(ManagedFile::PfConf), syslogd.changed);
    draft
}

fn all_done(draft: &PlanDraft) -> bool {
    draft.steps.iter().all(|step| matches!(step.step.state, StepState::Done | StepState::WillRun))
}

fn summary(created: usize, mounted: usize, pool: &str, pf_lines: usize, pf_path: &str, syslogd: bool) -> String {
    let mut parts = Vec::new();
    match created {
        0 => {}
        1 => parts.push(format!("creates 1 dataset in {pool}")),
        count => parts.push(format!("creates {count} datasets in {pool}")),
    }
    match mounted {
        0 => {}
        1 => parts.push("mounts 1 dataset".to_owned()),
        count => parts.push(format!("mounts {count} datasets")),
    }
    if pf_lines > 0 {
        parts.push(format!("adds {pf_lines} lines to {pf_path}"));
    }
    if syslogd {
        parts.push("changes syslogd_flags in /etc/rc.conf".to_owned());
    }
    let text = match parts.as_slice() {
        [] => return "Everything is in place. Running pot init again changes nothing.".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let mut letters = text.chars();
    let text: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
    format!("{text}. Starts no network. If a step fails, what was created stays and is listed here.")
}

/// The group that will own POT_FS_ROOT.
fn group(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    let group = inputs.value("POT_GROUP");
    needs(draft, &inputs.facts.groups, "The list of groups");
    if inputs.facts.groups.get().is_none() {
        draft.step(PlannedStep::new(format!("group {group}"), StepState::Blocks, "not known"));
        return;
    }
    let known = inputs.facts.groups.get().and_then(|groups| groups.get(&group));
    let step = match known {
        Some(gid) => PlannedStep::new(format!("group {group}"), StepState::Done, format!("exists, gid {gid}")),
        None => {
            draft.block(
                format!("The group {group} does not exist on this host."),
                "The package makes the group pot: prepare the host, or set POT_GROUP to a group that exists.",
                Some("POT_GROUP"),
            );
            PlannedStep::new(format!("group {group}"), StepState::Blocks, "does not exist")
        }
    };
    draft.step(step.expect(Expect::Group(group)));
}

/// Pool and the five datasets. Gives back how many will be created, and how many mounted that are there.
fn datasets(draft: &mut PlanDraft, inputs: &Inputs<'_>) -> (usize, usize) {
    let root = inputs.value("POT_ZFS_ROOT");
    let fs_root = inputs.value("POT_FS_ROOT");
    let cache = inputs.value("POT_CACHE");
    let pool = root.split('/').next().unwrap_or_default().to_owned();
    needs(draft, &inputs.facts.pools, "The list of ZFS pools");
    needs(draft, &inputs.facts.datasets, "The list of datasets");
    if let Some(pools) = inputs.facts.pools.get()
        && !pools.iter().any(|known| known.name == pool)
    {
        let remedy = match pools.as_slice() {
            [] => "This host has no ZFS pool: make one first, zpool create.".to_owned(),
            [one] => format!("Set it to {}/pot.", one.name),
            more => format!("Its pools are {}.", more.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")),
        };
        draft.block(format!("POT_ZFS_ROOT {root}: this host has no ZFS pool {pool}."), remedy, Some("POT_ZFS_ROOT"));
    }
    let all = inputs.facts.datasets.get().map(Vec::as_slice).unwrap_or_default();
    // pot makes its root without its parents: zfs create has no -p there.
    if let Some((parent, _)) = root.rsplit_once('/')
        && parent != pool
        && !all.is_empty()
        && !all.iter().any(|dataset| dataset.name == parent)
    {
        draft.block(
            format!("POT_ZFS_ROOT {root}: its parent {parent} does not exist, and pot does not make it."),
            format!("Run zfs create -p {parent} first, or choose a dataset directly below {pool}."),
            Some("POT_ZFS_ROOT"),
        );
    }

    let mut wanted = vec![(root.clone(), fs_root.clone(), false)];
    wanted.extend(CHILDREN.iter().map(|child| (format!("{root}/{child}"), format!("{fs_root}/{child}"), true)));
    let cache_name = format!("{root}/cache");
    wanted.push((cache_name.clone(), cache, true));
    let (mut created, mut unmounted) = (0, 0);
    for (name, mountpoint, mounted) in wanted {
        let here = all.iter().find(|dataset| dataset.name == name);
        let step = match here {
            Some(dataset) if dataset.mountpoint == mountpoint && mounted && !dataset.mounted => {
                unmounted += 1;
                not_mounted(draft, dataset, name == cache_name)
            }
            Some(dataset) if dataset.mountpoint == mountpoint => {
                PlannedStep::new(format!("dataset {name}"), StepState::Done, format!("exists, mountpoint {mountpoint}"))
            }
            Some(dataset) => {
                draft.block(
                    format!(
                        "The dataset {name} exists with mountpoint {}, the configuration says {mountpoint}.",
                        dataset.mountpoint
                    ),
                    "Choose another dataset or the mountpoint that it has: pot would refuse it, or mount it elsewhere than it thinks.",
                    Some(if name == root { "POT_ZFS_ROOT" } else { "POT_FS_ROOT" }),
                );
                PlannedStep::new(
                    format!("dataset {name}"),
                    StepState::Blocks,
                    format!("exists with mountpoint {}", dataset.mountpoint),
                )
            }
            None => {
                created += 1;
                let how = if mounted { "mounted at" } else { "never mounted itself, its children below" };
                PlannedStep::new(
                    format!("dataset {name}"),
                    StepState::WillBeCreated,
                    format!("will be created, {how} {mountpoint}"),
                )
            }
        };
        let to_mount = here.is_none_or(|dataset| mounted && !dataset.mounted);
        if to_mount
            && let Some(other) =
                all.iter().find(|dataset| dataset.mountpoint == mountpoint && dataset.mounted && dataset.name != name)
        {
            draft.block(
                format!("{mountpoint} is the mountpoint of {} already.", other.name),
                "Two datasets at one place hide each other: choose another folder.",
                Some(if mountpoint == inputs.value("POT_CACHE") { "POT_CACHE" } else { "POT_FS_ROOT" }),
            );
        }
        if to_mount
            && mounted
            && let Some(state) = inputs.facts.paths.get().and_then(|paths| paths.get(&mountpoint))
            && state.kind == PathKind::Folder
            && !state.empty
        {
            draft.warnings.push(format!(
                "{mountpoint} is a folder with files in it. The dataset is mounted over it, and they become unreachable."
            ));
        }
        draft.basis.push(format!("dataset {name} {:?}", here.map(|dataset| (&dataset.mountpoint, dataset.mounted))));
        draft.step(step.mark(&["creating", &name]).mark(&["mounting", &name]).expect(Expect::Dataset {
            name,
            mountpoint,
            mounted,
        }));
    }
    (created, unmounted)
}

/// A dataset that is there and not mounted: pot mounts it (`zfs mount`), all but the cache, which it takes for done.
fn not_mounted(draft: &mut PlanDraft, dataset: &Dataset, is_cache: bool) -> PlannedStep {
    let title = format!("dataset {}", dataset.name);
    if dataset.locked {
        draft.block(
            format!("The dataset {} is encrypted, and its key is not loaded: it cannot be mounted.", dataset.name),
            format!("Load it first: {}", dataset.how_to_mount()),
            Some("POT_ZFS_ROOT"),
        );
        return PlannedStep::new(title, StepState::Blocks, "exists, its key is not loaded");
    }
    if dataset.canmount == "off" {
        draft.block(
            format!("The dataset {} has canmount=off: it cannot be mounted.", dataset.name),
            format!("Make it mountable first: zfs set canmount=on {}", dataset.name),
            Some("POT_ZFS_ROOT"),
        );
        return PlannedStep::new(title, StepState::Blocks, "exists with canmount=off");
    }
    let step = PlannedStep::new(
        title,
        StepState::WillBeChanged,
        format!("exists, is not mounted; will be mounted at {}", dataset.mountpoint),
    );
    if is_cache { step.act(Action::Run(Command::new(Tool::Zfs, &["mount", &dataset.name]))) } else { step }
}

/// POT_FS_ROOT, POT_TMP and the folders for logs.
fn folders(draft: &mut PlanDraft, inputs: &Inputs<'_>, options: Options) {
    let fs_root = inputs.value("POT_FS_ROOT");
    let group = inputs.value("POT_GROUP");
    needs(draft, &inputs.facts.paths, "What stands at pot's paths");
    needs(draft, &inputs.facts.private_bridges, "The list of private bridges");
    let Some(paths) = inputs.facts.paths.get() else { return };
    let state = paths.get(&fs_root);
    let bridges = inputs.facts.private_bridges.get().map(Vec::as_slice).unwrap_or_default();
    let gid = inputs.facts.groups.get().and_then(|groups| groups.get(&group)).copied();
    let step = match state.map(|state| state.kind) {
        Some(PathKind::Folder) => {
            let as_wanted = state.is_some_and(|state| state.mode & 0o7777 == 0o750 && Some(state.gid) == gid);
            let (progress, detail) = if as_wanted {
                (StepState::Done, "exists".to_owned())
            } else {
                (StepState::WillBeChanged, format!("gets mode 750, owner root:{group}"))
            };
            PlannedStep::new(format!("folder {fs_root}"), progress, detail)
        }
        Some(PathKind::Absent) | None => PlannedStep::new(
            format!("folder {fs_root}"),
            StepState::WillBeCreated,
            format!("mode 750, owner root:{group}, with bridges below"),
        ),
        Some(other) => {
            draft.block(
                format!("POT_FS_ROOT {fs_root} is not a folder, but a {}.", format!("{other:?}").to_lowercase()),
                "Choose another folder.",
                Some("POT_FS_ROOT"),
            );
            PlannedStep::new(format!("folder {fs_root}"), StepState::Blocks, "is not a folder")
        }
    };
    let root_exists = inputs
        .facts
        .datasets
        .get()
        .is_some_and(|all| all.iter().any(|dataset| dataset.name == inputs.value("POT_ZFS_ROOT")));
    if !root_exists && !bridges.is_empty() {
        let names: Vec<&str> = bridges.iter().map(|bridge| bridge.name.as_str()).collect();
        draft.warnings.push(format!(
            "{fs_root} holds private bridges of an earlier pot: {}. They will be there again.",
            names.join(", ")
        ));
    }
    draft.step(step.expect(Expect::Folder { path: fs_root, group: Some(group), mode: Some(0o750) }));

    if !options.leave_syslogd {
        draft.step(PlannedStep::new(
            "folders for logs",
            StepState::WillRun,
            format!("{}: made where they are missing", LOG_FOLDERS.join(", ")),
        ));
    }
}

/// The network as pot will judge it, but before any dataset is made.
fn network(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    let before = draft.blockers.len();
    needs_interfaces(draft, inputs);
    let network: Option<Ipv4Net> = inputs.parsed("POT_NETWORK");
    let gateway: Option<Ipv4Addr> = inputs.parsed("POT_GATEWAY");
    match (network, gateway) {
        (Some(network), Some(gateway)) => {
            if !network.contains(&gateway) {
                draft.block(
                    format!("POT_GATEWAY {gateway} is not in POT_NETWORK {network}."),
                    "Choose an address of that network.",
                    Some("POT_GATEWAY"),
                );
            }
            let netmask = inputs.value("POT_NETMASK");
            if netmask.parse() != Ok(network.netmask()) {
                draft.block(
                    format!("POT_NETMASK {netmask} is not the netmask of POT_NETWORK {network}."),
                    format!("Set it to {}.", network.netmask()),
                    Some("POT_NETMASK"),
                );
            }
        }
        (None, _) => {
            draft.block(
                "POT_NETWORK is no IPv4 network.",
                "Set it, for example to 10.192.0.0/10.",
                Some("POT_NETWORK"),
            );
        }
        (_, None) => {
            draft.block("POT_GATEWAY is no IPv4 address.", "Set it to an address of POT_NETWORK.", Some("POT_GATEWAY"));
        }
    }
    let state = if draft.blockers.len() > before { StepState::Blocks } else { StepState::WillRun };
    let command = Command::new(Tool::Potnet, &["config-check"]);
    draft.step(
        PlannedStep::new("network", state, "checked before any dataset is made: interfaces, gateway, netmask")
            .act(Action::Run(command)),
    );
    draft.basis.push(format!(
        "interfaces {:?}",
        inputs.facts.interfaces.get().map(|all| all
            .iter()
            .filter(|interface| !interface.groups.iter().any(|group| group == "epair"))
            .map(|interface| (&interface.name, &interface.addresses))
            .collect::<Vec<_>>())
    ));
}

/// pf.conf. Gives back the number of lines added.
fn pf(draft: &mut PlanDraft, inputs: &Inputs<'_>, options: Options) -> usize {
    let path = inputs.files.path(ManagedFile::PfConf).to_owned();
    if options.leave_pf {
        draft.step(PlannedStep::new(
            format!("anchors in {path}"),
            StepState::Done,
            "left alone, as asked: pots reach the network only after you put both anchors in yourself",
        ));
        return 0;
    }
    needs_file(draft, inputs, ManagedFile::PfConf);
    if !options.other_pf_file {
        // It says which file pf reads.
        needs(draft, &inputs.facts.rc, "rc.conf");
    }
    let old = inputs.files.bytes(ManagedFile::PfConf);
    let existed = inputs.files.exists(ManagedFile::PfConf);
    // pot's sed refuses a link: the console writes what pot would.
    let ours = options.place_anchors || inputs.files.leads_to(ManagedFile::PfConf).is_some();
    let mut line = None;
    let mut untold = None;
    // Without placing it is for pf alone to say whether they stand in order.
    let mut in_order = false;
    let new = if options.place_anchors {
        match pf_conf::place_anchors(old) {
            Placement::Present { unsure } => {
                in_order = unsure.is_none();
                old.to_vec()
            }
            Placement::Placed { text, line: at, behind } => {
                line = Some(at);
                if !behind.is_empty() {
                    let lines: Vec<String> = behind.iter().map(|rule| rule.line.to_string()).collect();
                    draft.warnings.push(format!(
                        "In {path} your own translation rules (line {}) stand behind pot's anchors. Translation is first-match: what pot's rules take, yours do not see.",
                        lines.join(", ")
                    ));
                }
                text
            }
            Placement::Ask { reason } => {
                untold = Some("where they belong cannot be told");
                draft.block(
                    format!("Where pot's anchors belong in {path} cannot be told: {reason}."),
                    format!(
                        "Put the lines `{}` and `{}` in yourself, before the first translation or filter rule, or choose to leave pf.conf alone.",
                        pf_conf::NAT_ANCHOR,
                        pf_conf::RDR_ANCHOR
                    ),
                    None,
                );
                old.to_vec()
            }
        }
    } else if let Some(reason) = pf_conf::entangled(old) {
        untold = Some("pot would change what other lines mean");
        draft.block(
            format!("pot would count a line of {path} that calls no anchor, or take it out: {reason}."),
            "Take that line out yourself, with what it belongs to.",
            None,
        );
        old.to_vec()
    } else {
        pf_conf::as_pot_would(old)
    };
    let changed = new != old;
    let tested = (inputs.pf_test)(&new);
    let later = changed && judged_later(inputs, &tested);
    match &tested {
        PfTest::Valid => {}
        PfTest::Invalid(words) => {
            let (problem, remedy) = match (inputs.pf_test)(old) {
                PfTest::Invalid(own) if existed => (
                    format!("{path} is invalid already: {}. {}", first_trouble(&own), next_boot(inputs)),
                    format!("Fix it first; pfctl -nf {path} shows every line."),
                ),
                _ => (
                    format!("{path} would be invalid with pot's anchors: {}.", first_trouble(words)),
                    "Let the console place the anchors, or put them in yourself.".to_owned(),
                ),
            };
            draft.block(problem, remedy, None);
        }
        PfTest::Untested(_) if later => {
            // First of all: nothing else is done on the strength of a file that pf may not take.
            draft.steps.insert(0, module_step());
            draft.steps.insert(1, judging_step(&path, &new));
            draft.warnings.push(format!(
                "{path} could not be judged yet: pf is not loaded. The run loads pf's module, which turns nothing on, and judges the file before it changes anything."
            ));
        }
        PfTest::Untested(why) => draft
            .warnings
            .push(format!("{path} could not be tested with pfctl -nf ({why}): look at it before pf is turned on.")),
    }
    draft.diff(&path, old, &new);
    let test = match &tested {
        PfTest::Valid => "tested with pfctl -nf",
        _ if later => "to be tested with pfctl -nf",
        _ => "not tested",
    };
    let (state, detail) = match (changed, line) {
        _ if let Some(why) = untold => (StepState::Blocks, why.to_owned()),
        _ if matches!(tested, PfTest::Invalid(_)) => (
            StepState::Blocks,
            if changed { "pf would not take the file" } else { "pf does not take the file" }.to_owned(),
        ),
        (false, _) if in_order => (StepState::Done, "both stand where pf.conf(5)'s order allows".to_owned()),
        (false, _) => (StepState::Done, format!("both stand, {test}")),
        (true, Some(line)) => (
            StepState::WillBeChanged,
            format!(
                "placed from line {line}{}, {test}, a version is kept before",
                where_it_leads(inputs, ManagedFile::PfConf),
            ),
        ),
        (true, None) if ours => (
            StepState::WillBeChanged,
            format!(
                "put at the top{}, as pot would, a version is kept before",
                where_it_leads(inputs, ManagedFile::PfConf)
            ),
        ),
        (true, None) => {
            (StepState::WillBeChanged, "written by pot to the top of the file, a version is kept before".to_owned())
        }
    };
    let state = if state == StepState::WillBeChanged && !existed { StepState::WillBeCreated } else { state };
    let mut step = PlannedStep::new(format!("anchors in {path}"), state, detail)
        .mark(&["pf already properly configured"])
        .mark(&["auto-magically editing"])
        .expect(Expect::AnchorLines(true))
        .expect(Expect::Content { file: ManagedFile::PfConf, digest: Digest::of(&new) })
        .expect(Expect::PfFileValid);
    if changed && existed {
        step = step.act(Action::Backup(ManagedFile::PfConf));
    }
    if changed && ours {
        let before = existed.then(|| Digest::of(old));
        step = step.act(Action::Write { file: ManagedFile::PfConf, before, content: new });
    } else {
        draft.basis.push(format!("pf.conf {}", Digest::of(old)));
    }
    draft.step(step);
    if changed { 2 } else { 0 }
}

/// What becomes of syslogd_flags.
struct Syslogd {
    /// Whether rc.conf changes.
    changed: bool,
    /// Whether the console writes it, pot running with `-s`.
    ours: bool,
    /// What is noted of the flags before they change.
    note: Option<Action>,
}

impl Syslogd {
    fn untouched() -> Self {
        Self { changed: false, ours: false, note: None }
    }
}

fn syslogd(draft: &mut PlanDraft, inputs: &Inputs<'_>, options: Options) -> (Syslogd, PlannedStep) {
    const NAME: &str = before_init::FLAGS;
    if options.leave_syslogd {
        let step = PlannedStep::new(NAME, StepState::Done, "left alone, as asked: syslogd takes no lines from pots");
        return (Syslogd::untouched(), step);
    }
    needs(draft, &inputs.facts.rc, "rc.conf");
    needs_file(draft, inputs, ManagedFile::RcConf);
    let Some(rc) = inputs.facts.rc.get() else {
        // From what is not known no difference can be shown.
        return (Syslogd::untouched(), PlannedStep::new(NAME, StepState::Blocks, "what it says now is not known"));
    };
    let (Some(gateway), Some(network)) =
        (inputs.parsed::<Ipv4Addr>("POT_GATEWAY"), inputs.parsed::<Ipv4Net>("POT_NETWORK"))
    else {
        let step = PlannedStep::new(NAME, StepState::Blocks, "gateway and network are not known");
        return (Syslogd::untouched(), step);
    };
    // Set nowhere, not even in the system's defaults: sysrc was asked and named no value.
    let now = rc.get(NAME).cloned().unwrap_or_default();
    let pots = syslogd_flags::pots_part(gateway, network);
    // An earlier init's part goes first: it may be of another POT_NETWORK.
    let before = inputs.files.before_init.flags(gateway, network);
    let own = syslogd_flags::give_back(&now, gateway, network, &before);
    let own = own.map_or_else(|| now.clone(), |given| given.value.unwrap_or_default());
    let (value, notes) = if options.merge {
        let bindable = inputs.facts.interfaces.get().map(|all| syslogd_flags::Bindable::of(all));
        let merged = syslogd_flags::merge(&own, gateway, network, bindable.as_ref());
        let same = syslogd_flags::same(&merged.flags, &now);
        if same { (now.clone(), Vec::new()) } else { (merged.flags, merged.notes) }
    } else {
        (pots.clone(), Vec::new())
    };
    let old = inputs.files.bytes(ManagedFile::RcConf);
    let set = rc_conf::sets(old, NAME) || inputs.files.overrides(NAME).is_some();
    let changed = value != now || !set;
    // What pot itself would write needs no hand of ours; pot writes it even when it stands there already.
    // It would put a plain file in a link's place.
    let is_link = inputs.files.leads_to(ManagedFile::RcConf).is_some();
    let ours = is_link || (options.merge && value != pots);
    if !options.merge && changed && !now.is_empty() && now != "-s" {
        draft.warnings.push(format!("Your own syslogd_flags `{now}` are replaced by pot's, not merged."));
    }
    for note in notes {
        draft.warnings.push(format!("syslogd_flags: {note}."));
    }
    if changed {
        needs_plain_rc(draft, inputs, NAME, &value, ", or choose to leave syslogd alone");
        needs_plain_flags(draft, inputs, &now, ", or choose to leave syslogd alone");
        let new = rc_conf::set(old, NAME, &value);
        draft.diff(inputs.files.path(ManagedFile::RcConf), old, &new);
        draft.warnings.push(
            "syslogd takes its new flags when it is restarted. At boot it cannot bind the gateway's address before the bridge exists."
                .to_owned(),
        );
    }
    draft.basis.push(format!("rc.conf {} {now:?}", Digest::of(old)));
    let (state, detail) = if changed {
        let place = where_it_leads(inputs, ManagedFile::RcConf);
        (StepState::WillBeChanged, format!("from `{now}` to `{value}`{place}"))
    } else {
        (StepState::Done, format!("is `{value}`"))
    };
    let mut step = PlannedStep::new(NAME, state, detail)
        .mark(&["syslogd_flags:"])
        .expect(Expect::Rc { name: NAME.to_owned(), value: Some(value.clone()) });
    if ours {
        for folder in LOG_FOLDERS {
            step = step.act(Action::Folder(folder.to_owned()));
        }
        if changed && is_link {
            let before = Some(Digest::of(old));
            let content = rc_conf::set(old, NAME, &value);
            step = step.act(Action::Write { file: ManagedFile::RcConf, before, content });
        } else if changed {
            step = step.act(Action::Run(Command::new(Tool::Sysrc, &["-q", &format!("{NAME}={value}")])));
        }
    }
    let note = changed.then(|| note(inputs, gateway, network, &now, value));
    // Once more behind pot's command, whose copy of rc.conf would be the younger witness otherwise.
    step.actions.extend(note.clone());
    (Syslogd { changed, ours, note }, step)
}

/// What is noted of the flags before this init changes them. Where an earlier one has left its part in them, it is what
/// stood before that.
fn note(inputs: &Inputs<'_>, gateway: Ipv4Addr, network: Ipv4Net, now: &str, written: String) -> Action {
    let before = inputs.files.before_init.flags(gateway, network);
    let flags = match syslogd_flags::give_back(now, gateway, network, &before) {
        Some(given) => given.value,
        None => match rc_conf::stands(inputs.files.bytes(ManagedFile::RcConf), before_init::FLAGS) {
            Stands::Absent => None,
            Stands::Plain(flags) => Some(flags),
            Stands::Computed => Some(now.to_owned()),
        },
    };
    Action::NoteFlags { flags, written }
}

fn flags(inputs: &Inputs<'_>, options: Options, syslogd: &Syslogd) -> Vec<String> {
    let mut flags = Vec::new();
    if options.minimal {
        flags.push("-m".to_owned());
        return flags;
    }
    if options.leave_syslogd || syslogd.ours {
        flags.push("-s".to_owned());
    }
    if options.leave_pf || inputs.files.leads_to(ManagedFile::PfConf).is_some() {
        flags.extend(["-p".to_owned(), String::new()]);
    } else if options.other_pf_file {
        flags.extend(["-p".to_owned(), inputs.files.path(ManagedFile::PfConf).to_owned()]);
    }
    flags
}
