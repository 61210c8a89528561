import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '@godwit/runtime/clock';
import { Connections } from '../src/domain/connections.js';
import type { Connection } from '../src/domain/connection.js';
import type { OutboundFrame } from '../src/domain/outbound-frame.js';
import type { Socket } from '../src/domain/socket.js';
import type { SyncEvent } from '../src/domain/sync-round.js';
import { Syncs, type SyncRequest } from '../src/domain/syncs.js';

// A device, the logs of its conversations, and routers that read them; live deliveries come, are lost, come twice. In the
// end the device has everything.

const CONVERSATIONS = ['a', 'b'] as const;
type ConversationId = (typeof CONVERSATIONS)[number];
const WINDOW = 8;

const frameOf = (text: string): OutboundFrame => ({
  size: text.length,
  text: () => text,
  binary: () => new Uint8Array(),
});

class World {
  readonly clock = new ManualClock();
  readonly heads = new Map<string, number>(CONVERSATIONS.map((id) => [id, 0]));
  readonly seen = new Map<string, Set<number>>(CONVERSATIONS.map((id) => [id, new Set()]));
  readonly told: string[] = [];
  readonly connection: Connection;
  readonly syncs: Syncs;
  /** What the store knows of the device. */
  readonly stored = new Map<string, number>();
  buffered = 0;
  completed = 0;
  rechecks = 0;
  #node = 1;
  #round: { request: SyncRequest; credit: number; positions: Map<string, number> } | undefined;

  constructor(queueItems: number) {
    const bufferedBytes = (): number => this.buffered;
    const socket: Socket = {
      send: (text) => {
        this.#receive(String(text));
        return true;
      },
      cork: (work) => {
        work();
      },
      close: () => undefined,
      get buffered() {
        return bufferedBytes();
      },
    };
    this.connection = new Connections().open(socket, {
      userId: 'u',
      deviceId: 'd',
      address: '',
      json: true,
      tokenExpiresAt: Infinity,
    });
    this.syncs = new Syncs({
      clock: this.clock,
      queueBounds: { items: queueItems, bytes: 1e6 },
      highWaterBytes: 10,
      recheckMs: 5_000,
      completeFrame: () => frameOf('complete'),
      failedFrame: () => frameOf('failed'),
      planned: () => undefined,
      completed: () => {
        this.completed += 1;
      },
      found: () => undefined,
      source: {
        open: (request) => {
          const positions = new Map(this.stored);
          for (const { conversationId, seq } of request.cursors) positions.set(conversationId, seq);
          this.#round = { request, credit: WINDOW, positions };
          return `router-${String(this.#node)}`;
        },
        credit: (_node, syncId, messages) => {
          if (this.#round?.request.syncId === syncId) this.#round.credit += messages;
        },
        close: () => undefined,
      },
    });
  }

  append(conversationId: ConversationId, fate: 'live' | 'lost' | 'twice' | 'late'): void {
    const seq = (this.heads.get(conversationId) ?? 0) + 1;
    this.heads.set(conversationId, seq);
    if (fate === 'live' || fate === 'twice') this.deliver(conversationId, seq);
    if (fate === 'twice') this.deliver(conversationId, seq);
  }

  deliver(conversationId: string, seq: number): void {
    const delivery = {
      conversationId,
      seq,
      frame: frameOf(`deliver ${conversationId} ${String(seq)}`),
      start: undefined,
    };
    this.syncs.deliver(this.connection, delivery, (connection, frame) => {
      connection.send(frame);
    });
  }

  /** The router says one thing more of the sync that is under way; false: it has nothing to say now. */
  serve(): boolean {
    const round = this.#round;
    if (round === undefined) return false;
    for (const conversationId of CONVERSATIONS) {
      const at = round.positions.get(conversationId) ?? 0;
      if (at >= (this.heads.get(conversationId) ?? 0)) continue;
      if (round.credit === 0) return false;
      round.credit -= 1;
      round.positions.set(conversationId, at + 1);
      const frame = frameOf(`sync ${conversationId} ${String(at + 1)}`);
      this.#say({ kind: 'message', conversationId, seq: at + 1, frame });
      return true;
    }
    this.#round = undefined;
    this.rechecks += round.request.recheck ? 1 : 0;
    this.#say({ kind: 'done', serverTimeMs: 1 }, round.request.syncId);
    return true;
  }

  /** The sync that is under way, to be answered by the test itself. */
  takeRound(): number {
    const syncId = this.#round?.request.syncId ?? 0;
    this.#round = undefined;
    return syncId;
  }

  answer(syncId: number): void {
    this.#say({ kind: 'done', serverTimeMs: 1 }, syncId);
  }

  loseRouter(): void {
    this.#node += 1;
    this.syncs.onNodeDown(this.connection.round?.node ?? '');
  }

  ack(): void {
    for (const [conversationId, seen] of this.seen) {
      let seq = this.stored.get(conversationId) ?? 0;
      while (seen.has(seq + 1)) seq += 1;
      this.stored.set(conversationId, seq);
      this.syncs.onAck(this.connection, { conversationId, seq });
    }
  }

  /** Everything that is under way comes to its end. */
  settle(): void {
    for (let step = 0; step < 10_000; step++) {
      this.buffered = 0;
      this.syncs.onDrain(this.connection);
      this.ack();
      if (!this.serve() && this.connection.round === undefined) return;
    }
    throw new Error('it never settles');
  }

  #say(event: SyncEvent, syncId = this.#round?.request.syncId ?? 0): void {
    this.syncs.onEvent(syncId, event);
  }

  #receive(text: string): void {
    this.told.push(text);
    const [, conversationId = '', seq] = text.split(' ');
    if (seq !== undefined) this.seen.get(conversationId)?.add(Number(seq));
  }
}

const fates = fc.constantFrom('live' as const, 'lost' as const, 'twice' as const);
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        to: fc.constantFrom(...CONVERSATIONS),
        fate: fates,
      }),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('serve' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('ack' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('lag' as const), bytes: fc.constantFrom(0, 100) }) },
  ),
  { maxLength: 120 },
);

const run = (world: World, script: readonly { kind: string }[]): void => {
  for (const step of script as readonly { kind: string; to: ConversationId; fate: 'live'; bytes: number }[]) {
    if (step.kind === 'append') world.append(step.to, step.fate);
    else if (step.kind === 'serve') world.serve();
    else if (step.kind === 'ack') world.ack();
    else if (step.kind === 'lose' && (world.connection.round?.restarts ?? 9) < 3) world.loseRouter();
    else if (step.kind === 'lag') {
      world.buffered = step.bytes;
      world.syncs.onDrain(world.connection);
    }
  }
};

const scripts = fc.record({
  before: fc.nat({ max: 20 }),
  during: steps,
  after: steps,
  queueItems: fc.constantFrom(2, 1_000),
});

describe('syncs', () => {
  it('miss nothing, whatever is lost, doubled or delayed around them', () => {
    fc.assert(
      fc.property(scripts, ({ before, during, after, queueItems }) => {
        const world = new World(queueItems);
        for (let index = 0; index < before; index++) world.append('a', 'lost');
        world.syncs.prepare(world.connection, { cursors: [], marksSinceMs: 0 });
        world.connection.state = 'registering';
        world.append('b', 'live');
        world.syncs.begin(world.connection);
        run(world, during);
        world.settle();
        expect(world.told).toContain('complete');
        run(world, after);
        // The recheck 5 s later.
        world.settle();
        world.syncs.recheck(world.connection);
        world.settle();
        for (const [conversationId, head] of world.heads) {
          expect([conversationId, world.seen.get(conversationId)?.size]).toEqual([conversationId, head]);
        }
        expect(world.completed).toBe(1);
      }),
      { numRuns: 1_000 },
    );
  });

  it('come before what is live: until complete, each conversation is told in its order', () => {
    fc.assert(
      fc.property(fc.nat({ max: 20 }), steps, (before, during) => {
        const world = new World(1_000);
        for (let index = 0; index < before; index++) world.append('a', 'lost');
        world.syncs.prepare(world.connection, { cursors: [], marksSinceMs: 0 });
        world.connection.state = 'registering';
        world.syncs.begin(world.connection);
        run(
          world,
          during.filter((step) => step.kind !== 'lose'),
        );
        world.settle();
        const told = world.told.slice(0, world.told.indexOf('complete'));
        for (const conversationId of CONVERSATIONS) {
          const seqs = told
            .map((text) => text.split(' '))
            .filter(([, id]) => id === conversationId)
            .map(([, , seq]) => Number(seq));
          // A live one that came twice may be told twice: the device drops it.
          expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('whose queue overflows are complete only after another round', () => {
    const world = new World(2);
    world.syncs.prepare(world.connection, { cursors: [], marksSinceMs: 0 });
    world.connection.state = 'registering';
    world.syncs.begin(world.connection);
    // The router has read the log before these were appended.
    const first = world.takeRound();
    for (let index = 0; index < 6; index++) world.append('a', 'live');
    world.answer(first);
    expect(world.told).not.toContain('complete');
    world.settle();
    expect(world.told.indexOf('complete')).toBeGreaterThan(world.told.indexOf('sync a 6'));
    expect(world.seen.get('a')?.size).toBe(6);
  });
});
