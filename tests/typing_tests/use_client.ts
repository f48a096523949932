// What TypeScript must accept of the client, and what it must not.

import { createClient, CrewExecError, type Message, type QueueRequest } from "./client.js";

const crews = createClient({
  url: "/crewexec",
  getHeaders: async () => ({ Authorization: "Bearer token" }),
  csrfHeaders: { "X-CSRFToken": "token" },
  shareTabs: "ada",
  onState: (state, error) => console.log(state === "waiting", error?.retryAfter),
});

export async function run(submission: QueueRequest, signal: AbortSignal): Promise<string> {
  const { id } = await crews.queue(submission, { idempotencyKey: "once", wait: 1, signal });
  let text = "";
  for await (const message of crews.follow(id, { after: 0, signal })) text += await read(message);
  const { status, result, error } = await crews.get(id, { wait: 10 });
  if (status === "failed") await crews.retry(id, { max_tokens: 10 });
  return result?.raw ?? error?.message ?? text;
}

async function read(message: Message): Promise<string> {
  switch (message.type) {
    case "token":
      return message.text;
    case "tool_finished":
      return message.data.output;
    case "input_requested":
      await crews.answer(message.data.request, { decision: "approve" }, {});
      return String(message.seq);
    case "end":
      return message.status;
    default:
      return message.created_at;
  }
}

export async function list(): Promise<string[]> {
  try {
    const { executions, next } = await crews.list({ status: "running", limit: 3 });
    const { graphs } = await crews.graphs({ archived: false });
    const { input_requests } = await crews.inputRequests({ assigned: "me" });
    return [...executions.map(({ id }) => id), ...graphs.map(({ name }) => name), ...input_requests.map(({ id }) => id), next ?? ""];
  } catch (error) {
    if (!(error instanceof CrewExecError)) throw error;
    return [error.code, ...error.problems.map(({ pointer }) => pointer), error.correlationId ?? ""];
  }
}

// @ts-expect-error the address is needed
createClient({});
// @ts-expect-error a graph is needed
void crews.queue({ inputs: {} });
// @ts-expect-error there is no such status
void crews.list({ status: "nonsense" });
// @ts-expect-error a decision is needed
void crews.answer("request", {});
