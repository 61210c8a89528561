import { setTimeout as delay } from 'node:timers/promises';
import type { Crew } from './clients/crew.js';
import type { DeviceClient } from './clients/device-client.js';
import type { Recorder } from './clients/recorder.js';
import { HOT, type Action, type DeviceRef, type Plan } from './plan/plan.js';

/** Sends of one device that may wait for their acks; what is planned beyond them is not offered. */
const MOST_OPEN = 60;

/** Carries out what is planned, when it is planned, whatever the fleet is going through. */
export class Workload {
  readonly #crew: Crew;
  readonly #plan: Plan;
  readonly #recorder: Recorder;
  readonly #away = new Set<DeviceClient>();
  readonly #background = new Set<Promise<void>>();
  #sent = 0;
  /** Planned sends that were not offered, because too many of that device were open or it was off. */
  skipped = 0;
  /** Changes of members that were asked for and not confirmed. */
  unconfirmedChanges = 0;

  constructor(crew: Crew, plan: Plan, recorder: Recorder) {
    this.#crew = crew;
    this.#plan = plan;
    this.#recorder = recorder;
  }

  async run(signal: AbortSignal): Promise<void> {
    const start = performance.now();
    for (const action of this.#plan.actions) {
      const early = action.at - (performance.now() - start);
      if (early > 1) await delay(early, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      this.#do(action);
    }
    const rest = this.#plan.minutes * 60_000 - (performance.now() - start);
    if (rest > 0 && !signal.aborted) await delay(rest, undefined, { signal }).catch(() => undefined);
    await Promise.all(this.#background);
  }

  #do(action: Action): void {
    switch (action.do) {
      case 'send':
        this.#send(action);
        return;
      case 'repeat':
        this.#on(action.by, (device) => {
          device.repeat(this.#id(action.conversation));
        });
        return;
      case 'delete':
        this.#on(action.by, (device) => {
          device.remove(this.#id(action.conversation));
        });
        return;
      case 'read':
        this.#on(action.by, (device) => {
          device.read(this.#id(action.conversation));
        });
        return;
      case 'offline':
        this.#on(action.by, (device) => {
          this.#keep(this.#absence(device, action));
        });
        return;
      case 'cut':
        this.#on(action.by, (device) => {
          device.cut(action.midFrame);
        });
        return;
      case 'slow':
        this.#on(action.by, (device) => {
          device.slow(action.forMs);
        });
        return;
      case 'elsewhere':
        this.#on(action.by, (device) => {
          device.elsewhere();
        });
        return;
      case 'add':
      case 'remove':
        this.#keep(this.#change(action));
    }
  }

  #on({ user, device }: DeviceRef, act: (device: DeviceClient) => void): void {
    const client = this.#crew.device(user, device);
    if (!this.#away.has(client)) act(client);
  }

  #send({ by, conversation, padding, expiresInMs }: Extract<Action, { do: 'send' }>): void {
    const device = this.#crew.device(by.user, by.device);
    if (this.#away.has(device) || device.record.open >= MOST_OPEN) {
      this.skipped += 1;
      return;
    }
    this.#sent += 1;
    const id = `m${String(this.#sent)}-${String(by.user)}-${String(by.device)}`;
    device.send({
      conversationId: this.#id(conversation),
      id,
      text: `${id} ${'.'.repeat(padding)}`,
      expiresAtMs: expiresInMs === 0 ? 0 : Date.now() + expiresInMs,
    });
  }

  async #absence(device: DeviceClient, { forMs, remembers }: Extract<Action, { do: 'offline' }>): Promise<void> {
    this.#away.add(device);
    device.record.disturbed('offline', forMs);
    await device.end();
    await delay(forMs);
    device.begin(remembers);
    this.#away.delete(device);
  }

  async #change({ do: what, conversation, user }: Extract<Action, { do: 'add' | 'remove' }>): Promise<void> {
    const owner = this.#plan.conversations.find(({ name }) => name === conversation)?.members[0] ?? 0;
    const change = what === 'add' ? 'added' : 'removed';
    try {
      await this.#crew.sdk(owner).changeMembers(change, this.#id(conversation), [this.#crew.userId(user)]);
    } catch {
      // Whether it happened is in the log; nothing was promised.
      this.unconfirmedChanges += 1;
    }
  }

  #keep(work: Promise<void>): void {
    const kept = work.finally(() => this.#background.delete(kept));
    this.#background.add(kept);
  }

  #id(conversation: string): string {
    return this.#crew.conversations.get(conversation) ?? '';
  }

  /** Sends that wait for an answer. */
  get open(): number {
    return this.#crew.all.reduce((sum, { record }) => sum + record.open, 0);
  }

  get offered(): number {
    return this.#sent;
  }

  /** Everybody says a last word, in the one conversation that everybody is in. */
  lastWords(): void {
    for (const [user, devices] of this.#crew.devices.entries()) {
      for (const device of devices) {
        const id = `last-${String(user)}-${device.record.device.deviceId.slice(0, 6)}-${String(this.#recorder.now())}`;
        device.send({ conversationId: this.#id(HOT), id, text: id, expiresAtMs: 0 });
      }
    }
  }
}
