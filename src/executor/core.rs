//! The executor: knows who is asking, looks into the one table, and lets its parts do what is allowed.
//!
//! A request goes through here from top to bottom: who is it ([`Executor::identify`]) → may they
//! ([`permissions::row`]) → have they proved it → the part → a refusal is recorded.

use super::authentication::Authentication;
use super::common::SettingsInForce;
use super::configuration::PotConf;
use super::evidence::Evidence;
use super::facts_cache::Told;
use super::outbox::Answer;
use super::permissions::{self, Row, Who};
use super::protocol::{
    AskedBefore, Command, Greeting, Have, MOST_ASKED, MOST_KNOWN, Reply, Request, RunUnderWay, SessionView,
    SettingSource, SettingView, SettingsView, Shown, StillSo,
};
use super::rate_limiters::RateLimiters;
use super::requester::{Asker, Requester, admit_proof, admit_role};
use super::running::Runs;
use super::strip;
use super::watch::Watching;
use crate::accounts::session::{Lifetimes, token_digest};
use crate::accounts::throttle::address_key;
use crate::facts::HostFacts;
use crate::files::Presence;
use crate::journal::JournalError;
use crate::journal::record::{Action, Change, Outcome, Reported, Role};
use crate::operations::engine::FromRoot;
#[cfg(feature = "simulator")]
use crate::operations::engine::Reboot;
use crate::operations::feedback::RECIPIENT;
use crate::potconf::EditAction;
use crate::process::harmless;
use crate::refusal::{Refusal, RefusalKind};
use crate::settings::{Setting, Settings, Source};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a password counts as given just now.
const FRESH: Duration = Duration::from_mins(5);

/// The privileged side: one per process.
pub struct Executor {
    pub(super) settings: SettingsInForce,
    pub(super) authentication: Arc<Authentication>,
    pub(super) watching: Arc<Watching>,
    pub(super) pot_conf: Arc<PotConf>,
    pub(super) runs: Runs,
    pub(super) evidence: Arc<Evidence>,
    pub(super) paces: Arc<RateLimiters>,
    /// Held as long as this lasts: no backup takes the place of what it works on.
    pub(super) _presence: Presence,
}

pub(super) fn lifetimes(settings: &Settings) -> Lifetimes {
    Lifetimes { idle: settings.idle(), absolute: settings.session(), fresh: FRESH }
}

impl Executor {
    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.get()
    }

    /// Takes new settings; sessions that exist keep their lifetimes until the next request.
    pub fn replace_settings(&self, settings: Settings) {
        let settings = settings.read_after(&self.settings());
        self.watching.note_settings(&settings);
        self.authentication.set_lifetimes(lifetimes(&settings));
        self.watching.engine.take_settings(from_root(&settings));
        self.settings.replace(settings);
    }

    /// Makes a new one-time set-up code when there is no account; whoever can read root's terminal may use it.
    ///
    /// # Errors
    /// The accounts cannot be read, or the kernel gives no random bytes.
    pub fn new_setup_code(&self) -> Result<Option<String>, Refusal> {
        self.authentication.new_setup_code()
    }

    /// From now on the host, a simulated one, can be rebooted from its pages.
    #[cfg(feature = "simulator")]
    pub(crate) fn can_reboot(&self, reboot: Reboot) {
        self.watching.engine.can_reboot(reboot);
    }

    /// From now on no session counts as fresh until its password is given again.
    pub fn forget_fresh_proofs(&self) {
        self.authentication.forget_fresh_proofs();
    }

    /// Facts that are only moments old: for a plan, and at the command line.
    pub(crate) fn present_facts(&self) -> Arc<HostFacts> {
        self.watching.present_facts()
    }

    /// Records that settings which root asked to be read again were not taken, and why; those in force stay.
    pub(crate) fn note_refused_settings(&self, why: &str) {
        self.watching.note_refused_settings(why);
    }

    /// Records that the console made itself a certificate, with the fingerprint that people compare.
    pub(crate) fn note_certificate(&self, words: &str, fingerprint: &str) {
        self.watching.note_certificate(words, fingerprint);
    }

    /// The public key of checkpoints, base64: whoever noted it elsewhere can check a checkpoint on any machine.
    ///
    /// # Errors
    /// The key can neither be read nor made.
    pub(crate) fn checkpoint_key(&self) -> Result<String, JournalError> {
        Ok(self.evidence.key()?.public())
    }

    fn greeting(&self) -> Result<Reply, Refusal> {
        let layout = &self.watching.layout;
        let settings = self.settings();
        Ok(Reply::Greeting(Greeting {
            hostname: self.watching.facts.hostname(),
            simulated: layout.is_below_a_root(),
            set_up_needed: self.authentication.is_set_up_needed()?,
            reason_required: settings.reason_required,
            feedback_recipient: from_root(&settings).feedback_recipient,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pot_conf: layout.shown(&layout.pot_conf()),
            alarm: self.evidence.alarm(),
        }))
    }

    fn session(&self, requester: &Requester) -> Result<Reply, Refusal> {
        let run = strip::under_way(&self.watching.engine);
        let told = self.watching.told_to_others();
        Ok(Reply::Session(self.session_beside(requester, run, &told)?))
    }

    /// What a page about the host is made from, all of one moment.
    fn show(&self, requester: &Requester, follows: bool, have: Have) -> Result<Reply, Refusal> {
        let files = self.pot_conf.files_since(have.files);
        let run = strip::under_way(&self.watching.engine);
        let told = self.watching.told_to_page(follows);
        let session = self.session_beside(requester, run, &told)?;
        let facts = (have.facts != Some(told.revision)).then(|| Box::new(super::facts::view(&told)));
        Ok(Reply::Shown(Box::new(Shown { session, refreshing: told.refreshing, facts, files })))
    }

    /// What a page is made from, and whether all else that it had asked is as it was: each question goes the way of every
    /// other, through the table.
    fn still_so(
        self: &Arc<Self>,
        requester: &Requester,
        page: Command,
        asked: Vec<AskedBefore>,
    ) -> Result<Reply, Refusal> {
        let is_page = matches!(page, Command::Session {} | Command::Show { .. });
        if !is_page || asked.len() > MOST_ASKED || !asked.iter().all(|asked| asked.command.can_be_asked_again()) {
            return Err(Refusal::new(RefusalKind::Malformed, "This cannot be asked again."));
        }
        let page = self.answer_as(requester, page).0?;
        let same = asked.into_iter().all(|AskedBefore { command, told }| {
            let reply = self.answer_as(requester, command).0;
            reply.is_ok_and(|reply| reply.digest().is_ok_and(|digest| digest == told))
        });
        Ok(Reply::StillSo(StillSo { page, same }))
    }

    /// The session with what stands on every page, beside what this one shows of the host.
    fn session_beside(
        &self,
        requester: &Requester,
        run: Option<RunUnderWay>,
        told: &Told,
    ) -> Result<SessionView, Refusal> {
        let mut session = self.authentication.session(requester)?;
        session.strip = self.watching.noticed.strip(&session.name, &self.watching.engine, run, told);
        session.facts = told.revision;
        // Who keeps a change asks for the session, too: that waits for no record on its way to a slow disk.
        session.journal = self.evidence.journal().last_at_once();
        Ok(session)
    }

    fn settings_in_force(&self) -> Reply {
        let layout = &self.watching.layout;
        let settings = self.settings();
        let (file, exists) = settings.file();
        let file = file.map_or_else(|| layout.settings(), std::path::Path::to_owned);
        let view = |setting: Setting| SettingView {
            name: setting.name.to_owned(),
            decides: setting.decides.to_owned(),
            value: setting.value,
            source: match setting.source {
                Source::Default => SettingSource::Default,
                Source::File => SettingSource::File,
                Source::Start => SettingSource::Start,
            },
            at_next_start: setting.at_next_start,
        };
        let settings = settings.in_force().into_iter().map(view).collect();
        Reply::Settings(SettingsView { file: layout.shown(&file), exists, settings })
    }

    /// Answers one request of the web process.
    pub fn answer(self: &Arc<Self>, request: Request) -> Answer {
        let requester = self.identify(&request);
        self.answer_as(&requester, request.command)
    }

    pub(super) fn answer_as(self: &Arc<Self>, requester: &Requester, command: Command) -> Answer {
        let row = permissions::row(&command);
        let operation = self.operation_meant(requester, &command);
        let meant = self.meant(requester, &command);
        // Who signs in is known, and counted, once the password was right.
        let admitted = Self::admit(requester, &row).and_then(|()| match row.who {
            Who::AtLeast(_) => self.paces.take(requester, || requester.actor.name.clone(), &row),
            Who::WebProcess | Who::Anyone => Ok(()),
        });
        if let Err(refusal) = admitted {
            self.record_refusal(requester, row.name, operation, meant, &refusal);
            return (Err(refusal), None);
        }
        let (result, descriptor) = self.dispatch(requester, command);
        if let Err(refusal) = &result {
            // Whoever lost a race tries again: nothing but the refusal is written, which is counted by itself.
            if matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Busy) {
                self.paces.give_back(&requester.actor.name, &row);
            }
            if row.changes {
                self.record_refusal(requester, row.name, operation, meant, refusal);
            }
        }
        (result.map(Box::new), descriptor)
    }

    /// Who is asking: the token says it, nothing else. A person who does something keeps the session.
    pub(super) fn identify(&self, request: &Request) -> Requester {
        let known = request.known.iter().take(MOST_KNOWN).filter_map(|token| token_digest(&token.0)).collect();
        let nobody = Requester::nobody(request.reported.clone(), known);
        let session = request.token.as_ref().and_then(|token| self.authentication.session_of(token));
        let Some((key, actor, role, fresh)) = session else {
            return nobody;
        };
        if !request.follows {
            self.authentication.note_use(&key);
        }
        Requester { actor: Asker::Named(actor), session: Some(key), role: Some(role), fresh, ..nobody }
    }

    /// Whose turn a request takes while it waits, and the role it comes with. It is judged anew when it is answered.
    pub(super) fn who_waits(&self, request: &Request) -> (String, Option<Role>) {
        if let Some((_, actor, role, _)) =
            request.token.as_ref().and_then(|token| self.authentication.session_of(token))
        {
            return (format!("account {}", actor.name), Some(role));
        }
        let asker = match &request.command {
            Command::Greeting {} | Command::JournalAfter { .. } | Command::JournalLines { .. } | Command::Ready {} => {
                "web process".to_owned()
            }
            Command::SignIn { name, .. } if self.authentication.is_known_browser(name, &request.known) => {
                format!("browser of {name}")
            }
            _ => format!("address {}", address_key(request.reported.address.as_deref())),
        };
        (asker, None)
    }

    /// The one look into the table.
    fn admit(requester: &Requester, row: &Row) -> Result<(), Refusal> {
        match row.who {
            Who::WebProcess | Who::Anyone => Ok(()),
            Who::AtLeast(needed) => {
                admit_role(requester, needed)?;
                admit_proof(requester, row.proof)
            }
        }
    }

    fn dispatch(
        self: &Arc<Self>,
        requester: &Requester,
        command: Command,
    ) -> (Result<Reply, Refusal>, Option<OwnedFd>) {
        use Command as C;
        let result = match command {
            C::OpenLog { generation } => {
                return match self.watching.open_log(generation) {
                    Ok((reply, descriptor)) => (Ok(reply), Some(descriptor)),
                    Err(refusal) => (Err(refusal), None),
                };
            }
            C::Greeting {} => self.greeting(),
            C::JournalAfter { after, limit } => self.evidence.after(after, limit),
            C::JournalLines { after, limit } => self.evidence.lines(after, limit).map(Reply::JournalLines),
            C::Ready {} => {
                self.watching.hints.note_ready();
                Ok(Reply::Done {})
            }

            C::SignIn { name, password } => self.authentication.sign_in(requester, &name, &password),
            C::SetUp { code, name, password } => self.authentication.set_up(requester, &code, &name, &password),
            C::SignOut {} => self.authentication.sign_out(requester),
            C::Session {} => self.session(requester),
            C::Settings {} => Ok(self.settings_in_force()),
            C::Prove { password } => self.authentication.prove(requester, &password),

            C::Accounts {} => self.authentication.list_accounts(),
            C::AddAccount { name, role, password } => {
                self.authentication.add_account(requester, &name, role, &password)
            }
            C::SetRole { name, role } => self.authentication.set_role(requester, &name, role),
            C::SetDisabled { name, disabled } => self.authentication.set_disabled(requester, &name, disabled),
            C::ChangePassword { old, new } => self.authentication.change_password(requester, &old, &new),
            C::SetTheme { theme } => self.authentication.set_theme(requester, theme),

            C::Configuration {} => self.pot_conf.configuration(),
            C::Facts { refresh } => Ok(self.watching.read_facts(refresh)),
            C::FollowFacts {} => Ok(self.watching.follow_facts()),
            C::Show { follows, have } => self.show(requester, follows, have),
            C::StillSo { page, asked } => self.still_so(requester, *page, asked),
            C::Backups { file } => self.watching.managed.list_backups(file),
            C::Backup { file, digest } => self.watching.managed.read_backup(file, &digest),
            C::File { file } => self.watching.managed.read_managed(file),
            C::LogFiles {} => self.watching.log_files(),

            C::Review { base, edits } => self.pot_conf.review(requester, &base, &edits),
            C::Draft { changes } => {
                self.watching.noticed.draft(&requester.actor.name, changes);
                Ok(Reply::Done {})
            }
            C::Save { base, edits, reason, accept_errors } => {
                let saved = self.pot_conf.save(requester, &base, &edits, reason.as_deref(), accept_errors);
                if saved.is_ok() {
                    self.watching.noticed.draft(&requester.actor.name, false);
                }
                saved
            }

            C::Plan { operation } => self.runs.plan(requester, operation),
            C::Run { plan, digest, password, confirm_text, reason } => {
                self.runs.run(requester, plan, digest, password.as_ref(), confirm_text.as_deref(), reason.as_deref())
            }
            C::Runs { before, limit } => self.runs.runs(before, limit),
            C::RunList { before, limit } => self.runs.run_list(before, limit),
            C::RunState { run } => self.runs.run_state(run),
            C::RunEvents { run, after, limit } => self.runs.run_events(run, after, limit),
            C::Abort { run } => self.runs.abort(requester, run),
            C::KeepNonce { run, accepted_ms, connection } => self.runs.keep_nonce(run, accepted_ms, connection),
            C::Keep { run, nonce, accepted_ms, connection } => {
                self.runs.keep(requester, run, &nonce, accepted_ms, connection)
            }
            C::PutBack { run } => self.runs.put_back(requester, run),
            C::LeaveDrift { drift, leave } => self.runs.leave_drift(requester, drift, leave),
            C::Dismiss { item, dismissed } => self.runs.dismiss(requester, item, dismissed),
            C::Reboot {} => self.runs.reboot(requester),
            C::Feedback { wrong, missing, usability, name, reply_to, send } => self.runs.feedback(
                requester,
                crate::operations::feedback::Given { wrong, missing, usability, name, reply_to },
                send,
            ),

            C::VerifyJournal {} => self.evidence.verify_journal(),
            C::Checkpoint {} => self.evidence.checkpoint(requester),
            C::RecordExport { format, filter } => self.evidence.record_export(requester, format, &filter),
        };
        (result, None)
    }

    /// The operation that a command is about, for the record of its refusal.
    fn operation_meant(&self, requester: &Requester, command: &Command) -> Option<&'static str> {
        match command {
            Command::Plan { operation } => Some(operation.name()),
            Command::Run { plan, .. } => {
                self.watching.engine.plan_view(&requester.session_name(), *plan).map(|plan| plan.operation.name())
            }
            Command::Abort { run } | Command::Keep { run, .. } | Command::PutBack { run } => {
                self.watching.engine.run_state(*run).ok().map(|run| run.plan.operation.name())
            }
            _ => None,
        }
    }

    /// What a command would set, for the record of its refusal.
    fn meant(&self, requester: &Requester, command: &Command) -> Meant {
        const MOST: usize = 50;
        const LONGEST: usize = 200;
        let mut meant = Meant::default();
        if requester.role.is_none() {
            return meant;
        }
        let account = |name: &str| self.authentication.known_account(name);
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
        requester: &Requester,
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
        let files = (of_pot_conf && !values.is_empty()).then(|| self.watching.managed.read_configuration());
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
        let mut entry = requester.event(Action::Refusal, operation.unwrap_or(command), Outcome::Refused, message);
        entry.changes = values;
        self.evidence.refused(command, entry);
    }

    /// A message that is not one of the protocol's: the connection is dropped and this recorded.
    pub(super) fn record_broken_message(&self, why: &str) {
        tracing::warn!("the web process sent {why}; its connection is dropped");
        let requester = Requester::nobody(Reported::default(), Vec::new());
        let message = format!("A message of the web process was not understood ({why}); its connection was closed.");
        self.evidence.refused("message", requester.event(Action::Refusal, "message", Outcome::Refused, message));
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

/// What of root's settings is the engine's.
pub(super) fn from_root(settings: &Settings) -> FromRoot {
    FromRoot {
        feedback_recipient: settings.feedback_recipient.clone().unwrap_or_else(|| RECIPIENT.to_owned()),
        pf_files: settings.pf_files.clone(),
        command_time: Duration::from_secs(u64::from(settings.command_seconds)),
    }
}
