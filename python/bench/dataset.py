"""What reading a dataset costs: `Dataset.runs()`, and `steps()` beside the readers' own scan of the same parquet files.

    python dataset.py [--bin BIN] [--runs 3000] [--files 12] [--episodes 200] [--steps 500] [--rounds 7] [--work DIR]

`--runs` small runs are committed one by one, as the hooks would have done it, and `--files` long ones in an experiment of their
own. Both readings take turns, and the figure is the median of the rounds, warm. Exits with 1 if `runs()` takes more
than half a second, or `steps()` more than 10 % longer than the reader's own scan. Needs pyarrow and Polars beside capture_hook.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import polars
import pyarrow
import pyarrow.dataset

import capture_hook

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_SECONDS = 0.5
MOST_RATIO = 1.10


def bench_history() -> ModuleType:
    """`bench/history`, which knows how to commit runs quickly."""
    loader = importlib.machinery.SourceFileLoader("bench_history", str(ROOT / "bench" / "history"))
    spec = importlib.util.spec_from_loader("bench_history", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def add_experiment(repo: Path, history: ModuleType, run: Callable[..., str], bin: Path, shape: list[int]) -> None:
    """Commits an experiment of long runs, all at once."""
    run(sys.executable, ROOT / "bench" / "make_run.py", repo / "results", "wide", *shape)
    run(bin, "ingest", "-q", "--all")
    cache, data = repo / ".dvc/cache/files/md5", repo / "data/captures"
    entries, size = [], 0
    for file in sorted(path for path in data.rglob("*") if path.is_file()):
        content = file.read_bytes()
        entries.append({"md5": history.put(cache, content), "relpath": file.relative_to(data).as_posix()})
        size += len(content)
    version = history.put(cache, json.dumps(entries).encode(), ".dir")
    (repo / "dvc.lock").write_text(history.lock("wide/run-000000", version, size, len(entries)))
    trailers = ""
    for folder in sorted((data / "wide").iterdir()):
        manifest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        trailers += f"Capture-Run: wide/{folder.name}\nCapture-Data: md5:{version}.dir\nCapture-Manifest: sha256:{manifest}\n"
    run("git", "commit", "-qam", f"Capture the runs of wide\n\n{trailers}")


def measure(rounds: int, readings: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Each reading's median of wall time, in seconds; they take turns, and must read as many rows."""
    walls: dict[str, list[float]] = {name: [] for name in readings}
    rows = set()
    for at in range(rounds + 1):
        for name, read in readings.items():
            started = time.perf_counter()
            rows.add(read())
            # The first round only warms the caches.
            if at:
                walls[name].append(time.perf_counter() - started)
    if len(rows) != 1:
        sys.exit(f"they read {rows} rows")
    return {name: statistics.median(wall) for name, wall in walls.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=ROOT / "target" / "release" / "capture-hook")
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "bench-dataset")
    parser.add_argument("--keep", action="store_true", help="leave the repository in --work, and use one that is there")
    args = parser.parse_args()
    root = args.work.resolve()
    repo = root / "repo"
    env = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "LC_ALL": "C.UTF-8"}

    def run(*command: object, **more: str) -> str:
        done = subprocess.run([str(part) for part in command], cwd=repo, env=env, capture_output=True, text=True, **more)
        if done.returncode:
            sys.exit(f"{command} failed with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    if not (args.keep and repo.exists()):
        history = bench_history()
        args.bin = args.bin.resolve()
        history.make(argparse.Namespace(commits=args.runs, bin=args.bin), root, repo, run)
        add_experiment(repo, history, run, args.bin, [args.files, args.episodes, args.steps])
    failed = False

    first = time.perf_counter()
    count = len(capture_hook.Dataset(repo).runs())
    first = time.perf_counter() - first
    again = measure(args.rounds, {"runs()": lambda: len(capture_hook.Dataset(repo).runs())})["runs()"]
    print(f"{count} runs, each in a commit of its own: runs() {again:.2f} s, the first time {first:.2f} s")
    failed |= again > MOST_SECONDS

    dataset = capture_hook.Dataset(repo)
    wide, small = sorted((repo / "data/captures/wide").glob("*/steps.parquet")), sorted((repo / "data/captures/long").glob("*/steps.parquet"))
    for experiment, files in [("wide", wide), ("long", small)]:
        rows = dataset.steps(experiment)
        readings = {
            "pyarrow": (lambda: pyarrow.table(rows).num_rows, lambda: pyarrow.dataset.dataset(files).to_table().num_rows),
            "polars": (lambda: polars.DataFrame(rows).height, lambda: polars.scan_parquet(files).collect().height),
        }
        print(f"{rows.num_rows:,} steps of {len(files)} files")
        for reader, (ours, own) in readings.items():
            medians = measure(args.rounds, {"steps()": ours, "own": own})
            ratio = medians["steps()"] / medians["own"]
            print(f"  {reader:8} steps() {medians['steps()']:.3f} s, its own scan {medians['own']:.3f} s: {ratio:.2f} times")
            failed |= ratio > MOST_RATIO
    if not args.keep:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
