"""Every command in the documents is run by a test or says why not, and every option in them exists."""

import re
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.docs.blocks import COMMANDS, DOCUMENTS, INDENTED, SHELLS, Block, blocks_of, prose_of, text_of, to_run
from tests.docs.parsing import calls, lines_of, mistake, options
from tests.docs.test_examples import EXAMPLES

SERVICE = "docs/service.md"
"""Whose commands `test_service_guide.py` runs."""
FOREIGN = {"--volume", "--build-arg", "--randomly-seed"}
"""Options in prose that belong to other programs."""
TARGETS = frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def spoken(document: str) -> list[str]:
    """Return what prose sets as code."""
    return [" ".join(words.split()) for words in re.findall(r"`([^`]+)`", prose_of(document))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_block_is_a_command_or_data(document: str) -> None:
    unclear = [block.place for block in blocks_of(document) if block.is_command == block.is_data]
    assert not unclear, f"fence these blocks with a language, one of {sorted(COMMANDS)} for commands"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_command_is_run_or_says_why_not(document: str) -> None:
    if document not in {*EXAMPLES, SERVICE}:
        assert not [block.place for block in to_run(document)], "put `<!-- not run: REASON -->` before these blocks"
    for block in blocks_of(document):
        if block.run_by is not None:
            assert Path(document).name in (ROOT / block.run_by).read_text(encoding="utf-8"), block.place
        assert block.is_command or (block.not_run, block.run_by) == (None, None), f"{block.place} is no command"


def test_every_example_is_of_a_document_with_commands() -> None:
    assert [document for document in EXAMPLES if not to_run(document)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_command_lines_parse(document: str) -> None:
    mistakes = [
        f"{block.place}: {line.strip()}: {said}"
        for block in blocks_of(document)
        if block.is_command and block.language in SHELLS | {INDENTED}
        for line in lines_of(block)
        for program, arguments in calls(line)
        if (said := mistake(program, arguments))
    ]
    assert not mistakes


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_prose_parse(document: str) -> None:
    mistakes = [
        f"{words}: {said}"
        for words in spoken(document)
        for program, arguments in calls(words)
        if (said := mistake(program, arguments, complete=False))
    ]
    assert not mistakes


@pytest.mark.parametrize("document", DOCUMENTS)
def test_options_in_prose_exist(document: str) -> None:
    named = {match[0] for words in spoken(document) if (match := re.match(r"--[a-z][\w-]*", words))}
    assert named <= options() | FOREIGN


@pytest.mark.parametrize("document", DOCUMENTS)
def test_targets_exist(document: str) -> None:
    named = set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text_of(document), re.MULTILINE))
    assert named <= TARGETS


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("datagen render --property rotation --n 4", None),
        ("FOO=1 .venv/bin/datagen render --propertee rotation", "No such option"),
        ("cd x && datagen rendr", "no command rendr"),
        ("torchrun --nproc-per-node 4 -m trainer fit --confg run.yaml", "No such option"),
        ("docker compose run --rm datagen render --size big", "not a valid integer"),
        ("datagen render --property spin | tee log", "is not one of"),
        ("trainer prepare kth KTH", "Missing option '--out'"),
        ("trainer fit --synthetic a=A.zarr b=B.zarr --out runs/x > log", None),
    ],
)
def test_a_wrong_command_line_is_found(line: str, said: str | None) -> None:
    ((program, arguments),) = calls(line)
    found = mistake(program, arguments)
    assert (found is None) if said is None else (found is not None and said in found)


TEXT = """# Title

<!-- not run: needs a GPU -->

    torchrun -m trainer fit

- a list
  goes on

    with this

Then

<!-- run by tests/docs/test_x.py -->
```sh
datagen serve
```

    a: 1

```
what
```
"""


def test_blocks_carry_the_comment_directly_before_them() -> None:
    gpu, run, data, bare = blocks_of("x.md", TEXT)
    assert (gpu.text, gpu.language, gpu.not_run, gpu.line) == ("torchrun -m trainer fit\n", INDENTED, "needs a GPU", 5)
    assert (run.text, run.run_by, run.not_run) == ("datagen serve\n", "tests/docs/test_x.py", None)
    assert data.is_data
    assert not data.is_command
    assert not bare.is_data
    assert not bare.is_command
    assert "goes on" in prose_of("x.md", TEXT)
    assert "torchrun" not in prose_of("x.md", TEXT)


def test_a_comment_does_not_reach_over_words() -> None:
    (block,) = blocks_of("x.md", "<!-- not run: no -->\n\nWords.\n\n    make test\n")
    assert isinstance(block, Block)
    assert block.not_run is None
