"""Image folders, IDX files and scikit-learn's digits to a stack of sprites: (sprite, sprite_y, sprite_x) uint8."""

import gzip
import hashlib
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.errors import InputError, MissingExtraError
from schemas.render import SpriteSet

Stack = NDArray[np.uint8]

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp")


def load_sprites(path: str | Path) -> Stack:
    """
    Read a folder of images or an IDX file, the format of MNIST, gzipped or not.

    The images of a folder are taken in natural order (2.png before 10.png), as grey on black; other files and folders
    inside it are left alone.

    Returns
    -------
    (sprite, sprite_y, sprite_x) uint8, 0 is black and uncovered, 255 fully covered

    Raises
    ------
    InputError
        there is nothing at the path, no image in the folder, a file that cannot be read, or images of several sizes.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _load_folder(path)
        with path.open("rb") as file:
            return _load_idx(path, file)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a folder of images or an IDX file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path} cannot be read: {reason}; give a folder of images or an IDX file") from None


def built_in_digits() -> Stack:
    """
    Return the 1,797 handwritten digits that ship inside scikit-learn, scaled up from 8x8 to 32x32 with a black border.

    Returns
    -------
    (1797, 32, 32) uint8, strokes white with soft edges on black

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError(
            "the built-in digits need scikit-learn, which is not installed; pip install 'stmoe-synth[digits]', "
            "or give sprites of your own"
        ) from None
    levels = np.rint(load_digits().images * (255 / _DIGIT_LEVELS)).astype(np.uint8)
    return np.stack([_scaled_up(digit) for digit in levels])


def digits_if_named(named: SpriteSet) -> Stack | None:
    """Return the built-in digits if a spec names them and scikit-learn is installed, or None."""
    with suppress(MissingExtraError):
        digits = built_in_digits()
        if sprite_set(digits) == named:
            return digits
    return None


def sprite_set(stack: Stack) -> SpriteSet:
    """
    Return what a spec says about a stack: its count, its size and the SHA-256 of its bytes.

    Parameters
    ----------
    stack : (sprite, sprite_y, sprite_x) uint8

    Raises
    ------
    InputError
        the stack has another type or rank, or its images are too large or none.
    """
    if stack.dtype != np.uint8 or stack.ndim != 3:
        raise InputError(f"the sprites are {stack.shape} {stack.dtype}; give (sprite, sprite_y, sprite_x) uint8")
    count, height, width = stack.shape
    sha256 = hashlib.sha256(stack.tobytes()).hexdigest()
    return SpriteSet.parse({"count": count, "height": height, "width": width, "sha256": sha256}, "sprites")


_DIGIT_LEVELS = 16
_DIGIT_SCALE = 3
_DIGIT_BORDER = 1
_STROKE = np.clip((np.arange(256) - 80) * 2, 0, 255).astype(np.uint8)
"""Grey to grey: a steeper edge, which undoes the blur of scaling, where strokes are as wide as MNIST's."""


def _scaled_up(digit: Stack) -> Stack:
    """Scale by a bicubic filter in Pillow's integer arithmetic, so the digits are equal to the bit everywhere."""
    small = np.pad(digit, 1)
    size = (small.shape[1] * _DIGIT_SCALE, small.shape[0] * _DIGIT_SCALE)
    large = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    return np.pad(_STROKE[large], _DIGIT_BORDER)


_IDX_IMAGES = 2051
_IDX_LABELS = 2049
_IDX_HEADER = struct.Struct(">4I")
_GZIP_MAGIC = b"\x1f\x8b"
_READ_BYTES = 2**20


def _load_idx(path: Path, file: BinaryIO) -> Stack:
    packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    file.seek(0)
    try:
        return _read_idx(path, gzip.GzipFile(fileobj=file) if packed else file)  # type: ignore[arg-type]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged: {str(error).rstrip('.').lower()}; fetch it again") from None


def _read_idx(path: Path, file: BinaryIO) -> Stack:
    header = file.read(_IDX_HEADER.size)
    magic = int.from_bytes(header[:4], "big")
    if len(header) < _IDX_HEADER.size or magic != _IDX_IMAGES:
        found = "labels, not images" if magic == _IDX_LABELS else "no IDX file of images"
        raise InputError(f"{path} is {found}; give a folder of images or e.g. train-images-idx3-ubyte.gz")
    _, count, height, width = _IDX_HEADER.unpack(header)
    expected = count * height * width
    data = bytearray()
    while len(data) <= expected and (piece := file.read(_READ_BYTES)):
        data += piece
    if len(data) != expected or not expected:
        held = "more" if len(data) > expected else f"{len(data)}"
        raise InputError(
            f"{path} names {count} images of {height}x{width}, {expected} bytes, and holds {held}; fetch it again"
        )
    return np.frombuffer(data, np.uint8).reshape(count, height, width)


def _load_folder(folder: Path) -> Stack:
    files = sorted(
        (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")),
        key=_natural,
    )
    if not files:
        raise InputError(f"{folder} holds no images; give a folder of {', '.join(IMAGE_SUFFIXES)} files")
    images: list[Stack] = []
    for file in files:
        image = _load_image(file)
        if images and image.shape != images[0].shape:
            raise InputError(
                f"{file} is {_size(image)} and {files[0]} is {_size(images[0])} px; give images of one size"
            )
        images.append(image)
    return np.stack(images)


def _natural(file: Path) -> tuple[list[str | int], str]:
    """Order numbers in names by value; the split alternates, so text only ever meets text."""
    parts = re.split(r"([0-9]+)", file.name.lower())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], file.name


def _size(image: Stack) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _load_image(file: Path) -> Stack:
    """Return one image, or the first of an animation, as grey on black."""
    try:
        with Image.open(file) as image:
            if image.mode.startswith("I;16"):
                return (np.asarray(image) >> 8).astype(np.uint8)
            if image.has_transparency_data:
                picture = image.convert("RGBA")
                return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "black"), picture).convert("L"))
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{file} cannot be read as an image: {said}; mend it or move it away") from None
