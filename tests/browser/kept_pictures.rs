//! Pictures of the pages: each is held against the one that is kept, in light at 1440 pixels and in dark at 360, so that no
//! page changes its looks unnoticed. `docs/pictures` takes them anew, these and the ones that the documentation shows.
//!
//! Nothing in them depends on the machine or on the hour: text stands in fonts that lie beside this file, times and what
//! counts from now are made the same ([`STILL`]). The usual run looks at three of them; with `POT_CONSOLE_LONG` at all.

use super::look::window;
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A page that is looked at.
struct Page {
    /// What its pictures are called.
    name: &'static str,
    path: &'static str,
    /// Looked at in the usual run, too.
    usual: bool,
    /// Whether the documentation shows it.
    shown: bool,
}

const fn page(name: &'static str, path: &'static str) -> Page {
    Page { name, path, usual: false, shown: false }
}

const fn shown(name: &'static str, path: &'static str) -> Page {
    Page { shown: true, ..page(name, path) }
}

/// By the simulated host that they are pages of.
const PAGES: [(&str, &[Page]); 3] = [
    ("fresh", &[page("fresh-host", "/"), page("fresh-configuration", "/configuration"), page("fresh-pots", "/pots")]),
    (
        "default",
        &[
            page("host", "/"),
            Page { usual: true, ..shown("configuration", "/configuration") },
            page("configuration-file", "/configuration/file"),
            shown("operations", "/operations"),
            shown("init", "/operations/init"),
            page("prepare", "/operations/prepare"),
            shown("activity", "/activity?counts=1"),
            page("history", "/history"),
            Page { usual: true, ..page("settings", "/settings") },
            page("feedback", "/feedback"),
            page("not-found", "/no-such-page"),
        ],
    ),
    (
        "busy",
        &[
            shown("busy-host", "/"),
            page("busy-configuration", "/configuration?open=all"),
            shown("busy-pots", "/pots"),
            shown("busy-pot", "/pots/web1"),
            shown("busy-vnet-start", "/operations/vnet-start"),
            page("busy-de-init", "/operations/de-init"),
            shown("busy-history", "/history"),
            page("busy-files", "/history/files"),
        ],
    ),
];

/// Width, theme.
const LOOKS: [(u32, &str); 2] = [(1440, "light"), (360, "dark")];
/// No picture is taller: what stands further down is made of the same parts.
const TALLEST: u64 = 1600;

/// How far the mean of a square of 8 × 8 pixels may lie from that of the picture that is kept, of 255 in each colour. Another
/// machine smooths letters a little otherwise; a line of text that is gone, or a button of another colour, is far beyond.
const TOLERANCE: u64 = 14;

/// Makes a page the same at every hour: times, what counts from now, and what is made of the present one.
const STILL: &str = "
    const [sans, mono, asItIs, done] = arguments;
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
    const faces = [new FontFace('Kept Sans', bytes(sans), { weight: '200 900' }), new FontFace('Kept Mono', bytes(mono), { weight: '200 900' })];
    (async () => {
        for (const face of faces) document.fonts.add(await face.load());
        const root = document.documentElement;
        root.style.setProperty('--sans', '\"Kept Sans\"');
        root.style.setProperty('--mono', '\"Kept Mono\"');
        if (!asItIs) {
            for (const time of document.querySelectorAll('time')) time.textContent = '00:00';
            for (const ago of document.querySelectorAll('[data-ago]')) {
                ago.removeAttribute('data-ago');
                ago.textContent = 'a while ago';
            }
            // Each console has a port of its own, and snapshots are called by the second in which they were taken.
            const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (texts.nextNode()) {
                const text = texts.currentNode;
                text.data = text.data.replaceAll(location.port, '00000').replace(/@1[0-9]{9}/g, '@1000000000');
            }
            // Days begin at another line each hour; pids, digests and what was measured differ each time.
            for (const gone of document.querySelectorAll('.day, .page-head .aside, [aria-labelledby=p-spells], .meta, .call .from small')) gone.remove();
            for (const unlike of document.querySelectorAll('.counts > *, .took')) unlike.style.visibility = 'hidden';
        }
        const at = document.activeElement;
        await document.fonts.ready;
        // What is written at is shown, as the one who writes sees it.
        if (asItIs && at !== document.body) at.scrollIntoView({ block: 'center' });
        if (!asItIs) {
            at?.blur();
            scrollTo(0, 0);
        }
        requestAnimationFrame(() => requestAnimationFrame(() => done([document.documentElement.scrollHeight, Math.round(scrollY)])));
    })();";

/// Holds a picture against the one that is kept: the worst square's distance, and where it stands. Both are shown with the
/// difference when they differ.
const COMPARE: &str = "
    const [now, kept, tolerance, done] = arguments;
    const read = async (source) => {
        const picture = new Image();
        picture.src = source;
        await picture.decode();
        const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
        const context = canvas.getContext('2d', { willReadFrequently: true });
        context.drawImage(picture, 0, 0);
        return context.getImageData(0, 0, canvas.width, canvas.height);
    };
    (async () => {
        const [one, other] = [await read(now), await read(kept)];
        if (one.width !== other.width || one.height !== other.height) {
            return done({ why: `it is ${one.width} × ${one.height} pixels and was ${other.width} × ${other.height}` });
        }
        const side = 8, shown = document.createElement('canvas');
        Object.assign(shown, { width: one.width, height: one.height });
        const context = shown.getContext('2d');
        context.putImageData(one, 0, 0);
        let worst = 0, squares = 0, where = '';
        for (let top = 0; top < one.height; top += side) for (let left = 0; left < one.width; left += side) {
            const sums = [0, 0, 0];
            let pixels = 0;
            for (let y = top; y < Math.min(top + side, one.height); y += 1) for (let x = left; x < Math.min(left + side, one.width); x += 1) {
                const at = 4 * (y * one.width + x);
                for (let colour = 0; colour < 3; colour += 1) sums[colour] += Math.abs(one.data[at + colour] - other.data[at + colour]);
                pixels += 1;
            }
            const apart = Math.max(...sums) / pixels;
            if (apart > worst) [worst, where] = [apart, `${2 * left}, ${2 * top}`];
            if (apart > tolerance) {
                squares += 1;
                context.strokeStyle = 'magenta';
                context.strokeRect(left + .5, top + .5, side - 1, side - 1);
            }
        }
        done({ worst: Math.round(worst), squares, where, difference: squares ? shown.toDataURL('image/png') : '' });
    })().catch((error) => done({ why: String(error) }));";

/// A small form of a picture: of 256 colours, which serve all others as well as so many can.
const PACK: &str = "
    const [source, done] = arguments;
    const chunk = (name, body) => {
        const bytes = new Uint8Array(12 + body.length), view = new DataView(bytes.buffer);
        view.setUint32(0, body.length);
        bytes.set([...name].map((letter) => letter.charCodeAt(0)), 4);
        bytes.set(body, 8);
        let sum = -1;
        for (const byte of bytes.subarray(4, 8 + body.length)) {
            sum ^= byte;
            for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
        }
        view.setUint32(8 + body.length, ~sum);
        return bytes;
    };
    (async () => {
        const picture = new Image();
        picture.src = source;
        await picture.decode();
        const [width, height] = [picture.naturalWidth, picture.naturalHeight];
        const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
        context.drawImage(picture, 0, 0);
        const { data } = context.getImageData(0, 0, width, height);
        const colour = (at) => data[at] << 16 | data[at + 1] << 8 | data[at + 2];
        const counts = new Map();
        for (let at = 0; at < data.length; at += 4) counts.set(colour(at), (counts.get(colour(at)) || 0) + 1);
        const apart = (one, other) => [16, 8, 0].reduce((sum, by) => sum + ((one >> by & 255) - (other >> by & 255)) ** 2, 0);
        // Each next one is what the others serve worst: often seen, or far from all of them.
        const left = [...counts].map(([one, count]) => ({ one, count, place: 0, far: 4e5 }));
        const palette = [];
        while (palette.length < 256) {
            const { one, far } = left.reduce((worst, next) => next.count * next.far > worst.count * worst.far ? next : worst);
            if (!far) break;
            palette.push(one);
            for (const other of left) {
                const distance = apart(other.one, one);
                if (distance < other.far) Object.assign(other, { far: distance, place: palette.length - 1 });
            }
        }
        const place = new Map(left.map(({ one, place }) => [one, place]));
        const rows = new Uint8Array((width + 1) * height);
        for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) {
            rows[y * (width + 1) + 1 + x] = place.get(colour(4 * (y * width + x)));
        }
        const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream('deflate'));
        const head = new Uint8Array(13), view = new DataView(head.buffer);
        view.setUint32(0, width);
        view.setUint32(4, height);
        head.set([8, 3, 0, 0, 0], 8);
        const colours = Uint8Array.from(palette.flatMap((one) => [one >> 16, one >> 8 & 255, one & 255]));
        const file = new Blob([
            Uint8Array.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('PLTE', colours),
            chunk('IDAT', new Uint8Array(await new Response(packed).arrayBuffer())), chunk('IEND', new Uint8Array()),
        ]);
        const reader = new FileReader();
        reader.onload = () => done(reader.result);
        reader.readAsDataURL(file);
    })().catch((error) => done(String(error)));";

const SANS: &[u8] = include_bytes!("vendor/source-sans-3.woff2");
const MONO: &[u8] = include_bytes!("vendor/source-code-pro.woff2");

/// What is to be done with pictures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Some are held against those that are kept.
    Some,
    /// All are.
    All,
    /// They are kept anew, with those of the documentation.
    Keep,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn bytes_of(data: &str) -> Vec<u8> {
    STANDARD.decode(data.rsplit_once(',').map_or(data, |(_, bytes)| bytes)).expect("base64")
}

struct Camera<'a> {
    driver: &'a Driver,
    browser: &'a WebDriver,
    task: Task,
    /// Name and picture, half as large as the page.
    taken: Vec<(String, String)>,
}

impl Camera<'_> {
    /// Takes the page that is open, in both looks; for the documentation as it is, before it is made still.
    async fn takes(&mut self, page: &Page) -> WebDriverResult<()> {
        if self.task == Task::Keep && page.shown {
            for (width, theme) in LOOKS {
                self.sees_in(width, theme).await;
                let (_, top) = self.stills(true).await?;
                let picture = self.captures((top, width, 900), 1.0, json!({ "format": "webp", "quality": 82 })).await;
                let file = folder("docs/pages").join(format!("{}-{width}-{theme}.webp", page.name));
                std::fs::write(file, bytes_of(&picture)).expect("write a picture");
            }
        }
        for (width, theme) in LOOKS {
            self.sees_in(width, theme).await;
            let (height, top) = self.stills(false).await?;
            let picture = self.captures((top, width, height.min(TALLEST)), 0.5, json!({ "format": "png" })).await;
            self.taken.push((format!("{}-{width}-{theme}", page.name), format!("data:image/png;base64,{picture}")));
        }
        Ok(())
    }

    async fn sees_in(&self, width: u32, theme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.driver.tells(self.browser, "Emulation.setEmulatedMedia", media).await.expect("a scheme");
        window(self.driver, self.browser, width, 900).await;
    }

    /// Gives the page the kept fonts, and makes it still unless it is to be shown as it is; its height then, and where
    /// it is scrolled to.
    async fn stills(&self, as_it_is: bool) -> WebDriverResult<(u64, u64)> {
        let [sans, mono] = [SANS, MONO].map(|font| json!(STANDARD.encode(font)));
        let place = self.browser.execute_async(STILL, vec![sans, mono, json!(as_it_is)]).await?;
        Ok(serde_json::from_value(place.json().clone()).expect("a height and a place"))
    }

    async fn captures(&self, (top, width, height): (u64, u32, u64), scale: f64, mut how: Value) -> String {
        how["captureBeyondViewport"] = json!(true);
        how["clip"] = json!({ "x": 0, "y": top, "width": width, "height": height, "scale": scale });
        let answer = self.driver.asks(self.browser, "Page.captureScreenshot", how).await.expect("a picture");
        answer["value"]["data"].as_str().expect("the picture's data").to_owned()
    }

    /// Holds what was taken against what is kept, or keeps it.
    async fn judges(self) -> WebDriverResult<()> {
        goes_to(self.browser, "about:blank").await?;
        let kept = folder("tests/browser/pictures");
        let apart = folder("target/pictures");
        let mut changed = Vec::new();
        for (name, picture) in &self.taken {
            let file = kept.join(format!("{name}.png"));
            if self.task == Task::Keep {
                let packed = self.browser.execute_async(PACK, vec![json!(picture)]).await?;
                std::fs::write(file, bytes_of(packed.json().as_str().unwrap_or_default())).expect("keep a picture");
                continue;
            }
            let before = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let arguments = vec![
                json!(picture),
                json!(format!("data:image/png;base64,{}", STANDARD.encode(&before))),
                json!(TOLERANCE),
            ];
            let found = self.browser.execute_async(COMPARE, arguments).await?.json().clone();
            if found["squares"] == json!(0) {
                continue;
            }
            std::fs::create_dir_all(&apart).expect("a folder for what differs");
            for (what, bytes) in [
                ("was.png", before),
                ("is.png", bytes_of(picture)),
                ("difference.png", bytes_of(found["difference"].as_str().unwrap_or_default())),
            ] {
                std::fs::write(apart.join(format!("{name}-{what}")), bytes).expect("write what differs");
            }
            let words = match found["why"].as_str() {
                Some(why) => why.to_owned(),
                None => format!(
                    "{} squares differ by up to {}, most at {}",
                    found["squares"], found["worst"], found["where"]
                ),
            };
            changed.push(format!("{name}: {words}"));
        }
        assert!(
            changed.is_empty(),
            "pages that look otherwise than they did (target/pictures/ shows how; if it is meant, docs/pictures keeps the \
             new look):\n{}",
            changed.join("\n")
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_look_as_they_did_and_follow_the_theme_that_someone_chose() -> WebDriverResult<()> {
    let task = match (std::env::var_os("POT_CONSOLE_KEEP_PICTURES"), std::env::var_os("POT_CONSOLE_LONG")) {
        (Some(_), _) => Task::Keep,
        (None, Some(_)) => Task::All,
        (None, None) => Task::Some,
    };
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let mut camera = Camera { driver: &driver, browser: &browser, task, taken: Vec::new() };
    for (scenario, pages) in PAGES {
        let pages: Vec<&Page> = pages.iter().filter(|page| page.usual || task != Task::Some).collect();
        if pages.is_empty() {
            continue;
        }
        let demo = Demo::start(scenario);
        opens(&browser, &demo, "/").await?;
        // Pages wait for nothing then.
        shows(&browser, "form[action='/refresh']").await?;
        for page in pages {
            goes_to(&browser, &format!("{}{}", demo.url, page.path)).await?;
            shows(&browser, "h1").await?;
            if page.name == "configuration" {
                type_into(&browser, "POT_NETWORK", "10.200.0.0/16").await?;
                sees(&browser, "#p-POT_GATEWAY", "outside POT_NETWORK").await?;
                sees(&browser, "#review .diff", "POT_NETWORK=10.200.0.0/16").await?;
            }
            camera.takes(page).await?;
        }
        if scenario == "default" {
            // Signed out after the first look at the host, whose name is known since then.
            browser.delete_all_cookies().await?;
            goes_to(&browser, &format!("{}/sign-in", demo.url)).await?;
            shows(&browser, "form[action='/sign-in']").await?;
            camera.takes(&Page { usual: true, ..shown("sign-in", "/sign-in") }).await?;
            opens(&browser, &demo, "/").await?;
            follows_the_theme(&driver, &browser, &demo).await?;
        }
    }
    camera.judges().await?;
    browser.quit().await
}

/// What someone chose decides, whatever the browser's system has; and what it has when they choose nothing.
async fn follows_the_theme(driver: &Driver, browser: &WebDriver, demo: &Demo) -> WebDriverResult<()> {
    let ground =
        "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).colorScheme";
    let (light, dark) = ("rgb(246, 245, 241)", "rgb(22, 21, 18)");
    for (chosen, on_light, on_dark) in [
        ("dark", [dark, "dark"], [dark, "dark"]),
        ("light", [light, "light"], [light, "light"]),
        ("system", [light, "light dark"], [dark, "light dark"]),
    ] {
        goes_to(browser, &format!("{}/settings", demo.url)).await?;
        click(browser, &format!("form[action='/settings/theme'] input[value={chosen}]")).await?;
        click(browser, "form[action='/settings/theme'] button").await?;
        sees(browser, ".notice", "Your pages look so from now on").await?;
        for (scheme, wanted) in [("light", on_light), ("dark", on_dark)] {
            let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            driver.tells(browser, "Emulation.setEmulatedMedia", media).await.expect("a scheme");
            assert_eq!(value(browser, ground).await?, wanted.concat(), "{chosen} on a {scheme} system");
        }
    }
    // Paper is white whatever someone chose.
    goes_to(browser, &format!("{}/settings", demo.url)).await?;
    click(browser, "form[action='/settings/theme'] input[value=dark]").await?;
    click(browser, "form[action='/settings/theme'] button").await?;
    sees(browser, ".notice", "Your pages look so from now on").await?;
    driver.tells(browser, "Emulation.setEmulatedMedia", json!({ "media": "print" })).await.expect("paper");
    assert_eq!(value(browser, ground).await?, "rgb(255, 255, 255)light");
    driver.tells(browser, "Emulation.setEmulatedMedia", json!({ "media": "" })).await.expect("a screen");
    no_complaints(browser).await
}
