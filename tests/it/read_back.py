"""Reads a dataset's parquet through pyarrow, DuckDB and Polars and compares every value with the JSON lines beside it.

read_back.py DATASET: exits 0 and prints how many rows were compared, or says what differs.
"""

import glob
import gzip
import json
import math
import os
import re
import sys

STEPS = [
    ("schema_version", "string"), ("experiment", "string"), ("run_id", "string"), ("episode_id", "string"),
    ("episode_index", "int64"), ("step", "int64"), ("ts", "double"), ("action", "int64"), ("reward", "double"),
    ("terminated", "bool"), ("truncated", "bool"), ("agent_x", "int64"), ("agent_y", "int64"),
    ("distance_to_goal", "double"), ("observation_summary", "list<element: double>"), ("seed", "int64"), ("extra", "string"),
]
EPISODES = [
    ("schema_version", "string"), ("experiment", "string"), ("run_id", "string"), ("episode_id", "string"),
    ("episode_index", "int64"), ("terminated", "bool"), ("truncated", "bool"), ("total_steps", "int64"),
    ("total_reward", "double"), ("final_x", "int64"), ("final_y", "int64"), ("final_distance_to_goal", "double"),
    ("duration_ms", "double"), ("avg_step_time_ms", "double"), ("extra", "string"),
]
STEP_FIELDS = {"ts", "run_id", "episode_id", "step", "action", "reward", "terminated", "truncated", "agent_position",
               "distance_to_goal", "observation_summary", "seed", "schema_version"}
EPISODE_FIELDS = {"run_id", "episode_id", "terminated", "truncated", "total_steps", "total_reward", "final_position",
                  "final_distance_to_goal", "duration_ms", "avg_step_time_ms", "schema_version"}


def lines(folder, stem):
    number = lambda name: int((re.search(r"part(\d+)", name) or [0, 0])[1])
    names = [n for n in os.listdir(folder) if re.fullmatch(stem + r"(\.part\d+)?\.jsonl(\.part\d+)?\.gz", n)]
    for name in sorted(names, key=number):
        with gzip.open(os.path.join(folder, name), "rt", encoding="utf-8") as file:
            for line in file:
                if line.strip():
                    yield json.loads(line)


def integer(value):
    return None if value is None else int(value)


def number(value):
    return None if value is None else float(value)


def strict(value):
    """A value as the columns of unknown fields have it: numbers that are no JSON as texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [strict(v) for v in value]
    return {k: strict(v) for k, v in value.items()} if isinstance(value, dict) else value


def extra(row, known):
    rest = {k: strict(v) for k, v in row.items() if k not in known}
    return rest or None


def expected(folder, meta):
    experiment = meta.get("experiment") or os.path.basename(os.path.dirname(folder))
    steps, episodes, segments, index, last = [], [], {}, -1, None
    for row in lines(folder, "steps"):
        if row["episode_id"] != last or row["step"] == 1:
            index += 1
            segments.setdefault(row["episode_id"], []).append([index, None])
        last = row["episode_id"]
        segments[last][-1][1] = row["terminated"] or row["truncated"]
        summary = row.get("observation_summary")
        steps.append((row.get("schema_version", meta["schema_version"]), experiment, row["run_id"], row["episode_id"], index,
                      integer(row["step"]), number(row["ts"]), integer(row["action"]), number(row["reward"]), row["terminated"],
                      row["truncated"], integer(row["agent_position"]["x"]), integer(row["agent_position"]["y"]),
                      number(row["distance_to_goal"]), None if summary is None else [number(v) for v in summary],
                      integer(row.get("seed")), extra(row, STEP_FIELDS)))
    summaries = list(lines(folder, "episodes"))
    for episode_id, found in segments.items():
        spare = len(found) - sum(s["episode_id"] == episode_id for s in summaries)
        for segment in list(found):
            if spare > 0 and not segment[1]:
                found.remove(segment)
                spare -= 1
    for row in summaries:
        episodes.append((row.get("schema_version", meta["schema_version"]), experiment, row["run_id"], row["episode_id"],
                         segments[row["episode_id"]].pop(0)[0], row["terminated"], row["truncated"],
                         integer(row["total_steps"]), number(row["total_reward"]), integer(row["final_position"]["x"]),
                         integer(row["final_position"]["y"]), number(row.get("final_distance_to_goal")),
                         number(row.get("duration_ms")), number(row.get("avg_step_time_ms")), extra(row, EPISODE_FIELDS)))
    return steps, episodes


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def compare(who, path, names, wanted, got, texts=("extra",)):
    """Row by row; columns that are `texts` hold JSON."""
    assert len(wanted) == len(got), f"{who} {path}: {len(got)} rows, not {len(wanted)}"
    for i, (want, have) in enumerate(zip(wanted, got)):
        for name, a, b in zip(names, want, have):
            if name in texts and b is not None:
                b = json.loads(b, parse_constant=lambda token: 1 / 0)
                a, b = json.dumps(a, sort_keys=True), json.dumps(b, sort_keys=True)
            assert same(a, b), f"{who} {path} row {i} {name}: {b!r}, not {a!r}"


def main(dataset):
    import duckdb
    import polars
    import pyarrow.parquet

    total = 0
    for folder in sorted(glob.glob(os.path.join(glob.escape(dataset), "*", "*"))):
        with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
            meta = json.load(file)
        for file, columns, rows in zip(("steps", "episodes"), (STEPS, EPISODES), expected(folder, meta)):
            path = os.path.join(folder, file + ".parquet")
            names = [name for name, _ in columns]
            table = pyarrow.parquet.read_table(path)
            schema = [(f.name, str(f.type).replace("element: double not null", "element: double")) for f in table.schema]
            assert schema == columns, f"{path}: {schema}"
            compare("pyarrow", path, names, rows, list(zip(*(table.column(n).to_pylist() for n in names))))
            compare("polars", path, names, rows, polars.read_parquet(path).rows())
            quoted = path.replace("'", "''")
            compare("duckdb", path, names, rows, duckdb.sql(f"SELECT * FROM read_parquet('{quoted}')").fetchall())
            parquet = pyarrow.parquet.ParquetFile(path)
            for group in range(parquet.metadata.num_row_groups):
                for column in range(parquet.metadata.num_columns):
                    chunk = parquet.metadata.row_group(group).column(column)
                    assert chunk.compression == "ZSTD" and chunk.statistics is not None, f"{path}: {chunk}"
            total += len(rows)
    pattern = os.path.join(dataset, "*", "*", "steps.parquet").replace("'", "''")
    everything = duckdb.sql(f"SELECT count(*), count(DISTINCT run_id || experiment) FROM '{pattern}'").fetchall()[0]
    counted = polars.scan_parquet(os.path.join(dataset, "*", "*", "steps.parquet")).select(polars.len()).collect().item()
    assert everything[0] == counted, (everything, counted)
    print(total)


if __name__ == "__main__":
    main(sys.argv[1])
