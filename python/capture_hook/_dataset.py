"""The dataset of one revision, read without a checkout: :class:`Dataset` and :class:`DatasetRun`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, final

from . import _html
from ._native import ArrowTable, RunRows, _DatasetVersion
from .errors import ErasedRunError

__all__ = ["Dataset", "DatasetRun"]

#: What names runs: a name, an experiment, a run, or several of them; any Arrow or NumPy array of names, too.
Runs = Any


def _names(runs: Runs) -> list[str] | None:
    """The texts that name runs; ``None`` for all."""
    if runs is None:
        return None
    if isinstance(runs, (str, DatasetRun)):
        return [str(runs)]
    if hasattr(runs, "to_pylist"):  # pyarrow
        runs = runs.to_pylist()
    elif hasattr(runs, "to_list"):  # Polars, pandas
        runs = runs.to_list()
    elif hasattr(runs, "tolist"):  # NumPy
        runs = runs.tolist()
    if not isinstance(runs, Iterable):
        raise TypeError(f"runs are named by texts, not by {type(runs).__name__}")
    names = []
    for run in runs:
        if not isinstance(run, (str, DatasetRun)):
            raise TypeError(f"a run is named by a text, not by {type(run).__name__}")
        names.append(str(run))
    return names


def _columns(columns: Iterable[str] | None) -> list[str] | None:
    if isinstance(columns, str):
        raise TypeError("columns is a list of names, not one text")
    return None if columns is None else list(columns)


@final
class Dataset:
    """The dataset of one revision, read without a checkout and without a change to the working tree.

    ::

        ds = capture_hook.Dataset()                    # as HEAD has it
        polars.DataFrame(ds.runs())                    # a row for each run
        polars.DataFrame(ds.steps("cartpole"))         # the steps of an experiment
        ds["cartpole/run-0001"].config["gravity"]
        capture_hook.Dataset(rev="v1.0").path("cartpole/run-0001")

    The revision is fixed when the object is made: later commits do not change what it gives. Bytes come from DVC's cache, from
    the workspace if they are the same there, else from the remote, into the cache. Each file is verified before any of it
    is given out, against the hash that was committed. What was verified is remembered in git's directory
    (``.git/capture-hook``) until the file is written; that memory may be removed at any time.

    The GIL is released while files are read, and Ctrl-C works. An object can be used by several threads and in a forked
    child.

    Args:
        path: the project, or any path in it.
        rev: the commit, branch or tag whose data version to read; by default what is checked out.

    Raises:
        CaptureHookError: there is no repository, no DVC project or no such revision there, or it holds no
            data version.
        DatasetError: the data version's file list cannot be fetched.
    """

    __slots__ = ("_inner", "_rev")

    def __init__(self, path: str | os.PathLike[str] = ".", rev: str | None = None) -> None:
        self._inner = _DatasetVersion(path, rev if rev is not None else "HEAD")
        self._rev = rev

    @property
    def root(self) -> Path:
        """The project's directory."""
        return Path(self._inner.root)

    @property
    def rev(self) -> str | None:
        """The revision as it was given; ``None`` for what was checked out."""
        return self._rev

    @property
    def commit(self) -> str:
        """The revision's commit: 40 hex digits."""
        return self._inner.commit

    @property
    def data_version(self) -> str:
        """The data version: 32 hex digits and ``.dir``."""
        return self._inner.data_version

    def runs(self) -> ArrowTable:
        """A row for each run, sorted by name.

        Returns:
            An Arrow table. A value that is not known, or that a run does not have, is null. Its columns:

            ``run``, ``experiment``, ``run_id`` (text); ``started`` (time, UTC); ``steps``, ``episodes`` (int); ``success``
            (float, 0 to 1: the share of the episodes whose success is known), ``reward``, ``max_reward`` (float: mean and
            maximum of the episodes' total rewards), ``mean_steps`` (float, steps of an episode), ``final_distance``,
            ``min_final_distance`` (float, cells; plume-nav-sim); ``base_seed``, ``seeds``, ``seed_min``, ``seed_max``
            (int; ``seeds`` is how many different ones the steps have); ``config_hash`` (text, SHA-256 in hex); ``commit``
            (text: the newest commit, reachable from the revision, that introduced the run), ``committed_at`` (time, UTC),
            ``author`` (text), ``tags`` (list of text), ``data_version`` (text); ``valid`` (bool); ``erased`` (text: why the run's
            data was erased on purpose; null for all others); ``schema_version``, ``simulator``, ``simulator_version``,
            ``code_version`` (text).

            Then ``metric.<name>`` (float) for each metric that any run declares, and ``env_config.<key>`` for each key of
            the configurations, the keys of objects inside joined by dots: bool, int, float or text if all runs have that,
            else the JSON text of each value. If the runs have more than 20 million such values, there is one column
            ``env_config`` (or ``metric``) of JSON texts instead.

        Raises:
            DatasetError: a file is damaged (code ``data_damaged``), or not in this clone and cannot be fetched.
        """
        return self._inner.runs_table()

    def steps(self, runs: Runs = None, columns: Iterable[str] | None = None) -> RunRows:
        """The steps of runs: the rows of their ``steps.parquet``, run by run.

        Args:
            runs: which, in this order: the name of a run or of an experiment, a run id that only one run has, a
                :class:`DatasetRun`, a list of these, or an Arrow array or a column of names, such as that of
                :meth:`runs`; by default all.
            columns: the names of the columns, in this order; by default all.

        Returns:
            Rows that any reader of Arrow data takes, without a copy, larger than memory if need be: see
            :class:`RunRows`. ``experiment`` and ``run_id`` name the run of each row. The columns of runs are united by name: what a
            run does not have is null there. One that two runs have of different types raises ``RunUsageError`` (code
            ``columns_disagree``) when the rows are read: name the runs, or the columns, that belong together.

        Raises:
            UnknownRunError: there is no such run; its hints name those that are spelled alike. It is a ``KeyError``, too.
            RunUsageError: a run id that several runs have.
            ErasedRunError: when the rows are read: a run's data was erased on purpose. It is a ``DatasetError``, too.
            DatasetError: when the rows are read: a file is damaged, or not in this clone and cannot be fetched.
        """
        return self._inner.rows(True, _names(runs), _columns(columns))

    def episodes(self, runs: Runs = None, columns: Iterable[str] | None = None) -> RunRows:
        """The episodes of runs: the rows of their ``episodes.parquet``, run by run. All else is as for :meth:`steps`."""
        return self._inner.rows(False, _names(runs), _columns(columns))

    def path(self, run: str | DatasetRun, into: str | os.PathLike[str] | None = None) -> Path:
        """A directory with exactly this version's files of a run.

        Args:
            run: the run's name.
            into: a directory that becomes the run's folder; it must not exist, or be empty. Its files are yours to change.

        Returns:
            With ``into``, that directory. Else the run's folder in the workspace, if all of its files are those of this
            version and there are no others; else a copy in git's directory, ``.git/capture-hook/runs``, whose files are
            read-only. Such copies may be removed at any time, and are made again when they are asked for. Nothing in the
            working tree changes, unless ``into`` is there.

        Raises:
            UnknownRunError: there is no such run.
            RunUsageError: ``into`` is taken.
            ErasedRunError: the run's data was erased on purpose. It is a ``DatasetError``, too.
            DatasetError: a file is damaged, or not in this clone and cannot be fetched.
        """
        return Path(self._inner.path(str(run), into))

    def schema(self, experiment: str) -> dict[str, Any]:
        """The columns that the runs of an experiment have.

        Returns:
            ``{"steps": [column, …], "episodes": [column, …]}``, each column a dict: ``name``, ``dtype`` (text), ``shape`` (a list of ints,
            ``[-1]`` for a list of any length; ``None`` for a single value), ``unit``, ``description`` (text or ``None``), ``nullable``
            (bool), ``metrics`` (list of ``mean``, ``min``, ``max``) and ``runs`` (int: how many of the experiment's runs
            have it). The columns that every run has, such as ``step``, are not declared and not listed. Several runs whose
            schemas differ are united by name, the newest name last. What only erased runs declared is not known any more.

        Raises:
            UnknownRunError: there is no such experiment.
        """
        return self._inner.schema(experiment)

    def versions(self) -> ArrowTable:
        """The data versions that the history of the revision had, newest first.

        Returns:
            An Arrow table with a row for each commit that changed the dataset: ``commit`` (text), ``committed_at`` (time,
            UTC), ``author``, ``subject``, ``data_version`` (text), ``introduced``, ``removed`` (list of text: runs), ``complete`` (bool: false
            if this clone lacks a file list, so that the lists of runs may not hold all) and ``tags`` (list of text: the
            run tags of the commit).
        """
        return self._inner.versions_table()

    def __len__(self) -> int:
        return self._inner.count()

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._inner.names())

    def __contains__(self, run: object) -> bool:
        return isinstance(run, (str, DatasetRun)) and self._inner.has(str(run))

    def __getitem__(self, run: str | DatasetRun) -> DatasetRun:
        return DatasetRun(self, self._inner.find_one(str(run)))

    def __repr__(self) -> str:
        runs = "1 run" if len(self) == 1 else f"{len(self)} runs"
        return f"<Dataset of {_html.plain(self._rev or 'HEAD')} ({self.commit[:10]}): {runs}, data version {self.data_version[:10]}>"

    def _repr_html_(self) -> str:
        return _html.dataset_html(self)


@final
class DatasetRun:
    """One run of a :class:`Dataset`, as ``ds["experiment/run_id"]`` gives it. ``str(run)`` is its name."""

    __slots__ = ("_dataset", "_facts", "_name")

    def __init__(self, dataset: Dataset, name: str) -> None:
        self._dataset = dataset
        self._name = name
        self._facts: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """``experiment/run_id``."""
        return self._name

    @property
    def experiment(self) -> str:
        """The experiment."""
        return self._name.split("/", 1)[0]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._name.split("/", 1)[1]

    @property
    def dataset(self) -> Dataset:
        """The dataset that it was taken from."""
        return self._dataset

    def steps(self, columns: Iterable[str] | None = None) -> RunRows:
        """The run's steps: see :meth:`Dataset.steps`."""
        return self._dataset.steps([self._name], columns)

    def episodes(self, columns: Iterable[str] | None = None) -> RunRows:
        """The run's episodes: see :meth:`Dataset.episodes`."""
        return self._dataset.episodes([self._name], columns)

    @property
    def path(self) -> Path:
        """A directory with exactly this version's files: see :meth:`Dataset.path`."""
        return self._dataset.path(self._name)

    @property
    def config(self) -> dict[str, Any]:
        """``env_config``: how the environment was configured."""
        config = self._read()["config"]
        # Anew each time, so that no caller changes what another one reads.
        return {} if config is None else dict(json.loads(config))

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The figures of the run: ``steps``, ``episodes``, ``success``, ``reward`` and the others of :meth:`Dataset.runs`, and
        each declared metric by its name. ``None`` for what is not known."""
        return dict(self._read()["metrics"])

    @property
    def validation(self) -> dict[str, Any] | None:
        """What the validation found when the run came into the dataset: ``ok`` (bool), ``errors``, ``warnings`` (lists of codes),
        ``ignored`` (list of ``{"code", "count", "by"}``); ``None`` if that is not recorded."""
        validation = self._read()["validation"]
        return None if validation is None else dict(validation)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where it comes from: ``commit``, ``committed_at`` (text, ISO 8601), ``author``, ``tags``, ``data_version``,
        ``config_hash``, ``started`` (as recorded), ``base_seed``, ``schema_version``, ``simulator``,
        ``simulator_version``, ``code_version``; ``files`` (dict: name to MD5). ``None`` for what is not known."""
        return dict(self._read()["provenance"])

    def _read(self) -> dict[str, Any]:
        if self._facts is None:
            self._facts = self._dataset._inner.facts(self._name)
        return self._facts

    def __str__(self) -> str:
        return self._name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatasetRun):
            return NotImplemented
        mine, theirs = self._dataset, other._dataset
        return (self._name, mine.data_version, mine.root) == (other._name, theirs.data_version, theirs.root)

    def __hash__(self) -> int:
        return hash((self._name, self._dataset.data_version))

    def __repr__(self) -> str:
        return f"<DatasetRun {_html.plain(self._name)} of {self._dataset.commit[:10]}>"

    def _repr_html_(self) -> str:
        try:
            return _html.run_html(self, self._dataset._inner.rewards(self._name))
        except ErasedRunError as error:
            return _html.failure_html(self._name, error)
