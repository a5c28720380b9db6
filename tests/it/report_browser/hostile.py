"""Runs whose every text is an attack or an oddity (`hostile_runs.py`): nothing of them runs, and all of it can be read."""

import re
import unicodedata

from harness import NARROW, WIDE, axe_violations, embedded_data, open_report, overflow
from table import settle

# What a page of ours is made of. Nothing that loads, sends or embeds is among it.
TAGS = set("""html head meta title style body a header h1 h2 h3 h4 h5 nav div main noscript p footer script section span label input
    button table caption thead tbody tfoot tr th td bdi ul ol li dl dt dd details summary code pre fieldset legend select option
    optgroup figure figcaption canvas svg g path line polyline polygon rect circle text title desc textarea strong em b small
    time abbr output tspan clippath defs use col colgroup kbd symbol marker""".split())
FORBIDDEN = ("src", "srcset", "srcdoc", "data", "action", "formaction", "xlink:href", "ping", "autofocus", "background", "poster")
ELEMENTS = """() => [...document.querySelectorAll('*')].map(element => [element.localName,
    [...element.attributes].map(attribute => [attribute.name, attribute.value])])"""
# Characters that are not seen, or change how their neighbours are read.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
                    "\U000e0000-\U000e0fff\ud800-\udfff]")
TALLEST_ROW, TALLEST_PAGE = 200, 60_000


def references(page):
    """The addresses of all runs: those of the links in the table."""
    settle(page)
    return page.locator("table.runs tbody th.name a").evaluate_all("links => links.map(link => link.getAttribute('href'))")


def assert_harmless(page, where):
    """Nothing ran, nothing was added to the page that could, and nothing in it is hidden."""
    page.watch.assert_quiet()
    scripts = 0
    for tag, attributes in page.evaluate(ELEMENTS):
        assert tag in TAGS, f"{where}: <{tag}>"
        scripts += tag == "script"
        for name, value in attributes:
            assert not name.startswith("on") and name not in FORBIDDEN, f"{where}: <{tag} {name}={value!r}>"
            assert name != "href" or value.startswith("#"), f"{where}: a link to {value[:80]}"
            assert name != "http-equiv" or value == "Content-Security-Policy", f"{where}: {value}"
            shown = name in ("title", "placeholder", "alt", "label", "href") or name.startswith("aria-")
            assert not shown or not HIDDEN.search(value), f"{where}: hidden characters in {name} of <{tag}>: {ascii(value[:80])}"
    assert scripts == 3, f"{where}: {scripts} scripts"
    text = page.locator("body").inner_text()
    found = HIDDEN.search(text.replace("\r", ""))
    assert not found, f"{where}: {ascii(text[found.start() - 40:found.end() + 20])}"
    assert not HIDDEN.search(page.title()), f"{where}: {ascii(page.title())}"


def assert_layout(page, where):
    assert overflow(page) == 0, f"{where}: {overflow(page)} pixels too wide"
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height < TALLEST_PAGE, f"{where}: {height} pixels high"
    rows = page.evaluate("Math.max(0, ...[...document.querySelectorAll('table.runs tr')].map(row => row.offsetHeight))")
    assert rows < TALLEST_ROW, f"{where}: a row of {rows} pixels"


def visit(started, report, address, look, **how):
    page = open_report(started, report, address, **how)
    page.wait_for_timeout(100)
    look(page)
    page.context.close()


def check_hostile_table(started, report, facts):
    page = open_report(started, report)
    page.wait_for_timeout(100)
    page.watch.assert_quiet()
    columns = [column["id"] for column in embedded_data(page)["runs"]["columns"]]
    assert len(references(page)) == len(facts["texts"]), f"{len(references(page))} runs, not {len(facts['texts'])}"
    assert_harmless(page, "runs")
    assert_layout(page, "runs")
    # Every column, sorted by it, in both directions; the filter and the ranges on what stands in them.
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="All", exact=True).click()
    buttons = page.locator("table.runs thead th button.sort")
    assert buttons.count() == len(columns) + 1
    for at in range(0, buttons.count(), max(1, buttons.count() // 25)):
        buttons.nth(at).click()
        buttons.nth(at).click()
    assert_harmless(page, "every column")
    assert_layout(page, "every column")
    page.get_by_role("button", name="Ranges").click()
    assert_harmless(page, "ranges")
    assert_layout(page, "panels")
    for text in ["<script>", "</script", "onerror=", "\u202e", "__proto__", "constructor=", "\\u{202e}", "mark-nan", "🧪", "%", "\x00"]:
        page.get_by_role("searchbox").fill(text)
        assert_harmless(page, f"filter {ascii(text)}")
    page.get_by_role("searchbox").fill("<script>")
    page.wait_for_timeout(500)
    assert len(references(page)) >= 3, "the filter finds no text of a run"
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Group by configuration").check()
    assert_harmless(page, "groups")
    assert_layout(page, "groups")
    for toggle in page.locator("table.runs tr.group button").all()[:30]:
        toggle.click()
    assert_harmless(page, "open groups")
    assert axe_violations(page) == []


def check_hostile_runs(started, report, facts):
    page = open_report(started, report)
    addresses = references(page)
    known = embedded_data(page)["runs"]["names"]
    assert len(addresses) == len(known)
    texts = dict(facts["texts"])
    for viewport in (WIDE, NARROW):
        for name, address in zip(known, addresses):
            def look(page):
                assert_harmless(page, name)
                assert_layout(page, f"{name}, {viewport['width']} pixels")
                text = unicodedata.normalize("NFC", page.locator("main").inner_text())
                expected = texts[name]
                for part in expected:
                    assert part in text, f"{name}: {ascii(part)} cannot be read"
                if viewport is NARROW:
                    assert axe_violations(page) == [], name
            visit(started, report, address, look, viewport=viewport)


def check_hostile_comparison(started, report, facts):
    page = open_report(started, report)
    ticks = "".join(address.replace("#run=", "&tick=") for address in references(page))
    for viewport in (WIDE, NARROW):
        def look(page):
            page.wait_for_timeout(500)
            assert_harmless(page, "comparison")
            assert overflow(page) == 0, f"comparison: {overflow(page)} pixels too wide at {viewport['width']}"
            for canvas in page.locator("main canvas, main svg").all()[:12]:
                if canvas.is_visible():
                    canvas.hover(force=True)
            assert_harmless(page, "comparison, pointed at")
            for select in page.locator("main select").all():
                values = select.locator("option").evaluate_all("options => options.map(option => option.value)")
                for value in values[:40]:
                    select.select_option(value)
            assert_harmless(page, "comparison, other axes")
        visit(started, report, "#view=compare" + ticks, look, viewport=viewport)
    visit(started, report, "#view=history", lambda page: (assert_harmless(page, "history"), assert_layout(page, "history")))
    visit(started, report, "#view=history", lambda page: assert_layout(page, "history"), viewport=NARROW)


def check_hostile_commands(started, report, facts):
    """Prints the commands that the page copies, for a shell to run."""
    page = open_report(started, report, permissions=["clipboard-read", "clipboard-write"])
    names = embedded_data(page)["runs"]["names"]
    for name, address in zip(names, references(page), strict=True):
        if name in facts["typed"]:
            page.evaluate("address => { location.hash = address; }", address)
            for command in page.get_by_role("region", name="Commands").locator(".command").all():
                page.evaluate("navigator.clipboard.writeText('')")
                command.get_by_role("button", name="Copy").click()
                copied = page.evaluate("navigator.clipboard.readText()")
                assert copied.startswith("capture-hook "), copied
                print(copied)
    page.watch.assert_quiet()
