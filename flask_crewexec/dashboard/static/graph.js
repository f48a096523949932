// The drawing of a graph: its size, the task that runs, and the lines of the timeline that belong to a
// task. Without this file it fits its card, opens in full size, and its tasks lead to their steps.

const SIZES = [0.5, 0.7, 1, 1.4, 2, 3]; // of the natural size
const KEYS = { "+": 1, "=": 1, "-": -1, 0: 0 };
const page = document.documentElement;
let size = null; // place in SIZES; null while the drawing fits
let hasMoved = false; // the reader, in the drawing

function box() {
  return document.getElementById("graph-scroll");
}

// The size of the list that comes next to the one that is shown, in a direction; 0 lets it fit.
function zoom(direction) {
  size = direction === 0 ? null : next(direction);
  page.classList.toggle("zoomed", size !== null);
  if (size !== null) page.style.setProperty("--zoom", SIZES[size]);
  const told = size === null ? "The drawing fits." : `The drawing has ${SIZES[size] * 100} %.`;
  document.getElementById("announcement").textContent = told;
}

function next(direction) {
  const graph = box().querySelector(".graph");
  const shown = graph.getBoundingClientRect().width / Number(graph.getAttribute("width"));
  const larger = SIZES.findIndex((each) => each > shown + 0.01);
  const smaller = SIZES.findLastIndex((each) => each < shown - 0.01);
  if (direction > 0) return larger < 0 ? SIZES.length - 1 : larger;
  return Math.max(smaller, 0);
}

// Brings the task that runs into view, within the drawing only, unless the reader has moved it.
function follow() {
  const running = box()?.querySelector(".node-running");
  if (!running || hasMoved) return;
  const [outer, inner] = [box(), running].map((element) => element.getBoundingClientRect());
  const isVisible = inner.left >= outer.left && inner.right <= outer.right;
  if (!isVisible) box().scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}

// What belongs to the same step: the node in the drawing, and the line of the timeline.
function light(element) {
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  const position = positionOf(element);
  if (position === null) return;
  document.getElementById(`node-${position}`)?.classList.add("lit");
  document.querySelector(`.waterfall [data-row="${position}"]`)?.classList.add("lit");
}

function positionOf(element) {
  const node = element.closest?.(".node");
  return node ? node.id.replace("node-", "") : element.closest?.("[data-row]")?.dataset.row ?? null;
}

function start() {
  page.classList.add("scripted");
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-zoom]");
    if (button) zoom(Number(button.dataset.zoom));
  });
  document.addEventListener("keydown", (event) => {
    if (!box().contains(event.target)) return;
    if (event.key.startsWith("Arrow")) hasMoved = true;
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    zoom(KEYS[event.key]);
  });
  document.addEventListener("wheel", (event) => {
    if (!box().contains(event.target)) return;
    if (event.deltaX !== 0 || event.shiftKey || event.ctrlKey) hasMoved = true;
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1 : -1);
  }, { passive: false });
  document.addEventListener("pointerdown", ({ target }) => {
    if (box().contains(target)) hasMoved = true;
  });
  document.addEventListener("pointerover", ({ target }) => light(target));
  document.addEventListener("focusin", ({ target }) => light(target));
  document.addEventListener("crewexec:updated", follow);
  follow();
}

if (box()) start();
