import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { ManualClock } from '@godwit/runtime/clock';
import { applyEntries, MAX_INTERVALS } from '../src/domain/apply-entry.js';
import { ConversationDirectory } from '../src/domain/conversation-directory.js';
import { DEFAULT_SETTINGS, emptyConversation, type Change, type LogEntry } from '../src/domain/conversation.js';
import type { MembershipLog } from '../src/domain/ports.js';
import { MemoryProjections, unobserved } from './support/memory-projections.js';

const id = groupConversation(newId());
const USERS = ['ann', 'bob', 'cid', 'dan', 'eve'];

const created = (members: readonly string[]): Change => ({
  kind: 'created',
  members: members.map((userId, index) => ({ userId, role: index === 0 ? 'owner' : 'member' })),
  name: 'waders',
  pictureMediaId: '',
  settings: DEFAULT_SETTINGS,
});
const added = (...userIds: string[]): Change => ({
  kind: 'added',
  members: userIds.map((userId) => ({ userId, role: 'member' })),
  inviteId: '',
});
const removed = (...userIds: string[]): Change => ({ kind: 'removed', userIds });

const logOf = (changes: readonly Change[], gap = 1): LogEntry[] =>
  changes.map((change, index) => ({ seq: 1 + index * gap, serverTime: 1_000 + index, change }));

const fold = (entries: readonly LogEntry[]) => applyEntries(emptyConversation(id), entries);

describe('the fold of the log', () => {
  it('shows a member its own removal and nothing after it, and what follows coming back', () => {
    const state = fold(logOf([created(['ann', 'bob']), removed('bob'), added('bob')], 4));
    expect(state.members.get('bob')?.intervals).toEqual([
      { from: 1, to: 5 },
      { from: 9, to: 0 },
    ]);
    expect(state).toMatchObject({ version: 9, memberCount: 2, name: 'waders', createdAt: 1_000 });
  });

  it('keeps the interval of who is added again, and takes no note of the removal of who has left', () => {
    const state = fold(logOf([created(['ann', 'bob']), added('bob'), removed('bob'), removed('bob')]));
    expect(state.members.get('bob')?.intervals).toEqual([{ from: 1, to: 3 }]);
    expect(state.memberCount).toBe(1);
  });

  it('keeps rows bounded when somebody joins and leaves for ever', () => {
    const joinings = Array.from({ length: 100 }, () => [added('bob'), removed('bob')]).flat();
    const intervals = fold(logOf([created(['ann']), ...joinings])).members.get('bob')?.intervals;
    expect(intervals).toHaveLength(MAX_INTERVALS);
    expect(intervals?.at(-1)).toEqual({ from: 200, to: 201 });
  });

  it('is the same in one go, in pieces, and with pieces seen twice', () => {
    fc.assert(
      fc.property(changesArbitrary, fc.array(fc.nat({ max: 30 })), (changes, cuts) => {
        const log = logOf(changes, 3);
        let state = emptyConversation(id);
        for (const cut of [...cuts.map((at) => at % (log.length + 1)), log.length])
          state = applyEntries(state, log.slice(0, cut));
        expect(state).toEqual(fold(log));
      }),
    );
  });
});

const someUsers = fc.uniqueArray(fc.constantFrom(...USERS), { minLength: 1 });
const changeArbitrary: fc.Arbitrary<Change> = fc.oneof(
  someUsers.map((users) => added(...users)),
  someUsers.map((users) => removed(...users)),
  fc.tuple(someUsers, fc.constantFrom('member', 'admin', 'owner')).map(([users, role]): Change => ({
    kind: 'roles',
    members: users.map((userId) => ({ userId, role })),
  })),
  fc.string().map((name): Change => ({ kind: 'group', name, pictureMediaId: '', settings: DEFAULT_SETTINGS })),
);
const changesArbitrary = fc
  .tuple(someUsers, fc.array(changeArbitrary, { maxLength: 12 }))
  .map(([users, changes]) => [created(users), ...changes]);

/** A replica that loads the conversation at growing versions; it dies before its n-th access to the store. */
const replicaArbitrary = fc.record({
  versions: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 4 }),
  diesAt: fc.option(fc.nat({ max: 40 }), { nil: Infinity }),
});

class Died extends Error {}

describe('the projections', () => {
  it('come to be what the log says, whoever writes them, however they interleave, wherever they die', async () => {
    await fc.assert(
      fc.asyncProperty(
        changesArbitrary,
        fc.record({
          replicas: fc.array(replicaArbitrary, { minLength: 1, maxLength: 4 }),
          entriesPerPage: fc.integer({ min: 1, max: 4 }),
        }),
        fc.scheduler(),
        async (changes, { replicas, entriesPerPage }, scheduler) => {
          const entries = logOf(changes, 2);
          const log = pagedLog(entries, entriesPerPage);
          const projections = new MemoryProjections(() => entries);
          const running = replicas.map(async ({ versions, diesAt }) => {
            let accesses = 0;
            const step = async (): Promise<void> => {
              await scheduler.schedule(Promise.resolve());
              if (accesses++ >= diesAt) throw new Died();
            };
            const directory = directoryOver(projections, { log, step });
            for (const version of versions) {
              const minVersion = entries[version % entries.length]?.seq ?? 0;
              log.growTo(minVersion);
              const loaded = await directory.load(id, { minVersion, maybeOld: version % 2 === 0 });
              expect(loaded.version).toBeGreaterThanOrEqual(minVersion);
              expect(loaded.members).toEqual(fold(entries.filter(({ seq }) => seq <= loaded.version)).members);
            }
          });
          const ended = await scheduler.waitFor(Promise.allSettled(running));
          for (const end of ended) if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(Died);
          await assertConverges(projections, { log, entries });
        },
      ),
      { numRuns: 400 },
    );
  }, 60_000);
});

/** A log that grows to what somebody is told it has come to. */
const pagedLog = (
  entries: readonly LogEntry[],
  entriesPerPage: number,
): MembershipLog & { growTo: (version: number) => void } => {
  let head = 0;
  return {
    append: () => Promise.reject(new Error('nobody appends here')),
    read: (_conversationId, after) => {
      const later = entries.filter(({ seq }) => seq > after && seq <= head);
      const page = later.slice(0, entriesPerPage);
      return Promise.resolve({ entries: page, version: head, more: later.length > page.length });
    },
    growTo: (version) => {
      head = Math.max(head, version);
    },
  };
};

const directoryOver = (
  projections: MemoryProjections,
  { log, step }: { log: MembershipLog; step: () => Promise<void> },
): ConversationDirectory =>
  new ConversationDirectory({
    projections: projections.through(step),
    log,
    clock: new ManualClock(),
    observations: unobserved,
    maxCachedMembers: 1_000,
  });

const assertConverges = async (
  projections: MemoryProjections,
  { log, entries }: { log: ReturnType<typeof pagedLog>; entries: readonly LogEntry[] },
): Promise<void> => {
  log.growTo(entries.at(-1)?.seq ?? 0);
  const last = directoryOver(projections, { log, step: () => Promise.resolve() });
  await last.load(id, { minVersion: entries.at(-1)?.seq ?? 0 });
  const expected = fold(entries);
  expect(projections.members).toEqual(expected.members);
  expect(projections.userConversations).toEqual(expected.members);
  const { version, memberCount, name } = expected;
  expect(projections.stored).toMatchObject({ version, memberCount, name });
};
