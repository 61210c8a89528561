import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { testServers } from '@godwit/testkit/test-servers';
import { uniqueNamespace } from '@godwit/testkit/unique-namespace';
import { waitFor } from '@godwit/testkit/wait-for';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GONE, KIND } from '../src/domain/message.js';
import { conversations, messages } from '../src/mongo/collections.js';
import { created, hashOf, runStore, seqOf, TestRouter, userA, type RunningStore } from './harness.js';

const CALL = { deadlineMs: 5_000, idempotent: true };

describe('append', () => {
  const namespace = uniqueNamespace();
  let store: RunningStore;
  let router: TestRouter;

  beforeAll(async () => {
    store = await runStore({ namespace, mongoUrl: testServers().mongoUrl });
    router = await new TestRouter('router-0', [store]).connected();
  });
  afterAll(async () => {
    router.close();
    await store.life.stop();
  });
  afterEach(() => {
    store.watch.assertTargeted();
  });

  const begin = async (): Promise<string> => {
    const conversationId = groupConversation(newId());
    expect(seqOf(await router.append(created(conversationId)))).toBe(1);
    return conversationId;
  };

  const storedSeqs = async (conversationId: string): Promise<number[]> => {
    const found = await messages
      .in(store.mongo.db)
      .find({ conversationId }, { sort: { seq: 1 } })
      .toArray();
    return found.map(({ seq }) => seq);
  };

  it('stores what it acks, as the design has it', async () => {
    const conversationId = await begin();
    const outcome = await router.append({ conversationId, clientMessageId: 'one', mediaIds: ['m'] });
    expect(outcome).toMatchObject({
      $case: 'appended',
      value: { seq: 2, duplicate: false, membershipVersion: 1 },
    });
    const document = await messages.in(store.mongo.db).findOne({ conversationId, seq: 2 });
    expect(document).toMatchObject({
      senderId: userA,
      clientMessageId: 'one',
      kind: KIND.text,
      membershipVersion: 1,
      mediaIds: ['m'],
      by: store.incarnation,
    });
    expect(Buffer.from(document?.bodyHash ?? [])).toEqual(hashOf('one'));
    expect(Buffer.from(document?.envelope ?? []).toString()).toBe('envelope of one');
    expect(document?.purgeAt).toBeUndefined();
    await waitFor(async () => (await conversations.in(store.mongo.db).findOne({ conversationId }))?.headSeq === 2);
  });

  it('takes 5,000 messages of one conversation in a burst, dense and in the order sent', async () => {
    const conversationId = await begin();
    const startedAt = performance.now();
    const outcomes: Promise<{ $case: string }>[] = [];
    for (let frame = 0; frame < 50; frame++) {
      outcomes.push(...router.appendAll(Array.from({ length: 100 }, () => ({ conversationId }))));
      if (frame % 10 === 9) await Promise.all(outcomes);
    }
    const seqs = (await Promise.all(outcomes)).map((outcome) => seqOf(outcome as never));
    expect(seqs).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 2));
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await storedSeqs(conversationId)).toEqual(Array.from({ length: 5_001 }, (_, index) => index + 1));
  });

  it('refuses early what does not fit into the queue, and keeps what it took', async () => {
    const conversationId = await begin();
    const outcomes = await Promise.all(router.appendAll(Array.from({ length: 6_000 }, () => ({ conversationId }))));
    const acked = outcomes.filter(({ $case }) => $case === 'appended');
    const refused = outcomes.filter(({ $case }) => $case === 'unavailable');
    expect(acked.length + refused.length).toBe(6_000);
    expect(acked.length).toBeGreaterThanOrEqual(4_096);
    expect(refused.length).toBeGreaterThan(0);
    expect(await storedSeqs(conversationId)).toHaveLength(acked.length + 1);
  });

  it('gives the first ack again for the same id, marked as a retry or not, in one batch or later', async () => {
    const conversationId = await begin();
    const item = { conversationId, clientMessageId: 'again' };
    const [first, second] = await Promise.all(router.appendAll([item, item]));
    expect(first).toMatchObject({ $case: 'appended', value: { seq: 2, duplicate: false } });
    expect(second).toMatchObject({ $case: 'appended', value: { seq: 2, duplicate: true } });
    for (const retry of [true, false]) {
      const later = await router.append({ ...item, retry });
      expect(later).toEqual({ ...first, value: { ...(first as { value: object }).value, duplicate: true } });
    }
    expect(await storedSeqs(conversationId)).toEqual([1, 2]);
  });

  it('refuses an id with another body, and tells what is stored', async () => {
    const conversationId = await begin();
    await router.append({ conversationId, clientMessageId: 'taken' });
    const outcome = await router.append({ conversationId, clientMessageId: 'taken', bodyHash: hashOf('other') });
    expect(outcome).toMatchObject({ $case: 'idReused', value: { seq: 2 } });
    expect(outcome.$case === 'idReused' && outcome.value.bodyHash).toEqual(hashOf('taken'));
  });

  it('looks up without appending', async () => {
    const conversationId = await begin();
    const item = { conversationId, clientMessageId: 'maybe' };
    expect(await router.append({ ...item, lookupOnly: true })).toEqual({ $case: 'notFound', value: {} });
    await router.append(item);
    expect(await router.append({ ...item, lookupOnly: true })).toMatchObject({ $case: 'appended', value: { seq: 2 } });
    expect(await storedSeqs(conversationId)).toEqual([1, 2]);
  });

  it('holds senders to the membership they were checked with', async () => {
    const conversationId = groupConversation(newId());
    expect(await router.append({ conversationId, membershipVersion: 0 })).toEqual({
      $case: 'staleMembership',
      value: { membershipVersion: 0 },
    });
    await router.append(created(conversationId));
    const change = { conversationId, kind: KIND.membership, membershipVersion: 1 };
    const [before, changed, after] = await Promise.all(
      router.appendAll([{ conversationId }, { ...change, clientMessageId: 'change' }, { conversationId }]),
    );
    expect(before).toMatchObject({ $case: 'appended', value: { seq: 2 } });
    expect(changed).toMatchObject({ $case: 'appended', value: { seq: 3, membershipVersion: 3 } });
    expect(after).toEqual({ $case: 'staleMembership', value: { membershipVersion: 3 } });
    expect(await router.append({ ...change, clientMessageId: 'late' })).toMatchObject({ $case: 'staleMembership' });
  });

  it('answers a broken item alone', async () => {
    const conversationId = await begin();
    const [bad, good] = await Promise.all(
      router.appendAll([{ conversationId: 'g:$where' }, { conversationId, clientMessageId: 'fine' }]),
    );
    expect(bad).toMatchObject({ $case: 'malformed', value: { field: 'conversation_id' } });
    expect(good).toMatchObject({ $case: 'appended' });
    expect(await router.append({ conversationId, clientMessageId: '__proto__' })).toMatchObject({
      $case: 'malformed',
      value: { field: 'client_message_id' },
    });
  });

  it('removes the payload and the edits of a message before its deletion is there', async () => {
    const conversationId = await begin();
    const other = newId();
    await router.append({ conversationId });
    await router.append({ conversationId, kind: KIND.edit, targetSeq: 2 });
    const refusals = await Promise.all(
      router.appendAll([
        { conversationId, kind: KIND.edit, targetSeq: 2, senderUserId: other },
        { conversationId, kind: KIND.delete, targetSeq: 2, senderUserId: other },
        { conversationId, kind: KIND.edit, targetSeq: 1 },
        { conversationId, kind: KIND.reaction, targetSeq: 99 },
      ]),
    );
    expect(refusals.map((outcome) => outcome.$case === 'targetRefused' && outcome.value.reason)).toEqual([
      'NOT_THE_AUTHOR',
      'NOT_THE_AUTHOR',
      'TARGET_KIND',
      'TARGET_NOT_FOUND',
    ]);
    const deletion = { conversationId, kind: KIND.delete, targetSeq: 2, senderUserId: other, senderIsAdmin: true };
    expect(await router.append(deletion)).toMatchObject({ $case: 'appended', value: { seq: 4 } });
    expect(await router.append({ conversationId, kind: KIND.edit, targetSeq: 2 })).toMatchObject({
      $case: 'targetRefused',
      value: { reason: 'TARGET_NOT_FOUND' },
    });
    const read = await router.pool.callOwner(
      'getMessages',
      { conversationId, afterSeq: 0, beforeSeq: 0, fromMs: 0, toMs: 0, limit: 10, newestFirst: false },
      { key: conversationId, ...CALL },
    );
    expect(read.messages.map(({ seq }) => seq)).toEqual([1, 4]);
    expect(read.gone).toEqual([{ fromSeq: 2, toSeq: 3, reason: GONE.deleted }]);
  });
});
