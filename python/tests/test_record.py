"""`record`: Gymnasium environments, their values read back one by one."""

from __future__ import annotations

import json
import re
import subprocess
import time

import gymnasium as gym
import minigrid  # noqa: F401 - registers its environments
import numpy as np
import pyarrow
import pytest
from conftest import assert_valid, lines, meta, rows, schema
from environments import CountingEnv

import capture_hook

REAL = {
    "CartPole-v1": {"names": {"observation": ["x", "x_dot", "theta", "theta_dot"]}, "info": None},
    "Pendulum-v1": {"names": {"observation": ["cos", "sin", "speed"], "action": ["torque"]}},
    "FrozenLake-v1": {"info": ["prob"], "success": lambda info, terminated: terminated},
    "Blackjack-v1": {"names": {"observation": ["mine", "dealer", "ace"]}},
    "MiniGrid-Empty-5x5-v0": {},
    "Hopper-v5": {"info": ["x_position", "x_velocity", "reward_ctrl"]},
}


def bits(value, like):
    """A value that was read from JSON, as the bytes of the type that was recorded."""
    if isinstance(like, dict):
        return {key: bits(value[key], like[key]) for key in like}
    if isinstance(like, tuple):
        assert len(value) == len(like)
        return tuple(bits(a, b) for a, b in zip(value, like))
    if isinstance(like, str):
        return value
    kind = np.asarray(like).dtype
    return np.array(value, kind).tobytes(), np.shape(value)


def walk(env, episodes: int = 3, cap: int = 150):
    """What happens in an environment with the actions of its own seeded space."""
    for episode in range(episodes):
        observation, info = env.reset(seed=episode)
        env.action_space.seed(episode)
        yield episode, 0, None, observation, None, False, False, info
        for step in range(1, cap + 1):
            action = env.action_space.sample()
            observation, reward, terminated, truncated, info = env.step(action)
            yield episode, step, action, observation, reward, terminated, truncated, info
            if terminated or truncated:
                break


@pytest.mark.parametrize("env_id", REAL)
def test_every_value_reads_back_bit_by_bit(results, env_id):
    """Against the same environment without a recorder."""
    options = REAL[env_id]
    with capture_hook.record(gym.make(env_id), results, experiment="e", run_id="r", **options) as env:
        for _ in walk(env):
            pass
    run = results / "e" / "r"
    written, expected = rows(run, "steps"), list(walk(gym.make(env_id)))
    assert len(written) == len(expected)
    for row, (episode, step, action, observation, reward, terminated, truncated, info) in zip(written, expected):
        assert (row["episode_id"], row["step"], row["seed"]) == (f"ep-{episode:06d}", step, episode)
        assert (row["terminated"], row["truncated"]) == (terminated, truncated)
        assert bits(row["observation"], observation) == bits(observation, observation)
        if step:
            assert bits(row["action"], action) == bits(action, action)
            assert row["reward"] == reward
        else:
            assert "action" not in row and "reward" not in row
        wanted = info if options.get("info", ()) is None else {key: info[key] for key in options.get("info", ()) if key in info}
        assert bits(row.get("info", {}), wanted) == bits(wanted, wanted)
    ts = [row["ts"] for row in written]
    assert ts == sorted(ts) and abs(ts[-1] - time.time()) < 600
    check_summaries(run, written, options)
    check_table(run, expected)
    assert assert_valid(run)["warnings"] == (["incomplete_episode"] if env_id == "Pendulum-v1" else [])


def check_table(run, expected) -> None:
    """The table's columns are the values that were observed, to the bit."""
    table = pyarrow.table(capture_hook.load_steps(run)).to_pydict()
    declared = schema(run)["steps"]
    assert table["step"] == [step for _, step, *_ in expected]
    for name in declared.keys() - {"ts", "seed"}:
        for got, (_, step, action, observation, reward, _, _, info) in zip(table[name], expected, strict=True):
            value = {"action": action, "reward": reward, "observation": observation, "info": info}
            try:
                for key in re.findall(r"\w+", declared[name].get("path", name)):
                    value = value[int(key) if isinstance(value, (tuple, np.ndarray)) else key]
            except (KeyError, TypeError):
                value = None
            if value is None or isinstance(value, (str, dict)):
                assert got == (json.dumps(value) if isinstance(value, dict) else value)
            else:
                kind = declared[name]["dtype"]
                assert np.array(got, kind).tobytes() == np.array(value, kind).ravel().tobytes()


def check_summaries(run, written, options) -> None:
    ends = {row["episode_id"]: row for row in written if row["terminated"] or row["truncated"]}
    summaries = rows(run, "episodes")
    assert [summary["episode_id"] for summary in summaries] == list(ends)
    for summary in summaries:
        own = [row for row in written if row["episode_id"] == summary["episode_id"]]
        assert summary["total_steps"] == len(own) - 1 == own[-1]["step"]
        assert summary["total_reward"] == pytest.approx(sum(row["reward"] for row in own[1:]), rel=1e-12)
        assert (summary["terminated"], summary["truncated"]) == (own[-1]["terminated"], own[-1]["truncated"])
        assert summary["duration_ms"] == pytest.approx((own[-1]["ts"] - own[0]["ts"]) * 1e3, abs=50)
        assert summary.get("success") == (own[-1]["terminated"] if "success" in options else None)


def test_the_schema_says_what_the_spaces_say(results):
    for env_id, options in REAL.items():
        with capture_hook.record(gym.make(env_id), results, experiment=env_id, run_id="r", **options) as env:
            env.reset(seed=0)
            env.step(env.action_space.sample())
    declared = {env_id: schema(results / env_id / "r") for env_id in REAL}
    common = {"ts": {"dtype": "float64"}, "reward": {"dtype": "float64"}, "seed": {"dtype": "int64", "nullable": True}}
    assert declared["CartPole-v1"] == {
        "format": 1,
        "reset_rows": True,
        "steps": {
            **common,
            "action": {"dtype": "int64", "min": 0, "max": 1},
            "x": {"dtype": "float32", "path": "observation[0]", "min": -4.8, "max": 4.8},
            "x_dot": {"dtype": "float32", "path": "observation[1]"},
            "theta": {"dtype": "float32", "path": "observation[2]", "min": -0.41887903, "max": 0.41887903},
            "theta_dot": {"dtype": "float32", "path": "observation[3]"},
            "info": {"dtype": "json", "nullable": True},
        },
        "episodes": {"duration_ms": {"dtype": "float64", "min": 0.0}},
    }
    steps = {env_id: schema["steps"] for env_id, schema in declared.items()}
    # A torque beyond the space is clipped by the environment without a word: what was asked for is data.
    assert steps["Pendulum-v1"]["torque"] == {"dtype": "float32", "path": "action[0]"}
    assert steps["Pendulum-v1"]["speed"] == {"dtype": "float32", "path": "observation[2]", "min": -8.0, "max": 8.0}
    assert steps["FrozenLake-v1"]["observation"] == {"dtype": "int64", "min": 0, "max": 15}
    # 1 at the reset, 0.33… in a step.
    assert steps["FrozenLake-v1"]["info_prob"] == {"dtype": "float64", "path": "info.prob", "nullable": True}
    assert declared["FrozenLake-v1"]["episodes"]["success"] == {"dtype": "bool"}
    assert steps["Blackjack-v1"]["dealer"] == {"dtype": "int64", "path": "observation[1]", "min": 0, "max": 10}
    assert steps["MiniGrid-Empty-5x5-v0"]["observation_image"] == {"dtype": "uint8", "shape": [7, 7, 3], "path": "observation.image"}
    assert steps["MiniGrid-Empty-5x5-v0"]["observation_mission"] == {"dtype": "string", "path": "observation.mission"}
    assert steps["Hopper-v5"]["observation"] == {"dtype": "float64", "shape": [11]}
    assert steps["Hopper-v5"]["info_reward_ctrl"] == {"dtype": "float32", "path": "info.reward_ctrl", "nullable": True}


def test_run_json_says_how_the_environment_was_made(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = gym.wrappers.TransformReward(gym.make("CartPole-v1", max_episode_steps=9), lambda reward: reward * 2)
    with capture_hook.record(env, "results", experiment="e", env_config={"note": "n"}) as env:
        monkeypatch.chdir("/")
        env.reset(seed=5)
        env.step(1)
        env.reset()
        env.step(1)
    assert env.run_dir == results / "e" / env.run_id and env.run_id.startswith("run-")
    written = meta(env.run_dir)
    config = written["env_config"]
    assert config["id"] == "CartPole-v1" and config["max_episode_steps"] == 9 and config["note"] == "n"
    assert config["additional_wrappers"][0]["name"] == "TransformReward"
    assert (written["schema_version"], written["base_seed"], written["episode_seeds"]) == ("2", 5, [5, None])
    assert written["package_version"] == gym.__version__ and written["git_sha"] is None and written["system"]["pid"]
    assert [row.get("reward") for row in rows(env.run_dir, "steps")] == [None, 2.0, None, 2.0]
    # The same configuration gives the same hash, and the same schema the same bytes.
    again = gym.wrappers.TransformReward(gym.make("CartPole-v1", max_episode_steps=9), lambda reward: reward * 2)
    with capture_hook.record(again, results, experiment="e", run_id="r2", env_config={"note": "n"}) as env2:
        env2.reset()
        env2.step(0)
    assert meta(env2.run_dir)["config_hash"] == written["config_hash"] and len(written["config_hash"]) == 64
    assert (env2.run_dir / "schema.json").read_bytes() == (env.run_dir / "schema.json").read_bytes()


def test_the_commit_of_the_code_is_written(results, tmp_path, monkeypatch):
    def git(*arguments: str) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *settings, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (tmp_path / "train.py").write_text("1\n")
    git("add", "train.py")
    git("commit", "-qm", "x")
    git("tag", "v1")
    monkeypatch.chdir(tmp_path)
    shas = []
    for run_id, text in [("clean", "1\n"), ("dirty", "2\n")]:
        (tmp_path / "train.py").write_text(text)
        with capture_hook.record(CountingEnv(), results, experiment="e", run_id=run_id) as env:
            env.reset()
            env.step(0)
        shas.append(meta(env.run_dir)["git_sha"])
    head = git("rev-parse", "HEAD").strip()
    assert shas == [head, f"{head}-dirty"]


def test_the_environment_behaves_as_before(results):
    bare = gym.make("CartPole-v1")
    env = capture_hook.record(bare, results, experiment="e", run_id="r")
    assert env.spec == bare.spec and env.unwrapped is bare.unwrapped and env.action_space == bare.action_space
    assert env.run_dir is None and env.run_id is None
    observation, info = env.reset(seed=1, options={"low": -0.1, "high": 0.1})
    assert isinstance(observation, np.ndarray) and info == {}
    result = env.step(0)
    assert [type(value) for value in result] == [np.ndarray, float, bool, bool, dict]
    assert env.get_wrapper_attr("run_dir") == results / "e" / "r"
    # Other wrappers go around it, and under it.
    outer = gym.wrappers.RecordEpisodeStatistics(env)
    outer.reset(seed=2)
    outer.step(1)
    outer.close()
    outer.close()
    assert_valid(results / "e" / "r")
    # Nothing was recorded: there is no run.
    capture_hook.record(CountingEnv(), results, experiment="other").close()
    assert not (results / "other").exists()


def test_what_the_environment_changes_later_is_recorded_as_it_was(results):
    class Reusing(CountingEnv):
        """Returns one array for all observations, and changes the action."""

        def reset(self, *, seed=None, options=None):
            self.shared = super().reset(seed=seed)[0]
            self.action_space = gym.spaces.Box(0, 100, (2,), np.float64)
            return self.shared, self.info

        def step(self, action):
            self.shared += 1
            self.info["t"] += 1
            action *= 10
            return self.shared, 0.0, self.shared[2] == 3, False, self.info

        info = {"t": 0}

    env = Reusing()
    env.action_space = gym.spaces.Box(0, 100, (2,), np.float64)
    with capture_hook.record(env, results, experiment="e", run_id="r", info=["t"]) as env:
        for _ in range(2):
            env.reset()
            Reusing.info["t"] = 0
            for n in range(3):
                env.step(np.array([n, n + 0.5]))
    written = rows(results / "e" / "r", "steps")
    assert [row["observation"][2] for row in written] == [0, 1, 2, 3] * 2
    assert [row.get("action") for row in written] == [None, [0.0, 0.5], [1.0, 1.5], [2.0, 2.5]] * 2
    assert [row["info"]["t"] for row in written][1:4] == [1, 2, 3]


def test_info_by_key_by_type_and_whole(results):
    def steps(run_id: str, info) -> tuple[list, dict]:
        with capture_hook.record(CountingEnv(), results, experiment="e", run_id=run_id, info=info) as env:
            env.reset()
            for n in range(3):
                env.step(n)
        assert_valid(results / "e" / run_id)
        columns = {name: column for name, column in schema(results / "e" / run_id)["steps"].items() if name.startswith("info")}
        return [row.get("info") for row in rows(results / "e" / run_id, "steps")], columns

    got, columns = steps("none", ())
    assert got == [None] * 4 and columns == {}
    got, columns = steps("keys", ["t", "kind"])
    assert got[0] == {"t": 0, "kind": "reset"} and list(columns) == ["info_t", "info_kind"]
    got, columns = steps("types", {"deep.t": "int32", "last": {"dtype": "bool", "description": "the end"}, "kind": None})
    assert got == [{"kind": "reset"}, {"kind": "step"}, {"kind": "step"}, {"deep": {"t": 3}, "kind": "step", "last": True}]
    assert columns["info_deep_t"] == {"dtype": "int32", "path": "info.deep.t", "nullable": True}
    assert columns["info_last"]["description"] == "the end"
    got, columns = steps("whole", None)
    assert got[3] == {"t": 3, "kind": "step", "last": True, "deep": {"t": 3}} and columns == {"info": {"dtype": "json", "nullable": True}}
    # A type that the first step does not tell is asked for, before there is a run.
    with pytest.raises(capture_hook.RunUsageError, match="'last': 'float64'"):
        steps("late", ["last"])
    assert not (results / "e" / "late").exists()


def test_what_json_cannot_hold_is_named(results):
    class Odd(CountingEnv):
        def step(self, action):
            observation, reward, terminated, truncated, info = super().step(action)
            return observation, reward, terminated, truncated, {**info, "engine": object()}

    env = capture_hook.record(Odd(), results, experiment="e", run_id="r", info=None)
    env.reset()
    with pytest.raises(TypeError, match="the info is not recorded: Object of type object"):
        env.step(0)
    env.close()
    with capture_hook.record(Odd(), results, experiment="e", run_id="r2", info=["t"]) as env:
        env.reset()
        env.step(0)
    assert_valid(results / "e" / "r2")


def test_a_row_that_breaks_the_schema_is_refused(results):
    class Liar(CountingEnv):
        def _observe(self, action):
            return np.array([0, 0, self.t, -5 if self.t == 2 else 0])

    env = capture_hook.record(Liar(), results, experiment="e", run_id="r")
    env.reset()
    env.step(0)
    with pytest.raises(capture_hook.RunUsageError) as refused:
        env.step(0)
    assert refused.value.code == "out_of_range"
    env.close()
    assert [row["step"] for row in rows(results / "e" / "r", "steps")] == [0, 1]
    assert_valid(results / "e" / "r")
    # The way out is the user's: the space is wrong.
    with capture_hook.record(Liar(), results, experiment="e", run_id="r2", columns={"observation": {"min": None}}) as env:
        env.reset()
        env.step(0)
        env.step(0)
    assert_valid(results / "e" / "r2")


def test_a_step_after_the_end_is_refused_before_it_is_taken(results):
    env = capture_hook.record(CountingEnv(length=1), results, experiment="e", run_id="r")
    env.reset()
    env.step(0)
    with pytest.raises(capture_hook.RunUsageError, match="reset") as refused:
        env.step(0)
    assert refused.value.code == "episode_ended" and env.unwrapped.t == 1
    with pytest.raises(capture_hook.RunUsageError, match="reset"):
        capture_hook.record(CountingEnv(), results, experiment="e", run_id="r2").step(0)


def test_options_that_fit_nothing_are_refused_before_there_is_a_run(results):
    wrong = [
        ({"names": {"observation": ["a", "b"]}}, "4 values, and 2 names"),
        ({"names": {"observaton": ["a"]}}, "did you mean observation"),
        ({"names": {"observation": ["a", "b", "c", "A"]}}, "two columns"),
        ({"names": {"observation": ["a", "b", "c", "step"]}}, "step"),
        ({"names": {"action": ["a"]}}, "takes one name"),
        ({"exclude": "action"}, r"exclude=\['action'\]"),
        ({"exclude": ["foo"]}, "no column"),
        ({"columns": {"foo": {}}}, "no column"),
        ({"columns": {"action": {"unitt": "m"}}}, "did you mean `unit`"),
        ({"info": "t"}, r"info=\['t'\]"),
        ({"info": {"t": {"unit": "s"}}}, "dtype"),
        ({"info": {"t": "float"}}, "float"),
        ({"plot": {"lines": ["nothing"]}}, "nothing"),
    ]
    for options, why in wrong:
        env = capture_hook.record(CountingEnv(), results, experiment="e", run_id="r", **options)
        env.reset()
        with pytest.raises(capture_hook.RunUsageError, match=why):
            env.step(0)
        env.close()
    with pytest.raises(TypeError, match="gymnasium.Env"):
        capture_hook.record(object(), results, experiment="e")
    env = capture_hook.record(CountingEnv(), results, experiment="..")
    env.reset()
    with pytest.raises(ValueError):
        env.step(0)
    assert list(results.iterdir()) == []


def test_a_run_is_never_continued_by_accident(results):
    with capture_hook.record(CountingEnv(), results, experiment="e", run_id="r") as env:
        env.reset()
        env.step(0)
    with pytest.raises(capture_hook.RunUsageError, match="exists"):
        capture_hook.record(CountingEnv(), results, experiment="e", run_id="r")


def test_names_units_and_plots(results):
    with capture_hook.record(
        CountingEnv(),
        results,
        experiment="e",
        run_id="r",
        names={"observation": ["n", "e", "t", "a"], "action": "push"},
        columns={"t": {"unit": "s", "description": "time"}, "push": {"max": None}},
        exclude=[],
        plot={"lines": ["t"]},
    ) as env:
        env.reset()
        env.step(0)
    declared = schema(results / "e" / "r")
    assert declared["steps"]["push"] == {"dtype": "int64", "path": "action", "min": 0}
    assert declared["steps"]["t"] == {"dtype": "int64", "path": "observation[2]", "min": -1, "max": 10**6, "unit": "s", "description": "time"}
    assert declared["plot"] == {"lines": ["t"]}
    assert_valid(results / "e" / "r")


def test_rows_are_lines_with_sorted_members(results):
    with capture_hook.record(gym.make("CartPole-v1"), results, experiment="e", run_id="r", info=None) as env:
        env.reset(seed=0)
        env.step(1)
    for line in [*lines(env.run_dir, "steps"), *lines(env.run_dir, "episodes")]:
        assert line == json.dumps(json.loads(line), sort_keys=True)
