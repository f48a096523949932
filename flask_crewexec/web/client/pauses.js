// Pauses between attempts, of random length, so that many clients do not come back at once.

const FIRST = 1000; // ms
const LONGEST = 30_000; // ms

// Resolves after a pause that doubles with each attempt that has failed, or when it is aborted.
export function pause(failures, { retryAfter = null, signal }) {
  const most = Math.min(LONGEST, FIRST * 2 ** Math.max(0, failures - 1));
  const least = retryAfter === null ? most / 2 : retryAfter * 1000;
  return sleep(least + Math.random() * (most / 2), signal);
}

function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
