"""What a browser does with the console's pages, over TLS with one certificate that must be there: a request a
connection, cookies, forms sent as they stand in the page."""

import hashlib
import html.parser
import http.client
import socket
import ssl
import time
import urllib.parse


class Form:
    """A form of a page: where it goes and what it would send."""

    def __init__(self, action):
        self.action, self.fields, self.asks = action, [], set()

    def filled(self, **given):
        """The fields to send: as the page has them, with these instead."""
        kept = [(name, value) for name, value in self.fields if name not in given]
        return kept + [(name, value) for name, value in given.items() if name in self.asks]


class Forms(html.parser.HTMLParser):
    """Finds a page's forms."""

    def __init__(self, text):
        super().__init__()
        self.found, self.select = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        if tag == "form":
            self.found.append(Form(at.get("action", "")))
        elif not self.found:
            return
        elif tag == "input" and at.get("name"):
            form, name = self.found[-1], at["name"]
            form.asks.add(name)
            # A box that must be ticked is ticked by whoever fills the form in.
            chosen = at.get("type") not in ("checkbox", "radio") or "checked" in at or "required" in at
            if chosen:
                form.fields.append((name, at.get("value", "")))
        elif tag == "select":
            self.select = at.get("name")
            self.found[-1].asks.add(self.select)
        elif tag == "option" and self.select and "selected" in at:
            self.found[-1].fields.append((self.select, at.get("value", "")))

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None


class Words(html.parser.HTMLParser):
    """What a page says."""

    def __init__(self, text):
        super().__init__()
        self.words, self.hidden = [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "style", "svg"):
            self.hidden += 1

    def handle_endtag(self, tag):
        if tag in ("script", "style", "svg"):
            self.hidden -= 1

    def handle_data(self, data):
        if not self.hidden:
            self.words += data.split()


class Page:
    """An answer of the console."""

    def __init__(self, path, status, headers, text):
        self.path, self.status, self.headers, self.text = path, status, headers, text

    @property
    def leads_to(self):
        return self.headers.get("location", "")

    @property
    def words(self):
        return " ".join(Words(self.text).words)

    def form(self, action):
        for form in Forms(self.text).found:
            if form.action == action:
                return form
        raise RuntimeError(f"{self.path} (status {self.status}) has no form for {action}: {self.words[:400]}")


class Browser:
    """One visitor. `dial` opens a connection to the console; `authority` is what the address bar would show."""

    def __init__(self, dial, authority, log):
        self.dial, self.authority, self.log = dial, authority, log
        self.cookies, self.pinned = {}, None

    def connect(self):
        """A new TLS connection, to the console with the right certificate or none at all."""
        # The certificate signs itself: it is known by its fingerprint, which whoever has the terminal can read.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = self.dial()
        plain.settimeout(120)
        secured = context.wrap_socket(plain)
        shown = fingerprint(secured)
        if self.pinned not in (None, shown):
            secured.close()
            raise RuntimeError(f"another certificate: {shown}, not {self.pinned}")
        return secured

    def ask(self, method, path, fields=None):
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection(self.authority, timeout=120)
        connection.sock = self.connect()
        headers = {"Host": self.authority, "Connection": "close", "User-Agent": "tests/on-freebsd"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers |= {"Origin": f"https://{self.authority}", "Content-Type": "application/x-www-form-urlencoded"}
        begun = time.monotonic()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        for line in answer.headers.get_all("set-cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        page = Page(path, answer.status, {name.lower(): value for name, value in answer.headers.items()}, text)
        said = page.leads_to or page.words[:600]
        self.log(f"> {method} {path}\n{page.status} {said}\n({time.monotonic() - begun:.1f} s)\n")
        return page

    def get(self, path):
        return self.ask("GET", path)

    def submit(self, page, action, **given):
        """Fills in a form of a page and sends it."""
        return self.ask("POST", action, page.form(action).filled(**given))


def fingerprint(secured):
    """SHA-256 of the certificate, as browsers show it."""
    digest = hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest().upper()
    return ":".join(digest[at:at + 2] for at in range(0, len(digest), 2))


def dialer(address, port):
    """Connects directly."""
    return lambda: socket.create_connection((address, port), timeout=60)
