// Keeps the parts of a page up to date: told by the server's events where there are any, and by
// asking again and again where there are none. Without this file the pages work, too.
(() => {
  "use strict";

  const root = document.getElementById("live");
  if (!root || !root.dataset.source) return;

  const EVENTS = [
    "queued", "started", "step_started", "step_completed", "step_skipped", "condition_met",
    "crew_planned", "guardrail_passed", "guardrail_refused", "model_call_started",
    "model_call_completed", "model_call_failed", "tool_started", "tool_finished", "tool_failed",
    "retrying", "worker_lost", "handed_back", "cancel_requested", "completed", "failed",
    "cancelled", "timed_out",
  ];
  const PAUSE = 200; // ms from an event to the look at what has changed
  const SELDOM = 10000; // ms between two looks while events arrive, for the times shown
  const PATIENCE = 20000; // ms for one answer
  const announcement = document.getElementById("announcement");
  const connection = document.getElementById("connection");
  const shown = new Map(parts(root).map((part) => [part.id, content(part)]));

  let stream = null;
  let timer = null;
  let due = Infinity;
  let isLooking = false;
  let lookAgain = false;
  let isOver = false;

  function parts(element) {
    return [...element.querySelectorAll("[data-part]")];
  }

  function secrets(element) {
    return [...element.querySelectorAll("input[type=hidden]")];
  }

  // What can be seen of a part: tokens of forms differ each time.
  function content(part) {
    const copy = part.cloneNode(true);
    for (const input of secrets(copy)) input.remove();
    return copy.outerHTML;
  }

  function isMoving() {
    return root.dataset.moving === "yes";
  }

  // An earlier appointment stands, so that a flood of events does not put it off for ever.
  function lookIn(milliseconds) {
    const moment = performance.now() + milliseconds;
    if (isOver || moment >= due) return;
    clearTimeout(timer);
    due = moment;
    timer = setTimeout(look, milliseconds);
  }

  function usualPause() {
    const isTold = stream !== null && stream.readyState === EventSource.OPEN;
    return isTold ? SELDOM : Number(root.dataset.every);
  }

  async function look() {
    due = Infinity;
    if (isLooking) {
      lookAgain = true;
      return;
    }
    isLooking = true;
    try {
      if (!document.hidden) await refresh();
    } catch {
      tell("The server does not answer; trying again.");
    } finally {
      isLooking = false;
    }
    if (isOver) return;
    if (!isMoving()) {
      end("");
      return;
    }
    lookIn(lookAgain ? PAUSE : usualPause());
    lookAgain = false;
  }

  async function refresh() {
    const signal = AbortSignal.timeout(PATIENCE);
    const answer = await fetch(root.dataset.source, { credentials: "same-origin", signal });
    if (answer.status >= 400 && answer.status < 500) {
      end("Updates have stopped. Refresh the page.");
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (!fresh) {
      end("Updates have stopped. Refresh the page.");
      return;
    }
    update(fresh);
    tell("");
  }

  function update(fresh) {
    if (fresh.dataset.summary !== root.dataset.summary) {
      announcement.textContent = fresh.dataset.summary || "";
    }
    Object.assign(root.dataset, fresh.dataset);
    const known = new Map(parts(root).map((part) => [part.id, part]));
    let previous = null;
    for (const part of parts(fresh)) {
      const old = known.get(part.id);
      known.delete(part.id);
      previous = place(part, old, previous);
    }
    for (const gone of known.values()) {
      shown.delete(gone.id);
      gone.remove();
    }
  }

  // Puts a part where it belongs, unless it is there as it should be, and returns what is there.
  function place(part, old, previous) {
    const fits = content(part);
    if (old && shown.get(part.id) === fits) {
      renew(old, part);
      return old;
    }
    if (old && isSelected(old)) return old;
    shown.set(part.id, fits);
    const fresh = document.adoptNode(part);
    if (old) exchange(old, fresh);
    else if (previous) previous.after(fresh);
    else root.prepend(fresh);
    return fresh;
  }

  // A token that is shown for long must not grow old.
  function renew(old, part) {
    const fresh = secrets(part);
    secrets(old).forEach((input, index) => { input.value = fresh[index].value; });
  }

  function isSelected(element) {
    const selection = getSelection();
    return !selection.isCollapsed && element.contains(selection.anchorNode);
  }

  // What the reader has opened, scrolled and focused stays as it is.
  function exchange(old, fresh) {
    const opened = [...old.querySelectorAll("details[open][id]")].map((element) => element.id);
    const scrolled = [...old.querySelectorAll(".scroll[id]")]
      .map((element) => [element.id, element.scrollLeft, element.scrollTop]);
    const focused = old.contains(document.activeElement) ? focusId(document.activeElement) : null;
    old.replaceWith(fresh);
    for (const id of opened) {
      const element = document.getElementById(id);
      if (element) element.open = true;
    }
    for (const [id, left, top] of scrolled) {
      const element = document.getElementById(id);
      if (element) element.scrollTo(left, top);
    }
    if (focused) refocus(focused);
  }

  function focusId(element) {
    const isSummary = element.localName === "summary";
    return { id: (isSummary ? element.parentElement : element).id, isSummary };
  }

  function refocus({ id, isSummary }) {
    const element = id ? document.getElementById(id) : null;
    const target = isSummary && element ? element.querySelector("summary") : element;
    (target || document.getElementById("main")).focus({ preventScroll: true });
  }

  function tell(text) {
    if (connection.textContent !== text) connection.textContent = text;
  }

  function listen() {
    if (!root.dataset.events || !isMoving() || !window.EventSource) return;
    const url = new URL(root.dataset.events, location.href);
    url.searchParams.set("after", root.dataset.after);
    stream = new EventSource(url);
    for (const type of EVENTS) stream.addEventListener(type, () => lookIn(PAUSE));
    stream.addEventListener("end", () => {
      hangUp();
      lookIn(0);
    });
    stream.addEventListener("error", () => lookIn(Number(root.dataset.every)));
  }

  function hangUp() {
    if (stream) stream.close();
    stream = null;
  }

  function end(text) {
    isOver = true;
    clearTimeout(timer);
    hangUp();
    tell(text);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) lookIn(0);
  });
  addEventListener("pagehide", hangUp);
  addEventListener("pageshow", (event) => {
    if (event.persisted && !isOver) {
      listen();
      lookIn(0);
    }
  });

  if (!isMoving()) return;
  listen();
  lookIn(Number(root.dataset.every));
})();
