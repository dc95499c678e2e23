//! `pot-console activity`: what pot did, from syslog.
//!
//! Log lines are hostile input: as root, the files are opened first, then the process becomes the web process's user
//! for good and only then reads a line.

use super::output::complain;
use super::{Exit, Format, Global};
use crate::activity::{self, Entry, Follower, Generation, Query, StreamPosition, parse_time};
use crate::executor::logs::{self, rotated};
use crate::executor::protocol::Compression;
use crate::host::{self, LogSource};
use crate::layout::Layout;
use crate::platform;
use crate::potconf::{Configuration, Document};
use crate::rules::{LogRoute, log_route};
use crate::settings::Settings;
use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::unistd::{Uid, User};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often an appended line is looked for.
const POLL: Duration = Duration::from_millis(25);
/// How often the log's name is looked at for rotation.
const ROTATION: Duration = Duration::from_secs(1);

/// Arguments of `activity`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on with what is appended, across rotation
    #[arg(long)]
    follow: bool,
    /// From this time on: 2026-11-23, "2026-11-23 20:20", RFC 3339, or 30m, 2h, 7d ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only lines that hold this text, capitals included
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only calls about this pot
    #[arg(long, value_name = "NAME")]
    pot: Option<String>,
    /// At most so many entries, the newest
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Follows the file on standard input, for --follow itself
    #[arg(long, hide = true)]
    reading: bool,
    /// With --reading: from the file's beginning
    #[arg(long, hide = true)]
    from_start: bool,
    /// With --reading: to the file's end, which is packed so
    #[arg(long, hide = true)]
    packed: Option<String>,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    if args.reading {
        return follow_standard_input(&layout, &args, global.format);
    }
    let log = Log::find(&layout)?;
    let Some(live) = &log.live else {
        complain(&format!(
            "pot-console: syslogd writes {}.info to no file, so what pot does leaves no trace here. \
             The page Host offers to add the rule.\n",
            log.facility
        ));
        return Ok(Exit::Refused);
    };
    let query = query(&args, &log.zone, &log.hostname)?;
    let files = rotated(&layout, live);
    let mut opened: Vec<Option<Result<File, String>>> = files
        .iter()
        .map(|file| Some(platform::open_for_reading(&file.path).map_err(|error| error.to_string())))
        .collect();
    let generations: Vec<Generation> = files
        .into_iter()
        .map(|file| Generation {
            path: file.view.path,
            size: file.view.size,
            modified: file.view.modified,
            compression: file.view.compression,
            identity: file.view.identity,
        })
        .collect();
    if args.follow {
        return follow(&layout, live);
    }
    if generations.is_empty() {
        complain(&format!("pot-console: {live} does not exist, and syslogd does not create it.\n"));
        return Ok(Exit::Refused);
    }
    become_unprivileged(&layout)?;

    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut open = |index: usize| {
        opened.get_mut(index).and_then(Option::take).unwrap_or_else(|| Err("it is read once only".to_owned()))
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut failed = None;
    let summary = activity::each(&generations, &mut open, &query, None, &mut |entry| {
        if left == 0 {
            return ControlFlow::Break(());
        }
        left -= 1;
        match print(&mut out, &entry, global.format, &log.zone) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    let flushed = out.flush();
    // `activity | head` is no failure.
    let broken = |error: &io::Error| error.kind() != io::ErrorKind::BrokenPipe;
    if let Some(error) = failed.or(flushed.err()).filter(broken) {
        return Err(error).context("printing the activity");
    }
    for problem in &summary.problems {
        complain(&format!("pot-console: not read to the end: {problem}\n"));
    }
    Ok(if summary.problems.is_empty() { Exit::Done } else { Exit::Usage })
}

/// Where pot's lines are, and what is needed to read them.
struct Log {
    facility: String,
    live: Option<String>,
    zone: TimeZone,
    hostname: String,
}

impl Log {
    fn find(layout: &Layout) -> anyhow::Result<Self> {
        let document = |path: &Path| -> anyhow::Result<Document> {
            let bytes = match std::fs::read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                other => other.with_context(|| format!("reading {}", path.display()))?,
            };
            Document::parse(&bytes).with_context(|| format!("reading {}", path.display()))
        };
        let configuration = Configuration::new(document(&layout.default_conf())?, document(&layout.pot_conf())?);
        let LogSource { hostname, time_zone, syslog } = host::log_source(layout);
        let word = configuration.value("POT_LOG_FACILITY").filter(|word| !word.is_empty()).unwrap_or("local2");
        let facility = crate::facility::received(word).to_owned();
        let syslog =
            syslog.get().with_context(|| syslog.error.clone().unwrap_or_else(|| "reading syslog.conf".to_owned()))?;
        let live = match log_route(syslog, &facility) {
            LogRoute::File(file) => Some(file.to_owned()),
            LogRoute::Missing(files) => files.first().map(|file| (*file).to_owned()),
            LogRoute::Elsewhere(_) | LogRoute::Nowhere => None,
        };
        Ok(Self { live, facility, zone: TimeZone::get(&time_zone).unwrap_or(TimeZone::UTC), hostname })
    }
}

fn query(args: &Args, zone: &TimeZone, hostname: &str) -> anyhow::Result<Query> {
    let now = Timestamp::now();
    let time = |text: &Option<String>| text.as_ref().map(|text| parse_time(text, zone, now)).transpose();
    Ok(Query {
        since: time(&args.since)?,
        until: time(&args.until)?,
        pot: args.pot.clone(),
        text: args.grep.clone().filter(|text| !text.is_empty()),
        zone: zone.clone(),
        hostname: hostname.to_owned(),
        ..Query::default()
    })
}

/// As root: becomes the web process's user (or nobody) for good.
fn become_unprivileged(layout: &Layout) -> anyhow::Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let wanted =
        Settings::read(&layout.settings(), false).map_or_else(|_| "nobody".to_owned(), |settings| settings.user);
    let user = User::from_name(&wanted)
        .ok()
        .flatten()
        .or(User::from_name("nobody").ok().flatten())
        .context("neither the web process's user nor nobody exists: log lines are not read as root")?;
    platform::switch_user(user.uid.as_raw(), user.gid.as_raw(), &[])
        .context("giving up root before reading the log")?;
    platform::no_new_privileges().context("giving up root before reading the log")
}

fn print(out: &mut dyn Write, entry: &Entry, format: Format, zone: &TimeZone) -> io::Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer(&mut *out, entry)?;
            writeln!(out)
        }
        Format::Text => {
            let at = entry.time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let host = if entry.foreign { format!(" [from {}]", entry.host) } else { String::new() };
            let times = if entry.times > 1 { format!("  ({} times)", entry.times) } else { String::new() };
            writeln!(out, "{at}{host}  {}{times}", entry.message.replace('\n', " ⏎ "))
        }
    }
}

/// Starts a reader for each file that the log's name stands for in turn, and for those that it stood for in between.
/// This process opens them (it may, as root); the reader is unprivileged and ends when the name stands for another file.
fn follow(layout: &Layout, live: &str) -> anyhow::Result<Exit> {
    let path = layout.on_disk(live);
    let mut last: Option<StreamPosition> = None;
    let mut waited = Instant::now();
    loop {
        let file = match platform::open_for_reading(&path) {
            Ok(file) => file,
            // It may be away for a moment while it is rotated.
            Err(error) if error.kind() == io::ErrorKind::NotFound && waited.elapsed() < Duration::from_secs(60) => {
                std::thread::sleep(ROTATION);
                continue;
            }
            Err(error) => return Err(error).with_context(|| format!("opening {live}")),
        };
        let now = file.metadata().with_context(|| format!("looking at {live}"))?;
        let again = file.try_clone().with_context(|| format!("opening {live}"))?;
        if let Some(told) = last {
            for between in between(layout, live, (now.dev(), now.ino()), told) {
                let file = platform::open_for_reading(&between.path)
                    .with_context(|| format!("opening {}", between.view.path))?;
                if !read_by_another(live, file, &["--from-start", "--packed", packing(between.view.compression)])? {
                    return Ok(Exit::Done);
                }
            }
        }
        let how: &[&str] = if last.is_some() { &["--from-start"] } else { &[] };
        if !read_by_another(live, file, how)? {
            return Ok(Exit::Done);
        }
        let then = again.metadata().with_context(|| format!("looking at {live}"))?;
        last = Some(StreamPosition {
            identity: (then.dev(), then.ino()),
            offset: then.len(),
            written: Some(then.mtime()),
        });
        waited = Instant::now();
    }
}

/// The generations between the live file and the one that was read to its end before, oldest first.
fn between(layout: &Layout, live: &str, newest: (u64, u64), told: StreamPosition) -> Vec<logs::Generation> {
    let mut generations = rotated(layout, live);
    let end = told.place_in(generations.iter().map(|generation| (generation.view.identity, generation.view.modified)));
    generations.truncate(end.unwrap_or(0));
    let begin = generations.iter().position(|generation| generation.view.identity == newest).map_or(0, |at| at + 1);
    generations.drain(begin..).rev().collect()
}

fn packing(compression: Compression) -> &'static str {
    match compression {
        Compression::Plain => "no",
        Compression::Gzip => "gz",
        Compression::Bzip2 => "bz2",
        Compression::Xz => "xz",
        Compression::Zstd => "zst",
    }
}

/// Whether more is wanted: not when nobody reads what the reader prints.
fn read_by_another(live: &str, file: File, how: &[&str]) -> anyhow::Result<bool> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut reader = std::process::Command::new(&program);
    reader.args(std::env::args_os().skip(1)).arg("--reading").args(how);
    let status = reader.stdin(Stdio::from(file)).status().context("starting the reader")?;
    match status.code() {
        Some(code) if code == Exit::Done as i32 => Ok(true),
        Some(code) if code == Exit::Refused as i32 => Ok(false),
        _ => anyhow::bail!("the reader of {live} ended with {status}"),
    }
}

/// The reader: done when the file was rotated, refused when nobody reads what it prints.
fn follow_standard_input(layout: &Layout, args: &Args, format: Format) -> anyhow::Result<Exit> {
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().context("the log on standard input")?);
    let log = Log::find(layout)?;
    let query = query(args, &log.zone, &log.hostname)?;
    let metadata = file.metadata()?;
    let identity = (metadata.dev(), metadata.ino());
    let live = log.live.map(|live| layout.on_disk(&live));
    become_unprivileged(layout)?;
    platform::die_with_parent().context("ending with the command that reads for it")?;
    let mut out = io::stdout().lock();
    let mut told = |entries: &[Entry]| {
        let printed = entries.iter().try_for_each(|entry| print(&mut out, entry, format, &log.zone));
        printed.and_then(|()| out.flush()).is_ok()
    };
    let packed = args.packed.as_deref().filter(|packed| *packed != "no");
    if let Some(packed) = packed {
        let generation = Generation {
            path: packed.to_owned(),
            size: metadata.len(),
            modified: Timestamp::new(metadata.mtime(), 0).ok(),
            compression: ALL.into_iter().find(|how| packing(*how) == packed).unwrap_or(Compression::Plain),
            identity,
        };
        let mut entries = Vec::new();
        let mut open = |_| file.try_clone().map_err(|error| error.to_string());
        let summary = activity::each(&[generation], &mut open, &query, None, &mut |entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        });
        for problem in &summary.problems {
            complain(&format!("pot-console: not read to the end: {problem}\n"));
        }
        entries.reverse();
        return Ok(if told(&entries) { Exit::Done } else { Exit::Refused });
    }
    let mut follower = if args.from_start { Follower::at(file, 0) } else { Follower::new(file) }?;
    let mut looked = Instant::now();
    loop {
        let ended = args.packed.is_some()
            || looked.elapsed() >= ROTATION && {
                looked = Instant::now();
                live.as_ref()
                    .is_some_and(|path| path.symlink_metadata().is_ok_and(|now| (now.dev(), now.ino()) != identity))
            };
        // What was written up to the rotation comes first.
        loop {
            let before = follower.told().offset;
            if !told(&follower.poll(&query)?) {
                return Ok(Exit::Refused);
            }
            if follower.told().offset == before {
                break;
            }
        }
        if ended {
            return Ok(Exit::Done);
        }
        std::thread::sleep(POLL);
    }
}

const ALL: [Compression; 5] =
    [Compression::Plain, Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];
