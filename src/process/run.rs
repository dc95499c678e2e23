//! One command from its start to its end.

use super::lines::{Splitter, Stream};
use super::tools::{Tool, Tools};
use crate::platform;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::cell::Cell;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Between asking a process group to end (TERM) and ending it (KILL).
const GRACE: Duration = Duration::from_secs(2);
/// How often cancellation and the end of a group are looked at.
const TICK: Duration = Duration::from_millis(25);
/// What may still be read after the command has ended: more than any pipe holds, so that a daemon which goes on
/// writing cannot hold the reader.
const AFTER_EXIT: usize = 4 << 20;

/// What one command may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// Longest line in bytes that [`stream`] hands out; the rest of a longer one is dropped.
    pub(crate) line_bytes: usize,
    /// Most bytes that are kept of each stream ([`capture`]) or handed out in all ([`stream`]); what follows is read
    /// and dropped.
    pub(crate) total_bytes: usize,
    /// Whether it is killed when this process ends, so that it does not go on changing what another one then puts back.
    /// Else it goes on by itself: what a package manager or ZFS has begun is not to be cut off.
    pub(crate) ends_with_us: bool,
}

impl Default for Limits {
    /// 10 s, lines of 4 KiB, 1 MiB in all, going on by itself.
    fn default() -> Self {
        Self { time: Duration::from_secs(10), line_bytes: 4 << 10, total_bytes: 1 << 20, ends_with_us: false }
    }
}

/// A command's whole output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Exit status; none when a signal or the time limit ended it.
    pub status: Option<i32>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// Whether more was written than the limit keeps.
    pub truncated: bool,
    /// How long it ran.
    pub took: Duration,
}

impl Captured {
    /// Whether it exited with status 0.
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }
}

/// How a streamed command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this status.
    Exited(i32),
    /// By this signal, which was not ours.
    Signalled(i32),
    /// It ran longer than its limit and was ended.
    TimedOut,
    /// It was cancelled and ended.
    Aborted,
}

/// One line of a running command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// When it was read.
    pub time: Timestamp,
    /// Where it was written to.
    pub stream: Stream,
    /// Without its newline; control characters made harmless, invalid UTF-8 replaced.
    pub text: String,
}

/// Ends a running command from another thread. Clones belong together.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Not cancelled yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels, for good.
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is not there.
    #[error("{tool} is not installed on this host", tool = .0.name())]
    NotInstalled(Tool),
    /// It could not be started.
    #[error("{path} could not be started: {source}")]
    Start {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was started, but could not be followed; it was ended.
    #[error("{tool} was ended because its output could not be read: {source}", tool = .tool.name())]
    Follow {
        /// The tool.
        tool: Tool,
        /// Why.
        source: io::Error,
    },
}

/// Runs a command to its end and keeps its output.
///
/// # Errors
/// Only when it could not be run; a failing command is an answer.
pub(crate) fn capture(
    tools: &Tools,
    tool: Tool,
    args: &[&str],
    stdin: Option<&[u8]>,
    limits: &Limits,
) -> Result<Captured, ProcessError> {
    let started = Instant::now();
    let (mut out, mut err, mut truncated) = (Vec::new(), Vec::new(), false);
    let running = Running::start(tools, tool, args, stdin, limits.ends_with_us)?;
    let ending = running.follow(stdin.unwrap_or_default(), limits.time, &Cancel::new(), &mut |stream, bytes| {
        let kept: &mut Vec<u8> = match stream {
            Stream::Out => &mut out,
            Stream::Err => &mut err,
        };
        let room = limits.total_bytes - kept.len().min(limits.total_bytes);
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        truncated |= bytes.len() > room;
    })?;
    Ok(Captured {
        status: if let Ending::Exited(status) = ending { Some(status) } else { None },
        timed_out: ending == Ending::TimedOut,
        stdout: text(out),
        stderr: text(err),
        truncated,
        took: started.elapsed(),
    })
}

/// Bytes as text, not copied where they are it.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Runs a command to its end and hands out its lines as they come. The command never waits for `sink`: lines are
/// kept (up to the limit on their total) while it is busy.
///
/// # Errors
/// Only when it could not be run; a failing command is an answer.
pub fn stream(
    tools: &Tools,
    tool: Tool,
    args: &[&str],
    stdin: Option<&[u8]>,
    limits: &Limits,
    cancel: &Cancel,
    sink: &mut dyn FnMut(OutputLine),
) -> Result<Ending, ProcessError> {
    let running = Running::start(tools, tool, args, stdin, limits.ends_with_us)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let follower = scope.spawn(move || {
            let mut out = Splitter::new(Stream::Out, limits.line_bytes);
            let mut err = Splitter::new(Stream::Err, limits.line_bytes);
            let mut room = limits.total_bytes;
            let full = Cell::new(false);
            let mut ready = |stream, text: String| {
                if full.get() {
                    return;
                }
                // An empty line takes memory, too.
                let cost = text.len() + size_of::<OutputLine>();
                let (stream, text) = match room.checked_sub(cost) {
                    Some(left) => {
                        room = left;
                        (stream, text)
                    }
                    None => {
                        full.set(true);
                        (Stream::Err, format!("… more output is left out: {} bytes are kept", limits.total_bytes))
                    }
                };
                // Whoever listened may have gone; the command goes on.
                let _ = sender.send(OutputLine { time: Timestamp::now(), stream, text });
            };
            let ending =
                running.follow(stdin.unwrap_or_default(), limits.time, cancel, &mut |stream, bytes| match stream {
                    // A command that floods is not held up by what nobody will see.
                    _ if full.get() => {}
                    Stream::Out => out.push(bytes, &mut ready),
                    Stream::Err => err.push(bytes, &mut ready),
                });
            out.finish(&mut ready);
            err.finish(&mut ready);
            ending
        });
        for line in receiver {
            sink(line);
        }
        follower.join().unwrap_or_else(|_| {
            Err(ProcessError::Follow { tool, source: io::Error::other("the thread that followed it has died") })
        })
    })
}

/// A started command, the leader of its own process group, not yet waited for.
struct Running {
    tool: Tool,
    child: Child,
    group: Pid,
}

impl Running {
    fn start(
        tools: &Tools,
        tool: Tool,
        args: &[&str],
        stdin: Option<&[u8]>,
        ends_with_us: bool,
    ) -> Result<Self, ProcessError> {
        let path = tools.path(tool).ok_or(ProcessError::NotInstalled(tool))?;
        let mut command = Command::new(path);
        command
            .args(args)
            .env_clear()
            .env("PATH", tools.search_path())
            .env("HOME", "/")
            .env("LC_ALL", "C")
            // pot sets the same: addresses with their prefix only where it asks for them.
            .env("IFCONFIG_FORMAT", "addr:default")
            .current_dir(tools.root())
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        platform::prepare_command(&mut command, ends_with_us);
        let child = spawn(&mut command).map_err(|source| ProcessError::Start { path: path.to_owned(), source })?;
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        Ok(Self { tool, child, group })
    }

    /// Feeds and reads it until it ends, is cancelled or has used up its time.
    fn follow(
        mut self,
        stdin: &[u8],
        time: Duration,
        cancel: &Cancel,
        take: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Ending, ProcessError> {
        let tool = self.tool;
        self.try_follow(stdin, time, cancel, take).map_err(|source| {
            // Nothing may run on that no one follows.
            let _ = killpg(self.group, Signal::SIGKILL);
            let _ = self.child.wait();
            ProcessError::Follow { tool, source }
        })
    }

    fn try_follow(
        &mut self,
        stdin: &[u8],
        time: Duration,
        cancel: &Cancel,
        take: &mut dyn FnMut(Stream, &[u8]),
    ) -> io::Result<Ending> {
        // A time beyond what the clock can hold is no limit.
        let deadline = Instant::now().checked_add(time);
        let mut pipes = Pipes::of(&mut self.child, stdin)?;
        let group = self.group;
        // A thread waits for the end and tells it by closing this socket, so that poll(2) sees it at once. The dead
        // process is not reaped yet: its number stays ours to signal.
        let (exited, tell) = std::os::unix::net::UnixStream::pair()?;
        std::thread::Builder::new().name("wait".to_owned()).spawn(move || {
            while waitid(Id::Pid(group), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
            drop(tell);
        })?;

        let mut stopping: Option<(Ending, Instant)> = None;
        let mut killed = false;
        loop {
            let ended = pipes.wait(exited.as_fd(), take)?;
            let now = Instant::now();
            match &stopping {
                None if ended => break,
                None if cancel.is_cancelled() => stopping = Some((Ending::Aborted, now + GRACE)),
                None if deadline.is_some_and(|deadline| now >= deadline) => {
                    stopping = Some((Ending::TimedOut, now + GRACE));
                }
                None => continue,
                Some(_) if ended => break,
                Some((ending, kill_at)) => {
                    if now >= *kill_at && !killed {
                        killed = true;
                        let _ = killpg(group, Signal::SIGKILL);
                    }
                    if now >= *kill_at + GRACE {
                        // It hangs in the kernel (a dead disk). It ends when that lets go of it; we do not wait.
                        return Ok(*ending);
                    }
                    continue;
                }
            }
            let _ = killpg(group, Signal::SIGTERM);
        }
        pipes.drain(take)?;
        let status = self.child.wait()?;
        let Some((ending, kill_at)) = stopping else {
            return Ok(match (status.code(), status.signal()) {
                (Some(code), _) => Ending::Exited(code),
                (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
            });
        };
        end_group(group, kill_at, &mut || pipes.drain(take));
        pipes.drain(take)?;
        Ok(ending)
    }
}

/// A program that is being written this moment (by an upgrade) can be started a moment later.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..20 {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::sleep(TICK),
            other => return other,
        }
    }
    command.spawn()
}

/// What the leader left behind in its group ends, too: it had its TERM, at `kill_at` it is killed. The leader is
/// reaped, so an empty group answers ESRCH; as long as one member lives no new process gets the number.
fn end_group(group: Pid, kill_at: Instant, drain: &mut dyn FnMut() -> io::Result<()>) {
    while killpg(group, None) != Err(Errno::ESRCH) {
        if Instant::now() >= kill_at {
            let _ = killpg(group, Signal::SIGKILL);
            return;
        }
        // A member that writes its last words must not block on a full pipe.
        let _ = drain();
        std::thread::sleep(TICK);
    }
}

/// Our ends of a command's pipes; none once closed.
struct Pipes<'a> {
    stdin: Option<std::process::ChildStdin>,
    input: &'a [u8],
    out: Option<std::process::ChildStdout>,
    err: Option<std::process::ChildStderr>,
    buffer: Vec<u8>,
}

impl<'a> Pipes<'a> {
    fn of(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        let mut pipes = Self {
            stdin: child.stdin.take(),
            input,
            out: child.stdout.take(),
            err: child.stderr.take(),
            buffer: vec![0; 64 << 10],
        };
        let ends = [
            pipes.stdin.as_ref().map(AsFd::as_fd),
            pipes.out.as_ref().map(AsFd::as_fd),
            pipes.err.as_ref().map(AsFd::as_fd),
        ];
        ends.into_iter().flatten().try_for_each(do_not_block)?;
        pipes.feed()?;
        Ok(pipes)
    }

    /// Waits for something to happen, at most one tick; moves bytes. True when the command has ended.
    fn wait(&mut self, exited: BorrowedFd<'_>, take: &mut dyn FnMut(Stream, &[u8])) -> io::Result<bool> {
        let mut watched = vec![PollFd::new(exited, PollFlags::POLLIN)];
        if let Some(stdin) = &self.stdin {
            watched.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
        }
        if let Some(out) = &self.out {
            watched.push(PollFd::new(out.as_fd(), PollFlags::POLLIN));
        }
        if let Some(err) = &self.err {
            watched.push(PollFd::new(err.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut watched, PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ended = watched.first().is_some_and(|exit| exit.revents().is_some_and(|events| !events.is_empty()));
        self.feed()?;
        self.read(self.buffer.len(), take)?;
        Ok(ended)
    }

    fn feed(&mut self) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        while !self.input.is_empty() {
            match stdin.write(self.input) {
                Ok(count) => self.input = &self.input[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It does not want to read on, which is its right.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error),
            }
        }
        self.stdin = None;
        Ok(())
    }

    /// Reads what is there, at most `limit` bytes of each stream (and one buffer more).
    fn read(&mut self, limit: usize, take: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        if let Some(out) = &mut self.out
            && read_some(out, &mut self.buffer, limit, &mut |bytes| take(Stream::Out, bytes))?
        {
            self.out = None;
        }
        if let Some(err) = &mut self.err
            && read_some(err, &mut self.buffer, limit, &mut |bytes| take(Stream::Err, bytes))?
        {
            self.err = None;
        }
        Ok(())
    }

    fn drain(&mut self, take: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        self.read(AFTER_EXIT, take)
    }
}

/// True at the end of the file.
fn read_some(
    pipe: &mut dyn io::Read,
    buffer: &mut [u8],
    limit: usize,
    take: &mut dyn FnMut(&[u8]),
) -> io::Result<bool> {
    let mut total = 0;
    while total < limit {
        match pipe.read(buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => {
                total += count;
                take(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn do_not_block(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::patience::PATIENCE;
    use std::os::unix::fs::PermissionsExt as _;

    /// A host whose only tools are these shell scripts.
    fn host(scripts: &[(Tool, &str)]) -> (tempfile::TempDir, Tools) {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("usr/local/bin");
        std::fs::create_dir_all(&bin).unwrap();
        for (tool, script) in scripts {
            let path = bin.join(tool.name());
            // The real machine's folders are not on a command's path.
            std::fs::write(&path, format!("#!/bin/sh\nPATH=$PATH:/usr/bin:/bin\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let tools = Tools::find(&Layout::new(dir.path(), None));
        (dir, tools)
    }

    fn lines(tools: &Tools, args: &[&str], limits: &Limits, cancel: &Cancel) -> (Ending, Vec<OutputLine>) {
        let mut lines = Vec::new();
        let ending = stream(tools, Tool::Pot, args, None, limits, cancel, &mut |line| lines.push(line)).unwrap();
        (ending, lines)
    }

    #[test]
    fn arguments_and_input_arrive_as_they_are() {
        let (_dir, tools) = host(&[(Tool::Pot, r#"printf '[%s]' "$@"; cat; echo oops >&2; exit 3"#)]);
        let answer =
            capture(&tools, Tool::Pot, &["a b", "$(id)", "'", ""], Some(b"in\nput"), &Limits::default()).unwrap();
        assert_eq!(answer.stdout, "[a b][$(id)]['][]in\nput");
        assert_eq!((answer.stderr.as_str(), answer.status), ("oops\n", Some(3)));
        assert!(matches!(
            capture(&tools, Tool::Zfs, &[], None, &Limits::default()),
            Err(ProcessError::NotInstalled(Tool::Zfs))
        ));
    }

    #[test]
    fn the_environment_is_clean_and_no_descriptor_leaks() {
        let script =
            r"/usr/bin/env | sort; pwd; for n in 3 4 5 6 7 8 9; do (: <&$n) 2>/dev/null && echo leak $n; done; cat";
        let (dir, tools) = host(&[(Tool::Pot, script)]);
        // A descriptor that someone forgot to mark.
        let leaky = nix::unistd::dup(io::stdin()).unwrap();
        let answer = capture(&tools, Tool::Pot, &[], None, &Limits::default()).unwrap();
        drop(leaky);
        let mut root = dir.path().to_str().unwrap().to_owned();
        let path: Vec<_> = ["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
            .iter()
            .map(|folder| format!("{root}{folder}"))
            .collect();
        let text = answer.stdout.replace(":/usr/bin:/bin\n", "\n");
        root.push('\n');
        let lines: Vec<_> =
            text.lines().filter(|line| !line.starts_with("_=") && !line.starts_with("SHLVL=")).collect();
        let wanted_path = format!("PATH={}", path.join(":"));
        let mut wanted = vec!["HOME=/", "IFCONFIG_FORMAT=addr:default", "LC_ALL=C", &wanted_path];
        let pwd = format!("PWD={}", root.trim());
        if lines.iter().any(|line| line.starts_with("PWD=")) {
            wanted.push(&pwd);
        }
        wanted.push(root.trim());
        assert_eq!(lines, wanted);
    }

    #[test]
    fn a_hanging_command_is_ended_at_its_time_limit_with_all_its_children() {
        let (dir, tools) = host(&[(Tool::Pot, "sleep 600 & echo $! > child; echo started; wait")]);
        let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
        let answer = capture(&tools, Tool::Pot, &[], None, &limits).unwrap();
        assert!(answer.timed_out && answer.status.is_none() && answer.stdout == "started\n", "{answer:?}");
        // Not when its children would have ended.
        assert!(answer.took < PATIENCE, "{answer:?}");
        assert!(is_gone(dir.path()));
    }

    /// Whether the process whose number stands in the file `child` ends soon.
    fn is_gone(dir: &std::path::Path) -> bool {
        let number: i32 = std::fs::read_to_string(dir.join("child")).unwrap().trim().parse().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match nix::sys::signal::kill(Pid::from_raw(number), None) {
                Err(Errno::ESRCH) => return true,
                _ if is_zombie(number) => return true,
                _ => std::thread::sleep(TICK),
            }
        }
        false
    }

    /// Where nobody reaps orphans (a container's first process), the dead stay in the table.
    fn is_zombie(number: i32) -> bool {
        let output = Command::new("ps").args(["-o", "stat=", "-p", &number.to_string()]).output();
        output.is_ok_and(|output| output.stdout.starts_with(b"Z"))
    }

    #[test]
    fn cancelling_kills_the_whole_group_even_when_it_ignores_being_asked() {
        let script = "trap '' TERM; (trap '' TERM; sleep 600; :) & echo $! > child; echo started; sleep 600; sleep 600";
        let (dir, tools) = host(&[(Tool::Pot, script)]);
        let cancel = Cancel::new();
        let mut lines = Vec::new();
        let started = Instant::now();
        let ending = stream(&tools, Tool::Pot, &[], None, &Limits::default(), &cancel, &mut |line| {
            cancel.cancel();
            lines.push(line.text);
        })
        .unwrap();
        assert_eq!((ending, lines), (Ending::Aborted, vec!["started".to_owned()]));
        assert!(started.elapsed() >= GRACE && started.elapsed() < PATIENCE);
        assert!(is_gone(dir.path()));
    }

    #[test]
    fn cancelling_ends_a_member_that_outlives_its_leader() {
        let script = "(trap '' TERM; while :; do sleep 1; done) & echo $! > child; echo started; sleep 600";
        let (dir, tools) = host(&[(Tool::Pot, script)]);
        let cancel = Cancel::new();
        let ending =
            stream(&tools, Tool::Pot, &[], None, &Limits::default(), &cancel, &mut |_| cancel.cancel()).unwrap();
        assert_eq!(ending, Ending::Aborted);
        assert!(is_gone(dir.path()));
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_does_not_keep_the_command() {
        let (dir, tools) = host(&[(Tool::Service, "sleep 600 & echo $! > child; echo done; exit 4")]);
        let started = Instant::now();
        let answer = capture(&tools, Tool::Service, &[], None, &Limits::default()).unwrap();
        assert_eq!((answer.stdout.as_str(), answer.status), ("done\n", Some(4)));
        assert!(started.elapsed() < PATIENCE, "it waited for the daemon");
        let number: i32 = std::fs::read_to_string(dir.path().join("child")).unwrap().trim().parse().unwrap();
        // The daemon itself lives on.
        nix::sys::signal::kill(Pid::from_raw(number), Signal::SIGKILL).unwrap();
    }

    #[test]
    fn a_daemon_that_writes_without_end_does_not_keep_the_command() {
        let (dir, tools) = host(&[(Tool::Service, "yes & echo $! > child; sleep 0.2; exit 0")]);
        let limits = Limits { time: Duration::from_secs(20), ..Limits::default() };
        let answer = capture(&tools, Tool::Service, &[], None, &limits).unwrap();
        assert!(answer.status == Some(0) && answer.truncated, "{:?} {}", answer.status, answer.truncated);
        let number: i32 = std::fs::read_to_string(dir.path().join("child")).unwrap().trim().parse().unwrap();
        let _ = nix::sys::signal::kill(Pid::from_raw(number), Signal::SIGKILL);
    }

    #[test]
    fn a_hundred_megabytes_are_read_and_dropped() {
        let (_dir, tools) = host(&[(Tool::Pot, "head -c 104857600 /dev/zero; echo end >&2")]);
        let limits = Limits { time: Duration::from_mins(1), ..Limits::default() };
        let answer = capture(&tools, Tool::Pot, &[], None, &limits).unwrap();
        assert_eq!((answer.status, answer.stdout.len(), answer.truncated), (Some(0), 1 << 20, true));
        assert_eq!(answer.stderr, "end\n");

        let (_dir, tools) = host(&[(Tool::Pot, "yes 0123456789 | head -c 104857600; exit 5")]);
        let limits = Limits { total_bytes: 10_000, ..limits };
        let (ending, lines) = lines(&tools, &[], &limits, &Cancel::new());
        assert_eq!(ending, Ending::Exited(5));
        assert!(lines.len() < 200, "{}", lines.len());
        assert!(lines.last().unwrap().text.contains("left out"));
    }

    #[test]
    fn long_lines_are_cut_and_bad_bytes_made_harmless() {
        let script = r"printf 'a\377b\033[31mred\033[0m\007\n'; head -c 9000 /dev/zero | tr '\0' x; printf '\r\nlast'";
        let (_dir, tools) = host(&[(Tool::Pot, script)]);
        let (ending, lines) = lines(&tools, &[], &Limits::default(), &Cancel::new());
        assert_eq!(ending, Ending::Exited(0));
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!((texts[0], texts[2]), ("a\u{fffd}bred␇", "last"));
        assert_eq!(texts[1], format!("{}…", "x".repeat(4096)));
    }

    #[test]
    fn a_listener_that_sleeps_does_not_hold_the_command() {
        let (dir, tools) = host(&[(Tool::Pot, "yes | head -n 5000; : > ended")]);
        let ended = dir.path().join("ended");
        let mut before = None;
        stream(&tools, Tool::Pot, &[], None, &Limits::default(), &Cancel::new(), &mut |_| {
            if before.is_none() {
                // The first line alone is taken; meanwhile the command writes the rest and ends.
                for _ in 0..200 {
                    if ended.exists() {
                        break;
                    }
                    std::thread::sleep(TICK);
                }
                before = Some(ended.exists());
            }
        })
        .unwrap();
        assert_eq!(before, Some(true));
    }

    #[test]
    fn input_that_is_not_read_does_no_harm() {
        let (_dir, tools) = host(&[(Tool::Pot, "exec <&-; sleep 0.1; echo fine")]);
        let input = vec![b'x'; 1 << 20];
        let answer = capture(&tools, Tool::Pot, &[], Some(&input), &Limits::default()).unwrap();
        assert_eq!((answer.stdout.as_str(), answer.status), ("fine\n", Some(0)));
        let (_dir, tools) = host(&[(Tool::Pot, "cat")]);
        let answer = capture(&tools, Tool::Pot, &[], Some(&input), &Limits::default()).unwrap();
        assert_eq!(answer.stdout.len(), input.len());
    }

    #[test]
    fn a_signal_that_ends_a_command_is_no_status() {
        let (_dir, tools) = host(&[(Tool::Pot, "kill -SEGV $$")]);
        assert_eq!(capture(&tools, Tool::Pot, &[], None, &Limits::default()).unwrap().status, None);
        assert_eq!(lines(&tools, &[], &Limits::default(), &Cancel::new()).0, Ending::Signalled(11));
    }

    #[test]
    fn a_tool_is_found_after_it_was_installed() {
        let (dir, mut tools) = host(&[]);
        assert_eq!(tools.path(Tool::Potnet), None);
        let path = dir.path().join("usr/local/bin/potnet");
        std::fs::write(&path, "#!/no/such/interpreter\n").unwrap();
        tools.refresh();
        assert_eq!(tools.path(Tool::Potnet), None);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        tools.refresh();
        assert_eq!(tools.path(Tool::Potnet), Some(path.as_path()));
        assert!(matches!(
            capture(&tools, Tool::Potnet, &[], None, &Limits::default()),
            Err(ProcessError::Start { .. })
        ));
    }
}
