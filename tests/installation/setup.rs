//! `setup`: fresh, again, in part, and refused.

use crate::rig::{Host, PRIVATE, SETTINGS, WEB, code_of, console, differences, text};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

#[test]
fn a_fresh_host_serves_after_one_command_and_a_second_one_changes_nothing() {
    let host = Host::new();
    let said = host.set_up();
    let code = code_of(&said);
    assert!(said.out.contains(&format!("https://{}", host.listen)), "{}", said.all());
    assert!(host.runs());
    let passwd = host.read("/etc/passwd");
    let user = passwd.lines().find(|line| line.starts_with("potconsole:")).expect("the user");
    let fields: Vec<&str> = user.split(':').collect();
    assert_eq!(fields[5..], ["/nonexistent", "/usr/sbin/nologin"], "{user}");
    assert!(host.read("/etc/group").contains("\npotconsole:*:"));
    assert!(host.read("/etc/rc.conf").contains("\npot_console_enable=\"YES\"\n"));
    let settings = host.read(SETTINGS);
    assert!(settings.contains(&format!("\nlisten = [\"{}\"]\n", host.listen)), "{settings}");
    for name in ["names", "idle_minutes", "hooks", "[tls]", "[history]", "feedback_recipient"] {
        assert!(settings.contains(name), "a comment for {name}: {settings}");
    }
    let modes = [
        ("/var/db/pot-console", 0o755),
        (PRIVATE, 0o700),
        (WEB, 0o700),
        (SETTINGS, 0o644),
        ("/var/db/pot-console/root/setup.json", 0o600),
        ("/var/db/pot-console/root/setup-code", 0o600),
        ("/var/db/pot-console/root/tls/key.pem", 0o600),
    ];
    for (path, mode) in modes {
        assert_eq!(host.mode(path), mode, "{path}");
    }
    if nix::unistd::geteuid().is_root() {
        let web = host.path(WEB).metadata().unwrap();
        assert_eq!((web.uid().to_string(), web.gid().to_string()), (fields[2].to_owned(), fields[3].to_owned()));
    }
    let check = host.run(&["--format", "json", "setup", "--check"]);
    assert_eq!(check.status, Some(0), "{}", check.all());
    assert_eq!(check.verdict("answers"), "sound");
    let shown = said.out.lines().find(|line| line.trim().len() == 95).expect("a fingerprint").trim().to_owned();
    assert!(check.out.contains(&shown), "the fingerprint that is shown is the one that answers: {}", check.all());

    let before = host.tree();
    let again = host.run(&["setup", "--yes", "--listen", &host.listen]);
    assert_eq!(again.status, Some(0), "{}", again.all());
    assert!(again.out.contains("Nothing to do"), "{}", again.all());
    assert_eq!(code_of(&again), code, "the code stays until it is used");
    // The console goes on writing what is its own.
    let is_consoles = |name: &str| {
        name.strip_prefix("var/db/pot-console/")
            .is_some_and(|below| !["root/tls", "root/setup"].iter().any(|ours| below.starts_with(ours)))
    };
    let changed: Vec<String> =
        differences(&before, &host.tree()).into_iter().filter(|name| !is_consoles(name)).collect();
    assert_eq!(changed, [""; 0]);
}

#[test]
fn the_one_time_code_is_shown_to_root_again_after_a_restart_until_there_is_an_account() {
    let host = Host::new();
    let early = host.run(&["setup", "--code"]);
    assert_eq!(early.status, Some(1));
    assert!(early.err.contains("there is no one-time code yet"), "{}", early.all());
    let code = code_of(&host.set_up());
    assert_eq!(host.tool("usr/sbin/service", &["pot_console", "restart"]).status, Some(0));
    let shown = host.run(&["setup", "--code"]);
    assert_eq!((shown.status, shown.out.trim()), (Some(0), code.as_str()), "{}", shown.all());
    // One that others could have read is not used again.
    assert_eq!(host.tool("usr/sbin/service", &["pot_console", "stop"]).status, Some(0));
    let file = host.path("/var/db/pot-console/root/setup-code");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(host.tool("usr/sbin/service", &["pot_console", "start"]).status, Some(0));
    let again = host.run(&["setup", "--yes"]);
    assert_ne!(code_of(&again), code);
    let added = host.typed(&["user", "add", "anna", "--role", "admin"], "correct horse battery staple\n");
    assert_eq!(added.status, Some(0), "{}", added.all());
    let used = host.run(&["setup", "--code"]);
    assert_eq!(used.status, Some(1));
    assert!(used.err.contains("there are accounts") && used.out.is_empty(), "{}", used.all());
}

#[test]
fn the_first_admin_can_be_made_by_setup_itself() {
    let host = Host::new();
    let args = ["setup", "--yes", "--listen", &host.listen, "--admin", "anna"];
    let short = host.typed(&args, "short\n");
    assert_eq!(short.status, Some(3), "{}", short.all());
    assert!(short.err.contains("goes on from there"), "{}", short.all());
    let said = host.typed(&args, "correct horse battery staple\n");
    assert_eq!(said.status, Some(0), "{}", said.all());
    assert!(!said.out.contains("One-time code"), "{}", said.all());
    assert!(host.run(&["user", "list"]).out.contains("anna"));
    // Again: the account is kept, and no password is wanted.
    let again = host.typed(&args, "");
    assert_eq!(again.status, Some(0), "{}", again.all());
    assert!(again.out.contains("anna is there and kept"), "{}", again.all());
}

#[test]
fn a_dry_run_shows_every_file_and_command_and_changes_nothing() {
    let host = Host::new();
    let before = host.tree();
    let said = host.run(&["setup", "--dry-run", "--listen", &host.listen]);
    assert_eq!(said.status, Some(0), "{}", said.all());
    for line in [
        "  folder /var/db/pot-console  (owner root, mode 0755)\n",
        "  folder /var/db/pot-console/root  (owner root, mode 0700)\n",
        "  $ pw groupadd -n potconsole\n",
        "  $ pw useradd -n potconsole -g potconsole -c 'pot-console web process' -d /nonexistent -s /usr/sbin/nologin\n",
        "  write /usr/local/etc/pot-console.toml  (owner root, mode 0644):\n",
        "  folder /var/db/pot-console/web  (owner potconsole, mode 0700)\n",
        "  certificate /var/db/pot-console/root/tls/certificate.pem",
        "  $ sysrc pot_console_enable=YES\n",
        "  $ service pot_console start\n",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.all());
    }
    // And without anyone's word nothing is done either.
    let unasked = host.run(&["setup", "--listen", &host.listen]);
    assert_eq!(unasked.status, Some(1), "{}", unasked.all());
    assert!(unasked.err.contains("Nothing was changed. Say --yes"), "{}", unasked.all());
    let check = host.run(&["--format", "json", "setup", "--check"]);
    assert_eq!((check.status, check.verdict("user").as_str()), (Some(1), "differs"), "{}", check.all());
    assert_eq!(differences(&before, &host.tree()), [""; 0]);
}

#[test]
fn killed_after_every_step_the_next_setup_goes_on_and_ends_it() {
    let host = Host::new();
    let args = ["setup", "--yes", "--listen", &host.listen];
    let mut killed = 0;
    // Each call dies after the first step that it takes.
    while host.killed_at("setup-step#2", &args).status.is_none() {
        killed += 1;
        assert!(killed < 20, "it never ends");
    }
    assert!(killed >= 9, "each of its steps was one to die after: {killed}");
    let check = host.run(&["setup", "--check"]);
    assert_eq!(check.status, Some(0), "{}", check.all());
    // What it made it knows: all of it goes again.
    let removed = host.run(&["setup", "--remove", "--yes"]);
    assert_eq!(removed.status, Some(0), "{}", removed.all());
    assert!(!host.read("/etc/passwd").contains("potconsole") && !host.path(SETTINGS).exists());
}

#[test]
fn killed_while_a_file_is_written_nothing_is_half_there() {
    for place in ["replace-written", "replace-renamed"] {
        let host = Host::new();
        let args = ["setup", "--yes", "--listen", &host.listen];
        // Each call comes one file further.
        let mut files = 0;
        while host.killed_at(&format!("{place}#{}", files + 1), &args).status.is_none() {
            files += 1;
            assert!(files < 20, "it never ends");
        }
        assert!(files >= 2, "{files}");
        let check = host.run(&["setup", "--check"]);
        assert_eq!(check.status, Some(0), "{place}: {}", check.all());
        let removed = host.run(&["setup", "--remove", "--yes"]);
        assert_eq!(removed.status, Some(0), "{}", removed.all());
        assert!(!host.read("/etc/passwd").contains("potconsole") && !host.path(SETTINGS).exists(), "{}", removed.all());
    }
}

#[test]
fn what_is_there_already_is_kept_said_and_left_at_the_removal() {
    let host = Host::new();
    host.tool("usr/sbin/pw", &["useradd", "-n", "potconsole", "-s", "/bin/sh", "-d", "/home/potconsole"]);
    host.tool("usr/sbin/sysrc", &["pot_console_enable=YES"]);
    let settings = format!("# mine\nlisten = [\"{}\"]\n", host.listen);
    host.write(SETTINGS, &settings, 0o640);
    let passwd = host.read("/etc/passwd");
    let said = host.run(&["setup", "--yes"]);
    assert_eq!(said.status, Some(0), "{}", said.all());
    for words in
        ["is there and kept as it is, with the shell /bin/sh", "is understood: listens on", "pot_console_enable is set"]
    {
        assert!(said.out.replace("\n                            ", " ").contains(words), "{words}: {}", said.all());
    }
    assert_eq!(
        (host.read("/etc/passwd"), host.read(SETTINGS), host.mode(SETTINGS)),
        (passwd.clone(), settings.clone(), 0o640)
    );
    let removed = host.run(&["setup", "--remove", "--yes"]);
    assert_eq!(removed.status, Some(0), "{}", removed.all());
    for left in [
        "the user potconsole: it was there before setup",
        "pot-console.toml: it was there before setup",
        "pot_console_enable: it was set before setup",
    ] {
        assert!(removed.out.contains(left), "{left}: {}", removed.all());
    }
    assert_eq!((host.read("/etc/passwd"), host.read(SETTINGS)), (passwd, settings));
    assert!(!host.runs());
}

#[test]
fn flags_that_disagree_with_the_settings_change_nothing() {
    let host = Host::new();
    host.write(SETTINGS, "listen = [\"127.0.0.1:9443\"]\n", 0o644);
    let before = host.tree();
    for (args, words) in [
        (["--listen", "127.0.0.1:8443"], "has listen = 127.0.0.1:9443, and --listen says 127.0.0.1:8443"),
        (["--user", "www"], "has user = potconsole, and --user says www"),
    ] {
        let said = host.run(&[&["setup", "--yes"][..], &args].concat());
        assert_eq!(said.status, Some(1), "{}", said.all());
        let all = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains(words) && all.contains("Nothing was changed"), "{}", said.all());
    }
    assert_eq!(differences(&before, &host.tree()), [""; 0]);
}

#[test]
fn bad_input_is_refused_with_a_sentence_and_nothing_is_half_installed() {
    let host = Host::new();
    let untouched = host.tree();
    for (args, words) in [
        (&["--listen", "localhost:8443"][..], "it must be an IP address of this host with a port"),
        (&["--listen", "127.0.0.1:0"], "port 0"),
        (&["--user", "root"], "must not be root"),
        (&["--user=-x"], "it must be a user's name"),
        (&["--user", "a:b"], "it must be a user's name"),
        (&["--admin", "An na"], "--admin"),
        (&["--purge"], "--remove"),
        (&["--check", "--remove"], "cannot be used with"),
    ] {
        let said = host.run(&[&["setup", "--yes"][..], args].concat());
        assert_eq!(said.status, Some(2), "{args:?}: {}", said.all());
        assert!(said.err.contains(words), "{args:?}: {}", said.all());
    }
    // An address that is not this host's, and one that is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (address.to_string(), taken)).unwrap();
    for address in ["192.0.2.7:8443", taken.0.as_str()] {
        let said = host.run(&["setup", "--yes", "--listen", address]);
        assert_eq!(said.status, Some(1), "{}", said.all());
        assert!(said.err.contains(&format!("{address} cannot be listened on")), "{}", said.all());
    }
    assert_eq!(differences(&untouched, &host.tree()), [""; 0]);
    for (settings, mode, words) in [
        ("listen = \"127.0.0.1:8443\"\n", 0o644, "listen is \"127.0.0.1:8443\", it must be a list of addresses"),
        ("colour = 1\n", 0o644, "colour"),
        ("user = \"root\"\n", 0o644, "user is root"),
        ("", 0o666, "can be changed by others"),
        ("user = \"operator\"\ntls = { certificate = \"/x.pem\", key = \"/x.key\" }\n", 0o644, "x.pem"),
    ] {
        host.write(SETTINGS, settings, mode);
        let before = host.tree();
        let said = host.run(&["setup", "--yes"]);
        assert_eq!(said.status, Some(1), "{settings}: {}", said.all());
        let all = said.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains(words) && all.contains("Nothing was changed"), "{settings}: {}", said.all());
        assert_eq!(differences(&before, &host.tree()), [""; 0], "{settings}");
    }
    fs::remove_file(host.path(SETTINGS)).unwrap();
    // A folder that others could have put something into.
    fs::create_dir_all(host.path(PRIVATE)).unwrap();
    fs::set_permissions(host.path("/var/db/pot-console"), fs::Permissions::from_mode(0o777)).unwrap();
    let said = host.run(&["setup", "--yes", "--listen", &host.listen]);
    assert_eq!(said.status, Some(1), "{}", said.all());
    assert!(said.err.contains("chown root /var/db/pot-console && chmod 0755"), "{}", said.all());
    fs::remove_dir_all(host.path("/var/db/pot-console")).unwrap();
    // Without the package's script.
    host.remove_script();
    let before = host.tree();
    let said = host.run(&["setup", "--yes", "--listen", &host.listen]);
    assert_eq!(said.status, Some(1), "{}", said.all());
    assert!(
        said.err.contains("/usr/local/etc/rc.d/pot_console is not there") && said.err.contains("pkg add"),
        "{}",
        said.all()
    );
    assert_eq!(differences(&before, &host.tree()), [""; 0]);
}

#[test]
fn what_cannot_be_found_out_is_not_taken_for_missing() {
    let host = Host::new();
    let before = host.tree();
    for (fault, id) in [
        ("getent fail 1 getent: no answer", "user"),
        ("sysrc fail 1 sysrc: broken", "rc.conf"),
        ("service fail 1 service: broken", "service"),
        ("getent garbage", "group"),
    ] {
        host.fault(fault);
        let said = host.run(&["setup", "--yes", "--listen", &host.listen]);
        assert_eq!(said.status, Some(2), "{fault}: {}", said.all());
        assert!(said.err.contains("Nothing was changed"), "{fault}: {}", said.all());
        let check = host.run(&["--format", "json", "setup", "--check"]);
        assert_eq!(check.verdict(id), "not-known", "{fault}: {}", check.all());
        host.heal();
    }
    assert_eq!(differences(&before, &host.tree()), [""; 0]);
}

#[test]
fn a_step_that_fails_is_named_and_the_next_setup_goes_on() {
    let host = Host::new();
    for (fault, words) in [
        ("pw:useradd fail 73 pw: passwd file update", "pw useradd"),
        ("sysrc fail 1 sysrc: unknown variable pot_console_enable", "sysrc pot_console_enable=YES ended with status 1"),
    ] {
        host.fault(fault);
        let said = host.run(&["setup", "--yes", "--listen", &host.listen]);
        assert_eq!(said.status, Some(3), "{fault}: {}", said.all());
        assert!(said.err.contains(words) && said.err.contains("goes on from there"), "{fault}: {}", said.all());
        host.heal();
    }
    host.set_up();
    assert_eq!(host.run(&["setup", "--check"]).status, Some(0));
}

#[test]
fn without_root_nothing_is_looked_at_or_done() {
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        // Whoever owns a simulated host is its root; the machine's own is another matter.
        let said = console().args(["setup", "--check"]).output().unwrap();
        assert_eq!(said.status.code(), Some(1), "{}", text(&said.stderr));
        return;
    }
    // A copy that anybody may run.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("pot-console");
    fs::copy(env!("CARGO_BIN_EXE_pot-console"), &program).unwrap();
    for args in
        [&["setup", "--yes"][..], &["setup", "--check"], &["setup", "--code"], &["setup", "--remove"], &["selftest"]]
    {
        let said = std::process::Command::new(&program).args(args).uid(65534).gid(65534).output().unwrap();
        assert_eq!(said.status.code(), Some(1), "{args:?}: {}", text(&said.stderr));
        assert!(text(&said.stderr).contains("needs root: run it with su, sudo or doas"), "{}", text(&said.stderr));
    }
}

#[test]
fn in_a_terminal_setup_asks_for_the_address_and_for_a_yes() {
    let host = Host::new();
    let in_terminal = |typed: &str| {
        let terminal = nix::pty::openpty(None, None).unwrap();
        nix::unistd::write(&terminal.master, typed.as_bytes()).unwrap();
        let said = host.command(&["setup"]).stdin(terminal.slave).output().unwrap();
        (said.status.code(), text(&said.stdout), text(&said.stderr))
    };
    let before = host.tree();
    let (status, out, err) = in_terminal(&format!("{}\nno\n", host.listen));
    assert_eq!(status, Some(1), "{out}{err}");
    assert!(out.contains("$ service pot_console start") && err.contains("Do this? Type yes:"), "{out}{err}");
    assert_eq!(differences(&before, &host.tree()), [""; 0]);
    let (status, out, err) = in_terminal(&format!("localhost\n{}\nyes\n", host.listen));
    assert_eq!(status, Some(0), "{out}{err}");
    assert!(err.contains("Address and port to listen on") && err.contains("it must be an IP address"), "{err}");
    assert!(host.read(SETTINGS).contains(&host.listen) && out.contains("One-time code"), "{out}");
}
