//! Generated logs of pot, read by the program and by an independent reading of a few lines.
//!
//! The reading below takes every line of every file in order, cuts it at blanks, and dates it by one rule: no line of this
//! host's is later than the next one, and no file's last line later than the file. It uses nothing of `src/activity` but
//! what it is held against. A hundred logs in passing, 20,000 with `POT_CONSOLE_LONG=1`; each is the same in every run.

// A test's own functions may fail as the test may; clippy.toml allows it in the test functions alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pot_console::activity::{Budget, Cursor, Entry, Generation, Query, each, histogram, newest};
use pot_console::executor::protocol::Compression;
use std::fs::File;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A small generator of random numbers (SplitMix64), so that a log is the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn one_in(&mut self, share: u64) -> bool {
        self.below(share) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// A log's file as it was made: its text before it was packed.
struct Made {
    text: Vec<u8>,
    modified: Timestamp,
    packed: Compression,
}

/// A log of several files, newest first, and when each of pot's lines in it was written.
struct Log {
    files: Vec<Made>,
    zone: TimeZone,
    hostname: &'static str,
    /// Newest first.
    times: Vec<Timestamp>,
}

const OWN: [&str; 3] = ["jail1", "jail1.lan", "JAIL1"];
const OTHERS: [&str; 4] = ["db2", "jail10", "jail1.example", "web.lan"];
/// The longest time between two lines of this host's: with more, no order tells a year.
const LONGEST_GAP_DAYS: i64 = 250;

fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap())
}

/// Whether local time names this moment alone: in autumn an hour comes twice.
fn is_plain(time: Timestamp, zone: &TimeZone) -> bool {
    let local = time.to_zoned_datetime(zone.clone()).datetime();
    !zone.to_ambiguous_timestamp(local).is_ambiguous()
}

fn message(dice: &mut Dice) -> String {
    let (number, more) = (dice.below(4), dice.below(1000));
    let name = format!("web{number}");
    match dice.below(18) {
        0 | 1 => format!("pot-start {name}"),
        2 | 3 => format!("pot-stop {name}"),
        4 => format!("pot-create -b 14.3 -t single -p {name} -N alias -i 10.0.0.{number}"),
        5 => format!("pot-destroy -r -p {name}"),
        6 => format!("pot-snapshot -p {name}"),
        7 => format!("pot-export -p {name} -l 9 -t {more}"),
        8 => format!("pot-top -p {name}"),
        9 => "pot-init ".to_owned(),
        10 => "pot-version".to_owned(),
        11 => "pot-ls -q".to_owned(),
        12 => format!("pot-import -p {name} -t 1.{number} -U https://pots.example"),
        13 => "pot-vnet-start -v".to_owned(),
        14 => format!("pot-frobnicate -p {name} {more}"),
        15 => format!("no call of pot-start: {name}"),
        16 => format!("pot-start {name}\u{1b}[31m \u{202e}{more}"),
        _ => format!("pot-set-status -p {name} -s started {}", "x".repeat(usize::try_from(more).unwrap())),
    }
}

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// One line's bytes without its end.
fn line(dice: &mut Dice, time: Timestamp, zone: &TimeZone, host: &str, tag: &str, message: &str) -> String {
    let stamp = time.to_zoned_datetime(zone.clone()).strftime("%b %e %H:%M:%S").to_string();
    let level = dice.below(8);
    let word = LEVELS[usize::try_from(level).unwrap()];
    let pid = dice.below(99_999);
    match dice.below(8) {
        0 => format!("{stamp} {host} {tag}: {message}"),
        1 => format!("{stamp} <local2.{word}> {host} {tag}[{pid}]: {message}"),
        2 => format!("{stamp} <18.{level}> {host} {tag}[{pid}]: {message}"),
        3 => format!("<{}>1 {time} {host} {tag} {pid} - - {message}", 144 + level),
        4 => format!("<{}>1 {time} {host} {tag} - - [a@1 b=\"c\"] {message}", 144 + level),
        _ => format!("{stamp} {host} {tag}[{pid}]: {message}"),
    }
}

fn generated(seed: u64) -> Log {
    let dice = &mut Dice(seed);
    let zone = TimeZone::get(dice.of(&["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])).unwrap();
    let hostname = dice.of(&["jail1.lan", "jail1", ""]);
    // The longest step between two lines: of a busy host, of a quiet one, of one that logs a few times a year.
    let step = [30, 5_000, 200_000, 3_000_000][usize::try_from(dice.below(4)).unwrap()];
    let mut time = Timestamp::from_second(1_400_000_000 + i64::try_from(dice.below(300_000_000)).unwrap()).unwrap();
    let mut own_at = time;
    let count = 1 + dice.below(5);
    let (mut files, mut times) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut text = Vec::new();
        let mut last = time;
        for _ in 0..=dice.below(60) {
            let before = time;
            // A clock that is set back, but by no day.
            let back = dice.one_in(40).then(|| seconds(dice.below(3_600)));
            time = before + back.map_or_else(|| seconds(dice.below(step)), |back| -back);
            while !is_plain(time, &zone) {
                time += SignedDuration::from_hours(1);
            }
            let far = time.duration_since(own_at) > SignedDuration::from_hours(24 * (LONGEST_GAP_DAYS - 100));
            let host = if !far && dice.one_in(4) { dice.of(&OTHERS) } else { dice.of(&OWN) };
            if OWN.contains(&host) {
                own_at = time;
            }
            let tag = dice.of(&["pot", "pot", "pot", "sshd", "potnet", "cron"]);
            let said = message(dice);
            let end: &[u8] = if dice.one_in(30) { b"\r\n" } else { b"\n" };
            let line = line(dice, time, &zone, host, tag, &said);
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(end);
            if tag == "pot" {
                times.push(time);
            }
            last = last.max(time);
            // What belongs to the line: more text of it, how often it came again.
            while dice.one_in(12) {
                if dice.one_in(2) {
                    let more = dice.of(&["\tmore of pot web1", "  at: line 7", "pot", "\u{1b}[2J"]);
                    text.extend_from_slice(more.as_bytes());
                } else {
                    let stamp = time.to_zoned_datetime(zone.clone()).strftime("%b %e %H:%M:%S").to_string();
                    let by = dice.of(&["", "syslogd: "]);
                    let times = dice.below(30) + 1;
                    let words = format!("{stamp} {host} {by}last message repeated {times} times");
                    text.extend_from_slice(words.as_bytes());
                }
                text.push(b'\n');
            }
        }
        // Some are cut where the host lost its power.
        if dice.one_in(20) {
            text.pop();
        }
        let modified = last + seconds(dice.below(7_200));
        let packed = match dice.below(20) {
            0 => Compression::Bzip2,
            1 => Compression::Xz,
            2 => Compression::Zstd,
            3..=9 => Compression::Gzip,
            _ => Compression::Plain,
        };
        files.push(Made { text, modified, packed });
        time = time.max(modified);
    }
    // syslogd writes to the newest.
    files.last_mut().unwrap().packed = Compression::Plain;
    // A copy that did not keep the times.
    if dice.one_in(8) {
        let copied = time + seconds(dice.below(5_000_000));
        for file in &mut files {
            file.modified = copied;
        }
    }
    files.reverse();
    times.reverse();
    Log { files, zone, hostname, times }
}

/// A line of pot's as the independent reading has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    time: Timestamp,
    host: String,
    foreign: bool,
    priority: Option<String>,
    level: u8,
    pid: Option<u32>,
    command: Option<String>,
    arguments: Option<String>,
    pot: Option<String>,
    changes: bool,
    message: String,
    times: u64,
    /// All of it as it stands in the file.
    raw: String,
}

/// The parts of a line; none when it is none of syslogd's: then it belongs to the one before.
struct Parts<'a> {
    /// The moment, or month, day, hour, minute, second.
    stamp: Result<Timestamp, [i8; 5]>,
    level: Option<u8>,
    host: &'a str,
    tag: &'a str,
    pid: Option<u32>,
    message: &'a str,
}

fn parts(line: &str) -> Option<Parts<'_>> {
    if let Some(rest) = line.strip_prefix('<') {
        let (value, rest) = rest.split_once(">1 ")?;
        let words: Vec<&str> = rest.splitn(6, ' ').collect();
        let [stamp, host, tag, pid, _, rest] = words[..] else { return None };
        let message = rest.strip_prefix("- ").or_else(|| Some(rest.split_once("] ")?.1))?;
        let level = value.parse::<u8>().ok()? % 8;
        return Some(Parts {
            stamp: Ok(stamp.parse().ok()?),
            level: Some(level),
            host,
            tag,
            pid: pid.parse().ok(),
            message,
        });
    }
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(line.get(..3)?)? / 3 + 1;
    let number = |from: usize| line.get(from..from + 2)?.trim().parse::<i8>().ok();
    let stamp = [i8::try_from(month).ok()?, number(4)?, number(7)?, number(10)?, number(13)?];
    let mut rest = line.get(16..)?;
    let mut level = None;
    if let Some((priority, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once("> ")) {
        let word = priority.split_once('.')?.1;
        level = LEVELS.iter().position(|known| *known == word).or_else(|| word.parse().ok());
        rest = after;
    }
    let (host, rest) = rest.split_once(' ')?;
    let level = level.map(|level| u8::try_from(level).unwrap());
    if rest.starts_with("last message repeated") {
        return Some(Parts { stamp: Err(stamp), level, host, tag: "", pid: None, message: rest });
    }
    let (tag, message) = rest.split_once(": ")?;
    let (tag, pid) = match tag.split_once('[') {
        Some((tag, pid)) => (tag, pid.trim_end_matches(']').parse().ok()),
        None => (tag, None),
    };
    Some(Parts { stamp: Err(stamp), level, host, tag, pid, message })
}

/// Another host than `own`: the first part of the name tells it, unless both are whole.
fn is_another(host: &str, own: &str) -> bool {
    let (host, own) = (host.to_lowercase(), own.to_lowercase());
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let whole = host.contains('.') && own.contains('.');
    !own.is_empty() && if whole { host != own } else { first(&host) != first(&own) }
}

/// The last moment with this stamp that is no later than `bound` and a day.
fn dated(stamp: [i8; 5], bound: Timestamp, zone: &TimeZone) -> Timestamp {
    let [month, day, hour, minute, second] = stamp;
    let latest = bound + SignedDuration::from_hours(24);
    let year = bound.to_zoned_datetime(zone.clone()).year() + 1;
    (year - 10..=year)
        .rev()
        .filter_map(|year| Date::new(year, month, day).ok())
        .map(|date| date.at(hour, minute, second, 0).to_zoned_datetime(zone.clone()).unwrap().timestamp())
        .find(|time| *time <= latest)
        .unwrap()
}

fn shown(text: &str) -> String {
    text.replace('\u{1b}', "\u{241b}").replace('\t', "\u{2409}").replace('\u{202e}', "<U+202E>")
}

/// Command, arguments, pot, and whether it changes something.
type Meaning = (Option<String>, Option<String>, Option<String>, bool);

fn meaning(message: &str) -> Meaning {
    let Some(call) = message.strip_prefix("pot-") else { return (None, None, None, false) };
    let (command, arguments) = call.split_once(' ').unwrap_or((call, ""));
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let behind = |option: &str| words.iter().position(|word| *word == option).map(|at| words[at + 1].to_owned());
    let pot = match command {
        "start" | "stop" => Some(words[0].to_owned()),
        "import" => Some(format!("{}_{}", behind("-p").unwrap(), behind("-t").unwrap().replace('.', "_"))),
        "frobnicate" | "init" | "version" | "ls" | "vnet-start" => None,
        _ => behind("-p"),
    };
    let pot = pot.filter(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter)));
    let changes = !["export", "top", "version", "ls"].contains(&command);
    let command = if command == "ls" { "list" } else { command };
    (Some(command.to_owned()), Some(shown(arguments.trim())), pot, changes)
}

/// Every line of pot's, newest first, read one after the other.
fn read_plainly(log: &Log) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut bound = Timestamp::MAX;
    for file in &log.files {
        // No line is later than its file's last change, and none of this host's than one of a newer file.
        bound = bound.min(file.modified);
        let text = String::from_utf8(file.text.clone()).unwrap();
        // A line with a header, and what follows up to the next one that is no repetition.
        let mut groups: Vec<(Parts<'_>, Vec<&str>, u64)> = Vec::new();
        for line in text.split('\n') {
            let raw = line.strip_suffix('\r').unwrap_or(line);
            match (parts(raw), groups.last_mut()) {
                (Some(parts), last) if parts.message.starts_with("last message repeated ") && parts.tag != "pot" => {
                    let times: u64 = parts.message.split(' ').nth(3).unwrap().parse().unwrap();
                    if let Some(last) = last {
                        last.1.push(raw);
                        last.2 += times;
                    }
                }
                (Some(parts), _) => groups.push((parts, vec![raw], 1)),
                (None, Some(last)) => last.1.push(raw),
                (None, None) => {}
            }
        }
        for (parts, mut lines, times) in groups.into_iter().rev() {
            // The text ends with a line's end.
            while lines.len() > 1 && lines.last() == Some(&"") {
                lines.pop();
            }
            let foreign = is_another(parts.host, log.hostname);
            let time = match parts.stamp {
                Ok(time) => time,
                Err(stamp) => dated(stamp, bound, &log.zone),
            };
            if !foreign {
                // A clock that was set back: the next older line may be later, and is not of the year before.
                bound = if parts.stamp.is_ok() { time } else { bound.min(time) };
            }
            if parts.tag != "pot" {
                continue;
            }
            let (command, arguments, pot, changes) = meaning(parts.message);
            let more = lines[1..].iter().filter(|line| !line.contains("last message repeated "));
            let message = std::iter::once(parts.message).chain(more.copied()).map(shown).collect::<Vec<_>>().join("\n");
            let level = parts.level;
            all.push(Seen {
                time,
                host: parts.host.to_owned(),
                foreign,
                priority: level.map(|level| format!("local2.{}", LEVELS[usize::from(level)])),
                level: level.unwrap_or(6),
                pid: parts.pid,
                command,
                arguments,
                pot,
                changes,
                message,
                times,
                raw: lines.join("\n"),
            });
        }
    }
    all
}

fn wanted(seen: &Seen, query: &Query) -> bool {
    query.since.is_none_or(|since| seen.time >= since)
        && query.until.is_none_or(|until| seen.time < until)
        && query.level.is_none_or(|most| seen.level <= most)
        && query.command.as_ref().is_none_or(|command| seen.command.as_ref() == Some(command))
        && query.pot.as_ref().is_none_or(|pot| seen.pot.as_ref() == Some(pot))
        && (!query.changes_only || seen.changes)
        && query.text.as_ref().is_none_or(|text| seen.raw.contains(text.as_str()))
}

/// The program's entry in the terms of the plain reading.
fn as_seen(entry: &Entry) -> Seen {
    let word = entry.priority.as_ref().map(|priority| priority.split_once('.').unwrap().1);
    let level = word.map_or(6, |word| LEVELS.iter().position(|known| *known == word).unwrap());
    Seen {
        time: entry.time,
        host: entry.host.clone(),
        foreign: entry.foreign,
        priority: entry.priority.clone(),
        level: u8::try_from(level).unwrap(),
        pid: entry.pid,
        command: entry.command.clone(),
        arguments: entry.arguments.clone(),
        pot: entry.pot.clone(),
        changes: entry.changes,
        message: entry.message.clone(),
        times: entry.times,
        raw: String::new(),
    }
}

fn packed(text: &[u8], how: Compression) -> Vec<u8> {
    match how {
        Compression::Plain => text.to_vec(),
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        Compression::Xz => {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 0);
            out.write_all(text).unwrap();
            out.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(text, 1).unwrap(),
    }
}

fn written(log: &Log, folder: &Path) -> (Vec<PathBuf>, Vec<Generation>) {
    log.files
        .iter()
        .enumerate()
        .map(|(number, file)| {
            let path = folder.join(format!("pot.log.{number}"));
            let bytes = packed(&file.text, file.packed);
            std::fs::write(&path, &bytes).unwrap();
            let generation = Generation {
                path: path.display().to_string(),
                size: bytes.len() as u64,
                modified: Some(file.modified),
                compression: file.packed,
                identity: (1, number as u64),
            };
            (path, generation)
        })
        .unzip()
}

/// Something to look for: most often in what is there.
fn question(dice: &mut Dice, log: &Log, all: &[Seen]) -> Query {
    let mut query = Query { zone: log.zone.clone(), hostname: log.hostname.to_owned(), ..Query::default() };
    let moment = |dice: &mut Dice| {
        let at = usize::try_from(dice.below(all.len().max(1) as u64)).unwrap();
        let near = all.get(at).map_or(log.files[0].modified, |seen| seen.time);
        near + seconds(dice.below(3)) - seconds(1)
    };
    if dice.one_in(3) {
        query.since = Some(moment(dice));
    }
    if dice.one_in(3) {
        query.until = Some(moment(dice));
    }
    if dice.one_in(4) {
        query.command = Some(dice.of(&["start", "create", "list", "import", "frobnicate", "set-status"]).to_owned());
    }
    if dice.one_in(4) {
        query.pot = Some(dice.of(&["web0", "web1", "web1_1_1", "nobody"]).to_owned());
    }
    if dice.one_in(5) {
        query.level = Some(u8::try_from(dice.below(8)).unwrap());
    }
    query.changes_only = dice.one_in(5);
    if dice.one_in(4) {
        let text = dice.of(&["web2", "pot-st", "more of pot", " pot", "alias", "line 7", "jail1", "repeated", "xxxx"]);
        query.text = Some(text.to_owned());
    }
    query
}

/// How much was made and compared.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    logs: usize,
    files: usize,
    lines: usize,
    compared: usize,
}

fn compare(seed: u64, folder: &Path, counted: &mut Counted) {
    let log = generated(seed);
    let all = read_plainly(&log);
    // The reading itself is held against what was written.
    assert_eq!(all.iter().map(|seen| seen.time).collect::<Vec<_>>(), log.times, "log {seed}: the reading dates");
    let (paths, generations) = written(&log, folder);
    let mut open = |index: usize| File::open(&paths[index]).map_err(|error| error.to_string());
    counted.logs += 1;
    counted.files += log.files.len();
    counted.lines += all.len();
    let dice = &mut Dice(!seed);
    for number in 0..4 {
        let query = match number {
            0 => Query { zone: log.zone.clone(), hostname: log.hostname.to_owned(), ..Query::default() },
            _ => question(dice, &log, &all),
        };
        let expected: Vec<Seen> = all
            .iter()
            .filter(|seen| wanted(seen, &query))
            .map(|seen| Seen { raw: String::new(), ..seen.clone() })
            .collect();
        counted.compared += expected.len();

        let mut listed = Vec::new();
        let summary = each(&generations, &mut open, &query, None, &mut |entry| {
            listed.push(as_seen(&entry));
            ControlFlow::Continue(())
        });
        assert!(summary.problems.is_empty(), "log {seed}: {:?}", summary.problems);
        assert_same(&listed, &expected, &format!("log {seed}, list, {query:?}"));

        let limit = if dice.one_in(8) { 1 + dice.below(5) } else { 6 + dice.below(60) };
        let limit = usize::try_from(limit).unwrap();
        let packed_for_more = if dice.one_in(2) { u64::MAX } else { dice.below(3_000) };
        let text = if dice.one_in(2) { u64::MAX } else { 1 + dice.below(20_000) };
        let budget = Budget { text, packed_for_more, ..Budget::UNBOUNDED };
        let paged = in_pages(&paths, &generations, &query, limit, budget);
        assert_same(&paged, &expected, &format!("log {seed}, pages of {limit}, {budget:?}, {query:?}"));

        let (counts, summary) = histogram(&generations, &mut open, &query, 7, Budget::UNBOUNDED);
        assert!(summary.problems.is_empty(), "log {seed}: {:?}", summary.problems);
        assert_eq!(counts.total, expected.len() as u64, "log {seed}: counted, {query:?}");
        assert_eq!(
            counts.bars.iter().map(|bar| bar.total()).sum::<u64>(),
            counts.total,
            "log {seed}: in bars, {query:?}"
        );
    }
}

/// Every page after the other, as their links lead.
fn in_pages(paths: &[PathBuf], generations: &[Generation], query: &Query, limit: usize, budget: Budget) -> Vec<Seen> {
    let mut open = |index: usize| File::open(&paths[index]).map_err(|error| error.to_string());
    let (mut paged, mut cursor) = (Vec::new(), None::<Cursor>);
    loop {
        let (page, next, summary) = newest(generations, &mut open, query, cursor, limit, budget);
        assert!(summary.problems.is_empty() && page.len() <= limit, "{:?}", summary.problems);
        paged.extend(page.iter().map(as_seen));
        let Some(next) = next else { return paged };
        let link = next.to_string();
        let is_further = cursor.as_ref().is_none_or(|before| before.to_string() != link);
        assert!(is_further && paged.len() < 100_000, "a page that leads to itself");
        cursor = Some(link.parse().unwrap());
    }
}

#[test]
fn generated_logs_are_listed_paged_and_counted_as_an_independent_reading_has_them() {
    let logs: u64 = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 20_000 } else { 100 };
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let readers = std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    let counts: Vec<Counted> = std::thread::scope(|scope| {
        let reader = || {
            let (folder, mut counted) = (tempfile::tempdir().unwrap(), Counted::default());
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= logs {
                    return counted;
                }
                compare(seed, folder.path(), &mut counted);
            }
        };
        let readers: Vec<_> = (0..readers).map(|_| scope.spawn(reader)).collect();
        readers.into_iter().map(|reader| reader.join().expect("a log differs, see above")).collect()
    });
    let sum = |of: fn(&Counted) -> usize| counts.iter().map(of).sum::<usize>();
    let (made, files, compared) = (sum(|one| one.logs), sum(|one| one.files), sum(|one| one.compared));
    println!("{made} logs, {files} files, {} lines, {compared} compared, {:?}", sum(|one| one.lines), begun.elapsed());
    assert_eq!(made as u64, logs);
    assert!(files >= 2 * made && compared > 40 * made, "{files} files, {compared} compared");
}

/// A log of these files, newest first, all last changed at `modified`.
fn log_of(texts: &[&str], modified: &str) -> Log {
    let file = |text: &&str| Made {
        text: text.as_bytes().to_vec(),
        modified: modified.parse().unwrap(),
        packed: Compression::Plain,
    };
    Log { files: texts.iter().map(file).collect(), zone: TimeZone::UTC, hostname: "jail1", times: Vec::new() }
}

#[test]
fn a_command_of_years_ago_has_its_year_although_only_other_commands_were_logged_since() {
    let text = "Jan 16 10:00:00 jail1 pot[1]: pot-ls -q\n\
                Jun  1 10:00:00 jail1 pot[2]: pot-start web1\n\
                Nov  1 10:00:00 jail1 pot[3]: pot-stop web1\n\
                Jan 18 10:00:00 jail1 pot[4]: pot-start web1\n";
    for packed in [Compression::Plain, Compression::Gzip] {
        let mut log = log_of(&[text], "2024-01-18T12:00:00Z");
        log.files[0].packed = packed;
        let folder = tempfile::tempdir().unwrap();
        let (paths, generations) = written(&log, folder.path());
        let query = Query { command: Some("list".to_owned()), hostname: "jail1".to_owned(), ..Query::default() };
        let found = in_pages(&paths, &generations, &query, 10, Budget::UNBOUNDED);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].time.to_string(), "2023-01-16T10:00:00Z", "{packed:?}");
        let mut open = |index: usize| File::open(&paths[index]).map_err(|error| error.to_string());
        let year = Query { since: Some("2024-01-01T00:00:00Z".parse().unwrap()), ..query };
        assert_eq!(
            histogram(&generations, &mut open, &year, 3, Budget::UNBOUNDED).0.total,
            0,
            "{packed:?}: none this year"
        );
    }
}

#[test]
fn lines_of_copied_files_keep_their_years_where_a_page_ends_with_a_file() {
    let newer = "Mar  1 10:00:00 jail1 pot[3]: pot-start web3\nJul  1 10:00:00 jail1 pot[4]: pot-start web4\n";
    let middle = "Sep  1 10:00:00 jail1 pot[2]: pot-start web2\n";
    let older = "Nov  1 10:00:00 jail1 pot[1]: pot-start web1\n";
    // Copied without their times, at once or years later.
    for copied in ["2024-07-01T12:00:00Z", "2026-04-15T12:00:00Z"] {
        let log = log_of(&[newer, middle, older], copied);
        let folder = tempfile::tempdir().unwrap();
        let (paths, generations) = written(&log, folder.path());
        let query = Query { hostname: "jail1".to_owned(), ..Query::default() };
        let years = |limit| -> Vec<String> {
            let all = in_pages(&paths, &generations, &query, limit, Budget::UNBOUNDED);
            all.iter().map(|seen| seen.time.to_string()[..7].to_owned()).collect()
        };
        let whole = years(100);
        for limit in 1..=4 {
            assert_eq!(years(limit), whole, "pages of {limit}");
        }
    }
}

#[test]
fn lines_of_another_host_at_the_end_of_a_packed_file_keep_their_year_from_page_to_page() {
    let text = "Jul  4 10:00:00 jail1 pot[1]: pot-start web1\n\
                Oct 28 10:00:00 jail1 pot[2]: pot-stop web1\n\
                Nov 14 10:00:00 db2 pot[3]: pot-start web2\n\
                Dec  1 10:00:00 db2 pot[4]: pot-stop web2\n\
                Dec 15 10:00:00 db2 pot[5]: pot-start web2\n";
    let mut log = log_of(&[text], "2021-12-15T11:00:00Z");
    for packed in [Compression::Plain, Compression::Gzip, Compression::Zstd] {
        log.files[0].packed = packed;
        let folder = tempfile::tempdir().unwrap();
        let (paths, generations) = written(&log, folder.path());
        let query = Query { hostname: "jail1".to_owned(), ..Query::default() };
        for limit in 1..=5 {
            let days: Vec<String> = in_pages(&paths, &generations, &query, limit, Budget::UNBOUNDED)
                .iter()
                .map(|seen| seen.time.to_string()[..10].to_owned())
                .collect();
            let wanted = ["2021-12-15", "2021-12-01", "2021-11-14", "2021-10-28", "2021-07-04"];
            assert_eq!(days, wanted, "{packed:?}, pages of {limit}");
        }
    }
}

fn assert_same(program: &[Seen], plainly: &[Seen], what: &str) {
    if program == plainly {
        return;
    }
    let at = program.iter().zip(plainly).take_while(|(a, b)| a == b).count();
    panic!(
        "{what}\n{} entries, the reading has {}; entry {at} differs:\n{:#?}\n{:#?}",
        program.len(),
        plainly.len(),
        program.get(at),
        plainly.get(at)
    );
}
