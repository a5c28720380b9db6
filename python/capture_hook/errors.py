"""What can go wrong, as exceptions.

Every one is a :class:`CaptureHookError` and, beside that, of the built-in kind that fits, so that code which knows
nothing of capture-hook catches it too. Bad data is not an exception where a report is asked for
(:func:`capture_hook.validate_run_artifacts`), and is one where the data is (:func:`capture_hook.ingest`).
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CaptureHookError",
    "DatasetError",
    "ErasedRunError",
    "InvalidRunError",
    "RunIOError",
    "RunNotFoundError",
    "RunUsageError",
    "UnknownRunError",
]


class CaptureHookError(Exception):
    """Base of everything that capture_hook raises on its own account.

    Attributes:
        code: the stable machine-readable name of the failure, as in the command's ``--json`` errors.
        hints: what to do next, one sentence each.
    """

    code: str = "error"
    hints: tuple[str, ...] = ()


class InvalidRunError(CaptureHookError, ValueError):
    """A run that breaks the rules.

    Attributes:
        report: what :func:`capture_hook.validate_run_artifacts` says of it.
    """

    report: dict[str, Any] | None = None


class RunNotFoundError(CaptureHookError, FileNotFoundError):
    """No such run."""


class UnknownRunError(RunNotFoundError, KeyError):
    """No run or experiment of a dataset has this name; the hints name those that are spelled alike."""


class DatasetError(CaptureHookError, OSError):
    """Data of a dataset that cannot be read: damaged (``code`` is ``data_damaged``), or neither in this clone nor on the remote.
    The message names the file, the hints what to type."""


class ErasedRunError(DatasetError):
    """A run's data was erased on purpose (``capture-hook erase``) and is nowhere any more; ``code`` is ``erased``. The message says why,
    and where that is written down."""


class RunIOError(CaptureHookError, OSError):
    """Reading or writing failed; ``code`` is ``disk_full``, ``permission_denied`` or ``io``."""


class RunUsageError(CaptureHookError, ValueError):
    """An argument that cannot be meant."""
