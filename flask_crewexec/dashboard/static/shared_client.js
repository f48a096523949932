// One client for everything on a page that follows executions, so that it takes one connection.

const known = new Map(); // promises by address and user

// The client at this address, with "onState" for all that want to know about its connection.
export function clientFor(address, user) {
  const key = `${address} ${user}`;
  if (!known.has(key)) known.set(key, makeClient(address, user));
  return known.get(key);
}

async function makeClient(address, user) {
  const { createClient } = await import(address);
  const listeners = new Set();
  let current = "idle";
  const tell = (state) => {
    current = state;
    for (const listener of listeners) listener(state);
  };
  const url = address.replace(/\/client\.js$/, "");
  const onState = (listener, signal) => {
    listeners.add(listener);
    signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
    if (current === "open") listener(current);
  };
  const options = { url, shareTabs: user, maxStreams: 1, onState: tell };
  return { client: createClient(options), onState };
}
