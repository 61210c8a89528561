import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import type { StepName } from '../src/domain/trace.js';
import type { Trace } from '../src/domain/trace-message.js';
import { Refused } from '../src/domain/refusal.js';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { createWorld, type World } from './support/memory-world.js';
import { portsOf, runRouter, type RunningRouter } from './support/running-router.js';
import { TestEdge } from './support/test-edge.js';

const alice = newId();
const bob = newId();
const [phone, tablet] = [newId(), newId()];
const chat = privateConversation(alice, bob);
const asked = { conversationId: chat, seq: 2, userId: '' };

let world: World;
let router: RunningRouter;
let edge: TestEdge;
let namespace: string;

beforeEach(async () => {
  world = createWorld();
  namespace = uniqueNamespace();
  const env = { GODWIT_NAMESPACE: namespace, GODWIT_NATS_URL: testServers().natsUrl };
  router = await runRouter({ overrides: portsOf(world), env });
  edge = await new TestEdge('edge-0', router.grpcPort).connected();
});
afterEach(async () => {
  edge.close();
  await router.life.stop();
});

const of = (trace: Trace, step: StepName) => trace.steps.filter((one) => one.step === step);
const trace = (query = asked): Promise<Trace> => router.rules.traces.trace(query);

/** The message, and all that is noticed of it in EVENTS. */
const traced = async (): Promise<Trace> => {
  await edge.send({ userId: alice, deviceId: phone, conversationId: chat });
  await router.rules.log.raiseCursors([
    { conversationId: chat, userId: bob, deviceId: tablet, deliveredSeq: 2, readSeq: 0 },
  ]);
  return waitFor(
    async () => {
      const found = await trace();
      return of(found, 'announced')[0]?.state === 'done' ? found : undefined;
    },
    { what: 'the facts' },
  );
};

it('tells of a message what the log, the cursors and EVENTS know', async () => {
  const found = await traced();
  expect(found).toMatchObject({ eventsRead: 'complete', recipients: 2, leftOut: 0 });
  const accepted = of(found, 'accepted')[0];
  expect(accepted).toMatchObject({ state: 'done', userId: alice, deviceId: phone, detail: '' });
  expect(accepted?.timeMs).toBeGreaterThan(0);
  expect(of(found, 'stored')).toMatchObject([{ state: 'done', userId: alice }]);
  expect(of(found, 'announced')).toMatchObject([{ state: 'done', detail: '2 recipients, 2 of them offline' }]);
  // Nobody is connected, and nobody can say whether a push went out.
  expect(of(found, 'fanned-out')).toMatchObject([{ state: 'unknown' }]);
  expect(of(found, 'pushed')).toMatchObject([{ state: 'unknown' }]);
  expect(of(found, 'delivered')).toMatchObject([{ state: 'done', userId: bob, deviceId: tablet }]);
  expect(of(found, 'read')).toMatchObject([{ state: 'not-yet', userId: bob }]);
  expect(of(found, 'expired')).toMatchObject([{ state: 'not-yet' }]);
});

it('what EVENTS has lost is unknown, and what the log knows stays', async () => {
  await traced();
  const raw = await connect({ servers: testServers().natsUrl.split(',') });
  const manager = await jetstreamManager(raw);
  await manager.streams.purge(`${namespace}_EVENTS`);
  const purged = await trace();
  expect(purged.eventsRead).toBe('too-old');
  for (const step of ['announced', 'fanned-out', 'pushed'] as const) {
    expect(of(purged, step)).toMatchObject([{ state: 'unknown', detail: 'EVENTS begins after this message' }]);
  }
  expect(of(purged, 'accepted')).toMatchObject([{ state: 'done', timeMs: 0, detail: 'when is not known' }]);
  expect(of(purged, 'stored')).toMatchObject([{ state: 'done' }]);
  expect(of(purged, 'delivered')).toMatchObject([{ state: 'done', timeMs: 0, detail: 'when is not known' }]);
  await manager.streams.delete(`${namespace}_EVENTS`);
  await raw.close();
  expect(await trace()).toMatchObject({ eventsRead: 'unavailable' });
});

it('refuses what there is not, by name', async () => {
  await edge.send({ userId: alice, deviceId: phone, conversationId: chat });
  const reasonOf = async (query: Partial<typeof asked>): Promise<string | undefined> => {
    const error: unknown = await trace({ ...asked, ...query }).catch((caught: unknown) => caught);
    return error instanceof Refused ? `${error.refusal.reason} ${error.refusal.field ?? ''}` : undefined;
  };
  expect(await reasonOf({ seq: 3 })).toBe('MESSAGE_NOT_FOUND seq');
  expect(await reasonOf({ seq: 0 })).toBe('INVALID_ARGUMENT seq');
  expect(await reasonOf({ userId: 'bob' })).toBe('INVALID_ARGUMENT user_id');
  expect(await reasonOf({ conversationId: 'g:*' })).toBe('INVALID_ARGUMENT conversation_id');
  expect(await reasonOf({ conversationId: privateConversation(newId(), newId()) })).toMatch(/^CONVERSATION_NOT_FOUND/);
});
