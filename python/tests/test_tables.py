"""Steps and episodes as Arrow tables, taken without a copy by whoever speaks the PyCapsule interface."""

from __future__ import annotations

import json
import math

import pytest
from conftest import CORPUS, record, rows, run_of, step

import capture_hook

STEPS = ["schema_version", "experiment", "run_id", "episode_id", "episode_index", "step", "ts", "action", "reward", "terminated"]
STEPS += ["truncated", "agent_x", "agent_y", "distance_to_goal", "observation_summary", "seed", "extra"]
EPISODES = ["schema_version", "experiment", "run_id", "episode_id", "episode_index", "terminated", "truncated", "total_steps"]
EPISODES += ["total_reward", "final_x", "final_y", "final_distance_to_goal", "duration_ms", "avg_step_time_ms", "extra"]
GOOD = [p.name for p in sorted(CORPUS.iterdir()) if p.is_dir() and json.loads((p / "expect.json").read_text())["ok"]]


def same(a, b) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("case", GOOD)
def test_every_value_is_that_of_the_rows(case):
    import pyarrow

    run = CORPUS / case / run_of(case)
    steps, episodes = pyarrow.table(capture_hook.load_steps(run)), pyarrow.table(capture_hook.load_episodes(run))
    assert steps.column_names == STEPS and episodes.column_names == EPISODES
    for table, stem, position in [(steps, "steps", "agent"), (episodes, "episodes", "final")]:
        plain = rows(run, stem)
        got = table.to_pylist()
        assert len(got) == len(plain)
        for row, line in zip(got, plain):
            where = line[f"{position}_position"]
            assert (row[f"{position}_x"], row[f"{position}_y"]) == (where["x"], where["y"])
            for name in set(row) & set(line) - {"schema_version"}:
                assert same(row[name], line[name]), name
            assert (row["extra"] is None) == ("wind" not in line)
            if row["extra"] is not None:
                assert json.loads(row["extra"]) == {"wind": line["wind"]}


@pytest.fixture
def run(results):
    recorder = capture_hook.RunRecorder(results, experiment="demo", run_id="r1")
    record(recorder, steps=50, episodes=4)
    return recorder.root


def test_pyarrow_polars_pandas_and_duckdb_take_it(run):
    import duckdb
    import pandas
    import polars
    import pyarrow

    steps = capture_hook.load_steps(run)
    assert (len(steps), steps.num_rows, steps.num_columns, steps.column_names) == (200, 200, 17, STEPS)
    assert "200" in repr(steps)
    total = sum(range(1, 51)) * 4
    assert sum(pyarrow.table(steps)["step"].to_pylist()) == total
    assert polars.DataFrame(steps)["step"].sum() == total
    assert pandas.DataFrame.from_arrow(steps)["step"].sum() == total
    assert duckdb.sql("select sum(step) from steps").fetchall() == [(total,)]
    assert duckdb.sql("select count(*) from steps where truncated").fetchall() == [(4,)]


def test_a_run_without_a_finished_episode_gives_an_empty_table(results):
    """F5: Stopped in its first episode; an observation that orjson wrote a null into is NaN."""
    import pandas
    import polars
    import pyarrow

    recorder = capture_hook.RunRecorder(results, experiment="demo", run_id="r1")
    recorder.write_run_meta({"env_config": {}})
    recorder.append_step(step(1))
    recorder.append_step(step(2, observation_summary=[None, 0.5]))
    recorder.finalize(export_parquet=True)
    report = capture_hook.validate_run_artifacts(recorder.root)
    assert (report["ok"], report["warnings"], report["episodes"]) == (True, ["incomplete_episode"], {"ok": True, "rows": 0})
    episodes = capture_hook.load_episodes(recorder.root)
    assert (len(episodes), episodes.column_names) == (0, EPISODES)
    assert pyarrow.table(episodes).num_rows == polars.DataFrame(episodes).height == len(pandas.DataFrame.from_arrow(episodes)) == 0
    assert polars.read_parquet(recorder.root / "episodes.parquet").shape == (0, len(EPISODES))
    (null, half), = pyarrow.table(capture_hook.load_steps(recorder.root))["observation_summary"].to_pylist()[1:]
    assert math.isnan(null) and half == 0.5
    assert polars.read_parquet(recorder.root / "steps.parquet")["observation_summary"].to_list() == [[0.5], [None, 0.5]]


def test_nothing_is_copied(run):
    import pyarrow

    steps = capture_hook.load_steps(run)
    addresses = [
        [buffer.address for chunk in pyarrow.table(steps)["ts"].chunks for buffer in chunk.buffers() if buffer]
        for _ in range(2)
    ]
    assert addresses[0] == addresses[1] and addresses[0]


def test_the_data_outlives_the_table(run):
    import pyarrow

    table = pyarrow.table(capture_hook.load_steps(run))
    assert table["step"].to_pylist()[:3] == [1, 2, 3]
    # A capsule that nobody takes is given back, too.
    capture_hook.load_steps(run).__arrow_c_stream__()
    capture_hook.load_steps(run).__arrow_c_schema__()


def test_an_invalid_run_is_refused_unless_asked_for():
    case = "bad-step-gap"
    run = CORPUS / case / run_of(case)
    with pytest.raises(capture_hook.InvalidRunError) as caught:
        capture_hook.load_steps(run)
    assert isinstance(caught.value, ValueError) and caught.value.report["errors"] == ["step_sequence"]
    assert "step_sequence" in str(caught.value)
    assert len(capture_hook.load_steps(run, check=False)) == len(rows(run, "steps"))


def test_a_run_that_is_not_there_is_a_file_not_found(results):
    for load in [capture_hook.load_steps, capture_hook.load_episodes]:
        with pytest.raises(FileNotFoundError) as caught:
            load(results / "demo" / "none")
        assert isinstance(caught.value, capture_hook.RunNotFoundError)


@pytest.mark.parametrize("run", sorted((CORPUS.parent / "simulators").glob("*/*/")), ids=lambda run: f"{run.parent.name}-{run.name}")
def test_declared_columns_are_those_of_the_parquet_files(run, tmp_path):
    import pyarrow
    import pyarrow.parquet

    done = capture_hook.ingest(run, tmp_path / "data")
    for stem, load in [("steps", capture_hook.load_steps), ("episodes", capture_hook.load_episodes)]:
        stored = pyarrow.parquet.read_table(done.path / f"{stem}.parquet")
        loaded = pyarrow.table(load(run))
        # A list's elements are named alike in both; the metadata is the file's alone.
        assert loaded.schema.equals(stored.schema.remove_metadata()), stem
        assert loaded.to_pylist() == stored.to_pylist(), stem
        assert loaded.num_rows == len(rows(run, stem)) > 0
