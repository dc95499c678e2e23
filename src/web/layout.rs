//! What every page shares: the frame around it, times in the host's zone, icons, differences.

use super::assets;
use crate::diff::{Diff, Side};
use crate::executor::protocol::Greeting;
use crate::journal::record::Role;
use crate::rules::Severity;
use crate::theme::Theme;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use askama::filters::HtmlSafe;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::error::Fault;

/// The places that the navigation names. They are the same for everyone and never vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// What this host lacks, what runs.
    Host,
    /// What pot.conf says.
    Configuration,
    /// What can be done to this host.
    Operations,
    /// What pot did.
    Activity,
    /// Who changed what.
    History,
    /// Accounts.
    Settings,
    /// Feedback to pot's authors.
    Feedback,
    /// pot's installation guide, and why findings are some.
    Guide,
    /// The search.
    Search,
    /// A page outside of the navigation.
    Elsewhere,
}

impl Entry {
    const NAVIGATION: [Self; 5] = [Self::Host, Self::Configuration, Self::Operations, Self::Activity, Self::History];

    /// Its name in the navigation.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Configuration => "Configuration",
            Self::Operations => "Operations",
            Self::Activity => "Activity",
            Self::History => "History",
            Self::Settings => "Settings",
            Self::Feedback => "Feedback on pot",
            Self::Guide => "Guide",
            Self::Search => "Search",
            Self::Elsewhere => "",
        }
    }

    /// Its address.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Configuration => "/configuration",
            Self::Operations => "/operations",
            Self::Activity => "/activity",
            Self::History => "/history",
            Self::Settings => "/settings",
            Self::Feedback => "/feedback",
            Self::Guide => "/guide",
            Self::Search => "/search",
            Self::Host | Self::Elsewhere => "/",
        }
    }
}

/// Who is signed in, for the foot of the navigation.
#[derive(Debug, Clone)]
pub struct Who {
    /// Account name.
    pub name: String,
    /// Its role.
    pub role: Role,
}

/// Everything around a page's own content. Each page's template extends `layout.html` and has a field `frame`.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The page's own title; the host's name is added.
    pub title: String,
    /// Where in the navigation it stands.
    pub current: Entry,
    /// The host.
    pub greeting: Arc<Greeting>,
    /// Who is signed in; none: no navigation.
    pub who: Option<Who>,
    /// For the hidden field `csrf` of every form that posts.
    pub csrf: String,
    /// Times in the host's zone.
    pub clock: Clock,
    /// Short counts beside entries of the navigation ("3 unsaved").
    pub counts: Vec<(Entry, String)>,
    /// One sentence about what the last request did.
    pub notice: Option<Notice>,
    /// What nobody should overlook; none: nobody is signed in.
    pub strip: Option<Strip>,
    /// Light, dark, or as the browser has it.
    pub(crate) theme: Theme,
}

/// What nobody should overlook, ready for the page.
#[derive(Debug, Clone)]
pub(crate) struct Strip {
    /// Escaped by its template; empty: nothing.
    pub(crate) html: String,
    /// Another one when it changes.
    pub version: String,
}

/// See [`Strip::html`].
impl HtmlSafe for Strip {}

impl fmt::Display for Strip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

/// A link that looks like a button: where something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Button {
    /// Its words.
    pub(crate) label: String,
    /// Its address.
    pub(crate) address: String,
    /// Whether it is the page's one main button.
    pub(crate) main: bool,
}

/// One sentence at the head of a page.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    /// Whether it is good or bad news.
    pub(crate) tone: Tone,
    /// The sentence.
    pub text: String,
    /// Where to go on: address and words.
    pub link: Option<(String, String)>,
    /// What comes next.
    pub(crate) next: Vec<Button>,
}

/// Good or bad news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It was done.
    Done,
    /// Good to know, and nothing is wrong.
    Told,
    /// It was not done, or wants attention.
    Attention,
    /// It failed.
    Failed,
}

impl Notice {
    /// It was done.
    pub fn done(text: impl Into<String>) -> Self {
        Self { tone: Tone::Done, text: text.into(), link: None, next: Vec::new() }
    }

    /// Good to know, and nothing is wrong.
    pub fn told(text: impl Into<String>) -> Self {
        Self { tone: Tone::Told, text: text.into(), link: None, next: Vec::new() }
    }

    /// It was not done, or wants attention.
    pub(crate) fn attention(text: impl Into<String>) -> Self {
        Self { tone: Tone::Attention, text: text.into(), link: None, next: Vec::new() }
    }

    /// It failed.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { tone: Tone::Failed, text: text.into(), link: None, next: Vec::new() }
    }

    /// Adds a link.
    #[must_use]
    pub(crate) fn with_link(mut self, address: impl Into<String>, words: impl Into<String>) -> Self {
        self.link = Some((address.into(), words.into()));
        self
    }

    /// Adds what comes next.
    #[must_use]
    pub(crate) fn with_next(mut self, next: Vec<Button>) -> Self {
        self.next = next;
        self
    }

    /// Whether it says of something that it was not done: it goes when what was wrong is mended.
    pub(crate) const fn is_failed(&self) -> bool {
        matches!(self.tone, Tone::Failed)
    }

    /// The class of its line.
    pub const fn class(&self) -> &'static str {
        match self.tone {
            Tone::Done | Tone::Told => "is-done",
            Tone::Attention => "is-attention",
            Tone::Failed => "is-failed",
        }
    }

    /// Its icon.
    pub(crate) const fn icon(&self) -> Icon {
        match self.tone {
            Tone::Done => Icon { name: "tick", label: "", class: "is-good" },
            Tone::Told => Icon { name: "notice", label: "", class: "is-accent" },
            Tone::Attention => Icon { name: "warn", label: "Attention", class: "is-warn" },
            Tone::Failed => Icon { name: "error", label: "Failed", class: "is-error" },
        }
    }
}

/// An entry of the navigation, ready for the template.
#[derive(Debug)]
pub(crate) struct NavigationEntry<'a> {
    /// Its name.
    pub label: &'static str,
    /// Its address.
    pub path: &'static str,
    /// Whether the page belongs to it.
    pub current: bool,
    /// The count beside it, empty when there is none.
    pub count: &'a str,
}

impl Frame {
    /// The five entries.
    pub fn navigation(&self) -> Vec<NavigationEntry<'_>> {
        Entry::NAVIGATION
            .into_iter()
            .map(|entry| NavigationEntry {
                label: entry.label(),
                path: entry.path(),
                current: entry == self.current,
                count: self.counts.iter().find(|(of, _)| *of == entry).map_or("", |(_, count)| count.as_str()),
            })
            .collect()
    }

    /// Whether the page is Settings or Feedback.
    pub(crate) fn is_settings(&self) -> bool {
        self.current == Entry::Settings
    }

    /// Whether the page is Feedback.
    pub(crate) fn is_feedback(&self) -> bool {
        self.current == Entry::Feedback
    }

    /// Whether the page is the search.
    pub(crate) fn is_search(&self) -> bool {
        self.current == Entry::Search
    }

    /// Whether the page belongs to the guide.
    pub(crate) fn is_guide(&self) -> bool {
        self.current == Entry::Guide
    }

    /// The theme that someone chose, for the page's root element: so no page is drawn in another one first.
    pub(crate) fn chosen_theme(&self) -> Option<&'static str> {
        (!self.theme.is_system()).then(|| self.theme.name())
    }

    /// What the browser draws by itself (its ground before the stylesheet is there, controls, scroll bars) is to look so.
    pub(crate) fn color_scheme(&self) -> &'static str {
        self.chosen_theme().unwrap_or("light dark")
    }

    /// The whole title: page and host.
    pub(crate) fn full_title(&self) -> String {
        if self.title.is_empty() || self.title == self.greeting.hostname {
            self.greeting.hostname.clone()
        } else {
            format!("{} · {}", self.title, self.greeting.hostname)
        }
    }

    /// For paper: which host, when, and who saw it.
    pub fn made(&self) -> String {
        let at = self.clock.full(&self.clock.now);
        let seen_by = self.who.as_ref().map(|who| format!(", seen by {}", who.name)).unwrap_or_default();
        format!("{}, {}{seen_by}", self.greeting.hostname, at.text())
    }

    /// Whether the one signed in may do what this role may.
    pub fn may(&self, role: Role) -> bool {
        self.who.as_ref().is_some_and(|who| who.role >= role)
    }

    /// Whether the one signed in may change the host.
    pub fn may_change(&self) -> bool {
        self.may(Role::Operator)
    }

    /// Whether the one signed in is an admin.
    pub(crate) fn is_admin(&self) -> bool {
        self.may(Role::Admin)
    }

    /// Adds a count beside an entry of the navigation.
    #[must_use]
    pub(crate) fn with_count(mut self, entry: Entry, count: impl Into<String>) -> Self {
        self.counts.push((entry, count.into()));
        self
    }

    /// Adds a sentence about what the last request did.
    #[must_use]
    pub(crate) fn with_notice(mut self, notice: impl Into<Option<Notice>>) -> Self {
        self.notice = notice.into();
        self
    }

    /// The address of an asset.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// The stylesheet.
    pub fn style(&self) -> String {
        assets::address(assets::STYLE)
    }

    /// The console's own script.
    pub fn script(&self) -> String {
        assets::address(assets::SCRIPT)
    }

    /// htmx.
    pub(crate) fn htmx(&self) -> String {
        assets::address(assets::HTMX)
    }

    /// The icon of the tab.
    pub(crate) fn icon_address(&self) -> String {
        assets::address(assets::ICON)
    }

    /// An icon that only repeats what the words beside it say.
    pub(crate) fn icon(&self, name: &'static str) -> Icon {
        Icon { name, label: "", class: "" }
    }

    /// An icon that says something by itself.
    pub(crate) fn icon_labelled(&self, name: &'static str, label: &'static str, class: &'static str) -> Icon {
        Icon { name, label, class }
    }

    /// The icon of a severity, with its name for screen readers.
    pub fn severity(&self, severity: impl Borrow<Severity>) -> Icon {
        severity_icon(*severity.borrow())
    }

    /// Text in which what stands between backquotes is code.
    pub fn words<'a>(&self, text: &'a str) -> Words<'a> {
        Words(text)
    }

    /// The one view of a difference.
    pub fn diff<'a>(&self, diff: &'a Diff) -> DiffPart<'a> {
        DiffPart { diff }
    }

    /// Links to the pages before and after.
    pub fn pages(&self, pages: &Pages) -> Pages {
        pages.clone()
    }
}

/// The icon of a severity.
pub(crate) const fn severity_icon(severity: Severity) -> Icon {
    match severity {
        Severity::Error => Icon { name: "error", label: "Error", class: "is-error" },
        Severity::Warning => Icon { name: "warn", label: "Warning", class: "is-warn" },
        Severity::Notice => Icon { name: "notice", label: "Notice", class: "is-accent" },
    }
}

/// One icon of the sprite in `layout.html`: error, warn, notice, tick, todo, wait, now, lock, back, outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Icon {
    name: &'static str,
    label: &'static str,
    class: &'static str,
}

impl Icon {
    /// An icon with a label for screen readers (empty: hidden from them) and a class for its colour.
    pub const fn new(name: &'static str, label: &'static str, class: &'static str) -> Self {
        Self { name, label, class }
    }
}

/// Names, labels and classes are literals of the program.
impl HtmlSafe for Icon {}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.class.is_empty() { "" } else { " " };
        write!(f, "<svg class=\"icon{space}{}\" ", self.class)?;
        if self.label.is_empty() {
            f.write_str("aria-hidden=\"true\"")?;
        } else {
            write!(f, "role=\"img\" aria-label=\"{}\"", self.label)?;
        }
        write!(f, "><use href=\"#i-{}\"/></svg>", self.name)
    }
}

/// A difference of a file; `templates/_partials/diff.html`.
#[derive(Template)]
#[template(path = "_partials/diff.html")]
pub(crate) struct DiffPart<'a> {
    diff: &'a Diff,
}

/// The template escapes what it shows.
impl HtmlSafe for DiffPart<'_> {}

/// How a line of a difference is shown: class, sign, word for screen readers.
pub(crate) fn line_class(side: Side) -> &'static str {
    match side {
        Side::Context => "ctx",
        Side::Removed => "del",
        Side::Added => "add",
    }
}

/// Links to newer and older pages of a list; `templates/_partials/pages.html`.
#[derive(Debug, Clone, Template)]
#[template(path = "_partials/pages.html")]
pub(crate) struct Pages {
    /// What the list holds, for screen readers.
    pub label: &'static str,
    /// Address of the page before.
    pub newer: Option<String>,
    /// Address of the page after.
    pub older: Option<String>,
    /// "1 to 50 of 1,284".
    pub position: String,
}

/// The template escapes what it shows.
impl HtmlSafe for Pages {}

/// The present time and the host's zone.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    now: Timestamp,
}

impl Clock {
    /// The clock of a host in this zone, now.
    pub(crate) fn now_in(zone: TimeZone) -> Self {
        Self { zone, now: Timestamp::now() }
    }

    /// The host's zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The zone's short name at present: "CET".
    pub(crate) fn zone_name(&self) -> String {
        self.now.to_zoned_datetime(self.zone.clone()).strftime("%Z").to_string()
    }

    /// "14:28:51".
    pub fn time(&self, at: &Timestamp) -> Time {
        self.with(*at, "%H:%M:%S")
    }

    /// "14:28".
    pub fn short(&self, at: &Timestamp) -> Time {
        self.with(*at, "%H:%M")
    }

    /// "today 14:28", "Sun 22:15", "12 Oct 08:00", "12 Oct 2025".
    pub fn moment(&self, at: &Timestamp) -> Time {
        let (then, now) = (self.zoned(*at), self.zoned(self.now));
        let days = (now.date() - then.date()).get_days();
        let format = match days {
            0 => "today %H:%M",
            1..=6 => "%a %H:%M",
            _ if then.year() == now.year() => "%-d %b %H:%M",
            _ => "%-d %b %Y",
        };
        self.with(*at, format)
    }

    /// "Monday 23 November", with the year when it is not this one.
    pub fn day(&self, at: &Timestamp) -> Time {
        let same_year = self.zoned(*at).year() == self.zoned(self.now).year();
        self.with(*at, if same_year { "%A %-d %B" } else { "%A %-d %B %Y" })
    }

    /// "2026-11-23 14:28:51 CET".
    pub fn full(&self, at: &Timestamp) -> Time {
        self.with(*at, FULL)
    }

    /// Whether it was today.
    pub(crate) fn is_today(&self, at: &Timestamp) -> bool {
        self.zoned(*at).date() == self.zoned(self.now).date()
    }

    /// "4 s ago", "12 min ago", "3 h ago", "5 days ago".
    pub fn ago(&self, at: &Timestamp) -> String {
        let seconds = self.now.as_second().saturating_sub(at.as_second()).max(0);
        match seconds {
            0..=99 => format!("{seconds} s ago"),
            100..=5_999 => format!("{} min ago", seconds / 60),
            6_000..=172_799 => format!("{} h ago", seconds / 3_600),
            _ => format!("{} days ago", seconds / 86_400),
        }
    }

    fn zoned(&self, at: Timestamp) -> ZonedDateTime {
        at.to_zoned_datetime(self.zone.clone())
    }

    fn with(&self, at: Timestamp, format: &str) -> Time {
        let zoned = self.zoned(at);
        Time { at, text: zoned.strftime(format).to_string(), full: zoned.strftime(FULL).to_string() }
    }
}

const FULL: &str = "%Y-%m-%d %H:%M:%S %Z";

/// A time as pages show it: local text, UTC for machines, the whole with its zone as a tooltip.
#[derive(Debug, Clone)]
pub struct Time {
    at: Timestamp,
    text: String,
    full: String,
}

impl Time {
    /// The text alone.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Digits, words of the program and zone abbreviations of the bundled database only.
impl HtmlSafe for Time {}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<time datetime=\"{:.0}\" title=\"{}\">{}</time>", self.at, self.full, self.text)
    }
}

/// Text in which what stands between backquotes is code: escaped, then `<code>`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a>(pub &'a str);

/// It escapes what it shows.
impl HtmlSafe for Words<'_> {}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = self.0.split('`').peekable();
        let mut code = false;
        while let Some(piece) = pieces.next() {
            // A backquote without a partner is only itself.
            let alone = code && pieces.peek().is_none();
            f.write_str(match (code, alone) {
                (true, false) => "<code>",
                (true, true) => "`",
                (false, _) => "",
            })?;
            for letter in piece.chars() {
                match letter {
                    '<' => f.write_str("&lt;")?,
                    '>' => f.write_str("&gt;")?,
                    '&' => f.write_str("&amp;")?,
                    '"' => f.write_str("&quot;")?,
                    '\'' => f.write_str("&#39;")?,
                    letter => fmt::Write::write_char(f, letter)?,
                }
            }
            if code && !alone {
                f.write_str("</code>")?;
            }
            code = !code;
        }
        Ok(())
    }
}

/// "1 error", "2 errors".
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(count as u64)) }
}

/// 1,284.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Answers with a page or fragment.
///
/// # Errors
/// When the template could not be rendered.
pub fn page(status: StatusCode, template: &impl Template) -> Result<HttpResponse, Fault> {
    let body = template.render().map_err(|error| Fault::Unexpected(format!("rendering a page: {error}")))?;
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(body))
}

/// Answers a POST with the page to read next (303).
pub(crate) fn see_other(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((actix_web::http::header::LOCATION, address)).finish()
}

/// The address of a page with these query parameters, some of them changed; empty ones are left out.
pub fn address(path: &str, all: &[(&str, &String)], change: &[(&str, &str)]) -> String {
    let unchanged = all.iter().filter(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    let pairs = unchanged.map(|(name, value)| (*name, value.as_str())).chain(change.iter().copied());
    let query: Vec<String> = pairs
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", query_value(value)))
        .collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// The last part of the path of the address map, which lies between the pages of pots.
pub(super) const ADDRESSES: &str = "addresses";

/// The page of the pot of this name.
pub(super) fn pot_path(name: &str) -> String {
    let own = if name == ADDRESSES { "?pot=1" } else { "" };
    format!("/pots/{}{own}", query_value(name))
}

/// Text for the value of a query parameter.
pub(crate) fn query_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(now: &str) -> Clock {
        Clock { zone: TimeZone::get("Europe/Berlin").unwrap(), now: now.parse().unwrap() }
    }

    #[test]
    fn times_are_local_with_the_zone_named_and_utc_for_machines() {
        let clock = clock("2026-11-24T02:00:00Z");
        let at: Timestamp = "2026-11-23T13:28:51.5Z".parse().unwrap();
        assert_eq!(
            clock.time(&at).to_string(),
            "<time datetime=\"2026-11-23T13:28:51Z\" title=\"2026-11-23 14:28:51 CET\">14:28:51</time>"
        );
        assert_eq!(clock.moment(&at).text(), "Mon 14:28");
        assert_eq!(clock.moment(&"2026-11-24T00:30:00Z".parse().unwrap()).text(), "today 01:30");
        assert_eq!(clock.moment(&"2025-07-01T00:30:00Z".parse().unwrap()).text(), "1 Jul 2025");
        assert_eq!(clock.day(&at).text(), "Monday 23 November");
    }

    #[test]
    fn code_in_sentences_is_escaped() {
        assert_eq!(Words("run `a<b` now").to_string(), "run <code>a&lt;b</code> now");
        assert_eq!(Words("a ` b & c").to_string(), "a ` b &amp; c");
        assert_eq!(Words("`x` and `y`").to_string(), "<code>x</code> and <code>y</code>");
    }

    #[test]
    fn counts_read_as_words() {
        assert_eq!(counted(1, "error", "errors"), "1 error");
        assert_eq!(counted(65534, "address", "addresses"), "65,534 addresses");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }

    #[test]
    fn query_values_cannot_break_out() {
        assert_eq!(query_value("/a?b=1&c\"<\r\n"), "/a%3Fb%3D1%26c%22%3C%0D%0A");
    }
}
