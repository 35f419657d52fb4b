"""Getting a file from a folder or an address, and being sure that it is the right one."""

import atexit
import fcntl
import hashlib
import http.client
import os
import re
import shutil
import tempfile
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm

from stages.console import UserError, say

CONNECT_SECONDS = 4
"""How long each of a host's addresses may take to accept a connection."""
ANSWER_SECONDS = 10
"""How long it may take in all, attempts and pauses included, until a server answers."""
READ_SECONDS = 20
"""How long a server may fall silent in the middle of a file."""
ATTEMPTS = 4
"""How often a server is asked that cannot be reached or is out of order, and how often for a file that breaks off."""
BACKOFF_SECONDS = 0.5
"""The first pause after a file broke off; each further one is twice as long."""
LIMIT = 200_000_000
"""Bytes at which a download is given up: more than any file wanted here has."""
_CHUNK = 1 << 16


class Unavailable(UserError):
    """A file that cannot be had from where it was looked for."""


class Mismatch(UserError):
    """A file whose content is not the expected one."""


@dataclass(frozen=True)
class Expected:
    """A file as its publisher describes it."""

    name: str
    algorithm: str
    """As hashlib names it: sha256, md5."""
    digest: str
    """In hexadecimal."""


def get(place: str, file: Expected) -> Path:
    """Find `file` in a folder, or download it from a URL prefix.

    A download is kept in the user's cache, under its checksum, so that it is not repeated.

    Returns:
        The path of a file whose checksum is as expected.

    Raises:
        Unavailable: the place does not have the file, or cannot be reached.
        Mismatch: the place has a file of that name with other content.
    """
    if place.startswith(("http://", "https://")):
        path = _cache() / file.digest / file.name
        if not _holds(path, file):
            path.parent.mkdir(exist_ok=True)
            download(f"{place.rstrip('/')}/{file.name}", path, file)
        return path
    path = Path(place).expanduser() / file.name
    try:
        _check(path, file, str(path))
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from None
    return path


def _cache() -> Path:
    """Where downloads are kept: in the user's cache folder or, where that cannot be written, in a temporary one."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multihot"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
        return folder
    temporary = tempfile.mkdtemp(prefix="multihot-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def _holds(path: Path, file: Expected) -> bool:
    return path.is_file() and _digest(path, file.algorithm) == file.digest


def _check(path: Path, file: Expected, origin: str) -> None:
    found = _digest(path, file.algorithm)
    if found != file.digest:
        raise Mismatch(f"{origin} has {file.algorithm} {found}, expected {file.digest}")


def download(url: str, path: Path, file: Expected) -> None:
    """Download `url` to `path`: retried with back-off, resumed where the server can, checked, then renamed.

    What arrived of a file that broke off stays at `{path}.part`, for the next attempt or the next run to go on from.
    A second process that wants the same file waits for the first, and uses what that one got.

    Raises:
        Unavailable: the server cannot be reached, refuses, or keeps breaking off.
        Mismatch: the file arrived whole, but is another one.
    """
    partial = path.with_name(f"{path.name}.part")
    with partial.open("ab") as part, requests.Session() as session:
        _lock(part)
        if _holds(path, file):
            return
        session.mount("https://", HTTPAdapter(max_retries=_retry()))
        session.mount("http://", HTTPAdapter(max_retries=_retry()))
        trouble = ""
        for attempt in range(ATTEMPTS):
            if trouble:
                say(f"{_shown(url)}: {trouble}; trying again")
                time.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
            start = part.seek(0, os.SEEK_END)
            try:
                _receive(_ask(session, url, start), part, file.name)
                _check(partial, file, _shown(url))
                partial.replace(path)
                return
            except (requests.RequestException, urllib3.exceptions.LocationParseError) as error:
                raise Unavailable(_shown(f"{url}: {_reason(error)}")) from None
            except urllib3.exceptions.HTTPError as error:
                trouble = _reason(error)
            except Mismatch:
                part.truncate(0)
                if not start:
                    raise
                trouble = "the file has changed since its first bytes came"
        raise Unavailable(f"{_shown(url)}: {trouble}; given up after {ATTEMPTS} attempts")


def _lock(part: BinaryIO) -> None:
    """Wait until no other process has `part` locked. The lock ends with the process or with the closing of the file."""
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"another process is downloading {part.name}: waiting for it")
        fcntl.flock(part, fcntl.LOCK_EX)


def _retry() -> urllib3.Retry:
    """How to go on asking a server that cannot be reached or is out of order."""
    return urllib3.Retry(
        ATTEMPTS - 1,
        other=0,  # TLS: a certificate does not mend in seconds
        backoff_factor=BACKOFF_SECONDS,
        status_forcelist=(408, 429, 500, 502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,  # that may be minutes
    )


def _ask(session: requests.Session, url: str, start: int) -> requests.Response:
    """Ask for `url` from byte `start` on. The body is yet to be read.

    It happens in a thread that is left behind after ANSWER_SECONDS, because requests has no limit on finding a host's
    addresses, and its time-out for connecting counts for each of them: where packets vanish, minutes.
    """
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    answer: Future[requests.Response] = Future()

    def ask() -> None:
        try:
            answer.set_result(session.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        response = answer.result(ANSWER_SECONDS)
    except TimeoutError:
        raise Unavailable(f"{_shown(url)}: no answer within {ANSWER_SECONDS} s") from None
    if response.ok or (start and response.status_code == requests.codes.range_not_satisfiable):
        return response
    raise Unavailable(f"{_shown(url)}: {response.status_code} {response.reason}")


def _receive(response: requests.Response, part: BinaryIO, name: str) -> None:
    """Append the body to `part`, or replace it where the server cannot resume."""
    with response:
        if response.status_code == requests.codes.range_not_satisfiable:
            return  # `part` was whole already, or is of another file: its checksum tells
        if response.status_code != requests.codes.partial_content:
            part.truncate(0)
        size = part.seek(0, os.SEEK_END)
        missing = response.raw.length_remaining
        total = None if missing is None else size + missing
        with tqdm(desc=name, total=total, initial=size, unit="B", unit_scale=True, disable=None) as bar:
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                size += len(chunk)
                if size > LIMIT:
                    raise Mismatch(f"{_shown(response.url)} is larger than {LIMIT:,} bytes")
                part.write(chunk)
                bar.update(len(chunk))
    part.flush()


def _shown(text: str) -> str:
    """A text for the log: without the passwords of addresses in it."""
    return re.sub(r"//[^/\s]*@", "//", text)


def _reason(error: BaseException) -> str:
    """What a person understands of an error: its innermost cause, since the layers around it are names of classes."""
    proxy = "the proxy: " if isinstance(error, requests.exceptions.ProxyError) else ""
    while not isinstance(error, http.client.IncompleteRead):
        wrapped = [arg for arg in error.args if isinstance(arg, BaseException)]
        cause = wrapped[0] if wrapped else error.__cause__ or error.__context__
        if cause is None:
            text = (getattr(error, "strerror", None) or str(error)).strip()
            return proxy + re.sub(r"^\[SSL.*?\](.*) \(_ssl\.c:\d+\)$", r"TLS:\1", text)
        error = cause
    return "the connection was closed before the end"
