"""A service without a line of authentication: it lists projects, and takes new ones.

nginx in front of it asks Maestro Auth who may come in, so it must be reachable by nginx only: it listens on loopback.
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROJECTS = ["alpha", "beta"]


class Projects(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            self.answer(200, {"status": "healthy"})
        elif self.path == "/projects":
            # The one thing it may know of authentication: nginx says in this header who asks.
            self.answer(200, {"projects": PROJECTS, "asked_by": self.headers["X-Auth-Email"]})
        elif self.path == "/admin/report":
            self.answer(200, {"projects": len(PROJECTS)})
        else:
            self.answer(404, {"error": "there is no such page"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/projects":
            PROJECTS.append(json.loads(body)["name"])
            self.answer(201, {"projects": PROJECTS})
        else:
            self.answer(404, {"error": "there is no such page"})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    address = ("127.0.0.1", int(os.environ.get("PORT", "9000")))
    ThreadingHTTPServer(address, Projects).serve_forever()
