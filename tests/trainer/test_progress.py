"""Progress: a line every few seconds in a log, a bar on a terminal; both tell step, loss and time left."""

import os
import pty
import sys
from contextlib import suppress

import pytest

from trainer.progress import LINE_SECONDS, duration, shown
from trainer.training.loop import Report


def report(step: int, phase: str = "decoder", steps: int = 4000, best: float | None = None) -> Report:
    return Report(phase, step, steps, 1 / step, best)


def test_a_log_gets_one_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with shown(clock=lambda: now) as show:
        for step in range(1, 252):
            now = step / 10
            show(report(step, best=9.4132 if step > 150 else None))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert LINE_SECONDS == 10
    assert captured.err.splitlines() == [
        "decoder: 100 of 4,000 steps, loss 0.01, 6:30 left",
        "decoder: 200 of 4,000 steps, loss 0.005, best 9.413, 6:20 left",
    ]


def test_a_phase_ends_with_a_line_and_the_next_has_a_pace_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with shown(clock=lambda: now) as show:
        for step in (1, 2):
            show(report(step, steps=2))
            now += 3
        for step in (1, 2, 3):
            show(report(step, "joint", steps=60))
            now += 5
    assert capsys.readouterr().err.splitlines() == [
        "decoder: 2 of 2 steps, loss 0.5, 0:00 left",
        "joint: 3 of 60 steps, loss 0.3333, 4:45 left",
    ]


def test_time_left_is_not_guessed_from_the_first_step_nor_from_those_of_another_day(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    with shown(clock=lambda: now) as show:
        now = 60.0
        show(report(1000))
        now = 80.0
        show(report(1010))
    assert [line.rpartition(", ")[2] for line in capsys.readouterr().err.splitlines()] == ["loss 0.001", "1:39:40 left"]


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    now = 0.0
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: PTH123, which is no path
        monkeypatch.setattr(sys, "stderr", terminal)
        with shown(clock=lambda: now) as show:
            for step in range(1, 11):
                now += 1
                show(report(step, steps=20, best=3.5))
    written = b""
    with suppress(OSError):  # what Linux says when the other side has closed
        while piece := os.read(ours, 4096):
            written += piece
    os.close(ours)
    assert b"decoder" in written
    assert b"10 of 20 steps, loss 0.1, best 3.5, 0:10 left" in written


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9.4, "0:09"), (59.7, "1:00"), (3599, "59:59"), (3723, "1:02:03"), (360_000, "100:00:00")],
)
def test_durations_are_minutes_and_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text
