"""The page try.html in a real browser agrees with `stages.predict`, the tokenizers and Keras."""

import random
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from keras import layers
from playwright.sync_api import Browser, Page

from stages.contracts.features import FEATURES, FEATURES_COLUMNS, Columns, read_part, write_columns, write_part
from stages.contracts.model import write_model
from stages.encoding import TokenizerName, vocabulary
from stages.encoding.tokenizers import TOKENIZERS
from stages.evaluate import try_page
from stages.inference import network
from stages.predict.model import Answer, Model
from stages.tables.rows import Row
from tests.conftest import quietly_opened

PIECES = [
    "good ", "bad ", "Film, ", "it's ", "don\u2019t ", "THE ", "not ", "2nd\n", "a_b ", "Straße ", "İstanbul ", "<",
    "&",
    "ΌΣΟΣ ", "e\u0301te\u0301 ", "ﬁn ", "हिन्दी ", "می‌خواهم ", "電影很好看", "好", "ภาษาไทย", "ที่นี่", "カﾞ", "한국어 ",
    "👍", "<br />", "<b>", "</B>", "<!-- x ", "-->", "<p class='x'>", "<3 ", "&amp;", "&#39;", "&eacute;",
    "&#150;", "&#1;", "&#xD800;", "&#9999999;", "&lt;b&gt;", "\0", "\xa0", "\u0345", "\u0301", "\t", "\u2028",
    "</script>", "<!--> ",
]  # fmt: skip
Build = Callable[[int], list[keras.Layer]]


def made_up(count: int, seed: int = 0) -> list[str]:
    generator = random.Random(seed)
    return ["", " ", *("".join(generator.choices(PIECES, k=generator.randint(1, 40))) for _ in range(count - 2))]


def reference(_: int) -> list[keras.Layer]:
    return [layers.Dense(16, "relu"), layers.Dense(16, "relu"), layers.Dense(1, "sigmoid")]


def scaled(columns: int) -> list[keras.Layer]:
    variance = np.random.default_rng(4).uniform(0.1, 5, columns)
    scaling = [layers.Normalization(mean=np.zeros(columns), variance=variance), layers.UnitNormalization()]
    return [*scaling, layers.Dropout(0.5), layers.Dense(16, "relu"), layers.Dense(1, "sigmoid")]


def of_all_kinds(_: int) -> list[keras.Layer]:
    normalizing = [
        layers.BatchNormalization(),
        layers.Normalization(mean=0.1, variance=2.0),
        layers.UnitNormalization(),
    ]
    hidden = [layers.Dense(16), *normalizing, layers.Activation("tanh"), layers.Dense(8, "gelu", use_bias=False)]
    return [*hidden, layers.Dense(1, "sigmoid")]


def words_of(texts: Sequence[str], tokenizer: TokenizerName) -> list[str]:
    """Two thirds of the words of these texts, so that some words are unknown."""
    words = sorted({word for text in texts for word in TOKENIZERS[tokenizer](text)})
    return [word for place, word in enumerate(words) if place % 3]


def train(build: Build, words: Sequence[str], tokenizer: TokenizerName) -> tuple[keras.Sequential, Columns]:
    """Write a network whose weights make texts differ, given a function of the number of columns."""
    columns = Columns([*vocabulary.SPECIAL, *words], tokenizer)
    model = keras.Sequential([keras.Input((len(columns.words),)), *build(len(columns.words))])
    model.compile("sgd", "binary_crossentropy")
    generator = np.random.default_rng(3)
    for layer in model.layers:
        shapes = [weights.shape for weights in layer.get_weights()]
        if isinstance(layer, layers.Dense):
            layer.set_weights([generator.normal(0, 0.7, shape) for shape in shapes])
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights([generator.uniform(0.5, 2, shape) for shape in shapes])
    write_model(model, columns)
    return model, columns


def render(columns: Columns, texts: Sequence[str], threshold: float = 0.5) -> str:
    """The page of the network that was written last, with texts as the test split."""
    FEATURES.mkdir(parents=True, exist_ok=True)
    write_columns(FEATURES_COLUMNS, columns)
    write_part(FEATURES, "test", 0, Model(network.read(columns), columns).encode(texts))
    read_part.cache_clear()
    page, again = (try_page.render(network.read(columns), columns, "<i>made up</i>", threshold) for _ in range(2))
    assert page == again
    return page


def opened(browser: Browser, page: str, **settings: Any) -> Page:
    path = Path("try.html").resolve()
    path.write_text(page, encoding="utf-8")
    return quietly_opened(browser, path, **settings)


def typed(tab: Page, texts: Sequence[str]) -> list[dict[str, Any]]:
    """What the page shows for each text, and the effect that it computes for each word."""
    shown: list[dict[str, Any]] = tab.evaluate(
        """texts => { const network = load(model), get = id => document.getElementById(id)
        return texts.map(text => {
            get("review").value = text
            get("review").dispatchEvent(new Event("input"))
            const effects = [...network.answer(get("review").value).effects]
            return {text: get("review").value, probability: +get("probability").value, label: get("label").textContent,
                known: !get("note").textContent, words: get("words").textContent,
                effects: Object.fromEntries(effects.map(([column, effect]) => [model.words[column], effect]))} }) }""",
        texts,
    )
    return shown


def predicted(columns: Columns, texts: Sequence[str], threshold: float = 0.5) -> list[Answer]:
    rows = [Row(f"text {number}", text) for number, text in enumerate(texts)]
    return list(Model(network.read(columns), columns, threshold).answers(rows, explain=True))


@pytest.mark.parametrize(("build", "tokenizer"), [(reference, "keras"), (scaled, "unicode"), (of_all_kinds, "unicode")])
def test_the_page_answers_as_predict_does(
    browser: Browser, folder: Path, build: Build, tokenizer: TokenizerName
) -> None:
    texts = made_up(100)
    _, columns = train(build, words_of(texts, tokenizer), tokenizer)
    # Half of the texts are above this threshold.
    threshold = float(np.median([answer.probability for answer in predicted(columns, texts)]))
    page = render(columns, texts, threshold)
    assert f'style="--threshold: {100 * threshold}%"' in page
    shown = typed(opened(browser, page), texts)
    answers = predicted(columns, [each["text"] for each in shown], threshold)
    for each, answer in zip(shown, answers, strict=True):
        assert each["probability"] == pytest.approx(answer.probability, abs=1e-3)
        assert each["label"] == answer.label or abs(answer.probability - threshold) < 1e-3
        assert each["known"] == answer.known
        assert each["effects"] == pytest.approx(answer.contributions, abs=0.05)
        assert each["words"] == each["text"]
    assert {answer.label for answer in answers} == {"positive", "negative"}
    assert np.std([answer.probability for answer in answers]) > 0.02


@pytest.mark.parametrize("name", ["keras", "unicode"])
def test_the_page_splits_texts_as_python_does(browser: Browser, folder: Path, name: TokenizerName) -> None:
    _, columns = train(reference, ["good"], name)
    tab = opened(browser, render(columns, [""]))
    known = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
    some = [c for c in known if c < "\u3400"] + known[::20]
    characters = ["".join(f"a{c}b " for c in some[start : start + 200]) for start in range(0, len(some), 200)]
    texts = [*made_up(1000, seed=1), *characters]
    found = tab.evaluate(
        "texts => { const {split} = {keras, unicode}[model.tokenizer](model.characters); return texts.map(split) }",
        texts,
    )
    for text, words in zip(texts, found, strict=True):
        assert words == TOKENIZERS[name](text), ascii(text)


def test_phrases_are_found_in_the_text(browser: Browser, folder: Path) -> None:
    words = ["good", "bad", "not", "not good", "not so", "so good", "not so good"]
    model, columns = train(reference, words, "keras")
    texts = ["not so good", "not good", "good, not so bad", "so", "not", "bad bad not so good not good"]
    dense = np.zeros((len(texts), len(columns.words)), np.float32)
    for row, text in zip(dense, texts, strict=True):
        spaced = f" {text.replace(',', '')} "
        row[4:] = [f" {word} " in spaced for word in words]
        row[1], row[2] = 1, " so " in spaced
    shown = typed(opened(browser, render(columns, texts)), texts)
    expected = model.predict(dense, verbose=0)[:, 0]
    np.testing.assert_allclose([each["probability"] for each in shown], expected, atol=1e-3)


def test_activations_are_those_of_keras(browser: Browser, folder: Path) -> None:
    _, columns = train(reference, ["good"], "keras")
    tab = opened(browser, render(columns, [""]))
    names = set(tab.evaluate("Object.keys(LAYERS)")) - {"multiply", "affine", "unit_length"}
    assert {"linear", "relu", "sigmoid", "tanh", "softmax"} <= names
    units = np.random.default_rng(5).normal(0, 3, 40).astype(np.float32)
    for name in names:
        expected = np.asarray(keras.activations.get(name)(units[None]))[0]
        found = tab.evaluate("([name, units]) => [...LAYERS[name](units)]", [name, units.tolist()])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_page_names_a_layer_that_it_cannot_compute(browser: Browser, folder: Path) -> None:
    some = [layers.Dense(4), layers.LayerNormalization(), layers.Dense(1, "sigmoid")]
    _, columns = train(lambda _: some, ["good"], "keras")
    tab = opened(browser, render(columns, [""]))
    assert "LayerNormalization" in tab.locator("#problem").inner_text()
    assert not tab.locator("#review").is_visible()


def test_a_large_model_loses_its_least_important_columns_and_the_page_states_the_error(
    browser: Browser, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = made_up(200)
    words = words_of(texts, "keras")
    _, columns = train(scaled, words, "keras")
    whole = render(columns, texts)
    monkeypatch.setattr(try_page, "LARGEST", try_page._CODE + len(words) * 30)
    small = render(columns, texts)
    assert len(small) < len(whole)
    tab = opened(browser, small)
    kept = tab.evaluate("model.words")
    assert kept[:4] == [*vocabulary.SPECIAL]
    assert 4 < len(kept) < len(columns.words)
    shown = typed(tab, texts)
    answers = predicted(columns, [each["text"] for each in shown])
    off = max(abs(each["probability"] - answer.probability) for each, answer in zip(shown, answers, strict=True))
    footer = tab.locator("footer").inner_text()
    assert f"the {len(columns.words) - len(kept):,} that matter least" in footer
    assert float(re.findall(r"within ([\d.]+) of", footer)[0]) == pytest.approx(off, abs=2e-5)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_works_with_the_keyboard_and_has_no_accessibility_violations(
    browser: Browser, folder: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    words = sorted({word for text in try_page.EXAMPLES.values() for word in TOKENIZERS["keras"](text)})
    _, columns = train(reference, words, "keras")
    page = render(columns, [*try_page.EXAMPLES.values()])
    tab = opened(browser, page, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert (tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 23)") == (scheme == "dark")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.labels[0].textContent") == "Your review"
    for text in try_page.EXAMPLES.values():
        tab.keyboard.press("Tab")
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        tab.keyboard.press("Enter")
        assert tab.locator("#review").input_value() == tab.locator("#words").text_content() == text
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()
    label, chance = tab.locator("#label").text_content(), tab.locator("#probability").text_content()
    tab.wait_for_function(
        "text => document.getElementById('spoken').textContent.startsWith(text)", arg=f"{label}, probability {chance}"
    )
    strongest = tab.locator("tbody tr").first.inner_text().split()
    (answer,) = predicted(columns, [tab.locator("#review").input_value()])
    word, effect = next(iter((answer.contributions or {}).items()))
    assert strongest == [word, f"{effect:+.2f}"]
