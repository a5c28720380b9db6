"""The views of one run and of history, compared with what `capture-hook show` and `log` print."""

from harness import embedded_data, open_report
from table import assert_shown

RUN = "arm/gain-0.2-seed-1"


def pairs(section):
    """The titles and texts of a list of facts; a title may stand several times."""
    titles = [text.strip() for text in section.locator("dt").all_inner_texts()]
    return list(zip(titles, [text.strip() for text in section.locator("dd").all_inner_texts()], strict=True))


def check_one_run(started, report, facts):
    page = open_report(started, report, f"#run={RUN}")
    shown = facts["shown"]
    main = page.locator("main")
    figures = dict(pairs(main.locator("dl.figures")))
    assert_shown(figures["Mean reward"], shown["figures"]["mean_reward"], "mean reward")
    assert_shown(figures["Success"], shown["figures"]["success_rate"], "success")
    assert figures["Steps"] == str(shown["figures"]["steps"]), figures
    effort = next(value for title, value in figures.items() if "effort" in title and "mean" in title.lower())
    assert effort.endswith("N m"), effort
    assert_shown(effort.removesuffix("N m"), shown["figures"]["declared"][0]["value"], "mean effort")
    known = pairs(page.get_by_role("region", name="Provenance"))
    history = shown["history"]
    for text in (history["commit"], history["subject"], history["data_version"], shown["config_hash"], shown["start_time"], *history["tags"]):
        assert any(text in value for _, value in known), f"{text} is not in {known}"
    assert "1.4.2" in str(known) and history["author"] in str(known)
    configuration = page.get_by_role("region", name="Configuration", exact=True)
    rows = {row.locator("th").inner_text(): row.locator("td").inner_text() for row in configuration.locator("tbody tr").all()}
    expected = {"gain": "0.2", "solver.name": "rk4", "solver.dt": "0.01", "limits": "[1, 2, 3]", "damping": "false"}
    assert rows == expected, rows
    assert "Valid" in page.get_by_role("region", name="Validation").inner_text()
    # A chart for each line, one for the rewards, one of the path; each says what it shows.
    plots = page.get_by_role("region", name="Plots")
    for title in ("reward", "angle"):
        assert plots.get_by_text(title, exact=False).first.is_visible()
    assert plots.locator("canvas").count() >= 2
    episodes = page.locator("table.episodes tbody tr")
    assert episodes.count() == shown["figures"]["episodes"]
    page.get_by_role("columnheader", name="Reward").get_by_role("button").click()
    rewards = [float(text) for text in page.locator("table.episodes tbody tr td:nth-child(3)").all_inner_texts()]
    assert rewards == sorted(rewards) and abs(max(rewards) - shown["figures"]["max_reward"]) < 0.01, rewards
    # What is ticked here is ticked in the table.
    page.get_by_role("button", name="Tick to compare").click()
    page.get_by_role("link", name="All runs").click()
    assert page.get_by_label(f"Compare {RUN}").is_checked()
    page.watch.assert_quiet()


def check_run_without_data(started, report, facts):
    page = open_report(started, report)
    row = page.locator("table.runs tbody tr").filter(has_text=facts["missing"])
    assert "data not here" in row.inner_text()
    row.get_by_role("link").click()
    text = page.locator("main").inner_text()
    assert f"capture-hook pull {facts['missing']}" in text, text
    assert page.locator("main canvas").count() == 0
    page.watch.assert_quiet()


def check_copying(started, report, facts):
    """A command is copied as it stands; without a clipboard it is selected, for a person to copy."""
    page = open_report(started, report, f"#run={RUN}", permissions=["clipboard-read", "clipboard-write"])
    command = page.locator("main .command").filter(has_text="capture-hook get")
    command.get_by_role("button").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == command.locator("code").inner_text() and RUN in copied, copied
    assert "Copied" in page.get_by_role("status").inner_text()
    page.watch.assert_quiet()
    page = open_report(started, report, f"#run={RUN}")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }")
    command = page.locator("main .command").filter(has_text="capture-hook get")
    command.get_by_role("button").click()
    field = command.get_by_role("textbox")
    assert field.input_value() == copied
    assert field.evaluate("field => field.selectionEnd - field.selectionStart") == len(copied)
    page.watch.assert_quiet()


def check_history(started, report, facts):
    page = open_report(started, report, "#view=history")
    items = page.locator("ol.versions > li")
    assert items.count() == len(facts["versions"]), f"{items.count()} data versions, not {len(facts['versions'])}"
    known = set(embedded_data(page)["runs"]["names"])
    for item, version in zip(items.all(), facts["versions"]):
        for details in item.locator("details").all():
            details.locator("summary").click()
            # The names are made when they are first asked for.
            details.get_by_role("listitem").first.wait_for()
        text = item.inner_text()
        for part in (version["subject"], version["commit"][:8], version["data_version"]):
            assert part in text, f"{part} is not in {text}"
        runs = {run["run"] for run in version["runs"]}
        assert {link.strip() for link in item.get_by_role("link").all_inner_texts()} == runs & known, text
        assert str(len(runs)) in text or not runs
        assert ("merge" in [badge.strip() for badge in item.locator(".badge").all_inner_texts()]) == version["subject"].startswith("Merge")
    # A link leads to the run.
    link = items.last.get_by_role("link").first
    name = link.inner_text()
    link.click()
    assert page.get_by_role("heading", level=2).first.inner_text() == name
    page.watch.assert_quiet()
