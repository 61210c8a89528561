import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { systemClock } from '@godwit/runtime/clock';
import { expect, it } from 'vitest';
import type { ConversationView } from '../src/domain/conversation.js';
import { Conversations } from '../src/domain/conversations.js';
import { History } from '../src/domain/history.js';
import { Relations } from '../src/domain/relations.js';
import { KIND } from '../src/domain/kind.js';
import { MemoryLog } from './support/memory-log.js';
import { MemoryConversations, MemoryRelations } from './support/memory-world.js';

const [owner, leaver, comer] = [newId(), newId(), newId()];

/** A group in which, at version 2, one goes and another comes, unknown to the router that had read version 1. */
async function changedElsewhere() {
  const log = new MemoryLog();
  const group = new MemoryConversations(log);
  const conversationId = groupConversation(newId());
  const first = group.group(conversationId, { [owner]: 'owner', [leaver]: 'member' });
  const conversations = new Conversations({ source: group, maxMembers: 100 });
  await conversations.get(conversationId);
  const append = (clientMessageId: string, kind: number): void => {
    const item = { conversationId, clientMessageId, kind, senderUserId: owner, senderDeviceId: newId() };
    const rest = { targetSeq: 0, mediaIds: [], expiresAtMs: 0, retry: false, lookupOnly: false, senderIsAdmin: false };
    const membershipVersion = log.log(conversationId).version;
    log.append('store-0', {
      ...item,
      ...rest,
      membershipVersion,
      envelope: new Uint8Array(),
      bodyHash: new Uint8Array(),
      traceparent: '',
    });
  };
  append('change', KIND.membership);
  append('after', KIND.text);
  const changed: ConversationView = {
    ...first,
    version: 2,
    members: new Map([
      [owner, { role: 'owner', intervals: [{ from: 1, to: Infinity }], mutedUntilMs: 0 }],
      [leaver, { role: 'member', intervals: [{ from: 1, to: 2 }], mutedUntilMs: 0 }],
      [comer, { role: 'member', intervals: [{ from: 2, to: Infinity }], mutedUntilMs: 0 }],
    ]),
  };
  group.groups.set(conversationId, changed);
  const relations = new Relations(new MemoryRelations(), systemClock);
  const history = new History({ log, conversations, relations });
  const query = { conversationId, afterSeq: 0, beforeSeq: 0, fromMs: 0, toMs: 0, limit: 0, newestFirst: false };
  return { history, query };
}

it('lets a removed member read nothing more, though its removal was appended elsewhere', async () => {
  const { history, query } = await changedElsewhere();
  const page = await history.fetch({ ...query, userId: leaver });
  expect(page.messages.map(({ seq }) => seq)).toEqual([1, 2]);
});

it('lets a new member read, though it was added elsewhere, and tells it nothing is gone that is its own', async () => {
  const { history, query } = await changedElsewhere();
  const page = await history.fetch({ ...query, userId: comer });
  expect(page.messages.map(({ seq }) => seq)).toEqual([2, 3]);
  expect(page.gone).toMatchObject([{ fromSeq: 1, toSeq: 1 }]);
});
