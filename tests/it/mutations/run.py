"""A run in memory: its lines as bytes, to be changed one at a time and written."""

import copy
import gzip
import json
import os
import re

from reference.schema import read_path

RAW = "\x01raw:"


class Skip(Exception):
    """This fault does not apply to this run."""


def raw(token):
    """A value that is written as this token: `1e400`, `3.0`, `NaN`."""
    return RAW + token


def dumps(value, compact=False):
    text = json.dumps(value, separators=(",", ":") if compact else None)
    return re.sub(r'"\\u0001raw:([^"]*)"', r"\1", text).encode()


class MutableRun:
    """`meta` and `schema` are objects or bytes, `steps` and `episodes` lists of lines (`episodes` may be None), `files`
    the bytes of other files, or what is written in place of one of these (None: no such file).
    """

    def __init__(self, directory):
        def lines(name):
            with gzip.open(os.path.join(directory, name)) as file:
                return [line for line in file.read().splitlines() if line.strip()]

        with open(os.path.join(directory, "run.json"), "rb") as file:
            self.meta = json.load(file)
        with open(os.path.join(directory, "schema.json"), "rb") as file:
            self.schema = json.load(file)
        self.steps = lines("steps.jsonl.gz")
        self.episodes = lines("episodes.jsonl.gz")
        self.files = {}
        self.line_end = b"\n"

    def copy(self):
        return copy.deepcopy(self)

    def columns(self, table):
        return self.schema.setdefault(table, {})

    def path(self, table, name):
        keys = self.columns(table)[name]
        return read_path(keys["path"], name) if "path" in keys else (name,)

    def key(self, table, row):
        """Which episode a row belongs to."""
        if "agent" not in self.columns("steps"):
            return row["episode_id"], None
        path = self.path("steps", "agent") if table == "steps" else ("agent",)
        return row["episode_id"], find(row, path)

    def groups(self):
        """The numbers of the rows of each episode."""
        groups = {}
        for number, line in enumerate(self.steps):
            groups.setdefault(self.key("steps", json.loads(line)), []).append(number)
        return groups

    def rows(self, table="steps"):
        return [json.loads(line) for line in getattr(self, table)]

    def edit(self, table, number, change):
        """Changes one row: `change` gets it as an object."""
        lines = getattr(self, table)
        row = json.loads(lines[number])
        change(row)
        lines[number] = dumps(row)

    def zip_lines(self, lines):
        return gzip.compress(self.line_end.join(lines) + (self.line_end if lines else b""), compresslevel=1, mtime=0)

    def write(self, directory):
        os.makedirs(directory)
        files = {
            "run.json": self.meta if isinstance(self.meta, bytes) else dumps(self.meta),
            "schema.json": self.schema if isinstance(self.schema, bytes) else dumps(self.schema),
            "steps.jsonl.gz": self.zip_lines(self.steps),
        }
        if self.episodes is not None:
            files["episodes.jsonl.gz"] = self.zip_lines(self.episodes)
        files.update(self.files)
        for name, data in files.items():
            if data is not None:
                path = os.path.join(directory, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(data)


def find(row, path):
    """The value at a path; a KeyError if there is none."""
    for key in path:
        if isinstance(row, list):
            if not isinstance(key, int) or key >= len(row):
                raise KeyError(key)
            row = row[key]
        elif isinstance(row, dict):
            row = row[key]
        else:
            raise KeyError(key)
    return row


def has(row, path):
    try:
        find(row, path)
    except KeyError:
        return False
    return True


def put(row, path, value):
    """Sets a value; objects and lists on the way are made."""
    for key, after in zip(path, path[1:]):
        if isinstance(row, list):
            while len(row) <= key:
                row.append(None)
            if row[key] is None:
                row[key] = [] if isinstance(after, int) else {}
            row = row[key]
        else:
            row = row.setdefault(key, [] if isinstance(after, int) else {})
    if isinstance(row, list):
        while len(row) <= path[-1]:
            row.append(None)
    row[path[-1]] = value


def remove(row, path):
    parent = find(row, path[:-1])
    del parent[path[-1]]


def is_used(run, name):
    """Whether a summary is checked against this column."""
    return any(f"({name})" in keys.get("equals", "") for keys in run.columns("episodes").values())
