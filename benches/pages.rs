//! What pages cost a user: requests a second and how long one takes, of the real console over a busy simulated host,
//! beside a bare handler of the same HTTP server that answers the same number of bytes, in the same run.
//!
//! `cargo bench --bench pages [-- [memory] [plain] [seconds=N] [page=NAME]]`. Pages are asked for as browsers ask, packed;
//! `plain`: unpacked. A browser opens six connections, and a session has six requests worked on at a time, so there are as
//! many sessions as that asks for. An answer that is none of the page (an error, a refusal, the sign-in page) ends the run.
//! `memory` measures what both processes hold instead. Ends with status 1 when a promise is not kept.
//!
//! What needs no session is asked for over 32 connections at most, as many as a stranger's address has.
//!
//! Each page is asked for in three ways: `again`, the same request over and over, for which the console makes the page once a
//! second as long as nothing changes and asks its executor for all who ask the same at the same time; `apart`, the same with
//! each connection another session's, so that next to nobody does; and `anew`, each request another one by a header that
//! means nothing, so that each answer is made. The share of the bare handler is promised of the first, the time alone of
//! all.
//!
//! The client is one thread, which costs the server part of a core, at the bare handler as well as at the console.

use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

type Failed = Box<dyn Error>;

const PASSWORD: &str = "correct horse battery staple";
/// Connections that ask at the same time.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Connections of one address over which no session is shown.
const STRANGERS: usize = 32;
/// Requests of one session that the console works on at a time.
const AT_ONCE: usize = 6;
/// A page is to have this share of the bare handler's requests a second, at [`CONNECTIONS`]' second.
const PAGE_SHARE: f64 = 0.15;
/// What is only sent.
const FILE_SHARE: f64 = 0.8;
/// How long a page takes when nobody else asks: the median.
const ALONE: Duration = Duration::from_millis(1);
/// Both processes together, when someone has signed in and nobody asks.
const IDLE_MIB: f64 = 24.0;
/// Longest answer that the bare handler gives.
const MOST_BYTES: usize = 4 << 20;

fn main() -> Result<ExitCode, Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "bare") {
        return actix_web::rt::System::new().block_on(serve_bare()).map(|()| ExitCode::SUCCESS);
    }
    let seconds = arguments.iter().find_map(|argument| argument.strip_prefix("seconds=")?.parse().ok()).unwrap_or(2);
    let wanted = arguments.iter().find_map(|argument| argument.strip_prefix("page=").map(str::to_owned));
    let plain = arguments.iter().any(|argument| argument == "plain");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if arguments.iter().any(|argument| argument == "memory") {
        return runtime.block_on(measure_memory());
    }
    runtime.block_on(measure(Duration::from_secs(seconds), wanted.as_deref(), !plain))
}

/// The handler that everything is held against: nothing but the server and the bytes.
async fn serve_bare() -> Result<(), Failed> {
    let bytes = Bytes::from(vec![b'x'; MOST_BYTES]);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on http://{}", listener.local_addr()?);
    let server = HttpServer::new(move || {
        let bytes = bytes.clone();
        App::new().route(
            "/{count}",
            web::get().to(move |count: web::Path<usize>| {
                let body = bytes.slice(..count.into_inner().min(MOST_BYTES));
                async move { HttpResponse::Ok().content_type("text/html; charset=utf-8").body(body) }
            }),
        )
    });
    Ok(server.workers(2).listen(listener)?.run().await?)
}

/// What is measured.
fn program() -> PathBuf {
    std::env::var_os("POT_CONSOLE_PROGRAM")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_pot-console")), PathBuf::from)
}

/// A process that serves, ended with this.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it and waits for the line that says where it listens.
    fn start(command: &mut Command) -> Result<Self, Failed> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines();
        let address = loop {
            let line = lines.next().ok_or("the server ended")??;
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().parse()?;
            }
        };
        // Whatever it says later must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// Its process and those that it has started.
    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).chain([own]).collect()
    }

    fn bare() -> Result<Self, Failed> {
        Self::start(Command::new(std::env::current_exe()?).arg("bare"))
    }

    fn console(folder: &Path) -> Result<Self, Failed> {
        let password = folder.join("password");
        std::fs::write(&password, PASSWORD)?;
        let mut command = Command::new(program());
        command.args(["demo", "--listen", "127.0.0.1:0", "--scenario", "busy", "--dir"]).arg(folder.join("host"));
        Self::start(command.arg("--password-file").arg(password))
    }

    /// Adds an account, as an admin does on the host.
    fn add_account(folder: &Path, name: &str) -> Result<(), Failed> {
        let mut command = Command::new(program());
        command.args(["user", "add", name, "--root"]).arg(folder.join("host"));
        let said = command.arg("--password-file").arg(folder.join("password")).stdin(Stdio::null()).output()?;
        if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stderr).into_owned().into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // As a service is stopped: it ends its own child.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// One connection that is kept.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What came: status, head and body.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The cookies that it sets, as a browser sends them back.
    fn cookies(&self) -> Vec<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let set = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        set.filter_map(|(_, value)| value.split(';').next().map(str::to_owned)).collect()
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, Failed> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(1 << 17) })
    }

    async fn ask(&mut self, request: &[u8]) -> Result<Answer, Failed> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let (head, length) = loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the connection was closed".into());
            }
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(self.received.get(..end).unwrap_or_default()).into_owned();
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
                });
                break (head, (end + 4, length.unwrap_or(0)));
            }
        };
        let (begin, length) = length;
        while self.received.len() < begin + length {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the connection was closed inside of an answer".into());
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        Ok(Answer { status, head, body: self.received.get(begin..).unwrap_or_default().to_vec() })
    }
}

/// What a browser sends of itself.
const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en\r\n\
    X-Number: 00000000\r\n";
/// Before the digits that make each request another one.
const NUMBER: &[u8] = b"X-Number: ";

fn get(path: &str, cookies: &str, packed: bool) -> Vec<u8> {
    let packed = if packed { "Accept-Encoding: gzip, deflate, br\r\n" } else { "" };
    let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{BROWSER}{packed}{cookies}\r\n").into_bytes()
}

fn post(path: &str, cookies: &str, packed: bool, further: &str, form: &[(String, String)]) -> Vec<u8> {
    let packed = if packed { "Accept-Encoding: gzip, deflate, br\r\n" } else { "" };
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let body = body.join("&");
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n{BROWSER}{packed}{further}Cookie: {cookies}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The value of an attribute in a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&#34;", "\"")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&amp;", "&"),
    )
}

/// The fields that belong to the page's forms, as a browser sends them: what is not checked or chosen is not sent.
fn fields(page: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut select = String::new();
    for piece in page.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap_or_default();
        if tag.starts_with("input") {
            let kind = attribute(tag, "type").unwrap_or_default();
            let unchecked = (kind == "checkbox" || kind == "radio") && !tag.contains(" checked");
            if let (Some(name), false) = (attribute(tag, "name"), unchecked) {
                fields.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        } else if tag.starts_with("select") {
            select = attribute(tag, "name").unwrap_or_default();
        } else if tag.starts_with("option") && tag.contains(" selected") {
            fields.push((select.clone(), attribute(tag, "value").unwrap_or_default()));
        }
    }
    fields
}

/// Signs in and gives the cookies of the session.
async fn sign_in(address: SocketAddr, name: &str) -> Result<String, Failed> {
    let mut connection = Connection::open(address).await?;
    let page = connection.ask(&get("/sign-in", "", false)).await?;
    let cookies = page.cookies().join("; ");
    let mut form = fields(&page.text());
    form.retain(|(name, _)| name != "name" && name != "password");
    form.extend([("name".to_owned(), name.to_owned()), ("password".to_owned(), PASSWORD.to_owned())]);
    let answer = connection.ask(&post("/sign-in", &cookies, false, "", &form)).await?;
    if answer.status != 303 {
        return Err(format!("signing in was answered with {}: {}", answer.status, answer.text()).into());
    }
    Ok(answer.cookies().join("; "))
}

/// A page that is measured: its name, and one request of it for each session.
struct Page {
    name: &'static str,
    requests: Vec<Vec<u8>>,
    share: f64,
    /// Whether the console gives an answer again that would be made the same.
    is_kept: bool,
}

/// Waits for the first look at the host; then asks for everything once, as what follows is made from it.
async fn warm(address: SocketAddr, cookies: &str) -> Result<(), Failed> {
    let mut connection = Connection::open(address).await?;
    let begun = Instant::now();
    while connection.ask(&get("/", cookies, false)).await?.text().contains("Nothing is known about this host yet") {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err("the host is not read within a minute".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn pages(address: SocketAddr, sessions: &[String], packed: bool) -> Result<Vec<Page>, Failed> {
    let first = sessions.first().ok_or("no session")?;
    let mut connection = Connection::open(address).await?;
    let start = connection.ask(&get("/", first, false)).await?.text();
    let style = start.split('"').find(|text| text.starts_with("/static/") && text.ends_with("console.css"));
    let style = style.ok_or("the page names no stylesheet")?.to_owned();
    let of_sessions = |path: &str| sessions.iter().map(|cookies| get(path, cookies, packed)).collect();
    let page = |name, path: &str| Page { name, requests: of_sessions(path), share: PAGE_SHARE, is_kept: true };
    let mut checks = Vec::new();
    for cookies in sessions {
        let page = connection.ask(&get("/configuration", cookies, false)).await?.text();
        let form = page.split_once("id=\"conf\"").map_or(page.as_str(), |(_, form)| form);
        let csrf = fields(&page).into_iter().find(|(name, _)| name == "csrf").ok_or("no token")?.1;
        let mut fields = fields(form);
        fields.retain(|(name, _)| name != "csrf");
        fields.push(("csrf".to_owned(), csrf));
        for (name, value) in &mut fields {
            if name == "POT_GATEWAY" {
                "10.192.0.7".clone_into(value);
            }
        }
        checks.push(post("/configuration/check", cookies, packed, "HX-Request: true\r\nX-Follows: 1\r\n", &fields));
    }
    Ok(vec![
        Page { name: "sign-in", requests: vec![get("/sign-in", "", packed)], share: PAGE_SHARE, is_kept: false },
        page("host", "/"),
        page("configuration", "/configuration"),
        Page { name: "check", requests: checks, share: PAGE_SHARE, is_kept: true },
        page("operations", "/operations"),
        page("pots", "/pots"),
        page("activity", "/activity"),
        page("history", "/history"),
        page("settings", "/settings"),
        Page { name: "file", requests: vec![get(&style, "", packed)], share: FILE_SHARE, is_kept: false },
    ])
}

/// How long requests took, in order, and for how long they were asked.
struct Measured {
    times: Vec<Duration>,
    elapsed: Duration,
    bytes: usize,
    /// What the server's processes took of the processors.
    worked: Duration,
}

impl Measured {
    /// In microseconds for each request: on a busy machine it tells more than the clock.
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn work(&self) -> f64 {
        self.worked.as_secs_f64() * 1e6 / self.times.len().max(1) as f64
    }

    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds.
    fn at(&self, share: usize) -> f64 {
        let place = (self.times.len() * share / 100).min(self.times.len().saturating_sub(1));
        self.times.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// What processes took of the processors so far.
fn processor_time(processes: &[u32]) -> Duration {
    let threads = processes.iter().flat_map(|process| std::fs::read_dir(format!("/proc/{process}/task"))).flatten();
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let counted = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        counted.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// How a page is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// The same request over and over, by browsers: each has a session and as many connections as browsers open.
    Again,
    /// The same by as many sessions as there are, one after the other: next to nobody asks the same at the same time.
    Apart,
    /// Each request another one.
    Anew,
    /// By strangers: there is one request.
    Strangers,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Apart => "apart",
            Self::Anew => "anew",
            Self::Strangers => "",
        }
    }

    /// Which session a connection asks for.
    fn session(self, connection: usize) -> usize {
        if self == Self::Again { connection / AT_ONCE } else { connection }
    }
}

/// Asks over so many connections for so long; each asks again when it is answered.
async fn load(
    server: &Server,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
    way: Way,
) -> Result<Measured, Failed> {
    let address = server.address;
    let processes = server.processes();
    let before = processor_time(&processes);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let mut tasks = Vec::new();
            let begun = Instant::now();
            for number in 0..connections {
                let mut request = requests.get(way.session(number) % requests.len()).cloned().unwrap_or_default();
                let digits = request.windows(NUMBER.len()).position(|window| window == NUMBER);
                let digits = digits.map_or(0, |begin| begin + NUMBER.len());
                tasks.push(tokio::task::spawn_local(async move {
                    let mut connection = Connection::open(address).await.map_err(|error| error.to_string())?;
                    let (mut times, mut bytes) = (Vec::new(), 0);
                    while begun.elapsed() < time {
                        if way == Way::Anew {
                            let next = format!("{:04}{:04}", number, times.len() % 10_000);
                            request[digits..digits + next.len()].copy_from_slice(next.as_bytes());
                        }
                        let asked = Instant::now();
                        let answer = connection.ask(&request).await.map_err(|error| error.to_string())?;
                        times.push(asked.elapsed());
                        if answer.status != 200 {
                            return Err(format!("answered with {}: {}", answer.status, answer.text()));
                        }
                        bytes = answer.body.len();
                    }
                    Ok((times, bytes))
                }));
            }
            let (mut times, mut bytes) = (Vec::new(), 0);
            for task in tasks {
                let (of_one, of_answer) = task.await??;
                times.extend(of_one);
                bytes = of_answer;
            }
            times.sort_unstable();
            let worked = processor_time(&processes).saturating_sub(before);
            Ok(Measured { times, elapsed: begun.elapsed(), bytes, worked })
        })
        .await
}

async fn measure(time: Duration, wanted: Option<&str>, packed: bool) -> Result<ExitCode, Failed> {
    let folder = tempfile::tempdir()?;
    let console = Server::console(folder.path())?;
    let bare = Server::bare()?;
    let most = CONNECTIONS.into_iter().max().unwrap_or(1);
    let mut sessions = Vec::new();
    for _ in 0..most.div_ceil(AT_ONCE) {
        sessions.push(sign_in(console.address, "admin").await?);
    }
    warm(console.address, sessions.first().ok_or("no session")?).await?;
    let mut kept = true;
    println!("work: microseconds of the processors for one request, of all of the server's threads");
    println!("page                 bytes  connections  requests/s    p50 ms    p99 ms   work    bare/s  work   ratio");
    for page in pages(console.address, &sessions, packed).await? {
        if wanted.is_some_and(|wanted| !wanted.split(',').any(|name| name == page.name)) {
            continue;
        }
        // What is kept between requests is made once.
        load(&console, &page.requests, 2, Duration::from_millis(200), Way::Again).await?;
        let ways = if page.is_kept { &[Way::Again, Way::Apart, Way::Anew][..] } else { &[Way::Strangers] };
        for (connections, way) in CONNECTIONS.into_iter().flat_map(|count| ways.iter().map(move |way| (count, *way))) {
            if connections == 1 && way == Way::Apart {
                continue;
            }
            // Over how many connections strangers ask from one address the console limits, those that have ended counted
            // until it has noticed.
            let connections = if page.is_kept { connections } else { connections.min(STRANGERS) };
            tokio::time::sleep(Duration::from_millis(200)).await;
            let of_page = load(&console, &page.requests, connections, time, way).await?;
            let path = format!("/{}", of_page.bytes);
            let of_bare = load(&bare, &[get(&path, "", packed)], connections, time, Way::Strangers).await?;
            let ratio = of_page.per_second() / of_bare.per_second();
            let too_slow = match connections {
                1 => of_page.at(50) > ALONE.as_secs_f64() * 1e3,
                16 => matches!(way, Way::Again | Way::Strangers) && ratio < page.share,
                _ => false,
            };
            kept &= !too_slow;
            println!(
                "{:<13} {:<5}{:>7}{:>13}{:>12.0}{:>10.2}{:>10.2}{:>7.0}{:>10.0}{:>6.0}{:>8.3}{}",
                page.name,
                way.name(),
                of_page.bytes,
                connections,
                of_page.per_second(),
                of_page.at(50),
                of_page.at(99),
                of_page.work(),
                of_bare.per_second(),
                of_bare.work(),
                ratio,
                if too_slow { "  TOO SLOW" } else { "" }
            );
        }
    }
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a process holds in MiB, its part of what it shares with others: PSS.
#[allow(clippy::cast_precision_loss, reason = "KiB far below 2^52")]
fn held(process: u32) -> Result<f64, Failed> {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let kib = rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.ok_or("no PSS")? as f64 / 1024.0)
}

/// The console's two processes.
struct Held {
    executor: u32,
    web: u32,
}

impl Held {
    fn of(console: &Server) -> Result<Self, Failed> {
        let executor = console.child.id();
        let children = std::fs::read_to_string(format!("/proc/{executor}/task/{executor}/children"))?;
        let web = children.split_whitespace().find(|child| {
            std::fs::read_to_string(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.contains("web"))
        });
        Ok(Self { executor, web: web.ok_or("no web process")?.parse()? })
    }

    /// Says what they hold now, and how much that is together.
    fn say(&self, when: &str) -> Result<f64, Failed> {
        let (executor, web) = (held(self.executor)?, held(self.web)?);
        println!("{:>8.1} + {:>5.1} = {:>5.1} MiB  {when}", executor, web, executor + web);
        Ok(executor + web)
    }
}

/// A moment in which what is not needed any more can go.
const SETTLING: Duration = Duration::from_secs(2);
/// Both processes tidy up once a minute.
const TIDYING: Duration = Duration::from_secs(75);

async fn measure_memory() -> Result<ExitCode, Failed> {
    let folder = tempfile::tempdir()?;
    let console = Server::console(folder.path())?;
    let address = console.address;
    tokio::time::sleep(SETTLING).await;
    let held = Held::of(&console)?;
    println!("executor +   web (PSS)");
    held.say("at the start")?;
    let cookies = sign_in(address, "admin").await?;
    warm(address, &cookies).await?;
    tokio::time::sleep(SETTLING).await;
    let signed_in = held.say("after a sign-in and a page")?;
    let paths = ["/", "/configuration", "/operations", "/pots", "/activity", "/history", "/settings"];
    let ask_all = async |count: usize| -> Result<(), Failed> {
        let mut connection = Connection::open(address).await?;
        for number in 0..count {
            let path = paths.get(number % paths.len()).copied().unwrap_or("/");
            // Each is another page to the console: none is given again.
            let answer = connection.ask(&get(&format!("{path}?number={number}"), &cookies, true)).await?;
            if answer.status != 200 {
                return Err(format!("{path} was answered with {}", answer.status).into());
            }
        }
        Ok(())
    };
    ask_all(1_000).await?;
    tokio::time::sleep(SETTLING).await;
    let thousand = held.say("after 1,000 pages")?;
    let mut followers = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..16 {
        sessions.push(sign_in(address, "admin").await?);
    }
    // A session has 64 connections; what is beyond closes the oldest of them.
    for number in 0..1_000 {
        let session = sessions.get(number % sessions.len()).ok_or("no session")?;
        let mut connection = Connection::open(address).await?;
        connection.stream.write_all(&get("/activity/events", session, false)).await?;
        followers.push(connection);
    }
    tokio::time::sleep(SETTLING).await;
    held.say("with 1,000 followers of the log")?;
    drop(followers);
    tokio::time::sleep(TIDYING).await;
    held.say("a minute after they have gone")?;
    let mut connection = Connection::open(address).await?;
    let _ = tokio::time::timeout(Duration::from_secs(20), async {
        connection.stream.write_all(&get("/history/export?format=jsonl&tab=all", &cookies, false)).await?;
        let mut bytes = vec![0; 1 << 16];
        let mut all = 0;
        loop {
            let count = connection.stream.read(&mut bytes).await?;
            all += count;
            if count == 0 || bytes.get(..count).is_some_and(|bytes| bytes.ends_with(b"0\r\n\r\n")) {
                println!("                            (an export of {} KiB)", all >> 10);
                return Ok::<(), std::io::Error>(());
            }
        }
    })
    .await;
    held.say("right after a full export")?;
    // One account has thirty sessions at once.
    let others = ["reader-1", "reader-2"];
    for name in others {
        Server::add_account(folder.path(), name)?;
    }
    let names = std::iter::repeat_n("admin", 13).chain(std::iter::repeat_n(others, 17).flatten());
    for name in names {
        sessions.push(sign_in(address, name).await?);
    }
    tokio::time::sleep(SETTLING).await;
    held.say(&format!("after {} sign-ins", sessions.len() + 1))?;
    tokio::time::sleep(TIDYING).await;
    let before = held.say("at rest before many pages")?;
    for _ in 0..10 {
        ask_all(10_000).await?;
        held.say("after 10,000 pages more")?;
    }
    tokio::time::sleep(TIDYING).await;
    let after = held.say("at rest after them")?;
    let flat = after - before.max(thousand) < 2.0;
    println!("{}", if flat { "flat over 100,000 pages" } else { "NOT FLAT" });
    println!("{}", if signed_in < IDLE_MIB { "as small as promised" } else { "TOO LARGE after a sign-in" });
    Ok(if flat && signed_in < IDLE_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
