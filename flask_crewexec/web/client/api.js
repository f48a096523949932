// Sends requests to the API, with the headers of the caller.

import { errorOf, failureOf } from "./errors.js";

const TIMEOUT = 20_000; // ms for an answer that nothing is waited for

export class Api {
  #options;

  constructor(options) {
    this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
  }

  get url() {
    return this.#options.url;
  }

  // The body of the answer. It may take "wait" seconds longer, since the server waits as long.
  async request(method, path, { query, body, headers, signal, wait = 0 } = {}) {
    const limit = AbortSignal.timeout(TIMEOUT + wait * 1000);
    try {
      const response = await this.#fetch(path, query, {
        method,
        headers: await this.#headers(method, { Accept: "application/json", ...headers }, body),
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      return await response.json();
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  // A response whose body is a stream of events.
  async open(path, { query, signal }) {
    try {
      const headers = await this.#headers("GET", { Accept: "text/event-stream" });
      return await this.#fetch(path, query, { headers, signal, cache: "no-store" });
    } catch (error) {
      throw failureOf(error, signal);
    }
  }

  async #fetch(path, query, init) {
    const { url, credentials = "same-origin" } = this.#options;
    const response = await fetch(url + path + asText(query), { credentials, ...init });
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async #headers(method, own, body) {
    const { headers, getHeaders, csrfHeaders } = this.#options;
    const json = body === undefined ? {} : { "Content-Type": "application/json" };
    const csrf = method === "GET" ? {} : await valueOf(csrfHeaders);
    return { ...own, ...json, ...csrf, ...headers, ...(await valueOf(getHeaders)) };
  }
}

function valueOf(given) {
  return typeof given === "function" ? given() : given;
}

function asText(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
