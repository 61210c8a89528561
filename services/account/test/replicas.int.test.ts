import { ManualClock } from '@godwit/runtime/clock';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { AccountChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import { SessionServiceService } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { accountAll } from '@godwit/bus/subjects';
import { connectBus } from '@godwit/bus/bus';
import { serve, startRpcServer } from '@godwit/rpc/server';
import { unavailable } from '@godwit/rpc/rpc-error';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { testServers } from '@godwit/testkit/test-servers';
import { describe, expect, it } from 'vitest';
import { FLEET_TOKEN, newPhone, startTestAccount, type RunningAccount } from './running-account.js';
import { register, validate } from './sign-in.js';

const HOUR_MS = 3_600_000;

describe('two replicas', () => {
  it('that start together end with one signing key, and verify each other', async () => {
    const namespace = uniqueNamespace();
    const [one, two] = await Promise.all([startTestAccount({ namespace }), startTestAccount({ namespace })]);
    await using _one = one;
    await using _two = two;
    const [a, b] = await Promise.all([one, two].map((account) => account.as(undefined, 'getJwks', {})));
    expect(a?.jwksJson).toBe(b?.jwksJson);
    expect((JSON.parse(a?.jwksJson ?? '') as { keys: unknown[] }).keys).toHaveLength(1);
  });

  it('asked to sign up one phone at the same moment make one user', async () => {
    const namespace = uniqueNamespace();
    await using one = await startTestAccount({ namespace });
    await using two = await startTestAccount({ namespace, clock: one.clock });
    for (let round = 0; round < 5; round++) {
      const phone = newPhone();
      const request = { apiKey: 'godwit-development-key', phone };
      const first = await one.as(undefined, 'registerUser', request);
      one.clock.advance(1_000);
      const second = await two.as(undefined, 'registerUser', request);
      const [a, b] = await Promise.all([
        validate(one, phone, first.verificationId),
        validate(two, phone, second.verificationId),
      ]);
      expect(a.userId).toBe(b.userId);
      expect((await one.as(a, 'listDevices', {})).devices).toHaveLength(2);
    }
  });

  it('asked for one user name at the same moment give it once', async () => {
    const namespace = uniqueNamespace();
    await using one = await startTestAccount({ namespace });
    await using two = await startTestAccount({ namespace, clock: one.clock });
    const people = [await register(one), await register(two)] as const;
    const outcomes = await Promise.allSettled([
      one.as(people[0], 'updateProfile', { userName: 'the_one' }),
      two.as(people[1], 'updateProfile', { userName: 'the_one' }),
    ]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('refuse to start with another master key', async () => {
    const namespace = uniqueNamespace();
    await using _one = await startTestAccount({ namespace });
    const other = startTestAccount({ namespace, env: { GODWIT_MASTER_KEY: 'quite another master key' } });
    await expect(other).rejects.toThrow('GODWIT_MASTER_KEY');
  });
});

describe('a master key that is rotated', () => {
  const MASTER_KEYS = ['the-old-master-key,the-new-master-key', 'the-new-master-key,the-old-master-key'] as const;

  it('seals the signing keys anew, so that the old one can go, and no device is signed out', async () => {
    const namespace = uniqueNamespace();
    const clock = new ManualClock(Date.now());
    const withKeys = (keys: string) => startTestAccount({ namespace, clock, env: { GODWIT_MASTER_KEY: keys } });
    const jwksOf = async (account: RunningAccount) => (await account.as(undefined, 'getJwks', {})).jwksJson;
    await using before = await withKeys('the-old-master-key');
    const { refreshToken } = await register(before);
    const jwks = await jwksOf(before);
    {
      // Replicas of both steps side by side: a token that was exchanged at one is exchanged the same way at the other.
      await using first = await withKeys(MASTER_KEYS[0]);
      await using second = await withKeys(MASTER_KEYS[1]);
      const one = await first.as(undefined, 'refreshToken', { refreshToken });
      const other = await second.as(undefined, 'refreshToken', { refreshToken });
      expect(other.tokens?.refreshToken).toBe(one.tokens?.refreshToken);
      expect(await jwksOf(second)).toBe(jwks);
    }
    await using after = await withKeys('the-new-master-key');
    expect(await jwksOf(after)).toBe(jwks);
    await expect(withKeys('the-old-master-key')).rejects.toThrow('GODWIT_MASTER_KEY');
  });
});

describe('a bootstrap key that is rotated', () => {
  it('is good beside its successor until it is taken out', async () => {
    const namespace = uniqueNamespace();
    const verify = async (keys: string, apiKey: string): Promise<string> => {
      await using account = await startTestAccount({ namespace, env: { GODWIT_BOOTSTRAP_API_KEY: keys } });
      return (await account.as(undefined, 'verifyApiKey', { apiKey })).apiKeyId;
    };
    expect(await verify('new-key,old-key', 'old-key')).toBe('bootstrap');
    expect(await verify('new-key,old-key', 'new-key')).toBe('bootstrap');
    expect(await verify('new-key', 'old-key')).toBe('');
  });
});

describe('signing keys', () => {
  it('are published before they sign, and long after', async () => {
    const namespace = uniqueNamespace();
    const clock = new ManualClock(Date.now());
    const env = { GODWIT_SIGNING_KEY_ROTATION: '30d' };
    const keysOf = async (): Promise<number> => {
      await using account = await startTestAccount({ namespace, clock, env });
      const { jwksJson } = await account.as(undefined, 'getJwks', {});
      return (JSON.parse(jwksJson) as { keys: unknown[] }).keys.length;
    };
    expect(await keysOf()).toBe(1);
    clock.advance(30 * 24 * HOUR_MS - 5 * 60_000);
    expect(await keysOf()).toBe(2);
    clock.advance(23 * HOUR_MS);
    expect(await keysOf()).toBe(2);
    clock.advance(2 * HOUR_MS);
    expect(await keysOf()).toBe(1);
  });

  it('are not stored in the clear', async () => {
    await using account = await startTestAccount({ namespace: uniqueNamespace() });
    const [stored] = await account.db.collection('signing_keys').find().toArray();
    expect(JSON.stringify(stored)).not.toContain('PRIVATE');
  });
});

describe('the peers of a revocation', () => {
  it('hear of it: the session service closes the socket, even late, and the fact is told', async () => {
    const namespace = uniqueNamespace();
    const life = new Lifecycle({ logger: silentLogger });
    await using _life = life;
    const metrics = createMetrics({ service: 'session', node: 'session-0', processMetrics: false });
    const closed: unknown[] = [];
    let attempts = 0;
    const { port } = await startRpcServer({
      listen: { host: '127.0.0.1', port: 0 },
      services: [
        serve(SessionServiceService, {
          link: (stream) => {
            stream.close();
          },
          lookup: () => Promise.reject(unavailable('UNUSED', 'unused')),
          closeDevices: (request) => {
            attempts++;
            if (attempts <= 2) return Promise.reject(unavailable('STARTING', 'not yet'));
            closed.push(request);
            return Promise.resolve({ closed: 1 });
          },
        }),
      ],
      auth: { fleetToken: [FLEET_TOKEN] },
      metrics,
      life,
      reflection: false,
    });
    const bus = connectBus({ url: testServers().natsUrl, namespace, name: 'test', logger: silentLogger, metrics });
    life.onStop('close', 'bus', () => bus.close());
    const facts: AccountChanged[] = [];
    bus.follow(accountAll, { onFact: (payload) => facts.push(AccountChanged.decode(payload)), onGap: () => undefined });
    await waitFor(() => bus.connected, { what: 'the bus' });

    const env = { GODWIT_SESSION_NODES: `session-0=127.0.0.1:${String(port)}` };
    await using account = await startTestAccount({ namespace, env, realPeers: true });
    const person = await register(account);
    await account.as(person, 'logout', {});
    await waitFor(() => closed.length > 0, { what: 'CloseDevices' });
    expect(closed[0]).toEqual({ userId: person.userId, deviceIds: [person.deviceId] });
    await waitFor(() => facts.some(({ change }) => change?.$case === 'deviceRevoked'), { what: 'the fact' });
  });
});
