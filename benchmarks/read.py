"""How long `download` takes for your own reviews in one large CSV, and its peak memory.

`python -m benchmarks.read --rows 1000000` writes reviews of 240 words to a temporary folder (1.6 GB for a million), and
reads them. `--before COMMIT` reads the same file with the code of that commit, too, in turns, to show whether it has
become slower.
"""

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from benchmarks import measure

WORDS, RARE = 240, 1_800_000
"""Words in a review; different words in all of a million reviews, a few of which are most of what is written."""


def write_reviews(path: Path, rows: int, rare: int = RARE) -> None:
    """Write a CSV file of reviews, the `rare` different words of which follow Zipf's law, nearly."""
    generator = np.random.default_rng(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for row in range(rows):
            words = (rare ** generator.random(WORDS)).astype(int).tolist()
            writer.writerow([" ".join(f"w{word:05}" for word in words) + ", indeed.", ("neg", "pos")[row % 2]])


def write_params(code: Path, folder: Path, reviews: Path) -> None:
    """The parameters of a version of this project, but with `reviews` for the source."""
    yaml = YAML()
    params = yaml.load(code / "params.yaml")
    params["data"]["sources"] = ["files"]
    params["data"]["files"].update(folder=str(reviews.parent), train=reviews.name)
    folder.mkdir()
    yaml.dump(params, folder / "params.yaml")


def main() -> None:
    """Measure, and print a line for each run and each version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="reviews (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each version runs (default: 3)")
    parser.add_argument("--before", metavar="COMMIT", help="a commit to compare with")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, measure.errors_in_a_line():
        folder = Path(temporary)
        reviews = folder / "reviews.csv"
        write_reviews(reviews, arguments.rows)
        versions = {"now": measure.ROOT}
        if arguments.before:
            versions = {"before": folder / "code", **versions}
            subprocess.run(["git", "clone", "--quiet", measure.ROOT, versions["before"]], check=True)
            subprocess.run(["git", "checkout", "--quiet", arguments.before], cwd=versions["before"], check=True)
        seconds: dict[str, list[float]] = {name: [] for name in versions}
        for name, code in versions.items():
            write_params(code, folder / name, reviews)
        for _ in range(arguments.rounds):
            for name, code in versions.items():
                command = [sys.executable, "-m", "stages.download"]
                run = measure.process(command, folder / name, {"PYTHONPATH": str(code)})
                seconds[name].append(run.seconds)
                print(f"{name}: {run.seconds:.1f} s, {run.peak_bytes / 1e6:,.0f} MB at the peak", flush=True)
        for name, each in seconds.items():
            median = statistics.median(each)
            print(
                f"{name}: median {median:.1f} s for {arguments.rows:,} reviews, "
                f"{reviews.stat().st_size / median / 1e6:.1f} MB/s"
            )


if __name__ == "__main__":
    main()
