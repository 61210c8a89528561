// What the code of the fleet and of the SDK knows of tracing. OpenTelemetry itself is behind it (open-telemetry.ts) and is
// loaded only where tracing is on: while it is off, a span is `undefined` and costs a comparison.

/** The spans of a message's way, by name, with their OpenTelemetry kind. */
export const SPANS = {
  /** In the SDK: from `send` until its promise settles, all tries included. */
  'client.send': 'PRODUCER',
  /** From the frame until its answer leaves. */
  'edge.send': 'SERVER',
  /** From the item until its outcome. */
  'router.send': 'SERVER',
  /** Waiting for a batch, numbering, the insert. */
  'message-store.append': 'SERVER',
  /** From stored until every connected device was handed the message, or it was given up here. */
  'router.fan_out': 'INTERNAL',
  /** A delivery is handed to the sockets of one edge. */
  'edge.deliver': 'CONSUMER',
  /** From handed to a socket until its device has acked it. */
  'edge.ack': 'INTERNAL',
  /** In the SDK: until the app has stored and seen it. */
  'client.receive': 'CONSUMER',
} as const;

export type SpanName = keyof typeof SPANS;

/** Ids, codes and sizes; never content, names or phone numbers. */
export interface SpanAttributes {
  readonly 'godwit.conversation_id'?: string;
  readonly 'godwit.seq'?: number;
  /** `stored`, `duplicate`, `reached`, the reason of a refusal, ... */
  readonly 'godwit.outcome'?: string;
  readonly 'godwit.sockets'?: number;
}

/** One hop. Ends once, by `end` or by `fail`. */
export interface Span {
  /** W3C `traceparent` for what is below it. */
  readonly traceparent: string;
  /** The head of the trace decided that all of it is kept. */
  readonly isSampled: boolean;
  end(attributes: SpanAttributes): void;
  /** With the status of an error: it is kept whatever was sampled. Not for what is the sender's own fault. */
  fail(attributes: SpanAttributes): void;
}

/** Begins a span below `parent`, a W3C `traceparent`; what is empty or isn't one begins a trace. */
export type StartSpan = (name: SpanName, parent: string) => Span | undefined;

let started: StartSpan | undefined;

/** Whether this process traces. Decided once, before its service starts. */
export const isTracing = (): boolean => started !== undefined;

/** Has the spans of this process made by `start`; `undefined` switches tracing off. */
export const traceWith = (start: StartSpan | undefined): void => {
  started = start;
};

/** Undefined: this process does not trace. */
export const startSpan: StartSpan = (name, parent) => started?.(name, parent);

/** Refusals that are not the sender's own fault: those that burn the error budget. */
const FAULTS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'OVERLOADED', 'INTERNAL']);

export const isFault = (reason: string): boolean => FAULTS.has(reason);

/** Whether the trace of a `traceparent` is kept as a whole. */
export const isSampled = (traceparent: string): boolean => traceparent.endsWith('1');
