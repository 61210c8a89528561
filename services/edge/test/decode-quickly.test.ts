import { create, toBinary } from '@bufbuild/protobuf';
import { ClientFrameSchema } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeQuickly } from '../src/wire/decode-quickly.js';
import { decodeBinary } from '../src/wire/decode-strictly.js';

const cursor = fc.record({
  conversationId: fc.oneof(fc.string({ unit: 'binary', maxLength: 70 }), fc.constant(`g:${'a'.repeat(26)}`)),
  seq: fc.oneof(fc.bigInt({ min: 0n, max: 1_000_000n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
});

const frame = fc.record({
  requestId: fc.oneof(fc.constant(0), fc.nat()),
  body: fc.oneof(
    fc.constant({ case: 'ping' as const, value: {} }),
    fc.record({ case: fc.constant('ack' as const), value: fc.record({ cursors: fc.array(cursor, { maxLength: 5 }) }) }),
    fc.record({
      case: fc.constant('read' as const),
      value: fc.record({ cursors: fc.array(cursor, { maxLength: 5 }) }),
    }),
  ),
});

/** What the strict decoder makes of it, as the quick one would say it. */
const strictly = (data: Uint8Array): unknown => {
  const decoded = decodeBinary(ClientFrameSchema, data);
  if (!decoded.ok) return 'refused';
  const { requestId, body } = decoded.value;
  if (body.case === 'ping') return { kind: 'ping', requestId };
  if (body.case !== 'ack') return 'something else';
  const cursors = body.value.cursors.map(({ conversationId, seq }) => ({ conversationId, seq: Number(seq) }));
  return { kind: 'ack', requestId, cursors };
};

describe('decodeQuickly', () => {
  it('says what the strict decoder says, or nothing', () => {
    fc.assert(
      fc.property(frame, (said) => {
        const data = toBinary(ClientFrameSchema, create(ClientFrameSchema, said));
        const quick = decodeQuickly(data);
        if (quick !== undefined) expect(quick).toEqual(strictly(data));
      }),
    );
  });

  it('takes nothing that the strict decoder refuses', () => {
    const change = fc.record({
      at: fc.nat(),
      to: fc.nat(255),
      cut: fc.boolean(),
      extra: fc.uint8Array({ maxLength: 6 }),
    });
    fc.assert(
      fc.property(frame, change, (said, { at, to, cut, extra }) => {
        const data = toBinary(ClientFrameSchema, create(ClientFrameSchema, said));
        if (data.length > 0) data[at % data.length] = to;
        const bytes = Buffer.concat([cut ? data.subarray(0, at % (data.length + 1)) : data, extra]);
        const quick = decodeQuickly(bytes);
        if (quick !== undefined) expect(quick).toEqual(strictly(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes the acks and pings of ordinary clients', () => {
    const cursors = [{ conversationId: `g:${'a'.repeat(26)}`, seq: 7n }];
    const ack = create(ClientFrameSchema, { body: { case: 'ack', value: { cursors } } });
    expect(decodeQuickly(toBinary(ClientFrameSchema, ack))).toEqual({
      kind: 'ack',
      requestId: 0,
      cursors: [{ conversationId: `g:${'a'.repeat(26)}`, seq: 7 }],
    });
    const ping = create(ClientFrameSchema, { requestId: 3, body: { case: 'ping', value: {} } });
    expect(decodeQuickly(toBinary(ClientFrameSchema, ping))).toEqual({ kind: 'ping', requestId: 3 });
  });
});
