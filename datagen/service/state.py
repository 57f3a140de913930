"""What one application holds while it runs, and what a request may take of it."""

from dataclasses import dataclass
from time import time

from fastapi import Request
from limits import RateLimitItemPerDay, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from datagen.service.cache import ByteCache
from datagen.service.catalogue import Catalogue
from datagen.service.jobs import Jobs
from datagen.service.keys import Key
from datagen.service.pool import RenderPool
from datagen.service.problems import RefusedError
from datagen.service.settings import Settings
from datagen.service.telemetry import Telemetry


@dataclass(frozen=True)
class State:
    """Everything that requests share."""

    settings: Settings
    keys: tuple[Key, ...]
    pool: RenderPool
    cache: ByteCache
    catalogue: Catalogue
    jobs: Jobs
    telemetry: Telemetry
    quotas: FixedWindowRateLimiter


def new_quotas() -> FixedWindowRateLimiter:
    """Return counters of what each key has used, in memory."""
    return FixedWindowRateLimiter(MemoryStorage())


def state_of(request: Request) -> State:
    """Return what the application of a request holds."""
    state: State = request.app.state.service
    return state


def count_request(quotas: FixedWindowRateLimiter, key: Key) -> bool:
    """Count a request of a key; return whether it may have it."""
    return quotas.hit(RateLimitItemPerMinute(key.requests_per_minute), key.name)


def charge(request: Request, sequences: int) -> None:
    """
    Count sequences that are rendered for a key.

    Raises
    ------
    RefusedError
        its quota is used up (429).
    """
    state = state_of(request)
    key: Key | None = request.scope.get("state", {}).get("key")
    if key is not None and key.sequences_per_day is not None:
        _take(state.quotas, key.name, RateLimitItemPerDay(key.sequences_per_day), sequences)
    state.telemetry.sequences.inc(sequences)


def _take(quotas: FixedWindowRateLimiter, name: str, item: RateLimitItemPerDay, sequences: int) -> None:
    if not (quotas.test(item, name, cost=sequences) and quotas.hit(item, name, cost=sequences)):
        left = quotas.get_window_stats(item, name)
        raise RefusedError(
            429,
            f"{sequences:,} sequences are asked for, {left.remaining:,} of today's {item.amount:,} are left",
            headers={"Retry-After": str(max(1, round(left.reset_time - time())))},
        )
