"""What a step costs the simulation: plume-nav-sim 0.1.0's recorder and ours, side by side.

    python append_step.py [STEPS]

Both get the same StepRecord objects, made beforehand; the time is that of `append_step` alone, the median of rounds in
which the two alternate. `to disk` is the whole: all steps appended, the files ended.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from plume_nav_sim.data_capture import RunRecorder as Theirs
from plume_nav_sim.data_capture.schemas import Position, StepRecord

from capture_hook import RunRecorder as Ours


def steps(count: int, run_id: str) -> list[StepRecord]:
    return [
        StepRecord(
            ts=1795486550.123456 + n / 7919,
            run_id=run_id,
            episode_id=f"ep-{n // 1000:06d}",
            step=n % 1000 + 1,
            action=n % 4,
            reward=-0.01,
            terminated=False,
            truncated=n % 1000 == 999,
            agent_position=Position(x=n % 64, y=n % 63),
            distance_to_goal=((n % 64 - 32) ** 2 + (n % 63 - 32) ** 2) ** 0.5,
            observation_summary=[(n * 2654435761 % 2**32) / 2**32],
            seed=41,
        )
        for n in range(count)
    ]


def measure(recorder, records: list[StepRecord]) -> tuple[float, float]:
    append = recorder.append_step
    start = time.perf_counter()
    for record in records:
        append(record)
    appended = time.perf_counter()
    recorder.finalize()
    return (appended - start) / len(records) * 1e6, (time.perf_counter() - start) / len(records) * 1e6


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    figures: dict[str, list[tuple[float, float]]] = {"plume-nav-sim": [], "capture-hook": []}
    with tempfile.TemporaryDirectory() as temp:
        for round in range(5):
            records = steps(count, f"r{round}")
            for name, recorder in [("plume-nav-sim", Theirs), ("capture-hook", Ours)]:
                made = recorder(Path(temp) / name, run_id=f"r{round}")
                figures[name].append(measure(made, records))
        sizes = {name: sum(f.stat().st_size for f in Path(temp, name).rglob("steps*")) / 5 / count for name in figures}
    print(f"{count} steps, µs a step, median of 5 rounds")
    print(f"{'':16}{'append_step':>12}{'to disk':>10}{'bytes':>8}")
    medians = {}
    for name, rounds in figures.items():
        medians[name] = [statistics.median(column) for column in zip(*rounds)]
        print(f"{name:16}{medians[name][0]:12.2f}{medians[name][1]:10.2f}{sizes[name]:8.1f}")
    ours, theirs = medians["capture-hook"], medians["plume-nav-sim"]
    print(f"{'ratio':16}{ours[0] / theirs[0]:12.3f}{ours[1] / theirs[1]:10.3f}")
    if ours[0] > theirs[0] / 5:
        sys.exit("append_step takes more than a fifth of plume-nav-sim's")


if __name__ == "__main__":
    main()
