//! What a long history costs: filling the database from the records, and every page, filter and parameter view on it.
//!
//! `cargo bench --bench history [-- RECORDS]`, a million when left out. Fails when a view takes longer than 30 ms (the
//! median of its rounds) or filling longer than a minute for a million records.

use futures_util::StreamExt as _;
use pot_console::audit::{Comparison, Cursor, Filter, Store};
use pot_console::diff::Diff;
use pot_console::digest::Digest;
use pot_console::journal::record::{Action, Actor, Change, Entry, Method, Outcome, Record, Reported, Role, Stage};
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const VIEW: Duration = Duration::from_millis(30);
const FILLING_A_MILLION: Duration = Duration::from_secs(60);
/// Records written at once, as `audit rebuild` does.
const BATCH: u64 = 4000;
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

async fn measure(records: u64) -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history.sqlite");
    let store = Store::open(&path).await?;
    let mut filling = Duration::ZERO;
    for from in (1..=records).step_by(usize::try_from(BATCH)?) {
        let batch: Vec<Record> = (from..(from + BATCH).min(records + 1)).map(record).collect();
        let hashes: Vec<Digest> = batch.iter().map(|record| Digest::of(&record.sequence.to_be_bytes())).collect();
        let begun = Instant::now();
        store.append(&batch, &hashes).await?;
        filling += begun.elapsed();
    }
    let per_million = filling.mul_f64(1e6 / precise(records));
    println!(
        "filling {records} records took {:.1} s ({:.1} s for a million; {:.1} s of processor time, making the records included), {} MiB",
        filling.as_secs_f64(),
        per_million.as_secs_f64(),
        processor_time()?.as_secs_f64(),
        path.metadata()?.len() >> 20
    );

    let one = record(records + 1);
    let begun = Instant::now();
    store.append(std::slice::from_ref(&one), &[Digest::of(b"one")]).await?;
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
    let mut slow = false;
    for (name, filter, before) in &views {
        let mut times = Vec::with_capacity(ROUNDS);
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            rows = store.page(filter, Cursor { before: *before }, 50).await?.acts.len();
            times.push(begun.elapsed());
        }
        slow |= told(name, rows, times);
    }
    for (name, before) in [("POT_NETWORK", None), ("POT_NETWORK", middle), ("POT_TMP", None)] {
        let mut times = Vec::with_capacity(ROUNDS);
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            rows = store.parameter(name, Cursor { before }, 50).await?.len();
            times.push(begun.elapsed());
        }
        slow |= told(&format!("{name} over time"), rows, times);
    }
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        store.actors().await?;
        times.push(begun.elapsed());
    }
    slow |= told("names for the filter", NAMES.len(), times);
    let begun = Instant::now();
    let exported = store.stream(&Filter { actor: Some("anna".to_owned()), ..Filter::default() }).count().await;
    println!("exporting {exported} acts of one actor took {:.1} s", begun.elapsed().as_secs_f64());
    println!("{}", compared(&store, &path, records + 1).await?);
    let filled_in_time = per_million <= FILLING_A_MILLION;
    Ok(if !slow && filled_in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How long it takes to hold every row against the records, beside `sha256sum` of the database's file.
async fn compared(store: &Store, path: &std::path::Path, records: u64) -> Result<String, Box<dyn Error>> {
    let begun = Instant::now();
    let sum = std::process::Command::new("sha256sum").arg(path).output()?;
    let hashing = begun.elapsed();
    if !sum.status.success() {
        return Err("sha256sum failed".into());
    }
    let mut comparison = Comparison::begin(store).await?;
    let mut comparing = Duration::ZERO;
    for from in (1..=records).step_by(usize::try_from(BATCH)?) {
        let batch: Vec<Record> = (from..(from + BATCH).min(records + 1)).map(record).collect();
        let of = |record: &Record| match record.sequence {
            last if last == records => Digest::of(b"one"),
            sequence => Digest::of(&sequence.to_be_bytes()),
        };
        let hashes: Vec<Digest> = batch.iter().map(of).collect();
        let begun = Instant::now();
        comparison.add(1, records, &batch, &hashes, None).await?;
        comparing += begun.elapsed();
    }
    let begun = Instant::now();
    let differences = comparison.end().await?;
    let end = begun.elapsed();
    if differences.count > 0 {
        return Err(differences.in_words().unwrap_or_default().into());
    }
    Ok(format!(
        "holding {records} records against every row took {:.1} s, of which the tables and indexes themselves {:.1} s; \
         sha256sum of the database {:.1} s",
        (comparing + end).as_secs_f64(),
        end.as_secs_f64(),
        hashing.as_secs_f64()
    ))
}

/// What this process took of the processors so far: on a busy machine it says more than the clock.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let taken = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(taken)?))
}

/// Prints a view's median; whether it is too slow.
fn told(name: &str, rows: usize, mut times: Vec<Duration>) -> bool {
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slow = median > VIEW;
    println!("{:>8.2} ms  {rows:>3} rows  {name}{}", median.as_secs_f64() * 1e3, if slow { "  TOO SLOW" } else { "" });
    slow
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn precise(count: u64) -> f64 {
    count as f64
}

fn pick<T: Copy>(from: &[T], number: u64) -> Option<T> {
    from.get(usize::try_from(number).ok()? % from.len()).copied()
}

/// Of ten records two are a save, intent and outcome; the rest are sign-ins and what ran by itself.
fn record(sequence: u64) -> Record {
    let (stage, action) = match sequence % 10 {
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
            let line = |value: &str| format!("# The host's configuration\n{parameter}={value}\n");
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
