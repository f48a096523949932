// What a front end does, through the types that openapi-typescript makes of the document.
// Arguments: the server's URL, a graph that completes, and one that waits until it is cancelled.

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };

type Execution = components["schemas"]["WholeExecution"];
type Event = components["schemas"]["Event"];

const [baseUrl = "", graph = "", slowGraph = ""] = process.argv.slice(2);
// Events and exports have other media types, too; this client reads JSON.
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl, headers: { "X-User": "ada" } });

function required<T>(answer: { data?: T; error?: components["schemas"]["Problem"] }): T {
  if (answer.data === undefined) {
    throw new Error(answer.error ? `${answer.error.code}: ${answer.error.detail}` : "no answer");
  }
  return answer.data;
}

async function queue(graph_id: string): Promise<Execution> {
  return required(await client.POST("/crewexec/executions", { body: { graph_id } }));
}

async function ended(execution_id: string): Promise<Execution> {
  const params = { path: { execution_id }, header: { Prefer: "wait=30" } };
  return required(await client.GET("/crewexec/executions/{execution_id}", { params }));
}

function tokensOf(event: Event): number {
  switch (event.type) {
    case "model_call_completed":
      return event.data.tokens;
    default:
      return 0;
  }
}

const queued = await queue(graph);
const execution = await ended(queued.id);
const path = { execution_id: execution.id };
const result = required(
  await client.GET("/crewexec/executions/{execution_id}/result", { params: { path } }),
);
const query = { status: "completed", graph_id: graph } as const;
const page = required(await client.GET("/crewexec/executions", { params: { query } }));
const { events } = required(
  await client.GET("/crewexec/executions/{execution_id}/events", { params: { path } }),
);

const slow = await queue(slowGraph);
required(
  await client.POST("/crewexec/executions/{execution_id}/cancel", {
    params: { path: { execution_id: slow.id } },
    body: { reason: "no longer needed" },
  }),
);
const cancelled = await ended(slow.id);

const unknown = await client.GET("/crewexec/graphs/{graph_id}", {
  params: { path: { graph_id: slow.id } },
});

console.log(
  JSON.stringify({
    status: execution.status,
    steps: execution.steps.map((step) => step.output),
    result: result.raw,
    listed: page.executions.map((each) => each.id === queued.id),
    events: events.map((event) => event.type),
    tokens: events.map(tokensOf).reduce((sum, each) => sum + each, 0),
    cancelled: [cancelled.status, cancelled.cancellation?.reason],
    unknown: unknown.error?.code,
  }),
);
