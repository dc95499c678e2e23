//! Everything in one key: the search, and the list of the keys.

use super::*;
use crate::look::{holds, window};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_finds_anything_and_types_only_itself_into_a_field() -> WebDriverResult<()> {
    let demo = Demo::start("busy");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    opens(&browser, &demo, "/").await?;
    shows(&browser, "form[action='/refresh']").await?;

    presses(&browser, "/").await?;
    holds(&browser, "the search is open", "document.getElementById('search').open").await?;
    presses(&browser, "pot_gat").await?;
    sees(&browser, "#search .results", "POT_GATEWAY").await?;
    let spoken = "document.querySelector('#search [role=status]').textContent";
    holds(&browser, "the number is spoken", &format!("/^\\d+ results?$/.test({spoken}) || {spoken}")).await?;
    // Down to the first result, up to the field again, and what is typed at a result goes on in the field.
    let at = "document.activeElement.getAttribute('href') || document.activeElement.name";
    presses(&browser, Key::Down + "").await?;
    assert_eq!(value(&browser, at).await?, "/configuration#p-POT_GATEWAY");
    presses(&browser, Key::Up + "").await?;
    assert_eq!(value(&browser, at).await?, "q");
    presses(&browser, Key::Down + "").await?;
    presses(&browser, "e").await?;
    holds(&browser, "it goes on in the field", "document.querySelector('#search input').value === 'pot_gate'").await?;
    let found = "document.querySelector('#search .results a').getAttribute('href') === '/configuration#p-POT_GATEWAY'";
    holds(&browser, "the same is found", found).await?;
    presses(&browser, Key::Escape + "").await?;
    holds(&browser, "the search is closed", "!document.getElementById('search').open").await?;

    // Enter opens the best.
    presses(&browser, Key::Control + "k").await?;
    holds(&browser, "the search is open again", "document.getElementById('search').open").await?;
    presses(&browser, "readiness").await?;
    sees(&browser, "#search .results", "Readiness").await?;
    presses(&browser, Key::Enter + "").await?;
    sees(&browser, "h1", "Readiness").await?;

    presses(&browser, "?").await?;
    sees(&browser, "#keys-dialog", "go from result to result").await?;
    presses(&browser, Key::Escape + "").await?;
    holds(&browser, "the keys are closed", "!document.getElementById('keys-dialog').open").await?;

    // In a field they are letters.
    goes_to(&browser, &format!("{}/pots", demo.url)).await?;
    type_into(&browser, "text", "a/b?").await?;
    presses(&browser, Key::Control + "k").await?;
    assert_eq!(property(&browser, "text", "value").await?, "a/b?");
    holds(&browser, "nothing has opened", "!document.querySelector('dialog[open]')").await?;

    // On a phone the search is a link above the pages, and fits.
    window(&driver, &browser, 360, 800).await;
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    click(&browser, "[data-opens=search]").await?;
    presses(&browser, "10.192").await?;
    sees(&browser, "#search .results", "Addresses").await?;
    let wide = "document.documentElement.scrollWidth <= innerWidth\
        && document.getElementById('search').scrollWidth <= document.getElementById('search').clientWidth";
    holds(&browser, "nothing is wider than the phone", wide).await?;
    no_complaints(&browser).await?;
    browser.quit().await
}
