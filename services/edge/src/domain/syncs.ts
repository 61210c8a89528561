import type { Clock } from '@godwit/runtime/clock';
import type { Connection } from './connection.js';
import { LiveQueue, type LiveDelivery, type LiveQueueBounds } from './live-queue.js';
import type { OutboundFrame } from './outbound-frame.js';
import { Positions } from './positions.js';
import { CloseCode } from './socket.js';
import { SyncCredit } from './sync-credit.js';
import { SyncRound, type Cursor, type SyncEvent, type SyncStart } from './sync-round.js';

export interface SyncRequest extends SyncStart {
  readonly syncId: number;
  readonly userId: string;
  readonly deviceId: string;
  readonly recheck: boolean;
}

/** Whoever can answer a sync: the routers. */
export interface SyncSource {
  /** Asks the router of the user; gives its name, or undefined when none can be reached now. */
  open(request: SyncRequest): string | undefined;
  credit(node: string, syncId: number, messages: number): void;
  close(node: string, syncId: number): void;
}

/** Writes to a socket, now or with what else there is for it. */
export type Emit = (connection: Connection, frame: OutboundFrame) => void;

export interface SyncOptions {
  readonly source: SyncSource;
  readonly clock: Clock;
  readonly queueBounds: LiveQueueBounds;
  /** Bytes that a socket may lag behind before a sync waits for it. */
  readonly highWaterBytes: number;
  /** How long after a complete sync heads are compared once more. */
  readonly recheckMs: number;
  readonly completeFrame: (serverTimeMs: number) => OutboundFrame;
  readonly failedFrame: (reason: string, message: string) => OutboundFrame;
  /** `connection.recheckAt` has been set. */
  readonly planned: (connection: Connection) => void;
  /** A first sync is complete, and how long it took. */
  readonly completed: (milliseconds: number) => void;
  /** A recheck of a live socket has found a message. */
  readonly found: () => void;
}

/** Cursors of a `hello` or a recheck at most; the server's own serve for the rest. */
export const MAX_CURSORS = 500;
/** A device that is written to faster than rounds can catch up with is better off elsewhere. */
const MAX_ANSWERS = 8;
const MAX_RESTARTS = 4;
/** A router that says nothing for this long, though the device has acked, has forgotten the sync. */
const SILENT_MS = 30_000;
/** Nobody can be asked for this long: the device tries another edge. */
const UNREACHABLE_MS = 10_000;
/** Events held for one slow socket at most: 256 messages are let through at a time, the rest is small. */
const MAX_HELD = 10_000;

const emitNow: Emit = (connection, frame) => {
  connection.send(frame);
};

const NOTHING: SyncStart = { cursors: [], marksSinceMs: 0 };

/** Finds what devices have missed, and keeps live deliveries back until they have it. */
export class Syncs {
  readonly #options: SyncOptions;
  readonly #running = new Map<number, Connection>();
  readonly #unreached = new Set<Connection>();
  #lastId = 0;

  constructor(options: SyncOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running.size;
  }

  /** The device has said where it stands: from here on what comes for it waits. */
  prepare(connection: Connection, start: SyncStart): void {
    connection.positions = new Positions(MAX_CURSORS);
    connection.round = new SyncRound(start, new LiveQueue(this.#options.queueBounds));
    connection.round.startedAt = connection.round.heardAt = this.#options.clock.monotonic();
  }

  /** The session is registered: asks for what was missed. */
  begin(connection: Connection): void {
    connection.state = 'syncing';
    if (connection.round !== undefined) this.#open(connection, connection.round);
  }

  /** Asks whether a live socket has missed anything. */
  recheck(connection: Connection): void {
    if (connection.state !== 'live') return;
    if (connection.round !== undefined) {
      this.#plan(connection);
      return;
    }
    connection.recheckAt = 0;
    connection.round = new SyncRound(NOTHING, undefined);
    this.#open(connection, connection.round);
  }

  /** A live message, straight to a live socket or behind the sync. */
  deliver(connection: Connection, delivery: LiveDelivery, send: Emit): void {
    const queue = connection.round?.queue;
    if (queue === undefined) this.#hand(connection, delivery, send);
    else queue.add(delivery);
  }

  /** Several of one sync: what they have for the socket leaves in one piece. */
  onEvents(syncId: number, events: readonly SyncEvent[]): void {
    const connection = this.#running.get(syncId);
    if (connection === undefined) return;
    connection.socket.cork(() => {
      for (const event of events) this.onEvent(syncId, event);
    });
  }

  onEvent(syncId: number, event: SyncEvent): void {
    const connection = this.#running.get(syncId);
    const round = connection?.round;
    if (connection === undefined || round?.syncId !== syncId) return;
    round.heardAt = this.#options.clock.monotonic();
    if (round.held.length === 0 && connection.socket.buffered <= this.#options.highWaterBytes) {
      this.#apply(connection, round, event);
    } else if (round.held.length < MAX_HELD) round.held.push(event);
    else this.#giveUp(connection, 'the socket reads too slowly');
  }

  /** The socket has room again. */
  onDrain(connection: Connection): void {
    const { round } = connection;
    if (round === undefined || round.held.length === 0) return;
    const held = round.held;
    let applied = 0;
    while (applied < held.length && connection.socket.buffered <= this.#options.highWaterBytes) {
      const event = held[applied++];
      // The last event may end this round and begin another.
      if (event !== undefined && connection.round === round) this.#apply(connection, round, event);
    }
    round.held = held.slice(applied);
  }

  onAck(connection: Connection, { conversationId, seq }: Cursor): void {
    const { round } = connection;
    if (round === undefined || round.node === '') return;
    round.credit.acked(conversationId, seq);
    const credits = round.credit.take();
    if (credits > 0) this.#options.source.credit(round.node, round.syncId, credits);
  }

  onClose(connection: Connection): void {
    const { round } = connection;
    this.#unreached.delete(connection);
    connection.round = undefined;
    connection.positions = undefined;
    if (round === undefined || round.syncId === 0) return;
    this.#running.delete(round.syncId);
    if (round.node !== '') this.#options.source.close(round.node, round.syncId);
  }

  /** The router is lost: its syncs are asked of another. */
  onNodeDown(node: string): void {
    for (const connection of [...this.#running.values()]) {
      if (connection.round?.node === node) this.#restart(connection, connection.round);
    }
  }

  /** Call it a few times a second. */
  tick(): void {
    const now = this.#options.clock.monotonic();
    for (const connection of [...this.#unreached]) {
      const { round } = connection;
      if (round === undefined) this.#unreached.delete(connection);
      else if (round.isFirst && now - round.heardAt > UNREACHABLE_MS) this.#giveUp(connection, 'no router answers');
      else this.#open(connection, round);
    }
  }

  /** Call it every few seconds. */
  checkSilent(): void {
    const silentSince = this.#options.clock.monotonic() - SILENT_MS;
    for (const connection of [...this.#running.values()]) {
      const { round } = connection;
      if (round === undefined || round.heardAt > silentSince) continue;
      // With messages out that the device has not acked, the router waits for us.
      if (round.credit.outstanding > 0 || round.held.length > 0) continue;
      this.#restart(connection, round);
    }
  }

  #open(connection: Connection, round: SyncRound): void {
    this.#running.delete(round.syncId);
    this.#lastId += 1;
    round.syncId = this.#lastId;
    round.credit = new SyncCredit();
    const node = this.#options.source.open({
      syncId: round.syncId,
      userId: connection.userId,
      deviceId: connection.deviceId,
      cursors: this.#cursorsOf(connection, round),
      marksSinceMs: round.start.marksSinceMs,
      recheck: !round.isFirst || round.answers > 0,
    });
    round.node = node ?? '';
    if (node === undefined) {
      this.#unreached.add(connection);
      return;
    }
    this.#unreached.delete(connection);
    round.heardAt = this.#options.clock.monotonic();
    this.#running.set(round.syncId, connection);
  }

  #restart(connection: Connection, round: SyncRound): void {
    this.#running.delete(round.syncId);
    round.held = [];
    round.restarts += 1;
    if (round.restarts <= MAX_RESTARTS) this.#open(connection, round);
    else if (round.isFirst) this.#giveUp(connection, 'routers are lost one after the other');
    else {
      this.#end(connection, round);
      this.#plan(connection);
    }
  }

  /** What was handed over by now goes before what the device said at first. */
  #cursorsOf({ positions }: Connection, { start }: SyncRound): Cursor[] {
    const handed = Array.from(positions?.entries() ?? [], ([conversationId, seq]) => ({ conversationId, seq }));
    const said = start.cursors.filter(({ conversationId }) => positions?.get(conversationId) === undefined);
    return [...handed, ...said].slice(0, MAX_CURSORS);
  }

  #apply(connection: Connection, round: SyncRound, event: SyncEvent): void {
    switch (event.kind) {
      case 'message':
        if (!round.isFirst) this.#options.found();
        round.credit.sent(event.conversationId, event.seq);
        connection.positions?.covered(event.conversationId, event.seq);
        connection.send(event.frame);
        return;
      case 'covered':
        connection.positions?.covered(event.conversationId, event.seq);
        connection.send(event.frame);
        return;
      case 'mark':
        connection.send(event.frame);
        return;
      case 'done':
        this.#answered(connection, round, event.serverTimeMs);
        return;
      case 'failed':
        this.#failed(connection, round, event);
    }
  }

  #answered(connection: Connection, round: SyncRound, serverTimeMs: number): void {
    round.answers += 1;
    if (round.queue === undefined) {
      this.#end(connection, round);
      if (connection.recheckAt === 0) connection.positions = undefined;
      return;
    }
    const { overflowed } = round.queue;
    connection.socket.cork(() => {
      for (const delivery of round.queue?.take() ?? []) this.#hand(connection, delivery, emitNow);
      if (!overflowed) connection.send(this.#options.completeFrame(serverTimeMs));
    });
    if (!overflowed) this.#complete(connection, round);
    else if (round.answers >= MAX_ANSWERS) this.#giveUp(connection, 'messages come faster than they are taken');
    else this.#open(connection, round);
  }

  #hand(connection: Connection, delivery: LiveDelivery, send: Emit): void {
    const { positions } = connection;
    const { conversationId, seq } = delivery;
    if (positions?.has(conversationId, seq) === true) return;
    if (delivery.start !== undefined) {
      positions?.covered(conversationId, seq - 1);
      send(connection, delivery.start);
    }
    positions?.handed(conversationId, seq);
    send(connection, delivery.frame);
  }

  #complete(connection: Connection, round: SyncRound): void {
    this.#end(connection, round);
    if (!connection.isOpen) return;
    connection.state = 'live';
    this.#options.completed(this.#options.clock.monotonic() - round.startedAt);
    this.#plan(connection);
  }

  #plan(connection: Connection): void {
    connection.recheckAt = this.#options.clock.now() + this.#options.recheckMs;
    this.#options.planned(connection);
  }

  #failed(connection: Connection, round: SyncRound, { reason, message }: { reason: string; message: string }): void {
    if (round.isFirst) {
      connection.send(this.#options.failedFrame(reason, message));
      this.#giveUp(connection, 'the sync failed');
      return;
    }
    // A live socket goes on, and is looked after a little later.
    this.#end(connection, round);
    this.#plan(connection);
  }

  #end(connection: Connection, round: SyncRound): void {
    this.#running.delete(round.syncId);
    connection.round = undefined;
  }

  #giveUp(connection: Connection, reason: string): void {
    connection.close(CloseCode.tryAgainLater, reason);
  }
}
