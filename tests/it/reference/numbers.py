"""Numbers: ranges of the types, rounding to 32 bits, and when two floats are the same."""

import math
import struct

INTEGERS = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
}
FLOATS = {"float32", "float64"}
NUMBERS = set(INTEGERS) | FLOATS


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_integer(value):
    """The int that a JSON number is, or None: 3.0 is one, 3.5 and true are not."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def to_float32(value):
    """Rounded to 32 bits, or None beyond their range."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return None


def as_float(value, dtype):
    """The float that a JSON number is in this type, or None beyond its range."""
    try:
        value = float(value)
    except OverflowError:
        return None
    return to_float32(value) if dtype == "float32" else value


def sum_of_float32(values):
    """The sum that 32-bit floats give, added in order; None beyond their range."""
    total = 0.0
    for value in values:
        rounded = to_float32(value)
        total = None if rounded is None else to_float32(total + rounded)
        if total is None:
            return None
    return total


def close(left, right, scale=0.0):
    """Whether two floats are the same but for rounding. `scale` is the sum of the magnitudes that were added up."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    if left == right:
        return True
    if math.isinf(left) or math.isinf(right):
        return False
    return abs(left - right) <= max(1e-6 * max(abs(left), abs(right)), 1e-9 * scale)
