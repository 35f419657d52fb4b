// The program of the page that stages/evaluate/try_page.py renders. It repeats in the browser what stages.predict does:
// stages/encoding/tokenizers.py, stages/inference/network.py and stages/inference/attribution.py explain the steps.
"use strict";

const find = id => document.getElementById(id);
const model = JSON.parse(find("model").textContent);
const LEAST = 0.005; // the smallest effect that is shown: it rounds to 0.01
const LISTED = 8; // words in each table
const STRONG = 0.4; // words with this share of the largest effect are underlined

// Numbers: base64 of 32-bit floats, or of 16-bit multiples of a step for each column of a matrix.

const bytes = base64 => Uint8Array.from(atob(base64), character => character.charCodeAt(0)).buffer;
const floats = base64 => Float64Array.from(new Float32Array(bytes(base64)));

function matrix({multiples, steps}) {
  const step = floats(steps);
  return Float64Array.from(new Int16Array(bytes(multiples)), (multiple, place) => multiple * step[place % step.length]);
}

// Tokenizers: from a text to words. `pieces` matches the parts of a text that are shown as words.

function keras() {
  const separators = "!\"#$%&()*+,\\-./:;<=>?@[\\\\\\]^_`{|}~\\t\\n ";
  const lower = text => text.replace(/[A-Z]+/g, letters => letters.toLowerCase());
  return {
    split: text => lower(text).split(RegExp(`[${separators}]+`)).filter(Boolean),
    pieces: RegExp(`[^${separators}]+`, "g"),
  };
}

function unicode({hidden, tag, reference, unspaced, spaced, marks, folded}) {
  const all = pattern => RegExp(pattern, "gsu");
  const run = `[${spaced}${unspaced}][${spaced}${unspaced}${marks}]*`;
  const patterns = {
    hidden: all(hidden), tag: all(tag), reference: all(reference), alone: all(`[${unspaced}][${marks}]*`),
    word: all(`${run}(?:['\u200c\u200d]${run})*`),
  };
  const scratch = document.implementation.createHTMLDocument().body;
  const referred = found => { scratch.innerHTML = found; return scratch.textContent; };
  const withoutHtml = text => text.replaceAll("\0", " ").replace(patterns.hidden, "\0").replace(patterns.tag, " ")
    .replace(patterns.reference, referred).replaceAll("\0", "");
  const fold = text => Array.from(text.normalize("NFD"), character => folded[character] ?? character).join("");
  return {
    split: text => fold(withoutHtml(text).replace(patterns.alone, " $& ")).normalize("NFC").replaceAll("\u2019", "'")
      .match(patterns.word) ?? [],
    pieces: all(`${tag}|[${unspaced}][${marks}]*|(?:${hidden}|${reference}|[${spaced}${marks}'\u2019\u200c\u200d])+`),
  };
}

// The network: from the columns of a text to log-odds.

const each = f => x => x.map(f);
const sum = x => x.reduce((total, value) => total + value, 0);
const sigmoid = x => x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
const softplus = x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clip = (x, low, high) => Math.min(Math.max(x, low), high);
const elu = x => x > 0 ? x : Math.expm1(x);
const hardSigmoid = x => clip(x + 3, 0, 6) / 6;
const scaled = (x, factor) => x.map(value => value * factor);
const inverseLength = squares => Math.min(1 / Math.sqrt(Math.max(squares, 0)), 1e12);

function erf(x) { // Abramowitz and Stegun 7.1.26, within 1.5e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

function softmax(x) {
  const largest = Math.max(...x), exponentials = x.map(value => Math.exp(value - largest)), total = sum(exponentials);
  return exponentials.map(value => value / total);
}

const LAYERS = {
  multiply: (x, {kernel}) => product(x, kernel),
  affine: (x, {slope, intercept}) => x.map((value, unit) => value * slope[unit] + intercept[unit]),
  unit_length: x => scaled(x, inverseLength(sum(x.map(value => value * value)))),
  softmax,
  celu: each(elu),
  elu: each(elu),
  exponential: each(Math.exp),
  gelu: each(x => 0.5 * x * (1 + erf(x / Math.SQRT2))),
  hard_sigmoid: each(hardSigmoid),
  hard_silu: each(x => x * hardSigmoid(x)),
  hard_swish: each(x => x * hardSigmoid(x)),
  hard_tanh: each(x => clip(x, -1, 1)),
  leaky_relu: each(x => x > 0 ? x : 0.2 * x),
  linear: x => x,
  log_sigmoid: each(x => -softplus(-x)),
  mish: each(x => x * Math.tanh(softplus(x))),
  relu: each(x => Math.max(x, 0)),
  relu6: each(x => clip(x, 0, 6)),
  selu: each(x => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x))),
  sigmoid: each(sigmoid),
  silu: each(x => x * sigmoid(x)),
  softplus: each(softplus),
  softsign: each(x => x / (1 + Math.abs(x))),
  swish: each(x => x * sigmoid(x)),
  tanh: each(Math.tanh),
};

function product(x, kernel) {
  const units = kernel.length / x.length, sums = Array(units).fill(0);
  x.forEach((value, row) => {
    if (value) for (let unit = 0; unit < units; unit++) sums[unit] += value * kernel[row * units + unit];
  });
  return sums;
}

function load({words, special, start, unknown, tokenizer, characters, unit_length, layers, ...packed}) {
  const kernel = matrix(packed.kernel), units = kernel.length / words.length;
  const scales = packed.scales && matrix(packed.scales);
  const value = column => scales ? scales[column] : 1;
  const columnOf = new Map(words.slice(special).map((word, place) => [word, special + place]));
  const longest = words.reduce((most, word) => Math.max(most, word.split(" ").length), 1);
  const steps = layers.map(({kind, ...arrays}) => {
    const numbers = Object.fromEntries(Object.entries(arrays).map(([name, base64]) => [name, floats(base64)]));
    return x => LAYERS[kind](x, numbers);
  });
  const endsInSigmoid = layers.at(-1).kind === "sigmoid";
  const through = (some, sums, squares) => {
    const x = unit_length ? scaled(sums, inverseLength(squares)) : sums;
    return some.reduce((x, step) => step(x), x)[0];
  };
  const before = endsInSigmoid ? steps.slice(0, -1) : steps;
  const logOdds = (sums, squares) => {
    const last = through(before, sums, squares);
    const probability = clip(last, Number.MIN_VALUE, 1 - Number.EPSILON / 2);
    return endsInSigmoid ? last : Math.log(probability) - Math.log1p(-probability);
  };

  /* The columns of a sequence of words, each with the places where it begins and its number of words. */
  function* columns(sequence) {
    for (let place = 0; place < sequence.length; place++) {
      for (let length = 1; length <= Math.min(longest, sequence.length - place); length++) {
        const column = columnOf.get(sequence.slice(place, place + length).join(" ")) ?? (length === 1 ? unknown : null);
        if (column !== null) yield {column, place, length};
      }
    }
  }

  const {split, pieces} = {keras, unicode}[tokenizer](characters);

  /* What stages.predict answers for a text: the probability, and the effect of each column but that of the start. */
  function answer(text) {
    const active = new Set([start]);
    for (const {column} of columns(split(text))) active.add(column);
    const sums = Array(units).fill(0);
    let squares = 0;
    for (const column of active) {
      squares += value(column) ** 2;
      for (let unit = 0; unit < units; unit++) sums[unit] += value(column) * kernel[column * units + unit];
    }
    const whole = logOdds(sums, squares);
    const effects = new Map();
    for (const column of active) {
      const weight = value(column), row = column * units;
      const without = sums.map((total, unit) => total - weight * kernel[row + unit]);
      effects.set(column, whole - logOdds(without, squares - weight ** 2));
    }
    effects.delete(start);
    const known = [...active].some(column => column >= special);
    return {probability: through(steps, sums, squares), effects, known};
  }

  /* The text in pieces, those with words with their effects. The effect of a phrase is shared by its words. */
  function explain(text, effects) {
    const found = [];
    let end = 0;
    for (const match of text.matchAll(pieces)) {
      found.push({text: text.slice(end, match.index), words: []}, {text: match[0], words: split(match[0])});
      end = match.index + match[0].length;
    }
    found.push({text: text.slice(end), words: []});
    const sequence = found.flatMap(piece => piece.words), shares = new Float64Array(sequence.length);
    for (const {column, place, length} of columns(sequence)) {
      for (let word = place; word < place + length; word++) shares[word] += (effects.get(column) ?? 0) / length;
    }
    let place = 0;
    return found.filter(piece => piece.text)
      .map(piece => ({...piece, effect: sum(piece.words.map(() => shares[place++]))}));
  }

  return {answer, explain};
}

// The page.

const signed = effect => `${effect < 0 ? "\u2212" : "+"}${Math.abs(effect).toFixed(2)}`;
const side = effect => effect > 0 ? "positive" : "negative";
const chance = value => value > 0.9999 ? ">\u00a00.9999" : value < 0.0001 ? "<\u00a00.0001" : value.toFixed(4);
const byStrength = (one, other) => Math.abs(other.effect) - Math.abs(one.effect);

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/* Show the pieces of a text in an element that shows those `before`. Nodes at both ends whose texts have not changed
   stay: to lay out 2,000 new ones takes longer than a keystroke may. */
function paint(element, before, pieces) {
  const shared = Math.min(before.length, pieces.length), longer = pieces.length - before.length;
  let first = 0, last = 0;
  while (first < shared && before[first].text === pieces[first].text) first++;
  while (last < shared - first && before.at(-1 - last).text === pieces.at(-1 - last).text) last++;
  for (const {node} of before.slice(first, before.length - last)) node.remove();
  const largest = pieces.reduce((most, {effect}) => Math.max(most, Math.abs(effect)), 0.25);
  const fresh = new DocumentFragment();
  pieces.forEach((piece, place) => {
    const old = place < first ? before[place] : place >= pieces.length - last ? before[place - longer] : {};
    piece.node = old.node ?? (piece.words.length ? make("span", {}, piece.text) : new Text(piece.text));
    if (!old.node) fresh.append(piece.node);
    const share = Math.abs(piece.effect) / largest, shown = Math.abs(piece.effect) >= LEAST;
    piece.title = shown ? `${signed(piece.effect)} towards ${side(piece.effect)}` : "";
    piece.look = shown ? `${side(piece.effect)}${share > STRONG ? " strong" : ""}` : "";
    piece.strength = shown ? `${5 + 4 * Math.round(10 * share)}%` : "0%";
    if (piece.title !== (old.title ?? "")) piece.node.title = piece.title;
    if (piece.look !== (old.look ?? "")) piece.node.className = piece.look;
    if (shown && piece.strength !== old.strength) piece.node.style.setProperty("--strength", piece.strength);
  });
  if (first) pieces[first - 1].node.after(fresh); else element.prepend(fresh);
  return pieces;
}

function table(effects, largest) {
  return effects.slice(0, LISTED).map(({word, effect}) => {
    const bar = make("span");
    bar.style.width = `${(100 * Math.abs(effect) / largest).toFixed(1)}%`;
    return make("tr", {},
      make("th", {scope: "row"}, make("bdi", {}, word)),
      make("td", {className: "bar"}, bar),
      make("td", {className: "number"}, signed(effect)));
  });
}

let pieces = []; // those that are shown

function show(network, text) {
  const {probability, effects, known} = network.answer(text);
  const label = probability > model.threshold ? "positive" : "negative";
  const named = [...effects].map(([column, effect]) => (
    {word: column === model.unknown ? "all unknown words" : model.words[column], effect}
  )).filter(({effect}) => Math.abs(effect) >= LEAST).sort(byStrength);
  find("answer").className = known ? label : "unsure";
  find("label").textContent = label;
  find("probability").textContent = chance(probability);
  find("probability").value = probability;
  find("bar").style.setProperty("--probability", `${100 * probability}%`);
  find("note").textContent = known ? "" : text.trim()
    ? "The model knows none of these words: its probability says nothing about the review."
    : "Type a review to see which words count.";
  pieces = paint(find("words"), pieces, network.explain(text, effects));
  for (const name of ["positive", "negative"]) {
    const rows = table(named.filter(({effect}) => side(effect) === name), Math.abs(named[0]?.effect));
    find(name).replaceChildren(...rows);
    find(name).closest(".card").classList.toggle("empty", rows.length === 0);
  }
  const strongest = named.slice(0, 3).map(({word, effect}) => `${word} ${signed(effect)}`).join(", ");
  return `${label}, probability ${chance(probability)}. ${find("note").textContent || `Strongest words: ${strongest}`}`;
}

function main() {
  const missing = model.layers.map(({kind}) => kind).filter(kind => !Object.hasOwn(LAYERS, kind));
  if (missing.length) {
    find("problem").textContent = `This page cannot compute ${missing[0]}, a part of this network: use stages.predict.`;
    find("problem").hidden = false;
    for (const promise of document.querySelectorAll("header p, footer p:first-child")) promise.hidden = true;
    return;
  }
  const network = load(model), review = find("review");
  let timer;
  const update = () => {
    const spoken = show(network, review.value);
    clearTimeout(timer); // a screen reader speaks when you pause
    timer = setTimeout(() => { find("spoken").textContent = spoken; }, 800);
  };
  review.addEventListener("input", update);
  for (const button of document.querySelectorAll("#examples button")) {
    button.addEventListener("click", () => { review.value = button.dataset.text; update(); });
  }
  find("try").hidden = false;
  if (!review.value) review.value = document.querySelector("#examples button").dataset.text;
  show(network, review.value);
}

main();
