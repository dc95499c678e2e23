"""What `facts` says beside what the machine's own tools say."""

import datetime

from places import PARAMETERS

# What the tools themselves say of what `facts` says.
TOOLS = PARAMETERS + """\
say() { printf '%s\\t%s\\n' "$1" "$(printf '%s' "$2" | tr '\\n\\t' '; ')"; }
yes() { if "$@" >/dev/null 2>&1; then echo True; else echo False; fi; }
say 'host name' "$(hostname)"
say kernel "$(freebsd-version -k)"
say userland "$(freebsd-version -u)"
say architecture "$(sysctl -n hw.machine_arch)"
say processors "$(sysctl -n hw.ncpu)"
say memory "$(sysctl -n hw.physmem)"
say booted "$(sysctl -n kern.boottime | sed 's/^{ sec = \\([0-9]*\\),.*/\\1/')"
say VIMAGE "$(sysctl -n kern.features.vimage)"
say racct "$(sysctl -n kern.racct.enable)"
say forwarding "$(sysctl -n net.inet.ip.forwarding)"
say pools "$(zpool list -Hp -o name,size,health | sort)"
say datasets "$(zfs list -Hp -t filesystem -o name,mountpoint,mounted | sort)"
say interfaces "$(ifconfig -l | tr ' ' '\\n' | sort)"
say addresses "$(ifconfig -a -f inet:cidr inet | awk '/^[^\\t ]/ {split($1, n, ":")} $1 == "inet" {print n[1], $2}' | sort)"
say 'default route' "$(route -n get default | awk '$1 == "gateway:" {g = $2} $1 == "interface:" {i = $2} END {print g, i}')"
say resolvers "$(awk '$1 == "nameserver" {print $2}' /etc/resolv.conf)"
say 'pf loaded' "$(yes kldstat -q -m pf)"
say 'pf enabled' "$(pfctl -s info 2>/dev/null | grep -q '^Status: Enabled' && echo True || echo False)"
say 'pf: nat rules' "$(pfctl -s nat 2>/dev/null)"
say 'pf: rules in pot-nat' "$(pfctl -s nat -a pot-nat 2>/dev/null)"
say "pf's file" "$(sysrc -n pf_rules)"
say ipfw "$(yes kldstat -q -m ipfw)"
say syslogd_flags "$(sysrc -n syslogd_flags)"
say pf_enable "$(sysrc -n pf_enable)"
say gateway_enable "$(sysrc -n gateway_enable)"
say 'group pot' "$(getent group pot | cut -d: -f3)"
say 'package pot' "$(pkg -N >/dev/null 2>&1 && pkg query %v pot)"
say pots "$(for pot in $(ls "$POT_FS_ROOT/jails" 2>/dev/null); do
    echo "$pot $(yes jls -j "$pot")"; done | sort)"
"""


def facts_in_those_words(facts):
    """The same of `facts --format json`."""
    def value(name):
        return facts[name]["value"]

    def joined(lines):
        return ";".join(sorted(lines))

    system, machine, pf, packages = value("system"), value("machine"), value("pf"), value("packages")
    booted = datetime.datetime.fromisoformat(machine["booted"].replace("Z", "+00:00"))
    defaults = [route for route in value("routes") if route["destination"] == "0.0.0.0/0"]
    return {
        "host name": system["hostname"],
        "kernel": system["kernel"],
        "userland": system["userland"],
        "architecture": machine["architecture"],
        "processors": str(machine["cpus"]),
        "memory": str(machine["memory"]),
        "booted": str(int(booted.timestamp())),
        "VIMAGE": str(int(value("vimage"))),
        "racct": value("racct")["running"],
        "forwarding": str(int(value("forwarding"))),
        "pools": joined(f"{pool['name']} {pool['size']} {pool['health']}" for pool in value("pools")),
        "datasets": joined(f"{of['name']} {of['mountpoint']} {'yes' if of['mounted'] else 'no'}"
                           for of in value("datasets") if of["kind"] == "filesystem"),
        "interfaces": joined(interface["name"] for interface in value("interfaces")),
        "addresses": joined(f"{interface['name']} {address['network']}"
                            for interface in value("interfaces") for address in interface["addresses"]),
        "default route": "; ".join(f"{route['gateway']} {route['interface']}" for route in defaults),
        "resolvers": ";".join(value("resolvers")),
        "pf loaded": str(pf["loaded"]),
        "pf enabled": str(pf["enabled"]),
        "pf: nat rules": ";".join(pf["nat"]),
        "pf: rules in pot-nat": ";".join(pf["pot_nat"]),
        "pf's file": value("pf_file")["path"],
        "ipfw": str(value("ipfw")),
        "syslogd_flags": value("syslog")["flags"],
        "pf_enable": value("rc")["pf_enable"],
        "gateway_enable": value("rc")["gateway_enable"],
        "group pot": str(value("groups").get("pot", "")),
        "package pot": packages["pot"] or "",
        "pots": joined(f"{pot['name']} {pot['running']}" for pot in value("pots")),
    }
