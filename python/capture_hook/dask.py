"""Ingest on a cluster: every run validated and put into the dataset, by as many workers as there are.

.. code-block:: python

    from capture_hook.dask import ingest_many

    if __name__ == "__main__":
        verdicts = ingest_many(Path("results").glob("*/*"), "data/captures")
        print(verdicts)

The engine is Dask's distributed scheduler (``pip install 'capture-hook[dask]'``). Without a ``client`` a cluster of one
worker process a core is started on this machine and stopped afterwards; the guard around the call above is what starting
processes from a script asks for in Python. A ``Client``, a cluster object or a scheduler's address is used as it is; all its workers
must see the same file system and have the same version of capture-hook installed. On Slurm:

.. code-block:: python

    from dask_jobqueue import SLURMCluster

    with SLURMCluster(cores=1, memory="1GiB", walltime="00:30:00") as cluster:
        cluster.scale(jobs=20)
        verdicts = ingest_many(runs, "data/captures", client=cluster)

Each run's folder is put in place whole or not at all, so a worker may die at any moment: the scheduler gives its runs to
another, and no half run is ever seen. What input or output failed on is tried again; an invalid run is
not, it gets its verdict. Runs wait for a worker as long as it takes (a job in Slurm's queue, an adaptive cluster); where the
cluster does nothing although it could, they are given to it once more, and then reported as lost: a call always ends.
``capture-hook publish`` then commits all that came in as one data version.

From a shell: ``python -m capture_hook.dask results --out-dir data/captures``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import filecmp
import json
import logging
import os
import queue
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import capture_hook
from capture_hook._verdicts import Verdict, Verdicts
from capture_hook.errors import CaptureHookError, InvalidRunError, RunIOError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Verdict", "Verdicts", "ingest_many", "main"]

Pathish = str | os.PathLike[str]

_QUIET = 30.0
"""After so many seconds in which no task ended, the cluster is asked what it does."""

_log = logging.getLogger(__name__)


def ingest_many(
    run_dirs: Iterable[Pathish],
    out_dir: Pathish,
    client: Client | Any | str | None = None,
    *,
    retries: int = 2,
    workers: int | None = None,
) -> Verdicts:
    """Validates and ingests runs on a Dask cluster, each exactly once.

    Args:
        run_dirs: run directories, ``results/<experiment>/<run_id>``. One that is named twice, or is a copy of
            another, is ingested once.
        out_dir: the dataset, by convention ``data/captures``; made where it is missing.
        client: a ``distributed.Client``, a cluster object (``LocalCluster``, ``SLURMCluster``, …) or a scheduler's
            address; ``None`` starts a cluster on this machine for this call.
        retries: how often a run is tried again where reading or writing failed.
        workers: worker processes of the cluster on this machine; one a core by default. Not with a ``client``.

    Returns:
        A verdict for every run, in the given order. An invalid run, one that cannot be read and one whose workers died
        are reported in it; none keeps the others from being ingested.

    Raises:
        ImportError: ``distributed`` is not installed.
        RunUsageError: ``workers`` beside a ``client``.
        RunIOError: the dataset directory cannot be made.
    """
    given = [os.fspath(run_dir) for run_dir in run_dirs]
    out = os.path.abspath(os.fspath(out_dir))
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise RunIOError(f"cannot make the dataset directory {out}: {error}") from error

    # One task a run: names that lead to the same directory are the same run, and so are directories with the same bytes. Of
    # several that differ and have the same experiment and id none is taken, since all would go to the same folder.
    named: dict[tuple[str, str], dict[str, str]] = {}
    for run_dir in given:
        real = os.path.realpath(run_dir)
        named.setdefault(_name(real), {}).setdefault(real, run_dir)
    tasks: dict[str, str] = {}
    copies: dict[str, str] = {}
    verdicts: dict[str, Verdict] = {}
    for name, dirs in named.items():
        first = next(iter(dirs))
        if all(_same_files(first, real) for real in dirs):
            tasks[first] = dirs[first]
            copies.update(dict.fromkeys(dirs, first))
        else:
            message = f"several runs are called {'/'.join(name)}, and they differ: {', '.join(dirs.values())}"
            for real, run_dir in dirs.items():
                verdicts[real] = Verdict(run_dir, "duplicate", *name, errors=("duplicate_run",), message=message)
    if tasks:
        with (
            _connected(client, min(workers, len(tasks)) if workers else None, len(tasks)) as connected,
            _workers_kept(connected.cluster),
        ):
            verdicts.update(_run(connected, tasks, out, retries))
    reals = [os.path.realpath(run_dir) for run_dir in given]
    return Verdicts(verdicts[copies.get(real, real)] for real in reals)


def _same_files(a: str, b: str) -> bool:
    """Whether two directories hold the same files, byte for byte."""
    if a == b:
        return True

    def files(top: str) -> list[str]:
        return sorted(os.path.relpath(os.path.join(dir, name), top) for dir, _, names in os.walk(top) for name in names)

    try:
        names = files(a)
        return names == files(b) and all(
            filecmp.cmp(os.path.join(a, name), os.path.join(b, name), shallow=False) for name in names
        )
    except OSError:
        # What cannot be read is not known to be the same.
        return False


def _name(run_dir: str) -> tuple[str, str]:
    """The experiment and the id of a run, as ``run.json`` or else the directory says."""
    experiment, run_id = os.path.basename(os.path.dirname(run_dir)), os.path.basename(run_dir)
    try:
        with open(os.path.join(run_dir, "run.json"), encoding="utf-8") as file:
            meta = json.load(file)
        return str(meta.get("experiment") or experiment), str(meta.get("run_id") or run_id)
    except (OSError, ValueError, AttributeError):
        # Its worker will say what is wrong with it.
        return experiment, run_id


def _run(client: Client, tasks: dict[str, str], out: str, retries: int) -> dict[str, Verdict]:
    # A task costs the scheduler milliseconds, as much as a small run takes: several runs share one, as long as there
    # are tasks enough to keep every worker busy to the end.
    size = max(1, min(8, len(tasks) // (4 * sum(client.nthreads().values()) or 1)))
    verdicts = _round(client, tasks, out, retries, size)
    # What failed among others is tried by itself, as often as was asked for. The scheduler blames a dead worker on every
    # run that it held, begun or not: those it gave up on are tried once more, one by one. What is lost then is lost by itself.
    failed = {real: tasks[real] for real, verdict in verdicts.items() if size > 1 and verdict.status == "failed"}
    killed = [{real: tasks[real]} for real, verdict in verdicts.items() if verdict.errors == ("worker_killed",)]
    for again in [failed, *killed]:
        # A cluster without workers would only be waited for once more.
        if not any(verdict.errors == ("no_worker",) for verdict in verdicts.values()):
            verdicts.update(_round(client, again, out, retries, 1))
    return verdicts


def _round(
    client: Client, tasks: dict[str, str], out: str, retries: int, size: int, given: int = 1
) -> dict[str, Verdict]:
    """Ingests these runs, ``size`` of them a task, and waits for all; ``given``: how often the cluster has got them now."""
    names = list(tasks)
    batches = [names[at : at + size] for at in range(0, len(names), size)]
    # Not pure: the same run may be ingested again later, and must not be answered from memory. The absolute path, links
    # and all: the dataset says where a run came from as a serial ingest would say it.
    submitted = client.map(
        _ingest_batch,
        [[(tasks[real], os.path.abspath(tasks[real])) for real in batch] for batch in batches],
        out=out,
        version=capture_hook.__version__,
        retries=retries if size == 1 else 0,
        pure=False,
    )
    pending = dict(zip(submitted, batches))
    ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
    for future in submitted:
        future.add_done_callback(ended.put)
    verdicts: dict[str, Verdict] = {}
    why: str | None = None
    try:
        while pending:
            end, before = _next(ended), why
            if end:
                why, (future, outcome) = None, end
                batch = pending.pop(future)
                verdicts.update(zip(batch, _verdicts([tasks[real] for real in batch], outcome)))
                future.release()
                continue
            why = _standstill(client)
            if why == "waiting" != before:
                _log.warning("there is no worker; %d tasks wait for one", len(pending))
            # Between two tasks a worker does nothing, too: once is no standstill.
            if why == "no_worker" or why == before == "no_progress":
                break
    except BaseException:
        client.cancel(list(pending))
        raise
    if why:
        left = {real: tasks[real] for batch in pending.values() for real in batch}
        client.cancel(list(pending))
        if why == "no_progress" and given == 1:
            _log.warning("no worker did anything for %g s; %d runs are given to the cluster again", 2 * _QUIET, len(left))
            verdicts.update(_round(client, left, out, retries, 1, given=2))
        else:
            verdicts.update({real: _lost(run_dir, why) for real, run_dir in left.items()})
    return verdicts


def _next(ended: queue.SimpleQueue[Future[Any]]) -> tuple[Future[Any], Any] | None:
    """A task that ended, with what it returned or raised; ``None`` where none did for a while."""
    try:
        future = ended.get(timeout=_QUIET)
    except queue.Empty:
        return None
    try:
        return future, future.result(timeout=_QUIET)
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.TimeoutError) and future.status not in ("error", "cancelled"):
            # The result went with its worker, and the task runs once more.
            future.add_done_callback(ended.put)
            return None
        return future, error


def _standstill(client: Client) -> str | None:
    """Why no task ends, as a code; ``None`` where the cluster works, or does not say.

    Nothing is concluded from the time that passes: a run may take hours, a job may stand in a queue for days.
    """
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers:
            return "waiting" if _may_come(client.cluster) else "no_worker"
        # Of paused workers, which are short of memory, none can do anything: that may pass.
        if not any(worker["status"] == "running" for worker in workers) or client.call_stack():
            return None
    except Exception:
        # The scheduler, or a worker that it asked, does not answer. It will give that worker up by itself.
        return None
    return "no_progress"


def _may_come(cluster: Any) -> bool:
    """Whether a worker may come to a cluster that has none. Only of one made in this process anything is known."""
    from distributed import SpecCluster, Status

    if not isinstance(cluster, SpecCluster) or _adapts(cluster):
        return True
    # A process that is started again and again, a job that waits for its turn.
    return any(worker.status not in (Status.closed, Status.failed) for worker in cluster.workers.values())


def _adapts(cluster: Any) -> bool:
    """Whether a cluster decides by itself how many workers it has."""
    return getattr(cluster, "_adaptive", None) is not None


@contextlib.contextmanager
def _workers_kept(cluster: Any) -> Iterator[None]:
    """Keeps a cluster on this machine from giving up a worker that is only being started again.

    Some seconds after a worker's death Dask looks whether one of its name is there, and else closes for good the nanny that
    starts it (``SpecCluster._update_worker_status``). Where another death has just taken the new one, as a run that kills
    each worker does, the cluster so ends up without any, with the runs still in its queue.
    """
    import dask
    from distributed import LocalCluster

    if not isinstance(cluster, LocalCluster) or _adapts(cluster):
        yield
        return
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "365 days"}):
        yield


def _verdicts(shown: list[str], outcome: Any) -> list[Verdict]:
    """What a task's end means for its runs."""
    from concurrent.futures import CancelledError

    from distributed.scheduler import KilledWorker

    if not isinstance(outcome, BaseException):
        done: list[Verdict] = outcome
        return done
    status, code, message = "failed", _code(outcome), str(outcome)
    if isinstance(outcome, (CancelledError, asyncio.CancelledError)):
        code, message = "cancelled", "the task was cancelled"
    elif isinstance(outcome, KilledWorker):
        status, code, message = "lost", "worker_killed", f"every worker that took it died: {outcome}"
    return [Verdict(run_dir, status, errors=(code,), message=message) for run_dir in shown]


def _lost(run_dir: str, code: str) -> Verdict:
    """A run that the cluster did nothing with."""
    message = {
        "no_worker": "the cluster has no worker left, and none is on its way: give it some, `cluster.scale(2)`",
        "no_progress": "the cluster was given the run twice, and its workers did nothing: restart it, `client.restart()`",
    }[code]
    return Verdict(run_dir, "lost", errors=(code,), message=message)


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, CaptureHookError) else type(error).__name__


def _ingest_batch(batch: list[tuple[str, str]], out: str, version: str) -> list[Verdict]:
    """Some runs, on a worker. What one by itself raises is tried again; one among others leaves that to the client."""
    if len(batch) == 1:
        return [_ingest_one(*batch[0], out, version)]
    verdicts = []
    for shown, run_dir in batch:
        try:
            verdicts.append(_ingest_one(shown, run_dir, out, version))
        except RunIOError as error:
            verdicts.append(Verdict(shown, "failed", errors=(_code(error),), message=str(error)))
    return verdicts


def _ingest_one(shown: str, run_dir: str, out: str, version: str) -> Verdict:
    """One run, on a worker. What it raises is tried again; what it returns is final."""
    if capture_hook.__version__ != version:
        message = f"this worker has capture-hook {capture_hook.__version__}, the client {version}"
        return Verdict(shown, "failed", errors=("version_mismatch",), message=message)
    try:
        # The other cores have runs of their own.
        done = capture_hook.ingest(run_dir, out, one_thread=True)
    except InvalidRunError as error:
        report = error.report or {}
        rows = {part: report.get(part, {}).get("rows") for part in ("steps", "episodes")}
        return Verdict(
            shown,
            "invalid",
            report.get("experiment"),
            report.get("run_id"),
            errors=tuple(report.get("errors", ())),
            warnings=tuple(report.get("warnings", ())),
            message=str(error),
            **rows,
        )
    except RunIOError:
        raise
    except CaptureHookError as error:
        return Verdict(shown, "failed", errors=(error.code,), message=str(error))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # A fault of ours, a panic even, ends with its run, not with the worker.
        return Verdict(shown, "failed", errors=(type(error).__name__,), message=str(error))
    return Verdict(
        shown,
        "ingested",
        done.experiment,
        done.run_id,
        str(done.path),
        done.report["steps"]["rows"],
        done.report["episodes"]["rows"],
        tuple(done.report["errors"]),
        tuple(done.report["warnings"]),
    )


@contextlib.contextmanager
def _connected(client: Any, workers: int | None, tasks: int) -> Iterator[Client]:
    """A client to work with; what is made here is closed again, what was given stays open."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError("ingest_many needs Dask: pip install 'capture-hook[dask]'") from error
    if isinstance(client, Client):
        if workers is not None:
            raise capture_hook.RunUsageError("`workers` is for a cluster on this machine, not for a given client")
        yield client
    elif client is not None:
        if workers is not None:
            raise capture_hook.RunUsageError("`workers` is for a cluster on this machine, not for a given client")
        with Client(client, set_as_default=False) as made:
            yield made
    else:
        count = workers or min(os.cpu_count() or 1, tasks)
        # One thread a process: an ingest keeps a core busy, and a process that dies takes one run with it.
        with (
            LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
            Client(cluster, set_as_default=False) as made,
        ):
            yield made


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 all ingested, 1 a run is invalid, 3 no such run, 5 input or output."""
    parser = argparse.ArgumentParser(
        prog="python -m capture_hook.dask",
        description="Validates and ingests many runs on a Dask cluster, each exactly once.",
        epilog="examples:\n"
        "  python -m capture_hook.dask results\n"
        "  python -m capture_hook.dask results/demo/run-1 results/demo/run-2 --workers 2\n"
        "  python -m capture_hook.dask results --scheduler tcp://head-node:8786 --json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a run directory, or a directory with runs in it")
    parser.add_argument("--out-dir", default="data/captures", metavar="DIR", help="the dataset [default: %(default)s]")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="a running scheduler, e.g. tcp://head-node:8786")
    where.add_argument("--workers", type=int, metavar="N", help="worker processes on this machine [default: one a core]")
    parser.add_argument("--retries", type=int, default=2, metavar="N", help="tries after a failure [default: %(default)s]")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    options = parser.parse_args(argv)

    runs: list[Path] = []
    for path in map(Path, options.paths):
        found = [path] if (path / "run.json").exists() else capture_hook.find_runs(path)
        if not found:
            print(f"error: no run in {path}", file=sys.stderr)
            return 3
        runs += found
    try:
        verdicts = ingest_many(
            runs, options.out_dir, options.scheduler, retries=options.retries, workers=options.workers
        )
    except (CaptureHookError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 5 if isinstance(error, OSError) else 3
    if options.json:
        print(json.dumps({"ok": verdicts.ok, "runs": verdicts.to_dicts()}))
    else:
        print(verdicts)
        print(repr(verdicts).strip("<>"), file=sys.stderr)
    statuses = set(verdicts.counts())
    if statuses & {"failed", "lost"}:
        return 5
    return 0 if verdicts.ok else 1


if __name__ == "__main__":
    sys.exit(main())
