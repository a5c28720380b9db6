"""What the tests share. `tests/it/python.rs` builds the wheel, installs it and runs these, and says where things are."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

import capture_hook

CORPUS = Path(os.environ["CAPTURE_HOOK_CORPUS"])
COMMAND = os.environ["CAPTURE_HOOK_COMMAND"]
CASES = sorted(case.name for case in CORPUS.iterdir() if case.is_dir())


def run_of(case: str) -> Path:
    """The run directory of a corpus case, relative to the case."""
    (run,) = (path for path in (CORPUS / case).glob("*/*") if path.is_dir())
    return run.relative_to(CORPUS / case)


def command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The `capture-hook` command."""
    return subprocess.run([COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)


def shards(run: Path, stem: str) -> list[Path]:
    """A stem's files in the order of their numbers."""
    parts = [p for p in run.iterdir() if p.name.startswith(stem) and p.name.endswith(".gz")]
    number = lambda p: int("".join(c for c in p.name.removeprefix(stem) if c.isdigit()) or 0)
    return sorted(parts, key=number)


def lines(run: Path, stem: str) -> list[str]:
    """A stem's lines."""
    return [line for path in shards(run, stem) for line in gzip.open(path, "rt", encoding="utf-8").read().splitlines()]


def rows(run: Path, stem: str) -> list[dict]:
    """A stem's rows."""
    return [json.loads(line) for line in lines(run, stem)]


def meta(run: Path) -> dict:
    """A run's `run.json`."""
    return json.loads((run / "run.json").read_text())


def schema(run: Path) -> dict:
    """A run's `schema.json`."""
    return json.loads((run / "schema.json").read_text())


def assert_valid(run: Path) -> dict:
    """Fails unless the run is valid; returns its report."""
    report = capture_hook.validate_run_artifacts(run)
    assert report["ok"], report["findings"]
    return report


def tree(path: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def step(n: int = 1, **changes) -> dict:
    """A step as a dict."""
    return {
        "ts": 1795486550.25 + n,
        "episode_id": "ep-000001",
        "step": n,
        "action": 2,
        "reward": -0.01,
        "terminated": False,
        "truncated": False,
        "agent_position": {"x": n, "y": 7},
        "distance_to_goal": 3.5,
        "observation_summary": [0.5],
        "seed": 41,
        **changes,
    }


def episode(steps: int, **changes) -> dict:
    """The summary of an episode of `steps` such steps, the last of which was cut off."""
    return {
        "episode_id": "ep-000001",
        "terminated": False,
        "truncated": True,
        "total_steps": steps,
        "total_reward": -0.01 * steps,
        "final_position": {"x": steps, "y": 7},
        "final_distance_to_goal": 3.5,
        "duration_ms": 12.5,
        "avg_step_time_ms": 1.25,
        **changes,
    }


def record(recorder, steps: int = 10, episodes: int = 1, seed: int = 41) -> None:
    """Records whole episodes and finalizes."""
    recorder.write_run_meta({"env_config": {"grid_size": [8, 8], "sigma": 1e-05}, "start_time": "2026-01-01T00:00:00Z", "system": {"hostname": "h"}})
    for e in range(1, episodes + 1):
        name = f"ep-{e:06d}"
        for n in range(1, steps + 1):
            recorder.append_step(step(n, episode_id=name, seed=seed + e, truncated=n == steps, ts=1795486550.0 + e * 1000 + n))
        recorder.append_episode(episode(steps, episode_id=name))
    recorder.finalize()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """An empty results directory."""
    path = tmp_path / "results"
    path.mkdir()
    return path
