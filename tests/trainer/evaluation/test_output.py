"""A path holds a whole result or what it held before, whatever happens while it is written."""

from pathlib import Path

import pytest

from schemas.errors import InputError
from trainer.evaluation.output import written_aside


def group_of(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "zarr.json").write_text(text)
    return path


def write_half(path: Path, kind: str) -> None:
    with written_aside(path, overwrite=True) as aside:
        if kind == "group":
            group_of(aside, "half")
        else:
            aside.write_text("half")
        raise KeyboardInterrupt


def test_file_appears_whole(tmp_path: Path) -> None:
    with written_aside(tmp_path / "x.gif", overwrite=False) as aside:
        aside.write_bytes(b"new")
        assert not (tmp_path / "x.gif").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["x.gif"]


@pytest.mark.parametrize("kind", ["file", "group"])
def test_failure_leaves_what_was_there(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "group":
        group_of(path, "old")
    else:
        path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path, kind)
    assert (path / "zarr.json" if kind == "group" else path).read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_group_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = group_of(tmp_path / "x.zarr", "old")
    (path / "only-in-the-old-one").touch()
    with written_aside(path, overwrite=True) as aside:
        group_of(aside, "new")
    assert [file.name for file in path.iterdir()] == ["zarr.json"]
    assert (path / "zarr.json").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["x.zarr"]


def test_file_is_not_replaced_unless_told(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_text("old")
    with (
        pytest.raises(InputError, match=r"x\.gif exists; give another path or --overwrite"),
        written_aside(tmp_path / "x.gif", overwrite=False),
    ):
        pass
    assert (tmp_path / "x.gif").read_text() == "old"


def test_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    with (
        pytest.raises(InputError, match="folder of other things"),
        written_aside(tmp_path / "holiday", overwrite=True),
    ):
        pass


def test_missing_folder_and_url_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"), written_aside(tmp_path / "a" / "x.gif", overwrite=False):
        pass
    with pytest.raises(InputError, match="is a URL"), written_aside(Path("s3://bucket/x.zarr"), overwrite=False):
        pass


def test_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_text("old")
    with (
        pytest.raises(InputError, match=r"x\.npy cannot be written: no space left on device"),
        written_aside(path, overwrite=True),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"0")
    assert path.read_text() == "old"
