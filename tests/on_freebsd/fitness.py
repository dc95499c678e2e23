"""Whether the test can begin: the program, and the machine. Only looks."""

import os

from machine import Unfit
from places import DESK, PARAMETERS, PORT, PROGRAM, SETTINGS, STATE

SUPPORTED = (14, 15)


def program(named):
    """The program's bytes."""
    if named is None:
        kept = os.environ.get("POT_CONSOLE_FREEBSD_SDK") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pot-console", "freebsd")
        target = os.environ.get("POT_CONSOLE_FREEBSD_TARGET") or os.path.join(kept, "target")
        linked = [os.path.join(target, "x86_64-unknown-freebsd", profile, "pot-console") for profile in ("debug", "dist")]
        linked = [file for file in linked if os.path.exists(file)]
        if not linked:
            raise Unfit("there is no program linked for FreeBSD: run tests/freebsd first, or name one with --binary")
        named = max(linked, key=os.path.getmtime)
    try:
        with open(named, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Unfit(f"the program {named} cannot be read: {error.strerror}") from None
    if data[:4] != b"\x7fELF" or b"/libexec/ld-elf.so.1" not in data[:65536]:
        raise Unfit(f"{named} is no program for FreeBSD: tests/freebsd links one")
    return named, data


def look(machine, wipe):
    """What the machine is; refuses one that the test is not for. Only looks."""
    first = machine.call("uname -s", 90)
    system = first.out.strip()
    if first.status != 0 or not system:
        why = next(reversed([line for line in first.err.splitlines() if line.strip()]), f"status {first.status}")
        raise Unfit(f"the machine cannot be reached by {machine}: {why.strip()}")
    if system != "FreeBSD":
        raise Unfit(f"{machine} leads to a machine that runs {system}, not FreeBSD")
    answer = machine.run(PARAMETERS + f"""
say() {{ printf '%s\\t%s\\n' "$1" "$2"; }}
say uid "$(id -u)"
say release "$(freebsd-version -u)"
say architecture "$(sysctl -n hw.machine_arch)"
say jailed "$(sysctl -n security.jail.jailed)"
say pot "$(command -v pot)"
say potnet "$(command -v potnet)"
say root "$POT_ZFS_ROOT"
say folder "$POT_FS_ROOT"
say pool "$(zpool list -H -o name "${{POT_ZFS_ROOT%%/*}}" 2>/dev/null)"
say dataset "$(zfs list -H -o name "$POT_ZFS_ROOT" 2>/dev/null)"
say pots "$(ls "$POT_FS_ROOT/jails" 2>/dev/null | wc -l | tr -d ' ')"
say bridges "$(ifconfig -g pot 2>/dev/null | tr '\\n' ' ')"
say console "$(ls -d {PROGRAM} {SETTINGS} {STATE} {DESK} 2>/dev/null | tr '\\n' ' ')"
say interface "$(route -n get default 2>/dev/null | awk '$1 == "interface:" {{print $2}}')"
say taken "$(sockstat -lq -P tcp -p {PORT} | head -1)"
""", 120)
    known = dict(line.split("\t", 1) for line in answer.out.splitlines() if "\t" in line)
    if answer.status != 0 or "taken" not in known:
        raise Unfit(f"{machine} did not tell what it is: {answer.said or f'status {answer.status}'}")
    release = known["release"]
    if not release.split(".")[0].isdigit() or int(release.split(".")[0]) not in SUPPORTED:
        raise Unfit(f"FreeBSD {release} is not supported: {' and '.join(map(str, SUPPORTED))} are")
    if known["uid"] != "0":
        raise Unfit(f"{machine} does not make root of us: the test needs root there")
    if known["architecture"] != "amd64":
        raise Unfit(f"the machine is {known['architecture']}, the program is for amd64")
    if known["jailed"] != "0":
        raise Unfit("that is a jail: the console works on the host itself")
    for tool in ("pot", "potnet"):
        if not known[tool]:
            raise Unfit(f"{tool} is not installed there: pkg install pot")
    if not known["pool"]:
        raise Unfit(f"there is no ZFS pool for POT_ZFS_ROOT, {known['root']}")
    if not known["interface"]:
        raise Unfit("the machine has no default route: pot's network would lead nowhere")
    if (known["dataset"] or known["bridges"].strip()) and not wipe:
        raise Unfit(f"pot is in use there ({known['dataset'] or known['bridges'].strip()}, {known['pots']} pots): "
                    "with --wipe all of it would be destroyed")
    if known["console"].strip() and not wipe:
        raise Unfit(f"a console was there before ({known['console'].strip()}): with --wipe it would be removed, its "
                    "history with it")
    if known["taken"] and not wipe:
        raise Unfit(f"port {PORT} of the machine is taken: {known['taken']}")
    return known
