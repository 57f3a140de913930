"""One spec however it is asked for: by options, by a file, by a store; and files that nobody can read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from datagen.cli import datagen, render
from datagen.options import request_of
from datagen.request import DEFAULT_N, DataSet, resolve
from datagen.storage.engine import render_store
from datagen.storage.sprites import built_in_digits, load_sprites, sprite_set
from schemas.errors import InputError
from schemas.render import RenderSpec
from tests.surface import parsed

OF_THE_COMMAND = {"n", "out", "workers", "scheduler", "service", "overwrite", "as_json"}
"""What `render` reads itself; every other option is part of the request."""
SOURCES = {"property", "preset", "spec", "sprites"}


def asked(*arguments: str | Path) -> DataSet:
    """Resolve the options of `datagen render`."""
    options = parsed(datagen, "render", [str(argument) for argument in arguments]).params
    return resolve(request_of(**{name: value for name, value in options.items() if name not in OF_THE_COMMAND}))


def written(path: Path, fields: Any) -> Path:
    path.write_text(json.dumps(fields) if path.suffix == ".json" else yaml.safe_dump(fields), encoding="utf-8")
    return path


OVERRIDES: dict[str, tuple[str, dict[str, Any]]] = {
    "frames": ("7", {"frames": 7}),
    "size": ("96", {"height": 96, "width": 96}),
    "height": ("97", {"height": 97}),
    "width": ("33", {"width": 33}),
    "noise_ratio": ("0.26", {"noise": {"ratio": 0.26}}),
    "noise_mix": ("perlin=2,white=0.5", {"noise": {"gaussian": 0, "white": 0.5, "perlin": 2}}),
    "seed": ("18446744073709551615", {"seed": 2**64 - 1}),
    "truth": ("mask,clean", {"truth": ["clean", "mask"]}),
    "dtype": ("float16", {"dtype": "float16"}),
}
"""Each option with a value, and the same as fields of a file."""


def test_the_table_has_every_option_of_the_request() -> None:
    assert set(OVERRIDES) == {parameter.name for parameter in render.params} - OF_THE_COMMAND - SOURCES


@pytest.mark.parametrize("option", OVERRIDES)
@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_field_has_one_digest_by_option_by_file_and_by_option_over_file(
    option: str, suffix: str, tmp_path: Path
) -> None:
    flag = f"--{option.replace('_', '-')}"
    value, fields = OVERRIDES[option]
    plain = asked("--property", "rotation").spec.digest
    by_option = asked("--property", "rotation", flag, value).spec.digest
    by_file = asked("--spec", written(tmp_path / f"given{suffix}", {"property": "rotation", **fields})).spec.digest
    other = {"frames": 3, "height": 20, "width": 20, "seed": 9, "dtype": "float32"}
    base = {name: value for name, value in other.items() if name in fields}  # what this option must override
    over_file = asked("--spec", written(tmp_path / f"other{suffix}", {"property": "rotation", **base}), flag, value)
    assert plain != by_option
    assert by_option == by_file
    assert over_file.spec.digest == by_option


def test_options_change_their_field_and_no_other(tmp_path: Path) -> None:
    fields = {
        "property": {"kind": "translation", "speed": [0.01, 0.02]},
        "noise": {"ratio": 0.3, "octaves": 2},
        "seed": 4,
    }
    found = asked("--spec", written(tmp_path / "spec.yaml", fields), "--noise-ratio", "0.5", "--width", "64").spec
    assert found == RenderSpec.parse({**fields, "noise": {"ratio": 0.5, "octaves": 2}, "width": 64})


@pytest.mark.parametrize("kind", ["translation", "rotation", "intensity", "mixed"])
def test_a_property_alone_is_the_spec_with_all_defaults(kind: str) -> None:
    found = asked("--property", kind)
    assert found.spec == RenderSpec.parse({"property": kind})
    assert (found.name, found.n) == (kind, DEFAULT_N)


def test_property_option_replaces_another_property_of_the_file_and_keeps_the_ranges_of_the_same(tmp_path: Path) -> None:
    fields = {"property": {"kind": "rotation", "pivot": "orbit"}, "seed": 3}
    file = written(tmp_path / "spec.yaml", fields)
    assert asked("--spec", file, "--property", "rotation").spec == RenderSpec.parse(fields)
    assert asked("--spec", file, "--property", "mixed").spec == RenderSpec.parse({"property": "mixed", "seed": 3})


def test_property_option_completes_a_file_without_one(tmp_path: Path) -> None:
    file = written(tmp_path / "spec.yaml", {"seed": 3})
    assert asked("--spec", file, "--property", "mixed").spec == RenderSpec.parse({"property": "mixed", "seed": 3})
    with pytest.raises(InputError, match=r"spec\.yaml: property is missing; give one of intensity, mixed"):
        asked("--spec", file)


@pytest.mark.parametrize("complete", [True, False])
def test_a_store_is_a_source_with_its_sprites(tmp_path: Path, *, complete: bool) -> None:
    stack = np.arange(3 * 5 * 4, dtype=np.uint8).reshape(3, 5, 4)
    spec = RenderSpec.parse(
        {
            "property": "rotation",
            "frames": 2,
            "height": 16,
            "width": 20,
            "objects": {"kinds": ["sprite"]},
            "sprites": sprite_set(stack).model_dump(),
        }
    )
    store = tmp_path / "sprites.zarr"
    render_store(spec, 3, store, sprites=stack)
    if not complete:
        document = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
        document["attributes"]["complete"] = False
        (store / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
    found = asked("--spec", store, "--seed", "5")
    assert found.spec == spec.model_copy(update={"seed": 5})
    assert found.sprites is not None
    assert np.array_equal(found.sprites, stack)


def images(folder: Path) -> Path:
    folder.mkdir()
    for number in range(10):
        Image.fromarray(np.full((6, 6), 20 * number, np.uint8)).save(folder / f"{number}.png")
    return folder


def test_sprites_become_the_objects(tmp_path: Path) -> None:
    folder = images(tmp_path / "images")
    stack = load_sprites(folder)
    found = asked("--property", "rotation", "--sprites", folder)
    fields = {"property": "rotation", "sprites": sprite_set(stack).model_dump()}
    assert found.spec == RenderSpec.parse({**fields, "objects": {"kinds": ["sprite"]}})
    mixed = {"property": "rotation", "objects": {"kinds": ["circle", "sprite"], "count": [2, 2]}}
    over = asked("--spec", written(tmp_path / "mixed.yaml", mixed), "--sprites", folder)
    assert over.spec == RenderSpec.parse({**mixed, **fields})
    assert over.sprites is not None
    assert np.array_equal(over.sprites, stack)


def test_preset_takes_the_built_in_digits_or_those_given(tmp_path: Path) -> None:
    built_in = asked("--preset", "dynamic-mnist")
    assert (built_in.name, built_in.n) == ("dynamic-mnist", 850)
    assert built_in.spec.sprites == sprite_set(built_in_digits())
    given = asked("--preset", "dynamic-mnist", "--sprites", images(tmp_path / "images"), "--size", "64")
    assert given.spec.sprites == sprite_set(load_sprites(tmp_path / "images"))
    assert (given.spec.height, given.spec.width, given.spec.noise.ratio) == (64, 64, 0)


def test_a_file_that_names_the_built_in_digits_finds_them(tmp_path: Path) -> None:
    spec = asked("--preset", "dynamic-mnist").spec
    found = asked("--spec", written(tmp_path / "spec.json", spec.model_dump(mode="json")))
    assert found.spec.digest == spec.digest
    assert found.n == 850
    assert found.sprites is not None


def test_a_file_that_names_unknown_sprites_finds_none(tmp_path: Path) -> None:
    named = {"count": 3, "height": 4, "width": 4, "sha256": "0" * 64}
    fields = {"property": "rotation", "objects": {"kinds": ["sprite"]}, "sprites": named}
    assert asked("--spec", written(tmp_path / "spec.yaml", fields)).sprites is None


def test_too_few_sprites_for_a_preset_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = images(tmp_path / "images")
    for number in range(3):
        (folder / f"{number}.png").unlink()
    with pytest.raises(InputError, match="7 sprites leave a split without any; give 9 or more"):
        asked("--preset", "dynamic-mnist", "--sprites", folder)


def test_too_few_sprites_for_a_file_are_not_blamed_on_the_file_alone(tmp_path: Path) -> None:
    fields = asked("--preset", "dynamic-mnist").spec.model_dump(mode="json")
    few = images(tmp_path / "few")
    for number in range(3):
        (few / f"{number}.png").unlink()
    with pytest.raises(InputError) as refused:
        asked("--spec", written(tmp_path / "dm.json", fields), "--sprites", few)
    assert str(refused.value) == (
        f"{tmp_path / 'dm.json'} with --sprites {few}: 7 sprites leave a split without any; give 9 or more"
    )


def test_a_mistake_in_the_file_names_the_file_and_one_in_an_option_does_not(tmp_path: Path) -> None:
    wrong = written(tmp_path / "wrong.yaml", {"property": "rotation", "noise": {"ratio": -1}})
    with pytest.raises(InputError, match=r"wrong\.yaml: noise\.ratio is -1"):
        asked("--spec", wrong)
    right = written(tmp_path / "right.yaml", {"property": "rotation"})
    with pytest.raises(InputError, match=r"^noise\.ratio is -1"):
        asked("--spec", right, "--noise-ratio", "-1")


def as_folder(path: Path) -> None:
    path.mkdir()


UNREADABLE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("spec.yaml", lambda path: None, r"spec\.yaml does not exist; give a YAML or JSON file, or a store"),
    "empty": ("spec.yaml", lambda path: path.write_text(""), r"spec\.yaml: .* is no RenderSpec; give a mapping"),
    "list": ("spec.yaml", lambda path: path.write_text("- 1"), r"spec\.yaml: \[1\] is no RenderSpec; give a mapping"),
    "yaml": ("spec.yaml", lambda path: path.write_text("a: [1"), r"spec\.yaml is no YAML or JSON: .* line 1"),
    "json": (
        "spec.json",
        lambda path: path.write_text("{'a': 1}"),
        r"spec\.json is no YAML or JSON: .* line 1 column 2",
    ),
    "binary": ("spec.yaml", lambda path: path.write_bytes(b"\xff\xfe\x00"), r"spec\.yaml is no YAML or JSON"),
    "unknown": ("spec.yaml", lambda path: path.write_text("frmes: 3\nproperty: mixed"), "did you mean frames"),
    "noise": ("spec.yaml", lambda path: path.write_text("noise: 3\nproperty: mixed"), r"spec\.yaml: noise is 3; give"),
    "kinds": ("spec.yaml", lambda path: path.write_text("objects: 3\nproperty: mixed"), r"spec\.yaml: objects is 3"),
    "newer": (
        "spec.yaml",
        lambda path: path.write_text("schema_version: 2\nproperty: mixed"),
        "schema_version is 2; give 1",
    ),
    "folder": ("empty", as_folder, "empty does not exist; give the path of a store"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_source_that_is_none_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    name, make, message = UNREADABLE[case]
    make(tmp_path / name)
    with pytest.raises(InputError, match=message) as raised:
        asked("--spec", tmp_path / name, "--noise-ratio", "0.3")
    assert "\n" not in str(raised.value)
