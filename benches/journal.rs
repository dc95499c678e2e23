//! How fast a journal is verified, against sha256sum(1) over the same bytes in the same run, and what appending a
//! record costs, against writing and syncing the same bytes without a journal. Quote the ratios: the times are the
//! machine's.
//!
//! `cargo bench --bench journal [-- RECORDS]`; fails when verifying is slower than a quarter of sha256sum's speed.

use pot_console::diff::Diff;
use pot_console::digest::Digest;
use pot_console::journal::record::{Action, Actor, Change, Entry, Method, Outcome, Reported, Role, Stage};
use pot_console::journal::{Journal, verify};
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const LEAST: f64 = 0.25;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let records = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(150_000);
    // Memory where there is any, so that filling it does not wait for a disk on each record.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let ratio = verifying(dir.path(), records)?;
    drop(dir);
    appending(tempfile::tempdir()?.path())?;
    Ok(if ratio >= LEAST { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A save of one parameter, as the console records it.
fn save(number: u64) -> Entry {
    let (before, after) = (format!("POT_EXTIF=em{number}\n"), format!("POT_EXTIF=vtnet{number}\n"));
    Entry {
        stage: if number.is_multiple_of(2) { Stage::Intent } else { Stage::Outcome },
        intent: (!number.is_multiple_of(2)).then_some(number),
        actor: Actor {
            name: "anna".to_owned(),
            role: Some(Role::Admin),
            method: Method::Password,
            session: Some("0123abcd".to_owned()),
            claimed: None,
        },
        reported: Reported { address: Some("192.168.1.7".to_owned()), browser: Some("Firefox/140".to_owned()) },
        action: Action::Configuration,
        object: "/usr/local/etc/pot/pot.conf".to_owned(),
        changes: vec![Change {
            name: "POT_EXTIF".to_owned(),
            from: Some(format!("em{number}")),
            to: Some(format!("vtnet{number}")),
        }],
        diff: Some(Diff::between("pot.conf", before.as_bytes(), after.as_bytes())),
        before: Some(Digest::of(before.as_bytes())),
        after: Some(Digest::of(after.as_bytes())),
        reason: Some("the card was changed".to_owned()),
        outcome: Some(Outcome::Done),
        message: format!("POT_EXTIF em{number} → vtnet{number} in /usr/local/etc/pot/pot.conf"),
        run: None,
    }
}

fn verifying(dir: &Path, records: u64) -> Result<f64, Box<dyn Error>> {
    let (path, head) = (dir.join("journal"), dir.join("head"));
    let (journal, _) = Journal::open(&path, &head)?;
    let started = Instant::now();
    for number in 0..records {
        journal.append(save(number))?;
    }
    let each = started.elapsed() / u32::try_from(records)?;
    let segments = segments(&path)?;
    let bytes: u64 = segments.iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum();
    println!("{records} records, {bytes} bytes in {} segments; {each:?} each where syncing is free", segments.len());

    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let report = verify(&path, &head, None);
        ours = ours.min(started.elapsed());
        if !report.sound || report.records != records {
            return Err(format!("{report:?}").into());
        }
        let started = Instant::now();
        sha256sum(&segments)?;
        theirs = theirs.min(started.elapsed());
    }
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("verify {ours:?}, sha256sum {theirs:?}: {ratio:.2} of its speed (at least {LEAST} is wanted)");

    let started = Instant::now();
    let (journal, opening) = Journal::open(&path, &head)?;
    println!("open {:?}, {} unfinished", started.elapsed(), opening.unfinished.len());
    let started = Instant::now();
    let mut after = 0;
    while after < records {
        after += journal.after(after, 1000)?.0.len() as u64;
    }
    println!("read all in pages of 1000: {:?}", started.elapsed());
    Ok(ratio)
}

fn segments(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "journal") {
            segments.push(path);
        }
    }
    Ok(segments)
}

/// sha256sum on Linux, sha256 on FreeBSD.
fn sha256sum(files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    for program in ["sha256sum", "sha256"] {
        if let Ok(status) = Command::new(program).args(files).stdout(Stdio::null()).status() {
            return if status.success() { Ok(()) } else { Err(program.into()) };
        }
    }
    Err("neither sha256sum nor sha256 is here".into())
}

fn appending(dir: &Path) -> Result<(), Box<dyn Error>> {
    const COUNT: u32 = 300;
    let (journal, _) = Journal::open(&dir.join("journal"), &dir.join("head"))?;
    let mut bare = std::fs::File::create(dir.join("bare"))?;
    let line = vec![b'x'; serde_json::to_vec(&save(1))?.len() + 130];
    let (mut ours, mut theirs, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for number in 0..COUNT {
        let started = Instant::now();
        journal.append(save(u64::from(number)))?;
        ours += started.elapsed();
        slowest = slowest.max(started.elapsed());
        let started = Instant::now();
        bare.write_all(&line)?;
        bare.sync_data()?;
        theirs += started.elapsed();
    }
    println!(
        "append {:?} on average, {slowest:?} at worst; write and sync of the same bytes {:?}: {:.2} of its speed",
        ours / COUNT,
        theirs / COUNT,
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
    Ok(())
}
