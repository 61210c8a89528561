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

/** JSON lines with the process's name in each. Credentials, phone numbers and payloads are cut out by name. */
export const createLogger = ({ service, node, level, destination }: LoggerOptions): Logger => {
  const options = {
    level,
    base: { service, node },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SENSITIVE.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
};

/** Says nothing; for tests and tools. */
export const silentLogger: Logger = pino({ level: 'silent' });
