"""Compile every kernel once, under a file lock: Numba's cache bears one writer and misses edits of callees."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import get_args

from filelock import FileLock, Timeout

from schemas.errors import InputError
from schemas.render import Dtype, RenderSpec, TruthArray

_log = logging.getLogger(__name__)

LOCK = "stmoe-synth.lock"
STAMP = "stmoe-synth.sha256"
"""Holds the digest of the sources that the kernels beside it were compiled from."""


def warm_up() -> Path:
    """
    Compile all kernels, or load them from Numba's cache; afterwards no render in this process compiles anything.

    Safe with any number of processes and threads at once: one compiles, the others wait and load. What takes a while is
    logged.

    Returns
    -------
    the folder of the compiled kernels

    Raises
    ------
    InputError
        no folder for compiled kernels can be written or locked.
    """
    folder = kernel_folder()
    _warm_up_once(folder)
    return folder


def kernel_folder() -> Path:
    """
    Return the folder in which Numba keeps this package's kernels; NUMBA_CACHE_DIR moves it.

    Raises
    ------
    InputError
        no such folder can be written.
    """
    try:
        from datagen.rendering.drawing import draw_rows
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        raise InputError(
            "no folder for compiled kernels can be written; set NUMBA_CACHE_DIR to one, e.g. /tmp/kernels"
        ) from error
    return Path(draw_rows.stats.cache_path)


@cache
def _warm_up_once(folder: Path) -> None:
    with _locked(folder):
        sources = _digest_of_sources()
        stamp = folder / STAMP
        if not stamp.exists() or stamp.read_text(encoding="ascii") != sources:
            _log.info("compiling the kernels, which happens once and takes about a minute")
            _forget_kernels(folder)
        _render_everything()
        stamp.write_text(sources, encoding="ascii")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / LOCK)
    try:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _log.info("another process prepares the kernels; waiting for it")
            lock.acquire()
    except NotImplementedError as error:
        raise InputError(f"{folder} cannot be locked; set NUMBA_CACHE_DIR to a folder on a local disk") from error
    try:
        yield
    finally:
        lock.release()


def _forget_kernels(folder: Path) -> None:
    """
    Delete what was compiled from other sources.

    Numba looks at the file of a kernel alone: it would go on using a kernel whose callee, in another file, has changed.
    """
    for pattern in ("*.nbi", "*.nbc"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


def _digest_of_sources() -> str:
    """Return a digest of all that is compiled in: the kernels, and the contract's constants that they use."""
    root = Path(__file__).parent
    kernels = sorted((root / "rendering").glob("*.py"))
    contract = (root.parent / "schemas" / name for name in ("render.py", "store.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in (*kernels, *contract))).hexdigest()


def _render_everything() -> None:
    """Render one tiny sequence per stored type, with all truth: every kernel with every signature."""
    from datagen.rendering.sequence import Renderer

    for dtype in get_args(Dtype):
        spec = RenderSpec.parse(
            {"property": "mixed", "frames": 2, "height": 8, "width": 8, "dtype": dtype, "truth": get_args(TruthArray)}
        )
        Renderer(spec).render(0, 1)
