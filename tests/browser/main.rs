//! The console as a person uses it, in a real browser: the main job from signing in to the history, and the operations
//! with everything that can go wrong beneath them. After each fault the page must name the state that the host is in.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod access;
mod follow;
mod jobs;
mod kept_pictures;
mod look;

mod pictures;
mod search;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Demo, PASSWORD, PATIENCE};
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::prelude::*;

/// chromedriver on a port of its own, ended with the test.
struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    /// It takes a free port of IPv4 and then the same one of IPv6, which another test may have: then it says so and ends.
    fn start() -> Self {
        const TRIES: usize = 10;
        let mut said = String::new();
        for _ in 0..TRIES {
            match Self::try_start() {
                Ok(driver) => return driver,
                Err(words) => said = words,
            }
            assert!(said.contains("port not available"), "chromedriver does not start: {said}");
        }
        panic!("chromedriver found no port in {TRIES} tries: {said}");
    }

    /// What it said, when it has ended.
    fn try_start() -> Result<Self, String> {
        let mut child = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (tests/run does it)");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        for line in lines.by_ref() {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
                // Whatever it says later must not fill the pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { child, url });
            }
            said.push(line);
        }
        child.wait().expect("it has ended");
        Err(said.join("\n"))
    }

    async fn browser(&self, profile: &std::path::Path) -> WebDriver {
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1440,900",
        ] {
            capabilities.add_arg(argument).expect("argument");
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.display())).expect("argument");
        if let Ok(binary) = which("chromium") {
            capabilities.set_binary(&binary).expect("binary");
        }
        let browser = WebDriver::new(&self.url, capabilities).await.expect("a browser session");
        self.listens_for_complaints(&browser).await.expect("a script for every page");
        browser
    }

    /// Has every page that is loaded from now on note its own errors, those of scripts and of the content policy.
    async fn listens_for_complaints(&self, browser: &WebDriver) -> Result<(), reqwest::Error> {
        const LISTEN: &str = "
            const note = (what) => {
                const notes = JSON.parse(sessionStorage.getItem('complaints') || '[]');
                sessionStorage.setItem('complaints', JSON.stringify([...notes, location.pathname + ': ' + what]));
            };
            addEventListener('error', (event) => note(event.message));
            addEventListener('unhandledrejection', (event) => note(event.reason));
            addEventListener('securitypolicyviolation', (event) => note(event.violatedDirective + ' ' + event.blockedURI));
        ";
        self.tells(browser, "Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": LISTEN })).await
    }

    /// Tells the browser something that WebDriver has no words for.
    async fn tells(
        &self,
        browser: &WebDriver,
        what: &str,
        parameters: serde_json::Value,
    ) -> Result<(), reqwest::Error> {
        self.asks(browser, what, parameters).await.map(drop)
    }

    /// The same, with the browser's answer.
    async fn asks(
        &self,
        browser: &WebDriver,
        what: &str,
        parameters: serde_json::Value,
    ) -> Result<serde_json::Value, reqwest::Error> {
        let command = serde_json::json!({ "cmd": what, "params": parameters });
        let address = format!("{}/session/{}/goog/cdp/execute", self.url, browser.handle().session_id());
        reqwest::Client::new().post(address).json(&command).send().await?.error_for_status()?.json().await
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn which(program: &str) -> Result<String, std::io::Error> {
    let output = Command::new("which").arg(program).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Takes a step until it succeeds. What a step has found may be swapped, or its page may be left, before it acts on it:
/// such a step has done nothing yet and is taken again from the start, finding included. What is wrong with the browser
/// itself fails at once; what stays wrong fails with its own words when the time is over.
async fn step<T>(
    browser: &WebDriver,
    what: &str,
    mut once: impl AsyncFnMut() -> WebDriverResult<T>,
) -> WebDriverResult<T> {
    let begun = Instant::now();
    loop {
        let error = match once().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        // "Unknown" is what chromedriver says of a document that goes away while it is asked.
        let again = matches!(
            *error,
            WebDriverErrorInner::StaleElementReference(_)
                | WebDriverErrorInner::NoSuchElement(_)
                | WebDriverErrorInner::NotFound(..)
                | WebDriverErrorInner::ElementNotInteractable(_)
                | WebDriverErrorInner::ElementClickIntercepted(_)
                | WebDriverErrorInner::JavascriptError(_)
                | WebDriverErrorInner::UnknownError(_)
        );
        assert!(again && begun.elapsed() < PATIENCE, "{what}: {error}\n{}", whole_page(browser).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The page as it is, for a failure's words.
async fn whole_page(browser: &WebDriver) -> String {
    let address = browser.current_url().await.map(|url| url.to_string()).unwrap_or_default();
    let text = match browser.find(By::Tag("body")).await {
        Ok(body) => body.text().await.unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    format!("{address}\n{text}")
}

/// Whether it may be seen already: one question to the browser, where WebDriver's own way of reading what is visible is
/// several for each element. White space counts for nothing here, and what is hidden counts.
async fn may_see(browser: &WebDriver, css: &str, text: &str) -> WebDriverResult<bool> {
    let [css, text] = [css, text].map(serde_json::Value::from);
    let holds = format!(
        "const bare = (text) => (text ?? '').replace(/\\s+/g, '');\
         return [...document.querySelectorAll({css})].map((each) => bare(each.innerText)).join('').includes(bare({text}))"
    );
    Ok(evaluates(browser, &holds).await?.as_bool() == Some(true))
}

/// Waits until the page's text holds `text`, or shows the page as it is.
async fn sees(browser: &WebDriver, css: &str, text: &str) -> WebDriverResult<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && !may_see(browser, css, text).await? {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    loop {
        let found = step(browser, css, async || {
            let mut found = String::new();
            for element in browser.find_all(By::Css(css)).await? {
                found.push_str(&element.text().await?);
                found.push('\n');
            }
            Ok(found)
        })
        .await?;
        if found.contains(text) {
            return Ok(());
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{css} does not say {text:?}, but {found:?}\n{}",
            whole_page(browser).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the page has such an element.
async fn shows(browser: &WebDriver, css: &str) -> WebDriverResult<()> {
    step(browser, css, async || browser.find(By::Css(css)).await.map(drop)).await
}

/// Waits until what may be said there is not.
async fn sees_nothing_of(browser: &WebDriver, css: &str) -> WebDriverResult<()> {
    let begun = Instant::now();
    loop {
        let shown = step(browser, css, async || browser.find(By::Css(css)).await?.is_displayed().await).await?;
        if !shown {
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "{css} is shown\n{}", whole_page(browser).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the tab's title says so.
async fn titled(browser: &WebDriver, text: &str) -> WebDriverResult<()> {
    let begun = Instant::now();
    loop {
        let title = step(browser, "the title", async || browser.title().await).await?;
        if title.contains(text) {
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "the title does not say {text:?}: {title}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether chromedriver refused before it pressed anything: what is stale, hidden or covered, or a page that is just coming.
fn is_refused(error: &WebDriverError) -> bool {
    matches!(
        **error,
        WebDriverErrorInner::StaleElementReference(_)
            | WebDriverErrorInner::NoSuchElement(_)
            | WebDriverErrorInner::ElementNotInteractable(_)
            | WebDriverErrorInner::ElementClickIntercepted(_)
    )
}

/// Presses keys where the page is at.
async fn presses(browser: &WebDriver, keys: impl Into<TypingData>) -> WebDriverResult<()> {
    let keys = keys.into().to_string();
    let begun = Instant::now();
    loop {
        let pressed = async { browser.active_element().await?.send_keys(keys.as_str()).await };
        match pressed.await {
            Err(error) if is_refused(&error) && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            pressed => return pressed,
        }
    }
}

/// Clicks once.
async fn click(browser: &WebDriver, css: &str) -> WebDriverResult<()> {
    let begun = Instant::now();
    loop {
        let element = step(browser, css, async || {
            let element = browser.find(By::Css(css)).await?;
            element.scroll_into_view().await?;
            Ok(element)
        });
        let Err(error) = element.await?.click().await else { return Ok(()) };
        // After anything else it may have been pressed, and once is enough.
        assert!(
            is_refused(&error) && begun.elapsed() < PATIENCE,
            "{css} cannot be clicked: {error}\n{}",
            whole_page(browser).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Types into a field in place of what it holds.
async fn type_into(browser: &WebDriver, name: &str, text: &str) -> WebDriverResult<()> {
    step(browser, name, async || {
        let field = browser.find(By::Name(name)).await?;
        field.scroll_into_view().await?;
        field.send_keys(Key::Control + "a").await?;
        field.send_keys(text).await
    })
    .await?;
    assert_eq!(property(browser, name, "value").await?, text, "{name}");
    Ok(())
}

/// Presses Enter in a field.
async fn press_enter(browser: &WebDriver, name: &str) -> WebDriverResult<()> {
    step(browser, name, async || browser.find(By::Name(name)).await?.send_keys(Key::Enter + "").await).await
}

/// A property of a field, empty when it has none.
async fn property(browser: &WebDriver, name: &str, property: &str) -> WebDriverResult<String> {
    step(browser, name, async || Ok(browser.find(By::Name(name)).await?.prop(property).await?.unwrap_or_default()))
        .await
}

/// What a script that changes nothing gives.
async fn evaluates(browser: &WebDriver, script: &str) -> WebDriverResult<serde_json::Value> {
    step(browser, script, async || Ok(browser.execute(script, vec![]).await?.json().clone())).await
}

/// Opens a page, through the sign-in page where that comes first. The page that is left may ask who is there just then (the
/// console was started again), and then it is that page to which signing in leads back.
async fn opens(browser: &WebDriver, demo: &Demo, path: &str) -> WebDriverResult<()> {
    let wanted = format!("{}{path}", demo.url);
    let left = browser.current_url().await?.to_string();
    let begun = Instant::now();
    loop {
        goes_to(browser, &wanted).await?;
        sign_in_if_asked(browser).await?;
        let led_back = left != wanted && browser.current_url().await?.as_str() == left;
        if !led_back || begun.elapsed() > PATIENCE {
            return Ok(());
        }
    }
}

/// Loads a page. The one that is left may be loading something itself, which ends the new loading once in a while.
async fn goes_to(browser: &WebDriver, url: &str) -> WebDriverResult<()> {
    step(browser, url, async || browser.goto(url).await).await
}

async fn sign_in_if_asked(browser: &WebDriver) -> WebDriverResult<()> {
    shows(browser, "main").await?;
    if browser.find_all(By::Css("form[action='/sign-in']")).await?.is_empty() {
        return Ok(());
    }
    type_into(browser, "name", "admin").await?;
    type_into(browser, "password", PASSWORD).await?;
    click(browser, "form[action='/sign-in'] button").await
}

/// Signs in as soon as the page that is open leads there.
async fn is_asked_to_sign_in(browser: &WebDriver) -> WebDriverResult<()> {
    shows(browser, "form[action='/sign-in']").await?;
    sign_in_if_asked(browser).await
}

/// Opens a plan and confirms it; the run's page is open then.
async fn starts(browser: &WebDriver, demo: &Demo, operation: &str) -> WebDriverResult<()> {
    opens(browser, demo, &format!("/operations/{operation}")).await?;
    shows(browser, "form.confirm").await?;
    click(browser, "form.confirm button.main:enabled").await?;
    sees(browser, ".page-head", "started").await
}

/// The pages' own errors, of scripts and of the content policy above all.
async fn no_complaints(browser: &WebDriver) -> WebDriverResult<()> {
    let said = evaluates(browser, "return JSON.parse(sessionStorage.getItem('complaints') || '[]')").await?;
    assert_eq!(said.as_array().map(Vec::len), Some(0), "{said:?}");
    // Were nobody listening, nothing would be heard.
    browser
        .execute("document.head.append(Object.assign(document.createElement('script'), { textContent: 'x' }))", vec![])
        .await?;
    let heard = "return JSON.parse(sessionStorage.getItem('complaints') || '[]').join()";
    let begun = Instant::now();
    loop {
        let said = evaluates(browser, heard).await?;
        if said.as_str().is_some_and(|said| said.contains("script-src")) {
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "an inline script went unnoticed: {said:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_changes_the_network_and_finds_it_in_the_history() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let before = demo.read("/usr/local/etc/pot/pot.conf");

    // Not signed in: every address leads to the sign-in page and back.
    goes_to(&browser, &format!("{}/configuration", demo.url)).await?;
    type_into(&browser, "name", "admin").await?;
    type_into(&browser, "password", "wrong").await?;
    click(&browser, "main button").await?;
    sees(&browser, "body", "password").await?;
    type_into(&browser, "name", "admin").await?;
    type_into(&browser, "password", PASSWORD).await?;
    click(&browser, "main button").await?;
    sees(&browser, "h1", "Configuration").await?;
    sees(&browser, ".rail", "No findings").await?;

    // A gateway outside of the network is an error while one types; focus and caret stay.
    type_into(&browser, "POT_GATEWAY", "10.1.2.3").await?;
    sees(&browser, "#p-POT_GATEWAY", "outside POT_NETWORK").await?;
    let focused = evaluates(&browser, "return document.activeElement.name").await?;
    assert_eq!(focused.as_str(), Some("POT_GATEWAY"));
    let caret = evaluates(&browser, "return document.activeElement.selectionStart").await?;
    assert_eq!(caret.as_u64(), Some(8));
    sees(&browser, "#review", "1 error").await?;
    assert_eq!(demo.read("/usr/local/etc/pot/pot.conf"), before, "nothing is written before saving");

    // A new network: the console derives the netmask and offers the gateway.
    type_into(&browser, "POT_NETWORK", "10.200.0.0/16").await?;
    sees(&browser, "#p-POT_NETMASK", "255.255.0.0").await?;
    click(&browser, "button[name=fix][value=all]").await?;
    sees(&browser, "#review", "No findings").await?;
    assert_eq!(property(&browser, "POT_NETMASK", "value").await?, "255.255.0.0");
    sees(&browser, "#review .diff", "POT_NETWORK=10.200.0.0/16").await?;

    // Enter in a text field checks, it never saves.
    type_into(&browser, "reason", "Old range collided with the site VPN").await?;
    press_enter(&browser, "POT_NETWORK").await?;
    sees(&browser, "#review", "3 changes").await?;
    assert_eq!(demo.read("/usr/local/etc/pot/pot.conf"), before, "Enter does not save");

    click(&browser, "button[name=save]").await?;
    sees(&browser, "main", "Saved").await?;
    let after = demo.read("/usr/local/etc/pot/pot.conf");
    for line in ["POT_NETWORK=10.200.0.0/16", "POT_NETMASK=255.255.0.0", "POT_GATEWAY=10.200.0.1"] {
        assert!(after.lines().any(|found| found == line), "{line} is not in {after}");
    }

    // The history says who, what, why.
    goes_to(&browser, &format!("{}/history", demo.url)).await?;
    sees(&browser, ".entry .who", "admin").await?;
    sees(&browser, ".entry .what", "Old range collided with the site VPN").await?;
    click(&browser, ".entry-line").await?;
    sees(&browser, ".changes", "10.200.0.0/16").await?;
    sees(&browser, ".detail .diff", "POT_NETWORK=10.200.0.0/16").await?;
    click(&browser, "form[action='/history/verify'] button").await?;
    sees(&browser, "main", "unbroken").await?;

    // pot init: the plan, one named button, live output, as planned.
    goes_to(&browser, &format!("{}/operations/init", demo.url)).await?;
    sees(&browser, "main", "Creates 5 datasets in zroot").await?;
    click(&browser, "main form button.main").await?;
    sees(&browser, "main", "checks are as planned").await?;
    assert!(demo.path("/opt/pot/jails").is_dir(), "pot init made its datasets");
    goes_to(&browser, &format!("{}/history", demo.url)).await?;
    sees(&browser, ".entry .what", "init").await?;

    // What pot logged of it.
    goes_to(&browser, &format!("{}/activity", demo.url)).await?;
    sees(&browser, ".calls", "run 1 by admin").await?;

    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_starts_the_network_and_keeps_it_over_a_new_connection() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    goes_to(&browser, &format!("{}/operations/init", demo.url)).await?;
    type_into(&browser, "name", "admin").await?;
    type_into(&browser, "password", PASSWORD).await?;
    click(&browser, "main button").await?;
    sees(&browser, "h1", "Initialise pot").await?;
    click(&browser, "form.confirm button").await?;
    // Lines, steps and the end come by themselves.
    sees(&browser, "#run-head", "All 11 checks are as planned.").await?;
    sees(&browser, "#output", "creating zroot/pot/jails").await?;
    sees_nothing_of(&browser, "#offline").await?;

    goes_to(&browser, &format!("{}/operations/vnet-start?revert=60", demo.url)).await?;
    sees(&browser, "form.confirm", "This turns pf on. It is off now.").await?;
    click(&browser, "form.confirm button").await?;
    sees(&browser, ".decision h2", "Keep the new network?").await?;
    sees(&browser, "#probe", "New connections from your browser arrive:").await?;
    sees(&browser, "#run-facts", "8 of 8 as planned").await?;
    titled(&browser, " s to answer").await?;
    // The question may be put anew just before it is answered: the press counts, and its proof is fetched.
    let press = "(() => { const form = document.querySelector(\"form[action$='/keep']\");
        form.elements.nonce?.remove(); form.requestSubmit(); return 'pressed'; })()";
    assert_eq!(value(&browser, press).await?, "pressed");
    sees(&browser, "#run-head", "Kept. The network runs as planned.").await?;

    // Nobody answers: the page tells of the end by itself.
    goes_to(&browser, &format!("{}/operations/de-init", demo.url)).await?;
    sees(&browser, "form.confirm", "Type zroot/pot to confirm").await?;
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_during_init_and_de_init_is_named() -> WebDriverResult<()> {
    let mut demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;

    // pf's rules do not pass: nothing can be started.
    demo.fault("pfctl fail 1 stdin:3: syntax error");
    opens(&browser, &demo, "/operations/init").await?;
    sees(&browser, "main", "syntax error").await?;
    assert!(
        browser.find_all(By::Css("form.confirm button.main:enabled")).await?.is_empty(),
        "a blocked plan is offered"
    );
    demo.heal();

    // The pool is full at the third dataset.
    demo.fault("full-at zroot/pot 2");
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "Not as planned").await?;
    sees(&browser, "#run-head", "2 of 5 datasets exist").await?;
    sees(&browser, "#output", "out of space").await?;
    titled(&browser, "Not as planned").await?;
    demo.heal();

    // The web process dies under a run: the page says that nobody answers, follows again, and misses nothing.
    demo.fault("pot:init slow 3000");
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "Running").await?;
    let before = demo.web_process();
    assert!(Command::new("kill").args(["-KILL", &before]).status()?.success());
    sees(&browser, "#run-head", "checks are as planned.").await?;
    assert_ne!(demo.web_process(), before);
    sees_nothing_of(&browser, "#offline").await?;
    let lines = "return [...document.querySelectorAll('#output .line')].map(line => Number(line.dataset.number))";
    let numbers: Vec<u64> = serde_json::from_value(evaluates(&browser, lines).await?).expect("numbers");
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "lines are doubled or out of order: {numbers:?}");
    let all = evaluates(&browser, "return fetch(location.pathname + '/output').then(whole => whole.text())").await?;
    assert_eq!(all.as_str().map_or(0, |text| text.lines().count()), numbers.len(), "lines are missing");
    demo.heal();

    // A dataset is in use when everything is to be destroyed: pot says "removed" all the same.
    demo.fault("busy zroot/pot/jails");
    opens(&browser, &demo, "/operations/de-init").await?;
    sees(&browser, "form.confirm", "Type zroot/pot to confirm").await?;
    type_into(&browser, "confirm_text", "zroot/pot").await?;
    type_into(&browser, "password", PASSWORD).await?;
    click(&browser, "form.confirm button").await?;
    sees(&browser, "#run-head", "Not as planned").await?;
    sees(&browser, "#run-facts", "zroot/pot is gone").await?;
    demo.heal();

    // pot:init hangs until its time is over; then someone ends it sooner.
    demo.stop();
    std::fs::write(demo.path("/usr/local/etc/pot-console.toml"), "command_seconds = 5\n")?;
    demo.start_again();
    demo.fault("pot:init hang");
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "did not end within 5 s").await?;
    starts(&browser, &demo, "init").await?;
    click(&browser, "form[action$='/abort'] button").await?;
    sees(&browser, "main", "Ended by someone").await?;
    demo.heal();

    // The executor dies under a run. The page says that nobody answers; after the restart it asks who is there, and
    // says what became of the run.
    demo.fault("pot:init slow 4000");
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "Running").await?;
    demo.kill();
    sees(&browser, "#offline", "The console does not answer").await?;
    demo.heal();
    demo.start_again();
    is_asked_to_sign_in(&browser).await?;
    sees(&browser, "#run-head", "Interrupted").await?;
    sees(&browser, "#run-head", "The console was stopped during this run.").await?;

    // And after all of that, init does what it should.
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "checks are as planned.").await?;
    opens(&browser, &demo, "/runs").await?;
    for ended in ["As planned", "Not as planned", "Ended by someone", "Interrupted"] {
        sees(&browser, "table", ended).await?;
    }
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_nobody_keeps_is_put_back_whatever_dies() -> WebDriverResult<()> {
    let mut demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "checks are as planned.").await?;
    let before = demo.network();
    let asks = async |demo: &Demo, seconds: u16| -> WebDriverResult<String> {
        starts(&browser, demo, &format!("vnet-start?revert={seconds}")).await?;
        sees(&browser, ".decision h2", "Keep the new network?").await?;
        assert_ne!(demo.network(), before, "the network has not changed");
        Ok(browser.current_url().await?.path().to_owned())
    };

    // The browser is gone; the time passes for real.
    let run = asks(&demo, 15).await?;
    goes_to(&browser, "about:blank").await?;
    let begun = Instant::now();
    while demo.network() != before {
        assert!(begun.elapsed() < PATIENCE, "{} is not {before}", demo.network());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    opens(&browser, &demo, &run).await?;
    sees(&browser, "#run-head", "because no answer arrived. The host is as before, checked").await?;

    // The page stays open and tells by itself.
    asks(&demo, 15).await?;
    sees(&browser, "#run-head", "because no answer arrived. The host is as before, checked").await?;
    assert_eq!(demo.network(), before);

    // "Put it back now".
    asks(&demo, 600).await?;
    click(&browser, "form[action$='/put-back'] button").await?;
    sees(&browser, "#run-head", "The host is as before, checked").await?;
    assert_eq!(demo.network(), before);

    // The executor dies while it waits. The new one goes on with it.
    asks(&demo, 15).await?;
    demo.kill();
    sees(&browser, "#offline", "The console does not answer").await?;
    assert_ne!(demo.network(), before);
    demo.start_again();
    is_asked_to_sign_in(&browser).await?;
    sees(&browser, "#run-head", "The host is as before, checked").await?;
    assert_eq!(demo.network(), before);

    // The service is stopped while it waits: it puts back first.
    let run = asks(&demo, 600).await?;
    demo.stop();
    assert_eq!(demo.network(), before);
    demo.start_again();
    opens(&browser, &demo, &run).await?;
    sees(&browser, "#run-head", "The host is as before, checked").await?;

    // The machine reboots while it waits: its start-up has taken the changes away.
    let run = asks(&demo, 600).await?;
    demo.kill();
    pot_console::simulator::reboot(&demo.dir).expect("reboot");
    demo.start_again();
    opens(&browser, &demo, &run).await?;
    sees(&browser, "#run-head", "Overtaken by a reboot").await?;
    assert_eq!(demo.network(), before);
    opens(&browser, &demo, "/history").await?;
    sees(&browser, "main", "reboot").await?;

    // The executor dies in the middle of vnet-start.
    demo.fault("pot:vnet-start slow 3000");
    starts(&browser, &demo, "vnet-start?revert=600").await?;
    sees(&browser, "#run-head", "Running").await?;
    demo.kill();
    demo.heal();
    demo.start_again();
    opens(&browser, &demo, "/runs").await?;
    click(&browser, "table a").await?;
    sees(&browser, "#run-head", "The host is as before, checked").await?;
    assert_eq!(demo.network(), before);
    // The command ended with the executor: it does not come back and change what has been put back.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(demo.network(), before);
    no_complaints(&browser).await?;
    browser.quit().await
}

/// What a script's expression gives, as text.
async fn value(browser: &WebDriver, script: &str) -> WebDriverResult<String> {
    let found = browser.execute(format!("return String({script})"), vec![]).await?;
    Ok(found.json().as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_is_marked_for_itself_and_the_focus_is_never_lost() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    opens(&browser, &demo, "/configuration").await?;
    sees(&browser, "h1", "Configuration").await?;
    let wrong = "[...document.querySelectorAll('[aria-invalid=true]')].map(field => field.name)";

    // What is wrong with a further name is not blamed on the network that happens to stand first in the list.
    type_into(&browser, "extra.other", "nowhere0").await?;
    sees(&browser, "#a-POT_EXTRA_EXTIF", "does not exist on this host").await?;
    assert_eq!(value(&browser, wrong).await?, "extra.other");
    assert_eq!(value(&browser, "document.activeElement.name").await?, "extra.other");

    // The button that undoes it goes away; who works by keyboard goes on at the list.
    click(&browser, "#s-POT_EXTRA_EXTIF button").await?;
    sees(&browser, "#review", "No findings").await?;
    assert_eq!(value(&browser, "document.activeElement.name").await?, "POT_EXTRA_EXTIF");
    assert_eq!(value(&browser, wrong).await?, "");

    // Announced when it becomes wrong, not again with every letter of a value that stays wrong.
    let count = "window.told = 0; new MutationObserver(() => { window.told += 1; })\
        .observe(document.getElementById('announce'), { childList: true, subtree: true, characterData: true });";
    browser.execute(count, vec![]).await?;
    for text in ["10.2", "10.200", "10.200.0"] {
        type_into(&browser, "POT_NETWORK", text).await?;
        sees(&browser, "#a-POT_NETWORK", &format!("cannot be {text}:")).await?;
    }
    assert_eq!(value(&browser, "window.told").await?, "1");

    // Over a slow line the answer to a button comes when one is somewhere else already: one stays there.
    type_into(&browser, "POT_NETWORK", "10.77.0.0/16").await?;
    sees(&browser, "#rail-findings", "Set both").await?;
    let slow = "const send = XMLHttpRequest.prototype.send;\
        XMLHttpRequest.prototype.send = function (...all) { setTimeout(() => send.apply(this, all), 1500); };";
    browser.execute(slow, vec![]).await?;
    click(&browser, "#rail-findings button").await?;
    click(&browser, "#POT_TMP").await?;
    sees(&browser, "#rail-findings", "No findings").await?;
    assert_eq!(value(&browser, "document.activeElement.name").await?, "POT_TMP");
    no_complaints(&browser).await?;
    browser.quit().await
}
