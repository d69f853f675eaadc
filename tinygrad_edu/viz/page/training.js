"use strict";
(() => {
const $ = id => document.getElementById(id), D = JSON.parse($("training-data").textContent), frames = D.frames;
const last = frames.length - 1, alone = document.body.classList.contains("alone"), slider = $("t-slider");
document.documentElement.classList.add("js");
$("t-all").open = false;
slider.max = last;
let current = last, timer = null;

/* the plane: runs of a level, a digit and two of the length in base 36, drawn as cells */
function paint(text) {
  const [left, top, width, height, cells] = D.plane, parts = {};
  const x = n => (left + n * width).toFixed(1), y = n => (top + n * height).toFixed(1);
  let at = 0;
  for (let i = 0; i < text.length; i += 3) {
    let rest = parseInt(text.slice(i + 1, i + 3), 36);
    while (rest > 0) {
      const row = Math.floor(at / cells), column = at % cells, length = Math.min(rest, cells - column);
      (parts[text[i]] ??= []).push(`M${x(column)} ${y(row)}H${x(column + length)}V${y(row + 1)}H${x(column)}z`);
      at += length;
      rest -= length;
    }
  }
  for (let k = 0, path; (path = $(`t-p${k}`)); k++) path.setAttribute("d", (parts[k] ?? []).join(""));
}
function go(n) {
  current = Math.max(0, Math.min(last, n));
  const f = frames[current];
  $("t-said").textContent = f.said;
  slider.value = current;
  slider.setAttribute("aria-valuetext", `step ${f.n}`);
  for (const line of document.querySelectorAll(".t-now")) line.setAttribute("d", line.getAttribute("d").replace(/^M[\d.]+/, `M${f.x}`));
  const dot = $("t-at");
  if (f.y === null) dot.setAttribute("r", 0);
  else for (const [k, v] of [["cx", f.x], ["cy", f.y], ["r", 4.5]]) dot.setAttribute(k, v);
  (f.norms ?? []).forEach((text, k) => { $(`t-n${k}`).textContent = text; });
  if (D.plane) paint(f.plane);
  (f.units ?? []).forEach(([levels, text], k) => {
    $(`t-u${k}`).textContent = text;
    [...$(`t-g${k}`).children].forEach((cell, i) => cell.setAttribute("class", `s${levels[i]}`));
  });
  const hash = `#frame=${current}`;
  try { if (alone && location.protocol !== "about:" && location.hash !== hash) history.replaceState(null, "", hash); } catch { /* a frame without a history */ }
}
function stop() { clearInterval(timer); timer = null; $("t-play").textContent = "▶ play"; $("t-said").setAttribute("aria-live", "polite"); }
$("t-play").addEventListener("click", () => {
  if (timer) return stop();
  if (current === last) go(0);
  $("t-play").textContent = "❚❚ pause";
  $("t-said").setAttribute("aria-live", "off"); /* not every step of a film is read out */
  timer = setInterval(() => current < last ? go(current + 1) : stop(), Math.max(60, Math.min(600, 8000 / frames.length)));
  return undefined;
});
const moved = n => { if (timer) stop(); go(n); };
$("t-prev").addEventListener("click", () => moved(current - 1));
$("t-next").addEventListener("click", () => moved(current + 1));
slider.addEventListener("input", () => moved(+slider.value));
const keys = e => {
  if (e.altKey || e.ctrlKey || e.metaKey || e.target.type === "range") return;
  const to = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: last }[e.key];
  if (to !== undefined) { e.preventDefault(); e.stopPropagation(); moved(to); }
  if (e.key === " " && e.target === document.body) { e.preventDefault(); $("t-play").click(); }
};
(alone ? window : $("training")).addEventListener("keydown", keys); /* beside the explorer only those that it is handed */
const linked = () => { const at = /frame=(\d+)/.exec(location.hash)?.[1]; go(at === undefined ? current : +at); };
if (alone) addEventListener("hashchange", linked);
linked();
})();
