//! One command from its start to its end.

use super::lines::Splitter;
use super::tools::{Tool, Tools};
use crate::platform;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
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
    pub line_bytes: usize,
    /// Most bytes that are kept of each stream ([`capture`]) or handed out in all ([`stream`]); what follows is read
    /// and dropped.
    pub total_bytes: usize,
}

impl Default for Limits {
    /// 10 s, lines of 4 KiB, 1 MiB in all.
    fn default() -> Self {
        Self { time: Duration::from_secs(10), line_bytes: 4 << 10, total_bytes: 1 << 20 }
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

/// Which of its two streams a command wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
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
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
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
pub fn capture(
    tools: &Tools,
    tool: Tool,
    args: &[&str],
    stdin: Option<&[u8]>,
    limits: &Limits,
) -> Result<Captured, ProcessError> {
    let started = Instant::now();
    let (mut out, mut err, mut truncated) = (Vec::new(), Vec::new(), false);
    let running = Running::start(tools, tool, args, stdin)?;
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
        stdout: String::from_utf8_lossy(&out).into_owned(),
        stderr: String::from_utf8_lossy(&err).into_owned(),
        truncated,
        took: started.elapsed(),
    })
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
    let running = Running::start(tools, tool, args, stdin)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let follower = scope.spawn(move || {
            let mut out = Splitter::new(Stream::Out, limits.line_bytes);
            let mut err = Splitter::new(Stream::Err, limits.line_bytes);
            let mut room = limits.total_bytes;
            let mut full = false;
            let mut ready = |stream, text: String| {
                if full {
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
                        full = true;
                        (Stream::Err, format!("… more output is left out: {} bytes are kept", limits.total_bytes))
                    }
                };
                // Whoever listened may have gone; the command goes on.
                let _ = sender.send(OutputLine { time: Timestamp::now(), stream, text });
            };
            let ending =
                running.follow(stdin.unwrap_or_default(), limits.time, cancel, &mut |stream, bytes| match stream {
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
    fn start(tools: &Tools, tool: Tool, args: &[&str], stdin: Option<&[u8]>) -> Result<Self, ProcessError> {
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
        platform::prepare_command(&mut command);
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
        for end in [
            pipes.stdin.as_ref().map(AsFd::as_fd),
            pipes.out.as_ref().map(AsFd::as_fd),
            pipes.err.as_ref().map(AsFd::as_fd),
        ] {
            if let Some(end) = end {
                do_not_block(end)?;
            }
        }
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
}
