import type { ClientKind } from '../history.js';
import { Random } from '../random.js';
import type { FaultKind } from './fault-kinds.js';

export interface PlanOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Sends a second, of all devices together. */
  readonly rate: number;
  readonly users: number;
  readonly kinds: readonly FaultKind[];
  /** Each of the kinds once, in their order, instead of by weight. */
  readonly inTurn?: boolean;
  /** Short faults and short pauses between them. */
  readonly brisk?: boolean;
}

/** Everything a run does by itself, made from the seed alone. Users and devices are named by index. */
export interface Plan {
  readonly seed: number;
  readonly minutes: number;
  readonly rate: number;
  readonly users: readonly PlannedUser[];
  readonly conversations: readonly PlannedConversation[];
  readonly actions: readonly Action[];
  readonly faults: readonly PlannedFault[];
}

export interface PlannedUser {
  readonly devices: readonly { readonly client: ClientKind; readonly restless: boolean }[];
}

export interface PlannedConversation {
  readonly name: string;
  readonly kind: 'private' | 'group';
  /** Of a group the owner first. */
  readonly members: readonly number[];
}

export interface PlannedFault {
  readonly kind: string;
  readonly holdMs: number;
  /** Before it. */
  readonly quietMs: number;
  /** Chooses whom it hits among those there are. */
  readonly draw: number;
}

export interface DeviceRef {
  readonly user: number;
  readonly device: number;
}

interface Timed {
  readonly at: number;
}

export type Action = Timed &
  (
    | {
        readonly do: 'send';
        readonly by: DeviceRef;
        readonly conversation: string;
        readonly padding: number;
        readonly expiresInMs: number;
      }
    | { readonly do: 'repeat' | 'delete' | 'read'; readonly by: DeviceRef; readonly conversation: string }
    | { readonly do: 'offline'; readonly by: DeviceRef; readonly forMs: number; readonly remembers: boolean }
    | { readonly do: 'cut'; readonly by: DeviceRef; readonly midFrame: boolean }
    | { readonly do: 'slow'; readonly by: DeviceRef; readonly forMs: number }
    | { readonly do: 'elsewhere'; readonly by: DeviceRef }
    | { readonly do: 'remove' | 'add'; readonly conversation: string; readonly user: number }
  );

export const HOT = 'hot';

export function makePlan(options: PlanOptions): Plan {
  const { seed, minutes, rate } = options;
  const root = new Random(seed);
  const [people, chats, traffic, trouble] = [root.fork(), root.fork(), root.fork(), root.fork()];
  const users = Array.from({ length: options.users }, (_, index) => plannedUser(people, index));
  const conversations = plannedConversations(chats, users.length);
  const ms = minutes * 60_000;
  const actions = [
    ...plannedSends(traffic.fork(), { users, conversations, rate, ms }),
    ...plannedUnrest(traffic.fork(), { users, ms }),
    ...plannedChurn(traffic.fork(), { conversations, ms }),
  ].sort((a, b) => a.at - b.at);
  const faults = plannedFaults(trouble, options);
  return { seed, minutes, rate, users, conversations, actions, faults };
}

function plannedUser(random: Random, index: number): PlannedUser {
  const clients: ClientKind[] = ['sdk', random.pick(['foreign', 'sdk-json', 'foreign'] as const)];
  if (random.perMille(300)) clients.push('sdk');
  // The first device of everybody stays where it is: somebody must see what a quiet client sees.
  return { devices: clients.map((client, device) => ({ client, restless: device > 0 && (index + device) % 3 > 0 })) };
}

function plannedConversations(random: Random, users: number): PlannedConversation[] {
  const everybody = Array.from({ length: users }, (_, user) => user);
  const groups = Array.from({ length: Math.max(2, Math.floor(users / 3)) }, (_, index): PlannedConversation => {
    const members = random.some(everybody, random.int(3, Math.max(3, Math.min(8, users - 1))));
    return { name: `group-${String(index)}`, kind: 'group', members };
  });
  const pairs = new Map<string, PlannedConversation>();
  while (pairs.size < Math.min(users, (users * (users - 1)) / 2)) {
    const members = random.some(everybody, 2).sort((a, b) => a - b);
    const name = `private-${members.join('-')}`;
    pairs.set(name, { name, kind: 'private', members });
  }
  return [{ name: HOT, kind: 'group', members: everybody }, ...groups, ...pairs.values()];
}

interface Traffic {
  readonly users: readonly PlannedUser[];
  readonly conversations: readonly PlannedConversation[];
  readonly rate: number;
  readonly ms: number;
}

function plannedSends(random: Random, { users, conversations, rate, ms }: Traffic): Action[] {
  const [hot, ...rest] = conversations;
  if (hot === undefined) return [];
  const actions: Action[] = [];
  const gap = Math.max(2, Math.round(2_000 / rate));
  for (let at = random.int(0, gap); at < ms; at += random.int(1, gap - 1)) {
    const conversation = random.perMille(300) ? hot : random.pick(rest);
    const user = random.pick(conversation.members);
    const by = { user, device: random.int(0, (users[user]?.devices.length ?? 1) - 1) };
    actions.push(plannedMessage(random, { at, by, conversation: conversation.name }));
  }
  return actions;
}

function plannedMessage(random: Random, where: { at: number; by: DeviceRef; conversation: string }): Action {
  const what = random.weighted([
    ['send', 880],
    ['read', 70],
    ['repeat', 40],
    ['delete', 10],
  ] as const);
  if (what !== 'send') return { ...where, do: what };
  const expiresInMs = random.perMille(15) ? random.int(5_000, 15_000) : 0;
  return {
    ...where,
    do: 'send',
    padding: random.perMille(20) ? random.int(1_000, 8_000) : random.int(0, 120),
    expiresInMs,
  };
}

function plannedUnrest(random: Random, { users, ms }: Pick<Traffic, 'users' | 'ms'>): Action[] {
  const actions: Action[] = [];
  for (const [user, { devices }] of users.entries()) {
    for (const [device, { restless }] of devices.entries()) {
      if (!restless) continue;
      for (let at = random.int(4_000, 20_000); at < ms; at += random.int(15_000, 40_000)) {
        actions.push(plannedAbsence(random, at, { user, device }));
      }
    }
  }
  return actions;
}

function plannedAbsence(random: Random, at: number, by: DeviceRef): Action {
  const what = random.weighted([
    ['offline', 5],
    ['cut', 3],
    ['slow', 2],
    ['elsewhere', 2],
  ] as const);
  switch (what) {
    case 'offline':
      return { at, do: what, by, forMs: random.int(1_000, 14_000), remembers: random.perMille(800) };
    case 'cut':
      return { at, do: what, by, midFrame: random.perMille(600) };
    case 'slow':
      return { at, do: what, by, forMs: random.int(2_000, 8_000) };
    case 'elsewhere':
      return { at, do: what, by };
  }
}

function plannedChurn(random: Random, { conversations, ms }: Pick<Traffic, 'conversations' | 'ms'>): Action[] {
  const actions: Action[] = [];
  for (const { name, kind, members } of conversations) {
    // The hot group goes through changes too, at half the pace.
    if (kind !== 'group') continue;
    const pace = name === HOT ? 40_000 : 20_000;
    for (let at = random.int(5_000, pace); at < ms; at += random.int(pace / 2, pace * 2)) {
      const user = random.pick(members.slice(1));
      const back = at + random.int(2_000, 12_000);
      actions.push({ at, do: 'remove', conversation: name, user });
      if (back < ms) actions.push({ at: back, do: 'add', conversation: name, user });
    }
  }
  return actions;
}

/** More than there will be time for: how long one takes shows only when it is done. */
function plannedFaults(random: Random, { kinds, minutes, inTurn, brisk }: PlanOptions): PlannedFault[] {
  if (kinds.length === 0) return [];
  const pace = brisk === true ? BRISK : CALM;
  if (inTurn === true) return kinds.map((kind) => plannedFault(random, kind, pace));
  const weighted = kinds.map((kind) => [kind, kind.weight] as const);
  const count = Math.ceil(minutes * pace.mostAMinute) + 2;
  return Array.from({ length: count }, () => plannedFault(random, random.weighted(weighted), pace));
}

interface Pace {
  readonly quiet: readonly [from: number, to: number];
  readonly longestHold: number;
  readonly mostAMinute: number;
}

const CALM: Pace = { quiet: [3_000, 12_000], longestHold: Infinity, mostAMinute: 12 };
const BRISK: Pace = { quiet: [2_000, 5_000], longestHold: 4_000, mostAMinute: 25 };

function plannedFault(random: Random, { name, hold }: FaultKind, { quiet, longestHold }: Pace): PlannedFault {
  const holdMs = Math.min(longestHold, random.int(...hold));
  return { kind: name, holdMs, quietMs: random.int(...quiet), draw: random.int(0, 0xffff) };
}
