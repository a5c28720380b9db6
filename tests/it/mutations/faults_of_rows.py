"""Rows that are gone, there twice, in another place or of another episode; summaries that are not true."""

import json

from .enrich import interleave, summarize
from .run import Skip, dumps, find, has, is_used, put, remove

FAULTS = []


def fault(function):
    FAULTS.append(function)
    return function


def an_episode(run, dice, least=1):
    groups = [numbers for numbers in run.groups().values() if len(numbers) >= least]
    if not groups:
        raise Skip
    return dice.choice(groups)


@fault
def row_gone(run, dice):
    numbers = an_episode(run, dice, 2)
    at = dice.choice([0, 1, len(numbers) // 2, len(numbers) - 1])
    is_reset = json.loads(run.steps[numbers[at]])["step"] == 0
    del run.steps[numbers[at]]
    is_last = at == len(numbers) - 1
    if is_reset:
        return "a reset row", ["step_sequence"] if not is_last else None
    return f"row {at} of {len(numbers)}", ["episode_steps_mismatch"] if is_last else ["step_sequence"]


@fault
def rows_gone(run, dice):
    numbers = an_episode(run, dice, 5)
    start = dice.randrange(1, len(numbers) - 3)
    for number in reversed(numbers[start : start + dice.randrange(1, 3)]):
        del run.steps[number]
    return f"from row {start}", ["step_sequence"]


@fault
def row_twice(run, dice):
    numbers = an_episode(run, dice)
    at = dice.randrange(len(numbers))
    run.steps.insert(numbers[at] + 1, run.steps[numbers[at]])
    is_last = at == len(numbers) - 1
    return f"row {at} of {len(numbers)}", ["steps_after_end"] if is_last and at else ["step_sequence"] if at else None


@fault
def row_added(run, dice):
    numbers = an_episode(run, dice)
    row = json.loads(run.steps[numbers[-1]])
    row["step"] += 1
    run.steps.insert(numbers[-1] + 1, dumps(row))
    return "one more after the end", ["steps_after_end"]


@fault
def rows_swapped(run, dice):
    numbers = an_episode(run, dice, 3)
    at = dice.randrange(len(numbers) - 2)
    a, b = numbers[at : at + 2]
    run.steps[a], run.steps[b] = run.steps[b], run.steps[a]
    return f"rows {at} and {at + 1}", ["step_sequence"]


@fault
def rows_interleaved(run, dice):
    if len(run.groups()) < 2:
        raise Skip
    return interleave(run, dice), []


@fault
def episodes_in_another_order(run, dice):
    groups = list(run.groups().values())
    dice.shuffle(groups)
    run.steps = [run.steps[n] for numbers in groups for n in numbers]
    return f"{len(groups)}", []


@fault
def step_of_another_number(run, dice):
    numbers = an_episode(run, dice, 3)
    at = dice.randrange(1, len(numbers) - 1)
    row = json.loads(run.steps[numbers[at]])
    step = dice.choice([row["step"] + 1, row["step"] - 1, row["step"] + 1000, 2**63 - 1])
    if step < 1:
        raise Skip
    row["step"] = step
    run.steps[numbers[at]] = dumps(row)
    return f"row {at}: {step}", ["step_sequence"]


@fault
def steps_from_another_number(run, dice):
    offset = dice.choice([1, -1])
    if offset == -1 and run.schema.get("reset_rows"):
        raise Skip
    for number in an_episode(run, dice):
        run.edit("steps", number, lambda row: row.update(step=row["step"] + offset))
    if run.schema.get("reset_rows"):
        # The reset row is none any more, and lacks what a step has.
        return f"{offset:+}", None
    return f"{offset:+}", ["step_sequence"] if offset == 1 else ["out_of_range"]


@fault
def step_zero_inside(run, dice):
    numbers = an_episode(run, dice, 4)
    number = dice.choice(numbers[2:-1])
    run.edit("steps", number, lambda row: row.update(step=0))
    return f"row {number}", ["step_sequence" if run.schema.get("reset_rows") else "out_of_range"]


@fault
def end_inside(run, dice):
    numbers = an_episode(run, dice, 3)
    at = dice.randrange(1, len(numbers) - 1)
    run.edit("steps", numbers[at], lambda row: row.update({dice.choice(["terminated", "truncated"]): True}))
    return f"row {at} of {len(numbers)}", ["steps_after_end"]


@fault
def end_at_the_reset(run, dice):
    if not run.schema.get("reset_rows"):
        raise Skip
    numbers = an_episode(run, dice, 2)
    run.edit("steps", numbers[0], lambda row: row.update(terminated=True))
    return "", None


@fault
def end_changed(run, dice):
    numbers = an_episode(run, dice)
    flag = dice.choice(["terminated", "truncated"])
    run.edit("steps", numbers[-1], lambda row: row.update({flag: not row[flag]}))
    return f"{flag} of row {numbers[-1]}", ["episode_final_mismatch"]


@fault
def row_of_another_episode(run, dice):
    numbers = an_episode(run, dice, 4)
    number = dice.choice(numbers[1:-1])
    run.edit("steps", number, lambda row: row.update(episode_id=dice.choice(["", "another", "ep\0", "é" * 200])))
    return f"row {number}", ["step_sequence"]


@fault
def episode_renamed(run, dice):
    for number in an_episode(run, dice):
        run.edit("steps", number, lambda row: row.update(episode_id="another"))
    return "in the steps", ["episode_without_steps", "steps_without_episode"]


@fault
def episode_gone(run, dice):
    if len(run.groups()) < 2:
        raise Skip
    for number in reversed(an_episode(run, dice)):
        del run.steps[number]
    return "from the steps", ["episode_without_steps"]


@fault
def episode_twice(run, dice):
    numbers = an_episode(run, dice)
    lines = [run.steps[n] for n in numbers]
    at = dice.choice([numbers[-1] + 1, len(run.steps)])
    run.steps[at:at] = lines
    if dice.random() < 0.5:
        key = run.key("steps", json.loads(lines[0]))
        run.episodes += [line for line in run.episodes if run.key("episodes", json.loads(line)) == key]
    return f"{len(lines)} rows", ["duplicate_episode"]


@fault
def broken_off(run, dice):
    """The recorder was stopped: the last episode has no end and no summary."""
    numbers = an_episode(run, dice, 2)
    key = run.key("steps", json.loads(run.steps[numbers[0]]))
    kept = dice.randrange(1, len(numbers))
    for number in reversed(numbers[kept:]):
        del run.steps[number]
    run.episodes = [line for line in run.episodes if run.key("episodes", json.loads(line)) != key]
    return f"after {kept} rows", []


@fault
def summary_gone(run, dice):
    if len(run.episodes) < 2:
        raise Skip
    del run.episodes[dice.randrange(len(run.episodes))]
    return "", ["steps_without_episode"]


@fault
def summary_twice(run, dice):
    run.episodes.append(dice.choice(run.episodes))
    return "", ["duplicate_episode"]


@fault
def summaries_in_another_order(run, dice):
    run.episodes.reverse()
    return "", []


@fault
def summary_of_another(run, dice):
    number = dice.randrange(len(run.episodes))
    run.edit("episodes", number, lambda row: row.update(episode_id="another"))
    return f"{number}", ["episode_without_steps", "steps_without_episode"]


@fault
def total_steps_changed(run, dice):
    number = dice.randrange(len(run.episodes))
    row = json.loads(run.episodes[number])
    row["total_steps"] = dice.choice([row["total_steps"] + 1, row["total_steps"] - 1, 2**63 - 1, 0])
    if row["total_steps"] < 0 or row["total_steps"] == json.loads(run.episodes[number])["total_steps"]:
        raise Skip
    run.episodes[number] = dumps(row)
    return f"{number}: {row['total_steps']}", ["episode_steps_mismatch"]


@fault
def total_steps_beyond(run, dice):
    number = dice.randrange(len(run.episodes))
    value = dice.choice([-1, 2**63, -(10**30)])
    run.edit("episodes", number, lambda row: row.update(total_steps=value))
    return f"{number}: {value}", ["out_of_range"]


@fault
def flag_of_a_summary(run, dice):
    number = dice.randrange(len(run.episodes))
    flag = dice.choice(["terminated", "truncated"])
    run.edit("episodes", number, lambda row: row.update({flag: not row[flag]}))
    return f"{number}: {flag}", ["episode_final_mismatch"]


@fault
def total_reward_changed(run, dice):
    number = dice.randrange(len(run.episodes))
    row = json.loads(run.episodes[number])
    if "total_reward" not in row:
        row["total_reward"] = 1.5
        run.episodes[number] = dumps(row)
        return f"{number}: where there is no reward", []
    what, errors = dice.choice(
        [("more", ["episode_reward_mismatch"]), ("near", []), ("absent", ["missing_field"])]
        + [("null", ["wrong_type"]), ("text", ["wrong_type"]), ("nan", ["non_finite"])]
    )
    total = row["total_reward"]
    row["total_reward"] = {
        "more": total + dice.choice([-1, 1e-2, 1e6]),
        "near": total * (1 + 1e-9),
        "text": str(total),
        "nan": float("nan"),
    }.get(what)
    if what == "absent":
        del row["total_reward"]
    run.episodes[number] = dumps(row)
    return f"{number}: {what}", errors


@fault
def reward_changed(run, dice):
    if "reward" not in run.columns("steps"):
        raise Skip
    number = dice.randrange(len(run.steps))
    path = run.path("steps", "reward")
    row = json.loads(run.steps[number])
    if row["step"] == 0:
        put(row, path, 5.0)
        run.steps[number] = dumps(row)
        return "of a reset row, which counts for no total", None
    put(row, path, find(row, path) + dice.choice([1, -3.5, 1e5]))
    run.steps[number] = dumps(row)
    return f"{number}", None if is_used(run, "reward") else ["episode_reward_mismatch"]


@fault
def checked_summary_changed(run, dice):
    """A column that `equals` something has another value of its type."""
    columns = [(n, k) for n, k in run.columns("episodes").items() if "equals" in k]
    if not columns or not run.episodes:
        raise Skip
    name, keys = dice.choice(columns)
    number = dice.randrange(len(run.episodes))
    row, path = json.loads(run.episodes[number]), run.path("episodes", name)
    value = find(row, path)
    if value is None:
        raise Skip
    if isinstance(value, bool):
        value = not value
    elif isinstance(value, str):
        value += "x"
    elif keys["dtype"] in ("float32", "float64"):
        value = value * 1.5 + 1
    else:
        value += 1 if value < 100 else -1
    put(row, path, value)
    run.episodes[number] = dumps(row)
    code = "episode_final_mismatch" if keys["equals"].startswith("last") else "episode_summary_mismatch"
    return f"{number}: {name} ({keys['equals']}) = {value!r}"[:100], [code]


@fault
def clock_set_back(run, dice):
    if "ts" not in run.columns("steps") or len(run.steps) < 3:
        raise Skip
    if is_used(run, "ts"):
        raise Skip
    path = run.path("steps", "ts")
    number = dice.randrange(1, len(run.steps))
    row = json.loads(run.steps[number])
    put(row, path, find(row, path) - dice.choice([1, 1e6]))
    run.steps[number] = dumps(row)
    return f"row {number}", []


@fault
def duration_negative(run, dice):
    if "duration_ms" not in run.columns("episodes"):
        raise Skip
    keys = run.columns("episodes")["duration_ms"]
    has_bound = dice.random() < 0.5 and "min" in keys
    if not has_bound:
        keys.pop("min", None)
    number = dice.randrange(len(run.episodes))
    run.edit("episodes", number, lambda row: row.update(duration_ms=-0.5))
    return f"{number}, {'with' if has_bound else 'without'} min", ["out_of_range"] if has_bound else []


@fault
def reset_row_of_its_own(run, dice):
    """The environment was reset once more, and then nothing."""
    if not run.schema.get("reset_rows"):
        raise Skip
    row = json.loads(run.steps[an_episode(run, dice)[0]])
    row["episode_id"] = "reset only"
    run.steps.append(dumps(row))
    return "", []


@fault
def reset_rows_full(run, dice):
    """Reset rows that have every column: they still count for no total."""
    if not run.schema.get("reset_rows"):
        raise Skip
    for numbers in run.groups().values():
        if len(numbers) < 2:
            continue
        after = json.loads(run.steps[numbers[1]])
        first = json.loads(run.steps[numbers[0]])
        after.update(step=0, terminated=False, truncated=False)
        for name in run.columns("steps"):
            path = run.path("steps", name)
            if name in ("ts", "seed") and has(first, path):
                put(after, path, find(first, path))
        run.steps[numbers[0]] = dumps(after)
    summarize(run)
    return "", []


@fault
def reset_rows_bare(run, dice):
    """Reset rows with nothing but the fields of the format."""
    if not run.schema.get("reset_rows"):
        raise Skip
    kept = {"episode_id", "step", "terminated", "truncated", "run_id", "schema_version"}
    if "agent" in run.columns("steps"):
        kept.add(run.path("steps", "agent")[0])
    for number, line in enumerate(run.steps):
        row = json.loads(line)
        if row["step"] == 0:
            run.steps[number] = dumps({name: value for name, value in row.items() if name in kept})
    summarize(run)
    return "", []


@fault
def agent_changed(run, dice):
    if "agent" not in run.columns("steps"):
        raise Skip
    numbers = an_episode(run, dice, 3)
    number = dice.choice(numbers[1:-1])
    path = run.path("steps", "agent")
    what = dice.choice(["absent", "other", "number"])

    def change(row):
        if what == "absent":
            remove(row, path)
        else:
            put(row, path, "someone" if what == "other" else 3)

    run.edit("steps", number, change)
    return what, [{"absent": "missing_field", "other": "step_sequence", "number": "wrong_type"}[what]]


@fault
def agent_of_a_summary(run, dice):
    if "agent" not in run.columns("steps"):
        raise Skip
    number = dice.randrange(len(run.episodes))
    what = dice.choice(["absent", "other", "null"])

    def change(row):
        if what == "absent":
            del row["agent"]
        else:
            row["agent"] = "someone" if what == "other" else None

    run.edit("episodes", number, change)
    if what == "other":
        return what, ["episode_without_steps", "steps_without_episode"]
    return what, ["missing_field" if what == "absent" else "wrong_type"]
