#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every check, one step each: hack/ci.sh STEP. hack/test runs them in order and installs what they need.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$FL_ROOT"

STEPS="format floors shellcheck build-gcc generated build-clang asan tsan valgrind cppcheck tidy analyzer fuzz e2e"
FUZZ_SECONDS=${FUZZ_SECONDS:-15}
jobs=$(nproc)

sources() { git ls-files -co --exclude-standard -- '*.c' '*.h' | while read -r f; do [ -f "$f" ] && echo "$f"; done; }
run_ctest() { ctest --test-dir "build/$1" --output-on-failure --no-tests=error -j "$jobs" "${@:2}"; }

step_format() {
    sources | xargs clang-format --dry-run -Werror
    echo "$(sources | wc -l) files are formatted"
}

step_floors() { python3 hack/floors.py; }

step_shellcheck() {
    local files
    files=$(git ls-files -co --exclude-standard -- hack tests .ci | while read -r f; do
        if [ -f "$f" ] && head -n 1 "$f" | grep -Eq '^#!.*(bash|/sh)'; then echo "$f"; fi
    done)
    # shellcheck disable=SC2086 # a list of words
    shellcheck -x -P SCRIPTDIR $files
    echo "$(echo "$files" | wc -l) files are clean"
}

step_build-gcc() { fl_build release; }
step_build-clang() { fl_build clang; }
step_generated() {
    hack/gen --check
    echo "$(git ls-files 'manifests/crd/*.yaml' 'api/v1alpha1/*.md' | grep -vc README) files are in step with the tables of api/"
}

step_asan() {
    fl_build asan
    ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 run_ctest asan -L 'unit|contract|fuzz'
}

step_tsan() {
    fl_build tsan
    TSAN_OPTIONS="halt_on_error=1 suppressions=$FL_ROOT/hack/tsan.supp" run_ctest tsan -L 'unit|contract' \
        -R 'clock|lock|log|db|httpd|http|pipe|pump|store|hub|kube|reflector|lease|queue|cache|engine|pass|copy|contract'
}

# Children that tests fork on purpose (to abort, to be killed) stay silent; an error in one that ends in order still counts.
step_valgrind() {
    local logs=build/release/Testing/Temporary
    fl_build release
    rm -f "$logs"/MemoryChecker.*.log
    if ! run_ctest release -L unit -T memcheck --overwrite MemoryCheckCommandOptions="-q --error-exitcode=9 \
        --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --child-silent-after-fork=yes \
        --suppressions=$FL_ROOT/hack/valgrind.supp"; then
        find "$logs" -name 'MemoryChecker.*.log' -size +0 -exec tail -n 40 {} +
        return 1
    fi
}

step_cppcheck() {
    cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
        --suppressions-list=hack/cppcheck.txt --library=posix -j "$jobs" -I . -I controller api controller
    echo "$(git ls-files api controller | grep -c '\.c$') files are clean"
}

step_tidy() {
    cmake --preset clang >/dev/null
    # One file at a time: clang-tidy 14 carries what it knows of a va_list from one file into the next.
    git ls-files api controller | grep '\.c$' | xargs -P "$jobs" -n 1 clang-tidy --quiet -p build/clang
    echo "$(git ls-files api controller | grep -c '\.c$') files are clean"
}

step_analyzer() {
    cmake -S . -B build/analyzer -G Ninja -DBUILD_TESTING=OFF -DCMAKE_C_FLAGS=-fanalyzer >/dev/null
    cmake --build build/analyzer
    echo "$(git ls-files api controller | grep -c '\.c$') files are clean"
}

# One target over its committed corpus and what it finds from there.
step_fuzz-one() {
    local target=$1 name=${1##*/fuzz_} work
    work=$(mktemp -d)
    if ! (cd "$work" && "$target" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 \
        "$work" "$FL_ROOT/tests/fuzz/corpus/$name") >"$work.log" 2>&1; then
        tail -n 40 "$work.log"
        echo "FAILED: fuzz_$name; its input is in $work"
        return 1
    fi
    rm -rf "$work" "$work.log"
}

step_fuzz() {
    fl_build fuzz
    local n
    n=$(find build/fuzz/tests -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | wc -l)
    [ "$n" -gt 0 ] || fl_die "no fuzz target was built"
    export FUZZ_SECONDS
    find "$FL_ROOT/build/fuzz/tests" -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x -print0 |
        xargs -0 -P "$jobs" -n 1 hack/ci.sh fuzz-one
    echo "$n targets ran $FUZZ_SECONDS s each"
}

step_e2e() {
    fl_build release
    run_ctest release -L e2e
}

step_peers() {
    fl_build release
    hack/peers
    FAIRLEAD_TEST_PEERS=1 run_ctest release -L 'e2e|peers'
}

case "${1:-}" in
list) tr ' ' '\n' <<<"$STEPS" ;;
*)
    case " $STEPS peers fuzz-one " in
    *" ${1:-none} "*) "step_$1" "${@:2}" ;;
    *) fl_die "no such step: ${1:-}; steps: $STEPS peers" ;;
    esac
    ;;
esac
