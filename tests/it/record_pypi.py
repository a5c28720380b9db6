"""Records a run with plume-nav-sim as it is on PyPI: record_pypi.py ROOT. Rotated shards, one episode broken off."""
import random
import sys

import plume_nav_sim
from plume_nav_sim.data_capture import DataCaptureWrapper, RunRecorder

config = {"grid_size": [16, 16], "max_steps": 120, "goal_radius": 1e-07, "plume_params": {"sigma": 12.0}}
env = plume_nav_sim.make_env(
    grid_size=(16, 16), max_steps=120, action_type="oriented", observation_type="concentration", reward_type="step_penalty"
)
recorder = RunRecorder(sys.argv[1], experiment="demo", run_id="r1", rotate_size_bytes=4000)
env = DataCaptureWrapper(env, recorder, config, meta_overrides={"note": "a test", "base_seed": 7})
dice = random.Random(7)
for episode in range(60):
    env.reset(seed=7 + episode)
    for step in range(40 if episode == 4 else 1000):
        _, _, terminated, truncated, _ = env.step(dice.randrange(3))
        if terminated or truncated:
            break
recorder.finalize()
