import { waitFor } from '@godwit/testkit/wait-for';
import { expect, it } from 'vitest';
import { GroupReminder } from '../src/domain/group-reminder.js';

it('asks group for the newest version of what changed, until it is there', async () => {
  const asked: [string, number | undefined][] = [];
  let away = true;
  const failures: unknown[] = [];
  const reminder = new GroupReminder({
    source: {
      load: (conversationId, { minVersion }) => {
        asked.push([conversationId, minVersion]);
        if (away) return Promise.reject(new Error('away'));
        return Promise.resolve({ found: false, refusal: { reason: 'CONVERSATION_NOT_FOUND', message: '', field: '' } });
      },
    },
    delayMs: 5,
    onFailure: (error) => failures.push(error),
  });
  reminder.changed('g:a', 2);
  reminder.changed('g:a', 5);
  reminder.changed('g:a', 3);
  await waitFor(() => failures.length > 1);
  away = false;
  const before = asked.length;
  await waitFor(() => asked.length > before);
  expect(new Set(asked.map(String))).toEqual(new Set(['g:a,5']));
  reminder.close();
});
