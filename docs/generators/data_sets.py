"""The page on real data, from what `trainer prepare --how` says."""

from collections.abc import Iterator, Mapping
from typing import Final

from docs.generators.markdown import page, plain
from schemas.recipe import SourceKind
from trainer.sources.owners import OWNERS, Owner

LEAD = """`trainer prepare KIND SOURCE --out STORE` turns files into a store of the [same
format](store-format.md#stores-of-real-data) as rendered ones; [the guide](../training.md#real-sequences) says how
windows and splits come about. Nothing here is distributed with this software: the owners' terms hold, as far as
they are known, and their pages decide. `trainer prepare --how KIND` prints what follows."""

USES: Final[Mapping[SourceKind, str]] = {
    "kth": "The paper's pedestrians. Frames outside the ranges that the owners list are not used; the splits are by "
    "their persons.",
    "kitti": "The paper's traffic seen from a car. Drives are cut where a number or a time is missing; all cameras of "
    "a drive are in one split.",
    "dtdb": "The paper's bubbles, fish, fire, river and traffic with a fixed camera. Some training videos validate.",
    "video": "Anything else that moves. Clips are cut at hard cuts.",
    "radar": "The paper's rain, whose maps lie 10 minutes apart: `--every 2` takes every other of those that lie 5 "
    "minutes apart. Values become mm/h by each owner's own relation; [the guide](../training.md#rain) names them.",
    "array": "Moving MNIST, which the paper's Dynamic MNIST extends, or arrays of your own.",
}
"""What a kind is for, and what is special about it."""


def data_sets() -> str:
    """Return the page."""
    return page("Data sets", LEAD, (part for kind, owner in OWNERS.items() for part in _section(kind, owner)))


def _section(kind: SourceKind, owner: Owner) -> Iterator[str]:
    fetched = "by `--download`" if owner.downloads else "by hand, as its page says"
    rows = (
        ("published", plain(owner.page)),
        ("terms", plain(owner.terms)),
        ("size", plain(owner.size)),
        ("layout below SOURCE", plain(owner.layout)),
        ("fetched", fetched),
        ("to be cited", plain(owner.cite)),
    )
    yield f"## {kind}\n\n{plain(owner.title[0].upper() + owner.title[1:])}. {USES[kind]}"
    yield "\n".join(f"- **{name}**: {says}" for name, says in rows)
