//! Who lives on the busy host.

use std::io;

use super::machine::Machine;
use super::state::State;

pub(crate) fn move_in(_state: &mut State, _machine: &Machine) -> io::Result<()> {
    Ok(())
}
