"""Jobs run in order and side by side, once; crashes, kills and signals leave what is done and go on from there."""

import errno
import json
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import InputError, LockedStoreError
from tests.datagen.storage.conftest import Disk
from tests.trainer.reproduction.conftest import fill
from tests.trainer.reproduction.engines import TOUCH, UNTIL_TOLD, job, order, run, start
from tests.waiting import wait_for
from trainer.machine import cores
from trainer.reproduction.engine import SUPERSEDED, Event, Outcome, failures, run_jobs
from trainer.reproduction.folder import locked
from trainer.reproduction.plan import Job
from trainer.reproduction.processes import log_file
from trainer.reproduction.records import read_record, record_file

CRASH = "import sys; print('error: there is no sun', file=sys.stderr); sys.exit(1)"
MEETS = """
import sys, time
from pathlib import Path
mine, other = sys.argv[1], {"a": "b", "b": "a"}[sys.argv[1]]
Path(mine).touch()
while not Path(other).exists():
    time.sleep(0.01)
"""
"""End once the other of two has started."""


def states(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.state for name, outcome in outcomes.items()}


def takes_lock(folder: Path) -> bool:
    try:
        with locked(folder):
            return True
    except LockedStoreError:
        return False


def test_a_job_runs_after_those_that_it_needs(tmp_path: Path) -> None:
    report = run(tmp_path, job("a"), job("b", needs=["a"]), job("c", needs=["b"]), job("d", needs=["b", "c"]))
    assert order(tmp_path) == ["a", "b", "c", "d"]
    assert set(report.outcomes.values()) == {Outcome("done")}
    assert report.stopped is None


def test_of_jobs_that_may_start_the_longest_goes_first(tmp_path: Path) -> None:
    jobs = (job("short", estimate=1), job("long", estimate=3), job("first"), job("last", needs=["first"], estimate=9))
    run(tmp_path, *jobs, workers=1)
    assert order(tmp_path) == ["first", "last", "long", "short"]


def test_jobs_that_wait_for_each_other_run_side_by_side(tmp_path: Path) -> None:
    assert set(run(tmp_path, job("a", MEETS), job("b", MEETS)).outcomes.values()) == {Outcome("done")}


def test_no_more_jobs_run_than_asked_for(tmp_path: Path) -> None:
    events: list[Event] = []
    run(tmp_path, *(job(name) for name in "abcde"), workers=2, events=events)
    running = 0
    for event in events:
        running += 1 if event.state == "started" else -1
        assert 0 <= running <= 2
    assert [event.done for event in events if event.state == "done"] == [1, 2, 3, 4, 5]
    assert events[-1].left == 0


@pytest.mark.parametrize("workers", [1, 2, 10_000])
def test_processors_are_shared_out(workers: int, tmp_path: Path) -> None:
    run(tmp_path, job("a", "import os; open('threads', 'w').write(os.environ['OMP_NUM_THREADS'])"), workers=workers)
    assert int((tmp_path / "threads").read_text()) == max(cores() // workers, 1)


def test_what_is_done_does_not_run_again(tmp_path: Path) -> None:
    jobs = (job("a"), job("b", needs=["a"]))
    run(tmp_path, *jobs)
    events: list[Event] = []
    report = run(tmp_path, *jobs, job("c", needs=["b"]), events=events)
    assert order(tmp_path) == ["a", "b", "c"]
    assert states(dict(report.outcomes)) == dict.fromkeys("abc", "done")
    assert [(event.job, event.state, event.done) for event in events] == [("c", "started", 2), ("c", "done", 3)]


def test_a_record_tells_what_a_job_took(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    run(tmp_path, job("a/b", burn))
    record = json.loads((tmp_path / "jobs/a/b.json").read_text())
    assert record["return_code"] == 0
    assert record["command"].startswith(f"{sys.executable} -c ")
    assert record["cpu_seconds"] >= 0.3
    assert record["wall_seconds"] >= 0.3
    assert len(record["digest"]) == 64


def test_a_crash_stops_only_those_that_need_it(tmp_path: Path) -> None:
    jobs = (job("bad", CRASH), job("after", needs=["bad"]), job("later", needs=["after"]), job("good"))
    report = run(tmp_path, *jobs)
    assert report.outcomes == {
        "bad": Outcome("failed", "there is no sun"),
        "after": Outcome("not run", "bad: there is no sun"),
        "later": Outcome("not run", "bad: there is no sun"),
        "good": Outcome("done"),
    }
    assert failures(report, tmp_path) == [f"bad failed: there is no sun; its log is {tmp_path}/logs/bad.log"]
    assert report.stopped is None


def test_a_failed_job_runs_again_and_then_those_that_need_it(tmp_path: Path) -> None:
    once = "import sys; from pathlib import Path; p = Path('mended'); sys.exit(0 if p.exists() else 'no file')"
    jobs = (job("bad", once), job("after", needs=["bad"]))
    assert run(tmp_path, *jobs).outcomes["bad"] == Outcome("failed", "exit code 1: no file")
    (tmp_path / "mended").touch()
    assert states(dict(run(tmp_path, *jobs).outcomes)) == {"bad": "done", "after": "done"}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("print('error: ' + 'x' * 1000); 1 / 0", "x" * 197 + "..."),
        ("1 / 0", "exit code 1: ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_says_why(code: str, reason: str, tmp_path: Path) -> None:
    assert run(tmp_path, job("a", code)).outcomes["a"] == Outcome("failed", reason)


def test_a_program_that_is_not_there_is_a_failure_too(tmp_path: Path) -> None:
    report = run(tmp_path, Job(name="a", command=("no-such-program",)), job("b"))
    assert report.outcomes["a"] == Outcome("failed", "no-such-program cannot be run: no such file or directory")
    assert report.outcomes["b"] == Outcome("done")


def test_output_is_in_the_log_and_earlier_output_stays(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(2)"
    run(tmp_path, job("a/b", code))
    run(tmp_path, job("a/b", code))
    lines = log_file(tmp_path, "a/b").read_text().splitlines()
    assert sorted(lines[-2:]) == ["err", "out"]
    assert lines.count("out") == 2


def test_files_are_written_before_and_products_have_a_folder(tmp_path: Path) -> None:
    code = "open('made/here/copy', 'w').write(open('given/text').read())"
    report = run(tmp_path, job("a", code, files=(("given/text", "hello"),), product="made/here/copy"))
    assert report.outcomes["a"] == Outcome("done")
    assert (tmp_path / "made/here/copy").read_text() == "hello"


def test_a_changed_job_runs_again_on_a_clean_place_and_so_do_those_that_need_it(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; p = Path(sys.argv[1] + '.made'); p.mkdir(); (p / 'x').touch()"
    jobs = [job(name, code, product=f"{name}.made") for name in "ab"]
    jobs[1] = replace(jobs[1], needs=("a",))
    assert states(dict(run(tmp_path, *jobs).outcomes)) == {"a": "done", "b": "done"}
    first = read_record(tmp_path, "a")
    changed = [replace(jobs[0], files=(("config", "1"),)), jobs[1]]
    assert states(dict(run(tmp_path, *changed).outcomes)) == {"a": "done", "b": "done"}
    assert run(tmp_path, *jobs).outcomes["a"] == Outcome("done")
    assert first is not None
    kept = sorted(path.name for path in (tmp_path / SUPERSEDED).iterdir())
    assert [name[:6] for name in kept] == ["a.made", "a.made", "b.made", "b.made"]
    assert f"a.made-{first.digest[:8]}-0" in kept
    assert all((tmp_path / SUPERSEDED / name / "x").exists() for name in kept)


def test_a_damaged_record_is_as_none(tmp_path: Path) -> None:
    run(tmp_path, job("a"))
    record_file(tmp_path, "a").write_text("{")
    run(tmp_path, job("a"))
    assert order(tmp_path) == ["a", "a"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_jobs_save_and_the_same_call_goes_on(number: signal.Signals, tmp_path: Path) -> None:
    jobs = (job("a"), job("b", UNTIL_TOLD, needs=["a"]), job("c", needs=["b"]))
    engine = start(tmp_path, *jobs)
    wait_for((tmp_path / "b.running").exists, engine)
    engine.send_signal(number)
    out, err = engine.communicate(timeout=60)
    assert json.loads(out) == [number.name, {"a": "done", "b": "stopped", "c": "stopped"}], err
    record = read_record(tmp_path, "b")
    assert record is not None
    assert record.return_code is None
    (tmp_path / "go").touch()
    assert states(dict(run(tmp_path, *jobs).outcomes)) == dict.fromkeys("abc", "done")
    assert order(tmp_path) == ["a", "c"]
    after = read_record(tmp_path, "b")
    assert after is not None
    assert after.cpu_seconds > record.cpu_seconds > 0  # those of both starts


def test_a_job_that_was_about_to_end_when_the_signal_came_counts(tmp_path: Path) -> None:
    deaf = UNTIL_TOLD.replace("def stop(*_):", "def stop(*_):\n    Path('go').touch(); return")
    engine = start(tmp_path, job("a", deaf))
    wait_for((tmp_path / "a.running").exists, engine)
    engine.terminate()
    assert json.loads(engine.communicate(timeout=60)[0]) == [None, {"a": "done"}]


def test_a_second_signal_kills_jobs_that_do_not_listen(tmp_path: Path) -> None:
    deaf = UNTIL_TOLD.replace("def stop(*_):", "def stop(*_):\n    Path('told').touch(); return")
    engine = start(tmp_path, job("a", deaf))
    wait_for((tmp_path / "a.running").exists, engine)
    engine.send_signal(signal.SIGINT)
    wait_for((tmp_path / "told").exists, engine)
    engine.send_signal(signal.SIGINT)
    assert json.loads(engine.communicate(timeout=60)[0]) == ["SIGINT", {"a": "stopped"}]
    assert takes_lock(tmp_path)
    assert not (tmp_path / "a").exists()


def test_a_job_that_someone_else_stops_is_told_and_runs_again(tmp_path: Path) -> None:
    code = "print('stopped by SIGTERM and saved; the same command continues')"
    report = run(tmp_path, job("a", code), job("b", needs=["a"]))
    assert report.outcomes == {
        "a": Outcome("stopped", "was stopped; the same command continues"),
        "b": Outcome("not run", "a: was stopped; the same command continues"),
    }
    assert report.stopped is None
    assert len(failures(report, tmp_path)) == 1
    assert run(tmp_path, job("a", TOUCH)).outcomes["a"] == Outcome("done")


def test_what_an_earlier_start_said_does_not_count(tmp_path: Path) -> None:
    once = (
        "from pathlib import Path; p = Path('x'); print('' if p.exists() else 'the same command continues'); p.touch()"
    )
    assert run(tmp_path, job("a", once)).outcomes["a"].state == "stopped"
    assert run(tmp_path, job("a", once)).outcomes["a"].state == "done"


def test_a_killed_engine_ends_its_jobs_and_the_same_call_goes_on(tmp_path: Path) -> None:
    jobs = (job("a"), job("b", UNTIL_TOLD, needs=["a"]), job("c", needs=["b"]))
    engine = start(tmp_path, *jobs)
    wait_for((tmp_path / "b.running").exists, engine)
    engine.kill()
    engine.communicate(timeout=60)
    wait_for(lambda: takes_lock(tmp_path))
    assert "stopped by SIGTERM and saved" in log_file(tmp_path, "b").read_text()
    (tmp_path / "go").touch()
    assert states(dict(run(tmp_path, *jobs).outcomes)) == dict.fromkeys("abc", "done")
    assert order(tmp_path) == ["a", "c"]


def test_a_job_that_outlives_its_engine_keeps_the_folder(tmp_path: Path) -> None:
    deaf = UNTIL_TOLD.replace("def stop(*_):", "def stop(*_):\n    Path('told').touch(); return")
    engine = start(tmp_path, job("a", deaf))
    wait_for((tmp_path / "a.running").exists, engine)
    engine.kill()
    engine.communicate(timeout=60)
    wait_for((tmp_path / "told").exists)
    assert not takes_lock(tmp_path)
    (tmp_path / "go").touch()
    wait_for(lambda: takes_lock(tmp_path))


def test_jobs_run_outside_the_main_thread_too(tmp_path: Path) -> None:
    thread = threading.Thread(target=run, args=(tmp_path, job("a")))
    thread.start()
    thread.join()
    assert order(tmp_path) == ["a"]


def test_a_full_disk_is_one_line_and_the_same_call_goes_on(disk: Disk) -> None:
    folder = disk.path / "results"
    jobs = (job("a"), job("b", needs=["a"]))
    run(folder, jobs[0])
    fill(disk)
    with pytest.raises(InputError) as caught:
        run(folder, *jobs)
    assert str(caught.value) == (
        f"{folder} cannot be written: no space left on device; mend that and run the same command again, "
        "what is finished is kept"
    )
    (disk.path / "ballast").unlink()
    assert states(dict(run(folder, *jobs).outcomes)) == {"a": "done", "b": "done"}
    assert order(folder) == ["a", "b"]


def test_where_records_cannot_be_written_no_job_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def break_disk(event: Event) -> None:
        if (event.job, event.state) == ("b", "started"):
            wait_for((tmp_path / "b.running").exists)
            monkeypatch.setattr("trainer.reproduction.engine.write_record", full)

    with locked(tmp_path) as lock, pytest.raises(InputError, match="no space left on device"):
        run_jobs((job("a"), job("b", UNTIL_TOLD)), tmp_path, 2, lock=lock, show=break_disk)
    assert "stopped by SIGTERM and saved" in log_file(tmp_path, "b").read_text()
    assert not (tmp_path / "b").exists()
