"""Where the ``capture-hook`` command of this installation is."""

from __future__ import annotations

import os
import site
import sysconfig
from importlib import metadata
from pathlib import Path

NAME = "capture-hook"


def find_command() -> str:
    """The path of the command that was installed with this package.

    Raises:
        FileNotFoundError: It is in none of the directories that an installer puts programs in.
    """
    # `pip install --target` makes a directory of programs beside the packages.
    directories = [Path(__file__).parents[1] / "bin", Path(sysconfig.get_path("scripts"))]
    if user := site.getuserbase():
        directories.append(Path(user, "bin"))
    candidates = [directory / NAME for directory in directories]
    # What the installer wrote down comes first: it is of this package, and not of another installation.
    try:
        files = metadata.files("capture-hook") or []
    except metadata.PackageNotFoundError:
        files = []
    recorded = [Path(str(file.locate())) for file in files if file.name == NAME and file.parent.name == "bin"]
    for candidate in recorded + candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate.resolve())
    raise FileNotFoundError("the command capture-hook is not installed beside this package; install the wheel again")
