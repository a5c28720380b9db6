"""The declaration of a recorded environment's columns, ``schema.json``, from its spaces and what the user wants."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from ._options import ColumnOptions
from ._spaces import Column, PathStep, column_name, merge_columns, space_columns, value_column
from .errors import RunUsageError

Selection = Union[dict[str, Any], bool, None]
"""Which members of a field are written: ``None`` all, ``False`` none and not the field, else the members by name, each with
its own selection."""


@dataclass
class Declaration:
    """A declaration, and which members of each field are written."""

    schema: dict[str, Any]
    observation: Selection
    action: Selection
    info: Selection


@dataclass
class Sample:
    """The first values of an environment or agent."""

    observation_space: Any
    action_space: Any
    observations: list[Any] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    infos: list[Mapping[str, Any]] = field(default_factory=list)


def declare(samples: Sequence[Sample], options: ColumnOptions, *, agents: bool = False) -> Declaration:
    """Declares the columns of an environment, or of all agents of one.

    Raises:
        RunUsageError: an option names no column, or a value fits in none.
    """
    columns = [
        *_united(samples, "action", lambda sample: (sample.action_space, sample.actions), ranges=False),
        *_united(samples, "observation", lambda sample: (sample.observation_space, sample.observations), ranges=True),
    ]
    _check_names(columns)
    kept = _without(columns, options.exclude)
    named = _renamed(kept, options.names or {})
    info = _info_columns(options.info, [info for sample in samples for info in sample.infos])
    for column in named:
        column.check_size()

    ours = [Column("agent", ("agent",), "string")] if agents else []
    ours += [Column("ts", ("ts",), "float64"), Column("reward", ("reward",), "float64")]
    ours += [Column("seed", ("seed",), "int64", nullable=True)]
    steps = [*ours, *named, *info]
    _change(steps, options.columns or {})
    episodes: dict[str, Any] = {"duration_ms": {"dtype": "float64", "min": 0.0}}
    if options.success is not None:
        episodes = {"success": {"dtype": "bool"}, **episodes}
    schema: dict[str, Any] = {"format": 1, "reset_rows": True}
    schema["steps"] = {column.name: column.to_declaration() for column in steps}
    schema["episodes"] = episodes
    if options.plot is not None:
        schema["plot"] = {key: list(value) for key, value in options.plot.items()}
    return Declaration(
        schema=schema,
        observation=_selection(columns, kept, "observation"),
        action=_selection(columns, kept, "action"),
        info=None if options.info is None else (_tree(column.path[1:] for column in info) if info else False),
    )


def _united(
    samples: Sequence[Sample], what: str, part: Callable[[Sample], tuple[Any, list[Any]]], *, ranges: bool
) -> list[Column]:
    """The columns that hold the values of every agent."""
    made: dict[tuple[PathStep, ...], Column] = {}
    for number, sample in enumerate(samples):
        space, values = part(sample)
        columns = space_columns(space, values[0] if values else None, (what,), ranges=ranges)
        own = {column.path: column for column in columns}
        for path, column in own.items():
            made[path] = merge_columns(made[path], column) if path in made else column
            if number and made[path] is column:
                column.nullable = True
        for path in made.keys() - own.keys():
            made[path].nullable = True
    # An object of one agent beside a value of another: only JSON holds both.
    if any(path == other[: len(path)] for path in made for other in made if path != other):
        return [Column(what, (what,), "json")]
    return list(made.values())


def _check_names(columns: Iterable[Column]) -> None:
    """Gives columns whose keys differ in odd characters alone different names."""
    taken: set[str] = set()
    for column in columns:
        name, number = column.name, 2
        while column.name.lower() in taken:
            column.name = f"{name}_{number}"
            number += 1
        taken.add(column.name.lower())


def _without(columns: list[Column], exclude: Sequence[str]) -> list[Column]:
    if isinstance(exclude, str):
        raise RunUsageError(f"exclude is a list of names: exclude=[{exclude!r}]")
    gone: list[Column] = []
    for name in exclude:
        named = [column for column in columns if column.name == name or name in _outer_names(column)]
        if not named:
            raise _no_column("exclude", name, columns)
        gone += named
    kept = [column for column in columns if column not in gone]
    for column in gone:
        # A list that has lost an element is another list.
        at = next((i for i, step in enumerate(column.path) if isinstance(step, int)), None)
        if at is not None and any(other.path[:at] == column.path[:at] for other in kept):
            raise RunUsageError(f"exclude: {column.name} is a value of a list, which is recorded whole or not at all")
    return kept


def _outer_names(column: Column) -> list[str]:
    """The names of what a value lies in: ``observation`` and ``observation_arm`` of ``observation_arm_angle``."""
    return [column_name(column.path[:length]) for length in range(1, len(column.path))]


def _renamed(columns: list[Column], names: Mapping[str, str | Sequence[str]]) -> list[Column]:
    renamed = list(columns)
    for key, given in names.items():
        column = next((column for column in renamed if column.name == key), None)
        group = [column for column in renamed if len(column.path) > 1 and column_name(column.path[:-1]) == key]
        if isinstance(given, str):
            if column is None:
                raise _no_column("names", key, columns)
            column.name = given
        elif column is not None and column.shape is not None and column.shape != (-1,) and len(column.shape) == 1:
            if len(given) != column.shape[0]:
                raise RunUsageError(f"names: {key} has {column.shape[0]} values, and {len(given)} names")
            at = renamed.index(column)
            renamed[at : at + 1] = column.elements(given)
        elif column is None and group and all(isinstance(part.path[-1], int) and part.shape is None for part in group):
            if len(given) != len(group):
                raise RunUsageError(f"names: {key} has {len(group)} values, and {len(given)} names")
            for part, name in zip(group, given):
                part.name = name
        elif column is None:
            raise _no_column("names", key, columns)
        else:
            raise RunUsageError(f"names: {key} is no list of values of one length, so it takes one name")
    seen: set[str] = set()
    for column in renamed:
        if column.name.lower() in seen:
            raise RunUsageError(f"names: two columns would be called {column.name}")
        seen.add(column.name.lower())
    return renamed


def _change(columns: list[Column], changes: Mapping[str, Mapping[str, Any]]) -> None:
    for name, keys in changes.items():
        column = next((column for column in columns if column.name == name), None)
        if column is None:
            raise _no_column("columns", name, columns)
        column.extra = dict(keys)


def _info_columns(wanted: Sequence[str] | Mapping[str, Any] | None, samples: Sequence[Mapping[str, Any]]) -> list[Column]:
    if wanted is None:
        return [Column("info", ("info",), "json", nullable=True)]
    if isinstance(wanted, str):
        raise RunUsageError(f"info is a list of keys: info=[{wanted!r}]")
    types: Mapping[str, Any] = wanted if isinstance(wanted, Mapping) else dict.fromkeys(wanted)
    columns = []
    for name, given in types.items():
        path = ("info", *_info_path(name, samples))
        if given is None:
            columns.append(_info_by_value(name, path, samples))
        else:
            keys = {"dtype": given} if isinstance(given, str) else dict(given)
            if "dtype" not in keys:
                raise RunUsageError(f"info: {name} needs a dtype, as in info={{{name!r}: 'float64'}}")
            columns.append(Column(column_name(path), path, keys.pop("dtype"), extra=keys))
        columns[-1].nullable = True
    _check_names(columns)
    return columns


def _info_path(name: str, samples: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """``episode.r`` is that key, or ``r`` in ``episode``."""
    dotted = tuple(name.split("."))
    if len(dotted) == 1 or any(name in info for info in samples):
        return (name,)
    return dotted


def _info_by_value(name: str, path: tuple[str, ...], samples: Sequence[Mapping[str, Any]]) -> Column:
    column: Column | None = None
    for info in samples:
        value: Any = info
        for key in path[1:]:
            value = value.get(key) if isinstance(value, Mapping) else None
        made = value_column(value, path)
        if made is not None:
            column = merge_columns(column, made) if column is not None else made
    if column is None:
        raise RunUsageError(
            f"info: the first step has no {name!r}, so its type is not known: name it, as in info={{{name!r}: 'float64'}}"
        )
    return column


def _selection(columns: list[Column], kept: list[Column], what: str) -> Selection:
    before = [column.path for column in columns if column.path[0] == what]
    after = [column.path for column in kept if column.path[0] == what]
    if len(before) == len(after):
        return None
    return _tree(path[1:] for path in after) if after else False


def _tree(paths: Iterable[tuple[PathStep, ...]]) -> dict[str, Any]:
    """The members to write. What lies in a list is written with the whole list."""
    tree: dict[str, Any] = {}
    for path in paths:
        keys = [str(step) for step in itertools.takewhile(lambda step: isinstance(step, str), path)]
        at = tree
        for key in keys[:-1]:
            at = at.setdefault(key, {})
        at[keys[-1]] = None
    return tree


def _no_column(what: str, name: str, columns: Iterable[Column]) -> RunUsageError:
    known = [column.name for column in columns]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(known)}"
    return RunUsageError(f"{what}: {name} is no column of the environment: {hint}")
