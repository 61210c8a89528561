import type { Collection, CreateIndexesOptions, Db, Document, IndexDescription } from 'mongodb';

export type IndexKey = Readonly<Record<string, 1 | -1>>;

export interface IndexDeclaration {
  readonly key: IndexKey;
  readonly unique?: boolean;
  /** Makes it a TTL index: a document goes this long after the date in the (single) key field; without one, never. */
  readonly expireAfterSeconds?: number;
  /** Only documents that match are in the index. */
  readonly partialFilterExpression?: Document;
}

/** A collection, declared once by the service that owns it. */
export interface CollectionDeclaration<T extends Document> {
  readonly name: string;
  /** Ranged. Every query names it; unique indexes start with it. */
  readonly shardKey: IndexKey;
  readonly indexes: readonly IndexDeclaration[];
  /** The collection in a database. */
  readonly in: (db: Db) => Collection<T>;
}

export interface DeclarationFields {
  readonly name: string;
  readonly shardKey: IndexKey;
  readonly indexes: readonly IndexDeclaration[];
}

/**
 * Declares a collection.
 * @throws Error when a unique index doesn't start with the shard key: a sharded cluster couldn't keep it unique
 */
export const declareCollection = <T extends Document>(fields: DeclarationFields): CollectionDeclaration<T> => {
  const shardFields = Object.keys(fields.shardKey);
  for (const { key, unique } of fields.indexes) {
    const prefix = Object.keys(key).slice(0, shardFields.length);
    if (unique === true && prefix.join() !== shardFields.join()) {
      throw new Error(`${fields.name}: a unique index has to start with the shard key ${shardFields.join()}`);
    }
  }
  return { ...fields, in: (db) => db.collection<T>(fields.name) };
};

const nameOf = (key: IndexKey): string =>
  Object.entries(key)
    .map(([field, direction]) => `${field}_${String(direction)}`)
    .join('_');

const describe = ({
  key,
  unique,
  expireAfterSeconds,
  partialFilterExpression,
}: IndexDeclaration): IndexDescription => ({
  key: { ...key },
  name: nameOf(key),
  ...(unique === undefined ? {} : { unique }),
  ...(expireAfterSeconds === undefined ? {} : { expireAfterSeconds }),
  ...(partialFilterExpression === undefined ? {} : { partialFilterExpression }),
});

// A shard key needs an index of its own unless one of the others starts with it. `_id` has one.
const withShardKeyIndex = ({ shardKey, indexes }: DeclarationFields): readonly IndexDeclaration[] => {
  const fields = Object.keys(shardKey);
  const covered =
    fields.join() === '_id' ||
    indexes.some(({ key, partialFilterExpression }) => {
      return partialFilterExpression === undefined && Object.keys(key).slice(0, fields.length).join() === fields.join();
    });
  return covered ? indexes : [...indexes, { key: shardKey }];
};

// An index of an empty collection is made at once; replicas that start together wait for each other's.
const INDEX_OPTIONS: CreateIndexesOptions = { maxTimeMS: 60_000 };

/**
 * Makes the collections and their indexes where they are missing. Every replica does so at its start; who comes second
 * finds them made.
 * @throws MongoServerError when an index of the same keys exists with other options
 */
export const ensureIndexes = async (db: Db, declarations: readonly DeclarationFields[]): Promise<void> => {
  for (const declaration of declarations) {
    const indexes = withShardKeyIndex(declaration).map(describe);
    if (indexes.length > 0) await db.collection(declaration.name).createIndexes(indexes, INDEX_OPTIONS);
  }
};
