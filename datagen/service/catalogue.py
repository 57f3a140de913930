"""Specs that were registered, as files under the data root, and the virtual stores of those in use."""

import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from datagen.service.problems import RefusedError
from datagen.service.virtual_store import VirtualStore, registered
from schemas.errors import InputError
from schemas.render import RenderSpec
from schemas.service import DIGEST

MOST_IN_USE: Final = 64
"""Virtual stores that are kept ready."""


class Catalogue:
    """
    The specs that the service knows by their digests.

    Parameters
    ----------
    folder : where they lie as <digest>.json; made when the first is registered
    most : specs that may be registered
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._ready: OrderedDict[str, VirtualStore] = OrderedDict()
        self._lock = threading.Lock()

    def register(self, spec: RenderSpec) -> VirtualStore:
        """
        Keep a spec; one that is there already is not written again.

        Raises
        ------
        RefusedError
            the service has not got the sprites that it names (422), or too many are registered (429).
        InputError
            the disk refuses.
        """
        store = self.ready(spec.digest) or VirtualStore(spec)
        file = self._folder / f"{spec.digest}.json"
        try:
            if not file.exists():
                self._require_room()
                self._folder.mkdir(parents=True, exist_ok=True)
                aside = file.with_suffix(".partial")
                aside.write_text(spec.canonical_json(), encoding="utf-8")
                aside.replace(file)
        except OSError as error:
            raise InputError(f"{file} cannot be written: {(error.strerror or str(error)).lower()}") from error
        return self._kept(spec.digest, store)

    def knows(self, digest: str) -> bool:
        """Return whether a spec is registered."""
        return (self._folder / f"{digest}.json").exists()

    def ready(self, digest: str) -> VirtualStore | None:
        """Return the virtual store of a digest if it was in use lately, which takes no time."""
        with self._lock:
            if digest in self._ready:
                self._ready.move_to_end(digest)
            return self._ready.get(digest)

    def store(self, digest: str) -> VirtualStore:
        """
        Return the virtual store of a digest.

        Raises
        ------
        RefusedError
            no such spec is registered (404).
        """
        if (ready := self.ready(digest)) is not None:
            return ready
        if not re.fullmatch(DIGEST, digest):
            raise RefusedError(404, f"{digest[:70]} is no digest; give 64 hexadecimal digits", field="digest")
        try:
            text = (self._folder / f"{digest}.json").read_text(encoding="utf-8")
        except OSError:
            raise RefusedError(
                404, f"no spec {digest[:12]}… is registered; register it by POST /v1/specs", field="digest"
            ) from None
        return self._kept(digest, VirtualStore(registered(text)))

    def _kept(self, digest: str, store: VirtualStore) -> VirtualStore:
        with self._lock:
            self._ready[digest] = store
            self._ready.move_to_end(digest)
            if len(self._ready) > MOST_IN_USE:
                self._ready.popitem(last=False)
        return store

    def _require_room(self) -> None:
        there = sum(1 for _ in self._folder.glob("*.json"))
        if there >= self._most:
            raise RefusedError(429, f"{there:,} specs are registered, as many as the operator allows; use one of them")
