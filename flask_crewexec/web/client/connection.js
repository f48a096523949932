// Streams of the events of several executions, which come back wherever they were cut off.
//
// What they bring goes to a listener: receive(message), fail(id, error) for an execution that
// cannot be followed, and onState(state, error): "idle", "connecting", "open" or "waiting".

import { CrewExecError, failureOf } from "./errors.js";
import { pause } from "./pauses.js";
import { readMessages } from "./sse.js";

const MOST = 50; // executions of one stream
const SILENCE = 60_000; // ms without a sign of life, after which a stream is given up
const STATES = ["idle", "open", "connecting", "waiting"];

// One stream, of at most MOST executions.
class Connection {
  #api;
  #listener;
  #wanted = new Map(); // ids, and the numbers of the last events that are known
  #requested = []; // ids in the order of the last request
  #cut = new AbortController(); // ends the present attempt; the next one follows at once
  #isRunning = false;

  constructor(api, listener) {
    this.#api = api;
    this.#listener = listener;
  }

  get ids() {
    return [...this.#wanted.keys()];
  }

  // Follow these executions after these numbers, and no others.
  want(positions) {
    const isCovered = [...positions].every(([id, after]) => this.#wanted.get(id) <= after);
    this.#wanted = new Map(positions);
    if (!isCovered || !positions.size) this.#cut.abort();
    if (positions.size && !this.#isRunning) this.#run();
  }

  async #run() {
    this.#isRunning = true;
    let failures = 0;
    while (this.#wanted.size) {
      this.#cut = new AbortController();
      const { signal } = this.#cut;
      try {
        await this.#stream(signal, () => { failures = 0; });
        failures += 1;
        if (this.#wanted.size) await pause(failures, { signal }); // the server wants us to return
      } catch (error) {
        if (signal.aborted) continue;
        failures += 1;
        await this.#recover(error, failures, signal);
      }
    }
    this.#isRunning = false;
    this.#listener.onState("idle", null);
  }

  async #stream(signal, onMessage) {
    this.#listener.onState("connecting", null);
    const response = await this.#api.open("/events", { query: this.#query(), signal });
    this.#listener.onState("open", null);
    let silence = this.#cutAfterSilence();
    try {
      for await (const messages of readMessages(response.body)) {
        clearTimeout(silence);
        silence = this.#cutAfterSilence();
        if (messages.length) onMessage();
        for (const message of messages) this.#receive(message);
      }
    } catch (error) {
      throw failureOf(error, signal);
    } finally {
      clearTimeout(silence);
    }
  }

  #cutAfterSilence() {
    const cut = this.#cut;
    return setTimeout(() => cut.abort(), SILENCE);
  }

  #query() {
    this.#requested = this.ids;
    return { executions: this.#requested.join(), after: [...this.#wanted.values()].join() };
  }

  #receive(message) {
    const { execution_id: id, seq, type } = message;
    if (!this.#wanted.has(id)) return;
    if (type === "end") this.#wanted.delete(id);
    else if (seq > this.#wanted.get(id)) this.#wanted.set(id, seq);
    this.#listener.receive(message);
  }

  async #recover(error, failures, signal) {
    const refused = this.#refusedBy(error);
    if (refused.size) { // the others are followed without them
      for (const [id, problem] of refused) this.#fail(id, error.about(problem));
      return;
    }
    if (!error.isTransient) {
      for (const id of this.ids) this.#fail(id, error);
      return;
    }
    this.#listener.onState("waiting", error);
    if (error.code === "too-many-streams") await this.#readPages(signal);
    await pause(failures, { retryAfter: error.retryAfter, signal });
  }

  // The executions that a problem document points to, each with its problem.
  #refusedBy({ problems }) {
    const refused = new Map();
    for (const problem of problems) {
      const place = /^\/(executions|after)\/(\d+)$/.exec(problem.pointer);
      if (place) refused.set(this.#requested[place[2]], problem);
    }
    return refused;
  }

  #fail(id, error) {
    if (this.#wanted.delete(id)) this.#listener.fail(id, error);
  }

  // Without a stream, what has happened so far is read at each attempt.
  async #readPages(signal) {
    try {
      const read = await this.#api.request("GET", "/events", { query: this.#query(), signal });
      for (const { execution_id, events, final_status: status } of read.executions) {
        for (const event of events) this.#receive({ ...event, execution_id });
        if (status !== null) this.#receive({ type: "end", execution_id, status });
      }
    } catch {
      // The next attempt says what is wrong.
    }
  }
}

// As many connections as it takes: mostly one. Executions for which there may be none are refused.
export class Connections {
  #api;
  #listener;
  #most;
  #connections = [];
  #states = [];

  constructor(api, listener, most) {
    this.#api = api;
    this.#listener = listener;
    this.#most = most;
  }

  // Follow these executions after these numbers, and no others.
  want(positions) {
    const left = new Map(positions);
    const shares = this.#connections.map(({ ids }) => take(left, ids.filter((id) => left.has(id))));
    for (const share of shares) fill(share, left);
    while (left.size && shares.length < this.#most) {
      this.#connections.push(this.#connect(this.#connections.length));
      shares.push(fill(new Map(), left));
    }
    this.#connections.forEach((connection, index) => connection.want(shares[index]));
    for (const id of left.keys()) this.#listener.fail(id, tooMany());
  }

  #connect(index) {
    const listener = this.#listener;
    return new Connection(this.#api, {
      receive: (message) => listener.receive(message),
      fail: (id, error) => listener.fail(id, error),
      onState: (state, error) => {
        this.#states[index] = STATES.indexOf(state);
        listener.onState(STATES[Math.max(...this.#states.filter(Number.isInteger))], error);
      },
    });
  }
}

function tooMany() {
  const message = "As many executions are followed as the connections take.";
  return new CrewExecError(message, { code: "too-many-followed" });
}

function fill(share, left) {
  const free = [...left.keys()].slice(0, MOST - share.size);
  for (const [id, after] of take(left, free)) share.set(id, after);
  return share;
}

function take(positions, ids) {
  const taken = new Map(ids.map((id) => [id, positions.get(id)]));
  for (const id of ids) positions.delete(id);
  return taken;
}
