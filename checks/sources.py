"""Ask again for a source that was not available, and do not compare the metrics of two sources.

`data.sources` in params.yaml is tried in order. When the first source was not available, the results are those of
another one, and DVC sees no reason to run `download` again. `make repro` does, and says which source it used.
"""

import json
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

from stages import console, params
from stages.contracts.reviews import RAW, read_source
from stages.download import own

METRICS = Path("results/metrics.json")


def main(ask_again: bool, md: bool, revision: str) -> None:
    """Run `download` again after a fallback, or print the metrics beside those of a revision."""
    if ask_again:
        own.refuse_links(Path(params.load().data.files.folder))  # here, because DVC's message for them is no help
        if fallback():
            dvc("repro", "--force", "--single-item", "download")
        return
    print_metrics(revision, ["--md"] if md else [])
    if warning := fallback():
        console.say(warning)


def fallback() -> str | None:
    """Return a warning when data/raw is not of the first source in params.yaml, otherwise None."""
    first = params.load().data.sources[0]
    used = read_source().name if RAW.is_dir() else first
    if used == first:
        return None
    return (
        f"warning: these results are of the source {used}, because {first} was not available; "
        f"the next `make repro` tries {first} again"
    )


def print_metrics(revision: str, options: list[str]) -> None:
    """Print the metrics and, if the revision has metrics of the same source, the changes since the revision."""
    now, before = source(METRICS.read_text("utf-8")), source(committed(revision))
    if now == before:
        dvc("metrics", "diff", "--all", *options, revision, "--targets", str(METRICS))
        return
    if before:
        console.say(
            f"{revision[:12]} has metrics of the source {before}, and these are of {now}: they are not compared.\n"
        )
    dvc("metrics", "show", *options, str(METRICS))


def committed(revision: str) -> str:
    """Return the text of metrics.json in a revision, or an empty text."""
    command = ["git", "show", f"{revision}:./{METRICS}"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def source(metrics: str) -> str | None:
    """Return the source of metrics, or None when there are none."""
    return json.loads(metrics)["source"] if metrics else None


def dvc(*arguments: str) -> None:
    """Run dvc, and end as it does when it fails."""
    sys.stdout.flush()
    done = subprocess.run([Path(sys.executable).with_name("dvc"), *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def arguments(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("revision", nargs="?", default="HEAD", help="what to compare with (default: HEAD)")
    parser.add_argument("--md", action="store_true", help="print the metrics as a Markdown table")
    parser.add_argument(
        "--ask-again", action="store_true", help="run download again after a fallback to another source"
    )


if __name__ == "__main__":
    console.run(main, __doc__, arguments)
