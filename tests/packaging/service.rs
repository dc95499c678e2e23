//! The service's script, its daily look at the history, and what a stop does to a change that waits.

use crate::patience::PATIENCE;
use crate::{console, said, simulate, source, text};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A simulated host with the service's script, below stand-ins for rc.subr(8) and daemon(8).
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self { folder };
        simulate(&machine.root());
        let executable = |path: &Path, content: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let program = env!("CARGO_BIN_EXE_pot-console");
        let wrapper = format!("#!/bin/sh\nexec {program} --root {} \"$@\"\n", machine.root().display());
        executable(&machine.at("local/sbin/pot-console"), &wrapper);
        executable(&machine.at("bin/uname"), "#!/bin/sh\necho \"${RELEASE:-1500068}\"\n");
        executable(&machine.at("daemon"), &text("tests/packaging/daemon"));
        let here = machine.folder.path().display();
        let script = text("packaging/freebsd/files/pot_console.in")
            .replace("%%PREFIX%%", &format!("{here}/local"))
            .replace("/etc/rc.subr", source("tests/packaging/rc.subr").to_str().unwrap())
            .replace("/usr/sbin/daemon", &format!("{here}/daemon"))
            .replace("/var/run", &here.to_string())
            .replace("/var/log", &here.to_string());
        executable(&machine.at("pot_console"), &script);
        machine.settings("listen = [\"127.0.0.1:0\"]\nuser = \"nobody\"\n");
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn root(&self) -> PathBuf {
        self.at("host")
    }

    fn settings(&self, text: &str) {
        fs::create_dir_all(self.at("local/etc")).unwrap();
        fs::write(self.at("local/etc/pot-console.toml"), text).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("pot-console.log")).unwrap_or_default()
    }

    fn service(&self, verb: &str) -> Output {
        self.service_with(verb, &[])
    }

    fn service_with(&self, verb: &str, variables: &[(&str, &str)]) -> Output {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        Command::new("dash")
            .arg(self.at("pot_console"))
            .arg(verb)
            .env("PATH", path)
            .env("pot_console_enable", "YES")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Starts the service and waits until it serves.
    fn start(&self) -> Output {
        let before = self.log().matches("listening on").count();
        let started = self.service("start");
        assert!(started.status.success(), "{}", said(&started));
        until("the console to listen", || self.log().matches("listening on").count() > before);
        started
    }

    fn pid(&self, file: &str) -> Option<Pid> {
        fs::read_to_string(self.at(file)).ok()?.trim().parse().ok().map(Pid::from_raw)
    }

    fn waiting(&self) -> String {
        let shown = console(&self.root()).args(["run", "waiting"]).output().unwrap();
        assert!(shown.status.success(), "{}", said(&shown));
        String::from_utf8(shown.stdout).unwrap()
    }

    /// Starts the network of the pots in a terminal; gives it when it waits to be kept.
    fn change_that_waits(&self) -> Child {
        let init = console(&self.root()).args(["run", "init"]).output().unwrap();
        assert!(init.status.success(), "{}", said(&init));
        let run = console(&self.root())
            .args(["run", "vnet-start", "--revert-after", "300"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the change to wait", || !self.waiting().is_empty());
        run
    }

    fn has_bridge(&self) -> bool {
        let shown = Command::new(self.root().join("sbin/ifconfig")).arg("-l").output().unwrap();
        said(&shown).contains("bridge")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for file in ["pot-console-executor.pid", "pot-console.pid"] {
            if let Some(pid) = self.pid(file) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_scripts_are_read_by_every_shell() {
    for script in ["pot_console.in", "periodic.in", "pkg-install.in", "pkg-deinstall.in"] {
        for shell in [vec!["dash"], vec!["busybox", "sh"], vec!["bash", "--posix"]] {
            let file = source("packaging/freebsd/files").join(script);
            let done = Command::new(shell[0]).args(&shell[1..]).arg("-n").arg(file).output().unwrap();
            assert!(done.status.success() && said(&done).is_empty(), "{shell:?} {script}: {}", said(&done));
        }
    }
    let script = text("packaging/freebsd/files/pot_console.in");
    // What rcorder(8) reads, and the Porter's Handbook asks for.
    for line in ["# PROVIDE: pot_console\n", "# REQUIRE: NETWORKING syslogd zfs\n", "# KEYWORD: shutdown nojail\n"] {
        assert!(script.contains(line), "{line}");
    }
    let after = script.split("load_rc_config $name\n").nth(1).unwrap();
    assert!(after.contains(": ${pot_console_enable:=\"NO\"}\n"), "defaults come after rc.conf was read");
    assert!(script.ends_with("run_rc_command \"$1\"\n"));
}

#[test]
fn the_service_starts_reloads_and_stops() {
    let machine = Machine::new();
    let off = machine.service_with("start", &[("pot_console_enable", "NO")]);
    assert!(said(&off).contains("Set pot_console_enable to YES") && machine.pid("pot-console.pid").is_none());
    machine.start();
    // The one-time code is in there.
    assert_eq!(fs::metadata(machine.at("pot-console.log")).unwrap().permissions().mode() & 0o777, 0o600);
    let again = machine.service("start");
    assert!(!again.status.success() && said(&again).contains("already running"), "{}", said(&again));
    assert!(said(&machine.service("status")).contains("is running as pid"));
    let executor = machine.pid("pot-console-executor.pid").unwrap();

    let reloaded = machine.service("reload");
    assert!(reloaded.status.success(), "{}", said(&reloaded));
    until("the settings to be read again", || machine.log().contains("settings and certificate were read again"));
    assert!(!machine.log().contains("daemon: SIGHUP"), "reload is the executor's");
    assert_eq!(machine.pid("pot-console-executor.pid"), Some(executor));

    let stopped = machine.service("stop");
    assert!(stopped.status.success(), "{}", said(&stopped));
    assert_eq!(said(&stopped), "Stopping pot_console.\n", "nothing waited");
    until("the executor's end", || kill(executor, None).is_err());
    assert!(!machine.service("status").status.success());
    let reloaded = machine.service("reload");
    assert!(!reloaded.status.success() && said(&reloaded).contains("not running"), "{}", said(&reloaded));
}

#[test]
fn what_cannot_start_is_said_and_does_not_stop_what_runs() {
    let machine = Machine::new();
    let old = machine.service_with("start", &[("RELEASE", "1302001")]);
    assert!(!old.status.success() && said(&old).contains("needs FreeBSD 14.0 or newer"), "{}", said(&old));
    machine.start();
    let executor = machine.pid("pot-console-executor.pid").unwrap();
    machine.settings("listen = 7\n");
    for verb in ["configtest", "restart", "reload"] {
        let refused = machine.service(verb);
        assert!(!refused.status.success(), "{verb}: {}", said(&refused));
        assert!(said(&refused).contains("listen is 7, it must be"), "{verb}: {}", said(&refused));
        assert_eq!(machine.pid("pot-console-executor.pid"), Some(executor), "{verb}");
        kill(executor, None).unwrap();
    }
    machine.settings("user = \"no-such-user\"\n");
    if nix::unistd::geteuid().is_root() {
        let refused = machine.service("configtest");
        assert!(!refused.status.success() && said(&refused).contains("no user no-such-user"), "{}", said(&refused));
    }
    machine.settings("[tls]\ncertificate = \"/none.pem\"\nkey = \"/none.key\"\nuser = \"nobody\"\n");
    assert!(!machine.service("configtest").status.success());
    fs::remove_file(machine.at("local/etc/pot-console.toml")).unwrap();
    let refused = machine.service("configtest");
    assert!(!refused.status.success() && said(&refused).contains("pot-console setup makes it"), "{}", said(&refused));
    // One whose watcher died is named, not doubled.
    let watcher = machine.pid("pot-console.pid").unwrap();
    kill(watcher, Signal::SIGKILL).unwrap();
    machine.settings("listen = [\"127.0.0.1:0\"]\nuser = \"nobody\"\n");
    until("its watcher's end", || kill(watcher, None).is_err());
    let refused = machine.service("start");
    assert!(!refused.status.success() && said(&refused).contains("nobody watches over it"), "{}", said(&refused));
}

#[test]
fn a_stop_says_what_waits_and_puts_it_back_first() {
    let machine = Machine::new();
    machine.start();
    assert_eq!(machine.waiting(), "");
    let mut run = machine.change_that_waits();
    assert!(machine.has_bridge());
    let shown = machine.waiting();
    assert!(shown.starts_with("Run 2 (vnet-start, by "), "{shown}");
    assert!(shown.contains("pot-console run keep 2 ") && shown.contains("run put-back 2\n"), "{shown}");

    let stopped = machine.service("stop");
    assert!(stopped.status.success(), "{}", said(&stopped));
    let words = said(&stopped);
    let place = |part: &str| words.find(part).unwrap_or_else(|| panic!("{part}: {words}"));
    assert!(place("A change waits to be kept") < place("Run 2 (vnet-start"), "{words}");
    assert!(place("Run 2 (vnet-start") < place("Stopping pot_console."), "{words}");
    assert!(place("Run 2: ") < place("Stopping pot_console."), "how it went is shown before: {words}");
    assert!(!machine.has_bridge() && machine.waiting().is_empty());
    run.wait().unwrap();
}

#[test]
fn the_executor_that_is_told_to_end_puts_back_what_its_starter_left() {
    let machine = Machine::new();
    machine.start();
    // The terminal dies without a word; the service takes up what waits.
    let mut run = machine.change_that_waits();
    run.kill().unwrap();
    run.wait().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(machine.has_bridge(), "its time is not over");
    let executor = machine.pid("pot-console-executor.pid").unwrap();
    kill(executor, Signal::SIGTERM).unwrap();
    until("the executor's end", || kill(executor, None).is_err());
    assert!(!machine.has_bridge() && machine.waiting().is_empty());
    assert!(!machine.log().contains("could not"), "{}", machine.log());
}

#[test]
fn the_daily_look_at_the_history_tells_what_is_broken() {
    let machine = Machine::new();
    let here = machine.folder.path().display();
    let script = text("packaging/freebsd/files/periodic.in")
        .replace("%%PREFIX%%", &format!("{here}/local"))
        .replace("/etc/defaults", &format!("{here}/none"))
        .replace("/var/db", machine.root().join("var/db").to_str().unwrap());
    fs::write(machine.at("daily"), script).unwrap();
    let daily = |enable: &str| {
        Command::new("dash").arg(machine.at("daily")).env("daily_pot_console_verify_enable", enable).output().unwrap()
    };
    let journal = machine.root().join("var/db/pot-console/root/journal");
    if !journal.exists() {
        let none = daily("YES");
        assert!(none.status.success() && said(&none).is_empty(), "{}", said(&none));
    }
    let changed = console(&machine.root()).args(["conf", "set", "POT_TMP=/var/tmp"]).output().unwrap();
    assert!(changed.status.success(), "{}", said(&changed));
    let sound = daily("YES");
    assert!(sound.status.success() && said(&sound).contains("History of pot-console:"), "{}", said(&sound));
    assert!(said(&daily("NO")).is_empty());

    let segments = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.filter(|path| path.extension().is_some_and(|end| end == "journal")).max().unwrap();
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("POT_TMP", "POT_TMQ", 1)).unwrap();
    let broken = daily("YES");
    assert_eq!(broken.status.code(), Some(3), "{}", said(&broken));
}
