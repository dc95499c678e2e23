//! The installation guide's paragraphs as rows: what this host has, what it lacks, why that matters, what to do.
//!
//! Pure: facts and configuration in, rows out. Nothing is guessed: a source that did not answer gives a row that says
//! so.

use super::wanted::Wanted;
use crate::facts::{Fact, HostFacts, Pool, RACCT, Tunable, VTNET_LRO, heading, pot_installed, size, telling};
use crate::plan::Preparation;
use crate::potconf::Configuration;
use crate::process::harmless;
use crate::rules::{
    self, Finding, LogRoute, NextBoot, Severity, Temporary, TmpPlace, is_yes, log_route, missing_logs, next_boot,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a paragraph of the guide stands on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowState {
    /// As it should be.
    Ready,
    /// Something is to be done.
    ToDo,
    /// This host cannot have it.
    NotPossible,
    /// The source did not answer, or nobody knows.
    Unknown,
}

impl RowState {
    /// The word beside its icon.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::ToDo => "to do",
            Self::NotPossible => "not possible here",
            Self::Unknown => "unknown",
        }
    }
}

/// What was asked, and the words that were answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The command or file.
    pub source: String,
    /// Its words.
    pub text: String,
    /// When it was asked.
    pub at: Option<Timestamp>,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
}

impl Evidence {
    /// The source as a heading; empty when the words name their sources themselves, as those of several do.
    pub(crate) fn heading(&self) -> &str {
        heading(&self.source, &self.text)
    }

    /// A fact's source and words.
    pub fn of<T>(fact: &Fact<T>) -> Self {
        Self { source: fact.source.clone(), text: fact.evidence.clone(), at: Some(fact.at), took_ms: fact.took_ms }
    }
}

/// One paragraph of the guide on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its stable name.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// Where it stands.
    pub state: RowState,
    /// Whether pot needs it; else it is advised.
    pub needed: bool,
    /// What is, and why it matters: one or two sentences.
    pub why: String,
    /// The source and its words.
    pub evidence: Evidence,
    /// What a plan can do about it.
    pub action: Option<Preparation>,
    /// Whether someone said that it is not wanted.
    pub(crate) dismissed: bool,
    /// More for those who ask: how by hand, at what cost, what comes then.
    pub detail: String,
    /// What runs now and what the next boot will have: label and value, for a short table.
    pub values: Vec<(&'static str, String)>,
    /// It is done as far as can be done now: the rest is a reboot.
    pub awaits_reboot: bool,
    /// It comes with another row's action or with a later step, so nothing is to be done for it alone.
    pub waits: bool,
}

impl Row {
    fn new<T>(id: &'static str, title: &str, needed: bool, fact: &Fact<T>) -> Self {
        Self {
            id,
            title: title.to_owned(),
            state: RowState::Ready,
            needed,
            why: String::new(),
            evidence: Evidence::of(fact),
            action: None,
            dismissed: false,
            detail: String::new(),
            values: Vec::new(),
            awaits_reboot: false,
            waits: false,
        }
    }

    fn ready(self, why: impl Into<String>) -> Self {
        Self { state: RowState::Ready, why: why.into(), ..self }
    }

    fn open(self, why: impl Into<String>, action: Option<Preparation>) -> Self {
        Self { state: RowState::ToDo, why: why.into(), action, ..self }
    }

    fn not_possible(self, why: impl Into<String>) -> Self {
        Self { state: RowState::NotPossible, why: why.into(), ..self }
    }

    fn unknown<T>(self, fact: &Fact<T>) -> Self {
        let why = fact.error.clone().unwrap_or_else(|| "Not asked yet.".to_owned());
        Self { state: RowState::Unknown, why, ..self }
    }

    fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Whether it stands on the list of things that someone can do now.
    pub(crate) fn is_open(&self) -> bool {
        self.state == RowState::ToDo && !self.dismissed && !self.awaits_reboot && !self.waits
    }

    /// The name of what it says among the model's facts in words.
    pub(crate) fn fact(&self) -> String {
        format!("ready-{}", self.id)
    }

    /// Whether it is the one for pot.conf, which is done on a page of its own and not by preparing the host.
    pub(crate) fn is_configuration(&self) -> bool {
        self.id == CONFIGURATION
    }
}

/// The name of the row for pot.conf.
const CONFIGURATION: &str = "configuration";

/// What one plan does about everything that is open: for every page that offers it the same.
pub(super) fn preparations(rows: &[Row]) -> Vec<Preparation> {
    rows.iter().filter(|row| row.is_open()).filter_map(|row| row.action).collect()
}

/// How many rows are what: for headings and the navigation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Rows that are ready, dismissed ones among them.
    pub ready: usize,
    /// All rows.
    pub total: usize,
    /// Needed rows that can be done now by preparing the host.
    pub needed: usize,
    /// Advised rows that can be done now.
    pub advised: usize,
    /// 1 where pot.conf has errors.
    pub configuration: usize,
    /// Rows that a reboot completes.
    pub reboot: usize,
    /// Rows of which nothing is known.
    pub unknown: usize,
}

impl Counts {
    /// Counts the rows.
    pub fn of(rows: &[Row]) -> Self {
        let all_open = || rows.iter().filter(|row| row.is_open());
        let open = |needed: bool| all_open().filter(|row| !row.is_configuration() && row.needed == needed).count();
        Self {
            ready: rows.iter().filter(|row| row.state == RowState::Ready || row.dismissed).count(),
            total: rows.len(),
            needed: open(true),
            advised: open(false),
            configuration: all_open().filter(|row| row.is_configuration()).count(),
            reboot: rows.iter().filter(|row| row.awaits_reboot && !row.dismissed).count(),
            unknown: rows.iter().filter(|row| row.state == RowState::Unknown && !row.dismissed).count(),
        }
    }

    /// Everything that can be done now.
    pub(crate) fn to_do(self) -> usize {
        self.needed + self.advised + self.configuration
    }
}

/// Every paragraph of the guide, in its order. `dismissed` holds the advised to-dos that someone does not want.
pub fn readiness(facts: &HostFacts, configuration: &Configuration, dismissed: &[Preparation]) -> Vec<Row> {
    let wanted = Wanted::of(configuration);
    let mut rows = vec![
        root(facts),
        jail(facts),
        zfs(facts, &wanted),
        freebsd(facts),
        vimage(facts),
        pot(facts),
        racct(facts),
        vtnet(facts),
        group(facts, &wanted),
        tmp(facts, configuration),
        log(facts, &wanted),
        pf(facts),
        ipfw(facts),
    ];
    for row in &mut rows {
        // Only what is advised can be dismissed: pot does not run without the rest.
        row.dismissed = !row.needed && row.action.is_some_and(|action| dismissed.contains(&action));
    }
    rows
}

/// The row for pot.conf: the findings on it, counted. Not among [`readiness`]' rows because findings are made
/// elsewhere; it belongs before the group.
pub(crate) fn configuration_row(findings: &[Finding]) -> Row {
    let row = Row::new(CONFIGURATION, "pot.conf", true, &Fact::known((), "pot-console check"));
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match (errors, warnings) {
        (0, 0) => row.ready("No errors and no warnings"),
        (0, warnings) => row.ready(format!("No errors, {}", counted(warnings, "warning"))),
        (errors, _) => row.open(
            format!(
                "{} in pot.conf: pot would fail, or do something else than the file says.",
                counted(errors, "error")
            ),
            None,
        ),
    }
}

/// "1 error", "2 errors".
pub(super) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn root(facts: &HostFacts) -> Row {
    let row = Row::new("root", "Root", true, &facts.machine);
    match facts.machine.get().map(|machine| machine.uid) {
        Some(0) => row.ready("The executor runs as root, the web server as a user of its own"),
        Some(_) if facts.simulated => row.ready("Not needed on a simulated host"),
        Some(uid) => row
            .open(format!("The executor runs as user {uid}. It sees less than root and can change nothing."), None)
            .detail("Start it as a service, or as root: pot-console serve."),
        None => row.unknown(&facts.machine),
    }
}

fn jail(facts: &HostFacts) -> Row {
    let row = Row::new("jail", "Whole host", true, &facts.system);
    match facts.system.get().map(|system| system.jailed) {
        Some(Some(true)) => row.not_possible(
            "The console runs inside a jail. pot makes jails, bridges and firewall rules of the host, so it belongs there.",
        ),
        Some(Some(false)) => row.ready("Not inside a jail"),
        Some(None) => Row {
            state: RowState::Unknown,
            why: "The kernel did not say whether this is a jail (sysctl security.jail.jailed).".to_owned(),
            ..row
        },
        None => row.unknown(&facts.system),
    }
}

fn zfs(facts: &HostFacts, wanted: &Wanted) -> Row {
    let row = Row::new("zfs", "ZFS", true, &facts.pools);
    let Some(pools) = facts.pools.get() else { return row.unknown(&facts.pools) };
    if pools.is_empty() {
        return row
            .open("This host has no ZFS pool. pot keeps everything in datasets and cannot do without.", None)
            .detail(
                "A pool takes a whole disk or partition, so the console does not make one: zpool create, \
                 as the FreeBSD handbook's chapter on ZFS explains.",
            );
    }
    let wanted_pool = wanted.zfs_root.as_deref().and_then(|dataset| dataset.split('/').next());
    let Some(pool) = wanted_pool.map_or_else(|| pools.first(), |name| pools.iter().find(|pool| pool.name == name))
    else {
        let names = pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ");
        return row.open(
            format!(
                "POT_ZFS_ROOT is {}, but the pools here are: {names}. Set it to a dataset of one of them.",
                wanted.zfs_root.as_deref().unwrap_or_default()
            ),
            None,
        );
    };
    match pool.health.as_str() {
        "ONLINE" => row.ready(format!("Pool {} is online, {}", pool.name, free(pool))),
        "DEGRADED" => {
            row.ready(format!("Pool {} works, but is degraded: look at zpool status. {}", pool.name, free(pool)))
        }
        health => row.open(format!("Pool {} is {health}: nothing can be written to it.", pool.name), None),
    }
}

fn free(pool: &Pool) -> String {
    format!("{} of {} free", size(pool.free), size(pool.size))
}

fn freebsd(facts: &HostFacts) -> Row {
    let row = Row::new("freebsd", "FreeBSD", true, &facts.system);
    let Some(system) = facts.system.get() else { return row.unknown(&facts.system) };
    let Some(version) = system.version() else {
        return Row {
            why: format!("The version {} is not understood.", system.kernel),
            state: RowState::Unknown,
            ..row
        };
    };
    let row = row.detail(
        "The guide names 11.3 and later: there the kernel has to be rebuilt with VIMAGE, from 12.0 on it has it. \
         Packages of pot are built for the releases that FreeBSD supports.",
    );
    if version < (11, 3) {
        return row.not_possible(format!("{} is older than 11.3, the oldest that pot's guide names.", system.kernel));
    }
    if system.userland.is_empty() {
        row.ready(format!("Kernel {}; its userland did not tell its version", system.kernel))
    } else if system.kernel == system.userland {
        row.ready(format!("{}, kernel and userland alike", system.kernel))
    } else {
        row.ready(format!("Kernel {}, userland {}", system.kernel, system.userland))
    }
}

fn vimage(facts: &HostFacts) -> Row {
    let row = Row::new("vimage", "VNET", true, &facts.vimage);
    match facts.vimage.get() {
        Some(true) => row.ready("In the kernel"),
        Some(false) => {
            let major = facts.system.get().and_then(|system| system.version()).map(|(major, _)| major);
            let row = row.detail(
                "By hand, in a terminal: take /usr/src of this very release, copy sys/ARCH/conf/GENERIC to a file of your \
                 own, add the line 'options VIMAGE', then make buildkernel and make installkernel with KERNCONF set to it, \
                 and reboot. The FreeBSD handbook's chapter on configuring the kernel has every step. Updates with \
                 freebsd-update then no longer bring this kernel.",
            );
            if major.is_some_and(|major| major < 12) {
                row.open(
                    "The kernel has no VIMAGE, so pots get no network stack of their own. On 11.x it has to be built with \
                     it; the console does not do that.",
                    None,
                )
            } else {
                row.open(
                    "This kernel was built without VIMAGE, so pots get no network stack of their own. GENERIC has it since \
                     12.0: boot that, or build yours with it. The console does not do that.",
                    None,
                )
            }
        }
        None => row.unknown(&facts.vimage),
    }
}

fn pot(facts: &HostFacts) -> Row {
    let row = Row::new("pot", "pot", true, &facts.packages).detail(
        "From ports, in a terminal: cd /usr/ports/sysutils/pot && make install clean. Its helper potnet is then built \
         with Rust, and so may be Rust itself: that can take hours and several GiB. The package needs a minute.",
    );
    let Some(installed) = pot_installed(facts) else { return row.unknown(&facts.packages) };
    let Some(packages) = facts.packages.get() else {
        return row.ready("Installed; which version is not known, because pkg did not answer");
    };
    let values = vec![("pot", version(packages.pot.as_ref())), ("potnet", version(packages.potnet.as_ref()))];
    match (&packages.pot, &packages.potnet) {
        (Some(pot), Some(potnet)) => row.ready(format!("pot {pot}, potnet {potnet}")),
        (Some(pot), None) => Row { values, ..row }.open(
            format!("pot {pot} is installed without potnet, which checks the network and hands out addresses."),
            Some(Preparation::InstallPot),
        ),
        (None, _) if installed => row.ready("Installed by hand: pkg does not know it"),
        (None, _) if packages.pkg => {
            Row { values, ..row }.open("Not installed. The package brings potnet along.", Some(Preparation::InstallPot))
        }
        (None, _) => Row { values: vec![("pkg", "not set up".to_owned())], ..row }.open(
            "Not installed, and pkg itself is not set up on this host yet: it has to be fetched first.",
            Some(Preparation::InstallPot),
        ),
    }
}

fn version(version: Option<&String>) -> String {
    version.map_or_else(|| "not installed".to_owned(), Clone::clone)
}

fn racct(facts: &HostFacts) -> Row {
    let row = Row::new("racct", "Resource limits", false, &facts.racct).detail(
        "The kernel can only count what jails use if that is switched on at boot. It costs a little speed. Without it \
         limits on a pot's memory and CPU, and the figures of pot top, do not work.",
    );
    let Some(tunable) = facts.racct.get() else { return row.unknown(&facts.racct) };
    let row = Row { values: boot_values(RACCT, tunable), ..row };
    match (tunable.running.as_deref(), tunable.next_boot.as_deref()) {
        (None, _) => row.not_possible("This kernel was built without RACCT: it cannot count what a pot uses."),
        (Some("1"), Some("1")) => row.ready("On"),
        (Some("1"), None) => row.ready("On, though no file of the loader sets it: this kernel's own value"),
        (Some("1"), Some(_)) => row.open(
            "On now, but switched off for the next boot: then nothing keeps a pot from taking all memory and CPU.",
            Some(Preparation::EnableRacct),
        ),
        _ if tunable.awaits_reboot() => {
            after_reboot(row, "Set for the next boot. Until then nothing limits what a pot takes.")
        }
        (Some(_), _) => {
            row.open("Off: nothing keeps a pot from taking all memory and CPU.", Some(Preparation::EnableRacct))
        }
    }
}

fn after_reboot(row: Row, why: &str) -> Row {
    Row { awaits_reboot: true, ..row.open(why, None) }
}

fn boot_values(name: &str, tunable: &Tunable) -> Vec<(&'static str, String)> {
    let now = match &tunable.running {
        Some(value) => format!("{name}={value}"),
        None => "not known to this kernel".to_owned(),
    };
    let next = match tunable.next_boot {
        Some(_) => format!("{name}={}", tunable.next_boot_in_words()),
        None => tunable.next_boot_in_words(),
    };
    vec![("Now", now), ("Next boot", next)]
}

fn vtnet(facts: &HostFacts) -> Row {
    let row = Row::new("vtnet", "Virtual network card", false, &facts.vtnet_lro_disable);
    let Some(interfaces) = facts.interfaces.get() else { return row.unknown(&facts.interfaces) };
    let cards: Vec<&str> = interfaces.iter().filter(|card| card.is_vtnet()).map(|card| card.name.as_str()).collect();
    if cards.is_empty() {
        return Row { title: "Network cards".to_owned(), ..row }
            .ready("No vtnet card, so its known trouble is none here");
    }
    let row = Row { title: format!("Network card {}", cards.join(", ")), ..row }.detail(
        "The driver of this virtual card can join received packets. When they are then passed on to a pot, they are slow \
         or lost. The switch is hw.vtnet.lro_disable, read at boot.",
    );
    let Some(tunable) = facts.vtnet_lro_disable.get() else { return row.unknown(&facts.vtnet_lro_disable) };
    let row = Row { values: boot_values(VTNET_LRO, tunable), ..row };
    match (tunable.running.as_deref(), tunable.next_boot.as_deref()) {
        (Some("1"), Some("1")) => row.ready("Receive offload is off, as it should be for pots"),
        (Some("1"), None) => row.ready(
            "Receive offload is off, as it should be for pots. No file of the loader sets that: it is this release's own value",
        ),
        (Some("1"), Some(_)) => row.open(
            "Receive offload is off now, but on again at the next boot. With this virtual card it makes pots slow.",
            Some(Preparation::DisableVtnetLro),
        ),
        _ if tunable.awaits_reboot() => after_reboot(row, "Set for the next boot. Until then receive offload makes pots slow."),
        _ => row.open(
            "Receive offload is on. With this virtual card it makes pots slow.",
            Some(Preparation::DisableVtnetLro),
        ),
    }
}

fn group(facts: &HostFacts, wanted: &Wanted) -> Row {
    let name = wanted.group.as_deref().unwrap_or("pot");
    let row = Row::new("group", &format!("Group {name}"), true, &facts.groups);
    let Some(groups) = facts.groups.get() else { return row.unknown(&facts.groups) };
    if wanted.group.is_none() {
        return Row { state: RowState::Unknown, why: "The value of POT_GROUP is not certain.".to_owned(), ..row };
    }
    match groups.get(name) {
        Some(gid) => row.ready(format!("Exists, gid {gid}")),
        None if pot_installed(facts) == Some(false) && name == "pot" => {
            Row { waits: true, ..row.open("The package of pot brings it.", None) }
        }
        None => row.open(
            format!("No group {name}. POT_FS_ROOT belongs to it, and pot init ends at once without it."),
            Some(Preparation::CreateGroup),
        ),
    }
}

fn tmp(facts: &HostFacts, configuration: &Configuration) -> Row {
    let row = Row::new("tmp", "Temporary files", false, &facts.paths).detail(format!(
        "vnet-start writes pf rules to POT_TMP, start and stop the states and process numbers of pots, as root and under \
         fixed names. pot's default is /tmp, where every local user can make a link of such a name first: root then writes \
         to what the link names. The plan makes {} for root alone and sets POT_TMP. No pot may run meanwhile: pot stop \
         looks for a pot's state in the folder that POT_TMP names.",
        rules::PRIVATE_TMP
    ));
    let unknown = |row: Row, why: String| Row { state: RowState::Unknown, why, ..row };
    let values = |folder: &str| vec![("POT_TMP", harmless(folder).into_owned())];
    let (row, who) = match Temporary::of(configuration, facts) {
        Temporary::Uncertain => return unknown(row, "The value of POT_TMP is not certain.".to_owned()),
        Temporary::Unseen(_) if facts.paths.get().is_none() => return row.unknown(&facts.paths),
        Temporary::Unseen(folder) => {
            let why = format!("Who can write to {} was not looked at.", harmless(folder));
            return unknown(Row { values: values(folder), ..row }, why);
        }
        Temporary::Private(folder) => {
            let there = facts.paths.get().and_then(|paths| paths.get(folder));
            let missing = there.filter(|state| TmpPlace::of(folder, state) == TmpPlace::Nothing);
            let why = missing.map_or_else(
                || format!("Only root writes to {}", harmless(folder)),
                |state| rules::tmp_not_there(&harmless(folder), state).replace('`', ""),
            );
            return Row { values: values(folder), ..row }.ready(why);
        }
        Temporary::Open(folder, who) => (Row { values: values(folder), ..row }, harmless(&who).into_owned()),
    };
    let why = format!(
        "{who} root writes pf rules and states of pots there under fixed names: a link could lead it elsewhere."
    );
    if pot_installed(facts) == Some(false) {
        return Row { waits: true, ..row.open("pot's package brings pot.conf, where POT_TMP is set.", None) };
    }
    match configuration.setting("POT_TMP").reason {
        Some(reason) => row
            .open(format!("{why} The console cannot set POT_TMP: {reason}. Change that line in a text editor."), None),
        None => row.open(why, Some(Preparation::PrivateTmp)),
    }
}

fn log(facts: &HostFacts, wanted: &Wanted) -> Row {
    let row = Row::new("log", "Activity log", false, &facts.syslog).detail(
        "pot reports each call to syslogd. A stock FreeBSD keeps of that facility only what is urgent, so pot's lines go \
         nowhere. The plan adds a rule of pot's own, has the file rotated, creates it and tells syslogd.",
    );
    let Some(syslog) = facts.syslog.get() else { return row.unknown(&facts.syslog) };
    let Some(facility) = wanted.facility.as_deref() else {
        return Row {
            state: RowState::Unknown,
            why: "The value of POT_LOG_FACILITY is not certain.".to_owned(),
            ..row
        };
    };
    let route = log_route(syslog, facility);
    let written = match &route {
        LogRoute::File(file) => (*file).to_owned(),
        LogRoute::Missing(files) => files.join(", "),
        LogRoute::Elsewhere(places) => places.join(", "),
        LogRoute::Nowhere => "nowhere".to_owned(),
    };
    let row = Row { values: vec![("Sent to", format!("{facility}.info")), ("Written to", written)], ..row };
    let enabled = facts.rc.get().and_then(|rc| rc.get("syslogd_enable")).is_none_or(|value| is_yes(value));
    if !enabled {
        return row.not_possible(
            "syslogd is switched off in rc.conf (syslogd_enable). Whatever logs instead, the console does not know it.",
        );
    }
    match route {
        LogRoute::Nowhere => row.open(
            "syslogd drops what pot reports, so the Activity page would stay empty.",
            Some(Preparation::RouteLog),
        ),
        LogRoute::Elsewhere(places) => row.open(
            format!(
                "syslogd passes what pot reports on to {} and keeps none of it here, so the Activity page would stay empty.",
                places.join(", ")
            ),
            Some(Preparation::RouteLog),
        ),
        LogRoute::Missing(files) => row.open(
            format!(
                "{} not there, and syslogd does not create {}: what pot reports is lost.",
                if files.len() == 1 { format!("{} is", files.join(", ")) } else { format!("{} are", files.join(", ")) },
                if files.len() == 1 { "it" } else { "them" }
            ),
            Some(Preparation::RouteLog),
        ),
        LogRoute::File(file) => {
            let missing = missing_logs(syslog, facility);
            let beside = if missing.is_empty() {
                String::new()
            } else {
                format!(". A rule names {}, too, which is not there", missing.join(", "))
            };
            row.ready(format!("{facility}.info goes to {file}{beside}"))
        }
    }
}

fn pf(facts: &HostFacts) -> Row {
    let row = Row::new("pf", "pf", true, &facts.pf_file).detail(
        "pot's network is translated by pf. The file is only checked here (pfctl -nf), nothing is loaded. Whether a rule \
         set keeps you connected cannot be told from its syntax.",
    );
    let Some(file) = facts.pf_file.get() else { return row.unknown(&facts.pf_file) };
    let state = match facts.pf.get() {
        Some(pf) if pf.enabled => "On",
        Some(pf) if pf.loaded => "Off",
        Some(_) => "Off, its module loads on demand",
        None => "Whether it is on is not known",
    };
    if !file.exists {
        return row.ready(format!("{state}. {} does not exist yet; pot init makes it", file.path));
    }
    match (file.valid, next_boot(facts)) {
        (Some(true), _) => row.ready(format!("{state}. {} is valid", file.path)),
        (Some(false), next) => {
            let start = "pot vnet-start would turn pf on without these rules.";
            let then = match next {
                NextBoot::Off => start.to_owned(),
                next => format!("{}. {start}", next.in_words()),
            };
            let words = telling(&file.errors).map(|error| format!(" pfctl says: {error}")).unwrap_or_default();
            row.open(format!("{} is not valid. {then}{words}", file.path), None)
        }
        (None, _) => {
            let why = file.untested.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let why = format!("{state}. {} could not be judged{why}.", file.path);
            Row { state: RowState::Unknown, why, ..row }
        }
    }
}

fn ipfw(facts: &HostFacts) -> Row {
    let row = Row::new("ipfw", "ipfw", false, &facts.ipfw);
    match facts.ipfw.get() {
        Some(false) => row.ready("Off: pf alone decides"),
        Some(true) => Row {
            state: RowState::Unknown,
            why: "ipfw filters here as well. Packets of pots must pass both firewalls; pot knows of pf alone, and nobody has \
                  tried this console beside ipfw."
                .to_owned(),
            ..row
        },
        None => row.unknown(&facts.ipfw),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{configuration, interface, known, running_host};
    use super::*;
    use crate::facts::{POT_PROGRAM, Packages, PathKind, PathState};

    /// In order, POT_TMP included: pot's default is a folder of everybody's.
    const OWN: &str = "POT_TMP=/var/run/pot\n";

    fn rows(facts: &HostFacts) -> Vec<Row> {
        readiness(facts, &configuration(OWN), &[])
    }

    fn row(facts: &HostFacts, id: &str) -> Row {
        rows(facts).into_iter().find(|row| row.id == id).unwrap()
    }

    #[test]
    fn a_host_in_order_has_nothing_to_do() {
        let rows = rows(&running_host());
        for row in &rows {
            assert_eq!(row.state, RowState::Ready, "{}: {}", row.id, row.why);
        }
        assert_eq!(
            Counts::of(&rows),
            Counts { ready: 13, total: 13, needed: 0, advised: 0, configuration: 0, reboot: 0, unknown: 0 }
        );
    }

    #[test]
    fn a_value_that_no_file_sets_is_told_as_the_releases_own() {
        let own = || Tunable { running: Some("1".into()), next_boot: None, set_in: None };
        let facts = HostFacts {
            racct: known(own()),
            vtnet_lro_disable: known(own()),
            interfaces: known(vec![interface("vtnet0", "", &["192.168.178.20/24"])]),
            ..running_host()
        };
        let vtnet = row(&facts, "vtnet");
        assert!(vtnet.state == RowState::Ready && vtnet.why.contains("this release's own value"), "{}", vtnet.why);
        assert_eq!(vtnet.values[1].1, "set by no file of the loader: the kernel's own value counts");
        assert!(row(&facts, "racct").why.contains("this kernel's own value"));
        let set = Tunable { set_in: Some("/boot/loader.conf.local".into()), next_boot: Some("0".into()), ..own() };
        let racct = row(&HostFacts { racct: known(set), ..facts }, "racct");
        assert_eq!(racct.values[1].1, "kern.racct.enable=0 (/boot/loader.conf.local)");
    }

    #[test]
    fn a_pf_file_that_could_not_be_judged_is_unknown_and_says_why() {
        let mut facts = running_host();
        let file = facts.pf_file.value.as_mut().unwrap();
        (file.valid, file.untested) = (None, Some(crate::facts::Untested::PfNotLoaded));
        let pf = row(&facts, "pf");
        assert_eq!(pf.state, RowState::Unknown);
        assert!(pf.why.ends_with("/etc/pf.conf could not be judged: pf is not loaded."), "{}", pf.why);
    }

    #[test]
    fn a_fresh_virtual_machine_needs_pot_and_is_advised_three_things() {
        let facts = HostFacts {
            packages: known(Packages { pkg: true, pot: None, potnet: None }),
            groups: known([("wheel".to_owned(), 0)].into()),
            racct: known(Tunable { running: Some("0".into()), next_boot: None, set_in: None }),
            vtnet_lro_disable: known(Tunable { running: Some("0".into()), next_boot: None, set_in: None }),
            interfaces: known(vec![interface("vtnet0", "", &["192.168.178.20/24"])]),
            syslog: known(crate::facts::Syslog::default()),
            ..running_host()
        };
        let rows = rows(&facts);
        let open: Vec<_> =
            rows.iter().filter(|row| row.is_open()).map(|row| (row.id, row.needed, row.action)).collect();
        assert_eq!(
            open,
            [
                ("pot", true, Some(Preparation::InstallPot)),
                ("racct", false, Some(Preparation::EnableRacct)),
                ("vtnet", false, Some(Preparation::DisableVtnetLro)),
                ("log", false, Some(Preparation::RouteLog)),
            ]
        );
        assert!(row(&facts, "group").waits, "the package brings the group");
        assert_eq!(row(&facts, "vtnet").title, "Network card vtnet0");
    }

    #[test]
    fn an_advised_row_can_be_dismissed_but_not_a_needed_one() {
        let facts = HostFacts {
            racct: known(Tunable { running: Some("0".into()), next_boot: None, set_in: None }),
            packages: known(Packages { pkg: true, ..Packages::default() }),
            ..running_host()
        };
        let rows = readiness(&facts, &configuration(OWN), &[Preparation::EnableRacct, Preparation::InstallPot]);
        assert_eq!(rows.iter().filter(|row| row.dismissed).map(|row| row.id).collect::<Vec<_>>(), ["racct"]);
        assert_eq!(Counts::of(&rows).advised, 0);
        assert_eq!(Counts::of(&rows).needed, 1);
    }

    #[test]
    fn what_is_set_for_the_next_boot_only_awaits_it() {
        let facts = HostFacts {
            racct: known(Tunable { running: Some("0".into()), next_boot: Some("1".into()), set_in: None }),
            ..running_host()
        };
        let racct = row(&facts, "racct");
        assert!(racct.awaits_reboot && !racct.is_open() && racct.state == RowState::ToDo);
        assert_eq!(racct.values[0].1, "kern.racct.enable=0");
        assert_eq!(racct.values[1].1, "kern.racct.enable=1");
        assert_eq!(Counts::of(&rows(&facts)).reboot, 1);

        let lost = HostFacts {
            racct: known(Tunable { running: Some("1".into()), next_boot: Some("0".into()), set_in: None }),
            ..running_host()
        };
        assert!(row(&lost, "racct").is_open());
        let without =
            HostFacts { racct: known(Tunable { running: None, next_boot: None, set_in: None }), ..running_host() };
        assert_eq!(row(&without, "racct").state, RowState::NotPossible);
    }

    #[test]
    fn no_vimage_on_11_is_explained_and_nothing_is_offered() {
        let mut facts = HostFacts { vimage: known(false), ..running_host() };
        facts.system.value.as_mut().unwrap().kernel = "11.4-RELEASE".into();
        let vimage = row(&facts, "vimage");
        assert_eq!((vimage.state, vimage.action), (RowState::ToDo, None));
        assert!(vimage.why.contains("11.x") && vimage.detail.contains("buildkernel"));
        facts.system.value.as_mut().unwrap().kernel = "10.4-RELEASE".into();
        assert_eq!(row(&facts, "freebsd").state, RowState::NotPossible);
        facts.system.value.as_mut().unwrap().kernel = "CURRENT".into();
        assert_eq!(row(&facts, "freebsd").state, RowState::Unknown);
    }

    #[test]
    fn a_source_that_does_not_answer_is_said_and_guesses_nothing() {
        let facts = HostFacts { pools: Fact::unknown("zpool: not found", "zpool list"), ..running_host() };
        let zfs = row(&facts, "zfs");
        assert_eq!((zfs.state, zfs.why.as_str()), (RowState::Unknown, "zpool: not found"));
        let nothing = HostFacts::unknown("not asked");
        assert!(rows(&nothing).iter().all(|row| row.state == RowState::Unknown));
    }

    #[test]
    fn no_pool_a_wrong_pool_and_a_sick_pool() {
        let mut facts = running_host();
        facts.pools = known(vec![]);
        assert!(row(&facts, "zfs").why.contains("no ZFS pool"));
        facts = running_host();
        let rows = readiness(&facts, &configuration("POT_ZFS_ROOT=tank/pot\n"), &[]);
        assert!(rows.iter().any(|row| row.id == "zfs" && row.state == RowState::ToDo && row.why.contains("zroot")));
        facts.pools.value.as_mut().unwrap()[0].health = "SUSPENDED".into();
        assert_eq!(row(&facts, "zfs").state, RowState::ToDo);
        facts.pools.value.as_mut().unwrap()[0].health = "DEGRADED".into();
        assert!(row(&facts, "zfs").why.contains("degraded"));
    }

    #[test]
    fn an_invalid_pf_conf_a_jail_and_ipfw_are_said() {
        let mut facts = running_host();
        let file = facts.pf_file.value.as_mut().unwrap();
        (file.valid, file.errors) = (Some(false), vec!["/etc/pf.conf:2: syntax error".into()]);
        let pf = row(&facts, "pf");
        assert!(pf.why.contains("next boot has no firewall") && pf.why.contains(":2: syntax error"));
        facts.ipfw = known(true);
        assert_eq!(row(&facts, "ipfw").state, RowState::Unknown);
        facts.system.value.as_mut().unwrap().jailed = Some(true);
        assert_eq!(row(&facts, "jail").state, RowState::NotPossible);
        facts.system.value.as_mut().unwrap().jailed = None;
        assert_eq!(row(&facts, "jail").state, RowState::Unknown);
        assert_eq!(row(&facts, "freebsd").state, RowState::Ready, "the version is known all the same");
    }

    #[test]
    fn the_log_row_tells_a_missing_file_and_a_host_without_syslogd() {
        let mut facts = running_host();
        facts.syslog.value.as_mut().unwrap().missing = vec!["/var/log/pot.log".into()];
        let log = row(&facts, "log");
        assert_eq!((log.state, log.action), (RowState::ToDo, Some(Preparation::RouteLog)));
        facts.rc.value.as_mut().unwrap().insert("syslogd_enable".into(), "NO".into());
        assert_eq!(row(&facts, "log").state, RowState::NotPossible);
        let other = readiness(&running_host(), &configuration("POT_LOG_FACILITY=local5\n"), &[]);
        assert!(other.iter().any(|row| row.id == "log" && row.is_open() && row.values[0].1 == "local5.info"));
    }

    #[test]
    fn the_log_row_tells_a_log_host_and_a_second_file_that_is_missing() {
        let mut facts = running_host();
        let syslog = facts.syslog.value.as_mut().unwrap();
        syslog.files.insert("local2".into(), vec!["/var/log/pot.log".into(), "/var/log/all.log".into()]);
        syslog.missing = vec!["/var/log/all.log".into()];
        let log = row(&facts, "log");
        assert_eq!(log.state, RowState::Ready);
        assert!(log.why.ends_with("A rule names /var/log/all.log, too, which is not there"), "{}", log.why);
        let syslog = facts.syslog.value.as_mut().unwrap();
        syslog.files.clear();
        syslog.elsewhere.insert("local2".into(), vec!["@loghost".into()]);
        let log = row(&facts, "log");
        assert_eq!((log.state, log.action), (RowState::ToDo, Some(Preparation::RouteLog)));
        assert!(log.why.contains("on to @loghost") && !log.why.contains("drops"), "{}", log.why);
    }

    #[test]
    fn a_pot_that_pkg_does_not_know_counts_as_installed() {
        let mut facts = HostFacts { packages: known(Packages { pkg: true, ..Packages::default() }), ..running_host() };
        let program = PathState {
            kind: PathKind::File,
            uid: 0,
            gid: 0,
            mode: 0o755,
            empty: false,
            only_root_writes: true,
            exposed: None,
            replaceable_in: None,
            leads_to: None,
        };
        facts.paths.value.as_mut().unwrap().insert(POT_PROGRAM.into(), program);
        assert_eq!(row(&facts, "pot").state, RowState::Ready);
        facts.packages = Fact::unknown("pkg: not found", "pkg");
        assert_eq!(row(&facts, "pot").state, RowState::Ready);
    }

    #[test]
    fn temporary_files_where_everybody_writes_are_advised_against_and_never_a_finding() {
        let state = |kind: PathKind, mode: u32| PathState {
            kind,
            uid: 0,
            gid: 0,
            mode,
            empty: true,
            only_root_writes: mode & 0o022 == 0,
            exposed: None,
            replaceable_in: None,
            leads_to: None,
        };
        let on = |own: &str, path: &str, state: PathState| {
            let mut facts = running_host();
            facts.paths.value.as_mut().unwrap().insert(path.to_owned(), state);
            let rows = readiness(&facts, &configuration(own), &[]);
            (rows.into_iter().find(|row| row.id == "tmp").unwrap(), facts)
        };
        for own in ["", "POT_TMP=\n", "POT_TMP=/tmp\n"] {
            let (tmp, facts) = on(own, "/tmp", state(PathKind::Folder, 0o1777));
            assert!(tmp.is_open() && !tmp.needed, "{own}: {tmp:?}");
            assert_eq!((tmp.action, tmp.values[0].1.as_str()), (Some(Preparation::PrivateTmp), "/tmp"));
            let configuration = configuration(own);
            let findings = rules::check(&rules::Subject::new(&configuration).on(Some(&facts)));
            assert!(!findings.iter().any(|finding| finding.concerns(&["POT_TMP"])), "{findings:?}");
        }
        for (kind, mode) in [(PathKind::Folder, 0o700), (PathKind::Folder, 0o755), (PathKind::Absent, 0)] {
            let (tmp, _) = on(OWN, "/var/run/pot", state(kind, mode));
            assert_eq!(tmp.state, RowState::Ready, "{kind:?} {mode:o}: {}", tmp.why);
        }
        let unknown = [
            on("POT_TMP=$(mktemp -d)\n", "/tmp", state(PathKind::Folder, 0o1777)).0,
            on("POT_TMP=/srv/tmp\n", "/tmp", state(PathKind::Folder, 0o1777)).0,
        ];
        assert!(unknown.iter().all(|row| row.state == RowState::Unknown && row.action.is_none()), "{unknown:?}");
        // Nothing to set it in yet: what comes first is said.
        let mut bare = running_host();
        bare.packages = known(Packages { pkg: true, pot: None, potnet: None });
        bare.paths.value.as_mut().unwrap().insert("/tmp".into(), state(PathKind::Folder, 0o1777));
        let tmp = readiness(&bare, &configuration(""), &[]).into_iter().find(|row| row.id == "tmp").unwrap();
        assert!(tmp.waits && tmp.action.is_none() && tmp.why.contains("package"), "{tmp:?}");
    }

    #[test]
    fn a_computed_group_is_not_guessed() {
        let rows = readiness(&running_host(), &configuration("POT_GROUP=$(id -gn)\n"), &[]);
        assert!(rows.iter().any(|row| row.id == "group" && row.state == RowState::Unknown));
    }
}
