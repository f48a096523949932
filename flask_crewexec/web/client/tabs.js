// One connection for all tabs of a browser: the tab that holds a lock has it, and passes on to the
// others what they want to hear. When it is closed or hidden, another one gets the lock.

import { CrewExecError } from "./errors.js";

export function canShare() {
  return Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel);
}

export class SharedConnection {
  #name;
  #listener;
  #connect;
  #channel;
  #tab = Math.random().toString(36).slice(2);
  #leave = null; // gives up the lock, or the wait for it
  #leader = null;

  // Tabs with the same name share; "connect" opens a connection of this tab, for a listener.
  constructor(name, listener, connect) {
    this.#name = name;
    this.#listener = listener;
    this.#connect = connect;
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener("message", ({ data }) => this.#hear(data));
  }

  // Follow these executions after these numbers, and no others.
  want(positions) {
    if (positions.size && !this.#leave) this.#join();
    this.#tell({ kind: "want", tab: this.#tab, positions: [...positions] });
    if (!positions.size && this.#leave) this.#part();
  }

  #join() {
    const waiting = new AbortController();
    const leading = new Promise((resolve) => {
      this.#leave = () => { waiting.abort(); resolve(); };
    });
    const { signal } = waiting;
    const lead = () => (signal.aborted ? null : this.#lead(leading));
    navigator.locks.request(this.#name, { signal }, lead).catch(() => {}); // it was aborted
  }

  #part() {
    this.#leave();
    this.#leave = null;
    this.#listener.onState("idle", null);
  }

  async #lead(leading) {
    this.#leader = new Leader(this.#connect, (message) => this.#tell(message));
    this.#tell({ kind: "hello" }); // all tabs say what they want
    await leading;
    this.#leader.stop();
    this.#leader = null;
  }

  // Messages to all tabs, and to this one.
  #tell(message) {
    this.#channel.postMessage(message);
    this.#hear(message);
  }

  #hear(message) {
    const { kind, id, problem } = message;
    if (kind === "want") this.#leader?.want(message.tab, new Map(message.positions));
    if (!this.#leave) return; // this tab wants to hear nothing
    if (kind === "hello") this.want(this.#listener.positions());
    if (kind === "received") this.#listener.receive(message.message);
    if (kind === "failed") this.#listener.fail(id, errorFrom(problem));
    if (kind === "state") this.#listener.onState(message.state, problem && errorFrom(problem));
  }
}

// The tab that has the connection.
class Leader {
  #wishes = new Map(); // positions by tab
  #connections;
  #tell;
  #state = { kind: "state", state: "connecting", problem: null };

  constructor(connect, tell) {
    this.#tell = tell;
    this.#connections = connect({
      receive: (message) => this.#receive(message),
      fail: (id, error) => this.#fail(id, error),
      onState: (state, error) => {
        this.#state = { kind: "state", state, problem: error && error.toJSON() };
        tell(this.#state);
      },
    });
  }

  want(tab, positions) {
    if (positions.size) this.#wishes.set(tab, positions);
    else this.#wishes.delete(tab);
    this.#connections.want(this.#wanted());
    this.#tell(this.#state);
  }

  stop() {
    this.#tell = () => {};
    this.#connections.want(new Map());
  }

  #wanted() {
    const wanted = new Map();
    for (const [id, after] of [...this.#wishes.values()].flatMap((wish) => [...wish])) {
      wanted.set(id, Math.min(after, wanted.get(id) ?? after));
    }
    return wanted;
  }

  #receive(message) {
    const { execution_id: id, seq, type } = message;
    for (const wish of this.#wishes.values()) {
      if (type === "end") wish.delete(id);
      else if (seq > wish.get(id)) wish.set(id, seq);
    }
    this.#tell({ kind: "received", message });
  }

  #fail(id, error) {
    for (const wish of this.#wishes.values()) wish.delete(id);
    this.#tell({ kind: "failed", id, problem: error.toJSON() });
  }
}

function errorFrom({ message, ...details }) {
  return new CrewExecError(message, details);
}
