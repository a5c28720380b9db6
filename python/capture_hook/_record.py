"""Recording environments with one line: Gymnasium's, vectors of them, and PettingZoo's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._options import ColumnOptions, RunOptions

if TYPE_CHECKING:
    import gymnasium
    import pettingzoo

    from ._gym_env import RecordedEnv
    from ._parallel_env import RecordedParallelEnv
    from ._vector_env import RecordedVectorEnv


def record(
    env: gymnasium.Env[Any, Any],
    root: str | os.PathLike[str],
    *,
    experiment: str,
    run_id: str | None = None,
    names: Mapping[str, str | Sequence[str]] | None = None,
    info: Sequence[str] | Mapping[str, Any] | None = (),
    success: Callable[[Any, bool], Any] | None = None,
    columns: Mapping[str, Mapping[str, Any]] | None = None,
    exclude: Sequence[str] = (),
    plot: Mapping[str, Sequence[str]] | None = None,
    env_config: Mapping[str, Any] | None = None,
    rotate_size_bytes: int | None = None,
) -> RecordedEnv:
    """Records every episode of a Gymnasium environment into a run.

    ::

        env = capture_hook.record(gym.make("CartPole-v1"), "results", experiment="cartpole",
                                  names={"observation": ["x", "x_dot", "theta", "theta_dot"]})

    The environment behaves as before. Its run, ``<root>/<experiment>/<run_id>/`` (``env.run_dir``), begins with the first
    step: a row for every step, one with step 0 for the state after ``reset()``, a summary for every episode that ends,
    and ``schema.json``, which says what the columns are. An episode that is reset before its end has no summary. ``close()``,
    leaving a ``with`` block and the interpreter's exit end the run; whatever ends the process, what was
    recorded is a valid run, all but its last second if it is killed.

    The spaces become columns: a ``Box`` a list of its shape and type, a ``Discrete`` an int, ``MultiDiscrete`` and
    ``MultiBinary`` lists of ints, a ``Dict`` a column for each key (``observation_image``), a ``Tuple`` one for each
    element (``observation_0``), a ``Text`` a string. Observations and discrete actions have the ranges of their spaces;
    a ``Box`` action has none. A step beyond them is refused. Every row has ``ts`` (seconds since the epoch), ``reward``, and
    ``seed``, the seed of its ``reset()``. A summary has ``duration_ms`` (from ``reset()`` to the last step, in milliseconds).

    Args:
        env: a ``gymnasium.Env``.
        root: the directory that holds experiments, by convention ``results``.
        experiment: the experiment's name.
        run_id: the run's id, of a run that does not exist yet. Without one it is ``run-<date>-<time>`` in UTC.
        names: names for columns. A list names the values of a list, which become columns of their own:
            ``{"observation": ["x", "v"]}``; a text names a column: ``{"action": "torque"}``.
        info: the keys of ``info`` to record, as columns ``info_<key>`` that may be missing in a row. ``"episode.r"`` is ``r``
            in ``episode``. Types are those of the first step; a key that comes later needs one:
            ``{"episode.r": "float64"}``. ``None`` records the whole dict as one column of JSON.
        success: whether an episode succeeded, by its last ``info`` and whether it was terminated. Without it no
            episode has a ``success``.
        columns: changes of columns, as keys of ``schema.json``: ``{"x": {"unit": "m", "min": None}}``; ``None`` removes a key.
        exclude: columns that are not recorded, such as images of over 4,096 values.
        plot: what plots show: ``{"path": ["x", "y"], "lines": ["theta"]}``.
        env_config: further members of ``env_config`` in ``run.json``, which is the environment's ``spec``.
        rotate_size_bytes: begin a new file of rows after so many compressed bytes; ``None``: never.

    Returns:
        The environment in a ``gymnasium.Wrapper``, with ``run_id`` and ``run_dir`` (``None`` before the first step).

    Raises:
        TypeError: `env` is not a ``gymnasium.Env``.
        RunUsageError: the run exists. Options that fit no column, and rows that break the schema, raise it in ``step()``.
        ImportError: Gymnasium is not installed.
    """
    import gymnasium

    if isinstance(env, gymnasium.vector.VectorEnv):
        raise TypeError("env is a vector environment: use record_vector")
    if not isinstance(env, gymnasium.Env):
        hint = ": use record_parallel" if hasattr(env, "possible_agents") or hasattr(env, "agents") else ""
        raise TypeError(f"env is a {type(env).__name__}, not a gymnasium.Env{hint}")
    from ._gym_env import RecordedEnv
    from ._session import RecordingSession

    wanted = ColumnOptions(names, info, success, columns, exclude, plot)
    return RecordedEnv(env, RecordingSession(RunOptions(root, experiment, run_id, env_config, rotate_size_bytes, wanted)))


def record_vector(
    env: gymnasium.vector.VectorEnv[Any, Any, Any],
    root: str | os.PathLike[str],
    *,
    experiment: str,
    run_id: str | None = None,
    names: Mapping[str, str | Sequence[str]] | None = None,
    info: Sequence[str] | Mapping[str, Any] | None = (),
    success: Callable[[Any, bool], Any] | None = None,
    columns: Mapping[str, Mapping[str, Any]] | None = None,
    exclude: Sequence[str] = (),
    plot: Mapping[str, Sequence[str]] | None = None,
    env_config: Mapping[str, Any] | None = None,
    rotate_size_bytes: int | None = None,
) -> RecordedVectorEnv:
    """Records every episode of a Gymnasium vector environment into one run.

    Each sub-environment's episodes are episodes of the run, and their rows interleave. All autoreset modes are understood
    (``metadata["autoreset_mode"]``; ``NEXT_STEP`` where it is missing): a row is a step that was taken, and the
    first observation of an episode is its step 0, never the last one of the episode before.

    ``seed`` is what a sub-environment was reset with; after an automatic reset there is none. Of a batch that is
    one environment (``CartPoleVectorEnv``) it is the batch's.

    Args:
        env: a ``gymnasium.vector.VectorEnv``, Gymnasium 1.0 or newer.

    The other arguments, and the columns, are those of :func:`record`; ``info`` and ``success`` are of the
    sub-environment.

    Returns:
        The environment in a ``gymnasium.vector.VectorWrapper``, with ``run_id`` and ``run_dir``.

    Raises:
        As :func:`record`.
    """
    import gymnasium

    if not isinstance(env, gymnasium.vector.VectorEnv):
        raise TypeError(f"env is a {type(env).__name__}, not a gymnasium.vector.VectorEnv")
    from ._vector_env import RecordedVectorEnv
    from ._session import RecordingSession

    wanted = ColumnOptions(names, info, success, columns, exclude, plot)
    return RecordedVectorEnv(env, RecordingSession(RunOptions(root, experiment, run_id, env_config, rotate_size_bytes, wanted)))


def record_parallel(
    env: pettingzoo.ParallelEnv[Any, Any, Any],
    root: str | os.PathLike[str],
    *,
    experiment: str,
    run_id: str | None = None,
    names: Mapping[str, str | Sequence[str]] | None = None,
    info: Sequence[str] | Mapping[str, Any] | None = (),
    success: Callable[[Any, bool], Any] | None = None,
    columns: Mapping[str, Mapping[str, Any]] | None = None,
    exclude: Sequence[str] = (),
    plot: Mapping[str, Sequence[str]] | None = None,
    env_config: Mapping[str, Any] | None = None,
    rotate_size_bytes: int | None = None,
) -> RecordedParallelEnv:
    """Records every episode of a PettingZoo parallel environment into a run.

    Every agent has a row a step, with its name in the column ``agent``, and a summary of its own. Agents may end at
    different steps, and come in the course of an episode. The columns hold the values of all agents: where shapes
    differ, a list has any length, and what only some agents have may be missing.

    Args:
        env: a PettingZoo ``ParallelEnv``; one with turns through ``aec_to_parallel``.

    The other arguments, and the columns, are those of :func:`record`; ``info`` and ``success`` are of the agent.

    Returns:
        The environment in a PettingZoo ``BaseParallelWrapper``, with ``run_id`` and ``run_dir``. It can stand in a
        ``with`` block.

    Raises:
        As :func:`record`.
    """
    if not all(hasattr(env, name) for name in ("reset", "step", "observation_space", "action_space")):
        raise TypeError(f"env is a {type(env).__name__}, not a PettingZoo ParallelEnv")
    if hasattr(env, "agent_iter"):
        raise TypeError("env takes turns: convert it with pettingzoo.utils.conversions.aec_to_parallel")
    from ._parallel_env import RecordedParallelEnv
    from ._session import RecordingSession

    wanted = ColumnOptions(names, info, success, columns, exclude, plot)
    return RecordedParallelEnv(env, RecordingSession(RunOptions(root, experiment, run_id, env_config, rotate_size_bytes, wanted)))
