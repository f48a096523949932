// Errors of requests: what the server has refused, and that it could not be reached.

export class CrewExecError extends Error {
  constructor(message, { cause, ...details } = {}) {
    super(message, { cause });
    this.name = "CrewExecError";
    this.code = details.code ?? "unexpected-response";
    this.status = details.status ?? 0; // 0 without an answer
    this.problems = details.problems ?? []; // each with a JSON pointer, code and detail
    this.correlationId = details.correlationId ?? null; // of the server's log
    this.requestId = details.requestId ?? null;
    this.retryAfter = details.retryAfter ?? null; // seconds
  }

  // Whether the same request may succeed later.
  get isTransient() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }

  // The same for those whom only one of its problems concerns.
  about(problem) {
    return new CrewExecError(problem.detail, { ...this.toJSON(), problems: [problem], cause: this });
  }

  // For other tabs: errors cannot be sent there as they are.
  toJSON() {
    const { message, code, status, problems, correlationId, requestId, retryAfter } = this;
    return { message, code, status, problems, correlationId, requestId, retryAfter };
  }
}

// The error of a response that is not OK; a proxy may have sent a page instead of a problem.
export async function errorOf(response) {
  const problem = await response.json().catch(() => null);
  const retryAfter = Number.parseFloat(response.headers.get("Retry-After"));
  return new CrewExecError(problem?.detail ?? `The server answered with ${response.status}.`, {
    code: problem?.code,
    status: response.status,
    problems: problem?.errors,
    correlationId: problem?.correlation_id,
    requestId: response.headers.get("X-Request-ID"),
    retryAfter: Number.isNaN(retryAfter) ? null : retryAfter,
  });
}

// What fetch has thrown: the caller's own reason if it has aborted, else a CrewExecError.
export function failureOf(error, signal) {
  if (signal?.aborted) return signal.reason;
  if (error instanceof CrewExecError) return error;
  return new CrewExecError("The server could not be reached.", { code: "unreachable", cause: error });
}
