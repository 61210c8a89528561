import { privateConversation } from '@godwit/ids/conversation';
import { setTimeout as delay } from 'node:timers/promises';
import type { Plan, PlannedConversation } from '../plan/plan.js';
import type { Credentials } from '../world/people.js';
import type { DeviceClient } from './device-client.js';
import { ForeignDevice } from './foreign-device.js';
import type { Recorder } from './recorder.js';
import { SdkDevice } from './sdk-device.js';

/** All devices of a run and the conversations between them. */
export class Crew {
  readonly devices: readonly (readonly DeviceClient[])[];
  /** Ids of the planned conversations by name. */
  readonly conversations = new Map<string, string>();
  readonly #people: readonly (readonly Credentials[])[];

  constructor(
    plan: Plan,
    people: readonly (readonly Credentials[])[],
    world: { edges: readonly string[]; recorder: Recorder },
  ) {
    const { edges, recorder } = world;
    this.#people = people;
    this.devices = people.map((credentials, user) =>
      credentials.map(({ userId, deviceId, accessToken }, device) => {
        const client = plan.users[user]?.devices[device]?.client ?? 'sdk';
        const name = `u${String(user)}.${String(device)} (${client})`;
        const record = recorder.of({ userId, deviceId, name, client });
        if (client === 'foreign') return new ForeignDevice({ edges, accessToken, record }, user);
        return new SdkDevice({ edges, accessToken, record, json: client === 'sdk-json' });
      }),
    );
  }

  get all(): DeviceClient[] {
    return this.devices.flat();
  }

  userId(user: number): string {
    return this.#people[user]?.[0]?.userId ?? '';
  }

  device(user: number, device: number): DeviceClient {
    const found = this.devices[user]?.[device];
    if (found === undefined) throw new RangeError(`no device ${String(user)}.${String(device)}`);
    return found;
  }

  /** The user's first device has the SDK: that is where calls come from. */
  sdk(user: number): SdkDevice {
    const device = this.device(user, 0);
    if (device instanceof SdkDevice) return device;
    throw new TypeError('the first device of everybody has the SDK');
  }

  /** Everybody in, before there is anything to see; then the conversations. */
  async assemble(conversations: readonly PlannedConversation[]): Promise<void> {
    for (const device of this.all) device.begin(false);
    await this.untilOnline(30_000);
    for (const { name, kind, members } of conversations) {
      const userIds = members.map((user) => this.userId(user));
      if (kind === 'private') this.conversations.set(name, privateConversation(userIds[0] ?? '', userIds[1] ?? ''));
      else {
        const request = { clientRequestId: `faults-${name}`, name, memberUserIds: userIds.slice(1) };
        this.conversations.set(name, await this.sdk(members[0] ?? 0).createGroup(request));
      }
    }
  }

  async untilOnline(timeoutMs: number): Promise<boolean> {
    return until(() => this.all.every(({ record }) => record.online), timeoutMs);
  }

  async disband(): Promise<void> {
    await Promise.all(this.all.map((device) => device.end()));
  }
}

/** Whether it came true in time. */
export async function until(test: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!(await test())) {
    if (performance.now() > end) return false;
    await delay(50);
  }
  return true;
}
