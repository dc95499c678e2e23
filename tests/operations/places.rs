//! Where files and folders really are: links, and folders that others can change.

use crate::bench::{Bench, INIT, VNET, blocked, initialised};
use pot_console::layout::Layout;
use pot_console::plan::Preparation;
use pot_console::plan::{Leftover, ManagedFile, Operation, RunState};
use pot_console::simulator::Scenario;

const LINKED: [(&str, &str, &str); 3] = [
    ("/etc/pf.conf", "/usr/local/etc/host/pf.conf", "/usr/local/etc/host/pf.conf"),
    ("/etc/rc.conf", "/usr/local/etc/host/rc.conf", "../usr/local/etc/host/rc.conf"),
    ("/boot/loader.conf", "/usr/local/etc/host/loader.conf", "/usr/local/etc/host/loader.conf"),
];

#[test]
fn files_that_are_links_stay_links_and_what_they_lead_to_is_changed() {
    for (place_anchors, merge_syslogd_flags) in [(true, true), (false, false)] {
        let bench = Bench::new(Scenario::Default);
        if !place_anchors {
            // Where pot's lines at the top are no harm.
            bench.write("/etc/pf.conf", "pass all\n");
        }
        let rc = bench.read("/etc/rc.conf");
        bench.write("/etc/rc.conf", &format!("{rc}syslogd_flags=\"-s\"\npot_enable=\"YES\"\n"));
        for (path, target, link) in LINKED {
            bench.keep_elsewhere(path, target, link);
        }
        let facts = bench.facts();
        assert_eq!(facts.paths.get().unwrap()["/etc/pf.conf"].real_path(""), "/usr/local/etc/host/pf.conf");
        assert!(facts.files.get().unwrap()["/etc/rc.conf"].is_some());

        let init = Operation::Init {
            place_anchors,
            merge_syslogd_flags,
            minimal: false,
            leave_syslogd: false,
            leave_pf: false,
            pf_file: None,
        };
        let run = bench.run(init);
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        assert!(bench.output(run.id).contains("$ pot init -v -s -p \n"), "{}", bench.output(run.id));
        assert!(bench.read("/usr/local/etc/host/pf.conf").contains("nat-anchor pot-nat\n"));
        assert!(bench.read("/usr/local/etc/host/rc.conf").contains("syslogd_flags=\"-b 127.0.0.1 -b 10.192.0.1 -a"));
        for (path, ..) in LINKED {
            assert!(bench.is_link(path), "{path}");
        }
        // Once is enough for what does not depend on the options.
        if !place_anchors {
            continue;
        }
        let prepare = Operation::Prepare { items: vec![Preparation::EnableRacct, Preparation::DisableVtnetLro] };
        assert_eq!(bench.run(prepare).state, RunState::AsPlanned);
        assert!(bench.read("/usr/local/etc/host/loader.conf").contains("kern.racct.enable=1"));
        let run = bench.run(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None });
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        assert!(!bench.read("/usr/local/etc/host/pf.conf").contains("pot-nat"));
        let run = bench.run(Operation::CleanUp { items: vec![Leftover::SyslogdFlags, Leftover::PotEnable] });
        assert_eq!(run.state, RunState::AsPlanned, "{run:#?}\n{}", bench.output(run.id));
        let rc = bench.read("/usr/local/etc/host/rc.conf");
        assert!(!rc.contains("10.192.0.1") && !rc.contains("pot_enable"), "{rc}");
        for (path, ..) in LINKED {
            assert!(bench.is_link(path), "{path}");
        }
    }
}

#[test]
fn a_link_over_a_folder_of_others_stops_only_what_writes_that_file() {
    let leaving = |leave_syslogd, leave_pf| Operation::Init {
        place_anchors: true,
        merge_syslogd_flags: true,
        minimal: false,
        leave_syslogd,
        leave_pf,
        pf_file: None,
    };
    let prepare = Operation::Prepare { items: vec![Preparation::EnableRacct] };
    let de_init = |minimal| Operation::DeInit { stop_pots: false, minimal, pf_file: None };
    let bench = initialised();
    for (path, writes, free) in [
        (
            "/etc/pf.conf",
            vec![leaving(false, false), de_init(false), VNET],
            vec![leaving(true, true), de_init(true), prepare.clone()],
        ),
        ("/etc/rc.conf", vec![leaving(false, true)], vec![leaving(true, true), VNET]),
        ("/boot/loader.conf", vec![prepare.clone()], vec![leaving(false, false)]),
    ] {
        let target = format!("/home/anna/{}", path.rsplit('/').next().unwrap());
        bench.keep_elsewhere(path, &target, &target);
        bench.mode("/home/anna", 0o777);
        let why =
            format!("{path} is a link to {target}, and others than root can change /home/anna: give that to root");
        for operation in writes {
            let words = blocked(&bench.plan(operation.clone()));
            assert!(words.contains(&why), "{path} {operation:?}: {words}");
        }
        let mut found = Vec::new();
        for operation in free {
            let plan = bench.plan(operation.clone());
            assert!(!blocked(&plan).contains(path), "{path} {operation:?}: {}", blocked(&plan));
            found = plan.findings;
        }
        assert!(found.iter().any(|one| one.code == "link-not-followed" && one.message.starts_with(&why)), "{path}");
        // As advised: then everything goes on.
        bench.mode("/home/anna", 0o755);
        assert!(!blocked(&bench.plan(leaving(false, false))).contains("is a link"), "{path}");
    }
}

#[test]
fn a_folder_that_really_is_one_of_the_systems_is_not_given_to_pot() {
    let bench = Bench::new(Scenario::Default);
    let rc_d = bench.root.join("usr/local/etc/rc.d");
    std::fs::create_dir_all(bench.root.join("home/anna")).unwrap();
    std::os::unix::fs::symlink("/usr/local/etc", bench.root.join("home/anna/c")).unwrap();
    let before = std::fs::metadata(&rc_d).unwrap();
    for name in ["POT_FS_ROOT", "POT_CACHE", "POT_TMP"] {
        let old = bench.read("/usr/local/etc/pot/pot.conf");
        bench.set(name, "/home/anna/c/rc.d");
        let plan = bench.plan(INIT);
        let words = blocked(&plan);
        assert!(words.contains(&format!("{name} cannot be `/home/anna/c/rc.d`: ")), "{name}: {words}");
        assert!(bench.start(&plan).is_err());
        bench.write("/usr/local/etc/pot/pot.conf", &old);
        // A version that brings it is held to the same.
        let bad = pot_console::files::Backups::of(&Layout::new(&bench.root, None))
            .keep("pot.conf", "/usr/local/etc/pot/pot.conf", format!("{name}=/home/anna/c/rc.d\n").as_bytes(), None)
            .unwrap();
        let plan = bench.plan(Operation::Restore { backup: bad.digest, file: ManagedFile::PotConf });
        assert!(blocked(&plan).contains("it really is `/usr/local/etc/rc.d`"), "{name}: {}", blocked(&plan));
        // Nor may anybody be able to turn the link later.
        bench.set(name, "/home/anna/pot");
        bench.mode("/home/anna", 0o777);
        let words = blocked(&bench.plan(INIT));
        assert!(words.contains("others can change `/home/anna`: give that to root"), "{name}: {words}");
        bench.mode("/home/anna", 0o755);
        assert!(!blocked(&bench.plan(INIT)).contains(&format!("{name} cannot be")), "{name}");
        bench.write("/usr/local/etc/pot/pot.conf", &old);
    }
    let after = std::fs::metadata(&rc_d).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!((before.mode(), before.gid()), (after.mode(), after.gid()));
}

#[test]
fn a_place_that_stands_and_is_not_used_blocks_nothing() {
    let bench = initialised();
    bench.set("POT_CACHE", "/home/anna/cache");
    bench.set("POT_EXPORT_PORTS_PF_RULES_HOOK", "/home/anna/hook");
    std::fs::create_dir_all(bench.root.join("home/anna")).unwrap();
    bench.mode("/home/anna", 0o777);
    let vnet = blocked(&bench.plan(VNET));
    assert!(!vnet.contains("POT_CACHE") && !vnet.contains("HOOK"), "{vnet}");
    assert!(blocked(&bench.plan(INIT)).contains("POT_CACHE cannot be"));
    // Removing pot is the way out of a bad place; removing its folder there is not.
    let pot_conf = bench.read("/usr/local/etc/pot/pot.conf");
    bench.set("POT_FS_ROOT", "/home/anna/pot");
    let de_init = blocked(&bench.plan(Operation::DeInit { stop_pots: false, minimal: false, pf_file: None }));
    assert!(!de_init.contains("POT_FS_ROOT cannot be"), "{de_init}");
    let clean_up = |item| blocked(&bench.plan(Operation::CleanUp { items: vec![item] }));
    assert!(clean_up(Leftover::FsRoot).contains("POT_FS_ROOT cannot be"));
    assert!(!clean_up(Leftover::NatRules).contains("POT_FS_ROOT cannot be"));
    bench.write("/usr/local/etc/pot/pot.conf", &pot_conf);
    // A version with the same places is no news.
    let text = format!("{}# the same\n", bench.read("/usr/local/etc/pot/pot.conf"));
    let same = pot_console::files::Backups::of(&Layout::new(&bench.root, None))
        .keep("pot.conf", "/usr/local/etc/pot/pot.conf", text.as_bytes(), None)
        .unwrap();
    let plan = bench.plan(Operation::Restore { backup: same.digest, file: ManagedFile::PotConf });
    assert_eq!(blocked(&plan), "");
}
