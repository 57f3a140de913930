"""The base model of every contract: frozen, forbidding unknown fields, with a canonical JSON form and a digest."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import InputError
from schemas.messages import first_mistake, shown


class Model(BaseModel):
    """Freeze the fields; refuse unknown ones, infinities and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, data: object, name: str = "") -> Self:
        """
        Validate plain data, as YAML or JSON holds them.

        Parameters
        ----------
        data : mapping of field names to values
        name : what the data are called in messages, e.g. a file name; "" for nothing

        Raises
        ------
        InputError
            names, in one line, the first field at fault, its value, and what would be right.
        """
        prefix = f"{name}: " if name else ""
        if not isinstance(data, Mapping):
            raise InputError(f"{prefix}{shown(data)} is no {cls.__name__}; give a mapping of its fields")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(prefix + first_mistake(error, cls.model_json_schema())) from None

    def canonical_json(self) -> str:
        """Return the one JSON text of this model: sorted keys, no white space, shortest floats, no negative zero."""
        plain = _without_negative_zero(self.model_dump(mode="json"))
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(model: Model) -> str:
    """Return the SHA-256 of a model's canonical JSON: 64 hexadecimal digits."""
    return hashlib.sha256(model.canonical_json().encode()).hexdigest()


def _without_negative_zero(value: Any) -> Any:
    match value:
        case float():
            return value + 0.0
        case list():
            return [_without_negative_zero(item) for item in value]
        case dict():
            return {key: _without_negative_zero(item) for key, item in value.items()}
        case _:
            return value
