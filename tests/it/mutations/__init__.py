"""The faults that `mutate_runs.py` puts into runs."""
