"""API keys: who may do what, and how often. Only their SHA-256 is kept, and compared in constant time."""

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from schemas.errors import InputError
from schemas.model import Model

Scope = Literal["read", "render", "admin"]
RANK: Final[dict[Scope, int]] = {"read": 0, "render": 1, "admin": 2}
"""A scope may do what those below it may."""


class Key(Model):
    """One key, without itself."""

    name: str = Field(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$", description="in logs")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the key's UTF-8")
    scope: Scope = Field("read", description="read: look and stream; render: also jobs; admin: also metrics")
    expires: AwareDatetime | None = Field(None, description="null: never")
    requests_per_minute: int = Field(6000, ge=1)
    sequences_per_day: int | None = Field(None, ge=1, description="rendered for it; null: without end")

    def may(self, scope: Scope) -> bool:
        """Return whether the key's scope holds another."""
        return RANK[self.scope] >= RANK[scope]

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and datetime.now(UTC) >= self.expires


def hashed(token: str) -> str:
    """Return what a file of keys holds of a key."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def found(keys: Iterable[Key], token: str) -> Key | None:
    """Return the key of a token; every key is compared, so that time tells nothing of them."""
    digest, match = hashed(token), None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            match = key
    return match


def keys_in(text: str, name: str) -> tuple[Key, ...]:
    """
    Return the keys of a JSON list.

    Parameters
    ----------
    name : what the text is called in messages, which never hold a part of it

    Raises
    ------
    InputError
        it is no list of keys, or two have one name.
    """
    try:
        data = json.loads(text)
    except ValueError:
        raise InputError(f"{name} is no JSON; give a list of keys, each with name and sha256") from None
    if not isinstance(data, list):
        raise InputError(f"{name} is no list; give a list of keys, each with name and sha256")
    keys = tuple(Key.parse(item, f"{name}, key {place}") for place, item in enumerate(data))
    if len({key.name for key in keys}) < len(keys):
        raise InputError(f"{name} has two keys of one name; give each its own")
    return keys
