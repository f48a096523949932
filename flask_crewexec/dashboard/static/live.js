// Keeps the parts of a page up to date: notified by the events of its execution, over one connection
// of all tabs, and by polling where there is none. The pages also work without this file.
(() => {
  "use strict";

  const root = document.getElementById("live");
  if (!root || !root.dataset.source) return;

  const EVENT_DELAY = 200; // ms from an event to the refresh
  const STREAM_INTERVAL = 10000; // ms between two refreshes while events arrive
  const TIMEOUT = 20000; // ms for one response
  const announcement = document.getElementById("announcement");
  const connection = document.getElementById("connection");
  const shown = new Map(parts(root).map((part) => [part.id, content(part)]));

  const stop = new AbortController();
  let isStreaming = false;
  let timer = null;
  let due = Infinity;
  let isRefreshing = false;
  let refreshAgain = false;
  let hasEnded = false;

  function parts(element) {
    return [...element.querySelectorAll("[data-part]")];
  }

  function secrets(element) {
    return [...element.querySelectorAll("input[type=hidden]")];
  }

  // The visible content of a part, without the tokens of forms, which differ each time.
  function content(part) {
    const copy = part.cloneNode(true);
    for (const input of secrets(copy)) input.remove();
    return copy.outerHTML;
  }

  function isActive() {
    return root.dataset.active === "yes";
  }

  // An earlier refresh stays scheduled, so that many events do not postpone it for ever.
  function refreshIn(milliseconds) {
    const moment = performance.now() + milliseconds;
    if (hasEnded || moment >= due) return;
    clearTimeout(timer);
    due = moment;
    timer = setTimeout(refresh, milliseconds);
  }

  function usualInterval() {
    return isStreaming ? STREAM_INTERVAL : Number(root.dataset.every);
  }

  async function refresh() {
    due = Infinity;
    if (isRefreshing) {
      refreshAgain = true;
      return;
    }
    isRefreshing = true;
    try {
      if (!document.hidden) await load();
    } catch {
      showConnection("The server does not answer; trying again.");
    } finally {
      isRefreshing = false;
    }
    if (hasEnded) return;
    if (!isActive()) {
      end("");
      return;
    }
    refreshIn(refreshAgain ? EVENT_DELAY : usualInterval());
    refreshAgain = false;
  }

  async function load() {
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(root.dataset.source, { credentials: "same-origin", signal });
    if (response.status >= 400 && response.status < 500) {
      end("Updates have stopped. Refresh the page.");
      return;
    }
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("live");
    if (!fresh) {
      end("Updates have stopped. Refresh the page.");
      return;
    }
    update(fresh);
    updateCount(page.getElementById("inbox-count"));
    showConnection("");
  }

  function update(fresh) {
    if (fresh.dataset.summary !== root.dataset.summary) {
      announcement.textContent = fresh.dataset.summary || "";
    }
    Object.assign(root.dataset, fresh.dataset);
    if (fresh.dataset.title) showStatus(fresh.dataset);
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
    document.dispatchEvent(new Event("crewexec:updated"));
  }

  // Parts of pages have no navigation.
  function updateCount(fresh) {
    const count = document.getElementById("inbox-count");
    if (count && fresh) count.replaceWith(document.adoptNode(fresh));
  }

  // Shows the status where it is seen from other tabs.
  function showStatus({ title, icon }) {
    document.title = title;
    const link = document.getElementById("icon");
    if (link.getAttribute("href") !== icon) link.setAttribute("href", icon);
  }

  // Inserts or replaces a part unless it is unchanged, and returns the part that is shown.
  function place(part, old, previous) {
    const current = content(part);
    if (old && shown.get(part.id) === current) {
      renewTokens(old, part);
      return old;
    }
    if (old && isSelected(old)) return old;
    shown.set(part.id, current);
    const fresh = document.adoptNode(part);
    if (old) replace(old, fresh);
    else if (previous) previous.after(fresh);
    else root.prepend(fresh);
    return fresh;
  }

  // The tokens of forms expire, also in parts that do not change.
  function renewTokens(old, part) {
    const fresh = secrets(part);
    secrets(old).forEach((input, index) => { input.value = fresh[index].value; });
  }

  function isSelected(element) {
    const selection = getSelection();
    return !selection.isCollapsed && element.contains(selection.anchorNode);
  }

  // Keeps what the reader has opened, fetched, scrolled and focused.
  function replace(old, fresh) {
    const opened = [...old.querySelectorAll("details[open][id]")].map((element) => element.id);
    const scrolled = [...old.querySelectorAll(".scroll[id]")]
      .map((element) => [element.id, element.scrollLeft, element.scrollTop]);
    const focused = old.contains(document.activeElement) ? focusId(document.activeElement) : null;
    moveFetched(old, fresh);
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

  function moveFetched(old, fresh) {
    for (const fetched of old.querySelectorAll("[data-fetched]")) {
      const place = fresh.querySelector(`#${fetched.id}`);
      if (place && !fresh.contains(fetched)) place.replaceWith(fetched);
    }
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

  function showConnection(text) {
    if (connection.textContent !== text) connection.textContent = text;
  }

  async function listen() {
    if (!root.dataset.client) return;
    const { createClient } = await import(root.dataset.client);
    const url = root.dataset.client.replace(/\/client\.js$/, "");
    const client = createClient({ url, shareTabs: root.dataset.user, onState: noteState });
    const { execution, after } = root.dataset;
    const messages = client.follow(execution, { after: Number(after), signal: stop.signal });
    for await (const message of messages) {
      const { type } = message;
      document.dispatchEvent(new CustomEvent("crewexec:message", { detail: message }));
      if (type !== "token") refreshIn(type === "end" ? 0 : EVENT_DELAY);
    }
  }

  function noteState(state) {
    isStreaming = state === "open";
    if (!isStreaming) refreshIn(usualInterval());
  }

  function end(text) {
    hasEnded = true;
    clearTimeout(timer);
    stop.abort();
    showConnection(text);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshIn(0);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) refreshIn(0);
  });

  if (!isActive()) return;
  listen().catch(() => noteState("idle"));
  refreshIn(Number(root.dataset.every));
})();
