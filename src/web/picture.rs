//! A picture of the network as SVG: boxes by rank from top to bottom, lines between the ranks. Made here, without a
//! script, and always the same for the same host: no box is placed by force or chance.
//!
//! Text is measured by a table that is wider than the fonts that the stylesheet names, so that it stays in its box whatever
//! the reader's machine draws it with; what is longer is cut and stands whole in the element's own title.

use super::escape::visible;
use super::layout::{pot_path, query_value};
use crate::facts::HostFacts;
use crate::host::{HostState, StateInput};
use crate::network::picture::{Card, Group, Most, Picture, State, Target, Tie};
use crate::potconf::Configuration;
use askama::Template;
use askama::filters::HtmlSafe;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// The widths in which pictures are made, in CSS pixels: for a phone and the margin of a page, and for everything else.
pub(super) const NARROW: u32 = 328;
pub(super) const WIDE: u32 = 704;
pub(super) const LARGE: u32 = 1104;

/// Room beside the boxes, for the lines to ranks of more than one row.
const GUTTER: u32 = 16;
const PAD: u32 = 10;
const LINE: u32 = 16;
const TITLE: u32 = 20;
/// Between the boxes of a row, the rows of a rank, the ranks.
const GAP: u32 = 12;
const ROWS: u32 = 28;
const RANKS: u32 = 32;
/// The least that a box, and one within a box, wants.
const COLUMN: u32 = 300;
const CELL: u32 = 128;
/// Elements beyond which a box takes the whole width.
const FEW: usize = 4;

// -- measuring --

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Font {
    /// A name: monospaced, 13 px.
    Name,
    /// Everything else: 12 px.
    Words,
}

/// What a text takes at most, in thousandths of a pixel.
fn measured(text: &str, font: Font) -> u32 {
    text.chars().map(|letter| advance(letter, font)).sum()
}

/// Whether the fonts that the stylesheet names are known to have it, and how wide: Latin letters and what this program writes.
fn is_plain(letter: char) -> bool {
    letter < '\u{250}' || matches!(letter, '…' | '→')
}

/// Wider than DejaVu, the widest of the fonts named in the stylesheet.
fn advance(letter: char, font: Font) -> u32 {
    let em = match (font, letter) {
        (_, letter) if !is_plain(letter) => 1300,
        (Font::Words, letter) if !letter.is_ascii() => 1000,
        (Font::Name, _) => 625,
        (
            Font::Words,
            'i' | 'l' | 'j' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '(' | ')' | '[' | ']' | '/' | '-'
            | '`',
        ) => 410,
        (Font::Words, 'm' | 'w' | 'M' | 'W' | '@' | '%') => 1000,
        (Font::Words, 'a'..='z' | '0'..='9') => 650,
        (Font::Words, 'A'..='Z') => 800,
        (Font::Words, _) => 850,
    };
    em * match font {
        Font::Name => 13,
        Font::Words => 12,
    }
}

/// The text as it fits into so many pixels, cut if it must be.
fn fitted(text: &str, font: Font, width: u32) -> String {
    let room = width * 1000;
    if measured(text, font) <= room {
        return text.to_owned();
    }
    let mut used = advance('…', font);
    let cut = text.char_indices().find(|(_, letter)| {
        used += advance(*letter, font);
        used > room
    });
    format!("{}…", text.get(..cut.map_or(text.len(), |(at, _)| at)).unwrap_or_default().trim_end())
}

/// The text in lines of so many pixels, broken at blanks.
fn wrapped(text: &str, width: u32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line)
                if measured(line, Font::Words) + measured(" ", Font::Words) + measured(word, Font::Words)
                    <= width * 1000 =>
            {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| fitted(line, Font::Words, width)).collect()
}

/// What can be drawn of a name that others chose: no control characters, nothing that piles up above or below its line.
fn drawable(text: &str) -> String {
    let piles = |letter: char| {
        matches!(letter, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
            | '\u{e31}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe2f}')
    };
    visible(text)
        .chars()
        .map(|letter| if piles(letter) || letter == '\n' || letter == '\t' { '\u{fffd}' } else { letter })
        .collect()
}

// -- placing --

/// A text at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    x: u32,
    y: u32,
    words: String,
    font: Font,
    /// Ends at `x` rather than beginning there.
    ends: bool,
    class: &'static str,
}

impl Text {
    fn width(&self) -> u32 {
        measured(&self.words, self.font).div_ceil(1000)
    }
}

/// An element at its place.
#[derive(Debug, Clone)]
struct Placed<'a> {
    card: &'a Card,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    texts: Vec<Text>,
    /// Stands in another.
    inner: bool,
}

/// A line between two ranks: its path, and the tips of its arrows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    path: String,
    tips: Vec<(u32, u32, Tip)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tip {
    Up,
    Down,
}

/// Everything at its place.
#[derive(Debug, Clone)]
struct Plan<'a> {
    width: u32,
    height: u32,
    boxes: Vec<Placed<'a>>,
    edges: Vec<Edge>,
}

/// A box of a rank: where it stands, in which row, and how it is tied.
struct Seat {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    row: usize,
    up: Tie,
    down: Tie,
}

/// The rows of a rank.
struct Seats {
    all: Vec<Seat>,
    top: u32,
    bottom: u32,
    rows: usize,
}

fn placed(picture: &Picture, width: u32) -> Plan<'_> {
    let has_rows = picture.ranks.iter().any(|rank| rank.len() > 1);
    let mut plan = Plan { width, height: 0, boxes: Vec::new(), edges: Vec::new() };
    let mut above: Option<Seats> = None;
    let mut y = 1;
    for (number, rank) in picture.ranks.iter().filter(|rank| !rank.is_empty()).enumerate() {
        if above.is_some() {
            y += RANKS;
        }
        // What every line of its neighbours leads to reaches from edge to edge.
        let band = has_rows && rank.len() == 1 && number % 2 == 0;
        let seats = seat(rank, if band { (1, width - 2) } else { (GUTTER, width - 2 * GUTTER) }, y, &mut plan.boxes);
        y = seats.bottom;
        if let Some(above) = &above {
            tie(above, &seats, width, &mut plan.edges);
        }
        above = Some(seats);
    }
    plan.height = y + 1;
    plan
}

/// Places the boxes of a rank into rows below `y`.
fn seat<'a>(rank: &'a [Group], (left, width): (u32, u32), mut y: u32, boxes: &mut Vec<Placed<'a>>) -> Seats {
    let columns = ((width + GAP) / (COLUMN + GAP)).max(1);
    let column = (width + GAP) / columns - GAP;
    let mut rows: Vec<Vec<&Group>> = Vec::new();
    let mut open = false;
    for group in rank {
        let whole = rank.len() == 1 || columns == 1 || group.cells.len() > FEW;
        match rows.last_mut() {
            Some(row) if open && !whole && row.len() < columns as usize => row.push(group),
            _ => rows.push(vec![group]),
        }
        open = !whole;
    }
    let (top, count) = (y, rows.len());
    let mut seats = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        if number > 0 {
            y += ROWS;
        }
        let whole =
            row.len() == 1 && (rank.len() == 1 || columns == 1 || row.iter().any(|group| group.cells.len() > FEW));
        let own = if whole { width } else { column };
        let drawn: Vec<Vec<Placed<'_>>> =
            (0_u32..).zip(&row).map(|(at, group)| drawn(group, left + at * (column + GAP), y, own)).collect();
        let height = drawn.iter().filter_map(|boxes| boxes.first()).map(|outer| outer.height).max().unwrap_or_default();
        for (group, mut own) in row.into_iter().zip(drawn) {
            if let Some(outer) = own.first_mut() {
                outer.height = height;
                let (x, width) = (outer.x, outer.width);
                seats.push(Seat { x, y, width, height, row: number, up: group.up, down: group.down });
            }
            boxes.append(&mut own);
        }
        y += height;
    }
    Seats { all: seats, top, bottom: y, rows: count }
}

/// A box with what stands in it; the outer one first.
fn drawn(group: &Group, x: u32, y: u32, width: u32) -> Vec<Placed<'_>> {
    let card = &group.card;
    let room = width - 2 * PAD;
    let mut texts = heading(card, x + PAD, y, room, Font::Name);
    let mut foot = y + PAD / 2 + TITLE;
    let mut lines: Vec<String> = Vec::new();
    let mut rest = card.lines.iter().map(|line| drawable(line));
    if !card.role.is_empty() {
        let role = drawable(&card.role);
        // In one line with the first of what is known, where both fit.
        match rest.next() {
            Some(first) if measured(&format!("{role}, {first}"), Font::Words) <= room * 1000 => {
                lines.push(format!("{role}, {first}"));
            }
            Some(first) => lines.extend([role, first]),
            None => lines.push(role),
        }
    }
    lines.extend(rest);
    lines.extend(card.list.iter().map(|line| format!("  {}", drawable(line))));
    for line in lines {
        let indent = if line.starts_with("  ") { PAD } else { 0 };
        for part in wrapped(line.trim_start(), room - indent) {
            texts.push(Text {
                x: x + PAD + indent,
                y: foot + 11,
                words: part,
                font: Font::Words,
                ends: false,
                class: "w",
            });
            foot += LINE;
        }
    }
    let mut cells = Vec::new();
    if !group.cells.is_empty() {
        foot += PAD / 2;
        let columns = ((room + PAD) / (CELL + PAD)).max(1);
        let own = (room + PAD) / columns - PAD;
        let said: Vec<Vec<String>> = group.cells.iter().map(cell_lines).collect();
        let tall = u32::try_from(said.iter().map(Vec::len).max().unwrap_or_default()).unwrap_or_default();
        let height = PAD / 2 + TITLE + LINE * tall + PAD / 2;
        for ((at, cell), said) in (0_u32..).zip(&group.cells).zip(said) {
            let (left, top) = (x + PAD + at % columns * (own + PAD), foot + at / columns * (height + PAD));
            let room = own - PAD;
            let mut texts = vec![Text {
                x: left + PAD / 2,
                y: top + PAD / 2 + 14,
                words: fitted(&drawable(&cell.title), Font::Name, room),
                font: Font::Name,
                ends: false,
                class: "t",
            }];
            for (number, line) in (0_u32..).zip(said) {
                let text = fitted(&line, Font::Words, room);
                texts.push(Text {
                    x: left + PAD / 2,
                    y: top + PAD / 2 + TITLE + number * LINE + 11,
                    words: text,
                    font: Font::Words,
                    ends: false,
                    class: "w",
                });
            }
            cells.push(Placed { card: cell, x: left, y: top, width: own, height, texts, inner: true });
        }
        let rows = u32::try_from(group.cells.len()).unwrap_or_default().div_ceil(columns);
        foot += rows * (height + PAD);
    }
    let height = foot + PAD / 2 - y;
    let mut boxes = vec![Placed { card, x, y, width, height, texts, inner: false }];
    boxes.append(&mut cells);
    boxes
}

/// The name, and at the right how it stands.
fn heading(card: &Card, x: u32, y: u32, room: u32, font: Font) -> Vec<Text> {
    let word = card.state.word();
    let taken = if word.is_empty() { 0 } else { measured(word, Font::Words).div_ceil(1000) + PAD };
    let baseline = y + PAD / 2 + 14;
    let name = fitted(&drawable(&card.title), font, room.saturating_sub(taken));
    let mut texts = vec![Text { x, y: baseline, words: name, font, ends: false, class: "t" }];
    if !word.is_empty() {
        texts.push(Text {
            x: x + room,
            y: baseline,
            words: word.to_owned(),
            font: Font::Words,
            ends: true,
            class: "s",
        });
    }
    texts
}

/// What stands in a small box: what is known of it, and how it stands before the rest.
fn cell_lines(card: &Card) -> Vec<String> {
    let mut parts: Vec<String> = card.lines.iter().filter(|line| !line.is_empty()).map(|line| drawable(line)).collect();
    let word = card.state.word();
    if !word.is_empty() {
        parts.insert(parts.len().min(1), word.to_owned());
    }
    // What was before stands by itself.
    let was = parts.pop_if(|line| line.starts_with("was: "));
    let mut lines = match parts.as_slice() {
        [first, second, rest @ ..] if !rest.is_empty() => {
            vec![first.clone(), format!("{second}, {}", rest.join(", "))]
        }
        _ => parts,
    };
    lines.extend(was);
    lines
}

/// The lines from one rank to the next. From the row next to it they go straight, from others through the gutters: at the
/// left to the rank above, at the right to the rank below.
fn tie(above: &Seats, below: &Seats, width: u32, edges: &mut Vec<Edge>) {
    const HALF: u32 = 9;
    // Many lead to one, or one to many.
    if above.all.len() > 1 {
        for seat in above.all.iter().filter(|seat| seat.down != Tie::None) {
            let (x, bottom) = (seat.x + seat.width - 24, seat.y + seat.height);
            let path = if seat.row + 1 == above.rows {
                format!("M{x} {bottom}V{}", below.top)
            } else {
                format!("M{x} {bottom}v{HALF}H{}V{}", width - 6, below.top)
            };
            edges.push(Edge { path, tips: Vec::new() });
        }
        return;
    }
    for seat in below.all.iter().filter(|seat| seat.up != Tie::None) {
        let (from, to) = (above.bottom, seat.y);
        let x = seat.x + 24;
        let tips = |at: u32| match seat.up {
            Tie::Out => vec![(at, from, Tip::Up)],
            Tie::Both => vec![(at, from, Tip::Up), (x, to, Tip::Down)],
            Tie::In => vec![(x, to, Tip::Down)],
            Tie::Plain | Tie::None => Vec::new(),
        };
        if seat.row > 0 {
            edges.push(Edge { path: format!("M6 {from}V{}H{x}V{to}", to - HALF), tips: tips(6) });
        } else if seat.up == Tie::Both {
            // One out, one in.
            edges.push(Edge { path: format!("M{x} {from}V{to}"), tips: vec![(x, from, Tip::Up)] });
            let x = x + 24;
            edges.push(Edge { path: format!("M{x} {from}V{to}"), tips: vec![(x, to, Tip::Down)] });
        } else {
            edges.push(Edge { path: format!("M{x} {from}V{to}"), tips: tips(x) });
        }
    }
}

// -- writing --

/// Where an element leads.
pub(super) fn address(target: &Target, here: bool) -> String {
    match target {
        Target::Host => "/#h-net".to_owned(),
        Target::Parameter(name) if here => format!("#p-{name}"),
        Target::Parameter(name) => format!("/configuration#p-{name}"),
        Target::Pot(name) => pot_path(name),
        Target::Pots(text) if text.is_empty() => "/pots".to_owned(),
        Target::Pots(text) => format!("/pots?text={}", query_value(text)),
        Target::Addresses(None) => "/pots/addresses".to_owned(),
        Target::Addresses(Some(block)) => format!("/pots/addresses?block={block}"),
        Target::Path(of) => format!("/network/path?of={}", query_value(of)),
    }
}

fn escaped(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
}

/// The picture as an element `svg`, named by the elements `NAME-t` and `NAME-d` of its page.
fn svg(picture: &Picture, name: &str, width: u32, class: &str, here: bool) -> String {
    let plan = placed(picture, width);
    let mut out = String::with_capacity(256 * plan.boxes.len() + 512);
    let (wide, tall) = (plan.width, plan.height);
    let _ = write!(
        out,
        "<svg class=\"net {class}\" role=\"graphics-document\" aria-labelledby=\"{name}-t {name}-d\" width=\"{wide}\" height=\"{tall}\" viewBox=\"0 0 {wide} {tall}\">"
    );
    for edge in &plan.edges {
        let _ = write!(out, "<path class=\"e\" d=\"{}\"/>", edge.path);
        for (x, y, tip) in &edge.tips {
            let (base, left, right) = (if *tip == Tip::Up { y + 8 } else { y - 8 }, x - 4, x + 4);
            let _ = write!(out, "<path class=\"a\" d=\"M{x} {y}L{left} {base}H{right}z\"/>");
        }
    }
    for placed in &plan.boxes {
        write_box(&mut out, placed, here);
    }
    out.push_str("</svg>");
    out
}

fn write_box(out: &mut String, placed: &Placed<'_>, here: bool) {
    let card = placed.card;
    let tag = if let Some(target) = &card.target {
        out.push_str("<a href=\"");
        escaped(out, &address(target, here));
        out.push('"');
        "a"
    } else {
        out.push_str("<g");
        "g"
    };
    let inner = if placed.inner { " c" } else { "" };
    let _ = write!(out, " class=\"b{inner} is-{}\"><title>", card.state.class());
    escaped(out, &tooltip(card));
    let (x, y, width, height) = (placed.x, placed.y, placed.width, placed.height);
    let _ = write!(out, "</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"2\"/>");
    if card.state == State::Differs || card.state == State::Outside {
        // A second line within the first: seen without colour.
        let (x, y, width, height) = (x + 3, y + 3, width - 6, height - 6);
        let _ = write!(out, "<rect class=\"i\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>");
    }
    for text in &placed.texts {
        let ends = if text.ends { " text-anchor=\"end\"" } else { "" };
        let _ = write!(out, "<text class=\"{}\" x=\"{}\" y=\"{}\"{ends}", text.class, text.x, text.y);
        if !text.words.chars().all(is_plain) {
            // Letters of other scripts are as wide as their font makes them; here they are as wide as measured, at most.
            let _ = write!(out, " textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", text.width());
        }
        out.push('>');
        escaped(out, &text.words);
        out.push_str("</text>");
    }
    let _ = write!(out, "</{tag}>");
}

/// The fact, and what says so.
fn tooltip(card: &Card) -> String {
    let said = card.said();
    let mut text = visible(&card.title).into_owned();
    if !said.is_empty() {
        let _ = write!(text, ": {}", visible(&said));
    }
    if !card.evidence.is_empty() {
        let _ = write!(text, ". By {}", visible(&card.evidence));
    }
    text
}

/// The picture of a host of which nobody left anything aside, with no run under way.
fn picture_of(facts: &HostFacts, configuration: &Configuration) -> Picture {
    let state = HostState::of(&StateInput {
        facts,
        configuration,
        findings: &[],
        has_files: true,
        dismissed: &[],
        left_drift: &[],
        leftovers: None,
        removed: None,
        run: None,
    });
    Picture::now(facts, configuration, &state.pot)
}

/// The picture of a host as the start page shows it, in each of its widths and as a table: for those who measure it.
///
/// # Errors
/// When the template cannot be rendered.
pub fn drawn_for(name: &str, facts: &HostFacts, configuration: &Configuration) -> askama::Result<String> {
    PictureView::large(name, "The network", picture_of(facts, configuration)).render()
}

// -- in a page --

/// A row of the table that says the same.
struct Row {
    name: String,
    within: String,
    said: String,
    evidence: String,
    address: String,
}

/// `templates/_partials/picture.html`: a picture with its words, and the same as a table.
#[derive(Template)]
#[template(path = "_partials/picture.html")]
pub(super) struct PictureView {
    name: String,
    title: String,
    sentences: Vec<String>,
    narrow: Drawing,
    /// For pages with more room.
    wider: Vec<Drawing>,
    rows: Vec<Row>,
    /// Whether packets are translated or ports exported: then arrows are explained.
    arrows: bool,
}

/// The template escapes what it shows.
impl HtmlSafe for PictureView {}

/// An element `svg`.
pub(super) struct Drawing(String);

/// Everything that others named was escaped by [`svg`].
impl HtmlSafe for Drawing {}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A picture as pages hold it, with all that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Drawn(Arc<str>);

/// [`PictureView`] escapes what it shows.
impl HtmlSafe for Drawn {}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PictureView {
    /// Written once, for every page that shows it.
    pub(super) fn drawn(&self) -> Drawn {
        // A picture that cannot be written is missed on this page alone: all that it says stands in words beside it.
        Drawn(self.render().unwrap_or_default().into())
    }

    /// For a page of its own: as wide as there is room.
    pub(super) fn large(name: &str, title: impl Into<String>, picture: Picture) -> Self {
        Self::of(name, title.into(), picture, Most::LARGE, true, false)
    }

    /// For the margin of the page `/configuration`.
    pub(super) fn in_the_margin(name: &str, title: impl Into<String>, picture: Picture) -> Self {
        Self::of(name, title.into(), picture, Most::SMALL, false, true)
    }

    /// Beside another one.
    pub(super) fn small(name: &str, title: impl Into<String>, picture: Picture) -> Self {
        Self::of(name, title.into(), picture, Most::SMALL, false, false)
    }

    fn of(name: &str, title: String, picture: Picture, most: Most, wide: bool, here: bool) -> Self {
        let sentences = picture.sentences().into_iter().map(|sentence| visible(&sentence).into_owned()).collect();
        let picture = picture.folded(most);
        let rows = picture
            .elements()
            .into_iter()
            .map(|(card, within)| Row {
                name: visible(&card.title).into_owned(),
                within: within.map(|within| visible(within).into_owned()).unwrap_or_default(),
                said: visible(&card.said()).into_owned(),
                evidence: visible(&card.evidence).into_owned(),
                address: card.target.as_ref().map(|target| address(target, here)).unwrap_or_default(),
            })
            .collect();
        Self {
            name: name.to_owned(),
            title,
            sentences,
            narrow: Drawing(svg(&picture, name, NARROW, "narrow", here)),
            wider: [(WIDE, "wide"), (LARGE, "large")]
                .into_iter()
                .filter(|_| wide)
                .map(|(width, class)| Drawing(svg(&picture, name, width, class, here)))
                .collect(),
            rows,
            arrows: picture.ranks.iter().flatten().any(|group| matches!(group.up, Tie::Out | Tie::Both)),
        }
    }
}

#[cfg(test)]
#[path = "../../tests/support/hosts.rs"]
mod hosts;

#[cfg(test)]
mod tests {
    use super::hosts::generated;
    use super::*;
    use crate::host::fixture::{configuration, pot, running_host};

    /// How many generated hosts are looked at.
    fn hosts() -> u64 {
        if std::env::var_os("POT_CONSOLE_LONG").is_some() { 2000 } else { 40 }
    }

    fn holds(outer: &Placed<'_>, inner: &Placed<'_>) -> bool {
        outer.x < inner.x
            && outer.y < inner.y
            && inner.x + inner.width < outer.x + outer.width
            && inner.y + inner.height < outer.y + outer.height
    }

    fn apart(one: &Placed<'_>, other: &Placed<'_>) -> bool {
        one.x + one.width < other.x
            || other.x + other.width < one.x
            || one.y + one.height < other.y
            || other.y + other.height < one.y
    }

    #[test]
    fn no_box_of_a_picture_lies_on_another_and_no_text_leaves_its_box() {
        for number in 0..hosts() {
            let (facts, configuration) = generated(number);
            for most in [Most::LARGE, Most::SMALL] {
                let picture = picture_of(&facts, &configuration).folded(most);
                for width in [NARROW, WIDE, LARGE] {
                    let plan = placed(&picture, width);
                    let boxes = &plan.boxes;
                    for (at, one) in boxes.iter().enumerate() {
                        assert!(
                            one.x + one.width <= width && one.y + one.height <= plan.height,
                            "host {number}: {one:?}"
                        );
                        for other in boxes.iter().skip(at + 1) {
                            let well = apart(one, other) || !one.inner && other.inner && holds(one, other);
                            assert!(well, "host {number}, {width}: {one:?}\n{other:?}");
                        }
                        let mut lines: Vec<(u32, u32, u32)> = Vec::new();
                        for text in &one.texts {
                            let (left, right) = if text.ends {
                                (text.x - text.width(), text.x)
                            } else {
                                (text.x, text.x + text.width())
                            };
                            let inside = left > one.x
                                && right < one.x + one.width
                                && text.y > one.y + 10
                                && text.y + 3 < one.y + one.height;
                            assert!(inside, "host {number}: {text:?} in {one:?}");
                            let free = lines
                                .iter()
                                .all(|(y, from, to)| y.abs_diff(text.y) >= 14 || right < *from || *to < left);
                            assert!(free, "host {number}: {text:?} lies on another text of {one:?}");
                            lines.push((text.y, left, right));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn five_hundred_pots_and_sixty_networks_are_folded_with_their_numbers() {
        let mut facts = running_host();
        facts.pots.value = Some(
            (0..500_u32)
                .map(|number| {
                    pot(
                        &format!("p{number}"),
                        "public-bridge",
                        &std::net::Ipv4Addr::from(0x0ac0_0004 + number).to_string(),
                    )
                })
                .collect(),
        );
        let networks: Vec<String> = (0..60).map(|number| format!("172.16.{number}.0/24")).collect();
        let own = format!("POT_VPN_EXTIF=tun0\nPOT_VPN_NETWORKS=\"{}\"\n", networks.join(" "));
        let picture = Picture::wanted(&facts, &configuration(&own)).folded(Most::LARGE);
        let elements = picture.elements();
        assert!(elements.len() < 40, "{}", elements.len());
        let titled = |title: &str| elements.iter().find(|(card, _)| card.title == title).unwrap().0;
        assert_eq!(titled("489 more pots").lines, ["489 run"]);
        assert_eq!(titled("tun0").list.last().unwrap(), "and 53 more");
        assert!(svg(&picture, "net", WIDE, "wide", false).len() < 40_000);
    }

    #[test]
    fn the_same_host_is_always_drawn_the_same_and_names_are_never_markup() {
        let mut hostile = 0;
        for number in 0..hosts() {
            let (facts, configuration) = generated(number);
            let (again, same) = generated(number);
            let drawn = drawn_for("net", &facts, &configuration).unwrap();
            // What was asked when is no part of a picture.
            assert_eq!(drawn, drawn_for("net", &again, &same).unwrap());
            assert!(!drawn.contains("<script") && !drawn.contains("<img") && !drawn.contains('\u{202e}'), "{drawn}");
            hostile += usize::from(drawn.contains("script&gt;"));
        }
        assert!(hostile > 0, "no hostile name was drawn");
    }

    #[test]
    fn what_is_not_known_is_drawn_as_not_known() {
        let picture = picture_of(&HostFacts::unknown("not asked"), &configuration(""));
        let svg = svg(&picture, "net", WIDE, "wide", false);
        for what in ["em0", "pf", "public bridge", "Private bridges", "Outside"] {
            let card = picture.elements().into_iter().find(|(card, _)| card.title == what).unwrap().0;
            assert_eq!(card.state, State::Unknown, "{card:?}");
        }
        assert!(svg.contains("is-unknown") && svg.contains(">not known<"), "{svg}");
    }

    #[test]
    fn a_change_of_the_network_is_marked_with_what_was_before() {
        let facts = running_host();
        let saved = Picture::wanted(&facts, &configuration(""));
        let same = Picture::wanted(&facts, &configuration("")).compared_with(&saved);
        assert_eq!(same, saved);
        let own = "POT_NETWORK=10.200.0.0/16\nPOT_NETMASK=255.255.0.0\nPOT_GATEWAY=10.200.0.1\n";
        let after = Picture::wanted(&facts, &configuration(own)).compared_with(&saved);
        let elements = after.elements();
        let of = |id: &str| elements.iter().find(|(card, _)| card.id == id).unwrap().0;
        assert_eq!(of("public").state, State::Changes);
        assert!(of("public").lines.iter().any(|line| line == "was: 10.192.0.1/10"), "{:?}", of("public"));
        assert_eq!(of("pot-of-web1").state, State::Outside);
        assert_eq!(of("pf").state, State::Fine);
    }

    #[test]
    fn the_plan_of_starting_shows_what_comes_and_what_goes() {
        let mut facts = running_host();
        let configuration = configuration("");
        facts.pf.value = Some(crate::facts::Pf::default());
        facts.forwarding.value = Some(false);
        let all = facts.interfaces.value.as_mut().unwrap();
        all.retain(|interface| !interface.is_bridge());
        all.push(crate::host::fixture::interface("bridge3", "pot public bridge", &["10.99.0.1/16"]));
        let before = picture_of(&facts, &configuration);
        let after = Picture::wanted(&facts, &configuration).compared_with(&before);
        let state = |id: &str| {
            let found = after.elements().into_iter().find(|(card, _)| card.id == id);
            found.unwrap_or_else(|| panic!("{id}")).0.state
        };
        assert_eq!((state("public"), state("bridge-bridge3")), (State::New, State::Goes));
        assert_eq!(
            (state("pf"), state("forwarding"), state("pot-nat")),
            (State::Changes, State::Changes, State::Changes)
        );
    }

    #[test]
    fn an_empty_host_has_a_picture_too() {
        let mut facts = running_host();
        facts.pots.value = Some(Vec::new());
        let sentences = picture_of(&facts, &configuration("")).sentences();
        assert!(sentences.iter().any(|words| words == "bridge0: public bridge, 10.192.0.1/10."), "{sentences:?}");
        assert!(sentences.iter().any(|words| words.contains("NAT to anywhere, as 192.168.178.20")), "{sentences:?}");
    }
}
