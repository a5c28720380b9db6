"""What the arguments of :func:`capture_hook.record` say, in one place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ColumnOptions:
    """What is recorded of an environment."""

    names: Mapping[str, str | Sequence[str]] | None = None
    info: Sequence[str] | Mapping[str, Any] | None = ()
    success: Callable[[Any, bool], Any] | None = None
    columns: Mapping[str, Mapping[str, Any]] | None = None
    exclude: Sequence[str] = ()
    plot: Mapping[str, Sequence[str]] | None = None

    def needs_info(self) -> bool:
        """Whether anything is read from an ``info``."""
        return self.success is not None or self.info is None or len(self.info) > 0

    def has_succeeded(self, info: Any, terminated: bool, truncated: bool) -> bool | None:
        """Whether an episode succeeded; ``None`` before its end, and if nothing decides it."""
        if self.success is None or not (terminated or truncated):
            return None
        return bool(self.success(info, bool(terminated)))


@dataclass
class RunOptions:
    """Where a run goes, and what it holds."""

    root: str | os.PathLike[str]
    experiment: str
    run_id: str | None = None
    env_config: Mapping[str, Any] | None = None
    rotate_size_bytes: int | None = None
    columns: ColumnOptions = field(default_factory=ColumnOptions)

    def __post_init__(self) -> None:
        # The simulation can change its working directory before the run begins.
        self.root = os.path.abspath(self.root)
