# SPDX-License-Identifier: Apache-2.0
"""What the bench prints and writes: a table for each work, the aims at the end, and JSON with every sample."""
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

from rig import ROOT, median

MET, MISSED, UNKNOWN = "met", "missed", "not measured"


def number(v):
    if v is None:
        return "-"
    if isinstance(v, (str, int)):
        return str(v)
    if abs(v) >= 1000:
        return f"{v:,.0f}"
    if abs(v) >= 100:
        return f"{v:.0f}"
    return f"{v:.3f}" if abs(v) < 1 else f"{v:.2f}"


def table(rows, head):
    cells = [head] + [[number(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in cells) for i in range(len(head))]
    for n, row in enumerate(cells):
        line = "  ".join(c.ljust(w) if i == 0 or isinstance(rows[n - 1][i], str) and n else c.rjust(w)
                         for i, (c, w) in enumerate(zip(row, widths)))
        print("  " + line.rstrip())
    sys.stdout.flush()


class Report:
    def __init__(self, rig):
        self.rig = rig
        self.began = time.time()
        self.load = [os.getloadavg()[0]]
        self.results, self.aims, self.failures = [], [], []

    def work(self, area, title, samples, columns):
        """samples: {tool: [{name: value}]}; columns: (heading, name). Prints the medians; returns {tool: {name: median}}."""
        print(f"\n{title}")
        medians = {}
        for tool, runs in samples.items():
            if runs:
                medians[tool] = {k: median([r[k] for r in runs]) for k in runs[0] if runs[0][k] is not None}
                self.results.append({"area": area, "work": title, "tool": tool, "median": medians[tool], "samples": runs})
        table([[tool] + [m.get(name) for _, name in columns] + [len(samples[tool])] for tool, m in medians.items()],
              [""] + [heading for heading, _ in columns] + ["runs"])
        return medians

    def failed(self, work, who, why):
        """A measurement that broke is a line and a failure, never silence."""
        print(f"\n  {work}: {who}: FAILED: {why}")
        sys.stdout.flush()
        self.failures.append({"work": work, "who": who, "why": str(why)})

    def aim(self, work, aim, measured, verdict):
        """verdict: True, False, or None where a side of the comparison is missing."""
        word = UNKNOWN if verdict is None else MET if verdict else MISSED
        self.aims.append({"work": work, "aim": aim, "measured": measured, "verdict": word})

    def at_most(self, work, aim, value, limit, unit="", note=""):
        known = value is not None and limit is not None
        self.aim(work, aim, f"{number(value)}{unit} (limit {number(limit)}{note})" if known else "-",
                 value <= limit if known else None)

    def at_least(self, work, aim, value, limit, unit=""):
        known = value is not None and limit is not None
        self.aim(work, aim, f"{number(value)}{unit} (limit {number(limit)})" if known else "-",
                 value >= limit if known else None)

    def close(self, json_file):
        self.load.append(os.getloadavg()[0])
        if self.rig.missing:
            print("\nNot beside it:")
            for tool, reason in self.rig.missing.items():
                print(f"  {tool}: {reason}")
        if self.aims:
            print("\nAims")
            table([[a["work"], a["aim"], a["measured"], a["verdict"]] for a in self.aims],
                  ["work", "aim", "measured", "verdict"])
        machine = self.machine()
        print(f"\n{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; load average "
              f"{self.load[0]:.1f} before, {self.load[1]:.1f} after; registries' files in "
              f"{'memory' if self.rig.in_memory else 'build/bench'}; {time.time() - self.began:.0f} s in all")
        if json_file:
            pathlib.Path(json_file).write_text(json.dumps({
                "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)), "machine": machine,
                "versions": self.versions(), "missing": self.rig.missing, "failures": self.failures,
                "aims": self.aims, "results": self.results}, indent=1) + "\n")

    def machine(self):
        info = pathlib.Path("/proc/cpuinfo").read_text()
        names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return {"cpu": names[0] if names else platform.machine(), "cores": os.cpu_count(),
                "kernel": platform.release(), "memory_mib": memory >> 20, "load": self.load,
                "registries_in_memory": self.rig.in_memory}

    def versions(self):
        def said(*argv):
            got = subprocess.run(argv, capture_output=True, text=True)
            return (got.stdout.strip() or got.stderr.strip()).split("\n")[0] if got.returncode == 0 else "unknown"
        asked = {"docker-registry": "--version", "skopeo": "--version", "crane": "version",
                 "etcd": "--version", "kube-apiserver": "--version", "regsync": "version"}
        out = {"fairlead": said(ROOT / "build/release/fairlead", "version"), "curl": said("curl", "--version"),
               "openssl": said("openssl", "version"), "git": said("git", "--version"),
               "commit": said("git", "-C", str(ROOT), "rev-parse", "HEAD")}
        for tool, path in self.rig.tools.items():
            out[tool] = said(path, asked[tool])
        return out
