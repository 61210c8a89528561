import { expect, it } from 'vitest';
import { Connections } from '../src/domain/connections.js';
import { drain } from '../src/sockets/drain.js';

interface Leaving {
  readonly told: number[];
  readonly closedAfterMs: number[];
}

const crowd = (size: number): { connections: Connections; leaving: Leaving } => {
  const connections = new Connections();
  const leaving: Leaving = { told: [], closedAfterMs: [] };
  const startedAt = performance.now();
  for (let index = 0; index < size; index++) {
    const connection = connections.open(
      {
        send: (data) => {
          const frame = JSON.parse(String(data)) as { reconnect: { delayMs: number } };
          leaving.told.push(frame.reconnect.delayMs);
          return true;
        },
        cork: (work) => {
          work();
        },
        close: (code) => {
          expect(code).toBe(1001);
          leaving.closedAfterMs.push(performance.now() - startedAt);
          connections.close(connection);
        },
        buffered: 0,
      },
      { userId: 'u', deviceId: 'd', address: '', json: true, tokenExpiresAt: 0 },
    );
  }
  return { connections, leaving };
};

it('spreads the sockets over the window and closes each when its time has come', async () => {
  const { connections, leaving } = crowd(200);
  await drain({ connections, windowMs: 400, hurry: new AbortController().signal });
  expect(leaving.told).toHaveLength(200);
  for (let quarter = 0; quarter < 4; quarter++) {
    const within = leaving.told.filter((ms) => ms > quarter * 100 && ms <= (quarter + 1) * 100);
    expect(within.length).toBeGreaterThan(40);
  }
  expect(leaving.closedAfterMs).toHaveLength(200);
  expect(Math.min(...leaving.closedAfterMs)).toBeGreaterThanOrEqual(500);
  expect(Math.max(...leaving.closedAfterMs)).toBeGreaterThan(800);
});

it('ends at once when there is no time any more', async () => {
  const { connections, leaving } = crowd(50);
  const hurry = new AbortController();
  const draining = drain({ connections, windowMs: 60_000, hurry: hurry.signal });
  hurry.abort();
  await draining;
  expect(leaving.closedAfterMs).toHaveLength(50);
});
