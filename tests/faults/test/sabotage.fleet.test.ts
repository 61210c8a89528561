import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, freePorts } from '@godwit/local-stack/ports';
import { Watchdog } from '@godwit/local-stack/process/watchdog';
import { startServers } from '@godwit/local-stack/servers/start-servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Judgement } from '../src/checker/check-history.js';
import { SmallStage, type StageOptions } from './small-stage.js';

// The checker is worth what it catches: each of these breaks one promise of the fleet, and must be found out. The same
// scenes played by the real services find nothing.

let watchdog: Watchdog;
let existing: StageOptions['existing'];

beforeAll(async () => {
  watchdog = Watchdog.start();
  const dir = await mkdtemp(path.join(tmpdir(), 'godwit-sabotage-servers-'));
  watchdog.removeAtEnd(dir);
  const ports = { mongo: [await freePort()], nats: [await freePort()], redis: await freePorts(3) };
  existing = (await startServers({ dir, ports, watchdog })).urls;
});

afterAll(() => watchdog.close());

async function play(instead: Record<string, string>, scene: (stage: SmallStage) => Promise<void>): Promise<Judgement> {
  await using stage = await SmallStage.open({ instead, existing });
  expect(await stage.send(0, 3)).toBe(true);
  await scene(stage);
  return await stage.judge();
}

/** Ben's bot is away and comes back without memory. */
async function whileAway(stage: SmallStage, act: () => Promise<void>): Promise<void> {
  const bot = stage.crew.device(1, 1);
  await stage.untilSeen();
  // Its acks are merged on the way: what it had is with the store before it goes.
  await stage.wait(800);
  await bot.end();
  await act();
  bot.begin(false);
  await stage.crew.untilOnline(10_000);
}

async function restartStore(stage: SmallStage): Promise<void> {
  await stage.untilSeen();
  await stage.kill('message-store-0');
  expect(await stage.send(0, 3)).toBe(true);
}

async function repeatAfterRestart(stage: SmallStage, before: () => Promise<void>): Promise<void> {
  await stage.untilSeen();
  await stage.kill('message-store-0');
  await before();
  stage.crew.device(0, 0).repeat(stage.chat);
  await stage.wait(2_000);
  expect(await stage.send(1, 1)).toBe(true);
}

describe('the real services', () => {
  it('pass every scene', async () => {
    const { violations } = await play({}, async (stage) => {
      await whileAway(stage, async () => {
        expect(await stage.send(0, 4)).toBe(true);
      });
      await restartStore(stage);
      await repeatAfterRestart(stage, () => Promise.resolve());
      await stage.untilSeen();
      await stage.wait(1_000);
    });
    expect(violations).toEqual([]);
  });
});

describe('sabotage is found out', () => {
  it('a fan-out that is confirmed and not done', async () => {
    const { counts } = await play({ router: 'router-confirms-undelivered' }, async (stage) => {
      // Heads are checked once more 5 s after a device came: from then on only live delivery tells it.
      await stage.wait(7_000);
      expect(await stage.send(0, 2)).toBe(true);
      await stage.wait(11_000);
    });
    expect(counts['ten-seconds']).toBeGreaterThan(0);
  });

  it('an ack before the majority write', async () => {
    const { counts } = await play({ 'message-store': 'store-acks-early' }, async (stage) => {
      await stage.kill('message-store-0');
    });
    expect(counts['acked-lost']).toBeGreaterThan(0);
  });

  it('deduplication that is off', async () => {
    const { counts } = await play({ 'message-store': 'store-forgets-ids' }, (stage) =>
      repeatAfterRestart(stage, async () => {
        await stage.reader.db.collection('messages').dropIndex('conversationId_1_senderId_1_clientMessageId_1');
      }),
    );
    expect(counts['log-unique']).toBeGreaterThan(0);
    expect(counts['shown-twice']).toBeGreaterThan(0);
    expect(counts['acked-twice']).toBeGreaterThan(0);
  });

  it('a head that is too high', async () => {
    const { counts } = await play({ 'message-store': 'store-heads-too-high' }, restartStore);
    expect(counts['log-dense']).toBeGreaterThan(0);
  });

  it('two messages swapped', async () => {
    const { counts } = await play({ router: 'router-swaps-neighbours' }, async (stage) => {
      await whileAway(stage, async () => {
        expect(await stage.send(0, 4)).toBe(true);
      });
      await stage.untilSeen(5_000);
    });
    expect(counts['one-order']).toBeGreaterThan(0);
  });

  it('a cursor moved without delivery', async () => {
    const { counts } = await play({}, async (stage) => {
      await whileAway(stage, async () => {
        expect(await stage.send(0, 4)).toBe(true);
        const { deviceId, userId } = stage.crew.device(1, 1).record.device;
        const raised = { $max: { [`delivered.${deviceId}`]: await stage.head() } };
        await stage.reader.db.collection('deliveries').updateOne({ conversationId: stage.chat, userId }, raised);
        // While the bot is away: once it is told to, it counts as had what it was told to count so.
        await stage.sampleMarks();
      });
      await stage.wait(500);
    });
    expect(counts['gone-truthful']).toBeGreaterThan(0);
    expect(counts['mark-truthful']).toBeGreaterThan(0);
  });

  it('a mark moved back', async () => {
    const { counts } = await play({}, async (stage) => {
      await stage.untilSeen();
      await stage.wait(800);
      await stage.sampleMarks();
      const { deviceId, userId } = stage.crew.device(2, 0).record.device;
      const lowered = { $set: { high: 1, [`delivered.${deviceId}`]: 1 } };
      await stage.reader.db.collection('deliveries').updateOne({ conversationId: stage.chat, userId }, lowered);
      await stage.wait(500);
      await stage.sampleMarks();
    });
    expect(counts['mark-back']).toBeGreaterThan(0);
  });
});
