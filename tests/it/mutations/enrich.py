"""Changes that leave a run valid, made before the fault: fewer episodes, more columns, another style of writing."""

import json
import math
import struct

from .run import dumps, find, has, put, raw

WORDS = ["", "a", "north", "été", "日本", 'a"b\\c', "\u2028", "x" * 300, "\x7f", "😀"]


def vary(run, dice):
    """Returns what was done, in words."""
    done = []
    if dice.random() < 0.85:
        done += cut(run, dice)
    if dice.random() < 0.6:
        for _ in range(dice.randrange(1, 4)):
            done.append(add_step_column(run, dice))
    if dice.random() < 0.5:
        for _ in range(dice.randrange(1, 4)):
            done.append(add_episode_column(run, dice))
    if dice.random() < 0.5:
        done.append(restyle(run, dice))
    if dice.random() < 0.15:
        done.append(interleave(run, dice))
    return [what for what in done if what]


def cut(run, dice):
    """Keeps one or two episodes, of 30 rows at most: the cost of a check is what it reads."""
    groups = run.groups()
    kept = set()
    keys = list(groups)[: dice.choice([1, 2, 2, 3])]
    most = dice.choice([3, 8, 30])
    for key in keys:
        numbers = groups[key][:most]
        kept.update(numbers)
        last = json.loads(run.steps[groups[key][-1]])

        def end(row, last=last):
            row.update(terminated=last["terminated"], truncated=last["truncated"])

        if len(groups[key]) > most:
            run.edit("steps", numbers[-1], end)
    run.steps = [line for number, line in enumerate(run.steps) if number in kept]
    run.episodes = [line for line in run.episodes if run.key("episodes", json.loads(line)) in keys]
    summarize(run)
    return [f"{len(keys)} episodes of at most {most} rows"]


def summarize(run):
    """Makes every total true again."""
    rows = run.rows()
    groups = run.groups()
    for number, summary in enumerate(run.rows("episodes")):
        own = [rows[n] for n in groups[run.key("episodes", summary)]]
        steps = [row for row in own if row["step"] > 0]
        summary.update(total_steps=len(steps), terminated=own[-1]["terminated"], truncated=own[-1]["truncated"])
        if "reward" in run.columns("steps"):
            path = run.path("steps", "reward")
            summary["total_reward"] = sum(find(row, path) for row in steps)
        for name, keys in run.columns("episodes").items():
            if "equals" in keys:
                put(summary, run.path("episodes", name), derive(run, keys["equals"], own))
        run.episodes[number] = dumps(summary)


def derive(run, equals, rows):
    function, name = equals.rstrip(")").split("(")
    path = run.path("steps", name)
    values = [find(row, path) for row in rows if row["step"] > 0 and has(row, path)]
    if run.columns("steps")[name]["dtype"] == "float32" and function in ("sum", "mean"):
        values = [rounded(value) for value in values]
    if function == "first":
        return find(rows[0], path) if has(rows[0], path) else values[0]
    if function == "last":
        return values[-1]
    if function == "mean":
        return sum(values) / len(values)
    return {"sum": sum, "min": min, "max": max, "any": any}[function](values)


def unused(run, dice, stem):
    taken = {name for table in ("steps", "episodes") for name in run.columns(table)}
    taken |= {run.path(table, name)[0] for table in ("steps", "episodes") for name in run.columns(table)}
    while (name := f"{stem}{dice.randrange(1000)}") in taken:
        pass
    return name


def rounded(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def scalar(dice):
    """The keys of a column, and a function that makes values for it."""
    kind = dice.choice(["bool", "int", "int", "float32", "float64", "loose", "enum", "string", "json"])
    if kind == "bool":
        return {"dtype": "bool"}, lambda: dice.random() < 0.5
    if kind == "int":
        bits = dice.choice([8, 16, 32, 64])
        dtype = f"uint{bits}" if bits < 64 and dice.random() < 0.5 else f"int{bits}"
        low, high = (0, 2**bits - 1) if dtype[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        keys = {"dtype": dtype}
        if dice.random() < 0.5:
            low, high = max(low, -100), min(high, 100)
            keys.update(min=low, max=high)
        values = [low, high, (low + high) // 2]
        return keys, lambda: dice.choice([*values, raw(f"{dice.choice([3, 7])}.0"), dice.randint(low, high)])
    if kind in ("float32", "float64"):
        keys = {"dtype": kind}
        if dice.random() < 0.5:
            keys.update(min=-1.5, max=1.1)
        values = [0, -0.0, 1, -1.5, 1.1 if kind == "float64" else rounded(1.1), raw("1e-400"), 0.1]
        return keys, lambda: dice.choice([*values, dice.uniform(-1, 1)])
    if kind == "loose":
        tokens = [math.nan, math.inf, -math.inf, raw("1e400")]
        keys = {"dtype": dice.choice(["float32", "float64"]), "finite": False}
        return keys, lambda: dice.choice([*tokens, dice.uniform(-9, 9)])
    if kind == "enum":
        return {"dtype": "string", "enum": ["in", "out", "été"]}, lambda: dice.choice(["in", "out", "été"])
    if kind == "string":
        return {"dtype": "string"}, lambda: dice.choice(WORDS)
    values = [1, 1.5, "x", [], {}, [1, [2, {"a": None}]], {"a.b": math.nan}, True, 10**30, "\ud800"]
    return {"dtype": "json"}, lambda: dice.choice(values)


def nested(shape, value):
    return [nested(shape[1:], value) for _ in range(shape[0])] if shape else value()


def column(dice):
    keys, value = scalar(dice)
    if keys["dtype"] != "json" and dice.random() < 0.4:
        shape = dice.choice([[1], [3], [2, 3], [2, 1, 2], [-1]])
        keys["shape"] = shape
        make = value
        if "finite" in keys:
            value = lambda: dice.choice([make(), None])  # noqa: E731
        element = value
        value = lambda: nested([dice.randrange(6)] if shape == [-1] else shape, element)  # noqa: E731
    if dice.random() < 0.2:
        keys["unit"] = dice.choice(["m", "m/s", "°"])
    if dice.random() < 0.3:
        keys["nullable"] = True
    return keys, value


def add_step_column(run, dice):
    name = unused(run, dice, "col")
    keys, value = column(dice)
    group = {name: keys}
    place = dice.random()
    if place < 0.5:
        zone = unused(run, dice, "zone")
        if place < 0.15:
            keys["path"] = f"{zone}.inner.v"
        elif place < 0.25:
            keys["path"] = [zone, "a.b"]
        elif place < 0.35:
            keys["path"] = f"{zone}.list[0]"
        else:
            keys["path"] = f"{zone}[0]"
            other, make = column(dice)
            group[f"{name}b"] = {**other, "path": f"{zone}[1]"}
            values = {name: value, f"{name}b": make}
    if len(group) == 1:
        values = {name: value}
    run.columns("steps").update(group)
    paths = {name: run.path("steps", name) for name in group}
    in_array = len(group) > 1
    for number in range(len(run.steps)):
        row = json.loads(run.steps[number])
        if row["step"] == 0 and dice.random() < 0.5:
            continue
        for name, keys in group.items():
            if keys.get("nullable") and dice.random() < 0.3:
                if in_array or dice.random() < 0.5:
                    put(row, paths[name], None)
                continue
            put(row, paths[name], values[name]())
        run.steps[number] = dumps(row)
    return f"steps: {json.dumps(group)}"


NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64")


def add_episode_column(run, dice):
    kind = dice.choice(["file", "success", "equals", "equals", "free"])
    name, keys = unused(run, dice, "sum"), {}
    if kind == "file":
        keys, value = {"dtype": "file"}, None
    elif kind == "success":
        name, keys, value = "success", {"dtype": "bool"}, lambda: dice.random() < 0.5
    elif kind == "equals":
        keys = equals_column(run, dice)
        if not keys:
            return None
    else:
        keys, value = column(dice)
    if name in run.columns("episodes"):
        return None
    run.columns("episodes")[name] = keys
    rows, groups = run.rows(), run.groups()
    for number in range(len(run.episodes)):
        summary = json.loads(run.episodes[number])
        if kind == "file":
            path = dice.choice([f"videos/e{number}.mp4", f"e{number}.npz", f"deep/er/{number}"])
            run.files[path] = b"\0" * dice.randrange(3)
            summary[name] = path
        elif kind == "equals":
            own = [rows[n] for n in groups[run.key("episodes", summary)]]
            summary[name] = derive(run, keys["equals"], own)
        elif not (keys.get("nullable") and dice.random() < 0.3):
            summary[name] = value()
        run.episodes[number] = dumps(summary)
    return f"episodes: {json.dumps({name: keys})}"


def equals_column(run, dice):
    """A column that follows from one of the steps' that has a plain value in every row but reset rows."""
    candidates = []
    rows = [row for row in run.rows() if row["step"] > 0]
    for name, keys in run.columns("steps").items():
        path = run.path("steps", name)
        plain = all(has(row, path) and find(row, path) is not None for row in rows)
        is_scalar = "shape" not in keys and keys["dtype"] != "json"
        if plain and is_scalar and not keys.get("nullable") and keys.get("finite", True):
            candidates.append((name, keys))
    if not candidates:
        return None
    name, of = dice.choice(candidates)
    functions = ["first", "last"]
    keys = {"dtype": of["dtype"]}
    if of["dtype"] == "bool":
        functions.append("any")
    elif of["dtype"] in NUMBERS:
        functions += ["sum", "mean", "min", "max"]
    function = dice.choice(functions)
    if function in ("sum", "mean"):
        keys["dtype"] = "float64"
    if keys["dtype"] in NUMBERS and "shape" not in keys and dice.random() < 0.5:
        keys["metrics"] = dice.choice([["mean"], ["min", "max"]])
    keys["equals"] = f"{function}({name})"
    return keys


def interleave(run, dice):
    """The rows of several episodes in turn or at random, each episode in its order."""
    queues = [[run.steps[n] for n in numbers] for numbers in run.groups().values()]
    steps = []
    in_turn = dice.random() < 0.5
    while any(queues):
        for queue in queues if in_turn else [dice.choice(queues)]:
            if queue:
                steps.append(queue.pop(0))
    run.steps = steps
    return "interleaved in turn" if in_turn else "interleaved at random"


def restyle(run, dice):
    style = dice.choice(["compact", "shuffled", "crlf", "blank", "spaces", "names"])
    if style == "crlf":
        run.line_end = b"\r\n"
    elif style == "names":
        # What the format knows but does not ask for.
        for table in ("steps", "episodes"):
            for number in range(len(getattr(run, table))):
                run.edit(table, number, lambda row: row.update(run_id=run.meta["run_id"], schema_version="2"))
    elif style in ("compact", "shuffled"):
        for table in ("steps", "episodes"):
            lines = getattr(run, table)
            for number, line in enumerate(lines):
                row = list(json.loads(line).items())
                if style == "shuffled":
                    dice.shuffle(row)
                lines[number] = dumps(dict(row), compact=style == "compact")
    else:
        run.steps = [b" \t" + line + b"  " if style == "spaces" else line + b"\n \t" for line in run.steps]
    return style
