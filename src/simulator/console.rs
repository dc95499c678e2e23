//! The console itself as a service of the simulated host: `service pot_console start` serves it on that host.
//!
//! As with pidfile(3), a lock on the file with the process id tells whether it runs: the process holds it until it has
//! ended, however that comes.

use super::PROGRAM;
use super::call::{Call, Failure, Outcome, no_output};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The name of its rc.d script.
pub(crate) const NAME: &str = "pot_console";
const PID_FILE: &str = "/var/run/pot-console.pid";
/// What it prints.
const OUTPUT: &str = "/var/log/pot-console.log";
/// rc.subr(8) waits for ever; a test does not.
const PATIENCE: Duration = Duration::from_secs(60);

fn pid_file(call: &Call) -> std::io::Result<File> {
    let path = call.machine.path(PID_FILE);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Its process id while it runs.
pub(crate) fn pid(call: &Call) -> Option<i32> {
    let mut file = match Flock::lock(pid_file(call).ok()?, FlockArg::LockExclusiveNonblock) {
        Ok(_free) => return None,
        Err((held, _)) => held,
    };
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

pub(crate) fn service(call: &mut Call, action: &str) -> Outcome {
    match (action, pid(call)) {
        ("status", Some(pid)) => {
            call.say(format_args!("{NAME} is running as pid {pid}."));
            Ok(0)
        }
        ("status", None) => {
            call.say(format_args!("{NAME} is not running."));
            Ok(1)
        }
        ("start", Some(pid)) => {
            call.warn(format_args!("{NAME} already running?  (pid={pid})."));
            Ok(1)
        }
        ("start", None) => start(call),
        ("reload", Some(pid)) => {
            let _ = kill(Pid::from_raw(pid), Signal::SIGHUP);
            Ok(0)
        }
        ("stop", Some(pid)) => stop(call, pid),
        ("restart", Some(pid)) => {
            stop(call, pid)?;
            start(call)
        }
        ("restart", None) => {
            call.warn(format_args!("{NAME} not running? (check {PID_FILE})."));
            start(call)
        }
        ("stop" | "reload", None) => {
            call.warn(format_args!("{NAME} not running? (check {PID_FILE})."));
            Ok(1)
        }
        (other, _) => Err(Failure::new(1, format!("/usr/local/etc/rc.d/{NAME}: unknown directive '{other}'."))),
    }
}

fn start(call: &mut Call) -> Outcome {
    call.say(format_args!("Starting {NAME}."));
    let root = call.machine.root().to_owned();
    let Ok(lock) = Flock::lock(pid_file(call)?, FlockArg::LockExclusiveNonblock) else {
        return Err(Failure::new(1, format!("{NAME} already running?")));
    };
    let output = OpenOptions::new().append(true).create(true).mode(0o600).open(call.machine.path(OUTPUT))?;
    let mut command = Command::new(root.join(PROGRAM));
    command
        .arg("--root")
        .arg(&root)
        .arg("serve")
        .env_clear()
        .current_dir("/")
        // The lock goes with it, and is free again when it has ended.
        .stdin(Stdio::from(lock.try_clone()?))
        .stdout(output.try_clone().map_or_else(|_| no_output(), Stdio::from))
        .stderr(output)
        .process_group(0);
    let child = command.spawn()?;
    let mut file: &File = &lock;
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", child.id())?;
    // Unlocking would take the lock from the child, too: it is the same open file.
    std::mem::forget(lock);
    Ok(0)
}

fn stop(call: &mut Call, pid: i32) -> Outcome {
    call.say(format_args!("Stopping {NAME}."));
    call.say(format_args!("Waiting for PIDS: {pid}."));
    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    let begun = Instant::now();
    while self::pid(call).is_some() {
        if begun.elapsed() > PATIENCE {
            return Err(Failure::new(1, format!("{NAME}: process {pid} does not end")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(0)
}
