"""Rain rates as a store holds them: what its frames are in mm/h."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from schemas.model import Model

ScalingKind = Literal["linear", "dbz"]
UNIT: Final = "mm/h"
"""Of a rain rate."""
RAIN_THRESHOLDS = (0.5, 2.0, 5.0, 10.0, 30.0)
"""At which forecasts of rain are scored, mm/h (Shi et al., NeurIPS 2017)."""


class LinearScaling(Model):
    """Frames are rain rates as a fraction of one, not clipped."""

    kind: Literal["linear"] = "linear"
    unit: Literal["mm/h"] = UNIT
    full_scale: float = Field(64.0, gt=0, description="rain rate of a frame's 1, mm/h")

    def rain_rate(self, values: Any) -> Any:
        """Return frames in mm/h; an array or a tensor of any shape."""
        return values * self.full_scale


class DbzScaling(Model):
    """
    Frames are reflectivities as a fraction of a range; 0 is no rain.

    dBZ = 10 log10(a R^b) with R in mm/h, and a frame is (dBZ - lowest) / range (Shi et al., NeurIPS 2017, HKO-7).
    """

    kind: Literal["dbz"] = "dbz"
    unit: Literal["mm/h"] = UNIT
    a: float = Field(58.53, gt=0, description="of Z = a R^b")
    b: float = Field(1.56, gt=0, description="of Z = a R^b")
    lowest: float = Field(-10.0, description="reflectivity of a frame's 0, dBZ")
    range: float = Field(70.0, gt=0, description="from a frame's 0 to its 1, dB")

    def rain_rate(self, values: Any) -> Any:
        """Return frames in mm/h, 0 where they are 0 or below; an array or a tensor of any shape."""
        decibels = values * self.range + (self.lowest - 10 * math.log10(self.a))
        return 10 ** (decibels / (10 * self.b)) * (values > 0)


Scaling = Annotated[LinearScaling | DbzScaling, Field(discriminator="kind")]


def scaling_of(data: Any, name: str) -> Scaling:
    """
    Validate plain data as a scaling.

    Parameters
    ----------
    data : as JSON holds it
    name : what the data are called in messages

    Raises
    ------
    InputError
        it is none of these.
    """
    model = DbzScaling if isinstance(data, Mapping) and data.get("kind") == "dbz" else LinearScaling
    return model.parse(data, name)
