"""The recorder: what it takes, what it writes, and what is left when things go wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import gzip
import json
import math
import os
import random
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import episode, lines, rows, step

import capture_hook
from capture_hook import RunRecorder


@contextlib.contextmanager
def sys_recursion(limit: int):
    """Python's own limit on nested lists, raised for a while."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@dataclasses.dataclass(frozen=True)
class Cell:
    x: int
    y: int


@dataclasses.dataclass
class Row:
    ts: float
    episode_id: str
    step: int
    action: object
    reward: float
    agent_position: object
    note: object = None
    observation_summary: object = None
    terminated: bool = False
    truncated: bool = False
    distance_to_goal: float = 3.5


def written(results: Path, record: object, stem: str = "steps", run_id: str | None = None) -> str:
    """The line that a record becomes."""
    recorder = RunRecorder(results, experiment=f"e{random.getrandbits(48)}", run_id=run_id or "r1")
    (recorder.append_step if stem == "steps" else recorder.append_episode)(record)
    recorder.flush()
    (line,) = lines(recorder.root, stem)
    return line


def test_a_dataclass_is_written_as_json_dumps_writes_it(results):
    rng = random.Random(7)
    recorder = RunRecorder(results, run_id="r")
    texts = ["ep-000001", "ä\n\"\\\x7f", "𝄞", "", "\x00\x1f"]
    floats = [0.0, -0.0, 1e-5, 1e16, 1e22, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 0.1, 123456.789]
    expected = []
    for n in range(3000):
        real = rng.choice([rng.choice(floats), rng.uniform(-1e3, 1e3), rng.random() * 10.0 ** rng.randint(-30, 30)])
        row = Row(
            ts=1795486550.0 + rng.random(),
            episode_id=rng.choice(texts),
            step=n + 1,
            action=rng.choice([3, -(2**63), 2**63 - 1]),
            reward=real if math.isfinite(real) else 0.0,
            note=rng.choice([None, True, "\ud800x", n, -n, 2**63, -(2**70), real, {"b": 1, "a": [real]}, {3: 4}, (1, 2.5), []]),
            agent_position=rng.choice([Cell(n, 2), {"y": 1, "x": n}]),
            observation_summary=rng.choice([None, [real, 1.0], (real,)]),
        )
        recorder.append_step(row)
        whole = {**dataclasses.asdict(row), "run_id": "r", "schema_version": "0.1"}
        expected.append(json.dumps(whole, sort_keys=True))
    recorder.flush()
    assert lines(recorder.root, "steps") == expected


def test_numpy_enums_pairs_and_points_are_understood(results):
    class Action(enum.IntEnum):
        UP = 3

    class Mode(enum.Enum):
        FAST = "fast"

    class Point:
        def __init__(self):
            self.x, self.y = 4, np.int64(5)

    values = [
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int16(7), 7),
        (np.bool_(True), True),
        (np.array([1.5, math.nan]), None),
        (Action.UP, 3),
        (Mode.FAST, "fast"),
        (np.array(3), 3),
    ]
    for value, plain in values:
        got = json.loads(written(results, step(note=value)))["note"]
        assert got == plain or (plain is None and got[0] == 1.5 and math.isnan(got[1])), value
    for position in [(4, 5), [4, 5], np.array([4, 5]), Point(), Cell(4, 5), (np.int32(4), np.int32(5))]:
        assert json.loads(written(results, step(agent_position=position)))["agent_position"] == {"x": 4, "y": 5}
        final = json.loads(written(results, episode(1, final_position=position), "episodes"))["final_position"]
        assert final == {"x": 4, "y": 5}


def test_pydantic_models_are_taken(results):
    from datetime import datetime
    from typing import Optional

    from pydantic import BaseModel, ConfigDict, computed_field

    class Position(BaseModel):
        x: int
        y: int

    class StepModel(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        schema_version: str = "1.0.0"
        ts: float
        run_id: str
        episode_id: str
        step: int
        action: int
        reward: float
        terminated: bool
        truncated: bool
        agent_position: Position
        distance_to_goal: float
        observation_summary: Optional[list[float]] = None
        seed: Optional[int] = None

    class Computed(StepModel):
        @computed_field
        def twice(self) -> float:
            return 2 * self.reward

    class Dated(StepModel):
        at: datetime

    plain = StepModel(run_id="r1", **step(observation_summary=[math.nan, math.inf]))
    dump = {**plain.model_dump(mode="json"), "observation_summary": [math.nan, math.inf]}
    assert written(results, plain) == json.dumps(dump, sort_keys=True)
    assert json.loads(written(results, Computed(run_id="r1", **step())))["twice"] == -0.02
    dated = Dated(run_id="r1", at=datetime(2026, 1, 2, 3, 4, 5), **step())
    assert json.loads(written(results, dated))["at"] == "2026-01-02T03:04:05"


def test_a_first_recorders_run_is_valid(results):
    from datetime import datetime
    from typing import Optional

    from pydantic import BaseModel

    class System(BaseModel):
        hostname: Optional[str] = None
        pid: Optional[int] = None

    class Meta(BaseModel):
        schema_version: str = "1.0.0"
        run_id: str
        experiment: str
        start_time: datetime
        env_config: dict
        system: System = System()

    recorder = RunRecorder(results, experiment="first", run_id="r1")
    recorder.write_run_meta(Meta(run_id="r1", experiment="first", start_time="2026-01-01T00:00:00Z", env_config={"b": 1, "a": 2}))
    recorder.append_step(step(1, truncated=True))
    recorder.append_episode(episode(1))
    recorder.finalize()
    report = capture_hook.validate_run_artifacts(recorder.root)
    assert report["ok"], report
    meta = json.loads((recorder.root / "run.json").read_text())
    assert meta["start_time"] == "2026-01-01T00:00:00Z" and list(meta["env_config"]) == ["b", "a"]
    assert meta["system"]["pid"] == os.getpid() and meta["system"]["python_version"] == sys.version.split()[0]
    # Rows without a version of their own get the run's.
    assert rows(recorder.root, "steps")[0]["schema_version"] == "1.0.0"


def test_what_json_cannot_hold_is_refused_and_leaves_nothing(results):
    recorder = RunRecorder(results, run_id="r")
    circular: list = []
    circular.append(circular)
    for bad, error in [(object(), TypeError), (b"x", TypeError), (circular, ValueError), ({(1, 2): 3}, TypeError), ({1, 2}, TypeError)]:
        with pytest.raises(error):
            recorder.append_step(step(note=bad))
    for bad in [3, "text", None, [1]]:
        with pytest.raises(TypeError):
            recorder.append_step(bad)

    class Broken:
        __dataclass_fields__ = Row.__dataclass_fields__

    with pytest.raises((AttributeError, TypeError)):
        recorder.append_step(Broken())
    recorder.append_step(step(1))
    recorder.flush()
    assert len(lines(recorder.root, "steps")) == 1


def nested(depth: int) -> list:
    """Lists in each other."""
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


# A change of a row, and the rule that it breaks; none where it breaks none.
CHANGES = [
    (dict(seed=2**63), "out_of_range"),
    (dict(seed=2**63 - 1), None),
    (dict(seed=np.uint64(2**63)), "out_of_range"),
    (dict(note=2**70), None),
    (dict(reward=np.longdouble("0.5")), None),
    (dict(observation_summary=np.array([0.25, 1.5], dtype=np.longdouble)), None),
    (dict(reward=math.nan), "non_finite"),
    (dict(observation_summary=[math.nan, math.inf, None]), None),
    (dict(note=nested(250)), None),
    (dict(note=nested(999)), None),
    (dict(note=nested(1000)), "invalid_json"),
    (dict(step=0), "out_of_range"),
    (dict(step=1.0), None),
    (dict(distance_to_goal=-1.0), "out_of_range"),
    (dict(terminated=1), "wrong_type"),
    (dict(action=None), "wrong_type"),
    (dict(agent_position=(1, 2, 3)), "wrong_type"),
    (dict(agent_position={"x": 1, "y": 2, "z": 3}), None),
    (dict(episode_id="\ud800"), "invalid_utf8"),
    (dict(run_id="another"), "run_id_mismatch"),
    (dict(schema_version="9"), "unsupported_schema_version"),
    (dict(note="x" * (16 << 20)), "line_too_long"),
]


def test_what_validation_would_refuse_is_refused_at_once_and_nothing_else(results):
    """F7: The recorder refuses exactly what validation refuses."""
    for n, (change, code) in enumerate(CHANGES):
        # As `json` writes it, the validator's word decides.
        plain = {**step(1, truncated=True), "run_id": "r1", "schema_version": "0.1", **change}
        plain = {k: float(v) if isinstance(v, np.longdouble) else v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in plain.items()}
        plain["observation_summary"] = [v if v is None else float(v) for v in plain["observation_summary"]]
        by_hand = results / f"by-hand-{n}" / "r1"
        by_hand.mkdir(parents=True)
        meta = {"schema_version": "0.1", "run_id": "r1", "start_time": "2026-01-01T00:00:00Z", "env_config": {}}
        (by_hand / "run.json").write_text(json.dumps(meta))
        with sys_recursion(5000), gzip.open(by_hand / "steps.jsonl.gz", "wt") as file:
            file.write(json.dumps(plain, sort_keys=True) + "\n")
        with gzip.open(by_hand / "episodes.jsonl.gz", "wt") as file:
            summary = episode(1, episode_id=plain["episode_id"], total_reward=plain["reward"], final_distance_to_goal=None)
            summary["final_position"] = {"x": 1, "y": 7} if "agent_position" not in change else {"x": 1, "y": 2}
            file.write(json.dumps({**summary, "run_id": "r1"}) + "\n")
        errors = capture_hook.validate_run_artifacts(by_hand)["errors"]
        assert (code in errors) == (code is not None) and (code is None) == (errors == []), (n, errors)

        recorder = RunRecorder(results, experiment=f"ours-{n}", run_id="r1")
        row = {**step(1, truncated=True), **change}
        if code is None:
            recorder.append_step(row)
        else:
            with pytest.raises(capture_hook.RunUsageError, match="the step is not recorded: ") as refused:
                recorder.append_step(row)
            assert refused.value.code == code
        recorder.flush()
        assert len(lines(recorder.root, "steps")) == (code is None), n


def test_a_refusal_names_the_field_and_leaves_the_recorder_usable(results):
    """F7: A refusal names the field, and the recorder goes on."""
    recorder = RunRecorder(results, run_id="r")
    with pytest.raises(ValueError, match="the step is not recorded: `seed` is 9223372036854775808, beyond 64 bits"):
        recorder.append_step(step(1, seed=2**63))
    without = step(1)
    del without["reward"]
    with pytest.raises(ValueError, match="`reward` is missing"):
        recorder.append_step(without)
    with pytest.raises(ValueError, match="the episode is not recorded: `total_steps` is -1, below 0"):
        recorder.append_episode(episode(-1))
    with pytest.raises(TypeError, match="numpy.clongdouble is not JSON serializable"):
        recorder.append_step(step(1, note=np.clongdouble(1j)))
    with pytest.raises(ValueError, match="nested over 1000 levels deep, or circular"):
        recorder.append_step(step(1, note=nested(5000)))
    with pytest.raises(ValueError, match="run.json is not recorded: `env_config` is null"):
        recorder.write_run_meta({"env_config": None})
    with pytest.raises(ValueError, match="run_id is `other`, but the run is `r`"):
        recorder.write_run_meta({"env_config": {}, "run_id": "other"})
    with pytest.raises(ValueError, match="schema_version is `7`"):
        recorder.write_run_meta({"env_config": {}, "schema_version": "7"})
    recorder.write_run_meta({"env_config": {}})
    recorder.append_step(step(1, truncated=True, note=np.longdouble(1) / 3))
    # The clock was set back: worth a warning, no reason to lose a summary.
    recorder.append_episode(episode(1, duration_ms=-1993.0, avg_step_time_ms=-1993.0))
    recorder.finalize()
    assert rows(recorder.root, "steps")[0]["note"] == 1 / 3
    report = capture_hook.validate_run_artifacts(recorder.root)
    assert report["ok"] and report["warnings"] == ["unknown_field", "time_goes_back"], report


def test_the_projects_settings_say_what_is_refused(results):
    """F7: The project's `validate` settings apply to the recorder, too."""
    (results.parent / ".dvc").mkdir()
    (results.parent / "capture-hook.toml").write_text('[validate]\nignore = ["non_finite"]\ndeny = ["unknown_field"]\n')
    recorder = RunRecorder(results, run_id="r")
    recorder.append_step(step(1, reward=math.nan))
    with pytest.raises(ValueError, match='the field "note" is in no schema'):
        recorder.append_step(step(2, note=1))
    (results.parent / "capture-hook.toml").write_text("[validate]\nignore = 5\n")
    with pytest.raises(capture_hook.CaptureHookError):
        RunRecorder(results, run_id="r2")


def test_threads_may_share_a_recorder(results):
    recorder = RunRecorder(results, run_id="r")
    each, many = 3000, 8

    def work(i: int) -> None:
        for n in range(1, each + 1):
            recorder.append_step(step(n, episode_id=f"ep-{i}"))
        recorder.append_episode(episode(each, episode_id=f"ep-{i}"))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(many)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    recorder.finalize()
    got = rows(recorder.root, "steps")
    assert len(got) == each * many and len(rows(recorder.root, "episodes")) == many
    for i in range(many):
        assert [r["step"] for r in got if r["episode_id"] == f"ep-{i}"] == list(range(1, each + 1))


def test_a_record_that_runs_python_code_does_no_harm(results):
    recorder = RunRecorder(results, run_id="r")

    @dataclasses.dataclass
    class Late(Row):
        note: int = 0

    def note(self):
        # Another thread gets its turn, and this one comes back in.
        time.sleep(0.001)
        recorder.append_step(step(2))
        return 5

    Late.note = property(note, lambda self, value: None)
    late = lambda: Late(ts=0.5, episode_id="e", step=1, action=0, reward=0.0, agent_position=(1, 2))
    threads = [threading.Thread(target=lambda: [recorder.append_step(late()) for _ in range(50)]) for _ in range(4)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    recorder.finalize()
    assert len(rows(recorder.root, "steps")) == 400
