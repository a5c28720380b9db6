"""The files of a run: cut, damaged, gone, in shards, more than there should be; `run.json`."""

import gzip
import json

from .run import Skip, dumps

FAULTS = []


def fault(function):
    FAULTS.append(function)
    return function


def a_file(run, dice):
    table = dice.choice(["steps", "steps", "episodes"])
    return f"{table}.jsonl.gz", run.zip_lines(getattr(run, table))


@fault
def gzip_cut(run, dice):
    name, data = a_file(run, dice)
    cut = dice.choice([dice.randrange(1, len(data)), len(data) - 1, len(data) - 8, len(data) - 5, 5])
    run.files[name] = data[:cut]
    return f"{name} at {cut} of {len(data)}", ["truncated_gzip"]


@fault
def gzip_checksum(run, dice):
    name, data = a_file(run, dice)
    at = len(data) - 1 - dice.randrange(8)
    run.files[name] = data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    return f"{name} at {at} of {len(data)}", ["corrupt_gzip"]


@fault
def gzip_bit(run, dice):
    name, data = a_file(run, dice)
    at = dice.randrange(10, len(data) - 8)
    run.files[name] = data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    return f"{name} at {at} of {len(data)}", None


@fault
def no_gzip(run, dice):
    name, data = a_file(run, dice)
    run.files[name] = dice.choice([gzip.decompress(data), b"PK\3\4", b"\0" * 20, b"not gzip at all"])
    return name, ["corrupt_gzip"]


@fault
def gzip_and_more(run, dice):
    name, data = a_file(run, dice)
    more, errors = dice.choice([(b"\0" * 512, []), (b"garbage", ["corrupt_gzip"]), (gzip.compress(b"\n\r\n "), [])])
    run.files[name] = data + more
    return f"{name} and {more[:4]!r}", errors


@fault
def gzip_members(run, dice):
    lines = run.steps
    at = dice.randrange(len(lines) + 1)
    run.files["steps.jsonl.gz"] = run.zip_lines(lines[:at]) + run.zip_lines(lines[at:])
    return f"two, at {at}", []


@fault
def member_cut_after_a_whole_one(run, dice):
    at = dice.randrange(1, len(run.steps)) if len(run.steps) > 1 else 0
    second = run.zip_lines(run.steps[at:])
    run.files["steps.jsonl.gz"] = run.zip_lines(run.steps[:at]) + second[: dice.randrange(1, len(second))]
    return f"at {at}", ["truncated_gzip"]


@fault
def last_line_without_end(run, dice):
    for table in ("steps", "episodes"):
        run.files[f"{table}.jsonl.gz"] = gzip.compress(run.line_end.join(getattr(run, table)).rstrip())
    return "", []


@fault
def file_of_no_bytes(run, dice):
    name, _ = a_file(run, dice)
    run.files[name] = b""
    return name, ["no_steps" if name.startswith("steps") else "no_episodes", "truncated_gzip"]


@fault
def no_rows(run, dice):
    name, _ = a_file(run, dice)
    run.files[name] = gzip.compress(dice.choice([b"", b"\n", b" \r\n\t\n"]))
    return name, ["no_steps" if name.startswith("steps") else "no_episodes"]


@fault
def nothing_recorded(run, dice):
    run.steps, run.episodes = [], dice.choice([[], None])
    if run.episodes is None:
        return "no rows, and no file of episodes", [*errors_without_summaries(run), "no_steps"]
    return "no rows", ["no_episodes", "no_steps"]


@fault
def steps_gone(run, dice):
    run.files["steps.jsonl.gz"] = None
    return "", ["missing_steps_jsonl_gz"]


def errors_without_summaries(run):
    columns = run.columns("episodes").values()
    derivable = all(keys.get("nullable") or "equals" in keys for keys in columns)
    return [] if derivable else ["missing_episodes_jsonl_gz"]


@fault
def episodes_gone(run, dice):
    """Allowed if the summaries follow from the steps."""
    run.episodes = None
    for name, data in list(run.files.items()):
        if data is not None and not name.endswith(".gz"):
            del run.files[name]
    return "", errors_without_summaries(run)


@fault
def episodes_gone_and_broken_off(run, dice):
    run.episodes = None
    run.files.clear()
    numbers = list(run.groups().values())[-1]
    if len(numbers) < 2:
        raise Skip
    for number in reversed(numbers[1 + dice.randrange(len(numbers) - 1) :]):
        del run.steps[number]
    return "", errors_without_summaries(run)


def shard_names(dice):
    form = dice.choice(["part{:04}.jsonl", "part{}.jsonl", "jsonl.part{}", "jsonl.part{:03}"])
    return lambda stem, number: f"{stem}.{form.format(number)}.gz"


def split(run, dice, count):
    lines, name = run.steps, shard_names(dice)
    bounds = sorted(dice.randrange(len(lines) + 1) for _ in range(count))
    parts = [lines[a:b] for a, b in zip([0, *bounds], [*bounds, len(lines)])]
    run.steps = parts[0]
    names = []
    for number, part in enumerate(parts[1:], 1):
        names.append(name("steps", number))
        run.files[names[-1]] = run.zip_lines(part)
    return names


@fault
def shards(run, dice):
    return ", ".join(split(run, dice, dice.choice([1, 3, 11]))), []


@fault
def shard_gone(run, dice):
    names = split(run, dice, dice.choice([2, 3]))
    gone = dice.choice(names[:-1])
    del run.files[gone]
    return gone, ["shard_gap"]


@fault
def shard_cut(run, dice):
    name = dice.choice(split(run, dice, 3))
    data = run.files[name]
    run.files[name] = data[: dice.randrange(1, len(data))]
    return name, ["truncated_gzip"]


@fault
def base_gone(run, dice):
    split(run, dice, 2)
    run.files["steps.jsonl.gz"] = None
    return "", ["missing_steps_jsonl_gz"]


@fault
def summaries_in_shards(run, dice):
    if len(run.episodes) < 2:
        raise Skip
    run.files[shard_names(dice)("episodes", 1)] = run.zip_lines(run.episodes[1:])
    run.episodes = run.episodes[:1]
    if dice.random() < 0.5:
        run.files["episodes.jsonl.gz"] = None
        return "without the first", ["missing_episodes_jsonl_gz"]
    return "", []


@fault
def more_files(run, dice):
    name = dice.choice(["notes.txt", ".hidden", "videos2/a.mp4", "steps.csv", "steps.jsonl.gz.tmp", "schema.json.bak"])
    run.files[name] = b"x"
    return name, []


@fault
def files_of_others(run, dice):
    name = dice.choice(["steps.parquet", "episodes.parquet"])
    run.files[name] = b"PAR1"
    return name, []


@fault
def named_file(run, dice):
    """What a column of dtype `file` names must be there, in the run."""
    columns = [name for name, keys in run.columns("episodes").items() if keys["dtype"] == "file"]
    if not columns:
        run.columns("episodes")["video"] = {"dtype": "file"}
        run.files["v.mp4"] = b"x"
        run.episodes = [dumps({**json.loads(line), "video": "v.mp4"}) for line in run.episodes]
        columns = ["video"]
    column = dice.choice(columns)
    number = dice.randrange(len(run.episodes))
    names = ["nothing.mp4", "", "../run.json", "/etc/passwd", ".", "videos", "..", "a/../run.json"]
    value = dice.choice(names)
    if any(path.startswith("videos/") for path in run.files) and value == "videos":
        raise Skip
    run.edit("episodes", number, lambda row: row.update({column: value}))
    return f"{number}: {value!r}", ["missing_file"]


@fault
def named_file_gone(run, dice):
    names = [name for name in run.files if not name.endswith((".gz", ".parquet"))]
    if not names:
        raise Skip
    del run.files[dice.choice(names)]
    return "", ["missing_file"]


@fault
def run_json_gone(run, dice):
    run.files["run.json"] = None
    return "", ["missing_run_json"]


@fault
def run_json_of_any_sort(run, dice):
    text = dumps(run.meta)
    values = [b"", b"{", b"[]", b"null", b"{}", b"\xff" + text, b"\xef\xbb\xbf" + text, text + b"x", text[:-2]]
    run.meta = dice.choice(values)
    return repr(run.meta[:20]), ["invalid_run_json"]


@fault
def field_of_run_json(run, dice):
    name, value = dice.choice(
        [("run_id", None), ("run_id", 7), ("start_time", None), ("start_time", 7), ("schema_version", 2)]
        + [("schema_version", None), ("experiment", 7), ("env_config", []), ("env_config", "x")]
    )
    run.meta[name] = value
    return f"{name} = {value!r}", ["invalid_run_json"]


@fault
def required_field_of_run_json_gone(run, dice):
    name = dice.choice(["run_id", "start_time", "schema_version"])
    del run.meta[name]
    return name, ["invalid_run_json"]


@fault
def optional_field_of_run_json(run, dice):
    name, value = dice.choice(
        [("env_config", "absent"), ("experiment", "absent"), ("experiment", None), ("package_version", "1"), ("zzz", 1)]
        + [("base_seed", None), ("extra", {"a": float("nan")}), ("git_sha", "x"), ("start_time", "yesterday")]
    )
    run.meta[name] = value
    if value == "absent":
        del run.meta[name]
    return f"{name} {value!r}", []


@fault
def unsafe_names(run, dice):
    name = dice.choice(["run_id", "experiment"])
    run.meta[name] = dice.choice(["", ".", "..", "a/b", "a\\b", "x" * 256, "a\n", "a\0", "\x7f"])
    for table in ("steps", "episodes"):
        for number in range(len(getattr(run, table))):
            run.edit(table, number, lambda row: row.pop("run_id", None))
    return f"{name} = {run.meta[name][:10]!r}", ["unsafe_run_id"]


@fault
def unknown_version(run, dice):
    run.meta["schema_version"] = dice.choice(["3", "2.0", "", "two", " 2"])
    return run.meta["schema_version"], ["unsupported_schema_version"]


@fault
def schema_gone(run, dice):
    run.files["schema.json"] = None
    return "", ["missing_schema"]
