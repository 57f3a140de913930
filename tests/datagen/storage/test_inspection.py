"""What is wrong with a store, in words: documents field by field, and how far another machine type may differ."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from datagen.rendering.sequence import Renderer
from datagen.storage.engine import render_store
from datagen.storage.inspection import EDGE_SHARE, damaged_objects, layouts_of, structure_problems, wrong_objects
from datagen.storage.shards import object_layouts
from datagen.storage.store import SequenceStore, open_store
from datagen.storage.units import unit_at
from schemas.errors import DamagedStoreError
from schemas.render import SCHEMA_VERSION, RenderSpec
from tests.stores import SPRITES, TRUTH, change_attributes, chunks_of, full_spec, tiny_spec

SPEC = tiny_spec(truth=TRUTH, height=40, width=50)
FLOATS = tiny_spec(truth=TRUTH, dtype="float32")
N = 20
"""Sequences in one unit and a quarter."""


@pytest.fixture(autouse=True, scope="module")
def _units_of_16() -> Iterator[None]:
    with chunks_of(1):
        yield


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Render stores that nobody changes."""
    folder = tmp_path_factory.mktemp("stores")
    render_store(SPEC, N, folder / "grey.zarr")
    render_store(FLOATS, N, folder / "floats.zarr")
    render_store(full_spec(), 3, folder / "full.zarr", sprites=SPRITES)
    return {path.stem: path for path in folder.glob("*.zarr")}


def change(store: Path, name: str, position: int, value: Any) -> None:
    """Change values as any user of zarr can, checksums and all."""
    array = zarr.open_group(store, mode="r+")[name]
    assert isinstance(array, zarr.Array)
    array[position] = value


def copy(store: Path, folder: Path) -> Path:
    return Path(shutil.copytree(store, folder / "a.zarr"))


# Structure


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shape", [N + 1, 2, 40, 50]),
        ("data_type", "int8"),
        ("dimension_names", ["sequence", "time", "x", "y"]),
        ("fill_value", 1),
        ("codecs", []),
        ("attributes", {}),
        ("chunk_grid", None),
        ("invented", 1),
    ],
)
def test_a_changed_field_of_a_document_is_named(
    field: str, value: Any, stores: dict[str, Path], tmp_path: Path
) -> None:
    path = copy(stores["grey"], tmp_path)
    file = path / "frames/zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), field: value}), encoding="utf-8")
    problems = list(structure_problems(open_store(path)))
    assert problems == [f"frames/zarr.json: {field} is not what the spec asks for"]


def test_a_whole_store_has_no_problems(stores: dict[str, Path]) -> None:
    for path in stores.values():
        assert list(structure_problems(open_store(path))) == []


def test_a_document_written_in_another_way_is_the_same(stores: dict[str, Path], tmp_path: Path) -> None:
    path = copy(stores["grey"], tmp_path)
    for file in path.rglob("zarr.json"):
        document = json.loads(file.read_bytes())
        file.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")), encoding="utf-8")
    assert list(structure_problems(open_store(path))) == []


def test_sprites_that_are_not_the_specs_are_a_problem(stores: dict[str, Path], tmp_path: Path) -> None:
    path = copy(stores["full"], tmp_path)
    change(path, "sprites", 0, 1)
    (problem,) = structure_problems(open_store(path))
    assert problem.startswith("the sprites have SHA-256 ")


# Objects


def test_problems_say_where(stores: dict[str, Path], tmp_path: Path) -> None:
    path = copy(stores["grey"], tmp_path)
    frames = path / "frames/c/1/0/0/0"
    whole = frames.read_bytes()
    store, layouts = open_store(path), object_layouts(SPEC)
    chunk = layouts[-1].chunk_bytes
    cases = {
        whole[: chunk + 7]: f"cut after {chunk + 7} of {len(whole)} bytes",
        whole[:-1]: "what follows the last chunk is damaged",
        whole[: chunk + 9] + b"\xff\xff" + whole[chunk + 11 :]: "chunk 1 fails its checksum",
        whole[: chunk - 1] + b"\xff" + whole[chunk:]: "chunk 0 fails its checksum",
        b"": f"cut after 0 of {len(whole)} bytes",
    }
    unit = unit_at(SPEC, N, 1)
    assert damaged_objects(store, layouts, unit) == []
    for data, problem in cases.items():
        frames.write_bytes(data)
        (found,) = damaged_objects(store, layouts, unit)
        assert str(found) == f"frames/c/1/0/0/0 (unit 1, sequences 16-19): {problem}"


def test_an_object_of_a_longer_unit_is_damage(stores: dict[str, Path], tmp_path: Path) -> None:
    """Each chunk is whole, but the index is another."""
    path = copy(stores["grey"], tmp_path)
    shutil.copy(path / "mask/c/0/0/0/0", path / "mask/c/1/0/0/0")
    (found,) = damaged_objects(open_store(path), object_layouts(SPEC), unit_at(SPEC, N, 1))
    assert (found.key, found.problem) == ("mask/c/1/0/0/0", "what follows the last chunk is damaged")


# Sequences rendered again, on this machine type and on another


def wrong_after(
    store: Path, spec: RenderSpec, name: str, value: np.ndarray, *, machine: str | None = None
) -> list[str]:
    """Return the arrays that are wrong once sequence 17 of one has been replaced, checksums and all."""
    change(store, name, 17, value)
    if machine:
        change_attributes(store, produced_by=f"datagen on {machine}")
    return [found.key.partition("/")[0] for found in wrong_objects(open_store(store), Renderer(spec), 17)]


def stored(store: Path, name: str) -> np.ndarray:
    return np.array(open_store(store)[name][17])


def with_share(values: np.ndarray, share: float) -> np.ndarray:
    """Change a share of the values, evenly spread."""
    changed = values.reshape(-1).copy()
    where = np.linspace(0, changed.size - 1, int(share * changed.size)).astype(int)
    changed[where] += 1
    return changed.reshape(values.shape)


@pytest.mark.parametrize("name", ["frames", "clean", "flow", "mask", "property_mask", "angle", "noise_ratio_measured"])
def test_on_this_machine_type_every_bit_counts(name: str, stores: dict[str, Path], tmp_path: Path) -> None:
    path = copy(stores["grey"], tmp_path)
    value = stored(path, name)
    changed = value.copy().reshape(-1)
    changed.view(np.uint8)[0] ^= 1
    assert wrong_after(path, SPEC, name, value) == []
    assert wrong_after(path, SPEC, name, changed.reshape(value.shape)) == [name]


@pytest.mark.parametrize(("levels", "wrong"), [(1, False), (2, True)])
@pytest.mark.parametrize("name", ["frames", "clean"])
@pytest.mark.parametrize("machine", ["m68k-68000", "m68k-68000, x86_64-znver4"])
def test_another_machine_type_may_differ_by_one_grey_level(
    name: str, levels: int, wrong: bool, machine: str, stores: dict[str, Path], tmp_path: Path
) -> None:
    path = copy(stores["grey"], tmp_path)
    value = stored(path, name)
    changed = np.where(value < 128, value + levels, value - levels).astype(np.uint8)
    assert wrong_after(path, SPEC, name, changed, machine=machine) == ([name] if wrong else [])


@pytest.mark.parametrize(("levels", "wrong"), [(0.99, False), (1.1, True)])
def test_a_grey_level_of_floats_is_the_same_part_of_full_scale(
    levels: float, wrong: bool, stores: dict[str, Path], tmp_path: Path
) -> None:
    path = copy(stores["floats"], tmp_path)
    changed = stored(path, "frames") + np.float32(levels / 255)
    assert wrong_after(path, FLOATS, "frames", changed, machine="m68k-68000") == (["frames"] if wrong else [])


@pytest.mark.parametrize(("share", "wrong"), [(0.8 * EDGE_SHARE, False), (3 * EDGE_SHARE, True)])
@pytest.mark.parametrize("name", ["flow", "mask", "property_mask"])
def test_another_machine_type_may_put_a_few_pixels_on_the_other_side_of_an_edge(
    name: str, share: float, wrong: bool, stores: dict[str, Path], tmp_path: Path
) -> None:
    path = copy(stores["grey"], tmp_path)
    changed = with_share(stored(path, name), share)
    assert np.any(changed != stored(path, name))
    assert wrong_after(path, SPEC, name, changed, machine="m68k-68000") == ([name] if wrong else [])


@pytest.mark.parametrize(("name", "factor"), [("noise_ratio_measured", 1 + 1e-6), ("angle", 1.0)])
def test_parameters_are_exact_on_any_machine_type_and_the_measured_ratio_nearly(
    name: str, factor: float, stores: dict[str, Path], tmp_path: Path
) -> None:
    path = copy(stores["grey"], tmp_path)
    value = stored(path, name)
    assert wrong_after(path, SPEC, name, value * factor, machine="m68k-68000") == []
    assert wrong_after(path, SPEC, name, value * (1 + 1e-4), machine="m68k-68000") == [name]


# Real data


def real(path: Path, **arrays: dict[str, Any]) -> SequenceStore:
    """Make a store as `trainer prepare` does, with array options in place of the usual ones."""
    fields = {"schema_version": SCHEMA_VERSION, "recipe": {}, "digest": "0" * 64, "n": 4, "complete": True}
    group = zarr.create_group(path, attributes=fields)
    for name, options in {"frames": {}, "cadence": {}, **arrays}.items():
        shape = (4, 2, 8, 8) if name == "frames" else (4,)
        usual = {
            "shape": shape,
            "chunks": (2, *shape[1:]),
            "dtype": "uint8",
            "compressors": [Crc32cCodec()],
            "dimension_names": ("sequence", "time", "y", "x")[: len(shape)],
        }
        group.create_array(name, **{**usual, **options})
    return open_store(path)


def test_real_data_in_the_layout_have_no_problems(tmp_path: Path) -> None:
    store = real(tmp_path / "a.zarr")
    assert list(structure_problems(store)) == []
    assert [layout.name for layout in layouts_of(store)] == ["cadence", "frames"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"shape": (5,)}, "cadence has 5 sequences, attribute n is 4"),
        ({"dimension_names": None}, "cadence has no dimension names"),
        ({"compressors": None}, r"cadence has codecs (); the layout's are bytes and crc32c"),
        ({"compressors": [BloscCodec(typesize=1)]}, "cadence has codecs (BloscCodec("),
    ],
)
def test_what_is_wrong_with_real_data_is_named(options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    (found,) = structure_problems(real(tmp_path / "a.zarr", cadence=options))
    assert found.startswith(problem)


def test_real_data_without_frames_are_damaged(tmp_path: Path) -> None:
    store = real(tmp_path / "a.zarr", frames={"dimension_names": ("window", "time", "y", "x")})
    with pytest.raises(DamagedStoreError, match=r"a\.zarr has no array frames \(sequence, time, y, x\)$"):
        layouts_of(store)
