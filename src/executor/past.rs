//! The past of a simulated host in use: weeks of changes by three people, told by the executor's own code with a clock
//! handed in. What stands at the end is what the host's files said at the beginning, byte for byte.
//!
//! Nobody is asked anything: sessions are real ones, but begun without a password (the accounts have none that anyone
//! knows), and the one run is on a host of which the simulation says what was known. All else is what a server does: the
//! same table, the same locks, the same journal.

use super::core::Executor;
use super::protocol::{Command, Reply, Request, Saved, Started, VERSION};
use super::requester::{Asker, Requester};
use super::start::StartError;
use super::watch::WATCHED;
use crate::accounts::name::AccountName;
use crate::clock::{Clock, SinceBoot};
use crate::facts::{Fact, HostFacts, RACCT, Tunable};
use crate::files::Lock;
use crate::host::parse::loader;
use crate::journal::record::{Action, Actor, Method, Outcome, Reported, Role};
use crate::layout::Layout;
use crate::plan::{Operation, Plan, Preparation};
use crate::platform::{NotAwaited, since_boot_ms};
use crate::potconf::{Edit, Name};
use crate::refusal::{Refusal, RefusalKind};
use crate::secret::Secret;
use crate::settings::Settings;
use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

const DAY: i64 = 24 * 60 * 60;
/// Between two looks at the clock of the past, in milliseconds: nothing happens at the same time as something else.
const TICK: i64 = 20;
/// How long the run may take that is really carried out.
const PATIENCE: Duration = Duration::from_secs(30);

const LOADER_CONF: &str = "/boot/loader.conf";
const RACCT_LINE: &str = "kern.racct.enable=1\n";
/// What pot.conf said before the story, in the place of what it says today.
const BEFORE: [(&str, &str); 3] = [
    ("POT_ISOLATE_VNET_POTS=true\n", "POT_ISOLATE_VNET_POTS=false\n"),
    (BY_HAND.1, BY_HAND.0),
    ("POT_VPN_EXTIF=tun0\n", "POT_VPN_EXTIF=\n"),
];
/// What Ben does with an editor: before, after.
const BY_HAND: (&str, &str) = (
    "POT_NETWORK_vlan30=10.0.30.0/24\n",
    "# ben: the new firewall also routes 10.0.31\nPOT_NETWORK_vlan30=10.0.30.0/23\n",
);

/// Why a host has no past.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PastError {
    /// The executor could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It did not do what it was asked for.
    #[error("the simulated host's past: {0}")]
    Refused(#[from] Refusal),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The story and the scenario do not fit together.
    #[error("the simulated host's past does not lead to its present: {0}")]
    Unfit(String),
}

/// Someone of the story.
#[derive(Clone, Copy)]
struct Person {
    name: &'static str,
    role: Role,
    address: &'static str,
    browser: &'static str,
}

const ANNA: Person = Person {
    name: "anna",
    role: Role::Admin,
    address: "192.168.178.30",
    browser: "Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0",
};
const BEN: Person = Person {
    name: "ben",
    role: Role::Operator,
    address: "192.168.178.31",
    browser: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0",
};
const CLARA: Person = Person {
    name: "clara",
    role: Role::Operator,
    address: "10.8.0.6",
    browser: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
};

/// Gives a simulated host in use its past, which ends the day before `now`. To be called once, before anything else
/// opens the executor of that host.
///
/// # Errors
/// [`PastError`]: the host then has a part of its past, and is best built anew.
pub(crate) fn live(layout: &Layout, now: Timestamp) -> Result<(), PastError> {
    // Made within moments, and made anew when they are not survived.
    let _hurry = NotAwaited::begin();
    let today = Files::read(layout)?;
    today.before().write(layout)?;
    let past = Past::open(layout, now)?;
    past.tell()?;
    let made = Files::read(layout)?;
    if made != today {
        return Err(PastError::Unfit("its files are others".to_owned()));
    }
    past.date_files()
}

/// The files of the story.
#[derive(PartialEq, Eq)]
struct Files {
    pot_conf: String,
    loader_conf: String,
}

impl Files {
    fn read(layout: &Layout) -> Result<Self, PastError> {
        Ok(Self { pot_conf: read(&layout.pot_conf())?, loader_conf: read(&layout.on_disk(LOADER_CONF))? })
    }

    /// As they were when the console came.
    fn before(&self) -> Self {
        let pot_conf = BEFORE.iter().fold(self.pot_conf.clone(), |text, (now, before)| text.replace(now, before));
        Self { pot_conf, loader_conf: self.loader_conf.replace(RACCT_LINE, "") }
    }

    fn write(&self, layout: &Layout) -> Result<(), PastError> {
        write(&layout.pot_conf(), &self.pot_conf)?;
        write(&layout.on_disk(LOADER_CONF), &self.loader_conf)
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> PastError {
    let path = path.to_owned();
    move |source| PastError::File { path, source }
}

fn read(path: &Path) -> Result<String, PastError> {
    fs::read_to_string(path).map_err(failed(path))
}

fn write(path: &Path, text: &str) -> Result<(), PastError> {
    fs::write(path, text).map_err(failed(path))
}

/// What happens, and when.
struct Past {
    layout: Layout,
    executor: Arc<Executor>,
    /// The last midnight before today's, in seconds since 1970.
    midnight: i64,
    /// What the clock says, in milliseconds since 1970.
    clock: Arc<AtomicI64>,
}

impl Past {
    fn open(layout: &Layout, now: Timestamp) -> Result<Self, PastError> {
        let clock = Arc::new(AtomicI64::new(0));
        let wall = Arc::clone(&clock);
        let wall = move || Timestamp::from_millisecond(wall.fetch_add(TICK, Ordering::SeqCst)).unwrap_or_default();
        let seen = layout.clone();
        let sight = Arc::new(move || what_was_seen(&seen));
        let zone = jiff::tz::TimeZone::system();
        let offset = zone.to_offset(now).seconds();
        let local = now.as_second() + i64::from(offset);
        let past = Self {
            layout: layout.clone(),
            executor: Executor::open_at(
                layout,
                Settings::default(),
                Clock::new(|| SinceBoot(since_boot_ms()), wall),
                Some(sight),
            )?
            .0,
            midnight: local - local.rem_euclid(DAY) - i64::from(offset),
            clock,
        };
        Ok(past)
    }

    /// From now on it is so many days before today, at this hour and minute.
    fn set(&self, days: i64, hour: i64, minute: i64) {
        // No one works at the full minute.
        let second = (days * 7 + minute * 13) % 60;
        let then = self.midnight - days * DAY + hour * 3600 + minute * 60 + second;
        self.clock.store(then * 1000, Ordering::SeqCst);
    }

    fn tell(&self) -> Result<(), PastError> {
        let root = Requester {
            actor: Asker::Named(Actor {
                name: "root".to_owned(),
                role: Some(Role::Admin),
                method: Method::CommandLine,
                session: None,
                claimed: None,
            }),
            role: Some(Role::Admin),
            fresh: true,
            terminal: true,
            ..Requester::nobody(Reported::default(), Vec::new())
        };
        let executor = &self.executor;

        self.set(42, 8, 51);
        self.process("The executor started.");
        executor.authentication.add_without_password(&root, ANNA.name, ANNA.role)?;
        executor.watching.note_settings(&executor.settings());
        self.look()?;

        self.set(42, 9, 3);
        let anna = self.sign_in(ANNA)?;
        for person in [BEN, CLARA] {
            self.set(42, 9, if person.name == BEN.name { 6 } else { 7 });
            executor.authentication.add_without_password(&self.requester(&anna), person.name, person.role)?;
        }
        self.set(42, 9, 20);
        self.prepare(&anna)?;
        self.sign_out(&anna)?;
        // The run's setting counts from the next boot on; the host has been up since this one.
        self.set(41, 5, 58);
        self.process("The executor ended.");
        self.set(41, 6, 4);
        self.process("The executor started.");

        self.set(37, 14, 32);
        let anna = self.sign_in(ANNA)?;
        self.save(&anna, &[("POT_ISOLATE_VNET_POTS", "true")], "two customers on one bridge since Monday")?;
        self.sign_out(&anna)?;

        self.set(26, 10, 44);
        let ben = self.sign_in(BEN)?;
        let widened = self.save(&ben, &[("POT_NETWORK_vlan20", "10.0.20.0/23")], "room for the new filers")?;
        self.set(26, 16, 40);
        let anna = self.sign_in(ANNA)?;
        let back = format!("Back to before record {widened}: 10.0.21 belongs to the printers");
        self.save(&anna, &[("POT_NETWORK_vlan20", "10.0.20.0/24")], &back)?;
        self.sign_out(&anna)?;

        self.set(19, 9, 47);
        let clara = self.sign_in(CLARA)?;
        self.refused_save(&clara, &[("POT_NETWORK", "10.192.0.0/10")], "back to pot's own range")?;
        self.sign_out(&clara)?;

        // Since the last vnet-start: what pf was told then is not what pot.conf says now.
        self.set(12, 17, 55);
        let path = self.layout.pot_conf();
        write(&path, &read(&path)?.replace(BY_HAND.0, BY_HAND.1))?;
        self.look()?;

        self.set(5, 10, 15);
        let clara = self.sign_in(CLARA)?;
        self.save(&clara, &[("POT_VPN_EXTIF", "tun0")], "the tunnel to the Berlin office is up")?;
        self.sign_out(&clara)?;
        self.set(1, 22, 30);
        self.process("The executor ended.");
        Ok(())
    }

    fn process(&self, words: &str) {
        self.executor.evidence.record_own(Action::Process, "executor", Outcome::Done, words.to_owned());
    }

    /// The look that finds what others did, as the server takes it every few seconds.
    fn look(&self) -> Result<(), PastError> {
        let _lock = Lock::acquire(&self.layout, "looking for changes made outside", PATIENCE).map_err(Refusal::from)?;
        self.executor.watching.look_under_lock(&WATCHED);
        Ok(())
    }

    /// A session of someone, and the token that stands for it.
    fn sign_in(&self, person: Person) -> Result<Visit, PastError> {
        let reported = Reported { address: Some(person.address.to_owned()), browser: Some(person.browser.to_owned()) };
        let account = AccountName::parse(person.name)
            .ok()
            .and_then(|name| self.executor.authentication.known_account(name.as_str()))
            .ok_or_else(|| PastError::Unfit(format!("{} has no account", person.name)))?;
        let nobody = Requester::nobody(reported.clone(), Vec::new());
        match self.executor.authentication.begin_session(&nobody, &account, Method::Password)? {
            Reply::SignedIn(signed_in) => Ok(Visit { token: signed_in.token, reported }),
            _ => Err(PastError::Unfit(format!("{} got no session", person.name))),
        }
    }

    fn sign_out(&self, visit: &Visit) -> Result<(), PastError> {
        self.minutes_later(2);
        self.ask(visit, Command::SignOut {}).map(drop)
    }

    fn minutes_later(&self, minutes: i64) {
        self.clock.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    fn requester(&self, visit: &Visit) -> Requester {
        self.executor.identify(&visit.request(Command::Session {}))
    }

    fn ask(&self, visit: &Visit, command: Command) -> Result<Reply, PastError> {
        Ok(*self.executor.answer(visit.request(command)).0?)
    }

    /// A save from the form; the number of its record.
    fn save(&self, visit: &Visit, values: &[(&str, &str)], reason: &str) -> Result<u64, PastError> {
        self.minutes_later(3);
        match self.ask(visit, self.command(values, reason)?)? {
            Reply::Saved(Saved { record, .. }) => Ok(record),
            _ => Err(PastError::Unfit("a save was answered with something else".to_owned())),
        }
    }

    /// One that the findings stand against.
    fn refused_save(&self, visit: &Visit, values: &[(&str, &str)], reason: &str) -> Result<(), PastError> {
        self.minutes_later(3);
        match self.ask(visit, self.command(values, reason)?) {
            Err(PastError::Refused(refusal)) if refusal.kind == RefusalKind::Findings => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(PastError::Unfit("a save went through that should not".to_owned())),
        }
    }

    fn command(&self, values: &[(&str, &str)], reason: &str) -> Result<Command, PastError> {
        let mut edits = Vec::new();
        for (name, value) in values {
            let name = Name::try_from(*name).map_err(|_| PastError::Unfit(format!("{name} is no parameter")))?;
            edits.push(Edit::set(name, *value));
        }
        let base = self.executor.watching.managed.read_configuration()?.digest();
        Ok(Command::Save { base, edits, reason: Some(reason.to_owned()), accept_errors: false })
    }

    /// The run of the story: resource limits are turned on for the next boot.
    fn prepare(&self, visit: &Visit) -> Result<(), PastError> {
        let operation = Operation::Prepare { items: vec![Preparation::EnableRacct] };
        let Reply::Plan(plan) = self.ask(visit, Command::Plan { operation })? else {
            return Err(PastError::Unfit("there is no plan".to_owned()));
        };
        self.minutes_later(1);
        let Plan { id, digest, .. } = *plan;
        let reason = Some("limits for the build pots".to_owned());
        let run = Command::Run { plan: id, digest, password: None, confirm_text: None, reason };
        let Reply::Started(Started { run }) = self.ask(visit, run)? else {
            return Err(PastError::Unfit("the run did not start".to_owned()));
        };
        if !self.executor.watching.engine.wait(run, PATIENCE) {
            return Err(PastError::Unfit(format!("run {run} did not end")));
        }
        // What comes later is not the run's doing.
        self.look()
    }

    /// The files were last written when the story says so.
    fn date_files(&self) -> Result<(), PastError> {
        for (path, days) in [(self.layout.pot_conf(), 5), (self.layout.on_disk(LOADER_CONF), 42)] {
            let then = u64::try_from(self.midnight - days * DAY + 10 * 3600).unwrap_or(0);
            let file = fs::File::options().append(true).open(&path).map_err(failed(&path))?;
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(then)).map_err(failed(&path))?;
        }
        Ok(())
    }
}

/// Someone who is signed in.
struct Visit {
    token: Secret,
    reported: Reported,
}

impl Visit {
    fn request(&self, command: Command) -> Request {
        Request {
            version: VERSION,
            id: 0,
            token: Some(self.token.clone()),
            known: Vec::new(),
            follows: false,
            reported: self.reported.clone(),
            command,
        }
    }
}

/// What was known of the host before that boot, as far as the run needs to know: what the loader's file says.
fn what_was_seen(layout: &Layout) -> HostFacts {
    let text = fs::read_to_string(layout.on_disk(LOADER_CONF)).unwrap_or_default();
    let next_boot = loader::value(&text, RACCT);
    let set_in = next_boot.as_ref().map(|_| LOADER_CONF.to_owned());
    let racct = Tunable { running: Some("0".to_owned()), next_boot, set_in };
    HostFacts { simulated: true, racct: Fact::known(racct, LOADER_CONF), ..HostFacts::unknown("not looked at then") }
}
