// Lets times pass between two updates: "data-ticking" has the seconds until now of something that
// goes on, and "data-counting" those until something is due.

const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
const seen = new WeakMap(); // when each element was first seen

// Show the times below a root as they are now.
export function tick(root) {
  for (const element of root.querySelectorAll("[data-ticking]")) {
    element.textContent = duration(Number(element.dataset.ticking) + passed(element));
  }
  for (const element of root.querySelectorAll("[data-counting]")) {
    element.textContent = duration(Number(element.dataset.counting) - passed(element));
  }
}

// The server's formatting.duration(), in whole seconds; in tenths below one.
function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const unit = UNITS.find(([size]) => whole >= size);
  if (!unit) return `${Math.floor(10 * Math.max(0, seconds)) / 10} s`;
  const [size, name, smaller, smallName] = unit;
  const rest = Math.floor((whole % size) / smaller);
  return `${Math.floor(whole / size)} ${name}` + (rest ? ` ${rest} ${smallName}` : "");
}

function passed(element) {
  if (!seen.has(element)) seen.set(element, performance.now());
  return (performance.now() - seen.get(element)) / 1000;
}
