import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startMongo, type MongoServer } from '@godwit/local-stack/servers/start-mongo';
import { sleep } from '@godwit/runtime/backoff';
import { freePorts } from '@godwit/testkit/free-port';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messages } from '../src/mongo/collections.js';
import { created, runStore, TestRouter, type RunningStore } from './harness.js';

describe('append while the primary fails', () => {
  const watchdog = Watchdog.start();
  let dir: string;
  let mongo: MongoServer;
  let store: RunningStore;
  let router: TestRouter;

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'godwit-failover-'));
    mongo = await startMongo({ dir, ports: await freePorts(3), watchdog });
    store = await runStore({ namespace: uniqueNamespace(), mongoUrl: mongo.url });
    router = await new TestRouter('router-0', [store]).connected();
  });
  afterAll(async () => {
    router.close();
    await store.life.stop();
    await mongo.stop();
    await watchdog.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('loses and doubles nothing when the primary is killed in the middle of a burst', async () => {
    const ids = Array.from({ length: 4 }, () => groupConversation(newId()));
    await Promise.all(router.appendAll(ids.map(created)));
    const acked = new Map<string, number>();
    const refusals = new Set<string>();
    const send = async (conversationId: string, clientMessageId: string): Promise<void> => {
      for (let attempt = 0; ; attempt++) {
        const outcome = await router.append({ conversationId, clientMessageId, retry: attempt > 0 });
        if (outcome.$case === 'appended') {
          acked.set(`${conversationId} ${clientMessageId}`, outcome.value.seq);
          return;
        }
        refusals.add(outcome.$case);
        await sleep(100);
      }
    };
    const sending: Promise<void>[] = [];
    const primary = await mongo.primary();
    let killing: Promise<unknown> = Promise.resolve();
    for (let round = 0; round < 60; round++) {
      for (const conversationId of ids) {
        for (let part = 0; part < 5; part++) sending.push(send(conversationId, `m${String(round)}-${String(part)}`));
      }
      if (round === 20) killing = primary.kill();
      await sleep(5);
    }
    await Promise.all([killing, ...sending]);
    expect([...refusals].filter((kind) => kind !== 'unavailable' && kind !== 'notOwner')).toEqual([]);
    expect(acked.size).toBe(4 * 60 * 5);
    for (const conversationId of ids) {
      const found = await messages
        .in(store.mongo.db)
        .find({ conversationId }, { sort: { seq: 1 } })
        .toArray();
      expect(found.map(({ seq }) => seq)).toEqual(Array.from({ length: 301 }, (_, index) => index + 1));
      for (const { clientMessageId, seq } of found.slice(1)) {
        expect(acked.get(`${conversationId} ${clientMessageId}`)).toBe(seq);
      }
    }
  }, 60_000);
});
