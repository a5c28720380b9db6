"""The wrapper that :func:`capture_hook.record_vector` puts around a Gymnasium vector environment.

What a row of the batch is depends on the autoreset mode. After the end of an episode,

- ``NEXT_STEP``: the next step ignores the action and returns the first observation of the next episode;
- ``SAME_STEP``: the same step returns that observation, and the last one of the episode in ``info["final_obs"]``;
- ``DISABLED``: nothing counts until ``reset(options={"reset_mask": …})``.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gymnasium import vector
from gymnasium.vector.utils import iterate

from ._declare import Sample
from ._session import RecordingSession, RecordsRun, copied
from .errors import RunUsageError

if TYPE_CHECKING:
    _VectorWrapper = vector.VectorWrapper[Any, Any, Any, Any, Any]
    from ._native import _EpisodeWriter
else:
    _VectorWrapper = vector.VectorWrapper


class RecordedVectorEnv(RecordsRun, _VectorWrapper):
    """A vector environment whose episodes are recorded; made by :func:`capture_hook.record_vector`."""

    def __init__(self, env: vector.VectorEnv[Any, Any, Any], session: RecordingSession) -> None:
        super().__init__(env)
        self._session = session
        self._options = session.options.columns
        self._needs_info = self._options.needs_info()
        self._autoreset = _autoreset_mode(env)
        self._writer: _EpisodeWriter | None = None
        self._first: tuple[list[Any], list[dict[str, Any]], list[int | None], float] | None = None
        # Runs when the wrapper is collected, and at the latest when the interpreter exits.
        self._finalizer = weakref.finalize(self, session.finish)

    def __enter__(self) -> RecordedVectorEnv:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Resets the sub-environments, or those of ``options["reset_mask"]``, and begins an episode in each."""
        # Copied before the call: the environment takes it out of the options.
        mask = None if options is None or options.get("reset_mask") is None else list(options["reset_mask"])
        observations, infos = result = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        # A part of the sub-environments says nothing of the others.
        self._is_lost = self._is_lost and mask is not None
        seeds = self._seeds(seed)
        each = list(iterate(self.observation_space, observations))
        if self._writer is None:
            first_infos = [copied(self._info(infos, i)) for i in range(self.num_envs)]
            self._first = (copied(each), first_infos, seeds, time.monotonic())
        else:
            self._writer.start_batch()
            for i in range(self.num_envs):
                if mask is None or mask[i]:
                    self._begin_episode(self._writer, i, seeds[i], each[i], self._info(infos, i))
        return result

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step in every sub-environment, and records it.

        Raises:
            RunUsageError: a step breaks the schema (``code`` says by which rule). What was recorded before stays.
            RunIOError: writing failed.
        """
        self.check_recorded()
        taken = list(iterate(self.action_space, actions))
        if self._writer is None:
            taken = copied(taken)
        else:
            self._take_actions(self._writer, taken)
        observations, rewards, terminations, truncations, infos = result = self.env.step(actions)
        self._is_lost = True
        writer = self._writer or self._begin_run(taken, infos)
        writer.start_batch()
        writer.write_resets()
        for i, observation in enumerate(iterate(self.observation_space, observations)):
            if writer.is_open(i):
                self._take_step(writer, i, observation, rewards[i], bool(terminations[i]), bool(truncations[i]), infos)
            elif self._autoreset is vector.AutoresetMode.NEXT_STEP:
                self._begin_episode(writer, i, None, observation, self._info(infos, i))
        self._is_lost = False
        return result

    def close(self, **kwargs: Any) -> None:
        """Closes the environments, and ends the run."""
        try:
            super().close(**kwargs)
        finally:
            self._session.finish()

    def _take_actions(self, writer: _EpisodeWriter, actions: list[Any]) -> None:
        for i, action in enumerate(actions):
            # After the end of an episode the action does not count.
            if writer.is_open(i):
                writer.take_action(i, action)

    def _take_step(
        self, writer: _EpisodeWriter, i: int, observation: Any, reward: Any, terminated: bool, truncated: bool, infos: Any
    ) -> None:
        info = self._info(infos, i)
        if not (terminated or truncated):
            writer.take_step(i, reward, observation, False, False, info)
            return
        next_observation, next_info = observation, info
        if self._autoreset is vector.AutoresetMode.SAME_STEP:
            observation, info = _final(infos, i, "final_obs"), _final(infos, i, "final_info") if self._needs_info else {}
        success = self._options.has_succeeded(info, terminated, truncated)
        writer.take_step(i, reward, observation, terminated, truncated, info, success)
        if self._autoreset is vector.AutoresetMode.SAME_STEP:
            self._begin_episode(writer, i, None, next_observation, next_info)

    def _begin_episode(self, writer: _EpisodeWriter, i: int, seed: int | None, observation: Any, info: Any) -> None:
        writer.start_episode(i, seed)
        writer.take_reset(i, observation, {key: value for key, value in info.items() if key not in _FINAL_KEYS})

    def _begin_run(self, actions: list[Any], infos: Any) -> _EpisodeWriter:
        """Begins the run with the first step, when the types of all values are known."""
        if self._first is None:
            raise RunUsageError("the environment was not reset: call reset() before the first step")
        first, first_infos, seeds, began = self._first
        # Without the time that beginning the run takes, which is none of the episode's.
        age = time.monotonic() - began
        sample = Sample(self.single_observation_space, self.single_action_space, first, actions)
        sample.infos = [*first_infos, *(self._info(infos, i) for i in range(self.num_envs))]
        writer = self._session.begin(
            [sample],
            spec=_spec(self.env),
            unwrapped=_one_of(self.env),
            seed=seeds[0],
            config={"num_envs": self.num_envs, "autoreset_mode": self._autoreset},
        )
        writer.start_batch()
        for i in range(self.num_envs):
            writer.start_episode(i, seeds[i])
            writer.take_reset(i, first[i], first_infos[i], age)
        self._take_actions(writer, actions)
        self._writer, self._first = writer, None
        return writer

    def _info(self, infos: Any, i: int) -> dict[str, Any]:
        return info_of(infos, i) if self._needs_info else {}

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """The seed of each sub-environment's episode."""
        if seed is None or isinstance(seed, int):
            # Gymnasium's own give each sub-environment a seed; an environment that is a batch itself has one for all.
            has_each = isinstance(self.env.unwrapped, (vector.SyncVectorEnv, vector.AsyncVectorEnv))
            return [seed if seed is None else seed + i * has_each for i in range(self.num_envs)]
        return list(seed)


_FINAL_KEYS = ("final_obs", "final_info")


def info_of(infos: Any, i: int) -> dict[str, Any]:
    """The info of one sub-environment: the keys that it has, of which ``_key`` says so."""
    if not isinstance(infos, Mapping):
        return dict(infos[i])
    made: dict[str, Any] = {}
    for key, values in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        mask = infos.get(f"_{key}")
        if mask is None or mask[i]:
            made[key] = info_of(values, i) if isinstance(values, Mapping) else _one_value(values, i)
    return made


def _one_value(values: Any, i: int) -> Any:
    try:
        return values[i]
    except (TypeError, IndexError):
        # One value for the whole batch.
        return values


def _final(infos: Any, i: int, key: str) -> Any:
    """A sub-environment's last observation or info, which SAME_STEP gives beside the next episode's first."""
    found = infos.get(key) if isinstance(infos, Mapping) else infos[i].get(key)
    if found is None:
        raise RunUsageError(f"the environment resets in the same step, but its info has no {key}")
    if not isinstance(infos, Mapping):
        return found
    return info_of(found, i) if isinstance(found, Mapping) else found[i]


def _autoreset_mode(env: vector.VectorEnv[Any, Any, Any]) -> vector.AutoresetMode:
    # Gymnasium's own wrappers take the next step where nothing is said.
    return vector.AutoresetMode((env.metadata or {}).get("autoreset_mode", vector.AutoresetMode.NEXT_STEP))


def _spec(env: vector.VectorEnv[Any, Any, Any]) -> Any:
    """The spec of the environment, or of its first sub-environment."""
    if env.spec is not None or not hasattr(env.unwrapped, "get_attr"):
        return env.spec
    return env.unwrapped.get_attr("spec")[0]


def _one_of(env: vector.VectorEnv[Any, Any, Any]) -> Any:
    """A sub-environment without its wrappers; the vector environment itself, if its sub-environments cannot be seen."""
    unwrapped = env.unwrapped
    inside = getattr(unwrapped, "envs", None)
    return inside[0].unwrapped if inside else unwrapped
