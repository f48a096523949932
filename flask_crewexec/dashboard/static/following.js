// Follows the executions of a root over the page's client: the root's own, or those of its rows, which
// come and go. Those have "data-execution", and "data-after" with the number of their last event.

import { clientFor } from "./shared_client.js";

export class Following {
  #root;
  #hear;
  #signal;
  #client = null;
  #followed = new Set(); // ids
  #refused = new Set(); // ids of those that cannot be followed, or not for now

  // hear(message) is called with what comes, and with null when one cannot be followed.
  constructor(root, hear, signal) {
    this.#root = root;
    this.#hear = hear;
    this.#signal = signal;
  }

  async start(onState) {
    const { client: address, user } = this.#root.dataset;
    if (!address) return;
    const shared = await clientFor(address, user);
    shared.onState(onState, this.#signal);
    this.#client = shared.client;
    this.update();
  }

  // Whether nothing has to be asked for that is not followed.
  get isComplete() {
    return !this.#refused.size;
  }

  // Follow what has come since.
  update() {
    if (!this.#client) return;
    for (const { dataset } of [this.#root, ...this.#root.querySelectorAll("[data-execution]")]) {
      const { execution: id, after } = dataset;
      if (!id || this.#followed.has(id) || this.#refused.has(id)) continue;
      this.#follow(id, Number(after));
    }
  }

  async #follow(id, after) {
    const signal = this.#signal;
    this.#followed.add(id);
    try {
      for await (const message of this.#client.follow(id, { after, signal })) this.#hear(message);
      this.#refused.clear(); // there is room for another one
    } catch {
      this.#refused.add(id);
      if (!signal.aborted) this.#hear(null);
    }
    this.#followed.delete(id);
  }
}
