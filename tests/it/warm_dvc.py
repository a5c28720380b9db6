"""DVC's own command line, many times in one process, for starting Python and DVC takes longer than most of what tests ask.

A line of JSON in: the directory, the environment, the arguments. A line out: exit code, standard output, standard error.
"""

import contextlib
import io
import json
import os
import sys

from dvc.cli import main

for line in sys.stdin:
    directory, environment, arguments = json.loads(line)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = main(arguments)
    # The processes in a test's directory are ended when it fails, and this one goes on.
    os.chdir("/")
    print(json.dumps([code, stdout.getvalue(), stderr.getvalue()]), flush=True)
