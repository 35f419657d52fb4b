"""Measure the notebook, other libraries and this project side by side: `make bench` writes benchmarks/results.md.

Each runs in its own process, in turns. Three rounds take about ten minutes on two cores; the notebook takes 9 GB of
memory.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import measure, table

RESULTS = Path(__file__).with_name("results.md")
OURS = "this project"
CONTENDERS = {
    # Figures of a later process replace those of an earlier one: `pipeline` measures the whole run.
    OURS: [["multihot"], ["pipeline"]],
    "notebook (dense float64, `fit`)": [["notebook"]],
    "Keras `fit` on CSR": [["keras_csr"]],
    "scikit-learn `MLPClassifier`": [["sklearn_peers", "MLPClassifier"]],
    "scikit-learn `LogisticRegression`": [["sklearn_peers", "LogisticRegression"]],
    "fastText": [["fasttext_peer"]],
}
NOTEBOOK, MLP = list(CONTENDERS)[1], list(CONTENDERS)[3]
COLUMNS = {
    "vectorize": "vectorize, s",
    "epoch": "epoch with validation, s",
    "fit": "20 epochs, s",
    "whole": "whole run, s",
    "memory": "peak memory, GB",
    "accuracy": "test accuracy",
}
KINDS = {"import": "interpreter, imports", "read": "read", "compute": "compute", "write": "write", "dvc": "DVC"}

NOTES = """\
Each cell is the median (range) of the rounds, and the ratio of the median to that of this project. Above 1x is slower
or more.

- All do the reference run: 10,000 columns, 20 epochs with batches of 512 on 15,000 rows. The notebook, Keras and this
  project validate on 10,000 rows after each epoch. Then they train a new network for 4 epochs on 25,000 rows, and test
  it. scikit-learn and fastText do not validate, and are tested as trained on the 15,000 rows.
- vectorize: 50,000 reviews, without imports. For this project, reading and writing count ({encode:.2g} s are
  encoding). For the notebook, only its loop counts.
- epoch: the median of epochs 2 to 20. For scikit-learn and fastText, a 20th of their training, without validation.
- 20 epochs: the call that trains. This project builds its network and graph before this call ({trace:.2g} s); `fit` of
  Keras builds its graph during the call. `LogisticRegression` iterates until it converges.
- whole run: the process from start to end. For this project, a cold `dvc repro`. All others except the notebook start
  from the features of this project (fastText from its tokens).
- peak memory: resident memory of the largest process.
- fastText uses all 88,584 words instead of 10,000.
"""


def measure_round(number: int, rounds: int, names: list[str]) -> dict[str, dict[str, Any]]:
    """Measure each contender once."""
    figures: dict[str, dict[str, Any]] = {}
    for name in names:
        figures[name] = {}
        for module, *arguments in CONTENDERS[name]:
            measured = measure.module(f"benchmarks.{module}", *arguments)
            figures[name] |= {"whole": measured.seconds, "memory": measured.peak_bytes / 1e9, **measured.figures()}
        print(
            f"round {number}/{rounds}  {name}: {figures[name]['whole']:.1f} s, {figures[name]['memory']:.2f} GB",
            flush=True,
        )
    return figures


def contenders(rounds: list[dict[str, dict[str, Any]]]) -> str:
    """Return the table of contenders: a row for each, a column for each figure."""

    def values(name: str, key: str) -> list[float]:
        return [each[name][key] for each in rounds if key in each[name]]

    cells = {
        title: [
            table.cell(values(name, key), values(OURS, key), ".4f" if key == "accuracy" else ".3g")
            for name in rounds[0]
        ]
        for key, title in COLUMNS.items()
    }
    return table.markdown(pd.DataFrame({"": list(rounds[0]), **cells}))


def targets(rounds: list[dict[str, dict[str, Any]]]) -> str:
    """Return the table of ratios to other contenders, each next to its target."""
    lines = [
        ("epoch with validation, of the notebook's", "epoch", NOTEBOOK, "epoch", 0.1),
        ("20 epochs with validation, of `MLPClassifier`'s without", "fit", MLP, "fit", 1),
        ("vectorize, of the notebook's loop", "vectorize", NOTEBOOK, "vectorize", 0.1),
        ("cold `dvc repro`, of the notebook's whole run", "whole", NOTEBOOK, "whole", 0.3),
        ("`evaluate`, of the notebook's whole run", "evaluate", NOTEBOOK, "whole", 0.076),
        ("peak memory, of the notebook's", "memory", NOTEBOOK, "memory", 0.12),
        ("`dvc repro` with nothing to do, of an empty pipeline's", "idle", OURS, "idle_empty", 1.5),
    ]
    rows = []
    for label, ours, other, theirs, most in lines:
        ratios = [each[OURS][ours] / each[other][theirs] for each in rounds]
        rows.append([label, table.spread(ratios, ".3f"), f"{most:g}"])
    return table.markdown(pd.DataFrame(rows, columns=["this project's", "ratio within a round", "target, at most"]))


def stages(rounds: list[dict[str, dict[str, Any]]]) -> str:
    """Return the table of a cold `dvc repro`: median seconds by stage and by kind of work."""
    tables = [pd.DataFrame(each[OURS]["stages"]).T[list(KINDS)] for each in rounds]
    seconds = pd.concat(tables).groupby(level=0, sort=False).median()
    seconds.loc["all"] = seconds.sum()
    seconds["all"] = seconds.sum(axis="columns")
    text = seconds.map(lambda value: "" if pd.isna(value) else f"{value:.2f}")
    return table.markdown(text.rename(columns=KINDS).rename_axis("seconds").reset_index())


def page(machine: str, rounds: list[dict[str, dict[str, Any]]]) -> str:
    """Return the content of results.md."""
    encode, trace = pd.DataFrame([each[OURS] for each in rounds])[["encode", "trace"]].median()
    without = "" if "fastText" in rounds[0] else "- fastText is left out, because it is not installed.\n"
    notes = NOTES.format(encode=encode, trace=trace)
    return "\n".join([
        f"# Side by side\n\n`make bench` wrote this page.\n\n{machine}\n",
        f"## Contenders\n\n{contenders(rounds)}",
        f"{notes}- Rounds: {len(rounds)}, each of all contenders in turn.\n{without}",
        f"## Targets\n\nThey were set in advance. A ratio above its target misses it.\n\n{targets(rounds)}",
        f"## Where a cold `dvc repro` spends its time\n\n{stages(rounds)}",
        "The column DVC is the time after a stage: DVC hashes and caches its outputs, and looks at the next stage.\n"
        "Drawing the figures is computing. The end of a process counts with its imports.\n",
    ])  # fmt: skip


def main() -> None:
    """Run the benchmark, and write results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    count = parser.parse_args().rounds
    with measure.errors_in_a_line():
        machine = measure.module("benchmarks.reference").figures()["machine"]
        names = [name for name in CONTENDERS if name != "fastText" or find_spec("fasttext")]
        rounds = [measure_round(number, count, names) for number in range(1, count + 1)]
        RESULTS.write_text(page(machine, rounds), encoding="utf-8")
    print(f"-> benchmarks/{RESULTS.name}")


if __name__ == "__main__":
    main()
