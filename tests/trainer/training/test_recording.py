"""The log of a run: one line for each record, whole again after kills and full disks, and the same in TensorBoard."""

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from schemas.errors import InputError
from tests.datagen.storage.conftest import Disk
from trainer.training.recording import BOARD, LOG, Recorder, read_log


def write(run: Path, phase: str, step: int, records: dict[int, dict[str, float]]) -> None:
    recorder = Recorder(run, phase, step)
    for number, values in records.items():
        recorder.record(number, **values)
    recorder.close()


def without_time(run: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name != "time"} for record in read_log(run)]


def test_records_come_back_in_the_order_written(tmp_path: Path) -> None:
    write(tmp_path, "gates", 0, {1: {"loss": 0.1 + 0.2}, 2: {"loss": 1e-30, "entropy": 3.0}})
    write(tmp_path, "joint", 0, {1: {"validation": 2.0}})
    assert without_time(tmp_path) == [
        {"phase": "gates", "step": 1, "loss": 0.1 + 0.2},
        {"phase": "gates", "step": 2, "loss": 1e-30, "entropy": 3.0},
        {"phase": "joint", "step": 1, "validation": 2.0},
    ]
    assert all(datetime.fromisoformat(record["time"]).tzinfo for record in read_log(tmp_path))


def test_a_record_can_be_read_as_soon_as_it_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "gates", 0)
    recorder.record(1, loss=1.0)
    assert len(read_log(tmp_path)) == 1
    recorder.close()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null_and_the_log_is_json(value: float, tmp_path: Path) -> None:
    write(tmp_path, "gates", 0, {1: {"loss": value}})
    assert without_time(tmp_path) == [{"phase": "gates", "step": 1, "loss": None}]
    assert "NaN" not in (tmp_path / LOG).read_text()


def test_a_run_without_a_log_has_no_records(tmp_path: Path) -> None:
    assert read_log(tmp_path) == []


def test_a_line_that_was_cut_costs_no_other(tmp_path: Path) -> None:
    write(tmp_path, "gates", 0, {1: {"loss": 1.0}, 2: {"loss": 2.0}})
    log = tmp_path / LOG
    log.write_bytes(log.read_bytes()[:-9])
    write(tmp_path, "gates", 1, {3: {"loss": 3.0}})
    assert [record["step"] for record in read_log(tmp_path)] == [1, 3]


def test_steps_done_again_after_a_kill_are_in_the_log_once(tmp_path: Path) -> None:
    write(tmp_path, "gates", 0, {1: {"loss": 1.0}, 2: {"loss": 2.0}, 3: {"loss": 3.0}})
    write(tmp_path, "joint", 0, {2: {"loss": 7.0}})
    write(tmp_path, "gates", 1, {2: {"loss": 2.0, "wait": 5.0}, 3: {"loss": 3.0, "wait": 5.0}, 4: {"loss": 4.0}})
    gates = [record for record in without_time(tmp_path) if record["phase"] == "gates"]
    assert [record["step"] for record in gates] == [1, 2, 3, 4]
    assert [record.get("wait") for record in gates] == [None, 5, 5, None]
    assert len(read_log(tmp_path)) == 5


def test_a_step_and_its_validation_are_two_records(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "gates", 0)
    recorder.record(5, loss=1.0)
    recorder.record(5, validation=2.0)
    recorder.close()
    assert [record.keys() - {"time", "phase", "step"} for record in read_log(tmp_path)] == [{"loss"}, {"validation"}]


def test_several_processes_write_whole_lines_to_one_log(tmp_path: Path) -> None:
    first, second = Recorder(tmp_path, "expert-a", 0), Recorder(tmp_path, "expert-b", 0)
    for step in range(1, 50):
        first.record(step, loss=1.0)
        second.record(step, loss=2.0)
    first.close()
    second.close()
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert len(lines) == 98
    for phase, loss in (("expert-a", 1.0), ("expert-b", 2.0)):
        assert [line["step"] for line in lines if line["phase"] == phase] == list(range(1, 50))
        assert {line["loss"] for line in lines if line["phase"] == phase} == {loss}


def scalars(run: Path, phase: str, name: str) -> list[tuple[int, float]]:
    board = EventAccumulator(str(run / BOARD / phase))
    board.Reload()
    return [(event.step, event.value) for event in board.Scalars(name)]


def test_tensorboard_has_the_same_numbers_and_steps_done_again_once(tmp_path: Path) -> None:
    write(tmp_path, "gates", 0, {1: {"loss": 1.0}, 2: {"loss": 2.0}, 3: {"loss": 3.0}})
    assert scalars(tmp_path, "gates", "loss") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    write(tmp_path, "gates", 1, {2: {"loss": 2.0}, 3: {"loss": 3.0}})
    assert scalars(tmp_path, "gates", "loss") == [(1, 1.0), (2, 2.0), (3, 3.0)]


@pytest.mark.parametrize("file", [LOG, BOARD])
def test_a_disk_that_fills_is_one_line_with_the_file_and_what_to_do(file: str, disk: Disk) -> None:
    if file == BOARD:
        (disk.path / LOG).symlink_to("/dev/null")
    recorder = Recorder(disk.path, "gates", 0)
    (disk.path / "ballast").write_bytes(bytes(2**20 - 2**13))
    said = rf"{file}.* cannot be written: no space left on device; the last checkpoint is kept, mend that and run the"
    with pytest.raises(InputError, match=said):
        fill(recorder)
    with pytest.raises(InputError, match="no space left on device"):
        recorder.close()
    (disk.path / "ballast").unlink()
    write(disk.path, "gates", 0, {1: {"loss": 1.0}})
    assert scalars(disk.path, "gates", "loss") == [(1, 1.0)]


def fill(recorder: Recorder) -> None:
    for step in range(1, 10_000):
        recorder.record(step, loss=1.0)
