import { GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import { Kind } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { describe, expect, it } from 'vitest';
import { GONE, KIND } from '../src/domain/message.js';
import { toLogTime, toTimestamp } from '../src/mongo/log-clock.js';

describe('what is stored and what goes over the wire', () => {
  it('has the numbers of the proto', () => {
    const kinds = Object.entries(KIND).map(([name, kind]) => [`KIND_${name.toUpperCase()}`, kind]);
    expect(Object.fromEntries([...kinds, ['KIND_UNSPECIFIED', 0], ['UNRECOGNIZED', -1]])).toEqual(Kind);
    const reasons = Object.entries(GONE).map(([name, reason]) => [`GONE_REASON_${name.toUpperCase()}`, reason]);
    expect(Object.fromEntries(reasons)).toEqual({
      GONE_REASON_EXPIRED: GoneReason.GONE_REASON_EXPIRED,
      GONE_REASON_DELIVERED: GoneReason.GONE_REASON_DELIVERED,
      GONE_REASON_DELETED: GoneReason.GONE_REASON_DELETED,
    });
  });

  it('keeps moments of the oplog exactly, and in their order', () => {
    const times = [0n, 1n, (1_800_000_000n << 32n) | 7n, (4_294_967_295n << 32n) | 4_294_967_295n];
    expect(times.map((time) => toLogTime(toTimestamp(time)))).toEqual(times);
  });
});
