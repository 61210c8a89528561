import { privateConversation } from '@godwit/ids/conversation';
import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it } from 'vitest';
import { ConversationLoad } from './conversation-load.js';
import { device, fleetOfFile } from './people.js';

const fleet = fleetOfFile();

describe('kill -9 in the middle of a conversation', () => {
  const victims = [
    'edge-0',
    'router-0',
    'router-1',
    'message-store-0',
    'message-store-1',
    'session-0',
    'session-1',
    'group-0',
    'account-0',
    'presence-0',
    'push-0',
  ];

  it.each(victims)('%s: nothing acked is lost, doubled or reordered', async (victim) => {
    const [alice, bob] = await fleet().people(2, 2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const writers = [
      await fleet().sdk(device(alice, 0), { edges: [fleet().edge(0)] }),
      await fleet().sdk(device(bob, 0), { edges: [fleet().edge(1)] }),
    ];
    const readers = [await fleet().foreign(device(alice, 1), 1), await fleet().sdk(device(bob, 1))];
    const load = new ConversationLoad(conversation, writers);
    await waitFor(() => load.acked.size > 50, { timeoutMs: 20_000 });
    const restarts = fleet().stack.restartsOf(victim);
    await fleet().stack.kill(victim);
    await waitFor(() => fleet().stack.restartsOf(victim) > restarts, { timeoutMs: 20_000 });
    await fleet().stack.waitReady(victim);
    const afterKill = load.acked.size;
    await waitFor(() => load.acked.size > afterKill + 50, { timeoutMs: 30_000 });
    await load.finish();
    load.checkPlaces();
    const all = load.expected();
    for (const reader of readers) {
      await waitFor(() => reader.texts(conversation).length >= all.length, {
        timeoutMs: 10_000,
        what: 'everything delivered',
      });
      expect(reader.texts(conversation)).toEqual(all);
    }
    for (const [writer, watched] of writers.entries()) {
      const others = load.expected(writer);
      await waitFor(() => watched.texts(conversation).length >= others.length, {
        timeoutMs: 10_000,
        what: 'all of the other',
      });
      expect(watched.texts(conversation)).toEqual(others);
    }
  });

  it('router and message-store together: the last message of a quiet chat arrives within 10 s', async () => {
    const [alice, bob] = await fleet().people(2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const a = await fleet().sdk(device(alice));
    const b = await fleet().sdk(device(bob));
    for (let round = 0; round < 3; round += 1) {
      const text = `last of round ${String(round)}`;
      const sent = a.client.send(conversation, { text });
      await Promise.all(
        ['router-0', 'router-1', 'message-store-0', 'message-store-1'].map((name) => fleet().stack.kill(name)),
      );
      await sent;
      await waitFor(() => b.texts(conversation).includes(text), { timeoutMs: 10_000, what: text });
    }
    expect(b.texts(conversation)).toHaveLength(3);
  });
});
