import { groupConversation } from '@godwit/ids/conversation';
import { newId } from '@godwit/ids/id';
import {
  AccountServiceService,
  Audience,
  type GetRelationsResponse,
} from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import {
  GroupServiceService,
  type GetConversationResponse,
  type MemberState,
} from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import { connectNodes } from '@godwit/rpc/node-pool';
import { notFound, unavailable } from '@godwit/rpc/rpc-error';
import { serve, startRpcServer, type Handlers, type ServedService } from '@godwit/rpc/server';
import { Lifecycle } from '@godwit/runtime/lifecycle';
import { silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { afterEach, describe, expect, it } from 'vitest';
import { createReadMembers } from '../src/peers/members.js';
import { createReadRelations } from '../src/peers/relations.js';

const FLEET_TOKEN = 'a token of this test';
const lives: Lifecycle[] = [];
afterEach(async () => {
  for (const life of lives.splice(0)) await life.stop();
});

const notServed = (name: string) => () => {
  throw new Error(`${name} is not served in this test`);
};

/** A service of which a test needs one method; the others fail. */
const only = <D extends typeof AccountServiceService | typeof GroupServiceService>(
  definition: D,
  handlers: Partial<Handlers<D>>,
): ServedService =>
  serve(definition, {
    ...Object.fromEntries(Object.keys(definition).map((name) => [name, notServed(name)])),
    ...handlers,
  } as Handlers<D>);

const served = async (service: ServedService) => {
  const life = new Lifecycle({ logger: silentLogger });
  lives.push(life);
  const metrics = createMetrics({ service: 'test', node: 'test', processMetrics: false });
  const listen = { host: '127.0.0.1', port: 0 };
  const { port } = await startRpcServer({
    listen,
    services: [service],
    auth: { fleetToken: [FLEET_TOKEN] },
    metrics,
    life,
    reflection: false,
  });
  const nodes = [{ name: 'peer-0', host: '127.0.0.1', port }];
  return { nodes, self: 'presence-0', fleetToken: [FLEET_TOKEN] as const, logger: silentLogger, metrics };
};

describe('account', () => {
  it('is asked for the relations of subjects to viewers, in order', async () => {
    const [subject, viewer] = [newId(), newId()];
    const relation = { ownerExists: true, blocked: false, contact: false, privacy: undefined };
    const privacy = {
      online: Audience.AUDIENCE_CONTACTS,
      lastSeen: Audience.AUDIENCE_NOBODY,
      readReceipts: Audience.AUDIENCE_UNSPECIFIED,
    };
    const options = await served(
      only(AccountServiceService, {
        getRelations: async ({ queries }): Promise<GetRelationsResponse> => ({
          relations: queries.map(({ ownerUserId, otherUserId }) =>
            ownerUserId === subject && otherUserId === viewer ? { ...relation, contact: true, privacy } : relation,
          ),
        }),
      }),
    );
    const account = connectNodes(AccountServiceService, options);
    const found = await createReadRelations(account)([
      { subject: viewer, viewer: subject },
      { subject, viewer },
    ]);
    account.close();
    const open = { exists: true, blocked: false, contact: false, online: 'everyone', lastSeen: 'everyone' };
    expect(found).toEqual([open, { ...open, contact: true, online: 'contacts', lastSeen: 'nobody' }]);
  });
});

describe('group', () => {
  const member = (userId: string, toSeq: number): MemberState => ({
    userId,
    role: 1,
    intervals: [
      { fromSeq: 1, toSeq: 5 },
      { fromSeq: 7, toSeq },
    ],
    mutedUntilMs: 0,
  });

  it('tells who is a member today, and that there is no such group', async () => {
    const conversationId = groupConversation(newId());
    const [ann, bob, eve] = [newId(), newId(), newId()];
    const options = await served(
      only(GroupServiceService, {
        async *getConversation(request): AsyncGenerator<GetConversationResponse> {
          await Promise.resolve();
          if (request.conversationId !== conversationId) throw notFound('CONVERSATION_NOT_FOUND', 'no such group');
          yield { head: undefined, members: [member(ann, 0), member(eve, 9)] };
          yield { head: undefined, members: [member(bob, 0)] };
        },
      }),
    );
    const group = connectNodes(GroupServiceService, options);
    const read = createReadMembers(group);
    expect(await read(conversationId)).toEqual(new Set([ann, bob]));
    expect(await read(groupConversation(newId()))).toBeUndefined();
    group.close();
  });

  it('that fails is not an empty group', async () => {
    const options = await served(
      only(GroupServiceService, {
        async *getConversation(): AsyncGenerator<GetConversationResponse> {
          yield { head: undefined, members: [member(newId(), 0)] };
          await Promise.resolve();
          throw unavailable('OVERLOADED', 'later');
        },
      }),
    );
    const group = connectNodes(GroupServiceService, options);
    await expect(createReadMembers(group)(groupConversation(newId()))).rejects.toThrow('later');
    group.close();
  });
});
