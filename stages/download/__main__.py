"""Get a corpus, check it, and write it as token ids, labels and vocabulary.

Reads   the first available source of `data.sources`
Writes  data/raw/{train,test}/part-NNNNN.parquet, vocabulary.parquet, source.json
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from stages import console, params, storage, workers
from stages.contracts.reviews import RAW, SPLITS, Source, write_reviews, write_source, write_vocabulary
from stages.download import aclimdb, fetch, files, imdb, own, synthetic, tokens
from stages.download.corpus import Corpus, Digest, Part, sha256
from stages.params import Data


def main() -> None:
    """Run the stage."""
    settings = params.load().data
    own.refuse_links(Path(settings.files.folder))
    own.warn_of_unused(settings)
    corpus = first(settings)
    source = write(corpus)
    tokens.prune()
    console.say(
        f"{source.name}: {source.train_rows:,} training and {source.test_rows:,} test reviews, "
        f"{len(corpus.words):,} words -> {RAW}"
    )
    if holdout := params.holdout_that_fits(source.train_rows):
        console.say(
            f"warning: train.holdout_rows in params.yaml leaves none of {source.train_rows:,} training reviews; "
            f"{holdout} would fit"
        )


def first(settings: Data) -> Corpus:
    """Return the corpus of the first available source. Warn about each source that is passed over."""
    sources: dict[str, Callable[[], Corpus]] = {
        "imdb": imdb.load,
        "aclimdb": lambda: aclimdb.load(settings.tokenizer),
        "files": lambda: files.load(settings.files, settings.tokenizer),
        "synthetic": lambda: synthetic.load(settings.synthetic),
    }
    for name, following in pairwise(settings.sources):
        try:
            return sources[name]()
        except fetch.Unavailable as error:
            reason = str(error).splitlines()[0].rstrip(".")
            console.say(f"warning: {reason}; trying the source {following} instead")
    return sources[settings.sources[-1]]()


def write(corpus: Corpus) -> Source:
    """Write a corpus to data/raw, and return what source.json says of it."""
    with storage.atomic_write(RAW) as folder:
        folder.mkdir()
        tasks = [(folder, split, *part) for split in SPLITS for part in enumerate(corpus.splits[split])]
        written = workers.run(
            write_part, tasks, corpus.size, "writing", [f"part {number} of {split}" for _, split, number, _ in tasks]
        )
        write_vocabulary(folder, corpus.words, corpus.counts)
        rows = {split: sum(rows for kind, rows, _ in written if kind == split) for split in SPLITS}
        digest = sha256(corpus.words, (digest for _, _, digest in written))
        source = Source(corpus.source, corpus.tokenizer, rows["train"], rows["test"], digest, corpus.own)
        write_source(folder, source)
    return source


def write_part(task: tuple[Path, str, int, Part]) -> tuple[str, int, bytes]:
    """Write a part of a split. Return the split, the number of rows and their digest."""
    folder, split, number, part = task
    digest = Digest()
    write_reviews(folder, split, digest.through(part()), number)
    return split, digest.rows, digest.digest()


if __name__ == "__main__":
    console.run(main, __doc__)
