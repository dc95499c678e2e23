//! Pictures of the network of hosts of all sorts, measured as the browser draws them: no text leaves its box or lies on
//! another, no box lies on another. The usual run takes ten hosts, with `POT_CONSOLE_LONG` it is two hundred.

use super::*;
use pot_console::web::picture::drawn_for;

#[path = "../support/hosts.rs"]
mod hosts;

/// Lines of text are as high as their font says, letters of rare scripts a little more: what stands closer than that is
/// said to overlap.
const WRONG: &str = "(() => {
    const wrong = [];
    const over = (a, b) => [
        Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x),
        Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y)];
    const within = (a, b, slack) => a.x >= b.x && a.x + a.width <= b.x + b.width
        && a.y >= b.y - slack && a.y + a.height <= b.y + b.height + slack;
    let seen = 0;
    for (const svg of document.querySelectorAll('svg.net')) {
        if (!svg.getClientRects().length) continue;
        seen += 1;
        const host = svg.closest('figure').id;
        const boxes = [...svg.querySelectorAll('.b')].map((box) => ({ box, at: box.querySelector('rect').getBBox() }));
        boxes.forEach(({ box, at }, number) => {
            const texts = [...box.querySelectorAll('text')].map((text) => ({ text, at: text.getBBox() }));
            texts.forEach((one, place) => {
                if (!within(one.at, at, 2)) wrong.push(`${host}: ${one.text.textContent} leaves its box`);
                texts.slice(place + 1).forEach((other) => {
                    const [x, y] = over(one.at, other.at);
                    if (x > 1 && y > 6) wrong.push(`${host}: ${one.text.textContent} lies on ${other.text.textContent}`);
                });
            });
            boxes.slice(number + 1).forEach((other) => {
                const [x, y] = over(at, other.at);
                if (x > 0 && y > 0 && !within(other.at, at, 0)) wrong.push(`${host}: two boxes lie on each other`);
            });
        });
    }
    if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page is wider than its window');
    return wrong.length ? wrong.slice(0, 20).join('; ') : `${seen} pictures`;
})()";

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_any_host_keeps_its_texts_in_their_boxes_at_every_width() -> WebDriverResult<()> {
    let count: u64 = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 200 } else { 10 };
    let style = include_str!("../../static/console.css");
    let mut page = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><style>{style}</style><main>"
    );
    for number in 0..count {
        let (facts, configuration) = hosts::generated(number);
        page.push_str(&drawn_for(&format!("host-{number}"), &facts, &configuration).expect("a picture"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pictures.html");
    std::fs::write(&file, page).expect("the page");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    browser.goto(&format!("file://{}", file.display())).await?;
    for width in [360, 768, 1440] {
        look::window(&driver, &browser, width, 900).await;
        assert_eq!(value(&browser, WRONG).await?, format!("{count} pictures"), "{width} px");
    }
    // Read out it is what it shows, in sentences.
    let tree = driver.answers(&browser, "Accessibility.getFullAXTree").await.expect("what is read out");
    let named = |node: &&serde_json::Value| {
        let (role, name) = (node["role"]["value"].as_str(), node["name"]["value"].as_str());
        role.is_some_and(|role| role.replace('-', "").eq_ignore_ascii_case("graphicsdocument"))
            && name.is_some_and(|name| name.starts_with("The network. Outside: ") && name.contains(" pf: "))
    };
    let read_out = tree["value"]["nodes"].as_array().into_iter().flatten().filter(named).count();
    assert_eq!(read_out as u64, count, "pictures that are read out as sentences");
    browser.quit().await
}

impl Driver {
    async fn answers(&self, browser: &WebDriver, what: &str) -> Result<serde_json::Value, reqwest::Error> {
        let command = serde_json::json!({ "cmd": what, "params": {} });
        let address = format!("{}/session/{}/goog/cdp/execute", self.url, browser.handle().session_id());
        reqwest::Client::new().post(address).json(&command).send().await?.error_for_status()?.json().await
    }
}
