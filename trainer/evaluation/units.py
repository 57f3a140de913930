"""In which units the frames of a store are scored and drawn: grey levels of pictures, mm/h of rain."""

import math
from dataclasses import dataclass
from typing import Any, Final

from schemas.rain import RAIN_THRESHOLDS, UNIT, Scaling

FULL_RAIN: Final = 64.0
"""mm/h that SSIM and PSNR take for full scale, whatever the store's scaling."""


@dataclass(frozen=True, kw_only=True)
class Units:
    """What scores need to know of frames."""

    unit: str
    scale: float
    """What full scale is in that unit."""
    limit: float
    """Largest fraction of full scale that there is."""
    thresholds: tuple[float, ...]
    """For CSI, POD and FAR, in that unit."""
    scaling: Scaling | None = None
    """Of rain."""

    def fractions(self, frames: Any) -> Any:
        """Return frames as stored, or as a network gave them, as fractions of full scale; an array or a tensor."""
        return frames if self.scaling is None else self.scaling.rain_rate(frames) / self.scale


PICTURES: Final = Units(unit="grey level", scale=255.0, limit=1.0, thresholds=(64.0, 128.0, 192.0))


def units_of(scaling: Scaling | None) -> Units:
    """Return the units of frames that a store has with this scaling."""
    if scaling is None:
        return PICTURES
    return Units(unit=UNIT, scale=FULL_RAIN, limit=math.inf, thresholds=RAIN_THRESHOLDS, scaling=scaling)
