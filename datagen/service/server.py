"""The application under uvicorn: one process, a bounded stop, exit 0 on SIGTERM and SIGINT."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from datagen.service.app import create_app
from datagen.service.settings import Settings
from datagen.service.telemetry import JsonLines
from schemas.errors import InputError

IDLE_SECONDS = 75
"""How long a connection without a request stays open."""


def serve(settings: Settings) -> None:
    """
    Serve until a signal asks to stop: the unit in hand is finished, and what is left of jobs is for the next start.

    The address is printed once requests are answered.

    Raises
    ------
    InputError
        the settings are wrong, or the address cannot be had.
    """
    _log_lines()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=int(settings.stop_seconds),
    )
    server = _Server(config, app)
    with suppress(SystemExit):  # uvicorn's way to say what `started` says too
        server.run()
    if not server.started:
        raise InputError(f"{settings.host}:{settings.port} cannot be listened on; give another --host or --port")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._application = app

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            sys.stdout.write(f"http://{f'[{host}]' if ':' in host else host}:{port}\n")
            sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams of events, which would keep their connections open, and stop."""
        state = getattr(self._application.state, "service", None)  # None while the kernels are compiled
        if state is not None:
            state.jobs.begin_stop()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals without raising them again at the end: a stop that was asked for is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield  # no thread but the first may handle signals; whoever runs the server in another stops it itself
            return
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _log_lines() -> None:
    """Write what the service and uvicorn log to stderr, a JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("datagen", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
