import { ALLOWED_UNTARGETED, complaintAbout, SHARD_KEYS } from '@godwit/testkit/mongo-command-watcher';
import type { Document } from 'mongodb';
import { describe, expect, it } from 'vitest';

const rules = { shardKeys: SHARD_KEYS, allowed: ALLOWED_UNTARGETED };
const complaint = (name: string, command: Document): string | undefined => complaintAbout(name, command, rules);

const c = { conversationId: 'g:a' };
const full = { conversationId: 'g:a', userId: 'u' };

describe('the command watcher', () => {
  it.each<[string, Document]>([
    ['find', { find: 'messages', filter: { ...c, seq: { $gt: 1 } } }],
    ['find', { find: 'messages', filter: { conversationId: { $in: ['a', 'b'] } } }],
    [
      'find',
      { find: 'messages', filter: { $or: [c, { conversationId: 'b', seq: 1 }] }, hint: 'conversationId_1_seq_1' },
    ],
    ['find', { find: 'messages', filter: { $and: [{ seq: 1 }, c] } }],
    ['find', { find: 'members', filter: c }],
    ['aggregate', { aggregate: 'messages', pipeline: [{ $match: c }, { $group: {} }] }],
    ['insert', { insert: 'members', documents: [full, full] }],
    ['update', { update: 'deliveries', updates: [{ q: full, u: {}, upsert: true }] }],
    ['update', { update: 'members', updates: [{ q: c, u: {}, multi: true }] }],
    ['delete', { delete: 'members', deletes: [{ q: full, limit: 1 }] }],
    ['findAndModify', { findAndModify: 'groups', query: c }],
    ['find', { find: 'store_processes', filter: {} }],
    ['aggregate', { aggregate: 'messages', pipeline: [{ $changeStream: {} }] }],
    ['find', { find: 'system.profile', filter: {} }],
    ['createIndexes', { createIndexes: 'messages', indexes: [] }],
    ['ping', { ping: 1 }],
  ])('lets a targeted %s pass: %j', (name, command) => {
    expect(complaint(name, command)).toBeUndefined();
  });

  it.each<[string, Document]>([
    ['find', { find: 'messages', filter: {} }],
    ['find', { find: 'messages' }],
    ['find', { find: 'messages', filter: { conversationId: { $gt: 'a' } } }],
    ['find', { find: 'messages', filter: { conversationId: /^g:/ } }],
    ['find', { find: 'messages', filter: { $or: [c, { seq: 1 }] }, hint: 'conversationId_1_seq_1' }],
    ['find', { find: 'members', filter: { userId: 'u' } }],
    ['aggregate', { aggregate: 'messages', pipeline: [{ $group: {} }, { $match: c }] }],
    ['insert', { insert: 'members', documents: [full, c] }],
    ['update', { update: 'deliveries', updates: [{ q: full }, { q: c }] }],
    ['update', { update: 'deliveries', updates: [{ q: c, multi: true, upsert: true }] }],
    ['delete', { delete: 'members', deletes: [{ q: c, limit: 1 }] }],
    ['findAndModify', { findAndModify: 'members', query: c }],
    ['count', { count: 'messages', query: { seq: 1 } }],
    ['distinct', { distinct: 'messages', key: 'conversationId' }],
  ])('complains about a scattered %s: %j', (name, command) => {
    expect(complaint(name, command)).toMatch(/without \{/);
  });

  it('complains about an $or whose index MongoDB may choose', () => {
    const filter = { $or: [c, c] };
    expect(complaint('find', { find: 'messages', filter })).toMatch(/without a hint/);
    expect(complaint('find', { find: 'messages', filter, hint: 'conversationId_1_seq_1' })).toBeUndefined();
  });

  it('wants to know the shard key of every collection', () => {
    expect(complaint('find', { find: 'novel', filter: { a: 1 } })).toContain('shard key the watcher does not know');
    const taught = { ...rules, shardKeys: { novel: ['a'] } };
    expect(complaintAbout('find', { find: 'novel', filter: { a: 1 } }, taught)).toBeUndefined();
  });
});
