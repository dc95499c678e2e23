//! `pot-console backup`: the console in one file, beside a running one.

use super::output::{complain, print, print_json};
use super::user::refused;
use super::{Exit, Format, Global};
use crate::archive::{self, ArchiveError, Written};
use crate::executor::local::Local;
use crate::files::Lock;
use crate::journal::record::Action;
use crate::layout::Layout;
use crate::process::harmless;
use crate::settings::Settings;
use anyhow::Context as _;
use serde_json::json;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a save that is under way is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file is a tar archive, its owner's alone. Exit status: 0 written, 1 refused, 2 could not be \
                        read or written."
)]
pub(crate) struct Args {
    /// The file, which must not exist
    file: PathBuf,
    /// Without the self-signed certificate's key and the key that signs checkpoints
    #[arg(long)]
    without_keys: bool,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let local = Local::open(&layout)?;
    // Nothing is saved and no run goes on while files are read.
    let lock = match Lock::acquire(&layout, "root: backing up the console", PATIENCE) {
        Ok(lock) => lock,
        Err(busy) => {
            complain(&format!("pot-console: {busy}\n"));
            return Ok(Exit::Refused);
        }
    };
    let shown = harmless(&args.file.display().to_string()).into_owned();
    let mut made = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.file)
        .with_context(|| format!("making {shown}"))?;
    let keys = if args.without_keys { "without its keys" } else { "with its keys" };
    // Before, so that it is in it.
    if let Err(refusal) =
        local.record(Action::Export, "backup", format!("The console was backed up to {shown}, {keys}."))
    {
        let _ = std::fs::remove_file(&args.file);
        return Ok(refused(&refusal));
    }
    let written = write(&layout, !args.without_keys, &mut made, lock).and_then(|written| {
        crate::platform::sync_all(&made).with_context(|| format!("writing {shown}"))?;
        Ok(written)
    });
    match written {
        Ok(written) => told(global, &shown, &written, &named_elsewhere(&layout)),
        Err(error) => {
            // Half a backup is none.
            let _ = std::fs::remove_file(&args.file);
            Err(error)
        }
    }
}

fn write(layout: &Layout, keys: bool, made: &mut std::fs::File, lock: Lock) -> anyhow::Result<Written> {
    let mut out = std::io::BufWriter::with_capacity(256 << 10, made);
    let written = archive::write(layout, &super::serve::host_name(), keys, &mut out, lock)?;
    out.flush().map_err(|error| ArchiveError::System { doing: "writing", path: "the backup".into(), source: error })?;
    Ok(written)
}

/// The certificate and key that the settings name: files of root's, which stand elsewhere.
fn named_elsewhere(layout: &Layout) -> Vec<PathBuf> {
    let tls = Settings::read(&layout.settings(), false).ok().and_then(|settings| settings.tls);
    tls.map_or_else(Vec::new, |tls| vec![tls.certificate, tls.key])
}

fn told(global: &Global, file: &str, written: &Written, elsewhere: &[PathBuf]) -> anyhow::Result<Exit> {
    match global.format {
        Format::Json => print_json(&json!({
            "file": file,
            "made": written.about.made,
            "host": written.about.host,
            "files": written.files,
            "bytes": written.bytes,
            "parts": written.parts.iter().map(|(what, files)| json!({"what": what, "files": files})).collect::<Vec<_>>(),
            "keys": written.about.keys,
            "named_elsewhere": elsewhere,
            "left_out": written.left_out,
        }))?,
        Format::Text => {
            let mut text = format!("{file}: {} files, {} bytes\n", written.files, written.bytes);
            for (what, files) in &written.parts {
                text.push_str(&format!("  {what}: {files} file{}\n", if *files == 1 { "" } else { "s" }));
            }
            text.push_str(if written.about.keys {
                "The key that signs checkpoints and the self-signed certificate's key are in it, as far as there are \
                 any: who has this file can pass for this console. Keep it as you keep root's own.\n"
            } else {
                "The key that signs checkpoints and the self-signed certificate's key are not in it: where it is put \
                 back, new ones are made, and browsers and kept checkpoints know only the old.\n"
            });
            for path in elsewhere {
                text.push_str(&format!("Not in it, since the settings name it: {}\n", path.display()));
            }
            text.push_str("Not in it: the database of the history's pages, which is made anew from the history.\n");
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// Where something can be unpacked for a while that only its owner reads.
pub(super) fn scratch() -> anyhow::Result<PathBuf> {
    let code = crate::accounts::session::random_code(4)?;
    Ok(Path::new(&std::env::temp_dir()).join(format!("pot-console-check-{code}")))
}
