"""DVC's own command line, several times in one process: starting Python and DVC takes longer than most of what is asked.

Argument: the `dvc` script. A line of JSON on standard input names a file with a request: directory, arguments, whether to
draw progress bars, the file for standard output, and the line that ends an answer on standard error, before the exit code.
"""

import json
import os
import sys

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
        code = main(request["args"])
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
