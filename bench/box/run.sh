#!/bin/sh
# Runs the bench of gradcam-webgpu on this machine's GPU, from any folder, without a network. README.md says more.
set -eu

fail() {
  printf 'run.sh: %s\n' "$1" >&2
  exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
archive=$here/runtime.tar.gz
[ -f "$archive" ] || fail "runtime.tar.gz is missing beside it, in $here"
for tool in tar gzip cksum; do
  command -v "$tool" >/dev/null || fail "$tool is missing: it is needed to unpack runtime.tar.gz"
done

# Unpacked on first use, 130 MB, into the box or, where that cannot be written, into the cache folder.
parent=$here
[ -w "$parent" ] || parent=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}
runtime=$parent/gpu-box-runtime-$(cksum <"$archive" | tr ' ' '-')
if [ ! -d "$runtime" ]; then
  echo 'Unpacking …' >&2
  partial=$runtime.$$
  mkdir -p "$partial"
  trap 'rm -rf "$partial"' EXIT
  gzip -dc "$archive" | tar -xf - -C "$partial" --no-same-owner
  # Another run may have been faster; its folder holds the same files.
  mv -T "$partial" "$runtime" || [ -d "$runtime" ] || fail "cannot unpack $archive to $runtime"
fi

# Everything that is unpacked later goes there too.
export GRADCAM_CACHE="$runtime/cache"
if ! problem=$("$runtime/node" --version 2>&1 >/dev/null); then
  fail "the Node of this box does not run on this machine, $(uname -s) $(uname -m); README.md says what it needs: $problem"
fi
exec "$runtime/node" "$runtime/bench/launch.js" "$here" "$@"
