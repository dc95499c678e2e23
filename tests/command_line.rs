//! `check` and `conf` as people and scripts use them: what they print, their exit status, what they write.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says why and fails")]

use pot_console::potconf::PARAMETERS;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// pot.default.conf.
fn defaults() -> String {
    PARAMETERS.iter().map(|known| format!("{}={}\n", known.name, known.default)).collect()
}

/// A folder with pot's two files, and no host around it.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(own: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pot.default.conf"), defaults()).unwrap();
        fs::write(folder.path().join("pot.conf"), own).unwrap();
        Self { folder }
    }

    fn run(&self, args: &[&str]) -> Output {
        console().arg("--etc").arg(self.folder.path()).args(args).output().unwrap()
    }

    fn own(&self) -> PathBuf {
        self.folder.path().join("pot.conf")
    }
}

/// A simulated host with its tools.
struct Host {
    folder: TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let done = console().arg("simulate").arg(folder.path().join("root")).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
        Self { folder }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn own(&self) -> PathBuf {
        self.root().join("usr/local/etc/pot/pot.conf")
    }

    fn run(&self, args: &[&str]) -> Output {
        console().arg("--root").arg(self.root()).args(args).output().unwrap()
    }
}

fn console() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pot-console"));
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}", text(&output.stderr)))
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn a_stock_host_has_no_findings() {
    let host = Host::new();
    let output = host.run(&["check"]);
    assert_eq!((status(&output), text(&output.stdout).as_str()), (0, "/usr/local/etc/pot/pot.conf: no findings\n"));
    let output = host.run(&["--format", "json", "check"]);
    assert_eq!(answer(&output), json!({"findings": [], "potnet": {"exit_code": 0, "errors": []}}));
}

#[test]
fn errors_make_the_exit_status_1_and_warnings_do_not() {
    let output = Files::new("POT_GATEWAY=1.1.1.1\n").run(&["check", "--offline"]);
    assert_eq!(status(&output), 1);
    assert!(text(&output.stdout).contains("1.1.1.1 lies outside POT_NETWORK 10.192.0.0/10."));
    assert!(text(&output.stdout).contains("Fix it: pot-console conf set POT_GATEWAY=10.192.0.1\n"));
    assert!(text(&output.stdout).contains("potnet config-check would exit with status 1:"));
    let output = Files::new("POT_COLOUR=red\n").run(&["check", "--offline"]);
    assert_eq!(status(&output), 0);
    assert!(text(&output.stdout).contains("warning  POT_COLOUR, line 1  unknown-parameter"));
    assert!(!text(&output.stdout).contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn the_answer_for_programs_has_its_fixed_shape() {
    let output = Files::new("\nPOT_GATEWAY=1.1.1.1\n").run(&["check", "--offline", "--format", "json"]);
    let answer = answer(&output);
    assert_eq!(
        answer["findings"],
        json!([{
            "code": "gateway-outside-network",
            "severity": "error",
            "parameters": ["POT_GATEWAY", "POT_NETWORK"],
            "line": 2,
            "message": "1.1.1.1 lies outside POT_NETWORK 10.192.0.0/10. `pot init` would stop here.",
            "fix": {"set": {"POT_GATEWAY": "10.192.0.1"}, "unset": []},
        }])
    );
    assert_eq!(answer["potnet"]["exit_code"], 1);
    assert_eq!(answer["potnet"]["errors"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_is_said_with_its_file_and_status_2() {
    let files = Files::new("");
    let default = files.folder.path().join("pot.default.conf");
    let kept = fs::read(&default).unwrap();
    fs::remove_file(&default).unwrap();
    for args in [["check", "--offline"], ["conf", "show"]] {
        let output = files.run(&args);
        assert_eq!(status(&output), 2, "{args:?}");
        let words = text(&output.stderr);
        assert!(words.contains("pot.default.conf does not exist: is pot installed?"), "{words}");
    }
    fs::write(&default, kept).unwrap();
    fs::write(files.own(), b"POT_EXTIF=em0\nPOT_\0=1\n").unwrap();
    let output = files.run(&["check", "--offline"]);
    assert_eq!(status(&output), 2);
    assert!(text(&output.stderr).contains("line 2 holds a NUL byte"), "{}", text(&output.stderr));
    fs::write(files.own(), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert_eq!(status(&files.run(&["check", "--offline"])), 2);
    assert_eq!(status(&files.run(&["check", "--on-line"])), 2);
}

#[test]
fn without_a_pot_conf_the_defaults_in_force_are_shown_and_checked() {
    let files = Files::new("");
    fs::remove_file(files.own()).unwrap();
    for args in [&["check", "--offline"][..], &["conf", "show"], &["conf", "diff"]] {
        let output = files.run(args);
        assert_eq!(status(&output), 0, "{args:?}: {}", text(&output.stderr));
    }
    let shown = text(&files.run(&["conf", "show"]).stdout);
    assert!(shown.contains("POT_NETWORK") && shown.contains("10.192.0.0/10"), "{shown}");
    assert!(shown.contains("pot.conf does not exist: all defaults are in force."), "{shown}");
    let checked = text(&files.run(&["check", "--offline"]).stdout);
    assert!(
        checked.contains("no findings") && checked.contains("`pot-console conf set NAME=VALUE` makes it"),
        "{checked}"
    );
    assert_eq!(answer(&files.run(&["--format", "json", "check", "--offline"]))["missing"], true);
    assert_eq!(answer(&files.run(&["--format", "json", "conf", "show"]))["missing"], true);
    // A default that does not work is found all the same.
    let defaults = defaults().replace("POT_GATEWAY=10.192.0.1", "POT_GATEWAY=1.1.1.1");
    fs::write(files.folder.path().join("pot.default.conf"), defaults).unwrap();
    assert_eq!(status(&files.run(&["check", "--offline"])), 1);
}

#[test]
fn setting_a_value_makes_a_pot_conf_that_only_root_can_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::new();
    fs::remove_file(host.own()).unwrap();
    assert_eq!(status(&host.run(&["check"])), 0);
    let output = host.run(&["conf", "set", "POT_TMP=/var/run/pot"]);
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(host.own()).unwrap(), "POT_TMP=/var/run/pot\n");
    assert_eq!(fs::metadata(host.own()).unwrap().permissions().mode() & 0o7777, 0o644);
}

#[test]
fn a_host_that_does_not_answer_is_noticed() {
    let files = Files::new("");
    let root = files.folder.path().join("empty");
    fs::create_dir(&root).unwrap();
    let output = console()
        .args(["--format", "json", "check", "--root"])
        .arg(&root)
        .arg("--etc")
        .arg(files.folder.path())
        .output()
        .unwrap();
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    assert_eq!(codes(&answer(&output)), ["host-not-asked"]);
}

#[test]
fn every_parameter_is_shown_with_what_sh_and_potnet_read() {
    let own = "POT_NETWORK=\"10.0.0.0/8\"\nPOT_LOG_FACILITY=$(echo local3)\n";
    let files = Files::new(own);
    let output = files.run(&["--format", "json", "conf", "show"]);
    let answer = answer(&output);
    let parameter =
        |name: &str| answer["parameters"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert!(answer["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(
        parameter("POT_NETWORK"),
        json!({
            "name": "POT_NETWORK", "value": "10.0.0.0/8", "default": "10.192.0.0/10", "source": "pot.conf", "line": 1,
            "editable": true, "reason": null, "potnet_value": "10.192.0.0/10", "since": "0.0.1", "deprecated": false,
        })
    );
    let computed = parameter("POT_LOG_FACILITY");
    assert_eq!((&computed["value"], &computed["editable"]), (&Value::Null, &json!(false)));
    assert!(computed["reason"].as_str().unwrap().contains("$(echo local3)"));
    assert_eq!(parameter("POT_DNS_IP")["deprecated"], true);
    let output = files.run(&["conf", "diff"]);
    assert!(text(&output.stdout).contains("-POT_NETWORK=10.192.0.0/10\n+POT_NETWORK=10.0.0.0/8\n"));
    assert_eq!(fs::read_to_string(files.own()).unwrap(), own);
}

#[test]
fn a_change_is_written_once_it_is_sound_and_recorded() {
    let host = Host::new();
    let before = fs::read(host.own()).unwrap();
    let output = host.run(&["conf", "set", "POT_NETWORK=10.200.0.0/16"]);
    assert_eq!(status(&output), 1);
    assert!(text(&output.stderr).contains("gateway-outside-network"), "{}", text(&output.stderr));
    assert_eq!(fs::read(host.own()).unwrap(), before, "a refused change wrote something");

    let wanted = ["POT_NETWORK=10.200.0.0/16", "POT_NETMASK=255.255.0.0", "POT_GATEWAY=10.200.0.1"];
    let dry = host.run(&[&["conf", "set", "--dry-run"][..], &wanted].concat());
    assert_eq!(status(&dry), 0, "{}", text(&dry.stderr));
    assert!(text(&dry.stdout).contains("\n+POT_NETWORK=10.200.0.0/16\n"), "{}", text(&dry.stdout));
    assert_eq!(fs::read(host.own()).unwrap(), before, "--dry-run wrote something");

    let output =
        host.run(&[&["--format", "json", "conf", "set", "--reason", "a smaller network"][..], &wanted].concat());
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    let saved = answer(&output);
    assert_eq!(saved["written"], true);
    assert!(saved["record"].as_u64().is_some_and(|record| record > 0));
    let after = fs::read_to_string(host.own()).unwrap();
    for line in wanted {
        assert!(after.contains(&format!("\n{line}\n")), "{after}");
    }
    let journal = journal(&host.root());
    assert!(journal.contains("a smaller network") && journal.contains("10.200.0.0/16"), "{journal}");

    let output = host.run(&[&["--format", "json", "conf", "set"][..], &wanted].concat());
    assert_eq!((status(&output), &answer(&output)["written"]), (0, &json!(false)), "nothing was left to do");
    let output = host.run(&["conf", "unset", "POT_NETWORK", "POT_NETMASK", "POT_GATEWAY"]);
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    assert_eq!(fs::read(host.own()).unwrap(), before);
}

fn journal(root: &Path) -> String {
    let mut all = String::new();
    let mut folders = vec![root.join("var/db/pot-console/root")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push_str(&text(&fs::read(path).unwrap()));
            }
        }
    }
    all
}

#[test]
fn force_overrides_findings_and_never_a_limit() {
    let host = Host::new();
    let output = host.run(&["conf", "set", "--force", "POT_GATEWAY=1.1.1.1"]);
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    assert!(fs::read_to_string(host.own()).unwrap().contains("\nPOT_GATEWAY=1.1.1.1\n"));
    let before = fs::read(host.own()).unwrap();
    for hostile in
        ["POT_FS_ROOT=/etc", "POT_EXTRA_EXTIF=x;reboot", "POT_GATEWAY=$(reboot)", "PATH=/tmp", "POT_GROUP=a\nPATH=/tmp"]
    {
        for args in [&["conf", "set", "--force", hostile][..], &["conf", "set", "--force", "--dry-run", hostile]] {
            let output = host.run(args);
            assert_eq!(status(&output), 1, "{args:?}: {}", text(&output.stderr));
            let name = hostile.split('=').next().unwrap();
            assert!(text(&output.stderr).contains(&format!("{name} cannot be `")), "{}", text(&output.stderr));
        }
    }
    assert_eq!(fs::read(host.own()).unwrap(), before);
    assert_eq!(status(&host.run(&["conf", "set", "POT_GATEWAY"])), 2);
}

#[test]
fn a_dry_run_ends_as_the_change_would() {
    // An error that stands and moves to another line, one that stands at the parameter itself, one that is new, a
    // limit that stands and one that is new.
    let standing = "# POT_TMP=/tmp\nPOT_LOG_FACILITY=local9\n";
    let nested = "POT_CACHE=/opt/pot/jails/cache\n";
    let cases = [
        (standing, "POT_TMP=/var/run/pot", 0),
        (standing, "POT_LOG_FACILITY=local3", 0),
        ("POT_GATEWAY=1.1.1.1\n", "POT_GATEWAY=1.1.1.2", 1),
        // Nothing to write: an error that stands is no reason to refuse it.
        ("POT_GATEWAY=1.1.1.1\n", "POT_GATEWAY=1.1.1.1", 0),
        ("", "POT_NETMASK=255.255.0.0", 1),
        (nested, "POT_TMP=/var/run/pot", 0),
        ("", "POT_CACHE=/opt/pot/jails/cache", 1),
        ("", "POT_CACHE=/srv/link", 1),
        ("", "POT_FS_ROOT=/tmp/pot", 1),
        ("", "POT_EXPORT_PORTS_PF_RULES_HOOK=/usr/local/bin/nothing", 1),
    ];
    let host = Host::new();
    fs::create_dir_all(host.root().join("srv")).unwrap();
    std::os::unix::fs::symlink("/etc", host.root().join("srv/link")).unwrap();
    for (own, edit, wanted) in cases {
        fs::write(host.own(), own).unwrap();
        let dry = host.run(&["conf", "set", "--dry-run", edit]);
        assert_eq!(fs::read_to_string(host.own()).unwrap(), own);
        let real = host.run(&["conf", "set", edit]);
        let said = format!("{own:?} {edit}: {}{}", text(&dry.stderr), text(&real.stderr));
        assert_eq!((status(&dry), status(&real)), (wanted, wanted), "{said}");
    }
}

#[test]
fn an_earlier_version_is_listed_compared_and_written_back() {
    let host = Host::new();
    let before = fs::read(host.own()).unwrap();
    assert_eq!(status(&host.run(&["conf", "set", "POT_HOSTNAME_MAX_LENGTH=99"])), 0);
    let changed = fs::read(host.own()).unwrap();
    let listed = text(&host.run(&["conf", "restore"]).stdout);
    let digest = listed.lines().last().unwrap().split(' ').next().unwrap().to_owned();
    let output = host.run(&["conf", "diff", &digest]);
    assert!(text(&output.stdout).contains("\n+POT_HOSTNAME_MAX_LENGTH=99\n"), "{}", text(&output.stdout));
    assert_eq!(status(&host.run(&["conf", "restore", "--dry-run", &digest])), 0);
    assert_eq!(fs::read(host.own()).unwrap(), changed);
    let output = host.run(&["conf", "restore", "--reason", "too long", &digest]);
    assert_eq!(status(&output), 0, "{}", text(&output.stderr));
    assert_eq!(fs::read(host.own()).unwrap(), before);
    assert_eq!(status(&host.run(&["conf", "restore", "00000000"])), 2);
}

#[test]
fn a_closed_pipe_is_no_reason_to_complain() {
    let own = (0..3000).map(|number| format!("POT_NAME{number}=1\n")).collect::<Vec<_>>().concat();
    let files = Files::new(&own);
    for args in [&["check", "--offline"][..], &["conf", "show"], &["completions", "zsh"]] {
        let mut child = console()
            .arg("--etc")
            .arg(files.folder.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((status(&output), text(&output.stderr).as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn bash_completes_commands_and_what_stands_below_them() {
    let script = console().args(["completions", "bash"]).output().unwrap().stdout;
    let folder = tempfile::tempdir().unwrap();
    // Longer than one argument may be.
    let file = folder.path().join("ask");
    for (line, wanted) in [
        (&["pot-console", "che"][..], "check"),
        (&["pot-console", "conf", "s"], "show set"),
        (&["pot-console", "check", "--off"], "--offline"),
        (&["pot-console", "conf", "set", "--dry"], "--dry-run"),
    ] {
        let ask = format!(
            "{}\ncomplete -p pot-console >/dev/null || exit 1\nCOMP_WORDS=(\"$@\")\nCOMP_CWORD=$(($# - 1))\n\
             function=$(complete -p pot-console | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
             $function pot-console \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\necho \"${{COMPREPLY[*]}}\"",
            text(&script)
        );
        fs::write(&file, ask).unwrap();
        let output = Command::new("bash").arg(&file).args(line).output().unwrap();
        assert_eq!(text(&output.stdout).trim(), wanted, "{line:?}: {}", text(&output.stderr));
    }
    for shell in ["zsh", "fish"] {
        let text = text(&console().args(["completions", shell]).output().unwrap().stdout);
        for word in ["check", "conf", "offline", "restore"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn the_licences_of_all_that_is_built_in_are_shown_with_their_texts() {
    let all = console().arg("licences").output().unwrap();
    let shown = text(&all.stdout);
    assert_eq!(status(&all), 0);
    for row in ["pot-console 0.1.0: BSD-2-Clause [1]", "htmx.org 2.0.11: 0BSD", "sqlite 3.", "----- 1 -----"] {
        assert!(shown.contains(row), "{row}");
    }
    let one = console().args(["--format", "json", "licences", "tar"]).output().unwrap();
    let answer = answer(&one);
    assert_eq!((&answer[0]["name"], &answer[0]["licence"]), (&json!("tar"), &json!("MIT OR Apache-2.0")));
    let texts = answer[0]["texts"].as_array().unwrap();
    assert!(texts.iter().any(|text| text.as_str().unwrap().contains("Permission is hereby granted")), "{texts:?}");
    let none = console().args(["licences", "nothing-of-the-kind"]).output().unwrap();
    assert_eq!((status(&none), text(&none.stdout).as_str()), (1, ""));
}

#[test]
fn the_parts_list_and_the_licences_are_those_of_cargo_lock_and_no_crate_has_a_known_advisory() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for script in ["packaging/sbom", "packaging/advisories"] {
        let done = Command::new("python3").arg(here.join(script)).arg("--check").output().unwrap();
        assert!(done.status.success(), "{script}: {}", text(&done.stderr));
    }
    // What CycloneDX 1.6 asks for, and what makes a list useful.
    let list = fs::read(here.join("packaging/freebsd/pot-console.cdx.json")).unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(
        (&list["bomFormat"], &list["specVersion"], &list["version"]),
        (&json!("CycloneDX"), &json!("1.6"), &json!(1))
    );
    assert_eq!(list["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));
    let mut named = std::collections::BTreeSet::from([list["metadata"]["component"]["bom-ref"].as_str().unwrap()]);
    let components = list["components"].as_array().unwrap();
    for part in components
        .iter()
        .flat_map(|part| std::iter::once(part).chain(part["components"].as_array().into_iter().flatten()))
    {
        for field in ["type", "name", "version", "purl", "bom-ref", "scope"] {
            assert!(part[field].as_str().is_some_and(|value| !value.is_empty()), "{field} of {part}");
        }
        assert!(part["licenses"].as_array().is_some_and(|licences| licences.len() == 1), "{part}");
        assert!(named.insert(part["bom-ref"].as_str().unwrap()), "twice: {part}");
    }
    assert!(named.iter().any(|name| name.starts_with("pkg:generic/sqlite@3.")) && components.len() > 200);
    for row in list["dependencies"].as_array().unwrap() {
        for name in row["dependsOn"].as_array().unwrap().iter().chain([&row["ref"]]) {
            assert!(named.contains(name.as_str().unwrap()), "{name} is no part");
        }
    }
}

#[test]
fn a_finding_is_explained_by_its_code() {
    let files = Files::new("POT_GATEWAY=1.1.1.1\nPOT_COLOUR=red\n");
    let checked = text(&files.run(&["check", "--offline"]).stdout);
    assert_eq!(checked.matches("pot-console explain CODE").count(), 1, "{checked}");
    let why = files.run(&["explain", "gateway-outside-network"]);
    assert_eq!(status(&why), 0);
    assert!(text(&why.stdout).contains("\nWrong\n") && text(&why.stdout).contains("\nRight\n"), "{why:?}");
    let all = text(&files.run(&["explain"]).stdout);
    assert!(all.lines().count() > 80 && all.contains("\nunknown-parameter "), "{all}");
    assert_eq!(answer(&files.run(&["--format", "json", "explain", "unknown-parameter"]))["severities"][1], "notice");
    let unknown = files.run(&["explain", "no-such-code"]);
    assert_eq!(status(&unknown), 2);
    assert!(
        text(&unknown.stderr).contains("'no-such-code'") && text(&unknown.stderr).lines().count() < 4,
        "{unknown:?}"
    );
    assert!(text(&files.run(&["completions", "zsh"]).stdout).contains("gateway-outside-network"));
}
