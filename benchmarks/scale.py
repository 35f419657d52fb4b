"""More and more synthetic reviews through download, vectorize and train: `make bench-scale` writes benchmarks/scale.md.

Each size runs in a temporary folder that is removed afterwards; the largest takes 3 GB of disk and some minutes.
To keep it affordable, the hold-out run has 2 epochs and the final network 4, the first of which is not counted; and
only small sizes, where a moment's noise is a large part, run more than once.
"""

import argparse
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import measure, table

SIZES = (25_000, 100_000, 400_000, 1_600_000)
TEST_ROWS = 2_000
FINAL_EPOCHS = 4
STAGES = ("download", "vectorize", "train")
PAGE, PLOT = Path(__file__).with_name("scale.md"), Path(__file__).with_name("scale.png")


def write_params(folder: Path, rows: int) -> None:
    """The reference run's parameters, but with so many synthetic training rows and few epochs."""
    yaml = YAML()
    params = yaml.load(measure.ROOT / "params.yaml")
    params["data"]["sources"] = ["synthetic"]
    params["data"]["synthetic"].update(train_rows=rows, test_rows=TEST_ROWS)
    params["train"].update(holdout_rows=min(10_000, rows // 2), holdout_epochs=2, epochs=FINAL_EPOCHS)
    yaml.dump(params, folder / "params.yaml")


def repeats(rows: int) -> int:
    """How often a size runs."""
    return max(1, min(5, 200_000 // rows))


def run(rows: int) -> dict[str, float]:
    """One size: microseconds a row of each stage (of train: a row and epoch), and each one's peak memory in MB."""
    figures: dict[str, float] = {"rows": rows}
    with tempfile.TemporaryDirectory() as folder:
        write_params(Path(folder), rows)
        for stage in STAGES:
            times = [measure.module("benchmarks.stage_times", stage, folder=Path(folder)) for _ in range(repeats(rows))]
            seconds = _epoch if stage == "train" else _work
            count = rows if stage == "train" else rows + TEST_ROWS
            figures[stage] = statistics.median(seconds(measured) for measured in times) / count * 1e6
            figures[f"{stage} memory"] = max(measured.peak_bytes for measured in times) / 1e6
    return figures


def _work(measured: measure.Measured) -> float:
    """Seconds of a stage without its imports."""
    kinds: dict[str, float] = measured.figures()
    return sum(kinds.values()) - kinds["import"]


def _epoch(measured: measure.Measured) -> float:
    """Seconds of a median epoch of the final network, without the first: `train` prints a line at each one's end."""
    ends = [at for at, line in measured.lines if line.startswith("epoch")][-FINAL_EPOCHS:]
    return statistics.median(after - before for before, after in pairwise(ends))


def page(machine: str, sizes: list[dict[str, float]]) -> str:
    """All of scale.md: the ratios are to the first size."""
    time_head = [f"{stage}, us a row" for stage in STAGES[:2]] + ["train, us a row and epoch"]
    memory_head = [f"{stage}, peak MB" for stage in STAGES]
    first = sizes[0]
    rows = [
        [
            f"{each['rows']:,}",
            *(f"{each[stage]:.1f}, {each[stage] / first[stage]:.2f}x" for stage in STAGES),
            *(f"{each[f'{stage} memory']:,.0f}" for stage in STAGES),
        ]
        for each in sizes
    ]
    return "\n".join([
        "# More and more rows\n\n`make bench-scale` wrote this page. Synthetic reviews.\n",
        f"{machine}\n",
        table.markdown(["training rows", *time_head, *memory_head], rows),
        "Ratios are to the first size. Imports are not in the times; reading and writing are. Of train the median\n"
        f"of epochs 2 to {FINAL_EPOCHS} of the final network counts, all rows, without validation; before them the\n"
        f"hold-out run has 2 epochs, validated on 10,000 rows. Test rows: {TEST_ROWS:,}. Memory is resident memory.\n"
        f"The stages ran {', '.join(str(repeats(int(each['rows']))) for each in sizes)} times, size by size: the\n"
        "median time and the highest peak count.\n",
        f"![Time per row and peak memory by training rows]({PLOT.name})\n",
    ])  # fmt: skip


def plot(sizes: list[dict[str, float]], path: Path) -> None:
    """Time per row and peak memory, a line for each stage."""
    import matplotlib.pyplot as plt  # here: what this process holds would count towards those that it starts

    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rows = [each["rows"] for each in sizes]
    for stage in STAGES:
        time.plot(
            rows, [each[stage] for each in sizes], "o-", label=f"{stage}, per epoch" if stage == "train" else stage
        )
        memory.plot(rows, [each[f"{stage} memory"] for each in sizes], "o-", label=stage)
    time.set(ylabel="microseconds a row", ylim=(0, None))
    memory.set(ylabel="peak memory, MB", ylim=(0, None))
    for axes in (time, memory):
        axes.set(xscale="log", xlabel="training rows", xticks=rows, xticklabels=[f"{each:,}" for each in rows])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Measure every size, and write scale.md and scale.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="training rows (default: 25,000 to 1.6 M)")
    sizes = []
    with measure.errors_in_a_line():
        for rows in parser.parse_args().sizes:
            sizes.append(run(rows))
            print("  ".join(f"{name} {value:,.1f}" for name, value in sizes[-1].items()), flush=True)
        from benchmarks import reference

        PAGE.write_text(page(reference.machine(), sizes), encoding="utf-8")
        plot(sizes, PLOT)
    print(f"-> benchmarks/{PAGE.name}, benchmarks/{PLOT.name}")


if __name__ == "__main__":
    main()
