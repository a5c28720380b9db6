"""Many runs through a real Dask scheduler with worker processes of its own, one of which is killed on the way."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import pytest
from conftest import CORPUS, record, run_of, tree
from distributed import Client, LocalCluster, Nanny, Scheduler, SpecCluster
from distributed.deploy.spec import ProcessInterface

import capture_hook
import capture_hook.dask
from capture_hook.dask import ingest_many, main

RUNS = 200


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """A project with 200 runs of different sizes, and what a serial ingest makes of them."""
    root = tmp_path_factory.mktemp("cluster")
    (root / ".dvc").mkdir()
    for i in range(RUNS):
        recorder = capture_hook.RunRecorder(root / "results", experiment=f"e{i % 3}", run_id=f"r{i:03}", rotate_size_bytes=2000)
        record(recorder, steps=20 + i % 7 * 60, episodes=1 + i % 5, seed=i)
    for run in capture_hook.find_runs(root / "results"):
        capture_hook.ingest(run, root / "serial")
    assert len(capture_hook.find_runs(root / "serial")) == RUNS
    return root


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread, with a nanny each that starts another where one dies."""
    with local_cluster(2) as cluster:
        yield cluster


def local_cluster(workers: int, **options) -> LocalCluster:
    return LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, **options)


def everything(path: Path) -> dict[str, bytes]:
    """Every file below a directory and every directory: nothing may be left behind."""
    return {**tree(path), **{f"{p.relative_to(path)}/": b"" for p in path.rglob("*") if p.is_dir()}}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_worker_killed_half_way_does_no_harm(many, cluster, tmp_path, seed):
    out = many / f"out-{seed}"
    runs = capture_hook.find_runs(many / "results")
    with Client(cluster, set_as_default=False) as client:
        victim = client.submit(os.getpid, pure=False).result()
        done = lambda: len(list(out.glob("*/*/DATASET_INDEX.json")))
        killed_at = []

        def kill() -> None:
            # At a random moment of the work, not of its preparation.
            wanted = random.Random(seed).randint(5, RUNS // 2)
            end = time.monotonic() + 120
            while done() < wanted and time.monotonic() < end:
                time.sleep(0.001)
            os.kill(victim, signal.SIGKILL)
            killed_at.append(done())

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        verdicts = ingest_many(runs, out, client)
        killer.join()
    assert killed_at and killed_at[0] < RUNS
    assert verdicts.ok and verdicts.counts() == {"ingested": RUNS}, str(verdicts)
    assert everything(out) == everything(many / "serial")
    assert [v.run_dir for v in verdicts] == [str(run) for run in runs]


def test_every_run_gets_its_verdict(many, cluster, tmp_path):
    for case in ["bad-step-gap", "bad-truncated-gzip", "ok-head01", "ok-orig100"]:
        shutil.copytree(CORPUS / case / run_of(case), tmp_path / case / run_of(case))
    good, orig = (tmp_path / case / run_of(case) for case in ["ok-head01", "ok-orig100"])
    bad, torn = (tmp_path / case / run_of(case) for case in ["bad-step-gap", "bad-truncated-gzip"])
    # The corpus made the bad ones of the good: on a cluster they would go to the same folder.
    for run, name in [(bad, "bad"), (torn, "torn")]:
        meta = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps({**meta, "experiment": name}))
        run.parent.rename(run.parent.with_name(name))
    bad, torn = bad.parent.with_name("bad") / bad.name, torn.parent.with_name("torn") / torn.name
    twin = tmp_path / "elsewhere" / run_of("ok-head01")
    shutil.copytree(good, twin)
    (tmp_path / "link").symlink_to(good)
    given = [good, bad, tmp_path / "none" / "r", orig, tmp_path / "link", torn, twin]
    verdicts = ingest_many(map(str, given), tmp_path / "out", cluster)
    assert [v.status for v in verdicts] == ["ingested", "invalid", "failed", "ingested", "ingested", "invalid", "ingested"]
    assert not verdicts.ok and verdicts[1].errors == ("step_sequence",) and verdicts[5].errors == ("truncated_gzip",)
    assert verdicts[0].steps and verdicts[0].destination == str(tmp_path / "out" / run_of("ok-head01"))
    assert len(capture_hook.find_runs(tmp_path / "out")) == 2
    frame = verdicts.to_pandas()
    assert list(frame["status"]) == [v.status for v in verdicts]
    assert json.loads(json.dumps(verdicts.to_dicts()))[1]["errors"] == ["step_sequence"]
    table = str(verdicts).splitlines()
    assert len(table) == 8 and table[0].split()[:2] == ["run", "status"] and "step_sequence" in table[2]
    # A copy counts once; of runs of one name that differ none is taken, and both are named.
    (twin / "notes.txt").write_text("another")
    differing = ingest_many([good, twin, orig], tmp_path / "differing", cluster)
    assert [v.status for v in differing] == ["duplicate", "duplicate", "ingested"]
    assert all(str(good) in v.message and str(twin) in v.message for v in differing[:2])
    assert len(capture_hook.find_runs(tmp_path / "differing")) == 1
    # What cannot be read is no reason to stop, nor what is there already.
    again = ingest_many([good, orig], tmp_path / "out", cluster.scheduler_address)
    assert again.ok


def test_runs_that_declare_their_columns_are_ingested_like_any_other(cluster, tmp_path):
    runs = sorted((CORPUS.parent / "simulators").glob("*/*/"))
    verdicts = ingest_many(runs, tmp_path / "out", cluster)
    assert verdicts.ok and len(verdicts) == len(runs) > 5
    for run, verdict in zip(runs, verdicts):
        alone = capture_hook.ingest(run, tmp_path / "alone")
        assert tree(Path(verdict.destination)) == tree(alone.path)


def test_what_is_asked_wrongly_is_refused(many, cluster, tmp_path):
    run = capture_hook.find_runs(many / "results")[0]
    (tmp_path / "file").write_text("a file where the dataset belongs")
    with pytest.raises(capture_hook.RunIOError):
        ingest_many([run], tmp_path / "file", cluster)
    with pytest.raises(capture_hook.RunUsageError):
        ingest_many([run], tmp_path / "out", cluster, workers=2)


FAULTS = """
import os, signal, sys, capture_hook

# Workers read this more than once.
plain = capture_hook.plain = getattr(capture_hook, "plain", capture_hook.ingest)


def ingest(run_dir, *arguments, **options):
    name = os.path.basename(run_dir)
    with open(os.path.join(FOLDER, name), "a") as file:
        file.write("x")
    tries = os.path.getsize(os.path.join(FOLDER, name))
    if name == "r000":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "r003" and tries < 3 or name == "r006":
        raise capture_hook.RunIOError("the disk failed")
    return plain(run_dir, *arguments, **options)


capture_hook.ingest = ingest
"""


def test_what_can_be_retried_is_and_what_cannot_is_reported(many, tmp_path):
    """K1: Of runs that kill their worker, fail for a while or fail for good, each gets its own verdict."""
    # Faults put into the workers: one run kills every worker that takes it, one fails twice, one for ever. Several runs
    # share a task at first, so that others are in it with them. Dask gives a worker up that is not there again in time,
    # 15 s after its death, and by then it may have died once more: here no worker starts quickly enough.
    faults = tmp_path / "faults.py"
    faults.write_text(f"FOLDER = {str(tmp_path)!r}\n{FAULTS}")
    runs = capture_hook.find_runs(many / "results")[:40]
    names = [run.name for run in runs]
    assert {"r000", "r003", "r006"} <= set(names)
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "50ms"}),
        local_cluster(2, preload=[str(faults)]) as cluster,
    ):
        verdicts = ingest_many(runs, tmp_path / "out", cluster, retries=2)
    status = dict(zip(names, [v.status for v in verdicts]))
    assert (status.pop("r000"), status.pop("r006")) == ("lost", "failed"), str(verdicts)
    assert set(status.values()) == {"ingested"} and len(status) == 38
    tries = {name: (tmp_path / name).stat().st_size for name in names}
    # More often where the scheduler gave up on them with a worker that r000 had killed.
    assert tries["r003"] >= 3 and tries["r006"] >= 3 and tries["r000"] > 1
    message = verdicts[names.index("r006")].message
    assert message == "the disk failed" and not verdicts.ok


FORGETFUL = """
def dask_setup(worker):
    give, forgotten = worker.stream_handlers["compute-task"], []

    def forget(**task):
        if "_ingest_batch" in str(task["key"]) and len(forgotten) < MOST:
            forgotten.append(task["key"])
        else:
            give(**task)

    worker.stream_handlers["compute-task"] = forget
"""


@pytest.mark.parametrize("most, status", [(1, "ingested"), (1000, "lost")])
def test_what_a_worker_forgets_is_given_to_it_again_and_then_reported(many, tmp_path, monkeypatch, most, status):
    """K2: A task that its worker forgot is submitted again, and reported as lost after some tries."""
    # The scheduler says that the worker has the task, the worker knows of none: nothing would ever happen.
    monkeypatch.setattr(capture_hook.dask, "_QUIET", 1.0)
    forgetful = tmp_path / "forgetful.py"
    forgetful.write_text(f"MOST = {most}\n{FORGETFUL}")
    runs = capture_hook.find_runs(many / "results")[:3]
    with local_cluster(1, preload=[str(forgetful)]) as cluster:
        verdicts = ingest_many(runs, tmp_path / "out", cluster)
    assert verdicts.counts() == {status: 3}, str(verdicts)
    if status == "lost":
        assert {v.errors for v in verdicts} == {("no_progress",)} and "client.restart()" in str(verdicts)


def test_a_cluster_whose_workers_are_gone_for_good_says_so(many, tmp_path, monkeypatch):
    """K1: The call ends if no worker is left and none comes, and says how to get some."""
    monkeypatch.setattr(capture_hook.dask, "_QUIET", 0.5)
    runs = capture_hook.find_runs(many / "results")[:3]
    with local_cluster(0) as cluster:
        verdicts = ingest_many(runs, tmp_path / "out", cluster)
    assert verdicts.counts() == {"lost": 3} and {v.errors for v in verdicts} == {("no_worker",)}, str(verdicts)
    assert "cluster.scale" in str(verdicts)


class Job(ProcessInterface):
    """A worker as a batch system gives it: the job is accepted at once, and begins when its turn comes."""

    def __init__(self, address: str, turn: asyncio.Event, **_) -> None:
        super().__init__()
        self.address, self.turn, self.nanny = address, turn, None

    async def start(self) -> None:
        await super().start()
        self.waiting = asyncio.ensure_future(self.begin())

    async def begin(self) -> None:
        await self.turn.wait()
        self.nanny = await Nanny(self.address, nthreads=1)

    async def close(self) -> None:
        self.waiting.cancel()
        if self.nanny:
            await self.nanny.close()
        await super().close()


@pytest.mark.parametrize("kind", ["a scheduler's address", "adaptive", "a batch system"])
def test_runs_wait_for_a_worker_that_may_come(many, tmp_path, monkeypatch, caplog, kind):
    """K2: A scheduler that has no worker yet, an adaptive cluster and a batch system are waited for."""
    monkeypatch.setattr(capture_hook.dask, "_QUIET", 0.2)
    runs = capture_hook.find_runs(many / "results")[:3]
    turn = asyncio.Event()
    if kind == "a batch system":
        worker = {"cls": Job, "options": {"turn": turn}}
        scheduler = {"cls": Scheduler, "options": {"dashboard": False, "dashboard_address": None}}
        cluster = SpecCluster(workers={"job": worker}, scheduler=scheduler)
    else:
        cluster = local_cluster(0)
    with cluster:

        def give_one() -> None:
            # When the wait has been told, and gone on for a while.
            while "there is no worker" not in caplog.text:
                time.sleep(0.01)
            time.sleep(1)
            if kind == "adaptive":
                cluster.adapt(minimum=1, maximum=1)
            elif kind == "a batch system":
                cluster.loop.add_callback(turn.set)
            else:
                cluster.scale(1)

        if kind == "adaptive":
            cluster.adapt(minimum=0, maximum=0)
        giver = threading.Thread(target=give_one, daemon=True)
        giver.start()
        verdicts = ingest_many(runs, tmp_path / "out", cluster.scheduler_address if kind.endswith("address") else cluster)
        giver.join()
    assert verdicts.ok, str(verdicts)


def test_nothing_to_do_starts_nothing(tmp_path):
    verdicts = ingest_many([], tmp_path / "out")
    assert verdicts.ok and len(verdicts) == 0 and repr(verdicts) == "<Verdicts: no runs>"


def test_the_command_line(many, tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "capture_hook.dask", *arguments], cwd=many, capture_output=True, text=True, check=False)

    small = [str(p.relative_to(many)) for p in capture_hook.find_runs(many / "results")[:3]]
    said = run(*small, "--out-dir", "out-cli", "--workers", "2")
    assert said.returncode == 0, said.stderr
    assert len(said.stdout.splitlines()) == 4 and "3 ingested" in said.stderr
    for run_dir in small:
        name = Path(run_dir).relative_to("results")
        assert tree(many / "out-cli" / name) == tree(many / "serial" / name)
    shutil.copytree(CORPUS / "bad-step-gap" / run_of("bad-step-gap"), tmp_path / "results" / run_of("bad-step-gap"))
    said = run(str(tmp_path / "results"), "--json", "--out-dir", str(tmp_path / "out"))
    printed = json.loads(said.stdout)
    assert said.returncode == 1 and printed["ok"] is False and printed["runs"][0]["errors"] == ["step_sequence"]
    assert run(str(tmp_path / "none")).returncode == 3
    help_text = run("--help").stdout
    assert "examples:" in help_text and max(map(len, help_text.splitlines())) <= 80


def test_main_is_callable(many, tmp_path, capsys, cluster):
    run = capture_hook.find_runs(many / "results")[0]
    assert main([str(run), "--out-dir", str(tmp_path / "out"), "--scheduler", cluster.scheduler_address]) == 0
    assert "ingested" in capsys.readouterr().out
