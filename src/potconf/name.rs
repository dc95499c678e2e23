//! Names of parameters: what a shell variable can be called, and the family that gives the networks behind extra
//! interfaces.

use super::parameters::{Parameter, parameter};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Prefix of the family of parameters that give the network behind an extra interface.
const NETWORK_OF: &str = "POT_NETWORK_";
/// Looks like one of that family, but is a parameter of its own.
const STACK: &str = "POT_NETWORK_STACK";

/// A name that a shell variable can have, at most [`Name::LONGEST`] bytes long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The text cannot name a shell variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a parameter: only letters, digits and _ can, no digit first, at most {len} of them", len = Name::LONGEST)]
pub struct NotAName(pub String);

impl Name {
    /// Longest name that is taken, in bytes. Far above every parameter and interface name (IFNAMSIZ is 16).
    pub(crate) const LONGEST: usize = 128;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parameter of that name, if pot knows one.
    pub fn parameter(&self) -> Option<&'static Parameter> {
        parameter(&self.0)
    }

    /// The interface whose network this parameter gives: `vlan20` for `POT_NETWORK_vlan20`. None for
    /// POT_NETWORK_STACK, which only looks like one.
    pub(crate) fn extra_interface(&self) -> Option<&str> {
        extra_interface(&self.0)
    }

    /// The parameter that gives the network behind an extra interface.
    ///
    /// # Errors
    /// When the interface's name cannot stand in a shell variable (`em0.20`, pot's `eval` would fail), or is
    /// `STACK`, which means another parameter.
    pub(crate) fn for_interface(ifname: &str) -> Result<Self, NotAName> {
        let name = Self::try_from(format!("{NETWORK_OF}{ifname}"))?;
        if name.extra_interface() == Some(ifname) { Ok(name) } else { Err(NotAName(name.0)) }
    }
}

/// As [`Name::extra_interface`], for names that are only text yet.
pub(crate) fn extra_interface(name: &str) -> Option<&str> {
    if name == STACK { None } else { name.strip_prefix(NETWORK_OF).filter(|interface| !interface.is_empty()) }
}

/// Whether sh takes these bytes for the name of a variable (POSIX, XBD 3.216 "Name").
pub(crate) fn is_name(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| !first.is_ascii_digit())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

impl TryFrom<&str> for Name {
    type Error = NotAName;
    fn try_from(text: &str) -> Result<Self, NotAName> {
        if text.len() <= Self::LONGEST && is_name(text.as_bytes()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName(text.chars().take(Self::LONGEST).collect()))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        Self::try_from(text.as_str())
    }
}

impl std::str::FromStr for Name {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        Self::try_from(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_sh_takes() {
        for good in ["POT_NETWORK", "_x", "a1", "POT_NETWORK_vlan20"] {
            assert_eq!(Name::try_from(good).map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "1a", "POT-X", "a b", "ä", "X=", "POT_NETWORK_em0.20", "X\n", &"x".repeat(129)] {
            assert!(Name::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_network_behind_an_interface_has_its_name() {
        let name = Name::for_interface("vlan20").unwrap();
        assert_eq!(name.as_str(), "POT_NETWORK_vlan20");
        assert_eq!(name.extra_interface(), Some("vlan20"));
        assert_eq!(Name::try_from("POT_NETWORK_STACK").unwrap().extra_interface(), None);
        assert_eq!(Name::try_from("POT_NETWORK").unwrap().extra_interface(), None);
        assert_eq!(Name::try_from("POT_NETWORK_").unwrap().extra_interface(), None);
        assert!(Name::for_interface("em0.20").is_err());
        assert!(Name::for_interface("STACK").is_err());
        assert!(Name::for_interface("").is_err());
    }
}
