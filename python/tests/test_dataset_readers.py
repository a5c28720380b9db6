"""Rows reach pyarrow, Polars, pandas and DuckDB, larger than memory; and what stops them does."""

from __future__ import annotations

import contextlib
import hashlib
import html.parser
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from projects import copy_project, git, new_project, objects, overwrite, publish, record_declared, record_run

import capture_hook
from capture_hook import Dataset, _html

#: Markup, quotes, a right-to-left mark and an escape sequence in every text that may hold them.
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    repo = new_project(tmp_path_factory.mktemp("project"))
    for n in range(4):
        record_run(repo, f"nav/r{n}", episodes=4, steps=50, seed=100 * n)
    columns = {
        "reward": {"dtype": "float64"},
        "flag": {"dtype": "bool"},
        "small": {"dtype": "int8"},
        "pixels": {"dtype": "uint8", "shape": [4]},
        "words": {"dtype": "string", "nullable": True},
        "any": {"dtype": "json"},
    }
    rows = [
        {"reward": 0.5, "flag": n % 2 == 0, "small": -n, "pixels": [n, 1, 2, 255], "words": None if n == 1 else f"w{n}", "any": {"n": n}}
        for n in range(3)
    ]
    record_declared(repo, "types/r1", columns, rows)
    record_declared(
        repo, "hostile/b&'r1", {"reward": {"dtype": "float64"}}, [{"reward": 1.0}, {"reward": 2.0}], package_version=HOSTILE, env_config={HOSTILE: HOSTILE, "nan": float("nan")}
    )
    publish(repo)
    return repo


def table(source):
    import pyarrow

    return pyarrow.table(source)


def test_every_reader_gets_the_same_rows(project):
    import duckdb
    import pandas
    import polars
    import pyarrow

    steps = Dataset(project).steps("nav")
    expected = table(steps).to_pylist()
    assert len(expected) == 800
    assert polars.DataFrame(steps).to_dicts() == expected
    assert pyarrow.RecordBatchReader.from_stream(steps).read_all().to_pylist() == expected
    frame = pandas.DataFrame.from_arrow(steps)
    assert len(frame) == 800 and frame["reward"].sum() == pytest.approx(sum(row["reward"] for row in expected))
    assert list(frame["run_id"]) == [row["run_id"] for row in expected]
    totals = duckdb.sql("select run_id, count(*), sum(step) from steps group by all order by all").fetchall()
    assert totals == [(f"r{n}", 200, 5100) for n in range(4)]
    assert duckdb.sql("select count(*) from steps where truncated").fetchall() == [(16,)]
    # And the object can be read again and again.
    assert table(steps).to_pylist() == expected and polars.DataFrame(steps).height == 800


def test_types_are_those_of_the_parquet_files(project):
    import duckdb
    import polars
    import pyarrow.parquet

    dataset = Dataset(project)
    path = dataset.path("types/r1")
    for stem, rows in [("steps", dataset.steps("types")), ("episodes", dataset.episodes("types"))]:
        stored = pyarrow.parquet.read_table(path / f"{stem}.parquet")
        assert table(rows).schema.equals(stored.schema.remove_metadata()), stem
        assert table(rows).equals(stored.replace_schema_metadata(None)), stem
        assert polars.DataFrame(rows).equals(polars.read_parquet(path / f"{stem}.parquet")), stem
        assert polars.DataFrame(rows).schema == polars.read_parquet_schema(path / f"{stem}.parquet"), stem
        assert duckdb.sql("select * from rows").fetchall() == duckdb.sql(f"select * from '{path}/{stem}.parquet'").fetchall()
    runs = dataset.runs()
    assert polars.DataFrame(runs)["run"].to_list() == list(dataset)
    assert duckdb.sql('select run, "env_config.sigma" from runs where experiment = \'nav\' limit 1').fetchall() == [("nav/r0", 1e-05)]


def test_both_layouts_of_texts_hold_the_same(project):
    """Polars takes texts as views, without a copy; who else asks gets them plain."""
    import polars
    import pyarrow

    steps = Dataset(project).steps("types", columns=["words", "run_id", "any"])
    assert table(steps).schema.field("words").type == pyarrow.string()
    assert polars.DataFrame(steps).to_dicts() == table(steps).to_pylist()
    assert polars.DataFrame(steps)["words"].to_list() == ["w0", None, "w2"]


def test_rows_that_do_not_fit_into_memory_are_read_batch_by_batch(project, tmp_path):
    """Forty runs of 250,000 rows each: 480 MB of numbers, read with less than half of that."""
    repo = copy_project(project, tmp_path / "copy")
    import numpy
    import pyarrow
    import pyarrow.parquet

    # The rows need not be recorded one by one: what counts here is the file that a run has.
    rng = numpy.random.default_rng(1)
    columns = {name: rng.random(250_000) for name in ["a", "b", "c", "d", "e", "f"]}
    big = tmp_path / "big.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), big, row_group_size=50_000, use_dictionary=False, compression="none")
    replace_object(repo, "nav/r0", "steps.parquet", big.read_bytes())
    code = f"""
import resource, sys
import capture_hook, pyarrow
dataset = capture_hook.Dataset({str(repo)!r})
inner = dataset.steps("nav/r0")
used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before, rows = used(), 0
for _ in range(40):
    for batch in pyarrow.RecordBatchReader.from_stream(inner):
        rows += batch.num_rows
        del batch
print(rows, used() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, grown = map(int, done.stdout.split())
    assert rows == 10_000_000 and grown < 200, f"{grown} MiB more"


def replace_object(repo: Path, key: str, name: str, content: bytes) -> None:
    """Commits another file of a run, without asking whether it is right."""
    md5 = hashlib.md5(content).hexdigest()
    path = object_path(repo, md5)
    path.write_bytes(content)
    replace_entry(repo, key, name, md5)


def replace_entry(repo: Path, key: str, name: str, md5: str) -> None:
    text = (repo / "dvc.lock").read_text()
    (old,) = {line.split("md5: ")[1] for line in text.splitlines() if line.strip().startswith("md5: ") and ".dir" in line}
    entries = json.loads(object_path(repo, old).read_text())
    (entry,) = (entry for entry in entries if entry["relpath"] == f"{key}/{name}")
    entry["md5"] = md5
    listing = json.dumps(entries).encode()
    new = hashlib.md5(listing).hexdigest() + ".dir"
    object_path(repo, new).write_bytes(listing)
    (repo / "dvc.lock").write_text(text.replace(old, new))
    git(repo, "commit", "-q", "--no-verify", "-am", "Another file")


def object_path(repo: Path, md5: str) -> Path:
    path = repo / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(exist_ok=True)
    return path


def test_a_terminal_shows_what_takes_long(project, tmp_path):
    """A gigabyte of zeros is verified before it turns out to be no parquet."""
    repo = copy_project(project, tmp_path / "copy")
    size, zeros = 1 << 30, hashlib.md5()
    for _ in range(size >> 20):
        zeros.update(bytes(1 << 20))
    # Without blocks on the disk.
    with object_path(repo, zeros.hexdigest()).open("wb") as file:
        file.truncate(size)
    replace_entry(repo, "nav/r0", "steps.parquet", zeros.hexdigest())
    code = f"import capture_hook; capture_hook.Dataset({str(repo)!r}).steps('nav/r0').num_rows"
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    # Reading fails once the other end is closed.
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    assert process.wait(60) == 1 and process.communicate()[0] == b""
    lines = shown.split(b"\r")
    assert any(b"capture-hook: verifying " in line and b"MiB" in line for line in lines), shown
    assert shown.count(b"\n") > 1 and b"\r\x1b[K" in shown and b"unreadable_parquet" not in lines[0], shown
    assert b"DatasetError" in shown


def test_a_file_without_its_names_gets_them(project, tmp_path):
    """A data version can hold a file that somebody else wrote."""
    import pyarrow
    import pyarrow.parquet

    repo = copy_project(project, tmp_path / "copy")
    own = tmp_path / "own.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x": [1, 2]}), own, compression="zstd")
    replace_object(repo, "nav/r0", "steps.parquet", own.read_bytes())
    assert table(Dataset(repo).steps("nav/r0")).to_pydict() == {"x": [1, 2], "experiment": ["nav"] * 2, "run_id": ["r0"] * 2}
    # A file that is no parquet at all, as it was committed.
    replace_object(repo, "nav/r1", "steps.parquet", b"PAR1 nonsense PAR1")
    with pytest.raises(capture_hook.DatasetError) as caught:
        table(Dataset(repo).steps("nav/r1"))
    assert caught.value.code == "unreadable_parquet"
    # The other facts of the run are shown, and the others' are whole.
    replace_object(repo, "nav/r1", "episodes.parquet", b"nonsense")
    replace_object(repo, "nav/r2", "run.json", b"{")
    runs = {row["run"]: row for row in table(Dataset(repo).runs()).to_pylist()}
    assert (runs["nav/r1"]["episodes"], runs["nav/r1"]["steps"], runs["nav/r1"]["base_seed"]) == (None, 200, None)
    assert runs["nav/r2"]["started"] is None and runs["nav/r2"]["episodes"] == 4 and runs["nav/r3"]["episodes"] == 4


def test_other_threads_go_on_and_may_read_too(project):
    dataset = Dataset(project)
    steps = dataset.steps("nav")
    expected = table(steps)
    results: list[object] = []

    def read() -> None:
        try:
            results.append(all(table(steps).equals(expected) for _ in range(5)) and len(dataset.runs()) == len(dataset))
        except BaseException as error:  # noqa: BLE001
            results.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_a_forked_child_reads_anew(project):
    code = f"""
import os, sys
import capture_hook, pyarrow
dataset = capture_hook.Dataset({str(project)!r})
steps = dataset.steps("nav")
reader = pyarrow.RecordBatchReader.from_stream(steps)
reader.read_next_batch()
child = os.fork()
if child == 0:
    code = 1
    try:
        list(reader)
    except Exception as error:
        code = 0 if "forked" in str(error) else 2
    if code == 0:
        code = 0 if len(dataset.runs()) == len(dataset) and pyarrow.table(steps).num_rows == 800 else 3
    os._exit(code)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("reader", ["pyarrow.table(slow)", "polars.DataFrame(slow)", "dataset.path('nav/r0')"])
def test_ctrl_c_ends_a_reading(project, tmp_path, reader):
    """SIGINT alone, as a notebook sends it: no other process gets it."""
    repo = copy_project(project, tmp_path / "copy")
    # An object behind a pipe never comes to its end; and a file of very many rows takes long.
    import numpy
    import pyarrow
    import pyarrow.parquet

    long = tmp_path / "long.parquet"
    pyarrow.parquet.write_table(pyarrow.table({f"c{n}": numpy.zeros(2_000_000, dtype=numpy.int64) for n in range(4)}), long, row_group_size=20_000, compression="zstd")
    replace_object(repo, "nav/r0", "steps.parquet", long.read_bytes())
    code = f"""
import sys, time
import capture_hook, polars, pyarrow
dataset = capture_hook.Dataset({str(repo)!r})
inner = dataset.steps(["nav/r0"])
class Slow:
    def __arrow_c_stream__(self, requested_schema=None):
        return inner.__arrow_c_stream__()
slow = Slow()
print("ready", flush=True)
try:
    while True:
        {reader}
except KeyboardInterrupt:
    print("interrupted")
except Exception as error:
    print("interrupted" if "interrupted" in str(error) else error)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "interrupted" in out or "KeyboardInterrupt" in err, out + err


class Texts(html.parser.HTMLParser):
    """The elements and the texts of a page; fails on what a browser would run or load."""

    ALLOWED = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "code", "span", "svg", "title", "polyline", "circle"}
    VOID = {"polyline", "circle"}

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attrs):
        assert tag in self.ALLOWED, tag
        for name, value in attrs:
            assert not name.startswith("on") and name not in {"href", "src", "srcdoc", "action", "xlink:href"}, (name, value)
            assert "url(" not in (value or ""), value
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_shows_figures_and_runs_nothing(project):
    dataset = Dataset(project)
    for name in dataset:
        shown = Texts(dataset[name]._repr_html_())
        assert name.replace("\u202e", "") in "".join(shown.texts)
    page = dataset["hostile/b&'r1"]._repr_html_()
    assert "<script" not in page and "\u202e" not in page and "\x1b" not in page
    text = "".join(Texts(page).texts)
    assert "<script>alert(1)</script>\"'&\\u{202e}\\u{1b}[31m" in text, "readable, as it is"
    assert "\x1b" not in repr(dataset.runs()) and "\u202e" not in repr(dataset.runs())
    shown = Texts(dataset._repr_html_())
    assert "6 runs" in "".join(shown.texts) and "hostile" in "".join(shown.texts)
    run = dataset["nav/r0"]._repr_html_()
    assert "<svg" in run and "currentColor" in run and "total reward of 4 episodes" in run
    assert "color:" not in run.replace("currentColor", "") and "background:#" not in run
    assert len(run) < 20_000


def test_a_sparkline_takes_any_numbers():
    nan, inf = float("nan"), float("inf")
    assert _html.sparkline([]) == _html.sparkline([1.0]) == _html.sparkline([nan, inf, None]) == ""
    for values in [[1.0, 2.0], [1.0] * 5, [1.0, nan, 3.0, None, 4.0, inf, 2.0], [1e308, -1e308, 0.0], [5e-324, 0.0], list(map(float, range(100_000)))]:
        line = _html.sparkline(values)
        Texts(line)
        assert line.count("<svg") == 1 and "nan" not in line.split("<title>")[1].split("</title>")[1] and "inf" not in line.split("</title>")[1]
        assert len(line) < 8_000
    assert _html.sparkline([1.0, nan, 3.0]).count("<circle") == 2


def test_a_verdict_of_memory_does_not_hide_damage_of_facts(project, tmp_path):
    """Facts that were read from whole files stay right, whatever becomes of the files."""
    repo = copy_project(project, tmp_path / "copy")
    before = repr(table(Dataset(repo).runs()).to_pylist())
    damaged = objects(repo, "nav/r0", "run.json")
    overwrite(damaged, damaged.read_bytes().replace(b"1e-05", b"2e-05"))
    assert repr(table(Dataset(repo).runs()).to_pylist()) == before
    (repo / ".git/capture-hook/known-runs").unlink()
    with pytest.raises(capture_hook.DatasetError):
        Dataset(repo).runs()
    assert os.path.exists(damaged)
