import { activeSpan } from '@godwit/tracing/spans';
import { pino, type Logger as PinoLogger, type DestinationStream } from 'pino';

export type Logger = PinoLogger;

export interface LoggerOptions {
  readonly service: string;
  readonly node: string;
  readonly level: string;
  /** Where lines go instead of standard output. */
  readonly destination?: DestinationStream;
}

// What must never reach a log, wherever it hangs. Two levels deep is what our own log calls make.
const SENSITIVE = [
  'authorization',
  'token',
  'accessToken',
  'refreshToken',
  'apiKey',
  'secret',
  'oneTimeCode',
  'phone',
  'payload',
  'envelope',
];

/**
 * Of the span that the line is written in, by the names that OpenTelemetry has for them in logs. A new object each time:
 * pino writes the line's own fields into it.
 */
const idsOfTrace = (): object => {
  const span = activeSpan();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
};

/** JSON lines with the process's name in each. Credentials, phone numbers and payloads are cut out by name. */
export const createLogger = ({ service, node, level, destination }: LoggerOptions): Logger => {
  const options = {
    level,
    base: { service, node },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    mixin: idsOfTrace,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SENSITIVE.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
};

/** Says nothing; for tests and tools. */
export const silentLogger: Logger = pino({ level: 'silent' });
