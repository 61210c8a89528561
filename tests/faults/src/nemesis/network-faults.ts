import type { ProxyMode } from '../world/tcp-proxy.js';
import type { LinkName, Wire } from '../world/world.js';
import { drawn, type Fault, type Stage } from './faults.js';

const LINKS: readonly LinkName[] = ['edge-router', 'router-store', 'edge-session', 'router-session'];
const MODES: readonly (readonly [string, ProxyMode])[] = [
  ['cut', 'cut'],
  ['hold', 'held'],
  ['one-way', 'one-way'],
  ['slow', 'slow'],
];

export function networkFaults(): [string, Fault][] {
  const between = LINKS.flatMap((link) =>
    MODES.map(([word, mode]): [string, Fault] => [`net-${word}-${link}`, betweenTwo(link, mode)]),
  );
  return [...between, ['drop-deliveries', dropDeliveries]];
}

function nameOf({ from, to }: Wire): string {
  return `${from}>${to}`;
}

function betweenTwo(link: LinkName, mode: ProxyMode): Fault {
  return {
    target: ({ world }, draw) => nameOf(drawn(world.wiresOf(link), draw)),
    perform: (stage, { target, hold }) => during(stage, { mode, hold, isHit: (wire) => nameOf(wire) === target }),
  };
}

const dropDeliveries: Fault = {
  target: ({ world }, draw) => drawn(world.replicasOf('edge'), draw),
  perform: (stage, { target, hold }) =>
    during(stage, { mode: 'dropped', hold, isHit: ({ link, from }) => link === 'edge-router' && from === target }),
};

interface Trouble {
  readonly mode: ProxyMode;
  readonly isHit: (wire: Wire) => boolean;
  readonly hold: () => Promise<void>;
}

async function during({ world }: Stage, { mode, isHit, hold }: Trouble): Promise<void> {
  const hit = world.wires.filter(isHit);
  for (const { proxy } of hit) proxy.mode = mode;
  try {
    await hold();
  } finally {
    for (const { proxy } of hit) proxy.mode = 'open';
  }
}
