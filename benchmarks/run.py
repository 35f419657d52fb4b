"""All contenders in turns, each in a process of its own: `make bench` writes benchmarks/results.md.

Three rounds take about ten minutes on two cores, and the notebook 9 GB of memory.
"""

import argparse
import statistics
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import measure, table

RESULTS = Path(__file__).with_name("results.md")
OURS = "this project"
CONTENDERS = {
    # What a later process says of the same figure is what counts: `pipeline` has the whole run.
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
KINDS = {
    "import": "interpreter, imports",
    "read": "read",
    "compute": "compute",
    "write": "write",
    "dvc": "DVC",
}  # fmt: skip

NOTES = """\
Median (smallest-largest) of the rounds, and the median as a ratio to this project's: above 1x is slower, or more.

- All do the reference run: 10,000 columns, 20 epochs of 512 on 15,000 rows. The notebook, Keras and this project
  validate on 10,000 rows every epoch, then train a new network for 4 epochs on 25,000 rows, which is the one tested.
  scikit-learn and fastText validate nothing, and are tested as trained on the 15,000.
- vectorize: 50,000 reviews; reading and writing count for this project ({encode:.2g} s of it is encoding), for the
  notebook only its loop. Imports aside.
- epoch: median of epochs 2 to 20; for scikit-learn and fastText a 20th of their training, without validation.
- 20 epochs: the call that trains. This project's from warm: building network and graph takes {trace:.2g} s once before
  it; Keras's `fit` builds its graph within. `LogisticRegression` iterates until it converges, not for 20 epochs.
- whole run: the process from start to end. This project's is a cold `dvc repro`; all others but the notebook start from
  this project's features (fastText from its tokens), and make none.
- peak memory: resident, of the largest process.
- fastText sees all 88,584 words, not 10,000.
"""


def measure_round(number: int, rounds: int, names: list[str]) -> dict[str, dict[str, Any]]:
    """Every contender once."""
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
    """The table of contenders by figure."""

    def values(name: str, key: str) -> list[float]:
        return [each[name][key] for each in rounds if key in each[name]]

    rows = [
        [
            name,
            *(
                table.cell(values(name, key), values(OURS, key), ".4f" if key == "accuracy" else ".3g")
                for key in COLUMNS
            ),
        ]
        for name in rounds[0]
    ]
    return table.markdown(["", *COLUMNS.values()], rows)


def reach(rounds: list[dict[str, dict[str, Any]]]) -> str:
    """What this project takes of what others take, beside the most that it is meant to take."""
    lines = [
        ("epoch with validation, of the notebook's", "epoch", NOTEBOOK, "epoch", 0.1),
        ("20 epochs with validation, of `MLPClassifier`'s without", "fit", MLP, "fit", 1),
        ("vectorize, of the notebook's loop", "vectorize", NOTEBOOK, "vectorize", 0.1),
        ("cold `dvc repro`, of the notebook's whole run", "whole", NOTEBOOK, "whole", 0.4),
        ("peak memory, of the notebook's", "memory", NOTEBOOK, "memory", 0.12),
        ("`dvc repro` with nothing to do, of an empty pipeline's", "idle", OURS, "idle_empty", 1.5),
    ]
    rows = []
    for label, ours, other, theirs, most in lines:
        ratios = [each[OURS][ours] / each[other][theirs] for each in rounds]
        rows.append([label, f"{statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})", f"{most:g}"])
    return table.markdown(["this project's", "ratio within a round", "at most"], rows)


def stages(rounds: list[dict[str, dict[str, Any]]]) -> str:
    """The table of a cold `dvc repro` by stage and by what takes the time."""
    seconds = table.medians([each[OURS]["stages"] for each in rounds])
    total = {kind: sum(row.get(kind, 0.0) for row in seconds.values()) for kind in KINDS}
    rows = [
        [name, *(f"{row[kind]:.2f}" if kind in row else "" for kind in KINDS), f"{sum(row.values()):.2f}"]
        for name, row in {**seconds, "all": total}.items()
    ]
    return table.markdown(["seconds", *KINDS.values(), "all"], rows)


def page(machine: str, rounds: list[dict[str, dict[str, Any]]]) -> str:
    """All of results.md."""
    ours = table.medians([{OURS: {key: each[OURS][key] for key in ("encode", "trace")}} for each in rounds])[OURS]
    without = "" if "fastText" in rounds[0] else "- fastText is left out: it is not installed here.\n"
    return "\n".join([
        f"# Side by side\n\n`make bench` wrote this page.\n\n{machine}\n",
        f"## Contenders\n\n{contenders(rounds)}",
        f"{NOTES.format(**ours)}- Rounds: {len(rounds)}, each of all contenders one after the other.\n{without}",
        f"## Reach\n\n{reach(rounds)}",
        f"## Where a cold `dvc repro` spends its time\n\n{stages(rounds)}",
        "What DVC does after a stage (hashing, keeping what it wrote, looking at the next) is in that stage's row.\n"
        "Drawing the figures is computing, and so is parsing JSON. The end of a process counts with its imports.\n",
    ])  # fmt: skip


def main() -> None:
    """Measure, and write results.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default: 3)")
    count = parser.parse_args().rounds
    with measure.errors_in_a_line():
        machine = measure.module("benchmarks.reference").figures()["machine"]
        names = [name for name in CONTENDERS if name != "fastText" or find_spec("fasttext")]
        rounds = [measure_round(number, count, names) for number in range(1, count + 1)]
        RESULTS.write_text(page(machine, rounds), encoding="utf-8")
    print(f"-> benchmarks/{RESULTS.name}")


if __name__ == "__main__":
    main()
