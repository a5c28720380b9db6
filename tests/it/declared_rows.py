"""What the parquet of a run with a declared schema must hold, read from its JSON lines by its `schema.json`.

Written apart from the command's own reading, for valid runs whose episodes have summaries.
"""

import json
import os
import re
import struct

from read_back import lines, number, strict

CORE_STEPS = [
    ("schema_version", "string"), ("experiment", "string"), ("run_id", "string"), ("episode_id", "string"),
    ("episode_index", "int64"), ("step", "int64"), ("ts", "double"), ("reward", "double"), ("terminated", "bool"),
    ("truncated", "bool"), ("seed", "int64"),
]
CORE_EPISODES = [
    ("schema_version", "string"), ("experiment", "string"), ("run_id", "string"), ("episode_id", "string"),
    ("episode_index", "int64"), ("terminated", "bool"), ("truncated", "bool"), ("total_steps", "int64"),
    ("total_reward", "double"), ("duration_ms", "double"),
]
OWN_FIELDS = {"schema_version", "run_id", "episode_id", "step", "terminated", "truncated", "total_steps"}
KINDS = {"float32": "float", "float64": "double", "json": "json", "file": "string"}


def at_path(row, path):
    parts = path if isinstance(path, list) else re.findall(r"[^.\[\]]+", path)
    for part in parts:
        row = (row or {}).get(part) if not isinstance(row, list) else row[int(part)]
    return row


def flat(value):
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, list) else [value]


def scalar(value, dtype):
    if value is None:
        return None
    if dtype == "float32":
        return struct.unpack("f", struct.pack("f", value))[0]
    if dtype == "float64":
        return float(value)
    return int(value) if "int" in dtype else value


def cell(row, name, column):
    value = at_path(row, column.get("path", name))
    if column["dtype"] == "json":
        return value
    if value is not None and "shape" in column:
        return [scalar(leaf, column["dtype"]) for leaf in flat(value)]
    return scalar(value, column["dtype"])


def columns_of(core, declared):
    """The columns of a file, and those that are not of its core."""
    names = {name for name, _ in core}
    more = {name: column for name, column in declared.items() if name not in names}
    kind = lambda column: "list" if "shape" in column else KINDS.get(column["dtype"], column["dtype"])
    return core + [(name, kind(column)) for name, column in more.items()] + [("extra", "string")], more


def top_fields(declared):
    """The members of a row that columns are read from."""
    paths = [column.get("path", name) for name, column in declared.items()]
    return OWN_FIELDS | {path[0] if isinstance(path, list) else re.split(r"[.\[]", path)[0] for path in paths}


def extra(row, known):
    return {name: strict(value) for name, value in row.items() if name not in known} or None


def declared_tables(folder, meta):
    """For steps and for episodes: columns, and rows."""
    with open(os.path.join(folder, "schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    steps, episodes = dict(schema["steps"]), dict(schema.get("episodes", {}))
    if "agent" in steps:
        episodes = {"agent": steps["agent"], **episodes}
    own = [meta["schema_version"], meta["experiment"], meta["run_id"]]
    indexes = {}
    step_columns, more = columns_of(CORE_STEPS, steps)
    known, step_rows = top_fields(steps), []
    for row in lines(folder, "steps"):
        index = indexes.setdefault((row["episode_id"], row.get("agent")), len(indexes))
        core = [row["episode_id"], index, row["step"], number(row.get("ts")), number(row.get("reward")),
                row["terminated"], row["truncated"], row.get("seed")]
        declared = [cell(row, name, column) for name, column in more.items()]
        step_rows.append((*own, *core, *declared, extra(row, known)))
    episode_columns, more = columns_of(CORE_EPISODES, episodes)
    known, episode_rows = top_fields(episodes) | {"total_reward"}, []
    for row in lines(folder, "episodes"):
        index = indexes[row["episode_id"], row.get("agent")]
        core = [row["episode_id"], index, row["terminated"], row["truncated"], row["total_steps"],
                number(row.get("total_reward")), number(row.get("duration_ms"))]
        declared = [cell(row, name, column) for name, column in more.items()]
        episode_rows.append((*own, *core, *declared, extra(row, known)))
    return (step_columns, step_rows), (episode_columns, episode_rows)
