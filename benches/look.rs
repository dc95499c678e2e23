//! What a look at a very large host costs: the executor's own work for hosts of 1,000 and 10,000 pots, which has to grow
//! with them and no faster, and the pages of the larger one.
//!
//! `cargo bench --bench look`. Counted is the processor time of this process, that of the simulated tools apart: wall
//! clocks tell more of who else works on the machine. Ends with status 1 when a promise is not kept.

#[path = "../tests/support/mod.rs"]
mod support;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use pot_console::host::{GatherInput, gather};
use pot_console::layout::Layout;
use pot_console::potconf::{Configuration, Document};
use pot_console::process::Tools;
use pot_console::rules::{self, Subject};
use pot_console::simulator::build_huge_with_program;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const SIZES: [u32; 2] = [1_000, 10_000];
const LOOKS: usize = 5;
const REQUESTS: usize = 30;

/// What the promises are.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_MIB: f64 = 64.0;
const PAGE: Duration = Duration::from_millis(50);
/// Ten times the pots are at most so many times the work: ten, and what sorting and larger tables add.
const GROWTH: f64 = 13.0;

fn main() -> anyhow::Result<ExitCode> {
    let looks = looks()?;
    let pages = pages()?;
    Ok(if looks && pages { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn own_time() -> anyhow::Result<Duration> {
    let usage: Usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(u64::try_from(micros.iter().sum::<i64>())?))
}

/// The most memory this process has had since this was called last, in MiB; none where the system does not tell.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(kibibytes / 1024.0)
}

fn configuration(layout: &Layout) -> anyhow::Result<Configuration> {
    let document = |path: &Path| -> anyhow::Result<Document> { Ok(Document::parse(&std::fs::read(path)?)?) };
    Ok(Configuration::new(document(&layout.default_conf())?, document(&layout.pot_conf())?))
}

fn looks() -> anyhow::Result<bool> {
    println!("{:>8} {:>14} {:>14} {:>12} {:>12}", "pots", "look, own CPU", "rules, CPU", "JSON", "memory");
    let mut costs = Vec::new();
    let mut is_kept = true;
    for pots in SIZES {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("host");
        build_huge_with_program(&root, pots, support::program())?;
        let layout = Layout::new(&root, None);
        let configuration = configuration(&layout)?;
        let tools = Tools::find(&layout);
        let input = GatherInput::new(&configuration, &[]);
        let mut times = Vec::new();
        let mut rules_times = Vec::new();
        let mut json = 0;
        let mut memory: Option<f64> = None;
        for _ in 0..LOOKS {
            let before = peak().and_then(|_| peak());
            let begun = own_time()?;
            let facts = gather(&layout, &tools, &input);
            times.push(own_time()?.saturating_sub(begun));
            // A look alone: the executor writes its answers when the look is over.
            let took = before.zip(peak()).map(|(before, after)| after - before);
            memory = memory.into_iter().chain(took).reduce(f64::max);
            let seen = facts.pots.get().map_or(0, Vec::len);
            anyhow::ensure!(seen == pots as usize, "{seen} pots: {:?}", facts.pots.error);
            let begun = own_time()?;
            anyhow::ensure!(rules::check(&Subject::new(&configuration).on(Some(&facts))).is_empty(), "findings");
            rules_times.push(own_time()?.saturating_sub(begun));
            json = serde_json::to_vec(&facts)?.len();
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            times[times.len() / 2]
        };
        let (look, rules) = (median(&mut times), median(&mut rules_times));
        println!(
            "{pots:>8} {:>11.1} ms {:>11.2} ms {:>8.1} MiB {:>8.1} MiB",
            look.as_secs_f64() * 1e3,
            rules.as_secs_f64() * 1e3,
            f64::from(u32::try_from(json >> 10).unwrap_or(u32::MAX)) / 1024.0,
            memory.unwrap_or_default()
        );
        is_kept &= look < LOOK && memory.is_none_or(|memory| memory < LOOK_MIB);
        costs.push(look.as_secs_f64());
    }
    if let [small, large] = costs.as_slice() {
        println!("ten times the pots are {:.1} times the work", large / small);
        is_kept &= large / small < GROWTH;
    }
    Ok(is_kept)
}

fn pages() -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let demo = support::Demo::start("huge");
    println!("\ndemo --scenario huge serves after {:.1} s", begun.elapsed().as_secs_f64());
    let client = reqwest::Client::builder().cookie_store(true).build()?;
    let get = async |path: &str| -> anyhow::Result<String> {
        Ok(client.get(format!("{}{path}", demo.url)).send().await?.error_for_status()?.text().await?)
    };
    runtime.block_on(async {
        let page = get("/sign-in").await?;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let form = [("csrf", csrf.unwrap_or_default()), ("name", "admin"), ("password", support::PASSWORD)];
        client.post(format!("{}/sign-in", demo.url)).form(&form).send().await?.error_for_status()?;
        while get("/").await?.contains("Reading the host") {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(120), "nothing is known of the host after 2 minutes");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        println!("the host is known after {:.1} s", begun.elapsed().as_secs_f64());
        println!("{:<28} {:>10} {:>10} {:>10}", "page", "median", "best", "size");
        let mut is_kept = true;
        for path in [
            "/",
            "/readiness",
            "/pots",
            "/pots?page=50",
            "/pots?sort=used",
            "/pots?text=web-0001",
            "/pots/db-00001",
            "/configuration",
            "/operations",
        ] {
            let mut times = Vec::new();
            let mut size = 0;
            let mark = if path.contains('?') { '&' } else { '?' };
            for number in 0..REQUESTS {
                // Each is another page to the console: none is given again.
                let path = format!("{path}{mark}number={number}");
                let start = Instant::now();
                size = get(&path).await?.len();
                times.push(start.elapsed());
            }
            times.sort_unstable();
            let (best, median) = (times[0], times[times.len() / 2]);
            let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
            println!(
                "{path:<28} {:>7.1} ms {:>7.1} ms {:>6} KiB",
                milliseconds(median),
                milliseconds(best),
                size >> 10
            );
            is_kept &= median < PAGE;
        }
        Ok(is_kept)
    })
}
