"""Kernels are compiled once: by one of several processes, for every spec, and again when their sources change."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datagen import warmup
from schemas.errors import InputError
from tests.commands import ROOT, Done, finished, start

COMPILING = "compiling the kernels, which happens once and takes about a minute"

RENDER_EVERYTHING = """
import json, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from datagen.warmup import warm_up
from datagen.storage.sprites import sprite_set
from schemas.render import RenderSpec

warm_up()
from datagen.rendering.sequence import Renderer

stack = np.arange(10 * 5 * 4, dtype=np.uint8).reshape(10, 5, 4)
stack.flags.writeable = False
all_truth = ["clean", "flow", "mask", "property_mask"]
sprites = {"objects": {"kinds": ["sprite", "line"]}, "sprites": sprite_set(stack).model_dump()}
splits = {"splits": {"train": 3, "validation": 2, "test": 1}}
ranges = {"kind": "rotation", "angular_velocity": [0, 1], "angular_jerk": [0, 0], "pivot": "orbit"}
for fields in (
    *({"property": kind, "dtype": dtype, "truth": truth} for kind in ("translation", "rotation", "intensity", "mixed")
      for dtype in ("uint8", "float16", "float32") for truth in ([], all_truth)),
    {"property": "mixed", **sprites, "truth": all_truth}, {"property": "rotation", **sprites, **splits},
    {"property": ranges, "texture": {"contrast": [0, 0]}, "objects": {"count": [1, 1], "size": [1, 1]}},
    {"property": "mixed", "noise": {"ratio": 0}},
    {"property": "mixed", "noise": {"ratio": 1, "perlin": 0, "drift": [1, 0]}},
    {"property": "mixed", "seed": 2**64 - 1, "frames": 1, "height": 1, "width": 33},
):
    spec = RenderSpec.parse({"frames": 3, "height": 9, "width": 14, **fields})
    Renderer(spec, stack if spec.sprites else None).render(2**63 - 2, 2)
    Renderer(spec, stack if spec.sprites else None).render(0, 1)
kernels = {id(value): value for name, module in list(sys.modules.items()) if name.startswith("datagen.rendering")
           for value in vars(module).values() if isinstance(value, Dispatcher)}
print(json.dumps({"hits": sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels.values()),
                  "compiled": {kernel.__name__: str(list(kernel.stats.cache_misses))
                               for kernel in kernels.values() if kernel.stats.cache_misses}}))
"""


@pytest.fixture(scope="module")
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def warmed_at_once(empty_cache: Path) -> list[Done]:
    """Three processes that warm up at once, with nothing compiled."""
    processes = [start("warmup", environment={"NUMBA_CACHE_DIR": str(empty_cache)}) for _ in range(3)]
    return [finished(process) for process in processes]


def contents(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir() if file.suffix in (".nbi", ".nbc")}


@pytest.mark.slow
def test_of_several_processes_at_once_one_compiles_and_all_succeed(
    warmed_at_once: list[Done], empty_cache: Path
) -> None:
    assert [done.code for done in warmed_at_once] == [0, 0, 0], [done.err for done in warmed_at_once]
    assert sum(COMPILING in done.err for done in warmed_at_once) == 1
    assert sum("another process prepares the kernels; waiting for it" in done.err for done in warmed_at_once) <= 2
    (folder,) = {Path(done.out.strip()) for done in warmed_at_once}
    assert folder.parent == empty_cache
    assert contents(folder)


@pytest.mark.slow
def test_after_a_warm_up_no_spec_compiles_anything(warmed_at_once: list[Done], empty_cache: Path) -> None:
    folder = Path(warmed_at_once[0].out.strip())
    before = contents(folder)
    done = subprocess.run(
        [sys.executable, "-c", RENDER_EVERYTHING],
        cwd=ROOT,
        env={"NUMBA_CACHE_DIR": str(empty_cache), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout)
    assert stats["compiled"] == {}
    assert stats["hits"] > 0
    assert contents(folder) == before


@pytest.mark.slow
def test_a_second_render_in_a_new_process_compiles_nothing(
    warmed_at_once: list[Done], empty_cache: Path, tmp_path: Path
) -> None:
    before = contents(Path(warmed_at_once[0].out.strip()))
    command = ("render", "--property", "rotation", "--n", "3", "--size", "16", "--out", tmp_path / "a.zarr")
    done = finished(start(*command, environment={"NUMBA_CACHE_DIR": str(empty_cache)}))
    assert done.code == 0
    assert COMPILING not in done.err
    assert contents(Path(warmed_at_once[0].out.strip())) == before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds a kernel, and a warm-up that would render nothing."""
    (tmp_path / "drawing.draw_rows-1.py311.nbi").write_bytes(b"index")
    (tmp_path / "drawing.draw_rows-1.py311.1.nbc").write_bytes(b"code")
    (tmp_path / "drawing.cpython-311.pyc").write_bytes(b"no kernel")
    monkeypatch.setattr(warmup, "kernel_folder", lambda: tmp_path)
    monkeypatch.setattr(warmup, "_render_everything", lambda: None)
    return tmp_path


def again() -> Path:
    """Warm up as a new process would."""
    warmup._warm_up_once.cache_clear()
    return warmup.warm_up()


def stamped(folder: Path) -> None:
    (folder / warmup.STAMP).write_text(warmup._digest_of_sources(), encoding="ascii")


def of_other_sources(folder: Path) -> None:
    (folder / warmup.STAMP).write_text("0" * 64, encoding="ascii")


@pytest.mark.parametrize(
    ("stamp", "kept"),
    [(stamped, True), (of_other_sources, False), (lambda folder: None, False)],
    ids=["same", "other", "none"],
)
def test_kernels_of_other_sources_are_forgotten(
    folder: Path, stamp: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    """Numba looks at the file of a kernel alone and would not see that a callee in another file has changed."""
    stamp(folder)
    assert again() == folder
    assert bool(contents(folder)) == kept
    assert (folder / "drawing.cpython-311.pyc").exists()
    assert (folder / warmup.STAMP).read_text(encoding="ascii") == warmup._digest_of_sources()


def test_an_interrupted_warm_up_is_not_taken_for_a_finished_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(warmup, "_render_everything", interrupted)
    with pytest.raises(KeyboardInterrupt):
        again()
    assert not (folder / warmup.STAMP).exists()


def test_a_process_warms_up_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    monkeypatch.setattr(warmup, "_render_everything", lambda: rendered.append(1))
    again()
    warmup.warm_up()
    assert rendered == [1]


def test_the_digest_follows_every_kernel_file_and_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["datagen/rendering/a.py", "datagen/rendering/b.py", "schemas/render.py", "schemas/store.py"]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1", encoding="utf-8")
    monkeypatch.setattr(warmup, "__file__", str(tmp_path / "datagen/warmup.py"))
    digests = [warmup._digest_of_sources()]
    for name in files:
        (tmp_path / name).write_text("2", encoding="utf-8")
        digests.append(warmup._digest_of_sources())
    assert len(set(digests)) == 1 + len(files)


def test_a_file_system_without_locks_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unlockable(warmup.FileLock):  # type: ignore[misc, valid-type]
        def _acquire(self) -> None:
            raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(warmup, "FileLock", Unlockable)
    with pytest.raises(InputError, match="cannot be locked; set NUMBA_CACHE_DIR to a folder on a local disk"):
        again()


def test_a_machine_without_a_writable_folder_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code = "import numba.core.caching as caching; caching.CacheImpl._locator_classes = []\n"
    code += "from datagen.cli import main; main(['render', '--property', 'mixed'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert Done(done.returncode, done.stdout, done.stderr).error == (
        "no folder for compiled kernels can be written; set NUMBA_CACHE_DIR to one, e.g. /tmp/kernels"
    )
    assert done.returncode == 1
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
