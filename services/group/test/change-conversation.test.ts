import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newId } from '@godwit/ids/id';
import { ManualClock } from '@godwit/runtime/clock';
import { applyEntries } from '../src/domain/apply-entry.js';
import { ConversationChanges, type Decision } from '../src/domain/change-conversation.js';
import { ConversationDirectory, type Conversation } from '../src/domain/conversation-directory.js';
import { emptyConversation, isActive, type ConversationState } from '../src/domain/conversation.js';
import { createGroup, groupIdFor } from '../src/domain/create-conversation.js';
import {
  decideAdd,
  decideGrantAdmin,
  decideLeave,
  decideRemove,
  decideRevokeAdmin,
  decideTransfer,
} from '../src/domain/membership-rules.js';
import { Refusal } from '../src/domain/refusal.js';
import { MemoryLog } from './support/memory-log.js';
import { MemoryProjections, unobserved } from './support/memory-projections.js';
import { MemoryUsers } from './support/memory-users.js';

const OWNER = newId();
const PEOPLE = [OWNER, ...Array.from({ length: 4 }, newId)];
const ID = groupIdFor(OWNER, 'r1');
const LIMIT = { maxMembers: 100 };

const setUp = (log = new MemoryLog({ gap: 2 })) => {
  const projections = new MemoryProjections(() => log.entries(ID));
  const told: number[] = [];
  const replica = (step: () => Promise<void> = () => Promise.resolve()) => {
    const directory = new ConversationDirectory({
      projections: projections.through(step),
      log,
      clock: new ManualClock(),
      observations: unobserved,
      maxCachedMembers: 1_000,
    });
    const facts = { changed: (_id: string, version: number) => void told.push(version) };
    return {
      directory,
      changes: new ConversationChanges({ directory, log, facts, observations: unobserved }),
      users: new MemoryUsers(),
    };
  };
  return { log, projections, told, replica };
};

type Replica = ReturnType<ReturnType<typeof setUp>['replica']>;

const create = (replica: Replica, memberIds: readonly string[]): Promise<Conversation> =>
  createGroup(replica, {
    owner: { userId: OWNER, deviceId: '' },
    clientRequestId: 'r1',
    name: 'waders',
    pictureMediaId: '',
    memberIds,
    settings: {},
  });

const act = <T>(replica: Replica, actor: string, decide: (group: Conversation) => Decision<T>): Promise<T> =>
  replica.changes.run({ conversationId: ID, actor: { userId: actor, deviceId: '' }, decide });

const add = (replica: Replica, actor: string, userIds: readonly string[]) =>
  act(replica, actor, (group) => decideAdd(group, { actor, admissible: userIds, ...LIMIT }));

describe('a change', () => {
  it('is decided again on what another replica has done, without a gap between', async () => {
    const { log, replica, told } = setUp();
    const [one, two] = [replica(), replica()];
    const [, a, b] = PEOPLE as [string, string, string];
    await create(one, []);
    await two.directory.load(ID);
    await add(one, OWNER, [a]);
    // Two has not heard of it: its first append is refused.
    const { userIds, version } = await add(two, OWNER, [a, b]);
    expect(userIds).toEqual([b]);
    expect(version).toBe(log.version(ID));
    expect((await one.directory.load(ID)).memberCount).toBe(3);
    expect(told).toEqual(log.entries(ID).map(({ seq }) => seq));
  });

  it('of a burst on one replica all get through, each decided once', async () => {
    const { log, replica } = setUp();
    const one = replica();
    await create(one, []);
    const newcomers = Array.from({ length: 50 }, newId);
    const before = log.appends;
    await Promise.all(newcomers.map((userId) => add(one, OWNER, [userId])));
    expect((await one.directory.load(ID)).memberCount).toBe(51);
    expect(log.appends - before).toBe(50);
  });

  it('that is so already is not appended', async () => {
    const { log, replica } = setUp();
    const one = replica();
    await create(one, [PEOPLE[1] ?? '']);
    const appends = log.appends;
    expect((await add(one, OWNER, [PEOPLE[1] ?? ''])).userIds).toEqual([]);
    expect(log.appends).toBe(appends);
  });

  it('is given up when the caller has gone while it waited', async () => {
    const { replica } = setUp();
    const one = replica();
    await create(one, []);
    const request = { conversationId: ID, actor: { userId: OWNER, deviceId: '' }, signal: AbortSignal.abort() };
    const waiting = one.changes.run({ ...request, decide: (group) => decideLeave(group, OWNER) });
    await expect(waiting).rejects.toMatchObject({ reason: 'GIVEN_UP' });
  });

  it('waits in a queue that has an end', async () => {
    const { replica } = setUp();
    const one = replica();
    await create(one, []);
    const outcomes = await Promise.allSettled(Array.from({ length: 300 }, () => add(one, OWNER, [newId()])));
    const reasons = outcomes.map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as Refusal).reason : '',
    );
    expect(reasons.filter((reason) => reason === 'OVERLOADED')).toHaveLength(44);
  });
});

describe('creating a group', () => {
  it('is idempotent, also between replicas and with another body', async () => {
    const { log, replica } = setUp();
    const [one, two] = [replica(), replica()];
    const [first, second] = await Promise.all([create(one, [PEOPLE[1] ?? '']), create(two, [PEOPLE[2] ?? ''])]);
    expect(first.version).toBe(1);
    expect(second.members).toEqual(first.members);
    expect(log.entries(ID)).toHaveLength(1);
  });

  it('that died between log and projection is finished by the retry', async () => {
    const { log, replica, projections } = setUp();
    const dying = replica(() => (log.entries(ID).length > 0 ? Promise.reject(new Error('died')) : Promise.resolve()));
    await expect(create(dying, [PEOPLE[1] ?? ''])).rejects.toThrow('died');
    expect(projections.stored).toBeUndefined();
    expect((await create(replica(), [PEOPLE[1] ?? ''])).memberCount).toBe(2);
    expect(projections.stored?.version).toBe(1);
  });

  it('of 501 takes two messages, and a retry finishes the second', async () => {
    const { log, replica } = setUp();
    const memberIds = Array.from({ length: 500 }, newId);
    log.onAppend = (moment, { basedOn }) => {
      if (moment === 'before' && basedOn > 0) throw new Error('lost');
    };
    await expect(create(replica(), memberIds)).rejects.toThrow('lost');
    log.onAppend = () => undefined;
    expect((await create(replica(), memberIds)).memberCount).toBe(501);
    expect((await create(replica(), memberIds)).memberCount).toBe(501);
    expect(log.entries(ID)).toHaveLength(2);
  });

  it('names who does not exist or has blocked the owner, and asks nobody on a retry', async () => {
    const { replica } = setUp();
    const one = replica();
    const [, a = '', b = ''] = PEOPLE;
    one.users.blocks.add(`${b}:${OWNER}`);
    await expect(create(one, [a, b])).rejects.toMatchObject({ reason: 'USER_NOT_FOUND', field: 'member_user_ids[1]' });
    await create(one, [a]);
    one.users.isAway = true;
    expect((await create(one, [a])).memberCount).toBe(2);
  });
});

const commandArbitrary = fc.record({
  what: fc.constantFrom('add', 'remove', 'leave', 'grant', 'revoke', 'transfer'),
  actor: fc.constantFrom(...PEOPLE),
  target: fc.constantFrom(...PEOPLE),
  replica: fc.nat({ max: 2 }),
  failure: fc.constantFrom('none', 'none', 'none', 'before', 'after'),
});

type Command = typeof commandArbitrary extends fc.Arbitrary<infer C> ? C : never;

const perform = (replica: Replica, { what, actor, target }: Command): Promise<unknown> => {
  switch (what) {
    case 'add':
      return add(replica, actor, [target]);
    case 'remove':
      return act(replica, actor, (group) => decideRemove(group, { actor, userIds: [target] }));
    case 'leave':
      return act(replica, actor, (group) => decideLeave(group, actor));
    case 'grant':
      return act(replica, actor, (group) => decideGrantAdmin(group, { actor, userId: target }));
    case 'revoke':
      return act(replica, actor, (group) => decideRevokeAdmin(group, { actor, userId: target }));
    default:
      return act(replica, actor, (group) => decideTransfer(group, { actor, userId: target }));
  }
};

const owners = ({ members }: ConversationState): number =>
  [...members.values()].filter((row) => isActive(row) && row.role === 'owner').length;

class Lost extends Error {}

describe('a group that three replicas change at random, with appends of unknown outcome', () => {
  it('has one owner while it has members, and only changes that were allowed where they stand', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(commandArbitrary, { maxLength: 40 }), fc.scheduler(), async (commands, scheduler) => {
        const { log, replica, projections } = setUp();
        await create(replica(), PEOPLE.slice(1, 3));
        const step = async (): Promise<void> => scheduler.schedule(Promise.resolve());
        const replicas = [replica(step), replica(step), replica(step)];
        const running = commands.map(async (command) => {
          await step();
          log.onAppend = (moment) => {
            if (moment === command.failure) throw new Lost();
          };
          await perform(replicas[command.replica] ?? replica(), command);
        });
        for (const outcome of await scheduler.waitFor(Promise.allSettled(running))) {
          if (outcome.status === 'fulfilled' || outcome.reason instanceof Lost) continue;
          expect(outcome.reason).toBeInstanceOf(Refusal);
        }
        let state: ConversationState = emptyConversation(ID);
        for (const entry of log.entries(ID)) {
          const { change } = entry;
          if (change.kind === 'added')
            for (const { userId } of change.members) expect(isActive(state.members.get(userId))).toBe(false);
          if (change.kind === 'removed')
            for (const userId of change.userIds) expect(isActive(state.members.get(userId))).toBe(true);
          state = applyEntries(state, [entry]);
          expect(owners(state)).toBe(state.memberCount === 0 ? 0 : 1);
        }
        const last = await replica().directory.load(ID, { minVersion: state.version });
        expect(last.members).toEqual(state.members);
        expect(projections.userConversations).toEqual(state.members);
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});
