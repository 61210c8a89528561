import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { privateConversation } from '@godwit/ids/conversation';
import { AccountServiceClient } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceClient } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { waitFor } from '@godwit/testkit/wait-for';
import { credentials } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { fleetOfFile } from './people.js';
import { setupCommand } from './setup-command.js';
import { signUp, type SignedIn } from './sign-up.js';
import { teamCall } from './team-call.js';

// What docs/runbooks/gdpr-request.md has an operator do, with its commands.

const fleet = fleetOfFile();

const setup = setupCommand(fleet);

/** What the tool says when it does not do it. */
const refusal = (...words: string[]): Promise<string> =>
  setup(...words).then(
    () => 'done',
    (error: unknown) => (error as { readonly stdout: string }).stdout,
  );

/** Files of a dump, one a collection, that have any of these words. */
async function dumpedWith(words: readonly string[]): Promise<string[]> {
  const folder = path.join(fleet().stack.dir, 'dump');
  await setup('dump', folder);
  const found: string[] = [];
  for (const name of await readdir(folder)) {
    const bytes = await readFile(path.join(folder, name));
    if (words.some((word) => bytes.includes(word))) found.push(name);
  }
  return found;
}

/** An operator, acting for a user. */
const actingFor = ({ userId }: SignedIn) => ({ apiKey: fleet().stack.secrets.adminApiKey, user: userId });

async function leave(who: SignedIn, conversationId: string): Promise<void> {
  const group = new GroupServiceClient(fleet().stack.grpcAddress('group-0'), credentials.createInsecure());
  await teamCall(group.leaveGroup.bind(group), { conversationId }, actingFor(who));
  group.close();
}

async function removeDevice(who: SignedIn): Promise<void> {
  const account = new AccountServiceClient(fleet().stack.grpcAddress('account-0'), credentials.createInsecure());
  await teamCall(account.removeDevice.bind(account), { deviceId: who.deviceId }, actingFor(who));
  account.close();
}

interface Line {
  readonly collection: string;
  readonly document: { readonly envelope?: { readonly payload: { readonly text: { readonly text: string } } } };
}

it('a user is told all that is stored, and is erased: others go on without a hole, the phone is free again', async () => {
  const [alice, bob, carol] = [
    await signUp(fleet(), 'alice'),
    await signUp(fleet(), 'bob'),
    await signUp(fleet(), 'carol'),
  ];
  const b = await fleet().sdk(bob);
  const made = await b.client.call('createGroup', {
    clientRequestId: 'r1',
    name: 'Birds',
    memberUserIds: [alice.userId, carol.userId],
  });
  const group = made.group?.conversationId ?? '';
  const chat = privateConversation(alice.userId, carol.userId);
  const away = await fleet().foreign(carol);
  await waitFor(() => away.conversations.has(group), { timeoutMs: 20_000, what: 'carol to have the group' });
  away.close();
  const a = await fleet().sdk(alice);
  await a.client.call('updateProfile', { displayName: 'Alice Kiwi', about: 'flies from Alaska' });
  await a.client.call('registerPushToken', { provider: 5, token: 'token-of-alice' });
  await a.client.call('addContact', { userId: bob.userId, displayName: 'Bob the beak' });
  await a.client.send(chat, { text: 'private words' });
  await b.client.send(group, { text: 'first of bob' });
  await a.client.send(group, { text: 'words to all' });
  await b.client.send(group, { text: 'second of bob' });
  await waitFor(() => b.texts(group).includes('words to all'), { timeoutMs: 20_000 });

  const file = path.join(fleet().stack.dir, 'alice.jsonl');
  await setup('export-user', alice.userId, file);
  const text = await readFile(file, 'utf8');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  expect(lines.map(({ collection }) => collection)).toEqual(
    expect.arrayContaining([
      'users',
      'phones',
      'verification_sends',
      'usernames',
      'devices',
      'contacts',
      'push_tokens',
      'user_conversations',
      'groups',
      'deliveries',
      'messages',
    ]),
  );
  const texts = lines.flatMap(({ document }) => document.envelope?.payload.text?.text ?? []);
  expect(texts.toSorted()).toEqual(['private words', 'words to all']);
  for (const word of ['Alice Kiwi', 'flies from Alaska', 'Bob the beak']) expect(text).toContain(word);
  for (const word of ['token-of-alice', 'phoneKey', 'of bob']) expect(text).not.toContain(word);

  expect(await refusal('erase-user', alice.userId)).toContain(`must be removed first: ${alice.deviceId}`);
  await leave(alice, group);
  await removeDevice(alice);
  await setup('erase-user', alice.userId);
  await setup('erase-user', alice.userId);

  const traces = ['private words', 'words to all', 'Alice Kiwi', 'flies from Alaska', 'Bob the beak', 'token-of-alice'];
  expect(await dumpedWith(traces)).toEqual([]);
  await expect(fleet().foreign(alice)).rejects.toThrow();
  expect(await refusal('export-user', alice.userId, `${file}.2`)).toContain('there is no user');

  await b.client.send(group, { text: 'third of bob' });
  const back = await fleet().foreign(carol, 1, away);
  await waitFor(() => back.texts(group).includes('third of bob'), { timeoutMs: 20_000, what: 'carol to catch up' });
  expect(back.texts(group)).toEqual(['first of bob', 'second of bob', 'third of bob']);
  expect(back.frames).toContainEqual({
    gone: expect.objectContaining({ conversationId: chat, reason: 'GONE_REASON_DELETED' }) as unknown,
  });
  const logs = await Promise.all(['message-store-0', 'message-store-1'].map((name) => fleet().stack.logs(name)));
  expect(logs.join('')).not.toContain('a document above the floor is missing');

  const again = await signUp(fleet(), 'alice', alice.phone);
  expect(again.userId).not.toBe(alice.userId);
  const anew = await fleet().sdk(again);
  await anew.client.send(privateConversation(again.userId, bob.userId), { text: 'new here' });
  await waitFor(() => b.texts(privateConversation(again.userId, bob.userId)).includes('new here'), {
    timeoutMs: 20_000,
  });
});
