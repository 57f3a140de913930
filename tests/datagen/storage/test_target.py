"""The store that a render writes into: made, resumed, extended, refused or replaced, and at no step taken for more."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from datagen.storage.engine import render_store
from datagen.storage.local_objects import LocalObjects
from datagen.storage.machine import machine_type
from datagen.storage.store import open_store
from datagen.storage.target import begin, condemn, locked
from datagen.storage.units import unit_at
from datagen.storage.verify import verify_store
from schemas.errors import (
    DamagedStoreError,
    IncompleteStoreError,
    InputError,
    LockedStoreError,
    NewerSchemaError,
    SpecMismatchError,
)
from schemas.render import SCHEMA_VERSION, RenderSpec
from schemas.store import StoreAttributes
from tests.dying import Death, dying_after
from tests.stores import (
    SPRITES,
    change_attributes,
    chunks_of,
    expected_objects,
    files_of,
    full_spec,
    leftovers_of,
    objects_of,
    tiny_spec,
    written_when,
)

SPEC = tiny_spec()
OTHER = tiny_spec("rotation", seed=3)
UNIT = 16
"""Sequences of a unit in every test here."""


@pytest.fixture(autouse=True)
def _units_of_16() -> Iterator[None]:
    with chunks_of(1):
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.zarr"


def attributes_of(store: Path) -> StoreAttributes:
    return StoreAttributes.parse(json.loads((store / "zarr.json").read_bytes())["attributes"])


# What must be refused, and left as it is


def test_another_spec_is_refused_and_both_digests_named(path: Path) -> None:
    render_store(SPEC, 3, path)
    before = files_of(path)
    with pytest.raises(SpecMismatchError) as refused:
        render_store(OTHER, 3, path)
    assert SPEC.digest[:12] in str(refused.value)
    assert OTHER.digest[:12] in str(refused.value)
    assert "use another path or --overwrite" in str(refused.value)
    assert files_of(path) == before


def test_a_smaller_n_is_refused_and_both_named(path: Path) -> None:
    render_store(SPEC, 20, path)
    before = files_of(path)
    with pytest.raises(InputError, match=r"has n = 20, this command's n is 19; give 20 or more, another path, or"):
        render_store(SPEC, 19, path)
    assert files_of(path) == before


def test_a_newer_schema_is_refused_and_both_versions_named(path: Path) -> None:
    render_store(SPEC, 3, path)
    change_attributes(path, schema_version=SCHEMA_VERSION + 1)
    before = files_of(path)
    with pytest.raises(NewerSchemaError, match=f"has schema version {SCHEMA_VERSION + 1}.* reads {SCHEMA_VERSION};"):
        render_store(SPEC, 5, path)
    assert files_of(path) == before


def test_real_data_are_refused(path: Path) -> None:
    render_store(SPEC, 3, path)
    document = json.loads((path / "zarr.json").read_bytes())
    document["attributes"]["recipe"] = document["attributes"].pop("spec")
    document["attributes"]["digest"] = "0" * 64
    (path / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
    before = files_of(path)
    with pytest.raises(SpecMismatchError, match="was prepared from recipe 000000000000…, this command's spec is"):
        render_store(SPEC, 3, path)
    assert files_of(path) == before


def folder_with(name: str, text: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        (path / name).write_text(text)

    return make


FOREIGN: dict[str, Callable[[Path], Any]] = {
    "a folder of notes": folder_with("notes.txt", "mine"),
    "a damaged document": folder_with("zarr.json", "{"),
    "an empty document": folder_with("zarr.json", ""),
    "a damaged document beside other people's frames": lambda path: (
        zarr.create_array(path / "frames", shape=(2,), dtype="int8") and (path / "zarr.json").write_text("{")
    ),
    "another group": lambda path: zarr.create_group(path).create_array("x", shape=(2,), dtype="int8"),
    "an array": lambda path: zarr.create_array(path, shape=(2,), dtype="int8"),
    "a file": lambda path: path.write_text("mine"),
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_store_is_not_touched(what: str, overwrite: bool, path: Path) -> None:
    FOREIGN[what](path)
    before = files_of(path) or path.read_text()
    with pytest.raises(InputError) as refused:
        render_store(SPEC, 3, path, overwrite=overwrite)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (files_of(path) or path.read_text()) == before


@pytest.mark.parametrize("document", [None, b"", b"[", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'])
def test_a_store_that_has_lost_its_document_is_named_and_only_overwritten_on_request(
    document: bytes | None, path: Path
) -> None:
    render_store(SPEC, 20, path)
    (path / "zarr.json").unlink()
    if document is not None:
        (path / "zarr.json").write_bytes(document)
    before, state = files_of(path), "missing" if document is None else "damaged"
    look: list[Callable[[], object]] = [
        lambda: open_store(path),
        lambda: verify_store(path, repair=True),
        lambda: render_store(SPEC, 20, path),
    ]
    for act in look:
        with pytest.raises(DamagedStoreError) as refused:
            act()
        assert str(refused.value) == f"{path}/zarr.json is {state}; render the store again with --overwrite"
    assert files_of(path) == before
    render_store(OTHER, 20, path, overwrite=True)
    assert objects_of(path) == expected_objects(OTHER, 20)


def test_an_empty_folder_is_a_place_for_a_store(path: Path) -> None:
    path.mkdir()
    render_store(SPEC, 3, path)
    assert objects_of(path) == expected_objects(SPEC, 3)


# The lock


def test_a_second_writer_is_refused_and_the_lock_named_until_the_first_is_done(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    Path("link.zarr").symlink_to(path)
    objects = LocalObjects(path)
    with locked(objects):
        for same in (path, "a.zarr", f"file://{path}", "link.zarr"):
            for overwrite in (False, True):
                with pytest.raises(LockedStoreError) as refused:
                    render_store(SPEC, 3, same, overwrite=overwrite)
                assert f"is being written by another process, which holds {path}.lock;" in str(refused.value)
        assert not path.exists()
    assert render_store(SPEC, 3, path).rendered == 3


def test_an_error_frees_the_lock(path: Path) -> None:
    with pytest.raises(RuntimeError), locked(LocalObjects(path)):
        raise RuntimeError
    with locked(LocalObjects(path)):
        pass


def test_the_lock_lies_beside_the_store(path: Path) -> None:
    """Foreign files inside make zarr warn."""
    with locked(LocalObjects(path)):
        assert [file.name for file in path.parent.iterdir()] == ["a.zarr.lock"]


def test_a_complete_store_is_read_while_it_is_being_extended_or_refused_but_never_half(path: Path) -> None:
    render_store(SPEC, 3, path)
    with locked(LocalObjects(path)):
        assert open_store(path).n == 3
        begin(LocalObjects(path), SPEC, 40, None, overwrite=False, program="tests")
        with pytest.raises(IncompleteStoreError):
            open_store(path)


# What the attributes say


def test_attributes_say_what_the_store_is_and_who_made_it(path: Path) -> None:
    render_store(SPEC, 3, path, produced_by="me")
    attributes = attributes_of(path)
    assert attributes.render_spec == SPEC
    assert (attributes.digest, attributes.n, attributes.complete) == (SPEC.digest, 3, True)
    assert attributes.schema_version == SCHEMA_VERSION
    assert attributes.produced_by == f"me on {machine_type()}"
    assert attributes.package_version
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", attributes.created)


def test_an_extension_keeps_when_and_by_whom_the_store_was_made_and_joins_the_machines(path: Path) -> None:
    render_store(SPEC, 3, path, produced_by="me")
    change_attributes(path, created="2020-01-01T00:00:00+00:00", produced_by="me on m68k-68000", complete=False)
    render_store(SPEC, 5, path, produced_by="you")
    attributes = attributes_of(path)
    assert attributes.created == "2020-01-01T00:00:00+00:00"
    assert attributes.produced_by == f"me on m68k-68000, {machine_type()}"


def test_a_complete_store_is_not_touched_by_the_same_command(path: Path) -> None:
    render_store(SPEC, 20, path)
    before = written_when(path)
    report = render_store(SPEC, 20, path)
    assert (report.rendered, report.resumed, report.bytes) == (0, 20, 0)
    assert written_when(path) == before


# What a unit is, and what is none


def test_a_unit_is_done_when_its_frames_are_there(path: Path) -> None:
    render_store(SPEC, 4 * UNIT, path)
    change_attributes(path, complete=False)
    (path / "frames/c/1/0/0/0").unlink()
    (path / "angle/c/2/0").unlink()  # verify finds that, a resumed render does not look
    report = render_store(SPEC, 4 * UNIT, path)
    assert (report.rendered, report.resumed) == (UNIT, 3 * UNIT)
    assert expected_objects(SPEC, 4 * UNIT).keys() - objects_of(path).keys() == {"angle/c/2/0"}


def test_frames_that_a_power_cut_left_too_short_are_rendered_again(path: Path) -> None:
    render_store(SPEC, 4 * UNIT, path)
    change_attributes(path, complete=False)
    for unit, size in ((0, 0), (2, 100)):
        os.truncate(path / f"frames/c/{unit}/0/0/0", size)
    assert render_store(SPEC, 4 * UNIT, path).rendered == 2 * UNIT
    assert objects_of(path) == expected_objects(SPEC, 4 * UNIT)


def test_an_extension_renders_the_last_unit_again_only_if_it_is_partial(path: Path) -> None:
    assert render_store(SPEC, 2 * UNIT, path).rendered == 2 * UNIT
    assert render_store(SPEC, 2 * UNIT + 3, path).rendered == 3
    assert render_store(SPEC, 2 * UNIT + 4, path).rendered == 4
    assert objects_of(path) == expected_objects(SPEC, 2 * UNIT + 4)


def test_what_killed_renders_left_aside_is_swept_and_other_files_stay(path: Path) -> None:
    render_store(full_spec(), UNIT + 1, path, sprites=SPRITES)
    change_attributes(path, complete=False)
    (path / "frames/c/1/0/0/0").unlink()
    (path / "mine.txt").write_text("mine")
    killed = ["zarr.json", "frames/zarr.json", "angle/c/1/0", "flow/c/1/0/0/0/0", "noise_ratio/c/1", "sprites/c/0/0/0"]
    for key in killed:
        (path / f"{key}.0123.partial").write_bytes(b"half")
    render_store(full_spec(), UNIT + 1, path)
    assert leftovers_of(path) == []
    assert objects_of(path) == expected_objects(full_spec(), UNIT + 1) | {"mine.txt": b"mine"}


def test_overwriting_leaves_nothing_of_the_other_store(path: Path) -> None:
    render_store(full_spec(), 40, path, sprites=SPRITES)
    render_store(OTHER, 20, path, overwrite=True)
    assert objects_of(path) == expected_objects(OTHER, 20)
    fresh = path.with_name("fresh.zarr")
    render_store(OTHER, 20, fresh)
    assert files_of(path).keys() == files_of(fresh).keys()


@pytest.mark.parametrize("per_chunk", [1, 2, 4, 11, 20])
def test_sprites_travel_in_the_store_in_chunks_of_any_size(
    per_chunk: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.storage.metadata.CHUNK_BYTES", per_chunk * SPRITES[0].size)
    spec = full_spec()
    render_store(spec, 3, path, sprites=SPRITES)
    assert objects_of(path) == expected_objects(spec, 3)
    assert len(list((path / "sprites/c").iterdir())) == -(-11 // min(per_chunk, 11))
    assert np.array_equal(np.asarray(zarr.open_group(path, mode="r")["sprites"]), SPRITES)
    assert render_store(spec, 5, path).rendered == 5  # without the images
    assert objects_of(path) == expected_objects(spec, 5)


def test_a_store_that_needs_sprites_is_not_begun_without_them(path: Path) -> None:
    with pytest.raises(InputError, match="the spec names 11 sprites and none are given"):
        render_store(full_spec(), 3, path)
    assert not path.exists()


# A kill at any step


def nothing(path: Path) -> None:
    path.mkdir()


def bare(path: Path) -> None:
    render_store(SPEC, 20, path, workers=1)


def bare_and_longer(path: Path) -> None:
    render_store(SPEC, 40, path, workers=1)


def bare_and_a_little_longer(path: Path) -> None:
    render_store(SPEC, 23, path, workers=1)


def with_everything(path: Path) -> None:
    render_store(full_spec(), 20, path, sprites=SPRITES, workers=1)


def another(path: Path) -> None:
    render_store(OTHER, 20, path, overwrite=True, workers=1)


def without_document(path: Path) -> None:
    """Like `another`, so that its units could be taken for finished ones."""
    render_store(OTHER.model_copy(update={"seed": 7}), 20, path)
    (path / "zarr.json").write_bytes(b"{")


def damaged(path: Path) -> None:
    bare(path)
    for key in ("angle/c/1/0", "frames/c/0/0/0/0"):
        data = bytearray((path / key).read_bytes())
        data[5] ^= 1
        (path / key).write_bytes(data)


def repaired(path: Path) -> None:
    verify_store(path, repair=True, workers=1)


@dataclass(frozen=True)
class Scene:
    """What a kill interrupts."""

    before: Callable[[Path], None]
    act: Callable[[Path], None]
    spec: RenderSpec
    n: int
    chunk: int = 1


SCENES = {
    "new": Scene(nothing, with_everything, full_spec(), 20),
    "extension": Scene(bare, bare_and_longer, SPEC, 40),
    # The objects of 20 and 23 sequences are of one size then.
    "extension within a chunk": Scene(bare, bare_and_a_little_longer, SPEC, 23, chunk=8),
    "overwrite": Scene(bare, another, OTHER, 20),
    "overwrite of what has lost its document": Scene(without_document, another, OTHER, 20),
    "repair": Scene(damaged, repaired, SPEC, 20),
}


def telling(log: list[str]) -> list[int]:
    """Choose the steps at which a kill might tell: around the group's document and the markers; five of the others."""
    near = {k + d for k, key in enumerate(log) for d in (0, 1) if key == "zarr.json" or key.startswith("frames/c/")}
    return sorted({k for k in near if k < len(log)} | set(range(0, len(log), len(log) // 5)))


def kills(scene: Scene, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield copies of one store, each killed at another step of an act, and what the step would have changed."""
    before, log = folder / "before.zarr", list[str]()
    scene.before(before)
    shutil.copytree(before, folder / "whole.zarr")
    with dying_after(10**6, folder / "whole.zarr", log):
        scene.act(folder / "whole.zarr")
    for steps in telling(log):
        path = folder / f"{steps}.zarr"
        shutil.copytree(before, path)
        with dying_after(steps, path, []), pytest.raises(Death):
            scene.act(path)
        yield log[steps], path


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_a_kill_at_any_step_is_told_from_a_store_and_the_same_command_completes_it(name: str, tmp_path: Path) -> None:
    scene = SCENES[name]
    with chunks_of(scene.chunk):
        new = expected_objects(scene.spec, scene.n)
        for step, path in kills(scene, tmp_path):
            assert_refused_unless_whole(path, (objects_of(tmp_path / "before.zarr"), new))
            scene.act(path)
            assert open_store(path).n == scene.n
            assert objects_of(path) == new, f"killed at {step}"
        assert objects_of(tmp_path / "whole.zarr") == new


def assert_refused_unless_whole(path: Path, wholes: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    """Check what readers see after a kill: no store, an unfinished one, or one that is all there."""
    try:
        opened = open_store(path)
    except (IncompleteStoreError, DamagedStoreError):
        return
    except InputError as error:
        assert "does not exist" in str(error)  # noqa: PT017  # the other outcome is no error
        return
    assert whole_objects(path) in wholes
    assert opened.complete


def whole_objects(path: Path) -> dict[str, bytes]:
    """Return the objects less what lies aside: a complete store that is asked for again is not swept."""
    return {key: data for key, data in objects_of(path).items() if not key.endswith(".partial")}


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 40, 55])
def test_after_a_killed_extension_any_n_that_is_not_smaller_can_be_asked_for(n: int, tmp_path: Path) -> None:
    new = expected_objects(SPEC, n)
    for step, path in kills(SCENES["extension"], tmp_path):
        if attributes_of(path).n <= n:
            render_store(SPEC, n, path, workers=1)
            assert whole_objects(path) == new, f"killed at {step}"


# Condemned units


def test_condemned_units_are_missing_and_the_store_incomplete(path: Path) -> None:
    render_store(SPEC, 3 * UNIT, path)
    condemn(LocalObjects(path), attributes_of(path), [unit_at(SPEC, 3 * UNIT, 1)])
    assert not attributes_of(path).complete
    assert expected_objects(SPEC, 3 * UNIT).keys() - objects_of(path).keys() == {"frames/c/1/0/0/0"}
    with locked(LocalObjects(path)), pytest.raises(LockedStoreError):
        condemn(LocalObjects(path), attributes_of(path), [])
