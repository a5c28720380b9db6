"""`schema.json`: what it may not say, what it may say, and what the rows do not fit."""

import json
import math

from .enrich import NUMBERS
from .run import Skip, dumps, is_used, raw

FAULTS = []


def fault(function):
    FAULTS.append(function)
    return function


def a_column(run, dice, fits=lambda keys: True, table=None):
    columns = [
        (each, name)
        for each in ([table] if table else ["steps", "episodes"])
        for name, keys in run.columns(each).items()
        if fits(keys)
    ]
    if not columns:
        raise Skip
    table, name = dice.choice(columns)
    return f"{table}.{name}", run.columns(table)[name]


def is_number(keys):
    return keys["dtype"] in NUMBERS


FIXED = ("reward", "ts", "seed", "agent", "success", "duration_ms")


@fault
def text_of_any_sort(run, dice):
    text = dumps(run.schema)
    values = [b"", b"{", b"[]", b"null", b"3", b"{}", b"\xff" + text, b"\xef\xbb\xbf" + text, text[:-1], text + b"x"]
    run.schema = dice.choice(values)
    return repr(run.schema[:20]), ["invalid_schema"]


@fault
def too_long(run, dice):
    run.schema["description"] = "x" * dice.choice([64 << 10, 100_000])
    return "", ["invalid_schema"]


@fault
def long(run, dice):
    run.schema["description"] = "x" * 50_000
    return "", []


@fault
def format_changed(run, dice):
    value = dice.choice([0, 2, "1", None, 1.5, raw("1.0"), True, [1], "absent"])
    run.schema["format"] = value
    if value == "absent":
        del run.schema["format"]
    return repr(value), ["invalid_schema"]


@fault
def key_of_the_schema(run, dice):
    name, value = dice.choice(
        [
            ("step", {}),
            ("Steps", {}),
            ("version", 1),
            ("reset_row", True),
            ("$schema", "x"),
            ("steps", []),
            ("steps", 3),
        ]
        + [("episodes", None), ("episodes", "x"), ("reset_rows", 1), ("reset_rows", "true"), ("reset_rows", None)]
        + [("name", 3), ("description", ["x"]), ("plot", []), ("plot", None), ("metrics", ["mean"])]
    )
    run.schema[name] = value
    return f"{name} = {value!r}", ["invalid_schema"]


@fault
def words_of_the_schema(run, dice):
    run.schema[dice.choice(["name", "description"])] = dice.choice(["", "A pole on a cart", "é\n\0", "\\"])
    return "", []


@fault
def plot_changed(run, dice):
    lines = [name for name, keys in run.columns("steps").items() if is_number(keys) and "shape" not in keys]
    if len(lines) < 2:
        raise Skip
    value, errors = dice.choice(
        [({"lines": ["nothing"]}, ["invalid_schema"]), ({"path": ["nothing", lines[0]]}, ["invalid_schema"])]
        + [({"path": lines[:1]}, ["invalid_schema"]), ({"line": lines}, ["invalid_schema"])]
        + [({"lines": lines[0]}, ["invalid_schema"]), ({"lines": [3]}, ["invalid_schema"])]
        + [({"lines": lines[:2]}, []), ({"path": lines[:2], "lines": lines[:1]}, []), ({}, [])]
    )
    run.schema["plot"] = value
    return json.dumps(value), errors


@fault
def key_of_a_column(run, dice):
    name, keys = a_column(run, dice)
    key, value = dice.choice(
        [("type", "x"), ("Dtype", "bool"), ("required", True), ("default", 0), ("minimum", 0), ("optional", False)]
        + [("nullable", 1), ("nullable", None), ("finite", "no"), ("finite", 0), ("unit", 3), ("unit", None)]
        + [
            ("description", {}),
            ("path", None),
            ("path", 3),
            ("path", {}),
            ("shape", None),
            ("shape", 4),
            ("shape", "[4]"),
        ]
        + [("enum", None), ("enum", "in"), ("min", "0"), ("max", True), ("min", None), ("max", [1])]
    )
    keys[key] = value
    return f"{name}: {key} = {value!r}", ["invalid_schema"]


@fault
def column_that_is_no_object(run, dice):
    table = dice.choice(["steps", "episodes"])
    run.columns(table)["another"] = dice.choice([None, "float64", [], 3, True, {}])
    return table, ["invalid_schema"]


@fault
def dtype_unknown(run, dice):
    name, keys = a_column(run, dice)
    keys["dtype"] = dice.choice(
        [
            "uint64",
            "float",
            "float16",
            "int",
            "str",
            "Bool",
            "object",
            "datetime",
            "",
            None,
            3,
            ["int8"],
            "int128",
            "file ",
        ]
    )
    return f"{name}: {keys['dtype']!r}", ["invalid_schema"]


@fault
def dtype_gone(run, dice):
    name, keys = a_column(run, dice)
    del keys["dtype"]
    return name, ["invalid_schema"]


@fault
def file_of_a_step(run, dice):
    run.columns("steps")["frame"] = {"dtype": "file", "nullable": True}
    return "", ["invalid_schema"]


@fault
def name_of_a_column(run, dice):
    table = dice.choice(["steps", "episodes"])
    name = dice.choice(["", "a.b", "a b", "a-b", "a[0]", "$x", "a/b", "x\n", "a\0"])
    run.columns(table)[name] = {"dtype": "bool", "nullable": True, "path": "flag"}
    return f"{table}: {name!r}", ["invalid_schema"]


CORE = ["episode_id", "step", "terminated", "truncated", "run_id", "schema_version", "total_steps", "total_reward"]
CORE += ["experiment", "episode_index", "extra"]


@fault
def core_field_declared(run, dice):
    table, name = dice.choice(["steps", "episodes"]), dice.choice(CORE)
    run.columns(table)[name] = {"dtype": "json", "nullable": True, "path": "elsewhere"}
    return f"{table}: {name}", ["invalid_schema"]


@fault
def path_at_a_core_field(run, dice):
    table = dice.choice(["steps", "episodes"])
    fields = ["episode_id", "terminated", "truncated", "run_id", "schema_version", "total_reward"]
    fields.append("step" if table == "steps" else "total_steps")
    path = dice.choice([dice.choice(fields), [dice.choice(fields)], f"{dice.choice(fields)}.x", [dice.choice(fields), "x"]])
    run.columns(table)["another"] = {"dtype": "json", "nullable": True, "path": path}
    return f"{table}: {path!r}", ["invalid_schema"]


@fault
def fixed_name(run, dice):
    table, name, dtype = dice.choice(
        [
            ("steps", "reward", "float32"),
            ("steps", "ts", "int64"),
            ("steps", "seed", "string"),
            ("steps", "ts", "string"),
        ]
        + [("steps", "agent", "int64"), ("episodes", "success", "int8"), ("episodes", "duration_ms", "float32")]
        + [("steps", "seed", "uint32"), ("episodes", "success", "float64"), ("steps", "reward", "int64")]
    )
    run.columns(table)[name] = {"dtype": dtype}
    return f"{table}: {name} {dtype}", ["invalid_schema"]


@fault
def fixed_name_with_a_shape(run, dice):
    table, name, dtype = dice.choice(
        [("steps", "reward", "float64"), ("steps", "seed", "int64"), ("episodes", "success", "bool")]
    )
    run.columns(table)[name] = {"dtype": dtype, "shape": [1]}
    return f"{table}: {name}", ["invalid_schema"]


@fault
def path_that_is_none(run, dice):
    table = dice.choice(["steps", "episodes"])
    path = dice.choice(
        [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a[]",
            "a[-1]",
            "a[x]",
            "a]",
            "[0]",
            "[0].a",
            "a[0]b",
            "a.[0]",
            "a[0",
            "a[1.5]",
        ]
        + [[], [3], [0], ["a", -1], ["a", True], ["a", None], ["a", 1.5], [["a"]]]
    )
    run.columns(table)["another"] = {"dtype": "bool", "nullable": True, "path": path}
    return f"{table}: {path!r}", ["invalid_schema"]


@fault
def paths_that_meet(run, dice):
    table = dice.choice(["steps", "episodes"])
    one, other = dice.choice(
        [("zz", "zz"), ("zz", "zz.a"), ("zz.a", "zz"), ("zz[0]", "zz[0]"), ("zz[0]", "zz"), ("zz.a", "zz[0]")]
        + [("zz.a.b", ["zz", "a"]), ("zz.a", ["zz", "a"]), ("zz[0].a", "zz[0]")]
    )
    for name, path in (("p1", one), ("p2", other)):
        run.columns(table)[name] = {"dtype": "json", "nullable": True, "path": path}
    return f"{table}: {one!r}, {other!r}", ["invalid_schema"]


@fault
def array_with_a_hole(run, dice):
    table = dice.choice(["steps", "episodes"])
    numbers = dice.choice([[1], [0, 2], [1, 2], [0, 1, 3], [4095], [0, 2**31], [2**40]])
    for number in numbers:
        run.columns(table)[f"h{number}"] = {"dtype": "bool", "nullable": True, "path": f"hole[{number}]"}
    return f"{table}: {numbers}", ["invalid_schema"]


@fault
def shape_that_is_none(run, dice):
    name, keys = a_column(run, dice, lambda keys: keys["dtype"] not in ("json", "file"))
    keys["shape"] = dice.choice(
        [[], [0], [-1, 3], [3, -1], [-2], [1.5], ["4"], [None], [True], [[4]], [4097], [64, 65]]
    )
    return f"{name}: {keys['shape']}", ["invalid_schema"]


@fault
def shape_of_what_has_none(run, dice):
    run.columns("episodes")["another"] = {"dtype": dice.choice(["json", "file"]), "shape": [2], "nullable": True}
    return "", ["invalid_schema"]


@fault
def bounds_that_are_none(run, dice):
    dtype, bounds = dice.choice(
        [("int8", {"min": 5, "max": 4}), ("float64", {"min": 1.5, "max": 1.25}), ("int8", {"min": 0.5})]
        + [("uint8", {"min": -1}), ("int8", {"max": 128}), ("int64", {"max": 2**63}), ("float32", {"max": 1e39})]
        + [("float64", {"max": math.inf}), ("float64", {"min": math.nan}), ("float64", {"max": raw("1e400")})]
        + [("string", {"min": 0}), ("bool", {"max": 1}), ("json", {"min": 0})]
    )
    run.columns("steps")["another"] = {"dtype": dtype, "nullable": True, **bounds}
    return f"{dtype}: {bounds}", ["invalid_schema"]


@fault
def enum_that_is_none(run, dice):
    dtype, enum = dice.choice(
        [("int8", [1]), ("float64", ["a"]), ("bool", ["true"]), ("json", ["a"]), ("string", [1])]
        + [("string", ["a", None]), ("string", {}), ("string", []), ("string", [["a"]])]
    )
    run.columns("steps")["another"] = {"dtype": dtype, "nullable": True, "enum": enum}
    return f"{dtype}: {enum}", ["invalid_schema"]


@fault
def not_finite_of_what_always_is(run, dice):
    dtype = dice.choice(["int8", "string", "bool", "json"])
    run.columns("steps")["another"] = {"dtype": dtype, "nullable": True, "finite": False}
    return dtype, ["invalid_schema"]


@fault
def equals_that_is_none(run, dice):
    columns = run.columns("steps")
    columns["e_text"] = {"dtype": "string", "nullable": True}
    columns["e_flag"] = {"dtype": "bool", "nullable": True}
    columns["e_real"] = {"dtype": "float64", "nullable": True}
    columns["e_list"] = {"dtype": "float64", "nullable": True, "shape": [2]}
    dtype, equals = dice.choice(
        [("float64", "sum(nothing)"), ("float64", "sum"), ("float64", "sum()"), ("float64", "total(e_real)")]
        + [("float64", "Sum(e_real)"), ("float64", "sum(e_real) "), ("float64", "sum(e_real, e_real)"), ("float64", 3)]
        + [("float64", None), ("float64", ["sum", "e_real"]), ("string", "sum(e_text)"), ("float64", "mean(e_text)")]
        + [("float64", "max(e_list)"), ("float64", "last(e_list)"), ("bool", "any(e_real)"), ("bool", "last(e_real)")]
        + [("float64", "any(e_flag)"), ("string", "first(e_real)"), ("float64", "last(e_text)"), ("float64", "e_real")]
    )
    run.columns("episodes")["another"] = {"dtype": dtype, "nullable": True, "equals": equals}
    return f"{dtype}: {equals!r}", ["invalid_schema"]


@fault
def metrics_that_are_none(run, dice):
    dtype, metrics = dice.choice(
        [("float64", "mean"), ("float64", ["median"]), ("float64", [3]), ("float64", None), ("string", ["mean"])]
        + [("json", ["max"]), ("file", ["min"]), ("float64", {"mean": True})]
    )
    run.columns("episodes")["another"] = {"dtype": dtype, "nullable": True, "metrics": metrics}
    return f"{dtype}: {metrics!r}", ["invalid_schema"]


@fault
def key_of_episodes_in_steps(run, dice):
    name, keys = a_column(run, dice, table="steps")
    keys.update(dice.choice([{"metrics": ["mean"]}, {"equals": f"last({name.split('.')[1]})"}]))
    return name, ["invalid_schema"]


@fault
def too_many_columns(run, dice):
    for number in range(257):
        run.columns("steps")[f"many{number}"] = {"dtype": "bool", "nullable": True}
    return "", ["invalid_schema"]


@fault
def many_columns(run, dice):
    for number in range(200):
        run.columns("steps")[f"many{number}"] = {"dtype": "bool", "nullable": True}
    return "", []


@fault
def nullable_column_more(run, dice):
    table = dice.choice(["steps", "episodes"])
    path = dice.choice(["another", "zz.a.b", "zz[0]", ["zz", "a.b"], ["zz", 0, "x"]])
    dtype = dice.choice(["bool", "string", "json", *NUMBERS])
    run.columns(table)["another"] = {"dtype": dtype, "nullable": True, "path": path}
    return f"{table}: {path!r}", []


@fault
def column_more(run, dice):
    table = dice.choice(["steps", "episodes"])
    path = dice.choice(["another", "zz.a.b", "zz[0]", ["zz", "a.b"]])
    run.columns(table)["another"] = {"dtype": "bool", "path": path}
    return f"{table}: {path!r}", None if table == "steps" and run.schema.get("reset_rows") else ["missing_field"]


@fault
def column_less(run, dice):
    name, _ = a_column(run, dice)
    table, name = name.split(".")
    if name == "agent" or is_used(run, name) or isinstance(run.path(table, name)[-1], int):
        raise Skip
    if run.columns(table)[name]["dtype"] == "file" or name in json.dumps(run.schema.get("plot", "")):
        raise Skip
    del run.columns(table)[name]
    return f"{table}.{name}", []


@fault
def moved(run, dice):
    name, keys = a_column(run, dice)
    table, name = name.split(".")
    path = run.path(table, name)
    if isinstance(path[-1], int) or name == "agent":
        raise Skip
    keys["path"] = [*path[:-1], "moved"]
    return f"{table}.{name}", None


@fault
def bounds_that_are_tight(run, dice):
    name, keys = a_column(run, dice, lambda keys: keys["dtype"] in NUMBERS)
    keys.update(dice.choice([{"min": 100, "max": 101}, {"max": 0}, {"min": 1, "max": 1}]))
    return f"{name}: {keys}", None


@fault
def other_dtype(run, dice):
    name, keys = a_column(run, dice, lambda keys: "equals" not in keys and keys["dtype"] != "file")
    table, name = name.split(".")
    if name in FIXED or is_used(run, name) or name in json.dumps(run.schema.get("plot", "")):
        raise Skip
    for key in ("min", "max", "enum", "finite", "metrics"):
        keys.pop(key, None)
    kinds = ["bool", "string", *NUMBERS] + ([] if "shape" in keys else ["json"])
    keys["dtype"] = dice.choice(kinds)
    return f"{table}.{name}: {keys['dtype']}", None


@fault
def other_shape_declared(run, dice):
    name, keys = a_column(run, dice, lambda keys: "equals" not in keys and keys["dtype"] not in ("json", "file"))
    table, name = name.split(".")
    if name in FIXED or is_used(run, name) or name in json.dumps(run.schema.get("plot", "")):
        raise Skip
    keys.pop("metrics", None)
    shape = dice.choice([None, [1], [2], [3], [-1], [7, 7], [1, 1], [4096], [64, 64]])
    if shape is None:
        keys.pop("shape", None)
    else:
        keys["shape"] = shape
    return f"{table}.{name}: {shape}", None


@fault
def reset_rows_flag(run, dice):
    has_flag = run.schema.get("reset_rows", False)
    run.schema["reset_rows"] = not has_flag
    return str(not has_flag), ["out_of_range" if has_flag else "step_sequence"]


@fault
def enum_that_is_short(run, dice):
    name, keys = a_column(run, dice, lambda keys: "enum" in keys and "shape" not in keys)
    keys["enum"] = ["nothing"]
    return name, None


@fault
def order_of_columns(run, dice):
    for table in ("steps", "episodes"):
        columns = list(run.columns(table).items())
        dice.shuffle(columns)
        run.schema[table] = dict(columns)
    return "", []


@fault
def defaults_spelled_out(run, dice):
    for table in ("steps", "episodes"):
        for name, keys in run.columns(table).items():
            keys.setdefault("nullable", False)
            keys.setdefault("path", list(run.path(table, name)))
            keys.setdefault("unit", "m")
            keys.setdefault("description", "")
    return "", []


@fault
def numbers_as_floats(run, dice):
    """`30` and `30.0` are one number."""
    for table in ("steps", "episodes"):
        for keys in run.columns(table).values():
            for key in ("min", "max"):
                if isinstance(keys.get(key), int):
                    keys[key] = raw(f"{keys[key]}.0")
    return "", []


@fault
def path_of_another_form(run, dice):
    """A path as a list is the same path."""
    name, keys = a_column(run, dice)
    table, name = name.split(".")
    keys["path"] = list(run.path(table, name))
    return f"{table}.{name}", []
