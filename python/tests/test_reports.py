"""The report is the command's, whatever the run."""

from __future__ import annotations

import json

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


def test_codes_can_be_ignored_and_denied():
    run = CORPUS / "ok-unknown-field" / run_of("ok-unknown-field")
    assert capture_hook.validate_run_artifacts(run)["ok"]
    assert capture_hook.validate_run_artifacts(run, deny=["unknown_field"])["errors"] == ["unknown_field"]
    assert capture_hook.validate_run_artifacts(run, ignore=["unknown_field"])["warnings"] == []
    with pytest.raises(capture_hook.CaptureHookError) as caught:
        capture_hook.validate_run_artifacts(run, ignore=["truncated_gzip"])
    assert caught.value.code == "invalid_config" and caught.value.hints
