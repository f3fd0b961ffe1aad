#!/usr/bin/env bash
# Makes fastclipgen/serving/page/vendor anew from the versions in scripts/page/package.json; needs npm. Nothing else of
# the page is built. Change a version there, run this, and run tests/serving/test_page.py.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
vendor=$PWD/fastclipgen/serving/page/vendor
cp scripts/page/* "$work"
cd "$work"
npm install --no-audit --no-fund --silent
for name in editor yaml; do
    node_modules/.bin/esbuild "$name.js" --bundle --minify --format=esm --target=es2022 --outfile="$vendor/$name.js"
done
for folder in node_modules/*/ node_modules/@{codemirror,lezer,marijn}/*/; do
    [[ $folder == *esbuild* || ! -f $folder/LICENSE ]] && continue
    printf '== %s\n\n' "$(basename "$(dirname "$folder")")/$(basename "$folder")"
    cat "$folder/LICENSE"
    echo
done | sed 's#^== node_modules/#== #' >"$vendor/LICENSES.txt"
