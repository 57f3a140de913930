"""Reflectivity of the Finnish Meteorological Institute: PGM, mostly compressed, with the time in a comment."""

import gzip
import re
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from schemas.errors import InputError
from trainer.sources.images import said
from trainer.sources.radar.reflectivity import FINLAND, rain_of
from trainer.sources.radar.scan import Rain, Scan, checked, utc

NO_DATA: Final = 255
NO_ECHO: Final = 0
_NAME = re.compile(r"(\d{12})_(.+?)\.pgm(\.gz)?")
_HEADER = re.compile(rb"P5\s+((?:#[^\n]*\n)*)\s*(\d+)\s+(\d+)\s+255\s", re.ASCII)
_RAIN = rain_of((np.arange(256) - 64) / 2, FINLAND)
_RAIN[NO_ECHO], _RAIN[NO_DATA] = 0, np.nan
_OBSTIME = re.compile(rb"# *obstime +(\d{12})")


def scans(file: Path) -> list[Scan]:
    """Return the one scan of a file, by its name alone."""
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise InputError(
            f"{file} is named as no file of FMI; its name begins with the time, e.g. 201609281445_x.pgm.gz"
        )
    return [Scan(file, 0, utc(match[1], "%Y%m%d%H%M"), match[2])]


def read(file: Path) -> Rain:
    """Return what a file holds: levels v of dBZ = (v - 64) / 2; raises InputError where it is damaged."""
    try:
        data = file.read_bytes()
        data = gzip.decompress(data) if file.suffix == ".gz" else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{file} cannot be unpacked: {said(error)}; get it again") from error
    header = _HEADER.match(data)
    if header is None:
        raise InputError(f"{file} is no PGM of 8 bits; get it again")
    columns, rows = int(header[2]), int(header[3])
    levels = np.frombuffer(data, np.uint8, offset=header.end())
    if levels.size != rows * columns:
        raise InputError(f"{file} has {levels.size:,} of {rows * columns:,} pixels; get it again")
    rain = _RAIN[levels.reshape(rows, columns)]
    time = _OBSTIME.search(header[1])
    return Rain(checked(file, rain), None if time is None else utc(time[1].decode(), "%Y%m%d%H%M"))
