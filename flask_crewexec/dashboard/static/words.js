// Shows what a streaming model writes, word by word, in the step that runs.
(() => {
  "use strict";

  const MAX_CHARS = 20000;

  function placeOf(step) {
    return [...document.querySelectorAll(".words")].find((place) => place.dataset.step === step);
  }

  document.addEventListener("crewexec:message", ({ detail: message }) => {
    if (message.type === "token") append(placeOf(message.step), message.text);
    else if (message.type === "model_call_started") clear(placeOf(message.data.step));
  });

  function append(place, text) {
    if (!place) return;
    place.hidden = false;
    place.dataset.fetched = "yes"; // updates of the page keep it
    const words = place.querySelector("pre");
    const isAtEnd = words.scrollTop + words.clientHeight >= words.scrollHeight - 20;
    words.textContent = (words.textContent + text).slice(-MAX_CHARS);
    if (isAtEnd) words.scrollTop = words.scrollHeight;
  }

  function clear(place) {
    if (place) place.querySelector("pre").textContent = "";
  }
})();
