//! The console without JavaScript, as a browser's forms send it: sign in, edit, review, save, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use reqwest::header::{HOST, LOCATION, ORIGIN, REFERER};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Demo, PASSWORD, PATIENCE};

/// Starts the demo of a host on which pot is installed and not initialised.
fn console() -> Demo {
    Demo::start("default")
}

fn pot_conf(console: &Demo) -> PathBuf {
    console.dir.join("usr/local/etc/pot/pot.conf")
}

fn url(console: &Demo, path: &str) -> String {
    format!("{}{path}", console.url)
}

async fn admin(console: &Demo) -> Browser<'_> {
    let browser = Browser::new(console);
    browser.sign_in("admin", PASSWORD).await;
    // The first look at the host may still be under way on a slow machine, and what pages say depends on it.
    let begun = std::time::Instant::now();
    while browser.get("/").await.has("Nothing is known about this host yet") {
        assert!(begun.elapsed() < PATIENCE, "the host is not read");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    browser
}

/// A browser without JavaScript: keeps cookies, sends forms, follows nothing by itself.
struct Browser<'a> {
    console: &'a Demo,
    http: Client,
}

impl<'a> Browser<'a> {
    fn new(console: &'a Demo) -> Self {
        let http = Client::builder().cookie_store(true).redirect(redirect::Policy::none()).build().unwrap();
        Self { console, http }
    }

    /// Like browsers, asks once more when a kept connection was closed just as the question left.
    async fn get(&self, path: &str) -> Page {
        let ask = || self.http.get(url(self.console, path)).send();
        let answer = match ask().await {
            Err(error) if error.is_request() => ask().await,
            answer => answer,
        };
        Page::of(answer.unwrap()).await
    }

    async fn post(&self, path: &str, form: &[(String, String)]) -> Page {
        Page::of(self.http.post(url(self.console, path)).form(form).send().await.unwrap()).await
    }

    /// As real browsers send it: the page that the form stood on is named.
    async fn post_from(&self, page: &str, path: &str, form: &[(String, String)]) -> Page {
        let request = self.http.post(url(self.console, path)).header(ORIGIN, &self.console.url);
        let request = request.header(REFERER, url(self.console, page)).form(form);
        Page::of(request.send().await.unwrap()).await
    }

    async fn sign_out(&self) {
        let form = self.get("/settings").await.form("/sign-out");
        assert_eq!(self.post("/sign-out", &form).await.status, StatusCode::SEE_OTHER);
    }

    /// Makes an account and signs in with it.
    async fn with_account(&self, name: &str, role: &str) -> Browser<'a> {
        let mut form = self.get("/settings").await.form("/settings/accounts");
        set(&mut form, "name", name);
        set(&mut form, "role", role);
        set(&mut form, "password", "correct horse battery");
        let page = self.post("/settings/accounts", &form).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        let browser = Browser::new(self.console);
        browser.sign_in(name, "correct horse battery").await;
        browser
    }

    async fn sign_in(&self, name: &str, password: &str) {
        let mut form = self.get("/sign-in").await.form("/sign-in");
        set(&mut form, "name", name);
        set(&mut form, "password", password);
        let page = self.post("/sign-in", &form).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    }

    /// Changes fields of the configuration's form and presses a button.
    async fn configure(&self, changes: &[(&str, &str)], button: (&str, &str)) -> Page {
        self.get("/configuration").await.edit(self, changes, button).await
    }
}

fn set(form: &mut Vec<(String, String)>, name: &str, value: &str) {
    form.retain(|(key, _)| key != name);
    form.push((name.to_owned(), value.to_owned()));
}

struct Page {
    status: StatusCode,
    location: Option<String>,
    headers: BTreeMap<String, String>,
    text: String,
}

impl Page {
    async fn of(response: Response) -> Self {
        let text_of = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        Self {
            status: response.status(),
            location: response.headers().get(LOCATION).map(text_of),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), text_of(value)))
                .collect(),
            text: response.text().await.unwrap(),
        }
    }

    fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// The fields of the form that posts to `action`, as a browser would send them without pressing a button.
    fn form(&self, action: &str) -> Vec<(String, String)> {
        let start = self.text.find(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("no form: {}", self.text));
        let end = start + self.text[start..].find("</form>").unwrap();
        let mut form = Vec::new();
        for piece in self.text[start..end].split('<').skip(1) {
            let tag = piece.split('>').next().unwrap();
            if tag.starts_with("input") {
                let kind = attribute(tag, "type").unwrap_or_default();
                let unchecked = (kind == "checkbox" || kind == "radio") && !tag.contains(" checked");
                if let (Some(name), false) = (attribute(tag, "name"), unchecked) {
                    form.push((name, attribute(tag, "value").unwrap_or_else(|| "on".to_owned())));
                }
            } else if tag.starts_with("select") {
                form.push((attribute(tag, "name").unwrap(), String::new()));
            } else if tag.starts_with("option") && tag.contains(" selected") {
                form.last_mut().unwrap().1 = attribute(tag, "value").unwrap();
            } else if tag.starts_with("textarea") {
                form.push((attribute(tag, "name").unwrap(), unescaped(piece.split_once('>').unwrap().1)));
            }
        }
        form
    }

    async fn edit(&self, browser: &Browser<'_>, changes: &[(&str, &str)], button: (&str, &str)) -> Page {
        let mut form = self.form("/configuration");
        for (name, value) in changes {
            set(&mut form, name, value);
        }
        form.push((button.0.to_owned(), button.1.to_owned()));
        browser.post("/configuration", &form).await
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Pages of which all is asked of the executor at each request.
const PAGES: [&str; 11] = [
    "/",
    "/readiness",
    "/pots",
    "/pots/addresses",
    "/configuration",
    "/operations",
    "/activity",
    "/history?tab=all",
    "/settings",
    "/guide",
    "/network/path",
];

const REVIEW: (&str, &str) = ("review", "1");
const SAVE: (&str, &str) = ("save", "1");

#[tokio::test]
async fn a_pot_conf_that_cannot_be_read_takes_only_its_own_pages_away() {
    let console = Demo::start("default");
    let browser = admin(&console).await;
    // Before the host was looked at for the first time its page says only that.
    for _ in 0..200 {
        if !browser.get("/").await.has("Nothing is known about this host yet") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let path = console.path("/usr/local/etc/pot/pot.conf");
    std::fs::write(&path, b"POT_EXTIF=em0\0\n").expect("writing pot.conf");
    for (address, status) in [("/", 200), ("/readiness", 200), ("/operations", 200), ("/history", 200)]
        .into_iter()
        .chain([("/configuration", 503), ("/configuration/file", 503), ("/operations/init", 503)])
    {
        let page = browser.get(address).await;
        assert_eq!(page.status.as_u16(), status, "{address}: {}", page.text);
        assert_eq!(page.has("line 1 holds a NUL byte"), address != "/history", "{address}: {}", page.text);
    }
    assert!(browser.get("/configuration").await.has("fix the file at the machine"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_job_works_without_javascript() {
    let console = console();
    let before = read(&pot_conf(&console));
    let browser = Browser::new(&console);

    let page = browser.get("/configuration").await;
    assert_eq!(page.location.as_deref(), Some("/sign-in?next=/configuration"));
    browser.sign_in("admin", PASSWORD).await;

    let page = browser.get("/configuration").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.has("No findings"), "a stock pot.conf on a healthy host has none");

    let page = browser.configure(&[("POT_NETWORK", "10.200.0.0/16")], REVIEW).await;
    assert!(page.has("<title>2 errors · Configuration"), "{}", page.text);
    assert!(page.has("lies outside POT_NETWORK 10.200.0.0/16"));
    assert!(page.has("<span class=\"visually-hidden\">added </span>POT_NETWORK=10.200.0.0/16"));
    assert_eq!(read(&pot_conf(&console)), before, "a review writes nothing");

    let page = page.edit(&browser, &[], ("fix", "all")).await;
    assert!(page.has("No findings"), "{}", page.text);
    assert!(page.has("POT_GATEWAY=10.200.0.1") && page.has("POT_NETMASK=255.255.0.0"));

    let page = page.edit(&browser, &[("reason", "The old range collided with the VPN")], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = browser.get(&page.location.unwrap()).await;
    assert!(page.has("Saved. POT_NETWORK"), "{}", page.text);
    let (_, link) = page.text.split_once("href=\"/history/").unwrap();
    let record = browser.get(&format!("/history/{}", link.split('"').next().unwrap())).await;
    assert_eq!(record.status, StatusCode::OK);
    assert!(record.has("10.200.0.0/16"), "{}", record.text);
    let after = read(&pot_conf(&console));
    for line in ["POT_NETWORK=10.200.0.0/16\n", "POT_NETMASK=255.255.0.0\n", "POT_GATEWAY=10.200.0.1\n"] {
        assert!(after.contains(line), "{after}");
    }

    let history = browser.get("/history").await;
    assert!(history.has("POT_NETWORK") && history.has("admin"), "{}", history.text);
    assert!(history.has("The old range collided with the VPN"));
}

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
    let many: Vec<_> = (0..2000).map(|number| (format!("POT_NETWORK_x{number}"), String::new())).collect();
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
async fn a_file_that_changed_meanwhile_is_never_overwritten() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;

    let theirs = read(&pot_conf(&console)) + "POT_GATEWAY=10.192.0.254\nPOT_LOG_FACILITY=local5\n";
    std::fs::write(pot_conf(&console), &theirs).unwrap();

    let mine = [("POT_GATEWAY", "10.192.0.9"), ("POT_CACHE", "/var/cache/images")];
    let page = page.edit(&browser, &mine, SAVE).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
    assert!(page.has("while you were editing. Nothing has been written."), "{}", page.text);
    assert!(page.has("POT_GATEWAY collides"), "{}", page.text);
    assert!(page.has("10.192.0.254") && page.has("10.192.0.9") && page.has("Your other change fits"));
    assert_eq!(read(&pot_conf(&console)), theirs);

    let page = page.edit(&browser, &[], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let saved = read(&pot_conf(&console));
    assert!(saved.contains("POT_GATEWAY=10.192.0.9\n") && saved.contains("POT_CACHE=/var/cache/images\n"), "{saved}");
    assert!(saved.contains("POT_LOG_FACILITY=local5\n"), "what they changed and I did not stays: {saved}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_root_would_obey_are_named_and_never_saved() {
    let console = console();
    let before = read(&pot_conf(&console));
    let browser = admin(&console).await;
    for (name, value) in
        [("POT_GATEWAY", "$(reboot)"), ("POT_FS_ROOT", "/etc"), ("POT_EXTIF", "em0; reboot"), ("POT_NETWORK", "`id`")]
    {
        let page = browser.configure(&[(name, value), ("reason", "because")], ("save", "with-errors")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {}", page.text);
        assert!(page.has("Nothing was saved") && page.has(name), "{}", page.text);
        let kept = page.form("/configuration");
        assert!(kept.iter().any(|(field, kept)| field == name && kept == value), "{name} is lost: {kept:?}");
    }
    assert_eq!(read(&pot_conf(&console)), before, "a refused save changes no byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_saved_only_when_asked_once_and_with_a_reason() {
    let console = console();
    let before = read(&pot_conf(&console));
    let browser = admin(&console).await;
    let page = browser.configure(&[("POT_GATEWAY", "10.1.0.1")], SAVE).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.has("1 error would be saved"), "{}", page.text);
    let page = page.edit(&browser, &[], ("save", "with-errors")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "without a reason: {}", page.text);
    // The browser shows the field, not the head of the page.
    let (_, field) = page.text.split_once("id=\"reason\"").unwrap();
    assert!(field.split("</div></div>").next().unwrap().contains("Nothing was saved. Give a reason."), "{field}");
    assert_eq!(read(&pot_conf(&console)), before);
    let page = page.edit(&browser, &[("reason", "The network follows tonight")], ("save", "with-errors")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert!(read(&pot_conf(&console)).contains("POT_GATEWAY=10.1.0.1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interfaces_are_checked_with_their_networks() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;
    let mut form = page.form("/configuration");
    form.push(("POT_EXTRA_EXTIF".to_owned(), "vlan20".to_owned()));
    form.push(("POT_EXTRA_EXTIF".to_owned(), "vlan30".to_owned()));
    set(&mut form, "POT_NETWORK_vlan20", "10.0.20.0/24");
    set(&mut form, "POT_NETWORK_vlan30", "10.0.30.0/24");
    form.push(("save".to_owned(), "1".to_owned()));
    let page = browser.post("/configuration", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let saved = read(&pot_conf(&console));
    assert!(saved.contains("POT_EXTRA_EXTIF=\"vlan20 vlan30\"\n"), "{saved}");
    assert!(saved.contains("POT_NETWORK_vlan30=10.0.30.0/24\n"), "{saved}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_text_and_no_inputs() {
    let console = console();
    let admin = admin(&console).await;
    let viewer = admin.with_account("vera", "viewer").await;
    let page = viewer.get("/configuration").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.has("10.192.0.0/10"));
    // What they may do is to have the host read again.
    let (before_form, rest) = page.text.split_once("<form class=\"aside\"").unwrap();
    // What every page has at its foot, the search, is no part of this one.
    let behind = rest.split_once("</form>").unwrap().1.split_once("<footer").unwrap().0;
    let main = before_form[before_form.find("<main").unwrap()..].to_owned() + behind;
    for control in ["<input", "<select", "<textarea", "<button"] {
        assert!(!main.contains(control), "a viewer was offered {control}");
    }
    let before = read(&pot_conf(&console));
    let mut form = admin.get("/configuration").await.form("/configuration");
    let own = page.form("/sign-out").into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    set(&mut form, "csrf", &own);
    set(&mut form, "POT_GATEWAY", "10.192.0.9");
    form.push(("save".to_owned(), "1".to_owned()));
    assert_eq!(viewer.post("/configuration", &form).await.status, StatusCode::FORBIDDEN);
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
async fn an_error_that_stood_before_does_not_stop_other_changes() {
    let console = console();
    let stood = read(&pot_conf(&console)) + "POT_GATEWAY=10.1.0.1\n";
    std::fs::write(pot_conf(&console), &stood).unwrap();
    let operator = admin(&console).await.with_account("otto", "operator").await;
    let page = operator.configure(&[("POT_CACHE", "/var/cache/images")], REVIEW).await;
    assert!(page.has("<title>1 error · ") && page.has(">Save 1 change<"), "{}", page.text);
    let page = page.edit(&operator, &[], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);

    // An error of their own is another matter, and no button promises what the role cannot do.
    let page = operator.configure(&[("POT_NETMASK", "255.0.0.0")], SAVE).await;
    let words = "1 error in what changes, 2 in all";
    assert!(page.has(&format!("{words}, would be saved")) && page.has("Only an admin may"), "{}", page.text);
    assert!(page.has("<title>2 errors · "), "{}", page.text);
    assert!(!page.has("value=\"with-errors\""), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undoing_the_list_of_interfaces_leaves_the_focus_at_it() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.configure(&[("POT_NETWORK_vlan20", "10.0.20.0/24")], ("undo", "POT_EXTRA_EXTIF")).await;
    assert!(page.has("name=\"POT_EXTRA_EXTIF\" value=\"vlan20\" autofocus"), "{}", page.text);
    assert_eq!(page.text.matches(" autofocus").count(), 1);
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

/// Starts the plan at this address with these fields added; gives the run's address.
async fn start_plan(browser: &Browser<'_>, address: &str, fields: &[(&str, &str)]) -> Page {
    let path = address.split('?').next().unwrap();
    let mut form = browser.get(address).await.form(path);
    for (name, value) in fields {
        set(&mut form, name, value);
    }
    browser.post(path, &form).await
}

/// How long a run may take; in the long runs every tool of one host is slow.
fn run_patience() -> Duration {
    if std::env::var_os("POT_CONSOLE_LONG").is_some() { 8 * PATIENCE } else { PATIENCE }
}

/// The run's page once it says `text`.
async fn run_says(browser: &Browser<'_>, address: &str, text: &str) -> Page {
    let begun = std::time::Instant::now();
    loop {
        let page = browser.get(address).await;
        if page.has(text) {
            return page;
        }
        assert!(begun.elapsed() < run_patience(), "{address} does not say {text:?}: {}", page.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

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
    let command = std::process::Command::new(support::program())
        .args(["run", "init", "--acknowledge", "--reason", "At the terminal", "--root"])
        .arg(&console.dir)
        .output()
        .unwrap();
    assert!(command.status.success(), "{command:?}");
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
async fn the_page_of_a_run_that_is_not_kept_any_more_says_so_and_leads_to_the_history() {
    let console = console();
    let browser = admin(&console).await;
    let command = std::process::Command::new(support::program())
        .args(["run", "init", "--acknowledge", "--reason", "At the terminal", "--root"])
        .arg(&console.dir)
        .output()
        .unwrap();
    assert!(command.status.success(), "{command:?}");
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

#[tokio::test]
async fn feedback_is_stored_and_shown_for_copying() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/feedback").await;
    assert!(page.has("Send it to pizzamig@FreeBSD.org"), "named before it goes: {}", page.text);
    let mut form = page.form("/feedback");
    set(&mut form, "wrong", "<b>nothing</b>");
    set(&mut form, "reply_to", "anna@example.org\nBcc: all@example.org");
    let refused = browser.post("/feedback", &form).await;
    assert!(refused.has("This is no mail address. Nothing has been stored."), "{}", refused.text);
    assert!(refused.has("&lt;b&gt;nothing&lt;/b&gt;") || refused.has("&#60;b&#62;nothing"), "what was typed stays");
    set(&mut form, "reply_to", "anna@example.org");
    set(&mut form, "send", "on");
    let stored = browser.post("/feedback", &form).await;
    assert!(stored.has("handed to this host&#39;s mailer") && stored.has("mailto:"), "{}", stored.text);
    assert!(stored.has("Reply to: anna@example.org"), "it stands in the text, too: {}", stored.text);

    // Who may only look writes as well; what they write stays on the host.
    let viewer = browser.with_account("vera", "viewer").await;
    let page = viewer.get("/feedback").await;
    assert!(!page.has("name=\"send\"") && page.has("stored on this host and not sent"), "{}", page.text);
    let mut form = page.form("/feedback");
    set(&mut form, "missing", "a way to say so");
    let stored = viewer.post("/feedback", &form).await;
    assert!(stored.has("Stored on this host. Nothing was sent.") && stored.has("a way to say so"), "{}", stored.text);
    set(&mut form, "send", "on");
    assert_eq!(viewer.post("/feedback", &form).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_who_floods_with_plans_is_told_to_come_back_and_disabled_at_once() {
    let console = console();
    let browser = admin(&console).await;
    let viewer = browser.with_account("vera", "viewer").await;
    let mut form = browser.get("/settings").await.form("/settings/accounts/vera/disabled");
    set(&mut form, "disabled", "true");
    let begun = std::time::Instant::now();
    let flood = async {
        let pages = futures_util::future::join_all((0..24).map(|_| viewer.get("/operations/de-init"))).await;
        (pages, begun.elapsed())
    };
    let disable = async {
        // The flood first.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let start = std::time::Instant::now();
        (browser.post("/settings/accounts/vera/disabled", &form).await, start.elapsed())
    };
    let ((pages, whole), (disabled, took)) = tokio::join!(flood, disable);
    assert_eq!(disabled.status, StatusCode::SEE_OTHER, "{}", disabled.text);
    assert!(took < PATIENCE || 2 * took < whole, "disabling took {took:?} of {whole:?}");
    let busy: Vec<&Page> = pages.iter().filter(|page| page.status == StatusCode::SERVICE_UNAVAILABLE).collect();
    assert!(busy.len() > 10, "{:?}", pages.iter().map(|page| page.status).collect::<Vec<_>>());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vpn_that_is_down_can_be_named_without_javascript() {
    let console = console();
    let browser = admin(&console).await;
    let vpn = [("other.POT_VPN_EXTIF", "tun0"), ("POT_VPN_NETWORKS", "10.8.0.0/24")];
    let page = browser.configure(&vpn, REVIEW).await;
    assert!(page.has("tun0 does not exist on this host now. That is usual while the VPN is down."), "{}", page.text);
    assert!(page.has("tun0 (not on this host)"), "it stands in the list now: {}", page.text);
    let page = page.edit(&browser, &[], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert!(read(&pot_conf(&console)).contains("POT_VPN_EXTIF=tun0\n"));
    // A further interface that is not there gets a line for its network as soon as its name is typed.
    let mut form = browser.get("/configuration").await.form("/configuration");
    set(&mut form, "extra.other", "wg5");
    let plain = browser.post("/configuration/check", &form).await;
    assert!(!plain.has("id=\"c-POT_EXTRA_EXTIF\""), "nothing is taken from under the caret: {}", plain.text);
    form.push(("extra.typed".to_owned(), "1".to_owned()));
    let typed = browser.post("/configuration/check", &form).await;
    let (_, line) = typed.text.split_once("name=\"POT_NETWORK_wg5\"").expect("a line of its own");
    assert!(line.split('>').next().unwrap().contains("autofocus"), "{}", typed.text);
    assert!(typed.has("The extra interface <code>wg5</code> does not exist on this host."), "{}", typed.text);
    // The way out can be another one, too, and is told to be missing.
    let page = browser.configure(&[("other.POT_EXTIF", "em7")], REVIEW).await;
    assert!(page.has("POT_EXTIF em7 does not exist on this host"), "{}", page.text);
    let page = page.edit(&browser, &[("POT_EXTIF", "em0")], REVIEW).await;
    assert!(!page.has("does not exist on this host, and") && page.has("No changes"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn choose_another_network_is_one_press() {
    let console = console();
    let browser = admin(&console).await;
    let lan = [("POT_NETWORK", "192.168.178.0/24"), ("POT_NETMASK", "255.255.255.0"), ("POT_GATEWAY", "192.168.178.1")];
    let page = browser.configure(&lan, REVIEW).await;
    assert!(page.has("Choose another network, such as 10.192.0.0/24."), "{}", page.text);
    assert!(page.has("<code>10.192.0.0/24</code> with a gateway in it"), "{}", page.text);
    let others: Vec<&str> = page.text.split("name=\"network\" value=\"").skip(1).collect();
    let other = others.iter().map(|rest| rest.split('"').next().unwrap()).find(|value| value.ends_with("/16")).unwrap();
    for (button, network) in
        [(("fix", "network-overlaps-interface@POT_NETWORK"), "10.192.0.0/24"), (("network", other), other)]
    {
        let page = page.edit(&browser, &[], button).await;
        assert!(page.has("No findings") && page.has(&format!("POT_NETWORK={network}")), "{button:?}: {}", page.text);
    }
    // At a field without a finding it is a press, too.
    let page = browser.configure(&[], ("network", "10.77.0.0/16")).await;
    assert!(page.has("No findings"), "{}", page.text);
    assert!(page.has("POT_NETMASK=255.255.0.0") && page.has("POT_GATEWAY=10.77.0.1"), "{}", page.text);
    // A list as other programs take it.
    let vpn = [("other.POT_VPN_EXTIF", "tun0"), ("POT_VPN_NETWORKS", "10.8.0.0/24, 10.9.0.0/24")];
    let page = browser.configure(&vpn, REVIEW).await;
    assert!(page.has("It cannot be saved.") && page.has("<code>10.8.0.0/24 10.9.0.0/24</code>"), "{}", page.text);
    let page = page.edit(&browser, &[], ("fix", "not-a-network@POT_VPN_NETWORKS")).await;
    assert!(!page.has("It cannot be saved.") && page.has("2 networks behind the VPN"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_conflict_fields_show_what_the_findings_speak_of() {
    let console = console();
    let browser = admin(&console).await;
    let mut form = browser.get("/configuration").await.form("/configuration");
    let theirs = read(&pot_conf(&console)) + "POT_GATEWAY=10.192.0.254\nPOT_GROUP=wheel\n";
    std::fs::write(pot_conf(&console), &theirs).unwrap();
    set(&mut form, "POT_GROUP", "pots");
    set(&mut form, "POT_CACHE", "/var/cache/images");
    let checked = browser.post("/configuration/check", &form).await;
    assert!(checked.has("while you were editing") && checked.has("POT_GROUP collides"), "{}", checked.text);
    let control = |name: &str| {
        let (_, rest) = checked.text.split_once(&format!("id=\"c-{name}\"")).unwrap_or(("", ""));
        rest.split("</div>").next().unwrap().to_owned()
    };
    assert!(control("POT_GATEWAY").contains("value=\"10.192.0.254\""), "{}", checked.text);
    assert_eq!(control("POT_GROUP"), "", "what one is typing stays");
    assert!(!control("POT_GATEWAY").contains("autofocus"), "nobody is taken away from the field they are at");

    // A text that the console does not know any more tells nothing of who changed what; the form does.
    set(&mut form, "base", &format!("sha256:{}", "0".repeat(64)));
    let checked = browser.post("/configuration/check", &form).await;
    assert!(checked.has("POT_GROUP collides") && !checked.has("POT_CACHE collides"), "{}", checked.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_says_how_old_its_facts_are_and_reads_them_again_with_the_edits_kept() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;
    let have = |page: &Page| page.text.split("data-have=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(page.has("Facts read <time") && page.has(">Read again</button>"), "{}", page.text);
    let before = read(&pot_conf(&console));
    let page = page.edit(&browser, &[("POT_CACHE", "/var/cache/images")], ("again", "1")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.has("value=\"/var/cache/images\"") && page.has("1 change"), "{}", page.text);
    assert!(page.text.split("id=\"again\"").nth(1).unwrap().split('>').next().unwrap().contains("autofocus"));
    assert_eq!(read(&pot_conf(&console)), before, "nothing is saved by looking");

    // A page that is left open is told when there is something new, and only then.
    let mut page = page;
    for _ in 0..100 {
        if !page.has("data-reading") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        page = browser.get("/configuration").await;
    }
    let ask = format!("/configuration/facts?have={}", have(&page));
    assert_eq!(browser.get(&ask).await.status, StatusCode::NO_CONTENT);
    std::fs::write(pot_conf(&console), before + "POT_GROUP=wheel\n").unwrap();
    assert_eq!(browser.get(&ask).await.status, StatusCode::OK);

    // Who may only look reads again, too.
    let viewer = browser.with_account("vera", "viewer").await;
    let mut form = viewer.get("/configuration").await.form("/refresh");
    assert!(form.contains(&("back".to_owned(), "/configuration".to_owned())), "{form:?}");
    form.retain(|(name, _)| name == "csrf" || name == "back");
    let page = viewer.post("/refresh", &form).await;
    assert_eq!(page.location.as_deref(), Some("/configuration?again=1"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_save_the_page_leads_on_by_one_main_button() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.configure(&[("POT_CACHE", "/var/cache/images")], SAVE).await;
    let page = browser.get(&page.location.unwrap()).await;
    let (_, notice) = page.text.split_once("Saved. POT_CACHE").expect("a notice");
    let notice = notice.split("</div></div>").next().unwrap();
    assert!(notice.contains("<a class=\"button main\" href=\"/operations/init\">Plan init</a>"), "{notice}");
    assert_eq!(page.text.matches("<a class=\"button main\"").count(), 1, "{}", page.text);
    assert!(page.has("<button form=\"conf\" class=\"button\" name=\"save\""), "nothing is left to save: {}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_says_how_each_paragraph_stands_here_and_offers_what_a_role_may_do() {
    let console = console();
    let admin = admin(&console).await;
    let guide = admin.get("/guide").await;
    assert_eq!(guide.status, StatusCode::OK);
    assert!(
        guide.has("data-fact=\"ready-racct\"") && guide.has("/operations/prepare?items=private-tmp"),
        "{}",
        guide.text
    );
    assert!(guide.has(">Plan it<") && guide.has("query=loader.conf&amp;sektion=5"), "{}", guide.text);
    assert!(guide.has("would say nothing") && guide.has("/configuration#p-POT_EXTIF"), "{}", guide.text);
    assert!(admin.get("/readiness").await.has("href=\"/guide#resource-limits\""));
    assert!(admin.get("/operations").await.has("href=\"/guide#vnet-start\""));
    assert!(admin.get("/operations/init").await.has("href=\"/guide#init\""));
    assert!(admin.get("/configuration").await.has("href=\"/guide#network\""));
    let viewer = admin.with_account("vera", "viewer").await;
    let seen = viewer.get("/guide").await;
    assert!(seen.has(">Look at the plan<") && !seen.has(">Plan it<"), "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_leads_to_a_page_that_says_why_it_is_one() {
    let console = console();
    let admin = admin(&console).await;
    let review = admin.configure(&[("POT_GATEWAY", "1.1.1.1")], ("review", "1")).await;
    assert!(review.has("href=\"/guide/findings/gateway-outside-network\""), "{}", review.text);
    let why = admin.get("/guide/findings/gateway-outside-network").await;
    assert!(why.status == StatusCode::OK && why.has("potnet config-check") && why.has("POT_GATEWAY=10.200.0.1"));
    assert!(why.has("gives no such finding here"), "what was only typed is not on this host: {}", why.text);
    std::fs::write(pot_conf(&console), "POT_GATEWAY=1.1.1.1\n").unwrap();
    assert!(admin.get("/guide/findings/gateway-outside-network").await.has("1.1.1.1 lies outside POT_NETWORK"));
    assert!(admin.get("/guide/findings").await.has("/guide/findings/pf-conf-invalid"));
    assert_eq!(admin.get("/guide/findings/no-such-code").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_field_finds_everything_that_a_role_may_see_and_shows_names_as_text() {
    let console = console();
    let admin = admin(&console).await;
    let found = admin.get("/search?q=pot_gateway").await;
    assert_eq!(found.status, StatusCode::OK);
    assert!(found.has("<h1>Search</h1>") && found.has("href=\"/configuration#p-POT_GATEWAY\""), "{}", found.text);
    for (typed, leads_to) in [
        ("10.192.0.1", "/configuration#p-POT_GATEWAY"),
        ("em0", "/configuration#p-POT_EXTIF"),
        ("vnet", "/operations/vnet-start"),
        ("create", "/activity?command=create"),
        ("racct", "/guide#resource-limits"),
        ("carriage", "/guide/findings/carriage-return"),
        ("admin", "/history/"),
        ("accounts", "/settings#s-accounts"),
    ] {
        let found = admin.get(&format!("/search?q={typed}")).await;
        assert!(found.has(&format!("href=\"{leads_to}")), "{typed}: {}", found.text);
    }
    let hostile = admin.get("/search?q=%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE").await;
    assert!(hostile.status == StatusCode::OK && !hostile.has("<script>alert"), "{}", hostile.text);
    assert!(admin.get("/search?q=").await.status == StatusCode::OK);
    assert!(admin.get(&format!("/search?q={}", "x".repeat(5000))).await.status == StatusCode::OK);
    let viewer = admin.with_account("vera", "viewer").await;
    assert!(!viewer.get("/search?q=accounts").await.has("#s-accounts"), "the accounts are for admins");
    let anyone = Browser::new(&console);
    assert!(!anyone.get("/search?q=pot_gateway").await.has("/configuration#p-POT_GATEWAY"));
}

/// A page without what each answer has of its own: form tokens, and ages in seconds.
fn without_moments(page: &Page) -> String {
    let mut told = String::new();
    let mut pieces = page.text.split("name=\"csrf\" value=\"");
    told.push_str(pieces.next().unwrap());
    for piece in pieces {
        told.push_str(piece.split_once('"').unwrap().1);
    }
    let (before, printed) = told.split_once("<p class=\"printed\">").unwrap();
    let told = format!("{before}{}", printed.split_once("</p>").unwrap().1);
    // "12 s ago", and the same for the page's script.
    let number = |text: &str| text.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    let told: Vec<String> = told.split(" s ago").map(number).collect();
    let told = told.join(" s ago");
    let told: Vec<&str> = told.split("data-ago=\"").collect();
    let rest = |piece: &&str| piece.trim_start_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    let (first, others) = told.split_first().unwrap();
    std::iter::once((*first).to_owned()).chain(others.iter().map(rest)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_asked_for_again_is_given_again_only_while_it_would_be_made_the_same() {
    let console = console();
    let browser = admin(&console).await;
    let vera = browser.with_account("vera", "viewer").await;
    let token = |page: &Page| attribute(page.text.split_once("name=\"csrf\"").unwrap().1, "value").unwrap();
    for path in PAGES {
        // Twice within a second: the same down to the masked token. One that was shown while something changed is made anew.
        let begun = std::time::Instant::now();
        loop {
            let (one, other) = (browser.get(path).await, browser.get(path).await);
            if token(&one) == token(&other) {
                assert_eq!(one.text, other.text, "{path}");
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} is made anew each time");
        }
        // Nobody gets what was made for another, and nothing of another request.
        let own = vera.get(path).await;
        assert!(own.has("<b>vera</b>") && !own.has("<b>admin</b>"), "{path}: {}", own.text);
        assert_ne!(token(&own), token(&browser.get(path).await), "{path}");
        let mark = if path.contains('?') { '&' } else { '?' };
        assert_ne!(
            token(&browser.get(path).await),
            token(&browser.get(&format!("{path}{mark}other=1")).await),
            "{path}: what a request brings along must not be guessed by lengths"
        );
    }

    let run = |arguments: &[&str]| {
        let done = std::process::Command::new(support::program())
            .args(arguments)
            .arg("--root")
            .arg(&console.dir)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let append = |path: &str, text: &str| {
        let path = console.path(path);
        std::fs::write(&path, format!("{}{text}", read(&path))).unwrap();
    };
    let log = |number: u32| {
        let now = std::process::Command::new("date").args(["+%b %e %H:%M:%S"]).output().unwrap();
        let now = String::from_utf8(now.stdout).unwrap();
        append("/var/log/pot.log", &format!("{} simulated pot[7]: pot-start needle{number}\n", now.trim()));
    };
    let acts: [(&str, &dyn Fn(u32)); 5] = [
        ("pot.conf, with an editor", &|number| {
            append("/usr/local/etc/pot/pot.conf", &format!("POT_TMP=/tmp/{number}\n"));
        }),
        ("pot.conf, at the command line", &|number| {
            run(&[
                "conf",
                "set",
                &format!("POT_MKTEMP_SUFFIX=.{}", "X".repeat(4 + number as usize)),
                "--reason",
                "because",
            ]);
        }),
        ("an account, at the command line", &|number| {
            run(&["user", if number.is_multiple_of(2) { "disable" } else { "enable" }, "vera"]);
        }),
        ("a line of pot", &log),
        ("nothing", &|_| ()),
    ];
    let mut changed = BTreeMap::new();
    for number in 0..4 {
        for (act, carry_out) in acts {
            let mut before = Vec::new();
            for path in PAGES {
                before.push(browser.get(path).await);
            }
            carry_out(number);
            for (path, before) in PAGES.into_iter().zip(&before) {
                let mark = if path.contains('?') { '&' } else { '?' };
                let anew = async |times: u32| {
                    without_moments(&browser.get(&format!("{path}{mark}made={number}{act}{times}")).await)
                };
                let first = anew(1).await;
                let again = without_moments(&browser.get(path).await);
                // What goes on by itself meanwhile (a look at the host) may show in the one or in the other.
                if again != first {
                    assert_eq!(again, anew(2).await, "{path} after {act}");
                }
                *changed.entry(act).or_insert(0) += u32::from(again != without_moments(before));
            }
        }
    }
    for (act, pages) in &changed {
        assert!(*pages > 0 || *act == "nothing", "{act} shows on no page: the test says nothing");
    }
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
