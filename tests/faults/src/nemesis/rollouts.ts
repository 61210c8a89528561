import { buildEnvironment } from '@godwit/local-stack/build';
import type { ServiceBuild } from '@godwit/local-stack/stack';
import { GODWIT_FLEET } from '@godwit/local-stack/topology';
import type { Fault, Stage } from './faults.js';

/** As a person would who wants to be careful: who is called before who calls. */
const CALLED_FIRST = ['message-store', 'session', 'account', 'group', 'presence', 'push', 'router', 'edge'];

export function rollouts(): [string, Fault][] {
  return [
    ['roll-forward', rollout('now', oneByOne(CALLED_FIRST))],
    ['roll-back', rollout('released', atOnce)],
    ['roll-edges-first', rollout('now', oneByOne([...CALLED_FIRST].reverse()))],
  ];
}

type Build = 'now' | 'released';
type Order = (roll: (service: string) => Promise<void>) => Promise<void>;

/** Each service by itself and one replica of it after the other, all services at the same time: as `kubectl apply` does. */
const atOnce: Order = async (roll) => {
  await Promise.all(CALLED_FIRST.map((service) => roll(service)));
};

function oneByOne(services: readonly string[]): Order {
  return async (roll) => {
    for (const service of services) await roll(service);
  };
}

function rollout(build: Build, order: Order): Fault {
  return {
    target: ({ world: { release } }) => {
      if (release === undefined) throw new Error('this fleet was started without a release');
      return build === 'now' ? 'to the build of now' : `to ${release.version} (${release.revision.slice(0, 12)})`;
    },
    perform: (stage, { hold }) =>
      order(async (service) => {
        for (const [index, name] of stage.world.replicasOf(service).entries()) {
          // The builds live side by side for a while.
          if (index > 0) await hold();
          await stage.world.stack.roll(name, buildOf(stage, service, build));
        }
      }),
  };
}

function buildOf({ world: { release } }: Stage, service: string, build: Build): ServiceBuild {
  if (build === 'released' && release !== undefined) return release.buildOf(service);
  const found = GODWIT_FLEET.find((one) => one.service === service);
  if (found === undefined) throw new RangeError(`there is no ${service}`);
  return { main: found.main, env: buildEnvironment() };
}
