"""`record_vector`: every row is a step that was taken, in each autoreset mode."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from conftest import assert_valid, meta, rows, schema
from environments import CountingEnv, SpaceEnv
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import capture_hook

LENGTHS = [3, 1, 5]


def counting(mode: AutoresetMode, kind=SyncVectorEnv):
    return kind([lambda i=i, n=n: CountingEnv(i, n, truncates=i == 2) for i, n in enumerate(LENGTHS)], autoreset_mode=mode)


def check_counting(run, steps: int | None = None, *, deep: bool = True) -> None:
    """Every row's observation says of which step it is; the action is the one that led to it."""
    written, summaries = rows(run, "steps"), rows(run, "episodes")
    episodes: dict[str, list[dict]] = {}
    for row in written:
        episodes.setdefault(row["episode_id"], []).append(row)
    seen = set()
    for own in episodes.values():
        number, episode = own[0]["observation"][:2]
        assert (number, episode) not in seen
        seen.add((number, episode))
        for step, row in enumerate(own):
            assert row["step"] == step
            assert row["observation"] == [number, episode, step, row.get("action", -1)]
            assert row.get("reward") == (step + 0.25 if step else None)
            end = step == LENGTHS[number]
            assert (row["terminated"], row["truncated"]) == (end and number != 2, end and number == 2)
            if "info" in row:
                assert row["info"]["kind"] == ("step" if step else "reset")
                assert row["info"].get("deep") == ({"t": step} if end and deep else None)
    # Every sub-environment's episodes are there, from the first one on.
    for number in range(len(LENGTHS)):
        mine = sorted(episode for other, episode in seen if other == number)
        assert mine == list(range(len(mine)))
    ended = [own for own in episodes.values() if own[-1]["terminated"] or own[-1]["truncated"]]
    assert len(summaries) == len(ended)
    for own in ended:
        (summary,) = (summary for summary in summaries if summary["episode_id"] == own[0]["episode_id"])
        assert summary["total_steps"] == len(own) - 1
        assert summary["total_reward"] == sum(row["reward"] for row in own[1:])
        assert (summary["terminated"], summary["truncated"]) == (own[-1]["terminated"], own[-1]["truncated"])
    if steps is not None:
        assert sum(row["step"] > 0 for row in written) == steps


@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_rows_are_the_steps_that_were_taken(results, mode, kind):
    env = capture_hook.record_vector(counting(mode, kind), results, experiment="e", run_id="r", info=None)
    with env:
        env.reset(seed=7)
        for t in range(20):
            env.step(np.array([t * 10 + i for i in range(3)]))
    run = results / "e" / "r"
    # In NEXT_STEP each end costs a step: an episode of n steps takes n + 1.
    expected = 60 if mode is AutoresetMode.SAME_STEP else 20 - 20 // 4 + 20 - 20 // 2 + 20 - 20 // 6
    check_counting(run, expected)
    assert_valid(run)
    first = [row for row in rows(run, "steps") if row["observation"][1] == 0]
    assert {(row["observation"][0], row["seed"]) for row in first} == {(0, 7), (1, 8), (2, 9)}
    assert {row["seed"] for row in rows(run, "steps") if row["observation"][1] > 0} == {None}
    config = meta(run)["env_config"]
    assert (config["num_envs"], config["autoreset_mode"]) == (3, mode.value)


def test_without_autoreset_the_mask_says_what_begins(results):
    env = capture_hook.record_vector(counting(AutoresetMode.DISABLED), results, experiment="e", run_id="r", info=["kind", "t"])
    with env:
        env.reset(seed=3)
        taken = 0
        for t in range(17):
            _, _, terminated, truncated, _ = env.step(np.array([t, t + 100, t + 200]))
            taken += 3
            ended = terminated | truncated
            if ended.any():
                env.reset(seed=[t * 10, t * 10 + 1, None], options={"reset_mask": ended})
    run = results / "e" / "r"
    check_counting(run, taken, deep=False)
    assert_valid(run)
    seeds = {tuple(row["observation"][:2]): row["seed"] for row in rows(run, "steps")}
    assert seeds[0, 0] == 3 and seeds[0, 1] == 20 and seeds[1, 1] == 1 and seeds[2, 1] is None
    assert [column["dtype"] for column in list(schema(run)["steps"].values())[-2:]] == ["string", "int64"]


def test_a_whole_reset_leaves_episodes_unfinished(results):
    env = capture_hook.record_vector(counting(AutoresetMode.NEXT_STEP), results, experiment="e", run_id="r")
    env.reset()
    for _ in range(2):
        env.step(np.array([1, 2, 3]))
    env.reset(seed=1)
    env.reset(seed=2)
    for _ in range(2):
        env.step(np.array([1, 2, 3]))
    env.close()
    written = rows(results / "e" / "r", "steps")
    # An episode that was reset before its first step is not there, and takes no number.
    assert sorted({row["episode_id"] for row in written}) == [f"ep-{n:06d}" for n in range(6)]
    assert {row["seed"] for row in written} == {None, 2, 3, 4}
    report = assert_valid(results / "e" / "r")
    assert report["warnings"] == ["incomplete_episode"]


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_cart_poles_are_those_of_single_environments(results, mode):
    """Against environments stepped one by one, with the same seeds and actions."""
    count, steps, rng = 4, 120, np.random.default_rng(5)
    actions = rng.integers(0, 2, (steps, count))
    vector = gym.make_vec("CartPole-v1", count, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode(mode)})
    with capture_hook.record_vector(vector, results, experiment="e", run_id="r") as env:
        env.reset(seed=11)
        for action in actions:
            env.step(action)
    expected = []
    for i in range(count):
        single = gym.make("CartPole-v1")
        observation, _ = single.reset(seed=11 + i)
        step, ended = 0, False
        expected.append((step, observation.tobytes(), None))
        for action in actions[:, i]:
            if ended:
                observation, _ = single.reset()
                step, ended = 0, False
                expected.append((step, observation.tobytes(), None))
                if mode == "NextStep":
                    continue
            observation, _, terminated, truncated, _ = single.step(action)
            step, ended = step + 1, terminated or truncated
            expected.append((step, observation.tobytes(), int(action)))
    got = [
        (row["step"], np.array(row["observation"], np.float32).tobytes(), row.get("action"))
        for row in rows(results / "e" / "r", "steps")
    ]
    assert sorted(got, key=repr) == sorted(expected, key=repr)
    assert_valid(results / "e" / "r")


def test_a_batch_that_is_one_environment(results):
    vector = gym.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point")
    with capture_hook.record_vector(vector, results, experiment="e", run_id="r", names={"observation": list("abcd")}) as env:
        observations, _ = env.reset(seed=4)
        expected = {0: observations[0].tobytes()}
        for t in range(1, 8):
            observations, *_ = env.step(np.array([t % 2, 1, 0]))
            expected[t] = observations[0].tobytes()
    own = [row for row in rows(results / "e" / "r", "steps") if row["episode_id"] == "ep-000000"]
    assert {row["step"]: np.array(row["observation"], np.float32).tobytes() for row in own} == expected
    assert {row["seed"] for row in rows(results / "e" / "r", "steps") if row["step"] == 0} == {4}
    assert meta(results / "e" / "r")["env_config"]["id"] == "CartPole-v1"
    assert_valid(results / "e" / "r")


def test_infos_as_lists_and_batched_dicts(results):
    vector = gym.wrappers.vector.DictInfoToList(counting(AutoresetMode.SAME_STEP))
    with capture_hook.record_vector(vector, results, experiment="e", run_id="r", info={"kind": None, "deep.t": "int64"}) as env:
        env.reset()
        for t in range(12):
            env.step(np.array([t, t, t]))
    check_counting(results / "e" / "r", 36)
    spaces = gym.spaces.Dict({"a": gym.spaces.Box(0, 1, (2,), np.float32), "b": gym.spaces.Tuple([gym.spaces.Discrete(3)])})
    vector = SyncVectorEnv([lambda: SpaceEnv(spaces)] * 2)
    with capture_hook.record_vector(vector, results, experiment="dict", run_id="r") as env:
        env.reset(seed=1)
        observations, *_ = env.step(env.action_space.sample())
    (one, two) = (row for row in rows(results / "dict" / "r", "steps") if row["step"] == 1)
    for i, row in enumerate([one, two]):
        assert np.array(row["observation"]["a"], np.float32).tobytes() == observations["a"][i].tobytes()
        assert row["observation"]["b"] == [int(observations["b"][0][i])]
    assert_valid(results / "dict" / "r")


def test_success_is_asked_at_the_end_with_the_last_info(results):
    asked = []

    def success(info, terminated):
        asked.append((info["kind"], info["last"], terminated))
        return info["t"] > 2

    with capture_hook.record_vector(counting(AutoresetMode.SAME_STEP), results, experiment="e", run_id="r", success=success) as env:
        env.reset()
        for t in range(5):
            env.step(np.array([t, t, t]))
    assert asked and all(kind == "step" and last for kind, last, _ in asked)
    summaries = rows(results / "e" / "r", "episodes")
    assert {(summary["total_steps"], summary["success"]) for summary in summaries} == {(3, True), (1, False), (5, True)}
    assert_valid(results / "e" / "r")


def test_what_is_no_vector_environment_is_refused(results):
    with pytest.raises(TypeError, match="record_vector"):
        capture_hook.record(counting(AutoresetMode.NEXT_STEP), results, experiment="e")
    with pytest.raises(TypeError, match="VectorEnv"):
        capture_hook.record_vector(CountingEnv(), results, experiment="e")
