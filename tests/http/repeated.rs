//! A page that is asked for again.

use crate::browser::{PAGES, Page, admin, attribute, console, read};
use crate::support::{self, PATIENCE};
use std::collections::BTreeMap;

/// A page without what each answer has of its own: form tokens, and ages in seconds.
fn without_moments(page: &Page) -> String {
    let mut told = String::new();
    let mut pieces = page.text.split("name=\"csrf\" value=\"");
    told.push_str(pieces.next().unwrap());
    for piece in pieces {
        told.push_str(piece.split_once('"').unwrap().1);
    }
    let (before, printed) = told.split_once("<p class=\"printed\">").unwrap();
    let told = format!("{before}{}", printed.split_once("</p>").unwrap().1);
    // "12 s ago", and the same for the page's script.
    let number = |text: &str| text.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    let told: Vec<String> = told.split(" s ago").map(number).collect();
    let told = told.join(" s ago");
    let told: Vec<&str> = told.split("data-ago=\"").collect();
    let rest = |piece: &&str| piece.trim_start_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    let (first, others) = told.split_first().unwrap();
    std::iter::once((*first).to_owned()).chain(others.iter().map(rest)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_asked_for_again_is_given_again_only_while_it_would_be_made_the_same() {
    let console = console();
    let browser = admin(&console).await;
    let vera = browser.with_account("vera", "viewer").await;
    let token = |page: &Page| attribute(page.text.split_once("name=\"csrf\"").unwrap().1, "value").unwrap();
    for path in PAGES {
        // Twice within a second: the same down to the masked token. One that was shown while something changed is made anew.
        let begun = std::time::Instant::now();
        loop {
            let (one, other) = (browser.get(path).await, browser.get(path).await);
            if token(&one) == token(&other) {
                assert_eq!(one.text, other.text, "{path}");
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} is made anew each time");
        }
        // Nobody gets what was made for another, and nothing of another request.
        let own = vera.get(path).await;
        assert!(own.has("<b>vera</b>") && !own.has("<b>admin</b>"), "{path}: {}", own.text);
        assert_ne!(token(&own), token(&browser.get(path).await), "{path}");
        let mark = if path.contains('?') { '&' } else { '?' };
        assert_ne!(
            token(&browser.get(path).await),
            token(&browser.get(&format!("{path}{mark}other=1")).await),
            "{path}: what a request brings along must not be guessed by lengths"
        );
    }

    let run = |arguments: &[&str]| {
        let done = std::process::Command::new(support::program())
            .args(arguments)
            .arg("--root")
            .arg(&console.dir)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    let append = |path: &str, text: &str| {
        let path = console.path(path);
        std::fs::write(&path, format!("{}{text}", read(&path))).unwrap();
    };
    let log = |number: u32| {
        let now = std::process::Command::new("date").args(["+%b %e %H:%M:%S"]).output().unwrap();
        let now = String::from_utf8(now.stdout).unwrap();
        append("/var/log/pot.log", &format!("{} simulated pot[7]: pot-start needle{number}\n", now.trim()));
    };
    let acts: [(&str, &dyn Fn(u32)); 5] = [
        ("pot.conf, with an editor", &|number| {
            append("/usr/local/etc/pot/pot.conf", &format!("POT_TMP=/tmp/{number}\n"));
        }),
        ("pot.conf, at the command line", &|number| {
            run(&[
                "conf",
                "set",
                &format!("POT_MKTEMP_SUFFIX=.{}", "X".repeat(4 + number as usize)),
                "--reason",
                "because",
            ]);
        }),
        ("an account, at the command line", &|number| {
            run(&["user", if number.is_multiple_of(2) { "disable" } else { "enable" }, "vera"]);
        }),
        ("a line of pot", &log),
        ("nothing", &|_| ()),
    ];
    let mut changed = BTreeMap::new();
    for number in 0..4 {
        for (act, carry_out) in acts {
            let mut before = Vec::new();
            for path in PAGES {
                before.push(browser.get(path).await);
            }
            carry_out(number);
            for (path, before) in PAGES.into_iter().zip(&before) {
                let mark = if path.contains('?') { '&' } else { '?' };
                let anew = async |times: u32| {
                    without_moments(&browser.get(&format!("{path}{mark}made={number}{act}{times}")).await)
                };
                // What goes on by itself meanwhile (a look at the host, a change that is noticed) may show from any moment
                // on: between two answers that are the same it did not.
                let begun = std::time::Instant::now();
                let mut times = 0;
                let mut first = anew(times).await;
                let again = loop {
                    let again = without_moments(&browser.get(path).await);
                    times += 1;
                    let second = anew(times).await;
                    if first == second {
                        assert_eq!(again, first, "{path} after {act}");
                        break again;
                    }
                    assert!(begun.elapsed() < PATIENCE, "{path} never stays as it is after {act}");
                    first = second;
                };
                *changed.entry(act).or_insert(0) += u32::from(again != without_moments(before));
            }
        }
    }
    for (act, pages) in &changed {
        assert!(*pages > 0 || *act == "nothing", "{act} shows on no page: the test says nothing");
    }
}
