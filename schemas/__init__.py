"""The contract between datagen, trainer and the store on disk: pydantic models and nothing else."""

from schemas.errors import InputError
from schemas.render import SCHEMA_VERSION, RenderSpec
from schemas.store import StoreAttributes

__all__ = ["SCHEMA_VERSION", "InputError", "RenderSpec", "StoreAttributes"]
