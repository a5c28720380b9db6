"""The package as it is installed: its command, its types, its words."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import subprocess
import sys
from pathlib import Path

import capture_hook
from capture_hook._command import find_command


def test_the_wheel_brings_the_command():
    program = Path(os.environ["CAPTURE_HOOK_SITE"]) / "bin" / "capture-hook"
    assert os.access(program, os.X_OK)
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["capture-hook", capture_hook.__version__]
    # The record knows it, so that `pip uninstall` removes it.
    files = importlib.metadata.files("capture-hook")
    assert any(file.name == "capture-hook" and file.hash and file.size for file in files)


def test_the_module_finds_the_command_of_its_own_installation():
    program = Path(os.environ["CAPTURE_HOOK_SITE"]) / "bin" / "capture-hook"
    said = subprocess.run([sys.executable, "-m", "capture_hook", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["capture-hook", capture_hook.__version__]
    assert find_command() == str(program.resolve())


def test_metadata_is_ready_for_publication():
    metadata = importlib.metadata.metadata("capture-hook")
    assert metadata["Version"] == capture_hook.__version__ and metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10" and metadata["Description-Content-Type"].startswith("text/markdown")
    assert {"dask", "slurm"} <= set(metadata.get_all("Provides-Extra"))
    assert (Path(capture_hook.__file__).parent / "py.typed").exists()


def test_the_stubs_say_what_is_there():
    said = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "capture_hook._native", "capture_hook.errors"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_package_is_typed(tmp_path):
    user = tmp_path / "user.py"
    user.write_text(
        "from pathlib import Path\n"
        "import capture_hook\n"
        "from capture_hook.dask import ingest_many\n"
        "with capture_hook.RunRecorder('results', experiment='demo') as recorder:\n"
        "    recorder.write_run_meta({'env_config': {}})\n"
        "    recorder.append_step({'step': 1})\n"
        "    root: Path = recorder.root\n"
        "report = capture_hook.validate_run_artifacts(root)\n"
        "ok: bool = report['ok']\n"
        "rows: int = report['steps']['rows']\n"
        "done = capture_hook.ingest(root, 'data/captures')\n"
        "path: Path = done.path\n"
        "names: list[str] = capture_hook.load_steps(root).column_names\n"
        "dataset = capture_hook.Dataset(root, rev='v1')\n"
        "columns: list[str] = dataset.steps('demo', columns=['x']).column_names\n"
        "count: int = len(dataset.runs()) + dataset.episodes(['demo/r1']).num_rows\n"
        "one: capture_hook.DatasetRun = dataset['demo/r1']\n"
        "files: Path = one.path\n"
        "ready: bool = ingest_many([root], 'data/captures').ok\n"
        "import gymnasium\n"
        "with capture_hook.record(gymnasium.make('CartPole-v1'), root, experiment='e', info=['a'], names={'action': 'push'}) as env:\n"
        "    env.reset(seed=1)\n"
        "    run: Path | None = env.run_dir\n"
        "with capture_hook.record_vector(gymnasium.make_vec('CartPole-v1'), root, experiment='e', success=lambda i, t: t) as batch:\n"
        "    batch.reset(seed=[1, 2])\n"
        "with capture_hook.RunRecorder(root, schema={'format': 1, 'steps': {}}) as declared:\n"
        "    declared.append_step({'step': 1})\n"
    )
    # A user's program, strictly; and the package itself, but for the calls into Dask and pandas, which have no types.
    package = Path(capture_hook.__file__).parent
    for arguments in [["--strict", user], ["--strict", "--allow-untyped-calls", "--ignore-missing-imports", package]]:
        said = subprocess.run(
            [sys.executable, "-m", "mypy", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert said.returncode == 0, said.stdout + said.stderr


def test_everything_public_is_documented():
    import capture_hook.dask
    import capture_hook.errors

    undocumented = []
    for module in [capture_hook, capture_hook.dask, capture_hook.errors]:
        assert module.__doc__
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing) and not (inspect.getdoc(thing) or "").strip():
                undocumented.append(name)
            if inspect.isclass(thing):
                public = {n: m for n, m in vars(thing).items() if not n.startswith("_") and callable(m)}
                undocumented += [f"{name}.{n}" for n, m in public.items() if not (inspect.getdoc(m) or "").strip()]
    assert not undocumented


def test_importing_it_imports_nothing_heavy():
    code = "import sys, capture_hook; heavy = {'numpy', 'pandas', 'pyarrow', 'distributed', 'gymnasium', 'pettingzoo'}; print(sorted(heavy & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
