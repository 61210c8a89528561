import path from 'node:path';
import { privateConversation } from '@godwit/ids/conversation';
import { connectMongo } from '@godwit/mongo/connect';
import { silentLogger } from '@godwit/runtime/logger';
import { waitFor } from '@godwit/testkit/wait-for';
import { expect, it } from 'vitest';
import { device, fleetOfFile, NAMESPACE, type Person, type Watched } from './people.js';
import { setupCommand } from './setup-command.js';

const fleet = fleetOfFile();

const setup = setupCommand(fleet);

async function stopServices(): Promise<void> {
  const { stack } = fleet();
  const names = stack.replicas.map(({ name }) => name);
  const edges = names.filter((name) => name.startsWith('edge'));
  await Promise.all(edges.map((name) => stack.stopProcess(name)));
  await Promise.all(names.map((name) => stack.stopProcess(name)));
}

async function startServices(): Promise<void> {
  const { stack } = fleet();
  await Promise.all(stack.replicas.map(({ name }) => stack.restart(name)));
}

/** As after a disaster: nothing is left. */
async function dropEverything(): Promise<void> {
  const { urls } = fleet().stack.servers;
  const mongo = await connectMongo({ url: urls.mongo, database: NAMESPACE, appName: 'test', logger: silentLogger });
  await mongo.db.dropDatabase();
  await mongo.close();
}

const chatOf = (a: Person | undefined, b: Person | undefined): string =>
  privateConversation(a?.userId ?? '', b?.userId ?? '');

async function sendAll(from: Watched, conversation: string, texts: readonly string[]): Promise<number> {
  let last = 0;
  for (const text of texts) last = (await from.client.send(conversation, { text })).seq;
  return last;
}

it('a restore from a backup: what waited arrives, what comes is seen, and what devices have stays as it is', async () => {
  const [alice, bob, carol] = await fleet().people(3, 2);
  const chat = chatOf(alice, bob);
  const a = await fleet().sdk(device(alice));
  const b = await fleet().sdk(device(bob, 0));
  const tablet = await fleet().foreign(device(bob, 1));
  const before = ['before 1', 'before 2'];
  await sendAll(a, chat, before);
  await waitFor(() => tablet.texts(chat).length === 2, { what: 'the tablet to have what came before' });
  tablet.close();
  const waiting = ['waits 1', 'waits 2', 'waits 3'];
  await sendAll(a, chat, waiting);
  await waitFor(() => b.texts(chat).length === 5);

  const folder = path.join(fleet().stack.dir, 'backup');
  await setup('dump', folder);

  const after = ['after 1', 'after 2', 'after 3', 'after 4'];
  const lastAfter = await sendAll(a, chat, after);
  await waitFor(() => b.texts(chat).length === 9);
  const c = await fleet().sdk(device(carol));
  const begun = chatOf(alice, carol);
  await sendAll(a, begun, ['new chat 1', 'new chat 2']);
  await waitFor(() => c.texts(begun).length === 2);

  await stopServices();
  await dropEverything();
  await setup('restore', folder);
  await startServices();

  const later = ['later 1', 'later 2'];
  const lastLater = await sendAll(a, chat, later);
  await waitFor(() => b.texts(chat).includes('later 2'), { timeoutMs: 20_000, what: 'what came later' });
  expect(b.texts(chat)).toEqual([...before, ...waiting, ...after, ...later]);
  expect(lastLater).toBeGreaterThan(lastAfter);

  const resumed = await fleet().foreign(device(bob, 1), 1, tablet);
  await waitFor(() => resumed.texts(chat).includes('later 2'), { timeoutMs: 20_000, what: 'the tablet to catch up' });
  expect(resumed.texts(chat)).toEqual([...before, ...waiting, ...later]);
  expect(resumed.frames.filter(({ gone }) => gone !== undefined)).toEqual([
    { gone: expect.objectContaining({ conversationId: chat, reason: 'GONE_REASON_EXPIRED' }) as unknown },
  ]);

  await sendAll(a, begun, ['new chat 3']);
  await waitFor(() => c.texts(begun).includes('new chat 3'), { timeoutMs: 20_000, what: 'the chat that was unknown' });
  expect(c.texts(begun)).toEqual(['new chat 1', 'new chat 2', 'new chat 3']);

  let readUpTo = 0;
  a.client.on('receipt', ({ userId, readSeq }) => {
    if (userId === bob?.userId) readUpTo = Math.max(readUpTo, readSeq);
  });
  b.client.read(chat, lastLater);
  await waitFor(() => readUpTo >= lastLater, { what: 'the read mark' });
  const logs = await Promise.all(['message-store-0', 'message-store-1'].map((name) => fleet().stack.logs(name)));
  expect(logs.join('')).not.toContain('a document above the floor is missing');
});
