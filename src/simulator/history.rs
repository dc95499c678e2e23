//! The logs that a simulated host starts with, relative to now.

use std::fs;
use std::io;

use super::machine::{Machine, now};
use super::{Scenario, clock, inhabitants, syslog};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// One line to come: when, who says it, what.
struct Line {
    when: i64,
    host: &'static str,
    tag: String,
    text: String,
}

impl Line {
    fn bsd(&self) -> String {
        format!("{} {} {}: {}\n", clock::at(self.when).strftime("%b %e %H:%M:%S"), self.host, self.tag, self.text)
    }

    /// As syslogd writes with `-O rfc5424`; local2.info has the number 150.
    fn rfc5424(&self) -> String {
        let (tag, pid) =
            self.tag.split_once('[').map_or((self.tag.as_str(), "-"), |(tag, pid)| (tag, pid.trim_end_matches(']')));
        let stamp = clock::at(self.when).strftime("%Y-%m-%dT%H:%M:%S.418213%:z");
        format!("<150>1 {stamp} {}.lan {tag} {pid} - - {}\n", self.host, self.text)
    }
}

/// Numbers that look random and are the same at every build.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

pub(crate) fn write(machine: &Machine, scenario: Scenario) -> io::Result<()> {
    let (host, days) = match scenario {
        Scenario::Fresh => ("bsdvm", 1),
        Scenario::Default | Scenario::Huge => ("jail1", 6),
        Scenario::Busy => ("jail1", 31),
    };
    let messages: String = system(host, days, scenario).iter().map(Line::bsd).collect();
    // What the boot itself wrote stands last.
    let boot = machine.text("/var/log/messages");
    machine.write("/var/log/messages", &format!("{messages}{boot}"))?;
    match scenario {
        Scenario::Fresh => Ok(()),
        Scenario::Default | Scenario::Huge => {
            let text: String = tried_out().iter().map(Line::bsd).collect();
            machine.write("/var/log/pot.log", &text)
        }
        Scenario::Busy => a_month(machine),
    }
}

fn system(host: &'static str, days: i64, scenario: Scenario) -> Vec<Line> {
    let start = now() - days * DAY;
    let line = |when: i64, tag: &str, text: &str| Line { when, host, tag: tag.to_owned(), text: text.to_owned() };
    let card = if scenario == Scenario::Fresh { "vtnet0" } else { "em0" };
    let mut lines = vec![
        line(start, "syslogd", "kernel boot file is /boot/kernel/kernel"),
        line(start, "kernel", "FreeBSD 14.3-RELEASE releng/14.3-n271432-8c9ce319fef7 GENERIC amd64"),
        line(start, "kernel", "Trying to mount root from zfs:zroot/ROOT/default []..."),
        line(start + 1, "kernel", &format!("{card}: link state changed to UP")),
        line(start + 4, "ntpd[1188]", "ntpd 4.2.8p18-a (1): Starting"),
    ];
    let mut dice = Dice(7);
    let mut when = start + HOUR;
    while when < now() - HOUR {
        let pid = 2000 + dice.below(40_000);
        let (tag, text) = match dice.below(5) {
            0 => (
                format!("sshd[{pid}]"),
                "error: PAM: Authentication error for illegal user admin from 192.168.178.77".to_owned(),
            ),
            1 => (format!("su[{pid}]"), "anna to root on /dev/pts/0".to_owned()),
            2 => (format!("ntpd[{pid}]"), "kernel reports TIME_ERROR: 0x2041: Clock Unsynchronized".to_owned()),
            3 => (format!("pkg[{pid}]"), "rsync-3.4.1_2 installed".to_owned()),
            _ => ("kernel".to_owned(), format!("{card}: link state changed to UP")),
        };
        lines.push(Line { when, host, tag, text });
        when += HOUR + i64::try_from(dice.below(9 * 3600)).unwrap_or(0);
    }
    lines
}

fn pot_line(when: i64, pid: u64, text: &str) -> Line {
    Line { when, host: "jail1", tag: format!("pot[{pid}]"), text: text.to_owned() }
}

/// Somebody tried pot out last week and took it away again.
fn tried_out() -> Vec<Line> {
    let first = now() - 5 * DAY;
    let steps: [(i64, &str); 17] = [
        (0, "pot-version "),
        (95, "pot-init -h"),
        (140, "pot-init -v"),
        (260, "pot-create-base -r 14.3"),
        (900, "pot-create -p hello -b 14.3 -t single -N public-bridge -i auto"),
        (960, "pot-start hello"),
        (962, "pot-vnet-start "),
        (1100, "pot-stop hello"),
        (1180, "pot-start -p hello"),
        (DAY, "pot-snapshot -p hello"),
        (DAY + 400, "pot-export-ports -p hello -e 80:8080"),
        (DAY + 420, "pot-stop hello"),
        (DAY + 431, "pot-start hello"),
        (2 * DAY, "pot-stop hello"),
        (2 * DAY + 33, "pot-destroy -p hello"),
        (2 * DAY + 60, "pot-de-init -v"),
        (4 * DAY, "pot-version -q"),
    ];
    let mut lines: Vec<Line> =
        (0u64..).zip(steps).map(|(at, (after, text))| pot_line(first + after, 3011 + at * 173, text)).collect();
    lines.insert(
        0,
        Line { when: first - 60, host: "jail1", tag: "newsyslog[2890]".into(), text: "logfile first created".into() },
    );
    lines
}

/// How long ago the busy host's network was started last. Its pot.conf was changed since: that is what differs there.
const NETWORK_SINCE: i64 = 13 * DAY;
/// In so much time before now every pot comes to be as it is.
const SETTLING: i64 = 4 * DAY;

/// A pot in the course of the log.
struct Lived {
    name: &'static str,
    /// Whether it runs at the end.
    runs: bool,
    up: bool,
}

impl Lived {
    /// Starts what is stopped, stops what runs.
    fn turn(&mut self) -> String {
        self.up = !self.up;
        format!("pot-{} {}", if self.up { "start" } else { "stop" }, self.name)
    }
}

/// A month of a busy host: two packed generations and the present file; the eldest from when syslogd wrote RFC 5424.
fn a_month(machine: &Machine) -> io::Result<()> {
    let mut pots: Vec<Lived> = inhabitants::names().map(|(name, runs)| Lived { name, runs, up: runs }).collect();
    let mut dice = Dice(42);
    let mut lines = Vec::new();
    let mut when = now() - 31 * DAY;
    let settling = now() - SETTLING;
    while when < now() - 90 {
        let chosen = usize::try_from(dice.below(pots.len() as u64)).unwrap_or(0);
        let name = pots.get(chosen).map_or("proxy", |pot| pot.name);
        let pid = 1000 + dice.below(90_000);
        let text = match dice.below(14) {
            // At the end those run that run.
            0..=5 if when >= settling => match pots.iter_mut().find(|pot| pot.up != pot.runs) {
                Some(pot) => pot.turn(),
                None => "pot-ps ".to_owned(),
            },
            0..=5 => pots.get_mut(chosen).map_or_else(String::new, Lived::turn),
            6 => format!("pot-snapshot -p {name}"),
            7 => format!("pot-get-attribute -p {name} -A persistent"),
            8 => format!("pot-set-attribute -p {name} -A start-at-boot -V YES"),
            9 => format!("pot-copy-in -p {name} -s /root/certs/{name}.pem -d /usr/local/etc/ssl/{name}.pem"),
            10 => format!("pot-exec -p {name} /usr/sbin/service -e"),
            11 => format!("pot-purge-snapshots -p {name}"),
            12 => format!("pot-set-status -p {name} -s started"),
            // What the network was started with is older than the last changes of pot.conf.
            _ if when < now() - NETWORK_SINCE => "pot-vnet-start ".to_owned(),
            _ => "pot-ps ".to_owned(),
        };
        lines.push(pot_line(when, pid, &text));
        if dice.below(40) == 0 {
            lines.push(Line {
                when: when + 30,
                host: "jail1",
                tag: "last message repeated 3 times".into(),
                text: String::new(),
            });
        }
        if dice.below(25) == 0 {
            // Pots of POT_NETWORK may log here: -a.
            let text = format!("pot-start {name}");
            lines.push(Line { when: when + 31, host: "ci-runner-1", tag: "pot[77]".into(), text });
        }
        let hour = when / HOUR % 24;
        let pause = if (7..19).contains(&hour) { 1400 } else { 6200 };
        when += 20 + i64::try_from(dice.below(pause)).unwrap_or(0);
    }
    let today = now() - 9 * DAY;
    let earlier = now() - 20 * DAY;
    let bsd = |line: &Line| {
        if line.text.is_empty() {
            format!("{} {} {}\n", clock::at(line.when).strftime("%b %e %H:%M:%S"), line.host, line.tag)
        } else {
            line.bsd()
        }
    };
    let turned = |when: i64| {
        let text = "logfile turned over due to size>1000K".to_owned();
        Line { when, host: "jail1", tag: "newsyslog[5120]".into(), text }.bsd()
    };
    let eldest: String =
        lines.iter().filter(|line| line.when < earlier && !line.text.is_empty()).map(Line::rfc5424).collect();
    let middle: String = lines.iter().filter(|line| (earlier..today).contains(&line.when)).map(bsd).collect();
    let recent: String = lines.iter().filter(|line| line.when >= today).map(bsd).collect();
    fs::write(machine.path("/var/log/pot.log.1.gz"), syslog::compressed(eldest.as_bytes(), ".gz")?)?;
    let middle = format!("{}{middle}{}", turned(earlier), turned(today));
    fs::write(machine.path("/var/log/pot.log.0.bz2"), syslog::compressed(middle.as_bytes(), ".bz2")?)?;
    machine.write("/var/log/pot.log", &format!("{}{recent}", turned(today)))
}
