//! ALTQ: queues and the schedulers that serve them. FreeBSD's usual kernels have none; pfctl reads the rules all the same,
//! and so does this. How much bandwidth is given away is not added up.

use super::grammar::{Parser, Section};
use super::lexer::Token;
use super::peers;
use super::tokens::{Refused, Taken, Tokens};

/// Options of altq and queue.
#[derive(Default)]
struct Options {
    text: String,
    bandwidth: Option<Bandwidth>,
    priority: bool,
    limit: bool,
    scheduler: Option<&'static str>,
    bucket: Option<u32>,
}

/// A bandwidth: of the parent's, or in bits per second.
#[derive(Clone, Copy)]
enum Bandwidth {
    Percent(f64),
    Bits(f64),
}

impl Parser<'_> {
    /// `altq on INTERFACE options queue …`
    pub(crate) fn altq(&mut self) -> Taken<()> {
        self.tokens.shift();
        let on = peers::interface(&mut self.tokens)?;
        let options = queue_options(&mut self.tokens)?;
        self.tokens.expect("queue")?;
        let queues = children(&mut self.tokens)?;
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Queueing)?;
        let Some(scheduler) = options.scheduler else { return self.tokens.refuse("no scheduler specified!") };
        if queues.is_empty() && scheduler != "codelq" {
            return self.tokens.refuse("no child queues specified");
        }
        let mut wrong = false;
        for interface in on {
            if interface.not {
                self.tokens.complain("altq on ! <interface> is not supported");
                wrong = true;
                continue;
            }
            let list = if queues.is_empty() { String::new() } else { format!(" queue {{ {} }}", queues.join(" ")) };
            self.sheets.sheet().queues.push(format!("altq on {}{}{list}", interface.name, options.text));
            self.queues.extend(queues.iter().map(|queue| (queue.clone(), interface.name.clone(), scheduler)));
        }
        if wrong { Err(Refused) } else { Ok(()) }
    }

    /// `queue NAME options { children }`
    pub fn queue(&mut self) -> Taken<()> {
        self.tokens.shift();
        let name = self.tokens.text()?;
        let on = peers::interface(&mut self.tokens)?;
        let options = queue_options(&mut self.tokens)?;
        let children = children(&mut self.tokens)?;
        self.tokens.complete()?;
        self.order.enter(&mut self.tokens, Section::Queueing)?;
        if name.len() >= 64 {
            return self.tokens.refuse("queue name too long (max 63 chars)");
        }
        if options.bucket.is_some_and(|size| size != 0) {
            return self.tokens.refuse("cannot specify tbrsize for queue");
        }
        let mut parents = Vec::new();
        for (queue, interface, scheduler) in &self.queues {
            let meant = on.is_empty() || on.iter().any(|on| (on.name == *interface) != on.not);
            if *queue == name && meant {
                parents.push((interface.clone(), *scheduler));
            }
        }
        let mut wrong = None;
        if parents.is_empty() {
            wrong = Some(format!("queue {name} has no parent"));
        }
        for (interface, scheduler) in parents {
            if options.scheduler.is_some_and(|own| own != scheduler) {
                wrong = Some("exactly one scheduler type per interface allowed".to_owned());
                break;
            }
            if scheduler == "priq" && !children.is_empty() {
                wrong = Some("priq queues cannot have child queues".to_owned());
                break;
            }
            let own = match options.bandwidth {
                Some(Bandwidth::Bits(bits)) => bits > 0.0,
                Some(Bandwidth::Percent(percent)) => percent < 100.0,
                None => false,
            };
            if scheduler == "priq" && own {
                wrong = Some("priq doesn't take bandwidth".to_owned());
                break;
            }
            if children.contains(&name) {
                wrong = Some("queue cannot have itself as child".to_owned());
            }
            self.queues.extend(children.iter().map(|child| (child.clone(), interface.clone(), scheduler)));
        }
        if let Some(text) = wrong {
            self.tokens.complain(text);
            return self.tokens.refuse("errors in queue definition");
        }
        let list = if children.is_empty() { String::new() } else { format!(" {{ {} }}", children.join(" ")) };
        self.sheets.sheet().queues.push(format!("queue {name}{}{list}", options.text));
        Ok(())
    }
}

fn children(tokens: &mut Tokens<'_>) -> Taken<Vec<String>> {
    if !tokens.is_text() && !tokens.is_sign(b'{') {
        return Ok(Vec::new());
    }
    tokens.one_or_braced(|tokens| {
        let name = tokens.text()?;
        if name.len() >= 64 {
            return tokens.refuse(format_args!("queue name '{name}' too long (max 63 chars)"));
        }
        Ok(vec![name])
    })
}

fn queue_options(tokens: &mut Tokens<'_>) -> Taken<Options> {
    let mut options = Options::default();
    loop {
        let Token::Key(word) = *tokens.peek() else { return Ok(options) };
        let again = match word {
            "bandwidth" => {
                tokens.shift();
                let (bandwidth, text) = bandwidth(tokens)?;
                options.text.push_str(&format!(" bandwidth {text}"));
                options.bandwidth.replace(bandwidth).is_some()
            }
            "priority" => {
                tokens.shift();
                let number = tokens.number()?;
                if options.priority {
                    return tokens.refuse("priority cannot be respecified");
                }
                if !(0..=255).contains(&number) {
                    return tokens.refuse("priority out of range: max 255");
                }
                options.text.push_str(&format!(" priority {number}"));
                std::mem::replace(&mut options.priority, true)
            }
            "qlimit" => {
                tokens.shift();
                let number = tokens.number()?;
                if options.limit {
                    return tokens.refuse("qlimit cannot be respecified");
                }
                if !(0..=65535).contains(&number) {
                    return tokens.refuse("qlimit out of range: max 65535");
                }
                options.text.push_str(&format!(" qlimit {number}"));
                std::mem::replace(&mut options.limit, true)
            }
            "tbrsize" => {
                tokens.shift();
                let size = tokens.number_to(i64::from(u32::MAX), |_| format!("tbrsize too big: max {}", u32::MAX))?;
                options.text.push_str(&format!(" tbrsize {size}"));
                options.bucket.replace(size).is_some()
            }
            "cbq" | "priq" | "hfsc" | "fairq" | "codelq" => {
                tokens.shift();
                let text = scheduler(tokens, word)?;
                options.text.push_str(&format!(" {word}{text}"));
                if options.scheduler.replace(word).is_some() {
                    return tokens.refuse("scheduler cannot be respecified");
                }
                false
            }
            _ => return Ok(options),
        };
        if again {
            return tokens.refuse(format_args!("{word} cannot be respecified"));
        }
    }
}

fn bandwidth(tokens: &mut Tokens<'_>) -> Taken<(Bandwidth, String)> {
    if !tokens.is_text() {
        let number = tokens.number()?;
        if number < 0 || number == i64::MAX {
            return tokens.refuse("bandwidth number too big");
        }
        #[allow(clippy::cast_precision_loss, reason = "bits per second: the last digits do not matter")]
        return Ok((Bandwidth::Bits(number as f64), number.to_string()));
    }
    let text = tokens.text()?;
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let value: f64 = if digits.is_empty() { 0.0 } else { digits.parse().unwrap_or(0.0) };
    // `Mb`, `Mbit` and the like are `M`.
    let short = unit.chars().next().map(|first| first.to_string()).unwrap_or_default();
    let short = if matches!(unit.get(1..), Some("Bit" | "B" | "bit" | "b")) { short } else { unit.to_owned() };
    let factor = match short.as_str() {
        "b" => 1.0,
        "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "%" if (0.0..=100.0).contains(&value) => return Ok((Bandwidth::Percent(value.trunc()), text)),
        "%" => return tokens.refuse("bandwidth spec out of range"),
        _ => return tokens.refuse(format_args!("unknown unit {short}")),
    };
    Ok((Bandwidth::Bits(value * factor), text))
}

/// What stands in brackets behind a scheduler.
fn scheduler(tokens: &mut Tokens<'_>, word: &str) -> Taken<String> {
    if !tokens.sign(b'(') {
        return Ok(String::new());
    }
    let mut parts: Vec<String> = Vec::new();
    loop {
        let part = scheduler_item(tokens, word)?;
        let name = part.split(' ').next().unwrap_or_default().to_owned();
        let curve = matches!(name.as_str(), "linkshare" | "realtime" | "upperlimit" | "interval" | "target");
        if curve && parts.iter().any(|known| known.split(' ').next() == Some(&name)) {
            return tokens.refuse(format_args!("{name} already specified"));
        }
        parts.push(part);
        if tokens.sign(b')') {
            return Ok(format!("({})", parts.join(" ")));
        }
        tokens.comma();
    }
}

fn scheduler_item(tokens: &mut Tokens<'_>, word: &str) -> Taken<String> {
    if tokens.is_text() {
        let flag = tokens.text()?;
        let known: &[&str] = match word {
            "cbq" => &["default", "borrow", "red", "ecn", "rio", "codel"],
            "codelq" => &["ecn"],
            _ => &["default", "red", "ecn", "rio", "codel"],
        };
        if known.contains(&flag.as_str()) {
            return Ok(flag);
        }
        let (name, kind) = if word == "codelq" { ("codel", "option") } else { (word, "flag") };
        return tokens.refuse(format_args!("unknown {name} {kind} \"{flag}\""));
    }
    let Token::Key(name) = *tokens.peek() else { return tokens.syntax() };
    match (word, name) {
        ("hfsc", "linkshare" | "realtime" | "upperlimit") => {
            tokens.shift();
            if !tokens.sign(b'(') {
                return Ok(format!("{name} {}", bandwidth(tokens)?.1));
            }
            let (_, first) = bandwidth(tokens)?;
            tokens.comma();
            let time = tokens.number()?;
            tokens.comma();
            let (_, second) = bandwidth(tokens)?;
            tokens.expect_sign(b')')?;
            if !(0..=i64::from(i32::MAX)).contains(&time) {
                return tokens.refuse("timing in curve out of range");
            }
            Ok(format!("{name} ({first} {time} {second})"))
        }
        ("fairq", "linkshare") => {
            tokens.shift();
            if !tokens.sign(b'(') {
                return Ok(format!("{name} {}", bandwidth(tokens)?.1));
            }
            let (_, first) = bandwidth(tokens)?;
            let time = tokens.integer()?;
            let (_, second) = bandwidth(tokens)?;
            tokens.expect_sign(b')')?;
            Ok(format!("{name} ({first} {time} {second})"))
        }
        ("fairq", "hogs") => {
            tokens.shift();
            Ok(format!("{name} {}", bandwidth(tokens)?.1))
        }
        ("fairq", "buckets") | ("codelq", "interval" | "target") => {
            tokens.shift();
            Ok(format!("{name} {}", tokens.integer()?))
        }
        _ => tokens.syntax(),
    }
}
