import type { Logger } from './logger.js';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevelName = (typeof LOG_LEVELS)[number];

const MINUTE_MS = 60_000;
/** Nobody remembers to turn a debug level off. */
export const DEFAULT_MINUTES = 15;
export const MAX_MINUTES = 24 * 60;

export interface LogLevelState {
  readonly level: string;
  /** What it goes back to, and when (ms since 1970); both only while it is changed. */
  readonly configured?: string;
  readonly until?: number;
}

/** The level of a process's log, which can be changed for a while without a restart. */
export class LogLevel {
  readonly #logger: Logger;
  readonly #configured: string;
  #timer: NodeJS.Timeout | undefined;
  #until = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#configured = logger.level;
  }

  get state(): LogLevelState {
    const { level } = this.#logger;
    return this.#timer === undefined ? { level } : { level, configured: this.#configured, until: this.#until };
  }

  set(level: LogLevelName, minutes = DEFAULT_MINUTES): void {
    clearTimeout(this.#timer);
    this.#until = Date.now() + minutes * MINUTE_MS;
    this.#logger.level = level;
    this.#logger.warn({ level, minutes }, 'the log level is changed for a while');
    this.#timer = setTimeout(() => {
      this.reset();
    }, minutes * MINUTE_MS);
    this.#timer.unref();
  }

  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#logger.level = this.#configured;
  }

  /** To debug, or back: for a signal, which can say no more. */
  toggle(): void {
    if (this.#timer === undefined) this.set('debug');
    else this.reset();
  }
}
