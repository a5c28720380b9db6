"""DVC's own command line, several times in one process: starting Python and DVC takes longer than most of what is asked.

Argument: the `dvc` script. A line of JSON on standard input names a file with a request: directory, arguments, whether to
draw progress bars, the file for standard output, and the line that ends an answer on standard error, before the exit code.
"""

import json
import os
import sys

# Not a command of DVC's.
OBJECTS = "capture-hook:objects"


def objects(repo_dir, task, name, path):
    """Writes every file of a remote into a file of JSON lines, or removes those that it names; paths from the remote's top."""
    from dvc.repo import Repo

    with Repo(repo_dir) as repo:
        remote = repo.cloud.get_remote(name)
        fs, top = remote.fs, remote.path
        if task == "remove":
            with open(path, encoding="utf-8") as file:
                paths = [fs.join(top, *json.loads(line).split("/")) for line in file]
            # One that is gone already would fail for all.
            fs.remove([path for path, there in zip(paths, fs.exists(paths)) if there])
            return 0
        with open(path, "w", encoding="utf-8") as file:
            # A remote that nothing was sent to has no directory.
            for found, info in (fs.fs.find(top, detail=True) if fs.exists(top) else {}).items():
                times = (info.get(key) for key in ("mtime", "LastModified", "last_modified", "updated", "modified"))
                time = next((time for time in times if time is not None), None)
                time = time.timestamp() if hasattr(time, "timestamp") else time
                time = time if isinstance(time, (int, float)) else None
                path = "/".join(fs.relparts(found, top))
                file.write(json.dumps({"path": path, "size": info.get("size") or 0, "time": time}) + "\n")
    return 0


def run(request):
    args = request["args"]
    if args[0] != OBJECTS:
        return main(args)
    try:
        return objects(request["dir"], *args[1:])
    except Exception as error:
        sys.stderr.write("ERROR: %s: %s\n" % (type(error).__name__, error))
        return 1


script = sys.argv[1]
sys.argv = [script]
# As Python has it for a script; this file's own directory holds no modules.
sys.path[0] = os.path.dirname(script)

# Programs that DVC starts must not read requests, nor write into answers.
requests = os.fdopen(os.dup(0), encoding="utf-8")
null = os.open(os.devnull, os.O_RDWR)
os.dup2(null, 0)

try:
    from dvc.cli import main

    for line in requests:
        with open(json.loads(line), encoding="utf-8") as file:
            request = json.load(file)
        os.chdir(request["dir"])
        if request["bars"]:
            os.environ["DVC_IGNORE_ISATTY"] = "1"
        else:
            os.environ.pop("DVC_IGNORE_ISATTY", None)
        out = os.open(request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.close(out)
        code = run(request)
        sys.stdout.flush()
        os.dup2(null, 1)
        sys.stderr.write("\n%s %d\n" % (request["end"], code & 0xFF))
        sys.stderr.flush()
        # The directory of a request is removed after it.
        os.chdir("/")
except KeyboardInterrupt:
    os._exit(130)
# Nothing is left to be written: all that DVC keeps was closed by its commands.
os._exit(0)
