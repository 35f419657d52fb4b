"""`predict` on any texts, lines, files and arguments: a probability for each text, or a short error."""

import contextlib
import io
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages import console
from stages.contracts.features import Columns
from stages.contracts.model import write_model, write_model_columns, write_threshold
from stages.encoding import TokenizerName, vocabulary
from stages.encoding.tokenizers import TOKENIZERS
from stages.inference.network import Network, read
from stages.predict import __main__ as program
from stages.predict import show
from stages.predict.model import Answer, Model
from stages.tables.rows import Row
from tests.conftest import write_params
from tests.fuzz.given import TEXTS, answer, damaged
from tests.fuzz.test_tables import any_file
from tests.predict.conftest import WORDS, build

VALID = (
    st.lists(st.sampled_from(WORDS) | TEXTS, min_size=1, max_size=30).map(" ".join).filter(lambda text: text.strip())
)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """A network for `WORDS`, read once for all examples."""
    with contextlib.chdir(tmp_path_factory.mktemp("network")):
        write_params(Path.cwd())
        write_model(build([16, 16]), columns("keras"))
        return read(columns("keras"))


@pytest.fixture
def models(folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with models/. The network is read once for all examples."""
    write_model_columns(columns("keras"))
    write_threshold(0.5)
    monkeypatch.setattr("stages.inference.network.read", lambda *_: network)
    return folder


def columns(tokenizer: TokenizerName) -> Columns:
    return Columns([*vocabulary.SPECIAL, *WORDS], tokenizer)


def rows(texts: list[str]) -> list[Row]:
    return [Row(f"text {number}", text) for number, text in enumerate(texts, 1)]


def printed(
    texts: list[str], file: Path | None, column: str | None, lines: bytes = b"", **options: Any
) -> list[str] | None:
    """The lines that the program prints, or None where it ends in a documented error."""
    stdin = io.TextIOWrapper(io.BytesIO(lines), encoding="ascii")
    with quiet() as out, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", stdin)
        ended = answer(lambda: program.main(texts, file, column, **options) or True)  # type: ignore[func-returns-value]
    return out.getvalue().splitlines() if ended else None


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        yield out


def check_json(lines: list[str] | None) -> list[str]:
    """The texts of the program's lines as JSON."""
    answers = [json.loads(line, parse_constant=pytest.fail) for line in lines or []]
    assert [found["row"] for found in answers] == sorted({found["row"] for found in answers})
    for found in answers:
        assert 0 <= found["probability"] <= 1
        assert found["label"] == ("positive" if found["probability"] > 0.5 else "negative")
        assert all(math.isfinite(value) for value in found.get("contributions", {}).values())
    return [found["text"] for found in answers]


@given(st.lists(VALID, min_size=1, max_size=20), st.sampled_from(["keras", "unicode"]), st.booleans())
def test_any_texts(network: Network, texts: list[str], tokenizer: TokenizerName, explain: bool) -> None:
    """The probability of a text has the same bits alone and among others, and the output has the expected lines."""
    model = Model(network, columns(tokenizer))
    together = list(model.answers(rows(texts), explain=explain))
    alone = [found for text in texts for found in model.answers(rows([text]), explain=False)]
    assert [found.probability for found in together] == [found.probability for found in alone]
    assert check_json([show.as_json(found) for found in together]) == texts
    for colour in (False, True):
        for found in together:
            check_shown(found, show.for_people(found, TOKENIZERS[tokenizer], colour=colour))


def check_shown(found: Answer, shown: str) -> None:
    """Check the number of lines, and that there is no control character, except for the colours."""
    lines = re.sub(r"\x1b\[(31|32|0)m", "", shown).split("\n")
    assert len(lines) == (1 if found.contributions is None else 3)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for line in lines for character in line)


@given(
    VALID.map(str.encode).flatmap(damaged)
    | st.lists(VALID, max_size=5).map(lambda x: "\n".join(x).encode())
    | st.binary()
)
@example(b"\xef\xbb\xbfword1\r\nword2\r\n\x00\n")
def test_any_lines(models: Path, content: bytes) -> None:
    lines = printed([], None, None, content, json=True, explain=False)
    found = check_json(lines)
    if lines is not None:
        expected = content.decode("utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8").split("\n")
        assert found == [line.rstrip("\r").replace("\r", " ") for line in expected if line.strip()]


@given(any_file(), st.sampled_from([None, "text", "x"]), st.booleans())
def test_any_file(models: Path, file: tuple[str, bytes], column: str | None, explain: bool) -> None:
    kind, content = file
    path = Path(f"a.{kind}")
    path.write_bytes(content)
    check_json(printed([], path, column, json=True, explain=explain))


WORDS_OF_A_SHELL = st.sampled_from(
    [
        *("--json", "--explain", "--file", "--column", "--file=", "--help", "--", "-", "-x", ""),
        *("a.txt", "a.csv", "a.xlsx", "text", "word1", "/", "."),
    ]
)
BYTES_OF_A_SHELL = st.binary(max_size=12).map(lambda word: word.replace(b"\0", b"").decode(errors="surrogateescape"))


@given(st.lists(WORDS_OF_A_SHELL | VALID.map(lambda text: text.replace("\0", "")) | BYTES_OF_A_SHELL, max_size=5))
def test_any_arguments(models: Path, words: list[str]) -> None:
    """The program ends with 0, with an error of one or two lines, or with 2 and its usage."""
    Path("a.txt").write_text("word1\n")
    Path("a.csv").write_text("text,label\nword1,1\n")
    with pytest.MonkeyPatch.context() as patch, quiet() as out, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["predict", *words])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"word1\n")))
        console.run(program.main, program.__doc__, program.arguments)
    code: Any = ended.value.code
    if isinstance(code, str):
        assert 1 <= len(code.split("\n")) <= 2
        assert code.startswith("error: ")
    else:
        assert code in (0, 2)
        assert code != 0 or out.getvalue().strip()
