"""The fields that every row has or nobody knows, and lines that cannot be read."""

import json
import math

from .run import Skip, dumps, raw

FAULTS = []


def fault(function):
    FAULTS.append(function)
    return function


def any_row(run, dice):
    table = dice.choice(["steps", "steps", "episodes"])
    if not getattr(run, table):
        raise Skip
    return table, dice.randrange(len(getattr(run, table)))


@fault
def unknown_field(run, dice):
    table, number = any_row(run, dice)
    names = ["zzz", "x y", "", "experiment", "episode_index", "extra", "total_steps" if table == "steps" else "step"]
    name = dice.choice(names)
    value = dice.choice([1, None, "\ud800", [[]], {"a": math.nan}, 10**40, raw("1e400"), "x" * 70000])
    run.edit(table, number, lambda row: row.update({name: value}))
    return f"{table} {number}: {name!r}", []


@fault
def deep(run, dice):
    table, number = any_row(run, dice)
    depth = dice.choice([100, 900, 999, 1000, 1001, 5000, 100_000])
    left, right = dice.choice([("[", "]"), ('{"a": ', "}")])
    text = left * depth + "1" + right * depth
    line = getattr(run, table)[number].strip()
    getattr(run, table)[number] = b'{"deep": ' + text.encode() + b", " + line[1:]
    return f"{table} {number}: {depth} levels", ["invalid_json"] if depth >= 1000 else []


@fault
def core_field(run, dice):
    table, number = any_row(run, dice)
    name = dice.choice(["episode_id", "terminated", "truncated", "step" if table == "steps" else "total_steps"])
    wrong = {
        "episode_id": [None, 5, ["x"], True],
        "terminated": [None, 0, 1, "true"],
        "truncated": [None, 0, "false", []],
        "step": [None, "1", True, 1.5, [1]],
        "total_steps": [None, "1", True, 1.5, {}],
    }[name]
    value = dice.choice(wrong + ["absent"])

    def change(row):
        if value == "absent":
            del row[name]
        else:
            row[name] = value

    run.edit(table, number, change)
    return f"{table} {number}: {name} {value!r}", ["missing_field" if value == "absent" else "wrong_type"]


@fault
def step_beyond(run, dice):
    number = dice.randrange(len(run.steps))
    step = dice.choice([-1, 2**63, 10**30, raw("1e400"), math.nan])
    run.edit("steps", number, lambda row: row.update(step=step))
    errors = ["non_finite"] if isinstance(step, (str, float)) else ["out_of_range"]
    return f"step of {number}: {step!r}", errors


@fault
def step_as_a_float(run, dice):
    number = dice.randrange(len(run.steps))
    row = json.loads(run.steps[number])
    step = row["step"]
    row["step"] = raw(dice.choice([f"{step}.0", f"{step * 10}e-1", f"{step}E0"]))
    run.steps[number] = dumps(row)
    return f"step of {number}", []


@fault
def run_id_of_a_row(run, dice):
    table, number = any_row(run, dice)
    value, errors = dice.choice(
        [(run.meta["run_id"], []), ("other", ["run_id_mismatch"]), ("", ["run_id_mismatch"]), (5, ["wrong_type"])]
        + [(None, []), ([], ["wrong_type"])]
    )
    run.edit(table, number, lambda row: row.update(run_id=value))
    return f"{table} {number}: {value!r}", errors


@fault
def schema_version_of_a_row(run, dice):
    table, number = any_row(run, dice)
    value, errors = dice.choice(
        [("2", []), ("3", ["unsupported_schema_version"]), ("", ["unsupported_schema_version"])]
        + [("0.1", ["unsupported_schema_version"]), (2, ["wrong_type"])]
    )
    run.edit(table, number, lambda row: row.update(schema_version=value))
    return f"{table} {number}: {value!r}", errors


@fault
def name_twice(run, dice):
    table, number = any_row(run, dice)
    line = getattr(run, table)[number].strip()
    name = dice.choice(list(json.loads(line)))
    last = dumps(json.loads(line)[name])
    first = dice.choice([b"null", b'"x"', b"17", last])
    if name == "step":
        first = last
    getattr(run, table)[number] = b"{" + dumps(name) + b": " + first + b", " + line[1:]
    return f"{table} {number}: {name}", []


@fault
def name_twice_and_wrong(run, dice):
    table, number = any_row(run, dice)
    line = getattr(run, table)[number].strip()
    name = dice.choice(["terminated", "truncated", "episode_id"])
    getattr(run, table)[number] = line[:-1] + b", " + dumps(name) + b": 7}"
    return f"{table} {number}: {name}", ["wrong_type"]


@fault
def bad_line(run, dice):
    table, number = any_row(run, dice)
    line = getattr(run, table)[number].strip()
    cut = dice.randrange(1, len(line))
    lines = [
        (line[:cut], "invalid_json"), (line + b",", "invalid_json"), (line + b" x", "invalid_json"),
        (b"\xef\xbb\xbf" + line, "invalid_json"), (line.replace(b'"', b"'"), "invalid_json"),
        (line[:-1] + b",}", "invalid_json"), (line[:-1] + b', "u": 01}', "invalid_json"),
        (line[:-1] + b', "u": nan}', "invalid_json"), (line[:-1] + b', "u": "\x01"}', "invalid_json"),
        (line[:-1] + b', "u": "\\x"}', "invalid_json"), (line[:-1] + b', "u": .5}', "invalid_json"),
        (b"\x0c" + line, "invalid_json"), (b"{" + line, "invalid_json"), (b"x", "invalid_json"),
        (line[:-1] + b', "u": "\xff"}', "invalid_utf8"), (line[:-1] + b', "\xed\xa0\x80": 1}', "invalid_utf8"),
        (line[:-1] + b', "u": "\xc3"}', "invalid_utf8"), (b"\x80", "invalid_utf8"),
        (b"[" + line + b"]", "not_an_object"), (b"null", "not_an_object"), (b"3", "not_an_object"),
        (b'"x"', "not_an_object"), (b"NaN", "not_an_object"),
    ]  # fmt: skip
    line, code = dice.choice(lines)
    getattr(run, table)[number] = line
    return f"{table} {number}: {line[:40]!r}…{line[-20:]!r}", [code]


@fault
def line_too_long(run, dice):
    if dice.random() < 0.8:
        raise Skip
    table, number = any_row(run, dice)
    line = getattr(run, table)[number].strip()
    getattr(run, table)[number] = line[:-1] + b', "u": "' + b"x" * (17 << 20) + b'"}'
    return f"{table} {number}", ["line_too_long"]


@fault
def text_of_any_sort(run, dice):
    """Escapes, and what must be kept as it is."""
    table, number = any_row(run, dice)
    line = getattr(run, table)[number].strip()
    text = dice.choice([rb"\u0041", rb"\/", rb"\ud83d\ude00", rb"\u0000", "日本\u2028".encode(), b"\x7f"])
    getattr(run, table)[number] = line[:-1] + b', "u' + text + b'": "' + text + b'"}'
    return f"{table} {number}: {text!r}", []
