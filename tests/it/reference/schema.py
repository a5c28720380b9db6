"""`schema.json`: which columns the rows of a run have."""

import math
import re

from .numbers import FLOATS, INTEGERS, NUMBERS, as_float, as_integer, is_number
from .text import Fault, parse_json

MOST_BYTES = 64 << 10
MOST_COLUMNS = 256
MOST_ELEMENTS = 4096
MOST_NESTED = 16

DTYPES = {"bool", "string", "json", "file"} | NUMBERS
CORE = {
    "episode_id", "step", "terminated", "truncated", "run_id", "schema_version", "total_steps", "total_reward",
    "experiment", "episode_index", "extra",
}  # fmt: skip
FIELDS = {
    "steps": {"episode_id", "step", "terminated", "truncated", "run_id", "schema_version", "total_reward"},
    "episodes": {"episode_id", "total_steps", "terminated", "truncated", "run_id", "schema_version", "total_reward"},
}
FIXED = {
    "steps": {"reward": "float64", "ts": "float64", "seed": "int64", "agent": "string"},
    "episodes": {"success": "bool", "duration_ms": "float64", "agent": "string"},
}
TOP = {"format", "steps", "episodes", "reset_rows", "plot", "name", "description"}
KEYS = {"dtype", "shape", "path", "nullable", "min", "max", "finite", "enum", "unit", "description"}
EPISODE_KEYS = KEYS | {"equals", "metrics"}

NAME = re.compile(r"[A-Za-z0-9_]+")
EQUALS = re.compile(r"(sum|mean|min|max|first|last|any)\(([A-Za-z0-9_]+)\)")
PATH = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[[0-9]+\])*")
PATH_PART = re.compile(r"\[([0-9]+)\]|([^.\[\]]+)")


class Invalid(Exception):
    """The schema breaks a rule."""


def require(condition, reason):
    if not condition:
        raise Invalid(reason)


class Column:
    """One declared column."""

    def __init__(self, table, name, keys):
        self.name = name
        where = f"{table}.{name}"
        require(NAME.fullmatch(name), f"{where}: the name")
        require(name not in CORE, f"{where}: a core field")
        require(isinstance(keys, dict), f"{where}: not an object")
        unknown = set(keys) - (EPISODE_KEYS if table == "episodes" else KEYS)
        require(not unknown, f"{where}: unknown {sorted(unknown)}")
        self.dtype = keys.get("dtype")
        require(isinstance(self.dtype, str) and self.dtype in DTYPES, f"{where}: dtype")
        require(self.dtype != "file" or table == "episodes", f"{where}: a file of a step")
        self.shape = read_shape(keys["shape"], where) if "shape" in keys else None
        require(self.shape is None or self.dtype not in ("json", "file"), f"{where}: shape of {self.dtype}")
        fixed = FIXED[table].get(name)
        require(fixed is None or (self.dtype == fixed and self.shape is None), f"{where}: must be {fixed}")
        self.path = read_path(keys["path"], where) if "path" in keys else (name,)
        require(self.path[0] not in FIELDS[table], f"{where}: its path starts at a field of every row")
        for key in ("nullable", "finite"):
            require(isinstance(keys.get(key, False), bool), f"{where}: {key}")
        for key in ("unit", "description"):
            require(isinstance(keys.get(key, ""), str), f"{where}: {key}")
        self.nullable = keys.get("nullable", False)
        self.finite = keys.get("finite", True)
        require("finite" not in keys or self.dtype in FLOATS, f"{where}: finite of {self.dtype}")
        require(not self.nullable or table == "episodes" or name != "agent", f"{where}: nullable")
        self.low, self.high = (self.read_bound(keys[key], where) if key in keys else None for key in ("min", "max"))
        require(self.low is None or self.high is None or self.low <= self.high, f"{where}: min over max")
        self.enum = keys.get("enum")
        if "enum" in keys:
            require(self.dtype == "string", f"{where}: enum of {self.dtype}")
            require(isinstance(self.enum, list) and self.enum, f"{where}: enum")
            require(all(isinstance(text, str) for text in self.enum), f"{where}: enum")
            require(len(set(self.enum)) == len(self.enum), f"{where}: enum")
        self.equals = None
        if "equals" in keys:
            require(isinstance(keys["equals"], str), f"{where}: equals")
            self.equals = EQUALS.fullmatch(keys["equals"])
            require(self.equals, f"{where}: equals")
            self.equals = self.equals.groups()
        if "metrics" in keys:
            metrics = keys["metrics"]
            require(isinstance(metrics, list), f"{where}: metrics")
            require(all(m in ("mean", "min", "max") for m in metrics if isinstance(m, str)), f"{where}: metrics")
            require(all(isinstance(m, str) for m in metrics), f"{where}: metrics")
            require(len(set(metrics)) == len(metrics), f"{where}: metrics")
            require(self.dtype in NUMBERS | {"bool"} and self.shape is None, f"{where}: metrics of {self.dtype}")

    def read_bound(self, value, where):
        require(is_number(value), f"{where}: a bound that is no number")
        require(self.dtype in NUMBERS, f"{where}: a bound of {self.dtype}")
        if self.dtype in FLOATS:
            bound = as_float(value, self.dtype)
            require(bound is not None and math.isfinite(bound), f"{where}: a bound beyond {self.dtype}")
            return bound
        bound = as_integer(value)
        least, most = INTEGERS[self.dtype]
        require(bound is not None and least <= bound <= most, f"{where}: a bound beyond {self.dtype}")
        return bound


def read_shape(shape, where):
    require(isinstance(shape, list) and shape, f"{where}: shape")
    require(all(type(size) is int for size in shape) and len(shape) <= MOST_NESTED, f"{where}: shape")
    require(shape == [-1] or all(size > 0 for size in shape), f"{where}: shape")
    require(math.prod(shape) <= MOST_ELEMENTS, f"{where}: over {MOST_ELEMENTS} elements")
    return tuple(shape)


def read_path(path, where):
    if isinstance(path, str):
        require(PATH.fullmatch(path), f"{where}: path")
        path = [int(index) if index else key for index, key in PATH_PART.findall(path)]
    require(isinstance(path, list) and path, f"{where}: path")
    for part in path:
        is_index = isinstance(part, int) and not isinstance(part, bool) and part >= 0
        require(isinstance(part, str) or is_index, f"{where}: path")
    require(isinstance(path[0], str) and len(path) <= MOST_NESTED, f"{where}: path")
    return tuple(path)


def kind(column):
    return "int" if column.dtype in INTEGERS else "float" if column.dtype in FLOATS else column.dtype


def is_utf8(value):
    """Whether no text in a JSON value holds a lone surrogate."""
    if isinstance(value, dict):
        return all(is_utf8(key) and is_utf8(member) for key, member in value.items())
    if isinstance(value, list):
        return all(map(is_utf8, value))
    return not isinstance(value, str) or not any("\ud800" <= c <= "\udfff" for c in value)


class Node:
    """An object or an array of the rows; its children are nodes and columns."""

    def __init__(self):
        self.is_array = None
        self.children = {}

    def insert(self, column):
        node = self
        for depth, key in enumerate(column.path):
            require(isinstance(node, Node), f"{column.name}: goes through another column")
            is_array = isinstance(key, int)
            require(node.is_array in (None, is_array), f"{column.name}: both an object and an array")
            node.is_array = is_array
            if depth == len(column.path) - 1:
                require(key not in node.children, f"{column.name}: where another column is")
                node.children[key] = column
            else:
                node = node.children.setdefault(key, Node())

    def check_arrays(self):
        if self.is_array:
            require(sorted(self.children) == list(range(len(self.children))), "a hole in an array of columns")
        for child in self.children.values():
            if isinstance(child, Node):
                child.check_arrays()

    def columns(self):
        for child in self.children.values():
            yield from child.columns() if isinstance(child, Node) else [child]


class Table:
    """The columns of one kind of row."""

    def __init__(self, name, declared):
        require(isinstance(declared, dict), f"{name}: not an object")
        require(len(declared) <= MOST_COLUMNS, f"{name}: too many columns")
        self.columns = {column: Column(name, column, keys) for column, keys in declared.items()}
        # Some databases know no difference of case.
        require(
            len({column.lower() for column in declared}) == len(declared), f"{name}: names that differ in case alone"
        )
        self.root = Node()
        for column in self.columns.values():
            self.root.insert(column)
        self.root.check_arrays()


class Schema:
    """What `schema.json` declares."""

    def __init__(self, data):
        require(len(data) <= MOST_BYTES, "over 64 KiB")
        try:
            declared = parse_json(data)
        except Fault as fault:
            raise Invalid(str(fault)) from None
        require(isinstance(declared, dict), "not an object")
        require(is_utf8(declared), "a lone surrogate")
        require("steps" in declared, "no steps")
        require(not set(declared) - TOP, f"unknown {sorted(set(declared) - TOP)}")
        require(type(declared.get("format")) is int and declared["format"] == 1, "format")
        require(isinstance(declared.get("reset_rows", False), bool), "reset_rows")
        self.reset_rows = declared.get("reset_rows", False)
        for key in ("name", "description"):
            require(isinstance(declared.get(key, ""), str), key)
        self.steps = Table("steps", declared["steps"])
        self.episodes = Table("episodes", declared.get("episodes", {}))
        for column in self.episodes.columns.values():
            if column.equals:
                self.check_equals(column)
        if "plot" in declared:
            self.check_plot(declared["plot"])
        self.has_agents = "agent" in self.steps.columns
        self.has_reward = "reward" in self.steps.columns
        if self.has_agents and "agent" not in self.episodes.columns:
            taken = any(column.path[0] == "agent" for column in self.episodes.columns.values())
            require(not taken, "the agent of an episode is where another column is")

    def check_equals(self, column):
        function, name = column.equals
        of = self.steps.columns.get(name)
        require(of is not None, f"{column.name}: equals of no column")
        require(column.shape is None and of.shape is None, f"{column.name}: equals of a list")
        kinds = (kind(of), kind(column))
        if function == "any":
            good = kinds == ("bool", "bool")
        elif function in ("first", "last"):
            good = kinds[0] == kinds[1]
        elif function in ("min", "max"):
            good = kinds in (("int", "int"), ("float", "float"))
        else:
            good = kinds in (("int", "float"), ("float", "float")) or (function == "sum" and kinds == ("int", "int"))
        require(good, f"{column.name}: equals of {of.dtype}")

    def check_plot(self, plot):
        require(isinstance(plot, dict) and not set(plot) - {"path", "lines"}, "plot")
        for key, names in plot.items():
            require(isinstance(names, list), f"plot.{key}")
            for name in names:
                column = self.steps.columns.get(name) if isinstance(name, str) else None
                require(column and column.dtype in NUMBERS and column.shape is None, f"plot.{key}: {name!r}")
        require(len(plot.get("path", "xy")) == 2, "plot.path")
