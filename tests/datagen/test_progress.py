"""Progress in a log: a line every few seconds, no more; numbers that people can read."""

from types import SimpleNamespace

import pytest

from datagen.progress import LINE_SECONDS, duration, shown, speed, status


def stage(done: int, rate: float = 100.0) -> SimpleNamespace:
    return SimpleNamespace(done_sequences=done, total_sequences=10_000, rate=rate)


def test_a_log_gets_one_line_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with shown("rendering", clock=lambda: now) as update:
        for tenth in range(131):
            now = tenth / 10
            update(stage(done=tenth * 10))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"rendering: {done:,} of 10,000 sequences, 100/s, {left} left"
        for done, left in [(int(LINE_SECONDS * 100), "1:35"), (int(2 * LINE_SECONDS * 100), "1:30")]
    ]


def test_time_left_is_not_guessed_before_the_first_unit() -> None:
    assert status(stage(done=4096, rate=0.0)) == "4,096 of 10,000 sequences"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9.4, "0:09"), (59.7, "1:00"), (3599, "59:59"), (3723, "1:02:03"), (360_000, "100:00:00")],
)
def test_durations_are_minutes_and_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0312, "0.0312/s"), (2.31, "2.31/s"), (99.96, "100/s"), (12_345, "12,345/s")]
)
def test_speeds_keep_three_digits(rate: float, text: str) -> None:
    assert speed(rate) == text
