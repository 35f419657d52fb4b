"""Get a corpus, check it, and write it as token ids, labels and vocabulary.

Reads   the first source of `data.sources` that can be had
Writes  data/raw/{train,test}.parquet, vocabulary.parquet, source.json
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from stages import artifacts, console, params, storage
from stages.download import aclimdb, fetch, files, imdb, synthetic
from stages.download.corpus import Corpus, Digest, sha256
from stages.download.text import TOKENIZERS
from stages.params import Data


def main() -> None:
    """Run the stage."""
    settings = params.load().data
    corpus = first(settings)
    source = write(corpus)
    console.say(
        f"{source.name}: {source.train_rows:,} training and {source.test_rows:,} test reviews, "
        f"{len(corpus.words):,} words -> {artifacts.RAW}"
    )


def first(settings: Data) -> Corpus:
    """The corpus of the first source that can be had."""
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


def write(corpus: Corpus) -> artifacts.Source:
    """Write a corpus to data/raw, and say what it was."""
    digests = {split: Digest() for split in artifacts.SPLITS}
    with storage.replacing(artifacts.RAW) as folder:
        folder.mkdir()
        for split, digest in digests.items():
            artifacts.write_reviews(folder, split, digest.through(corpus.splits[split]))
        artifacts.write_vocabulary(folder, corpus.words, corpus.counts)
        source = artifacts.Source(
            corpus.source,
            corpus.tokenizer,
            digests["train"].rows,
            digests["test"].rows,
            sha256(corpus.words, digests.values()),
        )
        artifacts.write_source(folder, source)
    return source


if __name__ == "__main__":
    console.run(main, __doc__)
