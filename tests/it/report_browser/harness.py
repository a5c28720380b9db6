"""Opens a report in Chromium and notes everything that its page must never do, whatever is in it.

`open_report` gives a page that is watched: what it says on the console, each error, each request, each dialog, window or
download, each violation of its policy. `Watch.assert_quiet` fails with the list of them. The browser has no network.
"""

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_playwright_python
from playwright.sync_api import Error as DriverError
from playwright.sync_api import sync_playwright

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# WCAG 2.2's levels A and AA, and what axe's authors hold for good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Milliseconds that an element may take to be there.
PATIENCE = 20_000
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 400, "height": 800}
# Noted before any script of the page runs. The page's policy does not hold for it.
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


class Watch:
    """What a page has done."""

    def __init__(self, page, report):
        self.page, self.report, self.faults = page, Path(report).resolve(), []
        page.on("console", lambda message: self.note_console(message))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self.note_request(request.url))
        page.on("websocket", lambda socket: self.faults.append(f"web socket: {socket.url}"))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: self.faults.append(f"window: {popup.url}"))
        page.on("download", lambda download: self.faults.append(f"download: {download.url}"))
        page.on("crash", lambda _: self.faults.append("the page crashed"))

    def note_console(self, message):
        if message.type in ("error", "warning", "assert"):
            self.faults.append(f"console: {message.type}: {message.text}")

    def note_request(self, url):
        parts = urlsplit(url)
        if parts.scheme != "file" or Path(unquote(parts.path)) != self.report:
            self.faults.append(f"request: {url[:200]}")

    def assert_quiet(self):
        faults = list(self.faults)
        try:
            violations, ran = self.page.evaluate("[window.violations, window.ran]")
            faults += [f"policy: {violation}" for violation in violations or ()]
            faults += [f"a run's script ran {ran} times"] if ran else []
        except DriverError as error:
            faults.append(f"the page was left: {error}")
        assert not faults, "\n".join(faults)


@contextmanager
def browser(chromium):
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as directory:
        flags = ["--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND"]
        # Root has no sandbox to enter.
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        env = {**os.environ, "HOME": directory, "XDG_CONFIG_HOME": directory, "XDG_CACHE_HOME": directory}
        started = playwright.chromium.launch(executable_path=chromium, args=flags, env=env)
        yield started
        started.close()


def open_report(started, report, address="", viewport=None, colours="light", script="", **context):
    """A new page that shows the report, with its `Watch` as `page.watch`."""
    context = started.new_context(viewport=viewport or WIDE, color_scheme=colours, **context)
    context.add_init_script(NOTE_VIOLATIONS + script)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.watch = Watch(page, report)
    page.goto(Path(report).resolve().as_uri() + address)
    return page


def axe_violations(page):
    """What axe-core finds, each as a rule with the elements."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE)
    found = page.evaluate("tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", RULES)
    assert found["passes"], "axe-core looked at nothing"
    return [f"{rule['id']}: {rule['help']}: " + "; ".join(describe(node) for node in rule["nodes"][:5])
            for rule in found["violations"]]


def describe(node):
    why = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    return f"{node['html'][:200]} ({', '.join(why)[:200]})"


def overflow(page):
    """How many pixels the page is wider than its window: it must be read without scrolling both ways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def embedded_data(page):
    """What the page is made of (`report-data.d.ts`)."""
    return json.loads(page.evaluate("document.getElementById('report-data').textContent"))
