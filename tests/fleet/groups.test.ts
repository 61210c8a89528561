import { RefusedError } from '@godwit/client/errors';
import { Role } from '@godwit/proto/gen/client/godwit/message/v1/envelope_pb';
import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it } from 'vitest';
import { device, fleetOfFile, watchTargeting, type Watched } from './people.js';

const fleet = fleetOfFile();
watchTargeting(fleet);
let requests = 0;

async function group(owner: Watched, memberUserIds: string[]): Promise<string> {
  requests += 1;
  const clientRequestId = `r${String(requests)}`;
  const made = await owner.client.call('createGroup', { clientRequestId, name: 'Birds', memberUserIds });
  return made.group?.conversationId ?? '';
}

describe('a group', () => {
  it('is chatted in by all its members, and tells who has and who has read a message', async () => {
    const people = await fleet().people(5);
    const watched = await Promise.all(
      people.map((person, i) => fleet().sdk(device(person), { edges: [fleet().edge(i)] })),
    );
    const [owner, ...others] = watched;
    if (owner === undefined) throw new Error('nobody');
    const id = await group(
      owner,
      people.slice(1).map(({ userId }) => userId),
    );
    const marks = new Map<string, number>();
    owner.client.on('receipt', (receipt) => marks.set(receipt.userId, receipt.deliveredSeq));
    const { seq } = await owner.client.send(id, { text: 'welcome' });
    await waitFor(() => others.every((other) => other.texts(id).length === 1));
    await waitFor(() => people.slice(1).every(({ userId }) => (marks.get(userId) ?? 0) >= seq));
    others[0]?.client.read(id, seq);
    await waitFor(async () => {
      const receipts = await owner.client.call('getReceipts', { conversationId: id, seq: BigInt(seq) });
      return receipts.marks.some((mark) => mark.userId === people[1]?.userId && mark.readSeq === BigInt(seq));
    });
  });

  it('shows nothing after a removal, all before it, and everything again after coming back', async () => {
    const [alice, bob, carol] = await fleet().people(3);
    const a = await fleet().sdk(device(alice));
    const b = await fleet().foreign(device(bob), 1);
    const c = await fleet().sdk(device(carol));
    const id = await group(a, [bob?.userId ?? '', carol?.userId ?? '']);
    await a.client.send(id, { text: 'before' });
    await a.client.call('removeMembers', { conversationId: id, userIds: [bob?.userId ?? ''] });
    await a.client.send(id, { text: 'after' });
    await waitFor(() => c.texts(id).length === 2);
    await waitFor(() => b.texts(id).length === 1);
    expect((await b.send(id, 'x1', 'let me in'))['error']).toMatchObject({ reason: 'NOT_A_MEMBER' });
    b.close();
    const away = await fleet().foreign(device(bob), 0, b);
    expect(away.texts(id)).toEqual(['before']);
    const fetched = await away.ask({ fetch: { conversationId: id, afterSeq: '0' } });
    expect(JSON.stringify(fetched)).not.toContain('after"');
    await a.client.call('addMembers', { conversationId: id, userIds: [bob?.userId ?? ''] });
    await a.client.send(id, { text: 'again' });
    await waitFor(() => away.texts(id).includes('again'));
    expect(away.texts(id)).toEqual(['before', 'again']);
    expect(JSON.stringify(away.frames)).not.toContain('"after"');
  });

  it('has owners, admins and members, and each may do what it may', async () => {
    const people = await fleet().people(3);
    const [a, b, c] = await Promise.all(people.map((person) => fleet().sdk(device(person))));
    if (a === undefined || b === undefined || c === undefined) throw new Error('nobody');
    const [alice = '', bob = '', carol = ''] = people.map(({ userId }) => userId);
    const conversationId = await group(a, [bob]);
    const reasonOf = async (work: Promise<unknown>): Promise<string> => {
      const error = await work.then(
        () => undefined,
        (caught: unknown) => caught,
      );
      return error instanceof RefusedError ? error.reason : String(error);
    };
    expect(await reasonOf(c.client.call('getGroup', { conversationId }))).toBe('NOT_A_MEMBER');
    expect(await reasonOf(b.client.call('updateGroup', { conversationId, name: 'Mine' }))).toBe('NOT_AN_ADMIN');
    await a.client.call('grantAdmin', { conversationId, userId: bob });
    await b.client.call('updateGroup', { conversationId, name: 'Waders', settings: { whoMaySend: 2, whoMayAdd: 2 } });
    await b.client.call('addMembers', { conversationId, userIds: [carol] });
    expect(await reasonOf(c.client.send(conversationId, { text: 'may I?' }))).toBe('ADMINS_ONLY');
    expect(await reasonOf(b.client.call('removeMembers', { conversationId, userIds: [alice] }))).toBe('NOT_THE_OWNER');
    expect(await reasonOf(a.client.call('leaveGroup', { conversationId }))).toBe('OWNER_MUST_TRANSFER');
    await a.client.call('transferOwnership', { conversationId, userId: bob });
    await a.client.call('leaveGroup', { conversationId });
    const { members } = await b.client.call('listMembers', { conversationId });
    expect(new Map(members.map(({ userId, role }) => [userId, role]))).toEqual(
      new Map([
        [bob, Role.OWNER],
        [carol, Role.MEMBER],
      ]),
    );
    const { invite } = await b.client.call('createInvite', { conversationId, maxJoins: 1 });
    await a.client.call('joinByInvite', { token: invite?.token ?? '' });
    const { group: seen } = await a.client.call('getGroup', { conversationId });
    expect(seen).toMatchObject({ name: 'Waders', memberCount: 3, myRole: Role.MEMBER });
  });

  it('lets a send race against a removal: what is acked is seen by those who stay, and by nobody removed', async () => {
    const [alice, bob, carol] = await fleet().people(3);
    const a = await fleet().sdk(device(alice), { edges: [fleet().edge(0)] });
    const b = await fleet().sdk(device(bob), { edges: [fleet().edge(1)] });
    const c = await fleet().sdk(device(carol));
    for (let round = 0; round < 10; round += 1) {
      const id = await group(a, [bob?.userId ?? '', carol?.userId ?? '']);
      const sends = Array.from({ length: 5 }, (_, i) =>
        b.client.send(id, { text: String(i) }).then(
          (sent) => sent.seq,
          () => undefined,
        ),
      );
      const removal = a.client.call('removeMembers', { conversationId: id, userIds: [bob?.userId ?? ''] });
      const seqs = (await Promise.all(sends)).filter((seq) => seq !== undefined);
      const { membershipVersion } = await removal;
      expect(seqs.every((seq) => BigInt(seq) < membershipVersion)).toBe(true);
      await waitFor(() => c.texts(id).length === seqs.length);
    }
  });

  it('of 1,000 members reaches every one that is online', async () => {
    const people = await fleet().people(1_000);
    const online = await Promise.all(
      people.slice(0, 60).map((person, i) => fleet().sdk(device(person), { edges: [fleet().edge(i)] })),
    );
    const [owner] = online;
    if (owner === undefined) throw new Error('nobody');
    const ids = people.slice(1).map(({ userId }) => userId);
    const id = await group(owner, ids.slice(0, 500));
    await owner.client.call('addMembers', { conversationId: id, userIds: ids.slice(500) });
    for (let i = 0; i < 5; i += 1) await owner.client.send(id, { text: String(i) });
    await waitFor(() => online.slice(1).every((member) => member.texts(id).length === 5), { timeoutMs: 10_000 });
    let pageToken = '';
    let members = 0;
    do {
      const page = await owner.client.call('listMembers', { conversationId: id, pageSize: 300, pageToken });
      members += page.members.length;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(members).toBe(1_000);
  });

  it('of 10,000 members delivers to who is online, on both edges, and no more to who was removed', async () => {
    const people = (await Promise.all(Array.from({ length: 10 }, () => fleet().people(1_000)))).flat();
    const [owner, ...others] = await Promise.all(
      [0, 1, 4_999, 9_999].map((n, i) => fleet().sdk(device(people[n]), { edges: [fleet().edge(i)] })),
    );
    if (owner === undefined) throw new Error('nobody');
    const ids = people.slice(1).map(({ userId }) => userId);
    const id = await group(owner, ids.slice(0, 500));
    for (let from = 500; from < ids.length; from += 500) {
      await owner.client.call('addMembers', { conversationId: id, userIds: ids.slice(from, from + 500) });
    }
    await owner.client.send(id, { text: 'all' });
    await waitFor(() => others.every((member) => member.texts(id).length === 1), { timeoutMs: 10_000 });
    const { group: told } = await owner.client.call('getGroup', { conversationId: id });
    expect(told?.memberCount).toBe(10_000);
    await owner.client.call('removeMembers', { conversationId: id, userIds: ids.slice(-1) });
    await owner.client.send(id, { text: 'without the last' });
    await waitFor(() => others.slice(0, -1).every((member) => member.texts(id).length === 2), { timeoutMs: 10_000 });
    expect(others.at(-1)?.texts(id)).toEqual(['all']);
  }, 120_000);
});
