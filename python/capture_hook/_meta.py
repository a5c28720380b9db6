"""What ``run.json`` says of a recorded environment: its configuration, its version, the commit of the code."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import importlib.metadata
import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

_GIT_SECONDS = 10
"""How long git may take: the working tree can be large, and lie on a slow disk."""


def run_metadata(env_config: Mapping[str, Any], unwrapped: Any, seed: int | None) -> dict[str, Any]:
    """The fields of ``run.json`` that are known when the run begins."""
    config = plain_json(env_config)
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return {
        "env_config": config,
        "config_hash": hashlib.sha256(canonical.encode()).hexdigest(),
        "base_seed": seed,
        "package_version": package_version(unwrapped),
        "git_sha": git_commit(),
    }


def environment_config(spec: Any, unwrapped: Any) -> dict[str, Any]:
    """An environment's ``spec`` as JSON; without one, its class and what it was made with."""
    if spec is not None:
        made = plain_json(spec)
        if isinstance(made, dict):
            return made
    kind = type(unwrapped)
    config: dict[str, Any] = {}
    name = (getattr(unwrapped, "metadata", None) or {}).get("name")
    if isinstance(name, str):
        config["id"] = name
    config["entry_point"] = f"{kind.__module__}:{kind.__qualname__}"
    # What Gymnasium's and PettingZoo's EzPickle keeps.
    arguments = getattr(unwrapped, "_ezpickle_args", ()) or ()
    keywords = getattr(unwrapped, "_ezpickle_kwargs", {}) or {}
    if arguments:
        config["args"] = plain_json(arguments)
    config["kwargs"] = plain_json(keywords)
    return config


def plain_json(value: Any) -> Any:
    """A value as JSON, the same one for the same configuration: an object is named by its class, not by its address."""
    if isinstance(value, enum.Enum):
        return plain_json(value.value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain_json(item) for item in value), key=repr)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value) if field.init)
        return {name: plain_json(item) for name, item in members}
    if hasattr(value, "tolist"):
        return plain_json(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"


def package_version(unwrapped: Any) -> str | None:
    """The version of the package that the environment's class is from; ``None`` for a script of one's own."""
    package = type(unwrapped).__module__.partition(".")[0]
    try:
        return importlib.metadata.version(package)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def git_commit() -> str | None:
    """The commit of the working directory, with ``-dirty`` if tracked files differ; ``None`` outside of git."""
    # A status must not wait for, or disturb, a git that works at the same time.
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, env=env, timeout=_GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
