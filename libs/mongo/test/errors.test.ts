import {
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoOperationTimeoutError,
  MongoServerError,
  MongoTopologyClosedError,
  MongoWriteConcernError,
} from 'mongodb';
import { describe, expect, it } from 'vitest';
import { declareCollection } from '../src/collection.js';
import { isDuplicateKey, isUncertain } from '../src/errors.js';

const serverError = (code: number, errorLabels: string[] = []): MongoServerError =>
  new MongoServerError({ message: 'x', errmsg: 'x', code, errorLabels });

describe('error classes', () => {
  it('a refusal is certain', () => {
    for (const code of [11_000, 121, 2, 13]) expect(isUncertain(serverError(code)), String(code)).toBe(false);
    expect(isUncertain(new MongoInvalidArgumentError('x'))).toBe(false);
    expect(isUncertain(new Error('x'))).toBe(false);
    expect(isUncertain(undefined)).toBe(false);
  });

  it('step-downs, timeouts, cut connections and missing majorities are not', () => {
    for (const code of [189, 10_107, 11_602, 91, 50, 64, 262])
      expect(isUncertain(serverError(code)), String(code)).toBe(true);
    expect(isUncertain(serverError(1, ['RetryableWriteError']))).toBe(true);
    expect(isUncertain(new MongoNetworkError('x'))).toBe(true);
    expect(isUncertain(new MongoNetworkTimeoutError('x'))).toBe(true);
    expect(isUncertain(new MongoOperationTimeoutError('x'))).toBe(true);
    expect(isUncertain(new MongoTopologyClosedError('x'))).toBe(true);
    const concern = { ok: 1, writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } };
    expect(isUncertain(new MongoWriteConcernError(concern))).toBe(true);
  });

  it('a duplicate key is known by its code', () => {
    expect(isDuplicateKey(serverError(11_000))).toBe(true);
    expect(isDuplicateKey(serverError(121))).toBe(false);
    expect(isDuplicateKey(new Error('E11000'))).toBe(false);
  });
});

describe('declarations', () => {
  it('refuse a unique index that a sharded cluster could not keep', () => {
    const shardKey = { conversationId: 1 } as const;
    expect(() =>
      declareCollection({
        name: 'messages',
        shardKey,
        indexes: [{ key: { seq: 1, conversationId: 1 }, unique: true }],
      }),
    ).toThrow(/shard key/);
    expect(() => declareCollection({ name: 'messages', shardKey, indexes: [{ key: { seq: 1 } }] })).not.toThrow();
  });
});
