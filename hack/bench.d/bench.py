# SPDX-License-Identifier: Apache-2.0
"""hack/bench AREA... : measures, prints tables, writes JSON. hack/bench has built everything before it starts this."""
import argparse
import signal
import sys

import area_api
import area_copy
import area_memory
import area_mirror
import area_start
from report import Report
from rig import BenchError, Rig

AREAS = {"copy": area_copy, "api": area_api, "start": area_start, "memory": area_memory, "mirror": area_mirror}


def arguments():
    p = argparse.ArgumentParser(prog="hack/bench", usage="hack/bench [AREA[/STEP]...] [--peers] [--runs N] [--json FILE]")
    p.add_argument("areas", nargs="*", metavar="AREA")
    p.add_argument("--peers", action="store_true")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--json", metavar="FILE")
    args = p.parse_args()
    wanted = {}
    for text in args.areas or AREAS:
        area, _, step = text.partition("/")
        if area not in AREAS or (step and step not in AREAS[area].STEPS):
            p.error(f"no such area or step: {text}")
        wanted.setdefault(area, set())
        if step:
            wanted[area].add(step)
    if args.runs < 1:
        p.error("--runs is at least 1")
    return args, wanted


def main():
    args, wanted = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rig = Rig(args.peers)
    report = Report(rig)
    try:
        for area, steps in wanted.items():
            module = AREAS[area]
            try:
                module.measure(rig, report, args.runs, [s for s in module.STEPS if s in steps] or module.STEPS)
            except (BenchError, OSError) as e:
                report.failed(area, "all of it", e)
    finally:
        rig.close()
    report.close(args.json)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
