import { silentLogger } from '@godwit/runtime/logger';
import { describe, expect, it } from 'vitest';
import { FLEET_COLLECTIONS } from '../src/prepare-mongo.js';
import { shardCollections, type ClusterAdmin } from '../src/shard-collections.js';
import { splitPoints } from '../src/split-points.js';

/** A mongos in memory: no package has a real one. */
function cluster({ keys = {}, full = [] }: { keys?: Record<string, object>; full?: string[] } = {}) {
  const commands: Record<string, unknown>[] = [];
  const sharded = new Map(Object.entries(keys));
  const admin: ClusterAdmin = {
    command: async (command) => {
      if ('listShards' in command) return { shards: [{ _id: 'shard-b' }, { _id: 'shard-a' }] };
      commands.push(command);
      if ('shardCollection' in command)
        sharded.set(String(command['shardCollection']), Object(command['key']) as object);
      return { ok: 1 };
    },
    shardKeyOf: async (ns) => sharded.get(ns) as Record<string, unknown> | undefined,
    isEmpty: async (name) => !full.includes(name),
  };
  return { admin, commands };
}

const MEMBERS = { name: 'members', shardKey: { conversationId: 1, userId: 1 }, indexes: [] } as const;
const PHONES = { name: 'phones', shardKey: { _id: 1 }, indexes: [] } as const;
const plan = { database: 'godwit', chunks: 8, logger: silentLogger };

describe('shardCollections', () => {
  it('sets keys and spreads what is empty evenly', async () => {
    const { admin, commands } = cluster();
    await shardCollections({ ...plan, collections: [MEMBERS, PHONES], admin });
    expect(commands[0]).toEqual({ shardCollection: 'godwit.members', key: { conversationId: 1, userId: 1 } });
    const moves = commands.filter((command) => 'moveRange' in command);
    expect(moves.map(({ toShard }) => toShard)).toEqual(moves.map((_, index) => ['shard-a', 'shard-b'][index % 2]));
    expect(moves[0]).toMatchObject({ min: { conversationId: 'g:22', userId: '' } });
    // Each range begins where the one before ends, so that none is left over.
    for (const [index, move] of moves.slice(1).entries()) expect(moves[index]?.['max']).toEqual(move['min']);
    expect(commands.at(-1)).toEqual({ shardCollection: 'godwit.phones', key: { _id: 1 } });
  });

  it('leaves alone what is sharded and has data', async () => {
    const { admin, commands } = cluster({ keys: { 'godwit.members': MEMBERS.shardKey }, full: ['members'] });
    await shardCollections({ ...plan, collections: [MEMBERS], admin });
    expect(commands).toEqual([]);
  });

  it('refuses a collection that is sharded by another key', async () => {
    const { admin } = cluster({ keys: { 'godwit.members': { userId: 1 } } });
    await expect(shardCollections({ ...plan, collections: [MEMBERS], admin })).rejects.toThrow(/instead of/);
  });
});

describe('splitPoints', () => {
  it.each([{ userId: 1 } as const, { conversationId: 1 } as const])('sorts as MongoDB does: %o', (shardKey) => {
    const bounds = splitPoints(shardKey, 64);
    expect(bounds).toHaveLength(64);
    expect([...bounds].sort()).toEqual(bounds);
    expect(new Set(bounds).size).toBe(64);
  });

  it('names every collection of the fleet once', () => {
    const names = FLEET_COLLECTIONS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('messages');
    expect(names).toContain('last_seen');
  });
});
