import { createMetrics } from '@godwit/telemetry/metrics';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startHealthServer } from '../src/health-server.js';
import { Lifecycle } from '../src/lifecycle.js';
import { LogLevel } from '../src/log-level.js';
import { createLogger } from '../src/logger.js';

const logger = (level = 'info') => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { logger: createLogger({ service: 'test', node: 'test-0', level, destination }), lines };
};

afterEach(() => {
  vi.useRealTimers();
});

describe('the log level', () => {
  it('is changed for a while, and says so', () => {
    vi.useFakeTimers();
    const { logger: log, lines } = logger();
    const level = new LogLevel(log);
    log.debug('unheard');
    level.set('debug', 5);
    log.debug('heard');
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'the log level is changed for a while',
      'heard',
    ]);
    expect(level.state).toEqual({ level: 'debug', configured: 'info', until: Date.now() + 300_000 });
    vi.advanceTimersByTime(300_000);
    expect(level.state).toEqual({ level: 'info' });
    log.debug('unheard');
    expect(lines).toHaveLength(2);
  });

  it('is toggled by what can say no more, such as a signal', () => {
    const { logger: log } = logger('warn');
    const level = new LogLevel(log);
    level.toggle();
    expect(log.level).toBe('debug');
    level.toggle();
    expect(log.level).toBe('warn');
  });

  it('is changed over the internal HTTP, and not by what makes no sense', async () => {
    const { logger: log } = logger();
    const life = new Lifecycle({ logger: log });
    const metrics = createMetrics({ service: 'test', node: 'test-0', processMetrics: false });
    const build = { version: '1.2.3', revision: 'abc' };
    const { port } = await startHealthServer({ listen: { host: '127.0.0.1', port: 0 }, build, metrics, life });
    const ask = async (query: string, method = 'POST'): Promise<[number, unknown]> => {
      const response = await fetch(`http://127.0.0.1:${String(port)}/log-level${query}`, { method });
      return [response.status, await response.json()];
    };
    expect(await ask('?level=debug', 'GET')).toEqual([200, { level: 'info' }]);
    expect(await ask('?level=loud')).toEqual([400, { error: expect.stringContaining('level') as string }]);
    expect(await ask('?level=debug&minutes=-1')).toEqual([
      400,
      { error: expect.stringContaining('minutes') as string },
    ]);
    expect(await ask('?level=debug&minutes=x')).toEqual([400, { error: expect.stringContaining('minutes') as string }]);
    expect(log.level).toBe('info');
    expect(await ask('?level=debug&minutes=2')).toEqual([200, expect.objectContaining({ level: 'debug' })]);
    expect(log.level).toBe('debug');
    expect(await ask('?level=configured')).toEqual([200, { level: 'info' }]);
    await life.stop();
  });
});
