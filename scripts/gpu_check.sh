#!/usr/bin/env bash
# Builds the native module with nvcc, runs the tests that need a GPU and the step bench,
# and prints a short table last.
# usage: scripts/gpu_check.sh [PYTHON]   (default .venv/bin/python; torch, pytest and the build tools must be in it)
set -uo pipefail
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
export PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"

command -v nvcc >/dev/null || { echo "gpu_check: nvcc is neither on PATH nor in CUDA_HOME; install the CUDA toolkit" >&2; exit 2; }
# No build isolation: machines with a GPU are often cut off from the package registry.
"$python" -m pip install --quiet --no-build-isolation --no-deps --editable . || exit 1
"$python" - <<'CHECK' || exit 1
import sys
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

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$python" -m pytest -m gpu 2>&1 | tee "$log"
failed=${PIPESTATUS[0]}
result="bench/results/step-cuda-$(date +%Y%m%d-%H%M%S).json"
mkdir -p bench/results
"$python" -m bench.step --device cuda --json "$result" || { failed=1; result="failed"; }

row() { printf '%-12s %s\n' "$1" "$2"; }
echo
row device "$("$python" -c 'import torch; print(torch.cuda.get_device_name())')"
row torch "$("$python" -c 'import torch; print(torch.__version__, "CUDA", torch.version.cuda)')"
row nvcc "$(nvcc --version | sed -n 's/.*release //p')"
for op in philox cutouts; do
  row "$op" "$("$python" -c "from fastclipgen.ops import library; print(library.choose('$op', 'cuda'))")"
done
row "gpu tests" "$(tail -n 1 "$log" | tr -d =)"
row "step bench" "$result"
exit "$failed"
