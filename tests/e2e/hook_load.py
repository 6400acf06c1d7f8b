# SPDX-License-Identifier: Apache-2.0
"""Many deliveries and many streams, for e2e_hook.sh.
  burst PORT TOTAL SECONDS FILE      TOTAL deliveries as Gitea signs them, evenly over SECONDS, to the rows "PATH SECRET URL" of FILE in turn;
                                     prints "STATUS COUNT" lines
  streams PORT FILE COUNT [ADDRESS]  opens /events COUNT times with the header in FILE and keeps them; each says that it comes for another
                                     address, or all for ADDRESS ("-": none is said). Prints "STATUS COUNT" lines, holds until its input ends
  reload PORT FILE COUNT SECONDS     opens /events, waits for the first event, goes away; prints "STATUS COUNT" lines
"""
import collections
import hashlib
import hmac
import http.client
import json
import socket
import sys
import threading
import time

THREADS = 8


def tell(counts):
    for status, count in sorted(counts.items()):
        print(status, count, flush=True)


def burst(port, total, seconds, file):
    with open(file, encoding="ascii") as f:
        rows = [line.split() for line in f]
    counts, lock, began = collections.Counter(), threading.Lock(), time.monotonic()

    def send(first):
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for i in range(first, total, THREADS):
            path, secret, url = rows[i % len(rows)]
            body = json.dumps({"ref": "refs/heads/main", "after": f"{i:040x}", "repository": {"clone_url": url}}).encode()
            said = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            time.sleep(max(0, began + i * seconds / total - time.monotonic()))
            conn.request("POST", path, body, {"Content-Type": "application/json", "X-Gitea-Event": "push",
                                              "X-Gitea-Delivery": f"burst-{i}", "X-Gitea-Signature": said})
            answer = conn.getresponse()
            answer.read()
            with lock:
                counts[answer.status] += 1

    threads = [threading.Thread(target=send, args=(i,)) for i in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tell(counts)
    print("seconds", round(time.monotonic() - began))


def open_stream(port, header, address):
    """The socket and the status; when that is 200, the first event has come."""
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    forwarded = f"X-Forwarded-For: {address}\r\n" if address else ""
    s.sendall(f"GET /events HTTP/1.1\r\nHost: x\r\n{header}\r\n{forwarded}\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got or (b" 200 " in got[:13] and b"event: connected" not in got):
        more = s.recv(4096)
        if not more:
            break
        got += more
    return s, int(got[9:12] or b"0")


def streams(port, file, count, address=None):
    with open(file, encoding="ascii") as f:
        header = f.read().strip()
    counts, kept = collections.Counter(), []
    for i in range(count):
        said = f"198.51.{i // 250}.{i % 250 + 1}" if address is None else "" if address == "-" else address
        s, status = open_stream(port, header, said)
        kept.append(s)
        counts[status] += 1
    tell(counts)
    print("open", flush=True)
    sys.stdin.read()


def reload(port, file, count, seconds):
    with open(file, encoding="ascii") as f:
        header = f.read().strip()
    counts, began = collections.Counter(), time.monotonic()
    for i in range(count):
        time.sleep(max(0, began + i * seconds / count - time.monotonic()))
        s, status = open_stream(port, header, "")
        s.close()
        counts[status] += 1
    tell(counts)


def main():
    what, port, *rest = sys.argv[1:]
    if what == "burst":
        burst(int(port), int(rest[0]), float(rest[1]), rest[2])
    elif what == "streams":
        streams(int(port), rest[0], int(rest[1]), *rest[2:])
    elif what == "reload":
        reload(int(port), rest[0], int(rest[1]), float(rest[2]))


main()
