"""One value of a declared column, or one list or object around such values."""

import json
import math
import struct

from .enrich import NUMBERS, rounded
from .run import Skip, dumps, find, has, is_used, put, raw, remove

FAULTS = []
INTEGERS = NUMBERS[:-2]


def fault(function):
    FAULTS.append(function)
    return function


def limits(dtype):
    bits = int(dtype.strip("uint"))
    return (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


class Place:
    """A value of a declared column in a row."""

    def __init__(self, run, dice, fits):
        places = []
        for table in ("steps", "episodes"):
            for name, keys in run.columns(table).items():
                if fits(keys):
                    places.append((table, name, keys))
        if not places:
            raise Skip
        self.run = run
        self.table, self.name, self.keys = dice.choice(places)
        self.path = run.path(self.table, self.name)
        numbers = [n for n, row in enumerate(run.rows(self.table)) if has(row, self.path)]
        numbers = [n for n in numbers if find(json.loads(getattr(run, self.table)[n]), self.path) is not None]
        if not numbers:
            raise Skip
        self.number = dice.choice(numbers)
        self.row = json.loads(getattr(run, self.table)[self.number])
        self.is_reset = self.table == "steps" and self.row["step"] == 0
        self.nullable = keys_nullable(self.keys) or self.is_reset

    def errors_unless_nullable(self, code):
        if not self.nullable or self.name == "agent":
            return [code]
        # `first` may have taken it.
        return None if is_used(self.run, self.name) else []

    def get(self):
        return find(self.row, self.path)

    def set(self, value):
        put(self.row, self.path, value)
        getattr(self.run, self.table)[self.number] = dumps(self.row)
        return f"{self.table} {self.number}: {self.name} = {str(value)[:80]!r}"


def keys_nullable(keys):
    return keys.get("nullable", False)


def is_scalar(keys):
    return "shape" not in keys and keys["dtype"] not in ("json", "file")


def wrong_values(dtype):
    if dtype == "bool":
        return [0, 1, "true", "", [], {}, [True]]
    if dtype in ("string", "file"):
        return [1, 1.5, True, [], {}, ["x"], math.nan]
    if dtype in INTEGERS:
        return ["1", True, False, [], {}, 1.5, -0.1, raw("1e-3"), [1], raw("1e-400000")]
    return ["1.0", True, False, "", [], {}, "NaN", "inf", [1.0]]


@fault
def wrong_type(run, dice):
    place = Place(run, dice, lambda keys: keys["dtype"] != "json")
    values = wrong_values(place.keys["dtype"])
    if "shape" in place.keys:
        values = ["x", 1, 1.5, True, {}, {"0": 1}, "[]"]
    value = dice.choice(values)
    if value == raw("1e-400000"):
        # Rounds to 0, an int.
        return place.set(value), None
    return place.set(value), ["wrong_type"]


@fault
def null(run, dice):
    place = Place(run, dice, lambda keys: keys["dtype"] != "json")
    return place.set(None), place.errors_unless_nullable("wrong_type")


@fault
def null_of_json(run, dice):
    """A value like any other."""
    place = Place(run, dice, lambda keys: keys["dtype"] == "json")
    return place.set(None), []


@fault
def absent(run, dice):
    place = Place(run, dice, lambda keys: True)
    in_array = isinstance(place.path[-1], int)
    remove(place.row, place.path)
    getattr(run, place.table)[place.number] = dumps(place.row)
    errors = ["wrong_shape"] if in_array else place.errors_unless_nullable("missing_field")
    return f"{place.name} of {place.table} {place.number}", errors


@fault
def beyond_the_type(run, dice):
    place = Place(run, dice, lambda keys: keys["dtype"] in NUMBERS and is_scalar(keys))
    dtype = place.keys["dtype"]
    if dtype == "float64":
        value = raw("-" * dice.randrange(2) + dice.choice(["1" + "0" * 309, "9" * 400]))
    elif dtype == "float32":
        value = dice.choice([1e39, -1e39, raw("3.4028236e38"), raw("-3.5e38"), 10**39, 1e308])
    else:
        low, high = limits(dtype)
        value = dice.choice(
            [low - 1, high + 1, 10**30, raw("1e30"), raw("-1e19"), raw(f"{high + 1}.0"), raw("9" * 5000)]
        )
    return place.set(value), ["out_of_range"]


@fault
def at_the_edge_of_the_type(run, dice):
    bounded = ("min", "max", "enum")
    place = Place(
        run, dice, lambda keys: keys["dtype"] in NUMBERS and is_scalar(keys) and not any(b in keys for b in bounded)
    )
    dtype = place.keys["dtype"]
    if dtype == "float64":
        value = dice.choice([1.7976931348623157e308, 5e-324, 2**64, 2**63, 10**22, raw("1e-999"), 10**100, 10**308])
    elif dtype == "float32":
        value = dice.choice([raw("3.4028235e38"), raw("3.4028235677973362e38"), 1e-46, 2**64, 16777217, raw("1e-999")])
    else:
        low, high = limits(dtype)
        value = dice.choice([low, high, raw("3.0"), raw("-0.0"), raw("0e5"), raw("1e1"), raw("120e-1"), raw("5E+0")])
    return place.set(value), None


@fault
def beyond_a_bound(run, dice):
    place = Place(run, dice, lambda keys: is_scalar(keys) and ("min" in keys or "max" in keys))
    keys = place.keys
    bound = dice.choice([key for key in ("min", "max") if key in keys])
    sign = 1 if bound == "max" else -1
    edge = keys[bound]
    if keys["dtype"] in INTEGERS:
        value = edge + sign * dice.choice([1, 2, 50])
    elif keys["dtype"] == "float32":
        bits = struct.unpack("<i", struct.pack("<f", edge))[0]
        step = sign if edge > 0 else -sign
        value = struct.unpack("<f", struct.pack("<i", bits + step))[0] if edge else sign * 1e-30
    else:
        value = math.nextafter(edge, sign * math.inf)
    if place.name == "duration_ms" or dice.random() < 0.3:
        value = edge + sign * 10
    return place.set(value), ["out_of_range"]


@fault
def at_a_bound(run, dice):
    place = Place(run, dice, lambda keys: is_scalar(keys) and ("min" in keys or "max" in keys))
    edge = place.keys[dice.choice([key for key in ("min", "max") if key in place.keys])]
    values = [edge]
    if place.keys["dtype"] == "float32" and edge:
        # Differs as a double, and not in 32 bits.
        values += [math.nextafter(rounded(edge), math.inf), math.nextafter(rounded(edge), -math.inf)]
    return place.set(dice.choice(values)), None


@fault
def not_in_the_enum(run, dice):
    place = Place(run, dice, lambda keys: "enum" in keys and is_scalar(keys))
    return place.set(dice.choice(["", "In", "in ", "nowhere", "\0"])), ["out_of_range"]


@fault
def not_finite(run, dice):
    place = Place(run, dice, lambda keys: keys["dtype"] in NUMBERS and is_scalar(keys))
    value = dice.choice([math.nan, math.inf, -math.inf, raw("1e400"), raw("-1E+999"), raw("1" + "0" * 310 + ".5")])
    if place.keys.get("finite", True):
        return place.set(value), ["non_finite"]
    return place.set(value), None


def change_element(value, dice, make):
    """Puts something else in the place of an element of nested lists, which must have one."""
    while True:
        if not value:
            raise Skip
        at = dice.randrange(len(value))
        if not isinstance(value[at], list):
            value[at] = make(value[at])
            return
        value = value[at]


@fault
def element_of_the_wrong_type(run, dice):
    place = Place(run, dice, lambda keys: "shape" in keys)
    wrong = [w for w in wrong_values(place.keys["dtype"]) if not isinstance(w, list) and w != raw("1e-400000")]
    value = place.get()
    change_element(value, dice, lambda _: dice.choice(wrong))
    return place.set(value), ["wrong_type"]


@fault
def element_null(run, dice):
    place = Place(run, dice, lambda keys: "shape" in keys)
    value = place.get()
    change_element(value, dice, lambda _: None)
    return place.set(value), ["wrong_type"] if place.keys.get("finite", True) else []


@fault
def element_out_of_range(run, dice):
    place = Place(
        run, dice, lambda keys: "shape" in keys and (keys["dtype"] in ("float32", *INTEGERS) or "max" in keys)
    )
    value, keys = place.get(), place.keys
    wrong = [keys["max"] + 1] if "max" in keys else []
    wrong += [1e39, -1e39] if keys["dtype"] == "float32" else []
    wrong += [limits(keys["dtype"])[0] - 1, 10**20] if keys["dtype"] in INTEGERS else []
    for _ in range(dice.choice([1, 1, 5])):
        change_element(value, dice, lambda _: dice.choice(wrong))
    return place.set(value), ["out_of_range"]


@fault
def element_not_finite(run, dice):
    place = Place(run, dice, lambda keys: "shape" in keys and keys["dtype"] in ("float32", "float64"))
    value = place.get()
    change_element(value, dice, lambda _: dice.choice([math.nan, -math.inf, raw("1e999")]))
    return place.set(value), ["non_finite"] if place.keys.get("finite", True) else []


@fault
def other_shape(run, dice):
    place = Place(run, dice, lambda keys: "shape" in keys)
    value = place.get()
    element = value
    while isinstance(element, list) and element:
        element = element[0]
    changes = [
        lambda v: [v],
        lambda v: [[e] if not isinstance(e, list) else e for e in v] or [[]],
        lambda v: [*v, [element]],
    ]
    if place.keys["shape"] == [-1]:
        changes.append(lambda v: [element if v else 0] * 5000)
    else:
        changes += [
            lambda v: v[:-1],
            lambda v: v + v[:1],
            lambda v: [],
            lambda v: [e[:-1] if isinstance(e, list) and at == 0 else e for at, e in enumerate(v)] + [element],
        ]
        if len(place.keys["shape"]) > 1:
            changes += [
                lambda v: [e for part in v for e in part],
                lambda v: [element, *v[1:]],
                lambda v: [*v[1:], None],
            ]
    changed = dice.choice(changes)(value)
    return place.set(changed), None if changed == value else ["wrong_shape"]


def container(run, dice, kind=None):
    """A list or an object of a row that holds declared values: table, number, row, path, its columns."""
    found = []
    for table in ("steps", "episodes"):
        for name in run.columns(table):
            path = run.path(table, name)
            for depth in range(1, len(path)):
                found.append((table, path[:depth]))
    if not found:
        raise Skip
    table, path = dice.choice(found)
    numbers = [n for n, row in enumerate(run.rows(table)) if has(row, path) and find(row, path) is not None]
    if not numbers:
        raise Skip
    number = dice.choice(numbers)
    row = json.loads(getattr(run, table)[number])
    if kind and not isinstance(find(row, path), kind):
        raise Skip
    inside = [keys for name, keys in run.columns(table).items() if run.path(table, name)[: len(path)] == path]
    lenient = all(map(keys_nullable, inside)) or table == "steps" and row["step"] == 0
    return table, number, row, path, lenient


@fault
def container_changed(run, dice):
    table, number, row, path, lenient = container(run, dice)
    what = dice.choice(["null", "absent", "text", "number", "other"])
    if what == "absent":
        if isinstance(path[-1], int):
            raise Skip
        remove(row, path)
        errors = [] if lenient else ["missing_field"]
    else:
        old = find(row, path)
        other = {str(at): e for at, e in enumerate(old)} if isinstance(old, list) else list(old.values())
        put(row, path, {"null": None, "text": "x", "number": 0, "other": other}[what])
        errors = [] if lenient and what == "null" else ["wrong_type"]
    if not errors and any(is_used(run, name) for name in run.columns("steps")):
        # `first` may have taken a value of it.
        errors = None
    getattr(run, table)[number] = dumps(row)
    return f"{table} {number}: {path} {what}", errors


@fault
def list_of_columns_of_another_length(run, dice):
    table, number, row, path, _ = container(run, dice, list)
    value = find(row, path)
    put(row, path, dice.choice([value[:-1], value + value[-1:], [], value + [None]]))
    getattr(run, table)[number] = dumps(row)
    return f"{table} {number}: {path}", ["wrong_shape"]


@fault
def object_with_more(run, dice):
    table, number, row, path, _ = container(run, dice, dict)
    find(row, path)[dice.choice(["more", "", "a.c"])] = dice.choice([1, None, {"x": [1]}])
    getattr(run, table)[number] = dumps(row)
    return f"{table} {number}: {path}", []


@fault
def deep_json(run, dice):
    place = Place(run, dice, lambda keys: keys["dtype"] == "json")
    value = 1
    for _ in range(300):
        value = dice.choice([[value], {"a": value}])
    place.set(value)
    return f"{place.table} {place.number}", []


@fault
def long_text(run, dice):
    place = Place(run, dice, lambda keys: keys["dtype"] == "string" and is_scalar(keys) and "enum" not in keys)
    return place.set("é" * dice.choice([1000, 100_000])), None


@fault
def lone_surrogate(run, dice):
    place = Place(run, dice, lambda keys: keys["dtype"] == "string" and is_scalar(keys) and "enum" not in keys)
    return place.set(dice.choice(["\ud800", "x\udfff", "\udc00\ud800"])), ["invalid_utf8"]
