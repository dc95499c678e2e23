//! The history and the log: what stands there at once, the proof, the way back.

use crate::browser::{SAVE, admin, console, init_at_the_terminal, pot_conf, read, url};
use crate::support::{Demo, PATIENCE};
use reqwest::StatusCode;
use std::time::Duration;

#[tokio::test]
async fn the_way_back_asks_to_accept_no_error_that_stood_before() {
    let console = console();
    let browser = admin(&console).await;
    std::fs::write(pot_conf(&console), read(&pot_conf(&console)) + "POT_LOG_FACILITY=local9\n").unwrap();
    let saved = browser.configure(&[("POT_HOSTNAME_MAX_LENGTH", "99")], SAVE).await;
    let location = saved.location.unwrap_or_else(|| panic!("{}", saved.text));
    let back = browser.get(&format!("/history/{}/revert", location.split_once("saved=").unwrap().1)).await;
    assert!(back.has("local9"), "the error that stands is shown: {}", back.text);
    assert!(!back.has("accept_errors"), "{}", back.text);
    // The act goes by the number of its intent, which stands before what was saved.
    let (_, action) = back.text.split_once("action=\"/history/").unwrap();
    let action = format!("/history/{}", action.split('"').next().unwrap());
    assert_eq!(browser.post(&action, &back.form(&action)).await.status, StatusCode::SEE_OTHER);
    assert!(!read(&pot_conf(&console)).contains("=99"));
}

#[tokio::test]
async fn what_the_command_line_does_stands_in_live_lines_and_history_at_once() {
    let console = console();
    let browser = admin(&console).await;
    let mut stream = browser.http.get(url(&console, "/activity/events")).send().await.unwrap();
    init_at_the_terminal(&console);
    let history = browser.get("/history").await;
    assert!(history.has("At the terminal") && !history.has("is behind the journal"), "{}", history.text);
    let mut told = String::new();
    let line = async {
        while !told.contains("href=\"/runs/") {
            told.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("more of the stream")));
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, line).await;
    assert!(in_time.is_ok() && told.contains(">run 1 by root</a>"), "{told}");
}

#[tokio::test]
async fn a_search_through_more_log_than_is_read_at_once_says_how_far_it_looked_and_goes_on() {
    if std::env::var_os("POT_CONSOLE_LONG").is_none() {
        // A gigabyte is unpacked in all; the words are tried in `src/web/activity/counts.rs`, the budget in `src/activity/tests.rs`.
        return;
    }
    let console = console();
    let browser = admin(&console).await;
    // 300 MiB of other programs' lines, packed to some KiB, and an old call of pot behind them.
    let log = |number: u32| console.path(&format!("/var/log/pot.log.{number}.zst"));
    for number in 0..20 {
        let _ = std::fs::remove_file(console.path(&format!("/var/log/pot.log.{number}.bz2")));
    }
    let line = "Nov 23 20:20:46 simulated sshd[7]: nothing of interest to anybody who looks for pots in here\n";
    let packed = |text: &mut dyn FnMut(&mut dyn std::io::Write), number: u32| {
        let mut child = std::process::Command::new("zstd")
            .args(["-q", "-o"])
            .arg(log(number))
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        text(child.stdin.as_mut().unwrap());
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    };
    let block = line.repeat((1 << 20) / line.len());
    packed(&mut |out| (0..300).for_each(|_| out.write_all(block.as_bytes()).unwrap()), 0);
    packed(&mut |out| out.write_all(b"Nov 22 20:20:46 simulated pot[7]: pot-start needle\n").unwrap(), 1);

    let counts = browser.get("/activity/counts?text=needle").await;
    assert!(counts.has("No line from ") && counts.has(" on; older ones were not counted."), "{}", counts.text);
    let mut address = "/activity?text=needle".to_owned();
    let mut found = None;
    for page_number in 0..4 {
        let page = browser.get(&address).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        if page.has("<b class=\"mono\">start</b>") {
            found = Some(page_number);
            break;
        }
        assert!(page.has("Looked back to ") && page.has("; nothing found yet"), "{}", page.text);
        assert!(!page.has("No line matches"), "{}", page.text);
        let (before, _) = page.text.split_once("\">Go on</a>").expect("the way on");
        address = before.rsplit_once("href=\"").unwrap().1.replace("&#38;", "&");
    }
    assert!(found.is_some_and(|pages| pages > 0), "{address}");
}

/// A demo whose journal holds so many records more.
fn with_records(count: u64) -> Demo {
    use pot_console::journal::Journal;
    use pot_console::journal::record::{Action, Stage};
    let mut console = console();
    console.stop();
    let dir = console.path("/var/db/pot-console/root/journal");
    let (journal, _) = Journal::open(&dir, &console.path("/var/log/pot-console.head")).unwrap();
    let mut entry = journal.record(1).unwrap().unwrap().entry;
    (entry.stage, entry.intent, entry.action) = (Stage::Event, None, Action::Process);
    for number in 0..count {
        entry.message = format!("number {number}");
        journal.append(entry.clone()).unwrap();
    }
    drop(journal);
    console.start_again();
    console
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_of_the_whole_history_shows_how_far_it_is_and_is_one_for_all() {
    let count = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 60_000 } else { 4_000 };
    let console = with_records(count);
    let browser = admin(&console).await;
    let other = browser.with_account("vera", "viewer").await;
    assert_eq!(browser.get("/history/check").await.location.as_deref(), Some("/history"), "there was none yet");
    let mut page = browser.get("/history").await;
    for _ in 0..600 {
        if !page.has("This list is behind") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        page = browser.get("/history").await;
    }
    let (form, others) = (page.form("/history/verify"), other.get("/history").await.form("/history/verify"));
    let seen = async {
        let mut seen = Vec::new();
        for _ in 0..2000 {
            let page = other.get("/history/check").await;
            if page.status == StatusCode::OK && !page.headers.contains_key("refresh") {
                return (seen, page);
            }
            if page.headers.contains_key("refresh") {
                seen.push(page.text);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the check did not end: {seen:?}");
    };
    let checks = async {
        let (first, second) =
            tokio::join!(browser.post("/history/verify", &form), other.post("/history/verify", &others));
        [first, second]
    };
    let ((seen, ended), checks) = tokio::join!(seen, checks);
    assert!(!seen.is_empty(), "nobody saw how far it was");
    assert!(seen.iter().any(|page| page.contains("held against the journal")), "{}", seen[0]);
    assert!(seen.iter().all(|page| page.contains("<progress")), "{}", seen[0]);
    assert!(ended.has("each stands in its place unbroken"), "{}", ended.text);
    for check in checks {
        // At once when it was short, else by the page that asks again.
        assert!(
            check.status == StatusCode::OK || check.location.as_deref() == Some("/history/check"),
            "{}",
            check.text
        );
    }
    assert!(browser.get("/history/check").await.has("each stands in its place unbroken"));
    assert!(browser.get("/history").await.has("Unbroken, checked"));
}

#[tokio::test]
async fn the_history_of_a_further_interfaces_network_leads_to_the_row_in_which_it_is_set() {
    let console = console();
    let browser = admin(&console).await;
    for (name, row) in [("POT_NETWORK_em1", "p-POT_EXTRA_EXTIF"), ("POT_NETWORK", "p-POT_NETWORK")] {
        let page = browser.get(&format!("/history/parameters/{name}")).await;
        assert!(page.has(&format!("href=\"/configuration#{row}\"")), "{}", page.text);
        assert!(browser.get("/configuration").await.has(&format!("id=\"{row}\"")));
    }
}
