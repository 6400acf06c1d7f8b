# SPDX-License-Identifier: Apache-2.0
"""The steps of the area mirror that come in by HTTP: webhooks and live events."""
import hashlib
import hmac
import http.client
import json
import select
import subprocess
import threading
import time

from rig import BIN, MIB, BenchError, free_port, memory_of
from rig_git import MIRRORS, Mirrors, Rest, child_faults, tree_cpu

N_HOOKED, SPACING_S, PATIENCE_S = 50, 0.1, 60
RATE, SECONDS, CLIENTS = 500, 10, 16
N_LIVE, N_CHANGES = 512, 5
SECRET = "not-a-secret-of-anybody"


def at(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


# ---- webhooks ----

class Hooked:
    """Mirrors with a webhook each, of repositories that are no other's."""

    def __init__(self, rig, server, count, updates):
        self.port = free_port()
        self.mirrors = Mirrors(rig, server, "--web-listen", f"127.0.0.1:{self.port}")
        self.mirrors.secret("hook", {"token": SECRET})
        self.sources = [server.source(f"hooked-{i}", refs=10, commits=10, updates=updates) for i in range(count)]
        for i, source in enumerate(self.sources):
            self.mirrors.create(f"hooked-{i}", source.url, webhook={"type": "gitea", "secretRef": {"name": "hook"}})
        self.mirrors.wait_all(count, 300)
        status = [self.mirrors.get(f"hooked-{i}")["status"] for i in range(count)]
        self.paths = [s["path"] for s in status]
        self.hooks = [s["webhookPath"] for s in status]

    def deliver(self, i, oid):
        """One signed delivery; returns when it was sent and how long its acknowledgement took."""
        body = json.dumps({"ref": "refs/heads/main", "after": oid, "repository": {"clone_url": self.sources[i].url}}).encode()
        said = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        began = time.monotonic()
        conn.request("POST", self.hooks[i], body, {"Content-Type": "application/json", "X-Gitea-Event": "push",
                                                   "X-Gitea-Delivery": oid, "X-Gitea-Signature": said})
        status = conn.getresponse().status
        took = time.monotonic() - began
        conn.close()
        if status != 202:
            raise BenchError(f"a delivery was answered with {status}")
        return began, took


class Arrivals(threading.Thread):
    """Looks at the files of refs, as a reader of the mirror would, every 2 ms until all have what they should have."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lock, self.wanted, self.seen = threading.Lock(), {}, {}
        self.closed = False

    def want(self, i, file, oid):
        with self.lock:
            self.wanted[i] = (file, oid)

    def run(self):
        end = time.monotonic() + PATIENCE_S + N_HOOKED
        while time.monotonic() < end:
            with self.lock:
                waiting = dict(self.wanted)
            if not waiting and self.closed:
                return
            for i, (file, oid) in waiting.items():
                if self.has(file, oid):
                    self.seen[i] = time.monotonic()
                    with self.lock:
                        del self.wanted[i]
            time.sleep(0.002)

    @staticmethod
    def has(file, oid):
        try:
            with open(file, encoding="ascii") as f:
                return f.read(40) == oid
        except OSError:
            return False


def arrivals(hooked):
    """Each repository gets a commit, and a delivery says so; one repository after the other."""
    watcher = Arrivals()
    watcher.start()
    sent, acknowledged = {}, []
    rest, cpu = Rest(), tree_cpu(hooked.mirrors.pid)
    for i, source in enumerate(hooked.sources):
        oid = source.next()
        watcher.want(i, f"{hooked.paths[i]}/refs/heads/main", oid)
        sent[i], took = hooked.deliver(i, oid)
        acknowledged.append(took)
        time.sleep(SPACING_S)
    watcher.closed = True
    watcher.join()
    if len(watcher.seen) != len(sent):
        raise BenchError(f"{len(sent) - len(watcher.seen)} of {len(sent)} mirrors did not follow within {PATIENCE_S} s")
    cpu = tree_cpu(hooked.mirrors.pid) - cpu
    late = sorted(watcher.seen[i] - sent[i] for i in sent)
    return {"p50_s": at(late, 0.5), "p99_s": at(late, 0.99), "ack_ms": at(sorted(acknowledged), 0.5) * 1e3,
            "cpu_ms": cpu / len(sent) * 1e3, **rest.took(cpu)}


def burst(rig, server, hooked, how):
    """A generator's deliveries at a fixed rate; nothing has changed at the remote, so each look finds nothing."""
    listed = rig.disk / rig.name("hooks")
    listed.write_text("".join(f"{path} {SECRET} {source.url}\n" for path, source in zip(hooked.hooks, hooked.sources)))
    mark, faults = server.mark(), child_faults(hooked.mirrors.pid)
    rest, cpu = Rest(), tree_cpu(hooked.mirrors.pid)
    got = rig.program("bench_hook", hooked.port, RATE, SECONDS, CLIENTS, how, listed)
    cpu = tree_cpu(hooked.mirrors.pid) - cpu
    took = rest.took(cpu)
    time.sleep(4)  # what was put off until the burst is over
    if got["broken"] or got["refused"]:
        raise BenchError(f"of {got['sent']} deliveries {got['refused']} were refused, {got['broken']} broke off")
    return dict(got, cpu_us=cpu / got["sent"] * 1e6, polls=len(server.since(mark)),
                processes=int(child_faults(hooked.mirrors.pid) != faults), rss_mib=memory_of(hooked.mirrors.pid)[0], **took)


def webhook(rig, report, server, runs):
    hooked = Hooked(rig, server, N_HOOKED, runs)
    with hooked.mirrors:
        late = [arrivals(hooked) for _ in range(runs)]
        time.sleep(5)  # what follows a fetch is not counted as the burst's
        bursts = {f"{how} connections": [burst(rig, server, hooked, how) for _ in range(runs)] for how in ("kept", "new")}
    title = f"From a webhook to the ref on disk, {N_HOOKED} mirrors one after the other (with the wait for quiet)"
    report.work("mirror", title, {"fairlead": late}, [
        ("p50 s", "p50_s"), ("p99 s", "p99_s"), ("ack ms", "ack_ms"), ("CPU ms each", "cpu_ms"),
        ("rest of machine %", "rest_percent")])
    title = f"{RATE} signed webhooks a second for {SECONDS} s, for {N_HOOKED} mirrors, from {CLIENTS} clients"
    m = report.work("mirror", title, bursts, [
        ("per s", "rate"), ("p50 ms", "p50_ms"), ("p99 ms", "p99_ms"), ("max ms", "max_ms"), ("overslept p99", "overslept_p99_ms"),
        ("CPU us each", "cpu_us"),
        ("polls", "polls"), ("processes", "processes"), ("RSS MiB", "rss_mib"), ("rest of machine %", "rest_percent")])
    for how, took in m.items():
        report.at_most(f"webhook acknowledged, {how}", f"p99 under 5 ms at {RATE}/s", took["p99_ms"], 5, " ms")


# ---- live events ----

class Clients:
    """bench_live: all its clients, and what it says of them."""

    def __init__(self, rig, port, token, count):
        file = rig.disk / rig.name("token")
        file.touch(0o600)
        file.write_text(token)
        self.popen = subprocess.Popen([BIN / "hack/bench_live", str(port), file, "kind=GitMirror", str(count), "refresh"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        rig.stack.callback(self.close)
        self.line()

    def line(self):
        ready, _, _ = select.select([self.popen.stdout], [], [], PATIENCE_S)
        text = self.popen.stdout.readline() if ready else ""
        if not text:
            self.popen.kill()
            raise BenchError(f"the clients of live events: {self.popen.stderr.read().strip() or 'nothing came'}")
        return text

    def close(self):
        if self.popen.poll() is None:
            self.popen.stdin.close()
            self.popen.wait(20)


def one_change(mirrors, source, clients):
    """A commit, and a request to look: from the PATCH to the last client, and from the first client to the last."""
    source.next()
    rest, cpu = Rest(), tree_cpu(mirrors.pid)
    began = time.monotonic()
    mirrors.kube.patch(f"{MIRRORS}/live", {"metadata": {"annotations": {"fairlead.dev/requested-at": str(began)}}})
    told = json.loads(clients.line())
    cpu = tree_cpu(mirrors.pid) - cpu
    took = rest.took(cpu)
    time.sleep(0.5)
    return {"all_ms": (told["last"] - began) * 1e3, "spread_ms": (told["last"] - told["first"]) * 1e3,
            "cpu_ms": cpu * 1e3, **took}


def streams(rig, server, source, count):
    port = free_port()
    with Mirrors(rig, server, "--web-listen", f"127.0.0.1:{port}") as mirrors:
        mirrors.create("live", source.url)
        mirrors.wait("live")
        source.next()
        mirrors.request("live")  # what a first change leaves on the heap is not the clients'
        time.sleep(1)
        empty = memory_of(mirrors.pid)[0]
        clients = Clients(rig, port, mirrors.kube.token, count)
        runs = [one_change(mirrors, source, clients) for _ in range(N_CHANGES)]
        grown = memory_of(mirrors.pid)[0] - empty
        clients.close()
        for r in runs:
            r["kib_each"] = grown * MIB / 1024 / count
        return runs


def sse(rig, report, server, runs):
    """A new process each time: what earlier clients left on the heap would count as free."""
    source = server.source("live", refs=10, commits=10, updates=2 * runs * (N_CHANGES + 1))
    samples = {"1 client": [], f"{N_LIVE} clients": []}
    for _ in range(runs):
        samples["1 client"] += streams(rig, server, source, 1)
        samples[f"{N_LIVE} clients"] += streams(rig, server, source, N_LIVE)
    for took in samples["1 client"]:
        took["kib_each"] = None  # a page more or less says nothing of one
    report.work("mirror", "One changed ref, told to clients of live events", samples, [
        ("PATCH to all ms", "all_ms"), ("first to last ms", "spread_ms"), ("CPU ms", "cpu_ms"), ("KiB a client", "kib_each"),
        ("rest of machine %", "rest_percent")])
