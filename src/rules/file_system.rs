//! Rules about where pot keeps things: POT_ZFS_ROOT, POT_FS_ROOT, POT_CACHE, POT_TMP, POT_GROUP.

use super::Finding;
use super::limits::{self, is_at_or_below};
use super::view::{View, enumerated, plural};
use crate::facts::{Dataset, HostFacts, PathKind, PathState, size};
use crate::layout::SHARED_FOLDERS;
use crate::potconf::{Configuration, Source};

const ZFS_ROOT: &str = "POT_ZFS_ROOT";
const FS_ROOT: &str = "POT_FS_ROOT";
const CACHE: &str = "POT_CACHE";
const TMP: &str = "POT_TMP";
const GROUP: &str = "POT_GROUP";

/// What pot takes for temporary files unless told otherwise.
const EVERYBODYS: &str = SHARED_FOLDERS[0];

fn datasets<'a>(view: &View<'a>) -> Option<&'a [Dataset]> {
    view.facts?.datasets.get().map(Vec::as_slice)
}

fn dataset<'a>(view: &View<'a>, name: &str) -> Option<&'a Dataset> {
    datasets(view)?.iter().find(|dataset| dataset.name == name)
}

fn state<'a>(view: &View<'a>, path: &str) -> Option<&'a PathState> {
    view.facts?.paths.get()?.get(path)
}

/// POT_ZFS_ROOT is no dataset name below a pool (zfs(8); `pot de-init` runs `zfs destroy -r` on it).
pub(super) fn dataset_name_invalid(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(ZFS_ROOT) else { return Vec::new() };
    let Some(problem) = limits::dataset_problem(value) else { return Vec::new() };
    vec![Finding::error(
        "dataset-name-invalid",
        &[ZFS_ROOT],
        format!("POT_ZFS_ROOT `{}` cannot be used: {problem}.", value.escape_debug()),
    )]
}

/// The pool of POT_ZFS_ROOT is not there: `zfs create` would fail. The default is found, too.
pub(super) fn pool_missing(view: &View<'_>) -> Vec<Finding> {
    let Some(value) = view.text(ZFS_ROOT).filter(|value| limits::dataset_problem(value).is_none()) else {
        return Vec::new();
    };
    let Some(pools) = view.facts.and_then(|facts| facts.pools.get()) else { return Vec::new() };
    let Some((pool, below)) = value.split_once('/') else { return Vec::new() };
    if pools.iter().any(|known| known.name == pool) {
        return Vec::new();
    }
    let names: Vec<&str> = pools.iter().map(|known| known.name.as_str()).collect();
    let has = match names.as_slice() {
        [] => "This host has no pool.".to_owned(),
        [only] => format!("This host has the pool {only}."),
        _ => format!("This host has the pools {}.", enumerated(&names)),
    };
    let certain = match names.as_slice() {
        [only] => Some(format!("{only}/{below}")),
        _ => None,
    };
    vec![
        Finding::error(
            "pool-missing",
            &[ZFS_ROOT],
            format!("There is no pool {pool} for POT_ZFS_ROOT {value}, and `pot init` could not create it. {has}"),
        )
        .perhaps_fixed_by(ZFS_ROOT, certain),
    ]
}

/// The dataset exists with another mountpoint (init.sh: "is an invalid POT root"; every other command: "not
/// initialized").
pub(super) fn dataset_mounted_elsewhere(view: &View<'_>) -> Vec<Finding> {
    let (Some(name), Some(folder)) = (view.text(ZFS_ROOT), view.text(FS_ROOT)) else { return Vec::new() };
    let Some(known) = dataset(view, name).filter(|known| known.mountpoint != folder) else { return Vec::new() };
    let first = if view.is_own(FS_ROOT) || !view.is_own(ZFS_ROOT) { FS_ROOT } else { ZFS_ROOT };
    let second = if first == FS_ROOT { ZFS_ROOT } else { FS_ROOT };
    let held = holdings(view, name);
    let or = if limits::check(FS_ROOT, &known.mountpoint).is_ok() { ", or that mountpoint" } else { "" };
    let finding = Finding::error(
        "dataset-mounted-elsewhere",
        &[first, second],
        format!(
            "{name} exists with the mountpoint {}, not {folder}. pot calls that an invalid root and would stop.{held} Name \
             another dataset{or}.",
            known.mountpoint
        ),
    );
    // A dataset of pot's own that moved: its mountpoint is what the parameter has to say.
    let is_pots = dataset(view, &format!("{name}/jails")).is_some();
    vec![if is_pots && limits::check(FS_ROOT, &known.mountpoint).is_ok() {
        finding.fixed_by(FS_ROOT, &known.mountpoint)
    } else {
        finding
    }]
}

/// ` It holds 3 pots (a, b and c) and 48.2 GiB.`, for a dataset of pot's.
fn holdings(view: &View<'_>, root: &str) -> String {
    let pots = pots_in(view, root);
    let used = dataset(view, root).map_or(0, |known| known.used);
    if pots.is_empty() {
        return if used > 1 << 20 { format!(" It holds {}.", size(used)) } else { String::new() };
    }
    format!(" It holds {} ({}) and {}.", count_pots(pots.len()), enumerated(&pots), size(used))
}

fn count_pots(count: usize) -> String {
    format!("{count} {}", plural(count, "pot", "pots"))
}

/// The pots that a pot root holds: the datasets right below its `jails`.
fn pots_in<'a>(view: &View<'a>, root: &str) -> Vec<&'a str> {
    let prefix = format!("{root}/jails/");
    datasets(view)
        .unwrap_or_default()
        .iter()
        .filter(|known| known.kind != "snapshot")
        .filter_map(|known| known.name.strip_prefix(&prefix))
        .filter(|name| !name.contains('/') && !name.contains('@'))
        .collect()
}

/// Another dataset looks like a pot root that POT_ZFS_ROOT named before: pot would no longer see what is in it.
pub(super) fn dataset_left_behind(view: &View<'_>) -> Vec<Finding> {
    let (Some(name), Some(all)) = (view.text(ZFS_ROOT), datasets(view)) else { return Vec::new() };
    if !view.is_own(ZFS_ROOT) && dataset(view, &format!("{name}/jails")).is_some() {
        return Vec::new();
    }
    let names: std::collections::HashSet<&str> = all.iter().map(|known| known.name.as_str()).collect();
    all.iter()
        .filter_map(|known| known.name.strip_suffix("/jails"))
        .filter(|root| *root != name)
        .filter(|root| ["bases", "fscomp"].iter().all(|part| names.contains(format!("{root}/{part}").as_str())))
        .map(|root| {
            let used = dataset(view, root).map_or(0, |known| known.used);
            let pots = pots_in(view, root);
            let what = if pots.is_empty() {
                size(used)
            } else {
                format!("{} ({}) and {}", count_pots(pots.len()), enumerated(&pots), size(used))
            };
            Finding::warning(
                "dataset-left-behind",
                &[ZFS_ROOT],
                format!(
                    "{root} was prepared by pot and holds {what}. With POT_ZFS_ROOT {name} pot would no longer see it. Keep \
                     {root}, or export its pots first."
                ),
            )
        })
        .collect()
}

/// The dataset exists, holds data, and was not made by pot: `pot de-init` would destroy it with all that is in it.
pub(super) fn dataset_not_pots(view: &View<'_>) -> Vec<Finding> {
    let Some(name) = view.text(ZFS_ROOT).filter(|_| view.is_own(ZFS_ROOT)) else { return Vec::new() };
    let Some(known) = dataset(view, name) else { return Vec::new() };
    let is_pots = ["bases", "jails", "fscomp"].iter().any(|part| dataset(view, &format!("{name}/{part}")).is_some());
    if is_pots || known.used <= 1 << 20 {
        return Vec::new();
    }
    vec![Finding::warning(
        "dataset-not-pots",
        &[ZFS_ROOT],
        format!(
            "{name} holds {} that pot did not put there. `pot de-init` would destroy the dataset with all that is in it. Name \
             one that does not exist yet.",
            size(known.used)
        ),
    )]
}

/// The cache dataset exists with another mountpoint: init leaves it there, and images go to a folder beside it.
pub(super) fn cache_mounted_elsewhere(view: &View<'_>) -> Vec<Finding> {
    let (Some(name), Some(folder)) = (view.text(ZFS_ROOT), view.text(CACHE)) else { return Vec::new() };
    let name = format!("{name}/cache");
    let Some(known) = dataset(view, &name).filter(|known| known.mountpoint != folder) else { return Vec::new() };
    let finding = Finding::warning(
        "cache-mounted-elsewhere",
        &[CACHE, ZFS_ROOT],
        format!(
            "{name} is mounted at {} and holds {}. `pot init` leaves it there, and pot would look for images in {folder}.",
            known.mountpoint,
            size(known.used)
        ),
    );
    vec![if limits::check(CACHE, &known.mountpoint).is_ok() {
        finding.fixed_by(CACHE, &known.mountpoint)
    } else {
        finding
    }]
}

/// A folder is not absolute: ZFS refuses it as a mountpoint.
pub(super) fn folder_not_absolute(view: &View<'_>) -> Vec<Finding> {
    [FS_ROOT, CACHE, TMP]
        .into_iter()
        .filter_map(|name| {
            let value = view.text(name).filter(|value| !value.starts_with('/'))?;
            Some(Finding::error(
                "folder-not-absolute",
                &[name],
                format!("{name} `{}` does not begin with `/`: write the whole path.", value.escape_debug()),
            ))
        })
        .collect()
}

/// POT_FS_ROOT, POT_CACHE and POT_TMP stand in each other's way.
pub(super) fn folders_in_each_other(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(root) = view.text(FS_ROOT).filter(|root| root.starts_with('/')) else { return findings };
    let parts = ["bases", "jails", "fscomp", "bridges"];
    for name in [CACHE, TMP] {
        let Some(value) = view.text(name).filter(|value| value.starts_with('/')) else { continue };
        if !view.is_any_own(&[name, FS_ROOT]) {
            continue;
        }
        if value == root && name == CACHE {
            findings.push(Finding::error(
                "folders-equal",
                &[name, FS_ROOT],
                format!(
                    "POT_CACHE and POT_FS_ROOT are both {root}. One would be mounted over the other. Choose another."
                ),
            ));
        } else if value == root {
            findings.push(Finding::warning(
                "folders-equal",
                &[name, FS_ROOT],
                format!(
                    "POT_TMP and POT_FS_ROOT are both {root}: temporary files would lie among the pots. Choose another."
                ),
            ));
        } else if let Some(part) = parts.iter().find(|part| is_at_or_below(value, &format!("{root}/{part}"))) {
            findings.push(Finding::error(
                "folders-nested",
                &[name, FS_ROOT],
                format!("{name} {value} lies in {root}/{part}, which pot keeps for its own. Choose one outside."),
            ));
        } else if name == CACHE && is_at_or_below(root, value) {
            findings.push(Finding::error(
                "folders-nested",
                &[FS_ROOT, CACHE],
                format!(
                    "POT_FS_ROOT {root} lies in POT_CACHE {value}. Mounting the cache later would hide all pots. Choose one \
                     outside."
                ),
            ));
        }
    }
    if let (Some(cache), Some(tmp)) = (view.text(CACHE), view.text(TMP))
        && cache == tmp
        && view.is_any_own(&[CACHE, TMP])
    {
        findings.push(Finding::warning(
            "folders-equal",
            &[TMP, CACHE],
            format!(
                "POT_TMP and POT_CACHE are both {cache}: temporary files would lie among the images. Choose another."
            ),
        ));
    }
    findings
}

/// A folder that is to become a mountpoint holds files (guide, "POT_FS_ROOT": "the content will become unreachable").
pub(super) fn folder_not_empty(view: &View<'_>) -> Vec<Finding> {
    [(FS_ROOT, ""), (CACHE, "/cache")]
        .into_iter()
        .filter_map(|(name, below)| {
            let folder = view.text(name).filter(|_| view.is_own(name))?;
            let known = state(view, folder)?;
            let dataset_name = format!("{}{below}", view.text(ZFS_ROOT)?);
            datasets(view)?;
            match known.kind {
                PathKind::Folder if !known.empty && dataset(view, &dataset_name).is_none() => Some(Finding::warning(
                    "folder-not-empty",
                    &[name],
                    format!(
                        "{folder} exists and is not empty. What is in it becomes unreachable once pot mounts over it. Choose \
                         an empty one or a new one."
                    ),
                )),
                PathKind::File | PathKind::Other => {
                    Some(Finding::error(
                        "folder-is-none",
                        &[name],
                        format!("{folder} exists and is not a folder. Choose another."),
                    ))
                }
                PathKind::Link => Some(Finding::error(
                    "folder-is-link",
                    &[name],
                    format!("{folder} is a symbolic link. pot would change the folder that it points to. Name a folder."),
                )),
                PathKind::Absent | PathKind::Folder => None,
            }
        })
        .collect()
}

/// Where pot's temporary files belong: rules, locks, states and process numbers of pots, all small and void after a boot.
/// rc.d/cleanvar empties such a folder at boot and leaves it; where /var/run itself is new, root alone can make it again
/// (`_is_pot_tmp_dir`). No other than root can write there or above.
pub(crate) const PRIVATE_TMP: &str = "/var/run/pot";

/// The folder that pot's scripts take: POT_TMP, or /tmp where it is empty (`${POT_TMP:-/tmp}`). None: it is not certain.
/// Where pot's files set none (pot is not installed yet) its default counts, as it will.
pub(crate) fn tmp_in_force(configuration: &Configuration) -> Option<&str> {
    match configuration.value(TMP) {
        Some("") => Some(EVERYBODYS),
        None if configuration.setting(TMP).source == Source::Unset => Some(EVERYBODYS),
        value => value,
    }
}

/// How others than root can write what root takes for its own temporary files in `folder`, as a sentence. None: only root
/// can. `known` is what stands there, where that was looked at. vnet-start.sh writes `pot_pf_nat_rules` there,
/// set-status.sh `pot_status_NAME`, start.sh `pot_main_pid_NAME`: fixed names, that a local user can make links of first.
fn tmp_is_open(folder: &str, known: Option<&PathState>) -> Option<String> {
    // A link is judged by what it leads to.
    let really = known.map_or(folder, |known| known.real_path(folder));
    let writable = known.is_some_and(|known| {
        let (uid, mode) = known.real_owner_and_mode();
        known.real_kind() == PathKind::Folder && (mode & 0o022 != 0 || (uid != 0 && !known.only_root_writes))
    });
    let absent = known.is_none_or(|known| known.real_kind() == PathKind::Absent);
    if writable || SHARED_FOLDERS.contains(&really) {
        return Some(format!("Others than root can write to {folder}."));
    }
    let shared = SHARED_FOLDERS.iter().find(|shared| absent && is_at_or_below(really, shared))?;
    Some(format!("Every user can write to {shared}, and so make {folder} before root does."))
}

/// Who can write to the folder that pot takes for temporary files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Temporary<'a> {
    /// Which folder it is is not certain.
    Uncertain,
    /// Nobody has looked at it.
    Unseen(&'a str),
    /// Others than root; how, as a sentence.
    Open(&'a str, String),
    /// Only root.
    Private(&'a str),
}

impl<'a> Temporary<'a> {
    /// On this host, with this configuration.
    pub fn of(configuration: &'a Configuration, facts: &HostFacts) -> Self {
        let Some(folder) = tmp_in_force(configuration) else { return Self::Uncertain };
        let Some(known) = facts.paths.get().and_then(|paths| paths.get(folder)) else { return Self::Unseen(folder) };
        match tmp_is_open(folder, Some(known)) {
            Some(who) => Self::Open(folder, who),
            None => Self::Private(folder),
        }
    }
}

/// Pots that run, or may: with another POT_TMP pot does not find their states (`pot_status_NAME`), and `pot stop` refuses
/// them. None: that is not known.
pub(crate) fn pots_in_the_way(facts: &HostFacts) -> Option<Vec<&str>> {
    let pots = facts.pots.get()?;
    Some(pots.iter().filter(|pot| pot.running != Some(false)).map(|pot| pot.name.as_str()).collect())
}

/// What stands at the folder for temporary files: what a finding and a plan say of it is one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TmpPlace<'a> {
    /// A folder, or a link to one: pot follows it, and so does everything that it does there.
    Folder,
    /// Nothing: the plans of init and vnet-start make it, and pot would (`_is_pot_tmp_dir`).
    Nothing,
    /// A link to this place, where nothing is.
    Dangling(&'a str),
    /// Something that is no folder.
    NoFolder,
}

impl<'a> TmpPlace<'a> {
    /// By what was seen at `folder`.
    pub(crate) fn of(folder: &'a str, known: &'a PathState) -> Self {
        match known.real_kind() {
            PathKind::Folder | PathKind::Link => Self::Folder,
            PathKind::Absent if known.kind == PathKind::Link => Self::Dangling(known.real_path(folder)),
            PathKind::Absent => Self::Nothing,
            PathKind::File | PathKind::Other => Self::NoFolder,
        }
    }
}

/// What is said of a folder for temporary files that is not there, as a sentence without its end: in the configuration and
/// in the host's readiness.
pub(crate) fn tmp_not_there(folder: &str, known: &PathState) -> String {
    let who = if known.only_root_writes { "; only root can make it" } else { "" };
    format!("{folder} does not exist yet{who}. `pot init`, `pot start` and `pot vnet-start` create it")
}

/// Whether [`PRIVATE_TMP`] can be made, or is there, for root alone.
pub(crate) fn can_be_private(there: &PathState) -> bool {
    there.only_root_writes && matches!(there.kind, PathKind::Absent | PathKind::Folder)
}

/// Whether [`PRIVATE_TMP`] may be offered for POT_TMP: it can be had, pot's other folders are not there, and no pot runs.
pub(crate) fn offers_private_tmp(fs_root: Option<&str>, cache: Option<&str>, facts: &HostFacts) -> bool {
    let there = facts.paths.get().and_then(|paths| paths.get(PRIVATE_TMP));
    there.is_some_and(can_be_private)
        && !fs_root.into_iter().chain(cache).any(|other| is_at_or_below(PRIVATE_TMP, other))
        && pots_in_the_way(facts).is_some_and(|pots| pots.is_empty())
}

/// The finding with [`PRIVATE_TMP`] as its remedy, where that is one. Without a host it is for who asks to know.
fn fixed_by_private_tmp(view: &View<'_>, finding: Finding) -> Finding {
    let offered = view.facts.is_none_or(|facts| offers_private_tmp(view.text(FS_ROOT), view.text(CACHE), facts));
    if offered { finding.fixed_by(TMP, PRIVATE_TMP) } else { finding }
}

/// POT_TMP is open to others, see [`tmp_is_open`]. The default is not blamed: Host advises on it.
pub(super) fn tmp_is_shared(view: &View<'_>) -> Vec<Finding> {
    let Some(folder) = view.text(TMP).filter(|_| view.is_own(TMP)) else { return Vec::new() };
    let Some(who) = tmp_is_open(folder, state(view, folder)) else { return Vec::new() };
    let finding = Finding::warning(
        "shared-tmp",
        &[TMP],
        format!(
            "{who} `pot vnet-start` writes pf rules there as root under a fixed name, which a local user could replace. \
             Take a folder of root's own, while no pot runs: `pot stop` looks for a pot's state in the folder that POT_TMP names."
        ),
    );
    vec![fixed_by_private_tmp(view, finding)]
}

/// POT_TMP is not there yet, or is no folder (`_is_pot_tmp_dir` creates it).
pub(super) fn tmp_missing(view: &View<'_>) -> Vec<Finding> {
    let Some(folder) = view.text(TMP).filter(|_| view.is_own(TMP)) else { return Vec::new() };
    let Some(known) = state(view, folder) else { return Vec::new() };
    let none = |message: String| vec![fixed_by_private_tmp(view, Finding::error("folder-is-none", &[TMP], message))];
    match TmpPlace::of(folder, known) {
        TmpPlace::Folder => Vec::new(),
        TmpPlace::Dangling(to) => none(format!("{folder} is a link to {to}, and nothing is there. Choose another.")),
        TmpPlace::Nothing => vec![Finding::notice("tmp-missing", &[TMP], format!("{}.", tmp_not_there(folder, known)))],
        TmpPlace::NoFolder => none(format!("{folder} exists and is not a folder. Choose another.")),
    }
}

/// A file that the console reads and writes is a link that it does not follow. What would write it says so, too; here it
/// is known before anyone plans.
pub(super) fn link_not_followed(view: &View<'_>) -> Vec<Finding> {
    let Some(paths) = view.facts.and_then(|facts| facts.paths.get()) else { return Vec::new() };
    paths
        .values()
        .filter_map(|state| state.leads_to.as_ref()?.refused.as_deref())
        .map(|why| Finding::warning("link-not-followed", &[], format!("{why}.")))
        .collect()
}

/// The group does not exist (`_conf_check`: every command stops). The default is the package's own: without pot there
/// is nothing to blame yet.
pub(super) fn group_missing(view: &View<'_>) -> Vec<Finding> {
    let group = view.text(GROUP).unwrap_or("pot");
    let Some(facts) = view.facts else { return Vec::new() };
    let Some(groups) = facts.groups.get() else { return Vec::new() };
    if groups.contains_key(group) || view.value(GROUP).is_none() {
        return Vec::new();
    }
    // getent(1) takes a number for a gid.
    if group.parse::<u32>().is_ok_and(|gid| groups.values().any(|known| *known == gid)) {
        return Vec::new();
    }
    let is_installed = facts.packages.get().is_some_and(|packages| packages.pot.is_some());
    if !view.is_own(GROUP) && !is_installed {
        return Vec::new();
    }
    let finding = Finding::error(
        "group-missing",
        &[GROUP],
        format!(
            "There is no group {group} on this host. Every pot command stops until there is: `pw groupadd {group}`."
        ),
    );
    vec![if view.is_own(GROUP) && groups.contains_key("pot") { finding.fixed_without(GROUP) } else { finding }]
}

#[cfg(test)]
mod tests {
    use super::{PRIVATE_TMP, tmp_in_force, tmp_is_open};
    use crate::facts::{Dataset, Fact, HostFacts, PathKind, PathState, Pool};
    use crate::rules::example::{
        absent, at, codes, configuration, dataset, file, fix_sets, folder, found, found_on, healthy, host, link, pot,
        the,
    };
    use crate::rules::{Finding, Severity};

    fn with_datasets(more: Vec<Dataset>) -> HostFacts {
        host(|facts| facts.datasets.value.as_mut().unwrap().extend(more))
    }

    /// zroot/pot as init made it, with three pots in it.
    fn prepared() -> HostFacts {
        let mut all = vec![dataset("zroot/pot", "/opt/pot", 48 << 30)];
        for part in ["bases", "jails", "fscomp", "jails/web1", "jails/web1/m", "jails/db1", "jails/mail1"] {
            all.push(dataset(&format!("zroot/pot/{part}"), &format!("/opt/pot/{part}"), 1 << 30));
        }
        all.push(dataset("zroot/pot/cache", "/var/cache/pot", 5 << 30));
        with_datasets(all)
    }

    fn with_path(path: &str, state: PathState) -> HostFacts {
        host(|facts| at(facts, path, state))
    }

    fn only(code: &str, findings: Vec<Finding>) -> Finding {
        assert_eq!(codes(&findings), [code]);
        findings.into_iter().next().unwrap()
    }

    #[test]
    fn a_prepared_host_is_sound() {
        assert_eq!(found_on(&prepared(), ""), []);
    }

    #[test]
    fn a_dataset_name_that_zfs_refuses_is_found() {
        for name in ["zroot", "zroot/", "zroot//pot", "zroot/a@b", "/pot", "1root/pot", "zroot/.."] {
            only("dataset-name-invalid", found(&format!("POT_ZFS_ROOT={name}\n")));
        }
        assert_eq!(found("POT_ZFS_ROOT=tank/jails/pot_1.2:x-y\n"), []);
    }

    #[test]
    fn a_missing_pool_is_replaced_when_there_is_only_one() {
        let finding = only("pool-missing", found_on(&healthy(), "POT_ZFS_ROOT=tank/pot\n"));
        assert_eq!(fix_sets(&finding, "POT_ZFS_ROOT"), Some("zroot/pot"));
        let two = host(|facts| {
            let pool = |name: &str| Pool { name: name.to_owned(), size: 1, free: 1, health: "ONLINE".to_owned() };
            facts.pools = Fact::known(vec![pool("data"), pool("tank")], "test");
        });
        let finding = only("pool-missing", found_on(&two, ""));
        assert!(finding.message.ends_with("This host has the pools data and tank."), "{finding:?}");
        assert_eq!(finding.fix, None);
        assert_eq!(found_on(&two, "POT_ZFS_ROOT=tank/pot\n"), []);
    }

    #[test]
    fn a_dataset_with_another_mountpoint_is_an_invalid_root() {
        let finding = only("dataset-mounted-elsewhere", found_on(&prepared(), "POT_FS_ROOT=/srv/pot\n"));
        assert_eq!(finding.parameters, ["POT_FS_ROOT", "POT_ZFS_ROOT"]);
        assert_eq!(
            finding.message,
            "zroot/pot exists with the mountpoint /opt/pot, not /srv/pot. pot calls that an invalid root and would stop. It \
             holds 3 pots (web1, db1 and mail1) and 48 GiB. Name another dataset, or that mountpoint."
        );
        assert_eq!(fix_sets(&finding, "POT_FS_ROOT"), Some("/opt/pot"));
    }

    #[test]
    fn pots_in_the_former_dataset_are_named() {
        let findings = found_on(&prepared(), "POT_ZFS_ROOT=zroot/jails\nPOT_FS_ROOT=/srv/pot\nPOT_CACHE=/srv/cache\n");
        let finding = only("dataset-left-behind", findings);
        assert_eq!(
            finding.message,
            "zroot/pot was prepared by pot and holds 3 pots (web1, db1 and mail1) and 48 GiB. With POT_ZFS_ROOT zroot/jails \
             pot would no longer see it. Keep zroot/pot, or export its pots first."
        );
    }

    #[test]
    fn a_dataset_with_data_that_is_not_pots_is_found() {
        let facts = with_datasets(vec![dataset("zroot/mail", "/srv/mail", 3 << 30)]);
        only("dataset-not-pots", found_on(&facts, "POT_ZFS_ROOT=zroot/mail\nPOT_FS_ROOT=/srv/mail\n"));
        let empty = with_datasets(vec![dataset("zroot/mail", "/srv/mail", 96 << 10)]);
        assert_eq!(found_on(&empty, "POT_ZFS_ROOT=zroot/mail\nPOT_FS_ROOT=/srv/mail\n"), []);
    }

    #[test]
    fn a_cache_that_stays_where_it_was_is_found() {
        let finding = only("cache-mounted-elsewhere", found_on(&prepared(), "POT_CACHE=/srv/cache\n"));
        assert_eq!(fix_sets(&finding, "POT_CACHE"), Some("/var/cache/pot"));
    }

    #[test]
    fn folders_must_be_absolute_and_apart() {
        only("folder-not-absolute", found("POT_CACHE=cache\n"));
        only("folders-equal", found("POT_FS_ROOT=/srv/pot\nPOT_CACHE=/srv/pot\n"));
        only("folders-nested", found("POT_CACHE=/opt/pot/jails/cache\n"));
        only("folders-nested", found("POT_TMP=/opt/pot/bridges\n"));
        only("folders-nested", found("POT_FS_ROOT=/srv/pot/root\nPOT_CACHE=/srv/pot\n"));
        only("folders-equal", found("POT_TMP=/var/cache/pot\n"));
        assert_eq!(only("folders-equal", found("POT_TMP=/opt/pot\n")).severity, Severity::Warning);
        assert_eq!(found("POT_CACHE=/opt/pot/cache\n"), []);
        assert_eq!(found("POT_CACHE=/opt/pot-cache\n"), []);
    }

    #[test]
    fn a_folder_with_files_would_be_hidden() {
        let facts = with_path("/srv/pot", folder(0o755, false));
        only("folder-not-empty", found_on(&facts, "POT_FS_ROOT=/srv/pot\n"));
        assert_eq!(found_on(&with_path("/srv/pot", folder(0o755, true)), "POT_FS_ROOT=/srv/pot\n"), []);
        only("folder-is-none", found_on(&with_path("/srv/pot", file(0o644, true)), "POT_FS_ROOT=/srv/pot\n"));
        let link = PathState { kind: PathKind::Link, ..file(0o755, true) };
        only("folder-is-link", found_on(&with_path("/srv/pot", link), "POT_FS_ROOT=/srv/pot\n"));
        // What de-init left behind at the default is not blamed.
        assert_eq!(found_on(&with_path("/opt/pot", folder(0o750, false)), ""), []);
    }

    #[test]
    fn temporary_files_belong_where_only_root_writes() {
        let finding = only("shared-tmp", found("POT_TMP=/var/tmp\n"));
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(fix_sets(&finding, "POT_TMP"), Some(PRIVATE_TMP));
        only("shared-tmp", found_on(&with_path("/srv/tmp", folder(0o777, true)), "POT_TMP=/srv/tmp\n"));
        // Whoever makes a folder there first owns it; one that root has made is safe.
        for path in ["/tmp/pot", "/var/tmp/pot"] {
            let own = format!("POT_TMP={path}\n");
            let findings = found_on(&with_path(path, absent()), &own);
            assert_eq!(codes(&findings), ["shared-tmp", "tmp-missing"], "{path}");
            assert!(findings[0].message.starts_with("Every user can write to "), "{findings:?}");
            assert_eq!(found_on(&with_path(path, folder(0o700, true)), &own), [], "{path}");
        }
        assert_eq!(found_on(&with_path("/srv/tmp", folder(0o700, true)), "POT_TMP=/srv/tmp\n"), []);
        let missing = found_on(&with_path("/srv/tmp", absent()), "POT_TMP=/srv/tmp\n");
        assert_eq!(only("tmp-missing", missing).severity, Severity::Notice);
        only("folder-is-none", found_on(&with_path("/srv/tmp", file(0o600, true)), "POT_TMP=/srv/tmp\n"));
    }

    #[test]
    fn another_folder_for_temporary_files_is_no_button_while_pots_run() {
        for (running, fixed) in [(Some(false), true), (Some(true), false), (None, false)] {
            let facts = host(|facts| {
                let pots = facts.pots.value.as_mut().unwrap();
                pots.push(crate::facts::Pot { running, ..pot("web1", "public-bridge", "10.192.0.3") });
            });
            let finding = only("shared-tmp", found_on(&facts, "POT_TMP=/var/tmp\n"));
            assert_eq!(finding.fix.is_some(), fixed, "{running:?}");
            assert!(finding.message.contains("while no pot runs"), "{finding:?}");
        }
        let unknown = host(|facts| facts.pots = Fact::unknown("no", "test"));
        assert_eq!(only("shared-tmp", found_on(&unknown, "POT_TMP=/var/tmp\n")).fix, None);
    }

    #[test]
    fn the_folder_in_force_is_pots_own_default_where_none_is_named_and_is_not_guessed() {
        for (own, folder) in [
            ("", Some("/tmp")),
            ("POT_TMP=\n", Some("/tmp")),
            ("POT_TMP=/var/run/pot\n", Some("/var/run/pot")),
            ("POT_TMP=$(mktemp -d)\n", None),
            ("unset POT_TMP\n", None),
        ] {
            assert_eq!(tmp_in_force(&configuration(own)), folder, "{own}");
        }
        assert!(tmp_is_open("/tmp", Some(&folder(0o1777, false))).is_some());
        assert_eq!(tmp_is_open(PRIVATE_TMP, Some(&absent())), None, "only root can make it");
        assert_eq!(tmp_is_open(PRIVATE_TMP, Some(&folder(0o755, true))), None);
    }

    #[test]
    fn tmp_as_a_link_is_judged_by_where_it_leads_and_nothing_is_advised_on_it() {
        let shared = crate::facts::LeadsTo {
            path: "/var/tmp".to_owned(),
            kind: PathKind::Folder,
            uid: 0,
            mode: 0o1777,
            refused: None,
        };
        let tmp = PathState { leads_to: Some(shared), only_root_writes: false, ..link("/var/tmp", PathKind::Folder) };
        assert_eq!(found_on(&with_path("/tmp", tmp.clone()), ""), []);
        only("shared-tmp", found_on(&with_path("/mine", tmp), "POT_TMP=/mine\n"));
        assert_eq!(found_on(&with_path("/mine", link("/srv/pot-tmp", PathKind::Folder)), "POT_TMP=/mine\n"), []);
        only("folder-is-none", found_on(&with_path("/mine", link("/srv/gone", PathKind::Absent)), "POT_TMP=/mine\n"));
    }

    #[test]
    fn a_link_that_is_not_followed_is_found_before_anyone_plans() {
        let mut state = link("/home/anna/pf.conf", PathKind::File);
        assert_eq!(found_on(&with_path("/etc/pf.conf", state.clone()), ""), []);
        let why = "/etc/pf.conf is a link to /home/anna/pf.conf, and others than root can change /home/anna";
        state.leads_to.as_mut().unwrap().refused = Some(why.to_owned());
        let finding = only("link-not-followed", found_on(&with_path("/etc/pf.conf", state), ""));
        assert_eq!((finding.severity, finding.message), (Severity::Warning, format!("{why}.")));
    }

    #[test]
    fn a_missing_group_stops_every_command() {
        let finding = only("group-missing", found_on(&healthy(), "POT_GROUP=jails\n"));
        assert_eq!(finding.fix.as_ref().unwrap().unset, ["POT_GROUP"]);
        let without = host(|facts| {
            facts.groups.value.as_mut().unwrap().remove("pot");
        });
        assert_eq!(the("group-missing", &found_on(&without, "")).fix, None);
        // Before pot is installed its group is not there, and that is no finding.
        let bare = host(|facts| {
            facts.groups.value.as_mut().unwrap().remove("pot");
            facts.packages.value.as_mut().unwrap().pot = None;
        });
        assert_eq!(found_on(&bare, ""), []);
        assert_eq!(found_on(&healthy(), "POT_GROUP=wheel\n"), []);
        assert_eq!(found_on(&healthy(), "POT_GROUP=1002\n"), []);
    }
}
