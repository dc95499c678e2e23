//! What `pot-console facts` tells about simulated hosts in several states, and what it says when a tool does not answer.

// A test's own functions may fail as the test may; clippy.toml allows it in the test functions alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

const CONSOLE: &str = env!("CARGO_BIN_EXE_pot-console");

/// A simulated host of its own.
struct Host {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl Host {
    fn new(scenario: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("host");
        let built = Command::new(CONSOLE).arg("simulate").arg(&root).args(["--scenario", scenario]).output().unwrap();
        assert!(built.status.success(), "{built:?}");
        Self { _dir: dir, root }
    }

    fn console(&self, args: &[&str]) -> Output {
        Command::new(CONSOLE).arg("--root").arg(&self.root).args(args).output().unwrap()
    }

    fn facts(&self) -> Value {
        let output = self.console(&["--format", "json", "facts"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a simulated tool.
    fn tool(&self, path: &str, args: &[&str]) {
        Command::new(self.root.join(path)).args(args).output().unwrap();
    }

    fn simctl(&self, words: &str) {
        let output = Command::new(self.root.join("usr/sbin/simctl")).args(words.split(' ')).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root.join(path), text).unwrap();
    }
}

fn row<'a>(answer: &'a Value, id: &str) -> &'a Value {
    answer["readiness"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()
}

fn drift(answer: &Value) -> Vec<&str> {
    answer["pot"]["drift"].as_array().unwrap().iter().map(|drift| drift["id"].as_str().unwrap()).collect()
}

#[test]
fn a_fresh_virtual_machine_lacks_pot_and_three_advised_settings() {
    let facts = Host::new("fresh").facts();
    let to_do: Vec<_> = facts["readiness"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["state"] == "to-do" && row["waits"] == false)
        .map(|row| (row["id"].as_str().unwrap(), row["needed"].as_bool().unwrap(), row["action"].as_str().unwrap()))
        .collect();
    assert_eq!(
        to_do,
        [
            ("pot", true, "install-pot"),
            ("racct", false, "enable-racct"),
            ("vtnet", false, "disable-vtnet-lro"),
            ("log", false, "route-log"),
        ]
    );
    assert_eq!(facts["pot"]["stage"], "not-installed");
    assert_eq!(facts["facts"]["simulated"], true);
}

#[test]
fn a_tunable_in_loader_conf_awaits_the_next_boot_and_is_ready_after_it() {
    let host = Host::new("fresh");
    host.write("boot/loader.conf", "kern.racct.enable=1\nhw.vtnet.lro_disable=\"1\"\n");
    let facts = host.facts();
    assert_eq!(row(&facts, "racct")["awaits_reboot"], true);
    assert_eq!(facts["facts"]["racct"]["value"]["running"], "0");
    host.simctl("reboot");
    let facts = host.facts();
    assert_eq!((&row(&facts, "racct")["state"], &row(&facts, "vtnet")["state"]), (&"ready".into(), &"ready".into()));
}

#[test]
fn init_and_vnet_start_are_seen_and_a_changed_network_is_told() {
    let host = Host::new("default");
    // One that stays valid with pot's lines at its top.
    host.write("etc/pf.conf", "pass\n");
    assert_eq!(host.facts()["pot"]["stage"], "fresh");
    host.tool("usr/local/bin/pot", &["init", "-v"]);
    let facts = host.facts();
    assert_eq!(facts["pot"]["stage"], "initialised", "{}", facts["facts"]["datasets"]);
    assert_eq!((&facts["pot"]["vnet_up_pot"], &facts["pot"]["anchors"]["in_file"]), (&false.into(), &true.into()));

    host.tool("usr/local/bin/pot", &["vnet-start", "-v"]);
    let facts = host.facts();
    assert_eq!(drift(&facts), Vec::<&str>::new(), "{}", facts["pot"]["drift"]);
    assert_eq!((&facts["pot"]["vnet_up_pot"], &facts["pot"]["vnet_up_strict"]), (&true.into(), &true.into()));

    let own = "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\nPOT_DNS_IP=10.200.0.2\n";
    host.write("usr/local/etc/pot/pot.conf", own);
    let facts = host.facts();
    assert_eq!(drift(&facts), ["bridge", "nat", "syslogd"]);
    assert_eq!(facts["pot"]["vnet_up_pot"], false);
}

#[test]
fn a_pf_conf_that_pots_lines_made_invalid_is_told_with_what_comes_of_it() {
    let host = Host::new("default");
    host.tool("usr/local/bin/pot", &["init"]);
    host.tool("usr/local/bin/pot", &["vnet-start"]);
    let facts = host.facts();
    assert_eq!(row(&facts, "pf")["state"], "to-do");
    assert!(row(&facts, "pf")["why"].as_str().unwrap().contains("Rules must be in order"));
    assert_eq!(drift(&facts), ["anchors-not-called"]);
    assert_eq!(facts["pot"]["drift"][0]["remedy"], "init", "its plan puts the lines where they belong");
}

#[test]
fn anchors_that_nothing_calls_are_not_taken_for_a_network_that_works() {
    let host = Host::new("default");
    host.tool("usr/local/bin/pot", &["init", "-m"]);
    host.write("etc/pf.conf", "pass\n");
    host.tool("usr/local/bin/pot", &["vnet-start"]);
    host.tool("sbin/pfctl", &["-f", "/etc/pf.conf"]);
    let facts = host.facts();
    assert_eq!(facts["pot"]["vnet_up_strict"], false);
    assert_eq!(facts["pot"]["anchors"]["called"], false);
}

#[test]
fn a_tool_that_is_missing_fails_or_prints_garbage_spoils_only_its_own_fact() {
    let host = Host::new("default");
    host.simctl("fault zpool missing");
    host.simctl("fault ifconfig garbage");
    host.simctl("fault sysctl fail 3 kernel says no");
    let facts = &host.facts()["facts"];
    assert_eq!(facts["pools"]["error"], "zpool: not found");
    assert!(facts["interfaces"]["error"].as_str().is_some_and(|error| !error.is_empty()));
    assert!(facts["vimage"]["error"].as_str().unwrap().contains("kernel says no"));
    assert!(facts["datasets"]["value"].is_array() && facts["packages"]["value"]["pot"].is_string());
    let evidence = facts["interfaces"]["evidence"].as_str().unwrap();
    assert!(!evidence.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t'));
}

#[test]
fn a_kernel_that_does_not_answer_takes_no_name_and_no_version_away() {
    let host = Host::new("default");
    host.simctl("fault sysctl fail 3 kernel says no");
    let facts = host.facts();
    assert_eq!(facts["facts"]["system"]["value"]["hostname"], "jail1.lan");
    assert_eq!((&row(&facts, "freebsd")["state"], &row(&facts, "jail")["state"]), (&"ready".into(), &"unknown".into()));
    host.simctl("clear");
    host.simctl("fault hostname missing");
    assert_eq!(host.facts()["facts"]["system"]["value"]["hostname"], "jail1.lan", "the kernel knows it, too");
}

#[test]
fn a_bridge_that_is_down_and_lines_that_pf_conf_lost_are_told() {
    let host = Host::new("default");
    host.write("etc/pf.conf", "pass\n");
    host.tool("usr/local/bin/pot", &["init"]);
    host.tool("usr/local/bin/pot", &["vnet-start"]);
    host.tool("sbin/ifconfig", &["bridge0", "down"]);
    host.write("etc/pf.conf", "pass\n");
    let facts = host.facts();
    assert_eq!(drift(&facts), ["bridge-down", "anchors-not-in-file"], "{}", facts["pot"]["drift"]);
    assert_eq!((&facts["pot"]["vnet_up_pot"], &facts["pot"]["vnet_up_strict"]), (&true.into(), &false.into()));
    // What the second one says comes true.
    host.tool("sbin/pfctl", &["-f", "/etc/pf.conf"]);
    assert_eq!(drift(&host.facts()), ["bridge-down", "anchors-not-called"]);
}

#[test]
fn a_tool_that_hangs_is_given_up_and_the_rest_is_there() {
    let host = Host::new("default");
    host.simctl("fault zfs hang");
    let facts = &host.facts()["facts"];
    assert!(facts["datasets"]["error"].as_str().unwrap().contains("did not answer within"));
    assert!(facts["pools"]["value"].is_array());
}

#[test]
fn the_text_names_every_source_and_its_evidence_on_request() {
    let host = Host::new("default");
    let output = host.console(&["facts", "--evidence"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for words in ["Readiness", "pot: not initialised", "zpool list -Hp", "| zroot\t"] {
        assert!(text.contains(words), "{words} is missing in:\n{text}");
    }
}

#[test]
fn names_of_folders_send_nothing_to_the_terminal() {
    let host = Host::new("busy");
    let folder = host.root.join("opt/pot/jails/esc\u{1b}[2J\nroot/conf");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("pot.conf"), "network_type=public-bridge\nip=10.77.0.3\n").unwrap();
    let text = String::from_utf8(host.console(&["facts"]).stdout).unwrap();
    assert!(text.contains("  pot esc\u{241b}[2J\u{240a}root:"), "{text}");
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t'), "{text}");
}

/// A browser without JavaScript, signed in as the admin.
struct Browser {
    client: reqwest::Client,
    url: String,
}

impl Browser {
    async fn sign_in(demo: &support::Demo) -> Self {
        let client = reqwest::Client::builder().cookie_store(true).build().unwrap();
        let browser = Self { client, url: demo.url.clone() };
        let page = browser.get("/sign-in").await;
        browser.post("/sign-in", &page, &[("name", "admin"), ("password", support::PASSWORD)]).await;
        browser
    }

    async fn get(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().text().await.unwrap()
    }

    /// The page once the first gathering has ended, as the reload of the waiting page would show it.
    async fn known(&self, path: &str) -> String {
        for _ in 0..100 {
            let page = self.get(path).await;
            if !page.contains("Reading the host") {
                return page;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        panic!("nothing was known after 20 s");
    }

    /// Posts a form of `page` and follows to the page that it leads to.
    async fn post(&self, path: &str, page: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let mut form = vec![("csrf", csrf)];
        form.extend_from_slice(fields);
        let answer = self.client.post(format!("{}{path}", self.url)).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_host_shows_the_way_and_what_is_not_wanted_stays_away() {
    let demo = support::Demo::start("fresh");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    for words in ["pot is not installed yet", "Plan all four", "4 to do", "Not wanted", "items=install-pot&"] {
        assert!(page.replace("&#38;", "&").replace("&amp;", "&").contains(words), "{words} is missing in {page}");
    }
    let aside = [("item", "enable-racct"), ("aside", "true"), ("back", "/")];
    let (status, page) = browser.post("/set-aside", &page, &aside).await;
    assert_eq!(status, 200);
    assert!(page.contains("3 to do") && page.contains("Take up again"), "{page}");

    let (status, page) = browser.post("/refresh", &page, &[("back", "https://evil.example/")]).await;
    assert!(status == 200 && page.contains("Facts read"), "{page}");
    let (status, _) = browser.post("/set-aside", &page, &[("item", "../../etc"), ("aside", "true")]).await;
    assert_eq!(status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn host_advises_on_temporary_files_of_everybodys_with_a_plan_and_no_finding() {
    let demo = support::Demo::start("default");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await.replace("&#38;", "&").replace("&amp;", "&").replace("&#39;", "'");
    for words in ["Temporary files", "Others than root can write to /tmp.", "items=private-tmp", "1 to do", "1 advised"]
    {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    let list = browser.get("/operations").await;
    assert!(list.contains("href=\"/operations/prepare?items=private-tmp\""), "{list}");
    let unchosen = browser.get("/operations/prepare").await;
    assert!(unchosen.contains("POT_TMP=/var/run/pot") && !unchosen.contains("Nothing to do"), "{unchosen}");
    let plan = browser.get("/operations/prepare?items=private-tmp").await;
    assert!(plan.contains("POT_TMP=/var/run/pot") && plan.contains("Prepare this host"), "{plan}");
    let check = Command::new(CONSOLE).arg("--root").arg(&demo.dir).arg("check").output().unwrap();
    assert!(check.status.success() && !String::from_utf8_lossy(&check.stdout).contains("POT_TMP"), "{check:?}");
    let words = ["run", "prepare", "private-tmp"];
    let ran = Command::new(CONSOLE).arg("--root").arg(&demo.dir).args(words).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let page = read_again(&browser, &page).await;
    assert!(!page.contains("1 to do") && page.contains("Only root writes to /var/run/pot"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_host_shows_differences_first_and_every_pot_has_its_page() {
    let demo = support::Demo::start("busy");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    let drift = page.find("Differs from pot.conf").expect("differences");
    assert!(drift < page.find("All 40 pots").expect("the pots"), "differences come first");
    assert!(page.contains("24 of 40 pots: those outside POT_NETWORK, then"), "which pots are listed: {page}");
    assert!(
        page.contains("in the main rule set") && page.contains("in pot-nat"),
        "rules are told with their place: {page}"
    );
    let pots = browser.get("/pots").await;
    assert!(pots.contains("of 40 run") && pots.contains("href=\"/pots/web1\""), "{pots}");
    let pot = browser.get("/pots/web1").await;
    assert!(
        pot.contains("private-bridge") && pot.contains("/activity?pot=web1") && pot.contains("zroot/pot/jails/web1")
    );
    let missing = browser.client.get(format!("{}/pots/nobody", demo.url)).send().await.unwrap();
    assert_eq!(missing.status().as_u16(), 404);
    assert!(browser.get("/readiness").await.contains("Ready"));
}

/// The pots that a page lists.
fn listed(page: &str) -> Vec<&str> {
    // The picture of the network has a table of its own below.
    let (page, _) = page.split_once("class=\"network-picture\"").unwrap_or((page, ""));
    page.split("<th scope=\"row\"><a href=\"/pots/").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_very_large_host_each_pot_stands_on_one_page_and_is_found_by_its_name() {
    let many = if std::env::var_os("POT_CONSOLE_LONG").is_some() { 10_000 } else { 450 };
    let demo = support::Demo::start_huge(many);
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    assert!(page.contains("those that run before those that do not") && listed(&page).len() == 24, "{page}");
    let mut seen = std::collections::BTreeSet::new();
    let mut address = "/pots".to_owned();
    for _ in 0..many.div_ceil(200) {
        let page = browser.get(&address).await;
        let pots = listed(&page);
        assert!(pots.len() <= 200, "{} on one page", pots.len());
        for pot in pots {
            assert!(seen.insert(pot.to_owned()), "{pot} stands on two pages");
        }
        // By a link, which needs no script.
        let next = page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
        let Some(next) = next else { break };
        address = next.replace("&amp;", "&").replace("&#38;", "&");
    }
    assert_eq!(seen.len(), many as usize);
    let found = browser.get("/pots?text=DB-00001&state=stopped").await;
    assert!(listed(&found) == ["db-00001"] && found.contains("1 shown"), "{found}");
    let largest = browser.get("/pots?sort=used&page=2").await;
    assert!(largest.contains("201 to ") && largest.contains("rel=\"prev\" href=\"/pots?sort=used\""), "{largest}");
}

#[test]
fn a_list_of_pots_that_was_not_read_to_its_end_is_said_so_and_nothing_is_destroyed_by_it() {
    let host = Host::new("busy");
    for number in 0..16_385 {
        std::fs::create_dir(host.root.join(format!("opt/pot/jails/too-many-{number}"))).unwrap();
    }
    let facts = host.facts();
    assert!(facts["facts"]["pots"]["value"].is_null(), "no part of them is taken for all");
    let why = facts["facts"]["pots"]["error"].as_str().unwrap();
    assert!(why.contains("/opt/pot/jails holds 16425 names"), "{why}");
    for operation in ["de-init", "vnet-start"] {
        let plan = host.console(&["--format", "json", "plan", operation]);
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let blockers = plan["blockers"].to_string();
        assert!(blockers.contains("The list of pots could not be read") && blockers.contains("16425"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_which_address_and_where_its_packets_go_is_told_by_page_and_command() {
    let demo = support::Demo::start("busy");
    let browser = Browser::sign_in(&demo).await;
    browser.known("/").await;
    let page = browser.get("/pots/addresses?hosts=6&address=10.200.1.2&network=10.9.0.0/16").await;
    for told in [
        "10.200.1.2: private bridge web; pot web1, running.",
        "<code>10.200.0.3</code>",
        "10.200.0.24/29, gateway 10.200.0.25",
        "30 pots would stand outside",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    // Down to single addresses.
    let open = browser.get("/pots/addresses?block=10.200.1.0/28").await;
    assert!(open.contains("10.200.1.4") && open.contains("pot web3, stopped"), "{open}");
    let way = browser.get("/network/path?of=proxy").await;
    assert!(way.contains("rdr pass on em0 proto tcp from any to (em0) port 80 -&#62; 10.200.0.5 port 80"), "{way}");
    assert!(browser.get("/network/path?of=www.example.org").await.contains("Names are not resolved"));

    let words = ["--format", "json", "addresses", "--free", "--hosts", "6"];
    let output = Command::new(CONSOLE).arg("--root").arg(&demo.dir).args(words).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["next"], &answer["new_net"]["network"]), (&"10.200.0.3".into(), &"10.200.0.24/29".into()));
    assert_eq!(answer["free"][0], serde_json::json!({ "first": "10.200.0.3", "last": "10.200.0.4" }));
}

/// The row of a difference, and the fields of its form.
fn drift_row<'a>(page: &'a str, id: &str) -> Option<(&'a str, Vec<(&'a str, String)>)> {
    let row = page.split(&format!("id=\"drift-{id}\"")).nth(1)?.split("</li>").next()?;
    let field = |name: &str| {
        let rest = row.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().replace("&#38;", "&").replace("&#39;", "'")
    };
    Some((row, ["id", "configured", "running", "leave"].map(|name| (name, field(name))).to_vec()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_is_known_and_left_is_greyed_and_comes_back_when_either_side_changes() {
    let demo = support::Demo::start("busy");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    let leave = async |page: &str, id: &str| {
        let (_, fields) = drift_row(page, id).unwrap();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/drift", page, &fields).await
    };
    let is_left = |page: &str, id: &str| drift_row(page, id).unwrap().0.contains("Take up again");
    assert!(!is_left(&page, "syslogd"), "{page}");
    assert!(page.contains("Differs from pot.conf <small class=\"quiet\" data-fact=\"drift\">3</small>"), "{page}");
    for id in ["syslogd", "pots-outside"] {
        let (status, page) = leave(&page, id).await;
        assert!(status == 200 && is_left(&page, id), "{id}: {page}");
    }
    let page = read_again(&browser, &page).await;
    let (row, _) = drift_row(&page, "syslogd").unwrap();
    assert!(row.contains("known, left") && !row.contains("Plan init"), "{row}");
    assert!(page.contains("1 thing runs otherwise"), "only what nobody leaves leads: {page}");
    let history = browser.get("/history").await;
    assert!(history.contains("Known and left: syslogd"), "{history}");

    // What runs changes: the difference is another one.
    let rc = std::fs::read_to_string(demo.path("/etc/rc.conf")).unwrap();
    std::fs::write(demo.path("/etc/rc.conf"), rc.replace("-b 10.192.0.1", "-b 10.192.0.9")).unwrap();
    let mut page = String::new();
    for _ in 0..10 {
        page = read_again(&browser, &browser.known("/").await).await;
        if page.contains("10.192.0.9") {
            break;
        }
    }
    assert!(!is_left(&page, "syslogd") && is_left(&page, "pots-outside"), "{page}");
    // Taken up again by hand.
    let (_, page) = leave(&page, "pots-outside").await;
    assert!(!is_left(&page, "pots-outside"), "{page}");
    // pot.conf changes: another difference as well.
    leave(&page, "pots-outside").await;
    let path = demo.path("/usr/local/etc/pot/pot.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("POT_NETWORK=10.200.0.0/16 ", "POT_NETWORK=10.200.0.0/15 ")).unwrap();
    for _ in 0..10 {
        let page = read_again(&browser, &browser.known("/").await).await;
        let Some((row, _)) = drift_row(&page, "pots-outside").filter(|(row, _)| row.contains("10.200.0.0/15")) else {
            continue;
        };
        assert!(!row.contains("Take up again"), "{row}");
        return;
    }
    panic!("pot.conf was not read again");
}

#[tokio::test(flavor = "multi_thread")]
async fn pots_that_are_not_known_are_not_said_to_be_none() {
    let demo = support::Demo::start("busy");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    let jails = demo.path("/opt/pot/jails");
    std::fs::create_dir_all(jails.join("later/conf")).unwrap();
    std::fs::copy(jails.join("web1/conf/pot.conf"), jails.join("later/conf/pot.conf")).unwrap();
    let early = browser.client.get(format!("{}/pots/later", demo.url)).send().await.unwrap();
    assert_eq!(early.status().as_u16(), 404);
    let early = early.text().await.unwrap();
    assert!(early.contains("There was no such pot when this host was last read, "), "{early}");
    let page = read_again(&browser, &page).await;
    assert!(browser.get("/pots/later").await.contains("/activity?pot=later"));

    // A folder where pot's file should be: it cannot be read.
    std::fs::remove_file(jails.join("later/conf/pot.conf")).unwrap();
    std::fs::create_dir(jails.join("later/conf/pot.conf")).unwrap();
    read_again(&browser, &page).await;
    let pots = browser.get("/pots").await;
    assert!(pots.contains("Not known") && pots.contains("/opt/pot/jails/later/conf/pot.conf"), "{pots}");
    assert!(!pots.contains("No pots below"), "{pots}");
    let one = browser.client.get(format!("{}/pots/web1", demo.url)).send().await.unwrap();
    assert_eq!(one.status().as_u16(), 503);
    assert!(one.text().await.unwrap().contains("pots are not known: "));
}

/// Reads the host again, and the page once that is done.
async fn read_again(browser: &Browser, page: &str) -> String {
    let (_, mut page) = browser.post("/refresh", page, &[("back", "/")]).await;
    for _ in 0..150 {
        if !page.contains("Reading again") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        page = browser.get("/?reading").await;
    }
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn zfs_that_fails_on_a_host_with_pots_does_not_send_anyone_to_init() {
    let demo = support::Demo::start("busy");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    demo.fault("zfs fail 1 internal error: Broken pipe");
    demo.fault("ifconfig garbage");
    let page = read_again(&browser, &page).await;
    assert!(page.contains("of 40 run") && !page.contains("pot init</span>"), "{page}");
    assert!(page.contains("Broken pipe") && page.contains("not known</small>"), "{page}");
    assert!(!page.contains("none with POT_GATEWAY"), "garbage is no answer: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_jail_nothing_is_offered_as_the_way_on() {
    let demo = support::Demo::start("fresh");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    let file = demo.dir.join("var/db/simulated-host/state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    state["running"]["sysctls"]["security.jail.jailed"] = "1".into();
    std::fs::write(&file, state.to_string()).unwrap();
    let page = read_again(&browser, &page).await;
    assert!(page.contains("pot cannot run here") && page.contains("runs inside a jail"), "{page}");
    assert!(!page.contains("Plan all"), "{page}");
}

/// The facts that a page shows: name and words.
fn facts_on(page: &str) -> Vec<(String, String)> {
    page.split("data-fact=\"")
        .skip(1)
        .map(|rest| {
            let (name, rest) = rest.split_once('"').unwrap();
            let words = rest.split_once('>').unwrap().1.split('<').next().unwrap();
            (name.to_owned(), words.replace("&#39;", "'").replace("&#38;", "&"))
        })
        .collect()
}

/// Looks at every page and at the command line, and holds what they show of one fact against each other.
async fn no_two_places_differ(demo: &support::Demo, browser: &Browser, when: &str) {
    const PAGES: [&str; 21] = [
        "/",
        "/readiness",
        "/operations",
        "/pots",
        "/configuration",
        "/operations/prepare",
        "/operations/init",
        "/operations/vnet-start",
        "/operations/de-init",
        "/operations/clean-up",
        "/activity",
        "/history",
        "/history/files",
        "/settings",
        "/feedback",
        "/guide",
        "/runs",
        // Those that there are; another one's page says so.
        "/runs/1",
        "/runs/2",
        "/runs/3",
        "/runs/4",
    ];
    let front = read_again(browser, &browser.known("/").await).await;
    let mut shown: std::collections::BTreeMap<String, (String, &str)> = std::collections::BTreeMap::new();
    let (mut places, mut on_plan) = (0, false);
    for path in PAGES {
        let page = if path == "/" { front.clone() } else { browser.get(path).await };
        for (name, words) in facts_on(&page) {
            places += 1;
            on_plan |= path == "/operations/vnet-start" && name == "nat";
            let (known, where_) = shown.entry(name.clone()).or_insert_with(|| (words.clone(), path));
            assert_eq!(*known, words, "{name} {when}: {where_} and {path} differ");
        }
    }
    assert!(shown.len() >= 6 && places >= shown.len(), "{when}: {shown:?}");
    // What differs from pot.conf is counted on Host, what has been said to be left not.
    assert!(!front.contains("id=\"l-drift\"") || shown.contains_key("drift"), "{when}: {shown:?}");
    assert!(!front.contains("id=\"drift-nat\"") || on_plan, "{when}: the plan does not say what NAT it finds");
    let output =
        Command::new(CONSOLE).arg("--root").arg(&demo.dir).args(["--format", "json", "facts"]).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let words = answer["state"]["words"].as_object().unwrap();
    for (name, none) in [("errors", "0 errors"), ("warnings", "0 warnings")] {
        let is_shown = shown.get(name).is_some_and(|(_, path)| *path == "/configuration");
        assert_eq!(is_shown, words[name] != none, "{name} {when}: {shown:?}");
    }
    for (name, (on_page, path)) in &shown {
        // What is left of pot the service alone looks for.
        if name != "clean-up" {
            assert_eq!(words[name], on_page.as_str(), "{name} {when}: {path} and the command line differ");
        }
    }
}

/// On one scenario, before and after each of these operations.
async fn places_agree(scenario: &str, operations: &[&[&str]]) {
    let demo = support::Demo::start(scenario);
    let browser = Browser::sign_in(&demo).await;
    no_two_places_differ(&demo, &browser, &format!("on {scenario}")).await;
    for operation in operations {
        let mut run = Command::new(CONSOLE);
        let ran = run.arg("--root").arg(&demo.dir).args(["run", "--acknowledge"]).args(*operation).output().unwrap();
        assert!(ran.status.code().is_some_and(|code| code < 2), "{operation:?} on {scenario}: {ran:?}");
        no_two_places_differ(&demo, &browser, &format!("on {scenario} after {}", operation[0])).await;
        if ["de-init", "clean-up"].contains(&operation[0]) {
            let front = browser.get("/").await;
            assert!(front.contains("pot was removed from this host"), "after {}: {front}", operation[0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_places_show_of_one_fact_is_the_same_on_a_fresh_host() {
    places_agree("fresh", &[&["prepare", "install-pot", "enable-racct", "route-log"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_places_show_of_one_fact_is_the_same_from_init_to_clean_up() {
    let operations: [&[&str]; 4] =
        [&["init"], &["vnet-start", "--no-revert"], &["de-init", "--confirm", "zroot/pot"], &["clean-up"]];
    places_agree("default", &operations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_places_show_of_one_fact_is_the_same_on_a_busy_host() {
    places_agree("busy", &[&["vnet-start", "--no-revert"], &["init"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strip_tells_on_every_page_what_nobody_should_overlook_and_nothing_else() {
    let demo = support::Demo::start("fresh");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    let strip = |page: &str| {
        let start = page.split("<div id=\"strip\"").nth(1).expect("the strip's place");
        let whole = start.split_once('>').unwrap().1.split("</div>").next().unwrap();
        // Each form has a proof of its own.
        match whole.split_once("name=\"csrf\" value=\"") {
            Some((before, after)) => format!("{before}{}", after.split_once('"').unwrap().1),
            None => whole.to_owned(),
        }
    };
    assert_eq!(strip(&page), "", "nothing is going on");
    let unchanged = browser.client.get(format!("{}/strip?have=none&on=/", demo.url)).send().await.unwrap();
    assert_eq!(unchanged.status().as_u16(), 204);

    let run = |words: &[&str]| {
        let ran = Command::new(CONSOLE).arg("--root").arg(&demo.dir).arg("run").args(words).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    run(&["prepare", "install-pot", "enable-racct"]);
    std::fs::write(demo.path("/usr/local/etc/pot/pot.conf"), "POT_DNS_NAME=elsewhere\n").unwrap();
    let mut told = String::new();
    for _ in 0..6 {
        read_again(&browser, &page).await;
        told = strip(&browser.get("/settings").await);
        if told.contains("outside of the console") && told.contains("A reboot is outstanding") {
            break;
        }
    }
    assert!(told.contains("POT_DNS_NAME") && told.contains("kern.racct.enable"), "{told}");
    for path in ["/", "/configuration", "/operations", "/operations/init", "/activity", "/history", "/pots", "/runs/1"]
    {
        assert_eq!(strip(&browser.get(path).await), told, "{path}");
    }
    let changed = browser.client.get(format!("{}/strip?have=none&on=/", demo.url)).send().await.unwrap();
    let version = changed.headers()["x-version"].to_str().unwrap().to_owned();
    assert!(changed.status() == 200 && changed.text().await.unwrap().contains("A reboot is outstanding"));
    let again = browser.client.get(format!("{}/strip?have={version}&on=/", demo.url)).send().await.unwrap();
    assert_eq!(again.status().as_u16(), 204, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_that_is_outstanding_is_done_by_a_button_where_the_host_is_simulated() {
    let demo = support::Demo::start("fresh");
    let browser = Browser::sign_in(&demo).await;
    let page = browser.known("/").await;
    let words = ["run", "prepare", "install-pot", "enable-racct"];
    let ran = Command::new(CONSOLE).arg("--root").arg(&demo.dir).args(words).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let page = read_again(&browser, &page).await;
    assert!(page.contains("A reboot is outstanding") && page.contains("action=\"/reboot\""), "{page}");
    assert!(page.contains("<code>shutdown -r now</code>"), "{page}");
    let (status, page) = browser.post("/reboot", &page, &[]).await;
    assert_eq!(status, 200, "{page}");
    let page = read_again(&browser, &page).await;
    assert!(!page.contains("A reboot is outstanding") && !page.contains("action=\"/reboot\""), "{page}");
    let history = browser.get("/history").await;
    assert!(history.contains("reboot"), "{history}");
    assert_eq!(
        row(&Host { root: demo.dir.clone(), _dir: tempfile::tempdir().unwrap() }.facts(), "racct")["state"],
        "ready"
    );
}
