"""From what a command line asks for to a RunConfig: a file, overridden by options, one field at a time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import InputError
from schemas.run import RunConfig

SHIPPED = Path(__file__).parent / "configs"
"""Configurations that come with the package, by name."""


def config_of(
    *,
    config: str | None,
    synthetic: Mapping[str, str],
    real: str | None,
    real_sequences: int | None,
    experts_from: str | None,
    model: str | None,
    scale: str | None,
    seed: int | None,
    precision: str | None,
) -> RunConfig:
    """
    Return the configuration that a file and options ask for; options win.

    Parameters
    ----------
    config : YAML or JSON file, or the name of a configuration that ships with the package, e.g. dynamic-mnist
    synthetic : store by property; these replace the file's, of which the number of sequences to use stays
    real, real_sequences, experts_from, model, scale, seed, precision : fields to override, None for the file's

    Raises
    ------
    InputError
        the file cannot be read, a field is unknown or out of range, or the fields contradict each other.
    """
    fields = read_fields(config) if config else {}
    changes: dict[str, Any] = {"scale": scale, "seed": seed}
    stores = _stores(fields, synthetic) or None
    data: dict[str, Any] = {"synthetic": stores, "real": real, "real_sequences": real_sequences}
    sections: dict[str, dict[str, Any]] = {
        "data": data,
        "model": {"kind": model},
        "schedule": {"experts_from": experts_from},
        "execution": {"precision": precision},
    }
    changed = {**fields, **_given(changes)}
    for section, values in sections.items():
        if given := _given(values):
            under = fields.get(section, {})
            changed[section] = {**under, **given} if isinstance(under, Mapping) else under
    return RunConfig.parse(changed, config or "")


def read_fields(config: str) -> dict[str, Any]:
    """
    Return what a configuration file says.

    Raises
    ------
    InputError
        it does not exist, cannot be read, or is no mapping.
    """
    path = Path(config)
    if not path.is_file() and (SHIPPED / f"{config}.yaml").exists():
        path = SHIPPED / f"{config}.yaml"
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise InputError(f"{config} does not exist; give a YAML file, or one of {shipped}") from None
    except OSError as error:
        raise InputError(f"{config} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"{config} is no YAML: {' '.join(str(error).split())}") from None
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        RunConfig.parse(fields, config)  # raises, and says what it is
    return dict(fields)


def parsed_stores(texts: Sequence[str]) -> dict[str, str]:
    """
    Return the stores that texts such as "rotation=rotation.zarr" name, by property.

    Raises
    ------
    InputError
        a text names no property or no store, or a property comes twice.
    """
    stores: dict[str, str] = {}
    for text in texts:
        name, _, store = text.partition("=")
        if not name or not store:
            raise InputError(f"--synthetic {text} names no store; give PROPERTY=STORE, e.g. rotation=rotation.zarr")
        if name in stores:
            raise InputError(f"--synthetic {name} is given twice; give each property one store")
        stores[name] = store
    return stores


def _stores(fields: Mapping[str, Any], synthetic: Mapping[str, str]) -> dict[str, Any]:
    """Return stores by property, each with what a file says of its property beside the store."""
    data = fields.get("data")
    said = data.get("synthetic") if isinstance(data, Mapping) else None
    entries = said if isinstance(said, Mapping) else {}
    return {
        name: {**entry, "store": store} if isinstance(entry := entries.get(name), Mapping) else store
        for name, store in synthetic.items()
    }


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
