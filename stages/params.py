"""The schema of params.yaml: one class per section, one field per parameter.

Each field's description says what is allowed. It is part of the error for a value that is not.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.console import UserError, one_line
from stages.encoding import TokenizerName

PARAMS = Path("params.yaml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _inside(name: str) -> str:
    """Refuse a path that leads out of the folder, because DVC does not watch files elsewhere."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError
    return name


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError from None
    return name


def _new_columns(names: list[str]) -> list[str]:
    if len(set(names)) < len(names) or {"tokens", "label", "file", "row"} & set(names):
        raise ValueError
    return names


_FileName = Annotated[str, Field(min_length=1), AfterValidator(_inside)]
_FileNames = _FileName | Annotated[list[_FileName], Field(min_length=1)]
_Label = bool | int | float | str
_Rows = Annotated[int, Field(ge=2, le=10**8, description="a whole number from 2 to 100000000")]
_Seed = Annotated[int, Field(ge=0, le=2**32 - 1, description="a whole number from 0 to 4294967295")]
_Labels = _Label | Annotated[list[_Label], Field(min_length=1)]


class Files(_Section):
    """Your own reviews, which the source `files` reads."""

    folder: Annotated[
        str,
        Field(pattern="^[^~]", description="a folder's path, without ~, or an address such as s3://bucket/reviews"),
    ]
    train: Annotated[
        _FileNames,
        Field(description="a file or folder in data.files.folder, a pattern such as part-*.csv, or a list of these"),
    ]
    test: Annotated[
        _FileNames | None,
        Field(description="the same as for train, or null: a random share (test_share) of the rows of train"),
    ]
    text: Annotated[
        str | None, Field(description="the name of the text's column, or null: the one called text, review or sentence")
    ]
    label: Annotated[
        str | None, Field(description="the name of the label's column, or null: the one called label or sentiment")
    ]
    columns: Annotated[
        Annotated[list[str], Field(min_length=1)] | None,
        Field(description="a list of the names of all columns, for tables without a header, or null"),
    ]
    positive: Annotated[
        _Labels | None,
        Field(
            description="a label, a list of labels, or null if the labels are 0 and 1, neg and pos, "
            "negative and positive, or false and true"
        ),
    ]
    negative: Annotated[
        _Labels | None, Field(description="a label, a list of labels, or null: the only label that is not positive")
    ]
    slices: Annotated[
        list[Annotated[str, Field(min_length=1)]],
        AfterValidator(_new_columns),
        Field(description="a list of names of columns, each once, and none of tokens, label, file and row"),
    ]
    encoding: Annotated[
        str,
        AfterValidator(_encoding),
        Field(description="the name of an encoding that Python knows, such as utf-8 or cp1252"),
    ]
    bad_rows: Annotated[Literal["error", "skip"], Field(description="error or skip")]
    duplicates: Annotated[Literal["keep", "drop"], Field(description="keep or drop")]
    test_share: Annotated[float, Field(gt=0, lt=1, description="a number between 0 and 1, both excluded")]
    seed: _Seed


class Synthetic(_Section):
    """The corpus that the source `synthetic` draws."""

    seed: _Seed
    train_rows: _Rows
    test_rows: _Rows


class Data(_Section):
    """Where the reviews come from. Read by `download`."""

    sources: Annotated[
        list[Literal["imdb", "aclimdb", "files", "synthetic"]],
        Field(min_length=1, description="a list of one or more of: imdb, aclimdb, files, synthetic"),
    ]
    tokenizer: Annotated[TokenizerName, Field(description="keras or unicode")]
    files: Files
    synthetic: Synthetic


class Vectorize(_Section):
    """The shape of the multi-hot matrices. Read by `vectorize`."""

    num_words: Annotated[
        Annotated[int, Field(ge=5, le=2**31 - 1)] | None,
        Field(description="a whole number from 5, or null"),
    ]
    ngrams: Annotated[int, Field(ge=1, le=10, description="a whole number from 1 to 10")]
    min_count: Annotated[int, Field(ge=1, le=2**31 - 1, description="a whole number from 1")]
    rows_per_part: Annotated[int, Field(ge=1, le=10**7, description="a whole number from 1 to 10000000")]


class Train(_Section):
    """The network and its training. Read by `train`.

    `activation`, `optimizer` and `loss` are names in Keras. `stages.train.network` checks them: importing Keras here
    would take seconds in every stage.
    """

    seed: _Seed
    hidden_units: Annotated[
        list[Annotated[int, Field(ge=1, le=2**16)]], Field(description="a list of whole numbers from 1 to 65536")
    ]
    activation: Annotated[str, Field(description="the name of a Keras activation, such as relu")]
    optimizer: Annotated[str, Field(description="the name of a Keras optimizer, such as rmsprop")]
    learning_rate: Annotated[float, Field(gt=0, description="a number above 0")]
    loss: Annotated[str, Field(description="the name of a Keras loss, such as binary_crossentropy")]
    weighting: Annotated[Literal["log_ratio"] | None, Field(description="log_ratio or null")]
    dropout: Annotated[float, Field(ge=0, lt=1, description="a number from 0, below 1")]
    l2: Annotated[float, Field(ge=0, description="a number from 0")]
    batch_size: Annotated[int, Field(ge=1, le=10**6, description="a whole number from 1 to 1000000")]
    holdout_rows: Annotated[int, Field(ge=1, description="a whole number from 1, below the number of training rows")]
    holdout_epochs: Annotated[int, Field(ge=1, description="a whole number from 1")]
    epochs: Annotated[
        Annotated[int, Field(ge=1)] | Literal["best"], Field(description="a whole number from 1, or best")
    ]


class Evaluate(_Section):
    """How the test split is evaluated. Read by `evaluate`."""

    threshold: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | Literal["best"],
        Field(description="a number between 0 and 1, both excluded, or best"),
    ]


class Params(_Section):
    """All of params.yaml. `evaluate` shows it in the report."""

    data: Data
    vectorize: Vectorize
    train: Train
    evaluate: Evaluate


_loaded: Any = None
"""The values that `load` has read."""


def load() -> Params:
    """Read and check params.yaml.

    The whole file is checked in each stage, so that you learn of a mistake in `train` before `download` has run.

    Raises:
        UserError: The file is missing or not valid YAML, or a parameter is unknown, missing, or has a value that is not
            allowed.
    """
    global _loaded
    _loaded = _read()
    try:
        return Params.model_validate(_loaded)
    except ValidationError as error:
        lines = dict.fromkeys(_explain(detail) for detail in error.errors(include_url=False))
        raise UserError("\n".join(lines)) from None


def holdout_that_fits(rows: int) -> int | None:
    """Return None if `train.holdout_rows` is smaller than this number of training rows, otherwise a value that is.

    `download` prints the value in a warning, so that you learn of the problem before `train` runs. No output of
    `download` depends on it, so `train.holdout_rows` is not a parameter of `download` in dvc.yaml.
    """
    return None if _value(_loaded, "train.holdout_rows") < rows else max(1, rows * 2 // 5)


def changed(keys: Iterable[str]) -> bool:
    """Return whether any of these parameters or sections (dotted keys) has changed since `load` read params.yaml."""
    return any(value(key) != _value(_loaded, key) for key in keys)


def value(key: str) -> Any:
    """Return the value that a dotted key has in params.yaml now, without checking it. None means that it has none."""
    try:
        return _value(_read(), key)
    except (UserError, OSError):
        return None


def _value(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _read() -> Any:
    try:
        return YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{PARAMS} is missing: run this in the project's folder, or `git checkout {PARAMS}`") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{PARAMS}, byte {error.start + 1} is not UTF-8: save the file in UTF-8") from None
    except (YAMLError, ValueError) as error:  # ValueError: a date that does not exist, for example
        mark = getattr(error, "problem_mark", None)
        where = f"{PARAMS}:{mark.line + 1}" if mark else str(PARAMS)
        raise UserError(f"{where} is not valid YAML: {one_line(getattr(error, 'problem', None) or error)}") from None


def _explain(error: ErrorDetails) -> str:
    """Return one line for one of pydantic's errors: the key's path, its value, and what is allowed."""
    section: type[BaseModel] = Params
    path: list[str] = []
    allowed = f"sections {', '.join(Params.model_fields)}"
    for step in error["loc"]:
        field = section.model_fields.get(str(step))
        if field is None:
            break
        path.append(str(step))
        kind = field.annotation
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            allowed = field.description or f"a value of type {getattr(kind, '__name__', kind)}"
            break
        allowed, section = "a section", kind
    key = ".".join(path) + "".join(f"[{step}]" for step in error["loc"] if isinstance(step, int))
    if error["type"] == "extra_forbidden":
        return _unknown(key, str(error["loc"][-1]), list(section.model_fields))
    if error["type"] == "missing":
        return f"{PARAMS}: {key} is missing; expected {allowed}"
    value = repr(error["input"])
    shown = value if len(value) <= 60 else f"{value[:57]}..."
    return f"{PARAMS}: {key or 'the file'} is {shown}; expected {allowed}"


def _unknown(section: str, name: str, known: list[str]) -> str:
    prefix = f"{section}." if section else ""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(prefix + key for key in known)}"
    return f"{PARAMS}: {prefix}{name} is not a parameter; {hint}"
