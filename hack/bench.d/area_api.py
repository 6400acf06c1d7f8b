# SPDX-License-Identifier: Apache-2.0
"""The embedded API beside kube-apiserver with etcd, under the same load: TLS, kept connections, durable writes."""
import pathlib
import subprocess

from rig import ROOT, BenchError, Fairlead, Kube, cpu_of, memory_of, rotated

STEPS = ("requests", "list", "watch")
SECONDS = 2
N_LIST = 6000
WATCHERS, WRITERS, UPDATES = 100, 4, 1000
OURS, THEIRS = "fairlead", "kube-apiserver + etcd"


class Server:
    """pids: the processes that are the server. Its ConfigMaps are made in namespaces of the bench."""

    def __init__(self, rig, name, kubeconfig, pids, stop):
        self.rig, self.name, self.pids, self.stop = rig, name, pids, stop
        self.kube = Kube(kubeconfig)
        self.ca, self.token = rig.disk / rig.name("ca"), rig.disk / rig.name("token")
        self.ca.write_bytes(self.kube.ca)
        self.token.write_text(self.kube.token)
        self.token.chmod(0o600)
        self.empty_mib = self.rss()

    def rss(self):
        return sum(memory_of(p)[0] for p in self.pids)

    def namespace(self):
        name = self.rig.name("bench")
        self.kube.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def load(self, *args):
        """The server's own CPU stands beside what the generator saw: the two share the machine."""
        cpu = sum(cpu_of(p) for p in self.pids)
        got = self.rig.program("bench_api", self.kube.url, self.ca, self.token, *args)
        got["cpu_s"] = sum(cpu_of(p) for p in self.pids) - cpu
        done = got.get("events") or got["requests"]
        got["cpu_us_each"] = got["cpu_s"] / done * 1e6
        return got


def start_fairlead(rig):
    fl = Fairlead(rig)
    return Server(rig, OURS, fl.kubeconfig, [fl.pid], fl.stop)


def start_peer(rig):
    script, folder = ROOT / "tests/peers/kube-apiserver.sh", rig.disk / "api-peer"

    def stop():
        subprocess.run([script, "stop", folder], capture_output=True)
    rig.stack.callback(stop)
    got = subprocess.run([script, "start", folder], capture_output=True, text=True)
    if got.returncode != 0:
        raise BenchError(got.stderr.strip())
    pids = [int(pathlib.Path(folder, f"{n}.pid").read_text()) for n in ("kube-apiserver", "etcd")]
    return Server(rig, THEIRS, folder / "kubeconfig", pids, stop)


def rounds(report, title, servers, count, one):
    samples = {s.name: [] for s in servers}
    broken = set()
    for r in range(count):
        for server in rotated(servers, r):
            if server.name in broken:
                continue
            try:
                samples[server.name].append(one(server))
            except (BenchError, OSError) as e:
                broken.add(server.name)
                report.failed(title, server.name, e)
    return samples


def three_times(report, work, m, aim):
    theirs = m.get(THEIRS, {}).get("rate")
    report.at_least(work, aim, m.get(OURS, {}).get("rate"), theirs and 3 * theirs, "/s")


REQUESTS = [("per s", "rate"), ("p50 ms", "p50_ms"), ("p99 ms", "p99_ms"), ("server CPU us each", "cpu_us_each"),
            ("client CPU s", "client_cpu_s"), ("wall s", "wall_s")]
AIM = "3 times kube-apiserver + etcd"


def requests(rig, report, servers, runs):
    for clients in (1, 16):
        title = f"Creates of small ConfigMaps, durable, {clients} client{'s' if clients > 1 else ''}"
        m = report.work("api", title, rounds(report, title, servers, runs, lambda s: s.load(
            "create", s.namespace(), "it", clients, SECONDS, 0)), REQUESTS)
        three_times(report, f"API creates, {clients} client(s)", m, AIM)
    spaces = {}
    for server in servers:
        spaces[server.name] = server.namespace()
        server.load("create", spaces[server.name], "it", 16, 60, 500)
    for clients in (1, 16):
        title = f"Gets of small ConfigMaps, {clients} client{'s' if clients > 1 else ''}"
        m = report.work("api", title, rounds(report, title, servers, runs, lambda s: s.load(
            "get", spaces[s.name], "it", clients, SECONDS, 500)), REQUESTS)
        three_times(report, f"API gets, {clients} client(s)", m, AIM)


def lists(rig, report, servers, runs):
    title = f"List of {N_LIST:,} small ConfigMaps in one answer"
    spaces = {}
    for server in servers:
        spaces[server.name] = server.namespace()
        server.load("create", spaces[server.name], "it", 16, 120, N_LIST)
    m = report.work("api", title, rounds(report, title, servers, runs, lambda s: s.load("list", spaces[s.name], 5)),
                    [("ms", "ms"), ("bytes", "bytes"), ("server CPU us each", "cpu_us_each")])
    theirs = m.get(THEIRS, {}).get("ms")
    report.at_most(f"API list of {N_LIST:,}", "a third of the time of kube-apiserver + etcd", m.get(OURS, {}).get("ms"),
                   theirs and theirs / 3, " ms")


def watch(rig, report, servers, runs):
    title = f"Watch fan-out: {WATCHERS} watchers, {WRITERS} writers, {UPDATES:,} updates"
    spaces = {}
    for server in servers:
        spaces[server.name] = server.namespace()
        server.load("create", spaces[server.name], "it", 1, 60, WRITERS)
    m = report.work("api", title, rounds(report, title, servers, min(runs, 3), lambda s: s.load(
        "watch", spaces[s.name], "it", WATCHERS, WRITERS, UPDATES)),
        [("events per s", "rate"), ("writes per s", "writes_per_s"), ("server CPU us each", "cpu_us_each"),
         ("client CPU s", "client_cpu_s"), ("wall s", "wall_s")])
    three_times(report, f"API watch, {WATCHERS} watchers", m, AIM)


def memory(report, servers):
    title = "Memory of the servers: empty, and after all of the above"
    m = report.work("api", title, {s.name: [{"empty_mib": s.empty_mib, "rss_mib": s.rss()}] for s in servers},
                    [("empty MiB", "empty_mib"), ("after MiB", "rss_mib")])
    for key, when in (("empty_mib", "empty"), ("rss_mib", "after the load")):
        theirs = m.get(THEIRS, {}).get(key)
        report.at_most(f"API memory, {when}", "a tenth of kube-apiserver + etcd", m.get(OURS, {}).get(key),
                       theirs and theirs / 10, " MiB")


def measure(rig, report, runs, only):
    servers = [start_fairlead(rig)]
    if rig.has("kube-apiserver", "etcd"):
        try:
            servers.append(start_peer(rig))
        except BenchError as e:
            report.failed("api", THEIRS, e)
    for name in only:
        try:
            {"requests": requests, "list": lists, "watch": watch}[name](rig, report, servers, runs)
        except (BenchError, OSError) as e:
            report.failed(name, "preparing it", e)
    memory(report, servers)
    for server in servers:
        server.stop()
