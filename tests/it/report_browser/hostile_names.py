"""Commits runs whose names are markup: `hostile_names.py REPO RUN`. No recorder may write them, a stranger's commit may.

A new version of the dataset holds RUN again under each name, and is committed without hooks. Prints the names as a JSON list.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

NAMES = ["<img src=x onerror=window.ran=1>/<svg onload=window.ran=1>", "<script>window.ran=1/\"'><b>&amp;"]


def main():
    repo, run = Path(sys.argv[1]), sys.argv[2]
    lock = (repo / "dvc.lock").read_text()
    version = re.search(r"md5: ([0-9a-f]{32})\.dir", lock)[1]
    cache = repo / ".dvc" / "cache" / "files" / "md5"
    entries = json.loads((cache / version[:2] / f"{version[2:]}.dir").read_bytes())
    own = [entry for entry in entries if entry["relpath"].startswith(f"{run}/")]
    entries += [{**entry, "relpath": name + entry["relpath"][len(run):]} for name in NAMES for entry in own]
    listing = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True).encode()
    new = hashlib.md5(listing).hexdigest()
    (cache / new[:2]).mkdir(exist_ok=True)
    (cache / new[:2] / f"{new[2:]}.dir").write_bytes(listing)
    lock = re.sub(r"nfiles: \d+(?=\s*$)", f"nfiles: {len(entries)}", lock.replace(version, new))
    (repo / "dvc.lock").write_text(lock)
    subprocess.run(["git", "-c", "core.hooksPath=/dev/null", "commit", "-qam", "<b>Others</b>"], cwd=repo, check=True)
    print(json.dumps(NAMES))


if __name__ == "__main__":
    main()
