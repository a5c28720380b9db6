"""Writes a run of four agents at once that declares success, a path, lines, few actions and a metric: a walk in the plane. The
rows of open episodes interleave; the last episode breaks off. Arguments: the run's directory, the number of episodes."""

import gzip
import json
import math
import pathlib
import random
import sys

run, episodes = pathlib.Path(sys.argv[1]), int(sys.argv[2])
rng = random.Random(7)
run.mkdir(parents=True)
meta = {"schema_version": "2", "run_id": run.name, "experiment": run.parent.name, "start_time": "2026-11-27T00:00:00Z"}
(run / "run.json").write_text(json.dumps(meta))
metre = {"dtype": "float64", "unit": "m"}
schema = {
    "format": 1,
    "reset_rows": True,
    "steps": {
        "px": metre,
        "py": metre,
        "heading": {"dtype": "float64", "unit": "rad"},
        "reward": {"dtype": "float64"},
        "action": {"dtype": "int8", "min": -1, "max": 1},
    },
    "episodes": {
        "success": {"dtype": "bool"},
        "energy": {"dtype": "float64", "unit": "J", "metrics": ["mean", "max"]},
    },
    "plot": {"path": ["px", "py"], "lines": ["heading"]},
}
(run / "schema.json").write_text(json.dumps(schema))
steps, summaries, walking = [], [], []
begun = 0
while begun < episodes or walking:
    while len(walking) < 4 and begun < episodes:
        agent = {"id": f"e{begun}", "step": 0, "x": 0.0, "y": 0.0, "heading": rng.uniform(-3, 3), "energy": 0.0, "reward": 0.0}
        agent["length"] = 3 + 7 * (begun % 5)
        begun += 1
        walking.append(agent)
        start = {"px": agent["x"], "py": agent["y"], "heading": agent["heading"]}
        steps.append({"episode_id": agent["id"], "step": 0, "terminated": False, "truncated": False} | start)
    for agent in list(walking):
        agent["step"] += 1
        action = rng.choice([-1, 0, 1])
        agent["heading"] += 0.3 * action
        agent["x"] += math.cos(agent["heading"])
        agent["y"] += math.sin(agent["heading"])
        reward = rng.uniform(-1, 1)
        agent["energy"] += abs(reward)
        agent["reward"] += reward
        ends = agent["step"] == agent["length"]
        # Whoever falls down is terminated; success is something else.
        falls = ends and agent["y"] < 0
        flags = {"terminated": falls, "truncated": ends and not falls}
        row = {"px": agent["x"], "py": agent["y"], "heading": agent["heading"], "reward": reward, "action": action}
        steps.append({"episode_id": agent["id"], "step": agent["step"]} | flags | row)
        if ends:
            walking.remove(agent)
            sums = {"total_steps": agent["step"], "total_reward": agent["reward"], "energy": agent["energy"]}
            summaries.append({"episode_id": agent["id"]} | flags | sums | {"success": agent["x"] > 0})
# The one that was to end last was stopped.
last = summaries.pop()["episode_id"]
steps = [row for row in steps if row["episode_id"] != last or not (row["terminated"] or row["truncated"])]
for name, rows in (("steps", steps), ("episodes", summaries)):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run / f"{name}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
