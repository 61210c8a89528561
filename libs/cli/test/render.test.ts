import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { messageOf } from '@godwit/client/message';
import { DeliverSchema } from '@godwit/proto/gen/client/godwit/message/v1/bodies_pb';
import { Role, type PayloadSchema } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Names } from '../src/names.js';
import { ago, table } from '../src/output.js';
import { plainText } from '../src/plain.js';
import { renderMessage } from '../src/render.js';
import { displayWidth, printable } from '../src/terminal-text.js';
import { ALICE, BOB, CHAT } from './fake-api.js';

const names = {
  show: (userId: string) => Promise.resolve({ [ALICE]: 'you', [BOB]: 'bob' }[userId] ?? userId),
} as unknown as Names;
type Content = NonNullable<MessageInitShape<typeof PayloadSchema>['content']>;

const message = (content: Content, targetSeq = 0n, userId = BOB) =>
  messageOf(
    create(DeliverSchema, {
      conversationId: CHAT,
      seq: 12n,
      serverTimeMs: BigInt(new Date('2026-11-24T12:01:00').getTime()),
      envelope: { from: { userId, deviceId: 'd' }, metadata: { targetSeq }, payload: { content } },
    }),
  );
const line = async (content: Content, targetSeq = 0n, userId = BOB): Promise<string> =>
  stripVTControlCharacters(await renderMessage(message(content, targetSeq, userId), names));

describe('a message as a line', () => {
  it.each<[string, Content, bigint]>([
    ['12:01 #12 bob  hello', { case: 'text', value: { text: 'hello' } }, 0n],
    ['12:01 #12 bob  (to #7) yes', { case: 'text', value: { text: 'yes' } }, 7n],
    ['12:01 #12 bob  one\n    two', { case: 'text', value: { text: 'one\ntwo' } }, 0n],
    [
      '12:01 #12 bob  is at 64.20000, -148.10000 Alaska',
      { case: 'location', value: { latitude: 64.2, longitude: -148.1, name: 'Alaska' } },
      0n,
    ],
    [
      '12:01 #12 bob  sends a contact: Carol +1202',
      { case: 'contact', value: { displayName: 'Carol', phone: '+1202' } },
      0n,
    ],
    ['12:01 #12 bob  🐦 to #7', { case: 'reaction', value: { emoji: '🐦' } }, 7n],
    ['12:01 #12 bob  takes back a reaction to #7', { case: 'reaction', value: { emoji: '' } }, 7n],
    ['12:01 #12 bob  (edits #7) new', { case: 'edit', value: { text: 'new' } }, 7n],
    ['12:01 #12 bob  deleted #7', { case: 'delete', value: {} }, 7n],
    ['12:01 #12 bob  has seen #7', { case: 'seen', value: {} }, 7n],
    ['12:01 #12 bob  (encrypted, 3 bytes)', { case: 'encrypted', value: new Uint8Array(3) }, 0n],
    ['12:01 #12 bob  (a kind of message that this version does not know)', { case: undefined }, 0n],
  ])('%s', async (text, content, target) => {
    expect(await line(content, target)).toBe(text);
  });

  it.each<[string, MessageInitShape<typeof PayloadSchema>['content'] & object]>([
    ['— bob created "Birds"', { case: 'membership', value: { change: { case: 'created', value: { name: 'Birds' } } } }],
    ['— the chat begins', { case: 'membership', value: { change: { case: 'created', value: {} } } }],
    [
      '— bob added you',
      { case: 'membership', value: { change: { case: 'added', value: { members: [{ userId: ALICE }] } } } },
    ],
    ['— bob left', { case: 'membership', value: { change: { case: 'removed', value: { userIds: [BOB] } } } }],
    ['— bob removed you', { case: 'membership', value: { change: { case: 'removed', value: { userIds: [ALICE] } } } }],
    [
      '— bob made you admin',
      {
        case: 'membership',
        value: { change: { case: 'roles', value: { members: [{ userId: ALICE, role: Role.ADMIN }] } } },
      },
    ],
    [
      '— bob changed the group: "Fish"',
      { case: 'membership', value: { change: { case: 'group', value: { name: 'Fish' } } } },
    ],
  ])('%s', async (text, content) => {
    expect(await line(content)).toBe(`12:01 #12 ${text}`);
  });

  it('can do nothing to the terminal', async () => {
    expect(
      await line({ case: 'text', value: { text: '\u001b]0;title\u0007\u001b[2J\rroot# \u009b1m\u202e ok' } }),
    ).toBe('12:01 #12 bob  root#  ok');
    expect(printable('👩‍🚀 é\tx\n')).toBe('👩‍🚀 é x\n');
  });
});

describe('a message for programs', () => {
  it('has its text as `text`, and other contents under their kind', () => {
    expect(plainText(message({ case: 'edit', value: { text: 'new' } }, 7n))).toMatchObject({
      kind: 'edit',
      text: 'new',
      targetSeq: 7,
    });
    expect(plainText(message({ case: 'reaction', value: { emoji: '🐦' } }, 7n))).toMatchObject({
      kind: 'reaction',
      reaction: { emoji: '🐦' },
    });
    expect(plainText(message({ case: 'encrypted', value: new Uint8Array([1, 2]) }))).toMatchObject({
      encrypted: 'AQI=',
    });
    expect(
      plainText(
        message({
          case: 'membership',
          value: { change: { case: 'added', value: { members: [{ userId: ALICE, role: Role.MEMBER }] } } },
        }),
      ),
    ).toMatchObject({ kind: 'membership', membership: { added: { members: [{ userId: ALICE, role: 'member' }] } } });
    expect(JSON.stringify(plainText(message({ case: 'delete', value: {} }, 7n)))).not.toContain('$typeName');
  });
});

describe('tables and times', () => {
  it('lines up what is wide, narrow and coloured', () => {
    expect(
      table([
        ['🐦', 'x'],
        ['ab', 'y'],
        ['日本語', 'z'],
        ['\u001b[1mb\u001b[22m', 'w'],
      ]),
    ).toBe('🐦      x\nab      y\n日本語  z\n\u001b[1mb\u001b[22m       w');
    expect([...['é', '👍🏽', '👩‍🚀', 'a\u0301'].map(displayWidth)]).toEqual([1, 2, 2, 1]);
  });

  it('says how long ago', () => {
    const now = 1_764_000_000_000;
    expect([1, 30, 90, 7_300].map((seconds) => ago(now - seconds * 1_000, now))).toEqual([
      'just now',
      '30 s ago',
      '2 min ago',
      '2 h ago',
    ]);
  });
});
