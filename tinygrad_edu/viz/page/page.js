"use strict";
(() => {
/* controls, and characters that turn the text round, are shown as a sign that something is there */
const visible = (_, v) => typeof v === "string" ? v.replace(/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/gu, "\ufffd") : v;
const D = JSON.parse(document.getElementById("data").textContent, visible);
const { steps } = D, values = [...D.values, ...D.rows], root = (steps.find(s => s.phase === "b") || {}).k, $ = id => document.getElementById(id);
const NS = "http://www.w3.org/2000/svg", MOST = 6;
const svg = (name, attributes, parent) => {
  const e = document.createElementNS(NS, name);
  for (const k in attributes) e.setAttribute(k, attributes[k]);
  parent?.append(e);
  return e;
};
const html = (name, text, parent, cls) => {
  const e = document.createElement(name);
  if (text != null) e.textContent = text;
  if (cls) e.className = cls;
  parent?.append(e);
  return e;
};
document.documentElement.classList.add("js");
$("all").open = false;
let current = 0, scale = D.scales[0], timer = null;

/* numbers and names */
const minus = s => s.replace("-", "−");
function fmt(v, most = 0) { /* beside numbers up to `most` small ones need no digits of their own */
  if (typeof v === "string") return v;
  const a = Math.abs(v);
  if (a >= 1e4 || (a < 0.005 && a > 0 && most < 0.05)) return minus(v.toExponential(0).replace("e+", "e").replace("e-", "e−"));
  const s = Number.isInteger(v) ? String(v) : a >= 100 ? v.toFixed(0) : a >= 1 ? v.toFixed(1) : v.toFixed(2);
  return minus(s.replace(/^-(0\.0+)$/, "$1").replace(/^(-?)0\./, "$1.")); /* no sign of what is too small to be seen */
}
/* a table of tiny or huge numbers has a power of ten in common, which stands below it */
const powerOf = most => most < 1e-200 || (most >= 0.05 && most < 1e4) ? 0 : Math.floor(Math.log10(most));
const superscript = n => String(n).replace(/./g, c => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
const exact = v => typeof v === "string" ? v : minus(String(Number(v.toPrecision(5))));
const split = name => /^(.*?\D)(\d+)$/.exec(name)?.slice(1) ?? [name, ""];
const cut = (name, most = 14) => [...name].length > most ? [...name].slice(0, most - 1).join("") + "…" : name;
const pretty = name => { const [a, n] = split(name); return cut(a) + n.replace(/\d/g, d => "₀₁₂₃₄₅₆₇₈₉"[d]); };
const dims = k => values[k].shape.join(" × ") || "scalar";
const places = (n, most) => n <= most ? [...Array(n).keys()] : [...Array(most).keys()].map(i => Math.floor(i * (n - 1) / Math.max(most - 1, 1)));
function tableOf(k, isGrad) {
  if (!isGrad) return values[k].v;
  const g = values[k].g, times = scale === "textbook" && !values[k].leaf && k !== root ? D.m : 1;
  return g && g.map(r => r.map(v => typeof v === "number" ? v * times : v));
}
const turned = A => A[0].map((_, j) => A.map(r => r[j]));
const largest = A => Math.max(1e-300, ...A.flat().filter(v => typeof v === "number").map(Math.abs));
const PALETTE = [[33, 102, 172], [146, 197, 222], [245, 245, 243], [244, 165, 130], [178, 24, 43]];
function colour(v, most) {
  if (typeof v === "string") return [85, 85, 85];
  const x = (Math.max(-1, Math.min(1, v / most)) + 1) * 2, i = Math.min(3, Math.floor(x));
  return PALETTE[i].map((a, c) => Math.round(a + (PALETTE[i + 1][c] - a) * (x - i)));
}
const light = rgb => rgb.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((s, c, i) => s + c * [0.2126, 0.7152, 0.0722][i], 0);
const inkOn = rgb => light(rgb) > 0.179 ? "#000" : "#fff";

/* trees of formulas: sizes, pictures, one entry worked out */
const REF = new Set(["v", "g"]), INFIX = new Set(["+", "-", "*", "/", ">", "<", "≥", "≤", "=", "≠"]);
const ELEMENTWISE = new Set(["v", "g", "n", "neg", "^", "f", "?", ...INFIX]);
const children = n => n.slice(1).filter(Array.isArray);
const broadcast = all => all.includes(null) ? null : [Math.max(...all.map(s => s[0])), Math.max(...all.map(s => s[1]))];
function sizeOf(n, full) {
  const s = children(n).map(c => sizeOf(c, full));
  switch (n[0]) {
    case "v": case "g": {
      const v = values[n[1]];
      if (full) return v.plane;
      const A = tableOf(n[1], n[0] === "g");
      return A ? [A.length, A[0].length] : null;
    }
    case "n": return [1, 1];
    case "o": return null;
    case "T": return s[0] && [s[0][1], s[0][0]];
    case "@": return s[0] && s[1] && { mm: [s[0][0], s[1][1]], mv: [1, s[0][0]], vm: [1, s[1][1]], dot: [1, 1] }[n[3]] || null;
    case "S": return s[0] && { rows: [1, s[0][1]], columns: [s[0][0], 1], turned: [1, s[0][0]], all: [1, 1], none: s[0] }[n[2]];
    default: return broadcast(s);
  }
}
const every = (n, f) => f(n) && children(n).every(c => every(c, f));
function workable(tree, out, k) {
  if (!tree || !out) return false;
  const size = sizeOf(tree);
  if (!size || (size[0] !== 1 && size[0] !== out.length) || (size[1] !== 1 && size[1] !== out[0].length)) return false;
  const flat = every(tree, n => !REF.has(n[0]) || values[n[1]].shape.length <= 2) && values[k].shape.length <= 2;
  const same = String(values[k].shape);
  return flat || every(tree, n => ELEMENTWISE.has(n[0]) && (!REF.has(n[0]) || !values[n[1]].shape.length || String(values[n[1]].shape) === same));
}
const within = (part, strength) => part.p >= strength ? part.s : `(${part.s})`;
function series(terms, more) { /* up to MOST terms of a sum */
  const most = terms[0].s.length > 16 ? 2 : MOST;
  const shown = terms.length > most ? [...terms.slice(0, most - 1), null, terms.at(-1)] : terms;
  const s = shown.map((t, i) => t === null ? " + …" : (i ? " + " : "") + (t.p === 3 && i ? `(${t.s})` : within(t, 2))).join("");
  return { s: s + (more ? " + …" : ""), p: terms.length > 1 || more ? 1 : terms[0].p };
}
function entry(n, i, j, hits) {
  const at = (c, r, q) => entry(c, r, q, hits), [kind, a, b] = n;
  switch (kind) {
    case "v": case "g": {
      const A = tableOf(a, kind === "g"), r = A.length === 1 ? 0 : i, q = A[0].length === 1 ? 0 : j;
      hits.push([n, r, q]);
      const s = fmt(A[r][q]);
      return { s, p: s[0] === "−" ? 3 : 5 };
    }
    case "n": { const s = a === "m" ? String(D.m) : minus(a); return { s, p: s.includes("/") ? 2 : s[0] === "−" ? 3 : 5 }; }
    case "T": return at(a, j, i);
    case "@": {
      const way = n[3], length = sizeOf(a)[1], terms = [];
      for (let k = 0; k < length; k++) {
        const x = way === "mm" ? at(a, i, k) : way === "mv" ? at(a, j, k) : at(a, 0, k);
        const y = way === "mm" || way === "vm" ? at(b, k, j) : at(b, 0, k);
        terms.push({ s: `${within(x, 4)}·${within(y, 4)}`, p: 2 });
      }
      return series(terms, length < sizeOf(a, true)[1]);
    }
    case "S": {
      const [r, c] = sizeOf(a), whole = sizeOf(a, true), terms = [];
      if (b === "none") return at(a, i, j);
      const over = { rows: [r, 1], columns: [1, c], turned: [1, c], all: [r, c] }[b];
      for (let y = 0; y < over[0]; y++) for (let x = 0; x < over[1]; x++)
        terms.push(b === "rows" ? at(a, y, j) : b === "columns" ? at(a, i, x) : b === "turned" ? at(a, j, x) : at(a, y, x));
      return series(terms, (over[0] > 1 && r < whole[0]) || (over[1] > 1 && c < whole[1]));
    }
    case "neg": return { s: `−${within(at(a, i, j), 4)}`, p: 3 };
    case "^": return { s: `${within(at(a, i, j), 5)}^${minus(b)}`, p: 4 };
    case "f": return { s: `${a}(${at(b, i, j).s})`, p: 5 };
    case "?": return { s: `${within(at(b, i, j), 2)} if ${at(a, i, j).s} else ${within(at(n[3], i, j), 2)}`, p: 0 };
    default: {
      if (kind === "/" && a[0] === "n" && b[0] === "n") return { s: `${at(a).s}/${at(b).s}`, p: 3 };
      const strength = kind === "+" || kind === "-" ? 1 : kind === "*" || kind === "/" ? 2 : 0;
      const x = at(a, i, j), y = at(b, i, j), sign = { "*": "·", "-": " − ", "/": " / ", "+": " + " }[kind] ?? ` ${kind} `;
      if (!strength) return { s: `[${x.s}${sign}${y.s}]`, p: 5 };
      return { s: within(x, strength) + sign + within(y, strength > 1 ? 4 : y.s[0] === "−" && y.p === 3 ? 4 : 2), p: strength };
    }
  }
}
/* the pieces of an equation: figures (nodes) and signs (texts) */
function pieces(n, strength, out) {
  const say = s => { typeof out.at(-1) === "string" && s[0] !== "^" && out.at(-1)[0] !== "^" ? out.push(`${out.pop()} ${s}`) : out.push(s); }, part = (c, p) => pieces(c, p, out), [kind, a, b] = n;
  const p = { "+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "S": 2, "neg": 3, "^": 4, "?": 0 }[kind] ?? 5, wrap = p < strength;
  if (wrap) say("(");
  switch (kind) {
    case "v": case "g": out.push({ node: n, turn: false }); break;
    case "n": say(a.startsWith("-") ? `−${a.slice(1)}` : a); break;
    case "T": REF.has(a[0]) ? out.push({ node: a, turn: true }) : (part(a, 5), say("ᵀ")); break;
    case "@": part(a, 2); say("·"); part(b, 3); break;
    case "S": if (b !== "none") say("Σ"); part(a, 3); break;
    case "neg": say("−"); part(a, 3); break;
    case "^": part(a, 5); say(`^${minus(b)}`); break;
    case "f": case "o": say(`${a} (`); n.slice(2).forEach((c, i) => { if (i) say(","); part(c, 0); }); say(")"); break;
    case "?": part(b, 1); say("if"); part(a, 0); say("else"); part(n[3], 1); break;
    default: {
      if (kind === "/" && a[0] === "n" && b[0] === "n") { say(`${a[1]}/${b[1]}`); break; }
      if (p === 5) say("[");
      const scalar = c => sizeOf(c, true)?.join() === "1,1";
      part(a, p === 5 ? 0 : p);
      say({ "*": scalar(a) || scalar(b) ? "·" : "∘", "-": "−", "/": "/" }[kind] ?? kind);
      part(b, p === 5 ? 0 : kind === "+" ? 1 : p + 1);
      if (p === 5) say("]");
    }
  }
  if (wrap) say(")");
}
function nameOf(k, isGrad, turn, parent) {
  const [letters, number] = split(values[k].name), e = html("span", (isGrad ? "d" : "") + cut(letters), parent);
  if (number) html("sub", number, e);
  if (turn) html("sup", "⊤", e);
}
function figure(piece, cell, main) {
  const [kind, k] = piece.node, isGrad = kind === "g", plain = tableOf(k, isGrad), f = html("figure", null, null, isGrad ? "gr" : "");
  const A = piece.turn ? turned(plain) : plain, most = largest(A), single = A.length === 1 && A[0].length === 1;
  const power = single || cell < 19 ? 0 : powerOf(most), unit = 10 ** power;
  const c = single ? 68 : cell, tall = single ? 28 : cell, w = A[0].length * c, h = A.length * tall;
  const s = svg("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}` }, f);
  s.setAttribute("role", "img");
  s.setAttribute("aria-label", `${isGrad ? "gradient of " : ""}${values[k].name}${piece.turn ? " transposed" : ""}, ${dims(k)}` + (main ? "; arrow keys choose the entry" : ""));
  if (main) s.setAttribute("tabindex", "0");
  const spots = [];
  A.forEach((row, i) => row.forEach((v, j) => {
    const rgb = colour(v, most), cellOf = svg("rect", { x: j * c, y: i * tall, width: c, height: tall, fill: `rgb(${rgb})` }, s);
    const [oi, oj] = piece.turn ? [j, i] : [i, j];
    cellOf.dataset.i = oi; cellOf.dataset.j = oj;
    if (cell >= 19 || single) {
      const text = single ? exact(v) : fmt(typeof v === "number" ? v / unit : v, most / unit), size = Math.min(single ? 12 : 8.8, c * 1.45 / text.length);
      svg("text", { x: j * c + c / 2, y: i * tall + tall / 2 + 0.5, fill: inkOn(rgb), "font-size": size.toFixed(1) }, s).textContent = text;
    }
    spots.push({ i: oi, j: oj, x: j * c, y: i * tall });
  }));
  const caption = html("figcaption", null, f);
  nameOf(k, isGrad, piece.turn, caption);
  const shape = piece.turn ? [...values[k].shape].reverse() : values[k].shape;
  caption.append(` ${shape.join(" × ") || "scalar"}${values[k].sampled ? "*" : ""}${power ? `, × 10${superscript(power)}` : ""}`);
  f.dataset.power = power;
  const marks = svg("g", {}, s);
  return {
    element: f, svg: s, k, isGrad, rows: plain.length, columns: plain[0].length, table: plain,
    mark(list) {
      marks.replaceChildren();
      const wanted = new Set(list.map(([i, j]) => `${i},${j}`));
      const hit = spots.filter(p => wanted.has(`${p.i},${p.j}`));
      if (!hit.length) return;
      const [x, y] = ["x", "y"].map(a => Math.min(...hit.map(p => p[a]))), [r, b] = ["x", "y"].map(a => Math.max(...hit.map(p => p[a])));
      const whole = (r - x + c) * (b - y + tall) < (hit.length + 0.5) * c * tall; /* a row, a column, a block: one frame */
      const frames = whole ? [[x, y, r - x + c, b - y + tall]] : hit.map(p => [p.x, p.y, c, tall]);
      for (const cls of ["halo", "mark"]) for (const [left, top, width, height] of frames) svg("rect", { class: cls, x: left + 1, y: top + 1, width: width - 2, height: height - 2 }, marks);
    },
  };
}
function label(k, isGrad, i, j) { /* the entry's place in the whole array */
  const v = values[k], name = (isGrad ? "d" : "") + v.name, most = tableOf(k, isGrad);
  if (!v.shape.length) return name;
  const r = places(v.plane[0], most.length)[i], q = places(v.plane[1], most[0].length)[j];
  if (v.shape.length === 1) return `${name}[${q}]`;
  const index = [];
  let rest = r;
  for (const n of v.shape.slice(0, -1).reverse()) { index.unshift(rest % n); rest = Math.floor(rest / n); }
  return `${name}[${[...index, q].join(", ")}]`;
}
function drawEquation(step) {
  const eq = $("eq"), worked = $("worked");
  eq.replaceChildren();
  worked.replaceChildren();
  if (step.k < 0) return;
  worked.textContent = "…"; /* takes its place before the pictures are measured */
  const isGrad = step.phase === "b", out = tableOf(step.k, isGrad), tree = step.trees[scale];
  if (!out) { worked.textContent = values[step.k].plane.includes(0) ? "Empty: there are no entries." : "No values."; return; }
  const list = [{ node: [isGrad ? "g" : "v", step.k], turn: false }, "="];
  if (tree) pieces(tree, 0, list); else list.push("see the formula");
  const parts = list.map(p => typeof p === "object" && !tableOf(p.node[1], p.node[0] === "g") ? values[p.node[1]].name : p);
  const tables = parts.filter(p => typeof p === "object").map(p => { const A = tableOf(p.node[1], p.node[0] === "g"); return p.turn ? turned(A) : A; });
  const big = tables.filter(A => A.length * A[0].length > 1), texts = parts.filter(p => typeof p === "string").reduce((n, s) => n + s.length * 8.5 + 10, 0);
  const rows = Math.max(1, ...big.map(A => A.length)), high = eq.clientHeight - 46, room = eq.clientWidth - 14;
  const captions = parts.filter(p => typeof p === "object").map(({ node: [, k] }) => 24 + 8 * Math.min(14, values[k].name.length) + 6.6 * dims(k).length);
  const width = c => texts + tables.reduce((n, A, i) => n + 13 + Math.max(A.length * A[0].length > 1 ? A[0].length * c : 68, captions[i]), 0);
  let cell = Math.max(8, Math.min(27, Math.floor(high / rows)));
  while (cell > 8 && width(cell) > room) cell--;
  if ((width(cell) > room || (cell < Math.min(19, high / rows) && rows <= 6)) && !$("step").classList.contains("wide")) { $("step").classList.add("wide"); drawEquation(step); return; }
  const figures = new Map();
  let main = null;
  for (const p of parts) {
    if (typeof p === "string") { html(p[0] === "^" ? "sup" : "span", p.replace("^", ""), eq); continue; }
    const f = figure(p, cell, !main);
    main ??= f;
    figures.set(p.node, f);
    eq.append(f.element);
  }
  const able = workable(tree, out, step.k);
  let at = [0, 0];
  const show = (i, j) => {
    at = [i, j];
    const hits = [], text = able ? entry(tree, i, j, hits).s : "";
    for (const [node, f] of figures) f.mark(f === main ? [[i, j]] : hits.filter(h => h[0] === node).map(h => [h[1], h[2]]));
    worked.replaceChildren(`One entry: ${label(step.k, isGrad, i, j)} = ${text}${text ? " = " : ""}`);
    html("b", exact(out[i][j]), worked);
  };
  out.forEach((row, i) => row.forEach((v, j) => { if (typeof v === "number" && !(Math.abs(v) <= Math.abs(out[at[0]][at[1]]))) at = [i, j]; }));
  show(...at);
  for (const f of figures.values()) f.svg.addEventListener("mouseover", e => {
    const { i, j } = e.target.dataset ?? {};
    if (i === undefined) return;
    if (f === main) return show(+i, +j);
    worked.replaceChildren(`${label(f.k, f.isGrad, +i, +j)} = `);
    html("b", exact(f.table[i][j]), worked);
    for (const other of figures.values()) other.mark(other === f ? [[+i, +j]] : []);
  });
  main.svg.addEventListener("keydown", e => {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[e.key];
    if (!move) return;
    e.preventDefault(); e.stopPropagation();
    show(Math.max(0, Math.min(main.rows - 1, at[0] + move[0])), Math.max(0, Math.min(main.columns - 1, at[1] + move[1])));
  });
}

/* the page around them */
const cards = D.values.map((_, k) => $(`c${k}`)), arrows = D.edges.map((_, i) => $(`e${i}`)), picture = $("graph-svg");
cards.forEach((card, k) => {
  card.setAttribute("tabindex", "0");
  card.setAttribute("role", "button");
  const visit = () => { const later = steps.findIndex((s, i) => s.k === k && i > current); go(later > 0 ? later : Math.max(0, steps.findIndex(s => s.k === k))); };
  card.addEventListener("click", visit);
  card.addEventListener("keydown", e => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); visit(); } });
});
/* modules that fold: a folded one is a single card, and what is seen is laid out anew, as layout.py does it */
const modules = D.modules, folded = new Set(D.folded), drawnAt = cards.map(c => c.getAttribute("transform")), drawnWay = arrows.map(a => a.getAttribute("d"));
let extent = D.size, holder = [], seen = D.edges.map((_, e) => e); /* of a card the folded module around it or -1; of an edge the one drawn for it or -1 */
function spread(wishes, weights, offsets) { /* the nearest places to the wishes that keep order and distances */
  const blocks = [];
  wishes.forEach((wish, i) => {
    let block = [wish - offsets[i], weights[i], 1];
    while (blocks.length && blocks.at(-1)[0] > block[0]) { const [p, w, n] = blocks.pop(); block = [(block[0] * block[1] + p * w) / (block[1] + w), block[1] + w, block[2] + n]; }
    blocks.push(block);
  });
  return blocks.flatMap(([p, , n]) => Array(n).fill(p)).map((p, i) => p + offsets[i]);
}
function arrange(sizes, pairs) { /* columns from left to right: the middle of each box, and the way of each pair */
  const count = sizes.length, sources = sizes.map(() => []), users = sizes.map(() => 0), rank = sizes.map(() => 0);
  for (const [a, b] of pairs) { sources[b].push(a); users[a]++; }
  const ready = rank.map((_, i) => i).filter(i => !users[i]), unused = [...ready];
  for (let i = 0; i < ready.length; i++) for (const a of sources[ready[i]]) { rank[a] = Math.max(rank[a], rank[ready[i]] + 1); if (!--users[a]) ready.push(a); }
  const last = Math.max(0, ...rank), layer = rank.map(r => last - r), wide = sizes.map(s => s[0]), half = sizes.map(s => s[1] / 2);
  for (const b of unused) if (sources[b].length) layer[b] = 1 + Math.max(...sources[b].map(a => layer[a]));
  const before = sizes.map(() => []), after = sizes.map(() => []), light = sizes.map(() => true), via = pairs.map(() => []), ends = new Map();
  pairs.forEach(([a, b], e) => { light[b] = false; ends.has(a) ? ends.get(a).push(e) : ends.set(a, [e]); });
  for (const [a, list] of ends) { /* a long arrow has a point in each column that it passes; those from one box share theirs */
    const passed = [];
    let at = a;
    for (const e of list.sort((e, f) => layer[pairs[e][1]] - layer[pairs[f][1]])) {
      const b = pairs[e][1];
      while (layer[at] < layer[b] - 1) { const p = layer.length; layer.push(layer[at] + 1); wide.push(0); half.push(6); light.push(false); before.push([at]); after.push([]); after[at].push(p); passed.push(p); at = p; }
      after[at].push(b); before[b].push(at); via[e] = [...passed];
    }
  }
  let rows = Array.from({ length: last + 1 }, () => []);
  layer.forEach((k, i) => rows[k].push(i));
  const place = [], number = () => rows.forEach(row => row.forEach((i, p) => { place[i] = p; }));
  const crossings = () => rows.reduce((total, row) => {
    const met = [];
    for (const i of row) { const low = after[i].map(j => place[j]); for (const p of low) for (const q of met) if (q > p) total++; met.push(...low); }
    return total;
  }, 0);
  number();
  let best = rows.map(r => [...r]), fewest = crossings();
  for (let turn = 0, idle = 0; turn < 10 && fewest && idle < 4; turn++) {
    const side = turn % 2 ? after : before;
    for (const row of turn % 2 ? [...rows].reverse() : rows) {
      const wish = new Map(row.map(i => [i, side[i].length ? side[i].reduce((s, j) => s + place[j], 0) / side[i].length : place[i]]));
      row.sort((i, j) => wish.get(i) - wish.get(j)).forEach((i, p) => { place[i] = p; });
    }
    const found = crossings();
    idle = found < fewest ? 0 : idle + 1;
    if (found < fewest) { best = rows.map(r => [...r]); fewest = found; }
  }
  rows = best;
  const y = Array(layer.length).fill(0), offsets = row => {
    const all = [0];
    row.slice(1).forEach((b, k) => { const a = row[k]; all.push(all[k] + half[a] + (a < count || b < count ? 22 : 0) + half[b]); });
    return all;
  };
  for (const row of rows) { const o = offsets(row); row.forEach((i, k) => { y[i] = o[k] - o.at(-1) / 2; }); }
  for (let turn = 0; turn <= 10; turn++) for (const row of turn % 2 ? [...rows].reverse() : rows) {
    const wishes = row.map(i => {
      const near = turn === 10 ? [...before[i], ...after[i]] : turn % 2 ? after[i] : before[i];
      if (!near.length) return y[i];
      const w = near.map(j => light[j] ? 0.1 : [1, 0.2, 8][(i >= count) + (j >= count)]);
      return near.reduce((s, j, k) => s + w[k] * y[j], 0) / w.reduce((s, x) => s + x, 0);
    });
    spread(wishes, row.map(i => light[i] ? 0.1 : i < count ? 1 : 4), offsets(row)).forEach((v, k) => { y[row[k]] = v; });
  }
  const top = Math.min(...y.map((v, i) => v - half[i])), left = [], width = rows.map(row => Math.max(0, ...row.map(i => wide[i])));
  y.forEach((v, i) => { y[i] = v - top + 14; });
  width.reduce((x, w, k) => { left[k] = x; return x + w + 44; }, 14);
  const x = layer.map(k => left[k] + width[k] / 2), ports = new Map();
  for (let b = 0; b < count; b++) {
    const coming = pairs.map((_, e) => e).filter(e => pairs[e][1] === b).sort((e, f) => y[via[e].at(-1) ?? pairs[e][0]] - y[via[f].at(-1) ?? pairs[f][0]]);
    const apart = Math.min(16, 1.2 * half[b] / Math.max(coming.length, 1));
    coming.forEach((e, r) => ports.set(e, y[b] + (r - (coming.length - 1) / 2) * apart));
  }
  const xy = (a, b) => `${Math.round(a)} ${Math.round(b)}`;
  const ways = pairs.map(([a, b], e) => {
    const stops = [...via[e].map(p => [left[layer[p]], y[p], left[layer[p]] + width[layer[p]]]), [left[layer[b]] - 10, ports.get(e), x[b] - wide[b] / 2]];
    let from = [left[layer[a]] + width[layer[a]] + 10, y[a]], path = `M${xy(x[a] + wide[a] / 2, y[a])}L${xy(...from)}`;
    for (const [x0, y0, x1] of stops) { const middle = (from[0] + x0) / 2; path += `C${xy(middle, from[1])} ${xy(middle, y0)} ${xy(x0, y0)}L${xy(x1, y0)}`; from = [x1, y0]; }
    return path;
  });
  return { x, y, ways, size: [left.at(-1) + width.at(-1) + 14, Math.max(...y.map((v, i) => v + half[i])) + 14] };
}
const outermost = m => { let found = -1; for (; m >= 0; m = modules[m].parent) if (folded.has(m)) found = m; return found; };
const labelOf = m => cut(modules[m].name, 26);
const closed = modules.map((module, m) => {
  const inside = module.cards.length, wide = Math.max(130, 8.6 * Math.max([...labelOf(m)].length, 0) + 26, 6.4 * (module.kind.length + 12) + 22);
  const g = svg("g", { class: "card module", tabindex: 0, role: "button", "aria-expanded": "false", "aria-label": `${module.name}, ${module.kind}, ${inside} values, folded` });
  g.dataset.m = m;
  svg("rect", { class: "under", x: 4, y: 4, width: wide, height: 52, rx: 10 }, g);
  svg("rect", { class: "bg", width: wide, height: 52, rx: 10 }, g);
  svg("text", { class: "sym", x: 11, y: 22 }, g).textContent = labelOf(m);
  svg("text", { class: "op", x: 11, y: 40 }, g).textContent = `${cut(module.kind, 30)} · ${inside} values`;
  svg("title", {}, g).textContent = `${module.name}: unfold`;
  g.addEventListener("click", () => toggle(m));
  g.addEventListener("keydown", e => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); e.stopPropagation(); toggle(m); knobs[m].focus(); } });
  return { element: g, size: [wide + 4, 56] };
});
const knobs = modules.map((module, m) => {
  const knob = html("button", null, $("modules"));
  knob.type = "button";
  knob.title = `${module.kind}, ${module.cards.length} values`;
  knob.setAttribute("aria-controls", "graph-svg");
  knob.addEventListener("click", () => toggle(m));
  return knob;
});
$("modules").hidden = !modules.length;
function toggle(m) { folded.has(m) ? folded.delete(m) : folded.add(m); fold(); fit(); go(current, true); }
function fold() {
  holder = cards.map(() => -1);
  modules.forEach((module, m) => { const top = outermost(m); if (top >= 0) for (const k of module.cards) holder[k] = top; });
  knobs.forEach((knob, m) => {
    const open = !folded.has(m);
    knob.setAttribute("aria-expanded", open);
    knob.textContent = `${open ? "▾" : "▸"} ${cut(modules[m].name, 30)}`;
    knob.hidden = modules[m].parent >= 0 && outermost(modules[m].parent) >= 0;
  });
  const shown = [...new Set(holder)].filter(m => m >= 0);
  closed.forEach(({ element }, m) => shown.includes(m) ? picture.append(element) : element.remove());
  cards.forEach((card, k) => { card.style.display = holder[k] < 0 ? "" : "none"; });
  if (!shown.length) {
    cards.forEach((card, k) => card.setAttribute("transform", drawnAt[k]));
    arrows.forEach((arrow, e) => { arrow.setAttribute("d", drawnWay[e]); arrow.style.display = ""; });
    seen = D.edges.map((_, e) => e);
    extent = D.size;
  } else {
    const keys = [], index = new Map(), sizes = [], pairs = [], own = [], first = new Map();
    const at = k => {
      const key = holder[k] < 0 ? `c${k}` : `m${holder[k]}`;
      if (!index.has(key)) { index.set(key, keys.length); keys.push(key); const bg = cards[k].querySelector(".bg"); sizes.push(holder[k] < 0 ? [+bg.getAttribute("width"), +bg.getAttribute("height")] : closed[holder[k]].size); }
      return index.get(key);
    };
    cards.forEach((_, k) => at(k));
    seen = D.edges.map(([a, b], e) => {
      const pair = [at(a), at(b)], name = pair.join();
      if (pair[0] === pair[1]) return -1;
      if ((holder[a] >= 0 || holder[b] >= 0) && first.has(name)) return first.get(name);
      first.set(name, e);
      pairs.push(pair);
      own.push(e);
      return e;
    });
    const found = arrange(sizes, pairs);
    keys.forEach((key, i) => (key[0] === "c" ? cards : closed.map(b => b.element))[key.slice(1)].setAttribute("transform", `translate(${Math.round(found.x[i] - sizes[i][0] / 2)},${Math.round(found.y[i] - sizes[i][1] / 2)})`));
    arrows.forEach((arrow, e) => { arrow.style.display = seen[e] === e ? "" : "none"; });
    own.forEach((e, i) => arrows[e].setAttribute("d", found.ways[i]));
    extent = found.size.map(Math.ceil);
  }
  picture.setAttribute("viewBox", `0 0 ${extent.join(" ")}`);
}
function fit() { /* the whole graph if its letters stay readable, else a window on it; the slider stays in sight */
  const [w, h] = extent, box = $("graph");
  picture.setAttribute("height", 1);
  box.style.height = "";
  box.style.minHeight = "270px";
  const room = box.clientHeight, ratio = Math.max(0.74, Math.min(1.15, (box.clientWidth - 4) / w, (room - 4) / h));
  box.style.minHeight = `${Math.min(Math.max(room, 340), Math.max(270, Math.floor(h * ratio) + 2))}px`;
  picture.setAttribute("width", Math.floor(w * ratio));
  picture.setAttribute("height", Math.floor(h * ratio));
  box.style.height = box.style.minHeight;
}
function bringIntoView(card) {
  const box = $("graph"), a = box.getBoundingClientRect(), b = card.getBoundingClientRect();
  if (b.left < a.left || b.right > a.right) box.scrollLeft += (b.left + b.right - a.left - a.right) / 2;
  if (b.top < a.top || b.bottom > a.bottom) box.scrollTop += (b.top + b.bottom - a.top - a.bottom) / 2;
}
D.code.forEach(([n, text]) => { const row = html("span", null, $("code")); html("i", n, row); row.append(text || " "); });
const chips = $("chips");
steps.forEach((s, i) => {
  const chip = html("button", i ? pretty(s.id) : "inputs", chips, s.phase);
  chip.type = "button";
  chip.title = s.title;
  chip.setAttribute("aria-label", `step ${i}: ${s.title}`);
  chip.addEventListener("click", () => go(i));
});
chips.style.gridTemplateColumns = `repeat(${steps.length},minmax(2.2em,1fr))`;
$("slider").max = steps.length - 1;
for (const name of D.scales.length > 1 ? D.scales : []) {
  const row = html("label", null, $("scales")), radio = document.createElement("input");
  radio.type = "radio"; radio.name = "scale"; radio.value = name; radio.checked = name === scale;
  radio.addEventListener("change", () => { scale = name; go(current); });
  row.append(radio, name);
}
if (D.scales.length < 2) $("scales").hidden = true;
function go(i, playing) {
  current = Math.max(0, Math.min(steps.length - 1, i));
  if (!playing) stop();
  const step = steps[current], back = step.phase === "b", last = steps.length - 1;
  document.body.className = step.phase;
  $("slider").value = current;
  const chipWidth = chips.scrollWidth / steps.length; /* the thumb, 16 px wide, stands below its step's name */
  $("slider").style.width = `${chipWidth * last + 16}px`;
  $("slider").style.marginLeft = `${chipWidth / 2 - 8}px`;
  $("slider").setAttribute("aria-valuetext", `${current} of ${last}, ${step.title}`);
  $("badge").textContent = step.phase === "s" ? `ready · ${last} steps` : `${back ? "backward" : "forward"} pass · step ${current} of ${last}`;
  $("title").textContent = step.title;
  $("words").textContent = step.words;
  $("per").textContent = scale === "textbook" ? "(per sample until the 1/m)" : "";
  const formula = document.querySelector(`#r${current} .${scale} > *`), fx = $("fx");
  fx.replaceChildren(...(formula ? [formula.cloneNode(true)] : []));
  $("step").className = "panel";
  if (fx.scrollWidth > fx.clientWidth + 1) $("step").classList.add("long");
  drawEquation(step);
  const known = new Set(), slopes = new Set();
  D.values.forEach((v, k) => { if (v.given) known.add(k); });
  for (const s of steps.slice(0, current + 1)) { if (s.phase === "f") known.add(s.k); if (s.phase === "b") slopes.add(s.k); }
  const used = new Set(step.phase === "s" ? [] : step.uses.map(u => u[0]));
  cards.forEach((card, k) => {
    const now = k === step.k && holder[k] < 0;
    card.classList.toggle("todo", !known.has(k));
    card.classList.toggle("early", !slopes.has(k));
    card.classList.toggle("on", now);
    card.classList.toggle("use", !now && used.has(k));
    now ? card.setAttribute("aria-current", "step") : card.removeAttribute("aria-current");
    card.setAttribute("aria-label", `${values[k].name}, ${dims(k)}, ${!known.has(k) ? "not computed yet" : slopes.has(k) ? "value and gradient" : "value"}`);
  });
  cards.forEach((card, k) => { /* a number alone is written out, so it changes with the scale */
    const text = card.querySelector(".one.gr"), g = text && tableOf(k, true)[0][0];
    if (text) text.textContent = `gradient ${typeof g === "number" ? minus(String(Number(g.toPrecision(3)))).replace("e-", "e−") : g}`;
  });
  const lit = new Set(step.k < 0 ? [] : D.edges.flatMap((edge, e) => edge[back ? 0 : 1] === step.k ? [seen[e]] : []));
  arrows.forEach((arrow, e) => arrow.classList.toggle("on", lit.has(e)));
  const around = step.k < 0 ? -1 : holder[step.k] ?? -1;
  closed.forEach(({ element }, m) => { const now = m === around; element.classList.toggle("on", now); element.classList.toggle("todo", !modules[m].cards.some(k => known.has(k) && !values[k].given)); element.classList.toggle("use", !now && [...used].some(k => holder[k] === m)); now ? element.setAttribute("aria-current", "step") : element.removeAttribute("aria-current"); });
  knobs.forEach((knob, m) => knob.classList.toggle("on", step.k >= 0 && modules[m].cards.includes(step.k)));
  [...$("code").children].forEach((row, k) => { const now = k === step.code; row.classList.toggle("on", now); if (now) { row.setAttribute("aria-current", "true"); nearest($("code"), row); } else row.removeAttribute("aria-current"); });
  [...chips.children].forEach((chip, k) => { chip.classList.toggle("done", k <= current); k === current ? chip.setAttribute("aria-current", "step") : chip.removeAttribute("aria-current"); });
  nearest(document.querySelector(".scroll"), chips.children[current]);
  if (step.k >= 0) bringIntoView(around < 0 ? cards[step.k] : closed[around].element);
  const hash = `#step=${current}` + (scale === D.scales[0] ? "" : `&scale=${scale}`);
  try { if (location.protocol !== "about:" && location.hash !== hash) history.replaceState(null, "", hash); } catch { /* a frame without a history */ }
}
function nearest(box, e) {
  const a = box.getBoundingClientRect(), b = e.getBoundingClientRect();
  if (b.top < a.top || b.bottom > a.bottom) box.scrollTop += b.top - a.top - box.clientHeight / 2;
  if (b.left < a.left || b.right > a.right && b.width < a.width) box.scrollLeft += b.left - a.left - box.clientWidth / 2;
}
function stop() { clearInterval(timer); timer = null; $("play").textContent = "▶ play"; }
$("play").addEventListener("click", () => {
  if (timer) return stop();
  if (current === steps.length - 1) go(0, true);
  $("play").textContent = "❚❚ pause";
  timer = setInterval(() => current < steps.length - 1 ? go(current + 1, true) : stop(), 1800);
  return go(current + 1, true);
});
$("prev").addEventListener("click", () => go(current - 1));
$("next").addEventListener("click", () => go(current + 1));
$("slider").addEventListener("input", e => go(+e.target.value));
addEventListener("keydown", e => {
  if (e.altKey || e.ctrlKey || e.metaKey || e.target.type === "range" || e.target.type === "radio") return;
  const to = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: steps.length - 1 }[e.key];
  if (to !== undefined) { e.preventDefault(); go(to); }
  if (e.key === " " && e.target === document.body) { e.preventDefault(); $("play").click(); }
});
const linked = () => {
  const named = /scale=(\w+)/.exec(location.hash)?.[1], at = +(/step=(\d+)/.exec(location.hash)?.[1] ?? current);
  if (D.scales.includes(named)) { scale = named; const radio = document.querySelector(`#scales input[value=${named}]`); if (radio) radio.checked = true; }
  go(at);
};
addEventListener("hashchange", linked);
addEventListener("resize", () => { fit(); go(current, true); });
fold();
fit();
linked();
})();
