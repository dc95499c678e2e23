//! The texts of the simulated host's files. Names, values and defaults are FreeBSD's and pot's, the words are our own.

pub(crate) const POT_DEFAULT_CONF: &str = r"# Defaults of pot. Leave this file alone: what you want otherwise goes into pot.conf.

# The dataset below which pot keeps everything
POT_ZFS_ROOT=zroot/pot

# Where that dataset is mounted
POT_FS_ROOT=/opt/pot

# Mountpoint of the dataset for images that were exported or are to be imported
POT_CACHE=/var/cache/pot

# Folder for files that are needed for a moment only
POT_TMP=/tmp

# Group that may look into POT_FS_ROOT
POT_GROUP=pot

# Ending of temporary names, a template for mktemp(1): each X becomes a random character
POT_MKTEMP_SUFFIX=.XXXXXXXX

# Longest host name that a pot may get
POT_HOSTNAME_MAX_LENGTH=64

# The internal network: its addresses, its netmask (the same thing said again), the host's own address in it
POT_NETWORK=10.192.0.0/10
POT_NETMASK=255.192.0.0
POT_GATEWAY=10.192.0.1

# Interface towards the world
POT_EXTIF=em0

# Interfaces beside it, a list
POT_EXTRA_EXTIF=

# One address of POT_EXTIF, when it has several and a certain one is to be used
POT_EXTIF_ADDR=

# ipv4, ipv6 or dual
POT_NETWORK_STACK=ipv4

# A pot that answers DNS questions (no longer recommended): its name and its address
POT_DNS_NAME=dns
POT_DNS_IP=10.192.0.2

# Whether pots on one bridge are kept from talking to each other
POT_ISOLATE_VNET_POTS=false

# A program that writes the pf rules for exported ports in place of pot's own
POT_EXPORT_PORTS_PF_RULES_HOOK=

# Public key of signify(1) that images are checked with
POT_DEFAULT_SIGNATURE_PUBKEY=

# Interface of a VPN tunnel, and the networks behind it
POT_VPN_EXTIF=
POT_VPN_NETWORKS=

# Facility of syslog that pot writes to
POT_LOG_FACILITY=local2
";

pub(crate) const POT_CONF: &str = r#"# Settings of pot for this host. A line without the leading # takes the place of the default.

# The dataset below which pot keeps everything
# POT_ZFS_ROOT=zroot/pot

# Where that dataset is mounted
# POT_FS_ROOT=/opt/pot

# Mountpoint of the dataset for images
# POT_CACHE=/var/cache/pot

# Folder for temporary files
# POT_TMP=/tmp

# Group that may look into POT_FS_ROOT
# POT_GROUP=pot

# Ending of temporary names
# POT_MKTEMP_SUFFIX=.XXXXXXXX

# Longest host name of a pot
# POT_HOSTNAME_MAX_LENGTH=64

# The internal network

# Addresses of the network
# POT_NETWORK=10.192.0.0/10

# Netmask of the network
# POT_NETMASK=255.192.0.0

# The host's address in the network
# POT_GATEWAY=10.192.0.1

# Interface towards the world
# POT_EXTIF=em0

# Further interfaces, and for each the network that is reached through it
# POT_EXTRA_EXTIF="vlan20 vlan50"
# POT_NETWORK_vlan20=192.168.100.0/24
# POT_NETWORK_vlan50=10.50.50.0/24

# Keep pots on one bridge apart
# POT_ISOLATE_VNET_POTS=true

# The DNS pot

# Its name
# POT_DNS_NAME=dns

# Its address
# POT_DNS_IP=10.192.0.2

# Key that images are checked with
# POT_DEFAULT_SIGNATURE_PUBKEY=/usr/local/etc/pot/sign_key.pub

# VPN

# Interface of the tunnel, and the networks behind it
# POT_VPN_EXTIF=tun0
# POT_VPN_NETWORKS="192.168.0.0/24 192.168.10.0/24"
"#;

pub(crate) const POT_CONF_BUSY: &str = r#"# Settings of pot for this host. A line without the leading # takes the place of the default.
# 2025-11-02 anna: moved to our own range, 10.192/10 collides with the Berlin office

# The dataset below which pot keeps everything
# POT_ZFS_ROOT=zroot/pot

# Where that dataset is mounted
# POT_FS_ROOT=/opt/pot

# root only, see ticket 4711
POT_TMP=/var/run/pot

# The internal network

# Addresses of the network
POT_NETWORK=10.200.0.0/16      # was 10.192.0.0/10

# Netmask of the network
POT_NETMASK=255.255.0.0

# The host's address in the network
POT_GATEWAY=10.200.0.1
POT_DNS_IP=10.200.0.2

# Interface towards the world
# POT_EXTIF=em0

# storage and backup segments
POT_EXTRA_EXTIF="vlan20 vlan30"
POT_NETWORK_vlan20=10.0.20.0/24
# ben: the new firewall also routes 10.0.31
POT_NETWORK_vlan30=10.0.30.0/23

# Keep pots on one bridge apart
POT_ISOLATE_VNET_POTS=true

# VPN
POT_VPN_EXTIF=tun0
POT_VPN_NETWORKS='192.168.0.0/24 192.168.10.0/24'

# each machine has its own key
POT_DEFAULT_SIGNATURE_PUBKEY=/usr/local/etc/pot/keys/$(hostname -s).pub
"#;

pub(crate) const DEFAULTS_RC_CONF: &str = r#"# Defaults of rc(8), as far as the simulation needs them.
hostname=""
rc_conf_files="/etc/rc.conf /etc/rc.conf.local"
zfs_enable="NO"
ifconfig_lo0="inet 127.0.0.1/8"
cloned_interfaces=""
defaultrouter="NO"
gateway_enable="NO"
ipv6_activate_all_interfaces="NO"
firewall_enable="NO"
firewall_type="UNKNOWN"
pf_enable="NO"
pf_rules="/etc/pf.conf"
pf_program="/sbin/pfctl"
pf_flags=""
pflog_enable="NO"
pflog_logfile="/var/log/pflog"
syslogd_enable="YES"
syslogd_program="/usr/sbin/syslogd"
syslogd_flags="-s"
newsyslog_enable="YES"
kern_securelevel_enable="NO"
newsyslog_flags="-CN"
cron_enable="YES"
devd_enable="YES"
sshd_enable="NO"
ntpd_enable="NO"
sendmail_enable="NO"
jail_enable="NO"
kld_list=""
dumpdev="AUTO"
"#;

pub(crate) const RC_CONF_DEFAULT: &str = r#"hostname="jail1.lan"
keymap="de.kbd"

# network
ifconfig_em0="inet 192.168.178.20/24"
ifconfig_em0_ipv6="inet6 accept_rtadv"
vlans_em0="vlan20 vlan30"
create_args_vlan20="vlan 20"
create_args_vlan30="vlan 30"
ifconfig_vlan20="inet 10.0.20.4/24"
ifconfig_vlan30="inet 10.0.30.8/24"
defaultrouter="192.168.178.1"

zfs_enable="YES"
sshd_enable="YES"
ntpd_enable="YES"
# only this machine's own messages
syslogd_flags="-ss"
dumpdev="AUTO"

# rules are in /etc/pf.conf, to be switched on when they have been tried
pf_enable="NO"
"#;

pub(crate) const RC_CONF_FRESH: &str = r#"hostname="bsdvm.example.org"
ifconfig_vtnet0="inet 10.0.2.15/24"
defaultrouter="10.0.2.2"
zfs_enable="YES"
sshd_enable="YES"
dumpdev="AUTO"
"#;

pub(crate) const RC_CONF_BUSY: &str = r#"hostname="jail1.lan"
keymap="de.kbd"

# network
ifconfig_em0="inet 192.168.178.20/24"
ifconfig_em0_alias0="inet 192.168.178.21/32"
ifconfig_em0_ipv6="inet6 accept_rtadv"
vlans_em0="vlan20 vlan30"
create_args_vlan20="vlan 20"
create_args_vlan30="vlan 30"
ifconfig_vlan20="inet 10.0.20.4/24"
ifconfig_vlan30="inet 10.0.30.8/24"
ifconfig_tun0="inet 10.8.0.2/24"
defaultrouter="192.168.178.1"

zfs_enable="YES"
sshd_enable="YES"
ntpd_enable="YES"
# from the first pot init, before the move to 10.200/16
syslogd_flags="-b 127.0.0.1 -b 10.192.0.1 -a 10.192.0.0/10"
dumpdev="AUTO"

gateway_enable="YES"
pf_enable="YES"
pot_enable="YES"
pot_list="proxy db1 mail1"
"#;

pub(crate) const PF_CONF: &str = r#"# Packet filter of jail1, see pf.conf(5)

# --- macros
ext_if = "em0"
lan = "192.168.178.0/24"
storage = "vlan20"
tcp_in = "{ ssh, http, https }"
admin_hosts = "{ 192.168.178.30, 192.168.178.31 }"

table <bruteforce> persist
table <martians> const { 0.0.0.0/8, 169.254.0.0/16, 192.0.2.0/24, \
	198.51.100.0/24, 203.0.113.0/24 }

# --- options
set block-policy return
set loginterface $ext_if
set skip on lo0

# --- normalization
scrub in on $ext_if all fragment reassemble no-df

# --- translation
nat on $ext_if inet from $storage:network to any -> ($ext_if:0)
rdr pass on $ext_if inet proto tcp from $admin_hosts to ($ext_if) port 8443 -> 127.0.0.1 port 8443

# --- filtering
antispoof quick for $ext_if
block in log on $ext_if all
block in quick from <bruteforce>
block in quick on $ext_if from <martians> to any
pass out quick all keep state
pass in on $ext_if inet proto icmp all icmp-type echoreq
pass in on $ext_if inet proto tcp from $lan to ($ext_if) port $tcp_in flags S/SA keep state
pass in on { vlan20, vlan30 } all
"#;

pub(crate) const SYSLOG_CONF: &str = r"# syslogd's rules, see syslog.conf(5)
*.err;kern.warning;auth.notice;mail.crit		/dev/console
*.notice;authpriv.none;kern.debug;lpr.info;mail.crit;news.err	/var/log/messages
security.*					/var/log/security
auth.info;authpriv.info				/var/log/auth.log
mail.info					/var/log/maillog
cron.*						/var/log/cron
!-devd
*.=debug					/var/log/debug.log
*.emerg						*
!devd
*.>=notice					/var/log/devd.log
!*
include						/etc/syslog.d
include						/usr/local/etc/syslog.d
";

pub(crate) const SYSLOG_POT_CONF: &str = "# what pot does\nlocal2.*\t\t\t\t\t/var/log/pot.log\n";

pub(crate) const NEWSYSLOG_CONF: &str = r"# logfilename		[owner:group]	mode count size when  flags [/pid_file] [sig_num]
/var/log/auth.log			600  7     1000 @0101T JC
/var/log/cron				600  3     1000 *     JC
/var/log/debug.log			600  7     1000 *     JC
/var/log/maillog			640  7     *    @T00  JC
/var/log/messages			644  5     1000 @0101T JC
/var/log/security			600  10    1000 *     JC
<include> /etc/newsyslog.conf.d/[!.]*.conf
<include> /usr/local/etc/newsyslog.conf.d/[!.]*.conf
";

pub(crate) const NEWSYSLOG_POT_CONF: &str =
    "# logfilename		[owner:group]	mode count size when  flags\n/var/log/pot.log			640  30    1000 *     JC\n";

pub(crate) const GROUP: &str = "wheel:*:0:root\ndaemon:*:1:\nkmem:*:2:\nsys:*:3:\ntty:*:4:\noperator:*:5:root\nmail:*:6:\nbin:*:7:\nnews:*:8:\nman:*:9:\nstaff:*:20:\nsshd:*:22:\nunbound:*:59:\nproxy:*:62:\nauthpf:*:63:\n_pflogd:*:64:\nuucp:*:66:\ndialer:*:68:\nnetwork:*:69:\nwww:*:80:\nntpd:*:123:\nhast:*:845:\nnogroup:*:65533:\nnobody:*:65534:\nanna:*:1001:\n";

pub(crate) const PASSWD: &str = "root:*:0:0:Charlie &:/root:/bin/sh\ntoor:*:0:0:Bourne-again Superuser:/root:\ndaemon:*:1:1:Owner of many system processes:/root:/usr/sbin/nologin\noperator:*:2:5:System &:/:/usr/sbin/nologin\nsshd:*:22:22:Secure Shell Daemon:/var/empty:/usr/sbin/nologin\nntpd:*:123:123:NTP Daemon:/var/db/ntp:/usr/sbin/nologin\nnobody:*:65534:65534:Unprivileged user:/nonexistent:/usr/sbin/nologin\nanna:*:1001:1001:Anna:/home/anna:/bin/sh\n";

pub(crate) const RC_D_POT: &str = "#!/bin/sh\n# Start script of the simulated pot; service(8) of the simulation carries it out itself.\n# PROVIDE: pot\n# REQUIRE: NETWORKING syslogd\n# KEYWORD: shutdown\n";

pub(crate) const SYSCTL_CONF: &str =
    "# kernel state set at boot, see sysctl.conf(5)\nsecurity.bsd.unprivileged_read_msgbuf=0\n";
