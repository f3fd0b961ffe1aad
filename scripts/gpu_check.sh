#!/usr/bin/env bash
# All that needs a GPU, in one go and within ten minutes: builds the native module with nvcc, runs the tests that need a
# GPU, measures (bench everything, the most important suites first), writes the reports, and prints a short table last.
# Needs no network.
# usage: scripts/gpu_check.sh [--wheels FOLDER] [--results FOLDER] [--minutes N] [PYTHON]
#   --wheels   wheels of what PYTHON lacks (open_clip_torch, pydantic, ...); also as the variable WHEELS
#   --results  where reports go, default bench/results; --minutes: for everything, default 10
#   PYTHON     default .venv/bin/python; torch, pytest and the build tools must be in it or among the wheels
# The variable COMMIT names the sources' commit where there is no git.
set -uo pipefail
cd "$(dirname "$0")/.."
wheels=${WHEELS:-} results=bench/results minutes=10 python=.venv/bin/python
while (($#)); do
    case $1 in
        --wheels) wheels=$2; shift 2 ;;
        --results) results=$2; shift 2 ;;
        --minutes) minutes=$2; shift 2 ;;
        -*) echo "gpu_check: unknown option '$1'; see the head of scripts/gpu_check.sh" >&2; exit 2 ;;
        *) python=$1; shift ;;
    esac
done
export PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"
# seconds until the end, less a few for the table
left() { local seconds=$((minutes * 60 - 10 - SECONDS)); echo $((seconds > 1 ? seconds : 1)); }
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

command -v nvcc >/dev/null || { echo "gpu_check: nvcc is neither on PATH nor in CUDA_HOME; install the CUDA toolkit" >&2; exit 2; }
if [[ -n $wheels ]]; then
    "$python" -m pip install --quiet --no-index --no-deps "$wheels"/*.whl || exit 1
fi
# No build isolation: machines with a GPU are often cut off from the package registry.
"$python" -m pip install --quiet --no-index --no-build-isolation --no-deps --editable . || exit 1
"$python" - <<'CHECK' || exit 1
import importlib.util
import sys

lacking = [name for name in ("open_clip", "pydantic", "safetensors", "pytest") if importlib.util.find_spec(name) is None]
if lacking:
    sys.exit(f"gpu_check: this Python lacks {', '.join(lacking)}; give wheels of them with --wheels")
import torch

from fastclipgen.ops import library

module = library.native()
if module is None:
    sys.exit(f"gpu_check: {library.native_reason()}")
if not module.build_info()["cuda"]:
    sys.exit("gpu_check: the native module was built without CUDA")
if not torch.cuda.is_available():
    sys.exit("gpu_check: torch finds no CUDA device")
CHECK
built=$SECONDS

# half of what is left: the benches run the tests of what they measure once more
timeout "$(($(left) / 2 + 1))" "$python" -m pytest -q -m gpu 2>&1 | tee "$log/tests"
failed=${PIPESTATUS[0]}
tested=$SECONDS
commit=()
[[ -n ${COMMIT:-} ]] && commit=(--commit "$COMMIT")
budget=$(left)
# suites keep to their minutes; what runs over ends in time for the table
timeout -k 5 "$budget" "$python" -m bench.everything --device cuda --short --minutes "$(awk "BEGIN { print $budget / 60 }")" \
    --results "$results" "${commit[@]}" 2>&1 | tee "$log/bench"
((PIPESTATUS[0] == 0)) || failed=1

row() { printf '%-14s %s\n' "$1" "$2"; }
echo
row device "$("$python" -c 'import torch; print(torch.cuda.get_device_name())')"
row torch "$("$python" -c 'import torch; print(torch.__version__, "CUDA", torch.version.cuda)')"
row nvcc "$(nvcc --version | sed -n 's/.*release //p')"
row backends "$("$python" -c 'from fastclipgen.ops import library as l; print(*(f"{op}: {l.choose(op, "cuda")}" for op in l.OPS), sep=", ")')"
row "gpu tests" "$(tail -n 1 "$log/tests" | tr -d =)"
row seconds "build $built, tests $((tested - built)), benches $((SECONDS - tested))"
grep '^wrote ' "$log/bench" | sed 's/^wrote /report         /'
sed -n '/^summary$/,$p' "$log/bench"
exit "$failed"
