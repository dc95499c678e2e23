//! `audit backup`: write, check and unpack a backup of journal and accounts.

use super::{new_file, time};
use crate::accounts::session::random_code;
use crate::cli::output::{complain, print, print_json};
use crate::cli::user::refused;
use crate::cli::{Exit, Format, Global};
use crate::executor::local::Local;
use crate::journal::record::Action;
use crate::journal::{BackupReport, check_backup, restore_backup, write_backup};
use crate::process::harmless;
use crate::refusal::Refusal;
use anyhow::Context as _;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;

pub(super) fn backup(global: &Global, file: &Path) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let local = Local::open(&layout)?;
    let accounts_file = layout.private().join("accounts.json");
    let accounts = match std::fs::read(&accounts_file) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("reading {}", accounts_file.display())),
    };
    let others: Vec<(&str, &[u8])> = accounts.iter().map(|bytes| ("accounts.json", bytes.as_slice())).collect();
    let mut made = new_file(file)?;
    let shown = file.display();
    // Before the backup, so that it is in it.
    let message = format!("The journal and the accounts were backed up to {}.", harmless(&shown.to_string()));
    let written = local.record(Action::Export, "backup", message).map_err(anyhow::Error::new).and_then(|_| {
        let mut out = std::io::BufWriter::new(&mut made);
        let report = write_backup(&layout.private().join("journal"), &others, &mut out)?;
        out.flush()?;
        drop(out);
        made.sync_all()?;
        Ok(report)
    });
    match written {
        Ok(report) => told(global, &report),
        Err(error) => {
            // Half a backup is none.
            let _ = std::fs::remove_file(file);
            match error.downcast::<Refusal>() {
                Ok(refusal) => Ok(refused(&refusal)),
                Err(error) => Err(error).with_context(|| format!("writing {shown}")),
            }
        }
    }
}

fn told(global: &Global, report: &BackupReport) -> anyhow::Result<Exit> {
    let journal = report.journal.as_ref();
    match global.format {
        Format::Json => print_json(&json!({
            "made": report.made,
            "files": report.files,
            "bytes": report.bytes,
            "records": journal.map(|journal| journal.records),
            "last": journal.map(|journal| journal.last),
            "head": journal.and_then(|journal| journal.head).map(|head| head.to_string()),
        }))?,
        Format::Text => {
            let mut text =
                format!("{} files, {} bytes, made {}\n", report.files.len(), report.bytes, time(&report.made));
            for file in &report.files {
                text.push_str(&format!("  {}\n", harmless(file)));
            }
            if let Some(journal) = journal {
                text.push_str(&format!("every digest fits, and {} records are unbroken\n", journal.records));
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

pub(super) fn check(global: &Global, file: &Path) -> anyhow::Result<Exit> {
    let scratch = std::env::temp_dir().join(format!("pot-console-check-{}", random_code(4)?));
    let mut from = std::fs::File::open(file).with_context(|| format!("reading {}", file.display()))?;
    match check_backup(&mut from, &scratch) {
        Ok(report) => told(global, &report),
        Err(error) => {
            complain(&format!("pot-console: {}: {error}\n", file.display()));
            Ok(Exit::Refused)
        }
    }
}

pub(super) fn unpack(global: &Global, file: &Path, into: &Path) -> anyhow::Result<Exit> {
    let mut from = std::fs::File::open(file).with_context(|| format!("reading {}", file.display()))?;
    match restore_backup(&mut from, into) {
        Ok(report) => told(global, &report),
        Err(error) => {
            complain(&format!("pot-console: {}: {error}\n", file.display()));
            Ok(Exit::Refused)
        }
    }
}
