//! How long programs take from their start: read commands beside `/bin/true` and `potnet config-check`, and the console
//! until its first answer.
//!
//! `cargo bench --bench start` (or `--profile dist`). potnet is the program that `POT_CONSOLE_POTNET` names, or
//! `target/oracle/bin/potnet`; without one its line is missing. Ends with status 1 when a promise is not kept.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const CONSOLE: &str = env!("CARGO_BIN_EXE_pot-console");
/// Starts of each program; they take turns, so that all meet the same machine.
const ROUNDS: usize = 100;
const DEMOS: usize = 5;

fn main() -> anyhow::Result<ExitCode> {
    let commands = commands()?;
    let servers = servers()?;
    Ok(if commands && servers { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn simulate(root: &Path, scenario: &str) -> anyhow::Result<()> {
    let built = Command::new(CONSOLE).arg("simulate").arg(root).args(["--scenario", scenario]).output()?;
    anyhow::ensure!(built.status.success(), "simulate: {built:?}");
    Ok(())
}

struct Program {
    name: &'static str,
    command: Command,
    /// What it may take: so many times as long as `/bin/true`, and no longer than potnet.
    times_true: Option<f64>,
    as_potnet: bool,
    times: Vec<Duration>,
}

fn commands() -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("host");
    simulate(&root, "busy")?;
    let path = std::env::join_paths([root.join("usr/local/bin"), PathBuf::from("/usr/bin"), PathBuf::from("/bin")])?;
    let program = |name, program: &Path, args: &[&str], times_true, as_potnet| {
        let mut command = Command::new(program);
        command.args(args).env("PATH", &path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Program { name, command, times_true, as_potnet, times: Vec::new() }
    };
    let at = root.to_str().unwrap_or_default();
    let console = Path::new(CONSOLE);
    let mut programs = vec![
        program("/bin/true", Path::new("/bin/true"), &[], None, false),
        program("--version", console, &["--version"], Some(3.0), false),
        program("check --offline", console, &["--root", at, "check", "--offline"], None, true),
        program("conf show", console, &["--root", at, "conf", "show"], None, false),
        program("activity --limit 1", console, &["--root", at, "activity", "--limit", "1"], None, false),
        program("licences", console, &["licences"], None, false),
    ];
    let potnet =
        std::env::var_os("POT_CONSOLE_POTNET").map_or_else(|| PathBuf::from("target/oracle/bin/potnet"), PathBuf::from);
    if potnet.exists() {
        programs.push(program("potnet config-check", &potnet.canonicalize()?, &["config-check"], None, false));
    }
    for round in 0..ROUNDS + 5 {
        for program in &mut programs {
            let start = Instant::now();
            let status = program.command.status()?;
            let took = start.elapsed();
            // check finds warnings at most, potnet may find fault with what pot-console only warns of.
            anyhow::ensure!(status.code().is_some(), "{}: {status}", program.name);
            // The first ones warm the caches.
            if round >= 5 {
                program.times.push(took);
            }
        }
    }
    println!("start to end of a process, {ROUNDS} times each in turn");
    println!("{:<22} {:>9} {:>9} {:>9} {:>12} {:>10}", "", "median", "best", "9 of 10", "/bin/true =1", "potnet =1");
    for program in &mut programs {
        program.times.sort_unstable();
    }
    let median = |program: &Program| program.times[program.times.len() / 2].as_secs_f64() * 1e3;
    let floor = median(&programs[0]);
    let potnet = programs.iter().find(|program| program.name.starts_with("potnet")).map(median);
    let mut is_kept = true;
    for program in &programs {
        let at = |share: usize| program.times[program.times.len() * share / 100].as_secs_f64() * 1e3;
        let own = median(program);
        let of_potnet = potnet.map_or_else(String::new, |potnet| format!("{:>10.2}", own / potnet));
        println!(
            "{:<22} {own:>6.2} ms {:>6.2} ms {:>6.2} ms {:>12.2} {of_potnet}",
            program.name,
            at(0),
            at(90),
            own / floor
        );
        is_kept &= program.times_true.is_none_or(|times| own < floor * times);
        is_kept &= !program.as_potnet || potnet.is_none_or(|potnet| own <= potnet);
    }
    let activity = programs.iter().find(|program| program.name.starts_with("activity")).map(median);
    is_kept &= activity.is_none_or(|took| took < 20.0);
    Ok(is_kept)
}

/// A server, ended with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Starts it; gives it with the address that it says, and the time until the line that says so.
fn start(command: &mut Command) -> anyhow::Result<(Server, String, Duration)> {
    let begun = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut server = Server(child);
    let said = server.0.stdout.take().ok_or_else(|| anyhow::anyhow!("no standard output"))?;
    for line in BufReader::new(said).lines() {
        if let Some(address) = line?.strip_prefix("pot-console listening on ") {
            return Ok((server, address.to_owned(), begun.elapsed()));
        }
    }
    anyhow::bail!("it ended before it served")
}

/// Until the sign-in page is there.
fn first_answer(address: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://"))?;
    write!(
        stream,
        "GET /sign-in HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        address.trim_start_matches("http://")
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    anyhow::ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    Ok(())
}

fn servers() -> anyhow::Result<bool> {
    println!("\nfrom the start to the first page, median of {DEMOS}");
    let mut is_kept = true;
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    for scenario in ["fresh", "default", "busy"] {
        let mut times = Vec::new();
        for _ in 0..DEMOS {
            let mut command = Command::new(CONSOLE);
            command.args(["demo", "--listen", "127.0.0.1:0", "--scenario", scenario]);
            let begun = Instant::now();
            let (_server, address, _) = start(&mut command)?;
            first_answer(&address)?;
            times.push(begun.elapsed());
        }
        let took = median(&mut times);
        println!("demo --scenario {scenario:<9} {took:>7.1} ms");
        is_kept &= took < 150.0;
    }
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("host");
    simulate(&root, "default")?;
    std::fs::write(root.join("usr/local/etc/pot-console.toml"), "listen = [\"127.0.0.1:0\"]\n")?;
    let mut times = Vec::new();
    for round in 0..=DEMOS {
        let (_server, _, took) = start(Command::new(CONSOLE).arg("--root").arg(&root).arg("serve"))?;
        // The first start makes what the next ones find: folders, journal, certificate.
        if round == 0 {
            println!("serve, the very first     {:>7.1} ms until it accepts", took.as_secs_f64() * 1e3);
        } else {
            times.push(took);
        }
    }
    let took = median(&mut times);
    println!("serve                     {took:>7.1} ms until it accepts");
    Ok(is_kept && took < 50.0)
}
