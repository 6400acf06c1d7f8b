# SPDX-License-Identifier: Apache-2.0
"""Images from registry to registry: what a copy, a comparison and a shared blob cost."""
import json
import os
import urllib.request

from rig import MIB, Beside, BenchError, Fairlead, Registry, gzip_like, rotated

BIG, SMALL, TAGS, SHARED, WIDE = "bench/big", "bench/small", "bench/tags", "bench/shared", "bench/wide"
N_BIG, BIG_BYTES = 10, 50 * MIB
N_SMALL, SMALL_BYTES = 200, 2048
N_TAGS = 100
N_SHARED = 50

USAGE = [("wall s", "wall_s"), ("CPU s", "cpu_s"), ("RSS MiB", "rss_mib"), ("over idle", "over_idle_mib"),
         ("servers' CPU s", "servers_cpu_s"), ("others' CPU %", "other_percent")]


class Copiers:
    """One function a tool: copies `repo` (one tag, or all) from the source to a target, and tells what it took."""

    def __init__(self, rig, source, fairlead):
        self.rig, self.source, self.fairlead = rig, source, fairlead
        self.big = []

    def names(self, wanted):
        return [n for n in wanted if n == "fairlead" or n.startswith("floor") or n in self.rig.tools]

    def config(self, target, pairs, kind):
        """A configuration of regsync."""
        conf = self.rig.disk / self.rig.name("regsync.yml")
        creds = [{"registry": host, "tls": "disabled"} for host in (self.source.host, target)]
        sync = [{"source": f"{self.source.host}/{a}", "target": f"{target}/{b}", "type": kind} for a, b in pairs]
        conf.write_text(json.dumps({"version": 1, "creds": creds, "sync": sync}))
        return conf

    def copy(self, tool, repo, target, beside):
        """target: host:port of a registry that holds nothing."""
        a, b = f"{self.source.host}/{repo}:it", f"{target}/{repo}:it"
        if tool == "fairlead":
            return self.by_fairlead([repo], target, beside)
        if tool == "skopeo":
            return self.rig.run(self.rig.tools[tool], "--insecure-policy", "copy", "-q", "--all",
                                "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{a}", f"docker://{b}",
                                beside=beside)
        if tool == "crane":
            return self.rig.run(self.rig.tools[tool], "copy", "--insecure", a, b, beside=beside)
        if tool == "regsync":
            conf = self.config(target, [(f"{repo}:it", f"{repo}:it")], "image")
            return self.rig.run(self.rig.tools[tool], "once", "-v", "warn", "-c", conf, beside=beside)
        _, how, parallel = tool.split(" ")
        return self.by_floor(how, parallel[1:], repo, target, beside)

    def by_fairlead(self, repos, target, beside, **spec):
        name = self.rig.name("run")
        self.fairlead.registry(name, target, **{k: spec.pop(k) for k in ("maxConcurrent",) if k in spec})
        self.fairlead.policy(name, "source", name, repos, True, **spec)
        self.fairlead.wait("replicationpolicies", name, lambda o: o.get("status"))
        try:
            return self.fairlead.replicate(name, beside)
        finally:
            self.fairlead.remove("replicationpolicies", name)
            self.fairlead.remove("registries", name)

    def by_floor(self, how, parallel, repo, target, beside):
        others = Beside(beside)
        blobs = [f"{b['digest']}={b['size']}" for b in self.big]
        got = self.rig.program("bench_floor", how, parallel, f"http://{self.source.host}/v2/{repo}",
                               f"http://{target}/v2/{repo}", *blobs)
        return {"wall_s": got["wall_s"], "cpu_s": got["cpu_s"], "rss_mib": got["rss_kib"] / 1024,
                **others.took(got["cpu_s"])}


def push_images(source):
    big = [source.push_blob(BIG, gzip_like(BIG_BYTES)) for _ in range(N_BIG)]
    source.push_image(BIG, "it", big, "big")
    source.push_image(SMALL, "it", [source.push_blob(SMALL, gzip_like(SMALL_BYTES)) for _ in range(N_SMALL)], "small")
    for i in range(N_TAGS):
        layer = source.push_blob(TAGS, gzip_like(SMALL_BYTES))
        source.push_image(TAGS, f"v{i}", [layer], f"tag {i}")
    shared = gzip_like(5 * MIB)
    for i in range(N_SHARED):
        layer = source.push_blob(f"{SHARED}/r{i}", shared)
        source.push_image(f"{SHARED}/r{i}", "it", [layer], f"repository {i}")
    return big, layer["digest"]


def per_gb(samples, total):
    for runs in samples.values():
        for r in runs:
            r["cpu_s_per_gb"] = r["cpu_s"] / (total / 1e9)


def rounds(rig, report, copiers, title, tools, count, one):
    """count rounds of all tools, each round beginning with another; one(tool) gives a sample."""
    samples = {t: [] for t in tools}
    broken = set()
    for r in range(count):
        for tool in rotated(tools, r):
            if tool in broken:
                continue
            try:
                samples[tool].append(one(tool))
            except (BenchError, OSError) as e:
                broken.add(tool)
                report.failed(title, tool, e)
    return samples


def into_registry(rig, copiers, repo):
    """Each copy goes into a registry that has just been started and holds nothing: no blob to mount or to skip."""
    def one(tool):
        target = Registry(rig, "target")
        try:
            took = copiers.copy(tool, repo, target.host, (copiers.source.pid, target.pid))
            if not tool.startswith("floor") and target.digest(repo, "it") != copiers.source.digest(repo, "it"):
                raise BenchError("the target does not hold the same digest")
            return took
        finally:
            target.stop()
    return one


def into_sink(rig, copiers, repo):
    def one(tool):
        process, port = rig.server("bench_sink")
        try:
            return copiers.copy(tool, repo, f"127.0.0.1:{port}", (copiers.source.pid, process.pid))
        finally:
            process.stop()
    return one


def cold_big(rig, report, copiers, count):
    total = sum(b["size"] for b in copiers.big)
    columns = USAGE[:2] + [("CPU s/GB", "cpu_s_per_gb")] + USAGE[2:]
    floors = ["floor stream x1", "floor stream x4", "floor memory x1"]
    work = f"cold copy, {N_BIG} x {BIG_BYTES // MIB} MiB"
    title = f"Cold copy of {N_BIG} layers of {BIG_BYTES // MIB} MiB ({total / 1e6:.0f} MB), docker-registry to docker-registry"
    tools = copiers.names(["fairlead"] + floors + ["regsync", "crane", "skopeo"])
    samples = rounds(rig, report, copiers, title, tools, count, into_registry(rig, copiers, BIG))
    per_gb(samples, total)
    m = report.work("copy", title, samples, columns)
    ours = m.get("fairlead", {})
    floor = min((m[f]["cpu_s"] for f in floors if f in m), default=None)
    report.at_most(work, "CPU at most 1.15 of the cheapest floor", ours.get("cpu_s"), floor and 1.15 * floor, " s")
    report.at_most(work, "CPU not above regsync's", ours.get("cpu_s"), m.get("regsync", {}).get("cpu_s"), " s")
    report.at_most(work, "wall not above regsync's", ours.get("wall_s"), m.get("regsync", {}).get("wall_s"), " s")

    title = "The same into a sink that hashes nothing"
    tools = copiers.names(["fairlead", "floor stream x1", "floor stream x4", "regsync", "crane", "skopeo"])
    samples = rounds(rig, report, copiers, title, tools, count, into_sink(rig, copiers, BIG))
    per_gb(samples, total)
    report.work("copy", title, samples, columns)


def cold_small(rig, report, copiers, count):
    work = f"cold copy, {N_SMALL} small layers"
    title = f"Cold copy of {N_SMALL} layers of {SMALL_BYTES // 1024} kB, docker-registry to docker-registry"
    tools = copiers.names(["fairlead", "regsync", "crane", "skopeo"])
    samples = rounds(rig, report, copiers, title, tools, count, into_registry(rig, copiers, SMALL))
    m = report.work("copy", title, samples, USAGE)
    ours, theirs = m.get("fairlead", {}), m.get("regsync", {})
    report.at_most(work, "CPU at most a third of regsync's", ours.get("cpu_s"),
                   theirs["cpu_s"] / 3 if theirs else None, " s")
    report.at_most(work, "wall not above regsync's", ours.get("wall_s"), theirs.get("wall_s"), " s", bound(ours))


def streams(rig, report, copiers, count):
    """A new process each time: what an earlier copy left on the heap would count as idle. The sink tells how many blobs
    really came at a time."""
    title = f"Memory of a copy of {N_BIG} streams of {BIG_BYTES // MIB} MiB, into the sink"

    def one(_):
        process, port = rig.server("bench_sink")
        fl = Fairlead(rig)
        fl.registry("source", copiers.source.host, maxConcurrent=32)
        try:
            took = Copiers(rig, copiers.source, fl).by_fairlead(
                [BIG], f"127.0.0.1:{port}", (copiers.source.pid, process.pid), maxConcurrent=32, concurrency=16)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/bench") as answer:
                return dict(took, **json.load(answer))
        finally:
            fl.stop()
            process.stop()
    samples = rounds(rig, report, copiers, title, ["fairlead"], count, one)
    m = report.work("copy", title, samples, [("streams", "streams")] + USAGE)
    ours = m.get("fairlead", {})
    report.at_most(f"copy memory, {ours.get('streams', 0):.0f} streams", "at most 8 MiB over idle",
                   ours.get("over_idle_mib"), 8, " MiB")


def bound(took):
    """No copier ends before the registries have done their part, on all cores."""
    return f"; registries alone {took['servers_cpu_s'] / os.cpu_count():.3f}" if took else ""


def count_of(registries, before):
    return sum(len(r.lines()) - n for r, n in zip(registries, before))


def unchanged(rig, report, copiers, count):
    title = f"{N_TAGS} unchanged tags (requests at both registries)"
    source = copiers.source
    target = Registry(rig, "target")
    both = (source, target)
    pids = (source.pid, target.pid)
    fl, name = copiers.fairlead, "unchanged"

    def run(tool):
        if tool == "fairlead":
            return fl.request(name, pids)
        if tool == "regsync":
            conf = copiers.config(target.host, [(TAGS, "regsync/tags")], "repository")
            return rig.run(rig.tools[tool], "once", "-v", "warn", "-c", conf, beside=pids)
        if tool == "crane":
            return rig.run(rig.tools[tool], "copy", "-a", "--insecure", f"{source.host}/{TAGS}",
                           f"{target.host}/crane/tags", beside=pids)
        return rig.run(rig.tools[tool], "--insecure-policy", "sync", "--src", "docker", "--dest", "docker",
                       "--src-tls-verify=false", "--dest-tls-verify=false", f"{source.host}/{TAGS}",
                       f"{target.host}/skopeo", beside=pids)

    def counted(tool):
        before = [len(r.lines()) for r in both]
        took = run(tool)
        took["requests"] = count_of(both, before)
        return took

    fl.registry(name, target.host)
    fl.policy(name, "source", name, [TAGS], False, concurrency=4)
    fl.wait("replicationpolicies", name, lambda o: o.get("status", {}).get("inSyncSince") and not
            condition_reconciling(o))
    tools = copiers.names(["fairlead", "regsync", "crane", "skopeo"])
    for tool in tools[1:]:
        run(tool)
    samples = rounds(rig, report, copiers, title, tools, count, counted)
    m = report.work("copy", title, samples, [("requests", "requests")] + USAGE)
    ours = m.get("fairlead", {})
    work = f"{N_TAGS} unchanged tags"
    # One more for each page of the tag list, here one.
    report.at_most(work, "2 requests a tag, and the list", ours.get("requests"), 2 * N_TAGS + 1)
    report.at_most(work, "wall under 0.1 s", ours.get("wall_s"), 0.1, " s", bound(ours))
    report.at_most(work, "CPU under 0.02 s", ours.get("cpu_s"), 0.02, " s")
    fl.remove("replicationpolicies", name)
    fl.remove("registries", name)
    target.stop()


def condition_reconciling(obj):
    return any(c["type"] == "Reconciling" for c in obj["status"].get("conditions", []))


def shared_blob(rig, report, copiers, digest, count):
    title = f"One blob of 5 MiB in {N_SHARED} repositories (at the target)"
    source = copiers.source
    names = [f"{SHARED}/r{i}" for i in range(N_SHARED)]

    def run(tool, target):
        pids = (source.pid, target.pid)
        if tool == "fairlead":
            return copiers.by_fairlead(names, target.host, pids)
        if tool == "regsync":
            conf = copiers.config(target.host, [(n, n) for n in names], "repository")
            return rig.run(rig.tools[tool], "once", "-v", "warn", "-c", conf, beside=pids)
        conf = rig.disk / rig.name("skopeo.yml")
        conf.write_text(json.dumps({source.host: {"tls-verify": False, "images": {n: ["it"] for n in names}}}))
        return rig.run(rig.tools[tool], "--insecure-policy", "sync", "--src", "yaml", "--dest", "docker",
                       "--dest-tls-verify=false", conf, target.host, beside=pids)

    def one(tool):
        target = Registry(rig, "target")
        try:
            took = run(tool, target)
            lines = target.lines()
            took["requests"] = len(lines)
            took["uploads"] = sum(m == "PUT" and "/blobs/uploads/" in path and digest[7:] in path and status == 201
                                  for m, path, status in lines)
            took["mounts"] = sum(m == "POST" and "mount=" in path and digest[7:] in path and status == 201
                                 for m, path, status in lines)
            return took
        finally:
            target.stop()
    tools = copiers.names(["fairlead", "regsync", "skopeo"])
    samples = rounds(rig, report, copiers, title, tools, count, one)
    m = report.work("copy", title, samples, [("uploads", "uploads"), ("mounts", "mounts"), ("requests", "requests")] +
                    USAGE)
    ours = m.get("fairlead")
    said = f"{ours['uploads']:.0f} uploads, {ours['mounts']:.0f} mounts" if ours else "-"
    report.aim(f"same blob in {N_SHARED} repositories", f"1 upload, {N_SHARED - 1} mounts", said,
               ours["uploads"] == 1 and ours["mounts"] == N_SHARED - 1 if ours else None)


STEPS = ("big", "small", "streams", "unchanged", "shared")


def measure(rig, report, runs, only):
    if "docker-registry" not in rig.tools:
        raise BenchError("docker-registry is not installed")
    source = Registry(rig, "source")
    big, shared = push_images(source)
    fairlead = Fairlead(rig)
    fairlead.registry("source", source.host)
    copiers = Copiers(rig, source, fairlead)
    copiers.big = big
    steps = {"big": lambda: cold_big(rig, report, copiers, runs), "small": lambda: cold_small(rig, report, copiers, runs),
             "streams": lambda: streams(rig, report, copiers, runs),
             "unchanged": lambda: unchanged(rig, report, copiers, runs),
             "shared": lambda: shared_blob(rig, report, copiers, shared, min(runs, 3))}
    for name in only:
        try:
            steps[name]()
        except BenchError as e:
            report.failed(name, "fairlead", e)
    fairlead.stop()
    source.stop()
