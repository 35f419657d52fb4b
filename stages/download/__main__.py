"""Get a corpus, check it, and write it as token ids, labels and vocabulary.

Reads   the first available source of `data.sources`
Writes  data/raw/{train,test}.parquet, vocabulary.parquet, source.json
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from stages import console, params, storage
from stages.contracts.reviews import RAW, SPLITS, Source, write_reviews, write_source, write_vocabulary
from stages.download import aclimdb, fetch, files, imdb, own, synthetic
from stages.download.corpus import Corpus, Digest, sha256
from stages.encoding.tokenizers import TOKENIZERS
from stages.params import Data


def main() -> None:
    """Run the stage."""
    settings = params.load().data
    own.refuse_links(Path(settings.files.folder))
    own.warn_of_unused(settings)
    corpus = first(settings)
    source = write(corpus)
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
    tokenizer = TOKENIZERS[settings.tokenizer]
    sources: dict[str, Callable[[], Corpus]] = {
        "imdb": imdb.load,
        "aclimdb": lambda: replace(aclimdb.load(tokenizer), tokenizer=settings.tokenizer),
        "files": lambda: replace(files.load(settings.files, tokenizer), tokenizer=settings.tokenizer),
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
    digests = {split: Digest() for split in SPLITS}
    with storage.atomic_write(RAW) as folder:
        folder.mkdir()
        for split, digest in digests.items():
            write_reviews(folder, split, digest.through(corpus.splits[split]))
        write_vocabulary(folder, corpus.words, corpus.counts)
        source = Source(
            corpus.source,
            corpus.tokenizer,
            digests["train"].rows,
            digests["test"].rows,
            sha256(corpus.words, digests.values()),
            corpus.own,
        )
        write_source(folder, source)
    return source


if __name__ == "__main__":
    console.run(main, __doc__)
