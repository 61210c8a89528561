import { DEFAULT_MINUTES, LOG_LEVELS, MAX_MINUTES, type LogLevel } from './log-level.js';

interface Asked {
  readonly change: boolean;
  /** `level`, `minutes`. */
  readonly searchParams: URLSearchParams;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

const refused = (error: string): Answer => ({ status: 400, body: { error } });

/** `POST /log-level?level=debug&minutes=15`, or `level=configured` for the end of it; everything else tells what it is. */
export const answerLogLevel = (logLevel: LogLevel, { change, searchParams }: Asked): Answer => {
  if (!change) return { status: 200, body: logLevel.state };
  const wanted = searchParams.get('level');
  const minutes = Number(searchParams.get('minutes') ?? DEFAULT_MINUTES);
  if (wanted === 'configured') {
    logLevel.reset();
    return { status: 200, body: logLevel.state };
  }
  const level = LOG_LEVELS.find((name) => name === wanted);
  if (level === undefined) return refused(`level: must be one of ${LOG_LEVELS.join(', ')}, configured`);
  if (!(minutes > 0 && minutes <= MAX_MINUTES))
    return refused(`minutes: must be above 0, up to ${String(MAX_MINUTES)}`);
  logLevel.set(level, minutes);
  return { status: 200, body: logLevel.state };
};
