import { setTimeout as delay } from 'node:timers/promises';
import type { MongoServer } from '@godwit/local-stack/servers/start-mongo';
import type { NatsServer } from '@godwit/local-stack/servers/start-nats';
import type { Server } from '@godwit/local-stack/servers/server';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { until } from '../clients/crew.js';
import { drawn, type Fault, type Stage } from './faults.js';

export function serverFaults(): [string, Fault][] {
  return [
    ['mongo-kill-primary', mongoKillPrimary],
    ['mongo-step-down', mongoStepDown],
    ['mongo-pause-primary', mongoPausePrimary],
    ['mongo-roll-back', mongoRollBack],
    ['nats-kill-one', killOneOf(nats)],
    ['nats-kill-all', killAllOf(nats)],
    ['nats-wipe', natsWipe],
    ['redis-kill-one', killOneOf(redis)],
    ['redis-flush', redisFlush],
    ['redis-gone', killAllOf(redis)],
  ];
}

function own<T>(server: T | undefined, name: string): T {
  if (server === undefined) throw new Error(`${name} is not this stack's own`);
  return server;
}

function mongo({ world }: Stage): MongoServer {
  return own(world.stack.servers.mongo, 'MongoDB');
}

function nats({ world }: Stage): NatsServer {
  return own(world.stack.servers.nats, 'NATS');
}

function redis({ world }: Stage): Server {
  return own(world.stack.servers.redis, 'Redis');
}

const FAILOVER_MS = 30_000;

async function primaryName(stage: Stage): Promise<string> {
  return (await mongo(stage).primary()).name;
}

/** The set has a primary that takes majority writes, and all members run. */
async function wholeSet(stage: Stage): Promise<void> {
  const server = mongo(stage);
  await server.start();
  const client = new MongoClient(server.url, { serverSelectionTimeoutMS: FAILOVER_MS });
  try {
    await client
      .db('faults')
      .collection<{ _id: string; at: Date }>('probe')
      .updateOne(
        { _id: 'probe' },
        { $set: { at: new Date() } },
        { upsert: true, writeConcern: { w: 'majority', wtimeoutMS: FAILOVER_MS } },
      );
  } finally {
    await client.close();
  }
}

const mongoKillPrimary: Fault = {
  target: primaryName,
  perform: async (stage, { target, hold }) => {
    await stage.world.stack.process(target).kill();
    await hold();
    await wholeSet(stage);
  },
};

const mongoStepDown: Fault = {
  target: primaryName,
  perform: async (stage) => {
    const client = new MongoClient(mongo(stage).url, { serverSelectionTimeoutMS: FAILOVER_MS });
    try {
      // Closes the connection it was asked on, or not, by version.
      await client
        .db('admin')
        .command({ replSetStepDown: 10, secondaryCatchUpPeriodSecs: 2 })
        .catch(() => undefined);
    } finally {
      await client.close();
    }
    await wholeSet(stage);
  },
};

const mongoPausePrimary: Fault = {
  target: primaryName,
  perform: async (stage, { target, hold }) => {
    stage.world.stack.pause(target);
    try {
      await hold();
    } finally {
      stage.world.stack.resume(target);
    }
    await wholeSet(stage);
  },
};

/** What is written while the secondaries are down is on one disk only; the set goes on without it. */
const mongoRollBack: Fault = {
  target: primaryName,
  perform: async (stage, { target, hold }) => {
    const server = mongo(stage);
    const primary = stage.world.stack.process(target);
    const secondaries = server.processes.filter(({ name }) => name !== target);
    await Promise.all(secondaries.map((member) => member.kill()));
    // Shorter than the primary takes to notice that it is alone and step down.
    await hold();
    await primary.kill();
    await Promise.all(secondaries.map((member) => member.start()));
    const elected = await until(async () => {
      const name = await server.primary().then(
        (member) => member.name,
        () => undefined,
      );
      return name !== undefined && name !== target;
    }, FAILOVER_MS);
    if (!elected) throw new Error('the secondaries have not elected a primary');
    await delay(2_000);
    await wholeSet(stage);
  },
};

function killOneOf(server: (stage: Stage) => Server): Fault {
  return {
    target: (stage, draw) => drawn(server(stage).processes, draw).name,
    perform: async (stage, { target, hold }) => {
      await stage.world.stack.process(target).kill();
      await hold();
      await server(stage).start();
    },
  };
}

function killAllOf(server: (stage: Stage) => Server): Fault {
  return {
    target: () => 'all',
    perform: async (stage, { hold }) => {
      await server(stage).kill();
      await hold();
      await server(stage).start();
    },
  };
}

const natsWipe: Fault = {
  target: () => 'all',
  perform: (stage) => nats(stage).wipe(),
};

const redisFlush: Fault = {
  target: () => 'all masters',
  perform: async (stage) => {
    for (const address of redis(stage).url.replace('redis://', '').split(',')) {
      const node = new Redis(`redis://${address}`, { maxRetriesPerRequest: 1, commandTimeout: 2_000 });
      node.on('error', () => undefined);
      // A replica refuses: it loses what its master loses.
      await node.flushall().catch(() => undefined);
      node.disconnect();
    }
  },
};
