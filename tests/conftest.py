"""Fixtures and functions for several tests: working directory, parameters, random reviews, real data, browser."""

import gc
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from playwright.sync_api import Browser, Page, sync_playwright

import stages.train  # noqa: F401 - sets up TensorFlow as the stages do, before any test imports it
from checks import clones
from stages import params
from stages.contracts import reviews
from stages.contracts.features import (
    FEATURES,
    FEATURES_COLUMNS,
    Columns,
    Features,
    read_part,
    write_columns,
    write_part,
)
from stages.contracts.reviews import RAW, Reviews, Source, write_source, write_vocabulary
from stages.download.corpus import Corpus
from stages.params import Files, Params

gc.set_threshold(50_000)  # as in the stages

ROOT = Path(__file__).resolve().parent.parent
UNPRIVILEGED = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.getuid() == 0 else []
"""Words before a command that take away the rights of root to read and write anywhere."""
REFERENCE: dict[str, dict[str, Any]] = {
    "data": {
        "sources": ["imdb"],
        "tokenizer": "keras",
        "files": {
            "folder": "data/own",
            "train": "reviews.csv",
            "test": None,
            "test_share": 0.2,
            "seed": 1,
            "text": None,
            "label": None,
            "columns": None,
            "positive": None,
            "negative": None,
            "slices": [],
            "encoding": "utf-8",
            "bad_rows": "error",
            "duplicates": "keep",
        },
        "synthetic": {"seed": 1, "train_rows": 25000, "test_rows": 25000},
    },
    "vectorize": {"num_words": 10000, "ngrams": 1, "min_count": 1, "rows_per_part": 25000},
    "train": {
        "seed": 1,
        "hidden_units": [16, 16],
        "activation": "relu",
        "optimizer": "rmsprop",
        "learning_rate": 0.001,
        "loss": "binary_crossentropy",
        "weighting": None,
        "dropout": 0,
        "l2": 0,
        "batch_size": 512,
        "holdout_rows": 10000,
        "holdout_epochs": 20,
        "epochs": 4,
    },
    "evaluate": {"threshold": 0.5},
}
"""The parameters of the reference run. The tests use these, so that they pass whatever params.yaml holds."""


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark the tests that use a browser or random input as slow. `make test` leaves slow tests out."""
    for item in items:
        if "browser" in item.fixturenames or item.path.parent.name == "fuzz":
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache folder for the tests, instead of the user's, but with Matplotlib's list of fonts, which takes seconds."""
    os.environ.setdefault("MPLCONFIGDIR", str(Path("~/.cache/matplotlib").expanduser()))
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, as if it were the project's."""
    monkeypatch.chdir(tmp_path)
    read_part.cache_clear()
    return tmp_path


def write_params(folder: Path, *changes: Mapping[str, Mapping[str, object]]) -> None:
    """Write params.yaml with the parameters of the reference run and some changes to them."""
    shutil.copy(ROOT / "params.yaml", folder)
    for values in (REFERENCE, *changes):
        clones.set_params(folder, values)


@pytest.fixture
def settings(folder: Path) -> Params:
    """The parameters of the reference run, which are also in params.yaml of the working directory."""
    write_params(folder)
    return params.load()


def mirror(variable: str) -> str:
    """The folder or address of real data that the environment names, with an absolute path."""
    place, mark, checksum = os.environ.get(variable, "").partition("#")
    if not place:
        pytest.skip(f"{variable} does not name the real data")
    return f"{place if '://' in place else (ROOT / place).resolve()}{mark}{checksum}"


@pytest.fixture(scope="session")
def imdb_mirror() -> str:
    """The value of IMDB_MIRROR."""
    return mirror("IMDB_MIRROR")


@pytest.fixture(scope="session")
def aclimdb_mirror() -> str:
    """The value of ACLIMDB_MIRROR."""
    return mirror("ACLIMDB_MIRROR")


@pytest.fixture(scope="session")
def imdb_data(imdb_mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params.yaml and, under data/, what `download` and `vectorize` make of IMDB."""
    folder = tmp_path_factory.mktemp("imdb")
    write_params(folder)
    for stage in ("download", "vectorize"):
        run_stage(stage, folder, IMDB_MIRROR=imdb_mirror)
    return folder


@pytest.fixture
def imdb(imdb_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`imdb_data` as the working directory."""
    monkeypatch.chdir(imdb_data)
    read_part.cache_clear()
    return imdb_data


def run_stage(name: str, folder: Path, check: bool = True, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a stage as DVC does, but in `folder` and with this Python."""
    return subprocess.run(
        [sys.executable, "-m", f"stages.{name}"],
        cwd=folder, check=check, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def files_settings(**changes: Any) -> Files:
    """The section `data.files` of the reference run with some changes."""
    return Files.model_validate(
        REFERENCE["data"]["files"] | {"folder": ".", "train": "train.jsonl", "test_share": 0.25} | changes
    )


def random_reviews(rows: int, words: int, seed: int) -> Reviews:
    """Reviews of 1 to 40 tokens drawn at random, frequent words first, with the labels in no order."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 40, rows)
    tokens = (words * generator.random(lengths.sum()) ** 3).astype(np.int32) + np.int32(1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return Reviews(tokens, offsets, generator.integers(0, 2, rows).astype(np.uint8))


def token_lists(reviews: Reviews) -> list[list[int]]:
    """The tokens of each review."""
    return [tokens.tolist() for tokens in np.split(reviews.tokens, reviews.offsets[1:-1])[: len(reviews)]]


def decoded(corpus: Corpus, split: str) -> list[tuple[list[str], int]]:
    """The words and the label of each review in a split."""
    words = corpus.words.to_pylist()
    return [
        ([words[token - 1] for token in tokens], label)
        for batch in corpus.reviews(split)
        for tokens, label in zip(token_lists(batch), batch.labels.tolist(), strict=True)
    ]


def write_reviews(split: str, batches: Iterable[Reviews], rows: int, words: int) -> None:
    """Write a split of data/raw in the working directory, with a vocabulary of so many words."""
    RAW.mkdir(parents=True, exist_ok=True)
    reviews.write_reviews(RAW, split, batches)
    counts = np.arange(words, 0, -1, dtype=np.int64)
    write_vocabulary(RAW, [f"word{rank}" for rank in range(words)], counts)
    write_source(RAW, Source("made up", "keras", rows, rows, "0" * 64))


def write_features(features: Features, split: str, parts: int) -> None:
    """Write a split of data/features in the working directory, in so many parts of about the same size."""
    FEATURES.mkdir(parents=True, exist_ok=True)
    words = [f"word{column}" for column in range(features.matrix.shape[1])]
    write_columns(FEATURES_COLUMNS, Columns(words, "keras"))
    cuts = np.linspace(0, len(features), parts + 1).astype(int)
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        write_part(FEATURES, split, number, features[start:stop])
    read_part.cache_clear()


def example_history(*val_loss: float) -> pd.DataFrame:
    """A hold-out run with this validation loss in each epoch."""
    history = pd.DataFrame({"epoch": range(1, len(val_loss) + 1), "loss": 0.5, "binary_accuracy": 0.75})
    return history.assign(val_loss=val_loss, val_binary_accuracy=0.7)


def all_features(split: str) -> Features:
    """A whole split of data/features in the working directory, read by SciPy and NumPy."""
    paths = sorted((FEATURES / split).glob("*.npz"))
    labels = [np.load(path.with_suffix(".labels.npy")) for path in paths]
    return Features(scipy.sparse.vstack([scipy.sparse.load_npz(path) for path in paths], "csr"), np.concatenate(labels))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or Chrome. Without one, tests are skipped, but not in CI."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        if os.environ.get("CI"):
            pytest.fail("CI tests the pages in a browser: install chromium")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


def quietly_opened(browser: Browser, path: Path, **settings: Any) -> Page:
    """Open a page from disk without a network. It must request no other file and print nothing on the console."""
    tab = browser.new_context(offline=True, **settings).new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri(), wait_until="networkidle")
    assert said == []
    assert asked == [path.as_uri()]
    return tab
