"""The build backend (PEP 517): maturin, and then the `capture-hook` command put into the wheel that it made, with the
merge strategy that git looks for beside it, completions for shells and manual pages.

maturin packages a library or a program, not both. Wrapping the command's code in a Python entry point would make
every git hook pay for a Python start (20 ms and more, where a hook with nothing to do may take 5 ms in all), and would
pull the terminal into the module. So the wheel carries the real program, the same as `cargo install` gives, in its
`scripts` directory, and `pip install` puts it on the environment's `PATH`. What belongs under `share/` is in its `data`
directory, and installed under the environment's prefix.

`CAPTURE_HOOK_COMMAND` names a program that is built already, to be put in instead of building one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import maturin

get_requires_for_build_wheel = maturin.get_requires_for_build_wheel
get_requires_for_build_editable = maturin.get_requires_for_build_editable
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = maturin.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = maturin.prepare_metadata_for_build_editable
build_sdist = maturin.build_sdist


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The wheel, with the command in it."""
    name = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    _add_files(Path(wheel_directory, name), _command_files())
    return name


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The editable wheel, with the command in it."""
    name = maturin.build_editable(wheel_directory, config_settings, metadata_directory)
    _add_files(Path(wheel_directory, name), _command_files())
    return name


def _command_files() -> dict[str, tuple[int, bytes]]:
    """The mode and the bytes of each file that comes with the command, by its path in the wheel's `.data` directory."""
    # In the repository this package lies in a folder of the workspace, in a source distribution at its top.
    here = Path(__file__).parent
    strategy = Path("hooks", "git-merge-capture-hook")
    command = _command()
    programs = [command, next(top / strategy for top in (here, here.parent) if (top / strategy).is_file())]
    files = {f"scripts/{program.name}": (0o755, program.read_bytes()) for program in programs}
    completions = {
        "bash": "bash-completion/completions/capture-hook",
        "zsh": "zsh/site-functions/_capture-hook",
        "fish": "fish/vendor_completions.d/capture-hook.fish",
    }
    for shell, path in completions.items():
        made = subprocess.run([command, "completions", shell], stdout=subprocess.PIPE, check=True)
        files[f"data/share/{path}"] = (0o644, made.stdout)
    with tempfile.TemporaryDirectory() as pages:
        subprocess.run([command, "man", "--dir", pages], stdout=subprocess.DEVNULL, check=True)
        for page in sorted(Path(pages).iterdir()):
            files[f"data/share/man/man1/{page.name}"] = (0o644, page.read_bytes())
    return files


def _add_files(wheel: Path, files: dict[str, tuple[int, bytes]]) -> None:
    """Puts files into a wheel's `.data` directory, and their hashes into the wheel's RECORD."""
    with zipfile.ZipFile(wheel) as old:
        entries = [(info, old.read(info)) for info in old.infolist()]
    record = next(info.filename for info, _ in entries if info.filename.endswith(".dist-info/RECORD"))
    lines = b""
    for path, (mode, data) in files.items():
        name = f"{record.removesuffix('.dist-info/RECORD')}.data/{path}"
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines += f"{name},sha256={digest},{len(data)}\n".encode()
        info = zipfile.ZipInfo(name, date_time=entries[0][0].date_time)
        info.external_attr = (0o100000 | mode) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        entries.insert(-1, (info, data))
    # Beside the old one and then in its place: a build that is interrupted leaves no half wheel.
    handle, temporary = tempfile.mkstemp(dir=wheel.parent, suffix=".whl.part")
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as new:
        for entry, data in entries:
            new.writestr(entry, data.rstrip(b"\n") + b"\n" + lines if entry.filename == record else data)
    shutil.copymode(wheel, temporary)
    os.replace(temporary, wheel)


def _command() -> Path:
    """The program: the one that is named, else built from the workspace this package is part of."""
    if named := os.environ.get("CAPTURE_HOOK_COMMAND"):
        return Path(named)
    # `locked`, as for the module: the program is made of the versions that were tested.
    build = ["cargo", "build", "--release", "--locked", "--package", "capture-hook", "--bin", "capture-hook"]
    build += ["--message-format", "json-render-diagnostics"]
    made = subprocess.run(build, stdout=subprocess.PIPE, check=False)
    if made.returncode != 0:
        sys.exit(f"building the capture-hook command failed: {' '.join(build)}")
    programs = [json.loads(line).get("executable") for line in made.stdout.splitlines() if line.startswith(b"{")]
    return Path(next(program for program in programs if program))
