// Keeps a root with parts up to date: notified by the events of its execution, or of those in its
// rows, over one connection of all tabs, and by polling where there is none. What it needs is in the root's "data-" attributes.

import { Following } from "./following.js";
import { Parts } from "./parts.js";
import { tick } from "./ticking.js";
import { showWords } from "./words.js";

const EVENT_DELAY = 200; // ms from an event to the refresh
const END_DELAY = 100; // ms from the end of an execution
const STREAM_INTERVAL = 10000; // ms between two refreshes while events arrive
const TIMEOUT = 20000; // ms for one response

export class LiveView {
  #root;
  #parts;
  #listener;
  #following;
  #stop = new AbortController();
  #isStreaming = false;
  #timer = null;
  #due = Infinity;
  #isRefreshing = false;
  #refreshAgain = false;

  // The listener has onUpdate(page), called with the document that was fetched, once it is shown,
  // and showConnection(text), where an empty text means that all is well.
  constructor(root, listener) {
    this.#root = root;
    this.#parts = new Parts(root);
    this.#listener = listener;
    this.#following = new Following(root, (message) => this.#hear(message), this.#stop.signal);
  }

  start() {
    if (!this.#isActive) return;
    const options = { signal: this.#stop.signal };
    const whenShown = () => { if (!document.hidden) this.refreshIn(0); };
    document.addEventListener("visibilitychange", whenShown, options);
    addEventListener("pageshow", ({ persisted }) => { if (persisted) this.refreshIn(0); }, options);
    this.#tick();
    this.#following.start((state) => this.#noteState(state)).catch(() => this.#noteState("idle"));
    this.refreshIn(Number(this.#root.dataset.every));
  }

  #tick() {
    tick(this.#root);
    const clock = setInterval(() => tick(this.#root), 1000);
    this.#stop.signal.addEventListener("abort", () => clearInterval(clock), { once: true });
  }

  stop(text = "") {
    clearTimeout(this.#timer);
    this.#stop.abort();
    this.#listener.showConnection(text);
  }

  get #isActive() {
    return this.#root.dataset.active === "yes";
  }

  // An earlier refresh stays scheduled, so that many events do not postpone it for ever.
  refreshIn(milliseconds) {
    const moment = performance.now() + milliseconds;
    if (this.#stop.signal.aborted || moment >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = moment;
    this.#timer = setTimeout(() => this.#refresh(), milliseconds);
  }

  get #interval() {
    const isTold = this.#isStreaming && this.#following.isComplete;
    return isTold ? STREAM_INTERVAL : Number(this.#root.dataset.every);
  }

  async #refresh() {
    this.#due = Infinity;
    if (this.#isRefreshing) {
      this.#refreshAgain = true;
      return;
    }
    this.#isRefreshing = true;
    try {
      if (!document.hidden) await this.#load();
    } catch {
      this.#listener.showConnection("The server does not answer; trying again.");
    } finally {
      this.#isRefreshing = false;
    }
    if (this.#stop.signal.aborted) return;
    if (!this.#isActive) {
      this.stop();
      return;
    }
    this.refreshIn(this.#refreshAgain ? EVENT_DELAY : this.#interval);
    this.#refreshAgain = false;
  }

  async #load() {
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(this.#root.dataset.source, { credentials: "same-origin", signal });
    const isRefused = response.status >= 400 && response.status < 500;
    if (!response.ok && !isRefused) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = isRefused ? null : page.getElementById("live");
    if (this.#stop.signal.aborted) return;
    if (!fresh) {
      this.stop("Updates have stopped. Refresh the page.");
      return;
    }
    this.#announce(fresh.dataset.summary || "");
    this.#parts.update(fresh);
    this.#following.update();
    tick(this.#root);
    this.#listener.onUpdate(page);
    this.#root.dispatchEvent(new Event("crewexec:updated", { bubbles: true }));
    this.#listener.showConnection("");
  }

  #announce(text) {
    if (text === (this.#root.dataset.summary || "")) return;
    this.#root.getRootNode().getElementById("announcement").textContent = text;
  }

  // Lists say with "data-delay" that they are not worth a refresh at each event.
  #hear(message) {
    if (!message) {
      this.refreshIn(this.#interval);
      return;
    }
    showWords(this.#root, message);
    if (message.type === "token") return;
    const delay = Number(this.#root.dataset.delay ?? EVENT_DELAY);
    this.refreshIn(message.type === "end" ? Math.min(delay, END_DELAY) : delay);
  }

  #noteState(state) {
    this.#isStreaming = state === "open";
    if (!this.#isStreaming) this.refreshIn(this.#interval);
  }
}
