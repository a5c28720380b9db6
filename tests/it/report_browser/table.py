"""The view of all runs: sorting, filters, columns and groups, compared with what `capture-hook runs` prints."""

import json
import tempfile
from pathlib import Path

from harness import embedded_data, open_report

UNKNOWN = "–"


def settle(page):
    """Waits until the table has all rows: those below the window come last."""
    page.locator("table.runs tbody:not([aria-busy])").wait_for(state="attached")


def names(page):
    """The names in the rows of the table, in their order."""
    settle(page)
    return [text.strip() for text in page.locator("table.runs tbody th.name a").all_inner_texts()]


def headings(page):
    return [text.strip() for text in page.locator("table.runs thead th").all_inner_texts()]


def heading(page, title):
    return page.locator("table.runs thead th").filter(has=page.get_by_role("button", name=title, exact=False)).first


def cells(page, title):
    """The texts of a column's cells."""
    settle(page)
    at = next(at for at, text in enumerate(headings(page)) if text.split("\n")[0] == title or text.startswith(f"{title} "))
    return [text.strip() for text in page.locator(f"table.runs tbody tr > :nth-child({at + 1})").all_inner_texts()]


def search(page, text):
    page.get_by_role("searchbox", name="Filter runs").fill(text)


def count_line(page):
    return page.locator(".count-line").inner_text()


def number(text):
    """A number as a cell shows it, and half a unit of its last digit."""
    plain = text.replace(",", "").replace("\u2212", "-").replace("\u202f", "").replace("\u00a0", "").strip()
    scale = 100 if plain.endswith("%") else 1
    plain = plain.rstrip("% ")
    decimals = len(plain.partition(".")[2].partition("e")[0])
    exponent = int(plain.partition("e")[2] or 0)
    return float(plain) / scale, 0.5000001 * 10.0 ** (exponent - decimals) / scale


def assert_shown(text, value, what):
    """A cell shows this value, as far as its digits go."""
    if value is None:
        assert text == UNKNOWN, f"{what}: {text}, not unknown"
        return
    shown, tolerance = number(text)
    assert abs(shown - value) <= tolerance, f"{what}: {text}, not {value}"


def figure(run, name):
    return (run["figures"] or {}).get(name)


def sorted_names(runs, value, descending):
    """Unknown values come last in both directions; equal ones keep their order."""
    known = [run for run in runs if value(run) is not None]
    known.sort(key=value, reverse=False)
    if descending:
        known = [run for _, run in sorted(enumerate(known), key=lambda pair: (-value(pair[1]), runs.index(pair[1])))]
    return [run["run"] for run in known] + [run["run"] for run in runs if value(run) is None]


def report_order(page, facts):
    """The runs of `capture-hook runs --json` in the order of the report's data."""
    by_name = {run["run"]: run for run in facts["runs"]}
    return [by_name[name] for name in embedded_data(page)["runs"]["names"]]


def check_sorting(started, report, facts):
    page = open_report(started, report)
    runs = report_order(page, facts)
    assert {run["run"] for run in runs} == {run["run"] for run in facts["runs"]}, "the report has other runs than `runs`"
    assert names(page) == [run["run"] for run in runs]
    for title, value in [("Mean reward", lambda run: figure(run, "mean_reward")), ("Steps", lambda run: run["steps"]),
                         ("Success", lambda run: figure(run, "success_rate"))]:
        for text, run in zip(cells(page, title), runs, strict=True):
            assert_shown(text, value(run), f"{title} of {run['run']}")
        for order, descending in [("ascending", False), ("descending", True)]:
            heading(page, title).get_by_role("button").click()
            assert heading(page, title).get_attribute("aria-sort") == order
            assert names(page) == sorted_names(runs, value, descending), f"{title}, {order}: {names(page)}"
        heading(page, title).get_by_role("button").click()
        assert heading(page, title).get_attribute("aria-sort") == "none"
        assert names(page) == [run["run"] for run in runs]
    # Numbers within names are compared as numbers.
    heading(page, "Run").get_by_role("button").click()
    order = [name for name in names(page) if "gain-0.9" in name]
    assert order == [f"arm/gain-0.9-seed-{seed}" for seed in (1, 2, 10)], order
    assert names(page)[0].startswith("arm/gain-0.1-seed-1")
    page.watch.assert_quiet()


def check_text_filter(started, report, facts):
    page = open_report(started, report)
    total = len(facts["runs"])
    arms = sorted(run["run"] for run in facts["runs"] if run["experiment"] == "arm")
    search(page, "arm/")
    assert sorted(names(page)) == arms
    assert f"{len(arms)} of {total} runs" in count_line(page), count_line(page)
    assert f"{len(arms)} of {total} runs" in page.get_by_role("status").inner_text(), "a screen reader is not told"
    # Upper case, and two words that each have to be found.
    search(page, "ARM seed-2")
    assert sorted(names(page)) == [name for name in arms if name.endswith("seed-2")]
    search(page, "gain=0.5")
    assert names(page) == ["arm/gain-0.5-seed-1"]
    search(page, "nothing-has-this")
    assert names(page) == []
    assert page.get_by_text("No run matches").is_visible()
    search(page, "")
    assert len(names(page)) == total
    page.watch.assert_quiet()


def check_ranges(started, report, facts):
    page = open_report(started, report)
    rewards = sorted(value for run in facts["runs"] if (value := figure(run, "mean_reward")) is not None)
    low, high = rewards[2], rewards[-3]
    page.get_by_role("button", name="Ranges").click()
    panel = page.get_by_role("group", name="Ranges", exact=True)
    panel.get_by_label("Mean reward from", exact=False).fill(repr(low))
    panel.get_by_label("Mean reward to", exact=False).fill(repr(high))
    inside = {run["run"] for run in facts["runs"] if (value := figure(run, "mean_reward")) is not None and low <= value <= high}
    assert set(names(page)) == inside and len(inside) == len(rewards) - 4
    # A share is typed in per cent, and both ranges hold.
    panel.get_by_label("Success (%) from", exact=False).fill("50")
    both = {run["run"] for run in facts["runs"] if run["run"] in inside and (figure(run, "success_rate") or 0) >= 0.5}
    assert set(names(page)) == both and 0 < len(both) < len(inside), names(page)
    chips = page.get_by_role("list", name="Ranges asked for").get_by_role("listitem")
    assert chips.count() == 2
    chips.filter(has_text="Success").get_by_role("button").click()
    assert set(names(page)) == inside
    panel.get_by_label("Mean reward from", exact=False).fill("much")
    assert panel.get_by_label("Mean reward from", exact=False).get_attribute("aria-invalid") == "true"
    panel.get_by_label("Mean reward from", exact=False).press("Escape")
    assert not panel.is_visible()
    page.watch.assert_quiet()


def check_columns(started, report, facts):
    page = open_report(started, report)
    first = headings(page)
    page.get_by_role("button", name="Columns").click()
    panel = page.get_by_role("group", name="Columns", exact=True)
    panel.get_by_label("Steps", exact=True).uncheck()
    assert headings(page) == [title for title in first if title != "Steps"]
    panel.get_by_role("button", name="None", exact=True).click()
    assert len(headings(page)) == 2
    panel.get_by_label("gain", exact=True).check()
    by_name = {run["run"]: run for run in facts["runs"]}
    for name, text in zip(names(page), cells(page, "gain"), strict=True):
        gain = name.split("-")[1] if by_name[name]["experiment"] == "arm" else UNKNOWN
        assert text == gain, f"{name}: {text}"
    panel.get_by_role("button", name="All", exact=True).click()
    assert len(headings(page)) - 2 == len(embedded_data(page)["runs"]["columns"])
    panel.get_by_role("button", name="As at first", exact=True).click()
    assert headings(page) == first
    page.watch.assert_quiet()


def check_grouping(started, report, facts):
    page = open_report(started, report)
    page.get_by_label("Group by configuration").check()
    settle(page)
    rows = page.locator("table.runs tbody tr.group")
    expected = facts["groups"]
    assert rows.count() == len(expected), f"{rows.count()} groups, not {len(expected)}: {count_line(page)}"
    assert f"{len(expected)} groups" in count_line(page), count_line(page)
    counts = cells(page, "n")
    figures = {"reward": cells(page, "Mean reward"), "success": cells(page, "Success"), "steps": cells(page, "Steps")}
    grouped = []
    for at in range(rows.count()):
        rows.nth(at).get_by_role("button").click()
        settle(page)
        members = [name.strip() for name in page.locator("table.runs tbody tr.member th.name a").all_inner_texts()]
        group = next((group for group in expected if set(group["runs"]) == set(members)), None)
        assert group is not None, f"`runs --group` has no group of {members}"
        assert int(counts[at]) == len(members)
        for figure_name, texts in figures.items():
            assert_interval(texts[at], group[figure_name], f"{figure_name} of {members}")
        grouped += members
        rows.nth(at).get_by_role("button").click()
    assert sorted(grouped) == sorted(name for group in expected for name in group["runs"])
    # A filter leaves a part of each group, and the mean is that of the part.
    search(page, "gain-0.1-seed-1")
    assert cells(page, "n") == ["1"], cells(page, "n")
    mean, _, half = cells(page, "Mean reward")[0].partition("±")
    alone = next(run for run in facts["runs"] if run["run"] == "arm/gain-0.1-seed-1")
    assert_shown(mean, figure(alone, "mean_reward"), "a group of one")
    assert half.strip() == UNKNOWN, half
    search(page, "")
    heading(page, "Mean reward").get_by_role("button").click()
    ordered = [number(text.partition("±")[0])[0] for text in cells(page, "Mean reward") if text != UNKNOWN]
    assert ordered == sorted(ordered) and len(ordered) > 3, ordered
    page.watch.assert_quiet()


def multiplied(report, directory, times):
    """The same report with each run so many times, under other names; its path, and the names."""
    page = Path(report).read_text()
    start = page.index('id="report-data">') + len('id="report-data">')
    end = page.index("</script>", start)
    data = json.loads(page[start:end])
    runs = data["runs"]
    runs["names"] = [f"{name}-{time}" for time in range(times) for name in runs["names"]]
    runs["groups"] *= times
    data["details"] *= times
    for column in runs["columns"]:
        values = column["values"]
        values["numbers" if "numbers" in values else "codes"] *= times
    path = Path(directory) / "report.html"
    path.write_text(page[:start] + json.dumps(data).replace("<", "\\u003c") + page[end:])
    return str(path), runs["names"]


def check_many_runs(started, report, facts):
    """A hundred rows are a page; what is below the window is there as well, soon."""
    with tempfile.TemporaryDirectory() as directory:
        path, everything = multiplied(report, directory, 20)
        page = open_report(started, path)
        pages = page.get_by_role("navigation", name="Pages of the table")

        def shown(count):
            rows = page.locator("table.runs tbody tr")
            for _ in range(100):
                if rows.count() == count:
                    return names(page)
                page.wait_for_timeout(50)
            raise AssertionError(f"{rows.count()} rows, not {count}")

        assert shown(100) == everything[:100]
        pages.get_by_role("button", name="Next").click()
        assert shown(100) == everything[100:200]
        page.reload()
        assert shown(100) == everything[100:200], "the page of the table is not in the address"
        pages.get_by_role("button", name="Previous").click()
        assert shown(100) == everything[:100] and pages.get_by_role("button", name="Previous").is_disabled()
        # A tick for all rows is for the rows of this page, those that are not seen, too.
        page.get_by_label("Compare all rows of this page").check()
        assert "100 runs ticked" in page.locator(".tick-bar").inner_text()
        pages.get_by_role("button", name="Show all").click()
        assert shown(len(everything)) == everything
        heading(page, "Run").get_by_role("button").click()
        ordered = shown(len(everything))
        assert sorted(ordered) == sorted(everything) and ordered != everything
        search(page, "seed-10-19")
        assert shown(1) == ["arm/gain-0.9-seed-10-19"]
        page.watch.assert_quiet()
        page = open_report(started, path)
        page.emulate_media(media="print")
        assert len(shown(len(everything))) == len(everything), "paper has no other pages"
        page.watch.assert_quiet()


def assert_interval(text, interval, what):
    """A cell shows a mean and half of its interval."""
    if interval is None:
        assert text == UNKNOWN, f"{what}: {text}"
        return
    mean, _, half = text.partition("±")
    assert_shown(mean.strip(), interval["mean"], what)
    half = half.partition("n")[0].strip()
    if interval["low"] is None:
        assert half == UNKNOWN, f"{what}: {text}"
    else:
        assert_shown(half, (interval["high"] - interval["low"]) / 2, f"{what}, interval")
