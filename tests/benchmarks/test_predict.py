"""The reviews that are asked about, and the page, of figures made up."""

from pathlib import Path

from benchmarks import predict
from benchmarks.measure import Measured
from stages.download import word_counts


def test_reviews_are_lines_of_known_words(tmp_path: Path) -> None:
    mean = predict.write_reviews(tmp_path / "a.txt", 7)
    *lines, end = [line.split(" ") for line in (tmp_path / "a.txt").read_text(encoding="utf-8").split("\n")]
    assert (len(lines), end) == (7, [""])
    assert sum(map(len, lines)) / 7 == mean
    assert {word for line in lines for word in line} <= set(word_counts.read().words)
    predict.write_reviews(tmp_path / "b.txt", 6_000)  # more than are drawn at a time
    more = (tmp_path / "b.txt").read_text(encoding="utf-8").split("\n")
    assert len(more) == 6_001
    assert [line.split(" ") for line in more[:7]] == lines


def measured(rows: int, seconds: float, peak: int) -> Measured:
    return Measured(seconds, peak, [(seconds, "an answer")] * rows)


def test_the_page_tells_the_start_from_the_rate() -> None:
    rounds = [
        predict.Round(measured(10, 5, 700_000_000), measured(110, 7, 700_000_000)),
        predict.Round(measured(10, 5, 700_000_000), measured(110, 9, 704_000_000)),
        predict.Round(measured(10, 5, 701_000_000), measured(110, 15, 702_000_000)),
    ]
    page = predict.page("a machine", 238.4, rounds)
    assert "**25 (10-50) reviews a second**, of 238 words on average, after 4.6 (4.0-4.8) s for the start." in page
    assert "| 10 | 5.0 (5.0-5.0) | 701 |\n| 110 | 9.0 (7.0-15.0) | 704 |" in page
