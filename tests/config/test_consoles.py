"""What the documents tell people to type is found, marked or run, and nothing hides."""

import re

import pytest

from tests.config.consoles import (
    ROOT,
    Block,
    find_documents,
    is_said,
    parse_blocks,
    read_blocks,
)

BLOCKS = [block for name in find_documents() for block in read_blocks(name)]
# What a block may hold that nobody types into a shell.
# Scripts, which a test of their own runs as the document has them.
SCRIPTS = {"docs/api.md": "tests/api/test_pulling.py"}
QUIET_LANGUAGES = {"text", "python", "yaml", "json", "http", "toml", "html", "sql"}
TYPED = re.compile(
    r"^\s*(\$ |(\S+=\S* )*(make|git|curl|docker|python3?|pip|sudo|sh|npm|createdb|"
    r"createuser|systemctl|sha256sum|openssl|psql|\.venv/bin/\S+|(\./)?manage\.py)\s)"
)
FENCED = re.compile(r"^\s*```.*?^\s*```\s*$", re.MULTILINE | re.DOTALL)
MANAGED = re.compile(r'`(make\s+manage\s+ARGS="[^"`]*")`')


def named(block: Block) -> str:
    return str(block)


@pytest.mark.parametrize("block", BLOCKS, ids=named)
def test_every_block_says_what_it_is(block: Block) -> None:
    if block.language == "sh":
        test = ROOT / SCRIPTS[block.document]
        assert {block.document, "sh"} <= set(re.findall(r"[\w/.]+", test.read_text()))
        return
    assert block.language in {"console", *QUIET_LANGUAGES}, (
        f"{block}: fence it as console if it is typed into a shell, else as text"
    )


@pytest.mark.parametrize("block", BLOCKS, ids=named)
def test_no_command_hides_in_a_block_that_is_not_run(block: Block) -> None:
    if block.language not in ("console", "sh"):
        assert [line for line in block.lines if TYPED.match(line)] == []


@pytest.mark.parametrize("block", BLOCKS, ids=named)
def test_what_is_not_run_has_a_reason(block: Block) -> None:
    if block.reason is not None:
        assert block.language == "console", f"{block}: only commands are run"
        assert len(block.reason.split()) >= 4


@pytest.mark.parametrize("block", BLOCKS, ids=named)
def test_commands_of_a_block_can_be_told(block: Block) -> None:
    if block.language == "console":
        assert block.commands()


@pytest.mark.parametrize("name", find_documents())
def test_command_in_a_sentence_is_one_of_those_that_are_run(name: str) -> None:
    blocks = [block for block in BLOCKS if block.language == "console"]
    run = {command.text for block in blocks for command in block.commands()}
    text = FENCED.sub("", read(name))
    said = {" ".join(match.split()) for match in MANAGED.findall(text)}
    # `…` and capitals stand for what the reader puts there.
    exact = {line for line in said if not re.search(r"…|\b[A-Z]{3,}\b[^=]", line[18:])}
    assert exact - run == set()


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_blocks_are_found_with_their_reason_and_output() -> None:
    text = (
        "a\n```console\n$ one \\\n    two\nprinted …\n$ three\n```\n"
        "<!-- not run here: it needs another machine -->\n\n"
        "   ```console\n   $ four\n   ```\n"
        "words\n```\nplain\n```\n"
    )
    first, second, third = parse_blocks("x.md", text)
    first_command, three = first.commands()
    assert (first_command.text, first_command.prints) == (
        "one \\\n    two",
        ["printed …"],
    )
    assert three.text == "three"
    assert first.reason is None
    assert second.reason == "it needs another machine"
    assert [command.text for command in second.commands()] == ["four"]
    assert (third.language, third.reason) == ("", None)


def test_output_is_compared_in_order() -> None:
    assert is_said(["a …", "c"], "x\na b\nc\n")
    assert not is_said(["c", "a …"], "x\na b\nc\n")
    assert not is_said(["nothing"], "x")


def test_reader_finds_a_command_to_run_at_all() -> None:
    assert any(block.language == "console" and not block.reason for block in BLOCKS)
