"""Whether files are in-toto Statements v1 with SLSA provenance v1, in full and with nothing else: verify_statement.py FILE..."""

import json
import sys

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import resource_descriptor, statement_pb2
from in_toto_attestation.v1.statement import Statement

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        raw = json.load(file)
    # Strict: a field that the format does not have is an error.
    statement = json_format.ParseDict(raw, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    provenance = json_format.ParseDict(raw["predicate"], provenance_pb2.Provenance())
    assert provenance.build_definition.build_type and provenance.run_details.builder.id
    resources = [*provenance.build_definition.resolved_dependencies, *provenance.run_details.byproducts]
    for resource in resources:
        resource_descriptor.ResourceDescriptor.copy_from_pb(resource).validate()
    print(len(statement.subject), "subjects,", len(resources), "resources")
