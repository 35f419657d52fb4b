"""The archive of texts gives the tokens of the source `imdb`. Damaged and malicious archives are refused."""

import hashlib
import io
import random
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stages.console import UserError
from stages.contracts.reviews import SPLITS
from stages.download import aclimdb, imdb
from stages.download.corpus import Corpus
from tests.conftest import decoded

Member = tuple[tarfile.TarInfo, bytes]
KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]


def member(name: str, content: bytes = b"A fine film.", kind: bytes = tarfile.REGTYPE) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    return info, content


def tiny() -> list[Member]:
    """The members of an archive with eight reviews and some members that are skipped."""
    reviews = [
        member(f"aclImdb/{split}/{kind}/{number}_{rating}.txt", f"{kind} {number} in {split}".encode())
        for split in ("test", "train")
        for kind, rating in (("neg", 1), ("pos", 10))
        for number in (2, 10)
    ]
    others = [member("aclImdb/README"), member("aclImdb/train/unsup/0_0.txt"), member("aclImdb/train/pos/notes.txt")]
    return [member("aclImdb/train/pos", b"", tarfile.DIRTYPE), *reviews, *others]


def pack(members: list[Member]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    """A function that writes an archive, to which ACLIMDB_MIRROR then points."""

    def write(content: bytes) -> Path:
        path = tmp_path / "aclImdb_v1.tar.gz"
        path.write_bytes(content)
        monkeypatch.setenv("ACLIMDB_MIRROR", f"{tmp_path}#sha256={hashlib.sha256(content).hexdigest()}")
        return path

    return write


def words_and_labels(corpus: Corpus, split: str) -> pa.Table:
    """A row for each review."""
    vocabulary = corpus.words.cast(pa.large_string())
    batches = list(corpus.reviews(split))
    words = [pa.ListArray.from_arrays(each.offsets, vocabulary.take(pa.array(each.tokens - 1))) for each in batches]
    return pa.table([pa.chunked_array(words), pa.chunked_array([each.labels for each in batches])], ["words", "label"])


def test_the_real_archive_gives_the_tokens_of_imdb(
    monkeypatch: pytest.MonkeyPatch, aclimdb_mirror: str, imdb_mirror: str
) -> None:
    """Words of equal frequency may swap ranks."""
    monkeypatch.setenv("ACLIMDB_MIRROR", aclimdb_mirror)
    monkeypatch.setenv("IMDB_MIRROR", imdb_mirror)
    found, expected = aclimdb.load("keras"), imdb.load()
    assert len(found.words) == 88_584
    counts = [dict(zip(each.words.to_pylist(), each.counts.tolist(), strict=True)) for each in (found, expected)]
    assert counts[0] == counts[1]
    np.testing.assert_array_equal(found.counts, expected.counts)
    for split in SPLITS:
        assert words_and_labels(found, split).equals(words_and_labels(expected, split))


def test_a_generated_archive_gives_the_row_order_and_the_ranks_of_imdb(use: Callable[[bytes], Path]) -> None:
    generator = random.Random(8)
    reviews = {
        (split, kind, f"{number}_{generator.randint(1, 10)}.txt"): [
            f"w{int(60 * generator.random() ** 2)}" for _ in range(generator.randint(1, 30))
        ]
        for split in SPLITS
        for kind in ("pos", "neg")
        for number in range(30)
    }
    members = [member("/".join(("aclImdb", *key)), " ".join(words).encode()) for key, words in reviews.items()]
    generator.shuffle(members)
    use(pack(members))
    corpus = aclimdb.load("keras")
    assert corpus.source == "aclimdb"
    counts = Counter(word for (split, *_), words in reviews.items() if split == "train" for word in words)
    assert dict(zip(corpus.words.to_pylist(), corpus.counts.tolist(), strict=True)) == counts
    assert (np.diff(corpus.counts) <= 0).all()

    shuffle = np.random.RandomState(113).shuffle  # that of keras.datasets.imdb.load_data
    for split in SPLITS:
        keys = [key for kind in ("pos", "neg") for key in sorted(reviews) if key[:2] == (split, kind)]
        shuffle(keys)
        known = [[word for word in reviews[key] if word in counts] for key in keys]
        assert decoded(corpus, split) == list(zip(known, [int(kind == "pos") for _, kind, _ in keys], strict=True))
        ratings = [rating for batch in corpus.reviews(split) if batch.details for rating in batch.details["rating"]]
        assert [f"{rating}.txt" for rating in ratings] == [name.split("_")[1] for *_, name in keys]


def test_members_that_are_not_reviews_are_skipped(use: Callable[[bytes], Path]) -> None:
    links = [member(f"aclImdb/train/pos/{number}_9.txt", b"", kind) for number, kind in enumerate(KINDS)]
    for info, _ in links:
        info.linkname = "/etc/passwd"
    path = use(pack([*links, *tiny()]))
    found = [(review.split, review.label, review.file, review.text) for review in aclimdb.read(path)]
    assert found == [
        (split, label, f"{number}_{rating}.txt", f"{kind} {number} in {split}")
        for split in ("test", "train")
        for kind, label, rating in (("neg", 0, 1), ("pos", 1, 10))
        for number in (2, 10)
    ]


def test_a_damaged_archive_is_an_error_that_names_it(use: Callable[[bytes], Path]) -> None:
    filler = random.Random(1)  # random bytes do not compress, so the archive's bytes spread over its members
    content = pack([*[member(f"aclImdb/{number}", filler.randbytes(20_000)) for number in range(3)], *tiny()])
    latin = pack([*tiny(), member("aclImdb/train/pos/1_9.txt", b"caf\xe9")])
    rated = pack([*tiny(), member("aclImdb/train/pos/1_11.txt")])
    for bad in (b"", b"PK\x03\x04 is a zip", content[:10_000], content[:50_000], latin, rated):
        path = use(bad)
        with pytest.raises(UserError, match=rf"^{path} is damaged"):
            list(aclimdb.read(path))


def test_an_archive_without_a_class_is_an_error(use: Callable[[bytes], Path]) -> None:
    use(pack([(info, content) for info, content in tiny() if "test/neg" not in info.name]))
    with pytest.raises(UserError, match="has no files in aclImdb/test/pos or aclImdb/test/neg"):
        aclimdb.load("keras")


def test_the_tokenizer_can_be_chosen(use: Callable[[bytes], Path]) -> None:
    use(pack([*tiny(), member("aclImdb/train/pos/3_9.txt", "NAÏVE हिन्दी".encode())]))
    assert {"naïve", "हिन्दी"} < set(aclimdb.load("unicode").words.to_pylist())


def test_the_unpacked_archive_gives_the_same_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[bytes], Path]
) -> None:
    path = use(pack(tiny()))
    packed = aclimdb.load("keras")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    for place in ("unpacked", "unpacked/aclImdb"):
        monkeypatch.setenv("ACLIMDB_MIRROR", str(tmp_path / place))
        unpacked = aclimdb.load("keras")
        assert unpacked.words.equals(packed.words)
        for split in SPLITS:
            assert words_and_labels(unpacked, split).equals(words_and_labels(packed, split))
