//! The port: its lists against Cargo.lock and the package, its files against the rules that portlint and the Porter's
//! Handbook have for them.

use crate::{VERSION, said, source, text};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const PORT: &str = "packaging/freebsd/port/sysutils/pot-console";

fn file(name: &str) -> String {
    text(&format!("{PORT}/{name}"))
}

/// Variables in their order, each with its words.
fn variables() -> Vec<(String, String)> {
    let joined = file("Makefile").replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.starts_with(['\t', '#', '.']));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim_end_matches('+').to_owned(), value.trim().to_owned()))
        .collect()
}

fn variable(name: &str) -> String {
    let found = variables().into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn the_ports_lists_are_those_of_cargo_lock() {
    let lock: toml::Table = text("Cargo.lock").parse().unwrap();
    let crates: BTreeMap<String, String> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|package| {
            let field = |name: &str| package.get(name).and_then(toml::Value::as_str).map(str::to_owned);
            Some((format!("{}-{}", field("name")?, field("version")?), field("checksum")?))
        })
        .collect();
    assert!(crates.len() > 300);
    let again = "packaging/freebsd/make-port writes the port's lists anew";
    let listed = file("Makefile.crates");
    let words: Vec<&str> =
        listed.strip_prefix("CARGO_CRATES=").unwrap().split_whitespace().filter(|word| *word != "\\").collect();
    assert_eq!(words, crates.keys().map(String::as_str).collect::<Vec<_>>(), "{again}");
    let mut sums = BTreeMap::new();
    let mut sizes = BTreeSet::new();
    let distinfo = file("distinfo");
    assert!(distinfo.starts_with("TIMESTAMP = "));
    for line in distinfo.lines().skip(1) {
        let (kind, rest) = line.split_once(" (rust/crates/").unwrap_or_else(|| panic!("{line}"));
        let (name, value) = rest.split_once(".crate) = ").unwrap_or_else(|| panic!("{line}"));
        match kind {
            "SHA256" => drop(sums.insert(name.to_owned(), value.to_owned())),
            "SIZE" => {
                assert!(value.parse::<u64>().is_ok_and(|size| size > 0), "{line}");
                sizes.insert(name.to_owned());
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(sums, crates, "{again}");
    assert_eq!(sizes, crates.into_keys().collect(), "{again}");
}

#[test]
fn port_and_package_install_the_same() {
    let folder = tempfile::tempdir().unwrap();
    // The packager's own list, without a program: Python says what it would take.
    let list = "import importlib.machinery, importlib.util, sys\n\
                sys.argv = [sys.argv[1], '--help']\n\
                source = open(sys.argv[0]).read().rsplit('\\nmain()', 1)[0]\n\
                names = {'__file__': sys.argv[0], '__name__': 'package'}\n\
                exec(compile(source, sys.argv[0], 'exec'), names)\n\
                [print(path, oct(mode)) for path, _, mode in names['files'](b'')]\n";
    let script = folder.path().join("list.py");
    std::fs::write(&script, list).unwrap();
    let done = Command::new("python3").arg(&script).arg(source("packaging/freebsd/package")).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let listed = said(&done);
    let package: BTreeSet<&str> = listed
        .lines()
        .map(|line| line.split(' ').next().unwrap().strip_prefix("/usr/local/").unwrap())
        // The ports framework's own: licence, USE_RC_SUBR, PORTDOCS.
        .filter(|path| !["share/licenses/", "etc/rc.d/", "share/doc/"].iter().any(|other| path.starts_with(other)))
        .collect();
    let plist = file("pkg-plist");
    let lines: Vec<&str> = plist.lines().collect();
    let port: BTreeSet<&str> =
        lines.iter().map(|line| line.trim_start_matches("@config ").trim_end_matches(".gz")).collect();
    assert_eq!(port, package);
    assert_eq!(lines.len(), port.len());
}

/// portlint's order of blocks, as far as this port has them.
const ORDER: [&str; 26] = [
    "PORTNAME",
    "DISTVERSION",
    "PORTREVISION",
    "CATEGORIES",
    "MASTER_SITES",
    "MAINTAINER",
    "COMMENT",
    "WWW",
    "LICENSE",
    "LICENSE_FILE",
    "ONLY_FOR_ARCHS",
    "ONLY_FOR_ARCHS_REASON",
    "BUILD_DEPENDS",
    "USES",
    "USE_RC_SUBR",
    "CARGO_BUILDDEP",
    "CARGO_BUILD",
    "CARGO_INSTALL",
    "CARGO_TEST",
    "SUB_FILES",
    "USERS",
    "GROUPS",
    "PLIST_FILES",
    "PORTDOCS",
    "OPTIONS_DEFINE",
    "OPTIONS_DEFAULT",
];

#[test]
fn the_port_keeps_the_rules_of_the_porters_handbook() {
    assert_eq!(variable("PORTNAME"), "pot-console");
    assert_eq!(variable("DISTVERSION"), VERSION);
    assert_eq!(variable("CATEGORIES").split(' ').next(), Some("sysutils"), "the first is the folder");
    let comment = variable("COMMENT");
    assert!(comment.len() <= 70 && !comment.ends_with('.') && comment.starts_with(char::is_uppercase), "{comment}");
    assert!(!["A ", "An ", "The ", "pot-console"].iter().any(|begin| comment.starts_with(begin)), "{comment}");
    assert!(variable("WWW").starts_with("https://"));
    assert_eq!(variable("LICENSE"), "BSD2CLAUSE");
    let mut place = 0;
    for (name, _) in variables() {
        let found = ORDER.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name} has no place"));
        assert!(found >= place, "{name} stands too far down");
        place = found;
    }
    let makefile = file("Makefile");
    assert!(makefile.ends_with(".include <bsd.port.mk>\n"));
    for (number, line) in makefile.lines().enumerate() {
        let number = number + 1;
        assert!(!line.ends_with([' ', '\t']), "{number}: white space at the end");
        assert!(!line.starts_with(' '), "{number}: blanks where a tab belongs");
        assert!(!line.contains("$("), "{number}: ${{}} and not $()");
        assert!(!line.contains("/usr/local"), "{number}: ${{PREFIX}} or ${{LOCALBASE}}");
        if let Some((name, value)) = line.split_once('=')
            && name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_')
        {
            assert!(value.starts_with('\t') && !value.contains("\t "), "{number}: a tab behind =");
        }
    }
    assert!(!makefile.contains("\n\n\n"));
    for (list, why) in [("SUB_FILES", "sorted"), ("ONLY_FOR_ARCHS", "sorted"), ("USES", "sorted")] {
        let value = variable(list);
        let words: Vec<&str> = value.split_whitespace().collect();
        assert!(words.is_sorted(), "{list}: {why}");
    }
    for sub in variable("SUB_FILES").split_whitespace() {
        let made = sub == "pkg-message" || source(&format!("packaging/freebsd/files/{sub}.in")).exists();
        assert!(made, "nothing makes {sub}");
    }
    assert!(source("packaging/freebsd/files/pot_console.in").exists());

    let description = file("pkg-descr");
    assert!(description.lines().count() <= 24 && description.ends_with('\n') && !description.contains("WWW:"));
    assert!(description.lines().all(|line| line.len() <= 80 && line.is_ascii() && !line.ends_with(' ')));
    let lines: Vec<String> =
        file("pkg-plist").lines().map(|line| line.trim_start_matches("@config ").to_owned()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    assert!(lines.iter().all(|line| !line.starts_with('/') && !line.contains("..")));
    let message =
        text("packaging/freebsd/files/pkg-message.install") + &text("packaging/freebsd/files/pkg-message.upgrade");
    assert!(message.lines().all(|line| line.len() <= 75), "a message is read in a terminal");
}
