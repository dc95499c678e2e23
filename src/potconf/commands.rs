//! Which parameters pot's commands read, from share/pot/init.sh, vnet-start.sh and common.sh.

/// `pot init`.
pub const INIT: [&str; 12] = [
    "POT_ZFS_ROOT",
    "POT_FS_ROOT",
    "POT_CACHE",
    "POT_TMP",
    "POT_GROUP",
    "POT_EXTIF",
    "POT_EXTIF_ADDR",
    "POT_EXTRA_EXTIF",
    "POT_NETWORK",
    "POT_NETMASK",
    "POT_GATEWAY",
    "POT_LOG_FACILITY",
];

/// `pot vnet-start`; besides, POT_NETWORK_NAME of each interface in POT_EXTRA_EXTIF.
pub(crate) const VNET_START: [&str; 11] = [
    "POT_NETWORK",
    "POT_NETMASK",
    "POT_GATEWAY",
    "POT_EXTIF",
    "POT_EXTIF_ADDR",
    "POT_EXTRA_EXTIF",
    "POT_NETWORK_STACK",
    "POT_VPN_EXTIF",
    "POT_VPN_NETWORKS",
    "POT_TMP",
    "POT_LOG_FACILITY",
];
