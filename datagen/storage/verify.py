"""Is a store what its spec says? Structure, objects, checksums, and a sample rendered again; and the repair of it."""

import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np

from datagen.rendering.sequence import Renderer
from datagen.storage.engine import Progress, available_cores, render_store
from datagen.storage.inspection import Damage, damaged_objects, layouts_of, structure_problems, wrong_objects
from datagen.storage.sprites import Stack, digits_if_named, sprite_set
from datagen.storage.store import SequenceStore, open_store
from datagen.storage.target import condemn
from datagen.storage.units import Unit, equal_units
from datagen.warmup import warm_up
from schemas.errors import InputError
from schemas.store import unit_sequences

SAMPLES = 16
UNITS_AHEAD = 4
"""Units handed to each thread at a time, so that a store of any size takes no list of its units."""


@dataclass(frozen=True)
class VerifyReport:
    """What a verification found, and whether it was mended."""

    path: str
    n: int
    digest: str
    complete: bool
    """Whether the store was marked complete."""
    structure: tuple[str, ...]
    """What is wrong with attributes, arrays and sprites."""
    damage: tuple[Damage, ...]
    """Objects that are missing, damaged, or not what the spec renders."""
    samples: tuple[int, ...]
    """Sequences that were rendered again and compared."""
    obstacle: str = ""
    """Why a repair cannot mend what is wrong, and what can; "" where it can, or where nothing is wrong."""
    repaired: bool = False
    """Whether a repair mended all of it."""

    @property
    def ok(self) -> bool:
        """Whether the store is whole now."""
        return self.repaired or (self.complete and not self.structure and not self.damage)


def verify_store(
    path: str | Path,
    *,
    repair: bool = False,
    samples: int = SAMPLES,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> VerifyReport:
    """
    Check a store, complete or not, rendered or of real data (structure and checksums alone).

    Parameters
    ----------
    path : local path or URL of a store
    repair : whether to render damaged and missing units again; the bytes are the same as before
    samples : sequences to render again and compare, chosen by the store's digest
    workers : threads, default all cores that this process may use
    progress : is called in this thread as units are checked

    Raises
    ------
    LockedStoreError
        another process writes the store that is to be repaired.
    InputError
        there is no store, it cannot be read, or it cannot be repaired: it holds real data, its spec is not its
        digest's, or its sprites are lost; it is left as it was.
    """
    store = open_store(path, incomplete=True)
    report = _inspected(store, samples, workers or available_cores(), progress)
    return report if report.ok or not repair else _repaired(store, report, workers)


def _inspected(
    store: SequenceStore, samples: int, workers: int, progress: Callable[[Progress], None] | None
) -> VerifyReport:
    structure = tuple(structure_problems(store))
    damage = list(_damage_of_units(store, workers, progress))
    chosen: list[int] = []
    if store.rendered and not structure:
        chosen = _sample(store, samples, {found.unit.index for found in damage})
        damage += _damage_of_sample(store, chosen)
    report = VerifyReport(
        path=store.path,
        n=store.n,
        digest=store.digest,
        complete=store.complete,
        structure=structure,
        damage=tuple(damage),
        samples=tuple(chosen),
    )
    return report if report.ok else replace(report, obstacle=_obstacle(store))


def _obstacle(store: SequenceStore) -> str:
    if not store.rendered:
        return f"{store.path} holds real data, which cannot be rendered again; prepare it anew"
    if store.spec.digest != store.digest:
        return f"{store.path} has a spec that is not its digest's, and either may be wrong; render it with --overwrite"
    if store.spec.sprites and _sprites_of(store) is None:
        path = shlex.quote(store.path)
        return (
            f"{store.path} has lost its sprites; mend it with the images that it was rendered from, by "
            f"`datagen render --spec {path} --n {store.n} --out {path} --sprites FOLDER`"
        )
    return ""


def _sprites_of(store: SequenceStore) -> Stack | None:
    """Return the sprites that a store's spec names: its own, or else the built-in digits if they are meant."""
    named = store.spec.sprites
    if named is None:
        return None
    with suppress(InputError):
        if store.sprites is not None and sprite_set(store.sprites) == named:
            return store.sprites
    return digits_if_named(named)


def _repaired(store: SequenceStore, report: VerifyReport, workers: int | None) -> VerifyReport:
    """Make what is damaged missing, then render what is missing; look once more."""
    if report.obstacle:
        raise InputError(report.obstacle)
    units = {found.unit for found in report.damage}
    condemn(store.objects, store.attributes, units)
    render_store(store.spec, store.n, store.path, sprites=_sprites_of(store), workers=workers)
    again = open_store(store.path)
    layouts = layouts_of(again)
    left = [*structure_problems(again), *(found for unit in units for found in damaged_objects(again, layouts, unit))]
    return replace(report, repaired=not left)


def _damage_of_units(
    store: SequenceStore, workers: int, progress: Callable[[Progress], None] | None
) -> Iterator[Damage]:
    layouts = layouts_of(store)
    units = equal_units(store.n, layouts[-1].unit_sequences)
    started = perf_counter()

    def checked(unit: Unit) -> list[Damage]:
        return damaged_objects(store, layouts, unit)

    with ThreadPoolExecutor(workers) as pool:
        while some := list(islice(units, workers * UNITS_AHEAD)):
            for unit, found in zip(some, pool.map(checked, some), strict=True):
                yield from found
                if progress:
                    progress(Progress(unit.stop, store.n, 0, perf_counter() - started))


def _sample(store: SequenceStore, samples: int, damaged: set[int]) -> list[int]:
    """Choose sequences of undamaged units: the first, the last, and others by the digest."""
    generator = np.random.default_rng(int(store.digest[:16], 16))
    length = unit_sequences(store.spec)
    drawn = generator.integers(0, store.n, size=max(0, samples - 2)).tolist()
    return sorted({i for i in [0, store.n - 1, *drawn][:samples] if i // length not in damaged})


def _damage_of_sample(store: SequenceStore, sequences: list[int]) -> list[Damage]:
    if not sequences:
        return []
    warm_up()
    renderer = Renderer(store.spec, store.sprites)
    return [found for i in sequences for found in wrong_objects(store, renderer, i)]
