"""One row against its declaration: presence, type, shape, range, finiteness of each value."""

import math

from .numbers import INTEGERS, as_float, as_integer, is_number
from .schema import MOST_ELEMENTS, Node, is_utf8


class Bad(Exception):
    """A value that breaks a rule."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


ABSENT = object()


def read_text(value):
    if not isinstance(value, str):
        raise Bad("wrong_type", f"{type(value).__name__} instead of a text")
    if not is_utf8(value):
        raise Bad("invalid_utf8", "a lone surrogate")
    return value


def read_bool(value):
    if not isinstance(value, bool):
        raise Bad("wrong_type", f"{type(value).__name__} instead of a bool")
    return value


def read_int(value, low, high):
    if isinstance(value, float) and not math.isfinite(value):
        raise Bad("non_finite", "no int")
    number = as_integer(value)
    if number is None:
        raise Bad("wrong_type", f"{type(value).__name__} instead of an int")
    if not low <= number <= high:
        raise Bad("out_of_range", f"not in {low} … {high}")
    return number


def read_float(value, dtype="float64", finite=True):
    if not is_number(value):
        raise Bad("wrong_type", f"{type(value).__name__} instead of a number")
    if finite and isinstance(value, float) and not math.isfinite(value):
        raise Bad("non_finite", str(value))
    number = as_float(value, dtype)
    if number is None:
        raise Bad("out_of_range", f"beyond {dtype}")
    return number


def read_scalar(column, value):
    if column.dtype == "json":
        return value
    if column.dtype == "bool":
        return read_bool(value)
    if column.dtype in ("string", "file"):
        text = read_text(value)
        if column.enum is not None and text not in column.enum:
            raise Bad("out_of_range", f"{text!r} is not in the enum")
        return text
    if column.dtype in INTEGERS:
        number = read_int(value, *INTEGERS[column.dtype])
    else:
        number = read_float(value, column.dtype, column.finite)
    if column.low is not None and number < column.low:
        raise Bad("out_of_range", f"{number} is below {column.low}")
    if column.high is not None and number > column.high:
        raise Bad("out_of_range", f"{number} is above {column.high}")
    return number


def flatten(value, shape, elements):
    """Appends the elements of nested lists; raises if the nesting or a length is not the shape's."""
    if not shape:
        if isinstance(value, list):
            raise Bad("wrong_shape", "nested too deep")
        elements.append(value)
        return
    if not isinstance(value, list):
        raise Bad("wrong_shape", "not nested enough")
    if shape[0] not in (-1, len(value)):
        raise Bad("wrong_shape", f"{len(value)} instead of {shape[0]}")
    for element in value:
        flatten(element, shape[1:], elements)
    if len(elements) > MOST_ELEMENTS:
        raise Bad("wrong_shape", f"over {MOST_ELEMENTS} elements")


def read_value(column, value):
    if column.shape is None:
        return read_scalar(column, value)
    if not isinstance(value, list):
        raise Bad("wrong_type", f"{type(value).__name__} instead of a list")
    elements = []
    flatten(value, column.shape, elements)
    return [None if element is None and not column.finite else read_scalar(column, element) for element in elements]


class Row:
    """What could be read of a row. `bad` holds the names of columns that have a value which breaks a rule."""

    def __init__(self, line, findings):
        self.line = line
        self.findings = findings
        self.values = {}
        self.bad = set()
        # Its step is 0, where steps are counted from 1.
        self.counts_from_zero = False

    def report(self, name, code, reason):
        self.findings.add(code, f"{self.line}: {name}: {reason}")
        self.bad.add(name)

    def read_field(self, fields, name, read):
        """A field that is not declared but known to the format."""
        if name not in fields:
            self.report(name, "missing_field", "absent")
            return
        try:
            self.values[name] = read(fields[name])
        except Bad as bad:
            self.report(name, bad.code, str(bad))

    def read_declared(self, fields, table, known, all_nullable):
        """The declared values of a row, and which of its fields nobody knows."""
        self.read_node(table.root, fields, "", known, all_nullable)

    def read_node(self, node, value, name, known, all_nullable):
        for key, child in node.children.items():
            if node.is_array:
                self.read_child(child, value[key], f"{name}[{key}]", all_nullable)
            else:
                self.read_child(child, value.get(key, ABSENT), f"{name}.{key}".strip("."), all_nullable)
        if not node.is_array:
            for key in value:
                if key not in node.children and key not in known:
                    self.findings.add("unknown_field", f"{self.line}: {name}.{key}")

    def read_child(self, child, value, name, all_nullable):
        if not isinstance(child, Node):
            self.read_column(child, value, all_nullable)
            return
        code, reason = None, None
        if value is ABSENT or value is None:
            if not all_nullable and not all(column.nullable for column in child.columns()):
                code, reason = ("missing_field", "absent") if value is ABSENT else ("wrong_type", "null")
        elif not isinstance(value, list if child.is_array else dict):
            code, reason = "wrong_type", type(value).__name__
        elif child.is_array and len(value) != len(child.children):
            code, reason = "wrong_shape", f"{len(value)} elements"
        else:
            self.read_node(child, value, name, (), all_nullable)
        if code:
            self.findings.add(code, f"{self.line}: {name}: {reason}")
            self.bad.update(column.name for column in child.columns())

    def read_column(self, column, value, all_nullable):
        if value is ABSENT or value is None:
            if value is None and column.dtype == "json":
                # A value like any other.
                return
            # Without its agent, no row belongs to an episode.
            if not column.nullable and (not all_nullable or column.name == "agent"):
                code = "missing_field" if value is ABSENT else "wrong_type"
                self.report(column.name, code, "absent" if value is ABSENT else "null")
            return
        try:
            self.values[column.name] = read_value(column, value)
        except Bad as bad:
            self.report(column.name, bad.code, str(bad))
