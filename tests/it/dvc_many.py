"""DVC's own command line, many times in one process: a line of JSON in, the directory and the arguments; a line out, the exit
code and what was said. Starting Python anew for each would take most of a test's time."""

import contextlib
import io
import json
import os
import sys

from dvc.cli import main

for line in sys.stdin:
    directory, arguments = json.loads(line)
    os.chdir(directory)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(arguments)
    print(json.dumps([code, said.getvalue()]), flush=True)
