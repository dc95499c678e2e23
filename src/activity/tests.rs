//! Generated logs against independent answers: the generator's own list, grep, and the decompressors' tools.

use super::meaning::Kind;
use super::*;
use crate::executor::protocol::Compression;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use proptest::prelude::*;
use std::fs::File;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A small generator of random numbers, so that a log is the same each time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What the generator knows of a line of pot's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Truth {
    time: Timestamp,
    message: String,
    times: u64,
}

/// A log of about `lines` lines ending at `end`, oldest first, one pot line in `share`.
fn log(
    random: &mut Random,
    lines: u64,
    share: u64,
    end: Timestamp,
    step: u64,
    zone: &TimeZone,
) -> (Vec<u8>, Vec<Truth>) {
    let mut times = Vec::new();
    let mut time = end;
    for _ in 0..lines {
        times.push(time);
        time = Timestamp::from_second(time.as_second() - i64::try_from(random.below(step)).unwrap()).unwrap();
    }
    times.reverse();
    let mut text = Vec::new();
    let mut truth: Vec<Truth> = Vec::new();
    for time in times {
        let local = time.to_zoned_datetime(zone.clone());
        let stamp = local.strftime("%b %e %H:%M:%S").to_string();
        if random.below(share) == 0 {
            let message = match random.below(5) {
                0 => format!("pot-start web{}", random.below(50)),
                1 => format!("pot-create -b 14.3 -t single -p db{} -N alias", random.below(9)),
                2 => "pot-init ".to_owned(),
                3 => format!("pot-snapshot -p web{}", random.below(50)),
                _ => format!("pot-version {}", "x".repeat(usize::try_from(random.below(300)).unwrap())),
            };
            let pid = random.below(99_999);
            match random.below(4) {
                0 => writeln!(text, "{stamp} jail1 pot: {message}"),
                1 => writeln!(text, "{stamp} <local2.info> jail1 pot[{pid}]: {message}"),
                2 => writeln!(text, "<150>1 {time} jail1.lan pot {pid} - - {message}"),
                _ => writeln!(text, "{stamp} jail1 pot[{pid}]: {message}"),
            }
            .unwrap();
            let mut repeated = 0;
            if random.below(10) == 0 {
                repeated = random.below(9) + 1;
                let by = if repeated % 2 == 0 { "" } else { "syslogd: " };
                writeln!(text, "{stamp} jail1 {by}last message repeated {repeated} times").unwrap();
            }
            let mut message = message;
            if random.below(20) == 0 {
                text.extend_from_slice(b"\tcontinued pot here\n");
                message.push_str("\n␉continued pot here");
            }
            truth.push(Truth { time, message, times: repeated + 1 });
        } else {
            let noise = random.below(120);
            writeln!(
                text,
                "{stamp} jail1 sshd[{noise}]: potato spot pot[1]: {}",
                "n".repeat(usize::try_from(noise).unwrap())
            )
            .unwrap();
        }
    }
    (text, truth)
}

struct Written {
    _folder: tempfile::TempDir,
    paths: Vec<PathBuf>,
    generations: Vec<Generation>,
}

/// Writes generations, newest first, each last changed when its newest line was written.
fn written(files: &[(&[u8], Timestamp, Compression)]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    let mut generations = Vec::new();
    for (number, (text, modified, compression)) in files.iter().enumerate() {
        let program = match compression {
            Compression::Plain => None,
            Compression::Gzip => Some(("gzip", "gz")),
            Compression::Bzip2 => Some(("bzip2", "bz2")),
            Compression::Xz => Some(("xz", "xz")),
            Compression::Zstd => Some(("zstd", "zst")),
        };
        let path =
            folder.path().join(format!("pot.log.{number}{}", program.map_or(String::new(), |(_, e)| format!(".{e}"))));
        match program {
            None => std::fs::write(&path, text).unwrap(),
            // The real program, in two parts: rotated files may be concatenations.
            Some((program, _)) => {
                let half = text.len() / 2;
                for part in [&text[..half], &text[half..]] {
                    let out = File::options().create(true).append(true).open(&path).unwrap();
                    let mut child = Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(out).spawn().unwrap();
                    child.stdin.take().unwrap().write_all(part).unwrap();
                    assert!(child.wait().unwrap().success());
                }
            }
        }
        let metadata = std::fs::metadata(&path).unwrap();
        generations.push(Generation {
            path: path.display().to_string(),
            size: metadata.len(),
            modified: Some(*modified),
            compression: *compression,
            identity: (1, number as u64),
        });
        paths.push(path);
    }
    Written { _folder: folder, paths, generations }
}

impl Written {
    fn all(&self, query: &Query) -> Vec<Entry> {
        let mut entries = Vec::new();
        let summary = each(&self.generations, &mut self.open(), query, None, &mut |entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        });
        assert!(summary.problems.is_empty(), "{:?}", summary.problems);
        entries
    }

    fn open(&self) -> impl FnMut(usize) -> Result<File, String> {
        let paths = self.paths.clone();
        move |index| File::open(&paths[index]).map_err(|error| error.to_string())
    }
}

fn berlin(query: Query) -> Query {
    Query { zone: TimeZone::get("Europe/Berlin").unwrap(), hostname: "jail1.lan".to_owned(), ..query }
}

fn told(entries: &[Entry]) -> Vec<Truth> {
    entries.iter().map(|entry| Truth { time: entry.time, message: entry.message.clone(), times: entry.times }).collect()
}

/// BSD stamps have whole seconds, and so has the generator.
#[test]
fn every_line_comes_back_newest_first_with_its_year() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    for (seed, (lines, step)) in [(3_000, 3), (3_000, 60_000), (20_000, 4_000), (40, 2_000_000)].into_iter().enumerate()
    {
        for compression in
            [Compression::Plain, Compression::Bzip2, Compression::Gzip, Compression::Xz, Compression::Zstd]
        {
            let mut random = Random(0x9e37_79b9 + seed as u64);
            let end: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
            let (text, mut truth) = log(&mut random, lines, 3, end, step, &zone);
            let log = written(&[(&text, end, compression)]);
            truth.reverse();
            let seen = told(&log.all(&berlin(Query::default())));
            assert_eq!(seen.len(), truth.len(), "{compression:?} {lines} {step}");
            // The hour that comes twice in autumn can be told only by order; the order itself must hold.
            let differing =
                seen.iter().zip(&truth).filter(|(a, b)| a.message != b.message || a.times != b.times).count();
            assert_eq!(differing, 0, "{compression:?} {lines} {step}");
            let misdated: Vec<_> = seen
                .iter()
                .zip(&truth)
                .filter(|(a, b)| {
                    let apart = a.time.duration_since(b.time).as_secs().abs();
                    apart != 0 && apart != 3600
                })
                .take(3)
                .collect();
            assert!(misdated.is_empty(), "{compression:?} {lines} {step}: {misdated:?}");
        }
    }
}

/// Lines of two hosts, days or weeks apart, over years: each has its year in lists, pages and counts.
#[test]
fn lines_of_other_hosts_have_the_year_of_their_place() {
    let query = Query { hostname: "jail1".to_owned(), ..Query::default() };
    let mut random = Random(91);
    let end: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    for round in 0..20 {
        let (lines, step) = (100 + random.below(100), (1 + random.below(20)) * 86_400);
        let mut time = end.checked_sub(Span::new().seconds(i64::try_from(lines * step).unwrap())).unwrap();
        let (mut text, mut truth) = (Vec::new(), Vec::new());
        for number in 0..lines {
            time = time.checked_add(Span::new().seconds(i64::try_from(random.below(2 * step)).unwrap())).unwrap();
            let host = ["jail1", "other"][usize::from(random.below(3) == 0)];
            let stamp = time.strftime("%b %e %H:%M:%S");
            // Not all of them are looked for: the years of those between count, too.
            let tag = if random.below(2) == 0 { "pot" } else { "cron" };
            match random.below(5) {
                0 => writeln!(text, "<150>1 {time} {host} {tag} 7 - - pot-start web{number}"),
                _ => writeln!(text, "{stamp} {host} {tag}[7]: pot-start web{number}"),
            }
            .unwrap();
            if tag == "pot" {
                truth.push((time, format!("pot-start web{number}")));
            }
        }
        truth.reverse();
        for compression in [Compression::Plain, Compression::Gzip, Compression::Zstd] {
            let log = written(&[(&text, time, compression)]);
            let dated = |entries: &[Entry]| entries.iter().map(|e| (e.time, e.message.clone())).collect::<Vec<_>>();
            assert_eq!(dated(&log.all(&query)), truth, "{round} {compression:?}");
            let few: Vec<_> = truth.iter().filter(|(_, message)| message.contains("web7")).cloned().collect();
            let text = Query { text: Some("web7".to_owned()), ..query.clone() };
            assert_eq!(dated(&log.all(&text)), few, "{round} {compression:?}: few of them");
            let (mut pages, mut cursor) = (Vec::new(), None);
            for _ in 0..=truth.len() / 7 {
                let (page, next, _) = newest(&log.generations, &mut log.open(), &query, cursor, 7, Budget::UNBOUNDED);
                pages.extend(dated(&page));
                cursor = next.map(|next| next.to_string().parse().unwrap());
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(pages, truth, "{round} {compression:?}, in pages");
            for year in 2000..2027 {
                let begin = |year| {
                    DateTime::constant(year, 1, 1, 0, 0, 0, 0).to_zoned_datetime(TimeZone::UTC).unwrap().timestamp()
                };
                let ranged = Query { since: Some(begin(year)), until: Some(begin(year + 1)), ..query.clone() };
                let wanted = truth.iter().filter(|(time, _)| ranged.since <= Some(*time) && Some(*time) < ranged.until);
                let (counts, _) = histogram(&log.generations, &mut log.open(), &ranged, 12, Budget::UNBOUNDED);
                assert_eq!(counts.total, wanted.count() as u64, "{round} {compression:?}: counted in {year}");
            }
        }
    }
}

#[test]
fn pages_join_to_the_whole_across_generations() {
    let zone = TimeZone::UTC;
    let mut random = Random(77);
    let end: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    let middle = end.checked_sub(Span::new().hours(24 * 40)).unwrap();
    let oldest = end.checked_sub(Span::new().hours(24 * 90)).unwrap();
    let (a, mut truth_a) = log(&mut random, 900, 4, end, 60, &zone);
    let (b, mut truth_b) = log(&mut random, 900, 4, middle, 60, &zone);
    let (c, mut truth_c) = log(&mut random, 900, 4, oldest, 60, &zone);
    let written =
        written(&[(&a, end, Compression::Plain), (&b, middle, Compression::Bzip2), (&c, oldest, Compression::Plain)]);
    truth_a.reverse();
    truth_b.reverse();
    truth_c.reverse();
    let truth: Vec<Truth> = truth_a.into_iter().chain(truth_b).chain(truth_c).collect();
    let query = Query::default();
    let mut seen = Vec::new();
    let mut cursor: Option<Cursor> = None;
    for _ in 0..200 {
        let (entries, next, _) =
            newest(&written.generations, &mut written.open(), &query, cursor, 37, Budget::UNBOUNDED);
        seen.extend(told(&entries));
        match next {
            Some(next) => cursor = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, truth);
    // A file that was rotated away meanwhile: the page goes on by time.
    let gone = Cursor { identity: (9, 9), offset: 5, time: middle, reached: middle, lost: None };
    let (entries, _, _) = newest(&written.generations, &mut written.open(), &query, Some(gone), 1, Budget::UNBOUNDED);
    assert!(entries[0].time < middle);
    // Time ranges and counts agree with the list.
    let since = middle.checked_sub(Span::new().hours(1)).unwrap();
    let ranged = Query { since: Some(since), until: Some(end), ..Query::default() };
    let wanted = truth.iter().filter(|line| line.time >= since && line.time < end).count();
    assert_eq!(written.all(&ranged).len(), wanted);
    let (counts, _) = histogram(&written.generations, &mut written.open(), &Query::default(), 60, Budget::UNBOUNDED);
    assert_eq!(counts.total, truth.len() as u64);
    assert_eq!(counts.bars.iter().map(Counts::total).sum::<u64>(), counts.total);
}

/// The same question to grep and its kin.
#[test]
fn matching_lines_are_as_many_as_grep_counts() {
    let mut random = Random(5);
    let end: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    let lines = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 30_000 } else { 8_000 };
    let (mut text, _) = log(&mut random, lines, 20, end, 5, &TimeZone::UTC);
    // Continuations would be counted by grep as lines of their own.
    text = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line[0] != b'\t').flatten().copied().collect();
    for (compression, program) in [
        (Compression::Plain, "grep"),
        (Compression::Gzip, "zgrep"),
        (Compression::Bzip2, "bzgrep"),
        (Compression::Xz, "xzgrep"),
        (Compression::Zstd, "zstdgrep"),
    ] {
        let log = written(&[(&text, end, compression)]);
        for needle in ["web7", "pot-init", "pot", "no such text", "-N alias"] {
            let pattern = format!("(jail1|jail1.lan) pot(\\[[0-9]+\\])?:? .*{needle}|pot-.*{needle}");
            let _ = pattern;
            let pot_lines = format!(
                r"^([^ ]+ +[^ ]+ [^ ]+ (<local2.info> )?jail1 pot(\[[0-9]+\])?: |<150>1 [^ ]+ [^ ]+ pot ).*{needle}"
            );
            let needle_in_header = needle == "pot";
            let pot_lines = if needle_in_header {
                r"^([^ ]+ +[^ ]+ [^ ]+ (<local2.info> )?jail1 pot(\[[0-9]+\])?: |<150>1 [^ ]+ [^ ]+ pot )".to_owned()
            } else {
                pot_lines
            };
            let output = Command::new(program).args(["-c", "-E", &pot_lines]).arg(&log.paths[0]).output().unwrap();
            let counted: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            let query = Query { text: Some(needle.to_owned()), ..Query::default() };
            assert_eq!(log.all(&query).len(), counted, "{program} {needle}");
            let (histogram, _) = histogram(&log.generations, &mut log.open(), &query, 10, Budget::UNBOUNDED);
            assert_eq!(histogram.total, counted as u64, "{program} {needle}");
        }
    }
}

#[test]
fn hostile_lines_are_shown_harmlessly_and_bound_memory() {
    let mut text = b"Nov 23 20:20:46 jail1 pot[1]: pot-start \x1b[2J<script>\0\xff\n".to_vec();
    text.extend_from_slice(b"Nov 23 20:20:47 other.example pot[1]: pot-stop web1\n");
    text.extend_from_slice(b"Nov 23 20:20:48 jail1 pot[1]: pot-start ");
    text.extend(std::iter::repeat_n(b'A', 3 << 20));
    text.push(b'\n');
    text.extend_from_slice(b"Nov 23 20:20:49 jail1 pot[1]: pot-stop last, without a line end");
    let end = "2026-11-23T20:20:49Z".parse().unwrap();
    for compression in [Compression::Plain, Compression::Gzip] {
        let log = written(&[(&text, end, compression)]);
        let entries = log.all(&Query { hostname: "jail1.lan".to_owned(), ..Query::default() });
        assert_eq!(entries.len(), 4, "{compression:?}");
        assert_eq!(entries[3].message, "pot-start ␛[2J<script>␀\u{fffd}");
        assert_eq!(entries[3].pot, None);
        assert!(entries[2].foreign && !entries[3].foreign);
        assert!(entries[1].message.len() < 10_000 && entries[1].message.ends_with("(cut)"));
    }
}

const BOTH: [Compression; 2] = [Compression::Plain, Compression::Gzip];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Found by the test of any bytes below: the blocks without a header were cut to their beginning, and what repeats the
/// entry stood behind it.
#[test]
fn a_repetition_is_counted_after_more_text_than_a_block_holds() {
    for length in [300_000, 3 << 20] {
        let mut text = b"Nov 23 20:20:46 h pot[1]: pot-start a\n".to_vec();
        text.extend(std::iter::repeat_n(b'z', length));
        text.extend_from_slice(b"\nNov 23 20:20:46 h last message repeated 2 times\n");
        text.extend(std::iter::repeat_n(b'z', 26_000));
        text.extend_from_slice(b"\nNov 23 20:20:47 h pot[1]: pot-stop a\n");
        for compression in BOTH {
            let entries = written(&[(&text, at("2026-11-23T20:20:49Z"), compression)]).all(&Query::default());
            let seen: Vec<_> = entries.iter().map(|entry| (entry.command.as_deref(), entry.times)).collect();
            assert_eq!(seen, [(Some("stop"), 1), (Some("start"), 3)], "{compression:?} {length}");
        }
    }
}

#[test]
fn an_entry_is_found_after_a_block_of_lines_without_any() {
    let mut text = b"Nov 23 20:20:46 h pot[1]: pot-start a\n".to_vec();
    text.extend(b"\tat some place of a trace\n".iter().cycle().take((2 << 20) + 7));
    text.extend_from_slice(b"\nNov 23 20:20:47 h pot[1]: pot-stop a\nNov 23 20:20:48 h pot[1]: pot-start b\n");
    for compression in BOTH {
        let log = written(&[(&text, at("2026-11-23T20:20:49Z"), compression)]);
        let entries = log.all(&Query::default());
        assert_eq!(entries.len(), 3, "{compression:?}");
        // Each is found again where its cursor says.
        for entry in &entries {
            let line = &text[usize::try_from(entry.cursor.offset).unwrap()..];
            assert!(line.starts_with(b"Nov 23"), "{compression:?} {:?}", entry.cursor);
        }
    }
}

#[test]
fn a_line_with_a_long_header_is_listed_as_it_is_counted() {
    let text = format!("<150>1 2026-11-23T20:20:46Z h pot 1 - [a b=\"{}\"] pot-stop b\n", "x".repeat(20_000));
    for compression in BOTH {
        let log = written(&[(text.as_bytes(), at("2026-11-23T20:20:49Z"), compression)]);
        let (counts, _) = histogram(&log.generations, &mut log.open(), &Query::default(), 60, Budget::UNBOUNDED);
        let entries = log.all(&Query::default());
        assert_eq!(
            (entries[0].message.as_str(), entries.len() as u64),
            ("pot-stop b", counts.total),
            "{compression:?}"
        );
    }
}

/// A pot that may log stamps its lines as it likes.
#[test]
fn a_forged_stamp_of_another_host_neither_hides_nor_misdates_older_lines() {
    let text = "Nov 22 20:20:46 jail1 pot[1]: pot-start a\n\
                Jan  1 00:00:00 web1 pot[1]: pot-stop forged\n\
                <150>1 1990-11-23T20:20:46Z web1 pot 1 - - pot-stop forged\n\
                Nov 23 20:20:46 jail1 pot[1]: pot-stop a\n";
    for compression in BOTH {
        let log = written(&[(text.as_bytes(), at("2026-11-23T20:20:49Z"), compression)]);
        let query = Query { hostname: "jail1.lan".into(), since: Some(at("2026-11-16T00:00:00Z")), ..Query::default() };
        let times: Vec<_> = log.all(&query).iter().map(|entry| entry.time.to_string()).collect();
        assert_eq!(times, ["2026-11-23T20:20:46Z", "2026-11-22T20:20:46Z"], "{compression:?}");
        // A page that begins after the forged line is dated like the whole.
        let query = Query { since: None, ..query };
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let (entries, next, _) = newest(&log.generations, &mut log.open(), &query, cursor, 1, Budget::UNBOUNDED);
            seen.extend(entries.iter().map(|entry| entry.time.to_string()));
            let Some(next) = next else { break };
            cursor = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(seen, log.all(&query).iter().map(|entry| entry.time.to_string()).collect::<Vec<_>>());
        assert_eq!(seen[3], "2026-11-22T20:20:46Z", "{compression:?}");
    }
}

/// `cp -r` and backups leave files that were all changed today.
#[test]
fn generations_copied_without_their_times_are_dated_by_their_order() {
    let zone = TimeZone::UTC;
    let mut random = Random(11);
    let copied = at("2026-11-23T12:00:00Z");
    for compression in BOTH {
        let mut files = Vec::new();
        let mut truth = Vec::new();
        let mut end = copied;
        for number in 0..5_i64 {
            let (text, mut lines) = log(&mut random, 500, 4, end, 80_000, &zone);
            lines.reverse();
            end = lines.last().unwrap().time.checked_sub(Span::new().hours(240)).unwrap();
            truth.extend(lines);
            // In no order, as a copy makes them.
            let changed = copied.checked_add(Span::new().seconds(number * 7 % 5)).unwrap();
            files.push((text, changed, if number == 0 { Compression::Plain } else { compression }));
        }
        let files: Vec<_> = files.iter().map(|(text, changed, how)| (text.as_slice(), *changed, *how)).collect();
        assert!(truth.last().unwrap().time < at("2025-06-01T00:00:00Z"));
        assert_eq!(told(&written(&files).all(&Query::default())), truth, "{compression:?}");
    }
}

#[test]
fn a_page_goes_on_where_it_ended_when_the_file_was_compressed_meanwhile() {
    let text: String = (0..40).map(|n| format!("Nov 23 20:20:4{} h pot: pot-start a{n}\n", n / 10)).collect();
    let end = at("2026-11-23T20:20:49Z");
    let names = |entries: &[Entry]| entries.iter().map(|entry| entry.pot.clone().unwrap()).collect::<Vec<_>>();
    let wanted: Vec<_> = (0..40).rev().map(|n| format!("a{n}")).collect();
    let before = written(&[(text.as_bytes(), end, Compression::Plain)]);
    let (first, next, _) =
        newest(&before.generations, &mut before.open(), &Query::default(), None, 15, Budget::UNBOUNDED);
    let new = b"Nov 23 20:20:49 h pot: pot-start new\n";
    let mut after = written(&[(new, end, Compression::Plain), (text.as_bytes(), end, Compression::Bzip2)]);
    // The new file has the number of the removed one, or one of its own.
    for live in [(1, 0), (1, 7)] {
        after.generations[0].identity = live;
        let (rest, _, _) =
            newest(&after.generations, &mut after.open(), &Query::default(), next, 100, Budget::UNBOUNDED);
        assert_eq!([names(&first), names(&rest)].concat(), wanted, "{live:?}");
    }
}

#[test]
fn a_page_with_entries_leaves_large_packed_files_to_the_next_one_and_none_is_left_out() {
    let end = at("2026-11-23T20:20:49Z");
    let mut random = Random(31);
    let texts: Vec<String> = (0..4)
        .map(|file| {
            let line = |n| format!("Nov 23 20:{:02}:{:02} h pot: pot-start f{file}n{n}\n", 20 - file, n % 60);
            (0..50)
                .map(|n| {
                    line(n)
                        + &format!(
                            "Nov 23 20:00:00 h sshd: {}\n",
                            "x".repeat(usize::try_from(random.below(90)).unwrap())
                        )
                })
                .collect()
        })
        .collect();
    let packing = [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Bzip2];
    let files: Vec<_> = texts.iter().zip(packing).map(|(text, how)| (text.as_bytes(), end, how)).collect();
    let log = written(&files);
    let all = log.all(&Query::default());
    assert_eq!(all.len(), 200);
    // The second file alone, the first two packed ones, all of them.
    let sizes: Vec<u64> = log.generations.iter().map(|generation| generation.size).collect();
    for (most, first) in [(0, 50), (sizes[1], 100), (sizes[1] + sizes[2], 150), (u64::MAX, 200)] {
        let (mut seen, mut cursor, mut lengths) = (Vec::new(), None, Vec::new());
        let budget = Budget { packed_for_more: most, ..Budget::UNBOUNDED };
        for _ in 0..10 {
            let (page, next, summary) =
                newest(&log.generations, &mut log.open(), &Query::default(), cursor, 1000, budget);
            let unread = summary.left_off.as_ref().and_then(|left| left.unread.as_ref());
            assert_eq!(next.is_some(), unread.is_some(), "{summary:?}");
            lengths.push(page.len());
            seen.extend(page);
            cursor = next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!((lengths[0], seen == all), (first, true), "{lengths:?}");
    }
}

/// Pages that go on where the last one left off, each with this budget, and what each of them read.
fn in_parts(log: &Written, query: &Query, limit: usize, budget: Budget) -> (Vec<Entry>, Vec<u64>, Vec<String>) {
    let (mut seen, mut read, mut problems, mut cursor) = (Vec::new(), Vec::new(), Vec::new(), None);
    loop {
        let (entries, next, summary) = newest(&log.generations, &mut log.open(), query, cursor, limit, budget);
        if let Some(left) = &summary.left_off {
            assert_eq!(next, Some(left.cursor));
            assert!(entries.iter().all(|entry| entry.foreign || entry.time >= left.back_to), "{left:?}");
        }
        seen.extend(entries);
        read.push(summary.bytes);
        problems.extend(summary.problems.iter().map(ToString::to_string));
        assert!(read.len() < 5_000, "it does not get on");
        let Some(next) = next else { return (seen, read, problems) };
        cursor = Some(next.to_string().parse().unwrap());
    }
}

const ALL: [Compression; 5] =
    [Compression::Plain, Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];

#[test]
fn whoever_presses_go_on_sees_each_line_once_wherever_the_last_page_stopped() {
    let long = std::env::var_os("POT_CONSOLE_LONG").is_some();
    for seed in 0..if long { 200 } else { 3 } {
        let mut random = Random(0x51_7cc1 + seed * 7919);
        let mut end = at("2026-03-02T10:00:00Z");
        let mut files = Vec::new();
        for _ in 0..4 {
            // Plain files of one block up to several, and the turn of a year in some.
            let lines = [40, 900, 3_500][usize::try_from(random.below(3)).unwrap()];
            let share = 2 + random.below(300);
            let step = 1 + random.below(2_000);
            let (text, truth) = log(&mut random, lines, share, end, step, &TimeZone::UTC);
            let packing = ALL[usize::try_from(random.below(5)).unwrap()];
            files.push((text, end, packing));
            end = truth.first().map_or(end, |line| line.time).checked_sub(Span::new().seconds(7_000_000)).unwrap();
        }
        let files: Vec<_> = files.iter().map(|(text, end, packing)| (text.as_slice(), *end, *packing)).collect();
        let log = written(&files);
        let whole: u64 = files.iter().map(|(text, ..)| text.len() as u64).sum();
        for query in [
            Query::default(),
            Query { text: Some("web7".to_owned()), ..Query::default() },
            Query { command: Some("init".to_owned()), ..Query::default() },
            Query { text: Some("no such text".to_owned()), ..Query::default() },
            Query { until: Some(at("2026-01-20T00:00:00Z")), hostname: "jail1".to_owned(), ..Query::default() },
        ] {
            let all = log.all(&query);
            for text in [1, 100_000, 400_000] {
                let limit = usize::try_from(1 + random.below(40)).unwrap();
                let budget = Budget { text, packed: u64::MAX, packed_for_more: random.below(4_000) };
                let (seen, read, problems) = in_parts(&log, &query, limit, budget);
                assert!(seen == all, "seed {seed}, {text} bytes: {} and {} lines", seen.len(), all.len());
                assert!(problems.is_empty(), "{problems:?}");
                // What one page reads: its budget and a block, or a packed file whole.
                let most = files.iter().map(|(text, ..)| text.len() as u64).max().unwrap().max(1 << 20) + text;
                assert!(read.iter().all(|read| *read <= most), "{read:?}");
                // And with nothing found, no more pages than it takes.
                assert!(!all.is_empty() || read.len() as u64 <= 2 + 4 + 2 * whole / text.max(65_536), "{read:?}");
            }
        }
    }
}

#[test]
fn whoever_goes_on_from_a_file_that_is_gone_sees_no_line_again_however_far_the_way_back_is() {
    let end = at("2026-03-02T10:00:00Z");
    let mut random = Random(97);
    let (new, truth) = log(&mut random, 3_000, 3, end, 30, &TimeZone::UTC);
    let middle = truth[0].time.checked_sub(Span::new().seconds(11)).unwrap();
    let (old, _) = log(&mut random, 900, 3, middle, 30, &TimeZone::UTC);
    for packing in BOTH {
        let log = written(&[(b"", end, packing), (&new, end, packing), (&old, middle, packing)]);
        let all = log.all(&Query::default());
        // Where the reading left off stands in no file any more.
        let place = &all[700];
        let gone = Cursor { identity: (9, 9), ..place.cursor };
        let (mut seen, mut cursor, mut pages) = (Vec::new(), Some(gone), 0);
        while let Some(from) = cursor {
            let budget = Budget { text: 70_000, packed: u64::MAX, packed_for_more: 0 };
            let (entries, next, _) =
                newest(&log.generations, &mut log.open(), &Query::default(), Some(from), 50, budget);
            seen.extend(entries);
            cursor = next.map(|next| next.to_string().parse().unwrap());
            pages += 1;
            assert!(pages < 200, "it does not get on");
        }
        // Of the very second in which it left off some may come again, none is lost.
        let later = |entry: &&Entry| entry.time < place.time;
        let not_earlier = |entry: &&Entry| entry.time <= place.time;
        let range = all.iter().filter(later).count()..=all.iter().filter(not_earlier).count();
        assert!(all.ends_with(&seen) && range.contains(&seen.len()), "{packing:?}: {} of {range:?}", seen.len());
    }
}

#[test]
fn a_packed_file_of_more_lines_than_are_held_goes_on_in_its_middle() {
    let end = at("2026-03-02T10:00:00Z");
    let (text, truth) = log(&mut Random(23), 24_000, 1, end, 3, &TimeZone::UTC);
    let log = written(&[(b"", end, Compression::Plain), (&text, end, Compression::Zstd)]);
    let size = text.len() as u64;
    // Only the oldest lines are asked for: what stands before them is unpacked once for each twenty thousand.
    let query = Query { until: Some(truth[2_000].time), ..Query::default() };
    let all = log.all(&query);
    assert!(all.len() > 1_900);
    for budget in [size / 2, 2 * size] {
        let budget = Budget { text: budget, packed: size, packed_for_more: 0 };
        let (seen, read, problems) = in_parts(&log, &query, 10_000, budget);
        assert!(seen == all && problems.is_empty(), "{problems:?}");
        assert_eq!(read.len() > 1, budget.text < size, "{read:?}");
        assert!(read.iter().all(|read| *read <= budget.text.max(size)), "{read:?}");
    }
}

#[test]
fn a_search_that_finds_little_reads_no_more_than_its_budget_at_once() {
    let end = at("2026-11-23T20:20:49Z");
    let noise = "Nov 23 20:00:00 h sshd[7]: nothing of interest to anybody who looks for pots here\n".repeat(40_000);
    let wanted = "Nov 20 20:00:00 h pot[7]: pot-start needle\n".to_owned() + &noise[..1_000];
    let packings = [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd, Compression::Plain];
    let mut files: Vec<_> = packings.iter().map(|how| (noise.as_bytes(), end, *how)).collect();
    // What unpacks to more than any log holds, and has neither lines nor an end worth waiting for.
    let bomb = vec![b'z'; 40 << 20];
    files.push((&bomb, end, Compression::Gzip));
    files.push((&bomb, end, Compression::Plain));
    files.push((wanted.as_bytes(), end, Compression::Bzip2));
    let log = written(&files);
    let query = Query { text: Some("needle".to_owned()), ..Query::default() };
    let size = noise.len() as u64;
    let budget = Budget { text: 4 << 20, packed: 8 << 20, packed_for_more: 0 };
    assert!(size > 3 << 20 && size < budget.text);
    let (seen, read, problems) = in_parts(&log, &query, 100, budget);
    assert_eq!(seen.iter().map(|entry| entry.pot.as_deref()).collect::<Vec<_>>(), [Some("needle")]);
    let most = budget.packed + (2 << 20);
    assert!(read.iter().all(|read| *read <= most), "{read:?}");
    assert!(read.len() > 4 && problems.len() == 2, "{read:?} {problems:?}");
    assert!(problems[0].contains(".5.gz: it holds more than 8 MiB of text"), "{problems:?}");
    assert!(problems[1].contains(".6: ") && problems[1].contains("no line that syslogd wrote"), "{problems:?}");
    let (counts, counted) = histogram(&log.generations, &mut log.open(), &query, 60, budget);
    assert!(counted.bytes <= most && counts.total == 0 && counts.counted_from.is_some(), "{counts:?}");
}

#[test]
fn counts_that_end_early_say_from_when_on_they_hold() {
    for (number, packing) in ALL.into_iter().enumerate() {
        let mut random = Random(61 + number as u64);
        let end = at("2026-03-02T10:00:00Z");
        let (new, truth) = log(&mut random, 2_500, 3, end, 30, &TimeZone::UTC);
        let middle = truth[0].time.checked_sub(Span::new().seconds(11)).unwrap();
        let (old, mut lines) = log(&mut random, 2_500, 3, middle, 90, &TimeZone::UTC);
        lines.extend(truth);
        let log = written(&[(&new, end, packing), (&old, middle, packing)]);
        let since = lines[500].time;
        for query in [Query::default(), Query { since: Some(since), ..Query::default() }] {
            let mut ends = Vec::new();
            for text in [1, 80_000, 250_000, 300_000, 5_000_000] {
                let budget = Budget { text, packed: u64::MAX, packed_for_more: 0 };
                let (counts, summary) = histogram(&log.generations, &mut log.open(), &query, 60, budget);
                assert_eq!(counts.total, counts.bars.iter().map(Counts::total).sum::<u64>());
                let from = counts.counted_from.unwrap_or(query.since.unwrap_or(Timestamp::MIN));
                let later = lines.iter().filter(|line| line.time > from).count() as u64;
                let not_earlier = lines.iter().filter(|line| line.time >= from).count() as u64;
                assert!(
                    (later..=not_earlier).contains(&counts.total),
                    "{packing:?} {text}: {} counted, {later} to {not_earlier} from {from} on; {summary:?}",
                    counts.total
                );
                ends.push(counts.counted_from.is_some());
            }
            assert!(ends[0] && !ends[4], "{packing:?}: {ends:?}");
        }
    }
}

#[test]
fn whoever_comes_back_after_very_much_was_logged_is_told_that_there_is_a_gap() {
    let end = at("2026-11-23T20:20:49Z");
    let line = |number: u32| format!("Nov 23 20:20:46 h pot[{number}]: pot-start web{number}\n");
    let many: String = (0..21_000).map(line).collect();
    let files =
        [(b"".as_slice(), Compression::Plain), (many.as_bytes(), Compression::Plain), (b"", Compression::Plain)];
    for packing in BOTH {
        let mut files: Vec<_> = files.iter().map(|(text, how)| (*text, end, *how)).collect();
        files[1].2 = packing;
        let mut log = written(&files);
        for (generation, path) in log.generations.iter_mut().zip(&log.paths) {
            let metadata = std::fs::metadata(path).unwrap();
            generation.identity = (metadata.dev(), metadata.ino());
        }
        let told = StreamPosition { identity: log.generations[2].identity, offset: 0, written: None };
        let tell = |text: u64| {
            let (mut most, mut seen) = (0, 0);
            let budget = Budget { text, packed: u64::MAX, packed_for_more: 0 };
            let mut open = log.open();
            let found =
                missed(&log.generations, &mut |index| open(index), &Query::default(), told, budget, &mut |some, _| {
                    most = most.max(some.len());
                    seen += some.len();
                    ControlFlow::Continue(())
                });
            (found.unwrap(), seen, most)
        };
        // Held in memory to be turned round, a packed file's are at most so many.
        let (found, seen, most) = tell(u64::MAX);
        assert!(most <= 20_000, "{packing:?}: {most}");
        assert_eq!(found == Missed::StreamPosition, seen == 21_000, "{packing:?}");
        let (found, seen, _) = tell(300_000);
        assert!(found == Missed::TooMuch && seen < 15_000, "{packing:?}: {found:?} {seen}");
    }
}

#[test]
fn a_time_written_for_a_filter_is_that_time() {
    let mut random = Random(41);
    for name in ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "UTC"] {
        let zone = TimeZone::get(name).unwrap();
        // Around the hour that comes twice and the one that is left out, and any other.
        for around in [at("2026-10-25T00:30:00Z"), at("2026-03-29T00:30:00Z"), at("2026-11-01T03:30:00Z")] {
            for _ in 0..300 {
                let second = around.as_second() + i64::try_from(random.below(9000)).unwrap() - 1000;
                let time = Timestamp::from_second(second).unwrap();
                let written = written_time(time, &zone);
                assert_eq!(parse_time(&written, &zone, time).unwrap(), time, "{written} {name}");
            }
        }
        let plain = written_time(at("2026-06-01T10:00:05Z"), &zone);
        assert!(plain.len() == 19 && !plain.contains('T'), "{plain}");
    }
}

/// A bar leads to a page with as many lines as it counts, and the list agrees with the counts for any time.
#[test]
fn each_bar_counts_what_the_list_shows_between_its_edges() {
    let zone = TimeZone::get("Asia/Kathmandu").unwrap();
    let mut random = Random(21);
    let end = at("2026-03-02T10:00:07Z");
    let (new, truth) = log(&mut random, 3_000, 3, end, 7, &zone);
    let middle = truth[0].time.checked_sub(Span::new().seconds(11)).unwrap();
    let (old, mut older) = log(&mut random, 3_000, 3, middle, 90, &zone);
    older.extend(truth);
    for compression in BOTH {
        let log = written(&[(&new, end, compression), (&old, middle, compression)]);
        for (before, length) in [(3_700, Some(3_601)), (40, Some(13)), (90_000, None), (86_401, Some(86_400))] {
            let since = end.checked_sub(Span::new().seconds(before)).unwrap();
            let until = length.map(|length: i64| since.checked_add(Span::new().seconds(length)).unwrap());
            let query = Query { since: Some(since), until, zone: zone.clone(), ..Query::default() };
            let (counts, _) = histogram(&log.generations, &mut log.open(), &query, 60, Budget::UNBOUNDED);
            assert_eq!(counts.total, log.all(&query).len() as u64, "{compression:?} {before}");
            assert_bars(&counts, &older, until.is_none());
        }
        let (counts, _) = histogram(
            &log.generations,
            &mut log.open(),
            &Query { zone: zone.clone(), ..Query::default() },
            60,
            Budget::UNBOUNDED,
        );
        assert_eq!(counts.total, older.len() as u64);
        assert_bars(&counts, &older, false);
    }
}

/// The kind of what the generator writes, by its words.
fn kind_by_words(message: &str) -> Kind {
    match message.split([' ', '\n']).next().unwrap_or_default() {
        "pot-start" => Kind::Start,
        "pot-create" | "pot-init" | "pot-snapshot" => Kind::Change,
        _ => Kind::Other,
    }
}

fn assert_bars(counts: &Histogram, truth: &[Truth], open: bool) {
    for (index, count) in counts.bars.iter().map(Counts::total).enumerate() {
        let (from, to) = (counts.edge(index), counts.edge(index + 1));
        let last = open && index + 1 == counts.bars.len();
        let wanted = truth.iter().filter(|line| line.time >= from && (line.time < to || last)).count();
        assert_eq!(count, wanted as u64, "bar {index} from {from} to {to}");
        let in_bar = truth.iter().filter(|line| line.time >= from && (line.time < to || last));
        for kind in Kind::ALL {
            let of_kind = in_bar.clone().filter(|line| kind_by_words(&line.message) == kind).count();
            assert_eq!(counts.bars[index].of(kind), of_kind as u64, "{kind:?}, bar {index} from {from} to {to}");
        }
    }
}

#[test]
fn counts_tell_starts_stops_changes_and_errors_apart() {
    let end = at("2026-03-02T10:00:00Z");
    let text = "\
        Mar  2 09:00:00 jail1 pot[1]: pot-start web1\n\
        Mar  2 09:00:01 <local2.info> jail1 pot[1]: pot-stop web1\n\
        <147>1 2026-03-02T09:00:02Z jail1 pot 1 - - pot-start web2\n\
        <150>1 2026-03-02T09:00:03Z jail1 pot 1 - - pot-start web2\n\
        Mar  2 09:00:04 <local2.crit> jail1 pot[1]: the pool is full\n\
        Mar  2 09:00:05 jail1 pot[1]: the pool is full\n\
        Mar  2 09:00:06 jail1 pot[1]: pot-destroy -p web1\n\
        Mar  2 09:00:07 jail1 sshd[1]: pot-start web1\n";
    for packing in ALL {
        let log = written(&[(text.as_bytes(), end, packing)]);
        let (counts, _) = histogram(&log.generations, &mut log.open(), &Query::default(), 60, Budget::UNBOUNDED);
        let all: Counts = counts.bars.iter().copied().sum();
        assert_eq!(Kind::ALL.map(|kind| all.of(kind)), [2, 1, 1, 2, 1], "{packing:?}");
        assert_eq!((all.with_level, all.total(), counts.total), (4, 7, 7), "{packing:?}");
    }
}

#[test]
fn where_a_file_cannot_be_read_the_counts_say_from_when_to_when_lines_may_be_missing() {
    let mut random = Random(5);
    let (newest, middle, oldest) = (at("2026-03-20T10:00:00Z"), at("2026-03-10T10:00:00Z"), at("2026-03-01T10:00:00Z"));
    let text = |random: &mut Random, end| log(random, 300, 2, end, 60, &TimeZone::UTC).0;
    let files = [text(&mut random, newest), text(&mut random, middle), text(&mut random, oldest)];
    let log = written(&[
        (&files[0], newest, Compression::Plain),
        (&files[1], middle, Compression::Bzip2),
        (&files[2], oldest, Compression::Bzip2),
    ]);
    let unread = |generations: &[Generation]| {
        let (counts, summary) = histogram(generations, &mut log.open(), &Query::default(), 9, Budget::UNBOUNDED);
        assert_eq!(counts.unread.len(), summary.problems.len());
        counts.unread.into_iter().map(|unread| (unread.from, unread.until)).collect::<Vec<_>>()
    };
    assert_eq!(unread(&log.generations), []);
    for broken in [1, 2] {
        let bytes = std::fs::read(&log.paths[broken]).unwrap();
        std::fs::write(&log.paths[broken], &bytes[..bytes.len() / 3]).unwrap();
    }
    assert_eq!(unread(&log.generations), [(Some(oldest), middle), (None, oldest)]);
    // Copies whose times are that of the copying say nothing of when their lines are from.
    let mut copied = log.generations.clone();
    for generation in &mut copied {
        generation.modified = Some(newest);
    }
    assert!(unread(&copied).iter().all(|(from, _)| from.is_none()));
}

#[test]
fn a_damaged_file_is_named_and_the_others_are_read() {
    let mut random = Random(3);
    let end: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    let (text, truth) = log(&mut random, 400, 2, end, 60, &TimeZone::UTC);
    let log = written(&[(&text, end, Compression::Bzip2), (&text, end, Compression::Plain)]);
    let bytes = std::fs::read(&log.paths[0]).unwrap();
    std::fs::write(&log.paths[0], &bytes[..bytes.len() / 3]).unwrap();
    let mut count = 0;
    let summary = each(&log.generations, &mut log.open(), &Query::default(), None, &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert!(count >= truth.len());
    assert!(summary.problems[0].to_string().contains("pot.log.0.bz2"), "{:?}", summary.problems);
}

#[test]
fn what_stands_before_a_damage_is_listed_and_counted() {
    let mut random = Random(17);
    let end: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    // More than are held at once.
    let (text, truth) = log(&mut random, 30_000, 1, end, 60, &TimeZone::UTC);
    for (compression, program) in [
        (Compression::Gzip, "gzip"),
        (Compression::Bzip2, "bzip2"),
        (Compression::Xz, "xz"),
        (Compression::Zstd, "zstd"),
    ] {
        let log = written(&[(&text, end, compression)]);
        let bytes = std::fs::read(&log.paths[0]).unwrap();
        std::fs::write(&log.paths[0], &bytes[..bytes.len() / 5 * 4]).unwrap();
        let mut listed = Vec::new();
        let summary = each(&log.generations, &mut log.open(), &Query::default(), None, &mut |entry| {
            listed.push((entry.time, entry.message));
            ControlFlow::Continue(())
        });
        listed.reverse();
        let (counts, counted) = histogram(&log.generations, &mut log.open(), &Query::default(), 20, Budget::UNBOUNDED);
        assert!(!summary.problems.is_empty() && !counted.problems.is_empty(), "{program}");
        assert_eq!(counts.total, listed.len() as u64, "{program}");
        // The last line, cut off in its middle, is told or not as its beginning allows.
        let whole = listed.len() - 1;
        let wanted = truth.iter().map(|line| (line.time, line.message.clone())).take(whole);
        assert!(listed.iter().take(whole).cloned().eq(wanted), "{program}");
        // As much as the tool itself gets out of the file.
        let output = Command::new(program).arg("-dc").arg(&log.paths[0]).output().unwrap();
        let told = output.stdout.len() * 100 / text.len();
        assert!(!output.status.success() && whole * 100 >= (told - 2) * truth.len(), "{program}: {told} of 100");
    }
}

#[test]
fn what_was_logged_between_two_looks_is_found_in_all_files_since() {
    let now = Timestamp::now().strftime("%b %e %H:%M:%S").to_string();
    let line = |number: u32| format!("{now} jail1 pot[{number}]: pot-start web{number}\n");
    for packed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut live = File::create(at("pot.log")).unwrap();
        live.write_all((line(1) + &line(2)).as_bytes()).unwrap();
        let mut follower = Follower::at(File::open(at("pot.log")).unwrap(), 0).unwrap();
        assert_eq!(follower.poll(&Query::default()).unwrap().len(), 2);
        let told: StreamPosition = follower.told().to_string().parse().unwrap();
        assert_eq!(told, follower.told());
        // Then three lines and three rotations.
        live.write_all(line(3).as_bytes()).unwrap();
        drop(live);
        std::fs::rename(at("pot.log"), at("pot.log.2")).unwrap();
        std::fs::write(at("pot.log.1"), line(4)).unwrap();
        std::fs::write(at("pot.log.0"), line(5)).unwrap();
        std::fs::write(at("pot.log"), line(6)).unwrap();
        let mut names = vec!["pot.log", "pot.log.0", "pot.log.1", "pot.log.2"];
        if packed {
            assert!(Command::new("gzip").arg(at("pot.log.2")).status().unwrap().success());
            assert!(Command::new("bzip2").arg(at("pot.log.1")).status().unwrap().success());
            names = vec!["pot.log", "pot.log.0", "pot.log.1.bz2", "pot.log.2.gz"];
        }
        let generations: Vec<Generation> = names
            .iter()
            .map(|name| {
                let metadata = std::fs::metadata(at(name)).unwrap();
                Generation {
                    path: (*name).to_owned(),
                    size: metadata.len(),
                    modified: Some(metadata.modified().unwrap().try_into().unwrap()),
                    compression: match name.rsplit('.').next() {
                        Some("gz") => Compression::Gzip,
                        Some("bz2") => Compression::Bzip2,
                        _ => Compression::Plain,
                    },
                    identity: (metadata.dev(), metadata.ino()),
                }
            })
            .collect();
        let mut open = |index: usize| File::open(at(names[index])).map_err(|error| error.to_string());
        let mut seen = Vec::new();
        let mut reached = told;
        let unbounded = Budget::UNBOUNDED;
        missed(&generations, &mut open, &Query::default(), told, unbounded, &mut |entries, told| {
            seen.extend(entries.into_iter().filter_map(|entry| entry.pot));
            reached = told;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, ["web3", "web4", "web5"], "packed: {packed}");
        // Nothing comes twice from there.
        missed(&generations, &mut open, &Query::default(), reached, unbounded, &mut |entries, _| {
            assert_eq!(entries, []);
            ControlFlow::Continue(())
        })
        .unwrap();
    }
}

#[test]
fn following_sees_what_is_appended_and_what_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pot.log");
    let now = Timestamp::now().strftime("%b %e %H:%M:%S").to_string();
    let append =
        |text: &str| File::options().append(true).create(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    append("Nov 23 20:20:46 jail1 pot[1]: pot-start old\n");
    let mut follower = Follower::new(File::open(&path).unwrap()).unwrap();
    let query = Query::default();
    assert_eq!(follower.poll(&query).unwrap(), []);
    append(&format!("{now} jail1 pot[2]: pot-start new\n{now} jail1 pot[2]: pot-st"));
    assert_eq!(follower.poll(&query).unwrap()[0].pot.as_deref(), Some("new"));
    assert_eq!(follower.poll(&query).unwrap(), []);
    append("op new\n");
    assert_eq!(follower.poll(&query).unwrap()[0].command.as_deref(), Some("stop"));
    append(&format!("{now} jail1 last message repeated 2 times\n"));
    let again = follower.poll(&query).unwrap();
    assert_eq!((again[0].command.as_deref(), again[0].times), (Some("stop"), 2));
    // What is repeated is the line before, whoever wrote that.
    append(&format!("{now} jail1 sshd[2]: hello\n"));
    assert_eq!(follower.poll(&query).unwrap(), []);
    append(&format!("{now} jail1 syslogd: last message repeated 2 times\n"));
    assert_eq!(follower.poll(&query).unwrap(), []);
    std::fs::write(&path, format!("{now} jail1 pot[3]: pot-init \n")).unwrap();
    assert_eq!(follower.poll(&query).unwrap()[0].command.as_deref(), Some("init"));
}

#[test]
fn times_are_taken_as_people_write_them() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let at = |text: &str| parse_time(text, &zone, now).map(|time| time.to_string()).ok();
    assert_eq!(at("2026-11-23").as_deref(), Some("2026-11-22T23:00:00Z"));
    assert_eq!(at("2026-11-23 20:20").as_deref(), Some("2026-11-23T19:20:00Z"));
    assert_eq!(at("2026-11-23T20:20:46Z").as_deref(), Some("2026-11-23T20:20:46Z"));
    assert_eq!(at("2h").as_deref(), Some("2026-11-23T10:00:00Z"));
    for wrong in ["", "x", "-5m", "999999999999999999d", "2026-13-01", "5 parsecs", "ü"] {
        assert_eq!(at(wrong), None, "{wrong}");
    }
}

fn naive(text: &[u8]) -> usize {
    text.split(|&byte| byte == b'\n')
        .filter(|line| line::parse(line.strip_suffix(b"\r").unwrap_or(line)).is_some_and(|header| header.tag == b"pot"))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes with line ends and pot lines thrown in: both directions find the same entries, and no panic.
    #[test]
    fn both_directions_agree_on_any_bytes(pieces in proptest::collection::vec(prop_oneof![
        3 => Just(b"Nov 23 20:20:46 h pot[1]: pot-start a\n".to_vec()),
        1 => Just(b"Nov 23 20:20:46 h last message repeated 2 times\n".to_vec()),
        1 => Just(b"<150>1 2026-11-23T20:20:46Z h pot 1 - - pot-stop b\r\n".to_vec()),
        1 => Just(vec![b'\n'; 3]),
        2 => proptest::collection::vec(any::<u8>(), 0..80),
        1 => (0_usize..90_000).prop_map(|length| vec![b'z'; length]),
    ], 0..60)) {
        let text = pieces.concat();
        let end = "2026-11-23T20:20:49Z".parse().unwrap();
        let plain = written(&[(&text, end, Compression::Plain)]).all(&Query::default());
        let packed = written(&[(&text, end, Compression::Gzip)]).all(&Query::default());
        prop_assert_eq!(told(&plain), told(&packed));
        prop_assert_eq!(plain.len(), naive(&text));
    }
}

/// Where the tests' own logs come from, for the benchmark's use as well.
#[test]
fn the_generator_makes_what_it_says() {
    let (text, truth) = log(&mut Random(1), 2_000, 20, Timestamp::now(), 5, &TimeZone::UTC);
    assert!(truth.len() > 50 && truth.len() < 200);
    assert!(naive(&text) == truth.len());
    let _ = Path::new("/");
}
