"""Valid and invalid values in params.yaml."""

from pathlib import Path

import pytest

from stages import params
from stages.console import UserError
from tests.conftest import write_params


@pytest.fixture
def edit(folder: Path):
    """Replace the last entry of a key in the reference run's params.yaml by a line."""
    write_params(folder)

    def replace(key: str, line: str) -> None:
        path = folder / "params.yaml"
        lines = path.read_text().splitlines()
        at = max(i for i, text in enumerate(lines) if text.lstrip().startswith(f"{key}:"))
        while lines[at + 1 :] and lines[at + 1].lstrip().startswith("- "):
            del lines[at + 1]
        lines[at] = line
        path.write_text("\n".join(lines))

    return replace


@pytest.mark.parametrize(
    ("key", "line", "message"),
    [
        ("epochs", "  epochs: 0", "params.yaml: train.epochs is 0; expected a whole number from 1, or best"),
        ("epochs", "  epochs: beast", "params.yaml: train.epochs is 'beast'; expected a whole number from 1, or best"),
        ("seed", "  seed: 1.5", "params.yaml: train.seed is 1.5; expected a whole number from 0 to 4294967295"),
        ("seed", "  seed: true", "params.yaml: train.seed is True; expected a whole number from 0 to 4294967295"),
        ("learning_rate", "  learning_rate: -1", "params.yaml: train.learning_rate is -1; expected a number above 0"),
        ("learning_rate", "  learning_rate: .nan", "train.learning_rate is nan; expected a number above 0"),
        ("hidden_units", "  hidden_units: [16, 0]", "train.hidden_units[1] is 0; expected a list of whole numbers"),
        ("num_words", "  num_words: '10'", "params.yaml: vectorize.num_words is '10'; expected a whole number from 5"),
        ("batch_size", "  batchsize: 1", "train.batchsize is not a parameter; did you mean train.batch_size?"),
        ("batch_size", "", "params.yaml: train.batch_size is missing; expected a whole number from 1 to 1000000"),
        ("vectorize", "vectorise:", "params.yaml: vectorise is not a parameter; did you mean vectorize?"),
        ("seed", "  seed: [1", "params.yaml:"),
    ],
)  # fmt: skip
def test_an_error_names_the_key_its_value_and_what_is_allowed(edit, key: str, line: str, message: str) -> None:
    edit(key, line)
    with pytest.raises(UserError) as caught:
        params.load()
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [1, 4, 100, "best"])
def test_epochs_is_a_number_or_best(edit, value: int | str) -> None:
    edit("epochs", f"  epochs: {value}")
    assert params.load().train.epochs == value


@pytest.mark.parametrize(
    "content", [b"", b"- 1\n", b"42\n", b"\xff\xfe\x00", b"a: {b: [}", b"a: 1\na: 2\n", b"!!python/x"]
)
def test_invalid_yaml_is_an_error(folder: Path, content: bytes) -> None:
    (folder / "params.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"params\.yaml"):
        params.load()


def test_a_missing_file_is_an_error(folder: Path) -> None:
    with pytest.raises(UserError, match=r"params\.yaml is missing"):
        params.load()


def test_a_home_folder_is_an_error_because_dvc_does_not_expand_it(edit) -> None:
    edit("folder", "    folder: ~/reviews")
    with pytest.raises(UserError, match=r"data\.files\.folder is '~/reviews'; expected .* ~"):
        params.load()


@pytest.mark.parametrize("name", ["../reviews.csv", "/data/reviews.csv", "more/../../reviews.csv"])
def test_reviews_outside_the_folder_are_an_error(edit, name: str) -> None:
    edit("test", f"    test: {name}")
    with pytest.raises(UserError, match=rf"data.files.test is '{name}'; expected the same as for train"):
        params.load()
    edit("test", "    test: more/reviews.csv")
    assert params.load().data.files.test == "more/reviews.csv"
