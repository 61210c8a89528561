import { newId } from '@godwit/ids/id';
import { groupConversation } from '@godwit/ids/conversation';
import { PushWake } from '@godwit/proto/gen/grpc/godwit/event/v1/events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadPushConfig } from '../src/config.js';
import { readWake } from '../src/consumers/wakes.js';

const wake = (fields: Partial<PushWake> = {}): Uint8Array =>
  PushWake.encode({
    userId: newId(),
    conversationId: groupConversation(newId()),
    seq: 1,
    senderUserId: newId(),
    kind: 1,
    serverTimeMs: 1,
    ...fields,
  }).finish();

describe('the reader of wakes', () => {
  it('takes wakes, and nothing that could mean something else to a database or a bus', () => {
    expect(readWake(wake())).toMatchObject({ seq: 1 });
    expect(readWake(wake({ userId: '$ne' }))).toBeUndefined();
    expect(readWake(wake({ conversationId: 'g:*' }))).toBeUndefined();
    expect(readWake(wake({ seq: 0 }))).toBeUndefined();
  });

  it('does not throw, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(readWake(bytes)).toBeUndefined();
      }),
    );
  });
});

describe('the configuration', () => {
  it('serves the logging provider outside production unless told otherwise', () => {
    expect(loadPushConfig({}).logProvider).toBe(true);
    const production = { GODWIT_ENV: 'production', GODWIT_FLEET_TOKEN: 'a-real-secret-of-enough-characters' };
    expect(loadPushConfig(production).logProvider).toBe(false);
    expect(loadPushConfig({ ...production, GODWIT_PUSH_LOG_PROVIDER: 'true' }).logProvider).toBe(true);
  });
});
