"""However recording ends, what was recorded is a valid run."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_valid, meta, rows
from environments import BrokenEnv, CountingEnv
from gymnasium.vector import SyncVectorEnv

import capture_hook


def recorded(results, env=None, **options):
    return capture_hook.record(env or CountingEnv(), results, experiment="e", run_id="r", **options)


def check_steps(run: Path) -> int:
    """Every episode's rows are 0, 1, 2, …, and every ended one has its summary; returns how many rows there are."""
    written, summaries = rows(run, "steps"), [row["episode_id"] for row in rows(run, "episodes")]
    numbers: dict[str, list[dict]] = {}
    for row in written:
        numbers.setdefault(row["episode_id"], []).append(row)
    for own in numbers.values():
        assert [row["step"] for row in own] == list(range(len(own)))
        assert row_is_whole(own)
    assert summaries == [name for name, own in numbers.items() if own[-1]["terminated"]]
    assert len(summaries) == len(set(summaries))
    return len(written)


def row_is_whole(own: list[dict]) -> bool:
    return all(row["observation"][2] == row["step"] for row in own)


def test_an_environment_that_raises(results):
    with pytest.raises(ZeroDivisionError), recorded(results, BrokenEnv()) as env:
        while True:
            env.reset(seed=1)
            for n in range(3):
                env.step(n)
    run = results / "e" / "r"
    assert check_steps(run) == 4 + 2
    assert (run / "manifest.json").exists() and assert_valid(run)["warnings"] == ["incomplete_episode"]


def test_an_environment_that_raises_can_go_on(results):
    env = recorded(results, BrokenEnv())
    for _ in range(4):
        env.reset()
        try:
            for n in range(3):
                env.step(n)
        except ZeroDivisionError:
            pass
    env.close()
    assert check_steps(results / "e" / "r") == 4 + 2 + 4 + 4
    assert_valid(results / "e" / "r")


def test_an_episode_that_lost_a_step_does_not_go_on(results):
    """Its rows would not follow from each other: the environment has taken a step that is not there."""
    env = recorded(results, success=lambda info, terminated: 1 / 0)
    for _ in range(2):
        env.reset()
        env.step(0)
        env.step(0)
        with pytest.raises(ZeroDivisionError):
            env.step(0)
        with pytest.raises(capture_hook.RunUsageError, match="not recorded"):
            env.step(0)
    env.close()
    assert check_steps(results / "e" / "r") == 6
    vector = capture_hook.record_vector(SyncVectorEnv([CountingEnv] * 2), results, experiment="v", run_id="r", columns={"action": {"max": 1}})
    vector.reset()
    vector.step(np.array([0, 1]))
    with pytest.raises(capture_hook.RunUsageError, match="above 1"):
        vector.step(np.array([0, 2]))
    with pytest.raises(capture_hook.RunUsageError, match="not recorded"):
        vector.step(np.array([0, 1]))
    vector.reset()
    vector.step(np.array([0, 1]))
    vector.close()
    assert_valid(results / "v" / "r")


def test_an_environment_whose_close_raises_is_recorded_all_the_same(results):
    class Stuck(CountingEnv):
        def close(self):
            raise OSError("the window is gone")

    env = recorded(results, Stuck())
    env.reset()
    env.step(0)
    with pytest.raises(OSError, match="window"):
        env.close()
    assert (results / "e" / "r" / "manifest.json").exists()


def test_a_success_that_raises_leaves_an_unfinished_episode(results):
    def success(info, terminated):
        raise KeyError("goal")

    env = recorded(results, CountingEnv(length=2), success=success)
    env.reset()
    env.step(0)
    with pytest.raises(KeyError):
        env.step(0)
    env.close()
    assert check_steps(results / "e" / "r") == 2 and rows(results / "e" / "r", "episodes") == []
    assert_valid(results / "e" / "r")


def test_an_environment_that_is_forgotten_is_finalized(results):
    env = recorded(results)
    env.reset()
    env.step(0)
    del env
    gc.collect()
    assert (results / "e" / "r" / "manifest.json").exists()
    assert_valid(results / "e" / "r")


def test_nothing_is_recorded_after_the_end(results):
    env = recorded(results)
    env.reset()
    env.step(0)
    env.close()
    before = (results / "e" / "r" / "run.json").read_bytes()
    with pytest.raises(capture_hook.RunUsageError):
        env.step(1)
    env.close()
    assert (results / "e" / "r" / "run.json").read_bytes() == before
    other = capture_hook.record(CountingEnv(), results, experiment="other")
    other.reset()
    other.close()
    with pytest.raises(capture_hook.RunUsageError, match="closed"):
        other.step(0)
    assert not (results / "other").exists()


def test_a_full_disk_is_told(results):
    env = recorded(results)
    env.reset()
    env.step(0)
    (results / "e" / "r" / "run.json").unlink()
    (results / "e" / "r" / "run.json").mkdir()
    env.reset(seed=1)
    env.step(0)
    with pytest.raises(OSError):
        env.close()
    # The rows are in their files nevertheless.
    assert check_steps(results / "e" / "r") == 4


PROGRAM = """
import signal, sys, time
# A shell starts what runs in its background with interrupts ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[2])
import capture_hook
from environments import CountingEnv
env = capture_hook.record(CountingEnv(length=50), sys.argv[1], experiment="e", run_id="r", success=lambda info, terminated: True)
n = 0
"""
ENDLESS = """
while True:
    env.reset(seed=n)
    for _ in range(50):
        env.step(n % 1000)
        n += 1
        if n == 20:
            print("on", flush=True)
"""


def start(results, code: str) -> subprocess.Popen:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + code, str(results), str(Path(__file__).parent)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return child


def test_ctrl_c_at_any_moment(results):
    """The interrupt comes between any two instructions; the program ends, or goes on as it likes."""
    for attempt in range(6):
        place = results / str(attempt)
        child = start(place, ENDLESS)
        assert child.stdout.readline() == "on\n"
        time.sleep(random.random() / 5)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
        assert said.rstrip().endswith("KeyboardInterrupt"), said
        assert check_steps(place / "e" / "r") > 20
        assert (place / "e" / "r" / "manifest.json").exists()
        assert_valid(place / "e" / "r")


def test_interrupts_that_the_program_survives(results):
    """An interrupt in the middle of a step, caught: the environment is stepped on."""
    env = recorded(results, CountingEnv(length=7))
    interrupts, steps, armed = 0, 0, False

    def interrupt(*_: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    env.reset()
    env.step(0)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, random.random() / 2000)
            env.reset(seed=1)
            for n in range(7):
                env.step(n)
                steps += 1
            armed = False
        except KeyboardInterrupt:
            interrupts += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    env.close()
    assert interrupts > 100 and steps > 1000
    run = results / "e" / "r"
    # A step whose result was lost may be missing, but what is there is in order.
    written: dict[str, list[int]] = {}
    for row in rows(run, "steps"):
        written.setdefault(row["episode_id"], []).append(row["step"])
    assert all(own == list(range(len(own))) for own in written.values())
    assert_valid(run)


def test_a_killed_process_leaves_what_was_recorded_a_second_before(results):
    for attempt in range(3):
        place = results / str(attempt)
        child = start(place, ENDLESS)
        assert child.stdout.readline() == "on\n"
        time.sleep(2.2 + random.random())
        child.kill()
        child.communicate(timeout=60)
        assert check_steps(place / "e" / "r") > 20
        assert_valid(place / "e" / "r")


@pytest.mark.parametrize(
    "code", ["", "sys.exit(3)", "raise SystemExit", "raise ZeroDivisionError", "import threading; threading.Thread(target=time.sleep, args=(0.2,)).start()"]
)
def test_the_exit_of_the_interpreter_finalizes(results, code):
    steps = "for _ in range(3):\n    env.reset(seed=4)\n    for _ in range(50): env.step(1)\n"
    child = start(results, steps + code)
    _, said = child.communicate(timeout=60)
    assert "capture_hook" not in said, said
    run = results / "e" / "r"
    assert check_steps(run) == 3 * 51
    assert meta(run)["episode_seeds"] == [4, 4, 4] and (run / "manifest.json").exists()
    assert_valid(run)


def test_the_exit_finalizes_a_recorder_with_a_schema(results):
    code = """
recorder = capture_hook.RunRecorder(sys.argv[1], experiment="mine", run_id="r", schema={"format": 1, "steps": {"x": {"dtype": "int64"}}})
for n in range(1, 4):
    recorder.append_step({"episode_id": "e", "step": n, "x": n, "terminated": False, "truncated": n == 3})
"""
    start(results, code).communicate(timeout=60)
    run = results / "mine" / "r"
    assert [row["x"] for row in rows(run, "steps")] == [1, 2, 3]
    assert (run / "manifest.json").exists() and meta(run)["env_config"] == {}


def test_a_forked_child_leaves_the_run_alone(results):
    env = recorded(results)
    env.reset()
    env.step(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            env.step(1)
        except RuntimeError:
            env.close()
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not (results / "e" / "r" / "manifest.json").exists()
    env.step(1)
    env.close()
    assert check_steps(results / "e" / "r") == 3


def test_a_vector_whose_sub_environment_raises(results):
    vector = SyncVectorEnv([CountingEnv, BrokenEnv])
    with pytest.raises(ZeroDivisionError), capture_hook.record_vector(vector, results, experiment="e", run_id="r") as env:
        env.reset()
        for _ in range(9):
            env.step(np.array([1, 1]))
    assert_valid(results / "e" / "r")
    numbers: dict[str, list[int]] = {}
    for row in rows(results / "e" / "r", "steps"):
        numbers.setdefault(row["episode_id"], []).append(row["step"])
    assert sorted(numbers.values()) == [[0, 1], [0, 1], [0, 1, 2, 3], [0, 1, 2, 3]]
