"""Counts a run's figures from its JSON lines, with nothing of capture-hook: prints what `show --json` and the metrics files
should say. The quartiles are those of the statistics module, the default of NumPy and pandas."""

import gzip
import json
import pathlib
import statistics
import sys


def rows(run, stream):
    with gzip.open(run / f"{stream}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def mean(values):
    # As a plain sum in the order of the rows.
    total = 0.0
    for value in values:
        total += value
    return total / len(values) if values else None


def key(row):
    return row["episode_id"], row.get("agent")


def value_at(row, path):
    for part in path.replace("[", ".").replace("]", "").split("."):
        row = row[int(part)] if isinstance(row, list) else row.get(part)
        if row is None:
            return None
    return row


def bands(series):
    """Median and quartiles at each step; an episode that has ended keeps its last value."""
    found = {}
    for step in sorted({step for values in series for step in values}):
        held = []
        for values in series:
            if step in values:
                held.append(values[step])
            elif step > max(values):
                held.append(values[max(values)])
        if len(held) == 1:
            low = mid = high = held[0]
        else:
            low, mid, high = statistics.quantiles(held, n=4, method="inclusive")
        found[step] = [low, mid, high]
    return found


run = pathlib.Path(sys.argv[1])
schema = json.loads((run / "schema.json").read_text())
steps, episodes = rows(run, "steps"), rows(run, "episodes")
taken = [row for row in steps if row["step"] >= 1]
figures = {"episodes": len(episodes), "steps": len(taken), "mean_steps": mean([row["total_steps"] for row in episodes])}
has_reward = "reward" in schema["steps"]
rewards = [row["total_reward"] for row in episodes] if has_reward else []
figures["mean_reward"], figures["max_reward"] = mean(rewards), max(rewards, default=None)
columns = schema.get("episodes", {})
successes = [row["success"] for row in episodes] if "success" in columns else None
figures["successes"] = None if successes is None else sum(successes)
figures["success_rate"] = None if successes is None else sum(successes) / len(successes)
figures["mean_final_distance"] = figures["min_final_distance"] = None
figures["declared"] = []
for name, column in columns.items():
    values = [row[name] for row in episodes if row.get(name) is not None]
    for kind in ("mean", "min", "max"):
        if kind in column.get("metrics", []):
            value = mean(values) if kind == "mean" else float({"min": min, "max": max}[kind](values))
            figures["declared"].append({"name": f"{kind}_{name}", "value": value, "unit": column.get("unit")})

by_episode = {}
for row in steps:
    by_episode.setdefault(key(row), []).append(row)
lines = {}
for name in schema.get("plot", {}).get("lines", []):
    path = schema["steps"][name].get("path", name)
    series = [{row["step"]: value_at(row, path) for row in rows} for rows in by_episode.values()]
    lines[name] = bands([{step: value for step, value in one.items() if value is not None} for one in series])
if has_reward:
    sums = []
    for of_one in by_episode.values():
        total, sums_of_one = 0.0, {}
        for row in of_one:
            if row["step"] >= 1:
                total += row["reward"]
                sums_of_one[row["step"]] = total
        sums.append(sums_of_one)
    lines["reward"] = bands(sums)
lengths = [sum(row["step"] >= 1 for row in of_one) for of_one in by_episode.values()]
print(json.dumps({"figures": figures, "lines": lines, "lengths": lengths}))
