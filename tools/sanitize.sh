#!/usr/bin/env bash
# Runs tests of the bridge under valgrind: a use after free, or a write past a block, on either side of the border fails
# the test it happens in. `make sanitize` builds the extension first.
#
# Why valgrind and not AddressSanitizer: stable Rust can't instrument Rust code, and CPython isn't instrumented either, so
# that with QuickJS's C alone under -fsanitize=address a Python object used by Rust after its end goes unseen. Valgrind
# sees every access, provided that each object is a block of malloc's: hence PYTHONMALLOC. Rust and QuickJS use malloc
# anyway, and the ordinary build has the line numbers. Proved with an injected fault: without the reference that
# `set_property` (pyproxy/traps.rs) holds while it converts the value,
# test_a_proxy_destroyed_by_the_value_assigned_to_it ends with "Invalid read of size 8 … set_property (traps.rs:…) … inside a
# block … free'd … pyproxy::end", exit code 99.
# Reads of memory nobody wrote are not reported: CPython's optimised C is full of harmless ones.
#
# Usage: tools/sanitize.sh [pytest arguments]; needs valgrind (apt install valgrind). Five to ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null || { echo "make asan needs valgrind, which is not installed. On Debian: apt install valgrind" >&2; exit 1; }

export PYTHONMALLOC=malloc
# A process with an error of memory exits with 99, and its test fails with valgrind's report. Leaks are the business of
# test_leaks.py. The main stack is as large as the engine's limit expects.
export ISTHMUS_TEST_WRAPPER="valgrind --quiet --error-exitcode=99 --leak-check=no --undef-value-errors=no --num-callers=30 \
	--max-stackframe=16777216 --main-stacksize=16777216 --fair-sched=yes --suppressions=$PWD/tools/valgrind-python.supp"
# Each way across the border a few times; what lives is counted all the same.
export ISTHMUS_LEAK_ITERATIONS=${ISTHMUS_LEAK_ITERATIONS:-20}

tests=("$@")
if [ $# -eq 0 ]; then
	# Left out is what repeats by the 10^5 or takes texts of megabytes.
	tests=(tests/bridge/test_reentry.py tests/bridge/test_hostile.py tests/bridge/test_many.py
		tests/bridge/test_leaks.py tests/bridge/test_run_sync_engine.py
		tests/bridge/test_fork.py tests/bridge/test_thread_ends.py tests/bridge/test_places.py tests/bridge/test_fuzz.py
		-k "not large and not any_length and not 2_to_the_16 and not switch_interval and not two_hundred")
fi
exec .venv/bin/python -m pytest -q -p no:cacheprovider --timeout 3600 -o timeout_func_only=true "${tests[@]}"
