//! Ten jobs, done as a person does them who knows neither the console nor an address of it: by what the pages offer.
//! What is pressed is counted: clicks, keys that press a button or follow a link, and forms that are sent. Each plan is
//! shown and confirmed by itself.

use super::*;
use std::cell::Cell;

/// A person at a browser.
struct Person<'a> {
    browser: &'a WebDriver,
    demo: &'a Demo,
    /// How often they pressed something since they signed in.
    pressed: Cell<u32>,
}

impl<'a> Person<'a> {
    /// Opens the console's first page and signs in.
    async fn arrives(browser: &'a WebDriver, demo: &'a Demo) -> WebDriverResult<Self> {
        opens(browser, demo, "/").await?;
        shows(browser, "form[action='/refresh']").await?;
        Ok(Self { browser, demo, pressed: Cell::new(0) })
    }

    /// The same with a name and a password.
    async fn arrives_as(browser: &'a WebDriver, demo: &'a Demo, name: &str) -> WebDriverResult<Self> {
        goes_to(browser, &format!("{}/", demo.url)).await?;
        shows(browser, "form[action='/sign-in']").await?;
        type_into(browser, "name", name).await?;
        type_into(browser, "password", PASSWORD).await?;
        click(browser, "form[action='/sign-in'] button").await?;
        shows(browser, "form[action='/refresh']").await?;
        Ok(Self { browser, demo, pressed: Cell::new(0) })
    }

    async fn clicks(&self, css: &str) -> WebDriverResult<()> {
        self.pressed.set(self.pressed.get() + 1);
        click(self.browser, css).await
    }

    /// Takes the next step, which the page itself offers as its one main button.
    async fn goes_on(&self, address: &str) -> WebDriverResult<()> {
        self.clicks(&format!("main a.button.main[href^='{address}']")).await
    }

    /// Reads a plan and starts it. Nothing has happened before that.
    async fn confirms(&self, heading: &str) -> WebDriverResult<()> {
        sees(self.browser, "h1", heading).await?;
        sees(self.browser, ".page-head", "Nothing has happened yet").await?;
        let acknowledge = self.browser.find_all(By::Css("form.confirm input[type=checkbox]")).await?;
        if !acknowledge.is_empty() {
            self.clicks("form.confirm input[type=checkbox]").await?;
        }
        if !self.browser.find_all(By::Css("form.confirm input[name=password]")).await?.is_empty() {
            type_into(self.browser, "password", PASSWORD).await?;
        }
        self.clicks("form.confirm button.main:enabled").await
    }

    /// Waits until a run has ended as planned.
    async fn all_is_as_planned(&self) -> WebDriverResult<()> {
        sees(self.browser, "#run-head", "As planned").await
    }

    /// Opens a group of parameters, where it is folded.
    async fn opens_the_group_of(&self, parameter: &str) -> WebDriverResult<()> {
        let group = format!("details.group:has([name='{parameter}'])");
        let open = format!("document.querySelector({group:?}).open");
        if value(self.browser, &open).await? == "false" {
            self.clicks(&format!("{group} > summary")).await?;
        }
        Ok(())
    }

    async fn keeps_the_network(&self) -> WebDriverResult<()> {
        sees(self.browser, ".decision h2", "Keep the new network?").await?;
        // What they wait for, too: before that, Keep asks for another press.
        sees(self.browser, "#probe", "New connections from your browser arrive:").await?;
        self.clicks("form[action$='/keep'] button").await?;
        sees(self.browser, "#run-head", "Kept. The network runs as planned.").await
    }

    /// Presses Tab until the focus is on such an element, then Enter.
    async fn reaches_and_presses(&self, css: &str) -> WebDriverResult<()> {
        shows(self.browser, css).await?;
        let there = format!("!!document.activeElement.matches({css:?})");
        let begun = Instant::now();
        while value(self.browser, &there).await? != "true" {
            // A page that is swapped meanwhile begins anew.
            assert!(
                begun.elapsed() < PATIENCE,
                "{css} cannot be reached by keyboard\n{}",
                whole_page(self.browser).await
            );
            presses(self.browser, Key::Tab + "").await?;
        }
        let drawn = "(({ outlineStyle, boxShadow }) => outlineStyle !== 'none' || boxShadow !== 'none')\
            (getComputedStyle(document.activeElement))";
        assert_eq!(value(self.browser, drawn).await?, "true", "{css} has the focus, and nobody sees it");
        self.pressed.set(self.pressed.get() + 1);
        presses(self.browser, Key::Enter + "").await
    }

    /// What the command line does on the simulated host before the job begins.
    fn root_ran(&self, words: &[&str]) {
        let ran = Command::new(support::program()).arg("--root").arg(&self.demo.dir).arg("run").args(words).output();
        let ran = ran.expect("the command line");
        assert!(ran.status.success(), "{words:?}: {ran:?}");
    }

    fn pot_conf(&self) -> String {
        self.demo.read("/usr/local/etc/pot/pot.conf")
    }

    fn pressed_at_most(&self, most: u32, what: &str) {
        let pressed = self.pressed.get();
        println!("{what}: {pressed} of at most {most}");
        assert!(pressed <= most, "{what} took {pressed} clicks, at most {most} were to do");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_host_has_a_network_that_is_kept_after_twelve_clicks() -> WebDriverResult<()> {
    let demo = Demo::start("fresh");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let person = Person::arrives(&browser, &demo).await?;
    sees(&browser, ".lead h2", "pot is not installed yet").await?;
    person.goes_on("/operations/prepare").await?;
    person.confirms("Prepare this host").await?;
    person.all_is_as_planned().await?;

    // pot's own default names a card that this host does not have.
    person.goes_on("/configuration").await?;
    sees(&browser, "#review", "1 error").await?;
    person.clicks("#rail-findings button[name=fix]").await?;
    sees(&browser, "#review", "No findings").await?;
    person.clicks("#rail-save button[name=save]").await?;
    sees(&browser, "main", "Saved").await?;

    person.goes_on("/operations/init").await?;
    person.confirms("Initialise pot").await?;
    person.all_is_as_planned().await?;
    person.goes_on("/operations/vnet-start").await?;
    person.confirms("Start the virtual network").await?;
    person.keeps_the_network().await?;
    person.pressed_at_most(12, "from a fresh host to a network that is kept");

    // And then: pots, and the reboot that is outstanding.
    sees(&browser, "#strip", "A reboot is outstanding").await?;
    person.goes_on("/pots").await?;
    sees(&browser, "h1", "Pots").await?;
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_leads_from_a_fresh_host_to_a_network_that_is_kept() -> WebDriverResult<()> {
    let demo = Demo::start("fresh");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    shows(&browser, "form[action='/sign-in']").await?;
    for (field, text) in [("name", "admin"), ("password", PASSWORD)] {
        while value(&browser, "document.activeElement.name").await? != field {
            presses(&browser, Key::Tab + "").await?;
        }
        presses(&browser, text).await?;
    }
    presses(&browser, Key::Enter + "").await?;
    shows(&browser, "form[action='/refresh']").await?;
    let person = Person { browser: &browser, demo: &demo, pressed: Cell::new(0) };
    let next = |address: &str| format!("main a.button.main[href^='{address}']");
    let start = "form.confirm button.main:enabled";

    person.reaches_and_presses(&next("/operations/prepare")).await?;
    person.reaches_and_presses(start).await?;
    person.all_is_as_planned().await?;
    person.reaches_and_presses(&next("/configuration")).await?;
    sees(&browser, "#review", "1 error").await?;
    person.reaches_and_presses("#rail-findings button[name=fix]").await?;
    sees(&browser, "#review", "No findings").await?;
    presses(&browser, Key::Control + "s").await?;
    person.pressed.set(person.pressed.get() + 1);
    sees(&browser, "main", "Saved").await?;
    person.reaches_and_presses(&next("/operations/init")).await?;
    person.reaches_and_presses(start).await?;
    person.all_is_as_planned().await?;
    person.reaches_and_presses(&next("/operations/vnet-start")).await?;
    person.reaches_and_presses(start).await?;
    sees(&browser, ".decision h2", "Keep the new network?").await?;
    sees(&browser, "#probe", "New connections from your browser arrive:").await?;
    person.reaches_and_presses("form[action$='/keep'] button").await?;
    sees(&browser, "#run-head", "Kept. The network runs as planned.").await?;
    person.pressed_at_most(12, "the same by keyboard");
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_renumbered_past_two_mistakes_and_runs_as_it_is_configured() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let person = Person::arrives(&browser, &demo).await?;
    person.root_ran(&["init"]);
    person.root_ran(&["vnet-start", "--no-revert"]);
    click(&browser, "form[action='/refresh'] button").await?;
    sees(&browser, ".lead h2", "Ready for the first pot").await?;
    let before = person.pot_conf();

    person.clicks("nav a[href='/configuration']").await?;
    person.opens_the_group_of("POT_NETWORK").await?;
    // The LAN's own network: not as a change of the whole, and nothing of it is written.
    type_into(&browser, "POT_NETWORK", "192.168.178.0/24").await?;
    sees(&browser, "#a-POT_NETWORK", "would cut the host off").await?;
    // One without its length.
    type_into(&browser, "POT_NETWORK", "172.20.0.0").await?;
    sees(&browser, "#a-POT_NETWORK", "172.20.0.0/").await?;
    assert_eq!(person.pot_conf(), before, "nothing is written before saving");
    // The console knows one that is free, and what belongs to it.
    person.clicks("#a-POT_NETWORK button[name=fix]").await?;
    sees(&browser, "#review .diff", "POT_NETWORK=").await?;
    sees_nothing_wrong(&browser).await?;
    person.clicks("#rail-save button[name=save]").await?;
    sees(&browser, "main", "Saved").await?;
    let saved = person.pot_conf();
    let set = |name: &str| {
        saved.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).map(str::to_owned).unwrap_or_default()
    };
    let network = set("POT_NETWORK");
    let (address, _) = network.split_once('/').expect("a network with its length");
    let start = address.trim_end_matches('0').trim_end_matches('.');
    let near = start.split('.').take(2).collect::<Vec<_>>().join(".");
    assert!(set("POT_GATEWAY").starts_with(&near), "the gateway is {:?} in {network}", set("POT_GATEWAY"));
    // pot takes the DNS pot's address where somebody set it; its default is dropped without a word.
    assert!(set("POT_DNS_IP").is_empty() || set("POT_DNS_IP").starts_with(&near), "{saved}");

    // The running network is still the earlier one; a plan makes it the new one.
    person.clicks("nav a[href='/']").await?;
    person.clicks("main a.button[href^='/operations/vnet-start']").await?;
    person.confirms("Start the virtual network").await?;
    person.keeps_the_network().await?;
    let bridges = demo.tool("/sbin/ifconfig", &["-a"]);
    assert!(bridges.contains(&set("POT_GATEWAY")), "no bridge has {}: {bridges}", set("POT_GATEWAY"));
    person.pressed_at_most(8, "to another network");
    no_complaints(&browser).await?;
    browser.quit().await
}

/// Waits until the draft has no errors and nothing to warn of.
async fn sees_nothing_wrong(browser: &WebDriver) -> WebDriverResult<()> {
    let begun = Instant::now();
    loop {
        let wrong =
            value(browser, "document.querySelectorAll('#review .is-error, [aria-invalid=true]').length").await?;
        if wrong == "0" {
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "{wrong} things are wrong\n{}", whole_page(browser).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_vlans_and_a_vpn_that_is_down_are_configured_without_knowing_pots_spelling() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let person = Person::arrives(&browser, &demo).await?;
    person.clicks("nav a[href='/configuration']").await?;
    sees(&browser, "#review", "No findings").await?;
    person.opens_the_group_of("POT_NETWORK").await?;
    for vlan in ["vlan20", "vlan30"] {
        person.clicks(&format!("input[name=POT_EXTRA_EXTIF][value={vlan}]")).await?;
    }
    type_into(&browser, "POT_NETWORK_vlan20", "10.0.20.0/24").await?;
    type_into(&browser, "POT_NETWORK_vlan30", "10.0.30.0/24").await?;
    sees(&browser, "#review .diff", "POT_NETWORK_vlan30=10.0.30.0/24").await?;
    sees_nothing_wrong(&browser).await?;
    person.clicks("#rail-save button[name=save]").await?;
    sees(&browser, "main", "Saved").await?;
    let saved = person.pot_conf();
    for line in
        ["POT_EXTRA_EXTIF=\"vlan20 vlan30\"", "POT_NETWORK_vlan20=10.0.20.0/24", "POT_NETWORK_vlan30=10.0.30.0/24"]
    {
        assert!(saved.lines().any(|found| found == line), "{line} is not in {saved}");
    }
    person.pressed_at_most(4, "two vlans");

    // The VPN's interface comes with the VPN, and it is down now.
    person.pressed.set(0);
    let field = "other.POT_VPN_EXTIF";
    person.opens_the_group_of(field).await?;
    type_into(&browser, field, "tun7").await?;
    sees(&browser, "#a-POT_VPN_EXTIF", "tun7").await?;
    type_into(&browser, "POT_VPN_NETWORKS", "10.8.0.0/24").await?;
    sees(&browser, "#review .diff", "POT_VPN_EXTIF=tun7").await?;
    // It is said that it is not there, and it can be saved all the same: an admin takes the responsibility.
    person.clicks("#rail-save button[name=save]").await?;
    let again = "#rail-save button[name=save][value=with-errors]";
    sees(&browser, "main", "tun7").await?;
    if !person.pot_conf().contains("POT_VPN_EXTIF=tun7") {
        type_into(&browser, "reason", "The VPN is down until Monday").await?;
        person.clicks(again).await?;
    }
    sees(&browser, "main", "Saved").await?;
    let saved = person.pot_conf();
    assert!(saved.contains("POT_VPN_EXTIF=tun7") && saved.contains("10.8.0.0/24"), "{saved}");
    person.pressed_at_most(3, "a VPN that is down");
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_differs_on_a_busy_host_ends_without_a_shell_after_ten_clicks() -> WebDriverResult<()> {
    const OPEN: &str = "[...document.querySelectorAll('[id^=drift-]:not(.is-left)')].map((row) => row.id)";
    let demo = Demo::start("busy");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let person = Person::arrives(&browser, &demo).await?;
    sees(&browser, "#l-drift", "Differs from pot.conf").await?;
    let conf = person.pot_conf();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let open = value(&browser, OPEN).await?;
        let Some(row) = open.split(',').find(|row| !row.is_empty()).map(str::to_owned) else { break };
        assert!(!seen.contains(&row), "{row} is back, or did not end: {seen:?}\n{}", whole_page(&browser).await);
        assert!(seen.len() < 6, "{seen:?}");
        seen.push(row.clone());
        let plan = format!("#{row} a.button[href^='/operations/']");
        if browser.find_all(By::Css(&plan)).await?.is_empty() {
            // Pots have their addresses from when they were made: nothing here gives them others.
            person.clicks(&format!("#{row} form[action='/drift'] button")).await?;
            sees(&browser, &format!("#{row}"), "Take up again").await?;
            continue;
        }
        person.clicks(&plan).await?;
        let waits = it_is_of_the_network(&browser).await?;
        person.confirms("").await?;
        if waits {
            person.keeps_the_network().await?;
        } else {
            person.all_is_as_planned().await?;
        }
        person.clicks("nav a[href='/']").await?;
        // What is known is newer than the run.
        shows(&browser, "form[action='/refresh'] button").await?;
        let gone = format!(
            "!document.getElementById({row:?}) || document.getElementById({row:?}).className + ' ' + document.getElementById({row:?}).textContent"
        );
        look::holds(&browser, &format!("{row} has ended"), &gone).await?;
    }
    assert!(seen.len() >= 3, "{seen:?}");
    assert_eq!(person.pot_conf(), conf, "the host follows the file, not the file the host");
    person.pressed_at_most(10, "all that differs");
    no_complaints(&browser).await?;
    browser.quit().await
}

/// Whether the plan that is open changes the network, and waits for an answer afterwards.
async fn it_is_of_the_network(browser: &WebDriver) -> WebDriverResult<bool> {
    shows(browser, "form.confirm").await?;
    Ok(browser.current_url().await?.path().ends_with("/vnet-start"))
}

/// Adds an account at the page of settings.
async fn adds_an_account(browser: &WebDriver, demo: &Demo, name: &str, role: &str) -> WebDriverResult<()> {
    opens(browser, demo, "/settings").await?;
    type_into(browser, "name", name).await?;
    click(browser, &format!("form[action='/settings/accounts'] input[value={role}]")).await?;
    step(browser, "a password", async || browser.find(By::Css("#add-password")).await?.send_keys(PASSWORD).await)
        .await?;
    click(browser, "form[action='/settings/accounts'] button").await?;
    sees(browser, ".notice", &format!("Account {name} is added.")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_learn_of_each_other_and_who_changed_the_network_is_found_and_undone() -> WebDriverResult<()> {
    let demo = Demo::start("busy");
    let driver = Driver::start();
    let (profile, other_profile) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let browser = driver.browser(profile.path()).await;
    adds_an_account(&browser, &demo, "nadja", "admin").await?;
    let person = Person::arrives(&browser, &demo).await?;
    let before = person.pot_conf();
    person.clicks("nav a[href='/configuration']").await?;
    sees(&browser, "h1", "Configuration").await?;

    // Someone else begins, and one learns of it before there is anything to lose.
    let others = driver.browser(other_profile.path()).await;
    let nadja = Person::arrives_as(&others, &demo, "nadja").await?;
    nadja.clicks("nav a[href='/configuration']").await?;
    type_into(&others, "POT_NETWORK", "10.210.0.0/16").await?;
    sees(&others, "#review .diff", "POT_NETWORK=10.210.0.0/16").await?;
    sees(&browser, "#strip", "nadja changed something in a draft of pot.conf").await?;
    // Both write the same line; whoever saves later is told by whom and what, and loses nothing.
    type_into(&browser, "POT_NETWORK", "10.220.0.0/16").await?;
    sees(&browser, "#review .diff", "POT_NETWORK=10.220.0.0/16").await?;
    type_into(&others, "reason", "More room").await?;
    let saves = "#rail-save button[name=save]";
    nadja.clicks(saves).await?;
    if !nadja.pot_conf().contains("10.210.0.0/16") {
        // What it brings is an error on this host: she takes the responsibility.
        nadja.clicks("#rail-save button[value=with-errors]").await?;
    }
    sees(&others, "main", "Saved").await?;
    person.clicks(saves).await?;
    sees(&browser, "#conflict", "nadja").await?;
    sees(&browser, "#conflict", "10.210.0.0/16").await?;
    assert_eq!(property(&browser, "POT_NETWORK", "value").await?, "10.220.0.0/16", "what was typed is lost");
    assert!(person.pot_conf().contains("POT_NETWORK=10.210.0.0/16"), "nadja's change was overwritten");
    no_complaints(&others).await?;
    others.quit().await?;
    person.clicks("#rail-save button[name=discard]").await?;
    sees(&browser, "#review", "No changes").await?;

    // Who changed it, and why? From the parameter itself.
    person.pressed.set(0);
    person.clicks("#p-POT_NETWORK .about > summary").await?;
    person.clicks("#p-POT_NETWORK .about a[href='/history/parameters/POT_NETWORK']").await?;
    sees(&browser, "main", "nadja").await?;
    sees(&browser, "main", "More room").await?;
    let newest = "[...document.querySelectorAll('main a')].map((a) => (a.getAttribute('href').match(/^\\/history\\/([0-9]+)/) || [])[1]).find(Boolean)";
    let newest = value(&browser, newest).await?;
    person.clicks(&format!("main a[href^='/history/{newest}']")).await?;
    sees(&browser, ".detail .meta", "nadja").await?;
    sees(&browser, ".detail .changes", "10.210.0.0/16").await?;
    person.clicks(".detail .buttons a.button").await?;
    sees(&browser, "h1", "The way back").await?;
    person.clicks("form.go-back button.main").await?;
    sees(&browser, "main .entry", "Back to before record").await?;
    assert_eq!(person.pot_conf(), before);
    person.pressed_at_most(6, "found and undone");
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pot_is_removed_for_good_and_its_authors_are_told_why() -> WebDriverResult<()> {
    let demo = Demo::start("default");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    let person = Person::arrives(&browser, &demo).await?;
    person.root_ran(&["init"]);
    person.root_ran(&["vnet-start", "--no-revert"]);
    click(&browser, "form[action='/refresh'] button").await?;
    sees(&browser, ".lead h2", "Ready for the first pot").await?;
    person.clicks("nav a[href='/operations']").await?;
    person.clicks("main a.button[href='/operations/de-init']").await?;
    sees(&browser, "form.confirm", "Type zroot/pot to confirm").await?;
    // Who gets feedback is named before anything is sent.
    sees(&browser, "main", "pizzamig@FreeBSD.org").await?;
    type_into(&browser, "confirm_text", "zroot/pot").await?;
    type_into(&browser, "password", PASSWORD).await?;
    person.clicks("form.confirm button.destroy").await?;
    person.all_is_as_planned().await?;
    assert!(!demo.tool("/sbin/zfs", &["list", "-Ho", "name"]).contains("zroot/pot"));

    // The questions stand on the result, with the address they go to.
    shows(&browser, "form[action='/feedback'] textarea[name=wrong]").await?;
    sees(&browser, "main", "pizzamig@FreeBSD.org").await?;
    type_into(&browser, "wrong", "Addresses of pots do not follow POT_NETWORK").await?;
    type_into(&browser, "reply_to", "admin@example.org").await?;
    person.clicks("form[action='/feedback'] button").await?;
    sees(&browser, "main", "Addresses of pots do not follow POT_NETWORK").await?;
    sees(&browser, "main", "admin@example.org").await?;
    person.clicks("nav a[href='/']").await?;
    sees(&browser, ".lead h2", "pot was removed from this host").await?;
    // While the host is read again the page loads itself anew.
    shows(&browser, "form[action='/refresh'] button").await?;
    person.pressed_at_most(8, "the removal and the feedback");

    // What is left goes, too.
    person.goes_on("/operations/clean-up").await?;
    person.confirms("Clean up").await?;
    person.all_is_as_planned().await?;
    person.clicks("nav a[href='/']").await?;
    sees(&browser, ".lead h2", "pot was removed from this host").await?;
    sees(&browser, ".lead", "What it made is gone. pot itself stays installed.").await?;
    no_complaints(&browser).await?;
    browser.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_sees_everything_and_is_offered_nothing_that_is_refused() -> WebDriverResult<()> {
    const OFFERED: &str = "[...document.querySelectorAll('main form[method=post]:has(button), main a.button')]\
        .map((one) => one.getAttribute('action') || one.textContent.trim().replace(/\\s+/g, ' '))\
        .filter((what) => !/^(\\/refresh|\\/feedback|\\/history\\/verify|\\/settings\\/password|\\/settings\\/theme|\\/settings\\/prove)$/.test(what))\
        .filter((what) => !/^(Look|Open|Configuration|Operations|Older|Show|Sources|All|Clear|Follow|Check)/.test(what)).join('; ')";
    let demo = Demo::start("busy");
    let driver = Driver::start();
    let profile = tempfile::tempdir().expect("a profile folder");
    let browser = driver.browser(profile.path()).await;
    adds_an_account(&browser, &demo, "vera", "viewer").await?;
    click(&browser, "form[action='/sign-out'] button").await?;
    let person = Person::arrives_as(&browser, &demo, "vera").await?;
    let mut offered = Vec::new();
    for page in [
        "/",
        "/readiness",
        "/configuration",
        "/operations",
        "/runs",
        "/activity",
        "/history",
        "/history/files",
        "/history/parameters/POT_NETWORK",
        "/pots",
        "/settings",
    ] {
        goes_to(&browser, &format!("{}{page}", demo.url)).await?;
        shows(&browser, "h1").await?;
        let found = value(&browser, OFFERED).await?;
        if !found.is_empty() {
            offered.push(format!("{page}: {found}"));
        }
    }
    assert!(offered.is_empty(), "{}", offered.join("\n"));
    // What is open to them is called what it is, and says why there is no button.
    goes_to(&browser, &format!("{}/", demo.url)).await?;
    person.clicks(".need a.button[href^='/operations/']").await?;
    sees(&browser, "form.confirm", "Your role may look at plans, not start them.").await?;
    sees_no_such(&browser, "form.confirm button").await?;
    person.clicks("nav a[href='/configuration']").await?;
    sees(&browser, "main", "Your role, viewer, reads the configuration").await?;
    sees_no_such(&browser, "main :is(input[type=text], textarea, select)").await?;
    // Root's settings are no secret, and nobody's to change here.
    person.clicks(".side-foot a[href='/settings']").await?;
    sees(&browser, ".console-settings", "idle_minutes").await?;
    sees(&browser, "section[aria-labelledby=s-console]", "/usr/local/etc/pot-console.toml, which does not exist")
        .await?;
    sees(&browser, ".console-settings tbody tr:first-child", "given at the start").await?;
    sees_no_such(&browser, ".console-settings :is(input, button, a)").await?;
    no_complaints(&browser).await?;
    browser.quit().await
}

/// The page has no such element.
async fn sees_no_such(browser: &WebDriver, css: &str) -> WebDriverResult<()> {
    let count = value(browser, &format!("document.querySelectorAll({css:?}).length")).await?;
    assert_eq!(count, "0", "{css}\n{}", whole_page(browser).await);
    Ok(())
}
