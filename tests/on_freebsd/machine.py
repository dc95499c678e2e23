"""A FreeBSD machine that is reached by a command: `ssh root@HOST`, or `vm.py -n NAME`."""

import base64
import gzip
import os
import shlex
import socket
import subprocess
import tempfile
import time

# What a login shell of an admin has; a shell without login has less.
PATH = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


class Unfit(Exception):
    """The test cannot begin. One sentence; nothing was done on the machine."""


class Answer:
    """What a script on the machine answered."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def said(self):
        """Both streams, for people."""
        return "\n".join(part for part in (self.out.rstrip(), self.err.rstrip()) if part)


class Machine:
    """Runs scripts there and sends files there. Every call and its answer goes to `log`, a function of one text."""

    def __init__(self, way, log):
        self.way, self.log, self.tunnels = way, log, []
        # vm.py has verbs of its own and hands no standard input on; all others are called as ssh is: the command line
        # for the machine's shell is the last argument, standard input and output are the command's.
        self.is_vm = os.path.basename(way[0]) == "vm.py"

    def __str__(self):
        return shlex.join(self.way)

    def call(self, line, timeout, stdin=subprocess.DEVNULL):
        """Runs one command line. It has to mean the same in any shell: root's may be csh."""
        command = self.way + (["-t", str(int(timeout)), "run", line] if self.is_vm else [line])
        try:
            for _ in range(5):
                done = subprocess.run(command, stdin=stdin, capture_output=True, timeout=timeout + 30)
                if not (self.is_vm and b"vm.py: out of step" in done.stderr):
                    break
                # The serial line of a busy machine: the script did not arrive whole, so nothing of it was run. The
                # machine's side gives up waiting for the rest after ten seconds.
                time.sleep(11)
        except FileNotFoundError:
            raise Unfit(f"there is no {self.way[0]} on this machine") from None
        except PermissionError as error:
            raise Unfit(f"{self.way[0]} cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            return Answer(124, "", f"no answer within {timeout + 30:.0f} s")
        return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def run(self, script, timeout=300):
        """Runs a script with /bin/sh as root, standard input empty."""
        whole = f"{{\nPATH={PATH}; export PATH\n{script}\n}} </dev/null\n"
        begun = time.monotonic()
        answer = self.call(f"echo {base64.b64encode(whole.encode()).decode()} | b64decode -r | /bin/sh", timeout)
        took = time.monotonic() - begun
        self.log(f"$ {script.strip()}\n{answer.said}\n(status {answer.status}, {took:.1f} s)\n")
        return answer

    def said(self, script, timeout=300):
        """What a script prints that must succeed."""
        answer = self.run(script, timeout)
        if answer.status != 0:
            raise RuntimeError(f"{script.strip()}: status {answer.status}: {answer.said}")
        return answer.out.strip()

    def put(self, data, remote, mode):
        """Writes a file there, packed on its way."""
        packed, there = gzip.compress(data, 1), shlex.quote(remote)
        with tempfile.NamedTemporaryFile(suffix=".gz") as file:
            file.write(packed)
            file.flush()
            if self.is_vm:
                command = self.way + ["put", file.name, f"{remote}.gz"]
                sent = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
                answer = Answer(sent.returncode, "", sent.stderr.decode(errors="replace"))
            else:
                file.seek(0)
                answer = self.call(f"cat > {there}.gz", 900, stdin=file)
        if answer.status == 0:
            # A program that runs cannot be written over: its place is taken by rename.
            answer = self.run(f"gunzip -f < {there}.gz > {there}.new && chmod {mode:o} {there}.new && "
                              f"mv -f {there}.new {there} && rm -f {there}.gz")
        if answer.status != 0:
            raise RuntimeError(f"{remote} could not be written: {answer.said}")

    def dial(self, port):
        """A connection to a port of the machine's loopback address, through the way itself."""
        ours, theirs = socket.socketpair()
        with theirs:
            # Those that have ended are waited for as new ones begin.
            self.tunnels = [tunnel for tunnel in self.tunnels if tunnel.poll() is None]
            self.tunnels.append(subprocess.Popen(self.way + [f"nc -N 127.0.0.1 {port}"], stdin=theirs, stdout=theirs,
                                                 stderr=subprocess.DEVNULL))
        return ours
