"""The wrapper that :func:`capture_hook.record_parallel` puts around a PettingZoo parallel environment."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pettingzoo.utils.wrappers import BaseParallelWrapper

from ._declare import Sample
from ._session import RecordingSession, RecordsRun, copied
from .errors import RunUsageError

if TYPE_CHECKING:
    from ._native import _EpisodeWriter


class RecordedParallelEnv(RecordsRun, BaseParallelWrapper):  # type: ignore[misc, type-arg, unused-ignore]
    """A PettingZoo parallel environment whose episodes are recorded; made by :func:`capture_hook.record_parallel`."""

    def __init__(self, env: Any, session: RecordingSession) -> None:
        super().__init__(env)
        self._session = session
        self._options = session.options.columns
        self._writer: _EpisodeWriter | None = None
        self._slots: dict[Any, int] = {}
        self._ended: set[Any] = set()
        self._first: tuple[dict[Any, Any], dict[Any, Any], int | None, float] | None = None
        # Runs when the wrapper is collected, and at the latest when the interpreter exits.
        self._finalizer = weakref.finalize(self, session.finish)

    def __enter__(self) -> RecordedParallelEnv:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Resets the environment, and begins an episode of every agent."""
        observations, infos = result = self.env.reset(seed=seed, options=options)
        self._ended.clear()
        self._is_lost = False
        if self._writer is None:
            self._first = (copied(dict(observations)), copied(dict(infos)), seed, time.monotonic())
        else:
            self._writer.start_batch()
            self._writer.start_episode(0, seed)
            self._take_resets(self._writer, observations, infos)
        return result  # type: ignore[no-any-return, unused-ignore]

    def step(
        self, actions: dict[Any, Any]
    ) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
        """Takes a step of every agent, and records a row for each.

        Raises:
            RunUsageError: a step breaks the schema (``code`` says by which rule). What was recorded before stays.
            RunIOError: writing failed.
        """
        self.check_recorded()
        kept = copied(dict(actions)) if self._writer is None else actions
        if self._writer is not None:
            self._take_actions(self._writer, actions)
        observations, rewards, terminations, truncations, infos = result = self.env.step(actions)
        self._is_lost = True
        writer = self._writer or self._begin_run(kept, infos)
        writer.start_batch()
        writer.write_resets()
        for agent in rewards:
            slot = self._slots.get(agent)
            if slot is None or not writer.is_open(slot):
                continue
            terminated, truncated = bool(terminations.get(agent)), bool(truncations.get(agent))
            info = infos.get(agent) or {}
            success = self._options.has_succeeded(info, terminated, truncated)
            writer.take_step(slot, rewards[agent], observations.get(agent), terminated, truncated, info, success)
            if terminated or truncated:
                self._ended.add(agent)
        # Agents that came in this step begin with the state that they see first.
        waiting = [agent for agent in observations if agent not in self._ended and not self._is_open(agent)]
        come = [agent for agent in waiting if agent in self.agents]
        self._take_resets(writer, {agent: observations[agent] for agent in come}, infos)
        self._is_lost = False
        return result  # type: ignore[no-any-return, unused-ignore]

    def close(self) -> None:
        """Closes the environment, and ends the run."""
        try:
            super().close()
        finally:
            self._session.finish()

    def _is_open(self, agent: Any) -> bool:
        slot = self._slots.get(agent)
        return slot is not None and self._writer is not None and self._writer.is_open(slot)

    def _take_actions(self, writer: _EpisodeWriter, actions: Mapping[Any, Any]) -> None:
        for agent, action in actions.items():
            # Environments ignore what an agent that has ended does.
            if self._is_open(agent):
                writer.take_action(self._slots[agent], action)

    def _take_resets(
        self, writer: _EpisodeWriter, observations: Mapping[Any, Any], infos: Mapping[Any, Any], age: float = 0.0
    ) -> None:
        for agent, observation in observations.items():
            slot = self._slots.setdefault(agent, len(self._slots))
            writer.take_reset(slot, observation, infos.get(agent) or {}, age, 0, str(agent))

    def _begin_run(self, actions: Mapping[Any, Any], infos: Mapping[Any, Any]) -> _EpisodeWriter:
        """Begins the run with the first step, when the types of all values are known."""
        if self._first is None:
            raise RunUsageError("the environment was not reset: call reset() before the first step")
        first, first_infos, seed, began = self._first
        # Without the time that beginning the run takes, which is none of the episode's.
        age = time.monotonic() - began
        known = getattr(self.env, "possible_agents", None) or list(first)
        samples = [
            Sample(
                self.env.observation_space(agent),
                self.env.action_space(agent),
                [first[agent]] if agent in first else [],
                [actions[agent]] if agent in actions else [],
                [values[agent] for values in (first_infos, infos) if values.get(agent)],
            )
            for agent in known
        ]
        writer = self._session.begin(samples, spec=None, unwrapped=self.env.unwrapped, seed=seed, agents=True)
        writer.start_batch()
        writer.start_episode(0, seed)
        self._take_resets(writer, first, first_infos, age)
        self._writer, self._first = writer, None
        self._take_actions(writer, actions)
        return writer
