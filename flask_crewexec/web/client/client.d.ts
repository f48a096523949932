// Types of client.js. Those of the documents follow at the end; the server writes them from its
// schemas.

/** Options that every request has. */
export interface RequestOptions {
  /** Ends the request; it is rejected with the signal's reason. */
  signal?: AbortSignal;
}

type HeaderValues = Record<string, string>;

export interface ClientOptions {
  /** Address of the API, such as "/crewexec". */
  url: string;
  /** Headers of every request. */
  headers?: HeaderValues;
  /** Returns headers of each request, for instance with a token that expires. */
  getHeaders?: () => HeaderValues | Promise<HeaderValues>;
  /** Headers of requests that change something, where the host demands a CSRF token. */
  csrfHeaders?: HeaderValues | (() => HeaderValues | Promise<HeaderValues>);
  /** Whether cookies are sent to other origins; "same-origin" by default. */
  credentials?: RequestCredentials;
  /** Tabs of one origin that give the same text share one connection; it names the user. */
  shareTabs?: string | null;
  /** Whether hidden pages hang up, and catch up when they are shown again; true by default. */
  pauseWhenHidden?: boolean;
  /** How many connections there may be; each takes 50 executions, and further ones are refused. */
  maxStreams?: number;
  /** Called with the state of the connection, and the error for which it waits. */
  onState?: (state: ConnectionState, error: CrewExecError | null) => void;
}

export type ConnectionState = "idle" | "connecting" | "open" | "waiting";

export interface QueueOptions extends RequestOptions {
  /** The same submission with the same key is queued once. */
  idempotencyKey?: string;
  /** Seconds to wait for the end, at most 30. */
  wait?: number;
}

export interface GetOptions extends RequestOptions {
  /** Seconds to wait for the end, at most 30. */
  wait?: number;
}

export interface CancelOptions extends RequestOptions {
  reason?: string;
}

export interface FollowOptions extends RequestOptions {
  /** Number of the last event that the caller has. */
  after?: number;
}

/**
 * What a streaming model has written: more of the answer to the model call of the step that has
 * started last. It is not stored, and not sent again. Steps that run at the same time take turns.
 */
export interface Token {
  type: "token";
  execution_id: string;
  step: string | null;
  agent: string | null;
  text: string;
}

/** The execution has ended, or was removed; nothing follows. */
export interface End {
  type: "end";
  execution_id: string;
  status: "completed" | "failed" | "cancelled" | "timed_out" | "removed";
}

/** An event of an execution; its type says what is in its data. */
export type ExecutionEvent = {
  [Type in keyof EventData]: {
    type: Type;
    execution_id: string;
    seq: number;
    created_at: string;
    data: EventData[Type];
  };
}[keyof EventData];

export type Message = ExecutionEvent | Token | End;

export class CrewExecError extends Error {
  /** Stable kind of error, such as "not-found"; "unreachable" if there was no answer. */
  readonly code: string;
  /** Status of the response; 0 if there was none. */
  readonly status: number;
  /** Every problem of the request. */
  readonly problems: ProblemItem[];
  /** Id of the error in the server's log. */
  readonly correlationId: string | null;
  readonly requestId: string | null;
  /** Seconds after which to try again, if the server has said so. */
  readonly retryAfter: number | null;
  /** Whether the same request may succeed later. */
  readonly isTransient: boolean;
}

/** All methods throw a CrewExecError if the server refuses the request or cannot be reached. */
export interface Client {
  queue(submission: QueueRequest, options?: QueueOptions): Promise<WholeExecution>;
  get(id: string, options?: GetOptions): Promise<WholeExecution>;
  list(query?: ExecutionQuery, options?: RequestOptions): Promise<ExecutionPage>;
  graphs(query?: GraphQuery, options?: RequestOptions): Promise<GraphPage>;
  cancel(id: string, options?: CancelOptions): Promise<WholeExecution>;
  retry(id: string, limits?: Limits, options?: RequestOptions): Promise<WholeExecution>;
  /** Cancel at most 100 executions, each by itself; the answer says what came of each. */
  cancelSeveral(ids: string[], options?: CancelOptions): Promise<Outcomes>;
  /** Retry at most 100 executions, each by itself; the answer says what came of each. */
  retrySeveral(ids: string[], limits?: Limits, options?: RequestOptions): Promise<Outcomes>;
  /** The events, tokens and the end of an execution, over one connection for all that follow. */
  follow(id: string, options?: FollowOptions): AsyncGenerator<Message, void, undefined>;
  inputRequests(query?: InputRequestQuery, options?: RequestOptions): Promise<InputRequestPage>;
  inputRequest(id: string, options?: RequestOptions): Promise<InputRequest>;
  answer(
    requestId: string,
    answer: InputAnswer,
    options?: RequestOptions,
  ): Promise<InputRequest>;
  /** Answer several input requests of an execution: all of them, or none. */
  answerAll(
    id: string,
    answers: InputAnswerItem[],
    options?: RequestOptions,
  ): Promise<Answered>;
}

export function createClient(options: ClientOptions): Client;
