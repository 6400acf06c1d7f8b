# SPDX-License-Identifier: Apache-2.0
"""What watched objects cost while nothing happens."""
import json
import time
import urllib.request

from rig import BIN, BenchError, Fairlead, Process, cpu_of, free_port, memory_of, private_of, wait_for

STEPS = ("idle", "cache")
N_IDLE = 1000
N_CACHE, CACHE_BYTES = 100_000, 4096


def settled(process, seconds=60):
    """Until the process has used next to no CPU for a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process.check()
        cpu = cpu_of(process.pid)
        time.sleep(1)
        if cpu_of(process.pid) - cpu < 0.01:
            return
    raise BenchError(f"the process was still busy after {seconds} s")


def sizes(process):
    settled(process)
    rss, peak = memory_of(process.pid)
    return {"rss_mib": rss, "peak_mib": peak, "private_mib": private_of(process.pid)}


def idle(rig, report, runs):
    title = f"fairlead standalone, idle, {N_IDLE:,} of our objects watched (all suspended)"
    created, started = f"after {N_IDLE:,} creates", f"after a start with {N_IDLE:,}"
    fl = Fairlead(rig)
    samples = {"after a start, empty": [sizes(fl.process)], created: [], started: []}
    fl.create("registries", "a", {"url": "http://127.0.0.1:9", "suspend": True})
    fl.create("registries", "b", {"url": "http://127.0.0.1:10", "suspend": True})
    for i in range(N_IDLE - 2):
        fl.policy(f"policy-{i}", "a", "b", [f"team-{i}/**"], True)
    samples[created].append(sizes(fl.process))
    fl.stop()
    for _ in range(min(runs, 3)):
        fl = Fairlead(rig, data=fl.data)
        samples[started].append(sizes(fl.process))
        fl.stop()
    m = report.work("memory", title, samples, [("RSS MiB", "rss_mib"), ("peak MiB", "peak_mib"),
                                               ("of it private", "private_mib")])
    for state in (created, started):
        report.at_most(f"idle memory, {state}", "under 16 MiB RSS", m.get(state, {}).get("rss_mib"), 16, " MiB")


def fairlead_run(rig, port):
    """`fairlead run` against a scripted API, when its caches have what that lists and nothing moves any more."""
    kubeconfig = rig.disk / rig.name("kubeconfig")
    kubeconfig.write_text(f"""apiVersion: v1
kind: Config
current-context: it
contexts: [{{name: it, context: {{cluster: it, user: it}}}}]
clusters: [{{name: it, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: it, user: {{token: none}}}}]
""")
    metrics = free_port()
    began = time.monotonic()
    process = Process([BIN / "fairlead", "run", "--kubeconfig", kubeconfig, "--no-leader-elect", "--log-level", "warn",
                       "--metrics-listen", f"127.0.0.1:{metrics}"], rig.disk / rig.name("run.log"), rig.env)
    rig.stack.callback(process.stop)

    def ready():
        process.check()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False
    try:
        wait_for(120, "the caches of fairlead run", ready)
        synced = time.monotonic() - began
        took = dict(sizes(process), synced_s=synced, cpu_s=cpu_of(process.pid))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/bench") as answer:
            took["writes"] = json.load(answer)["writes"]
        return took
    finally:
        process.stop()


def cache(rig, report, runs):
    title = f"fairlead run, {N_CACHE:,} policies of {CACHE_BYTES} bytes in its cache (a scripted API lists them)"
    samples = {"fairlead run": []}
    for _ in range(min(runs, 2)):
        server, port = rig.server("bench_list", N_CACHE, CACHE_BYTES)
        samples["fairlead run"].append(fairlead_run(rig, port))
        server.stop()
    m = report.work("memory", title, samples, [("RSS MiB", "rss_mib"), ("peak MiB", "peak_mib"), ("synced s", "synced_s"),
                                               ("CPU s", "cpu_s"), ("writes", "writes")])
    report.at_most(f"memory, {N_CACHE:,} objects of 4 kB", "under 600 MiB (peak)",
                   m.get("fairlead run", {}).get("peak_mib"), 600, " MiB")


def measure(rig, report, runs, only):
    for name in only:
        try:
            {"idle": idle, "cache": cache}[name](rig, report, runs)
        except (BenchError, OSError) as e:
            report.failed(name, "fairlead", e)
