import { describe, expect, it } from 'vitest';
import { lastWords } from '../src/process/last-words.js';

const line = (level: string, msg: string, message?: string): string =>
  JSON.stringify({
    level,
    service: 'account',
    ...(message === undefined ? {} : { err: { message, stack: `Error\n at x` } }),
    msg,
  });

describe('the last words of a process', () => {
  it('are what went wrong, without stacks and what was well', () => {
    const log = [
      line('info', 'starts'),
      line('fatal', 'the service fails and stops', 'the keys are sealed'),
      line('info', 'stopped'),
    ];
    expect(lastWords(`${log.join('\n')}\n`)).toBe('  the service fails and stops: the keys are sealed');
  });

  it('are its last lines where it writes no structured log, or nothing is said to have gone wrong', () => {
    const plain = [
      'The configuration cannot be used:',
      '  GODWIT_MONGO_URL must be a URL',
      '{cut off',
      '{"s":"E","msg":"mongod"}',
    ];
    expect(lastWords(plain.join('\n'))).toBe(plain.join('\n'));
    expect(lastWords(line('info', 'starts'))).toBe(line('info', 'starts'));
    expect(lastWords(Array.from({ length: 40 }, (_, i) => `line ${String(i)}`).join('\n')).split('\n')).toHaveLength(
      12,
    );
  });
});
