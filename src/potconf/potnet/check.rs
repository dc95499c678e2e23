//! What `potnet config-check` would answer: asked by whoever shows it.

use super::{PotnetValues, Release};
use serde::{Deserialize, Serialize};

/// What `potnet config-check` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PotnetAnswer {
    /// Its exit status.
    pub exit_code: i32,
    /// The errors on its standard error, in its order and words, without the time and level before them.
    pub errors: Vec<String>,
}

/// What `potnet config-check` (0.5.0) answers on these two files. A missing pot.conf counts as an empty one.
pub fn config_check(default: &[u8], own: &[u8]) -> PotnetAnswer {
    config_check_by(Release::V0_5_0, default, own)
}

/// As [`config_check`], by the release named.
pub fn config_check_by(release: Release, default: &[u8], own: &[u8]) -> PotnetAnswer {
    let merged = PotnetValues::merged(release, default, own);
    let complete = merged.zfs_root.is_some()
        && merged.fs_root.is_some()
        && merged.extif.is_some()
        && merged.dns_name.is_some()
        && (release == Release::V0_5_0 || merged.dns_ip.is_some());
    let (true, Some(network), Some(netmask), Some(gateway)) =
        (complete, merged.network, merged.netmask, merged.gateway)
    else {
        return PotnetAnswer { exit_code: 1, errors: vec!["Error: System configuration incomplete".to_owned()] };
    };
    let mut errors = Vec::new();
    let outside = !network.contains(&gateway);
    if outside {
        errors.push(format!("gateway IP ({gateway}) outside the network range ({network})"));
    }
    if let Some(dns) = merged.dns_ip.filter(|dns| !network.contains(dns)) {
        errors.push(format!("DNS IP ({dns}) outside the network range ({network})"));
    }
    let mismatch = network.netmask() != netmask;
    if mismatch {
        errors.push(format!("netmask ({netmask}) different from the network one ({network})"));
    }
    PotnetAnswer { exit_code: i32::from(outside || mismatch), errors }
}
