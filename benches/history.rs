//! What a long history costs: filling the database from the journal's lines, its size, holding it against them, and every
//! page, filter and parameter view on it.
//!
//! `cargo bench --bench history [-- RECORDS]`, a million when left out. Fails when a view takes longer than 30 ms (60 ms
//! for two words that many acts have, but none both; the processor's time, the median of its rounds), when fewer than
//! 15,000 records a second are taken in, when the database is larger than one and a half times the journal, or when it is
//! held against it at less than three tenths of the speed of sha256sum(1) over the journal. Quote the ratios: the times
//! are the machine's.

use futures_util::StreamExt as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use pot_console::audit::{Comparison, Cursor, Filter, Lines, Store};
use pot_console::diff::Diff;
use pot_console::digest::Digest;
use pot_console::journal::record::{Action, Actor, Change, Entry, Method, Outcome, Record, Reported, Role, Stage};
use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const VIEW: Duration = Duration::from_millis(30);
const TWO_FREQUENT: Duration = Duration::from_millis(60);
/// Records a second.
const FILLING: f64 = 15_000.0;
/// Of the journal's size.
const SIZE: f64 = 1.5;
/// Of the speed of sha256sum.
const COMPARING: f64 = 0.3;
/// Records written at once, as `audit rebuild` does.
const BATCH: u64 = 4000;
/// Records read at once to hold the database against.
const PART: u64 = 1000;
/// 2020-09-13, in milliseconds: where this history begins.
const BEGIN: i64 = 1_600_000_000_000;
/// Between two records.
const STEP: i64 = 200_000;

const NAMES: [&str; 5] = ["anna", "bert", "carla", "dora", "emil"];
const PARAMETERS: [&str; 6] =
    ["POT_NETWORK", "POT_NETMASK", "POT_GATEWAY", "POT_EXTIF", "POT_DNS_IP", "POT_VPN_NETWORKS"];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let records = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(measure(records))
}

/// What stands in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of ten records two are a save, intent and outcome; the rest are sign-ins and what ran by itself.
    Mixed,
    /// Saves alone, each with the difference of a dozen lines.
    Saves,
}

/// Lines of the journal, but for their links.
fn lines(kind: Kind, from: u64, before: u64) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for sequence in from..before {
        let hash = Digest::of(&sequence.to_be_bytes()).to_string();
        let hash = hash.trim_start_matches("sha256:");
        text.push_str(&format!("{hash} {}\n", serde_json::to_string(&record(kind, sequence))?));
    }
    Ok(text)
}

/// Fills a database and holds it against the journal; whether that was as fast as is wanted, and the database as small.
async fn filled(path: &Path, kind: Kind, records: u64) -> Result<(Store, bool), Box<dyn Error>> {
    let journal = path.with_extension("journal");
    let store = Store::open(path).await?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(&journal)?);
    let mut filling = Measured::default();
    for from in (1..=records).step_by(usize::try_from(BATCH)?) {
        let text = lines(kind, from, (from + BATCH).min(records + 1))?;
        out.write_all(text.as_bytes())?;
        let begun = Measured::begin()?;
        store.append(&[Lines::read(text.as_bytes())?]).await?;
        filling.add(&begun)?;
    }
    out.flush()?;
    let mut good = true;
    let mut told = |what: String, as_wanted: bool| {
        println!("{what}{}", if as_wanted { "" } else { "  NOT AS WANTED" });
        good &= as_wanted;
    };
    let of = precise(journal.metadata()?.len());
    println!("{records} records, {kind:?}, {:.0} bytes each:", of / precise(records));
    let speed = precise(records) / filling.processor.as_secs_f64();
    let as_wanted = speed >= FILLING;
    told(format!("  filling: {filling}; {speed:.0} records in a second of the processor"), as_wanted);
    // Its log is written into it then.
    store.close().await;
    let size = precise(path.metadata()?.len()) / of;
    told(format!("  the database has {size:.2} of the journal's size"), size <= SIZE);
    let store = Store::open(path).await?;
    let mut hashing = Measured { clock: Duration::MAX, processor: Duration::MAX };
    for _ in 0..3 {
        let begun = Measured::begin_of(UsageWho::RUSAGE_CHILDREN)?;
        if !std::process::Command::new("sha256sum").arg(&journal).output()?.status.success() {
            return Err("sha256sum failed".into());
        }
        let taken = begun.taken()?;
        hashing.clock = hashing.clock.min(taken.clock);
        hashing.processor = hashing.processor.min(taken.processor);
    }
    let comparing = compared(&store, &journal, records).await?;
    let speed = hashing.clock.as_secs_f64() / comparing.clock.as_secs_f64();
    told(
        format!(
            "  holding it against the journal: {comparing}; sha256sum of the journal: {hashing}: {speed:.2} of its speed \
             (at least {COMPARING} is wanted; {:.2} by the processor)",
            hashing.processor.as_secs_f64() / comparing.processor.as_secs_f64()
        ),
        speed >= COMPARING,
    );
    Ok((store, good))
}

async fn measure(records: u64) -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (_, mut good) = filled(&folder.path().join("saves.sqlite"), Kind::Saves, records / 5).await?;
    let (store, as_wanted) = filled(&folder.path().join("history.sqlite"), Kind::Mixed, records).await?;
    good &= as_wanted;
    let one = lines(Kind::Mixed, records + 1, records + 2)?;
    let begun = Instant::now();
    store.append(&[Lines::read(one.as_bytes())?]).await?;
    println!("one record more: {:.2} ms", begun.elapsed().as_secs_f64() * 1e3);

    let middle = Some(records / 2);
    let half = Some(BEGIN + STEP * i64::try_from(records / 2)?);
    let text = |words: &str| Filter { text: Some(words.to_owned()), ..Filter::default() };
    let actor = |name: &str| Filter { actor: Some(name.to_owned()), ..Filter::default() };
    let changes = Filter { changes_only: true, ..Filter::default() };
    let views: Vec<(&str, Filter, Option<u64>)> = vec![
        ("everything", Filter::default(), None),
        ("everything, from the middle", Filter::default(), middle),
        ("changes", changes.clone(), None),
        ("changes, from the middle", changes.clone(), middle),
        ("people's", Filter { people_only: true, ..Filter::default() }, None),
        ("an actor", actor("carla"), middle),
        ("an actor who is not there", actor("nobody at all"), None),
        ("an actor's changes", Filter { changes_only: true, ..actor("anna") }, None),
        ("a rare actor's changes", Filter { changes_only: true, ..actor("zoe") }, None),
        ("an action", Filter { action: Some(Action::SignIn), ..Filter::default() }, None),
        ("a rare action", Filter { action: Some(Action::Feedback), ..Filter::default() }, None),
        ("a rare action among changes", Filter { action: Some(Action::Feedback), ..changes.clone() }, None),
        ("an action that never happened", Filter { action: Some(Action::Keep), ..changes.clone() }, None),
        ("failures", Filter { outcome: Some(Outcome::Failed), ..changes.clone() }, None),
        ("an outcome that never happened", Filter { outcome: Some(Outcome::RevertedInPart), ..changes.clone() }, None),
        ("what is done", Filter { outcome: Some(Outcome::Done), ..changes.clone() }, middle),
        ("changes of a parameter", Filter { parameter: Some("POT_EXTIF".to_owned()), ..changes.clone() }, None),
        (
            "changes of one that never changed",
            Filter { parameter: Some("POT_TMP".to_owned()), ..changes.clone() },
            None,
        ),
        ("the last half", Filter { since_ms: half, ..changes.clone() }, None),
        ("before the middle", Filter { until_ms: half, ..changes.clone() }, None),
        (
            "a day in the middle",
            Filter { since_ms: half, until_ms: half.map(|half| half + 86_400_000), ..changes.clone() },
            None,
        ),
        (
            "a day, an actor, an action",
            Filter {
                since_ms: half,
                until_ms: half.map(|half| half + 86_400_000),
                action: Some(Action::Configuration),
                ..actor("bert")
            },
            None,
        ),
        ("a rare word", text("needle"), None),
        ("a frequent word", text("pot.conf"), None),
        ("a frequent word among changes, from the middle", Filter { changes_only: true, ..text("vtnet") }, middle),
        ("two words", text("anna vtnet77"), None),
        ("two frequent words of no act", text("vtnet signed"), None),
        ("two frequent beginnings of few acts", text("vtnet1 vtnet2 em3 needle"), None),
        (
            "a frequent word of nothing that ran by itself",
            Filter { outcome: Some(Outcome::Interrupted), ..text("anna") },
            None,
        ),
        ("one letter", text("a"), None),
        ("one digit", text("1"), None),
        ("what most acts hold", text("anna signed in as admin"), None),
        (
            "two words, an actor, an outcome, a time",
            Filter {
                since_ms: half,
                outcome: Some(Outcome::Failed),
                text: Some("vtnet anna".to_owned()),
                ..actor("anna")
            },
            None,
        ),
        ("a word of a parameter's changes", Filter { parameter: Some("POT_EXTIF".to_owned()), ..text("vtnet7") }, None),
        ("a word that is not there", text("absent"), None),
    ];
    for (name, filter, before) in &views {
        let mut times = Vec::with_capacity(ROUNDS);
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let begun = Measured::begin()?;
            rows = store.page(filter, Cursor { before: *before }, 50).await?.acts.len();
            times.push(begun.taken()?);
        }
        good &= view(name, rows, times);
    }
    for (name, before) in [("POT_NETWORK", None), ("POT_NETWORK", middle), ("POT_TMP", None)] {
        let mut times = Vec::with_capacity(ROUNDS);
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let begun = Measured::begin()?;
            rows = store.parameter(name, Cursor { before }, 50).await?.len();
            times.push(begun.taken()?);
        }
        good &= view(&format!("{name} over time"), rows, times);
    }
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Measured::begin()?;
        store.actors().await?;
        times.push(begun.taken()?);
    }
    good &= view("names for the filter", NAMES.len(), times);
    let begun = Instant::now();
    let exported = store.stream(&Filter { actor: Some("anna".to_owned()), ..Filter::default() }).count().await;
    println!("exporting {exported} acts of one actor took {:.1} s", begun.elapsed().as_secs_f64());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What it costs to hold the database against the journal's lines.
async fn compared(store: &Store, journal: &Path, records: u64) -> Result<Measured, Box<dyn Error>> {
    let begun = Measured::begin()?;
    let mut journal = std::io::BufReader::new(std::fs::File::open(journal)?);
    let mut comparison = Comparison::begin(store).await?;
    loop {
        let mut text = Vec::new();
        for _ in 0..PART {
            journal.read_until(b'\n', &mut text)?;
        }
        if !comparison.add(1, records, &Lines::read(&text)?).await? {
            break;
        }
    }
    let differences = comparison.end().await?;
    if differences.count > 0 {
        return Err(differences.in_words().unwrap_or_default().into());
    }
    begun.taken()
}

/// What something takes, by the clock and of the processors: on a busy machine the second says more.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    clock: Duration,
    processor: Duration,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s, {:.2} s of the processor", self.clock.as_secs_f64(), self.processor.as_secs_f64())
    }
}

/// When it began.
struct Begun(Instant, UsageWho, Duration);

impl Measured {
    fn begin() -> Result<Begun, Box<dyn Error>> {
        Self::begin_of(UsageWho::RUSAGE_SELF)
    }

    fn begin_of(who: UsageWho) -> Result<Begun, Box<dyn Error>> {
        Ok(Begun(Instant::now(), who, processor_time(who)?))
    }

    fn add(&mut self, begun: &Begun) -> Result<(), Box<dyn Error>> {
        let Self { clock, processor } = begun.taken()?;
        self.clock += clock;
        self.processor += processor;
        Ok(())
    }
}

impl Begun {
    fn taken(&self) -> Result<Measured, Box<dyn Error>> {
        let Self(clock, who, processor) = self;
        Ok(Measured { clock: clock.elapsed(), processor: processor_time(*who)?.saturating_sub(*processor) })
    }
}

/// What processes took of the processors so far.
fn processor_time(who: UsageWho) -> Result<Duration, Box<dyn Error>> {
    let usage = getrusage(who)?;
    let taken = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(taken)?))
}

/// Prints a view's median; whether it is fast enough.
fn view(name: &str, rows: usize, mut times: Vec<Measured>) -> bool {
    times.sort_by_key(|time| time.processor);
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let fast = median.processor <= if name.starts_with("two frequent") { TWO_FREQUENT } else { VIEW };
    println!(
        "{:>8.2} ms ({:>8.2} by the clock)  {rows:>3} rows  {name}{}",
        median.processor.as_secs_f64() * 1e3,
        median.clock.as_secs_f64() * 1e3,
        if fast { "" } else { "  TOO SLOW" }
    );
    fast
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn precise(count: u64) -> f64 {
    count as f64
}

fn pick<T: Copy>(from: &[T], number: u64) -> Option<T> {
    from.get(usize::try_from(number).ok()? % from.len()).copied()
}

fn record(kind: Kind, sequence: u64) -> Record {
    let (stage, action) = match sequence % 10 {
        _ if kind == Kind::Saves && sequence % 2 == 1 => (Stage::Intent, Action::Configuration),
        _ if kind == Kind::Saves => (Stage::Outcome, Action::Configuration),
        1 => (Stage::Intent, Action::Configuration),
        2 => (Stage::Outcome, Action::Configuration),
        3 if sequence.is_multiple_of(9973) => (Stage::Event, Action::Feedback),
        3..=6 => (Stage::Event, Action::SignIn),
        7 => (Stage::Event, Action::SignOut),
        8 => (Stage::Event, Action::Refusal),
        _ => (Stage::Event, Action::Process),
    };
    let by_itself = action == Action::Process;
    let save = action == Action::Configuration;
    let name = if sequence % 50_021 == 1 { "zoe" } else { pick(&NAMES, sequence / 10).unwrap_or("anna") };
    let parameter = pick(&PARAMETERS, sequence / 10).unwrap_or("POT_EXTIF");
    let (from, to) = (format!("em{}", sequence % 97), format!("vtnet{}", sequence % 89));
    let failed = sequence % 1000 == 2;
    let word = if sequence % 100_000 == 5 { ", needle" } else { "" };
    let entry = Entry {
        stage,
        intent: (stage == Stage::Outcome).then(|| sequence - 1),
        actor: Actor {
            name: if by_itself { "pot-console" } else { name }.to_owned(),
            role: (!by_itself).then_some(Role::Admin),
            method: if by_itself { Method::Console } else { Method::Password },
            session: None,
            claimed: None,
        },
        reported: Reported { address: Some("192.168.178.20".to_owned()), browser: None },
        action,
        object: if save { "/usr/local/etc/pot/pot.conf" } else { name }.to_owned(),
        changes: if save {
            vec![Change { name: parameter.to_owned(), from: Some(from.clone()), to: Some(to.clone()) }]
        } else {
            Vec::new()
        },
        diff: save.then(|| {
            let lines = if kind == Kind::Saves { 12 } else { 1 };
            let line = |value: &str| format!("# The host's configuration\n{parameter}={value}\n").repeat(lines);
            Diff::between("/usr/local/etc/pot/pot.conf", line(&from).as_bytes(), line(&to).as_bytes())
        }),
        before: None,
        after: None,
        reason: save.then(|| format!("the card was changed{word}")),
        outcome: match stage {
            Stage::Intent => None,
            _ if failed => Some(Outcome::Failed),
            _ => Some(Outcome::Done),
        },
        message: if save {
            format!("pot.conf: changed {parameter} from {from} to {to}.")
        } else {
            format!("{name} signed in as admin{word}.")
        },
        run: None,
    };
    Record {
        sequence,
        id: uuid::Uuid::from_u128(u128::from(sequence)),
        time: jiff::Timestamp::from_millisecond(BEGIN + STEP * i64::try_from(sequence).unwrap_or(0))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        entry,
    }
}
