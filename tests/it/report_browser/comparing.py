"""The view that compares runs and groups: charts, trajectories, differences, scatter and parallel coordinates."""

import json
import math
import statistics

from harness import embedded_data, open_report
from table import UNKNOWN, assert_shown, number, search

ONE, OTHER = "arm/gain-0.1-seed-2", "arm/gain-0.9-seed-10"
BOTH = f"#view=compare&tick={ONE}&tick={OTHER}"
# Notes where the lines of each canvas are drawn.
NOTE_LINES = """
for (const call of ['moveTo', 'lineTo']) {
    const draw = CanvasRenderingContext2D.prototype[call];
    CanvasRenderingContext2D.prototype[call] = function (x, y) {
        (this.canvas.drawn ??= []).push([x, y]);
        return draw.call(this, x, y);
    };
}
"""


def section(page, title):
    return page.get_by_role("region", name=title, exact=True)


def chart(page, title):
    return page.locator("main figure.chart").filter(has=page.locator("figcaption .chart-title", has_text=title)).first


def numbers_of(figure):
    """The numbers beside a chart: a row each, by column."""
    details = figure.locator("details")
    if details.get_attribute("open") is None:
        details.locator("summary").click()
    # They are made when they are first asked for.
    details.locator("tr").first.wait_for()
    rows = [row.locator("th, td").all_inner_texts() for row in figure.locator("details tr").all()]
    return rows[0], rows[1:]


def as_float(text):
    return None if text.strip() == UNKNOWN else number(text)


def assert_numbers(figure, label, expected):
    """The chart's numbers for a label are these: by step, the lower quartile, the median and the upper quartile."""
    heads, rows = numbers_of(figure)
    columns = [heads.index(next(head for head in heads if head.startswith(label) and what in head))
               for what in ("lower quartile", "median", "upper quartile")]
    seen = 0
    for row in rows:
        wanted = expected.get(int(row[0]))
        for column, value in zip(columns, wanted or (), strict=wanted is not None):
            assert_shown(row[column], value, f"{label}, step {row[0]}, {heads[column]}")
            seen += value is not None
    assert seen > 20, f"{label}: {rows[:3]}"


def curve_of(data, run, name):
    details = data["details"][data["runs"]["names"].index(run)]
    curve = next(curve for curve in details["curves"] if name in curve["name"])
    steps = [min(curve["first"] + at * curve["stride"], curve["last"]) for at in range(len(curve["mid"]))]
    return dict(zip(steps, zip(curve["low"], curve["mid"], curve["high"], strict=True), strict=True))


def check_comparing_runs(started, report, facts):
    page = open_report(started, report)
    for name in (ONE, OTHER):
        page.get_by_label(f"Compare {name}", exact=True).check()
    page.get_by_role("link", name="Compare", exact=True).last.click()
    key = page.get_by_role("list", name="Compared")
    assert [link.strip() for link in key.get_by_role("link").all_inner_texts()] == [ONE, OTHER]
    data = embedded_data(page)
    for title in ("reward", "angle"):
        for name in (ONE, OTHER):
            assert_numbers(chart(page, title), name, curve_of(data, name, title))
    summary = chart(page, "angle").locator(".plot").get_attribute("aria-label")
    assert ONE in summary and OTHER in summary, "a screen reader is told nothing of the lines"
    assert "episodes still running" in chart(page, "Lengths").inner_text()
    # What is hidden is not drawn, and stays ticked.
    key.get_by_label(f"Draw {OTHER}").uncheck()
    heads, _ = numbers_of(chart(page, "angle"))
    assert not any(OTHER in head for head in heads), heads
    key.get_by_label(f"Draw {OTHER}").check()
    key.get_by_label(f"Untick {OTHER}").click()
    assert key.get_by_role("listitem").count() == 1
    page.watch.assert_quiet()


def check_comparing_groups(started, report, facts):
    page = open_report(started, report)
    page.get_by_label("Group by configuration").check()
    members = [f"arm/gain-0.2-seed-{seed}" for seed in range(1, 6)]
    page.locator("table.runs tr.group").filter(has_text="0.2").locator("input[type=checkbox]").check()
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Compare").click()
    data = embedded_data(page)
    curves = [curve_of(data, name, "angle") for name in members]
    # At each step, the median and the quartiles of the medians of those runs that have it.
    expected = {}
    for step in sorted(set.intersection(*(set(curve) for curve in curves))):
        middles = [curve[step][1] for curve in curves]
        if all(isinstance(middle, float) for middle in middles):
            low, middle, high = statistics.quantiles(middles, n=4, method="inclusive")
            expected[step] = (low, middle, high)
    assert len(expected) > 10
    figure = chart(page, "angle")
    heads, rows = numbers_of(figure)
    at = {name: next(at for at, head in enumerate(heads) if name in head) for name in ("lower quartile", "median", "upper quartile")}
    seen = 0
    for row in rows:
        for (name, column), value in zip(at.items(), expected.get(int(row[0]), ())):
            assert_shown(row[column], value, f"step {row[0]}, {name}")
            seen += 1
    assert seen > 30, rows[:3]
    # The filter leaves a part of the group.
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Runs").click()
    search(page, "seed-1")
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Compare").click()
    assert "1 of 5 runs" in page.get_by_role("list", name="Compared").inner_text()
    page.watch.assert_quiet()


def check_trajectories(started, report, facts):
    """A step is as long in every direction and every panel."""
    page = open_report(started, report, BOTH, script=NOTE_LINES)
    data = embedded_data(page)
    canvases = section(page, "Trajectories").locator("canvas.paths")
    canvases.first.scroll_into_view_if_needed()
    assert canvases.count() == 2
    scales = []
    for name, canvas in zip((ONE, OTHER), canvases.all()):
        canvas.evaluate("canvas => new Promise(resolve => { const look = () => canvas.drawn ? resolve() : requestAnimationFrame(look); look(); })")
        line = data["details"][data["runs"]["names"].index(name)]["paths"]["lines"][0]
        points = [at for at in range(len(line["x"])) if isinstance(line["x"][at], (int, float)) and isinstance(line["y"][at], (int, float))]
        drawn = canvas.evaluate("canvas => canvas.drawn")[:len(points)]
        for at, sign in ((0, 1), (1, -1)):
            values = [line["xy"[at]][point] for point in points]
            slope, _ = statistics.linear_regression(values, [place[at] for place in drawn])
            assert abs(statistics.correlation(values, [place[at] for place in drawn])) > 0.999
            scales.append(sign * slope)
    assert min(scales) > 0 and math.isclose(min(scales), max(scales), rel_tol=0.01), scales
    page.watch.assert_quiet()


def check_differences(started, report, facts):
    page = open_report(started, report, BOTH)
    table = page.locator("table.differences")
    rows = {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in table.locator("tr").all()
            if row.locator("td").count() == 2}
    assert [json.loads(value) for value in rows["gain"]] == [0.1, 0.9], rows
    assert [json.loads(value) for value in rows["damping"]] == [False, True], rows
    assert "solver.name" not in rows and "solver.dt" not in rows, "what is the same is shown"
    by_name = {run["run"]: run for run in facts["runs"]}
    for text, name in zip(rows["Mean reward"], (ONE, OTHER), strict=True):
        assert_shown(text, by_name[name]["figures"]["mean_reward"], name)
    page.get_by_label("Show what is the same, too").check()
    assert "solver.name" in table.inner_text()
    page.watch.assert_quiet()


def check_scatter(started, report, facts):
    page = open_report(started, report, "#view=compare")
    scatter = section(page, "Scatter")
    scatter.get_by_label("Across", exact=True).select_option(label="gain")
    scatter.get_by_label("Up", exact=True).select_option(label="Mean reward")
    arms = {run["run"]: run["figures"]["mean_reward"] for run in facts["runs"] if run["experiment"] == "arm"}
    assert f"{len(arms)} runs" in scatter.locator(".summary").inner_text(), scatter.locator(".summary").inner_text()
    heads, rows = numbers_of(scatter.locator("figure"))
    shown = {row[0].strip(): row[1:] for row in rows}
    assert set(shown) == set(arms), shown
    for name, (gain, reward) in shown.items():
        assert float(gain) == float(name.split("-")[1]), f"{name}: {gain}"
        assert_shown(reward, arms[name], name)
    # A figure against a text, too, and the means of groups with their intervals.
    scatter.get_by_label("Up", exact=True).select_option(label="solver.name") if "solver.name" in scatter.inner_text() else None
    scatter.get_by_label("Up", exact=True).select_option(label="Mean reward")
    scatter.get_by_label("Means of groups").check()
    assert "4 groups" in scatter.locator(".summary").inner_text(), scatter.locator(".summary").inner_text()
    # A point leads to its run, and says which it is.
    scatter.get_by_label("Means of groups").uncheck()
    canvas = scatter.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    found = find_point(page, scatter, box)
    assert found in arms, found
    page.mouse.click(*page.pointer)
    assert page.get_by_role("heading", level=2).first.inner_text() == found
    page.watch.assert_quiet()


def find_point(page, scatter, box):
    """Points at places of the chart until one of them is a run's; leaves the place as `page.pointer`."""
    tip = scatter.locator(".tip")
    for across in range(80, int(box["width"]) - 10, 8):
        for up in range(20, int(box["height"]) - 40, 14):
            page.mouse.move(box["x"] + across, box["y"] + up)
            if tip.is_visible():
                page.pointer = (box["x"] + across, box["y"] + up)
                return next(line for line in tip.inner_text().splitlines() if line.strip())
    raise AssertionError("no point is found with the mouse")


def check_parallel_coordinates(started, report, facts):
    page = open_report(started, report, f"#view=compare&tick={ONE}")
    parallel = section(page, "Parallel coordinates")
    parallel.get_by_role("button", name="Axes").click()
    axes = parallel.get_by_role("group", name="Axes", exact=True)
    axes.get_by_role("button", name="None", exact=True).click()
    assert "two axes" in parallel.inner_text()
    for title in ("gain", "Mean reward", "Success"):
        axes.get_by_label(title, exact=True).check()
    figure = parallel.locator("figure")
    assert "over 3 axes" in figure.locator(".summary").inner_text()
    _, rows = numbers_of(figure)
    ends = {row[0].strip(): row[1:] for row in rows}
    rewards = [reward for run in facts["runs"] if (reward := (run["figures"] or {}).get("mean_reward")) is not None]
    assert_shown(ends["Mean reward"][0], min(rewards), "the least reward")
    assert_shown(ends["Mean reward"][1], max(rewards), "the greatest reward")
    gains = [float(run["run"].split("-")[1]) for run in facts["runs"] if run["experiment"] == "arm"]
    assert [float(text) for text in ends["gain"]] == [min(gains), max(gains), len(gains)], ends
    assert ends["Mean reward"][2] == str(len(rewards)), ends
    lines = figure.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    page.get_by_label(f"Draw {ONE}").uncheck()
    page.wait_for_timeout(200)
    assert figure.locator("canvas").evaluate("canvas => canvas.toDataURL()") != lines, "what is compared is not marked"
    page.watch.assert_quiet()
