"""With plume-nav-sim 0.1.0 from PyPI and Gymnasium, unchanged: its scripts record through ours, each reads the other's."""

from __future__ import annotations

import dataclasses
import json

import plume_nav_sim as pns
import pytest
from conftest import lines, rows, shards
from plume_nav_sim.data_capture import DataCaptureWrapper, loader
from plume_nav_sim.data_capture import RunRecorder as TheirRecorder

import capture_hook


def play(recorder, episodes: int = 3, max_steps: int = 40, size: int = 16) -> None:
    """What plume-nav-sim's own `capture` command does."""
    env = pns.make_env(grid_size=(size, size), action_type="oriented", observation_type="concentration", reward_type="step_penalty", max_steps=max_steps)
    config = {"grid_size": [size, size], "source_location": [size // 2, size // 2], "max_steps": max_steps, "goal_radius": 1e-07}
    wrapped = DataCaptureWrapper(env, recorder, config, meta_overrides={"base_seed": 41, "note": "test"})
    for i in range(episodes):
        wrapped.action_space.seed(i)
        wrapped.reset(seed=41 + i)
        done = False
        while not done:
            action = wrapped.action_space.sample()
            _, _, terminated, truncated, _ = wrapped.step(action.item() if hasattr(action, "item") else action)
            done = terminated or truncated
    recorder.finalize()
    wrapped.close()


def test_an_unchanged_script_records_through_ours(results):
    recorder = capture_hook.RunRecorder(results, experiment="demo")
    play(recorder)
    report = capture_hook.validate_run_artifacts(recorder.root)
    assert report["ok"] and report["episodes"]["rows"] == 3, report
    meta = json.loads((recorder.root / "run.json").read_text())
    assert (meta["run_id"], meta["experiment"], meta["base_seed"]) == (recorder.run_id, "demo", 41)
    assert meta["extra"]["note"] == "test" and meta["system"]["hostname"]
    # Nothing that plume-nav-sim's own RunMeta does not know.
    pns.data_capture.RunMeta(**meta)


@pytest.fixture
def current_loader(monkeypatch):
    """The loader with record classes that have `schema_version`, as those of the current plume-nav-sim.

    That of 0.1.0 asks every row for a schema version, and then has classes that do not take one: it reads no run at all.
    """

    @dataclasses.dataclass(frozen=True)
    class StepRecord(loader.StepRecord):
        schema_version: str = loader.SCHEMA_VERSION

    @dataclasses.dataclass(frozen=True)
    class EpisodeRecord(loader.EpisodeRecord):
        schema_version: str = loader.SCHEMA_VERSION

    monkeypatch.setattr(loader, "StepRecord", StepRecord)
    monkeypatch.setattr(loader, "EpisodeRecord", EpisodeRecord)
    return loader


def test_the_loader_of_0_1_0_reads_no_run_not_even_its_own(results):
    recorder = TheirRecorder(results, experiment="demo")
    play(recorder)
    with pytest.raises(loader.ReplayLoadError, match="schema_version"):
        loader.load_replay_artifacts(recorder.root)


def test_its_loader_reads_what_ours_wrote(results, current_loader):
    recorder = capture_hook.RunRecorder(results, experiment="demo", rotate_size_bytes=700)
    play(recorder, episodes=6, max_steps=1500, size=64)
    assert len(shards(recorder.root, "steps")) > 2
    loaded = current_loader.load_replay_artifacts(recorder.root)
    assert loaded.run_meta.run_id == recorder.run_id
    assert [s.step for s in loaded.steps] == [r["step"] for r in rows(recorder.root, "steps")]
    assert len(loaded.episodes) == 6 and len(current_loader.iter_episode_steps(loaded.steps)) == 6
    assert loaded.steps[0].agent_position.x == rows(recorder.root, "steps")[0]["agent_position"]["x"]


@pytest.mark.parametrize("rotate", [None, 500])
def test_ours_reads_what_its_recorder_wrote(results, rotate):
    recorder = TheirRecorder(results, experiment="demo", rotate_size_bytes=rotate)
    play(recorder, episodes=30, max_steps=150)
    names = [p.name for p in shards(recorder.root, "steps")]
    assert (rotate is None) == (names == ["steps.jsonl.gz"]), names
    assert rotate is None or "steps.jsonl.part1.gz" in names
    report = capture_hook.validate_run_artifacts(recorder.root)
    assert (report["ok"], report["errors"], report["warnings"]) == (True, [], []), report
    steps = rows(recorder.root, "steps")
    assert "schema_version" not in steps[0]
    table = capture_hook.load_steps(recorder.root)
    assert len(table) == len(steps) == report["steps"]["rows"]
    import pyarrow

    columns = pyarrow.table(table)
    assert columns["schema_version"].unique().to_pylist() == ["0.1"]
    for name in ["step", "ts", "action", "reward", "distance_to_goal", "episode_id", "observation_summary", "seed"]:
        assert columns[name].to_pylist() == [row[name] for row in steps], name


def test_both_recorders_write_the_same_rows(results):
    class Both:
        """Gives every record to both recorders."""

        experiment, run_id = "demo", "r"
        made = [TheirRecorder(results / "a", experiment="demo", run_id="r")]
        made += [capture_hook.RunRecorder(results / "b", experiment="demo", run_id="r")]

        def __getattr__(self, name):
            return lambda *arguments: [getattr(recorder, name)(*arguments) for recorder in self.made]

    both = Both()
    play(both)
    theirs, ours = (recorder.root for recorder in both.made)
    for stem in ["steps", "episodes"]:
        with_version = [json.dumps({**row, "schema_version": "0.1"}, sort_keys=True) for row in rows(theirs, stem)]
        assert lines(ours, stem) == with_version
    assert json.loads((ours / "run.json").read_text()) == json.loads((theirs / "run.json").read_text())
