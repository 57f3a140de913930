"""Verification finds whatever differs from what the spec renders and names it; repair restores the same bytes."""

import json
import shlex
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datagen.storage.engine import Progress, render_store
from datagen.storage.local_objects import LocalObjects
from datagen.storage.shards import object_layouts
from datagen.storage.store import open_store
from datagen.storage.target import locked
from datagen.storage.verify import SAMPLES, verify_store
from schemas.errors import InputError, LockedStoreError
from tests.commands import run
from tests.stores import (
    SPRITES,
    change_attributes,
    chunks_of,
    files_of,
    full_spec,
    leftovers_of,
    objects_of,
    written_when,
)

N = 40
"""Sequences in 2.5 units."""


@pytest.fixture(autouse=True, scope="module")
def _units_of_16() -> Iterator[None]:
    with chunks_of(1):
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render a store that nobody changes."""
    path = tmp_path_factory.mktemp("whole") / "a.zarr"
    render_store(full_spec(), N, path, sprites=SPRITES)
    return path


@pytest.fixture(scope="module")
def mended(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store that every example damages and repairs."""
    return Path(shutil.copytree(whole, tmp_path_factory.mktemp("mended") / "a.zarr"))


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "a.zarr"))


def damage_to(path: Path, samples: int = 2) -> list[str]:
    """Return the objects that a verification names; whether it changes anything is looked at too."""
    before = files_of(path)
    report = verify_store(path, samples=samples)
    assert files_of(path) == before
    assert not report.ok or not report.damage
    assert report.structure == ()
    return [found.key for found in report.damage]


def assert_repair_restores(path: Path, whole: Path, samples: int = 2) -> None:
    report = verify_store(path, repair=True, samples=samples)
    assert report.ok
    assert report.repaired
    assert objects_of(path) == objects_of(whole)
    assert leftovers_of(path) == []
    assert open_store(path).complete


@st.composite
def objects(draw: st.DrawFn) -> str:
    """Draw the object of any array in any unit."""
    return draw(st.sampled_from(object_layouts(full_spec()))).key(draw(st.integers(0, 2)))


def test_a_whole_store_is_ok_and_says_what_was_looked_at(whole: Path) -> None:
    report = verify_store(whole)
    assert report.ok
    assert report.complete
    assert not report.repaired
    assert (report.path, report.n, report.digest) == (str(whole), N, full_spec().digest)
    assert (report.structure, report.damage) == ((), ())
    assert report.samples[0] == 0
    assert report.samples[-1] == N - 1
    assert 2 < len(report.samples) <= SAMPLES
    assert verify_store(whole).samples == report.samples
    assert verify_store(whole, samples=0).samples == ()
    assert verify_store(whole, samples=1).samples == (0,)


@given(key=objects(), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=20)
def test_one_flipped_bit_anywhere_is_named_and_repaired(
    whole: Path, mended: Path, key: str, where: float, bit: int
) -> None:
    data = bytearray((mended / key).read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    (mended / key).write_bytes(data)
    assert damage_to(mended) == [key]
    assert_repair_restores(mended, whole)


@pytest.mark.parametrize("from_the_end", [1, 4, 5, 21])
@pytest.mark.parametrize("name", ["frames/c/2/0/0/0", "velocity/c/1/0/0"])
def test_a_flipped_bit_in_index_or_checksum_is_named(name: str, from_the_end: int, path: Path) -> None:
    data = bytearray((path / name).read_bytes())
    data[-from_the_end] ^= 128
    (path / name).write_bytes(data)
    assert damage_to(path) == [name]


@given(key=objects(), where=st.floats(0, 1, exclude_max=True))
@settings(max_examples=10)
def test_an_object_that_was_cut_anywhere_is_named_and_repaired(
    whole: Path, mended: Path, key: str, where: float
) -> None:
    data = (mended / key).read_bytes()
    (mended / key).write_bytes(data[: int(where * len(data))])
    assert damage_to(mended) == [key]
    assert_repair_restores(mended, whole)


@pytest.mark.parametrize("key", ["frames/c/1/0/0/0", "noise_ratio/c/0"])
@pytest.mark.parametrize("change", [b"", b"\0", b"more"], ids=["missing", "one more byte", "more bytes"])
def test_an_object_that_is_missing_or_too_long_is_named_and_repaired(
    key: str, change: bytes, path: Path, whole: Path
) -> None:
    if change:
        with (path / key).open("ab") as file:
            file.write(change)
    else:
        (path / key).unlink()
    assert damage_to(path) == [key]
    assert_repair_restores(path, whole)


def test_a_lost_array_and_a_lost_unit_are_repaired(path: Path, whole: Path) -> None:
    shutil.rmtree(path / "angle/c")
    for key in files_of(path):
        if "/c/1/" in key or key.endswith("/c/1"):
            (path / key).unlink()
    assert {key.split("/")[0] for key in damage_to(path)} == {"angle", "frames"}
    assert_repair_restores(path, whole)


# Right checksums, wrong values


def change(path: Path, name: str, sequences: Any, value: Any) -> None:
    """Change values as any user of zarr can, checksums and all."""
    zarr.open_group(path, mode="r+")[name][sequences] = value


@pytest.mark.parametrize("name", ["velocity", "split", "noise_ratio_measured"])
def test_a_changed_column_is_found_by_sequences_rendered_again(name: str, path: Path, whole: Path) -> None:
    change(path, name, slice(0, 16), 3)
    assert set(damage_to(path)) == {key for key in objects_of(path) if key.startswith(f"{name}/c/0")}
    assert_repair_restores(path, whole)


@pytest.mark.parametrize("name", ["frames", "flow", "property_mask"])
def test_one_changed_pixel_of_the_last_sequence_is_found(name: str, path: Path, whole: Path) -> None:
    array = zarr.open_group(path, mode="r+")[name]
    assert isinstance(array, zarr.Array)
    value = np.asarray(array[N - 1])
    value.flat[5] = value.flat[5] + 1
    array[N - 1] = value
    report = verify_store(path)
    assert [str(found) for found in report.damage] == [
        f"{name}/c/2{'/0' * value.ndim} (unit 2, sequences 32-39): sequence 39 is not what the spec renders"
    ]
    assert_repair_restores(path, whole)


def test_units_that_were_exchanged_are_found(path: Path, whole: Path) -> None:
    one, other = path / "frames/c/0/0/0/0", path / "frames/c/1/0/0/0"
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    assert set(damage_to(path, SAMPLES)) == {"frames/c/0/0/0/0", "frames/c/1/0/0/0"}
    assert_repair_restores(path, whole, SAMPLES)


# Documents


@pytest.mark.parametrize("document", [None, b"\xff", b"[]"])
@pytest.mark.parametrize("name", ["frames", "sprites"])
def test_a_damaged_document_of_an_array_is_named_and_repaired(
    name: str, document: bytes | None, path: Path, whole: Path
) -> None:
    file = path / name / "zarr.json"
    if document is None:
        file.unlink()
    else:
        file.write_bytes(document)
    report = verify_store(path)
    assert not report.ok
    assert {problem.split(":")[0].split(" is ")[0] for problem in report.structure} == {f"{name}/zarr.json"}
    assert verify_store(path, repair=True).ok
    assert files_of(path).keys() == files_of(whole).keys()
    assert file.read_bytes() == (whole / name / "zarr.json").read_bytes()
    assert objects_of(path) == objects_of(whole)


def test_consolidated_metadata_that_lie_are_named_and_repaired(path: Path) -> None:
    document = json.loads((path / "zarr.json").read_bytes())
    document["consolidated_metadata"]["metadata"]["frames"]["shape"][0] = 1
    (path / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
    assert verify_store(path).structure == ("zarr.json: consolidated_metadata is not what the spec asks for",)
    assert verify_store(path, repair=True).ok
    assert verify_store(path).ok


def test_a_spec_that_is_not_the_digests_is_named_and_nothing_rendered_from_it(path: Path) -> None:
    change_attributes(path, spec=full_spec(seed=9).model_dump(mode="json"))
    (problem,) = verify_store(path).structure
    assert problem.startswith(
        f"attribute digest is {full_spec().digest[:12]}…, the spec's is {full_spec(seed=9).digest[:12]}"
    )
    assert_unrepairable(
        path, "has a spec that is not its digest's, and either may be wrong; render it with --overwrite"
    )


def test_a_changed_digest_is_named_and_nothing_is_condemned_for_it(path: Path) -> None:
    change_attributes(path, digest="0" * 64)
    assert_unrepairable(path, "render it with --overwrite")
    assert open_store(path).complete


def assert_unrepairable(path: Path, advice: str) -> None:
    before = files_of(path)
    with pytest.raises(InputError) as refused:
        verify_store(path, repair=True)
    assert advice in str(refused.value)
    assert verify_store(path).obstacle == str(refused.value)
    assert files_of(path) == before


def lose_sprites(path: Path, harm: str) -> None:
    file = path / "sprites/c/0/0/0"
    data = bytearray(file.read_bytes())
    match harm:
        case "flipped":
            data[3] ^= 2
            file.write_bytes(data)
        case "cut":
            file.write_bytes(data[:-7])
        case "empty":
            file.write_bytes(b"")
        case "missing":
            file.unlink()
        case "unlisted":
            document = json.loads((path / "zarr.json").read_bytes())
            del document["consolidated_metadata"]["metadata"]["sprites"]
            (path / "zarr.json").write_text(json.dumps(document), encoding="utf-8")


LOSSES = ("flipped", "cut", "empty", "missing", "unlisted")


@pytest.mark.parametrize("harm", LOSSES)
def test_lost_sprites_are_put_again_by_the_command_that_is_advised(harm: str, path: Path, tmp_path: Path) -> None:
    whole = files_of(path)
    lose_sprites(path, harm)
    assert any("sprites" in problem for problem in verify_store(path).structure)
    assert_unrepairable(path, f"{path} has lost its sprites; mend it with the images that it was rendered from, by")
    (tmp_path / "FOLDER").mkdir()
    for number, sprite in enumerate(SPRITES):
        Image.fromarray(sprite).save(tmp_path / f"FOLDER/{number}.png")
    program, *arguments = shlex.split(verify_store(path).obstacle.split("`")[1])
    arguments[arguments.index("FOLDER")] = str(tmp_path / "FOLDER")
    assert (program, run(*arguments).code) == ("datagen", 0)
    assert verify_store(path).ok
    assert files_of(path) == whole


@pytest.mark.parametrize("harm", LOSSES)
@pytest.mark.parametrize("by", ["repair", "the same command"])
def test_lost_digits_are_put_again_without_being_given(by: str, harm: str, digits: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(digits, tmp_path / "a.zarr"))
    lose_sprites(path, harm)
    assert not verify_store(path).ok
    if by == "repair":
        assert verify_store(path, repair=True).ok
    else:
        assert run(*DIGITS, path).code == 0
    assert verify_store(path).ok
    assert files_of(path) == files_of(digits)


DIGITS = ("render", "--preset", "dynamic-mnist", "--frames", "2", "--size", "16", "--n", "2", "--out")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits") / "a.zarr"
    assert run(*DIGITS, path).code == 0
    return path


# Stores under way


def test_an_incomplete_store_is_not_ok_and_repair_completes_it(path: Path, whole: Path) -> None:
    change_attributes(path, complete=False)
    report = verify_store(path)
    assert (report.ok, report.complete, report.damage, report.structure) == (False, False, (), ())
    (path / "frames/c/1/0/0/0").unlink()
    (path / "angle/c/1/0").unlink()
    assert damage_to(path) == ["frames/c/1/0/0/0"]  # a unit without its marker is missing as a whole
    assert_repair_restores(path, whole)


def test_a_store_that_another_process_writes_is_looked_at_and_not_repaired(path: Path) -> None:
    (path / "angle/c/1/0").unlink()
    before = files_of(path)
    with locked(LocalObjects(path)):
        assert damage_to(path) == ["angle/c/1/0"]
        with pytest.raises(LockedStoreError, match=r"a\.zarr\.lock"):
            verify_store(path, repair=True)
    assert files_of(path) == before


def test_a_repair_of_a_whole_store_touches_nothing(path: Path) -> None:
    before = written_when(path)
    assert verify_store(path, repair=True).ok
    assert written_when(path) == before


def test_progress_is_told_in_this_thread_up_to_n(whole: Path) -> None:
    told: list[tuple[int, int]] = []
    here = threading.current_thread()

    def listen(now: Progress) -> None:
        assert threading.current_thread() is here
        told.append((now.done_sequences, now.total_sequences))

    verify_store(whole, progress=listen, workers=3)
    assert told == [(16, N), (32, N), (40, N)]


# Real data


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Make a store as `trainer prepare` does."""
    path = tmp_path / "real.zarr"
    fields: dict[str, Any] = {"schema_version": 1, "recipe": {"kind": "video"}, "digest": "0" * 64, "n": 5}
    group = zarr.create_group(path, attributes={**fields, "complete": True})
    options: dict[str, Any] = {"compressors": [zarr.codecs.Crc32cCodec()], "dtype": "uint8"}
    dimensions = ("sequence", "time", "y", "x")
    shapes: dict[str, Any] = {"shape": (5, 2, 4, 4), "chunks": (1, 2, 4, 4), "shards": (4, 2, 4, 4)}
    frames = group.create_array("frames", **shapes, dimension_names=dimensions, **options)
    split = group.create_array("split", shape=(5,), chunks=(4,), dimension_names=dimensions[:1], **options)
    frames[:] = np.arange(160, dtype=np.uint8).reshape(5, 2, 4, 4)
    split[:] = 1
    return path


HARM: dict[str, Callable[[bytes], bytes]] = {
    "flipped": lambda data: data[:7] + bytes([data[7] ^ 1]) + data[8:],
    "cut": lambda data: data[:-1],
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("key", ["frames/c/0/0/0/0", "frames/c/1/0/0/0", "split/c/0"])
def test_real_data_are_checked_to_the_byte_and_cannot_be_repaired(key: str, harm: str, real: Path) -> None:
    report = verify_store(real)
    assert (report.ok, report.samples) == (True, ())
    (real / key).write_bytes(HARM[harm]((real / key).read_bytes()))
    assert damage_to(real) == [key]
    before = files_of(real)
    with pytest.raises(
        InputError, match=r"real\.zarr holds real data, which cannot be rendered again; prepare it anew"
    ):
        verify_store(real, repair=True)
    assert files_of(real) == before
