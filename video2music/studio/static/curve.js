// Points are [time in s, valence, arousal]; props.value is {duration_s, points}. A value is never changed in place,
// because the page tells two values apart by comparing them.
const NAMES = ["time", "valence", "arousal"];
const LEFT = 34, RIGHT = 18, TOP = 10, BOTTOM = 22, STEP = 0.05;
const svg = element.querySelector("svg");
let points = [], duration = 20, width = 0, height = 190, held = null;

const clamp = (number, low, high) => Math.min(Math.max(number, low), high);
const round = (number) => Math.round(number * 100) / 100;
const x = (time) => LEFT + (time / duration) * (width - LEFT - RIGHT);
const y = (level) => TOP + ((1 - level) / 2) * (height - TOP - BOTTOM);
const timeAt = (pixel) => ((pixel - LEFT) / Math.max(width - LEFT - RIGHT, 1)) * duration;
const levelAt = (pixel) => 1 - (2 * (pixel - TOP)) / (height - TOP - BOTTOM);

function make(tag, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  if (text !== undefined) made.textContent = text;
  parent.appendChild(made);
  return made;
}

function read() {
  const value = props.value || {};
  duration = Math.max(Number(value.duration_s) || 20, 0.1);
  points = (value.points || []).map((point) => point.map(Number));
}

function commit() {
  points = points.map((point) => point.map(round));
  props.value = { duration_s: duration, points: points.map((point) => [...point]) };
  trigger("input");
}

function drawGrid() {
  for (const [level, name] of [[1, "+1"], [0, "0"], [-1, "−1"]]) {
    make("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(level), y2: y(level) }, svg);
    make("text", { x: LEFT - 6, y: y(level) + 4, "text-anchor": "end" }, svg, name);
  }
  const every = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].find((step) => duration / step <= Math.max(width / 60, 2)) || 7200;
  for (let time = 0; time <= duration + 1e-6; time += every) {
    make("text", { x: x(time), y: height - 6, "text-anchor": "middle" }, svg, round(time) + " s");
  }
}

function drawLine(axis) {
  const edges = [[0, points[0][axis]], ...points.map((point) => [point[0], point[axis]]), [duration, points.at(-1)[axis]]];
  const way = edges.map(([time, level]) => x(time) + "," + y(level)).join(" ");
  make("polyline", { class: "line " + NAMES[axis], points: way }, svg);
}

function drawHandle(index, axis) {
  const point = points[index];
  const handle = make("g", {
    class: "handle " + NAMES[axis], tabindex: 0, role: "slider", "data-index": index, "data-axis": axis,
    "aria-label": NAMES[axis] + " at " + round(point[0]) + " seconds", "aria-valuemin": -1, "aria-valuemax": 1,
    "aria-valuenow": round(point[axis]), "aria-orientation": "vertical",
    transform: "translate(" + x(point[0]) + "," + y(point[axis]) + ")",
  }, svg);
  make("circle", { class: "grip", r: 16 }, handle);
  make("circle", { class: "dot", r: 6 }, handle);
}

function draw() {
  const focus = document.activeElement && svg.contains(document.activeElement) ? document.activeElement.dataset : null;
  width = svg.clientWidth;
  svg.replaceChildren();
  if (!width || !points.length) return;
  drawGrid();
  for (const axis of [1, 2]) drawLine(axis);
  for (const axis of [1, 2]) points.forEach((_, index) => drawHandle(index, axis));
  if (focus) find(focus.index, focus.axis)?.focus();
}

const find = (index, axis) => svg.querySelector('.handle[data-index="' + index + '"][data-axis="' + axis + '"]');

function move(index, axis, time, level) {
  const before = index ? points[index - 1][0] + 0.05 : 0;
  const after = index < points.length - 1 ? points[index + 1][0] - 0.05 : duration;
  const fixed = index === 0 || index === points.length - 1;  // the curve keeps its ends
  points[index][0] = fixed ? points[index][0] : clamp(time, before, Math.max(before, after));
  points[index][axis] = clamp(level, -1, 1);
}

function add(time, level, axis) {
  const index = points.findIndex((point) => point[0] > time);
  if (index < 1 || time - points[index - 1][0] < 0.1 || points[index][0] - time < 0.1) return -1;
  const [before, after] = [points[index - 1], points[index]];
  const share = (time - before[0]) / (after[0] - before[0]);
  const between = before.map((number, place) => number + share * (after[place] - number));
  if (level !== null) between[axis] = clamp(level, -1, 1);
  points.splice(index, 0, between);
  return index;
}

function place(event) {
  const box = svg.getBoundingClientRect();
  return [timeAt(event.clientX - box.left), levelAt(event.clientY - box.top)];
}

svg.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest(".handle");
  if (!handle) return;
  held = { index: Number(handle.dataset.index), axis: Number(handle.dataset.axis), moved: false };
  handle.focus();
  svg.setPointerCapture(event.pointerId);
  event.preventDefault();
});
svg.addEventListener("pointermove", (event) => {
  if (!held) return;
  held.moved = true;
  move(held.index, held.axis, ...place(event));
  draw();
});
const letGo = () => {
  const done = held;
  held = null;
  if (done && done.moved) commit();
};
svg.addEventListener("pointerup", letGo);
svg.addEventListener("pointercancel", letGo);
svg.addEventListener("dblclick", (event) => {
  if (event.target.closest(".handle")) return;
  const [time, level] = place(event);
  const near = points.findIndex((point) => point[0] > time);
  if (near < 1) return;
  const off = (axis) => Math.abs((points[near - 1][axis] + points[near][axis]) / 2 - level);
  if (add(time, level, off(1) <= off(2) ? 1 : 2) > 0) { draw(); commit(); }
});

function grow(index, axis) {
  const next = Math.min(index + 1, points.length - 1);
  const added = add((points[next - 1][0] + points[next][0]) / 2, null, axis);
  if (added > 0) { draw(); find(added, axis)?.focus(); }
}

function shrink(index, axis) {
  if (index === 0 || index === points.length - 1) return;
  points.splice(index, 1);
  draw();
  find(index - 1, axis)?.focus();
}

const KEYS = {
  ArrowUp: (index, axis) => move(index, axis, points[index][0], points[index][axis] + STEP),
  ArrowDown: (index, axis) => move(index, axis, points[index][0], points[index][axis] - STEP),
  ArrowLeft: (index, axis) => move(index, axis, points[index][0] - duration / 100, points[index][axis]),
  ArrowRight: (index, axis) => move(index, axis, points[index][0] + duration / 100, points[index][axis]),
  "+": grow, Delete: shrink, Backspace: shrink,
};
svg.addEventListener("keydown", (event) => {
  const handle = event.target.closest(".handle");
  const act = handle && KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act(Number(handle.dataset.index), Number(handle.dataset.axis));
  draw();
  commit();
});

watch("value", () => { if (!held) { read(); draw(); } });
new ResizeObserver(draw).observe(svg);
read();
draw();
