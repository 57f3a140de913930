"""Checkpoints come back bit by bit, outlive kills and full disks, and are refused where damaged or another's."""

import errno
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch
from torch.optim import Adam

from schemas.errors import InputError, NewerSchemaError
from schemas.run import RUN_VERSION, RunConfig
from tests.datagen.storage.conftest import Disk
from tests.trainer.tiny import CPU, PROPERTIES, changed, phase_of, tiny_config
from trainer.training.checkpoint import Checkpoint, Progress, load, load_own, save
from trainer.training.networks import network_of

STORES = {name: f"{name}.zarr" for name in (*PROPERTIES, "real")}
WRITE = torch.save


def config_of(**changes: Any) -> RunConfig:
    return tiny_config(STORES, **changes)


def checkpoint(step: int = 7) -> Checkpoint:
    """Return one with all kinds of content: an optimiser that has stepped, odd numbers, a warm network."""
    network = network_of(config_of(), phase_of(config_of(), "expert-rotation"))
    optimiser = Adam(network.parameters(), 0.1)
    network(torch.rand(1, 2, 1, 8, 8, generator=torch.Generator().manual_seed(step)), 1).frames.sum().backward()
    optimiser.step()
    return Checkpoint(
        config=config_of(),
        phase="expert-rotation",
        progress=Progress(step=step, epoch=2, batch=3, best=0.1 + 0.2, best_step=4, stale=1, seconds=1e-9),
        network=network.state_dict(),
        optimiser=optimiser.state_dict(),
    )


def refused(path: Path, error: type[InputError] = InputError) -> str:
    with pytest.raises(error) as caught:
        load(path, CPU)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path} ")
    return message.removeprefix(f"{path} ")


def test_what_is_saved_comes_back_bit_by_bit(tmp_path: Path) -> None:
    before = checkpoint()
    save(tmp_path / "folder/a.pt", before)
    after = load(tmp_path / "folder/a.pt", CPU)
    assert (after.config, after.phase, after.progress) == (before.config, before.phase, before.progress)
    assert changed(before.network, after.network) == set()
    assert after.optimiser["param_groups"] == before.optimiser["param_groups"]
    for number, state in before.optimiser["state"].items():
        assert changed(state, after.optimiser["state"][number]) == set()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.pt"]


def test_a_phase_that_has_not_validated_has_no_best(tmp_path: Path) -> None:
    save(tmp_path / "a.pt", replace(checkpoint(), progress=Progress()))
    assert load(tmp_path / "a.pt", CPU).progress == Progress(best=None, finished=False)


class Killed(BaseException):
    """What ends a process in the middle of a write."""


def cut_by(error: BaseException) -> Callable[..., None]:
    """Return a `torch.save` that ends after half of the bytes."""

    def write(content: Any, file: BinaryIO) -> None:
        start = file.tell()
        WRITE(content, file)
        file.truncate((start + file.tell()) // 2)
        raise error

    return write


def test_a_kill_while_saving_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    save(path, checkpoint(1))
    before = path.read_bytes()
    monkeypatch.setattr(torch, "save", cut_by(Killed()))
    with pytest.raises(Killed):
        save(path, checkpoint(2))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]
    monkeypatch.undo()
    save(path, checkpoint(3))
    assert load(path, CPU).progress.step == 3
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "There is no space"),
        OSError(errno.EDQUOT, "There is no space"),
    ],
)
def test_no_space_is_one_line_and_leaves_the_previous_checkpoint(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pt"
    save(path, checkpoint(1))
    monkeypatch.setattr(torch, "save", cut_by(error))
    with pytest.raises(InputError) as caught:
        save(path, checkpoint(2))
    assert str(caught.value) == (
        f"{path} cannot be written: there is no space; the previous checkpoint is kept; "
        "free some space and run the same command again"
    )
    assert load(path, CPU).progress.step == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("size", [200, 50_000])
def test_no_space_is_called_so_by_whichever_layer_meets_it(size: int, disk: Disk) -> None:
    (disk.path / "ballast").write_bytes(bytes(2**20 - 2**13))
    network = {f"weights{number}": torch.zeros(size) for number in range(10)}
    with pytest.raises(InputError, match=r"a\.pt cannot be written: no space left on device; free some space and run"):
        save(disk.path / "a.pt", replace(checkpoint(), network=network))
    assert [file.name for file in disk.path.iterdir()] == ["ballast"]


def test_another_error_of_pytorch_is_not_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "save", cut_by(RuntimeError("can't allocate memory")))
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        save(tmp_path / "a.pt", checkpoint())
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_full_keeps_nothing_where_there_was_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.with_name("a.pt.partial").symlink_to("/dev/full")
    with pytest.raises(InputError) as caught:
        save(path, checkpoint())
    assert str(caught.value) == (
        f"{path} cannot be written: no space left on device; free some space and run the same command again"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_keeps_the_previous_checkpoint(disk: Disk) -> None:
    path = disk.path / "a.pt"
    save(path, checkpoint(1))
    free = 2**20 - path.stat().st_size
    (disk.path / "ballast").write_bytes(bytes(free - path.stat().st_size // 2))
    with pytest.raises(InputError, match="no space left on device; the previous checkpoint is kept; free some space"):
        save(path, checkpoint(2))
    assert load(path, CPU).progress.step == 1
    (disk.path / "ballast").unlink()
    save(path, checkpoint(3))
    assert load(path, CPU).progress.step == 3


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(InputError, match=r"file/a\.pt cannot be written: file exists; give a path that you may write"):
        save(tmp_path / "file/a.pt", checkpoint())
    assert (tmp_path / "file").read_text() == "precious"


def test_nothing_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.pt") == "does not exist; give a checkpoint or the folder of a run of `trainer fit`"


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_checkpoint_is_refused(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save(path, checkpoint())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert refused(path).startswith("is no checkpoint or damaged: ")


def test_a_byte_that_changed_is_seen_wherever_it_is(tmp_path: Path) -> None:
    """PyTorch itself reads over changed numbers."""
    path = tmp_path / "a.pt"
    save(path, checkpoint())
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.file_size > 8 and "/data/" in member.filename]
        starts = [data.index(archive.read(member)) for member in members]
    assert len(starts) > 10
    for start in starts[::5]:
        path.write_bytes(data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :])
        assert "fails its checksum; give one of `trainer fit`" in refused(path)


@pytest.mark.parametrize("content", [b"", b"precious", b"PK\x03\x04"])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    assert refused(tmp_path / "a.pt").startswith("is no checkpoint or damaged: ")


@pytest.mark.parametrize("content", [torch.zeros(3), {"epoch": 3, "state_dict": {}}, ["version"]])
def test_a_checkpoint_of_another_program_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pt")
    assert refused(tmp_path / "a.pt").startswith("is no checkpoint or damaged: ")


def change(path: Path, **fields: Any) -> None:
    content = torch.load(path, weights_only=True)
    torch.save(content | fields, path)


def test_a_checkpoint_holds_no_code_and_says_its_version(tmp_path: Path) -> None:
    save(tmp_path / "a.pt", checkpoint())
    assert torch.load(tmp_path / "a.pt", weights_only=True)["version"] == RUN_VERSION


@pytest.mark.parametrize("version", [RUN_VERSION + 1, RUN_VERSION - 1])
def test_another_version_is_refused_with_both_whatever_else_changed(version: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save(path, checkpoint())
    change(path, version=version, progress={"iteration": 3}, config="{}")
    said = refused(path, NewerSchemaError)
    assert said == f"has version {version}, this installation reads {RUN_VERSION}; use that one"
    torch.save({"version": version}, path)
    assert refused(path, NewerSchemaError) == said


@pytest.mark.parametrize("fields", [{"config": '{"modle": 1}'}, {"progress": {"iteration": 3}}, {"config": "{"}])
def test_content_that_is_not_of_this_version_is_refused(fields: dict[str, Any], tmp_path: Path) -> None:
    save(tmp_path / "a.pt", checkpoint())
    change(tmp_path / "a.pt", **fields)
    assert refused(tmp_path / "a.pt").startswith("is no checkpoint or damaged: ")


def test_a_run_takes_its_own_checkpoints_only(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save(path, checkpoint())
    assert load_own(path, config_of(), "expert-rotation", CPU).progress.step == 7
    for config, phase in ((config_of(seed=1), "expert-rotation"), (config_of(), "expert-intensity")):
        with pytest.raises(InputError) as caught:
            load_own(path, config, phase, CPU)
        assert str(caught.value) == (
            f"{path} is of phase expert-rotation of another model or run; put back the one of {phase} or remove it"
        )
