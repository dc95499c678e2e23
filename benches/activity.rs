//! Reading pot's activity against independent programs on the same files in the same run:
//! the newest page, a rare text against `grep -c -F`, compressed files against their decompressors.
//!
//! `cargo bench --bench activity [-- MIB …]` (default 1 100 1000). Prints ratios; times are this machine's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pot_console::activity::{Budget, Generation, Query, histogram, newest};
use pot_console::executor::protocol::Compression;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The rare text: stands in three lines of each file.
const RARE: &str = "pot-start needle-in-the-log";

fn main() {
    let sizes: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1, 100, 1000] } else { sizes };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for size in sizes {
        let plain = folder.path().join(format!("messages.{size}"));
        write_log(&plain, size << 20);
        first_page(&plain, size);
        rare_text(&plain, size);
        all_lines(&plain, size);
        if size <= 100 {
            for (program, ending, compression) in [
                ("gzip", "gz", Compression::Gzip),
                ("bzip2", "bz2", Compression::Bzip2),
                ("xz", "xz", Compression::Xz),
                ("zstd", "zst", Compression::Zstd),
            ] {
                packed(&plain, size, program, ending, compression);
            }
        }
    }
}

/// /var/log/messages as a busy host writes it: one line in twenty is pot's.
fn write_log(path: &Path, size: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("create the log"));
    let begin: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let mut written = 0;
    let mut number: u64 = 0;
    while written < size {
        let time = jiff::Timestamp::from_second(
            begin.as_second() + i64::try_from(number * 30_000_000 / (size / 90).max(1)).expect("seconds"),
        )
        .expect("a time");
        let stamp = time.strftime("%b %e %H:%M:%S");
        let line = if number % 20 == 7 {
            format!("{stamp} jail1 pot[{}]: pot-start -p web{}\n", number % 90_000, number % 40)
        } else {
            format!(
                "{stamp} jail1 sshd[{}]: Connection closed by 192.168.178.{} port {}\n",
                number % 90_000,
                number % 250,
                number % 60_000
            )
        };
        out.write_all(line.as_bytes()).expect("write the log");
        if [size / 3, size / 2, size - size / 5].iter().any(|at| (written..written + line.len() as u64).contains(at)) {
            let rare = format!("{stamp} jail1 pot[1]: {RARE}\n");
            out.write_all(rare.as_bytes()).expect("write the log");
            written += rare.len() as u64;
        }
        written += line.len() as u64;
        number += 1;
    }
}

fn generation(path: &Path, compression: Compression) -> [Generation; 1] {
    let metadata = std::fs::metadata(path).expect("the log");
    [Generation {
        path: path.display().to_string(),
        size: metadata.len(),
        modified: Some(jiff::Timestamp::now()),
        compression,
        identity: (metadata.dev(), metadata.ino()),
    }]
}

fn opening(path: &Path) -> impl FnMut(usize) -> Result<File, String> {
    let path: PathBuf = path.to_owned();
    move |_| File::open(&path).map_err(|error| error.to_string())
}

/// The best of several runs: what the work costs when nothing disturbs it.
fn best(runs: u32, mut work: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn first_page(plain: &Path, size: u64) {
    let generations = generation(plain, Compression::Plain);
    let taken = best(5, || {
        let (entries, next, _) = newest(
            &generations,
            &mut opening(plain),
            &Query::default(),
            None,
            100,
            Budget { packed_for_more: 0, ..Budget::UNBOUNDED },
        );
        assert!(entries.len() == 100 && next.is_some());
    });
    println!("{size:>5} MiB  newest 100 entries          {:>9.2} ms", ms(taken));
}

fn rare_text(plain: &Path, size: u64) {
    let generations = generation(plain, Compression::Plain);
    let query = Query { text: Some(RARE.to_owned()), ..Query::default() };
    let ours =
        best(3, || assert_eq!(histogram(&generations, &mut opening(plain), &query, 60, Budget::UNBOUNDED).0.total, 3));
    let grep = best(3, || {
        let output = Command::new("grep").args(["-c", "-F", RARE]).arg(plain).output().expect("grep");
        assert_eq!(output.stdout, b"3\n");
    });
    println!(
        "{size:>5} MiB  rare text, counted          {:>9.2} ms   grep -c -F {:>9.2} ms   {:.2} of grep's speed",
        ms(ours),
        ms(grep),
        ms(grep) / ms(ours)
    );
}

fn all_lines(plain: &Path, size: u64) {
    let generations = generation(plain, Compression::Plain);
    let ours = best(3, || {
        assert!(histogram(&generations, &mut opening(plain), &Query::default(), 60, Budget::UNBOUNDED).0.total > 100);
    });
    let grep = best(3, || {
        assert!(Command::new("grep").args(["-c", "-F", "pot["]).arg(plain).output().expect("grep").status.success());
    });
    println!(
        "{size:>5} MiB  all of pot's lines, counted {:>9.2} ms   grep -c -F {:>9.2} ms   {:.2} of grep's speed",
        ms(ours),
        ms(grep),
        ms(grep) / ms(ours)
    );
}

fn packed(plain: &Path, size: u64, program: &str, ending: &str, compression: Compression) {
    let path = plain.with_extension(format!("{size}.{ending}"));
    let out = File::create(&path).expect("create the packed log");
    assert!(Command::new(program).arg("-c").arg(plain).stdout(out).status().expect("the compressor").success());
    let generations = generation(&path, compression);
    let query = Query { text: Some(RARE.to_owned()), ..Query::default() };
    let ours =
        best(3, || assert_eq!(histogram(&generations, &mut opening(&path), &query, 60, Budget::UNBOUNDED).0.total, 3));
    let theirs = best(3, || {
        let status =
            Command::new(program).arg("-dc").arg(&path).stdout(Stdio::null()).status().expect("the decompressor");
        assert!(status.success());
    });
    println!(
        "{size:>5} MiB  rare text in .{ending:<4}          {:>9.2} ms   {program} -dc  {:>9.2} ms   {:.2} of its speed",
        ms(ours),
        ms(theirs),
        ms(theirs) / ms(ours)
    );
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
