import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupConversation, privateConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import { FetchResult, GoneReason } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import { Envelope, Kind, Payload, Role, type Membership } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { waitFor } from '@godwit/testkit/wait-for';
import { createWorld, type World } from './support/memory-world.js';
import { portsOf, runRouter, type RunningRouter } from './support/running-router.js';
import { payloadOf, sendItem, TestEdge, textOf, textPayload } from './support/test-edge.js';

const alice = newId();
const bob = newId();
const phone = newId();
const laptop = newId();
const bobPhone = newId();
const chat = privateConversation(alice, bob);

let world: World;
let router: RunningRouter;
let edge: TestEdge;

const fromAlice = { userId: alice, deviceId: phone, conversationId: chat };

beforeEach(async () => {
  world = createWorld();
  router = await runRouter({ overrides: portsOf(world), env: { GODWIT_ROUTER_DELIVERY_PATIENCE: '3s' } });
  edge = await new TestEdge('edge-0', router.grpcPort).connected();
});

afterEach(async () => {
  edge.close();
  await router.life.stop();
});

describe('a send', () => {
  it('begins a private chat, is acked, reaches the other and the own other device, and is confirmed', async () => {
    world.sessions.connect(alice, edge.session(phone, 1));
    world.sessions.connect(alice, edge.session(laptop, 2));
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    const [outcome] = await edge.send({ ...fromAlice, payload: textPayload('hi bob') });
    expect(outcome).toMatchObject({ $case: 'stored', value: { seq: 2, duplicate: false } });
    await waitFor(() => edge.seqsOf(3).includes(2) && edge.seqsOf(2).includes(2), { what: 'deliveries' });
    expect(edge.seqsOf(1)).toEqual([]);
    const delivery = edge.deliveries[0];
    expect(textOf(delivery?.envelope ?? new Uint8Array())).toBe('hi bob');
    const envelope = Envelope.decode(delivery?.envelope ?? new Uint8Array());
    expect(envelope.from).toEqual({ userId: alice, deviceId: phone });
    expect(envelope.to).toEqual({ conversationId: chat });
    await waitFor(() => world.log.confirmed.length > 0, { what: 'the confirmation' });
    expect(world.log.confirmed).toEqual([{ node: 'store-0', conversationId: chat, seq: 2 }]);
  });

  it('keeps the order of a burst on the way to the socket', async () => {
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    const items = Array.from({ length: 500 }, (_, index) => ({ ...fromAlice, payload: textPayload(String(index)) }));
    const outcomes = await edge.send(...items);
    expect(outcomes.every(({ $case }) => $case === 'stored')).toBe(true);
    await waitFor(() => edge.seqsOf(3).length >= 500, { what: 'all deliveries' });
    expect(edge.seqsOf(3)).toEqual(Array.from({ length: 500 }, (_, index) => index + 2));
    await waitFor(() => world.log.confirmed.at(-1)?.seq === 501, { what: 'the last confirmation' });
  });

  it('acks a retry like the first time, on the same body only', async () => {
    const item = { ...fromAlice, clientMessageId: 'once' };
    const [first] = await edge.send(item);
    const [again] = await edge.send({ ...item, retry: true, timestampMs: 5 });
    expect(first).toMatchObject({ $case: 'stored', value: { seq: 2 } });
    expect(again).toMatchObject({ $case: 'stored', value: { seq: 2, duplicate: true } });
    const [other] = await edge.send({ ...item, payload: textPayload('something else') });
    expect(other).toMatchObject({
      $case: 'refused',
      value: { reason: 'CLIENT_MESSAGE_ID_REUSED', stored: { seq: 2 } },
    });
  });

  it('goes to the next store when the stream breaks, or when the store freezes', async () => {
    await edge.send(fromAlice);
    world.log.frozen.add('store-0');
    const frozen = edge.send({ ...fromAlice, clientMessageId: 'frozen' });
    expect(await frozen).toMatchObject([{ $case: 'stored', value: { seq: 3, duplicate: true } }]);
    world.log.down.clear();
    const broken = edge.send({ ...fromAlice, clientMessageId: 'broken' });
    await waitFor(() => world.log.items.some(({ clientMessageId }) => clientMessageId === 'broken'), { what: 'item' });
    world.log.break('store-0');
    expect(await broken).toMatchObject([{ $case: 'stored', value: { seq: 4, duplicate: true } }]);
  });

  it('is refused for what is wrong with it, naming the field', async () => {
    const outcomes = await edge.send(
      { ...fromAlice, payload: textPayload('') },
      { ...fromAlice, payload: textPayload('x'.repeat(16_385)) },
      { ...fromAlice, clientMessageId: '__proto__' },
      { ...fromAlice, conversationId: 'g:$where' },
      { ...fromAlice, kind: Kind.KIND_IMAGE },
      { ...fromAlice, kind: Kind.KIND_MEMBERSHIP },
      { ...fromAlice, kind: Kind.KIND_REACTION, payload: payloadOf({ $case: 'reaction', value: { emoji: 'x' } }) },
      { ...fromAlice, payload: Buffer.from([1, 2, 3]) },
      { ...fromAlice, expiresAtMs: 1 },
      { ...fromAlice, conversationId: privateConversation(bob, newId()) },
      { ...fromAlice, conversationId: groupConversation(newId()) },
    );
    expect(
      outcomes.map((outcome) => outcome.$case === 'refused' && [outcome.value.reason, outcome.value.field]),
    ).toEqual([
      ['INVALID_ARGUMENT', 'payload.text.text'],
      ['INVALID_ARGUMENT', 'payload.text.text'],
      ['INVALID_ARGUMENT', 'client_message_id'],
      ['INVALID_ARGUMENT', 'conversation_id'],
      ['KIND_NOT_SUPPORTED', 'metadata.kind'],
      ['KIND_NOT_ALLOWED', 'metadata.kind'],
      ['INVALID_ARGUMENT', 'metadata.target_seq'],
      ['INVALID_ARGUMENT', 'payload'],
      ['INVALID_ARGUMENT', 'metadata.expires_at_ms'],
      ['NOT_A_MEMBER', 'conversation_id'],
      ['CONVERSATION_NOT_FOUND', 'conversation_id'],
    ]);
  });

  it('of somebody blocked, unknown or removed is refused, but what was stored before is acked', async () => {
    const before = { ...fromAlice, clientMessageId: 'before' };
    await edge.send(before);
    world.relations.set.set(`${bob} ${alice}`, { blocked: true });
    router.rules.relations.forget(bob, '');
    const [again, fresh] = await edge.send({ ...before, retry: true }, { ...fromAlice, clientMessageId: 'after' });
    expect(again).toMatchObject({ $case: 'stored', value: { duplicate: true } });
    expect(fresh).toMatchObject({ $case: 'refused', value: { reason: 'BLOCKED' } });
    const stranger = newId();
    world.conversations.unknownUsers.add(stranger);
    const [unknown] = await edge.send({ ...fromAlice, conversationId: privateConversation(alice, stranger) });
    expect(unknown).toMatchObject({ $case: 'refused', value: { reason: 'USER_NOT_FOUND' } });
  });

  it('goes on from what is cached while account is away, and is UNAVAILABLE where nothing is', async () => {
    await edge.send(fromAlice);
    world.relations.away = true;
    router.rules.relations.forgetAll();
    const [cached] = await edge.send(fromAlice);
    expect(cached).toMatchObject({ $case: 'stored' });
    const [unknown] = await edge.send({ ...fromAlice, conversationId: privateConversation(alice, newId()) });
    expect(unknown).toMatchObject({ $case: 'refused', value: { reason: 'UNAVAILABLE', retryAfterMs: 1_000 } });
  });

  it('by gRPC is the same', async () => {
    const request = {
      conversationId: chat,
      clientMessageId: 'rpc',
      metadata: {
        timestampMs: 1,
        kind: Kind.KIND_TEXT,
        targetSeq: 0,
        mediaIds: [],
        expiresAtMs: 0,
        clientMessageId: '',
      },
      payload: Payload.decode(textPayload('hello')),
      retry: false,
    };
    const call = { key: chat, deadlineMs: 3_000, idempotent: true };
    const { outcome } = await edge.pool.callOwner('sendMessage', request, { ...call, user: alice });
    expect(outcome).toMatchObject({ $case: 'ack', value: { seq: 2, clientMessageId: 'rpc' } });
    const [again] = await edge.send({ ...fromAlice, clientMessageId: 'rpc', retry: true });
    expect(again).toMatchObject({ $case: 'stored', value: { seq: 2, duplicate: true } });
    const error = errorInfo(await edge.pool.callOwner('sendMessage', request, call).catch((e: unknown) => e));
    expect(error).toMatchObject({ reason: 'ACTING_USER_REQUIRED' });
  });
});

describe('delivery', () => {
  it('looks a device up again that is not where it was said to be', async () => {
    const other = await new TestEdge('edge-1', router.grpcPort).connected();
    edge.here = new Set();
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    await edge.send(fromAlice);
    world.sessions.connect(bob, other.session(bobPhone, 9));
    await waitFor(() => other.seqsOf(9).includes(2), { what: 'the delivery at the other edge' });
    await waitFor(() => world.log.confirmed.length === 1, { what: 'the confirmation' });
    other.close();
  });

  it('is repeated when an edge does not answer in 2 s', async () => {
    edge.answers = false;
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    await edge.send(fromAlice);
    await waitFor(() => edge.seqsOf(3).length > 0, { what: 'the first delivery' });
    expect(world.log.confirmed).toEqual([]);
    edge.answers = true;
    await waitFor(() => edge.seqsOf(3).length > 1, { what: 'the second delivery' });
    await waitFor(() => world.log.confirmed.length === 1, { what: 'the confirmation' });
  });

  it('goes on over a new stream of the same edge', async () => {
    edge.answers = false;
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    await edge.send(fromAlice);
    await waitFor(() => edge.seqsOf(3).length === 1, { what: 'the first delivery' });
    edge.answers = true;
    edge.link.reset();
    await waitFor(() => edge.seqsOf(3).length > 1, { what: 'the second delivery' });
    await waitFor(() => world.log.confirmed.length === 1, { what: 'the confirmation' });
  });

  it('is not starved by a storm of syncs', async () => {
    await edge.send(...Array.from({ length: 5 }, () => fromAlice));
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    const syncOpens = Array.from({ length: 500 }, (_, index) => ({
      syncId: 10_000 + index,
      userId: bob,
      deviceId: newId(),
      cursors: [],
      marksSinceMs: 0,
      recheck: false,
    }));
    edge.say({ syncOpens });
    const done = () => edge.events.filter(({ event }) => event?.$case === 'done').length;
    const [outcome] = await edge.send(fromAlice);
    expect(outcome?.$case).toBe('stored');
    expect(done()).toBeLessThan(250);
    await waitFor(() => done() === 500, { what: 'all syncs', timeoutMs: 20_000 });
  });

  it('wakes who is not connected, once NATS is there, but not for reactions nor the muted', async () => {
    world.wakes.away = true;
    await edge.send(fromAlice, { ...fromAlice, payload: textPayload('newer') });
    const reaction = payloadOf({ $case: 'reaction', value: { emoji: '🪶' } });
    await edge.send({ ...fromAlice, kind: Kind.KIND_REACTION, targetSeq: 2, payload: reaction });
    await waitFor(() => world.log.confirmed.at(-1)?.seq === 4, { what: 'the confirmation: push is no part of it' });
    world.wakes.away = false;
    await waitFor(() => world.wakes.wakes.length > 0, { what: 'the wake' });
    expect(world.wakes.wakes).toMatchObject([{ userId: bob, conversationId: chat, seq: 3, senderUserId: alice }]);
  });

  it('of a message that another router stored is done by order, and confirmed to who ordered it', async () => {
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    await edge.send(fromAlice, fromAlice, fromAlice);
    await waitFor(() => world.log.confirmed.at(-1)?.seq === 4, { what: 'the confirmation' });
    world.log.expire(chat, 4);
    world.log.handlers?.onOrder({ node: 'store-1', conversationId: chat, fromSeq: 2, toSeq: 4 });
    await waitFor(() => world.log.confirmed.some(({ node, seq }) => node === 'store-1' && seq === 4), { what: 'it' });
    expect(edge.seqsOf(3)).toEqual([2, 3, 4, 2, 3]);
  });

  it('waits for sessions while they can not be looked up', async () => {
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    world.sessions.away = true;
    await edge.send(fromAlice);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(world.wakes.wakes).toEqual([]);
    world.sessions.away = false;
    await waitFor(() => edge.seqsOf(3).includes(2), { what: 'the delivery' });
  });
});

describe('groups', () => {
  const group = groupConversation(newId());
  const carol = newId();

  const change = (membership: Parameters<typeof membershipRequest>[1]) =>
    edge.pool.callOwner('appendMembership', membershipRequest(group, membership), {
      key: group,
      deadlineMs: 3_000,
      idempotent: true,
    });

  it('take changes of members from group, and deliver by the times of membership', async () => {
    world.conversations.group(group, { [alice]: 'owner', [bob]: 'member' });
    world.sessions.connect(alice, edge.session(phone, 1));
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    world.sessions.connect(carol, edge.session(newId(), 4));
    const send = { ...fromAlice, conversationId: group };
    await edge.send(send);
    const added = await change({ basedOn: 1, add: [carol] });
    expect(added.outcome).toMatchObject({ $case: 'stored', value: { seq: 3 } });
    await waitFor(() => edge.seqsOf(4).includes(3), { what: 'the addition' });
    const start = edge.deliveries.find(({ seq, handles }) => seq === 3 && handles.includes(4));
    expect(start?.startingHandles).toEqual([4]);
    const removed = await change({ basedOn: 3, remove: [bob] });
    expect(removed.outcome).toMatchObject({ $case: 'stored', value: { seq: 4 } });
    await edge.send(send);
    await waitFor(() => edge.seqsOf(4).includes(5), { what: 'the message after it' });
    expect(edge.seqsOf(3)).toEqual([2, 3, 4]);
    expect(edge.seqsOf(4)).toEqual([3, 4, 5]);
    const stale = await change({ basedOn: 3, add: [newId()] });
    expect(stale.outcome).toMatchObject({ $case: 'stale', value: { membershipVersion: 4 } });
    const [refused] = await edge.send({ ...send, userId: bob, deviceId: bobPhone });
    expect(refused).toMatchObject({ $case: 'refused', value: { reason: 'NOT_A_MEMBER' } });
  });

  it('read members again when the log has moved on', async () => {
    const view = world.conversations.group(group, { [alice]: 'owner', [bob]: 'member' });
    const send = { ...fromAlice, conversationId: group };
    await edge.send(send);
    // Another router appends a removal of bob.
    const member = view.members.get(bob);
    if (member) member.intervals = [{ from: 1, to: 3 }];
    view.version = 3;
    world.log.append('store-0', { ...membershipItem(group), membershipVersion: 1 });
    const [mine] = await edge.send(send);
    expect(mine).toMatchObject({ $case: 'stored', value: { seq: 4 } });
    const [his] = await edge.send({ ...send, userId: bob, deviceId: bobPhone });
    expect(his).toMatchObject({ $case: 'refused', value: { reason: 'NOT_A_MEMBER' } });
  });

  it('where only admins send refuse others', async () => {
    world.conversations.group(group, { [alice]: 'admin', [bob]: 'member' }).whoMaySend = 'admins';
    const send = { ...fromAlice, conversationId: group };
    const [mine, his] = await edge.send(send, { ...send, userId: bob, deviceId: bobPhone });
    expect(mine).toMatchObject({ $case: 'stored' });
    expect(his).toMatchObject({ $case: 'refused', value: { reason: 'ADMINS_ONLY' } });
  });

  it('of 1,000 on one edge get deliveries of at most 256 sockets', async () => {
    const members = Array.from({ length: 1_000 }, () => newId());
    world.conversations.group(group, Object.fromEntries([...members, alice].map((id) => [id, 'member'])));
    for (const [index, id] of members.entries()) world.sessions.connect(id, edge.session(newId(), index + 10));
    await edge.send({ ...fromAlice, conversationId: group });
    await waitFor(() => edge.deliveries.reduce((sum, { handles }) => sum + handles.length, 0) >= 1_000, {
      what: 'all',
    });
    expect(edge.deliveries.every(({ handles }) => handles.length <= 256)).toBe(true);
    await waitFor(() => world.log.confirmed.at(-1)?.seq === 2, { what: 'the confirmation' });
  });
});

describe('marks', () => {
  it('go to who sent what was marked, and to the own other devices; reads as privacy allows', async () => {
    world.sessions.connect(alice, edge.session(phone, 1));
    world.sessions.connect(bob, edge.session(bobPhone, 3));
    await edge.send(fromAlice);
    const cursor = { conversationId: chat, userId: bob, deviceId: bobPhone, handle: 3 };
    edge.say({ cursors: [{ ...cursor, deliveredSeq: 2, readSeq: 0 }] });
    await waitFor(() => edge.notices.length > 0, { what: 'the receipt' });
    const receipt = { conversationId: chat, userId: bob, deliveredSeq: 2, readSeq: 0, expiredSeq: 0 };
    expect(edge.notices).toEqual([{ handles: [1], notice: { $case: 'receipt', value: receipt } }]);
    world.relations.set.set(`${bob} ${alice}`, { showsReads: false });
    router.rules.relations.forget(bob, '');
    edge.say({ cursors: [{ ...cursor, deliveredSeq: 2, readSeq: 2 }] });
    await waitFor(() => edge.notices.length > 1, { what: 'the read mark at the own device' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(edge.notices.slice(1)).toEqual([
      { handles: [3], notice: { $case: 'receipt', value: { ...receipt, readSeq: 2 } } },
    ]);
  });

  it('above the head are refused to their socket', async () => {
    await edge.send(fromAlice);
    const cursor = { conversationId: chat, userId: bob, deviceId: bobPhone, handle: 3 };
    edge.say({ cursors: [{ ...cursor, deliveredSeq: 99, readSeq: 0 }] });
    await waitFor(() => edge.notices.length > 0, { what: 'the refusal' });
    expect(edge.notices[0]).toMatchObject({
      handles: [3],
      notice: { $case: 'error', value: { reason: 'CURSOR_ABOVE_HEAD', conversationId: chat } },
    });
  });

  it('of somebody who is no member are refused', async () => {
    await edge.send(fromAlice);
    edge.say({
      cursors: [
        { conversationId: chat, userId: newId(), deviceId: newId(), handle: 7, deliveredSeq: 1, readSeq: 0 },
        { conversationId: 'g:x', userId: alice, deviceId: phone, handle: 8, deliveredSeq: 1, readSeq: 0 },
      ],
    });
    await waitFor(() => edge.notices.length === 2, { what: 'the refusals' });
    const reasons = edge.notices.map(({ notice }) => notice?.$case === 'error' && notice.value.reason);
    expect(reasons).toEqual(['NOT_A_MEMBER', 'INVALID_ARGUMENT']);
  });

  it('move with a message of kind seen', async () => {
    await edge.send(fromAlice);
    const seen = payloadOf({ $case: 'seen', value: {} });
    await edge.send({ userId: bob, deviceId: bobPhone, conversationId: chat, kind: 11, targetSeq: 2, payload: seen });
    await waitFor(() => world.log.marksOf.get(`${chat} ${bob}`)?.readSeq === 2, { what: 'the read mark' });
  });
});

describe('a sync', () => {
  it('brings what was missed, in order, within the credit, and ends', async () => {
    await edge.send(...Array.from({ length: 600 }, () => fromAlice));
    world.log.expire(chat, 5);
    edge.say({
      syncOpens: [{ syncId: 77, userId: bob, deviceId: bobPhone, cursors: [], marksSinceMs: 0, recheck: false }],
    });
    await waitFor(() => edge.eventsOf(77).length >= 256, { what: 'the first credit' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const messages = () => edge.eventsOf(77).filter(({ event }) => event?.$case === 'message');
    expect(messages()).toHaveLength(256);
    edge.say({ syncCredits: [{ syncId: 77, messages: 1_000 }] });
    await waitFor(() => edge.eventsOf(77).some(({ event }) => event?.$case === 'done'), { what: 'the end' });
    const seqs = edge.eventsOf(77).flatMap(({ event }) => {
      if (event?.$case === 'message') return [event.value.seq];
      return event?.$case === 'gone' ? [event.value.fromSeq] : [];
    });
    expect(seqs).toEqual(Array.from({ length: 601 }, (_, index) => index + 1));
    const position = edge.eventsOf(77)[0]?.event;
    expect(position).toMatchObject({ $case: 'position', value: { conversationId: chat, cursorSeq: 0, headSeq: 601 } });
  });

  it('goes by the cursors the device gives; one above the head is refused and the stored one taken', async () => {
    await edge.send(fromAlice, fromAlice, fromAlice);
    const events = await edge.sync({ userId: bob, deviceId: bobPhone, cursors: [{ conversationId: chat, seq: 3 }] });
    expect(events.map(({ event }) => event?.$case)).toEqual(['position', 'message', 'done']);
    await waitFor(() => world.log.cursorsOf.get(`${chat} ${bob} ${bobPhone}`) === 3, { what: 'the raised cursor' });
    const above = await edge.sync({ userId: bob, deviceId: bobPhone, cursors: [{ conversationId: chat, seq: 50 }] });
    expect(above.map(({ event }) => event?.$case)).toEqual(['error', 'position', 'message', 'receipt', 'done']);
  });

  it('shows only the times of membership, and marks what changed', async () => {
    const group = groupConversation(newId());
    const view = world.conversations.group(group, { [alice]: 'owner', [bob]: 'member' });
    await edge.send(...Array.from({ length: 9 }, () => ({ ...fromAlice, conversationId: group })));
    const member = view.members.get(bob);
    if (member) {
      member.intervals = [
        { from: 3, to: 4 },
        { from: 7, to: 8 },
      ];
    }
    const events = await edge.sync({ userId: bob, deviceId: bobPhone });
    const told = events.map(({ event }) => {
      if (event?.$case === 'message') return event.value.seq;
      if (event?.$case === 'gone') return [event.value.fromSeq, event.value.toSeq, event.value.reason];
      return event?.$case;
    });
    expect(told).toEqual(['position', 3, 4, [5, 6, GoneReason.GONE_REASON_NOT_A_MEMBER], 7, 8, 'done']);
  });

  it('that can not be completed says so', async () => {
    world.conversations.ofUser = () => Promise.reject(new Error('group is away'));
    const events = await edge.sync({ userId: bob, deviceId: bobPhone });
    expect(events).toMatchObject([{ event: { $case: 'failed', value: { reason: 'UNAVAILABLE' } } }]);
  });

  it('as a recheck is quiet where there is no news', async () => {
    await edge.send(fromAlice);
    const quiet = await edge.sync({
      userId: bob,
      deviceId: bobPhone,
      cursors: [{ conversationId: chat, seq: 2 }],
      recheck: true,
    });
    expect(quiet.map(({ event }) => event?.$case)).toEqual(['done']);
    await edge.send(fromAlice);
    const news = await edge.sync({
      userId: bob,
      deviceId: bobPhone,
      cursors: [{ conversationId: chat, seq: 2 }],
      recheck: true,
    });
    expect(news.map(({ event }) => event?.$case)).toEqual(['message', 'done']);
  });
});

describe('reading', () => {
  const call = { deadlineMs: 3_000, idempotent: true, key: chat };
  const range = {
    conversationId: chat,
    afterSeq: 0,
    beforeSeq: 0,
    fromMs: 0,
    toMs: 0,
    count: 2,
    newestFirst: false,
    pageToken: '',
  };

  it('fetches a range over the link', async () => {
    await edge.send(fromAlice, fromAlice);
    const fetch = {
      conversationId: chat,
      afterSeq: 1,
      beforeSeq: 0,
      fromMs: 0,
      toMs: 0,
      limit: 0,
      newestFirst: false,
    };
    edge.say({
      fetches: [
        { requestId: 900, userId: bob, fetch },
        { requestId: 901, userId: newId(), fetch },
        { requestId: 902, userId: bob, fetch: { ...fetch, limit: 257 } },
      ],
    });
    await waitFor(() => edge.fetched.size === 3, { what: 'the answers' });
    const answer = edge.fetched.get(900);
    const result = answer?.$case === 'result' ? FetchResult.decode(answer.value) : undefined;
    expect(result).toMatchObject({ conversationId: chat, headSeq: 3, coveredFromSeq: 2, coveredToSeq: 3, more: false });
    expect(result?.messages.map(({ seq, envelope }) => [seq, envelope?.from?.userId])).toEqual([
      [2, alice],
      [3, alice],
    ]);
    expect(edge.fetched.get(901)).toMatchObject({ $case: 'refused', value: { reason: 'NOT_A_MEMBER' } });
    expect(edge.fetched.get(902)).toMatchObject({ $case: 'refused', value: { field: 'limit' } });
  });

  it('pages through one conversation, and through all merged by time', async () => {
    const other = privateConversation(alice, newId());
    await edge.send(fromAlice);
    await edge.send({ ...fromAlice, conversationId: other });
    await edge.send(fromAlice);
    const first = await edge.pool.callOwner('getMessages', range, { ...call, user: alice });
    const second = await edge.pool.callOwner(
      'getMessages',
      { ...range, pageToken: first.nextPageToken },
      { ...call, user: alice },
    );
    expect([...first.messages, ...second.messages].map(({ seq }) => seq)).toEqual([1, 2, 3]);
    for (const newestFirst of [false, true]) {
      const seen: string[] = [];
      let pageToken = '';
      do {
        const request = { ...range, conversationId: '', count: 1, newestFirst, pageToken };
        const page = await edge.pool.callOwner('getMessages', request, { ...call, user: alice });
        seen.push(...page.messages.map(({ conversationId, seq }) => `${conversationId} ${String(seq)}`));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(new Set(seen).size).toBe(5);
      expect(seen).toHaveLength(5);
    }
  });

  it('tells who has a message, and refuses who is no member', async () => {
    await edge.send(fromAlice);
    const cursor = { conversationId: chat, userId: bob, deviceId: bobPhone, handle: 3 };
    edge.say({ cursors: [{ ...cursor, deliveredSeq: 2, readSeq: 2 }] });
    await waitFor(() => world.log.marksOf.size > 0, { what: 'the mark' });
    const request = { conversationId: chat, seq: 2, pageSize: 0, pageToken: '' };
    const receipts = await edge.pool.callOwner('getReceipts', request, { ...call, user: alice });
    expect(receipts.marks).toMatchObject([{ userId: bob, deliveredSeq: 2, readSeq: 2 }]);
    const refused = edge.pool.callOwner('getReceipts', request, { ...call, user: newId() });
    expect(errorInfo(await refused.catch((error: unknown) => error))).toMatchObject({ reason: 'NOT_A_MEMBER' });
    const retention = { conversationId: chat, historyDays: 7, expireAfterSeconds: 0 };
    await edge.pool.callOwner('setHistory', retention, { ...call, user: bob });
    expect(world.log.retentions).toEqual([retention]);
    const tooLong = edge.pool.callOwner('setHistory', { ...retention, historyDays: 4_000 }, { ...call, user: bob });
    expect(errorInfo(await tooLong.catch((error: unknown) => error))).toMatchObject({ field: 'history_days' });
  });

  it('gives group the log of changes', async () => {
    const group = groupConversation(newId());
    const created = { basedOn: 0, create: [alice, bob] };
    await edge.pool.callOwner('appendMembership', membershipRequest(group, created), call);
    const log = await edge.pool.callOwner(
      'getMembershipLog',
      { conversationId: group, afterVersion: 0, limit: 0 },
      call,
    );
    expect(log).toMatchObject({ membershipVersion: 1, more: false });
    expect(log.entries[0]?.membership?.change?.$case).toBe('created');
  });
});

it('refuses what is over its bounds, with a time to come again', async () => {
  const tight = await runRouter({
    overrides: portsOf(world),
    env: { GODWIT_ROUTER_MAX_PENDING_SENDS_PER_EDGE: '2' },
  });
  const busy = await new TestEdge('edge-2', tight.grpcPort).connected();
  const outcomes = await busy.send(fromAlice, fromAlice, fromAlice);
  expect(outcomes.map(({ $case }) => $case)).toEqual(['stored', 'stored', 'refused']);
  expect(outcomes[2]).toMatchObject({ value: { reason: 'OVERLOADED', retryAfterMs: 500 } });
  busy.close();
  await tight.life.stop();
});

interface Change {
  readonly basedOn: number;
  readonly create?: readonly string[];
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

const membersOf = (ids: readonly string[]) => ids.map((userId) => ({ userId, role: Role.ROLE_MEMBER }));

function membershipRequest(conversationId: string, { basedOn, create, add, remove }: Change) {
  let change: Membership['change'] = { $case: 'removed', value: { userIds: [...(remove ?? [])] } };
  if (add !== undefined) change = { $case: 'added', value: { members: membersOf(add), inviteId: '' } };
  if (create !== undefined) {
    const value = { members: membersOf(create), name: 'Birds', pictureMediaId: '', settings: undefined };
    change = { $case: 'created', value };
  }
  return {
    conversationId,
    clientMessageId: newId(),
    actorUserId: alice,
    actorDeviceId: phone,
    membership: { basedOn, change },
  };
}

const membershipItem = (conversationId: string) => ({
  ...sendItem({ conversationId }),
  senderUserId: alice,
  senderDeviceId: '',
  kind: 12,
  membershipVersion: 1,
  envelope: new Uint8Array(),
  bodyHash: new Uint8Array(),
  lookupOnly: false,
  senderIsAdmin: true,
});
