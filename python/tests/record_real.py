"""Records real environments beside the values that they returned, and later compares the dataset with those.

    record_real.py record RESULTS TRUTH
    record_real.py compare DATASET TRUTH
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import gymnasium as gym
import minigrid  # noqa: F401 - registers its environments
import numpy as np
import pyarrow.parquet
from mpe2 import simple_spread_v3

import capture_hook

REAL = {
    "cartpole": ("CartPole-v1", {"names": {"observation": ["x", "x_dot", "theta", "theta_dot"]}}),
    "hopper": ("Hopper-v5", {"info": ["x_position"]}),
    "minigrid": ("MiniGrid-Empty-5x5-v0", {}),
}


def record(results: Path) -> dict[str, list[tuple]]:
    """The values of each run, in the order of its rows."""
    truth: dict[str, list[tuple]] = {}
    for experiment, (env_id, options) in REAL.items():
        rows = truth[experiment] = []
        with capture_hook.record(gym.make(env_id), results, experiment=experiment, run_id="r1", **options) as env:
            for episode in range(3):
                observation, _ = env.reset(seed=episode)
                env.action_space.seed(episode)
                rows.append((0, None, None, observation))
                ended = False
                while not ended:
                    action = env.action_space.sample()
                    observation, reward, terminated, truncated, _ = env.step(action)
                    ended = terminated or truncated
                    rows.append((rows[-1][0] + 1, action, reward, observation))
    rows = truth["spread"] = []
    with capture_hook.record_parallel(simple_spread_v3.parallel_env(max_cycles=9), results, experiment="spread", run_id="r1") as env:
        observations, _ = env.reset(seed=1)
        rows += [(0, None, None, observations[agent]) for agent in env.agents]
        for step in range(1, 10):
            actions = {agent: step % 5 for agent in env.agents}
            observations, rewards, *_ = env.step(actions)
            rows += [(step, actions[agent], rewards[agent], observations[agent]) for agent in observations]
    return truth


def flat(value) -> bytes:
    """The bytes of all that a value consists of."""
    if isinstance(value, dict):
        return b"".join(flat(value[key]) for key in sorted(value))
    return value.encode() if isinstance(value, str) else np.asarray(value).tobytes()


def compare(dataset: Path, truth: dict[str, list[tuple]]) -> None:
    for experiment, expected in truth.items():
        table = pyarrow.parquet.read_table(dataset / experiment / "r1" / "steps.parquet")
        rows = table.to_pylist()
        assert len(rows) == len(expected), experiment
        declared = list(table.schema.names)
        parts = [name for name in declared if name.startswith("observation")] or REAL[experiment][1]["names"]["observation"]
        for row, (step, action, reward, observation) in zip(rows, expected):
            assert row["step"] == step and row["reward"] == reward
            assert (row["action"] is None) == (action is None)
            if action is not None:
                kind = table.schema.field("action").type
                assert flat(np.array(row["action"], value_type(kind))) == flat(np.asarray(action, value_type(kind)))
            got = b"".join(flat(typed(row[name], table.schema.field(name).type)) for name in sorted(parts, key=declared.index))
            assert got == flat(observation), (experiment, row)
        print(experiment, len(rows))


def value_type(kind) -> str:
    return str(kind.value_type if pyarrow.types.is_list(kind) else kind).replace("float", "float32").replace("double", "float64")


def typed(value, kind):
    return value if isinstance(value, str) else np.array(value, value_type(kind))


if __name__ == "__main__":
    mode, place, truth_file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if mode == "record":
        truth_file.write_bytes(pickle.dumps(record(place)))
    else:
        compare(place, pickle.loads(truth_file.read_bytes()))
