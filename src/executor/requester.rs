//! Who asks, and what is asked of them: their role, a password given just now.

use crate::accounts::session::SessionKey;
use crate::digest::Digest;
use crate::journal::record::{Action, Actor, Entry, Method, Outcome, Reported, Role};
use crate::plan::ProofNeeded;
use crate::process::harmless;
use crate::refusal::{Refusal, RefusalKind};
use std::ops::Deref;
use std::sync::OnceLock;

/// What an asker is called in the journal.
#[derive(Debug, Clone)]
pub(super) enum Asker {
    /// As the executor or a session says.
    Named(Actor),
    /// Whoever sits at the command line: looked up in the system's accounts when something is recorded. Most commands only
    /// read, and the look-up would be a twentieth of their time.
    AtTheCommandLine(OnceLock<Actor>),
}

impl Deref for Asker {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        match self {
            Self::Named(actor) => actor,
            Self::AtTheCommandLine(actor) => actor.get_or_init(command_line_actor),
        }
    }
}

/// Who is asking, as far as the executor knows.
#[derive(Debug, Clone)]
pub(super) struct Requester {
    pub actor: Asker,
    pub reported: Reported,
    pub session: Option<SessionKey>,
    /// Digests of the proofs that the browser carries of having signed in before.
    pub known: Vec<Digest>,
    pub role: Option<Role>,
    pub fresh: bool,
    /// root at this machine's own command line.
    pub terminal: bool,
}

impl Requester {
    /// What tells this asker's plans and nonces from another's.
    pub(crate) fn session_name(&self) -> String {
        match &self.session {
            Some(key) => key.hex(),
            None => "command-line".to_owned(),
        }
    }

    /// An event about this asker.
    pub fn event(&self, action: Action, object: impl Into<String>, outcome: Outcome, message: String) -> Entry {
        Entry {
            outcome: Some(outcome),
            ..Entry::event(Actor::clone(&self.actor), self.reported.clone(), action, object, message)
        }
    }
}

/// The executor's own name in the journal.
pub(super) fn console() -> Actor {
    Actor { name: "pot-console".to_owned(), role: None, method: Method::Console, session: None, claimed: None }
}

fn nobody() -> Actor {
    Actor { name: "nobody".to_owned(), role: None, method: Method::None, session: None, claimed: None }
}

impl Requester {
    /// Nobody that is known, with what their side says about itself.
    pub(super) fn nobody(reported: Reported, known: Vec<Digest>) -> Self {
        Self {
            actor: Asker::Named(nobody()),
            reported: tidy(reported),
            session: None,
            known,
            role: None,
            fresh: false,
            terminal: false,
        }
    }
}

/// Who sits at the command line: the user's login name; `SUDO_USER` only as claimed, for an environment proves nothing.
pub(crate) fn command_line_actor() -> Actor {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
    let claimed = std::env::var("SUDO_USER").or_else(|_| std::env::var("DOAS_USER")).ok();
    Actor {
        name,
        role: Some(Role::Admin),
        method: Method::CommandLine,
        session: None,
        claimed: claimed.map(|name| harmless(&name.chars().take(64).collect::<String>()).into_owned()),
    }
}

pub(super) fn admit_role(requester: &Requester, needed: Role) -> Result<(), Refusal> {
    match requester.role {
        None => Err(Refusal::new(RefusalKind::SignInNeeded, "Sign in first, or again: there is no such session.")),
        Some(role) if role < needed => {
            Err(Refusal::new(RefusalKind::Forbidden, format!("This takes the role {needed}; yours is {role}.")))
        }
        Some(_) => Ok(()),
    }
}

/// Whether a proof that needs nothing but the session is there. What takes a password now or a terminal is
/// checked where the plan is known.
pub(super) fn admit_proof(requester: &Requester, proof: ProofNeeded) -> Result<(), Refusal> {
    if proof == ProofNeeded::Fresh && !requester.fresh && !requester.terminal {
        return Err(Refusal::new(
            RefusalKind::ProofNeeded,
            "Give your password again first: this needs one from the last five minutes.",
        ));
    }
    Ok(())
}

/// What is reported is kept short and printable: it goes into the journal and from there into terminals.
fn tidy(reported: Reported) -> Reported {
    let cut = |text: String, most: usize| harmless(&text.chars().take(most).collect::<String>()).into_owned();
    Reported {
        address: reported.address.map(|text| cut(text, 64)),
        browser: reported.browser.map(|text| cut(text, 200)),
    }
}

/// A reason or other free text: trimmed, printable, at most `most` characters; nothing when it is empty.
pub(super) fn free_text(text: Option<&str>, most: usize, field: &'static str) -> Result<Option<String>, Refusal> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > most {
        return Err(Refusal::new(
            RefusalKind::Limit,
            format!("The {field} has {} characters; at most {most} are kept.", text.chars().count()),
        )
        .on(field));
    }
    Ok(Some(text.lines().map(harmless).collect::<Vec<_>>().join("\n")))
}
