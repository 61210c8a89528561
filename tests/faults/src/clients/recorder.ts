import type { ClientEvent, DeviceInfo } from '../history.js';

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** What a client has to say; whose it is and when is added. */
export type Said = Without<ClientEvent, 'at' | 'deviceId'>;

/** Takes down what all clients see, in the order in which it happens. */
export class Recorder {
  readonly events: ClientEvent[] = [];
  readonly devices: DeviceInfo[] = [];
  readonly #startedAt = performance.now();
  readonly epochMs = Date.now();
  #listener: ((event: ClientEvent) => void) | undefined;

  /** Ms since the run began. */
  now(): number {
    return Math.round(performance.now() - this.#startedAt);
  }

  listen(listener: (event: ClientEvent) => void): void {
    this.#listener = listener;
  }

  of(device: DeviceInfo): DeviceRecord {
    this.devices.push(device);
    return new DeviceRecord(device, (said) => {
      const event = { ...said, at: this.now(), deviceId: device.deviceId } as ClientEvent;
      this.events.push(event);
      this.#listener?.(event);
    });
  }
}

/** A message that was acked, and all that is needed to send the same bytes again. */
export interface Acked {
  readonly id: string;
  readonly seq: number;
  readonly text: string;
  readonly expiresAtMs: number;
}

/** The page of one device. It answers what the workload needs to know: what is open, what was acked, what was seen. */
export class DeviceRecord {
  readonly device: DeviceInfo;
  readonly #write: (said: Said) => void;
  readonly #open = new Map<string, { readonly conversationId: string; readonly id: string }>();
  readonly #lastAcked = new Map<string, Acked>();
  readonly #offers = new Map<string, { readonly text: string; readonly expiresAtMs: number }>();
  readonly #seen = new Map<string, number>();
  online = false;

  constructor(device: DeviceInfo, write: (said: Said) => void) {
    this.device = device;
    this.#write = write;
  }

  /** Sends without an answer. */
  get open(): number {
    return this.#open.size;
  }

  /** The newest of its own messages there that was acked. */
  lastAcked(conversationId: string): Acked | undefined {
    return this.#lastAcked.get(conversationId);
  }

  seen(conversationId: string): number {
    return this.#seen.get(conversationId) ?? 0;
  }

  life(remembers: boolean): void {
    if (!remembers) this.#open.clear();
    this.#write({ what: 'life', remembers });
  }

  state(online: boolean, detail: string): void {
    if (online === this.online) return;
    this.online = online;
    this.#write({ what: 'state', online, detail });
  }

  disturbed(how: Extract<ClientEvent, { what: 'disturbed' }>['how'], untilMs = 0): void {
    this.#write({ what: 'disturbed', how, untilMs });
  }

  offered(offer: { conversationId: string; id: string; text: string; expiresAtMs: number }): void {
    const { conversationId, id, text, expiresAtMs } = offer;
    this.#open.set(`${conversationId} ${id}`, { conversationId, id });
    this.#offers.set(`${conversationId} ${id}`, { text, expiresAtMs });
    this.#write({ what: 'offered', ...offer });
  }

  acked(ack: { conversationId: string; id: string; seq: number; serverTimeMs: number }): void {
    const key = `${ack.conversationId} ${ack.id}`;
    this.#open.delete(key);
    const offer = this.#offers.get(key);
    if (offer !== undefined) this.#lastAcked.set(ack.conversationId, { id: ack.id, seq: ack.seq, ...offer });
    this.#saw(ack.conversationId, ack.seq);
    this.#write({ what: 'acked', ...ack });
  }

  refused(refusal: { conversationId: string; id: string; reason: string; final: boolean }): void {
    if (refusal.final) this.#open.delete(`${refusal.conversationId} ${refusal.id}`);
    this.#write({ what: 'refused', ...refusal });
  }

  shown(message: Omit<Extract<Said, { what: 'shown' }>, 'what'>): void {
    this.#saw(message.conversationId, message.seq);
    this.#write({ what: 'shown', ...message });
  }

  say(said: Extract<Said, { what: 'received' | 'gone' | 'position' | 'receipt' | 'changed' }>): void {
    if (said.what === 'gone') this.#saw(said.conversationId, said.toSeq);
    this.#write(said);
  }

  #saw(conversationId: string, seq: number): void {
    this.#seen.set(conversationId, Math.max(seq, this.seen(conversationId)));
  }
}
