"""Getting a file from a folder or an address, and being sure that it is the right one."""

import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.util import Retry

from stages.console import UserError, say

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 4
_CHUNK = 1 << 18


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
    if not place.startswith(("http://", "https://")):
        path = Path(place).expanduser() / file.name
        if not path.is_file():
            raise Unavailable(f"{path} does not exist")
        check(path, file)
        return path
    path = _cache() / file.digest / file.name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        download(f"{place.rstrip('/')}/{file.name}", path, file)
    check(path, file)
    return path


def _cache() -> Path:
    """Where downloads are kept: the user's cache folder, or the system's temporary one where that is read-only."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    existing = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    return (home if os.access(existing, os.W_OK) else Path(tempfile.gettempdir())) / "multihot"


def check(path: Path, file: Expected) -> None:
    """Raise Mismatch unless the content of `path` is what `file` says."""
    with path.open("rb") as content:
        found = hashlib.file_digest(content, file.algorithm).hexdigest()
    if found != file.digest:
        raise Mismatch(f"{path} has {file.algorithm} {found}, expected {file.digest}: remove it and get it anew")


def download(url: str, path: Path, file: Expected) -> None:
    """Download `url` to `path`: retried with back-off, resumed where the server can, checked, then renamed.

    What arrived of a download that failed stays at `{path}.part` for the next attempt to go on from.

    Raises:
        Unavailable: the server cannot be reached, refuses, or keeps breaking off.
        Mismatch: the file arrived whole, but is another one.
    """
    part = path.with_name(f"{path.name}.part")
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=_RETRY))
        session.mount("http://", HTTPAdapter(max_retries=_RETRY))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _receive(session, url, part)
                break
            except requests.ConnectTimeout:
                raise Unavailable(f"{url}: no answer within {CONNECT_SECONDS} s") from None
            except requests.HTTPError as error:
                raise Unavailable(f"{url}: {error.response.status_code} {error.response.reason}") from None
            except requests.RequestException as error:
                if attempt == ATTEMPTS or not part.exists():
                    raise Unavailable(f"{url}: {_reason(error)}") from None
                say(f"{url}: broke off ({_reason(error)}), going on at {part.stat().st_size:,} bytes")
                time.sleep(2.0 ** (attempt - 2))
    try:
        check(part, file)
    except Mismatch:
        part.unlink()
        raise
    part.replace(path)


_RETRY = Retry(total=3, connect=1, read=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))


def _receive(session: requests.Session, url: str, part: Path) -> None:
    """Append to `part` what it lacks of `url`, or start it anew where the server cannot resume."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            part.unlink()
            _receive(session, url, part)
            return
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        length = int(response.headers.get("Content-Length", 0))
        bar = tqdm(
            desc=part.stem, total=length + start * resumed or None, initial=start * resumed, unit="B", unit_scale=True,
            disable=None,
        )  # fmt: skip
        with part.open("ab" if resumed else "wb") as out, bar:
            for chunk in response.iter_content(_CHUNK):
                out.write(chunk)
                bar.update(len(chunk))


def _reason(error: requests.RequestException) -> str:
    """The innermost cause, which is the one that a person understands."""
    cause: BaseException = error
    while cause.args and isinstance(cause.args[-1], BaseException):
        cause = cause.args[-1]
    return str(getattr(cause, "reason", cause)).rsplit(": ", 1)[-1]
