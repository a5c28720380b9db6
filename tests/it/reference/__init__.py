"""A second reading of the rules for runs with a declared schema; see `schema_reference.py`."""
