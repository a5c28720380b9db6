"""Opens a dataset with every reader that this Python has, compares columns and values with the JSON lines beside them, and
the statistics of floats with the values.

readers.py DATASET: prints each reader with its release, or says what differs.
"""

import glob
import importlib
import importlib.util
import json
import math
import os
import sys

from declared_rows import declared_tables
from read_back import EPISODES, STEPS, compare, expected, same

FLOATS = ("float", "double")


def tables_of(folder):
    """The name of each file of a run, its columns and its rows."""
    with open(os.path.join(folder, "run.json"), encoding="utf-8") as file:
        meta = json.load(file)
    if meta["schema_version"] == "2":
        tables = declared_tables(folder, meta)
    else:
        tables = zip((STEPS, EPISODES), expected(folder, meta))
    return [(stem, columns, rows) for stem, (columns, rows) in zip(("steps", "episodes"), tables)]


def texts(columns):
    """The columns that hold JSON."""
    return [name for name, kind in columns if name == "extra" or kind == "json"]


def whole(path, columns):
    return [name for name, _ in columns]


def with_pyarrow(module, path, columns, rows):
    parquet = importlib.import_module("pyarrow.parquet")
    table = parquet.read_table(path)
    assert table.column_names == whole(path, columns), table.column_names
    compare("pyarrow", path, table.column_names, rows, list(zip(*(c.to_pylist() for c in table.columns))), texts(columns))
    metadata = parquet.ParquetFile(path).metadata
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(at)
            if chunk.physical_type in ("FLOAT", "DOUBLE"):
                bounds_are_true(path, chunk.path_in_schema, chunk.statistics, rows, columns)


def bounds_are_true(path, name, found, rows, columns):
    """One row group holds all rows of these files."""
    at = whole(path, columns).index(name.split(".")[0])
    values = [v for row in rows for v in (row[at] if isinstance(row[at], list) else [row[at]]) if v is not None]
    if not values or any(math.isnan(v) for v in values):
        assert not found.has_min_max, (path, name, found)
        return
    assert found.has_min_max, (path, name, found)
    assert (found.min, found.max) == (min(values), max(values)), (path, name, found)


def with_polars(module, path, columns, rows):
    frame = module.read_parquet(path)
    assert frame.columns == whole(path, columns), frame.columns
    compare("polars", path, frame.columns, rows, frame.rows(), texts(columns))
    floats = [i for i, (name, kind) in enumerate(columns) if kind in FLOATS and name != "ts"]
    for at in floats:
        values = sorted({row[at] for row in rows if row[at] is not None})
        # A bound that is not true loses rows here.
        for value in values[:3] + values[-3:]:
            wanted = sum(row[at] is not None and row[at] >= value for row in rows)
            lazy = module.scan_parquet(path).filter(module.col(columns[at][0]) >= value)
            assert lazy.collect().height == wanted, (path, columns[at], value)
    notes = [row[-1]["note"]["a"] for row in rows if row[-1] and "note" in row[-1]]
    read = frame["extra"].str.json_path_match("$.note.a").drop_nulls().to_list()
    assert read == notes, (path, read)


def with_duckdb(module, path, columns, rows):
    quoted = "'" + path.replace("'", "''") + "'"
    found = module.sql(f"SELECT * FROM {quoted}")
    assert found.columns == whole(path, columns), found.columns
    compare("duckdb", path, found.columns, rows, found.fetchall(), texts(columns))
    for at, (name, kind) in enumerate(columns):
        values = sorted({row[at] for row in rows if row[at] is not None}) if kind in FLOATS else []
        for value in values[:3] + values[-3:]:
            wanted = sum(row[at] is not None and row[at] >= value for row in rows)
            found = module.sql(f"SELECT count(*) FROM {quoted} WHERE {name} >= '{value!r}'::DOUBLE").fetchall()
            assert found == [(wanted,)], (path, name, value, found, wanted)
    notes = [row[-1]["note"]["a"] for row in rows if row[-1] and "note" in row[-1]]
    read = module.sql(f"SELECT extra::JSON ->> '$.note.a' FROM {quoted} WHERE extra LIKE '%note%'").fetchall()
    assert [note for note, in read] == notes, (path, read)


def plain(value):
    """A cell of pandas as Python has it."""
    value = value.tolist() if hasattr(value, "tolist") else value
    missing = type(value).__name__ == "NAType" or isinstance(value, float) and math.isnan(value)
    return None if missing else value


def in_pandas(who, path, columns, rows, frame):
    assert list(frame.columns) == whole(path, columns) and len(frame) == len(rows), (who, path, frame.shape)
    for at, (name, kind) in enumerate(columns):
        if kind.startswith("list") or name in texts(columns):
            continue
        for got, row in zip(frame[name], rows):
            got, wanted = plain(got), row[at]
            # An int column with nulls is one of floats there.
            wanted = float(wanted) if isinstance(got, float) and wanted is not None else wanted
            assert same(got, wanted), (who, path, name, got, wanted)


def with_pandas(module, path, columns, rows):
    in_pandas("pandas", path, columns, rows, module.read_parquet(path, engine="pyarrow"))


def with_fastparquet(module, path, columns, rows):
    file = module.ParquetFile(path)
    in_pandas("fastparquet", path, columns, rows, file.to_pandas())
    for at, (name, kind) in enumerate(columns):
        values = [row[at] for row in rows if row[at] is not None] if kind in FLOATS else []
        if values:
            found = file.statistics["min"][name], file.statistics["max"][name]
            assert found == ([min(values)], [max(values)]), (path, name, found)


def main(dataset):
    readers = {"pyarrow": with_pyarrow, "polars": with_polars, "duckdb": with_duckdb, "pandas": with_pandas, "fastparquet": with_fastparquet}
    here = {name: importlib.import_module(name) for name in readers if importlib.util.find_spec(name)}
    folders = sorted(glob.glob(os.path.join(glob.escape(dataset), "*", "*")))
    for name, module in here.items():
        for folder in folders:
            for stem, columns, rows in tables_of(folder):
                readers[name](module, os.path.join(folder, stem + ".parquet"), columns, rows)
        if name == "polars":
            # All runs at once, by one pattern.
            options = {"extra_columns": "ignore"} if tuple(map(int, module.__version__.split(".")[:2])) >= (1, 31) else {}
            everything = module.scan_parquet(os.path.join(dataset, "*", "*", "steps.parquet"), **options)
            assert everything.select("experiment", "run_id").unique().collect().height == len(folders)
        print(f"{name}=={module.__version__}")


main(sys.argv[1])
