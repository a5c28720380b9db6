"""A server for files that DVC takes for an HTTP remote, behind the name `ada` and the password `secret`.

password_server.py DIRECTORY: prints its port, then serves until its standard input ends.
"""

import base64
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = pathlib.Path(sys.argv[1])
WANTED = "Basic " + base64.b64encode(b"ada:secret").decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code: int, body: bytes = b"") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self) -> None:
        path = ROOT / self.path.lstrip("/")
        sent = b""
        if "Content-Length" in self.headers:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
        elif self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                sent += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if self.headers.get("Authorization") != WANTED:
            self.answer(401)
        elif self.command in ("POST", "PUT"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sent)
            self.answer(200)
        elif path.is_file():
            self.answer(200, path.read_bytes())
        else:
            self.answer(404)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def log_message(self, *_) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
