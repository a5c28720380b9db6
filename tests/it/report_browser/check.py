"""check.py NAME CHROMIUM REPORT FACTS.json: runs one check of a report in Chromium; an assertion that fails is its result."""

import json
import sys

import altered
import comparing
import controls
import hostile
import states
import table
import views
from harness import browser

MODULES = (altered, comparing, controls, hostile, states, table, views)
CHECKS = {name.removeprefix("check_"): check for module in MODULES for name, check in vars(module).items()
          if name.startswith("check_")}


def main():
    name, chromium, report, facts = sys.argv[1:]
    with browser(chromium) as started:
        CHECKS[name](started, report, json.loads(facts))


if __name__ == "__main__":
    main()
