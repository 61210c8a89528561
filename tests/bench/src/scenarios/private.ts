import { setTimeout as delay } from 'node:timers/promises';
import { privateConversation } from '@godwit/ids/conversation';
import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { measurePrivate, PAIRS, type PrivateLoad } from './measure-private.js';
import { measure } from '../measure.js';
import { at, connection, type Context, replicasOf, type Scenario, specOf } from './scenario.js';

const FIRST_MESSAGES_A_SECOND = 50;
const MAX_BEGINNINGS = 10;
/** The second look at a device, 5 s after it came, is over. */
const RECHECKED_MS = 7_000;

/** Durable one-to-one messages. */
export const runPrivate: Scenario = async (context) => {
  const { settings } = context;
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using generators = new Generators(1);
  const load = await startPrivate(fleet, generators, context);
  return {
    scenario: 'private',
    setup: `${String(PAIRS)} pairs of devices, ${String(settings.payloadBytes)} bytes of text, acked when stored by the majority, delivered to the other; ${String(settings.replicas)} each of edge, router, message-store and session.`,
    ...(await measurePrivate(load, context)),
  };
};

/** Pairs of devices, connected, that have said something to each other. */
export async function startPrivate(
  fleet: BenchFleet,
  generators: Generators,
  { settings }: Pick<Context, 'settings'>,
): Promise<PrivateLoad> {
  const accounts = await fleet.importUsers(PAIRS * 2);
  const { edges } = fleet;
  const clients = Array.from({ length: PAIRS }, (_, pair) => {
    const [sender, recipient] = [at(accounts, pair * 2), at(accounts, pair * 2 + 1)];
    const conversation = privateConversation(sender.userId, recipient.userId);
    return [
      specOf(sender, [conversation], at(edges, pair % edges.length)),
      specOf(recipient, [], at(edges, (pair + 1) % edges.length)),
    ];
  }).flat();
  await generators.at(0).call('connect', connection(clients, settings));
  const load = { generators, processes: fleet.processes, recipients: 1 };
  await delay(RECHECKED_MS);
  await beginAll(load);
  return { ...load, toggleProfiles: fleet.toggleProfiles };
}

/** The first message of a pair creates its conversation, which is not what is measured. */
async function beginAll(load: PrivateLoad): Promise<void> {
  const rate = FIRST_MESSAGES_A_SECOND;
  for (let attempt = 1; attempt <= MAX_BEGINNINGS; attempt += 1) {
    const one = await measure({ ...load, rate, warmupSeconds: 0, seconds: PAIRS / rate + 1, messages: PAIRS });
    if (one.acked === PAIRS) return;
  }
  throw new Error('the conversations could not be begun: is the machine busy with something else?');
}
