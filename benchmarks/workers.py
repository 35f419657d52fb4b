"""Measure what workers, and tokens that are kept, save: `python -m benchmarks.workers` prints a table.

It writes a CSV of reviews of 240 words, whole and in 20 files, to a temporary folder: 3.5 kB a review, and as much
again for what is kept. Each round runs everything once, one after the other; the table shows medians and ratios
of seconds within a round. `--models` names a folder with a model, for `predict`. fastText takes part if installed.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import measure, read
from stages.console import UserError

FILES, WORDS = 20, 200_000
"""Files; different words in all of them, about as many as in 100,000 of IMDB's reviews."""
PEER = """
import sys, pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
CountVectorizer(binary=True, max_features=10_000).fit_transform(pd.read_csv(sys.argv[1])["text"])
"""
FASTTEXT = """
import sys, time, pandas as pd, fasttext
frame = pd.read_csv(sys.argv[1])
texts = frame["text"].tolist()
with open("train.txt", "w") as file:
    file.writelines(f"__label__{label} {text}\\n" for text, label in zip(texts[:2000], frame["label"]))
model = fasttext.train_supervised("train.txt", epoch=1, dim=16, lr=0.01, thread=1, verbose=0)
began = time.perf_counter()
model.predict(texts)
print(time.perf_counter() - began)
"""
RATIOS = [
    ("keras, all cores", "keras, one process"),
    ("unicode, all cores", "unicode, one process"),
    ("keras, all cores", "CountVectorizer"),
    ("keras, kept", "keras, all cores"),
    ("20 files, one changed", "20 files"),
    ("predict, all cores", "predict, one process"),
    ("predict, all cores", "fastText's predict"),
]


def write_params(folder: Path, reviews: Path, train: str, tokenizer: str) -> None:
    """Write the parameters of this project, but with own reviews."""
    yaml = YAML()
    params = yaml.load(measure.ROOT / "params.yaml")
    params["data"].update(sources=["files"], tokenizer=tokenizer)
    params["data"]["files"].update(folder=str(reviews), train=train)
    yaml.dump(params, folder / "params.yaml")


def split(path: Path, folder: Path) -> None:
    """Write a CSV without line ends in its texts as several files."""
    folder.mkdir()
    with path.open("rb") as file:
        header, *rows = file.readlines()
    for number in range(FILES):
        (folder / f"{number:02}.csv").write_bytes(header + b"".join(rows[number::FILES]))


def one_round(folder: Path, models: Path | None) -> Iterator[tuple[str, measure.Measured]]:
    """Run everything once. Yield what each run is called, and what it took."""
    cache, parts = folder / "cache", folder / "parts"

    def download(train: str, tokenizer: str, workers: str, *, cold: bool = True) -> measure.Measured:
        if cold:
            shutil.rmtree(cache, ignore_errors=True)
        write_params(folder, folder, train, tokenizer)
        environment = {"XDG_CACHE_HOME": str(cache), "MULTIHOT_WORKERS": workers}
        return measure.process([sys.executable, "-m", "stages.download"], folder, environment)

    for tokenizer in ("keras", "unicode"):
        yield f"{tokenizer}, one process", download("reviews.csv", tokenizer, "1")
        yield f"{tokenizer}, all cores", download("reviews.csv", tokenizer, "")
        yield f"{tokenizer}, kept", download("reviews.csv", tokenizer, "", cold=False)
    yield "CountVectorizer", measure.process([sys.executable, "-c", PEER, str(folder / "reviews.csv")])
    yield "20 files", download("parts", "keras", "")
    with (parts / "07.csv").open("a") as file:
        file.write("one more,pos\n")
    yield "20 files, one changed", download("parts", "keras", "", cold=False)
    if models:
        predict = [sys.executable, "-m", "stages.predict", "--models", str(models), "--file", "reviews.csv"]
        yield "predict, one process", measure.process(predict, folder, {"MULTIHOT_WORKERS": "1"})
        yield "predict, all cores", measure.process(predict, folder, {"MULTIHOT_WORKERS": ""})
        try:
            run = measure.process([sys.executable, "-c", FASTTEXT, "reviews.csv"], folder)
        except UserError:  # fastText is not installed
            return
        yield "fastText's predict", measure.Measured(float(run.lines[-1][1]), run.peak_bytes, [])


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="reviews (default: 200,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything runs (default: 3)")
    parser.add_argument("--models", type=Path, help="a folder with a model")
    arguments = parser.parse_args()
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    peaks: defaultdict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as temporary, measure.errors_in_a_line():
        folder = Path(temporary)
        read.write_reviews(folder / "reviews.csv", arguments.rows, WORDS)
        split(folder / "reviews.csv", folder / "parts")
        models = arguments.models and arguments.models.resolve()
        for _ in range(arguments.rounds):
            for name, run in one_round(folder, models):
                seconds[name].append(run.seconds)
                peaks[name] = max(peaks[name], run.peak_bytes)
                print(f"{name}: {run.seconds:.1f} s, {run.peak_bytes / 1e6:,.0f} MB", flush=True)
    print(f"\n{arguments.rows:,} reviews, {arguments.rounds} rounds\n")
    print("| | seconds | peak MB of a process |\n| --- | --- | --- |")
    for name, each in seconds.items():
        print(f"| {name} | {statistics.median(each):.1f} | {peaks[name] / 1e6:,.0f} |")
    print("\n| ratio | |\n| --- | --- |")
    for name, other in RATIOS:
        if seconds[name] and seconds[other]:
            ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds[other], strict=True))
            print(f"| {name} / {other} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
