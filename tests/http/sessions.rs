//! Signing in and out, whose form is taken, and what a role or its end means at once.

use crate::browser::{Browser, PAGES, Page, SAVE, admin, console, pot_conf, read, set, url};
use crate::support::{self, PASSWORD, PATIENCE};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use reqwest::header::{HOST, ORIGIN, REFERER};
use reqwest::{Method, StatusCode};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_this_consoles_own_form_is_refused() {
    let console = console();
    let before = read(&pot_conf(&console));
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;
    let mut form = page.form("/configuration");
    set(&mut form, "POT_GATEWAY", "10.192.0.9");
    form.push(("save".to_owned(), "1".to_owned()));

    let mut forged = form.clone();
    set(&mut forged, "csrf", "AAAA");
    let refused = browser.post("/configuration", &forged).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.has("This form was not made for"), "{}", refused.text);
    forged.retain(|(name, _)| name != "csrf");
    assert_eq!(browser.post("/configuration", &forged).await.status, StatusCode::FORBIDDEN);

    // A token of another session does not fit this one.
    let other = admin(&console).await;
    let others = other.get("/configuration").await.form("/configuration");
    let token = others.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    set(&mut forged, "csrf", &token);
    assert_eq!(browser.post("/configuration", &forged).await.status, StatusCode::FORBIDDEN);

    let elsewhere =
        browser.http.post(url(&console, "/configuration")).header(ORIGIN, "https://evil.example").form(&form);
    assert_eq!(elsewhere.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let rebound = browser.http.get(url(&console, "/configuration")).header(HOST, "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
    let stranger = Browser::new(&console);
    let large = [("name".to_owned(), "x".repeat(100_000))];
    let refused = stranger.post("/sign-in", &large).await.status;
    assert_eq!(refused, StatusCode::UNAUTHORIZED, "strangers cannot fill the memory");
    // As many fields as are read, and one more: of the first the missing proof is said.
    let many: Vec<_> = (0..1001).map(|number| (format!("POT_NETWORK_x{number}"), String::new())).collect();
    assert_eq!(browser.post("/configuration", &many[1..]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/configuration", &many).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let json = browser.http.post(url(&console, "/configuration")).json(&["x"]);
    assert_eq!(json.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let vast = [("POT_CACHE".to_owned(), "x".repeat(3 << 20))];
    let refused = browser.post("/configuration", &vast).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(refused.has("A form may have at most 2 MiB."), "{}", refused.text);
    let put = browser.http.request(Method::PUT, url(&console, "/configuration")).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(put.headers()["allow"], "GET, HEAD, POST");
    assert_eq!(read(&pot_conf(&console)), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_while_editing_loses_nothing_that_was_typed() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;
    let out = page.form("/sign-out");
    assert_eq!(browser.post("/sign-out", &out).await.status, StatusCode::SEE_OTHER);

    let before = read(&pot_conf(&console));
    let ended = page.edit(&browser, &[("POT_NETWORK", "10.0.0.0/8"), ("reason", "why not")], SAVE).await;
    assert_eq!(ended.status, StatusCode::UNAUTHORIZED, "{}", ended.text);
    assert!(ended.has("Your session has ended"));
    let mut form = ended.form("/sign-in");
    set(&mut form, "name", "admin");
    set(&mut form, "password", PASSWORD);
    let page = browser.post("/sign-in", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = browser.get(&page.location.unwrap()).await;
    let fields = page.form("/configuration");
    assert!(fields.contains(&("POT_NETWORK".to_owned(), "10.0.0.0/8".to_owned())), "{fields:?}");
    assert!(page.has("Nothing of it is saved yet") && page.has("why not"));
    assert_eq!(read(&pot_conf(&console)), before, "signing in alone saves nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_from_before_signing_in_again_elsewhere_loses_nothing_that_was_typed() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;
    let mut form = page.form("/configuration");
    set(&mut form, "POT_GATEWAY", "10.192.0.9");
    set(&mut form, "reason", "why not");
    form.push(("save".to_owned(), "1".to_owned()));

    // Another tab of the same browser signs out: its sign-in page brings another cookie.
    browser.sign_out().await;
    browser.get("/sign-in").await;
    let ended = browser.post_from("/configuration?saved=1", "/configuration", &form).await;
    assert_eq!(ended.status, StatusCode::UNAUTHORIZED, "{}", ended.text);
    let carried = ended.form("/sign-in");
    assert!(carried.iter().any(|(name, value)| name == "carry" && value.contains("10.192.0.9")), "{carried:?}");
    assert!(carried.contains(&("next".to_owned(), "/configuration?saved=1".to_owned())), "{carried:?}");

    // It signs in again, and someone changes the file before the first tab is sent.
    browser.sign_in("admin", PASSWORD).await;
    let theirs = read(&pot_conf(&console)) + "POT_GATEWAY=10.192.0.254\n";
    std::fs::write(pot_conf(&console), &theirs).unwrap();
    let kept = browser.post_from("/configuration", "/configuration", &form).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.text);
    let kept = browser.post_from(&kept.location.unwrap(), "/configuration", &form).await;
    let shown = browser.get(&kept.location.unwrap()).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let fields = shown.form("/configuration");
    assert!(fields.contains(&("POT_GATEWAY".to_owned(), "10.192.0.9".to_owned())), "{fields:?}");
    assert!(shown.has("Nothing of it is saved yet") && shown.has("why not"), "{}", shown.text);
    assert!(shown.has("POT_GATEWAY collides"), "{}", shown.text);
    assert_eq!(read(&pot_conf(&console)), theirs, "nothing is saved by being shown");

    // What is posted to is not always a page: whoever signs in again is led to where the button stood.
    let old = page.form("/sign-out");
    browser.sign_out().await;
    let ended = browser.post_from("/runs/1", "/runs/1/keep", &old).await;
    assert!(ended.form("/sign-in").contains(&("next".to_owned(), "/runs/1".to_owned())), "{}", ended.text);
    let elsewhere = browser.http.post(url(&console, "/runs/1/keep")).header(REFERER, "https://evil.example/x");
    let ended = Page::of(elsewhere.form(&old).send().await.unwrap()).await;
    assert!(!ended.has("/x"), "{}", ended.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_sign_in_page_says_so_and_works_at_the_second_try() {
    let console = console();
    let browser = Browser::new(&console);
    let mut form = browser.get("/sign-in?next=/history").await.form("/sign-in");
    set(&mut form, "name", "admin");
    set(&mut form, "password", PASSWORD);
    let stranger = Browser::new(&console);
    let again = stranger.post_from("/sign-in", "/sign-in", &form).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "{}", again.text);
    assert!(again.has("Try again"), "{}", again.text);
    let mut form = again.form("/sign-in");
    set(&mut form, "password", PASSWORD);
    let signed_in = stranger.post_from("/sign-in", "/sign-in", &form).await;
    assert_eq!(signed_in.location.as_deref(), Some("/history"), "{}", signed_in.text);
    // A page that proves nothing about where it comes from is still refused.
    assert_eq!(Browser::new(&console).post("/sign-in", &form).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_guarded_by_headers() {
    let console = console();
    let browser = admin(&console).await;
    for path in
        ["/", "/configuration", "/sign-in", "/no-such-page", "/history", "/operations", "/activity", "/settings"]
    {
        let page = browser.get(path).await;
        let policy = &page.headers["content-security-policy"];
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        assert!(!page.has(" style=\"") && !page.has("<style") && !page.has("<script>"), "{path} has inline code");
    }
    let page = browser.get("/no-such-page").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.has("aria-label=\"Main\""), "an error page keeps the navigation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_who_floods_with_plans_is_told_to_come_back_and_disabled_at_once() {
    let console = console();
    let browser = admin(&console).await;
    let viewer = browser.with_account("vera", "viewer").await;
    let mut form = browser.get("/settings").await.form("/settings/accounts/vera/disabled");
    set(&mut form, "disabled", "true");
    let mut flood: FuturesUnordered<_> = (0..24).map(|_| viewer.get("/operations/de-init")).collect();
    let mut pages = Vec::new();
    let is_busy = |page: &&Page| page.status == StatusCode::SERVICE_UNAVAILABLE;
    while pages.iter().filter(is_busy).count() <= 10 {
        let Some(page) = flood.next().await else { break };
        pages.push(page);
    }
    let busy: Vec<&Page> = pages.iter().filter(is_busy).collect();
    assert!(busy.len() > 10, "{:?}", pages.iter().map(|page| page.status).collect::<Vec<_>>());
    assert!(!flood.is_empty(), "the flood is over before anything was done about it");
    let disable = tokio::time::timeout(PATIENCE, browser.post("/settings/accounts/vera/disabled", &form));
    let (disabled, _) = tokio::join!(disable, flood.count());
    let disabled = disabled.expect("disabling waits behind the flood");
    assert_eq!(disabled.status, StatusCode::SEE_OTHER, "{}", disabled.text);
    for page in busy {
        assert_eq!(page.headers["retry-after"], "5");
        assert!(page.has("is being made. Try again") && !page.has("changed meanwhile"), "{}", page.text);
    }
    assert_eq!(viewer.get("/").await.location.as_deref(), Some("/sign-in"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_disabled_gets_nothing_of_any_page_from_that_moment_on() {
    let console = console();
    let browser = admin(&console).await;
    for by_page in [true, false] {
        let name = if by_page { "vera" } else { "olaf" };
        let other = browser.with_account(name, "operator").await;
        let form = other.get("/configuration").await.form("/configuration");
        for path in PAGES.into_iter().chain(["/configuration/facts?have=x"]) {
            assert!(other.get(path).await.status.is_success(), "{path}");
        }
        if by_page {
            let address = format!("/settings/accounts/{name}/disabled");
            let mut form = browser.get("/settings").await.form(&address);
            set(&mut form, "disabled", "true");
            assert_eq!(browser.post(&address, &form).await.status, StatusCode::SEE_OTHER);
        } else {
            let program = support::program();
            let disable = std::process::Command::new(program)
                .arg("--root")
                .arg(&console.dir)
                .args(["user", "disable", name])
                .output()
                .unwrap();
            assert!(disable.status.success(), "{disable:?}");
        }
        // What is kept for those who may see it is nothing for who may not.
        for path in PAGES.into_iter().chain(["/configuration/facts?have=x"]) {
            let page = other.get(path).await;
            assert_eq!(
                page.location.as_deref().map(|to| to.starts_with("/sign-in")),
                Some(true),
                "{path}: {}",
                page.text
            );
            assert!(!page.has("POT_") && page.text.len() < 1000, "{path}: {}", page.text);
        }
        for path in ["/configuration/check", "/configuration"] {
            let page = other.post(path, &form).await;
            // Only what they typed themselves comes back.
            assert!(page.has("Sign in") && !page.has("id=\"conf\""), "{path}: {}", page.text);
        }
        assert!(browser.get("/").await.status.is_success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_repeats_a_page_over_many_connections_gets_nothing_that_was_asked_for_after_they_were_disabled() {
    const CONNECTIONS: usize = 10;
    const AFTERWARDS: usize = 5;
    let console = console();
    let browser = admin(&console).await;
    for (number, path) in ["/", "/history", "/settings"].into_iter().enumerate() {
        let name = format!("olaf-{number}");
        let other = browser.with_account(&name, "operator").await;
        let disabled = OnceLock::new();
        let repeated = AtomicUsize::new(0);
        // All of them ask the same in the same words at the same time: what one is told must not reach who asked later.
        let repeats = (0..CONNECTIONS).map(|_| async {
            let mut afterwards = 0;
            while afterwards < AFTERWARDS {
                let is_over = disabled.get().is_some();
                let page = other.get(path).await;
                if is_over {
                    assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}: {}", page.text);
                    afterwards += 1;
                } else if page.status.is_success() {
                    repeated.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let disable = async {
            while repeated.load(Ordering::Relaxed) < 10 * CONNECTIONS {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let mut disable = std::process::Command::new(support::program());
            disable.arg("--root").arg(&console.dir).args(["user", "disable", &name]);
            let said = tokio::task::spawn_blocking(move || disable.output()).await.unwrap().unwrap();
            assert!(said.status.success(), "{said:?}");
            disabled.set(()).unwrap();
        };
        let all = async { tokio::join!(join_all(repeats), disable) };
        tokio::time::timeout(PATIENCE, all).await.expect("all of them are told to sign in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_signed_in_before_gets_in_while_others_guess_at_the_same_address() {
    let console = console();
    let browser = Browser::new(&console);
    let mut form = browser.get("/sign-in").await.form("/sign-in");
    set(&mut form, "name", "admin");
    set(&mut form, "password", PASSWORD);
    let answer = browser.http.post(url(&console, "/sign-in")).form(&form).send().await.unwrap();
    let cookies: Vec<&str> =
        answer.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let known = cookies.iter().find(|line| line.starts_with("pot-console-known=")).unwrap();
    assert!(known.contains("; HttpOnly; SameSite=Strict; Max-Age="), "{known}");
    browser.sign_out().await;

    let stranger = Browser::new(&console);
    let mut guess = stranger.get("/sign-in").await.form("/sign-in");
    set(&mut guess, "name", "admin");
    let mut last = None;
    for number in 0..8 {
        set(&mut guess, "password", &format!("guess number {number}"));
        last = Some(stranger.post("/sign-in", &guess).await);
    }
    let last = last.unwrap();
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(last.headers.contains_key("retry-after"));
    set(&mut guess, "password", PASSWORD);
    assert_eq!(stranger.post("/sign-in", &guess).await.status, StatusCode::TOO_MANY_REQUESTS);
    browser.sign_in("admin", PASSWORD).await;
}

#[tokio::test]
async fn the_theme_that_someone_chose_is_that_of_all_their_pages_on_every_device_and_of_nobody_elses() {
    let console = console();
    let admin = admin(&console).await;
    let vera = admin.with_account("vera", "viewer").await;
    let looks = |page: &Page| {
        let head = page.text.split_once("<html lang=\"en\"").unwrap().1.split_once("<title>").unwrap().0;
        let scheme = head.split_once("name=\"color-scheme\" content=\"").unwrap().1.split_once('"').unwrap().0;
        (head.split_once('>').unwrap().0.trim().to_owned(), scheme.to_owned())
    };
    let system = (String::new(), "light dark".to_owned());
    let dark = ("data-theme=\"dark\"".to_owned(), "dark".to_owned());
    assert_eq!(looks(&vera.get("/").await), system);

    // A form, without any script; viewers have theirs, too.
    let choose = async |browser: &Browser<'_>, theme: &str| {
        let mut form = browser.get("/settings").await.form("/settings/theme");
        set(&mut form, "theme", theme);
        browser.post("/settings/theme", &form).await
    };
    let chosen = choose(&vera, "dark").await;
    assert_eq!((chosen.status, chosen.location.as_deref()), (StatusCode::SEE_OTHER, Some("/settings?done=theme")));
    for path in ["/", "/settings", "/activity", "/history", "/no-such-page"] {
        assert_eq!(looks(&vera.get(path).await), dark, "{path}");
    }
    let elsewhere = Browser::new(&console);
    assert_eq!(looks(&elsewhere.get("/sign-in").await), system, "nobody is signed in");
    elsewhere.sign_in("vera", "correct horse battery").await;
    assert_eq!(looks(&elsewhere.get("/").await), dark, "on another device");
    assert_eq!(looks(&admin.get("/").await), system, "someone else");

    assert_eq!(choose(&vera, "pink").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(looks(&elsewhere.get("/").await), dark);
    choose(&elsewhere, "system").await;
    assert_eq!(looks(&vera.get("/").await), system);
    // It is nobody's business: the history does not tell of it, and accounts are as they were.
    assert!(!admin.get("/history").await.text.contains("theme"));
    vera.sign_out().await;
    assert_eq!(looks(&vera.get("/sign-in").await), system);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_signing_in_again_from_an_address_that_only_takes_forms_a_page_comes() {
    let console = console();
    let browser = admin(&console).await;
    for (address, page) in [
        ("/history/verify", "/history"),
        ("/history/checkpoint", "/history"),
        ("/settings/password", "/settings"),
        ("/settings/accounts/admin/role", "/settings/accounts"),
        ("/settings/accounts", "/settings"),
        ("/refresh", "/"),
        ("/runs/1/keep?kept=x", "/runs/1?kept=x"),
    ] {
        let found = browser.get(address).await;
        assert_eq!((found.status, found.location.as_deref()), (StatusCode::SEE_OTHER, Some(page)), "{address}");
    }
    for address in ["/nothing", "/history/nothing", "/settings/nothing", "/runs/1/nothing"] {
        assert_eq!(browser.get(address).await.status, StatusCode::NOT_FOUND, "{address}");
    }

    // A browser that does not say where its form stood.
    let form = browser.get("/history").await.form("/history/verify");
    browser.sign_out().await;
    let request = browser.http.post(url(&console, "/history/verify")).header(ORIGIN, &console.url).form(&form);
    let ended = Page::of(request.send().await.unwrap()).await;
    assert_eq!(ended.status, StatusCode::UNAUTHORIZED, "{}", ended.text);
    let mut form = ended.form("/sign-in");
    set(&mut form, "name", "admin");
    set(&mut form, "password", PASSWORD);
    let mut page = browser.post_from("/history/verify", "/sign-in", &form).await;
    for _ in 0..3 {
        let Some(location) = page.location.clone() else { break };
        page = browser.get(&location).await;
    }
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.has("<h1>History</h1>"), "{}", page.text);
}
