//! The readiness page's to-dos: what the guide wants done before `pot init`.

use super::{needs, needs_file};
use crate::digest::Digest;
use crate::facility;
use crate::facts::{PathKind, RACCT, VTNET_LRO, pot_installed};
use crate::host::parse::{loader, syslog::main_file};
use crate::operations::checks::{self, Expect};
use crate::operations::draft::{Action, Command, PlanDraft, PlannedStep};
use crate::operations::inputs::Inputs;
use crate::operations::{loader_conf, log_routing};
use crate::plan::{ManagedFile, NOTHING_CHOSEN, Operation, Preparation, Preview, StepState};
use crate::potconf::{Configuration, Document, Edit, Name};
use crate::process::{Tool, harmless};
use crate::rules::{Finding, PRIVATE_TMP, Subject, Temporary, can_be_private, limits, pots_in_the_way};

/// Plans the chosen to-dos. Anything but [`Operation::Prepare`] gives a plan that is blocked.
pub fn prepare(operation: &Operation, inputs: &Inputs<'_>) -> PlanDraft {
    let mut draft = PlanDraft::new(operation);
    let Operation::Prepare { items } = operation else {
        draft.block("This is no plan for preparing the host.", "", None);
        return draft;
    };
    "Prepare this host".clone_into(&mut draft.button);
    let mut items = items.clone();
    items.sort_unstable();
    items.dedup();
    let mut loader = inputs.files.bytes(ManagedFile::LoaderConf).to_vec();
    let mut parts: Vec<&str> = Vec::new();
    let mut reboot = false;
    for item in &items {
        let before = draft.steps.len();
        match item {
            Preparation::InstallPot => install(&mut draft, inputs),
            Preparation::EnableRacct => loader = tunable(&mut draft, inputs, &loader, RACCT),
            Preparation::DisableVtnetLro => loader = tunable(&mut draft, inputs, &loader, VTNET_LRO),
            Preparation::CreateGroup => group(&mut draft, inputs, items.contains(&Preparation::InstallPot)),
            Preparation::RouteLog => route_log(&mut draft, inputs),
            Preparation::PrivateTmp => private_tmp(&mut draft, inputs),
        }
        let changes =
            draft.steps.get(before..).unwrap_or_default().iter().any(|step| step.step.state != StepState::Done);
        if changes {
            reboot |= item.at_the_next_boot();
            parts.push(match item {
                Preparation::InstallPot => "installs pot",
                Preparation::EnableRacct => "turns on resource limits at the next boot",
                Preparation::DisableVtnetLro => "turns off LRO of vtnet at the next boot",
                Preparation::CreateGroup => "makes the group",
                Preparation::RouteLog => "writes pot's activity to a log",
                Preparation::PrivateTmp => "gives pot a folder of root's alone for temporary files",
            });
        }
    }
    let old = inputs.files.bytes(ManagedFile::LoaderConf);
    draft.diff(inputs.files.path(ManagedFile::LoaderConf), old, &loader);
    if items.is_empty() {
        draft.block(NOTHING_CHOSEN, "Choose at least one to-do.", None);
    }
    draft.nothing_to_do = parts.is_empty();
    draft.summary = if items.is_empty() {
        "Nothing is chosen.".to_owned()
    } else if parts.is_empty() {
        "All of this is done already.".to_owned()
    } else {
        let mut text = parts.join(", ");
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!(
            "{text}.{}",
            if reboot { " One reboot is needed afterwards; this console does not reboot." } else { "" }
        )
    };
    draft
}

fn install(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    needs(draft, &inputs.facts.packages, "The list of packages");
    let Some(packages) = inputs.facts.packages.get() else { return };
    if let (Some(pot), Some(_)) = (&packages.pot, &packages.potnet) {
        draft.step(PlannedStep::new("package pot", StepState::Done, format!("installed, {pot}")));
        return;
    }
    if !packages.pkg {
        draft.step(
            PlannedStep::new("pkg", StepState::WillBeCreated, "pkg itself is not installed yet: it is fetched first")
                .act(Action::Run(Command::new(Tool::Pkg, &["bootstrap", "-y"]).long())),
        );
        draft.warnings.push("What pkg would install can only be shown once pkg itself is there.".to_owned());
    } else {
        match (inputs.pkg_preview)() {
            Ok(lines) => {
                // More than pot with its needs: pkg also upgrades or removes what it wants to.
                let more = lines.iter().any(|line| {
                    let line = line.to_ascii_lowercase();
                    line.contains("to be removed")
                        || line.contains("to be upgraded")
                        || line.contains("to be reinstalled")
                });
                if more {
                    draft.warnings.push(
                        "pkg wants to do more than install: packages are upgraded or removed, too. Read its own words below."
                            .to_owned(),
                    );
                }
                draft.basis.push(format!("pkg {lines:?}"));
                draft
                    .previews
                    .push(Preview { command: ["pkg", "install", "-n", "pot"].map(str::to_owned).to_vec(), lines });
            }
            Err(why) => draft.block(
                format!("pkg could not say what it would install: {why}."),
                "Fix that first, then plan again: pkg install -n pot",
                None,
            ),
        }
    }
    draft.step(
        PlannedStep::new("package pot", StepState::WillBeCreated, "pkg install -y pot, with what it needs (potnet)")
            .act(Action::Run(Command::new(Tool::Pkg, &["install", "-y", "pot"]).long().not_abortable()))
            .expect(Expect::Package("pot".to_owned()))
            .expect(Expect::Package("potnet".to_owned())),
    );
}

fn tunable(draft: &mut PlanDraft, inputs: &Inputs<'_>, text: &[u8], name: &str) -> Vec<u8> {
    let title = format!("{name} in loader.conf");
    let path = inputs.files.path(ManagedFile::LoaderConf);
    let Some(fact) = checks::tunable(inputs.facts, name) else { return text.to_vec() };
    needs(draft, fact, &format!("What the loader's files say of {name}"));
    let Some(known) = fact.get() else {
        draft.step(PlannedStep::new(title, StepState::Blocks, "what the loader's files say is not known"));
        return text.to_vec();
    };
    draft.basis.push(format!("{name} {:?} {:?}", known.next_boot, known.set_in));
    let set_in = known.set_in.as_deref();
    if known.next_boot.as_deref() == Some("1") {
        let place = set_in.map(|file| format!(", in {file}")).unwrap_or_default();
        let words = if known.awaits_reboot() { "set for the next boot" } else { "in force, and set" };
        draft.step(
            PlannedStep::new(title, StepState::Done, format!("{words}{place}"))
                .expect(Expect::NextBoot { name: name.to_owned(), value: "1".to_owned() }),
        );
        return text.to_vec();
    }
    // The files that the loader reads after loader.conf have the last word.
    let after = |file: &&str| file.starts_with(loader::FOLDER) || *file == loader::LAST;
    if let Some(other) = set_in.filter(after) {
        let value = known.next_boot.as_deref().unwrap_or_default();
        draft.block(
            format!(
                "{other} sets {name}={value}, and the loader reads it after {path}: what stands there would not count."
            ),
            format!("Take that line out of {other}, or set it to 1 there."),
            None,
        );
        draft.step(PlannedStep::new(title, StepState::Blocks, format!("{other} says {value} and has the last word")));
        return text.to_vec();
    }
    needs_file(draft, inputs, ManagedFile::LoaderConf);
    let new = loader_conf::set(text, name, "1");
    // The second tunable is written on top of the first.
    let before = if draft
        .steps
        .iter()
        .any(|step| matches!(step.actions.last(), Some(Action::Write { file: ManagedFile::LoaderConf, .. })))
    {
        Some(Digest::of(text))
    } else {
        inputs.files.exists(ManagedFile::LoaderConf).then(|| Digest::of(text))
    };
    let mut step = PlannedStep::new(title, StepState::WillBeChanged, "=1, in force after the next boot");
    if before.is_some() {
        step = step.act(Action::Backup(ManagedFile::LoaderConf));
    }
    draft.step(
        step.act(Action::Write { file: ManagedFile::LoaderConf, before, content: new.clone() })
            .expect(Expect::NextBoot { name: name.to_owned(), value: "1".to_owned() }),
    );
    new
}

fn group(draft: &mut PlanDraft, inputs: &Inputs<'_>, with_package: bool) {
    needs(draft, &inputs.facts.groups, "The list of groups");
    let name = match inputs.value("POT_GROUP") {
        empty if empty.is_empty() => "pot".to_owned(),
        name => name,
    };
    draft.uses(inputs, &["POT_GROUP"]);
    let known = inputs.facts.groups.get().and_then(|groups| groups.get(&name));
    let step = match known {
        Some(gid) => PlannedStep::new(format!("group {name}"), StepState::Done, format!("exists, gid {gid}")),
        None if with_package && name == "pot" => {
            PlannedStep::new(format!("group {name}"), StepState::WillBeCreated, "made by pot's package")
        }
        None => PlannedStep::new(format!("group {name}"), StepState::WillBeCreated, "pw groupadd")
            .act(Action::Run(Command::new(Tool::Pw, &["groupadd", &name]))),
    };
    draft.step(step.expect(Expect::Group(name)));
}

/// POT_TMP becomes a folder that only root can write. What follows from the value is looked at as if it stood already: the
/// limits, and the findings.
fn private_tmp(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    if pot_installed(inputs.facts) != Some(true) {
        draft.block(
            "POT_TMP is set in pot.conf, which comes with pot.",
            "Install pot first, then plan this.",
            Some("POT_TMP"),
        );
        return;
    }
    needs(draft, &inputs.facts.paths, "What stands at pot's paths");
    needs(draft, &inputs.facts.pots, "Which pots run");
    needs_file(draft, inputs, ManagedFile::PotConf);
    let configuration = inputs.configuration;
    let now = match Temporary::of(configuration, inputs.facts) {
        Temporary::Open(now, _) => now,
        Temporary::Private(now) => {
            draft.step(PlannedStep::new(format!("POT_TMP {now}"), StepState::Done, "only root writes there"));
            return;
        }
        Temporary::Uncertain => {
            let remedy = "Write it in pot.conf as one plain line.";
            draft.block("The value of POT_TMP is not certain.", remedy, Some("POT_TMP"));
            return;
        }
        Temporary::Unseen(now) => {
            // Where nothing could be looked at it is said above.
            if inputs.facts.paths.get().is_some() {
                let problem = format!("Who can write to POT_TMP {} was not looked at.", harmless(now));
                draft.block(problem, "Give it an absolute folder.", Some("POT_TMP"));
            }
            return;
        }
    };
    draft.basis.push(format!("POT_TMP {now} {:?}", inputs.facts.paths.get().and_then(|paths| paths.get(now))));
    if let Some(running) = pots_in_the_way(inputs.facts).filter(|pots| !pots.is_empty()) {
        draft.block(
            format!(
                "{} {}, or may: pot keeps the states of pots in {now}, and with another POT_TMP pot stop refuses them.",
                running.join(", "),
                if running.len() == 1 { "runs" } else { "run" }
            ),
            "Stop all pots, then plan this; or leave it out.",
            Some("POT_TMP"),
        );
    }
    let old = inputs.files.bytes(ManagedFile::PotConf);
    let edited = Name::try_from("POT_TMP")
        .map_err(|error| error.to_string())
        .and_then(|name| {
            // From the very bytes that are written over.
            let own = Document::parse(old).map_err(|error| error.to_string())?;
            let before = Configuration::new(configuration.default_document().clone(), own);
            before.apply(&[Edit::set(name, PRIVATE_TMP)]).map_err(|error| error.to_string())
        })
        .map(|own| (own.bytes().to_vec(), Configuration::new(configuration.default_document().clone(), own)));
    let (text, after) = match edited {
        Ok(edited) => edited,
        Err(why) => {
            draft.block(
                format!("POT_TMP cannot be set here: {why}."),
                "Change that line in a text editor.",
                Some("POT_TMP"),
            );
            return;
        }
    };
    let there = (inputs.path_state)(PRIVATE_TMP);
    let there = there.as_ref();
    let alone = there.is_some_and(can_be_private);
    let against = limits::check_all(&after).err();
    let against = against.or_else(|| limits::check_places(&after, &["POT_TMP"], inputs.path_state).into_iter().next());
    let otherwise = "Make a folder that only root can write, and set POT_TMP to it.";
    if !alone {
        let why = match there {
            None => "could not be looked at",
            Some(_) => "is there, and is not a folder that only root can write",
        };
        draft.block(format!("{PRIVATE_TMP} {why}."), otherwise, Some("POT_TMP"));
    } else if let Some(against) = against {
        draft.block(format!("pot.conf would be against a limit: {against}."), otherwise, Some(&against.parameter));
    } else if let Some(found) = brought(inputs, &after) {
        draft.block(format!("With POT_TMP={PRIVATE_TMP}: {}", found.message), otherwise, Some("POT_TMP"));
    }
    let made = there.is_some_and(|state| state.kind == PathKind::Folder);
    let mut step = if made {
        PlannedStep::new(format!("POT_TMP {PRIVATE_TMP}"), StepState::Done, "is there, only root writes there")
    } else {
        PlannedStep::new(format!("POT_TMP {PRIVATE_TMP}"), StepState::WillBeCreated, "is made for root alone, mode 700")
            .act(Action::PrivateFolder(PRIVATE_TMP.to_owned()))
    };
    step = step.expect(Expect::Folder { path: PRIVATE_TMP.to_owned(), group: None, mode: (!made).then_some(0o700) });
    draft.step(step);
    draft.step(
        PlannedStep::new("pots", StepState::WillRun, format!("none may run: their states are in {now}"))
            .act(Action::NoPotRuns),
    );
    write(draft, inputs, ManagedFile::PotConf, text, &format!("POT_TMP={PRIVATE_TMP}"));
}

/// The first finding that a configuration has and the present one has not, on this host with [`PRIVATE_TMP`] made.
fn brought(inputs: &Inputs<'_>, after: &Configuration) -> Option<Finding> {
    let mut facts = inputs.facts.clone();
    if let (Some(paths), Some(mut state)) = (facts.paths.value.as_mut(), (inputs.path_state)(PRIVATE_TMP)) {
        state.kind = PathKind::Folder;
        paths.insert(PRIVATE_TMP.to_owned(), state);
    }
    let stood = |finding: &Finding| {
        inputs.findings.iter().any(|other| other.code == finding.code && other.parameters == finding.parameters)
    };
    crate::rules::check(&Subject::new(after).on(Some(&facts))).into_iter().find(|finding| !stood(finding))
}

/// What has to be in the files so that syslogd writes pot's facility to pot's log, and newsyslog rotates it.
fn route_log(draft: &mut PlanDraft, inputs: &Inputs<'_>) {
    needs(draft, &inputs.facts.syslog, "syslogd's configuration");
    needs(draft, &inputs.facts.system, "The host's name");
    draft.uses(inputs, &["POT_LOG_FACILITY"]);
    if let Some(why) = &inputs.files.logs_unread {
        draft.block(
            format!("What syslogd and newsyslog read could not be read whole: {why}."),
            "Fix that first: a line that is there already would be written twice.",
            None,
        );
    }
    let facility = match inputs.value("POT_LOG_FACILITY") {
        empty if empty.is_empty() => "local2".to_owned(),
        name => facility::received(&name).to_owned(),
    };
    let (Some(syslog), Some(system)) = (inputs.facts.syslog.get(), inputs.facts.system.get()) else { return };
    let files = inputs.files;
    let log = log_routing::LOG.to_owned();
    let main_path = files.path(ManagedFile::SyslogMain).to_owned();
    if let Some(named) = main_file(&syslog.flags).filter(|named| *named != main_path) {
        draft.block(
            format!("syslogd's flags name {named} as its configuration: that is no absolute path."),
            "Write the whole path behind -f in syslogd_flags.",
            None,
        );
        return;
    }
    // What stands in these decides what is written where, and twice is once too many.
    for file in [
        ManagedFile::SyslogMain,
        ManagedFile::SyslogConf,
        ManagedFile::LogRule,
        ManagedFile::NewsyslogConf,
        ManagedFile::LogRotation,
    ] {
        needs_file(draft, inputs, file);
    }
    if files.unknown(ManagedFile::SyslogMain).is_some() {
        return;
    }
    if !files.exists(ManagedFile::SyslogMain) {
        draft.block(format!("{main_path} does not exist, so syslogd reads no rules."), "Make it first.", None);
        return;
    }

    // What others wrote: everything but the console's own file and what an earlier version of it wrote.
    let is_old = |file: ManagedFile, is_ours: fn(&[u8]) -> bool| {
        files.exists(file) && files.leads_to(file).is_none() && is_ours(files.bytes(file))
    };
    let old_rule = is_old(ManagedFile::SyslogConf, log_routing::is_our_rule);
    let old_rotation = is_old(ManagedFile::NewsyslogConf, log_routing::is_our_rotation);
    let others: Vec<(String, Vec<u8>)> = files
        .syslog
        .iter()
        .filter(|(path, _)| path != log_routing::RULE && !(old_rule && path == log_routing::OLD_RULE))
        .cloned()
        .collect();
    let main = files.bytes(ManagedFile::SyslogMain);
    let written_to =
        |main: &[u8], files: &[(String, Vec<u8>)]| log_routing::written_to(main, files, &system.hostname, &facility);
    let now = syslog.files.get(&facility).cloned().unwrap_or_default();
    let gone: Vec<&str> =
        now.iter().filter(|file| **file != log && syslog.missing.contains(file)).map(String::as_str).collect();
    if !gone.is_empty() {
        draft.warnings.push(format!(
            "{facility} is to go to {}, too, which does not exist: syslogd does not make it.",
            gone.join(", ")
        ));
    }
    if let Some(file) = now.iter().find(|file| !syslog.missing.contains(file))
        && !old_rule
        && !old_rotation
    {
        draft.step(PlannedStep::new("log of pot's activity", StepState::Done, format!("{facility} goes to {file}")));
        return;
    }

    let mut new_main = main.to_vec();
    let mut after = others.clone();
    if !written_to(main, &others).contains(&log) {
        let included = log_routing::folders(main).iter().any(|folder| folder == log_routing::FOLDER);
        let sleeping: Vec<&str> = others
            .iter()
            .map(|(path, _)| path.as_str())
            .filter(|path| path.strip_prefix(log_routing::FOLDER).is_some_and(|rest| rest.starts_with('/')))
            .collect();
        if included || sleeping.is_empty() {
            let old = files.bytes(ManagedFile::LogRule);
            let wanted = log_routing::with_ours(old, &log_routing::rule(&facility), log_routing::is_our_rule);
            after.push((log_routing::RULE.to_owned(), wanted.clone()));
            if !included {
                new_main = log_routing::with_include(main);
            }
            write(draft, inputs, ManagedFile::LogRule, wanted, "tells syslogd where to write");
        } else {
            // Including the folder would wake lines of others that syslogd does not read today.
            new_main = log_routing::with_rule(main, &facility);
            draft.warnings.push(format!(
                "{main_path} does not include {}, and {} there is read by nobody: pot's line goes into {main_path} itself, so that nothing else changes.",
                log_routing::FOLDER,
                sleeping.join(", ")
            ));
        }
    }
    if new_main != main {
        let detail = if written_to(&new_main, &others).contains(&log) {
            "gets pot's line at its end"
        } else {
            "gets the line that makes syslogd read that folder"
        };
        write(draft, inputs, ManagedFile::SyslogMain, new_main.clone(), detail);
    }
    if old_rule {
        remove(draft, inputs, ManagedFile::SyslogConf);
    }
    if !written_to(&new_main, &after).contains(&log) {
        draft.block(
            format!("syslogd would not write {facility} to {log} even then."),
            format!(
                "Look for what hides the line `{facility}.*\t{log}` in {main_path} and the folders that it includes."
            ),
            None,
        );
    }

    rotation(draft, inputs, old_rotation);
    // syslogd makes no files by itself (it runs without -C) and reads its rules anew at a HUP.
    draft.step(
        PlannedStep::new(
            log.clone(),
            StepState::WillRun,
            "made when it is missing; syslogd writes only to files that exist",
        )
        .act(Action::EmptyFile(log.clone())),
    );
    draft.step(
        PlannedStep::new("syslogd", StepState::WillRun, "reads its rules anew")
            .act(Action::Run(Command::new(Tool::Service, &["syslogd", "reload"]).any_status()))
            .expect(Expect::LogRoute { facility, log }),
    );
}

/// The log is rotated once: by the console's file, unless another names it.
fn rotation(draft: &mut PlanDraft, inputs: &Inputs<'_>, old_rotation: bool) {
    let files = inputs.files;
    let other = files.rotation.iter().find(|(path, text)| {
        path != log_routing::ROTATION
            && !(old_rotation && path == log_routing::OLD_ROTATION)
            && log_routing::rotates(text)
    });
    match other {
        Some((path, _)) => draft.step(PlannedStep::new(
            "rotation of the log",
            StepState::Done,
            format!("{path} names {}", log_routing::LOG),
        )),
        None => {
            let old = files.bytes(ManagedFile::LogRotation);
            let wanted = log_routing::with_ours(old, &log_routing::rotation(), log_routing::is_our_rotation);
            write(draft, inputs, ManagedFile::LogRotation, wanted, "rotates the log");
            let main = files.rotation.iter().find(|(path, _)| path == log_routing::ROTATION_MAIN);
            if let Some((path, text)) = main
                && !log_routing::includes_rotation(text)
            {
                draft.warnings.push(format!(
                    "{path} does not include the folder of {}: the log is not rotated. Add to it: <include> /usr/local/etc/newsyslog.conf.d/[!.]*.conf",
                    log_routing::ROTATION
                ));
            }
        }
    }
    if old_rotation {
        remove(draft, inputs, ManagedFile::NewsyslogConf);
    }
}

/// A file is written as previewed, a version kept before.
fn write(draft: &mut PlanDraft, inputs: &Inputs<'_>, file: ManagedFile, new: Vec<u8>, detail: &str) {
    needs_file(draft, inputs, file);
    let old = inputs.files.bytes(file);
    let path = inputs.files.path(file).to_owned();
    let exists = inputs.files.exists(file);
    if exists && old == new {
        draft.step(PlannedStep::new(path, StepState::Done, "as wanted"));
        return;
    }
    draft.diff(&path, old, &new);
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder).to_owned();
    let state = if exists { StepState::WillBeChanged } else { StepState::WillBeCreated };
    let mut step = PlannedStep::new(path, state, detail).act(Action::Folder(folder));
    if exists {
        step = step.act(Action::Backup(file));
    }
    let before = exists.then(|| Digest::of(old));
    draft.step(step.expect(Expect::Content { file, digest: Digest::of(&new) }).act(Action::Write {
        file,
        before,
        content: new,
    }));
}

/// What an earlier version of the console wrote goes: it stands under the new name.
fn remove(draft: &mut PlanDraft, inputs: &Inputs<'_>, file: ManagedFile) {
    needs_file(draft, inputs, file);
    let old = inputs.files.bytes(file);
    let path = inputs.files.path(file).to_owned();
    draft.diff(&path, old, b"");
    draft.step(
        PlannedStep::new(
            format!("old {path}"),
            StepState::WillBeDestroyed,
            "written by an earlier version of this console, nothing else is in it: it has moved to pot-activity.conf",
        )
        .act(Action::Backup(file))
        .act(Action::Remove { file, before: Digest::of(old) })
        .expect(Expect::Content { file, digest: Digest::of(b"") }),
    );
}
