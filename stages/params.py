"""The schema of params.yaml: one class per section, one field per parameter.

Each field's description says what is allowed, and is what a user reads when a value is not.
"""

from difflib import get_close_matches
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from stages.console import UserError, one_line

PARAMS = Path("params.yaml")

_ALIASES, _DEPTH = 20, 20
"""Aliases and levels that the file may have: more than the parameters take, too few to make much of a small file."""

TokenizerName = Literal["keras", "unicode"]
"""What `stages.encoding.tokenizers.TOKENIZERS` knows a tokenizer by."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _inside(name: str) -> str:
    """The name of something in the folder, or below it: DVC does not watch what is elsewhere."""
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


_FileName = Annotated[str, Field(min_length=1), AfterValidator(_inside)]
_FileNames = _FileName | Annotated[list[_FileName], Field(min_length=1)]
_Label = bool | int | float | str
_Labels = _Label | Annotated[list[_Label], Field(min_length=1)]


class Files(_Section):
    """Your own reviews: read by the source `files`. Columns and labels are as in `stages.download.files`."""

    folder: Annotated[str, Field(min_length=1, description="the path of a folder, a dependency of the stage")]
    train: Annotated[
        _FileNames,
        Field(description="a file or folder in data.files.folder, a pattern such as part-*.csv, or a list of these"),
    ]
    test: Annotated[
        _FileNames | None,
        Field(description="the same as for train, or null: test_share of the rows of train are tested on"),
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
            description="the label that counts as positive, a list of such labels, or null: 0 and 1, neg and pos, "
            "negative and positive, false and true are understood"
        ),
    ]
    negative: Annotated[
        _Labels | None, Field(description="the same for negative, or null: the one label that is not positive")
    ]
    encoding: Annotated[
        str,
        AfterValidator(_encoding),
        Field(description="the name of an encoding that Python knows, such as utf-8 or cp1252"),
    ]
    bad_rows: Annotated[Literal["error", "skip"], Field(description="error or skip")]
    duplicates: Annotated[Literal["keep", "drop"], Field(description="keep or drop")]
    test_share: Annotated[float, Field(gt=0, lt=1, description="a number between 0 and 1, both excluded")]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="a whole number from 0 to 4294967295")]


class Synthetic(_Section):
    """The corpus that the source `synthetic` draws: read by `download`."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="a whole number from 0 to 4294967295")]
    train_rows: Annotated[int, Field(ge=2, le=10**8, description="a whole number from 2 to 100000000")]
    test_rows: Annotated[int, Field(ge=2, le=10**8, description="a whole number from 2 to 100000000")]


class Data(_Section):
    """Where reviews come from: read by `download`."""

    sources: Annotated[
        list[Literal["imdb", "aclimdb", "files", "synthetic"]],
        Field(min_length=1, description="a list of one or more of: imdb, aclimdb, files, synthetic"),
    ]
    tokenizer: Annotated[TokenizerName, Field(description="keras or unicode")]
    files: Annotated[Files, Field(description="a section")]
    synthetic: Annotated[Synthetic, Field(description="a section")]


class Vectorize(_Section):
    """Shape of the multi-hot matrices: read by `vectorize`."""

    num_words: Annotated[int, Field(ge=5, le=2**31 - 1, description="a whole number from 5")]
    rows_per_part: Annotated[int, Field(ge=1, le=10**7, description="a whole number from 1 to 10000000")]


class Train(_Section):
    """The network and how it is trained: read by `train`.

    `activation`, `optimizer` and `loss` are names that Keras knows. Keras is not imported here, since that takes
    seconds: `stages.train.network` looks the names up.
    """

    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="a whole number from 0 to 4294967295")]
    hidden_units: Annotated[
        list[Annotated[int, Field(ge=1, le=2**16)]], Field(description="a list of whole numbers from 1 to 65536")
    ]
    activation: Annotated[str, Field(description="the name of a Keras activation, such as relu")]
    optimizer: Annotated[str, Field(description="the name of a Keras optimizer, such as rmsprop")]
    learning_rate: Annotated[float, Field(gt=0, description="a number above 0")]
    loss: Annotated[str, Field(description="the name of a Keras loss, such as binary_crossentropy")]
    dropout: Annotated[float, Field(ge=0, lt=1, description="a number from 0, below 1")]
    l2: Annotated[float, Field(ge=0, description="a number from 0")]
    batch_size: Annotated[int, Field(ge=1, le=10**6, description="a whole number from 1 to 1000000")]
    holdout_rows: Annotated[int, Field(ge=1, description="a whole number from 1, below the number of training rows")]
    holdout_epochs: Annotated[int, Field(ge=1, description="a whole number from 1")]
    epochs: Annotated[
        Annotated[int, Field(ge=1)] | Literal["best"], Field(description="a whole number from 1, or best")
    ]


class Params(_Section):
    """All of params.yaml; `evaluate` shows it in the report."""

    data: Annotated[Data, Field(description="a section")]
    vectorize: Annotated[Vectorize, Field(description="a section")]
    train: Annotated[Train, Field(description="a section")]


def load() -> Params:
    """Read and check params.yaml.

    The whole file is checked whichever stage asks, so that a mistake in `train` shows before `download` works.

    Raises:
        UserError: the file cannot be read, or a key is unknown, missing or has a value that is not allowed.
    """
    try:
        text = PARAMS.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{PARAMS} is missing: run this in the project's folder, or `git checkout {PARAMS}`") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{PARAMS}, byte {error.start + 1} is not UTF-8: save the file in UTF-8") from None
    try:
        values = _parse(text)
    except Exception as error:  # a value that is not of its tag shows as almost anything, as a KeyError for one
        mark = getattr(error, "problem_mark", None)
        where = f"{PARAMS}:{mark.line + 1}" if mark else str(PARAMS)
        raise UserError(f"{where} is not valid YAML: {one_line(getattr(error, 'problem', None) or error)}") from None
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        lines = dict.fromkeys(_explain(detail) for detail in error.errors(include_url=False))
        raise UserError("\n".join(lines)) from None


def _parse(text: str) -> Any:
    """The values in a YAML text, as DVC reads them."""
    aliases = depth = 0
    for event in YAML(typ="safe").parse(text):
        aliases += isinstance(event, AliasEvent)
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if aliases > _ALIASES or depth > _DEPTH:
            raise ValueError(f"it has more than {_ALIASES} aliases, or values in more than {_DEPTH} others")
    return YAML(typ="safe").load(text)


def _explain(error: ErrorDetails) -> str:
    """One line for one of pydantic's errors: the key's path, the value, what is allowed."""
    section: type[BaseModel] = Params
    path: list[str] = []
    allowed = f"sections {', '.join(Params.model_fields)}"
    for step in error["loc"]:
        field = section.model_fields.get(str(step))
        if field is None:
            break
        path.append(str(step))
        allowed = field.description or ""
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            break
        section = field.annotation
    key = ".".join(path) + "".join(f"[{step}]" for step in error["loc"] if isinstance(step, int))
    if error["type"] == "extra_forbidden":
        return _unknown(key, one_line(str(error["loc"][-1])), list(section.model_fields))
    if error["type"] == "missing":
        return f"{PARAMS}: {key} is missing; expected {allowed}"
    return f"{PARAMS}: {key or 'the file'} is {_short(error['input'])}; expected {allowed}"


def _unknown(section: str, name: str, known: list[str]) -> str:
    prefix = f"{section}." if section else ""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(prefix + key for key in known)}"
    return f"{PARAMS}: {prefix}{name} is not a parameter; {hint}"


def _short(value: Any) -> str:
    """A value as Python writes it, in 60 characters at most, however large it is."""
    shown = Repr()
    shown.maxstring = shown.maxlong = shown.maxother = 60
    try:
        text = shown.repr(value)
    except ValueError:  # Python shows no number of more than 4,300 digits
        return f"a {type(value).__name__} of too many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
