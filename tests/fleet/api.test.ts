import { privateConversation } from '@godwit/ids/conversation';
import { AccountServiceClient } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceClient } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { PushServiceClient } from '@godwit/proto/gen/grpc/godwit/push/v1/push';
import { RouterServiceClient } from '@godwit/proto/gen/grpc/godwit/router/v1/router';
import { errorInfo } from '@godwit/rpc/rpc-error';
import { waitFor } from '@godwit/testkit/wait-for';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { sendAsTeam } from './api-example.js';
import { device, fleetOfFile } from './people.js';
import { teamCall } from './team-call.js';

const fleet = fleetOfFile();
const insecure = credentials.createInsecure();

function apiKey(): string {
  return fleet().stack.secrets.adminApiKey;
}

describe('the gRPC APIs, for internal teams', () => {
  it('send as a bot, with an API key that was made for it and nothing else', async () => {
    const [alice] = await fleet().people(1);
    const a = await fleet().sdk(device(alice));
    const account = new AccountServiceClient(fleet().stack.grpcAddress('account-0'), insecure);
    const made = await teamCall(
      account.createApiKey.bind(account),
      { name: 'weather team', scopes: ['bots', 'messages'] },
      { apiKey: apiKey() },
    );
    const bot = await teamCall(
      account.createBot.bind(account),
      { userName: 'weather_bot', displayName: 'Weather' },
      { apiKey: made.apiKey },
    );
    const botId = bot.profile?.userId ?? '';
    const conversationId = privateConversation(botId, alice?.userId ?? '');
    const message = {
      address: fleet().stack.grpcAddress('router-0'),
      apiKey: made.apiKey,
      userId: botId,
      deviceId: bot.deviceId,
      to: conversationId,
      text: 'wind from the north',
      clientMessageId: 'forecast-1',
    };
    expect(await sendAsTeam(message)).toEqual({ seq: 2, duplicate: false });
    expect(await sendAsTeam(message)).toEqual({ seq: 2, duplicate: true });
    await waitFor(() => a.texts(conversationId).includes('wind from the north'));
    const groups = new GroupServiceClient(fleet().stack.grpcAddress('group-0'), insecure);
    const outside = teamCall(groups.getGroup.bind(groups), { conversationId }, { apiKey: made.apiKey, user: botId });
    expect(errorInfo(await outside.catch((error: unknown) => error))?.reason).toMatch(/SCOPE/);
  });

  it('say what is wrong with a request: INVALID_ARGUMENT with the name of the field', async () => {
    const [alice] = await fleet().people(1);
    const router = new RouterServiceClient(fleet().stack.grpcAddress('router-1'), insecure);
    const caller = { apiKey: apiKey(), user: alice?.userId ?? '' };
    for (const conversationId of ['g:$where', 'p:*:>', '__proto__']) {
      const request = { conversationId, historyDays: 1, expireAfterSeconds: 0 };
      const error: unknown = await teamCall(router.setHistory.bind(router), request, caller).catch((e: unknown) => e);
      expect(errorInfo(error)).toMatchObject({ field: 'conversation_id' });
    }
    const groups = new GroupServiceClient(fleet().stack.grpcAddress('group-0'), insecure);
    const request = {
      clientRequestId: 'r',
      name: 'many',
      pictureMediaId: '',
      memberUserIds: Array.from({ length: 100_000 }, () => alice?.userId ?? ''),
      settings: undefined,
    };
    const error: unknown = await teamCall(groups.createGroup.bind(groups), request, caller).catch((e: unknown) => e);
    expect(errorInfo(error)).toMatchObject({ field: 'member_user_ids' });
  });

  it('answer health checks and describe themselves, on every service', async () => {
    const Health = makeGenericClientConstructor(healthService, 'Health');
    for (const { name } of fleet().stack.replicas.filter((replica) => !replica.name.startsWith('edge'))) {
      const client = new Health(fleet().stack.grpcAddress(name), insecure);
      const status = await new Promise((resolve, reject) => {
        const check = client['check'] as unknown as (...args: unknown[]) => void;
        check.call(
          client,
          { service: '' },
          { deadline: Date.now() + 5_000 },
          (error: Error | null, answer: unknown) => {
            if (error === null) resolve(answer);
            else reject(error);
          },
        );
      });
      expect(status, name).toMatchObject({ status: 'SERVING' });
      client.close();
    }
  });
});

describe('push', () => {
  it('wakes a device that is not connected, once a conversation, and no device that is', async () => {
    const [alice, bob] = await fleet().people(2, 2);
    const conversation = privateConversation(alice?.userId ?? '', bob?.userId ?? '');
    const a = await fleet().sdk(device(alice));
    const b = await fleet().sdk(device(bob, 0));
    await b.client.call('registerPushToken', { provider: 5, token: 'token-of-b' });
    const push = new PushServiceClient(fleet().stack.grpcAddress('push-0'), insecure);
    const outcomes = async (): Promise<string[]> => {
      const page = await teamCall(
        push.listPushOutcomes.bind(push),
        { userId: bob?.userId ?? '', pageSize: 100 },
        { apiKey: apiKey() },
      );
      return page.outcomes.map(({ outcome, seq }) => `${outcome} ${String(seq)}`);
    };
    await a.client.send(conversation, { text: 'you are here' });
    await waitFor(() => b.texts(conversation).length === 1);
    await b.client.close();
    for (let i = 0; i < 5; i += 1) await a.client.send(conversation, { text: String(i) });
    const seen = await waitFor(
      async () => {
        const all = await outcomes();
        return all.some((one) => one === 'SENT 7') ? all : undefined;
      },
      { timeoutMs: 15_000, intervalMs: 200 },
    );
    expect(seen.filter((one) => one.startsWith('SENT')).length).toBeLessThan(5);
    expect(seen.some((one) => one.endsWith(' 2'))).toBe(false);
  });
});

describe('the OpenAPI document', () => {
  it('describes every call that the edge takes over HTTPS', async () => {
    const base = fleet().edge(0).replace('ws', 'http');
    const document = (await (await fetch(`${base}/v1/openapi.json`)).json()) as { paths: Record<string, unknown> };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/createGroup', '/v1/registerUser', '/v1/getMessages']),
    );
    const jwks = (await (await fetch(`${base}/.well-known/jwks.json`)).json()) as { keys: unknown[] };
    expect(jwks.keys.length).toBeGreaterThan(0);
  });
});
