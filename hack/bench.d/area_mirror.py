# SPDX-License-Identifier: Apache-2.0
"""Mirrors of git repositories beside git itself: what a poll costs that finds nothing, a first clone, a small update. The
webhook's and the live events' part is in mirror_web.py."""
import shutil
import time

import mirror_web
from rig import BenchError, memory_of, rotated
from rig_git import GitServer, Mirrors, Peer, Rest, child_faults, refs_of, tree_cpu

OURS, ASKED, FETCH, FLOOR = "fairlead, by the clock", "fairlead, on request", "git fetch", "floor: libcurl"
# refs: how many mirrors of such a repository are polled each second
UNCHANGED = {10: 20, 1000: 20, 50_000: 2}
BUSY_REFS, BUSY = 1000, 200
WINDOW_S, ASKED_TIMES, FETCHES = 10, 10, 10
N_MANY, MANY_S, MANY_INTERVAL = 1000, 60, "55s"
N_UPDATES = 20

REST = ("rest of machine %", "rest_percent")
POLL = [("CPU ms", "cpu_ms"), ("wall ms", "wall_ms"), ("requests", "requests"), ("connections", "connections"),
        ("processes", "processes"), REST]
USAGE = [("wall s", "wall_s"), ("CPU s", "cpu_s"), REST]


def polls_of(lines):
    return [line for line in lines if line[1] == "POST" and line[2].endswith("/git-upload-pack")]


def bad_of(lines):
    return [line for line in lines if line[3] != "200"]


def window(server, mirrors, seconds):
    """What fairlead and the server did for some seconds: everything that its process does counts as polling."""
    mark, faults = server.mark(), child_faults(mirrors.pid)
    rest = Rest()
    cpu = tree_cpu(mirrors.pid)
    time.sleep(seconds)
    cpu = tree_cpu(mirrors.pid) - cpu
    took = rest.took(cpu)
    lines = server.since(mark, 0)
    polls = len(polls_of(lines))
    if polls == 0 or bad_of(lines):
        raise BenchError(f"{polls} polls in {seconds} s, {len(bad_of(lines))} answers that are not 200")
    return dict(took, cpu_s=cpu, polls=polls, all_requests=len(lines), places=len({line[2] for line in polls_of(lines)}),
                all_connections=len({line[0] for line in lines}), started=child_faults(mirrors.pid) != faults)


# ---- unchanged ----

def by_clock(server, mirrors, names):
    mirrors.suspend(names, False)
    time.sleep(3)  # what a changed spec makes due is over
    got = window(server, mirrors, WINDOW_S)
    mirrors.suspend(names, True)
    return {"cpu_ms": got["cpu_s"] / got["polls"] * 1e3, "wall_ms": None, "requests": got["all_requests"] / got["polls"],
            "connections": got["all_connections"] / got["polls"], "processes": int(got["started"]),
            "rest_percent": got["rest_percent"]}


def each(server, times, one):
    """The mean of one() so many times, with requests and connections counted."""
    mark, rest = server.mark(), Rest()
    runs = [one() for _ in range(times)]
    share = rest.took(sum(r["cpu_s"] for r in runs))
    lines = server.since(mark)

    def mean(key):
        return sum(r[key] for r in runs) / times
    return {"cpu_ms": mean("cpu_s") * 1e3, "wall_ms": mean("wall_s") * 1e3, "requests": len(lines) / times,
            "connections": len({line[0] for line in lines}) / times, "processes": None, **share}


def on_request(server, mirrors, name):
    faults = child_faults(mirrors.pid)
    took = each(server, ASKED_TIMES, lambda: mirrors.request(name))
    return dict(took, processes=int(child_faults(mirrors.pid) != faults))


def floor(rig, server, source, rate):
    """The same request at the same rate, and nothing done with the answer but a hash."""
    mark, rest = server.mark(), Rest()
    got = rig.program("bench_poll", f"{source.url}/git-upload-pack", server.ca, rate, WINDOW_S)
    share, lines = rest.took(got["cpu_s"]), server.since(mark)
    return {"cpu_ms": got["cpu_ms"], "wall_ms": got["wall_ms"], "requests": (len(lines) - 1) / got["polls"],
            "connections": len({line[0] for line in lines}) / got["polls"], "processes": 0, **share}


def unchanged_of(rig, report, server, mirrors, refs, runs):
    source = server.source(f"unchanged-{refs}", refs=refs, commits=min(refs, 1000))
    names = [f"clock-{i}" for i in range(UNCHANGED[refs])]
    for name in names:
        mirrors.create(name, source.url, interval="1s")
    mirrors.create("asked", source.url)
    mirrors.wait_all(len(names) + 1, 600)
    mirrors.suspend(names, True)
    peer, copy = Peer(rig, server), rig.disk / rig.name("copy")
    peer.clone(source.url, copy)
    processes = peer.processes(copy)
    title = f"Unchanged mirror of {refs:,} refs, one poll (https, connections kept where the tool keeps them)"
    turns = {OURS: lambda: by_clock(server, mirrors, names), ASKED: lambda: on_request(server, mirrors, "asked"),
             FETCH: lambda: dict(each(server, FETCHES, lambda: peer.fetch(copy)), processes=processes),
             FLOOR: lambda: floor(rig, server, source, UNCHANGED[refs])}
    m = rounds(report, title, turns, runs, POLL)
    clock, asked = m.get(OURS, {}), m.get(ASKED, {})
    work = f"unchanged mirror, {refs:,} refs"
    if refs == BUSY_REFS:
        report.at_most(work, "at most 0.5 ms CPU a poll", clock.get("cpu_ms"), 0.5, " ms")
    report.at_most(work, "1 request a poll", asked.get("requests"), 1)
    started = [took.get("processes") for took in (clock, asked)]
    report.at_most(work, "no process", None if None in started else max(started), 0)


def rounds(report, title, turns, runs, columns):
    """turns: {tool: function that gives a sample}. Each round begins with another tool."""
    samples = {t: [] for t in turns}
    broken = set()
    for r in range(runs):
        for tool in rotated(list(turns), r):
            if tool in broken:
                continue
            try:
                samples[tool].append(turns[tool]())
            except (BenchError, OSError) as e:
                broken.add(tool)
                report.failed(title, tool, e)
    return report.work("mirror", title, samples, columns)


def busy(rig, report, runs):
    """Ten times as many polls: at twenty a second the machine sleeps between them, and each finds its caches cold."""
    server = GitServer(rig, cached=True)
    try:
        source = server.source("busy", refs=BUSY_REFS, commits=BUSY_REFS)
        names = [f"busy-{i}" for i in range(BUSY)]
        with Mirrors(rig, server) as mirrors:
            for name in names:
                mirrors.create(name, source.url, interval="1s")
            mirrors.wait_all(len(names), 600)
            mirrors.suspend(names, True)
            title = f"The same, {BUSY} polls a second of {BUSY_REFS:,} refs (the server answers from a cache)"
            turns = {OURS: lambda: by_clock(server, mirrors, names), FLOOR: lambda: floor(rig, server, source, BUSY)}
            m = rounds(report, title, turns, runs, POLL)
            report.at_most(f"unchanged mirror, {BUSY_REFS:,} refs, {BUSY} polls a second", "at most 0.5 ms CPU a poll",
                           m.get(OURS, {}).get("cpu_ms"), 0.5, " ms")
    finally:
        server.stop()


def unchanged(rig, report, server, runs):
    for refs in UNCHANGED:
        try:
            with Mirrors(rig, server) as mirrors:
                unchanged_of(rig, report, server, mirrors, refs, runs)
        except (BenchError, OSError) as e:
            report.failed(f"unchanged mirror, {refs:,} refs", "fairlead", e)
    try:
        busy(rig, report, runs)
    except (BenchError, OSError) as e:
        report.failed(f"unchanged mirror, {BUSY} polls a second", "fairlead", e)


# ---- many ----

def many_fetches(rig, server, peer, copy, urls):
    """One git after the other, as a script does it."""
    script = rig.disk / rig.name("fetches")
    listed = "\n".join(f"git --git-dir {copy} fetch -q --prune {url} '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*'"
                       for url in urls)
    script.write_text(f"set -e\n{listed}\n")
    mark = server.mark()
    took = peer.run("sh", script)
    lines = server.since(mark)
    n = len(urls)
    return dict(took, cpu_ms=took["cpu_s"] / n * 1e3, polls=n, places=n, all_requests=len(lines),
                all_connections=len({line[0] for line in lines}))


def many_ours(server, mirrors):
    got = window(server, mirrors, MANY_S)
    if got["started"]:
        raise BenchError("programs were started although nothing changed")
    return dict(got, wall_s=float(MANY_S), cpu_ms=got["cpu_s"] / got["polls"] * 1e3, rss_mib=memory_of(mirrors.pid)[0])


def many_links(server):
    """All mirrors have URLs of their own; on the server's disk these are links to one repository, which git reads as if they were
    many."""
    source = server.source("many", refs=10, commits=10)
    urls = []
    for i in range(N_MANY):
        link = server.root / f"many-{i}.git"
        link.symlink_to(source.path)
        urls.append(f"{server.url}/{link.name}")
    return urls


def many(rig, report, server, runs):
    urls = many_links(server)
    with Mirrors(rig, server) as mirrors:
        empty = memory_of(mirrors.pid)[0]
        began = time.monotonic()
        for i, url in enumerate(urls):
            mirrors.create(f"many-{i}", url, interval=MANY_INTERVAL)
        mirrors.wait_all(N_MANY, 900)
        cloned = time.monotonic() - began
        time.sleep(MANY_S)  # a round of polls after the last clone
        ours = [many_ours(server, mirrors) for _ in range(min(runs, 3))]
    peer, copy = Peer(rig, server), rig.disk / rig.name("copy")
    peer.clone(urls[0], copy)
    theirs = [many_fetches(rig, server, peer, copy, urls) for _ in range(min(runs, 2))]
    title = (f"{N_MANY:,} unchanged mirrors of 10 refs on one host, {MANY_S} s (fairlead: {empty:.1f} MiB when empty; their first "
             f"clones took {cloned:.0f} s)")
    m = report.work("mirror", title, {OURS: ours, "git fetch, in turn": theirs}, [
        ("mirrors", "places"), ("polls", "polls"), ("requests", "all_requests"), ("connections", "all_connections"),
        ("CPU s", "cpu_s"), ("CPU ms a poll", "cpu_ms"), ("wall s", "wall_s"), ("RSS MiB", "rss_mib"), REST])
    took = m[OURS]
    work = f"{N_MANY:,} unchanged mirrors"
    report.at_least(work, f"all asked within {MANY_S} s", took["places"], N_MANY)
    report.at_most(work, "1 request a poll", took["all_requests"] / took["polls"], 1)
    report.at_most(work, "at most 0.5 ms CPU a poll", took["cpu_ms"], 0.5, " ms")


# ---- clone: from nothing, and one commit more ----

def overhead(report, work, m, ours, theirs, keys):
    """At most 1.05 times what the same costs git."""
    for tool in theirs:
        for key, word in keys:
            other = m.get(tool, {}).get(key)
            report.at_most(work, f"{word} at most 1.05 of {tool}", m.get(ours, {}).get(key), other and 1.05 * other, " s")


def first_clone(rig, report, server, mirrors, peers, source, runs):
    def ours():
        name = rig.name("first")
        took = mirrors.first(name, source.url)
        path = mirrors.path(name)
        if refs_of(path) != refs_of(source.path):
            raise BenchError("the mirror's refs are not the source's")
        mirrors.remove(name)
        return took

    def theirs(peer):
        to = rig.disk / rig.name("clone")
        took = peer.clone(source.url, to)
        shutil.rmtree(to)
        return took
    size = sum(f.stat().st_size for f in source.path.rglob("*.pack")) / 1e6
    title = f"First clone: {source.commits:,} commits, {source.files:,} files, 1,000 refs, {size:.0f} MB packed"
    turns = {"fairlead": ours, "git clone --mirror": lambda: theirs(peers[0]),
             "git clone --mirror, fsck": lambda: theirs(peers[1])}
    m = rounds(report, title, turns, runs, USAGE)
    overhead(report, "first clone", m, "fairlead", list(turns)[1:], (("cpu_s", "CPU"), ("wall_s", "wall")))


def small_update(rig, report, server, mirrors, peers, source, runs):
    """Every tool fetches each commit for itself: main moves on, all fetch it in turn."""
    mirror = rig.name("update")
    mirrors.create(mirror, source.url)
    mirrors.wait(mirror)
    copies = []
    for peer in peers:
        copies.append(rig.disk / rig.name("copy"))
        peer.clone(source.url, copies[-1])
    tools = {"fairlead": lambda: mirrors.request(mirror), "git fetch": lambda: peers[0].fetch(copies[0]),
             "git fetch, fsck": lambda: peers[1].fetch(copies[1])}
    n_refs = f"{source.refs:,} ref{'s' if source.refs > 1 else ''}"
    title = f"One commit more in a mirror of {n_refs} (means of {N_UPDATES} in each run)"
    samples = {t: [] for t in tools}
    for _ in range(runs):
        runs_of = {t: [] for t in tools}
        requests = {t: 0 for t in tools}
        for i in range(N_UPDATES):
            source.next()
            for tool in rotated(list(tools), i):
                mark = server.mark()
                runs_of[tool].append(tools[tool]())
                requests[tool] += len(server.since(mark))
        for tool, took in runs_of.items():
            samples[tool].append(dict({k: sum(t[k] for t in took) / len(took) for k in
                                       ("wall_s", "cpu_s", "rest_percent")},
                                      requests=requests[tool] / len(took)))
    for repo in [mirrors.path(mirror), *copies]:
        if refs_of(repo) != refs_of(source.path):
            raise BenchError(f"the refs of {repo} are not the source's")
    m = report.work("mirror", title, samples, [("requests", "requests")] + USAGE)
    overhead(report, f"small update, {n_refs}", m, "fairlead", list(tools)[1:], (("cpu_s", "CPU"), ("wall_s", "wall")))


def clone(rig, report, server, runs):
    source = server.source("clone", refs=1000, commits=3000, files=1500, size=12_000, updates=runs * N_UPDATES, gc=True)
    tiny = server.source("tiny", refs=1, commits=20, updates=runs * N_UPDATES)
    peers = [Peer(rig, server), Peer(rig, server, checks=True)]
    with Mirrors(rig, server) as mirrors:
        for step, of in ((first_clone, source), (small_update, source), (small_update, tiny)):
            try:
                step(rig, report, server, mirrors, peers, of, runs)
            except (BenchError, OSError) as e:
                report.failed(step.__name__, "fairlead", e)


STEPS = ("unchanged", "many", "clone", "webhook", "sse")


def measure(rig, report, runs, only):
    """A server for each step: its access log, its connections and its workers begin anew."""
    steps = {"unchanged": unchanged, "many": many, "clone": clone, "webhook": mirror_web.webhook, "sse": mirror_web.sse}
    for name in only:
        server = GitServer(rig)
        try:
            steps[name](rig, report, server, runs)
        except (BenchError, OSError) as e:
            report.failed(f"mirror/{name}", "fairlead", e)
        finally:
            server.stop()
