"""What an admin does with the console on a machine, step by step, each step judged by the machine's own tools."""

import json
import re
import secrets
import shlex
import time
import urllib.parse

from browser import Browser, dialer, fingerprint
from facts import TOOLS, facts_in_those_words
from places import DESK, PARAMETERS, PORT, POT_CONF, PROGRAM, SETTINGS, STATE

# Seconds that a page, a command, a run and a start of the machine may take: an emulated one is thirty times slower.
PATIENCE = 1800

# What pot's network is made of, in words that are the same on two machines in the same state. pf that is not loaded
# filters nothing, as one that is off does.
NETWORK = """\
echo "forwarding $(sysctl -n net.inet.ip.forwarding)"
status=$(pfctl -s info 2>/dev/null | sed -n 's/^Status: \\([A-Za-z]*\\).*/\\1/p')
echo "pf ${status:-Disabled}"
pfctl -s rules 2>/dev/null | sed 's/^/rule: /'
pfctl -s nat 2>/dev/null | sed 's/^/nat: /'
pfctl -s nat -a pot-nat 2>/dev/null | sed 's/^/pot-nat: /'
for name in $(ifconfig -l); do echo "interface $name"; done | sort
ifconfig -a -f inet:cidr inet | grep 'inet ' | awk '{print $1, $2}' | sort
netstat -rn -f inet | awk '$2 ~ /[0-9#]/ {print "route", $1, $2, $4}' | sort
"""


class Stop(Exception):
    """What comes next cannot be tried."""


class Admin:
    """One who sets a console up on a machine, and what they know of it."""

    def __init__(self, options, machine, known, report, binary):
        self.options, self.machine, self.known, self.report, self.binary = options, machine, known, report, binary
        self.release = known["release"].split("-p")[0]
        self.name, self.password = "tester", secrets.token_urlsafe(12)
        self.code = self.fingerprint = None
        self.before = self.rc_conf = ""
        self.address = "127.0.0.1"
        if options.url:
            url = urllib.parse.urlsplit(options.url)
            self.browser = Browser(dialer(url.hostname, url.port or 443), url.netloc, report.log)
        else:
            self.browser = Browser(lambda: machine.dial(PORT), f"127.0.0.1:{PORT}", report.log)

    # What is used again and again.

    def console(self, command, timeout=PATIENCE):
        return self.machine.run(f"pot-console {command}", timeout)

    def wait(self, what, look, seconds=PATIENCE, every=1.0):
        """Looks until it is there; gives what was found."""
        end = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come within {seconds} s")
            time.sleep(every)

    def network(self):
        return self.machine.said(NETWORK)

    def start_console(self):
        """Starts it in the background; gives what it printed until it served."""
        self.machine.said(f"install -d -m 700 {DESK}; : > {DESK}/serve.log\n"
                          f"daemon -f -p {DESK}/pid -o {DESK}/serve.log {PROGRAM} serve")

        def served():
            said = self.machine.said(f"cat {DESK}/serve.log")
            if "pot-console listening on" in said:
                return said
            if self.machine.run(f"kill -0 $(cat {DESK}/pid)").status != 0:
                raise Stop(f"the console ended: {said}")
            return None
        return self.wait("the console", served, 180)

    def stop_console(self):
        """Ends it as a service is ended; whether all of it went."""
        return self.machine.run(f"kill $(cat {DESK}/pid)\n"
                                "n=0; while pgrep -x pot-console >/dev/null; do\n"
                                "n=$((n + 1)); [ $n -le 120 ] || exit 1; sleep 1; done", 180).status == 0

    def sign_in(self):
        page = self.browser.get("/sign-in")
        return self.browser.submit(page, "/sign-in", name=self.name, password=self.password)

    def start(self, operation, query="", **given):
        """Plans an operation in the browser and starts it; gives the run's number."""
        plan = self.browser.get(f"/operations/{operation}{query}")
        action = f"/operations/{operation}"
        if "plan" not in plan.form(action).asks:
            raise RuntimeError(f"{operation} cannot start: {plan.words}")
        answer = self.browser.submit(plan, action, password=self.password, reason="tests/on-freebsd", **given)
        number = re.fullmatch(r"/runs/([0-9]+)", answer.leads_to)
        if not number:
            raise RuntimeError(f"{operation} was not started (status {answer.status}): {answer.words}")
        return int(number[1])

    def run_page(self, run):
        page = self.browser.get(f"/runs/{run}")
        state = re.search(r'id="run-head" data-state="([a-z-]+)"', page.text)
        page.state = state[1] if state else f"status {page.status}"
        summary = re.search(r'<section class="lead[^>]*>(.*?)</section>', page.text, re.S)
        page.summary = " ".join(re.sub(r"<[^>]*>", " ", summary[1]).split()) if summary else page.words
        return page

    def run_in(self, run, *states, seconds=PATIENCE):
        """The run's page as soon as the run is in one of these states, or has ended in another."""
        def there():
            page = self.run_page(run)
            return page if page.state in states or page.state not in ("running", "awaiting-keep") else None
        return self.wait(f"run {run}: {' or '.join(states)}", there, seconds, 2.0)

    def ended_as_planned(self, what, answer):
        """Judges a run in a terminal by its status and by every check that it made."""
        checks = re.findall(r"^\[(as planned|NOT AS PLANNED|not seen)\] (.*)$", answer.out, re.M)
        bad = [f"{word}: {text}" for word, text in checks if word != "as planned"]
        good = answer.status == 0 and checks and not bad
        summary = re.search(r"^Run [0-9]+: .*", answer.out, re.M)
        seen = f"{summary[0] if summary else answer.said[-300:]} (status {answer.status}) {'; '.join(bad)}"
        return self.report.check(what, "status 0, every check as planned", seen, good)

    def compare_facts(self, when):
        """Every source answered, and says what the tools say."""
        answer = self.console("facts --format json")
        if answer.status != 0:
            self.report.fail(f"facts, {when}", answer.said)
            return
        facts = json.loads(answer.out)["facts"]
        silent = [f"{name}: {fact['error']}" for name, fact in facts.items() if isinstance(fact, dict) and fact.get("error")]
        self.report.same(f"{when}, every source answers", [], silent)
        if silent:
            return
        ours, tools = facts_in_those_words(facts), {}
        for line in self.machine.said(TOOLS).splitlines():
            name, _, value = line.partition("\t")
            tools[name] = ";".join(part.strip() for part in value.split(";")).strip(";")
        for name, value in ours.items():
            self.report.same(f"{when}: {name}", tools.get(name, "not asked"), value)

    # The steps, in their order.

    def first_start(self):
        """First start and set-up code"""
        machine, report = self.machine, self.report
        if self.options.wipe:
            self.wipe()
        self.before, self.rc_conf = self.network(), machine.said("cat /etc/rc.conf")
        machine.said(f"install -d -m 700 {DESK}; [ ! -e {POT_CONF} ] || cp -p {POT_CONF} {DESK}/pot.conf")
        machine.put(self.binary, PROGRAM, 0o755)
        version = self.console("--version")
        if not report.check("the program starts there", "pot-console and its version", version.said,
                            version.status == 0 and version.out.startswith("pot-console ")):
            raise Stop("the program does not start")
        refused = machine.run(f"{PROGRAM} serve", 60)
        report.check("without its user it does not serve, and says how to make one", "status 2, pw useradd …",
                     f"status {refused.status}: {refused.said}", refused.status == 2 and "pw useradd" in refused.err)
        machine.said("pw useradd potconsole -d /nonexistent -s /usr/sbin/nologin")
        if self.options.url:
            interface = self.known["interface"]
            self.address = machine.said(f"ifconfig {interface} inet | awk '$1 == \"inet\" {{print $2; exit}}'")
        machine.put(f'listen = ["{self.address}:{PORT}"]\n'.encode(), SETTINGS, 0o600)
        said = self.start_console()
        code = re.search(r"Set-up code for the first admin, once: (\S+)", said)
        shown = re.search(r"SHA-256 fingerprint: ([0-9A-F:]{95})", said)
        report.check("it prints a set-up code, once", "a code", "a code" if code else said, code)
        report.check("it prints the certificate's fingerprint", "SHA-256, 32 bytes", shown[1] if shown else said, shown)
        if not (code and shown):
            raise Stop("there is no way to sign in")
        self.code, self.fingerprint = code[1], shown[1]
        processes = machine.said("ps -axo user,args | grep '[p]ot-console \\(serve\\|web\\)' | grep -v daemon: | "
                                 "awk '{print $1, $3}' | sort")
        report.same("root executes, its user serves", "potconsole web\nroot serve", processes)

    def tls_and_account(self):
        """Sign-in over TLS"""
        browser, report = self.browser, self.report
        secured = browser.connect()
        report.same("the certificate is the one that was printed", self.fingerprint, fingerprint(secured))
        report.check("TLS 1.2 or newer", "TLSv1.2 or TLSv1.3", secured.version(), secured.version() in ("TLSv1.2", "TLSv1.3"))
        secured.close()
        browser.pinned = self.fingerprint
        report.same("a stranger is led to the set-up", "303 /set-up", shown(browser.get("/sign-in")))
        page = browser.get("/set-up")
        wrong = browser.submit(page, "/set-up", code="AAAA-AAAA-AAAA", name=self.name, password=self.password,
                               repeated=self.password)
        report.check("a wrong set-up code is refused", "no 303", shown(wrong), wrong.status != 303)
        right = browser.submit(browser.get("/set-up"), "/set-up", code=self.code, name=self.name,
                               password=self.password, repeated=self.password)
        if not report.check("the right one makes the account", "303", f"{shown(right)} {right.words[:200]}", right.status == 303):
            raise Stop("there is no account")
        report.same("the code is used up", "303 /sign-in", shown(Browser(browser.dial, browser.authority, report.log).get("/set-up")))
        page = browser.get("/sign-in")
        if page.status == 200:
            page = self.sign_in()
            report.check("the account signs in", "303", shown(page), page.status == 303)
        stranger = Browser(browser.dial, browser.authority, report.log)
        stranger.pinned = self.fingerprint
        wrong = stranger.submit(stranger.get("/sign-in"), "/sign-in", name=self.name, password="not the password")
        report.check("a wrong password is refused", "422", shown(wrong), wrong.status == 422)
        report.same("without a session no page is shown", "303", str(stranger.get("/operations").status))
        host = self.wait("the host's facts on its page", lambda: page_with(browser, "/", self.release), 180, 3)
        report.check("the Host page names the release", self.release, f"{host.status}, named", self.release in host.words)
        for path in ("/configuration", "/operations", "/pots", "/activity", "/history", "/settings", "/feedback"):
            page = browser.get(path)
            report.check(f"{path} is shown", "200", str(page.status), page.status == 200)

    def facts_before(self):
        """Facts against the tools, before"""
        self.compare_facts("before")

    def check(self):
        """Check and pot.conf"""
        machine, report = self.machine, self.report
        interface = self.known["interface"]
        configured = machine.said(PARAMETERS + "echo $POT_EXTIF")
        if configured != interface:
            answer = self.console("check")
            report.check(f"POT_EXTIF {configured} is found out", f"status 1, Fix it: … POT_EXTIF={interface}", answer.said,
                         answer.status == 1 and f"POT_EXTIF={interface}" in answer.out)
            dry = self.console(f"conf set POT_EXTIF={interface} --dry-run")
            report.check("a dry run shows the line and writes nothing", f"+POT_EXTIF={interface}", dry.said,
                         dry.status == 0 and f"+POT_EXTIF={interface}" in dry.out
                         and machine.said(PARAMETERS + "echo $POT_EXTIF") == configured)
            answer = self.console(f"conf set POT_EXTIF={interface} --reason tests/on-freebsd")
            report.check("the fix is written", "status 0", answer.said, answer.status == 0)
            report.same("pot itself reads it", interface, machine.said(PARAMETERS + "echo $POT_EXTIF"))
        answer = self.console("check --format json")
        errors = [finding["message"] for finding in json.loads(answer.out)["findings"] if finding["severity"] == "error"]
        report.same("no error is left", [], errors)
        predicted = json.loads(answer.out)["potnet"]["exit_code"]
        report.same("potnet config-check answers as predicted", predicted, machine.run("potnet config-check").status)

    def prepare(self):
        """Prepare: group and log, from the page"""
        machine, report = self.machine, self.report
        items = "" if machine.run("getent group pot").status == 0 else "&items=create-group"
        page = self.run_in(self.start("prepare", f"?chosen=on&items=route-log{items}"), "as-planned")
        report.check("the run ends as planned", "as-planned", f"{page.state}: {page.summary}", page.state == "as-planned")
        machine.said("pot version")
        logged = self.wait("pot's line in its log", lambda: machine.run("grep pot-version /var/log/pot.log").out, 30)
        report.check("what pot did is written to its log", "pot-version", logged, "pot-version" in logged)
        activity = self.wait("the line on the page", lambda: page_with(self.browser, "/activity", "version"), 60, 3)
        report.check("and stands on the activity page", "version", "there", "version" in activity.words)
        listed = self.console("activity --limit 5")
        report.check("and is told in a terminal", "version", listed.said, "version" in listed.out)

    def init(self):
        """Init"""
        machine, report = self.machine, self.report
        flags = machine.said("sysrc -n syslogd_flags")
        plan = self.console("plan init")
        report.check("the plan can start", "status 0", f"status {plan.status}: {plan.err}", plan.status == 0)
        if not self.ended_as_planned("the run", self.console("run init --reason tests/on-freebsd", PATIENCE)):
            raise Stop("pot is not initialised")
        root = self.known["root"]
        datasets = machine.said(f"zfs list -H -r -o name {root}").splitlines()
        report.same("its datasets stand", [root, *(f"{root}/{name}" for name in ("bases", "cache", "fscomp", "jails"))], datasets)
        pf = machine.said("cat $(sysrc -n pf_rules)")
        report.check("both anchors stand in pf's file", "nat-anchor pot-nat, rdr-anchor \"pot-rdr/*\"", pf,
                     "nat-anchor pot-nat" in pf and 'rdr-anchor "pot-rdr/*"' in pf)
        judged = machine.run("pfctl -nf $(sysrc -n pf_rules)")
        report.same("pf takes the file", 0, judged.status)
        now = machine.said("sysrc -n syslogd_flags")
        gone = [flag for flag in flags.split() if flag not in ("-s", "-ss") and flag not in now.split()]
        report.check("syslogd keeps its own flags and listens for pots", f"all of {flags!r} but -s; -b and -a", now,
                     not gone and " -a " in now)
        report.same("the network is as before", self.before, self.network())
        again = self.console("plan init --format json")
        report.check("a second init has nothing to do", "nothing_to_do", again.said[-200:],
                     again.status == 0 and json.loads(again.out)["nothing_to_do"])
        answer = self.console("check --format json")
        errors = [finding["message"] for finding in json.loads(answer.out)["findings"] if finding["severity"] == "error"]
        report.same("check finds no error", [], errors)

    def up(self):
        """What has to be there when pot's network runs."""
        seen = self.network()
        gateway = self.machine.said(PARAMETERS + "echo $POT_GATEWAY")
        missing = [what for what, there in [
            ("forwarding 1", "forwarding 1" in seen),
            ("pf Enabled", "pf Enabled" in seen),
            ("nat-anchor pot-nat", "nat: nat-anchor \"pot-nat\"" in seen),
            ("rdr-anchor pot-rdr/*", "nat: rdr-anchor \"pot-rdr/*\"" in seen),
            ("a rule in pot-nat", "pot-nat: nat on" in seen),
            (f"address {gateway}", f"inet {gateway}/" in seen),
        ] if not there]
        return missing, seen

    def not_kept(self):
        """vnet-start, not kept, from the page"""
        report, before = self.report, self.network()
        run = self.start("vnet-start", "?revert=60")
        page = self.run_in(run, "awaiting-keep")
        report.same("the run waits for an answer", "awaiting-keep", page.state)
        if page.state == "awaiting-keep":
            missing, seen = self.up()
            report.check("meanwhile pot's network runs", "nothing missing", f"missing: {missing}" if missing else "nothing missing", not missing)
        page = self.run_in(run, "reverted")
        report.check("nobody answers: it is put back", "reverted", f"{page.state}: {page.summary}", page.state == "reverted")
        report.same("the network is as before", before, self.network())
        late = self.console(f"run keep {run}")
        report.check("too late to keep it", "status 1", f"status {late.status}: {late.said}", late.status == 1)

    def reboot(self):
        """The machine starts anew while a change is pending"""
        machine, report, before = self.machine, self.report, self.network()
        run = self.start("vnet-start", "?revert=600")
        page = self.run_in(run, "awaiting-keep")
        if not report.same("the run waits for an answer", "awaiting-keep", page.state):
            return
        missing, _ = self.up()
        report.same("pot's network runs", [], missing)
        other = self.console("run vnet-start")
        report.check("no other change may begin", "status 1", f"status {other.status}: {other.said[-200:]}", other.status == 1)
        booted = machine.said("sysctl -n kern.boottime")
        machine.run("daemon -f sh -c 'sleep 1; shutdown -r now'")
        time.sleep(5)

        def up_again():
            answer = machine.run("sysctl -n kern.boottime", 60)
            return answer.status == 0 and answer.out.strip() != booted
        self.wait("the machine", up_again, PATIENCE, 3)
        self.wait("its services", lambda: machine.run("pgrep -x cron || pgrep -x getty").status == 0, 120)
        report.same("after the start the change is gone", before, self.network())
        report.check("syslogd runs", "status 0", *(lambda done: (done.said, done.status == 0))(machine.run("service syslogd status")))
        said = self.start_console()
        report.check("no new set-up code is given", "none", said, "Set-up code" not in said)
        report.check("the certificate is the same", "no new fingerprint", said, self.fingerprint in said or "fingerprint" not in said)
        page = self.sign_in()
        report.check("the account signs in", "303", shown(page), page.status == 303)
        page = self.run_in(run, "reverted", "overtaken-by-reboot")
        report.check("the run says what came of it", "reverted or overtaken-by-reboot", f"{page.state}: {page.summary}",
                     page.state in ("reverted", "overtaken-by-reboot"))
        report.same("and the console has changed nothing since", before, self.network())
        late = self.console(f"run keep {run}")
        report.check("it cannot be kept any more", "status 1", f"status {late.status}: {late.said}", late.status == 1)
        self.verify("the history is whole")

    def kept(self):
        """vnet-start, kept"""
        machine, report = self.machine, self.report
        run = self.start("vnet-start", "?revert=300")
        page = self.run_in(run, "awaiting-keep")
        report.same("the run waits for an answer", "awaiting-keep", page.state)
        if self.options.url:
            form = page.form(f"/runs/{run}/keep")
            report.check("the page came over a new connection", "a nonce", "a nonce" if "nonce" in form.asks else "none", "nonce" in form.asks)
            answer = self.browser.submit(page, f"/runs/{run}/keep")
            report.check("kept in the page, over another one", "303", f"{shown(answer)} {answer.words[:200]}", answer.status == 303)
        else:
            report.check("the page says that loopback proves nothing", "run keep", "said", f"run keep {run}" in page.words)
            answer = self.console(f"run keep {run}")
            report.check("kept in a terminal", "status 0", answer.said, answer.status == 0)
        page = self.run_in(run, "as-planned")
        report.check("the run ends as planned", "as-planned", f"{page.state}: {page.summary}", page.state == "as-planned")
        missing, seen = self.up()
        report.same("pot's network runs", [], missing)
        time.sleep(5)
        report.same("and goes on running", seen, self.network())
        facts = self.console("facts --format json")
        report.check("facts say so", "vnet_up_strict, vnet_up_pot", facts.said[-100:] if facts.status else "both", facts.status == 0 and
                     json.loads(facts.out)["pot"]["vnet_up_strict"] is True and json.loads(facts.out)["pot"]["vnet_up_pot"] is True)
        again = self.console("plan vnet-start --format json")
        report.check("a second one has nothing to do", "nothing_to_do", again.said[-200:], again.status == 0 and json.loads(again.out)["nothing_to_do"])

    def pots(self):
        """Pots that run"""
        machine, report = self.machine, self.report
        short = self.release.removesuffix("-RELEASE")
        base = self.options.base or f"/root/{self.release}_base.txz"
        machine.run(f"[ ! -r {shlex.quote(base)} ] || cp {shlex.quote(base)} /var/cache/pot/{self.release}_base.txz")
        made = machine.run(f"pot create-base -r {short}", 1800)
        if not report.check("pot makes a base", "status 0", f"status {made.status}: {made.said[-300:]}", made.status == 0):
            return
        for name, options in (("try-single", "-t single -N public-bridge -i auto"), ("try-multi", "-t multi -N inherit")):
            made = machine.run(f"pot create -p {name} -b {short} {options}", 900)
            report.check(f"pot makes {name}", "status 0", f"status {made.status}: {made.said[-300:]}", made.status == 0)
            started = machine.run(f"pot start {name}", 900)
            report.check(f"pot starts {name}", "status 0", f"status {started.status}: {started.said[-300:]}", started.status == 0)
        running = machine.run("jls name").out.split()
        report.same("both run", ["try-multi", "try-single"], sorted(running))
        machine.said("pot stop try-multi", 300)
        inside = machine.run("jexec try-single ping -c 1 -t 10 $(jexec try-single route -n get default | awk '$1 == \"gateway:\" {print $2}')")
        report.check("the pot reaches its gateway", "1 packets received", inside.said, inside.status == 0)

    def facts_with_pots(self):
        """Facts against the tools, with pots"""
        self.compare_facts("with pots")
        page, report = self.browser.get("/pots"), self.report
        self.browser.submit(page, "/refresh")
        page = self.wait("the pots on their page", lambda: page_with(self.browser, "/pots", "try-single"), every=5)
        report.check("read again, the page of pots names them", "try-single, try-multi", str(page.status), "try-single" in page.words and "try-multi" in page.words)
        page = self.browser.get("/pots/try-single")
        report.check("a pot has its page", "200", str(page.status), page.status == 200)
        listed = self.console("activity --limit 50 --pot try-single")
        report.check("what pot did with it is told", "create, start", listed.said[-300:], "create" in listed.out and "start" in listed.out)

    def de_init(self):
        """De-init: refused, then done"""
        machine, report, root = self.machine, self.report, self.known["root"]
        report.same("a pot runs", "try-single", machine.run("jls name").out.strip())
        plan = self.console("plan de-init")
        report.check("the plan names the pot that runs", "status 1, try-single", f"status {plan.status}: {plan.said[:300]}",
                     plan.status == 1 and "try-single" in plan.out)
        answer = self.console(f"run de-init --confirm {root}")
        report.check("refused while it runs", "status 1", f"status {answer.status}: {answer.said[-200:]}", answer.status == 1)
        answer = self.console("run de-init -f")
        report.check("refused without the dataset's name", "status 1", f"status {answer.status}: {answer.said[-200:]}", answer.status == 1)
        answer = self.console(f"run de-init -f --confirm {root}/jails")
        report.check("refused with another name", "status 1", f"status {answer.status}: {answer.said[-200:]}", answer.status == 1)
        there = machine.run(f"zfs list -H -o name {root}/jails/try-single; jls name")
        report.same("nothing is gone so far", f"{root}/jails/try-single\ntry-single", there.out.strip())
        self.ended_as_planned("with the pots stopped first and the right name", self.console(f"run de-init -f --confirm {root} --reason tests/on-freebsd", 1800))
        report.check("the dataset is gone", "dataset does not exist", *(lambda done: (done.said, done.status != 0))(machine.run(f"zfs list {root}")))
        report.same("no pot runs", "", machine.run("jls name").out.strip())
        pf = machine.said("cat $(sysrc -n pf_rules)")
        report.check("pf's file names no anchor of pot's", "neither", pf, "pot-nat" not in pf and "pot-rdr" not in pf)

    def clean_up(self):
        """Clean-up, from the page"""
        machine, report = self.machine, self.report
        listed = self.console("plan clean-up --format json")
        left = [what for what, _ in json.loads(listed.out)["left_behind"]]
        report.check("what pot left is listed", "something", ", ".join(left), left)
        page = self.run_in(self.start("clean-up"), "as-planned")
        report.check("the run ends as planned", "as-planned", f"{page.state}: {page.summary}", page.state == "as-planned")
        listed = self.console("plan clean-up --format json")
        # What others may want by now is left on, and it is said how to turn it off: that advice is followed.
        advice = [detail.partition("at the machine: ")[2] for _, detail in json.loads(listed.out)["left_behind"]]
        report.check("what is left is told with the command for it", "pfctl -d; sysctl net.inet.ip.forwarding=0", "; ".join(advice),
                     set(advice) <= {"pfctl -d", "sysctl net.inet.ip.forwarding=0"})
        for command in advice:
            done = machine.run(command)
            report.check(command, "status 0", f"status {done.status}: {done.said}", done.status == 0)
        listed = self.console("plan clean-up --format json")
        report.same("nothing of pot is left", [], [what for what, _ in json.loads(listed.out)["left_behind"]])
        report.same("the network is as it was at the beginning", self.before, self.network())
        report.same("rc.conf is as it was at the beginning", self.rc_conf, machine.said("cat /etc/rc.conf"))
        self.compare_facts("afterwards")

    def verify(self, what):
        answer = self.console("audit verify")
        self.report.check(what, "status 0, unbroken", f"status {answer.status}: {answer.said}",
                          answer.status == 0 and "each in its place unbroken" in answer.out)

    def history(self):
        """History: verify, and the end"""
        report = self.report
        self.verify("sound while the console serves")
        listed = self.console("audit list --limit 200")
        for word in ("prepare", "init", "vnet-start", "de-init", "clean-up", "POT_EXTIF"):
            report.check(f"the history tells of {word}", word, "there" if word in listed.out else "missing", word in listed.out)
        report.check("all of it ends when it is told to", "no process is left", "ended", self.stop_console())
        self.verify("sound after its end")
        serve = self.machine.run(f"cat {DESK}/serve.log").out
        report.keep("serve.log", serve)
        report.same("it noted no error", [], [line for line in serve.splitlines() if " ERROR " in line or "panicked" in line])
        report.keep("history.jsonl", self.console("audit export").out)

    STEPS = (first_start, tls_and_account, facts_before, check, prepare, init, not_kept, reboot, kept, pots, facts_with_pots,
             de_init, clean_up, history)

    # Before and after.

    def wipe(self):
        """Takes away what an earlier test, or anyone, left of pot and of a console. Only --wipe comes here."""
        root, folder = shlex.quote(self.known["root"]), shlex.quote(self.known["folder"])
        self.machine.run(f"""\
pkill -x pot-console; sleep 2; pkill -KILL -x pot-console
for pot in $(ls {folder}/jails 2>/dev/null); do pot stop "$pot"; done
pot de-init -f
zfs destroy -r -f {root}
for bridge in $(ifconfig -g pot); do ifconfig "$bridge" destroy; done
pfctl -a pot-nat -F nat; pfctl -a 'pot-rdr/*' -F nat
pw userdel potconsole
rm -rf {STATE} {PROGRAM} {SETTINGS} {DESK}
true""", 1800)

    def put_away(self):
        """Takes away what this test brought; what operations of the console left on purpose is named."""
        self.machine.run(f"""\
if [ -e {DESK}/pot.conf ]; then cp -p {DESK}/pot.conf {POT_CONF}; else rm -f {POT_CONF}; fi
pw userdel potconsole
rm -rf {STATE} {PROGRAM} {SETTINGS} {DESK}""")
        left = self.machine.run("ls -d /etc/pf.conf /etc/rc.conf.bkp-pot /etc/pf.conf.bkp-pot /var/log/pot.log /var/log/pot "
                                "/usr/local/etc/syslog.d/pot-activity.conf /usr/local/etc/newsyslog.conf.d/pot-activity.conf 2>/dev/null")
        self.report.say(f"\nThe console is removed. Left on the machine: {', '.join(left.out.split()) or 'nothing'}; group pot")


def shown(page):
    return f"{page.status} {page.leads_to}".strip()


def page_with(browser, path, words):
    page = browser.get(path)
    return page if page.status == 200 and words in page.words else None
