"""`RunRecorder(schema=…)`: runs with declared columns."""

from __future__ import annotations

import copy
import dataclasses
import json
import math

import numpy as np
import pytest
from conftest import assert_valid, lines, meta, rows, tree

import capture_hook
from capture_hook import RunRecorder

SCHEMA = {
    "format": 1,
    "name": "spring",
    "steps": {
        "x": {"dtype": "float64", "unit": "m", "path": "state.x"},
        "v": {"dtype": "float32", "path": "state.v", "min": -9, "max": 9.5},
        "phase": {"dtype": "string", "enum": ["in", "out"]},
        "grid": {"dtype": "uint8", "shape": [2, 2], "nullable": True},
        "agent_position": {"dtype": "int64", "shape": [2], "nullable": True},
        "note": {"dtype": "json", "nullable": True},
    },
    "episodes": {"peak": {"dtype": "float32", "equals": "max(v)", "metrics": ["max"]}},
    "plot": {"lines": ["x"]},
}


def step(n: int = 1, **changes) -> dict:
    return {
        "episode_id": "e0",
        "step": n,
        "terminated": False,
        "truncated": False,
        "state": {"x": 0.5 * n, "v": np.float32(0.1)},
        "phase": "in",
        **changes,
    }


def episode(steps: int, **changes) -> dict:
    return {"episode_id": "e0", "terminated": True, "truncated": False, "total_steps": steps, "peak": np.float32(0.1), **changes}


def recorder(results, run_id: str = "r", schema=SCHEMA, **options) -> RunRecorder:
    return RunRecorder(results, experiment="e", run_id=run_id, schema=schema, **options)


def test_a_declared_run_is_written_and_valid(results):
    with recorder(results) as made:
        for n in range(1, 4):
            made.append_step(step(n, terminated=n == 3, grid=np.array([[1, 2], [3, 255]], np.uint8), agent_position=(3, 4)))
        made.append_episode(episode(3))
    assert (made.root / "schema.json").read_text() == json.dumps(SCHEMA, indent=2) + "\n"
    # Nothing is added to a row: the run's own id and version hold.
    assert lines(made.root, "steps")[0] == json.dumps(
        {
            "agent_position": [3, 4],
            "episode_id": "e0",
            "grid": [[1, 2], [3, 255]],
            "phase": "in",
            "state": {"v": 0.1, "x": 0.5},
            "step": 1,
            "terminated": False,
            "truncated": False,
        }
    )
    written = meta(made.root)
    assert (written["schema_version"], written["run_id"], written["experiment"], written["env_config"]) == ("2", "r", "e", {})
    assert written["system"]["pid"] and assert_valid(made.root)["warnings"] == []


def test_metadata_can_be_completed(results):
    made = recorder(results)
    first = meta(made.root)
    made.write_run_meta({"env_config": {"agent_position": [1, 2]}, "base_seed": 3})
    assert meta(made.root)["env_config"] == {"agent_position": [1, 2]} and meta(made.root)["schema_version"] == "2"
    assert first["start_time"] <= meta(made.root)["start_time"]
    for version in ["0.1", "1.0.0", "3"]:
        with pytest.raises(capture_hook.RunUsageError) as refused:
            made.write_run_meta({"schema_version": version})
        assert refused.value.code == "unsupported_schema_version"
    with pytest.raises(capture_hook.RunUsageError):
        RunRecorder(results, run_id="plume").write_run_meta({"env_config": {}, "schema_version": "2"})


def test_a_row_that_breaks_the_schema_is_refused_with_its_code(results):
    made = recorder(results)
    made.append_step(step(1))
    cases = {
        "missing_field": [{"phase": None}, {"state": {"x": 1.0}}, {"step": None}],
        "wrong_type": [{"state": {"x": "1", "v": 0}}, {"terminated": 1}, {"state": [1, 2]}],
        "out_of_range": [{"state": {"x": 1.0, "v": 9.6}}, {"grid": [[1, 2], [3, 256]]}, {"phase": "sideways"}, {"step": 0}],
        "non_finite": [{"state": {"x": math.nan, "v": 0}}],
        "wrong_shape": [{"grid": [1, 2]}, {"grid": [[1], [2]]}, {"agent_position": [1, 2, 3]}],
        "run_id_mismatch": [{"run_id": "other"}],
    }
    for code, changes in cases.items():
        for change in changes:
            row = {key: value for key, value in step(2, **change).items() if value is not None or key in ("grid", "note")}
            with pytest.raises(capture_hook.RunUsageError) as refused:
                made.append_step(row)
            assert refused.value.code == code, (change, str(refused.value))
    made.append_step(step(2, terminated=True, run_id="r", schema_version="2"))
    with pytest.raises(capture_hook.RunUsageError):
        made.append_episode(episode(2, total_steps=None))
    made.append_episode(episode(2))
    made.finalize()
    assert len(rows(made.root, "steps")) == 2
    assert_valid(made.root)


def test_what_is_not_declared_is_kept_with_a_warning(results):
    with recorder(results) as made:
        made.append_step(step(1, terminated=True, more={"a": np.float32(0.1)}))
        made.append_episode(episode(1, more=1))
    assert rows(made.root, "steps")[0]["more"] == {"a": 0.1}
    assert assert_valid(made.root)["warnings"] == ["unknown_field"]


def test_dataclasses_are_rows(results):
    @dataclasses.dataclass
    class State:
        x: float
        v: np.float32

    @dataclasses.dataclass
    class Row:
        episode_id: str
        step: int
        state: State
        phase: str = "out"
        terminated: bool = False
        truncated: bool = True

    with recorder(results) as made:
        made.append_step(Row("e0", 1, State(1.5, np.float32(0.3))))
        made.append_episode(episode(1, terminated=False, truncated=True, peak=0.3))
    assert rows(made.root, "steps")[0]["state"] == {"v": 0.3, "x": 1.5}
    assert_valid(made.root)


def test_a_run_without_summaries_is_valid(results):
    with recorder(results) as made:
        made.append_step(step(1, terminated=True))
        made.flush()
        # As a kill would leave it.
        assert_valid(made.root)
    assert not (made.root / "episodes.jsonl.gz").exists()
    assert_valid(made.root)


def test_a_run_goes_on_with_the_same_schema(results):
    first = recorder(results)
    first.append_step(step(1, truncated=True))
    first.append_episode(episode(1, terminated=False, truncated=True))
    first.finalize()
    (first.root / "manifest.json").unlink()
    before = tree(first.root)
    other = copy.deepcopy(SCHEMA)
    other["steps"]["v"]["dtype"] = "float64"
    for schema in [other, None]:
        with pytest.raises(capture_hook.RunUsageError) as refused:
            recorder(results, schema=schema)
        assert refused.value.code == "schema_differs" and "run id" in refused.value.hints[0]
    assert tree(first.root) == before
    again = recorder(results)
    assert meta(again.root) == json.loads(before["run.json"])
    again.append_step(step(1, episode_id="e1", terminated=True))
    again.append_episode(episode(1, episode_id="e1"))
    again.finalize()
    assert [row["episode_id"] for row in rows(first.root, "steps")] == ["e0", "e1"]
    assert_valid(first.root)
    # A run without a schema gets none.
    plume = RunRecorder(results, experiment="e", run_id="plume")
    plume.write_run_meta({"env_config": {}})
    with pytest.raises(capture_hook.RunUsageError) as refused:
        recorder(results, run_id="plume")
    assert refused.value.code == "schema_differs" and not (plume.root / "schema.json").exists()


def test_a_schema_that_is_none_leaves_nothing(results):
    wrong = [
        ({"steps": {}}, "format"),
        ({"format": 1}, "steps"),
        ({"format": 1, "steps": {"x": {"dtype": "float"}}}, "float"),
        ({"format": 1, "steps": {"x": {"dtyp": "float64"}}}, "did you mean `dtype`"),
        ({"format": 1, "steps": {"x y": {"dtype": "float64"}}}, "letters"),
        ({"format": 1, "steps": {"x": {"dtype": "float64", "description": "x" * 70000}}}, "64 KiB"),
    ]
    for schema, why in wrong:
        with pytest.raises(capture_hook.RunUsageError, match=why) as refused:
            recorder(results, schema=schema)
        assert refused.value.code == "invalid_schema"
    for schema in ["x", [1], 3, {"format": object()}]:
        with pytest.raises(TypeError):
            recorder(results, schema=schema)
    assert list(results.iterdir()) == []


def test_equal_schemas_are_the_same_bytes(results):
    a, b = recorder(results, "a"), recorder(results, "b", schema=copy.deepcopy(SCHEMA))
    assert (a.root / "schema.json").read_bytes() == (b.root / "schema.json").read_bytes()
