"""The code of docs/notebooks.md, as it stands, block by block."""

from __future__ import annotations

import re
import shutil

from conftest import CORPUS, run_of
from projects import SIMULATORS, new_project, publish

PAGE = CORPUS.parent.parent / "docs" / "notebooks.md"


def test_the_page_runs(tmp_path, monkeypatch):
    repo = new_project(tmp_path)
    shutil.copytree(SIMULATORS / "cartpole", repo / "results/cartpole")
    publish(repo)
    run = run_of("ok-head01")
    shutil.copytree(CORPUS / "ok-head01" / run, repo / "results" / run)
    publish(repo)
    monkeypatch.chdir(repo)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert len(blocks) >= 6
    scope: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    assert scope["best"]["run"].to_list() == ["nav/run-20261124-021550"] and len(scope["rewards"]) == 1
    assert [row[:2] for row in scope["by_experiment"]] == [("cartpole", 2), ("nav", 1)]
    assert scope["fastest"].height == 2 and scope["longest"] >= 1 and set(scope["old"]) == {"cartpole/r1", "cartpole/r2"}
    assert scope["folder"] == repo / "data/captures/nav/run-20261124-021550"
