"""From what a user asks for to a RenderSpec and its sprites: a file, a store, a preset or a property, overridden."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from datagen.overrides import Overrides
from datagen.presets import PresetName, default_n, preset_spec
from schemas.errors import InputError
from schemas.messages import first_mistake
from schemas.render import RenderSpec

if TYPE_CHECKING:
    from datagen.storage.sprites import Stack

DEFAULT_N = 10_000
"""Sequences of one property in the paper (section 4)."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for; without a source it is a property with the defaults of everything else."""

    overrides: Overrides
    """Options that stand in place of the source's fields."""
    spec: str | None = None
    """Source of the fields: a YAML or JSON file, or a store, whose sprites then serve too."""
    preset: PresetName | None = None
    """Source of the fields by name."""
    sprites: str | None = None
    """Image folder or IDX file."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A spec with everything that it takes to render it."""

    spec: RenderSpec
    sprites: "Stack | None"
    """(sprite, sprite_y, sprite_x) uint8; None if the spec names none, or none that can be found."""
    name: str
    """The preset, or else the property."""
    n: int
    """Sequences, unless the user wants another number."""


def resolve(request: Request) -> DataSet:
    """
    Find what is asked for.

    Raises
    ------
    InputError
        a file cannot be read, a field is unknown or out of range, or an optional package is missing.
    """
    given = None if request.sprites is None else _loaded(request.sprites)
    fields, stack = _source(request.spec, given) if request.preset is None else _preset(request.preset, given)
    spec = _parsed(fields, request)
    if spec.sprites is not None and stack is None:
        from datagen.storage.sprites import digits_if_named

        stack = digits_if_named(spec.sprites)  # everyone who has scikit-learn has them
    return DataSet(
        spec=spec,
        sprites=stack,
        name=request.preset or spec.property.kind,
        n=default_n(spec) or DEFAULT_N,
    )


def read_spec_file(path: Path) -> Any:
    """
    Return what a YAML or JSON file says.

    Raises
    ------
    InputError
        the file cannot be read or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a YAML or JSON file, or a store") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, yaml.YAMLError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise InputError(f"{path} is no YAML or JSON: {' '.join(str(error).split())}") from None


def _source(spec: str | None, given: "Stack | None") -> "tuple[Mapping[str, Any], Stack | None]":
    """Return the fields that the request starts from, and its sprites: those given, or else those of a store."""
    fields: Mapping[str, Any] = {}
    stack = given
    if spec is not None and ("://" in spec or Path(spec).is_dir()):
        from datagen.storage.store import open_store

        store = open_store(spec, incomplete=True)
        fields = store.spec.model_dump(mode="json")
        stack = store.sprites if given is None else given  # those given stand in for damaged ones
    elif spec is not None:
        read = read_spec_file(Path(spec))
        if not isinstance(read, Mapping):
            RenderSpec.parse(read, spec)  # raises, and says what it is
        fields = read
    return fields if given is None else _with_sprites(fields, given), stack


def _parsed(fields: Mapping[str, Any], request: Request) -> RenderSpec:
    try:
        return RenderSpec.parse(request.overrides.applied_to(fields))
    except InputError:
        if request.spec is not None:  # if the file is at fault, and not an option, the message names it
            name = request.spec if request.sprites is None else f"{request.spec} with --sprites {request.sprites}"
            RenderSpec.parse(Overrides(property=request.overrides.property).applied_to(fields), name)
        raise


def _with_sprites(fields: Mapping[str, Any], stack: "Stack") -> dict[str, Any]:
    """Name the sprites in the fields; all objects are sprites unless the source mixes them with other kinds."""
    from datagen.storage.sprites import sprite_set

    objects = fields.get("objects", {})
    if isinstance(objects, Mapping) and not _names_sprites(objects.get("kinds")):
        objects = {**objects, "kinds": ["sprite"]}
    return {**fields, "objects": objects, "sprites": sprite_set(stack).model_dump(mode="json")}


def _names_sprites(kinds: Any) -> bool:
    return isinstance(kinds, list) and "sprite" in kinds


def _preset(name: PresetName, given: "Stack | None") -> "tuple[Mapping[str, Any], Stack | None]":
    from datagen.storage.sprites import built_in_digits, sprite_set

    stack = built_in_digits() if given is None else given
    try:
        return preset_spec(name, sprite_set(stack)).model_dump(mode="json"), stack
    except ValidationError as error:
        raise InputError(first_mistake(error, RenderSpec.model_json_schema())) from None


def _loaded(path: str) -> "Stack":
    from datagen.storage.sprites import load_sprites

    return load_sprites(path)
