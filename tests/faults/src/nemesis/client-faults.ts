import type { Fault } from './faults.js';

export function clientFaults(): [string, Fault][] {
  return [
    ['clients-cut', cutAll],
    ['clients-slow', slowSome],
  ];
}

const cutAll: Fault = {
  target: () => 'all clients',
  perform: async ({ crew }) => {
    for (const [index, device] of crew.all.entries()) device.cut(index % 2 === 0);
  },
};

const slowSome: Fault = {
  target: () => 'a third of the clients',
  perform: async ({ crew }, { hold, draw, holdMs }) => {
    const slow = crew.all.filter((_, index) => (index + draw) % 3 === 0);
    for (const device of slow) device.slow(holdMs);
    await hold();
  },
};
