"""Throughput of a cluster on this machine: one worker process, and two.

    python ingest_many.py [RUNS] [STEPS]

Each round ingests the same runs into an empty dataset with a cluster that is up already; the median of three rounds counts,
in which the two alternate. Needs two idle cores to say anything.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from distributed import Client, LocalCluster

from capture_hook import RunRecorder, find_runs
from capture_hook.dask import ingest_many


def record(root: Path, runs: int, steps: int) -> None:
    for i in range(runs):
        recorder = RunRecorder(root, experiment="bench", run_id=f"r{i:05}")
        recorder.write_run_meta({"env_config": {"seed": i}, "start_time": "2026-01-01T00:00:00Z", "system": {"hostname": "h"}})
        for n in range(1, steps + 1):
            recorder.append_step(
                {
                    "ts": 1795486550.123456 + n / 7919,
                    "episode_id": "ep-000001",
                    "step": n,
                    "action": n % 4,
                    "reward": -0.01,
                    "terminated": False,
                    "truncated": n == steps,
                    "agent_position": {"x": n % 64, "y": n % 63},
                    "distance_to_goal": ((n % 64 - 32) ** 2 + (n % 63 - 32) ** 2) ** 0.5,
                    "observation_summary": [(n * 2654435761 % 2**32) / 2**32],
                    "seed": 41,
                }
            )
        recorder.append_episode(
            {
                "episode_id": "ep-000001",
                "terminated": False,
                "truncated": True,
                "total_steps": steps,
                "total_reward": -0.01 * steps,
                "final_position": {"x": steps % 64, "y": steps % 63},
            }
        )
        recorder.finalize()


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with tempfile.TemporaryDirectory() as temp:
        root = Path(temp)
        record(root / "results", runs, steps)
        times: dict[int, list[float]] = {1: [], 2: []}
        clusters = {n: LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) for n in times}
        found = find_runs(root / "results")
        for round in range(4):
            for workers, cluster in clusters.items():
                with Client(cluster, set_as_default=False) as client:
                    client.wait_for_workers(workers)
                    start = time.perf_counter()
                    verdicts = ingest_many(found, root / f"out-{round}-{workers}", client)
                    # The first round warms the processes up.
                    if round > 0:
                        times[workers].append(time.perf_counter() - start)
                    assert verdicts.ok, verdicts
        for cluster in clusters.values():
            cluster.close()
    medians = {workers: statistics.median(rounds) for workers, rounds in times.items()}
    print(f"{runs} runs of {steps} steps, median of 3 rounds")
    for workers, seconds in medians.items():
        print(f"{workers} worker{'s' if workers > 1 else ' '} {seconds:8.2f} s  {runs / seconds:8.1f} runs/s")
    ratio = medians[1] / medians[2]
    print(f"two workers are {ratio:.2f} x one")
    if ratio < 1.6:
        sys.exit("less than 1.6 x")


if __name__ == "__main__":
    main()
