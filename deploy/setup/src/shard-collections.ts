import type { DeclarationFields } from '@godwit/mongo/collection';
import type { Logger } from '@godwit/runtime/logger';
import { MaxKey } from 'mongodb';
import { splitPoints } from './split-points.js';

/** What a mongos is asked; a port, because no package has a mongos to test with. */
export interface ClusterAdmin {
  /** A command to the database `admin`. */
  readonly command: (command: Record<string, unknown>) => Promise<Record<string, unknown>>;
  /** The shard key of a namespace (`database.collection`); undefined for one that is not sharded. */
  readonly shardKeyOf: (namespace: string) => Promise<Record<string, unknown> | undefined>;
  readonly isEmpty: (collection: string) => Promise<boolean>;
}

export interface ShardingPlan {
  readonly database: string;
  readonly collections: readonly DeclarationFields[];
  readonly chunks: number;
  readonly admin: ClusterAdmin;
  readonly logger: Logger;
}

interface Target {
  readonly ns: string;
  readonly declaration: DeclarationFields;
}

/**
 * Sets the shard keys, and spreads what is empty over the shards: the balancer moves data, and an empty chunk has none.
 * @throws Error for a collection that is sharded by another key
 */
export const shardCollections = async (plan: ShardingPlan): Promise<void> => {
  const shards = await shardNames(plan.admin);
  for (const declaration of plan.collections) {
    const target = { ns: `${plan.database}.${declaration.name}`, declaration };
    await ensureSharded(plan, target);
    const bounds = splitPoints(declaration.shardKey, plan.chunks);
    if (bounds.length > 0 && (await plan.admin.isEmpty(declaration.name)))
      await spread(plan, { target, bounds, shards });
  }
};

const shardNames = async ({ command }: ClusterAdmin): Promise<string[]> => {
  const { shards } = (await command({ listShards: 1 })) as { shards?: readonly { _id: string }[] };
  const names = (shards ?? []).map(({ _id }) => _id).sort();
  if (names.length === 0) throw new Error('this sharded cluster has no shards yet: add them first (addShard)');
  return names;
};

const ensureSharded = async ({ admin, logger }: ShardingPlan, { ns, declaration }: Target): Promise<void> => {
  const wanted = JSON.stringify(declaration.shardKey);
  const present = await admin.shardKeyOf(ns);
  if (present === undefined) {
    await admin.command({ shardCollection: ns, key: { ...declaration.shardKey } });
    logger.info({ ns, key: declaration.shardKey }, 'sharded');
    return;
  }
  if (JSON.stringify(present) !== wanted) {
    throw new Error(
      `${ns} is sharded by ${JSON.stringify(present)} instead of ${wanted}: reshard it (reshardCollection)`,
    );
  }
};

interface Spread {
  readonly target: Target;
  readonly bounds: readonly string[];
  readonly shards: readonly string[];
}

// moveRange splits at its bounds where they are none, and does nothing where the shard has the range: no state needed.
const spread = async ({ admin, logger }: ShardingPlan, { target, bounds, shards }: Spread): Promise<void> => {
  const { ns, declaration } = target;
  const fields = Object.keys(declaration.shardKey);
  for (const [index, bound] of bounds.entries()) {
    const next = bounds[index + 1];
    const toShard = shards[index % shards.length];
    const max =
      next === undefined ? Object.fromEntries(fields.map((field) => [field, new MaxKey()])) : keyAt(fields, next);
    const range = { min: keyAt(fields, bound), max };
    await admin.command({ moveRange: ns, ...range, toShard });
  }
  logger.info({ ns, ranges: bounds.length, shards: shards.length }, 'spread over the shards');
};

// A bound of a compound key has all its fields; nothing is below an empty text.
const keyAt = (fields: readonly string[], bound: string): Record<string, string> =>
  Object.fromEntries(fields.map((field, index) => [field, index === 0 ? bound : '']));
