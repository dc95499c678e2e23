//! A pot's life: create, clone, start, stop, snapshot, destroy.

use std::fs;

use super::super::call::{Failure, Outcome, has, value_of};
use super::super::state::{Jail, State};
use super::super::{interfaces, kernel, machine};
use super::network::{anchors_are_up, bridge_value, bridge_with};
use super::run::Run;

/// A pot reduced to what others look at: its dataset, its two folders, its configuration.
pub(super) fn create(run: &mut Run<'_>, command: &str, args: &[String]) -> Outcome {
    let help = "pot create -p potname [-b base] [-t type] [-N network] [-i address] [-B bridge] (simulated)\npot clone -p potname -P source [-N network] [-i address] [-B bridge] (simulated)";
    let (flags, _) = run.options(args, "hvp:P:b:B:i:N:t:l:f:S:d:FksE:c:a:", help)?;
    run.need_init()?;
    let Some(name) = value_of(&flags, 'p').map(str::to_owned) else {
        run.error("pot name is missing, option -p is mandatory");
        return Ok(1);
    };
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !plain || run.is_pot(&name) {
        run.error(format_args!("{name} is not a usable name for a new pot"));
        return Ok(1);
    }
    let source = value_of(&flags, 'P').map(str::to_owned);
    if command == "clone" && !source.as_deref().is_some_and(|source| run.is_pot(source)) {
        run.error("the pot to be cloned was not found [-P]");
        return Ok(1);
    }
    let network = value_of(&flags, 'N').unwrap_or("inherit").to_owned();
    let bridge = value_of(&flags, 'B').map(str::to_owned);
    let given = value_of(&flags, 'i').filter(|address| *address != "auto").map(str::to_owned);
    let address = match (network.as_str(), given, &bridge) {
        ("inherit", _, _) => String::new(),
        ("alias", None, _) => {
            run.error("option -i is mandatory with network type alias");
            return Ok(1);
        }
        (_, Some(address), _) => address,
        ("private-bridge", None, Some(bridge)) => run.call.output_of("potnet", &["next", "-b", bridge], true).1,
        _ => run.call.output_of("potnet", &["next"], true).1,
    };
    if !matches!(network.as_str(), "inherit" | "alias" | "public-bridge" | "private-bridge") {
        run.error(format_args!("Network type {network} not recognized"));
        return Ok(1);
    }
    let dataset = format!("{}/jails/{name}", run.settings.zfs_root());
    if run.call.run("zfs", &["create", &dataset]) != 0 {
        return Ok(1);
    }
    let kind = value_of(&flags, 't').unwrap_or("single").to_owned();
    let base = value_of(&flags, 'b').unwrap_or("14.3").to_owned();
    let machine = run.call.machine.clone();
    let mut text = format!(
        "pot.level=0\npot.type={kind}\npot.base={base}\npot.potbase=\npot.dns=inherit\npot.cmd=sh /etc/rc\nhost.hostname=\"{name}.{host}\"\nosrelease=\"{base}-RELEASE\"\npot.attr.no-rc-script=NO\npot.attr.persistent=YES\npot.attr.start-at-boot=NO\npot.stack={stack}\nnetwork_type={network}\n",
        host = machine.state()?.running.sysctls.get("kern.hostname").cloned().unwrap_or_default(),
        stack = run.settings.stack(),
    );
    let vnet = network.ends_with("-bridge");
    text.push_str(&format!("vnet={vnet}\n"));
    if network != "inherit" {
        text.push_str(&format!("ip={address}\n"));
    }
    if let Some(bridge) = bridge.filter(|_| network == "private-bridge") {
        text.push_str(&format!("bridge={bridge}\n"));
    }
    let folder = format!("{}/jails/{name}", run.settings.fs_root());
    machine.write(&format!("{folder}/conf/pot.conf"), &text)?;
    machine.write(&format!("{folder}/conf/fscomp.conf"), "")?;
    fs::create_dir_all(machine.path(format!("{folder}/m/etc")))?;
    run.info_line(format_args!("Creating a new pot {name}"));
    Ok(0)
}

pub(super) fn destroy(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let (flags, rest) = run.options(args, "hvFrp:b:f:", "pot destroy [-hvrF] [-p potname|-b basename|-f fscomp]")?;
    let name = run.named(&flags, rest)?;
    if !run.is_pot(&name) {
        run.error(format_args!("{name} not found"));
        return Ok(1);
    }
    if run.runs(&name) {
        if !has(&flags, 'F') {
            run.error(format_args!("The pot {name} is running"));
            return Ok(1);
        }
        run.call.run("pot", &["stop", &name]);
    }
    let dataset = format!("{}/jails/{name}", run.settings.zfs_root());
    run.info_line(format_args!("Destroying pot {name}"));
    Ok(run.call.run("zfs", &["destroy", "-r", &dataset]))
}

pub(super) fn start(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let (flags, rest) = run.options(args, "hvsSp:", "pot start [-hvs] [-p] potname")?;
    run.need_init()?;
    let name = run.named(&flags, rest)?;
    if !run.is_pot(&name) {
        run.error(format_args!("The pot {name} is not a valid pot"));
        return Ok(1);
    }
    if run.runs(&name) {
        run.error(format_args!("pot {name} is already started"));
        return Ok(1);
    }
    for other in run.pots.value(&name, "pot.depend").split_whitespace() {
        run.call.run("pot", &["start", other]);
    }
    let network = run.pots.value(&name, "network_type");
    let bridge_name = run.pots.value(&name, "bridge");
    if network.ends_with("-bridge") {
        let gateway = if network == "private-bridge" {
            bridge_value(run, &bridge_name, "gateway")
        } else {
            run.settings.value("POT_GATEWAY").to_owned()
        };
        if bridge_with(run, &gateway).is_none() || !anchors_are_up(run) {
            run.info_line("Internal network not found! Calling vnet-start to fix the issue");
            if network == "private-bridge" {
                run.call.run("pot", &["vnet-start", "-B", &bridge_name]);
            } else {
                run.call.run("pot", &["vnet-start"]);
            }
        }
        let Some(bridge) = bridge_with(run, &gateway) else {
            run.error(format_args!("no bridge for {name}"));
            return Ok(1);
        };
        let (status, end) = run.call.output_of("ifconfig", &["epair", "create", "descr", &name, "group", "pot"], true);
        if status != 0 || end.is_empty() {
            run.error("ifconfig epair failed");
            return Ok(1);
        }
        let other = format!("{}b", end.trim_end_matches('a'));
        run.call.run("ifconfig", &[&end, "up"]);
        let isolate =
            matches!(run.settings.value("POT_ISOLATE_VNET_POTS").to_ascii_lowercase().as_str(), "yes" | "true" | "on");
        let mut words = vec![bridge.as_str(), "addm", end.as_str()];
        if isolate {
            words.extend(["private", end.as_str()]);
        }
        run.call.run("ifconfig", &words);
        export_ports(run, &name)?;
        start_jail(run, &name, true, Some(other))?;
    } else {
        start_jail(run, &name, false, None)?;
    }
    run.info_line(format_args!("Starting the pot {name}"));
    Ok(0)
}

fn export_ports(run: &mut Run<'_>, name: &str) -> Result<(), Failure> {
    let ports: String = run
        .pots
        .conf(name)
        .lines()
        .find_map(|line| line.strip_prefix("pot.export.ports="))
        .unwrap_or_default()
        .to_owned();
    let (extif, address) = (run.settings.value("POT_EXTIF").to_owned(), run.pots.address(name));
    let fixed = run.settings.value("POT_EXTIF_ADDR");
    let target = if fixed.is_empty() { format!("({extif})") } else { fixed.to_owned() };
    let mut rules = String::new();
    for port in ports.split_whitespace() {
        let (protocol, port) =
            port.split_once(':').filter(|(protocol, _)| matches!(*protocol, "tcp" | "udp")).unwrap_or(("tcp", port));
        let (inner, outer) = port.split_once(':').unwrap_or((port, port));
        rules.push_str(&format!(
            "rdr pass on {extif} proto {protocol} from any to {target} port {outer} -> {address} port {inner}\n"
        ));
    }
    if rules.is_empty() {
        return Ok(());
    }
    let file = format!("{}/pot_pfrules_{name}", run.settings.tmp());
    run.call.machine.write(&file, &rules)?;
    if run.call.run("pfctl", &["-a", &format!("pot-rdr/{name}"), "-f", &file]) != 0 {
        run.error("pfctl failed to apply redirection rules");
    }
    let _ = fs::remove_file(run.path(&file));
    Ok(())
}

fn start_jail(run: &mut Run<'_>, name: &str, vnet: bool, end: Option<String>) -> Result<(), Failure> {
    let hostname = run.pots.value(name, "host.hostname");
    let path = format!("{}/jails/{name}/m", run.settings.fs_root());
    let addresses: Vec<String> = run
        .pots
        .address(name)
        .split_whitespace()
        .map(|item| item.rsplit('|').next().unwrap_or_default().to_owned())
        .collect();
    let (name, alias) = (name.to_owned(), !vnet && !addresses.is_empty());
    let extif = run.settings.value("POT_EXTIF").to_owned();
    run.call.machine.change(|state: &mut State| {
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
                let _ = interfaces::configure(state, &extif, &words, &mut None);
            }
        }
    })?;
    Ok(())
}

pub(super) fn stop(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let (flags, rest) = run.options(args, "hvp:i:s", "pot stop [-hv] [-p] potname")?;
    let name = run.named(&flags, rest)?;
    if !run.is_pot(&name) {
        // pot says so and is content.
        run.error(format_args!("The pot {name} is not a valid pot"));
        return Ok(0);
    }
    if !run.runs(&name) {
        run.error(format_args!("pot {name} is already stopped!"));
        return Ok(1);
    }
    let alias = run.pots.value(&name, "network_type") == "alias";
    let extif = run.settings.value("POT_EXTIF").to_owned();
    let addresses = run.pots.address(&name);
    run.debug(format_args!("Stop the pot {name}"));
    run.call.machine.change(|state| {
        kernel::stop_jail(state, &name);
        let ends: Vec<String> = state
            .running
            .interfaces
            .iter()
            .filter(|interface| interface.description.as_deref() == Some(&name))
            .map(|interface| interface.name.clone())
            .collect();
        for end in ends {
            interfaces::destroy(state, &end);
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
    if run.path("/dev/pf").exists() {
        let anchor = format!("pot-rdr/{name}");
        run.call.run("pfctl", &["-a", &anchor, "-F", "nat", "-q"]);
    }
    Ok(0)
}

pub(super) fn snapshot(run: &mut Run<'_>, args: &[String]) -> Outcome {
    let (flags, rest) = run.options(args, "hvap:f:n:r", "pot snapshot [-hv] [-p potname]")?;
    let name = run.named(&flags, rest)?;
    let snapshot = format!("{}/jails/{name}@{}", run.settings.zfs_root(), machine::now());
    Ok(run.call.run("zfs", &["snapshot", "-r", &snapshot]))
}
