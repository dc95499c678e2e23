//! The internal network: bridges, forwarding, rules of NAT.

use std::fs;

use super::super::call::{Outcome, getopt, value_of};
use super::super::pot_settings::line_value;
use super::run::Run;

pub(super) fn vnet_start(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help = "pot vnet-start [-hv] [-B bridge-name]\n  -h help, -v more words\n  -B start this private bridge";
    // A wrong option is said, ends the reading of options, and the network is started all the same.
    let good = (0..=args.len()).rev().find(|many| getopt(args.get(..*many).unwrap_or_default(), "hvB:").is_ok());
    let good = args.get(..good.unwrap_or(0)).unwrap_or_default();
    if let Err(error) = getopt(args, "hvB:") {
        run.wrong_option(&error);
    }
    let (flags, _) = run.options(good, "hvB:", help)?;
    let bridge = value_of(&flags, 'B').map(str::to_owned);
    if run.settings.value("POT_NETWORK").is_empty() || run.settings.value("POT_GATEWAY").is_empty() {
        run.error("No network or gateway defined");
        return Ok(1);
    }
    if run.settings.value("POT_EXTIF").is_empty() {
        run.error("No external interface defined");
        return Ok(1);
    }
    if !run.is_tmp_there() {
        run.error("POT_TMP is not there");
        return Ok(1);
    }
    match run.settings.stack().to_owned().as_str() {
        "ipv6" => start_ipv6(run),
        "dual" => {
            start_ipv4(run, bridge.as_deref())?;
            start_ipv6(run)
        }
        _ => start_ipv4(run, bridge.as_deref()),
    }
}

fn start_ipv4(run: &mut Run<'_>, private: Option<&str>) -> Outcome {
    if run.verbose {
        run.call.run("sysctl", &["net.inet.ip.forwarding=1"]);
    } else {
        run.call.output_of("sysctl", &["-qn", "net.inet.ip.forwarding=1"], true);
    }
    match private.filter(|name| !name.is_empty()) {
        None => {
            let (gateway, netmask) =
                (run.settings.value("POT_GATEWAY").to_owned(), run.settings.value("POT_NETMASK").to_owned());
            make_bridge(run, &gateway, "pot public bridge", &[&gateway, "netmask", &netmask]);
        }
        Some(name) if run.path(&format!("{}/bridges/{name}", run.settings.fs_root())).exists() => {
            let gateway = bridge_value(run, name, "gateway");
            let net = bridge_value(run, name, "net");
            let address = format!("{gateway}/{}", net.rsplit('/').next().unwrap_or_default());
            make_bridge(run, &gateway, "pot private bridge", &[&address]);
        }
        Some(name) => {
            run.error(format_args!("{name} is not a valid bridge"));
            return Ok(0);
        }
    }
    run.call.run("kldload", &["-n", "pf"]);
    let pf_file = run.pf_file();
    let listed =
        |text: &str, anchor: &str| text.lines().any(|line| line.trim_start_matches([' ', 't', '\\']) == anchor);
    let (_, anchors) = run.call.output_of("pfctl", &["-s", "Anchors"], true);
    let complete = listed(&anchors, "pot-nat") && {
        let (_, again) = run.call.output_of("pfctl", &["-s", "Anchors"], true);
        listed(&again, "pot-rdr")
    };
    if !complete {
        run.debug(format_args!("Pot anchors are missing - load {pf_file}"));
        run.call.run("pfctl", &["-f", &pf_file]);
    }
    let rules_file = format!("{}/pot_pf_nat_rules", run.settings.tmp());
    let rules = nat_rules(run);
    let path = run.path(&rules_file);
    let _ = fs::remove_file(&path);
    fs::write(&path, rules)?;
    run.call.run("pfctl", &["-a", "pot-nat", "-f", &rules_file]);
    let _ = fs::remove_file(&path);
    if run.verbose {
        run.call.run("pfctl", &["-s", "nat", "-a", "pot-nat"]);
    }
    // The last command's status is the whole command's.
    Ok(run.call.run("pfctl", &["-e"]))
}

fn make_bridge(run: &mut Run<'_>, gateway: &str, description: &str, address: &[&str]) {
    if let Some(bridge) = bridge_with(run, gateway) {
        run.debug(format_args!("Bridge {bridge} already present"));
        return;
    }
    let (status, bridge) =
        run.call.output_of("ifconfig", &["bridge", "create", "descr", description, "group", "pot"], true);
    if status == 0 {
        run.debug(format_args!("Bridge created {bridge}"));
    } else {
        run.error("Bridge not created");
    }
    let mut words = vec![bridge.as_str(), "inet"];
    words.extend_from_slice(address);
    if run.call.run("ifconfig", &words) == 0 {
        run.debug(format_args!("Bridge {bridge} configured with {}", address.join(" ")));
    } else {
        run.error(format_args!("Error during bridge configuration ({bridge})"));
    }
}

fn nat_rules(run: &mut Run<'_>) -> String {
    let settings = |name: &str| run.settings.value(name).to_owned();
    let (extif, network, address) = (settings("POT_EXTIF"), settings("POT_NETWORK"), settings("POT_EXTIF_ADDR"));
    let extra = settings("POT_EXTRA_EXTIF");
    let (vpn, vpn_networks) = (settings("POT_VPN_EXTIF"), settings("POT_VPN_NETWORKS"));
    let mut rules = format!("ext_if = \"{extif}\"\nlocalnet = \"{network}\"\n");
    let mut fixed = false;
    if !address.is_empty() {
        if run.call.run("potnet", &["ip4check", "--host", &address]) != 0 {
            run.info_line(format_args!("{address} is no valid IPv4 address [POT_EXTIF_ADDR], ignored"));
        } else if !run.address_on(&extif, &address) {
            run.info_line(format_args!("{address} [POT_EXTIF_ADDR] is not an address of {extif} [POT_EXTIF]"));
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
        let net = run.settings.value(&format!("POT_NETWORK_{interface}"));
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

fn start_ipv6(run: &mut Run<'_>) -> Outcome {
    let extif = run.settings.value("POT_EXTIF").to_owned();
    let (_, names) = run.call.output_of("ifconfig", &["-g", "bridge"], true);
    for name in names.split_whitespace() {
        let (_, text) = run.call.output_of("ifconfig", &[name], true);
        if text.contains(&format!("member: {extif}")) {
            run.debug(format_args!("Bridge {name} already present"));
            return Ok(0);
        }
    }
    let (status, bridge) =
        run.call.output_of("ifconfig", &["bridge", "create", "descr", "pot ipv6 bridge", "group", "pot"], true);
    if status == 0 {
        run.debug(format_args!("Bridge created {bridge}"));
    } else {
        run.error("Bridge not created");
    }
    if run.call.run("ifconfig", &[&bridge, "inet6", "up"]) == 0 {
        run.debug(format_args!("Bridge {bridge} inet6 up"));
    } else {
        run.error(format_args!("Error during bridge configuration ({bridge})"));
    }
    // A refused member is said and forgotten: the status stays 0.
    if run.call.run("ifconfig", &[&bridge, "addm", &extif]) == 0 {
        run.debug(format_args!("Bridge {bridge} addm {extif}"));
    } else {
        run.error(format_args!("Error while adding {extif} to the bridge ({bridge})"));
    }
    Ok(0)
}

pub(super) fn create_private_bridge(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let help =
        "pot create-private-bridge [-hv] [-B name] [-S size]\n  -B name of the bridge\n  -S number of hosts to expect";
    let (flags, _) = run.options(args, "hvB:S:", help)?;
    let Some(name) = value_of(&flags, 'B').filter(|name| !name.is_empty()) else {
        run.error("A bridge name is mandatory (-B option)");
        return Ok(1);
    };
    let Some(size) = value_of(&flags, 'S') else {
        run.error("The number of hosts is mandatory (-S option)");
        return Ok(1);
    };
    if run.call.which("potnet").is_none() {
        run.error("potnet is not available! It's needed - cannot proceed");
        return Ok(1);
    }
    let file = format!("{}/bridges/{name}", run.settings.fs_root());
    if run.path(&file).exists() {
        run.error(format_args!("A bridge with name {name} already exists"));
        return Ok(1);
    }
    let (status, text) = run.call.output_of("potnet", &["new-net", "-s", size], true);
    if status != 0 {
        run.error(format_args!("Not able to get a valid network with size {size}"));
        return Ok(1);
    }
    let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
    let path = run.path(&file);
    // As with `>`: the folder of bridges is there, one that the name asks for is not.
    if let Some(folder) = path.parent().filter(|folder| folder.ends_with("bridges")) {
        fs::create_dir_all(folder)?;
    }
    if let Err(error) = fs::write(&path, format!("{text}name={name}\n")) {
        run.call.warn(format_args!("cannot create {file}: {error}"));
        run.error(format_args!("Not able to get a valid network with size {size}"));
        return Ok(1);
    }
    Ok(0)
}

/// The bridge that carries an address.
pub(super) fn bridge_with(run: &mut Run<'_>, address: &str) -> Option<String> {
    let (_, names) = run.call.output_of("ifconfig", &["-g", "bridge"], true);
    for name in names.split_whitespace() {
        let (_, text) = run.call.output_of("ifconfig", &[name, "inet"], true);
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

pub(super) fn bridge_value(run: &Run<'_>, bridge: &str, key: &str) -> String {
    line_value(&run.call.machine.text(&format!("{}/bridges/{bridge}", run.settings.fs_root())), key).unwrap_or_default()
}

pub(super) fn anchors_are_up(run: &mut Run<'_>) -> bool {
    if !run.path("/dev/pf").exists() {
        return false;
    }
    let (_, anchors) = run.call.output_of("pfctl", &["-s", "Anchors"], true);
    ["pot-nat", "pot-rdr"].iter().all(|wanted| anchors.lines().any(|line| line.trim_start() == *wanted))
        && !run.call.output_of("pfctl", &["-s", "nat", "-a", "pot-nat"], true).1.is_empty()
}
