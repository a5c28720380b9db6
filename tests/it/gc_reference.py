"""Random histories with other stages, `.dvc` files and projects, and what DVC's own code says that they need.

Arguments: the repository, a seed, the number of steps. Prints for each number of days the objects in the cache that are needed:
those that `Repo.used_objs` finds at every commit which git keeps, at the index as a commit, and in every working tree; also what
stages depended on, and what DVC's run cache names. Reflog entries count for so many days, those of stashes always.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import yaml
from dvc.repo import Repo

repo_dir, seed, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(seed)
cache = repo_dir / ".dvc" / "cache"
now = int(time.time())
story = []
# Working trees have caches of their own, and so has a project whose settings are not checked out.
shared = {"cache": {"dir": str(cache)}}


def git(*args, at=repo_dir, days=0, ok=True, stdin=None):
    # Half a day more: no entry is exactly as old as what is asked for.
    date = f"{now - days * 86400 - 43200} +0000"
    env = {**os.environ, "GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date, "GIT_EDITOR": "true"}
    command = ["git", "-c", "core.hooksPath=/dev/null", *args]
    done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, input=stdin)
    story.append(f"{at.name}: git {' '.join(args)} # {days} days ago, {done.returncode}")
    if ok and done.returncode:
        raise SystemExit("\n".join([*story, done.stdout, done.stderr]))
    return done.stdout.strip()


def store(data, suffix="", legacy=False):
    md5 = hashlib.md5(data).hexdigest()
    path = (cache if legacy else cache / "files" / "md5") / md5[:2] / (md5[2:] + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(data)
    return md5 + suffix


def content():
    # Few contents, so that versions share objects.
    return b"content %d" % dice.randrange(60)


def stored(legacy=False):
    """A file or a directory in the cache."""
    if dice.random() < 0.5:
        return store(content(), legacy=legacy)
    names = sorted({f"d/{dice.randrange(5)}" for _ in range(3)})
    files = [{"md5": store(content(), legacy=legacy), "relpath": name} for name in names]
    return store(json.dumps(files).encode(), ".dir", legacy=legacy)


def write_dvc_file(at):
    name = f"s{dice.randrange(4)}"
    out = {"md5": stored(), "hash": "md5", "path": name}
    text = {"outs": [out]}
    kind = dice.randrange(4)
    if kind == 0:
        # Of DVC 2.
        text = {"outs": [{"md5": stored(legacy=True), "path": name}]}
    elif kind == 1:
        # An import, by its source's hash.
        text = {"frozen": True, "deps": [{"path": "/nowhere/x", "md5": store(content()), "hash": "md5"}], "outs": [out]}
    (at / f"{name}.dvc").write_text(yaml.safe_dump(text))


def write_stages(at):
    (at / "pipe").mkdir(exist_ok=True)
    stages, locks = {}, {}
    for number in range(1 + dice.randrange(3)):
        path = f"p{number}"
        stages[path] = {"cmd": "true", "deps": ["in"], "outs": [path], "metrics": [{f"m{number}": {"cache": False}}]}
        locks[path] = {
            "cmd": "true",
            "deps": [{"path": "in", "hash": "md5", "md5": store(content()), "size": 1}],
            "outs": [
                # DVC keeps no object of it.
                {"path": f"m{number}", "hash": "md5", "md5": hashlib.md5(os.urandom(4)).hexdigest()},
                {"path": path, "hash": "md5", "md5": stored(), "size": 1},
            ],
        }
    (at / "pipe" / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (at / "pipe" / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": locks}))


def write_project(at):
    """Another DVC project in the repository."""
    (at / "inner" / ".dvc").mkdir(parents=True, exist_ok=True)
    (at / "inner" / ".dvc" / "config").write_text("[cache]\n    dir = ../../.dvc/cache\n")
    name = f"i{dice.randrange(2)}"
    (at / "inner" / f"{name}.dvc").write_text(yaml.safe_dump({"outs": [{"md5": stored(), "hash": "md5", "path": name}]}))


def write_run_cache():
    path = cache / "runs" / "ab" / hashlib.sha256(os.urandom(4)).hexdigest() / "x"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"cmd": "true", "outs": [{"path": "o", "md5": store(content()), "hash": "md5"}]}))


def change(at):
    dice.choice([write_dvc_file, write_dvc_file, write_stages, write_project])(at)


def branches():
    return git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()


def step():
    days = dice.randrange(200)
    kind = dice.randrange(16)
    if kind < 6:
        change(repo_dir)
        git("add", "-A", days=days)
        git("commit", "-q", "-m", "x", "--allow-empty", *(["--amend"] if kind == 5 else []), days=days)
    elif kind == 6:
        git("reset", "-q", "--hard", "HEAD~1", days=days, ok=False)
    elif kind == 7:
        git("checkout", "-q", "-f", "-b", f"b{len(story)}", days=days)
    elif kind == 8:
        git("checkout", "-q", "-f", dice.choice(branches()), days=days, ok=False)
    elif kind == 9:
        git("branch", "-D", dice.choice(branches()), days=days, ok=False)
    elif kind == 10:
        git("tag", *(["-a", "-m", "t"] if dice.random() < 0.5 else []), f"t{len(story)}", days=days)
        tags = git("tag", "-l").split()
        git("tag", "-d", dice.choice(tags))
    elif kind == 11:
        change(repo_dir)
        git("stash", "-q", "-u", days=days)
        if dice.random() < 0.3:
            git("stash", "drop", "-q", f"stash@{{{dice.randrange(2)}}}", ok=False)
    elif kind == 12:
        tree = repo_dir.parent / f"tree{len(story)}"
        git("worktree", "add", "-q", "--detach", str(tree), days=days)
        change(tree)
        if dice.random() < 0.5:
            git("commit", "-q", "-a", "-m", "x", at=tree, days=days, ok=False)
            change(tree)
    elif kind == 13:
        git("merge", "-q", "-s", "ours", "-m", "m", dice.choice(branches()), days=days, ok=False)
    elif kind == 14:
        write_run_cache() if dice.random() < 0.3 else stored()
    else:
        # Into the index, and then another state of the files.
        change(repo_dir)
        git("add", "-A")
        change(repo_dir)


def reflog_ids(keep_days):
    ids = set()
    for log in (repo_dir / ".git").glob("**/logs/**/*"):
        for line in log.read_text().splitlines() if log.is_file() else ():
            old, new, rest = line.split("\t")[0].split(" ", 2)
            recent = keep_days and int(rest.split()[-2]) >= now - keep_days * 86400
            if recent or log.name == "stash":
                ids |= {old, new}
    for name in ("ORIG_HEAD", "FETCH_HEAD"):
        for path in (repo_dir / ".git").glob(f"**/{name}"):
            if keep_days:
                ids.add(path.read_text().split()[0])
    exists = git("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin="\n".join(ids)).splitlines()
    return [line.split()[0] for line in exists if line.endswith("commit")]


def names_of(repo):
    """The objects that the project needs in the state that it is switched to."""
    used = {name.value for names in repo.index.used_objs().values() for name in names}
    for stage in repo.index.stages:
        used |= {dep.hash_info.value for dep in stage.deps if isinstance(dep.hash_info.value, str)}
    return used


def needed(keep_days):
    trees = [line[9:] for line in git("worktree", "list", "--porcelain").splitlines() if line.startswith("worktree ")]
    tips = {git("rev-parse", "HEAD", at=Path(tree)) for tree in trees} | set(reflog_ids(keep_days))
    for tree in trees:
        written = git("write-tree", at=Path(tree))
        tips.add(git("commit-tree", "-m", "index", written))
    commits = git("rev-list", "--all", "--stdin", stdin="\n".join(tips)).split()
    used = set()
    for tree in trees:
        for root in (Path(tree), Path(tree) / "inner"):
            if (root / ".dvc").is_dir():
                with Repo(str(root), config=shared) as repo:
                    used |= names_of(repo)
    for sub in ("", "inner"):
        # A place from which every commit's project can be opened.
        (repo_dir / sub / ".dvc").mkdir(parents=True, exist_ok=True)
        with Repo(str(repo_dir / sub), config=shared) as repo:
            for _ in repo.brancher(revs=list(commits)):
                used |= names_of(repo)
    for path in (cache / "runs").glob("*/*/*"):
        used |= {out["md5"] for out in yaml.safe_load(path.read_text())["outs"]}
    return used


def objects():
    inner = {str(path.relative_to(cache)) for path in cache.glob("files/md5/??/*")}
    return inner | {str(path.relative_to(cache)) for path in cache.glob("[0-9a-f][0-9a-f]/*")}


for _ in range(steps):
    step()
lists = {}
for days in (0, 30, 90):
    names = needed(days)
    lists[days] = sorted(path for path in objects() if "".join(path.split("/")[-2:]) in names)
print(json.dumps({"needed": lists, "all": sorted(objects()), "story": story}))
