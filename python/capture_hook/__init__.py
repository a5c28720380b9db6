"""Every simulation run a versioned, validated, findable dataset, from Python.

Record any environment's episodes with :func:`record`, :func:`record_vector` and :func:`record_parallel`, anything else with
:class:`RunRecorder`, which also takes the place of plume-nav-sim's; check one with :func:`validate_run_artifacts`;
take its rows as Arrow tables with :func:`load_steps` and :func:`load_episodes`; put it into the dataset with
:func:`ingest`, or ten thousand with :func:`capture_hook.dask.ingest_many`; read the dataset of any revision with :class:`Dataset`. Git, DVC and the hooks are the business of the
``capture-hook`` command, which this package brings along.
"""

from __future__ import annotations

from ._dataset import Dataset, DatasetRun
from ._native import (
    ArrowTable,
    Ingested,
    RunRecorder,
    RunRows,
    __version__,
    find_runs,
    ingest,
    load_episodes,
    load_steps,
    validate_run_artifacts,
)
from ._record import record, record_parallel, record_vector
from .errors import (
    CaptureHookError,
    DatasetError,
    ErasedRunError,
    InvalidRunError,
    RunIOError,
    RunNotFoundError,
    RunUsageError,
    UnknownRunError,
)

__all__ = [
    "ArrowTable",
    "CaptureHookError",
    "Dataset",
    "DatasetError",
    "DatasetRun",
    "ErasedRunError",
    "Ingested",
    "InvalidRunError",
    "RunIOError",
    "RunNotFoundError",
    "RunRecorder",
    "RunRows",
    "RunUsageError",
    "UnknownRunError",
    "__version__",
    "find_runs",
    "ingest",
    "load_episodes",
    "load_steps",
    "record",
    "record_parallel",
    "record_vector",
    "validate_run_artifacts",
]
