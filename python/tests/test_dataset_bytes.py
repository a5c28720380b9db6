"""Where a Dataset's bytes come from: cache, workspace, remote; and that they are the committed ones."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from projects import (
    copy_project,
    git,
    hook,
    new_project,
    objects,
    overwrite,
    publish,
    record_declared,
    record_run,
    sh,
    state,
)

import capture_hook
from capture_hook import Dataset


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Two runs, pushed; then a third one, so that HEAD is not the first version."""
    repo = new_project(tmp_path_factory.mktemp("project"))
    record_run(repo, "nav/r1")
    record_run(repo, "nav/r2", seed=50)
    publish(repo)
    git(repo, "tag", "first")
    record_run(repo, "nav/r3", seed=60)
    publish(repo)
    hook(repo, "push")
    return repo


@pytest.fixture
def copy(project, tmp_path) -> Path:
    return copy_project(project, tmp_path / "copy")


@pytest.fixture
def clone(project, tmp_path) -> Path:
    """A clone without any data."""
    git(project, "clone", "-q", "-c", "core.hooksPath=/dev/null", str(project), str(tmp_path / "clone"))
    return tmp_path / "clone"


def rows(source) -> int:
    import pyarrow

    return pyarrow.table(source).num_rows


def cached(repo: Path) -> list[Path]:
    return sorted(path for path in (repo / ".dvc/cache/files/md5").glob("??/*") if not path.name.endswith(".dir"))


def test_a_clone_fetches_what_is_asked_for_and_no_more(clone, project):
    before = state(clone)
    dataset = Dataset(clone, "first")
    assert list(dataset) == ["nav/r1", "nav/r2"] and cached(clone) == []
    steps = dataset.steps("nav/r1")
    assert cached(clone) == [], "nothing is fetched before rows are read"
    assert rows(steps) == 60
    (only,) = cached(clone)
    assert only.read_bytes() == (project / "data/captures/nav/r1/steps.parquet").read_bytes()
    assert len(dataset.runs()) == 2
    assert len(cached(clone)) == 1 + 2 * 4, "facts come from four small files of each run"
    path = dataset.path("nav/r2")
    assert sorted(file.name for file in path.iterdir()) == sorted(file.name for file in (project / "data/captures/nav/r2").iterdir())
    assert len(capture_hook.load_steps(path)) == 60
    assert state(clone) == before, "the working tree stays as it is"
    # As DVC would have fetched them.
    assert all(not os.access(file, os.W_OK) or os.geteuid() == 0 for file in cached(clone))
    assert "nav/r3" not in "".join(str(file) for file in clone.rglob("*"))


def test_a_run_is_read_with_no_remote_if_it_is_here(copy):
    shutil.rmtree(copy.parent / "remote")
    assert rows(Dataset(copy).steps()) == 180 and len(Dataset(copy, "first").runs()) == 2


def test_what_is_neither_here_nor_there_is_said_with_the_command(clone, project, tmp_path):
    away = tmp_path / "away"
    config = clone / ".dvc/config"
    config.write_text(config.read_text().replace(str(project.parent / "remote"), str(away)))
    with pytest.raises(capture_hook.DatasetError) as caught:
        Dataset(clone)
    assert caught.value.code == "remote_absent" and isinstance(caught.value, OSError)
    # With the list, but without the files.
    lists = [path for path in (project / ".dvc/cache/files/md5").glob("??/*.dir")]
    for path in lists:
        to = clone / ".dvc/cache/files/md5" / path.parent.name / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    with pytest.raises(capture_hook.DatasetError) as caught:
        rows(Dataset(clone).steps("nav/r1"))
    assert "1 file of 1 run" in str(caught.value) and "capture-hook pull nav/r1" in caught.value.hints[0]
    with pytest.raises(capture_hook.DatasetError) as caught:
        rows(Dataset(clone).steps())
    assert "3 files of 3 runs" in str(caught.value) and "`capture-hook pull`" in caught.value.hints[0]
    with pytest.raises(capture_hook.DatasetError) as caught:
        Dataset(clone, "first").path("nav/r1")
    assert "capture-hook get nav/r1 --rev first" in caught.value.hints[0]
    away.mkdir()
    with pytest.raises(capture_hook.DatasetError) as caught:
        Dataset(clone).runs()
    assert caught.value.code == "data_missing" and cached(clone) == []


def test_a_damaged_object_is_never_given_out(copy):
    damaged = objects(copy, "nav/r1", "steps.parquet")
    whole = damaged.read_bytes()
    assert rows(Dataset(copy).steps()) == 180
    # One bit of a value, in the middle: parquet itself does not notice.
    overwrite(damaged, whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    for read in [lambda: rows(Dataset(copy).steps()), lambda: Dataset(copy, "first").path("nav/r1", into=copy.parent / "new")]:
        with pytest.raises(capture_hook.DatasetError) as caught:
            read()
        assert caught.value.code == "data_damaged" and "nav/r1/steps.parquet is damaged" in str(caught.value)
        assert caught.value.hints[0].endswith(f"`rm -f {damaged}`")
    assert not (copy.parent / "new").exists()
    # What is not read needs not be whole.
    assert rows(Dataset(copy).steps("nav/r2")) == 60 and rows(Dataset(copy).episodes()) == 9
    # The hint is right: it is fetched anew.
    damaged.unlink()
    shutil.rmtree(copy / "data")
    assert rows(Dataset(copy).steps()) == 180 and damaged.read_bytes() == whole


@pytest.mark.parametrize("name", ["run.json", "manifest.json", "episodes.parquet", "DATASET_INDEX.json"])
def test_facts_come_from_whole_files_alone(copy, name):
    damaged = objects(copy, "nav/r1", name)
    overwrite(damaged, damaged.read_bytes() + b" ")
    (copy / ".git/capture-hook/known-runs").unlink()
    with pytest.raises(capture_hook.DatasetError) as caught:
        Dataset(copy, "first").runs()
    assert f"nav/r1/{name} is damaged" in str(caught.value)


def test_damage_is_found_after_a_file_was_verified(copy):
    damaged = objects(copy, "nav/r1", "steps.parquet")
    whole, facts = damaged.read_bytes(), damaged.stat()
    # Long enough ago for the verdict to be remembered.
    time.sleep(3.2)
    rows(Dataset(copy).steps())
    memory = copy / ".git/capture-hook/verified-files"
    assert memory.stat().st_size > 72
    remembered = memory.read_bytes()
    assert rows(Dataset(copy).steps()) == 180 and memory.read_bytes() == remembered
    # As large, and with the old time.
    overwrite(damaged, whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    os.utime(damaged, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(capture_hook.DatasetError):
        rows(Dataset(copy).steps())


def test_a_file_that_changes_while_it_is_read_ends_the_reading(copy):
    import pyarrow

    steps = Dataset(copy).steps()
    assert steps.num_rows == 180
    time.sleep(0.02)
    damaged = objects(copy, "nav/r2", "steps.parquet")
    overwrite(damaged, damaged.read_bytes())
    with pytest.raises(Exception, match="changed while it was read.*run_changed") as caught:
        pyarrow.table(steps)
    assert type(caught.value).__module__.startswith("pyarrow") or isinstance(caught.value, OSError)
    # Anew, it is verified anew.
    assert rows(Dataset(copy).steps()) == 180


def test_the_workspace_is_read_if_it_has_the_same_bytes(copy):
    shutil.rmtree(copy.parent / "remote")
    objects(copy, "nav/r1", "steps.parquet").unlink()
    assert rows(Dataset(copy).steps("nav/r1")) == 60, "from the workspace"
    own = copy / "data/captures/nav/r1/steps.parquet"
    overwrite(own, own.read_bytes()[:-1] + b"x")
    with pytest.raises(capture_hook.DatasetError) as caught:
        rows(Dataset(copy).steps("nav/r1"))
    assert caught.value.code == "remote_absent"


def test_damage_on_the_remote_does_not_come_here(clone, project, tmp_path):
    remote = tmp_path / "remote"
    shutil.copytree(project.parent / "remote", remote)
    config = clone / ".dvc/config"
    config.write_text(config.read_text().replace(str(project.parent / "remote"), str(remote)))
    md5 = Dataset(project)["nav/r1"].provenance["files"]["steps.parquet"]
    overwrite(remote / "files/md5" / md5[:2] / md5[2:], b"something else")
    with pytest.raises(capture_hook.DatasetError) as caught:
        rows(Dataset(clone).steps("nav/r1"))
    assert caught.value.code == "data_missing" and cached(clone) == []


def test_an_erased_run_is_called_erased(copy):
    """Wherever its data would be read, and by the revisions from before; all other runs are read as ever."""
    import pyarrow

    record_declared(copy, "spring/s1", {"x": {"dtype": "float32"}}, [{"x": 0.5}])
    publish(copy)
    git(copy, "tag", "before")
    hook(copy, "push")
    Dataset(copy).runs()
    for run in ["nav/r1", "spring/s1"]:
        hook(copy, "erase", run, "--everywhere", "--yes", "--reason", "asked by letter")
    assert list(Dataset(copy)) == ["nav/r2", "nav/r3"]
    dataset = Dataset(copy, "before")
    assert list(dataset) == ["nav/r1", "nav/r2", "nav/r3", "spring/s1"]
    run = dataset["nav/r1"]
    reads = [
        lambda: rows(dataset.steps()),
        lambda: dataset.episodes("nav").num_rows,
        lambda: run.path,
        lambda: dataset.path(run, into=copy.parent / "new"),
        lambda: run.config,
        lambda: run.metrics,
        lambda: run.provenance,
    ]
    for read in reads:
        with pytest.raises(capture_hook.ErasedRunError) as caught:
            read()
        assert caught.value.code == "erased" and isinstance(caught.value, capture_hook.DatasetError)
        assert "the data of nav/r1 was erased on purpose: asked by letter (capture-erased/" in str(caught.value)
        assert caught.value.hints[0].endswith("`capture-hook show nav/r1`")
    with pytest.raises(capture_hook.ErasedRunError, match="nav/r1 was erased .*; and that of 1 other run"):
        rows(dataset.steps())
    assert not (copy.parent / "new").exists()
    assert "nav/r1</strong>: the data of nav/r1 was erased on purpose" in run._repr_html_()
    table = {row["run"]: row for row in pyarrow.table(dataset.runs()).to_pylist()}
    assert [name for name, row in table.items() if row["erased"]] == ["nav/r1", "spring/s1"]
    assert table["nav/r1"]["erased"].startswith("asked by letter (capture-erased/")
    gone, there = table["nav/r1"], table["nav/r2"]
    assert (gone["steps"], gone["reward"], gone["valid"]) == (None, None, None) and gone["commit"] == there["commit"]
    assert (there["steps"], there["erased"]) == (60, None)
    assert rows(dataset.steps(["nav/r2", "nav/r3"])) == 120 and len(capture_hook.load_steps(dataset.path("nav/r2"))) == 60
    assert dataset.schema("spring") == {"steps": [], "episodes": []}
    # A clone that knows of it from the remote alone says the same.
    clone = copy.parent / "clone"
    git(copy, "clone", "-q", "-c", "core.hooksPath=/dev/null", str(copy), str(clone))
    shutil.copy(copy / ".dvc/config", clone / ".dvc/config")
    with pytest.raises(capture_hook.ErasedRunError):
        rows(Dataset(clone, "before").steps("nav/r1"))
    assert rows(Dataset(clone, "before").steps("nav/r2")) == 60


def test_a_linked_working_tree_reads_too(copy):
    git(copy, "worktree", "add", "-q", "--detach", "../tree", "first")
    assert rows(Dataset(copy.parent / "tree").steps()) == 120


def test_nothing_is_said_without_a_terminal(clone):
    import subprocess
    import sys

    code = f"import capture_hook, pyarrow; d = capture_hook.Dataset({str(clone)!r}); d.runs(); pyarrow.table(d.steps())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_dataset_may_be_in_a_folder_of_the_repository(tmp_path):
    top = tmp_path / "top"
    (top / "remote").mkdir(parents=True)
    sh("git", "init", "-q", "-b", "main", top / "repo", cwd=top)
    inner = top / "repo/sim"
    inner.mkdir()
    git(inner, "config", "user.name", "Ada")
    git(inner, "config", "user.email", "ada@example.org")
    hook(inner, "init", "--subdir", "--remote", top / "remote")
    (inner / "capture-hook.toml").write_text('engine = "native"\n')
    git(inner, "add", "-A", ".")
    git(inner, "commit", "-q", "-m", "Set up")
    record_run(inner, "nav/r1")
    publish(inner)
    assert list(Dataset(inner)) == ["nav/r1"] and rows(Dataset(inner / "results").steps()) == 60
    assert Dataset(inner).path("nav/r1") == inner / "data/captures/nav/r1"
