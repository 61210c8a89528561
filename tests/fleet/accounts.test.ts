import { httpCalls } from '@godwit/client/calls';
import { GodwitClient } from '@godwit/client/client';
import { RefusedError } from '@godwit/client/errors';
import { nodeSocket } from '@godwit/client/node-socket';
import { memoryStorage } from '@godwit/client/storage';
import { RefreshingTokens } from '@godwit/client/tokens';
import { privateConversation } from '@godwit/ids/conversation';
import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it } from 'vitest';
import { device, fleetOfFile, watchTargeting } from './people.js';
import { finishSignIn, nextPhone, signUp } from './sign-up.js';

// Access tokens that end soon: what takes a quarter of an hour elsewhere is seen here.
const fleet = fleetOfFile({ envOf: { account: { GODWIT_ACCESS_TOKEN_VALID: '65s' } } });
watchTargeting(fleet);
const reasonOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof RefusedError ? error.reason : String(error)),
  );

describe('accounts', () => {
  it('sign up with a phone number and a code, find each other by name, and chat', async () => {
    const alice = await signUp(fleet(), 'alice');
    const bob = await signUp(fleet(), 'bob');
    const http = httpCalls(fleet().stack.edges);
    const { profile } = await http.call('findUser', { by: { case: 'userName', value: 'bob' } }, alice.accessToken);
    expect(profile?.userId).toBe(bob.userId);
    const a = await fleet().sdk(alice);
    const b = await fleet().sdk(bob);
    const conversation = privateConversation(alice.userId, bob.userId);
    await a.client.send(conversation, { text: 'found you' });
    await waitFor(() => b.texts(conversation).includes('found you'));
    expect(await reasonOf(http.call('registerUser', { apiKey: 'rubbish', phone: '+12025550199' }))).toBe(
      'API_KEY_INVALID',
    );
    expect(await reasonOf(signUp(fleet(), 'alice'))).toBe('USER_NAME_TAKEN');
  });

  it('have further devices by login, which start with what comes from now on', async () => {
    const carol = await signUp(fleet(), 'carol');
    const dave = await signUp(fleet(), 'dave');
    const conversation = privateConversation(carol.userId, dave.userId);
    const c = await fleet().sdk(carol);
    await c.client.send(conversation, { text: 'hello' });
    const http = httpCalls(fleet().stack.edges);
    const apiKey = fleet().stack.secrets.adminApiKey;
    let verificationId = '';
    await waitFor(async () => {
      ({ verificationId } = await http.call('loginUser', { apiKey, phone: dave.phone, deviceName: 'second' }));
      return true;
    });
    const second = await finishSignIn(fleet(), dave.phone, verificationId);
    expect(second.userId).toBe(dave.userId);
    const devices = [await fleet().sdk(dave), await fleet().sdk(second)];
    await c.client.send(conversation, { text: 'to both' });
    await waitFor(() => devices.every((one) => one.texts(conversation).includes('to both')));
    const { devices: listed } = await http.call('listDevices', {}, dave.accessToken);
    expect(listed.map(({ name }) => name).sort()).toEqual(['first', 'second']);
  });

  it('give a wrong code five tries', async () => {
    const phone = nextPhone();
    const http = httpCalls(fleet().stack.edges);
    const apiKey = fleet().stack.secrets.adminApiKey;
    const { verificationId } = await http.call('registerUser', { apiKey, phone, userName: '' });
    const right = await fleet().stack.smsCode(phone);
    const code = right === '000000' ? '000001' : '000000';
    const left: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const { outcome } = await http.call('validateAccount', { verificationId, code });
      left.push(outcome.case === 'wrongCode' ? outcome.value.triesLeft : -1);
    }
    expect(left).toEqual([4, 3, 2, 1, 0]);
    expect(await reasonOf(http.call('validateAccount', { verificationId, code: right }))).not.toBe('done');
  });

  it('renew their access token on the open socket', async () => {
    const erin = await signUp(fleet(), 'erin');
    const http = httpCalls(fleet().stack.edges);
    const tokens = new RefreshingTokens(memoryStorage(), http);
    await tokens.replace(erin);
    const states: string[] = [];
    const client = new GodwitClient({ edges: fleet().stack.edges, tokens, socket: nodeSocket });
    client.on('state', ({ state }) => states.push(state));
    await client.connect();
    // Valid for 65 s; the SDK renews a minute before the end, so within seconds.
    await waitFor(async () => (await tokens.accessToken(false)).token !== erin.accessToken, { timeoutMs: 15_000 });
    expect(client.state).toBe('online');
    expect(states.filter((state) => state === 'offline')).toEqual([]);
    await client.close();
  });
});

describe('an edge that is asked to stop', () => {
  it('sends its clients elsewhere, and they lose nothing', async () => {
    const [alice, bob] = await fleet().people(2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const a = await fleet().sdk(device(alice), { edges: [fleet().edge(0), fleet().edge(1)] });
    const b = await fleet().sdk(device(bob), { edges: [fleet().edge(0)] });
    const sends: Promise<unknown>[] = [];
    let stopped = false;
    const writing = (async () => {
      while (!stopped || sends.length < 100) {
        sends.push(a.client.send(conversation, { text: String(sends.length) }));
        await Promise.race([sends.at(-1), new Promise((resolve) => setTimeout(resolve, 20))]);
      }
    })();
    await waitFor(() => sends.length > 20);
    await fleet().stack.stopProcess('edge-0');
    stopped = true;
    await writing;
    await Promise.all(sends);
    await waitFor(() => b.texts(conversation).length >= sends.length, { timeoutMs: 10_000 });
    expect(b.texts(conversation)).toEqual(sends.map((_, i) => String(i)));
    expect(b.client.edge).toBe(fleet().edge(1));
    await fleet().stack.restart('edge-0');
  });
});
