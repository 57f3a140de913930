"""The data of a phase: its stores opened, split and checked, as training and validation batches."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial

from schemas.errors import InputError
from schemas.real_store import VALID
from schemas.run import RunConfig
from trainer.data.batches import Batch
from trainer.data.reader import Source
from trainer.data.splits import Split, select
from trainer.data.stores import SequenceStore, open_store
from trainer.data.stream import ordered, stream
from trainer.training.distributed import Place
from trainer.training.phases import Phase

VALIDATION_BATCH = 32
"""Sequences of a validation batch in each process; they need no gradients."""


class Feed:
    """
    Training and validation data of one phase.

    Parameters
    ----------
    config : of the run
    phase : names the stores; the real one where it names none
    place : this process's share of every batch

    Raises
    ------
    InputError
        a store is missing, incomplete or damaged, or the stores do not fit each other or the run.
    """

    def __init__(self, config: RunConfig, phase: Phase, place: Place) -> None:
        self._config, self._phase, self._place = config, phase, place
        self._streams: list[Iterator[Batch]] = []
        self.stores = _opened(config, phase)
        """By the property that each teaches; the real one by `real`."""
        first = next(iter(self.stores.values()))
        self.height, self.width = first.height, first.width
        self.limit = 1.0 if first.scaling is None else math.inf
        """Largest fraction of full scale that a frame may have."""
        masked = not phase.data and first.masked
        self._arrays = (*phase.arrays, *((VALID,) if masked else ()))
        source = partial(_synthetic if phase.data else _real, config)
        self._training = [source(name, store, "train") for name, store in self.stores.items()]
        self._validation = [source(name, store, "validation") for name, store in self.stores.items()]

    def training(self, start: tuple[int, int]) -> Iterator[Batch]:
        """Yield shuffled batches for ever, from (epoch, batch) on."""
        config, place = self._config, self._place
        return self._kept(
            stream(
                self._training,
                frames=_frames(config),
                batch=self._phase.budget.batch,
                seed=config.seed,
                start=start,
                arrays=self._arrays,
                rank=place.rank,
                world=place.world,
                on_damage=config.data.on_damage,
                device=place.device,
            )
        )

    def validation(self) -> Iterator[Batch]:
        """Yield this process's share of the validation data, in order."""
        place = self._place
        return self._kept(
            ordered(
                self._validation,
                frames=_frames(self._config),
                batch=VALIDATION_BATCH * place.world,
                arrays=self._arrays,
                rank=place.rank,
                world=place.world,
                on_damage=self._config.data.on_damage,
                device=place.device,
            )
        )

    def close(self) -> None:
        """End what reads ahead."""
        for batches in self._streams:
            close = getattr(batches, "close", None)
            if close:
                with suppress(RuntimeError):
                    close()

    def _kept(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        self._streams.append(batches)
        return batches


def _frames(config: RunConfig) -> int:
    return config.data.input_frames + config.data.horizon


def _opened(config: RunConfig, phase: Phase) -> Mapping[str, SequenceStore]:
    synthetic = {name: open_store(config.data.synthetic[name].store) for name in phase.data}
    for store in synthetic.values():
        missing = [name for name in phase.arrays if name not in store.names]
        if missing:
            raise InputError(
                f"{store.path} has no array {missing[0]}, from which {phase.name} learns; "
                "render it with --truth clean,mask"
            )
    if synthetic:
        return synthetic
    if config.data.real is None:
        raise InputError(f"{phase.name} learns from real sequences, data.real names none; give --real STORE")
    return {"real": open_store(config.data.real)}


def _synthetic(config: RunConfig, name: str, store: SequenceStore, split: Split) -> Source:
    return Source(store, select(store, split, config.data.synthetic[name].sequences))


def _real(config: RunConfig, _name: str, store: SequenceStore, split: Split) -> Source:
    selection = select(store, split)
    if split == "train" and config.data.real_sequences is not None:
        selection = selection.first(config.data.real_sequences)
    return Source(store, selection)
