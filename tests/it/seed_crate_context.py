"""Puts the context of RO-Crate 1.1 into the cache of rocrate-validator, which then works without a network.

usage: python seed_crate_context.py CACHE

The context is the one in the package `rocrate`, version 0.15.0.
"""

import io
import pathlib
import sys

import rocrate
from requests import Response
from requests.adapters import BaseAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXT = pathlib.Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
URL = "https://w3id.org/ro/crate/1.1/context"


class OnDisk(BaseAdapter):
    """Answers every request with the context."""

    def send(self, request, **_):
        headers = {"Content-Type": "application/ld+json"}
        response = Response()
        response.status_code, response.reason = 200, "OK"
        response.url, response.request = request.url, request
        response.headers.update(headers)
        body = io.BytesIO(CONTEXT.read_bytes())
        response.raw = HTTPResponse(body=body, status=200, headers=headers, preload_content=False, request_method="GET")
        return response

    def close(self):
        pass


session = CachedSession(cache_name=sys.argv[1], expire_after=-1, backend="sqlite", allowable_methods=("GET",))
session.mount("https://", OnDisk())
assert session.get(URL).json()["@id"] == URL
