"""Each check finds a page that is wrong: the report's own page, altered in one place, without its policy."""

import tempfile
from pathlib import Path

import comparing
import harness
import states
import table
import views

# The check, a text of the page, and what stands there instead.
ALTERED = [
    (table.check_sorting, "sign * (keys[a] - keys[b])", "(keys[a] - keys[b])"),
    (table.check_text_filter, "mask[run] &= kept", "mask[run] |= kept"),
    (table.check_ranges, "value <= high", "value < high"),
    (table.check_columns, "state.columns?.includes(column.id)", "state.columns?.includes(column.title)"),
    (table.check_many_runs, "append(make(rows.slice(done, done + ROWS_AT_ONCE)))", "append(make(rows.slice(done, done + 1)))"),
    (table.check_grouping, "> 0.05", "> 0.1"),
    (states.check_addresses, 'add("sort"', 'add("order"'),
    (states.check_back_and_forward, '"pushState"', '"replaceState"'),
    (states.check_garbage_addresses, "VIEWS.includes(value) ?", "value ?"),
    (states.check_accessible, '<html lang="en">', "<html>"),
    (states.check_panels_accessible, 'role: "group", "aria-label": label', 'role: "option", "aria-label": label'),
    (states.check_dark_mode, "redrawCharts();", ";"),
    (states.check_print, "@media print", "@media speech"),
    (states.check_keyboard, ":focus-visible {", ":focus-visible { outline: none !important } .none {"),
    (states.check_without_scripts, "Allow JavaScript", "Allow it"),
    (states.check_embedded_data, "base-uri", "child-src"),
    (comparing.check_comparing_runs, "[cell(curve.low[at]), cell(curve.mid[at])", "[cell(curve.low[at]), cell(curve.low[at])"),
    (comparing.check_comparing_groups, "quantileOf(sorted, 0.25)", "quantileOf(sorted, 0.2)"),
    (comparing.check_trajectories, "(y - section.bottom) * scale", "(y - section.bottom) * scale * 0.9"),
    (comparing.check_differences, "known.filter(isDifferent)", "known"),
    (comparing.check_scatter, "Number.isFinite(point.x) && Number.isFinite(point.y)", "true"),
    (comparing.check_parallel_coordinates, "Math.max(a, b)", "Math.min(a, b)"),
    (views.check_one_run, "episodes.reward[at] === null", "episodes.reward[at] !== null"),
    (views.check_run_without_data, "capture-hook pull", "capture-hook push"),
    (views.check_copying, "field.select();", ""),
    (views.check_history, "commit.id.slice(0, 8)", "commit.id.slice(0, 7)"),
]


def check_altered(started, report, facts):
    page = Path(report).read_text()
    harness.PATIENCE = 2_000
    found_nothing = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "report.html"
        for check, text, other in ALTERED:
            assert text in page, f"{check.__name__}: the page has no {text!r}"
            altered = page.replace(text, other)
            if check is not states.check_embedded_data:
                altered = altered.replace('http-equiv="Content-Security-Policy"', 'name="policy"')
            path.write_text(altered)
            try:
                check(started, str(path), facts)
                found_nothing.append(f"{check.__name__} with {other!r}")
            except (AssertionError, LookupError, StopIteration, ValueError, harness.DriverError):
                pass
            for context in started.contexts:
                context.close()
    assert not found_nothing, "\n".join(found_nothing)
