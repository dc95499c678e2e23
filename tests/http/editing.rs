//! pot.conf on its page: findings, fixes, conflicts, what is saved and what never.

use crate::browser::{Browser, Page, REVIEW, SAVE, admin, console, pot_conf, read, set};
use crate::support::{Demo, PASSWORD};
use reqwest::StatusCode;
use std::time::Duration;

#[tokio::test]
async fn a_pot_conf_that_cannot_be_read_takes_only_its_own_pages_away() {
    let console = Demo::start("default");
    let browser = admin(&console).await;
    // Before the host was looked at for the first time its page says only that.
    for _ in 0..200 {
        if !browser.get("/").await.has("Nothing is known about this host yet") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let path = console.path("/usr/local/etc/pot/pot.conf");
    std::fs::write(&path, b"POT_EXTIF=em0\0\n").expect("writing pot.conf");
    for (address, status) in [("/", 200), ("/readiness", 200), ("/operations", 200), ("/history", 200)]
        .into_iter()
        .chain([("/configuration", 503), ("/configuration/file", 503), ("/operations/init", 503)])
    {
        let page = browser.get(address).await;
        assert_eq!(page.status.as_u16(), status, "{address}: {}", page.text);
        assert_eq!(page.has("line 1 holds a NUL byte"), address != "/history", "{address}: {}", page.text);
    }
    assert!(browser.get("/configuration").await.has("fix the file at the machine"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_job_works_without_javascript() {
    let console = console();
    let before = read(&pot_conf(&console));
    let browser = Browser::new(&console);

    let page = browser.get("/configuration").await;
    assert_eq!(page.location.as_deref(), Some("/sign-in?next=/configuration"));
    browser.sign_in("admin", PASSWORD).await;

    let page = browser.get("/configuration").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.has("No findings"), "a stock pot.conf on a healthy host has none");

    let page = browser.configure(&[("POT_NETWORK", "10.200.0.0/16")], REVIEW).await;
    assert!(page.has("<title>2 errors · Configuration"), "{}", page.text);
    assert!(page.has("lies outside POT_NETWORK 10.200.0.0/16"));
    assert!(page.has("<span class=\"visually-hidden\">added </span>POT_NETWORK=10.200.0.0/16"));
    assert_eq!(read(&pot_conf(&console)), before, "a review writes nothing");

    let page = page.edit(&browser, &[], ("fix", "all")).await;
    assert!(page.has("No findings"), "{}", page.text);
    assert!(page.has("POT_GATEWAY=10.200.0.1") && page.has("POT_NETMASK=255.255.0.0"));

    let page = page.edit(&browser, &[("reason", "The old range collided with the VPN")], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = browser.get(&page.location.unwrap()).await;
    assert!(page.has("Saved. POT_NETWORK"), "{}", page.text);
    let (_, link) = page.text.split_once("href=\"/history/").unwrap();
    let record = browser.get(&format!("/history/{}", link.split('"').next().unwrap())).await;
    assert_eq!(record.status, StatusCode::OK);
    assert!(record.has("10.200.0.0/16"), "{}", record.text);
    let after = read(&pot_conf(&console));
    for line in ["POT_NETWORK=10.200.0.0/16\n", "POT_NETMASK=255.255.0.0\n", "POT_GATEWAY=10.200.0.1\n"] {
        assert!(after.contains(line), "{after}");
    }

    let history = browser.get("/history").await;
    assert!(history.has("POT_NETWORK") && history.has("admin"), "{}", history.text);
    assert!(history.has("The old range collided with the VPN"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changed_meanwhile_is_never_overwritten() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;

    let theirs = read(&pot_conf(&console)) + "POT_GATEWAY=10.192.0.254\nPOT_LOG_FACILITY=local5\n";
    std::fs::write(pot_conf(&console), &theirs).unwrap();

    let mine = [("POT_GATEWAY", "10.192.0.9"), ("POT_CACHE", "/var/cache/images")];
    let page = page.edit(&browser, &mine, SAVE).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
    assert!(page.has("while you were editing. Nothing has been written."), "{}", page.text);
    assert!(page.has("POT_GATEWAY collides"), "{}", page.text);
    assert!(page.has("10.192.0.254") && page.has("10.192.0.9") && page.has("Your other change fits"));
    assert_eq!(read(&pot_conf(&console)), theirs);

    let page = page.edit(&browser, &[], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let saved = read(&pot_conf(&console));
    assert!(saved.contains("POT_GATEWAY=10.192.0.9\n") && saved.contains("POT_CACHE=/var/cache/images\n"), "{saved}");
    assert!(saved.contains("POT_LOG_FACILITY=local5\n"), "what they changed and I did not stays: {saved}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_root_would_obey_are_named_and_never_saved() {
    let console = console();
    let before = read(&pot_conf(&console));
    let browser = admin(&console).await;
    for (name, value) in
        [("POT_GATEWAY", "$(reboot)"), ("POT_FS_ROOT", "/etc"), ("POT_EXTIF", "em0; reboot"), ("POT_NETWORK", "`id`")]
    {
        let page = browser.configure(&[(name, value), ("reason", "because")], ("save", "with-errors")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {}", page.text);
        assert!(page.has("Nothing was saved") && page.has(name), "{}", page.text);
        let kept = page.form("/configuration");
        assert!(kept.iter().any(|(field, kept)| field == name && kept == value), "{name} is lost: {kept:?}");
    }
    assert_eq!(read(&pot_conf(&console)), before, "a refused save changes no byte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_saved_only_when_asked_once_and_with_a_reason() {
    let console = console();
    let before = read(&pot_conf(&console));
    let browser = admin(&console).await;
    let page = browser.configure(&[("POT_GATEWAY", "10.1.0.1")], SAVE).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.has("1 error would be saved"), "{}", page.text);
    let page = page.edit(&browser, &[], ("save", "with-errors")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "without a reason: {}", page.text);
    // The browser shows the field, not the head of the page.
    let (_, field) = page.text.split_once("id=\"reason\"").unwrap();
    assert!(field.split("</div></div>").next().unwrap().contains("Nothing was saved. Give a reason."), "{field}");
    assert_eq!(read(&pot_conf(&console)), before);
    let page = page.edit(&browser, &[("reason", "The network follows tonight")], ("save", "with-errors")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert!(read(&pot_conf(&console)).contains("POT_GATEWAY=10.1.0.1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interfaces_are_checked_with_their_networks() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;
    let mut form = page.form("/configuration");
    form.push(("POT_EXTRA_EXTIF".to_owned(), "vlan20".to_owned()));
    form.push(("POT_EXTRA_EXTIF".to_owned(), "vlan30".to_owned()));
    set(&mut form, "POT_NETWORK_vlan20", "10.0.20.0/24");
    set(&mut form, "POT_NETWORK_vlan30", "10.0.30.0/24");
    form.push(("save".to_owned(), "1".to_owned()));
    let page = browser.post("/configuration", &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let saved = read(&pot_conf(&console));
    assert!(saved.contains("POT_EXTRA_EXTIF=\"vlan20 vlan30\"\n"), "{saved}");
    assert!(saved.contains("POT_NETWORK_vlan30=10.0.30.0/24\n"), "{saved}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_sees_text_and_no_inputs() {
    let console = console();
    let admin = admin(&console).await;
    let viewer = admin.with_account("vera", "viewer").await;
    let page = viewer.get("/configuration").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.has("10.192.0.0/10"));
    // What they may do is to have the host read again.
    let (before_form, rest) = page.text.split_once("<form class=\"aside\"").unwrap();
    // What every page has at its foot, the search, is no part of this one.
    let behind = rest.split_once("</form>").unwrap().1.split_once("<footer").unwrap().0;
    let main = before_form[before_form.find("<main").unwrap()..].to_owned() + behind;
    for control in ["<input", "<select", "<textarea", "<button"] {
        assert!(!main.contains(control), "a viewer was offered {control}");
    }
    let before = read(&pot_conf(&console));
    let mut form = admin.get("/configuration").await.form("/configuration");
    let own = page.form("/sign-out").into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    set(&mut form, "csrf", &own);
    set(&mut form, "POT_GATEWAY", "10.192.0.9");
    form.push(("save".to_owned(), "1".to_owned()));
    assert_eq!(viewer.post("/configuration", &form).await.status, StatusCode::FORBIDDEN);
    assert_eq!(read(&pot_conf(&console)), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_stood_before_does_not_stop_other_changes() {
    let console = console();
    let stood = read(&pot_conf(&console)) + "POT_GATEWAY=10.1.0.1\n";
    std::fs::write(pot_conf(&console), &stood).unwrap();
    let operator = admin(&console).await.with_account("otto", "operator").await;
    let page = operator.configure(&[("POT_CACHE", "/var/cache/images")], REVIEW).await;
    assert!(page.has("<title>1 error · ") && page.has(">Save 1 change<"), "{}", page.text);
    let page = page.edit(&operator, &[], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);

    // An error of their own is another matter, and no button promises what the role cannot do.
    let page = operator.configure(&[("POT_NETMASK", "255.0.0.0")], SAVE).await;
    let words = "1 error in what changes, 2 in all";
    assert!(page.has(&format!("{words}, would be saved")) && page.has("Only an admin may"), "{}", page.text);
    assert!(page.has("<title>2 errors · "), "{}", page.text);
    assert!(!page.has("value=\"with-errors\""), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undoing_the_list_of_interfaces_leaves_the_focus_at_it() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.configure(&[("POT_NETWORK_vlan20", "10.0.20.0/24")], ("undo", "POT_EXTRA_EXTIF")).await;
    assert!(page.has("name=\"POT_EXTRA_EXTIF\" value=\"vlan20\" autofocus"), "{}", page.text);
    assert_eq!(page.text.matches(" autofocus").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vpn_that_is_down_can_be_named_without_javascript() {
    let console = console();
    let browser = admin(&console).await;
    let vpn = [("other.POT_VPN_EXTIF", "tun0"), ("POT_VPN_NETWORKS", "10.8.0.0/24")];
    let page = browser.configure(&vpn, REVIEW).await;
    assert!(page.has("tun0 does not exist on this host now. That is usual while the VPN is down."), "{}", page.text);
    assert!(page.has("tun0 (not on this host)"), "it stands in the list now: {}", page.text);
    let page = page.edit(&browser, &[], SAVE).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert!(read(&pot_conf(&console)).contains("POT_VPN_EXTIF=tun0\n"));
    // A further interface that is not there gets a line for its network as soon as its name is typed.
    let mut form = browser.get("/configuration").await.form("/configuration");
    set(&mut form, "extra.other", "wg5");
    let plain = browser.post("/configuration/check", &form).await;
    assert!(!plain.has("id=\"c-POT_EXTRA_EXTIF\""), "nothing is taken from under the caret: {}", plain.text);
    form.push(("extra.typed".to_owned(), "1".to_owned()));
    let typed = browser.post("/configuration/check", &form).await;
    let (_, line) = typed.text.split_once("name=\"POT_NETWORK_wg5\"").expect("a line of its own");
    assert!(line.split('>').next().unwrap().contains("autofocus"), "{}", typed.text);
    assert!(typed.has("The extra interface <code>wg5</code> does not exist on this host."), "{}", typed.text);
    // The way out can be another one, too, and is told to be missing.
    let page = browser.configure(&[("other.POT_EXTIF", "em7")], REVIEW).await;
    assert!(page.has("POT_EXTIF em7 does not exist on this host"), "{}", page.text);
    let page = page.edit(&browser, &[("POT_EXTIF", "em0")], REVIEW).await;
    assert!(!page.has("does not exist on this host, and") && page.has("No changes"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn choose_another_network_is_one_press() {
    let console = console();
    let browser = admin(&console).await;
    let lan = [("POT_NETWORK", "192.168.178.0/24"), ("POT_NETMASK", "255.255.255.0"), ("POT_GATEWAY", "192.168.178.1")];
    let page = browser.configure(&lan, REVIEW).await;
    assert!(page.has("Choose another network, such as 10.192.0.0/24."), "{}", page.text);
    assert!(page.has("<code>10.192.0.0/24</code> with a gateway in it"), "{}", page.text);
    let others: Vec<&str> = page.text.split("name=\"network\" value=\"").skip(1).collect();
    let other = others.iter().map(|rest| rest.split('"').next().unwrap()).find(|value| value.ends_with("/16")).unwrap();
    for (button, network) in
        [(("fix", "network-overlaps-interface@POT_NETWORK"), "10.192.0.0/24"), (("network", other), other)]
    {
        let page = page.edit(&browser, &[], button).await;
        assert!(page.has("No findings") && page.has(&format!("POT_NETWORK={network}")), "{button:?}: {}", page.text);
    }
    // At a field without a finding it is a press, too.
    let page = browser.configure(&[], ("network", "10.77.0.0/16")).await;
    assert!(page.has("No findings"), "{}", page.text);
    assert!(page.has("POT_NETMASK=255.255.0.0") && page.has("POT_GATEWAY=10.77.0.1"), "{}", page.text);
    // A list as other programs take it.
    let vpn = [("other.POT_VPN_EXTIF", "tun0"), ("POT_VPN_NETWORKS", "10.8.0.0/24, 10.9.0.0/24")];
    let page = browser.configure(&vpn, REVIEW).await;
    assert!(page.has("It cannot be saved.") && page.has("<code>10.8.0.0/24 10.9.0.0/24</code>"), "{}", page.text);
    let page = page.edit(&browser, &[], ("fix", "not-a-network@POT_VPN_NETWORKS")).await;
    assert!(!page.has("It cannot be saved.") && page.has("2 networks behind the VPN"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_conflict_fields_show_what_the_findings_speak_of() {
    let console = console();
    let browser = admin(&console).await;
    let mut form = browser.get("/configuration").await.form("/configuration");
    let theirs = read(&pot_conf(&console)) + "POT_GATEWAY=10.192.0.254\nPOT_GROUP=wheel\n";
    std::fs::write(pot_conf(&console), &theirs).unwrap();
    set(&mut form, "POT_GROUP", "pots");
    set(&mut form, "POT_CACHE", "/var/cache/images");
    let checked = browser.post("/configuration/check", &form).await;
    assert!(checked.has("while you were editing") && checked.has("POT_GROUP collides"), "{}", checked.text);
    let control = |name: &str| {
        let (_, rest) = checked.text.split_once(&format!("id=\"c-{name}\"")).unwrap_or(("", ""));
        rest.split("</div>").next().unwrap().to_owned()
    };
    assert!(control("POT_GATEWAY").contains("value=\"10.192.0.254\""), "{}", checked.text);
    assert_eq!(control("POT_GROUP"), "", "what one is typing stays");
    assert!(!control("POT_GATEWAY").contains("autofocus"), "nobody is taken away from the field they are at");

    // A text that the console does not know any more tells nothing of who changed what; the form does.
    set(&mut form, "base", &format!("sha256:{}", "0".repeat(64)));
    let checked = browser.post("/configuration/check", &form).await;
    assert!(checked.has("POT_GROUP collides") && !checked.has("POT_CACHE collides"), "{}", checked.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_says_how_old_its_facts_are_and_reads_them_again_with_the_edits_kept() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/configuration").await;
    let have = |page: &Page| page.text.split("data-have=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(page.has("Facts read <time") && page.has(">Read again</button>"), "{}", page.text);
    let before = read(&pot_conf(&console));
    let page = page.edit(&browser, &[("POT_CACHE", "/var/cache/images")], ("again", "1")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.has("value=\"/var/cache/images\"") && page.has("1 change"), "{}", page.text);
    assert!(page.text.split("id=\"again\"").nth(1).unwrap().split('>').next().unwrap().contains("autofocus"));
    assert_eq!(read(&pot_conf(&console)), before, "nothing is saved by looking");

    // A page that is left open is told when there is something new, and only then.
    let mut page = page;
    for _ in 0..100 {
        if !page.has("data-reading") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        page = browser.get("/configuration").await;
    }
    let ask = format!("/configuration/facts?have={}", have(&page));
    assert_eq!(browser.get(&ask).await.status, StatusCode::NO_CONTENT);
    std::fs::write(pot_conf(&console), before + "POT_GROUP=wheel\n").unwrap();
    assert_eq!(browser.get(&ask).await.status, StatusCode::OK);

    // Who may only look reads again, too.
    let viewer = browser.with_account("vera", "viewer").await;
    let mut form = viewer.get("/configuration").await.form("/refresh");
    assert!(form.contains(&("back".to_owned(), "/configuration".to_owned())), "{form:?}");
    form.retain(|(name, _)| name == "csrf" || name == "back");
    let page = viewer.post("/refresh", &form).await;
    assert_eq!(page.location.as_deref(), Some("/configuration?again=1"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_save_the_page_leads_on_by_one_main_button() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.configure(&[("POT_CACHE", "/var/cache/images")], SAVE).await;
    let page = browser.get(&page.location.unwrap()).await;
    let (_, notice) = page.text.split_once("Saved. POT_CACHE").expect("a notice");
    let notice = notice.split("</div></div>").next().unwrap();
    assert!(notice.contains("<a class=\"button main\" href=\"/operations/init\">Plan init</a>"), "{notice}");
    assert_eq!(page.text.matches("<a class=\"button main\"").count(), 1, "{}", page.text);
    assert!(page.has("<button form=\"conf\" class=\"button\" name=\"save\""), "nothing is left to save: {}", page.text);
}
