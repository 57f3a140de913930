"""A client of `datagen serve`: sequences, virtual stores and renders of another machine."""

import io
import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from schemas.errors import InputError
from schemas.render import RenderSpec
from schemas.service import Job, Problem, SpecReply, StoredSequences

Array = NDArray[Any]

TOKEN_VARIABLE: Final = "STMOE_TOKEN"  # noqa: S105, its name, not a token
"""Environment variable with the key of a service; it is sent to that service alone."""
RECONNECT_SECONDS: Final = (0.25, 0.5, 1, 2, 4, 8, 15, 30)
"""Pauses before a job is looked for again; a service that does not answer for a minute is gone."""

_JOBS, _STORES = TypeAdapter(list[Job]), TypeAdapter(list[StoredSequences])


class ServiceError(InputError):
    """Report what a service refuses, in its own words."""

    def __init__(self, message: str, status: int, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.field = status, field


class Client:
    """
    A service of sequences; close it, or use it in a `with` block.

    Parameters
    ----------
    url : e.g. http://127.0.0.1:8000
    token : key of the service; None for what STMOE_TOKEN holds, if anything
    timeout : seconds that a reply may take to begin

    Raises
    ------
    InputError
        the address is none; and, from every method, the service does not answer, or refuses (ServiceError).
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 60) -> None:
        self.url = url.rstrip("/")
        token = os.environ.get(TOKEN_VARIABLE) if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=timeout)
        except httpx2.InvalidURL as error:
            raise InputError(f"{url} is no address ({error}); give e.g. http://127.0.0.1:8000") from None
        if self._http.base_url.scheme not in ("http", "https"):
            raise InputError(f"{url} is no address of a service; give e.g. http://127.0.0.1:8000")

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close the connections to the service."""
        self._http.close()

    def sequences(self, spec: RenderSpec, start: int = 0, count: int = 1) -> dict[str, Array]:
        """
        Render some sequences now.

        Parameters
        ----------
        spec : what to render
        start : number of the first sequence, 0 <= start < 2**63
        count : sequences; the service bounds the bytes of a reply, 64 MiB by default

        Returns
        -------
        every array of a store of the spec by its name, (sequence, ...): frames (sequence, time, y, x) and so on
        """
        body = {"spec": spec.model_dump(mode="json"), "start": start, "count": count}
        reply = self._ask("POST", "/v1/sequences", body, {"Accept": "application/x-npz"})
        with np.load(io.BytesIO(reply.content), allow_pickle=False) as arrays:
            return dict(arrays)

    def register(self, spec: RenderSpec) -> SpecReply:
        """Register a spec; the reply names its virtual store, whose address `address` completes."""
        return SpecReply.model_validate_json(self._ask("POST", "/v1/specs", spec.model_dump(mode="json")).content)

    def render(self, spec: RenderSpec, n: int, name: str | None = None, target: str | None = None) -> Job:
        """
        Let the service render a store; the same request again is the same job.

        Parameters
        ----------
        spec : what to render
        n : sequences
        name : of the store and the job; None for property, digest and n
        target : URL below which the store goes, if the operator allows it; None for the service's own folder
        """
        body = {"spec": spec.model_dump(mode="json"), "n": n, "name": name, "target": target}
        return Job.model_validate_json(self._ask("POST", "/v1/renders", body).content)

    def job(self, name: str) -> Job:
        """Return a job."""
        return Job.model_validate_json(self._ask("GET", f"/v1/renders/{name}").content)

    def jobs(self) -> list[Job]:
        """Return the jobs that the service knows, the newest last."""
        return _JOBS.validate_json(self._ask("GET", "/v1/renders").content)

    def follow(self, name: str) -> Iterator[Job]:
        """Yield a job now and whenever it changes until it is over; a service that restarts is waited for."""
        pauses = iter(RECONNECT_SECONDS)
        while True:
            try:
                for job in self._events(name):
                    pauses = iter(RECONNECT_SECONDS)
                    yield job
                    if job.over:
                        return
            except httpx2.TransportError as error:
                lost: Exception | None = error
            else:
                lost = None
            pause = next(pauses, None)
            if pause is None:
                raise self._silent(lost)
            time.sleep(pause)

    def cancel(self, name: str) -> Job:
        """Cancel a job at its next unit; what is finished stays."""
        return Job.model_validate_json(self._ask("DELETE", f"/v1/renders/{name}").content)

    def stores(self) -> list[StoredSequences]:
        """Return the finished stores by name."""
        return _STORES.validate_json(self._ask("GET", "/v1/stores").content)

    def address(self, path: str) -> str:
        """Return the address of a path that a reply names, such as a store's `zarr`."""
        return f"{self.url}{path}"

    def _ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        try:
            reply = self._http.request(method, path, json=body, headers=headers)
        except httpx2.TransportError as error:
            raise self._silent(error) from None
        self._require_success(reply)
        return reply

    def _events(self, name: str) -> Iterator[Job]:
        with self._http.stream("GET", f"/v1/renders/{name}/events") as reply:
            if reply.is_error:
                reply.read()
            self._require_success(reply)
            for line in reply.iter_lines():
                if line.startswith("data:"):
                    yield Job.model_validate_json(line.removeprefix("data:"))

    def _require_success(self, reply: httpx2.Response) -> None:
        if reply.is_success:
            return
        try:
            problem = Problem.model_validate_json(reply.content)
        except ValidationError:
            raise ServiceError(
                f"{self.url} answers {reply.status_code}, and not as this service does; check the address",
                reply.status_code,
            ) from None
        advice = f"; {TOKEN_VARIABLE} holds the key" if reply.status_code == 401 else ""
        raise ServiceError(f"{self.url}: {problem.detail}{advice}", reply.status_code, problem.field)

    def _silent(self, error: Exception | None) -> InputError:
        why = f" ({' '.join(str(error).split())})" if error is not None and str(error) else ""
        return InputError(f"{self.url} does not answer{why}; start `datagen serve` there, or give another address")
