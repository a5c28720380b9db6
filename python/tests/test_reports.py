"""The report is the command's, whatever the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import CASES, CORPUS, command, record, run_of

import capture_hook


@pytest.mark.parametrize("case", CASES)
def test_the_report_is_what_the_command_prints(case, monkeypatch):
    monkeypatch.chdir(CORPUS / case)
    said = command("validate", "--json", run_of(case), cwd=CORPUS / case)
    printed = json.loads(said.stdout)
    (theirs,) = printed["runs"]
    ours = capture_hook.validate_run_artifacts(run_of(case))
    assert ours == theirs
    expected = json.loads((CORPUS / case / "expect.json").read_text())
    assert ours["ok"] == expected["ok"] == printed["ok"]
    assert set(expected["errors"]) <= set(ours["errors"]) <= set(expected["errors"]) | set(expected["may"])


def test_it_reads_as_the_first_recorders_report_did(results):
    recorder = capture_hook.RunRecorder(results, experiment="demo", run_id="r")
    record(recorder, steps=7)
    report = capture_hook.validate_run_artifacts(str(recorder.root))
    assert report["steps"] == {"ok": True, "rows": 7} and report["episodes"] == {"ok": True, "rows": 1}


def test_a_directory_that_is_not_there_is_a_finding(results):
    report = capture_hook.validate_run_artifacts(results / "demo" / "none")
    assert not report["ok"] and report["errors"] == ["run_dir_not_found"]


@pytest.mark.parametrize("file", ["capture-hook.toml", "results/demo/r1/run.json", "results/demo/r1/manifest.json"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_holds_nothing_up(tmp_path, file, kind):
    """C13: In a process of its own, which could else not be ended."""
    (tmp_path / ".dvc").mkdir()
    run = tmp_path / "results/demo/r1"
    shutil.copytree(CORPUS / "ok-pypi010" / run_of("ok-pypi010"), run)
    path = tmp_path / file
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    code = "import sys, capture_hook\ntry:\n    print(capture_hook.validate_run_artifacts(sys.argv[1])['ok'])\nexcept capture_hook.CaptureHookError as error:\n    print(error.code)"
    said = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, timeout=60, check=True)
    expected = {"capture-hook.toml": {"not_a_regular_file", "link_not_followed"}, "run.json": {"False"}}
    assert said.stdout.strip() in expected.get(path.name, {"True", "False"})


def test_codes_can_be_ignored_and_denied():
    run = CORPUS / "ok-unknown-field" / run_of("ok-unknown-field")
    assert capture_hook.validate_run_artifacts(run)["ok"]
    assert capture_hook.validate_run_artifacts(run, deny=["unknown_field"])["errors"] == ["unknown_field"]
    assert capture_hook.validate_run_artifacts(run, ignore=["unknown_field"])["warnings"] == []
    with pytest.raises(capture_hook.CaptureHookError) as caught:
        capture_hook.validate_run_artifacts(run, ignore=["truncated_gzip"])
    assert caught.value.code == "invalid_config" and caught.value.hints
