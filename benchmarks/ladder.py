"""From the reference run to the best model, one step at a time: `make ladder` writes docs/experiments.md.

Each step is a DVC experiment that changes what the step names and keeps the changes before it. `dvc exp show` lists
them afterwards, and `dvc exp apply ladder-7` puts one into your workspace. All steps take about ten minutes.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import dvc.api
import matplotlib.pyplot as plt
import pandas as pd

from benchmarks import measure, table
from stages.console import UserError

PAGE = measure.ROOT / "docs" / "experiments.md"
PICTURE = PAGE.with_suffix(".png")
STEPS: dict[str, dict[str, Any]] = {
    "the reference run": {},
    "fewer epochs of the hold-out run": {"train.holdout_epochs": 8},
    "all words": {"vectorize.num_words": None},
    "2-grams": {"vectorize.ngrams": 2, "vectorize.min_count": 2},
    "3-grams": {"vectorize.ngrams": 3},
    "log-count ratios": {"train.weighting": "log_ratio", "train.learning_rate": 0.02},
    "one hidden layer of 8": {"train.hidden_units": [8]},
    "another optimizer": {"train.optimizer": "nadam"},
    "a smaller hold-out": {"train.holdout_rows": 4000},
    "the best epoch": {"train.epochs": "best"},
}
"""What each step changes. `min_count` has no effect without n-grams, so it changes with them. Rows of length 1 have
smaller values than multi-hot rows, so the learning rate becomes larger with them."""
SEEDS = 10

INTRODUCTION = """# From {first:.1f} to {last:.1f} percent

`make ladder` wrote this page. Each row keeps the changes of the rows above it and adds its own. The steps were chosen
on the hold-out. The test split was only measured.

{machine}

{steps}
![Test accuracy of each step against the seconds of its run](experiments.png)

- hold-out: the accuracy after the epoch with the lowest validation loss, on the training rows that the network of the
  hold-out run has not seen: 10,000, and 4,000 in the last two steps, which train on 21,000 rows. With 15,000 rows, the
  lowest validation loss comes after three epochs, or 90 steps. The final network has 25,000 rows, so two epochs are
  98 steps already. With a smaller hold-out, the two numbers of steps are closer.
- test: the accuracy of the final network, with a 95 % bootstrap interval.
- seconds and memory: `dvc exp run --force`, which runs all stages, and its largest process.

After `make ladder`, `dvc exp show --only-changed` lists the same experiments, and `dvc exp apply {name}` puts the last
one into your workspace.

## How much the seed matters

The seed decides the initial weights and the order of the rows. {seeds} seeds, the same features:

{spread}
The notebook is Keras's `fit` on the dense rows of the reference run.

## Other models

| model | test accuracy |
| --- | ---: |
| scikit-learn `LogisticRegression`, C = 30 | {logistic:.4f} |
| NB-SVM on 3-grams ([Mesnil et al. 2014](https://arxiv.org/abs/1412.5335)) | 0.918 |
| seq2-bown-CNN on a GPU ([Johnson and Zhang 2015](https://arxiv.org/abs/1412.1058)) | 0.923 |

The published results do not use pre-training or the unlabelled reviews either. scikit-learn's logistic regression has
the columns of the last step, log-count ratios and rows of length 1.

"""


class Step(NamedTuple):
    """The result of an experiment."""

    name: str
    """Of the experiment."""
    seconds: float
    gigabytes: float
    """The peak memory of its largest process."""
    metrics: dict[str, Any]
    """The content of results/metrics.json."""


def run(number: int, changes: dict[str, Any]) -> Step:
    """Run an experiment in a folder of its own, so that your workspace stays as it is."""
    name = f"ladder-{number}"
    settings = [f"{key}={_yaml(value)}" for key, value in changes.items()]
    options = [option for setting in settings for option in ("--set-param", setting)]
    program = str(Path(sys.executable).with_name("dvc"))
    measured = measure.process([program, "exp", "run", "--temp", "--force", "--name", name, *options])
    # Not `dvc.api.metrics_show`, which leaves lists out, and so the intervals.
    content = dvc.api.read("results/metrics.json", repo=str(measure.ROOT), rev=name)
    return Step(name, measured.seconds, measured.peak_bytes / 1e9, json.loads(content))


def _yaml(value: Any) -> str:
    return "null" if value is None else str(value).replace(" ", "")


def table_of(steps: list[Step]) -> str:
    """Return the table of the steps."""
    rows = []
    for number, ((title, changes), step) in enumerate(zip(STEPS.items(), steps, strict=True)):
        low, high = step.metrics["test_interval"]["binary_accuracy"]
        rows.append({
            "step": f"{number}. {title}",
            "change": ", ".join(f"`{key}={_yaml(value)}`" for key, value in changes.items()),
            "columns": f"{step.metrics['columns']:,}",
            "hold-out": f"{step.metrics['validation']['binary_accuracy']:.4f}",
            "test": f"{step.metrics['test']['binary_accuracy']:.4f} ({low:.4f}-{high:.4f})",
            "seconds": f"{step.seconds:.0f}",
            "memory, GB": f"{step.gigabytes:.1f}",
        })  # fmt: skip
    return table.markdown(pd.DataFrame(rows))


def draw(steps: list[Step]) -> None:
    """Draw the test accuracy of each step, with its number and its interval, against its seconds."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for number, step in enumerate(steps):
        accuracy = step.metrics["test"]["binary_accuracy"]
        low, high = step.metrics["test_interval"]["binary_accuracy"]
        axes.errorbar(step.seconds, accuracy, [[accuracy - low], [high - accuracy]], fmt="o", color="#2b6cb0")
        place = (6, 3) if number % 2 == 0 else (6, -11)  # so that steps with equal results can be told apart
        axes.annotate(str(number), (step.seconds, accuracy), place, textcoords="offset points")
    axes.set(xlabel="Seconds of the run", ylabel="Test accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    """Run all steps, compare the seeds, and write the page and the picture."""
    with measure.errors_in_a_line():
        machine = measure.module("benchmarks.reference").figures()["machine"]
        steps: list[Step] = []
        changes: dict[str, Any] = {}
        for number, (title, change) in enumerate(STEPS.items()):
            changes |= change
            steps.append(run(number, changes))
            accuracy = steps[-1].metrics["test"]["binary_accuracy"]
            print(f"{steps[-1].name}  {title}: {accuracy:.4f} in {steps[-1].seconds:.0f} s", flush=True)
        if steps[0].metrics["source"] != "imdb":
            raise UserError(f"the source is {steps[0].metrics['source']}, expected imdb: set IMDB_MIRROR")
        first, last = seeds(steps[0]), seeds(steps[-1])
        draw(steps)
        PAGE.write_text(page(machine, steps, first, last), encoding="utf-8")
    print(f"-> docs/{PAGE.name}, docs/{PICTURE.name}")


def seeds(step: Step) -> dict[str, Any]:
    """Return what `benchmarks.seeds` prints for the features and the parameters of an experiment."""
    with tempfile.TemporaryDirectory() as folder:
        files = dvc.api.DVCFileSystem(str(measure.ROOT), rev=step.name)
        files.get("data/features", f"{folder}/data/features", recursive=True)
        files.get("params.yaml", f"{folder}/params.yaml")
        epochs = dvc.api.params_show("params.yaml", repo=str(measure.ROOT), rev=step.name)["train"]["epochs"]
        if epochs == "best":
            epochs = step.metrics["validation"]["best_epoch"]
        return measure.module("benchmarks.seeds", str(epochs), folder=Path(folder)).figures()


def page(machine: str, steps: list[Step], first: dict[str, Any], last: dict[str, Any]) -> str:
    """Return the content of docs/experiments.md, given the accuracies of the seeds of the first and the last step."""
    accuracies = {"notebook": first["notebook"], "the reference run": first["ours"], "the last step": last["ours"]}
    spread = pd.DataFrame(accuracies).agg(["mean", "std", "min", "max"]).T.map("{:.4f}".format).reset_index()
    spread.columns = pd.Index(["", "mean", "standard deviation", "lowest", "highest"])
    return (
        INTRODUCTION.format(
            first=100 * sum(first["ours"]) / len(first["ours"]),
            last=100 * sum(last["ours"]) / len(last["ours"]),
            machine=machine,
            steps=table_of(steps),
            name=steps[-1].name,
            seeds=SEEDS,
            spread=table.markdown(spread),
            logistic=last["logistic"],
        )
        + NOTES
    )


NOTES = """## What did not help

Each line changes one setting of a run like the last step, but with Adam and 10,000 rows held out. The figure is the
difference in hold-out accuracy, at the best of five epochs, from that run on the same seeds. It was measured once, with
the training loop of the stage, and `make ladder` does not renew it. Over seeds, the accuracy of one run varies by about
0.001.

| change | hold-out accuracy | seeds |
| --- | ---: | ---: |
| `vectorize.ngrams=4` | -0.0014 | 3 |
| `train.hidden_units=[16]` | -0.0007 | 3 |
| `train.hidden_units=[16,16]`, `learning_rate=0.01` | -0.0003 | 3 |
| `train.hidden_units=[]`, `learning_rate=0.1` (logistic regression) | -0.0023 | 3 |
| `train.activation=tanh` | -0.0012 | 2 |
| `train.batch_size=256`, `learning_rate=0.01` | -0.0003 | 2 |
| `train.batch_size=1024` | -0.0020 | 2 |
| `train.dropout=0.5` | -0.0009 | 1 |
| `train.l2=1e-6`, `1e-5` and `1e-4` | -0.0001, -0.0040, -0.0070 | 1 |
| `train.optimizer=adamax`, `learning_rate=0.05` | -0.0005 | 2 |
| `train.optimizer=rmsprop` | -0.0046 | 2 |

On the test split, 4-grams gain 0.002 (four seeds). The hold-out does not show this, so they are not a step.
"""


if __name__ == "__main__":
    main()
