//! pot's installation guide, paragraph by paragraph, in words of our own: what each says, what of this host it is about,
//! and how that stands.
//!
//! The one table of the guide. Pages show a paragraph where it applies and all of them as `/guide`; search finds their
//! words. How a paragraph stands is put together here from the model, whose words and offers it repeats; nothing is judged
//! anew. What the guide leaves out, and this console looks at all the same, stands in a chapter of its own.

use super::guide::{Act, Offer};
use super::model::HostState;
use super::operations::{OperationName, Standing};
use super::pot_state::Stage;
use super::readiness::{Row, RowState, counted};
use crate::potconf::{Configuration, Group, PARAMETERS, Source, potnet};
use crate::rules::{Finding, Severity};

/// A paragraph.
#[derive(Debug)]
pub(crate) struct Paragraph {
    /// Its stable name, in addresses.
    pub(crate) id: &'static str,
    /// Under which heading it stands.
    pub(crate) chapter: &'static str,
    /// What it is about.
    pub(crate) title: &'static str,
    /// What it says. What stands between backquotes is code.
    pub(crate) text: &'static str,
    /// What of this host it belongs to.
    pub(crate) about: &'static [Topic],
    /// FreeBSD's manual pages: name and section.
    pub(crate) manual: &'static [(&'static str, u8)],
}

/// What of a host a paragraph belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// A row of readiness, by its name.
    Row(&'static str),
    /// A group of parameters.
    Group(Group),
    /// A parameter.
    Parameter(&'static str),
    /// An operation.
    Operation(OperationName),
    /// What `potnet config-check` says.
    NetworkCheck,
    /// Another fact of the model: its name there, and a heading.
    Fact(&'static str, &'static str),
    /// Feedback to pot's authors.
    Feedback,
}

const BEFORE: &str = "Before pot";
const INSTALL: &str = "Install pot";
const BOOT: &str = "Set at boot";
const FILES: &str = "The configuration";
const FILE_SYSTEM: &str = "File system";
const NETWORK: &str = "Network";
const OTHER: &str = "Other parameters";
const EXPERIMENTS: &str = "Experiments";
const RUN: &str = "Initialise, start, remove";
const BEYOND: &str = "Not in pot's guide";

/// All paragraphs, in the order of the guide.
pub(crate) const PARAGRAPHS: &[Paragraph] = &[
    Paragraph {
        id: "root",
        chapter: BEFORE,
        title: "Root",
        text: "Much of what pot does takes root: it makes datasets, jails, bridges and firewall rules. The guide's commands \
               are meant for a root shell. This console has one process that runs as root and one, which talks to browsers, \
               that does not.",
        about: &[Topic::Row("root")],
        manual: &[("su", 1), ("jail", 8)],
    },
    Paragraph {
        id: "zfs",
        chapter: BEFORE,
        title: "ZFS",
        text: "pot keeps bases, pots and images in ZFS datasets and cannot do without. A pool has to be there before anything \
               else; the FreeBSD handbook's chapter on ZFS tells how one is made.",
        about: &[Topic::Row("zfs")],
        manual: &[("zpool", 8), ("zfs", 8)],
    },
    Paragraph {
        id: "freebsd",
        chapter: BEFORE,
        title: "FreeBSD's release",
        text: "Pots that have a network of their own need VNET in the kernel. GENERIC has it since 12.0; on 11.3 the kernel has \
               to be rebuilt with `options VIMAGE`. Releases before that are not for pot.",
        about: &[Topic::Row("freebsd"), Topic::Row("vimage")],
        manual: &[("freebsd-version", 1), ("vnet", 9)],
    },
    Paragraph {
        id: "package",
        chapter: INSTALL,
        title: "From a package",
        text: "The package is the suggested way: `pkg install -y pot`. What pot needs besides comes with it.",
        about: &[Topic::Row("pot")],
        manual: &[("pkg", 8)],
    },
    Paragraph {
        id: "ports",
        chapter: INSTALL,
        title: "From ports",
        text: "It can be built, too: `make install clean` in /usr/ports/sysutils/pot. pot's helper potnet is written in Rust, and \
               where the compiler has to be built for it, that can take hours.",
        about: &[],
        manual: &[("ports", 7)],
    },
    Paragraph {
        id: "resource-limits",
        chapter: BOOT,
        title: "Resource limits",
        text: "To count and limit what each jail uses, the kernel needs its resource database, which is off unless \
               `kern.racct.enable=1` stands in /boot/loader.conf. It is read at boot only and costs a little speed.",
        about: &[Topic::Row("racct")],
        manual: &[("rctl", 8), ("loader.conf", 5)],
    },
    Paragraph {
        id: "vtnet",
        chapter: BOOT,
        title: "Virtual network cards",
        text: "In a virtual machine whose card is a vtnet, packets for pots can be slow. `hw.vtnet.lro_disable=1` in \
               /boot/loader.conf turns off what causes it, from the next boot on.",
        about: &[Topic::Row("vtnet")],
        manual: &[("vtnet", 4), ("loader.conf", 5)],
    },
    Paragraph {
        id: "two-files",
        chapter: FILES,
        title: "Two files",
        text: "/usr/local/etc/pot holds pot.default.conf with every default, which is to be left alone, and pot.conf, where \
               whatever differs is set. Both are shell programs that pot reads at every call: a value with a blank needs \
               quotes.",
        about: &[Topic::Row("configuration")],
        manual: &[("sh", 1)],
    },
    Paragraph {
        id: "file-system",
        chapter: FILE_SYSTEM,
        title: "pot on ZFS",
        text: "Two parameters say where in the pool pot lives and where that is mounted; a third says where images are kept.",
        about: &[Topic::Group(Group::FileSystem)],
        manual: &[("zfs", 8), ("zfsprops", 7)],
    },
    Paragraph {
        id: "zfs-root",
        chapter: FILE_SYSTEM,
        title: "The dataset",
        text: "Everything that pot stores is below this dataset: bases, pots, images. `pot init` creates it where it does not \
               exist.",
        about: &[Topic::Parameter("POT_ZFS_ROOT")],
        manual: &[("zfs-create", 8)],
    },
    Paragraph {
        id: "fs-root",
        chapter: FILE_SYSTEM,
        title: "Its mountpoint",
        text: "Take a folder that does not exist or is empty: what lies under a mountpoint cannot be reached while something is \
               mounted there.",
        about: &[Topic::Parameter("POT_FS_ROOT")],
        manual: &[("zfsprops", 7), ("mount", 8)],
    },
    Paragraph {
        id: "cache",
        chapter: FILE_SYSTEM,
        title: "The images",
        text: "The dataset `cache` below the other one is mounted here. Only `pot import` and `pot prepare` use it, and the \
               default is good.",
        about: &[Topic::Parameter("POT_CACHE")],
        manual: &[],
    },
    Paragraph {
        id: "network",
        chapter: NETWORK,
        title: "Networks of pots",
        text: "A pot can share the host's network, have an alias address of an interface, or stand on the public bridge or on a \
               private one. All but the first need to know this host's interfaces and a network for the pots.",
        about: &[Topic::Group(Group::Network)],
        manual: &[("ifconfig", 8), ("if_bridge", 4), ("pf.conf", 5)],
    },
    Paragraph {
        id: "extif",
        chapter: NETWORK,
        title: "The interface to the outside",
        text: "pot takes one interface for all traffic between pots and the world. The default is em0; a host whose card is \
               called otherwise has to say so.",
        about: &[Topic::Parameter("POT_EXTIF")],
        manual: &[("ifconfig", 8)],
    },
    Paragraph {
        id: "extif-addr",
        chapter: NETWORK,
        title: "One of several addresses",
        text: "NAT and redirection take the interface's first IPv4 address that is no alias. Where it has more, this parameter \
               can name another one of them.",
        about: &[Topic::Parameter("POT_EXTIF_ADDR")],
        manual: &[("pf.conf", 5)],
    },
    Paragraph {
        id: "stack",
        chapter: NETWORK,
        title: "IPv4, IPv6 or both",
        text: "What a new pot speaks when it is created or cloned and nothing else is asked for: `ipv4`, `ipv6`, or `dual` for \
               both.",
        about: &[Topic::Parameter("POT_NETWORK_STACK")],
        manual: &[("inet6", 4)],
    },
    Paragraph {
        id: "pots-network",
        chapter: NETWORK,
        title: "The pots' own network",
        text: "A private IPv4 network inside the host, for pots on the public bridge. It must not be one that this host or its \
               neighbours use; the default is large, and a smaller one does as well.",
        about: &[Topic::Parameter("POT_NETWORK")],
        manual: &[("route", 8)],
    },
    Paragraph {
        id: "netmask",
        chapter: NETWORK,
        title: "Its netmask",
        text: "It could be worked out from the network, but pot does not: whoever sets one has to set the other to match.",
        about: &[Topic::Parameter("POT_NETMASK")],
        manual: &[],
    },
    Paragraph {
        id: "gateway",
        chapter: NETWORK,
        title: "Its gateway",
        text: "An address of that network, which the host itself has on the bridge. Pots there send to it whatever is for \
               others.",
        about: &[Topic::Parameter("POT_GATEWAY")],
        manual: &[],
    },
    Paragraph {
        id: "extra-extif",
        chapter: NETWORK,
        title: "Further interfaces",
        text: "A host that stands in more networks can open them to pots: list the interfaces in quotes, and for each set the \
               parameter with its name at the end to the network behind it. Not for pots of the type alias.",
        about: &[Topic::Parameter("POT_EXTRA_EXTIF")],
        manual: &[("vlan", 4)],
    },
    Paragraph {
        id: "network-check",
        chapter: NETWORK,
        title: "Is the network valid?",
        text: "`potnet config-check` says what is wrong with the network, and nothing where it is right. It looks at gateway, \
               netmask and DNS address alone, not at this host; the configuration page does.",
        about: &[Topic::NetworkCheck],
        manual: &[],
    },
    Paragraph {
        id: "log-facility",
        chapter: OTHER,
        title: "pot's log",
        text: "pot tells syslogd of every call, under the facility local2 unless another is named here. What becomes of it is \
               for syslog.conf to say, and FreeBSD's own writes it nowhere.",
        about: &[Topic::Group(Group::Other), Topic::Parameter("POT_LOG_FACILITY"), Topic::Row("log")],
        manual: &[("syslogd", 8), ("syslog.conf", 5), ("newsyslog.conf", 5)],
    },
    Paragraph {
        id: "vpn",
        chapter: EXPERIMENTS,
        title: "VPN",
        text: "Where the host reaches networks through a tunnel, pots can, too: name the tunnel's interface and, in quotes, every \
               network behind it. Experimental.",
        about: &[Topic::Group(Group::Vpn), Topic::Parameter("POT_VPN_EXTIF"), Topic::Parameter("POT_VPN_NETWORKS")],
        manual: &[("tun", 4)],
    },
    Paragraph {
        id: "dns",
        chapter: EXPERIMENTS,
        title: "A pot that answers DNS",
        text: "Name and address of a pot that resolves names for the others. Deprecated: it was an experiment and stays one.",
        about: &[Topic::Group(Group::Dns), Topic::Parameter("POT_DNS_NAME"), Topic::Parameter("POT_DNS_IP")],
        manual: &[("resolv.conf", 5)],
    },
    Paragraph {
        id: "init",
        chapter: RUN,
        title: "Initialise",
        text: "`pot init` creates the datasets, checks the network and has pf know of the pots' one. Keep a copy of pf.conf \
               before, where pf is in use: the console keeps the former version of each file that it changes.",
        about: &[Topic::Operation(OperationName::Init)],
        manual: &[("pf.conf", 5), ("sysrc", 8)],
    },
    Paragraph {
        id: "vnet-start",
        chapter: RUN,
        title: "Start the virtual network",
        text: "The first pot that needs it brings the network up. `pot vnet-start` does it beforehand. It turns pf on, which can \
               cut you off: from here it is put back by itself unless you say to keep it.",
        about: &[Topic::Operation(OperationName::VnetStart)],
        manual: &[("pfctl", 8), ("if_bridge", 4)],
    },
    Paragraph {
        id: "ping",
        chapter: RUN,
        title: "Try it",
        text: "Once it is up, the host reaches the gateway's address, for it is its own: `ping 10.192.0.1`, or whatever \
               POT_GATEWAY says.",
        about: &[Topic::Fact("network", "Virtual network"), Topic::Fact("public-bridge", "Public bridge")],
        manual: &[("ping", 8)],
    },
    Paragraph {
        id: "de-init",
        chapter: RUN,
        title: "Remove pot",
        text: "`pot de-init` destroys the dataset with every pot, base and image in it. Nothing brings them back. Some settings \
               of the host stay; cleaning up takes them away.",
        about: &[Topic::Operation(OperationName::DeInit), Topic::Operation(OperationName::CleanUp)],
        manual: &[("zfs-destroy", 8)],
    },
    Paragraph {
        id: "feedback",
        chapter: RUN,
        title: "Tell why",
        text: "Whoever removes pot is asked to tell its authors why: what is wrong with it, what it lacks, how hard it is to use. \
               Nobody has to.",
        about: &[Topic::Feedback],
        manual: &[],
    },
    Paragraph {
        id: "whole-host",
        chapter: BEYOND,
        title: "A whole host",
        text: "pot manages the host's jails, bridges and firewall, so it has to run on the host, not inside a jail.",
        about: &[Topic::Row("jail")],
        manual: &[("jail", 8)],
    },
    Paragraph {
        id: "group",
        chapter: BEYOND,
        title: "The group",
        text: "Since 0.15.4 the folder of pots belongs to root and a group, whose members can read what is in it. The package makes \
               the group pot; every command of pot ends at once where the group is missing.",
        about: &[Topic::Row("group"), Topic::Parameter("POT_GROUP")],
        manual: &[("pw", 8), ("group", 5)],
    },
    Paragraph {
        id: "temporary",
        chapter: BEYOND,
        title: "Temporary files",
        text: "pot writes rules and states as root under names that are known beforehand. In /tmp, which is pot's default, any \
               local user can put a link in their place; a folder of root's own is safe.",
        about: &[Topic::Row("tmp"), Topic::Parameter("POT_TMP")],
        manual: &[("symlink", 7), ("mktemp", 1)],
    },
    Paragraph {
        id: "firewalls",
        chapter: BEYOND,
        title: "Firewalls",
        text: "pot works with pf. Where pf.conf holds rules already, pot's two anchors have to stand in the right place among them, \
               and a file that pf refuses leaves the next boot without rules. ipfw beside pf filters what pf has passed.",
        about: &[Topic::Row("pf"), Topic::Row("ipfw"), Topic::Fact("anchors", "pot's anchors")],
        manual: &[("pf", 4), ("pf.conf", 5), ("ipfw", 8)],
    },
];

/// The first paragraph about something; none: the guide says nothing of it.
pub(crate) fn paragraph_about(topic: Topic) -> Option<&'static Paragraph> {
    PARAGRAPHS.iter().find(|paragraph| paragraph.about.contains(&topic))
}

/// How a paragraph stands on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParagraphState {
    /// What it is about, one by one.
    pub(crate) lines: Vec<ParagraphLine>,
    /// What can be done about it.
    pub(crate) acts: Vec<Offer>,
}

/// One thing that a paragraph is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParagraphLine {
    /// What it is.
    pub(crate) topic: Topic,
    /// Its name for people.
    pub(crate) title: String,
    /// At a glance.
    pub(crate) mark: Mark,
    /// A word beside it; empty: the mark says it.
    pub(crate) word: &'static str,
    /// How it stands.
    pub(crate) words: String,
    /// The fact's name, for `data-fact`.
    pub(crate) fact: Option<String>,
}

/// How something stands, at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// As it should be.
    Good,
    /// Something is to be done.
    ToDo,
    /// It comes later, or by itself.
    Waits,
    /// Something is wrong.
    Wrong,
    /// Something may be wrong, or is not known.
    Doubtful,
    /// It is neither good nor bad.
    Plain,
}

/// How a paragraph stands: words and offers of the model.
pub(crate) fn stands(
    paragraph: &Paragraph,
    state: &HostState,
    configuration: &Configuration,
    findings: &[Finding],
) -> ParagraphState {
    let mut stands = ParagraphState { lines: Vec::new(), acts: Vec::new() };
    for topic in paragraph.about {
        let (line, act) = match *topic {
            Topic::Row(id) => {
                let Some(row) = state.readiness.iter().find(|row| row.id == id) else { continue };
                of_row(*topic, row)
            }
            Topic::Group(_) | Topic::Parameter(_) | Topic::NetworkCheck if has_no_files(configuration) => {
                let title = match *topic {
                    Topic::Group(group) => group.label(),
                    Topic::Parameter(name) => name,
                    _ => NETWORK_CHECK,
                };
                // Files that cannot be read are none here, too.
                let (mark, words) = match state.pot.stage {
                    Stage::NotInstalled => (Mark::Waits, "once pot is installed"),
                    _ => (Mark::Doubtful, "not known: its files are not there, or cannot be read"),
                };
                (line(*topic, title, mark, words.to_owned(), None), None)
            }
            Topic::Group(group) => (of_group(*topic, group, findings), None),
            Topic::Parameter(name) => of_parameter(*topic, name, configuration, findings),
            Topic::Operation(name) => {
                let Some(operation) = of_operation(*topic, name, state) else { continue };
                operation
            }
            Topic::NetworkCheck => (of_network_check(*topic, configuration), None),
            Topic::Fact(name, title) => {
                let words = state.word(name).to_owned();
                (line(*topic, title, Mark::Plain, words, Some(name.to_owned())), None)
            }
            Topic::Feedback => {
                stands.acts.push(Offer::plain("Give feedback", Act::Feedback));
                continue;
            }
        };
        stands.lines.push(line);
        stands.acts.extend(act.filter(|act| !stands.acts.contains(act)));
    }
    stands
}

/// What checks the network, apart from the console.
const NETWORK_CHECK: &str = "potnet config-check";

/// Whether there is nothing to judge.
fn has_no_files(configuration: &Configuration) -> bool {
    configuration.default_document().bytes().is_empty() && configuration.own().bytes().is_empty()
}

fn line(topic: Topic, title: &str, mark: Mark, words: String, fact: Option<String>) -> ParagraphLine {
    ParagraphLine { topic, title: title.to_owned(), mark, word: "", words, fact }
}

fn of_row(topic: Topic, row: &Row) -> (ParagraphLine, Option<Offer>) {
    let (mark, word) = match row.state {
        _ if row.dismissed => (Mark::Waits, "not wanted"),
        RowState::ToDo if row.awaits_reboot => (Mark::Waits, "at the next boot"),
        RowState::ToDo if row.waits => (Mark::Waits, "later"),
        RowState::Ready => (Mark::Good, row.state.word()),
        RowState::ToDo => (Mark::ToDo, row.state.word()),
        RowState::NotPossible => (Mark::Wrong, row.state.word()),
        RowState::Unknown => (Mark::Doubtful, row.state.word()),
    };
    let act = match row.action {
        _ if !row.is_open() => None,
        Some(action) => Some(Offer::plain("Plan it", Act::Prepare(vec![action]))),
        None if row.is_configuration() => Some(Offer::plain("Open the configuration", Act::Configure)),
        None => None,
    };
    let line = line(topic, &row.title, mark, row.why.clone(), Some(row.fact()));
    (ParagraphLine { word, ..line }, act)
}

/// The mark of the worst of them.
fn mark_of<'a>(findings: impl Iterator<Item = &'a Finding>) -> Option<Mark> {
    let worst = findings.map(|finding| finding.severity).min()?;
    Some(match worst {
        Severity::Error => Mark::Wrong,
        Severity::Warning => Mark::Doubtful,
        Severity::Notice => Mark::Plain,
    })
}

fn of_group(topic: Topic, group: Group, findings: &[Finding]) -> ParagraphLine {
    let is_of_it = |finding: &&Finding| {
        let name = finding.parameters.first().map_or("", String::as_str);
        match PARAMETERS.iter().find(|known| known.name == name) {
            Some(known) => known.group == group,
            None => group == Group::Network && crate::potconf::extra_interface(name).is_some(),
        }
    };
    let count = |severity| findings.iter().filter(is_of_it).filter(|finding| finding.severity == severity).count();
    let all = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Notice, "notice")];
    let words: Vec<String> = all
        .into_iter()
        .map(|(severity, noun)| (count(severity), noun))
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count, noun))
        .collect();
    let words = if words.is_empty() { "no findings".to_owned() } else { words.join(", ") };
    let mark = mark_of(findings.iter().filter(is_of_it)).unwrap_or(Mark::Good);
    line(topic, group.label(), mark, words, None)
}

fn of_parameter(
    topic: Topic,
    name: &str,
    configuration: &Configuration,
    findings: &[Finding],
) -> (ParagraphLine, Option<Offer>) {
    let setting = configuration.setting(name);
    let from = match (setting.source, setting.line) {
        (Source::Default, _) => ", the default".to_owned(),
        (Source::PotConf, Some(line)) => format!(", line {line} of pot.conf"),
        _ => String::new(),
    };
    let mut words = match setting.value.as_deref() {
        Some("") => format!("empty{from}"),
        Some(value) => format!("{}{from}", crate::process::harmless(value)),
        None if setting.source == Source::Unset => "not set".to_owned(),
        None => format!("known only to sh{from}"),
    };
    let own = || findings.iter().filter(|finding| finding.parameters.first().is_some_and(|first| first == name));
    if let Some(finding) = own().min_by_key(|finding| finding.severity) {
        words.push_str(&format!(". {}", finding.message));
    }
    let mark = mark_of(own()).unwrap_or(match (&setting.value, setting.source) {
        (Some(_), _) => Mark::Good,
        // None of the files does.
        (None, Source::Unset) => Mark::Plain,
        (None, _) => Mark::Doubtful,
    });
    let act = (mark == Mark::Wrong).then(|| Offer::plain("Open the configuration", Act::Configure));
    (line(topic, name, mark, words, None), act)
}

fn of_operation(topic: Topic, name: OperationName, state: &HostState) -> Option<(ParagraphLine, Option<Offer>)> {
    let operation = state.operation(name)?;
    let mark = match operation.standing {
        Standing::Done => Mark::Good,
        Standing::ToDo => Mark::ToDo,
        Standing::Differs | Standing::Unknown => Mark::Doubtful,
        Standing::Blocked => Mark::Waits,
        Standing::Nothing | Standing::InUse | Standing::UnderWay => Mark::Plain,
    };
    let act = match (operation.standing, &state.run) {
        (Standing::UnderWay, Some(run)) => Some(Offer::plain(format!("Open run {}", run.id), Act::Run(run.id))),
        (Standing::ToDo | Standing::Differs | Standing::InUse, _) => match name {
            OperationName::Prepare => state.prepare().map(|act| Offer::plain("Plan it", act)),
            OperationName::Init => Some(Offer::plain("Plan init", Act::Init)),
            OperationName::VnetStart => Some(Offer::plain("Plan vnet-start", Act::VnetStart)),
            OperationName::CleanUp => Some(Offer::plain("Plan the clean-up", Act::CleanUp)),
            OperationName::DeInit => Some(Offer::plain("Plan the removal", Act::DeInit)),
        },
        _ => None,
    };
    let title = match name {
        OperationName::Prepare => "Preparing this host",
        OperationName::Init => "pot init",
        OperationName::VnetStart => "pot vnet-start",
        OperationName::CleanUp => "Cleaning up",
        OperationName::DeInit => "pot de-init",
    };
    Some((line(topic, title, mark, operation.words.clone(), Some(name.in_words().to_owned())), act))
}

fn of_network_check(topic: Topic, configuration: &Configuration) -> ParagraphLine {
    let answer = potnet::config_check(configuration.default_document().bytes(), configuration.own().bytes());
    let (mark, words) = match (answer.exit_code, answer.errors.as_slice()) {
        (0, []) => (Mark::Good, "would say nothing".to_owned()),
        (status, errors) => {
            let says = errors.first().map(|error| format!(", saying: {}", crate::process::harmless(error)));
            let mark = if status == 0 { Mark::Doubtful } else { Mark::Wrong };
            (mark, format!("would exit with status {status}{}", says.unwrap_or_default()))
        }
    };
    line(topic, NETWORK_CHECK, mark, words, None)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{configuration, known, running_host};
    use super::super::model::{RunNow, StateInput};
    use super::super::readiness::readiness;
    use super::*;
    use crate::facts::HostFacts;
    use crate::plan::Preparation;
    use crate::rules::{self, Subject};
    use std::collections::BTreeSet;

    #[test]
    fn the_guide_speaks_of_every_row_every_group_and_every_operation_and_of_nothing_else() {
        let facts = running_host();
        let empty = configuration("");
        let rows: Vec<&str> =
            readiness(&facts, &empty, &[]).iter().map(|row| row.id).chain(["configuration"]).collect();
        for row in &rows {
            assert!(paragraph_about(Topic::Row(row)).is_some(), "no paragraph is about the row {row}");
        }
        for group in Group::ALL {
            assert!(paragraph_about(Topic::Group(*group)).is_some(), "{group:?}");
        }
        for name in [OperationName::Init, OperationName::VnetStart, OperationName::DeInit, OperationName::CleanUp] {
            assert!(paragraph_about(Topic::Operation(name)).is_some(), "{name:?}");
        }
        let ids: BTreeSet<&str> = PARAGRAPHS.iter().map(|paragraph| paragraph.id).collect();
        assert_eq!(ids.len(), PARAGRAPHS.len(), "two paragraphs have one name");
        let mut chapters: Vec<&str> = PARAGRAPHS.iter().map(|paragraph| paragraph.chapter).collect();
        chapters.dedup();
        assert_eq!(chapters.len(), chapters.iter().collect::<BTreeSet<_>>().len(), "a chapter is in two pieces");
        for paragraph in PARAGRAPHS {
            let Paragraph { id, text, .. } = paragraph;
            assert!(text.ends_with('.') && !text.contains("  ") && text.matches('`').count() % 2 == 0, "{id}: {text}");
            for topic in paragraph.about {
                match topic {
                    Topic::Row(row) => assert!(rows.contains(row), "{id}: there is no row {row}"),
                    Topic::Parameter(name) => {
                        assert!(PARAMETERS.iter().any(|known| known.name == *name), "{id}: {name}");
                    }
                    _ => {}
                }
            }
        }
    }

    fn all(
        facts: &HostFacts,
        own: &str,
        dismissed: &[Preparation],
        run: Option<&RunNow>,
    ) -> Vec<(&'static str, ParagraphState)> {
        let configuration = configuration(own);
        let findings = rules::check(&Subject::new(&configuration).on(Some(facts)));
        let state = HostState::of(&StateInput {
            facts,
            configuration: &configuration,
            findings: &findings,
            has_files: true,
            dismissed,
            left_drift: &[],
            leftovers: None,
            removed: None,
            run,
        });
        PARAGRAPHS.iter().map(|one| (one.id, stands(one, &state, &configuration, &findings))).collect()
    }

    fn the<'a>(id: &str, all: &'a [(&'static str, ParagraphState)]) -> &'a ParagraphState {
        &all.iter().find(|(name, _)| *name == id).unwrap().1
    }

    #[test]
    fn a_paragraph_says_how_it_stands_here_and_offers_what_can_be_done() {
        let mut facts = running_host();
        facts.syslog.value.as_mut().unwrap().files.clear();
        let stands = all(&facts, "POT_GATEWAY=192.168.1.1\n", &[], None);
        let log = the("log-facility", &stands);
        let row = log.lines.iter().find(|line| line.topic == Topic::Row("log")).unwrap();
        assert_eq!((row.mark, row.word, row.fact.as_deref()), (Mark::ToDo, "to do", Some("ready-log")));
        assert_eq!(log.acts, [Offer::plain("Plan it", Act::Prepare(vec![Preparation::RouteLog]))]);
        let gateway = the("gateway", &stands);
        assert_eq!(gateway.lines[0].mark, Mark::Wrong);
        assert!(gateway.lines[0].words.starts_with("192.168.1.1, line 1 of pot.conf. 192.168.1.1 lies outside"));
        assert_eq!(gateway.acts, [Offer::plain("Open the configuration", Act::Configure)]);
        assert_eq!(the("network", &stands).lines[0].words, "1 error");
        assert!(the("network-check", &stands).lines[0].words.starts_with("would exit with status 1"));
        assert_eq!(the("zfs", &stands).lines[0].mark, Mark::Good);
        assert_eq!(the("zfs", &stands).acts, []);

        let dismissed = all(&facts, "", &[Preparation::RouteLog], None);
        assert_eq!(the("log-facility", &dismissed).acts, [], "nobody is asked again for what is not wanted");
        let run = RunNow { id: 7, operation: "vnet-start".to_owned(), waits: true };
        let waiting = all(&facts, "", &[], Some(&run));
        assert_eq!(the("vnet-start", &waiting).acts, [Offer::plain("Open run 7", Act::Run(7))]);
    }

    #[test]
    fn without_its_files_nothing_of_pots_configuration_is_called_wrong_or_good() {
        let nothing = || crate::potconf::Document::parse(b"").unwrap();
        let configuration = Configuration::new(nothing(), nothing());
        let mut facts = running_host();
        for (installed, said) in [(true, "not known"), (false, "once pot is installed")] {
            if !installed {
                facts.packages = known(crate::facts::Packages { pkg: true, pot: None, potnet: None });
                facts.datasets = known(Vec::new());
            }
            let state = HostState::of(&StateInput {
                facts: &facts,
                configuration: &configuration,
                findings: &[],
                has_files: false,
                dismissed: &[],
                left_drift: &[],
                leftovers: None,
                removed: None,
                run: None,
            });
            for paragraph in PARAGRAPHS.iter().filter(|one| [NETWORK, FILE_SYSTEM].contains(&one.chapter)) {
                let stands = stands(paragraph, &state, &configuration, &[]);
                assert!(stands.lines.iter().all(|line| line.words.starts_with(said)), "{installed}: {stands:?}");
                assert!(stands.lines.iter().all(|line| !matches!(line.mark, Mark::Good | Mark::Wrong)), "{stands:?}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_called_good() {
        let stands = all(&HostFacts::unknown("not asked"), "POT_EXTIF=$(first_card)\n", &[], None);
        for id in ["zfs", "freebsd", "package", "resource-limits", "firewalls"] {
            assert!(the(id, &stands).lines.iter().all(|line| line.mark != Mark::Good), "{id}: {:?}", the(id, &stands));
        }
        assert!(the("extif", &stands).lines[0].words.starts_with("known only to sh"));
        assert_ne!(the("extif", &stands).lines[0].mark, Mark::Good);
    }
}
