//! Proof by a terminal: with `confirm_destructive = "shell"` a plan that destroys waits until root, in a shell, has
//! read the executor's own copy of it and said yes.
//!
//! Between the two processes of root's stands a folder that only root enters: `approvals/CODE.plan` is the plan,
//! `CODE.yes` the answer, with the plan's number and digest. An answer serves once.

use crate::digest::Digest;
use crate::files::{self, Expected};
use crate::journal::record::Actor;
use crate::layout::Layout;
use crate::plan::Plan;
use crate::platform::crash_point;
use crate::refusal::{Refusal, RefusalKind};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// Longest file in bytes.
const LONGEST: u64 = 16 << 20;
/// A plan serves ten minutes; what is older is removed.
const SERVES: Duration = Duration::from_mins(10);

/// What root answered.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    plan: u64,
    digest: Digest,
    by: Actor,
}

fn folder(layout: &Layout) -> PathBuf {
    layout.private().join("approvals")
}

/// A code becomes part of a file name: letters and digits only.
fn plain(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_uppercase();
    let fits = (4..=16).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then_some(code)
}

fn write(layout: &Layout, name: &str, content: &impl Serialize) -> Result<(), Refusal> {
    let folder = folder(layout);
    let failed = |error: &dyn std::fmt::Display| {
        Refusal::new(RefusalKind::Failed, format!("{}: {error}.", folder.join(name).display()))
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| failed(&error))?;
    let bytes = serde_json::to_vec(content).map_err(|error| failed(&error))?;
    files::replace_with_mode(&folder.join(name), &Expected::Anything, &bytes, 0o600, &crash_point)?;
    Ok(())
}

/// The plan that waits under a code.
///
/// # Errors
/// There is none, or it is older than ten minutes.
pub fn waiting(layout: &Layout, code: &str) -> Result<Plan, Refusal> {
    let none = || {
        Refusal::new(
            RefusalKind::NotFound,
            "No plan waits under this code: it is wrong, used up or older than ten minutes.",
        )
    };
    let code = plain(code).ok_or_else(none)?;
    let path = folder(layout).join(format!("{code}.plan"));
    let bytes = files::read_limited(&path, LONGEST).map_err(|_| none())?;
    let plan: Plan = serde_json::from_slice(&bytes).map_err(|_| none())?;
    let age = jiff::Timestamp::now().duration_since(plan.made);
    if age.unsigned_abs() < SERVES { Ok(plan) } else { Err(none()) }
}

/// Says yes to a plan.
///
/// # Errors
/// The answer could not be written.
pub fn approve(layout: &Layout, code: &str, plan: &Plan, by: &Actor) -> Result<(), Refusal> {
    let code = plain(code).ok_or_else(|| Refusal::new(RefusalKind::NotFound, "This is no code."))?;
    write(layout, &format!("{code}.yes"), &Answer { plan: plan.id, digest: plan.digest, by: by.clone() })
}

/// Puts a plan where `pot-console approve` finds it.
pub(super) fn offer(layout: &Layout, plan: &Plan) -> Result<(), Refusal> {
    forget_old(layout);
    match plan.approval_code.as_deref().and_then(plain) {
        Some(code) => write(layout, &format!("{code}.plan"), plan),
        None => Ok(()),
    }
}

/// Takes root's yes to exactly this plan; it serves once.
pub(super) fn take(layout: &Layout, plan: &Plan) -> Result<(), Refusal> {
    let code = plan.approval_code.as_deref().and_then(plain);
    let needed = || {
        Refusal::new(
            RefusalKind::ProofNeeded,
            format!(
                "Approve this plan in a root shell first: pot-console approve {}",
                plan.approval_code.as_deref().unwrap_or_default()
            ),
        )
    };
    let code = code.ok_or_else(needed)?;
    let yes = folder(layout).join(format!("{code}.yes"));
    let answer: Answer = files::read_limited(&yes, LONGEST)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(needed)?;
    // Before it is looked at: whatever it says, it serves once.
    std::fs::remove_file(&yes).map_err(|_| needed())?;
    let _ = std::fs::remove_file(folder(layout).join(format!("{code}.plan")));
    if answer.plan == plan.id && answer.digest == plan.digest { Ok(()) } else { Err(needed()) }
}

fn forget_old(layout: &Layout) {
    for entry in std::fs::read_dir(folder(layout)).into_iter().flatten().flatten() {
        let old = entry
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > SERVES));
        if old {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_never_a_path() {
        for bad in ["", "../X", "A/B", "AB", "7F3K\0", "7F 3K", &"A".repeat(17)] {
            assert_eq!(plain(bad), None, "{bad:?}");
        }
        assert_eq!(plain(" 7f3k\n").as_deref(), Some("7F3K"));
    }
}
