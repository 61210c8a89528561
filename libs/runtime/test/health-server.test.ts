import { createMetrics } from '@godwit/telemetry/metrics';
import { describe, expect, it } from 'vitest';
import { startHealthServer } from '../src/health-server.js';
import { Lifecycle } from '../src/lifecycle.js';
import { silentLogger } from '../src/logger.js';

const start = async () => {
  const life = new Lifecycle({ logger: silentLogger });
  const metrics = createMetrics({ service: 'test', node: 'test-0' });
  const build = { version: '1.2.3', revision: 'abc' };
  const server = await startHealthServer({ listen: { host: '127.0.0.1', port: 0 }, build, metrics, life });
  const get = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${String(server.port)}${path}`);
    return [response.status, await response.text()];
  };
  return { life, server, get };
};

describe('the health server', () => {
  it('is healthy at once, ready when started and all checks pass, and unready when stopping', async () => {
    const { life, server, get } = await start();
    expect((await get('/healthz'))[0]).toBe(200);
    expect(await get('/readyz')).toEqual([503, expect.stringContaining('starting')]);
    server.started();
    expect((await get('/readyz'))[0]).toBe(200);
    let mongo: true | string = 'no primary';
    server.check('mongo', () => mongo);
    server.check('throws', async (): Promise<true> => {
      if (mongo !== true) throw new Error('refused');
      return true;
    });
    const [status, body] = await get('/readyz');
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ ready: false, problems: { mongo: 'no primary', throws: 'refused' } });
    mongo = true;
    expect((await get('/readyz?x=1'))[0]).toBe(200);
    let whileDraining = 0;
    life.onStop('drain', 'look', async () => {
      [whileDraining] = await get('/readyz');
    });
    await life.stop();
    expect(whileDraining).toBe(503);
    await expect(get('/healthz')).rejects.toThrow();
  });

  it('says which build it is', async () => {
    const { life, get } = await start();
    expect(JSON.parse((await get('/healthz'))[1])).toEqual({ healthy: true, version: '1.2.3', revision: 'abc' });
    expect((await get('/metrics'))[1]).toMatch(/^godwit_process_build_info\{version="1.2.3",revision="abc",.*\} 1$/m);
    await life.stop();
  });

  it('shows the metrics, with the name of the process', async () => {
    const { life, get } = await start();
    const [status, body] = await get('/metrics');
    expect(status).toBe(200);
    expect(body).toMatch(/nodejs_eventloop_lag_seconds\{service="test",node="test-0"\}/);
    expect((await get('/else'))[0]).toBe(404);
    await life.stop();
  });
});
