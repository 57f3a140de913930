"""Recipe: everything that decides what a store of real data holds, but for the files themselves."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.model import Model
from schemas.rain import DbzScaling, LinearScaling, Scaling, ScalingKind

SourceKind = Literal["kth", "kitti", "dtdb", "video", "radar", "array"]
SplitBy = Literal["published", "source", "time"]
OnDamage = Literal["stop", "skip"]

AXIS_NAMES = ("sequence", "channel", "time", "y", "x")
"""Of an array; the first two may be missing."""
MAX_SIDE = 4096
"""Of a frame, px."""


class Crop(Model):
    """Part of a picture, px of the source."""

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    top: int | None = Field(None, ge=0, description="first row; null for the middle")
    left: int | None = Field(None, ge=0, description="first column; null for the middle")


class Recipe(Model):
    """How files become sequences."""

    kind: SourceKind = Field(description="layout of the files")
    height: int = Field(128, ge=1, le=MAX_SIDE, description="of a frame, px")
    width: int = Field(128, ge=1, le=MAX_SIDE, description="of a frame, px")
    crop: Crop | None = Field(
        None, description="part of a picture to resize; null for the largest of the frame's aspect, in the middle"
    )
    frames: int = Field(10, ge=2, le=1024, description="of a sequence: input frames and those to forecast")
    stride: int | None = Field(None, ge=1, description="frames between two sequences' first ones; null for no overlap")
    every: int = Field(1, ge=1, description="use every k-th picture")
    split_by: SplitBy | None = Field(
        None, description="null: by the owners' rule where there is one, else by source, else by time"
    )
    shares: tuple[float, float, float] = Field(
        (0.7, 0.15, 0.15), description="of training, validation and test, where no rule says it"
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of the order in which sources are given to the splits")
    train: int | None = Field(None, ge=1, description="use only the first training sequences; null for all")
    axes: tuple[str, ...] | None = Field(
        None, description="of an array; null for time, sequence, y, x, or time, y, x where it has three"
    )
    variable: str | None = Field(
        None, min_length=1, description="of a netCDF file or a Zarr store of rain; null for the only one that is a map"
    )
    scaling: ScalingKind = Field("linear", description="what frames of rain are: rain rates, or reflectivities")
    on_damage: OnDamage = Field("stop", description="what a file that cannot be read does")

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Self:
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise ValueError(f"shares are {self.shares}; give three above 0 that add up to 1, e.g. 0.7, 0.15, 0.15")
        return self

    @model_validator(mode="after")
    def _axes_are_axes(self) -> Self:
        if self.axes is not None and sorted(self.axes) not in _COMPLETE:
            raise ValueError(
                f"axes are {','.join(self.axes)}; give time, y and x, with sequence and channel where there are"
            )
        return self

    @property
    def step(self) -> int:
        """Frames between the first ones of two neighbouring sequences."""
        return self.stride or self.frames

    @property
    def rain(self) -> Scaling | None:
        """What frames are in mm/h; None where they are pictures."""
        if self.kind != "radar":
            return None
        return LinearScaling() if self.scaling == "linear" else DbzScaling()


_COMPLETE = [
    sorted((*further, "time", "y", "x")) for further in ((), ("sequence",), ("channel",), ("sequence", "channel"))
]
