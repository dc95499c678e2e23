//! Programs that attack a console from the network: what strangers and those who may only look can make it hold, wait
//! or write. Each is bounded in time and number and talks to a server on loopback that it started itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{Demo, PASSWORD, PATIENCE};

fn connect(demo: &Demo) -> TcpStream {
    let stream = TcpStream::connect(demo.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends one request over a connection of its own; the whole answer, empty when the connection was ended before.
fn ask(demo: &Demo, head: &str, body: &[u8]) -> String {
    let mut stream = connect(demo);
    let host = demo.url.trim_start_matches("http://");
    let head = head.replacen("\r\n", &format!("\r\nHost: {host}\r\nConnection: close\r\n"), 1);
    let mut answer = Vec::new();
    if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_ok() {
        let _ = stream.read_to_end(&mut answer);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(demo: &Demo, path: &str, cookie: &str) -> String {
    ask(demo, &format!("GET {path} HTTP/1.1\r\nCookie: {cookie}\r\n\r\n"), b"")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// Signs in and gives the session's cookie.
fn sign_in(demo: &Demo) -> String {
    let page = ask(demo, "GET /sign-in HTTP/1.1\r\n\r\n", b"");
    let cookies = |answer: &str| {
        let lines = answer.lines().filter_map(|line| line.split_once(": "));
        let set = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        set.map(|(_, value)| value.split(';').next().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let body = format!("csrf={csrf}&name=admin&password={}", PASSWORD.replace(' ', "+"));
    let mut head = String::from("POST /sign-in HTTP/1.1\r\n");
    let _ = write!(
        head,
        "Cookie: {}\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        cookies(&page),
        demo.url,
        body.len()
    );
    let answer = ask(demo, &head, body.as_bytes());
    assert_eq!(status(&answer), "303", "{answer}");
    cookies(&answer)
}

/// Memory of the web process that is its own, in KiB.
fn memory(demo: &Demo) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", demo.web_process())).unwrap();
    let line = text.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The largest that [`memory`] is while `attack` runs.
fn most_memory_during(demo: &Demo, attack: impl FnOnce() + Send) -> u64 {
    std::thread::scope(|scope| {
        let attack = scope.spawn(attack);
        let mut most = 0;
        while !attack.is_finished() {
            most = most.max(memory(demo));
            std::thread::sleep(Duration::from_millis(20));
        }
        attack.join().unwrap();
        most.max(memory(demo))
    })
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_form_that_unpacks_to_more_is_refused_and_costs_no_memory() {
    let demo = Demo::start("default");
    let form = packed(format!("name={}", "a".repeat(2_000_000)).as_bytes());
    assert!(form.len() < 4096);
    let head = format!(
        "POST /sign-in HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    let before = memory(&demo);
    let most = most_memory_during(&demo, || {
        std::thread::scope(|scope| {
            for _ in 0..200 {
                scope.spawn(|| {
                    let answer = ask(&demo, &head, &form);
                    // One whose place a later connection took is answered with nothing.
                    assert!(answer.is_empty() || status(&answer) == "415", "{answer}");
                });
            }
        });
    });
    assert!(most < before + 32 * 1024, "{before} KiB before, {most} KiB at most");
}

#[test]
fn forms_of_strangers_share_one_budget_and_leave_those_alone_who_are_signed_in() {
    let demo = Demo::start("default");
    let cookie = sign_in(&demo);
    let begin = |cookie: &str, length: usize| {
        let mut stream = connect(&demo);
        let host = demo.url.trim_start_matches("http://");
        let head = format!(
            "POST /sign-in HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\nname=a"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    // 24 forms of 64 KiB, none of which is sent to its end: 1 MiB of them may wait.
    let waiting: Vec<TcpStream> = (0..24).map(|_| begin("", 64 << 10)).collect();
    let mut refused = 0;
    for mut stream in &waiting {
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut answer = [0; 12];
        refused += usize::from(stream.read_exact(&mut answer).is_ok() && &answer[9..] == b"503");
    }
    assert_eq!(refused, 8);
    // A signed-in browser's form is read all the same: refused for its token, not for want of room.
    let head = format!(
        "POST /sign-out HTTP/1.1\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\n"
    );
    assert_eq!(status(&ask(&demo, &head, b"csrf=a")), "403");
    assert_eq!(status(&get(&demo, "/", &cookie)), "200");
}

#[test]
fn a_flood_of_connections_from_the_own_address_keeps_nobody_out() {
    let demo = Demo::start("default");
    let cookie = sign_in(&demo);
    let (answered, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // More than any server accepts, each asked over once and then kept, until the pages came or the time is over.
            let request = format!("GET /nothing HTTP/1.1\r\nHost: {}\r\n\r\n", demo.url.trim_start_matches("http://"));
            let begun = Instant::now();
            let mut held = VecDeque::new();
            while begun.elapsed() < PATIENCE / 2 && !answered.load(Ordering::Relaxed) {
                // When the server's queue is full not even this answers.
                let address = demo.url.trim_start_matches("http://").parse().unwrap();
                let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else { continue };
                let _ = stream.write_all(request.as_bytes());
                held.push_back(stream);
                opened.fetch_add(1, Ordering::Relaxed);
                // Of what this process may have open; the server gives up idle ones after half a minute.
                if held.len() > 1900 {
                    held.pop_front();
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(answered.load(Ordering::Relaxed), "no page while the flood went on");
        });
        while opened.load(Ordering::Relaxed) < 1500 {
            std::thread::sleep(Duration::from_millis(10));
        }
        for _ in 0..20 {
            assert_eq!(status(&get(&demo, "/settings", &cookie)), "200");
        }
        answered.store(true, Ordering::Relaxed);
        // A page that waits for the flood's connections to run out waits for thousands of them.
        let opened = opened.load(Ordering::Relaxed);
        assert!(opened < 4000, "{opened} connections were opened until twenty pages had come");
    });
}

#[test]
fn answers_that_nobody_takes_are_bounded() {
    let demo = Demo::start("default");
    let cookie = sign_in(&demo);
    let line = format!("# {}\n", "x".repeat(60));
    std::fs::write(demo.path("/usr/local/etc/pot/pot.conf"), line.repeat(14_000)).unwrap();
    let host = demo.url.trim_start_matches("http://");
    // One behind the other, more than the buffers of both systems take.
    let request = format!("GET /configuration/file HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n").repeat(5);
    let page = get(&demo, "/configuration/file", &cookie);
    assert!(status(&page) == "200" && page.len() > 1 << 20, "{}", page.len());
    let before = memory(&demo);
    let most = most_memory_during(&demo, || {
        let mut held = Vec::new();
        // Connections that ask and take nothing.
        for _ in 0..60 {
            let mut stream = connect(&demo);
            let _ = stream.write_all(request.as_bytes());
            held.push(stream);
        }
        // Until all that will be held is held.
        let begun = Instant::now();
        let mut last = (Instant::now(), memory(&demo));
        while last.0.elapsed() < Duration::from_secs(3) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
            let now = memory(&demo);
            if now > last.1 + 1024 {
                last = (Instant::now(), now);
            }
        }
        drop(held);
        // A slow machine may not even hear the first question before it gives up on it.
        let begun = Instant::now();
        while status(&get(&demo, "/settings", &cookie)) != "200" {
            assert!(begun.elapsed() < PATIENCE, "no page any more");
        }
    });
    eprintln!("{before} KiB before, {most} KiB at most, {} B a page", page.len());
    assert!(most < before + 96 * 1024, "{before} KiB before, {most} KiB at most");
}

/// What stands between backticks, in order.
fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The names of the test functions in a source file.
fn tests_of(source: &str) -> Vec<&str> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_test =
        |line: &&str| ["#[test]", "#[tokio::test", "#[actix_web::test"].iter().any(|mark| line.starts_with(mark));
    let name =
        |line: &'_ str| line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name.len());
    (0..lines.len())
        .filter(|&at| is_test(&lines[at]))
        // Behind further attributes.
        .filter_map(|at| lines[at + 1..].iter().take(4).find_map(|line| name(line).map(|length| (*line, length))))
        .map(|(line, length)| &line.split_once("fn ").unwrap().1[..length])
        .collect()
}

#[test]
fn every_promise_of_the_security_page_names_tests_that_are_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let (mut named, mut wrong) = (0, Vec::new());
    for tried in page.split("*Tried by:*").skip(1) {
        // Up to the next promise or paragraph.
        let end = ["\n- ", "\n\n"].iter().filter_map(|end| tried.find(end)).min().unwrap_or(tried.len());
        let mut file: Option<(&str, String)> = None;
        for word in in_backticks(&tried[..end]) {
            if word.contains('/') {
                match std::fs::read_to_string(root.join(word)) {
                    Ok(source) => file = Some((word, source)),
                    Err(error) => wrong.push(format!("{word}: {error}")),
                }
                continue;
            }
            named += 1;
            match &file {
                Some((_, source)) if tests_of(source).contains(&word) => {}
                Some((path, _)) => wrong.push(format!("{path} has no test {word}")),
                None => wrong.push(format!("{word} names no file")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(named > 80, "only {named} tests are named");
    // No promise goes without.
    let promises = page.split_once("How that is kept").unwrap().1.split_once("\n## ").unwrap().0;
    for promise in promises.split("\n- **").skip(1) {
        assert!(promise.contains("*Tried by:*"), "nothing attacks: {promise}");
    }
}
