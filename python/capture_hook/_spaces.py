"""Columns for the values of Gymnasium's spaces, and for values that no space describes.

Imported only once an environment is recorded: neither Gymnasium nor NumPy is a dependency of the package.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np
from gymnasium import spaces

from .errors import RunUsageError

MAX_ELEMENTS = 4096
"""The most elements of one value of a column."""

PathStep = Union[str, int]

_INTEGERS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}
_NARROWER = {"float16": "float32"}
_INT64 = np.iinfo(np.int64)


@dataclass(eq=False)
class Column:
    """One column in the making."""

    name: str
    path: tuple[PathStep, ...]
    dtype: str
    shape: tuple[int, ...] | None = None
    """``None`` for one value, ``(-1,)`` for a list of any length."""
    low: Any = None
    """The smallest values, an array of the shape or one number; ``None`` without."""
    high: Any = None
    nullable: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    """Further keys of the declaration, as the user gave them; ``None`` removes one."""

    def to_declaration(self) -> dict[str, Any]:
        """The column as ``schema.json`` declares it."""
        made: dict[str, Any] = {"dtype": self.dtype}
        if self.shape is not None:
            made["shape"] = list(self.shape)
        if self.path != (self.name,):
            made["path"] = path_text(self.path)
        if self.nullable:
            made["nullable"] = True
        for key, bound, reduce in [("min", self.low, np.min), ("max", self.high, np.max)]:
            number = None if bound is None else _bound(reduce(bound), self.dtype)
            if number is not None:
                made[key] = number
        for key, value in self.extra.items():
            made.pop(key, None)
            if value is not None:
                made[key] = value
        return made

    def check_size(self) -> None:
        """Refuses what a column cannot hold."""
        if self.shape is None or self.shape == (-1,):
            return
        if 0 in self.shape:
            raise RunUsageError(
                f"{self.name} has no values, its shape is {self.shape}: leave it out with exclude=[{self.name!r}]"
            )
        if math.prod(self.shape) > MAX_ELEMENTS:
            raise RunUsageError(
                f"{self.name} has {math.prod(self.shape):,} values a step, and a column takes {MAX_ELEMENTS:,}: "
                f"leave it out with exclude=[{self.name!r}], or make it smaller with a wrapper"
            )

    def elements(self, names: Iterable[str]) -> list[Column]:
        """A column for each element of a list of fixed length."""
        low, high = (None if bound is None else np.broadcast_to(bound, self.shape or ()) for bound in (self.low, self.high))
        return [
            Column(
                name,
                (*self.path, index),
                self.dtype,
                low=None if low is None else low[index],
                high=None if high is None else high[index],
                nullable=self.nullable,
            )
            for index, name in enumerate(names)
        ]


def space_columns(space: Any, value: Any, path: tuple[PathStep, ...], *, ranges: bool) -> list[Column]:
    """The columns for the values of a space.

    Args:
        space: the space.
        value: one of its values, which tells the type where the space does not.
        path: where the value stands in a row.
        ranges: whether the range of a ``Box`` is a range of its column.
    """
    name = column_name(path)
    if isinstance(space, spaces.Dict):
        return [
            column
            for key, part in space.spaces.items()
            for column in space_columns(part, _item(value, key), (*path, str(key)), ranges=ranges)
        ]
    if isinstance(space, spaces.Tuple):
        return [
            column
            for index, part in enumerate(space.spaces)
            for column in space_columns(part, _item(value, index), (*path, index), ranges=ranges)
        ]
    if isinstance(space, spaces.Box):
        low, high = (space.low, space.high) if ranges else (None, None)
        return [_array_column(name, path, space.dtype, space.shape, low, high)]
    if isinstance(space, spaces.Discrete):
        start = int(getattr(space, "start", 0))
        return [Column(name, path, "int64", low=start, high=start + int(space.n) - 1)]
    if isinstance(space, spaces.MultiDiscrete):
        least = np.asarray(getattr(space, "start", np.zeros_like(space.nvec)))
        return [_array_column(name, path, space.dtype, space.shape, least, least + space.nvec - 1)]
    if isinstance(space, spaces.MultiBinary):
        return [_array_column(name, path, space.dtype, space.shape, 0, 1)]
    if isinstance(space, spaces.Text):
        return [Column(name, path, "string")]
    if isinstance(space, spaces.Sequence):
        return [_sequence_column(space, path, ranges)]
    if isinstance(space, (spaces.Graph, spaces.OneOf)):
        return [Column(name, path, "json")]
    # Not one of Gymnasium's: its own word for shape and type, else a value's.
    shape, dtype = getattr(space, "shape", None), getattr(space, "dtype", None)
    if shape is not None and dtype is not None and np.dtype(dtype).kind in "biuf":
        return [_array_column(name, path, dtype, shape, None, None)]
    made = value_column(value, path)
    return [made or Column(name, path, "json")]


def value_column(value: Any, path: tuple[PathStep, ...]) -> Column | None:
    """The column for values like this one; ``None`` if it tells nothing."""
    name = column_name(path)
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return Column(name, path, "bool")
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biuf":
            return Column(name, path, "string" if value.dtype.kind == "U" and value.ndim == 0 else "json")
        # The first list of an unknown kind says nothing about the length of the next.
        return _array_column(name, path, value.dtype, (-1,) if value.ndim == 1 else value.shape, None, None)
    if isinstance(value, int):
        return Column(name, path, "int64")
    if isinstance(value, float):
        return Column(name, path, "float64")
    if isinstance(value, str):
        return Column(name, path, "string")
    if isinstance(value, (list, tuple)):
        kinds = {column.dtype for item in value if (column := value_column(item, path)) and column.shape is None}
        if len(kinds) > 1 and kinds <= _INTEGERS | {"float32", "float64"}:
            kinds = {"float64"} if kinds & {"float32", "float64"} else {"int64"}
        are_single = not any(isinstance(item, (list, tuple, np.ndarray, Mapping)) for item in value)
        if len(kinds) == 1 and "json" not in kinds and are_single:
            return Column(name, path, kinds.pop(), (-1,))
        return Column(name, path, "json")
    if hasattr(value, "tolist"):
        return value_column(value.tolist(), path)
    return Column(name, path, "json")


def merge_columns(first: Column, second: Column) -> Column:
    """The column that holds the values of both."""
    dtype, shape = first.dtype, first.shape
    if dtype != second.dtype:
        kinds = {dtype, second.dtype}
        if kinds <= _INTEGERS:
            dtype = "int64"
        elif kinds <= _INTEGERS | {"float32", "float64"}:
            dtype = "float64"
        else:
            dtype, shape = "json", None
    if dtype != "json" and shape != second.shape:
        if shape is not None and second.shape is not None and len(shape) == len(second.shape) == 1:
            shape = (-1,)
        else:
            dtype, shape = "json", None
    low = high = None
    if dtype != "json":
        low = _loosest(first.low, second.low, np.minimum)
        high = _loosest(first.high, second.high, np.maximum)
    return Column(first.name, first.path, dtype, shape, low, high, first.nullable or second.nullable, first.extra)


def _loosest(first: Any, second: Any, pick: Any) -> Any:
    """The looser of two bounds; ``None``, no bound, is the loosest."""
    if first is None or second is None:
        return None
    if np.shape(first) != np.shape(second):
        first, second = pick.reduce(np.ravel(first)), pick.reduce(np.ravel(second))
    return pick(first, second)


def column_name(path: tuple[PathStep, ...]) -> str:
    """A column's name for the value at a path: ``observation_image``."""
    return "_".join(re.sub(r"[^A-Za-z0-9_]", "_", str(step)) for step in path)


def path_text(path: tuple[PathStep, ...]) -> str | list[PathStep]:
    """A path as ``schema.json`` writes it: ``observation.x[2]``, or a list if a key has other characters."""
    if not all(isinstance(step, int) or re.fullmatch(r"[A-Za-z0-9_]+", step) for step in path):
        return list(path)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]


def _item(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def _array_column(name: str, path: tuple[PathStep, ...], dtype: Any, shape: Any, low: Any, high: Any) -> Column:
    kind = np.dtype(dtype)
    text = _NARROWER.get(kind.name, kind.name)
    if kind.kind == "f" and text != "float32":
        text = "float64"
    elif kind.name == "uint64":
        text = "int64"
        if high is not None and np.max(high) > _INT64.max:
            # Values above it are out of the column's range.
            high = None
    if text == "bool":
        low = high = None
    return Column(name, path, text, tuple(int(size) for size in shape) or None, low, high)


def _sequence_column(space: Any, path: tuple[PathStep, ...], ranges: bool) -> Column:
    """A list of any length, if its items are single values."""
    name = column_name(path)
    if isinstance(space.feature_space, (spaces.Discrete, spaces.Text)) or space.feature_space.shape == ():
        (item,) = space_columns(space.feature_space, None, path, ranges=ranges)
        if item.dtype != "json":
            return Column(name, path, item.dtype, (-1,), item.low, item.high)
    return Column(name, path, "json")


def _bound(value: Any, dtype: str) -> int | float | None:
    """A bound as a number of JSON; ``None`` if it is the type's own."""
    if dtype in _INTEGERS:
        limits = np.iinfo(dtype)
        return None if int(value) in (limits.min, limits.max) else int(value)
    if dtype not in ("float32", "float64"):
        return None
    kind = np.float32 if dtype == "float32" else np.float64
    # Older environments write "no bound" as the largest number.
    if not math.isfinite(value) or abs(value) >= np.finfo(kind).max:
        return None
    # The shortest text that is the same number: -4.8 instead of -4.800000190734863.
    return float(str(kind(value)))
