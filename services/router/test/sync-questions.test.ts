import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { describe, expect, it } from 'vitest';
import type { ConversationSource, LogPage, LogQuery, Mark, MessageLog, UserConversation } from '../src/domain/ports.js';
import { SyncQuestions } from '../src/domain/sync-questions.js';
import { memoryDevices } from './support/memory-world.js';

type Log = Pick<MessageLog, 'heads' | 'cursors' | 'read' | 'changedMarks'>;

const headOf = (conversationId: string) => ({
  conversationId,
  headSeq: 7,
  floorSeq: 0,
  membershipVersion: 1,
  expiredSeq: 0,
});

const markOf = (conversationId: string): Mark => ({ conversationId, userId: newId(), deliveredSeq: 1, readSeq: 0 });

/** A log that writes down how it was called. */
class CountedLog implements Log {
  readonly calls: unknown[][] = [];
  failing = false;
  page: Partial<LogPage> = {};

  heads(ids: readonly string[]) {
    this.calls.push(['heads', ids.length]);
    if (this.failing) return Promise.reject(new Error('the store is away'));
    return Promise.resolve(new Map(ids.map((id) => [id, headOf(id)])));
  }

  cursors(queries: Parameters<Log['cursors']>[0]) {
    this.calls.push(['cursors', queries.length]);
    return Promise.resolve(
      queries.map(({ starts }) => new Map(starts.map((one) => [one.conversationId, one.startSeq]))),
    );
  }

  read({ afterSeq, beforeSeq }: LogQuery): Promise<LogPage> {
    this.calls.push(['read', afterSeq]);
    return Promise.resolve({
      messages: [],
      gone: [],
      floorSeq: 0,
      headSeq: 7,
      coveredFromSeq: afterSeq + 1,
      coveredToSeq: beforeSeq - 1,
      more: false,
      ...this.page,
    });
  }

  async *changedMarks(ids: readonly string[], sinceMs: number) {
    this.calls.push(['marks', ids.length, sinceMs]);
    yield await Promise.resolve(ids.map(markOf));
  }
}

const questionsOf = (log: Log, conversations: Partial<ConversationSource> = {}): SyncQuestions => {
  const nobody: ConversationSource = {
    load: () => Promise.reject(new Error('not asked')),
    ofUser: () => Promise.reject(new Error('not asked')),
    ofUsers: () => Promise.reject(new Error('not asked')),
  };
  return new SyncQuestions({ log, conversations: { ...nobody, ...conversations }, devices: memoryDevices });
};

const ids = (count: number): string[] => Array.from({ length: count }, () => groupConversation(newId()));

const query = (conversationId: string, afterSeq: number): LogQuery => ({
  conversationId,
  afterSeq,
  beforeSeq: 8,
  fromMs: 0,
  toMs: 0,
  limit: 128,
  newestFirst: false,
});

describe('the questions of many syncs', () => {
  it('go together, and each gets its own answer', async () => {
    const log = new CountedLog();
    const questions = questionsOf(log);
    const asked = ids(100);
    const heads = await Promise.all(asked.map(async (id) => (await questions.heads([id])).get(id)));
    expect(heads).toEqual(asked.map(headOf));
    expect(log.calls.length).toBeLessThanOrEqual(2);
    const cursors = await Promise.all(
      asked.map((conversationId, startSeq) =>
        questions.cursors({ userId: 'u', deviceId: 'd', deviceSinceMs: 0, starts: [{ conversationId, startSeq }] }),
      ),
    );
    expect(cursors.map((found, index) => found.get(asked[index] ?? ''))).toEqual(asked.map((_, index) => index));
  });

  it('never name more conversations than a call takes', async () => {
    const log = new CountedLog();
    const questions = questionsOf(log);
    await Promise.all(Array.from({ length: 5 }, () => questions.heads(ids(400))));
    expect(log.calls).toEqual([
      ['heads', 800],
      ['heads', 800],
      ['heads', 400],
    ]);
  });

  it('fail together, and the next ones do not', async () => {
    const log = new CountedLog();
    const questions = questionsOf(log);
    log.failing = true;
    const [id = ''] = ids(1);
    await expect(Promise.all([questions.heads([id]), questions.heads(ids(1))])).rejects.toThrow('the store is away');
    log.failing = false;
    expect((await questions.heads([id])).get(id)).toEqual(headOf(id));
  });

  it('about marks are one for those that heard last at about the same time', async () => {
    const log = new CountedLog();
    const questions = questionsOf(log);
    const small = ids(3).map((conversationId) => ({ conversationId, memberCount: 10 }));
    const crowd = ids(30).map((conversationId) => ({ conversationId, memberCount: 100 }));
    const told = async (conversations: typeof small, sinceMs: number): Promise<string[]> => {
      const found: string[] = [];
      for await (const page of questions.marks({ conversations, sinceMs })) {
        found.push(...page.map(({ conversationId }) => conversationId));
      }
      return found;
    };
    const all = await Promise.all([
      told(small, 60_100),
      told(small.slice(1), 89_999),
      told(small, 0),
      told(crowd, 60_100),
    ]);
    const idsOf = (conversations: typeof small) => conversations.map(({ conversationId }) => conversationId);
    expect(all).toEqual([idsOf(small), idsOf(small.slice(1)), idsOf(small), idsOf(crowd)]);
    expect(log.calls.filter(([, count]) => count === 3)).toEqual([
      ['marks', 3, 60_000],
      ['marks', 3, 0],
    ]);
  });

  it('about a user in very many conversations are asked alone, page by page', async () => {
    const one = (conversationId: string): UserConversation => ({
      conversationId,
      intervals: [],
      memberCount: 2,
      version: 0,
    });
    const many = ids(501).map(one);
    const asked: unknown[] = [];
    const questions = questionsOf(new CountedLog(), {
      ofUsers: () =>
        Promise.resolve(
          new Map([
            ['few', many.slice(0, 2)],
            ['many', many],
          ]),
        ),
      ofUser: (page) => {
        asked.push(page);
        return Promise.resolve({ conversations: many.slice(0, page.pageSize), nextPageToken: 'next' });
      },
    });
    const pages = await Promise.all(
      ['few', 'many', 'left out'].map((userId) => questions.conversations({ userId, pageSize: 500, pageToken: '' })),
    );
    expect(pages.map(({ conversations, nextPageToken }) => [conversations.length, nextPageToken])).toEqual([
      [2, ''],
      [500, 'next'],
      [500, 'next'],
    ]);
    expect(asked).toMatchObject([{ userId: 'many' }, { userId: 'left out' }]);
  });
});

describe('reads of syncs', () => {
  it('are one for those that lack the same, and not for others', async () => {
    const log = new CountedLog();
    const questions = questionsOf(log);
    const [id = '', other = ''] = ids(2);
    await Promise.all([questions.read(query(id, 1)), questions.read(query(id, 1)), questions.read(query(id, 2))]);
    await questions.read(query(id, 1));
    await questions.read(query(other, 1));
    expect(log.calls).toEqual([
      ['read', 1],
      ['read', 2],
      ['read', 1],
    ]);
  });

  it('are asked again while the range is not there yet', async () => {
    const log = new CountedLog();
    const questions = questionsOf(log);
    const [id = ''] = ids(1);
    log.page = { coveredToSeq: 1, headSeq: 1 };
    expect(await questions.read(query(id, 1))).toMatchObject({ coveredToSeq: 1 });
    log.page = {};
    expect(await questions.read(query(id, 1))).toMatchObject({ coveredToSeq: 7 });
  });
});
