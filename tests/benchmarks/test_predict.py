"""The reviews of the benchmark, and its page with made-up figures."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import predict
from benchmarks.measure import Measured
from stages.download.synthetic import WORD_COUNTS


def test_reviews_are_lines_of_known_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "MANY", 6_000)
    mean = predict.write_reviews(tmp_path / "a.txt", 7)
    *lines, end = [line.split(" ") for line in (tmp_path / "a.txt").read_text(encoding="utf-8").split("\n")]
    assert (len(lines), end) == (7, [""])
    assert sum(map(len, lines)) / 7 == mean
    assert {word for line in lines for word in line} <= set(pd.read_parquet(WORD_COUNTS)["word"])
    predict.write_reviews(tmp_path / "b.txt", 6_000)  # more than are drawn at a time
    more = (tmp_path / "b.txt").read_text(encoding="utf-8").split("\n")
    assert len(more) == 6_001
    assert [line.split(" ") for line in more[:7]] == lines


def measured(rows: int, seconds: float, peak: int) -> Measured:
    return Measured(seconds, peak, [(seconds, "an answer")] * rows)


def test_the_page_compares_a_sentence_with_tensorflow_and_leaves_the_start_out_of_the_rate() -> None:
    rounds = [
        predict.Round(measured(0, 4, 6), measured(1, 1, 1), measured(10, 5, 700_000_000), measured(110, seconds, 1))
        for seconds in (7, 9, 15)
    ]
    page = predict.page("a machine", 238.4, rounds)
    assert "**25 (10-50) reviews per second**, of 238 words on average" in page
    assert "**0.25 (0.25-0.25)** of the time of `import tensorflow`" in page
    assert ["10 reviews", "5.00 (5.00-5.00)", "700"] in [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()
    ]
