"""Machine types: named in a store as a set, and found there again."""

import platform

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.storage.machine import machine_type, machines_in, produced

names = st.from_regex(r"[a-z0-9_]{1,8}-[a-z0-9.]{1,12}", fullmatch=True)


@given(machines=st.sets(names, min_size=1, max_size=4))
def test_machines_are_found_again_and_their_order_does_not_matter(machines: set[str]) -> None:
    assert machines_in(produced("datagen", machines)) == machines
    assert produced("datagen", sorted(machines)) == produced("datagen", sorted(machines, reverse=True))


@pytest.mark.parametrize("text", ["", "datagen", "made by hand"])
def test_a_text_that_names_no_machine_names_none(text: str) -> None:
    assert machines_in(text) == set()


def test_this_machine_type_is_architecture_and_processor() -> None:
    architecture, _, processor = machine_type().partition("-")
    assert architecture == platform.machine()
    assert processor
    assert machines_in(produced("datagen", [machine_type()])) == {machine_type()}
