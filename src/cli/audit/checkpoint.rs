//! `audit checkpoint`.

use super::new_file;
use crate::cli::output::{complain, print, print_json};
use crate::cli::user::refused;
use crate::cli::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::executor::protocol::{Command, SignedCheckpoint};
use crate::journal::Checkpoint;
use anyhow::Context as _;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;

pub(super) fn checkpoint(global: &Global, file: Option<&Path>) -> anyhow::Result<Exit> {
    let mut local = Local::open(&global.layout())?;
    let text = match local.ask(Command::Checkpoint {}) {
        Ok(SignedCheckpoint { text }) => text,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let Checkpoint { sequence, key, .. } = Checkpoint::parse(&text).context("reading the checkpoint that was made")?;
    let told =
        format!("public key of checkpoints: {key} (note it elsewhere: audit verify --checkpoint FILE --key KEY)\n");
    match file {
        None => {
            print(&text)?;
            // Beside the checkpoint itself, which someone may be writing to a file.
            complain(&told);
        }
        Some(file) => {
            let mut made = new_file(file)?;
            made.write_all(text.as_bytes())
                .and_then(|()| made.sync_all())
                .with_context(|| format!("writing {}", file.display()))?;
            match global.format {
                Format::Json => print_json(&json!({ "record": sequence, "key": key }))?,
                Format::Text => print(&told)?,
            }
        }
    }
    Ok(Exit::Done)
}
