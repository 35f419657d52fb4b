"""Synthetic reviews, a few and many, through `python -m stages.predict`: `make bench-predict` writes predict.md.

Each round asks the model in models/ about both files; what few reviews take besides their share of the time is the
start. Three rounds take about a minute, and 130 MB of disk while they last.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks import measure, table
from stages.params import Synthetic

FEW, MANY = 10_000, 100_000
PAGE = Path(__file__).with_name("predict.md")


class Round(NamedTuple):
    """Both files once."""

    few: measure.Measured
    many: measure.Measured

    @property
    def rate(self) -> float:
        """Reviews a second after the start."""
        return (len(self.many.lines) - len(self.few.lines)) / (self.many.seconds - self.few.seconds)

    @property
    def start(self) -> float:
        """Seconds until the first review is read."""
        return self.few.seconds - len(self.few.lines) / self.rate


def write_reviews(path: Path, rows: int) -> float:
    """Write the first of `MANY` synthetic reviews, a line each, and return how many words they have.

    Args:
        path: a .txt.
        rows: at most `MANY`.

    Returns:
        The mean.
    """
    from stages.download import synthetic  # here: what this process holds would count towards those that it starts

    corpus = synthetic.load(Synthetic(seed=1, train_rows=MANY, test_rows=2))
    written = words = 0
    with path.open("w", encoding="utf-8") as file:
        for batch in corpus.splits["train"]:
            tokens = [corpus.words[token - 1] for token in batch.tokens]
            for start, stop in list(pairwise(batch.offsets.tolist()))[: rows - written]:
                file.write(" ".join(tokens[start:stop]) + "\n")
                written, words = written + 1, words + stop - start
    return words / rows


def run(few: Path, many: Path) -> Round:
    """Ask about both files."""
    return Round(*(measure.module("stages.predict", "--file", str(path)) for path in (few, many)))


def page(machine: str, words: float, rounds: Sequence[Round]) -> str:
    """All of predict.md.

    Args:
        machine: what it ran on.
        words: in a review of the larger file, on average.
        rounds: at least one.
    """
    rows = [
        [f"{len(each[0].lines):,}", _spread([one.seconds for one in each]), _megabytes(each)]
        for each in zip(*rounds, strict=True)
    ]
    rates, starts = [each.rate for each in rounds], [each.start for each in rounds]
    return "\n".join([
        "# Asking about many reviews\n\n`make bench-predict` wrote this page.\n",
        f"{machine}\n",
        f"**{_spread(rates, ',.0f')} reviews a second**, of {words:.0f} words on average, after "
        f"{_spread(starts)} s for the start.\n",
        table.markdown(["reviews", "seconds", "peak MB"], rows),
        "`python -m stages.predict --file reviews.txt`, its output read through a pipe: the whole process, with\n"
        "interpreter, TensorFlow and model. Synthetic reviews, a line each: IMDB's lengths and words, no punctuation.\n"
        "Reviews a second are the difference in reviews over the difference in seconds, round by round.\n"
        f"Median (smallest-largest) of {len(rounds)} rounds; of memory, which is resident memory, the highest.\n",
    ])  # fmt: skip


def _spread(values: Sequence[float], form: str = ".1f") -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def _megabytes(runs: Sequence[measure.Measured]) -> str:
    return f"{max(each.peak_bytes for each in runs) / 1e6:,.0f}"


def main() -> None:
    """Measure, and write predict.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often both files are read (default: 3)")
    count, rounds = parser.parse_args().rounds, []
    with measure.errors_in_a_line(), tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few.txt", Path(folder) / "many.txt"
        write_reviews(few, FEW)
        words = write_reviews(many, MANY)
        for number in range(1, count + 1):
            rounds.append(run(few, many))
            print(f"round {number}/{count}  {rounds[-1].rate:,.0f} reviews a second", flush=True)
        from benchmarks import reference

        text = page(reference.machine(), words, rounds)
        PAGE.write_text(text, encoding="utf-8")
    print(f"\n{text}\n-> benchmarks/{PAGE.name}")


if __name__ == "__main__":
    main()
