//! Pages that are left open: what they show goes on with the host, and what someone does on them meanwhile stays.

use super::*;
use crate::look::holds;

/// The host is changed past the console: forwarding and, so that it is noticed, a file that is watched.
fn touches(demo: &Demo, forwarding: &str) {
    demo.tool("/sbin/sysctl", &[&format!("net.inet.ip.forwarding={forwarding}")]);
    let line = format!("# by hand, forwarding {forwarding}\n");
    std::fs::write(demo.path("/etc/rc.conf"), [demo.read("/etc/rc.conf"), line].concat()).expect("write rc.conf");
}

/// What the element says.
fn says(css: &str) -> String {
    format!("document.querySelector({css:?}).textContent.trim()")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_left_open_shows_the_host_as_it_is() -> WebDriverResult<()> {
    let demo = Demo::start("busy");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    opens(&browser, &demo, "/").await?;
    sees(&browser, "main h1", "").await?;
    let forwarding = says("[data-fact=forwarding]");
    holds(&browser, "the host is known", &format!("{forwarding} === 'on'")).await?;

    // How long ago goes on.
    let ago = value(&browser, &says("[data-ago]")).await?;
    holds(&browser, "the age goes on", &format!("{} !== {ago:?}", says("[data-ago]"))).await?;

    // What is new comes by itself. The page is not loaded anew: what was opened on it stays open.
    let script = "window.stays = true; document.querySelector('.everything').open = true;\
        document.querySelector('.everything li details').open = true";
    browser.execute(script, vec![]).await?;
    touches(&demo, "0");
    holds(&browser, "the host that was changed", &format!("{forwarding} === 'off' || {forwarding}")).await?;
    let open = "document.querySelectorAll('.everything[open], .everything li details[open]').length === 2";
    holds(&browser, "what was opened is open", open).await?;
    holds(&browser, "the same page", "window.stays === true").await?;
    sees(&browser, "#strip", "rc.conf").await?;

    // To have it read again is no new page either, and the focus stays at the button.
    click(&browser, ".page-head form.aside button").await?;
    let read = "!document.querySelector('[data-reload]') && document.activeElement.textContent === 'Read again'\
        || document.activeElement.outerHTML";
    holds(&browser, "read again, and the focus is still there", read).await?;

    // Nothing is swapped around a field that someone is in; what is typed there is not lost.
    goes_to(&browser, &format!("{}/pots", demo.url)).await?;
    type_into(&browser, "text", "a").await?;
    let number = "document.querySelector('[data-facts]').dataset.facts";
    let before = value(&browser, number).await?;
    touches(&demo, "1");
    sees(&browser, "#strip", "forwarding 1").await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(value(&browser, number).await?, before, "the page was swapped around the caret");
    browser.execute("document.activeElement.blur()", vec![]).await?;
    holds(&browser, "the page follows", &format!("{number} !== {before:?}")).await?;
    assert_eq!(property(&browser, "text", "value").await?, "a");
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_network_waits_the_time_is_spoken_and_whoever_comes_back_can_still_keep_it() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "checks are as planned.").await?;
    // What comes next takes the place of "is being read" by itself.
    shows(&browser, "#next a.button").await?;

    goes_to(&browser, &format!("{}/operations/vnet-start?revert=60", demo.url)).await?;
    click(&browser, "form.confirm button.main").await?;
    sees(&browser, ".decision h2", "Keep the new network?").await?;
    let spoken = says("#time-left");
    holds(&browser, "the time is spoken", &format!("{spoken}.includes('seconds left to keep') || {spoken}")).await?;
    let label = "document.getElementById('clock').getAttribute('aria-label')";
    let first = value(&browser, label).await?;
    holds(&browser, "the clock's label goes on", &format!("{label} !== {first:?}")).await?;

    // Elsewhere the strip has the clock, and the way back.
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    sees(&browser, "#strip", "waits for an answer").await?;
    let left = value(&browser, &says("#strip .countdown")).await?;
    holds(&browser, "the strip's clock goes on", &format!("{} !== {left:?}", says("#strip .countdown"))).await?;
    step(&browser, "back", async || browser.back().await).await?;
    sees(&browser, ".decision h2", "Keep the new network?").await?;
    let last = value(&browser, label).await?;
    holds(&browser, "the clock goes on after coming back", &format!("{label} !== {last:?}")).await?;
    click(&browser, "form[action$='/keep'] button").await?;
    sees(&browser, "#run-head", "Kept.").await?;
    shows(&browser, "#next").await?;
    holds(&browser, "no clock is left", "!document.querySelector('#clock, #strip .countdown')").await?;

    // A page on which something can be answered no more: its strip is empty again by itself.
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    holds(&browser, "nothing goes on", "document.getElementById('strip').textContent.trim() === ''").await?;
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_while_the_host_is_read_again_stays() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;

    // A name that the host does not have, typed beside the list.
    opens(&browser, &demo, "/configuration?open=all").await?;
    type_into(&browser, "other.POT_EXTIF", "tun7").await?;
    press_enter(&browser, "other.POT_EXTIF").await?;
    sees(&browser, "#a-POT_EXTIF", "tun7").await?;
    sees(&browser, "#c-POT_EXTIF, #p-POT_EXTIF", "tun7").await?;
    holds(
        &browser,
        "one change",
        "document.getElementById('count-configuration').textContent.trim() === '1 unsaved'\
         || document.getElementById('count-configuration').textContent",
    )
    .await?;
    browser.execute("window.onbeforeunload = null; sent = true", vec![]).await?;

    starts(&browser, &demo, "init").await?;
    sees(&browser, "#run-head", "checks are as planned.").await?;
    opens(&browser, &demo, "/operations/de-init").await?;
    type_into(&browser, "confirm_text", "zroot/pot").await?;
    if !browser.find_all(By::Css("form.confirm input[name=password]")).await?.is_empty() {
        type_into(&browser, "password", PASSWORD).await?;
    }
    // Of a tool that no step of the run calls: the look that follows it is still under way when someone looks at that.
    demo.fault("netstat slow 12000");
    click(&browser, "form.confirm button").await?;
    sees(&browser, ".is-run > .stack", "Why pot is removed").await?;
    shows(&browser, "#next[data-reading]").await?;
    type_into(&browser, "wrong", "too many files").await?;
    holds(&browser, "the host was read", "!document.querySelector('#next[data-reading]')").await?;
    demo.heal();
    assert_eq!(property(&browser, "wrong", "value").await?, "too many files");
    holds(&browser, "the caret is still there", "document.activeElement.name === 'wrong'").await?;
    click(&browser, "form.feedback button").await?;
    sees(&browser, "main", "Back to run").await?;
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_of_the_strip_reboots_a_simulated_host() -> WebDriverResult<()> {
    let demo = Demo::start("fresh");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    opens(&browser, &demo, "/").await?;
    click(&browser, ".lead a.button.main[href^='/operations/prepare']").await?;
    click(&browser, "form.confirm button.main:enabled").await?;
    sees(&browser, "#run-head", "as planned.").await?;
    sees(&browser, "#strip", "A reboot is outstanding").await?;
    click(&browser, "#strip form[action='/reboot'] button").await?;
    shows(&browser, ".page-head[data-facts]").await?;
    holds(
        &browser,
        "no reboot is outstanding",
        "!document.getElementById('strip').textContent.includes('outstanding')",
    )
    .await?;
    no_complaints(&browser).await?;
    browser.quit().await
}
