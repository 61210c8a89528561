import { BenchFleet } from '../bench-fleet.js';
import { Generators } from '../generator-process.js';
import { privateConversation } from '@godwit/ids/conversation';
import { cpuEach, measure, type Measurement, median } from '../measure.js';
import type { Outcome } from '../outcome.js';
import { at, connection, type Context, replicasOf, type Scenario, specOf } from './scenario.js';

const MESSAGES = 5_000;
/** As good as at once: within 5 ms. */
const RATE = 1_000_000;
const SECONDS = 5;

/** One conversation, all at once. */
export const runBurst: Scenario = async ({ settings }: Context) => {
  await using fleet = await BenchFleet.start({ replicas: replicasOf(settings.replicas), profiles: settings.profiles });
  using generators = new Generators(1);
  const accounts = await fleet.importUsers(2);
  const [sender, recipient] = [at(accounts, 0), at(accounts, 1)];
  const clients = [
    specOf(sender, [privateConversation(sender.userId, recipient.userId)], at(fleet.edges, 0)),
    specOf(recipient, [], at(fleet.edges, 1 % fleet.edges.length)),
  ];
  await generators.at(0).call('connect', connection(clients, settings));
  const load = { generators, processes: fleet.processes, recipients: 1, warmupSeconds: 0 };
  await measure({ ...load, rate: 10, seconds: 1 });
  const all: Measurement[] = [];
  for (let i = 0; i < settings.repeats; i += 1) {
    all.push(await measure({ ...load, rate: RATE, seconds: SECONDS, messages: MESSAGES }));
  }
  const one = median(all, ({ ack }) => ack.max);
  const outcome: Outcome = {
    scenario: 'burst',
    setup: `${String(MESSAGES)} messages at once in one private conversation.`,
    figures: [
      { what: 'acked', value: one.acked, unit: '', goal: { atLeast: MESSAGES, aim: MESSAGES, better: 'higher' } },
      {
        what: 'delivered',
        value: one.delivered,
        unit: '',
        goal: { atLeast: MESSAGES, aim: MESSAGES, better: 'higher' },
      },
      {
        what: 'the last one is acked after',
        value: one.ack.max,
        unit: 'ms',
        goal: { atLeast: 2_000, aim: 1_000, better: 'lower' },
      },
      { what: 'the last one is delivered after', value: one.delivery.max, unit: 'ms' },
      { what: 'CPU of all processes for a message', value: cpuEach(one, one.acked), unit: 'µs' },
    ],
    rows: [{ name: 'burst', measurement: one }],
    data: { one },
  };
  return outcome;
};
