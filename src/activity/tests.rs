//! Generated logs against independent answers: the generator's own list, grep, and the decompressors' tools.

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
                let (page, next, _) = newest(&log.generations, &mut log.open(), &query, cursor, 7, u64::MAX);
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
                let (counts, _) = histogram(&log.generations, &mut log.open(), &ranged, 12);
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
        let (entries, next, _) = newest(&written.generations, &mut written.open(), &query, cursor, 37, u64::MAX);
        seen.extend(told(&entries));
        match next {
            Some(next) => cursor = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, truth);
    // A file that was rotated away meanwhile: the page goes on by time.
    let gone = Cursor { identity: (9, 9), offset: 5, time: middle, reached: middle };
    let (entries, _, _) = newest(&written.generations, &mut written.open(), &query, Some(gone), 1, u64::MAX);
    assert!(entries[0].time < middle);
    // Time ranges and counts agree with the list.
    let since = middle.checked_sub(Span::new().hours(1)).unwrap();
    let ranged = Query { since: Some(since), until: Some(end), ..Query::default() };
    let wanted = truth.iter().filter(|line| line.time >= since && line.time < end).count();
    assert_eq!(written.all(&ranged).len(), wanted);
    let (counts, _) = histogram(&written.generations, &mut written.open(), &Query::default(), 60);
    assert_eq!(counts.total, truth.len() as u64);
    assert_eq!(counts.bars.iter().sum::<u64>(), counts.total);
}

/// The same question to grep and its kin.
#[test]
fn matching_lines_are_as_many_as_grep_counts() {
    let mut random = Random(5);
    let end: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    let (mut text, _) = log(&mut random, 30_000, 20, end, 5, &TimeZone::UTC);
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
            let (histogram, _) = histogram(&log.generations, &mut log.open(), &query, 10);
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
        let (counts, _) = histogram(&log.generations, &mut log.open(), &Query::default(), 60);
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
            let (entries, next, _) = newest(&log.generations, &mut log.open(), &query, cursor, 1, u64::MAX);
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
    let (first, next, _) = newest(&before.generations, &mut before.open(), &Query::default(), None, 15, u64::MAX);
    let new = b"Nov 23 20:20:49 h pot: pot-start new\n";
    let mut after = written(&[(new, end, Compression::Plain), (text.as_bytes(), end, Compression::Bzip2)]);
    // The new file has the number of the removed one, or one of its own.
    for live in [(1, 0), (1, 7)] {
        after.generations[0].identity = live;
        let (rest, _, _) = newest(&after.generations, &mut after.open(), &Query::default(), next, 100, u64::MAX);
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
        for _ in 0..10 {
            let (page, next, summary) =
                newest(&log.generations, &mut log.open(), &Query::default(), cursor, 1000, most);
            assert_eq!(next.is_some(), summary.unread.is_some(), "{summary:?}");
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
            let (counts, _) = histogram(&log.generations, &mut log.open(), &query, 60);
            assert_eq!(counts.total, log.all(&query).len() as u64, "{compression:?} {before}");
            assert_bars(&counts, &older, until.is_none());
        }
        let (counts, _) =
            histogram(&log.generations, &mut log.open(), &Query { zone: zone.clone(), ..Query::default() }, 60);
        assert_eq!(counts.total, older.len() as u64);
        assert_bars(&counts, &older, false);
    }
}

fn assert_bars(counts: &Histogram, truth: &[Truth], open: bool) {
    for (index, &count) in counts.bars.iter().enumerate() {
        let (from, to) = (counts.edge(index), counts.edge(index + 1));
        let last = open && index + 1 == counts.bars.len();
        let wanted = truth.iter().filter(|line| line.time >= from && (line.time < to || last)).count();
        assert_eq!(count, wanted as u64, "bar {index} from {from} to {to}");
    }
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
    let (text, truth) = log(&mut random, 90_000, 3, end, 60, &TimeZone::UTC);
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
        let (counts, counted) = histogram(&log.generations, &mut log.open(), &Query::default(), 20);
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
        let told: Told = follower.told().to_string().parse().unwrap();
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
        missed(&generations, &mut open, &Query::default(), told, &mut |entries, told| {
            seen.extend(entries.into_iter().filter_map(|entry| entry.pot));
            reached = told;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, ["web3", "web4", "web5"], "packed: {packed}");
        // Nothing comes twice from there.
        missed(&generations, &mut open, &Query::default(), reached, &mut |entries, _| {
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
