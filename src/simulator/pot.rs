//! The simulated pot: the commands that the console meets, step by step as pot 0.16.1 takes them, its slips included.
//!
//! Everything but its own small files goes through the other simulated tools, found by PATH: a fault of one of them shows
//! here as it would on a real host. Who calls it does not matter: whoever owns the simulated root is its root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::call::{BadOption, Call, Failure, Flag, Outcome, getopt, has, value_of};
use super::kernel;
use super::pot_settings::{Settings, line_value};
use super::state::{Jail, State};

const NAT_ANCHOR: &str = "nat-anchor pot-nat";
const RDR_ANCHOR: &str = "rdr-anchor \"pot-rdr/*\"";

/// Commands that leave no trace in the log.
const SILENT: [&str; 8] = ["config", "get-rss", "info", "last-run-stats", "list", "ps", "show", "top"];
const COMMANDS: [(&str, &str); 18] = [
    ("help", "this list"),
    ("version", "pot's version"),
    ("config", "a value of the configuration"),
    ("list", "pots, bases, fs components, flavours, bridges"),
    ("show", "sizes of pots"),
    ("info", "one pot or bridge"),
    ("ps", "running pots"),
    ("init", "prepare the host"),
    ("de-init", "remove everything"),
    ("vnet-start", "start the internal network"),
    ("create-private-bridge", "a network of its own for some pots"),
    ("create", "a new pot"),
    ("clone", "a pot from another"),
    ("destroy", "remove a pot"),
    ("start", "run a pot"),
    ("stop", "end a pot"),
    ("snapshot", "keep a pot's state"),
    ("get-attribute", "read an attribute"),
];

struct Run<'a> {
    call: &'a mut Call,
    settings: Settings,
    verbose: bool,
}

/// Ends the command with a status, everything having been said.
fn exit(status: u8) -> Failure {
    Failure::new(status, "")
}

pub(crate) fn pot(call: &mut Call) -> Outcome {
    let Some(settings) = Settings::read(&call.machine) else {
        call.say("###>  Fatal error! No default configuration file in /usr/local/etc/pot");
        return Ok(1);
    };
    for command in settings.commands() {
        if call.which(&command).is_none() {
            call.warn(format_args!("/usr/local/bin/pot: {command}: not found"));
        }
    }
    let args = std::mem::take(&mut call.args);
    let Some((given, args)) = args.split_first() else {
        usage(call);
        return Ok(1);
    };
    let command = match given.as_str() {
        "ls" => "list",
        "snap" => "snapshot",
        "get-attr" => "get-attribute",
        other => other,
    };
    if command == "help" {
        usage(call);
        return Ok(0);
    }
    if !COMMANDS.iter().any(|(known, _)| *known == command) {
        usage(call);
        return Ok(1);
    }
    let machine = call.machine.clone();
    if !matches!(command, "init" | "de-init" | "version") && !machine.path(settings.fs_root()).is_dir() {
        call.warn(format_args!("###>  {} does not exist, please run 'pot init'", settings.fs_root()));
        return Ok(1);
    }
    if matches!(command, "create" | "clone" | "create-private-bridge")
        && std::env::var("_POT_RECURSIVE").as_deref() != Ok("1")
    {
        // Runs itself once more, alone; only that run logs.
        let mut again = vec!["-k", "/tmp/pot-lock-file", "/usr/local/bin/pot", command];
        again.extend(args.iter().map(String::as_str));
        return run_again(call, &again);
    }
    if !SILENT.contains(&command) {
        let facility = format!("{}.info", settings.value("POT_LOG_FACILITY"));
        let line = format!("pot-{command} {}", args.join(" "));
        call.run("logger", &["-p", &facility, "-t", "pot", &line]);
    }
    let mut run = Run { call, settings, verbose: false };
    match command {
        "init" => run.init(args),
        "vnet-start" => run.vnet_start(args),
        "de-init" => run.de_init(args),
        "create-private-bridge" => run.create_private_bridge(args),
        "show" => run.show(args),
        "list" => run.list(args),
        "ps" => run.ps(args),
        "info" => run.info(args),
        "config" => run.config(args),
        "version" => run.version(args),
        "create" | "clone" => run.create(command, args),
        "destroy" => run.destroy(args),
        "start" => run.start(args),
        "stop" => run.stop(args),
        "snapshot" => run.snapshot(args),
        "get-attribute" => run.get_attribute(args),
        _ => Ok(1),
    }
}

fn run_again(call: &mut Call, args: &[&str]) -> Outcome {
    let Some(lockf) = call.which("lockf") else {
        call.warn("lockf: not found");
        return Ok(127);
    };
    call.flush();
    let path = std::env::join_paths(call.search_path()).unwrap_or_default();
    let status = std::process::Command::new(lockf).args(args).env("PATH", path).env("_POT_RECURSIVE", "1").status()?;
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

fn usage(call: &mut Call) {
    call.say("Usage: pot command [options]\n\nCommands (simulated):");
    for (name, what) in COMMANDS {
        call.say(format_args!("    {name:<22} {what}"));
    }
}

impl Run<'_> {
    fn error(&mut self, text: impl std::fmt::Display) {
        self.call.say(format_args!("###>  {text}"));
    }

    fn info_line(&mut self, text: impl std::fmt::Display) {
        self.call.say(format_args!("===>  {text}"));
    }

    fn debug(&mut self, text: impl std::fmt::Display) {
        if self.verbose {
            self.call.say(format_args!("=====>  {text}"));
        }
    }

    /// Options of a command; -h prints its help, a wrong one prints it and fails.
    fn options<'b>(
        &mut self,
        args: &'b [String],
        known: &str,
        help: &str,
    ) -> Result<(Vec<Flag>, &'b [String]), Failure> {
        match getopt(args, known) {
            Ok((flags, rest)) => {
                if has(&flags, 'h') {
                    self.call.say(help);
                    return Err(exit(0));
                }
                self.verbose = has(&flags, 'v');
                Ok((flags, rest))
            }
            Err(error) => {
                self.wrong_option(&error);
                self.call.say(help);
                Err(exit(1))
            }
        }
    }

    /// What sh's getopts says.
    fn wrong_option(&mut self, error: &BadOption) {
        self.call.warn(match error {
            BadOption::Unknown(letter) => format!("Illegal option -{letter}"),
            BadOption::NoValue(letter) => format!("No arg for -{letter} option"),
        });
    }

    fn dataset_exists(&mut self, name: &str) -> bool {
        !name.is_empty() && self.call.output_of("zfs", &["list", "-o", "name", "-H", name], false).1 == name
    }

    fn dataset_is_at(&mut self, name: &str, mountpoint: &str) -> bool {
        !mountpoint.is_empty()
            && self.dataset_exists(name)
            && self.call.output_of("zfs", &["list", "-H", "-o", "mountpoint", name], false).1 == mountpoint
    }

    fn interface_exists(&mut self, name: &str) -> bool {
        self.call.run_quietly("ifconfig", &[name]) == 0
    }

    fn address_on(&mut self, interface: &str, address: &str) -> bool {
        let (_, text) = self.call.output_of("ifconfig", &[interface], true);
        text.lines().any(|line| line.contains("inet ") && line.contains(&format!(" {address} ")))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.call.machine.path(path)
    }

    fn make_folder(&mut self, path: &str) {
        if let Err(error) = fs::create_dir_all(self.path(path)) {
            self.call.warn(format_args!("mkdir: {path}: {error}"));
        }
    }

    fn copy(&mut self, from: &str) {
        let to = format!("{from}.bkp-pot");
        match fs::copy(self.path(from), self.path(&to)) {
            Ok(_) => self.call.say(format_args!("{from} -> {to}")),
            Err(error) => self.call.warn(format_args!("cp: {to}: {error}")),
        }
    }

    fn is_tmp_there(&mut self) -> bool {
        let tmp = self.settings.tmp().to_owned();
        if !self.path(&tmp).is_dir() {
            self.make_folder(&tmp);
        }
        self.path(&tmp).is_dir()
    }

    fn pf_file(&mut self) -> String {
        self.call.output_of("sysrc", &["-n", "pf_rules"], true).1
    }

    fn init(&mut self, args: &[String]) -> Outcome {
        let help = "pot init [-hmsv] [-p pf_file]\n  -h help, -v more words\n  -m change as little as possible (-s and -p '')\n  -p file that gets the pf anchors, empty for none (-f: the same)\n  -s leave syslogd's configuration alone";
        let mut pf_file = self.pf_file();
        let (flags, _) = self.options(args, "hmsvf:p:", help)?;
        let mut skip_syslog = false;
        for flag in &flags {
            match flag.letter {
                'f' | 'p' => pf_file.clone_from(&flag.value),
                'm' => {
                    pf_file.clear();
                    skip_syslog = true;
                }
                's' => skip_syslog = true,
                _ => {}
            }
        }
        let (zfs_root, fs_root) = (self.settings.zfs_root().to_owned(), self.settings.fs_root().to_owned());
        let group = self.settings.group().to_owned();
        for (name, value) in [("POT_ZFS_ROOT", &zfs_root), ("POT_FS_ROOT", &fs_root)] {
            if value.is_empty() {
                self.error(format_args!("init {name} is mandatory"));
                self.error("init Configuration not valid, please verify it");
                return Ok(1);
            }
        }
        if self.call.run_quietly("getent", &["group", &group]) != 0 {
            self.error(format_args!("init Group '{group}' is missing, create it or change POT_GROUP"));
            self.error("init Configuration not valid, please verify it");
            return Ok(1);
        }
        if self.dataset_is_at(&zfs_root, &fs_root) {
            self.info_line(format_args!("{zfs_root} already present"));
        } else {
            if self.dataset_exists(&zfs_root) {
                self.error(format_args!("{zfs_root} is an invalid POT root"));
                return Ok(1);
            }
            self.debug(format_args!("creating {zfs_root}, to be mounted at {fs_root}"));
            let mountpoint = format!("mountpoint={fs_root}");
            self.call.run(
                "zfs",
                &[
                    "create",
                    "-o",
                    &mountpoint,
                    "-o",
                    "canmount=off",
                    "-o",
                    "compression=lz4",
                    "-o",
                    "atime=off",
                    &zfs_root,
                ],
            );
        }
        self.make_folder(&fs_root);
        if !self.path(&fs_root).is_dir() {
            self.error(format_args!("Not able to create the dir {fs_root}"));
            return Ok(1);
        }
        let folder = self.path(&fs_root);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750))?;
        let number = line_of_group(&self.call.machine.text("/etc/group"), &group);
        // An ordinary user's simulated root belongs to that user as a whole.
        let _ = std::os::unix::fs::chown(&folder, Some(0), number);
        for name in ["bases", "jails", "fscomp"] {
            let dataset = format!("{zfs_root}/{name}");
            if !self.dataset_exists(&dataset) {
                self.debug(format_args!("creating {dataset}"));
                if self.call.run("zfs", &["create", &dataset]) != 0 {
                    return Ok(1);
                }
            }
            if self.call.output_of("zfs", &["get", "-Ho", "value", "mounted", &dataset], true).1 != "yes" {
                self.debug(format_args!("mounting {dataset}"));
                if self.call.run("zfs", &["mount", &dataset]) != 0 {
                    return Ok(1);
                }
            }
        }
        let cache = self.settings.value("POT_CACHE").to_owned();
        let cache_dataset = format!("{zfs_root}/cache");
        if !self.dataset_is_at(&cache_dataset, &cache) {
            self.debug(format_args!("creating {cache_dataset}, to be mounted at {cache}"));
            if !self.dataset_exists(&cache_dataset) {
                let mountpoint = format!("mountpoint={cache}");
                self.call.run("zfs", &["create", "-o", &mountpoint, "-o", "compression=off", &cache_dataset]);
            }
        }
        self.make_folder(&format!("{fs_root}/bridges"));
        if !skip_syslog {
            for folder in ["/usr/local/etc/syslog.d", "/usr/local/etc/newsyslog.conf.d", "/var/log/pot"] {
                self.make_folder(folder);
            }
        }
        if !self.is_tmp_there() {
            self.error("POT_TMP could not be created");
            return Ok(1);
        }
        if self.call.run("potnet", &["config-check"]) != 0 {
            self.error("The network configuration in the pot configuration file is not valid");
            return Ok(1);
        }
        if let Some(status) = self.check_interfaces()? {
            return Ok(status);
        }
        if !skip_syslog {
            if is_writable(&self.path("/etc/rc.conf")) {
                self.call.say("Keeping a copy of /etc/rc.conf");
                self.copy("/etc/rc.conf");
            }
            let assignment = format!("syslogd_flags={}", self.settings.syslogd_flags());
            self.call.run("sysrc", &["-q", &assignment]);
        }
        self.add_anchors(&pf_file)
    }

    fn check_interfaces(&mut self) -> Result<Option<u8>, Failure> {
        let extif = self.settings.value("POT_EXTIF").to_owned();
        if !self.interface_exists(&extif) {
            self.error(format_args!("The network interface {extif} seems not valid [POT_EXTIF]"));
            return Ok(Some(1));
        }
        let address = self.settings.value("POT_EXTIF_ADDR").to_owned();
        if !address.is_empty() {
            if self.call.run("potnet", &["ip4check", "--host", &address]) != 0 {
                self.error(format_args!("{address} is no valid IPv4 address [POT_EXTIF_ADDR]"));
                return Ok(Some(1));
            }
            if !self.address_on(&extif, &address) {
                self.error(format_args!("{address} [POT_EXTIF_ADDR] is not an address of {extif} [POT_EXTIF]"));
                return Ok(Some(1));
            }
        }
        for extra in self.settings.value("POT_EXTRA_EXTIF").to_owned().split_whitespace() {
            if !self.interface_exists(extra) {
                self.error(format_args!("The network interface {extra} seems not valid [POT_EXTRA_EXTIF]"));
                return Ok(Some(1));
            }
        }
        Ok(None)
    }

    fn add_anchors(&mut self, pf_file: &str) -> Outcome {
        if pf_file.is_empty() {
            self.debug("pf.conf is left alone");
            return Ok(0);
        }
        let path = self.path(pf_file);
        let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).ok();
        let count =
            |wanted: &str| text.as_deref().map_or(0, |text| text.split('\n').filter(|line| *line == wanted).count());
        if count(NAT_ANCHOR) == 1 && count(RDR_ANCHOR) == 1 {
            self.debug("pf already properly configured");
            return Ok(0);
        }
        if is_writable(&path) {
            self.call.say(format_args!("Keeping a copy of {pf_file}"));
            self.copy(pf_file);
            self.remove_anchors(pf_file);
        } else if fs::OpenOptions::new().create(true).append(true).open(&path).is_err() {
            self.call.warn(format_args!("touch: {pf_file}: No such file or directory"));
        }
        self.call.say(format_args!("Adding pot's anchors to {pf_file}"));
        let script = format!("0a\n{NAT_ANCHOR}\n{RDR_ANCHOR}\n.\nx\n");
        self.call.run_with_input("ex", &[pf_file], &script);
        self.call.say(format_args!("Please, check that {pf_file} is still valid, and reload it!"));
        Ok(0)
    }

    fn remove_anchors(&mut self, pf_file: &str) {
        self.call.run("sed", &["-i", "", "/^nat-anchor pot-nat$/d", pf_file]);
        self.call.run("sed", &["-i", "", "/^rdr-anchor \"pot-rdr\\/\\*\"$/d", pf_file]);
    }

    /// The bridge that carries an address.
    fn bridge_with(&mut self, address: &str) -> Option<String> {
        let (_, names) = self.call.output_of("ifconfig", &["-g", "bridge"], true);
        for name in names.split_whitespace() {
            let (_, text) = self.call.output_of("ifconfig", &[name, "inet"], true);
            let found: Vec<&str> = text
                .lines()
                .filter(|line| line.contains("inet"))
                .filter_map(|line| line.split_whitespace().nth(1))
                .collect();
            if found.join("\n") == address {
                return Some(name.to_owned());
            }
        }
        None
    }

    fn bridge_value(&self, bridge: &str, key: &str) -> String {
        line_value(&self.call.machine.text(&format!("{}/bridges/{bridge}", self.settings.fs_root())), key)
            .unwrap_or_default()
    }

    fn vnet_start(&mut self, args: &[String]) -> Outcome {
        let help = "pot vnet-start [-hv] [-B bridge-name]\n  -h help, -v more words\n  -B start this private bridge";
        // A wrong option is said, ends the reading of options, and the network is started all the same.
        let good = (0..=args.len()).rev().find(|many| getopt(args.get(..*many).unwrap_or_default(), "hvB:").is_ok());
        let good = args.get(..good.unwrap_or(0)).unwrap_or_default();
        if let Err(error) = getopt(args, "hvB:") {
            self.wrong_option(&error);
        }
        let (flags, _) = self.options(good, "hvB:", help)?;
        let bridge = value_of(&flags, 'B').map(str::to_owned);
        if self.settings.value("POT_NETWORK").is_empty() || self.settings.value("POT_GATEWAY").is_empty() {
            self.error("No network or gateway defined");
            return Ok(1);
        }
        if self.settings.value("POT_EXTIF").is_empty() {
            self.error("No external interface defined");
            return Ok(1);
        }
        if !self.is_tmp_there() {
            self.error("POT_TMP is not there");
            return Ok(1);
        }
        match self.settings.stack().to_owned().as_str() {
            "ipv6" => self.start_ipv6(),
            "dual" => {
                self.start_ipv4(bridge.as_deref())?;
                self.start_ipv6()
            }
            _ => self.start_ipv4(bridge.as_deref()),
        }
    }

    fn start_ipv4(&mut self, private: Option<&str>) -> Outcome {
        if self.verbose {
            self.call.run("sysctl", &["net.inet.ip.forwarding=1"]);
        } else {
            self.call.output_of("sysctl", &["-qn", "net.inet.ip.forwarding=1"], true);
        }
        match private.filter(|name| !name.is_empty()) {
            None => {
                let (gateway, netmask) =
                    (self.settings.value("POT_GATEWAY").to_owned(), self.settings.value("POT_NETMASK").to_owned());
                self.make_bridge(&gateway, "pot public bridge", &[&gateway, "netmask", &netmask]);
            }
            Some(name) if self.path(&format!("{}/bridges/{name}", self.settings.fs_root())).exists() => {
                let gateway = self.bridge_value(name, "gateway");
                let net = self.bridge_value(name, "net");
                let address = format!("{gateway}/{}", net.rsplit('/').next().unwrap_or_default());
                self.make_bridge(&gateway, "pot private bridge", &[&address]);
            }
            Some(name) => {
                self.error(format_args!("{name} is not a valid bridge"));
                return Ok(0);
            }
        }
        self.call.run("kldload", &["-n", "pf"]);
        let pf_file = self.pf_file();
        let listed =
            |text: &str, anchor: &str| text.lines().any(|line| line.trim_start_matches([' ', 't', '\\']) == anchor);
        let (_, anchors) = self.call.output_of("pfctl", &["-s", "Anchors"], true);
        let complete = listed(&anchors, "pot-nat") && {
            let (_, again) = self.call.output_of("pfctl", &["-s", "Anchors"], true);
            listed(&again, "pot-rdr")
        };
        if !complete {
            self.debug(format_args!("Pot anchors are missing - load {pf_file}"));
            self.call.run("pfctl", &["-f", &pf_file]);
        }
        let rules_file = format!("{}/pot_pf_nat_rules", self.settings.tmp());
        let rules = self.nat_rules();
        let path = self.path(&rules_file);
        let _ = fs::remove_file(&path);
        fs::write(&path, rules)?;
        self.call.run("pfctl", &["-a", "pot-nat", "-f", &rules_file]);
        let _ = fs::remove_file(&path);
        if self.verbose {
            self.call.run("pfctl", &["-s", "nat", "-a", "pot-nat"]);
        }
        // The last command's status is the whole command's.
        Ok(self.call.run("pfctl", &["-e"]))
    }

    fn make_bridge(&mut self, gateway: &str, description: &str, address: &[&str]) {
        if let Some(bridge) = self.bridge_with(gateway) {
            self.debug(format_args!("Bridge {bridge} already present"));
            return;
        }
        let (status, bridge) =
            self.call.output_of("ifconfig", &["bridge", "create", "descr", description, "group", "pot"], true);
        if status == 0 {
            self.debug(format_args!("Bridge created {bridge}"));
        } else {
            self.error("Bridge not created");
        }
        let mut words = vec![bridge.as_str(), "inet"];
        words.extend_from_slice(address);
        if self.call.run("ifconfig", &words) == 0 {
            self.debug(format_args!("Bridge {bridge} configured with {}", address.join(" ")));
        } else {
            self.error(format_args!("Error during bridge configuration ({bridge})"));
        }
    }

    fn nat_rules(&mut self) -> String {
        let settings = |name: &str| self.settings.value(name).to_owned();
        let (extif, network, address) = (settings("POT_EXTIF"), settings("POT_NETWORK"), settings("POT_EXTIF_ADDR"));
        let extra = settings("POT_EXTRA_EXTIF");
        let (vpn, vpn_networks) = (settings("POT_VPN_EXTIF"), settings("POT_VPN_NETWORKS"));
        let mut rules = format!("ext_if = \"{extif}\"\nlocalnet = \"{network}\"\n");
        let mut fixed = false;
        if !address.is_empty() {
            if self.call.run("potnet", &["ip4check", "--host", &address]) != 0 {
                self.info_line(format_args!("{address} is no valid IPv4 address [POT_EXTIF_ADDR], ignored"));
            } else if !self.address_on(&extif, &address) {
                self.info_line(format_args!("{address} [POT_EXTIF_ADDR] is not an address of {extif} [POT_EXTIF]"));
            } else {
                fixed = true;
            }
        }
        if fixed {
            rules.push_str(&format!("ext_addr = \"{address}\"\nnat on $ext_if from $localnet to any -> $ext_addr\n"));
        } else {
            rules.push_str("nat on $ext_if from $localnet to any -> ($ext_if:0)\n");
        }
        for interface in extra.split_whitespace() {
            let net = self.settings.value(&format!("POT_NETWORK_{interface}"));
            if !net.is_empty() {
                rules.push_str(&format!("nat on {interface} from $localnet to {net} -> ({interface}:0)\n"));
            }
        }
        if !vpn.is_empty() {
            for net in vpn_networks.split_whitespace() {
                rules.push_str(&format!("nat on {vpn} from $localnet to {net} -> ({vpn}:0)\n"));
            }
        }
        rules
    }

    fn start_ipv6(&mut self) -> Outcome {
        let extif = self.settings.value("POT_EXTIF").to_owned();
        let (_, names) = self.call.output_of("ifconfig", &["-g", "bridge"], true);
        for name in names.split_whitespace() {
            let (_, text) = self.call.output_of("ifconfig", &[name], true);
            if text.contains(&format!("member: {extif}")) {
                self.debug(format_args!("Bridge {name} already present"));
                return Ok(0);
            }
        }
        let (status, bridge) =
            self.call.output_of("ifconfig", &["bridge", "create", "descr", "pot ipv6 bridge", "group", "pot"], true);
        if status == 0 {
            self.debug(format_args!("Bridge created {bridge}"));
        } else {
            self.error("Bridge not created");
        }
        if self.call.run("ifconfig", &[&bridge, "inet6", "up"]) == 0 {
            self.debug(format_args!("Bridge {bridge} inet6 up"));
        } else {
            self.error(format_args!("Error during bridge configuration ({bridge})"));
        }
        // A refused member is said and forgotten: the status stays 0.
        if self.call.run("ifconfig", &[&bridge, "addm", &extif]) == 0 {
            self.debug(format_args!("Bridge {bridge} addm {extif}"));
        } else {
            self.error(format_args!("Error while adding {extif} to the bridge ({bridge})"));
        }
        Ok(0)
    }

    fn de_init(&mut self, args: &[String]) -> Outcome {
        let help = "pot de-init [-hmvf] [-p pf_file]\n  -h help, -v more words\n  -f stop running pots\n  -m leave pf.conf alone\n  -p file to take the anchors from, empty for none";
        let mut pf_file = self.pf_file();
        let (flags, _) = self.options(args, "fhmvp:", help)?;
        for flag in &flags {
            match flag.letter {
                'm' => pf_file.clear(),
                'p' => pf_file.clone_from(&flag.value),
                _ => {}
            }
        }
        // The slip of 0.16.1: it asks for a pot by the name of the function that would list them.
        if self.call.run_quietly("jls", &["-j", "_get_pot_list"]) == 0 {
            if !has(&flags, 'f') {
                self.error("At least one pot is still running. Use -f to stop them");
                return Ok(1);
            }
            // The end of stop, run in the same shell, is the end of all.
            return Ok(self.call.run("pot", &["stop", "_get_pot_list"]));
        }
        let zfs_root = self.settings.zfs_root().to_owned();
        if self.dataset_exists(&zfs_root) {
            self.info_line(format_args!("Deinstall pot ({zfs_root})"));
            let mut words = vec!["destroy", "-r"];
            if self.verbose {
                words.push("-v");
            }
            words.push(&zfs_root);
            self.call.run("zfs", &words);
        } else {
            self.info_line(format_args!("no root dataset found ({zfs_root})"));
        }
        self.call.say("zfs datasets have been removed");
        if !pf_file.is_empty() {
            self.remove_anchors(&pf_file);
            self.call.say("pot's anchors should be gone from the pf configuration");
            self.call.say(format_args!("  - please check {pf_file} and reload it"));
        }
        self.call.say("rc.conf may still hold:\n  syslogd_flags\n  pot_enable");
        self.call.say("A mail to pizzamig at FreeBSD dot org about your experience with pot is welcome");
        Ok(0)
    }

    fn create_private_bridge(&mut self, args: &[String]) -> Outcome {
        let help = "pot create-private-bridge [-hv] [-B name] [-S size]\n  -B name of the bridge\n  -S number of hosts to expect";
        let (flags, _) = self.options(args, "hvB:S:", help)?;
        let Some(name) = value_of(&flags, 'B').filter(|name| !name.is_empty()) else {
            self.error("A bridge name is mandatory (-B option)");
            return Ok(1);
        };
        let Some(size) = value_of(&flags, 'S') else {
            self.error("The number of hosts is mandatory (-S option)");
            return Ok(1);
        };
        if self.call.which("potnet").is_none() {
            self.error("potnet is not available! It's needed - cannot proceed");
            return Ok(1);
        }
        let file = format!("{}/bridges/{name}", self.settings.fs_root());
        if self.path(&file).exists() {
            self.error(format_args!("A bridge with name {name} already exists"));
            return Ok(1);
        }
        let (status, text) = self.call.output_of("potnet", &["new-net", "-s", size], true);
        if status != 0 {
            self.error(format_args!("Not able to get a valid network with size {size}"));
            return Ok(1);
        }
        let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
        let path = self.path(&file);
        // As with `>`: the folder of bridges is there, one that the name asks for is not.
        if let Some(folder) = path.parent().filter(|folder| folder.ends_with("bridges")) {
            fs::create_dir_all(folder)?;
        }
        if let Err(error) = fs::write(&path, format!("{text}name={name}\n")) {
            self.call.warn(format_args!("cannot create {file}: {error}"));
            self.error(format_args!("Not able to get a valid network with size {size}"));
            return Ok(1);
        }
        Ok(0)
    }

    fn pots(&self) -> Vec<String> {
        folders(&self.path(&format!("{}/jails", self.settings.fs_root())))
    }

    fn pot_conf(&self, pot: &str) -> String {
        self.call.machine.text(&format!("{}/jails/{pot}/conf/pot.conf", self.settings.fs_root()))
    }

    fn pot_value(&self, pot: &str, key: &str) -> String {
        line_value(&self.pot_conf(pot), key).unwrap_or_default()
    }

    fn pot_address(&self, pot: &str) -> String {
        self.pot_conf(pot).lines().find_map(|line| line.strip_prefix("ip=")).unwrap_or_default().to_owned()
    }

    fn is_pot(&mut self, pot: &str) -> bool {
        !pot.is_empty()
            && !pot.contains('/')
            && self.path(&format!("{}/jails/{pot}/conf/pot.conf", self.settings.fs_root())).exists()
            && self.dataset_exists(&format!("{}/jails/{pot}", self.settings.zfs_root()))
    }

    fn runs(&mut self, pot: &str) -> bool {
        self.call.run_quietly("jls", &["-j", pot]) == 0
    }

    fn used(&mut self, dataset: &str) -> String {
        self.call.output_of("zfs", &["list", "-o", "used", "-H", dataset], true).1
    }

    fn show(&mut self, args: &[String]) -> Outcome {
        let help = "pot show [-hvq] [-a|-r|-p potname]\n  -a all pots, -r running ones (as without), -p one by name, -q names only";
        let (flags, _) = self.options(args, "hvp:arq", help)?;
        let chosen = ['a', 'r', 'p'].into_iter().filter(|letter| has(&flags, *letter)).count();
        if chosen > 1 {
            self.error("-p -r -a are mutually exclusive");
            self.call.say(help);
            return Ok(1);
        }
        let names = match value_of(&flags, 'p') {
            Some(name) => {
                if !self.is_pot(name) {
                    self.error(format_args!("Pot {name} not found"));
                    self.error(format_args!("{name} is not a valid pot"));
                    return Ok(1);
                }
                vec![name.to_owned()]
            }
            None => self.pots(),
        };
        for name in names {
            let runs = self.runs(&name);
            if !runs && !has(&flags, 'a') && !has(&flags, 'p') {
                continue;
            }
            if has(&flags, 'q') && !has(&flags, 'p') {
                self.call.say(name);
                continue;
            }
            let dataset = format!("{}/jails/{name}", self.settings.zfs_root());
            let used = self.used(&dataset);
            self.call.say(format_args!("pot {name}\n\tdisk usage      : {used}"));
            if self.verbose {
                self.show_external(&name);
            }
            if self.verbose && self.pot_value(&name, "pot.type") != "single" {
                let base = format!("{}/bases/{}", self.settings.zfs_root(), self.pot_value(&name, "pot.base"));
                let used = self.used(&base);
                self.call.say(format_args!("\tbase usage      : {used}"));
            }
            if runs {
                let racct = self.call.output_of("sysctl", &["-qn", "kern.racct.enable"], false).1;
                if racct == "1" {
                    let subject = format!("jail:{name}");
                    let (_, usage) = self.call.output_of("rctl", &["-hu", &subject], true);
                    let value = |key: &str| {
                        usage.split_whitespace().find_map(|word| word.strip_prefix(key)).unwrap_or_default().to_owned()
                    };
                    let (all, resident) = (value("vmemoryuse="), value("memoryuse="));
                    self.call.say(format_args!("\tvirtual memory  : {all}\n\tphysical memory : {resident}"));
                } else {
                    self.info_line("runtime memory usage require rctl enabled");
                }
                self.show_ports(&name);
            }
        }
        Ok(0)
    }

    fn show_ports(&mut self, name: &str) {
        let anchor = format!("pot-rdr/{name}");
        let (_, anchors) = self.call.output_of("pfctl", &["-a", "pot-rdr", "-s", "Anchors"], false);
        if self.pot_value(name, "network_type") != "public-bridge" || !anchors.lines().any(|line| line.trim() == anchor)
        {
            return;
        }
        self.call.say("\n\tExported ports");
        let (_, rules) = self.call.output_of("pfctl", &["-a", &anchor, "-s", "nat", "-P"], true);
        let address = format!(" {} ", self.pot_address(name));
        for rule in rules.lines().filter(|rule| rule.contains(&address)) {
            // Only of TCP is the beginning left out.
            let short = match rule.split_once("rdr pass on ") {
                Some(("", rest)) => rest.rsplit_once(" inet proto tcp from any to ").map_or(rule, |(_, rest)| rest),
                _ => rule,
            };
            self.call.say(format_args!("\t\t{}", short.replace(" =", "")));
        }
    }

    /// Datasets that a pot mounts and that are neither its own nor its base's.
    fn show_external(&mut self, name: &str) {
        let zfs_root = self.settings.zfs_root().to_owned();
        let own =
            [format!("{zfs_root}/jails/{name}"), format!("{zfs_root}/bases/{}", self.pot_value(name, "pot.base"))];
        let text = self.call.machine.text(&format!("{}/jails/{name}/conf/fscomp.conf", self.settings.fs_root()));
        for dataset in text.lines().filter_map(|line| line.split_whitespace().next()) {
            if !dataset.starts_with('/') && !own.iter().any(|own| dataset.starts_with(own)) {
                let used = self.used(dataset);
                let short = dataset.strip_prefix(&format!("{zfs_root}/")).unwrap_or(dataset);
                self.call.say(format_args!("\tdataset {short} usage  : {used}"));
            }
        }
    }

    fn list(&mut self, args: &[String]) -> Outcome {
        let help = "pot list [-hpbfFBa] [-qv]\n  -p pots (as without), -b bases, -f fs components, -F flavours, -B bridges, -a everything, -q names only";
        let (flags, _) = self.options(args, "hvbfFapqB", help)?;
        let quiet = has(&flags, 'q');
        let chosen: Vec<char> =
            flags.iter().map(|flag| flag.letter).filter(|letter| "pbfFBa".contains(*letter)).collect();
        if chosen.len() > 1 {
            self.error("Options -b -p -f -F -B -a are mutually exclusive");
            self.call.say(help);
            return Ok(1);
        }
        let what = chosen.first().copied().unwrap_or('p');
        if what == 'a' && quiet {
            self.error("Options -a and -q are incompatible");
            self.call.say(help);
            return Ok(1);
        }
        let kinds: Vec<char> = if what == 'a' { "bpfFB".chars().collect() } else { vec![what] };
        let fs_root = self.settings.fs_root().to_owned();
        for kind in kinds {
            let (word, names) = match kind {
                'b' => ("bases", folders(&self.path(&format!("{fs_root}/bases")))),
                'f' => {
                    let dataset = format!("{}/fscomp", self.settings.zfs_root());
                    let (_, text) = self.call.output_of("zfs", &["list", "-d", "1", "-Ho", "name", &dataset], true);
                    let names =
                        text.lines().skip(1).filter_map(|line| line.rsplit('/').next()).map(str::to_owned).collect();
                    ("fscomp", names)
                }
                'F' => ("flavour", self.flavours()),
                'B' => ("bridge", files(&self.path(&format!("{fs_root}/bridges")))),
                _ => {
                    self.list_pots(quiet);
                    continue;
                }
            };
            for name in names {
                if quiet {
                    self.call.say(name);
                } else {
                    self.call.say(format_args!("{word}: {name}"));
                }
            }
        }
        Ok(0)
    }

    fn flavours(&self) -> Vec<String> {
        let folder = self.path("/usr/local/etc/pot/flavours");
        let mut names: Vec<String> =
            files(&folder).iter().map(|name| name.trim_end_matches(".sh").to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn list_pots(&mut self, quiet: bool) {
        let pots = self.pots();
        if pots.is_empty() && !quiet {
            self.call.say("No pot created yet...");
        }
        for pot in pots {
            if quiet {
                self.call.say(pot);
                continue;
            }
            let network = self.pot_value(&pot, "network_type");
            let active = self.runs(&pot);
            self.call.say(format_args!("pot name : {pot}\n\tnetwork : {network}"));
            if network != "inherit" {
                let address = self.pot_address(&pot);
                self.call.say(format_args!("\tip : {address}"));
            }
            self.call.say(format_args!("\tactive : {active}"));
            if self.verbose {
                let (base, level) = (self.pot_value(&pot, "pot.base"), self.pot_value(&pot, "pot.level"));
                self.call.say(format_args!("\tbase : {base}\n\tlevel : {level}\n\tdatasets:"));
                self.say_datasets(&pot);
                self.call.say("\tsnapshot:");
                self.say_snapshots(&pot);
            }
            self.call.say("");
        }
    }

    fn say_datasets(&mut self, pot: &str) {
        let text = self.call.machine.text(&format!("{}/jails/{pot}/conf/fscomp.conf", self.settings.fs_root()));
        let zfs_root = format!("{}/", self.settings.zfs_root());
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some(dataset), Some(mountpoint)) = (words.next(), words.next()) {
                let dataset = dataset.strip_prefix(&zfs_root).unwrap_or(dataset);
                self.call.say(format_args!("\t\t{mountpoint} => {dataset}"));
            }
        }
    }

    fn say_snapshots(&mut self, pot: &str) {
        let dataset = format!("{}/jails/{pot}", self.settings.zfs_root());
        let (_, text) = self.call.output_of("zfs", &["list", "-t", "snapshot", "-o", "name", "-Hr", &dataset], true);
        if text.is_empty() {
            self.call.say("\t\tno snapshots");
        }
        for line in text.lines() {
            self.call.say(format_args!("\t\t{line}"));
        }
    }

    fn ps(&mut self, args: &[String]) -> Outcome {
        let (flags, _) = self.options(args, "hvq", "pot ps [-hvq]\n  -q names only")?;
        if !has(&flags, 'q') {
            let gateway = self.settings.value("POT_GATEWAY").to_owned();
            let up = self.bridge_with(&gateway).is_some() && self.anchors_are_up();
            self.info_line(if up { "Internal network up" } else { "Internal network down" });
        }
        for pot in self.pots() {
            if self.runs(&pot) {
                self.call.say(pot);
            }
        }
        Ok(0)
    }

    fn anchors_are_up(&mut self) -> bool {
        if !self.path("/dev/pf").exists() {
            return false;
        }
        let (_, anchors) = self.call.output_of("pfctl", &["-s", "Anchors"], true);
        ["pot-nat", "pot-rdr"].iter().all(|wanted| anchors.lines().any(|line| line.trim_start() == *wanted))
            && !self.call.output_of("pfctl", &["-s", "nat", "-a", "pot-nat"], true).1.is_empty()
    }

    fn info(&mut self, args: &[String]) -> Outcome {
        let help = "pot info [-hvqrEs] [-p pname|-B bname]\n  -p pot, -B bridge, -r only whether it runs, -E as environment, -s snapshots, -q quiet";
        let (flags, _) = self.options(args, "hvqp:rB:Es", help)?;
        let (pot, bridge) = (value_of(&flags, 'p').map(str::to_owned), value_of(&flags, 'B').map(str::to_owned));
        let quiet = has(&flags, 'q');
        let refuse = |run: &mut Self, text: &str| {
            run.error(text);
            run.call.say(help);
            Ok(1)
        };
        match (pot, bridge) {
            (None, None) => refuse(self, "Option -p or -b are mandatory"),
            (Some(_), Some(_)) => refuse(self, "Option -p and -b are mutually exclusive"),
            (None, Some(bridge)) => {
                if !self.path(&format!("{}/bridges/{bridge}", self.settings.fs_root())).exists() {
                    if !quiet {
                        self.error(format_args!("NO {bridge} is not a bridge"));
                    }
                    return Ok(1);
                }
                Ok(if quiet { 0 } else { self.call.run("potnet", &["show", "-b", &bridge]) })
            }
            (Some(pot), None) => {
                if !self.is_pot(&pot) {
                    if !quiet {
                        self.error(format_args!("NO {pot} is not a pot"));
                    }
                    self.call.say(help);
                    return Ok(1);
                }
                let runs = self.runs(&pot);
                if has(&flags, 'r') {
                    return Ok(u8::from(!runs));
                }
                if quiet {
                    return Ok(0);
                }
                if has(&flags, 'E') {
                    let address = self.pot_address(&pot);
                    self.call.say(format_args!("export _POT_NAME={pot}\nexport _POT_IP={address}"));
                    return Ok(0);
                }
                if has(&flags, 's') {
                    self.say_snapshots(&pot);
                    return Ok(0);
                }
                self.info_of(&pot, runs);
                Ok(0)
            }
        }
    }

    fn info_of(&mut self, pot: &str, runs: bool) {
        let value = |run: &Self, key: &str| run.pot_value(pot, key);
        let (kind, base, level) = (value(self, "pot.type"), value(self, "pot.base"), value(self, "pot.level"));
        let network = value(self, "network_type");
        self.call.say(format_args!(
            "pot name : {pot}\n\ttype : {kind}\n\tbase : {base}\n\tlevel : {level}\n\tnetwork_type : {network}"
        ));
        if network != "inherit" {
            let address = self.pot_address(pot);
            self.call.say(format_args!("\tip : {address}"));
            if network == "private-bridge" {
                let bridge = value(self, "bridge");
                self.call.say(format_args!("\tbridge : {bridge}"));
            }
            if self.verbose {
                let ports = value(self, "pot.export.ports");
                if ports.is_empty() {
                    self.call.say("\t\tno ports exported");
                } else {
                    self.call.say(format_args!("\t\texported ports: {ports}"));
                }
            }
        }
        self.call.say(format_args!("\tactive : {runs}"));
        if self.verbose {
            self.call.say("\tdatasets:");
            if kind == "single" {
                self.call.say(format_args!("\t\t{pot}/m"));
            }
            self.say_datasets(pot);
            self.call.say("\tsnapshots:");
            self.say_snapshots(pot);
        }
        self.call.say("\tattributes:");
        for name in [
            "start-at-boot",
            "early-start-at-boot",
            "persistent",
            "no-rc-script",
            "prunable",
            "localhost-tunnel",
            "to-be-pruned",
        ] {
            let value = value(self, &format!("pot.attr.{name}"));
            let value = if value.is_empty() { "NO" } else { &value };
            self.call.say(format_args!("\t\t{name}: {value}"));
        }
        self.call.say("");
    }

    fn config(&mut self, args: &[String]) -> Outcome {
        let help = "pot config [-hvq] [-g name]\n  -g one of fs_root zfs_root gateway syslogd pot_prefix fscomp_prefix network_stack\n  -q the value alone";
        let (flags, _) = self.options(args, "hvqg:", help)?;
        let quiet = has(&flags, 'q');
        let settings = &self.settings;
        let Some(name) = value_of(&flags, 'g') else {
            if !quiet {
                self.error("NO option -g is mandatory");
                self.call.say(help);
            }
            return Ok(1);
        };
        let (word, value) = match name {
            "fs_root" => ("fs_root", settings.fs_root().to_owned()),
            "zfs_root" => ("zfs_root", settings.zfs_root().to_owned()),
            "gateway" => ("gateway", settings.value("POT_GATEWAY").to_owned()),
            "syslogd" => ("syslogd flags", settings.syslogd_flags()),
            "pot_prefix" => ("pot prefix", format!("{}/jails", settings.fs_root())),
            "fscomp_prefix" => ("fscomp prefix", format!("{}/fscomp", settings.fs_root())),
            "network_stack" => ("network stack", settings.stack().to_owned()),
            other => {
                if !quiet {
                    self.error(format_args!("NO {other} is not a valid name"));
                    self.call.say(help);
                }
                return Ok(1);
            }
        };
        self.call.say(if quiet { value } else { format!("{word} = {value}") });
        Ok(0)
    }

    fn version(&mut self, args: &[String]) -> Outcome {
        let (flags, _) = self.options(args, "hvq", "pot version [-hvq]\n  -q the number alone")?;
        // 0.16.1 still calls itself so.
        self.call.say(if has(&flags, 'q') { "0.16.0" } else { "pot version: 0.16.0" });
        Ok(0)
    }

    fn need_init(&mut self) -> Result<(), Failure> {
        let (zfs_root, fs_root) = (self.settings.zfs_root().to_owned(), self.settings.fs_root().to_owned());
        if self.dataset_is_at(&zfs_root, &fs_root) {
            return Ok(());
        }
        self.error("Your system is not initialized, please run pot init");
        Err(exit(1))
    }

    /// A pot reduced to what others look at: its dataset, its two folders, its configuration.
    fn create(&mut self, command: &str, args: &[String]) -> Outcome {
        let help = "pot create -p potname [-b base] [-t type] [-N network] [-i address] [-B bridge] (simulated)\npot clone -p potname -P source [-N network] [-i address] [-B bridge] (simulated)";
        let (flags, _) = self.options(args, "hvp:P:b:B:i:N:t:l:f:S:d:FksE:c:a:", help)?;
        self.need_init()?;
        let Some(name) = value_of(&flags, 'p').map(str::to_owned) else {
            self.error("pot name is missing, option -p is mandatory");
            return Ok(1);
        };
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !plain || self.is_pot(&name) {
            self.error(format_args!("{name} is not a usable name for a new pot"));
            return Ok(1);
        }
        let source = value_of(&flags, 'P').map(str::to_owned);
        if command == "clone" && !source.as_deref().is_some_and(|source| self.is_pot(source)) {
            self.error("the pot to be cloned was not found [-P]");
            return Ok(1);
        }
        let network = value_of(&flags, 'N').unwrap_or("inherit").to_owned();
        let bridge = value_of(&flags, 'B').map(str::to_owned);
        let given = value_of(&flags, 'i').filter(|address| *address != "auto").map(str::to_owned);
        let address = match (network.as_str(), given, &bridge) {
            ("inherit", _, _) => String::new(),
            ("alias", None, _) => {
                self.error("option -i is mandatory with network type alias");
                return Ok(1);
            }
            (_, Some(address), _) => address,
            ("private-bridge", None, Some(bridge)) => self.call.output_of("potnet", &["next", "-b", bridge], true).1,
            _ => self.call.output_of("potnet", &["next"], true).1,
        };
        if !matches!(network.as_str(), "inherit" | "alias" | "public-bridge" | "private-bridge") {
            self.error(format_args!("Network type {network} not recognized"));
            return Ok(1);
        }
        let dataset = format!("{}/jails/{name}", self.settings.zfs_root());
        if self.call.run("zfs", &["create", &dataset]) != 0 {
            return Ok(1);
        }
        let kind = value_of(&flags, 't').unwrap_or("single").to_owned();
        let base = value_of(&flags, 'b').unwrap_or("14.3").to_owned();
        let machine = self.call.machine.clone();
        let mut text = format!(
            "pot.level=0\npot.type={kind}\npot.base={base}\npot.potbase=\npot.dns=inherit\npot.cmd=sh /etc/rc\nhost.hostname=\"{name}.{host}\"\nosrelease=\"{base}-RELEASE\"\npot.attr.no-rc-script=NO\npot.attr.persistent=YES\npot.attr.start-at-boot=NO\npot.stack={stack}\nnetwork_type={network}\n",
            host = machine.state()?.running.sysctls.get("kern.hostname").cloned().unwrap_or_default(),
            stack = self.settings.stack(),
        );
        let vnet = network.ends_with("-bridge");
        text.push_str(&format!("vnet={vnet}\n"));
        if network != "inherit" {
            text.push_str(&format!("ip={address}\n"));
        }
        if let Some(bridge) = bridge.filter(|_| network == "private-bridge") {
            text.push_str(&format!("bridge={bridge}\n"));
        }
        let folder = format!("{}/jails/{name}", self.settings.fs_root());
        machine.write(&format!("{folder}/conf/pot.conf"), &text)?;
        machine.write(&format!("{folder}/conf/fscomp.conf"), "")?;
        fs::create_dir_all(machine.path(format!("{folder}/m/etc")))?;
        self.info_line(format_args!("Creating a new pot {name}"));
        Ok(0)
    }

    fn named(&mut self, flags: &[Flag], rest: &[String]) -> Result<String, Failure> {
        let name = value_of(flags, 'p').or(rest.first().map(String::as_str)).unwrap_or_default().to_owned();
        if name.is_empty() {
            self.error("A pot name is mandatory");
            return Err(exit(1));
        }
        Ok(name)
    }

    fn destroy(&mut self, args: &[String]) -> Outcome {
        let (flags, rest) =
            self.options(args, "hvFrp:b:f:", "pot destroy [-hvrF] [-p potname|-b basename|-f fscomp]")?;
        let name = self.named(&flags, rest)?;
        if !self.is_pot(&name) {
            self.error(format_args!("{name} not found"));
            return Ok(1);
        }
        if self.runs(&name) {
            if !has(&flags, 'F') {
                self.error(format_args!("The pot {name} is running"));
                return Ok(1);
            }
            self.call.run("pot", &["stop", &name]);
        }
        let dataset = format!("{}/jails/{name}", self.settings.zfs_root());
        self.info_line(format_args!("Destroying pot {name}"));
        Ok(self.call.run("zfs", &["destroy", "-r", &dataset]))
    }

    fn start(&mut self, args: &[String]) -> Outcome {
        let (flags, rest) = self.options(args, "hvsSp:", "pot start [-hvs] [-p] potname")?;
        self.need_init()?;
        let name = self.named(&flags, rest)?;
        if !self.is_pot(&name) {
            self.error(format_args!("The pot {name} is not a valid pot"));
            return Ok(1);
        }
        if self.runs(&name) {
            self.error(format_args!("pot {name} is already started"));
            return Ok(1);
        }
        for other in self.pot_value(&name, "pot.depend").split_whitespace() {
            self.call.run("pot", &["start", other]);
        }
        let network = self.pot_value(&name, "network_type");
        let bridge_name = self.pot_value(&name, "bridge");
        if network.ends_with("-bridge") {
            let gateway = if network == "private-bridge" {
                self.bridge_value(&bridge_name, "gateway")
            } else {
                self.settings.value("POT_GATEWAY").to_owned()
            };
            if self.bridge_with(&gateway).is_none() || !self.anchors_are_up() {
                self.info_line("Internal network not found! Calling vnet-start to fix the issue");
                if network == "private-bridge" {
                    self.call.run("pot", &["vnet-start", "-B", &bridge_name]);
                } else {
                    self.call.run("pot", &["vnet-start"]);
                }
            }
            let Some(bridge) = self.bridge_with(&gateway) else {
                self.error(format_args!("no bridge for {name}"));
                return Ok(1);
            };
            let (status, end) =
                self.call.output_of("ifconfig", &["epair", "create", "descr", &name, "group", "pot"], true);
            if status != 0 || end.is_empty() {
                self.error("ifconfig epair failed");
                return Ok(1);
            }
            let other = format!("{}b", end.trim_end_matches('a'));
            self.call.run("ifconfig", &[&end, "up"]);
            let isolate = matches!(
                self.settings.value("POT_ISOLATE_VNET_POTS").to_ascii_lowercase().as_str(),
                "yes" | "true" | "on"
            );
            let mut words = vec![bridge.as_str(), "addm", end.as_str()];
            if isolate {
                words.extend(["private", end.as_str()]);
            }
            self.call.run("ifconfig", &words);
            self.export_ports(&name)?;
            self.start_jail(&name, true, Some(other))?;
        } else {
            self.start_jail(&name, false, None)?;
        }
        self.info_line(format_args!("Starting the pot {name}"));
        Ok(0)
    }

    fn export_ports(&mut self, name: &str) -> Result<(), Failure> {
        let ports: String = self
            .pot_conf(name)
            .lines()
            .find_map(|line| line.strip_prefix("pot.export.ports="))
            .unwrap_or_default()
            .to_owned();
        let (extif, address) = (self.settings.value("POT_EXTIF").to_owned(), self.pot_address(name));
        let fixed = self.settings.value("POT_EXTIF_ADDR");
        let target = if fixed.is_empty() { format!("({extif})") } else { fixed.to_owned() };
        let mut rules = String::new();
        for port in ports.split_whitespace() {
            let (protocol, port) = port
                .split_once(':')
                .filter(|(protocol, _)| matches!(*protocol, "tcp" | "udp"))
                .unwrap_or(("tcp", port));
            let (inner, outer) = port.split_once(':').unwrap_or((port, port));
            rules.push_str(&format!(
                "rdr pass on {extif} proto {protocol} from any to {target} port {outer} -> {address} port {inner}\n"
            ));
        }
        if rules.is_empty() {
            return Ok(());
        }
        let file = format!("{}/pot_pfrules_{name}", self.settings.tmp());
        self.call.machine.write(&file, &rules)?;
        if self.call.run("pfctl", &["-a", &format!("pot-rdr/{name}"), "-f", &file]) != 0 {
            self.error("pfctl failed to apply redirection rules");
        }
        let _ = fs::remove_file(self.path(&file));
        Ok(())
    }

    fn start_jail(&mut self, name: &str, vnet: bool, end: Option<String>) -> Result<(), Failure> {
        let hostname = self.pot_value(name, "host.hostname");
        let path = format!("{}/jails/{name}/m", self.settings.fs_root());
        let addresses: Vec<String> = self
            .pot_address(name)
            .split_whitespace()
            .map(|item| item.rsplit('|').next().unwrap_or_default().to_owned())
            .collect();
        let (name, alias) = (name.to_owned(), !vnet && !addresses.is_empty());
        let extif = self.settings.value("POT_EXTIF").to_owned();
        self.call.machine.change(|state: &mut State| {
            let jail = Jail {
                jid: 0,
                name: name.clone(),
                hostname,
                path,
                addresses: addresses.clone(),
                vnet,
                parameters: Vec::new(),
            };
            kernel::start_jail(state, jail);
            if let Some(end) = end
                && let Some(interface) = state.interface_mut(&end)
            {
                interface.vnet = Some(name.clone());
            }
            if alias {
                for address in &addresses {
                    let words = ["inet".to_owned(), format!("{address}/32"), "alias".to_owned()];
                    let _ = super::interfaces::configure(state, &extif, &words, &mut None);
                }
            }
        })?;
        Ok(())
    }

    fn stop(&mut self, args: &[String]) -> Outcome {
        let (flags, rest) = self.options(args, "hvp:i:s", "pot stop [-hv] [-p] potname")?;
        let name = self.named(&flags, rest)?;
        if !self.is_pot(&name) {
            // pot says so and is content.
            self.error(format_args!("The pot {name} is not a valid pot"));
            return Ok(0);
        }
        if !self.runs(&name) {
            self.error(format_args!("pot {name} is already stopped!"));
            return Ok(1);
        }
        let alias = self.pot_value(&name, "network_type") == "alias";
        let extif = self.settings.value("POT_EXTIF").to_owned();
        let addresses = self.pot_address(&name);
        self.debug(format_args!("Stop the pot {name}"));
        self.call.machine.change(|state| {
            kernel::stop_jail(state, &name);
            let ends: Vec<String> = state
                .running
                .interfaces
                .iter()
                .filter(|interface| interface.description.as_deref() == Some(&name))
                .map(|interface| interface.name.clone())
                .collect();
            for end in ends {
                super::interfaces::destroy(state, &end);
            }
            if alias {
                for item in addresses.split_whitespace() {
                    let (interface, address) = item.split_once('|').unwrap_or((&extif, item));
                    if let Some(interface) = state.interface_mut(interface) {
                        interface.inet.retain(|known| known.address.to_string() != address);
                    }
                }
            }
        })?;
        if self.path("/dev/pf").exists() {
            let anchor = format!("pot-rdr/{name}");
            self.call.run("pfctl", &["-a", &anchor, "-F", "nat", "-q"]);
        }
        Ok(0)
    }

    fn snapshot(&mut self, args: &[String]) -> Outcome {
        let (flags, rest) = self.options(args, "hvap:f:n:r", "pot snapshot [-hv] [-p potname]")?;
        let name = self.named(&flags, rest)?;
        let snapshot = format!("{}/jails/{name}@{}", self.settings.zfs_root(), super::machine::now());
        Ok(self.call.run("zfs", &["snapshot", "-r", &snapshot]))
    }

    fn get_attribute(&mut self, args: &[String]) -> Outcome {
        let (flags, _) = self.options(args, "hvp:A:", "pot get-attribute [-hv] -p pot -A attribute")?;
        let name = self.named(&flags, &[])?;
        let attribute = value_of(&flags, 'A').unwrap_or_default().to_owned();
        if !self.is_pot(&name) {
            self.error(format_args!("{name} is not a valid pot"));
            return Ok(1);
        }
        let value = self.pot_value(&name, &format!("pot.attr.{attribute}"));
        self.call.say(format_args!("{attribute}: {}", if value.is_empty() { "NO" } else { &value }));
        Ok(0)
    }
}

/// Folders in a folder, in the order of `ls -d */`: the slash counts.
fn folders(folder: &std::path::Path) -> Vec<String> {
    let mut names = entries(folder, |entry| entry.path().is_dir());
    names.sort_by_cached_key(|name| format!("{name}/"));
    names
}

fn files(folder: &std::path::Path) -> Vec<String> {
    entries(folder, |entry| entry.path().is_file())
}

fn entries(folder: &std::path::Path, wanted: impl Fn(&fs::DirEntry) -> bool) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .filter(|entry| wanted(entry))
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

fn is_writable(path: &std::path::Path) -> bool {
    fs::OpenOptions::new().append(true).open(path).is_ok()
}

fn line_of_group(text: &str, group: &str) -> Option<u32> {
    text.lines().find(|line| line.split(':').next() == Some(group))?.split(':').nth(2)?.parse().ok()
}
