"""What the benchmarks share: a repository in a directory of its own, with a home of its own, and the cost of commands in it."""

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


# In a small process of its own: a program's peak memory counts that of the process which started it.
MEASURE = """
import os, sys, time
started = time.perf_counter()
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(process, 0)
wall = time.perf_counter() - started
with open(sys.argv[1], "w") as out:
    print(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, file=out)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Cost(NamedTuple):
    """What a command and all that it calls cost: seconds, seconds, MiB of the largest process."""

    processor: float
    wall: float
    memory: float


def find_dvc(version):
    """The `dvc` of a virtual environment under target/, which is made if it is not there."""
    directory = ROOT / "target" / f"dvc-{version}"
    if not (directory / "bin" / "dvc").exists():
        print(f"installing dvc=={version} into {directory}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        subprocess.run([directory / "bin/pip", "install", "--quiet", f"dvc=={version}"], check=True)
    return directory / "bin" / "dvc"


def median(costs):
    return Cost(*map(statistics.median, zip(*costs)))


def put(cache, content, suffix=""):
    """Puts an object into a cache, as DVC does; returns its MD5."""
    md5 = hashlib.md5(content).hexdigest()
    path = cache / md5[:2] / (md5[2:] + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(content)
        path.chmod(0o444)
    return md5


class Workbench:
    """`root` is made anew; `repo` is the directory in which commands run."""

    def __init__(self, root, binary, dvc):
        self.root, self.bin, self.dvc = Path(root).resolve(), Path(binary).resolve(), Path(dvc).resolve()
        self.repo = self.root / "repo"
        home = self.root / "home"
        shutil.rmtree(self.root, ignore_errors=True)
        home.mkdir(parents=True)
        (home / ".gitconfig").write_text("[user]\n\tname = B\n\temail = b@example.org\n[init]\n\tdefaultBranch = main\n"
                                         "[gc]\n\tauto = 0\n[advice]\n\tdetachedHead = false\n")
        self.env = {
            "PATH": os.pathsep.join([str(self.bin.parent), str(self.dvc.parent), os.environ["PATH"]]), "HOME": str(home),
            "LC_ALL": "C.UTF-8", "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.root / "site"),
            "GIT_TERMINAL_PROMPT": "0", "CI": "1",
        }

    def run(self, *command, **more):
        """Runs a command to its end; returns what it printed."""
        return self._call(command, **more)[0]

    def timed(self, *command, **more):
        """Runs a command to its end; returns its cost."""
        return self._call(command, **more)[1]

    def _call(self, command, cwd=None, env=None, stdin=""):
        output, sent, cost = self.root / "output", self.root / "input", self.root / "cost"
        sent.write_text(stdin)
        command = [sys.executable, "-I", "-S", "-c", MEASURE, cost, *command]
        with output.open("wb") as out, sent.open("rb") as read:
            done = subprocess.run([str(c) for c in command], cwd=cwd or self.repo, env={**self.env, **(env or {})}, stdout=out,
                                  stderr=out, stdin=read)
        text = output.read_text(errors="replace")
        if done.returncode:
            sys.exit(f"{command[6:]} failed with {done.returncode}\n{text}")
        return text, Cost(*map(float, cost.read_text().split()))

    def medians(self, calls, rounds):
        """Each call's median cost; the calls take turns. A call is given the number of the round."""
        costs = {name: [] for name in calls}
        for at in range(rounds):
            for name, call in calls.items():
                costs[name].append(call(at))
        return {name: median(some) for name, some in costs.items()}

    def record(self, experiment, runs, episodes, steps, repo=None):
        """Recorded runs of this many steps an episode."""
        self.run(sys.executable, HERE / "make_run.py", (repo or self.repo) / "results", experiment, runs, episodes, steps,
                 cwd=self.root)

    def make_repository(self, repo=None):
        """A repository as `init` makes it, with the native engine."""
        repo = repo or self.repo
        repo.mkdir(parents=True)
        (self.root / "remote").mkdir(exist_ok=True)
        self.run("git", "init", "-q", cwd=repo)
        self.run(self.bin, "init", "-q", "--remote", self.root / "remote", cwd=repo, env={"CAPTURE_HOOK_DVC": str(self.dvc)})
        (repo / "capture-hook.toml").write_text('engine = "native"\n')
        self.run("git", "add", "-A", cwd=repo)
        self.run("git", "commit", "-q", "-m", "set up", cwd=repo)
