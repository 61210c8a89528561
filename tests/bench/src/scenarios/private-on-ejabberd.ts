import { setTimeout as delay } from 'node:timers/promises';
import { Generators } from '../generator-process.js';
import { measure } from '../measure.js';
import type { Figure } from '../outcome.js';
import { type Ejabberd, startEjabberd } from '../peers/start-ejabberd.js';
import { measurePrivate, PAIRS, type PrivateLoad } from './measure-private.js';
import { at, connection, type Context, type PeerScenario, specOf } from './scenario.js';

const FIRST_MESSAGES_A_SECOND = 50;
const ARCHIVE_SETTLES_MS = 2_000;

/** The same pairs, rates and payload, on ejabberd with its archive on PostgreSQL. */
export const runPrivateOnEjabberd: PeerScenario = async (context) => {
  await using ejabberd = await startEjabberd(context.say);
  using generators = new Generators(1);
  const load = await connectPairs(ejabberd, generators, context);
  const begun = await measure({
    ...load,
    rate: FIRST_MESSAGES_A_SECOND,
    warmupSeconds: 0,
    seconds: PAIRS / FIRST_MESSAGES_A_SECOND + 1,
    messages: PAIRS,
  });
  await delay(ARCHIVE_SETTLES_MS);
  const archived = await ejabberd.archived();
  const inArchive: Figure = {
    what: 'rows in the archive for an acked message (one for each side)',
    value: archived / Math.max(1, begun.acked),
    unit: '',
  };
  const { figures, rows, data } = await measurePrivate(load, context);
  return {
    peer: ejabberd.title,
    setup: `The same pairs and texts over XMPP on WebSockets. Acked: the answer to a stream management request (XEP-0198), which ejabberd gives when its archive has the sender's copy on PostgreSQL's disk. All of ejabberd is one process that uses both cores.`,
    figures: [...figures, inArchive],
    rows,
    data,
  };
};

async function connectPairs(
  { urls, system, processes, addUsers }: Ejabberd,
  generators: Generators,
  { settings }: Context,
): Promise<PrivateLoad> {
  const accounts = await addUsers(PAIRS * 2);
  const url = at(urls, 0);
  const clients = Array.from({ length: PAIRS }, (_, pair) => {
    const [sender, recipient] = [at(accounts, pair * 2), at(accounts, pair * 2 + 1)];
    return [specOf(sender, [recipient.userId], url), specOf(recipient, [], url)];
  }).flat();
  await generators.at(0).call('connect', connection(clients, settings, system));
  return { generators, processes, recipients: 1 };
}
