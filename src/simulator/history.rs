//! The logs that a simulated host starts with, relative to now.

use std::io;

use super::Scenario;
use super::machine::Machine;

pub(crate) fn write(_machine: &Machine, _scenario: Scenario) -> io::Result<()> {
    Ok(())
}
