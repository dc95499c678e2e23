//! What pot.conf asks of the host, as types: the values that facts are held against.

use crate::potconf::{Configuration, Source, parameter};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// Values of pot.conf after both files. None: the value is computed or not of its kind, so nothing is said about it.
///
/// Without pot's default file (pot is not installed yet) the defaults of the known parameters count, as they will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// POT_ZFS_ROOT.
    pub(crate) zfs_root: Option<String>,
    /// POT_FS_ROOT.
    pub(crate) fs_root: Option<String>,
    /// POT_CACHE.
    pub cache: Option<String>,
    /// The folder for temporary files: POT_TMP, or what counts where that is empty.
    pub tmp: Option<String>,
    /// POT_GROUP.
    pub group: Option<String>,
    /// POT_LOG_FACILITY.
    pub facility: Option<String>,
    /// POT_NETWORK, host bits kept.
    pub network: Option<Ipv4Net>,
    /// POT_NETMASK.
    pub netmask: Option<Ipv4Addr>,
    /// POT_GATEWAY.
    pub gateway: Option<Ipv4Addr>,
    /// POT_EXTIF.
    pub interface: Option<String>,
    /// POT_NETWORK_STACK gives pots IPv4: for pot, everything but `ipv6` does.
    pub ipv4: bool,
    /// POT_NETWORK_STACK gives pots IPv6.
    pub ipv6: bool,
}

impl Wanted {
    /// Reads the values that matter.
    pub fn of(configuration: &Configuration) -> Self {
        let text = |name: &str| text(configuration, name);
        let stack = text("POT_NETWORK_STACK");
        Self {
            zfs_root: text("POT_ZFS_ROOT"),
            fs_root: text("POT_FS_ROOT"),
            cache: text("POT_CACHE"),
            tmp: crate::rules::tmp_in_force(configuration).map(str::to_owned),
            group: text("POT_GROUP"),
            facility: text("POT_LOG_FACILITY").map(|word| crate::facility::received(&word).to_owned()),
            network: text("POT_NETWORK").and_then(|value| value.parse().ok()),
            netmask: text("POT_NETMASK").and_then(|value| value.parse().ok()),
            gateway: text("POT_GATEWAY").and_then(|value| value.parse().ok()),
            interface: text("POT_EXTIF"),
            ipv4: stack.as_deref() != Some("ipv6"),
            ipv6: matches!(stack.as_deref(), Some("ipv6" | "dual")),
        }
    }

    /// The gateway with the prefix of the netmask: what the public bridge gets.
    pub(crate) fn bridge_address(&self) -> Option<Ipv4Net> {
        Ipv4Net::with_netmask(self.gateway?, self.netmask?).ok()
    }
}

/// A value as [`Wanted`] has it: none when it is empty or not certain.
pub(in crate::host) fn text(configuration: &Configuration, name: &str) -> Option<String> {
    let value = match configuration.value(name) {
        Some(value) => value,
        None if configuration.setting(name).source == Source::Unset => parameter(name)?.default,
        None => return None,
    };
    (!value.is_empty()).then(|| value.to_owned())
}
