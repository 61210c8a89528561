import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { privateConversation } from '@godwit/ids/conversation';
import { waitFor } from '@godwit/testkit/wait-for';
import { expect, it } from 'vitest';
import { device, fleetOfFile } from './people.js';

const run = promisify(execFile);
const GODWIT = fileURLToPath(new URL('../../libs/cli/bin/godwit.mjs', import.meta.url));
const fleet = fleetOfFile({ envOf: { 'message-store': { GODWIT_REAPER_ROUND: '1s', GODWIT_REAPER_DELAY: '1s' } } });

interface Step {
  readonly step: string;
  readonly state: string;
  readonly timeMs?: number;
  readonly userId?: string;
  readonly edgeId?: string;
  readonly outcome?: string;
}

const godwit = (...args: string[]) => {
  const { stack } = fleet();
  const env = {
    ...process.env,
    GODWIT_ROUTERS: stack.grpcAddress('router-1'),
    GODWIT_API_KEY: stack.secrets.adminApiKey,
  };
  return run(process.execPath, [GODWIT, ...args], { env });
};

/** What `godwit trace` says of a message, as soon as it says that. */
const traced = async (conversationId: string, seq: number, wanted: Record<string, object>) => {
  let last: readonly Step[] = [];
  const fits = async (): Promise<boolean> => {
    const { stdout } = await godwit('--json', 'trace', conversationId, String(seq));
    ({ steps: last } = JSON.parse(stdout) as { steps: Step[] });
    return Object.entries(wanted).every(([step, what]) => last.some((one) => one.step === step && includes(one, what)));
  };
  await waitFor(fits, { what: 'the trace' }).catch(() => undefined);
  for (const [step, what] of Object.entries(wanted)) {
    expect(last).toContainEqual(expect.objectContaining({ step, ...what }));
  }
  return last;
};

/** Facts come half a second later than what the log knows, and with them the times. */
const includes = (one: Step, what: object): boolean =>
  (one.state !== 'done' || one.timeMs !== undefined) &&
  Object.entries(what).every(([key, value]) => one[key as keyof Step] === value);

it('a message to who is online: accepted, stored, announced, fanned out, delivered, read', async () => {
  const [alice, bob] = await fleet().people(2);
  const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
  const a = await fleet().sdk(device(alice));
  const b = await fleet().sdk(device(bob));
  const { seq } = await a.client.send(conversation, { text: 'are you there?' });
  await waitFor(() => b.texts(conversation).length > 0);
  b.client.read(conversation, seq);
  const mine = { state: 'done', userId: device(alice).userId, deviceId: device(alice).deviceId };
  const theirs = { state: 'done', userId: device(bob).userId, deviceId: device(bob).deviceId };
  const steps = await traced(conversation, seq, {
    accepted: mine,
    stored: mine,
    announced: { state: 'done' },
    'fanned out': { state: 'done' },
    // Nobody was woken, which EVENTS can't prove.
    pushed: { state: 'unknown' },
    delivered: theirs,
    read: { state: 'done', userId: device(bob).userId },
    expired: { state: 'not yet' },
  });
  expect(steps.find(({ step }) => step === 'fanned out')?.edgeId).toMatch(/^edge-\d/);
  for (const step of ['accepted', 'stored', 'announced', 'fanned out', 'delivered', 'read']) {
    expect(steps.find((one) => one.step === step)?.timeMs, step).toBeGreaterThan(1_700_000_000_000);
  }
  const { stdout } = await godwit('trace', conversation, String(seq), '--user', device(bob).userId);
  expect(stdout).toMatch(/^fanned out +done +\S+ +edge-\d/m);
  const wrong = await godwit('--json', 'trace', conversation, '99').catch((error: unknown) => error);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('MESSAGE_NOT_FOUND') as string });
});

it('a message to who is away: pushed by what provider with what outcome, not delivered, then expired', async () => {
  const [alice, carol] = await fleet().people(2);
  const conversation = privateConversation(alice?.userId ?? '', carol?.userId ?? '');
  const a = await fleet().sdk(device(alice));
  const c = await fleet().sdk(device(carol));
  await c.client.call('registerPushToken', { provider: 5, token: 'token-of-carol' });
  await c.client.close();
  const { seq } = await a.client.send(conversation, { text: 'call me', expiresAtMs: Date.now() + 8_000 });
  const theirs = { userId: device(carol).userId };
  await traced(conversation, seq, {
    pushed: { state: 'done', ...theirs, deviceId: device(carol).deviceId, provider: 'log', outcome: 'SENT' },
    delivered: { state: 'not yet', ...theirs },
    read: { state: 'not yet', ...theirs },
    expired: { state: 'not yet' },
  });
  await waitFor(
    async () => {
      const { stdout } = await godwit('--json', 'trace', conversation, String(seq));
      return stdout.includes('"step":"expired","state":"done"');
    },
    { what: 'the expiry', timeoutMs: 30_000 },
  );
});
