//! Operations from plan to end: kept, put back, on slow hosts, over deaths of the web process.

use crate::browser::{
    Page, admin, console, init_at_the_terminal, run_patience, run_says, set, start_plan, unescaped, url,
};
use crate::support::{self, PASSWORD};
use reqwest::StatusCode;
use std::time::Duration;

#[tokio::test]
async fn pot_is_initialised_started_kept_and_removed_without_javascript() {
    let console = console();
    let browser = admin(&console).await;
    let started = start_plan(&browser, "/operations/init", &[("reason", "first set-up")]).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);
    let run = started.location.unwrap();
    let page = run_says(&browser, &run, "All 11 checks are as planned.").await;
    assert!(page.has("creating zroot/pot/jails") && page.has("first set-up"), "{}", page.text);

    let started = start_plan(&browser, "/operations/vnet-start?revert=60", &[]).await;
    let run = started.location.unwrap();
    let page = run_says(&browser, &run, "Keep the new network?").await;
    assert!(page.has("http-equiv=\"refresh\""), "{}", page.text);
    // The page that asks ends its connection, so the answer comes over another one.
    let page = run_says(&browser, &run, "name=\"nonce\"").await;
    assert_eq!(page.headers.get("connection").map(String::as_str), Some("close"));
    let kept = browser.post(&format!("{run}/keep"), &page.form(&format!("{run}/keep"))).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    run_says(&browser, &run, "Kept. The network runs as planned.").await;

    let address = "/operations/de-init";
    let plan = browser.get(address).await;
    let cached = plan.text.split("Cached images").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(cached.contains("<td class=\"num\">0</td>"), "the cache is empty: {cached}");
    assert!(plan.has("name=\"wrong\"") && plan.has("Send it to pizzamig@FreeBSD.org"), "{}", plan.text);
    let wrong = start_plan(&browser, address, &[("confirm_text", "zroot"), ("password", PASSWORD)]).await;
    assert!(wrong.has("That is not the dataset&#39;s name. Nothing has been destroyed."), "{}", wrong.text);
    let wrong = start_plan(&browser, address, &[("confirm_text", "zroot/pot"), ("password", "guess")]).await;
    assert!(wrong.status.is_client_error(), "{}", wrong.status);
    let started = start_plan(&browser, address, &[("confirm_text", "zroot/pot"), ("password", PASSWORD)]).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);
    let run = started.location.unwrap();
    let page = run_says(&browser, &run, "zroot/pot is gone, checked.").await;
    let mut form = page.form("/feedback");
    set(&mut form, "usability", "it was fine");
    let stored = browser.post("/feedback", &form).await;
    assert!(stored.has("it was fine") && stored.has(&format!("href=\"{run}\">Back to run")), "{}", stored.text);
    let offered = "href=\"/operations/clean-up?chosen=on&amp;items=fs-root\"";
    assert!(page.has(offered), "{}", page.text);
    let clean_up = "/operations/clean-up?chosen=on&items=fs-root";
    let started = start_plan(&browser, clean_up, &[("password", PASSWORD)]).await;
    run_says(&browser, &started.location.unwrap_or_else(|| panic!("{}", started.text)), "as planned").await;
    // Once the host has been read again, the earlier run no longer offers what is gone.
    let begun = std::time::Instant::now();
    while browser.get(&run).await.has(offered) {
        assert!(begun.elapsed() < run_patience(), "it is offered for ever");
        browser.get("/").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let plan = run_says(&browser, clean_up, "Nothing to do").await;
    assert!(!plan.has("type=\"password\""), "{}", plan.text);
    assert!(!plan.has("name=\"digest\"") && !plan.has("button main"), "{}", plan.text);
    assert!(browser.get("/runs").await.has("Run 3"));
}

#[tokio::test]
async fn a_run_kept_or_put_back_ends_with_what_comes_next_in_the_guide() {
    let console = console();
    let browser = admin(&console).await;
    // The one main button of the page, once the host has been read again.
    let next = async |run: &str, label: &str, address: &str| {
        let page = run_says(&browser, run, &format!("<a class=\"button main\" href=\"{address}\">{label}</a>")).await;
        assert_eq!(page.text.matches("button main").count(), 1, "{}", page.text);
        assert!(!page.has("http-equiv=\"refresh\""), "it is left alone then");
        page
    };
    let run = start_plan(&browser, "/operations/init", &[]).await.location.unwrap();
    run_says(&browser, &run, "All 11 checks are as planned.").await;
    next(&run, "Plan vnet-start", "/operations/vnet-start").await;

    // What another terminal runs stands on every page, too.
    let terminal = |words: &[&str]| {
        let mut run = std::process::Command::new(support::program());
        run.arg("--root").arg(&console.dir).arg("run").args(words).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut beside = terminal(&["vnet-start"]);
    run_says(&browser, "/history", "vnet-start waits for an answer").await;
    let plan = browser.get("/operations/vnet-start").await;
    assert!(plan.has("Nothing else can be started") && !plan.has("name=\"digest\""), "{}", plan.text);
    terminal(&["put-back", "2"]).wait().unwrap();
    beside.wait().unwrap();
    assert!(!browser.get("/history").await.has("waits for an answer"));

    let run = start_plan(&browser, "/operations/vnet-start?revert=60", &[]).await.location.unwrap();
    let page = run_says(&browser, &run, "name=\"nonce\"").await;
    assert!(!page.has("id=\"next\""), "what comes next is to answer");
    let host = run_says(&browser, "/", "data-fact=\"network\">up<").await;
    assert!(host.has("vnet-start waits for an answer") && !host.has("href=\"/operations/vnet-start"), "{}", host.text);
    let list = browser.get("/operations").await;
    assert!(list.has("waits for an answer</p>") && !list.has("href=\"/operations/vnet-start"), "{}", list.text);
    let plan = browser.get("/operations/vnet-start").await;
    assert!(plan.has("Nothing else can be started") && !plan.has("name=\"digest\""), "{}", plan.text);
    let rebooted = browser.post("/reboot", &page.form(&format!("{run}/put-back"))).await;
    assert_eq!(rebooted.status, StatusCode::SERVICE_UNAVAILABLE, "{}", rebooted.text);
    assert!(rebooted.has("Nothing has been changed"), "not while a change waits: {}", rebooted.text);
    browser.post(&format!("{run}/put-back"), &page.form(&format!("{run}/put-back"))).await;
    run_says(&browser, &run, "The host is as before, checked").await;
    next(&run, "Plan vnet-start", "/operations/vnet-start").await;

    let earlier = run;
    let run = start_plan(&browser, "/operations/vnet-start?revert=60", &[]).await.location.unwrap();
    let page = run_says(&browser, &run, "name=\"nonce\"").await;
    browser.post(&format!("{run}/keep"), &page.form(&format!("{run}/keep"))).await;
    run_says(&browser, &run, "Kept. The network runs as planned.").await;
    next(&run, "Look at the pots", "/pots").await;
    assert!(!browser.get(&earlier).await.has("id=\"next\""), "an earlier run says nothing of now");
}

/// Every call of every tool takes a fifth of a second longer; with `POT_CONSOLE_LONG` three seconds: ten times what the
/// slowest of them took on the emulated machines of the records, alone.
#[tokio::test]
async fn the_main_job_and_every_page_hold_on_a_host_on_which_every_tool_is_slow() {
    let console = console();
    let browser = admin(&console).await;
    let long = std::env::var_os("POT_CONSOLE_LONG").is_some();
    console.fault(if long { "all slow 3000" } else { "all slow 200" });
    let done = async |address: &str, fields: &[(&str, &str)], says: &str| {
        let begun = std::time::Instant::now();
        let started = start_plan(&browser, address, fields).await;
        assert_eq!(started.status, StatusCode::SEE_OTHER, "{address}: {}", started.text);
        let page = run_says(&browser, &started.location.unwrap(), says).await;
        println!("{address}: {:.1} s", begun.elapsed().as_secs_f32());
        page
    };
    done("/operations/init", &[], "All 11 checks are as planned.").await;
    let started = start_plan(&browser, "/operations/vnet-start?revert=120", &[]).await;
    let run = started.location.unwrap_or_else(|| panic!("{}", started.text));
    let page = run_says(&browser, &run, "name=\"nonce\"").await;
    let kept = browser.post(&format!("{run}/keep"), &page.form(&format!("{run}/keep"))).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    run_says(&browser, &run, "Kept. The network runs as planned.").await;

    // Every page that a page links to, with the host as it is now; each says what it knows, none an error.
    let mut waiting = vec!["/".to_owned()];
    let mut seen: Vec<String> = Vec::new();
    while let Some(path) = waiting.pop() {
        if seen.contains(&path) || seen.len() >= 40 {
            continue;
        }
        let begun = std::time::Instant::now();
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        assert!(!page.has("did not answer") && !page.has("unknown: "), "{path}: {}", page.text);
        println!("{path}: {:.1} s", begun.elapsed().as_secs_f32());
        if path == "/" || path == "/operations" {
            let links = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            let own = links.filter(|link| link.starts_with('/') && !link.contains(['#', '?', '.']));
            waiting.extend(own.map(str::to_owned));
        }
        seen.push(path);
    }
    assert!(seen.len() > 8, "{seen:?}");

    let destroy: &[(&str, &str)] = &[("confirm_text", "zroot/pot"), ("password", PASSWORD)];
    let page = done("/operations/de-init", destroy, "zroot/pot is gone, checked.").await;
    let link = page.text.split("href=\"").find(|link| link.starts_with("/operations/clean-up?")).unwrap();
    let link = unescaped(link.split('"').next().unwrap());
    // Where everything took long, the password was given too long ago.
    done(&link, &[("password", PASSWORD)], "as planned").await;
    assert!(!console.output.lock().unwrap().contains(" ERROR "), "{}", console.output.lock().unwrap());
}

#[tokio::test]
async fn a_runs_events_are_numbered_and_go_on_where_the_browser_stopped() {
    let console = console();
    let browser = admin(&console).await;
    let run = start_plan(&browser, "/operations/init", &[]).await.location.unwrap();
    run_says(&browser, &run, "All 11 checks are as planned.").await;
    let numbers = |text: &str| -> Vec<u64> {
        let kept = text.split("event: end").next().unwrap_or_default();
        kept.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    };
    let all = browser.get(&format!("{run}/events")).await;
    let whole = numbers(&all.text);
    assert!(whole.windows(2).all(|pair| pair[1] == pair[0] + 1 || pair[1] == pair[0]), "{whole:?}");
    let middle = whole[whole.len() / 2];
    let request = browser.http.get(url(&console, &format!("{run}/events"))).header("Last-Event-ID", middle.to_string());
    let rest = Page::of(request.send().await.unwrap()).await;
    assert_eq!(numbers(&rest.text).first(), Some(&(middle + 1)));
    assert!(rest.has("event: end"));
}

#[tokio::test]
async fn the_page_of_a_run_that_is_not_kept_any_more_says_so_and_leads_to_the_history() {
    let console = console();
    let browser = admin(&console).await;
    init_at_the_terminal(&console);
    // As if many had followed and it had been pruned.
    let runs = console.path("/var/db/pot-console/root/runs");
    std::fs::create_dir(runs.join("7")).unwrap();
    std::fs::remove_dir_all(runs.join("1")).unwrap();
    for address in ["/runs/1", "/runs/1/output"] {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::GONE, "{}", page.text);
        assert!(page.has("The output of run 1 is not kept any more; the history has what it did."), "{}", page.text);
        assert!(page.has("href=\"/history?run=1\""), "{}", page.text);
    }
    let leads = browser.get("/history?run=1").await;
    assert!(leads.status == StatusCode::OK && leads.has("At the terminal") && leads.has("init:"), "{}", leads.text);
    // Nothing but what belongs to it, and the export of the list is of the list.
    assert!(!leads.has("signed in as"), "{}", leads.text);
    let (_, link) = leads.text.split_once("href=\"/history/export?").unwrap();
    let link = format!("/history/export?{}", link.split('"').next().unwrap().replace("&#38;", "&"));
    let csv = browser.get(&link).await.text;
    assert!(
        csv.lines().count() > 1 && csv.lines().skip(1).all(|line| line.contains("run") || line.contains("init")),
        "{csv}"
    );
    assert!(!csv.contains("signed in as"), "{csv}");
    assert_eq!(browser.get("/history?run=one").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.get("/history?run=12").await.has("The history has nothing of run 12"));
    // One that never was is not said to have gone.
    let never = browser.get("/runs/12").await;
    assert_eq!(never.status, StatusCode::NOT_FOUND);
    assert!(never.has("There is no run 12."), "{}", never.text);
    assert_eq!(browser.get("/runs").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_while_the_web_process_dies() {
    let console = console();
    let browser = admin(&console).await;
    // Slow enough to be met in the middle.
    pot_console::simulator::set_fault(&console.dir, "pot slow 2000".parse().unwrap()).unwrap();
    let run = start_plan(&browser, "/operations/init", &[]).await.location.unwrap();
    let before = console.web_process();
    assert!(std::process::Command::new("kill").args(["-KILL", &before]).status().unwrap().success());
    // The executor starts another one on the listener that it kept; the session is the executor's, so it holds.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if browser.http.get(url(&console, &run)).send().await.is_ok_and(|answer| answer.status().is_success()) {
            break;
        }
    }
    run_says(&browser, &run, "All 11 checks are as planned.").await;
    assert_ne!(console.web_process(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_and_the_host_puts_back_what_it_was() {
    let console = console();
    let browser = admin(&console).await;
    let init = start_plan(&browser, "/operations/init", &[]).await.location.unwrap();
    run_says(&browser, &init, "All 11 checks are as planned.").await;
    let run = start_plan(&browser, "/operations/vnet-start?revert=10", &[]).await.location.unwrap();
    run_says(&browser, &run, "Keep the new network?").await;
    // The page is closed and nobody comes back in time.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let page = run_says(&browser, &run, "Put back at ").await;
    assert!(page.has("The host is as before, checked:"), "{}", page.text);
    let history = browser.get("/history").await;
    assert!(history.has("put back"), "{}", history.text);
}
