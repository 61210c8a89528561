import { connectBus } from '@godwit/bus/bus';
import { ACCOUNT } from '@godwit/bus/streams';
import { accountDevice, pushWake } from '@godwit/bus/subjects';
import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { startNats } from '@godwit/local-stack/servers/start-nats';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { AccountChanged } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import { Provider, type RegisterPushTokenRequest } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { freePort } from '@godwit/testkit/free-port';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { status } from '@grpc/grpc-js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Push, SendResult } from '../src/domain/model.js';
import { ADMIN_KEY } from './peers.js';
import { asDevice, startTestPush, type RunningPush } from './running-push.js';

const { PROVIDER_LOG: LOG, PROVIDER_APNS: APNS } = Provider;

const namespace = uniqueNamespace();
let push: RunningPush;

beforeAll(async () => {
  push = await startTestPush({ namespace });
  await waitFor(() => push.bus.connected, { what: 'the bus' });
});
afterEach(() => {
  push.watch.assertTargeted();
});
afterAll(async () => {
  await push[Symbol.asyncDispose]();
});

/** A user with devices, of which the first has a token for the log. */
const newUser = async (on: RunningPush = push, devices = 1) => {
  const user = {
    userId: newId(),
    deviceIds: Array.from({ length: devices }, newId),
    conversationId: groupConversation(newId()),
  };
  on.peers.devices.set(user.userId, user.deviceIds);
  const [deviceId = ''] = user.deviceIds;
  await on.call(asDevice(user.userId, deviceId), 'registerPushToken', { provider: LOG, token: 'a token' });
  return { ...user, deviceId };
};

const outcomesOf = async (userId: string, on: RunningPush = push) =>
  (await on.call({ 'x-api-key': ADMIN_KEY }, 'listPushOutcomes', { userId, pageSize: 0 })).outcomes;

const outcomesWhen = (userId: string, count: number, on: RunningPush = push) =>
  waitFor(
    async () => {
      const outcomes = await outcomesOf(userId, on);
      return outcomes.length >= count ? outcomes : undefined;
    },
    { what: `${String(count)} outcomes`, timeoutMs: 10_000 },
  );

const linesOf = (userId: string) => push.pushLines().filter((line) => line['userId'] === userId);

describe('wakes', () => {
  it('become one push of the newest message for a burst in a conversation', async () => {
    const { userId, deviceId, conversationId } = await newUser();
    await Promise.all(Array.from({ length: 20 }, (_, index) => push.wake({ userId, conversationId, seq: index + 1 })));
    const outcomes = await outcomesWhen(userId, 1);
    expect(outcomes).toMatchObject([{ deviceId, conversationId, seq: 20, outcome: 'SENT', provider: LOG }]);
    expect(linesOf(userId)).toMatchObject([{ deviceId, conversationId, seq: 20 }]);
    expect(JSON.stringify(linesOf(userId))).not.toContain('a token');
  });

  it('of two conversations are two pushes', async () => {
    const { userId, conversationId } = await newUser();
    const other = groupConversation(newId());
    await push.wake({ userId, conversationId, seq: 1 });
    await push.wake({ userId, conversationId: other, seq: 1 });
    const outcomes = await outcomesWhen(userId, 2);
    expect(new Set(outcomes.map((outcome) => outcome.conversationId))).toEqual(new Set([conversationId, other]));
  });

  it('are not for devices that are online when it would be sent, nor for those without a token', async () => {
    const { userId, deviceId, deviceIds, conversationId } = await newUser(push, 3);
    await push.call(asDevice(userId, deviceIds[1] ?? ''), 'registerPushToken', { provider: LOG, token: 'b' });
    await push.wake({ userId, conversationId, seq: 4 });
    push.peers.online.add(deviceId);
    const outcomes = await outcomesWhen(userId, 3);
    const byDevice = new Map(outcomes.map((outcome) => [outcome.deviceId, outcome.outcome]));
    expect(deviceIds.map((id) => byDevice.get(id))).toEqual(['ONLINE', 'SENT', 'NO_TOKEN']);
    expect(linesOf(userId)).toHaveLength(1);
  });

  it('are not for muted conversations', async () => {
    const { userId, conversationId } = await newUser();
    push.peers.muted.set(`${userId} ${conversationId}`, Date.now() + 60_000);
    await push.wake({ userId, conversationId, seq: 4 });
    expect(await outcomesWhen(userId, 1)).toMatchObject([{ outcome: 'MUTED' }]);
    expect(linesOf(userId)).toEqual([]);
  });

  it('say when a provider is not configured, and keep its token', async () => {
    const { userId, deviceId, conversationId } = await newUser();
    await push.call(asDevice(userId, deviceId), 'removePushToken', { provider: LOG });
    await push.call(asDevice(userId, deviceId), 'registerPushToken', { provider: APNS, token: 'x' });
    await push.wake({ userId, conversationId, seq: 1 });
    const expected = { outcome: 'FAILED', detail: 'provider not configured', provider: APNS };
    expect(await outcomesWhen(userId, 1)).toMatchObject([expected]);
    await push.wake({ userId, conversationId, seq: 2 });
    expect(await outcomesWhen(userId, 2)).toMatchObject([expected, expected]);
  });

  it('wait while session does not answer', async () => {
    const { userId, conversationId } = await newUser();
    push.peers.sessionAway = true;
    try {
      await push.wake({ userId, conversationId, seq: 1 });
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(await outcomesOf(userId)).toEqual([]);
    } finally {
      push.peers.sessionAway = false;
    }
    expect(await outcomesWhen(userId, 1)).toMatchObject([{ outcome: 'SENT' }]);
  });

  it('that are none are dropped, and the next ones come through', async () => {
    const { userId, conversationId } = await newUser();
    await push.bus.store(pushWake(userId), Buffer.from('garbage'));
    await push.wake({ userId, conversationId: 'g:$where', seq: 1 });
    await push.wake({ userId, conversationId, seq: 9 });
    expect(await outcomesWhen(userId, 1)).toMatchObject([{ outcome: 'SENT', seq: 9 }]);
  });
});

describe('providers', () => {
  it('that are busy are tried again with only who was not reached; dead tokens are forgotten', async () => {
    const pushed: Push[] = [];
    const answers: SendResult[] = [
      { kind: 'try_later', detail: 'busy' },
      { kind: 'sent' },
      { kind: 'token_invalid', detail: 'gone' },
    ];
    const provider = {
      send: (one: Push): Promise<SendResult> => {
        pushed.push(one);
        return Promise.resolve(answers.shift() ?? { kind: 'sent' });
      },
    };
    await using own = await startTestPush({ namespace: uniqueNamespace(), providers: new Map([['log', provider]]) });
    await waitFor(() => own.bus.connected, { what: 'the bus' });
    const { userId, conversationId } = await newUser(own);
    await own.wake({ userId, conversationId, seq: 1 });
    await waitFor(() => pushed.length === 2, { what: 'the second try', timeoutMs: 10_000 });
    await waitFor(async () => (await outcomesOf(userId, own))[0]?.outcome === 'SENT', { what: 'the outcome' });
    await own.wake({ userId, conversationId, seq: 2 });
    await waitFor(() => pushed.length === 3, { what: 'the push with a dead token' });
    await waitFor(async () => (await outcomesOf(userId, own))[0]?.detail === 'gone', { what: 'the outcome' });
    await own.wake({ userId, conversationId, seq: 3 });
    const outcomes = await outcomesWhen(userId, 3, own);
    expect(outcomes[0]).toMatchObject({ outcome: 'NO_TOKEN', seq: 3, deviceId: '' });
    own.watch.assertTargeted();
  });
});

describe('tokens', () => {
  it('go with a device that is removed', async () => {
    const { userId, deviceId, conversationId } = await newUser();
    const metrics = createMetrics({ service: 'account', node: 'account-0', processMetrics: false });
    const bus = connectBus({
      url: testServers().natsUrl,
      namespace,
      name: 'account-0',
      logger: silentLogger,
      metrics,
      streams: [ACCOUNT],
    });
    await waitFor(() => bus.connected, { what: 'the bus' });
    const fact = AccountChanged.encode({ userId, change: { $case: 'deviceRevoked', value: { deviceId } } }).finish();
    await bus.store(accountDevice(userId), fact);
    await bus.close();
    await waitFor(
      async () => {
        await push.wake({ userId, conversationId, seq: Date.now() });
        return (await outcomesOf(userId)).some(({ outcome }) => outcome === 'NO_TOKEN');
      },
      { what: 'no token', intervalMs: 400 },
    );
  });

  const bad: [RegisterPushTokenRequest, string][] = [
    [{ provider: Provider.PROVIDER_UNSPECIFIED, token: 'x' }, 'provider'],
    [{ provider: 99 as Provider, token: 'x' }, 'provider'],
    [{ provider: LOG, token: '' }, 'token'],
    [{ provider: LOG, token: 'é'.repeat(2_049) }, 'token'],
  ];
  it.each(bad)('refuse %j', async (request, field) => {
    const error = await push
      .call(asDevice(newId(), newId()), 'registerPushToken', request)
      .catch((reason: unknown) => errorInfo(reason));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, field });
  });

  it('belong to a device, and outcomes are for operators', async () => {
    const refusalOf = (metadata: Record<string, string>) =>
      push
        .call(metadata, 'listPushOutcomes', { userId: '$ne', pageSize: 0 })
        .then(() => undefined)
        .catch((reason: unknown) => errorInfo(reason));
    expect(await refusalOf({ 'x-api-key': 'nobody' })).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await refusalOf({ 'x-api-key': ADMIN_KEY })).toMatchObject({ field: 'user_id' });
    const nameless = push.call(asDevice(newId(), 'x'), 'registerPushToken', { provider: LOG, token: 'x' });
    expect(await nameless.catch((reason: unknown) => errorInfo(reason))).toMatchObject({ field: 'godwit-device' });
  });
});

describe('without NATS', () => {
  it('it is ready and takes tokens; wakes come through once NATS is there', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'godwit-push-'));
    const watchdog = Watchdog.start();
    const nats = await startNats({ dir, ports: [await freePort()], watchdog });
    try {
      await nats.stop();
      await using own = await startTestPush({ namespace: uniqueNamespace(), natsUrl: nats.url });
      const ready = await fetch(`http://127.0.0.1:${String(own.httpPort)}/readyz`);
      expect(ready.status).toBe(200);
      const { userId, conversationId } = await newUser(own);
      await nats.start();
      await waitFor(
        async () => {
          try {
            await own.wake({ userId, conversationId, seq: 5 });
            return true;
          } catch {
            return false;
          }
        },
        { what: 'a wake to be stored', timeoutMs: 20_000, intervalMs: 200 },
      );
      expect(await outcomesWhen(userId, 1, own)).toMatchObject([{ outcome: 'SENT', seq: 5 }]);
    } finally {
      await watchdog.close();
      await rm(dir, { recursive: true, force: true });
    }
  });
});
