import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { durationOf, tableOf } from '@godwit/local-stack/commands/status';
import { assertPortFree, freePort, isPortFree } from '@godwit/local-stack/ports';
import { newestCode } from '@godwit/local-stack/sms-outbox';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { acquireServer } from '@godwit/local-stack/servers/acquire-server';
import { assertAnswering } from '@godwit/local-stack/servers/existing-servers';

describe('ports', () => {
  it('tells who sits on one, in a sentence with a way out', async () => {
    const port = await freePort();
    await expect(assertPortFree({ port, what: 'X', wayOut: 'Y.' })).resolves.toBeUndefined();
    const squatter = createServer().listen(port, '0.0.0.0');
    await vi.waitFor(() => {
      expect(squatter.listening).toBe(true);
    });
    expect(await isPortFree(port)).toBe(false);
    await expect(assertPortFree({ port, what: 'X', wayOut: 'Stop it.' })).rejects.toThrow(
      new RegExp(`^Port ${String(port)} for X is in use by .+ \\(pid ${String(process.pid)}\\)\\. Stop it\\.$`),
    );
    squatter.close();
  });

  it('are not given away twice', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
    expect(new Set(ports).size).toBe(20);
  });
});

describe('a server that exists already', () => {
  it('is used when one of its hosts answers', async () => {
    const [open, shut] = [await freePort(), await freePort()];
    const server = createServer().listen(open, '127.0.0.1');
    const nats = `nats://127.0.0.1:${String(shut)},nats://user:word@127.0.0.1:${String(open)}`;
    const mongo = `mongodb://127.0.0.1:${String(open)}/?readPreferenceTags=dc:a,rack:b`;
    await expect(assertAnswering({ nats, mongo, redis: undefined })).resolves.toBeUndefined();
    server.close();
  });

  it('and does not answer is one clear sentence without its password', async () => {
    const at = `127.0.0.1:${String(await freePort())}`;
    await expect(assertAnswering({ redis: `redis://:word@${at}` })).rejects.toThrow(
      `GODWIT_REDIS_URL is set, and nothing answers at ${at}. Start that server, or unset the variable.`,
    );
    await expect(assertAnswering({ nats: 'localhost:4222' })).rejects.toThrow('GODWIT_NATS_URL is no URL');
  });
});

describe('a server binary', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('named by the environment is used', async () => {
    vi.stubEnv('GODWIT_MONGOD_BIN', process.execPath);
    expect(await acquireServer('mongod', {})).toMatchObject({ binary: process.execPath, source: 'GODWIT_MONGOD_BIN' });
  });

  it('named by the environment and not there is one clear sentence', async () => {
    vi.stubEnv('GODWIT_MONGOD_BIN', '/nowhere/mongod');
    await expect(acquireServer('mongod', {})).rejects.toThrow(
      'GODWIT_MONGOD_BIN names /nowhere/mongod, which is not an executable file: correct or unset it.',
    );
  });

  it('without Python is one clear sentence', async () => {
    const cache = await mkdtemp(path.join(tmpdir(), 'godwit-cache-'));
    vi.stubEnv('PATH', '/nowhere');
    vi.stubEnv('GODWIT_CACHE', cache);
    await expect(acquireServer('nats-server', {})).rejects.toThrow(/^python3 is needed to download servers/);
    await rm(cache, { recursive: true });
  });
});

describe('the newest code for a number', () => {
  it.each([
    ['+15550100001 123456', '123456'],
    ['2026-11-24T10:00:00Z to +15550100001: Your Godwit code is 042137. It is good for 5 min.', '042137'],
    ['{"at":1764000000000,"phone":"+15550100001","code":"123456"}', '123456'],
    ['+15550100002 999999', undefined],
    ['', undefined],
  ])('in %j is %j', (line, code) => {
    expect(newestCode(`+15550100001 111111 older\n${line}\n`.split('\n').slice(1).join('\n'), '+15550100001')).toBe(
      code,
    );
  });
});

describe('the status table', () => {
  it('lines up', () => {
    const row = { name: 'mongo', pid: 1, port: 27117, uptimeSeconds: 61, restarts: 0, health: 'up' };
    expect(
      tableOf([row, { ...row, name: 'message-store-0', pid: undefined, uptimeSeconds: undefined, health: 'down' }]),
    ).toBe(`PROCESS          PID  PORT   UPTIME     RESTARTS  HEALTH
mongo            1    27117  1 min 1 s  0         up
message-store-0  -    27117  -          0         down`);
    expect(durationOf(7322)).toBe('2 h 2 min');
  });
});
