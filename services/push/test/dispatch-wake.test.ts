import { ManualClock } from '@godwit/runtime/clock';
import { describe, expect, it } from 'vitest';
import { dispatchWake } from '../src/domain/dispatch-wake.js';
import type { Outcome, ProviderName, Push, PushToken, SendResult, Wake } from '../src/domain/model.js';
import { SentMarks } from '../src/domain/sent-marks.js';

const WAKE: Wake = { userId: 'u', conversationId: 'c', seq: 7, senderUserId: 's', kind: 1, serverTime: 0 };
const MAX_DELIVERIES = 3;

/** A user with devices a, b and c, of which a and b have a token. */
const scene = () => {
  const token = (deviceId: string, provider: ProviderName = 'log'): PushToken => {
    return { userId: 'u', deviceId, provider, token: `token of ${deviceId}` };
  };
  const state = {
    tokens: [token('a'), token('b')],
    devices: ['a', 'b', 'c'] as string[] | undefined,
    online: new Set<string>(),
    mutedUntil: 0,
    results: new Map<string, SendResult | Error>(),
    pushed: [] as Push[],
    outcomes: [] as Outcome[],
  };
  const clock = new ManualClock();
  const dispatch = dispatchWake({
    clock,
    tokens: {
      put: () => Promise.resolve(),
      remove: () => Promise.resolve(),
      prune: (dead) => {
        state.tokens = state.tokens.filter((one) => one.token !== dead.token);
        return Promise.resolve();
      },
      removeDevices: (_userId, deviceIds) => {
        state.tokens = state.tokens.filter((one) => !deviceIds.includes(one.deviceId));
        return Promise.resolve();
      },
      list: () => Promise.resolve(state.tokens),
    },
    outcomes: { add: (outcomes) => state.outcomes.push(...outcomes), list: () => Promise.resolve([]) },
    providers: new Map([
      [
        'log',
        {
          send: (push: Push) => {
            const result = state.results.get(push.deviceId) ?? { kind: 'sent' };
            if (result instanceof Error) return Promise.reject(result);
            state.pushed.push(push);
            return Promise.resolve(result);
          },
        },
      ],
    ]),
    devices: { devicesOf: () => Promise.resolve(state.devices) },
    presence: { onlineDevicesOf: () => Promise.resolve(state.online) },
    mutes: { mutedUntil: () => Promise.resolve(state.mutedUntil) },
    marks: new SentMarks(),
    maxDeliveries: MAX_DELIVERIES,
    observe: () => undefined,
  });
  const summary = () =>
    state.outcomes.map(({ deviceId, outcome, detail }) => [deviceId, outcome, detail].filter(Boolean).join(' ')).sort();
  return { state, clock, dispatch, summary, token };
};

describe('a wake', () => {
  it('is pushed to the devices that have a token, and says only where to look', async () => {
    const { state, dispatch, summary } = scene();
    await dispatch(WAKE, 1);
    expect(state.pushed).toEqual(
      ['a', 'b'].map((deviceId) => ({ wake: WAKE, deviceId, token: `token of ${deviceId}`, collapseKey: 'c' })),
    );
    expect(summary()).toEqual(['a SENT', 'b SENT', 'c NO_TOKEN']);
  });

  it('is not for a device that is online', async () => {
    const { state, dispatch, summary } = scene();
    state.online.add('a');
    await dispatch(WAKE, 1);
    expect(summary()).toEqual(['a ONLINE', 'b SENT', 'c NO_TOKEN']);
  });

  it('is for nobody while the conversation is muted', async () => {
    const { state, clock, dispatch, summary } = scene();
    state.mutedUntil = clock.now() + 1;
    await dispatch(WAKE, 1);
    expect(state.pushed).toEqual([]);
    expect(summary()).toEqual(['a MUTED', 'b MUTED', 'c MUTED']);
    clock.advance(1);
    await dispatch(WAKE, 1);
    expect(state.pushed).toHaveLength(2);
  });

  it('forgets the tokens of devices that were removed', async () => {
    const { state, dispatch, summary } = scene();
    state.devices = ['b'];
    await dispatch(WAKE, 1);
    expect(state.tokens.map(({ deviceId }) => deviceId)).toEqual(['b']);
    expect(summary()).toEqual(['b SENT']);
    state.devices = undefined;
    await dispatch({ ...WAKE, seq: 8 }, 1);
    expect(state.tokens).toEqual([]);
  });

  it('forgets a token that its provider calls dead', async () => {
    const { state, dispatch, summary } = scene();
    state.results.set('a', { kind: 'token_invalid', detail: 'unregistered' });
    await dispatch(WAKE, 1);
    expect(state.tokens.map(({ deviceId }) => deviceId)).toEqual(['b']);
    expect(summary()).toEqual(['a FAILED unregistered', 'b SENT', 'c NO_TOKEN']);
  });

  it('keeps the token of a provider that is not configured', async () => {
    const { state, dispatch, summary, token } = scene();
    state.tokens = [token('a', 'apns')];
    await dispatch(WAKE, 1);
    expect(state.tokens).toHaveLength(1);
    expect(summary()).toEqual(['a FAILED provider not configured', 'b NO_TOKEN', 'c NO_TOKEN']);
  });

  it('comes again for a provider that is busy, and then only for the devices that were not reached', async () => {
    const { state, dispatch } = scene();
    state.results.set('b', { kind: 'try_later', detail: 'busy' });
    await expect(dispatch(WAKE, 1)).rejects.toThrow('busy');
    state.results.clear();
    state.pushed = [];
    await dispatch(WAKE, 2);
    expect(state.pushed.map(({ deviceId }) => deviceId)).toEqual(['b']);
  });

  it('is given up in the end', async () => {
    const { state, dispatch, summary } = scene();
    state.results.set('a', new Error('connection reset'));
    await expect(dispatch(WAKE, MAX_DELIVERIES - 1)).rejects.toThrow('connection reset');
    state.outcomes = [];
    await dispatch(WAKE, MAX_DELIVERIES);
    expect(summary()).toContain('a FAILED connection reset (given up after 3 tries)');
  });

  it('asks no peer when the user has no token at all', async () => {
    const { state, dispatch, summary } = scene();
    state.tokens = [];
    state.devices = undefined;
    await dispatch(WAKE, 1);
    expect(summary()).toEqual(['NO_TOKEN']);
  });
});
