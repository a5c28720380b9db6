"""What holds in every view: addresses, colours, print, the keyboard, and what axe-core says."""

import re

from harness import NARROW, WIDE, axe_violations, embedded_data, open_report, overflow
from table import count_line, heading, headings, names, search, settle

# Each view with something in it, as an address: what a colleague would be sent.
VIEWS = {
    "runs": "",
    "filtered": "#q=arm&sort=-reward&range=0..1,success",
    "nothing found": "#q=nothing-has-this",
    "groups": "#group=1",
    "one run": "#run=arm/gain-0.2-seed-1",
    "a run without data": "#run=plume/run-20261124-021546",
    "no such run": "#run=arm/none",
    "compare": "#view=compare&tick=arm/gain-0.1-seed-1&tick=arm/gain-0.2-seed-1&tick=arm/gain-0.9-seed-10",
    "compare nothing": "#view=compare",
    "history": "#view=history",
}
# Read as far as they are understood; the rest is left out.
GARBAGE = [
    "#", "#&&&", "#=", "#view=", "#view=constructor", "#run=%E0%A4%A", "#q=%", "#sort=__proto__", "#sort=-", "#col=__proto__&col=toString",
    "#range=a..b,reward", "#range=..,reward", "#range=1..0,reward", "#range=NaN..Infinity,nothing", "#page=0", "#page=-1", "#page=99999999",
    "#tick=none&tick=__proto__", "#open=constructor&group=1", "#group=yes", "#axis=x&axis=y", "#x=__proto__&y=constructor&view=compare",
    "#view=compare&tick=group:0", "#<script>window.ran=1</script>", "#q=%3Cimg%20src%3Dx%20onerror%3D%22window.ran%3D1%22%3E",
    "#javascript:window.ran=1", "#main", "#runs-heading", "#" + "a" * 100_000, "#q=" + "b" * 100_000, "#" + "tick=n&" * 20_000,
    "#\u202e\u2028\x00", "#run=\ud83d\ude00", "#q=%ED%A0%80",
]


def shown(page):
    """What a person sees of the table."""
    return headings(page), names(page), count_line(page)


def ticked(page):
    settle(page)
    return page.locator("table.runs tbody input[type=checkbox]:checked").count()


def check_addresses(started, report, facts):
    page = open_report(started, report)
    search(page, "arm")
    heading(page, "Mean reward").get_by_role("button").click()
    heading(page, "Mean reward").get_by_role("button").click()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("group", name="Columns", exact=True).get_by_label("gain", exact=True).check()
    page.get_by_role("button", name="Ranges").click()
    page.get_by_role("group", name="Ranges", exact=True).get_by_label("Steps to", exact=True).fill("140")
    for row in (0, 2):
        page.locator("table.runs tbody input[type=checkbox]").nth(row).check()
    # Typing changes the address when it pauses.
    page.wait_for_timeout(500)
    here, address = shown(page), page.url
    assert len(here[1]) > 3 and "gain" in here[0], here
    other = open_report(started, report, address[address.index("#"):])
    assert shown(other) == here and ticked(other) == 2
    other.watch.assert_quiet()
    # What is in the address of the page that is open is taken as well.
    page.evaluate("address => { location.hash = address; }", "#q=seed-1")
    assert names(page) != here[1] and ticked(page) == 0
    page.go_back()
    assert shown(page) == here and ticked(page) == 2
    # Each view can be sent, and is the same in a page of its own.
    for name, address in VIEWS.items():
        page = open_report(started, report, address)
        text = page.locator("main").inner_text()
        page.reload()
        assert page.locator("main").inner_text() == text, name
        page.watch.assert_quiet()
        page.context.close()


def check_back_and_forward(started, report, facts):
    page = open_report(started, report)
    search(page, "arm")
    before = shown(page)
    page.locator("table.runs tbody th.name a").first.click()
    title = page.get_by_role("heading", level=2).first.inner_text()
    assert title == before[1][0], title
    assert before[1][0] in page.title()
    page.get_by_role("navigation", name="Views").get_by_role("link", name="History").click()
    assert page.get_by_role("heading", name="History").first.is_visible()
    page.go_back()
    assert page.get_by_role("heading", level=2).first.inner_text() == title
    page.go_back()
    assert shown(page) == before and page.get_by_role("searchbox").input_value() == "arm"
    page.go_forward()
    assert page.get_by_role("heading", level=2).first.inner_text() == title
    page.watch.assert_quiet()


def check_garbage_addresses(started, report, facts):
    page = open_report(started, report)
    for address in GARBAGE:
        page.evaluate("address => { location.hash = address; }", address)
        page.wait_for_timeout(30)
        assert page.locator("main").inner_text().strip(), f"{address[:60]}: nothing is shown"
        page.watch.assert_quiet()
    for address in GARBAGE:
        page = open_report(started, report, address.encode(errors="surrogatepass").decode(errors="replace").replace("\x00", ""))
        assert page.locator("main").inner_text().strip(), f"{address[:60]}: nothing is shown"
        page.watch.assert_quiet()
        page.context.close()


def check_accessible(started, report, facts):
    """axe-core finds nothing in any view, light and dark, wide and narrow, and no page is wider than its window."""
    for colours in ("light", "dark"):
        for viewport in (WIDE, NARROW):
            page = open_report(started, report, viewport=viewport, colours=colours)
            found = []
            for name, address in VIEWS.items():
                page.evaluate("address => { location.hash = address; }", address)
                page.wait_for_timeout(150)
                where = f"{name}, {colours}, {viewport['width']} pixels"
                found += [f"{where}: {violation}" for violation in axe_violations(page)]
                if overflow(page) > 0:
                    found.append(f"{where}: {overflow(page)} pixels too wide")
            assert not found, "\n".join(found)
            page.watch.assert_quiet()
            page.context.close()


def check_panels_accessible(started, report, facts):
    """So do the panels, which are made when they are opened."""
    found = []
    for colours in ("light", "dark"):
        page = open_report(started, report, colours=colours)
        for name in ("Ranges", "Columns"):
            page.get_by_role("button", name=name).click()
        page.locator("table.runs tbody input[type=checkbox]").first.check()
        found += axe_violations(page)
        page.get_by_label("Group by configuration").check()
        page.locator("table.runs tbody tr.group button").first.click()
        found += axe_violations(page)
        page.watch.assert_quiet()
        page.context.close()
    assert not found, "\n".join(found)


def brightness(page):
    """Of the page's ground, 0 to 255."""
    colours = page.evaluate("[document.body, document.documentElement].map(part => getComputedStyle(part).backgroundColor)")
    painted = [re.findall(r"[\d.]+", colour) for colour in colours if colour != "rgba(0, 0, 0, 0)"]
    red, green, blue = map(float, painted[0][:3]) if painted else (255, 255, 255)
    return (299 * red + 587 * green + 114 * blue) / 1000


DRAWN = "canvas => canvas.toDataURL()"


def check_dark_mode(started, report, facts):
    page = open_report(started, report, VIEWS["one run"], colours="light")
    chart = page.locator("main canvas").first
    light = chart.evaluate(DRAWN)
    assert brightness(page) > 200
    # The system may change while the page is open: what is drawn follows.
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(200)
    dark = chart.evaluate(DRAWN)
    assert brightness(page) < 60 and dark != light, "the charts stay light"
    # The reader may choose against the system, and need not choose again.
    button = page.get_by_role("button", name="Dark mode")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert brightness(page) > 200 and chart.evaluate(DRAWN) == light
    page.reload()
    assert brightness(page) > 200 and button.get_attribute("aria-pressed") == "false"
    page.watch.assert_quiet()


def check_print(started, report, facts):
    for name in ("runs", "groups", "one run", "compare", "history"):
        page = open_report(started, report, VIEWS[name], colours="dark")
        text = page.locator("main").inner_text()
        page.emulate_media(media="print")
        page.wait_for_timeout(200)
        assert brightness(page) > 200, f"{name}: dark paper"
        assert not page.get_by_role("searchbox").is_visible(), f"{name}: a field to type in on paper"
        printed = page.locator("main").inner_text()
        if name == "runs":
            assert all(run["run"] in printed for run in facts["runs"]), "runs are missing on paper"
        assert len(printed) > len(text) / 2, f"{name}: {printed}"
        pdf = page.pdf(format="A4")
        assert pdf.startswith(b"%PDF") and len(pdf) > 5000
        page.watch.assert_quiet()
        page.context.close()


def focused(page):
    """The element that has the focus: its role or tag, its name, and whether it can be seen that it has it."""
    return page.evaluate("""() => {
        const element = document.activeElement, style = getComputedStyle(element);
        const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
        const {width, height} = element.getBoundingClientRect();
        return {tag: element.tagName, id: element.id, type: element.type || '', ring, seen: width > 1 && height > 1,
                text: (element.ariaLabel || element.textContent || element.id).trim()};
    }""")


def tab_to(page, wanted, most=80):
    """Presses Tab until something has the focus; each stop on the way can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = focused(page)
        if stop["tag"] == "BODY":
            continue
        assert stop["ring"] and stop["seen"], f"nothing shows that this has the focus: {stop}"
        if wanted(stop):
            return stop
    raise AssertionError(f"not reached with Tab; the last was {focused(page)}")


def check_keyboard(started, report, facts):
    page = open_report(started, report)
    stop = tab_to(page, lambda stop: True)
    assert stop["text"].startswith("Skip"), stop
    page.keyboard.press("Enter")
    assert focused(page)["id"] == "main"
    tab_to(page, lambda stop: stop["id"] == "run-search")
    page.keyboard.type("arm")
    assert all(name.startswith("arm/") for name in names(page))
    tab_to(page, lambda stop: stop["text"].startswith("Mean reward"))
    page.keyboard.press("Enter")
    assert heading(page, "Mean reward").get_attribute("aria-sort") == "ascending"
    assert focused(page)["text"].startswith("Mean reward"), f"the focus is lost: {focused(page)}"
    page.keyboard.press("Space")
    assert heading(page, "Mean reward").get_attribute("aria-sort") == "descending"
    tab_to(page, lambda stop: stop["text"].startswith("Compare arm/"))
    page.keyboard.press("Space")
    tab_to(page, lambda stop: stop["text"].startswith("Compare arm/"))
    page.keyboard.press("Space")
    assert ticked(page) == 2
    first = names(page)[1]
    tab_to(page, lambda stop: stop["tag"] == "A" and stop["text"] == first)
    page.keyboard.press("Enter")
    assert page.get_by_role("heading", level=2).first.inner_text() == first
    # The focus is where the new view begins, or on a way to it.
    assert focused(page)["tag"] != "BODY", "the focus is lost"
    page.go_back()
    tab_to(page, lambda stop: stop["text"] == "Compare" and stop["tag"] == "A")
    page.keyboard.press("Enter")
    assert first in page.locator("main").inner_text()
    page.watch.assert_quiet()


def check_without_scripts(started, report, facts):
    context = started.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto("file://" + report)
    text = page.locator("body").inner_text()
    assert "Allow JavaScript" in text, text[:500]
    assert facts["title"] in text and facts["title"] in page.title()
    context.close()


def check_embedded_data(started, report, facts):
    """The policy allows nothing but what is in the file."""
    page = open_report(started, report)
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    rules = {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}
    assert rules["default-src"] == ["'none'"], policy
    # Scripts by their hash alone, and no other address, form or frame.
    assert rules["script-src"] and all(source.startswith("'sha") for source in rules["script-src"]), policy
    assert rules["base-uri"] == ["'none'"] and rules["form-action"] == ["'none'"], policy
    assert not any(word in policy for word in ("unsafe-eval", "http:", "https:", "*")), policy
    assert page.evaluate("document.scripts.length") == 3
    assert embedded_data(page)["format"] == 1
    blocked = """() => new Promise(resolve => {
        const script = document.createElement('script');
        script.textContent = 'window.ran = 1';
        document.body.append(script);
        setTimeout(() => resolve([window.ran || 0, window.violations.length]), 50);
    })"""
    assert page.evaluate(blocked) == [0, 1], "a script that is put into the page runs"
