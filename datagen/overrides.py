"""Options that override the fields of a spec, one option at a time; a command line and a query string share them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from schemas.errors import InputError
from schemas.render import TruthArray

NOISES = ("gaussian", "white", "perlin")
TRUTH_ARRAYS: tuple[str, ...] = get_args(TruthArray)


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """The options that repeat a field of the spec; None is an option that was not given."""

    property: str | None = None
    """Kind; a file's ranges stay if it has this kind, otherwise the kind's defaults replace them."""
    frames: int | None = None
    size: int | None = None
    """Height and width at once."""
    height: int | None = None
    width: int | None = None
    noise_ratio: float | None = None
    noise_mix: Mapping[str, float] | None = None
    """Weight by name; those not named become 0."""
    seed: int | None = None
    truth: tuple[str, ...] | None = None
    dtype: str | None = None

    def applied_to(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a spec's fields with these options in place of theirs; nothing is validated."""
        changed = dict(fields)
        if self.property is not None and self.property != _kind(fields.get("property")):
            changed["property"] = {"kind": self.property}
        if self.size is not None:
            changed["height"] = changed["width"] = self.size
        noise = fields.get("noise", {})
        if self._noise() and isinstance(noise, Mapping):  # anything else is refused with the field's name
            changed["noise"] = {**noise, **self._noise()}
        for name in ("frames", "height", "width", "seed", "truth", "dtype"):
            if (value := getattr(self, name)) is not None:
                changed[name] = value
        return changed

    def _noise(self) -> dict[str, float]:
        changed = {} if self.noise_mix is None else dict.fromkeys(NOISES, 0.0) | dict(self.noise_mix)
        return changed if self.noise_ratio is None else {**changed, "ratio": self.noise_ratio}


def parsed_mix(text: str) -> dict[str, float]:
    """
    Return the weights that a text such as "gaussian=1,perlin=2" names.

    Raises
    ------
    InputError
        the text names no noise, an unknown one, one twice, or gives no number.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = (word.strip() for word in part.partition("="))
        if name not in NOISES or name in weights or not _is_number(weight):
            raise InputError(f"{text!r} is no mixture; give weights of {', '.join(NOISES)}, e.g. gaussian=1,perlin=2")
        weights[name] = float(weight)
    return weights


def parsed_truth(text: str) -> tuple[str, ...]:
    """
    Return the truth arrays that a text such as "clean,flow", "all" or "none" names.

    Raises
    ------
    InputError
        the text names something else.
    """
    match text:
        case "all":
            return TRUTH_ARRAYS
        case "none":
            return ()
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in TRUTH_ARRAYS]:
        raise InputError(f"{unknown[0]!r} is no truth array; give some of {', '.join(TRUTH_ARRAYS)}, or all, or none")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(given: Any) -> Any:
    return given.get("kind") if isinstance(given, Mapping) else given
