//! Writing a kept version of a file back.

use super::{judged_later, judging_step, module_step, needs, needs_file, next_boot};
use crate::digest::Digest;
use crate::operations::checks::Expect;
use crate::operations::draft::{Action, PlanDraft, PlannedStep};
use crate::operations::inputs::{Inputs, PfTest, first_trouble};
use crate::operations::log_routing;
use crate::plan::{ManagedFile, Operation, StepState};
use crate::potconf::{Configuration, Document};
use crate::rules::limits;

/// Plans writing `bytes`, the kept version that the operation names. Anything but [`Operation::Restore`] gives a plan
/// that is blocked.
pub fn restore(operation: &Operation, inputs: &Inputs<'_>, bytes: &[u8]) -> PlanDraft {
    let mut draft = PlanDraft::new(operation);
    let Operation::Restore { file, backup } = *operation else {
        draft.block("This is no plan for writing a version back.", "", None);
        return draft;
    };
    let path = inputs.files.path(file).to_owned();
    needs_file(&mut draft, inputs, file);
    let old = inputs.files.bytes(file);
    let exists = inputs.files.exists(file);
    draft.button = format!("Write this version of {} back", file.name());
    match file {
        ManagedFile::PotConf => pot_conf(&mut draft, inputs, bytes),
        ManagedFile::PfConf => pf_conf(&mut draft, inputs, &path, bytes),
        ManagedFile::SyslogConf | ManagedFile::NewsyslogConf => twice(&mut draft, inputs, file, bytes),
        ManagedFile::RcConf
        | ManagedFile::LoaderConf
        | ManagedFile::SyslogMain
        | ManagedFile::LogRule
        | ManagedFile::LogRotation => {}
    }
    let same = exists && old == bytes;
    let (state, detail) = match (same, exists) {
        (true, _) => (StepState::Done, "has this content already"),
        (false, true) => (StepState::WillBeChanged, "written whole; the present content is kept as a version, too"),
        (false, false) => (StepState::WillBeCreated, "does not exist now, is made"),
    };
    let mut step = PlannedStep::new(path.clone(), state, detail);
    if !same {
        if exists {
            step = step.act(Action::Backup(file));
        }
        let before = exists.then(|| Digest::of(old));
        step = step.act(Action::Write { file, before, content: bytes.to_vec() });
    }
    draft.step(step.expect(Expect::Content { file, digest: Digest::of(bytes) }));
    draft.diff(&path, old, bytes);
    if file == ManagedFile::PfConf {
        draft
            .warnings
            .push("The file is written, not loaded: the rules in force stay as they are until pf loads it.".to_owned());
        draft.step(
            PlannedStep::new("pfctl -nf", StepState::WillRun, "tested before and after").expect(Expect::PfFileValid),
        );
    }
    draft.nothing_to_do = same;
    draft.summary = if same {
        format!("{path} has this content already.")
    } else {
        format!("Writes the kept version {} of {path} back.", backup.short())
    };
    draft.basis.push(format!("{path} {}", Digest::of(old)));
    draft
}

/// pf's file is judged before it is written: by the plan, or where pf is not loaded by the run.
fn pf_conf(draft: &mut PlanDraft, inputs: &Inputs<'_>, path: &str, bytes: &[u8]) {
    // It says which file pf reads.
    needs(draft, &inputs.facts.rc, "rc.conf");
    let same = inputs.files.exists(ManagedFile::PfConf) && inputs.files.bytes(ManagedFile::PfConf) == bytes;
    match (inputs.pf_test)(bytes) {
        PfTest::Valid => {}
        PfTest::Invalid(words) => draft.block(
            format!("This version of {path} is invalid: {}.", first_trouble(&words)),
            format!("{} Take another version.", next_boot(inputs)),
            None,
        ),
        tested @ PfTest::Untested(_) if !same && judged_later(inputs, &tested) => {
            draft.step(module_step());
            draft.step(judging_step(path, bytes));
        }
        PfTest::Untested(why) => {
            draft.warnings.push(format!("This version could not be tested with pfctl -nf ({why})."));
        }
    }
}

/// What an earlier version of the console wrote stands under another name now: both would write, or rotate, twice.
fn twice(draft: &mut PlanDraft, inputs: &Inputs<'_>, file: ManagedFile, bytes: &[u8]) {
    let (own, ours) = match file {
        ManagedFile::SyslogConf => (ManagedFile::LogRule, log_routing::is_our_rule(bytes)),
        _ => (ManagedFile::LogRotation, log_routing::is_our_rotation(bytes)),
    };
    if ours && inputs.files.exists(own) {
        draft.block(
            format!(
                "This version says what {} says already: pot's log would be written or rotated twice.",
                inputs.files.path(own)
            ),
            "Leave it as it is; route-log of Prepare keeps that file in order.",
            None,
        );
    }
}

/// pot.conf's limits hold for versions as for edits.
fn pot_conf(draft: &mut PlanDraft, inputs: &Inputs<'_>, bytes: &[u8]) {
    let own = match Document::parse(bytes) {
        Ok(own) => own,
        Err(error) => {
            draft.block(format!("This version cannot be a pot.conf: {error}."), "Take another version.", None);
            return;
        }
    };
    let restored = Configuration::new(inputs.configuration.default_document().clone(), own);
    // What a place is that the version changes; what stands so already is no news.
    let changed = limits::changed_places(inputs.configuration, &restored);
    let places = limits::check_places(&restored, &changed, inputs.path_state);
    for against in limits::check_all(&restored).err().into_iter().chain(places) {
        draft.block(
            format!("This version is against a limit: {against}."),
            "Take another version, or set the parameters one by one.",
            Some(&against.parameter),
        );
    }
}
