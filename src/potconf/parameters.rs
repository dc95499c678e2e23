//! What pot.conf can say: every parameter of pot with its default, its age and who reads it.
//!
//! A new parameter is a row in [`PARAMETERS`]; `CONTRIBUTING.md` names what goes with it, and tests miss whichever is not
//! there. A value of a new sort is a [`Kind`], which limits and tests match without a catch-all.

use serde::{Deserialize, Serialize};

/// The groups in which the installation guide explains the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Dataset, folders, the group that may read them.
    FileSystem,
    /// Interfaces and the pots' network.
    Network,
    /// The experimental VPN parameters.
    Vpn,
    /// The deprecated DNS pot.
    Dns,
    /// Logging, names, signatures, hooks.
    Other,
}

impl Group {
    /// All groups in the order of the guide.
    pub const ALL: &[Self] = &[Self::FileSystem, Self::Network, Self::Vpn, Self::Dns, Self::Other];

    /// Its name in addresses.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::FileSystem => "file-system",
            Self::Network => "network",
            Self::Vpn => "vpn",
            Self::Dns => "dns",
            Self::Other => "other",
        }
    }

    /// The heading that pages show.
    pub const fn label(self) -> &'static str {
        match self {
            Self::FileSystem => "File system",
            Self::Network => "Network",
            Self::Vpn => "VPN",
            Self::Dns => "DNS pot",
            Self::Other => "Logging, names, signatures",
        }
    }
}

/// What a parameter's value is, as far as forms and rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A ZFS dataset name.
    Dataset,
    /// An absolute folder of pot's own.
    Folder,
    /// An absolute folder for files of a moment, which may be one that all users share, as `/tmp` is.
    TemporaryFolder,
    /// Free text.
    Text,
    /// A group of the host.
    Group,
    /// An ending for mktemp(1).
    Suffix,
    /// A decimal number.
    Number,
    /// An IPv4 network with prefix length.
    Network,
    /// An IPv4 netmask in dotted form.
    Netmask,
    /// An IPv4 address.
    Address,
    /// One network interface.
    Interface,
    /// Interfaces, separated by blanks.
    InterfaceList,
    /// ipv4, ipv6 or dual.
    Stack,
    /// yes/true/on or no/false/off, in any case.
    Boolean,
    /// Networks, separated by blanks.
    NetworkList,
    /// A program that pot runs as root.
    ExecutablePath,
    /// A file that pot reads.
    FilePath,
    /// A facility of syslog.conf(5).
    Facility,
    /// The name of a pot.
    PotName,
}

impl Kind {
    /// Whether the value is a list separated by blanks.
    pub(crate) const fn is_list(self) -> bool {
        matches!(self, Self::InterfaceList | Self::NetworkList)
    }

    /// Whether the value is a file that only root may be able to change: root runs the one and trusts the other.
    pub(crate) const fn is_trusted_file(self) -> bool {
        matches!(self, Self::ExecutablePath | Self::FilePath)
    }

    /// Whether the value names a place on the host where root writes, mounts, runs or trusts something.
    pub(crate) const fn is_place(self) -> bool {
        matches!(self, Self::Folder | Self::TemporaryFolder) || self.is_trusted_file()
    }
}

/// What an empty value means to pot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// pot has no fallback: an empty value is against the limit.
    Refused,
    /// What the parameter is for is not used then.
    Off,
    /// pot's scripts say what counts instead (`${POT_TMP:-/tmp}`).
    Means(&'static str),
}

/// What a page says of a value with which nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Worked out from the value and the host, by the function that `rules::readings` has for this parameter.
    Computed,
    /// Of a boolean: what yes means, and no, for which pot also takes what it does not know.
    Switch {
        /// Words for yes.
        on: &'static str,
        /// Words for no.
        off: &'static str,
    },
    /// Of a choice: words for each value; pot takes any other for the first.
    Choice(&'static [(&'static str, &'static str)]),
    /// Words for an empty value, and for any other.
    Given {
        /// Nothing is given.
        none: &'static str,
        /// Something is.
        some: &'static str,
    },
}

/// One parameter of pot: everything that is said of it alone. Its limit, its control on the page and good values for
/// tests follow from the kind; `docs/limits.md` gives the reason for the limit, and a rule of its own stands in `rules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The variable's name.
    pub name: &'static str,
    /// Where the guide explains it.
    pub group: Group,
    /// What its value is.
    pub kind: Kind,
    /// What pot.default.conf of pot 0.16.1 says.
    pub default: &'static str,
    /// What an empty value means.
    pub empty: Empty,
    /// The pot version that introduced it.
    pub since: &'static str,
    /// Whether upstream calls the feature deprecated.
    pub deprecated: bool,
    /// A few words for forms.
    pub label: &'static str,
    /// One to three sentences for those who do not know it.
    pub about: &'static str,
    /// Who reads it.
    pub(crate) read_by: &'static str,
    /// What a value means.
    pub reading: Reading,
}

impl Parameter {
    /// What counts for pot where this value stands: the fallback of its scripts for an empty one, else the value.
    pub(crate) const fn counting<'a>(&self, value: &'a str) -> &'a str {
        match self.empty {
            Empty::Means(fallback) if value.is_empty() => fallback,
            _ => value,
        }
    }
}

/// Every parameter that pot 0.16.1 knows, group by group. `POT_NETWORK_<interface>` is a family, see
/// [`super::Name::extra_interface`].
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "POT_ZFS_ROOT",
        group: Group::FileSystem,
        kind: Kind::Dataset,
        default: "zroot/pot",
        empty: Empty::Refused,
        since: "0.0.1",
        deprecated: false,
        label: "Dataset that holds everything",
        about: "The ZFS dataset below which pot keeps bases, pots and images. pot init creates it when it is missing; pot \
                de-init destroys it with all that is in it.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_FS_ROOT",
        group: Group::FileSystem,
        kind: Kind::Folder,
        default: "/opt/pot",
        empty: Empty::Refused,
        since: "0.0.1",
        deprecated: false,
        label: "Where that dataset is mounted",
        about: "The mountpoint of POT_ZFS_ROOT. Take a folder that is empty or not there yet: what lies in it is out of \
                reach once the dataset is mounted over it.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_CACHE",
        group: Group::FileSystem,
        kind: Kind::Folder,
        default: "/var/cache/pot",
        empty: Empty::Refused,
        since: "0.5.11",
        deprecated: false,
        label: "Images that were fetched",
        about: "The mountpoint of the dataset in which pot import and pot prepare keep images. There is rarely a reason to \
                change it.",
        read_by: "pot",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_TMP",
        group: Group::FileSystem,
        kind: Kind::TemporaryFolder,
        default: "/tmp",
        empty: Empty::Means("/tmp"),
        since: "0.13.0",
        deprecated: false,
        label: "Temporary files",
        about: "The folder for pot's temporary files. pot writes there as root under a name that can be guessed, so a \
                folder of root's own is safer than one that all users share.",
        read_by: "pot",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_GROUP",
        group: Group::FileSystem,
        kind: Kind::Group,
        default: "pot",
        empty: Empty::Means("pot"),
        since: "0.15.4",
        deprecated: false,
        label: "Group that may read pots",
        about: "The group that owns POT_FS_ROOT together with root. Its members can read what the pots hold.",
        read_by: "pot",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_EXTIF",
        group: Group::Network,
        kind: Kind::Interface,
        default: "em0",
        empty: Empty::Refused,
        since: "0.0.1",
        deprecated: false,
        label: "Interface to the outside",
        about: "The interface through which pots reach other hosts, usually the one that carries the default route.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_EXTIF_ADDR",
        group: Group::Network,
        kind: Kind::Address,
        default: "",
        empty: Empty::Off,
        since: "0.12.0",
        deprecated: false,
        label: "Address that NAT uses",
        about: "Which IPv4 address of POT_EXTIF stands for the pots outside, when the interface has several. Empty means \
                its first address that is not an alias.",
        read_by: "pot init, pot vnet-start",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_NETWORK_STACK",
        group: Group::Network,
        kind: Kind::Stack,
        default: "ipv4",
        empty: Empty::Means("ipv4"),
        since: "0.11.0",
        deprecated: false,
        label: "Protocol of new pots",
        about: "What a new pot speaks unless pot create or pot clone is told otherwise: ipv4, ipv6 or dual. pot takes any \
                other word for ipv4 without saying so.",
        read_by: "pot",
        reading: Reading::Choice(&[
            ("ipv4", "New pots get IPv4 only, unless told otherwise"),
            ("ipv6", "New pots get IPv6 only, unless told otherwise"),
            ("dual", "New pots get IPv4 and IPv6, unless told otherwise"),
        ]),
    },
    Parameter {
        name: "POT_NETWORK",
        group: Group::Network,
        kind: Kind::Network,
        default: "10.192.0.0/10",
        empty: Empty::Refused,
        since: "0.0.1",
        deprecated: false,
        label: "Network of the pots",
        about: "The IPv4 network inside the host to which pots on the public bridge belong. Choose a private one that \
                neither this host nor its neighbours use.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_NETMASK",
        group: Group::Network,
        kind: Kind::Netmask,
        default: "255.192.0.0",
        empty: Empty::Refused,
        since: "0.0.1",
        deprecated: false,
        label: "Its netmask",
        about: "The netmask of POT_NETWORK. It follows from the network's prefix length, but pot wants it spelled out.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_GATEWAY",
        group: Group::Network,
        kind: Kind::Address,
        default: "10.192.0.1",
        empty: Empty::Refused,
        since: "0.0.1",
        deprecated: false,
        label: "Gateway of the pots",
        about: "The host's own address in POT_NETWORK, set on the bridge. It is the default gateway of every pot there.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_EXTRA_EXTIF",
        group: Group::Network,
        kind: Kind::InterfaceList,
        default: "",
        empty: Empty::Off,
        since: "0.10.0",
        deprecated: false,
        label: "Further interfaces, with the network behind each",
        about: "More interfaces that pots may use, separated by blanks. Each needs a POT_NETWORK_ parameter that ends in \
                its name and gives the network behind it. Not for the network type alias.",
        read_by: "pot init, pot vnet-start",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_ISOLATE_VNET_POTS",
        group: Group::Network,
        kind: Kind::Boolean,
        default: "false",
        empty: Empty::Means("no"),
        since: "0.16.0",
        deprecated: false,
        label: "Keep pots apart from each other",
        about: "Whether pots on the same bridge are kept from reaching each other, by making them private members of it.",
        read_by: "pot start",
        reading: Reading::Switch {
            on: "On: pots on one bridge do not reach each other",
            off: "Off: pots on one bridge reach each other",
        },
    },
    Parameter {
        name: "POT_VPN_EXTIF",
        group: Group::Vpn,
        kind: Kind::Interface,
        default: "",
        empty: Empty::Off,
        since: "0.5.10",
        deprecated: false,
        label: "Interface of the VPN",
        about: "The tunnel interface through which pots reach the networks behind a VPN. Experimental; empty means none.",
        read_by: "pot vnet-start",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_VPN_NETWORKS",
        group: Group::Vpn,
        kind: Kind::NetworkList,
        default: "",
        empty: Empty::Off,
        since: "0.5.10",
        deprecated: false,
        label: "Networks behind it",
        about: "The networks that are reached through POT_VPN_EXTIF, separated by blanks. Experimental.",
        read_by: "pot vnet-start",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_DNS_NAME",
        group: Group::Dns,
        kind: Kind::PotName,
        default: "dns",
        empty: Empty::Off,
        since: "0.2.0",
        deprecated: true,
        label: "Pot that answers DNS",
        about: "The name of the pot that runs a DNS server for the others. Deprecated.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_DNS_IP",
        group: Group::Dns,
        kind: Kind::Address,
        default: "10.192.0.2",
        empty: Empty::Off,
        since: "0.2.0",
        deprecated: true,
        label: "Its address",
        about: "The address of the DNS pot, inside POT_NETWORK. Deprecated.",
        read_by: "pot, potnet",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_LOG_FACILITY",
        group: Group::Other,
        kind: Kind::Facility,
        default: "local2",
        empty: Empty::Refused,
        since: "0.10.4",
        deprecated: false,
        label: "Where syslog gets pot’s calls",
        about: "Every call of pot that changes something is sent to syslogd under this facility. A stock syslog.conf \
                writes it nowhere until a line is added for it.",
        read_by: "every pot call",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_HOSTNAME_MAX_LENGTH",
        group: Group::Other,
        kind: Kind::Number,
        default: "64",
        empty: Empty::Means("64"),
        since: "0.12.0",
        deprecated: false,
        label: "Longest host name in a pot",
        about: "How many characters the host name of a pot may have. Longer ones are refused or cut by pot.",
        read_by: "pot",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_MKTEMP_SUFFIX",
        group: Group::Other,
        kind: Kind::Suffix,
        default: ".XXXXXXXX",
        empty: Empty::Refused,
        since: "0.11.3",
        deprecated: false,
        label: "Ending of temporary files",
        about: "The ending that pot gives to mktemp(1); each X becomes a random character. Fewer make names easier to guess.",
        read_by: "pot",
        reading: Reading::Computed,
    },
    Parameter {
        name: "POT_EXPORT_PORTS_PF_RULES_HOOK",
        group: Group::Other,
        kind: Kind::ExecutablePath,
        default: "",
        empty: Empty::Off,
        since: "0.15.6",
        deprecated: false,
        label: "Program that writes port rules",
        about: "A program that pot start runs as root and whose output becomes the pf rules for exported ports. Empty \
                means that pot writes them itself. IPv4 only.",
        read_by: "pot start",
        reading: Reading::Given {
            none: "Empty: pot writes them itself",
            some: "Run by root for every pot with exported ports",
        },
    },
    Parameter {
        name: "POT_DEFAULT_SIGNATURE_PUBKEY",
        group: Group::Other,
        kind: Kind::FilePath,
        default: "",
        empty: Empty::Off,
        since: "0.16.1",
        deprecated: false,
        label: "Key that signs images",
        about: "The signify(1) public key with which imported images are checked when none is named. Empty means that \
                signatures are checked only on request.",
        read_by: "pot import, pot prepare",
        reading: Reading::Given {
            none: "Empty: signatures are checked only on request",
            some: "Every imported image must be signed with its key",
        },
    },
];

/// The parameter of that name; `POT_NETWORK_<interface>` is none of them.
pub fn parameter(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::name::Name;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_parameter_has_one_entry_with_a_name_and_words() {
        let names: HashSet<_> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
        assert_eq!(names.len(), PARAMETERS.len());
        for entry in PARAMETERS {
            assert!(Name::try_from(entry.name).is_ok());
            assert!(
                !entry.label.is_empty() && entry.about.ends_with('.') && !entry.about.contains("  "),
                "{}",
                entry.name
            );
            assert_eq!(entry.since.split('.').count(), 3);
        }
    }

    #[test]
    fn what_a_row_says_agrees_with_its_kind_and_its_default() {
        for entry in PARAMETERS {
            let name = entry.name;
            assert!(!(entry.default.is_empty() && entry.empty == Empty::Refused), "{name}");
            assert_eq!(matches!(entry.reading, Reading::Switch { .. }), entry.kind == Kind::Boolean, "{name}");
            assert_eq!(matches!(entry.reading, Reading::Choice(_)), entry.kind == Kind::Stack, "{name}");
            assert_eq!(entry.read_by.contains("potnet"), super::super::potnet::READS.contains(&name), "{name}");
            assert_ne!(entry.counting(""), entry.counting("x"));
        }
    }
}
