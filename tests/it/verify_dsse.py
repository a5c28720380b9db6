"""Whether a DSSE envelope is signed by a key, and each subject has its bytes: verify_dsse.py ENVELOPE KEY.pub DIR KEY.pem

DIR has the subjects by their names. The public key is written to KEY.pem, for readers that know no SSH.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

envelope_file, public, root, pem = map(pathlib.Path, sys.argv[1:])
line = public.read_bytes()
key = load_ssh_public_key(line)
pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
fingerprint = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout.split()[1]
scheme = "rsa-pkcs1v15-sha256" if line.startswith(b"ssh-rsa") else None
envelope = Envelope.from_dict(json.loads(envelope_file.read_text()))
envelope.verify([SSlibKey.from_crypto(key, keyid=fingerprint, scheme=scheme)], 1)
assert envelope.payload_type == "application/vnd.in-toto+json"
statement = json_format.Parse(envelope.payload, statement_pb2.Statement())
Statement.copy_from_pb(statement).validate()
for subject in statement.subject:
    assert hashlib.sha256((root / subject.name).read_bytes()).hexdigest() == subject.digest["sha256"], subject.name
print(len(statement.subject), "subjects")
