// Reads Server-Sent Events from the body of a response.
// https://html.spec.whatwg.org/multipage/server-sent-events.html

// Yields the messages of each part that arrives; none if it was only a sign of life.
export async function* readMessages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      yield blocks.map(messageOf).filter((message) => message !== null);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

// The fields of a block, as an object that also has its type.
function messageOf(block) {
  let type = null;
  const data = [];
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (name === "event") type = value;
    else if (name === "data") data.push(value);
  }
  return data.length ? { ...JSON.parse(data.join("\n")), type } : null;
}
