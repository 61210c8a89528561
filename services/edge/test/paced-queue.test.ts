import { describe, expect, it } from 'vitest';
import { PacedQueue } from '../src/domain/paced-queue.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe('a paced queue', () => {
  it('does little at once, and much in its order over several turns', async () => {
    const done: number[][] = [];
    const queue = new PacedQueue<number>({ perTurn: 3, maxWaiting: 100, work: (items) => void done.push([...items]) });
    queue.add([1, 2]);
    expect(done).toEqual([[1, 2]]);
    queue.add(numbers(3, 9));
    // Behind what waits, however little it is.
    queue.add([10]);
    expect(done).toHaveLength(1);
    await turn();
    expect(done.slice(1)).toEqual([[3, 4, 5]]);
    while (queue.waiting > 0) await turn();
    expect(done.slice(1)).toEqual([
      [3, 4, 5],
      [6, 7, 8],
      [9, 10],
    ]);
    queue.add([11]);
    expect(done.at(-1)).toEqual([11]);
  });

  it('never lets more wait than it may', () => {
    let done: number[] = [];
    const queue = new PacedQueue<number>({
      perTurn: 2,
      maxWaiting: 10,
      work: (items) => {
        done = [...done, ...items];
      },
    });
    queue.add(numbers(1, 25));
    expect(queue.waiting).toBe(10);
    expect(done).toEqual(numbers(1, 15));
  });

  it('keeps the order when work adds to it', async () => {
    const done: number[] = [];
    const queue: PacedQueue<number> = new PacedQueue<number>({
      perTurn: 2,
      maxWaiting: 10,
      work: (items) => {
        for (const item of items) {
          done.push(item);
          if (item === 1) queue.add([6]);
        }
      },
    });
    queue.add([1, 2, 3, 4, 5]);
    while (queue.waiting > 0) await turn();
    expect(done).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
