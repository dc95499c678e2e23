//! How long programs take from their start: read commands beside `/bin/true` and `potnet config-check`, and the console
//! until its first answer.
//!
//! `cargo bench --bench start` (or `--profile dist`); commands of another build, as packages ship it, without a simulated
//! host: that which `POT_CONSOLE_PROGRAM` names. potnet is the program that `POT_CONSOLE_POTNET` names, or
//! `target/oracle/bin/potnet`; without one its line is missing. Ends with status 1 when a promise is not kept, and says
//! which.
//!
//! What is measured is a copy, as every installation is one: the system maps a file that was written from its beginning to
//! its end in larger pieces than one that a linker filled in here and there, which is a tenth of a start.

use anyhow::Context as _;
use flate2::read::GzDecoder;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Starts of each program; they take turns, so that all meet the same machine.
const ROUNDS: usize = 100;
/// The same for those that call a host's tools, a hundred times as long.
const ROUNDS_WITH_TOOLS: usize = 15;
const DEMOS: usize = 5;
/// How long a server may take to begin or to end before that is a failure.
const PATIENCE: Duration = Duration::from_mins(2);

fn main() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let copy = |of: &Path, name: &str| -> anyhow::Result<PathBuf> {
        let copy = folder.path().join(name);
        std::fs::write(&copy, std::fs::read(of)?)?;
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755))?;
        Ok(copy)
    };
    let built = copy(Path::new(env!("CARGO_BIN_EXE_pot-console")), "pot-console")?;
    let console = match std::env::var_os("POT_CONSOLE_PROGRAM") {
        Some(program) => copy(Path::new(&program), "pot-console-named")?,
        None => built.clone(),
    };
    let bench = Bench { console, built, folder: folder.path().to_owned() };
    let mut broken = bench.commands()?;
    broken.extend(bench.servers()?);
    for promise in &broken {
        println!("not kept: {promise}");
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a program may take.
#[derive(Clone, Copy)]
enum Limit {
    /// Nothing is promised.
    None,
    /// Less than so many times as long as `/bin/true`.
    TimesTrue(f64),
    /// The same beside what unpacking the licences takes.
    TimesTrueAndUnpacking(f64),
    /// The same beside the tools that it calls, one after the other.
    TimesTrueAndTools(f64),
    /// No longer than potnet.
    Potnet,
    /// Less than so many milliseconds.
    Milliseconds(f64),
}

struct Program {
    name: String,
    command: Command,
    limit: Limit,
    times: Vec<Duration>,
}

impl Program {
    /// In milliseconds, the given hundredth of all times.
    fn at(&self, share: usize) -> f64 {
        self.times.get(self.times.len() * share / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// Starts all in turn; the first ones warm the caches.
fn take_turns(programs: &mut [Program], rounds: usize) -> anyhow::Result<()> {
    const WARM: usize = 3;
    for round in 0..rounds + WARM {
        for program in &mut *programs {
            let start = Instant::now();
            let status = program.command.status()?;
            let took = start.elapsed();
            // check finds warnings at most, potnet may find fault with what pot-console only warns of.
            anyhow::ensure!(status.code().is_some_and(|code| code < 2), "{}: {status}", program.name);
            if round >= WARM {
                program.times.push(took);
            }
        }
    }
    for program in programs {
        program.times.sort_unstable();
    }
    Ok(())
}

struct Bench {
    /// The program whose commands are measured.
    console: PathBuf,
    /// The one that was built with this, which makes the hosts, and serves.
    built: PathBuf,
    folder: PathBuf,
}

impl Bench {
    fn simulate(&self, name: &str, scenario: &str) -> anyhow::Result<PathBuf> {
        let root = self.folder.join(name);
        self.succeed(Command::new(&self.built).arg("simulate").arg(&root).args(["--scenario", scenario]))?;
        Ok(root)
    }

    fn succeed(&self, command: &mut Command) -> anyhow::Result<Vec<u8>> {
        let done = command.stdin(Stdio::null()).output()?;
        anyhow::ensure!(done.status.success(), "{command:?}: {done:?}");
        Ok(done.stdout)
    }

    /// The promises that are not kept.
    fn commands(&self) -> anyhow::Result<Vec<String>> {
        let root = self.simulate("busy", "busy")?;
        let at = root.to_str().context("a folder with a strange name")?;
        let path =
            std::env::join_paths([root.join("usr/local/bin"), PathBuf::from("/usr/bin"), PathBuf::from("/bin")])?;
        let program = |name: &str, program: &Path, args: &[&str], limit| {
            let mut command = Command::new(program);
            command.args(args).env("PATH", &path).current_dir(&self.folder);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Program { name: name.to_owned(), command, limit, times: Vec::new() }
        };
        let own = |line: &str, limit| {
            let mut args = vec!["--root", at];
            args.extend(line.split(' '));
            program(line, &self.console, &args, limit)
        };
        for line in [["backup", "console.tar"].as_slice(), &["audit", "backup", "evidence"]] {
            self.succeed(Command::new(&self.console).current_dir(&self.folder).args(["--root", at]).args(line))?;
        }
        let mut programs = vec![program("/bin/true", Path::new("/bin/true"), &[], Limit::None)];
        programs.extend(READ_COMMANDS.iter().map(|(line, limit)| own(line, *limit)));
        let potnet = std::env::var_os("POT_CONSOLE_POTNET")
            .map_or_else(|| PathBuf::from("target/oracle/bin/potnet"), PathBuf::from);
        if potnet.exists() {
            programs.push(program("potnet config-check", &potnet.canonicalize()?, &["config-check"], Limit::None));
        }
        take_turns(&mut programs, ROUNDS)?;
        println!("start to end of a process, {ROUNDS} times each in turn");
        let floor = programs[0].at(50);
        let potnet = programs.iter().find(|program| program.name.starts_with("potnet")).map(|potnet| potnet.at(50));
        let beside = Beside { floor, potnet, unpacking: unpacking()?, tools: 0.0 };
        let mut broken = beside.print(&programs);

        let mut programs = vec![program("/bin/true", Path::new("/bin/true"), &[], Limit::None)];
        programs.extend(WITH_TOOLS.iter().map(|(line, limit)| own(line, *limit)));
        let said = self.succeed(Command::new(&self.console).args(["--root", at, "--format", "json", "facts"]))?;
        let first_tool = programs.len();
        for line in tools_called(&serde_json::from_slice(&said)?) {
            let words: Vec<&str> = line.split(' ').collect();
            let (name, args) = words.split_first().context("a call without a name")?;
            // What is no tool is a file that was read.
            if name.contains('/') {
                continue;
            }
            let place = ["sbin", "bin", "usr/sbin", "usr/bin", "usr/local/bin"]
                .iter()
                .map(|folder| root.join(folder).join(name))
                .find(|place| place.exists());
            // Nor is what the console does itself: `stat`, `ls`.
            if let Some(place) = place {
                programs.push(program(&line, &place, args, Limit::None));
            }
        }
        take_turns(&mut programs, ROUNDS_WITH_TOOLS)?;
        let called = programs.split_off(first_tool);
        let tools = called.iter().map(|tool| tool.at(50)).sum();
        println!(
            "\nthe same, {ROUNDS_WITH_TOOLS} times, of commands that ask the host: {} tools, {tools:.1} ms",
            called.len()
        );
        broken.extend(Beside { floor: programs[0].at(50), tools, ..beside }.print(&programs));
        Ok(broken)
    }
}

/// Commands of which nothing is left to do than to look into the journal: they open it as every executor does, see that it
/// is sound, and what an earlier one left unfinished.
const THROUGH_THE_EXECUTOR: Limit = Limit::TimesTrue(3.0);
const READ_ONLY: Limit = Limit::TimesTrue(3.0);

/// Every command that reads and prints, and starts nothing.
const READ_COMMANDS: &[(&str, Limit)] = &[
    ("--version", READ_ONLY),
    ("check --offline", Limit::Potnet),
    ("conf show", READ_ONLY),
    ("conf show POT_EXTIF --format json", READ_ONLY),
    ("conf diff", READ_ONLY),
    ("explain", READ_ONLY),
    ("explain deprecated", READ_ONLY),
    ("licences", Limit::TimesTrueAndUnpacking(3.0)),
    ("licences serde", Limit::TimesTrueAndUnpacking(3.0)),
    ("completions bash", Limit::None),
    ("activity --limit 1", Limit::Milliseconds(20.0)),
    ("conf restore", THROUGH_THE_EXECUTOR),
    ("user list", THROUGH_THE_EXECUTOR),
    ("audit list", THROUGH_THE_EXECUTOR),
    ("audit show 2", THROUGH_THE_EXECUTOR),
    ("audit verify", THROUGH_THE_EXECUTOR),
    ("feedback list", THROUGH_THE_EXECUTOR),
    ("run waiting", THROUGH_THE_EXECUTOR),
    ("audit backup --check evidence", THROUGH_THE_EXECUTOR),
    ("restore --check console.tar", Limit::None),
];

/// Those that ask the host.
const WITH_TOOLS: &[(&str, Limit)] = &[
    ("facts", Limit::TimesTrueAndTools(3.0)),
    ("check", Limit::TimesTrueAndTools(3.0)),
    ("addresses", Limit::TimesTrueAndTools(3.0)),
    ("plan init", Limit::None),
];

/// What else was measured.
#[derive(Clone, Copy)]
struct Beside {
    /// `/bin/true`, milliseconds as all here.
    floor: f64,
    potnet: Option<f64>,
    unpacking: f64,
    tools: f64,
}

impl Beside {
    /// Prints a row for each; gives the promises that are not kept.
    fn print(&self, programs: &[Program]) -> Vec<String> {
        println!(
            "{:<34} {:>9} {:>9} {:>9} {:>12} {:>10}",
            "", "median", "best", "9 of 10", "/bin/true =1", "potnet =1"
        );
        let mut broken = Vec::new();
        for program in programs {
            let own = program.at(50);
            let name = &program.name;
            let of_potnet = self.potnet.map_or_else(String::new, |potnet| format!("{:>10.2}", own / potnet));
            let times = own / self.floor;
            println!(
                "{name:<34} {own:>6.2} ms {:>6.2} ms {:>6.2} ms {times:>12.2} {of_potnet}",
                program.at(0),
                program.at(90)
            );
            let allowed = match program.limit {
                Limit::None => continue,
                Limit::TimesTrue(times) => self.floor * times,
                Limit::TimesTrueAndUnpacking(times) => self.floor * times + self.unpacking,
                Limit::TimesTrueAndTools(times) => self.floor * times + self.tools,
                Limit::Potnet => self.potnet.unwrap_or(f64::INFINITY),
                Limit::Milliseconds(limit) => limit,
            };
            if own > allowed {
                broken.push(format!("{name} takes {own:.2} ms of {allowed:.2}"));
            }
        }
        broken
    }
}

/// Milliseconds that unpacking the licences takes in a process that has begun: the median.
fn unpacking() -> anyhow::Result<f64> {
    const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/licences.txt.gz"));
    let mut times = Vec::new();
    let mut piece = vec![0; 64 << 10];
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let mut unpacked = GzDecoder::new(PACKED);
        while unpacked.read(&mut piece)? > 0 {}
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// The calls that the facts say they came from, each as often as it was made.
fn tools_called(answer: &serde_json::Value) -> Vec<String> {
    let facts = answer["facts"].as_object().into_iter().flatten();
    let sources = facts.filter_map(|(_, fact)| fact.get("source")?.as_str());
    sources.flat_map(|source| source.split("; ")).map(str::to_owned).collect()
}

/// A server, ended with this.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Ends it at once: what it made stays, as after a power failure.
    fn cut_off(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        // Its web process notices by itself.
        let begun = Instant::now();
        while TcpStream::connect(&self.address).is_ok() {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "its web process stays");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
    }
}

/// Starts it; gives it, and the time until the line that says its address.
fn start(command: &mut Command, noted: &Path) -> anyhow::Result<(Server, Duration)> {
    let begun = Instant::now();
    let notes = std::fs::File::create(noted)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(notes).spawn()?;
    let mut server = Server { child, address: String::new() };
    let said = server.child.stdout.take().context("no standard output")?;
    for line in BufReader::new(said).lines() {
        if let Some(address) = line?.strip_prefix("pot-console listening on ") {
            server.address = address.split("://").last().unwrap_or_default().to_owned();
            return Ok((server, begun.elapsed()));
        }
    }
    anyhow::bail!("it ended before it served: {}", std::fs::read_to_string(noted)?)
}

/// Until the sign-in page is there.
fn first_answer(address: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /sign-in HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    anyhow::ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    Ok(())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

impl Bench {
    fn servers(&self) -> anyhow::Result<Vec<String>> {
        println!("\nfrom the start to the first page, median of {DEMOS}");
        let noted = self.folder.join("notes");
        let mut broken = Vec::new();
        let mut hold = |what: &str, took: f64, limit: f64| {
            if took >= limit {
                broken.push(format!("{what} takes {took:.1} ms of {limit:.0}"));
            }
        };
        for scenario in ["fresh", "default", "busy"] {
            let mut times = Vec::new();
            for _ in 0..DEMOS {
                let mut command = Command::new(&self.built);
                command.args(["demo", "--listen", "127.0.0.1:0", "--scenario", scenario]).env("TMPDIR", &self.folder);
                let begun = Instant::now();
                let (server, _) = start(&mut command, &noted)?;
                first_answer(&server.address)?;
                times.push(begun.elapsed());
                // Its host is left alone until all is measured: ext4 passes over each inode that was freed in the last
                // minutes when it makes a file, so that a demo after many others would take several times as long.
                server.cut_off()?;
            }
            let took = median(&mut times);
            println!("demo --scenario {scenario:<9} {took:>7.1} ms");
            hold(&format!("demo --scenario {scenario}"), took, 150.0);
        }
        let root = self.simulate("default", "default")?;
        let mut settings = "listen = [\"127.0.0.1:0\"]\n".to_owned();
        if nix::unistd::geteuid().is_root() {
            // The simulated host has no user of the console's own until setup makes it.
            settings.push_str("user = \"nobody\"\n");
        }
        std::fs::write(root.join("usr/local/etc/pot-console.toml"), settings)?;
        let password = self.folder.join("password");
        std::fs::write(&password, "correct horse battery staple\n")?;
        let add = ["user", "add", "anna", "--role", "admin", "--password-file"];
        self.succeed(Command::new(&self.built).arg("--root").arg(&root).args(add).arg(&password))?;
        let mut times = Vec::new();
        for round in 0..=DEMOS * 2 {
            let (_server, took) = start(Command::new(&self.built).arg("--root").arg(&root).arg("serve"), &noted)?;
            // The first start makes what the next ones find: folders, journal, certificate.
            if round == 0 {
                println!("serve, the very first     {:>7.1} ms until it accepts", took.as_secs_f64() * 1e3);
            } else {
                times.push(took);
            }
        }
        let took = median(&mut times);
        println!("serve                     {took:>7.1} ms until it accepts");
        hold("serve", took, 50.0);
        Ok(broken)
    }
}
