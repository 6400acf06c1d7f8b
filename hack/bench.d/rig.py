# SPDX-License-Identifier: Apache-2.0
"""What the areas of the bench share: programs run and measured, registries, images, the Kubernetes API."""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build/release"
GROUP = "/apis/fairlead.dev/v1alpha1/namespaces/default"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MIB = 1 << 20


class BenchError(Exception):
    """Ends one measurement with a reason in words."""


def median(values):
    return statistics.median(values)


def rotated(things, by):
    """Each round begins with another one, so that nobody is always first or last."""
    by %= len(things)
    return things[by:] + things[:by]


# ---- processes ----

def cpu_of(pid):
    """CPU seconds of another process, all its threads, in nanoseconds where /proc/PID/stat has ticks of 10 ms.
    The clock id is that of clock_getcpuclockid(3): the complement of the pid above three bits, 2 = CPUCLOCK_SCHED."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_of(pid):
    """VmRSS and VmHWM in MiB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M)[1]) / 1024 for key in ("VmRSS", "VmHWM"))


def private_of(pid):
    """MiB that are this process's alone: without the pages of programs and libraries, which others share."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Private_Dirty:\s+(\d+) kB", text, re.M)[1]) / 1024


def forget_peak(pid):
    """Sets VmHWM back to what is resident now (proc(5), clear_refs 5)."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def machine_busy():
    """CPU seconds that the whole machine has spent."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq, steal = (int(f) for f in fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Beside:
    """What the servers beside a tool used while it ran, and which share of the machine went to others than them, the
    tool and this script."""

    def __init__(self, pids):
        self.pids = pids
        self.wall, self.busy = time.monotonic(), machine_busy()
        self.servers, self.script = self._servers(), time.process_time()

    def _servers(self):
        return sum(cpu_of(p) for p in self.pids)

    def took(self, tool_cpu):
        wall, servers = time.monotonic() - self.wall, self._servers() - self.servers
        other = machine_busy() - self.busy - servers - (time.process_time() - self.script) - tool_cpu
        return {"servers_cpu_s": servers, "other_percent": max(0.0, 100 * other / (wall * os.cpu_count()))}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(seconds, what, probe, pause=0.02):
    end = time.monotonic() + seconds
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > end:
            raise BenchError(f"gave up after {seconds} s waiting for {what}")
        time.sleep(pause)


class Process:
    """A program that stays until it is stopped; its output goes to a file."""

    def __init__(self, argv, log, env=None):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                          start_new_session=True)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def check(self):
        if not self.alive():
            tail = pathlib.Path(self.log).read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.popen.args[0]} ended with {self.popen.returncode}:\n{tail}")

    def stop(self):
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Rig:
    """One run of the bench: its folders, its tools, what it cleans up."""

    def __init__(self, with_peers):
        self.stack = contextlib.ExitStack()
        disk = ROOT / "build/bench"
        disk.mkdir(parents=True, exist_ok=True)
        self.disk = pathlib.Path(tempfile.mkdtemp(prefix="run.", dir=disk))
        self.stack.callback(shutil.rmtree, self.disk, ignore_errors=True)
        # Registries keep their files in memory where there is room: a disk that writes back what one tool copied
        # would slow down the next one.
        shm = pathlib.Path("/dev/shm")
        self.in_memory = shm.is_dir() and shutil.disk_usage(shm).free > 4 << 30
        if self.in_memory:
            self.fast = pathlib.Path(tempfile.mkdtemp(prefix="fairlead-bench.", dir=shm))
            self.stack.callback(shutil.rmtree, self.fast, ignore_errors=True)
        else:
            self.fast = self.disk
        self.serial = 0
        self.missing = {}
        self.tools = {}
        self._find("docker-registry", shutil.which("docker-registry"), "not installed")
        self._find("skopeo", shutil.which("skopeo"), "not installed")
        for peer in ("regsync", "crane", "etcd", "kube-apiserver"):
            if not with_peers:
                self.missing[peer] = "not asked for (--peers)"
                continue
            got = subprocess.run([ROOT / "hack/peers", "path", peer], capture_output=True, text=True)
            self._find(peer, got.stdout.strip(), got.stderr.strip())
        self.env = dict(os.environ, HOME=str(self.disk), XDG_CONFIG_HOME=str(self.disk), NO_PROXY="*", no_proxy="*")
        for name in ("KUBECONFIG", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"):
            self.env.pop(name, None)

    def _find(self, name, path, reason):
        if path:
            self.tools[name] = path
        else:
            self.missing[name] = reason

    def close(self):
        self.stack.close()

    def name(self, prefix):
        self.serial += 1
        return f"{prefix}-{self.serial}"

    def has(self, *names):
        return all(n in self.tools for n in names)

    def run(self, *argv, beside=(), ready=None):
        """Runs a program to its end, or until the URL `ready` answers 200; wall, CPU and peak RSS of its own process."""
        out = self.disk / self.name("usage")
        log = self.disk / self.name("log")
        others = Beside(beside)
        with open(log, "wb") as f:
            until = ["--ready", ready] if ready else []
            rc = subprocess.run([BIN / "hack/bench_run", *until, out, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=f,
                                stderr=f, env=self.env).returncode
        if rc != 0:
            raise BenchError(f"{pathlib.Path(argv[0]).name} failed: {log.read_text(errors='replace')[-1500:]}")
        usage = json.loads(out.read_text())
        return {"wall_s": usage["wall_s"], "cpu_s": usage["cpu_s"], "rss_mib": usage["rss_kib"] / 1024,
                "ready_s": usage["ready_s"], **others.took(usage["cpu_s"])}

    def program(self, name, *argv):
        """Runs one of the bench's own programs; what it prints is its result."""
        got = subprocess.run([BIN / "hack" / name, *map(str, argv)], capture_output=True, text=True, env=self.env)
        if got.returncode != 0:
            raise BenchError(f"{name}: {got.stderr.strip()}")
        return json.loads(got.stdout)

    def server(self, name, *argv):
        """Starts one of the bench's own servers, which print their port."""
        log = self.disk / self.name(name)
        process = Process([BIN / "hack" / name, *map(str, argv)], log)
        self.stack.callback(process.stop)
        port = int(wait_for(10, name, lambda: process.check() or log.read_text().strip()))
        return process, port


# ---- registries ----

class Registry:
    """Debian's docker-registry, empty, with its access log."""

    def __init__(self, rig, name):
        self.dir = rig.fast / rig.name(name)
        self.dir.mkdir()
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.log = self.dir / "log"
        conf = self.dir / "conf.yml"
        conf.write_text(f"""version: 0.1
log: {{level: error, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {self.dir}/data, maxthreads: 100}}, delete: {{enabled: true}}}}
http: {{addr: "{self.host}", secret: not-a-secret-of-anybody}}
""")
        self.process = Process([rig.tools["docker-registry"], "serve", conf], self.log)
        rig.stack.callback(self.stop)
        self.pid = self.process.pid
        wait_for(20, "a registry", self._answers)

    def _answers(self):
        self.process.check()
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/v2/")[0] == 200

    def ask(self, method, path, body=None, headers=None):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            conn.request(method, path, body, headers or {})
            answer = conn.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            conn.close()

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def push_blob(self, repo, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        status, headers, _ = self.ask("POST", f"/v2/{repo}/blobs/uploads/")
        url = urllib.parse.urlsplit(headers["Location"])
        status, _, _ = self.ask("PUT", f"{url.path}?{url.query}&digest={digest}", data,
                                {"Content-Type": "application/octet-stream"})
        if status != 201:
            raise BenchError(f"the source registry refused a blob with {status}")
        return {"digest": digest, "size": len(data)}

    def push_image(self, repo, tag, layers, note):
        """layers: what push_blob returned."""
        config = self.push_blob(repo, json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Labels": {"note": note}},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}).encode())
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": dict(config, mediaType="application/vnd.oci.image.config.v1+json"),
            "layers": [dict(layer, mediaType="application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers],
        }).encode()
        status, headers, _ = self.ask("PUT", f"/v2/{repo}/manifests/{tag}", manifest, {"Content-Type": MANIFEST})
        if status != 201:
            raise BenchError(f"the source registry refused a manifest with {status}")
        return headers["Docker-Content-Digest"]

    def digest(self, repo, tag):
        status, headers, _ = self.ask("HEAD", f"/v2/{repo}/manifests/{tag}", headers={"Accept": MANIFEST})
        return headers["Docker-Content-Digest"] if status == 200 else None

    def lines(self):
        """(method, target, status) of each request so far; the line is written when its answer is."""
        seen = -1
        while True:
            text = self.log.read_text(errors="replace")
            if len(text) == seen:
                break
            seen = len(text)
            time.sleep(0.1)
        return [(m[1], m[2], int(m[3])) for m in re.finditer(r'"([A-Z]+) (\S+) HTTP/1\.[01]" (\d+)', text)]


def gzip_like(size):
    """Random bytes as gzip shows them to who only looks at the beginning: stored blocks, not compressible again."""
    out = bytearray(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
    room = size - len(out) - 8
    while room > 5:
        n = min(65535, room - 5)
        out += bytes([1 if room - 5 - n <= 5 else 0]) + n.to_bytes(2, "little") + (n ^ 0xFFFF).to_bytes(2, "little")
        out += os.urandom(n)
        room -= n + 5
    return bytes(out + os.urandom(size - len(out)))


# ---- the Kubernetes API ----

class Kube:
    """As much of a client as the bench needs; a kubeconfig of one context, as fairlead and the peers' script write it."""

    def __init__(self, kubeconfig):
        text = pathlib.Path(kubeconfig).read_text()
        self.url = re.search(r"server: (\S+)", text)[1]
        self.token = re.search(r"token: (\S+)", text)[1]
        self.ca = base64.b64decode(re.search(r"certificate-authority-data: (\S+)", text)[1])
        self.context = ssl.create_default_context(cadata=self.ca.decode())
        self.conn = None

    def _connect(self):
        url = urllib.parse.urlsplit(self.url)
        return http.client.HTTPSConnection(url.hostname, url.port, timeout=120, context=self.context)

    def _headers(self, kind):
        return {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}

    def ask(self, method, path, body=None, kind="application/json", ok=(200, 201)):
        if self.conn is None:
            self.conn = self._connect()
        try:
            self.conn.request(method, path, json.dumps(body) if body is not None else None, self._headers(kind))
            answer = self.conn.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.conn.close()
            self.conn = None
            raise
        if answer.status not in ok:
            raise BenchError(f"{method} {path}: {answer.status} {text[:600].decode(errors='replace')}")
        return json.loads(text) if text[:1] == b"{" else {}

    def patch(self, path, body):
        return self.ask("PATCH", path, body, "application/merge-patch+json")

    def watch(self, path, name, rv):
        """Opens a watch of one object; returns an iterator over its states."""
        conn = self._connect()
        query = urllib.parse.urlencode({"watch": "true", "fieldSelector": f"metadata.name={name}",
                                        "resourceVersion": rv, "timeoutSeconds": 300})
        conn.request("GET", f"{path}?{query}", headers=self._headers("application/json"))
        answer = conn.getresponse()
        if answer.status != 200:
            raise BenchError(f"watch {path}: {answer.status} {answer.read()[:600]}")

        def states():
            try:
                while line := answer.readline():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise BenchError(f"watch {path}: {event['object']}")
                    yield event["object"]
            finally:
                conn.close()
        return states()


def condition(obj, kind):
    for c in obj.get("status", {}).get("conditions", []):
        if c["type"] == kind:
            return c
    return {}


def is_ready(obj):
    c = condition(obj, "Ready")
    return c.get("status") == "True" and c.get("observedGeneration") == obj["metadata"].get("generation")


class Fairlead:
    """`fairlead standalone` on its own data folder."""

    def __init__(self, rig, *options, data=None):
        self.data = data or rig.disk / rig.name("fairlead")
        self.kubeconfig = self.data.with_suffix(".kubeconfig")
        self.kubeconfig.unlink(missing_ok=True)
        self.log = self.data.with_suffix(".log")
        self.process = Process([BIN / "fairlead", "standalone", "--data-dir", self.data, "--listen", "127.0.0.1:0",
                                "--write-kubeconfig", self.kubeconfig, "--log-level", "warn", *options], self.log,
                               rig.env)
        rig.stack.callback(self.stop)
        self.pid = self.process.pid
        wait_for(20, "fairlead's kubeconfig", lambda: self.process.check() or self.kubeconfig.exists())
        self.kube = Kube(self.kubeconfig)

    def stop(self):
        self.process.stop()

    def create(self, plural, name, spec):
        kind = {"registries": "Registry", "replicationpolicies": "ReplicationPolicy"}[plural]
        return self.kube.ask("POST", f"{GROUP}/{plural}", {
            "apiVersion": "fairlead.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})

    def registry(self, name, host, **spec):
        """A Registry that is Ready, and then left alone."""
        self.create("registries", name, dict(spec, url=f"http://{host}", interval="0"))
        self.wait("registries", name, is_ready)

    def wait(self, plural, name, want, seconds=60):
        last = {}

        def probe():
            self.process.check()
            last.update(self.kube.ask("GET", f"{GROUP}/{plural}/{name}"))
            return want(last)
        try:
            wait_for(seconds, f"{plural}/{name}", probe)
        except BenchError as e:
            raise BenchError(f"{e}; its status is {json.dumps(last.get('status', {}))[:800]}") from None
        return last

    def policy(self, name, source, target, repositories, suspended, **spec):
        return self.create("replicationpolicies", name, dict(
            spec, source={"registry": source}, destination={"registry": target}, interval="0", suspend=suspended,
            repositories={"include": repositories}))

    def timed(self, policy, patch, done, beside):
        """From the PATCH of a policy to the state of it that `done` wants, as a watch tells it. The CPU is that of the
        whole process: API, watch and the loop included."""
        path = f"{GROUP}/replicationpolicies"
        now = self.kube.ask("GET", f"{path}/{policy}")
        states = self.kube.watch(path, policy, now["metadata"]["resourceVersion"])
        time.sleep(0.3)
        forget_peak(self.pid)
        idle = memory_of(self.pid)[0]
        others = Beside(beside)
        cpu, wall = cpu_of(self.pid), time.monotonic()
        self.kube.patch(f"{path}/{policy}", patch)
        for state in states:
            failed = condition(state, "Ready")
            if done(state):
                break
            if failed.get("status") == "False" and failed.get("reason") in ("ReplicationFailed", "ReplicationStopped"):
                raise BenchError(f"fairlead: {failed.get('message')}")
        else:
            raise BenchError(f"the watch of {policy} ended before it was done")
        wall, cpu = time.monotonic() - wall, cpu_of(self.pid) - cpu
        states.close()
        peak = memory_of(self.pid)[1]
        return {"wall_s": wall, "cpu_s": cpu, "rss_mib": peak, "over_idle_mib": peak - idle, **others.took(cpu)}

    def replicate(self, policy, beside):
        return self.timed(policy, {"spec": {"suspend": False}},
                          lambda o: is_ready(o) and condition(o, "Ready")["reason"] == "Succeeded", beside)

    def request(self, policy, beside):
        token = str(time.monotonic_ns())
        return self.timed(policy, {"metadata": {"annotations": {"fairlead.dev/requested-at": token}}},
                          lambda o: o.get("status", {}).get("lastHandledRequest") == token and is_ready(o), beside)

    def remove(self, plural, name):
        self.kube.ask("DELETE", f"{GROUP}/{plural}/{name}", ok=(200, 202, 404))
