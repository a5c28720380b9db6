"""Makes runs with one fault each out of a valid run with a declared schema.

    mutate_runs.py RUN_DIR OUT_DIR COUNT SEED [ONLY]

Writes OUT_DIR/00000, 00001, … and OUT_DIR/mutants.json: for each run what was done, and which errors a validator should
report (null: more than one answer is right, or the change is harmless in some runs). Some changes break no rule at all.
Each mutant depends on the run, the seed and its number alone; ONLY makes that one again.
"""

import json
import os
import random
import sys

# No `__pycache__` among the sources.
sys.dont_write_bytecode = True

from mutations import enrich, faults_of_files, faults_of_lines, faults_of_rows, faults_of_schemas, faults_of_values
from mutations.run import MutableRun, Skip

# How often each kind is drawn.
KINDS = {
    faults_of_values: 32,
    faults_of_lines: 14,
    faults_of_rows: 28,
    faults_of_files: 12,
    faults_of_schemas: 14,
}


def mutate(base, dice):
    """A copy of a run with one fault, and what it is."""
    run = base.copy()
    harmless = enrich.vary(run, dice)
    while True:
        (kind,) = dice.choices(list(KINDS), KINDS.values())
        fault = dice.choice(kind.FAULTS)
        changed = run.copy()
        try:
            detail, errors = fault(changed, dice)
        except Skip:
            continue
        name = f"{kind.__name__.rpartition('_')[2]}.{fault.__name__}"
        return changed, {"fault": name, "detail": detail, "errors": errors, "harmless": harmless}


def main(run_dir, out_dir, count, seed, only=None):
    base = MutableRun(run_dir)
    done = []
    for number in range(int(count)) if only is None else [int(only)]:
        dice = random.Random(f"{base.meta['experiment']}/{base.meta['run_id']}:{seed}:{number}")
        run, what = mutate(base, dice)
        name = f"{number:05}"
        run.write(os.path.join(out_dir, name))
        done.append({"run": name, **what})
    with open(os.path.join(out_dir, "mutants.json"), "w", encoding="utf-8") as file:
        json.dump(done, file, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
