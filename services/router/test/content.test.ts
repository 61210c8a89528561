import { privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import { Envelope, Kind, Payload } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkExpiry, checkMessage, type Content, type SendCommand } from '../src/domain/content.js';
import { GONE, KIND } from '../src/domain/kind.js';
import { encodeMessage } from '../src/wire/envelope.js';
import { decodePayload } from '../src/wire/payload.js';

const limits = { maxTextBytes: 16_384, maxEncryptedBytes: 49_152 };

const command = (kind: number, content: Content | undefined, more: Partial<SendCommand> = {}): SendCommand => ({
  userId: newId(),
  deviceId: newId(),
  conversationId: privateConversation(newId(), newId()),
  clientMessageId: 'm-1',
  timestampMs: 1,
  kind,
  targetSeq: 0,
  mediaIds: [],
  expiresAtMs: 0,
  payload: new Uint8Array([1]),
  content,
  retry: false,
  traceparent: '',
  ...more,
});

const text = (value: string): Content => ({ $case: 'text', value: { text: value } });
const location = (latitude: number, longitude: number): Content => ({
  $case: 'location',
  value: { latitude, longitude, name: '' },
});
const contact = (userId: string, displayName: string): Content => ({
  $case: 'contact',
  value: { userId, displayName, phone: '' },
});

describe('what a message may be', () => {
  it.each<[string, SendCommand, string | undefined]>([
    ['text', command(KIND.text, text('hi')), undefined],
    ['text of 16 KiB', command(KIND.text, text('x'.repeat(16_384))), undefined],
    ['text over 16 KiB of UTF-8', command(KIND.text, text('é'.repeat(8_193))), 'payload.text.text'],
    ['empty text', command(KIND.text, text('')), 'payload.text.text'],
    ['no payload', command(KIND.text, undefined), 'payload'],
    ['a payload of another kind', command(KIND.edit, text('hi'), { targetSeq: 1 }), 'payload'],
    ['a place', command(KIND.location, location(90, -180)), undefined],
    ['a place beyond the pole', command(KIND.location, location(90.1, 0)), 'payload.location.latitude'],
    ['a place nowhere', command(KIND.location, location(0, NaN)), 'payload.location.longitude'],
    ['a contact', command(KIND.contact, contact(newId(), '')), undefined],
    ['a contact of nothing', command(KIND.contact, contact('', '')), 'payload.contact'],
    ['a contact that is no user', command(KIND.contact, contact('$ne', '')), 'payload.contact.user_id'],
    ['a seen of nothing', command(KIND.seen, { $case: 'seen', value: {} }), 'metadata.target_seq'],
    ['a seen', command(KIND.seen, { $case: 'seen', value: {} }, { targetSeq: 3 }), undefined],
    [
      'a long reaction',
      command(KIND.reaction, { $case: 'reaction', value: { emoji: 'x'.repeat(33) } }, { targetSeq: 1 }),
      'payload.reaction.emoji',
    ],
    ['a negative target', command(KIND.text, text('hi'), { targetSeq: -1 }), 'metadata.target_seq'],
    ['many media', command(KIND.text, text('hi'), { mediaIds: Array<string>(11).fill(newId()) }), 'metadata.media_ids'],
    ['bad media', command(KIND.text, text('hi'), { mediaIds: [newId(), 'x.y'] }), 'metadata.media_ids[1]'],
    ['a bad id', command(KIND.text, text('hi'), { clientMessageId: 'a b' }), 'client_message_id'],
    ['a prototype key as id', command(KIND.text, text('hi'), { clientMessageId: 'constructor' }), 'client_message_id'],
    ['a wildcard as conversation', command(KIND.text, text('hi'), { conversationId: 'g:*' }), 'conversation_id'],
    ['a change of members', command(KIND.membership, text('hi')), 'metadata.kind'],
    ['a picture, which comes later', command(KIND.image, text('hi')), 'metadata.kind'],
    ['no kind', command(0, text('hi')), 'metadata.kind'],
    ['opaque bytes', command(KIND.encrypted, { $case: 'encrypted', value: new Uint8Array(10) }), undefined],
    ['no opaque bytes', command(KIND.encrypted, { $case: 'encrypted', value: new Uint8Array() }), 'payload.encrypted'],
  ])('%s', (_, sent, field) => {
    expect(checkMessage(sent, limits)?.field).toBe(field);
  });

  it('expires in the next 30 days or not at all', () => {
    const expiring = (expiresAtMs: number) => checkExpiry(command(KIND.text, text('hi'), { expiresAtMs }), 1_000_000);
    expect(expiring(0)).toBeUndefined();
    expect(expiring(1_000_001)).toBeUndefined();
    expect(expiring(1_000_000)?.field).toBe('metadata.expires_at_ms');
    expect(expiring(1_000_001 + 30 * 86_400_000)?.field).toBe('metadata.expires_at_ms');
  });

  it('has the numbers of the protocol', () => {
    for (const [name, value] of Object.entries(KIND)) expect(Kind).toHaveProperty(`KIND_${name.toUpperCase()}`, value);
    expect(GONE).toEqual({
      expired: GoneReason.GONE_REASON_EXPIRED,
      delivered: GoneReason.GONE_REASON_DELIVERED,
      deleted: GoneReason.GONE_REASON_DELETED,
      notAMember: GoneReason.GONE_REASON_NOT_A_MEMBER,
    });
  });
});

describe('the envelope', () => {
  const payload = Payload.encode({ content: { $case: 'text', value: { text: 'hi' } } }).finish();

  it('says who, where and what, with the payload as it came', () => {
    const sent = command(KIND.text, undefined, { payload, targetSeq: 4, mediaIds: [newId()], expiresAtMs: 9 });
    const { from, to, metadata, payload: content } = Envelope.decode(encodeMessage(sent).envelope);
    expect(from).toEqual({ userId: sent.userId, deviceId: sent.deviceId });
    expect(to).toEqual({ conversationId: sent.conversationId });
    expect(metadata).toEqual({
      timestampMs: 1,
      kind: KIND.text,
      targetSeq: 4,
      mediaIds: sent.mediaIds,
      expiresAtMs: 9,
      clientMessageId: 'm-1',
    });
    expect(content?.content).toEqual({ $case: 'text', value: { text: 'hi' } });
  });

  it('has a hash of kind and content, whatever time, device and retry', () => {
    const sent = command(KIND.text, undefined, { payload });
    const hash = (more: Partial<SendCommand>) => encodeMessage({ ...sent, ...more }).bodyHash;
    const same = Buffer.from(hash({}));
    expect(same.equals(hash({ timestampMs: 99, deviceId: newId(), retry: true }))).toBe(true);
    for (const other of [{ kind: 9 }, { targetSeq: 1 }, { expiresAtMs: 5 }, { mediaIds: [newId()] }]) {
      expect(same.equals(hash(other))).toBe(false);
    }
    expect(same.equals(hash({ payload: new Uint8Array([...payload, 0]) }))).toBe(false);
  });

  it('is never broken by what claims to be a payload', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        decodePayload(bytes);
      }),
    );
  });
});
