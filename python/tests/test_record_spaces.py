"""Every space of Gymnasium, and those of others: their columns, and their values read back."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
from conftest import assert_valid, rows, schema
from environments import CountingEnv, SpaceEnv
from gymnasium import spaces

import capture_hook

BOX = spaces.Box(-1, 1, (2,), np.float32)


class Words(spaces.Space):
    """A space that says nothing of its values, as MiniGrid's missions."""

    def sample(self, mask=None, probability=None):
        return str(self.np_random.integers(10))


class Typed(spaces.Space):
    """A space of one's own that says shape and type."""

    def __init__(self):
        super().__init__((2, 3), np.float32)

    def sample(self, mask=None, probability=None):
        return self.np_random.random((2, 3), np.float32)


CASES = {
    "box_float32": (spaces.Box(np.float32([-1.5, 0.1]), np.float32([2, 0.3])), {"dtype": "float32", "shape": [2], "min": -1.5, "max": 2.0}),
    "box_half_bounded": (spaces.Box(np.float32([0, -np.inf]), np.float32([1, 5])), {"dtype": "float32", "shape": [2], "max": 5.0}),
    "box_float64": (spaces.Box(0.1, 1, (2, 2), np.float64), {"dtype": "float64", "shape": [2, 2], "min": 0.1, "max": 1.0}),
    "box_float16": (spaces.Box(-2, 2, (3,), np.float16), {"dtype": "float32", "shape": [3], "min": -2.0, "max": 2.0}),
    "box_largest": (spaces.Box(-np.finfo(np.float32).max, np.finfo(np.float32).max, (1,)), {"dtype": "float32", "shape": [1]}),
    "box_scalar": (spaces.Box(0, 1, (), np.float32), {"dtype": "float32", "min": 0.0, "max": 1.0}),
    "box_int8": (spaces.Box(-128, 5, (2,), np.int8), {"dtype": "int8", "shape": [2], "max": 5}),
    "box_uint8": (spaces.Box(0, 255, (2, 2, 3), np.uint8), {"dtype": "uint8", "shape": [2, 2, 3]}),
    "box_uint32": (spaces.Box(0, 9, (2,), np.uint32), {"dtype": "uint32", "shape": [2], "max": 9}),
    "box_uint64": (spaces.Box(0, 9, (2,), np.uint64), {"dtype": "int64", "shape": [2], "min": 0, "max": 9}),
    "box_bool": (spaces.Box(0, 1, (2,), np.bool_), {"dtype": "bool", "shape": [2]}),
    "discrete": (spaces.Discrete(5, start=-2), {"dtype": "int64", "min": -2, "max": 2}),
    "multi_discrete": (spaces.MultiDiscrete([3, 5]), {"dtype": "int64", "shape": [2], "min": 0, "max": 4}),
    "multi_discrete_table": (spaces.MultiDiscrete([[3], [5]], start=[[1], [2]]), {"dtype": "int64", "shape": [2, 1], "min": 1, "max": 6}),
    "multi_binary": (spaces.MultiBinary(4), {"dtype": "int8", "shape": [4], "min": 0, "max": 1}),
    "multi_binary_table": (spaces.MultiBinary([2, 2]), {"dtype": "int8", "shape": [2, 2], "min": 0, "max": 1}),
    "text": (spaces.Text(8), {"dtype": "string"}),
    "sequence": (spaces.Sequence(spaces.Discrete(4)), {"dtype": "int64", "shape": [-1], "min": 0, "max": 3}),
    "stacked_sequence": (spaces.Sequence(spaces.Box(0, 1, ()), stack=True), {"dtype": "float32", "shape": [-1], "min": 0.0, "max": 1.0}),
    "sequence_of_lists": (spaces.Sequence(BOX), {"dtype": "json"}),
    "graph": (spaces.Graph(BOX, spaces.Discrete(3)), {"dtype": "json"}),
    "one_of": (spaces.OneOf([BOX, spaces.Discrete(3)]), {"dtype": "json"}),
    "words": (Words(), {"dtype": "string"}),
    "typed": (Typed(), {"dtype": "float32", "shape": [2, 3]}),
}


def same(value, like) -> bool:
    """Whether JSON says a value to the bit."""
    if isinstance(like, (tuple, list)):
        return len(value) == len(like) and all(same(a, b) for a, b in zip(value, like))
    if like is None or isinstance(like, str):
        return value == like
    kind = np.asarray(like).dtype
    return np.asarray(value, kind).tobytes() == np.asarray(like).tobytes() and np.shape(value) == np.shape(like)


def record(results, space, run_id: str = "r", steps: int = 5, **options):
    """The rows of an environment with a space, and what it returned."""
    observed = []
    with capture_hook.record(SpaceEnv(space, space, steps), results, experiment="e", run_id=run_id, **options) as env:
        observed.append((env.reset(seed=1)[0], None))
        space.seed(2)
        for _ in range(steps):
            action = env.action_space.sample()
            observed.append((env.step(action)[0], action))
    return rows(results / "e" / run_id, "steps"), observed


@pytest.mark.parametrize("name", CASES)
def test_a_space_is_a_column(results, name):
    space, declared = CASES[name]
    written, observed = record(results, space)
    columns = schema(results / "e" / "r")["steps"]
    assert columns["observation"] == declared
    unbounded = {key: value for key, value in declared.items() if key not in ("min", "max")}
    assert columns["action"] == (unbounded if name.startswith(("box", "stacked")) else declared)
    for row, (observation, action) in zip(written, observed, strict=True):
        assert same(row["observation"], observation), (row["observation"], observation)
        assert row["step"] == 0 or same(row["action"], action)
    assert_valid(results / "e" / "r")


NESTED = spaces.Dict(
    {
        "pos": spaces.Box(-1, 1, (2,), np.float32),
        "arm.left": spaces.Dict({"angle": spaces.Box(0, 1, (), np.float64), "on": spaces.MultiBinary(2)}),
        "pair": spaces.Tuple([spaces.Discrete(3), spaces.Dict({"x": spaces.Box(0, 1, (2,), np.float32)})]),
        "words": spaces.Text(4),
    }
)


def test_dicts_and_tuples_become_columns_of_their_parts(results):
    written, observed = record(results, NESTED, names={"observation_pos": ["px", "py"], "action_words": "said"})
    columns = schema(results / "e" / "r")["steps"]
    assert list(columns)[3:] == [
        *["action_arm_left_angle", "action_arm_left_on", "action_pair_0", "action_pair_1_x", "action_pos", "said"],
        *["observation_arm_left_angle", "observation_arm_left_on", "observation_pair_0", "observation_pair_1_x", "px", "py"],
        "observation_words",
    ]
    assert columns["observation_arm_left_angle"]["path"] == ["observation", "arm.left", "angle"]
    assert columns["observation_pair_1_x"]["path"] == "observation.pair[1].x"
    assert columns["px"] == {"dtype": "float32", "path": "observation.pos[0]", "min": -1.0, "max": 1.0}
    for row, (observation, _) in zip(written, observed, strict=True):
        got = row["observation"]
        assert same(got["pos"], observation["pos"]) and got["words"] == observation["words"]
        assert same(got["arm.left"]["angle"], observation["arm.left"]["angle"]) and same(got["arm.left"]["on"], observation["arm.left"]["on"])
        assert got["pair"][0] == observation["pair"][0] and same(got["pair"][1]["x"], observation["pair"][1]["x"])
    assert_valid(results / "e" / "r")


def test_what_is_excluded_is_not_written(results):
    written, observed = record(results, NESTED, exclude=["observation_pos", "observation_arm_left_on", "observation_pair", "action"])
    columns = schema(results / "e" / "r")["steps"]
    assert list(columns)[3:] == ["observation_arm_left_angle", "observation_words"]
    for row, (observation, _) in zip(written, observed, strict=True):
        angle = row["observation"]["arm.left"]["angle"]
        assert row["observation"] == {"arm.left": {"angle": angle}, "words": observation["words"]} and "action" not in row
        assert same(angle, observation["arm.left"]["angle"])
    assert_valid(results / "e" / "r")


def test_large_values_are_refused_and_can_be_left_out(results):
    space = spaces.Dict({"frame": spaces.Box(0, 255, (84, 84), np.uint8), "lives": spaces.Discrete(4)})
    with pytest.raises(capture_hook.RunUsageError, match=r"7,056 values .* exclude=\['action_frame'\]"):
        record(results, space)
    assert list(results.iterdir()) == []
    written, _ = record(results, space, exclude=["observation_frame", "action_frame"])
    assert set(written[1]["observation"]) == set(written[1]["action"]) == {"lives"}
    assert_valid(results / "e" / "r")


def test_keys_that_differ_in_odd_characters_have_columns_of_their_own(results):
    record(results, spaces.Dict({"a.b": spaces.Discrete(2), "a b": spaces.Discrete(2), "A_B": spaces.Discrete(2)}), exclude=["action"])
    columns = schema(results / "e" / "r")["steps"]
    assert list(columns)[3:] == ["observation_A_B", "observation_a_b_2", "observation_a_b_3"]
    assert_valid(results / "e" / "r")


def test_double_columns_get_every_digit_of_a_single_float(results):
    """A float32 in a column of float64 is the double of the same value, not the nearest short one."""
    recorder = capture_hook.RunRecorder(
        results,
        experiment="e",
        run_id="r",
        schema={
            "format": 1,
            "steps": {
                "d": {"dtype": "float64"},
                "s": {"dtype": "float32"},
                "ds": {"dtype": "float64", "shape": [2]},
                "one": {"dtype": "float64", "path": "pair[1]"},
                "two": {"dtype": "float32", "path": "pair[0]"},
                "deep": {"dtype": "float64", "path": "o.p.q"},
                "flat": {"dtype": "float32", "path": "o.p.r"},
                "j": {"dtype": "json"},
            },
        },
    )
    tenth = np.float32(0.1)
    pair = np.array([0.1, 0.1], np.float32)
    row = {"d": tenth, "s": tenth, "ds": pair, "pair": pair, "o": {"p": {"q": tenth, "r": tenth}}, "j": [tenth]}
    recorder.append_step({"episode_id": "e", "step": 1, "terminated": True, "truncated": False, **row})
    recorder.append_episode({"episode_id": "e", "terminated": True, "truncated": False, "total_steps": 1})
    recorder.finalize()
    (got,) = rows(recorder.root, "steps")
    exact = float(tenth)
    assert exact != 0.1
    assert (got["d"], got["s"], got["ds"], got["pair"], got["j"]) == (exact, 0.1, [exact, exact], [0.1, exact], [0.1])
    assert got["o"] == {"p": {"q": exact, "r": 0.1}}
    assert_valid(recorder.root)


def test_random_single_floats_keep_their_bits(results):
    class Any32(gym.Env):
        observation_space = spaces.Box(-np.inf, np.inf, (100,), np.float32)
        action_space = spaces.Discrete(1)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros(100, np.float32), {}

        def step(self, action):
            bits = self.np_random.integers(0, 2**32, 100, np.uint32)
            values = bits.view(np.float32)
            values[~np.isfinite(values)] = 0
            seen.append(values.tobytes())
            return values, 0.0, False, False, {}

    seen: list[bytes] = []
    with capture_hook.record(Any32(), results, experiment="e", run_id="r") as env:
        env.reset(seed=3)
        for _ in range(200):
            env.step(0)
    got = [np.array(row["observation"], np.float32).tobytes() for row in rows(results / "e" / "r", "steps")[1:]]
    assert got == seen
    assert_valid(results / "e" / "r")


def test_values_of_other_forms_are_written_as_what_they_are(results):
    """Lists for arrays, numbers of Python for NumPy's, arrays that do not lie in one piece or in the machine's order."""
    values = [
        [1, 2, 3, 4],
        (1, 2, 3, 4),
        np.array([1, 2, 3, 4], ">i8"),
        np.arange(1, 9).reshape(4, 2)[:, 0] // 2 + 1,
        np.array([1, 2, 3, 4], object),
        np.array([1, 2, 3, 4], np.int8),
    ]

    class Forms(CountingEnv):
        def step(self, action):
            return values[action], np.float32(0.1), np.False_, np.bool_(action == 5), {}

    with capture_hook.record(Forms(), results, experiment="e", run_id="r") as env:
        env.reset()
        for n in range(len(values)):
            env.step(np.array(n))
    written = rows(results / "e" / "r", "steps")[1:]
    assert [row["observation"] for row in written] == [[1, 2, 3, 4]] * 6
    assert [row["action"] for row in written] == [0, 1, 2, 3, 4, 5]
    # A reward is a double: that of the single float, not the nearest short one.
    assert {row["reward"] for row in written} == {float(np.float32(0.1))} and written[-1]["truncated"] is True
    assert_valid(results / "e" / "r")


def test_not_a_number_is_refused_unless_the_column_takes_it(results):
    class Unstable(CountingEnv):
        observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

        def __init__(self):
            super().__init__()
            self.observation_space = Unstable.observation_space

        def _observe(self, action):
            return np.array([0, math.nan if self.t == 2 else -math.inf if self.t == 3 else 1], np.float32)

    env = capture_hook.record(Unstable(), results, experiment="e", run_id="r")
    env.reset()
    env.step(0)
    with pytest.raises(capture_hook.RunUsageError) as refused:
        env.step(0)
    assert refused.value.code == "non_finite"
    env.close()
    assert_valid(results / "e" / "r")
    with capture_hook.record(Unstable(), results, experiment="e", run_id="r2", columns={"observation": {"finite": False}}) as env:
        env.reset()
        for _ in range(3):
            env.step(0)
    assert repr([row["observation"][1] for row in rows(results / "e" / "r2", "steps")]) == "[1.0, 1.0, nan, -inf]"
    assert_valid(results / "e" / "r2")
