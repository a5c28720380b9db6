"""Runs the queries of a page of the guide, as they stand, with the readers that this Python has.

queries.py PAGE, in a repository with a dataset: the queries below one heading must have one answer in all readers. Prints how many
queries were run, and the answer of each heading, as JSON.
"""

import ast
import importlib.util
import json
import math
import re
import sys


def plain(cell):
    """A value of any reader; readers add floats up in an order of their own."""
    cell = cell.item() if hasattr(cell, "item") else cell
    if isinstance(cell, float):
        return None if math.isnan(cell) else float(f"{cell:.9g}")
    return cell


def rows_of(answer):
    kind = type(answer).__module__.partition(".")[0]
    if kind == "polars":
        rows = answer.rows()
    elif kind == "pandas":
        rows = answer.reset_index().itertuples(index=False, name=None)
    else:
        assert kind == "pyarrow", kind
        # pyarrow 14 puts what it grouped by behind the figures.
        names = sorted(answer.column_names, key=lambda name: name.endswith(("_count", "_mean", "_max")))
        rows = zip(*(answer.column(name).to_pylist() for name in names))
    return [tuple(map(plain, row)) for row in rows]


def with_python(query):
    """The answer is what the last statement of a query gives a name to."""
    scope = {}
    exec(compile(query, "query", "exec"), scope)
    last = ast.parse(query).body[-1]
    return rows_of(scope[last.targets[0].id])


def with_duckdb(query):
    import duckdb

    return [tuple(map(plain, row)) for row in duckdb.sql(query).fetchall()]


def can_run(language, query):
    """Whether this Python has what the query needs; for a Polars before 1.31, as the guide says to write it for that."""
    needed = ["duckdb"] if language == "sql" else re.findall(r"^import (\w+)", query, re.M)
    if not all(importlib.util.find_spec(name) for name in needed):
        return None
    if "polars" in needed:
        import polars

        if tuple(map(int, polars.__version__.split(".")[:2])) < (1, 31):
            query = query.replace(', extra_columns="ignore"', "")
            return None if "missing_columns" in query else query
    return query


def main(page):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    count, answers = 0, {}
    for section in text.split("\n## ")[1:]:
        heading = section.partition("\n")[0]
        for language, query in re.findall(r"^```(sql|python)\n(.*?)^```", section, re.M | re.S):
            query = can_run(language, query)
            if query is not None:
                answer = with_duckdb(query) if language == "sql" else with_python(query)
                assert answer and answer == answers.setdefault(heading, answer), (query, answers[heading], answer)
                count += 1
    print(f"{count} queries", *map(json.dumps, answers.items()), sep="\n")


main(sys.argv[1])
