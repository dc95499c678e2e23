"""What was expected and what was seen, on the terminal and in the run's folder."""

import datetime
import os
import sys
import time


class Report:
    """One line a check; everything else goes to the log."""

    def __init__(self, folder):
        self.folder, self.checks, self.begun = folder, [], time.monotonic()
        self.step = ""
        os.makedirs(folder, exist_ok=True)
        self.file = open(os.path.join(folder, "log.txt"), "w", encoding="utf-8")

    def log(self, text):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%H:%M:%S")
        self.file.write(f"[{now}] {text}\n")
        self.file.flush()

    def say(self, text):
        print(text)
        sys.stdout.flush()
        self.log(text)

    def keep(self, name, text):
        """A file beside the log."""
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def begin(self, step):
        self.step = step
        self.say(f"\n== {step} ({time.monotonic() - self.begun:.0f} s)")

    def check(self, what, expected, seen, passed):
        """One judgement. Gives it back."""
        passed = bool(passed)
        self.checks.append((self.step, what, passed))
        expected, seen = _short(expected), _short(seen)
        self.say(f"{'pass' if passed else 'FAIL'}  {what}\n" + (
            f"      expected and seen: {seen}" if expected == seen
            else f"      expected: {expected}\n      seen:     {seen}"))
        return passed

    def same(self, what, expected, seen):
        return self.check(what, expected, seen, expected == seen)

    def fail(self, what, why):
        self.check(what, "it could be looked at", why, False)

    def end(self, head):
        """The table; whether everything passed."""
        steps = list(dict.fromkeys(step for step, _, _ in self.checks))
        width = max((len(step) for step in steps), default=0)
        lines = [head, ""]
        for step in steps:
            of = [passed for name, _, passed in self.checks if name == step]
            verdict = "pass" if all(of) else "FAIL"
            lines.append(f"{verdict}  {step:<{width}}  {sum(of)} of {len(of)}")
            lines += [f"        {what}" for name, what, passed in self.checks if name == step and not passed]
        good = sum(passed for _, _, passed in self.checks)
        lines += ["", f"{good} of {len(self.checks)} as expected, {time.monotonic() - self.begun:.0f} s"]
        self.say("\n" + "\n".join(lines))
        self.keep("report.txt", "\n".join(lines) + "\n")
        return good == len(self.checks)


def _short(value):
    text = value if isinstance(value, str) else repr(value)
    text = " | ".join(line.strip() for line in text.strip().splitlines() if line.strip()) or "nothing"
    return text if len(text) <= 400 else f"{text[:400]} … ({len(text)} characters)"
