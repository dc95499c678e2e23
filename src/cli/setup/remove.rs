//! `pot-console setup --remove`: takes away what setup made, and names what it leaves.

use super::{ask_yes, line};
use crate::cli::output::{complain, print, print_json};
use crate::cli::{Exit, Format, Global};
use crate::installation::host::Host;
use crate::installation::removal::{Removal, carry_out, look, plan};
use crate::process::harmless;
use serde_json::json;
use std::io::IsTerminal as _;

pub(super) fn run(global: &Global, host: &Host, purge: bool, yes: bool, dry_run: bool) -> anyhow::Result<Exit> {
    let removal = match plan(host, &look(host), purge) {
        Ok(removal) => removal,
        Err(error) => {
            complain(&format!("pot-console: {error}. Nothing was taken away.\n"));
            return Ok(Exit::Refused);
        }
    };
    if global.format == Format::Text {
        print(&shown(host, &removal))?;
    }
    if dry_run || removal.undo.is_empty() {
        return told(global, host, &removal, removal.undo.is_empty());
    }
    let refuse = |words: &str| {
        complain(&format!("pot-console: {words} Nothing was taken away.\n"));
        Ok(Exit::Refused)
    };
    let in_terminal = std::io::stdin().is_terminal() && global.format == Format::Text;
    if purge {
        // Also in a script: --yes alone destroys no history.
        complain(&format!(
            "This destroys the history, accounts, kept versions and keys of {}. Type the host's name: ",
            host.hostname
        ));
        if line()? != host.hostname {
            return refuse("That is not the host's name.");
        }
    } else if !(yes || in_terminal && ask_yes("Take this away? Type yes: ")?) {
        return refuse(if in_terminal { "" } else { "Say --yes to have it done without a question." });
    }
    let done = carry_out(host, &removal.undo, &mut |undo| {
        if global.format == Format::Text {
            let _ = print(&format!("{}\n", harmless(&undo.shown(host))));
        }
    });
    if let Err(error) = done {
        complain(&format!(
            "pot-console: the removal stopped: {error}\nMend that, and run pot-console setup --remove again: it goes on \
             from there.\n"
        ));
        return Ok(Exit::HostCommand);
    }
    // Looked at again: success is what is seen.
    let after = match plan(host, &look(host), purge) {
        Ok(after) => after,
        Err(error) => {
            complain(&format!("pot-console: whether all of it is gone is not known: {error}\n"));
            return Ok(Exit::HostCommand);
        }
    };
    if !after.undo.is_empty() {
        let rest: Vec<String> = after.undo.iter().map(|undo| undo.shown(host)).collect();
        complain(&format!("pot-console: this is not done yet: {}\n", harmless(&rest.join("; "))));
        return Ok(Exit::HostCommand);
    }
    told(global, host, &Removal { left: removal.left, ..after }, true)
}

fn shown(host: &Host, removal: &Removal) -> String {
    if removal.undo.is_empty() {
        return "There is nothing here that setup made.\n".to_owned();
    }
    let mut text = String::from("To be taken away:\n");
    for undo in &removal.undo {
        text.push_str(&format!("  {}\n", harmless(&undo.shown(host))));
    }
    text
}

/// What stays.
fn told(global: &Global, host: &Host, removal: &Removal, done: bool) -> anyhow::Result<Exit> {
    match global.format {
        Format::Json => print_json(&json!({
            "done": done,
            "steps": removal.undo.iter().map(|undo| undo.shown(host)).collect::<Vec<_>>(),
            "left": removal.left,
        }))?,
        Format::Text if removal.left.is_empty() => {}
        Format::Text => {
            let left: String = removal.left.iter().map(|one| format!("  {}\n", harmless(one))).collect();
            print(&format!("\nLeft:\n{left}"))?;
        }
    }
    Ok(Exit::Done)
}
