"""Measure `python -m stages.predict` on one sentence and on synthetic reviews: `make bench-predict` writes predict.md.

Each round predicts one sentence, a small and a large file with the model in models/. The difference between the two
files gives the reviews per second without the start. Three rounds take about a minute, and 130 MB of disk.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from benchmarks import measure
from stages.params import Synthetic

FEW, MANY = 10_000, 100_000
PAGE = Path(__file__).with_name("predict.md")


class Round(NamedTuple):
    """The measurements of a round."""

    tensorflow: measure.Measured
    """`python -c "import tensorflow"`, to compare with."""
    sentence: measure.Measured
    few: measure.Measured
    many: measure.Measured

    @property
    def rate(self) -> float:
        """Reviews per second after the start."""
        return (len(self.many.lines) - len(self.few.lines)) / (self.many.seconds - self.few.seconds)


def write_reviews(path: Path, rows: int) -> float:
    """Write the first `rows` of `MANY` synthetic reviews to a .txt file, one per line.

    Returns:
        The mean number of words.
    """
    from stages.download import synthetic  # here, because the memory of this process counts towards its children

    corpus = synthetic.load(Synthetic(seed=1, train_rows=MANY, test_rows=2))
    known, written, words = corpus.words.to_pylist(), 0, 0
    with path.open("w", encoding="utf-8") as file:
        for batch in corpus.reviews("train"):
            tokens = [known[token - 1] for token in batch.tokens]
            for start, stop in list(pairwise(batch.offsets.tolist()))[: rows - written]:
                file.write(" ".join(tokens[start:stop]) + "\n")
                written, words = written + 1, words + stop - start
    return words / rows


def run(few: Path, many: Path) -> Round:
    """Measure a round."""
    return Round(
        measure.process([sys.executable, "-c", "import tensorflow"]),
        measure.module("stages.predict", "a fine film"),
        measure.module("stages.predict", "--file", str(few)),
        measure.module("stages.predict", "--file", str(many)),
    )


def page(machine: str, words: float, rounds: Sequence[Round]) -> str:
    """Return the content of predict.md.

    Args:
        machine: the processor and the versions.
        words: the mean number of words of a review in the larger file.
        rounds: at least one.
    """
    import pandas as pd

    from benchmarks import table

    tensorflow, sentence, few, many = zip(*rounds, strict=True)
    rows = [
        ['`python -c "import tensorflow"`', tensorflow],
        ["one sentence", sentence],
        [f"{len(few[0].lines):,} reviews", few],
        [f"{len(many[0].lines):,} reviews", many],
    ]
    cells = [
        [name, table.spread([one.seconds for one in each], ".2f"), f"{max(one.peak_bytes for one in each) / 1e6:,.0f}"]
        for name, each in rows
    ]
    rates = [each.rate for each in rounds]
    ratios = [each.sentence.seconds / each.tensorflow.seconds for each in rounds]
    return "\n".join([
        "# Predictions for new text\n\n`make bench-predict` wrote this page.\n",
        f"{machine}\n",
        f"**{table.spread(rates, ',.0f')} reviews per second**, of {words:.0f} words on average.\n"
        f"One sentence takes **{table.spread(ratios, '.2f')}** of the time of `import tensorflow`.\n",
        table.markdown(pd.DataFrame(cells, columns=["", "seconds", "peak MB"])),
        "Seconds and resident memory are those of the whole process, `python -m stages.predict`, with its output read\n"
        "through a pipe. The files are .txt files of synthetic reviews with the lengths and words of IMDB. The\n"
        "reviews per second are the difference in reviews divided by the difference in seconds. Each cell is the\n"
        f"median (range) of {len(rounds)} rounds. The memory is the maximum.\n",
    ])  # fmt: skip


def main() -> None:
    """Run the benchmark, and write predict.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    count, rounds = parser.parse_args().rounds, []
    with measure.errors_in_a_line(), tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few.txt", Path(folder) / "many.txt"
        # In a process that ends: the memory of this one would count towards those that are measured.
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            process.submit(write_reviews, few, FEW).result()
            words = process.submit(write_reviews, many, MANY).result()
        for number in range(1, count + 1):
            rounds.append(run(few, many))
            print(f"round {number}/{count}  {rounds[-1].rate:,.0f} reviews per second", flush=True)
        from benchmarks import reference

        PAGE.write_text(page(reference.machine(), words, rounds), encoding="utf-8")
    print(f"-> benchmarks/{PAGE.name}")


if __name__ == "__main__":
    main()
