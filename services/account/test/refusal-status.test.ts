import { errorInfo } from '@godwit/rpc/rpc-error';
import { silentLogger } from '@godwit/runtime/logger';
import { status } from '@grpc/grpc-js';
import { MongoNetworkTimeoutError } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { Refusal } from '../src/domain/refusal.js';
import { withRefusals } from '../src/grpc/refusal-status.js';

const thrownFor = async (error: Error): Promise<unknown> => {
  const { handler } = withRefusals({ handler: () => Promise.reject(error) }, silentLogger);
  return handler().catch((reason: unknown) => reason);
};

describe('what handlers throw', () => {
  it('keeps reason, field and time of a refusal', async () => {
    const refusal = new Refusal('limited', 'TOO_MANY_CODES', { message: 'wait', field: 'phone', retryAfterMs: 5 });
    const expected = { code: status.RESOURCE_EXHAUSTED, reason: 'TOO_MANY_CODES', field: 'phone', retryAfterMs: 5 };
    expect(errorInfo(await thrownFor(refusal))).toMatchObject(expected);
  });

  it('is UNAVAILABLE when the database does not answer, and is left alone when it is a mistake', async () => {
    const away = await thrownFor(new MongoNetworkTimeoutError('timed out', {}));
    expect(errorInfo(away)).toMatchObject({ code: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE' });
    const mistake = new TypeError('x is not a function');
    expect(await thrownFor(mistake)).toBe(mistake);
  });
});
