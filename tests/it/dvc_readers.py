"""DVC's own readers in one process. A line in: which reader, then the bytes of each text in hex. A line out: what it read as
JSON, or `null` where it refuses. `python dvc_readers.py plain` offers ruamel.yaml alone, for an environment without DVC."""

import io
import json
import os
import struct
import sys
import tempfile

# What DVC says itself is not for us.
answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def plain(value):
    """A value with its type, so that 1, 1.0, true and "1" stay apart; what JSON has no word for is `?`."""
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", str(int(value))]
    if isinstance(value, float):
        return ["float", struct.pack(">d", value).hex() if value == value else "nan"]
    if isinstance(value, str):
        return ["str", str(value)]
    if isinstance(value, (list, tuple)):
        return ["list", [plain(item) for item in value]]
    if isinstance(value, dict):
        entries = [[key, plain(item)] for key, item in value.items() if isinstance(key, str)]
        return ["map", entries, len(value) - len(entries)]
    return ["?"]


def text(data):
    """As Python opens a text file: UTF-8, and every line break a line feed."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()


def ruamel(data):
    from ruamel.yaml import YAML

    return plain(YAML(typ="safe").load(text(data)) or {})


READERS = {"yaml": ruamel}

if sys.argv[1:] != ["plain"]:
    from dvc.config import Config
    from dvc.dependency import ParamsDependency
    from dvc.dvcfile import Lockfile, ProjectFile
    from dvc.repo import Repo
    from dvc.utils import serialize
    from dvc_data.hashfile.tree import Tree

    project = tempfile.mkdtemp()
    os.chdir(project)
    repo = Repo.init(project, no_scm=True)

    def put(name, data):
        with open(name, "wb") as file:
            file.write(data)
        return os.path.join(project, name)

    def config(data):
        sections = Config.load_file(put("config", data))
        return plain({name: section for name, section in sections.items() if section})

    def stage(pipeline, params):
        """The stage as DVC would run it."""
        put("params.yaml", params)
        found = ProjectFile(repo, put("dvc.yaml", pipeline), verify=False).stages["capture_ingest"]
        params = [dep for dep in found.deps if isinstance(dep, ParamsDependency)]
        return {
            "cmd": found.cmd if isinstance(found.cmd, list) else found.cmd.splitlines(),
            "deps": [dep.def_path for dep in found.deps if dep not in params],
            "params": sorted([dep.def_path, sorted(set(dep.params))] for dep in params),
            "outs": [[out.def_path, out.use_cache, out.persist, out.remote] for out in found.outs],
            "frozen": found.frozen,
            "wdir": os.path.relpath(found.wdir, project),
        }

    def lock(data):
        return plain(Lockfile(repo, put("dvc.lock", data)).load())

    def listing(data):
        tree = Tree.from_list(json.loads(text(data)))
        return [["/".join(path), info.value] for path, _, info in tree]

    READERS |= {
        "yaml": lambda data: plain(serialize.parse_yaml(text(data), "params.yaml")),
        "toml": lambda data: plain(serialize.parse_toml(text(data), "params.toml")),
        "json": lambda data: plain(serialize.parse_json(text(data), "params.json")),
        "config": config,
        "stage": stage,
        "lock": lock,
        "list": listing,
    }

for line in sys.stdin:
    name, *texts = json.loads(line)
    try:
        answer = READERS[name](*(bytes.fromhex(text) for text in texts))
    except Exception:
        # However it refuses: nothing is read.
        answer = None
    print(json.dumps(answer), file=answers, flush=True)
