//! `pot-console licences`: the licences of all that is built in. `packaging/sbom` writes them down; the build packs them.

use super::output::{complain, print, print_json, print_pieces};
use super::{Exit, Format, Global};
use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader};

/// `data/licences.txt`: a row for each crate, then the texts by number.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/licences.txt.gz"));

/// Arguments of `licences`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this crate, with its texts
    name: Option<String>,
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    version: String,
    licence: String,
    /// Numbers of the texts that come with it.
    texts: Vec<usize>,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let mut unpacked = GzDecoder::new(PACKED);
    if global.format == Format::Text && args.name.is_none() {
        return print_pieces(&mut unpacked).map(|()| Exit::Done);
    }
    let mut unpacked = Lines { unpacked: BufReader::new(unpacked), line: String::new() };
    let mut rows = rows(&mut unpacked).context("unpacking the licences")?;
    if let Some(name) = &args.name {
        rows.retain(|row| row.name == *name);
        if rows.is_empty() {
            complain(&format!("pot-console: nothing called {name:?} is built in; without a name all are listed\n"));
            return Ok(Exit::Refused);
        }
    }
    let wanted = rows.iter().flat_map(|row| row.texts.iter().copied()).collect();
    let texts = texts(&mut unpacked, &wanted).context("unpacking the licences")?;
    match global.format {
        Format::Json => print_json(&Value::Array(rows.iter().map(|row| row.as_json(&texts)).collect()))?,
        Format::Text => {
            let mut text = String::new();
            for row in &rows {
                text.push_str(&format!("{} {}: {}\n", row.name, row.version, row.licence));
                for one in row.texts.iter().filter_map(|number| texts.get(number)) {
                    text.push_str(&format!("\n{one}\n"));
                }
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

impl Row {
    /// `name version: licence [1, 2]`.
    fn of(line: &str) -> Option<Self> {
        let (what, rest) = line.split_once(": ")?;
        let (name, version) = what.split_once(' ').filter(|(name, _)| *name != "#")?;
        let (licence, numbers) = rest.strip_suffix(']')?.rsplit_once(" [")?;
        let texts = numbers.split(", ").filter_map(|number| number.parse().ok()).collect();
        Some(Self { name: name.to_owned(), version: version.to_owned(), licence: licence.to_owned(), texts })
    }

    fn as_json(&self, texts: &BTreeMap<usize, String>) -> Value {
        let own: Vec<&String> = self.texts.iter().filter_map(|number| texts.get(number)).collect();
        json!({"name": self.name, "version": self.version, "licence": self.licence, "texts": own})
    }
}

/// `data/licences.txt`, unpacked only as far as it is read: a name's texts are not the last ones most of the time.
struct Lines<R> {
    unpacked: R,
    line: String,
}

impl<R: BufRead> Lines<R> {
    /// The next line with its end; none after the last one.
    fn next(&mut self) -> io::Result<Option<&str>> {
        self.line.clear();
        Ok((self.unpacked.read_line(&mut self.line)? > 0).then_some(self.line.as_str()))
    }
}

/// The rows, and the mark of the first text behind them.
fn rows(lines: &mut Lines<impl BufRead>) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    while let Some(line) = lines.next()?.map(str::trim_end).filter(|line| mark(line).is_none()) {
        rows.extend(Row::of(line));
    }
    Ok(rows)
}

/// The texts with these numbers, of lines that begin behind the first one's mark.
fn texts(lines: &mut Lines<impl BufRead>, wanted: &BTreeSet<usize>) -> io::Result<BTreeMap<usize, String>> {
    let mut found = BTreeMap::new();
    let mut at = 1;
    while wanted.last().is_some_and(|last| at <= *last) {
        let mut text = String::new();
        let next = loop {
            let Some(line) = lines.next()? else { break None };
            if let Some(number) = mark(line.trim_end()) {
                break Some(number);
            }
            if wanted.contains(&at) {
                text.push_str(line);
            }
        };
        if wanted.contains(&at) {
            found.insert(at, text.trim_matches('\n').to_owned());
        }
        let Some(next) = next else { break };
        at = next;
    }
    Ok(found)
}

/// The number in `----- 12 -----`.
fn mark(line: &str) -> Option<usize> {
    line.strip_prefix("----- ")?.strip_suffix(" -----")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_lines() -> Lines<impl BufRead> {
        Lines { unpacked: include_bytes!("../../data/licences.txt").as_slice(), line: String::new() }
    }

    #[test]
    fn a_text_is_the_same_with_all_others_as_alone() {
        let mut lines = all_lines();
        let rows = rows(&mut lines).unwrap();
        let all = texts(&mut lines, &rows.iter().flat_map(|row| row.texts.iter().copied()).collect()).unwrap();
        // What stands between two marks, found another way.
        let whole = include_str!("../../data/licences.txt");
        for (number, text) in &all {
            let (_, rest) = whole.split_once(&format!("\n----- {number} -----\n")).unwrap();
            let until = rest.find(&format!("\n----- {} -----\n", number + 1)).unwrap_or(rest.len());
            assert_eq!(text, rest[..until].trim_matches('\n'), "{number}");
            let mut lines = all_lines();
            self::rows(&mut lines).unwrap();
            let alone = texts(&mut lines, &BTreeSet::from([*number])).unwrap();
            assert_eq!(alone, BTreeMap::from([(*number, text.clone())]));
        }
    }

    #[test]
    fn every_crate_that_is_built_in_has_its_row_and_every_row_its_texts() {
        let mut lines = all_lines();
        let rows = rows(&mut lines).unwrap();
        let texts = texts(&mut lines, &(1..1000).collect()).unwrap();
        assert!(texts.len() > 50 && texts.values().all(|text| text.len() > 15 && !text.starts_with("../")));
        let mut bare = Vec::new();
        for row in &rows {
            assert!(row.texts.iter().all(|number| texts.contains_key(number)), "{row:?}");
            if row.texts.is_empty() {
                bare.push(row.name.as_str());
            }
        }
        // Its author put none into the crate.
        assert_eq!(bare, ["impl-more"]);
        // Whatever Cargo.toml names for the program is there in the version of Cargo.lock; `packaging/sbom --check` looks
        // at all the others.
        let manifest: toml::Table = toml::from_str(include_str!("../../Cargo.toml")).unwrap();
        let lock: toml::Table = toml::from_str(include_str!("../../Cargo.lock")).unwrap();
        let locked: BTreeSet<(&str, &str)> = lock["package"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| (package["name"].as_str().unwrap(), package["version"].as_str().unwrap()))
            .collect();
        for row in
            rows.iter().filter(|row| !["htmx.org", "zxcvbn", "sqlite", "zstd", "xz"].contains(&row.name.as_str()))
        {
            assert!(
                locked.contains(&(row.name.as_str(), row.version.as_str())),
                "{row:?} is not in Cargo.lock: run packaging/sbom"
            );
        }
        for name in manifest["dependencies"].as_table().unwrap().keys() {
            assert!(rows.iter().any(|row| row.name == *name), "{name} has no row: run packaging/sbom");
        }
    }
}
