//! The history's database from the command line: read and filled only by a process that has become the web process's
//! user, for what stands in that folder is not root's to trust.
//!
//! The parent reads the journal and hands its records over a pipe; the child holds them against the database or fills
//! it with them, and says in one line of JSON what it found.

use super::super::Global;
use crate::audit::{Comparison, Lines, Store, StoreError, taken_up};
use crate::cli::output::complain;
use crate::executor::local::Local;
use crate::executor::processes::{StartData, WebUser, confine};
use crate::executor::protocol::JournalLines;
use crate::executor::web_log;
use crate::layout::Layout;
use crate::platform;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The name of the database in the web process's folder.
const DATABASE: &str = "history.sqlite";

/// Parts written in one transaction: the more there are, the less often the index of words is merged.
const AT_ONCE: usize = 4;

/// How long a running console has to take up that it is to make the database anew, and how long to fill it.
const TAKEN_UP: Duration = Duration::from_mins(2);
const FILLED: Duration = Duration::from_mins(30);
const PAUSE: Duration = Duration::from_millis(200);

/// What the child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Task {
    /// Holds every row against the journal
    Compare,
    /// Drops every row and fills the database from the journal
    Fill,
}

/// What the child says at its end.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The last record that the database holds; none when there is no database.
    pub held: Option<u64>,
    /// What differs, one sentence per record.
    pub differences: Vec<String>,
    /// How many differ.
    pub count: u64,
    /// Whether the database was made by an earlier version, which is made anew.
    #[serde(default)]
    pub earlier: bool,
    /// Why it ended early.
    pub problem: Option<String>,
    /// Why nothing was done.
    #[serde(default)]
    pub refused: Option<String>,
}

/// What goes before a part of the journal on its way to the child.
#[derive(Serialize, Deserialize)]
struct Head {
    first: u64,
    last: u64,
    /// Length of the lines that follow, in bytes.
    length: usize,
}

/// One part of the journal as it comes.
struct Part {
    head: Head,
    lines: Lines,
}

/// Lets a child do `task` with everything in the journal; none when there is no folder of the web process yet.
/// `asked` is the record that asks for a new database.
pub(super) fn with_the_journal(
    global: &Global,
    local: &mut Local,
    task: Task,
    asked: u64,
) -> anyhow::Result<Option<Answer>> {
    if global.layout().web().symlink_metadata().is_err() {
        return Ok(None);
    }
    let mut child = start(global, task, asked)?;
    // It is no root's process: what it says does not reach root's terminal as it comes.
    let said = child.stderr.take().context("the process for the database has no output")?;
    let saying = std::thread::spawn(move || {
        web_log::read(said, |_, words| complain(&format!("pot-console: reading the database: {words}\n")));
    });
    let mut out = std::io::BufReader::new(child.stdout.take().context("the process for the database has no output")?);
    // What the database holds is noted before the journal is read, which is thus at least as far.
    out.by_ref().take(16).read_line(&mut String::new()).context("waiting for the process that reads the database")?;
    let handed_over = hand_over(local, &mut child);
    // Its input ends here.
    drop(child.stdin.take());
    let mut said = String::new();
    out.take(4 << 20).read_to_string(&mut said).context("reading what was found in the database")?;
    let status = child.wait().context("waiting for the process that reads the database")?;
    let _ = saying.join();
    if !status.success() {
        bail!("the history's database could not be read by its owner ({status}); audit rebuild fills it anew");
    }
    // One that had heard enough closes its end.
    if let Err(error) = handed_over
        && error.downcast_ref::<std::io::Error>().is_none_or(|error| error.kind() != std::io::ErrorKind::BrokenPipe)
    {
        return Err(error);
    }
    Ok(Some(serde_json::from_str(&said).context("reading what was found in the database")?))
}

fn start(global: &Global, task: Task, asked: u64) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = std::process::Command::new(program);
    command.arg("--root").arg(&global.root);
    if let Some(etc) = &global.etc {
        command.arg("--etc").arg(etc);
    }
    let task = if task == Task::Compare { "compare" } else { "fill" };
    command
        .args(["audit", "projection", task, "--asked", &asked.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().context("starting a process for the history's database")
}

fn hand_over(local: &mut Local, child: &mut Child) -> anyhow::Result<()> {
    let Some(pipe) = child.stdin.as_mut() else { bail!("the process for the database has no input") };
    let mut pipe = std::io::BufWriter::new(pipe);
    let mut after = 0;
    loop {
        let JournalLines { first, last, newest, lines } = local.journal_lines(after)?;
        if lines.is_empty() {
            break;
        }
        after = newest;
        serde_json::to_writer(&mut pipe, &Head { first, last, length: lines.len() }).map_err(std::io::Error::from)?;
        pipe.write_all(b"\n")?;
        pipe.write_all(&lines)?;
    }
    pipe.flush()?;
    Ok(())
}

/// The child: gives up root, and only then opens the database.
pub(super) fn run(layout: &Layout, task: Task, asked: u64) -> anyhow::Result<()> {
    platform::close_descriptors_from(3);
    let folder = layout.web();
    let found = folder.symlink_metadata().with_context(|| format!("looking at {}", folder.display()))?;
    if !found.is_dir() {
        bail!("{} is no folder", folder.display());
    }
    let is_root = nix::unistd::geteuid().is_root();
    let user = is_root.then(|| WebUser { uid: found.uid(), gid: found.gid() });
    let database = if is_root { Path::new("/").join(DATABASE) } else { folder.join(DATABASE) };
    confine(&StartData { listeners: 0, folder, user, server: serde_json::Value::Null }).context("giving up root")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting a runtime")?;
    let answer = runtime.block_on(async {
        match task {
            Task::Compare => compare(&database).await,
            Task::Fill => fill(&database, asked).await,
        }
    })?;
    super::super::output::print(&serde_json::to_string(&answer)?)
}

/// Tells the parent that the journal can be read now.
fn ready() -> anyhow::Result<()> {
    super::super::output::print("\n")
}

/// The parts, read and taken apart by a thread of their own while others are worked on.
fn parts() -> anyhow::Result<impl Iterator<Item = anyhow::Result<Part>>> {
    let (read, parts) = std::sync::mpsc::sync_channel(2);
    let reader = std::thread::Builder::new().name("parts".to_owned()).spawn(move || {
        let mut input = std::io::stdin().lock();
        // Nobody wants more when the other end is gone.
        while let Some(part) = part(&mut input).transpose() {
            let ended = part.is_err();
            if read.send(part).is_err() || ended {
                break;
            }
        }
    });
    reader.context("starting the thread that reads the journal's parts")?;
    Ok(parts.into_iter())
}

/// The next part; none at the end.
fn part(input: &mut impl BufRead) -> anyhow::Result<Option<Part>> {
    let mut head = String::new();
    if input.read_line(&mut head)? == 0 {
        return Ok(None);
    }
    let head: Head = serde_json::from_str(&head)?;
    let mut lines = vec![0; head.length];
    input.read_exact(&mut lines)?;
    let lines = Lines::read(&lines)?;
    Ok(Some(Part { head, lines }))
}

async fn compare(database: &Path) -> anyhow::Result<Answer> {
    if database.symlink_metadata().is_err() {
        ready()?;
        return Ok(Answer::default());
    }
    let store = match Store::open(database).await {
        Err(StoreError::Earlier) => {
            ready()?;
            return Ok(Answer { earlier: true, ..Answer::default() });
        }
        opened => opened?,
    };
    let mut comparison = Comparison::begin(&store).await?;
    ready()?;
    for part in parts()? {
        let Part { head, lines } = part?;
        if !comparison.add(head.first, head.last, &lines).await? {
            break;
        }
    }
    let held = comparison.held();
    let differences = comparison.end().await?;
    Ok(Answer { held: Some(held), differences: differences.named, count: differences.count, ..Answer::default() })
}

/// Fills a new database, or waits until a console that serves from it has done so.
async fn fill(database: &Path, asked: u64) -> anyhow::Result<Answer> {
    ready()?;
    let begun = Instant::now();
    let store = loop {
        match Store::begin(database).await {
            Ok(store) => break store,
            Err(StoreError::InUse) if taken_up(database) >= asked => return filled(database, asked).await,
            Err(StoreError::InUse) if begun.elapsed() < TAKEN_UP => tokio::time::sleep(PAUSE).await,
            Err(StoreError::InUse) => {
                let refused = "a running console has the history's database open and has not taken this up: stop it, and \
                               run audit rebuild again. Nothing was dropped";
                return Ok(Answer { refused: Some(refused.to_owned()), ..Answer::default() });
            }
            Err(error) => return Err(error.into()),
        }
    };
    let mut answer = Answer::default();
    let mut parts = parts()?;
    loop {
        let some: Vec<Lines> =
            parts.by_ref().take(AT_ONCE).map(|part| Ok(part?.lines)).collect::<anyhow::Result<_>>()?;
        if some.is_empty() {
            break;
        }
        match store.append(&some).await {
            Ok(()) => {}
            // A console that was started meanwhile fills it itself.
            Err(StoreError::Gap { .. }) => return filled(database, asked).await,
            Err(error) => return Err(error.into()),
        }
    }
    answer.held = Some(store.last().await?.map_or(0, |(held, _)| held));
    Ok(answer)
}

/// Waits until the running console has filled the database up to the record that asked for it.
async fn filled(database: &Path, asked: u64) -> anyhow::Result<Answer> {
    let begun = Instant::now();
    loop {
        // Opened each time: another file may have taken its place.
        let store = Store::open(database).await?;
        let held = store.last().await?.map_or(0, |(held, _)| held);
        store.close().await;
        if held >= asked || begun.elapsed() > FILLED {
            let by = if held >= asked { "by the running console" } else { "the running console goes on with it" };
            return Ok(Answer { held: Some(held), problem: Some(by.to_owned()), ..Answer::default() });
        }
        tokio::time::sleep(PAUSE).await;
    }
}
