"""The run that every contender does, the data that it starts from, and the machine that it runs on.

As a program (`python -m benchmarks.reference`) it checks that all of that is there, and prints machine and versions.
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
from stages.download import imdb, mirror

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
    """Raise a UserError unless data/ holds IMDB's features, made as the reference run makes them."""
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
            raise UserError(f"{params.PARAMS}: {key} is {value}; the benchmark needs the reference run's {expected}")


def features(split: str) -> Features:
    """A split of data/features, which is one part."""
    (part,) = feature_parts(split)
    return read_part(part)


def reviews() -> Path:
    """Keras's imdb.npz: in `$IMDB_MIRROR`, Keras's cache or at Keras's address, as `download` finds it."""
    cache = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    return mirror.find("imdb", [str(cache), imdb.ADDRESS], [imdb.REVIEWS])[0]


def machine() -> str:
    """Processor, memory and versions; nothing that names the machine."""
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
