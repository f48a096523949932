// Client of the HTTP API of Flask-CrewExec, for browsers and other places with "fetch". Its types
// are in client.d.ts.

import { Api } from "./api.js";
import { Connections } from "./connection.js";
import { CrewExecError } from "./errors.js";
import { Followers } from "./followers.js";
import { canShare, SharedConnection } from "./tabs.js";

export { CrewExecError };

export function createClient(options) {
  return new Client(options);
}

class Client {
  #api;
  #followers;

  constructor({ shareTabs = null, pauseWhenHidden = true, onState = null, ...others }) {
    const { maxStreams = Infinity, ...options } = others;
    this.#api = new Api(options);
    const open = (listener) => new Connections(this.#api, listener, maxStreams);
    const name = `crewexec ${this.#api.url} ${shareTabs}`;
    const isShared = shareTabs !== null && canShare();
    const connect = (listener) =>
      isShared ? new SharedConnection(name, listener, open) : open(listener);
    this.#followers = new Followers(connect, { pauseWhenHidden, onState });
  }

  queue(submission, { idempotencyKey, wait, signal } = {}) {
    const headers = { ...prefer(wait), ...(idempotencyKey && { "Idempotency-Key": idempotencyKey }) };
    return this.#api.request("POST", "/executions", { body: submission, headers, wait, signal });
  }

  get(id, { wait, signal } = {}) {
    return this.#api.request("GET", one(id), { headers: prefer(wait), wait, signal });
  }

  list(query = {}, { signal } = {}) {
    return this.#api.request("GET", "/executions", { query, signal });
  }

  graphs(query = {}, { signal } = {}) {
    return this.#api.request("GET", "/graphs", { query, signal });
  }

  cancel(id, { reason, signal } = {}) {
    return this.#api.request("POST", `${one(id)}/cancel`, { body: { reason }, signal });
  }

  retry(id, limits = {}, { signal } = {}) {
    return this.#api.request("POST", `${one(id)}/retry`, { body: limits, signal });
  }

  cancelSeveral(ids, { reason, signal } = {}) {
    return this.#api.request("POST", "/executions/cancel", { body: { ids, reason }, signal });
  }

  retrySeveral(ids, limits = {}, { signal } = {}) {
    return this.#api.request("POST", "/executions/retry", { body: { ids, ...limits }, signal });
  }

  follow(id, { after = 0, signal } = {}) {
    return this.#followers.follow(id, after, signal);
  }

  inputRequests(query = {}, { signal } = {}) {
    return this.#api.request("GET", "/input-requests", { query, signal });
  }

  inputRequest(id, { signal } = {}) {
    return this.#api.request("GET", asked(id), { signal });
  }

  answer(requestId, answer, { signal } = {}) {
    return this.#api.request("POST", `${asked(requestId)}/answer`, { body: answer, signal });
  }

  answerAll(id, answers, { signal } = {}) {
    return this.#api.request("POST", `${one(id)}/answers`, { body: { answers }, signal });
  }
}

function one(id) {
  return `/executions/${encodeURIComponent(id)}`;
}

function asked(id) {
  return `/input-requests/${encodeURIComponent(id)}`;
}

function prefer(wait) {
  return wait ? { Prefer: `wait=${wait}` } : {};
}
