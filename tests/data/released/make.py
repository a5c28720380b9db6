#!/usr/bin/env python3
"""Makes what an older state of capture-hook left behind: a repository, its git remote and its DVC remote, in one archive.

    tests/data/released/make.py schemas                     builds that state under target/released, and runs it
    tests/data/released/make.py schemas --program PATH      runs a program of that state that is built already

Writes NAME.tar.xz and NAME.json beside this file. NAME.json says what is in the archive, read from git and from DVC's
cache without capture-hook: it is what `tests/it/released.rs` expects of today's program. `dvc` must be on PATH. In the
archive the program is at /released/bin/capture-hook, wherever it was run.
"""

import argparse
import gzip
import hashlib
import io
import json
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]

# Each state: the last commit of this repository before a format grew.
STATES = {
    # Before declared columns (schema version 2), and before parquet that every reader opens.
    "first": "f73bc30",
    # Before `Capture-Files` in trailers and tags.
    "schemas": "eca69b0",
    # Before `Capture-Runs`, version tags, notes of one form and removals.
    "files-hash": "67ecad3",
    # With all of these: before `erase`.
    "removals": "2be8871",
}
OLD_RUNS = ["tests/corpus/ok-head01/nav/run-20261124-021550", "tests/corpus/ok-pypi010/demo/run-20260105-041"]
DECLARED_RUNS = ["tests/simulators/minigrid/r1", "tests/simulators/spring/c1"]


def build(name):
    """Builds the program of a state in a directory of its own, and returns its path."""
    work = ROOT / "target" / "released" / name
    source = work / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", ROOT, "archive", STATES[name]], check=True, stdout=subprocess.PIPE).stdout
    tarfile.open(fileobj=io.BytesIO(archive)).extractall(source, filter="data")
    env = os.environ | {"CARGO_TARGET_DIR": str(work / "target")}
    subprocess.run(["cargo", "build", "--locked", "--bin", "capture-hook"], cwd=source, env=env, check=True)
    return work / "target/debug/capture-hook"


class Made:
    """The repository that is made, in a directory of its own."""

    def __init__(self, root, program):
        self.root = root
        self.repo = root / "repo"
        self.clock = 1_700_000_000
        # git's merge drivers and the stage find the program by its name.
        (root / "bin").mkdir()
        shutil.copy(program, root / "bin/capture-hook")
        (root / "home").mkdir()
        self.env = {
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(root / "home"),
            "LC_ALL": "C.UTF-8",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(root / "dvc-site"),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for who in ("AUTHOR", "COMMITTER"):
            self.env |= {f"GIT_{who}_NAME": "Ada", f"GIT_{who}_EMAIL": "ada@example.org"}

    def run(self, *words, cwd=None):
        """Runs a program one second after the last one; its output."""
        self.clock += 1
        dates = {f"GIT_{who}_DATE": f"{self.clock} +0000" for who in ("AUTHOR", "COMMITTER")}
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd or self.repo,
            env=self.env | dates,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            sys.exit(f"{words} failed\n{done.stdout}{done.stderr}")
        return done.stdout

    def git(self, *words):
        return self.run("git", *words)

    def record(self, source):
        """Copies a recorded run to `results`; its `experiment/run_id`."""
        key = "/".join(pathlib.PurePath(source).parts[-2:])
        shutil.copytree(ROOT / source, self.repo / "results" / key)
        return key

    def commit_run(self, key):
        self.run("capture-hook", "select", key)
        self.git("commit", "-q", "-a", "-m", f"Run {key}")


def make_repository(made, runs):
    """Runs on two branches and their merge, an amended message, a commit of code, all of it pushed."""
    (made.root / "dvc-remote").mkdir()
    made.run("git", "init", "-q", "-b", "main", "--template=", "repo", cwd=made.root)
    made.run("git", "init", "-q", "-b", "main", "--template=", "--bare", "origin.git", cwd=made.root)
    made.git("remote", "add", "origin", "../origin.git")
    # A clone beside this one reaches it by the same words; written by DVC, since the states differ in how they write it.
    made.run("capture-hook", "init")
    made.run("dvc", "remote", "add", "-d", "storage", "../dvc-remote")
    (made.repo / "walk.py").write_text("print('walk')\n")
    made.git("add", "-A")
    made.git("commit", "-q", "-m", "Set up")
    first, second, *others = [made.record(run) for run in runs]
    made.commit_run(first)
    made.git("commit", "-q", "--amend", "-m", f"Run {first}, amended")
    made.git("checkout", "-q", "-b", "topic")
    made.commit_run(second)
    made.git("checkout", "-q", "main")
    (made.repo / "walk.py").write_text("print('walk on')\n")
    made.git("commit", "-q", "-a", "-m", "Walk on")
    for other in others:
        made.commit_run(other)
    if others:
        made.git("merge", "-q", "--no-edit", "topic")
    else:
        made.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    made.git("push", "-q", "--set-upstream", "origin", "main", "topic")
    made.git("push", "-q", "--tags")


def make_sweep(made):
    """Many small runs in one commit, one of which a later commit removes."""
    for number in range(22):
        run = made.repo / f"results/sweep/s{number:02}"
        run.mkdir(parents=True)
        meta = {"schema_version": "2", "run_id": run.name, "experiment": "sweep", "start_time": "2026-11-28T00:00:00Z"}
        step = {"episode_id": "e0", "step": 1, "terminated": True, "truncated": False, "x": number / 2}
        (run / "run.json").write_text(json.dumps(meta))
        (run / "schema.json").write_text('{"format": 1, "steps": {"x": {"dtype": "float64"}}}\n')
        (run / "steps.jsonl.gz").write_bytes(gzip.compress(json.dumps(step).encode() + b"\n", mtime=0))
    (made.repo / "capture-hook.toml").write_text('engine = "native"\n\n[tag]\nmax_runs = 20\n')
    made.git("add", "capture-hook.toml")
    made.git("commit", "-q", "-m", "Settings")
    made.run("capture-hook", "publish", "--all-new", "--no-push")
    made.run("capture-hook", "remove", "sweep/s03", "--reason", "wrong seed")
    made.git("push", "-q")
    made.git("push", "-q", "--tags")


def data_version(made, commit):
    """The data version that a commit's dvc.lock records, without a YAML reader: DVC writes one key a line."""
    shown = subprocess.run(["git", "show", f"{commit}:dvc.lock"], cwd=made.repo, capture_output=True, text=True)
    words = [line.split()[-1] for line in shown.stdout.splitlines() if line.strip().startswith("md5: ")]
    return next((word for word in words if word.endswith(".dir")), None)


def field_paths(value, path=""):
    """Every field of a JSON value, as `runs[].run`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}".lstrip(".")
            yield from field_paths(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from field_paths(inner, f"{path}[]")


def read_json_fields(made):
    """The fields that `--json` of the program prints, by command."""
    run = f"{made.repo / 'results'}/nav/run-20261124-021550"
    commands = ["runs", "log", "show latest", "status", "check", "verify", "doctor", "config list", f"validate {run}"]
    fields = {}
    for command in commands:
        words = ["capture-hook", *command.split(), "--json"]
        printed = json.loads(made.run(*words))
        fields[command.replace(str(made.repo) + "/", "")] = sorted(set(field_paths(printed)))
    return fields


def read_facts(made, name):
    """What the repository holds, by git and DVC's cache alone, and which fields the program's JSON has."""
    versions, commits = {}, []
    for line in made.git("log", "--reverse", "--topo-order", "--format=%H %s", "--all").splitlines():
        commit, subject = line.split(" ", 1)
        version = data_version(made, commit)
        commits.append({"commit": commit, "subject": subject, "version": version})
        if version and version not in versions:
            path = made.repo / ".dvc/cache/files/md5" / version[:2] / version[2:]
            versions[version] = {entry["relpath"]: entry["md5"] for entry in json.loads(path.read_bytes())}
    tags = made.git("for-each-ref", "--format=%(refname:short) %(objectname) %(*objectname)", "refs/tags").splitlines()
    source = subprocess.run(
        ["git", "-C", ROOT, "log", "-1", "--format=%H %s", STATES[name]], check=True, capture_output=True, text=True
    ).stdout.split(maxsplit=1)
    return {
        "program": {
            "version": made.run("capture-hook", "--version").split()[-1],
            "commit": source[0],
            "subject": source[1].strip(),
        },
        "commits": commits,
        "json": read_json_fields(made),
        "tags": {words[0]: {"object": words[1], "commit": words[2]} for words in map(str.split, tags)},
        "versions": versions,
    }


def pack(made, path):
    """Packs it; the same files give the same bytes."""
    for repository in ("repo", "origin.git"):
        made.run("git", "repack", "-q", "-a", "-d", cwd=made.root / repository)
    for named in [made.repo / ".git/config", *(made.repo / ".git/hooks").iterdir()]:
        named.write_text(named.read_text().replace(str(made.root), "/released"))
    for left in [".dvc/tmp", ".git/COMMIT_EDITMSG", ".git/MERGE_MSG"]:
        left = made.repo / left
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def plain(entry):
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = made.clock, 0, 0, "", ""
        return entry

    with lzma.open(path, "wb", preset=9) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for top in ("dvc-remote", "origin.git", "repo"):
                archive.add(made.root / top, top, filter=plain)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=STATES)
    parser.add_argument("--program", type=pathlib.Path, help="the program of that state; it is built otherwise")
    args = parser.parse_args()
    program = args.program or build(args.name)
    with tempfile.TemporaryDirectory() as root:
        made = Made(pathlib.Path(root).resolve(), program.resolve())
        make_repository(made, OLD_RUNS + ([] if args.name == "first" else DECLARED_RUNS))
        if args.name == "removals":
            make_sweep(made)
        facts = read_facts(made, args.name)
        pack(made, HERE / f"{args.name}.tar.xz")
    (HERE / f"{args.name}.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    for kind in ("tar.xz", "json"):
        path = HERE / f"{args.name}.{kind}"
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()[:12])


if __name__ == "__main__":
    main()
