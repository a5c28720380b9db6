"""Ingest through Python is ingest through the command."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import CORPUS, command, record, run_of, tree

import capture_hook

CASES = ["ok-head01", "ok-orig100", "ok-pypi010", "ok-rotated-orig100", "ok-rotated-pypi010", "ok-unknown-field", "ok-multi-member"]


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_are_the_commands(case, tmp_path, monkeypatch):
    run = run_of(case)
    for name in ["one", "two"]:
        # A project, whose root run directories are named from.
        (tmp_path / name / ".dvc").mkdir(parents=True)
        subprocess.run(["git", "init", "-q", tmp_path / name], check=True)
        shutil.copytree(CORPUS / case / run, tmp_path / name / "results" / run)
    said = command("ingest", "--run-dir", Path("results") / run, "--out-dir", "data/captures", cwd=tmp_path / "one")
    assert said.returncode == 0, said.stderr
    monkeypatch.chdir(tmp_path / "two")
    done = capture_hook.ingest(Path("results") / run, "data/captures")
    assert done.path == Path("data/captures") / run and done.run_key == str(run)
    assert done.changed and not capture_hook.ingest(Path("results") / run, "data/captures").changed
    assert done.report["ok"] and (done.experiment, done.run_id) == run.parts
    one, two = (tree(tmp_path / name / "data") for name in ["one", "two"])
    assert one.keys() == two.keys() and one == two
    # From anywhere, by any name.
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "two" / "data")
    capture_hook.ingest(tmp_path / "two" / "results" / run, tmp_path / "two" / "data" / "captures")
    assert tree(tmp_path / "two" / "data") == one


def test_an_invalid_run_changes_nothing(tmp_path):
    run = CORPUS / "bad-step-gap" / run_of("bad-step-gap")
    with pytest.raises(capture_hook.InvalidRunError) as caught:
        capture_hook.ingest(run, tmp_path / "data")
    assert caught.value.code == "invalid_run" and caught.value.report["errors"] == ["step_sequence"]
    assert tree(tmp_path) == {}
    # Exceptions travel between processes with all they say.
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.code, again.report, str(again)) == (caught.value.code, caught.value.report, str(caught.value))


def test_what_goes_wrong_has_the_right_type(tmp_path, results):
    with pytest.raises(FileNotFoundError):
        capture_hook.ingest(results / "demo" / "none", tmp_path / "data")
    recorder = capture_hook.RunRecorder(results, experiment="demo", run_id="r")
    record(recorder)
    with pytest.raises(OSError) as caught:
        capture_hook.ingest(recorder.root, "/proc/nowhere/data")
    assert isinstance(caught.value, capture_hook.RunIOError) and caught.value.code in {"io", "permission_denied"}
    with pytest.raises(capture_hook.RunUsageError):
        capture_hook.ingest(recorder.root, recorder.root / "data")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError):
        capture_hook.ingest(recorder.root, tmp_path / "file")
    with pytest.raises(TypeError):
        capture_hook.ingest(3, tmp_path)


def test_other_threads_go_on_meanwhile(results, tmp_path):
    recorder = capture_hook.RunRecorder(results, experiment="demo", run_id="r")
    record(recorder, steps=1000, episodes=30)
    turns, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            turns[0] += 1

    # A thread that holds the GIL would let no other in for the whole call.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        before = turns[0]
        capture_hook.ingest(recorder.root, tmp_path / "data")
        during = turns[0] - before
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert during > 1000


def test_runs_are_found(results):
    for experiment, run_id in [("b", "r1"), ("a", "r2"), ("a", "r1")]:
        record(capture_hook.RunRecorder(results, experiment=experiment, run_id=run_id))
    (results / "a" / "notes").mkdir()
    (results / "a" / "notes" / "x.txt").write_text("")
    found = capture_hook.find_runs(results)
    assert found == [results / "a" / "r1", results / "a" / "r2", results / "b" / "r1"]
    assert capture_hook.find_runs(os.fspath(results) + "/none") == []


def test_what_an_exception_quotes_is_spelled_out(tmp_path):
    run = tmp_path / "demo" / "r\x1b]0;owned\x07\u202e"
    shutil.copytree(CORPUS / "bad-step-gap" / run_of("bad-step-gap"), run)
    with pytest.raises(capture_hook.InvalidRunError) as caught:
        capture_hook.ingest(run, tmp_path / "data")
    said = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "r\\u{1b}]0;owned\\u{7}\\u{202e}" in said and not set("\x1b\x07\u202e") & set(said), said
