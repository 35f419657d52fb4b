"""Where a source's files are looked for: in a mirror that the user names, then in the usual places."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stages.console import UserError
from stages.download import fetch


def find(source: str, places: Sequence[str], files: Sequence[fetch.Expected]) -> list[Path]:
    """The paths of `files`, from the first place that has them all.

    Args:
        source: as params.yaml names it. The variable `{SOURCE}_MIRROR` may name a place to look in first: a folder or a
            URL prefix, with `#sha256=...` after it where the first of `files` has another checksum there.
        places: folders or URL prefixes.
        files: what is needed.

    Raises:
        fetch.Unavailable: none of the places has the files.
        UserError: the mirror has other files than it should, or its checksum is not one.
    """
    variable = f"{source.upper()}_MIRROR"
    mirror, mark, digest = os.environ.get(variable, "").partition("#sha256=")
    if mark and not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise UserError(f"{variable} names the checksum {digest!r}; expected 64 hexadecimal digits")
    tried = []
    if mirror:
        first = replace(files[0], algorithm="sha256", digest=digest.lower()) if digest else files[0]
        try:
            return [fetch.get(mirror, file) for file in (first, *files[1:])]
        except fetch.Mismatch as error:  # named by the user: not to be passed over in silence
            hint = f"For an {first.name} that you trust, name its checksum: {variable}=PLACE#sha256=..."
            raise UserError(f"{error}.\n{hint}") from None
        except fetch.Unavailable as error:
            tried.append(str(error))
    for place in places:
        try:
            return [fetch.get(place, file) for file in files]
        except (fetch.Unavailable, fetch.Mismatch) as error:
            tried.append(str(error))
    names = " and ".join(file.name for file in files)
    raise fetch.Unavailable(
        f"the source {source} cannot be had: {'; '.join(tried)}.\n"
        f"Set {variable} to a folder or address that holds {names}, or connect."
    )
