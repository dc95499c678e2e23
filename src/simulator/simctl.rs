//! The tool that no FreeBSD has: it tells the simulation what to do.

use super::call::{Call, Failure, Outcome};
use super::faults::Fault;

const USAGE: &str = "usage: simctl fault TOOL missing|hang|slow [MS]|fail [STATUS [TEXT]]|garbage|keep-pipe [SECONDS]
       simctl fault pool-full POOL|full-at DATASET N|busy DATASET|snapshots DATASET N|locked DATASET|pkg-locked|pkg-offline|pkg-not-bootstrapped|pkg-wants-more|addm-refused
       simctl faults | simctl clear
       simctl reboot
       simctl release VERSION      (14, 15, 15.0-RELEASE …; the kernel's is in force after a reboot)
       simctl run-daemon SECONDS   (holds its output open)
       simctl state";

pub(crate) fn simctl(call: &mut Call) -> Outcome {
    let args = std::mem::take(&mut call.args);
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fault", rest @ ..] if !rest.is_empty() => {
            let fault: Fault = rest.join(" ").parse().map_err(|error| Failure::new(2, format!("simctl: {error}")))?;
            super::set_fault(call.machine.root(), fault)
                .map_err(|error| Failure::new(1, format!("simctl: {error}")))?;
            Ok(0)
        }
        ["faults"] => {
            for fault in call.machine.state()?.faults {
                call.say(fault);
            }
            Ok(0)
        }
        ["clear"] => {
            super::clear_faults(call.machine.root()).map_err(|error| Failure::new(1, format!("simctl: {error}")))?;
            Ok(0)
        }
        ["reboot"] => {
            super::reboot(call.machine.root()).map_err(|error| Failure::new(1, format!("simctl: {error}")))?;
            Ok(0)
        }
        ["release", version] => {
            let major: u32 = version
                .split('.')
                .next()
                .and_then(|text| text.parse().ok())
                .filter(|major| (9..100).contains(major))
                .ok_or_else(|| Failure::new(2, format!("simctl: {version}: no release")))?;
            // A number alone is the newest of its line.
            let version = match *version {
                "14" => "14.3-RELEASE".to_owned(),
                number if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("{number}.0-RELEASE"),
                version => version.to_owned(),
            };
            call.machine.change(|state| {
                state.kept.major = major;
                state.kept.userland.clone_from(&version);
                state.kept.kernel = version;
                state.kept.vimage = major >= 12;
            })?;
            Ok(0)
        }
        ["run-daemon", seconds] => {
            let seconds: u64 = seconds.parse().map_err(|_| Failure::new(2, USAGE))?;
            for _ in 0..seconds.min(3600) {
                std::thread::sleep(std::time::Duration::from_secs(1));
                // The root was removed: nobody waits for this daemon any more.
                if call.machine.state().is_err() {
                    break;
                }
            }
            Ok(0)
        }
        ["state"] => {
            let state = call.machine.state()?;
            let text = serde_json::to_string_pretty(&state).map_err(std::io::Error::other)?;
            call.say(text);
            Ok(0)
        }
        _ => Err(Failure::new(2, USAGE)),
    }
}
