"""What recording costs a step of CartPole: the bare environment and the recorded one, side by side.

    python record_step.py [STEPS]

Both take the same actions from the same seeds. The time is that of `step` and `reset` alone, the median of rounds in
which the two alternate; `to disk` is the whole, with the files ended.
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
"""The most microseconds that a step may cost."""


def play(env: Any, actions: np.ndarray) -> float:
    """Seconds for all steps."""
    plain = [int(action) for action in actions]
    env.reset(seed=0)
    start = time.perf_counter()
    for action in plain:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return time.perf_counter() - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    actions = np.random.default_rng(0).integers(0, 2, count)
    figures: dict[str, list[tuple[float, float]]] = {"bare": [], "recorded": []}
    with tempfile.TemporaryDirectory() as temp:
        for round in range(5):
            bare = gym.make("CartPole-v1")
            seconds = play(bare, actions)
            figures["bare"].append((seconds / count * 1e6, seconds / count * 1e6))
            recorded = capture_hook.record(gym.make("CartPole-v1"), temp, experiment="e", run_id=f"r{round}")
            start = time.perf_counter()
            seconds = play(recorded, actions)
            recorded.close()
            figures["recorded"].append((seconds / count * 1e6, (time.perf_counter() - start) / count * 1e6))
        size = sum(file.stat().st_size for file in Path(temp).rglob("steps*")) / 5 / count
    print(f"{count} steps of CartPole, µs a step, median of 5 rounds")
    print(f"{'':10}{'step':>8}{'to disk':>10}")
    medians = {name: [statistics.median(column) for column in zip(*rounds)] for name, rounds in figures.items()}
    for name, (step, whole) in medians.items():
        print(f"{name:10}{step:8.2f}{whole:10.2f}")
    cost = medians["recorded"][0] - medians["bare"][0]
    print(f"{'cost':10}{cost:8.2f}   {size:.1f} bytes a step")
    if cost > LIMIT:
        sys.exit(f"recording a step costs more than {LIMIT} µs")


if __name__ == "__main__":
    main()
