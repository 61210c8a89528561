import type { CallName } from '@godwit/client/calls';
import { NoAnswerError, RefusedError } from '@godwit/client/errors';
import { describe, expect, it } from 'vitest';
import { Names, type Directory } from '../src/names.js';
import { ALICE, BOB, CHAT, GROUP } from './fake-api.js';

type Answers = Partial<Record<CallName, (request: Record<string, unknown>) => unknown>>;

function names(answers: Answers): { names: Names; asked: string[] } {
  const asked: string[] = [];
  const directory = {
    profile: () => Promise.resolve({ userId: ALICE }),
    call: async (name: CallName, request: Record<string, unknown>) => {
      asked.push(name);
      return answers[name]?.(request);
    },
  } as unknown as Directory;
  return { names: new Names(directory), asked };
}

const nobody = (): never => {
  throw new RefusedError({ reason: 'USER_NOT_FOUND', message: '' });
};
const groups =
  (...found: [string, string][]) =>
  () => ({
    conversations: found.map(([conversationId, name]) => ({ conversationId, group: { name } })),
    nextPageToken: '',
  });

describe('Names', () => {
  it('takes ids as they are, without asking', async () => {
    const { names: n, asked } = names({});
    expect(await n.user(BOB)).toBe(BOB);
    expect(await n.conversation(GROUP)).toBe(GROUP);
    expect(await n.conversation(BOB)).toBe(CHAT);
    expect(await n.group(GROUP)).toBe(GROUP);
    expect(asked).toEqual([]);
  });

  it('finds users by name, with or without @, in any case, and by phone number', async () => {
    const by: unknown[] = [];
    const { names: n } = names({
      findUser: (request) => {
        by.push(request['by']);
        return { profile: { userId: BOB } };
      },
    });
    for (const text of ['bob', '@bob', '@Bob', '+12025550102']) expect(await n.conversation(text)).toBe(CHAT);
    expect(by).toEqual([
      { case: 'userName', value: 'bob' },
      { case: 'userName', value: 'bob' },
      { case: 'userName', value: 'bob' },
      { case: 'phone', value: '+12025550102' },
    ]);
  });

  it('finds a group by its name where no user has it; @ means a user', async () => {
    const { names: n, asked } = names({ findUser: nobody, listConversations: groups([GROUP, 'Birds of Alaska']) });
    expect(await n.conversation('birds of alaska')).toBe(GROUP);
    expect(asked).toEqual(['listConversations']);
    await expect(n.conversation('@birds')).rejects.toThrow('there is no user @birds');
    await expect(n.group('Fish')).rejects.toThrow('you are in no group named Fish');
  });

  it('asks which when several groups have a name', async () => {
    const other = `g:${'d'.repeat(26)}`;
    const { names: n } = names({ findUser: nobody, listConversations: groups([GROUP, 'Birds'], [other, 'birds']) });
    await expect(n.conversation('Birds')).rejects.toMatchObject({
      code: 2,
      message: expect.stringContaining(other) as string,
    });
  });

  it('knows no chat with oneself', async () => {
    await expect(names({}).names.conversation(ALICE)).rejects.toThrow('with yourself');
  });

  it('shows names that can do no harm, once asked for, and something when there is none', async () => {
    const { names: n, asked } = names({
      getProfile: () => ({ profile: { userName: '', displayName: 'Bob\u001b[31m\n\u202eevil' } }),
    });
    expect(await n.show(BOB)).toBe('Bob evil');
    await Promise.all([n.show(BOB), n.show(BOB)]);
    expect(asked).toEqual(['getProfile']);
    expect(await n.show(ALICE)).toBe('you');
    expect(await names({ getProfile: nobody }).names.show(BOB)).toBe('bbbbbb…');
  });

  it('shows a message though no edge answers, and asks again for the next', async () => {
    let up = false;
    const { names: n } = names({
      getProfile: () => {
        if (!up) throw new NoAnswerError('down');
        return { profile: { userName: 'bob' } };
      },
    });
    expect(await n.show(BOB)).toBe('bbbbbb…');
    up = true;
    expect(await n.show(BOB)).toBe('bob');
  });
});
