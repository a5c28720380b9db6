"""The wrapper that :func:`capture_hook.record` puts around a Gymnasium environment."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium

from ._declare import Sample
from ._session import RecordingSession, RecordsRun, copied
from .errors import RunUsageError

if TYPE_CHECKING:
    from ._native import _EpisodeWriter

    _Wrapper = gymnasium.Wrapper[Any, Any, Any, Any]
else:
    _Wrapper = gymnasium.Wrapper


class RecordedEnv(RecordsRun, _Wrapper):
    """A Gymnasium environment whose episodes are recorded; made by :func:`capture_hook.record`."""

    def __init__(self, env: gymnasium.Env[Any, Any], session: RecordingSession) -> None:
        super().__init__(env)
        self._session = session
        self._options = session.options.columns
        self._writer: _EpisodeWriter | None = None
        self._first: tuple[Any, Mapping[str, Any], int | None, float] | None = None
        # Runs when the wrapper is collected, and at the latest when the interpreter exits.
        self._finalizer = weakref.finalize(self, session.finish)

    @property
    def spec(self) -> Any:  # type: ignore[override, unused-ignore]
        """The environment's spec, without the recording: making an environment of it records nothing."""
        return self.env.spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets the environment, and begins an episode. An episode that has not ended stays unfinished."""
        observation, info = result = self.env.reset(seed=seed, options=options)
        self._is_lost = False
        if self._writer is None:
            self._first = (copied(observation), copied(info), seed, time.monotonic())
        else:
            self._writer.start_episode(0, seed)
            self._writer.take_reset(0, observation, info)
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Takes a step, and records it.

        Raises:
            RunUsageError: the step breaks the schema (``code`` says by which rule), or the episode cannot go on: it has
                ended, or its last step was not recorded. What was recorded before stays.
            RunIOError: writing failed.
        """
        self.check_recorded()
        writer = self._writer
        kept = None
        if writer is None:
            kept = copied(action)
        else:
            writer.take_action(0, action)
        observation, reward, terminated, truncated, info = result = self.env.step(action)
        self._is_lost = True
        if writer is None:
            writer = self._begin_run(kept, info)
        success = self._options.has_succeeded(info, terminated, truncated) if terminated or truncated else None
        writer.take_step(0, reward, observation, terminated, truncated, info, success)
        self._is_lost = False
        return result

    def close(self) -> None:
        """Closes the environment, and ends the run."""
        try:
            super().close()
        finally:
            self._session.finish()

    def _begin_run(self, action: Any, info: Mapping[str, Any]) -> _EpisodeWriter:
        """Begins the run with the first step, when the types of all values are known."""
        if self._first is None:
            raise RunUsageError("the environment was not reset: call reset() before the first step")
        observation, first_info, seed, began = self._first
        # Without the time that beginning the run takes, which is none of the episode's.
        age = time.monotonic() - began
        sample = Sample(self.observation_space, self.action_space, [observation], [action], [first_info, info])
        writer = self._session.begin([sample], spec=self.env.spec, unwrapped=self.unwrapped, seed=seed)
        writer.start_episode(0, seed)
        writer.take_reset(0, observation, first_info, age)
        writer.take_action(0, action)
        self._writer, self._first = writer, None
        return writer
