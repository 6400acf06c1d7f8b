#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares hack/floors.txt with the #include lines of the tree; prints every line that breaks a floor."""
import fnmatch
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')


def read_rules():
    floors, libs = {}, {}
    for line in (ROOT / "hack/floors.txt").read_text().splitlines():
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        head, _, rest = line.partition(":")
        kind, name = head.split()
        (floors if kind == "floor" else libs)[name] = rest.split()
    return floors, libs


def folder_of(path):
    parts = path.parts
    return "api" if parts[0] == "api" else parts[1]


def check_floor(path, included, floors):
    own = folder_of(path)
    to = included.split("/")[0]
    if ".." in included.split("/"):
        return "name the folder, not the way to it"
    if to not in floors:
        return None
    if own == to:
        # A vendor's folder is closed to the other vendors.
        if own == "remote" and included.split("/")[1] != path.parts[2]:
            return "another vendor's folder"
        return None
    return None if to in floors[own] else f"{own} may not use {to}"


def check_lib(path, included, libs):
    for prefix, files in libs.items():
        hit = included.startswith(prefix) if prefix.endswith("/") else included == prefix
        if hit and not any(fnmatch.fnmatch(str(path), f) for f in files):
            return f"only {' '.join(files)} may include {prefix}"
    return None


def main():
    floors, libs = read_rules()
    bad = count = 0
    for base in ("api", "controller"):
        for file in sorted((ROOT / base).rglob("*.[ch]")):
            path = file.relative_to(ROOT)
            count += 1
            if folder_of(path) not in floors:
                print(f"{path}: its folder has no line in hack/floors.txt")
                bad += 1
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                quoted = '"' in line
                why = (check_floor(path, match[1], floors) if quoted else None) or check_lib(path, match[1], libs)
                if why:
                    print(f"{path}:{number}: {match[1]}: {why}")
                    bad += 1
    print(f"{count} files keep the floors" if not bad else f"{bad} lines break the floors")
    return 1 if bad or not count else 0


sys.exit(main())
