#!/usr/bin/env python3
"""Makes the README's pictures: a report, a plot and a session, from runs of plume-nav-sim in a new repository.

    docs/pictures/make.py --bin BIN --plume DIR --dvc DIR [--chromium FILE]

BIN is the capture-hook program, DIR the `bin` directory of a virtual environment that has plume-nav-sim, or DVC. The Python that
runs this has the package `playwright`; Chromium is Debian's. Recorded times and random ids differ each time, so the pictures do too.
"""

import argparse
import html
import os
import pty
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
#: How often the agent turns if the smell does not get stronger.
TURNS = (0.3, 0.5, 0.8)
SEEDS = (1, 2, 3, 4)
#: An agent that climbs the plume, recorded by plume-nav-sim's own recorder.
RECORDER = """
import random, sys
from pathlib import Path
import plume_nav_sim
from plume_nav_sim.data_capture import DataCaptureWrapper, RunRecorder

turn, seed, size = float(sys.argv[1]), int(sys.argv[2]), 32
env = plume_nav_sim.make_env(grid_size=(size, size), action_type="oriented", observation_type="concentration",
                             reward_type="step_penalty", max_steps=200, goal_radius=2.0)
recorder = RunRecorder(Path("results"), experiment="nav", run_id=f"turn-{turn}-seed-{seed}")
config = {"grid_size": [size, size], "goal_radius": 2.0, "max_steps": 200, "policy": {"turn": turn}}
env = DataCaptureWrapper(env, recorder, config, meta_overrides={"base_seed": seed, "note": "a picture"})
for episode in range(8):
    observation, _ = env.reset(seed=100 * seed + episode)
    dice, last, done = random.Random(100 * seed + episode), 0.0, False
    while not done:
        smell = float(observation[0] if hasattr(observation, "__len__") else observation)
        action = 0 if dice.random() > (0.2 if smell > last else turn) else dice.choice((1, 2))
        last = smell
        observation, _, terminated, truncated, _ = env.step(action)
        done = terminated or truncated
recorder.finalize()
"""
#: What the session shows.
SESSION = (
    "capture-hook select latest",
    "git commit -a -m 'One more seed'",
    "git push -q --follow-tags",
    "capture-hook runs --where 'success >= 0.5' --sort reward",
    "git checkout -q HEAD~1",
    "capture-hook verify",
)
#: SGR codes of a terminal's text, as classes of the page below.
STYLES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "34": "blue", "35": "magenta", "36": "cyan"}
PAGE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #16191f; color: #d8dee9; font: 14px/1.5 "DejaVu Sans Mono", monospace; }
pre { margin: 0; padding: 18px 22px; white-space: pre; width: max-content; }
.bold { font-weight: bold } .dim { color: #8a94a6 } .red { color: #ff8080 } .green { color: #8fd694 }
.yellow { color: #e8c66b } .blue { color: #82aaff } .magenta { color: #d19df0 } .cyan { color: #7fdbe8 }
.typed { color: #ffffff; font-weight: bold }
</style><pre>%s</pre>"""


class Maker:
    def __init__(self, args, root):
        self.args, self.repo = args, root / "lab"
        home = root / "home"
        home.mkdir()
        self.repo.mkdir()
        (home / ".gitconfig").write_text(
            "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
        )
        bins = [Path(args.bin).resolve().parent, Path(args.plume).resolve(), Path(args.dvc).resolve()]
        self.env = {
            "PATH": os.pathsep.join([*map(str, bins), os.environ["PATH"]]), "HOME": str(home), "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "60", "PAGER": "cat", "GIT_PAGER": "cat", "DVC_NO_ANALYTICS": "1",
        }

    def run(self, *command):
        subprocess.run(command, cwd=self.repo, env=self.env, check=True, stdout=subprocess.DEVNULL)

    def record(self, turn, seed):
        self.run("python", "-c", RECORDER, str(turn), str(seed))

    def make_runs(self):
        self.run("git", "init", "-q")
        self.run("git", "init", "-q", "--bare", "../origin.git")
        self.run("git", "remote", "add", "origin", "../origin.git")
        self.run("capture-hook", "init", "-q", "--remote", "../captures")
        (self.repo / "capture-hook.toml").write_text('engine = "native"\n\n[dataset]\ntitle = "Plume navigation"\n')
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", "Set capture-hook up")
        for turn in TURNS:
            for seed in SEEDS:
                self.record(turn, seed)
            self.run("capture-hook", "publish", "-q", "--all-new", "--no-push", "-m", f"Turn with a chance of {turn}")
        self.run("git", "push", "-q", "-u", "origin", "main")

    def session(self):
        self.record(0.5, 5)
        parts = []
        for line in SESSION:
            parts.append(f'<span class="typed">$ {html.escape(line)}</span>\n{to_html(self.on_terminal(line))}')
        return PAGE % "\n".join(part.rstrip("\n") for part in parts)

    def on_terminal(self, line):
        """What a command prints on a terminal."""
        parent, child = pty.openpty()
        done = subprocess.Popen(["sh", "-c", f"stty cols 100 rows 60; {line}"], cwd=self.repo, env=self.env, stdin=child,
                                stdout=child, stderr=child, start_new_session=True)
        os.close(child)
        chunks = []
        while True:
            try:
                chunk = os.read(parent, 65536)
            except OSError:
                break
            if not chunk:
                break
            chunks.append(chunk)
        if done.wait():
            raise SystemExit(f"{line}: {b''.join(chunks).decode()}")
        return b"".join(chunks).decode()


def to_html(text):
    """A terminal's text as HTML; a line that was overwritten shows what stood there last."""
    lines = [re.sub(r"^.*\r(?=.)|\x1b\[[0-9;?]*[A-LN-Za-ln-z]", "", line.rstrip("\r")) for line in text.split("\n")]
    out, is_open = [], False
    for part in re.split(r"(\x1b\[[0-9;]*m)", "\n".join(lines)):
        if part.startswith("\x1b["):
            names = [STYLES[code] for code in part[2:-1].split(";") if code in STYLES]
            out.append("</span>" if is_open else "")
            out.append(f'<span class="{" ".join(names)}">' if names else "")
            is_open = bool(names)
        else:
            out.append(html.escape(part))
    return "".join(out) + ("</span>" if is_open else "")


def take_pictures(args, maker, root):
    report, session = root / "report.html", root / "session.html"
    maker.run("capture-hook", "report", "-q", "-o", str(report))
    maker.run("capture-hook", "plot", "latest", "-o", str(HERE / "plot.png"))
    session.write_text(maker.session())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 760}, device_scale_factor=1.5)
        page.goto(report.as_uri())
        page.get_by_label("Group by configuration").check()
        for box in page.get_by_role("row").get_by_role("checkbox").all()[1:4]:
            box.check()
        page.screenshot(path=HERE / "report-groups.png")
        page.get_by_role("navigation").get_by_role("link", name=re.compile("^Compare")).click()
        page.screenshot(path=HERE / "report.png")
        page.goto(session.as_uri())
        page.locator("pre").screenshot(path=HERE / "session.png")
        browser.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bin", "plume", "dvc"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        maker = Maker(args, Path(root))
        maker.make_runs()
        take_pictures(args, maker, Path(root))


if __name__ == "__main__":
    main()
