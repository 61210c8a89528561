import { privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { jsonCodec } from '@godwit/client/codec';
import { memoryStorage } from '@godwit/client/storage';
import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it } from 'vitest';
import type { Json } from './foreign-client.js';
import { device, fleetOfFile, type Person } from './people.js';

const fleet = fleetOfFile();

async function pair(devices = 1): Promise<{ alice: Person; bob: Person; conversation: string }> {
  const [alice, bob] = await fleet().people(2, devices);
  if (alice === undefined || bob === undefined) throw new Error('no people');
  return { alice, bob, conversation: privateConversation(alice.userId, bob.userId) };
}

describe('a private chat', () => {
  it('goes from a foreign client to an SDK client and back, each on another edge', async () => {
    const { alice, bob, conversation } = await pair();
    const a = await fleet().foreign(device(alice), 0);
    const b = await fleet().sdk(device(bob), { edges: [fleet().edge(1)] });
    const first = await a.send(conversation, 'm1', 'hello');
    expect(first).toMatchObject({ sendAck: { conversationId: conversation, clientMessageId: 'm1', seq: '2' } });
    await waitFor(() => b.texts(conversation).length === 1);
    const answer = await b.client.send(conversation, { text: 'hello yourself' });
    expect(answer.seq).toBe(3);
    await waitFor(() => a.texts(conversation).length === 1);
    expect(b.texts(conversation)).toEqual(['hello']);
    expect(a.texts(conversation)).toEqual(['hello yourself']);
  });

  it('reaches the other devices of both, and those that were away when they come back', async () => {
    const { alice, bob, conversation } = await pair(2);
    const a1 = await fleet().sdk(device(alice, 0));
    const a2 = await fleet().foreign(device(alice, 1), 1);
    const b1 = await fleet().foreign(device(bob, 0), 0);
    const storage = memoryStorage();
    const b2 = await fleet().sdk(device(bob, 1), { storage, codec: jsonCodec });
    await a1.client.send(conversation, { text: '1' });
    await waitFor(
      () => a2.texts(conversation).length + b1.texts(conversation).length + b2.texts(conversation).length === 3,
    );
    await b2.client.close();
    b1.close();
    for (let i = 2; i <= 40; i += 1) await a1.client.send(conversation, { text: String(i) });
    const b1Again = await fleet().foreign(device(bob, 0), 1, b1);
    const b2Again = await fleet().sdk(device(bob, 1), { storage });
    const all = Array.from({ length: 40 }, (_, i) => String(i + 1));
    await waitFor(() => b1Again.texts(conversation).length === 40 && b2Again.texts(conversation).length === 39);
    expect(b1Again.texts(conversation)).toEqual(all);
    expect(b2Again.texts(conversation)).toEqual(all.slice(1));
    await waitFor(() => a2.texts(conversation).length === 40);
    expect(a2.texts(conversation)).toEqual(all);
    expect(a1.texts(conversation)).toEqual([]);
  });

  it('shows the sender when it is delivered and when it is read', async () => {
    const { alice, bob, conversation } = await pair();
    const a = await fleet().sdk(device(alice));
    const receipts: { userId: string; deliveredSeq: number; readSeq: number }[] = [];
    a.client.on('receipt', (receipt) => receipts.push(receipt));
    const { seq } = await a.client.send(conversation, { text: 'ticks?' });
    const b = await fleet().sdk(device(bob));
    await waitFor(() => receipts.some((r) => r.userId === bob.userId && r.deliveredSeq >= seq && r.readSeq < seq));
    b.client.read(conversation, seq);
    await waitFor(() => receipts.some((r) => r.userId === bob.userId && r.readSeq >= seq));
    const marks = await a.client.call('getReceipts', { conversationId: conversation, seq: BigInt(seq) });
    expect(marks.marks.find((mark) => mark.userId === bob.userId)?.readSeq).toBe(BigInt(seq));
  });

  it('gives a retry its first ack, on another edge too, and refuses the same id with another body', async () => {
    const { alice, bob, conversation } = await pair();
    const a = await fleet().foreign(device(alice), 0);
    const b = await fleet().sdk(device(bob));
    const first = (await a.send(conversation, 'once', 'the body'))['sendAck'] as Json;
    const again = (await a.resend(conversation, 'once', 'the body'))['sendAck'] as Json;
    a.close();
    const elsewhere = await fleet().foreign(device(alice), 1, a);
    const third = (await elsewhere.resend(conversation, 'once', 'the body'))['sendAck'] as Json;
    expect([again['seq'], third['seq']]).toEqual([first['seq'], first['seq']]);
    expect(third['serverTimeMs']).toBe(first['serverTimeMs']);
    expect(third['duplicate']).toBe(true);
    const other = (await elsewhere.resend(conversation, 'once', 'another body'))['error'] as Json;
    expect(other).toMatchObject({ reason: 'CLIENT_MESSAGE_ID_REUSED', stored: { seq: first['seq'] } });
    const last = await elsewhere.send(conversation, 'twice', 'end');
    expect(last).toHaveProperty('sendAck');
    await waitFor(() => b.texts(conversation).includes('end'));
    expect(b.texts(conversation)).toEqual(['the body', 'end']);
  });

  it('carries replies, reactions, edits, seen and delete for everyone', async () => {
    const { alice, bob, conversation } = await pair();
    const a = await fleet().sdk(device(alice));
    const b = await fleet().sdk(device(bob));
    const kinds: string[] = [];
    b.client.on('message', (message) => kinds.push(`${message.kind}:${String(message.targetSeq)}`));
    const { seq } = await a.client.send(conversation, { text: 'frist' });
    await a.client.send(conversation, { edit: { text: 'first' }, targetSeq: seq });
    await a.client.send(conversation, { location: { latitude: 64.2, longitude: -148.1, name: 'Alaska' } });
    await a.client.send(conversation, { contact: { userId: bob.userId, displayName: 'Bob' } });
    await a.client.send(conversation, { delete: {}, targetSeq: seq });
    await waitFor(() => kinds.length >= 6);
    const t = String(seq);
    expect(kinds.slice(-5)).toEqual([`text:0`, `edit:${t}`, 'location:0', 'contact:0', `delete:${t}`]);
    const range = await b.client.fetch({ conversationId: conversation, afterSeq: BigInt(seq - 1), limit: 1 });
    expect(range.messages.map((message) => Number(message.seq))).not.toContain(seq);
    expect(range.gone.some((gone) => gone.fromSeq <= BigInt(seq) && gone.toSeq >= BigInt(seq))).toBe(true);
    await expect(b.client.send(conversation, { reaction: { emoji: '🐦' }, targetSeq: seq })).rejects.toMatchObject({
      reason: 'TARGET_NOT_FOUND',
    });
    await expect(b.client.send(conversation, { edit: { text: 'x' }, targetSeq: seq + 2 })).rejects.toThrow();
    const reaction = await b.client.send(conversation, { reaction: { emoji: '🐦' }, targetSeq: seq + 2 });
    await b.client.send(conversation, { seen: {}, targetSeq: seq + 2 });
    await waitFor(async () => {
      const { marks } = await a.client.call('getReceipts', { conversationId: conversation });
      return marks.find((mark) => mark.userId === bob.userId)?.readSeq === BigInt(seq + 2);
    });
    expect(reaction.seq).toBe(seq + 5);
  });

  it('keeps history where it is asked to, and reads it by count, time, seq, direction and merged', async () => {
    const { alice, bob, conversation } = await pair();
    const [carol] = await fleet().people(1);
    const other = privateConversation(alice.userId, carol?.userId ?? newId());
    const a = await fleet().sdk(device(alice));
    const b = await fleet().sdk(device(bob));
    await a.client.send(conversation, { text: '0' });
    await a.client.call('setHistory', { conversationId: conversation, historyDays: 7 });
    await a.client.call('setHistory', { conversationId: other, historyDays: 7 }).catch(() => undefined);
    let middle = 0;
    for (let i = 1; i < 10; i += 1) {
      const sent = await a.client.send(i % 3 === 0 ? other : conversation, { text: String(i) });
      if (i === 5) middle = sent.serverTimeMs;
    }
    await waitFor(() => b.texts(conversation).length === 7);
    const newest = await b.client.fetch({ conversationId: conversation, limit: 2, newestFirst: true });
    expect(newest.messages.map((m) => m.seq)).toEqual([8n, 7n]);
    expect(newest.more).toBe(true);
    const since = await b.client.fetch({ conversationId: conversation, fromMs: BigInt(middle) });
    expect(since.messages.map((m) => m.envelope?.payload?.content.value)).toMatchObject([
      { text: '5' },
      { text: '7' },
      { text: '8' },
    ]);
    const texts: string[] = [];
    let pageToken = '';
    do {
      const page = await a.client.call('getMessages', { count: 4, pageToken });
      for (const { envelope } of page.messages) {
        if (envelope?.payload?.content.case === 'text') texts.push(envelope.payload.content.value.text);
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(texts).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  it('removes a payload when all devices have it', async () => {
    const { alice, bob, conversation } = await pair();
    const a = await fleet().sdk(device(alice));
    await fleet().sdk(device(bob));
    const { seq } = await a.client.send(conversation, { text: 'gone soon' });
    await waitFor(
      async () => {
        const { gone } = await a.client.fetch({ conversationId: conversation, afterSeq: BigInt(seq - 1) });
        return gone.some((range) => range.toSeq >= BigInt(seq));
      },
      { timeoutMs: 20_000, intervalMs: 250 },
    );
  });

  it('takes 5,000 messages in one burst, dense and in order', async () => {
    const { alice, bob, conversation } = await pair();
    const a = await fleet().foreign(device(alice), 0);
    const b = await fleet().sdk(device(bob), { edges: [fleet().edge(1)] });
    const started = Date.now();
    const answers = await Promise.all(
      Array.from({ length: 5_000 }, (_, i) => a.send(conversation, `b${String(i)}`, String(i))),
    );
    const took = Date.now() - started;
    const seqs = answers
      .map((answer) => Number((answer['sendAck'] as Json | undefined)?.['seq']))
      .sort((x, y) => x - y);
    expect(seqs).toEqual(Array.from({ length: 5_000 }, (_, i) => i + 2));
    await waitFor(() => b.texts(conversation).length === 5_000, { timeoutMs: 20_000 });
    expect(b.texts(conversation)).toEqual(Array.from({ length: 5_000 }, (_, i) => String(i)));
    console.log(`5,000 messages of one conversation acked in ${String(took)} ms`);
  }, 60_000);
});

describe('presence', () => {
  it('tells of online, last seen and typing, to those who asked', async () => {
    const { alice, bob, conversation } = await pair();
    const a = await fleet().sdk(device(alice));
    const heard: { online: boolean; lastSeenMs: number }[] = [];
    const typing: string[] = [];
    a.client.on('presence', (presence) => heard.push(presence));
    a.client.on('typing', ({ userId }) => typing.push(userId));
    const b = await fleet().sdk(device(bob), { edges: [fleet().edge(1)] });
    await a.client.send(conversation, { text: 'are you there?' });
    await a.client.subscribe({ userIds: [bob.userId], conversationIds: [conversation] });
    await waitFor(() => heard.at(-1)?.online === true);
    b.client.typing(conversation);
    await waitFor(() => typing.includes(bob.userId));
    const before = Date.now();
    await b.client.close();
    await waitFor(() => heard.at(-1)?.online === false, { timeoutMs: 15_000 });
    expect(heard.at(-1)?.lastSeenMs).toBeGreaterThan(before - 10_000);
    await a.client.call('getPresence', { userIds: [bob.userId] });
  });

  it('hides what the privacy settings hide', async () => {
    const { alice, bob } = await pair();
    const a = await fleet().sdk(device(alice));
    const b = await fleet().sdk(device(bob));
    await b.client.call('updatePrivacy', { privacy: { online: 3, lastSeen: 3 } });
    await waitFor(async () => {
      const { presences } = await a.client.call('getPresence', { userIds: [bob.userId] });
      return presences[0]?.online === false && presences[0].lastSeenMs === 0n;
    });
  });
});
