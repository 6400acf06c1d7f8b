# SPDX-License-Identifier: Apache-2.0
"""What the steps of the area mirror share: a git server, repositories made for it, GitMirrors, git as others use it."""
import base64
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

from rig import (GROUP, Beside, BenchError, Fairlead, Process, condition, cpu_of, forget_peak, free_port,
                 is_ready, memory_of, wait_for)

MIRRORS = f"{GROUP}/gitmirrors"
SECRETS = "/api/v1/namespaces/default/secrets"
HEADS_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
BACKEND = "/usr/lib/git-core/git-http-backend"
TICK = 1 / os.sysconf("SC_CLK_TCK")


# ---- processes with their children ----

def stat_of(pid):
    """The fields of /proc/PID/stat after the name; [0] is the third of proc(5)."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def tree_cpu(pid):
    """CPU seconds of a process and of all its children that have ended; the latter in ticks of 10 ms."""
    fields = stat_of(pid)
    return cpu_of(pid) + (int(fields[13]) + int(fields[14])) * TICK


def child_faults(pid):
    """Page faults of children that have ended: no program can be started without any, so an equal number means that no
    process was."""
    return int(stat_of(pid)[8])


class Rest(Beside):
    """Which share of the machine went to others than a tool and this script: the git server is among them, since fcgiwrap
    ignores its children and the kernel then counts their CPU nowhere."""

    def __init__(self):
        super().__init__(())

    def took(self, tool_cpu):
        # /proc/stat has ticks of 10 ms, which may be more than all there was.
        return {"rest_percent": min(100.0, super().took(tool_cpu)["other_percent"])}


# ---- the server ----

class GitServer:
    """git http-backend behind nginx and fcgiwrap, over TLS with HTTP/2; its access log counts requests and connections. cached:
    nginx gives git's answer again to who asks the same, so that more can be asked than git could answer on this machine."""

    def __init__(self, rig, cached=False):
        for program in ("nginx", "fcgiwrap"):
            if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
                raise BenchError(f"{program} is not installed")
        self.dir = rig.fast / rig.name("git-server")
        self.root = self.dir / "root"
        self.root.mkdir(parents=True)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.log = self.dir / "access.log"
        self.ca = self.dir / "ca.crt"
        self.cached = cached
        self._certificate()
        self._configure()
        run = dict(rig.env, PATH=os.environ["PATH"] + ":/usr/sbin")
        self.backend = Process(["fcgiwrap", "-c", str(2 * os.cpu_count()), "-s", f"unix:{self.dir}/fcgi"],
                               self.dir / "fcgiwrap.log", run)
        self.nginx = Process(["nginx", "-p", self.dir, "-c", self.dir / "nginx.conf", "-e", self.dir / "nginx.log"],
                             self.dir / "nginx.out", run)
        rig.stack.callback(self.stop)
        wait_for(20, "the git server", self._answers)

    def _certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.dir / "key", "-out", self.ca, "-days", "2", "-subj", "/CN=bench", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)

    def _configure(self):
        temporary = "\n".join(f"    {n}_temp_path {self.dir}/tmp;" for n in
                              ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        params = {"SCRIPT_FILENAME": BACKEND, "PATH_INFO": "$uri", "REQUEST_METHOD": "$request_method",
                  "QUERY_STRING": "$query_string", "CONTENT_TYPE": "$content_type", "CONTENT_LENGTH": "$content_length",
                  "SERVER_PROTOCOL": "$server_protocol", "REMOTE_ADDR": "$remote_addr", "PATH": "/usr/bin:/bin",
                  "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1", "GIT_PROTOCOL": "$http_git_protocol",
                  "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
        lines = "\n".join(f"            fastcgi_param {k} {v};" for k, v in params.items())
        cache = f"""    fastcgi_cache_path {self.dir}/cache keys_zone=bench:1m;
    fastcgi_cache bench;
    fastcgi_cache_methods GET HEAD POST;
    fastcgi_cache_key "$request_method$uri$args$request_body";
    fastcgi_cache_valid 200 1h;
    fastcgi_ignore_headers Expires Cache-Control;
""" if self.cached else ""
        user = "user root;" if os.getuid() == 0 else ""  # else workers may not read what root has made
        (self.dir / "nginx.conf").write_text(f"""{user}
daemon off;
worker_processes {os.cpu_count()};
pid {self.dir}/pid;
events {{ worker_connections 4096; }}
http {{
    log_format bench '$connection $request_method $uri $status';
    access_log {self.log} bench;
    client_max_body_size 0;
{cache}{temporary}
    server {{
        listen 127.0.0.1:{self.port} ssl http2;
        ssl_certificate {self.ca};
        ssl_certificate_key {self.dir}/key;
        location / {{
            fastcgi_pass unix:{self.dir}/fcgi;
{lines}
        }}
    }}
}}
""")

    def _answers(self):
        self.nginx.check()
        self.backend.check()
        got = subprocess.run(["curl", "-sk", "-m", "5", "-o", "/dev/null", self.url], capture_output=True)
        return got.returncode == 0

    def mark(self):
        """Where the access log ends now, for since()."""
        return self.log.stat().st_size

    def since(self, mark, quiet=0.05):
        """[(connection, method, path, status)] of the requests since a mark. A line is written a moment after its answer."""
        time.sleep(quiet)
        with open(self.log, encoding="utf-8") as f:
            f.seek(mark)
            text = f.read()
        return re.findall(r"^(\d+) (\S+) (\S+) (\d+)$", text, re.M)

    def stop(self):
        """fcgiwrap's workers outlive their parent: the whole group is ended."""
        self.nginx.stop()
        if self.backend.alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.backend.pid, signal.SIGTERM)
        self.backend.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def source(self, name, **shape):
        return Source(self, name, **shape)


# ---- repositories ----

def git(repo, *args, text=None, env=None):
    got = subprocess.run(["git", "--git-dir", repo, *args], input=text, capture_output=True, text=True, env=env)
    if got.returncode != 0:
        raise BenchError(f"git {args[0]}: {got.stderr.strip()[-600:]}")
    return got.stdout.strip()


def prose(chance, size):
    """Text as sources are: it compresses to about a third, and differs from file to file."""
    words = [format(chance.getrandbits(chance.choice((12, 20, 32))), "x") for _ in range(size // 6)]
    return "\n".join(" ".join(words[i:i + 9]) for i in range(0, len(words), 9))[:size]


class Source:
    """A bare repository on the server. commits: of its history, each changes one of `files` files of `size` bytes; refs: spread
    over the last commits, a fifth of them tags; updates: commits for later that no ref leads to, so no clone has them."""

    def __init__(self, server, name, refs, commits=1, files=20, size=600, updates=0, gc=False):
        self.path = server.root / f"{name}.git"
        self.url = f"{server.url}/{name}.git"
        git(self.path, "init", "-q", "--bare", "-b", "main")
        self.chance = random.Random(name)
        self.refs, self.commits, self.files, self.size, self.count = refs, commits, files, size, 0
        self._import([*self._history(commits), *self._refs(refs, commits)])
        git(self.path, "gc" if gc else "pack-refs", "--quiet" if gc else "--all")
        self.updates = self._updates(updates) if updates else []

    def _import(self, stream):
        git(self.path, "fast-import", "--quiet", text="".join(stream))

    def _commit(self, ref, parent, paths):
        self.count += 1
        who = f"Bench <bench@example.com> {1_700_000_000 + self.count} +0000"
        note = f"change {self.count}"
        yield f"commit {ref}\nmark :{self.count}\nauthor {who}\ncommitter {who}\ndata {len(note)}\n{note}\n{parent}"
        for path in paths:
            data = prose(self.chance, self.size)
            yield f"M 100644 inline dir{path % 50}/file{path}.txt\ndata {len(data)}\n{data}\n"

    def _history(self, commits):
        out = list(self._commit("refs/heads/main", "", range(self.files)))
        for i in range(1, commits):
            out += self._commit("refs/heads/main", "", [i % self.files])
        return out

    def _refs(self, refs, commits):
        for i in range(1, refs):
            name = f"refs/tags/v{i}" if i % 5 == 0 else f"refs/heads/team/topic-{i}"
            yield f"reset {name}\nfrom :{commits - i % min(commits, 1000)}\n\n"

    def _updates(self, updates):
        first = self.count + 1
        out, parent = [], "from refs/heads/main^0\n"
        for i in range(updates):
            out += self._commit("refs/bench/next", parent, [i % self.files])
            parent = ""
        marks = self.path / "bench-marks"
        git(self.path, "fast-import", "--quiet", f"--export-marks={marks}", text="".join(out))
        oids = dict(line.split() for line in marks.read_text().split("\n") if line)
        git(self.path, "update-ref", "-d", "refs/bench/next")
        return [oids[f":{i}"] for i in range(first, self.count + 1)]

    def next(self):
        """Moves main on by one commit; returns it."""
        if not self.updates:
            raise BenchError("the repository has no commits left")
        oid = self.updates.pop(0)
        git(self.path, "update-ref", "refs/heads/main", oid)
        return oid


def refs_of(repo):
    return git(repo, "for-each-ref", "--format=%(objectname) %(refname)", *[s.split("*:")[0][1:] for s in HEADS_AND_TAGS])


# ---- git as others use it ----

class Peer:
    """git with a configuration of its own, as its users run it; checks: fsck of what comes, as Fairlead always asks for."""

    def __init__(self, rig, server, checks=False):
        self.rig = rig
        config = rig.disk / rig.name("gitconfig")
        config.write_text(f"[http]\n\tsslCAInfo = {server.ca}\n[fetch]\n\tfsckObjects = {str(checks).lower()}\n"
                          f"[transfer]\n\tfsckObjects = {str(checks).lower()}\n")
        # GIT_SSL_CAINFO of the caller would go before http.sslCAInfo.
        clean = {k: v for k, v in rig.env.items() if not k.startswith("GIT_")}
        self.env = dict(clean, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=str(config), LC_ALL="C")

    def run(self, *argv):
        """CPU is that of git and of all that it starts."""
        keep, self.rig.env = self.rig.env, self.env
        try:
            rest = Rest()
            took = self.rig.run(*argv)
            return {**{k: took[k] for k in ("wall_s", "cpu_s", "rss_mib")}, **rest.took(took["cpu_s"])}
        finally:
            self.rig.env = keep

    def clone(self, url, to):
        return self.run("git", "clone", "-q", "--mirror", url, to)

    def fetch(self, repo, url="origin"):
        return self.run("git", "--git-dir", repo, "fetch", "-q", "--prune", url, *HEADS_AND_TAGS)

    def processes(self, repo):
        """How many git programs one fetch is: each leaves a file of its own."""
        trace = self.rig.disk / self.rig.name("trace")
        trace.mkdir()
        git(repo, "fetch", "-q", "--prune", "origin", *HEADS_AND_TAGS, env=dict(self.env, GIT_TRACE2_EVENT=str(trace)))
        return len(list(trace.iterdir()))


# ---- GitMirrors ----

class Mirrors:
    """`fairlead standalone` with GitMirrors of one server."""

    def __init__(self, rig, server, *options):
        self.fl = Fairlead(rig, *options)
        self.pid, self.kube = self.fl.pid, self.fl.kube
        self.secret("ca", {"ca.crt": server.ca.read_text()})

    def secret(self, name, keys):
        data = {k: base64.b64encode(v.encode()).decode() for k, v in keys.items()}
        self.kube.ask("POST", SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})

    def create(self, name, url, **spec):
        return self.kube.ask("POST", MIRRORS, {
            "apiVersion": "fairlead.dev/v1alpha1", "kind": "GitMirror", "metadata": {"name": name},
            "spec": dict({"url": url, "interval": "0", "secretRef": {"name": "ca"}, "allowedHosts": ["127.0.0.1"],
                          "deletionPolicy": "Delete"}, **spec)})

    def get(self, name):
        return self.kube.ask("GET", f"{MIRRORS}/{name}")

    def wait(self, name, seconds=300):
        return self.fl.wait("gitmirrors", name, is_ready, seconds)

    def wait_all(self, count, seconds):
        """Until `count` mirrors are Ready."""
        last = {}

        def probe():
            self.fl.process.check()
            items = self.kube.ask("GET", MIRRORS)["items"]
            left = [o for o in items if not is_ready(o)]
            last["said"] = f"{len(left)} of {count} are not ready; the first says {condition(left[0], 'Ready')}" if left else ""
            return not left and len(items) == count
        try:
            wait_for(seconds, f"{count} mirrors", probe, 0.5)
        except BenchError as e:
            raise BenchError(f"{e}: {last.get('said')}") from None

    def suspend(self, names, yes):
        """When it is said to be suspended, no poll of it is under way any more."""
        for name in names:
            self.kube.patch(f"{MIRRORS}/{name}", {"spec": {"suspend": yes}})
        for name in names if yes else ():
            self.fl.wait("gitmirrors", name,
                         lambda o: o["status"].get("observedGeneration") == o["metadata"]["generation"])

    def _timed(self, name, patch, done):
        """From the PATCH to the state that `done` wants, as a watch tells it; CPU with API, watch and all children."""
        now = self.get(name)
        states = self.kube.watch(MIRRORS, name, now["metadata"]["resourceVersion"])
        time.sleep(0.05)
        forget_peak(self.pid)
        rest = Rest()
        cpu, wall = tree_cpu(self.pid), time.monotonic()
        self.kube.patch(f"{MIRRORS}/{name}", patch)
        try:
            for state in states:
                ready = condition(state, "Ready")
                if done(state):
                    break
                if ready.get("status") == "False":
                    raise BenchError(f"fairlead: {ready.get('reason')}: {ready.get('message')}")
            else:
                raise BenchError(f"the watch of {name} ended before it was done")
        finally:
            states.close()
        wall, cpu = time.monotonic() - wall, tree_cpu(self.pid) - cpu
        return {"wall_s": wall, "cpu_s": cpu, "rss_mib": memory_of(self.pid)[1], **rest.took(cpu)}

    def first(self, name, url):
        """A first clone: everything is there, but suspended; then not any more."""
        self.create(name, url, suspend=True)
        self.fl.wait("gitmirrors", name, lambda o: o.get("status"))
        return self._timed(name, {"spec": {"suspend": False}}, lambda o: is_ready(o) and o["status"].get("refsDigest"))

    def request(self, name):
        token = str(time.monotonic_ns())
        return self._timed(name, {"metadata": {"annotations": {"fairlead.dev/requested-at": token}}},
                           lambda o: o.get("status", {}).get("lastHandledRequest") == token and is_ready(o))

    def path(self, name):
        return self.get(name)["status"]["path"]

    def remove(self, name):
        """Until its repository is gone from the disk too."""
        path = pathlib.Path(self.path(name))
        self.kube.ask("DELETE", f"{MIRRORS}/{name}", ok=(200, 202))
        wait_for(60, f"the end of {path}", lambda: not path.exists())

    def stop(self):
        self.fl.stop()
        shutil.rmtree(self.fl.data, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
