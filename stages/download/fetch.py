"""Find the files of a source: in the mirror that the user names, in a folder, or by downloading them with pooch."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pooch
import requests
from requests.utils import get_auth_from_url, urldefragauth

from stages.console import UserError, cleanup_on_interrupt, one_line, say

TIMEOUT = (4, 20)
"""Seconds that a server may take to accept the connection, and to send the next piece of a file."""
RETRIES = 2
"""How often pooch repeats a failed download. It waits 1 s before the first repetition and 2 s before the second."""
_SET_CACHE = "set XDG_CACHE_HOME to a folder that can be written to"


class Unavailable(UserError):
    """A place does not have a file, or no place has it."""


class Mismatch(UserError):
    """A file does not have the expected checksum."""


def find(source: str, files: Mapping[str, str], places: Sequence[str]) -> list[Path]:
    """Find each file in the first place that has it.

    Args:
        source: The source's name in params.yaml. The environment variable `{SOURCE}_MIRROR` may hold a place to look
            in first. `#sha256=...` at its end gives the checksum that the first of `files` has there.
        files: The files' names with their checksums, as `algorithm:hexadecimal`.
        places: Folders or URLs.

    Returns:
        The path of each file, in the order of `files`.

    Raises:
        Unavailable: No place has one of the files.
        UserError: The mirror has a file with another checksum, or the variable's checksum is malformed.
    """
    variable, names = f"{source.upper()}_MIRROR", list(files)
    mirror, mark, digest = os.environ.get(variable, "").partition("#sha256=")
    if mark and not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise UserError(f"{variable} gives the checksum {digest!r}; expected 64 hexadecimal digits after #sha256=")
    found: list[Path] = []
    for name in names:
        failures = []
        for place in [mirror, *places] if mirror else places:
            own = digest and place == mirror and name == names[0]
            try:
                found.append(get(place, name, f"sha256:{digest.lower()}" if own else files[name]))
                break
            except (Unavailable, Mismatch) as error:
                if place == mirror and isinstance(error, Mismatch):  # never replace what the user chose by another file
                    advice = f"Use another copy or, if you trust this {names[0]}, set {variable}={mirror}#sha256=..."
                    raise UserError(f"{error}.\n{advice}") from None
                if place == mirror:
                    say(f"warning: {variable}: {error}; looking for {name} elsewhere")
                failures.append(str(error))
        else:
            raise Unavailable(
                f"the source {source} is not available, since {name} was not found: {'; '.join(failures)}.\n"
                f"Set {variable} to a folder or URL that holds {' and '.join(names[len(found) :])}, or go online."
            )
    return found


def get(place: str, name: str, checksum: str) -> Path:
    """Return the path of a file in a folder, or of its download from a URL, after checking its checksum.

    Downloads stay in the user's cache folder, under their checksum. Several processes may download the same file: each
    writes a temporary file and renames it when it is complete.

    Raises:
        Unavailable: The folder does not have the file, or it cannot be downloaded.
        Mismatch: The file has another checksum.
    """
    algorithm, _, expected = checksum.partition(":")
    if place.startswith(("http://", "https://")):
        return _download(place.rstrip("/") + "/", name, checksum)
    path = Path(os.path.expanduser(place), name)  # noqa: PTH111 - Path.expanduser fails without a home folder
    try:
        digest = pooch.file_hash(path, algorithm)
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from None
    if digest != expected:
        raise Mismatch(f"{path} has {algorithm} {digest}; expected {expected}")
    return path


def cache_folder() -> Path:
    """Return this project's folder in the user's cache folder.

    Raises:
        UserError: There is no home folder.
    """
    try:
        return Path(pooch.os_cache("multihot").expanduser())
    except RuntimeError:
        raise UserError(f"there is no home folder to keep downloads in: {_SET_CACHE}") from None


def _download(address: str, name: str, checksum: str) -> Path:
    folder = cache_folder() / checksum.partition(":")[2]
    try:  # user name and password are passed apart from the URL, so that no message shows them
        url, login = urldefragauth(address), get_auth_from_url(address)
    except ValueError as error:
        raise Unavailable(f"{address}: {one_line(error)}") from None
    downloader = _Downloader(
        progressbar=sys.stderr.isatty(),
        chunk_size=1 << 16,
        timeout=TIMEOUT,
        auth=login if any(login) else None,
        headers={"Accept-Encoding": "identity"},  # or requests unpacks a .gz that a server labels as compressed
    )
    files = pooch.create(folder, url, registry={name: checksum}, retry_if_failed=RETRIES)
    try:
        with cleanup_on_interrupt(name):  # so that pooch removes its temporary file
            return Path(files.fetch(name, downloader=downloader))
    except requests.RequestException as error:
        raise Unavailable(f"{url}{name}: {_reason(error)}") from None
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({_reason(error)}): {_SET_CACHE}") from None
    except ValueError as error:  # pooch raises it for the checksum only
        raise Mismatch(f"{url}{name}: {str(error).partition('. ')[0]}") from None


class _Downloader(pooch.HTTPDownloader):  # type: ignore[misc]
    """Fails at once where trying again is useless; pooch repeats whatever raises a RequestException."""

    def __call__(self, url: str, *arguments: Any, **named: Any) -> Any:
        try:
            return super().__call__(url, *arguments, **named)
        except requests.RequestException as error:
            refused = error.response is not None and error.response.status_code < 500
            if refused or isinstance(error, requests.ConnectTimeout):
                raise Unavailable(f"{url}: {_reason(error)}") from None
            raise


def _reason(error: BaseException) -> str:
    """Return the innermost cause; the messages around it name classes of requests and urllib3."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return one_line(getattr(error, "strerror", None) or error)
