import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datagen.storage.sprites import built_in_digits, load_sprites, sprite_set
from schemas.errors import InputError, MissingExtraError
from tests.shared_data import shared_file

STACK = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def idx(stack: np.ndarray, magic: int = 2051) -> bytes:
    return struct.pack(">4I", magic, *stack.shape) + stack.tobytes()


def packed(data: bytes) -> bytes:
    # Without the time, which gzip writes by default: pytest-xdist wants the same parameters from every worker.
    return gzip.compress(data, mtime=0)


def save(folder: Path, name: str, level: int, size: tuple[int, int] = (5, 4)) -> None:
    Image.new("L", size, level).save(folder / name)


def test_idx_file_is_read_gzipped_or_not_whatever_its_name_is(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(idx(STACK))
    (tmp_path / "packed").write_bytes(packed(idx(STACK)))
    assert np.array_equal(load_sprites(tmp_path / "plain.gz"), STACK)
    assert np.array_equal(load_sprites(str(tmp_path / "packed")), STACK)


def extents(lit: np.ndarray) -> np.ndarray:
    """Return from the first to the last true value of each row, in items."""
    return lit.shape[1] - np.argmax(lit[:, ::-1], axis=1) - np.argmax(lit, axis=1)


def test_mnist_is_ten_thousand_digits() -> None:
    digits = load_sprites(shared_file("data/mnist/t10k-images-idx3-ubyte.gz"))
    assert digits.shape == (10_000, 28, 28)
    assert digits.dtype == np.uint8
    # How MNIST was made: each digit fits a box of 20x20 px and is placed with its centre of mass in the middle.
    rows, columns = (digits > 0).any(axis=2), (digits > 0).any(axis=1)
    assert max(extents(rows).max(), extents(columns).max()) == 20
    light = digits.astype(float).sum(axis=(1, 2))
    for axis in (1, 2):
        centres = (digits.sum(axis=3 - axis) * (np.arange(28) + 0.5)).sum(axis=1) / light
        assert np.abs(centres - 14).max() < 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (idx(STACK)[:-1], "names 3 images of 4x5, 60 bytes, and holds 59"),
        (idx(STACK) + b"\0", "holds more"),
        (idx(STACK[:0]), "names 0 images"),
        (idx(STACK, 2049), "is labels, not images"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "is no IDX file of images; give a folder of images"),
        (b"", "is no IDX file"),
        (packed(idx(STACK))[:-10], "is damaged"),
        (packed(idx(STACK)[:-1]), "holds 59"),
        (b"\x1f\x8bnonsense", "is damaged"),
    ],
)
def test_file_that_is_no_whole_idx_file_is_refused_in_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "images").write_bytes(data)
    with pytest.raises(InputError, match=said) as refused:
        load_sprites(tmp_path / "images")
    assert "\n" not in str(refused.value)
    assert str(tmp_path / "images") in str(refused.value)


def test_one_flipped_byte_in_a_gzipped_file_is_noticed(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(idx(STACK), compresslevel=0, mtime=0))
    data[40] ^= 1
    (tmp_path / "images").write_bytes(data)
    with pytest.raises(InputError, match="is damaged"):
        load_sprites(tmp_path / "images")


def test_header_that_names_more_than_memory_is_refused_without_trying(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(struct.pack(">4I", 2051, 2**31, 2**31, 2**31) + b"short")
    with pytest.raises(InputError, match="holds 5"):
        load_sprites(tmp_path / "images")


def test_folder_is_read_in_natural_order_and_other_files_left_alone(tmp_path: Path) -> None:
    for name, level in {"10.png": 10, "2.BMP": 2, "a1.gif": 201, "1.png": 1, "A02.png": 202}.items():
        save(tmp_path, name, level)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "more").mkdir()
    assert load_sprites(tmp_path)[:, 0, 0].tolist() == [1, 2, 10, 201, 202]


def test_colour_transparency_and_depth_become_grey_on_black(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "1.png")
    Image.new("RGBA", (2, 2), (255, 255, 255, 51)).save(tmp_path / "2.png")
    Image.fromarray(np.full((2, 2), 0x80FF, np.uint16)).save(tmp_path / "3.png")
    Image.new("1", (2, 2), 1).save(tmp_path / "4.png")
    assert load_sprites(tmp_path)[:, 0, 0].tolist() == [76, 51, 128, 255]


def test_images_of_two_sizes_are_refused_naming_both(tmp_path: Path) -> None:
    save(tmp_path, "1.png", 0, (5, 4))
    save(tmp_path, "2.png", 0, (4, 5))
    with pytest.raises(InputError, match=r"2\.png is 4x5 and \S*1\.png is 5x4 px; give images of one size"):
        load_sprites(tmp_path)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_image_that_cannot_be_read_is_named(tmp_path: Path, data: bytes) -> None:
    save(tmp_path, "1.png", 0)
    (tmp_path / "2.png").write_bytes(data)
    with pytest.raises(InputError, match=r"2\.png cannot be read as an image") as refused:
        load_sprites(tmp_path)
    assert "\n" not in str(refused.value)


def test_missing_path_and_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no images"):
        load_sprites(tmp_path)
    with pytest.raises(InputError, match="does not exist; give a folder of images or an IDX file"):
        load_sprites(tmp_path / "nothing")


def test_built_in_digits_are_the_same_everywhere_and_touch_no_edge() -> None:
    digits = built_in_digits()
    assert digits.shape == (1797, 32, 32)
    # The digest of every Dynamic MNIST without --sprites rests on these bytes; another hash is another data set.
    assert sprite_set(digits).sha256 == "b8a58a17a8f0cf5c13da53f248a22a2261e7d44069222cc85739f1a0772c544d"
    border = np.ones((32, 32), bool)
    border[1:-1, 1:-1] = False
    assert not digits[:, border].any()
    assert (digits.max(axis=(1, 2)) > 250).all()


def test_built_in_digits_without_scikit_learn_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stmoe-synth\[digits\]'"):
        built_in_digits()


def test_sprite_set_names_the_bytes_in_c_order() -> None:
    named = sprite_set(STACK)
    assert (named.count, named.height, named.width) == (3, 4, 5)
    assert sprite_set(np.asfortranarray(STACK)) == named
    assert sprite_set(STACK[::-1]) != named


@pytest.mark.parametrize("stack", [STACK.astype(np.float32), STACK[0], np.zeros((1, 5000, 2), np.uint8), STACK[:0]])
def test_what_is_no_stack_has_no_sprite_set(stack: np.ndarray) -> None:
    with pytest.raises(InputError):
        sprite_set(stack)
