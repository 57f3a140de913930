#!/bin/sh
# Run a command with the image's compiled kernels where they can be written to: the root file system may be read-only, and
# a processor of another kind adds kernels of its own.
set -eu
mkdir -p "$NUMBA_CACHE_DIR"
cp -Rn /opt/kernels/. "$NUMBA_CACHE_DIR"
exec "$@"
