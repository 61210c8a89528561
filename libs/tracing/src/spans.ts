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

/** Names a span beside a measurement. */
export interface Exemplar {
  readonly trace_id: string;
  readonly span_id: string;
}

/** One hop. Ends once, by `end` or by `fail`. */
export interface Span {
  /** W3C `traceparent` for what is below it. */
  readonly traceparent: string;
  /** The head of the trace decided that all of it is kept. */
  readonly isSampled: boolean;
  /** Undefined: the trace is not kept. */
  readonly exemplar: Exemplar | undefined;
  end(attributes: SpanAttributes): void;
  /** With the status of an error: it is kept whatever was sampled. Not for what is the sender's own fault. */
  fail(attributes: SpanAttributes): void;
}

/** Begins a span below `parent`, a W3C `traceparent`; what is empty or isn't one begins a trace. */
export type StartSpan = (name: SpanName, parent: string) => Span | undefined;

/** Something that is done within a span of its own: what is logged, called and stored meanwhile belongs to it. */
export interface Work<T> {
  /** Of few: a method, a stream. */
  readonly name: string;
  readonly kind: 'SERVER' | 'CONSUMER';
  /** As of `startSpan`. */
  readonly parent: string;
  readonly run: () => Promise<T>;
  /** Which errors are the work's fault and not the asker's (default: all). */
  readonly isFailure?: (error: unknown) => boolean;
}

/** The span that work is being done in. */
export interface ActiveSpan {
  readonly traceparent: string;
  readonly traceId: string;
  readonly spanId: string;
}

/** How the spans of a process are made. */
export interface SpanMaker {
  readonly start: StartSpan;
  readonly within: <T>(work: Work<T>) => Promise<T>;
  readonly active: () => ActiveSpan | undefined;
}

let maker: SpanMaker | undefined;

/** Whether this process traces. Decided once, before its service starts. */
export const isTracing = (): boolean => maker !== undefined;

/** Has the spans of this process made so; `undefined` switches tracing off. */
export const traceWith = (given: SpanMaker | undefined): void => {
  maker = given;
};

/** Undefined: this process does not trace. */
export const startSpan: StartSpan = (name, parent) => maker?.start(name, parent);

/** Does the work within a span, which fails when it does. */
export const traced = <T>(work: Work<T>): Promise<T> => (maker === undefined ? work.run() : maker.within(work));

/** Undefined: no work is being done in a span here. */
export const activeSpan = (): ActiveSpan | undefined => maker?.active();

/** Refusals that are not the sender's own fault: those that burn the error budget. */
const FAULTS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'OVERLOADED', 'INTERNAL']);

export const isFault = (reason: string): boolean => FAULTS.has(reason);

/** Whether the trace of a `traceparent` is kept as a whole. */
export const isSampled = (traceparent: string): boolean => traceparent.endsWith('1');
