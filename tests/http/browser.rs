//! A browser without JavaScript, and what pages and forms are to it.

use crate::support::{self, Demo, PASSWORD, PATIENCE};
use reqwest::header::{LOCATION, ORIGIN, REFERER};
use reqwest::{Client, Response, StatusCode, redirect};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Starts the demo of a host on which pot is installed and not initialised.
pub(crate) fn console() -> Demo {
    Demo::start("default")
}

pub(crate) fn pot_conf(console: &Demo) -> PathBuf {
    console.dir.join("usr/local/etc/pot/pot.conf")
}

pub(crate) fn url(console: &Demo, path: &str) -> String {
    format!("{}{path}", console.url)
}

pub(crate) async fn admin(console: &Demo) -> Browser<'_> {
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
pub(crate) struct Browser<'a> {
    pub(crate) console: &'a Demo,
    pub(crate) http: Client,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(console: &'a Demo) -> Self {
        let http = Client::builder().cookie_store(true).redirect(redirect::Policy::none()).build().unwrap();
        Self { console, http }
    }

    /// Like browsers, asks once more when a kept connection was closed just as the question left.
    pub(crate) async fn get(&self, path: &str) -> Page {
        let ask = || self.http.get(url(self.console, path)).send();
        let answer = match ask().await {
            Err(error) if error.is_request() => ask().await,
            answer => answer,
        };
        Page::of(answer.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(String, String)]) -> Page {
        Page::of(self.http.post(url(self.console, path)).form(form).send().await.unwrap()).await
    }

    /// As real browsers send it: the page that the form stood on is named.
    pub(crate) async fn post_from(&self, page: &str, path: &str, form: &[(String, String)]) -> Page {
        let request = self.http.post(url(self.console, path)).header(ORIGIN, &self.console.url);
        let request = request.header(REFERER, url(self.console, page)).form(form);
        Page::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn sign_out(&self) {
        let form = self.get("/settings").await.form("/sign-out");
        assert_eq!(self.post("/sign-out", &form).await.status, StatusCode::SEE_OTHER);
    }

    /// Makes an account and signs in with it.
    pub(crate) async fn with_account(&self, name: &str, role: &str) -> Browser<'a> {
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

    pub(crate) async fn sign_in(&self, name: &str, password: &str) {
        let mut form = self.get("/sign-in").await.form("/sign-in");
        set(&mut form, "name", name);
        set(&mut form, "password", password);
        let page = self.post("/sign-in", &form).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    }

    /// Changes fields of the configuration's form and presses a button.
    pub(crate) async fn configure(&self, changes: &[(&str, &str)], button: (&str, &str)) -> Page {
        self.get("/configuration").await.edit(self, changes, button).await
    }
}

pub(crate) fn set(form: &mut Vec<(String, String)>, name: &str, value: &str) {
    form.retain(|(key, _)| key != name);
    form.push((name.to_owned(), value.to_owned()));
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) location: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Page {
    pub(crate) async fn of(response: Response) -> Self {
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

    pub(crate) fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// The fields of the form that posts to `action`, as a browser would send them without pressing a button.
    pub(crate) fn form(&self, action: &str) -> Vec<(String, String)> {
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

    pub(crate) async fn edit(&self, browser: &Browser<'_>, changes: &[(&str, &str)], button: (&str, &str)) -> Page {
        let mut form = self.form("/configuration");
        for (name, value) in changes {
            set(&mut form, name, value);
        }
        form.push((button.0.to_owned(), button.1.to_owned()));
        browser.post("/configuration", &form).await
    }
}

pub(crate) fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

pub(crate) fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// Runs `pot init` as root does at the host's own terminal.
pub(crate) fn init_at_the_terminal(console: &Demo) {
    let run = std::process::Command::new(support::program())
        .args(["run", "init", "--acknowledge", "--reason", "At the terminal", "--root"])
        .arg(&console.dir)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Pages of which all is asked of the executor at each request.
pub(crate) const PAGES: [&str; 11] = [
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

pub(crate) const REVIEW: (&str, &str) = ("review", "1");

pub(crate) const SAVE: (&str, &str) = ("save", "1");

/// Starts the plan at this address with these fields added; gives the run's address.
pub(crate) async fn start_plan(browser: &Browser<'_>, address: &str, fields: &[(&str, &str)]) -> Page {
    let path = address.split('?').next().unwrap();
    let mut form = browser.get(address).await.form(path);
    for (name, value) in fields {
        set(&mut form, name, value);
    }
    browser.post(path, &form).await
}

/// How long a run may take; in the long runs every tool of one host is slow.
pub(crate) fn run_patience() -> Duration {
    if std::env::var_os("POT_CONSOLE_LONG").is_some() { 8 * PATIENCE } else { PATIENCE }
}

/// The run's page once it says `text`.
pub(crate) async fn run_says(browser: &Browser<'_>, address: &str, text: &str) -> Page {
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
