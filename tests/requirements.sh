#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each rule (R1 to R29) and guard (G1 to G4) of git mirrors, reference git-and-pipelines.md section 4, stands in the name of a test:
# test_<module>__r12_...; that a test is also run, the compilers see to (a function that nobody names is an error). And README.md
# says where.
set -euo pipefail
cd "$(dirname "$0")"
lost=0
for id in R{1..29} G{1..4}; do
    if ! grep -rqE "^(static void )?test_\w+__(\w+_)?${id,,}_\w+\(void \*\*state\)" --include='*.c' unit contract; then
        echo "$id has no test of its name" >&2
        lost=1
    fi
    grep -q "^| $id |" README.md || { echo "$id has no line in tests/README.md" >&2; lost=1; }
done
exit $lost
