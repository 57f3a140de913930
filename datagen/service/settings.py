"""What an operator may set, by environment variables DATAGEN_* or the options of `datagen serve`."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from datagen.service.keys import Key, keys_in
from datagen.storage.engine import available_cores
from schemas.errors import InputError

MIB = 2**20
PROGRAM = "datagen serve"
"""What stores say produced them."""


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""Several, with commas between them in the environment."""


class Settings(BaseSettings):
    """All settings; every one has a default."""

    model_config = SettingsConfigDict(env_prefix="DATAGEN_", extra="ignore", frozen=True, hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="address to listen on; beyond loopback keys are needed")
    port: int = Field(8000, ge=0, le=65_535, description="TCP port, 0 for any that is free")
    data_root: Path = Field(Path("stores"), description="folder of stores and registered specs")
    keys: str = Field("", repr=False, description="API keys as JSON, see the docs")
    keys_file: Path | None = Field(None, description="file that holds the same")
    allow_anonymous: bool = Field(False, description="listen beyond loopback without keys")
    open_metrics: bool = Field(False, description="let everyone read /metrics")
    hosts: Names = Field((), description="further host names that a service without keys answers to")
    threads: int = Field(default_factory=available_cores, ge=1, le=256, description="threads that render")
    jobs: int = Field(1, ge=1, le=64, description="renders at a time")
    queued_jobs: int = Field(32, ge=1, description="renders that wait for their turn")
    waiting: int = Field(64, ge=1, description="interactive requests that wait for a thread")
    reply_bytes: int = Field(64 * MIB, ge=1, description="largest reply with sequences")
    body_bytes: int = Field(MIB, ge=1, description="largest body of a request")
    body_seconds: float = Field(10, gt=0, description="longest time that a body may take")
    cache_bytes: int = Field(256 * MIB, ge=0, description="chunks of virtual stores that are kept in memory")
    store_bytes: int = Field(1024 * 1024 * MIB, ge=1, description="largest store of a render")
    targets: Names = Field((), description="URLs below which renders may write")
    specs: int = Field(100_000, ge=1, description="specs that may be registered")
    scheduler: str | None = Field(None, description="address of a Dask scheduler, whose workers render jobs")
    stop_seconds: float = Field(20, gt=0, description="longest time that a stop may take")

    @property
    def loopback(self) -> bool:
        """Whether only programs of this machine reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def api_keys(self) -> tuple[Key, ...]:
        """
        Return the keys; () for none.

        Raises
        ------
        InputError
            they cannot be read, or are none; or there are none and the service is to listen beyond loopback.
        """
        keys = keys_in(self.keys, "DATAGEN_KEYS") if self.keys else ()
        if self.keys_file is not None:
            try:
                keys += keys_in(self.keys_file.read_text(encoding="utf-8"), str(self.keys_file))
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{self.keys_file} cannot be read; give a file of keys") from error
        if not keys and not self.loopback and not self.allow_anonymous:
            raise InputError(
                f"{self.host} is reached from other machines and there are no keys; set DATAGEN_KEYS, "
                "or give --keys-file or --allow-anonymous"
            )
        return keys


def settings_from(**given: object) -> Settings:
    """
    Return the settings of the environment, with those given in their place; None is not given.

    Raises
    ------
    InputError
        a value is out of range; the message names the setting and not the value, which may be secret.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "a setting"
        raise InputError(f"DATAGEN_{name.upper()} is wrong: {first['msg'].lower()}") from None
