"""A second validator for runs with a declared schema, written from the text of the format and apart from `src/`.

    schema_reference.py [--why] RUN_DIR…

It prints a JSON object a line for each run, `{"run": …, "ok": …, "errors": […], "warnings": […]}`, with `--why` also
the reasons. The tests compare it with `capture-hook validate` (`simulators.rs`). It reads whole files into memory, does
not look at manifests, and knows only runs of `schema_version` "2".
"""

import json
import os
import re
import sys

# No `__pycache__` among the sources.
sys.dont_write_bytecode = True

from reference import text
from reference.episodes import Episodes
from reference.findings import Findings
from reference.rows import Row, read_bool, read_float, read_int, read_text
from reference.schema import Invalid, Schema, is_utf8

SHARD = re.compile(r"(steps|episodes)\.(?:part([0-9]+)\.jsonl|jsonl\.part([0-9]+))\.gz")
KNOWN_FILES = {
    "run.json", "schema.json", "manifest.json", "steps.jsonl.gz", "episodes.jsonl.gz", "steps.parquet",
    "episodes.parquet", "DATASET_INDEX.json",
}  # fmt: skip
KNOWN_IN_STEPS = {"episode_id", "step", "terminated", "truncated", "run_id", "schema_version"}
KNOWN_IN_EPISODES = {"episode_id", "terminated", "truncated", "total_steps", "run_id", "schema_version"}
LARGEST = 2**63 - 1
# As many rows as a damaged file may have held.
MANY = 10**12


class Run:
    """One run directory."""

    def __init__(self, directory):
        self.directory = directory
        self.findings = Findings()
        self.run_id = None
        self.named_files = set()

    def read(self, name):
        """A file's bytes; None if it is not there, or is none."""
        path = os.path.join(self.directory, name)
        if os.path.islink(path) and os.path.exists(path):
            root = os.path.realpath(self.directory)
            if os.path.commonpath([root, os.path.realpath(path)]) != root:
                self.findings.add("symlink_escape", name)
                return None
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return file.read()

    def check(self):
        if not os.path.isdir(self.directory):
            self.findings.add("run_dir_not_found", self.directory)
            return self.findings
        if self.read_run_json():
            schema = self.read_schema()
            if schema:
                self.check_rows(schema)
        self.check_files()
        return self.findings

    def read_run_json(self):
        """Whether the rest can be read."""
        data = self.read("run.json")
        if data is None:
            if "symlink_escape" not in self.findings:
                self.findings.add("missing_run_json", "run.json")
            return False
        try:
            meta = text.parse_json(data)
        except text.Fault as fault:
            self.findings.add("invalid_run_json", str(fault))
            return False
        good = isinstance(meta, dict)
        good = good and all(isinstance(meta.get(key), str) for key in ("schema_version", "run_id", "start_time"))
        good = good and isinstance(meta.get("experiment"), (str, type(None)))
        good = good and isinstance(meta.get("env_config"), (dict, type(None)))
        if not good:
            self.findings.add("invalid_run_json", "a field that is missing or of the wrong type")
            return False
        if meta["schema_version"] != "2":
            if meta["schema_version"] in ("0.1", "1.0.0"):
                raise SystemExit(f"{self.directory}: not a run with a declared schema")
            self.findings.add("unsupported_schema_version", meta["schema_version"])
            return False
        if not all(is_utf8(meta.get(key) or "") for key in ("run_id", "start_time", "experiment")):
            self.findings.add("invalid_run_json", "a lone surrogate")
            return False
        self.run_id = meta["run_id"]
        for name in (self.run_id, meta.get("experiment")):
            if name is not None and not is_safe(name):
                self.findings.add("unsafe_run_id", repr(name))
        return True

    def read_schema(self):
        data = self.read("schema.json")
        if data is None:
            if "symlink_escape" not in self.findings:
                self.findings.add("missing_schema", "schema.json")
            return None
        try:
            return Schema(data)
        except Invalid as invalid:
            self.findings.add("invalid_schema", str(invalid))
            return None

    def check_rows(self, schema):
        episodes = Episodes(schema, self.findings)
        steps = self.read_table("steps", lambda *row: self.add_step(schema, episodes, *row), episodes.lose_rows)
        summaries = self.read_table(
            "episodes", lambda *row: self.add_summary(schema, episodes, *row), episodes.lose_summaries
        )
        episodes.check_times()
        if steps == "empty":
            self.findings.add("no_steps", "steps.jsonl.gz")
        if summaries == "missing":
            underivable = [c.name for c in schema.episodes.columns.values() if not c.nullable and not c.equals]
            if underivable and "symlink_escape" not in self.findings:
                self.findings.add("missing_episodes_jsonl_gz", f"{underivable} do not follow from the steps")
        if steps != "missing" and summaries == "missing":
            episodes.check_unfinished()
        elif steps != "missing":
            episodes.check_summaries(summaries == "empty")

    def read_table(self, stem, take, lose):
        """Reads all rows of a table. Returns "rows" if there are some, else why there are none: "missing", "empty" or
        "damaged".
        """
        shards = self.find_shards(stem)
        if self.read(f"{stem}.jsonl.gz") is None:
            if (stem == "steps" or shards) and "symlink_escape" not in self.findings:
                self.findings.add(f"missing_{stem}_jsonl_gz", "no such file")
            return "missing"
        state, last = "empty", 0
        for shard, name in [(0, f"{stem}.jsonl.gz"), *shards]:
            if shard > last + 1:
                self.findings.add("shard_gap", f"{name} follows shard {last}")
                lose(MANY)
                state = "damaged" if state == "empty" else state
            last = shard
            data = self.read(name)
            if data is None:
                self.findings.add("shard_gap", f"{name} is no file")
                lose(MANY)
                continue
            unzipped, damage = text.unzip(data)
            for number, line in text.lines(unzipped, damage is None):
                state = "rows"
                try:
                    fields = text.parse_row(line)
                except text.Fault as fault:
                    self.findings.add(fault.code, f"{name}:{number}: {fault}")
                    lose(1)
                    continue
                take(f"{name}:{number}", fields)
            if damage:
                self.findings.add(damage, name)
                lose(MANY)
                state = "damaged" if state == "empty" and data else state
        return state

    def find_shards(self, stem):
        found, numbers = [], {0}
        for name in os.listdir(self.directory):
            match = SHARD.fullmatch(name)
            if match and match[1] == stem:
                number = int(match[2] or match[3])
                if number in numbers:
                    self.findings.add("unrecognized_file", f"{name}: a shard that is there twice")
                numbers.add(number)
                found.append((number, name))
        return sorted(found)

    def add_step(self, schema, episodes, line, fields):
        row = self.read_row(line, fields)
        row.read_field(fields, "step", lambda value: read_int(value, 0 if schema.reset_rows else 1, LARGEST))
        step = row.values.get("step")
        if step is None:
            value = fields.get("step")
            row.counts_from_zero = not isinstance(value, bool) and value == 0
        # A row whose step cannot be read may be a reset row: what it lacks is not a second fault.
        all_nullable = step == 0 or row.counts_from_zero or step is None and schema.reset_rows
        row.read_declared(fields, schema.steps, KNOWN_IN_STEPS, all_nullable)
        episodes.add_step(row)

    def add_summary(self, schema, episodes, line, fields):
        row = self.read_row(line, fields)
        row.read_field(fields, "total_steps", lambda value: read_int(value, 0, LARGEST))
        known = set(KNOWN_IN_EPISODES)
        if schema.has_reward:
            known.add("total_reward")
            row.read_field(fields, "total_reward", read_float)
        if schema.has_agents and "agent" not in schema.episodes.columns:
            known.add("agent")
            row.read_field(fields, "agent", read_text)
        row.read_declared(fields, schema.episodes, known, False)
        for column in schema.episodes.columns.values():
            if column.name not in row.values:
                continue
            value = row.values[column.name]
            if column.dtype == "file":
                self.check_named_file(row.line, value)
            if column.name == "duration_ms" and value < 0:
                self.findings.add("time_goes_back", f"{row.line}: duration_ms {value}")
        episodes.add_summary(row)

    def read_row(self, line, fields):
        """What every row has."""
        row = Row(line, self.findings)
        row.read_field(fields, "episode_id", read_text)
        for flag in ("terminated", "truncated"):
            row.read_field(fields, flag, read_bool)
        if fields.get("run_id") is not None:
            row.read_field(fields, "run_id", read_text)
        if row.values.get("run_id", self.run_id) != self.run_id:
            self.findings.add("run_id_mismatch", line)
        if fields.get("schema_version") is not None:
            row.read_field(fields, "schema_version", read_text)
            if row.values.get("schema_version", "2") != "2":
                self.findings.add("unsupported_schema_version", line)
        return row

    def check_named_file(self, line, name):
        parts = name.split("/")
        inside = not any(part in ("", ".", "..") for part in parts) and "\\" not in name and "\0" not in name
        if not inside or self.read(name) is None:
            self.findings.add("missing_file", f"{line}: {name!r}")
        self.named_files.add(name)

    def check_files(self):
        """Names that no recorder writes; what a `file` column names belongs to the run."""
        for folder, folders, files in os.walk(self.directory):
            inside = os.path.relpath(folder, self.directory)
            names = files + ([] if folders or files else [""])
            for name in names:
                name = os.path.normpath(os.path.join(inside, name))
                if name not in KNOWN_FILES and not SHARD.fullmatch(name) and name not in self.named_files:
                    self.findings.add("unrecognized_file", name)


def is_safe(name):
    """Whether a directory can have this name."""
    if name in ("", ".", "..") or len(name.encode(errors="surrogatepass")) > 255:
        return False
    return not any(c in "/\\" or ord(c) < 32 or 127 <= ord(c) < 160 for c in name)


def main(arguments):
    why = "--why" in arguments
    for directory in arguments:
        if directory == "--why":
            continue
        findings = Run(directory).check()
        said = {"run": directory, "ok": not findings.errors, "errors": findings.errors, "warnings": findings.warnings}
        if why:
            said["why"] = findings.reasons
        print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1:])
