# SPDX-License-Identifier: Apache-2.0
"""From exec to the first 200 of /readyz over TLS."""
import shutil
import subprocess
import time

from rig import BIN, ROOT, BenchError, free_port

STEPS = ("ready",)
STARTS = 20


def start_once(rig, data):
    port = free_port()
    took = rig.run(BIN / "fairlead", "standalone", "--data-dir", data, "--listen", f"127.0.0.1:{port}",
                   "--log-level", "warn", ready=f"https://127.0.0.1:{port}/readyz")
    return {"ready_ms": took["ready_s"] * 1e3, "rss_mib": took["rss_mib"]}


def start_peer(rig, folder):
    """As long as tests/peers/kube-apiserver.sh takes: it looks every 0.1 s."""
    script = ROOT / "tests/peers/kube-apiserver.sh"
    began = time.monotonic()
    got = subprocess.run([script, "start", folder], capture_output=True, text=True)
    took = time.monotonic() - began
    subprocess.run([script, "stop", folder], capture_output=True)
    if got.returncode != 0:
        raise BenchError(got.stderr.strip())
    return {"ready_ms": took * 1e3, "rss_mib": None}


def measure(rig, report, runs, only):
    title = "From exec to the first 200 of /readyz (TLS)"
    samples = {"fairlead, empty folder": [], "fairlead, started before": [], "kube-apiserver + etcd": []}
    kept = rig.disk / "start-kept"
    start_once(rig, kept)
    for _ in range(STARTS):
        fresh = rig.disk / "start-fresh"
        samples["fairlead, empty folder"].append(start_once(rig, fresh))
        shutil.rmtree(fresh)
        samples["fairlead, started before"].append(start_once(rig, kept))
    if rig.has("kube-apiserver", "etcd"):
        try:
            folder = rig.disk / "start-peer"
            for n in range(1 + min(runs, 3)):
                took = start_peer(rig, folder)
                if n > 0:  # the first one makes certificates and fills etcd
                    samples["kube-apiserver + etcd"].append(took)
        except BenchError as e:
            report.failed(title, "kube-apiserver", e)
    m = report.work("start", title, samples, [("ready ms", "ready_ms"), ("RSS MiB", "rss_mib")])
    for tool in list(samples)[:2]:
        report.at_most(f"start to ready: {tool}", "under 50 ms", m.get(tool, {}).get("ready_ms"), 50, " ms")
