import { create, toBinary, toJson, toJsonString, type JsonObject } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClientFrameSchema, type ClientFrame } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { decodeBinary, decodeJson, requestIdOfBinary, requestIdOfJson } from '../src/wire/decode-strictly.js';

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => !/\p{Surrogate}/u.test(value));
// JSON has no -0.
const degrees = fc.double().map((value) => (value === 0 ? 0 : value));
const seq = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const cursors = fc.array(fc.record({ conversationId: text, seq }), { maxLength: 5 });
const content = fc.oneof(
  text.map((value) => ({ case: 'text' as const, value: { text: value } })),
  fc
    .record({ latitude: degrees, longitude: degrees, name: text })
    .map((value) => ({ case: 'location' as const, value })),
  fc.uint8Array({ maxLength: 50 }).map((value) => ({ case: 'encrypted' as const, value })),
);
const send = fc.record({
  conversationId: text,
  clientMessageId: text,
  retry: fc.boolean(),
  metadata: fc.record({
    timestampMs: seq,
    kind: fc.integer({ min: 0, max: 14 }),
    targetSeq: seq,
    mediaIds: fc.array(text),
  }),
  payload: content.map((value) => ({ content: value })),
});
const frames = fc
  .record({
    requestId: fc.nat({ max: 0xffff_ffff }),
    body: fc.oneof(
      send.map((value) => ({ case: 'send' as const, value })),
      cursors.map((value) => ({ case: 'ack' as const, value: { cursors: value } })),
      fc.record({ cursors, epoch: seq }).map((value) => ({ case: 'hello' as const, value })),
      fc.array(text).map((value) => ({ case: 'presenceSubscribe' as const, value: { userIds: value } })),
      fc.constant({ case: 'ping' as const, value: {} }),
    ),
  })
  .map((frame): ClientFrame => create(ClientFrameSchema, frame));

describe('strict decoding', () => {
  it('takes what a good client sends, in both forms', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(decodeBinary(ClientFrameSchema, toBinary(ClientFrameSchema, frame))).toEqual({ ok: true, value: frame });
        expect(decodeJson(ClientFrameSchema, toJsonString(ClientFrameSchema, frame))).toEqual({
          ok: true,
          value: frame,
        });
      }),
    );
  });

  it('never throws on noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(typeof decodeBinary(ClientFrameSchema, bytes).ok).toBe('boolean');
        requestIdOfBinary(bytes);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.json({ maxDepth: 50 })), (noise) => {
        expect(typeof decodeJson(ClientFrameSchema, noise).ok).toBe('boolean');
        requestIdOfJson(noise);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never throws on good frames that were tampered with, and what it takes means what it says', () => {
    const tampered = fc.record({ frame: frames, at: fc.nat(), bit: fc.nat({ max: 7 }), cut: fc.nat({ max: 5 }) });
    fc.assert(
      fc.property(tampered, ({ frame, at, bit, cut }) => {
        const bytes = toBinary(ClientFrameSchema, frame);
        if (bytes.length === 0) return;
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
        const decoded = decodeBinary(ClientFrameSchema, bytes.subarray(0, bytes.length - Math.min(cut, bytes.length)));
        if (!decoded.ok) return;
        // Encoding it again and decoding that gives the same: nothing ambiguous went through.
        const again = decodeBinary(ClientFrameSchema, toBinary(ClientFrameSchema, decoded.value));
        expect(again).toEqual(decoded);
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses any two bodies, whichever come together', () => {
    fc.assert(
      fc.property(frames, frames, (first, second) => {
        if (first.body.case === undefined || second.body.case === undefined) return;
        const both = new Uint8Array([...toBinary(ClientFrameSchema, first), ...toBinary(ClientFrameSchema, second)]);
        expect(decodeBinary(ClientFrameSchema, both).ok).toBe(false);
        if (first.body.case === second.body.case) return;
        const json = {
          ...(toJson(ClientFrameSchema, first) as JsonObject),
          ...(toJson(ClientFrameSchema, second) as JsonObject),
        };
        expect(decodeJson(ClientFrameSchema, JSON.stringify(json)).ok).toBe(false);
      }),
    );
  });

  it('refuses any unknown field in JSON, anywhere', () => {
    const places = fc.record({ frame: frames, name: fc.string({ minLength: 1, maxLength: 8 }) });
    fc.assert(
      fc.property(places, ({ frame, name }) => {
        const json = toJson(ClientFrameSchema, frame) as JsonObject;
        const body = frame.body.case ?? 'ping';
        const odd = `x_${name}`;
        expect(decodeJson(ClientFrameSchema, JSON.stringify({ ...json, [odd]: 1 })).ok).toBe(false);
        const inside = { ...json, [body]: { ...(json[body] as JsonObject), [odd]: 1 } };
        expect(decodeJson(ClientFrameSchema, JSON.stringify(inside)).ok).toBe(false);
      }),
    );
  });

  it('names the field', () => {
    const json = '{"send":{"conversationId":5}}';
    expect(decodeJson(ClientFrameSchema, json)).toMatchObject({ ok: false, field: 'conversation_id' });
    const twoContents = new Uint8Array([0x2a, 6, 0x22, 4, 0x0a, 0, 0x32, 0]);
    expect(decodeBinary(ClientFrameSchema, twoContents)).toMatchObject({ ok: false, field: 'send.payload.delete' });
  });

  it('finds the request id of what it refuses', () => {
    expect(requestIdOfJson('{"requestId": 12, "what": 1}')).toBe(12);
    expect(requestIdOfJson('{"request_id":"13"}')).toBe(13);
    expect(requestIdOfJson('{"requestId": 99999999999}')).toBe(0);
    expect(requestIdOfBinary(new Uint8Array([0x08, 0xac, 0x02, 0xff]))).toBe(300);
    expect(requestIdOfBinary(new Uint8Array([0x08, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toBe(0xffff_ffff);
    expect(requestIdOfBinary(new Uint8Array([0x08, 0xff]))).toBe(0);
  });
});
