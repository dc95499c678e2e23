//! What values may name: by place and not by name, and programs that root chose.

use crate::rig::{Rig, edit, kind, save};
use pot_console::executor::local::Local;
use pot_console::executor::protocol::{Command, ConfigurationView, FileView, LogFiles, Reply, Saved};
use pot_console::plan::{ManagedFile, Operation};
use pot_console::refusal::{Refusal, RefusalKind};
use pot_console::secret::Secret;
use pot_console::settings::Settings;
use std::os::unix::fs::PermissionsExt as _;

const HOOK: &str = "POT_EXPORT_PORTS_PF_RULES_HOOK";
const KEY: &str = "POT_DEFAULT_SIGNATURE_PUBKEY";

fn set(rig: &Rig, token: &Secret, name: &str, value: &str) -> Result<Reply, Refusal> {
    let mut wire = rig.connect();
    let base = wire.configuration(Some(token)).digest;
    wire.ask(Some(token), save(base, vec![edit(name, value)]))
}

fn program(rig: &Rig, path: &str) {
    let here = rig.layout.on_disk(path);
    std::fs::create_dir_all(here.parent().unwrap()).unwrap();
    std::fs::write(&here, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_folder_is_saved_only_where_root_alone_can_turn_the_way_to_it() {
    let rig = Rig::new();
    let anna = rig.sign_in("anna");
    let home = rig.layout.on_disk("/home/anna");
    std::fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::symlink("/usr/local/etc", home.join("c")).unwrap();
    std::os::unix::fs::symlink("/home/anna", rig.layout.on_disk("/srv")).unwrap();
    for name in ["POT_FS_ROOT", "POT_CACHE", "POT_TMP"] {
        // A system folder under another name.
        let refusal = set(&rig, &anna, name, "/home/anna/c/rc.d").unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Limit, "{name}: {refusal:?}");
        assert!(refusal.message.contains("it really is `/usr/local/etc/rc.d`"), "{name}: {}", refusal.message);
        assert_eq!(refusal.field.as_deref(), Some(name));
        // One that its owner can turn tomorrow, by its name and by a link of root's.
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o775)).unwrap();
        for value in ["/home/anna/pot", "/srv/pot"] {
            let refusal = set(&rig, &anna, name, value).unwrap_err();
            assert!(refusal.message.contains("others can change `/home/anna`"), "{name}: {}", refusal.message);
        }
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert!(matches!(set(&rig, &anna, "POT_TMP", "/tmp"), Ok(Reply::Saved { .. })));
    assert!(matches!(set(&rig, &anna, "POT_CACHE", "/srv/cache"), Ok(Reply::Saved { .. })));
    // What stands is no reason to refuse another change.
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(set(&rig, &anna, "POT_LOG_FACILITY", "local3"), Ok(Reply::Saved { .. })));
}

#[test]
fn a_hook_or_key_is_one_that_root_named_or_wrote() {
    let rig = Rig::new();
    let anna = rig.sign_in("anna");
    let chosen = "/usr/local/libexec/pot-hook";
    program(&rig, chosen);
    program(&rig, "/usr/bin/yes");
    program(&rig, "/usr/local/etc/key.pub");
    let refused = |name: &str, value: &str| {
        let refusal = set(&rig, &anna, name, value).unwrap_err();
        assert_eq!((refusal.kind, refusal.field.as_deref()), (RefusalKind::Limit, Some(name)), "{refusal:?}");
        assert!(refusal.message.contains("must be named in root's settings"), "{}", refusal.message);
    };
    refused(HOOK, "/usr/bin/yes");
    refused(HOOK, chosen);
    refused(KEY, "/usr/local/etc/key.pub");
    let named = |hooks: &[&str], public_keys: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let settings = Settings { hooks: owned(hooks), public_keys: owned(public_keys), ..Settings::default() };
        rig.executor.replace_settings(settings);
    };
    named(&[chosen], &["/usr/local/etc/key.pub"]);
    refused(HOOK, "/usr/bin/yes");
    refused(HOOK, "/usr/local/etc/key.pub");
    assert!(matches!(set(&rig, &anna, HOOK, chosen), Ok(Reply::Saved { .. })));
    assert!(matches!(set(&rig, &anna, KEY, "/usr/local/etc/key.pub"), Ok(Reply::Saved { .. })));
    // One that stands is used on, whatever the settings say by now; taken out it does not come back.
    named(&[], &[]);
    assert!(matches!(set(&rig, &anna, "POT_LOG_FACILITY", "local4"), Ok(Reply::Saved { .. })));
    let backups = rig.connect().ask(Some(&anna), Command::Backups { file: Some(ManagedFile::PotConf) }).unwrap();
    assert!(matches!(set(&rig, &anna, HOOK, ""), Ok(Reply::Saved { .. })));
    let Reply::Backups { backups } = backups else { panic!("{backups:?}") };
    let with_hook = backups.iter().map(|backup| backup.digest).find(|digest| {
        let version = Command::Backup { file: ManagedFile::PotConf, digest: *digest };
        let Ok(Reply::File(FileView { bytes, .. })) = rig.connect().ask(Some(&anna), version) else { return false };
        String::from_utf8_lossy(&bytes).contains(&format!("{HOOK}={chosen}"))
    });
    let operation = Operation::Restore { backup: with_hook.unwrap(), file: ManagedFile::PotConf };
    assert_eq!(kind(rig.connect().ask(Some(&anna), Command::Plan { operation })), RefusalKind::Limit);

    // root's terminal may choose any that root alone can change.
    let mut terminal = Local::open(&rig.layout).unwrap();
    let view: ConfigurationView = terminal.ask(Command::Configuration {}).unwrap();
    terminal.ask::<Saved>(save(view.digest, vec![edit(HOOK, "/usr/bin/yes")])).unwrap();
    assert!(matches!(set(&rig, &anna, "POT_LOG_FACILITY", "local5"), Ok(Reply::Saved { .. })));
}

#[test]
fn a_rotated_log_that_is_another_name_of_a_file_of_roots_is_not_shown() {
    let rig = Rig::new();
    let vera = rig.sign_in("vera");
    let folder = rig.layout.on_disk("/home/anna/log");
    std::fs::create_dir_all(&folder).unwrap();
    let syslog = rig.layout.on_disk("/usr/local/etc/syslog.d/places.conf");
    std::fs::create_dir_all(syslog.parent().unwrap()).unwrap();
    std::fs::write(syslog, "local6.*\t/home/anna/log/pot.log\n").unwrap();
    std::fs::write(folder.join("pot.log"), "").unwrap();
    let secret = rig.layout.on_disk("/etc/master.passwd");
    std::fs::write(&secret, "root:secret\n").unwrap();
    std::fs::hard_link(&secret, folder.join("pot.log.0")).unwrap();
    let anna = rig.sign_in("anna");
    assert!(matches!(set(&rig, &anna, "POT_LOG_FACILITY", "local6"), Ok(Reply::Saved { .. })));
    rig.connect().ask(Some(&anna), Command::Facts { refresh: true }).unwrap();
    crate::main_path::until("the log's files", || {
        let files = rig.connect().ask(Some(&vera), Command::LogFiles {});
        matches!(files, Ok(Reply::LogFiles(LogFiles { files, .. })) if files.len() == 2)
    });
    let open = |generation| rig.connect().ask(Some(&vera), Command::OpenLog { generation });
    assert!(matches!(open(1), Ok(Reply::LogOpened { .. })), "root's own folder");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(kind(open(1)), RefusalKind::Forbidden);
    assert!(matches!(open(0), Ok(Reply::LogOpened { .. })));
}
