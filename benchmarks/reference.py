"""The reference run that all contenders do, its data, and the machine.

`python -m benchmarks.reference` checks that the data is there, and prints the machine and the versions.
"""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import measure
from stages import params
from stages.console import UserError
from stages.contracts.features import FEATURES, Features, feature_parts, read_part
from stages.contracts.reviews import RAW, read_source
from stages.download import fetch, imdb

NUM_WORDS = 10_000
ROWS_PER_PART = 25_000
HOLDOUT_ROWS = 10_000
BATCH_SIZE = 512
HOLDOUT_EPOCHS = 20
FINAL_EPOCHS = 4
SEED = 1

_PACKAGES = (
    "dvc", "fasttext-numpy2", "keras", "numpy", "scikit-learn", "scipy", "tensorflow", "tensorflow-cpu",
)  # fmt: skip


def check() -> None:
    """Raise a UserError unless data/ holds the features of IMDB with the parameters of the reference run."""
    if not FEATURES.is_dir():
        raise UserError(f"{FEATURES} is missing: run `make repro` first")
    if (name := read_source().name) != "imdb":
        raise UserError(f"{RAW} holds the source {name}, expected imdb: set IMDB_MIRROR and run `make repro`")
    settings = params.load()
    found = {
        "vectorize.num_words": (settings.vectorize.num_words, NUM_WORDS),
        "vectorize.rows_per_part": (settings.vectorize.rows_per_part, ROWS_PER_PART),
        "train.hidden_units": (settings.train.hidden_units, [16, 16]),
        "train.holdout_rows": (settings.train.holdout_rows, HOLDOUT_ROWS),
        "train.holdout_epochs": (settings.train.holdout_epochs, HOLDOUT_EPOCHS),
        "train.epochs": (settings.train.epochs, FINAL_EPOCHS),
        "train.batch_size": (settings.train.batch_size, BATCH_SIZE),
    }
    for key, (value, expected) in found.items():
        if value != expected:
            raise UserError(f"{params.PARAMS}: {key} is {value}; expected {expected}, as in the reference run")


def features(split: str) -> Features:
    """Return a split of data/features, which has one part."""
    (part,) = feature_parts(split)
    return read_part(part)


def reviews() -> Path:
    """Return the path of imdb.npz, which `download` finds or downloads."""
    return fetch.find("imdb", {imdb.REVIEWS: imdb.FILES[imdb.REVIEWS]}, imdb.places())[0]


def machine() -> str:
    """Return the processor, the memory and the versions, but no name of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()}; "
        f"Python {platform.python_version()}, {', '.join(versions)}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main() -> dict[str, str]:
    """Check that the benchmark can run."""
    check()
    reviews()
    return {"machine": machine()}


if __name__ == "__main__":
    measure.report(main)
