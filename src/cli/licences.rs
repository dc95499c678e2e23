//! `pot-console licences`: the licences of all that is built in. `packaging/sbom` writes them down; the build packs them.

use super::output::{complain, print, print_json, print_pieces};
use super::{Exit, Format, Global};
use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::io::Read as _;

/// `data/licences.txt`: a row for each crate, then the texts by number.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/licences.txt.gz"));

/// Arguments of `licences`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this crate, with its texts
    name: Option<String>,
}

/// Bytes of what is packed, as the end of a gzip file says (RFC 1952, ISIZE).
fn unpacked_length() -> usize {
    PACKED.last_chunk().map_or(0, |length| usize::try_from(u32::from_le_bytes(*length)).unwrap_or(0))
}

/// One row.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    name: &'a str,
    version: &'a str,
    licence: &'a str,
    /// Numbers of the texts that come with it.
    texts: Vec<usize>,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let mut unpacked = GzDecoder::new(PACKED);
    if global.format == Format::Text && args.name.is_none() {
        return print_pieces(&mut unpacked).map(|()| Exit::Done);
    }
    let mut all = String::with_capacity(unpacked_length());
    unpacked.read_to_string(&mut all).context("unpacking the licences")?;
    let texts = texts(&all);
    let mut rows: Vec<Row<'_>> = all.lines().take_while(|line| !is_mark(line)).filter_map(Row::of).collect();
    if let Some(name) = &args.name {
        rows.retain(|row| row.name == name);
        if rows.is_empty() {
            complain(&format!("pot-console: nothing called {name:?} is built in; without a name all are listed\n"));
            return Ok(Exit::Refused);
        }
    }
    match global.format {
        Format::Json => print_json(&Value::Array(rows.iter().map(|row| row.as_json(&texts)).collect()))?,
        Format::Text => {
            let mut text = String::new();
            for row in &rows {
                text.push_str(&format!("{} {}: {}\n", row.name, row.version, row.licence));
                for one in row.texts.iter().filter_map(|number| texts.get(number - 1)) {
                    text.push_str(&format!("\n{one}\n"));
                }
            }
            print(&text)?;
        }
    }
    Ok(Exit::Done)
}

impl<'a> Row<'a> {
    /// `name version: licence [1, 2]`.
    fn of(line: &'a str) -> Option<Self> {
        let (what, rest) = line.split_once(": ")?;
        let (name, version) = what.split_once(' ').filter(|(name, _)| *name != "#")?;
        let (licence, numbers) = rest.strip_suffix(']')?.rsplit_once(" [")?;
        let texts = numbers.split(", ").filter_map(|number| number.parse().ok()).filter(|number| *number > 0).collect();
        Some(Self { name, version, licence, texts })
    }

    fn as_json(&self, texts: &[&str]) -> Value {
        let own: Vec<&&str> = self.texts.iter().filter_map(|number| texts.get(number - 1)).collect();
        json!({"name": self.name, "version": self.version, "licence": self.licence, "texts": own})
    }
}

/// `----- 12 -----`.
fn is_mark(line: &str) -> bool {
    line.strip_prefix("----- ")
        .and_then(|rest| rest.strip_suffix(" -----"))
        .is_some_and(|number| number.parse::<usize>().is_ok())
}

/// The texts, the first one first.
fn texts(all: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut at, mut begun) = (0, None);
    for line in all.split_inclusive('\n') {
        if is_mark(line.trim_end())
            && let Some(begun) = begun.replace(at + line.len())
        {
            found.push(all[begun..at].trim_matches('\n'));
        }
        at += line.len();
    }
    if let Some(begun) = begun {
        found.push(all[begun..].trim_matches('\n'));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_packed_is_as_long_as_it_says() {
        assert_eq!(unpacked_length(), include_str!("../../data/licences.txt").len());
    }

    #[test]
    fn every_crate_that_is_built_in_has_its_row_and_every_row_its_texts() {
        let all = include_str!("../../data/licences.txt");
        let rows: Vec<Row<'_>> = all.lines().take_while(|line| !is_mark(line)).filter_map(Row::of).collect();
        let texts = texts(all);
        assert!(texts.len() > 50 && texts.iter().all(|text| text.len() > 15 && !text.starts_with("../")));
        let mut bare = Vec::new();
        for row in &rows {
            assert!(row.texts.iter().all(|number| *number <= texts.len()), "{row:?}");
            if row.texts.is_empty() {
                bare.push(row.name);
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
        for row in rows.iter().filter(|row| !["htmx.org", "zxcvbn", "sqlite", "zstd", "xz"].contains(&row.name)) {
            assert!(locked.contains(&(row.name, row.version)), "{row:?} is not in Cargo.lock: run packaging/sbom");
        }
        for name in manifest["dependencies"].as_table().unwrap().keys() {
            assert!(rows.iter().any(|row| row.name == name), "{name} has no row: run packaging/sbom");
        }
    }
}
