import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { createMetrics } from '@godwit/telemetry/metrics';
import { PushServiceService } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import { afterEach, describe, expect, it } from 'vitest';
import { errorInfo, invalidArgument, resourceExhausted, unavailable } from '../src/rpc-error.js';
import { serve } from '../src/server.js';
import { connectEcho, EchoService, startEcho, TOKEN, type EchoServer, type EchoServerOptions } from './harness.js';

const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

const start = async (options?: EchoServerOptions): Promise<EchoServer> => {
  const server = await startEcho('echo-0', options);
  cleanup.push(() => server.life.stop());
  return server;
};

const pooled = async (options?: EchoServerOptions) => {
  const server = await start(options);
  const pool = connectEcho([server]);
  cleanup.push(() => {
    pool.close();
  });
  return { server, pool };
};

/** A call as somebody without our client would make it. */
const rawCall = async (
  server: EchoServer,
  call: { metadata?: Record<string, string>; deadlineMs?: number; method?: 'echo' | 'shout' },
) => {
  const client = new Client(`127.0.0.1:${String(server.port)}`, credentials.createInsecure());
  const method = EchoService[call.method ?? 'shout'];
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(call.metadata ?? {})) metadata.set(key, value);
  const options = call.deadlineMs === undefined ? {} : { deadline: Date.now() + call.deadlineMs };
  try {
    return await new Promise<{ text: string }>((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        { text: 'hi' },
        metadata,
        options,
        (error, value) => {
          if (error !== null) reject(error);
          else if (value !== undefined) resolve(value);
        },
      );
    });
  } finally {
    client.close();
  }
};

const failure = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const info = errorInfo(error);
  return info === undefined ? error : { code: info.code, reason: info.reason, field: info.field };
};

const FLEET = { authorization: `Bearer ${TOKEN}`, 'godwit-node': 'edge-7' };

describe('authentication', () => {
  it('lets the fleet in by its token and says which replica calls for whom', async () => {
    const { pool } = await pooled();
    const { text } = await pool.callAny('shout', { text: 'hey' }, { deadlineMs: 2_000, idempotent: true, user: 'u1' });
    expect(text).toBe('HEY {"kind":"fleet","node":"tester-0"} u1');
  });

  it('refuses everyone else with a typed error', async () => {
    const server = await start();
    const none = { code: status.UNAUTHENTICATED, reason: 'CREDENTIALS_MISSING', field: undefined };
    for (const authorization of ['Bearer', 'Bearer x', TOKEN, `bearer ${TOKEN}`, `Bearer ${TOKEN}x`]) {
      expect(await failure(rawCall(server, { deadlineMs: 1_000, metadata: { authorization } })), authorization).toEqual(
        none,
      );
    }
    expect(await failure(rawCall(server, { deadlineMs: 1_000 }))).toEqual(none);
    expect(await failure(rawCall(server, { deadlineMs: 1_000, metadata: { 'x-api-key': 'k' } }))).toMatchObject({
      reason: 'API_KEY_INVALID',
    });
  });

  it('knows the fleet by each of its tokens while they are rotated, whichever the caller has first', async () => {
    const server = await start({ auth: { fleetToken: ['the next token', TOKEN] } });
    const shout = { deadlineMs: 2_000, idempotent: true } as const;
    for (const tokens of [[TOKEN], [TOKEN, 'the next token'], ['the next token', TOKEN], ['the next token']] as const) {
      const pool = connectEcho([server], tokens);
      expect((await pool.callAny('shout', { text: 'hey' }, shout)).text, tokens[0]).toContain('"kind":"fleet"');
      pool.close();
    }
    const stranger = connectEcho([server], ['another', TOKEN]);
    expect(await failure(stranger.callAny('shout', { text: 'hey' }, shout))).toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    stranger.close();
  });

  it('opens methods to API keys with the scope they ask for', async () => {
    const scopes: Record<string, string[]> = { good: ['echo.shout'], poor: ['other'] };
    const server = await start({
      auth: {
        fleetToken: [TOKEN],
        verifyApiKey: async (key) => {
          const found = scopes[key];
          return found === undefined ? undefined : { callerId: `team-${key}`, scopes: found };
        },
      },
    });
    const by = (key: string, method: 'echo' | 'shout' = 'shout') =>
      rawCall(server, { deadlineMs: 1_000, method, metadata: { 'x-api-key': key, 'godwit-user': 'bot' } });
    expect((await by('good')).text).toBe('HI {"kind":"api-key","callerId":"team-good","scopes":["echo.shout"]} bot');
    expect(await failure(by('poor'))).toMatchObject({ code: status.PERMISSION_DENIED, reason: 'SCOPE_MISSING' });
    expect(await failure(by('bad'))).toMatchObject({ code: status.UNAUTHENTICATED, reason: 'API_KEY_INVALID' });
    expect(await failure(by('good', 'echo'))).toMatchObject({
      code: status.PERMISSION_DENIED,
      reason: 'NOT_FOR_API_KEYS',
    });
  });
});

describe('calls', () => {
  it('need a deadline', async () => {
    const server = await start();
    expect(await failure(rawCall(server, { metadata: FLEET }))).toEqual({
      code: status.INVALID_ARGUMENT,
      reason: 'DEADLINE_REQUIRED',
      field: 'grpc-timeout',
    });
  });

  it('fail with the reason, field and delay of a typed error', async () => {
    const { pool } = await pooled({
      handlers: {
        echo: async ({ text }) => {
          throw text === 'slow'
            ? resourceExhausted('TOO_FAST', 'slow down', 250)
            : invalidArgument('text', 'is not text');
        },
      },
    });
    const call = (text: string) => pool.callAny('echo', { text }, { deadlineMs: 2_000, idempotent: true });
    expect(await failure(call('x'))).toEqual({
      code: status.INVALID_ARGUMENT,
      reason: 'INVALID_ARGUMENT',
      field: 'text',
    });
    const error: unknown = await call('slow').catch((reason: unknown) => reason);
    expect(errorInfo(error)).toMatchObject({ reason: 'TOO_FAST', message: 'slow down', retryAfterMs: 250 });
  });

  it('tell nothing of an error that is not typed', async () => {
    const { pool } = await pooled({
      handlers: {
        echo: async () => {
          throw new TypeError('password is hunter2');
        },
      },
    });
    const error: unknown = await pool
      .callAny('echo', { text: '' }, { deadlineMs: 2_000, idempotent: true })
      .catch((reason: unknown) => reason);
    expect(errorInfo(error)).toMatchObject({ code: status.INTERNAL, reason: 'INTERNAL' });
    expect(String(error)).not.toContain('hunter2');
  });

  it('pass on what a service behind it refused, and hide that it was away', async () => {
    const behind = await startEcho('behind-0', {
      handlers: { echo: async () => Promise.reject(invalidArgument('name', 'is too long')) },
    });
    const inner = connectEcho([behind]);
    cleanup.push(() => {
      inner.close();
    });
    const { pool } = await pooled({
      handlers: { echo: (request) => inner.callAny('echo', request, { deadlineMs: 500, idempotent: false }) },
    });
    const call = () => pool.callAny('echo', { text: '' }, { deadlineMs: 2_000, idempotent: false });
    expect(await failure(call())).toMatchObject({ reason: 'INVALID_ARGUMENT', field: 'name' });
    await behind.life.stop();
    expect(await failure(call())).toMatchObject({ code: status.UNAVAILABLE, reason: 'DEPENDENCY_UNAVAILABLE' });
  });

  it('tell a handler when the caller has given up', async () => {
    let aborted: Promise<boolean> | undefined;
    const { pool } = await pooled({
      handlers: {
        echo: async (_request, { signal, remainingMs }) => {
          expect(remainingMs).toBeGreaterThan(0);
          expect(remainingMs).toBeLessThanOrEqual(600);
          aborted = new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              resolve(true);
            });
          });
          await aborted;
          throw unavailable('LATE', 'too late');
        },
      },
    });
    expect(await failure(pool.callAny('echo', { text: '' }, { deadlineMs: 600, idempotent: false }))).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
    expect(await aborted).toBe(true);
  });

  it('stream answers with backpressure, and errors in the middle', async () => {
    const { pool } = await pooled({
      handlers: {
        count: async function* ({ text }) {
          for (let number = 0; number < Number(text); number++) yield { text: 'x'.repeat(1_000), node: '' };
          if (text === '3') throw invalidArgument('text', 'three');
        },
      },
    });
    let received = 0;
    for await (const { text } of pool.readAny('count', { text: '3000' }, { deadlineMs: 5_000 }))
      received += text.length;
    expect(received).toBe(3_000_000);
    received = 0;
    const reading = (async () => {
      for await (const _ of pool.readAny('count', { text: '3' }, { deadlineMs: 5_000 })) received++;
    })();
    expect(await failure(reading)).toMatchObject({ code: status.INVALID_ARGUMENT, field: 'text' });
    expect(received).toBe(3);
  });

  it('cancel the stream when its reader stops early', async () => {
    let ended = false;
    const { pool } = await pooled({
      handlers: {
        count: async function* () {
          try {
            for (;;) yield { text: 'x'.repeat(10_000), node: '' };
          } finally {
            ended = true;
          }
        },
      },
    });
    for await (const _ of pool.readAny('count', { text: '' }, { deadlineMs: 60_000 })) break;
    await expect.poll(() => ended).toBe(true);
  });

  it('finish before the server has stopped', async () => {
    const { server, pool } = await pooled({
      handlers: {
        echo: async ({ text }) => {
          await new Promise((resolve) => setTimeout(resolve, 200));
          return { text, node: '' };
        },
      },
    });
    const call = pool.callAny('echo', { text: 'late' }, { deadlineMs: 2_000, idempotent: false });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await server.life.stop()).toBe(true);
    expect((await call).text).toBe('late');
  });

  it('are counted by method and code', async () => {
    const metrics = createMetrics({ service: 'echo', node: 'echo-0', processMetrics: false });
    const { pool } = await pooled({ metrics });
    await pool.callAny('echo', { text: '' }, { deadlineMs: 2_000, idempotent: true });
    expect(await metrics.registry.metrics()).toMatch(
      /godwit_rpc_server_seconds_count\{.*method="\/test.Echo\/Echo",code="OK"\} 1\n/,
    );
  });
});

describe('what the platform asks', () => {
  const healthOf = async (server: EchoServer, service: string): Promise<unknown> => {
    const definition = loadPackageDefinition(await load(protoPath)) as unknown as {
      grpc: {
        health: {
          v1: {
            Health: new (
              address: string,
              creds: unknown,
            ) => Client & {
              check: (request: unknown, callback: (error: Error | null, value: { status: unknown }) => void) => void;
            };
          };
        };
      };
    };
    const client = new definition.grpc.health.v1.Health(
      `127.0.0.1:${String(server.port)}`,
      credentials.createInsecure(),
    );
    try {
      return await new Promise((resolve, reject) => {
        client.check({ service }, (error, value) => {
          if (error === null) resolve(value.status);
          else reject(error);
        });
      });
    } finally {
      client.close();
    }
  };

  it('is answered without credentials: serving, and not while stopping', async () => {
    const server = await start();
    expect(await healthOf(server, '')).toBe(1);
    expect(await healthOf(server, 'test.Echo')).toBe(1);
    let whileDraining: unknown;
    server.life.onStop('stop-accepting', 'look', async () => {
      whileDraining = await healthOf(server, 'test.Echo');
    });
    await server.life.stop();
    expect(whileDraining).toBe(2);
  });

  it('shows real services by reflection, with all that strict tools want to know', async () => {
    const noHandlers = Object.fromEntries(Object.keys(PushServiceService).map((name) => [name, async () => ({})]));
    const server = await start({ services: [serve(PushServiceService, noHandlers as never)], reflection: true });
    const client = new Client(`127.0.0.1:${String(server.port)}`, credentials.createInsecure());
    const ask = (request: Buffer): Promise<string> =>
      new Promise<string>((resolve, reject) => {
        const call = client.makeBidiStreamRequest<Buffer, Buffer>(
          '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
          (value) => value,
          (value) => value,
        );
        call.on('data', (value: Buffer) => {
          resolve(value.toString('latin1'));
          call.end();
        });
        call.on('error', reject);
        call.write(request);
      });
    // ServerReflectionRequest { list_services: "" }
    const names = await ask(Buffer.from([0x3a, 0x00]));
    expect(names).toContain('godwit.push.v1.PushService');
    expect(names).toContain('grpc.health.v1.Health');
    // ServerReflectionRequest { file_containing_symbol }
    const fileOf = (symbol: string): Promise<string> =>
      ask(Buffer.concat([Buffer.from([0x22, symbol.length]), Buffer.from(symbol)]));
    const router = await fileOf('godwit.router.v1.RouterService');
    expect(router).toContain('godwit/message/v1/envelope.proto');
    expect(router).toContain('.godwit.message.v1.Kind');
    expect(await fileOf('grpc.health.v1.Health')).toContain('.grpc.health.v1.HealthListResponse.StatusesEntry');
    expect(await fileOf('google.rpc.ErrorInfo')).toContain('google/rpc/error_details.proto');
    client.close();
  });
});
