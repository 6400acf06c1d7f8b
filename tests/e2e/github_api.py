#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""As much of GitHub's REST API as an App needs to sign in, beneath /api/v3 as on an Enterprise Server. It believes nothing: the
App's JWT is verified by openssl with the public key, and its times by the rules of docs.github.com ("Generating a JSON Web Token
(JWT) for a GitHub App"). The token that was issued last is the password of x-access-token in an htpasswd file, where the git
server looks. Each request is a line in a log: method, path, status, and why.

usage: github_api.py DIR PORT
DIR has ca-signed tls.crt and tls.key, app.pub (the App's public key), app.htpasswd (written), app.log (written), and may have
app.status: a status that is answered instead of tokens, with the words behind it.
"""
import base64
import datetime
import http.server
import json
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import threading
import time

APP = "4711"
INSTALLATIONS = {"77": ("orgs", "acme"), "78": ("users", "robot")}
LOCK = threading.Lock()


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check_signature(folder, signed, signature):
    with tempfile.NamedTemporaryFile() as f:
        f.write(signature)
        f.flush()
        done = subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", folder + "/app.pub", "-signature", f.name],
            input=signed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Refused(401, "A JSON web token could not be decoded")


def check_jwt(folder, authorization):
    scheme, _, jwt = authorization.partition(" ")
    parts = jwt.split(".")
    if scheme != "Bearer" or len(parts) != 3:
        raise Refused(401, "A JSON web token could not be decoded")
    try:
        head, claims = json.loads(decode(parts[0])), json.loads(decode(parts[1]))
        signature = decode(parts[2])
    except ValueError as e:
        raise Refused(401, "A JSON web token could not be decoded") from e
    if "=" in jwt or head != {"alg": "RS256", "typ": "JWT"}:
        raise Refused(401, "A JSON web token could not be decoded")
    check_signature(folder, (parts[0] + "." + parts[1]).encode(), signature)
    now = time.time()
    if set(claims) != {"iat", "exp", "iss"} or not all(isinstance(claims[k], int) for k in ("iat", "exp")):
        raise Refused(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
    if claims["iat"] > now:
        raise Refused(401, "'Issued at' claim ('iat') is in the future")
    if not now < claims["exp"] <= now + 600:
        raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
    if str(claims["iss"]) != APP:
        raise Refused(404, "Integration not found")


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = ""

    def check_headers(self):
        # "Request forbidden by administrative rules": GitHub takes no request without a User-Agent.
        if not self.headers.get("User-Agent"):
            raise Refused(403, "Please make sure your request has a User-Agent header")
        if self.headers.get("Accept") != "application/vnd.github+json":
            raise Refused(415, "Unsupported 'Accept' header")
        if self.headers.get("X-GitHub-Api-Version") != "2022-11-28":
            raise Refused(400, "'X-GitHub-Api-Version' is not supported")

    def check_status(self):
        try:
            with open(self.folder + "/app.status", encoding="utf-8") as f:
                status, _, message = f.read().strip().partition(" ")
        except FileNotFoundError:
            return
        raise Refused(int(status), message)

    def issue(self):
        token = "ghs_" + secrets.token_hex(18)
        with open(self.folder + "/app.htpasswd.new", "w", encoding="utf-8") as f:
            f.write("x-access-token:{PLAIN}" + token + "\n")
        os.rename(self.folder + "/app.htpasswd.new", self.folder + "/app.htpasswd")
        with open(self.folder + "/app.tokens", "a", encoding="utf-8") as f:
            f.write(token + "\n")
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        return 201, {"token": token, "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ"), "permissions": {"contents": "write"}}

    def installation(self, kind, owner):
        for number, who in INSTALLATIONS.items():
            if who == (kind, owner):
                return 200, {"id": int(number), "account": {"login": owner}}
        raise Refused(404, "Not Found")

    def answer(self, method):
        self.check_headers()
        self.check_status()
        check_jwt(self.folder, self.headers.get("Authorization", ""))
        part = self.path.split("/")
        if method == "POST" and self.path.startswith("/api/v3/app/installations/") and part[6:] == ["access_tokens"]:
            if part[5] in INSTALLATIONS:
                return self.issue()
        elif method == "GET" and len(part) == 6 and part[:3] == ["", "api", "v3"] and part[5] == "installation":
            return self.installation(part[3], part[4])
        raise Refused(404, "Not Found")

    def serve(self, method):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with LOCK:
            why = "-"
            try:
                status, body = self.answer(method)
            except Refused as e:
                status, body = e.status, {"message": e.message, "documentation_url": "https://docs.github.com/rest"}
                why = e.message
            with open(self.folder + "/app.log", "a", encoding="utf-8") as f:
                f.write(f"{method} {self.path} {status} {why}\n")
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):  # noqa: N802
        self.serve("GET")

    def do_POST(self):  # noqa: N802
        self.serve("POST")

    def log_message(self, *_):
        pass


def main():
    Api.folder, port = sys.argv[1], int(sys.argv[2])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Api)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Api.folder + "/tls.crt", Api.folder + "/tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main()
