"""What docs/install.md tells an admin to type: from the package to a kept network in the browser, an upgrade, a removal.
Each step is judged by pkg, rc and the machine's own tools."""

import os
import re

from admin import PATIENCE, Admin, Stop
from places import PORT, SETTINGS, STATE

# Where the packages lie on the machine.
FOLDER = "/root/pot-console-packages"
# pkg asks nothing, and has no repository to look into.
PKG = "env ASSUME_ALWAYS_YES=yes pkg"
# The service and what it needs, as the admin sees it.
RUNS = "ps -axo user,args | grep '[p]ot-console \\(serve\\|web\\)' | grep -v daemon | awk '{print $1, $3}' | sort"


class Packaged(Admin):
    """One who installs the package of a machine's release."""

    def shell(self, script, timeout=PATIENCE):
        return self.machine.run(script, timeout)

    def installed(self):
        """pkg add, setup"""
        machine, report = self.machine, self.report
        self.before, self.rc_conf = self.network(), machine.said("cat /etc/rc.conf")
        self.address = machine.said(f"ifconfig {self.known['interface']} inet | awk '$1 == \"inet\" {{print $2; exit}}'")
        machine.said(f"install -d -m 700 {FOLDER}")
        for file in filter(None, (self.options.package, self.options.newer)):
            with open(file, "rb") as package:
                machine.put(package.read(), f"{FOLDER}/{os.path.basename(file)}", 0o600)
        answer = self.shell(f"{PKG} add {FOLDER}/{os.path.basename(self.options.package)}")
        if not report.check("pkg adds the package", "status 0", answer.said, answer.status == 0):
            raise Stop("the package is not installed")
        answer = self.shell(f"{PKG} check -s pot-console")
        report.check("every file is the one of the package", "status 0", answer.said, answer.status == 0)
        user = machine.said("pw usershow potconsole")
        report.check("its user has neither shell nor home", "/nonexistent:/usr/sbin/nologin", user,
                     user.endswith(":/nonexistent:/usr/sbin/nologin"))
        answer = self.shell("service pot_console onestart")
        report.check("it does not start before it is set up, and says how", "not 0, pot-console setup", answer.said,
                     answer.status != 0 and "pot-console setup" in answer.said)
        answer = self.console("setup --check")
        report.check("a look says what is missing", "status 1, settings", answer.said,
                     answer.status == 1 and "settings" in answer.out)
        answer = self.console(f"setup --dry-run --listen {self.address}:{PORT}")
        report.check("a dry run shows it and does nothing", "status 0; no settings", answer.said,
                     answer.status == 0 and machine.run(f"test -e {SETTINGS}").status != 0)
        answer = self.console(f"setup --yes --listen {self.address}:{PORT}")
        code = re.search(r"\b([A-Z0-9]{4}(?:-[A-Z0-9]{4}){2,})\b", answer.out)
        shown = re.search(r"\b([0-9A-F]{2}(?::[0-9A-F]{2}){31})\b", answer.out)
        report.check("setup ends with the address", f"https://{self.address}:{PORT}", answer.said,
                     answer.status == 0 and f"https://{self.address}:{PORT}" in answer.out)
        report.check("with the certificate's fingerprint", "SHA-256, 32 bytes", shown[1] if shown else answer.out, shown)
        report.check("and with the one-time code", "a code", "a code" if code else answer.out, code)
        if not (code and shown):
            raise Stop("there is no way to sign in")
        self.code, self.fingerprint = code[1], shown[1]
        again = self.console("setup --code")
        report.check("root is shown the code again", "the same", "the same" if self.code in again.out else again.said,
                     self.code in again.out)
        report.same("root executes, its user serves", "potconsole web\nroot serve", machine.said(RUNS))
        report.same("it starts at boot", "YES", machine.said("sysrc -n pot_console_enable"))

    def sound(self):
        """The installation is sound"""
        again = self.console("setup --yes")
        self.report.check("a second setup has nothing to do", "status 0", again.said, again.status == 0)
        answer = self.console("setup --check")
        self.report.check("setup --check", "status 0", answer.said, answer.status == 0)
        answer = self.console("selftest")
        self.report.check("selftest", "status 0", answer.said, answer.status == 0)
        answer = self.shell("service pot_console status; service pot_console configtest && service pot_console reload")
        self.report.check("status, configtest and reload", "status 0", answer.said, answer.status == 0)
        answer = self.shell("/usr/local/etc/periodic/daily/490.pot-console")
        self.report.check("the daily look at the history finds it sound", "status 0", answer.said, answer.status == 0)

    def restarted(self):
        """A restart while a change waits"""
        machine, report, before = self.machine, self.report, self.network()
        run = self.start("vnet-start", "?revert=600")
        page = self.run_in(run, "awaiting-keep")
        report.same("the run waits for an answer", "awaiting-keep", page.state)
        waits = self.console("run waiting")
        report.check("run waiting names it", f"Run {run}", waits.said, f"Run {run} " in waits.out)
        answer = self.shell("service pot_console restart")
        report.check("the restart says that it puts it back, first", "A change waits to be kept.", answer.said,
                     answer.status == 0 and "A change waits to be kept." in answer.out)
        report.same("the network is as before", before, self.network())
        page = self.run_in(run, "put-back", "reverted")
        report.check("its page says so", "put back", f"{page.state}: {page.words[:200]}", "put back" in page.words.lower())
        report.same("the console runs again", "potconsole web\nroot serve", machine.said(RUNS))

    def upgraded(self):
        """Upgrade"""
        machine, report = self.machine, self.report
        if not self.options.newer:
            report.say("      no --newer package: not tried")
            return
        there = f"{SETTINGS} {STATE}/root/accounts.json"
        machine.said(f"echo '# of the admin' >> {SETTINGS}")
        before, network = machine.said(f"sha256 {there}"), self.network()
        version = machine.said("pkg query %v pot-console")
        answer = self.shell(f"{PKG} install -U {FOLDER}/{os.path.basename(self.options.newer)}")
        report.check("pkg upgrades it", "status 0", answer.said, answer.status == 0)
        now = machine.said("pkg query %v pot-console")
        report.check("to another version", f"not {version}", now, now != version)
        report.same("the version before goes on until the restart", "potconsole web\nroot serve", machine.said(RUNS))
        answer = self.shell("service pot_console restart")
        report.check("the service is restarted", "status 0", answer.said, answer.status == 0)
        report.same("settings and accounts are as they were", before, machine.said(f"sha256 {there}"))
        report.same("the network, too", network, self.network())
        answer = self.console("setup --check")
        report.check("setup --check", "status 0", answer.said, answer.status == 0)
        page = self.sign_in()
        report.check("the account signs in", "303", f"{page.status} {page.words[:100]}", page.status == 303)
        self.verify("the history is whole")

    def removed(self):
        """setup --remove, pkg delete"""
        machine, report = self.machine, self.report
        network = self.network()
        answer = self.console("setup --remove --yes")
        report.check("setup takes away what it made, and names what it leaves", f"status 0, {STATE}", answer.said,
                     answer.status == 0 and STATE in answer.out)
        report.same("nothing of it runs", "", machine.said(RUNS))
        answer = self.shell(f"{PKG} delete pot-console")
        report.check("pkg deletes it", "status 0", answer.said, answer.status == 0)
        report.same("the network stays as it is", network, self.network())
        left = machine.said("ls -d /usr/local/sbin/pot-console /usr/local/etc/rc.d/pot_console /usr/local/share/doc/pot-console "
                            "2>/dev/null; sysrc -qn pot_console_enable; true")
        report.same("no file of the package is left", "", left)
        kept = machine.run(f"ls {STATE}/root")
        report.check("the history is", STATE, kept.said[:100], kept.status == 0)

    STEPS = (installed, Admin.tls_and_account, sound, Admin.check, Admin.prepare, Admin.init, restarted, Admin.kept, upgraded,
             removed)

    def put_away(self):
        """The machine goes on with pot's network; what the console left is named above."""
        self.machine.run(f"rm -rf {FOLDER}")
