// <crewexec-execution execution-id="…" src="…">: an execution on any page. The server renders what it
// shows, at "src"; where a macro has done that already, the element only keeps it up to date.

import { watchEdits } from "./edits.js";
import { LiveView } from "./live_view.js";

const TIMEOUT = 20000; // ms for one response
const sheets = new Map(); // promises of stylesheets by address

class ExecutionElement extends HTMLElement {
  static observedAttributes = ["src"];

  #tree = null;
  #view = null;
  #requests = new AbortController();

  connectedCallback() {
    this.#tree ??= this.attachInternals().shadowRoot ?? this.attachShadow({ mode: "open" });
    this.#requests = new AbortController();
    const { signal } = this.#requests;
    watchEdits(this.#tree, { signal });
    this.#tree.addEventListener("submit", (event) => this.#submit(event), { signal });
    if (this.#root) this.#follow();
    else this.#load();
  }

  disconnectedCallback() {
    this.#requests.abort();
    this.#view?.stop();
  }

  attributeChangedCallback(name, before, now) {
    if (this.isConnected && this.#tree && before !== now) this.#load();
  }

  get #root() {
    return this.#tree.getElementById("live");
  }

  async #load() {
    try {
      const page = await this.#fetch(this.getAttribute("src"));
      const { href } = page.querySelector("link[rel=stylesheet]");
      const sheet = await sheetAt(href);
      const content = ["live", "connection", "announcement"].map((id) => page.getElementById(id));
      this.#tree.adoptedStyleSheets = [sheet];
      this.#tree.replaceChildren(...content);
      this.#follow();
    } catch (error) {
      this.#sayThatItFailed(error);
    }
  }

  #follow() {
    this.#view?.stop();
    const connection = this.#tree.getElementById("connection");
    const showConnection = (text) => { connection.textContent = text; };
    this.#view = new LiveView(this.#root, { onUpdate: () => this.#tell(), showConnection });
    this.#view.start();
    this.#tell();
  }

  // Fires "crewexec-update" with the status whenever something new is shown.
  #tell() {
    const { execution: id, status } = this.#root.dataset;
    const detail = { id, status };
    this.dispatchEvent(new CustomEvent("crewexec-update", { detail, bubbles: true, composed: true }));
  }

  async #fetch(address, options = {}) {
    const signal = AbortSignal.any([this.#requests.signal, AbortSignal.timeout(TIMEOUT)]);
    const response = await fetch(address, { credentials: "same-origin", signal, ...options });
    if (response.type === "opaqueredirect") return null;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!response.ok) throw new Refused(page);
    return page;
  }

  // Forms work on their own, too, but lead to pages of the dashboard.
  async #submit(event) {
    event.preventDefault();
    const { target: form, submitter } = event;
    const body = new FormData(form, submitter);
    submitter.disabled = true;
    try {
      await this.#fetch(form.action, { method: "POST", body, redirect: "manual" });
      await this.#load();
      this.#root?.focus({ preventScroll: true });
    } catch (error) {
      if (!this.#requests.signal.aborted) this.#sayThatItWasRefused(form, error);
    } finally {
      submitter.disabled = false;
    }
  }

  #sayThatItWasRefused(form, error) {
    const known = form.querySelector(":scope > .refused");
    const line = known ?? alertLine();
    line.classList.add("refused");
    line.textContent = messageOf(error);
    if (!known) form.prepend(line);
  }

  #sayThatItFailed(error) {
    if (this.#requests.signal.aborted) return;
    const line = alertLine();
    line.textContent = messageOf(error);
    this.#tree.replaceChildren(line);
  }
}

class Refused extends Error {
  constructor(page) {
    const told = page.querySelector("[role=alert], .wrong, .problem h1 + p");
    super(told ? told.textContent.trim() : "The server has refused this.");
  }
}

function messageOf(error) {
  return error instanceof Refused ? error.message : "The server does not answer. Try again.";
}

function alertLine() {
  const line = document.createElement("p");
  line.className = "error";
  line.part = "error";
  line.setAttribute("role", "alert");
  return line;
}

function sheetAt(address) {
  if (!sheets.has(address)) sheets.set(address, fetchSheet(address));
  return sheets.get(address);
}

async function fetchSheet(address) {
  const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(response.statusText);
  return new CSSStyleSheet().replace(await response.text());
}

if (!customElements.get("crewexec-execution")) {
  customElements.define("crewexec-execution", ExecutionElement);
}
