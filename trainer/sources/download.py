"""Files of a data set fetched by pooch: checked, unpacked, and gone on with where they were cut off."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from schemas.errors import InputError, MissingExtraError
from trainer.sources.images import said
from trainer.sources.owners import Download

CHUNK: Final = 2**20
"""Bytes between two looks at the clock."""
PATIENCE: Final = 60.0
"""Seconds to wait for a server that says nothing."""


def download(
    downloads: Sequence[Download], folder: Path, show: Callable[[str, int, int], None] = lambda *_progress: None
) -> None:
    """
    Fetch what is not in a folder yet, and unpack archives there.

    What was cut off goes on where it ended, if the server can; a file that does not have its checksum is fetched again.

    Parameters
    ----------
    downloads : what to fetch
    folder : made where it is missing
    show : is told a file's name, and how many of how many bytes are there, 0 where it is not known

    Raises
    ------
    InputError
        a server refuses, the connection ends, a checksum differs, or the disk refuses.
    MissingExtraError
        pooch is not installed.
    """
    try:
        import pooch
    except ImportError:
        raise MissingExtraError(
            "--download needs pooch, which is not installed; pip install 'stmoe-synth[real]'"
        ) from None
    pooch.get_logger().setLevel("ERROR")
    for each in downloads:
        name = each.url.rpartition("/")[2]
        unpack = None if each.unpacked is None else pooch.Unzip(extract_dir=each.unpacked)
        fetch = _Resuming(folder / f"{name}.partial", lambda *progress, name=name: show(name, *progress))
        try:
            pooch.retrieve(each.url, each.checksum, name, folder, processor=unpack, downloader=fetch)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            raise InputError(f"{each.url} could not be fetched: {said(error)}; run the command again") from error


class _Resuming:
    """
    Fetch a file by HTTP beside its place, from where it ended before.

    Parameters
    ----------
    partial : where it grows
    show : is told how many of how many bytes are there
    """

    def __init__(self, partial: Path, show: Callable[[int, int], None]) -> None:
        self._partial, self._show = partial, show

    def __call__(self, url: str, output_file: Any, _pooch: Any) -> None:
        """Fetch a URL to a path that pooch gives; pooch checks it and puts it in its place."""
        import requests

        begun = self._partial.stat().st_size if self._partial.exists() else 0
        headers = {"Range": f"bytes={begun}-"} if begun else {}
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as response:
            if begun and response.status_code == requests.codes.requested_range_not_satisfiable:
                self._partial.unlink()  # it is whole, or longer than what is there now
                self(url, output_file, _pooch)
                return
            response.raise_for_status()
            goes_on = response.status_code == requests.codes.partial_content
            there = begun if goes_on else 0
            total = there + int(response.headers.get("Content-Length", 0))
            with self._partial.open("ab" if goes_on else "wb") as file:
                for data in response.iter_content(CHUNK):
                    file.write(data)
                    there += len(data)
                    self._show(there, total)
        if there < total:
            raise OSError(f"the connection ended after {there:,} of {total:,} bytes")
        self._partial.replace(output_file)
