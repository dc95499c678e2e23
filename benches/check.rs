//! How long `check` takes: on the default files, where only the start of the process counts, beside `potnet
//! config-check` and `/bin/true`; and on the largest file with very many pots.
//!
//! `cargo bench --bench check` (or `--profile dist`). potnet is the program that `POT_CONSOLE_POTNET` names, or
//! `target/oracle/bin/potnet`; without one its line is missing. Ends with status 1 when a promise is not kept.

use pot_console::facts::{Fact, HostFacts, Pot};
use pot_console::potconf::{Configuration, Document, LARGEST, PARAMETERS};
use pot_console::rules::{self, Subject};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Starts of each program; they take turns, so that all meet the same machine.
const ROUNDS: usize = 200;

fn main() -> anyhow::Result<ExitCode> {
    let starts_fast = process_start()?;
    let checks_fast = large_file()?;
    Ok(if starts_fast && checks_fast { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn defaults() -> String {
    PARAMETERS.iter().map(|known| format!("{}={}\n", known.name, known.default)).collect::<Vec<_>>().concat()
}

/// A prefix as potnet finds it: beside a `pot` in PATH.
fn prefix(folder: &Path) -> anyhow::Result<PathBuf> {
    let prefix = folder.join("local");
    let etc = prefix.join("etc/pot");
    fs::create_dir_all(prefix.join("bin"))?;
    fs::create_dir_all(&etc)?;
    let pot = prefix.join("bin/pot");
    fs::write(&pot, "#!/bin/sh\n")?;
    fs::set_permissions(&pot, fs::Permissions::from_mode(0o755))?;
    fs::write(etc.join("pot.default.conf"), defaults())?;
    fs::write(etc.join("pot.conf"), "# nothing is set\n")?;
    Ok(prefix)
}

fn process_start() -> anyhow::Result<bool> {
    let folder = tempfile::tempdir()?;
    let prefix = prefix(folder.path())?;
    let path = std::env::join_paths([prefix.join("bin"), PathBuf::from("/usr/bin"), PathBuf::from("/bin")])?;
    let quiet = |mut command: Command| {
        command.env("PATH", &path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut check = Command::new(env!("CARGO_BIN_EXE_pot-console"));
    check.args(["check", "--offline", "--etc"]).arg(prefix.join("etc/pot"));
    let mut programs = vec![("/bin/true", quiet(Command::new("/bin/true"))), ("check --offline", quiet(check))];
    let potnet =
        std::env::var_os("POT_CONSOLE_POTNET").map_or_else(|| PathBuf::from("target/oracle/bin/potnet"), PathBuf::from);
    if potnet.exists() {
        let mut command = Command::new(potnet.canonicalize()?);
        command.arg("config-check");
        programs.push(("potnet config-check", quiet(command)));
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); programs.len()];
    for round in 0..ROUNDS + 10 {
        for ((name, program), times) in programs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            let status = program.status()?;
            let took = start.elapsed();
            anyhow::ensure!(status.success(), "{name}: {status}");
            // The first ones warm the caches.
            if round >= 10 {
                times.push(took);
            }
        }
    }
    println!("start to end of a process, {ROUNDS} times each in turn");
    println!("{:<22} {:>9} {:>9} {:>9}", "", "median", "best", "9 of 10");
    let mut medians = Vec::new();
    for ((name, _), times) in programs.iter().zip(&mut times) {
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        println!("{name:<22} {:>6.2} ms {:>6.2} ms {:>6.2} ms", at(50), at(0), at(90));
        medians.push(at(50));
    }
    let [floor, own, others @ ..] = medians.as_slice() else { anyhow::bail!("two programs at least") };
    println!("check --offline takes {:.2} times as long as /bin/true", own / floor);
    let mut is_fast = *own < 10.0;
    if let Some(potnet) = others.first() {
        println!("check --offline takes {:.2} times as long as potnet config-check", own / potnet);
        is_fast &= own <= potnet;
    }
    Ok(is_fast)
}

fn large_file() -> anyhow::Result<bool> {
    let mut own = String::with_capacity(LARGEST);
    for number in 0..20_000 {
        let known = &PARAMETERS[number % PARAMETERS.len()];
        match number % 4 {
            0 => writeln!(own, "{}={}", known.name, known.default)?,
            1 => writeln!(own, "POT_NETWORK_vlan{number}=10.{}.{}.0/24", number / 250 % 250, number % 250)?,
            2 => writeln!(own, "POT_GATWEAY_{number}=\"10.192.0.{}\" # a slip", number % 250)?,
            _ => writeln!(own, "{}='{}'", known.name, known.default)?,
        }
    }
    while own.len() < LARGEST - 80 {
        own.push_str("# a comment, as long as the others, that fills the file up to the largest size\n");
    }
    let pots = (0..10_000_u32)
        .map(|number| Pot {
            name: format!("pot{number}"),
            kind: "multi".to_owned(),
            network_type: "public-bridge".to_owned(),
            addresses: vec![IpAddr::V4(Ipv4Addr::from(0x0aff_0000 + number))],
            bridge: None,
            running: Some(number % 2 == 0),
            exports: Vec::new(),
        })
        .collect();
    let facts = facts(pots)?;
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..10 {
        let start = Instant::now();
        let default = Document::parse(defaults().as_bytes())?;
        let configuration = Configuration::new(default, Document::parse(own.as_bytes())?);
        let subject = Subject::new(&configuration).on(Some(&facts));
        let findings = rules::check(&subject);
        found = findings.len();
        anyhow::ensure!(!rules::readings::of(&subject).is_empty(), "no reading");
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e3;
    println!(
        "\n{} bytes with 20,000 assignments, 10,000 pots: read, judged ({found} findings) and explained in {median:.1} ms \
         (median of 10)",
        own.len()
    );
    Ok(median < 200.0)
}

/// A host of which nothing is known but its pots and one interface.
fn facts(pots: Vec<Pot>) -> anyhow::Result<HostFacts> {
    let silent = serde_json::json!({
        "value": null, "error": "not asked", "source": "", "evidence": "", "at": "1970-01-01T00:00:00Z", "took_ms": 0,
    });
    let mut all = serde_json::json!({"at": "1970-01-01T00:00:00Z", "simulated": true});
    // Whatever the facts hold: a field that is missing is named by the error, and is silent then.
    loop {
        match serde_json::from_value::<HostFacts>(all.clone()) {
            Ok(mut facts) => {
                facts.pots = Fact::known(pots, "bench");
                return Ok(facts);
            }
            Err(error) => {
                let words = error.to_string();
                let field = words.split('`').nth(1).filter(|_| words.starts_with("missing field"));
                let field = field.ok_or(error)?.to_owned();
                all[field] = silent.clone();
            }
        }
    }
}
