"""Dataset: the runs of any revision, as tables, without a checkout."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
from conftest import rows
from projects import (
    SIMULATORS,
    copy_project,
    git,
    hook,
    new_project,
    publish,
    record_declared,
    record_run,
    remove_run,
    state,
)

import capture_hook
from capture_hook import Dataset

STEPS = [{"x": 0.5, "reward": 1.0}, {"x": 1.5, "reward": -0.5}]
COLUMNS = {"reward": {"dtype": "float64"}, "x": {"dtype": "float32", "unit": "m", "description": "where it is"}}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Runs of several experiments, in four commits: `spring/s1` comes, a column is added, `nav/r1` changes, `nav/r2` is removed."""
    repo = new_project(tmp_path_factory.mktemp("project"))
    record_run(repo, "nav/r1", config={"sigma": 12, "grid": [8, 8], "wind": {"on": True}})
    record_run(repo, "nav/r2", seed=50, config={"sigma": 12.5, "name": "a", "wind": {"on": False}})
    record_declared(repo, "spring/s1", COLUMNS, STEPS)
    for simulator in ["hopper", "cartpole"]:
        shutil.copytree(SIMULATORS / simulator, repo / "results" / simulator)
    publish(repo, message="The first runs")
    git(repo, "tag", "first")
    wider = {**COLUMNS, "wind": {"dtype": "float64"}}
    record_declared(repo, "spring/s2", wider, [{**row, "wind": 3.5} for row in STEPS])
    publish(repo, message="A column more")
    git(repo, "tag", "wider")
    # The same run, recorded anew.
    shutil.rmtree(repo / "results/nav/r1")
    record_run(repo, "nav/r1", episodes=5, seed=90, config={"sigma": 13})
    hook(repo, "publish", "--no-push", "-m", "nav/r1 anew", "nav/r1")
    git(repo, "tag", "anew")
    remove_run(repo, "nav/r2")
    hook(repo, "push")
    return repo


def table(source):
    import pyarrow

    return pyarrow.table(source)


def by_run(dataset: Dataset) -> dict[str, dict]:
    return {row["run"]: row for row in table(dataset.runs()).to_pylist()}


def test_a_revision_is_what_it_was(project):
    before = state(project)
    now, first = Dataset(project), Dataset(project, rev="first")
    assert list(now) == ["cartpole/r1", "cartpole/r2", "hopper/r1", "nav/r1", "spring/s1", "spring/s2"]
    assert list(first) == ["cartpole/r1", "cartpole/r2", "hopper/r1", "nav/r1", "nav/r2", "spring/s1"]
    assert len(now) == 6 and bool(now)
    assert "nav/r2" in first and "nav/r2" not in now and "nav" not in first and 3 not in first
    assert first.commit == git(project, "rev-parse", "first") and first.rev == "first" and now.rev is None
    assert first.data_version in git(project, "show", "first:dvc.lock")
    # One run in two versions.
    assert table(first.steps("nav/r1")).num_rows == 60 and table(now.steps("nav/r1")).num_rows == 100
    assert (first["nav/r1"].config["sigma"], now["nav/r1"].config["sigma"]) == (12, 13)
    # From below the top, too.
    assert Dataset(project / "data").data_version == now.data_version
    assert state(project) == before


def test_rows_are_those_that_were_recorded(project):
    steps = table(Dataset(project, "first").steps("nav/r2")).to_pylist()
    recorded = rows(project / "results/nav/r2", "steps")
    assert [(row["step"], row["reward"], row["seed"], row["episode_id"]) for row in steps] == [
        (row["step"], row["reward"], row["seed"], row["episode_id"]) for row in recorded
    ]
    assert {(row["experiment"], row["run_id"]) for row in steps} == {("nav", "r2")}
    episodes = table(Dataset(project).episodes("cartpole/r1")).to_pylist()
    assert [row["episode_id"] for row in episodes] == [row["episode_id"] for row in rows(SIMULATORS / "cartpole/r1", "episodes")]


def test_runs_is_a_row_a_run(project):
    runs = by_run(Dataset(project, "first"))
    assert list(runs) == list(Dataset(project, "first"))
    one = runs["nav/r1"]
    assert (one["experiment"], one["run_id"], one["steps"], one["episodes"]) == ("nav", "r1", 60, 3)
    assert one["started"] == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert one["reward"] == pytest.approx(-0.2) and one["max_reward"] == pytest.approx(-0.2)
    assert (one["success"], one["mean_steps"], one["valid"]) == (0.0, 20.0, True)
    assert (one["seeds"], one["seed_min"], one["seed_max"]) == (3, 42, 44)
    assert one["commit"] == git(project, "rev-parse", "first") and one["author"] == "Ada"
    assert one["committed_at"].timestamp() == int(git(project, "log", "-1", "--format=%ct", "first"))
    assert one["tags"] == ["capture/nav/r1"] and one["data_version"] == Dataset(project, "first").data_version
    assert one["config_hash"] == json.loads((project / "data/captures/spring/s1/DATASET_INDEX.json").read_text())["config_hash"] or len(one["config_hash"]) == 64
    # Types that fit all runs; what a run lacks is null.
    types = {field.name: str(field.type) for field in table(Dataset(project, "first").runs()).schema}
    assert types["env_config.sigma"] == "double" and types["env_config.wind.on"] == "bool"
    assert (types["env_config.grid"], one["env_config.grid"]) == ("string", "[8,8]")
    assert (one["env_config.name"], runs["nav/r2"]["env_config.name"]) == (None, "a")
    assert types["tags"].startswith("list") and types["started"] == "timestamp[us, tz=UTC]"


def test_each_version_of_a_run_names_its_own_commit_and_tags(project):
    now, anew = by_run(Dataset(project)), git(project, "rev-parse", "anew")
    assert now["nav/r1"]["commit"] == anew and now["nav/r1"]["tags"] == ["capture/nav/r1@v2"]
    assert now["spring/s1"]["commit"] == git(project, "rev-parse", "first")
    assert by_run(Dataset(project, "first"))["nav/r1"]["tags"] == ["capture/nav/r1"]
    # Without messages, history says it.
    bare = copy_project(project, project.parent.parent / "squashed")
    for tag in git(bare, "tag").split():
        git(bare, "tag", "-d", tag)
    git(bare, "checkout", "-q", "--orphan", "one")
    git(bare, "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "All at once")
    runs = by_run(Dataset(bare))
    assert {row["commit"] for row in runs.values()} == {git(bare, "rev-parse", "HEAD")}
    assert all(row["tags"] == [] for row in runs.values())


def test_a_commit_of_many_runs_names_itself_for_each(tmp_path):
    """Such a commit's message names no run, and one tag stands for all."""
    repo = new_project(tmp_path)
    with (repo / "capture-hook.toml").open("a") as settings:
        settings.write("[tag]\nmax_runs = 5\n")
    git(repo, "commit", "-qam", "One tag for many")
    for n in range(22):
        record_run(repo, f"many/r{n:02}", episodes=1, steps=2, seed=n)
    publish(repo)
    record_run(repo, "one/r1", episodes=1, steps=2)
    publish(repo)
    assert "Capture-Runs: 22" in git(repo, "log", "-1", "--format=%B", "HEAD~1")
    runs = by_run(Dataset(repo))
    (tag,) = git(repo, "tag", "--points-at", "HEAD~1").split()
    many = [row for name, row in runs.items() if name.startswith("many/")]
    assert {row["commit"] for row in many} == {git(repo, "rev-parse", "HEAD~1")} and {tuple(row["tags"]) for row in many} == {(tag,)}
    assert runs["one/r1"]["commit"] == git(repo, "rev-parse", "HEAD") and runs["one/r1"]["tags"] == ["capture/one/r1"]
    assert [row["tags"] for row in table(Dataset(repo).versions()).to_pylist()] == [["capture/one/r1"], [tag]]


def test_what_is_remembered_is_not_needed(project):
    first = table(Dataset(project).runs())
    memory = project / ".git/capture-hook"
    assert (memory / "known-runs").exists()
    again = table(Dataset(project).runs())
    for name in ["known-runs", "verified-files"]:
        (memory / name).unlink(missing_ok=True)
    assert first.equals(again) and first.equals(table(Dataset(project).runs()))
    (memory / "known-runs").write_bytes(b"capture-hook known runs 1\n\xff\x00nonsense")
    (memory / "verified-files").write_bytes(b"nonsense")
    assert first.equals(table(Dataset(project).runs()))
    table(Dataset(project).steps("nav"))


def test_runs_are_named_in_many_forms(project):
    import numpy
    import pandas
    import polars
    import pyarrow

    dataset = Dataset(project, "first")
    both = ["nav/r1", "nav/r2"]
    assert dataset.steps("nav").run_names == both == dataset.steps(both).run_names == dataset.steps(iter(both)).run_names
    assert dataset.steps(["nav/r2", "nav"]).run_names == ["nav/r2", "nav/r1"]
    assert dataset.steps(dataset["s1"]).run_names == ["spring/s1"] == dataset.steps([dataset["spring/s1"]]).run_names
    for names in [pyarrow.array(both), pyarrow.chunked_array([both]), polars.Series(both), pandas.Series(both), numpy.array(both)]:
        assert dataset.steps(names).run_names == both
    chosen = polars.DataFrame(dataset.runs()).filter(polars.col("env_config.sigma") > 12)["run"]
    assert dataset.steps(chosen).run_names == ["nav/r2"]
    assert table(dataset.steps([])).num_rows == 0
    for wrong in [3, [3], ["nav/r1", None]]:
        with pytest.raises(TypeError):
            dataset.steps(wrong)


def test_an_unknown_run_is_a_key_error_with_what_is_near(project):
    dataset = Dataset(project, "first")
    for name in ["nav/r3", "nav/r", "naw", "spring/s1/x", "", "/", "../nav/r1", "hopper/\x1b[31m"]:
        for call in [dataset.steps, dataset.episodes, dataset.path, dataset.__getitem__]:
            with pytest.raises(KeyError) as caught:
                call(name)
            assert isinstance(caught.value, capture_hook.UnknownRunError) and caught.value.code == "no_such_run"
            assert "\x1b" not in str(caught.value)
    with pytest.raises(capture_hook.RunNotFoundError) as caught:
        dataset["nav/r3"]
    assert caught.value.hints[0] == "did you mean `nav/r1` or `nav/r2`?"
    assert str(caught.value) == "there is no run `nav/r3` in the dataset of `first`"
    # Two runs have this id.
    with pytest.raises(capture_hook.RunUsageError) as caught:
        dataset["r1"]
    assert caught.value.code == "ambiguous_run" and "cartpole/r1, hopper/r1, nav/r1" in str(caught.value)
    with pytest.raises(capture_hook.RunUsageError):
        dataset["cartpole"]


def test_columns_are_chosen_and_united(project):
    dataset = Dataset(project)
    chosen = table(dataset.steps("spring", columns=["wind", "run_id", "x"]))
    assert chosen.column_names == ["wind", "run_id", "x"]
    assert chosen.to_pydict() == {"wind": [None, None, 3.5, 3.5], "run_id": ["s1", "s1", "s2", "s2"], "x": [0.5, 1.5, 0.5, 1.5]}
    assert table(dataset.steps("spring")).num_rows == 4
    # `action` is an int here and a list there.
    with pytest.raises(capture_hook.RunUsageError) as caught:
        table(dataset.steps(["cartpole", "hopper"]))
    assert caught.value.code == "columns_disagree"
    assert "action is int64 in cartpole/r1 and a list of float32 in hopper/r1" in str(caught.value)
    several = table(dataset.steps(columns=["experiment", "reward"]))
    assert set(several["experiment"].to_pylist()) == {"cartpole", "hopper", "nav", "spring"}
    with pytest.raises(capture_hook.RunUsageError) as caught:
        table(dataset.steps("spring", columns=["wnd"]))
    assert caught.value.code == "no_such_column" and "`wind`" in caught.value.hints[0]
    with pytest.raises(TypeError):
        dataset.steps(columns="x")
    assert set(table(dataset.episodes()).column_names) >= {"run_id", "total_steps", "experiment"}


def test_a_schema_says_what_the_columns_are(project):
    schema = Dataset(project).schema("spring")
    described = {column["name"]: column for column in schema["steps"]}
    assert described["x"] == {
        "name": "x", "dtype": "float32", "shape": None, "unit": "m", "description": "where it is", "nullable": False, "metrics": [], "runs": 2,
    }
    assert (described["wind"]["runs"], described["x"]["runs"]) == (1, 2)
    observation = {column["name"]: column for column in Dataset(project).schema("hopper")["steps"]}["observation"]
    assert observation["shape"] == [11] and observation["dtype"] in {"float32", "float64"}
    assert [column["name"] for column in Dataset(project).schema("nav")["episodes"]][:1] == ["total_reward"]
    with pytest.raises(KeyError):
        Dataset(project).schema("nav/r1")


def test_versions_are_the_history_of_the_data(project):
    versions = table(Dataset(project).versions()).to_pylist()
    assert [row["subject"] for row in versions] == ["Remove nav/r2", "nav/r1 anew", "A column more", "The first runs"]
    assert [row["introduced"] for row in versions[:3]] == [[], ["nav/r1"], ["spring/s2"]]
    assert versions[0]["removed"] == ["nav/r2"] and all(row["complete"] for row in versions)
    assert versions[1]["tags"] == ["capture/nav/r1@v2"] and "capture/spring/s1" in versions[3]["tags"]
    assert versions[3]["data_version"] == Dataset(project, "first").data_version
    assert len(table(Dataset(project, "first").versions())) == 1


def test_a_run_knows_its_facts(project):
    run = Dataset(project)["spring/s2"]
    assert (run.name, str(run), run.experiment, run.run_id) == ("spring/s2", "spring/s2", "spring", "s2")
    assert run.metrics["steps"] == 2 and run.metrics["episodes"] == 1 and run.metrics["reward"] == 0.5
    assert run.validation == {"ok": True, "errors": [], "warnings": [], "ignored": []}
    assert run.provenance["commit"] == git(project, "rev-parse", "wider") and run.provenance["schema_version"] == "2"
    assert set(run.provenance["files"]) >= {"run.json", "schema.json", "steps.parquet"}
    assert table(run.steps()).num_rows == 2 and table(run.episodes(["total_steps"])).to_pydict() == {"total_steps": [2]}
    assert run == Dataset(project)["spring/s2"] and run != Dataset(project)["spring/s1"] and len({run, Dataset(project)["spring/s2"]}) == 1
    # What is given out is the caller's own.
    nav = Dataset(project)["nav/r1"]
    nav.config["sigma"] = 0
    assert nav.config == {"sigma": 13}
    assert "spring/s2" in repr(run) and "6 runs" in repr(Dataset(project))


def test_a_path_holds_exactly_the_files_of_the_version(project):
    before = state(project)
    assert Dataset(project).path("nav/r1") == project / "data/captures/nav/r1" == Dataset(project)["nav/r1"].path
    old = Dataset(project, "first").path("nav/r1")
    assert old.is_relative_to(project / ".git/capture-hook/runs") and old.parts[-2:] == ("nav", "r1")
    files = Dataset(project, "first")["nav/r1"].provenance["files"]
    assert {path.name for path in old.iterdir()} == set(files)
    assert len(capture_hook.load_steps(old)) == 60
    assert all(path.stat().st_mode & 0o222 == 0 for path in old.iterdir())
    # Not linked to the cache, which a write would change.
    assert all(path.stat().st_nlink == 1 and not path.is_symlink() for path in old.iterdir())
    # One that is not whole any more is made again.
    (old / "run.json").chmod(0o644)
    (old / "run.json").write_text("{}")
    assert Dataset(project, "first").path("nav/r1") == old and json.loads((old / "run.json").read_text())["run_id"] == "r1"
    (old / "run.json").unlink()
    (old / "more").write_text("")
    assert {path.name for path in Dataset(project, "first").path("nav/r1").iterdir()} == set(files)
    assert state(project) == before


def test_local_changes_are_never_given_out(project, tmp_path):
    repo = copy_project(project, tmp_path / "copy")
    own = repo / "data/captures/nav/r1/run.json"
    own.chmod(0o644)
    own.write_text(own.read_text().replace("13", "14"))
    assert Dataset(repo)["nav/r1"].config == {"sigma": 13}
    path = Dataset(repo).path("nav/r1")
    assert path != own.parent and "13" in (path / "run.json").read_text()
    # A file that was added makes it another folder, too.
    (repo / "data/captures/spring/s1/notes.txt").write_text("mine")
    assert ".git" in Dataset(repo).path("spring/s1").parts


def test_a_copy_goes_where_it_is_asked_for(project, tmp_path):
    into = tmp_path / "some" / "run"
    assert Dataset(project, "first").path("nav/r1", into=into) == into
    assert len(capture_hook.load_steps(into, check=False)) == 60 and (into / "run.json").stat().st_mode & 0o200
    with pytest.raises(capture_hook.RunUsageError) as caught:
        Dataset(project).path("nav/r1", into=into)
    assert caught.value.code == "destination_taken" and len(list(into.iterdir())) > 0


def test_what_is_no_dataset_is_said(project, tmp_path):
    with pytest.raises(capture_hook.CaptureHookError) as caught:
        Dataset(tmp_path)
    assert caught.value.code == "no_git_repository"
    with pytest.raises(capture_hook.CaptureHookError) as caught:
        Dataset(project, "no-such-branch")
    assert caught.value.code == "no_such_revision"
    with pytest.raises(capture_hook.CaptureHookError) as caught:
        Dataset(project, "first~1")
    assert caught.value.code == "no_data_version"
    with pytest.raises(capture_hook.CaptureHookError):
        Dataset(project, "--help")


def test_a_revision_stays_what_it_was(project, tmp_path):
    repo = copy_project(project, tmp_path / "copy")
    dataset = Dataset(repo)
    record_run(repo, "late/r1")
    publish(repo)
    assert "late/r1" not in dataset and "late/r1" in Dataset(repo)
    assert table(dataset.steps("nav")).num_rows == 100
    git(repo, "checkout", "-q", "first")
    before = state(repo)
    assert table(dataset.steps("nav")).num_rows == 100
    assert state(repo) == before
