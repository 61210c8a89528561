import { setTimeout as delay } from 'node:timers/promises';
import { drawn, type Fault, type Stage } from './faults.js';

const SERVICES = ['edge', 'router', 'message-store', 'session', 'group', 'account', 'presence', 'push'];

export function processFaults(): [string, Fault][] {
  return [
    ...SERVICES.map((service): [string, Fault] => [`kill-${service}`, killOne(service)]),
    ...SERVICES.map((service): [string, Fault] => [`pause-${service}`, pauseOne(service)]),
    ['kill-router-and-store', killTogether(['router', 'message-store'])],
    ['kill-both-stores', killAll('message-store')],
    ['rolling-restart', rollingRestart],
    ['clock-skew', clockSkew],
  ];
}

async function killAndWait({ world: { stack } }: Stage, names: readonly string[]): Promise<void> {
  const before = names.map((name) => stack.restartsOf(name));
  await Promise.all(names.map((name) => stack.kill(name)));
  for (const [index, name] of names.entries()) {
    while (stack.restartsOf(name) <= (before[index] ?? 0)) await delay(20);
    await stack.waitReady(name);
  }
}

function killOne(service: string): Fault {
  return {
    target: ({ world }, draw) => drawn(world.replicasOf(service), draw),
    perform: (stage, { target }) => killAndWait(stage, [target]),
  };
}

function killTogether(services: readonly string[]): Fault {
  return {
    target: ({ world }, draw) =>
      services.map((service, index) => drawn(world.replicasOf(service), draw >> index)).join(' '),
    perform: (stage, { target }) => killAndWait(stage, target.split(' ')),
  };
}

function killAll(service: string): Fault {
  return {
    target: ({ world }) => world.replicasOf(service).join(' '),
    perform: (stage, { target }) => killAndWait(stage, target.split(' ')),
  };
}

function pauseOne(service: string): Fault {
  return {
    target: ({ world }, draw) => drawn(world.replicasOf(service), draw),
    perform: async ({ world: { stack } }, { target, hold }) => {
      stack.pause(target);
      try {
        await hold();
      } finally {
        stack.resume(target);
      }
      // One that was taken for dead meanwhile ends itself and is started again.
      await delay(200);
      await stack.waitReady(target);
    },
  };
}

const rollingRestart: Fault = {
  target: () => 'all',
  perform: async ({ world: { stack } }) => {
    for (const { name } of stack.replicas) await stack.restart(name);
  },
};

const MOST_SKEW_SECONDS = 120;

const clockSkew: Fault = {
  target: ({ world }, draw) => {
    if (!world.clocks.available) throw new Error('libfaketime is not installed (Debian: apt install faketime)');
    return drawn([...world.replicasOf('router'), ...world.replicasOf('message-store')], draw);
  },
  perform: async ({ world: { clocks } }, { target, draw, hold }) => {
    await clocks.skew(target, (draw % (2 * MOST_SKEW_SECONDS + 1)) - MOST_SKEW_SECONDS);
    try {
      await hold();
    } finally {
      await clocks.skew(target, 0);
    }
  },
};
