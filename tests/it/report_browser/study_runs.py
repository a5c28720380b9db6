"""Records a small study: `study_runs.py RESULTS_DIR PART` (standard library only).

Part `first` is three configurations of an arm, with four seeds, five and one; part `second` is a
fourth configuration, a run without rewards, and a pendulum of which one run has no number at all.
"""

import gzip
import json
import math
import random
import sys
from pathlib import Path

SCHEMA = {"format": 1, "reset_rows": False,
          "steps": {"reward": {"dtype": "float64"}, "seed": {"dtype": "int64"}, "x": {"dtype": "float64", "unit": "m"},
                    "y": {"dtype": "float64", "unit": "m"}, "angle": {"dtype": "float64", "unit": "rad"}},
          "episodes": {"success": {"dtype": "bool"},
                       "effort": {"dtype": "float64", "unit": "N m", "metrics": ["mean", "max"]}},
          "plot": {"path": ["x", "y"], "lines": ["angle"]}}
QUIET = {"format": 1, "steps": {"angle": {"dtype": "float64", "unit": "rad", "finite": False}}, "episodes": {},
         "plot": {"lines": ["angle"]}}


def write_lines(path, rows):
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def write_meta(directory, experiment, run_id, config, seed, day):
    directory.mkdir(parents=True)
    meta = {"schema_version": "2", "run_id": run_id, "experiment": experiment, "start_time": f"2026-03-{day:02d}T09:30:00Z",
            "env_config": config, "base_seed": seed, "package_version": "1.4.2"}
    (directory / "run.json").write_text(json.dumps(meta))


def write_arm(results, gain, seed, day, episodes=4, steps=30):
    run_id = f"gain-{gain}-seed-{seed}"
    directory = results / "arm" / run_id
    config = {"gain": gain, "solver": {"name": "rk4", "dt": 0.01}, "limits": [1, 2, 3], "damping": gain > 0.3}
    write_meta(directory, "arm", run_id, config, seed, day)
    (directory / "schema.json").write_text(json.dumps(SCHEMA))
    rng = random.Random(f"{gain} {seed}")
    rows, summaries = [], []
    for number in range(1, episodes + 1):
        x = y = total = 0.0
        length = steps + rng.randrange(10)
        for step in range(1, length + 1):
            x, y, reward = x + rng.gauss(gain, 1), y + rng.gauss(0, 1), gain + rng.gauss(0, 0.2)
            total += reward
            rows.append({"episode_id": f"e{number}", "step": step, "terminated": step == length, "truncated": False, "reward": reward,
                         "seed": seed, "x": x, "y": y, "angle": math.sin(step * gain)})
        summaries.append({"episode_id": f"e{number}", "terminated": True, "truncated": False, "total_steps": length,
                          "total_reward": total, "success": rng.random() < gain, "effort": 10 * gain + rng.random()})
    write_lines(directory / "steps.jsonl.gz", rows)
    write_lines(directory / "episodes.jsonl.gz", summaries)


def write_quiet(results, run_id, angle, day):
    directory = results / "pendulum" / run_id
    write_meta(directory, "pendulum", run_id, {"length": 1.5}, None, day)
    (directory / "schema.json").write_text(json.dumps(QUIET))
    rows = [{"episode_id": f"e{number}", "step": step, "terminated": False, "truncated": step == 12, "angle": angle(step)}
            for number in range(1, 3) for step in range(1, 13)]
    write_lines(directory / "steps.jsonl.gz", rows)


def main():
    results, part = Path(sys.argv[1]), sys.argv[2]
    if part == "first":
        for gain, seeds in [(0.1, [1, 2, 3, 4]), (0.2, [1, 2, 3, 4, 5]), (0.5, [1])]:
            for seed in seeds:
                write_arm(results, gain, seed, day=seed)
    else:
        for seed in (1, 2, 10):
            write_arm(results, 0.9, seed, day=10 + seed)
        write_quiet(results, "swing", lambda step: math.sin(step), 20)
        write_quiet(results, "still", lambda step: float("nan"), 21)


if __name__ == "__main__":
    main()
