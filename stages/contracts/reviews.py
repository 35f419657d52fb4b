"""The files between `download` and `vectorize`: reviews as token ids, in data/raw."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stages.console import UserError
from stages.encoding import TokenizerName
from stages.storage import (
    ALL_ROWS,
    check_schema,
    checked_read,
    count_rows,
    read_table,
    require,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "test")
RAW = Path("data/raw")
PART_ROWS = 25_000
"""The number of rows in each part except the last part of a split."""

_REVIEWS = pa.schema([("tokens", pa.list_(pa.int32())), ("label", pa.uint8())])
_VOCABULARY = pa.schema([("word", pa.string()), ("count", pa.int64())])


@dataclass(frozen=True)
class Reviews:
    """Reviews as token ids, one after the other. Review i is `tokens[offsets[i]:offsets[i + 1]]`."""

    tokens: NDArray[np.int32]
    """(tokens,) frequency ranks, from 1."""
    offsets: NDArray[np.int32]
    """(rows + 1,) the start of each review, and the end of the last."""
    labels: NDArray[np.uint8]
    """(rows,) 1 = positive, 0 = negative."""
    details: pa.Table | None = None
    """What else is known of each row, such as the file that it came from."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class OwnReviews:
    """What became of the rows of your own files."""

    labels: dict[str, dict[str, int]]
    """How many rows each label has, by what it was taken for: `positive`, `negative` or `left out`."""
    bad_rows: int
    """Rows without text or label that were left out."""
    duplicates: int
    """Rows that have the words of an earlier one."""
    both_labels: int
    """Texts that have both labels."""


@dataclass(frozen=True)
class Source:
    """The source of a corpus. It is equal for two mirrors of the same data."""

    name: str
    tokenizer: TokenizerName
    """The tokenizer that splits a text into the words of this corpus."""
    train_rows: int
    test_rows: int
    sha256: str
    """The hash of the tokens, lengths and labels of both splits and of the vocabulary."""
    own: OwnReviews | None = None
    """Of the source `files` alone."""


def write_reviews(folder: Path, split: str, batches: Iterable[Reviews], number: int = 0) -> None:
    """Write a part of a split in `folder`, one row group per batch. The first batch decides on the details."""
    path = folder / split / f"part-{number:05d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    rest = iter(batches)
    first = list(islice(rest, 1))
    schema = pa.schema([*_REVIEWS, *(field for batch in first if batch.details for field in batch.details.schema)])
    # Split by byte, ranks take half the time and five sixths of the size that a dictionary would take.
    encoding = {"use_dictionary": schema.names[2:], "use_byte_stream_split": ["tokens.list.element"]}
    with pq.ParquetWriter(path, schema, compression="zstd", **encoding) as writer:
        for batch in chain(first, rest):
            if batch.tokens.min(initial=1) < 1:
                raise ValueError(f"{split} has the token {batch.tokens.min()}; expected frequency ranks from 1")
            tokens = pa.ListArray.from_arrays(pa.array(batch.offsets), pa.array(batch.tokens))
            details = batch.details.columns if batch.details else []
            writer.write_table(pa.table([tokens, pa.array(batch.labels), *details], schema=schema))


def read_reviews(split: str, rows: int) -> Iterator[Reviews]:
    """Read a split of data/raw in order, at most `rows` reviews at a time."""
    for path in review_parts(split):
        yield from read_review_part(path, rows)


def review_parts(split: str) -> list[Path]:
    """Return the paths of the parts of a split in order, for `read_review_part`."""
    source, paths = read_source(), _parts(split)
    expected = source.train_rows if split == "train" else source.test_rows
    found = sum(count_rows(path, "download") for path in paths)
    with checked_read(paths[-1], "download"):
        require(found == expected, f"{expected:,} rows in all parts, as source.json says")
    return paths


def read_review_part(path: Path, rows: int) -> Iterator[Reviews]:
    """Read a part of a split in order, at most `rows` reviews at a time."""
    words = count_rows(RAW / "vocabulary.parquet", "download")
    with checked_read(path, "download"), pq.ParquetFile(path, pre_buffer=False) as file:
        names, count = file.schema_arrow.names, file.metadata.num_rows
        check_schema(pa.schema(list(file.schema_arrow)[:2]), _REVIEWS)
        require(len(set(names)) == len(names), "each column once")
        for batch in file.iter_batches(batch_size=rows, columns=_REVIEWS.names, use_threads=False):
            yield _reviews(batch, words)
            count -= len(batch)
        require(count == 0, ALL_ROWS)


def _parts(split: str) -> list[Path]:
    """Return the paths of the parts of a split in order, or the path of the first part if no part exists."""
    return sorted((RAW / split).glob("part-*.parquet")) or [RAW / split / "part-00000.parquet"]


def _reviews(batch: pa.RecordBatch, words: int) -> Reviews:
    tokens, labels = batch.column("tokens"), batch.column("label")
    require(tokens.null_count == tokens.flatten().null_count == labels.null_count == 0, "a value in every row")
    offsets = tokens.offsets.to_numpy()
    reviews = Reviews(tokens.flatten().to_numpy(), offsets - offsets[0], labels.to_numpy())
    require(1 <= reviews.tokens.min(initial=1) <= reviews.tokens.max(initial=1) <= words, f"ranks from 1 to {words:,}")
    require(reviews.labels.max(initial=0) <= 1, "labels 0 and 1")
    return reviews


def read_details(split: str) -> "pd.DataFrame":
    """Read what else is known of each row of a split of data/raw.

    Returns:
        A row for each review. Your own reviews have the columns `file`, `row` and those of `data.files.slices`, aclimdb
        has `rating`, other sources have none.
    """
    import pandas as pd  # here, because `predict` does without it

    tables = []
    for path in _parts(split):
        with checked_read(path, "download"), pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name not in _REVIEWS.names]
            table: pd.DataFrame = file.read(names or _REVIEWS.names[1:]).to_pandas()
            tables.append(table[names])
    return pd.concat(tables, ignore_index=True)


def read_some_reviews(split: str, rows: Sequence[int]) -> Reviews:
    """Read the reviews of a split of data/raw with the given row numbers, in the given order.

    It reads no further than the last of these rows.

    Raises:
        UserError: the split has fewer rows.
    """
    found: dict[int, tuple[NDArray[np.int32], np.uint8]] = {}
    start, last = 0, max(rows, default=-1)
    for batch in read_reviews(split, 1000):
        for row in rows:
            if start <= row < start + len(batch):
                cut = slice(*batch.offsets[row - start : row - start + 2])
                found[row] = batch.tokens[cut].copy(), batch.labels[row - start]
        start += len(batch)
        if start > last:
            break
    if start <= last:
        raise UserError(f"{RAW / split} has {start} rows; expected row {last} too: `dvc repro download`")
    tokens = [found[row][0] for row in rows]
    offsets = np.cumsum([0, *map(len, tokens)], dtype=np.int32)
    labels = np.array([found[row][1] for row in rows], np.uint8)
    return Reviews(np.concatenate(tokens) if tokens else np.empty(0, np.int32), offsets, labels)


def write_vocabulary(folder: Path, words: Sequence[str] | pa.Array, counts: NDArray[np.int64]) -> None:
    """Write vocabulary.parquet. Row r - 1 holds the word of rank r and its count in the training split."""
    write_table(
        folder / "vocabulary.parquet",
        _VOCABULARY,
        [words.cast(pa.string()) if isinstance(words, pa.Array) else words, counts],
    )


def read_vocabulary() -> list[str]:
    """Read the words of data/raw by rank: word r - 1 has rank r."""
    path = RAW / "vocabulary.parquet"
    with checked_read(path, "download"):
        words: list[str] = read_table(path, _VOCABULARY).column("word").to_pylist()
        return words


def write_source(folder: Path, source: Source) -> None:
    """Write source.json."""
    write_json(folder / "source.json", {key: value for key, value in asdict(source).items() if value is not None})


def read_source() -> Source:
    """Read the source of the corpus in data/raw."""
    from pydantic import TypeAdapter, ValidationError  # here, because `predict` does without it

    path = RAW / "source.json"
    with checked_read(path, "download"):
        try:
            return TypeAdapter(Source).validate_json(path.read_bytes(), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}") from None
