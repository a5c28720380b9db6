"""What a recorder leaves on disk: rows, shards and the manifest, however the process ends."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from conftest import episode, lines, record, rows, shards, step

import capture_hook
from capture_hook import RunRecorder


def test_rows_reach_the_file_without_a_flush(results):
    recorder = RunRecorder(results, run_id="r")
    recorder.append_step(step(1))
    end = time.monotonic() + 10
    while not lines(recorder.root, "steps") and time.monotonic() < end:
        time.sleep(0.05)
    assert rows(recorder.root, "steps")[0]["step"] == 1


KILLED = """
import sys, capture_hook
sys.path.insert(0, sys.argv[2])
from conftest import step, episode
recorder = capture_hook.RunRecorder(sys.argv[1], run_id="r")
recorder.write_run_meta({"env_config": {}})
n = 0
while True:
    n += 1
    for k in range(1, 101):
        recorder.append_step(step(k, episode_id=f"ep-{n}", truncated=k == 100))
    recorder.append_episode(episode(100, episode_id=f"ep-{n}"))
    if n % 20 == 0:
        recorder.flush()
        print(n, flush=True)
"""


def test_a_killed_process_leaves_what_was_flushed(results):
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(results), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True)
    said = [int(child.stdout.readline()) for _ in range(10)]
    time.sleep(random.random() / 20)
    child.send_signal(signal.SIGKILL)
    child.wait()
    said += [int(line) for line in child.stdout.read().split()]
    run = results / "default" / "r"
    # Any gzip reader takes it: the files are whole.
    assert len(rows(run, "steps")) >= said[-1] * 100 and len(rows(run, "episodes")) >= said[-1]
    report = capture_hook.validate_run_artifacts(run)
    assert report["ok"], report


def test_the_end_of_the_interpreter_writes_what_is_left(results):
    code = "import sys; sys.path.insert(0, sys.argv[2]); import capture_hook; from conftest import step\n"
    code += "r = capture_hook.RunRecorder(sys.argv[1], run_id='r')\n"
    code += "for n in range(1, 5001): r.append_step(step(n))"
    subprocess.run([sys.executable, "-c", code, str(results), str(Path(__file__).parent)], check=True)
    assert len(rows(results / "default" / "r", "steps")) == 5000


def test_a_forked_child_is_told_and_the_parent_goes_on(results):
    recorder = RunRecorder(results, run_id="r")
    recorder.append_step(step(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            recorder.append_step(step(2))
        except RuntimeError:
            del recorder
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    recorder.append_step(step(2))
    recorder.finalize()
    assert len(rows(recorder.root, "steps")) == 2


def test_shards_are_rotated_and_numbered_for_every_loader(results):
    recorder = RunRecorder(results, experiment="demo", run_id="r1", rotate_size_bytes=3000)
    rng, many = random.Random(1), 20000
    recorder.write_run_meta({"env_config": {}})
    for n in range(1, many + 1):
        recorder.append_step(step(n, observation_summary=[rng.random()], truncated=n == many))
    recorder.append_episode(episode(many))
    recorder.finalize()
    names = [p.name for p in shards(recorder.root, "steps")]
    assert names[:3] == ["steps.jsonl.gz", "steps.part0001.jsonl.gz", "steps.part0002.jsonl.gz"] and len(names) > 12
    assert names == sorted(names, key=lambda name: (name != "steps.jsonl.gz", name))
    assert [r["step"] for r in rows(recorder.root, "steps")] == list(range(1, many + 1))
    assert capture_hook.validate_run_artifacts(recorder.root)["ok"]


def test_finalize_writes_a_manifest_and_ends_the_run(results):
    with RunRecorder(results, experiment="demo", run_id="r1") as recorder:
        assert (recorder.run_id, recorder.experiment, recorder.root) == ("r1", "demo", results / "demo" / "r1")
        record(recorder)
    manifest = json.loads((recorder.root / "manifest.json").read_text())
    assert manifest["run_id"] == "r1" and manifest["validation"]["ok"] and manifest["seed_summary"]["min"] == 42
    recorder.finalize()
    with pytest.raises(capture_hook.RunUsageError):
        recorder.append_step(step(1))
    with pytest.raises(ValueError):
        recorder.append_episode(episode(1))


def test_a_manifest_that_cannot_be_written_is_a_warning(results):
    recorder = RunRecorder(results, run_id="r")
    recorder.write_run_meta({"env_config": {}})
    recorder.append_step(step(1))
    recorder.flush()
    # Someone cleans up too early.
    shutil.rmtree(results)
    with pytest.warns(RuntimeWarning):
        recorder.finalize()


def test_parquet_is_exported_on_request(results):
    import pyarrow.parquet

    recorder = RunRecorder(results, run_id="r")
    recorder.write_run_meta({"env_config": {}})
    for n in range(1, 4):
        recorder.append_step(step(n, truncated=n == 3))
    recorder.append_episode(episode(3))
    recorder.finalize(export_parquet=True)
    assert pyarrow.parquet.read_table(recorder.root / "steps.parquet")["step"].to_pylist() == [1, 2, 3]
    assert pyarrow.parquet.read_table(recorder.root / "episodes.parquet").num_rows == 1
    assert capture_hook.validate_run_artifacts(recorder.root)["ok"]


def test_an_exception_in_the_block_still_finalizes(results):
    with pytest.raises(ZeroDivisionError), RunRecorder(results, run_id="r") as recorder:
        recorder.write_run_meta({"env_config": {}})
        recorder.append_step(step(1))
        raise ZeroDivisionError
    assert (recorder.root / "manifest.json").exists() and len(rows(recorder.root, "steps")) == 1


def test_names_that_leave_the_results_directory_are_refused(results):
    for bad in ["../x", "a/b", "..", "a\nb", "x" * 256, ".git ", "git~1", ".venv", "CON", "a:b", "x?", "r1."]:
        with pytest.raises(ValueError):
            RunRecorder(results, run_id=bad)
        with pytest.raises(ValueError):
            RunRecorder(results, experiment=bad)
    with pytest.raises(ValueError):
        RunRecorder(results, rotate_size_bytes=-1)
    with pytest.raises(OSError):
        RunRecorder(results / "file" if (results / "file").write_text("") is None else results / "file")
    assert sorted(p.name for p in results.iterdir()) == ["file"]


def test_two_recorders_without_an_id_do_not_meet(results):
    a, b = RunRecorder(results), RunRecorder(str(results))
    assert a.run_id != b.run_id and a.experiment == "default" and a.run_id.startswith("run-")


def test_a_recorder_survives_a_change_of_directory(results, monkeypatch):
    monkeypatch.chdir(results.parent)
    recorder = RunRecorder("results", run_id="r", rotate_size_bytes=500)
    monkeypatch.chdir("/")
    rng = random.Random(2)
    recorder.write_run_meta({"env_config": {}})
    for n in range(1, 10001):
        recorder.append_step(step(n, observation_summary=[rng.random()]))
    recorder.finalize()
    assert recorder.root == Path("results/default/r")
    run = results / "default" / "r"
    assert len(rows(run, "steps")) == 10000 and (run / "manifest.json").exists() and len(shards(run, "steps")) > 2


def test_a_run_that_is_there_goes_on_in_new_shards(results):
    first = RunRecorder(results, run_id="r")
    first.append_step(step(1))
    first.finalize()
    before = (first.root / "steps.jsonl.gz").read_bytes()
    again = RunRecorder(results, run_id="r")
    again.append_step(step(2))
    again.finalize()
    assert (first.root / "steps.jsonl.gz").read_bytes() == before
    assert [r["step"] for r in rows(first.root, "steps")] == [1, 2]
    with gzip.open(first.root / "steps.part0001.jsonl.gz") as file:
        assert file.read().count(b"\n") == 1
