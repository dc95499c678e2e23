//! Simulated zfs(8) and zpool(8).

mod complaints;
mod create;
mod destroy;
mod list;
mod mounts;
mod pool;
mod properties;
mod snapshots;
mod table;

pub(crate) use pool::zpool;

use super::call::{Call, Outcome};
use complaints::usage;
use create::{clone, create, rename};
use destroy::destroy;
use list::{get, list};
use mounts::{mount, unmount};
use properties::{inherit, set};
use snapshots::{hold, holds, rollback, snapshot};

pub(crate) fn zfs(call: &mut Call) -> Outcome {
    let Some(subcommand) = call.args.first().cloned() else { return usage(call, "missing command") };
    let args: Vec<String> = call.args.drain(..).skip(1).collect();
    match subcommand.as_str() {
        "version" | "-V" | "--version" => {
            call.say("zfs-2.2.7-FreeBSD_ge269af1b3");
            call.say("zfs-kmod-2.2.7-FreeBSD_ge269af1b3");
            Ok(0)
        }
        "-?" | "help" => {
            call.say("usage: zfs command args ...");
            Ok(0)
        }
        "list" => list(call, &args),
        "get" => get(call, &args),
        "create" => create(call, &args),
        "destroy" => destroy(call, &args),
        "set" => set(call, &args),
        "inherit" => inherit(call, &args),
        "mount" => mount(call, &args),
        "unmount" | "umount" => unmount(call, &args),
        "snapshot" | "snap" => snapshot(call, &args),
        "rollback" => rollback(call, &args),
        "clone" => clone(call, &args),
        "rename" => rename(call, &args),
        "hold" | "release" => hold(call, &subcommand, &args),
        "holds" => holds(call, &args),
        other => usage(call, &format!("unrecognized command '{other}'")),
    }
}
