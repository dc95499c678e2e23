//! The hosts on which the examples stand: in words for people, and for the tests as facts.

/// What an example takes for given of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExampleHost {
    /// Any: the file alone is looked at.
    Any,
    /// [`ExampleHost::in_words`] names what the rules look at; the other hosts are this one with one thing changed.
    Plain,
    /// An older pot is installed.
    OldPot,
    /// A route leads into 10.200.0.0/16.
    RouteInside,
    /// The browser that asks has an address in 10.200.0.0/16.
    AskedFrom,
    /// The default gateway lies in 10.99.0.0/16.
    GatewayInside,
    /// A name server lies in 10.99.0.0/16.
    ResolverInside,
    /// There are a pot and a private bridge.
    Pots,
    /// em1 has no address.
    BareInterface,
    /// pot's own bridge is there.
    PotsBridge,
    /// em0 has two addresses.
    TwoAddresses,
    /// There is a tunnel.
    Tunnel,
    /// A release whose bridges take no interface with an address.
    Fifteen,
    /// pot is initialised, with pots.
    Prepared,
    /// A dataset with somebody's mail.
    Mail,
    /// /srv/pot holds files.
    FullFolder,
    /// /srv/pot is a file.
    FileThere,
    /// /srv/pot is a link.
    LinkThere,
    /// /srv/tmp is not there.
    NoTmp,
    /// /srv/tmp is a folder of root's.
    OwnTmp,
    /// /etc/pf.conf is a link to a file of somebody's.
    OpenLink,
    /// local3 is written to a file.
    LogWritten,
    /// local3 is written to a file that is not there.
    LogMissing,
    /// local3 is passed on.
    LogHost,
    /// The named file is not there.
    TrustedAbsent,
    /// It is there, but not executable.
    TrustedNotExecutable,
    /// Others than root can change it.
    TrustedOpen,
    /// It is executable, and root's alone.
    TrustedGood,
    /// pf refuses pf.conf.
    PfBroken,
    /// pf is not loaded.
    PfUntested,
    /// ifconfig did not answer.
    Silent,
}

impl ExampleHost {
    /// "On a host with …": empty where it does not matter.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Plain => {
                "On a host with pot 0.16.1, the pool zroot, em0 with 192.168.178.20/24 and the default route, vlan20 with \
                 10.0.20.4/24 and vlan30 with 10.0.30.8/24"
            }
            Self::OldPot => "On a host with pot 0.15.4",
            Self::RouteInside => "On a host with a route to 10.200.0.0/24 by vlan20",
            Self::AskedFrom => "Asked by a browser at 10.200.0.9",
            Self::GatewayInside => "On a host whose default gateway is 10.99.0.254",
            Self::ResolverInside => "On a host whose /etc/resolv.conf names 10.99.0.53",
            Self::Pots => "On a host with the pot proxy at 10.192.0.3 and the private bridge lan1 with 10.192.0.8/29",
            Self::BareInterface => "On a host with em0, which has 192.168.178.20/24, and em1, which has no address",
            Self::PotsBridge => "On a host with em0 and with bridge8, which pot made",
            Self::TwoAddresses => "On a host whose em0 has 192.168.178.20/24 and 192.168.178.22/32",
            Self::Tunnel => "On a host with em0 and the tunnel tun0, which has 10.9.0.2/32",
            Self::Fifteen => "On FreeBSD 15.0 with net.link.bridge.member_ifaddrs=0 and 192.168.178.20/24 on em0",
            Self::Prepared => {
                "On a host where zroot/pot is mounted at /opt/pot, its cache at /var/cache/pot, with the pot web1"
            }
            Self::Mail => "On a host where zroot/mail holds 3 GiB",
            Self::FullFolder => "On a host where /srv/pot holds files",
            Self::FileThere => "On a host where /srv/pot is a file",
            Self::LinkThere => "On a host where /srv/pot is a symbolic link",
            Self::NoTmp => "On a host without /srv/tmp",
            Self::OwnTmp => "On a host where /srv/tmp is a folder of root's with mode 700",
            Self::OpenLink => "On a host where /etc/pf.conf is a link to a file in /home/anna, which is not root's",
            Self::LogWritten => "On a host whose syslogd writes local3 to /var/log/pot.log",
            Self::LogMissing => "On a host whose syslogd writes local3 to /var/log/pot.log, which does not exist",
            Self::LogHost => "On a host whose syslogd passes local3 on to @loghost",
            Self::TrustedAbsent => "On a host without the named file",
            Self::TrustedNotExecutable => "On a host where the named file has mode 644",
            Self::TrustedOpen => "On a host where others than root can write to the named file",
            Self::TrustedGood => "On a host where the named file is root's alone, with mode 755",
            Self::PfBroken => "On a host where line 4 of /etc/pf.conf is wrong",
            Self::PfUntested => "On a host where pf is not loaded",
            Self::Silent => "On a host where ifconfig did not answer",
        }
    }
}

#[cfg(test)]
mod facts {
    use super::ExampleHost;
    use crate::facts::{Fact, HostFacts, Ipv4Address, PathKind, PathState, PrivateBridge, Untested};
    use crate::rules::example::{absent, at, dataset, file, folder, healthy, host, interface, link, pot, route};
    use std::net::IpAddr;

    impl ExampleHost {
        /// As facts; none: the file alone is looked at.
        pub(in crate::rules) fn facts(self) -> Option<HostFacts> {
            let with = |path: &str, state: PathState| host(|facts| at(facts, path, state));
            let more = |name: &str, group: &str, addresses: &[&str]| {
                let added = interface(name, group, addresses);
                host(|facts| facts.interfaces.value.as_mut().unwrap().push(added))
            };
            let trusted = |state: &PathState| {
                host(|facts| {
                    for path in ["/usr/local/libexec/pot-rules", "/usr/local/etc/pot/images.pub"] {
                        at(facts, path, state.clone());
                    }
                })
            };
            let log = |is_missing: bool| {
                host(|facts| {
                    let syslog = facts.syslog.value.as_mut().unwrap();
                    syslog.files.insert("local3".to_owned(), vec!["/var/log/pot.log".to_owned()]);
                    syslog.missing.extend(is_missing.then(|| "/var/log/pot.log".to_owned()));
                })
            };
            Some(match self {
                Self::Any | Self::AskedFrom => return None,
                Self::Plain => healthy(),
                Self::OldPot => host(|facts| facts.packages.value.as_mut().unwrap().pot = Some("0.15.4".to_owned())),
                Self::RouteInside => host(|facts| {
                    facts.routes.value.as_mut().unwrap().push(route("10.200.0.0/24", Some("10.0.20.1"), "vlan20"));
                }),
                Self::GatewayInside => host(|facts| {
                    facts.routes = Fact::known(vec![route("0.0.0.0/0", Some("10.99.0.254"), "em0")], "test");
                }),
                Self::ResolverInside => {
                    host(|facts| facts.resolvers = Fact::known(vec!["10.99.0.53".parse().unwrap()], "test"))
                }
                Self::Pots => host(|facts| {
                    facts.pots = Fact::known(vec![pot("proxy", "public-bridge", "10.192.0.3")], "test");
                    let lan1 = PrivateBridge {
                        name: "lan1".to_owned(),
                        network: "10.192.0.8/29".parse().unwrap(),
                        gateway: "10.192.0.9".parse().unwrap(),
                    };
                    facts.private_bridges = Fact::known(vec![lan1], "test");
                }),
                Self::BareInterface => more("em1", "em", &[]),
                Self::PotsBridge => {
                    let mut facts = more("bridge8", "bridge", &["10.8.0.1/24"]);
                    let bridge = facts.interfaces.value.as_mut().unwrap().last_mut().unwrap();
                    bridge.groups.push("pot".to_owned());
                    facts
                }
                Self::TwoAddresses => host(|facts| {
                    let em0 = facts.interfaces.value.as_mut().unwrap().first_mut().unwrap();
                    em0.addresses.push(Ipv4Address { network: "192.168.178.22/32".parse().unwrap() });
                }),
                Self::Tunnel => more("tun0", "tun", &["10.9.0.2/32"]),
                Self::Fifteen => host(|facts| {
                    facts.system.value.as_mut().unwrap().kernel = "15.0-RELEASE".to_owned();
                    facts.bridge_member_addresses = Fact::known(Some(false), "test");
                }),
                Self::Prepared => host(|facts| {
                    let all = facts.datasets.value.as_mut().unwrap();
                    all.push(dataset("zroot/pot", "/opt/pot", 48 << 30));
                    for part in ["bases", "jails", "fscomp", "jails/web1"] {
                        all.push(dataset(&format!("zroot/pot/{part}"), &format!("/opt/pot/{part}"), 1 << 30));
                    }
                    all.push(dataset("zroot/pot/cache", "/var/cache/pot", 5 << 30));
                }),
                Self::Mail => host(|facts| {
                    facts.datasets.value.as_mut().unwrap().push(dataset("zroot/mail", "/srv/mail", 3 << 30));
                }),
                Self::FullFolder => with("/srv/pot", folder(0o755, false)),
                Self::FileThere => with("/srv/pot", file(0o644, true)),
                Self::LinkThere => with("/srv/pot", PathState { kind: PathKind::Link, ..file(0o755, true) }),
                Self::NoTmp => with("/srv/tmp", absent()),
                Self::OwnTmp => with("/srv/tmp", folder(0o700, true)),
                Self::OpenLink => {
                    let mut state = link("/home/anna/pf.conf", PathKind::File);
                    state.leads_to.as_mut().unwrap().refused = Some(
                        "/etc/pf.conf is a link to /home/anna/pf.conf, and others than root can change /home/anna"
                            .to_owned(),
                    );
                    with("/etc/pf.conf", state)
                }
                Self::LogWritten => log(false),
                Self::LogMissing => log(true),
                Self::LogHost => host(|facts| {
                    let syslog = facts.syslog.value.as_mut().unwrap();
                    syslog.elsewhere.insert("local3".to_owned(), vec!["@loghost".to_owned()]);
                }),
                Self::TrustedAbsent => trusted(&absent()),
                Self::TrustedNotExecutable => trusted(&file(0o644, true)),
                Self::TrustedOpen => trusted(&file(0o777, false)),
                Self::TrustedGood => trusted(&file(0o755, true)),
                Self::PfBroken => host(|facts| {
                    let file = facts.pf_file.value.as_mut().unwrap();
                    file.valid = Some(false);
                    file.errors = vec!["/etc/pf.conf:4: syntax error".to_owned()];
                }),
                Self::PfUntested => host(|facts| {
                    let file = facts.pf_file.value.as_mut().unwrap();
                    (file.valid, file.untested) = (None, Some(Untested::PfNotLoaded));
                }),
                Self::Silent => {
                    host(|facts| facts.interfaces = Fact::unknown("ifconfig took longer than 10 s", "ifconfig"))
                }
            })
        }

        /// The browser that asks.
        pub(in crate::rules) fn admin(self) -> Option<IpAddr> {
            (self == Self::AskedFrom).then(|| "10.200.0.9".parse().unwrap())
        }
    }
}
