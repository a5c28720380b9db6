"""`record_parallel`: PettingZoo's parallel environments, a row for each agent a step."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_valid, meta, rows, schema
from gymnasium import spaces
from mpe2 import simple_adversary_v3, simple_spread_v3
from pettingzoo import ParallelEnv

import capture_hook

LIVES = {"early": (0, 2), "always": (0, 5), "late": (3, 5), 7: (0, 4)}
"""The first and last step of each agent."""


class Lives(ParallelEnv):
    """Agents that come and go; every value says whose it is and of which step."""

    metadata = {"name": "lives_v0", "render_modes": []}

    def __init__(self):
        self.possible_agents = list(LIVES)
        self.agents: list = []

    def observation_space(self, agent):
        return spaces.Box(-1, 10**6, (2,), np.int32)

    def action_space(self, agent):
        return spaces.Discrete(1000)

    def reset(self, seed=None, options=None):
        self.t = 0
        self.agents = [agent for agent, (first, _) in LIVES.items() if first == 0]
        return {agent: self.see(agent) for agent in self.agents}, {agent: {} for agent in self.agents}

    def step(self, actions):
        assert set(actions) == set(self.agents)
        self.t += 1
        come = [agent for agent, (first, _) in LIVES.items() if first == self.t]
        ends = {agent: self.t == LIVES[agent][1] for agent in self.agents}
        observations = {agent: self.see(agent) for agent in [*self.agents, *come]}
        rewards = {agent: float(actions[agent]) for agent in self.agents}
        infos = {agent: {"t": self.t} for agent in self.agents}
        truncations = {agent: False for agent in self.agents}
        self.agents = [agent for agent in self.agents if not ends[agent]] + come
        return observations, rewards, ends, truncations, infos

    def see(self, agent):
        return np.array([list(LIVES).index(agent), self.t], np.int32)


def play(env, steps: int, seed: int | None = None) -> None:
    env.reset(seed=seed)
    for t in range(steps):
        if env.agents:
            env.step({agent: 100 * list(LIVES).index(agent) + t for agent in env.agents})


def test_agents_end_and_come_at_different_steps(results):
    with capture_hook.record_parallel(
        Lives(), results, experiment="e", run_id="r", info=["t"], success=lambda info, terminated: info["t"] == 5
    ) as env:
        play(env, 9, seed=3)
        play(env, 9)
        play(env, 3, seed=9)
        assert env.run_dir == results / "e" / "r" and env.metadata["name"] == "lives_v0"
    run = results / "e" / "r"
    written = rows(run, "steps")
    for episode, last, seed in [("ep-000000", 5, 3), ("ep-000001", 5, None), ("ep-000002", 3, 9)]:
        for number, (agent, (first, end)) in enumerate(LIVES.items()):
            own = [row for row in written if (row["episode_id"], row["agent"]) == (episode, str(agent))]
            # An agent that came and took no step has no row.
            steps = min(end, last) - first
            assert [row["step"] for row in own] == list(range(steps + 1 if steps else 0))
            assert all(row["seed"] == seed for row in own)
            for row in own:
                assert row["observation"] == [number, first + row["step"]]
                if row["step"]:
                    assert row["action"] == row["reward"] == 100 * number + first + row["step"] - 1
                    assert row["info"] == {"t": first + row["step"]}
                assert row["terminated"] == (first + row["step"] == end) and not row["truncated"]
    summaries = {(row["episode_id"], row["agent"]): row for row in rows(run, "episodes")}
    assert len(summaries) == 4 + 4 + 1
    early = summaries["ep-000000", "early"]
    assert early["total_steps"] == 2 and early["total_reward"] == 1.0 and early["success"] is False
    assert summaries["ep-000001", "late"]["success"] is True and summaries["ep-000001", "late"]["total_steps"] == 2
    assert meta(run)["episode_seeds"] == [3, None, 9]
    assert assert_valid(run)["warnings"] == ["incomplete_episode"]


def test_simple_spread(results):
    """Against the same environment without a recorder."""
    with capture_hook.record_parallel(simple_spread_v3.parallel_env(max_cycles=25), results, experiment="spread", run_id="r") as env:
        bare = simple_spread_v3.parallel_env(max_cycles=25)
        rng, expected = np.random.default_rng(0), {}
        for episode in range(3):
            one, _ = env.reset(seed=episode)
            two, _ = bare.reset(seed=episode)
            expected.update({(episode, agent, 0): (None, two[agent].tobytes(), None) for agent in two})
            step = 0
            while bare.agents:
                actions = {agent: int(rng.integers(5)) for agent in bare.agents}
                env.step(actions)
                two, rewards, *_ = bare.step(actions)
                step += 1
                expected.update({(episode, agent, step): (actions[agent], two[agent].tobytes(), rewards[agent]) for agent in two})
    run = results / "spread" / "r"
    got = {
        (int(row["episode_id"][3:]), row["agent"], row["step"]): (
            row.get("action"),
            np.array(row["observation"], np.float32).tobytes(),
            row.get("reward"),
        )
        for row in rows(run, "steps")
    }
    assert got == expected and len(got) == 3 * 3 * 26
    declared = schema(run)["steps"]
    assert list(declared) == ["agent", "ts", "reward", "seed", "action", "observation"]
    assert declared["observation"] == {"dtype": "float32", "shape": [18]} and declared["action"] == {"dtype": "int64", "min": 0, "max": 4}
    assert meta(run)["env_config"]["id"] == "simple_spread_v3" and meta(run)["env_config"]["kwargs"]["max_cycles"] == 25
    assert_valid(run)


def test_agents_with_different_spaces_share_columns(results):
    with capture_hook.record_parallel(simple_adversary_v3.parallel_env(max_cycles=5), results, experiment="e", run_id="r") as env:
        env.reset(seed=1)
        while env.agents:
            env.step({agent: env.action_space(agent).sample() for agent in env.agents})
    assert schema(results / "e" / "r")["steps"]["observation"] == {"dtype": "float32", "shape": [-1]}
    assert {len(row["observation"]) for row in rows(results / "e" / "r", "steps")} == {8, 10}
    assert_valid(results / "e" / "r")


def test_what_takes_turns_is_refused(results):
    with pytest.raises(TypeError, match="aec_to_parallel"):
        capture_hook.record_parallel(simple_spread_v3.env(), results, experiment="e")
    with pytest.raises(TypeError, match="ParallelEnv"):
        capture_hook.record_parallel(object(), results, experiment="e")
    with pytest.raises(TypeError, match="record_parallel"):
        capture_hook.record(Lives(), results, experiment="e")
