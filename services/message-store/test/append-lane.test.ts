import { systemClock } from '@godwit/runtime/clock';
import { waitFor } from '@godwit/testkit/wait-for';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppendLane, LANE_LIMITS, type StoredEvent } from '../src/domain/append-lane.js';
import { HeadCache } from '../src/domain/head-cache.js';
import { idKey, KIND, type AppendItem, type AppendOutcome } from '../src/domain/message.js';
import type { AppendLog } from '../src/domain/message-log.js';
import { FakeLog, FakeReplicaSet, type Fault } from './fake-log.js';

interface Sent {
  readonly item: AppendItem;
  outcome?: AppendOutcome;
}

const encoder = new TextEncoder();

const itemOf = (item: Partial<AppendItem>): AppendItem => ({
  requestId: 0,
  conversationId: 'c',
  senderUserId: 'user',
  senderDeviceId: 'device',
  clientMessageId: 'id',
  kind: KIND.text,
  targetSeq: 0,
  mediaIds: [],
  expiresAtMs: 0,
  membershipVersion: 1,
  envelope: encoder.encode('envelope'),
  bodyHash: encoder.encode(item.clientMessageId ?? 'id'),
  retry: false,
  lookupOnly: false,
  senderIsAdmin: false,
  ...item,
});

/** An owner of conversations: a lane with its own memory. */
class Owner {
  readonly stored: StoredEvent[] = [];
  readonly lane: AppendLane;
  readonly heads = new HeadCache({ maxConversations: 1_000, now: () => 1 });
  holds = true;

  constructor(log: AppendLog, limits = LANE_LIMITS) {
    this.lane = new AppendLane({
      name: 'test',
      log,
      lease: { holds: () => this.holds, seenLogTime: () => 7n },
      heads: this.heads,
      startsAbove: 0,
      clock: systemClock,
      limits: { ...limits, gapMs: 0, retryMs: { minMs: 0, maxMs: 0 } },
      observer: { stored: (event) => this.stored.push(event), troubled: () => undefined },
    });
  }

  send(item: AppendItem): Sent {
    const sent: Sent = { item };
    const answer = (_: number, outcome: AppendOutcome): void => {
      if (sent.outcome !== undefined) throw new Error('answered twice');
      sent.outcome = outcome;
    };
    const queuedAt = systemClock.monotonic();
    this.lane.offer({ item, origin: { router: 'router', answer }, key: idKey(item), queuedAt });
    return sent;
  }

  async sendAll(items: readonly AppendItem[]): Promise<Sent[]> {
    const sent = items.map((item) => this.send(item));
    await this.lane.drained();
    return sent;
  }
}

const created = itemOf({ kind: KIND.membership, membershipVersion: 0, clientMessageId: 'created' });

const started = async (faults: readonly Fault[] = []): Promise<{ set: FakeReplicaSet; owner: Owner }> => {
  const set = new FakeReplicaSet(faults);
  const owner = new Owner(new FakeLog(set));
  await owner.sendAll([created]);
  return { set, owner };
};

const fault = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fault>('none') },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Fault>(
      'read-fails',
      'landed-unknown',
      'partly-landed-unknown',
      'lost-unknown',
      'lands-late',
      'rolled-back',
    ),
  },
);

/** The contract: dense, unique, and everything that was acked is there as it was acked. */
const holdContract = (set: FakeReplicaSet, sent: readonly Sent[], owners: readonly Owner[]): void => {
  set.quiesce();
  for (const conversationId of new Set(set.documents.map(({ item }) => item.conversationId))) {
    const documents = set.documents.filter(({ item }) => item.conversationId === conversationId);
    const sorted = documents.toSorted((a, b) => a.seq - b.seq);
    expect(sorted.map(({ seq }) => seq)).toEqual(sorted.map((_, index) => index + 1));
    expect(sorted.every(({ serverTimeMs }, index) => serverTimeMs >= (sorted[index - 1]?.serverTimeMs ?? 0))).toBe(
      true,
    );
  }
  const ids = set.documents.map(({ item }) => idKey(item));
  expect(new Set(ids).size).toBe(ids.length);
  for (const { item, outcome } of sent) {
    expect(outcome).toBeDefined();
    if (outcome?.kind !== 'appended') continue;
    const document = set.documents.find((stored) => idKey(stored.item) === idKey(item));
    expect(document).toMatchObject({ seq: outcome.seq, serverTimeMs: outcome.serverTimeMs });
    // Whatever is acked is fanned out.
    const fannedOut = owners.some(({ stored }) =>
      stored.some(({ conversationId, seq }) => conversationId === item.conversationId && seq === outcome.seq),
    );
    expect(fannedOut).toBe(true);
  }
};

describe('a lane', () => {
  it('keeps the contract whatever fails at any step', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 60 }),
        fc.array(fc.array(fc.tuple(fc.nat(2), fc.nat(12), fc.boolean()), { minLength: 1, maxLength: 8 }), {
          maxLength: 8,
        }),
        async (tape, frames) => {
          const set = new FakeReplicaSet(tape);
          const owner = new Owner(new FakeLog(set));
          const starts = [0, 1, 2].map((conversation) => itemOf({ ...created, conversationId: `c${conversation}` }));
          const sent = await owner.sendAll(starts);
          for (const frame of frames) {
            const items = frame.map(([conversation, id, retry]) =>
              itemOf({ conversationId: `c${conversation}`, clientMessageId: `m${id}`, retry }),
            );
            sent.push(...(await owner.sendAll(items)));
          }
          holdContract(set, sent, [owner]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps the contract with two owners that append to the same conversations at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(1), fc.array(fc.nat(20), { minLength: 1, maxLength: 6 })), { maxLength: 10 }),
        async (tape, frames) => {
          const set = new FakeReplicaSet(tape);
          const owners = [new Owner(new FakeLog(set)), new Owner(new FakeLog(set))] as const;
          const sent = await owners[0].sendAll([created]);
          const sending = frames.map(async ([which, ids]) => {
            const items = ids.map((id) => itemOf({ clientMessageId: `m${id}`, retry: true }));
            sent.push(...(await (owners[which] ?? owners[0]).sendAll(items)));
          });
          await Promise.all(sending);
          holdContract(set, sent, owners);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('numbers what did not land anew, and acks what did as it is stored', async () => {
    // created: head, insert. Then insert: half of the batch lands, the answer is lost.
    const { set, owner } = await started(['none', 'none', 'partly-landed-unknown']);
    const sent = await owner.sendAll(['a', 'b', 'c', 'd'].map((clientMessageId) => itemOf({ clientMessageId })));
    holdContract(set, sent, [owner]);
    expect(sent.map(({ outcome }) => outcome?.kind)).toEqual(Array.from({ length: 4 }, () => 'appended'));
    expect(set.documents).toHaveLength(5);
  });

  it('says that it is not the owner after its seq was taken twice in a row', async () => {
    const set = new FakeReplicaSet([]);
    const log = new FakeLog(set);
    const owner = new Owner({
      loadHeads: (ids) => log.loadHeads(ids),
      findByIds: (ids) => log.findByIds(ids),
      findTargets: (places) => log.findTargets(places),
      removePayloads: () => log.removePayloads(),
      // Another owner is always a little faster in one of the conversations.
      insert: (messages) => {
        const position = messages.findIndex(({ item }) => item.conversationId === 'c');
        const taken = messages[position];
        if (taken !== undefined && taken.seq > 1) {
          set.land([{ ...taken, item: { ...taken.item, clientMessageId: `other-${taken.seq}` } }]);
          set.commit();
        }
        return log.insert(messages);
      },
    });
    await owner.sendAll([created, itemOf({ ...created, conversationId: 'd' })]);
    const sent = await owner.sendAll([itemOf({}), itemOf({ conversationId: 'd' })]);
    expect(sent.map(({ outcome }) => outcome?.kind)).toEqual(['not-owner', 'appended']);
  });

  it('never numbers from a head that is not on a majority', async () => {
    const { set, owner } = await started(['none', 'none', 'rolled-back']);
    const sent = await owner.sendAll([itemOf({ clientMessageId: 'a' }), itemOf({ clientMessageId: 'b' })]);
    holdContract(set, sent, [owner]);
    expect(sent.map(({ outcome }) => outcome?.kind === 'appended' && outcome.seq)).toEqual([2, 3]);
  });

  it('appends nothing while its process may be taken for dead', async () => {
    const set = new FakeReplicaSet([]);
    const owner = new Owner(new FakeLog(set), { ...LANE_LIMITS, deadlineMs: 30 });
    owner.holds = false;
    const [sent] = await owner.sendAll([created]);
    expect(sent?.outcome?.kind).toBe('unavailable');
    expect(set.documents).toEqual([]);
  });

  it('refuses at once what does not fit', async () => {
    const set = new FakeReplicaSet([]);
    const owner = new Owner(new FakeLog(set), { ...LANE_LIMITS, maxQueuedBytes: 20 });
    const sent = await owner.sendAll([created, itemOf({ clientMessageId: 'a' }), itemOf({ clientMessageId: 'b' })]);
    expect(sent.map(({ outcome }) => outcome?.kind)).toEqual(['appended', 'appended', 'unavailable']);
    expect((await owner.sendAll([itemOf({ clientMessageId: 'c' })]))[0]?.outcome?.kind).toBe('appended');
  });

  it('once full, takes nothing before half has gone: what it refused is not overtaken', async () => {
    const set = new FakeReplicaSet([]);
    const owner = new Owner(new FakeLog(set), { ...LANE_LIMITS, maxQueuedItems: 8, maxBatchItems: 2 });
    owner.holds = false;
    const items = Array.from({ length: 8 }, (_, index) => itemOf({ clientMessageId: String(index) }));
    const sent = [created, ...items].map((item) => owner.send(item));
    expect(sent.map(({ outcome }) => outcome?.kind)).toEqual([...Array<undefined>(8), 'unavailable']);
    await waitFor(() => owner.lane.queued === 6, { what: 'the first batch on its way' });
    expect(owner.send(itemOf({ clientMessageId: 'too early' })).outcome?.kind).toBe('unavailable');
    owner.holds = true;
    await waitFor(() => owner.lane.queued === 0, { what: 'an empty queue' });
    expect(owner.send(itemOf({ clientMessageId: 'in time' })).outcome).toBeUndefined();
    await owner.lane.drained();
    expect(set.documents).toHaveLength(9);
  });

  it('tells a lookup whose sender was judged by old members to read them again', async () => {
    const { owner } = await started();
    const sent = await owner.sendAll([
      itemOf({ clientMessageId: 'a', lookupOnly: true, membershipVersion: 0 }),
      itemOf({ clientMessageId: 'b', lookupOnly: true }),
    ]);
    expect(sent.map(({ outcome }) => outcome)).toEqual([
      { kind: 'stale-membership', membershipVersion: 1 },
      { kind: 'not-found' },
    ]);
  });

  it('reads its head again for a sender that was checked with later members than it knows', async () => {
    const { set, owner } = await started();
    const other = new Owner(new FakeLog(set));
    const change = itemOf({ kind: KIND.membership, clientMessageId: 'change' });
    const [changed] = await other.sendAll([change]);
    expect(changed?.outcome).toMatchObject({ kind: 'appended', seq: 2, membershipVersion: 2 });
    const later = itemOf({ clientMessageId: 'later', membershipVersion: 2 });
    const [sent] = await owner.sendAll([later]);
    expect(sent?.outcome).toMatchObject({ kind: 'appended', seq: 3 });
  });

  it('lets a lookup ride on an append of the same id', async () => {
    const { owner } = await started();
    const sent = await owner.sendAll([itemOf({ lookupOnly: true }), itemOf({ retry: true }), itemOf({})]);
    expect(sent.map(({ outcome }) => outcome)).toMatchObject([
      { kind: 'appended', seq: 2, duplicate: true },
      { kind: 'appended', seq: 2, duplicate: false },
      { kind: 'appended', seq: 2, duplicate: true },
    ]);
  });
});
