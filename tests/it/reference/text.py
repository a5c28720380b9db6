"""Bytes to rows: gzip members, lines, JSON as Python writes it. Each fault has a code."""

import json
import re
import sys
import zlib

MAGIC = b"\x1f\x8b"
LONGEST_LINE = 16 << 20
DEEPEST = 1000
sys.setrecursionlimit(20 * DEEPEST)
# Python refuses to read an int of more than 4300 digits; no type holds one of 400.
MOST_DIGITS = 4000


class Fault(Exception):
    """Something cannot be read; `code` says what."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code


def integer(digits):
    if len(digits) <= MOST_DIGITS:
        return int(digits)
    return -(10**400) if digits.startswith("-") else 10**400


def too_deep(text):
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text, re.DOTALL):
        if token.group() in "[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif token.group() in "]}":
            depth -= 1
    return False


def parse_json(data):
    """The value of a JSON text with Python's tokens; a name that stands twice has its last value."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault("invalid_utf8", str(error)) from None
    if too_deep(text):
        raise Fault("invalid_json", "nested too deep")
    try:
        return json.loads(text, parse_int=integer)
    except ValueError as error:
        raise Fault("invalid_json", str(error)) from None


def parse_row(line):
    if len(line) > LONGEST_LINE:
        raise Fault("line_too_long", f"{len(line)} bytes")
    value = parse_json(line)
    if not isinstance(value, dict):
        raise Fault("not_an_object", type(value).__name__)
    return value


def unzip(data):
    """The bytes of all gzip members, and the code of what stopped the reading (or None).

    Of a member that is damaged no byte is trusted, because its checksum stands at its end. Of one that is cut, what is
    there is right.
    """
    members, at = [], 0
    while at < len(data) or not members:
        if members and not data[at:].strip(b"\0"):
            break
        if not MAGIC.startswith(data[at : at + len(MAGIC)]):
            return b"".join(members), "corrupt_gzip"
        reader = zlib.decompressobj(wbits=31)
        try:
            members.append(reader.decompress(data[at:]))
        except zlib.error:
            return b"".join(members), "corrupt_gzip"
        if not reader.eof:
            return b"".join(members), "truncated_gzip"
        at = len(data) - len(reader.unused_data)
    return b"".join(members), None


def lines(data, whole):
    """Pairs of line number and line. Blank lines are none; a last line without an end counts if the file is whole."""
    parts = data.split(b"\n")
    if not whole:
        parts.pop()
    for number, line in enumerate(parts, 1):
        if line.strip(b" \t\r"):
            yield number, line
