"""The parameter row is the store's table: one order, one meaning."""

from typing import get_args

import numpy as np
import pytest

from datagen.rendering import parameters
from datagen.rendering.parameters import COLUMNS, ROW_LENGTH
from datagen.rendering.sequence import Renderer
from schemas.render import BasicProperty
from schemas.store import OBJECT_COLUMNS, OBJECT_KINDS, PROPERTY_BITS
from tests.reference.parameters import columns_of, row_of, rows_of
from tests.reference.specs import spec_of

_LENGTHS = {"component": 2, "vertex": 8}


def test_columns_are_those_of_the_store_in_name_order_and_shape() -> None:
    stored = tuple(
        (column.name, tuple(_LENGTHS[dimension] for dimension in column.dimensions[1:])) for column in OBJECT_COLUMNS
    )
    assert stored == COLUMNS


def test_row_holds_every_column_once_without_gaps() -> None:
    sizes = [int(np.prod(shape, dtype=np.int64)) for _, shape in COLUMNS]
    assert sum(sizes) == ROW_LENGTH


@pytest.mark.parametrize(
    ("constant", "name"),
    [
        ("KIND", "kind"),
        ("PROPERTY", "property"),
        ("SPRITE", "sprite"),
        ("SIZE", "size"),
        ("LINE_WIDTH", "line_width"),
        ("VERTEX_COUNT", "vertex_count"),
        ("INTENSITY", "intensity"),
        ("CONTRAST", "texture_contrast"),
        ("WAVELENGTH", "texture_wavelength"),
        ("PHASE", "texture_phase"),
        ("POSITION", "position"),
        ("VELOCITY", "velocity"),
        ("ACCELERATION", "acceleration"),
        ("JERK", "jerk"),
        ("ANGLE", "angle"),
        ("ANGULAR_VELOCITY", "angular_velocity"),
        ("ANGULAR_ACCELERATION", "angular_acceleration"),
        ("ANGULAR_JERK", "angular_jerk"),
        ("PIVOT", "pivot"),
        ("GROWTH", "growth"),
        ("KERNEL_WIDTH", "kernel_width"),
        ("KERNEL_SIGMA", "kernel_sigma"),
        ("KERNEL_DIRECTION", "kernel_direction"),
        ("TEXTURE_DIRECTION", "texture_direction"),
        ("VERTICES", "vertices"),
    ],
)
def test_kernels_read_each_column_where_the_row_has_it(constant: str, name: str) -> None:
    values = {} if name in ("kind", "property") else {name: np.full(dict(COLUMNS)[name], 7.25)}
    row = row_of("sprite", ("translation", "intensity"), **values)
    expected = {"kind": 4, "property": 5}.get(name, 7.25)
    assert row[getattr(parameters, constant)] == expected


def test_codes_are_those_of_the_store() -> None:
    kinds = {name: getattr(parameters, {"sprite": "SPRITE_KIND"}.get(name, name.upper())) for name in OBJECT_KINDS}
    assert kinds == OBJECT_KINDS
    bits = {
        "translation": parameters.TRANSLATES,
        "rotation": parameters.ROTATES,
        "intensity": parameters.GROWS,
    }
    assert bits == PROPERTY_BITS
    assert tuple(bits) == get_args(BasicProperty)


def test_table_holds_the_rows_that_were_drawn() -> None:
    spec = spec_of("mixed", height=16, width=16, objects={"count": (1, 4)})
    table = Renderer(spec).render(0, 8).parameters
    for k in range(8):
        rows = rows_of(columns_of(table, k))
        assert rows.shape[1] == ROW_LENGTH
        assert set(rows[:, parameters.KIND]) <= set(OBJECT_KINDS.values())
        assert np.all(rows[:, parameters.SIZE] > 0)


def test_absent_objects_are_zeros_without_sprite_and_growth() -> None:
    spec = spec_of("mixed", height=16, width=16, objects={"count": (1, 5)})
    table = Renderer(spec).render(0, 16).parameters
    absent = table["kind"] == 0
    assert absent.any()
    for column in OBJECT_COLUMNS:
        expected = {"sprite": -1, "growth": 1}.get(column.name, 0)
        assert np.all(table[column.name][absent] == expected), column.name
