//! What pages look like where it decides what one does: what is above the fold, what can be hit with a finger, read on
//! paper, reached by keyboard; and what a page says when it does not know.

use super::*;

/// Sets the size of what the page is shown in, without the browser's own bars.
pub(crate) async fn window(driver: &Driver, browser: &WebDriver, width: u32, height: u32) {
    let size = serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    driver.tells(browser, "Emulation.setDeviceMetricsOverride", size).await.expect("a size");
}

/// What a laptop of 1366 × 768 leaves of it for a page.
const LAPTOP: (u32, u32) = (1366, 625);

/// Whether a script's expression is true; with what it gives for the failure's words.
pub(crate) async fn holds(browser: &WebDriver, what: &str, script: &str) -> WebDriverResult<()> {
    let begun = Instant::now();
    loop {
        let found = value(browser, script).await?;
        if found == "true" {
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {found}\n{}", whole_page(browser).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A distance of the page, in pixels.
async fn pixels(browser: &WebDriver, script: &str) -> WebDriverResult<f64> {
    Ok(value(browser, script).await?.parse().unwrap_or(f64::NAN))
}

/// Where an element stands, from the head of the page.
fn top_of(css: &str) -> String {
    format!("document.querySelector({css:?}).getBoundingClientRect().top + scrollY")
}

#[tokio::test(flavor = "multi_thread")]
async fn start_stands_first_in_a_plan_and_nothing_pushes_the_output_of_a_run() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    opens(&browser, &demo, "/operations/init").await?;
    window(&driver, &browser, LAPTOP.0, LAPTOP.1).await;
    let whole = "(() => { const at = document.querySelector('form.confirm button.main').getBoundingClientRect();\
        return at.top >= 0 && at.bottom <= innerHeight || at.bottom + ' of ' + innerHeight; })()";
    holds(&browser, "Start of init is above the fold", whole).await?;
    // Numbers of one and of two figures: what they number stands in one line.
    holds(
        &browser,
        "the steps' titles stand below each other",
        "(() => { const at = [...document.querySelectorAll('.steps h3')].map((title) => title.getBoundingClientRect().left);\
         return at.length > 9 && at.every((left) => left === at[0]) || at.join(); })()",
    )
    .await?;
    click(&browser, "form.confirm button.main").await?;
    sees(&browser, "#run-head", "checks are as planned.").await?;

    goes_to(&browser, &format!("{}/operations/vnet-start?revert=300", demo.url)).await?;
    holds(&browser, "Start of vnet-start is above the fold", whole).await?;
    sees(&browser, "form.confirm .warning", "This turns pf on. It is off now.").await?;
    holds(&browser, "the warning is marked as one", "!!document.querySelector('form.confirm .warning .is-warn')")
        .await?;
    let below = "document.querySelector('form.confirm button.main').getBoundingClientRect().bottom\
        < document.querySelector('form.options').getBoundingClientRect().top";
    holds(&browser, "the options stand below Start", below).await?;
    browser.execute("scrollTo(0, document.body.scrollHeight)", vec![]).await?;
    holds(&browser, "Start stays in sight", whole).await?;

    // A run: the table of checks arrives beside the output, not above it.
    window(&driver, &browser, 1440, 900).await;
    demo.fault("pot:vnet-start slow 2000");
    click(&browser, "form.confirm button.main").await?;
    sees(&browser, "#run-head", "Running").await?;
    holds(&browser, "no check is there yet", "!document.querySelector('#run-facts table')").await?;
    let before = pixels(&browser, &top_of("#output")).await?;
    sees(&browser, "#run-facts caption", "as planned").await?;
    assert!((pixels(&browser, &top_of("#output")).await? - before).abs() < 1.0, "the table pushed the output");
    demo.heal();
    // On a narrow page it comes below.
    window(&driver, &browser, 768, 900).await;
    let below = format!("{} < {}", top_of("#output"), top_of("#run-facts table"));
    holds(&browser, "the table stands below the output", &below).await?;
    window(&driver, &browser, 1440, 900).await;
    sees(&browser, ".decision", "Keep the new network?").await?;
    click(&browser, "form[action$='/keep'] button").await?;
    sees(&browser, "#run-head", "Kept.").await?;
    holds(&browser, "the steps are folded", "document.querySelector('#run-facts details.fold').open === false").await?;
    sees(&browser, "#run-facts caption", "8 of 8 as planned").await?;

    // What is put back may be long: it stays in its column.
    let long = "(() => { const row = document.querySelector('.put-back li');\
        row.lastElementChild.textContent = 'a-very-long-name-without-any-blank.'.repeat(6);\
        const column = row.closest('.stack').getBoundingClientRect().right;\
        return row.lastElementChild.getBoundingClientRect().right <= column + 1 || 'runs over'; })()";
    holds(&browser, "the right column", long).await?;

    // A pot that only the log still knows: when it was destroyed, and the way to its lines.
    goes_to(&browser, &format!("{}/pots/hello", demo.url)).await?;
    sees(&browser, "main h2", "pot destroy was called for it").await?;
    shows(&browser, "main h2 time").await?;
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_edits_gets_on_by_keyboard_and_is_told_when_nothing_is_known() -> WebDriverResult<()> {
    let mut demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    opens(&browser, &demo, "/configuration?open=all").await?;
    sees(&browser, "#review", "No findings").await?;

    // From POT_NETWORK to Save by Tab alone: fields, no question marks.
    click(&browser, "#POT_NETWORK").await?;
    let mut stops = Vec::new();
    for _ in 0..60 {
        presses(&browser, Key::Tab + "").await?;
        let at = "(({ tagName, name, textContent }) => tagName + ' ' + (name || textContent.trim()))(document.activeElement)";
        stops.push(value(&browser, at).await?);
        if stops.last().is_some_and(|stop| stop == "BUTTON save") {
            break;
        }
    }
    assert_eq!(stops.last().map(String::as_str), Some("BUTTON save"), "{stops:?}");
    assert!(!stops.iter().any(|stop| stop.ends_with('?')), "{stops:?}");
    // What explains a field is a key away, and closes by the same.
    click(&browser, "#POT_NETWORK").await?;
    let about = "document.querySelector('#p-POT_NETWORK .about').open";
    for open in ["true", "false"] {
        presses(&browser, Key::F1 + "").await?;
        assert_eq!(value(&browser, about).await?, open);
        assert_eq!(value(&browser, "document.activeElement.name").await?, "POT_NETWORK");
    }
    // Saved without leaving the field.
    type_into(&browser, "POT_HOSTNAME_MAX_LENGTH", "60").await?;
    presses(&browser, Key::Control + "s").await?;
    sees(&browser, "main", "Saved").await?;
    assert!(demo.read("/usr/local/etc/pot/pot.conf").contains("POT_HOSTNAME_MAX_LENGTH=60"));

    // Wide enough for a value, not for a novel.
    window(&driver, &browser, 768, 900).await;
    goes_to(&browser, &format!("{}/configuration?open=all", demo.url)).await?;
    let widest = "Math.max(...[...document.querySelectorAll('.param-control :is(input[type=text], select, textarea)')]\
        .map((field) => field.getBoundingClientRect().width))";
    assert!(pixels(&browser, widest).await? <= 400.0, "{}", value(&browser, widest).await?);
    // A finding lies below its control.
    window(&driver, &browser, 1440, 900).await;
    type_into(&browser, "POT_NETWORK", "192.168.178.0/24").await?;
    sees(&browser, "#a-POT_NETWORK", "would cut the host off").await?;
    let below = "document.querySelector('#a-POT_NETWORK .finding').getBoundingClientRect().left\
        <= document.getElementById('POT_NETWORK').getBoundingClientRect().left";
    holds(&browser, "the finding lies below its control", below).await?;

    // The console is gone while one types: what was found before is no answer to what stands there now.
    type_into(&browser, "POT_NETWORK", "10.192.0.0/10").await?;
    sees(&browser, "#review", "No findings").await?;
    demo.kill();
    type_into(&browser, "POT_GATEWAY", "10.192.0.9").await?;
    sees(&browser, "#review", "Findings are not known").await?;
    sees_nothing_of(&browser, "#rail-findings").await?;
    sees_nothing_of(&browser, "#a-POT_GATEWAY .reading").await?;
    // It comes back, and the page asks again by itself. The session has not outlived it: that is told calmly.
    demo.start_again();
    sees(&browser, "main", "Your session has ended").await?;
    sees(&browser, "#review", "Findings are not known").await?;
    click(&browser, "#rail-save button").await?;
    sees(&browser, "h1", "Sign in").await?;
    sees(&browser, "main", "Your session has ended").await?;
    holds(&browser, "nothing has failed", "!document.querySelector('.is-failed, .is-error')").await?;
    sign_in_if_asked(&browser).await?;
    sees(&browser, "h1", "Configuration").await?;
    assert_eq!(property(&browser, "POT_GATEWAY", "value").await?, "10.192.0.9");
    no_complaints(&browser).await?;

    // Without JavaScript the way to the findings is in sight.
    driver
        .tells(&browser, "Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": true }))
        .await
        .expect("no scripts");
    goes_to(&browser, &format!("{}/configuration", demo.url)).await?;
    let review = browser.find(By::Css(".rail .review-here button")).await?;
    assert!(review.is_displayed().await?);
    assert!(review.rect().await?.y < 900.0, "Review is below the fold");
    browser.quit().await
}

/// What is to be hit and is smaller than 24 px. A box in its label is as large as the label.
const SMALL: &str = "[...document.querySelectorAll('button, input:not([type=hidden]), select, summary, .tabs a, .side a')]\
    .map((one) => one.closest('label') || one)\
    .filter((one) => one.checkVisibility() && !one.classList.contains('visually-hidden'))\
    .map((one) => [one, one.getBoundingClientRect()])\
    .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24))\
    .map(([one, box]) => one.tagName + ' ' + one.textContent.trim() + ' ' + box.width + 'x' + box.height).join('; ')";

#[tokio::test(flavor = "multi_thread")]
async fn pages_can_be_hit_with_a_finger_printed_and_searched() -> WebDriverResult<()> {
    let demo = Demo::start("busy");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    opens(&browser, &demo, "/settings").await?;
    type_into(&browser, "name", "vera").await?;
    step(&browser, "a password", async || browser.find(By::Css("#add-password")).await?.send_keys(PASSWORD).await)
        .await?;
    click(&browser, "form[action='/settings/accounts'] button").await?;
    sees(&browser, ".accounts", "vera").await?;

    for path in [
        "/",
        "/configuration?open=all",
        "/operations/init",
        "/history",
        "/history/files/pot.conf",
        "/activity",
        "/settings",
        "/pots",
        "/pots/proxy",
        "/pots/addresses?block=10.200.0.0/24",
        "/network/path?of=proxy",
    ] {
        goes_to(&browser, &format!("{}{path}", demo.url)).await?;
        shows(&browser, "h1").await?;
        assert_eq!(value(&browser, SMALL).await?, "", "{path}");
    }

    // On a phone everything that changes an account is on the page.
    window(&driver, &browser, 360, 800).await;
    goes_to(&browser, &format!("{}/settings", demo.url)).await?;
    let inside = "[...document.querySelectorAll('.accounts button')].every((button) => {\
        const at = button.getBoundingClientRect(); return at.left >= 0 && at.right <= innerWidth && at.width > 0; })\
        && document.querySelectorAll('.accounts button').length >= 2";
    holds(&browser, "the buttons of the accounts", inside).await?;
    window(&driver, &browser, 1440, 900).await;

    // On paper: which host, and when.
    driver.tells(&browser, "Emulation.setEmulatedMedia", serde_json::json!({ "media": "print" })).await.expect("paper");
    sees(&browser, ".printed", "jail1.lan, 20").await?;
    driver.tells(&browser, "Emulation.setEmulatedMedia", serde_json::json!({ "media": "" })).await.expect("a screen");
    sees_nothing_of(&browser, ".printed").await?;

    // Forty pots: the state in sight, the list in any order, and only some of them.
    goes_to(&browser, &format!("{}/pots", demo.url)).await?;
    let rows = "document.querySelectorAll('table.pots tbody tr').length";
    assert_eq!(value(&browser, rows).await?, "40");
    step(&browser, "a state", async || browser.find(By::Css("#f-state option:nth-child(3)")).await?.click().await)
        .await?;
    click(&browser, "form.filters button").await?;
    sees(&browser, ".page-head", "24 shown").await?;
    holds(
        &browser,
        "only stopped ones",
        "[...document.querySelectorAll('table.pots tbody td:nth-child(2)')].every((state) => state.textContent.trim() === 'stopped')",
    )
    .await?;
    click(&browser, "table.pots thead th:last-child a").await?;
    holds(
        &browser,
        "sorted by what they use, and still filtered",
        "document.querySelectorAll('table.pots tbody tr').length === 24\
         && document.querySelector('table.pots th[aria-sort]').textContent.trim() === 'Uses'",
    )
    .await?;
    // A pot that nobody knows.
    goes_to(&browser, &format!("{}/pots/long-gone", demo.url)).await?;
    sees(&browser, "main", "The log names no pot destroy of it").await?;
    click(&browser, "main a[href*='pot=long-gone']").await?;
    sees(&browser, "h1", "Activity").await?;
    assert_eq!(property(&browser, "pot", "value").await?, "long-gone");

    // Host leads there from the heads of its own table, and by a name.
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    sees(&browser, "table.pots td:nth-child(2)", "running").await?;
    shows(&browser, "table.pots thead a[href='/pots?sort=state']").await?;
    type_into(&browser, "text", "ci-").await?;
    press_enter(&browser, "text").await?;
    sees(&browser, ".page-head", "4 shown").await?;

    // Reading again leaves the keyboard where it is.
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    click(&browser, "form[action='/refresh'] button").await?;
    holds(&browser, "the focus is at Read again", "document.activeElement.textContent.startsWith('Read')").await?;
    // Only where there is no script does a page load itself again by its head: that cannot be stopped by who reads.
    holds(&browser, "no refresh that cannot be stopped", "!document.querySelector('head > meta[http-equiv=refresh]')")
        .await?;
    holds(&browser, "and after it was read", "document.activeElement.textContent === 'Read again'").await?;

    // The versions of all files are one list: when, who, what, why.
    goes_to(&browser, &format!("{}/history/files", demo.url)).await?;
    let heads = "[...document.querySelectorAll('table th')].map((head) => head.textContent).slice(0, 5).join()";
    assert_eq!(value(&browser, heads).await?, "When,File,Who,What,Reason");
    assert_eq!(value(&browser, "document.querySelectorAll('table').length").await?, "1");

    // A viewer is told why there is nothing to fill in.
    no_complaints(&browser).await?;
    click(&browser, "form[action='/sign-out'] button").await?;
    shows(&browser, "form[action='/sign-in']").await?;
    type_into(&browser, "name", "vera").await?;
    type_into(&browser, "password", PASSWORD).await?;
    click(&browser, "form[action='/sign-in'] button").await?;
    shows(&browser, "form[action='/sign-out']").await?;
    goes_to(&browser, &format!("{}/configuration", demo.url)).await?;
    sees(&browser, "main", "Your role, viewer, reads the configuration").await?;
    browser.quit().await
}
