//! The simulated pot: the commands that the console meets, step by step as pot 0.16.1 takes them, its slips included.
//!
//! Everything but its own small files goes through the other simulated tools, found by PATH: a fault of one of them shows
//! here as it would on a real host. Who calls it does not matter: whoever owns the simulated root is its root.
//!
//! `run` is what every command has: its words, its options, the tools that it calls; `pots` what stands in pot's own files.
//! The others are the commands.

mod info;
mod init;
mod jail;
mod list;
mod network;
mod pots;
mod run;
mod show;

use super::call::{Call, Outcome};
use super::pot_settings::Settings;
use run::Run;

/// Commands that leave no trace in the log.
const SILENT: [&str; 8] = ["config", "get-rss", "info", "last-run-stats", "list", "ps", "show", "top"];
const COMMANDS: [(&str, &str); 18] = [
    ("help", "this list"),
    ("version", "pot's version"),
    ("config", "a value of the configuration"),
    ("list", "pots, bases, fs components, flavours, bridges"),
    ("show", "sizes of pots"),
    ("info", "one pot or bridge"),
    ("ps", "running pots"),
    ("init", "prepare the host"),
    ("de-init", "remove everything"),
    ("vnet-start", "start the internal network"),
    ("create-private-bridge", "a network of its own for some pots"),
    ("create", "a new pot"),
    ("clone", "a pot from another"),
    ("destroy", "remove a pot"),
    ("start", "run a pot"),
    ("stop", "end a pot"),
    ("snapshot", "keep a pot's state"),
    ("get-attribute", "read an attribute"),
];

pub(crate) fn pot(call: &mut Call) -> Outcome {
    let Some(settings) = Settings::read(&call.machine) else {
        call.say("###>  Fatal error! No default configuration file in /usr/local/etc/pot");
        return Ok(1);
    };
    for command in settings.commands() {
        if call.which(&command).is_none() {
            call.warn(format_args!("/usr/local/bin/pot: {command}: not found"));
        }
    }
    let args = std::mem::take(&mut call.args);
    let Some((given, args)) = args.split_first() else {
        usage(call);
        return Ok(1);
    };
    let command = match given.as_str() {
        "ls" => "list",
        "snap" => "snapshot",
        "get-attr" => "get-attribute",
        other => other,
    };
    if command == "help" {
        usage(call);
        return Ok(0);
    }
    if !COMMANDS.iter().any(|(known, _)| *known == command) {
        usage(call);
        return Ok(1);
    }
    let machine = call.machine.clone();
    if !matches!(command, "init" | "de-init" | "version") && !machine.path(settings.fs_root()).is_dir() {
        call.warn(format_args!("###>  {} does not exist, please run 'pot init'", settings.fs_root()));
        return Ok(1);
    }
    if matches!(command, "create" | "clone" | "create-private-bridge")
        && std::env::var("_POT_RECURSIVE").as_deref() != Ok("1")
    {
        // Runs itself once more, alone; only that run logs.
        let mut again = vec!["-k", "/tmp/pot-lock-file", "/usr/local/bin/pot", command];
        again.extend(args.iter().map(String::as_str));
        return run_again(call, &again);
    }
    if !SILENT.contains(&command) {
        let facility = format!("{}.info", settings.value("POT_LOG_FACILITY"));
        let line = format!("pot-{command} {}", args.join(" "));
        call.run("logger", &["-p", &facility, "-t", "pot", &line]);
    }
    let mut run = Run::new(call, settings);
    match command {
        "init" => init::init(&mut run, args),
        "vnet-start" => network::vnet_start(&mut run, args),
        "de-init" => init::de_init(&mut run, args),
        "create-private-bridge" => network::create_private_bridge(&mut run, args),
        "show" => show::show(&mut run, args),
        "list" => list::list(&mut run, args),
        "ps" => list::ps(&mut run, args),
        "info" => info::info(&mut run, args),
        "config" => info::config(&mut run, args),
        "version" => info::version(&mut run, args),
        "create" | "clone" => jail::create(&mut run, command, args),
        "destroy" => jail::destroy(&mut run, args),
        "start" => jail::start(&mut run, args),
        "stop" => jail::stop(&mut run, args),
        "snapshot" => jail::snapshot(&mut run, args),
        "get-attribute" => info::get_attribute(&mut run, args),
        _ => Ok(1),
    }
}

fn run_again(call: &mut Call, args: &[&str]) -> Outcome {
    let Some(lockf) = call.which("lockf") else {
        call.warn("lockf: not found");
        return Ok(127);
    };
    call.flush();
    let path = std::env::join_paths(call.search_path()).unwrap_or_default();
    let status = std::process::Command::new(lockf).args(args).env("PATH", path).env("_POT_RECURSIVE", "1").status()?;
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

fn usage(call: &mut Call) {
    call.say("Usage: pot command [options]\n\nCommands (simulated):");
    for (name, what) in COMMANDS {
        call.say(format_args!("    {name:<22} {what}"));
    }
}
