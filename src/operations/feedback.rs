//! Feedback on pot: stored first, then, only when asked to, handed to the host's own mailer.

use super::engine::Engine;
use super::looking::lines;
pub(crate) use super::runner::RECIPIENT;
use super::runner::{Runner, failed};
use crate::files::{self, Expected};
use crate::journal::record::{Action as Act, Actor, Entry, Outcome, Reported};
use crate::layout::Layout;
use crate::process::{ProcessError, Tool};
use crate::refusal::{Refusal, RefusalKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// Longest answer, in characters.
const LONGEST: usize = 10_000;
/// Longest text that is mailed, in bytes; a longer one is kept, and its writer sends it.
const LONGEST_MAIL: usize = 16 << 10;
/// Texts that are kept of one account.
const MOST_KEPT: usize = 100;
/// Mails that one account may send within an hour and within a day.
const MAILS_OF_ACCOUNT: [(usize, Duration); 2] = [(5, Duration::from_hours(1)), (10, Duration::from_hours(24))];
/// Mails that this host sends, whoever wrote them.
const MAILS_OF_HOST: [(usize, Duration); 2] = [(10, Duration::from_hours(1)), (20, Duration::from_hours(24))];

/// What someone wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// What is wrong with pot.
    pub wrong: String,
    /// What is missing.
    pub missing: String,
    /// How bad it is to use.
    pub usability: String,
    /// Name, if they gave one.
    pub name: Option<String>,
    /// Reply address, if they gave one.
    pub reply_to: Option<String>,
}

/// Feedback as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When it was given.
    pub at: Timestamp,
    /// By which account.
    pub actor: String,
    /// What they wrote.
    #[serde(flatten)]
    pub given: Given,
    /// Whether the mailer took it; none when it was not asked to.
    pub sent: Option<bool>,
    /// The mailer's answer, or why there is none.
    pub answer: String,
    /// Whether it was handed to the mailer, whatever came of that: it counts for how many may be.
    #[serde(default)]
    pub(crate) handed_over: bool,
}

/// What came of storing and sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Whether the mailer took it; none when it was not asked to.
    pub sent: Option<bool>,
    /// The mailer's answer, or why there is none.
    pub answer: String,
    /// The whole text, for copying.
    pub text: String,
    /// To whom it goes.
    pub recipient: String,
}

/// All that was kept, newest first.
pub fn list(layout: &Layout) -> Vec<Kept> {
    let mut all: Vec<Kept> = paths(layout).filter_map(|path| read(&path)).collect();
    all.sort_by_key(|kept| std::cmp::Reverse(kept.at));
    all
}

fn paths(layout: &Layout) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(layout.private().join("feedback")).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

fn read(path: &Path) -> Option<Kept> {
    super::runs::from_json(path, &files::read_limited(path, 1 << 20).ok()?).ok()
}

/// What an account's files end in. Its name's grammar has nothing in it that a path could mistake.
fn ending(actor: &Actor) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    format!("-{}.json", actor.name.chars().filter(plain).collect::<String>())
}

/// Whether a file, `UUID-ACCOUNT.json`, is this account's.
fn is_of(path: &Path, ending: &str) -> bool {
    const UUID: usize = 36;
    path.file_name().and_then(|name| name.to_str()?.get(UUID..)).is_some_and(|rest| rest == ending)
}

/// Why one more mail would be too many now, if it would. Counted from what is kept, so that no restart begins anew.
fn too_many_mails(layout: &Layout, actor: &Actor, now: Timestamp) -> Option<String> {
    let age = |at: Timestamp| now.duration_since(at).unsigned_abs();
    // Read at most of what was written within a day.
    let lately = paths(layout).filter(|path| {
        let written = path.metadata().and_then(|found| found.modified()).ok();
        written.is_some_and(|at| at.elapsed().is_ok_and(|age| age < DAY) || at.elapsed().is_err())
    });
    let mails: Vec<(String, Duration)> = lately
        .filter_map(|path| read(&path))
        .filter(|kept| kept.handed_over || kept.sent == Some(true))
        .map(|kept| (kept.actor, age(kept.at)))
        .collect();
    let over = |limits: [(usize, Duration); 2], of: &dyn Fn(&str) -> bool| {
        limits
            .into_iter()
            .find(|(most, within)| mails.iter().filter(|(by, age)| of(by) && age < within).count() >= *most)
    };
    let (words, (most, within)) = match over(MAILS_OF_ACCOUNT, &|by| by == actor.name) {
        Some(limit) => ("you", limit),
        None => ("this host", over(MAILS_OF_HOST, &|_| true)?),
    };
    let time = if within == DAY { "a day" } else { "an hour" };
    Some(format!("{words} may send {most} mails within {time}, and these were sent"))
}

/// One mail at a time: two must not both be the last one that is allowed.
static MAILING: Mutex<()> = Mutex::new(());

/// Stores feedback, and hands it to the host's mailer when asked to.
///
/// # Errors
/// It could not be stored or recorded; nothing was sent then.
pub fn store(engine: &Engine, given: Given, send: bool, actor: &Actor, reported: &Reported) -> Result<Stored, Refusal> {
    let runner = engine.runner();
    let given = checked(given)?;
    let recipient = runner.in_force().feedback_recipient.clone();
    let text = text(&given);
    let at = runner.settings.clock.wall();
    let folder = runner.host.layout.private().join("feedback");
    files::make_private_dir(&folder).map_err(failed)?;
    let ending = ending(actor);
    if paths(&runner.host.layout).filter(|path| is_of(path, &ending)).count() >= MOST_KEPT {
        let words = format!(
            "{MOST_KEPT} texts of yours are kept already. Nothing has been stored. Whoever is root can take some out of {}.",
            runner.host.layout.shown(&folder)
        );
        return Err(Refusal::new(RefusalKind::Limit, words));
    }
    // Two that say the same in the same millisecond are two.
    let path = folder.join(format!("{}{ending}", uuid::Uuid::now_v7()));
    let mut kept = Kept {
        at,
        actor: actor.name.clone(),
        given,
        sent: None,
        answer: "not sent, as asked".to_owned(),
        handed_over: false,
    };
    let write = |kept: &Kept| {
        let bytes = super::runs::json(&path, kept)?;
        files::replace_with_mode(&path, &Expected::Anything, &bytes, 0o600, &|_| ()).map(|_| ())
    };
    write(&kept).map_err(failed)?;
    let mut entry = Entry::event(
        actor.clone(),
        reported.clone(),
        Act::Feedback,
        "feedback",
        "Feedback on pot was stored.".to_owned(),
    );
    entry.outcome = Some(Outcome::Done);
    runner.record(entry)?;
    if send {
        let _one = MAILING.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = if text.len() > LONGEST_MAIL {
            Some(format!("it has {} KiB, and {} are mailed at most", text.len().div_ceil(1024), LONGEST_MAIL >> 10))
        } else {
            too_many_mails(&runner.host.layout, actor, at)
        };
        if let Some(answer) = refused {
            kept.sent = Some(false);
            kept.answer = answer;
            // The record above says that it was stored; that it was not sent is said to its writer and kept with it.
            write(&kept).map_err(failed)?;
            return Ok(Stored { sent: kept.sent, answer: kept.answer, text, recipient });
        }
        kept.handed_over = true;
        // Before it goes: one that cannot be counted is not sent.
        write(&kept).map_err(failed)?;
        let (sent, answer) = hand_over(runner, &recipient, &kept.given, &text);
        kept.sent = Some(sent);
        kept.answer = answer;
        let _ = write(&kept);
        let message = if sent {
            format!("Feedback on pot was handed to the mailer for {recipient}.")
        } else {
            format!("Feedback on pot could not be handed to the mailer: {}", kept.answer)
        };
        let mut entry = Entry::event(actor.clone(), reported.clone(), Act::Feedback, "feedback", message);
        entry.outcome = Some(if sent { Outcome::Done } else { Outcome::Failed });
        let _ = runner.record(entry);
    }
    Ok(Stored { sent: kept.sent, answer: kept.answer, text, recipient })
}

fn hand_over(runner: &Runner, recipient: &str, given: &Given, text: &str) -> (bool, String) {
    if !is_address(recipient) {
        return (false, "the setting feedback_recipient is no mail address".to_owned());
    }
    runner.host.refresh_tools();
    let message = message(recipient, given, text);
    // The recipient is root's setting; nothing from the form is an argument or stands in a header unchecked.
    match runner.host.ask(Tool::Sendmail, &["-t", "-oi"], Some(message.as_bytes()), runner.settings.mailer_time) {
        Ok(answer) => {
            let mut words = lines(&answer.stderr);
            words.extend(lines(&answer.stdout));
            let words = words.join(" ");
            if answer.timed_out {
                let seconds = runner.settings.mailer_time.as_secs();
                return (false, format!("the mailer did not answer within {seconds} s and was ended"));
            }
            match answer.status {
                Some(0) if words.is_empty() => {
                    (true, "The mailer took it; queueing and retries are its own.".to_owned())
                }
                Some(0) => (true, format!("The mailer took it: {words}")),
                Some(status) => (false, format!("the mailer ended with status {status}: {words}")),
                None => (false, format!("the mailer was ended by a signal: {words}")),
            }
        }
        Err(ProcessError::NotInstalled(_)) => (false, "this host has no mailer (sendmail)".to_owned()),
        Err(error) => (false, error.to_string()),
    }
}

/// The whole mail. Text of people is in the body alone; a reply address only when it is one.
fn message(recipient: &str, given: &Given, text: &str) -> String {
    let mut headers = format!("To: {recipient}\nSubject: Feedback on pot\n");
    if let Some(reply) = given.reply_to.as_deref().filter(|reply| is_address(reply)) {
        headers.push_str(&format!("Reply-To: {reply}\n"));
    }
    format!(
        "{headers}MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}"
    )
}

/// The guide's questions with the answers.
pub fn text(given: &Given) -> String {
    let mut text = String::new();
    for (question, answer) in [
        ("What's wrong with pot?", &given.wrong),
        ("What's the missing feature I really need?", &given.missing),
        ("How bad is it to use? How can it be more user-friendly?", &given.usability),
    ] {
        let answer = if answer.trim().is_empty() { "(no answer)" } else { answer.trim() };
        text.push_str(&format!("{question}\n\n{answer}\n\n"));
    }
    if let Some(name) = &given.name {
        text.push_str(&format!("{name}\n"));
    }
    // Whoever gets the text by another way than the host's mailer has no header to reply to.
    if let Some(reply) = &given.reply_to {
        text.push_str(&format!("Reply to: {reply}\n"));
    }
    text
}

/// Bounds lengths, drops control characters, refuses a reply address that is none.
fn checked(given: Given) -> Result<Given, Refusal> {
    let answer = |field: &str, text: String| -> Result<String, Refusal> {
        if text.chars().count() > LONGEST {
            let message = format!("This answer is longer than {LONGEST} characters. Nothing has been stored.");
            return Err(Refusal::new(RefusalKind::Limit, message).on(field));
        }
        Ok(text.replace("\r\n", "\n").chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect())
    };
    let line = |text: Option<String>| {
        text.map(|text| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>().trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let reply_to = given.reply_to.map(|reply| reply.trim().to_owned()).filter(|reply| !reply.is_empty());
    if let Some(reply) = &reply_to
        && !is_address(reply)
    {
        return Err(
            Refusal::new(RefusalKind::Limit, "This is no mail address. Nothing has been stored.").on("reply_to")
        );
    }
    let given = Given {
        wrong: answer("wrong", given.wrong)?,
        missing: answer("missing", given.missing)?,
        usability: answer("usability", given.usability)?,
        name: line(given.name),
        reply_to,
    };
    if given.wrong.trim().is_empty() && given.missing.trim().is_empty() && given.usability.trim().is_empty() {
        return Err(
            Refusal::new(RefusalKind::Limit, "All three answers are empty. Nothing has been stored.").on("wrong")
        );
    }
    Ok(given)
}

/// A plain mail address: no quotes, blanks, commas, angle brackets or line ends, so it can stand in a header.
pub(crate) fn is_address(text: &str) -> bool {
    let plain = |part: &str, more: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            plain(local, ".!#$%&'*+/=?^_`{|}~-")
                && !local.starts_with('-')
                && plain(domain, ".-")
                && !domain.starts_with(['.', '-'])
                && !domain.ends_with(['.', '-'])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_form_gets_into_the_headers() {
        for bad in ["a@b\nBcc: c@d", "a@b, c@d", "<a@b>", "a b@c", "a@", "@b", "a@b\r\nX: y", "\"a\"@b", "-f@b.c"] {
            assert!(!is_address(bad), "{bad:?}");
            let given = Given { wrong: "x".to_owned(), reply_to: Some(bad.to_owned()), ..Given::default() };
            assert!(checked(given.clone()).is_err(), "{bad:?}");
            assert!(!message("r@s.t", &given, "body").contains("Reply-To"), "{bad:?}");
        }
        let given = Given {
            wrong: "x\r\n.\r\nBcc: c@d".to_owned(),
            name: Some("Anna\nBcc: c@d".to_owned()),
            reply_to: Some("anna@example.org".to_owned()),
            ..Given::default()
        };
        let given = checked(given).unwrap();
        let mail = message("r@s.t", &given, &text(&given));
        let (headers, _) = mail.split_once("\n\n").unwrap();
        assert!(!headers.contains("Bcc"), "{headers}");
        assert!(headers.contains("Reply-To: anna@example.org"));
    }

    #[test]
    fn empty_feedback_is_refused_and_long_feedback_named() {
        assert!(checked(Given::default()).is_err());
        let long = Given { missing: "x".repeat(LONGEST + 1), ..Given::default() };
        assert_eq!(checked(long).unwrap_err().field.as_deref(), Some("missing"));
    }
}
