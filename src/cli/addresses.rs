//! `pot-console addresses`: who has which address of pot's networks, and what is free.
//!
//! It asks the host itself, as `facts` does. While not all pots and bridges are known nothing is called free.

use super::{Exit, Format, Global};
use crate::host::{self, GatherInput};
use crate::network::addresses::{Held, Known, Range, Table, pot_network, potnet, prefix_for};
use crate::process::{Tools, harmless};
use anyhow::Context as _;
use ipnet::Ipv4Net;
use serde::Serialize;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;

/// Arguments of `addresses`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show what is free alone
    #[arg(long)]
    free: bool,
    /// Show the network that pot would give a private bridge for so many hosts
    #[arg(long, value_name = "HOSTS", value_parser = clap::value_parser!(u16).range(2..=65534))]
    hosts: Option<u16>,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Answer {
    network: Ipv4Net,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held: Vec<Held>,
    free: Vec<Range>,
    /// What `potnet next` gives.
    next: Option<Ipv4Addr>,
    /// What `potnet new-net` gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_net: Option<NewNet>,
    /// Why it is not known what potnet gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    potnet: Option<String>,
    /// Why some of it may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    doubt: Option<String>,
    bridges: Vec<Bridge>,
}

/// A network that potnet would give.
#[derive(Serialize)]
struct NewNet {
    network: Ipv4Net,
    gateway: Ipv4Addr,
}

/// A private bridge.
#[derive(Serialize)]
struct Bridge {
    name: String,
    network: Ipv4Net,
    gateway: Ipv4Addr,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held: Vec<Held>,
    free: Vec<Range>,
    next: Option<Ipv4Addr>,
}

/// Runs the command.
pub fn run(global: &Global, args: Args) -> anyhow::Result<Exit> {
    let layout = global.layout();
    let configuration = super::facts::read(&layout)?;
    let facts = host::gather(&layout, &Tools::find(&layout), &GatherInput::new(&configuration, &[]));
    let (table, known) = match (pot_network(&facts, &configuration), Known::of(&facts)) {
        (Ok(table), Ok(known)) => (table, known),
        (Err(why), _) | (_, Err(why)) => {
            eprintln!("pot-console: which addresses are free is not known: {}", harmless(&why));
            return Ok(Exit::HostCommand);
        }
    };
    let held = |table: &Table| if args.free { Vec::new() } else { table.held.clone() };
    let given = potnet(&facts, &configuration);
    let answer = Answer {
        network: table.network,
        held: held(&table),
        free: table.free(),
        next: given.as_ref().ok().and_then(Table::next),
        new_net: args.hosts.filter(|hosts| prefix_for(*hosts).is_some()).and_then(|hosts| {
            let (network, gateway) = given.as_ref().ok()?.new_net(hosts)?;
            Some(NewNet { network, gateway })
        }),
        potnet: given.err(),
        doubt: Known::doubt(&facts).map(str::to_owned),
        bridges: known
            .bridges
            .iter()
            .map(|bridge| {
                let table = Table::of_bridge(bridge, known);
                Bridge {
                    name: bridge.name.clone(),
                    network: bridge.network,
                    gateway: bridge.gateway,
                    held: held(&table),
                    free: table.free(),
                    next: table.next(),
                }
            })
            .collect(),
    };
    let mut out = io::stdout().lock();
    let printed = match global.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &answer).map_err(io::Error::from).and_then(|()| writeln!(out))
        }
        Format::Text => print(&mut out, &answer, &args),
    };
    match printed {
        // `addresses | head -1` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(error).context("printing the addresses"),
        Ok(()) => Ok(Exit::Done),
    }
}

fn print(out: &mut impl io::Write, answer: &Answer, args: &Args) -> io::Result<()> {
    if let Some(doubt) = &answer.doubt {
        writeln!(out, "There may be more than is shown: {}", harmless(doubt))?;
    }
    writeln!(out, "POT_NETWORK {}", answer.network)?;
    stretches(out, &answer.held, &answer.free)?;
    for bridge in &answer.bridges {
        writeln!(out, "\nPrivate bridge {} {}, gateway {}", harmless(&bridge.name), bridge.network, bridge.gateway)?;
        stretches(out, &bridge.held, &bridge.free)?;
    }
    if args.free && args.hosts.is_none() {
        return Ok(());
    }
    writeln!(out, "\npot would give next")?;
    match (&answer.potnet, answer.next) {
        (Some(why), _) => writeln!(out, "  not known: {}", harmless(why))?,
        (None, Some(address)) => writeln!(out, "  address         {address}")?,
        (None, None) => writeln!(out, "  address         none is free")?,
    }
    if let Some(hosts) = args.hosts.filter(|_| answer.potnet.is_none()) {
        match &answer.new_net {
            Some(NewNet { network, gateway }) => {
                writeln!(out, "  for {hosts} hosts     {network}, gateway {gateway}")?;
            }
            None => writeln!(out, "  for {hosts} hosts     none is free")?,
        }
    }
    Ok(())
}

fn stretches(out: &mut impl io::Write, held: &[Held], free: &[Range]) -> io::Result<()> {
    for one in held {
        let range = Range { first: one.first, last: one.last };
        // Names are those of folders, and a terminal obeys what stands in them.
        writeln!(out, "  {:<35}{}", range.to_string(), harmless(&one.by.in_words()))?;
    }
    for range in free {
        writeln!(out, "  {:<35}free, {}", range.to_string(), range.size())?;
    }
    Ok(())
}
