//! What axe-core finds wrong on each page and in each of its states, errors and findings included, and whether a page is
//! wider than its window: in light and dark, on a phone, a tablet and a desk. The usual run looks at each state once,
//! another width and scheme each time; with `POT_CONSOLE_LONG` at all six of each.

use super::*;

/// axe-core, as its npm package ships it.
const AXE: &str = include_str!("vendor/axe-4.14.1.min.js");

/// Every width in both schemes, so ordered that neighbours differ in both.
const LOOKS: [(u32, &str); 6] =
    [(360, "dark"), (1440, "light"), (768, "dark"), (360, "light"), (1440, "dark"), (768, "light")];

/// Values of a row that run into its buttons, words of a button that are broken, and a word of a change that stands in
/// a line of its own.
const CROWDED: &str = "(() => {
    const places = (node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return [...range.getClientRects()];
    };
    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const wrong = [];
    for (const row of document.querySelectorAll('.need')) {
        const [values, act] = ['.evidence', '.act'].map((css) => row.querySelector(`:scope > ${css}`));
        if (!values || !act) continue;
        const buttons = [...act.querySelectorAll('a, button')].map((button) => button.getBoundingClientRect());
        if (places(values).some((place) => buttons.some((button) => meet(place, button)))) wrong.push(`${row.id}: values run into buttons`);
    }
    for (const button of document.querySelectorAll('main .button')) {
        const texts = document.createTreeWalker(button, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const { data, parentElement } = texts.currentNode;
            const whole = /^[a-z]+$/i.test(data.trim()) && !parentElement.closest('.visually-hidden');
            if (whole && places(texts.currentNode).length > 1) wrong.push(`${button.textContent.trim()}: ${data.trim()} is broken`);
        }
    }
    for (const word of document.querySelectorAll('.param-source .changed')) {
        if (getComputedStyle(word).display !== 'inline') wrong.push('what a value was stands below the word for it');
    }
    return wrong.join('; ');
})()";

/// Looks at states of pages, and remembers what is wrong with them.
struct Inspector<'a> {
    driver: &'a Driver,
    browser: &'a WebDriver,
    demo: &'a Demo,
    states: usize,
    wrong: Vec<String>,
}

impl<'a> Inspector<'a> {
    async fn starts(driver: &'a Driver, browser: &'a WebDriver, demo: &'a Demo) -> WebDriverResult<Self> {
        opens(browser, demo, "/").await?;
        shows(browser, "form[action='/refresh']").await?;
        Ok(Self { driver, browser, demo, states: 0, wrong: Vec::new() })
    }

    /// Looks at pages as they are loaded.
    async fn pages(&mut self, paths: &[&str]) -> WebDriverResult<()> {
        for path in paths {
            goes_to(self.browser, &format!("{}{path}", self.demo.url)).await?;
            shows(self.browser, "h1").await?;
            self.looks(path).await?;
        }
        Ok(())
    }

    /// Looks at what is open now: with axe-core, and for what a picture would show.
    async fn looks(&mut self, what: &str) -> WebDriverResult<()> {
        let first = self.states % LOOKS.len();
        self.states += 1;
        let all = std::env::var_os("POT_CONSOLE_LONG").is_some();
        for (width, scheme) in LOOKS.iter().cycle().skip(first).take(if all { LOOKS.len() } else { 1 }) {
            look::window(self.driver, self.browser, *width, 900).await;
            let media = serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            self.driver.tells(self.browser, "Emulation.setEmulatedMedia", media).await.expect("a scheme");
            let wide = "document.documentElement.scrollWidth > innerWidth ? 'wider than its window' : ''";
            let (wide, found) = (value(self.browser, wide).await?, violations(self.browser).await?);
            let crowded = value(self.browser, CROWDED).await?;
            for wrong in found.into_iter().chain([wide, crowded].into_iter().filter(|wrong| !wrong.is_empty())) {
                let wrong = format!("{what}, {width} px, {scheme}: {wrong}");
                // At once, too: a later step may fail.
                println!("{wrong}");
                self.wrong.push(wrong);
            }
        }
        look::window(self.driver, self.browser, 1440, 900).await;
        Ok(())
    }

    fn ends(self, at_least: usize) {
        assert!(self.states >= at_least, "only {} states were looked at", self.states);
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// What axe-core finds on the page: rule, element, why.
async fn violations(browser: &WebDriver) -> WebDriverResult<Vec<String>> {
    const RUN: &str = "
        const done = arguments[0];
        axe.run(document, { resultTypes: ['violations'] }).then(
            ({ violations }) => done(violations.flatMap(({ id, nodes }) => nodes.map((node) =>
                id + ' at ' + node.target.join(' ') + ': ' + node.failureSummary.replace(/\\s+/g, ' ')))),
            (error) => done(['axe: ' + error]));";
    step(browser, "axe-core", async || {
        browser.execute(AXE, vec![]).await?;
        let found = browser.execute_async(RUN, vec![]).await?;
        Ok(serde_json::from_value(found.json().clone()).unwrap_or_else(|error| vec![error.to_string()]))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_shut_out_on_the_way_from_a_fresh_host_to_a_removed_pot() -> WebDriverResult<()> {
    let mut demo = Demo::start("fresh");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    {
        let mut inspector = Inspector::starts(&driver, &browser, &demo).await?;
        inspector
            .pages(&[
                "/",
                "/readiness",
                "/pots",
                "/pots/addresses",
                "/operations/init",
                "/operations/clean-up",
                "/configuration",
            ])
            .await?;
        inspector.ends(6);
    }
    demo.stop();
    demo = Demo::start("default");

    // Nobody is signed in; then with what is no password.
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    shows(&browser, "form[action='/sign-in']").await?;
    let mut inspector = Inspector { driver: &driver, browser: &browser, demo: &demo, states: 1, wrong: Vec::new() };
    inspector.looks("sign in").await?;
    type_into(&browser, "name", "admin").await?;
    type_into(&browser, "password", "no password").await?;
    click(&browser, "main button").await?;
    sees(&browser, "main", "password").await?;
    inspector.looks("sign in, refused").await?;
    opens(&browser, &demo, "/").await?;
    shows(&browser, "form[action='/refresh']").await?;

    // Plans: blocked, to be confirmed, with nothing to do.
    demo.fault("pfctl fail 1 stdin:3: syntax error");
    inspector.pages(&["/operations/init", "/operations/vnet-start"]).await?;
    demo.heal();
    inspector
        .pages(&[
            "/",
            "/operations/init",
            "/operations/de-init",
            "/operations/prepare",
            "/operations",
            "/operations/clean-up",
        ])
        .await?;

    // A run: not as planned, under way, ended.
    demo.fault("full-at zroot/pot 2");
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "Not as planned").await?;
    inspector.looks("a run that is not as planned").await?;
    demo.heal();
    demo.fault("pot:init slow 2500");
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "Running").await?;
    inspector.looks("a run under way").await?;
    inspector.pages(&["/operations"]).await?;
    goes_to(&browser, &format!("{}/runs/2", demo.url)).await?;
    sees(&browser, "#run-head", "as planned.").await?;
    demo.heal();
    inspector.looks("a run that has ended").await?;

    // A change that waits, here and in the strip of another page; kept.
    starts(&browser, &demo, "vnet-start?revert=600").await?;
    sees(&browser, ".decision h2", "Keep the new network?").await?;
    let run = browser.current_url().await?.path().to_owned();
    inspector.looks("a change that waits").await?;
    inspector.pages(&["/", "/configuration"]).await?;
    goes_to(&browser, &format!("{}{run}", demo.url)).await?;
    click(&browser, "form[action$='/keep'] button").await?;
    sees(&browser, "#run-head", "Kept.").await?;
    inspector.looks("a change that is kept").await?;
    inspector
        .pages(&["/", "/operations/vnet-start", "/operations/de-init", "/runs", "/runs/999", "/history", "/activity"])
        .await?;

    // Removed, with the question why.
    opens(&browser, &demo, "/operations/de-init").await?;
    type_into(&browser, "confirm_text", "zroot/po").await?;
    type_into(&browser, "password", PASSWORD).await?;
    click(&browser, "form.confirm button.destroy").await?;
    sees(&browser, "main", "zroot/pot").await?;
    inspector.looks("a confirmation that is mistyped").await?;
    opens(&browser, &demo, "/operations/de-init").await?;
    type_into(&browser, "confirm_text", "zroot/pot").await?;
    type_into(&browser, "password", PASSWORD).await?;
    click(&browser, "form.confirm button.destroy").await?;
    sees(&browser, "#run-head", "As planned").await?;
    inspector.looks("pot was removed").await?;
    inspector.pages(&["/", "/operations/clean-up"]).await?;
    inspector.ends(25);
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_shut_out_from_a_busy_host_its_findings_and_its_refusals() -> WebDriverResult<()> {
    let demo = Demo::start("busy");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let mut inspector = Inspector::starts(&driver, &browser, &demo).await?;
    inspector
        .pages(&[
            "/",
            "/readiness",
            "/configuration?open=all",
            "/configuration/file",
            "/operations",
            "/operations/init",
            "/operations/vnet-start",
            "/operations/de-init",
            "/operations/de-init?stop=on",
            "/operations/prepare",
            "/pots",
            "/pots?sort=state",
            "/pots/web1",
            "/pots/long-gone",
            "/pots/addresses?hosts=6&address=10.200.0.5&network=10.9.0.0/16",
            "/pots/addresses?block=10.200.2.0/28",
            "/network/path?of=proxy",
            "/network/path?of=nobody",
            "/activity",
            "/activity?counts=1",
            "/activity?pot=nobody",
            "/history",
            "/history/1",
            "/history/files",
            "/history/files/pot.conf",
            "/history/parameters/POT_NETWORK",
            "/feedback",
            "/guide",
            "/guide/findings",
            "/guide/findings/gateway-outside-network",
            "/search?q=net",
            "/no-such-page",
        ])
        .await?;

    opens(&browser, &demo, "/").await?;
    browser.execute("document.querySelector('[data-opens=search]').click()", vec![]).await?;
    browser.find(By::Css("#search input")).await?.send_keys("10.192").await?;
    sees(&browser, "#search .results", "Addresses").await?;
    inspector.looks("the search").await?;
    browser
        .execute(
            "document.getElementById('search').close(); document.getElementById('keys-dialog').showModal()",
            vec![],
        )
        .await?;
    inspector.looks("the keys").await?;
    browser.execute("document.getElementById('keys-dialog').close()", vec![]).await?;

    // Each kind of finding at its field, then one that is refused, and a conflict.
    opens(&browser, &demo, "/configuration?open=all").await?;
    type_into(&browser, "POT_NETWORK", "192.168.178.0/24").await?;
    type_into(&browser, "POT_GATEWAY", "1.2.3").await?;
    type_into(&browser, "POT_DNS_IP", "10.9.9.9").await?;
    type_into(&browser, "POT_ZFS_ROOT", "nowhere/pot").await?;
    type_into(&browser, "extra.other", "nowhere0").await?;
    sees(&browser, "#a-POT_ZFS_ROOT", "nowhere").await?;
    inspector.looks("configuration with errors").await?;
    click(&browser, "#p-POT_NETWORK .about > summary").await?;
    inspector.looks("configuration with an explanation").await?;
    opens(&browser, &demo, "/configuration").await?;
    type_into(&browser, "POT_NETWORK", "10.220.0.0/16").await?;
    sees(&browser, "#review .diff", "POT_NETWORK=10.220.0.0/16").await?;
    inspector.looks("configuration with a change").await?;
    let conf = demo.read("/usr/local/etc/pot/pot.conf");
    std::fs::write(demo.path("/usr/local/etc/pot/pot.conf"), format!("{conf}\nPOT_NETWORK=10.230.0.0/16\n"))?;
    click(&browser, "#rail-save button[name=save]").await?;
    shows(&browser, "#conflict").await?;
    inspector.looks("a conflict").await?;
    // A file whose values are not certain.
    std::fs::write(demo.path("/usr/local/etc/pot/pot.conf"), format!("{conf}\nPOT_NETWORK=$(cat /etc/network)\n"))?;
    inspector.pages(&["/configuration", "/configuration/file", "/operations/vnet-start"]).await?;
    std::fs::write(demo.path("/usr/local/etc/pot/pot.conf"), &conf)?;

    // Probes that fail.
    demo.fault("zfs fail 1 internal error: Broken pipe");
    demo.fault("ifconfig garbage");
    opens(&browser, &demo, "/").await?;
    click(&browser, "form[action='/refresh'] button").await?;
    sees(&browser, "main", "Broken pipe").await?;
    inspector.looks("Host, where tools fail").await?;
    inspector.pages(&["/readiness", "/operations", "/configuration?open=all"]).await?;
    demo.heal();

    // Accounts, and each refusal beside its form.
    inspector.pages(&["/settings"]).await?;
    type_into(&browser, "name", "vera").await?;
    step(&browser, "a password", async || browser.find(By::Css("#add-password")).await?.send_keys("1").await).await?;
    click(&browser, "form[action='/settings/accounts'] button").await?;
    shows(&browser, "section[aria-labelledby=s-add] .notice").await?;
    inspector.looks("an account that is refused").await?;
    opens(&browser, &demo, "/settings").await?;
    // All widths and schemes take longer than a password counts.
    if !browser.find_all(By::Css("form[action='/settings/prove']")).await?.is_empty() {
        step(&browser, "a password", async || browser.find(By::Css("#prove")).await?.send_keys(PASSWORD).await).await?;
        click(&browser, "form[action='/settings/prove'] button").await?;
        sees(&browser, ".notice", "Thank you.").await?;
    }
    type_into(&browser, "name", "vera").await?;
    step(&browser, "a password", async || browser.find(By::Css("#add-password")).await?.send_keys(PASSWORD).await)
        .await?;
    click(&browser, "form[action='/settings/accounts'] button").await?;
    sees(&browser, ".accounts", "vera").await?;
    inspector.looks("accounts").await?;

    // Feedback as it was stored.
    opens(&browser, &demo, "/feedback").await?;
    type_into(&browser, "wrong", "Nothing").await?;
    click(&browser, "form[action='/feedback'] button").await?;
    sees(&browser, "main", "pizzamig@FreeBSD.org").await?;
    inspector.looks("feedback that was stored").await?;

    // Who may only look.
    click(&browser, "form[action='/sign-out'] button").await?;
    shows(&browser, "form[action='/sign-in']").await?;
    type_into(&browser, "name", "vera").await?;
    type_into(&browser, "password", PASSWORD).await?;
    click(&browser, "form[action='/sign-in'] button").await?;
    shows(&browser, "form[action='/refresh']").await?;
    inspector.pages(&["/", "/configuration?open=all", "/operations/vnet-start", "/settings"]).await?;
    inspector.ends(42);

    no_complaints(&browser).await?;
    // Were axe-core not at work, nothing would be found.
    browser
        .execute(
            "document.querySelector('main').append(Object.assign(document.createElement('img'), { src: 'x' }))",
            vec![],
        )
        .await?;
    let found = violations(&browser).await?;
    assert!(found.iter().any(|wrong| wrong.starts_with("image-alt")), "{found:?}");
    browser.quit().await
}
