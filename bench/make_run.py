#!/usr/bin/env python3
"""Writes synthetic runs in the current recorder's format (standard library only).

make_run.py ROOT EXPERIMENT RUNS EPISODES STEPS_PER_EPISODE: writes ROOT/EXPERIMENT/run-<n>/. One run of 1000 x 1000 is the
million-step run that the README's figures are for: about 27 MB of gzip, 330 MB of JSON lines. The same arguments give
the same rows.
"""

import gzip
import json
import math
import random
import sys
from pathlib import Path

GRID, SOURCE, SIGMA = 64, (32, 32), 12.0


def write_run(directory, experiment, run_id, seed, episodes, steps, **changes):
    """`changes` are keys of the configuration that this run has of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    config = {"grid_size": [GRID, GRID], "source_location": list(SOURCE), "max_steps": steps, "goal_radius": 1.0,
              "enable_rendering": False, "plume_params": {"source_location": list(SOURCE), "sigma": SIGMA}, **changes}
    meta = {"run_id": run_id, "experiment": experiment, "start_time": "2026-01-01T00:00:00Z", "env_config": config,
            "base_seed": seed, "episode_seeds": None, "package_version": "0.1.0", "config_hash": None, "git_sha": None,
            "system": None, "extra": None, "schema_version": "0.1"}
    (directory / "run.json").write_text(json.dumps(meta, indent=2))
    rng = random.Random(seed)
    now = 1767225600.0
    with gzip.open(directory / "steps.jsonl.gz", "wt", compresslevel=6) as out, \
            gzip.open(directory / "episodes.jsonl.gz", "wt") as summaries:
        for number in range(1, episodes + 1):
            episode, total = f"ep-{number:06d}", 0.0
            x, y = rng.randrange(GRID), rng.randrange(GRID)
            for step in range(1, steps + 1):
                action = rng.randrange(4)
                x = min(GRID - 1, max(0, x + (0, 1, 0, -1)[action]))
                y = min(GRID - 1, max(0, y + (1, 0, -1, 0)[action]))
                distance = math.hypot(x - SOURCE[0], y - SOURCE[1])
                now += rng.random() / 1000
                total += -0.01
                row = {"ts": now, "run_id": run_id, "episode_id": episode, "step": step, "action": action, "reward": -0.01,
                       "terminated": False, "truncated": step == steps, "agent_position": {"x": x, "y": y},
                       "distance_to_goal": distance, "observation_summary": [rng.random()], "seed": seed + number,
                       "schema_version": "0.1"}
                out.write(json.dumps(row, sort_keys=True) + "\n")
            summary = {"run_id": run_id, "episode_id": episode, "terminated": False, "truncated": True, "total_steps": steps,
                       "total_reward": total, "final_position": {"x": x, "y": y}, "final_distance_to_goal": distance,
                       "duration_ms": 12.5, "avg_step_time_ms": 12.5 / steps, "schema_version": "0.1"}
            summaries.write(json.dumps(summary, sort_keys=True) + "\n")


def main():
    root, experiment = Path(sys.argv[1]), sys.argv[2]
    runs, episodes, steps = (int(n) for n in sys.argv[3:6])
    for number in range(runs):
        run_id = f"run-{number:06d}"
        write_run(root / experiment / run_id, experiment, run_id, number, episodes, steps)


if __name__ == "__main__":
    main()
