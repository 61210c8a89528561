import { waitFor } from '@godwit/testkit/wait-for';
import { describe, expect, it } from 'vitest';

describe('waitFor', () => {
  it('gives the first truthy value back', async () => {
    let asked = 0;
    expect(await waitFor(() => (asked += 1) > 3 && `asked ${String(asked)} times`, { intervalMs: 1 })).toBe(
      'asked 4 times',
    );
  });

  it('says what it waited for, and the last error', async () => {
    const cause = new Error('connection refused');
    const waiting = waitFor(() => Promise.reject(cause), { timeoutMs: 30, intervalMs: 5, what: 'the server' });
    await expect(waiting).rejects.toThrow(
      expect.objectContaining({ message: 'Waited 30 ms in vain for: the server', cause }),
    );
  });
});
