"""A disk of its own for a test that fills it."""

from tests.datagen.storage.conftest import disk as disk
