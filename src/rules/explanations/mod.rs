//! Why a finding is one: for every code what it means, what pot would do, where that is written, and a pot.conf that is
//! wrong beside one that is right.
//!
//! The page of a code (`/guide/findings/CODE`) and `pot-console explain CODE` show what stands here. A code without a row,
//! a row without a code, a wrong example that is not found and a right one that is are failures of this module's tests.

mod file;
mod folders;
mod hosts;
mod interfaces;
mod network;
mod rest;
#[cfg(test)]
mod tests;

pub(crate) use hosts::ExampleHost;

use super::Severity;

/// Why a finding is one.
#[derive(Debug)]
pub(crate) struct Explanation {
    /// The rule's stable name, as [`super::Finding::code`] has it.
    pub(crate) code: &'static str,
    /// How bad it can be; the worst first.
    pub(crate) severities: &'static [Severity],
    /// What is wrong, in a few words: the heading.
    pub(crate) title: &'static str,
    /// What it means, in one to three sentences. What stands between backquotes is code.
    pub(crate) means: &'static str,
    /// What pot, or what it calls, would do.
    pub(crate) pot: &'static str,
    /// Where that is written: pot's scripts, potnet, a manual page, the installation guide.
    pub(crate) source: &'static str,
    /// With which it is found.
    pub(crate) wrong: Example,
    /// With which it is not, nor is any error.
    pub(crate) right: Example,
}

/// A pot.conf on a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Example {
    /// The host; it is named where it matters.
    pub(crate) host: ExampleHost,
    /// The whole file; empty: whatever it says, the defaults included.
    pub(crate) file: &'static str,
}

/// A pot.conf that is so wherever it stands.
const fn anywhere(file: &'static str) -> Example {
    Example { host: ExampleHost::Any, file }
}

/// A pot.conf on a host of which something is said.
const fn on(host: ExampleHost, file: &'static str) -> Example {
    Example { host, file }
}

const ERROR: &[Severity] = &[Severity::Error];
const WARNING: &[Severity] = &[Severity::Warning];
const NOTICE: &[Severity] = &[Severity::Notice];

/// All of them, by the subject of their rules.
pub(crate) fn explanations() -> impl Iterator<Item = &'static Explanation> {
    [file::ALL, network::ALL, interfaces::ALL, folders::ALL, rest::ALL].into_iter().flatten()
}

/// The one of a code; none: no rule has it.
pub(crate) fn explanation(code: &str) -> Option<&'static Explanation> {
    explanations().find(|one| one.code == code)
}
