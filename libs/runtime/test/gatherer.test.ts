import { describe, expect, it } from 'vitest';
import { deferred } from '../src/deferred.js';
import { Gatherer } from '../src/gatherer.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a gatherer', () => {
  it('makes one call of what is asked in a turn, and gives each its own answer', async () => {
    const calls: number[][] = [];
    const doubled = new Gatherer<number, number>({
      name: 'test',
      maxQuestions: 100,
      ask: (questions) => {
        calls.push([...questions]);
        return Promise.resolve(questions.map((question) => question * 2));
      },
    });
    expect(await Promise.all([1, 2, 3].map((question) => doubled.ask(question)))).toEqual([2, 4, 6]);
    expect(await doubled.ask(4)).toBe(8);
    expect(calls).toEqual([[1, 2, 3], [4]]);
  });

  it('gathers while two calls are under way, within what a call takes', async () => {
    const calls: string[][] = [];
    const held = [deferred<void>(), deferred<void>()];
    const gatherer = new Gatherer<string, string>({
      name: 'test',
      maxQuestions: 3,
      maxSize: 4,
      sizeOf: (question) => question.length,
      ask: async (questions) => {
        const hold = held[calls.length];
        calls.push([...questions]);
        await hold?.promise;
        return questions;
      },
    });
    const answers = ['aa', 'bb', 'cccccc', 'd', 'e', 'f', 'g'].map((question) => gatherer.ask(question));
    await turn();
    expect(calls).toEqual([['aa', 'bb'], ['cccccc']]);
    held.forEach(({ resolve }) => {
      resolve();
    });
    expect(await Promise.all(answers)).toEqual(['aa', 'bb', 'cccccc', 'd', 'e', 'f', 'g']);
    expect(calls.slice(2)).toEqual([['d', 'e', 'f'], ['g']]);
  });

  it('fails those of a call that fails or answers too few, and no others', async () => {
    const outcomes: (() => Promise<number[]>)[] = [
      () => Promise.reject(new Error('away')),
      () => Promise.resolve([1]),
      () => Promise.resolve([1, 2]),
    ];
    let call = 0;
    const gatherer = new Gatherer<number, number>({
      name: 'test',
      maxQuestions: 2,
      ask: () => outcomes[call++]?.() ?? Promise.resolve([]),
    });
    const reasons = async (): Promise<unknown[]> =>
      (await Promise.allSettled([gatherer.ask(1), gatherer.ask(2)])).map((one) =>
        one.status === 'fulfilled' ? one.value : String(one.reason),
      );
    expect(await reasons()).toEqual(['Error: away', 'Error: away']);
    expect(await reasons()).toEqual([1, 'Error: test: fewer answers than questions']);
    expect(await reasons()).toEqual([1, 2]);
  });
});
