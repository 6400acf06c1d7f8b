#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Git LFS server for downloads, behind nginx (which does TLS and asks who it is). Source: git-lfs docs/api/batch.md,
basic-transfers.md. Each request is a line in a log: method, path, status, user of Authorization.

usage: lfs_server.py DIR PORT URL
DIR has lfs/OID (the objects' contents), lfs.log (written), and may have lfs.status: a status that batches are answered with,
with the words behind it. URL: where objects are downloaded from, which comes back here as /objects/OID.
"""
import base64
import http.server
import json
import os
import secrets
import sys

MEDIA = "application/vnd.git-lfs+json"
KEY = secrets.token_hex(8)  # only who was told by a batch may download


class Lfs(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder, url = "", ""

    def say(self, status, body, kind=MEDIA):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        user = base64.b64decode(self.headers.get("Authorization", "").partition(" ")[2] or "LTo=").partition(b":")[0].decode()
        with open(self.folder + "/lfs.log", "a", encoding="utf-8") as f:
            f.write(f"{self.command} {self.path} {status} {user}\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def one(self, wanted):
        oid = wanted["oid"]
        if not oid.isalnum() or not os.path.exists(f"{self.folder}/lfs/{oid}"):
            return {**wanted, "error": {"code": 404, "message": "Object does not exist"}}
        action = {"href": f"{self.url}/objects/{oid}", "header": {"X-Key": KEY}, "expires_in": 600}
        return {**wanted, "authenticated": True, "actions": {"download": action}}

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            with open(self.folder + "/lfs.status", encoding="utf-8") as f:
                status, _, message = f.read().strip().partition(" ")
            return self.say(int(status), {"message": message})
        except FileNotFoundError:
            pass
        if not self.path.endswith("/info/lfs/objects/batch") or MEDIA not in self.headers.get("Accept", ""):
            return self.say(404, {"message": "Not found"})
        batch = json.loads(body)
        if batch["operation"] != "download" or "basic" not in batch.get("transfers", ["basic"]):
            return self.say(422, {"message": "only downloads"})
        return self.say(200, {"transfer": "basic", "objects": [self.one(o) for o in batch["objects"]]})

    def do_GET(self):  # noqa: N802
        oid = self.path.rpartition("/")[2]
        if self.headers.get("X-Key") != KEY or not oid.isalnum():
            return self.say(403, {"message": "not told by a batch"})
        with open(f"{self.folder}/lfs/{oid}", "rb") as f:
            return self.say(200, f.read(), "application/octet-stream")

    def log_message(self, *_):
        pass


def main():
    Lfs.folder, Lfs.url = sys.argv[1], sys.argv[3]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Lfs)
    server.daemon_threads = True
    server.serve_forever()


main()
