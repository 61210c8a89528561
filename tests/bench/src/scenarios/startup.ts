import { BenchFleet } from '../bench-fleet.js';
import type { Outcome } from '../outcome.js';
import { usageOf } from '../process-usage.js';
import type { Scenario } from './scenario.js';

const SERVERS = /^(mongo|nats|redis)/;
/** As `npm start` brings it. */
const REPLICAS = { edge: 2, router: 2, 'message-store': 2, session: 2 };

/** How long the local fleet takes to start, and what it costs before anybody comes. */
export const runStartup: Scenario = async () => {
  await using fleet = await BenchFleet.start({ replicas: REPLICAS });
  const usage = await usageOf(fleet.processes());
  const services = usage.filter(({ name }) => !SERVERS.test(name));
  const largest = services.reduce((a, b) => (a.rssBytes > b.rssBytes ? a : b));
  const outcome: Outcome = {
    scenario: 'startup',
    setup: 'The local fleet as `npm start` brings it, servers included; packages installed and built.',
    figures: [
      {
        what: 'start of servers and fleet',
        value: fleet.startMs / 1_000,
        unit: 's',
        goal: { atLeast: 20, aim: 10, better: 'lower' },
      },
      {
        what: `memory of the largest idle service (${largest.name})`,
        value: largest.rssBytes / 2 ** 20,
        unit: 'MiB',
        goal: { atLeast: 120, aim: 80, better: 'lower' },
      },
    ],
    rows: [],
    data: { startMs: fleet.startMs, usage },
  };
  return outcome;
};
