"""The run of one recorded environment: begun with its first step, ended once."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._declare import Sample, declare
from ._meta import environment_config, plain_json, run_metadata
from ._native import RunRecorder, _EpisodeWriter
from ._options import RunOptions
from .errors import RunUsageError


class RecordingSession:
    """A run that an environment's wrapper writes. It does not know the wrapper, which may be collected before it."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.recorder: RunRecorder | None = None
        self.writer: _EpisodeWriter | None = None
        self._meta: dict[str, Any] = {}
        self._process = os.getpid()
        self._is_finished = False
        # A run that cannot be begun is refused now, not after the environment's first step.
        if options.run_id is not None:
            directory = Path(options.root, options.experiment, options.run_id)
            if directory.is_dir() and any(directory.iterdir()):
                raise RunUsageError(f"the run {options.experiment}/{options.run_id} exists: give another run_id, or none")

    def begin(
        self,
        samples: Sequence[Sample],
        *,
        spec: Any,
        unwrapped: Any,
        seed: int | None,
        config: Mapping[str, Any] | None = None,
        agents: bool = False,
    ) -> _EpisodeWriter:
        """Begins the run, of which the first step is known.

        Args:
            samples: the first values of the environment, or of each agent.
            spec: the environment's ``spec``, if it has one.
            unwrapped: the environment without its wrappers.
            seed: the seed of the first episode.
            config: further members of ``env_config``.
            agents: whether rows belong to agents.

        Raises:
            RunUsageError: an option fits no column, or the run is finished.
        """
        if self._is_finished:
            raise RunUsageError("the environment is closed: nothing more is recorded")
        options = self.options
        declaration = declare(samples, options.columns, agents=agents)
        full_config = {**environment_config(spec, unwrapped), **(config or {}), **(options.env_config or {})}
        self._meta = {
            "start_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **run_metadata(plain_json(full_config), unwrapped, seed),
        }
        recorder = RunRecorder(
            options.root,
            experiment=options.experiment,
            run_id=options.run_id,
            rotate_size_bytes=options.rotate_size_bytes,
            schema=declaration.schema,
        )
        self.recorder = recorder
        recorder.write_run_meta(self._meta)
        self.writer = _EpisodeWriter(
            recorder, observation=declaration.observation, action=declaration.action, info=declaration.info
        )
        return self.writer

    def finish(self) -> None:
        """Ends the run; a second call does nothing.

        Raises:
            RunIOError: rows could not be written.
        """
        # A forked child has a copy of the session, but not the thread that writes.
        if self._is_finished or os.getpid() != self._process:
            return
        self._is_finished = True
        if self.recorder is None or self.writer is None:
            return
        try:
            seeds = self.writer.seeds
            if any(seed is not None for seed in seeds):
                self.recorder.write_run_meta({**self._meta, "episode_seeds": seeds})
        finally:
            self.recorder.finalize()


class RecordsRun:
    """What every recording wrapper has beside its environment's own."""

    _session: RecordingSession
    _is_lost = False
    """A step was taken and not recorded: an interrupt came between the two, or the row was refused."""

    def check_recorded(self) -> None:
        """Refuses a step of an episode that has lost one: its rows would not follow from each other."""
        if self._is_lost:
            raise RunUsageError("the last step was not recorded: call reset() before the next one")

    @property
    def run_id(self) -> str | None:
        """The run's id; ``None`` before the first step."""
        return self._session.recorder.run_id if self._session.recorder else None

    @property
    def run_dir(self) -> Path | None:
        """The run's directory, with its files; ``None`` before the first step."""
        return self._session.recorder.root if self._session.recorder else None


def copied(value: Any) -> Any:
    """A copy that the environment cannot change any more, where the value can be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - whatever an object of the environment's own raises
        return value
