//! `pot-console web`: the unprivileged web process; started by serve and demo.

use super::{Exit, Global};
use crate::executor::frame;
use crate::executor::processes::{MAX_START, StartData, confine, receive_start};
use crate::{platform, web};
use anyhow::{Context as _, bail};
use std::path::Path;

/// Arguments of `web`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only say whether the certificate that comes on standard input can be served with
    #[arg(long, hide = true)]
    try_out: bool,
    /// Only ask whether a console answers, and with which certificate
    #[arg(long, hide = true, conflicts_with = "try_out")]
    ask: bool,
}

/// Runs the command: one thread until all power is given up, and only then a runtime.
pub fn run(_global: &Global, args: Args) -> anyhow::Result<Exit> {
    if args.ask {
        return super::answers::run().map(|()| Exit::Done);
    }
    if args.try_out {
        return Ok(try_out().map_or_else(
            |error| {
                super::serve::say(&format!("{error:#}"));
                Exit::Refused
            },
            |()| Exit::Done,
        ));
    }
    let (data, control, listeners) = receive_start().context("this command is started by serve and demo only")?;
    confine(&data).context("giving up privileges")?;
    platform::give_memory_back();
    platform::set_process_title("pot-console web");
    super::serve::log_to_executor();
    let start: web::Start = serde_json::from_value(data.server).context("reading what the executor handed over")?;
    put_folder_aside(&start.database)?;
    web::run(listeners, control, start)?;
    Ok(Exit::Done)
}

/// What the web process would be told is looked at without serving: a certificate is read where nothing of root's is.
fn try_out() -> anyhow::Result<()> {
    let bytes = frame::read(&mut std::io::stdin().lock(), MAX_START).context("reading the certificate")?;
    let Some(bytes) = bytes else { bail!("no certificate came") };
    let data: StartData = frame::decode(&bytes).context("reading what the executor handed over")?;
    confine(&data).context("giving up privileges")?;
    let start: web::Start = serde_json::from_value(data.server).context("reading what the executor handed over")?;
    start.tls.as_ref().map_or(Ok(()), web::try_out)
}

/// A folder where the database belongs would be an end to every start. It is put aside: whoever put it there may want
/// what is in it.
fn put_folder_aside(database: &Path) -> anyhow::Result<()> {
    if !database.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    for number in 1..100 {
        let mut aside = database.as_os_str().to_owned();
        aside.push(format!(".folder-{number}"));
        if Path::new(&aside).symlink_metadata().is_err() {
            tracing::warn!("a folder stood where the history's database belongs; it is put aside as {aside:?}");
            return std::fs::rename(database, &aside).with_context(|| format!("putting {} aside", database.display()));
        }
    }
    bail!("{} is a folder, and a hundred others are put aside already: remove them", database.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_the_databases_place_is_put_aside_with_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("history.sqlite");
        put_folder_aside(&database).unwrap();
        for number in 1..3 {
            std::fs::create_dir(&database).unwrap();
            std::fs::write(database.join("mine"), "kept").unwrap();
            put_folder_aside(&database).unwrap();
            assert!(!database.exists());
            assert!(dir.path().join(format!("history.sqlite.folder-{number}/mine")).exists());
        }
        std::fs::write(&database, "a file").unwrap();
        put_folder_aside(&database).unwrap();
        assert!(database.is_file());
    }
}
