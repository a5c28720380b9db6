"""Environments whose every value says where it is from, for the tests of recording."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class CountingEnv(gym.Env):
    """Observes its number, its episode, the steps of the episode and the last action; an episode has `length` steps."""

    metadata = {"render_modes": []}

    def __init__(self, number: int = 0, length: int = 3, truncates: bool = False):
        self.observation_space = spaces.Box(-1, 10**6, (4,), np.int64)
        self.action_space = spaces.Discrete(1000)
        self.number, self.length, self.truncates = number, length, truncates
        self.episode, self.t = -1, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return self._observe(-1), {"kind": "reset", "t": 0}

    def step(self, action):
        self.t += 1
        end = self.t == self.length
        info = {"kind": "step", "t": self.t, **({"last": True, "deep": {"t": self.t}} if end else {})}
        return self._observe(int(action)), self.t + 0.25, end and not self.truncates, end and self.truncates, info

    def _observe(self, action: int):
        return np.array([self.number, self.episode, self.t, action], dtype=np.int64)


class SpaceEnv(gym.Env):
    """Samples of any two spaces."""

    metadata = {"render_modes": []}

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space | None = None, length: int = 5):
        self.observation_space = observation_space
        self.action_space = action_space or spaces.Discrete(2)
        self.length, self.t = length, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.t += 1
        return self.observation_space.sample(), 1, self.t == self.length, False, {}


class BrokenEnv(CountingEnv):
    """Raises in its second episode."""

    def step(self, action):
        if self.episode == 1 and self.t == 1:
            raise ZeroDivisionError("the simulation broke")
        return super().step(action)
