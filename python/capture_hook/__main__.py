"""``python -m capture_hook``: the ``capture-hook`` command of this installation, for a shell without it on ``PATH``."""

from __future__ import annotations

import os
import sys

from ._command import find_command

if __name__ == "__main__":
    try:
        command = find_command()
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)
    os.execv(command, [command, *sys.argv[1:]])
