"""The archive of aclimdb, damaged at random, and with members of any kind."""

import gzip
import io
import tarfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stages.download import aclimdb
from tests.download.test_aclimdb import Member, member, pack, tiny
from tests.fuzz.given import TEXTS, answer, damaged

PACKED = pack(tiny())
UNPACKED = gzip.decompress(PACKED)
KINDS = [bytes([kind]) for kind in b"\0" + b"01234567LKSxgXVMNZ~"]
"""Types of members: the 17 that `tarfile` knows, and two unknown ones."""


def check(content: bytes) -> None:
    """Read the archive: it gives valid reviews, or a documented error."""
    Path("a.tar.gz").write_bytes(content)
    reviews = answer(lambda: list(aclimdb.read(Path("a.tar.gz")))) or []
    for review in reviews:
        assert review.split in ("train", "test")
        assert review.label in (0, 1)
        assert "/" not in review.file
    assert {path.name for path in Path.cwd().iterdir()} == {"a.tar.gz"}


@given(damaged(PACKED))
def test_damaged_archive(folder: Path, content: bytes) -> None:
    check(content)


@given(damaged(UNPACKED))
def test_damaged_members(folder: Path, content: bytes) -> None:
    check(gzip.compress(content, 1))


@st.composite
def members(draw: st.DrawFn) -> Member:
    """Draw a member with a valid header of any content."""
    names = ["aclImdb/train/pos/3_9.txt", "aclImdb/test/neg/3_9.txt"]
    names += ["../a", "/a", "a/../b", "aclImdb/a\n\x1b[31m", "a" * 99]
    info, content = member(draw(st.sampled_from(names) | TEXTS), draw(st.binary(max_size=600)))
    info.type = draw(st.sampled_from(KINDS) | st.just(tarfile.REGTYPE))
    info.linkname = draw(st.sampled_from(["", "/etc/passwd", "aclImdb/train/pos/2_10.txt"]))
    info.size += draw(st.sampled_from([0, 0, 0, 1, -1, 512, -512, 10**6, 2**30, 2**33, 2**62]))
    info.pax_headers = draw(st.dictionaries(st.sampled_from(["path", "size", "GNU.sparse.map", "mtime", "a"]), TEXTS))
    return info, content


@given(st.lists(members(), max_size=5), st.booleans())
def test_any_members(folder: Path, some: list[Member], pax: bool) -> None:
    content = io.BytesIO()
    for info, body in [*tiny(), *some]:
        content.write(info.tobuf(tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT, errors="surrogateescape"))
        content.write(body + bytes(-len(body) % 512))
    check(gzip.compress(content.getvalue() + bytes(1024), 1))
