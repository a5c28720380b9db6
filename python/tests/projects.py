"""Real projects for the tests of datasets: git, DVC, the hooks and a directory as remote, made once and copied."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from conftest import COMMAND, CORPUS, record

import capture_hook

SIMULATORS = CORPUS.parent / "simulators"


def sh(*arguments: str | Path, cwd: Path, check: bool = True) -> str:
    """A program's output."""
    done = subprocess.run(list(map(str, arguments)), cwd=cwd, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def git(repo: Path, *arguments: str) -> str:
    return sh("git", *arguments, cwd=repo)


def hook(repo: Path, *arguments: str | Path) -> str:
    return sh(COMMAND, *arguments, cwd=repo)


def new_project(top: Path) -> Path:
    """A repository that `capture-hook init` has set up, with a directory beside it as remote."""
    repo = top / "repo"
    (top / "remote").mkdir(parents=True)
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "config", "user.name", "Ada")
    git(repo, "config", "user.email", "ada@example.org")
    hook(repo, "init", "--remote", top / "remote")
    (repo / "capture-hook.toml").write_text('engine = "native"\n')
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "Set up")
    return repo


def record_run(repo: Path, key: str, *, episodes: int = 3, steps: int = 20, seed: int = 41, config: dict | None = None) -> Path:
    """A run of plume-nav-sim's kind in results."""
    experiment, run_id = key.split("/")
    recorder = capture_hook.RunRecorder(repo / "results", experiment=experiment, run_id=run_id)
    record(recorder, steps=steps, episodes=episodes, seed=seed)
    if config is not None:
        path = repo / "results" / key / "run.json"
        meta = json.loads(path.read_text())
        path.write_text(json.dumps({**meta, "env_config": config}))
        (path.parent / "manifest.json").unlink()
    return repo / "results" / key


def record_declared(repo: Path, key: str, columns: dict[str, dict], rows: list[dict], **meta: object) -> Path:
    """A run of one episode with declared columns, written as a recorder would."""
    experiment, run_id = key.split("/")
    schema = {"format": 1, "steps": columns}
    recorder = capture_hook.RunRecorder(repo / "results", experiment=experiment, run_id=run_id, schema=schema)
    for at, row in enumerate(rows, 1):
        recorder.append_step({"episode_id": "e0", "step": at, "terminated": False, "truncated": at == len(rows), **row})
    summary = {"episode_id": "e0", "terminated": False, "truncated": True, "total_steps": len(rows)}
    if "reward" in columns:
        summary["total_reward"] = sum(row["reward"] for row in rows)
    recorder.append_episode(summary)
    recorder.write_run_meta({"env_config": {}, **meta})
    recorder.finalize()
    return repo / "results" / key


def publish(repo: Path, *runs: str, message: str = "Runs") -> None:
    """Commits recorded runs; all new ones without names."""
    hook(repo, "publish", "--no-push", "-m", message, *(runs or ["--all-new"]))


def remove_run(repo: Path, key: str) -> None:
    """Commits a data version without a run, as somebody does who wants it gone."""
    cache = repo / ".dvc/cache/files/md5"
    text = (repo / "dvc.lock").read_text()
    (old,) = {line.split("md5: ")[1] for line in text.splitlines() if line.strip().startswith("md5: ") and ".dir" in line}
    entries = json.loads((cache / old[:2] / old[2:]).read_text())
    content = json.dumps([entry for entry in entries if not entry["relpath"].startswith(f"{key}/")]).encode()
    new = hashlib.md5(content).hexdigest() + ".dir"
    (cache / new[:2]).mkdir(exist_ok=True)
    (cache / new[:2] / new[2:]).write_bytes(content)
    (repo / "dvc.lock").write_text(text.replace(old, new))
    git(repo, "add", "dvc.lock")
    git(repo, "-c", "capture-hook.allowLoss=true", "commit", "-q", "--no-verify", "-m", f"Remove {key}")
    # The hooks have done it, unless a local change stopped them.
    shutil.rmtree(repo / "data/captures" / key, ignore_errors=True)


def copy_project(repo: Path, to: Path) -> Path:
    """A copy of a project and its remote, which a test may damage."""
    shutil.copytree(repo.parent, to, symlinks=True)
    config = to / "repo/.dvc/config"
    config.write_text(config.read_text().replace(str(repo.parent / "remote"), str(to / "remote")))
    return to / "repo"


def objects(repo: Path, key: str, name: str, rev: str = "HEAD") -> Path:
    """Where DVC's cache has a file of a run."""
    dataset = capture_hook.Dataset(repo, rev)
    md5 = dataset[key].provenance["files"][name]
    return repo / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def overwrite(path: Path, content: bytes) -> None:
    """Writes other bytes into a read-only file, in place."""
    os.chmod(path, 0o644)
    path.write_bytes(content)
    os.chmod(path, 0o444)


def state(repo: Path) -> tuple[str, str, dict[str, bytes]]:
    """What reading must not change: git's status and HEAD, and every file of the working tree."""
    files = {str(p.relative_to(repo)): p.read_bytes() for p in sorted(repo.rglob("*")) if p.is_file() and ".git/" not in f"{p}/" and "/.dvc/" not in f"{p}/"}
    return git(repo, "status", "--porcelain"), git(repo, "rev-parse", "HEAD"), files
