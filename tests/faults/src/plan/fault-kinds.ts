/** What the nemesis can do. The weight says how often beside the others; `hold` how long it lasts, in ms. */
export interface FaultKind {
  readonly name: string;
  readonly weight: number;
  readonly hold: readonly [from: number, to: number];
  /**
   * The contract's ten seconds hold through it, counted from the ack. Not so where the device itself is cut off, frozen
   * with its edge, or MongoDB is away: there they count from the end.
   */
  readonly strict: boolean;
  /** Needs more than one member of that server, that library, or a fleet that was started as the last release. */
  readonly needs?: 'mongo-set' | 'nats-cluster' | 'redis-replicas' | 'faketime' | 'release';
  readonly says: string;
}

const SERVICES = ['edge', 'router', 'message-store', 'session', 'group', 'account', 'presence', 'push'] as const;
export type ServiceName = (typeof SERVICES)[number];

const ON_THE_PATH: ReadonlySet<ServiceName> = new Set(['edge', 'router', 'message-store', 'session']);

const kills = SERVICES.map((service): FaultKind => ({
  name: `kill-${service}`,
  weight: ON_THE_PATH.has(service) ? 6 : 1,
  hold: [0, 0],
  strict: true,
  says: `SIGKILL of one ${service}; its supervisor starts it again`,
}));

const pauses = SERVICES.map((service): FaultKind => ({
  name: `pause-${service}`,
  weight: ON_THE_PATH.has(service) ? 3 : 1,
  hold: [5_000, 20_000],
  strict: false,
  says: `SIGSTOP of one ${service}, SIGCONT after the time`,
}));

const cuts = (['edge-router', 'router-store', 'edge-session', 'router-session'] as const).flatMap(
  (link): FaultKind[] => [
    {
      name: `net-cut-${link}`,
      weight: 2,
      hold: [4_000, 12_000],
      strict: false,
      says: `every connection between one ${link.replace('-', ' and one ')} broken and refused`,
    },
    {
      name: `net-hold-${link}`,
      weight: 2,
      hold: [4_000, 12_000],
      strict: false,
      says: `nothing passes between one ${link.replace('-', ' and one ')}, and nobody is told`,
    },
    {
      name: `net-one-way-${link}`,
      weight: 2,
      hold: [4_000, 12_000],
      strict: false,
      says: `answers between one ${link.replace('-', ' and one ')} do not arrive`,
    },
    {
      name: `net-slow-${link}`,
      weight: 1,
      hold: [4_000, 12_000],
      strict: true,
      says: `each chunk between one ${link.replace('-', ' and one ')} is 150 ms late`,
    },
  ],
);

const servers: readonly FaultKind[] = [
  {
    name: 'mongo-kill-primary',
    weight: 5,
    hold: [1_000, 6_000],
    strict: false,
    needs: 'mongo-set',
    says: 'SIGKILL of the primary, started again after the time',
  },
  {
    name: 'mongo-step-down',
    weight: 3,
    hold: [0, 0],
    strict: false,
    needs: 'mongo-set',
    says: 'the primary steps down',
  },
  {
    name: 'mongo-pause-primary',
    weight: 3,
    hold: [5_000, 15_000],
    strict: false,
    needs: 'mongo-set',
    says: 'SIGSTOP of the primary, SIGCONT after the time: it comes back believing it is one',
  },
  {
    name: 'mongo-roll-back',
    weight: 4,
    hold: [2_000, 3_000],
    strict: false,
    needs: 'mongo-set',
    says: 'both secondaries killed, writes go on, primary killed, secondaries started, then the old primary: it rolls back',
  },
  {
    name: 'nats-kill-one',
    weight: 2,
    hold: [2_000, 8_000],
    strict: true,
    needs: 'nats-cluster',
    says: 'SIGKILL of one nats-server',
  },
  { name: 'nats-kill-all', weight: 2, hold: [4_000, 10_000], strict: true, says: 'SIGKILL of every nats-server' },
  {
    name: 'nats-wipe',
    weight: 2,
    hold: [0, 0],
    strict: true,
    says: 'every nats-server killed, started on empty disks',
  },
  { name: 'redis-kill-one', weight: 2, hold: [4_000, 8_000], strict: true, says: 'SIGKILL of one Redis master' },
  { name: 'redis-flush', weight: 2, hold: [0, 0], strict: true, says: 'FLUSHALL on every master' },
  { name: 'redis-gone', weight: 2, hold: [4_000, 10_000], strict: true, says: 'SIGKILL of every Redis process' },
];

const others: readonly FaultKind[] = [
  {
    name: 'kill-router-and-store',
    weight: 4,
    hold: [0, 0],
    strict: true,
    says: 'SIGKILL of a router and a message-store at once',
  },
  { name: 'kill-both-stores', weight: 2, hold: [0, 0], strict: true, says: 'SIGKILL of all message-stores at once' },
  {
    name: 'rolling-restart',
    weight: 2,
    hold: [0, 0],
    strict: true,
    says: 'SIGTERM of every service, one replica after the other',
  },
  {
    name: 'drop-deliveries',
    weight: 4,
    hold: [2_000, 5_000],
    strict: false,
    says: 'what routers say to one edge is thrown away for the time, then the connections break',
  },
  {
    name: 'clients-cut',
    weight: 3,
    hold: [0, 0],
    strict: true,
    says: 'every client cut at once, half of them in the middle of a frame',
  },
  {
    name: 'clients-slow',
    weight: 2,
    hold: [4_000, 10_000],
    strict: false,
    says: 'a third of the clients stop reading',
  },
  {
    name: 'clock-skew',
    weight: 2,
    hold: [6_000, 12_000],
    strict: true,
    needs: 'faketime',
    says: 'the clock of one router or message-store jumps by up to two minutes, and back',
  },
];

/** Not by chance: each goes on from where the one before has left the fleet. */
const rollouts: readonly FaultKind[] = [
  {
    name: 'roll-forward',
    weight: 0,
    hold: [1_000, 2_000],
    strict: true,
    needs: 'release',
    says: 'every replica to the build of now, one after the other, edges last',
  },
  {
    name: 'roll-back',
    weight: 0,
    hold: [2_000, 4_000],
    strict: true,
    needs: 'release',
    says: 'every replica back to the last release, all services at the same time',
  },
  {
    name: 'roll-edges-first',
    weight: 0,
    hold: [1_000, 2_000],
    strict: true,
    needs: 'release',
    says: 'every replica to the build of now, one after the other, edges first',
  },
];

export const FAULT_KINDS: readonly FaultKind[] = [...kills, ...pauses, ...cuts, ...servers, ...others, ...rollouts];

/** Kinds whose names start with one of the words; all without words. */
export function chosenKinds(words: readonly string[]): FaultKind[] {
  if (words.length === 0) return [...FAULT_KINDS];
  for (const word of words) {
    if (!FAULT_KINDS.some(({ name }) => name.startsWith(word))) {
      throw new RangeError(`no fault ${word}: there are ${FAULT_KINDS.map(({ name }) => name).join(', ')}`);
    }
  }
  return FAULT_KINDS.filter(({ name }) => words.some((word) => name.startsWith(word)));
}
