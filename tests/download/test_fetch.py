"""The places where files are looked for, and downloads from a server on 127.0.0.1 that fails."""

import hashlib
import pwd
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import Mock

import pytest

from stages.console import UserError
from stages.download import fetch
from tests.conftest import ROOT

CONTENT, OTHER = random.Random(0).randbytes(300_000), random.Random(1).randbytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SHA256 = f"sha256:{DIGEST}"
FILES = {"corpus.bin": SHA256, "words.json": f"md5:{hashlib.md5(b'{}').hexdigest()}"}


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        self.server.logins.append(self.headers["Authorization"])
        script = self.server.script
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, int):
            self.send_error(answer)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(answer)
        if len(answer) == 1:  # the rest never comes
            self.wfile.flush()
            self.server.closing.wait(20)

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """Each request gets the next entry of the script, the last one again and again: content, or an HTTP status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[bytes | int] = [CONTENT]
        self.logins: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.closing = threading.Event()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("TOY_MIRROR", raising=False)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between pooch's attempts
    return tmp_path / "cache"


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_downloaded_once_and_again_when_it_is_damaged(server: Server) -> None:
    path = fetch.get(server.url, "corpus.bin", SHA256)
    assert fetch.get(f"{server.url}/", "corpus.bin", SHA256) == path
    assert len(server.logins) == 1
    path.write_bytes(OTHER)
    assert fetch.get(server.url, "corpus.bin", SHA256).read_bytes() == CONTENT


def test_a_failed_download_is_repeated(server: Server, cache: Path) -> None:
    server.script = [503, CONTENT[:200_000], CONTENT]
    assert fetch.get(server.url, "corpus.bin", SHA256).read_bytes() == CONTENT
    assert files(cache) == ["corpus.bin"]


@pytest.mark.parametrize(
    ("script", "kind", "requests", "message"),
    [
        ([404], fetch.Unavailable, 1, "404"),
        ([500], fetch.Unavailable, 3, "500"),
        ([CONTENT[:200_000]], fetch.Unavailable, 3, ""),
        ([OTHER], fetch.Mismatch, 3, f"{DIGEST}.*{hashlib.sha256(OTHER).hexdigest()}"),
    ],
)
def test_a_failure_names_the_url_and_the_reason_but_no_password(
    server: Server, cache: Path, capfd: pytest.CaptureFixture[str],
    script: list[bytes | int], kind: type[Exception], requests: int, message: str,
) -> None:  # fmt: skip
    server.script = script
    with pytest.raises(kind, match=rf"^{server.url}/corpus\.bin: .*{message}") as caught:
        fetch.get(server.url.replace("//", "//me:secret@"), "corpus.bin", SHA256)
    assert server.logins == ["Basic bWU6c2VjcmV0"] * requests
    assert "secret" not in str(caught.value) + "".join(capfd.readouterr())
    assert "\n" not in str(caught.value)
    assert files(cache) == []


@pytest.mark.parametrize("place", ["http://127.0.0.1:9", "http://[bad", "http://", "nowhere"])
def test_a_place_that_cannot_be_reached_is_named(place: str) -> None:
    with pytest.raises(fetch.Unavailable, match=r"^[^\n]+$") as caught:
        fetch.get(place, "corpus.bin", SHA256)
    assert place in str(caught.value)


def start(url: str) -> "subprocess.Popen[str]":
    code = (
        f"from stages import console; from stages.download import fetch\nconsole.run(lambda: print(fetch.get({url!r},"
    )
    return subprocess.Popen(
        [sys.executable, "-c", f"{code} 'corpus.bin', '{SHA256}')), None)"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def test_processes_can_download_one_file_at_once_without_a_progress_bar_in_logs(server: Server, cache: Path) -> None:
    processes = [start(server.url) for _ in range(3)]
    for process in processes:
        out, err = process.communicate()
        assert Path(out.strip()).read_bytes() == CONTENT
        assert "\r" not in err
    assert files(cache) == ["corpus.bin"]


def test_an_interrupted_download_leaves_nothing(server: Server, cache: Path) -> None:
    server.script = [CONTENT[:1]]
    process = start(server.url)
    while not server.logins or not files(cache):
        threading.Event().wait(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert files(cache) == []


def test_an_unwritable_cache_folder_is_an_error_that_names_the_variable(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        fetch.get(server.url, "corpus.bin", SHA256)
    monkeypatch.setattr(pwd, "getpwuid", Mock(side_effect=KeyError))
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="XDG_CACHE_HOME"):
        fetch.get(server.url, "corpus.bin", SHA256)
    with pytest.raises(fetch.Unavailable, match=r"^~/data/corpus\.bin: "):
        fetch.get("~/data", "corpus.bin", SHA256)


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., str]:
    def make(name: str, **content: bytes) -> str:
        (tmp_path / name).mkdir()
        for file, data in content.items():
            (tmp_path / name / {"corpus": "corpus.bin", "words": "words.json"}[file]).write_bytes(data)
        return str(tmp_path / name)

    return make


def test_each_file_comes_from_the_first_place_that_has_it(place: Callable[..., str]) -> None:
    places = [
        place("damaged", corpus=OTHER),
        place("half", corpus=CONTENT),
        place("whole", corpus=CONTENT, words=b"{}"),
    ]
    assert fetch.find("toy", FILES, places) == [Path(places[1], "corpus.bin"), Path(places[2], "words.json")]
    with pytest.raises(fetch.Unavailable, match=r"words\.json was not found.*\n.*TOY_MIRROR .* holds words\.json,"):
        fetch.find("toy", FILES, places[:2])
    with pytest.raises(fetch.Unavailable, match=r"expected(.|\n)* holds corpus\.bin and words\.json,"):
        fetch.find("toy", FILES, places[:1])


def test_the_mirror_comes_first_and_its_checksum_is_used(
    place: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, mirror = place("usual", corpus=CONTENT, words=b"{}"), place("mirror", corpus=OTHER)
    monkeypatch.setenv("TOY_MIRROR", f"{mirror}#sha256={hashlib.sha256(OTHER).hexdigest().upper()}")
    assert fetch.find("toy", FILES, [usual]) == [Path(mirror, "corpus.bin"), Path(usual, "words.json")]
    assert "warning: TOY_MIRROR: " in capsys.readouterr().out
    Path(mirror, "words.json").write_bytes(b"{}")  # the checksum of the variable is that of the first file alone
    assert fetch.find("toy", FILES, [usual]) == [Path(mirror, "corpus.bin"), Path(mirror, "words.json")]
    monkeypatch.setenv("TOY_MIRROR", mirror)
    with pytest.raises(UserError, match=rf"mirror/corpus\.bin .*{DIGEST}.\n.*TOY_MIRROR=") as caught:
        fetch.find("toy", FILES, [usual])
    assert not isinstance(caught.value, fetch.Unavailable)
    for digest in ("", "abc", "g" * 64):
        monkeypatch.setenv("TOY_MIRROR", f"{mirror}#sha256={digest}")
        with pytest.raises(UserError, match=f"TOY_MIRROR .*'{digest}'; expected 64"):
            fetch.find("toy", FILES, [usual])
