"""Where things stand on the machine."""

PROGRAM = "/usr/local/sbin/pot-console"
SETTINGS = "/usr/local/etc/pot-console.toml"
STATE = "/var/db/pot-console"
POT_CONF = "/usr/local/etc/pot/pot.conf"
# What this test itself keeps on the machine.
DESK = "/root/pot-console-on-freebsd"
PORT = 8443
# Seconds that a page, a command, a run and a start of the machine may take: an emulated one is thirty times slower.

# The parameters as pot itself sees them: it sources both files, too.
PARAMETERS = """\
[ ! -r /usr/local/etc/pot/pot.default.conf ] || . /usr/local/etc/pot/pot.default.conf
[ ! -r /usr/local/etc/pot/pot.conf ] || . /usr/local/etc/pot/pot.conf
"""
