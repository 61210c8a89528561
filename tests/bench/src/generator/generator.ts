// A generator process: does what the bench tells it over IPC, and ends when the bench does.
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientEvents, ConnectClient } from './client.js';
import { connectCentrifugo } from './centrifugo-client.js';
import type { Change, CommandName, Commands, Offer, Request, Response, System } from './commands.js';
import { connectEjabberd } from './ejabberd-client.js';
import { GodwitClient } from './godwit-client.js';
import { Ledger } from './ledger.js';
import { Population } from './population.js';
import { nowUs } from './stamp.js';

const TICK_MS = 1;
/** How long after a run answers are waited for. */
const DRAIN_MS = 10_000;

const CONNECT: Readonly<Record<System, ConnectClient>> = {
  godwit: (spec, settings) => GodwitClient.connect(spec, settings),
  ejabberd: connectEjabberd,
  centrifugo: connectCentrifugo,
};

let population: Population | undefined;
let ledger: Ledger | undefined;
const made: Change[] = [];
const told: Change[] = [];

const events: ClientEvents = {
  acked: ({ run, index, dueUs }) => {
    if (run === ledger?.id) ledger.acked(index, dueUs);
  },
  refused: (stamp, reason, retryAfterMs) => {
    if (stamp.run === ledger?.id) ledger.refused(stamp, reason, retryAfterMs);
  },
  arrived: ({ run, index, dueUs }) => {
    if (run === ledger?.id) ledger.arrived(index, dueUs);
  },
  repeated: () => ledger?.repeated(),
  presence: (userId, online) => told.push({ userId, online, atUs: nowUs() }),
  closed: () => undefined,
};

function everybody(): Population {
  if (population === undefined) throw new Error('connect first');
  return population;
}

async function run({ run, rate, share, shares, senders, messages = Infinity }: Offer): Promise<null> {
  const counting = new Ledger(run);
  ledger = counting;
  const { clients, specs } = everybody();
  const sending = senders ?? specs.flatMap(({ targets }, index) => (targets.length > 0 ? [index] : []));
  if (rate > 0 && sending.length === 0)
    throw new Error('none of the clients of this generator has anything to write to');
  const total = Math.min(messages, Math.floor(rate * (run.warmupSeconds + run.seconds)));
  let sent = 0;
  for (let index = share; index < total;) {
    const due = Math.min(total, Math.floor(((nowUs() - run.startUs) / 1e6) * rate) + 1);
    for (; index < due; index += shares) {
      const dueUs = Math.floor(run.startUs + (index / rate) * 1e6);
      const sender = sending[sent % sending.length] ?? 0;
      const target = Math.floor(sent / sending.length) % (specs[sender]?.targets.length ?? 1);
      counting.offered(index, dueUs);
      clients[sender]?.send(target, { run: run.run, index, dueUs });
      sent += 1;
    }
    await delay(TICK_MS);
  }
  const endUs = run.startUs + (run.warmupSeconds + run.seconds) * 1e6;
  while (nowUs() < endUs || (counting.open > 0 && nowUs() < endUs + DRAIN_MS * 1e3)) await delay(10);
  return null;
}

async function churn({ perSecond, seconds }: Commands['churn']['ask']): Promise<null> {
  const everyone = everybody();
  const started = nowUs();
  const coming: Promise<void>[] = [];
  for (let done = 0; done < perSecond * seconds;) {
    const due = Math.min(perSecond * seconds, Math.floor(((nowUs() - started) / 1e6) * perSecond) + 1);
    for (; done < due; done += 1) coming.push(goAndCome(everyone, done % everyone.clients.length));
    await delay(5);
  }
  await Promise.all(coming);
  return null;
}

/** Away for longer than presence keeps "online" up (3 s), so that the others hear of both. */
const AWAY_MS = 6_000;

async function goAndCome(everyone: Population, index: number): Promise<void> {
  const userId = everyone.specs[index]?.account.userId ?? '';
  everyone.clients[index]?.close();
  everyone.clients[index] = undefined;
  made.push({ userId, online: false, atUs: nowUs() });
  await delay(AWAY_MS);
  made.push({ userId, online: true, atUs: nowUs() });
  await everyone.connectOne(index);
}

const handlers: { readonly [N in CommandName]: (ask: Commands[N]['ask']) => Promise<Commands[N]['answer']> } = {
  connect: ({ system, clients: specs, atATime, atMostMs, ...settings }) => {
    population = new Population({ connect: CONNECT[system], specs, events, ...settings });
    return population.connectAll(atATime, atMostMs);
  },
  run,
  progress: async () => ({ open: ledger?.open ?? 0, delivered: ledger?.delivered ?? 0 }),
  counts: async () => {
    if (ledger === undefined) throw new Error('run first');
    return ledger.counts();
  },
  cut: async () => {
    everybody().cut();
    return null;
  },
  reconnect: ({ atATime }) => everybody().connectAll(atATime),
  subscribe: async (userIds) => {
    everybody().clients.forEach((client, index) => client?.subscribe(userIds[index] ?? []));
    return null;
  },
  churn,
  changes: async () => ({ made: made.splice(0), told: told.splice(0) }),
};

function answer(response: Response): void {
  if (process.connected) process.send?.(response);
}

// The bench has ended, however it ended.
process.once('disconnect', () => {
  process.kill(process.pid, 'SIGKILL');
});

process.on('message', ({ id, name, ask }: Request) => {
  const handle = handlers[name] as (ask: unknown) => Promise<unknown>;
  handle(ask).then(
    (result) => {
      answer({ id, answer: result });
    },
    (error: unknown) => {
      answer({ id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    },
  );
});
