"""Loads every table of an export with mlcroissant and with datasets, and compares each value with pyarrow's reading of the
runs' parquet files.

export_tables.py EXPORT croissant|datasets: prints the number of rows of each table as JSON, or says what differs. Every
parquet file of a run must be in exactly one table.
"""

import glob
import json
import math
import os
import sys

import pyarrow.parquet

STREAMS = ("steps", "episodes")


def same(a, b):
    if a is None and isinstance(b, float) and math.isnan(b):
        # pandas, by which mlcroissant reads, takes both for absent.
        return True
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or math.isnan(a) and math.isnan(b)
    return type(a) is type(b) and a == b


def rows_of_files(root, stream):
    """The rows of each run's file, by experiment and run."""
    tables = {}
    for path in glob.glob(os.path.join(glob.escape(root), "*", "*", f"{stream}.parquet"), include_hidden=True):
        rows = pyarrow.parquet.read_table(path).to_pylist()
        key = tuple(path.split(os.sep)[-3:-1])
        tables[key] = rows
    assert tables, root
    return tables


def compare(name, rows, tables):
    """Compares a table's rows with those of the files; removes the runs that it has."""
    by_run = {}
    for row in rows:
        by_run.setdefault((row["experiment"], row["run_id"]), []).append(row)
    for run, found in by_run.items():
        expected = tables.pop(run, None)
        assert expected is not None, f"{name} has the run {run}, which is no file's, or another table's"
        assert len(found) == len(expected), f"{name}, {run}: {len(found)} rows for {len(expected)}"
        for number, (a, b) in enumerate(zip(found, expected)):
            assert a.keys() == b.keys(), f"{name}, {run}: columns {sorted(a)} for {sorted(b)}"
            for column in b:
                assert same(a[column], b[column]), f"{name}, {run}, row {number}, {column}: {a[column]!r} for {b[column]!r}"


def plain(value):
    """A value of mlcroissant, which has texts as bytes and numbers of numpy, as pyarrow has it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if hasattr(value, "item") else value


def check_types(field, value):
    """The type that the document gives is the type of what is loaded."""
    import numpy

    kind = field.data_type
    values = value if isinstance(value, list) else [value]
    assert isinstance(value, list) == bool(field.is_array), field.id
    if field.is_array and field.array_shape_tuple != (-1,):
        assert math.prod(field.array_shape_tuple) == len(value), (field.id, field.array_shape, len(value))
    for item in values:
        assert item is None or type(item) in (kind, numpy.bool_ if kind is bool else kind), (field.id, kind, type(item))


def tables_of_croissant(root):
    import mlcroissant

    dataset = mlcroissant.Dataset(os.path.join(root, "croissant.json"))
    for record_set in dataset.metadata.record_sets:
        rows = []
        for record in dataset.records(record_set.id):
            row = {}
            for field in record_set.fields:
                value = record[field.id]
                if value is not None:
                    check_types(field, value)
                row[field.name] = plain(value)
            rows.append(row)
        yield record_set.id, rows


def tables_of_datasets(root):
    import datasets

    datasets.disable_progress_bars()
    names = datasets.get_dataset_config_names(root)
    for name in names:
        table = datasets.load_dataset(root, name, split="train")
        rows = table.to_list()
        streamed = list(datasets.load_dataset(root, name, split="train", streaming=True))
        assert len(streamed) == len(rows) and all(map(same_rows, streamed, rows)), f"{name} differs when it is streamed"
        yield name, rows
    # A table that is not named is the first one.
    assert datasets.get_dataset_default_config_name(root) == names[0], names
    unnamed, first = (datasets.load_dataset(root, *name, split="train").to_list() for name in ([], names[:1]))
    assert len(unnamed) == len(first) and all(map(same_rows, unnamed, first)), "the default is another table"


def same_rows(a, b):
    return a.keys() == b.keys() and all(same(a[column], b[column]) for column in a)


def main():
    root, reader = sys.argv[1:]
    tables = {"croissant": tables_of_croissant, "datasets": tables_of_datasets}[reader]
    left = {stream: rows_of_files(root, stream) for stream in STREAMS}
    counts = {}
    for name, rows in tables(root):
        compare(name, rows, left[name.rsplit("-", 1)[-1]])
        counts[name] = len(rows)
    missing = [f"{stream} of {run}" for stream in STREAMS for run in left[stream]]
    assert not missing, f"in no table: {missing}"
    print(json.dumps(counts))


if __name__ == "__main__":
    code = 0
    try:
        main()
    except AssertionError as error:
        print(f"differs: {error}", file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # The readers' threads can still run, and to end Python beside them can abort it.
    os._exit(code)
