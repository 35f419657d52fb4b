"""fetch against a server on 127.0.0.1 that misbehaves in every way a test can think of."""

import atexit
import hashlib
import random
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.download import fetch

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
FILE = fetch.Expected("corpus.bin", "sha256", hashlib.sha256(CONTENT).hexdigest())


Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Leaves each answer to the next of the server's behaviours; the last one stays."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.headers["Range"])
        self.close_connection = True
        script = self.server.script
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def start(self, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Behaviour] = [whole]
        self.asked: list[str | None] = []
        """The Range header of each request."""
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.closing = threading.Event()

    def handle_error(self, *_: object) -> None: ...


def whole(handler: Handler) -> None:
    handler.start(Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT)


def ranged(handler: Handler, content: bytes = CONTENT) -> None:
    start = int(re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "bytes=0-").group(1))  # type: ignore[union-attr]
    if start >= len(content):
        handler.start(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
        return
    rest = content[start:]
    handler.start(206 if start else 200, Content_Length=len(rest), Accept_Ranges="bytes")
    handler.wfile.write(rest)


def other(handler: Handler) -> None:
    ranged(handler, OTHER)


def cut(handler: Handler) -> None:
    """Two thirds of what was promised."""
    handler.start(Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT[:200_000])


def cut_other(handler: Handler) -> None:
    handler.start(Content_Length=len(OTHER))
    handler.wfile.write(OTHER[:200_000])


def cut_chunked(handler: Handler) -> None:
    handler.start(Transfer_Encoding="chunked")
    handler.wfile.write(b"%x\r\n%s" % (len(CONTENT), CONTENT[:200_000]))


def reset(handler: Handler) -> None:
    cut(handler)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hang(handler: Handler) -> None:
    cut(handler)
    handler.server.closing.wait(5)


def silent(handler: Handler) -> None:
    handler.server.closing.wait(5)


def hang_up(handler: Handler) -> None:
    handler.connection.close()


def endless(handler: Handler) -> None:
    handler.start()
    while not handler.server.closing.is_set():
        handler.wfile.write(CONTENT)


def says(length: int) -> Behaviour:
    def behave(handler: Handler) -> None:
        handler.start(Content_Length=length)
        handler.wfile.write(CONTENT)

    return behave


def after(event: threading.Event, behaviour: Behaviour) -> Behaviour:
    def behave(handler: Handler) -> None:
        event.wait(5)
        behaviour(handler)

    return behave


def status(code: int) -> Behaviour:
    return lambda handler: handler.start(code, Content_Length=0)


def redirect(to: str) -> Behaviour:
    return lambda handler: handler.start(302, Location=to, Content_Length=0)


def ssh(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fetch, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(fetch, "READ_SECONDS", 0.2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE.name


def files(folder: Path) -> set[str]:
    """The names of the files in a folder that hold something."""
    return {file.name for file in folder.iterdir() if file.is_file() and file.stat().st_size}


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        pytest.param([whole], [None], id="plain"),
        pytest.param([status(500), status(503), ranged], [None] * 3, id="500s-then-success"),
        pytest.param([hang_up, ranged], [None, None], id="hung-up-then-success"),
        pytest.param([silent, ranged], [None, None], id="silent-then-success"),
        pytest.param([cut, ranged], [None, "bytes=200000-"], id="cut-resumed"),
        pytest.param([cut, whole], [None, "bytes=200000-"], id="cut-range-ignored"),
        pytest.param([cut_chunked, ranged], [None, "bytes=196608-"], id="cut-chunked"),
        pytest.param([hang, ranged], [None, "bytes=196608-"], id="read-time-out"),
        pytest.param([reset, ranged], None, id="reset"),
        pytest.param([says(300_500), ranged], [None, "bytes=300000-"], id="length-too-long-once"),
        pytest.param([redirect("/elsewhere"), whole], [None, None], id="redirect"),
    ],
)
def test_recovers(server: Server, path: Path, script: list[Behaviour], asked: list[str | None] | None) -> None:
    server.script = script
    fetch.download(f"{server.url}/corpus.bin", path, FILE)
    assert path.read_bytes() == CONTENT
    assert files(path.parent) == {path.name}
    assert server.asked == asked or asked is None


@pytest.mark.parametrize(
    ("script", "error", "reason"),
    [
        pytest.param([status(404)], fetch.Unavailable, ": 404 Not Found", id="404"),
        pytest.param([status(500)], fetch.Unavailable, ": 500 Internal Server Error", id="500s"),
        pytest.param([status(429)], fetch.Unavailable, ": 429 Too Many Requests", id="429s"),
        pytest.param([silent], fetch.Unavailable, ": timed out", id="silent"),
        pytest.param([hang_up], fetch.Unavailable, "closed connection without response", id="hangs-up"),
        pytest.param([ssh], fetch.Unavailable, ": SSH-2.0-OpenSSH_9.6", id="not-http"),
        pytest.param([cut], fetch.Unavailable, ": the connection was closed before the end; given up", id="cut"),
        pytest.param([cut_chunked], fetch.Unavailable, ": the connection was closed before the end", id="cut-chunked"),
        pytest.param([hang], fetch.Unavailable, ": timed out; given up after 4 attempts", id="hangs"),
        pytest.param([reset], fetch.Unavailable, ": Connection reset by peer", id="reset"),
        pytest.param([says(300_500)], fetch.Unavailable, ": the connection was closed before", id="length-too-long"),
        pytest.param([says(299_000)], fetch.Mismatch, " has sha256 ", id="length-too-short"),
        pytest.param(
            [other], fetch.Mismatch, f"sha256 {hashlib.sha256(OTHER).hexdigest()}, expected ", id="wrong-bytes"
        ),
        pytest.param([redirect("/")], fetch.Unavailable, ": Exceeded 30 redirects", id="redirect-loop"),
        pytest.param([redirect("ftp://127.0.0.1/")], fetch.Unavailable, "ftp", id="redirect-to-ftp"),
        pytest.param([status(416)], fetch.Unavailable, ": 416 ", id="416-unasked"),
    ],
)
def test_gives_up(server: Server, path: Path, script: list[Behaviour], error: type[Exception], reason: str) -> None:
    server.script = script
    url = f"{server.url}/corpus.bin"
    with pytest.raises(error) as caught:
        fetch.download(url, path, FILE)
    assert readable(str(caught.value), url)
    assert reason in str(caught.value)
    assert not path.exists()


def readable(message: str, url: str) -> bool:
    """Whether a message begins with the address and is one line without names of Python's classes."""
    return message.startswith(url) and not re.search(
        r"\n|Error\b.*:.*Error|\wError|Exception|Pool|\w\(|object at|Errno|_ssl", message
    )


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_not_asked_again(server: Server, path: Path, code: int) -> None:
    server.script = [status(code)]
    with pytest.raises(fetch.Unavailable, match=f": {code} "):
        fetch.download(server.url, path, FILE)
    assert len(server.asked) == 1


def test_an_endless_body_is_cut_off(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LIMIT", 1_000_000)
    server.script = [endless]
    with pytest.raises(fetch.Mismatch, match="is larger than 1,000,000 bytes"):
        fetch.download(server.url, path, FILE)
    assert files(path.parent) == set()
    monkeypatch.setattr(fetch, "LIMIT", len(CONTENT) - 1)
    server.script = [whole]
    with pytest.raises(fetch.Mismatch, match="is larger than 299,999 bytes"):
        fetch.download(server.url, path, FILE)


def part(path: Path, content: bytes) -> Path:
    """What an earlier run left behind."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    return partial


@pytest.mark.parametrize(
    ("left", "asked"),
    [
        pytest.param(CONTENT[:100_000], ["bytes=100000-"], id="first-third"),
        pytest.param(CONTENT, ["bytes=300000-"], id="all-of-it-416"),
        pytest.param(OTHER[:100_000], ["bytes=100000-", None], id="of-another-file"),
        pytest.param(OTHER, ["bytes=300000-", None], id="all-of-another-file-416"),
        pytest.param(CONTENT + b"more", ["bytes=300004-", None], id="too-much-416"),
    ],
)
def test_goes_on_from_what_an_earlier_run_left(
    server: Server, path: Path, left: bytes, asked: list[str | None]
) -> None:
    server.script = [ranged]
    part(path, left)
    fetch.download(server.url, path, FILE)
    assert path.read_bytes() == CONTENT
    assert files(path.parent) == {path.name}
    assert server.asked == asked


def test_a_run_that_broke_off_is_gone_on_from(server: Server, path: Path) -> None:
    server.script = [cut, status(404)]
    with pytest.raises(fetch.Unavailable, match="404"):
        fetch.download(server.url, path, FILE)
    assert files(path.parent) == {"corpus.bin.part"}
    server.script = [ranged]
    fetch.download(server.url, path, FILE)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=200000-"


def test_a_file_that_changes_between_attempts_is_started_afresh(server: Server, path: Path) -> None:
    server.script = [cut_other, ranged]
    fetch.download(server.url, path, FILE)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=200000-", None]


def test_the_wrong_file_stays_wrong_whatever_was_left(server: Server, path: Path) -> None:
    server.script = [other]
    part(path, CONTENT[:100_000])
    with pytest.raises(fetch.Mismatch):
        fetch.download(server.url, path, FILE)
    assert files(path.parent) == set()


def test_two_at_once_download_once(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = threading.Event()
    monkeypatch.setattr(fetch, "say", lambda line: waits.set() if "another process" in line else None)
    monkeypatch.setattr(fetch, "READ_SECONDS", 10)
    server.script = [after(waits, whole)]
    with ThreadPoolExecutor() as pool:
        for run in [pool.submit(fetch.download, server.url, path, FILE) for _ in range(2)]:
            run.result()
    assert waits.is_set()
    assert path.read_bytes() == CONTENT
    assert server.asked == [None]


def test_the_second_goes_on_where_the_first_gives_up(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    monkeypatch.setattr(fetch, "say", lambda line: waits.set() if "another process" in line else None)
    monkeypatch.setattr(fetch, "READ_SECONDS", 10)
    server.script = [after(waits, cut), status(404), ranged]
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(fetch.download, server.url, path, FILE) for _ in range(2)]
    assert sorted(type(run.exception()).__name__ for run in runs) == ["NoneType", "Unavailable"]
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=200000-", "bytes=200000-"]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def unavailable(url: str, path: Path) -> str:
    """What is said of a server that cannot be reached."""
    with pytest.raises(fetch.Unavailable) as caught:
        fetch.download(url, path, FILE)
    assert files(path.parent) == set()
    message = str(caught.value)
    assert readable(message, url)
    return message.removeprefix(f"{url}: ")


def test_connection_refused(path: Path) -> None:
    assert unavailable(f"http://127.0.0.1:{closed_port()}/x", path) == "Connection refused"


def test_name_that_does_not_resolve(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert unavailable("https://nowhere.invalid/x", path) == "Name or service not known"


def test_name_server_that_does_not_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(5))
    monkeypatch.setattr(fetch, "ANSWER_SECONDS", 0.1)
    assert unavailable("https://nowhere.invalid/x", path) == "no answer within 0.1 s"
    over.set()


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels have other queues")
def test_host_with_many_addresses_that_swallow_packets(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel drops connections to a listener whose queue is full, as a firewall does."""
    with socket.socket() as listener, socket.socket() as one, socket.socket() as two:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in (one, two):
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 20)
        monkeypatch.setattr(fetch, "CONNECT_SECONDS", 0.1)
        monkeypatch.setattr(fetch, "ANSWER_SECONDS", 0.3)
        assert unavailable("http://nowhere.invalid/x", path) == "no answer within 0.3 s"
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address])
        monkeypatch.setattr(fetch, "CONNECT_SECONDS", 0.01)
        assert unavailable("http://nowhere.invalid/x", path) == "timed out"


def test_tls_where_there_is_none(server: Server, path: Path) -> None:
    reason = unavailable(server.url.replace("http", "https"), path)
    assert reason.startswith("TLS: ")
    assert "wrong version number" in reason or "record layer failure" in reason


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")
def test_tls_with_a_certificate_of_its_own(
    server: Server, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "BACKOFF_SECONDS", 60)  # nothing is to be gained by asking again
    folder = tmp_path / "tls"
    folder.mkdir()
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 1"
    subprocess.run(
        [*command.split(), "-keyout", "key", "-out", "certificate"], cwd=folder, check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    reason = unavailable(server.url.replace("http", "https"), path)
    assert reason == "TLS: certificate verify failed: self-signed certificate"


def test_proxy_is_used(server: Server, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    fetch.download("http://nowhere.invalid/corpus.bin", path, FILE)
    assert path.read_bytes() == CONTENT


def test_proxy_that_is_down(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    assert unavailable("https://nowhere.invalid/x", path) == "the proxy: Connection refused"


@pytest.mark.parametrize("url", ["http://", "http://[bad/", "http://a..b/", "http://a:99999/", f"http://{'a' * 70}.b/"])
def test_address_that_is_none(path: Path, url: str) -> None:
    assert "\n" not in unavailable(url, path)


def test_password_is_not_shown(server: Server, path: Path) -> None:
    server.script = [status(404)]
    with pytest.raises(fetch.Unavailable) as caught:
        fetch.download(server.url.replace("//", "//me:secret@"), path, FILE)
    assert str(caught.value) == f"{server.url}: 404 Not Found"
    with pytest.raises(fetch.Unavailable) as caught:
        fetch.download("http://me:secret@127.0.0.1:99999/", path, FILE)
    assert "secret" not in str(caught.value)


def test_get_downloads_once(server: Server, tmp_path: Path) -> None:
    path = fetch.get(f"{server.url}/folder/", FILE)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "cache" / "multihot")
    assert fetch.get(server.url, FILE) == path
    assert len(server.asked) == 1


def test_get_replaces_a_download_that_was_damaged_later(server: Server) -> None:
    path = fetch.get(server.url, FILE)
    path.write_bytes(CONTENT[:-1])
    assert fetch.get(server.url, FILE).read_bytes() == CONTENT


def test_get_does_without_a_cache_folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    at_exit: list[Callable[[], object]] = []
    monkeypatch.setattr(atexit, "register", lambda *call, **options: at_exit.append(partial(*call, **options)))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = fetch.get(server.url, FILE)
    assert path.read_bytes() == CONTENT
    assert path.parent.parent.parent == tmp_path
    for function in at_exit:
        function()
    assert not path.parent.parent.exists()


def test_get_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / FILE.name).write_bytes(CONTENT)
    assert fetch.get(str(tmp_path), FILE) == fetch.get("~", FILE) == tmp_path / FILE.name


def test_get_from_a_folder_without_it(tmp_path: Path) -> None:
    with pytest.raises(fetch.Unavailable, match=r"corpus\.bin: No such file or directory$"):
        fetch.get(str(tmp_path), FILE)
    (tmp_path / FILE.name).mkdir()
    with pytest.raises(fetch.Unavailable, match=r"corpus\.bin: Is a directory$"):
        fetch.get(str(tmp_path), FILE)


def test_get_from_a_folder_with_another(tmp_path: Path) -> None:
    (tmp_path / FILE.name).write_bytes(OTHER)
    with pytest.raises(fetch.Mismatch, match=f"sha256 {hashlib.sha256(OTHER).hexdigest()}, expected {FILE.digest}$"):
        fetch.get(str(tmp_path), FILE)
    assert (tmp_path / FILE.name).read_bytes() == OTHER
