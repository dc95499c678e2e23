//! The executor: knows who is asking, looks into the one table, and lets the rooms below do what is allowed.
//!
//! A request goes through here from top to bottom: who is it ([`Executor::identify`]) → may they
//! ([`permissions::row`]) → have they proved it → the room → a refusal is recorded.

use super::evidence::{Evidence, Pace};
use super::facts::FactsCache;
use super::permissions::{self, Row, Who};
use super::protocol::{Command, MOST_KNOWN, Reply, Request};
use super::server::Hints;
use super::start::from_root;
use super::versions::Versions;
use crate::accounts::name::AccountName;
use crate::accounts::password::Hasher;
use crate::accounts::session::{Lifetimes, SessionKey, Sessions, token_digest};
use crate::accounts::store::Accounts;
use crate::accounts::throttle::{Throttle, address_key};
use crate::digest::Digest;
use crate::journal::record::{Action, Actor, Change, Entry, Method, Outcome, Reported, Role, Stage};
use crate::layout::Layout;
use crate::operations::engine::Engine;
use crate::operations::plan::ProofNeeded;
use crate::potconf::EditAction;
use crate::process::{Tools, harmless};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use crate::settings::Settings;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// An answer, with a descriptor where the command opens something.
pub type Answer = (Result<Box<Reply>, Refusal>, Option<OwnedFd>);

/// How long a password counts as given just now.
const FRESH: Duration = Duration::from_mins(5);

/// The privileged side: one per process.
pub struct Executor {
    pub(super) layout: Layout,
    pub(super) tools: Arc<RwLock<Tools>>,
    pub(super) settings: Arc<RwLock<Arc<Settings>>>,
    pub(super) engine: Arc<Engine>,
    pub(super) simulated: bool,
    pub(super) accounts: Accounts,
    pub(super) hasher: Hasher,
    pub(super) throttle: Mutex<Throttle>,
    pub(super) sessions: Mutex<Sessions>,
    /// Digest of the one-time set-up code, while there is one.
    pub(super) setup_code: Mutex<Option<Digest>>,
    pub(super) evidence: Arc<Evidence>,
    pub(super) facts: FactsCache,
    pub(super) versions: Versions,
    pub(super) hints: Arc<Hints>,
    /// Saves of this process stand in line here before they compete for the lock on disk.
    pub(super) line: Mutex<()>,
    /// What each account still may do of what leaves traces, by account and command.
    pub(super) paces: Mutex<HashMap<(String, &'static str), Pace>>,
}

/// Who is asking, as far as the executor knows.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub actor: Actor,
    pub reported: Reported,
    pub session: Option<SessionKey>,
    /// Digests of the proofs that the browser carries of having signed in before.
    pub known: Vec<Digest>,
    pub role: Option<Role>,
    pub fresh: bool,
    /// root at this machine's own command line.
    pub terminal: bool,
}

impl Asking {
    /// What tells this asker's plans and nonces from another's.
    pub fn session_name(&self) -> String {
        match &self.session {
            Some(key) => key.hex(),
            None => "command-line".to_owned(),
        }
    }

    /// An event about this asker.
    pub fn event(&self, action: Action, object: impl Into<String>, outcome: Outcome, message: String) -> Entry {
        Entry {
            stage: Stage::Event,
            intent: None,
            actor: self.actor.clone(),
            reported: self.reported.clone(),
            action,
            object: object.into(),
            changes: Vec::new(),
            diff: None,
            before: None,
            after: None,
            reason: None,
            outcome: Some(outcome),
            message,
            run: None,
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn lifetimes(settings: &Settings) -> Lifetimes {
    Lifetimes { idle: settings.idle(), absolute: settings.session(), fresh: FRESH }
}

impl Executor {
    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes new settings; sessions that exist keep their lifetimes until the next request.
    pub fn replace_settings(&self, settings: Settings) {
        self.note_settings(&settings);
        lock(&self.sessions).set_lifetimes(lifetimes(&settings));
        self.engine.take_settings(from_root(&settings));
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Answers one request of the web process.
    pub fn answer(self: &Arc<Self>, request: Request) -> Answer {
        let asking = self.identify(&request);
        self.answer_as(&asking, request.command)
    }

    pub(super) fn answer_as(self: &Arc<Self>, asking: &Asking, command: Command) -> Answer {
        let row = permissions::row(&command);
        let operation = self.operation_meant(asking, &command);
        let meant = self.meant(asking, &command);
        // Who signs in is known, and counted, once the password was right.
        let admitted = Self::admit(asking, &row).and_then(|()| match row.who {
            Who::AtLeast(_) => self.within_pace(asking, &asking.actor.name, &row),
            Who::WebProcess | Who::Anyone => Ok(()),
        });
        if let Err(refusal) = admitted {
            self.record_refusal(asking, row.name, operation, meant, &refusal);
            return (Err(refusal), None);
        }
        let (result, descriptor) = self.dispatch(asking, command);
        if let Err(refusal) = &result {
            // Whoever lost a race tries again: nothing but the refusal is written, which is counted by itself.
            if matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Busy)
                && let Some(pace) = lock(&self.paces).get_mut(&(asking.actor.name.clone(), row.name))
            {
                pace.give_back();
            }
            if row.changes {
                self.record_refusal(asking, row.name, operation, meant, refusal);
            }
        }
        (result.map(Box::new), descriptor)
    }

    /// Counts what leaves traces, each account by itself; the terminal is root's.
    pub(super) fn within_pace(&self, asking: &Asking, account: &str, row: &Row) -> Result<(), Refusal> {
        let Some(often) = row.often.filter(|_| !asking.terminal) else { return Ok(()) };
        let mut paces = lock(&self.paces);
        let pace =
            paces.entry((account.to_owned(), row.name)).or_insert_with(|| Pace::new((often.at_once, often.each)));
        if pace.take(Instant::now()) {
            return Ok(());
        }
        let words =
            format!("This account did this {} times within a short time. Try again in a minute.", often.at_once);
        Err(Refusal::new(RefusalKind::Throttled, words))
    }

    /// Who is asking: the token says it, nothing else. A person who does something keeps the session.
    fn identify(&self, request: &Request) -> Asking {
        let reported = tidy(request.reported.clone());
        let known = request.known.iter().take(MOST_KNOWN).filter_map(|token| token_digest(&token.0)).collect();
        let nobody =
            Asking { actor: nobody(), reported, session: None, known, role: None, fresh: false, terminal: false };
        let Some((key, actor, role, fresh)) = request.token.as_ref().and_then(|token| self.session_of(token)) else {
            return nobody;
        };
        if !request.follows {
            lock(&self.sessions).note_use(&key, Instant::now());
        }
        Asking { actor, session: Some(key), role: Some(role), fresh, ..nobody }
    }

    /// Whose turn a request takes while it waits, and the role it comes with. It is judged anew when it is answered.
    pub(super) fn who_waits(&self, request: &Request) -> (String, Option<Role>) {
        if let Some((_, actor, role, _)) = request.token.as_ref().and_then(|token| self.session_of(token)) {
            return (format!("account {}", actor.name), Some(role));
        }
        let asker = match &request.command {
            Command::Greeting {} | Command::JournalAfter { .. } | Command::Ready {} => "web process".to_owned(),
            Command::SignIn { name, .. } if self.is_known_browser(name, &request.known) => format!("browser of {name}"),
            _ => format!("address {}", address_key(request.reported.address.as_deref())),
        };
        (asker, None)
    }

    fn session_of(&self, token: &Secret) -> Option<(SessionKey, Actor, Role, bool)> {
        let key = SessionKey::of_token(&token.0)?;
        let now = Instant::now();
        let (name, method, fresh, credential) = {
            let mut sessions = lock(&self.sessions);
            let lifetimes = sessions.lifetimes();
            let session = sessions.look_up(&key, now)?;
            (session.name.clone(), session.method, session.is_fresh(&lifetimes, now), session.credential)
        };
        // The role is the account's present one, a disabled account has none, and another password ends what began with
        // the old one: whoever changes an account, here or at the command line, need not wait for a session to end.
        let account = match self.accounts.find(&name) {
            Ok(account) => account.filter(|account| !account.disabled && account.credential() == credential),
            Err(error) => {
                tracing::error!("{error}");
                return None;
            }
        };
        let Some(account) = account else {
            lock(&self.sessions).end(&key);
            return None;
        };
        let actor = Actor {
            name: name.to_string(),
            role: Some(account.role),
            method,
            session: Some(key.short()),
            claimed: None,
        };
        Some((key, actor, account.role, fresh))
    }

    /// The one look into the table.
    fn admit(asking: &Asking, row: &Row) -> Result<(), Refusal> {
        match row.who {
            Who::WebProcess | Who::Anyone => Ok(()),
            Who::AtLeast(needed) => {
                admit_role(asking, needed)?;
                Self::admit_proof(asking, row.proof)
            }
        }
    }

    /// Whether a proof that needs nothing but the session is there. What takes a password now or a terminal is
    /// checked where the plan is known.
    pub(super) fn admit_proof(asking: &Asking, proof: ProofNeeded) -> Result<(), Refusal> {
        if proof == ProofNeeded::Fresh && !asking.fresh && !asking.terminal {
            return Err(Refusal::new(
                RefusalKind::ProofNeeded,
                "Give your password again first: this needs one from the last five minutes.",
            ));
        }
        Ok(())
    }

    fn dispatch(self: &Arc<Self>, asking: &Asking, command: Command) -> (Result<Reply, Refusal>, Option<OwnedFd>) {
        use Command as C;
        let result = match command {
            C::OpenLog { generation } => {
                return match self.open_log(generation) {
                    Ok((reply, descriptor)) => (Ok(reply), Some(descriptor)),
                    Err(refusal) => (Err(refusal), None),
                };
            }
            C::Greeting {} => self.greeting(),
            C::JournalAfter { after, limit } => self.evidence.after(after, limit),
            C::Ready {} => self.note_ready(),

            C::SignIn { name, password } => self.sign_in(asking, &name, &password),
            C::SetUp { code, name, password } => self.set_up(asking, &code, &name, &password),
            C::SignOut {} => self.sign_out(asking),
            C::Session {} => self.session(asking),
            C::Prove { password } => self.prove(asking, &password),

            C::Accounts {} => self.list_accounts(),
            C::AddAccount { name, role, password } => self.add_account(asking, &name, role, &password),
            C::SetRole { name, role } => self.set_role(asking, &name, role),
            C::SetDisabled { name, disabled } => self.set_disabled(asking, &name, disabled),
            C::ChangePassword { old, new } => self.change_password(asking, &old, &new),

            C::Configuration {} => self.configuration(),
            C::Facts { refresh } => self.read_facts(refresh),
            C::Backups { file } => self.list_backups(file),
            C::Backup { file, digest } => self.read_backup(file, &digest),
            C::File { file } => self.read_managed(file),
            C::LogFiles {} => self.log_files(),

            C::Review { base, edits } => self.review(asking, &base, &edits),
            C::Save { base, edits, reason, accept_errors } => {
                self.save(asking, &base, &edits, reason.as_deref(), accept_errors)
            }

            C::Plan { operation } => self.plan(asking, operation),
            C::Run { plan, digest, password, confirm_text, reason } => {
                self.run(asking, plan, digest, password.as_ref(), confirm_text.as_deref(), reason.as_deref())
            }
            C::Runs { before, limit } => self.runs(before, limit),
            C::RunState { run } => self.run_state(run),
            C::RunEvents { run, after, limit } => self.run_events(run, after, limit),
            C::Abort { run } => self.abort(asking, run),
            C::KeepNonce { run, accepted_ms, connection } => self.keep_nonce(run, accepted_ms, connection),
            C::Keep { run, nonce, accepted_ms, connection } => self.keep(asking, run, &nonce, accepted_ms, connection),
            C::PutBack { run } => self.put_back(asking, run),
            C::SetAside { item, aside } => self.set_aside(asking, item, aside),
            C::Feedback { wrong, missing, usability, name, reply_to, send } => self.feedback(
                asking,
                crate::operations::feedback::Given { wrong, missing, usability, name, reply_to },
                send,
            ),

            C::VerifyJournal {} => self.verify_journal(),
            C::Checkpoint {} => self.checkpoint(asking),
            C::RecordExport { format, filter } => self.record_export(asking, format, &filter),
        };
        (result, None)
    }

    /// The operation that a command is about, for the record of its refusal.
    fn operation_meant(&self, asking: &Asking, command: &Command) -> Option<&'static str> {
        match command {
            Command::Plan { operation } => Some(operation.name()),
            Command::Run { plan, .. } => {
                self.engine.plan_view(&asking.session_name(), *plan).map(|plan| plan.operation.name())
            }
            Command::Abort { run } | Command::Keep { run, .. } | Command::PutBack { run } => {
                self.engine.run_state(*run).ok().map(|run| run.plan.operation.name())
            }
            _ => None,
        }
    }

    /// What a command would set, for the record of its refusal.
    fn meant(&self, asking: &Asking, command: &Command) -> Meant {
        const MOST: usize = 50;
        const LONGEST: usize = 200;
        let mut meant = Meant::default();
        if asking.role.is_none() {
            return meant;
        }
        let account =
            |name: &str| AccountName::parse(name).ok().and_then(|name| self.accounts.find(&name).ok().flatten());
        let change = |name: &str, from: Option<String>, to: Option<String>| Change { name: name.to_owned(), from, to };
        match command {
            Command::Save { edits, .. } => {
                meant.of_pot_conf = true;
                for edit in edits {
                    let name = edit.name.as_str();
                    let value = match &edit.action {
                        EditAction::Set(value) => Some(value),
                        EditAction::Unset => None,
                    };
                    if edit.name.parameter().is_none() && edit.name.extra_interface().is_none() {
                        meant.unfit.push(name.to_owned());
                        meant.unfit.extend(value.cloned());
                    } else if meant.values.len() < MOST {
                        let is_long = value.is_some_and(|value| value.chars().count() > LONGEST);
                        let rest = if is_long { "…" } else { "" };
                        let cut = |value: &String| format!("{}{rest}", value.chars().take(LONGEST).collect::<String>());
                        meant.values.push(change(name, None, value.map(cut)));
                    }
                }
            }
            Command::SetRole { name, role } => match account(name) {
                Some(account) => {
                    meant.values.push(change("role", Some(account.role.to_string()), Some(role.to_string())));
                }
                None => meant.unfit.push(name.clone()),
            },
            Command::SetDisabled { name, disabled } => match account(name) {
                Some(account) => {
                    let from = Some(account.disabled.to_string());
                    meant.values.push(change("disabled", from, Some(disabled.to_string())));
                }
                None => meant.unfit.push(name.clone()),
            },
            Command::AddAccount { name, .. } if account(name).is_none() => meant.unfit.push(name.clone()),
            _ => {}
        }
        meant
    }

    /// A refusal goes into the journal; floods are counted there instead of filling it.
    pub(super) fn record_refusal(
        &self,
        asking: &Asking,
        command: &'static str,
        operation: Option<&'static str>,
        meant: Meant,
        refusal: &Refusal,
    ) {
        // Wrong passwords have their own records, with the account's name.
        if matches!(refusal.kind, RefusalKind::WrongPassword | RefusalKind::NotRecorded) {
            return;
        }
        let what = operation.map_or_else(|| command.to_owned(), |operation| format!("{command} {operation}"));
        let Meant { of_pot_conf, mut values, unfit } = meant;
        let tells = unfit.iter().any(|word| !word.is_empty() && refusal.message.contains(word));
        let why = if tells { "It names something that is not known here." } else { &refusal.message };
        let mut message = format!("{what} was refused: {}", harmless(why));
        let files = (of_pot_conf && !values.is_empty()).then(|| self.read_configuration());
        if let Some(Ok(files)) = &files {
            for value in &mut values {
                value.from = files.configuration.own_value(&value.name);
            }
            // A form sends more than was changed in it.
            values.retain(|value| value.from != value.to);
        }
        if !values.is_empty() {
            message.push_str(&format!(" Asked for: {}.", harmless(&asked_for(&values))));
        }
        // What stood there is not known: nothing is said of it.
        if let Some(Err(_)) = files {
            values.clear();
        }
        let mut entry = asking.event(Action::Refusal, operation.unwrap_or(command), Outcome::Refused, message);
        entry.changes = values;
        self.evidence.refused(command, entry);
    }

    /// A message that is not one of the protocol's: the connection is dropped and this recorded.
    pub(super) fn record_broken_message(&self, why: &str) {
        tracing::warn!("the web process sent {why}; its connection is dropped");
        let asking = Asking {
            actor: nobody(),
            reported: Reported::default(),
            session: None,
            known: Vec::new(),
            role: None,
            fresh: false,
            terminal: false,
        };
        let message = format!("A message of the web process was not understood ({why}); its connection was closed.");
        self.evidence.refused("message", asking.event(Action::Refusal, "message", Outcome::Refused, message));
    }
}

pub(super) fn admit_role(asking: &Asking, needed: Role) -> Result<(), Refusal> {
    match asking.role {
        None => Err(Refusal::new(RefusalKind::SignInNeeded, "Sign in first, or again: there is no such session.")),
        Some(role) if role < needed => {
            Err(Refusal::new(RefusalKind::Forbidden, format!("This takes the role {needed}; yours is {role}.")))
        }
        Some(_) => Ok(()),
    }
}

/// What a command would set, as far as the record of its refusal may tell it.
#[derive(Debug, Default)]
pub(super) struct Meant {
    /// The values are those of pot.conf.
    of_pot_conf: bool,
    /// Values of parameters that pot knows and of accounts that exist; never a password.
    values: Vec<Change>,
    /// Names that do not exist and what they were to hold: it may be a password that was typed in the wrong place.
    unfit: Vec<String>,
}

/// `POT_NETWORK to 10.200.0.0/16`, at most five of them.
fn asked_for(values: &[Change]) -> String {
    const SHOWN: usize = 5;
    let mut words: Vec<String> = values
        .iter()
        .take(SHOWN)
        .map(|value| format!("{} to {}", value.name, value.to.as_deref().unwrap_or("the default")))
        .collect();
    if values.len() > SHOWN {
        words.push(format!("and {} more", values.len() - SHOWN));
    }
    words.join(", ")
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
