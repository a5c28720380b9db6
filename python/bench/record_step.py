"""What recording costs a step of CartPole: the bare environment and the recorded one, side by side.

    python record_step.py [STEPS]

Both take the same actions from the same seeds. `cpu` is the processor time of the simulation's own thread in `step` and
`reset`, the median of rounds in which the two alternate; `wall` is the time that they take, and `to disk` that of the whole, with the
files ended. On a machine that has other things to do only `cpu` means something.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import capture_hook

LIMIT = 6.0
"""The most microseconds of processor time that a step may cost."""


def play(env: Any, actions: list[int]) -> tuple[float, float]:
    """Seconds of the thread's processor time and of wall time for all steps."""
    env.reset(seed=0)
    env.step(0)
    env.reset(seed=0)
    cpu, wall = time.thread_time(), time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return time.thread_time() - cpu, time.perf_counter() - wall


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    actions = np.random.default_rng(0).integers(0, 2, count).tolist()
    figures: dict[str, list[tuple[float, ...]]] = {"bare": [], "recorded": []}
    with tempfile.TemporaryDirectory() as temp:
        for round in range(7):
            figures["bare"].append((*play(gym.make("CartPole-v1"), actions), 0.0))
            recorded = capture_hook.record(gym.make("CartPole-v1"), temp, experiment="e", run_id=f"r{round}")
            start = time.perf_counter()
            cpu, wall = play(recorded, actions)
            recorded.close()
            figures["recorded"].append((cpu, wall, time.perf_counter() - start))
        size = sum(file.stat().st_size for file in Path(temp).rglob("steps*")) / 7 / count
    medians = {name: [statistics.median(column) / count * 1e6 for column in zip(*rounds)] for name, rounds in figures.items()}
    print(f"{count} steps of CartPole, µs a step, median of 7 rounds; {size:.1f} bytes a step")
    print(f"{'':10}{'cpu':>8}{'wall':>8}{'to disk':>10}")
    for name, (cpu, wall, whole) in medians.items():
        print(f"{name:10}{cpu:8.2f}{wall:8.2f}{f'{whole:10.2f}' if whole else ''}")
    cost = [recorded - bare for recorded, bare in zip(medians["recorded"], medians["bare"])]
    print(f"{'cost':10}{cost[0]:8.2f}{cost[1]:8.2f}")
    if cost[0] > LIMIT:
        sys.exit(f"recording a step costs more than {LIMIT} µs")


if __name__ == "__main__":
    main()
