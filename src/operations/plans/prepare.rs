//! The readiness page's to-dos: what the guide wants done before `pot init`.

use super::{needs, needs_file};
use crate::digest::Digest;
use crate::facts::{RACCT, VTNET_LRO};
use crate::host::Preparation;
use crate::host::parse::loader;
use crate::operations::draft::{self, Action, Command, Draft, Expect, Inputs, PlannedStep};
use crate::operations::plan::{ManagedFile, Operation, Preview, StepState};
use crate::operations::{loader_conf, log_routing};
use crate::process::Tool;

/// Plans the chosen to-dos. Anything but [`Operation::Prepare`] gives a plan that is blocked.
pub fn prepare(operation: &Operation, inputs: &Inputs<'_>) -> Draft {
    let mut draft = Draft::new(operation);
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
        }
        let changes =
            draft.steps.get(before..).unwrap_or_default().iter().any(|step| step.step.state != StepState::Done);
        if changes {
            reboot |= matches!(item, Preparation::EnableRacct | Preparation::DisableVtnetLro);
            parts.push(match item {
                Preparation::InstallPot => "installs pot",
                Preparation::EnableRacct => "turns on resource limits at the next boot",
                Preparation::DisableVtnetLro => "turns off LRO of vtnet at the next boot",
                Preparation::CreateGroup => "makes the group",
                Preparation::RouteLog => "writes pot's activity to a log",
            });
        }
    }
    let old = inputs.files.bytes(ManagedFile::LoaderConf);
    draft.diff(inputs.files.path(ManagedFile::LoaderConf), old, &loader);
    if items.is_empty() {
        draft.block("Nothing is chosen.", "Choose at least one to-do.", None);
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

fn install(draft: &mut Draft, inputs: &Inputs<'_>) {
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
                "Mend that first, then plan again: pkg install -n pot",
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

fn tunable(draft: &mut Draft, inputs: &Inputs<'_>, text: &[u8], name: &str) -> Vec<u8> {
    let title = format!("{name} in loader.conf");
    let path = inputs.files.path(ManagedFile::LoaderConf);
    let Some(fact) = draft::tunable(inputs.facts, name) else { return text.to_vec() };
    needs(draft, fact, &format!("What the loader's files say of {name}"));
    let Some(known) = fact.get() else {
        draft.step(PlannedStep::new(title, StepState::Blocks, "what the loader's files say is not known"));
        return text.to_vec();
    };
    draft.basis.push(format!("{name} {:?} {:?}", known.next_boot, known.set_in));
    let set_in = known.set_in.as_deref();
    if known.next_boot.as_deref() == Some("1") {
        let place = set_in.map(|file| format!(", in {file}")).unwrap_or_default();
        draft.step(
            PlannedStep::new(title, StepState::Done, format!("set for the next boot{place}"))
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

fn group(draft: &mut Draft, inputs: &Inputs<'_>, with_package: bool) {
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

fn route_log(draft: &mut Draft, inputs: &Inputs<'_>) {
    needs(draft, &inputs.facts.syslog, "syslogd's configuration");
    draft.uses(inputs, &["POT_LOG_FACILITY"]);
    let facility = match inputs.value("POT_LOG_FACILITY") {
        empty if empty.is_empty() => "local2".to_owned(),
        name => name.to_ascii_lowercase(),
    };
    let Some(syslog) = inputs.facts.syslog.get() else { return };
    let now = syslog.files.get(&facility).cloned().unwrap_or_default();
    let log = log_routing::LOG.to_owned();
    if let Some(file) = now.iter().find(|file| !syslog.missing.contains(file)) {
        draft.step(PlannedStep::new("log of pot's activity", StepState::Done, format!("{facility} goes to {file}")));
        return;
    }
    if !now.is_empty() && !now.contains(&log) {
        draft
            .warnings
            .push(format!("{facility} is to go to {}, which does not exist; it goes to {log}, too.", now.join(", ")));
    }
    for (file, new) in [
        (ManagedFile::SyslogConf, log_routing::syslog_conf(&facility)),
        (ManagedFile::NewsyslogConf, log_routing::newsyslog_conf()),
    ] {
        needs_file(draft, inputs, file);
        let old = inputs.files.bytes(file);
        let path = inputs.files.path(file).to_owned();
        let exists = inputs.files.exists(file);
        if old == new {
            draft.step(PlannedStep::new(path, StepState::Done, "as wanted"));
            continue;
        }
        draft.diff(&path, old, &new);
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder).to_owned();
        let state = if exists { StepState::WillBeChanged } else { StepState::WillBeCreated };
        let detail = if file == ManagedFile::SyslogConf { "tells syslogd where to write" } else { "rotates the log" };
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
