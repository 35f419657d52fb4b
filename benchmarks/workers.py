"""Measure how much time worker processes and kept tokens save: `make bench-read` writes workers.md.

It writes a CSV of reviews of 240 words, whole and in 20 files, to a temporary folder: 3.5 kB a review, and as much
again for what is kept. Each round runs everything once, one after the other. `predict` uses the model in models/, and
fastText takes part if it is installed.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks import measure, read

PAGE = Path(__file__).with_suffix(".md")
FILES, WORDS = 20, 200_000
"""Files; different words in all of them, about as many as in 100,000 of IMDB's reviews."""
PEER = """
import sys, pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
CountVectorizer(binary=True, max_features=10_000).fit_transform(pd.read_csv(sys.argv[1])["text"])
"""
FASTTEXT = """
import sys, time, pandas as pd, fasttext
few = pd.read_csv(sys.argv[1], nrows=2000)
with open("train.txt", "w") as file:
    file.writelines(f"__label__{label} {text}\\n" for text, label in zip(few["text"], few["label"]))
# Before all texts are read: in memory that was used before, fastText's training ends in NaN.
model = fasttext.train_supervised("train.txt", epoch=1, dim=16, thread=1, verbose=0)
texts = pd.read_csv(sys.argv[1])["text"].tolist()
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
    with path.open("rb") as file, ExitStack() as stack:
        header = file.readline()
        parts = [stack.enter_context((folder / f"{number:02}.csv").open("wb")) for number in range(FILES)]
        for part in parts:
            part.write(header)
        for row, part in zip(file, cycle(parts), strict=False):
            part.write(row)


def one_round(folder: Path) -> Iterator[tuple[str, measure.Measured]]:
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
    models = str(measure.ROOT / "models")
    # Into a file, because reading the lines here would take time from a core that the workers need.
    command = f"{shlex.quote(sys.executable)} -m stages.predict --models {shlex.quote(models)} --file reviews.csv"
    predict = ["sh", "-c", f"exec {command} > answers.txt"]
    yield "predict, one process", measure.process(predict, folder, {"MULTIHOT_WORKERS": "1"})
    yield "predict, all cores", measure.process(predict, folder, {"MULTIHOT_WORKERS": ""})
    if find_spec("fasttext"):
        run = measure.process([sys.executable, "-c", FASTTEXT, "reviews.csv"], folder)
        yield "fastText's predict", measure.Measured(float(run.lines[-1][1]), run.peak_bytes, [])


def page(machine: str, rows: int, rounds: int, seconds: Mapping[str, list[float]], peaks: Mapping[str, int]) -> str:
    """Return the content of workers.md: times and peaks by run, and ratios of seconds within a round."""
    import pandas as pd

    from benchmarks import table

    runs = [[name, table.spread(each, ".1f"), f"{peaks[name] / 1e6:,.0f}"] for name, each in seconds.items()]
    ratios = [
        [f"{name} / {other}", table.spread([a / b for a, b in zip(seconds[name], seconds[other], strict=True)], ".2f")]
        for name, other in RATIOS
        if seconds.get(name) and seconds.get(other)
    ]
    return "\n".join([
        "# Your own reviews on all cores\n\n`make bench-read` wrote this page.\n",
        f"{machine}\n",
        f"`download` and `predict --file` on a CSV of {rows:,} reviews of {read.WORDS} words.\n",
        table.markdown(pd.DataFrame(runs, columns=["", "seconds", "peak MB of a process"])),
        table.markdown(pd.DataFrame(ratios, columns=["ratio", "within a round"])),
        '"kept" means that the tokens of all parts are in the cache folder. `CountVectorizer` reads the file with\n'
        "pandas and takes the 10,000 most frequent words. fastText's time is that of its call, on one core, for\n"
        f"texts in memory. Rounds: {rounds}. Each cell is the median (range), and the memory is the maximum.\n",
    ])  # fmt: skip


def main() -> None:
    """Run the benchmark, and write workers.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="reviews (default: 200,000)")
    parser.add_argument("--rounds", type=int, default=2, help="how often everything runs (default: 2)")
    arguments = parser.parse_args()
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    peaks: defaultdict[str, int] = defaultdict(int)
    with tempfile.TemporaryDirectory() as temporary, measure.errors_in_a_line():
        folder = Path(temporary)
        read.write_reviews(folder / "reviews.csv", arguments.rows, WORDS)
        split(folder / "reviews.csv", folder / "parts")
        for _ in range(arguments.rounds):
            for name, run in one_round(folder):
                seconds[name].append(run.seconds)
                peaks[name] = max(peaks[name], run.peak_bytes)
                print(f"{name}: {run.seconds:.1f} s, {run.peak_bytes / 1e6:,.0f} MB", flush=True)
    from benchmarks import reference

    text = page(reference.machine(), arguments.rows, arguments.rounds, seconds, peaks)
    PAGE.write_text(text, encoding="utf-8")
    print(f"-> benchmarks/{PAGE.name}")


if __name__ == "__main__":
    main()
