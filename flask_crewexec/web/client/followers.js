// Those on this page who follow executions, over what they share: a connection of this page, or
// of all tabs. Nothing is kept open while the page is hidden.

// One who follows an execution; what comes is kept until it is taken.
class Follower {
  #messages = [];
  #failure = null;
  #wake = () => {};

  constructor(id, after) {
    this.id = id;
    this.after = after;
  }

  receive(message) {
    if (message.seq <= this.after) return; // it comes again, for others
    this.after = message.seq ?? this.after;
    this.#messages.push(message);
    this.#wake();
  }

  fail(error) {
    this.#failure = error;
    this.#wake();
  }

  async *messages() {
    while (true) {
      if (this.#failure) throw this.#failure;
      const message = this.#messages.shift();
      if (message) yield message;
      else await new Promise((resolve) => { this.#wake = resolve; });
      if (message?.type === "end") return;
    }
  }
}

export class Followers {
  #followers = new Map(); // sets by the id of the execution
  #transport;
  #onState;
  #isPaused = false;
  #isScheduled = false;

  // "connect" is given the listener, and returns what it listens to.
  constructor(connect, { pauseWhenHidden, onState }) {
    this.#onState = onState;
    this.#transport = connect(this);
    if (pauseWhenHidden && globalThis.document) this.#pauseWhileHidden();
  }

  async *follow(id, after, signal) {
    signal?.throwIfAborted();
    const follower = new Follower(id, after);
    const abort = () => follower.fail(signal.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#add(follower);
    try {
      yield* follower.messages();
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#remove(follower);
    }
  }

  #add(follower) {
    const others = this.#followers.get(follower.id) ?? new Set();
    this.#followers.set(follower.id, others.add(follower));
    this.#schedule();
  }

  #remove(follower) {
    const others = this.#followers.get(follower.id);
    others?.delete(follower);
    if (others?.size === 0) this.#followers.delete(follower.id);
    this.#schedule();
  }

  // Several who come at the same moment cost one connection.
  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      this.#transport.want(this.positions());
    });
  }

  // What this page has to hear, after which events.
  positions() {
    const followed = this.#isPaused ? [] : [...this.#followers];
    return new Map(
      followed.map(([id, those]) => [id, Math.min(...[...those].map(({ after }) => after))]),
    );
  }

  receive(message) {
    for (const follower of this.#followers.get(message.execution_id) ?? []) {
      follower.receive(message);
    }
    if (message.type === "end") this.#followers.delete(message.execution_id);
  }

  fail(id, error) {
    for (const follower of this.#followers.get(id) ?? []) follower.fail(error);
    this.#followers.delete(id);
  }

  onState(state, error) {
    this.#onState?.(state, error);
  }

  #pauseWhileHidden() {
    const update = (isHidden) => {
      this.#isPaused = isHidden;
      this.#transport.want(this.positions());
    };
    document.addEventListener("visibilitychange", () => update(document.hidden));
    addEventListener("pagehide", () => update(true));
    addEventListener("pageshow", () => update(document.hidden));
    this.#isPaused = document.hidden;
  }
}
