// Shows what a streaming model writes, word by word, in the step that runs.

const MAX_CHARS = 20000;

// Show a message of an execution in the place, below a root, of its step.
export function showWords(root, message) {
  if (message.type === "token") append(placeOf(root, message.step), message.text);
  else if (message.type === "model_call_started") clear(placeOf(root, message.data.step));
}

function placeOf(root, step) {
  return [...root.querySelectorAll(".words")].find((place) => place.dataset.step === step);
}

function append(place, text) {
  if (!place) return;
  place.hidden = false;
  place.dataset.fetched = "yes"; // updates keep it
  const words = place.querySelector("pre");
  const isAtEnd = words.scrollTop + words.clientHeight >= words.scrollHeight - 20;
  words.textContent = (words.textContent + text).slice(-MAX_CHARS);
  if (isAtEnd) words.scrollTop = words.scrollHeight;
}

function clear(place) {
  if (place) place.querySelector("pre").textContent = "";
}
