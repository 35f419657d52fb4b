"""Measure download, vectorize and train on more and more synthetic reviews: `make bench-scale` writes scale.md.

Each size runs in a temporary folder. The largest takes 3 GB of disk and some minutes. The hold-out run has 2 epochs and
the final network 4, of which the first does not count. Only small sizes run more than once, because noise is a larger
part of their time.
"""

import argparse
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import measure

SIZES = (25_000, 100_000, 400_000, 1_600_000)
TEST_ROWS = 2_000
FINAL_EPOCHS = 4
STAGES = ("download", "vectorize", "train")
PAGE, PLOT = Path(__file__).with_name("scale.md"), Path(__file__).with_name("scale.png")


def write_params(folder: Path, rows: int) -> None:
    """Write the parameters of the reference run, but with `rows` synthetic training rows and few epochs."""
    yaml = YAML()
    params = yaml.load(measure.ROOT / "params.yaml")
    params["data"]["sources"] = ["synthetic"]
    params["data"]["synthetic"].update(train_rows=rows, test_rows=TEST_ROWS)
    params["train"].update(holdout_rows=min(10_000, rows // 2), holdout_epochs=2, epochs=FINAL_EPOCHS)
    yaml.dump(params, folder / "params.yaml")


def repeats(rows: int) -> int:
    """Return how often to run a size."""
    return max(1, min(5, 200_000 // rows))


def run(rows: int) -> dict[str, float]:
    """Measure a size: for each stage the microseconds per row (for train per row and epoch) and the peak MB."""
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
    """Return the seconds of a stage without its imports."""
    kinds: dict[str, float] = measured.figures()
    return sum(kinds.values()) - kinds["import"]


def _epoch(measured: measure.Measured) -> float:
    """Return the median seconds of an epoch of the final network, without the first, from the lines of `train`."""
    ends = [at for at, line in measured.lines if line.startswith("epoch")][-FINAL_EPOCHS:]
    return statistics.median(after - before for before, after in pairwise(ends))


def page(machine: str, sizes: list[dict[str, float]]) -> str:
    """Return the content of scale.md, with ratios to the first size."""
    import pandas as pd  # here, because the memory of this process counts towards the processes that it starts

    from benchmarks import table

    first = sizes[0]
    cells = {"training rows": [f"{each['rows']:,}" for each in sizes]}
    for stage in STAGES:
        unit = "us per row and epoch" if stage == "train" else "us per row"
        cells[f"{stage}, {unit}"] = [f"{each[stage]:.1f}, {each[stage] / first[stage]:.2f}x" for each in sizes]
    for stage in STAGES:
        cells[f"{stage}, peak MB"] = [f"{each[f'{stage} memory']:,.0f}" for each in sizes]
    return "\n".join([
        "# Time and memory by number of reviews\n\n`make bench-scale` wrote this page. The reviews are synthetic.\n",
        f"{machine}\n",
        table.markdown(pd.DataFrame(cells)),
        "Ratios are to the first size. The times include reading and writing, but no imports. The time of train is\n"
        f"the median of epochs 2 to {FINAL_EPOCHS} of the final network, without validation. The hold-out run before\n"
        f"it has 2 epochs. There are {TEST_ROWS:,} test rows. Memory is resident memory.\n"
        f"The sizes ran {', '.join(str(repeats(int(each['rows']))) for each in sizes)} times. The table shows the\n"
        "median time and the highest peak.\n",
        f"![Time per row and peak memory by training rows]({PLOT.name})\n",
    ])  # fmt: skip


def plot(sizes: list[dict[str, float]], path: Path) -> None:
    """Draw time per row and peak memory, with a line for each stage."""
    import matplotlib.pyplot as plt

    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rows = [each["rows"] for each in sizes]
    for stage in STAGES:
        time.plot(
            rows, [each[stage] for each in sizes], "o-", label=f"{stage}, per epoch" if stage == "train" else stage
        )
        memory.plot(rows, [each[f"{stage} memory"] for each in sizes], "o-", label=stage)
    time.set(ylabel="microseconds per row", ylim=(0, None))
    memory.set(ylabel="peak memory, MB", ylim=(0, None))
    for axes in (time, memory):
        axes.set(xscale="log", xlabel="training rows", xticks=rows, xticklabels=[f"{each:,}" for each in rows])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Run the benchmark, and write scale.md and scale.png."""
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
