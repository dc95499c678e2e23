//! Guide, findings explained, search, feedback.

use crate::browser::{Browser, admin, console, pot_conf, set};
use reqwest::StatusCode;

#[tokio::test]
async fn feedback_is_stored_and_shown_for_copying() {
    let console = console();
    let browser = admin(&console).await;
    let page = browser.get("/feedback").await;
    assert!(page.has("Send it to pizzamig@FreeBSD.org"), "named before it goes: {}", page.text);
    let mut form = page.form("/feedback");
    set(&mut form, "wrong", "<b>nothing</b>");
    set(&mut form, "reply_to", "anna@example.org\nBcc: all@example.org");
    let refused = browser.post("/feedback", &form).await;
    assert!(refused.has("This is no mail address. Nothing has been stored."), "{}", refused.text);
    assert!(refused.has("&lt;b&gt;nothing&lt;/b&gt;") || refused.has("&#60;b&#62;nothing"), "what was typed stays");
    set(&mut form, "reply_to", "anna@example.org");
    set(&mut form, "send", "on");
    let stored = browser.post("/feedback", &form).await;
    assert!(stored.has("handed to this host&#39;s mailer") && stored.has("mailto:"), "{}", stored.text);
    assert!(stored.has("Reply to: anna@example.org"), "it stands in the text, too: {}", stored.text);

    // Who may only look writes as well; what they write stays on the host.
    let viewer = browser.with_account("vera", "viewer").await;
    let page = viewer.get("/feedback").await;
    assert!(!page.has("name=\"send\"") && page.has("stored on this host and not sent"), "{}", page.text);
    let mut form = page.form("/feedback");
    set(&mut form, "missing", "a way to say so");
    let stored = viewer.post("/feedback", &form).await;
    assert!(stored.has("Stored on this host. Nothing was sent.") && stored.has("a way to say so"), "{}", stored.text);
    set(&mut form, "send", "on");
    assert_eq!(viewer.post("/feedback", &form).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_says_how_each_paragraph_stands_here_and_offers_what_a_role_may_do() {
    let console = console();
    let admin = admin(&console).await;
    let guide = admin.get("/guide").await;
    assert_eq!(guide.status, StatusCode::OK);
    assert!(
        guide.has("data-fact=\"ready-racct\"") && guide.has("/operations/prepare?items=private-tmp"),
        "{}",
        guide.text
    );
    assert!(guide.has(">Plan it<") && guide.has("query=loader.conf&amp;sektion=5"), "{}", guide.text);
    assert!(guide.has("would say nothing") && guide.has("/configuration#p-POT_EXTIF"), "{}", guide.text);
    assert!(admin.get("/readiness").await.has("href=\"/guide#resource-limits\""));
    assert!(admin.get("/operations").await.has("href=\"/guide#vnet-start\""));
    assert!(admin.get("/operations/init").await.has("href=\"/guide#init\""));
    assert!(admin.get("/configuration").await.has("href=\"/guide#network\""));
    let viewer = admin.with_account("vera", "viewer").await;
    let seen = viewer.get("/guide").await;
    assert!(seen.has(">Look at the plan<") && !seen.has(">Plan it<"), "{}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_leads_to_a_page_that_says_why_it_is_one() {
    let console = console();
    let admin = admin(&console).await;
    let review = admin.configure(&[("POT_GATEWAY", "1.1.1.1")], ("review", "1")).await;
    assert!(review.has("href=\"/guide/findings/gateway-outside-network\""), "{}", review.text);
    let why = admin.get("/guide/findings/gateway-outside-network").await;
    assert!(why.status == StatusCode::OK && why.has("potnet config-check") && why.has("POT_GATEWAY=10.200.0.1"));
    assert!(why.has("gives no such finding here"), "what was only typed is not on this host: {}", why.text);
    std::fs::write(pot_conf(&console), "POT_GATEWAY=1.1.1.1\n").unwrap();
    assert!(admin.get("/guide/findings/gateway-outside-network").await.has("1.1.1.1 lies outside POT_NETWORK"));
    assert!(admin.get("/guide/findings").await.has("/guide/findings/pf-conf-invalid"));
    assert_eq!(admin.get("/guide/findings/no-such-code").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_field_finds_everything_that_a_role_may_see_and_shows_names_as_text() {
    let console = console();
    let admin = admin(&console).await;
    let found = admin.get("/search?q=pot_gateway").await;
    assert_eq!(found.status, StatusCode::OK);
    assert!(found.has("<h1>Search</h1>") && found.has("href=\"/configuration#p-POT_GATEWAY\""), "{}", found.text);
    for (typed, leads_to) in [
        ("10.192.0.1", "/configuration#p-POT_GATEWAY"),
        ("em0", "/configuration#p-POT_EXTIF"),
        ("vnet", "/operations/vnet-start"),
        ("create", "/activity?command=create"),
        ("racct", "/guide#resource-limits"),
        ("carriage", "/guide/findings/carriage-return"),
        ("admin", "/history/"),
        ("accounts", "/settings#s-accounts"),
    ] {
        let found = admin.get(&format!("/search?q={typed}")).await;
        assert!(found.has(&format!("href=\"{leads_to}")), "{typed}: {}", found.text);
    }
    let hostile = admin.get("/search?q=%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE").await;
    assert!(hostile.status == StatusCode::OK && !hostile.has("<script>alert"), "{}", hostile.text);
    assert!(admin.get("/search?q=").await.status == StatusCode::OK);
    assert!(admin.get(&format!("/search?q={}", "x".repeat(5000))).await.status == StatusCode::OK);
    let viewer = admin.with_account("vera", "viewer").await;
    assert!(!viewer.get("/search?q=accounts").await.has("#s-accounts"), "the accounts are for admins");
    let anyone = Browser::new(&console);
    assert!(!anyone.get("/search?q=pot_gateway").await.has("/configuration#p-POT_GATEWAY"));
}
